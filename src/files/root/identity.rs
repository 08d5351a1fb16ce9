//! Which folder the root is, and whether it is still there.

use std::path::Path;

use rustix::fs::{self, Access, AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::files::root::{Meta, Root};

impl Meta {
    /// Of the folder at the path of the operator; links are followed. Blocks. Errors: `ENOTDIR` if it is no folder, and
    /// those of the kernel.
    pub(crate) fn of_folder(path: &Path) -> Result<Meta, Errno> {
        // The dot makes it an error if it is something else.
        Meta::of(&fs::statat(CWD, path.join("."), AtFlags::empty())?).ok_or(Errno::NOTDIR)
    }

    pub(crate) fn is_same_file(&self, other: &Meta) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl Root {
    /// Metadata of the folder itself.
    pub(crate) fn meta(&self) -> Result<Meta, Errno> {
        Meta::of(&fs::fstat(&self.inner.descriptor)?).ok_or(Errno::NOTDIR)
    }

    /// Whether its rights let it be read, and reading it is refused all the same: by Landlock. Blocks.
    pub(crate) fn is_barred(&self) -> bool {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = fs::openat(&self.inner.descriptor, c".", flags, Mode::empty());
        let may_read = || fs::accessat(&self.inner.descriptor, c".", Access::READ_OK, AtFlags::EACCESS).is_ok();
        opened.is_err_and(|error| error == Errno::ACCESS) && may_read()
    }

    /// Whether the folder itself was removed. Then nothing is found in it and nothing can be stored. A new folder of the
    /// same name is another folder.
    pub(crate) fn is_gone(&self) -> bool {
        // A removed folder stays open here and looks like an empty one. Only its link count differs.
        self.inner.counts_links && fs::fstat(&self.inner.descriptor).is_ok_and(|stat| stat.st_nlink == 0)
    }
}
