//! Seats: who is connected to this loop.
//!
//! Never: what a client does in its seat.
//!
//! The subtle thing: a seat carries a generation. An event, a deadline or an answer that was meant for
//! the client who sat there before finds another generation and is dropped, so a late answer can
//! never reach a stranger.

use mio::Token;

use super::client::Client;

/// A place in the roster, good for one client only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seat(u64);

impl Seat {
    /// The seat with this number, in this generation.
    pub fn new(index: u32, generation: u32) -> Seat {
        Seat(u64::from(generation) << 32 | u64::from(index))
    }

    /// Its number.
    pub fn index(self) -> u32 {
        self.0 as u32
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// As the poller's token: generations start at 1, so small numbers are free for others.
    pub fn token(self) -> Token {
        Token(self.0 as usize)
    }

    /// The seat of a token made by [`Seat::token`]; `None` for one of the small numbers.
    pub fn of(token: Token) -> Option<Seat> {
        let seat = Seat(token.0 as u64);
        (seat.generation() > 0).then_some(seat)
    }
}

#[derive(Debug)]
struct Place {
    generation: u32,
    client: Option<Box<Client>>,
    taken: bool,
}

/// All seats of a loop.
#[derive(Debug, Default)]
pub struct Roster {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Where the next search for an idle client begins.
    cursor: usize,
}

impl Roster {
    /// A fresh seat.
    pub fn allot(&mut self) -> Seat {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 0, client: None, taken: false });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        // 2^31 clients on one seat before a number returns: no answer is that late.
        place.generation = place.generation % 0x7fff_ffff + 1;
        place.taken = true;
        Seat::new(index, place.generation)
    }

    fn place(&mut self, seat: Seat) -> Option<&mut Place> {
        self.places.get_mut(seat.index() as usize).filter(|p| p.taken && p.generation == seat.generation())
    }

    /// Takes the client out for a turn; its seat stays reserved.
    pub fn take(&mut self, seat: Seat) -> Option<Box<Client>> {
        self.place(seat)?.client.take()
    }

    /// Puts the client back.
    pub fn put(&mut self, seat: Seat, client: Box<Client>) {
        if let Some(place) = self.place(seat) {
            place.client = Some(client);
        }
    }

    /// The client of a seat.
    pub fn get(&mut self, seat: Seat) -> Option<&mut Client> {
        self.place(seat)?.client.as_deref_mut()
    }

    /// Frees a seat.
    pub fn release(&mut self, seat: Seat) {
        if let Some(place) = self.place(seat) {
            place.client = None;
            place.taken = false;
            self.free.push(seat.index());
        }
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// Every taken seat.
    pub fn seats(&self) -> Vec<Seat> {
        let places = self.places.iter().enumerate();
        places.filter(|(_, p)| p.taken).map(|(n, p)| Seat::new(n as u32, p.generation)).collect()
    }

    /// The client that has been idle longest among the next `look` seats. Looking at all of them for
    /// every connection over the limit would make a flood dearer to refuse than to serve.
    pub fn idlest(&mut self, look: usize) -> Option<Seat> {
        let mut best = None;
        for _ in 0..look.min(self.places.len()) {
            self.cursor = (self.cursor + 1) % self.places.len();
            let place = &self.places[self.cursor];
            let Some(since) = place.client.as_ref().and_then(|c| c.idle_since()) else { continue };
            if best.is_none_or(|(earliest, _)| since < earliest) {
                best = Some((since, Seat::new(self.cursor as u32, place.generation)));
            }
        }
        best.map(|(_, seat)| seat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_given_to_the_next_client_is_another_seat() {
        let mut roster = Roster::default();
        let first = roster.allot();
        roster.release(first);
        let second = roster.allot();
        assert_eq!(first.index(), second.index());
        assert_ne!(first, second);
        assert!(roster.place(first).is_none() && roster.place(second).is_some());
        roster.release(first);
        assert!(!roster.is_empty());
        assert_eq!(Seat::of(second.token()), Some(second));
        assert_eq!(Seat::of(Token(3)), None);
    }
}
