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
//! Never, in this room: a rule of HTTP (the machine in [`crate::http::connection`] knows those), a path.
//!
//! The subtle thing: nothing on a loop blocks, and a request that memory can answer meets no lock. Every
//! wait has a phase with a deadline ([`deadline`]), every queue a length, every connection a named end
//! ([`ended`]).

pub mod admission;
mod answering;
pub mod client;
pub mod cold;
pub mod context;
pub mod deadline;
pub mod desk;
#[cfg(target_os = "linux")]
mod diag;
pub mod ended;
mod entrance;
pub mod event_loop;
pub mod exchange;
mod gauge;
pub mod intake;
pub mod journal;
pub mod listener;
pub mod low_water;
pub mod outbox;
pub mod overload;
mod part;
mod play;
mod reading;
pub mod roster;
mod scripted;
pub mod seat;
#[cfg(all(feature = "wire", target_os = "linux"))]
mod segments;
pub mod server;
pub mod signal;
mod stages;
pub mod tap;
pub mod workers;

pub use deadline::Timeouts;
pub use ended::Ended;
pub use journal::LogFormat;
pub use listener::Listener;
pub use server::{Report, Server, Settings, Stopper};
