//! An open file whose content is sent, with what is known of its file system.
//!
//! | [`FileSystem`] | a read | the inode number of a file | the size of a file |
//! |---|---|---|---|
//! | `Local` | may wait for the disk, unless the page cache has the bytes | lasts | is that of its content |
//! | `Fat` | the same | may change when the kernel forgets the file | the same |
//! | `Memory` | never waits | lasts | the same |
//! | `Remote` | may wait for another machine, for any time | lasts | the same |
//! | `Share` | the same | as on FAT | the same |
//! | `Fuse` | may wait for that program | as on FAT | 0 may mean that the program does not know it |
//! | `Pseudo` | may wait for an event that never comes | says nothing | says nothing |
//!
//! A close may wait where a read waits for others, and anywhere for the blocks of a large file that was deleted.
//!
//! An event loop must not wait. So it reads with [`OpenFile::read_now`], and where it drops a file whose close may wait,
//! that file goes to the closer of its thread (`close_elsewhere`).

use std::cell::RefCell;
use std::fs::File;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::CWD;
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2, retry_on_intr};

/// Shorter files are closed at once, also on a loop: to give back the blocks of a megabyte takes less than 0.1 ms.
const SMALL: u64 = 1024 * 1024;

/// How the files of a file system can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileSystem {
    /// On a disk of this machine.
    Local,
    /// On a disk of this machine that has no inodes, so the kernel numbers the files as it meets them: FAT, exFAT.
    Fat,
    /// In memory.
    Memory,
    /// On another machine, or it may have to be mounted first.
    Remote,
    /// On another machine or on the host of this one, through a protocol whose server may have no inode numbers.
    Share,
    /// Of a program.
    Fuse,
    /// A view of the kernel on itself, such as `/proc`. Nothing of it is sent.
    Pseudo,
}

impl FileSystem {
    /// Whether any call may wait for another machine or another program.
    pub fn may_wait(self) -> bool {
        matches!(self, FileSystem::Remote | FileSystem::Share | FileSystem::Fuse)
    }
}

/// An open file.
#[derive(Debug)]
pub struct OpenFile {
    /// `None` only while it is dropped.
    file: Option<File>,
    file_system: FileSystem,
    /// The number of its file system; 0 if it is not known.
    device: u64,
    /// Bytes, when it was opened.
    size: u64,
}

impl OpenFile {
    /// A file on the file system with this kind and device number, `size` bytes long when it was opened.
    pub fn new(file: File, file_system: FileSystem, device: u64, size: u64) -> OpenFile {
        OpenFile { file: Some(file), file_system, device, size }
    }

    /// The device number of its file system; 0 if it is not known.
    pub fn device(&self) -> u64 {
        self.device
    }

    /// The kind of its file system.
    pub fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// Reads this range, or as much of it as the file has. May block.
    ///
    /// # Errors
    /// The error of the kernel.
    pub fn read(&self, from: u64, len: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| Errno::NOMEM)?];
        let mut got = 0;
        while got < bytes.len() {
            match retry_on_intr(|| pread(self, &mut bytes[got..], from + got as u64))? {
                0 => break,
                more => got += more,
            }
        }
        bytes.truncate(got);
        Ok(bytes)
    }

    /// Reads bytes that are in memory; 0 is the end of the file. `None`: a worker must read them, since they are on the
    /// disk, or since this file system cannot tell.
    ///
    /// # Errors
    /// The error of the kernel.
    pub fn read_now(&self, buffer: &mut [u8], from: u64) -> Result<Option<usize>, Errno> {
        if buffer.is_empty() {
            return Ok(Some(0));
        }
        if self.file_system == FileSystem::Memory {
            // tmpfs does not know the flag below.
            return retry_on_intr(|| pread(self, &mut *buffer, from)).map(Some);
        }
        // NOWAIT reads what the page cache has.
        match retry_on_intr(|| preadv2(self, &mut [IoSliceMut::new(buffer)], from, ReadWriteFlags::NOWAIT)) {
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            read => read.map(Some),
        }
    }
}

impl From<File> for OpenFile {
    /// A file on a local disk, of unknown size.
    fn from(file: File) -> OpenFile {
        OpenFile::new(file, FileSystem::Local, 0, u64::MAX)
    }
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // `None` only in `drop`, after which there is no reference. CWD is no file, so every call on it would fail.
        self.file.as_ref().map_or(CWD, AsFd::as_fd)
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        if self.size > SMALL || self.file_system.may_wait() {
            let file = self.file.take();
            // On a thread without a closer, such as a worker, the file is closed here.
            let _ = CLOSER.try_with(|closer| {
                if let (Some(closer), Some(file)) = (&*closer.borrow(), file) {
                    closer(self.device, file);
                }
            });
        }
    }
}

/// Takes files whose close may wait, with their device numbers.
pub(crate) type Closer = Box<dyn Fn(u64, File)>;

thread_local! {
    static CLOSER: RefCell<Option<Closer>> = const { RefCell::new(None) };
}

/// From now on this thread gives files whose close may wait to `closer`, instead of closing them itself.
pub(crate) fn close_elsewhere(closer: Closer) {
    CLOSER.set(Some(closer));
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_loop_never_closes_what_may_wait() {
        let open = |file_system, size| OpenFile::new(File::open("/").unwrap(), file_system, 1, size);
        let (closed, count) = channel();
        close_elsewhere(Box::new(move |_, file| closed.send(file).unwrap()));
        for (file_system, size, is_given) in [
            (FileSystem::Local, SMALL, false),
            (FileSystem::Local, SMALL + 1, true),
            (FileSystem::Memory, SMALL + 1, true),
            (FileSystem::Remote, 1, true),
            (FileSystem::Fuse, 0, true),
        ] {
            drop(open(file_system, size));
            assert_eq!(count.try_recv().is_ok(), is_given, "{file_system:?} {size}");
        }
        std::thread::spawn(move || drop(open(FileSystem::Fuse, 0))).join().unwrap();
        assert!(count.try_recv().is_err(), "closed by a thread that may wait");
    }
}
