//! The network side: sockets, event loops, connections, time-outs and worker threads.
//!
//! A request goes through [`event_loop`] → [`connection`] → `connection/read` → `connection/respond` →
//! [`send_queue`]. Beside this main path lie [`workers`] (jobs that may block), [`deadline`], [`admission`] (limits on
//! connections), [`access_log`], [`settings`], [`listener`], `accept`, [`page_cache`], and [`tap`] with `tcp_info` (the record).
//!
//! Rules of HTTP belong to [`crate::http`], paths and files to `files`; here bytes, events and moments are brought to
//! them. Nothing on a loop blocks, and a request that can be answered from memory takes no lock. Each wait has a phase
//! with a deadline, each queue a bound, and each end of a connection a [`CloseReason`].

mod accept;
pub mod access_log;
pub mod admission;
pub mod close_reason;
pub mod connection;
pub mod connections;
pub mod deadline;
pub mod event_loop;
pub mod listener;
pub mod page_cache;
pub mod send_queue;
pub mod server;
pub mod settings;
pub mod tap;
mod tcp_info;
pub mod workers;

pub use access_log::LogFormat;
pub use close_reason::CloseReason;
pub use deadline::Timeouts;
pub use listener::Listener;
pub use server::{Report, Server, Stopper};
pub use settings::Settings;
