//! Bytes of a head, and of the framing lines of chunks, to spans and lines.
//!
//! RFC 9112 §2–5 and §7.1. It takes anything: a head that breaks the grammar is taken apart as far as
//! it came, so that a person can see the byte in its place.
//!
//! Never: a verdict on the message. Whether it is one was decided by [`crate::http::Connection`] for
//! requests and by the response reader for responses; a test holds the places found here to those of
//! the parser.
//!
//! The subtle thing: lines are split at LF and not at CR LF. A bare LF is then the end of the line in
//! which it is blamed, and not a long line nobody recognises.

use crate::http::grammar;
use crate::http::grammar::is_ows;
use crate::wire::explain::message::{LineKind, MessageLine, MessageSpan, Role, SpanKind};
use crate::wire::explain::notes::{NoteId, part};
use crate::wire::explain::value;
use crate::wire::explain::value::{RedactOptions, SpanWriter};

/// Spans and lines of a message that is being put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) spans: Vec<MessageSpan>,
    pub(crate) lines: Vec<MessageLine>,
}

impl Annotations {
    /// Where the next byte goes.
    pub(crate) fn end(&self) -> u64 {
        self.spans.last().map_or(0, MessageSpan::end)
    }

    pub(crate) fn pen(&mut self) -> SpanWriter<'_> {
        let at = self.end();
        SpanWriter { spans: &mut self.spans, at }
    }

    pub(crate) fn line(&mut self, len: usize, kind: LineKind, note: NoteId) {
        let start = self.end() - len as u64;
        self.lines.push(MessageLine { start, len: len as u64, kind, note });
    }

    /// The bytes of a head, or of the part of one that came before its fault.
    pub(crate) fn head(&mut self, bytes: &[u8], role: Role, hide: &RedactOptions) {
        let mut begun = false;
        for line in bytes.split_inclusive(|&o| o == b'\n') {
            let (text, end) = split_end(line);
            if !begun && text.is_empty() && role == Role::Request {
                self.pen().put(line.len(), SpanKind::Crlf, part::EMPTY_LINE);
                self.line(line.len(), LineKind::Empty, part::EMPTY_LINE);
            } else if !begun {
                begun = true;
                let note = match role {
                    Role::Request => self.request_line(text, hide),
                    Role::Response => self.status_line(text),
                };
                self.pen().put(end, SpanKind::Crlf, part::CRLF);
                self.line(line.len(), LineKind::Start, note);
            } else if text.is_empty() {
                self.pen().put(end, SpanKind::Blank, part::BLANK);
                self.line(line.len(), LineKind::Blank, part::BLANK);
            } else {
                let note = self.field_line(text, hide, SpanKind::Name);
                self.pen().put(end, SpanKind::Crlf, part::CRLF);
                self.line(line.len(), LineKind::Field, note);
            }
        }
    }

    /// method SP target SP version; the note is that of the method.
    fn request_line(&mut self, text: &[u8], hide: &RedactOptions) -> NoteId {
        let mut pen = self.pen();
        let word = |from: usize| text[from..].iter().position(|&o| o == b' ').map_or(text.len(), |at| from + at);
        let method = word(0);
        let note = NoteId::method(&text[..method]);
        pen.put(method, SpanKind::Method, note);
        if method < text.len() {
            pen.put(1, SpanKind::Space, part::SPACE);
            let target = word(method + 1);
            if &text[..method] == b"CONNECT" {
                pen.put(target - method - 1, SpanKind::Path, part::AUTHORITY);
            } else {
                value::address(&text[method + 1..target], hide, &mut pen);
            }
            if target < text.len() {
                pen.put(1, SpanKind::Space, part::SPACE);
                pen.put(text.len() - target - 1, SpanKind::Version, part::VERSION);
            }
        }
        note
    }

    /// version SP status SP [ reason ]; the note is that of the status.
    fn status_line(&mut self, text: &[u8]) -> NoteId {
        let mut pen = self.pen();
        let version = text.iter().position(|&o| o == b' ').unwrap_or(text.len());
        pen.put(version, SpanKind::Version, part::VERSION);
        let Some(rest) = text.get(version + 1..) else { return part::STATUS_LINE };
        pen.put(1, SpanKind::Space, part::SPACE);
        let code = rest.iter().position(|&o| o == b' ').unwrap_or(rest.len());
        let status = grammar::decimal(&rest[..code]).and_then(|n| u16::try_from(n).ok()).unwrap_or(0);
        let note = NoteId::status(status);
        pen.put(code, SpanKind::Status, note);
        if code < rest.len() {
            pen.put(1, SpanKind::Space, part::SPACE);
            pen.put(rest.len() - code - 1, SpanKind::Reason, part::REASON);
        }
        note
    }

    /// name ":" OWS value OWS; the note is that of the field.
    pub(crate) fn field_line(&mut self, text: &[u8], hide: &RedactOptions, kind: SpanKind) -> NoteId {
        let mut pen = self.pen();
        let Some(colon) = text.iter().position(|&o| o == b':') else {
            // No field. Somebody may have forgotten the colon, and a password stays one.
            let end = text.iter().position(|&o| is_ows(o)).unwrap_or(text.len());
            let is_secret = hide.is_field(&text[..end]) && !hide.is_off();
            let name = if is_secret { end } else { text.len() };
            pen.put(name, kind, part::FIELD_NAME);
            pen.put(text.len() - name, SpanKind::Secret, part::SECRET);
            return part::FIELD_NAME;
        };
        let name = grammar::trim(&text[..colon]);
        let note = NoteId::field(name);
        pen.put(colon, kind, note);
        pen.put(1, SpanKind::Colon, part::COLON);
        let rest = &text[colon + 1..];
        let before = rest.iter().take_while(|&&o| is_ows(o)).count();
        let after = rest[before..].iter().rev().take_while(|&&o| is_ows(o)).count();
        pen.put(before, SpanKind::Ows, part::OWS);
        value::value(name, &rest[before..rest.len() - after], hide, &mut pen);
        pen.put(after, SpanKind::Ows, part::OWS);
        note
    }

    /// Lines of chunked framing: ends of data, size lines, trailers.
    pub(crate) fn chunk_lines(&mut self, bytes: &[u8], chunks: &mut Chunks, hide: &RedactOptions) {
        for line in bytes.split_inclusive(|&o| o == b'\n') {
            let (text, end) = split_end(line);
            match chunks.place {
                Place::DataEnd => {
                    self.pen().put(line.len(), SpanKind::ChunkEnd, part::CHUNK_END);
                    self.line(line.len(), LineKind::ChunkEnd, part::CHUNK_END);
                    chunks.place = Place::Size;
                }
                Place::Size => self.size_line(text, end, chunks),
                Place::Trailer if text.is_empty() => {
                    self.pen().put(end, SpanKind::Blank, part::TRAILER_END);
                    self.line(line.len(), LineKind::TrailerEnd, part::TRAILER_END);
                }
                Place::Trailer => {
                    self.field_line(text, hide, SpanKind::Trailer);
                    self.pen().put(end, SpanKind::Crlf, part::CRLF);
                    self.line(line.len(), LineKind::Trailer, part::TRAILER);
                }
            }
        }
    }

    fn size_line(&mut self, text: &[u8], end: usize, chunks: &mut Chunks) {
        let digits = text.iter().take_while(|o| o.is_ascii_hexdigit()).count();
        let size = grammar::hexadecimal(&text[..digits]);
        let is_last = size == Some(0);
        let note = if is_last { part::LAST_CHUNK } else { part::CHUNK_SIZE };
        let mut pen = self.pen();
        pen.put(digits, SpanKind::ChunkSize, note);
        pen.put(text.len() - digits, SpanKind::ChunkExt, part::CHUNK_EXT);
        pen.put(end, SpanKind::Crlf, part::CRLF);
        // A size without its line end is one that never became a chunk.
        let complete = end > 0;
        let kind = match size {
            Some(0) => LineKind::LastChunk,
            size => {
                chunks.count += u64::from(complete);
                LineKind::ChunkSize(chunks.count.max(1), size.unwrap_or(0))
            }
        };
        self.line(text.len() + end, kind, note);
        if complete {
            chunks.place = if is_last { Place::Trailer } else { Place::DataEnd };
            chunks.left = size.unwrap_or(0);
        }
    }

    /// Data of the chunk that has begun; pieces of one chunk are one span.
    pub(crate) fn chunk_data(&mut self, bytes: u64, chunks: &mut Chunks) {
        chunks.left = chunks.left.saturating_sub(bytes);
        chunks.bytes += bytes;
        self.grow(bytes, SpanKind::ChunkData, LineKind::ChunkData, part::CHUNK_DATA);
    }

    /// Content; all of it is one span.
    pub(crate) fn content(&mut self, bytes: u64) {
        self.grow(bytes, SpanKind::Body, LineKind::Body, part::BODY);
    }

    fn grow(&mut self, bytes: u64, kind: SpanKind, line: LineKind, note: NoteId) {
        if bytes == 0 {
            return;
        }
        let start = self.end();
        match (self.spans.last_mut(), self.lines.last_mut()) {
            (Some(span), Some(last)) if span.kind == kind && last.kind == line => {
                span.len += bytes;
                last.len += bytes;
            }
            _ => {
                self.spans.push(MessageSpan { start, len: bytes, kind, note });
                self.lines.push(MessageLine { start, len: bytes, kind: line, note });
            }
        }
    }

    /// Chunks beyond the bound: counted, in one span.
    pub(crate) fn summed(&mut self, bytes: u64) {
        let start = self.end();
        match (self.spans.last_mut(), self.lines.last_mut()) {
            (Some(span), Some(line)) if span.note == part::NOT_KEPT => {
                span.len += bytes;
                line.len += bytes;
            }
            _ if bytes > 0 => {
                self.spans.push(MessageSpan { start, len: bytes, kind: SpanKind::Body, note: part::NOT_KEPT });
                self.lines.push(MessageLine { start, len: bytes, kind: LineKind::Body, note: part::NOT_KEPT });
            }
            _ => {}
        }
    }
}

/// Where chunked framing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Size,
    DataEnd,
    Trailer,
}

/// What was seen of chunked content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunks {
    place: Place,
    left: u64,
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

/// A line without its line end, and how long that is: CR LF, a bare LF, or none.
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

    fn shown(bytes: &[u8], sheet: &Annotations) -> String {
        let piece = |s: &MessageSpan| bytes[s.start as usize..s.end() as usize].escape_ascii().to_string();
        sheet.spans.iter().map(|s| format!("{}<{}>", s.kind.word(), piece(s))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_head_falls_into_its_parts() {
        let bytes = b"\r\nGET /a?b=c HTTP/1.1\r\nHost: x \r\n\r\n";
        let mut sheet = Annotations::default();
        sheet.head(bytes, Role::Request, &RedactOptions::default());
        assert_eq!(
            shown(bytes, &sheet),
            r"crlf<\r\n> method<GET> space< > path</a> query<?> query<b> query<=> query<c> space< > version<HTTP/1.1> crlf<\r\n> name<Host> colon<:> ows< > value<x> ows< > crlf<\r\n> blank<\r\n>"
        );
        let bytes = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n";
        let mut sheet = Annotations::default();
        sheet.head(bytes, Role::Response, &RedactOptions::default());
        assert_eq!(
            shown(bytes, &sheet),
            r"version<HTTP/1.1> space< > status<404> space< > reason<Not Found> crlf<\r\n> name<Content-Length> colon<:> ows< > framing<3> crlf<\r\n> blank<\r\n>"
        );
    }

    #[test]
    fn chunk_lines_fall_into_theirs() {
        let bytes = b"3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n";
        let (mut sheet, mut chunks) = (Annotations::default(), Chunks::default());
        let hide = RedactOptions::default();
        sheet.chunk_lines(&bytes[..7], &mut chunks, &hide);
        sheet.chunk_data(2, &mut chunks);
        sheet.chunk_data(1, &mut chunks);
        sheet.chunk_lines(&bytes[10..], &mut chunks, &hide);
        assert_eq!(
            shown(bytes, &sheet),
            r"chunk-size<3> chunk-ext<;a=b> crlf<\r\n> chunk-data<abc> chunk-end<\r\n> chunk-size<0> crlf<\r\n> trailer<X> colon<:> ows< > value<y> crlf<\r\n> blank<\r\n>"
        );
        assert_eq!((chunks.count, chunks.bytes), (1, 3));
    }

    #[test]
    fn no_bytes_whatever_are_left_out() {
        for bytes in [&b"\n"[..], b"\r", b"GET", b"GET /\n x\n:\n \n\n", b" \r\n\r\n", b"\xff\r\n:a", b"=\n;\n"] {
            for role in [Role::Request, Role::Response] {
                let mut sheet = Annotations::default();
                sheet.head(bytes, role, &RedactOptions::default());
                assert_eq!(sheet.end(), bytes.len() as u64, "{bytes:?}");
                assert_eq!(sheet.lines.iter().map(|l| l.len).sum::<u64>(), bytes.len() as u64);
            }
        }
    }
}
