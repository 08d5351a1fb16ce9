//! How the view is drawn: its options, the colours, and signs with a substitute in ASCII.
//!
//! Colours only repeat what signs and words say: many readers do not see them, and a copied text has none.
//! This module asks the system nothing: the program finds out whether there is a terminal and how wide it is.

use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::service::text::push_visible;
use crate::wire::explain::message::{Message, Role, SpanKind};

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
    /// A section number as it stands beside a note: `9112 §3`.
    pub(crate) fn short_section(&self, section: &str) -> String {
        self.section(section.strip_prefix("RFC ").unwrap_or(section))
    }

    /// A section number after a sentence: `RFC 9112 §3`.
    pub(crate) fn section(&self, section: &str) -> String {
        if self.ascii { section.replace('§', "sec. ") } else { section.into() }
    }

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

/// The mark inside a request at a byte where another `recv()` call began.
pub(crate) const fn cut_mark(ascii: bool) -> &'static str {
    if ascii { "|" } else { "┊" }
}

/// The sign for something left out.
pub(crate) const fn dots(ascii: bool) -> &'static str {
    if ascii { "..." } else { "…" }
}

/// Parameters of the ANSI sequence SGR. Sixteen colours only, since the reader's theme defines them and
/// keeps them readable.
pub(crate) mod ansi {
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
        SpanKind::Colon | SpanKind::Crlf | SpanKind::ChunkEnd | SpanKind::ChunkExt => ansi::DIM,
        SpanKind::ChunkSize | SpanKind::Bad => ansi::ERROR,
        SpanKind::ChunkData | SpanKind::Body => ansi::SENTENCE,
        SpanKind::Space | SpanKind::Ows | SpanKind::Value => ansi::PLAIN,
    }
}

/// A part of a row: text that is safe to show, and its style.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StyledText {
    pub(crate) style: &'static str,
    pub(crate) text: String,
    /// Whether these bytes break the grammar, and are pointed at with `^^^`.
    pub(crate) is_bad: bool,
}

impl StyledText {
    /// Text of our own.
    pub(crate) fn new(style: &'static str, text: impl Into<String>) -> StyledText {
        StyledText { style, text: text.into(), is_bad: false }
    }
}

/// Columns that text takes in a terminal: 2 for a wide character (CJK, emoji), 0 for a combining mark.
///
/// Characters whose width depends on the font (`§`, `─`, `…`) count as 1, as in nearly all terminals.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// A duration for people: `0.4 ms`, `921.3 ms`, `12.0 s`.
pub(crate) fn format_duration(time: Duration) -> String {
    let micros = time.as_micros();
    // From here on the rounded number of milliseconds would have five digits.
    let (unit, tenth) = if micros < 9_999_950 { ("ms", 100) } else { ("s", 100_000) };
    let tenths = (micros + tenth / 2) / tenth;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A message by its first line: method and target, or the status code.
pub(crate) fn title(message: &Message, ascii: bool) -> String {
    let mut text = String::new();
    // The parts of a broken first line are empty, and the title is short; it is never text that was not sent.
    match message.role {
        Role::Request => {
            push_visible(&mut text, message.part(SpanKind::Method), ascii);
            text.push(' ');
            push_visible(&mut text, message.target(), ascii);
        }
        Role::Response => push_visible(&mut text, message.part(SpanKind::Status), ascii),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(columns(text), expected, "{text}");
        }
    }
}
