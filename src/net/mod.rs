//! Sockets, threads, time: one turn of the loop.
//!
//! ```text
//! poll ─┬─ again    clients that had more to do than one turn allows
//!       ├─ events   ready → client: send what waits, recv, machine, service, send
//!       ├─ results  a worker has finished → client
//!       ├─ accept   admission → seat → the first turn at once → register
//!       └─ wheel    whose time is up → client
//! ```
//!
//! Never, in this room: a rule of HTTP (the machine in [`crate::http::http1`] knows those), a path.
//!
//! The subtle thing: nothing on a loop blocks, and a request that memory can answer meets no lock. Every
//! wait has a phase with a deadline ([`deadline`]), every queue a length, every connection a named end
//! ([`ended`]).

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
pub mod tap;
mod tcp_info;
pub mod workers;

pub use access_log::LogFormat;
pub use close_reason::CloseReason;
pub use deadline::Timeouts;
pub use listener::Listener;
pub use server::{Report, Server, Settings, Stopper};
