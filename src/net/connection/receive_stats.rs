//! What each `recv` brought of the content of an upload, for the handlers that show it.

use std::time::Instant;

use crate::service::ReceiveSummary;

/// Measures how the content of an upload came: what each `recv` brought of it.
///
/// One `recv` may bring the end of the head and the first content, another the last content and the next request. Only
/// the bytes between count, with their framing: of the first `recv` those after the head, of the last one those before
/// the end.
#[derive(Debug)]
pub(super) struct ReceiveStats {
    pub(super) summary: ReceiveSummary,
    /// Bytes of the last `recv`, which are not in the summary yet.
    last: u64,
    /// When the head was complete.
    head: Instant,
    /// When the first bytes of content came; `None` before.
    first: Option<Instant>,
    until: Instant,
}

impl ReceiveStats {
    /// The head was complete at `now`.
    pub(super) fn new(now: Instant) -> ReceiveStats {
        ReceiveStats { summary: ReceiveSummary::default(), last: 0, head: now, first: None, until: now }
    }

    /// A `recv` has brought bytes.
    pub(super) fn received(&mut self, bytes: usize, now: Instant) {
        if bytes == 0 {
            return;
        }
        self.count_last();
        // Counted only when the next recv shows that this one was not the last.
        self.last = bytes as u64;
        self.first.get_or_insert(now);
        self.until = now;
    }

    /// These bytes came together with the head, if no `recv` has brought any since.
    pub(super) fn after_head(&mut self, bytes: usize) {
        if self.first.is_none() {
            self.received(bytes, self.head);
        }
    }

    /// The content has ended, and these bytes came after it.
    pub(super) fn end(&mut self, left_over: usize) {
        self.last = self.last.saturating_sub(left_over as u64);
        self.count_last();
        if let Some(first) = self.first {
            self.summary.time = self.until.saturating_duration_since(first);
        }
    }

    fn count_last(&mut self) {
        let last = std::mem::take(&mut self.last);
        if last == 0 {
            return;
        }
        // 0 calls so far: there is no smallest one to compare with.
        self.summary.smallest = if self.summary.calls == 0 { last } else { self.summary.smallest.min(last) };
        self.summary.largest = self.summary.largest.max(last);
        self.summary.calls += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_bytes_between_the_head_and_the_end_of_the_content_count() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut stats = ReceiveStats::new(start);
        stats.after_head(10);
        stats.after_head(3);
        stats.received(500, at(5));
        stats.received(70, at(9));
        stats.end(68);
        let time = Duration::from_millis(9);
        assert_eq!(stats.summary, ReceiveSummary { calls: 3, smallest: 2, largest: 500, time });
        let mut fresh = ReceiveStats::new(start);
        fresh.received(7, at(3));
        fresh.after_head(7);
        fresh.end(0);
        assert_eq!(fresh.summary, ReceiveSummary { calls: 1, smallest: 7, largest: 7, time: Duration::ZERO });
        let mut none = ReceiveStats::new(start);
        none.after_head(0);
        none.end(0);
        assert_eq!(none.summary, ReceiveSummary::default());
    }
}
