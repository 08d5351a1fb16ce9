//! The layer between the protocol and everything that makes responses.
//!
//! A program of its own begins with [`Router`], whose handlers get a [`Call`] and return a [`Response`]; [`App`] adds the
//! checks of hosts, origins and passwords before it. A [`Service`] decides on the event loop how a request will be
//! answered. [`TestClient`] tests all of them without sockets.
//!
//! A reader of the source begins with [`app`], which decides each request in one function, and [`answer`], which says what a service
//! may answer. [`router`] chooses a handler by method and path. [`access`] has the checks of hosts, origins and
//! passwords. [`error_page`], [`text`] and [`texts`] make all text for people. Nothing here opens a file or a socket; [`open_file`]
//! holds one that is open.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[doc(hidden)]
pub mod access;
#[doc(hidden)]
pub mod answer;
#[doc(hidden)]
pub mod app;
mod call;
#[doc(hidden)]
pub mod client;
#[doc(hidden)]
pub mod error_page;
#[doc(hidden)]
pub mod open_file;
#[doc(hidden)]
pub mod response;
#[doc(hidden)]
pub mod router;
mod test_client;
#[doc(hidden)]
pub mod text;
#[doc(hidden)]
pub mod texts;

pub use access::basic::{Auth, Scope};
pub use access::credentials::Credentials;
pub use access::{health::Health, hosts::Hosts};
pub use answer::{
    Answer, BuiltIn, CloseBy, ContentJob, Job, Lane, OpenSink, Outcome, RawRequest, RawRequestJob, RawResponse,
};
pub use answer::{ReceiveSummary, RequestContext, Service, Sink, Task};
pub use app::{App, Settings};
pub use call::{Call, IntoResponse, Parameters};
pub use client::Client;
pub use error_page::{PageFormat, Problem};
pub use open_file::{FileSystem, OpenFile};
pub use response::{Body, ByteOffset, Bytes, ChunkedBody, DropToken, Pause, Piece, Response, Script, Source};
pub use router::{CONTENT_LIMIT, Router, not_allowed};
pub use test_client::{TestClient, TestResponse};

/// Locks also after a panic elsewhere, which must not stop all other clients: every value behind these locks is whole
/// between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod testing;
