//! The bytes of a head, and of the framing lines of chunked content, as spans and lines.
//!
//! RFC 9112 §2–5 and §7.1. It accepts any bytes: an invalid head is taken apart as far as it came, so that the view
//! can show the invalid byte in its place. Whether a message is valid was decided before, by [`crate::http::Http1`]
//! for requests and by `responses` for responses. A test holds the positions found here to those of the parser.
//!
//! The lines of a small response with their spans; `·` is a space:
//!
//! ```text
//! Start      HTTP/1.1 · 200 · OK CRLF        version space status space reason crlf
//! Field      Transfer-Encoding : · chunked CRLF      name colon ows framing crlf
//! Blank      CRLF                            blank
//! ChunkSize  5 ;a=b CRLF                     chunk-size chunk-ext crlf
//! ChunkData  hello                           chunk-data, written by the builder
//! ChunkEnd   CRLF                            chunk-end
//! LastChunk  0 CRLF                          chunk-size crlf
//! Trailer    X-Sum : · 1 CRLF                trailer colon ows value crlf
//! TrailerEnd CRLF                            blank
//! ```
//!
//! Lines are split at LF and not at CR LF. A bare LF is then the end of the line whose fault it is; otherwise that
//! line would run on into the next one.

use crate::http::grammar::{self, is_ows, trim};
use crate::wire::explain::{LineKind, MessageLine, MessageSpan, NoteId, RedactOptions, Role, SpanKind, part, value};

/// The spans and lines of a message, written from its first byte to its last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) spans: Vec<MessageSpan>,
    pub(crate) lines: Vec<MessageLine>,
}

impl Annotations {
    /// The position of the next byte.
    pub(crate) fn end(&self) -> u64 {
        self.spans.last().map_or(0, MessageSpan::end)
    }

    /// Appends a span of `len` bytes; none if that is 0.
    pub(crate) fn put(&mut self, len: usize, kind: SpanKind, note: NoteId) {
        if len > 0 {
            self.spans.push(MessageSpan { start: self.end(), len: len as u64, kind, note });
        }
    }

    /// Appends a line, whose `len` bytes have their spans already.
    pub(crate) fn line(&mut self, len: usize, kind: LineKind, note: NoteId) {
        self.lines.push(MessageLine { start: self.end() - len as u64, len: len as u64, kind, note });
    }

    /// Appends `len` bytes to the last span and line if they are of the same kind; else they are a new span and line.
    pub(crate) fn extend(&mut self, len: u64, kind: SpanKind, line: LineKind, note: NoteId) {
        // Pieces of one chunk come in many calls and are one span.
        let start = self.end();
        match (self.spans.last_mut(), self.lines.last_mut()) {
            (Some(span), Some(last)) if (span.kind, span.note, last.kind) == (kind, note, line) => {
                span.len += len;
                last.len += len;
            }
            _ if len > 0 => {
                self.spans.push(MessageSpan { start, len, kind, note });
                self.lines.push(MessageLine { start, len, kind: line, note });
            }
            _ => {}
        }
    }

    /// Appends the whitespace around `bytes` as such; `write` appends what is between.
    pub(crate) fn put_trimmed(&mut self, bytes: &[u8], write: impl FnOnce(&[u8], &mut Annotations)) {
        // Only whitespace around the value is optional; inside it may mean something.
        let core = trim(bytes);
        let before = bytes.iter().take_while(|&&b| is_ows(b)).count();
        self.put(before, SpanKind::Ows, part::OWS);
        write(core, self);
        self.put(bytes.len() - before - core.len(), SpanKind::Ows, part::OWS);
    }
}

/// The position in the grammar of chunked content, and the totals so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkState {
    next: ChunkLine,
    /// Chunks, without the last one.
    pub(crate) count: u64,
    /// Bytes of data.
    pub(crate) bytes: u64,
}

/// The kind of framing line that comes next. Data is not in the list: its length is known, so it never comes here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkLine {
    #[default]
    Size,
    DataEnd,
    Trailer,
}

impl Annotations {
    /// Appends the bytes of a head, or those up to its fault.
    pub(crate) fn head(&mut self, bytes: &[u8], role: Role, redact: &RedactOptions) {
        let mut started = false;
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, end) = split_end(line);
            let (kind, note) = if !started && text.is_empty() && role == Role::Request {
                // Empty lines before a request are skipped (RFC 9112 §2.2); before a response they are invalid.
                (LineKind::Empty, part::EMPTY_LINE)
            } else if !started {
                started = true;
                let note = match role {
                    Role::Request => self.request_line(text, redact),
                    Role::Response => self.status_line(text),
                };
                (LineKind::Start, note)
            } else if text.is_empty() {
                (LineKind::Blank, part::BLANK)
            } else {
                (LineKind::Field, self.field_line(text, redact, SpanKind::Name))
            };
            // The line end gets its span after the text: spans are written in the order of the bytes.
            match kind {
                LineKind::Empty => self.put(end, SpanKind::Crlf, part::EMPTY_LINE),
                LineKind::Blank => self.put(end, SpanKind::Blank, part::BLANK),
                _ => self.put(end, SpanKind::Crlf, part::CRLF),
            }
            self.line(line.len(), kind, note);
        }
    }

    /// method SP target SP version. Returns the note of the method.
    fn request_line(&mut self, text: &[u8], redact: &RedactOptions) -> NoteId {
        // Split at single spaces and not at runs of them: two spaces are invalid, and the second must show up in a
        // wrong place.
        let word = |from: usize| text[from..].iter().position(|&b| b == b' ').map_or(text.len(), |at| from + at);
        let method = word(0);
        let note = NoteId::method(&text[..method]);
        self.put(method, SpanKind::Method, note);
        if method < text.len() {
            self.put(1, SpanKind::Space, part::SPACE);
            let target = word(method + 1);
            match &text[..method] {
                // The target of CONNECT is host and port, without a scheme (RFC 9112 §3.2.3).
                b"CONNECT" => self.put(target - method - 1, SpanKind::Path, part::AUTHORITY),
                _ => value::address(&text[method + 1..target], redact, self),
            }
            if target < text.len() {
                self.put(1, SpanKind::Space, part::SPACE);
                // Further spaces belong to this span. The parser has refused them; the error names the byte.
                self.put(text.len() - target - 1, SpanKind::Version, part::VERSION);
            }
        }
        note
    }

    /// version SP status SP [ reason ]. Returns the note of the status.
    fn status_line(&mut self, text: &[u8]) -> NoteId {
        let version = text.iter().position(|&b| b == b' ').unwrap_or(text.len());
        self.put(version, SpanKind::Version, part::VERSION);
        // A line without a space has no status to explain.
        let Some(rest) = text.get(version + 1..) else { return part::STATUS_LINE };
        self.put(1, SpanKind::Space, part::SPACE);
        // The phrase is optional, and so is the space before it.
        let code = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
        let status = grammar::decimal(&rest[..code]).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        let note = NoteId::status(status);
        self.put(code, SpanKind::Status, note);
        if code < rest.len() {
            self.put(1, SpanKind::Space, part::SPACE);
            self.put(rest.len() - code - 1, SpanKind::Reason, part::REASON);
        }
        note
    }

    /// name ":" OWS value OWS. Returns the note of the field.
    pub(crate) fn field_line(&mut self, text: &[u8], redact: &RedactOptions, kind: SpanKind) -> NoteId {
        let Some(colon) = text.iter().position(|&b| b == b':') else {
            // The colon may have been forgotten: what follows the name of a secret field is still secret.
            let end = text.iter().position(|&b| is_ows(b)).unwrap_or(text.len());
            let is_secret = redact.is_secret_field(&text[..end]);
            let name = if is_secret { end } else { text.len() };
            self.put(name, kind, part::FIELD_NAME);
            self.put(text.len() - name, SpanKind::Secret, part::SECRET);
            return part::FIELD_NAME;
        };
        // Space before the colon is refused; the note is still that of the field the sender meant.
        let name = trim(&text[..colon]);
        let note = NoteId::field(name);
        self.put(colon, kind, note);
        self.put(1, SpanKind::Colon, part::COLON);
        self.put_trimmed(&text[colon + 1..], |text, out| value::value(name, text, redact, out));
        note
    }

    /// Appends framing lines of chunked content: size lines, line ends after data, trailers.
    pub(crate) fn chunk_lines(&mut self, bytes: &[u8], chunks: &mut ChunkState, redact: &RedactOptions) {
        for line in bytes.split_inclusive(|&b| b == b'\n') {
            let (text, end) = split_end(line);
            match chunks.next {
                ChunkLine::DataEnd => {
                    // Expected are CR LF and nothing else. If other bytes stand here, an error span replaces this one.
                    self.put(line.len(), SpanKind::ChunkEnd, part::CHUNK_END);
                    self.line(line.len(), LineKind::ChunkEnd, part::CHUNK_END);
                    chunks.next = ChunkLine::Size;
                }
                ChunkLine::Size => self.size_line(text, end, chunks),
                ChunkLine::Trailer if text.is_empty() => {
                    self.put(end, SpanKind::Blank, part::TRAILER_END);
                    self.line(line.len(), LineKind::TrailerEnd, part::TRAILER_END);
                }
                ChunkLine::Trailer => {
                    self.field_line(text, redact, SpanKind::Trailer);
                    self.put(end, SpanKind::Crlf, part::CRLF);
                    self.line(line.len(), LineKind::Trailer, part::TRAILER);
                }
            }
        }
    }

    /// chunk-size [ chunk-ext ] CRLF, or the part of it that came; `end` is the length of the line end.
    fn size_line(&mut self, text: &[u8], end: usize, chunks: &mut ChunkState) {
        // Everything after the digits is an extension, also if it is not a valid one.
        let digits = text.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let size = grammar::hexadecimal(&text[..digits]);
        let is_last = size == Some(0);
        let note = if is_last { part::LAST_CHUNK } else { part::CHUNK_SIZE };
        self.put(digits, SpanKind::ChunkSize, note);
        self.put(text.len() - digits, SpanKind::ChunkExt, part::CHUNK_EXT);
        self.put(end, SpanKind::Crlf, part::CRLF);
        // Without its line end the line was cut off, and its chunk never began.
        let is_complete = end > 0;
        let kind = match size {
            Some(0) => LineKind::LastChunk,
            size => {
                chunks.count += u64::from(is_complete);
                LineKind::ChunkSize(chunks.count.max(1), size.unwrap_or(0))
            }
        };
        self.line(text.len() + end, kind, note);
        if is_complete {
            chunks.next = if is_last { ChunkLine::Trailer } else { ChunkLine::DataEnd };
        }
    }
}

/// A line without its line end, and the length of that: CR LF, a bare LF, or none.
fn split_end(line: &[u8]) -> (&[u8], usize) {
    match line {
        [text @ .., b'\r', b'\n'] => (text, 2),
        [text @ .., b'\n'] => (text, 1),
        _ => (line, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::explain::message::MessageSpan;

    fn shown(bytes: &[u8], annotations: &Annotations) -> String {
        let piece = |s: &MessageSpan| bytes[s.start as usize..s.end() as usize].escape_ascii().to_string();
        annotations.spans.iter().map(|s| format!("{}<{}>", s.kind.word(), piece(s))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_head_is_divided_into_its_parts() {
        let bytes = b"\r\nGET /a?b=c HTTP/1.1\r\nHost: x \r\n\r\n";
        let mut annotations = Annotations::default();
        annotations.head(bytes, Role::Request, &RedactOptions::default());
        assert_eq!(
            shown(bytes, &annotations),
            r"crlf<\r\n> method<GET> space< > path</a> query<?> query<b> query<=> query<c> space< > version<HTTP/1.1> crlf<\r\n> name<Host> colon<:> ows< > value<x> ows< > crlf<\r\n> blank<\r\n>"
        );
        let bytes = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n";
        let mut annotations = Annotations::default();
        annotations.head(bytes, Role::Response, &RedactOptions::default());
        assert_eq!(
            shown(bytes, &annotations),
            r"version<HTTP/1.1> space< > status<404> space< > reason<Not Found> crlf<\r\n> name<Content-Length> colon<:> ows< > framing<3> crlf<\r\n> blank<\r\n>"
        );
    }

    #[test]
    fn chunk_lines_are_divided_into_their_parts() {
        let bytes = b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n";
        let (mut annotations, mut chunks) = (Annotations::default(), ChunkState::default());
        let redact = RedactOptions::default();
        annotations.chunk_lines(&bytes[..7], &mut chunks, &redact);
        annotations.extend(2, SpanKind::ChunkData, LineKind::ChunkData, part::CHUNK_DATA);
        annotations.extend(1, SpanKind::ChunkData, LineKind::ChunkData, part::CHUNK_DATA);
        annotations.chunk_lines(&bytes[10..], &mut chunks, &redact);
        assert_eq!(
            shown(bytes, &annotations),
            r"chunk-size<3> chunk-ext<;a=b> crlf<\r\n> chunk-data<abc> chunk-end<\r\n> chunk-size<0> crlf<\r\n> trailer<X> colon<:> ows< > value<y> crlf<\r\n> blank<\r\n>"
        );
        assert_eq!(chunks.count, 1);
    }

    #[test]
    fn no_byte_is_left_without_a_span() {
        for bytes in [&b"\n"[..], b"\r", b"GET", b"GET /\n x\n:\n \n\n", b" \r\n\r\n", b"\xff\r\n:a", b"=\n;\n"] {
            for role in [Role::Request, Role::Response] {
                let mut annotations = Annotations::default();
                annotations.head(bytes, role, &RedactOptions::default());
                assert_eq!(annotations.end(), bytes.len() as u64, "{bytes:?}");
                assert_eq!(annotations.lines.iter().map(|l| l.len).sum::<u64>(), bytes.len() as u64);
            }
        }
    }
}
