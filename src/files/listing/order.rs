//! The order of a listing: folders first, then by name, size or time. The query
//! `?sort=size&order=desc` is not standard.
//!
//! Names are ordered as people count: `file2` before `file10`, upper and lower case together. No
//! locale is used: the order must be the same for every client and after every restart, because the
//! same entity-tag must mean the same bytes.
//!
//! Each name is turned into a key once, and keys are compared byte by byte. In a key, a run of
//! digits becomes its length and its digits, so 10 follows 9.
//!
//! ```text
//! name        key (the length of the digits in angle brackets)
//! file2       file0<1>2
//! FILE10      file0<2>10
//! file010.5   file0<2>10.0<1>5
//! ```

use std::cmp::Ordering;

use crate::files::listing::{Entry, FileKind};
use crate::http::target::query_pairs;

/// The column that a listing is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum By {
    Name,
    Size,
    Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Order {
    pub(crate) by: By,
    pub(crate) descending: bool,
}

impl Order {
    /// The order that a query asks for; unknown parts are ignored. The default is by name. Sizes
    /// and times begin with the largest and the newest, unless the query says otherwise.
    pub(crate) fn of(query: Option<&[u8]>) -> Order {
        let (mut by, mut direction) = (By::Name, None);
        for pair in query_pairs(query.unwrap_or_default()) {
            // Exact values only, and the last one wins. The query comes from a link of this page.
            match pair {
                (b"sort", Some(b"name")) => by = By::Name,
                (b"sort", Some(b"size")) => by = By::Size,
                (b"sort", Some(b"time")) => by = By::Time,
                (b"order", Some(b"asc")) => direction = Some(false),
                (b"order", Some(b"desc")) => direction = Some(true),
                _ => {}
            }
        }
        Order { by, descending: direction.unwrap_or(by != By::Name) }
    }
}

/// The entries in this order. Entries of the same size or time are ordered by name.
pub(crate) fn sorted(entries: &[Entry], order: Order) -> Vec<&Entry> {
    // All keys lie in one buffer: no allocation per entry.
    let mut keys = Vec::with_capacity(entries.iter().map(|entry| entry.name.len() + KEY_EXTRA).sum());
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let start = keys.len();
        push_key(&mut keys, &entry.name);
        rows.push(Row { entry, prefix: prefix(entry.kind, &keys[start..]), start, end: keys.len() });
    }
    // Names that differ only in case have equal keys. Their bytes decide, so the order is total.
    let rest = |a: &Row<'_>, b: &Row<'_>| {
        keys[a.start..a.end].cmp(&keys[b.start..b.end]).then_with(|| a.entry.name.cmp(&b.entry.name))
    };
    let name = |a: &Row<'_>, b: &Row<'_>| a.prefix.cmp(&b.prefix).then_with(|| rest(a, b));
    if order == (Order { by: By::Name, descending: false }) {
        // The default needs only one comparison of numbers for most pairs.
        rows.sort_unstable_by(name);
    } else {
        rows.sort_unstable_by(|a, b| {
            let folders = (b.entry.kind == FileKind::Directory).cmp(&(a.entry.kind == FileKind::Directory));
            let directed = |ordering: Ordering| if order.descending { ordering.reverse() } else { ordering };
            folders.then_with(|| match order.by {
                By::Name => directed(name(a, b)),
                // The size of a folder says nothing about its content.
                By::Size if a.entry.kind == FileKind::Directory => name(a, b),
                By::Size => directed(a.entry.size.cmp(&b.entry.size)).then_with(|| name(a, b)),
                By::Time => directed(a.entry.modified.cmp(&b.entry.modified)).then_with(|| name(a, b)),
            })
        });
    }
    rows.into_iter().map(|row| row.entry).collect()
}

/// How many bytes a key is longer than its name: a guess for the first allocation.
const KEY_EXTRA: usize = 4;

/// One entry with its key.
struct Row<'a> {
    entry: &'a Entry,
    /// The kind and the first bytes of the key. Most comparisons end here, without access to other memory.
    prefix: u128,
    /// The place of the whole key in the buffer.
    start: usize,
    end: usize,
}

/// Folders before files, then by the key.
fn prefix(kind: FileKind, key: &[u8]) -> u128 {
    let mut first = [0; size_of::<u128>()];
    first[0] = u8::from(kind == FileKind::File);
    let len = key.len().min(first.len() - 1);
    first[1..=len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(first)
}

/// Appends the key of a name: letters in lower case; each run of digits as `0`, its length without
/// leading zeros, and its digits. Bytes that are not UTF-8 stay as they are.
fn push_key(keys: &mut Vec<u8>, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        let mut text = chunk.valid();
        while let Some(char) = text.chars().next() {
            let run = text.bytes().take_while(u8::is_ascii_digit).count();
            if run > 0 {
                let digits = text[..run].trim_start_matches('0').as_bytes();
                // A name has at most 255 bytes on every file system in use, so its length fits.
                keys.extend_from_slice(&[b'0', u8::try_from(digits.len()).unwrap_or(u8::MAX)]);
                keys.extend_from_slice(digits);
            } else if char.is_ascii() {
                keys.push(char.to_ascii_lowercase() as u8);
            } else {
                let mut buffer = [0; 4];
                // One letter may become several in lower case, as İ does.
                char.to_lowercase().for_each(|lower| keys.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes()));
            }
            text = &text[run.max(char.len_utf8())..];
        }
        keys.extend_from_slice(chunk.invalid());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &[u8], size: u64, second: i64) -> Entry {
        Entry { name: name.to_vec(), kind: FileKind::File, size, modified: (second, 0) }
    }

    fn folder(name: &[u8], second: i64) -> Entry {
        Entry { name: name.to_vec(), kind: FileKind::Directory, size: 4096, modified: (second, 0) }
    }

    fn names(entries: &[Entry], query: &str) -> Vec<String> {
        let order = Order::of(Some(query.as_bytes()));
        sorted(entries, order).iter().map(|e| String::from_utf8_lossy(&e.name).into_owned()).collect()
    }

    #[test]
    fn names_are_in_the_order_in_which_people_count() {
        let expected: [&[u8]; 17] = [
            b"!",
            b"007",
            b"7",
            b"8a",
            b"10",
            b"a",
            b"File1",
            b"file1b",
            b"file2",
            b"FILE10",
            b"file10.5",
            b"file010.10",
            b"z",
            "ÄPFEL".as_bytes(),
            "äpfel2".as_bytes(),
            "日本".as_bytes(),
            b"\xff",
        ];
        let mut entries: Vec<_> = expected.iter().map(|name| file(name, 1, 1)).collect();
        for turn in 0..entries.len() {
            entries.rotate_left(turn);
            let got = names(&entries, "");
            let want: Vec<_> = expected.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            assert_eq!(got, want);
        }
    }

    #[test]
    fn the_order_does_not_depend_on_the_order_of_the_disk() {
        let mut entries = vec![file(b"A", 1, 1), file(b"a", 1, 1), file(b"01", 1, 1), file(b"1", 1, 1)];
        for query in ["", "sort=size", "sort=time", "order=desc"] {
            let before = names(&entries, query);
            entries.reverse();
            assert_eq!(names(&entries, query), before, "{query}");
        }
    }

    #[test]
    fn folders_come_first_in_every_order() {
        let entries = [file(b"b", 5, 30), folder(b"d10", 1), file(b"a", 7, 10), folder(b"d9", 2), file(b"c", 6, 20)];
        for (query, expected) in [
            ("", "d9 d10 a b c"),
            ("sort=name&order=desc", "d10 d9 c b a"),
            ("sort=size", "d9 d10 a c b"),
            ("sort=size&order=asc", "d9 d10 b c a"),
            ("order=asc&sort=time", "d10 d9 a c b"),
            ("sort=time", "d9 d10 b c a"),
            ("sort=evil&order=<script>", "d9 d10 a b c"),
        ] {
            assert_eq!(names(&entries, query).join(" "), expected, "{query}");
        }
    }

    #[test]
    fn a_run_of_digits_longer_than_any_number_does_not_overflow() {
        let (small, large) = ("9".repeat(254), "9".repeat(255));
        assert_eq!(names(&[file(large.as_bytes(), 1, 1), file(small.as_bytes(), 1, 1)], ""), [small, large]);
    }
}
