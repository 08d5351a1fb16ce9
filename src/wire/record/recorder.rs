//! The recorder of one event loop: what its system calls moved, byte by byte, in batches to a reader.
//!
//! `net` records after each `recv` and each `send`, exactly what the call returned or took and when. Nothing is
//! parsed, joined or formatted on the loop, and the loop never waits: the records of a turn are handed over as one
//! batch without a lock, and if too much waits for the reader, the batch is dropped and counted.
//!
//! ```text
//! loop: record … record, hand_over ──► full batches (at most 32 MiB) ──► collector
//!       a used batch, or a new one ◄── empty batches (at most 16)    ◄── recycle
//! ```
//!
//! - Bytes that `sendfile` moves never pass through the program. Their record has the open file, so that the reader can
//!   look at the same bytes later.
//! - An upload brings more bytes than any reader can use. Content that no view would show is left out
//!   ([`crate::wire::record::elide`]), and only its length is recorded.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::wire::record::elide::Gap;

/// A batch of this many bytes is handed over at once, in the middle of a turn.
const BATCH: usize = 2 * 1024 * 1024;
/// Most bytes that may wait for the reader. A `recv` of an upload needs about 2.5 KiB, so all of an upload of one
/// gigabyte in calls of 100 KiB may wait.
pub(crate) const WAITING: usize = 32 * 1024 * 1024;
/// Most empty batches that are kept to be used again.
const EMPTY: usize = 16;
/// Capacity that an empty batch keeps: what a turn with some dozen responses needs.
const KEPT: usize = 128 * 1024;
/// The size of a record without its bytes.
const RECORD: usize = size_of::<Record>();

/// What happened on a socket.
#[derive(Clone, Debug)]
pub enum SocketEvent {
    /// A connection was accepted.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
        /// The address it reached.
        local: SocketAddr,
    },
    /// The next `recv` in the record took the bytes of this number of TCP segments, as the kernel counts them.
    Segments(u32),
    /// One `recv` returned this number of bytes; 0 is the end of the client's side.
    Received(usize),
    /// The same, but some of the bytes, all of them content, were not recorded.
    ReceivedInPart {
        /// The number of bytes returned.
        len: usize,
        /// Where the missing bytes lie, in order; no two gaps touch.
        gaps: Box<[Gap]>,
    },
    /// One `send` took this number of bytes.
    Sent(usize),
    /// One `sendfile` took bytes of a file.
    SentFile {
        /// The file, open.
        file: Arc<File>,
        /// The first byte.
        from: u64,
        /// The number of bytes.
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

/// One event on one connection.
#[derive(Clone, Debug)]
pub struct Record {
    /// The number of the connection, the same in every view of it.
    pub connection: u64,
    /// The time since the recording began.
    pub at: Duration,
    /// What happened.
    pub event: SocketEvent,
}

/// The records of one turn of the loop.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    bytes: Vec<u8>,
    size: usize,
    /// Records that were dropped between the batch before and this one.
    pub dropped: u64,
}

impl Batch {
    /// Each record with its bytes; empty for records that have none.
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let mut at = 0;
        self.records.iter().map(move |record| {
            let len = match &record.event {
                SocketEvent::Received(len) | SocketEvent::Sent(len) => *len,
                SocketEvent::ReceivedInPart { len, gaps } => len - gaps.iter().map(|gap| gap.len).sum::<usize>(),
                _ => 0,
            };
            // The bytes of all records lie in one buffer, in the order of the records.
            at += len;
            (record, &self.bytes[at - len..at])
        })
    }

    fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.size = 0;
        self.dropped = 0;
    }
}

/// The writing end, one for each loop.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    batch: Batch,
    full: Sender<Batch>,
    empty: Receiver<Batch>,
    /// The size of all batches that were handed over and not read yet.
    waiting: Arc<AtomicUsize>,
    dropped: u64,
    /// Numbers connections across all loops.
    connections: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct RecordReceiver {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
    waiting: Arc<AtomicUsize>,
}

/// A recorder and its reading end. Times count from `start`; connections get their numbers from `connections`.
pub fn recorder(start: Instant, connections: Arc<AtomicU64>) -> (Recorder, RecordReceiver) {
    let (full, full_receiver) = channel();
    // Full batches must never be refused by the channel, so that one is unbounded and `waiting` is the limit. Empty
    // ones are limited by the channel.
    let (empty_sender, empty) = sync_channel(EMPTY);
    let waiting = Arc::<AtomicUsize>::default();
    let receiver = RecordReceiver { full: full_receiver, empty: empty_sender, waiting: Arc::clone(&waiting) };
    (Recorder { start, batch: Batch::default(), full, empty, waiting, dropped: 0, connections }, receiver)
}

impl Recorder {
    /// The number of a new connection: 1, 2, 3 …
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records an event; `bytes` are those of [`SocketEvent::Received`] and [`SocketEvent::Sent`], else empty.
    pub fn record(&mut self, connection: u64, now: Instant, event: SocketEvent, bytes: &[u8]) {
        self.batch.bytes.extend_from_slice(bytes);
        self.push(connection, now, event, bytes.len());
    }

    /// Records what a `recv` returned, without the bytes in the gaps.
    pub fn record_received(&mut self, connection: u64, now: Instant, bytes: &[u8], gaps: Vec<Gap>) {
        if gaps.is_empty() {
            return self.record(connection, now, SocketEvent::Received(bytes.len()), bytes);
        }
        let (before, mut position) = (self.batch.bytes.len(), 0);
        for gap in &gaps {
            // Only what lies between the gaps is copied.
            self.batch.bytes.extend_from_slice(&bytes[position..gap.at]);
            position = gap.at + gap.len;
        }
        self.batch.bytes.extend_from_slice(&bytes[position..]);
        // The gaps are memory of the batch as well.
        let size = self.batch.bytes.len() - before + size_of_val(&*gaps);
        let event = SocketEvent::ReceivedInPart { len: bytes.len(), gaps: gaps.into() };
        self.push(connection, now, event, size);
    }

    /// Adds a record whose bytes, which lie in the batch already, need `size` bytes of memory.
    fn push(&mut self, connection: u64, now: Instant, event: SocketEvent, size: usize) {
        let batch = &mut self.batch;
        batch.records.push(Record { connection, at: now.saturating_duration_since(self.start), event });
        batch.size += RECORD + size;
        // A turn that moves many bytes must not make one batch that is too large to wait.
        if batch.size >= BATCH {
            self.hand_over();
        }
    }

    /// Hands the records of this turn to the reader.
    pub fn hand_over(&mut self) {
        // With dropped records an empty batch is sent as well, to report them.
        if self.batch.records.is_empty() && self.dropped == 0 {
            return;
        }
        let size = self.batch.size;
        // The counter is only a limit, so it needs no ordering with the channel.
        if self.waiting.load(Ordering::Relaxed) + size > WAITING {
            return self.drop_batch();
        }
        // A used batch has its buffers already; a new one costs two allocations.
        let empty = self.empty.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, empty);
        batch.dropped = self.dropped;
        self.waiting.fetch_add(size, Ordering::Relaxed);
        match self.full.send(batch) {
            Ok(()) => self.dropped = 0,
            // The reader is gone. The server goes on without it.
            Err(error) => {
                self.waiting.fetch_sub(size, Ordering::Relaxed);
                self.batch = error.0;
                self.drop_batch();
            }
        }
    }

    /// Drops the records of this turn and counts them.
    fn drop_batch(&mut self) {
        self.dropped += self.batch.records.len() as u64;
        self.batch.clear();
    }
}

impl Drop for Recorder {
    /// Hands over the last records, and the number of those dropped before them.
    fn drop(&mut self) {
        self.hand_over();
    }
}

impl RecordReceiver {
    /// Waits for the next batch, at most for `timeout`.
    ///
    /// # Errors
    /// `Timeout` when nothing came, `Disconnected` when the loop has ended and every batch was read.
    pub fn receive(&self, timeout: Duration) -> Result<Batch, RecvTimeoutError> {
        let batch = self.full.recv_timeout(timeout)?;
        self.waiting.fetch_sub(batch.size, Ordering::Relaxed);
        Ok(batch)
    }

    /// Gives a batch back, so that its buffers are used again.
    pub fn recycle(&self, mut batch: Batch) {
        batch.clear();
        // One busy turn must not make the buffers large for good.
        batch.bytes.shrink_to(KEPT);
        batch.records.shrink_to(KEPT / RECORD);
        // If enough empty batches wait, this one is freed.
        let _ = self.empty.try_send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_byte_by_byte() {
        let start = Instant::now();
        let (mut recorder, receiver) = recorder(start, Arc::default());
        let later = start + Duration::from_millis(5);
        recorder.record(7, later, SocketEvent::Received(4), b"GET ");
        recorder.record(7, later, SocketEvent::Received(0), b"");
        recorder.record(8, later, SocketEvent::Sent(2), b"ok");
        recorder.hand_over();
        let batch = receiver.receive(Duration::ZERO).unwrap();
        let got: Vec<_> = batch.iter().map(|(r, o)| (r.connection, r.at.as_millis(), o.to_vec())).collect();
        assert_eq!(got, [(7, 5, b"GET ".to_vec()), (7, 5, vec![]), (8, 5, b"ok".to_vec())]);
        receiver.recycle(batch);
    }

    #[test]
    fn a_reader_that_stops_reading_costs_records_and_nothing_else() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default());
        let bytes = vec![0; BATCH - RECORD];
        for _ in 0..WAITING / BATCH + 5 {
            recorder.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
        }
        let (mut seen, mut dropped) = (0, 0);
        while let Ok(batch) = receiver.receive(Duration::ZERO) {
            seen += batch.iter().count();
            dropped += batch.dropped;
        }
        assert_eq!((seen, dropped), (WAITING / BATCH, 0));
        recorder.record(1, now, SocketEvent::Sent(1), b"x");
        recorder.hand_over();
        assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 5);
        for _ in 0..=WAITING / BATCH {
            recorder.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
        }
        while receiver.receive(Duration::ZERO).is_ok() {}
        recorder.hand_over();
        assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 1, "also when nothing happens any more");
        assert_eq!(receiver.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        recorder.record(1, now, SocketEvent::Sent(WAITING), &vec![0; WAITING]);
        recorder.record(1, now, SocketEvent::Sent(1), b"y");
        recorder.hand_over();
        assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 1, "what can never wait is lost alone");
        drop(recorder);
        assert_eq!(receiver.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn an_upload_that_is_not_read_waits_whole_in_bounded_memory() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default());
        let (turns, len) = (16 * 1024, 64 * 1024);
        let bytes = vec![7; len];
        let gap = Gap { at: 2, len: len - 2 - 1000 };
        for _ in 0..turns {
            recorder.record_received(1, now, &bytes, vec![gap]);
            recorder.hand_over();
        }
        let (mut seen, mut held) = (0, 0);
        while let Ok(batch) = receiver.receive(Duration::ZERO) {
            assert_eq!(batch.dropped, 0);
            for (record, bytes) in batch.iter() {
                assert!(
                    matches!(&record.event, SocketEvent::ReceivedInPart { len: all, gaps } if *all == len && **gaps == [gap])
                );
                seen += 1;
                held += bytes.len();
            }
            receiver.recycle(batch);
        }
        assert_eq!((seen, held), (turns, turns * 1002), "a gibibyte");
    }

    #[test]
    fn gaps_leave_the_bytes_around_them_in_their_order() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default());
        let gaps = vec![Gap { at: 0, len: 2 }, Gap { at: 4, len: 3 }, Gap { at: 8, len: 1 }];
        recorder.record_received(1, now, b"0123456789", gaps);
        recorder.record_received(1, now, b"abc", Vec::new());
        recorder.hand_over();
        let batch = receiver.receive(Duration::ZERO).unwrap();
        let got: Vec<_> = batch.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(got, [&b"2379"[..], b"abc"]);
    }
}
