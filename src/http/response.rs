//! Response heads: status line, field lines and framing as bytes (RFC 9112 §4, §6).
//!
//! The content itself is not here: [`Transfer`] says how it will be delimited, and the owner of the
//! socket sends it.

use crate::http::date::DATE_LENGTH;
use crate::http::fields::{AddedFields, Fields};
use crate::http::grammar::push_decimal;
use crate::http::{HttpDate, Status, Version};

/// How long the content of a response is, as far as the service knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Exactly this many bytes.
    Known(u64),
    /// Known only when the content ends.
    Unknown,
    /// Not said in the head: the connection ends after the content.
    UntilClose,
}

impl Length {
    /// How a head with this status announces such content to a client of this version. A response to
    /// HEAD announces the same, though its content is not sent.
    pub(crate) fn announced(self, status: Status, version: Version) -> Transfer {
        match (self, version) {
            // Such a response has no content, and a length would be wrong or forbidden (RFC 9110 §8.6).
            _ if status.forbids_content() => Transfer::Nothing,
            (Length::Known(length), _) => Transfer::Exactly(length),
            // Chunks are better than the close of the connection: they tell a complete response from one
            // that broke off.
            (Length::Unknown, Version::Http11) => Transfer::Chunked,
            (Length::Unknown, Version::Http10) | (Length::UntilClose, _) => Transfer::UntilClose,
        }
    }
}

/// How the content of a response is delimited, as its head announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// There is none (RFC 9112 §6.3, rule 1).
    Nothing,
    /// This many bytes: not one more, not one less.
    Exactly(u64),
    /// In chunks ([`crate::http::chunked`]).
    Chunked,
    /// Until the connection closes: for HTTP/1.0, which has no chunks.
    UntilClose,
}

/// What a head says about the connection after this response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// HTTP/1.1 and the connection goes on: no field is needed.
    Implied,
    /// HTTP/1.0 and the connection goes on: `Connection: keep-alive`.
    KeepAlive,
    /// `Connection: close`.
    Close,
}

impl Persistence {
    /// For a client of this version.
    pub(crate) fn of(persistent: bool, version: Version) -> Persistence {
        match (persistent, version) {
            (false, _) => Persistence::Close,
            (true, Version::Http10) => Persistence::KeepAlive,
            (true, Version::Http11) => Persistence::Implied,
        }
    }

    fn line(self) -> &'static [u8] {
        match self {
            Persistence::Implied => b"",
            Persistence::KeepAlive => b"Connection: keep-alive\r\n",
            Persistence::Close => b"Connection: close\r\n",
        }
    }
}

/// Appends a final response head: status line, Date, Connection, framing, fields, blank line.
///
/// `fields` are those of the response itself; `added` are merged into them here and in
/// [`Prepared::write`], and nowhere else, so every response carries them.
pub(crate) fn write_head(
    out: &mut Vec<u8>,
    status: Status,
    fields: &Fields,
    added: &AddedFields,
    date: &HttpDate,
    announced: Transfer,
    persistence: Persistence,
) {
    write_status_line(out, status);
    // Date and Connection come first: what differs between clients then lies in one place, and
    // `Prepared` can send everything else as it is.
    for part in [DATE_NAME, date.bytes(), b"\r\n", persistence.line()] {
        out.extend_from_slice(part);
    }
    match announced {
        // The second one is announced by `Connection: close`.
        Transfer::Nothing | Transfer::UntilClose => {}
        Transfer::Exactly(length) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Transfer::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    added.merge(status, fields.bytes(), out);
    out.extend_from_slice(b"\r\n");
}

/// The start of the line after the status line.
const DATE_NAME: &[u8] = b"Date: ";

/// Appends an interim response (1xx): status line, fields, blank line. It has no content, so nothing
/// announces its length.
pub(crate) fn write_interim(out: &mut Vec<u8>, status: Status, fields: &Fields) {
    write_status_line(out, status);
    // No Date: an interim response need not have one (RFC 9110 §6.6.1).
    out.extend_from_slice(fields.bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, status: Status) {
    // The version is the highest this server speaks, not the client's (RFC 9110 §6.2).
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, u64::from(status.code()));
    out.push(b' ');
    out.extend_from_slice(status.reason().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A whole response that is put into bytes once and sent many times.
///
/// Status line, fields and content are the same for all clients. The date and the Connection line are
/// not: they stand directly after the status line, so that sending is two copies with a few bytes
/// between them. Whether the response is still up to date is decided where it is kept.
#[derive(Clone, Debug)]
pub struct Prepared {
    status: Status,
    bytes: Box<[u8]>,
    /// The position of the date.
    date: usize,
    /// The position after the head.
    head: usize,
    /// Bytes of content, wherever they are kept.
    content: u64,
}

impl Prepared {
    /// A response with this content. With a status that forbids content it has none, and says no length.
    pub fn new(status: Status, fields: &Fields, content: &[u8]) -> Prepared {
        // A client would take such bytes for the start of the next response.
        let content = if status.forbids_content() { &[] } else { content };
        let mut prepared = Prepared::without_content(status, fields, content.len() as u64);
        let mut bytes = std::mem::take(&mut prepared.bytes).into_vec();
        bytes.extend_from_slice(content);
        Prepared { bytes: bytes.into_boxed_slice(), ..prepared }
    }

    /// The head alone of a response whose content of `content` bytes is kept elsewhere.
    pub fn without_content(status: Status, fields: &Fields, content: u64) -> Prepared {
        let mut bytes = Vec::with_capacity(256 + fields.bytes().len());
        // The function that writes every other head, so a prepared response cannot differ from a fresh
        // one. The date is a placeholder of the right length.
        let announced = Length::Known(content).announced(status, Version::Http11);
        write_head(
            &mut bytes,
            status,
            fields,
            &AddedFields::NONE,
            &HttpDate::from_second(0),
            announced,
            Persistence::Implied,
        );
        let status_line = bytes.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        let head = bytes.len();
        Prepared { status, bytes: bytes.into_boxed_slice(), date: status_line + DATE_NAME.len(), head, content }
    }

    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The head, with some date.
    pub fn head(&self) -> &[u8] {
        &self.bytes[..self.head]
    }

    /// Bytes of content.
    pub fn content_len(&self) -> u64 {
        self.content
    }

    /// Bytes it takes in memory.
    pub fn weight(&self) -> usize {
        self.bytes.len() + size_of::<Prepared>()
    }

    /// Appends the response, with or without the content it holds.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        added: &AddedFields,
        date: &HttpDate,
        persistence: Persistence,
        content: bool,
    ) {
        let after_date = self.date + DATE_LENGTH + b"\r\n".len();
        let end = if content { self.bytes.len() } else { self.head };
        out.extend_from_slice(&self.bytes[..self.date]);
        out.extend_from_slice(date.bytes());
        out.extend_from_slice(b"\r\n");
        // Here the Connection line goes in, where `write_head` would have put it.
        out.extend_from_slice(persistence.line());
        // Added fields come last, so they go in before the blank line.
        let blank_line = self.head - b"\r\n".len();
        added.merge(self.status, &self.bytes[after_date..blank_line], out);
        out.extend_from_slice(&self.bytes[blank_line..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Http1, Limits};

    #[test]
    fn a_head_is_a_status_line_fields_and_a_blank_line() {
        let mut out = Vec::new();
        let mut fields = Fields::new();
        fields.push("X", "y").unwrap();
        let date = HttpDate::from_second(0);
        write_head(&mut out, Status::OK, &fields, &AddedFields::NONE, &date, Transfer::Exactly(5), Persistence::Close);
        let text = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\nContent-Length: 5\r\nX: y\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn a_prepared_response_is_the_fresh_one_byte_by_byte() {
        let mut fields = Fields::new();
        fields.push("ETag", "\"a\"").unwrap();
        let date = HttpDate::from_second(784_111_777);
        for status in [Status::OK, Status::NOT_MODIFIED, Status::NOT_FOUND] {
            for request in [
                "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                "GET / HTTP/1.0\r\n\r\n",
                "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n",
            ] {
                let mut fresh = Http1::new(Limits::default());
                let mut ready = fresh.clone();
                fresh.receive(request.as_bytes());
                ready.receive(request.as_bytes());
                let (mut one, mut other) = (Vec::new(), Vec::new());
                let transfer = fresh.respond(status, &fields, Length::Known(5), &AddedFields::NONE, &date, &mut one);
                if transfer != Transfer::Nothing {
                    one.extend_from_slice(b"hello");
                }
                ready.respond_prepared(
                    &Prepared::new(status, &fields, b"hello"),
                    &AddedFields::NONE,
                    &date,
                    &mut other,
                );
                assert_eq!(String::from_utf8(one), String::from_utf8(other), "{status} {request}");
                assert_eq!(fresh.sent(), ready.sent(), "{status} {request}");
            }
        }
    }
}
