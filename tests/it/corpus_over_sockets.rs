//! The corpus (`tests/corpus/*.md`) over a real socket: each case whole, and byte by byte.
//!
//! `protocol` tests without sockets what a message means. Here the loop around the parser is tested: it loses, joins
//! and repeats nothing. Both ways of sending get the same responses, a refusal has the status of the corpus, and every
//! connection ends with a FIN.

use std::time::Duration;

use crate::support::client::{Client, Ending};
use crate::support::corpus::{Case, all_cases};
use crate::support::folder::Folder;
use crate::support::server::Server;

/// Cases longer than this are fed in larger pieces: what is proved is the same, and it takes as long.
const BYTE_BY_BYTE: usize = 1_000;
/// After each piece, so that most pieces are a recv() of their own; nothing depends on how many are.
const GAP: Duration = Duration::from_micros(20);

/// The statuses of all answers to these bytes, fed in pieces of this size.
#[track_caller]
fn answers(server: &Server, case: &Case, piece: usize) -> Vec<String> {
    let mut client = Client::connect(server);
    for piece in case.bytes.chunks(piece) {
        // After a refusal the server may have had enough.
        if !client.send_if_open(piece) {
            break;
        }
        std::thread::sleep(GAP);
    }
    client.half_close();
    let (bytes, ending) = client.rest();
    assert_eq!(ending, Ending::Fin, "{}: {}", case.line, case.title);
    let text = String::from_utf8_lossy(&bytes);
    // A status line of ours is the one that a Date follows; content may quote others.
    let heads = text
        .split("HTTP/1.1 ")
        .skip(1)
        .filter(|rest| rest.split("\r\n").nth(1).is_some_and(|l| l.starts_with("Date: ")));
    heads.map(|rest| rest[..3].to_string()).collect()
}

/// The statuses the corpus promises for a server that answers as this one does; `None` where it
/// depends on content, which this server refuses before it reads it.
fn promised(case: &Case) -> Option<(usize, Option<&str>)> {
    let with_content = case.events.lines().any(|l| l.starts_with("request ") && !l.contains(", no content"));
    if with_content || !case.manner.is_empty() {
        return None;
    }
    let answers = case.events.lines().filter(|l| l.starts_with("answer ")).count();
    let refused = case.events.lines().find_map(|l| l.strip_prefix("refused ")?.split(' ').next());
    Some((answers, refused))
}

#[test]
fn every_case_gets_the_same_answers_whole_and_byte_by_byte() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &["--log", "off"]);
    let mut promises = 0;
    for (page, case) in all_cases() {
        let place = format!("{}:{}: {}", page.display(), case.line, case.title);
        let whole = answers(&server, &case, usize::MAX);
        let small = if case.bytes.len() <= BYTE_BY_BYTE { 1 } else { 97 };
        assert_eq!(answers(&server, &case, small), whole, "in pieces and whole: {place}");
        assert!(whole.iter().all(|s| !s.starts_with('5') || s == "501" || s == "505"), "{place}: {whole:?}");
        let Some((count, refused)) = promised(&case) else { continue };
        assert_eq!(whole.len(), count, "{place}: {whole:?}");
        if let Some(status) = refused {
            assert_eq!(whole.last().map(String::as_str), Some(status), "{place}");
        }
        promises += 1;
    }
    assert!(promises > 100, "only {promises} cases of the corpus promise something here");
    server.assert_alive();
}
