//! Names of uploaded files: which part of a suggested name counts, and the next name if one is in use.
//!
//! Only the last component of a suggested name is used (RFC 7578 §4.2, RFC 6266 §4.3): a client
//! does not choose a folder this way. The path of a URL is different; it *is* the path. A name is
//! bytes: one that is not UTF-8, or has quotes or line ends in it, is a name like any other.
//! Whether a name is free is decided by the kernel when it is published.
//!
//! | suggested | stored as |
//! |---|---|
//! | `film.mp4`, and that name is free | `film.mp4` |
//! | `film.mp4`, and that name is in use | `film (2).mp4` |
//! | `../../etc/passwd`, `C:\Users\me\passwd` | `passwd` |
//! | nothing | `upload-19941106-084937` |
//! | `.env`, `..`, a name with a NUL byte | refused: 409 |

use std::time::{SystemTime, UNIX_EPOCH};

use crate::files::resource::is_hidden;
use crate::http::multipart::{self, FormError};
use crate::http::{Request, date, field};

/// Bytes of the longest name on nearly every file system.
const MAX_NAME: usize = 255;
/// Bytes of the longest extension that is kept when a name is shortened. A longer end is not an extension.
const MAX_EXTENSION: usize = 32;

/// The last component. Some browsers on Windows sent the whole path.
pub(crate) fn last_component(name: &[u8]) -> &[u8] {
    name.rsplit(|&b| b == b'/' || b == b'\\').next().unwrap_or_default()
}

/// Whether a file may have this name in a folder.
pub(crate) fn is_usable(name: &[u8], dotfiles: bool) -> bool {
    // A name that is never served must not be written either. `.well-known` is served, but as a folder.
    !matches!(name, b"" | b"." | b"..")
        && !name.contains(&b'/')
        && !name.contains(&0)
        && !is_hidden(name, false, dotfiles)
}

/// The name that Content-Disposition suggests, if it does (RFC 6266 §4.3).
pub(crate) fn suggested(request: &Request<'_>) -> Result<Option<Vec<u8>>, FormError> {
    let Some(value) = request.field("content-disposition") else { return Ok(None) };
    let name = multipart::file_name(value, field::unquote)?;
    Ok(name.map(|name| last_component(&name).to_vec()).filter(|last| !last.is_empty()))
}

/// A name for content without one: `upload-19941106-084937`, in UTC.
pub(crate) fn of_moment(now: SystemTime) -> Vec<u8> {
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    // 1994-11-06T08:49:37Z
    let iso = date::iso(second);
    let pieces: [&[u8]; 8] =
        [b"upload-", &iso[..4], &iso[5..7], &iso[8..10], b"-", &iso[11..13], &iso[14..16], &iso[17..19]];
    pieces.concat()
}

/// The name with a number, from 2 on: `film.mp4`, `film (2).mp4`, … Never longer than a name can be.
pub(crate) fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let (stem, extension) = split(name);
    let mark = if number > 1 { format!(" ({number})") } else { String::new() };
    let max = MAX_NAME - mark.len() - extension.len();
    [shortened(stem, max), mark.as_bytes(), extension].concat()
}

/// Stem and extension. `.tar.gz` is one extension; `.profile` has none.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let dot = name.iter().rposition(|&b| b == b'.').filter(|&at| at > 0 && name.len() - at <= MAX_EXTENSION);
    let Some(at) = dot else { return (name, b"") };
    let at = if name[..at].ends_with(b".tar") && at > 4 { at - 4 } else { at };
    name.split_at(at)
}

/// At most `max` bytes, without half a character at the end.
fn shortened(stem: &[u8], max: usize) -> &[u8] {
    if stem.len() <= max {
        return stem;
    }
    let is_continuation = |at: usize| stem[at] & 0b1100_0000 == 0b1000_0000;
    // A character has four bytes at most. If no boundary is among the last four, the name is not UTF-8.
    let end = (max.saturating_sub(3)..=max).rev().find(|&at| !is_continuation(at)).unwrap_or(max);
    &stem[..end]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::files::testing::request;

    #[test]
    fn a_name_from_elsewhere_chooses_no_folder() {
        for (name, last) in [
            (&b"film.mp4"[..], &b"film.mp4"[..]),
            (b"/etc/passwd", b"passwd"),
            (b"../../x", b"x"),
            (br"C:\Users\me\film.mp4", b"film.mp4"),
            (br"..\x/y\z", b"z"),
            (b"folder/", b""),
            (b"..", b".."),
            (b"", b""),
        ] {
            assert_eq!(last_component(name), last, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn what_is_never_served_is_never_written() {
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", b".env", b".barewire-x", b".git", b".well-known"] {
            assert!(!is_usable(name, false), "{}", String::from_utf8_lossy(name));
        }
        for name in [&b"a"[..], b"a\\b", b"\xff", b"a\r\nb", b"\"", b"...a"[3..].as_ref()] {
            assert!(is_usable(name, false), "{}", String::from_utf8_lossy(name));
        }
        assert!(is_usable(b".env", true) && !is_usable(b".barewire-x", true));
    }

    #[test]
    fn a_taken_name_gets_a_number_before_its_extension() {
        for (name, expected) in [
            ("film.mp4", "film (2).mp4"),
            ("film", "film (2)"),
            ("a.b.c", "a.b (2).c"),
            ("a.tar.gz", "a (2).tar.gz"),
            (".tar.gz", ".tar (2).gz"),
            (".profile", ".profile (2)"),
            ("a.", "a (2)."),
        ] {
            assert_eq!(String::from_utf8(numbered(name.as_bytes(), 2)).unwrap(), expected);
        }
        assert_eq!(numbered(b"film.mp4", 1), b"film.mp4");
    }

    #[test]
    fn a_long_name_is_shortened_between_characters_and_keeps_its_extension() {
        let long = "é".repeat(200) + ".jpeg";
        for number in [1, 2, 1000] {
            let name = String::from_utf8(numbered(long.as_bytes(), number)).unwrap();
            assert!(name.len() <= MAX_NAME && name.len() >= MAX_NAME - 1, "{}", name.len());
            assert!(name.ends_with(".jpeg"));
        }
        assert_eq!(numbered(&[0x80; 300], 1).len(), MAX_NAME);
        assert_eq!(numbered(&[b'.'; 300], 1).len(), MAX_NAME);
    }

    #[test]
    fn a_request_may_suggest_a_name() {
        let name = |value: &str| {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Disposition: {value}\r\n\r\n");
            let name = suggested(&request(text.as_bytes())).unwrap();
            name.map(|name| String::from_utf8(name).unwrap())
        };
        assert_eq!(name("attachment; filename=\"a \\\"b\\\".txt\"").as_deref(), Some("a \"b\".txt"));
        assert_eq!(name("attachment; filename=../../x.txt").as_deref(), Some("x.txt"));
        assert_eq!(name("attachment; filename=x; filename*=utf-8'de'%C3%A9.txt").as_deref(), Some("é.txt"));
        assert_eq!(name("attachment; filename*=utf-8''..%2F..%2Fx").as_deref(), Some("x"));
        assert_eq!(name("attachment; filename*=broken; filename=y").as_deref(), Some("y"));
        assert_eq!((name("inline"), name("attachment; filename=\"\"")), (None, None));
        assert_eq!(of_moment(UNIX_EPOCH + Duration::from_secs(784_111_777)), b"upload-19941106-084937");
    }
}
