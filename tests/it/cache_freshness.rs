//! The file cache is never stale: an edit is seen by the next request, also on a busy loop.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use crate::support::client::{Client, get, request, strong_tag};
use crate::support::folder::Folder;
use crate::support::rounds;
use crate::support::server::Server;

/// Clients that request the same file all the time, so that iterations of the loop are shared.
const CROWD: usize = 4;

#[test]
fn an_edit_is_seen_by_the_next_request_in_a_crowd_that_asks_for_the_same_file() {
    let folder = Folder::with(&[("f.txt", "round 00")]);
    let server = Server::start(&folder, &["--loops", "1"]);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..CROWD {
            scope.spawn(|| {
                let mut client = Client::connect(&server);
                while !over.load(Ordering::Relaxed) {
                    client.send(request("GET", "/f.txt", "").repeat(2));
                    client.response("GET").assert_status(200);
                    client.response("GET").assert_status(200);
                }
            });
        }
        let mut client = Client::connect(&server);
        let seen = (1..=rounds(20, 60)).find_map(|round| {
            // Old enough to be cached for the other clients.
            strong_tag(&server, "/f.txt");
            let text = format!("round {round:02}");
            let (path, draft) = (folder.join("f.txt"), folder.join("draft"));
            if round % 2 == 0 {
                fs::write(&draft, &text).unwrap();
                fs::rename(&draft, &path).unwrap();
            } else {
                // As long as before, and never empty: the other clients must get 200.
                fs::File::options().write(true).open(&path).unwrap().write_all(text.as_bytes()).unwrap();
            }
            client.send(request("GET", "/f.txt", "").repeat(2));
            let both = [client.response("GET").text(), client.response("GET").text()];
            (both != [text.clone(), text]).then_some((round, both))
        });
        over.store(true, Ordering::Relaxed);
        assert_eq!(seen, None);
    });
}

#[test]
fn a_get_after_a_put_in_the_same_recv_sees_what_was_put() {
    let folder = Folder::new();
    fs::write(folder.join("f.txt"), "old").unwrap();
    let server = Server::start(&folder, &["--write", "--loops", "1"]);
    let mut client = Client::connect(&server);
    for round in 0..20 {
        // It is old, and was requested so often, that it is cached.
        strong_tag(&server, "/f.txt");
        let before = get(&server, "/f.txt", "").text();
        assert_eq!(get(&server, "/f.txt", "").text(), before);
        let new = format!("round {round}");
        let mut bytes = request("GET", "/f.txt", "");
        bytes.extend_from_slice(&request("PUT", "/f.txt", &format!("Content-Length: {}\r\n", new.len())));
        bytes.extend_from_slice(new.as_bytes());
        bytes.extend_from_slice(&request("GET", "/f.txt", ""));
        client.send(&bytes);
        assert_eq!(client.response("GET").text(), before);
        client.response("PUT").assert_status(204);
        assert_eq!(client.response("GET").text(), new);
    }
}

#[test]
fn a_changed_file_is_never_called_unchanged() {
    let folder = Folder::with(&[("a.txt", "0000"), ("big.txt", "")]);
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    let mut before = client.get("/a.txt", "").must("etag").to_string();
    let edits = rounds(100, 400);
    for i in 1..edits {
        // The same size, the same second, often the same tick of the kernel's clock.
        let content = format!("{i:04}");
        folder.write("a.txt", &content);
        let answer = client.get("/a.txt", &format!("If-None-Match: {before}\r\n"));
        assert_eq!(answer.assert_status(200).text(), content, "had {before}");
        before = answer.must("etag").to_string();
    }
    // Replaced by rename, with the old times put back.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    for i in edits..edits + 30 {
        let content = format!("{i:04}");
        folder.write("new", &content);
        std::fs::File::options().write(true).open(folder.join("new")).unwrap().set_modified(time).unwrap();
        std::fs::rename(folder.join("new"), folder.join("a.txt")).unwrap();
        let answer = client.get("/a.txt", &format!("If-None-Match: {before}\r\n"));
        assert_eq!(answer.assert_status(200).text(), content, "had {before}");
        before = answer.must("etag").to_string();
    }
    client.end();
}
