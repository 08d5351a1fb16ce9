//! Spans and lines: which bytes of a message are what.
//!
//! Every byte of a message lies in exactly one span. Spans are written from the first byte to the last
//! ([`Annotations`]); what is found later replaces a piece of them ([`carve`]).

use crate::http::grammar::{is_ows, trim};
use crate::wire::explain::{NoteId, part};

// One table, so that the list, the words for programs and the docs cannot disagree.
macro_rules! kinds {
    ($($name:ident $word:literal $what:literal,)*) => {
        /// What the bytes of a span are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
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
    Path "path" "The path of a target, or a target in another form.",
    Query "query" "A piece of the query.",
    Version "version" "The version.",
    Status "status" "The status code.",
    Reason "reason" "The reason phrase.",
    Space "space" "A space of a start line.",
    Name "name" "The name of a field.",
    Colon "colon" "The colon after it.",
    Ows "ows" "Whitespace that means nothing.",
    Value "value" "A value, or a piece of one.",
    Framing "framing" "A value that decides where the message ends.",
    Secret "secret" "A value that is redacted.",
    Crlf "crlf" "The end of a line.",
    Blank "blank" "The line that ends a head or a trailer section.",
    ChunkSize "chunk-size" "The size of a chunk.",
    ChunkExt "chunk-ext" "An extension after the size.",
    ChunkData "chunk-data" "Data of a chunk.",
    ChunkEnd "chunk-end" "The line end after the data.",
    Trailer "trailer" "The name of a trailer field.",
    Body "body" "Content.",
    Bad "bad" "The bytes that break a rule or exceed a limit.",
    Unparsed "unparsed" "Bytes that no parser reads.",
}

/// Some bytes of a message, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageSpan {
    /// The first byte, counted from the start of the message.
    pub start: u64,
    /// The number of bytes.
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

    /// Whether its bytes are content without its framing, or bytes without any structure.
    pub(crate) fn is_content(&self) -> bool {
        matches!(self.kind, SpanKind::Body | SpanKind::ChunkData | SpanKind::Unparsed)
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
    /// The blank line after the head.
    Blank,
    /// The size line of a chunk: its number, counted from 1, and its size.
    ChunkSize(u64, u64),
    /// The data of a chunk.
    ChunkData,
    /// The line end after the data.
    ChunkEnd,
    /// The size line of the last chunk.
    LastChunk,
    /// A field line of the trailer section.
    Trailer,
    /// The blank line after the trailer section.
    TrailerEnd,
    /// Content.
    Body,
    /// Bytes that no parser reads.
    Unparsed,
}

/// One line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLine {
    /// The first byte, counted from the start of the message.
    pub start: u64,
    /// The number of bytes, with the line end.
    pub len: u64,
    /// What it is.
    pub kind: LineKind,
    /// What it means.
    pub note: NoteId,
}

/// The spans and lines of a message, written from its first byte to its last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations {
    /// Sorted and disjoint; each begins where the one before it ends.
    pub(crate) spans: Vec<MessageSpan>,
    /// In the order of their bytes. A line has one span or more.
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

/// Makes `new` one span of its own, and shortens, splits or removes the spans it overlaps.
///
/// ```text
/// spans   aaaaaabbbcccccc
/// new        nnnnnnnnn
/// result  aaannnnnnnnnccc
/// ```
pub(crate) fn carve(spans: &mut Vec<MessageSpan>, new: MessageSpan) {
    if new.len == 0 {
        return;
    }
    // The spans are sorted and disjoint, so those that overlap follow each other.
    let from = spans.partition_point(|span| span.end() <= new.start);
    let to = spans.partition_point(|span| span.start < new.end());
    // What is left of the first overlapped span, the new one, and what is left of the last.
    let mut replacement = Vec::with_capacity(3);
    if let Some(first) = spans.get(from).filter(|span| span.start < new.start) {
        replacement.push(MessageSpan { len: new.start - first.start, ..*first });
    }
    replacement.push(new);
    if let Some(last) = to.checked_sub(1).and_then(|at| spans.get(at)).filter(|span| span.end() > new.end()) {
        replacement.push(MessageSpan { start: new.end(), len: last.end() - new.end(), ..*last });
    }
    spans.splice(from..to.max(from), replacement);
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
