//! Who answers: the seam between the protocol and everything that has something to say.
//!
//! An answer has two speeds, because the cheap case is so much cheaper: a file the kernel has in
//! memory is opened, measured and sent within the loop's turn; whatever may block becomes a job.
//! See [`answer`].
//!
//! Never, in this room: a disk, a socket. [`router`] chooses a handler, [`page`] speaks to people.

pub mod answer;
pub mod page;
pub mod response;
pub mod router;

pub use answer::{Answer, Job, Lane, Outcome, Service, Sink, Visit};
pub use response::{Body, Octets, Piece, Response};
pub use router::{Call, Router};
