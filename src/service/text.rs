//! Names, addresses and numbers as a person may read them and a program may follow them.
//!
//! RFC 3986 §2 (percent-encoding). What came from a client or a disk passes through here on its way
//! into a page: as text, nothing in it acts; as an address, it means exactly the same bytes.
//!
//! Never: HTML. The templates escape.
//!
//! The subtle thing: names on a disk are bytes and need not be UTF-8. They are shown with U+FFFD, but
//! linked by their bytes, so a name nobody can read can still be opened.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::http::grammar::push_decimal;

/// What may stand in an address as it is: unreserved (RFC 3986 §2.3). All else is percent-encoded, so
/// that the result is safe in an attribute, a header and a shell, whatever the name.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// `text` cut to at most `bytes` as the template escapes it, with a sign that it was cut.
pub(crate) fn clip(text: &str, bytes: usize) -> String {
    let mut taken = 0;
    for (at, char) in text.char_indices() {
        taken += if matches!(char, '<' | '>' | '&' | '"' | '\'') { "&#60;".len() } else { char.len_utf8() };
        if taken > bytes {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_string()
}

/// Bytes of a client or a disk as text that is safe in a page, a log and a terminal: what is not UTF-8
/// becomes U+FFFD, and whatever would act instead of being seen is spelled out.
pub fn shown(bytes: &[u8]) -> String {
    plain(&String::from_utf8_lossy(bytes))
}

/// Appends what [`shown`] makes.
pub(crate) fn push_shown(out: &mut Vec<u8>, bytes: &[u8]) {
    if bytes.iter().all(|o| matches!(o, b' '..=b'~')) {
        out.extend_from_slice(bytes);
    } else {
        out.extend_from_slice(shown(bytes).as_bytes());
    }
}

/// Text in which nothing acts ([`acts`]).
pub(crate) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if acts(char) { out.extend(char.escape_default()) } else { out.push(char) }
    }
    out
}

/// Whether a character acts on the text around it instead of being seen: control characters, line and
/// paragraph separators, and the marks that reorder text (with them `exe.gpj` reads as `jpg.exe`).
pub(crate) const fn acts(char: char) -> bool {
    matches!(char,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A path of bytes as the path of an address on this server.
pub fn href(path: &[u8]) -> String {
    // More than one slash at the start would name a host.
    let start = path.iter().position(|&o| o != b'/').unwrap_or(path.len());
    std::iter::once("/").chain(percent_encode(&path[start..], PATH)).collect()
}

/// Appends one name as a segment of an address.
pub(crate) fn push_segment(out: &mut Vec<u8>, name: &[u8]) {
    percent_encode(name, SEGMENT).for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// A number of bytes for a person: three digits at most, in thousands.
pub fn size(bytes: u64) -> String {
    let mut out = Vec::new();
    push_size(&mut out, bytes);
    String::from_utf8_lossy(&out).into_owned()
}

/// The exact number of bytes: `4,812,345 bytes`.
pub fn byte_count(bytes: u64) -> String {
    count(bytes, "byte")
}

/// A number and its noun: `1 request`, `1,204 requests`.
pub fn count(number: u64, noun: &str) -> String {
    let mut out = Vec::new();
    push_number(&mut out, number);
    String::from_utf8_lossy(&out).into_owned() + " " + noun + if number == 1 { "" } else { "s" }
}

/// Appends what [`size`] makes, without going through `fmt`: a listing has one in every row.
pub(crate) fn push_size(out: &mut Vec<u8>, bytes: u64) {
    const UNITS: [&[u8]; 7] = [b" B", b" kB", b" MB", b" GB", b" TB", b" PB", b" EB"];
    let (mut unit, mut one) = (0, 1u64);
    // From 999.5 on the next unit reads better: 1.0 MB and not 1000 kB.
    while unit + 1 < UNITS.len() && bytes >= one * 1000 - one / 2 {
        one *= 1000;
        unit += 1;
    }
    // `rest` is below 10^18, so ten times it fits.
    let (whole, rest) = (bytes / one, bytes % one);
    let tenths = whole * 10 + (rest * 10 + one / 2) / one;
    if unit == 0 || tenths >= 100 {
        push_decimal(out, whole + u64::from(rest >= one - one / 2 && unit > 0));
    } else {
        push_decimal(out, tenths / 10);
        out.extend_from_slice(&[b'.', b'0' + (tenths % 10) as u8]);
    }
    out.extend_from_slice(UNITS[unit]);
}

/// Appends what [`bytes`] makes.
pub(crate) fn push_bytes(out: &mut Vec<u8>, bytes: u64) {
    push_number(out, bytes);
    out.extend_from_slice(if bytes == 1 { b" byte" } else { b" bytes" });
}

/// Appends a number in groups of three.
fn push_number(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    push_decimal(out, number);
    let mut at = out.len();
    while at > start + 3 {
        at -= 3;
        out.insert(at, b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_or_on_the_reading_order_is_spelled_out() {
        for (bytes, expected) in [
            (&b"plain \xc3\x96l.txt"[..], "plain Öl.txt"),
            (b"a\nb\tc\x1b[31m\x7f", "a\\nb\\tc\\u{1b}[31m\\u{7f}"),
            ("exe\u{202e}gpj.\u{2066}x".as_bytes(), "exe\\u{202e}gpj.\\u{2066}x"),
            ("a\u{85}b\u{2028}c".as_bytes(), "a\\u{85}b\\u{2028}c"),
            (b"\xff\xfe.txt", "\u{fffd}\u{fffd}.txt"),
            ("🦀 日本".as_bytes(), "🦀 日本"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn an_address_is_made_of_the_bytes_and_never_names_another_host() {
        for (path, expected) in [
            (&b"/"[..], "/"),
            (b"", "/"),
            (b"//evil.example/x", "/evil.example/x"),
            (b"/\\evil.example", "/%5Cevil.example"),
            (b"/a b/100%.txt", "/a%20b/100%25.txt"),
            (b"/a#b?c&d\"'<>", "/a%23b%3Fc%26d%22%27%3C%3E"),
            (b"/\xff\n", "/%FF%0A"),
            (b"/javascript:x", "/javascript%3Ax"),
        ] {
            assert_eq!(href(path), expected);
        }
    }

    #[test]
    fn sizes_have_three_digits_at_most_and_never_a_thousand_of_a_unit() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (2_149, "2.1 kB"),
            (9_949, "9.9 kB"),
            (9_951, "10 kB"),
            (10_499, "10 kB"),
            (10_500, "11 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (268_000_000, "268 MB"),
            (1_100_000_000, "1.1 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
        for (bytes, expected) in [(0, "0 bytes"), (1, "1 byte"), (1000, "1,000 bytes"), (4_812_345, "4,812,345 bytes")]
        {
            assert_eq!(byte_count(bytes), expected);
        }
    }

    #[test]
    fn a_cut_text_stays_below_its_bound_after_escaping() {
        assert_eq!(clip("short", 5), "short");
        assert_eq!(clip("shorter", 5), "short…");
        assert_eq!(clip("<<<", 10), "<<…");
        assert_eq!(clip("ÖÖÖ", 5), "ÖÖ…");
    }
}
