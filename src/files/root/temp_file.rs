//! A draft: a file on its way, which nobody can see, and how it gets its name.
//!
//! A draft is an unnamed file in the folder it is meant for (`O_TMPFILE`): if the process dies, the
//! kernel takes it away. Where the file system has none, it is a name that is never served
//! ([`TEMPORARY_PREFIX`]), created with `O_EXCL` and locked as long as somebody writes it.
//!
//! Publishing is one step for everybody who looks:
//! - create: `linkat` to the final name. The kernel's `EEXIST` judges the race between two writers.
//! - replace: `linkat` to a temporary name, `renameat` over the old file. A symbolic link at that name
//!   is replaced itself, and never what it points at.
//!
//! Never: a write into a file that has a name people know. Old whole or new whole.
//!
//! The subtle things:
//! - `TMPFILE | EXCL` would make a draft that can never be linked.
//! - Renaming one hard link onto another of the same file does nothing and leaves the source, so the
//!   temporary name is removed afterwards whatever happened.
//! - A file may be linked into another folder than the one it was made in only with a right that older
//!   fences do not know (Landlock before Linux 5.19 answers `EXDEV`), and never onto another mount.
//!   Then the draft is copied once, inside the kernel, and the copy is published.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{self, AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::files::root::writable::Folder;
use crate::files::root::{Meta, TEMPORARY_PREFIX};

/// Rights of a new file, before the umask takes some away.
const NEW: Mode = Mode::from_raw_mode(0o666);
/// How often a temporary name is drawn again. The first of 2^64 is free.
const TRIES: usize = 8;

/// A file that nobody sees yet. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) struct TempFile {
    file: File,
    home: Arc<Folder>,
    /// What it is called where there are no unnamed files.
    name: Option<Vec<u8>>,
    /// Whether the disk has set room aside for it.
    reserved: bool,
}

/// How a draft becomes visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publish {
    /// Under a name that must be free: `EEXIST` if it is not.
    Create,
    /// Under a name that may be taken.
    Replace,
}

impl TempFile {
    /// Begins a draft in `home`, with room set aside for `length` bytes.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` or `EFBIG` when that many bytes cannot be stored.
    pub(crate) fn begin(home: &Arc<Folder>, length: Option<u64>) -> io::Result<TempFile> {
        let mut draft = match TempFile::unnamed(home) {
            // EISDIR and ENOENT before Linux 3.11, EOPNOTSUPP and EINVAL by the file system.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL | Errno::NOSYS) => TempFile::named(home)?,
            draft => draft?,
        };
        draft.reserve(length)?;
        Ok(draft)
    }

    #[cfg(target_os = "linux")]
    fn unnamed(home: &Arc<Folder>) -> rustix::io::Result<TempFile> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = fs::openat(home.as_fd(), c".", flags, NEW)?;
        let draft = TempFile { file: File::from(file), home: Arc::clone(home), name: None, reserved: false };
        draft.hold();
        Ok(draft)
    }

    #[cfg(not(target_os = "linux"))]
    fn unnamed(_: &Arc<Folder>) -> rustix::io::Result<TempFile> {
        Err(Errno::OPNOTSUPP)
    }

    pub(crate) fn named(home: &Arc<Folder>) -> rustix::io::Result<TempFile> {
        for _ in 0..TRIES {
            let name = temporary_name();
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file: OwnedFd = match fs::openat(home.as_fd(), &name[..], flags, NEW) {
                Err(Errno::EXIST) => continue,
                file => file?,
            };
            let draft = TempFile { file: File::from(file), home: Arc::clone(home), name: Some(name), reserved: false };
            draft.hold();
            // Between its creation and its lock it looked abandoned, and somebody may have removed it.
            if fs::fstat(&draft.file)?.st_nlink > 0 {
                return Ok(draft);
            }
        }
        Err(Errno::AGAIN)
    }

    /// Says to whoever sweeps that this file is in use. Where there are no locks nothing is swept either.
    fn hold(&self) {
        let _ = fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive);
    }

    /// Sets room aside, so that a disk that is too small says so before the content is sent.
    fn reserve(&mut self, length: Option<u64>) -> rustix::io::Result<()> {
        let Some(length) = length else { return Ok(()) };
        if getrlimit(Resource::Fsize).current.is_some_and(|most| length > most) {
            return Err(Errno::FBIG);
        }
        self.reserved = true;
        if length == 0 {
            return Ok(());
        }
        // The size stays what was written, so that a draft is never longer than its content.
        match rustix::io::retry_on_intr(|| fs::fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, length)) {
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG | Errno::IO)) => Err(error),
            // A file system that cannot: what does not fit is found out while writing.
            _ => Ok(()),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// What the kernel says; `ENOSPC` as well when a draft of unknown length would use up the reserve.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.reserved && !self.home.has_room(bytes.len() as u64)? {
            return Err(Errno::NOSPC.into());
        }
        (&self.file).write_all(bytes)
    }

    /// Gives it the permission bits of the file it will replace; says whether they were others.
    pub(crate) fn take_mode(&self, mode: u32) -> rustix::io::Result<bool> {
        /// Read, write, execute: a file whose content changes does not stay set-user-ID.
        const PERMISSIONS: u32 = 0o777;
        let differs = (fs::fstat(&self.file)?.st_mode ^ mode) & PERMISSIONS != 0;
        if differs {
            fs::fchmod(&self.file, Mode::from_raw_mode(mode & PERMISSIONS))?;
        }
        Ok(differs)
    }

    /// Waits until its content is on the disk.
    pub(crate) fn sync(&self) -> rustix::io::Result<()> {
        rustix::io::retry_on_intr(|| fs::fsync(&self.file))
    }

    /// What the kernel says about it.
    pub(crate) fn meta(&self) -> rustix::io::Result<Meta> {
        Meta::of(&fs::fstat(&self.file)?).ok_or(Errno::NOENT)
    }

    /// Gives it its name in `folder`.
    ///
    /// # Errors
    /// What the kernel says. After a failed create it may be tried again; after a failed replace the draft
    /// may have lost its only name, and with it the right to another one.
    pub(crate) fn publish(&mut self, folder: &Arc<Folder>, name: &[u8], how: Publish) -> io::Result<()> {
        let step = |draft: &mut TempFile| match how {
            Publish::Create => draft.create(folder, name),
            Publish::Replace => draft.replace(folder, name),
        };
        match step(self) {
            Err(Errno::XDEV) if !folder.is(&self.home) => {
                *self = self.copied(folder)?;
                Ok(step(self)?)
            }
            other => Ok(other?),
        }
    }

    fn create(&mut self, folder: &Folder, name: &[u8]) -> rustix::io::Result<()> {
        let Some(own) = &self.name else { return self.link(folder, name) };
        match fs::renameat_with(self.home.as_fd(), &own[..], folder.as_fd(), name, RenameFlags::NOREPLACE) {
            // A file system that cannot promise that: it has hard links instead.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::linkat(self.home.as_fd(), &own[..], folder.as_fd(), name, AtFlags::empty())?;
                let _ = self.home.remove(own);
            }
            done => done?,
        }
        self.name = None;
        Ok(())
    }

    fn replace(&mut self, folder: &Folder, name: &[u8]) -> rustix::io::Result<()> {
        if let Some(own) = &self.name {
            fs::renameat(self.home.as_fd(), &own[..], folder.as_fd(), name)?;
            self.name = None;
            return Ok(());
        }
        let between = temporary_name();
        self.link(folder, &between)?;
        let renamed = fs::renameat(folder.as_fd(), &between[..], folder.as_fd(), name);
        let _ = folder.remove(&between);
        renamed
    }

    /// Names an unnamed file. By way of /proc, since naming it by its descriptor alone took a
    /// capability before Linux 6.10.
    #[cfg(target_os = "linux")]
    fn link(&self, folder: &Folder, name: &[u8]) -> rustix::io::Result<()> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match fs::linkat(CWD, path, folder.as_fd(), name, AtFlags::SYMLINK_FOLLOW) {
            Err(Errno::NOENT) => fs::linkat(&self.file, c"", folder.as_fd(), name, AtFlags::EMPTY_PATH),
            done => done,
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn link(&self, _: &Folder, _: &[u8]) -> rustix::io::Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    /// The same content as a draft of another folder.
    fn copied(&self, folder: &Arc<Folder>) -> io::Result<TempFile> {
        let meta = self.meta()?;
        let copy = TempFile::begin(folder, Some(meta.size))?;
        (&self.file).rewind()?;
        let copied = io::copy(&mut (&self.file).take(meta.size), &mut &copy.file)?;
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
            let _ = self.home.remove(name);
        }
    }
}

/// A name nobody serves and nobody has.
fn temporary_name() -> Vec<u8> {
    // The hasher's keys are random and differ at every call.
    let random = RandomState::new().hash_one(());
    [TEMPORARY_PREFIX, format!("{random:016x}").as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::{Root, Symlinks};
    use crate::files::testing::Folder as Place;

    fn names(place: &Place, below: &str) -> Vec<String> {
        let entries = std::fs::read_dir(place.join(below)).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    type Begin = fn(&Arc<Folder>) -> TempFile;
    /// With unnamed files, as here, and as on a file system that has none.
    const KINDS: [Begin; 2] = [|home| TempFile::begin(home, Some(3)).unwrap(), |home| TempFile::named(home).unwrap()];

    #[test]
    fn a_draft_is_seen_by_nobody_and_leaves_nothing() {
        for begin in KINDS {
            let place = Place::new();
            let root = Root::at(place.path(), Symlinks::Inside).unwrap();
            let home = root.folder(b"/").unwrap();
            let draft = begin(&home);
            draft.write(b"new").unwrap();
            let visible = names(&place, "").into_iter().filter(|name| !name.starts_with(".barewire-")).count();
            assert_eq!(visible, 0);
            // Whoever sweeps sees that it is in work.
            home.sweep();
            draft.sync().unwrap();
            assert_eq!(draft.meta().unwrap().size, 3);
            drop(draft);
            assert!(names(&place, "").is_empty());
        }
    }

    #[test]
    fn creating_never_replaces_and_replacing_replaces_a_link_itself() {
        for begin in KINDS {
            let place = Place::new();
            let kept = place.write("kept", "old");
            place.symlink("kept", "link");
            let root = Root::at(place.path(), Symlinks::Inside).unwrap();
            let home = root.folder(b"/").unwrap();
            let mut draft = begin(&home);
            draft.write(b"new").unwrap();
            for taken in ["kept", "link"] {
                let error = draft.publish(&home, taken.as_bytes(), Publish::Create).unwrap_err();
                assert_eq!(Errno::from_io_error(&error), Some(Errno::EXIST));
            }
            draft.publish(&home, b"link", Publish::Replace).unwrap();
            assert_eq!(std::fs::read(&kept).unwrap(), b"old");
            assert!(!place.join("link").is_symlink());
            drop(draft);
            assert_eq!(std::fs::read(place.join("link")).unwrap(), b"new");
            let mut draft = begin(&home);
            std::fs::create_dir(place.join("folder")).unwrap();
            let error = draft.publish(&home, b"folder", Publish::Replace).unwrap_err();
            assert_eq!(Errno::from_io_error(&error), Some(Errno::ISDIR));
            drop(draft);
            let mut draft = begin(&home);
            draft.publish(&home, b"fresh", Publish::Create).unwrap();
            drop(draft);
            assert_eq!(names(&place, ""), ["folder", "fresh", "kept", "link"]);
        }
    }

    #[test]
    fn a_new_folder_appears_with_its_file_and_goes_without_it() {
        for begin in KINDS {
            let place = Place::new();
            let root = Root::at(place.path(), Symlinks::Inside).unwrap();
            let (home, missing) = root.nearest(b"/a/b/c").unwrap();
            assert_eq!(missing, [b"a", b"b", b"c"]);
            let mut draft = begin(&home);
            assert!(names(&place, "").iter().all(|name| name.starts_with(".barewire-")));
            let (folder, made) = root.make(b"/a/b/c").unwrap();
            draft.publish(&folder, b"file", Publish::Create).unwrap();
            made.keep().unwrap();
            assert_eq!(names(&place, "a/b/c"), ["file"]);
            let (_, made) = root.make(b"/a/new/er").unwrap();
            std::fs::create_dir(place.join("a/new/used")).unwrap();
            made.undo();
            assert_eq!(names(&place, "a/new"), ["used"], "what somebody else has begun to use stays");
            drop(draft);
            assert_eq!(names(&place, ""), ["a"]);
        }
    }

    #[test]
    fn a_draft_that_may_not_be_linked_elsewhere_is_copied_whole() {
        for begin in KINDS {
            let place = Place::new();
            std::fs::create_dir(place.join("other")).unwrap();
            let root = Root::at(place.path(), Symlinks::Inside).unwrap();
            let draft = begin(&root.folder(b"/").unwrap());
            draft.write(b"new").unwrap();
            draft.take_mode(0o600).unwrap();
            let other = root.folder(b"/other").unwrap();
            let mut copy = draft.copied(&other).unwrap();
            drop(draft);
            copy.publish(&other, b"file", Publish::Create).unwrap();
            assert_eq!(std::fs::read(place.join("other/file")).unwrap(), b"new");
            assert_eq!(copy.meta().unwrap().mode & 0o777, 0o600);
            assert_eq!(names(&place, ""), ["other"]);
        }
    }

    #[test]
    fn more_than_the_disk_has_is_refused_before_anything_is_written() {
        let place = Place::new();
        let root = Root::at(place.path(), Symlinks::Inside).unwrap();
        let home = root.folder(b"/").unwrap();
        assert!(home.has_room(0).unwrap());
        assert!(!home.has_room(u64::MAX).unwrap() && !home.has_room(1 << 60).unwrap());
    }
}
