//! The parts of a connection's state, how events and system calls change them, and what a loop lends to the
//! connection whose turn it is ([`LoopContext`]).
//!
//! The table of transitions is at the head of [`crate::net::connection`]; the functions here are that table, without
//! a socket, so that they can be tested as a whole.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::http::{HttpDate, Limits};
use crate::net::send_queue::{Resident, SpareBuffers};
use crate::net::upload_memory::UploadMemory;
use crate::net::{CloseReason, Settings, access_log::AccessLog, admission::Admission, counts::Counts};
use crate::net::{tap::Tap, tcp_info::SocketDiag, workers::Jobs};
use crate::service::{App, Client};

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

impl Input {
    pub(crate) fn after_event(self, readable: bool, closed: bool) -> Input {
        match self {
            Input::Ended => Input::Ended,
            // Closed counts before readable: a FIN that comes with data is reported once only.
            _ if closed => Input::PeerClosed,
            Input::Drained if readable => Input::Readable,
            input => input,
        }
    }

    /// After a `recv` with room for `size` bytes; `None`: there is nothing now, `Some(0)`: the end.
    pub(crate) fn after_recv(self, received: Option<usize>, size: usize) -> Input {
        match received {
            Some(0) => Input::Ended,
            None => Input::Drained,
            Some(_) if self == Input::PeerClosed => Input::PeerClosed,
            // A short read empties the socket buffer, which saves a second recv that returns nothing.
            Some(count) if count < size => Input::Drained,
            Some(_) => Input::Readable,
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

/// What the first bytes of the connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// A request.
    Request,
    /// The PROXY header of a trusted peer, which has not come yet.
    ProxyHeader,
}

/// When the connection has its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextTurn {
    /// At an event, a result, or a deadline.
    OnEvent,
    /// Soon: it has more to do, but other connections come first. It is not in the list of the loop yet.
    Soon,
    /// Soon, and it is in the list of the loop. A second entry would give the busiest connection more turns.
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

/// When the first byte of the next `recv` arrived, as far as a connection knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FirstByte {
    /// Perhaps a moment ago.
    #[default]
    Unknown,
    /// Before the turn of the loop began. This holds for one turn of the connection.
    BeforeTurn,
}

/// Numbers the requests of one loop. Requests with the same number may share one `stat()` of a file.
///
/// A file must be looked at after the request for it began to arrive, or a client that has just changed it would get
/// the old content. When the poller reports many connections at once, the first bytes of all of them were there before
/// the first was served. So the first request received after such an event gets the number of the loop's turn, which
/// all of them share. Any other request may have been sent a moment ago: it gets a number of its own.
///
/// This saves a tenth of the time of a small cached GET when many come at once (`tests/bench/README.md`).
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// The number shared by the requests whose first byte came before this turn of the loop.
    turn: u64,
    /// The number given out last. It only grows.
    last: u64,
}

impl Arrivals {
    /// The poller has returned: a new turn of the loop begins.
    pub(crate) fn begin_turn(&mut self) {
        self.advance();
        self.turn = self.last;
    }

    /// Bytes were received, or a job is finished: an earlier look at a file may be out of date.
    pub(crate) fn advance(&mut self) {
        self.last += 1;
    }

    pub(crate) fn number(&self, first_byte: FirstByte) -> u64 {
        if first_byte == FirstByte::BeforeTurn { self.turn } else { self.last }
    }
}

/// What a loop lends to the connection whose turn it is. It belongs to one loop and is used by one connection at a
/// time, so nothing of it needs a lock.
pub(crate) struct LoopContext {
    /// The same for all loops, and never changed while the server runs.
    pub(crate) settings: Arc<Settings>,
    /// Those of the settings, for the parsers of this loop.
    pub(crate) limits: Arc<Limits>,
    /// Counts the connections of all loops.
    pub(crate) admission: Arc<Admission>,
    /// Read once per turn of the loop.
    pub(crate) now: Instant,
    /// The same moment as a date.
    pub(crate) wall: SystemTime,
    /// The same second, ready for the Date field.
    pub(crate) date: HttpDate,
    /// This loop's own (`App::fork`).
    pub(crate) app: App,
    /// The way to the workers and back.
    pub(crate) jobs: Jobs,
    /// The memory for blocks of uploads, of all loops.
    pub(crate) upload_memory: Arc<UploadMemory>,
    /// Lent to send queues. An idle connection has none of them.
    pub(crate) spare_buffers: SpareBuffers,
    /// Where bytes are received.
    /// 64 KiB for one `recv`. Taken out while bytes are parsed, and put back before the next connection's turn.
    pub(crate) scratch: Vec<u8>,
    /// Gathers the lines of a turn.
    pub(crate) access_log: AccessLog,
    /// The server is stopping.
    pub(crate) draining: bool,
    /// Few further connections are allowed.
    pub(crate) scarce: bool,
    /// What this loop has done. Only this loop writes it.
    pub(crate) counts: Arc<Counts>,
    /// Asks how much waits unsent for a reader. `None` where the kernel cannot be asked.
    pub(crate) diag: Option<SocketDiag>,
    /// Decides which requests of a turn may share one look at a file.
    pub(crate) arrivals: Arrivals,
    /// What was found in the page cache in this turn of the loop.
    pub(crate) resident: Option<Resident>,
    /// Records bytes, while the wire view is on.
    pub(crate) tap: Option<Box<Tap>>,
}

impl LoopContext {
    /// What the first bytes of a connection of this peer must be.
    pub(crate) fn opening_of(&self, peer: SocketAddr) -> Opening {
        let wants_header = self.settings.proxies.as_ref().is_some_and(|proxies| proxies.wants_header(peer.ip()));
        if wants_header { Opening::ProxyHeader } else { Opening::Request }
    }

    /// Who a new connection of this peer is from, as far as that is known before its first byte.
    pub(crate) fn client_of_peer(&self, peer: SocketAddr) -> Client {
        match &self.settings.proxies {
            None => Client::Peer(peer.ip().to_canonical()),
            Some(proxies) => proxies.client_of_peer(peer.ip()),
        }
    }

    /// The record, if there is one. The condition is a constant, so without the feature the compiler drops everything
    /// that depends on it.
    #[inline]
    pub(crate) fn tap(&mut self) -> Option<&mut Tap> {
        if cfg!(feature = "wire") { self.tap.as_deref_mut() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table at the head of [`crate::net::connection`], row by row.
    #[test]
    fn no_event_and_no_short_read_loses_what_the_socket_still_has() {
        use Input::{Drained, Ended, PeerClosed, Readable};
        for (input, readable, closed, nothing, short_read, full_read) in [
            (Drained, Readable, PeerClosed, Drained, Drained, Readable),
            (Readable, Readable, PeerClosed, Drained, Drained, Readable),
            (PeerClosed, PeerClosed, PeerClosed, Drained, PeerClosed, PeerClosed),
        ] {
            assert_eq!(input.after_event(false, false), input);
            assert_eq!(input.after_event(true, false), readable, "{input:?}");
            assert_eq!(input.after_event(true, true), closed, "{input:?}");
            assert_eq!(input.after_recv(None, 5), nothing, "{input:?}");
            assert_eq!(input.after_recv(Some(4), 5), short_read, "{input:?}");
            assert_eq!(input.after_recv(Some(5), 5), full_read, "{input:?}");
            assert_eq!(input.after_recv(Some(0), 5), Ended, "{input:?}");
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
