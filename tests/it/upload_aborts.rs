//! Uploads that are cut off change nothing and leave nothing (promises 12 to 14).
//!
//! Every test compares the folder itself, hidden names included: a file that a listing hides would still be left over.

use std::fs;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::net::sockopt::set_socket_linger;

use crate::support::client::{Client, ask, get, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::put;
use crate::support::{PATIENCE, rounds};

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
fn aborted_uploads_change_nothing() {
    const LENGTH: usize = 1_500_000;
    let folder = Folder::new();
    let old = folder.pattern("old", 100_000);
    let server = Server::start(&folder, &["--write"]);
    // Whatever is opened once, by the first of all uploads, is open now.
    put(&server, "/old", "", &old).assert_status(204);
    let before = server.descriptors();
    let content = pattern(9, LENGTH);
    for step in 0..rounds(60, 200) {
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
            // Half-closed: a server that takes that for the end would store a part of the file.
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
fn a_server_killed_in_the_middle_of_uploads_leaves_no_rubbish() {
    const LENGTH: usize = 2_000_000;
    let folder = Folder::new();
    let mut old = folder.pattern("old", 300_000);
    for step in 0..rounds(5, 20) {
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
fn files_of_a_killed_server_are_removed_and_those_in_use_or_of_people_are_not() {
    const DEAD: &str = ".barewire-00000000deadbeef";
    const BUSY: &str = ".barewire-0123456789abcdef";
    const MINE: &str = ".barewire-notes.md";
    let folder = Folder::with(&[("sub/a", "a")]);
    let sub = folder.join("sub");
    for name in [DEAD, BUSY, MINE] {
        folder.write(name, "half");
        folder.write(sub.join(name), "half");
    }
    let busy = [folder.join(BUSY), sub.join(BUSY)].map(|path| fs::File::open(path).unwrap());
    for file in &busy {
        rustix::fs::flock(file, FlockOperation::LockExclusive).unwrap();
    }
    drop(Server::start(&folder, &[]));
    assert_eq!(names(folder.path()), [DEAD, BUSY, MINE, "sub"]);
    let server = Server::start(&folder, &["--upload"]);
    assert_eq!(names(folder.path()), [BUSY, MINE, "sub"], "swept at the start");
    assert_eq!(names(&sub), [DEAD, BUSY, MINE, "a"]);
    put(&server, "/sub/b", "", b"b").assert_status(201);
    assert_eq!(names(&sub), [BUSY, MINE, "a", "b"], "swept by the first write into it");
    get(&server, &format!("/{BUSY}"), "").assert_status(404);
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
    put(&server, "/a", "", pattern(1, 5_000_000)).assert_status(201);
    ask(&server, "GET", "/", "").assert_status(200);
    assert!(server.resident() < 96 << 20, "{} bytes", server.resident());
    assert_eq!(names(folder.path()), ["a"]);
    drop(waiting);
}
