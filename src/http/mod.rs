//! The protocol without sockets: HTTP/1.1 messages as bytes in and bytes out.
//!
//! [`Http1`] is the state machine of one connection. It takes the bytes that were received and returns borrowed events;
//! it takes a status, fields and a length and returns the bytes of a response head (RFC 9112, parts of RFC 9110).
//!
//! This layer has no socket, file, thread, log or clock: the time is an argument. So it can be fuzzed, replayed from a
//! recording and explained byte by byte in the wire view. A test of the imports enforces it.
//!
//! # One exchange
//! Two requests arrive together. The first one has its content in chunks; the response to it keeps the connection open,
//! so the second request is read from the same input.
//!
//! ```
//! use barewire::http::{AddedFields, Event, Fields, Framing, Http1, HttpDate, Length, Limits, Method, Next, Status, Transfer};
//!
//! let received = b"PUT /note.txt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
//!     5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n\
//!     GET /note.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
//! let mut http = Http1::new(Limits::default());
//! let mut input = &received[..];
//!
//! // Bytes in, events out. Each step says how many bytes it used up.
//! let mut content = Vec::new();
//! loop {
//!     let step = http.receive(input);
//!     input = &input[step.used..];
//!     match step.event {
//!         Event::Request(request, framing) => {
//!             assert_eq!((request.method(), request.path()), (Method::Put, &b"/note.txt"[..]));
//!             assert_eq!(framing, Framing::Chunked);
//!         }
//!         Event::Content(bytes) => content.extend_from_slice(bytes),
//!         Event::End => break,
//!         Event::NeedMore => panic!("everything has arrived"),
//!         Event::Refused(error) => panic!("{error}"),
//!     }
//! }
//! assert_eq!(content, b"hello, world");
//!
//! // A response out: this appends its head; the caller sends the content as `transfer` says.
//! let mut fields = Fields::new();
//! fields.push("Content-Type", "text/plain").unwrap();
//! let (mut out, now) = (Vec::new(), HttpDate::from_second(784_111_777));
//! let transfer = http.respond(Status::CREATED, &fields, Length::Known(7), &AddedFields::NONE, &now, &mut out);
//! assert_eq!(transfer, Transfer::Exactly(7));
//! out.extend_from_slice(b"stored\n");
//! assert_eq!(
//!     out,
//!     b"HTTP/1.1 201 Created\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 7\r\n\
//!     Content-Type: text/plain\r\n\r\nstored\n"
//! );
//!
//! // Nothing forbids to go on, so the next request is read.
//! assert_eq!(http.sent(), Next::Request);
//! let Event::Request(request, Framing::None) = http.receive(input).event else { panic!() };
//! assert_eq!(request.method(), Method::Get);
//! ```
//!
//! # Reading order
//! Each file uses only those above it, and the types of this one.
//!
//! | file | contents |
//! |---|---|
//! | [`grammar`] | sets of bytes; the only parsers of numbers |
//! | [`status`], [`fault`] | codes and reason phrases; every way a request can be wrong, as one table |
//! | [`field`] | field lines, lists, parameters, weights in bytes that were received |
//! | [`date`] | dates: three forms are read, one is written |
//! | [`target`] | the four forms of a target; the path, decoded once and without dot segments; the pairs of a query |
//! | [`head`] | where a head ends, and where its parts lie |
//! | [`request`] | a request, as a service sees it, and how long its content is |
//! | [`chunked`] | content in chunks |
//! | [`response`] | field lines and heads of responses, also prepared once and sent often |
//! | [`http1`] | the state machine that uses all of them |
//! | `multipart` | the parts of a form: content that is itself framed |
//! | `fuzz` | properties that hold for any input |

pub mod chunked;
#[doc(hidden)]
pub mod date;
#[doc(hidden)]
pub mod fault;
#[doc(hidden)]
pub mod field;
#[doc(hidden)]
pub mod fuzz;
#[doc(hidden)]
pub mod grammar;
#[doc(hidden)]
pub mod head;
#[doc(hidden)]
pub mod http1;
pub(crate) mod multipart;
#[doc(hidden)]
pub mod request;
#[doc(hidden)]
pub mod response;
#[doc(hidden)]
pub mod status;
#[doc(hidden)]
pub mod target;

pub use date::HttpDate;
pub use fault::{Fault, RequestError};
pub use http1::Http1;
pub use request::{Expectation, Framing, Request};
pub use response::{AddedFields, FieldError, Fields, Length, MergeRule, Prepared, Transfer};
pub use status::Status;
pub use target::TargetForm;

/// Where some bytes lie in a message. With 16 bits for each number, the two spans of a field line take 8 bytes.
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

    /// The position of the first byte.
    pub fn start(self) -> usize {
        usize::from(self.at)
    }

    /// The position after the last byte.
    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    /// The number of bytes.
    pub fn len(self) -> usize {
        usize::from(self.len)
    }

    /// Whether the span has no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bytes themselves; an empty slice if the span does not lie in `message`.
    pub fn of(self, message: &[u8]) -> &[u8] {
        message.get(self.start()..self.end()).unwrap_or_default()
    }

    /// The error whose faulty bytes are these.
    pub(crate) fn error(self, fault: Fault) -> RequestError {
        RequestError::new(fault, self.start(), self.len())
    }
}

/// The version a client speaks. Any 1.x above 1.0 counts as 1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: closes by default, has no chunks and no interim responses.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// The version as it stands in a request line.
    pub fn name(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// A request method (RFC 9110 §9). Names are case-sensitive (§9.1): `get` is an unknown method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// Send the current representation (§9.3.1).
    Get,
    /// Send the head that GET would get (§9.3.2).
    Head,
    /// Process the content as the resource sees fit (§9.3.3).
    Post,
    /// Create or replace the state of the target (§9.3.4).
    Put,
    /// Remove the association of target and functionality (§9.3.5).
    Delete,
    /// Open a tunnel (§9.3.6): for proxies only.
    Connect,
    /// Say which methods are allowed (§9.3.7).
    Options,
    /// Send the request back (§9.3.8).
    Trace,
    /// Apply a partial change (RFC 5789): known here so that users of the library can route it.
    Patch,
    /// Any other token: 501.
    Other,
}

impl Method {
    /// All methods with a name, in the order of RFC 9110 §9.3.
    pub const ALL: [Method; 9] = {
        use Method::*;
        [Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch]
    };

    /// The method of this name; any other token is [`Method::Other`].
    pub fn of(name: &[u8]) -> Method {
        let known = Method::ALL.into_iter().find(|method| method.name().as_bytes() == name);
        known.unwrap_or(Method::Other)
    }

    /// The name on the wire; for [`Method::Other`] a dash.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Delete => "DELETE",
            Method::Connect => "CONNECT",
            Method::Options => "OPTIONS",
            Method::Trace => "TRACE",
            Method::Patch => "PATCH",
            Method::Other => "-",
        }
    }

    /// GET or HEAD.
    pub fn is_read(self) -> bool {
        matches!(self, Method::Get | Method::Head)
    }

    /// Safe (§9.2.1): the client asks for no change of state.
    pub fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head | Method::Options | Method::Trace)
    }
}

/// All bounds of one message, in bytes. RFC 9110 §2.3 and §5.4 leave them to the recipient: without a bound, a client
/// decides how much memory a request takes. Times and numbers of connections belong to `net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// A head, from the request line to the blank line. Over it: 431. Heads of browsers are mostly under 4 KiB.
    pub head: usize,
    /// A request target. Over it: 414. RFC 9112 §3 recommends at least 8,000.
    pub target: usize,
    /// One chunk-size line, extension included. An incomplete line stays in the input buffer, and could fill it.
    pub chunk_line: usize,
    /// All chunk extensions of one message. Without it, one byte of content could cost a kilobyte of extension.
    pub chunk_extensions: usize,
    /// The trailer section.
    pub trailer: usize,
    /// Content that is read and thrown away to keep a connection. If more is left, the connection is closed instead.
    pub discard: u64,
}

impl Limits {
    /// The defaults with these changes: `Limits::with(|it| it.head = 8 * 1024)`.
    pub fn with(change: impl FnOnce(&mut Limits)) -> Limits {
        let mut settings = Limits::default();
        change(&mut settings);
        settings
    }
}

impl Limits {
    /// No setting allows a longer head: positions in it have 16 bits ([`Span`]).
    pub const HEAD_CEILING: usize = u16::MAX as usize;
    /// Field lines of one head, and of one trailer section: the array in which they are parsed lies on the stack.
    pub const FIELD_LINES: usize = 100;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head: 16 * 1024,
            target: 8 * 1024,
            chunk_line: 1024,
            chunk_extensions: 16 * 1024,
            trailer: 8 * 1024,
            discard: 64 * 1024,
        }
    }
}

/// One step of reading: how much of the input was used, and what it was.
#[derive(Debug)]
pub struct Step<'b> {
    /// Bytes of the input that are used up: the next call begins after them.
    pub used: usize,
    /// What they were. [`Event::Content`] is always the last part of the used bytes.
    pub event: Event<'b>,
}

/// What [`Http1::receive`] found in the input.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a head lives on the stack of one turn: boxing it would allocate on every request"
)]
pub enum Event<'b> {
    /// Nothing yet: pass the unused bytes again, with more after them.
    NeedMore,
    /// A whole head. Content follows (and [`Event::End`] after it) if the framing says so.
    Request(Request<'b>, Framing),
    /// Bytes of content, without their framing.
    Content(&'b [u8]),
    /// The content is complete.
    End,
    /// The request breaks the protocol. Respond to it, then close.
    Refused(RequestError),
}

/// What to do when a response has been sent completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the next request.
    Request,
    /// Go on reading: the rest of the content must be discarded before the next request.
    Discard,
    /// Close in two steps: shut down the sending side, read until the client closes, then close. A plain close with
    /// unread bytes resets the connection, and the client may lose the response (RFC 9112 §9.6).
    Linger,
    /// Close: the client asked for it and will send nothing more.
    Close,
}

/// What it means that the client has shut down its sending side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfInput {
    /// No request is open and no response is due: close.
    Clean,
    /// The end came inside a request, which can never be complete.
    Refused(RequestError),
    /// The request is complete and the client waits for the response, which is still sent.
    ResponseOwed,
}

/// What a connection is waiting for. Each phase has its own deadline in `net`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// Content.
    Content,
    /// This server, to produce the response.
    Owed,
    /// The client, to receive the response.
    Sending,
    /// The client, to close after [`Next::Linger`].
    Lingering,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_methods_go_there_and_back_and_case_matters() {
        for method in Method::ALL {
            assert_eq!(Method::of(method.name().as_bytes()), method);
            assert_eq!(Method::of(method.name().to_lowercase().as_bytes()), Method::Other);
        }
    }
}
