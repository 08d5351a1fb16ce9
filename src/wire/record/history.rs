//! The history: the events that the wire view can still show, in bounded memory.
//!
//! The wire thread adds events; readers take them out by number and wait for more. It never waits for a reader. Every
//! event has a number (1, 2, 3 …). So has every notice: a connection was forgotten, the recording was paused, all was
//! cleared. A reader that was away gets both in the order in which they happened.
//!
//! ```text
//! 1 accepted c1   2 recv c1   3 request c1.1   4 response c1.1   5 accepted c2   6 notice: c1 forgotten
//! after 6: events 5, notices 6. A reader that has everything up to 4 gets 5 and 6.
//! ```
//!
//! Of a message under way only the newest event is kept: it has all that those before it have, and the event of the
//! complete message replaces it. A reader that is slow gets fewer of them.
//!
//! The limit is on the bytes that are really held. The connection whose first event is the oldest is forgotten first,
//! also while it is open. If it then continues, its `accepted` is repeated, so that no reader gets a message of a
//! connection without that.

mod portion;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::wire::record::event::WireEvent;
use crate::wire::record::history::portion::PORTION_SHARE;
use crate::wire::record::history::state::{CONNECTION, HistoryState};

/// Most notices that are kept for readers that were away. A reader that missed some starts again.
const NOTICES: usize = 4096;
/// Bytes that a notice needs.
const NOTICE: usize = 96;
/// An event that is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The event.
    pub event: Arc<WireEvent>,
    /// It is a repetition, since the earlier events of its connection are forgotten.
    pub repeated: bool,
}

/// What a reader gets: an event, or a notice of something that happened to the history itself.
#[derive(Clone, Debug)]
pub enum HistoryItem {
    /// An event.
    Event(StoredEvent),
    /// Notice: a connection was forgotten, because the memory was full.
    Forgotten(u64),
    /// Notice: recording was paused, or continues.
    Paused(bool),
    /// Notice: everything was removed.
    Cleared,
}

/// The position of a reader.
#[derive(Clone, Copy, Debug)]
pub struct HistoryReader {
    /// The number of the last event it has.
    event: u64,
    /// The number of the last notice that concerns what it has.
    notice: u64,
}

impl HistoryReader {
    /// A reader that has everything up to this number.
    pub fn after(number: u64) -> HistoryReader {
        HistoryReader { event: number, notice: number }
    }
}

/// The result of waiting for items.
#[derive(Debug)]
pub enum HistoryRead {
    /// These items, in the order of their numbers.
    Items(Vec<(u64, HistoryItem)>),
    /// Nothing happened in time.
    TimedOut,
    /// Some notices are gone already: the reader must start again.
    Missed,
    /// The server has ended, and everything was read.
    Ended,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryStatus {
    /// The number of the first event, 0 if there is none.
    pub first: u64,
    /// The last number given to anything, 0 at the beginning.
    pub last: u64,
    /// The number of connections.
    pub connections: usize,
    /// Whether recording is paused.
    pub paused: bool,
}

type StateGuard<'a> = MutexGuard<'a, HistoryState>;

/// The history, shared by the wire thread and its readers.
#[derive(Debug)]
pub struct History {
    bound: usize,
    state: Mutex<HistoryState>,
    changed: Condvar,
}

impl History {
    /// A history that holds at most `bound` bytes.
    pub fn new(bound: usize) -> History {
        // A small history has room for some of them, too.
        let most_notices = (bound / PORTION_SHARE / NOTICE).clamp(512, NOTICES);
        let state = HistoryState { most_notices, ..HistoryState::default() };
        History { bound, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The most bytes it holds.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// The state is valid between any two statements, so a reader that panicked did not damage it.
    fn lock(&self) -> StateGuard<'_> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the readers that wait.
    fn change<T>(&self, change: impl FnOnce(&mut HistoryState) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Waits for a change until `deadline`; `None` if that has passed.
    fn wait_until<'a>(&self, state: StateGuard<'a>, deadline: Instant) -> Option<StateGuard<'a>> {
        let left = deadline.saturating_duration_since(Instant::now());
        // A wake-up without a change is possible. The caller looks at the state again.
        (!left.is_zero()).then(|| self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// Adds events.
    pub fn push(&self, events: &[WireEvent]) {
        // A clone has no spare capacity, so what is counted is what is held.
        let events: Vec<_> = events.iter().map(|event| (Arc::new(event.clone()), event.held_bytes())).collect();
        // The rest is for the notices.
        let (mut dropped, most) = (Vec::new(), self.bound - self.bound / PORTION_SHARE);
        self.change(|state| {
            // The lock is taken once for all events, and the copies were made before it.
            events.into_iter().for_each(|(event, size)| state.add(event, size, &mut dropped));
            while state.held > most && state.forget_oldest(&mut dropped) {}
        });
        // Freed after the lock was released, so that no reader waits for the allocator.
        drop(dropped);
    }

    /// A reader that has nothing: it gets everything that is kept, and no notice of what was removed before.
    pub fn reader(&self) -> HistoryReader {
        HistoryReader { event: 0, notice: self.lock().last }
    }

    /// Returns what the reader does not have yet; if that is nothing, waits for it, at most for `timeout`.
    pub fn wait(&self, reader: &mut HistoryReader, timeout: Duration) -> HistoryRead {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            // A notice may say that a connection was forgotten. Without it the reader would show that connection for
            // ever.
            if reader.notice < state.gone {
                return HistoryRead::Missed;
            }
            let items = state.items_after(reader, self.bound / PORTION_SHARE);
            if let Some((last, _)) = items.last() {
                // The position moves on before the items are sent: a reader that fails to send them asks again by
                // number.
                *reader = HistoryReader { event: *last, notice: reader.notice.max(*last) };
                return HistoryRead::Items(items);
            }
            // After the items: the last events are read before the end is reported.
            if state.ended {
                return HistoryRead::Ended;
            }
            let Some(changed) = self.wait_until(state, deadline) else { return HistoryRead::TimedOut };
            state = changed;
        }
    }

    /// Whether a reader that has everything up to `since` can continue there.
    pub fn reaches(&self, since: u64) -> bool {
        let state = self.lock();
        // A number above `last` is one of another run of the server.
        since >= state.gone && since <= state.last
    }

    /// How much is kept.
    pub fn status(&self) -> HistoryStatus {
        let state = self.lock();
        let first = state.events.first_key_value().map_or(0, |(&number, _)| number);
        HistoryStatus { first, last: state.last, connections: state.connections.len(), paused: state.paused }
    }

    /// The events of a connection with their numbers, in order; none if it is unknown.
    pub fn connection(&self, connection: u64) -> Vec<(u64, StoredEvent)> {
        let state = self.lock();
        let numbers = state.connections.get(&connection).map(|stored| stored.numbers.as_slice()).unwrap_or_default();
        numbers.iter().filter_map(|number| Some((*number, state.events.get(number)?.clone()))).collect()
    }

    /// The connections of which something is kept.
    pub fn connections(&self) -> Vec<u64> {
        // Number 0 is used by events that concern no connection.
        self.lock().connections.keys().copied().filter(|&connection| connection > 0).collect()
    }

    /// The number of the latest connection from this address. Waits for it, but not while recording is paused.
    pub fn connection_of(&self, peer: SocketAddr, timeout: Duration) -> Option<u64> {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        loop {
            let found = state.connection_of(peer);
            if found.is_some() || state.paused || state.ended {
                return found;
            }
            state = self.wait_until(state, deadline)?;
        }
    }

    /// Pauses recording, or continues.
    pub fn pause(&self, paused: bool) {
        self.change(|state| {
            // Two viewers may pause one after the other; that is one notice.
            if state.paused != paused {
                state.paused = paused;
                state.notify(HistoryItem::Paused(paused));
            }
        });
    }

    /// Removes everything.
    pub fn clear(&self) {
        let removed = self.change(|state| {
            // Open connections stay known, and may continue.
            state.held = state.open.len() * CONNECTION;
            state.notify(HistoryItem::Cleared);
            (std::mem::take(&mut state.events), std::mem::take(&mut state.connections))
        });
        // Freed after the lock was released, as above.
        drop(removed);
    }

    /// The server has ended: no reader needs to wait any more.
    pub fn end(&self) {
        self.change(|state| state.ended = true);
    }
}

#[cfg(test)]
mod tests;
