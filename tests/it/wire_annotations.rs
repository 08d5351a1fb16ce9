//! The annotations of the wire view, on the whole corpus and on mutants of it.
//!
//! For any bytes: nothing panics, spans are sorted, disjoint and cover every byte, a cut changes nothing, a request is
//! broken exactly when the server refuses it, and names and values lie where the parser found them.

use barewire::http::{EndOfInput, Event, Fields, Http1, HttpDate, Length, Limits, Method, Next, RequestError, Status};
use barewire::net::CloseReason;
use barewire::wire::explain::message::SpanKind;
use barewire::wire::{Conversation, ExplainOptions, Message, NoteId, RedactOptions, Role, annotate};

use crate::support::corpus::all_cases;
use crate::support::mutants::{Dice, mutant};
use crate::support::rounds;

/// What the protocol makes of bytes: the positions of the fields of each head, and perhaps a refusal.
#[derive(Default)]
struct Served {
    /// The first byte of each head, and the positions and lengths of its names and values.
    fields: Vec<(u64, Vec<(usize, usize)>)>,
    messages: usize,
    refused: Option<(RequestError, bool)>,
}

fn serve(bytes: &[u8]) -> Served {
    let mut connection = Http1::new(Limits::default());
    let (mut served, mut used, mut out) = (Served::default(), 0, Vec::new());
    loop {
        let step = connection.receive(&bytes[used..]);
        let start = used as u64;
        used += step.used;
        let done = match step.event {
            Event::NeedMore => break,
            Event::Request(request, framing) => {
                let skipped = start + (step.used - request.bytes().len()) as u64;
                let lines = request.head().lines().iter();
                let places = lines.flat_map(|l| [(l.name.start(), l.name.len()), (l.value.start(), l.value.len())]);
                served.fields.push((skipped, places.collect()));
                served.messages += 1;
                !framing.has_content()
            }
            Event::Content(_) => false,
            Event::End => true,
            Event::Refused(refusal) => {
                served.refused = Some((refusal, false));
                return served;
            }
        };
        if done {
            let date = HttpDate::from_second(0);
            connection.respond(
                Status::OK,
                &Fields::new(),
                Length::Known(0),
                &barewire::http::AddedFields::NONE,
                &date,
                &mut out,
            );
            if connection.sent() != Next::Request {
                return served;
            }
        }
    }
    if let EndOfInput::Refused(refusal) = connection.end_of_input() {
        served.refused = Some((refusal, true));
    }
    served
}

fn manner() -> ExplainOptions {
    ExplainOptions { redact: RedactOptions::off(), ..ExplainOptions::whole(Limits::default()) }
}

/// Spans and lines are sorted, disjoint, and cover the message.
fn tiles(message: &Message) {
    let mut at = 0;
    for span in &message.spans {
        assert_eq!(span.start, at);
        assert!(span.len > 0);
        at += span.len;
    }
    assert_eq!(at, message.len());
    let mut at = 0;
    for line in &message.lines {
        assert_eq!((line.start, line.len > 0), (at, true));
        at += line.len;
    }
    assert_eq!(at, message.len());
    if let Some(broken) = message.error {
        assert!(broken.at + broken.len <= message.len(), "the blame lies inside");
        let bad = message.spans.iter().filter(|s| s.kind == SpanKind::Bad).count();
        assert_eq!(bad, usize::from(broken.len > 0));
    }
}

fn pieces(bytes: &[u8], role: Role, cuts: &[usize]) -> Vec<Message> {
    let mut conversation = Conversation::new(&manner());
    let (mut out, mut from) = (Vec::new(), 0);
    for &cut in cuts.iter().chain([&bytes.len()]) {
        match role {
            Role::Request => conversation.received(&bytes[from..cut], &mut out),
            Role::Response => conversation.sent(&bytes[from..cut], &mut out),
        }
        from = cut;
    }
    conversation.client_ended(&mut out);
    conversation.server_ended(&mut out);
    out
}

fn same(a: &[Message], b: &[Message], what: &str) {
    let story = |messages: &[Message]| format!("{messages:?}");
    assert!(story(a) == story(b), "{what}:\n{}\n{}", story(a), story(b));
}

fn promises(bytes: &[u8]) {
    let served = serve(bytes);
    let told = annotate(bytes, Role::Request, Method::Get, &manner());
    let mut at = 0;
    for message in &told.messages {
        assert_eq!(message.start, at, "messages follow each other");
        at = message.end();
        tiles(message);
        assert_eq!(message.bytes.first, bytes[message.start as usize..at as usize]);
    }
    assert_eq!(at + told.unread, bytes.len() as u64);

    let broken =
        told.messages.iter().find_map(|m| m.error.map(|b| (NoteId::fault(find(b.note)), b.at, b.len, b.cut_off)));
    let refused = served.refused.map(|(r, cut_off)| (NoteId::fault(r.fault), r.at, r.len, cut_off));
    assert_eq!(broken, refused, "broken exactly when it is refused");
    assert!(told.messages.iter().rev().skip(1).all(|m| m.error.is_none()), "nothing is read after a fault");

    for (start, fields) in &served.fields {
        let message =
            told.messages.iter().find(|m| m.start <= *start && *start < m.end()).expect("a message for each head");
        let base = start - message.start;
        for &(at, len) in fields.iter().filter(|(_, len)| *len > 0) {
            let (from, to) = (base + at as u64, base + (at + len) as u64);
            assert!(message.spans.iter().any(|s| s.start == from) && message.spans.iter().any(|s| s.end() == to));
        }
    }

    for role in [Role::Request, Role::Response] {
        let whole = pieces(bytes, role, &[]);
        let bytewise: Vec<usize> = (1..bytes.len()).collect();
        same(&pieces(bytes, role, &bytewise), &whole, "bytewise");
        let middle = bytes.len() / 2;
        same(&pieces(bytes, role, &[middle]), &whole, "in halves");
        whole.iter().for_each(tiles);
    }
}

/// The fault with this note.
fn find(note: NoteId) -> barewire::http::Fault {
    let faults = barewire::http::Fault::ALL.iter();
    faults.copied().find(|&f| NoteId::fault(f) == note).expect("a request is broken by a fault of the table")
}

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
        assert!(std::panic::catch_unwind(|| promises(bytes)).is_ok(), "these bytes broke a promise: {shown}");
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
        assert!(std::panic::catch_unwind(|| promises(&bytes)).is_ok(), "these bytes broke a promise: {shown}");
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
