//! A response as a service makes it: status, fields, and where its content comes from.
//!
//! Never: `Date`, `Connection`, `Content-Length`, `Transfer-Encoding`. The connection writes those, from
//! what it really does; a service that names one of them is not believed ([`Response::field`]).
//!
//! The subtle thing: content that lies in a file stays there. A response carries the open file and the
//! bytes of it that are meant, so a film costs a descriptor and not memory, and the length in the
//! head is that of the very file that is sent.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use crate::http::{Fields, Length, Status};
use crate::service::script::{ChunkedBody, DropToken, Pause, Script, Source};

/// Fields that only the connection may write: they say what it does, so they must not be guessed.
pub const CONNECTION_FIELDS: [&str; 6] =
    ["Date", "Connection", "Content-Length", "Transfer-Encoding", "Keep-Alive", "Upgrade"];

/// Whether only the connection may write this field.
pub fn is_connection_field(name: &str) -> bool {
    CONNECTION_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Content held in memory.
#[derive(Clone, Debug)]
pub enum Bytes {
    /// Part of the program.
    Static(&'static [u8]),
    /// Made for this response.
    Owned(Vec<u8>),
    /// Made once, sent often.
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

impl From<&'static str> for Bytes {
    fn from(text: &'static str) -> Bytes {
        Bytes::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(bytes: &'static [u8]) -> Bytes {
        Bytes::Static(bytes)
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Bytes {
        Bytes::Owned(text.into_bytes())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes::Owned(bytes)
    }
}

impl From<Arc<Vec<u8>>> for Bytes {
    fn from(bytes: Arc<Vec<u8>>) -> Bytes {
        Bytes::Shared(bytes)
    }
}

/// A piece of content that alternates between memory and file (multipart/byteranges).
#[derive(Debug)]
pub enum Piece {
    /// These bytes.
    Bytes(Vec<u8>),
    /// `len` bytes of the file from `from` on.
    Range {
        /// The first byte.
        from: u64,
        /// How many.
        len: u64,
    },
}

/// Where the content of a response comes from.
pub enum Body {
    /// There is none: `Content-Length: 0`, or no length where the status forbids content.
    Empty,
    /// From memory.
    Bytes(Bytes),
    /// `len` bytes of an open file from `from` on.
    File {
        /// The file, opened and measured by whoever made the response.
        file: Arc<File>,
        /// The first byte.
        from: u64,
        /// How many.
        len: u64,
    },
    /// From memory and file in turns.
    Pieces {
        /// The file every range refers to.
        file: Arc<File>,
        /// In the order in which they are sent.
        pieces: Vec<Piece>,
    },
    /// In chunks of chosen borders.
    Chunks(Box<ChunkedBody>),
    /// Without a length: the connection ends behind it.
    UntilClose(Bytes),
    /// Made while it is sent.
    Stream(Box<dyn Source>),
}

impl Body {
    /// How many bytes it has, as far as that is known.
    pub fn len(&self) -> u64 {
        match self {
            Body::Empty | Body::Stream(_) => 0,
            Body::Chunks(chunks) => chunks.data.iter().map(|data| data.len() as u64).sum(),
            Body::UntilClose(bytes) => bytes.len() as u64,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File { len, .. } => *len,
            Body::Pieces { pieces, .. } => pieces.iter().map(Piece::len).sum(),
        }
    }

    /// How its end is told to the client.
    pub fn length(&self) -> Length {
        match self {
            Body::Stream(_) | Body::Chunks(_) => Length::Unknown,
            Body::UntilClose(_) => Length::UntilClose,
            _ => Length::Known(self.len()),
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        !matches!(self, Body::Stream(_)) && self.len() == 0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Bytes(bytes) => f.debug_tuple("Octets").field(bytes).finish(),
            Body::File { from, len, .. } => f.debug_struct("File").field("from", from).field("len", len).finish(),
            Body::Pieces { pieces, .. } => f.debug_tuple("Pieces").field(pieces).finish(),
            Body::Chunks(chunks) => f.debug_tuple("Chunks").field(chunks).finish(),
            Body::UntilClose(bytes) => f.debug_tuple("UntilClose").field(bytes).finish(),
            Body::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Piece {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        match self {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::Range { len, .. } => *len,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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

    /// A page.
    pub fn html(status: Status, page: impl Into<Bytes>) -> Response {
        Response::content(status, "text/html; charset=utf-8", page)
    }

    /// JSON.
    pub fn json(status: Status, json: impl Into<Bytes>) -> Response {
        Response::content(status, "application/json", json)
    }

    /// Adds a field line.
    ///
    /// A line that cannot be sent (a value with a control byte, a field of the connection) turns the
    /// whole response into a 500 with a note for the log: sending the rest as if nothing were wrong
    /// could drop the one line that mattered, such as a Content-Security-Policy.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Response {
        if is_connection_field(name) || self.fields.push(name, value).is_err() {
            return Response::new(Status::INTERNAL_SERVER_ERROR).with_note(format!("a field cannot be sent: {name:?}"));
        }
        self
    }

    /// Puts one line in the place of every line of this name; as [`Response::field`] otherwise.
    pub fn replace_field(mut self, name: &str, value: impl AsRef<[u8]>) -> Response {
        self.fields.remove(name);
        self.field(name, value)
    }

    /// Takes out every line of this name.
    pub fn without_field(mut self, name: &str) -> Response {
        self.fields.remove(name);
        self
    }

    /// The same with one more name in `Vary` (RFC 9110 §12.5.5).
    pub(crate) fn varying_by(self, name: &str) -> Response {
        match self.fields.get("Vary") {
            None => self.field("Vary", name),
            Some(present)
                if present.split(|&b| b == b',').any(|n| n.trim_ascii().eq_ignore_ascii_case(name.as_bytes())) =>
            {
                self
            }
            Some(present) => {
                let both = [present, b", ", name.as_bytes()].concat();
                self.replace_field("Vary", both)
            }
        }
    }

    /// The same with this content.
    pub fn with_body(mut self, body: Body) -> Response {
        self.body = body;
        self
    }

    /// The same, and the connection ends after it.
    pub fn closing(mut self) -> Response {
        self.closes = true;
        self
    }

    /// The same with a note for the log: what the client is not told.
    pub fn with_note(mut self, note: impl Into<String>) -> Response {
        self.note = Some(note.into());
        self
    }

    /// The same, with silence before bytes of it.
    pub fn with_pauses(mut self, pauses: impl IntoIterator<Item = Pause>) -> Response {
        self.script.get_or_insert_default().pauses.extend(pauses);
        self
    }

    /// The same, after an interim response.
    pub fn after_interim(mut self, status: Status, fields: Fields) -> Response {
        self.script.get_or_insert_default().interim.push((status, fields));
        self
    }

    /// The same, and this lives as long as it.
    pub fn with_token(mut self, token: DropToken) -> Response {
        self.script.get_or_insert_default().token = token;
        self
    }

    /// Whether it is more than a head and content that leave at once.
    pub fn is_scripted(&self) -> bool {
        self.script.is_some() || matches!(self.body, Body::Stream(_) | Body::Chunks(_))
    }

    /// Takes out what a script has added.
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

    /// Whether the connection must end after it.
    pub fn closes(&self) -> bool {
        self.closes
    }

    /// The note for the log.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Put together again from what [`Response::into_parts`] has given.
    pub(crate) fn from_parts((status, fields, body): (Status, Fields, Body)) -> Response {
        Response { fields, body, ..Response::new(status) }
    }

    /// Taken apart for sending.
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
