//! Bytes of a client or a disk as text that is safe to show, and numbers for people.
//!
//! All escaping of the crate is here, except that of the access log. Templates escape their values once more. Each
//! output has one function:
//!
//! | output | function | a byte that is not UTF-8 | an unsafe character |
//! |---|---|---|---|
//! | page, by a template | [`shown`] | U+FFFD | `\u{1b}` |
//! | page, made by hand | `push_html_name` | U+FFFD | `\u{1b}`, `&lt;` |
//! | listing in a terminal | `push_readable_segment` | `%FF` | `%1B` (RFC 3986 §2) |
//! | own lines in a terminal or a log | [`printable`] | (text) | `\u{1b}` |
//! | wire view | `visible` | `\xff` | `\x1b`, byte by byte |
//! | address | [`href`] | `%FF` | `%1B` (RFC 3986 §2) |
//!
//! Names on a disk are bytes and need not be UTF-8. A page shows them with U+FFFD, but its links have their bytes, so
//! that every file can be opened.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::http::grammar::push_decimal;

/// All but the unreserved bytes (RFC 3986 §2.3), so an address is safe in an attribute, a field and a shell.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Also kept where people read an address: a plus and such are safe in a shell too (`libstdc++6_12.2.0.deb`).
const READABLE: &AsciiSet = &SEGMENT.remove(b'+').remove(b',').remove(b'=').remove(b'@');
const PATH: &AsciiSet = &SEGMENT.remove(b'/');

/// `text` cut to at most `bytes` as a template escapes it, with `…` if it was cut.
pub(crate) fn clip(text: &str, bytes: usize) -> String {
    let mut taken = 0;
    for (at, char) in text.char_indices() {
        // A template escapes these five characters to five bytes each.
        taken += if html_entity(char).is_some() { "&#60;".len() } else { char.len_utf8() };
        if taken > bytes {
            return format!("{}…", &text[..at]);
        }
    }
    text.to_string()
}

/// Text for a page, a log or a terminal: invalid UTF-8 becomes U+FFFD, and unsafe characters are escaped.
pub fn shown(bytes: &[u8]) -> String {
    escape_unsafe(&String::from_utf8_lossy(bytes))
}

/// Escapes unsafe characters ([`is_unsafe`]) as `\u{1b}`.
pub(crate) fn escape_unsafe(text: &str) -> String {
    escape_if(text, is_unsafe)
}

/// Text for a line of our own in a terminal or a log: characters that cannot be seen are escaped, and those that
/// reorder the rest of the line.
pub fn printable(text: &str) -> String {
    escape_if(text, |char| !is_readable(char))
}

fn escape_if(text: &str, must_escape: fn(char) -> bool) -> String {
    // Nearly every text is plain ASCII and is copied in one piece.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        if must_escape(char) { out.extend(char.escape_default()) } else { out.push(char) }
    }
    out
}

/// Whether a character changes the text around it instead of being seen: control characters, line and paragraph
/// separators, and the marks that reorder text (with them `exe.gpj` reads as `jpg.exe`).
pub(crate) const fn is_unsafe(char: char) -> bool {
    matches!(char,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The entity for a character that may not stand inside an element or a quoted attribute of HTML.
pub(crate) const fn html_entity(char: char) -> Option<&'static str> {
    Some(match char {
        '<' => "&lt;",
        '>' => "&gt;",
        '&' => "&amp;",
        '"' => "&#34;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Appends a name inside an element or a quoted attribute of HTML. One pass does the work of [`shown`] and of the
/// escapes of a template, since a listing may have 100,000 names.
pub(crate) fn push_html_name(out: &mut Vec<u8>, name: &[u8]) {
    // Nearly every name is plain ASCII and is copied in one piece.
    if name.iter().all(|&b| matches!(b, b' '..=b'~') && html_entity(char::from(b)).is_none()) {
        return out.extend_from_slice(name);
    }
    for char in String::from_utf8_lossy(name).chars() {
        // The entities and the escapes have no character in common, so their order does not matter.
        match html_entity(char) {
            Some(entity) => out.extend_from_slice(entity.as_bytes()),
            // The escape is ASCII, so each of its characters is one byte.
            None if is_unsafe(char) => char.escape_default().for_each(|c| out.push(c as u8)),
            None => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// Bytes as text that shows each of them: `\r`, `\n`, `\t`, and `\x1b` for every byte of a character that is not
/// visible. With `ascii`, only ASCII is visible.
pub(crate) fn visible(bytes: &[u8], ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    let push_escaped = |out: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|&byte| out.extend(hex_escape(byte).map(char::from)));
    };
    // Each chunk is some valid UTF-8 and the invalid bytes after it.
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                ' '..='~' => out.push(c),
                // Valid UTF-8 is not safe text: U+009B starts a control sequence in two bytes, U+202E reverses the
                // line, U+200B hides. A client must not write into the reader's terminal (CVE-2009-4487).
                c if !ascii && is_visible(c) => out.push(c),
                c => push_escaped(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_escaped(&mut out, chunk.invalid());
    }
    out
}

/// Whether a character beyond ASCII is seen and does not change its neighbours. Stricter than [`is_unsafe`]: a reader
/// of the wire view counts bytes, so a character must neither hide nor join with others.
pub(crate) fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(u32::from(c),
            // Soft hyphen; joiners, directions, separators, invisible operators and fillers.
            0xad | 0x34f | 0x61c | 0x600..=0x605 | 0x6dd | 0x70f | 0x8e2 | 0x115f..=0x1160 | 0x17b4..=0x17b5
            | 0x180b..=0x180f | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x2800 | 0x3164
            | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff
            // Marks that stack on the character before, without limit.
            | 0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x1ab0..=0x1aff
            | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f
            // Spaces that look like an ordinary one, private use, and planes without characters.
            | 0xa0 | 0x1680 | 0x3000 | 0xe000..=0xf8ff | 0xf0000..)
}

/// Whether a character is seen where a person reads a name. Accents after their letters, as macOS writes names, are
/// letters too.
fn is_readable(char: char) -> bool {
    is_visible(char) || matches!(char, '\u{300}'..='\u{36f}')
}

/// `\x1b`
pub(crate) const fn hex_escape(byte: u8) -> [u8; 4] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [b'\\', b'x', DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]
}

/// The path of an address on this server, of a decoded path.
pub fn href(path: &[u8]) -> String {
    // Exactly one slash at the start: `//name` would be the address of another host.
    let start = path.iter().position(|&b| b != b'/').unwrap_or(path.len());
    std::iter::once("/").chain(percent_encode(&path[start..], PATH)).collect()
}

/// A relative reference (RFC 3986 §4.2) to `path`, decoded, from a target whose folder is `base` ([`Request::base`]).
///
/// A proxy may take a prefix off the path of a request. The client resolves the reference against its own address, so
/// the result has the prefix: after `/files/photos`, `photos/` leads to `/files/photos/`.
///
/// It cannot leave the host. It consists of unreserved bytes, `/` and `%`, so it has no scheme, and it never begins
/// with a slash: `//host` and `/\host` are addresses of other hosts for a browser.
///
/// [`Request::base`]: crate::http::Request
pub(crate) fn reference(base: &[u8], path: &[u8]) -> String {
    let (base, path) = (base.get(1..).unwrap_or_default(), path.get(1..).unwrap_or_default());
    // Each name with the slash after it. All that is left of `base` after the common folders are folders to leave.
    let is_slash = |byte: &u8| *byte == b'/';
    let both = base.split_inclusive(is_slash).zip(path.split_inclusive(is_slash));
    let common: usize = both.take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum();
    let mut out = "../".repeat(base[common..].iter().filter(|byte| is_slash(byte)).count());
    let rest = &path[common..];
    let start = rest.iter().position(|byte| !is_slash(byte)).unwrap_or(rest.len());
    out.extend(percent_encode(&rest[start..], PATH));
    // An empty reference would be the target itself, with its query.
    if out.is_empty() { "./".into() } else { out }
}

/// Appends a name as one segment of an address.
pub(crate) fn push_segment(out: &mut Vec<u8>, name: &[u8]) {
    percent_encode(name, SEGMENT).for_each(|part| out.extend_from_slice(part.as_bytes()));
}

/// Appends a name as one segment of an address that a person reads (an IRI, RFC 3987 §2.2): letters beyond ASCII stay as
/// they are, if they are visible. So the name is one word for any program, and safe to show.
pub(crate) fn push_readable_segment(out: &mut Vec<u8>, name: &[u8]) {
    let is_letter = |char: char| !char.is_ascii() && is_readable(char);
    for chunk in name.utf8_chunks() {
        let mut text = chunk.valid();
        while !text.is_empty() {
            let (other, rest) = text.split_at(text.find(is_letter).unwrap_or(text.len()));
            let (letters, rest) = rest.split_at(rest.find(|char| !is_letter(char)).unwrap_or(rest.len()));
            percent_encode(other.as_bytes(), READABLE).for_each(|part| out.extend_from_slice(part.as_bytes()));
            out.extend_from_slice(letters.as_bytes());
            text = rest;
        }
        push_segment(out, chunk.invalid());
    }
}

/// A number of bytes with three digits at most, in units of thousands: `4.8 MB`.
pub fn size(bytes: u64) -> String {
    text_of(bytes, push_size)
}

/// A number in groups of three digits: `1,204`.
pub fn grouped(number: u64) -> String {
    text_of(number, push_grouped)
}

fn text_of(number: u64, push: fn(&mut Vec<u8>, u64)) -> String {
    let mut out = Vec::new();
    push(&mut out, number);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends the result of [`size`], without `fmt`, which is slow: a listing has a size in every row.
pub(crate) fn push_size(out: &mut Vec<u8>, bytes: u64) {
    // Decimal units (1 kB is 1000 bytes), as disks and browsers count.
    const UNITS: [&[u8]; 7] = [b" B", b" kB", b" MB", b" GB", b" TB", b" PB", b" EB"];
    let (mut unit, mut one) = (0, 1u64);
    // From 999.5 on the next unit reads better: 1.0 MB and not 1000 kB.
    while unit + 1 < UNITS.len() && bytes >= one * 1000 - one / 2 {
        one *= 1000;
        unit += 1;
    }
    // In integers, since a float would round large sizes. `rest` is below 10^18, so ten times it fits.
    let (whole, rest) = (bytes / one, bytes % one);
    let tenths = whole * 10 + (rest * 10 + one / 2) / one;
    // One decimal only below ten, so there are never more than three digits.
    if unit == 0 || tenths >= 100 {
        push_decimal(out, whole + u64::from(rest >= one - one / 2 && unit > 0));
    } else {
        push_decimal(out, tenths / 10);
        out.extend_from_slice(&[b'.', b'0' + (tenths % 10) as u8]);
    }
    out.extend_from_slice(UNITS[unit]);
}

/// Appends the result of [`grouped`].
pub(crate) fn push_grouped(out: &mut Vec<u8>, number: u64) {
    let start = out.len();
    push_decimal(out, number);
    // From the right: the groups begin at the last digit.
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
    fn a_reference_leads_from_where_the_client_is_and_to_no_other_host() {
        for (base, path, expected) in [
            ("/", "/photos/", "photos/"),
            ("/a/", "/a/photos/", "photos/"),
            ("/a/b/", "/c/d", "../../c/d"),
            ("/a/b/", "/a/c", "../c"),
            ("/in/", "/in/", "./"),
            ("/in/d/", "/in/", "../"),
            ("/", "/", "./"),
            ("", "/x", "x"),
            ("//", "/film", "../film"),
            ("//", "//photos/", "photos/"),
            ("/a//", "/a//b/", "b/"),
            ("/", "//evil.example/", "evil.example/"),
            ("/x/", "///evil.example/", "../evil.example/"),
            ("/", "/\\evil.example", "%5Cevil.example"),
            ("/", "//\\/evil", "%5C/evil"),
            ("/", "/a:b/", "a%3Ab/"),
            ("/", "/javascript:alert(1)/", "javascript%3Aalert%281%29/"),
            ("/", "/\r\nSet-Cookie: x\t/", "%0D%0ASet-Cookie%3A%20x%09/"),
            ("/", "/a b?c#d%e@f", "a%20b%3Fc%23d%25e%40f"),
            ("/", "/é…", "%C3%A9%E2%80%A6"),
        ] {
            assert_eq!(reference(base.as_bytes(), path.as_bytes()), expected, "{base} {path}");
        }
    }

    #[test]
    fn characters_that_change_a_terminal_or_the_reading_order_are_escaped() {
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
    fn no_bytes_of_the_network_move_a_cursor_or_hide() {
        let hostile = "\x1b[2J\x07\x08\u{9b}31m\u{202e}abc\u{200b}\u{feff}\0\x7f\u{e0041}é汉😀";
        assert_eq!(
            visible(hostile.as_bytes(), false),
            "\\x1b[2J\\x07\\x08\\xc2\\x9b31m\\xe2\\x80\\xaeabc\\xe2\\x80\\x8b\\xef\\xbb\\xbf\\x00\\x7f\\xf3\\xa0\\x81\\x81é汉😀"
        );
        assert_eq!(visible("é\r\n".as_bytes(), true), "\\xc3\\xa9\\r\\n");
        for bytes in [0u8..=255, 128..=255] {
            let all: Vec<u8> = bytes.collect();
            assert!(!visible(&all, false).chars().any(char::is_control));
        }
    }

    #[test]
    fn every_character_passes_only_if_it_is_visible() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let out = visible(c.encode_utf8(&mut [0; 4]).as_bytes(), false);
            assert!(!out.chars().any(|c| c.is_control() || (!c.is_ascii() && !is_visible(c))), "{c:?}");
        }
    }

    #[test]
    fn a_name_in_our_own_sentence_cannot_command_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\r\n\u{202e}\u{9b}\u{200f}é"), "a\\u{1b}[2Jb\\r\\n\\u{202e}\\u{9b}\\u{200f}é");
        assert_eq!(
            printable("a\u{200b}b\u{feff}c\u{2060}d\u{ad}e\u{e0041}"),
            "a\\u{200b}b\\u{feff}c\\u{2060}d\\u{ad}e\\u{e0041}"
        );
        // As macOS writes é, and as everybody writes other names.
        assert_eq!(printable("cafe\u{301} 日本 🦀"), "cafe\u{301} 日本 🦀");
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
    fn a_name_that_people_read_is_one_word_and_leads_to_its_file() {
        for (name, expected) in [
            (&b"libstdc++6_12.2.0,a=b@c~.deb"[..], "libstdc++6_12.2.0,a=b@c~.deb"),
            (b"two words", "two%20words"),
            (b"100%.txt", "100%25.txt"),
            (b"a#b?c", "a%23b%3Fc"),
            (b"a:b&c;d$(e)'f'!*", "a%3Ab%26c%3Bd%24%28e%29%27f%27%21%2A"),
            (b"[1-3]{a,b}\\", "%5B1-3%5D%7Ba,b%7D%5C"),
            (b"a\nb\x1b[2J\x7f", "a%0Ab%1B%5B2J%7F"),
            ("Öl e\u{301} 日本 🦀 שלום".as_bytes(), "Öl%20e\u{301}%20日本%20🦀%20שלום"),
            ("a\u{200b}b\u{feff}\u{ad}".as_bytes(), "a%E2%80%8Bb%EF%BB%BF%C2%AD"),
            ("exe\u{202e}gpj\u{200f}".as_bytes(), "exe%E2%80%AEgpj%E2%80%8F"),
            ("\u{a0}\u{3000}\u{85}".as_bytes(), "%C2%A0%E3%80%80%C2%85"),
            (b"\xffx\xc3", "%FFx%C3"),
        ] {
            let mut out = Vec::new();
            push_readable_segment(&mut out, name);
            assert_eq!(String::from_utf8_lossy(&out), expected);
            assert_eq!(percent_encoding::percent_decode(&out).collect::<Vec<_>>(), name);
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
        for (number, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (4_812_345, "4,812,345")] {
            assert_eq!(grouped(number), expected);
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
