//! How an uploaded file gets its name: by the surest way that the file system has.
//!
//! | name | way, in this order | promise |
//! |---|---|---|
//! | free | `linkat` of the unnamed file | the kernel replaces nothing: of two that race, one gets `EEXIST` |
//! | | `renameat2` with `NOREPLACE`, then `linkat` and `unlinkat`, of a file with a temporary name | the same |
//! | | a look at the name, then `renameat`: no hard links (exFAT, FAT, rclone) | the same among clients of this server; a file that another program makes between the two is replaced |
//! | in use | `linkat` to a temporary name, then `renameat` | readers see all of the old content or all of the new one |
//! | | writing into the old file: it is a mount point of its own (`docker -v ./file:/srv/file`) | once all of the upload is there; meanwhile readers see a mixture, and a crash leaves it |
//!
//! A file that cannot get its name from where it lies (another mount, a folder that was removed, no `/proc`) is copied
//! once into the folder of the name, inside the kernel. Except for the last way, no file that has its public name is
//! ever written to. A symbolic link of that name is replaced itself, never the file it leads to.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::{self, AtFlags, CWD, Mode, OFlags, RenameFlags, SeekFrom};
use rustix::io::{Errno, retry_on_intr};

use crate::files::root::temp_file::{TempFile, TemporaryName, allocate, errno};
use crate::files::root::writable::{NameUse, WritableFolder};
use crate::files::root::{FileKind, Meta, Root};

/// What a file system cannot promise about changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// An upload may replace a file that another program makes at the same time.
    NoHardLinks,
    /// A power failure may undo the last changes of names.
    NoFolderSync,
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
    /// Gives it the name `name` in `folder`, and returns its metadata under that name. The caller holds
    /// [`Root::lock`](crate::files::root::Root::lock) for the name: not every way excludes others by itself. Errors:
    /// the error of the kernel. It may be tried again.
    pub(crate) fn publish(&mut self, folder: &Arc<WritableFolder>, name: &[u8], how: Publish) -> Result<Meta, Errno> {
        let mut named = self.give_name(folder, name, how);
        // `EXIST` is an answer. Any other error may be about the place of the file: XDEV and ACCES by Landlock, NOENT
        // for a folder that was removed.
        if let Err(error) = named
            && error != Errno::EXIST
            && (self.name.is_none() || !folder.is_same(&self.folder) || error == Errno::NOENT)
        {
            let mut copy = self.copy_to(folder)?;
            named = copy.give_name(folder, name, how);
            // After an error no copy may lie in the folder: it may be a new one that is to be removed.
            if named.is_ok() {
                *self = copy;
            }
        }
        match named {
            Err(Errno::BUSY | Errno::XDEV) if how == Publish::Replace && folder.is_mounted(name) => {
                self.write_into(folder, name)?;
            }
            named => named?,
        }
        // By name: some network mounts number a file by its name.
        match folder.name_use(name) {
            Ok(NameUse::File(meta)) => Ok(meta),
            _ => self.meta(),
        }
    }

    /// Makes the file visible without writing to any.
    fn give_name(&mut self, folder: &Arc<WritableFolder>, name: &[u8], how: Publish) -> Result<(), Errno> {
        if self.name.is_none() {
            if how == Publish::Create {
                return self.link(folder, name);
            }
            // linkat replaces nothing, so the file gets a temporary name first. If the rename fails, it keeps that one.
            let between = TemporaryName::new(folder);
            self.link(folder, &between.name)?;
            (self.folder, self.name) = (Arc::clone(folder), Some(between));
        }
        let Some(own) = &self.name else { return Err(Errno::NOENT) };
        match how {
            Publish::Replace => own.rename(folder, name)?,
            Publish::Create => match own.rename_exclusively(folder, name) {
                Ok(()) => {}
                Err(Errno::EXIST) => return Err(Errno::EXIST),
                // Whatever the reason: if it is not the way, the next one fails too, and its error counts.
                Err(_) if matches!(folder.name_use(name)?, NameUse::Free) => {
                    own.rename(folder, name)?;
                }
                Err(_) => return Err(Errno::EXIST),
            },
        }
        self.name = None;
        Ok(())
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

    /// A file with a temporary name and the same content in another folder.
    fn copy_to(&self, folder: &Arc<WritableFolder>) -> Result<TempFile, Errno> {
        let meta = self.meta()?;
        let copy = TempFile::named(folder)?;
        allocate(&copy.file, meta.size)?;
        self.copy_into(&copy.file, meta.size)?;
        copy.take_rights(&meta)?;
        copy.sync()?;
        Ok(copy)
    }

    /// Replaces the content of the file at `name`, and nothing else of it.
    fn write_into(&self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let target = File::from(fs::openat(folder.as_fd(), name, flags, Mode::empty())?);
        if Meta::of(&fs::fstat(&target)?).is_none_or(|meta| meta.kind != FileKind::File) {
            return Err(Errno::BUSY);
        }
        let size = self.meta()?.size;
        // A full disk must be noticed before the first byte of the old content is lost.
        allocate(&target, size)?;
        self.copy_into(&target, size)?;
        retry_on_intr(|| fs::ftruncate(&target, size))?;
        retry_on_intr(|| fs::fsync(&target))?;
        // The inode stays, so only the times tell two versions of the same size apart. The name is still locked: until
        // these times are over, no other upload can get them.
        let written = Meta::of(&fs::fstat(&target)?);
        std::thread::sleep(written.map_or(Duration::ZERO, |meta| meta.resolution()));
        Ok(())
    }

    /// Writes its content, `size` bytes, at the position of `target`.
    fn copy_into(&self, mut target: &File, size: u64) -> Result<(), Errno> {
        fs::seek(&self.file, SeekFrom::Start(0))?;
        let copied = io::copy(&mut (&self.file).take(size), &mut target).map_err(errno)?;
        // The content was complete before, so a shorter copy means an error of the disk.
        if copied == size { Ok(()) } else { Err(Errno::IO) }
    }
}

impl TemporaryName {
    /// Moves the file to a name that may be in use.
    fn rename(&self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        fs::renameat(self.folder.as_fd(), &self.name[..], folder.as_fd(), name)
    }

    /// Moves the file to a name that must be free, in a step of the kernel.
    fn rename_exclusively(&self, folder: &WritableFolder, name: &[u8]) -> Result<(), Errno> {
        let (from, own) = (self.folder.as_fd(), &self.name[..]);
        match fs::renameat_with(from, own, folder.as_fd(), name, RenameFlags::NOREPLACE) {
            done @ (Ok(()) | Err(Errno::EXIST)) => done,
            // A hard link does not replace either. The other name is removed with `self`.
            Err(_) => fs::linkat(from, own, folder.as_fd(), name, AtFlags::empty()),
        }
    }
}

impl Root {
    /// What changes by clients cannot promise on this file system. It is found out by giving a temporary file another
    /// temporary name, if clients may create files. Where not even that works, each upload will say why. Blocks.
    pub fn weaknesses(&self, may_create: bool) -> Vec<Weakness> {
        let Ok(top) = self.writable_folder(b"/") else { return Vec::new() };
        let has_no_links = may_create && !can_exclude_others(&top);
        let has_no_sync = top.sync() == Ok(false);
        let found = [(has_no_links, Weakness::NoHardLinks), (has_no_sync, Weakness::NoFolderSync)];
        found.into_iter().filter_map(|(is_there, weakness)| is_there.then_some(weakness)).collect()
    }
}

/// Whether the file system can create a name only if it is free.
fn can_exclude_others(folder: &Arc<WritableFolder>) -> bool {
    // The first to be made, so that it is removed after the file was closed.
    let other = TemporaryName::new(folder);
    let Ok(temp) = TempFile::create_in(folder, None) else { return true };
    // What can make unnamed files has hard links too.
    temp.name.as_ref().is_none_or(|own| own.rename_exclusively(folder, &other.name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::{Symlinks, sweep};
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
            let mut temp = create_in(&home);
            temp.write(b"new").unwrap();
            let visible = names(&folder, "").into_iter().filter(|name| !name.starts_with(".barewire-")).count();
            assert_eq!(visible, 0);
            // A sweep sees that it is in use.
            sweep(&home);
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
                assert_eq!(error, Errno::EXIST);
            }
            temp.publish(&home, b"link", Publish::Replace).unwrap();
            assert_eq!(std::fs::read(&kept).unwrap(), b"old");
            assert!(!folder.join("link").is_symlink());
            drop(temp);
            assert_eq!(std::fs::read(folder.join("link")).unwrap(), b"new");
            let mut temp = create_in(&home);
            std::fs::create_dir(folder.join("folder")).unwrap();
            let error = temp.publish(&home, b"folder", Publish::Replace).unwrap_err();
            assert_eq!(error, Errno::ISDIR);
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
            let mut temp = create_in(&root.writable_folder(b"/").unwrap());
            temp.write(b"new").unwrap();
            temp.take_rights(&Meta { mode: 0o600, ..temp.meta().unwrap() }).unwrap();
            let other = root.writable_folder(b"/other").unwrap();
            let mut copy = temp.copy_to(&other).unwrap();
            drop(temp);
            copy.publish(&other, b"file", Publish::Create).unwrap();
            assert_eq!(std::fs::read(folder.join("other/file")).unwrap(), b"new");
            assert_eq!(copy.meta().unwrap().mode & 0o777, 0o600);
            assert_eq!(names(&folder, ""), ["other"]);
        }
    }
}
