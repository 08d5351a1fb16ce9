//! The layer between the protocol and everything that makes responses.
//!
//! A reader begins with [`app`], which decides each request in one function, and [`answer`], which says what a service
//! may answer. [`router`] chooses a handler by method and path. [`access`] has the checks of hosts, origins and
//! passwords. [`error_page`] and [`text`] make all text for people. Nothing here opens a file or a socket.

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
pub use answer::{Answer, Job, Lane, Outcome, RawRequest, ReceiveSummary, RequestContext, Service, Sink};
pub use app::App;
pub use response::{Body, Bytes, Piece, Response};
pub use router::{Call, Parameters, Router};
pub use script::{ByteOffset, ChunkedBody, CloseBy, DropToken, Pause, RawResponse, Source};

#[cfg(test)]
pub(crate) mod testing;
