//! One live connection: records of its socket in, events for the views out.
//!
//! The bytes of the records are explained by a [`Conversation`]. This module adds what the bytes do not show: which
//! calls moved a message, when, and how long the server took.
//!
//! ```text
//! record                     events
//! Accepted                   Accepted
//! Received, 2 requests       Received; request 1 at once, request 2 is held
//! Sent, the first response   response 1, then request 2
//! Sent, the second response  response 2
//! Closed                     what is not complete, as cut off; Closed
//! ```
//!
//! Several requests may come in one `recv`, complete before the first response is out. They are held back, and each is
//! reported before its own response; otherwise a reader could not tell the exchanges apart.

mod report;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::http::Status;
use crate::service::OpenFile;
use crate::wire::explain::{ContentKind, Conversation, ExplainOptions, Message, NoteId, Role};
use crate::wire::record::calls::CallLog;
use crate::wire::record::event::{Call, EventKind, Tags, TimedMessage, WireEvent, clock};
use crate::wire::record::live::report::Reported;
use crate::wire::record::recorder::{Gap, Record, SocketEvent};

/// Most requests whose end is remembered until their responses are out.
const WAITING: usize = 1024;

/// The connection.
#[derive(Debug)]
pub struct LiveConnection {
    /// N of `cN`.
    number: u64,
    /// Explains and redacts the bytes of both sides.
    conversation: Conversation,
    /// All times of records are relative to the start of the recording; this is the time of acceptance.
    accepted: Duration,
    /// The start of the recording, since 1970.
    recording_start: Duration,
    /// The `recv` calls. Positions count from the client's first byte.
    received: CallLog,
    /// The `send` and `sendfile` calls. Positions count from the server's first byte.
    sent: CallLog,
    /// Complete requests that wait for the responses before theirs.
    held: VecDeque<TimedMessage>,
    /// The bytes of memory of these.
    held_size: usize,
    /// When requests were complete, by exchange.
    completed: BTreeMap<u64, Duration>,
    /// Where the last request ended, and its exchange.
    last_request: (u64, u64),
    /// TCP segments that brought the bytes of the next `recv`.
    segments: Option<u32>,
    /// A copy of these goes into each event.
    tags: Tags,
    /// The time of the last record.
    latest: Duration,
    /// Bytes of content of the last request that were announced and never came.
    missing: u64,
    /// The last exchange whose response began while its request was under way.
    early: u64,
    /// The messages under way, by [`Role`].
    reported: [Reported; 2],
}

impl LiveConnection {
    /// A connection that was accepted at `at` of the recording, which began at `recording_start` since 1970.
    pub fn new(number: u64, at: Duration, recording_start: Duration, options: &ExplainOptions) -> LiveConnection {
        LiveConnection {
            number,
            conversation: Conversation::new(options),
            accepted: at,
            recording_start,
            received: CallLog::default(),
            sent: CallLog::default(),
            held: VecDeque::new(),
            held_size: 0,
            completed: BTreeMap::new(),
            last_request: (0, 0),
            segments: None,
            tags: Tags::default(),
            latest: at,
            missing: 0,
            early: 0,
            reported: Default::default(),
        }
    }

    /// The bytes of memory that it needs.
    pub(crate) fn held_bytes(&self) -> usize {
        /// The time of a request in its table.
        const COMPLETED: usize = 32;
        let calls = self.received.remembered.capacity() + self.sent.remembered.capacity();
        let tables = calls * size_of::<Call>() + self.completed.len() * COMPLETED;
        size_of::<LiveConnection>() + self.conversation.held_bytes() + tables + self.held_size
    }

    /// The time of acceptance, since the start of the recording.
    pub(crate) fn accepted(&self) -> Duration {
        self.accepted
    }

    /// Appends the events of one record to `out`; `bytes` are those of the record. Returns whether the connection
    /// continues.
    pub fn explain(&mut self, record: &Record, bytes: &[u8], out: &mut Vec<WireEvent>) -> bool {
        // A call is timed when it returns, the end of the connection by the turn of the loop, which may have begun
        // before: time must not run backwards.
        self.latest = self.latest.max(record.at);
        let mut messages = Vec::new();
        match &record.event {
            SocketEvent::Accepted { peer } => {
                let moment = self.recording_start + self.latest;
                self.report(EventKind::Accepted { peer: *peer, moment }, out);
            }
            SocketEvent::ProxyHeaderDue => self.conversation.expect_proxy_header(),
            // The end of the client's side: a request that is not complete now never will be.
            SocketEvent::Received(0) => self.conversation.client_ended(&mut messages),
            SocketEvent::Received(len) => self.received(*len, &[], bytes, &mut messages, out),
            SocketEvent::ReceivedInPart { len, gaps } => self.received(*len, gaps, bytes, &mut messages, out),
            // Kept for the `recv` that follows in the record.
            SocketEvent::Segments(count) => self.segments = Some(*count),
            SocketEvent::Sent(len) => self.sent(*len, None, bytes, &mut messages, out),
            SocketEvent::SentInPart { len, gap } => self.sent(*len, Some(*gap), bytes, &mut messages, out),
            SocketEvent::SentFile { file, from, len } => self.sent_file(file, *from, *len, &mut messages, out),
            SocketEvent::Closed { reason } => {
                [Role::Request, Role::Response].into_iter().for_each(|role| self.report_sum(role, out));
                self.conversation.client_ended(&mut messages);
                self.conversation.server_ended(&mut messages);
                self.tell_messages(messages, out);
                // No response to these will come.
                self.report_requests(u64::MAX, out);
                // After the last request: pipelined bytes that the server never looked at.
                let unread = self.received.last.end().saturating_sub(self.last_request.0);
                // Content that the server has chosen not to read is not missing.
                let missing = if matches!(*reason, "ClosedInContent" | "TimedOutContent") { self.missing } else { 0 };
                self.tags.closed(reason);
                self.report(closed(reason, unread, missing), out);
                return false;
            }
        }
        self.tell_messages(messages, out);
        true
    }

    /// One `recv` of `len` bytes; `bytes` are those that do not lie in the gaps.
    fn received(
        &mut self,
        len: usize,
        gaps: &[Gap],
        bytes: &[u8],
        messages: &mut Vec<Message>,
        out: &mut Vec<WireEvent>,
    ) {
        // Asked before these bytes: they may contain the last request.
        let was_shut = self.conversation.is_shut(Role::Request);
        let (mut rest, mut position) = (bytes, 0);
        for gap in gaps {
            let (before, after) = rest.split_at(gap.at.saturating_sub(position).min(rest.len()));
            self.conversation.received(before, messages);
            self.conversation.received_unseen(gap.len as u64, messages);
            (rest, position) = (after, gap.at + gap.len);
        }
        self.conversation.received(rest, messages);
        // The requests that these bytes completed, and the one in which they end.
        let begun = self.conversation.is_inside(Role::Request);
        let complete = messages.iter().filter(|message| !message.is_unparsed()).count() as u64;
        let requests = if was_shut { 0 } else { complete + u64::from(begun) };
        let (when, segments) = (self.since_accepted(self.latest), self.segments.take());
        let call = self.received.add(Call { len: len as u64, when, requests, segments, ..Call::default() });
        self.tags.received(requests);
        let shown = self.call_bytes(Role::Request, call, messages.is_empty());
        self.report_call(Role::Request, call, shown, out);
    }

    /// One `send`; `bytes` are those that do not lie in the gap.
    fn sent(
        &mut self,
        len: usize,
        gap: Option<Gap>,
        bytes: &[u8],
        messages: &mut Vec<Message>,
        out: &mut Vec<WireEvent>,
    ) {
        let exchange = self.conversation.answering();
        let when = self.since_accepted(self.latest);
        let call = self.sent.add(Call { len: len as u64, when, ..Call::default() });
        let mut responses = Vec::new();
        let (first, last) = bytes.split_at(gap.map_or(bytes.len(), |gap| gap.at.min(bytes.len())));
        self.conversation.sent(first, &mut responses);
        if let Some(gap) = gap {
            self.conversation.sent_unseen(gap.len as u64, &mut responses);
            self.conversation.sent(last, &mut responses);
        }
        if responses.iter().any(|message| message.status() == Status::REQUEST_TIMEOUT.code()) {
            // The response says that the request will never be complete. The request is reported before it.
            self.conversation.client_too_slow(messages);
            self.tell_messages(std::mem::take(messages), out);
        }
        self.report_sent(call, exchange, responses.is_empty(), out);
        messages.append(&mut responses);
    }

    /// One `sendfile`. Only the ends of the bytes are read again, as many as the conversation can use.
    fn sent_file(
        &mut self,
        file: &OpenFile,
        from: u64,
        len: u64,
        messages: &mut Vec<Message>,
        out: &mut Vec<WireEvent>,
    ) {
        let exchange = self.conversation.answering();
        let when = self.since_accepted(self.latest);
        let call = self.sent.add(Call { len, when, from_file: true, ..Call::default() });
        let (most_first, most_last) = self.conversation.window();
        // A file that cannot be read shows no bytes; the server closes the connection of the client.
        let first = file.read(from, len.min(most_first as u64)).unwrap_or_default();
        // A short piece of a file is covered by the first bytes alone.
        let tail = (len - first.len() as u64).min(most_last as u64);
        let last = file.read(from + len - tail, tail).unwrap_or_default();
        self.conversation.sent_file(len, (&first, &last), messages);
        self.report_sent(call, exchange, messages.is_empty(), out);
    }

    fn tell_messages(&mut self, messages: Vec<Message>, out: &mut Vec<WireEvent>) {
        for message in messages {
            let (exchange, clock) = (message.exchange, clock(self.recording_start + self.latest));
            if message.is_unparsed() {
                self.tell_unparsed(message, clock, out);
            } else if message.role == Role::Request {
                // Bytes after it were not read when the connection ends.
                self.last_request = (message.end(), exchange);
                self.missing = missing(&message);
                // A client may send requests without end and read no response.
                if self.completed.len() < WAITING {
                    self.completed.insert(exchange, self.latest);
                }
                let request = self.received.timed(message, clock);
                self.tags.message(&request.message, request.call_count);
                self.held_size += request.held_bytes();
                self.held.push_back(request);
            } else {
                self.report_requests(exchange, out);
                let completed = self.completed.get(&exchange).copied();
                let mut response = self.sent.timed(message, clock);
                self.tags.message(&response.message, response.call_count);
                response.took = completed.map(|completed| self.latest.saturating_sub(completed));
                response.early = match completed {
                    Some(completed) => response.began().is_some_and(|began| began < self.since_accepted(completed)),
                    // The request is not complete: the response came early, unless the end of the request was
                    // forgotten.
                    None => self.last_request.1 < exchange,
                };
                // The final response ends its exchange; an interim one does not.
                if !response.message.is_interim() {
                    self.completed = self.completed.split_off(&(exchange + 1));
                }
                self.report(EventKind::Message(Box::new(response)), out);
            }
        }
        self.report_requests(self.conversation.answering(), out);
    }

    /// Reports bytes that no parser reads: those of the client before the response to the request before them.
    fn tell_unparsed(&mut self, message: Message, clock: String, out: &mut Vec<WireEvent>) {
        if message.role == Role::Request {
            if message.is_proxy_header() {
                // It was read, though it is no request.
                self.last_request.0 = message.end();
            }
            let unparsed = self.received.timed(message, clock);
            self.held_size += unparsed.held_bytes();
            self.held.push_back(unparsed);
        } else {
            self.report_requests(message.exchange, out);
            let sent = self.sent.timed(message, clock);
            self.report(EventKind::Message(Box::new(sent)), out);
        }
    }

    /// Reports the held requests up to this exchange.
    fn report_requests(&mut self, exchange: u64, out: &mut Vec<WireEvent>) {
        while self.held.front().is_some_and(|request| request.message.exchange <= exchange)
            && let Some(request) = self.held.pop_front()
        {
            self.held_size -= request.held_bytes();
            self.report(EventKind::Message(Box::new(request)), out);
        }
    }

    fn since_accepted(&self, at: Duration) -> Duration {
        at.saturating_sub(self.accepted)
    }

    fn report(&self, kind: EventKind, out: &mut Vec<WireEvent>) {
        out.push(WireEvent { connection: self.number, at: self.since_accepted(self.latest), tags: self.tags, kind });
    }
}

/// The event of an end for this reason.
pub(crate) fn closed(reason: &'static str, unread: u64, missing: u64) -> EventKind {
    let (note, side) = NoteId::close(reason);
    EventKind::Closed { note, side, reason, unread, missing }
}

/// Bytes of content that the head of a message announces and that are not in it.
fn missing(message: &Message) -> u64 {
    match message.framing.map(|framing| framing.content) {
        Some(ContentKind::Length(length)) => length.saturating_sub(message.content_len()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::value::RedactOptions;

    fn told(records: &[(u64, SocketEvent, &[u8])]) -> Vec<String> {
        words(&events(records))
    }

    fn events(records: &[(u64, SocketEvent, &[u8])]) -> Vec<WireEvent> {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &options);
        let mut out = Vec::new();
        for (millis, event, bytes) in records {
            let record = Record { connection: 1, at: Duration::from_millis(*millis), event: event.clone() };
            live.explain(&record, bytes, &mut out);
        }
        out
    }

    fn words(events: &[WireEvent]) -> Vec<String> {
        events
            .iter()
            .map(|event| match &event.kind {
                EventKind::Accepted { .. } => "accepted".into(),
                EventKind::Received(Call { number, len, requests, segments, .. }, _) => {
                    let segments = segments.map_or(String::new(), |count| format!(" in {count}"));
                    format!("recv {number} {len} {requests}{segments}")
                }
                EventKind::Sent(Call { number, len, .. }, _) => format!("send {number} {len}"),
                EventKind::UnderWay(timed) => {
                    let Message { role, exchange, under_way, .. } = &timed.message;
                    format!("{} {exchange}: {}", role.name(), under_way.unwrap().sentence())
                }
                EventKind::Message(timed) if timed.message.is_unparsed() => {
                    format!("unparsed {} {}", timed.message.start, timed.message.len())
                }
                EventKind::Message(timed) => format!(
                    "{} {} {:?} {} {:?}",
                    timed.message.role.name(),
                    timed.message.exchange,
                    timed.boundaries.iter().map(|c| (c.at, c.call)).collect::<Vec<_>>(),
                    timed.call_count,
                    timed.took.map(|t| t.as_millis())
                ),
                EventKind::Closed { reason, unread, .. } => format!("closed {reason} {unread}"),
                EventKind::Lost { events, .. } => format!("lost {events}"),
            })
            .collect()
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    #[test]
    fn requests_in_one_call_are_told_each_before_its_response() {
        let three = REQUEST.repeat(3);
        let closed = SocketEvent::Closed { reason: "PeerClosed" };
        let got = told(&[
            (1, SocketEvent::Received(three.len()), &three),
            (2, SocketEvent::Sent(RESPONSE.len()), RESPONSE),
            (3, SocketEvent::Sent(RESPONSE.len()), RESPONSE),
            (5, SocketEvent::Sent(RESPONSE.len()), RESPONSE),
            (9, SocketEvent::Received(0), b""),
            (9, closed, b""),
        ]);
        assert_eq!(
            got,
            [
                "recv 1 81 3",
                "request 1 [] 1 None",
                "send 1 27",
                "response 1 [] 1 Some(1)",
                "request 2 [] 1 None",
                "send 2 27",
                "response 2 [] 1 Some(2)",
                "request 3 [] 1 None",
                "send 3 27",
                "response 3 [] 1 Some(4)",
                "closed PeerClosed 0",
            ]
        );
    }

    #[test]
    fn a_proxy_header_is_told_before_the_first_request_wherever_it_is_cut() {
        let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n";
        let all = [&header[..], REQUEST].concat();
        let ends = || [(9, SocketEvent::Received(0), &b""[..]), (9, SocketEvent::Closed { reason: "PeerClosed" }, b"")];
        for cut in 1..header.len() {
            let (first, rest) = all.split_at(cut);
            let mut records = vec![
                (1, SocketEvent::ProxyHeaderDue, &b""[..]),
                (1, SocketEvent::Received(first.len()), first),
                (2, SocketEvent::Received(rest.len()), rest),
            ];
            records.extend(ends());
            let got = told(&records);
            let calls = [format!("recv 1 {cut} 0"), format!("recv 2 {} 1", rest.len())];
            let after = ["unparsed 0 40", "request 1 [] 1 None", "closed PeerClosed 0"];
            assert_eq!(got, calls.iter().map(String::as_str).chain(after).collect::<Vec<_>>(), "cut at {cut}");
        }
        // What is no header, or only a part of one, is not parsed at all.
        for bytes in [REQUEST, &header[..20]] {
            let due = (1, SocketEvent::ProxyHeaderDue, &b""[..]);
            let mut records = vec![due, (1, SocketEvent::Received(bytes.len()), bytes)];
            records.extend(ends());
            let got = told(&records);
            assert!(got.contains(&format!("unparsed 0 {}", bytes.len())), "{got:?}");
            assert!(!got.iter().any(|word| word.starts_with("request")), "{got:?}");
        }
    }

    #[test]
    fn a_request_in_pieces_knows_where_its_calls_begin() {
        let two = REQUEST.repeat(2);
        let got = told(&[
            (1, SocketEvent::Received(8), &two[..8]),
            (2, SocketEvent::Received(22), &two[8..30]),
            (3, SocketEvent::Received(24), &two[30..]),
            (4, SocketEvent::Sent(RESPONSE.len() * 2), &RESPONSE.repeat(2)),
        ]);
        assert_eq!(
            got,
            [
                "recv 1 8 1",
                "recv 2 22 2",
                "request 1 [(8, 2)] 2 None",
                "recv 3 24 1",
                "send 1 54",
                "response 1 [] 1 Some(2)",
                "request 2 [(3, 3)] 2 None",
                "response 2 [] 1 Some(1)",
            ]
        );
    }

    #[test]
    fn a_request_is_told_before_a_response_that_comes_first_and_completed_after_it() {
        let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\nabc";
        let go_on = b"HTTP/1.1 100 Continue\r\n\r\n";
        let got = told(&[
            (1, SocketEvent::Received(head.len()), head),
            (2, SocketEvent::Sent(9), &go_on[..9]),
            (3, SocketEvent::Sent(go_on.len() - 9), &go_on[9..]),
            (4, SocketEvent::Received(4), b"defg"),
            (5, SocketEvent::Sent(RESPONSE.len()), RESPONSE),
        ]);
        let expected = [
            "recv 1 49 1",
            "request 1: 3 of 7 bytes",
            "send 1 9",
            "send 2 16",
            "response 1 [(9, 2)] 2 None",
            "recv 2 4 1",
            "request 1 [(49, 2)] 2 None",
            "send 3 27",
            "response 1 [] 1 Some(1)",
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_request_that_waits_for_its_turn_is_not_called_incomplete() {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &options);
        let (two, mut out) = (REQUEST.repeat(2), Vec::new());
        for (event, bytes) in [
            (SocketEvent::Received(40), &two[..40]),
            (SocketEvent::Received(14), &two[40..]),
            (SocketEvent::Sent(RESPONSE.len()), RESPONSE),
        ] {
            live.explain(&Record { connection: 1, at: Duration::ZERO, event }, bytes, &mut out);
            live.report_under_way(&mut out);
            // Nothing has changed since.
            live.report_under_way(&mut out);
        }
        let got = words(&out);
        let expected = [
            "recv 1 40 2",
            "request 1 [] 1 None",
            "request 2: blank line not seen yet",
            "recv 2 14 1",
            "request 2: complete, but the response before it is not",
            "send 1 27",
            "response 1 [] 1 Some(0)",
            "request 2 [(13, 2)] 2 None",
        ];
        assert_eq!(got, expected);
    }

    #[test]
    fn a_call_has_the_bytes_that_it_brought_to_a_message_which_is_not_complete() {
        let bytes = [REQUEST, b"GET /?token=abc&b=c HTTP/1.1\r\nHost: a\r\nCookie: a=", b"xyz\r", b"\n\r\nGET"];
        let records = bytes.map(|bytes| (1, SocketEvent::Received(bytes.len()), bytes));
        let texts: Vec<String> = events(&records)
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::Received(_, Some(shown)) => {
                    Some(format!("{} {} {}", shown.bytes.escape_ascii(), shown.is_begun, shown.is_cut))
                }
                _ => None,
            })
            .collect();
        let expected = [
            "GET /?token=***&b=c HTTP/1.1\\r\\nHost: a\\r\\nCookie: a= false false",
            "**** false false",
            "GET true false",
        ];
        assert_eq!(texts, expected);
    }

    #[test]
    fn unread_bytes_are_counted_and_a_cut_off_request_is_told() {
        let got =
            told(&[(1, SocketEvent::Received(9), b"GET /\nabc"), (2, SocketEvent::Closed { reason: "Refused" }, b"")]);
        assert_eq!(got, ["recv 1 9 1", "request 1 [] 1 None", "unparsed 6 3", "closed Refused 3"]);
        let got = told(&[
            (1, SocketEvent::Received(5), b"GET /"),
            (2, SocketEvent::Received(0), b""),
            (2, SocketEvent::Closed { reason: "PeerClosed" }, b""),
        ]);
        assert_eq!(got, ["recv 1 5 1", "request 1 [] 1 None", "closed PeerClosed 0"]);
    }

    #[test]
    fn a_body_whose_response_came_first_is_left_off_and_not_invalid() {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let refused = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let head = |fields: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        for (asked, answer_first, left_off) in [
            (head("Expect: 100-continue\r\nContent-Length: 7\r\n"), true, true),
            ([head("Content-Length: 7\r\n"), b"abc".to_vec()].concat(), true, true),
            ([head("Transfer-Encoding: chunked\r\n"), b"3\r\nabc\r\n9".to_vec()].concat(), true, true),
            ([head("Content-Length: 7\r\n"), b"abcdefg".to_vec()].concat(), true, false),
            ([head("Content-Length: 7\r\n"), b"abc".to_vec()].concat(), false, false),
        ] {
            let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &options);
            let mut out = Vec::new();
            let mut tell = |event: SocketEvent, bytes: &[u8]| {
                let record = Record { connection: 1, at: Duration::ZERO, event };
                live.explain(&record, bytes, &mut out);
            };
            tell(SocketEvent::Received(asked.len()), &asked);
            if answer_first {
                tell(SocketEvent::Sent(refused.len()), refused);
            }
            tell(SocketEvent::Received(0), b"");
            tell(SocketEvent::Closed { reason: "ContentUnread" }, b"");
            let requests = out.iter().filter_map(|event| match &event.kind {
                EventKind::Message(timed) if timed.message.role == Role::Request => Some(&timed.message),
                _ => None,
            });
            let requests: Vec<&Message> = requests.collect();
            let shown = asked.escape_ascii();
            assert_eq!((requests.len(), requests[0].len()), (1, asked.len() as u64), "{shown}");
            assert_eq!(requests[0].is_left_off(), left_off, "{shown}");
            assert_eq!(requests[0].error.is_some(), !answer_first, "{shown}");
        }
    }

    #[test]
    fn more_calls_than_are_remembered_are_counted() {
        let mut records = vec![];
        let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n";
        records.push((0, SocketEvent::Received(head.len()), &head[..]));
        records.extend((0..3000).map(|_| (1, SocketEvent::Received(1), &b"x"[..])));
        records.push((2, SocketEvent::Received(REQUEST.len()), REQUEST));
        records.push((3, SocketEvent::Sent(RESPONSE.len()), RESPONSE));
        let got = told(&records);
        let requests: Vec<&str> = got.iter().filter(|line| line.starts_with("request")).map(String::as_str).collect();
        assert!(requests[0].ends_with(" 3001 None"), "{}", &requests[0][requests[0].len() - 30..]);
        assert_eq!(requests[1], "request 2 [] 1 None");
        let calls: Vec<&str> = got.iter().filter(|line| line.starts_with("recv")).map(String::as_str).collect();
        assert_eq!(calls.len(), 1000 + 3, "a thousand, the sum of those in the middle, the last, the next request");
        assert_eq!(calls[1000..], ["recv 1001 2000 1", "recv 3001 1 1", "recv 3002 27 1"]);
    }
}
