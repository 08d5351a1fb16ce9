//! The tables of the history: events by number, the numbers of each connection, notices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::wire::explain::Role;
use crate::wire::record::event::{EventKind, WireEvent};
use crate::wire::record::history::{HistoryItem, StoredEvent};

/// Bytes a connection needs in the tables.
pub(super) const CONNECTION: usize = 160;

/// The events of one connection: their numbers, and the bytes they need.
#[derive(Debug)]
pub(super) struct StoredConnection {
    /// Rising. The lowest first number of all connections says which is forgotten next.
    pub(super) numbers: Vec<u64>,
    size: usize,
    /// The event of each message under way: the side, the first byte of the message, and the number.
    under_way: Vec<(Role, u64, u64)>,
}

/// What the lock of the history protects.
#[derive(Debug, Default)]
pub(super) struct HistoryState {
    /// The number given last.
    pub(super) last: u64,
    /// By their numbers. Those of notices and of forgotten events are missing.
    pub(super) events: BTreeMap<u64, StoredEvent>,
    /// By the number of the connection; 0 for events that concern none.
    pub(super) connections: BTreeMap<u64, StoredConnection>,
    /// The `accepted` event of each connection that has not ended.
    pub(super) open: BTreeMap<u64, Arc<WireEvent>>,
    /// By their numbers.
    pub(super) notices: BTreeMap<u64, HistoryItem>,
    pub(super) most_notices: usize,
    /// The number of the last notice that was removed.
    pub(super) gone: u64,
    /// Bytes that are held.
    pub(super) held: usize,
    pub(super) paused: bool,
    pub(super) ended: bool,
}

impl HistoryState {
    /// The number of the next event or notice: both are counted together.
    fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds an event that needs `size` bytes, unless it is not to be kept.
    pub(super) fn add(&mut self, event: Arc<WireEvent>, size: usize, dropped: &mut Vec<StoredEvent>) {
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
        // Nothing else is stored, but the open connections above stay up to date.
        if self.paused && !self.ends_what_is_kept(&event) {
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
        dropped.extend(self.replaced_by(&event));
        self.store(StoredEvent { event, repeated: false }, size);
    }

    /// Whether it is the end of a connection that is kept, or a complete message of an exchange of which a message is
    /// kept. Without these a message would be under way for ever, and a request without its response.
    fn ends_what_is_kept(&self, event: &WireEvent) -> bool {
        let Some(connection) = self.connections.get(&event.connection) else { return false };
        let exchange_of = |kind: &EventKind| match kind {
            EventKind::Message(timed) | EventKind::UnderWay(timed) => Some(timed.message.exchange),
            _ => None,
        };
        match &event.kind {
            EventKind::Closed { .. } => true,
            EventKind::Message(timed) => {
                let kept = connection.numbers.iter().rev().filter_map(|number| self.events.get(number));
                let last = kept.filter_map(|stored| exchange_of(&stored.event.kind)).next();
                last.is_some_and(|last| timed.message.exchange <= last)
            }
            _ => false,
        }
    }

    /// Removes what was known of a message under way, if this event has more of it or all.
    fn replaced_by(&mut self, event: &WireEvent) -> Option<StoredEvent> {
        let (EventKind::Message(timed) | EventKind::UnderWay(timed)) = &event.kind else { return None };
        let connection = self.connections.get_mut(&event.connection)?;
        let (role, start) = (timed.message.role, timed.message.start);
        // Few messages of a connection are under way: one of each side, and requests that wait for their turn.
        let at = connection.under_way.iter().position(|known| (known.0, known.1) == (role, start))?;
        let (.., number) = connection.under_way.swap_remove(at);
        // It is one of the last.
        let at = connection.numbers.iter().rposition(|known| *known == number)?;
        connection.numbers.remove(at);
        let removed = self.events.remove(&number)?;
        connection.size -= removed.event.held_bytes();
        self.held -= removed.event.held_bytes();
        Some(removed)
    }

    /// Keeps an event.
    fn store(&mut self, stored: StoredEvent, size: usize) {
        let number = self.next_number();
        let connection = self.connections.entry(stored.event.connection).or_insert_with(|| {
            self.held += CONNECTION;
            StoredConnection { numbers: Vec::new(), size: CONNECTION, under_way: Vec::new() }
        });
        connection.numbers.push(number);
        if let EventKind::UnderWay(timed) = &stored.event.kind {
            connection.under_way.push((timed.message.role, timed.message.start, number));
        }
        // Counted for the connection too, so that all of it can be subtracted at once.
        connection.size += size;
        self.held += size;
        self.events.insert(number, stored);
    }

    /// Forgets the connection of the first event, and moves its events to `dropped`. Returns whether there was one.
    pub(super) fn forget_oldest(&mut self, dropped: &mut Vec<StoredEvent>) -> bool {
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
    pub(super) fn notify(&mut self, notice: HistoryItem) {
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
    pub(super) fn connection_of(&self, peer: SocketAddr) -> Option<u64> {
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
