//! A file that is being uploaded: invisible until it gets its name (`publish`).
//!
//! | way, in this order | promise |
//! |---|---|
//! | an unnamed file in its folder (`O_TMPFILE`) | the kernel removes it if the process dies |
//! | a file whose name is never served ([`TEMPORARY_PREFIX`]), created with `O_EXCL` and locked while it is written | if the process dies, it stays hidden until it is swept (`sweep`) |

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{self, FallocateFlags, FlockOperation, Gid, Mode, OFlags, Uid};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::files::root::writable::WritableFolder;
use crate::files::root::{Meta, TEMPORARY_PREFIX};

/// Permissions of a new file, before the umask removes some.
const NEW_FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// How many temporary names are tried. The first of 2^64 is nearly always free.
const TRIES: usize = 8;
/// The most bytes that are reserved ahead of what has arrived; enough that a large file lies in few pieces.
const RESERVED_AHEAD: u64 = 16 * 1024 * 1024;

/// An invisible file. When it is dropped before it was published, nothing is left of it.
#[derive(Debug)]
pub(crate) struct TempFile {
    // Before the name, so that the file is closed before its name is removed: some network mounts (rclone) store a file
    // when it is closed, even if its name was removed before.
    pub(super) file: File,
    /// Its temporary name, if it has one.
    pub(super) name: Option<TemporaryName>,
    pub(super) folder: Arc<WritableFolder>,
    /// Bytes that it will have, if that is known.
    pub(crate) length: Option<u64>,
    pub(crate) written: u64,
    /// Bytes for which the disk was asked for space.
    reserved: u64,
}

/// A name that is never served. It is removed when this is dropped; after the file got another name there is nothing to
/// remove.
#[derive(Debug)]
pub(super) struct TemporaryName {
    pub(super) folder: Arc<WritableFolder>,
    pub(super) name: Vec<u8>,
}

impl TemporaryName {
    /// A name that no file has.
    pub(super) fn new(folder: &Arc<WritableFolder>) -> TemporaryName {
        // The hasher's keys are random and differ in every call.
        let random = RandomState::new().hash_one(());
        let name = [TEMPORARY_PREFIX, format!("{random:016x}").as_bytes()].concat();
        TemporaryName { folder: Arc::clone(folder), name }
    }

    /// Whether [`TemporaryName::new`] makes names of this form.
    pub(super) fn has_form(name: &[u8]) -> bool {
        let digits = name.strip_prefix(TEMPORARY_PREFIX).unwrap_or_default();
        digits.len() == 16 && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    }
}

impl Drop for TemporaryName {
    fn drop(&mut self) {
        // An error leaves a hidden file, which the next start removes.
        let _ = self.folder.remove(&self.name);
    }
}

impl TempFile {
    /// As [`TempFile::create_in`], but also leaves the space free that uploads must not use. Errors: as there; `ENOSPC`
    /// if that space would be needed.
    pub(crate) fn create_if_room(folder: &Arc<WritableFolder>, length: Option<u64>) -> Result<TempFile, Errno> {
        // Asked before the file is created: reserving alone would use the space that must stay free.
        if !folder.has_room(length.unwrap_or(0))? {
            return Err(Errno::NOSPC);
        }
        TempFile::create_in(folder, length)
    }

    /// Creates an invisible file in `folder`, for `length` bytes. Errors: the error of the kernel; `EFBIG` if a file
    /// cannot have that many bytes.
    pub(super) fn create_in(folder: &Arc<WritableFolder>, length: Option<u64>) -> Result<TempFile, Errno> {
        // Writing beyond this limit would end the process with SIGXFSZ.
        let limit = getrlimit(Resource::Fsize).current;
        if length.zip(limit).is_some_and(|(length, limit)| length > limit) {
            return Err(Errno::FBIG);
        }
        // Each file system says in its own way that it has none, so any error leads to the next way, whose error
        // counts.
        let temp = TempFile::unnamed(folder).or_else(|_| TempFile::named(folder))?;
        Ok(TempFile { length, ..temp })
    }

    /// Takes over a file that was just created.
    fn new(file: OwnedFd, folder: &Arc<WritableFolder>, name: Option<TemporaryName>) -> TempFile {
        // The lock tells `WritableFolder::sweep` that the file is in use. A file system without locks is not swept.
        let _ = fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        TempFile { file: File::from(file), folder: Arc::clone(folder), name, length: None, written: 0, reserved: 0 }
    }

    /// A file without a name. The kernel removes it when the last descriptor is closed.
    fn unnamed(folder: &Arc<WritableFolder>) -> Result<TempFile, Errno> {
        // Without EXCL: it would forbid to give the file a name later.
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(TempFile::new(fs::openat(folder.as_fd(), c".", flags, NEW_FILE_MODE)?, folder, None))
    }

    /// A file with a name that is never served.
    pub(crate) fn named(folder: &Arc<WritableFolder>) -> Result<TempFile, Errno> {
        for _ in 0..TRIES {
            let name = TemporaryName::new(folder);
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match fs::openat(folder.as_fd(), &name.name[..], flags, NEW_FILE_MODE) {
                Err(Errno::EXIST) => continue,
                file => file?,
            };
            let temp = TempFile::new(file, folder, Some(name));
            // rclone stores a file that was never written some time after it was closed, even if it was removed by then.
            // To it this counts as a write.
            let _ = temp.close_another();
            // Before it was locked it looked abandoned, so a sweep may have removed it.
            if fs::fstat(&temp.file)?.st_nlink > 0 {
                return Ok(temp);
            }
        }
        Err(Errno::AGAIN)
    }

    fn make_room(&mut self, more: u64) -> Result<(), Errno> {
        let end = self.written + more;
        if end <= self.reserved {
            return Ok(());
        }
        // Asked each time, because other uploads use the same disk.
        if !self.folder.has_room(more)? {
            return Err(Errno::NOSPC);
        }
        // Without a length nothing is reserved: what lies beyond the end would stay with the file.
        let Some(length) = self.length.filter(|length| *length >= end) else { return Ok(()) };
        // Reserved in steps, so that a large file does not lie in many pieces. No more than has arrived: a client that declares
        // much and sends little must not keep the disk from others.
        let ahead = (end + end.min(RESERVED_AHEAD)).min(length);
        self.reserved = if self.folder.has_room(ahead - self.written)? { ahead } else { end };
        allocate(&self.file, self.reserved)
    }

    /// Appends bytes. Errors: the error of the kernel; `ENOSPC` also if they would use the space that uploads must
    /// leave free.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.make_room(bytes.len() as u64)?;
        (&self.file).write_all(bytes).map_err(errno)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Takes the permission bits of the file that will be replaced, and its owner and its group where that is allowed.
    /// Returns whether something was different.
    pub(crate) fn take_rights(&self, of: &Meta) -> Result<bool, Errno> {
        /// Read, write, execute. Not set-user-ID: the content is no longer the one that got that right.
        const PERMISSIONS: u32 = 0o777;
        let stat = fs::fstat(&self.file)?;
        let (owner, group) = of.owner;
        // The group first: only root may give away a file, but everybody may give it to a group of their own.
        let has_group = stat.st_gid == group || fs::fchown(&self.file, None, Some(Gid::from_raw(group))).is_ok();
        if stat.st_uid != owner {
            let _ = fs::fchown(&self.file, Some(Uid::from_raw(owner)), None);
        }
        let mut mode = of.mode & PERMISSIONS;
        if !has_group {
            // Another group gets no more than everybody: the rights were meant for the old one.
            mode &= 0o707 | (mode & 0o007) << 3;
        }
        let had = stat.st_mode & PERMISSIONS;
        if mode != had {
            let set = fs::fchmod(&self.file, Mode::from_raw_mode(mode));
            // Some mounts allow no change. Then the file must not be open to more people than the old one.
            if set.is_err() && had & !mode != 0 {
                set?;
            }
        }
        // After a change the file must be synced once more.
        Ok(mode != had || (stat.st_uid, stat.st_gid) != of.owner)
    }

    /// Waits until its content is on the disk.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        retry_on_intr(|| fs::fsync(&self.file))?;
        if self.name.is_some() { self.close_another() } else { Ok(()) }
    }

    /// Closes a second descriptor of the file: some network mounts (rclone) store a file when one is closed, and rename
    /// it only after that. The first one stays open and keeps the lock.
    fn close_another(&self) -> Result<(), Errno> {
        self.file.try_clone().map(drop).map_err(errno)
    }

    /// Metadata of the file as it is now.
    pub(crate) fn meta(&self) -> Result<Meta, Errno> {
        Meta::of(&fs::fstat(&self.file)?).ok_or(Errno::NOENT)
    }
}

/// The error of the kernel. The standard library has errors of its own, for a write that makes no progress: to a disk
/// that is an error of the device.
pub(super) fn errno(error: io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// Reserves space for `length` bytes, if the file system can: else a full disk is noticed while writing. Errors: the
/// disk has not that much space, or is broken.
pub(super) fn allocate(file: &File, length: u64) -> Result<(), Errno> {
    if length == 0 {
        return Ok(());
    }
    // KEEP_SIZE: the file must never be longer than the content that was written.
    match retry_on_intr(|| fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length)) {
        Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;
    use crate::files::root::{Root, Symlinks};
    use crate::files::testing::Folder;

    #[test]
    fn the_disk_keeps_no_more_than_twice_what_has_arrived() {
        let folder = Folder::new();
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let home = root.writable_folder(b"/").unwrap();
        let length: u64 = 64 << 20;
        let mut temp = TempFile::create_if_room(&home, Some(length)).unwrap();
        let kept = |temp: &TempFile| temp.file.metadata().unwrap().blocks() * 512;
        assert_eq!(kept(&temp), 0, "a length alone keeps nothing");
        let block = vec![7; 1 << 20];
        for arrived in (1..=length >> 20).map(|count| count << 20) {
            temp.write(&block).unwrap();
            assert!(kept(&temp) <= arrived + arrived.min(RESERVED_AHEAD) + (64 << 10), "{} of {arrived}", kept(&temp));
        }
        // Beyond the end nothing stays with the file.
        assert!(kept(&temp) <= length + (64 << 10), "{}", kept(&temp));
    }

    #[test]
    fn more_than_the_disk_has_is_refused_before_anything_is_written() {
        let folder = Folder::new();
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let home = root.writable_folder(b"/").unwrap();
        assert!(home.has_room(0).unwrap());
        assert!(!home.has_room(u64::MAX).unwrap() && !home.has_room(1 << 60).unwrap());
    }
}
