//! Which folder the root is, and whether it is still there.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Access, AtFlags, CWD, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::files::root::Root;

/// What tells one folder from another one at the same path, and whose it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The device number of the file system.
    pub(crate) device: u64,
    /// The number of the folder in it.
    pub(crate) inode: u64,
    /// The number of the user who owns it.
    pub(crate) owner: u32,
}

impl Identity {
    fn of(stat: &Stat) -> Identity {
        Identity { device: stat.st_dev, inode: stat.st_ino, owner: stat.st_uid }
    }

    /// Of the folder at the path of the operator; links are followed. Blocks.
    ///
    /// # Errors
    /// The error of the kernel; `ENOTDIR` if it is no folder.
    pub(crate) fn at(path: &Path) -> Result<Identity, Errno> {
        // The dot makes it an error if it is something else.
        fs::statat(CWD, path.join("."), AtFlags::empty()).map(|stat| Identity::of(&stat))
    }
}

impl Root {
    /// Where the folder of `path` is expected later, as an absolute path: the path itself, or for a single file the
    /// folder in which that really lies.
    ///
    /// # Errors
    /// The error of the kernel.
    pub(crate) fn place(path: &Path, is_single: bool) -> io::Result<PathBuf> {
        // Without the current folder the path "." would lead to the old one for ever.
        let place = if is_single { std::fs::canonicalize(path)?.parent().map(Path::to_path_buf) } else { None };
        place.map_or_else(|| std::path::absolute(path), Ok)
    }

    /// Which folder this is. Zeros, which no folder has, if the kernel does not tell.
    pub(crate) fn identity(&self) -> Identity {
        fs::fstat(&self.inner.descriptor).map_or_else(|_| Identity::default(), |stat| Identity::of(&stat))
    }

    /// Whether its rights let it be read, and reading it is refused all the same: by Landlock. Blocks.
    pub(crate) fn is_barred(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = fs::openat(&self.inner.descriptor, c".", flags, Mode::empty());
        let may_read = || fs::accessat(&self.inner.descriptor, c".", Access::READ_OK, AtFlags::EACCESS).is_ok();
        opened.is_err_and(|error| error == Errno::ACCESS) && may_read()
    }

    /// Whether the folder itself was removed. Then nothing is found in it and nothing can be
    /// stored. A new folder of the same name is another folder.
    pub fn is_gone(&self) -> bool {
        // A removed folder stays open here and looks like an empty one. Only its link count differs.
        self.inner.counts_links && fs::fstat(&self.inner.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }
}
