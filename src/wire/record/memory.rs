//! What a view keeps in memory: each part has a share of what was asked for.
//!
//! | part | share | when it is full |
//! |---|---|---|
//! | records that wait to be explained, those of all loops together | a half | they are dropped and counted |
//! | open connections, as far as they are explained | an eighth | none of them is followed further |
//! | the history: events, notices and tables | a quarter | the oldest connection is forgotten |
//! | events that open windows have taken out and not read | an eighth | a window takes fewer at once |
//!
//! Beside them stands what is worked on at this moment: one record of each loop, the events of one record, and the
//! text of one event for each window.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A batch of this many bytes is handed over at once, in the middle of a turn.
const BATCH: usize = 2 * 1024 * 1024;
/// Most empty batches of a loop that are kept to be used again.
pub(crate) const EMPTY: usize = 16;

/// The memory of one view, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireMemory(pub usize);

impl WireMemory {
    /// The least with which a history shows some hundred exchanges, and the longest messages.
    pub const LEAST: WireMemory = WireMemory(4 * 1024 * 1024);
    /// Without a history. The records of an upload of one gigabyte in calls of 100 KiB, some 25 MiB, can wait for a
    /// terminal.
    pub const WITHOUT_HISTORY: WireMemory = WireMemory(128 * 1024 * 1024);

    /// For records.
    pub(crate) fn records(self) -> usize {
        self.0 / 2
    }

    /// For open connections.
    pub(crate) fn connections(self) -> usize {
        self.0 / 8
    }

    /// For the history.
    pub fn history(self) -> usize {
        self.0 / 4
    }
}

/// The records of all loops that wait for the reader.
#[derive(Debug)]
pub(crate) struct RecordMemory {
    /// The size of all batches that were handed over and not read yet.
    waiting: AtomicUsize,
    /// Its limit.
    most: usize,
    /// The size at which a batch is handed over.
    pub(crate) batch: usize,
    /// Capacity that an empty batch keeps.
    pub(crate) kept: usize,
}

impl RecordMemory {
    /// The share of the records, for this many loops. A half may wait. A buffer may be twice as large as what is in it:
    /// so an eighth is for the batches being filled, as much for those being read, and as much for empty ones.
    pub(crate) fn new(memory: WireMemory, loops: usize) -> Arc<RecordMemory> {
        let all = memory.records();
        let batch = (all / 16 / loops.max(1)).min(BATCH);
        let kept = batch / EMPTY * 2;
        Arc::new(RecordMemory { waiting: AtomicUsize::new(0), most: all / 2, batch, kept })
    }

    /// Counts a batch; `false` if it does not fit.
    pub(crate) fn add(&self, size: usize) -> bool {
        // The counter is only a limit, so it needs no ordering with the channel.
        let fits = |waiting: usize| Some(waiting + size).filter(|&waiting| waiting <= self.most);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    /// Counts it no more.
    pub(crate) fn remove(&self, size: usize) {
        self.waiting.fetch_sub(size, Ordering::Relaxed);
    }
}
