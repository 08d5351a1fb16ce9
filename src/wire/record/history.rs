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
//! The limit is on the bytes that are really held. The connection whose first event is the oldest is forgotten first,
//! also while it is open. If it then continues, its `accepted` is repeated, so that no reader gets a message of a
//! connection without that.

mod portion;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::wire::record::event::{EventKind, WireEvent};
use crate::wire::record::history::portion::PORTION_SHARE;

/// Most notices that are kept for readers that were away. A reader that missed some starts again.
const NOTICES: usize = 4096;
/// Bytes that a notice needs.
const NOTICE: usize = 96;
/// Bytes a connection needs in the tables.
const CONNECTION: usize = 160;

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

/// The events of one connection: their numbers, and the bytes they need.
#[derive(Debug)]
struct StoredConnection {
    /// Rising. The lowest first number of all connections says which is forgotten next.
    numbers: Vec<u64>,
    size: usize,
}

#[derive(Debug, Default)]
struct HistoryState {
    /// The number given last.
    last: u64,
    /// By their numbers. Those of notices and of forgotten events are missing.
    events: BTreeMap<u64, StoredEvent>,
    /// By the number of the connection; 0 for events that concern none.
    connections: BTreeMap<u64, StoredConnection>,
    /// The `accepted` event of each connection that has not ended.
    open: BTreeMap<u64, Arc<WireEvent>>,
    /// By their numbers.
    notices: BTreeMap<u64, HistoryItem>,
    most_notices: usize,
    /// The number of the last notice that was removed.
    gone: u64,
    /// Bytes that are held.
    held: usize,
    paused: bool,
    ended: bool,
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
            events.into_iter().for_each(|(event, size)| state.add(event, size));
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

impl HistoryState {
    /// The number of the next event or notice: both are counted together.
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds an event that needs `size` bytes, unless it is not to be kept.
    fn add(&mut self, event: Arc<WireEvent>, size: usize) {
        let number = event.connection;
        // Open connections are followed also while recording is paused: they may continue after it.
        let accepted = match event.kind {
            EventKind::Accepted { .. } => {
                // A number comes twice only if records were lost. Its memory is counted once.
                if self.open.insert(number, Arc::clone(&event)).is_none() {
                    self.held += CONNECTION;
                }
                None
            }
            EventKind::Closed { .. } => {
                let accepted = self.open.remove(&number);
                self.held -= if accepted.is_some() { CONNECTION } else { 0 };
                accepted
            }
            EventKind::Lost { .. } => {
                // Connections that were open then are not followed further.
                self.held = self.held.saturating_sub(self.open.len() * CONNECTION);
                self.open.clear();
                None
            }
            _ => self.open.get(&number).map(Arc::clone),
        };
        // Nothing is stored, but the open connections above stay up to date.
        if self.paused {
            return;
        }
        let is_new = number > 0 && !self.connections.contains_key(&number);
        match (&event.kind, accepted) {
            (EventKind::Accepted { .. } | EventKind::Lost { .. }, _) => {}
            // The end of a connection that was forgotten, or an event of one that was never known.
            (EventKind::Closed { .. }, _) | (_, None) if is_new => return,
            (_, Some(accepted)) if is_new => {
                let size = accepted.held_bytes();
                self.store(StoredEvent { event: accepted, repeated: true }, size);
            }
            _ => {}
        }
        self.store(StoredEvent { event, repeated: false }, size);
    }

    /// Keeps an event.
    fn store(&mut self, stored: StoredEvent, size: usize) {
        let number = self.next_number();
        let connection = self.connections.entry(stored.event.connection).or_insert_with(|| {
            self.held += CONNECTION;
            StoredConnection { numbers: Vec::new(), size: CONNECTION }
        });
        connection.numbers.push(number);
        // Counted for the connection too, so that all of it can be subtracted at once.
        connection.size += size;
        self.held += size;
        self.events.insert(number, stored);
    }

    /// Forgets the connection of the first event, and moves its events to `dropped`. Returns whether there was one.
    fn forget_oldest(&mut self, dropped: &mut Vec<StoredEvent>) -> bool {
        let Some((_, first)) = self.events.first_key_value() else { return false };
        let number = first.event.connection;
        if let Some(connection) = self.connections.remove(&number) {
            // The whole connection goes: half of its events would look like a connection that began later.
            dropped.extend(connection.numbers.iter().filter_map(|number| self.events.remove(number)));
            self.held = self.held.saturating_sub(connection.size);
        }
        if number > 0 {
            self.notify(HistoryItem::Forgotten(number));
        }
        true
    }

    /// Keeps a notice, and removes the oldest if there are too many.
    fn notify(&mut self, notice: HistoryItem) {
        let number = self.next_number();
        self.notices.insert(number, notice);
        // Readers that need the removed notice must start again.
        if self.notices.len() > self.most_notices
            && let Some((gone, _)) = self.notices.pop_first()
        {
            self.gone = gone;
        }
    }

    /// The latest connection from this address.
    fn connection_of(&self, peer: SocketAddr) -> Option<u64> {
        let is_peer =
            |event: &WireEvent| matches!(event.kind, EventKind::Accepted { peer: other, .. } if other == peer);
        // The latest first: a port may be used again by a later connection.
        let open = self.open.iter().rev().find(|(_, event)| is_peer(event)).map(|(&number, _)| number);
        // A short connection may have ended already.
        open.or_else(|| {
            let first = |stored: &StoredConnection| self.events.get(stored.numbers.first()?);
            let mut stored = self.connections.iter().rev();
            let found = stored.find(|(_, stored)| first(stored).is_some_and(|first| is_peer(&first.event)));
            found.map(|(&number, _)| number)
        })
    }
}

#[cfg(test)]
mod tests;
