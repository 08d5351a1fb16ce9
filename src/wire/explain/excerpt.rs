//! The bytes of a message that were kept, with positions that count all of its bytes.
//!
//! ```text
//! 0        first.len()          gap_end()        len()
//! | first  |  gap: only counted  |  last          |
//! ```
//!
//! Callers ask for ranges of the message and learn how many of their bytes are missing. They never see an index of one
//! of the two vectors, so a shortened message cannot be read at wrong places.

/// The bytes of a message that were kept: some at the front, some at the back, and the number of those between.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The first bytes of the message.
    pub first: Vec<u8>,
    /// How many bytes after them were only counted.
    pub gap: u64,
    /// The last bytes of the message; empty if there is no gap.
    pub last: Vec<u8>,
}

impl Excerpt {
    /// The number of bytes of the message, kept or not.
    pub fn len(&self) -> u64 {
        self.gap_end() + self.last.len() as u64
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of the first byte of `last`.
    pub(crate) fn gap_end(&self) -> u64 {
        self.first.len() as u64 + self.gap
    }

    /// The bytes of `start..start + len`: those kept at the front, how many were not kept, those kept at the back.
    pub fn get(&self, start: u64, len: u64) -> (&[u8], u64, &[u8]) {
        // A span may claim more bytes than the message has, if the message was cut off inside it.
        let end = start.saturating_add(len).min(self.len());
        let start = start.min(end);
        // The part of `kept`, whose first byte is at `base` of the message, that lies in the range.
        let part = |kept: &'_ [u8], base: u64| {
            let index = |position: u64| position.saturating_sub(base).min(kept.len() as u64) as usize;
            index(start)..index(end)
        };
        let first = &self.first[part(&self.first, 0)];
        let last = &self.last[part(&self.last, self.gap_end())];
        (first, end - start - (first.len() + last.len()) as u64, last)
    }

    /// The bytes of the range if all of them were kept in one piece.
    pub fn whole(&self, start: u64, len: u64) -> Option<&[u8]> {
        match self.get(start, len) {
            // A range of no bytes matches here as well, and is an empty piece.
            (first, 0, &[]) if first.len() as u64 == len => Some(first),
            (&[], 0, last) if last.len() as u64 == len => Some(last),
            _ => None,
        }
    }

    /// Makes the gap, if there is one, begin at `from` and end at `to`. It never becomes smaller.
    pub(crate) fn widen(&mut self, from: Option<u64>, to: Option<u64>) {
        if self.gap == 0 {
            return;
        }
        let (first, gap_end) = (self.first.len() as u64, self.gap_end());
        if let Some(more) = to.map(|to| to.saturating_sub(gap_end).min(self.last.len() as u64)) {
            // The bytes that leave are counted in the gap, so all positions stay true.
            self.last.drain(..more as usize);
            self.gap += more;
        }
        if let Some(from) = from.map(|from| from.min(first)) {
            self.first.truncate(from as usize);
            self.gap += first - from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_gives_what_it_kept_and_counts_the_rest() {
        let excerpt = Excerpt { first: b"abcd".to_vec(), gap: 10, last: b"yz".to_vec() };
        assert_eq!(excerpt.len(), 16);
        assert_eq!(excerpt.get(1, 2), (&b"bc"[..], 0, &b""[..]));
        assert_eq!(excerpt.get(2, 13), (&b"cd"[..], 10, &b"y"[..]));
        assert_eq!(excerpt.get(5, 3), (&b""[..], 3, &b""[..]));
        assert_eq!(excerpt.get(15, 99), (&b""[..], 0, &b"z"[..]));
        assert_eq!(excerpt.whole(0, 4), Some(&b"abcd"[..]));
        assert_eq!((excerpt.whole(3, 2), excerpt.whole(14, 2)), (None, Some(&b"yz"[..])));
    }
}
