//! The events of the history as they happen: one JSON object a line, for as long as the page is open.
//!
//! ```text
//! {"event":"hello","run":"…","kept":{"first_seq":1,"last_seq":7,"connections":2}, …}
//! {"event":"accepted","connection":1,"seq":1, …}
//! {"event":"forgotten","connection":1,"seq":8}
//! {"event":"heartbeat"}
//! ```
//!
//! A stream has no queue of its own. It reads from the history at its own speed; events that the history
//! dropped before that are reported as forgotten. Each stream occupies a worker, which waits at most
//! [`TURN`] at a time: between two turns the server notices a page that has gone, and the stream ends.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::Source;
use crate::wire::record::history::{History, HistoryItem, HistoryRead, HistoryReader, StoredEvent};
use crate::wire::show::json::{event_value, push_line};

/// Streams at once: each occupies a worker. A person has one page open, perhaps a second one.
pub(crate) const STREAMS: usize = 8;
/// The longest silence: after it a line without news shows the page that the server still runs.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a worker waits for events at a time.
const TURN: Duration = Duration::from_secs(1);
/// Bytes after which a piece is sent, although more events wait.
const PIECE: usize = 64 * 1024;

/// The number of open streams.
#[derive(Debug, Default)]
pub struct OpenStreams {
    /// At most [`STREAMS`].
    count: Mutex<usize>,
    /// Notified whenever a stream has ended.
    closed: Condvar,
}

impl OpenStreams {
    fn lock(&self) -> MutexGuard<'_, usize> {
        // A number cannot be left half changed by a thread that panicked.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all streams have ended, but not longer than this. Called when the server stops, so that open
    /// pages get the last events; a page that does not read must not delay the stop.
    pub fn wait(&self, longest: Duration) {
        drop(self.closed.wait_timeout_while(self.lock(), longest, |count| *count > 0));
    }
}

/// The right to one of the [`STREAMS`], given back when this is dropped.
pub(crate) struct StreamPermit(Arc<OpenStreams>);

impl StreamPermit {
    /// A permit, unless all are taken.
    pub(crate) fn take(streams: &Arc<OpenStreams>) -> Option<StreamPermit> {
        // Compared and counted under one lock, or two pages could take the last permit.
        let mut count = streams.lock();
        if *count >= STREAMS {
            return None;
        }
        *count += 1;
        Some(StreamPermit(Arc::clone(streams)))
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        // Also when a worker panics: the stream is dropped then, and the permit with it.
        *self.0.lock() -= 1;
        self.0.closed.notify_all();
    }
}

/// The stream of one page.
pub(crate) struct EventStream {
    history: Arc<History>,
    /// The position in the history.
    reader: HistoryReader,
    /// The first line, until it is sent.
    hello: Option<Value>,
    /// Events that were read and not sent yet, with their numbers. They are shared with the history.
    waiting: VecDeque<(u64, HistoryItem)>,
    /// When the last line was made.
    last_line: Instant,
    /// Held, not used: dropping it lets another page in.
    _permit: StreamPermit,
}

impl EventStream {
    /// A stream whose first line is `hello`.
    pub(crate) fn new(history: Arc<History>, reader: HistoryReader, hello: Value, permit: StreamPermit) -> EventStream {
        let (waiting, last_line) = (VecDeque::new(), Instant::now());
        EventStream { history, reader, hello: Some(hello), waiting, last_line, _permit: permit }
    }
}

impl Source for EventStream {
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut text = String::new();
        // Alone in the first piece, so that the page need not wait for an event to draw itself.
        if let Some(hello) = self.hello.take() {
            push_line(&mut text, &hello);
            return Ok(Some(text.into_bytes()));
        }
        if self.waiting.is_empty() {
            match self.history.wait(&mut self.reader, TURN) {
                HistoryRead::Items(items) => self.waiting = items.into(),
                HistoryRead::TimedOut if self.last_line.elapsed() >= HEARTBEAT => {
                    push_line(&mut text, &json!({"event": "heartbeat"}));
                }
                // An empty piece: it sends nothing, but lets the server look at the connection.
                HistoryRead::TimedOut => {}
                // The page asks again, and the new stream tells it to start anew.
                HistoryRead::Missed | HistoryRead::Ended => return Ok(None),
            }
        }
        // Many small events share a piece, since each piece is a chunk and a system call. The rest
        // waits for the next call.
        while text.len() < PIECE
            && let Some((number, item)) = self.waiting.pop_front()
        {
            push_line(&mut text, &item_value(number, &item));
        }
        // An empty piece does not count, or no heartbeat would ever be due.
        if !text.is_empty() {
            self.last_line = Instant::now();
        }
        Ok(Some(text.into_bytes()))
    }
}

/// An event, or a notice about the history itself, with its number.
fn item_value(number: u64, item: &HistoryItem) -> Value {
    match item {
        HistoryItem::Event(stored) => stored_value(number, stored),
        // The page removes the connection, so that it shows no more than the server can prove.
        HistoryItem::Forgotten(connection) => {
            json!({"event": "forgotten", "connection": connection, "seq": number})
        }
        HistoryItem::Paused(paused) => {
            json!({"event": "paused", "paused": paused, "seq": number})
        }
        HistoryItem::Cleared => json!({"event": "cleared", "seq": number}),
    }
}

/// An event with its number in the history, from which a page can continue.
pub(crate) fn stored_value(number: u64, stored: &StoredEvent) -> Value {
    let mut value = event_value(&stored.event);
    value["seq"] = number.into();
    // The page must not count such an event twice.
    if stored.repeated {
        value["again"] = true.into();
    }
    value
}
