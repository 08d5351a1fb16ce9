//! The parts of a connection's state, and how events and system calls change them.
//!
//! The table of transitions is at the head of [`crate::net::connection`]; the functions here are that table, without
//! a socket, so that they can be tested as a whole.

use crate::net::close_reason::CloseReason;

/// The receiving side of the socket. Readiness is edge-triggered: what an event has reported must be remembered until
/// `recv` says that there is nothing more, because the event does not come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Nothing is there; an event will come.
    Drained,
    /// Bytes may be there.
    Readable,
    /// The client has shut down its sending side, or the socket has failed. Data and FIN that arrive together are one
    /// event, so `recv` is called until it returns the end, also after a short read.
    PeerClosed,
    /// `recv` has returned the end.
    Ended,
}

/// What a `recv` has returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// There is nothing now.
    Nothing,
    /// Bytes; `filled`: as many as there was room for.
    Bytes { filled: bool },
    /// The end.
    End,
}

impl Input {
    /// After an event.
    pub(crate) fn after_event(self, readable: bool, closed: bool) -> Input {
        match self {
            Input::Ended => Input::Ended,
            _ if closed => Input::PeerClosed,
            Input::Drained if readable => Input::Readable,
            input => input,
        }
    }

    /// After a `recv`.
    pub(crate) fn after_recv(self, received: Received) -> Input {
        match (self, received) {
            (_, Received::End) => Input::Ended,
            (_, Received::Nothing) => Input::Drained,
            (Input::PeerClosed, Received::Bytes { .. }) => Input::PeerClosed,
            // A short read empties the socket buffer, which saves a second recv that returns nothing.
            (_, Received::Bytes { filled: false }) => Input::Drained,
            (_, Received::Bytes { filled: true }) => Input::Readable,
        }
    }

    /// Whether a `recv` may find something.
    pub(crate) fn is_readable(self) -> bool {
        matches!(self, Input::Readable | Input::PeerClosed)
    }

    /// Whether the client is known to send nothing more.
    pub(crate) fn is_closed_by_peer(self) -> bool {
        matches!(self, Input::PeerClosed | Input::Ended)
    }
}

/// The sending side of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// There may be room.
    Open,
    /// It is full; an event will come.
    Full,
    /// Our side is shut down. The connection lingers: bytes that still come are read and dropped.
    Shut,
}

impl Output {
    /// After an event that reports room.
    pub(crate) fn after_writable(self) -> Output {
        if self == Output::Full { Output::Open } else { self }
    }
}

/// The job of this connection that a worker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// None.
    None,
    /// One that the response, or the next block of an upload, waits for.
    Away,
    /// One that reads the next bytes of a file into the page cache. Nothing is sent before.
    Warming,
}

impl Work {
    /// After a job was handed in: the queue of the workers may have been full.
    pub(crate) fn away_if(submitted: bool) -> Work {
        if submitted { Work::Away } else { Work::None }
    }
}

/// When the connection has its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextTurn {
    /// At an event, a result, or a deadline.
    OnEvent,
    /// Soon: it has more to do, but other connections come first. The loop does not know yet.
    Soon,
    /// Soon, and the loop has it in its list. A second entry would give the busiest connection more turns.
    Queued,
}

/// Where the parser's next bytes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextBytes {
    /// From the bytes that were received and are not parsed yet.
    Unread,
    /// From the socket: the parser needs more than there is.
    Socket,
}

/// How the connection will end, once everything has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Closed: the client sends nothing more.
    Close(CloseReason),
    /// Our side is shut down, the client's bytes are read until it closes, then ours is closed too.
    Linger(CloseReason),
    /// Closed at once, in the middle of a response.
    Cut(CloseReason),
    /// Reset, so that the client cannot take it for a proper end.
    Reset(CloseReason),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table at the head of [`crate::net::connection`], row by row.
    #[test]
    fn no_event_and_no_short_read_loses_what_the_socket_still_has() {
        use Input::{Drained, Ended, PeerClosed, Readable};
        let (short, full) = (Received::Bytes { filled: false }, Received::Bytes { filled: true });
        for (input, readable, closed, nothing, short_read, full_read) in [
            (Drained, Readable, PeerClosed, Drained, Drained, Readable),
            (Readable, Readable, PeerClosed, Drained, Drained, Readable),
            (PeerClosed, PeerClosed, PeerClosed, Drained, PeerClosed, PeerClosed),
        ] {
            assert_eq!(input.after_event(false, false), input);
            assert_eq!(input.after_event(true, false), readable, "{input:?}");
            assert_eq!(input.after_event(true, true), closed, "{input:?}");
            assert_eq!(input.after_recv(Received::Nothing), nothing, "{input:?}");
            assert_eq!(input.after_recv(short), short_read, "{input:?}");
            assert_eq!(input.after_recv(full), full_read, "{input:?}");
            assert_eq!(input.after_recv(Received::End), Ended, "{input:?}");
        }
        assert_eq!((Ended.after_event(true, false), Ended.after_event(true, true)), (Ended, Ended));
        assert_eq!([Drained, Readable, PeerClosed, Ended].map(Input::is_readable), [false, true, true, false]);
        assert_eq!([Drained, Readable, PeerClosed, Ended].map(Input::is_closed_by_peer), [false, false, true, true]);
    }

    #[test]
    fn room_in_the_socket_does_not_open_a_side_that_is_shut() {
        let outputs = [Output::Open, Output::Full, Output::Shut];
        assert_eq!(outputs.map(Output::after_writable), [Output::Open, Output::Open, Output::Shut]);
    }
}
