//! The rows of one message and their columns: bytes left, notes in the middle, sections right.
//!
//! Never: a row of bytes that is wrapped. In a narrow terminal the notes go to lines of their own.
//!
//! The subtle thing: the column of the notes belongs to the message, so that its notes stand below each
//! other; but one long line must not push all of them out of sight, so beyond a width that line alone
//! has its note below.

use crate::service::text::push_visible;
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind, byte_count};
use crate::wire::explain::notes::NoteId;
use crate::wire::record::event::{CallBoundary, TimedMessage};
use crate::wire::show::flow::Flow;
use crate::wire::show::look::Style;
use crate::wire::show::sentences::beside;
use crate::wire::show::style::{Piece, columns, push_styled, style};

/// The notes begin here at least.
const NOTES: usize = 34;
/// Below this many columns the notes have lines of their own.
const NARROW: usize = 100;
/// Room for a section beside its note, where a longer one may stick out.
const SECTION: usize = 11;
/// The same before the edge of a terminal, where nothing may: what crosses it goes on at the left.
const SECTION_AT_EDGE: usize = 14;
/// Room for a note.
const NOTE: usize = 45;
/// Bytes of a chunk that are shown in short.
const CHUNK: usize = 48;
/// Bytes of one row of a dump.
const DUMP: u64 = 16;

/// One row.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pieces: Vec<Piece>,
    note: String,
    note_style: &'static str,
    section: &'static str,
}

impl Row {
    /// The rows of a message; `teach` says whether a note is to be given.
    pub(crate) fn all(
        spoken: &TimedMessage,
        full: bool,
        ascii: bool,
        teach: &mut impl FnMut(NoteId) -> bool,
    ) -> Vec<Row> {
        let message = &spoken.message;
        let mut rows = Vec::new();
        for line in &message.lines {
            let is_content = matches!(line.kind, LineKind::Body | LineKind::ChunkData);
            if line.kind == LineKind::Body && !full {
                continue;
            }
            if message.role == Role::Response {
                rows.extend(border(&spoken.boundaries, line.start, ascii));
            }
            if is_content && full {
                content(spoken, line, ascii, &mut rows);
                continue;
            }
            let shown = if is_content { line.len.min(CHUNK as u64) } else { line.len };
            let mut pieces = pieces(spoken, line.start, line.start + shown, ascii);
            if shown < line.len {
                pieces.push(plain(style::DIM, if ascii { " ..." } else { " …" }));
            }
            let (note, note_style, section) = note(message, line, teach);
            rows.push(Row { pieces, note, note_style, section });
        }
        rows
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(crate) fn note(&self) -> &str {
        &self.note
    }

    pub(crate) fn section(&self) -> &'static str {
        self.section
    }

    fn columns(&self) -> usize {
        self.pieces.iter().map(|p| columns(&p.text)).sum()
    }
}

fn plain(style: &'static str, text: &str) -> Piece {
    Piece { style, text: text.into(), is_bad: false }
}

/// A call of the server that begins with this line.
fn border(cuts: &[CallBoundary], at: u64, ascii: bool) -> Option<Row> {
    let cut = cuts.iter().find(|c| c.at == at)?;
    let sign = if ascii { ".." } else { "┄┄" };
    let text = format!("{sign} write() #{} starts here", cut.call);
    Some(Row { pieces: vec![plain(style::SAY, &text)], ..Row::default() })
}

/// Bytes as pieces, with the marks of calls inside.
fn pieces(spoken: &TimedMessage, from: u64, to: u64, ascii: bool) -> Vec<Piece> {
    let message = &spoken.message;
    let mut pieces = Vec::new();
    let first = message.spans.partition_point(|s| s.end() <= from);
    for span in message.spans[first..].iter().take_while(|s| s.start < to) {
        let (mut at, end) = (span.start.max(from), span.end().min(to));
        let is_bad = span.kind == SpanKind::Bad;
        let begin = at;
        let inside = |c: &&CallBoundary| c.at >= begin && c.at < end && (c.at > from || message.role == Role::Request);
        for cut in spoken.boundaries.iter().filter(inside) {
            push_bytes(message, at, cut.at, crate::wire::show::style::of(span.kind), is_bad, ascii, &mut pieces);
            let mark = if ascii { "|" } else { "┊" };
            pieces.push(plain(style::MARK, &format!("{mark}{}{mark}", cut.call)));
            at = cut.at;
        }
        push_bytes(message, at, end, crate::wire::show::style::of(span.kind), is_bad, ascii, &mut pieces);
    }
    pieces
}

fn push_bytes(
    message: &Message,
    from: u64,
    to: u64,
    style: &'static str,
    is_bad: bool,
    ascii: bool,
    pieces: &mut Vec<Piece>,
) {
    if from >= to {
        return;
    }
    let (first, gap, last) = message.bytes.get(from, to - from);
    let mut text = String::new();
    push_visible(&mut text, first, ascii);
    if gap > 0 {
        let dots = if ascii { "..." } else { "…" };
        text.push_str(&format!(" {dots} {} not kept {dots} ", byte_count(gap)));
    }
    push_visible(&mut text, last, ascii);
    pieces.push(Piece { style, text, is_bad });
}

/// Content in rows: text by its lines, anything else as a dump.
fn content(spoken: &TimedMessage, line: &MessageLine, ascii: bool, rows: &mut Vec<Row>) {
    let message = &spoken.message;
    let (first, gap, last) = message.bytes.get(line.start, line.len);
    let is_text = |bytes: &[u8]| {
        // The cut end of what was kept may be in the middle of a character.
        let valid = std::str::from_utf8(bytes).map_or_else(|e| e.error_len().is_none() && gap > 0, |_| true);
        valid && bytes.iter().all(|&o| o >= b' ' || matches!(o, b'\t' | b'\r' | b'\n'))
    };
    let text = is_text(first);
    let end = line.start + line.len;
    for (bytes, from) in [(first, line.start), (last, end - last.len() as u64)] {
        if from > line.start && gap > 0 {
            let dots = if ascii { "..." } else { "…" };
            let text = format!("{dots} {} not kept", byte_count(gap));
            rows.push(Row { pieces: vec![plain(style::DIM, &text)], ..Row::default() });
        }
        if text {
            let mut at = from;
            for piece in bytes.split_inclusive(|&o| o == b'\n') {
                let pieces = pieces(spoken, at, at + piece.len() as u64, ascii);
                let (note, section) = note_within(message, at);
                rows.push(Row { pieces, note: note.into(), note_style: style::DIM, section });
                at += piece.len() as u64;
            }
        } else {
            for (n, row) in bytes.chunks(DUMP as usize).enumerate() {
                let at = from + n as u64 * DUMP;
                rows.extend((at..at + row.len() as u64).find_map(|place| border_within(spoken, place, ascii)));
                rows.push(Row { pieces: vec![plain(style::SAY, &dump(at - message.head_end, row))], ..Row::default() });
            }
        }
    }
}

/// What stands beside a row of content: what begins or goes on there, if it has a meaning of its own.
fn note_within(message: &Message, at: u64) -> (&'static str, &'static str) {
    let mut spans = message.spans.iter().filter(|span| span.end() > at);
    match (spans.next(), spans.next()) {
        (Some(span), Some(next)) if span.kind == SpanKind::Framing && next.kind == SpanKind::Framing => {
            (next.note.note().short, next.note.note().section)
        }
        (Some(span), _) if matches!(span.kind, SpanKind::Framing | SpanKind::Name | SpanKind::Blank) => {
            (span.note.note().short, span.note.note().section)
        }
        _ => ("", ""),
    }
}

fn border_within(spoken: &TimedMessage, at: u64, ascii: bool) -> Option<Row> {
    let cut = spoken.boundaries.iter().find(|c| c.at == at && c.at > 0)?;
    let call = if spoken.message.role == Role::Request { "recv()" } else { "write()" };
    let sign = if ascii { ".." } else { "┄┄" };
    let text = format!("{sign} {call} #{} starts at byte {at}", cut.call);
    Some(Row { pieces: vec![plain(style::MARK, &text)], ..Row::default() })
}

/// `00000010  48 65 6c 6c 6f …  |Hello|`
fn dump(at: u64, bytes: &[u8]) -> String {
    let mut text = format!("{at:08x} ");
    for n in 0..DUMP as usize {
        if n == 8 {
            text.push(' ');
        }
        match bytes.get(n) {
            Some(byte) => text.push_str(&format!(" {byte:02x}")),
            None => text.push_str("   "),
        }
    }
    text.push_str("  |");
    text.extend(bytes.iter().map(|&o| if matches!(o, b' '..=b'~') { char::from(o) } else { '.' }));
    text.push('|');
    text
}

/// What stands beside a line: note, its style, section.
fn note(
    message: &Message,
    line: &MessageLine,
    teach: &mut impl FnMut(NoteId) -> bool,
) -> (String, &'static str, &'static str) {
    let (id, words) = beside(message, line);
    let style = match line.kind {
        _ if message.error_in(line).is_some() => style::WRONG,
        // Taught once: every message has them, and they always mean the same.
        LineKind::Field | LineKind::ChunkEnd if id == NoteId::NONE || !teach(id) => return Default::default(),
        LineKind::Blank | LineKind::TrailerEnd => style::SAY,
        _ => style::DIM,
    };
    let section = if id == NoteId::NONE { "" } else { id.note().section };
    (words.unwrap_or_else(|| id.note().short.into()), style, section)
}

/// Where the columns of a message are.
#[derive(Debug)]
pub(crate) struct Layout {
    style: Style,
    notes: usize,
    sections: usize,
}

impl Layout {
    /// Wider than this, sections would stand too far from what they belong to.
    pub(crate) const WIDEST: usize = 112;

    pub(crate) fn of(style: Style, rows: &[Row]) -> Layout {
        let widest = rows.iter().map(|row| columns(&section(row.section, style.ascii))).max().unwrap_or(0);
        let at_edge = style.columns.saturating_sub(widest.max(SECTION_AT_EDGE));
        let sections = (Layout::WIDEST - SECTION).min(at_edge);
        let most = sections.saturating_sub(NOTE).max(NOTES);
        let longest = rows.iter().map(Row::columns).filter(|&c| c + 3 <= most).max().unwrap_or(0);
        Layout { style, notes: (longest + 3).max(NOTES), sections }
    }

    pub(crate) fn push(&self, rows: &[Row], out: &mut String) {
        for row in rows {
            out.push_str("   ");
            for piece in &row.pieces {
                self.put(out, piece.style, &piece.text);
            }
            let used = row.columns();
            let section = section(row.section, self.style.ascii);
            if !row.note.is_empty() || !section.is_empty() {
                self.explain(row, used, &section, out);
            }
            trim_end(out);
            out.push('\n');
            self.point(row, out);
        }
    }

    /// The note and the section, beside bytes of so many columns or below them.
    fn explain(&self, row: &Row, used: usize, section: &str, out: &mut String) {
        let behind = 3 + self.notes + columns(&row.note);
        let gap = self.sections.saturating_sub(behind).max(2);
        let crosses = behind + gap + columns(section) > self.style.columns;
        if self.style.columns < NARROW || used + 3 > self.notes || crosses {
            out.push_str("\n     ");
            let mut flow = Flow::new(self.style, 7, out);
            flow.words(style::DIM, &format!("# {}", row.note));
            flow.whole(style::DIM, &format!("  {section}"));
        } else {
            out.extend(std::iter::repeat_n(' ', self.notes - used));
            self.put(out, row.note_style, &row.note);
            out.extend(std::iter::repeat_n(' ', gap));
            self.put(out, style::DIM, section);
        }
    }

    /// `^^^` below what is wrong: colour alone says nothing to many.
    fn point(&self, row: &Row, out: &mut String) {
        let Some(first) = row.pieces.iter().position(|p| p.is_bad) else { return };
        let before: usize = row.pieces[..first].iter().map(|p| columns(&p.text)).sum();
        let last = row.pieces.iter().rposition(|p| p.is_bad).unwrap_or(first);
        let len: usize = row.pieces[first..=last].iter().map(|p| columns(&p.text)).sum();
        out.extend(std::iter::repeat_n(' ', 3 + before));
        self.put(out, style::WRONG, &"^".repeat(len.max(1)));
        out.push('\n');
    }

    fn put(&self, out: &mut String, style: &str, text: &str) {
        push_styled(out, style, text, self.style.color);
    }
}

/// A section as it stands beside a note.
fn section(section: &str, ascii: bool) -> String {
    let short = section.strip_prefix("RFC ").unwrap_or(section);
    if ascii { short.replace('§', "sec. ") } else { short.into() }
}

fn trim_end(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}
