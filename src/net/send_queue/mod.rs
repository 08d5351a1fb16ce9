//! Bytes on their way to the socket: heads and small content gathered in one buffer, then parts of large content.
//!
//! Bytes and ranges of files go in, in order, and leave in order. No rule of HTTP is applied here.
//!
//! A response, or several pipelined ones, leaves in one `send`. If a file follows, the head is sent with MSG_MORE, so
//! that it shares a segment with the first bytes of `sendfile`: two plain sends would meet Nagle's algorithm and
//! delayed acknowledgements, and stall for 40 ms. A long file is sent under TCP_CORK: without it each slice ends in a
//! small segment, which cost a tenth of the processor time of a fast download.
//!
//! | waiting | leaves as |
//! |---|---|
//! | head and content up to 16 KiB | one `send` |
//! | pipelined responses of this kind | one `send` of all that are gathered, about 64 KiB at most |
//! | head and long content in memory | `send` with MSG_MORE, then `send` of 1 MiB at most each |
//! | head and a file over 16 KiB | `send` with MSG_MORE, then `sendfile` of 1 MiB at most each, two a turn |
//! | the same without `sendfile` | `send` with MSG_MORE, then `send` of 64 KiB each, sixteen a turn |
//!
//! A file may become shorter while it is sent. Then the length in the head is wrong, and the connection must be closed
//! (`Flushed::Short`): with padding the client would take a damaged file for a whole one.
//!
//! A loop must not wait for a disk. So it reads only what is in memory ([`OpenFile::read_now`]), and before a `sendfile`
//! the page cache is asked in the same way (`part.rs`). Everything else is read by a worker.

mod part;

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendFlags, send, sockopt};

use crate::net::send_queue::part::{FileRange, PIECES_PER_TURN, SendPart};
use crate::service::{Body, Bytes, OpenFile, Piece};

pub(crate) use part::{ColdSlice, Resident};

/// Content up to this length is copied after its head and leaves in the same `send`. Measured: here the copy and
/// `sendfile` break even.
const SMALL: u64 = 16 * 1024;
/// The size of a page of the page cache.
const PAGE: u64 = 4096;
/// Pipelined responses are gathered until the buffer has grown to this.
const GATHER: usize = 64 * 1024;
/// Slices of a file sent for one connection in one turn of the loop, so that a fast reader does not hold up the others.
const SLICES_PER_TURN: usize = 2;
/// Buffers kept for the next connections.
/// None is larger than twice [`GATHER`], so a loop keeps at most 8 MiB in them.
const SPARE_BUFFERS: usize = 64;

/// Buffers that are not in use. The loop lends them to send queues, so that an idle connection owns none.
#[derive(Debug, Default)]
pub(crate) struct SpareBuffers(Vec<Vec<u8>>);

impl SpareBuffers {
    /// An empty buffer. A new one has 4 KiB and grows as needed.
    pub(crate) fn lend(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    /// Keeps the buffer for the next connection, or drops it.
    pub(crate) fn give_back(&mut self, mut buffer: Vec<u8>) {
        // A buffer that grew very large is dropped, so that one long pipeline does not keep memory for ever.
        if self.0.len() < SPARE_BUFFERS && buffer.capacity() <= 2 * GATHER {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

#[derive(Debug)]
pub(crate) struct SendOptions<'a> {
    /// Our side is shut down right after. So the last bytes may wait for the FIN and share its segment: one packet of
    /// three on a connection with a single request.
    pub fin_follows: bool,
    /// Files go by `sendfile`; otherwise they are read and sent.
    pub sendfile: bool,
    /// What is known to be in the page cache.
    pub resident: &'a mut Option<Resident>,
}

/// What the kernel took.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sent<'a> {
    Bytes(&'a [u8]),
    /// Bytes of long content in memory.
    Content {
        bytes: &'a [u8],
        /// How many bytes of the content were sent before.
        before: u64,
    },
    /// Bytes of a file, which never passed through the program.
    File {
        file: &'a Arc<OpenFile>,
        from: u64,
        len: u64,
    },
}

impl Sent<'_> {
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Sent::Bytes(bytes) | Sent::Content { bytes, .. } => bytes.len() as u64,
            Sent::File { len, .. } => *len,
        }
    }
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything has been sent.
    All,
    /// The socket is full.
    Blocked,
    /// There is room, but other connections wait for their turn.
    Again,
    /// A file ended before the length that the head announces.
    Short,
    /// The next bytes cannot be read without waiting: a worker should read them ([`SendQueue::next_slice`]).
    Cold,
}

/// What is still to be sent on one connection.
#[derive(Debug, Default)]
pub(crate) struct SendQueue {
    /// Heads and small content. Sent before all parts, and given back to the loop as soon as it is sent.
    buffer: Vec<u8>,
    /// Bytes of the buffer that are sent.
    from: usize,
    /// Large content, in order.
    parts: VecDeque<SendPart>,
    /// TCP_CORK is set: the kernel sends whole segments only.
    corked: bool,
}

impl SendQueue {
    /// Whether nothing is left to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.buffer.len() && self.parts.is_empty()
    }

    /// Whether large content waits. Nothing may be written to the buffer then: it would leave before that content.
    pub(crate) fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether it should be sent before the next request is parsed.
    pub(crate) fn is_heavy(&self) -> bool {
        self.has_parts() || self.gathered() >= GATHER
    }

    /// Unsent bytes in the buffer.
    pub(crate) fn gathered(&self) -> usize {
        self.buffer.len() - self.from
    }

    /// The buffer for heads and small content.
    pub(crate) fn buffer(&mut self, spare: &mut SpareBuffers) -> &mut Vec<u8> {
        // Bytes in the buffer are sent before all parts.
        debug_assert!(self.parts.is_empty(), "a response may not overtake content");
        // Borrowed at the first byte of a response and not earlier.
        if self.buffer.capacity() == 0 {
            self.buffer = spare.lend();
        }
        &mut self.buffer
    }

    /// Adds the content of a response whose head is in the buffer. `Ok(false)`: a small file was shorter than its head
    /// says, and what there is of it is in the buffer.
    ///
    /// # Errors
    /// When a small file cannot be read.
    pub(crate) fn push(&mut self, body: Body) -> Result<bool, Errno> {
        match body {
            // A script adds its content step by step.
            Body::Empty | Body::Stream(_) | Body::Chunks(_) => {}
            Body::Bytes(bytes) | Body::UntilClose(bytes) => {
                // One copy and one send are cheaper than two sends.
                if bytes.len() as u64 <= SMALL {
                    self.buffer.extend_from_slice(&bytes);
                } else {
                    self.parts.push_back(SendPart::Bytes { bytes, from: 0 });
                }
            }
            Body::File { file, from, len } => {
                // sendfile moves sixteen pages at a time, and a range of 64 KiB that begins within a page lies on
                // seventeen. With its first bytes in the buffer, up to the end of their page, it goes in one call.
                let first = if len <= SMALL { len } else { from.next_multiple_of(PAGE) - from };
                match read_small(&mut self.buffer, &file, from, first)? {
                    // All of it comes as a part of its own, after a worker has read it.
                    None => self.push_range(file, from, len),
                    Some(read) if read < first => return Ok(false),
                    Some(_) if first < len => self.push_range(file, from + first, len - first),
                    Some(_) => {}
                }
            }
            Body::Pieces { file, pieces } => {
                // The parts of a multipart/byteranges response, in order: the framing from memory, the ranges from the
                // file.
                self.parts.extend(pieces.into_iter().map(|piece| match piece {
                    Piece::Bytes(bytes) => SendPart::Bytes { bytes: Bytes::Owned(bytes), from: 0 },
                    Piece::Range { from, len } => SendPart::File(FileRange::new(file.clone(), from, len)),
                }));
            }
        }
        Ok(true)
    }

    pub(crate) fn push_range(&mut self, file: Arc<OpenFile>, from: u64, len: u64) {
        self.parts.push_back(SendPart::File(FileRange::new(file, from, len)));
    }

    /// Adds bytes; they leave in one `send` with those before them, unless a file lies between.
    pub(crate) fn push_bytes(&mut self, bytes: Vec<u8>, spare: &mut SpareBuffers) {
        if self.parts.is_empty() {
            self.buffer(spare).extend_from_slice(&bytes);
        } else {
            self.parts.push_back(SendPart::Bytes { bytes: Bytes::Owned(bytes), from: 0 });
        }
    }

    /// Sends what the socket takes, and calls `sent` with the bytes that the kernel took.
    ///
    /// # Errors
    /// What the kernel says; the connection is of no use any more.
    pub(crate) fn flush(
        &mut self,
        socket: impl AsFd,
        spare: &mut SpareBuffers,
        options: SendOptions<'_>,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> Result<Flushed, Errno> {
        while self.from < self.buffer.len() {
            let bytes = &self.buffer[self.from..];
            let flags = send_flags(options.fin_follows || !self.parts.is_empty());
            // A send may take only a part of the bytes; the loop goes on until all are sent or the socket is full.
            let Some(count) = unless_full(|| send(&socket, bytes, flags))? else { return Ok(Flushed::Blocked) };
            sent(Sent::Bytes(&bytes[..count]));
            self.from += count;
        }
        self.from = 0;
        // Given back in each turn, so that a connection which waits for its reader owns no buffer.
        spare.give_back(std::mem::take(&mut self.buffer));
        if !self.corked && self.parts.front().is_some_and(SendPart::is_long) {
            // If the kernel refuses, it sends small segments: slower, but correct.
            self.corked = sockopt::set_tcp_cork(&socket, true).is_ok();
        }
        let most = if options.sendfile { SLICES_PER_TURN } else { PIECES_PER_TURN };
        let mut slices = 0;
        loop {
            // Another part follows, so a segment of this one that is not full waits for it.
            let more = self.parts.len() > 1;
            let Some(part) = self.parts.front_mut() else { break };
            if part.is_sent() {
                self.parts.pop_front();
                continue;
            }
            // Checked only when a slice is left to send: otherwise the result is `All` and not `Again`.
            if slices == most {
                return Ok(Flushed::Again);
            }
            slices += 1;
            if let Some(stopped) = part.send(&socket, more, options.sendfile, options.resident, sent)? {
                return Ok(stopped);
            }
        }
        if std::mem::take(&mut self.corked) {
            // The last segment, which is not full, leaves now.
            let _ = sockopt::set_tcp_cork(&socket, false);
        }
        Ok(Flushed::All)
    }

    /// The bytes of a file that a worker should read.
    pub(crate) fn next_slice(&self) -> Option<ColdSlice> {
        self.parts.front()?.next_slice()
    }

    /// Takes the bytes that a worker has read into memory, if it has: see [`ColdSlice::read`].
    pub(crate) fn take_slice(&mut self, bytes: Vec<u8>) {
        if let Some(part) = self.parts.front_mut() {
            part.take_slice(bytes);
        }
    }

    /// Drops everything: the connection is closed.
    pub(crate) fn clear(&mut self, spare: &mut SpareBuffers) {
        self.parts.clear();
        self.from = 0;
        spare.give_back(std::mem::take(&mut self.buffer));
    }
}

/// Appends `len` bytes of a file to the buffer, and returns how many there are; `None`, and nothing appended, if some
/// of them are on the disk.
///
/// # Errors
/// What the kernel says of the file.
fn read_small(buffer: &mut Vec<u8>, file: &OpenFile, from: u64, len: u64) -> Result<Option<u64>, Errno> {
    let start = buffer.len();
    // Read right after its head, so there is no second copy.
    buffer.resize(start + len as usize, 0);
    let mut at = start;
    let result = loop {
        match file.read_now(&mut buffer[at..], from + (at - start) as u64) {
            // The buffer is full, or the file has ended.
            Ok(Some(0)) => break Ok(Some((at - start) as u64)),
            Ok(Some(count)) => at += count,
            Ok(None) => {
                at = start;
                break Ok(None);
            }
            Err(error) => break Err(error),
        }
    };
    buffer.truncate(at);
    result
}

/// `more`: further bytes follow at once, so a segment that is not full may wait for them.
fn send_flags(more: bool) -> SendFlags {
    if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL }
}

/// The bytes sent; `None` when the socket is full, which is no error. An interrupted call is repeated, since the event
/// that reported room does not come again.
fn unless_full(call: impl FnMut() -> Result<usize, Errno>) -> Result<Option<usize>, Errno> {
    match rustix::io::retry_on_intr(call) {
        Err(Errno::WOULDBLOCK) => Ok(None),
        sent => sent.map(Some),
    }
}
