//! What a reader of the history gets at once: bounded in items and in bytes.

use crate::wire::record::history::state::HistoryState;
use crate::wire::record::history::{HistoryItem, HistoryReader, StoredEvent};

/// Most items handed to a reader at once.
/// They are collected under the lock, for which the wire thread may wait.
const PORTION: usize = 256;
/// Most bytes of them, and of all notices, as a part of the bound. A reader holds them until its window has read them,
/// also when they are forgotten here: eight windows hold half as much as the history.
pub(super) const PORTION_SHARE: usize = 16;

impl HistoryState {
    /// The next portion for a reader.
    pub(super) fn items_after(&self, reader: &HistoryReader, most: usize) -> Vec<(u64, HistoryItem)> {
        // Ranges of the maps, so a portion costs the same however much is kept.
        let (mut size, mut last) = (0, u64::MAX);
        let fits = |(number, stored): &(&u64, &StoredEvent)| {
            // One at least, however large.
            let fits = size == 0 || size + stored.event.held_bytes() <= most;
            size += stored.event.held_bytes();
            // No notice after the first event that is left out: a reader has one position, and would miss that event.
            last = if fits { last } else { **number };
            fits
        };
        let events: Vec<_> = self.events.range(reader.event + 1..).take(PORTION).take_while(fits).collect();
        let notices = self.notices.range(reader.notice + 1..).take_while(|(number, _)| **number < last).take(PORTION);
        let mut items: Vec<(u64, HistoryItem)> = events
            .into_iter()
            .map(|(&number, stored)| (number, HistoryItem::Event(stored.clone())))
            .chain(notices.map(|(&number, notice)| (number, notice.clone())))
            .collect();
        // Both are cut at the same number: a reader has one position, and would miss what is left out before it.
        items.sort_by_key(|(number, _)| *number);
        items.truncate(PORTION);
        items
    }
}
