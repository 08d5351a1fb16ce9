//! Large content on its way: bytes in memory, or bytes of a file, slice by slice.
//!
//! A file goes by `sendfile`, from the kernel's memory into the socket. Where that cannot be, or is not
//! wanted, it is read and sent in pieces ([`PIECE`]) as every tutorial does it: then each `send` can be seen
//! with its bytes.
//!
//! Never, on a loop: a read that waits for a disk (see [`crate::net::page_cache`]).
//!
//! The subtle thing: each slice is asked for once, whether it is in memory. Whatever a worker did about it,
//! it is sent the next time, so that every trip to the disk sends something however short of memory the
//! machine is.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::net::page_cache;
use crate::net::page_cache::{Now, Resident};
use crate::service::Bytes;

/// Bytes of a file handed to the kernel in one call.
const SLICE: u64 = 1024 * 1024;
/// Bytes of a file read into memory in one call.
const PIECE: u64 = 64 * 1024;
/// Pieces of one client in one turn of the loop: as much as one slice, which a tape can hold.
pub(crate) const PIECES_PER_TURN: usize = (SLICE / PIECE) as usize;

/// One of them.
#[derive(Debug)]
pub(crate) enum Part {
    Bytes { bytes: Bytes, from: usize },
    Range(Range),
}

/// Bytes of a file; those up to `known` were in memory when they were last asked for.
#[derive(Debug)]
pub(crate) struct Range {
    file: Arc<File>,
    from: u64,
    len: u64,
    known: u64,
}

/// What sending came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moved {
    /// Bytes have left.
    Bytes,
    /// The socket is full.
    Full,
    /// The next bytes are not in memory.
    Cold,
    /// The file has ended early.
    Short,
}

/// What the kernel took.
#[derive(Clone, Copy, Debug)]
pub enum Sent<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Bytes of a file, which never passed through the program.
    File {
        /// The file.
        file: &'a Arc<File>,
        /// The first byte.
        from: u64,
        /// How many.
        len: u64,
    },
}

impl Sent<'_> {
    /// How many.
    pub fn bytes(&self) -> u64 {
        match self {
            Sent::Bytes(bytes) => bytes.len() as u64,
            Sent::File { len, .. } => *len,
        }
    }
}

impl Part {
    pub(crate) fn is_sent(&self) -> bool {
        match self {
            Part::Bytes { bytes, from } => *from == bytes.len(),
            Part::Range(range) => range.len == 0,
        }
    }

    /// Whether many slices of it are to come.
    pub(crate) fn is_long(&self) -> bool {
        matches!(self, Part::Range(range) if range.len > 2 * SLICE)
    }

    /// The bytes a worker should bring into memory.
    pub(crate) fn next_slice(&self) -> Option<(Arc<File>, u64, u64)> {
        match self {
            Part::Range(range) => Some((Arc::clone(&range.file), range.from, range.len.min(SLICE))),
            Part::Bytes { .. } => None,
        }
    }

    /// Sends one slice.
    pub(crate) fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        by_sendfile: bool,
        resident: &mut Resident,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Moved> {
        match self {
            Part::Bytes { bytes, from } => {
                let slice = &bytes[*from..bytes.len().min(*from + SLICE as usize)];
                let Some(count) = unless_full(|| send(&socket, slice, flags(more)))? else { return Ok(Moved::Full) };
                sent(Sent::Bytes(&slice[..count]));
                *from += count;
                Ok(Moved::Bytes)
            }
            Part::Range(range) if by_sendfile => range.send(socket, more, resident, sent),
            Part::Range(range) => range.copy(socket, more, sent),
        }
    }
}

impl Range {
    pub(crate) fn new(file: Arc<File>, from: u64, len: u64) -> Range {
        Range { file, from, len, known: 0 }
    }

    /// Sends a slice out of the kernel's memory.
    #[cfg(target_os = "linux")]
    fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        resident: &mut Resident,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Moved> {
        if self.is_cold(resident) {
            return Ok(Moved::Cold);
        }
        let mut at = self.from;
        let len = usize::try_from(self.len.min(SLICE)).unwrap_or(usize::MAX);
        match unless_full(|| rustix::fs::sendfile(&socket, &self.file, Some(&mut at), len)) {
            Ok(None) => Ok(Moved::Full),
            Ok(Some(0)) => Ok(Moved::Short),
            Ok(Some(count)) => {
                sent(Sent::File { file: &self.file, from: self.from, len: count as u64 });
                self.took(count);
                Ok(Moved::Bytes)
            }
            // A file system that cannot splice.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::NOSYS)) => {
                self.copy(socket, more, sent)
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        _: &mut Resident,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> io::Result<Moved> {
        self.copy(socket, more, sent)
    }

    /// Reads a piece into memory and sends it from there.
    fn copy(&mut self, socket: impl AsFd, more: bool, sent: &mut dyn FnMut(Sent<'_>)) -> io::Result<Moved> {
        let len = self.len.min(PIECE);
        let mut room = vec![0; len as usize];
        let read = if self.from < self.known {
            rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut room[..], self.from))?
        } else {
            self.known = self.from + len;
            match page_cache::read(&self.file, &mut room, self.from)? {
                Now::Read(count) => count,
                Now::Cold => return Ok(Moved::Cold),
            }
        };
        if read == 0 {
            return Ok(Moved::Short);
        }
        let more = more || self.len > read as u64;
        let Some(count) = unless_full(|| send(&socket, &room[..read], flags(more)))? else { return Ok(Moved::Full) };
        sent(Sent::Bytes(&room[..count]));
        self.took(count);
        Ok(Moved::Bytes)
    }

    fn took(&mut self, count: usize) {
        self.from += count as u64;
        self.len -= count as u64;
    }

    #[cfg(target_os = "linux")]
    fn is_cold(&mut self, resident: &mut Resident) -> bool {
        if self.from < self.known {
            return false;
        }
        let slice = self.len.min(SLICE);
        self.known = self.from + slice;
        resident.is_cold(&self.file, self.from, slice)
    }
}

fn flags(more: bool) -> SendFlags {
    if more { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL }
}

/// `None` when the socket is full, which is no error; an interrupted call is made again, since the
/// edge that told of room is not repeated.
pub(crate) fn unless_full(call: impl FnMut() -> Result<usize, Errno>) -> io::Result<Option<usize>> {
    match rustix::io::retry_on_intr(call) {
        Ok(count) => Ok(Some(count)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
