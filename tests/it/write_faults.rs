//! Changes of files while single system calls fail: what was stored is said to be stored, the weaker way is taken, and
//! nothing is left behind.
//!
//! `strace` makes the calls of the real server fail. Where it is missing or may not trace, a test is skipped, and fails
//! where `BAREWIRE_REQUIRE_STRACE` is set. `file_systems` has real mounts on which the same calls fail.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::can_trace;
use crate::support::client::{Client, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, put};

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
        assert!(change(&server, "PUT", "/again", "", b"x").text().contains("It was stored, but"));
        assert!(change(&server, "DELETE", "/again", "", b"").text().contains("It was removed, but"));
        server.err.line("fsync of the folder failed");
    }
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
