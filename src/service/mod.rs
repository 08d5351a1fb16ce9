//! The layer between the protocol and everything that makes responses.
//!
//! A reader begins with [`app`], which decides each request in one function, and [`answer`], which says what a service
//! may answer. [`router`] chooses a handler by method and path. [`access`] has the checks of hosts, origins and
//! passwords. [`error_page`], [`text`] and [`texts`] make all text for people. Nothing here opens a file or a socket; [`open_file`]
//! holds one that is open.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod access;
pub mod answer;
pub mod app;
mod call;
pub mod client;
pub mod error_page;
pub mod open_file;
pub mod response;
pub mod router;
mod test_client;
pub mod text;
pub mod texts;

pub use access::basic::{Auth, Scope};
pub use access::credentials::Credentials;
pub use answer::{Answer, BuiltIn, CloseBy, Job, Lane, Outcome, RawRequest, RawResponse};
pub use answer::{ReceiveSummary, RequestContext, Service, Sink, Task};
pub use app::App;
pub use call::{Call, IntoResponse, Parameters};
pub use client::Client;
pub use open_file::{FileSystem, OpenFile};
pub use response::{Body, ByteOffset, Bytes, ChunkedBody, DropToken, Pause, Piece, Response, Script, Source};
pub use router::Router;
pub use test_client::{TestClient, TestResponse};

/// Locks also after a panic elsewhere, which must not stop all other clients: every value behind these locks is whole
/// between two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod testing;
