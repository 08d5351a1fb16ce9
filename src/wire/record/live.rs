//! One live connection: records of the tape to events of the view.
//!
//! Never: a byte that is kept unmasked behind the end of its message; a message out of the order in
//! which a person reads a conversation.
//!
//! The subtle thing: three requests that came in one `recv` are complete before the first answer is
//! out. They are held back and told each before its own answer, or the exchanges could not be told
//! apart.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use crate::http::Status;
use crate::wire::explain::builder::ExplainOptions;
use crate::wire::explain::conversation::Conversation;
use crate::wire::explain::message::{ContentKind, Message, Role};
use crate::wire::explain::notes::NoteId;
use crate::wire::record::elide::Gap;
use crate::wire::record::event::{Call, CallBoundary, EventKind, TimedMessage, WireEvent, clock};
use crate::wire::record::recorder::{Record, SocketEvent};
use crate::wire::record::tags::Tags;

/// Calls whose borders are remembered for one message; the others are only counted.
const BORDERS: usize = 1000;
/// Requests whose end is remembered until their answers are out.
const WAITING: usize = 1024;

/// The calls of one side.
#[derive(Debug, Default)]
struct Calls {
    bytes: u64,
    count: u64,
    last: Option<Call>,
    remembered: VecDeque<Call>,
}

/// How a message was carried: borders inside it, how many calls, and what each moved.
type Carried = (Vec<CallBoundary>, u64, Vec<Call>);

impl Calls {
    /// Adds a call; its number and its place are found here.
    fn add(&mut self, call: Call) -> Call {
        self.count += 1;
        let last = Call { number: self.count, at: self.bytes, ..call };
        self.last = Some(last);
        if self.remembered.len() < BORDERS {
            self.remembered.push_back(last);
        }
        self.bytes += last.len;
        last
    }

    /// How a message was carried. What lies before it is forgotten.
    fn of(&mut self, message: &Message) -> Carried {
        let (start, end) = (message.start, message.end());
        while self.remembered.get(1).is_some_and(|moved| moved.at <= start) {
            self.remembered.pop_front();
        }
        let first = self.remembered.front().map_or(self.count, |moved| moved.number);
        let inside = self.remembered.iter().filter(|moved| moved.at > start && moved.at < end);
        let cuts: Vec<CallBoundary> =
            inside.map(|moved| CallBoundary { at: moved.at - start, call: moved.number }).collect();
        // The last call that moved bytes of it: the count may be ahead by calls behind its end.
        let behind = self.remembered.iter().filter(|moved| moved.at >= end).count() as u64;
        let calls = (self.count + 1).saturating_sub(first + behind).max(1);
        let mut moved: Vec<Call> = self.remembered.iter().copied().filter(|m| m.at < end).collect();
        if let (Some(last), Some(known)) = (self.last, moved.last())
            && (moved.len() as u64) < calls
        {
            let at = known.at + known.len;
            let len = (last.at + last.len).saturating_sub(at);
            moved.push(Call { number: known.number + 1, at, len, ..last });
        }
        if self.remembered.back() != self.last.as_ref() {
            self.remembered.extend(self.last);
        }
        while self.remembered.get(1).is_some_and(|moved| moved.at <= end) {
            self.remembered.pop_front();
        }
        (cuts, calls, moved)
    }
}

/// The connection.
#[derive(Debug)]
pub struct LiveConnection {
    number: u64,
    conversation: Conversation,
    accepted: Duration,
    /// Since 1970, of the moment from which the tape counts.
    began: Duration,
    received: Calls,
    sent: Calls,
    /// Requests that are complete and wait for the answers before theirs.
    held: VecDeque<TimedMessage>,
    /// When requests were complete.
    complete: BTreeMap<u64, Duration>,
    /// Where the last request ended, and its number.
    read: u64,
    asked: u64,
    /// What the next `recv` took, as the kernel counts.
    segments: Option<u32>,
    tags: Tags,
    /// When it was told of last: time does not run backwards.
    latest: Duration,
    /// Bytes of content that were announced and never came.
    missing: u64,
}

impl LiveConnection {
    /// A connection that was accepted at `at`; the tape counts from `began` after 1970.
    pub fn new(number: u64, at: Duration, began: Duration, manner: &ExplainOptions) -> LiveConnection {
        LiveConnection {
            number,
            conversation: Conversation::new(manner),
            accepted: at,
            began,
            received: Calls::default(),
            sent: Calls::default(),
            held: VecDeque::new(),
            complete: BTreeMap::new(),
            read: 0,
            asked: 0,
            segments: None,
            tags: Tags::default(),
            latest: at,
            missing: 0,
        }
    }

    /// When it was accepted.
    pub(crate) fn accepted(&self) -> Duration {
        self.accepted
    }

    /// One record and its bytes to events. Whether the connection goes on.
    pub fn record(&mut self, record: &Record, bytes: &[u8], out: &mut Vec<WireEvent>) -> bool {
        // Calls are timed as they return, the end with the turn of the loop that it came in.
        self.latest = self.latest.max(record.at);
        let at = self.latest;
        let mut messages = Vec::new();
        match &record.event {
            SocketEvent::Accepted { peer, .. } => {
                let moment = self.began + at;
                self.tell(at, EventKind::Accepted { peer: *peer, clock: clock(moment), moment }, out);
            }
            SocketEvent::Received(0) => self.conversation.client_ended(&mut messages),
            SocketEvent::Received(len) => self.received(*len, &[], bytes, at, &mut messages, out),
            SocketEvent::ReceivedInPart { len, gaps } => self.received(*len, gaps, bytes, at, &mut messages, out),
            SocketEvent::Segments(count) => self.segments = Some(*count),
            SocketEvent::Sent(len) => {
                self.sent.add(Call { len: *len as u64, when: self.since(at), ..Call::default() });
                let mut answers = Vec::new();
                self.conversation.sent(bytes, &mut answers);
                if answers.iter().any(|message| message.status() == Status::REQUEST_TIMEOUT.code()) {
                    // The request that never came whole comes before its answer.
                    self.conversation.client_too_slow(&mut messages);
                }
                messages.append(&mut answers);
            }
            SocketEvent::SentFile { file, from, len } => {
                self.sent.add(Call { len: *len, when: self.since(at), from_file: true, ..Call::default() });
                let (first, last) = self.conversation.window();
                let first = read(file, *from, (*len).min(first as u64));
                let left = *len - first.len() as u64;
                let tail = left.min(last as u64);
                let last = read(file, from + len - tail, tail);
                self.conversation.sent_unseen(*len, (&first, &last), &mut messages);
            }
            SocketEvent::Closed { reason, .. } => {
                self.conversation.client_ended(&mut messages);
                self.conversation.server_ended(&mut messages);
                self.messages(messages, at, out);
                while let Some(spoken) = self.held.pop_front() {
                    self.tell(at, EventKind::Message(Box::new(spoken)), out);
                }
                let unread = self.received.bytes.saturating_sub(self.read);
                // What the server did not want to read is not missing.
                let missing = if matches!(*reason, "ClosedInContent" | "TimedOutContent") { self.missing } else { 0 };
                self.tags.closed(reason);
                self.tell(at, closed(reason, unread, missing), out);
                return false;
            }
        }
        self.messages(messages, at, out);
        true
    }

    /// One `recv` of `len` bytes; `bytes` are those that do not lie in the gaps.
    fn received(
        &mut self,
        len: usize,
        gaps: &[Gap],
        bytes: &[u8],
        at: Duration,
        messages: &mut Vec<Message>,
        out: &mut Vec<WireEvent>,
    ) {
        let was_shut = self.conversation.is_shut(Role::Request);
        let (mut rest, mut place) = (bytes, 0);
        for gap in gaps {
            let (before, behind) = rest.split_at(gap.at.saturating_sub(place).min(rest.len()));
            self.conversation.received(before, messages);
            self.conversation.received_unseen(gap.len as u64, messages);
            (rest, place) = (behind, gap.at + gap.len);
        }
        self.conversation.received(rest, messages);
        let begun = self.conversation.is_inside(Role::Request);
        let requests = if was_shut { 0 } else { messages.len() as u64 + u64::from(begun) };
        let (when, segments) = (self.since(at), self.segments.take());
        let call = Call { len: len as u64, when, requests, segments, ..Call::default() };
        let call = self.received.add(call);
        self.tags.received(requests);
        self.tell(at, EventKind::Received(call), out);
    }

    fn messages(&mut self, messages: Vec<Message>, at: Duration, out: &mut Vec<WireEvent>) {
        for message in messages {
            let exchange = message.exchange;
            let clock = clock(self.began + at);
            if message.role == Role::Request {
                (self.read, self.asked) = (message.end(), exchange);
                self.missing = missing(&message);
                if self.complete.len() < WAITING {
                    self.complete.insert(exchange, at);
                }
                let (boundaries, call_count, calls) = self.received.of(&message);
                self.tags.message(&message, call_count);
                self.held.push_back(TimedMessage {
                    message,
                    boundaries,
                    call_count,
                    calls,
                    took: None,
                    early: false,
                    clock,
                });
            } else {
                self.release(exchange, at, out);
                let interim = message.is_interim();
                let complete = self.complete.get(&exchange).copied();
                let took = complete.map(|complete| at.saturating_sub(complete));
                let (boundaries, call_count, calls) = self.sent.of(&message);
                let began = calls.first().map(|first| first.when);
                let early = match complete {
                    Some(complete) => began.is_some_and(|began| began < self.since(complete)),
                    None => self.asked < exchange,
                };
                self.tags.message(&message, call_count);
                let spoken = TimedMessage { message, boundaries, call_count, calls, took, early, clock };
                self.tell(at, EventKind::Message(Box::new(spoken)), out);
                if !interim {
                    self.complete = self.complete.split_off(&(exchange + 1));
                }
            }
        }
        self.release(self.conversation.answering(), at, out);
    }

    /// Tells the requests up to this exchange.
    fn release(&mut self, exchange: u64, at: Duration, out: &mut Vec<WireEvent>) {
        while self.held.front().is_some_and(|spoken| spoken.message.exchange <= exchange)
            && let Some(spoken) = self.held.pop_front()
        {
            self.tell(at, EventKind::Message(Box::new(spoken)), out);
        }
    }

    fn since(&self, at: Duration) -> Duration {
        at.saturating_sub(self.accepted)
    }

    fn tell(&self, at: Duration, kind: EventKind, out: &mut Vec<WireEvent>) {
        out.push(WireEvent { connection: self.number, at: self.since(at), tags: self.tags, kind });
    }
}

/// The end for this reason.
pub(crate) fn closed(reason: &'static str, unread: u64, missing: u64) -> EventKind {
    let (note, side) = NoteId::close(reason);
    EventKind::Closed { note, side, reason, unread, missing }
}

/// Bytes of content that its head announces and that are not in it.
fn missing(message: &Message) -> u64 {
    match message.framing.map(|framed| framed.content) {
        Some(ContentKind::Length(length)) => length.saturating_sub(message.content_len()),
        _ => 0,
    }
}

/// Bytes of a file that is being sent; fewer if it has become shorter.
fn read(file: &File, from: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let mut got = 0;
    while got < bytes.len() {
        match file.read_at(&mut bytes[got..], from + got as u64) {
            Ok(0) | Err(_) => break,
            Ok(more) => got += more,
        }
    }
    bytes.truncate(got);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::value::RedactOptions;

    fn told(records: &[(u64, SocketEvent, &[u8])]) -> Vec<String> {
        let manner = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &manner);
        let mut out = Vec::new();
        for (millis, event, bytes) in records {
            let record = Record { connection: 1, at: Duration::from_millis(*millis), event: event.clone() };
            live.record(&record, bytes, &mut out);
        }
        out.iter()
            .map(|told| match &told.kind {
                EventKind::Accepted { .. } => "accepted".into(),
                EventKind::Received(Call { number, len, requests, segments, .. }) => {
                    let segments = segments.map_or(String::new(), |count| format!(" in {count}"));
                    format!("recv {number} {len} {requests}{segments}")
                }
                EventKind::Message(spoken) => format!(
                    "{} {} {:?} {} {:?}",
                    spoken.message.role.name(),
                    spoken.message.exchange,
                    spoken.boundaries.iter().map(|c| (c.at, c.call)).collect::<Vec<_>>(),
                    spoken.call_count,
                    spoken.took.map(|t| t.as_millis())
                ),
                EventKind::Closed { reason, unread, .. } => format!("closed {reason} {unread}"),
                EventKind::Lost { events, .. } => format!("lost {events}"),
            })
            .collect()
    }

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

    #[test]
    fn requests_glued_together_are_told_each_before_its_answer() {
        let three = ASK.repeat(3);
        let closed = SocketEvent::Closed { reason: "PeerClosed", sentence: "" };
        let got = told(&[
            (1, SocketEvent::Received(three.len()), &three),
            (2, SocketEvent::Sent(ANSWER.len()), ANSWER),
            (3, SocketEvent::Sent(ANSWER.len()), ANSWER),
            (5, SocketEvent::Sent(ANSWER.len()), ANSWER),
            (9, SocketEvent::Received(0), b""),
            (9, closed, b""),
        ]);
        assert_eq!(
            got,
            [
                "recv 1 81 3",
                "request 1 [] 1 None",
                "response 1 [] 1 Some(1)",
                "request 2 [] 1 None",
                "response 2 [] 1 Some(2)",
                "request 3 [] 1 None",
                "response 3 [] 1 Some(4)",
                "closed PeerClosed 0",
            ]
        );
    }

    #[test]
    fn a_request_in_pieces_knows_its_borders() {
        let two = ASK.repeat(2);
        let got = told(&[
            (1, SocketEvent::Received(8), &two[..8]),
            (2, SocketEvent::Received(22), &two[8..30]),
            (3, SocketEvent::Received(24), &two[30..]),
            (4, SocketEvent::Sent(ANSWER.len() * 2), &ANSWER.repeat(2)),
        ]);
        assert_eq!(
            got,
            [
                "recv 1 8 1",
                "recv 2 22 2",
                "request 1 [(8, 2)] 2 None",
                "recv 3 24 1",
                "response 1 [] 1 Some(2)",
                "request 2 [(3, 3)] 2 None",
                "response 2 [] 1 Some(1)",
            ]
        );
    }

    #[test]
    fn what_nobody_read_is_counted_and_what_was_cut_off_is_told() {
        let got = told(&[
            (1, SocketEvent::Received(9), b"GET /\nabc"),
            (2, SocketEvent::Closed { reason: "Refused", sentence: "" }, b""),
        ]);
        assert_eq!(got, ["recv 1 9 1", "request 1 [] 1 None", "closed Refused 3"]);
        let got = told(&[
            (1, SocketEvent::Received(5), b"GET /"),
            (2, SocketEvent::Received(0), b""),
            (2, SocketEvent::Closed { reason: "PeerClosed", sentence: "" }, b""),
        ]);
        assert_eq!(got, ["recv 1 5 1", "request 1 [] 1 None", "closed PeerClosed 0"]);
    }

    #[test]
    fn a_body_that_was_answered_before_it_came_is_left_off_and_not_broken() {
        let manner = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let refused = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let head = |fields: &str| format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
        for (asked, answer_first, left_off) in [
            (head("Expect: 100-continue\r\nContent-Length: 7\r\n"), true, true),
            ([head("Content-Length: 7\r\n"), b"abc".to_vec()].concat(), true, true),
            ([head("Transfer-Encoding: chunked\r\n"), b"3\r\nabc\r\n9".to_vec()].concat(), true, true),
            ([head("Content-Length: 7\r\n"), b"abcdefg".to_vec()].concat(), true, false),
            ([head("Content-Length: 7\r\n"), b"abc".to_vec()].concat(), false, false),
        ] {
            let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &manner);
            let mut out = Vec::new();
            let mut tell = |event: SocketEvent, bytes: &[u8]| {
                let record = Record { connection: 1, at: Duration::ZERO, event };
                live.record(&record, bytes, &mut out);
            };
            tell(SocketEvent::Received(asked.len()), &asked);
            if answer_first {
                tell(SocketEvent::Sent(refused.len()), refused);
            }
            tell(SocketEvent::Received(0), b"");
            tell(SocketEvent::Closed { reason: "ContentUnread", sentence: "" }, b"");
            let requests = out.iter().filter_map(|told| match &told.kind {
                EventKind::Message(spoken) if spoken.message.role == Role::Request => Some(&spoken.message),
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
        records.push((2, SocketEvent::Received(ASK.len()), ASK));
        records.push((3, SocketEvent::Sent(ANSWER.len()), ANSWER));
        let got = told(&records);
        let requests: Vec<&str> = got.iter().filter(|line| line.starts_with("request")).map(String::as_str).collect();
        assert!(requests[0].ends_with(" 3001 None"), "{}", &requests[0][requests[0].len() - 30..]);
        assert_eq!(requests[1], "request 2 [] 1 None");
    }
}
