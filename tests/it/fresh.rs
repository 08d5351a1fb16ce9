//! Freshness on a busy loop: one look at a file may answer for many, and never for one too many.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::client::{Client, request};
use crate::exchange::strong_tag;
use crate::server::{Folder, Server};

/// Clients that ask for the same file all the time, so that turns of the loop are shared.
const CROWD: usize = 4;
/// Edits, each followed by a request.
const ROUNDS: usize = 60;

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
        let seen = (1..=ROUNDS).find_map(|round| {
            // Old enough to lie ready for the crowd.
            strong_tag(&server, "/f.txt");
            let text = format!("round {round:02}");
            let (path, draft) = (folder.join("f.txt"), folder.join("draft"));
            if round % 2 == 0 {
                fs::write(&draft, &text).unwrap();
                fs::rename(&draft, &path).unwrap();
            } else {
                // As long as before, and never empty: the crowd shall have its answers.
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
