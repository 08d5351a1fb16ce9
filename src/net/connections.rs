//! Seats: who is connected to this loop.
//!
//! Never: what a client does in its seat.
//!
//! The subtle thing: whoever asks with the seat of a client that has left ([`Seat`] carries a
//! generation) finds nobody, however many have sat there since.

use std::time::Instant;

use crate::net::connection_id::ConnectionId;

#[derive(Debug)]
struct Place<T> {
    generation: u32,
    client: Option<Box<T>>,
    taken: bool,
}

/// All seats of a loop.
#[derive(Debug)]
pub struct Connections<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    /// Where the next search for an idle client begins.
    cursor: usize,
}

impl<T> Default for Connections<T> {
    fn default() -> Connections<T> {
        Connections { places: Vec::new(), free: Vec::new(), cursor: 0 }
    }
}

impl<T> Connections<T> {
    /// A fresh seat.
    pub fn allot(&mut self) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, client: None, taken: false });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        // 2^31 clients on one seat before a number returns: no answer is that late.
        place.generation = place.generation % 0x7fff_ffff + 1;
        place.taken = true;
        ConnectionId::new(index, place.generation)
    }

    fn place(&mut self, id: ConnectionId) -> Option<&mut Place<T>> {
        self.places.get_mut(id.index() as usize).filter(|p| p.taken && p.generation == id.generation())
    }

    /// Takes the client out for a turn; its seat stays reserved.
    pub fn take(&mut self, id: ConnectionId) -> Option<Box<T>> {
        self.place(id)?.client.take()
    }

    /// Puts the client back.
    pub fn put(&mut self, id: ConnectionId, client: Box<T>) {
        if let Some(place) = self.place(id) {
            place.client = Some(client);
        }
    }

    /// The client of a seat.
    pub fn get(&mut self, id: ConnectionId) -> Option<&mut T> {
        self.place(id)?.client.as_deref_mut()
    }

    /// Frees a seat.
    pub fn release(&mut self, id: ConnectionId) {
        if let Some(place) = self.place(id) {
            place.client = None;
            place.taken = false;
            self.free.push(id.index());
        }
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// Every taken seat.
    pub fn ids(&self) -> Vec<ConnectionId> {
        let places = self.places.iter().enumerate();
        places.filter(|(_, p)| p.taken).map(|(n, p)| ConnectionId::new(n as u32, p.generation)).collect()
    }

    /// The client that has been idle longest among the next `look` seats. Looking at all of them for
    /// every connection over the limit would make a flood dearer to refuse than to serve.
    pub fn idlest(&mut self, look: usize, idle_since: impl Fn(&T) -> Option<Instant>) -> Option<ConnectionId> {
        let mut best = None;
        for _ in 0..look.min(self.places.len()) {
            self.cursor = (self.cursor + 1) % self.places.len();
            let place = &self.places[self.cursor];
            let Some(since) = place.client.as_deref().and_then(&idle_since) else { continue };
            if best.is_none_or(|(earliest, _)| since < earliest) {
                best = Some((since, ConnectionId::new(self.cursor as u32, place.generation)));
            }
        }
        best.map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_given_to_the_next_client_is_another_seat() {
        let mut connections = Connections::<()>::default();
        let first = connections.allot();
        connections.release(first);
        let second = connections.allot();
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert!(connections.place(first).is_none() && connections.place(second).is_some());
        connections.release(first);
        assert!(!connections.is_empty());
    }
}
