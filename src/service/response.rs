//! A response as a service makes it: a status, fields, and the place of its content.
//!
//! The connection writes `Date`, `Connection`, `Content-Length` and `Transfer-Encoding`, because they depend on its
//! state. A service cannot set them ([`Response::field`]).
//!
//! Content in a file is not read into memory. The response holds the open file and the range of bytes to send, so a
//! film costs one file descriptor, and the length in the head is that of the file that is really sent.
//!
//! A service can also decide about pauses and the boundaries of chunks ([`Script`]), for teaching and for content that
//! is made while it is sent. Bytes before a pause and after it are never in the same
//! `send`, even if it lasts no time. With pauses before `Content(0)` and `Content(3)`, the content `hello` is sent in
//! three steps:
//!
//! ```text
//! head ── pause ── hel ── pause ── lo
//! ```

use std::any::Any;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::http::{Fields, Length, Status, field};
use crate::service::open_file::OpenFile;

/// Whether only the connection writes this field.
pub fn is_connection_field(name: &str) -> bool {
    const OWN: [&str; 6] = ["Date", "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Upgrade"];
    // Field names are case-insensitive (RFC 9110 §5.1).
    OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Content in memory.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// Part of the program.
    Static(&'static [u8]),
    /// Of this response alone.
    Owned(Vec<u8>),
    /// Of several responses.
    Shared(Arc<Vec<u8>>),
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Static(bytes) => bytes,
            Bytes::Owned(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

macro_rules! bytes_from {
    ($($from:ty: $value:ident => $into:expr,)*) => {
        $(impl From<$from> for Bytes {
            fn from($value: $from) -> Bytes {
                $into
            }
        })*
    };
}

bytes_from! {
    &'static str: text => Bytes::Static(text.as_bytes()),
    &'static [u8]: bytes => Bytes::Static(bytes),
    String: text => Bytes::Owned(text.into_bytes()),
    Vec<u8>: bytes => Bytes::Owned(bytes),
    Arc<Vec<u8>>: bytes => Bytes::Shared(bytes),
}

/// A piece of content that is partly in memory and partly in a file (multipart/byteranges).
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A range of the file.
    Range {
        /// The first byte.
        from: u64,
        /// The number of bytes.
        len: u64,
    },
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Range { len, .. } => *len,
        }
    }
}

/// The content of a response.
#[derive(Debug)]
#[non_exhaustive]
pub enum Body {
    /// None: `Content-Length: 0`, or no length where the status forbids content.
    Empty,
    /// In memory.
    Bytes(Bytes),
    /// A range of an open file.
    File {
        /// The file, opened and measured by the service.
        file: Arc<OpenFile>,
        /// The first byte.
        from: u64,
        /// The number of bytes.
        len: u64,
    },
    /// Pieces in memory and in a file.
    Pieces {
        /// The file of every range.
        file: Arc<OpenFile>,
        /// In the order in which they are sent.
        pieces: Vec<Piece>,
    },
    /// In chunks of given boundaries.
    Chunks(Box<ChunkedBody>),
    /// Without a length: the close of the connection ends it.
    UntilClose(Bytes),
    /// Made while it is sent.
    Stream(Box<dyn Source>),
}

impl fmt::Debug for dyn Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Body {
    /// The number of bytes, without framing; 0 for a stream, whose length is unknown.
    pub fn len(&self) -> u64 {
        match self {
            // A stream is not made yet.
            Body::Empty | Body::Stream(_) => 0,
            Body::Chunks(chunks) => chunks.data.iter().map(|data| data.len() as u64).sum(),
            Body::Bytes(bytes) | Body::UntilClose(bytes) => bytes.len() as u64,
            Body::File { len, .. } => *len,
            Body::Pieces { pieces, .. } => pieces.iter().map(Piece::len).sum(),
        }
    }

    /// How the client is told where the content ends.
    pub fn length(&self) -> Length {
        match self {
            // The length of chunks is known, but they are to be sent as chunks.
            Body::Stream(_) | Body::Chunks(_) => Length::Unknown,
            Body::UntilClose(_) => Length::UntilClose,
            _ => Length::Known(self.len()),
        }
    }

    /// Whether there is no content.
    pub fn is_empty(&self) -> bool {
        !matches!(self, Body::Stream(_)) && self.len() == 0
    }
}

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
    /// The pause before each chunk but the first, the last one included. Each chunk is a `send` of its own.
    pub gap: Duration,
}

/// Content that is made while it is sent. It goes in chunks, or to an HTTP/1.0 client until the connection closes.
pub trait Source: Send {
    /// The next bytes, which may be empty if there are none yet; `None` at the end. Called on a worker, one call at a
    /// time, and may block: no time limit of the connection runs during the call.
    ///
    /// # Errors
    /// Why there will be no more although the content is not whole. The connection is cut off, so that the client
    /// sees it.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>>;
}

/// What a scripted response has besides status, fields and content.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Script {
    /// Pauses.
    pub pauses: Vec<Pause>,
    /// Interim responses before it. An HTTP/1.0 client gets none of them.
    pub interim: Vec<(Status, Fields)>,
    /// Dropped with the response.
    pub token: DropToken,
}

/// A response.
#[derive(Debug)]
pub struct Response {
    status: Status,
    fields: Fields,
    body: Body,
    closes: bool,
    note: Option<String>,
    script: Option<Box<Script>>,
}

impl Response {
    /// A response without fields and content.
    pub fn new(status: Status) -> Response {
        Response { status, fields: Fields::new(), body: Body::Empty, closes: false, note: None, script: None }
    }

    /// Content of this media type.
    pub fn content(status: Status, media_type: &str, bytes: impl Into<Bytes>) -> Response {
        Response::new(status).field("Content-Type", media_type).with_body(Body::Bytes(bytes.into()))
    }

    /// Plain text.
    pub fn text(status: Status, text: impl Into<Bytes>) -> Response {
        Response::content(status, "text/plain; charset=utf-8", text)
    }

    /// An HTML page.
    pub fn html(status: Status, page: impl Into<Bytes>) -> Response {
        Response::content(status, "text/html; charset=utf-8", page)
    }

    /// JSON.
    pub fn json(status: Status, json: impl Into<Bytes>) -> Response {
        Response::content(status, "application/json", json)
    }

    /// Adds a field line. A line that cannot be sent (a value with a control byte, a field of the connection) turns the
    /// whole response into a 500 with a note for the log.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Response {
        // To leave out the line alone could be dangerous: it may be a Content-Security-Policy.
        if is_connection_field(name) || self.fields.push(name, value).is_err() {
            return Response::new(Status::INTERNAL_SERVER_ERROR).with_note(format!("a field cannot be sent: {name:?}"));
        }
        self
    }

    /// Replaces all lines of this name by one; else as [`Response::field`].
    pub fn replace_field(self, name: &str, value: impl AsRef<[u8]>) -> Response {
        self.without_field(name).field(name, value)
    }

    /// Removes all lines of this name.
    pub fn without_field(mut self, name: &str) -> Response {
        self.fields.remove(name);
        self
    }

    /// Adds a name to `Vary`, unless it is there already (RFC 9110 §12.5.5).
    pub(crate) fn varying_by(self, name: &str) -> Response {
        let Some(present) = self.fields.get("Vary") else { return self.field("Vary", name) };
        if field::elements(present).any(|member| member.eq_ignore_ascii_case(name.as_bytes())) {
            return self;
        }
        // Into the line that is there: a sender must not write two lines of one list (RFC 9110 §5.3).
        let both = [present, b", ", name.as_bytes()].concat();
        self.replace_field("Vary", both)
    }

    /// The same with this content.
    pub fn with_body(mut self, body: Body) -> Response {
        self.body = body;
        self
    }

    /// The same, and the connection closes after it.
    pub fn closing(mut self) -> Response {
        self.closes = true;
        self
    }

    /// The same with a note for the log. The client does not get it.
    pub fn with_note(mut self, note: impl Into<String>) -> Response {
        self.note = Some(note.into());
        self
    }

    /// The same with pauses.
    pub fn with_pauses(mut self, pauses: impl IntoIterator<Item = Pause>) -> Response {
        self.script.get_or_insert_default().pauses.extend(pauses);
        self
    }

    /// The same, after one more interim response.
    pub fn after_interim(mut self, status: Status, fields: Fields) -> Response {
        self.script.get_or_insert_default().interim.push((status, fields));
        self
    }

    /// The same with a value that is dropped at its end.
    pub fn with_token(mut self, token: DropToken) -> Response {
        self.script.get_or_insert_default().token = token;
        self
    }

    /// Whether it is more than a head and content that are sent at once.
    pub fn is_scripted(&self) -> bool {
        // A stream and chunks of given boundaries need the steps of a script, even without pauses.
        self.script.is_some() || matches!(self.body, Body::Stream(_) | Body::Chunks(_))
    }

    /// Takes the script out.
    pub fn take_script(&mut self) -> Option<Box<Script>> {
        self.script.take()
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The same with another status.
    pub fn with_status(mut self, status: Status) -> Response {
        self.status = status;
        self
    }

    /// The fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The content.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// Whether the connection closes after it.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// The note for the log.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// A response of the parts that [`Response::into_parts`] returns.
    pub(crate) fn from_parts((status, fields, body): (Status, Fields, Body)) -> Response {
        Response { fields, body, ..Response::new(status) }
    }

    /// The parts that are sent.
    pub fn into_parts(self) -> (Status, Fields, Body) {
        (self.status, self.fields, self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_sent_fails_the_whole_response() {
        let ok = Response::new(Status::OK).field("Location", "/a");
        assert_eq!((ok.status(), ok.fields().get("location")), (Status::OK, Some(&b"/a"[..])));
        for (name, value) in [("Location", "/a\r\nX: y"), ("a b", "c"), ("content-length", "5"), ("Date", "now")] {
            let bad = Response::text(Status::OK, "x").field(name, value);
            assert_eq!((bad.status(), bad.body().len()), (Status::INTERNAL_SERVER_ERROR, 0), "{name}");
            assert!(bad.note().is_some());
        }
    }
}
