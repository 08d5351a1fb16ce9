//! Events: the input of the views, in order, and the labels of each connection.
//!
//! Events contain redacted messages only, and numbers of notes in place of their texts. The names `cN` (connection)
//! and `cN.M` (exchange) are the same in the terminal, in JSON, in the browser and in archives, so that two people can
//! talk about the same exchange.

use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{Status, date};
use crate::say;
use crate::wire::explain::{ContentKind, Message, NoteId, Role, UnderWay, notes::Side};

/// Something that happened on a connection.
#[derive(Clone, Debug)]
pub struct WireEvent {
    /// The number of the connection; 0 for a file, and for events that concern no connection.
    pub connection: u64,
    /// The time since the connection was accepted.
    pub at: Duration,
    /// What was seen of the connection so far.
    pub tags: Tags,
    /// What happened.
    pub kind: EventKind,
}

impl WireEvent {
    /// An event that concerns no connection and has no time.
    pub fn without_connection(kind: EventKind) -> WireEvent {
        WireEvent { connection: 0, at: Duration::ZERO, tags: Tags::default(), kind }
    }

    /// The bytes of memory that a copy of the event needs when it is kept.
    pub(crate) fn held_bytes(&self) -> usize {
        /// The entries in the tables of the history, the counts of the pointer, and what the allocator adds.
        const EVENT: usize = 160;
        let allocated = match &self.kind {
            EventKind::Message(timed) | EventKind::UnderWay(timed) => timed.held_bytes(),
            EventKind::Received(_, shown) | EventKind::Sent(_, shown) => {
                shown.as_ref().map_or(0, |shown| size_of::<CallBytes>() + shown.bytes.len())
            }
            EventKind::Accepted { .. } | EventKind::Closed { .. } | EventKind::Lost { .. } => 0,
        };
        EVENT + size_of::<WireEvent>() + allocated
    }
}

/// The beginning of a call inside a message that several calls moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBoundary {
    /// The first byte that the call moved, counted from the start of the message.
    pub at: u64,
    /// The number of the call on its side of the connection, counted from 1.
    pub call: u64,
    /// It was a `sendfile`.
    pub from_file: bool,
}

/// What one `recv`, `send` or `sendfile` moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its number on its side of the connection, counted from 1. A sum of calls has the number of the first.
    pub number: u64,
    /// The first byte, counted from the first byte of its side.
    pub at: u64,
    /// The number of bytes.
    pub len: u64,
    /// The time since the connection was accepted.
    pub when: Duration,
    /// It was a `sendfile`: the bytes did not pass through the program.
    pub from_file: bool,
    /// Of a `recv`: how many requests have bytes in it.
    pub requests: u64,
    /// Of a `recv`: how many TCP segments brought the bytes, if the kernel could be asked.
    pub segments: Option<u32>,
    /// Of a sum: how many calls it has besides the first.
    pub more: u64,
}

impl Call {
    /// Adds the next call.
    pub(crate) fn add(&mut self, next: &Call) {
        self.more += 1 + next.more;
        self.len += next.len;
        self.when = next.when;
        self.from_file |= next.from_file;
        self.requests = self.requests.max(next.requests);
        self.segments = self.segments.zip(next.segments).map(|(a, b)| a.saturating_add(b));
    }

    /// The byte after the last one, counted from the first byte of its side.
    pub fn end(&self) -> u64 {
        self.at + self.len
    }
}

/// Bytes that a call moved of a message that is not complete after it, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallBytes {
    /// The first of them. None of those in the middle of long content.
    pub bytes: Vec<u8>,
    /// The call moved other bytes before them, of a message that is complete.
    pub is_begun: bool,
    /// The call moved more bytes after them.
    pub is_cut: bool,
    /// What the message still needs.
    pub under_way: UnderWay,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A connection was accepted.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
        /// The time since 1970.
        moment: Duration,
    },
    /// A `recv` returned bytes.
    Received(Call, Option<Box<CallBytes>>),
    /// A `send` or a `sendfile` took bytes.
    Sent(Call, Option<Box<CallBytes>>),
    /// What is known of a message that is not complete. It replaces the event before it of the same message.
    UnderWay(Box<TimedMessage>),
    /// A message is complete, or invalid, or cut off.
    Message(Box<TimedMessage>),
    /// The connection has ended.
    Closed {
        /// The reason.
        note: NoteId,
        /// The side that closed it.
        side: Side,
        /// The name of the reason, as in the log.
        reason: &'static str,
        /// Bytes of the client after its last request, which were not read.
        unread: u64,
        /// Bytes of content that were announced and never came.
        missing: u64,
    },
    /// Something was lost, since the reader was too slow.
    Lost {
        /// How many records, or events.
        events: u64,
        /// Connections that were open. Of these only the end is still reported.
        open: usize,
    },
}

/// A message, with the calls that moved it and their times.
#[derive(Clone, Debug)]
pub struct TimedMessage {
    /// The message.
    pub message: Message,
    /// Where calls begin inside it, without the one it begins with.
    pub boundaries: Vec<CallBoundary>,
    /// The number of calls that moved it.
    pub call_count: u64,
    /// What each call moved. If these are fewer than [`TimedMessage::call_count`], the last is the sum of all that
    /// are left, at the time of the last.
    pub calls: Vec<Call>,
    /// Of a response: the time from the last byte of the request to its own last byte.
    pub took: Option<Duration>,
    /// Of a response: it began before the request was complete. Of a request under way: its response has begun.
    pub early: bool,
    /// The time of day at its end.
    pub clock: String,
}

impl TimedMessage {
    /// A message of which no call is known: that of a file.
    pub fn without_calls(message: Message) -> TimedMessage {
        // No call and no time is invented: the views leave these parts out.
        let (boundaries, calls, clock) = (Vec::new(), Vec::new(), String::new());
        TimedMessage { message, boundaries, call_count: 1, calls, took: None, early: false, clock }
    }

    /// The bytes of memory that a copy needs.
    pub(crate) fn held_bytes(&self) -> usize {
        /// What the allocator adds to the parts.
        const PARTS: usize = 256;
        let message = &self.message;
        // Allocations count by their length: a copy has no spare capacity.
        PARTS
            + size_of::<TimedMessage>()
            + message.bytes.first.len()
            + message.bytes.last.len()
            + size_of_val(&*message.spans)
            + size_of_val(&*message.lines)
            + size_of_val(&*self.boundaries)
            + size_of_val(&*self.calls)
            + self.clock.len()
    }

    /// When its first byte was moved; `None` if no call is known.
    pub fn began(&self) -> Option<Duration> {
        self.calls.first().map(|call| call.when)
    }

    /// When its last byte was moved.
    pub fn ended(&self) -> Option<Duration> {
        self.calls.last().map(|call| call.when)
    }

    /// When its head was complete.
    pub fn head_at(&self) -> Option<Duration> {
        // The last byte of the head, counted like the calls: from the first byte of the side.
        let last = self.message.start + self.message.head_end.saturating_sub(1);
        let call = self.calls.iter().find(|call| call.end() > last);
        // If only the sum of the last calls is known, the head was complete at its time at the latest.
        call.or(self.calls.last()).map(|call| call.when)
    }
}

/// What has been seen of a connection, for its labels. Every event carries the tags of its moment, so a reader that
/// starts in the middle knows what happened before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The most requests with bytes in one `recv`.
    requests_per_call: u64,
    /// The most calls that brought one request.
    calls_per_request: u64,
    /// The highest number of an exchange of which a message was reported.
    exchanges: u64,
    /// The client closed it without having sent a byte.
    is_silent: bool,
    /// A request had chunked content.
    has_chunked_request: bool,
    /// A response had chunked content.
    has_chunked_response: bool,
    /// The server sent 100 Continue.
    has_continue: bool,
    /// A message broke a rule.
    is_broken: bool,
    /// A message ended before its last byte.
    is_cut_off: bool,
    /// The client reset it, or the network broke.
    is_reset: bool,
}

impl Tags {
    /// A `recv` brought bytes of this number of requests.
    pub(crate) fn received(&mut self, requests: u64) {
        self.requests_per_call = self.requests_per_call.max(requests);
    }

    /// A message is complete; this number of calls moved it.
    pub(crate) fn message(&mut self, message: &Message, calls: u64) {
        self.exchanges = self.exchanges.max(message.exchange);
        let is_chunked = message.framing.is_some_and(|f| matches!(f.content, ContentKind::Chunked { .. }));
        // Both directions have their own labels: an upload in chunks and a download in chunks teach different things.
        match message.role {
            Role::Request => {
                self.calls_per_request = self.calls_per_request.max(calls);
                self.has_chunked_request |= is_chunked;
            }
            Role::Response => {
                self.has_chunked_response |= is_chunked;
                self.has_continue |= message.status() == Status::CONTINUE.code();
            }
        }
        if let Some(error) = message.error {
            // A message that was cut off breaks no rule; the two have different labels.
            self.is_cut_off |= error.cut_off;
            self.is_broken |= !error.cut_off;
        }
    }

    /// The connection has ended, for the reason of this name.
    pub(crate) fn closed(&mut self, reason: &str) {
        // Browsers open spare connections. A silent one is no error and gets a label of its own.
        self.is_silent |= reason == "NeverSpoke";
        self.is_reset |= reason == "Broken";
    }

    /// The labels, each with its identifier: `glued` and `3 requests in one recv()`. Programs and the page compare
    /// identifiers, people read the texts.
    pub fn labels(&self) -> Vec<(&'static str, String)> {
        let (requests, calls) = (self.requests_per_call, self.calls_per_request);
        // In a fixed order, so that the same labels look the same on every connection.
        let all = [
            (self.is_silent, "silent", say!("tag/silent")),
            (requests > 1, "glued", say!("tag/glued", requests)),
            (calls > 1, "cut", say!("tag/cut", calls)),
            // Requests that came together used the same connection anyway; only later ones show a reuse.
            (requests < 2 && self.exchanges > 1, "reused", say!("tag/reused", exchanges = self.exchanges)),
            (self.has_chunked_request, "chunked-request", say!("tag/chunked-request")),
            (self.has_chunked_response, "chunked-response", say!("tag/chunked-response")),
            (self.has_continue, "continue", say!("tag/continue")),
            (self.is_broken, "broken", say!("tag/broken")),
            (self.is_cut_off, "cut-off", say!("tag/cut-off")),
            (self.is_reset, "reset", say!("tag/reset")),
        ];
        all.into_iter().filter(|(applies, ..)| *applies).map(|(_, id, text)| (id, text)).collect()
    }
}

/// Milliseconds, with three decimals.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_micros() as f64) / 1000.0
}

/// `00:23:48.713`: the time of day of a moment since 1970, UTC.
pub fn clock(since_1970: Duration) -> String {
    // The result is `2026-11-21T00:23:48Z`, of which the time of day is used.
    let second = date::iso(i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX));
    let time_of_day = String::from_utf8_lossy(&second[11..19]);
    format!("{time_of_day}.{:03}", since_1970.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_to_the_millisecond() {
        assert_eq!(clock(Duration::from_millis(86_400_000 * 3 + 1_428_713)), "00:23:48.713");
    }

    #[test]
    fn numbers_are_the_greatest_that_were_seen() {
        let mut tags = Tags::default();
        assert!(tags.labels().is_empty());
        for requests in [1, 3, 2] {
            tags.received(requests);
        }
        tags.closed("Broken");
        assert_eq!(tags.labels(), [("glued", "3 requests in one recv()".to_string()), ("reset", "reset".to_string())]);
        tags.closed("NeverSpoke");
        assert_eq!(tags.labels()[0].0, "silent");
    }
}
