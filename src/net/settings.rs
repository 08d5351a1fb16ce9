//! The settings of the network side, and the state that all event loops share.
//!
//! The settings do not change while the server runs. What changes is counted in atomics: a loop writes them when a
//! connection begins or ends, and when it ends itself, but never for a single request.

use std::sync::atomic::{AtomicU8, AtomicU64};

use crate::http::Limits;
use crate::net::access_log::LogFormat;
use crate::net::admission::Admission;
use crate::net::deadline::Timeouts;

/// Settings of the network side.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Limits of a message.
    pub limits: Limits,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Number of event loops.
    pub loops: usize,
    /// Number of threads for work that may block.
    pub workers: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections of one client (an IPv6 client is its /64; loopback is not counted).
    pub max_per_client: usize,
    /// Files are sent by `sendfile`, past the program. Otherwise they are read and sent in pieces of 64 KiB, as
    /// every tutorial does it, and each piece can be seen.
    pub sendfile: bool,
    /// The format of the access log.
    pub log: LogFormat,
    /// The log goes to standard error, since standard output is needed for something else.
    pub log_to_stderr: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        // One loop per core, since a loop never waits for anything but the poller. Workers wait for disks, so there are
        // a few of them even on one core.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            loops: cores,
            workers: cores.max(4),
            max_connections: 720,
            max_per_client: 180,
            sendfile: true,
            log: LogFormat::Off,
            log_to_stderr: false,
        }
    }
}

/// What all loops share.
pub struct ServerState {
    /// As the server was started with.
    pub settings: Settings,
    /// How many connections are open, in all and per client.
    pub admission: Admission,
    /// [`SERVING`], [`DRAINING`] or [`STOPPING`].
    pub run_state: AtomicU8,
    /// Requests of the loops that have ended.
    pub requests: AtomicU64,
    /// Bytes sent by the loops that have ended.
    pub bytes: AtomicU64,
    /// Connections that were cut off when the grace period ended.
    pub cut_off: AtomicU64,
}

/// The value of [`ServerState::run_state`] in normal service.
pub const SERVING: u8 = 0;
/// No new connections; responses that have begun go on.
pub const DRAINING: u8 = 1;
/// Stop at once.
pub const STOPPING: u8 = 2;
