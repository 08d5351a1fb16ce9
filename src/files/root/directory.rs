//! An open folder, and what lies in it.
//!
//! Never: what this server would not serve. FIFOs, sockets, devices, links that lead out and names of
//! half-made uploads are not listed, so a listing and a GET say the same.
//!
//! The subtle things:
//! - Names are bytes. A name that is not UTF-8 is listed like any other; how to show it is the page's
//!   problem.
//! - A watch on a folder hears of what is done through the names in it. A link, a file that has other
//!   names too and one that another mount lies upon change without a word; so they are noticed here
//!   ([`Entries::tell_tale`]).

use std::ffi::CStr;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType};
#[cfg(target_os = "linux")]
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::files::root::{Kind, Meta, Moment, Root};

/// How names of half-made uploads begin: never listed and never served.
pub const TEMPORARY_PREFIX: &[u8] = b".barewire-";

/// A folder beneath the root.
#[derive(Debug)]
pub struct Directory {
    root: Root,
    /// Its path from the root, ending in a slash: links in it are resolved from the root, since
    /// beneath the folder alone `../x` could lead nowhere.
    path: Vec<u8>,
    pub(crate) descriptor: OwnedFd,
    meta: Meta,
}

/// A file or folder in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is; for a link, what it leads to.
    pub kind: Kind,
    /// Bytes of a file.
    pub size: u64,
    /// When its content changed last.
    pub modified: Moment,
}

/// What lies in a folder.
#[derive(Clone, Debug)]
pub struct Entries {
    /// In the order of the disk.
    pub list: Vec<Entry>,
    /// Whether every change of a file in it is made through its name here.
    pub tell_tale: bool,
}

impl Directory {
    pub(crate) fn new(root: Root, path: &[u8], descriptor: OwnedFd, meta: Meta) -> Directory {
        let mut path = path.to_vec();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        Directory { root, path, descriptor, meta }
    }

    /// What the kernel says about the folder itself.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Everything in it that this server would serve (the rule on dot files is the caller's). Blocks.
    ///
    /// # Errors
    /// What the kernel says. A name that vanishes while the folder is read is left out.
    pub fn entries(&self) -> io::Result<Entries> {
        let mut entries = Entries { list: Vec::new(), tell_tale: true };
        self.each(|name, kind, inode| self.add(&mut entries, name, kind, inode))?;
        Ok(entries)
    }

    /// Calls `look` with name, type and number of everything in the folder. The names lie in one buffer
    /// that the kernel has written: none of them is copied.
    #[cfg(target_os = "linux")]
    fn each(&self, mut look: impl FnMut(&CStr, FileType, u64) -> io::Result<()>) -> io::Result<()> {
        /// Room for about a thousand names a call.
        const ROOM: usize = 32 * 1024;
        // The position belongs to the descriptor, so the folder is opened anew: whoever reads it begins
        // at its start.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::openat(&self.descriptor, c".", flags, Mode::empty())?;
        let mut room = Vec::with_capacity(ROOM);
        let mut found = RawDir::new(descriptor, room.spare_capacity_mut());
        while let Some(found) = found.next() {
            let found = found?;
            look(found.file_name(), found.file_type(), found.ino())?;
        }
        Ok(())
    }

    /// The same where only the C library knows how.
    #[cfg(not(target_os = "linux"))]
    fn each(&self, mut look: impl FnMut(&CStr, FileType, u64) -> io::Result<()>) -> io::Result<()> {
        for found in rustix::fs::Dir::read_from(&self.descriptor)? {
            let found = found?;
            look(found.file_name(), found.file_type(), found.ino())?;
        }
        Ok(())
    }

    fn add(&self, entries: &mut Entries, name: &CStr, kind: FileType, inode: u64) -> io::Result<()> {
        let bytes = name.to_bytes();
        if matches!(bytes, b"." | b"..") || bytes.starts_with(TEMPORARY_PREFIX) {
            return Ok(());
        }
        let is_served =
            matches!(kind, FileType::RegularFile | FileType::Directory | FileType::Symlink | FileType::Unknown);
        if !is_served {
            return Ok(());
        }
        match self.measure(name, inode) {
            Ok((Meta { kind, size, modified, .. }, tells)) => {
                entries.tell_tale &= tells;
                entries.list.push(Entry { name: bytes.to_vec(), kind, size, modified });
            }
            // Out of resources: a shorter list would be a lie.
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => return Err(error.into()),
            // It vanished; or it is a link that leads nowhere, and may lead somewhere in a moment.
            Err(_) => entries.tell_tale &= matches!(kind, FileType::RegularFile | FileType::Directory),
        }
        Ok(())
    }

    /// What lies under a name, and whether it is the file itself and has no other name.
    fn measure(&self, name: &CStr, inode: u64) -> rustix::io::Result<(Meta, bool)> {
        let stat = rustix::fs::statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
            return Ok((self.root.measure(&[&self.path, name.to_bytes()].concat())?, false));
        }
        let meta = Meta::of(&stat).ok_or(Errno::NOENT)?;
        Ok((meta, meta.kind == Kind::Directory || (stat.st_nlink == 1 && stat.st_ino == inode)))
    }
}
