//! Whether a response may call a text UTF-8.
//!
//! The charset of Content-Type overrules what the text says about itself (HTML §13.2.3.2, CSS Syntax §3.2), so a
//! wrong one makes a page unreadable. Without it the browser does what the text says. So it is left out when the
//! beginning of the text declares another encoding, or is not UTF-8:
//!
//! | the text begins with | charset |
//! |---|---|
//! | `<!doctype html><p>é` in UTF-8 | utf-8 |
//! | `<!doctype html><meta charset="shift_jis">` | none |
//! | `<?xml version="1.0" encoding="iso-8859-1"?>` | none |
//! | `@charset "windows-1251";` | none |
//! | `caf\xe9`, or the byte order mark of UTF-16 | none |
//!
//! Pure functions on bytes.

use memchr::memchr2_iter;

/// Bytes at the beginning of a text that decide. A browser, too, expects the declaration in the first 1,024 bytes
/// (HTML §4.2.5.4).
pub(crate) const START: usize = 1024;

/// Whether nothing in the first [`START`] bytes of a text (all of them, if it is shorter) contradicts UTF-8.
pub(crate) fn may_be_utf8(start: &[u8], is_html: bool) -> bool {
    let is_valid = match std::str::from_utf8(start) {
        Ok(_) => true,
        // The last character is cut. The rest of it may follow, unless the text ends here.
        Err(error) => error.error_len().is_none() && start.len() == START,
    };
    // A byte order mark overrules every declaration.
    is_valid && (start.starts_with(b"\xef\xbb\xbf") || declares_nothing_else(start, is_html))
}

/// Whether each declaration names UTF-8. If two contradict each other, the browser has to decide.
fn declares_nothing_else(start: &[u8], is_html: bool) -> bool {
    let is_utf8 = |label: &[u8]| label.eq_ignore_ascii_case(b"utf-8") || label.eq_ignore_ascii_case(b"utf8");
    // These two count as the very first bytes only.
    if let Some(rest) = start.strip_prefix(b"@charset \"")
        && !is_utf8(label(rest))
    {
        return false;
    }
    if start.starts_with(b"<?xml") && !tag_value(start, b"encoding").is_none_or(is_utf8) {
        return false;
    }
    let mut rest = start;
    while is_html && let Some(at) = find(rest, b"<meta") {
        rest = &rest[at + b"<meta".len()..];
        // `charset="…"`, or `content="text/html; charset=…"`. The latter could be a text about charsets. It does no
        // harm if it is taken for a declaration: a page that has a real one is read by that.
        if !tag_value(rest, b"charset").is_none_or(is_utf8) {
            return false;
        }
    }
    true
}

/// The value of `name = value` in the tag that goes on here, with or without quotes.
fn tag_value<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let tag = &text[..find(text, b">").unwrap_or(text.len())];
    let rest = tag[find(tag, name)? + name.len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    Some(label(rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest)))
}

/// The name of an encoding at the beginning of these bytes.
fn label(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let is_in_name = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:+".contains(b);
    &text[..text.iter().position(|b| !is_in_name(b)).unwrap_or(text.len())]
}

/// The position of `wanted`, in capitals or not.
fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    let &first = wanted.first()?;
    // By the first byte: to compare at every position took as many instructions as the rest of the request.
    let mut places = memchr2_iter(first.to_ascii_lowercase(), first.to_ascii_uppercase(), text);
    places.find(|&at| text[at..].get(..wanted.len()).is_some_and(|found| found.eq_ignore_ascii_case(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_names_another_encoding_is_not_overruled() {
        for (page, expected) in [
            (&b""[..], true),
            (b"<!doctype html><p>plain", true),
            ("<p>\u{e9}\u{65e5}".as_bytes(), true),
            (b"<meta charset=utf-8>", true),
            (b"<META CHARSET = 'UTF8'>", true),
            (b"<meta name=viewport content=\"width=device-width\"><meta charset=\"utf-8\">", true),
            (b"<meta charset=\"shift_jis\">", false),
            (b"<meta\n charset=windows-1252 />", false),
            (b"<html><META HTTP-EQUIV=Content-Type CONTENT=\"text/html; charset=ISO-8859-1\">", false),
            (b"<meta http-equiv='content-type' content='text/html;charset = euc-kr'>", false),
            (b"<meta charset=\" koi8-r \">", false),
            (b"<meta name=a><meta charset=gbk", false),
            (b"<?xml version=\"1.0\" encoding='iso-8859-1'?><html>", false),
            (b"<?xml version=\"1.0\" encoding=\"UTF-8\"?><html>", true),
            (b"<?xml version=\"1.0\"?><html encoding=x>", true),
            (b"<script charset=latin1></script>", true),
            (b"<p>encoding=latin1 charset=latin1", true),
            // Not UTF-8: Latin 1, UTF-16 with its mark in both orders.
            (b"<p>caf\xe9</p>", false),
            (b"<p>caf\xe9", false),
            (b"\xff\xfe<\0p\0>\0", false),
            (b"\xfe\xff\0<\0p\0>", false),
            // The mark of UTF-8 overrules the page.
            (b"\xef\xbb\xbf<meta charset=shift_jis>", true),
            (b"\xef\xbb\xbf<p>caf\xe9</p>", false),
        ] {
            assert_eq!(may_be_utf8(page, true), expected, "{}", String::from_utf8_lossy(page));
        }
    }

    #[test]
    fn other_text_declares_its_encoding_in_the_first_bytes_or_not_at_all() {
        for (text, expected) in [
            (&b"@charset \"utf-8\"; a{}"[..], true),
            (b"@charset \"Shift_JIS\"; a{}", false),
            (b" @charset \"Shift_JIS\"; a{}", true),
            (b"<?xml version='1.0' encoding='koi8-r'?>", false),
            (b"how to write <meta charset=shift_jis>", true),
            (b"caf\xe9\n", false),
            (b"\xff\xfea\0", false),
        ] {
            assert_eq!(may_be_utf8(text, false), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_character_that_is_cut_at_the_end_of_the_start_is_no_fault() {
        for (character, cut) in [("\u{e9}", 1), ("\u{65e5}", 1), ("\u{65e5}", 2), ("\u{1f600}", 1), ("\u{1f600}", 3)] {
            let text = ["x".repeat(START - cut).as_bytes(), &character.as_bytes()[..cut]].concat();
            assert!(may_be_utf8(&text, true), "{character} {cut}");
            assert!(!may_be_utf8(&text[1..], true), "the file ends within {character}");
            let next = [&text[..START - cut], &character.as_bytes()[..cut - 1], b"<"].concat();
            assert!(cut == 1 || !may_be_utf8(&next, true), "{character} {cut} is followed by another byte");
        }
    }
}
