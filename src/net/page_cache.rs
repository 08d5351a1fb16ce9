//! Files that are not in memory: how a loop finds out, and what a worker does about it.
//!
//! Never, on a loop: a read that waits for a disk. `preadv2` with RWF_NOWAIT takes what the page cache
//! has and says EAGAIN for the rest.
//!
//! The subtle thing: `sendfile` has no such flag. So the first and the last byte of a slice are asked
//! for first; if one is missing a worker reads the slice through once, which is what the disk would have
//! had to do anyway, and then it is sent from memory. A file system that does not know the flag is read
//! on the loop, as every server does it.

use std::fs::File;
use std::io::IoSliceMut;
use std::sync::Arc;

use rustix::io::Errno;

/// What the kernel reads ahead by itself around one page: a piece this short is in memory as a whole if
/// its last byte is.
const READ_AHEAD: u64 = 128 * 1024;
/// Bytes a worker reads in one call.
const STEP: usize = 256 * 1024;

/// What a read that must not wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Now {
    /// This many bytes; 0 is the end of the file.
    Read(usize),
    /// They are on the disk.
    Cold,
}

/// Reads what is in memory.
///
/// # Errors
/// What the kernel says.
#[cfg(target_os = "linux")]
pub fn read(file: &File, room: &mut [u8], from: u64) -> rustix::io::Result<Now> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let result = preadv2(file, &mut [IoSliceMut::new(room)], from, ReadWriteFlags::NOWAIT);
    match result {
        Ok(count) => Ok(Now::Read(count)),
        Err(Errno::AGAIN) => Ok(Now::Cold),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INTR) => rustix::io::pread(file, room, from).map(Now::Read),
        Err(errno) => Err(errno),
    }
}

/// Reads: only Linux can tell what is in memory.
///
/// # Errors
/// What the kernel says.
#[cfg(not(target_os = "linux"))]
pub fn read(file: &File, room: &mut [u8], from: u64) -> rustix::io::Result<Now> {
    rustix::io::pread(file, room, from).map(Now::Read)
}

/// The bytes of a file that were last found in memory, in this turn of the loop: a file for which many ask
/// at once is looked at once. Where the kernel has dropped them since, or another file has taken the place of
/// that one in memory, a turn is slow for once; nothing worse.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resident {
    file: usize,
    from: u64,
    end: u64,
}

impl Resident {
    /// Whether sending `len` bytes from `from` on would wait for the disk, as far as can be known.
    #[cfg(target_os = "linux")]
    pub fn is_cold(&mut self, file: &Arc<File>, from: u64, len: u64) -> bool {
        let (address, end) = (Arc::as_ptr(file) as usize, from + len);
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

/// Whether sending `len` bytes from `from` on would wait for the disk, as far as its ends tell.
fn is_cold(file: &File, from: u64, len: u64) -> bool {
    let is_missing = |at| matches!(read(file, &mut [0], at), Ok(Now::Cold));
    is_missing(from + len.saturating_sub(1)) || (len > READ_AHEAD && is_missing(from))
}

/// Brings bytes into memory. Blocks. An error is left to whoever sends them.
pub fn warm(file: &File, from: u64, len: u64) {
    let mut room = vec![0; STEP.min(usize::try_from(len).unwrap_or(STEP))];
    let (mut at, end) = (from, from + len);
    while at < end {
        let step = room.len().min(usize::try_from(end - at).unwrap_or(STEP));
        match rustix::io::pread(file, &mut room[..step], at) {
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
    fn what_was_dropped_from_memory_is_cold_until_a_worker_has_read_it() {
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
        warm(&file, 0, 1 << 20);
        assert!(!is_cold(&file, 0, 1 << 20));
        let (file, mut resident) = (Arc::new(file), Resident::default());
        assert!(!resident.is_cold(&file, 0, 1 << 20));
        rustix::fs::fadvise(file.as_fd(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        assert!(!resident.is_cold(&file, 4096, 1 << 19), "not asked twice in one turn");
        assert!(resident.is_cold(&file, 4096, 1 << 20), "more than was asked for");
        assert!(Resident::default().is_cold(&file, 0, 1 << 20), "another turn asks again");
        warm(&file, 0, 1 << 20);
        let mut room = [0; 16];
        assert_eq!(read(&file, &mut room, 0), Ok(Now::Read(16)));
        assert_eq!(read(&file, &mut room, 1 << 20), Ok(Now::Read(0)));
    }
}
