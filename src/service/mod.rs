//! Who answers: the seam between the protocol and everything that has something to say.
//!
//! An answer has two speeds, because the cheap case is so much cheaper: a file the kernel has in
//! memory is opened, measured and sent within the loop's turn; whatever may block becomes a job.
//! See [`answer`].
//!
//! Never, in this room: a disk, a socket. [`router`] chooses a handler, [`page`] speaks to people,
//! [`guard`] stands before them all and decides who may speak at all.

pub mod answer;
pub mod auth;
pub mod credentials;
mod failures;
pub mod guard;
mod htpasswd;
pub mod origin;
pub mod page;
pub mod response;
pub mod router;
pub mod script;
#[cfg(test)]
pub(crate) mod testing;
pub mod unfit;

pub use answer::{Answer, Job, Lane, Outcome, Service, Sink, Visit};
pub use auth::{Auth, Scope};
pub use credentials::Credentials;
pub use guard::Guard;
pub use response::{Body, Octets, Piece, Response};
pub use router::{Call, Router};
pub use script::{Chunks, End, Held, Meter, Pause, Place, Received, Source, Verbatim};
