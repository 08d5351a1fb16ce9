//! The bytes of a message, without those in the middle of long content.

/// The bytes of a message that were kept: some at the front, some at the back, and the number of those between.
/// Callers ask for ranges of the message, so a shortened message cannot be read at wrong places.
///
/// ```text
/// 0        first.len()          gap_end()        len()
/// | first  |  gap: only counted  |  last          |
/// ```
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

    /// Adds the bytes that follow. If some are missing in both, all between the two gaps is counted as missing.
    pub(crate) fn append(&mut self, other: &Excerpt) {
        if self.gap == 0 {
            self.first.extend_from_slice(&other.first);
            (self.gap, self.last) = (other.gap, other.last.clone());
        } else if other.gap == 0 {
            self.last.extend_from_slice(&other.first);
        } else {
            self.gap += (self.last.len() + other.first.len()) as u64 + other.gap;
            self.last.clone_from(&other.last);
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
