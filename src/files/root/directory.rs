//! An open folder and the entries in it.
//!
//! Only entries that this server would serve are listed, so a listing and a GET agree. FIFOs,
//! sockets, devices, links that lead outside and temporary files of uploads are left out. Names are
//! bytes: a name that is not UTF-8 is listed like any other.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::files::root::{FileKind, Meta, Moment, Root};

/// Every temporary file of an upload has a name that begins with this. Such names are neither
/// listed nor served.
pub const TEMPORARY_PREFIX: &[u8] = b".barewire-";
/// Bytes for the names that one `getdents64` call returns: about a thousand.
const READ_BUFFER: usize = 32 * 1024;

/// A folder beneath the root.
#[derive(Debug)]
pub struct Directory {
    root: Root,
    /// Path from the root, ending in a slash. Links in the folder are resolved from the root,
    /// because `../x` leads outside of this folder and may still lie beneath the root.
    path: Vec<u8>,
    descriptor: OwnedFd,
    meta: Meta,
}

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// File or folder; for a link, the kind of its target.
    pub kind: FileKind,
    /// Size of a file in bytes.
    pub size: u64,
    /// When its content was last changed.
    pub modified: Moment,
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
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// All entries that this server would serve, in the order of the disk. Names that begin with a
    /// dot are included. May block.
    ///
    /// # Errors
    /// The error of the kernel. A name that vanishes during the call is left out.
    pub fn entries(&self) -> Result<Vec<Entry>, Errno> {
        // The read position belongs to the descriptor. A new descriptor starts at the first entry.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.descriptor, c".", flags, Mode::empty())?;
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
        let stat = rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)?;
        // The type from the directory may be unknown or out of date, so only this one decides about
        // following a link.
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return self.root.measure(&[&self.path, name.to_bytes()].concat());
        }
        Meta::of(&stat).ok_or(Errno::NOENT)
    }
}

/// Whether an entry can be shown, by its name and its type alone: saves a `stat` for what never is.
fn may_be_served(name: &[u8], kind: FileType) -> bool {
    // Some file systems do not know the type here.
    let kinds = [FileType::RegularFile, FileType::Directory, FileType::Symlink, FileType::Unknown];
    !matches!(name, b"." | b"..") && !name.starts_with(TEMPORARY_PREFIX) && kinds.contains(&kind)
}
