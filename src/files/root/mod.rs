//! The only door to the disk: a folder held open, and everything beneath it.
//!
//! A path is resolved by the kernel from the descriptor of the root, with `RESOLVE_BENEATH`
//! (`door.rs`): it walks and checks in one step, so nothing can be swapped between check and use.
//! Servers that compare path strings or resolve first and open later lost that race.
//!
//! Never: a check by name, a path given to the kernel outside this folder of the source, anything
//! that is neither a regular file nor a folder (a FIFO would block a reader, `/dev/zero` would
//! stream for ever).
//!
//! The subtle things:
//! - What is answered is measured on the very descriptor that is sent (`fstat` after open). A length
//!   from one file and bytes of another never meet.
//! - `CACHED` covers the lookup only. Where `fstat` itself can wait for a network there is no inline
//!   door; and a lookup that would cross into another mount is left to the workers, since that mount
//!   may be such a one.

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

use rustix::fs::{self, FileType, Mode, OFlags, Stat};

pub use directory::{Directory, Entry, TEMPORARY_PREFIX};
pub use open_method::{OpenMethod, Symlinks};
pub(crate) use temp_file::{Publish, TempFile};
pub(crate) use writable::{Folder, Made, Occupant};

/// A regular file or a folder: nothing else is ever served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Directory,
}

/// A moment as the file system keeps it: seconds since 1970 (before it: negative) and nanoseconds.
pub type Moment = (i64, u32);

/// What the kernel says about an open file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    /// When the content changed last, as far as nobody set this by hand.
    pub modified: Moment,
    /// When content, name or rights changed last: nobody can set this by hand.
    pub changed: Moment,
    /// File or folder.
    pub kind: Kind,
    /// Type and permission bits.
    pub mode: u32,
}

impl Meta {
    /// `None` for what is neither a regular file nor a folder.
    fn of(stat: &Stat) -> Option<Meta> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            _ => return None,
        };
        Some(Meta {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime, stat.st_mtime_nsec as u32),
            changed: (stat.st_ctime, stat.st_ctime_nsec as u32),
            kind,
            mode: stat.st_mode,
        })
    }
}

/// What a path turned out to be.
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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    descriptor: OwnedFd,
    door: OpenMethod,
    symlinks: Symlinks,
    writers: writable::Writers,
    /// Whether its file system counts the names of a folder, so that 0 means that it was removed.
    is_counted: bool,
}

impl Inner {
    fn new(descriptor: OwnedFd, door: OpenMethod, symlinks: Symlinks) -> Inner {
        let is_counted = fs::fstat(&descriptor).is_ok_and(|stat| stat.st_nlink > 0);
        Inner { descriptor, door, symlinks, writers: writable::Writers::default(), is_counted }
    }
}

impl Root {
    /// Opens the folder `path`, which may itself lie behind links: whoever starts the server named it.
    ///
    /// # Errors
    /// What the kernel says about `path`.
    pub fn at(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        let descriptor = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let door = OpenMethod::probe(&descriptor);
        Ok(Root { inner: Arc::new(Inner::new(descriptor, door, symlinks)) })
    }

    /// Opens `path` for serving: a folder, or the folder around one file together with its name there.
    ///
    /// # Errors
    /// What the kernel says about `path`; [`io::ErrorKind::InvalidInput`] if it is neither.
    pub fn of(path: &Path, symlinks: Symlinks) -> io::Result<(Root, Option<Vec<u8>>)> {
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            return Ok((Root::at(path, symlinks)?, None));
        }
        // The one file may lie behind links that lead anywhere: they are followed once, here.
        let real = std::fs::canonicalize(path)?;
        match (kind.is_file(), real.parent(), real.file_name()) {
            (true, Some(parent), Some(name)) => Ok((Root::at(parent, symlinks)?, Some(name.as_bytes().to_vec()))),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a folder nor a regular file")),
        }
    }

    /// The same folder behind the portable door, whatever this kernel has.
    #[cfg(test)]
    pub(crate) fn walking(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        let descriptor = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Root { inner: Arc::new(Inner::new(descriptor, OpenMethod::Walk, symlinks)) })
    }

    /// Which door holds this root.
    pub fn door(&self) -> OpenMethod {
        self.inner.door
    }

    /// Whether the folder itself was removed. Nothing is found in it any more, and nothing can be put into
    /// it; a folder that is made under its name afterwards is another one.
    pub fn is_gone(&self) -> bool {
        self.inner.is_counted && fs::fstat(&self.inner.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Opens what lies at `path` for reading. A `path` is that of a URL, decoded: it begins with `/`,
    /// which is the root; `/` at its end asks for a folder.
    ///
    /// # Errors
    /// What the kernel says; `ENOENT` for anything that is neither a regular file nor a folder, and
    /// for a path with a segment `.` or `..`.
    pub fn open(&self, path: &[u8], may_block: bool) -> io::Result<Opened> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let descriptor = match self.descriptor(path, flags, may_block) {
            Ok(Some(descriptor)) => descriptor,
            Ok(None) => return Ok(Opened::WouldBlock),
            Err(rustix::io::Errno::ACCESS) => {
                // A folder that may be entered but not listed still has an index and a slash to add.
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                match self.descriptor(path, flags, may_block) {
                    Ok(Some(descriptor)) => descriptor,
                    Ok(None) => return Ok(Opened::WouldBlock),
                    Err(_) => return Err(rustix::io::Errno::ACCESS.into()),
                }
            }
            Err(error) => return Err(error.into()),
        };
        let meta = Meta::of(&fs::fstat(&descriptor)?).ok_or(rustix::io::Errno::NOENT)?;
        Ok(match meta.kind {
            Kind::File => Opened::File(File::from(descriptor), meta),
            Kind::Directory => Opened::Directory(Directory::new(self.clone(), path, descriptor, meta)),
        })
    }

    /// What lies at `path` now, by one call and not through the door: good for "the same inode,
    /// unchanged" and for nothing else. A link at its end is not followed and is nothing.
    pub(crate) fn look(&self, path: &[u8]) -> Option<Meta> {
        let stat = fs::statat(&self.inner.descriptor, relative(path)?, fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Meta::of(&stat)
    }

    /// The same for a path that has been looked at before.
    pub(crate) fn look_again(&self, path: &Known) -> Option<Meta> {
        let stat = fs::statat(&self.inner.descriptor, &*path.0, fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Meta::of(&stat)
    }

    /// Whether there is no link on the way to this folder.
    pub(crate) fn is_straight(&self, folder: &[u8]) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Some(path) = relative(folder) else { return false };
        let opened = self.inner.door.open(self.inner.descriptor.as_fd(), path, flags, Symlinks::Deny, false);
        matches!(opened, Ok(Some(_)))
    }

    /// Whether nothing has this name, not even a link.
    pub(crate) fn is_free(&self, path: &[u8]) -> bool {
        let Some(path) = relative(path) else { return true };
        let stat = fs::statat(&self.inner.descriptor, path, fs::AtFlags::SYMLINK_NOFOLLOW);
        matches!(stat, Err(rustix::io::Errno::NOENT | rustix::io::Errno::NAMETOOLONG))
    }

    /// Whether `path` leads to this very file without any link on the way.
    pub(crate) fn is_plain(&self, path: &[u8], meta: &Meta) -> bool {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let Some(path) = relative(path) else { return false };
        let opened = self.inner.door.open(self.inner.descriptor.as_fd(), path, flags, Symlinks::Deny, false);
        let Ok(Some(descriptor)) = opened else { return false };
        fs::fstat(&descriptor).is_ok_and(|stat| Meta::of(&stat).as_ref() == Some(meta))
    }

    /// What lies at `path`, without opening it for reading: for links in a listing, which are shown
    /// only if they lead to something this root would serve.
    fn measure(&self, path: &[u8]) -> rustix::io::Result<Meta> {
        let descriptor = self.descriptor(path, OFlags::PATH | OFlags::CLOEXEC, true)?;
        let stat = fs::fstat(descriptor.ok_or(rustix::io::Errno::AGAIN)?)?;
        Meta::of(&stat).ok_or(rustix::io::Errno::NOENT)
    }

    /// `None`: it would block.
    fn descriptor(&self, path: &[u8], flags: OFlags, may_block: bool) -> rustix::io::Result<Option<OwnedFd>> {
        let path = relative(path).ok_or(rustix::io::Errno::NOENT)?;
        self.inner.door.open(self.inner.descriptor.as_fd(), path, flags, self.inner.symlinks, may_block)
    }
}

/// A path as the kernel takes it from the root: nothing is checked or copied any more when it is looked at
/// again.
#[derive(Debug)]
pub(crate) struct Known(Box<CStr>);

impl Known {
    /// `None` for a path that is written in another way than it need be.
    pub(crate) fn new(path: &[u8]) -> Option<Known> {
        let seen = relative(path)?;
        let is_plain = path == b"/" || path.strip_prefix(b"/") == Some(seen);
        CString::new(seen).ok().filter(|_| is_plain).map(|path| Known(path.into()))
    }

    /// The path without its leading slash.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.to_bytes()
    }

    /// The folder in it, as a path of its own.
    pub(crate) fn folder(&self) -> &[u8] {
        let bytes = self.bytes();
        &bytes[..bytes.iter().rposition(|&o| o == b'/').map_or(0, |at| at + 1)]
    }
}

/// The path seen from the root. Its leading slashes go, since under `--symlinks any` an absolute path
/// would leave the root; `.` and `..` are refused although no request has them, since
/// `RESOLVE_BENEATH` allows `a/../b` and `any` allows more.
fn relative(path: &[u8]) -> Option<&[u8]> {
    let slashes = path.iter().take_while(|&&o| o == b'/').count();
    let path = &path[slashes..];
    let dots = |segment: &[u8]| matches!(segment, b"." | b"..");
    if path.split(|&o| o == b'/').any(dots) {
        return None;
    }
    Some(if path.is_empty() { b"." } else { path })
}

#[cfg(test)]
mod tests;
