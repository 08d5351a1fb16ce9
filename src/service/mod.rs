//! Who answers: the seam between the protocol and everything that has something to say.
//!
//! An answer has two speeds, because the cheap case is so much cheaper: a file the kernel has in
//! memory is opened, measured and sent within the loop's turn; whatever may block becomes a job.
//! See [`answer`].
//!
//! Never, in this room: a disk, a socket. [`router`] chooses a handler, [`page`] speaks to people,
//! [`guard`] stands before them all and decides who may speak at all.

pub mod access;
pub mod answer;
pub mod app;
pub mod error_page;
pub mod response;
pub mod router;
pub mod script;
pub mod text;
pub(crate) mod view_link;

pub use access::basic::{Auth, Scope};
pub use access::credentials::Credentials;
pub use answer::{Answer, Job, Lane, Outcome, RequestContext, Service, Sink};
pub use app::App;
pub use response::{Body, Bytes, Piece, Response};
pub use router::{Call, Parameters, Router};
pub use script::{ByteOffset, ChunkedBody, CloseBy, DropToken, Pause, RawRequest, RawResponse, ReceiveSummary, Source};

#[cfg(test)]
pub(crate) mod testing;
