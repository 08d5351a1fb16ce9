//! The rows of one message: bytes with their styles, a note beside them, the section it comes from.
//!
//! A row of the head is a line of the message. Content is shown line by line if it is text, else as a dump
//! of 16 bytes a row. The places where system calls began are marked: inside the bytes of a request, and as
//! rows of their own in responses and dumps:
//!
//! ```text
//! GET /hel┊2┊lo.txt HTTP/1.1\r\n
//! ┄┄ send() #3 starts here
//! 00000010  48 65 6c 6c 6f                                    |Hello|
//! ```
//!
//! The terminal and the HTML page show the same rows, so that the two cannot disagree.

use askama::Template;

use crate::say;
use crate::service::text::visible;
use crate::wire::explain::message::{LineKind, Message, MessageError, MessageLine, MessageSpan, Role, SpanKind};
use crate::wire::explain::notes::NoteId;
use crate::wire::record::event::{CallBoundary, EventKind, TimedMessage, WireEvent};
use crate::wire::show::layout::{MessageRow, StyledText, ansi, arrow, span_style, with_signs};
use crate::wire::show::sentences::{message_name, note_beside, story};

/// Bytes of a chunk that are shown when content is not shown in full.
const CHUNK_START: u64 = 48;
/// Bytes in one row of a dump.
const DUMP_BYTES: usize = 16;

/// Decides whether a note is shown, for notes that nearly every message has.
type ShowNote<'a> = &'a mut dyn FnMut(NoteId) -> bool;

/// The rows of a message from this byte on; with all of its content, if `full`.
pub(crate) fn message_rows(
    timed: &TimedMessage,
    from: u64,
    full: bool,
    ascii: bool,
    show_note: ShowNote<'_>,
) -> Vec<MessageRow> {
    let message = &timed.message;
    let builder = RowBuilder { timed, message, ascii };
    let mut rows = Vec::new();
    for line in message.lines.iter().filter(|line| line.start + line.len > from) {
        let start = line.start.max(from);
        let line = &MessageLine { start, len: line.start + line.len - start, ..*line };
        let is_content = matches!(line.kind, LineKind::Body | LineKind::ChunkData);
        // A body without chunks has no structure to show, and the sentence below the rows gives its length.
        if line.kind == LineKind::Body && !full {
            continue;
        }
        // A server writes whole lines, so its calls begin with a line. A client may cut anywhere: its calls
        // are marked inside the bytes.
        if message.role == Role::Response {
            let call = builder.call_at(line.start);
            let remark = call.map(|(call, number)| say!("line/call", call, number));
            rows.extend(remark.map(|remark| builder.remark(ansi::SENTENCE, &remark)));
        }
        if is_content && full {
            builder.push_content(line, &mut rows);
            continue;
        }
        // Of a chunk the start is shown all the same: without it, chunk sizes would stand one below the other.
        let shown = if is_content { line.len.min(CHUNK_START) } else { line.len };
        let mut bytes = builder.styled(line.start, line.start + shown);
        if shown < line.len {
            bytes.push(builder.own_text(ansi::DIM, " …"));
        }
        rows.push(with_note(bytes, message, line, show_note));
    }
    rows
}

/// The row of a line, with its note if it has one to show.
fn with_note(bytes: Vec<StyledText>, message: &Message, line: &MessageLine, show_note: ShowNote<'_>) -> MessageRow {
    let (id, words) = note_beside(message, line);
    let note_style = match line.kind {
        _ if message.error_in(line).is_some() => ansi::ERROR,
        // These lines always mean the same: their notes are shown only the first time, or the view would be
        // unreadable after three requests.
        LineKind::Field | LineKind::ChunkEnd if id == NoteId::NONE || !show_note(id) => {
            return MessageRow { bytes, ..MessageRow::default() };
        }
        LineKind::Unparsed if id == NoteId::NONE => return MessageRow { bytes, ..MessageRow::default() },
        // The end of the head and of the message are what a reader must learn to see.
        LineKind::Blank | LineKind::TrailerEnd => ansi::SENTENCE,
        _ => ansi::DIM,
    };
    let section = if id == NoteId::NONE { "" } else { id.note().section };
    MessageRow { bytes, note: words.unwrap_or_else(|| id.note().short.into()), note_style, section }
}

/// Makes the parts of rows. Positions are counted from the start of the message.
struct RowBuilder<'a> {
    timed: &'a TimedMessage,
    message: &'a Message,
    ascii: bool,
}

impl RowBuilder<'_> {
    /// Our own words.
    fn own_text(&self, style: &'static str, text: &str) -> StyledText {
        StyledText { style, text: with_signs(text, self.ascii), is_bad: false }
    }

    /// A row of our own words in place of bytes, without a note.
    fn remark(&self, style: &'static str, text: &str) -> MessageRow {
        MessageRow { bytes: vec![self.own_text(style, text)], ..MessageRow::default() }
    }

    /// The bytes `from..to` in the styles of their spans, with the marks of calls that begin inside: a span with
    /// one mark becomes three parts, its bytes before, the mark, its bytes after.
    fn styled(&self, from: u64, to: u64) -> Vec<StyledText> {
        let mut parts = Vec::new();
        let spans = &self.message.spans;
        // Spans are sorted and disjoint. A message may have thousands, and this is asked for each row.
        let first = spans.partition_point(|span| span.end() <= from);
        for span in spans[first..].iter().take_while(|span| span.start < to) {
            let (start, end) = (span.start.max(from), span.end().min(to));
            // A call that begins with the row needs no mark in a response: a row of its own says so.
            let has_mark = |cut: &&CallBoundary| {
                cut.at >= start && cut.at < end && (cut.at > from || self.message.role == Role::Request)
            };
            let mut at = start;
            for cut in self.timed.boundaries.iter().filter(has_mark) {
                self.push_bytes(at, cut.at, span.kind, &mut parts);
                parts.push(self.own_text(ansi::MARK, &format!("┊{}┊", cut.call)));
                at = cut.at;
            }
            self.push_bytes(at, end, span.kind, &mut parts);
        }
        parts
    }

    /// Appends bytes of one span in its style, with a remark where some of them were not kept.
    fn push_bytes(&self, from: u64, to: u64, kind: SpanKind, parts: &mut Vec<StyledText>) {
        // Between two marks there may be nothing, and an empty part would get colours all the same in HTML.
        if from >= to {
            return;
        }
        // The span may lie across the gap, even begin in it: then one of the two ends is empty.
        let (first, gap, last) = self.message.bytes.get(from, to - from);
        let mut text = visible(first, self.ascii);
        if gap > 0 {
            text += &with_signs(&format!(" {} ", say!("line/gap", bytes = gap)), self.ascii);
        }
        text += &visible(last, self.ascii);
        parts.push(StyledText { style: span_style(kind), text, is_bad: kind == SpanKind::Bad });
    }

    /// Appends all of a body or of a chunk: text by its lines, anything else as a dump. If the middle of it was
    /// not kept, a row says how much is missing there.
    fn push_content(&self, line: &MessageLine, rows: &mut Vec<MessageRow>) {
        let (first, gap, last) = self.message.bytes.get(line.start, line.len);
        // One decision for both ends: half a picture as text would look like a broken message.
        let is_text = is_text(first, gap > 0);
        let end = line.start + line.len;
        for (bytes, from) in [(first, line.start), (last, end - last.len() as u64)] {
            if from > line.start && gap > 0 {
                rows.push(self.remark(ansi::DIM, &say!("line/gap", bytes = gap)));
            }
            if is_text { self.push_text(bytes, from, rows) } else { self.push_dump(bytes, from, rows) }
        }
    }

    /// Appends text that begins at byte `at` of the message, a row for each line.
    fn push_text(&self, text: &[u8], mut at: u64, rows: &mut Vec<MessageRow>) {
        // The line end stays with its line, where it is shown as `\n`: it is content like the rest.
        for line in text.split_inclusive(|&b| b == b'\n') {
            let end = at + line.len() as u64;
            let (note, section) = content_note(self.message, at);
            rows.push(MessageRow { bytes: self.styled(at, end), note: note.into(), note_style: ansi::DIM, section });
            at = end;
        }
    }

    /// Appends a dump of bytes that begin at byte `at` of the message.
    fn push_dump(&self, bytes: &[u8], mut at: u64, rows: &mut Vec<MessageRow>) {
        for row in bytes.chunks(DUMP_BYTES) {
            let end = at + row.len() as u64;
            // A mark inside the dump would break its columns, so it becomes a row before.
            let remark = (at..end).find_map(|at| {
                let (call, number) = self.call_at(at)?;
                Some(say!("line/call-at", call, number, at = at.to_string()))
            });
            rows.extend(remark.map(|remark| self.remark(ansi::MARK, &remark)));
            // A dump counts from the start of the body, as a dump of the reader's own file does.
            rows.push(self.remark(ansi::SENTENCE, &dump(at - self.message.head_end, row)));
            at = end;
        }
    }

    /// Name and number of the call that begins with this byte. The call that brought the first byte of the message is no
    /// boundary inside it.
    fn call_at(&self, at: u64) -> Option<(&'static str, String)> {
        let boundary = self.timed.boundaries.iter().find(|boundary| boundary.at == at && at > 0)?;
        let call = match self.message.role {
            Role::Request => "recv()",
            Role::Response if boundary.from_file => "sendfile()",
            Role::Response => "send()",
        };
        Some((call, boundary.call.to_string()))
    }
}

/// Whether content can be shown as text. If only its start was kept (`is_cut`), it may end inside a character.
fn is_text(bytes: &[u8], is_cut: bool) -> bool {
    // UTF-8 alone says little: control bytes are valid too, and files of zeros would be text.
    let is_utf8 = std::str::from_utf8(bytes).map_or_else(|error| error.error_len().is_none() && is_cut, |_| true);
    is_utf8 && bytes.iter().all(|&b| b >= b' ' || matches!(b, b'\t' | b'\r' | b'\n'))
}

/// The short note and the section of a row of content, if the row has a meaning beyond its bytes: a
/// boundary of a form, or the head of one of its parts.
fn content_note(message: &Message, at: u64) -> (&'static str, &'static str) {
    let mut spans = message.spans.iter().filter(|span| span.end() > at);
    let has_note = |span: &&MessageSpan| matches!(span.kind, SpanKind::Framing | SpanKind::Name | SpanKind::Blank);
    let first = spans.next().filter(has_note);
    let is_framing = |span: &MessageSpan| span.kind == SpanKind::Framing;
    // After the boundary comes more framing in the same row: only the last boundary has that.
    let more = spans.next().filter(|next| is_framing(next) && first.is_some_and(is_framing));
    more.or(first).map_or(("", ""), |span| (span.note.note().short, span.note.note().section))
}

/// One row of a dump: the position, the bytes in hex, the bytes as ASCII with a dot for all others. The format
/// is that of `hexdump -C`, which readers know.
fn dump(at: u64, bytes: &[u8]) -> String {
    let (left, right) = bytes.split_at(bytes.len().min(DUMP_BYTES / 2));
    let hex = |half: &[u8]| half.iter().map(|byte| format!(" {byte:02x}")).collect::<String>();
    let ascii: String = bytes.iter().map(|&b| if matches!(b, b' '..=b'~') { char::from(b) } else { '.' }).collect();
    // A short last row is filled up, so that its characters stand below those of the others.
    format!("{at:08x} {:24} {:24}  |{ascii}|", hex(left), hex(right))
}

/// The values of the template `src/pages/messages.html`, which escapes them.
#[derive(Template)]
#[template(path = "messages.html", config = "src/pages/askama.toml")]
struct MessagesPage {
    title: String,
    messages: Vec<PageMessage>,
}

/// A message on that page.
struct PageMessage {
    /// Its direction, kind and number.
    title: String,
    size: String,
    story: String,
    rows: Vec<MessageRow>,
    /// How its content is delimited, and the section.
    framing: Option<(String, String)>,
    /// What is wrong with it, and the section.
    error: Option<(String, &'static str)>,
}

/// The messages among these events as one page of HTML, for homework or a bug report. It has no script and sends no
/// request.
pub fn html_page(events: &[WireEvent]) -> String {
    let messages = events.iter().filter_map(|event| match &event.kind {
        EventKind::Message(timed) => Some(page_message(timed)),
        _ => None,
    });
    // Rendering fails only if a value of the template does, and all of them are texts and numbers.
    MessagesPage { title: say!("html/title"), messages: messages.collect() }.render().unwrap_or_default()
}

fn page_message(timed: &TimedMessage) -> PageMessage {
    let message = &timed.message;
    let broken = |error: MessageError| {
        let note = error.note.note();
        (say!("terminal/broken", at = error.at.to_string(), sentence = note.long), note.section)
    };
    PageMessage {
        title: format!("{} {} {}", arrow(message.role).0, message_name(message), message.exchange),
        size: say!("about/bytes", bytes = message.len()),
        story: story(timed),
        // A page is read in any order, so every note is there every time.
        rows: message_rows(timed, 0, true, false, &mut |_| true),
        framing: message.framing_sentence().zip(message.framing.map(|framing| framing.section())),
        error: message.error.map(broken),
    }
}
