//! What the annotator says of a message: every byte in one span, every span of one kind.
//!
//! Never: a byte that is not masked, once a [`Message`] has left this room's readers; a sentence that
//! repeats bytes (lengths are numbers, reasons are notes).
//!
//! The subtle thing: places are those on the wire, whole lengths included, also where bytes were not
//! kept ([`Excerpt`]): a body of a gigabyte has true offsets and 2 KiB of memory.

pub use crate::service::error_page::{byte_count, count};
use crate::wire::explain::notes::NoteId;

/// Which side wrote a message.
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

macro_rules! kinds {
    ($($name:ident $word:literal $what:literal,)*) => {
        /// What a span is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum SpanKind { $(#[doc = $what] $name,)* }

        impl SpanKind {
            /// Every kind, in the order of the numbers.
            pub const ALL: &'static [SpanKind] = &[$(SpanKind::$name),*];

            /// One word, for programs.
            pub const fn word(self) -> &'static str {
                match self { $(SpanKind::$name => $word,)* }
            }
        }
    };
}

kinds! {
    Method "method" "The method of a request.",
    Path "path" "The path of a target, or a target of another form.",
    Query "query" "A piece of the query.",
    Version "version" "The version.",
    Status "status" "The status code.",
    Reason "reason" "The reason phrase.",
    Space "space" "A space of a start line.",
    Name "name" "The name of a field.",
    Colon "colon" "The colon behind it.",
    Ows "ows" "Whitespace that means nothing.",
    Value "value" "A value, or a piece of one.",
    Framing "framing" "A value that decides where the message ends.",
    Secret "secret" "A value that is hidden.",
    Crlf "crlf" "The end of a line.",
    Blank "blank" "The line that ends a head or a trailer section.",
    ChunkSize "chunk-size" "The size of a chunk.",
    ChunkExt "chunk-ext" "An extension behind it.",
    ChunkData "chunk-data" "Data of a chunk.",
    ChunkEnd "chunk-end" "The line end behind the data.",
    Trailer "trailer" "The name of a field behind the content.",
    Body "body" "Content.",
    Bad "bad" "What breaks the grammar.",
}

/// Some bytes of a message, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSpan {
    /// The first byte, counted from the start of the message.
    pub start: u64,
    /// How many.
    pub len: u64,
    /// What they are.
    pub kind: SpanKind,
    /// What they mean.
    pub note: NoteId,
}

impl MessageSpan {
    /// The byte after the last one.
    pub const fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// What a line of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// An empty line before a request.
    Empty,
    /// The request line or the status line.
    Start,
    /// A field line of the head.
    Field,
    /// The blank line behind the head.
    Blank,
    /// The size line of the chunk with this number, counted from 1, and the size.
    ChunkSize(u64, u64),
    /// The data of a chunk.
    ChunkData,
    /// The line end behind it.
    ChunkEnd,
    /// The size line of the last chunk.
    LastChunk,
    /// A field line behind the content.
    Trailer,
    /// The blank line behind those.
    TrailerEnd,
    /// Content.
    Body,
}

/// One line of a message, as a person would number them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLine {
    /// The first byte, counted from the start of the message.
    pub start: u64,
    /// How many, the line end included.
    pub len: u64,
    /// What it is.
    pub kind: LineKind,
    /// What it means.
    pub note: NoteId,
}

/// How the content of a message is delimited, and by which rule of RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentFraming {
    /// 1 to 8.
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
    /// So many bytes were announced.
    Length(u64),
    /// So many chunks with so many bytes came.
    Chunked {
        /// Chunks, without the last one.
        chunks: u64,
        /// Bytes in them.
        bytes: u64,
    },
    /// So many bytes came before the end of the connection.
    UntilClose(u64),
    /// What follows is not HTTP.
    Tunnel,
}

impl ContentFraming {
    /// One sentence with its reason; [`ContentFraming::section`] says where it stands.
    pub fn sentence(&self) -> String {
        match (self.content, self.rule) {
            (ContentKind::None, _) => {
                "no body: a request with neither Content-Length nor Transfer-Encoding has none".into()
            }
            (ContentKind::NoneBy(code), _) => {
                format!("no body: a response with status {code} has none, whatever its fields say")
            }
            (ContentKind::NoneByHead, _) => "no body: a response to HEAD has none, whatever its fields say".into(),
            (ContentKind::Length(0), _) => "no body, because Content-Length: 0".into(),
            (ContentKind::Length(n), _) => format!("body: {}, because Content-Length: {n}", byte_count(n)),
            (ContentKind::Chunked { chunks, bytes }, rule) => {
                let because = match rule {
                    3 => "because Transfer-Encoding overrides Content-Length",
                    _ => "because Transfer-Encoding: chunked",
                };
                format!("body: {} in {}, {because}", byte_count(bytes), count(chunks, "chunk"))
            }
            (ContentKind::UntilClose(n), _) => {
                format!("body: {}, until the connection closed: nothing else says where it ends", byte_count(n))
            }
            (ContentKind::Tunnel, 1) => "no HTTP from here on: the connection speaks another protocol now".into(),
            (ContentKind::Tunnel, _) => "no HTTP from here on: the connection is a tunnel now".into(),
        }
    }

    /// The section, with the number of the rule.
    pub fn section(&self) -> String {
        format!("RFC 9112 §6.3 rule {}", self.rule)
    }

    /// The note of the rule.
    pub fn note(&self) -> NoteId {
        NoteId::framing_rule(self.rule)
    }
}

/// Where and why a message is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageError {
    /// The first byte to blame, counted from the start of the message.
    pub at: u64,
    /// How many; 0 when something is missing at `at`.
    pub len: u64,
    /// Which rule.
    pub note: NoteId,
    /// Not wrong, but not complete either: the stream ended.
    pub cut_off: bool,
}

/// The bytes of a message that were kept, masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// From the first one on.
    pub first: Vec<u8>,
    /// How many behind them were only counted.
    pub gap: u64,
    /// Those up to the last one.
    pub last: Vec<u8>,
}

impl Excerpt {
    /// How many bytes the message has.
    pub fn len(&self) -> u64 {
        self.first.len() as u64 + self.gap + self.last.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `start..start + len`: those kept of them at the front, how many were not, and
    /// those kept at the back.
    pub fn get(&self, start: u64, len: u64) -> (&[u8], u64, &[u8]) {
        let end = start.saturating_add(len).min(self.len());
        let start = start.min(end);
        let cut = |bytes: &[u8], from: u64| {
            let (len, at) = (bytes.len() as u64, |place: u64| place.saturating_sub(from));
            (at(start).min(len) as usize, at(end).min(len) as usize)
        };
        let (a, b) = cut(&self.first, 0);
        let behind = self.first.len() as u64 + self.gap;
        let (c, d) = cut(&self.last, behind);
        let kept = (b - a + d - c) as u64;
        (&self.first[a..b], end - start - kept, &self.last[c..d])
    }

    /// Makes the gap, if there is one, begin at `from` and end at `to`.
    pub(crate) fn widen(&mut self, from: Option<u64>, to: Option<u64>) {
        if self.gap == 0 {
            return;
        }
        let (first, behind) = (self.first.len() as u64, self.first.len() as u64 + self.gap);
        if let Some(more) = to.map(|to| to.saturating_sub(behind).min(self.last.len() as u64)) {
            self.last.drain(..more as usize);
            self.gap += more;
        }
        if let Some(from) = from.map(|from| from.min(first)) {
            self.first.truncate(from as usize);
            self.gap += first - from;
        }
    }

    /// The bytes if all of them were kept in one piece.
    pub fn whole(&self, start: u64, len: u64) -> Option<&[u8]> {
        match self.get(start, len) {
            (first, 0, &[]) if first.len() as u64 == len => Some(first),
            (&[], 0, last) if last.len() as u64 == len => Some(last),
            _ => None,
        }
    }
}

/// One message, explained.
#[derive(Clone, Debug)]
pub struct Message {
    /// Who wrote it.
    pub role: Role,
    /// Which exchange of its connection it belongs to, counted from 1.
    pub exchange: u64,
    /// Its first byte in the bytes of its side.
    pub start: u64,
    /// Where the head ends, counted from the start; all of it if it never did.
    pub head_end: u64,
    /// How its content is delimited; none if the head is broken.
    pub framing: Option<ContentFraming>,
    /// Its lines.
    pub lines: Vec<MessageLine>,
    /// Its spans: sorted, disjoint, covering every byte.
    pub spans: Vec<MessageSpan>,
    /// What is wrong with it.
    pub error: Option<MessageError>,
    /// Its bytes, masked.
    pub bytes: Excerpt,
    /// Its content came from a file by `sendfile` and never passed through the program.
    pub from_file: bool,
    /// Its content is hidden because the exchange has a secret too short to be found in it.
    pub hidden: bool,
    /// Bytes of it were painted over.
    pub masked: bool,
}

impl Message {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.bytes.len()
    }

    /// Whether it has none (it never does).
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The byte after the last one, in the bytes of its side.
    pub fn end(&self) -> u64 {
        self.start + self.len()
    }

    /// The bytes of the first span of this kind.
    pub fn part(&self, kind: SpanKind) -> &[u8] {
        let span = self.spans.iter().find(|s| s.kind == kind);
        span.and_then(|s| self.bytes.whole(s.start, s.len)).unwrap_or_default()
    }

    /// The target as it stands in the request line, masked.
    pub fn target(&self) -> &[u8] {
        let within = |s: &&MessageSpan| matches!(s.kind, SpanKind::Method | SpanKind::Version);
        let mut ends = self.spans.iter().filter(within);
        let Some(method) = ends.next() else { return &[] };
        let from = method.end() + 1;
        let line = self.lines.iter().find(|l| l.kind == LineKind::Start);
        let to = ends.next().map_or_else(|| line.map_or(from, |l| l.start + l.len), |v| v.start.saturating_sub(1));
        self.bytes.whole(from, to.saturating_sub(from)).unwrap_or_default()
    }

    /// The status code of a response, 0 if it has none.
    pub fn status(&self) -> u16 {
        crate::http::grammar::decimal(self.part(SpanKind::Status)).and_then(|n| u16::try_from(n).ok()).unwrap_or(0)
    }

    /// What is wrong with this line.
    pub(crate) fn broken_in(&self, line: &MessageLine) -> Option<MessageError> {
        self.error.filter(|b| b.len > 0 && line.start <= b.at && b.at < line.start + line.len)
    }

    /// Whether the response is an interim one.
    pub fn is_interim(&self) -> bool {
        self.role == Role::Response && (100..200).contains(&self.status())
    }
}

/// Makes `at..at + len` one span of its own, and shortens or splits those it lies in.
pub(crate) fn carve(spans: &mut Vec<MessageSpan>, new: MessageSpan) {
    if new.len == 0 {
        return;
    }
    let mut out = Vec::with_capacity(spans.len() + 2);
    let mut placed = false;
    for span in spans.iter() {
        if span.end() <= new.start || span.start >= new.end() {
            if span.start >= new.end() && !placed {
                placed = true;
                out.push(new);
            }
            out.push(*span);
            continue;
        }
        if span.start < new.start {
            out.push(MessageSpan { len: new.start - span.start, ..*span });
        }
        if !placed {
            placed = true;
            out.push(new);
        }
        if span.end() > new.end() {
            out.push(MessageSpan { start: new.end(), len: span.end() - new.end(), ..*span });
        }
    }
    if !placed {
        out.push(new);
    }
    *spans = out;
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

    #[test]
    fn a_carved_span_leaves_no_hole_and_no_overlap() {
        let span = |start, len, kind| MessageSpan { start, len, kind, note: NoteId::NONE };
        let before = vec![span(0, 4, SpanKind::Name), span(4, 4, SpanKind::Value), span(8, 2, SpanKind::Crlf)];
        for (start, len) in [(0, 10), (0, 1), (3, 2), (4, 4), (5, 2), (8, 1), (9, 1), (2, 7)] {
            let mut spans = before.clone();
            carve(&mut spans, span(start, len, SpanKind::Bad));
            let mut at = 0;
            for span in &spans {
                assert_eq!(span.start, at, "{spans:?}");
                assert!(span.len > 0);
                at = span.end();
            }
            assert_eq!((at, spans.iter().filter(|s| s.kind == SpanKind::Bad).count()), (10, 1));
        }
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            (byte_count(1), byte_count(20_480), byte_count(0)),
            ("1 byte".into(), "20,480 bytes".into(), "0 bytes".into())
        );
        assert_eq!(byte_count(1_234_567), "1,234,567 bytes");
    }
}
