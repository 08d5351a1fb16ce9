//! Both directions of one connection as redacted messages: the entry to [`crate::wire::explain`].
//!
//! The caller adds bytes as they came, of either side and in any pieces. Messages are appended to `out` when they are
//! complete. Requests are found by a replay of the parser that served them (`requests`), responses by a reader of
//! their own (`responses`). The two meet here, since the end of a response depends on the method of its request
//! (RFC 9112 §6.3).
//!
//! ```text
//! received ──► RequestReplay ──► messages ─┐
//!                   │ methods              ├──► Redactor ──► out
//! sent ──────► ResponseReader ─► messages ─┘
//! ```
//!
//! Live connections, saved files and tests all use this type, so their explanations are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::Method;
use crate::wire::explain::builder::ExplainOptions;
use crate::wire::explain::message::{Message, Role};
use crate::wire::explain::redact::Redactor;
use crate::wire::explain::requests::{RequestEvent, RequestReplay};
use crate::wire::explain::responses::ResponseReader;

/// One connection.
#[derive(Debug)]
pub struct Conversation {
    options: Arc<ExplainOptions>,
    requests: RequestReplay,
    responses: ResponseReader,
    redactor: Redactor,
    /// The methods of the requests whose responses are not complete, by exchange.
    methods: BTreeMap<u64, Method>,
    /// Requests so far.
    count: u64,
}

impl Conversation {
    /// A connection without bytes so far.
    pub fn new(options: &ExplainOptions) -> Conversation {
        let options = Arc::new(options.clone());
        Conversation {
            // All parts share one copy of the options.
            requests: RequestReplay::new(&options),
            responses: ResponseReader::new(&options),
            redactor: Redactor::new(&options),
            methods: BTreeMap::new(),
            count: 0,
            options,
        }
    }

    /// The same connection for a second pass over its bytes, with the secrets of the first one known: a value that
    /// the server made a secret late may stand in what the client sent before.
    #[must_use]
    pub fn restart(self, options: &ExplainOptions) -> Conversation {
        Conversation { redactor: self.redactor.restart(), ..Conversation::new(options) }
    }

    /// Sets the method of the next request, for responses whose requests were not seen.
    pub fn assume(&mut self, method: Method) {
        self.count += 1;
        self.methods.insert(self.count, method);
    }

    /// Adds bytes of the client.
    pub fn received(&mut self, bytes: &[u8], out: &mut Vec<Message>) {
        self.read_requests(|requests, events| requests.push(bytes, events), out);
    }

    /// Adds `len` bytes of the client's content that were not recorded.
    pub fn received_unseen(&mut self, len: u64, out: &mut Vec<Message>) {
        self.read_requests(|requests, events| requests.skip(len, events), out);
    }

    /// Adds bytes of the server.
    pub fn sent(&mut self, bytes: &[u8], out: &mut Vec<Message>) {
        let first = out.len();
        self.responses.push(bytes, &self.methods, out);
        // Only what was appended now: to redact a message twice would learn stars as secrets.
        self.redact(&mut out[first..]);
        // A client may send requests for ever, so the methods of complete exchanges are forgotten.
        self.methods = self.methods.split_off(&self.responses.exchange());
    }

    /// Adds `len` bytes that the server sent from a file without seeing them, with the first and last of them:
    /// at most as many as [`Conversation::window`] says.
    pub fn sent_unseen(&mut self, len: u64, (first, last): (&[u8], &[u8]), out: &mut Vec<Message>) {
        let from = out.len();
        self.responses.push_file(len, first, last, out);
        self.redact(&mut out[from..]);
    }

    /// How many bytes at the start and at the end of a file are of use to [`Conversation::sent_unseen`].
    pub fn window(&self) -> (usize, usize) {
        // A secret at the edge of what is shown must be seen whole, or half of it would be shown.
        let (keep, longest) = (self.options.keep, self.redactor.longest());
        (keep.first.saturating_add(longest), keep.last.saturating_add(longest))
    }

    /// The client has ended its side: a request that is not complete will never be.
    pub fn client_ended(&mut self, out: &mut Vec<Message>) {
        // The replay must know this: content that ends early is an error only before the response.
        let answered = self.responses.exchange() - 1;
        self.read_requests(|requests, events| requests.end(answered, events), out);
    }

    /// The server has stopped waiting: a request that is not complete will never be.
    pub fn client_too_slow(&mut self, out: &mut Vec<Message>) {
        self.read_requests(|requests, events| requests.time_out(events), out);
    }

    /// The server has ended its side.
    pub fn server_ended(&mut self, out: &mut Vec<Message>) {
        let first = out.len();
        self.responses.end(out);
        self.redact(&mut out[first..]);
    }

    /// The exchange whose response comes next, counted from 1.
    pub fn answering(&self) -> u64 {
        self.responses.exchange()
    }

    /// Whether a message of this side has begun and is not complete.
    pub fn is_inside(&self, role: Role) -> bool {
        match role {
            Role::Request => self.requests.is_inside(),
            Role::Response => self.responses.is_inside(),
        }
    }

    /// Whether further bytes of this side are no longer read.
    pub fn is_shut(&self, role: Role) -> bool {
        match role {
            Role::Request => self.requests.is_ended(),
            Role::Response => self.responses.is_ended(),
        }
    }

    fn read_requests(&mut self, read: impl FnOnce(&mut RequestReplay, &mut Vec<RequestEvent>), out: &mut Vec<Message>) {
        let (mut events, first) = (Vec::new(), out.len());
        read(&mut self.requests, &mut events);
        for event in events {
            match event {
                // The method is needed before the request is complete: the server may respond early.
                RequestEvent::Head(method) => self.assume(method),
                RequestEvent::Message(message) => out.push(message),
            }
        }
        self.redact(&mut out[first..]);
    }

    /// Every message passes through here once, before the caller can read it. A method that appends to `out` calls
    /// this for what it has appended.
    fn redact(&mut self, new: &mut [Message]) {
        new.iter_mut().for_each(|message| self.redactor.redact(message));
    }
}

/// Bytes explained at once.
#[derive(Debug)]
pub struct Annotated {
    /// The messages in them.
    pub messages: Vec<Message>,
    /// Bytes after the last message, which are not read.
    pub unread: u64,
}

/// Explains all bytes of one side; `methods` are those of the requests that the responses belong to.
///
/// ```
/// use barewire::http::Limits;
/// use barewire::wire::{ExplainOptions, Role, SpanKind, annotate};
///
/// let bytes = b"GET /a?token=abcdefgh HTTP/1.1\r\nHost: h\r\n\r\nGET";
/// let found = annotate(bytes, Role::Request, &[], &ExplainOptions::whole(Limits::default()));
/// let request = &found.messages[0];
/// assert_eq!((request.part(SpanKind::Method), request.target()), (&b"GET"[..], &b"/a?token=********"[..]));
/// // The second request is not complete: it has an error at the byte where its bytes end.
/// let error = found.messages[1].error.unwrap();
/// assert_eq!((error.at, error.len, error.cut_off), (3, 0, true));
/// ```
pub fn annotate(bytes: &[u8], role: Role, methods: &[Method], options: &ExplainOptions) -> Annotated {
    let mut conversation = Conversation::new(options);
    // In the order of the responses. For requests the methods are found in the bytes.
    methods.iter().for_each(|&method| conversation.assume(method));
    let mut messages = Vec::new();
    match role {
        Role::Request => {
            conversation.received(bytes, &mut messages);
            // No more bytes will come, so a message that is not complete is shown as cut off.
            conversation.client_ended(&mut messages);
        }
        Role::Response => {
            conversation.sent(bytes, &mut messages);
            conversation.server_ended(&mut messages);
        }
    }
    // Bytes after a last or an invalid message belong to no message. Only their number is told.
    let read = messages.last().map_or(0, Message::end);
    Annotated { messages, unread: bytes.len() as u64 - read.min(bytes.len() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::message::{ContentKind, SpanKind};
    use crate::wire::explain::value::RedactOptions;

    fn options() -> ExplainOptions {
        ExplainOptions::whole(Limits::default())
    }

    fn response(text: &str, method: Method) -> Annotated {
        annotate(text.as_bytes(), Role::Response, &[method; 9], &options())
    }

    #[track_caller]
    fn framing(text: &str, method: Method, rule: u8, sentence: &str) {
        let found = response(text, method);
        let message = &found.messages[0];
        let framed = message.framing.unwrap();
        assert_eq!((framed.rule, framed.sentence().as_str(), message.error), (rule, sentence, None), "{text}");
        assert_eq!((found.unread, message.len()), (0, text.len() as u64));
    }

    #[test]
    fn every_rule_of_framing_is_reported_by_its_number() {
        framing(
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
            Method::Head,
            1,
            "no body: a response to HEAD has none, whatever its fields say",
        );
        framing(
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
            Method::Get,
            1,
            "no body: a response with status 304 has none, whatever its fields say",
        );
        framing(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            Method::Get,
            1,
            "no HTTP from here on: the connection speaks another protocol now",
        );
        framing("HTTP/1.1 200 OK\r\n\r\n", Method::Connect, 2, "no HTTP from here on: the connection is a tunnel now");
        framing(
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            Method::Get,
            3,
            "body: 1 byte in 1 chunk, because Transfer-Encoding overrides Content-Length",
        );
        framing(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\nT: u\r\n\r\n",
            Method::Get,
            4,
            "body: 3 bytes in 2 chunks, because Transfer-Encoding: chunked",
        );
        framing(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
            Method::Get,
            4,
            "body: 3 bytes, until the connection closed: nothing else says where it ends",
        );
        framing(
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            Method::Get,
            6,
            "body: 3 bytes, because Content-Length: 3",
        );
        framing(
            "HTTP/1.1 200\r\nA:\r\n\r\nabcd",
            Method::Get,
            8,
            "body: 4 bytes, until the connection closed: nothing else says where it ends",
        );
    }

    #[test]
    fn an_invalid_response_is_blamed_at_its_byte() {
        for (text, at, len, name) in [
            ("HTTP/1.1 200 OK\nA: b\n\n", 15, 1, "BareLf"),
            ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 18, 1, "SpaceBeforeColon"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 52, 1, "LengthTwice"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\n", 33, 2, "LengthInvalid"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 47, 1, "ChunkSize"),
            ("HTTP/1.1 20 OK\r\n\r\n", 9, 2, "StatusCode"),
            ("HTTP/2.0 200 OK\r\n\r\n", 0, 8, "VersionUnsupported"),
            ("<html>", 0, 1, "StatusLine"),
            ("HTTP/2 200 \r\nserver: x\r\n\r\n", 0, 6, "MadeUpLine"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 40, 0, "ContentCutOff"),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 52, 0, "ChunksCutOff"),
            ("HTTP/1.1 200 OK\r\n", 17, 0, "HeadCutOff"),
        ] {
            let found = response(text, Method::Get);
            let message = found.messages.last().unwrap();
            let broken = message.error.unwrap();
            assert_eq!((broken.at, broken.len, broken.note.note().name), (at, len, name), "{text}");
            assert_eq!(message.end(), at + len, "{text}");
            assert_eq!(message.spans.last().map(|s| s.kind == SpanKind::Bad), Some(len > 0), "{text}");
        }
    }

    #[test]
    fn interim_responses_belong_to_the_exchange_of_the_final_one() {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
        let found = response(text, Method::Get);
        let told: Vec<_> = found.messages.iter().map(|m| (m.exchange, m.status())).collect();
        assert_eq!(told, [(1, 100), (1, 200), (2, 204)]);
    }

    #[test]
    fn requests_are_read_until_one_is_the_last() {
        let text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhiGET";
        let found = annotate(text.as_bytes(), Role::Request, &[], &options());
        let told: Vec<_> = found.messages.iter().map(|m| (m.part(SpanKind::Method), m.target(), m.len())).collect();
        assert_eq!(told, [(&b"GET"[..], &b"/a"[..], 28), (b"PUT", b"/b", 68)]);
        assert_eq!(found.messages[1].framing.unwrap().content, ContentKind::Length(2));
        assert_eq!(found.unread, 3);
    }

    #[test]
    fn a_file_sent_by_the_kernel_has_true_positions() {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut conversation = Conversation::new(&options);
        let mut out = Vec::new();
        conversation.received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut out);
        conversation.sent(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &mut out);
        conversation.sent_unseen(60_000, (&[b'a'; 2048], &[b'b'; 256]), &mut out);
        conversation.sent_unseen(40_000, (&[b'c'; 2048], &[b'd'; 256]), &mut out);
        let message = &out[1];
        assert_eq!((message.len(), message.bytes.first.len(), message.from_file), (100_043, 43 + 2048, true));
        assert_eq!(message.bytes.last, [b'd'; 256]);
        assert_eq!(message.spans.last().map(|s| (s.start, s.len)), Some((43, 100_000)));
    }

    #[test]
    fn a_long_body_is_counted_and_its_ends_are_kept() {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut conversation = Conversation::new(&options);
        let mut out = Vec::new();
        conversation.received(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &mut out);
        for n in 0..20_000u32 {
            conversation.received(format!("8\r\n{n:08}\r\n").as_bytes(), &mut out);
        }
        conversation.received(b"0\r\nX: y\r\n\r\n", &mut out);
        let message = &out[0];
        assert_eq!(message.len(), 55 + 20_000 * 13 + 11);
        assert_eq!(message.spans.iter().map(|s| s.len).sum::<u64>(), message.len());
        assert!(message.spans.len() < 5000 && message.bytes.first.len() + message.bytes.last.len() < 3000);
        assert!(message.bytes.last.ends_with(b"00019999\r\n0\r\nX: y\r\n\r\n"));
        let sentence = message.framing.unwrap().sentence();
        assert_eq!(sentence, "body: 160,000 bytes in 20,000 chunks, because Transfer-Encoding: chunked");
    }
}
