//! Bytes of the network made fit for a terminal, and colours.
//!
//! Never: an escape sequence, a control byte, a bidirectional override or an invisible character from
//! the network, in any form of output. A client must not be able to write into a teacher's terminal
//! (CVE-2009-4487 and its row).
//!
//! The subtle thing: valid UTF-8 is not safe text. U+009B is a control sequence introducer in two
//! bytes, U+202E turns the line around, U+200B hides; so only characters that show themselves pass.

use unicode_width::UnicodeWidthStr;

use crate::wire::explain::message::SpanKind;

/// One piece of a line: a style and a text that is safe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) style: &'static str,
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

/// Styles, as numbers of ANSI: sixteen colours, nothing else.
pub(crate) mod style {
    pub(in crate::wire) const PLAIN: &str = "";
    pub(in crate::wire) const DIM: &str = "2";
    pub(in crate::wire) const BOLD: &str = "1";
    pub(in crate::wire) const MARK: &str = "1;33";
    pub(in crate::wire) const SAY: &str = "33";
    pub(in crate::wire) const ASKS: &str = "1;34";
    pub(in crate::wire) const ANSWERS: &str = "1;32";
    pub(in crate::wire) const WRONG: &str = "1;31";
}

/// The style of a kind of span.
pub(crate) fn of(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Method => style::ASKS,
        SpanKind::Path | SpanKind::Query => "32",
        SpanKind::Version | SpanKind::Reason => "35",
        SpanKind::Status | SpanKind::Blank => style::MARK,
        SpanKind::Name | SpanKind::Trailer => "36",
        SpanKind::Framing => "1;7;33",
        SpanKind::Secret => "2;7",
        SpanKind::Colon | SpanKind::Crlf | SpanKind::ChunkEnd | SpanKind::ChunkExt => style::DIM,
        SpanKind::ChunkSize | SpanKind::Bad => style::WRONG,
        SpanKind::ChunkData | SpanKind::Body => style::SAY,
        SpanKind::Space | SpanKind::Ows | SpanKind::Value => style::PLAIN,
    }
}

/// Columns of a terminal that a text takes: 2 for a wide character (CJK, emoji), 0 for a combining mark.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
}

/// Appends a text in a style.
pub(crate) fn push_styled(out: &mut String, style: &str, text: &str, color: bool) {
    if color && !style.is_empty() && !text.is_empty() {
        out.extend(["\x1b[", style, "m", text, "\x1b[0m"]);
    } else {
        out.push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns() {
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
