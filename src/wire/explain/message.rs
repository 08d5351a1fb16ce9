//! One explained message: its lines, its spans, how its content is delimited, and the bytes that were kept.
//!
//! Every byte of a message lies in exactly one span, and every span has one kind and one note. All positions count
//! the bytes on the wire, also where bytes were not kept ([`Excerpt`]): the message of a gigabyte has true offsets
//! and needs some 2 KiB of memory. Messages reach their readers redacted (`redact`). They
//! contain no text that repeats bytes: lengths are numbers and reasons are notes.

use crate::http::grammar::decimal;
use crate::http::{Fault, field};
use crate::say;
pub use crate::wire::explain::excerpt::Excerpt;
pub use crate::wire::explain::spans::{LineKind, MessageLine, MessageSpan, SpanKind};
use crate::wire::explain::texts::say_parts;
use crate::wire::explain::{Awaited, NoteId, UnderWay, part};

/// The side that sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The client.
    Request,
    /// The server.
    Response,
}

impl Role {
    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Request => "request",
            Role::Response => "response",
        }
    }
}

/// How the content of a message is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentFraming {
    /// The rule of that section, 1 to 8.
    pub rule: u8,
    /// What the rule found.
    pub content: ContentKind,
}

/// The content of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    /// There is none.
    None,
    /// There is none because of this status.
    NoneBy(u16),
    /// There is none because the request was HEAD.
    NoneByHead,
    /// This number of bytes was announced.
    Length(u64),
    /// It came in chunks.
    Chunked {
        /// Chunks, without the last one.
        chunks: u64,
        /// Bytes in them.
        bytes: u64,
    },
    /// This number of bytes came before the end of the connection.
    UntilClose(u64),
    /// The bytes that follow are not HTTP.
    Tunnel,
}

impl ContentFraming {
    /// One sentence with its reason, as the words in bold and the rest; [`ContentFraming::section`] is its source.
    pub(crate) fn sentence(&self) -> (String, String) {
        match (self.content, self.rule) {
            (ContentKind::None, _) => say_parts!("framing/none"),
            (ContentKind::NoneBy(status), _) => say_parts!("framing/status", status = status.to_string()),
            (ContentKind::NoneByHead, _) => say_parts!("framing/head"),
            (ContentKind::Length(0), _) => say_parts!("framing/zero"),
            (ContentKind::Length(bytes), _) => say_parts!("framing/length", bytes, length = bytes.to_string()),
            // Only a response can follow rule 3: a request with both fields is refused.
            (ContentKind::Chunked { chunks, bytes }, 3) => say_parts!("framing/chunked-counts", chunks, bytes),
            (ContentKind::Chunked { chunks, bytes }, _) => say_parts!("framing/chunked", chunks, bytes),
            (ContentKind::UntilClose(bytes), 4) => say_parts!("framing/not-chunked", bytes),
            (ContentKind::UntilClose(bytes), _) => say_parts!("framing/close", bytes),
            // Rule 1 covers 101 Switching Protocols, rule 2 a successful CONNECT.
            (ContentKind::Tunnel, 1) => say_parts!("framing/switched"),
            (ContentKind::Tunnel, _) => say_parts!("framing/tunnel"),
        }
    }

    /// The same while the message is under way, with the bytes of content that came.
    fn sentence_so_far(&self, arrived: u64) -> (String, String) {
        match self.content {
            ContentKind::Length(length) => {
                say_parts!("framing/length-so-far", arrived, promised = length, length = length.to_string())
            }
            ContentKind::Chunked { chunks, bytes } => say_parts!("framing/chunks-so-far", chunks, bytes),
            _ => say_parts!("framing/close-so-far", arrived),
        }
    }

    /// The section, with the number of the rule.
    pub fn section(&self) -> String {
        format!("RFC 9112 §6.3 rule {}", self.rule)
    }

    /// The note of the rule.
    pub fn note(&self) -> NoteId {
        match (self.rule, self.content) {
            // Rule 4 has two parts; the note of this one is that of every response without a length.
            (4, ContentKind::UntilClose(_)) => NoteId::framing_rule(8),
            (rule, _) => NoteId::framing_rule(rule),
        }
    }
}

/// Where and why a message is invalid or incomplete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The first faulty byte, counted from the start of the message.
    pub at: u64,
    /// The number of bytes; 0 when something is missing at `at`.
    pub len: u64,
    /// The rule that is broken.
    pub note: NoteId,
    /// It is not invalid but incomplete: the stream ended.
    pub cut_off: bool,
}

/// One message, explained.
#[derive(Clone, Debug)]
pub struct Message {
    /// The side that sent it.
    pub role: Role,
    /// The exchange of its connection it belongs to, counted from 1.
    pub exchange: u64,
    /// Its first byte, counted from the first byte of its side of the connection.
    pub start: u64,
    /// The length of the head; that of the message if the head never ended.
    pub head_end: u64,
    /// How its content is delimited; `None` if the head is invalid.
    pub framing: Option<ContentFraming>,
    /// Its lines.
    pub lines: Vec<MessageLine>,
    /// Its spans: sorted, disjoint, covering every byte.
    pub spans: Vec<MessageSpan>,
    /// What is wrong with it.
    pub error: Option<MessageError>,
    /// Its bytes, redacted.
    pub bytes: Excerpt,
    /// Its content was sent from a file by `sendfile` and never passed through the program.
    pub from_file: bool,
    /// Its content is hidden because it may repeat a secret of the request that was not kept.
    pub hidden: bool,
    /// Some of its bytes were redacted.
    pub masked: bool,
    /// It is not complete, and more of it is expected.
    pub under_way: Option<UnderWay>,
}

impl Message {
    /// The number of its bytes.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether it has no bytes; no message is built of none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte after the last one, counted from the first byte of its side.
    pub fn end(&self) -> u64 {
        self.start + self.len()
    }

    /// The number of bytes of content that came, with chunk framing.
    pub fn content_len(&self) -> u64 {
        self.len().saturating_sub(self.head_end)
    }

    /// The bytes of the first span of this kind.
    pub fn part(&self, kind: SpanKind) -> &[u8] {
        // A head is kept whole, so its parts are always there. Of content nothing is returned if a part of it is
        // missing.
        let span = self.spans.iter().find(|span| span.kind == kind);
        span.and_then(|span| self.bytes.whole(span.start, span.len)).unwrap_or_default()
    }

    /// The target as it stands in the request line, redacted.
    pub fn target(&self) -> &[u8] {
        // A target has many spans; it is all that stands between the method and the version.
        let mut ends = self.spans.iter().filter(|span| matches!(span.kind, SpanKind::Method | SpanKind::Version));
        let Some(from) = ends.next().map(|method| method.end() + 1) else { return &[] };
        let line = self.lines.iter().find(|line| line.kind == LineKind::Start);
        // HTTP/0.9 has no version: then the target goes to the end of the line.
        let line_end = || line.map_or(from, |line| line.start + line.len);
        let to = ends.next().map_or_else(line_end, |version| version.start.saturating_sub(1));
        self.bytes.whole(from, to.saturating_sub(from)).unwrap_or_default()
    }

    /// The status code of a response, 0 if it has none.
    pub fn status(&self) -> u16 {
        // An invalid status line has a span for the status too; its bytes may not be a number.
        decimal(self.part(SpanKind::Status)).and_then(|code| u16::try_from(code).ok()).unwrap_or(0)
    }

    /// Whether it is an interim response.
    pub fn is_interim(&self) -> bool {
        self.role == Role::Response && (100..200).contains(&self.status())
    }

    /// Whether it is no message, but the bytes of one side that no parser reads: those after a fault, after the last
    /// message, and in a tunnel. It belongs to the exchange before them. A PROXY
    /// header is no message either, and belongs to the first exchange.
    pub fn is_unparsed(&self) -> bool {
        // A message has a head, or the part of one up to its fault.
        self.framing.is_none() && self.head_end == 0
    }

    /// Whether it is the PROXY header of a connection: bytes before the first request that are not HTTP.
    pub fn is_proxy_header(&self) -> bool {
        self.is_unparsed() && self.lines.first().is_some_and(|line| line.note == part::PROXY_HEADER)
    }

    /// Whether the content of a request ends early and nothing is wrong with that: the response came before.
    pub fn is_left_off(&self) -> bool {
        self.error.is_none()
            && self.under_way.is_none()
            && self.role == Role::Request
            && match self.framing.map(|framing| framing.content) {
                Some(ContentKind::Length(length)) => self.content_len() < length,
                // Complete chunked content ends with the blank line after the trailer section.
                Some(ContentKind::Chunked { .. }) => self.lines.last().is_none_or(|l| l.kind != LineKind::TrailerEnd),
                _ => false,
            }
    }

    /// One sentence about its content, with the reason, as the words in bold and the rest: how long it is, or how much
    /// was promised and how much of that came. [`ContentFraming::section`] is its source.
    pub(crate) fn framing_parts(&self) -> Option<(String, String)> {
        let framing = self.framing?;
        if let Some(UnderWay { awaits, arrived, .. }) = self.under_way
            && awaits != Awaited::Turn
        {
            return Some(framing.sentence_so_far(arrived));
        }
        let reason = match self.error {
            None if self.is_left_off() => say!("end/unread"),
            Some(error) if error.note.as_fault() == Some(Fault::SlowContent) => say!("end/slow"),
            Some(error) if error.cut_off => say!("end/cut"),
            _ => return Some(framing.sentence()),
        };
        let arrived = self.content_len();
        Some(match (framing.content, self.role) {
            (ContentKind::Length(promised), role) if arrived < promised => {
                let missing = promised - arrived;
                match role {
                    Role::Request => say_parts!("framing/length-part", arrived, promised, missing, reason),
                    Role::Response => say_parts!("framing/length-part-sent", arrived, promised, missing, reason),
                }
            }
            (ContentKind::Chunked { chunks, bytes }, Role::Request) => {
                say_parts!("framing/chunks-part", chunks, bytes, reason)
            }
            (ContentKind::Chunked { chunks, bytes }, Role::Response) => {
                say_parts!("framing/chunks-part-sent", chunks, bytes, reason)
            }
            _ => framing.sentence(),
        })
    }

    /// The same as one text.
    pub fn framing_sentence(&self) -> Option<String> {
        self.framing_parts().map(|(bold, rest)| bold + &rest)
    }

    /// Whether a request asks to speak another protocol after it: CONNECT, or a field Upgrade.
    pub fn asks_for_tunnel(&self) -> bool {
        self.part(SpanKind::Method) == b"CONNECT" || find_field(&self.fields(), "upgrade").is_some()
    }

    /// Whether the bytes after it are not HTTP: a 2xx response to CONNECT, or 101.
    pub fn begins_tunnel(&self) -> bool {
        self.framing.is_some_and(|framing| framing.content == ContentKind::Tunnel)
    }

    /// What is wrong with this line.
    pub(crate) fn error_in(&self, line: &MessageLine) -> Option<MessageError> {
        self.error.filter(|error| error.len > 0 && line.start <= error.at && error.at < line.start + line.len)
    }

    /// Names and values of the field lines of the head, in the case and order of the wire.
    pub(crate) fn fields(&self) -> Vec<(&[u8], &[u8])> {
        let lines = self.lines.iter().filter(|line| line.kind == LineKind::Field);
        // A line without colon has no value, and a line that was not kept whole could be read as another field.
        lines.filter_map(|line| field::split_line(self.bytes.whole(line.start, line.len)?)).collect()
    }

    /// The content without chunk framing, as far as it was kept, and whether that is all of it.
    pub(crate) fn content(&self) -> (Vec<u8>, bool) {
        let (mut content, mut complete) = (Vec::new(), self.error.is_none());
        let is_content = |line: &&MessageLine| matches!(line.kind, LineKind::Body | LineKind::ChunkData);
        for line in self.lines.iter().filter(is_content) {
            let (first, gap, last) = self.bytes.get(line.start, line.len);
            // A line of this note stands for many chunks, so its bytes are data mixed with framing.
            complete &= gap == 0 && line.note != part::NOT_KEPT;
            // Both ends are returned although bytes are missing between them; `complete` says so.
            content.extend_from_slice(first);
            content.extend_from_slice(last);
        }
        (content, complete)
    }
}

/// The value of the first of `fields` with this name, in any case.
pub(crate) fn find_field<'a>(fields: &[(&'a [u8], &'a [u8])], name: &str) -> Option<&'a [u8]> {
    fields.iter().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_gives_what_it_kept_and_counts_the_rest() {
        let excerpt = Excerpt { first: b"abcd".to_vec(), gap: 10, last: b"yz".to_vec() };
        assert_eq!(excerpt.len(), 16);
        assert_eq!(excerpt.get(1, 2), (&b"bc"[..], 0, &b""[..]));
        assert_eq!(excerpt.get(2, 13), (&b"cd"[..], 10, &b"y"[..]));
        assert_eq!(excerpt.get(5, 3), (&b""[..], 3, &b""[..]));
        assert_eq!(excerpt.get(15, 99), (&b""[..], 0, &b"z"[..]));
        assert_eq!(excerpt.whole(0, 4), Some(&b"abcd"[..]));
        assert_eq!((excerpt.whole(3, 2), excerpt.whole(14, 2)), (None, Some(&b"yz"[..])));
    }
}
