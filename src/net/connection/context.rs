//! What a loop lends to the connection whose turn it is.
//!
//! Everything here belongs to one loop and is used by one connection at a time, so nothing of it needs a lock.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::http::HttpDate;
use crate::net::access_log::AccessLog;
use crate::net::close_reason::CloseReason;
use crate::net::event_loop::ServerState;
use crate::net::listener::UnsentQuery;
use crate::net::page_cache::Resident;
use crate::net::send_queue::SpareBuffers;
use crate::net::tap::Tap;
use crate::net::workers::Jobs;
use crate::service::App;

/// What a loop lends to the connection whose turn it is.
pub struct Context {
    /// Limits, timeouts and what else all loops share.
    pub server: Arc<ServerState>,
    /// Read once per turn of the loop.
    pub now: Instant,
    /// The same moment as a date.
    pub wall: SystemTime,
    /// The same second, ready for the Date field.
    pub date: HttpDate,
    /// Decides how each request is answered.
    pub app: App,
    /// Takes work that may block.
    pub jobs: Jobs,
    /// Buffers for responses.
    pub spare_buffers: SpareBuffers,
    /// Where bytes are received.
    pub scratch: Vec<u8>,
    /// The access log.
    pub access_log: AccessLog,
    /// The server is stopping.
    pub draining: bool,
    /// What has been done, for the last line.
    pub tally: Tally,
    /// Asks how much waits for a reader.
    pub unsent: UnsentQuery,
    /// Numbers what arrives.
    pub arrivals: Arrivals,
    /// Records bytes, if someone watches.
    pub tap: Tap,
}

impl Context {
    /// Whether few further connections are allowed.
    pub fn is_scarce(&self) -> bool {
        self.server.admission.is_scarce()
    }
}

/// Numbers for [`crate::service::Visit::arrival`]: what one look at a file may answer for.
///
/// The poller said of many clients at once that bytes are there. The first request in the `recv`
/// after such an event had begun before any of them was answered, so they all share the number of the
/// turn; what else a `recv` brings may have been sent a moment ago, and has that of the `recv`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrivals {
    turn: u64,
    last: u64,
    /// What was found in memory in this turn.
    pub(crate) resident: Resident,
}

impl Arrivals {
    /// The poller has returned.
    pub fn begin_turn(&mut self) {
        self.next();
        self.turn = self.last;
        self.resident = Resident::default();
    }

    /// Bytes have come, or the result of some work: what was looked up before may be old.
    pub fn next(&mut self) {
        self.last += 1;
    }

    /// The number of a request; `prompt`: its first byte was there when the turn began.
    pub fn number(&self, prompt: bool) -> u64 {
        if prompt { self.turn } else { self.last }
    }
}

/// What a loop has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests answered.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// How a connection will end, once everything has left.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Last {
    /// In order: the client says nothing more.
    Close(CloseReason),
    /// At once: what was promised cannot be kept.
    Cut(CloseReason),
    /// In stages: our side first, then whatever still comes, then all of it.
    Stages(CloseReason),
    /// At once, and so that nobody can take it for an end in order.
    Reset(CloseReason),
}
