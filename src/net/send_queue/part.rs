//! A part of large content: bytes in memory, or a range of a file, sent slice by slice.
//!
//! A file goes by `sendfile`, from the page cache into the socket. Where the file system cannot do that, or with
//! `--no-sendfile`, it is read and sent in pieces of 64 KiB, so that each `send` can be seen with its bytes.
//!
//! `sendfile` cannot be told not to wait for the disk. So before the slices of a turn are sent their first and last byte
//! are read, once. If one is not in memory, or the file system cannot tell, a worker reads the slices through. Then they
//! are sent without asking again: even when memory is so short that pages are dropped at once, each trip to the disk
//! sends something.
//!
//! A file of another machine or program is never read on the loop: it may not be kept in the page cache at all, and a
//! second read may wait for ever. A worker reads a piece of it into memory, and it is sent from there.
//!
//! | file system | a slice is read by | and sent by |
//! |---|---|---|
//! | memory | | `sendfile` |
//! | local, in the page cache | | `sendfile` |
//! | local, on the disk or unknown | a worker, into the page cache | `sendfile` |
//! | remote, FUSE | a worker, into memory | `send` |

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::io::{Errno, pread, retry_on_intr};
use rustix::net::send;

use crate::net::send_queue::{Flushed, SLICES_PER_TURN, Sent, send_flags, unless_full};
use crate::service::{Bytes, FileSystem, OpenFile};

/// Most bytes of a file handed to the kernel in one call. Measured with a file of 100 MiB: 128 KiB to 2 MiB cost the same
/// within 5 % on loopback.
const SLICE: u64 = 1024 * 1024;
/// Bytes for which the page cache is asked at once: those of one turn.
const LOOK: u64 = SLICES_PER_TURN as u64 * SLICE;
/// Most bytes of a file read into memory in one call.
const PIECE: u64 = 64 * 1024;
/// The kernel reads this much around one page by itself: a slice this short is in memory as a whole if its last byte
/// is.
const READ_AHEAD: u64 = 128 * 1024;
/// Most bytes of a file that a worker reads into memory. A connection holds them until its reader has taken them, so this
/// is what a slow reader of a remote file costs.
const COPY: u64 = 128 * 1024;
/// Bytes a worker reads in one call.
const STEP: usize = 256 * 1024;
/// Pieces sent for one connection in one turn of the loop: as many bytes as one slice.
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
    /// Open as long as a part needs it. The cache and other connections may share it.
    file: Arc<OpenFile>,
    /// The next byte to be sent.
    from: u64,
    /// Bytes still to be sent; 0 when the part is done.
    len: u64,
    /// The page cache need not be asked for bytes before this one.
    asked: u64,
    /// Read by a worker. Of a file system that may wait, nothing is sent but these.
    copy: Vec<u8>,
    /// Bytes of the copy that are sent.
    copy_sent: usize,
}

/// Bytes of a file that a loop cannot read without waiting.
#[derive(Debug)]
pub(crate) struct ColdSlice {
    file: Arc<OpenFile>,
    from: u64,
    len: u64,
}

impl ColdSlice {
    /// The device number of the file system.
    pub(crate) fn device(&self) -> u64 {
        self.file.device()
    }

    /// Reads the bytes: into the page cache, or those of a file system that may wait into memory, and returns these.
    /// This blocks, so only a worker may call it.
    ///
    /// # Errors
    /// The error of the kernel.
    pub(crate) fn read(self) -> Result<Vec<u8>, Errno> {
        if !self.file.file_system().may_wait() {
            read_ahead(&self.file, self.from, self.len);
            return Ok(Vec::new());
        }
        self.file.read(self.from, self.len.min(COPY))
    }
}

impl SendPart {
    pub(super) fn is_sent(&self) -> bool {
        match self {
            SendPart::Bytes { bytes, from } => *from == bytes.len(),
            SendPart::File(range) => range.len == 0,
        }
    }

    /// Whether it needs several turns.
    pub(super) fn is_long(&self) -> bool {
        matches!(self, SendPart::File(range) if range.len > LOOK)
    }

    /// The bytes that a worker should read.
    pub(super) fn next_slice(&self) -> Option<ColdSlice> {
        match self {
            SendPart::File(FileRange { file, from, len, .. }) => {
                Some(ColdSlice { file: Arc::clone(file), from: *from, len: *len.min(&LOOK) })
            }
            SendPart::Bytes { .. } => None,
        }
    }

    /// Takes the bytes that a worker has read.
    pub(super) fn take_slice(&mut self, bytes: Vec<u8>) {
        if let SendPart::File(range) = self {
            (range.copy, range.copy_sent) = (bytes, 0);
        }
    }

    /// Sends one slice; `more`: another part follows. Returns why sending must stop, or `None` when bytes were sent.
    ///
    /// # Errors
    /// What the kernel says of the socket, or of the file.
    pub(super) fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        by_sendfile: bool,
        resident: &mut Option<Resident>,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> Result<Option<Flushed>, Errno> {
        match self {
            SendPart::Bytes { bytes, from } => {
                // Large content in memory goes in slices too, so that one connection does not keep the loop.
                let slice = &bytes[*from..bytes.len().min(*from + SLICE as usize)];
                let Some(count) = unless_full(|| send(&socket, slice, send_flags(more)))? else {
                    return Ok(Some(Flushed::Blocked));
                };
                sent(Sent::Content { bytes: &slice[..count], before: *from as u64 });
                *from += count;
                Ok(None)
            }
            SendPart::File(range) if range.file.file_system().may_wait() => range.send_copy(socket, more, sent),
            SendPart::File(range) if by_sendfile => range.send(socket, more, resident, sent),
            SendPart::File(range) => range.copy(socket, more, sent),
        }
    }
}

impl FileRange {
    pub(super) fn new(file: Arc<OpenFile>, from: u64, len: u64) -> FileRange {
        FileRange { file, from, len, asked: 0, copy: Vec::new(), copy_sent: 0 }
    }

    /// Sends a slice by `sendfile`.
    fn send(
        &mut self,
        socket: impl AsFd,
        more: bool,
        resident: &mut Option<Resident>,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> Result<Option<Flushed>, Errno> {
        let slice = self.len.min(SLICE);
        if self.from >= self.asked {
            // Counted as asked also if the answer is bad: after a worker has read it the slice is sent in any case.
            let look = self.len.min(LOOK);
            self.asked = self.from + look;
            if is_cold(&self.file, self.from, look, resident) {
                return Ok(Some(Flushed::Cold));
            }
        }
        // sendfile reads from here and does not move the position of the file, which other connections use as well.
        let mut at = self.from;
        match unless_full(|| rustix::fs::sendfile(&socket, &self.file, Some(&mut at), slice as usize)) {
            Ok(None) => Ok(Some(Flushed::Blocked)),
            // The range is not empty, so 0 bytes mean that the file has ended.
            Ok(Some(0)) => Ok(Some(Flushed::Short)),
            Ok(Some(count)) => {
                sent(Sent::File { file: &self.file, from: self.from, len: count as u64 });
                self.advance(count);
                Ok(None)
            }
            // A file system that cannot splice.
            Err(Errno::INVAL | Errno::NOSYS) => self.copy(socket, more, sent),
            Err(error) => Err(error),
        }
    }

    /// Reads a piece into memory and sends it from there.
    fn copy(
        &mut self,
        socket: impl AsFd,
        more: bool,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> Result<Option<Flushed>, Errno> {
        let len = self.len.min(PIECE);
        // A buffer for each piece: this is the way for study and for rare file systems, not the fast one.
        let mut buffer = vec![0; len as usize];
        // A worker has read these bytes already. A plain read, since the page cache may have dropped them again: asking
        // a worker once more could go on for ever.
        let read = if self.from < self.asked {
            retry_on_intr(|| pread(&self.file, &mut buffer[..], self.from))?
        } else {
            self.asked = self.from + len;
            match self.file.read_now(&mut buffer, self.from)? {
                Some(count) => count,
                None => return Ok(Some(Flushed::Cold)),
            }
        };
        if read == 0 {
            return Ok(Some(Flushed::Short));
        }
        // Between the pieces of one file a segment that is not full waits for the next piece.
        let flags = send_flags(more || self.len > read as u64);
        let Some(count) = unless_full(|| send(&socket, &buffer[..read], flags))? else {
            return Ok(Some(Flushed::Blocked));
        };
        sent(Sent::Bytes(&buffer[..count]));
        self.advance(count);
        Ok(None)
    }

    /// Sends what a worker has read into memory.
    fn send_copy(
        &mut self,
        socket: impl AsFd,
        more: bool,
        sent: &mut dyn FnMut(Sent<'_>),
    ) -> Result<Option<Flushed>, Errno> {
        let bytes = &self.copy[self.copy_sent..];
        if bytes.is_empty() {
            // Asked for already: a worker has found the end of the file.
            if self.asked > self.from {
                return Ok(Some(Flushed::Short));
            }
            self.asked = self.from + 1;
            return Ok(Some(Flushed::Cold));
        }
        let flags = send_flags(more || self.len > bytes.len() as u64);
        let Some(count) = unless_full(|| send(&socket, bytes, flags))? else { return Ok(Some(Flushed::Blocked)) };
        sent(Sent::Bytes(&bytes[..count]));
        self.copy_sent += count;
        self.advance(count);
        Ok(None)
    }

    fn advance(&mut self, count: usize) {
        self.from += count as u64;
        self.len -= count as u64;
    }
}

/// The range of a file that was last found in memory in this turn of the loop, so that it is checked once for many
/// connections that send it at the same time. If the kernel has dropped the range since, or another `File` has the same
/// address, the only harm is one slow turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resident {
    /// The address of the `File`.
    file: usize,
    /// The first byte of the range, and the one after its last.
    from: u64,
    end: u64,
}

/// Whether sending `len` bytes from `from` on would wait for the disk, judged by the first and the last of them.
fn is_cold(file: &Arc<OpenFile>, from: u64, len: u64, resident: &mut Option<Resident>) -> bool {
    if file.file_system() == FileSystem::Memory {
        return false;
    }
    let (address, end) = (Arc::as_ptr(file) as usize, from + len);
    // The common case of many readers of one file: no call at all.
    if resident.is_some_and(|known| known.file == address && known.from <= from && end <= known.end) {
        return false;
    }
    // One byte at each end costs two cheap calls. Asking for every page would cost more than the rare disk read it
    // saves.
    let is_missing = |at| matches!(file.read_now(&mut [0], at), Ok(None));
    let cold = is_missing(end.saturating_sub(1)) || (len > READ_AHEAD && is_missing(from));
    if !cold {
        *resident = Some(Resident { file: address, from, end });
    }
    cold
}

/// Reads bytes into the page cache. An error is not reported: sending the bytes meets it again.
fn read_ahead(file: &OpenFile, from: u64, len: u64) {
    // The buffer is thrown away: the purpose is that the kernel reads the bytes into the page cache.
    let mut buffer = vec![0; STEP.min(usize::try_from(len).unwrap_or(STEP))];
    let (mut at, end) = (from, from + len);
    while at < end {
        let step = buffer.len().min(usize::try_from(end - at).unwrap_or(STEP));
        match pread(file, &mut buffer[..step], at) {
            Ok(count) if count > 0 => at += count as u64,
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn bytes_dropped_from_memory_are_cold_until_a_worker_has_read_them() {
        let path = std::env::current_exe().unwrap().with_file_name(format!("cold-{}", std::process::id()));
        let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
        file.write_all(&vec![7; 1 << 20]).unwrap();
        file.sync_all().unwrap();
        std::fs::remove_file(&path).unwrap();
        let file = Arc::new(OpenFile::from(file));
        let is_cold = |from, len| super::is_cold(&file, from, len, &mut None);
        assert!(!is_cold(0, 1 << 20), "just written, so in memory");
        rustix::fs::fadvise(file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        if !is_cold(0, 1 << 20) {
            eprintln!("skipped: this file system keeps everything in memory");
            return;
        }
        read_ahead(&file, 0, 1 << 20);
        assert!(!is_cold(0, 1 << 20));
        let mut resident = None;
        assert!(!super::is_cold(&file, 0, 1 << 20, &mut resident));
        rustix::fs::fadvise(file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(!super::is_cold(&file, 4096, 1 << 19, &mut resident), "not asked twice in one turn");
        assert!(super::is_cold(&file, 4096, 1 << 20, &mut resident), "more than was asked for");
        assert!(is_cold(0, 1 << 20), "another turn asks again");
        read_ahead(&file, 0, 1 << 20);
        let mut buffer = [0; 16];
        assert_eq!(file.read_now(&mut buffer, 0), Ok(Some(16)));
        assert_eq!(file.read_now(&mut buffer, 1 << 20), Ok(Some(0)));
    }
}
