//! A message while it comes: its spans so far, and those of its bytes that will be kept.
//!
//! Never: more memory than two windows, however long the message; a masked byte (it becomes a
//! [`Message`] first, and `mask` sees that before anybody else).
//!
//! The subtle thing: the windows are wider than what is kept in the end, by the longest secret there
//! can be. A secret that lies across the border of what is kept would else leave its beginning behind.

use crate::http::Limits;
use crate::wire::explain::lexer::{Annotations, Chunks};
use crate::wire::explain::message::{
    ContentFraming, Excerpt, Message, MessageError, MessageSpan, Role, SpanKind, carve,
};
use crate::wire::explain::notes::NoteId;
use crate::wire::explain::value::RedactOptions;

/// Content kept from its start: a page of text.
pub(crate) const FIRST: usize = 2048;
/// Content kept from its end.
pub(crate) const LAST: usize = 256;
/// Spans of one message beyond which chunks are summed up: a million chunks of one byte are a million
/// lines nobody reads.
const SPANS: usize = 4096;

/// How much of a message is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeepLimits {
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// The longest secret: a head has no longer value.
    pub(crate) margin: usize,
}

impl KeepLimits {
    /// The whole head, the first and the last bytes of the content.
    pub fn ends(limits: &Limits) -> KeepLimits {
        KeepLimits { first: FIRST, last: LAST, margin: limits.head }
    }

    /// Everything.
    pub fn all() -> KeepLimits {
        KeepLimits { first: usize::MAX / 4, last: 0, margin: 0 }
    }
}

/// The message.
#[derive(Clone, Debug)]
pub(crate) struct MessageBuilder {
    role: Role,
    exchange: u64,
    start: u64,
    keep: KeepLimits,
    pub(crate) sheet: Annotations,
    pub(crate) chunks: Chunks,
    head_end: u64,
    bytes: Excerpt,
    content: usize,
    pub(crate) from_file: bool,
}

impl MessageBuilder {
    /// A message whose head is there, or the part of it before its fault.
    pub(crate) fn new(
        role: Role,
        exchange: u64,
        start: u64,
        keep: KeepLimits,
        head: &[u8],
        hide: &RedactOptions,
    ) -> MessageBuilder {
        let mut sheet = Annotations::default();
        sheet.head(head, role, hide);
        MessageBuilder {
            role,
            exchange,
            start,
            keep,
            sheet,
            chunks: Chunks::default(),
            head_end: head.len() as u64,
            bytes: Excerpt { first: head.to_vec(), ..Excerpt::default() },
            content: 0,
            from_file: false,
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    pub(crate) fn head_len(&self) -> u64 {
        self.head_end
    }

    /// The byte after the last one, in the bytes of its side.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len()
    }

    /// Bytes of content, without chunks.
    pub(crate) fn content(&mut self, bytes: &[u8]) {
        self.sheet.content(bytes.len() as u64);
        self.keep(bytes);
    }

    /// Bytes of content that nobody has seen but their first and last ones.
    pub(crate) fn unseen(&mut self, len: u64, first: &[u8], last: &[u8]) {
        self.sheet.content(len);
        self.from_file = true;
        let fits = usize::try_from(len).unwrap_or(usize::MAX);
        let first = &first[..first.len().min(fits)];
        let last = &last[last.len().saturating_sub(fits - first.len())..];
        self.keep(first);
        self.skip(len - first.len() as u64 - last.len() as u64);
        self.keep(last);
    }

    /// Bytes of content of which only the number is known.
    pub(crate) fn content_gap(&mut self, len: u64) {
        self.sheet.content(len);
        self.skip(len);
    }

    /// The same of the data of a chunk.
    pub(crate) fn chunk_gap(&mut self, len: u64) {
        self.count_chunk_data(len);
        self.skip(len);
    }

    fn skip(&mut self, gap: u64) {
        if gap > 0 {
            // What lies before a gap and is not at the front cannot be kept in one piece.
            self.bytes.gap += gap + self.bytes.last.len() as u64;
            self.bytes.last.clear();
        }
    }

    /// Framing lines of chunked content.
    pub(crate) fn chunk_lines(&mut self, bytes: &[u8], hide: &RedactOptions) {
        if self.is_crowded() && !is_last(bytes) {
            let (mut sheet, mut chunks) = (Annotations::default(), self.chunks);
            sheet.chunk_lines(bytes, &mut chunks, hide);
            self.chunks = chunks;
            self.sheet.summed(bytes.len() as u64);
        } else {
            self.sheet.chunk_lines(bytes, &mut self.chunks, hide);
        }
        self.keep(bytes);
    }

    /// Data of a chunk.
    pub(crate) fn chunk_data(&mut self, bytes: &[u8]) {
        self.count_chunk_data(bytes.len() as u64);
        self.keep(bytes);
    }

    fn count_chunk_data(&mut self, len: u64) {
        if self.is_crowded() {
            self.chunks.bytes += len;
            self.sheet.summed(len);
        } else {
            self.sheet.chunk_data(len, &mut self.chunks);
        }
    }

    fn is_crowded(&self) -> bool {
        self.sheet.spans.len() > SPANS
    }

    fn keep(&mut self, bytes: &[u8]) {
        let window = self.keep.first.saturating_add(self.keep.margin);
        let kept = &mut self.bytes;
        let room = if kept.gap == 0 && kept.last.is_empty() { window.saturating_sub(self.content) } else { 0 };
        let (first, last) = bytes.split_at(room.min(bytes.len()));
        kept.first.extend_from_slice(first);
        self.content += first.len();
        kept.last.extend_from_slice(last);
        let window = self.keep.last.saturating_add(self.keep.margin);
        if kept.last.len() > 2 * window {
            let surplus = kept.last.len() - window;
            kept.last.drain(..surplus);
            kept.gap += surplus as u64;
        }
    }

    /// The message, not masked yet.
    pub(crate) fn finish(mut self, framing: Option<ContentFraming>, broken: Option<MessageError>) -> Message {
        if let Some(broken) = broken
            && broken.len > 0
        {
            let bad = MessageSpan { start: broken.at, len: broken.len, kind: SpanKind::Bad, note: broken.note };
            carve(&mut self.sheet.spans, bad);
        }
        if self.bytes.gap == 0 {
            let last = std::mem::take(&mut self.bytes.last);
            self.bytes.first.extend(last);
        }
        Message {
            role: self.role,
            exchange: self.exchange,
            start: self.start,
            head_end: self.head_end,
            framing,
            lines: self.sheet.lines,
            spans: self.sheet.spans,
            error: broken,
            bytes: self.bytes,
            from_file: self.from_file,
            hidden: false,
            masked: false,
        }
    }
}

/// Whether framing lines end the content: they are told apart also where chunks are summed up.
fn is_last(bytes: &[u8]) -> bool {
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    line.first() == Some(&b'0') && line.iter().take_while(|o| o.is_ascii_hexdigit()).all(|&o| o == b'0')
}

/// Takes from a message what will not be kept; only the masked one is shortened.
pub(crate) fn shorten(message: &mut Message, keep: KeepLimits) {
    let bytes = &mut message.bytes;
    let front = usize::try_from(message.head_end).unwrap_or(usize::MAX).saturating_add(keep.first);
    if bytes.gap == 0 {
        if bytes.first.len() <= front.saturating_add(keep.last) {
            return;
        }
        bytes.last = bytes.first[bytes.first.len() - keep.last..].to_vec();
    } else {
        let surplus = bytes.last.len().saturating_sub(keep.last);
        bytes.last.drain(..surplus);
        bytes.gap += surplus as u64;
    }
    let total_first = bytes.first.len();
    bytes.first.truncate(front);
    let tail = if bytes.gap == 0 { bytes.last.len() } else { 0 };
    bytes.gap += (total_first - bytes.first.len() - tail) as u64;
    bytes.first.shrink_to_fit();
}

/// A fault at a place of a message.
pub(crate) fn broken(at: u64, len: u64, note: NoteId, cut_off: bool) -> Option<MessageError> {
    Some(MessageError { at, len, note, cut_off })
}
