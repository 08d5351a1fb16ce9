//! A message under construction: its spans so far, and those of its bytes that will be kept.
//!
//! The memory is bounded however long the message is: the head, a window of bytes at the start of the content and one
//! at its end. The windows are wider than what is kept in the end, by the longest possible secret. Otherwise half of a
//! secret that lies across the edge of a window would not be recognised and would be shown.
//!
//! ```text
//! head | first + margin            | counted only | margin + last        while it is built
//! head | first      | counted only                        | last        when it is kept
//! ```
//!
//! The message is not redacted here. It leaves [`crate::wire::explain`] only through `redact`.

use std::sync::Arc;

use crate::http::Limits;
use crate::wire::explain::{
    Annotations, Awaited, ContentFraming, ContentKind, Excerpt, LineKind, Message, MessageError, MessageSpan, NoteId,
    Progress, RedactOptions, Role, SpanKind, UnderWay, lexer::ChunkState, part, spans::MessageLine, spans::carve,
};

/// Bytes of content kept at its start: a page of text.
pub(crate) const FIRST: usize = 2048;
/// Bytes of content kept at its end.
pub(crate) const LAST: usize = 256;
/// Most spans of one message that describe single chunks. The chunks after them are summed up in one span: a million
/// chunks of one byte would take a thousand times the memory of their data.
const SPANS: usize = 4096;

/// How bytes are explained.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// The limits of the server that read the requests.
    pub limits: Limits,
    /// What is redacted.
    pub redact: RedactOptions,
    /// How much is kept.
    pub keep: KeepLimits,
}

impl ExplainOptions {
    /// For a saved file: everything is kept.
    pub fn whole(limits: Limits) -> ExplainOptions {
        ExplainOptions { limits, redact: RedactOptions::default(), keep: KeepLimits::ALL }
    }

    /// For a live connection: heads are kept, and both ends of content.
    pub fn live(limits: Limits, redact: RedactOptions) -> ExplainOptions {
        // No secret of a head is longer than the head.
        ExplainOptions { limits, redact, keep: KeepLimits { first: FIRST, last: LAST, margin: limits.head } }
    }
}

/// How much of the content of a message is kept.
#[derive(Clone, Copy, Debug)]
pub struct KeepLimits {
    /// Bytes of content kept at its start. The head is kept whole and does not count.
    pub(crate) first: usize,
    /// Bytes of content kept at its end.
    pub(crate) last: usize,
    /// Added to both while the message is built: the length of the longest secret.
    margin: usize,
}

impl KeepLimits {
    /// Everything. A quarter of the numbers there are, so that sums of such limits do not overflow.
    pub(crate) const ALL: KeepLimits = KeepLimits { first: usize::MAX / 4, last: 0, margin: 0 };
}

/// The message.
#[derive(Clone, Debug)]
pub(crate) struct MessageBuilder {
    /// Shared by all messages of the connection.
    options: Arc<ExplainOptions>,
    /// Its `lines` and `spans` stay empty until [`MessageBuilder::finish`].
    message: Message,
    /// The spans and lines of every byte so far, kept or not.
    annotations: Annotations,
    /// Changes only if the content is chunked.
    chunks: ChunkState,
}

impl MessageBuilder {
    /// A message with this head, or with the bytes of it up to its fault. `start` is the position of its first byte
    /// on its side of the connection; `framing` is `None` if the head is invalid.
    pub(crate) fn new(
        options: &Arc<ExplainOptions>,
        (role, exchange, start): (Role, u64, u64),
        head: &[u8],
        framing: Option<ContentFraming>,
    ) -> MessageBuilder {
        let mut annotations = Annotations::default();
        annotations.head(head, role, &options.redact);
        // Lines and spans are collected in `annotations` and moved here at the end; the other empty fields are set
        // then, or by `redact`.
        let message = Message {
            role,
            exchange,
            start,
            head_end: head.len() as u64,
            framing,
            lines: Vec::new(),
            spans: Vec::new(),
            error: None,
            bytes: Excerpt { first: head.to_vec(), ..Excerpt::default() },
            from_file: false,
            hidden: false,
            masked: false,
            under_way: None,
        };
        MessageBuilder { options: Arc::clone(options), message, annotations, chunks: ChunkState::default() }
    }

    /// The bytes of one side that no parser reads, after this exchange and from this position on. They are added as
    /// content.
    pub(crate) fn unparsed(options: &Arc<ExplainOptions>, place: (Role, u64, u64)) -> MessageBuilder {
        MessageBuilder::new(options, place, &[], None)
    }

    /// The message of a PROXY header, which is at the beginning of the client's side and is not HTTP.
    pub(crate) fn proxy_header(options: &Arc<ExplainOptions>, bytes: &[u8]) -> Message {
        let mut builder = MessageBuilder::unparsed(options, (Role::Request, 1, 0));
        builder.content(bytes);
        let mut message = builder.finish(None);
        message.lines.iter_mut().take(1).for_each(|line| line.note = part::PROXY_HEADER);
        message.spans.iter_mut().for_each(|span| span.note = part::PROXY_HEADER);
        message
    }

    /// The bytes of memory that it needs so far.
    pub(crate) fn held_bytes(&self) -> usize {
        let (bytes, annotations) = (&self.message.bytes, &self.annotations);
        let spans = annotations.spans.capacity() * size_of::<MessageSpan>();
        bytes.first.capacity() + bytes.last.capacity() + spans + annotations.lines.capacity() * size_of::<MessageLine>()
    }

    /// The number of its bytes so far.
    pub(crate) fn len(&self) -> u64 {
        self.message.len()
    }

    /// Adds bytes of content, or of the data of a chunk.
    pub(crate) fn content(&mut self, bytes: &[u8]) {
        self.count_content(bytes.len() as u64);
        self.keep(bytes);
    }

    /// Adds `len` bytes of content that were not recorded.
    pub(crate) fn content_gap(&mut self, len: u64) {
        self.count_content(len);
        if len > 0 {
            // The window at the end must be one piece, so what it held before the gap is left out as well.
            self.message.bytes.gap += len + self.message.bytes.last.len() as u64;
            self.message.bytes.last.clear();
        }
    }

    /// Adds `len` bytes of content that the kernel sent from a file, with the first and last of them.
    pub(crate) fn content_of_file(&mut self, len: u64, first: &[u8], last: &[u8]) {
        self.message.from_file = true;
        // A short piece of a file is smaller than the two windows together, which then overlap.
        let fits = usize::try_from(len).unwrap_or(usize::MAX);
        let first = &first[..first.len().min(fits)];
        let last = &last[last.len().saturating_sub(fits - first.len())..];
        // In the order of the bytes, as if the content had come in three pieces.
        self.content(first);
        self.content_gap(len - first.len() as u64 - last.len() as u64);
        self.content(last);
    }

    /// Adds framing lines of chunked content; nothing if the content is not chunked.
    pub(crate) fn framing_lines(&mut self, bytes: &[u8]) {
        if !self.is_chunked() || bytes.is_empty() {
            return;
        }
        let redact = &self.options.redact;
        if self.is_crowded() && !is_last_chunk(bytes) {
            // The state of the chunks moves on as ever, and the lines it makes are thrown away.
            Annotations::default().chunk_lines(bytes, &mut self.chunks, redact);
            self.sum_up(bytes.len() as u64);
        } else {
            self.annotations.chunk_lines(bytes, &mut self.chunks, redact);
        }
        self.keep(bytes);
    }

    /// The message, not redacted yet.
    pub(crate) fn finish(mut self, error: Option<MessageError>) -> Message {
        let mut message = self.message;
        if let Some(MessageError { at, len, note, .. }) = error {
            // The bad bytes have ordinary spans so far: the lexer judges nothing. An error of length 0 gets no span.
            carve(&mut self.annotations.spans, MessageSpan { start: at, len, kind: SpanKind::Bad, note });
        }
        if message.bytes.gap == 0 {
            // Without a gap the two windows touch. One piece lets `Excerpt::whole` find a line that begins in the first
            // and ends in the second.
            message.bytes.first.append(&mut message.bytes.last);
        }
        if message.is_unparsed() {
            self.annotations = unparsed_lines(&message.bytes);
        }
        let content_len = message.content_len();
        match message.framing.as_mut().map(|framing| &mut framing.content) {
            // These two are known only now. The others were announced by the head.
            Some(ContentKind::Chunked { chunks, bytes }) => (*chunks, *bytes) = (self.chunks.count, self.chunks.bytes),
            Some(ContentKind::UntilClose(bytes)) => *bytes = content_len,
            _ => {}
        }
        Message { error, lines: self.annotations.lines, spans: self.annotations.spans, ..message }
    }

    /// The message so far, not redacted yet. `pending` are bytes of a framing line that is not complete. Of long content
    /// `margin` bytes more are kept than will be shown.
    pub(crate) fn snapshot(&self, pending: &[u8], margin: usize) -> Message {
        let mut copy = self.clone();
        copy.framing_lines(pending);
        let (under_way, keep) = (Some(copy.under_way()), self.options.keep);
        let mut message = Message { under_way, ..copy.finish(None) };
        shorten(&mut message, KeepLimits { first: keep.first + margin, last: keep.last + margin, ..keep });
        message
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        let Message { exchange, start, head_end, .. } = self.message;
        // All of a head that is not complete is kept.
        let shown = start + head_end + self.options.keep.first as u64;
        let is_unparsed = self.message.is_unparsed();
        Progress { exchange, start, shown, is_unparsed, under_way: self.under_way() }
    }

    fn under_way(&self) -> UnderWay {
        let Message { head_end, framing, .. } = self.message;
        let (awaits, arrived, promised) = match framing.map(|framing| framing.content) {
            None if head_end > 0 => (Awaited::BlankLine, head_end, None),
            Some(ContentKind::Length(length)) => (Awaited::Content, self.message.content_len(), Some(length)),
            Some(ContentKind::Chunked { .. }) => (self.chunks.awaited(), self.chunks.bytes, None),
            None => (Awaited::CloseUnparsed, self.len(), None),
            // All other content goes on until the connection ends.
            _ => (Awaited::Close, self.message.content_len(), None),
        };
        UnderWay { awaits, arrived, promised }
    }

    fn is_chunked(&self) -> bool {
        matches!(self.message.framing, Some(ContentFraming { content: ContentKind::Chunked { .. }, .. }))
    }

    /// Whether further chunks are summed up.
    fn is_crowded(&self) -> bool {
        self.annotations.spans.len() > SPANS
    }

    /// Extends the spans by `len` bytes of content, or of the data of a chunk.
    fn count_content(&mut self, len: u64) {
        if !self.is_chunked() {
            return self.annotations.extend(len, SpanKind::Body, LineKind::Body, part::BODY);
        }
        // Also for chunks that are summed up: the sentence about the content names all of its bytes.
        self.chunks.bytes += len;
        if self.is_crowded() {
            self.sum_up(len);
        } else {
            self.annotations.extend(len, SpanKind::ChunkData, LineKind::ChunkData, part::CHUNK_DATA);
        }
    }

    /// Extends the span that stands for many chunks, data and framing.
    fn sum_up(&mut self, len: u64) {
        self.annotations.extend(len, SpanKind::Body, LineKind::Body, part::NOT_KEPT);
    }

    /// Adds bytes to the window at the front, or to that at the end.
    fn keep(&mut self, bytes: &[u8]) {
        let (limits, kept) = (self.options.keep, &mut self.message.bytes);
        // A head is always kept whole, so it does not count for the window.
        let window = limits.first.saturating_add(limits.margin).saturating_add(self.message.head_end as usize);
        // Once bytes went to the end window, no later byte may join the front: the order would be lost.
        let is_open = kept.gap == 0 && kept.last.is_empty();
        let free = if is_open { window.saturating_sub(kept.first.len()) } else { 0 };
        let (first, last) = bytes.split_at(free.min(bytes.len()));
        kept.first.extend_from_slice(first);
        kept.last.extend_from_slice(last);
        // The window at the end moves on only when it is twice too long, so that each byte is moved at most once.
        let window = limits.last.saturating_add(limits.margin);
        if kept.last.len() > 2 * window {
            let surplus = kept.last.len() - window;
            kept.last.drain(..surplus);
            kept.gap += surplus as u64;
        }
    }
}

/// The lines of bytes that no parser reads: the first ones as they look, and all others as one.
fn unparsed_lines(bytes: &Excerpt) -> Annotations {
    /// A page of text. No person reads more lines, and they need more memory than their bytes.
    const LINES: usize = 64;
    let mut out = Annotations::default();
    for (n, line) in bytes.first.split_inclusive(|&b| b == b'\n').take(LINES).enumerate() {
        // What it means is said once.
        let note = if n == 0 { part::UNPARSED } else { NoteId::NONE };
        out.put(line.len(), SpanKind::Unparsed, part::UNPARSED);
        out.line(line.len(), LineKind::Unparsed, note);
    }
    let rest = bytes.len() - out.end();
    if rest > 0 {
        let (start, kind, note) = (out.end(), LineKind::Unparsed, NoteId::NONE);
        out.spans.push(MessageSpan { start, len: rest, kind: SpanKind::Unparsed, note: part::UNPARSED });
        out.lines.push(MessageLine { start, len: rest, kind, note });
    }
    out
}

/// Whether framing lines end the content: these have lines of their own also where chunks are summed up.
fn is_last_chunk(bytes: &[u8]) -> bool {
    // The line end after the last data may come together with the size line.
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    line.first() == Some(&b'0') && line.iter().take_while(|b| b.is_ascii_hexdigit()).all(|&b| b == b'0')
}

/// Removes the bytes that will not be kept. Only a redacted message may be shortened: the margins that are removed
/// here are what secrets at the edges were recognised by.
pub(crate) fn shorten(message: &mut Message, keep: KeepLimits) {
    let bytes = &mut message.bytes;
    let front = usize::try_from(message.head_end).unwrap_or(usize::MAX).saturating_add(keep.first);
    if bytes.gap == 0 {
        // Nothing lies between the two ends: the whole message is kept in one piece.
        if bytes.first.len() <= front.saturating_add(keep.last) {
            return;
        }
        bytes.last = bytes.first.split_off(bytes.first.len() - keep.last);
    } else {
        // The surplus at the end joins the gap, so that the length of the message stays true.
        let surplus = bytes.last.len().saturating_sub(keep.last);
        bytes.last.drain(..surplus);
        bytes.gap += surplus as u64;
    }
    bytes.gap += bytes.first.len().saturating_sub(front) as u64;
    bytes.first.truncate(front);
    // The history counts the bytes of a message by length; spare capacity would be memory that it does not count.
    bytes.first.shrink_to_fit();
}
