//! Response heads: status line, field lines and framing put into bytes (RFC 9112 §4, §6).
//!
//! Never: the content itself. This file says how the content will be delimited ([`Transfer`]); whoever
//! owns the socket sends it.
//!
//! The subtle thing: [`Fields`] is the only way a field line gets into a response, and it takes no
//! value with CR, LF or NUL. A value copied from a request (a redirect's target, a file name) can
//! therefore never add a line of its own: response splitting has no place to happen.

use crate::http::date::HttpDate;
use crate::http::grammar;
use crate::http::grammar::{is_field_byte, is_token, trim};
use crate::http::status::Status;

/// The field lines of a response, ready as bytes: `Name: value CR LF`, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
}

/// A field that cannot be sent: its name is no token, or its value has a control byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidField;

impl Fields {
    /// No field lines.
    pub const fn new() -> Fields {
        Fields { bytes: Vec::new() }
    }

    /// The lines as they go onto the wire, without the blank line.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`InvalidField`] when `name` is no token or `value` contains a control byte; nothing is added.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        let value = trim(value.as_ref());
        if !is_token(name.as_bytes()) || !value.iter().all(|&o| is_field_byte(o)) {
            return Err(InvalidField);
        }
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.bytes.extend_from_slice(part);
        }
        Ok(())
    }

    /// Puts one line in the place of every line of this name.
    ///
    /// # Errors
    /// As [`Fields::push`].
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), InvalidField> {
        self.remove(name);
        self.push(name, value)
    }

    /// Takes out every line of this name.
    pub fn remove(&mut self, name: &str) {
        if !self.has(name) {
            return;
        }
        let mut kept = Vec::with_capacity(self.bytes.len());
        for (other, value) in self.iter() {
            if !other.eq_ignore_ascii_case(name.as_bytes()) {
                for part in [other, b": ", value, b"\r\n"] {
                    kept.extend_from_slice(part);
                }
            }
        }
        self.bytes = kept;
    }

    /// The value of the first line of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let line = self.bytes.split(|&o| o == b'\n').find(|line| is_of(line, name))?;
        Some(trim(line[name.len() + 1..].strip_suffix(b"\r").unwrap_or_default()))
    }

    /// Whether there is a line of this name. Looked for from the end, where the fields are that somebody
    /// has added to all responses: it is those that are asked about.
    pub fn has(&self, name: &str) -> bool {
        self.bytes.rsplit(|&o| o == b'\n').any(|line| is_of(line, name))
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.bytes.split(|&o| o == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = line.iter().position(|&o| o == b':')?;
            Some((&line[..colon], trim(&line[colon + 1..])))
        })
    }
}

/// Whether this line has this name: by the length first, since nearly every line is another one.
fn is_of(line: &[u8], name: &str) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

/// How long the content of a response is, as far as its maker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Exactly this many bytes.
    Known(u64),
    /// Known when it ends.
    Unknown,
    /// Never said: the connection ends behind it.
    UntilClose,
}

/// How the content of a response is delimited on the wire, as it was announced in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// There is none (RFC 9112 §6.3 rule 1).
    Nothing,
    /// This many bytes: not one more, not one less.
    Exactly(u64),
    /// In chunks ([`crate::http::chunked`]).
    Chunked,
    /// Until the connection closes: for HTTP/1.0, which knows no chunks.
    UntilClose,
}

/// What the head says of the connection after this response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// HTTP/1.1 and going on: nothing needs saying.
    Implied,
    /// HTTP/1.0 and going on: `Connection: keep-alive`.
    KeepAlive,
    /// `Connection: close`.
    Close,
}

/// Appends a final response head.
pub fn write_head(
    out: &mut Vec<u8>,
    status: Status,
    fields: &Fields,
    date: &HttpDate,
    transfer: Option<(&str, u64)>,
    persistence: Persistence,
) {
    write_status_line(out, status);
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(date.bytes());
    out.extend_from_slice(b"\r\n");
    write_connection(out, persistence);
    match transfer {
        None => {}
        Some(("Content-Length", length)) => {
            out.extend_from_slice(b"Content-Length: ");
            grammar::push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Some((name, _)) => {
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b": chunked\r\n");
        }
    }
    out.extend_from_slice(fields.bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends what the head says of the connection, if it needs saying.
pub(crate) fn write_connection(out: &mut Vec<u8>, persistence: Persistence) {
    match persistence {
        Persistence::Implied => {}
        Persistence::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        Persistence::Close => out.extend_from_slice(b"Connection: close\r\n"),
    }
}

/// Appends an interim response (1xx): status line, fields, blank line.
pub fn write_interim(out: &mut Vec<u8>, status: Status, fields: &Fields) {
    write_status_line(out, status);
    out.extend_from_slice(fields.bytes());
    out.extend_from_slice(b"\r\n");
}

fn write_status_line(out: &mut Vec<u8>, status: Status) {
    // The version is this server's, not the client's (RFC 9110 §6.2).
    out.extend_from_slice(b"HTTP/1.1 ");
    grammar::push_decimal(out, u64::from(status.code()));
    out.push(b' ');
    out.extend_from_slice(status.reason().as_bytes());
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_line_end_never_becomes_a_line() {
        let mut fields = Fields::new();
        for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\x7f"] {
            assert_eq!(fields.push("Location", value), Err(InvalidField), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\n", "ä"] {
            assert_eq!(fields.push(name, "x"), Err(InvalidField), "{name:?}");
        }
        assert!(fields.bytes().is_empty());
    }

    #[test]
    fn lines_are_added_replaced_and_found_whatever_their_case() {
        let mut fields = Fields::new();
        fields.push("Vary", "Accept").unwrap();
        fields.push("ETag", "\"a\"").unwrap();
        fields.push("vary", "Origin").unwrap();
        assert_eq!(fields.get("VARY"), Some(&b"Accept"[..]));
        fields.set("Vary", " * ").unwrap();
        assert_eq!(fields.bytes(), b"ETag: \"a\"\r\nVary: *\r\n");
        fields.remove("etag");
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"Vary"[..], &b"*"[..])]);
        let mut two = Fields::new();
        two.push("A", "1").unwrap();
        two.push("Ab", "2").unwrap();
        two.push("a", "3").unwrap();
        assert_eq!((two.get("a"), two.get("AB"), two.get("b")), (Some(&b"1"[..]), Some(&b"2"[..]), None));
        assert!(two.has("A") && two.has("aB") && !two.has("b") && !two.has("") && !two.has("Ab: 2"));
    }

    #[test]
    fn a_head_is_a_status_line_fields_and_a_blank_line() {
        let mut out = Vec::new();
        let mut fields = Fields::new();
        fields.push("X", "y").unwrap();
        let date = HttpDate::from_second(0);
        write_head(&mut out, Status::OK, &fields, &date, Some(("Content-Length", 5)), Persistence::Close);
        let text = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\nContent-Length: 5\r\nX: y\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }
}
