//! Bytes of the network made fit for a terminal, and colours.
//!
//! Never: an escape sequence, a control byte, a bidirectional override or an invisible character from
//! the network, in any form of output. A client must not be able to write into a teacher's terminal
//! (CVE-2009-4487 and its row).
//!
//! The subtle thing: valid UTF-8 is not safe text. U+009B is a control sequence introducer in two
//! bytes, U+202E turns the line around, U+200B hides; so only characters that show themselves pass.

use crate::wire::explain::message::Kind;

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
pub(crate) fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::Method => style::ASKS,
        Kind::Path | Kind::Query => "32",
        Kind::Version | Kind::Reason => "35",
        Kind::Status | Kind::Blank => style::MARK,
        Kind::Name | Kind::Trailer => "36",
        Kind::Framing => "1;7;33",
        Kind::Secret => "2;7",
        Kind::Colon | Kind::Crlf | Kind::ChunkEnd | Kind::ChunkExt => style::DIM,
        Kind::ChunkSize | Kind::Bad => style::WRONG,
        Kind::ChunkData | Kind::Body => style::SAY,
        Kind::Space | Kind::Ows | Kind::Value => style::PLAIN,
    }
}

/// Appends bytes as text that shows them; `ascii` leaves nothing but ASCII.
pub(crate) fn push_safe(out: &mut String, bytes: &[u8], ascii: bool) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                ' '..='~' => out.push(c),
                c if !ascii && shows_itself(c) => out.push(c),
                c => push_bytes(out, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_bytes(out, chunk.invalid());
    }
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        out.push_str("\\x");
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

/// Whether a character beyond ASCII can be seen and does nothing to its neighbours.
pub(crate) fn shows_itself(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
            // Soft hyphen; joiners, directions, separators, invisible operators and fillers.
            0xad | 0x34f | 0x61c | 0x600..=0x605 | 0x6dd | 0x70f | 0x8e2 | 0x115f..=0x1160 | 0x17b4..=0x17b5
            | 0x180b..=0x180f | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff
            // Marks that stack on the character before, without end.
            | 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x1ab0..=0x1aff
            | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f
            // Spaces that look like none, and characters nobody has agreed on.
            | 0xa0 | 0x1680 | 0x3000 | 0xe000..=0xf8ff | 0xf0000..)
}

/// How many columns a text takes.
pub(crate) fn columns(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c),
            0x1100..=0x11ff | 0x2e80..=0xa4cf | 0xa960..=0xa97f | 0xac00..=0xd7ff | 0xf900..=0xfaff
            | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd)
    };
    text.chars().map(|c| 1 + usize::from(wide(c))).sum()
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
    fn nothing_of_the_network_moves_a_cursor_or_hides() {
        let mut out = String::new();
        let hostile = "\x1b[2J\x07\x08\u{9b}31m\u{202e}abc\u{200b}\u{feff}\0\x7f\u{e0041}é汉😀";
        push_safe(&mut out, hostile.as_bytes(), false);
        assert_eq!(
            out,
            "\\x1b[2J\\x07\\x08\\xc2\\x9b31m\\xe2\\x80\\xaeabc\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\x00\\x7f\\xf3\\xa0\\x81\\x81é汉😀"
        );
        let mut out = String::new();
        push_safe(&mut out, "é\r\n".as_bytes(), true);
        assert_eq!(out, "\\xc3\\xa9\\r\\n");
        for bytes in [0u8..=255, 128..=255] {
            let all: Vec<u8> = bytes.collect();
            let mut out = String::new();
            push_safe(&mut out, &all, false);
            assert!(!out.chars().any(char::is_control));
        }
    }

    #[test]
    fn every_character_passes_only_if_it_shows_itself() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let mut out = String::new();
            push_safe(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes(), false);
            assert!(!out.chars().any(|c| c.is_control() || (!c.is_ascii() && !shows_itself(c))), "{c:?}");
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(columns("a汉é"), 4);
    }
}
