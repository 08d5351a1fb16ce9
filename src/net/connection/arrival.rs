//! Arrival numbers: requests with the same number may share one `stat()` of a file.
//!
//! A file must be looked at after the request for it began to arrive, or a client that has just changed it would get
//! the old content. When the poller reports many connections at once, the first bytes of all of them were there before
//! the first was served. So the first request received after such an event gets the number of the loop's turn, which
//! all of them share. Any other request may have been sent a moment ago: it gets a number of its own.

/// Gives out the numbers of one loop.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    turn: u64,
    last: u64,
}

impl Arrivals {
    /// The poller has returned: a new turn of the loop begins.
    pub fn begin_turn(&mut self) {
        self.advance();
        self.turn = self.last;
    }

    /// Bytes were received, or a job is finished: an earlier look at a file may be out of date.
    pub fn advance(&mut self) {
        self.last += 1;
    }

    /// The number of a request.
    pub fn number(&self, first_byte: FirstByte) -> u64 {
        if first_byte == FirstByte::BeforeTurn { self.turn } else { self.last }
    }
}

/// When the first byte of the next `recv` arrived, as far as a connection knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstByte {
    /// Perhaps a moment ago.
    Unknown,
    /// Before the turn of the loop began. This holds for one turn of the connection.
    BeforeTurn,
    /// The connection had a turn between the poll and its event, and may have received the bytes of the event already:
    /// bytes that are there at the event may be newer.
    Overtaken,
}

impl FirstByte {
    /// After an event that reports bytes; `new`: everything before had been received and parsed.
    pub fn after_event(self, new: bool) -> FirstByte {
        if new && self != FirstByte::Overtaken { FirstByte::BeforeTurn } else { FirstByte::Unknown }
    }

    /// Forgets the moment after its `recv`, or at the end of a turn.
    pub fn take(&mut self) -> FirstByte {
        let first_byte = *self;
        if first_byte == FirstByte::BeforeTurn {
            *self = FirstByte::Unknown;
        }
        first_byte
    }
}
