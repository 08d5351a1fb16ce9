//! The content of a message without its chunk framing.

use crate::wire::explain::{Message, MessageSpan, SpanKind};

/// Content without chunk framing, in which a secret is one piece, and the places of its bytes in the message.
#[derive(Default)]
pub(crate) struct UnframedContent {
    /// The data of all pieces, one after the other.
    pub(crate) bytes: Vec<u8>,
    /// For each piece its position in `bytes` and in the message.
    pub(crate) pieces: Vec<(usize, u64)>,
}

impl UnframedContent {
    /// The content that was kept at the front, and that at the back.
    pub(crate) fn of(message: &Message) -> [UnframedContent; 2] {
        let (mut front, mut back) = (UnframedContent::default(), UnframedContent::default());
        // Secret spans after the head are trailers, or content that was carved out before.
        let is_secret = |span: &MessageSpan| span.kind == SpanKind::Secret && span.start >= message.head_end;
        for span in message.spans.iter().filter(|span| span.is_content() || is_secret(span)) {
            let (first, _, last) = message.bytes.get(span.start, span.len);
            front.push(first, span.start);
            back.push(last, span.start.max(message.bytes.gap_end()));
        }
        [front, back]
    }

    fn push(&mut self, bytes: &[u8], place: u64) {
        if !bytes.is_empty() {
            self.pieces.push((self.bytes.len(), place));
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Where the bytes `from..to` lie in the message: the first byte and the one after the last of each piece.
    pub(crate) fn places(&self, from: usize, to: usize) -> Vec<(u64, u64)> {
        // A piece ends where the next one begins, so only its start is stored.
        let ends = self.pieces.iter().skip(1).map(|piece| piece.0).chain([self.bytes.len()]);
        let pieces = self.pieces.iter().zip(ends).filter(|((start, _), end)| *start < to && *end > from);
        let place = |(&(start, place), end): (&(usize, u64), usize)| {
            let (from, to) = (from.max(start), to.min(end));
            (place + (from - start) as u64, place + (to - start) as u64)
        };
        pieces.map(place).collect()
    }
}
