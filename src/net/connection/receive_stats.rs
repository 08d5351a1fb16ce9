//! How content came: what each `recv` brought of it.
//!
//! Never: a byte of it, a clock. Moments are arguments.
//!
//! The subtle thing: one `recv` may bring the end of a head and the first content, another the last
//! content and the next request. Only what lies between counts, as it was framed: the first call by what is
//! left behind the head, the last one less what is left over at the end.

use std::time::Instant;

use crate::service::Meter;

/// Measures one content.
#[derive(Debug)]
pub(crate) struct ReceiveStats {
    meter: Meter,
    /// Bytes of the last call, which are not in the meter yet.
    last: u64,
    /// When the head was complete.
    head: Instant,
    first: Option<Instant>,
    until: Instant,
}

impl ReceiveStats {
    /// Content whose head was complete at `now`.
    pub(crate) fn new(now: Instant) -> ReceiveStats {
        ReceiveStats { meter: Meter::default(), last: 0, head: now, first: None, until: now }
    }

    /// A `recv` has brought bytes.
    pub(crate) fn received(&mut self, bytes: usize, now: Instant) {
        if bytes == 0 {
            return;
        }
        self.count_last();
        self.last = bytes as u64;
        self.first.get_or_insert(now);
        self.until = now;
    }

    /// These bytes lay behind the head when it was complete, if no `recv` has brought any since.
    pub(crate) fn behind_head(&mut self, bytes: usize) {
        if self.first.is_none() {
            self.received(bytes, self.head);
        }
    }

    /// The content has its end, and these bytes lay behind it.
    pub(crate) fn end(&mut self, left_over: usize) {
        self.last = self.last.saturating_sub(left_over as u64);
        self.count_last();
        if let Some(first) = self.first {
            self.meter.time = self.until.saturating_duration_since(first);
        }
    }

    fn count_last(&mut self) {
        let last = std::mem::take(&mut self.last);
        if last == 0 {
            return;
        }
        self.meter.smallest = if self.meter.calls == 0 { last } else { self.meter.smallest.min(last) };
        self.meter.largest = self.meter.largest.max(last);
        self.meter.calls += 1;
    }

    /// The result.
    pub(crate) fn meter(&self) -> Meter {
        self.meter
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_what_lies_between_head_and_end_counts() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut receive_stats = ReceiveStats::new(start);
        receive_stats.behind_head(10);
        receive_stats.behind_head(3);
        receive_stats.received(500, at(5));
        receive_stats.received(70, at(9));
        receive_stats.end(68);
        let time = Duration::from_millis(9);
        assert_eq!(receive_stats.meter(), Meter { calls: 3, smallest: 2, largest: 500, time });
        let mut fresh = ReceiveStats::new(start);
        fresh.received(7, at(3));
        fresh.behind_head(7);
        fresh.end(0);
        assert_eq!(fresh.meter(), Meter { calls: 1, smallest: 7, largest: 7, time: Duration::ZERO });
        let mut none = ReceiveStats::new(start);
        none.behind_head(0);
        none.end(0);
        assert_eq!(none.meter(), Meter::default());
    }
}
