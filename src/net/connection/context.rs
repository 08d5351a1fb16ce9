//! Everything a loop lends to the connection whose turn it is.
//!
//! It belongs to one loop and is used by one connection at a time, so nothing of it needs a lock.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use crate::http::HttpDate;
use crate::net::access_log::AccessLog;
use crate::net::connection::arrival::Arrivals;
use crate::net::listener::UnsentQuery;
use crate::net::page_cache::Resident;
use crate::net::send_queue::SpareBuffers;
use crate::net::settings::ServerState;
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
    /// What has been done.
    pub counters: Counters,
    /// Asks how much waits unsent for a reader.
    pub unsent: UnsentQuery,
    /// Numbers the requests.
    pub arrivals: Arrivals,
    /// What was found in the page cache in this turn of the loop.
    pub resident: Resident,
    /// Records bytes, if someone watches.
    pub tap: Tap,
}

impl Context {
    /// Whether few further connections are allowed.
    pub fn is_scarce(&self) -> bool {
        self.server.admission.is_scarce()
    }
}

/// What a loop has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Requests answered.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
}
