//! Answers with a script: pauses between bytes, bytes as they stand, an end on purpose.
//!
//! Made for studying and for streams. An ordinary answer is status, fields and content, and the connection
//! decides how it is framed and when it leaves; here a service says more than that.
//!
//! Never: a thread that sleeps. A pause is a deadline of the loop, so that a thousand slow answers
//! cost a thousand seats and nothing else.
//!
//! The subtle thing: a pause stands before an *byte* of the answer. What is sent before it and what is
//! sent after it are never one `send`, even if the pause is empty; that is how pieces are made.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use crate::http::{Fields, Status};

/// A byte of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOffset {
    /// Counted from the first byte of its head (of its interim responses, if it has any).
    Response(u64),
    /// Counted from the first byte of its content as it is framed: chunk-size lines count.
    Content(u64),
}

/// A moment of silence. Places behind the end of the answer mean nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Before this byte.
    pub before: ByteOffset,
    /// For so long.
    pub time: Duration,
}

/// What lives exactly as long as the answer it belongs to: it is dropped when the last byte has been
/// sent, and when nobody waits for it any more. A service counts its slow answers by it.
#[derive(Clone, Default)]
pub struct DropToken(Option<Arc<dyn Any + Send + Sync>>);

impl DropToken {
    /// Holds this.
    pub fn new(token: impl Any + Send + Sync) -> DropToken {
        DropToken(Some(Arc::new(token)))
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl std::fmt::Debug for DropToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_empty() { "DropToken(nothing)" } else { "DropToken" })
    }
}

/// Content in chunks of chosen borders. To an HTTP/1.0 client the data alone goes, until the close.
#[derive(Clone, Debug, Default)]
pub struct ChunkedBody {
    /// The data of each; an empty one is left out, since it would end the content.
    pub data: Vec<Vec<u8>>,
    /// Behind the size of each chunk but the last one, without the semicolon: `a=b`. Nothing: none.
    pub extension: String,
    /// After the last chunk. Announce them in `Trailer`.
    pub trailers: Fields,
    /// For so long before each chunk but the first, the last chunk with its trailers included. Each
    /// chunk is a `send` of its own.
    pub gap: Duration,
}

/// Content that is made while it is sent. It goes in chunks, to an HTTP/1.0 client until the close.
pub trait Source: Send {
    /// The next bytes, perhaps none yet; nothing at the end. Called on a worker, one at a time, and may block; the
    /// client's patience with an answer that is owed does not run meanwhile.
    fn next(&mut self) -> Option<Vec<u8>>;
}

/// How a scripted connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseBy {
    /// In order, with a FIN.
    Fin,
    /// With a reset.
    Reset,
}

/// Bytes as they stand in the place of an answer, for showing what goes wrong. The connection always
/// ends after them.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// What the log says.
    pub status: Status,
    /// All of it, status line included.
    pub bytes: Vec<u8>,
    /// Moments of silence; [`ByteOffset::Content`] counts from behind the first blank line.
    pub pauses: Vec<Pause>,
    /// What comes after the last byte.
    pub close: CloseBy,
    /// What lives as long as it.
    pub token: DropToken,
}

/// A request as it came, down to its bytes.
#[derive(Clone, Debug, Default)]
pub struct RawRequest {
    /// The head, blank line included.
    pub head: Vec<u8>,
    /// What followed of it, as it came: chunk-size lines and trailers included.
    pub framed: Vec<u8>,
    /// The content.
    pub content: Vec<u8>,
}

/// How content came: what the `recv` calls that brought it returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveSummary {
    /// Calls that brought bytes of the content as it was framed.
    pub calls: u64,
    /// The fewest bytes of one.
    pub smallest: u64,
    /// The most bytes of one.
    pub largest: u64,
    /// From the first byte of content to the last.
    pub time: Duration,
}

/// What a script adds to a response.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Moments of silence.
    pub pauses: Vec<Pause>,
    /// Interim responses that go before it (to HTTP/1.0 none go).
    pub interim: Vec<(Status, Fields)>,
    /// What lives as long as the answer.
    pub token: DropToken,
}

impl Script {
    /// Whether it adds nothing.
    pub fn is_empty(&self) -> bool {
        self.pauses.is_empty() && self.interim.is_empty() && self.token.is_empty()
    }
}
