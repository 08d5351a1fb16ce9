//! The recorder of one event loop: what its system calls moved, byte by byte, in batches to a reader.
//!
//! `net` records after each `recv` and each `send`, exactly what the call returned or took and when. Nothing is
//! parsed, joined or formatted on the loop, and the loop never waits: the records of a turn are handed over as one
//! batch without a lock, and if too much waits for the reader, the batch is dropped and counted.
//!
//! ```text
//! loop: record … record, hand_over ──► full batches (bounded: memory.rs) ──► collector
//!       a used batch, or a new one ◄── empty batches (at most 16)    ◄── recycle
//! ```
//!
//! - Bytes that `sendfile` moves never pass through the program. Their record has the open file, so that the reader can
//!   look at the same bytes later.
//! - Of long content in memory that is sent, the two ends are recorded.
//! - An upload brings more bytes than any reader can use. Views show the two ends of content; of the bytes between them
//!   only the number is recorded ([`gaps`]). Where content lies is not guessed: a copy of the parser that is about to
//!   read the bytes reads them first (RFC 9112 §6.2, §7.1). A gap never lies in a head, in a framing line, or after the
//!   end of the content. If bytes are not surely content, they are recorded.
//!
//! | one `recv` returns | record | bytes with it |
//! |---|---|---|
//! | a request of 44 bytes | `Received(44)` | 44 |
//! | 0: the client has ended its side | `Received(0)` | none |
//! | 102,400 bytes in the middle of a long upload | `ReceivedInPart`, a gap of 100,096 from 0 on | the last 2,304 |

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use crate::http::{Event, Http1};
use crate::service::OpenFile;
use crate::wire::explain::builder::LAST;
use crate::wire::record::memory::{EMPTY, RecordMemory};

/// The size of a record without its bytes.
const RECORD: usize = size_of::<Record>();

/// Bytes at the start of content that are recorded. More than is shown, so that a form which a person has filled in is
/// known as a whole: the names in it say which values are secret.
const GAP_FRONT: u64 = 64 * 1024;
/// Bytes recorded before those that are shown of the end. A secret across the edge of what is shown is recognised if
/// it is no longer than this, as most tokens are; for a longer one redaction shows fewer bytes.
const GAP_MARGIN: usize = 2048;
/// Bytes at the end of each `recv`, or of the content in it, that are recorded.
const GAP_BACK: usize = LAST + GAP_MARGIN;
/// A shorter gap needs as much memory as its bytes.
const SHORTEST_GAP: usize = 64;

/// What happened on a socket.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SocketEvent {
    /// A connection was accepted.
    Accepted {
        /// The client's address.
        peer: SocketAddr,
    },
    /// The first bytes of the client must be a PROXY header, which names the client of a proxy.
    ProxyHeaderDue,
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
    /// The same, but the bytes in the middle, all of them content, were not recorded.
    SentInPart {
        /// The number of bytes taken.
        len: usize,
        /// Where the missing bytes lie.
        gap: Gap,
    },
    /// One `sendfile` took bytes of a file.
    SentFile {
        /// The file, open.
        file: Arc<OpenFile>,
        /// The first byte.
        from: u64,
        /// The number of bytes.
        len: u64,
    },
    /// The connection has ended.
    Closed {
        /// The name of the reason.
        reason: &'static str,
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
    /// In the order in which the events happened.
    records: Vec<Record>,
    /// The bytes of all records, one after the other, without those in gaps.
    bytes: Vec<u8>,
    /// Memory of the gaps in the records.
    gaps: usize,
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
                SocketEvent::SentInPart { len, gap } => len - gap.len,
                _ => 0,
            };
            // The bytes of all records lie in one buffer, in the order of the records.
            at += len;
            (record, &self.bytes[at - len..at])
        })
    }

    /// Its memory, with the spare capacity.
    fn size(&self) -> usize {
        self.bytes.capacity() + self.records.capacity() * RECORD + self.gaps
    }

    /// Empties it. One busy turn must not make the buffers large for good.
    fn clear(&mut self, kept: usize) {
        self.records.clear();
        self.bytes.clear();
        self.bytes.shrink_to(kept);
        self.records.shrink_to(kept / RECORD);
        self.gaps = 0;
        self.dropped = 0;
    }
}

/// The writing end, one for each loop.
#[derive(Debug)]
pub struct Recorder {
    /// The times of records count from here.
    start: Instant,
    /// The records of this turn.
    batch: Batch,
    /// A channel without a limit of its own: `memory` is the limit.
    full: Sender<Batch>,
    /// Used batches, at most [`EMPTY`].
    empty: Receiver<Batch>,
    memory: Arc<RecordMemory>,
    /// Records dropped since the last batch that was handed over.
    dropped: u64,
    /// Numbers connections across all loops.
    connections: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct RecordReceiver {
    full: Receiver<Batch>,
    empty: SyncSender<Batch>,
    memory: Arc<RecordMemory>,
}

/// A recorder and its reading end. Times count from `start`; connections get their numbers from `connections`, and
/// `memory` is that of all recorders.
pub(crate) fn recorder(
    start: Instant,
    connections: Arc<AtomicU64>,
    memory: Arc<RecordMemory>,
) -> (Recorder, RecordReceiver) {
    let (full, full_receiver) = channel();
    // Full batches must never be refused by the channel, so that one is unbounded and `memory` is the limit. Empty
    // ones are limited by the channel.
    let (empty_sender, empty) = sync_channel(EMPTY);
    let receiver = RecordReceiver { full: full_receiver, empty: empty_sender, memory: Arc::clone(&memory) };
    (Recorder { start, batch: Batch::default(), full, empty, memory, dropped: 0, connections }, receiver)
}

impl Recorder {
    /// The number of a new connection: 1, 2, 3 …
    pub fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records an event; `bytes` are those of [`SocketEvent::Received`] and [`SocketEvent::Sent`], else empty.
    pub fn record(&mut self, connection: u64, now: Instant, event: SocketEvent, bytes: &[u8]) {
        self.batch.bytes.extend_from_slice(bytes);
        self.push(connection, now, event);
    }

    /// Records what a `recv` returned, without the bytes in the gaps.
    pub fn record_received(&mut self, connection: u64, now: Instant, bytes: &[u8], gaps: Vec<Gap>) {
        if gaps.is_empty() {
            return self.record(connection, now, SocketEvent::Received(bytes.len()), bytes);
        }
        let mut position = 0;
        for gap in &gaps {
            // Only what lies between the gaps is copied.
            self.batch.bytes.extend_from_slice(&bytes[position..gap.at]);
            position = gap.at + gap.len;
        }
        self.batch.bytes.extend_from_slice(&bytes[position..]);
        self.batch.gaps += size_of_val(&*gaps);
        let event = SocketEvent::ReceivedInPart { len: bytes.len(), gaps: gaps.into() };
        self.push(connection, now, event);
    }

    /// Records content that a `send` took, of which `before` bytes were sent before these. Of long content the middle is
    /// left out: a large response in memory would otherwise fill the memory of the records and be lost as a whole.
    pub fn record_content(&mut self, connection: u64, now: Instant, bytes: &[u8], before: u64) {
        let at = usize::try_from(GAP_FRONT.saturating_sub(before)).unwrap_or(usize::MAX);
        // Every call may be the last, so each keeps its end.
        let end = bytes.len().saturating_sub(GAP_BACK);
        if end < at.saturating_add(SHORTEST_GAP) {
            return self.record(connection, now, SocketEvent::Sent(bytes.len()), bytes);
        }
        self.batch.bytes.extend_from_slice(&bytes[..at]);
        self.batch.bytes.extend_from_slice(&bytes[end..]);
        let gap = Gap { at, len: end - at };
        self.push(connection, now, SocketEvent::SentInPart { len: bytes.len(), gap });
    }

    /// Adds a record whose bytes lie in the batch already.
    fn push(&mut self, connection: u64, now: Instant, event: SocketEvent) {
        let batch = &mut self.batch;
        batch.records.push(Record { connection, at: now.saturating_duration_since(self.start), event });
        // A turn that moves many bytes must not make one batch that is too large to wait.
        if batch.bytes.len() + batch.records.len() * RECORD + batch.gaps >= self.memory.batch {
            self.hand_over();
        }
    }

    /// Hands the records of this turn to the reader.
    pub fn hand_over(&mut self) {
        // With dropped records an empty batch is sent as well, to report them.
        if self.batch.records.is_empty() && self.dropped == 0 {
            return;
        }
        let size = self.batch.size();
        if !self.memory.add(size) {
            return self.drop_batch();
        }
        // A used batch has its buffers already; a new one costs two allocations.
        let empty = self.empty.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(&mut self.batch, empty);
        batch.dropped = self.dropped;
        match self.full.send(batch) {
            Ok(()) => self.dropped = 0,
            // The reader is gone. The server goes on without it.
            Err(error) => {
                self.memory.remove(size);
                self.batch = error.0;
                self.drop_batch();
            }
        }
    }

    /// Drops the records of this turn and counts them.
    fn drop_batch(&mut self) {
        self.dropped += self.batch.records.len() as u64;
        self.batch.clear(self.memory.kept);
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
        self.memory.remove(batch.size());
        Ok(batch)
    }

    /// Gives a batch back, so that its buffers are used again.
    pub fn recycle(&self, mut batch: Batch) {
        batch.clear(self.memory.kept);
        // If enough empty batches wait, this one is freed.
        let _ = self.empty.try_send(batch);
    }
}

/// Bytes of content that were received or sent, and not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first byte, counted from the first byte of the call.
    pub at: usize,
    /// The number of bytes.
    pub len: usize,
}

/// The gaps in the bytes of a `recv`: content that no view would show. `http` has read everything before them, of which
/// `before` bytes were content of the current request.
pub fn gaps(http: &Http1, before: u64, bytes: &[u8]) -> Vec<Gap> {
    let mut gaps = Vec::new();
    if bytes.len() < GAP_BACK + SHORTEST_GAP || !http.content_is_due() {
        return gaps;
    }
    // A copy reads ahead, so that the parser of the server stays where it is.
    let (mut http, mut used, mut seen) = (http.clone(), 0, before);
    loop {
        let step = http.receive(&bytes[used..]);
        used += step.used;
        // After anything but content the rest may be framing, or another request.
        let Event::Content(data) = step.event else { break };
        let front = usize::try_from(GAP_FRONT.saturating_sub(seen)).unwrap_or(usize::MAX).min(data.len());
        seen += data.len() as u64;
        gaps.push(Gap { at: used - data.len() + front, len: data.len() - front });
    }
    // The end of these bytes may become the end of the content, which is shown.
    let back = used.saturating_sub(GAP_BACK);
    for gap in &mut gaps {
        gap.len = gap.len.min(back.saturating_sub(gap.at));
    }
    gaps.retain(|gap| gap.len >= SHORTEST_GAP);
    gaps
}

#[cfg(test)]
mod tests;
