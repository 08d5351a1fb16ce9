//! The annotations of the wire view, on the whole corpus and on mutants of it. `tests/fuzz/src/annotations.rs` says
//! what must hold.

use barewire::http::Method;
use barewire::net::CloseReason;
use barewire::wire::{NoteId, Role, annotate};

use crate::fuzz::annotations::{check, manner};
use crate::support::corpus::all_cases;
use crate::support::mutants::{Dice, mutant};
use crate::support::rounds;

fn corpus() -> Vec<Vec<u8>> {
    all_cases().into_iter().map(|(_, case)| case.bytes).collect()
}

/// Right and wrong responses, for mutants.
const RESPONSES: [&str; 8] = [
    "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 00:23:48 GMT\r\nContent-Length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nSet-Cookie: a=b; Path=/\r\n\r\n",
    "HTTP/1.0 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 304 Not Modified\r\nETag: W/\"x\"\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "HTTP/1.1 200 OK\nContent-Length : 5\n\nhello",
    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nhe",
];

#[test]
fn every_case_of_the_corpus_holds_every_promise() {
    let stories = corpus();
    assert!(stories.len() > 150);
    for bytes in &stories {
        let shown = bytes.escape_ascii().to_string();
        let shown = shown.get(..2000).unwrap_or(&shown);
        assert!(std::panic::catch_unwind(|| check(bytes)).is_ok(), "these bytes broke a promise: {shown}");
    }
}

#[test]
fn mutants_of_requests_and_responses_hold_every_promise() {
    const LONGEST_SEED: usize = 400;
    let mut seeds: Vec<Vec<u8>> = corpus().into_iter().filter(|o| o.len() <= LONGEST_SEED).collect();
    for response in RESPONSES {
        seeds.extend(vec![response.as_bytes().to_vec(); 10]);
    }
    let mut dice = Dice(0x7769_7265);
    for _ in 0..rounds(500, 20_000) {
        let bytes = mutant(&mut dice, &seeds);
        let shown = bytes.escape_ascii().to_string();
        assert!(std::panic::catch_unwind(|| check(&bytes)).is_ok(), "these bytes broke a promise: {shown}");
    }
}

#[test]
fn a_response_that_is_right_is_not_called_broken() {
    for (response, broken) in RESPONSES.iter().zip([false, false, false, false, false, true, true, false]) {
        let told = annotate(response.as_bytes(), Role::Response, Method::Get, &manner());
        assert_eq!(told.messages.iter().any(|m| m.error.is_some()), broken, "{response}");
    }
}

#[test]
fn every_close_reason_has_a_note() {
    for ended in CloseReason::ALL {
        let name = NoteId::close(ended.name()).0.note().name;
        assert_eq!(name.strip_prefix("close/"), Some(ended.name()));
    }
}
