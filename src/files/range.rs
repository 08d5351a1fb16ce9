//! Range: which bytes of a representation are meant, and how several are sent (RFC 9110 §14).
//!
//! ```text
//! Range        = "bytes" "=" 1#( int-range / suffix-range )
//! int-range    = first-pos "-" [ last-pos ]
//! suffix-range = "-" suffix-length
//! ```
//!
//! Never: content. Parts are heads and positions; the bytes stay in the file.
//!
//! The subtle things:
//! - `bytes=0-,0-,0-…` once turned small requests into gigabytes. Ranges that overlap or touch become
//!   one, so no byte is sent twice, and more than [`MOST_PARTS`] after that is the whole file.
//! - A boundary must not occur in the content. It is not searched for: 128 bits that no content
//!   could know are enough.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::http::grammar::{decimal, push_decimal};
use crate::http::{field, grammar};
use crate::service::Piece;

/// The most parts of one response: players ask for two or three, PDF viewers for a dozen.
pub const MOST_PARTS: usize = 16;

/// Bytes from `from` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first byte.
    pub from: u64,
    /// How many, never 0.
    pub len: u64,
}

/// What a Range field selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// Everything: there is no usable field, or following it would cost more than it saves.
    Whole,
    /// One range.
    One(Part),
    /// Several, in the order they were asked for.
    Many(Vec<Part>),
    /// Nothing the representation has: 416.
    Unsatisfiable,
}

/// Applies a Range field to a representation of `length` bytes. A field that breaks the grammar, or
/// has another unit, is ignored (§14.2).
pub fn select(value: &[u8], length: u64) -> Selected {
    let Some(equals) = value.iter().position(|&o| o == b'=') else { return Selected::Whole };
    let (unit, set) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return Selected::Whole;
    }
    // One range, as nearly everybody sends it: there is nothing to be split and merged.
    if !set.contains(&b',')
        && let Spec::Part(part) = part(grammar::trim(set), length)
    {
        return Selected::One(part);
    }
    let mut parts = Vec::new();
    let mut named = false;
    for spec in field::elements(set) {
        named = true;
        match part(spec, length) {
            Spec::Invalid => return Selected::Whole,
            // The last 5 bytes of nothing are all of it, and Content-Range has no words for that.
            Spec::Empty => return Selected::Whole,
            Spec::Unsatisfiable => {}
            Spec::Part(part) => parts.push(part),
        }
    }
    if !named {
        return Selected::Whole;
    }
    merge(&mut parts);
    match parts[..] {
        [] => Selected::Unsatisfiable,
        [part] => Selected::One(part),
        _ if parts.len() > MOST_PARTS => Selected::Whole,
        _ => Selected::Many(parts),
    }
}

enum Spec {
    Invalid,
    Unsatisfiable,
    Empty,
    Part(Part),
}

fn part(spec: &[u8], length: u64) -> Spec {
    let Some(dash) = spec.iter().position(|&o| o == b'-') else { return Spec::Invalid };
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", suffix) => match position(suffix) {
            None => Spec::Invalid,
            Some(0) => Spec::Unsatisfiable,
            Some(_) if length == 0 => Spec::Empty,
            Some(suffix) => Spec::Part(Part { from: length.saturating_sub(suffix), len: suffix.min(length) }),
        },
        (first, last) => {
            let last = if last.is_empty() { Some(u64::MAX) } else { position(last) };
            match (position(first), last) {
                (Some(first), Some(last)) if last < first => Spec::Invalid,
                (Some(first), Some(_)) if first >= length => Spec::Unsatisfiable,
                (Some(first), Some(last)) => {
                    Spec::Part(Part { from: first, len: (length - first).min((last - first).saturating_add(1)) })
                }
                _ => Spec::Invalid,
            }
        }
    }
}

/// 1*DIGIT. More digits than a number may have are still grammar, and mean "beyond every file".
fn position(digits: &[u8]) -> Option<u64> {
    let digits_only = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let zeros = digits.iter().take_while(|&&o| o == b'0').count().min(digits.len().saturating_sub(1));
    digits_only.then(|| decimal(&digits[zeros..]).unwrap_or(u64::MAX))
}

/// Makes one of those that overlap or touch, keeping the place of the earliest (§15.3.7.2).
fn merge(parts: &mut Vec<Part>) {
    let mut sorted: Vec<(usize, Part)> = parts.drain(..).enumerate().collect();
    sorted.sort_by_key(|(_, part)| part.from);
    let mut merged: Vec<(usize, Part)> = Vec::new();
    for (place, part) in sorted {
        match merged.last_mut() {
            Some((first, before)) if part.from <= before.from + before.len => {
                let end = (before.from + before.len).max(part.from + part.len);
                before.len = end - before.from;
                *first = place.min(*first);
            }
            _ => merged.push((place, part)),
        }
    }
    merged.sort_by_key(|(place, _)| *place);
    parts.extend(merged.into_iter().map(|(_, part)| part));
}

/// The Content-Range of a part (§14.4).
pub fn content_range(part: Part, length: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(b"bytes ");
    push_decimal(&mut out, part.from);
    out.push(b'-');
    push_decimal(&mut out, part.from + part.len - 1);
    out.push(b'/');
    push_decimal(&mut out, length);
    out
}

/// The Content-Range of a 416: how long the representation is (§15.5.17).
pub fn unsatisfied_range(length: u64) -> Vec<u8> {
    let mut out = b"bytes */".to_vec();
    push_decimal(&mut out, length);
    out
}

/// A boundary that no content knows.
pub fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("barewire-{:016x}{:016x}", half(), half())
}

/// The content of multipart/byteranges (§14.6): a head before each part, a line after the last.
pub fn multipart(parts: &[Part], length: u64, media_type: &str, boundary: &str) -> Vec<Piece> {
    debug_assert!(grammar::is_token(boundary.as_bytes()), "a boundary that would need quotes");
    let mut pieces = Vec::with_capacity(parts.len() * 2 + 1);
    let mut lead = "--";
    for part in parts {
        let mut head = format!("{lead}{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: ").into_bytes();
        head.extend_from_slice(&content_range(*part, length));
        head.extend_from_slice(b"\r\n\r\n");
        pieces.push(Piece::Bytes(head));
        pieces.push(Piece::Range { from: part.from, len: part.len });
        lead = "\r\n--";
    }
    pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into_bytes()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(from: u64, len: u64) -> Selected {
        Selected::One(Part { from, len })
    }

    fn many(parts: &[(u64, u64)]) -> Selected {
        Selected::Many(parts.iter().map(|&(from, len)| Part { from, len }).collect())
    }

    #[track_caller]
    fn check(value: &str, expected: Selected) {
        assert_eq!(select(value.as_bytes(), 10), expected, "{value}");
    }

    #[test]
    fn one_range_is_cut_to_the_file() {
        check("bytes=0-0", one(0, 1));
        check("bytes=0-9", one(0, 10));
        check("bytes=0-", one(0, 10));
        check("bytes=9-", one(9, 1));
        check("bytes=3-5", one(3, 3));
        check("bytes=3-99999999999999999999999999", one(3, 7));
        check("bytes=-3", one(7, 3));
        check("bytes=-10", one(0, 10));
        check("bytes=-11", one(0, 10));
        check("bytes=-99999999999999999999999999", one(0, 10));
        check("BYTES=000000000000000000003-4", one(3, 2));
        check("bytes= , 3-4 ,", one(3, 2));
    }

    #[test]
    fn what_is_no_range_is_ignored_and_what_is_beyond_the_file_is_416() {
        for broken in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-3",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--5",
            "bytes=0x1-2",
            "bytes=1 - 2",
            "bytes =1-2",
            "bytes:1-2",
            "lines=1-2",
            "=1-2",
            "bytes=0-1;2-3",
            "bytes=0-1,x",
            "bytes=\"0-1\"",
            "bytes=9-8,0-1",
            "none",
        ] {
            check(broken, Selected::Whole);
        }
        for beyond in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-", "bytes=10-,-0,11-12"] {
            check(beyond, Selected::Unsatisfiable);
        }
        check("bytes=10-,0-0", one(0, 1));
    }

    #[test]
    fn an_empty_file_has_no_first_byte() {
        for (value, expected) in [
            ("bytes=0-", Selected::Unsatisfiable),
            ("bytes=0-0", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=-5", Selected::Whole),
        ] {
            assert_eq!(select(value.as_bytes(), 0), expected, "{value}");
        }
    }

    #[test]
    fn no_byte_is_sent_twice_and_the_order_is_the_clients() {
        check("bytes=0-1,4-5", many(&[(0, 2), (4, 2)]));
        check("bytes=4-5,0-1", many(&[(4, 2), (0, 2)]));
        check("bytes=0-1,2-3", one(0, 4));
        check("bytes=5-9,0-4", one(0, 10));
        check("bytes=0-5,3-8", one(0, 9));
        check("bytes=0-9,3-4", one(0, 10));
        check("bytes=8-,0-0,7-7,-1", many(&[(7, 3), (0, 1)]));
        check("bytes=6-6,0-0,2-2,1-1", many(&[(6, 1), (0, 3)]));
    }

    #[test]
    fn a_bomb_of_ranges_is_the_file_once() {
        assert_eq!(select(format!("bytes={}", "0-,".repeat(5000)).as_bytes(), 10), one(0, 10));
        let list = |n: u64| (0..n).map(|i| format!("{}-{}", i * 3, i * 3)).collect::<Vec<_>>().join(",");
        assert!(matches!(select(format!("bytes={}", list(16)).as_bytes(), 1000), Selected::Many(p) if p.len() == 16));
        assert_eq!(select(format!("bytes={}", list(17)).as_bytes(), 1000), Selected::Whole);
    }

    #[test]
    fn nothing_overflows_at_the_end_of_numbers() {
        let max = u64::MAX;
        assert_eq!(select(b"bytes=0-", max), one(0, max));
        assert_eq!(select(b"bytes=99999999999999999999-", max), Selected::Unsatisfiable);
        assert_eq!(select(b"bytes=1-,-99999999999999999999", max), one(0, max));
    }

    #[test]
    fn parts_have_heads_and_an_end() {
        let parts = [Part { from: 0, len: 2 }, Part { from: 8, len: 2 }];
        let pieces = multipart(&parts, 10, "text/plain", "b");
        let content = b"0123456789";
        let mut out = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Range { from, len } => out.extend_from_slice(&content[*from as usize..(*from + *len) as usize]),
            }
        }
        let want = "--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
                    --b\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--b--\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert_ne!(boundary(), boundary());
        assert_eq!(unsatisfied_range(10), b"bytes */10");
    }
}
