//! A folder held open for writing, and what can be done with the names in it.
//!
//! Whatever is written goes into a descriptor that the door ([`crate::files::root::open_method`]) opened. A folder that is
//! swapped for a link while an upload runs leads that upload nowhere: the link is refused by the
//! kernel, and the descriptor stays with the folder it was.
//!
//! Never: a name with a slash in it, a file outside the root, not even with `--symlinks any`, which is
//! a promise about reading.
//!
//! The subtle things:
//! - `fsync` of a folder needs a descriptor that can be read; `O_PATH` is not enough. So a folder that
//!   may be entered and not read takes no uploads.
//! - Rubbish of a killed server is told from a running upload by its lock, not by its age: whoever
//!   writes holds `flock` on the file, and the kernel lets go of it when the process dies.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{self, AtFlags, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::files::root::{Meta, Root, Symlinks, TEMPORARY_PREFIX, relative};

/// Folders that one upload may make on its way. A folder dropped into a browser is seldom ten deep;
/// a path of 8 KiB could ask for four thousand.
const DEEPEST: usize = 32;
/// Locks for names that are being published: names share them by hash, and a lock is held for a few
/// system calls only.
const LOCKS: usize = 32;
/// Folders of which it is remembered that no rubbish is left in them; beyond that it is looked for again.
const SWEPT: usize = 4096;
/// Free space that uploads leave: a hundredth of the disk, and at most this. A full disk stops more
/// than this server.
const RESERVE: u64 = 64 * 1024 * 1024;

/// What all writers of one root share.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    locks: [Mutex<()>; LOCKS],
    /// Keyed at random, so that nobody can choose names that wait for each other.
    hasher: RandomState,
    swept: Mutex<HashSet<(u64, u64)>>,
}

/// An open folder.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    /// Device and inode.
    identity: (u64, u64),
}

/// Who has a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Occupant {
    /// Nobody.
    Nobody,
    /// A regular file.
    File(Meta),
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Link,
    /// A FIFO, a socket, a device: nothing this server touches.
    Other,
}

/// Folders that were made for an upload.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<(Arc<Folder>, Vec<u8>)>);

impl Root {
    /// Opens the folder at `path` for writing in it.
    ///
    /// # Errors
    /// What the kernel says; `ENOTDIR` if a file lies there or on the way.
    pub(crate) fn folder(&self, path: &[u8]) -> rustix::io::Result<Arc<Folder>> {
        let path = relative(path).ok_or(Errno::NOENT)?;
        let symlinks = match self.inner.symlinks {
            Symlinks::Any => Symlinks::Inside,
            other => other,
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = self.inner.door.open(self.inner.descriptor.as_fd(), path, flags, symlinks, true)?;
        Folder::of(opened.ok_or(Errno::AGAIN)?)
    }

    /// The last folder on the way to `path` (collapsed, without a slash at its end) that exists, and the
    /// names that are missing behind it.
    ///
    /// # Errors
    /// As [`Root::folder`]; `ENOENT` when more than [`DEEPEST`] folders are missing.
    pub(crate) fn nearest<'a>(&self, path: &'a [u8]) -> rustix::io::Result<(Arc<Folder>, Vec<&'a [u8]>)> {
        let (mut rest, mut missing) = (path, Vec::new());
        loop {
            let folder = match self.folder(rest) {
                Err(Errno::NOENT) if !rest.is_empty() && missing.len() < DEEPEST => {
                    let slash = rest.iter().rposition(|&o| o == b'/').unwrap_or(0);
                    missing.insert(0, &rest[slash + 1..]);
                    rest = &rest[..slash];
                    continue;
                }
                folder => folder?,
            };
            return Ok((folder, missing));
        }
    }

    /// The folder at `path`, made with all that is missing on the way.
    ///
    /// # Errors
    /// As [`Root::nearest`], and what `mkdir` says; then nothing that was made is left.
    pub(crate) fn make(&self, path: &[u8]) -> rustix::io::Result<(Arc<Folder>, Made)> {
        let (mut at, missing) = self.nearest(path)?;
        let mut made = Made::default();
        for name in missing {
            match at.enter_new(name, &mut made) {
                Ok(next) => at = next,
                Err(error) => {
                    made.undo();
                    return Err(error);
                }
            }
        }
        Ok((at, made))
    }

    /// Holds everybody else in this process off `name` in `folder`, for a check and what follows from it.
    pub(crate) fn lock(&self, folder: &Folder, name: &[u8]) -> MutexGuard<'_, ()> {
        let writers = &self.inner.writers;
        let hash = writers.hasher.hash_one((folder.identity, name));
        let lock = &writers.locks[(hash % LOCKS as u64) as usize];
        lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what a killed server left in `folder`, if that has not been looked at since the start.
    pub(crate) fn sweep(&self, folder: &Folder) {
        let mut swept = self.inner.writers.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.len() >= SWEPT {
            swept.clear();
        }
        let is_new = swept.insert(folder.identity);
        drop(swept);
        if is_new {
            folder.sweep();
        }
    }
}

impl Folder {
    fn of(descriptor: OwnedFd) -> rustix::io::Result<Arc<Folder>> {
        let stat = fs::fstat(&descriptor)?;
        Ok(Arc::new(Folder { descriptor, identity: (stat.st_dev, stat.st_ino) }))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Whether both are the same folder of the disk.
    pub(crate) fn is(&self, other: &Folder) -> bool {
        self.identity == other.identity
    }

    /// Who has this name. A link is not followed.
    pub(crate) fn look(&self, name: &[u8]) -> rustix::io::Result<Occupant> {
        let stat = match fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(Occupant::Nobody),
            stat => stat?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Meta::of(&stat).map_or(Occupant::Other, Occupant::File),
            FileType::Directory => Occupant::Folder,
            FileType::Symlink => Occupant::Link,
            _ => Occupant::Other,
        })
    }

    /// Removes a file, or a link itself.
    pub(crate) fn remove(&self, name: &[u8]) -> rustix::io::Result<()> {
        fs::unlinkat(&self.descriptor, name, AtFlags::empty())
    }

    /// Removes an empty folder.
    pub(crate) fn remove_folder(&self, name: &[u8]) -> rustix::io::Result<()> {
        fs::unlinkat(&self.descriptor, name, AtFlags::REMOVEDIR)
    }

    /// Waits until the names in it are on the disk.
    pub(crate) fn sync(&self) -> rustix::io::Result<()> {
        rustix::io::retry_on_intr(|| fs::fsync(&self.descriptor))
    }

    /// Whether it has no names in it at all.
    pub(crate) fn is_empty(&self) -> rustix::io::Result<bool> {
        for entry in Dir::read_from(&self.descriptor)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `length` bytes more fit on the disk, with the reserve left free.
    pub(crate) fn has_room(&self, length: u64) -> rustix::io::Result<bool> {
        let stat = fs::fstatvfs(&self.descriptor)?;
        // Some file systems in user space do not say.
        if stat.f_blocks == 0 {
            return Ok(true);
        }
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let reserve = (bytes(stat.f_blocks) / 100).min(RESERVE);
        Ok(bytes(stat.f_bavail) >= length.saturating_add(reserve))
    }

    /// The folder `name` in it, made if it is missing. A link is refused: it was not there when the way
    /// was looked up.
    fn enter_new(self: &Arc<Folder>, name: &[u8], made: &mut Made) -> rustix::io::Result<Arc<Folder>> {
        match fs::mkdirat(&self.descriptor, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => made.0.push((Arc::clone(self), name.to_vec())),
            // Another upload into the same new folder was quicker.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Folder::of(fs::openat(&self.descriptor, name, flags, Mode::empty())?)
    }

    pub(crate) fn sweep(&self) {
        let Ok(entries) = Dir::read_from(&self.descriptor) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name().to_bytes();
            let may_be = matches!(entry.file_type(), FileType::RegularFile | FileType::Unknown);
            if may_be && name.starts_with(TEMPORARY_PREFIX) && self.is_abandoned(name) {
                let _ = self.remove(name);
            }
        }
    }

    /// Whether nobody is writing this file. NFS locks only what is open for writing.
    fn is_abandoned(&self, name: &[u8]) -> bool {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        fs::openat(&self.descriptor, name, flags, Mode::empty()).is_ok_and(|file| {
            let regular = fs::fstat(&file).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile);
            regular && fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        })
    }
}

impl Made {
    /// They have what they were made for: their own names are put on the disk.
    pub(crate) fn keep(self) -> io::Result<()> {
        self.0.iter().try_for_each(|(folder, _)| Ok(folder.sync()?))
    }

    /// Nothing came of it. One that somebody else has begun to use stays.
    pub(crate) fn undo(self) {
        for (folder, name) in self.0.iter().rev() {
            let _ = folder.remove_folder(name);
        }
    }
}
