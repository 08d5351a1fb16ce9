//! Changes of files while single system calls fail: what was stored is said to be stored, the weaker way is taken, and
//! nothing is left behind.
//!
//! `strace` makes the calls of the real server fail. Where it is missing or may not trace, a test is skipped, and fails
//! where `BAREWIRE_REQUIRE_STRACE` is set. `file_systems` has real mounts on which the same calls fail.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use crate::support::client::{Client, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, put};
use crate::support::{can_trace, rounds};

/// One change. Unlike in other tests, 500 may be right.
fn change(server: &Server, method: &str, target: &str, fields: &str, content: &[u8]) -> Response {
    let mut client = Client::connect(server);
    let head = request(method, target, &format!("{fields}Content-Length: {}\r\n", content.len()));
    client.send_if_open(&[&head[..], content].concat());
    Response::read(&mut client, method)
}

/// Every change once. Returns the statuses of create, replace, create with new folders, form, and delete.
fn change_everything(server: &Server, folder: &Folder, content: &[u8]) -> [u16; 5] {
    folder.write("old", "old");
    folder.write("away", "away");
    let files = form(&[("form", content), ("old", b"2")]);
    [
        ("PUT", "/new", "", content),
        ("PUT", "/old", "", content),
        ("PUT", "/made/for/it", "", content),
        ("POST", "/", FORM, &files),
        ("DELETE", "/away", "", b""),
    ]
    .map(|(method, target, fields, content)| change(server, method, target, fields, content).status)
}

/// Asserts that `folder` holds what [`change_everything`] makes, and nothing else.
fn assert_changed(folder: &Folder, content: &[u8]) {
    assert_eq!(names(folder.path()), ["form", "made", "new", "old", "old (2)"]);
    assert_eq!(names(&folder.join("made/for")), ["it"]);
    for name in ["form", "new", "old", "made/for/it"] {
        assert!(fs::read(folder.join(name)).unwrap() == content, "{name}");
    }
}

#[test]
fn a_name_is_given_by_the_next_way_when_one_fails() {
    if !can_trace() {
        return;
    }
    let content = pattern(1, 100_000);
    for faults in [
        // Without /proc, and as with a folder that was moved: the file is copied.
        &["linkat:error=ENOENT"][..],
        &["linkat:error=EXDEV", "renameat2:error=EINVAL"],
        // Neither hard links nor a rename that does not replace.
        &["linkat:error=EPERM", "renameat2:error=ENOSYS"],
        &["linkat:error=EIO", "renameat2:error=EIO"],
    ] {
        let folder = Folder::new();
        let server = Server::with_faults(faults, None, &folder, &["--write"]);
        assert_eq!(change_everything(&server, &folder, &content), [201, 204, 201, 303, 204], "{faults:?}");
        put(&server, "/new", "If-None-Match: *\r\n", b"x").assert_status(412);
        assert_changed(&folder, &content);
        let statuses = std::thread::scope(|scope| {
            let race = |_| scope.spawn(|| put(&server, "/race", "If-None-Match: *\r\n", &content).status);
            let writers: Vec<_> = (0..8).map(race).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{faults:?}: {statuses:?}");
    }
}

#[test]
fn an_upload_that_cannot_get_its_name_changes_nothing_and_leaves_nothing() {
    if !can_trace() {
        return;
    }
    for (fault, status) in [("EIO", 500), ("ENOSPC", 507), ("EACCES", 403), ("EBUSY", 409)] {
        let folder = Folder::new();
        let faults = ["linkat", "renameat2", "renameat"].map(|call| format!("{call}:error={fault}"));
        let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
        let server = Server::with_faults(&faults, None, &folder, &["--write"]);
        let statuses = change_everything(&server, &folder, &pattern(1, 100_000));
        assert_eq!(statuses, [status, status, status, status, 204], "{fault}");
        assert_eq!(names(folder.path()), ["old"], "{fault}");
        assert_eq!(fs::read(folder.join("old")).unwrap(), b"old", "{fault}");
    }
}

#[test]
fn a_folder_that_cannot_be_synced_is_no_failure() {
    if !can_trace() {
        return;
    }
    let content = pattern(1, 100_000);
    for fault in ["EINVAL", "EBADF", "EOPNOTSUPP"] {
        let folder = Folder::new();
        // The folder alone: the content of a file can be synced.
        let faults = [&*format!("fsync:error={fault}")];
        let server = Server::with_faults(&faults, Some(folder.path()), &folder, &["--write"]);
        assert!(server.before().concat().contains("power failure"), "{:?}", server.before());
        assert_eq!(change_everything(&server, &folder, &content), [201, 204, 201, 303, 204], "{fault}");
        assert_changed(&folder, &content);
    }
}

#[test]
fn what_was_done_is_said_to_be_done_when_the_disk_fails_after_it() {
    if !can_trace() {
        return;
    }
    let content = pattern(1, 100_000);
    for fault in ["EIO", "ENOENT", "EACCES", "ENOSPC", "ENOTDIR"] {
        let folder = Folder::new();
        let faults = [&*format!("fsync:error={fault}")];
        let server = Server::with_faults(&faults, Some(folder.path()), &folder, &["--write"]);
        assert_eq!(change_everything(&server, &folder, &content), [500; 5], "{fault}");
        assert_changed(&folder, &content);
        assert!(change(&server, "PUT", "/again", "", b"x").text().contains("The file was stored, but"));
        assert!(change(&server, "DELETE", "/again", "", b"").text().contains("It was removed, but"));
        server.err.line("fsync of the folder failed");
    }
}

/// What the threads call that change files. Not `write` and `close`: by them they also wake a loop, which cannot fail.
/// `disk_full` makes writes fail.
const CALLS: [&str; 16] = [
    "openat",
    "openat2",
    "newfstatat",
    "fstat",
    "statx",
    "fstatfs",
    "fallocate",
    "flock",
    "fsync",
    "fchmod",
    "fchown",
    "mkdirat",
    "linkat",
    "renameat",
    "renameat2",
    "unlinkat",
];

/// The changes of [`change_everything`], each with its status if it was answered, and whether the answer says that it
/// was done all the same.
fn attempts(server: &Server, content: &[u8]) -> [Option<(u16, bool)>; 5] {
    let files = form(&[("form", content), ("old", content)]);
    [
        ("PUT", "/new", "", content),
        ("PUT", "/old", "", content),
        ("PUT", "/made/for/it", "", content),
        ("POST", "/", FORM, &files),
        ("DELETE", "/away", "", b""),
    ]
    .map(|(method, target, fields, content)| {
        let mut client = Client::of(TcpStream::connect(server.address).ok()?);
        let head = request(method, target, &format!("{fields}Content-Length: {}\r\n", content.len()));
        client.send_if_open(&[&head[..], content].concat());
        client.half_close();
        let answer = client.rest().0;
        let status = String::from_utf8_lossy(answer.get(9..12)?).parse().ok()?;
        let answer = String::from_utf8_lossy(&answer);
        Some((status, answer.contains("The file was stored, but") || answer.contains("It was removed, but")))
    })
}

/// Each file is what it was or what it was to become, and what was answered is true.
#[track_caller]
fn assert_old_or_new(folder: &Folder, attempts: [Option<(u16, bool)>; 5], content: &[u8], what: &str) {
    let old: &[u8] = b"old";
    let files = [("new", None, Some(content)), ("old", Some(old), Some(content)), ("made/for/it", None, Some(content))];
    let files = files.into_iter().chain([("form", None, Some(content)), ("away", Some(old), None)]);
    for ((name, before, after), attempt) in files.zip(attempts) {
        let now = fs::read(folder.join(name)).ok();
        let now = now.as_deref();
        let is_done = match attempt {
            Some((status, said)) if status < 400 || said => Some(true),
            Some((400, _)) => panic!("{what}: {name}: {attempt:?}"),
            // Only where the kernel said that there is nothing.
            Some((404, _)) if !what.contains("ENOENT") => panic!("{what}: {name}: {attempt:?}"),
            Some(_) => Some(false),
            None => None,
        };
        let right = match is_done {
            Some(true) => now == after,
            Some(false) => now == before,
            None => now == before || now == after,
        };
        let length = now.map(<[u8]>::len);
        assert!(right, "{what}: {name}: answered {attempt:?}, and the file has {length:?} bytes");
    }
}

/// The files for one round of [`attempts`], and nothing else.
fn prepare(folder: &Folder) {
    for name in names(folder.path()) {
        let path = folder.join(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    folder.write("old", "old");
    folder.write("away", "old");
}

#[test]
fn whatever_call_fails_a_file_is_old_or_new_and_the_answer_true() {
    if !can_trace() {
        return;
    }
    let folder = Folder::new();
    prepare(&folder);
    let content = pattern(1, 100_000);
    let mut server = Server::start(&folder, &["--write", "--log", "off"]);
    let mut refused = 0;
    for error in &["EIO", "ENOSPC", "EACCES", "EMFILE", "ENOENT", "EROFS", "ESTALE"][..rounds(1, 7)] {
        // Counted in each thread: the first one, the next ones, all of them.
        for when in &["1+", "1", "2", "3", "4"][..rounds(2, 5)] {
            for call in CALLS {
                let fault = format!("{call}:error={error}:when={when}");
                prepare(&folder);
                let Some(injection) = server.inject(&fault) else { return };
                let attempts = attempts(&server, &content);
                drop(injection);
                server.assert_alive();
                assert!(attempts.iter().all(Option::is_some), "{fault}: {attempts:?}");
                refused += attempts.iter().flatten().filter(|(status, _)| *status >= 400).count();
                assert_old_or_new(&folder, attempts, &content, &fault);
                if call != "unlinkat" {
                    let left = names(folder.path()).into_iter().find(|name| name.starts_with(".barewire"));
                    assert_eq!(left, None, "{fault}");
                }
            }
        }
    }
    assert!(refused > 10, "the faults reached nothing: {refused}");
    prepare(&folder);
    assert_eq!(attempts(&server, &content).map(|attempt| attempt.unwrap().0), [201, 204, 201, 303, 204]);
    drop(server);
    let _server = Server::start(&folder, &["--write"]);
    assert_eq!(names(folder.path()), ["form", "made", "new", "old", "old (2)"]);
}

#[test]
fn a_kill_at_any_call_of_a_write_leaves_old_or_new_and_no_rubbish() {
    if !can_trace() {
        return;
    }
    let folder = Folder::new();
    let content = pattern(1, 100_000);
    let mut kills = 0;
    for when in 1..=rounds(1, 6) {
        for call in CALLS.into_iter().chain(["write", "close"]) {
            let fault = format!("{call}:signal=KILL:when={when}");
            prepare(&folder);
            let mut server = Server::start(&folder, &["--write", "--log", "off"]);
            let Some(injection) = server.inject(&fault) else { return };
            let attempts = attempts(&server, &content);
            if attempts.contains(&None) {
                assert!(!server.exit().success());
                kills += 1;
            }
            drop(server);
            drop(injection);
            assert_old_or_new(&folder, attempts, &content, &fault);
            let server = Server::start(&folder, &["--write"]);
            put(&server, "/made/for/another", "", b"x").assert_status(201);
            let left = [names(folder.path()), names(&folder.join("made/for"))].concat();
            assert!(!left.iter().any(|name| name.starts_with(".barewire")), "{fault}: {left:?}");
        }
    }
    assert!(kills > 5, "the faults reached nothing: {kills}");
}

#[test]
fn without_locks_only_what_rested_for_a_day_is_swept() {
    if !can_trace() {
        return;
    }
    const DEAD: &str = ".barewire-00000000deadbeef";
    const BUSY: &str = ".barewire-0123456789abcdef";
    let folder = Folder::with(&[(DEAD, "half"), (BUSY, "half")]);
    let dead = fs::File::options().write(true).open(folder.join(DEAD)).unwrap();
    dead.set_modified(SystemTime::now() - Duration::from_secs(25 * 60 * 60)).unwrap();
    let server = Server::with_faults(&["flock:error=EOPNOTSUPP"], None, &folder, &["--write"]);
    assert_eq!(names(folder.path()), [BUSY]);
    put(&server, "/new", "", b"x").assert_status(201);
    assert_eq!(names(folder.path()), [BUSY, "new"]);
}
