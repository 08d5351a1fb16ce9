//! The bytes of a head, of the framing lines of chunked content, and of a form, as spans and lines.
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

use crate::http::{field, grammar, grammar::is_ows, multipart};
use crate::wire::explain::{
    Annotations, Awaited, LineKind, MessageSpan, NoteId, RedactOptions, Role, SpanKind, part, value,
};

/// The position in the grammar of chunked content, and the totals so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChunkState {
    /// Moves on only after a complete line: a line that was cut off begins nothing.
    next: ChunkLine,
    /// Chunks, without the last one.
    pub(crate) count: u64,
    /// Bytes of data.
    pub(crate) bytes: u64,
    /// The size of the chunk that was begun last, and the bytes of data before it.
    last: (u64, u64),
}

impl ChunkState {
    /// What comes next.
    pub(crate) fn awaited(&self) -> Awaited {
        let (size, before) = self.last;
        match self.next {
            ChunkLine::Size => Awaited::ChunkSize,
            ChunkLine::DataEnd => Awaited::ChunkData { chunk: self.count, arrived: self.bytes - before, size },
            ChunkLine::Trailer => Awaited::Trailer,
        }
    }
}

/// The kind of framing line that comes next. Data is not in the list: its length is known, so it never comes here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ChunkLine {
    /// The size line of a chunk, also that of the last one.
    #[default]
    Size,
    /// The CR LF after the data of a chunk.
    DataEnd,
    /// A field line of the trailer section, or the blank line that ends it.
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
        let name = grammar::trim(&text[..colon]);
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
                chunks.last = (size.unwrap_or(0), chunks.bytes);
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

/// The encoding of a form.
#[derive(Debug)]
pub(crate) enum Form {
    /// `a=b&c=d`, as in a query (WHATWG URL §5).
    Urlencoded,
    /// In parts, with this boundary (RFC 7578; RFC 2046 §5.1.1).
    Multipart(Vec<u8>),
}

impl Form {
    /// The form in a message with this Content-Type.
    pub(crate) fn of(role: Role, content_type: &[u8]) -> Option<Form> {
        if content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded") {
            return Some(Form::Urlencoded);
        }
        // A response in parts is no form. It may repeat one, which redaction covers in other ways.
        let boundary = multipart::boundary(content_type).filter(|boundary| !boundary.is_empty());
        boundary.filter(|_| role == Role::Request).map(Form::Multipart)
    }

    /// Where the first value in `bytes` ends, whose beginning is unknown.
    pub(crate) fn first_separator(&self, bytes: &[u8]) -> Option<usize> {
        match self {
            Form::Urlencoded => bytes.iter().position(|&b| b == b'&'),
            Form::Multipart(boundary) => find_boundary(bytes, boundary, 0).map(|(from, _)| from),
        }
    }

    /// The spans of content, as far as it was kept. A value or a part with a secret name is secret.
    pub(crate) fn spans(&self, bytes: &[u8], redact: &RedactOptions) -> Vec<MessageSpan> {
        let mut out = Annotations::default();
        match self {
            Form::Urlencoded => value::pairs(bytes, redact, SpanKind::Body, &mut out),
            Form::Multipart(boundary) => parts(bytes, boundary, redact, &mut out),
        }
        out.spans
    }
}

/// The first boundary line at or after `at`: where it begins, and where it ends after the boundary itself.
fn find_boundary(bytes: &[u8], boundary: &[u8], at: usize) -> Option<(usize, usize)> {
    let line = [b"\r\n--", boundary].concat();
    // A longer boundary may begin with this one. After ours the line ends, or the form does.
    let ends = |rest: &[u8]| {
        let rest = &rest[rest.iter().take_while(|&&b| is_ows(b)).count()..];
        rest.is_empty() || rest.starts_with(b"--") || rest.starts_with(b"\r\n") || rest == b"\r" || rest == b"-"
    };
    // At the very beginning of the content there is no line end before it.
    if at == 0 && bytes.starts_with(&line[2..]) && ends(&bytes[line.len() - 2..]) {
        return Some((0, line.len() - 2));
    }
    let places = bytes.get(at..)?.windows(line.len()).enumerate().filter(|(_, window)| *window == line);
    places.map(|(n, _)| (at + n, at + n + line.len())).find(|&(_, end)| ends(&bytes[end..]))
}

/// Appends the spans of a form in parts. Unlike [`crate::http::multipart`], which reads a valid form as a stream, this
/// accepts any bytes and any piece of a form. The CR LF before a boundary belongs to the boundary.
///
/// ```text
/// form = [ preamble CRLF ] boundary-line *( part CRLF boundary-line ) "--" epilogue
/// part = *( field CRLF ) CRLF data
/// boundary-line = "--" boundary OWS CRLF
/// ```
fn parts(bytes: &[u8], boundary: &[u8], redact: &RedactOptions, out: &mut Annotations) {
    // Bytes before the first boundary are not part of the form and mean nothing.
    let (mut at, mut data, mut note) = (0, SpanKind::Body, part::BODY);
    while let Some((from, end)) = find_boundary(bytes, boundary, at) {
        out.put(from - at, data, note);
        out.put(end - from, SpanKind::Framing, part::BOUNDARY);
        if bytes[end..].starts_with(b"--") {
            out.put(2, SpanKind::Framing, part::LAST_BOUNDARY);
            // Bytes after the last boundary are no data of a part, so they are not secret either.
            (at, data, note) = (end + 2, SpanKind::Body, part::BODY);
            break;
        }
        let (name, head) = part_head(&bytes[end..], redact, out);
        at = end + head;
        (data, note) = match name.is_some_and(|name| redact.is_secret_name(&name)) {
            true => (SpanKind::Secret, part::SECRET),
            false => (SpanKind::Body, part::PART_DATA),
        };
    }
    out.put(bytes.len() - at, data, note);
}

/// The rest of a boundary line and the fields after it. Returns the name of the part and the number of bytes.
fn part_head(bytes: &[u8], redact: &RedactOptions, out: &mut Annotations) -> (Option<Vec<u8>>, usize) {
    let (mut at, mut name) = (0, None);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let is_first = at == 0;
        at += line.len();
        match line.strip_suffix(b"\r\n") {
            // The line was cut off, and may have become anything.
            None => out.put(line.len(), SpanKind::Value, part::PLAIN),
            Some(padding) if is_first => {
                out.put(padding.len(), SpanKind::Ows, part::OWS);
                out.put(2, SpanKind::Crlf, part::CRLF);
            }
            Some([]) => {
                out.put(2, SpanKind::Blank, part::PART_BLANK);
                break;
            }
            Some(text) => {
                out.field_line(text, redact, SpanKind::Name);
                out.put(2, SpanKind::Crlf, part::CRLF);
                let (field, value) = text.split_at(text.iter().position(|&b| b == b':').unwrap_or(text.len()));
                if field.eq_ignore_ascii_case(b"content-disposition") {
                    let (_, mut parameters) = field::parameters(value);
                    // A file has a `filename` as well; only `name` says what the value is.
                    let named = parameters.find(|(key, _)| key.eq_ignore_ascii_case(b"name"));
                    name = named.map(|(_, value)| field::unquote(value));
                }
            }
        }
    }
    (name, at)
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

    const FORM: &[u8] =
        b"--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\nabc\r\n\r\n--XyZ \r\n\
        Content-Disposition: form-data; name=\"password\"\r\n\r\nopensesame\r\n--XyZ--\r\n";

    fn told(bytes: &[u8]) -> Vec<(String, &'static str)> {
        let spans = Form::Multipart(b"XyZ".to_vec()).spans(bytes, &RedactOptions::default());
        let mut at = 0;
        for span in &spans {
            assert_eq!(span.start, at, "sorted, disjoint, covering");
            at = span.end();
        }
        assert_eq!(at, bytes.len() as u64);
        let text = |span: &MessageSpan| bytes[span.start as usize..span.end() as usize].escape_ascii().to_string();
        spans.iter().map(|span| (text(span), span.note.note().name)).collect()
    }

    #[test]
    fn a_boundary_has_the_line_end_before_it_and_data_keeps_its_own() {
        let told = told(FORM);
        let of = |name: &str| told.iter().filter(|(_, n)| *n == name).map(|(text, _)| &**text).collect::<Vec<_>>();
        assert_eq!(of("boundary"), ["--XyZ", "\\r\\n--XyZ", "\\r\\n--XyZ"]);
        assert_eq!(of("last-boundary"), ["--"]);
        assert_eq!(of("part-data"), ["abc\\r\\n"]);
        assert_eq!(of("secret"), ["opensesame"]);
        assert_eq!(of("part-blank"), ["\\r\\n", "\\r\\n"]);
        assert_eq!(of("field/content-disposition").len(), 2);
        assert_eq!(of("body"), ["\\r\\n"], "bytes after the last boundary mean nothing");
    }

    #[test]
    fn a_form_cut_anywhere_is_covered_and_its_secret_is_hidden() {
        for len in 0..=FORM.len() {
            let told = told(&FORM[..len]);
            let shown: String = told.iter().filter(|(_, name)| *name != "secret").map(|(text, _)| &**text).collect();
            assert!(!shown.contains("opense"), "{len}: {shown}");
        }
        for bytes in [&b"--XyZ"[..], b"--XyZW\r\n\r\nabc", b"\r\n--XyZ\r\nno colon\r\n", b"--XyZ\nA: b\n\n", b""] {
            told(bytes);
        }
    }

    #[test]
    fn only_a_form_has_parts() {
        for (content_type, expected) in [
            ("multipart/form-data; boundary=XyZ", Some("XyZ")),
            ("Multipart/Form-Data; charset=x; Boundary=\"a b\"", Some("a b")),
            ("multipart/byteranges; boundary=XyZ", None),
            ("multipart/form-data; boundary=\"\"", None),
            ("multipart/form-data", None),
        ] {
            let found = match Form::of(Role::Request, content_type.as_bytes()) {
                Some(Form::Multipart(boundary)) => Some(String::from_utf8(boundary).unwrap()),
                _ => None,
            };
            assert_eq!(found.as_deref(), expected);
            assert!(Form::of(Role::Response, content_type.as_bytes()).is_none());
        }
    }
}
