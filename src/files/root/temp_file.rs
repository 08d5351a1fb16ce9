//! A file that is being uploaded: invisible until it is published under its name in one step.
//!
//! It is an unnamed file in its folder (`O_TMPFILE`), which the kernel removes if the process dies.
//! A file system without unnamed files gets a file whose name is never served
//! ([`TEMPORARY_PREFIX`]), created with `O_EXCL` and locked while it is being written.
//!
//! A file that already has its public name is never written to, so readers see all of the old
//! content or all of the new one:
//! - create: `linkat` to the final name. If two uploads race, the kernel answers one of them with
//!   `EEXIST`.
//! - replace: `linkat` to a temporary name, then `renameat` over the old file. A symbolic link of
//!   that name is replaced itself, never the file it leads to.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Resource, getrlimit};

use crate::files::root::writable::WritableFolder;
use crate::files::root::{Meta, TEMPORARY_PREFIX};

/// Permissions of a new file, before the umask removes some.
const NEW_FILE_MODE: Mode = Mode::from_raw_mode(0o666);
/// How many temporary names are tried. The first of 2^64 is nearly always free.
const TRIES: usize = 8;

/// An invisible file. When it is dropped before it was published, nothing is left of it.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: File,
    folder: Arc<WritableFolder>,
    /// Its temporary name, on a file system without unnamed files.
    name: Option<Vec<u8>>,
    /// Whether the disk has reserved space for all of it.
    is_reserved: bool,
}

/// How a file becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// The name must be free; otherwise `EEXIST`.
    Create,
    /// The name may be in use.
    Replace,
}

impl TempFile {
    /// As [`TempFile::create_in`], but also leaves the space free that uploads must not use.
    ///
    /// # Errors
    /// As there; `ENOSPC` if that space would be needed.
    pub(crate) fn create_if_room(folder: &Arc<WritableFolder>, length: Option<u64>) -> io::Result<TempFile> {
        // Asked before the file is created: reserving alone would use the space that must stay free.
        if !folder.has_room(length.unwrap_or(0))? {
            return Err(Errno::NOSPC.into());
        }
        TempFile::create_in(folder, length)
    }

    /// Creates an invisible file in `folder`, with space reserved for `length` bytes.
    ///
    /// # Errors
    /// The error of the kernel; `ENOSPC` or `EFBIG` if that many bytes cannot be stored.
    fn create_in(folder: &Arc<WritableFolder>, length: Option<u64>) -> io::Result<TempFile> {
        let mut temp = match TempFile::unnamed(folder) {
            // EISDIR and ENOENT before Linux 3.11, EOPNOTSUPP and EINVAL by the file system.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => {
                TempFile::named(folder)?
            }
            temp => temp?,
        };
        temp.reserve(length)?;
        Ok(temp)
    }

    /// Takes over a file that was just created.
    fn new(file: OwnedFd, folder: &Arc<WritableFolder>, name: Option<Vec<u8>>) -> TempFile {
        // The lock tells `WritableFolder::sweep` that the file is in use. A file system without
        // locks is not swept.
        let _ = fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        TempFile { file: File::from(file), folder: Arc::clone(folder), name, is_reserved: false }
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
            let name = temporary_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = match fs::openat(folder.as_fd(), &name[..], flags, NEW_FILE_MODE) {
                Err(Errno::EXIST) => continue,
                file => file?,
            };
            let temp = TempFile::new(file, folder, Some(name));
            // Before it was locked it looked abandoned, so a sweep may have removed it.
            if fs::fstat(&temp.file)?.st_nlink > 0 {
                return Ok(temp);
            }
        }
        Err(Errno::AGAIN)
    }

    /// Reserves space, so that a disk that is too small is noticed before the content is sent.
    fn reserve(&mut self, length: Option<u64>) -> Result<(), Errno> {
        let Some(length) = length else { return Ok(()) };
        // Writing beyond this limit would end the process with SIGXFSZ.
        if getrlimit(Resource::Fsize).current.is_some_and(|limit| length > limit) {
            return Err(Errno::FBIG);
        }
        self.is_reserved = true;
        if length == 0 {
            return Ok(());
        }
        // KEEP_SIZE: the file must never be longer than the content that was written.
        match retry_on_intr(|| fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, length)) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => Err(error),
            // The file system cannot reserve. Then a full disk is noticed while writing.
            _ => Ok(()),
        }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// The error of the kernel; `ENOSPC` also if a file of unknown length would use the space that
    /// uploads must leave free.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // Asked for every piece, because other uploads use the same disk.
        if !self.is_reserved && !self.folder.has_room(bytes.len() as u64)? {
            return Err(Errno::NOSPC.into());
        }
        (&self.file).write_all(bytes)
    }

    /// Sets the permission bits of the file that will be replaced. Returns whether they were
    /// different.
    pub(crate) fn take_mode(&self, mode: u32) -> Result<bool, Errno> {
        /// Read, write, execute. Not set-user-ID: the content is no longer the one that got that
        /// right.
        const PERMISSIONS: u32 = 0o777;
        let differs = (fs::fstat(&self.file)?.st_mode ^ mode) & PERMISSIONS != 0;
        // Only if they differ, because after a change the file must be synced once more.
        if differs {
            fs::fchmod(&self.file, Mode::from_raw_mode(mode & PERMISSIONS))?;
        }
        Ok(differs)
    }

    /// Waits until its content is on the disk.
    pub(crate) fn sync(&self) -> Result<(), Errno> {
        retry_on_intr(|| fs::fsync(&self.file))
    }

    /// Metadata of the file as it is now.
    pub(crate) fn meta(&self) -> Result<Meta, Errno> {
        Meta::of(&fs::fstat(&self.file)?).ok_or(Errno::NOENT)
    }

    /// Gives it the name `name` in `folder`.
    ///
    /// # Errors
    /// The error of the kernel. After a failed create it may be tried again. After a failed replace
    /// the file may have lost its only name, and then it cannot get another one.
    pub(crate) fn publish(&mut self, folder: &Arc<WritableFolder>, name: &[u8], how: Publish) -> io::Result<()> {
        let step = |temp: &mut TempFile| match how {
            Publish::Create => temp.create(folder, name),
            Publish::Replace => temp.replace(folder, name),
        };
        match step(self) {
            // Another mount, or Landlock before Linux 5.19, which does not know the right to link
            // into another folder. The content is copied once, inside the kernel.
            Err(Errno::XDEV) if !folder.is_same(&self.folder) => {
                *self = self.copy_to(folder)?;
                Ok(step(self)?)
            }
            other => Ok(other?),
        }
    }

    /// Makes the file visible under a free name.
    fn create(&mut self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        let Some(own) = &self.name else { return self.link(folder, name) };
        match fs::renameat_with(self.folder.as_fd(), &own[..], folder.as_fd(), name, RenameFlags::NOREPLACE) {
            // The file system cannot rename without replacing. A hard link does not replace either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::linkat(self.folder.as_fd(), &own[..], folder.as_fd(), name, AtFlags::empty())?;
                let _ = self.folder.remove(own);
            }
            done => done?,
        }
        self.name = None;
        Ok(())
    }

    /// Makes the file visible under a name that may be in use.
    fn replace(&mut self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        if let Some(own) = &self.name {
            fs::renameat(self.folder.as_fd(), &own[..], folder.as_fd(), name)?;
            self.name = None;
            return Ok(());
        }
        // linkat cannot replace a name, so the file gets a temporary one first.
        let between = temporary_name();
        self.link(folder, &between)?;
        let renamed = fs::renameat(folder.as_fd(), &between[..], folder.as_fd(), name);
        // Always: renaming one hard link onto another one of the same file succeeds and leaves the
        // source.
        let _ = folder.remove(&between);
        renamed
    }

    /// Gives an unnamed file a name.
    fn link(&self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        // Through /proc, because linking a bare descriptor needs a capability before Linux 6.10.
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match fs::linkat(CWD, path, folder.as_fd(), name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::NOENT) => fs::linkat(&self.file, c"", folder.as_fd(), name, AtFlags::EMPTY_PATH),
            done => done,
        }
    }

    /// An invisible file with the same content in another folder.
    fn copy_to(&self, folder: &Arc<WritableFolder>) -> io::Result<TempFile> {
        let meta = self.meta()?;
        let copy = TempFile::create_in(folder, Some(meta.size))?;
        (&self.file).rewind()?;
        let copied = io::copy(&mut (&self.file).take(meta.size), &mut &copy.file)?;
        // The content was complete before, so a shorter copy means an error of the disk.
        if copied != meta.size {
            return Err(Errno::IO.into());
        }
        copy.take_mode(meta.mode)?;
        copy.sync()?;
        Ok(copy)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // An error leaves a hidden file, which the next start removes.
            let _ = self.folder.remove(name);
        }
    }
}

/// A name that is never served and that no other file has.
fn temporary_name() -> Vec<u8> {
    // The hasher's keys are random and differ in every call.
    let random = RandomState::new().hash_one(());
    [TEMPORARY_PREFIX, format!("{random:016x}").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::{Root, Symlinks};
    use crate::files::testing::Folder;

    fn names(folder: &Folder, below: &str) -> Vec<String> {
        let entries = std::fs::read_dir(folder.join(below)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    type CreateIn = fn(&Arc<WritableFolder>) -> TempFile;
    /// With unnamed files, as here, and as on a file system that has none.
    const BOTH: [CreateIn; 2] =
        [|home| TempFile::create_in(home, Some(3)).unwrap(), |home| TempFile::named(home).unwrap()];

    #[test]
    fn a_temporary_file_is_never_seen_and_leaves_nothing() {
        for create_in in BOTH {
            let folder = Folder::new();
            let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
            let home = root.writable_folder(b"/").unwrap();
            let temp = create_in(&home);
            temp.write(b"new").unwrap();
            let visible = names(&folder, "").into_iter().filter(|name| !name.starts_with(".barewire-")).count();
            assert_eq!(visible, 0);
            // A sweep sees that it is in use.
            home.sweep();
            temp.sync().unwrap();
            assert_eq!(temp.meta().unwrap().size, 3);
            drop(temp);
            assert!(names(&folder, "").is_empty());
        }
    }

    #[test]
    fn creating_never_replaces_and_replacing_replaces_a_link_itself() {
        for create_in in BOTH {
            let folder = Folder::new();
            let kept = folder.write("kept", "old");
            folder.symlink("kept", "link");
            let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
            let home = root.writable_folder(b"/").unwrap();
            let mut temp = create_in(&home);
            temp.write(b"new").unwrap();
            for taken in ["kept", "link"] {
                let error = temp.publish(&home, taken.as_bytes(), Publish::Create).unwrap_err();
                assert_eq!(Errno::from_io_error(&error), Some(Errno::EXIST));
            }
            temp.publish(&home, b"link", Publish::Replace).unwrap();
            assert_eq!(std::fs::read(&kept).unwrap(), b"old");
            assert!(!folder.join("link").is_symlink());
            drop(temp);
            assert_eq!(std::fs::read(folder.join("link")).unwrap(), b"new");
            let mut temp = create_in(&home);
            std::fs::create_dir(folder.join("folder")).unwrap();
            let error = temp.publish(&home, b"folder", Publish::Replace).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::ISDIR));
            drop(temp);
            let mut temp = create_in(&home);
            temp.publish(&home, b"fresh", Publish::Create).unwrap();
            drop(temp);
            assert_eq!(names(&folder, ""), ["folder", "fresh", "kept", "link"]);
        }
    }

    #[test]
    fn a_new_folder_appears_with_its_file_and_vanishes_without_it() {
        for create_in in BOTH {
            let folder = Folder::new();
            let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
            let (home, missing) = root.nearest(b"/a/b/c").unwrap();
            assert_eq!(missing, [b"a", b"b", b"c"]);
            let mut temp = create_in(&home);
            assert!(names(&folder, "").iter().all(|name| name.starts_with(".barewire-")));
            let (target, made) = root.make_folders(b"/a/b/c").unwrap();
            temp.publish(&target, b"file", Publish::Create).unwrap();
            made.keep().unwrap();
            assert_eq!(names(&folder, "a/b/c"), ["file"]);
            let (_, made) = root.make_folders(b"/a/new/er").unwrap();
            std::fs::create_dir(folder.join("a/new/used")).unwrap();
            made.undo();
            assert_eq!(names(&folder, "a/new"), ["used"], "a folder that is in use by now stays");
            drop(temp);
            assert_eq!(names(&folder, ""), ["a"]);
        }
    }

    #[test]
    fn a_file_that_may_not_be_linked_elsewhere_is_copied_whole() {
        for create_in in BOTH {
            let folder = Folder::new();
            std::fs::create_dir(folder.join("other")).unwrap();
            let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
            let temp = create_in(&root.writable_folder(b"/").unwrap());
            temp.write(b"new").unwrap();
            temp.take_mode(0o600).unwrap();
            let other = root.writable_folder(b"/other").unwrap();
            let mut copy = temp.copy_to(&other).unwrap();
            drop(temp);
            copy.publish(&other, b"file", Publish::Create).unwrap();
            assert_eq!(std::fs::read(folder.join("other/file")).unwrap(), b"new");
            assert_eq!(copy.meta().unwrap().mode & 0o777, 0o600);
            assert_eq!(names(&folder, ""), ["other"]);
        }
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
