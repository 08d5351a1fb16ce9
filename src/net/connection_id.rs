//! A seat: the place of one client, never of its successor.
//!
//! Never: who sits there ([`crate::net::connections`]).
//!
//! The subtle thing: a seat carries a generation. An event, a deadline or an answer that was meant for
//! the client who sat there before finds another generation and is dropped, so a late answer can
//! never reach a stranger.

use mio::Token;

/// A place in the roster, good for one client only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

impl ConnectionId {
    /// The seat with this number, in this generation.
    pub fn new(index: u32, generation: u32) -> ConnectionId {
        ConnectionId(u64::from(generation) << 32 | u64::from(index))
    }

    /// Its number.
    pub fn index(self) -> u32 {
        self.0 as u32
    }

    /// Which client on this number.
    pub fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// As the poller's token: generations start at 1, so small numbers are free for others.
    pub fn token(self) -> Token {
        Token(self.0 as usize)
    }

    /// The seat of a token made by [`Seat::token`]; `None` for one of the small numbers.
    pub fn of(token: Token) -> Option<ConnectionId> {
        let id = ConnectionId(token.0 as u64);
        (id.generation() > 0).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_goes_through_the_poller_and_back() {
        let id = ConnectionId::new(7, 3);
        assert_eq!((ConnectionId::of(id.token()), id.index()), (Some(id), 7));
        assert_eq!(ConnectionId::of(Token(3)), None, "small numbers are for others");
    }
}
