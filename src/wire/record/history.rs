//! The history: what the wire view can still show, in bounded memory.
//!
//! The wire thread puts events in, readers take them out by number and wait for more. Every event has
//! a number (1, 2, 3 …); so has every notice (a connection was forgotten, the recording was paused, all
//! was cleared), so that a reader that was away learns of both in the order in which they happened.
//!
//! Never: a wait of the wire thread for a reader; a byte that was not masked (nothing else is told); a
//! file.
//!
//! The subtle thing: the bound is on what is really held, and the connection whose story begins first
//! goes out first, also while it is open. When it then goes on, its story begins anew with `accepted`,
//! told again, so that nobody reads a message of a connection he was never told of.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::wire::explain::message::{MessageLine, MessageSpan};
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};

/// Notices that are kept for readers that were away; one that missed some begins afresh.
const NOTICES: usize = 4096;
/// Events handed to a reader at once.
const PORTION: usize = 256;
/// What an event costs besides its own bytes: its place in three tables, the counts of the pointer, and
/// what the allocator adds to each of its parts.
const EVENT: usize = 160;
const MESSAGE: usize = 256;
/// What a connection costs in the tables.
const CONNECTION: usize = 160;

/// Something that happened to the history itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryNotice {
    /// A connection went out to make room.
    Forgotten(u64),
    /// Recording was paused, or goes on.
    Paused(bool),
    /// Everything was thrown away.
    Cleared,
}

/// An event that is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    /// The event.
    pub event: Arc<WireEvent>,
    /// It is told again, since what was told of its connection before is forgotten.
    pub repeated: bool,
}

/// What a reader gets.
#[derive(Clone, Debug)]
pub enum HistoryItem {
    /// An event.
    Event(StoredEvent),
    /// A notice.
    Notice(HistoryNotice),
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug)]
pub struct HistoryReader {
    /// The number of the last event it has.
    event: u64,
    /// The number of the last notice that says something about what it has.
    notice: u64,
}

impl HistoryReader {
    /// One that has everything up to this number.
    pub fn after(number: u64) -> HistoryReader {
        HistoryReader { event: number, notice: number }
    }
}

/// What waiting came to.
#[derive(Debug)]
pub enum HistoryRead {
    /// These, in the order of their numbers.
    Items(Vec<(u64, HistoryItem)>),
    /// Nothing happened within the patience.
    TimedOut,
    /// So much happened that some of it is gone: begin afresh.
    Missed,
    /// The server has ended, and everything was read.
    Ended,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryStatus {
    /// The number of the first event, 0 if there is none.
    pub first: u64,
    /// The last number that was given to anything, 0 at the beginning.
    pub last: u64,
    /// Connections.
    pub connections: usize,
    /// Whether recording is paused.
    pub paused: bool,
}

/// The events of one connection.
#[derive(Debug, Default)]
struct StoredConnection {
    numbers: Vec<u64>,
    weight: usize,
}

#[derive(Debug, Default)]
struct HistoryState {
    /// The number given last.
    last: u64,
    events: BTreeMap<u64, StoredEvent>,
    stories: BTreeMap<u64, StoredConnection>,
    /// How each connection that has not ended began.
    open: BTreeMap<u64, Arc<WireEvent>>,
    notices: VecDeque<(u64, HistoryNotice)>,
    /// The number of the last notice that is gone.
    gone: u64,
    held: usize,
    paused: bool,
    over: bool,
}

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
        History { bound, state: Mutex::default(), changed: Condvar::new() }
    }

    /// The most bytes it holds.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// The state is whole between two calls whatever a reader did.
    fn lock(&self) -> MutexGuard<'_, HistoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps events.
    pub fn push(&self, events: &[WireEvent]) {
        // A copy has no room to spare, so that what is counted is what is held.
        let events: Vec<(Arc<WireEvent>, usize)> =
            events.iter().map(|told| (Arc::new(told.clone()), weight(told))).collect();
        let mut state = self.lock();
        for (told, weight) in events {
            state.take(told, weight);
        }
        let mut dropped = Vec::new();
        while state.held > self.bound && state.forget_oldest(&mut dropped) {}
        drop(state);
        self.changed.notify_all();
        // What went out is freed while nobody waits for it.
        drop(dropped);
    }

    /// A reader that has nothing: it gets everything that is kept, and no notice of what is gone.
    pub fn reader(&self) -> HistoryReader {
        HistoryReader { event: 0, notice: self.lock().last }
    }

    /// What the reader does not have yet; waits for it if there is nothing.
    pub fn wait(&self, reader: &mut HistoryReader, patience: Duration) -> HistoryRead {
        let until = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if reader.notice < state.gone {
                return HistoryRead::Missed;
            }
            let items = state.behind(reader);
            if let Some((last, _)) = items.last() {
                *reader = HistoryReader { event: *last, notice: reader.notice.max(*last) };
                return HistoryRead::Items(items);
            }
            if state.over {
                return HistoryRead::Ended;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return HistoryRead::TimedOut;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether a reader that has everything up to `since` can go on there.
    pub fn reaches(&self, since: u64) -> bool {
        let state = self.lock();
        since >= state.gone && since <= state.last
    }

    /// How much is kept.
    pub fn extent(&self) -> HistoryStatus {
        let state = self.lock();
        let first = state.events.first_key_value().map_or(0, |(&number, _)| number);
        HistoryStatus { first, last: state.last, connections: state.stories.len(), paused: state.paused }
    }

    /// The bytes that are held.
    pub fn held(&self) -> usize {
        self.lock().held
    }

    /// Everything of a connection, in order; nothing of one that is unknown.
    pub fn connection(&self, connection: u64) -> Vec<(u64, StoredEvent)> {
        let state = self.lock();
        let numbers = state.stories.get(&connection).map(|story| story.numbers.as_slice()).unwrap_or_default();
        numbers.iter().filter_map(|number| Some((*number, state.events.get(number)?.clone()))).collect()
    }

    /// The connections of which something is kept.
    pub fn connections(&self) -> Vec<u64> {
        self.lock().stories.keys().copied().filter(|&connection| connection > 0).collect()
    }

    /// The open connection of this client; waits for it, but not when recording is paused.
    pub fn connection_of(&self, peer: SocketAddr, patience: Duration) -> Option<u64> {
        let until = Instant::now() + patience;
        let is_his = |told: &WireEvent| matches!(told.kind, EventKind::Accepted { peer: other, .. } if other == peer);
        let mut state = self.lock();
        loop {
            if let Some((&connection, _)) = state.open.iter().rev().find(|(_, told)| is_his(told)) {
                return Some(connection);
            }
            // A short one may have ended already.
            let mut stories = state.stories.iter().rev().filter_map(|(c, story)| Some((c, story.numbers.first()?)));
            if let Some((&connection, _)) =
                stories.find(|(_, number)| state.events.get(number).is_some_and(|kept| is_his(&kept.event)))
            {
                return Some(connection);
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.paused || state.over || left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Pauses, or goes on.
    pub fn pause(&self, paused: bool) {
        let mut state = self.lock();
        if state.paused != paused {
            state.paused = paused;
            state.notice(HistoryNotice::Paused(paused));
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Throws everything away.
    pub fn clear(&self) {
        let mut state = self.lock();
        let events = std::mem::take(&mut state.events);
        let stories = std::mem::take(&mut state.stories);
        state.held = state.open.len() * CONNECTION;
        state.notice(HistoryNotice::Cleared);
        drop(state);
        self.changed.notify_all();
        drop((events, stories));
    }

    /// The server has ended: nobody needs to wait any more.
    pub fn end(&self) {
        self.lock().over = true;
        self.changed.notify_all();
    }
}

impl HistoryState {
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn take(&mut self, told: Arc<WireEvent>, weight: usize) {
        let connection = told.connection;
        match told.kind {
            EventKind::Accepted { .. } if self.open.insert(connection, Arc::clone(&told)).is_some() => {}
            EventKind::Accepted { .. } => self.held += CONNECTION,
            // Whatever was open then is told no further.
            EventKind::Lost { .. } => {
                self.held = self.held.saturating_sub(self.open.len() * CONNECTION);
                self.open.clear();
            }
            _ => {}
        }
        let began = match told.kind {
            EventKind::Closed { .. } => {
                let began = self.open.remove(&connection);
                self.held -= if began.is_some() { CONNECTION } else { 0 };
                began
            }
            _ => self.open.get(&connection).map(Arc::clone),
        };
        if self.paused {
            return;
        }
        let is_new = connection > 0 && !self.stories.contains_key(&connection);
        match (&told.kind, began) {
            (EventKind::Accepted { .. } | EventKind::Lost { .. }, _) => {}
            // The end of a story that nobody remembers, or of none.
            (EventKind::Closed { .. }, _) | (_, None) if is_new => return,
            (_, Some(began)) if is_new => {
                let weight = self::weight(&began);
                self.keep(StoredEvent { event: began, repeated: true }, weight);
            }
            _ => {}
        }
        self.keep(StoredEvent { event: told, repeated: false }, weight);
    }

    fn keep(&mut self, kept: StoredEvent, weight: usize) {
        let number = self.number();
        let story = self.stories.entry(kept.event.connection).or_insert_with(|| {
            self.held += CONNECTION;
            StoredConnection { numbers: Vec::new(), weight: CONNECTION }
        });
        story.numbers.push(number);
        story.weight += weight;
        self.held += weight;
        self.events.insert(number, kept);
    }

    /// Lets the connection go whose story begins first; whether there was one.
    fn forget_oldest(&mut self, dropped: &mut Vec<StoredEvent>) -> bool {
        let Some((_, first)) = self.events.first_key_value() else { return false };
        let connection = first.event.connection;
        if let Some(story) = self.stories.remove(&connection) {
            dropped.extend(story.numbers.iter().filter_map(|number| self.events.remove(number)));
            self.held = self.held.saturating_sub(story.weight);
        }
        if connection > 0 {
            self.notice(HistoryNotice::Forgotten(connection));
        }
        true
    }

    fn notice(&mut self, notice: HistoryNotice) {
        let number = self.number();
        self.notices.push_back((number, notice));
        if self.notices.len() > NOTICES
            && let Some((gone, _)) = self.notices.pop_front()
        {
            self.gone = gone;
        }
    }

    /// The next portion for a reader.
    fn behind(&self, reader: &HistoryReader) -> Vec<(u64, HistoryItem)> {
        let events = self.events.range(reader.event + 1..).take(PORTION);
        let mut items: Vec<(u64, HistoryItem)> =
            events.map(|(&n, kept)| (n, HistoryItem::Event(kept.clone()))).collect();
        // Notices up to the last event of the portion; all of them if it is the last portion.
        let to = if items.len() < PORTION { u64::MAX } else { items.last().map_or(u64::MAX, |(number, _)| *number) };
        let from = self.notices.partition_point(|(number, _)| *number <= reader.notice);
        let notices = self.notices.range(from..).take_while(|(number, _)| *number <= to);
        items.extend(notices.map(|&(number, notice)| (number, HistoryItem::Notice(notice))));
        items.sort_by_key(|(number, _)| *number);
        items
    }
}

/// The bytes that a kept event takes.
fn weight(told: &WireEvent) -> usize {
    let more = match &told.kind {
        EventKind::Accepted { clock, .. } => clock.len(),
        EventKind::Message(spoken) => MESSAGE + size_of::<TimedMessage>() + inside(spoken),
        EventKind::Received(_) | EventKind::Closed { .. } | EventKind::Lost { .. } => 0,
    };
    EVENT + size_of::<WireEvent>() + more
}

fn inside(spoken: &TimedMessage) -> usize {
    let message = &spoken.message;
    message.bytes.first.len()
        + message.bytes.last.len()
        + size_of_val::<[MessageSpan]>(&message.spans)
        + size_of_val::<[MessageLine]>(&message.lines)
        + size_of_val(&*spoken.boundaries)
        + size_of_val(&*spoken.calls)
        + spoken.clock.len()
}

#[cfg(test)]
mod tests;
