//! Metadata without opening a file: the entries of a folder, and the cheap checks of the cache.
//!
//! Only entries that this server would serve are listed, so a listing and a GET agree. FIFOs,
//! sockets, devices, links that lead outside and temporary files of uploads are left out. Names are
//! bytes: a name that is not UTF-8 is listed like any other.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, StatxFlags};
use rustix::io::Errno;

use crate::files::root::{FileKind, Meta, Moment, OpenMethod, Root, Symlinks, relative, split_last};

/// Every temporary file of an upload has a name that begins with this. Such names are neither listed nor served.
pub(crate) const TEMPORARY_PREFIX: &[u8] = b".barewire-";
/// Bytes for the names that one `getdents64` call returns: about a thousand.
const READ_BUFFER: usize = 32 * 1024;

/// A folder beneath the root.
#[derive(Debug)]
pub(crate) struct Directory {
    root: Root,
    /// Path from the root, ending in a slash. Links in the folder are resolved from the root,
    /// because `../x` leads outside of this folder and may still lie beneath the root.
    path: Vec<u8>,
    descriptor: OwnedFd,
    meta: Meta,
}

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub name: Vec<u8>,
    /// File or folder; for a link, the kind of its target.
    pub kind: FileKind,
    pub size: u64,
    pub modified: Moment,
}

/// Two ticks of the slowest common kernel clock (100 per second).
const TWO_TICKS: Duration = Duration::from_millis(20);
const TWO_SECONDS: Duration = Duration::from_secs(2);

impl Meta {
    /// How long another change may leave the same times: file times are those of the last tick of the kernel's clock, or
    /// whole or even seconds (ext3, HFS+, FAT).
    pub(crate) fn resolution(&self) -> Duration {
        if self.has_whole_seconds() { TWO_SECONDS } else { TWO_TICKS }
    }

    pub(crate) fn has_whole_seconds(&self) -> bool {
        self.modified.1 == 0 && self.changed.1 == 0
    }
}

impl Directory {
    /// `path` is the one that `descriptor` was opened by.
    pub(crate) fn new(root: Root, path: &[u8], descriptor: OwnedFd, meta: Meta) -> Directory {
        let mut path = path.to_vec();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        Directory { root, path, descriptor, meta }
    }

    /// Metadata of the folder itself, from the moment it was opened.
    pub(crate) fn meta(&self) -> &Meta {
        &self.meta
    }

    /// All entries that this server would serve, in the order of the disk. Names that begin with a
    /// dot are included. May block.
    pub(crate) fn entries(&self) -> Result<Vec<Entry>, Errno> {
        // The read position belongs to the descriptor. A new descriptor starts at the first entry.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = fs::openat(&self.descriptor, c".", flags, Mode::empty())?;
        let mut buffer = Vec::with_capacity(READ_BUFFER);
        let mut found = RawDir::new(descriptor, buffer.spare_capacity_mut());
        let mut entries = Vec::new();
        while let Some(found) = found.next() {
            let found = found?;
            if !may_be_served(found.file_name().to_bytes(), found.file_type()) {
                continue;
            }
            match self.measure(found.file_name()) {
                Ok(Meta { kind, size, modified, .. }) => {
                    entries.push(Entry { name: found.file_name().to_bytes().to_vec(), kind, size, modified });
                }
                // Without memory or descriptors the list would be incomplete. Report that instead.
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error),
                // The entry vanished, or it is a link that leads outside or nowhere.
                Err(_) => {}
            }
        }
        Ok(entries)
    }

    /// Metadata of one name; for a link, of its target beneath the root.
    fn measure(&self, name: &CStr) -> Result<Meta, Errno> {
        let stat = fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)?;
        // The type from the directory may be unknown or out of date, so only this one decides about following a link.
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return self.root.measure(&[&self.path, name.to_bytes()].concat());
        }
        Meta::of(&stat).ok_or(Errno::NOENT)
    }
}

/// Whether an entry may be shown, by its name and its type alone. Entries that never are cost no `stat`.
fn may_be_served(name: &[u8], kind: FileType) -> bool {
    // Some file systems do not know the type here.
    let kinds = [FileType::RegularFile, FileType::Directory, FileType::Symlink, FileType::Unknown];
    !matches!(name, b"." | b"..") && !name.starts_with(TEMPORARY_PREFIX) && kinds.contains(&kind)
}

/// A path from the root in the form that the kernel takes: checked and copied once, used many times.
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
        split_last(self.bytes()).0
    }
}

impl Root {
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
        self.descriptor(path, flags | OFlags::CLOEXEC, Symlinks::Deny, false).ok()
    }

    /// The number of the device that a lookup of `path` would wait for: that of the deepest folder on the way which the
    /// kernel has in memory. Does not wait for any. 0: it is not known.
    pub(crate) fn device_on_the_way(&self, path: &[u8]) -> u64 {
        /// Folders that are tried, from the last one on. Nearly always the parent is in memory.
        const TRIES: usize = 8;
        if self.open_method() != OpenMethod::Cached {
            return 0;
        }
        let Some(mut path) = relative(path) else { return 0 };
        let (flags, resolve) = (OFlags::PATH | OFlags::CLOEXEC, self.inner.symlinks.resolve() | ResolveFlags::CACHED);
        for _ in 0..TRIES {
            if let Ok(folder) = fs::openat2(&self.inner.descriptor, path, flags, Mode::empty(), resolve) {
                // DONT_SYNC: the device number is asked of the kernel alone.
                let sync = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
                let stat = fs::statx(&folder, c"", sync, StatxFlags::empty());
                return stat.map_or(0, |stat| fs::makedev(stat.stx_dev_major, stat.stx_dev_minor));
            }
            let end = path.strip_suffix(b"/").unwrap_or(path).iter().rposition(|&b| b == b'/');
            path = end.map_or(b".", |end| &path[..end]);
        }
        0
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
        let descriptor = self.descriptor(path, OFlags::PATH | OFlags::CLOEXEC, self.inner.symlinks, true)?;
        Ok(self.inner.file_systems.measure(&descriptor, true)?.0)
    }
}
