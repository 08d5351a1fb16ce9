//! The tape: what happened on the sockets of one loop, octet by octet, recorded only when asked for.
//!
//! `net` has two lines that know of it: after a `recv` and after a `send`. What is recorded is exactly
//! what the system call returned or took, with its moment; nothing is parsed, joined or explained here.
//! Explanations come from replaying the octets through [`crate::http`].
//!
//! Never: a lock, a wait, a line of formatting on the loop. A turn's records are handed over as one
//! batch; if the reader is behind, the batch is dropped and counted, and the next one says so.
//!
//! The subtle thing: octets that `sendfile` moves never pass through the program. Their record says so
//! and carries the open file, so that a reader can look at the same octets later.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Octets one turn of a loop may record; beyond it they are counted as dropped. Twice what the reads
/// of one busy client can bring in a turn.
pub const BATCH: usize = 2 * 1024 * 1024;
/// Batches that may wait for the reader.
const BATCHES: usize = 16;

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A connection was accepted.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
        /// The address it reached.
        local: SocketAddr,
    },
    /// So many TCP segments with octets had come since the last `recv`, which the one that follows in the
    /// record has taken: asked of the kernel, where it can be asked.
    Segments(u32),
    /// One `recv` returned these many octets; 0 is the end of the client's side.
    Received(usize),
    /// One `send` took these many octets.
    Sent(usize),
    /// One `sendfile` took these many octets of a file.
    SentFile {
        /// The file, open.
        file: Arc<File>,
        /// The first octet.
        from: u64,
        /// How many octets.
        len: u64,
    },
    /// The connection has ended.
    Closed {
        /// The name of the reason.
        reason: &'static str,
        /// Its sentence.
        sentence: &'static str,
    },
}

/// One thing that happened on one connection.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of the connection, the same in every view of it.
    pub connection: u64,
    /// When, since the recording began.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// The records of one turn.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    octets: Vec<u8>,
    /// Records that did not fit, here or in batches before this one.
    pub dropped: u64,
}

impl Batch {
    /// Each record with its octets (none for records that have none).
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let mut at = 0;
        self.records.iter().map(move |record| {
            let len = match record.what {
                What::Received(len) | What::Sent(len) => len,
                _ => 0,
            };
            at += len;
            (record, &self.octets[at - len..at])
        })
    }

    fn clear(&mut self) {
        self.records.clear();
        self.octets.clear();
        self.dropped = 0;
    }
}

/// The writing end, one per loop.
#[derive(Debug)]
pub struct Tape {
    start: Instant,
    batch: Batch,
    full: SyncSender<Batch>,
    empty: Receiver<Batch>,
    dropped: u64,
    /// Connections are numbered across all loops.
    connections: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct Reel {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
}

/// The loop is gone, and all it recorded has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// A tape whose moments count from `start` and whose connections get their numbers from
/// `connections`, and its reading end.
pub fn tape(start: Instant, connections: Arc<AtomicU64>) -> (Tape, Reel) {
    let (full, read) = sync_channel(BATCHES);
    let (give_back, empty) = sync_channel(BATCHES);
    (
        Tape { start, batch: Batch::default(), full, empty, dropped: 0, connections },
        Reel { full: read, empty: give_back },
    )
}

impl Tape {
    /// A number for a connection that begins: 1, 2, 3 …
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records what happened on a connection; `octets` belong to [`What::Received`] and [`What::Sent`].
    pub fn record(&mut self, connection: u64, now: Instant, what: What, octets: &[u8]) {
        if self.batch.octets.len() + octets.len() > BATCH {
            self.dropped += 1;
            return;
        }
        self.batch.octets.extend_from_slice(octets);
        self.batch.records.push(Record { connection, at: now.saturating_duration_since(self.start), what });
    }

    /// Hands this turn's records to the reader.
    pub fn hand_over(&mut self) {
        if self.batch.records.is_empty() && self.dropped == 0 {
            return;
        }
        let fresh = self.empty.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        batch.dropped = self.dropped;
        match self.full.try_send(batch) {
            Ok(()) => self.dropped = 0,
            Err(error) => {
                use std::sync::mpsc::TrySendError::{Disconnected, Full};
                let (Full(mut batch) | Disconnected(mut batch)) = error;
                self.dropped += batch.records.len() as u64;
                batch.clear();
                self.batch = batch;
            }
        }
    }
}

#[cfg(test)]
impl Tape {
    /// Whether nothing is waiting to be said as dropped.
    pub(super) fn is_heard(&self) -> bool {
        self.dropped == 0
    }
}

/// What was dropped last is said, if there is room for it.
impl Drop for Tape {
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl Reel {
    /// The next batch, if one comes within `patience`; an error when the loop is gone and everything
    /// has been read.
    ///
    /// # Errors
    /// [`Over`].
    pub fn draw(&self, patience: Duration) -> Result<Option<Batch>, Over> {
        match self.full.recv_timeout(patience) {
            Ok(batch) => Ok(Some(batch)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Over),
        }
    }

    /// The next batch; `None` when the loop is gone, or nothing came within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Batch> {
        self.full.recv_timeout(patience).ok()
    }

    /// Gives a batch back, so that its buffers are used again.
    pub fn give_back(&self, mut batch: Batch) {
        batch.clear();
        // With enough of them waiting, this one is simply freed.
        let _ = self.empty.try_send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_comes_back_octet_by_octet() {
        let start = Instant::now();
        let (mut tape, reel) = tape(start, Arc::default());
        let later = start + Duration::from_millis(5);
        tape.record(7, later, What::Received(4), b"GET ");
        tape.record(7, later, What::Received(0), b"");
        tape.record(8, later, What::Sent(2), b"ok");
        tape.hand_over();
        let batch = reel.next(Duration::ZERO).unwrap();
        let got: Vec<_> = batch.iter().map(|(r, o)| (r.connection, r.at.as_millis(), o.to_vec())).collect();
        assert_eq!(got, [(7, 5, b"GET ".to_vec()), (7, 5, vec![]), (8, 5, b"ok".to_vec())]);
        reel.give_back(batch);
    }

    #[test]
    fn a_reader_that_stops_reading_costs_records_and_nothing_else() {
        let now = Instant::now();
        let (mut tape, reel) = tape(now, Arc::default());
        for _ in 0..BATCHES + 5 {
            tape.record(1, now, What::Sent(1), b"x");
            tape.hand_over();
        }
        let (mut seen, mut dropped) = (0, 0);
        while let Some(batch) = reel.next(Duration::ZERO) {
            seen += batch.iter().count();
            dropped += batch.dropped;
        }
        assert_eq!((seen, dropped), (BATCHES, 0));
        tape.record(1, now, What::Sent(1), b"x");
        tape.hand_over();
        assert_eq!(reel.next(Duration::ZERO).unwrap().dropped, 5);
        for _ in 0..=BATCHES {
            tape.record(1, now, What::Sent(1), b"x");
            tape.hand_over();
        }
        while reel.next(Duration::ZERO).is_some() {}
        tape.hand_over();
        assert_eq!(reel.next(Duration::ZERO).unwrap().dropped, 1, "also when nothing happens any more");
        assert_eq!(reel.draw(Duration::ZERO).map(|batch| batch.is_none()), Ok(true));
        tape.record(1, now, What::Sent(BATCH + 1), &vec![0; BATCH + 1]);
        tape.record(1, now, What::Sent(1), b"y");
        tape.hand_over();
        assert_eq!(reel.next(Duration::ZERO).unwrap().dropped, 1);
        drop(tape);
        assert_eq!(reel.draw(Duration::ZERO).map(|batch| batch.is_none()), Err(Over));
    }
}
