//! A part of large content: bytes in memory, or a range of a file, sent slice by slice.
//!
//! A file goes by `sendfile`, from the page cache into the socket. Where the file system cannot do that, or the user
//! does not want it, it is read and sent in pieces of 64 KiB, so that each `send` can be seen with its bytes.
//!
//! A loop must not wait for a disk, so before a slice is sent the page cache is asked whether it is in memory, once.
//! After a worker has read it, it is sent without asking: even when memory is so short that pages are dropped at
//! once, each trip to the disk sends something.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::send;

use crate::net::page_cache;
use crate::net::page_cache::{CachedRead, Resident};
use crate::net::send_queue::{Flushed, Sent, send_flags, unless_full};
use crate::service::Bytes;

/// Most bytes of a file handed to the kernel in one call.
const SLICE: u64 = 1024 * 1024;
/// Most bytes of a file read into memory in one call.
const PIECE: u64 = 64 * 1024;
/// Pieces sent for one connection in one turn of the loop: as much as one slice, which a tape can hold.
pub(super) const PIECES_PER_TURN: usize = (SLICE / PIECE) as usize;

/// A part of large content.
#[derive(Debug)]
pub(super) enum SendPart {
    /// Bytes in memory; those before `from` are sent.
    Bytes { bytes: Bytes, from: usize },
    /// Bytes of a file.
    File(FileRange),
}

/// The bytes of a file that are still to be sent.
#[derive(Debug)]
pub(super) struct FileRange {
    file: Arc<File>,
    from: u64,
    len: u64,
    /// The page cache need not be asked for bytes before this one.
    asked: u64,
}

impl SendPart {
    pub(super) fn is_sent(&self) -> bool {
        match self {
            SendPart::Bytes { bytes, from } => *from == bytes.len(),
            SendPart::File(range) => range.len == 0,
        }
    }

    /// Whether it has many slices.
    pub(super) fn is_long(&self) -> bool {
        matches!(self, SendPart::File(range) if range.len > 2 * SLICE)
    }

    /// The range of a file that a worker should read into the page cache.
    pub(super) fn next_slice(&self) -> Option<(Arc<File>, u64, u64)> {
        match self {
            SendPart::File(range) => Some((Arc::clone(&range.file), range.from, range.len.min(SLICE))),
            SendPart::Bytes { .. } => None,
        }
    }

    /// Sends one slice; `more`: another part follows. Returns why sending must stop, or `None` when bytes were sent.
    pub(super) fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        by_sendfile: bool,
        resident: &mut Resident,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Option<Flushed>> {
        match self {
            SendPart::Bytes { bytes, from } => {
                // Large content in memory goes in slices too, so that one connection does not keep the loop.
                let slice = &bytes[*from..bytes.len().min(*from + SLICE as usize)];
                let Some(count) = unless_full(|| send(&socket, slice, send_flags(more)))? else {
                    return Ok(Some(Flushed::Blocked));
                };
                sent(Sent::Bytes(&slice[..count]));
                *from += count;
                Ok(None)
            }
            SendPart::File(range) if by_sendfile => range.send(socket, more, resident, sent),
            SendPart::File(range) => range.copy(socket, more, sent),
        }
    }
}

impl FileRange {
    pub(super) fn new(file: Arc<File>, from: u64, len: u64) -> FileRange {
        FileRange { file, from, len, asked: 0 }
    }

    /// Sends a slice by `sendfile`.
    fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        resident: &mut Resident,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Option<Flushed>> {
        // sendfile cannot be told not to wait for the disk, so the page cache is asked first.
        if self.from >= self.asked {
            let slice = self.len.min(SLICE);
            self.asked = self.from + slice;
            if resident.is_cold(&self.file, self.from, slice) {
                return Ok(Some(Flushed::Cold));
            }
        }
        // sendfile reads from here and does not move the position of the file, which other connections use as well.
        let mut at = self.from;
        let len = usize::try_from(self.len.min(SLICE)).unwrap_or(usize::MAX);
        match unless_full(|| rustix::fs::sendfile(&socket, &self.file, Some(&mut at), len)) {
            Ok(None) => Ok(Some(Flushed::Blocked)),
            // The range is not empty, so 0 bytes mean that the file has ended.
            Ok(Some(0)) => Ok(Some(Flushed::Short)),
            Ok(Some(count)) => {
                sent(Sent::File { file: &self.file, from: self.from, len: count as u64 });
                self.advance(count);
                Ok(None)
            }
            // A file system that cannot splice.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOSYS)) => {
                self.copy(socket, more, sent)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a piece into memory and sends it from there.
    fn copy(&mut self, socket: impl AsFd, more: bool, sent: &mut dyn FnMut(Sent<'_>)) -> io::Result<Option<Flushed>> {
        let len = self.len.min(PIECE);
        // A buffer for each piece: this is the way for study and for rare file systems, not the fast one.
        let mut room = vec![0; len as usize];
        // A worker has read them: take them from wherever they are, even if they were dropped again.
        let read = if self.from < self.asked {
            rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut room[..], self.from))?
        } else {
            self.asked = self.from + len;
            match page_cache::read(&self.file, &mut room, self.from)? {
                CachedRead::Read(count) => count,
                CachedRead::Cold => return Ok(Some(Flushed::Cold)),
            }
        };
        if read == 0 {
            return Ok(Some(Flushed::Short));
        }
        // Between the pieces of one file a segment that is not full waits for the next piece.
        let flags = send_flags(more || self.len > read as u64);
        let Some(count) = unless_full(|| send(&socket, &room[..read], flags))? else {
            return Ok(Some(Flushed::Blocked));
        };
        sent(Sent::Bytes(&room[..count]));
        self.advance(count);
        Ok(None)
    }

    fn advance(&mut self, count: usize) {
        self.from += count as u64;
        self.len -= count as u64;
    }
}
