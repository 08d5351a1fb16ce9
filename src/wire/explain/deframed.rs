//! Content without its framing: what secrets are looked for in, and where each byte of it lies.
//!
//! Never: a byte that was not kept.
//!
//! The subtle thing: a secret can lie across the border of two chunks, and is one piece only here.

use crate::wire::explain::message::{Message, MessageSpan, SpanKind, carve};
use crate::wire::explain::notes::part;

/// Content without its chunks, and where its pieces lie in the message.
pub(crate) struct UnframedContent {
    pub(crate) bytes: Vec<u8>,
    /// Place here, place in the message.
    pub(crate) pieces: Vec<(usize, u64)>,
}

impl UnframedContent {
    /// Of what was kept at the front, or at the end.
    pub(crate) fn of(message: &Message, at_end: bool) -> UnframedContent {
        let mut content = UnframedContent { bytes: Vec::new(), pieces: Vec::new() };
        let kept = &message.bytes;
        let behind = kept.first.len() as u64 + kept.gap;
        for span in
            message.spans.iter().filter(|s| s.is_content() || s.kind == SpanKind::Secret && s.start >= message.head_end)
        {
            let (first, _, last) = kept.get(span.start, span.len);
            let (bytes, from) = if at_end { (last, span.start.max(behind)) } else { (first, span.start) };
            if !bytes.is_empty() {
                content.pieces.push((content.bytes.len(), from));
                content.bytes.extend_from_slice(bytes);
            }
        }
        content
    }

    /// So many bytes from the start; returns where they end.
    pub(crate) fn take_for_secret(&self, len: usize, message: &mut Message) -> u64 {
        let mut to = 0;
        for (start, end) in self.places(0, len) {
            carve(
                &mut message.spans,
                MessageSpan { start, len: end - start, kind: SpanKind::Secret, note: part::SECRET },
            );
            to = end;
        }
        to
    }

    /// Where these bytes lie in the message.
    pub(crate) fn places(&self, from: usize, to: usize) -> Vec<(u64, u64)> {
        let ends = self.pieces.iter().skip(1).map(|p| p.0).chain([self.bytes.len()]);
        let pieces = self.pieces.iter().zip(ends).filter(|((start, _), end)| *start < to && *end > from);
        pieces
            .map(|(&(start, place), end)| {
                let (a, b) = (from.max(start), to.min(end));
                (place + (a - start) as u64, place + (b - start) as u64)
            })
            .collect()
    }
}
