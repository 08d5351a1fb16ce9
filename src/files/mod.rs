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

pub(crate) mod cache;
pub mod coding;
pub mod disk_error;
pub(crate) mod listing;
pub mod media_type;
pub mod precondition;
pub mod range;
pub(crate) mod resource;
pub(crate) mod retrieve;
pub mod root;
pub mod settings;
pub mod site;
pub mod validator;
pub mod write;

pub use cache::CAPACITY as CACHE_CAPACITY;
pub use root::{OpenMethod, Symlinks};
pub use settings::{CacheControl, MAX_BODY, Settings};
pub use site::Site;

#[cfg(test)]
pub(crate) mod testing;
