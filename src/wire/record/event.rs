//! What the views are told: the life of connections, in order.
//!
//! Never: a byte that was not masked; a text that repeats for every message (notes are numbers).
//!
//! The subtle thing: the names `cN` and `cN.M` are the same in the terminal, in JSON, in the browser
//! and in an archive, so that a person can say to another one which exchange is meant.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::explain::message::Message;
use crate::wire::explain::notes::{NoteId, Side};
use crate::wire::record::tags::Tags;

/// Something happened on a connection.
#[derive(Clone, Debug)]
pub struct WireEvent {
    /// The number of the connection; 0 for a file, and for what concerns none.
    pub connection: u64,
    /// When, since it was accepted.
    pub at: Duration,
    /// The connection in plain words, as it is by now.
    pub tags: Tags,
    /// What.
    pub kind: EventKind,
}

impl WireEvent {
    /// What concerns no connection, and is no matter of time.
    pub fn without_connection(kind: EventKind) -> WireEvent {
        WireEvent { connection: 0, at: Duration::ZERO, tags: Tags::default(), kind }
    }
}

/// A call that moved bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallBoundary {
    /// The first byte it moved, counted from the start of the message.
    pub at: u64,
    /// The number of the call on its side of the connection, counted from 1.
    pub call: u64,
}

/// What one call moved: a `recv`, a `send` or a `sendfile`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Its number on its side of the connection, counted from 1; of a sum that of the first.
    pub number: u64,
    /// The first byte, in the bytes of its side of the connection.
    pub at: u64,
    /// How many.
    pub len: u64,
    /// When, since the connection was accepted.
    pub when: Duration,
    /// From a file, past the program.
    pub from_file: bool,
    /// Of a `recv`: how many requests have bytes in it.
    pub requests: u64,
    /// How many TCP segments brought them, where the kernel could be asked.
    pub segments: Option<u32>,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum EventKind {
    /// A connection was accepted.
    Accepted {
        /// The client.
        peer: SocketAddr,
        /// The time of day, `00:23:48.713`, UTC.
        clock: String,
        /// When, since 1970.
        moment: Duration,
    },
    /// A `recv` returned bytes.
    Received(Call),
    /// A message is complete, or broken, or cut off.
    Message(Box<TimedMessage>),
    /// The connection has ended.
    Closed {
        /// Why.
        note: NoteId,
        /// Who closed it.
        side: Side,
        /// The name of the reason, as in the log.
        reason: &'static str,
        /// Bytes of the client behind its last request, which nobody read.
        unread: u64,
        /// Bytes of content that were announced and never came.
        missing: u64,
    },
    /// Something was lost, since the reader was too slow.
    Lost {
        /// How many records, or events.
        events: u64,
        /// Connections that were open and are told no further but for their end.
        open: usize,
    },
}

/// A message and how it was carried.
#[derive(Clone, Debug)]
pub struct TimedMessage {
    /// The message.
    pub message: Message,
    /// Borders of calls inside it, without the one it begins with.
    pub boundaries: Vec<CallBoundary>,
    /// Calls that brought it.
    pub call_count: u64,
    /// What each of them moved. If there are fewer than [`TimedMessage::calls`], the last one is the sum of
    /// all that are left, at the moment of the last.
    pub calls: Vec<Call>,
    /// Of a response: from the last byte of the request to its last byte.
    pub took: Option<Duration>,
    /// Of a response: it began before the request was complete.
    pub early: bool,
    /// The time of day at its end.
    pub clock: String,
}

impl TimedMessage {
    /// One that no call is known of: a message of a file.
    pub fn without_calls(message: Message) -> TimedMessage {
        let (boundaries, calls, clock) = (Vec::new(), Vec::new(), String::new());
        TimedMessage { message, boundaries, call_count: 1, calls, took: None, early: false, clock }
    }

    /// When its first byte was moved; nothing of a message that no call is known of.
    pub fn began(&self) -> Option<Duration> {
        self.calls.first().map(|moved| moved.when)
    }

    /// When its last byte was moved.
    pub fn ended(&self) -> Option<Duration> {
        self.calls.last().map(|moved| moved.when)
    }

    /// When its head was complete.
    pub fn head_at(&self) -> Option<Duration> {
        let last = self.message.start + self.message.head_end.saturating_sub(1);
        let bringing = self.calls.iter().find(|moved| moved.at + moved.len > last);
        bringing.or(self.calls.last()).map(|moved| moved.when)
    }
}

/// Milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    (time.as_micros() as f64) / 1000.0
}

/// `00:23:48.713`: the time of day of a moment since 1970, UTC.
pub fn clock(since_1970: Duration) -> String {
    let (seconds, millis) = (since_1970.as_secs() % 86_400, since_1970.subsec_millis());
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_day_is_to_the_millisecond() {
        assert_eq!(clock(Duration::from_millis(86_400_000 * 3 + 1_428_713)), "00:23:48.713");
    }
}
