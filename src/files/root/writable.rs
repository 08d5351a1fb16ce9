//! A folder that is held open for writing, and the operations on the names in it.
//!
//! Every write goes into a descriptor that [`OpenMethod`](crate::files::root::OpenMethod) opened. If a folder is
//! swapped for a link while an upload runs, the kernel refuses the link, and the descriptor still leads to the old
//! folder. Nothing is ever written outside the root, not even with `--symlinks any`, which is about reading.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use crate::files::root::{Meta, Root, Symlinks};
use crate::service::lock;

/// Folders that one upload may create. A folder dropped into a browser is seldom ten deep; a path
/// of 8 KiB could ask for four thousand.
const MAX_NEW_FOLDERS: usize = 32;
/// Locks for the names that are being published. Names share them by hash, and hold one for a few system calls.
const LOCKS: usize = 32;
/// Uploads leave a hundredth of the disk free, and at most this many bytes: a full disk stops more than this server.
const FREE_SPACE: u64 = 64 * 1024 * 1024;

/// State that all writers of one root share.
#[derive(Debug, Default)]
pub(crate) struct WriteLocks {
    locks: [Mutex<()>; LOCKS],
    /// With random keys, so that a client cannot choose names that wait for each other.
    hasher: RandomState,
    /// Device and inode of the folders that were swept.
    pub(super) swept: Mutex<HashSet<(u64, u64)>>,
}

#[derive(Debug)]
pub(crate) struct WritableFolder {
    descriptor: OwnedFd,
    /// Device and inode.
    pub(super) identity: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum NameUse {
    Free,
    File(Meta),
    Folder,
    /// A symbolic link, to anything.
    Link,
    /// A FIFO, a socket or a device, which this server never touches.
    Other,
}

/// Folders that were created for an upload: the parent and the name of each.
#[derive(Debug, Default)]
pub(crate) struct NewFolders(Vec<(Arc<WritableFolder>, Vec<u8>)>);

impl Root {
    /// Opens the folder at `path` for writing. Errors: the error of the kernel; `ENOTDIR` if the path leads to a file
    /// or through one.
    pub(crate) fn writable_folder(&self, path: &[u8]) -> Result<Arc<WritableFolder>, Errno> {
        let symlinks = match self.inner.symlinks {
            // Links that lead outside are followed for reading only.
            Symlinks::Any => Symlinks::Inside,
            other => other,
        };
        // RDONLY and not PATH, because fsync needs it. A folder without read permission takes no uploads.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = WritableFolder::new(self.descriptor(path, flags, symlinks, true)?)?;
        self.inner.file_systems.check(&folder.descriptor, folder.identity.0, true)?;
        Ok(folder)
    }

    /// The last existing folder on the way to `path`, which is collapsed, and the names that are missing after it. Errors: as [`Root::writable_folder`]; `ENOENT` if more than [`MAX_NEW_FOLDERS`] are missing.
    pub(crate) fn nearest<'a>(&self, path: &'a [u8]) -> Result<(Arc<WritableFolder>, Vec<&'a [u8]>), Errno> {
        let (mut rest, mut missing) = (path.strip_suffix(b"/").unwrap_or(path), Vec::new());
        loop {
            match self.writable_folder(rest) {
                Err(Errno::NOENT) if !rest.is_empty() && missing.len() < MAX_NEW_FOLDERS => {
                    let slash = rest.iter().rposition(|&b| b == b'/').unwrap_or(0);
                    // From the end to the beginning, so that the common case needs one open.
                    missing.insert(0, &rest[slash + 1..]);
                    rest = &rest[..slash];
                }
                folder => return Ok((folder?, missing)),
            }
        }
    }

    /// Opens the folder at `path` and creates all folders that are missing on the way. Errors: as [`Root::nearest`],
    /// and the error of `mkdir`. Then no new folder is left.
    pub(crate) fn make_folders(&self, path: &[u8]) -> Result<(Arc<WritableFolder>, NewFolders), Errno> {
        let (mut at, missing) = self.nearest(path)?;
        let mut made = NewFolders::default();
        for name in missing {
            match at.make_folder(name, &mut made) {
                Ok(next) => at = next,
                Err(error) => {
                    // A failed upload must leave no empty folders.
                    made.undo();
                    return Err(error);
                }
            }
        }
        Ok((at, made))
    }

    /// Locks `name` in `folder` against other uploads of this process, for a check and the step that depends on it.
    pub(crate) fn lock(&self, folder: &WritableFolder, name: &[u8]) -> MutexGuard<'_, ()> {
        let WriteLocks { locks, hasher, .. } = &self.inner.locks;
        // In lower case, since to exFAT, FAT and SMB `A` and `a` are one name.
        let hash = hasher.hash_one((folder.identity, String::from_utf8_lossy(name).to_lowercase()));
        lock(&locks[(hash % LOCKS as u64) as usize])
    }
}

impl WritableFolder {
    fn new(descriptor: OwnedFd) -> Result<Arc<WritableFolder>, Errno> {
        let stat = fs::fstat(&descriptor)?;
        Ok(Arc::new(WritableFolder { descriptor, identity: (stat.st_dev, stat.st_ino) }))
    }

    /// The descriptor, for calls that take a folder and a name.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Whether both are the same folder of the disk.
    pub(crate) fn is_same(&self, other: &WritableFolder) -> bool {
        self.identity == other.identity
    }

    /// How this name is used. A link is not followed.
    pub(crate) fn name_use(&self, name: &[u8]) -> Result<NameUse, Errno> {
        let stat = match fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(NameUse::Free),
            stat => stat?,
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Meta::of(&stat).map_or(NameUse::Other, NameUse::File),
            FileType::Directory => NameUse::Folder,
            // A link is reported as itself: it can be replaced or removed without touching its target.
            FileType::Symlink => NameUse::Link,
            _ => NameUse::Other,
        })
    }

    /// Removes a file, or a link itself.
    pub(crate) fn remove(&self, name: &[u8]) -> Result<(), Errno> {
        fs::unlinkat(&self.descriptor, name, AtFlags::empty())
    }

    pub(crate) fn remove_folder(&self, name: &[u8]) -> Result<(), Errno> {
        fs::unlinkat(&self.descriptor, name, AtFlags::REMOVEDIR)
    }

    /// Waits until the names in it are on the disk. `false`: this file system cannot say so (vboxsf, some FUSE), which
    /// is no failure of the change.
    pub(crate) fn sync(&self) -> Result<bool, Errno> {
        match rustix::io::retry_on_intr(|| fs::fsync(&self.descriptor)) {
            Err(Errno::INVAL | Errno::BADF | Errno::OPNOTSUPP) => Ok(false),
            synced => synced.map(|()| true),
        }
    }

    /// Whether the file `name` is mounted there on its own (`mount --bind`, `docker -v ./file:/srv/file`), so that no
    /// other file can take its place.
    pub(crate) fn is_mounted(&self, name: &[u8]) -> bool {
        let Ok(stat) = fs::statx(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty()) else {
            // No statx: a filter of an old container runtime. The caller asks only after a rename said so, too.
            return true;
        };
        // Linux 5.8.
        let is_known = stat.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT);
        !is_known || stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
    }

    /// Whether there are no names in it, hidden ones included.
    pub(crate) fn is_empty(&self) -> Result<bool, Errno> {
        for entry in Dir::read_from(&self.descriptor)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether `length` more bytes fit on the disk, with [`FREE_SPACE`] left.
    pub(crate) fn has_room(&self, length: u64) -> Result<bool, Errno> {
        let stat = fs::fstatvfs(&self.descriptor)?;
        // Some file systems in user space do not say.
        if stat.f_blocks == 0 {
            return Ok(true);
        }
        let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
        let free = (bytes(stat.f_blocks) / 100).min(FREE_SPACE);
        Ok(bytes(stat.f_bavail) >= length.saturating_add(free))
    }

    /// Opens the folder `name` in it, and creates it if it is missing.
    fn make_folder(
        self: &Arc<WritableFolder>,
        name: &[u8],
        made: &mut NewFolders,
    ) -> Result<Arc<WritableFolder>, Errno> {
        match fs::mkdirat(&self.descriptor, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => made.0.push((Arc::clone(self), name.to_vec())),
            // Another upload has created it meanwhile.
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error),
        }
        // NOFOLLOW: a link that appeared since the path was looked up may lead outside.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        WritableFolder::new(fs::openat(&self.descriptor, name, flags, Mode::empty())?)
    }
}

impl NewFolders {
    /// The upload has succeeded: waits until the names of the new folders are on the disk.
    pub(crate) fn keep(self) -> Result<(), Errno> {
        self.0.iter().try_for_each(|(folder, _)| folder.sync().map(drop))
    }

    /// The upload has failed: removes the new folders. A folder that is in use by now is not empty and stays.
    pub(crate) fn undo(self) {
        // The innermost first: a folder must be empty to be removed.
        for (folder, name) in self.0.iter().rev() {
            let _ = folder.remove_folder(name);
        }
    }
}
