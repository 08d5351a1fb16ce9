//! Sockets, threads, time: one turn of the loop.
pub mod server;

pub use server::{Listener, LogFormat, Report, Server, Settings, Stopper, Timeouts};
