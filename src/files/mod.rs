//! Files and folders as resources (RFC 9110 §8, §12–14; RFC 9111 for an origin server).
//!
//! [`site`] is the service. It asks the cache first. Otherwise the path is opened beneath the
//! served folder ([`root`]) and becomes a file, a folder or a redirect (`resource`). `retrieve`
//! makes the response for a file by pure rules that know no disk: [`coding`], [`validator`],
//! [`precondition`], [`range`], [`media_type`]. `listing` shows folders, [`write`] changes them.
//!
//! Functions that may touch the disk take `may_block`. On a loop it is false: if something is not
//! in the kernel's memory, they return "would block", and the request runs again on a worker, from
//! the start. So both take the same code path.
//!
//! Only [`root`] gives paths to the kernel, and nothing here knows sockets or starts threads.

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
