//! The only access to the disk: a folder that is held open, and everything beneath it.
//!
//! The kernel resolves each path from the descriptor of this folder with `RESOLVE_BENEATH`. It walks and checks in one
//! step, so nothing can be swapped between check and use. Servers that compare path strings, or resolve a path first
//! and open it later, have this race. Where `openat2` is missing, the path is walked from folder to folder. The walk
//! follows no link: it could not know where a link leads without losing the race against a program that swaps it.
//!
//! | | `openat2` | walk |
//! |---|---|---|
//! | `..` and absolute paths | refused | refused |
//! | a relative link that stays inside | followed with [`Symlinks::Inside`] | refused |
//! | a link that leads outside | followed with [`Symlinks::Any`] only | the same |
//! | a folder that is swapped for a link meanwhile | cannot lead outside | cannot lead outside |
//!
//! Only regular files and folders are ever opened: a FIFO would block the reader, `/dev/zero` would
//! never end. Nothing of `/proc`, `/sys` and the like is opened (`FileSystem`). Length and times of a file are read by
//! `fstat` from the descriptor that is sent, so a response never has the length of one file and the bytes of another.
//!
//! The functions give different guarantees:
//! - [`Root::open`] is the protected way. Everything that is sent to a client was opened by it.
//! - `Root::stat` is cheap and unprotected. It only confirms that a known file is unchanged.
//! - `Root::writable_folder` is the protected way for writes.

mod file_system;
mod identity;
mod publish;
mod stat;
mod sweep;
mod temp_file;
mod writable;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

pub(crate) use crate::service::FileSystem;
use crate::service::{OpenFile, text::printable};
use file_system::FileSystems;
pub(crate) use file_system::PSEUDO;
pub(crate) use publish::Publish;
pub use publish::Weakness;
pub(crate) use stat::CheckedPath;
pub(crate) use stat::{Directory, Entry, TEMPORARY_PREFIX};
pub(crate) use sweep::sweep;
pub(crate) use temp_file::TempFile;
pub(crate) use writable::{NameUse, NewFolders, WritableFolder};

/// Nothing else is ever served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FileKind {
    File,
    Directory,
}

/// A moment as the file system keeps it: seconds since 1970 (negative before it) and nanoseconds.
pub(crate) type Moment = (i64, u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    /// When the content was last changed. Programs can set this to any value.
    pub modified: Moment,
    /// When content, name or permissions last changed. Programs cannot set this.
    pub changed: Moment,
    pub kind: FileKind,
    /// Type and permission bits.
    pub mode: u32,
    /// The numbers of its user and its group.
    pub owner: (u32, u32),
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
            owner: (stat.st_uid, stat.st_gid),
        })
    }
}

/// How often a lookup that lost a race against a rename is tried before the response is an error.
/// Each try starts afresh, so only an attacker makes eight of them fail in a row.
const TRIES: usize = 8;

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Relative links that stay beneath the root. All others count as missing.
    #[default]
    Inside,
    /// None.
    Deny,
    /// All, also those that leave the root.
    Any,
}

impl Symlinks {
    /// What the kernel must refuse on the way.
    fn resolve(self) -> ResolveFlags {
        // Magic links are those in /proc/PID/fd: they lead to any file, past every check.
        match self {
            Symlinks::Inside => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
            Symlinks::Deny => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Symlinks::Any => ResolveFlags::NO_MAGICLINKS,
        }
    }
}

/// How a root opens paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMethod {
    /// `openat2`. What the kernel has in memory is opened on the loop.
    Cached,
    /// `openat2`, always on a worker: an older kernel, or a file system that may wait for a network.
    Worker,
    /// A walk with `O_NOFOLLOW`, always on a worker: `openat2` is missing or forbidden.
    Walk,
}

#[derive(Debug)]
pub(crate) enum Opened {
    /// Open for reading.
    File(OpenFile, Meta),
    Directory(Directory),
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
    file_systems: FileSystems,
    locks: writable::WriteLocks,
    /// Whether its file system counts the links of a folder, so that 0 means that it was removed.
    counts_links: bool,
}

impl Root {
    /// Opens the folder `path`. Links on the way are followed: the operator named this path.
    pub(crate) fn at(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        Root::with(path, symlinks, OpenMethod::probe)
    }

    /// Opens the folder; `method` decides how paths beneath it are opened.
    fn with(
        path: &Path,
        symlinks: Symlinks,
        method: impl FnOnce(&OwnedFd, FileSystem) -> OpenMethod,
    ) -> io::Result<Root> {
        let descriptor = fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let file_system = FileSystem::of(&descriptor);
        let (open_method, file_systems) = (method(&descriptor, file_system), FileSystems::new(file_system));
        let counts_links = fs::fstat(&descriptor).is_ok_and(|stat| stat.st_nlink > 0);
        let locks = writable::WriteLocks::default();
        Ok(Root { inner: Arc::new(RootState { descriptor, open_method, symlinks, file_systems, locks, counts_links }) })
    }

    /// Opens `path` for serving: a folder, or the folder of a single file. Returns the absolute path at which that
    /// folder is expected later, and the name of the file.
    pub(crate) fn of(path: &Path, symlinks: Symlinks) -> io::Result<(Root, PathBuf, Option<Vec<u8>>)> {
        // The operator named this path, so links are followed.
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_dir() {
            // Without the current folder the path "." would lead to the old one for ever.
            return Ok((Root::at(path, symlinks)?, std::path::absolute(path)?, None));
        }
        // The single file may be a link to anywhere. It is resolved once, here.
        let real = std::fs::canonicalize(path)?;
        match (kind.is_file(), real.parent(), real.file_name()) {
            (true, Some(parent), Some(name)) => {
                Ok((Root::at(parent, symlinks)?, parent.to_path_buf(), Some(name.as_bytes().to_vec())))
            }
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a folder nor a regular file")),
        }
    }

    /// The folder opened by [`OpenMethod::Walk`], even if this kernel has `openat2`.
    #[cfg(test)]
    pub(crate) fn walking(path: &Path, symlinks: Symlinks) -> io::Result<Root> {
        Root::with(path, symlinks, |_, _| OpenMethod::Walk)
    }

    /// How paths beneath this root are opened.
    pub fn open_method(&self) -> OpenMethod {
        self.inner.open_method
    }

    /// Whether the folder itself lies in `/proc`, `/sys` or the like, of which nothing is served.
    pub fn is_pseudo(&self) -> bool {
        self.inner.file_systems.root() == FileSystem::Pseudo
    }

    /// Which links are followed beneath it.
    pub(crate) fn symlinks(&self) -> Symlinks {
        self.inner.symlinks
    }

    /// Opens `path` for reading. It is the path of a URL, decoded: it begins with `/`, which is the
    /// root; a `/` at its end asks for a folder.
    ///
    /// Errors: the error of the kernel; `ENOENT` for anything that is neither a regular file nor a folder,
    /// and for a path with a segment `.` or `..`; `PSEUDO` for everything in `/proc` and the like;
    /// `EAGAIN` if it is not in memory and `may_block` is false: ask again on a worker.
    pub(crate) fn open(&self, path: &[u8], may_block: bool) -> Result<Opened, Errno> {
        // NONBLOCK: opening a FIFO must not wait for a writer. NOCTTY: a terminal that is opened must
        // not become the controlling terminal of the server.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let symlinks = self.inner.symlinks;
        let descriptor = match self.descriptor(path, flags, symlinks, may_block) {
            Err(Errno::ACCESS) => {
                // A folder that may be entered but not listed can still have an index, or need a redirect to its slash.
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let folder = self.descriptor(path, flags, symlinks, may_block);
                folder.map_err(|error| if error == Errno::AGAIN { error } else { Errno::ACCESS })
            }
            Err(Errno::XDEV) => {
                // Only here, where a worker looked: on the loop it may be another mount.
                log_skipped_link(path);
                Err(Errno::XDEV)
            }
            opened => opened,
        }?;
        // Measured after opening, on the descriptor that will be sent.
        let (meta, file_system) = self.inner.file_systems.measure(&descriptor, may_block)?;
        Ok(match meta.kind {
            FileKind::File => {
                Opened::File(OpenFile::new(File::from(descriptor), file_system, meta.device, meta.size), meta)
            }
            FileKind::Directory => Opened::Directory(Directory::new(self.clone(), path, descriptor, meta)),
        })
    }

    /// The kind of the file system of a file that was opened beneath this root.
    pub(crate) fn file_system(&self, meta: &Meta) -> FileSystem {
        self.inner.file_systems.get(meta.device)
    }

    /// Opens `path` by the method of this root. Errors: `EAGAIN` if that would block and must not; `ENOENT` if a segment
    /// is `.` or `..`.
    fn descriptor(&self, path: &[u8], flags: OFlags, symlinks: Symlinks, may_block: bool) -> Result<OwnedFd, Errno> {
        let path = relative(path).ok_or(Errno::NOENT)?;
        let (root, method) = (&self.inner.descriptor, self.inner.open_method);
        if !may_block && method != OpenMethod::Cached {
            return Err(Errno::AGAIN);
        }
        if method == OpenMethod::Walk {
            return walk(root.as_fd(), path, flags, symlinks);
        }
        let resolve = symlinks.resolve();
        if !may_block {
            // NO_XDEV: another mount may be a network file system, on which fstat would wait.
            let resolve = resolve | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
            return match fs::openat2(root, path, flags, Mode::empty(), resolve) {
                // EXDEV: out of the root, or onto another mount. A worker finds out which.
                Err(Errno::XDEV | Errno::INTR) => Err(Errno::AGAIN),
                opened => opened,
            };
        }
        let mut opened = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            opened = fs::openat2(root, path, flags, Mode::empty(), resolve);
            // AGAIN: a rename during the lookup, so the kernel cannot tell whether the path stayed beneath the root.
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        opened
    }
}

/// The path relative to the root; `None` if a segment is `.` or `..`.
fn relative(path: &[u8]) -> Option<&[u8]> {
    // Under `--symlinks any` the kernel does not confine the path, and an absolute one would leave the root.
    let slashes = path.iter().take_while(|&&b| b == b'/').count();
    let path = &path[slashes..];
    // No request has dot segments, and RESOLVE_BENEATH stops those that climb out. But it allows
    // `a/../b`, and under `--symlinks any` it is off.
    if path.split(|&b| b == b'/').any(|segment| matches!(segment, b"." | b"..")) {
        return None;
    }
    Some(if path.is_empty() { b"." } else { path })
}

/// Says that a link on `path` is not followed, and which option would change that. To a client it looks as if nothing
/// were there, so the log is the only place where its owner can learn the reason.
fn log_skipped_link(path: &[u8]) {
    /// After so many lines, only `--verbose` shows more: a client may ask for a link again and again.
    const MOST: usize = 32;
    static LOGGED: AtomicUsize = AtomicUsize::new(0);
    let level = if LOGGED.fetch_add(1, Ordering::Relaxed) < MOST { log::Level::Warn } else { log::Level::Debug };
    let path = printable(&String::from_utf8_lossy(path));
    log::log!(
        level,
        "not served: {path}: a symbolic link there is absolute or leads out of the folder. With --symlinks any it is followed"
    );
}

/// The path of the folder, with its slash, and the last name, which is empty after a slash at the end.
pub(crate) fn split_last(path: &[u8]) -> (&[u8], &[u8]) {
    path.split_at(path.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash + 1))
}

impl OpenMethod {
    /// Finds out which method this kernel has for this root.
    fn probe(root: &OwnedFd, file_system: FileSystem) -> OpenMethod {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // ENOSYS before Linux 5.6, EPERM under the seccomp filter of an older container runtime.
        if fs::openat2(root, c".", flags, Mode::empty(), beneath).is_err() {
            return OpenMethod::Walk;
        }
        // EINVAL before Linux 5.12.
        let cached = fs::openat2(root, c".", flags, Mode::empty(), beneath | ResolveFlags::CACHED);
        // CACHED covers the lookup only. Where fstat may wait for a network, no loop may call it.
        if cached.is_err() || file_system.may_wait() {
            return OpenMethod::Worker;
        }
        OpenMethod::Cached
    }
}

/// Opens each folder on the way from the one before it, without following links.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, symlinks: Symlinks) -> Result<OwnedFd, Errno> {
    if symlinks == Symlinks::Any {
        // Links may lead anywhere, so there is nothing to check.
        return fs::openat(root, path, flags, Mode::empty());
    }
    let on_the_way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut segments = path.split(|&b| b == b'/').filter(|segment| !segment.is_empty()).peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(segment) = segments.next() {
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        // PATH on the way: a folder that may be entered but not read must still lead further.
        if segments.peek().is_some() {
            at = Some(fs::openat(from, segment, on_the_way, Mode::empty())?);
            continue;
        }
        let last = if path.ends_with(b"/") { flags | OFlags::DIRECTORY } else { flags };
        let opened = fs::openat(from, segment, last | OFlags::NOFOLLOW, Mode::empty())?;
        // With O_PATH the kernel opens the link itself instead of refusing it.
        let is_link = FileType::from_raw_mode(fs::fstat(&opened)?.st_mode) == FileType::Symlink;
        return if is_link { Err(Errno::LOOP) } else { Ok(opened) };
    }
    // The path has no segments: it is the root itself.
    fs::openat(root, c".", flags, Mode::empty())
}

#[cfg(test)]
mod tests;
