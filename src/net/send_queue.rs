//! What still has to leave: heads and small content in one buffer, large content behind it.
//!
//! Never: a decision about HTTP. Bytes and file ranges go in, in order, and leave in order.
//!
//! The subtle things:
//! - One `send` an answer, or one for many pipelined ones. A head alone is sent with MSG_MORE, so it
//!   shares its segment with the content that `sendfile` puts behind it; two plain sends would meet
//!   Nagle's algorithm and delayed acknowledgements, and stall for 40 ms.
//! - A long file is sent under TCP_CORK: without it each slice ends in a small segment, which cost a tenth of
//!   the processor time of a fast download.
//! - A file may become shorter while it is being sent. Then the promise in the head cannot be kept,
//!   and the only honest end is a visible one: close, never pad ([`Flushed::Short`]).
//! - The buffer is lent by the loop and goes back when it is empty: an idle client owns none.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::net::{SendFlags, send};

use crate::net::page_cache;
use crate::net::page_cache::{Now, Resident};
use crate::net::send_part::{Moved, PIECES_PER_TURN, Part, Range, unless_full};
use crate::service::{Body, Bytes, Piece};

pub use crate::net::send_part::Sent;

/// Content up to this length is copied behind its head and leaves in the same `send`: measured, the
/// copy and `sendfile` break even there.
pub const SMALL: u64 = 16 * 1024;
/// What a kernel keeps of a file at a time.
const PAGE: u64 = 4096;
/// The buffer is sent when it has grown to this: pipelined answers gather up to it.
pub const GATHER: usize = 64 * 1024;
/// Slices of one client in one turn of the loop, so that one fast reader cannot hold up the others.
const SLICES_PER_TURN: usize = 2;
/// Buffers the loop keeps for the next client that needs one.
const SPARE_BUFFERS: usize = 64;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub struct Spare(Vec<Vec<u8>>);

impl Spare {
    fn lend(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| Vec::with_capacity(4096))
    }

    fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.0.len() < SPARE_BUFFERS && buffer.capacity() <= 2 * GATHER {
            buffer.clear();
            self.0.push(buffer);
        }
    }
}

/// How bytes are sent.
#[derive(Debug)]
pub struct How<'a> {
    /// Our side will be shut down straight after it, so the last bytes may wait for the FIN and share a
    /// segment with it: on a connection per request that is one packet of three.
    pub fin_follows: bool,
    /// Bytes of a file go by `sendfile`; else through memory.
    pub sendfile: bool,
    /// What is known to be in memory.
    pub resident: &'a mut Resident,
}

/// What a flush came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Everything has left.
    All,
    /// The socket is full.
    Blocked,
    /// There is room, but others wait for their turn.
    Again,
    /// A file ended before its promised length.
    Short,
    /// The next bytes are not in memory: a worker should read them ([`SendQueue::next_slice`]).
    Cold,
}

/// What still has to leave for one client.
#[derive(Debug, Default)]
pub struct SendQueue {
    buffer: Vec<u8>,
    from: usize,
    parts: VecDeque<Part>,
    /// The kernel was told to send whole segments only.
    corked: bool,
}

impl SendQueue {
    /// Whether nothing is left to send.
    pub fn is_empty(&self) -> bool {
        self.from == self.buffer.len() && self.parts.is_empty()
    }

    /// Whether large content waits, behind which nothing may be written.
    pub fn has_parts(&self) -> bool {
        !self.parts.is_empty()
    }

    /// Whether it should be sent before the next request is looked at.
    pub fn is_heavy(&self) -> bool {
        self.has_parts() || self.gathered() >= GATHER
    }

    /// Bytes gathered so far.
    pub fn gathered(&self) -> usize {
        self.buffer.len() - self.from
    }

    /// Where heads and small content are written.
    pub fn buffer(&mut self, spare: &mut Spare) -> &mut Vec<u8> {
        debug_assert!(self.parts.is_empty(), "an answer may not overtake content");
        if self.buffer.capacity() == 0 {
            self.buffer = spare.lend();
        }
        &mut self.buffer
    }

    /// Adds the content of a response behind its head. `Ok(false)`: a small file was shorter than its
    /// head says, and what there is of it is in the buffer.
    ///
    /// # Errors
    /// What the kernel says when a small file cannot be read.
    pub fn push(&mut self, body: Body) -> io::Result<bool> {
        match body {
            // Scripted content comes stage by stage.
            Body::Empty | Body::Stream(_) | Body::Chunks(_) => {}
            Body::Bytes(bytes) | Body::UntilClose(bytes) => {
                if bytes.len() as u64 <= SMALL {
                    self.buffer.extend_from_slice(&bytes);
                } else {
                    self.parts.push_back(Part::Bytes { bytes, from: 0 });
                }
            }
            Body::File { file, from, len } => {
                let first = if len <= SMALL { len } else { to_page_border(from) };
                match read_behind(&mut self.buffer, &file, from, first)? {
                    Read::Whole if first == len => {}
                    Read::Whole => self.parts.push_back(Part::Range(Range::new(file, from + first, len - first))),
                    Read::Short => return Ok(false),
                    Read::Cold => self.parts.push_back(Part::Range(Range::new(file, from, len))),
                }
            }
            Body::Pieces { file, pieces } => {
                self.parts.extend(pieces.into_iter().map(|piece| match piece {
                    Piece::Bytes(bytes) => Part::Bytes { bytes: Bytes::Owned(bytes), from: 0 },
                    Piece::Range { from, len } => Part::Range(Range::new(file.clone(), from, len)),
                }));
            }
        }
        Ok(true)
    }

    /// Adds bytes of a file behind what there is.
    pub fn push_range(&mut self, file: Arc<File>, from: u64, len: u64) {
        self.parts.push_back(Part::Range(Range::new(file, from, len)));
    }

    /// Adds bytes behind what there is; they leave in one `send` with it, if no file lies between.
    pub fn push_bytes(&mut self, bytes: Vec<u8>, spare: &mut Spare) {
        if self.parts.is_empty() {
            self.buffer(spare).extend_from_slice(&bytes);
        } else {
            self.parts.push_back(Part::Bytes { bytes: Bytes::Owned(bytes), from: 0 });
        }
    }

    /// Sends what the socket takes; `sent` is told of every byte that the kernel took.
    ///
    /// # Errors
    /// What the kernel says; the connection is of no use any more.
    pub fn flush(
        &mut self,
        socket: impl AsFd,
        spare: &mut Spare,
        how: How<'_>,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Flushed> {
        while self.from < self.buffer.len() {
            let more = how.fin_follows || !self.parts.is_empty();
            let flags = if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
            let bytes = &self.buffer[self.from..];
            let Some(count) = unless_full(|| send(&socket, bytes, flags))? else { return Ok(Flushed::Blocked) };
            sent(Sent::Bytes(&bytes[..count]));
            self.from += count;
        }
        self.from = 0;
        spare.give_back(std::mem::take(&mut self.buffer));
        if !self.corked && self.parts.front().is_some_and(Part::is_long) {
            self.corked = cork(&socket, true);
        }
        let mut slices = 0;
        let most = if how.sendfile { SLICES_PER_TURN } else { PIECES_PER_TURN };
        loop {
            let more = self.parts.len() > 1;
            let Some(part) = self.parts.front_mut() else { break };
            if part.is_sent() {
                self.parts.pop_front();
                continue;
            }
            if slices == most {
                return Ok(Flushed::Again);
            }
            slices += 1;
            match part.send(&socket, more, how.sendfile, how.resident, sent)? {
                Moved::Bytes => {}
                Moved::Full => return Ok(Flushed::Blocked),
                Moved::Short => return Ok(Flushed::Short),
                Moved::Cold => return Ok(Flushed::Cold),
            }
        }
        if std::mem::take(&mut self.corked) {
            cork(&socket, false);
        }
        Ok(Flushed::All)
    }

    /// The bytes a worker should bring into memory.
    pub fn next_slice(&self) -> Option<(Arc<File>, u64, u64)> {
        self.parts.front()?.next_slice()
    }

    /// Forgets everything: the connection is gone.
    pub fn clear(&mut self, spare: &mut Spare) {
        self.parts.clear();
        self.from = 0;
        spare.give_back(std::mem::take(&mut self.buffer));
    }
}

/// From here on segments leave as they are full; when that ends, what waits leaves at once (`TCP_CORK`). `false` where
/// that cannot be had.
#[cfg(target_os = "linux")]
fn cork(socket: impl AsFd, on: bool) -> bool {
    rustix::net::sockopt::set_tcp_cork(socket, on).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn cork(_: impl AsFd, _: bool) -> bool {
    false
}

/// What reading a small file came to.
enum Read {
    Whole,
    Short,
    Cold,
}

/// Bytes from here to the next border of a page. `sendfile` moves sixteen pages at a time, and a range of
/// 64 KiB that begins within one lies on seventeen: with its first bytes behind the head it goes at once.
fn to_page_border(from: u64) -> u64 {
    from.next_multiple_of(PAGE) - from
}

/// Reads `len` bytes of a file behind what is in the buffer, if they are in memory; what there is of a
/// shorter file stays there.
fn read_behind(buffer: &mut Vec<u8>, file: &File, from: u64, len: u64) -> io::Result<Read> {
    let start = buffer.len();
    buffer.resize(start + len as usize, 0);
    let mut at = start;
    while at < buffer.len() {
        match page_cache::read(file, &mut buffer[at..], from + (at - start) as u64) {
            Ok(Now::Read(0)) => {
                buffer.truncate(at);
                return Ok(Read::Short);
            }
            Ok(Now::Read(count)) => at += count,
            Ok(Now::Cold) => {
                buffer.truncate(start);
                return Ok(Read::Cold);
            }
            Err(errno) => {
                buffer.truncate(at);
                return Err(errno.into());
            }
        }
    }
    Ok(Read::Whole)
}
