//! Nothing lost, nothing left: promises 12 to 14 under aborts, kills, races and full disks.
//!
//! Every test compares the folder itself, hidden names included: what a listing hides would still be
//! rubbish.

use std::fs;
use std::net::Shutdown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FlockOperation, RenameFlags, renameat_with};
use rustix::net::sockopt::set_socket_linger;

use crate::client::{Client, PATIENCE, ask, get, request};
use crate::response::Response;
use crate::server::{Folder, Server, pattern};
use crate::write::{names, put};

/// A number below `end`, a different one for each step, the same in every run.
fn point(step: usize, end: usize) -> usize {
    let bytes = pattern(step as u64, 8);
    u64::from_le_bytes(bytes.try_into().unwrap()) as usize % end
}

/// Waits until the server holds no more descriptors than before: drafts are gone with theirs.
#[track_caller]
fn assert_quiet(server: &Server, before: usize) {
    let end = Instant::now() + PATIENCE;
    while server.descriptors() > before {
        assert!(Instant::now() < end, "{} descriptors, {before} before", server.descriptors());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn two_hundred_aborted_uploads_change_nothing() {
    const LENGTH: usize = 1_500_000;
    let folder = Folder::new();
    let old = folder.pattern("old", 100_000);
    let server = Server::start(&folder, &["--write"]);
    // Whatever is opened once, by the first of all uploads, is open now.
    put(&server, "/old", "", &old).assert_status(204);
    let before = server.descriptors();
    let content = pattern(9, LENGTH);
    for step in 0..200 {
        let target = ["/old", "/new", "/made/for/it"][step % 3];
        let sent = &content[..point(step, LENGTH)];
        let mut client = Client::connect(&server);
        let chunked = step % 2 == 0;
        let framing =
            if chunked { "Transfer-Encoding: chunked\r\n".into() } else { format!("Content-Length: {LENGTH}\r\n") };
        client.send(request("PUT", target, &framing));
        if chunked {
            client.send(format!("{LENGTH:x}\r\n"));
        }
        client.send(sent);
        match step % 4 {
            // Half-closed: whoever takes that for the end stores a stump.
            0 | 1 => {
                client.half_close();
                client.response("PUT").assert_status(400);
                client.assert_ended();
            }
            2 => client.socket.shutdown(Shutdown::Both).unwrap(),
            _ => set_socket_linger(&client.socket, Some(Duration::ZERO)).unwrap(),
        }
    }
    assert_quiet(&server, before);
    assert_eq!(names(folder.path()), ["old"]);
    assert_eq!(fs::read(folder.join("old")).unwrap(), old);
    assert_eq!(get(&server, "/old", "").body, old);
    get(&server, "/new", "").assert_status(404);
}

#[test]
fn a_server_killed_twenty_times_in_the_middle_of_uploads_leaves_no_rubbish() {
    const LENGTH: usize = 2_000_000;
    let folder = Folder::new();
    let mut old = folder.pattern("old", 300_000);
    for step in 0..20 {
        let server = Server::start(&folder, &["--write"]);
        assert_eq!(get(&server, "/old", "").body, old);
        assert_eq!(names(folder.path()), ["old"]);
        let new = pattern(step as u64, LENGTH);
        let mut clients = Vec::new();
        for target in ["/old", "/new", "/made/for/it", "/old"] {
            let mut client = Client::connect(&server);
            client.send(request("PUT", target, &format!("Content-Length: {LENGTH}\r\nExpect: 100-continue\r\n")));
            assert_eq!(Response::read_head(&mut client).status, 100);
            client.send(&new[..point(step, LENGTH - 1)]);
            clients.push(client);
        }
        if step % 2 == 0 {
            // One of them may just be through: then it is through as a whole.
            clients[3].send(&new[point(step, LENGTH - 1)..]);
        }
        drop(server); // kill -9
        let now = fs::read(folder.join("old")).unwrap();
        assert!(now == old || now == new, "neither the old file nor the new one: {} octets", now.len());
        old = now;
    }
    let _server = Server::start(&folder, &["--write"]);
    assert_eq!(names(folder.path()), ["old"]);
}

#[test]
fn what_a_killed_server_left_is_removed_and_what_is_in_work_is_not() {
    let folder = Folder::with(&[("sub/a", "a")]);
    for name in [".barewire-dead", "sub/.barewire-dead", ".barewire-busy", "sub/.barewire-busy", ".other"] {
        folder.write(name, "half");
    }
    let busy = [".barewire-busy", "sub/.barewire-busy"].map(|name| fs::File::open(folder.join(name)).unwrap());
    for file in &busy {
        rustix::fs::flock(file, FlockOperation::LockExclusive).unwrap();
    }
    drop(Server::start(&folder, &[]));
    assert_eq!(names(folder.path()), [".barewire-busy", ".barewire-dead", ".other", "sub"]);
    let server = Server::start(&folder, &["--upload"]);
    assert_eq!(names(folder.path()), [".barewire-busy", ".other", "sub"], "swept at the start");
    assert_eq!(names(&folder.join("sub")), [".barewire-busy", ".barewire-dead", "a"]);
    put(&server, "/sub/b", "", b"b").assert_status(201);
    assert_eq!(names(&folder.join("sub")), [".barewire-busy", "a", "b"], "swept by the first write into it");
    get(&server, "/.barewire-busy", "").assert_status(404);
}

#[test]
fn a_limit_of_the_files_size_is_507_and_the_server_lives() {
    let folder = Folder::with(&[("old", "old")]);
    // 256 KiB.
    let mut server = Server::limited("-f", 512, &folder, &["--write"]);
    for target in ["/old", "/new"] {
        // Declared: refused before the body.
        let mut client = Client::connect(&server);
        client.send(request("PUT", target, "Content-Length: 300000\r\nExpect: 100-continue\r\n"));
        client.response("PUT").assert_status(507);
        // Not declared: found out while writing, where the signal would kill a server that does not ignore it.
        let mut client = Client::connect(&server);
        client.send(request("PUT", target, "Transfer-Encoding: chunked\r\n"));
        for _ in 0..40 {
            if !client.send_if_open(&[&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat()) {
                break;
            }
        }
        client.send_if_open(b"0\r\n\r\n");
        client.response("PUT").assert_status(507);
    }
    server.assert_alive();
    assert_eq!(names(folder.path()), ["old"]);
    assert_eq!(fs::read(folder.join("old")).unwrap(), b"old");
    put(&server, "/old", "", &pattern(1, 200_000)).assert_status(204);
}

/// A disk of 6 MiB in memory.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf) -> Option<Disk> {
        fs::create_dir_all(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "barewire-test"]).arg(&path).stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Disk(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_507_and_the_old_file_stays() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(folder.join("disk")) else {
        eprintln!("skipped: only root may mount a small disk");
        return;
    };
    let mut server = Server::serve(&disk.0, &["--write"]);
    let old = pattern(1, 3 << 20);
    put(&server, "/film", "", &old).assert_status(201);
    for round in 0..3 {
        // Declared: refused before the body, without 100.
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/film", "Content-Length: 4194304\r\nExpect: 100-continue\r\n"));
        client.response("PUT").assert_status(507);
        // Not declared, and a form, whose files say no length either.
        let mut client = Client::connect(&server);
        client.send(request("PUT", ["/film", "/new"][round % 2], "Transfer-Encoding: chunked\r\n"));
        for _ in 0..80 {
            if !client.send_if_open(&[&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat()) {
                break;
            }
        }
        client.response("PUT").assert_status(507);
        assert_eq!(names(&disk.0), ["film"]);
        assert_eq!(fs::read(disk.0.join("film")).unwrap(), old);
    }
    server.assert_alive();
    put(&server, "/small", "", &pattern(2, 100_000)).assert_status(201);
    ask(&server, "DELETE", "/film", "").assert_status(204);
    put(&server, "/film", "", &pattern(3, 4 << 20)).assert_status(201);
}

#[test]
fn thirty_two_writers_to_one_name_have_one_whole_winner() {
    const LENGTH: usize = 400_000;
    let folder = Folder::new();
    let server = Server::start(&folder, &["--write"]);
    let contents: Vec<Vec<u8>> = (0..32).map(|writer| pattern(writer, LENGTH)).collect();
    let race = |fields: &'static str| -> Vec<u16> {
        std::thread::scope(|scope| {
            let writers: Vec<_> = contents
                .iter()
                .map(|content| scope.spawn(|| put(&server, "/in/one", fields, content).status))
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    };
    let count = |statuses: &[u16], status| statuses.iter().filter(|s| **s == status).count();
    let statuses = race("If-None-Match: *\r\n");
    assert_eq!((count(&statuses, 201), count(&statuses, 412)), (1, 31), "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 201).unwrap();
    assert_eq!(fs::read(folder.join("in/one")).unwrap(), contents[winner]);
    let statuses = race("");
    assert_eq!(count(&statuses, 204), 32, "{statuses:?}");
    let last = fs::read(folder.join("in/one")).unwrap();
    assert!(contents.contains(&last));
    assert_eq!(names(&folder.join("in")), ["one"]);
}

#[test]
fn six_hundred_uploads_while_a_folder_becomes_a_link_stay_inside() {
    let outside = Folder::with(&[("deep/x", "x")]);
    let folder = Folder::with(&[("sub/deep/x", "x")]);
    std::os::unix::fs::symlink(outside.path(), folder.join("link")).unwrap();
    let server = Server::start(&folder, &["--write"]);
    let (done, swaps, stored) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // One step, so that the name is never free: else the server would rightly make a folder there.
            let [real, link] = ["sub", "link"].map(|name| folder.join(name));
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &real, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let uploads: Vec<_> = (0..6)
            .map(|writer| {
                let (server, stored) = (&server, &stored);
                scope.spawn(move || {
                    for n in 0..100 {
                        let target = ["/sub", "/sub/deep", "/sub/new"][n % 3].to_string() + &format!("/{writer}-{n}");
                        let status = put(server, &target, "", b"content").status;
                        assert!(matches!(status, 201 | 403 | 404 | 409 | 503), "{target}: {status}");
                        stored.fetch_add(usize::from(status == 201), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let results: Vec<_> = uploads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(names(outside.path()), ["deep"]);
    assert_eq!(names(&outside.join("deep")), ["x"]);
    assert!(swaps.load(Ordering::Relaxed) > 100 && stored.load(Ordering::Relaxed) > 0);
    let inside = count(folder.path());
    assert_eq!(inside, stored.load(Ordering::Relaxed) + 1, "every 201 is a file, and every file is a 201");
}

/// Regular files below a folder.
fn count(path: &Path) -> usize {
    let below = |entry: fs::DirEntry| {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() { count(&entry.path()) } else { usize::from(kind.is_file()) }
    };
    fs::read_dir(path).unwrap().map(|entry| below(entry.unwrap())).sum()
}

#[test]
fn an_upload_that_waits_holds_no_thread_and_little_memory() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload", "--workers", "2"]);
    let waiting: Vec<Client> = (0..50)
        .map(|n| {
            let mut client = Client::connect(&server);
            client.send(request("PUT", &format!("/w{n}"), "Content-Length: 2000000\r\nExpect: 100-continue\r\n"));
            assert_eq!(Response::read_head(&mut client).status, 100);
            client.send(vec![b'x'; 1000]);
            client
        })
        .collect();
    // Fifty clients wait in the middle of their uploads, and two workers do everything else.
    put(&server, "/a", "", &pattern(1, 5_000_000)).assert_status(201);
    ask(&server, "GET", "/", "").assert_status(200);
    assert!(server.resident() < 96 << 20, "{} octets", server.resident());
    assert_eq!(names(folder.path()), ["a"]);
    drop(waiting);
}
