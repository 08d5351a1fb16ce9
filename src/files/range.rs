//! The Range field: which bytes of a representation are asked for, and how several ranges are sent (RFC 9110 §14).
//!
//! ```text
//! Range        = "bytes" "=" 1#( int-range / suffix-range )
//! int-range    = first-pos "-" [ last-pos ]
//! suffix-range = "-" suffix-length
//! ```
//!
//! Pure functions on positions: the content stays in the file.
//!
//! Examples for a file of 10 bytes:
//!
//! | value | result |
//! |---|---|
//! | `bytes=0-4` | the first five bytes |
//! | `bytes=-3` | the last three |
//! | `bytes=5-` | all from the sixth on |
//! | `bytes=0-1,1-4,8-9` | two ranges: 0-4 and 8-9 |
//! | `bytes=10-` | 416: there is no such byte |
//! | `bytes=5-3`, `lines=1-2` | everything: the field is ignored |
//!
//! For an empty file the field is always ignored: there is no range of it, and programs that fetch every
//! file in slices (`bytes=0-…`) take 416 for a failure.

use std::hash::{BuildHasher, Hasher, RandomState};

use crate::http::grammar::decimal;
use crate::http::{field, grammar};
use crate::service::Piece;

/// The most ranges in one response. Video players ask for two or three, PDF viewers for a dozen, zsync for twenty.
const MAX_RANGES: usize = 64;

/// Consecutive bytes of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub from: u64,
    /// Number of bytes, never 0.
    pub len: u64,
}

/// The ranges that a Range field selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selected {
    /// Everything: the field is unusable, or following it would cost more than it saves.
    Whole,
    One(ByteRange),
    /// Several, in the order in which they were asked for.
    Many(Vec<ByteRange>),
    /// Only bytes that the representation does not have: 416.
    Unsatisfiable,
}

/// Applies a Range field to a representation of `length` bytes. A field that breaks the grammar or
/// has another unit is ignored (§14.2).
pub(crate) fn select(value: &[u8], length: u64) -> Selected {
    let Some(equals) = value.iter().position(|&b| b == b'=') else { return Selected::Whole };
    let (unit, set) = (&value[..equals], &value[equals + 1..]);
    if !unit.eq_ignore_ascii_case(b"bytes") || length == 0 {
        return Selected::Whole;
    }
    // Nearly every client sends one range. Then there is nothing to split and to merge.
    if !set.contains(&b',')
        && let Spec::Range(range) = parse(grammar::trim(set), length)
    {
        return Selected::One(range);
    }
    let mut ranges = Vec::new();
    let mut has_specs = false;
    for spec in field::elements(set) {
        has_specs = true;
        match parse(spec, length) {
            Spec::Ignored => return Selected::Whole,
            Spec::Unsatisfiable => {}
            Spec::Range(range) => ranges.push(range),
        }
    }
    if !has_specs {
        return Selected::Whole;
    }
    // `bytes=0-,0-,0-…` once turned small requests into gigabytes. After merging, no byte is sent twice.
    merge(&mut ranges);
    match ranges[..] {
        [] => Selected::Unsatisfiable,
        [range] => Selected::One(range),
        // Many small ranges cost more than the whole file (§14.2 allows to ignore them).
        _ if ranges.len() > MAX_RANGES => Selected::Whole,
        _ => Selected::Many(ranges),
    }
}

/// One element of the list.
enum Spec {
    /// It breaks the grammar, or cannot be followed.
    Ignored,
    Unsatisfiable,
    Range(ByteRange),
}

/// One element of a Range field, applied to `length` bytes.
fn parse(spec: &[u8], length: u64) -> Spec {
    let Some(dash) = spec.iter().position(|&b| b == b'-') else { return Spec::Ignored };
    match (&spec[..dash], &spec[dash + 1..]) {
        (b"", suffix) => match position(suffix) {
            None => Spec::Ignored,
            Some(0) => Spec::Unsatisfiable,
            // A suffix longer than the file selects all of it (§14.1.2).
            Some(suffix) => Spec::Range(ByteRange { from: length.saturating_sub(suffix), len: suffix.min(length) }),
        },
        (first, last) => {
            let last = if last.is_empty() { Some(u64::MAX) } else { position(last) };
            match (position(first), last) {
                (Some(first), Some(last)) if last < first => Spec::Ignored,
                (Some(first), Some(_)) if first >= length => Spec::Unsatisfiable,
                (Some(first), Some(last)) => {
                    // `last - first + 1` overflows for `0-18446744073709551615`.
                    let len = (length - first).min((last - first).saturating_add(1));
                    Spec::Range(ByteRange { from: first, len })
                }
                _ => Spec::Ignored,
            }
        }
    }
}

/// 1*DIGIT. A number that is too large for u64 still fits the grammar, and means "after the end of every file".
fn position(digits: &[u8]) -> Option<u64> {
    // `decimal` has a limit of digits, so leading zeros are removed before.
    let digits_only = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let zeros = digits.iter().take_while(|&&b| b == b'0').count().min(digits.len().saturating_sub(1));
    digits_only.then(|| decimal(&digits[zeros..]).unwrap_or(u64::MAX))
}

/// Joins ranges that overlap or touch. The joined range takes the place of the earliest in the request (§15.3.7.2).
fn merge(ranges: &mut Vec<ByteRange>) {
    let mut sorted: Vec<(usize, ByteRange)> = ranges.drain(..).enumerate().collect();
    sorted.sort_by_key(|(_, range)| range.from);
    let mut merged: Vec<(usize, ByteRange)> = Vec::new();
    for (place, range) in sorted {
        // Touching ranges are joined too: one more head would cost more bytes than it saves.
        match merged.last_mut() {
            Some((first, before)) if range.from <= before.from + before.len => {
                let end = (before.from + before.len).max(range.from + range.len);
                before.len = end - before.from;
                *first = place.min(*first);
            }
            _ => merged.push((place, range)),
        }
    }
    // Back to the order in which the client asked: it may want the last bytes first.
    merged.sort_by_key(|(place, _)| *place);
    ranges.extend(merged.into_iter().map(|(_, range)| range));
}

/// The Content-Range of a range (§14.4).
pub(crate) fn content_range(range: ByteRange, length: u64) -> String {
    format!("bytes {}-{}/{length}", range.from, range.from + range.len - 1)
}

/// A boundary for multipart/byteranges. It must not occur in the content. The content is not
/// searched: no content can know these 128 random bits.
pub(crate) fn boundary() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("barewire-{:016x}{:016x}", half(), half())
}

/// The content of multipart/byteranges (§14.6): a head before each range, a line after the last one.
pub(crate) fn multipart(ranges: &[ByteRange], length: u64, media_type: &str, boundary: &str) -> Vec<Piece> {
    debug_assert!(grammar::is_token(boundary.as_bytes()), "a boundary that would need quotes");
    let mut pieces = Vec::with_capacity(ranges.len() * 2 + 1);
    for range in ranges {
        // The line end before a boundary belongs to the boundary (RFC 2046 §5.1.1). The first one needs none,
        // but zsync waits for it, and other servers send it.
        let range_field = content_range(*range, length);
        let head = format!("\r\n--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {range_field}\r\n\r\n");
        pieces.push(Piece::Bytes(head.into_bytes()));
        // Sent with sendfile, so the memory for a response does not depend on the file.
        pieces.push(Piece::Range { from: range.from, len: range.len });
    }
    pieces.push(Piece::Bytes(format!("\r\n--{boundary}--\r\n").into_bytes()));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(from: u64, len: u64) -> Selected {
        Selected::One(ByteRange { from, len })
    }

    fn many(parts: &[(u64, u64)]) -> Selected {
        Selected::Many(parts.iter().map(|&(from, len)| ByteRange { from, len }).collect())
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
    fn an_invalid_range_is_ignored_and_one_after_the_end_of_the_file_is_416() {
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
    fn an_empty_file_has_no_ranges() {
        for value in ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=-5", "bytes=5-", "bytes=0-0,5-9"] {
            assert_eq!(select(value.as_bytes(), 0), Selected::Whole, "{value}");
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
        assert!(matches!(select(format!("bytes={}", list(64)).as_bytes(), 1000), Selected::Many(p) if p.len() == 64));
        assert_eq!(select(format!("bytes={}", list(65)).as_bytes(), 1000), Selected::Whole);
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
        let parts = [ByteRange { from: 0, len: 2 }, ByteRange { from: 8, len: 2 }];
        let pieces = multipart(&parts, 10, "text/plain", "b");
        let content = b"0123456789";
        let mut out = Vec::new();
        for piece in &pieces {
            match piece {
                Piece::Bytes(bytes) => out.extend_from_slice(bytes),
                Piece::Range { from, len } => out.extend_from_slice(&content[*from as usize..(*from + *len) as usize]),
            }
        }
        let want = "\r\n--b\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n\
                    --b\r\nContent-Type: text/plain\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n--b--\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
        assert_ne!(boundary(), boundary());
    }
}
