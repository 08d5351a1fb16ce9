//! Whether bytes of a file are in memory, and how a worker brings them there.
//!
//! A loop must not wait for a disk. `preadv2` with RWF_NOWAIT reads what the page cache has and returns EAGAIN for the
//! rest. `sendfile` has no such flag. So before a slice is sent its first and last byte are read; if one is missing, a
//! worker reads the slice through once, and then it is sent from memory. A file system that does not know the flag is
//! read on the loop, as every server does it.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

/// The kernel reads this much around one page by itself: a slice this short is in memory as a whole if its last byte is.
const READ_AHEAD: u64 = 128 * 1024;
/// Bytes a worker reads in one call.
const STEP: usize = 256 * 1024;

/// How a read that must not wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CachedRead {
    /// This many bytes were read; 0 is the end of the file.
    Read(usize),
    /// The bytes are on the disk.
    Cold,
}

/// Reads bytes that are in memory.
///
/// # Errors
/// What the kernel says.
pub fn read(file: &File, room: &mut [u8], from: u64) -> rustix::io::Result<CachedRead> {
    match preadv2(file, &mut [IoSliceMut::new(room)], from, ReadWriteFlags::NOWAIT) {
        Ok(count) => Ok(CachedRead::Read(count)),
        Err(Errno::AGAIN) => Ok(CachedRead::Cold),
        // The file system does not know the flag; or a signal came, and this read settles it.
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => pread(file, room, from).map(CachedRead::Read),
        Err(errno) => Err(errno),
    }
}

/// The range of a file that was last found in memory in this turn of the loop, so that a file which many connections
/// want at once is looked at once. If the kernel has dropped the range since, or another `File` has the same address,
/// one turn is slow; nothing worse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resident {
    /// The address of the `File`.
    file: usize,
    from: u64,
    end: u64,
}

impl Resident {
    /// Whether sending `len` bytes from `from` on would wait for the disk, as far as can be known.
    pub fn is_cold(&mut self, file: &Arc<File>, from: u64, len: u64) -> bool {
        let (address, end) = (Arc::as_ptr(file) as usize, from + len);
        // The common case of many readers of one file: no call at all.
        if self.file == address && self.from <= from && end <= self.end {
            return false;
        }
        let cold = is_cold(file, from, len);
        if !cold {
            *self = Resident { file: address, from, end };
        }
        cold
    }
}

/// Whether sending `len` bytes from `from` on would wait for the disk, as far as its two ends tell.
fn is_cold(file: &File, from: u64, len: u64) -> bool {
    // One byte at each end costs two cheap calls. Asking for every page would cost more than the rare disk read it
    // saves.
    let is_missing = |at| matches!(read(file, &mut [0], at), Ok(CachedRead::Cold));
    is_missing(from + len.saturating_sub(1)) || (len > READ_AHEAD && is_missing(from))
}

/// Reads bytes into the page cache. This blocks, so only a worker may call it. An error is not reported: sending the
/// bytes meets it again.
pub fn read_ahead(file: &File, from: u64, len: u64) {
    // The bytes go into a buffer that is thrown away; what counts is the copy in the page cache.
    let mut room = vec![0; STEP.min(usize::try_from(len).unwrap_or(STEP))];
    let (mut at, end) = (from, from + len);
    while at < end {
        // The bytes themselves are not wanted, only that the kernel has read them.
        let step = room.len().min(usize::try_from(end - at).unwrap_or(STEP));
        match pread(file, &mut room[..step], at) {
            Ok(count) if count > 0 => at += count as u64,
            Err(Errno::INTR) => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
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
        assert!(!is_cold(&file, 0, 1 << 20), "just written, so in memory");
        rustix::fs::fadvise(file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        if !is_cold(&file, 0, 1 << 20) {
            eprintln!("skipped: this file system keeps everything in memory");
            return;
        }
        read_ahead(&file, 0, 1 << 20);
        assert!(!is_cold(&file, 0, 1 << 20));
        let (file, mut resident) = (Arc::new(file), Resident::default());
        assert!(!resident.is_cold(&file, 0, 1 << 20));
        rustix::fs::fadvise(file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(!resident.is_cold(&file, 4096, 1 << 19), "not asked twice in one turn");
        assert!(resident.is_cold(&file, 4096, 1 << 20), "more than was asked for");
        assert!(Resident::default().is_cold(&file, 0, 1 << 20), "another turn asks again");
        read_ahead(&file, 0, 1 << 20);
        let mut room = [0; 16];
        assert_eq!(read(&file, &mut room, 0), Ok(CachedRead::Read(16)));
        assert_eq!(read(&file, &mut room, 1 << 20), Ok(CachedRead::Read(0)));
    }
}
