//! What the sockets carried, in bounded memory.

pub mod connection;
pub mod elide;
pub mod event;
pub(crate) mod exchange;
pub mod history;
pub mod tags;
pub mod tape;
pub mod thread;
