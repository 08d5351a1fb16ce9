//! What the sockets carried, in bounded memory.
//!
//! The way of the bytes: `net` calls a [`recorder`] on each loop. The [`collector`], in a thread of its own, takes the
//! records of all loops and keeps a [`live`] connection for each, which makes [`event`]s of them. The terminal shows
//! the events at once; the [`history`] keeps them for the browser.

pub(crate) mod calls;
pub mod collector;
pub mod event;
pub(crate) mod exchange;
pub mod history;
pub mod live;
pub mod memory;
pub mod recorder;
