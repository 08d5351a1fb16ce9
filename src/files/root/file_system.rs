//! The kind of a file system: which one it is, and when that is asked for. What the kinds mean is a table in
//! [`crate::service::open_file`].
//!
//! Nothing on a pseudo file system is served: in `/proc` every size is 0, in `/sys` it is 4096, and a read of
//! `/proc/kmsg` or of `trace_pipe` waits until the kernel has something to say.
//!
//! The kind is asked for by `fstatfs`, which itself may wait. So only a worker asks, and the answer is kept for each
//! device number. A loop opens files of the root's own mount only, whose kind is known from the start.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::fd::AsFd;
use rustix::fs::{self, AtFlags, StatxFlags};
use rustix::io::Errno;

use crate::files::root::{FileKind, Meta};
use crate::service::{FileSystem, lock};

/// The error for everything on a pseudo file system. The kernel gives it for removable media only, so here it has no
/// other meaning.
pub(crate) const PSEUDO: Errno = Errno::MEDIUMTYPE;
/// A kind is asked for again after this time: the kernel gives the number of an unmounted device to the next one.
const KEEP: Duration = Duration::from_secs(1);
/// Devices that are remembered; a root with more mounts beneath it asks more often.
const MAX_DEVICES: usize = 64;

impl FileSystem {
    /// The kind of the file system of an open file or folder. May block.
    pub(crate) fn of(file: impl AsFd) -> FileSystem {
        // Only a program that does not know this call makes it fail.
        fs::fstatfs(file).map_or(FileSystem::Fuse, |stat| FileSystem::of_magic(stat.f_type as u32))
    }

    /// The kind by the number of `statfs(2)`.
    fn of_magic(magic: u32) -> FileSystem {
        match magic {
            0x0102_1994 | 0x8584_58f6 => FileSystem::Memory, // tmpfs, ramfs
            0x6573_5546 => FileSystem::Fuse,                 // virtiofs too
            0x4d44 | 0x2011_bab0 => FileSystem::Fat,         // FAT, exFAT
            0x517b | 0xfe53_4d42 | 0xff53_4d42 // SMB in three generations
                | 0x0102_1997 // 9p
                | 0x786f_4256 // VirtualBox shared folders
                | 0xbacb_acbc // VMware shared folders
                => FileSystem::Share,
            0x6969 // NFS
                | 0x00c3_6400 // Ceph
                | 0x5346_414f | 0x6b41_4653 // AFS: OpenAFS, the kernel's own
                | 0x7375_7245 // Coda
                | 0x564c // NCP
                | 0x0116_1970 // GFS2: a lock of the cluster
                | 0x7461_636f // OCFS2: the same
                | 0x0bd0_0bd0 // Lustre
                | 0x4750_4653 // GPFS
                | 0x1983_0326 // BeeGFS
                | 0x0187 // autofs: a lookup makes it mount
                => FileSystem::Remote,
            0x9fa0 // proc
                | 0x6265_6572 // sysfs
                | 0x6462_6720 | 0x7472_6163 // debugfs, tracefs
                | 0x0027_e0eb | 0x6367_7270 // cgroup in two generations
                | 0x6265_6570 // configfs
                | 0x7363_6673 | 0xf97c_ff8c | 0x4341_5d53 // securityfs, SELinux, Smack
                | 0xcafe_4a11 // bpf
                | 0x4249_4e4d // binfmt_misc
                | 0x6573_5543 // fusectl
                | 0x6e73_6673 // namespaces
                | 0x1980_0202 // POSIX message queues
                | 0x0765_5821 // resctrl
                | 0x6759_6969 | 0x6e66_7364 // control files of the NFS client and server
                | 0xabba_1974 // xenfs
                => FileSystem::Pseudo,
            _ => FileSystem::Local,
        }
    }

    /// Whether a file has the same inode number for as long as it exists, also after a restart.
    pub(crate) fn keeps_inodes(self) -> bool {
        !matches!(self, FileSystem::Fat | FileSystem::Share | FileSystem::Fuse | FileSystem::Pseudo)
    }
}

/// The kinds of the file systems of one root.
#[derive(Debug)]
pub(crate) struct FileSystems {
    /// That of the root itself.
    root: FileSystem,
    /// Those that workers have met: device number, kind, and when it was asked for.
    met: Mutex<Vec<(u64, FileSystem, Instant)>>,
}

impl FileSystems {
    pub(crate) fn new(root: FileSystem) -> FileSystems {
        FileSystems { root, met: Mutex::default() }
    }

    pub(crate) fn root(&self) -> FileSystem {
        self.root
    }

    /// The kind that this device had when a file on it was opened.
    pub(crate) fn get(&self, device: u64) -> FileSystem {
        let met = lock(&self.met);
        // A loop may have opened the file: on the mount of the root, some of which have many device numbers (btrfs,
        // overlayfs).
        met.iter().find(|(known, ..)| *known == device).map_or(self.root, |(_, kind, _)| *kind)
    }

    /// The metadata of a file that was just opened, and the kind of its file system. Errors: that of the kernel, `ENOENT` for what is neither a file nor a folder, those of [`FileSystems::check`].
    pub(crate) fn measure(&self, file: impl AsFd, may_block: bool) -> Result<(Meta, FileSystem), Errno> {
        let stat = || Meta::of(&fs::fstat(&file)?).ok_or(Errno::NOENT);
        let meta = stat()?;
        let kind = self.check(&file, meta.device, may_block)?;
        if kind != FileSystem::Fuse || meta.kind != FileKind::File {
            return Ok((meta, kind));
        }
        // The kernel may keep what the program said a second ago (`attr_timeout`), and read newer content. This makes
        // it ask again; a kernel or a sandbox without statx() does not.
        let _ = fs::statx(&file, c"", AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC, StatxFlags::BASIC_STATS);
        Ok((stat()?, kind))
    }

    /// Finds out the kind of a file that was just opened, and refuses what cannot be served. On a loop (`may_block` is
    /// false) the file lies on the mount of the root.
    pub(crate) fn check(&self, file: impl AsFd, device: u64, may_block: bool) -> Result<FileSystem, Errno> {
        let kind = if may_block { self.ask(file, device) } else { self.root };
        if kind == FileSystem::Pseudo { Err(PSEUDO) } else { Ok(kind) }
    }

    fn ask(&self, file: impl AsFd, device: u64) -> FileSystem {
        let known =
            lock(&self.met).iter().find(|(known, _, asked)| *known == device && asked.elapsed() < KEEP).copied();
        if let Some((_, kind, _)) = known {
            return kind;
        }
        // Outside the lock: a mount that hangs must not stop those that ask about another one.
        let kind = FileSystem::of(file);
        let mut met = lock(&self.met);
        met.retain(|(known, ..)| *known != device);
        if met.len() >= MAX_DEVICES {
            met.remove(0);
        }
        met.push((device, kind, Instant::now()));
        kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_number_that_was_given_to_another_file_system_is_asked_about_again() {
        let (file, proc) = (std::fs::File::open("/").unwrap(), std::fs::File::open("/proc/version").unwrap());
        let systems = FileSystems::new(FileSystem::Local);
        assert_eq!(systems.check(&file, 7, true), Ok(FileSystem::Local));
        assert_eq!(systems.check(&proc, 7, true), Ok(FileSystem::Local), "kept for a moment");
        systems.met.lock().unwrap()[0].2 -= KEEP;
        assert_eq!(systems.check(&proc, 7, true), Err(PSEUDO));
        assert_eq!((systems.get(7), systems.get(8)), (FileSystem::Pseudo, FileSystem::Local));
        for device in 0..2 * MAX_DEVICES as u64 {
            assert_eq!(systems.check(&file, 100 + device, true), Ok(FileSystem::Local));
        }
        assert_eq!(systems.met.lock().unwrap().len(), MAX_DEVICES);
    }
}
