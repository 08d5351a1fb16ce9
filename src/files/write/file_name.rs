//! Names of files that a client suggests: what is left of them, and what becomes of one that is taken.
//!
//! RFC 7578 §4.2 and RFC 6266 §4.3 both tell a recipient to use the last component only: a name from
//! elsewhere chooses no folder here. A name in a URL is another thing; it *is* the path.
//!
//! Never: the disk. Whether a name is free, the kernel says.
//!
//! The subtle thing: a name is bytes. What is not UTF-8, has quotes or a line end in it, is a name like
//! any other; only what no folder can hold, and what is not served, is refused.

use std::time::SystemTime;

use percent_encoding::percent_decode;

use crate::files::resource::is_hidden;
use crate::http::{HttpDate, Request, date, field};

/// Bytes of a name, at most, on nearly every file system.
const LONGEST: usize = 255;
/// Bytes of an extension that are kept when a name is shortened; more is no extension.
const EXTENSION: usize = 32;

/// The last component. A browser on Windows once sent the whole path.
pub(crate) fn last_component(name: &[u8]) -> &[u8] {
    name.rsplit(|&b| b == b'/' || b == b'\\').next().unwrap_or_default()
}

/// Whether a file may have this name in a folder; `top`: in the root.
pub(crate) fn is_fit(name: &[u8], top: bool, dotfiles: bool) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.iter().all(|&b| b != b'/' && b != 0) && !is_hidden(name, top, dotfiles)
}

/// What a request's Content-Disposition suggests (RFC 6266 §4.3): `filename*` before `filename`.
pub(crate) fn suggested(request: &Request<'_>) -> Option<Vec<u8>> {
    let value = request.field("content-disposition")?;
    let find = |wanted: &[u8]| {
        let (_, mut parameters) = field::parameters(value);
        parameters.find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
    };
    let extended = find(b"filename*").and_then(|value| {
        // ext-value = charset "'" [ language ] "'" value-chars (RFC 8187 §3.2)
        let mut pieces = value.splitn(3, |&b| b == b'\'');
        let (charset, _, bytes) = (pieces.next()?, pieces.next()?, pieces.next()?);
        charset.eq_ignore_ascii_case(b"utf-8").then(|| percent_decode(bytes).collect::<Vec<u8>>())
    });
    let name = extended.or_else(|| find(b"filename").map(field::unquote))?;
    let last = last_component(&name);
    (!last.is_empty()).then(|| last.to_vec())
}

/// A name for content that came without one: `upload-19941106-084937`, in UTC.
pub(crate) fn of_moment(now: SystemTime) -> Vec<u8> {
    let second = HttpDate::new(now).second();
    let iso = date::iso(i64::try_from(second).unwrap_or(i64::MAX)); // 1994-11-06T08:49:37Z
    let pieces = [&iso[0..4], &iso[5..7], &iso[8..10], b"-", &iso[11..13], &iso[14..16], &iso[17..19]];
    [b"upload-", &pieces.concat()[..]].concat()
}

/// The same name with a number: `film.mp4`, `film (2).mp4`, … Never longer than a name can be.
pub(crate) fn numbered(name: &[u8], number: u32) -> Vec<u8> {
    let (stem, extension) = split(name);
    let mark = if number > 1 { format!(" ({number})") } else { String::new() };
    let room = LONGEST - mark.len() - extension.len();
    [shortened(stem, room), mark.as_bytes(), extension].concat()
}

/// Stem and extension. `a.tar.gz` keeps both of its ends together; `.profile` is all stem.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let dot = |name: &[u8]| name.iter().rposition(|&b| b == b'.').filter(|&at| at > 0 && name.len() - at <= EXTENSION);
    let Some(at) = dot(name) else { return (name, b"") };
    let at = if name[..at].ends_with(b".tar") && at > 4 { at - 4 } else { at };
    name.split_at(at)
}

/// At most `room` bytes, without half a character at the end.
fn shortened(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let continues = |at: usize| stem[at] & 0b1100_0000 == 0b1000_0000;
    // Of what is not UTF-8 nothing more can be known; a character has four bytes at most.
    let end = (room.saturating_sub(3)..=room).rev().find(|&at| !continues(at)).unwrap_or(room);
    &stem[..end]
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

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
        for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", b".env", b".barewire-x", b".git"] {
            assert!(!is_fit(name, true, false), "{}", String::from_utf8_lossy(name));
        }
        for name in [&b"a"[..], b"a\\b", b"\xff", b"a\r\nb", b"\"", b"...a"[3..].as_ref(), b".well-known"] {
            assert!(is_fit(name, true, false), "{}", String::from_utf8_lossy(name));
        }
        assert!(is_fit(b".env", true, true) && !is_fit(b".barewire-x", true, true));
        assert!(!is_fit(b".well-known", false, false));
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
            assert!(name.len() <= LONGEST && name.len() >= LONGEST - 1, "{}", name.len());
            assert!(name.ends_with(".jpeg"));
        }
        assert_eq!(numbered(&[0x80; 300], 1).len(), LONGEST);
        assert_eq!(numbered(&[b'.'; 300], 1).len(), LONGEST);
    }

    #[test]
    fn a_request_may_suggest_a_name() {
        let name = |value: &str| {
            let text = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Disposition: {value}\r\n\r\n");
            suggested(&request(text.as_bytes())).map(|name| String::from_utf8(name).unwrap())
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
