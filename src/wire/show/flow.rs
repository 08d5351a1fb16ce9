//! A line of our own words that ends before the edge of the terminal.
//!
//! Never: bytes of a message. Those lines are never broken by us, or nobody could tell which breaks are
//! theirs.
//!
//! The subtle thing: where a terminal breaks a line, it does so in the middle of a word and goes on at the
//! left, where bytes stand. So what does not fit goes on below, further right than it began.

use crate::wire::show::look::Style;
use crate::wire::show::style::{columns, push_styled};

/// A line that goes on below where it would cross the edge.
#[derive(Debug)]
pub(crate) struct Flow<'a> {
    out: &'a mut String,
    style: Style,
    /// Columns that are taken on the last line.
    used: usize,
    /// Where it goes on below.
    indent: usize,
}

impl<'a> Flow<'a> {
    /// Goes on behind what was printed on the last line.
    pub(crate) fn new(style: Style, indent: usize, out: &'a mut String) -> Flow<'a> {
        let used = columns(&plain(&out[out.rfind('\n').map_or(0, |at| at + 1)..]));
        Flow { out, style, used, indent }
    }

    /// Something that stays together, with the space before it: it goes below as a whole. What does not fit
    /// there either is broken between words.
    pub(crate) fn whole(&mut self, color: &str, text: &str) {
        let words = text.trim_start_matches(' ');
        let fits = self.used + columns(text) <= self.style.columns;
        if fits || self.used <= self.indent {
            return self.words(color, text);
        }
        self.below();
        self.words(color, words);
    }

    /// Words, broken where it has to be.
    pub(crate) fn words(&mut self, color: &str, text: &str) {
        let (mut line, mut wide) = (String::new(), 0);
        for word in text.split_inclusive(' ') {
            let (all, seen) = (columns(word), columns(word.trim_end()));
            let is_begun = self.used + wide > self.indent;
            if seen > 0 && is_begun && self.used + wide + seen > self.style.columns {
                push_styled(self.out, color, line.trim_end(), self.style.color);
                self.below();
                (line, wide) = (String::new(), 0);
            }
            line.push_str(word);
            wide += all;
        }
        push_styled(self.out, color, &line, self.style.color);
        self.used += wide;
    }

    fn below(&mut self) {
        self.out.truncate(self.out.trim_end_matches(' ').len());
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.used = self.indent;
    }
}

/// A line without its colours.
fn plain(line: &str) -> String {
    let mut pieces = line.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::show::look::Form;

    #[test]
    fn words_go_on_below_and_what_stays_together_stays() {
        let flow = |columns: usize, color: bool| {
            let mut out = "before\n   ".to_string();
            push_styled(&mut out, "1", "= ", color);
            let mut flow = Flow::new(Style { form: Form::Head, color, ascii: false, columns }, 5, &mut out);
            flow.words("33", "no body: neither length nor chunks");
            flow.whole("2", "  RFC 9112 §6.3");
            out.split_once('\n').unwrap().1.to_string()
        };
        assert_eq!(flow(usize::MAX, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(flow(54, false), "   = no body: neither length nor chunks  RFC 9112 §6.3");
        assert_eq!(flow(53, false), "   = no body: neither length nor chunks\n     RFC 9112 §6.3");
        assert_eq!(flow(24, false), "   = no body: neither\n     length nor chunks\n     RFC 9112 §6.3");
        let color = flow(53, true);
        assert_eq!(plain(color.lines().next().unwrap()), "   = no body: neither length nor chunks");
        // No room at all is no reason to stand still.
        assert!(flow(1, false).ends_with("chunks\n     RFC\n     9112\n     §6.3"), "{}", flow(1, false));
    }
}
