//! Uploads that are recorded: fast and long ones, before the record is read.
//!
//! The record waits in bounded memory. An upload fits because the middle of its content is only counted, and the wire
//! view must not show the difference. The tests do not guess how much one `recv` brings.

use barewire::http::Status;
use barewire::service::{Answer, Response, Sink};
use barewire::wire::record::event::{EventKind, TimedMessage};
use barewire::wire::{Role, SpanKind};

use crate::support::client::request;
use crate::support::folder::pattern;
use crate::support::library::Library;

const LENGTH: usize = 16 * 1024 * 1024;

/// Counts the bytes of an upload.
#[derive(Default)]
struct Count(usize);

impl Sink for Count {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.0 += bytes.len();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Response {
        Response::text(Status::OK, self.0.to_string())
    }
}

fn library() -> Library {
    Library::start(|_| Answer::Receive { limit: u64::MAX, device: 0, open: Box::new(|| Ok(Box::<Count>::default())) })
}

/// Uploads this body, then reads the record; fails if it has a hole.
#[track_caller]
fn told(fields: &str, body: &[u8], content: &[u8]) -> (TimedMessage, TimedMessage) {
    let mut library = library();
    let mut client = library.connect();
    let head = request("PUT", "/", &format!("Connection: close\r\n{fields}"));
    client.send(&head);
    client.send(body);
    assert_eq!(client.response("PUT").body, content.len().to_string().into_bytes());
    let log = library.log_of(1);
    assert_eq!(log.received.iter().sum::<usize>(), head.len() + body.len());
    assert_eq!(log.end, Some("Finished"));
    let mut spoken = log.events.iter().filter_map(|told| match &told.kind {
        EventKind::Message(spoken) => Some((**spoken).clone()),
        _ => None,
    });
    let (asked, answered) = (spoken.next().unwrap(), spoken.next().unwrap());
    assert!(spoken.next().is_none());
    assert!(matches!(log.events.last().unwrap().kind, EventKind::Closed { missing: 0, unread: 0, .. }));
    assert_eq!((asked.message.role, asked.message.len()), (Role::Request, (head.len() + body.len()) as u64));
    assert_eq!((answered.message.status(), asked.message.error, answered.message.error), (200, None, None));
    let received = log.received.iter().filter(|len| **len > 0).count() as u64;
    assert_eq!(asked.call_count, received, "every recv brought some of it");
    let kept = &asked.message.bytes;
    assert_eq!(kept.first, [&head, &body[..2048]].concat());
    assert_eq!(kept.last, body[body.len() - 256..]);
    (asked, answered)
}

#[test]
fn a_fast_upload_is_shown_whole_though_the_record_is_read_after_it() {
    let content = pattern(4, LENGTH);
    let (asked, _) = told(&format!("Content-Length: {LENGTH}\r\n"), &content, &content);
    let framed = asked.message.framing_sentence().unwrap();
    assert_eq!(framed, "Body: 16,777,216 bytes, because Content-Length: 16777216");
    let body = asked.message.spans.last().unwrap();
    assert_eq!((body.kind, body.len), (SpanKind::Body, LENGTH as u64));
}

#[test]
fn a_fast_upload_in_chunks_is_shown_whole_too() {
    let content = pattern(5, LENGTH);
    let (mut body, size) = (Vec::with_capacity(LENGTH + LENGTH / 1000), 65_524);
    for chunk in content.chunks(size) {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    let (asked, _) = told("Transfer-Encoding: chunked\r\n", &body, &content);
    let framed = asked.message.framing_sentence().unwrap();
    assert_eq!(framed, "Body: 16,777,216 bytes in 257 chunks, because Transfer-Encoding: chunked");
    // Above a bound, chunks are summed up.
    assert_eq!(asked.message.spans.iter().map(|span| span.len).sum::<u64>(), asked.message.len());
    assert!(asked.message.spans.iter().any(|span| (span.kind, span.len) == (SpanKind::ChunkData, size as u64)));
}
