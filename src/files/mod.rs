//! From path to representation: files and folders as resources (RFC 9110 §8, §12–14; RFC 9111 for
//! an origin).
//!
//! A request's path goes through one door to the disk ([`root`]), becomes a file, a folder or a
//! redirect (`resource`), and a file becomes a response by pure rules that know no disk:
//! [`coding`], [`validator`], [`precondition`], [`range`], [`media_type`]. `retrieve` applies them in
//! the order RFC 9110 demands; [`site`] is the service.
//!
//! Never, in this room: a socket, a thread, a path given to the kernel anywhere but under [`root`].
//!
//! The subtle thing: every function that may touch the disk takes `may_block`. On the loop it is
//! false, and whatever is not in the kernel's memory ends in "would block": the same function runs
//! again on a worker, from the start. So there is one code path, tried at two speeds.

pub(crate) mod board;
pub mod coding;
pub mod cors;
pub(crate) mod form;
pub mod gate;
pub(crate) mod listing;
pub mod media_type;
pub(crate) mod multipart;
pub(crate) mod naming;
pub mod precondition;
pub mod range;
pub(crate) mod remove;
pub(crate) mod resource;
pub(crate) mod retrieve;
pub mod rights;
pub mod root;
pub mod settings;
pub(crate) mod shelf;
pub mod site;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod upload;
pub mod validator;
pub(crate) mod wishes;
pub(crate) mod writing;

pub use root::{Door, Symlinks};
pub use settings::{Cache, MAX_BODY, Settings};
pub use shelf::CAPACITY as SHELF_CAPACITY;
pub use site::Site;
