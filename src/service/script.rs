//! Responses of which the service decides more than status, fields and content: pauses, chunk boundaries, bytes exactly
//! as given, the way the connection closes. For teaching, and for content that is made while it is sent.
//!
//! A pause is a deadline of the event loop and no sleeping thread, so a thousand slow responses cost a thousand
//! connections and nothing else. A pause stands before one byte of the response. Bytes before it and after it are never
//! in the same `send`, even if it lasts no time; so a response can be split into pieces. With pauses before
//! `Content(0)` and `Content(3)`, the content `hello` is sent in three steps:
//!
//! ```text
//! head ── pause ── hel ── pause ── lo
//! ```

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::http::{Fields, Status};

/// A byte of a response, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOffset {
    /// From the first byte of the head, or of the interim responses before it.
    Response(u64),
    /// From the first byte of the content, framing included: chunk-size lines count.
    Content(u64),
}

/// A time in which nothing is sent. It has no effect after the end of the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// The byte before which it stands.
    pub before: ByteOffset,
    /// How long it lasts.
    pub time: Duration,
}

/// A value that is dropped when the last byte of its response was sent, or when the client has left. A service counts
/// its slow responses by such values. The default has no value.
#[derive(Clone, Debug, Default)]
pub struct DropToken {
    _value: Option<Arc<dyn Any + Send + Sync>>,
}

impl DropToken {
    /// A token with this value.
    pub fn new(value: impl Any + Send + Sync) -> DropToken {
        DropToken { _value: Some(Arc::new(value)) }
    }
}

/// Content in chunks of given boundaries. An HTTP/1.0 client gets the data alone, until the connection closes.
#[derive(Clone, Debug, Default)]
pub struct ChunkedBody {
    /// The data of each chunk. An empty one is left out, since it would end the content.
    pub data: Vec<Vec<u8>>,
    /// A chunk extension without its semicolon, `a=b`, after the size of every chunk but the last; empty for none.
    pub extension: String,
    /// The trailer fields. The response should announce them in `Trailer`.
    pub trailers: Fields,
    /// The pause before each chunk but the first, the last chunk with the trailers included. Each chunk is a `send` of
    /// its own.
    pub gap: Duration,
}

/// Content that is made while it is sent. It goes in chunks, or to an HTTP/1.0 client until the connection closes.
pub trait Source: Send {
    /// The next bytes, which may be empty if there are none yet; `None` at the end. Called on a worker, one call at a
    /// time, and may block: no time limit of the connection runs during the call.
    fn next(&mut self) -> Option<Vec<u8>>;
}

/// How a connection closes after a [`RawResponse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseBy {
    /// With a FIN, after all bytes were sent.
    Fin,
    /// With a reset.
    Reset,
}

/// Bytes that are sent exactly as given in the place of a response, to show what can go wrong. The connection always
/// closes after them.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status for the log.
    pub status: Status,
    /// All bytes, status line included.
    pub bytes: Vec<u8>,
    /// Pauses. [`ByteOffset::Content`] counts from the end of the first empty line.
    pub pauses: Vec<Pause>,
    /// How the connection closes.
    pub close: CloseBy,
    /// Dropped with the response.
    pub token: DropToken,
}

/// What a scripted response has besides status, fields and content.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Pauses.
    pub pauses: Vec<Pause>,
    /// Interim responses before it. An HTTP/1.0 client gets none of them.
    pub interim: Vec<(Status, Fields)>,
    /// Dropped with the response.
    pub token: DropToken,
}
