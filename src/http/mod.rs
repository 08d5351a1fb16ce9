//! What an HTTP/1.1 message is: the protocol without sockets.
//!
//! Bytes go in, borrowed events come out ([`connection`]); a status, fields and a length go in,
//! bytes and a verdict on how to send the content come out ([`response`]). RFC 9112, and the half of
//! RFC 9110 that concerns messages.
//!
//! Never, in this room: a socket, a file, a thread, a log, the clock. A moment is an argument. The
//! room test enforces it, which is why all of this can be fuzzed, replayed and explained
//! byte for byte by the wire view.
//!
//! The subtle thing: a parsed head is a list of positions ([`Span`]) in bytes the caller keeps. That
//! costs no copy on the way in, and it is what lets a refusal name the byte.
//!
//! Reading order, each file using only those above it:
//!
//! | file | one line |
//! |---|---|
//! | [`byte`] | the alphabets of the grammar, the only number parsers |
//! | [`method`], [`status`] | methods and what they promise; codes and phrases |
//! | [`limits`] | every bound of a message |
//! | [`fault`] | every way a request can be wrong |
//! | [`field`] | field lines, lists, parameters, weights |
//! | [`date`] | three forms in, one form out |
//! | [`target`] | the four target forms; one decoding of the path |
//! | [`request_line`] | method, target, version, and where they lie |
//! | [`head`] | where a head ends and where its parts lie |
//! | [`framing`] | how long the content is |
//! | [`chunked`] | content in chunks |
//! | [`response`] | heads of responses |
//! | [`event`] | what the machine says |
//! | [`prepared`] | a response put into bytes once and sent often |
//! | [`connection`] | the machine that ties them together |
//! | `fuzz` | what must hold for any bytes whatever |

pub mod chunked;
pub mod date;
pub mod event;
pub mod fault;
pub mod field;
pub mod framing;
#[doc(hidden)]
pub mod fuzz;
pub mod grammar;
pub mod head;
pub mod http1;
pub mod limits;
pub mod method;
pub(crate) mod multipart;
pub mod prepared;
mod request;
pub mod request_line;
pub mod response;
pub mod status;
pub mod target;

use std::borrow::Cow;

pub use date::HttpDate;
pub use event::{EndOfInput, Event, Next, Phase, Step};
pub use fault::{Fault, RequestError};
pub use http1::Http1;
pub use limits::Limits;
pub use method::Method;
pub use prepared::Prepared;
pub use request::Request;
pub use response::{Fields, Length, Transfer};
pub use status::Status;

/// Where some bytes lie in a message. A head is at most 64 KiB − 1, so 16 bits are enough, and a
/// field line costs 8 bytes instead of 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    at: u16,
    len: u16,
}

impl Span {
    /// The `len` bytes from `at` on.
    pub(crate) fn new(at: usize, len: usize) -> Span {
        debug_assert!(at + len <= Limits::HEAD_CEILING, "a span outside any head");
        Span { at: at as u16, len: len as u16 }
    }

    /// The first byte.
    pub fn start(self) -> usize {
        usize::from(self.at)
    }

    /// The byte after the last one.
    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    /// How many bytes.
    pub fn len(self) -> usize {
        usize::from(self.len)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bytes themselves; none if the span does not lie in `message`.
    pub fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start()..self.end()).unwrap_or_default()
    }

    pub(crate) fn refusal(self, fault: Fault) -> RequestError {
        RequestError::new(fault, self.start(), self.len())
    }
}

/// The version a client speaks. Any 1.x above 1.0 counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes by default, knows no chunks and no interim responses.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// As in a request line.
    pub fn name(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// How the content of a request is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// This many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

impl Framing {
    /// Whether bytes of content follow the head.
    pub fn has_content(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }
}

/// What the Expect field asks for (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing, or the client speaks HTTP/1.0, where Expect is ignored.
    None,
    /// `100-continue`.
    Continue,
    /// Something else: 417.
    Unknown,
}

/// Bytes that are borrowed on the loop and owned by a worker.
pub(crate) type Bytes<'b> = Cow<'b, [u8]>;
