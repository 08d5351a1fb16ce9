//! The network side: sockets, event loops, connections, time-outs and worker threads.
//!
//! A request goes through [`event_loop`] → [`connection`] → `connection/read` → `connection/respond` →
//! [`send_queue`]. Beside this main path lie [`workers`] (jobs that may block), [`upload_memory`], [`deadline`], `event_loop/accept`
//! and `admission` (which connections are accepted), [`access_log`], [`server`], and `tap` with `tcp_info` (the record).
//!
//! Rules of HTTP belong to [`crate::http`], paths and files to `files`; here bytes, events and moments are brought to
//! them. Nothing on a loop blocks, and a request that can be answered from memory takes no lock. Each wait has a phase
//! with a deadline, each queue a bound, and each end of a connection a [`CloseReason`].

#[doc(hidden)]
pub mod access_log;
pub(crate) mod admission;
#[doc(hidden)]
pub mod close_reason;
#[doc(hidden)]
pub mod connection;
#[doc(hidden)]
pub mod connections;
mod counts;
#[doc(hidden)]
pub mod deadline;
#[doc(hidden)]
pub mod event_loop;
mod log_output;
mod log_time;
mod log_writer;
#[doc(hidden)]
pub mod send_queue;
#[doc(hidden)]
pub mod server;
mod stream;
mod tap;
mod tcp_info;
#[doc(hidden)]
pub mod upload_memory;
#[doc(hidden)]
pub mod workers;

pub use access_log::LogFormat;
pub use close_reason::CloseReason;
pub use counts::{Metrics, MetricsSnapshot};
pub use deadline::Timeouts;
pub use log_output::{LogFile, LogOutput};
pub use log_time::LogZone;
pub use server::{HangUp, Listener, Server, Stopper, stop_on_signals};
#[doc(hidden)]
pub use tcp_info::is_own_user;

use crate::http::Limits;
use crate::service::access::proxies::TrustedProxies;

/// Settings of the network side. They do not change while the server runs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Limits of a message.
    pub limits: Limits,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Number of event loops. A loop is one thread; at least 1.
    pub loops: usize,
    /// How many jobs that may block run at once, of one kind and on one file system: `N` in `workers::schedule`.
    /// At least 2, so that a client leaves one for others. Threads are started as they are needed.
    pub workers: usize,
    /// Most connections at once.
    /// In all loops together. Above it an idle connection is closed for a new one, or the new one gets 503.
    pub max_connections: usize,
    /// Most connections of one client (an IPv6 client is its /64). Clients at loopback are not counted, nor those that a
    /// trusted proxy does not name.
    pub max_per_client: usize,
    /// Peers that are believed when they name their clients. By default none.
    pub proxies: Option<TrustedProxies>,
    /// Bytes of memory for the blocks of all unfinished uploads.
    pub upload_memory: usize,
    /// Files are sent by `sendfile`, past the program. Otherwise they are read and sent in pieces of 64 KiB, as
    /// every tutorial does it, and each piece can be seen.
    pub sendfile: bool,
    /// The format of the access log.
    pub log: LogFormat,
    /// Where the access log goes.
    pub log_output: LogOutput,
    /// The time zone of its times.
    pub log_zone: LogZone,
}

impl Settings {
    /// The defaults with these changes: `Settings::with(|it| it.loops = 1)`.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }
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
            proxies: None,
            upload_memory: upload_memory::UPLOAD_MEMORY,
            sendfile: true,
            log: LogFormat::Off,
            log_output: LogOutput::Stdout,
            log_zone: LogZone::default(),
        }
    }
}

/// What the server, or one of its loops, has done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Requests answered.
    pub requests: u64,
    /// Bytes sent. Of content and heads, as the kernel took them.
    pub bytes: u64,
    /// Connections cut off when the grace period ended.
    pub cut_off: u64,
    /// Jobs of workers, such as a write to a disk that hangs, that had not ended by then.
    pub unfinished: u64,
}

impl Report {
    pub(crate) fn plus(self, other: Report) -> Report {
        Report {
            requests: self.requests + other.requests,
            bytes: self.bytes + other.bytes,
            cut_off: self.cut_off + other.cut_off,
            unfinished: self.unfinished + other.unfinished,
        }
    }
}
