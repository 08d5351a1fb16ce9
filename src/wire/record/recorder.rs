//! The tape: what happened on the sockets of one loop, byte by byte, recorded only when asked for.
//!
//! `net` has two lines that know of it: after a `recv` and after a `send`. What is recorded is exactly
//! what the system call returned or took, with its moment; nothing is parsed, joined or explained here.
//! Explanations come from replaying the bytes through [`crate::http`].
//!
//! Never: a lock, a wait, a line of formatting on the loop. A turn's records are handed over as one
//! batch; if too much waits for the reader, the batch is dropped and counted, and the next one says so.
//!
//! The subtle things:
//! - Bytes that `sendfile` moves never pass through the program. Their record says so and carries the open
//!   file, so that a reader can look at the same bytes later.
//! - An upload brings more than any reader can take. What a view would not show of its content is left out
//!   ([`crate::wire::record::elide`]), and only its length is recorded.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::wire::record::elide::Gap;

/// A batch of this weight is handed over at once, in the middle of a turn.
const BATCH: usize = 2 * 1024 * 1024;
/// What may wait for the reader. A `recv` of an upload weighs about 2.5 KiB, so an upload of a gigabyte by
/// 100 KiB each waits as a whole.
pub(crate) const WAITING: usize = 32 * 1024 * 1024;
/// Empty batches that are kept to be used again.
const EMPTY: usize = 16;
/// Bytes an empty batch keeps room for: what a turn with some dozen answers brings.
const KEPT: usize = 128 * 1024;
/// What a record weighs besides its bytes.
const RECORD: usize = size_of::<Record>();

/// What happened.
#[derive(Clone, Debug)]
pub enum SocketEvent {
    /// A connection was accepted.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
        /// The address it reached.
        local: SocketAddr,
    },
    /// So many TCP segments with bytes had come since the last `recv`, which the one that follows in the
    /// record has taken: asked of the kernel, where it can be asked.
    Segments(u32),
    /// One `recv` returned these many bytes; 0 is the end of the client's side.
    Received(usize),
    /// The same, and some of the bytes, all of them content, were not recorded.
    ReceivedInPart {
        /// How many it returned.
        len: usize,
        /// Where those lie that are missing here; from the first to the last, none next to another.
        gaps: Box<[Gap]>,
    },
    /// One `send` took these many bytes.
    Sent(usize),
    /// One `sendfile` took these many bytes of a file.
    SentFile {
        /// The file, open.
        file: Arc<File>,
        /// The first byte.
        from: u64,
        /// How many bytes.
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
    pub event: SocketEvent,
}

/// The records of one turn.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    bytes: Vec<u8>,
    weight: usize,
    /// Records that were lost between the batch before and this one.
    pub dropped: u64,
}

impl Batch {
    /// Each record with its bytes (none for records that have none).
    pub fn iter(&self) -> impl Iterator<Item = (&Record, &[u8])> {
        let mut at = 0;
        self.records.iter().map(move |record| {
            let len = match &record.event {
                SocketEvent::Received(len) | SocketEvent::Sent(len) => *len,
                SocketEvent::ReceivedInPart { len, gaps } => len - gaps.iter().map(|gap| gap.len).sum::<usize>(),
                _ => 0,
            };
            at += len;
            (record, &self.bytes[at - len..at])
        })
    }

    fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
        self.weight = 0;
        self.dropped = 0;
    }
}

/// The writing end, one per loop.
#[derive(Debug)]
pub struct Recorder {
    start: Instant,
    batch: Batch,
    full: Sender<Batch>,
    empty: Receiver<Batch>,
    /// The weight of all that was handed over and is not read yet.
    waiting: Arc<AtomicUsize>,
    dropped: u64,
    /// Connections are numbered across all loops.
    connections: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct RecordReceiver {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
    waiting: Arc<AtomicUsize>,
}

/// A tape whose moments count from `start` and whose connections get their numbers from
/// `connections`, and its reading end.
pub fn recorder(start: Instant, connections: Arc<AtomicU64>) -> (Recorder, RecordReceiver) {
    let (full, read) = channel();
    let (give_back, empty) = sync_channel(EMPTY);
    let waiting = Arc::<AtomicUsize>::default();
    let theirs = Arc::clone(&waiting);
    (
        Recorder { start, batch: Batch::default(), full, empty, waiting, dropped: 0, connections },
        RecordReceiver { full: read, empty: give_back, waiting: theirs },
    )
}

impl Recorder {
    /// A number for a connection that begins: 1, 2, 3 …
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records what happened on a connection; `bytes` belong to [`SocketEvent::Received`] and [`SocketEvent::Sent`].
    pub fn record(&mut self, connection: u64, now: Instant, event: SocketEvent, bytes: &[u8]) {
        self.batch.bytes.extend_from_slice(bytes);
        self.push(connection, now, event, bytes.len());
    }

    /// Records what a `recv` returned, without what lies in the gaps.
    pub fn record_received(&mut self, connection: u64, now: Instant, bytes: &[u8], gaps: Vec<Gap>) {
        if gaps.is_empty() {
            return self.record(connection, now, SocketEvent::Received(bytes.len()), bytes);
        }
        let before = self.batch.bytes.len();
        let mut place = 0;
        for gap in &gaps {
            self.batch.bytes.extend_from_slice(&bytes[place..gap.at]);
            place = gap.at + gap.len;
        }
        self.batch.bytes.extend_from_slice(&bytes[place..]);
        let weight = self.batch.bytes.len() - before + size_of_val(&*gaps);
        let event = SocketEvent::ReceivedInPart { len: bytes.len(), gaps: gaps.into() };
        self.push(connection, now, event, weight);
    }

    fn push(&mut self, connection: u64, now: Instant, event: SocketEvent, weight: usize) {
        let batch = &mut self.batch;
        batch.records.push(Record { connection, at: now.saturating_duration_since(self.start), event });
        batch.weight += RECORD + weight;
        if batch.weight >= BATCH {
            self.hand_over();
        }
    }

    /// Hands this turn's records to the reader.
    pub fn hand_over(&mut self) {
        if self.batch.records.is_empty() && self.dropped == 0 {
            return;
        }
        let weight = self.batch.weight;
        if self.waiting.load(Ordering::Relaxed) + weight > WAITING {
            return self.lose();
        }
        let fresh = self.empty.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, fresh);
        batch.dropped = self.dropped;
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        match self.full.send(batch) {
            Ok(()) => self.dropped = 0,
            // Nobody reads any more.
            Err(error) => {
                self.waiting.fetch_sub(weight, Ordering::Relaxed);
                self.batch = error.0;
                self.lose();
            }
        }
    }

    fn lose(&mut self) {
        self.dropped += self.batch.records.len() as u64;
        self.batch.clear();
    }
}

/// What was dropped last is said, if there is room for it.
impl Drop for Recorder {
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
        self.waiting.fetch_sub(batch.weight, Ordering::Relaxed);
        Ok(batch)
    }

    /// Gives a batch back, so that its buffers are used again.
    pub fn recycle(&self, mut batch: Batch) {
        batch.clear();
        // A busy moment is over; what it needed is not kept for the next one.
        batch.bytes.shrink_to(KEPT);
        batch.records.shrink_to(KEPT / RECORD);
        // With enough of them waiting, this one is simply freed.
        let _ = self.empty.try_send(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_comes_back_byte_by_byte() {
        let start = Instant::now();
        let (mut tape, reel) = recorder(start, Arc::default());
        let later = start + Duration::from_millis(5);
        tape.record(7, later, SocketEvent::Received(4), b"GET ");
        tape.record(7, later, SocketEvent::Received(0), b"");
        tape.record(8, later, SocketEvent::Sent(2), b"ok");
        tape.hand_over();
        let batch = reel.receive(Duration::ZERO).unwrap();
        let got: Vec<_> = batch.iter().map(|(r, o)| (r.connection, r.at.as_millis(), o.to_vec())).collect();
        assert_eq!(got, [(7, 5, b"GET ".to_vec()), (7, 5, vec![]), (8, 5, b"ok".to_vec())]);
        reel.recycle(batch);
    }

    #[test]
    fn a_reader_that_stops_reading_costs_records_and_nothing_else() {
        let now = Instant::now();
        let (mut tape, reel) = recorder(now, Arc::default());
        let bytes = vec![0; BATCH - RECORD];
        for _ in 0..WAITING / BATCH + 5 {
            tape.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
        }
        let (mut seen, mut dropped) = (0, 0);
        while let Ok(batch) = reel.receive(Duration::ZERO) {
            seen += batch.iter().count();
            dropped += batch.dropped;
        }
        assert_eq!((seen, dropped), (WAITING / BATCH, 0));
        tape.record(1, now, SocketEvent::Sent(1), b"x");
        tape.hand_over();
        assert_eq!(reel.receive(Duration::ZERO).unwrap().dropped, 5);
        for _ in 0..=WAITING / BATCH {
            tape.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
        }
        while reel.receive(Duration::ZERO).is_ok() {}
        tape.hand_over();
        assert_eq!(reel.receive(Duration::ZERO).unwrap().dropped, 1, "also when nothing happens any more");
        assert_eq!(reel.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
        tape.record(1, now, SocketEvent::Sent(WAITING), &vec![0; WAITING]);
        tape.record(1, now, SocketEvent::Sent(1), b"y");
        tape.hand_over();
        assert_eq!(reel.receive(Duration::ZERO).unwrap().dropped, 1, "what can never wait is lost alone");
        drop(tape);
        assert_eq!(reel.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn an_upload_that_nobody_reads_waits_whole_in_bounded_memory() {
        let now = Instant::now();
        let (mut tape, reel) = recorder(now, Arc::default());
        let (turns, len) = (16 * 1024, 64 * 1024);
        let bytes = vec![7; len];
        let gap = Gap { at: 2, len: len - 2 - 1000 };
        for _ in 0..turns {
            tape.record_received(1, now, &bytes, vec![gap]);
            tape.hand_over();
        }
        let (mut seen, mut held) = (0, 0);
        while let Ok(batch) = reel.receive(Duration::ZERO) {
            assert_eq!(batch.dropped, 0);
            for (record, bytes) in batch.iter() {
                assert!(
                    matches!(&record.event, SocketEvent::ReceivedInPart { len: all, gaps } if *all == len && **gaps == [gap])
                );
                seen += 1;
                held += bytes.len();
            }
            reel.recycle(batch);
        }
        assert_eq!((seen, held), (turns, turns * 1002), "a gibibyte");
    }

    #[test]
    fn gaps_leave_the_bytes_around_them_in_their_order() {
        let now = Instant::now();
        let (mut tape, reel) = recorder(now, Arc::default());
        let gaps = vec![Gap { at: 0, len: 2 }, Gap { at: 4, len: 3 }, Gap { at: 8, len: 1 }];
        tape.record_received(1, now, b"0123456789", gaps);
        tape.record_received(1, now, b"abc", Vec::new());
        tape.hand_over();
        let batch = reel.receive(Duration::ZERO).unwrap();
        let got: Vec<_> = batch.iter().map(|(_, bytes)| bytes).collect();
        assert_eq!(got, [&b"2379"[..], b"abc"]);
    }
}
