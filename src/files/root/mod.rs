//! The only access to the disk: a folder that is held open, and everything beneath it.
//!
//! The kernel resolves each path from the descriptor of this folder with `RESOLVE_BENEATH`
//! ([`OpenMethod`]). It walks and checks in one step, so nothing can be swapped between check and
//! use. Servers that compare path strings, or resolve a path first and open it later, have lost
//! that race.
//!
//! Only regular files and folders are ever opened: a FIFO would block the reader, `/dev/zero` would
//! never end. What is said about a file is measured by `fstat` on the very descriptor that is sent,
//! so the length of one file and the bytes of another never meet.
//!
//! The functions differ in what their result allows to conclude:
//! - [`Root::open`] is the protected way. Everything that is sent to a client was opened by it.
//! - [`Root::stat`] is cheap and unprotected. It only confirms that a known file is unchanged.
//! - [`Root::writable_folder`] is the protected way for writes.

mod directory;
mod open_method;
mod temp_file;
mod writable;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

pub use directory::{Directory, Entry, TEMPORARY_PREFIX};
pub use open_method::{OpenMethod, Symlinks};
pub(crate) use temp_file::{Publish, TempFile};
pub(crate) use writable::{NameUse, NewFolders, WritableFolder};

/// A regular file or a folder: nothing else is ever served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
}

/// A moment as the file system keeps it: seconds since 1970 (negative before it) and nanoseconds.
pub type Moment = (i64, u32);

/// Metadata of an open file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The device number of the file system.
    pub device: u64,
    /// The number of the file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When the content was last changed. Programs can set this to any value.
    pub modified: Moment,
    /// When content, name or permissions last changed. Programs cannot set this.
    pub changed: Moment,
    /// File or folder.
    pub kind: FileKind,
    /// Type and permission bits.
    pub mode: u32,
}

impl Meta {
    /// `None` if it is neither a regular file nor a folder.
    fn of(stat: &Stat) -> Option<Meta> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::File,
            FileType::Directory => FileKind::Directory,
            _ => return None,
        };
        Some(Meta {
            device: stat.st_dev,
            inode: stat.st_ino,
            // Never negative for files and folders.
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime, stat.st_ctime_nsec as u32),
            kind,
            mode: stat.st_mode,
        })
    }
}

/// The result of opening a path.
#[derive(Debug)]
pub enum Opened {
    /// A regular file, open for reading.
    File(File, Meta),
    /// A folder.
    Directory(Directory),
    /// The kernel does not have it in memory: ask again on a worker.
    WouldBlock,
}

/// A served folder. Clones are the same folder.
#[derive(Clone, Debug)]
pub struct Root {
    inner: Arc<RootState>,
}

/// The state that all clones of a root share.
#[derive(Debug)]
struct RootState {
    descriptor: OwnedFd,
    open_method: OpenMethod,
    symlinks: Symlinks,
    locks: writable::WriteLocks,
    /// Whether its file system counts the links of a folder, so that 0 means that it was removed.
    counts_links: bool,
}

impl Root {
    /// Opens the folder `path`. Links on the way are followed: the operator named this path.
    ///
    /// # Errors
    /// The error of the kernel.
    pub fn at(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        Root::with(path, symlinks, OpenMethod::probe)
    }

    /// Opens the folder; `method` decides how paths beneath it are opened.
    fn with(path: &Path, symlinks: Symlinks, method: impl FnOnce(&OwnedFd) -> OpenMethod) -> io::Result<Root> {
        let descriptor = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let (open_method, locks) = (method(&descriptor), writable::WriteLocks::default());
        let counts_links = fs::fstat(&descriptor).is_ok_and(|stat| stat.st_nlink > 0);
        Ok(Root { inner: Arc::new(RootState { descriptor, open_method, symlinks, locks, counts_links }) })
    }

    /// Opens `path` for serving: a folder, or the folder of a single file together with the name of
    /// that file.
    ///
    /// # Errors
    /// The error of the kernel; [`io::ErrorKind::InvalidInput`] if it is neither.
    pub fn of(path: &Path, symlinks: Symlinks) -> io::Result<(Root, Option<Vec<u8>>)> {
        // The operator named this path, so links are followed.
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Ok((Root::at(path, symlinks)?, None));
        }
        // The single file may be a link to anywhere. It is resolved once, here.
        let real = std::fs::canonicalize(path)?;
        match (kind.is_file(), real.parent(), real.file_name()) {
            (true, Some(parent), Some(name)) => Ok((Root::at(parent, symlinks)?, Some(name.as_bytes().to_vec()))),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a folder nor a regular file")),
        }
    }

    /// The folder opened by [`OpenMethod::Walk`], even if this kernel has `openat2`.
    #[cfg(test)]
    pub(crate) fn walking(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        Root::with(path, symlinks, |_| OpenMethod::Walk)
    }

    /// How paths beneath this root are opened.
    pub fn open_method(&self) -> OpenMethod {
        self.inner.open_method
    }

    /// Whether the folder itself was removed. Then nothing is found in it and nothing can be
    /// stored. A new folder of the same name is another folder.
    pub fn is_gone(&self) -> bool {
        // A removed folder stays open here and looks like an empty one; only its link count tells.
        self.inner.counts_links && fs::fstat(&self.inner.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Opens `path` for reading. It is the path of a URL, decoded: it begins with `/`, which is the
    /// root; a `/` at its end asks for a folder.
    ///
    /// # Errors
    /// The error of the kernel; `ENOENT` for anything that is neither a regular file nor a folder,
    /// and for a path with a segment `.` or `..`.
    pub fn open(&self, path: &[u8], may_block: bool) -> io::Result<Opened> {
        // NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal must not become
        // ours.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = match self.descriptor(path, flags, may_block) {
            Err(Errno::ACCESS) => {
                // A folder that may be entered but not listed can still have an index, or need a
                // redirect to its slash.
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                self.descriptor(path, flags, may_block).map_err(|_| Errno::ACCESS)
            }
            opened => opened,
        };
        let Some(descriptor) = opened? else { return Ok(Opened::WouldBlock) };
        // Measured after opening, on the descriptor that will be sent.
        let meta = Meta::of(&fs::fstat(&descriptor)?).ok_or(Errno::NOENT)?;
        Ok(match meta.kind {
            FileKind::File => Opened::File(File::from(descriptor), meta),
            FileKind::Directory => Opened::Directory(Directory::new(self.clone(), path, descriptor, meta)),
        })
    }

    /// Metadata of `path`. Not protected against links on the way, so the only conclusion allowed
    /// is "the same inode, unchanged". A link at its end is not followed and is nothing.
    pub(crate) fn stat(&self, path: &CheckedPath) -> Option<Meta> {
        Meta::of(&fs::statat(&self.inner.descriptor, &*path.0, AtFlags::SYMLINK_NOFOLLOW).ok()?)
    }

    /// Whether this folder can be reached without following a link.
    pub(crate) fn is_reached_without_links(&self, folder: &[u8]) -> bool {
        self.open_without_links(folder, OFlags::PATH | OFlags::DIRECTORY).is_some()
    }

    /// Whether `path` leads to this very file without any link on the way.
    pub(crate) fn is_without_links(&self, path: &[u8], meta: &Meta) -> bool {
        let opened = self.open_without_links(path, OFlags::PATH);
        opened.is_some_and(|opened| fs::fstat(&opened).is_ok_and(|stat| Meta::of(&stat).as_ref() == Some(meta)))
    }

    /// Opens `path`, but only if no link is on the way and no disk must be waited for.
    fn open_without_links(&self, path: &[u8], flags: OFlags) -> Option<OwnedFd> {
        let (root, flags) = (self.inner.descriptor.as_fd(), flags | OFlags::CLOEXEC);
        self.inner.open_method.open(root, relative(path)?, flags, Symlinks::Deny, false).ok()?
    }

    /// Whether nothing has this name, not even a link.
    pub(crate) fn is_free(&self, path: &[u8]) -> bool {
        // A path that is never opened cannot lead to anything.
        let Some(path) = relative(path) else { return true };
        let stat = fs::statat(&self.inner.descriptor, path, AtFlags::SYMLINK_NOFOLLOW);
        matches!(stat, Err(Errno::NOENT | Errno::NAMETOOLONG))
    }

    /// Metadata of `path` without opening it for reading. For links in a listing, which are shown
    /// only if they lead to something this root would serve.
    fn measure(&self, path: &[u8]) -> Result<Meta, Errno> {
        let descriptor = self.descriptor(path, OFlags::PATH | OFlags::CLOEXEC, true)?;
        Meta::of(&fs::fstat(descriptor.ok_or(Errno::AGAIN)?)?).ok_or(Errno::NOENT)
    }

    /// `None`: it would block.
    fn descriptor(&self, path: &[u8], flags: OFlags, may_block: bool) -> Result<Option<OwnedFd>, Errno> {
        let path = relative(path).ok_or(Errno::NOENT)?;
        self.inner.open_method.open(self.inner.descriptor.as_fd(), path, flags, self.inner.symlinks, may_block)
    }
}

/// A path from the root in the form that the kernel takes: checked and copied once, used many
/// times.
#[derive(Debug)]
pub(crate) struct CheckedPath(Box<CStr>);

impl CheckedPath {
    /// `None` for a path that is not in its shortest form.
    pub(crate) fn new(path: &[u8]) -> Option<CheckedPath> {
        let relative = relative(path)?;
        let is_shortest = path == b"/" || path.strip_prefix(b"/") == Some(relative);
        CString::new(relative).ok().filter(|_| is_shortest).map(|path| CheckedPath(path.into()))
    }

    /// The path without its leading slash.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    /// The path of the folder that contains it, with a slash at its end.
    pub(crate) fn folder(&self) -> &[u8] {
        let bytes = self.bytes();
        &bytes[..bytes.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1)]
    }
}

/// The path relative to the root; `None` if a segment is `.` or `..`.
fn relative(path: &[u8]) -> Option<&[u8]> {
    // Under `--symlinks any` the kernel does not confine the path, and an absolute one would leave
    // the root.
    let slashes = path.iter().take_while(|&&b| b == b'/').count();
    let path = &path[slashes..];
    // No request has dot segments, and RESOLVE_BENEATH stops those that climb out. But it allows
    // `a/../b`, and under `--symlinks any` it is off.
    if path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return None;
    }
    Some(if path.is_empty() { b"." } else { path })
}

#[cfg(test)]
mod tests;
