//! What the sockets carried, in bounded memory.

pub mod collector;
pub mod elide;
pub mod event;
pub(crate) mod exchange;
pub mod history;
pub mod live;
pub mod recorder;
pub mod tags;
