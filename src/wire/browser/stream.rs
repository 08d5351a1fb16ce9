//! Events as they happen: one JSON object a line, for as long as somebody listens.
//!
//! Never: a queue for a reader. Each one takes out of the history what it has not seen, at its own
//! speed; what went out of the history before it came is told as forgotten.
//!
//! The subtle thing: a worker waits here, at most [`TURN`] at a time. Between two turns the server looks
//! whether the browser is still there, so that a page that was loaded again soon gives its seat back.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::service::Source;
use crate::wire::record::history::{History, HistoryItem, HistoryNotice, HistoryRead, HistoryReader, StoredEvent};
use crate::wire::show::json::{event_value, push_value};

/// Streams at once: each holds a worker. A person has one window open, perhaps a second one.
pub(crate) const STREAMS: usize = 8;
/// Silence after which a line is sent all the same.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a worker waits without looking up.
const TURN: Duration = Duration::from_secs(1);
/// Bytes after which a piece is sent.
const PIECE: usize = 64 * 1024;

/// The streams that are open.
#[derive(Debug, Default)]
pub struct Streams {
    count: Mutex<usize>,
    left: Condvar,
}

impl Streams {
    fn lock(&self) -> MutexGuard<'_, usize> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all have ended, but not longer than this.
    pub fn wait(&self, patience: Duration) {
        drop(self.left.wait_timeout_while(self.lock(), patience, |count| *count > 0));
    }
}

/// A place among the streams; it is free again when this is dropped.
pub(crate) struct Seat(Arc<Streams>);

impl Seat {
    /// A place, if there is one.
    pub(crate) fn take(streams: &Arc<Streams>) -> Option<Seat> {
        let mut count = streams.lock();
        if *count >= STREAMS {
            return None;
        }
        *count += 1;
        Some(Seat(Arc::clone(streams)))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        *self.0.lock() -= 1;
        self.0.left.notify_all();
    }
}

/// The stream of one reader.
pub(crate) struct Stream {
    history: Arc<History>,
    reader: HistoryReader,
    hello: Option<Value>,
    waiting: VecDeque<(u64, HistoryItem)>,
    /// When the last line was made.
    spoke: Instant,
    _seat: Seat,
}

impl Stream {
    /// A stream that begins with `hello`.
    pub(crate) fn new(history: Arc<History>, reader: HistoryReader, hello: Value, seat: Seat) -> Stream {
        Stream { history, reader, hello: Some(hello), waiting: VecDeque::new(), spoke: Instant::now(), _seat: seat }
    }
}

impl Source for Stream {
    fn next(&mut self) -> Option<Vec<u8>> {
        let mut text = String::new();
        if let Some(hello) = self.hello.take() {
            line(&hello, &mut text);
            return Some(text.into_bytes());
        }
        if self.waiting.is_empty() {
            match self.history.wait(&mut self.reader, TURN) {
                HistoryRead::Items(items) => self.waiting = items.into(),
                HistoryRead::TimedOut if self.spoke.elapsed() >= HEARTBEAT => {
                    line(&json!({"event": "heartbeat"}), &mut text)
                }
                HistoryRead::TimedOut => {}
                // The reader asks again, and is told to begin afresh.
                HistoryRead::Missed | HistoryRead::Ended => return None,
            }
        }
        while text.len() < PIECE
            && let Some((number, item)) = self.waiting.pop_front()
        {
            line(&item_value(number, &item), &mut text);
        }
        if !text.is_empty() {
            self.spoke = Instant::now();
        }
        Some(text.into_bytes())
    }
}

fn line(value: &Value, text: &mut String) {
    push_value(text, value);
    text.push('\n');
}

fn item_value(number: u64, item: &HistoryItem) -> Value {
    match item {
        HistoryItem::Event(kept) => event(number, kept),
        HistoryItem::Notice(HistoryNotice::Forgotten(connection)) => {
            json!({"event": "forgotten", "connection": connection, "seq": number})
        }
        HistoryItem::Notice(HistoryNotice::Paused(paused)) => {
            json!({"event": "paused", "paused": paused, "seq": number})
        }
        HistoryItem::Notice(HistoryNotice::Cleared) => json!({"event": "cleared", "seq": number}),
    }
}

/// An event with its number.
pub(crate) fn event(number: u64, kept: &StoredEvent) -> Value {
    let mut value = event_value(&kept.event);
    if let Some(object) = value.as_object_mut() {
        object.insert("seq".into(), number.into());
        if kept.repeated {
            object.insert("again".into(), true.into());
        }
    }
    value
}
