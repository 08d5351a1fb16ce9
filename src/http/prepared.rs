//! A response put into bytes once and sent often.
//!
//! What is the same for every client lies ready: status line, fields, content. What is not is the date
//! and what is said of the connection; both have their place directly behind the status line, so that
//! sending is two copies with a few bytes between them.
//!
//! Never: a decision whether it is still true. That is its keeper's.
//!
//! The subtle thing: it is made by the same function that writes every other head
//! ([`crate::http::response::write_head`]), so a prepared answer cannot differ from a fresh one by so much
//! as a space; a test holds the two beside each other.

use crate::http::date::{DATE_LENGTH, HttpDate};
use crate::http::response::{Fields, Persistence, write_connection, write_head};
use crate::http::status::Status;

/// A whole response without its date and its connection line.
#[derive(Clone, Debug)]
pub struct Prepared {
    status: Status,
    bytes: Box<[u8]>,
    /// Where the date lies.
    date: usize,
    /// Where the head ends.
    head: usize,
    /// Bytes of content, here or elsewhere.
    content: u64,
}

impl Prepared {
    /// A response with this content; a status that forbids content has none and says no length.
    pub fn new(status: Status, fields: &Fields, content: &[u8]) -> Prepared {
        let content = if status.forbids_content() { &[] } else { content };
        let mut prepared = Prepared::without_content(status, fields, content.len() as u64);
        let mut bytes = std::mem::take(&mut prepared.bytes).into_vec();
        bytes.extend_from_slice(content);
        Prepared { bytes: bytes.into_boxed_slice(), ..prepared }
    }

    /// The head alone of a response whose content, `content` bytes, lies elsewhere.
    pub fn without_content(status: Status, fields: &Fields, content: u64) -> Prepared {
        let mut bytes = Vec::with_capacity(256 + fields.bytes().len());
        let length = (!status.forbids_content()).then_some(("Content-Length", content));
        write_head(&mut bytes, status, fields, &HttpDate::from_second(0), length, Persistence::Implied);
        // "Date: " stands first behind the status line.
        let line = bytes.iter().position(|&o| o == b'\n').map_or(0, |at| at + 1);
        let head = bytes.len();
        Prepared { status, bytes: bytes.into_boxed_slice(), date: line + b"Date: ".len(), head, content }
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

    /// Appends it, with or without its content.
    pub(crate) fn write(&self, out: &mut Vec<u8>, date: &HttpDate, persistence: Persistence, content: bool) {
        let after = self.date + DATE_LENGTH + b"\r\n".len();
        let end = if content { self.bytes.len() } else { self.head };
        out.extend_from_slice(&self.bytes[..self.date]);
        out.extend_from_slice(date.bytes());
        out.extend_from_slice(b"\r\n");
        write_connection(out, persistence);
        out.extend_from_slice(&self.bytes[after..end]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Http1, Length, Limits};

    #[test]
    fn a_prepared_answer_is_the_fresh_one_byte_by_byte() {
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
                let transfer = fresh.respond(status, &fields, Length::Known(5), &date, &mut one);
                if transfer != crate::http::Transfer::Nothing {
                    one.extend_from_slice(b"hello");
                }
                ready.respond_prepared(&Prepared::new(status, &fields, b"hello"), &date, &mut other);
                assert_eq!(String::from_utf8(one), String::from_utf8(other), "{status} {request}");
                assert_eq!(fresh.sent(), ready.sent(), "{status} {request}");
            }
        }
    }
}
