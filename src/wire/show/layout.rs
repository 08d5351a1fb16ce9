//! The layout of the view in a terminal: its options, styles and signs, rows in columns, and lines that wrap.
//!
//! ```text
//!    Host: localhost\r\n            which site is wanted; exactly one      9110 §7.2
//!    Accept: text/html,applica…     ├ notes begin here                     ├ sections begin here
//! ├ bytes begin here, after INDENT
//! ```
//!
//! A row of bytes is never wrapped by us, or a reader could not tell which line breaks are part of the
//! message. A note that does not fit beside its bytes goes below them:
//!
//! ```text
//!    Host: localhost\r\n
//!      # which site is wanted;
//!        exactly one  9110 §7.2
//! ```
//!
//! Colours only repeat what signs and words say: many readers do not see them, and a copied text has none.
//! This module asks the system nothing: the program finds out whether there is a terminal and how wide it is.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::wire::explain::message::{Role, SpanKind};

/// Columns before the bytes of each row.
const INDENT: usize = 3;
/// The column at which notes begin, at least.
const NOTES_MIN: usize = 34;
/// Columns between bytes and their note, at least.
const GAP: usize = 3;
/// With fewer columns than this, all notes go below their bytes.
const NARROW: usize = 100;
/// Columns for a section where the output has no edge. Nearly all fit; a longer one may stick out.
const SECTION: usize = 11;
/// Columns for a section before the edge of a terminal, where nothing may stick out: the terminal would wrap it.
const SECTION_AT_EDGE: usize = 14;
/// Columns for a note.
const NOTE: usize = 45;
/// The columns of the whole view at most: farther right, a section would be too far from its bytes.
pub(crate) const WIDEST: usize = 112;
/// Our own signs, each with its substitute for terminals that show only ASCII.
const SIGNS: [(&str, &str); 7] =
    [("▶", ">"), ("◀", "<"), ("┊", "|"), ("…", "..."), ("─", "-"), ("┄", "."), ("§", "sec. ")];

/// How much is shown, and in which notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ViewFormat {
    /// One line for each exchange.
    Line,
    /// Heads; one line about each body.
    Head,
    /// Bodies too; every note every time.
    Full,
    /// One JSON object for each event.
    Json,
}

/// The format, and the abilities of the terminal.
#[derive(Clone, Copy, Debug)]
pub struct ViewOptions {
    /// How much is shown.
    pub format: ViewFormat,
    /// Whether to use colours.
    pub color: bool,
    /// Whether to use nothing but ASCII.
    pub ascii: bool,
    /// Columns of the terminal; `usize::MAX` if the output has no edge.
    pub columns: usize,
}

impl ViewOptions {
    /// Appends text in a style, if colours are on.
    pub(crate) fn push_styled(&self, out: &mut String, style: &str, text: &str) {
        // Empty text gets no sequences either: a line of spaces could not be trimmed after them.
        if self.color && !style.is_empty() && !text.is_empty() {
            out.extend(["\x1b[", style, "m", text, "\x1b[0m"]);
        } else {
            out.push_str(text);
        }
    }
}

/// Parameters of the ANSI sequence SGR. Sixteen colours only, since the reader's theme defines them and
/// keeps them readable.
pub(crate) mod ansi {
    /// No sequence at all.
    pub(crate) const PLAIN: &str = "";
    /// Notes, sections, and bytes without a meaning of their own.
    pub(crate) const DIM: &str = "2";
    pub(crate) const BOLD: &str = "1";
    /// Where calls began, and the headers of connections.
    pub(crate) const MARK: &str = "1;33";
    /// Sentences about a message, and content.
    pub(crate) const SENTENCE: &str = "33";
    pub(crate) const REQUEST: &str = "1;34";
    pub(crate) const RESPONSE: &str = "1;32";
    /// Bytes that are wrong, their notes and the pointer below them; also sizes of chunks.
    pub(crate) const ERROR: &str = "1;31";
}

/// The style of the bytes of a span.
pub(crate) fn span_style(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Method => ansi::REQUEST,
        SpanKind::Path | SpanKind::Query => "32",
        SpanKind::Version | SpanKind::Reason => "35",
        SpanKind::Status | SpanKind::Blank => ansi::MARK,
        SpanKind::Name | SpanKind::Trailer => "36",
        // Reverse video for what decides where the message ends, and for what was painted over: a reader must
        // not miss either.
        SpanKind::Framing => "1;7;33",
        SpanKind::Secret => "2;7",
        SpanKind::Colon | SpanKind::Crlf | SpanKind::ChunkEnd | SpanKind::ChunkExt | SpanKind::Unparsed => ansi::DIM,
        SpanKind::ChunkSize | SpanKind::Bad => ansi::ERROR,
        SpanKind::ChunkData | SpanKind::Body => ansi::SENTENCE,
        SpanKind::Space | SpanKind::Ows | SpanKind::Value => ansi::PLAIN,
    }
}

/// A part of a row: text that is safe to show, and its style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StyledText {
    /// Parameters of a sequence, as in [`ansi`].
    pub(crate) style: &'static str,
    /// Without line ends and control characters.
    pub(crate) text: String,
    /// Whether these bytes break the grammar, and are pointed at with `^^^`.
    pub(crate) is_bad: bool,
}

/// One row. Rows without a note have an empty `note` and `section`.
#[derive(Debug, Default)]
pub(crate) struct MessageRow {
    /// The bytes as visible text, or our own words, span by span.
    pub(crate) bytes: Vec<StyledText>,
    pub(crate) note: String,
    pub(crate) note_style: &'static str,
    /// `RFC 9112 §3`
    pub(crate) section: &'static str,
}

impl MessageRow {
    /// Columns that its bytes take.
    pub(crate) fn columns(&self) -> usize {
        self.bytes.iter().map(|part| part.text.width()).sum()
    }
}

/// The columns of one message. They are the same for all its rows, so that its notes form a column.
#[derive(Debug)]
pub(crate) struct Layout {
    options: ViewOptions,
    /// Columns from the first byte to the notes.
    notes: usize,
    /// The column at which sections begin.
    sections: usize,
}

impl Layout {
    /// The layout that fits these rows. With no edge (`columns` is `usize::MAX`) only [`WIDEST`] bounds it.
    pub(crate) fn new(options: ViewOptions, rows: &[MessageRow]) -> Layout {
        // All sections begin at the same column, so the widest one decides how far left that is.
        let widest_section = rows.iter().map(|row| short_section(row.section, options.ascii).width()).max();
        let at_edge = options.columns.saturating_sub(widest_section.unwrap_or(0).max(SECTION_AT_EDGE));
        let sections = (WIDEST - SECTION).min(at_edge);
        // One long row must not push the notes of all others out of sight: a row above `most` does not count
        // here, and has its note below.
        let most = sections.saturating_sub(NOTE).max(NOTES_MIN);
        let longest = rows.iter().map(MessageRow::columns).filter(|&used| used + GAP <= most).max().unwrap_or(0);
        Layout { options, notes: (longest + GAP).max(NOTES_MIN), sections }
    }

    /// Appends the rows, each with its line ends.
    pub(crate) fn push(&self, rows: &[MessageRow], out: &mut String) {
        for row in rows {
            push_spaces(out, INDENT);
            for part in &row.bytes {
                self.options.push_styled(out, part.style, &part.text);
            }
            let section = short_section(row.section, self.options.ascii);
            if !row.note.is_empty() || !section.is_empty() {
                self.push_note(row, &section, out);
            }
            // A copied line should not end in spaces that are not part of the message.
            trim_end(out);
            out.push('\n');
            self.push_pointer(row, out);
        }
    }

    /// Appends the note and the section: beside the bytes if all fit into the line, else below them.
    fn push_note(&self, row: &MessageRow, section: &str, out: &mut String) {
        let used = row.columns();
        let note_end = INDENT + self.notes + row.note.width();
        let gap = self.sections.saturating_sub(note_end).max(2);
        let crosses_edge = note_end + gap + section.width() > self.options.columns;
        if self.options.columns < NARROW || used + GAP > self.notes || crosses_edge {
            // Farther right than bytes begin, and after a sign, so that it cannot be taken for bytes.
            out.push('\n');
            let mut line = WrappedLine::new(self.options, 7, out);
            line.push(ansi::PLAIN, "     ");
            line.push_words(ansi::DIM, &format!("# {}", row.note));
            line.push_unit(ansi::DIM, &format!("  {section}"));
        } else {
            push_spaces(out, self.notes - used);
            self.options.push_styled(out, row.note_style, &row.note);
            push_spaces(out, gap);
            self.options.push_styled(out, ansi::DIM, section);
        }
    }

    /// Appends a line with `^^^` below the bytes that are wrong: many readers cannot see it by the colour.
    fn push_pointer(&self, row: &MessageRow, out: &mut String) {
        let Some(first) = row.bytes.iter().position(|part| part.is_bad) else { return };
        let last = row.bytes.iter().rposition(|part| part.is_bad).unwrap_or(first);
        let width = |parts: &[StyledText]| -> usize { parts.iter().map(|part| part.text.width()).sum() };
        push_spaces(out, INDENT + width(&row.bytes[..first]));
        // Zero columns are wrong if a byte is missing here: then one mark shows the place.
        self.options.push_styled(out, ansi::ERROR, &"^".repeat(width(&row.bytes[first..=last]).max(1)));
        out.push('\n');
    }
}

/// A line of our own words. It continues below where it would cross the edge of the terminal, indented
/// further than its start. A terminal would wrap it in the middle of a word, and continue at the left, where
/// a reader expects bytes.
#[derive(Debug)]
pub(crate) struct WrappedLine<'a> {
    out: &'a mut String,
    options: ViewOptions,
    /// Columns that are taken on the last line of `out`.
    used: usize,
    /// Columns before the text of the lines below.
    indent: usize,
}

impl<'a> WrappedLine<'a> {
    /// Begins a line at the end of `out`.
    pub(crate) fn new(options: ViewOptions, indent: usize, out: &'a mut String) -> WrappedLine<'a> {
        WrappedLine { out, options, used: 0, indent }
    }

    /// Appends text where the last one ended, without wrapping it: for the start of a line.
    pub(crate) fn push(&mut self, style: &str, text: &str) {
        self.options.push_styled(self.out, style, text);
        self.used += text.width();
    }

    /// Columns that are left of `most` on this line, or of those of the terminal if it has fewer.
    pub(crate) fn columns_left(&self, most: usize) -> usize {
        self.options.columns.min(most).saturating_sub(self.used)
    }

    /// Appends text that should stay on one line, with the spaces before it. If it does not fit, it goes to a
    /// new line as a whole; only if that is too short as well, it is wrapped between words.
    pub(crate) fn push_unit(&mut self, style: &str, text: &str) {
        let fits = self.used + text.width() <= self.options.columns;
        // On a line that holds nothing but its indent, a new line would gain nothing.
        if fits || self.used <= self.indent {
            return self.push_words(style, text);
        }
        self.start_line();
        self.push_words(style, text.trim_start_matches(' '));
    }

    /// Appends text that may be wrapped between any two words.
    pub(crate) fn push_words(&mut self, style: &str, text: &str) {
        // All words of a line go out together, since each piece has its own pair of sequences.
        let mut line = String::new();
        for word in text.split_inclusive(' ') {
            let used = self.used + line.width();
            // The space after the last word may cross the edge, since it is trimmed.
            let visible = word.trim_end().width();
            if visible > 0 && used > self.indent && used + visible > self.options.columns {
                self.push(style, line.trim_end());
                self.start_line();
                line.clear();
            }
            line.push_str(word);
        }
        self.push(style, &line);
    }

    /// Ends the line, and begins the next one with the indent.
    fn start_line(&mut self) {
        trim_end(self.out);
        self.out.push('\n');
        push_spaces(self.out, self.indent);
        self.used = self.indent;
    }
}

fn push_spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Removes spaces at the end, but not the tabs and line ends of `str::trim_end`.
fn trim_end(out: &mut String) {
    out.truncate(out.trim_end_matches(' ').len());
}

/// The sign of a message, and its style: the direction of its bytes, as the server sees it.
pub(crate) const fn arrow(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Request => ("▶", ansi::REQUEST),
        Role::Response => ("◀", ansi::RESPONSE),
    }
}

/// Our own text; with `ascii`, its signs are replaced. Bytes of the network never come here: they are shown as they
/// are.
pub(crate) fn with_signs(text: &str, ascii: bool) -> String {
    let signs = if ascii { &SIGNS[..] } else { &[] };
    signs.iter().fold(text.into(), |text, (sign, substitute)| text.replace(sign, substitute))
}

/// A section as it stands beside a note: `9112 §3`.
pub(crate) fn short_section(section: &str, ascii: bool) -> String {
    with_signs(section.strip_prefix("RFC ").unwrap_or(section), ascii)
}

/// A duration for people: `0.4 ms`, `921.3 ms`, `12.0 s`.
pub(crate) fn format_duration(time: Duration) -> String {
    let micros = time.as_micros();
    // From here on the rounded number of milliseconds would have five digits.
    let (unit, tenth) = if micros < 9_999_950 { ("ms", 100) } else { ("s", 100_000) };
    let tenths = (micros + tenth / 2) / tenth;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_wraps_between_words_and_keeps_units_together() {
        let wrap = |columns: usize, color: bool| {
            let options = ViewOptions { format: ViewFormat::Head, color, ascii: false, columns };
            let mut out = "before\n".to_string();
            let mut line = WrappedLine::new(options, 5, &mut out);
            line.push("", "   ");
            line.push("1", "= ");
            line.push_words("33", "no body: neither length nor chunks");
            line.push_unit("2", "  RFC 9112 §6.3");
            out.split_once('\n').unwrap().1.to_string()
        };
        assert_eq!(wrap(usize::MAX, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(wrap(54, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(wrap(53, false), "   = no body: neither length nor chunks\n     RFC 9112 §6.3");
        assert_eq!(wrap(24, false), "   = no body: neither\n     length nor chunks\n     RFC 9112 §6.3");
        let color = wrap(53, true);
        let first = "   \x1b[1m= \x1b[0m\x1b[33mno body: neither length nor chunks\x1b[0m";
        assert_eq!(color.lines().next().unwrap(), first);
        // A terminal without any room must not stop the output.
        assert!(wrap(1, false).ends_with("chunks\n     RFC\n     9112\n     §6.3"), "{}", wrap(1, false));
    }

    #[test]
    fn times_have_one_digit_after_the_point() {
        let say = |micros| format_duration(Duration::from_micros(micros));
        assert_eq!([say(0), say(449), say(921_300), say(12_040_000)], ["0.0 ms", "0.4 ms", "921.3 ms", "12.0 s"]);
        assert_eq!([say(9_999_949), say(9_999_950)], ["9999.9 ms", "10.0 s"]);
    }

    #[test]
    fn wide_characters_take_two_columns_and_combining_ones_none() {
        for (text, expected) in [
            ("", 0),
            ("GET / HTTP/1.1\\r\\n", 18),
            ("a汉é", 4),
            ("日本語 한국어", 13),
            ("ｆｕｌｌ", 8),
            ("😀🦀", 4),
            ("a\u{301}", 1),
            ("┊1┊ … § ─ ▶ ◀ ┄┄ ·", 18),
            ("Ω привет", 8),
        ] {
            assert_eq!(text.width(), expected, "{text}");
        }
    }
}
