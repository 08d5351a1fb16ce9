//! Rows in columns, and lines of our own words that wrap at the edge of the terminal.
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

use crate::wire::show::rows::MessageRow;
use crate::wire::show::style::{StyledText, ViewOptions, ansi, columns};

/// Columns before the bytes of each row.
const INDENT: usize = 3;
/// The column at which notes begin, at least.
const NOTES_MIN: usize = 34;
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
        let widest_section = rows.iter().map(|row| columns(&options.short_section(row.section))).max().unwrap_or(0);
        let at_edge = options.columns.saturating_sub(widest_section.max(SECTION_AT_EDGE));
        let sections = (WIDEST - SECTION).min(at_edge);
        // One long row must not push the notes of all others out of sight: a row above `most` does not count
        // here, and has its note below.
        let most = sections.saturating_sub(NOTE).max(NOTES_MIN);
        let gap = 3;
        let longest = rows.iter().map(MessageRow::columns).filter(|&used| used + gap <= most).max().unwrap_or(0);
        Layout { options, notes: (longest + gap).max(NOTES_MIN), sections }
    }

    /// Appends the rows, each with its line ends.
    pub(crate) fn push(&self, rows: &[MessageRow], out: &mut String) {
        for row in rows {
            push_spaces(out, INDENT);
            for part in &row.bytes {
                self.options.push_styled(out, part.style, &part.text);
            }
            let section = self.options.short_section(row.section);
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
        let note_end = INDENT + self.notes + columns(&row.note);
        let gap = self.sections.saturating_sub(note_end).max(2);
        let crosses_edge = note_end + gap + columns(section) > self.options.columns;
        if self.options.columns < NARROW || used + 3 > self.notes || crosses_edge {
            // Farther right than bytes begin, and after a sign, so that it cannot be taken for bytes.
            out.push_str("\n     ");
            let mut line = WrappedLine::new(self.options, 7, out);
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
        let width = |parts: &[StyledText]| -> usize { parts.iter().map(|part| columns(&part.text)).sum() };
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
    /// Continues the last line of `out`.
    pub(crate) fn new(options: ViewOptions, indent: usize, out: &'a mut String) -> WrappedLine<'a> {
        // The caller began the line, perhaps in colour, so its width is measured and not counted.
        let line_start = out.rfind('\n').map_or(0, |at| at + 1);
        let used = columns(&without_styles(&out[line_start..]));
        WrappedLine { out, options, used, indent }
    }

    /// Appends text that should stay on one line, with the spaces before it. If it does not fit, it goes to a
    /// new line as a whole; only if that is too short as well, it is wrapped between words.
    pub(crate) fn push_unit(&mut self, style: &str, text: &str) {
        let fits = self.used + columns(text) <= self.options.columns;
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
        let (mut line, mut width) = (String::new(), 0);
        for word in text.split_inclusive(' ') {
            // The space after the last word may cross the edge, since it is trimmed.
            let visible = columns(word.trim_end());
            let has_text = self.used + width > self.indent;
            if visible > 0 && has_text && self.used + width + visible > self.options.columns {
                self.options.push_styled(self.out, style, line.trim_end());
                self.start_line();
                (line, width) = (String::new(), 0);
            }
            line.push_str(word);
            width += columns(word);
        }
        self.options.push_styled(self.out, style, &line);
        self.used += width;
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

/// A line without the sequences that [`ViewOptions::push_styled`] puts around text.
fn without_styles(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + part.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::show::style::ViewFormat;

    #[test]
    fn a_line_wraps_between_words_and_keeps_units_together() {
        let wrap = |columns: usize, color: bool| {
            let options = ViewOptions { format: ViewFormat::Head, color, ascii: false, columns };
            let mut out = "before\n   ".to_string();
            options.push_styled(&mut out, "1", "= ");
            let mut line = WrappedLine::new(options, 5, &mut out);
            line.push_words("33", "no body: neither length nor chunks");
            line.push_unit("2", "  RFC 9112 §6.3");
            out.split_once('\n').unwrap().1.to_string()
        };
        assert_eq!(wrap(usize::MAX, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(wrap(54, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(wrap(53, false), "   = no body: neither length nor chunks\n     RFC 9112 §6.3");
        assert_eq!(wrap(24, false), "   = no body: neither\n     length nor chunks\n     RFC 9112 §6.3");
        let color = wrap(53, true);
        assert_eq!(without_styles(color.lines().next().unwrap()), "   = no body: neither length nor chunks");
        // A terminal without any room must not stop the output.
        assert!(wrap(1, false).ends_with("chunks\n     RFC\n     9112\n     §6.3"), "{}", wrap(1, false));
    }
}
