//! Temporary files that a killed server left: they are removed at the start and before the first write into a folder.
//!
//! A file is removed only if it is surely one of ours. A person may have files whose names begin in the same way.
//!
//! | sign | why |
//! |---|---|
//! | a regular file, named `.barewire-` and 16 hexadecimal digits | all our temporary files are |
//! | the owner that new files of this server get here | another user may run a server of their own in a shared folder |
//! | no process has locked it | the writer holds a lock, which the kernel releases when the process dies |
//! | without locks: not changed for a day | an upload that is running changes its file |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{self, Dir, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::files::root::temp_file::{TempFile, TemporaryName};
use crate::files::root::writable::WritableFolder;
use crate::files::root::{Meta, Root};
use crate::service::lock;

/// Folders that are remembered as swept. When there are more, they are swept again.
const MAX_SWEPT: usize = 4096;
/// Where a file system has no locks, a file that was not changed for so long is abandoned. Long, since the clock of a
/// file server may be hours away from ours, and an upload that is cut off may wait for a slow network.
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

impl Root {
    /// Removes the temporary files that a killed server left in `folder`: once per folder after the start.
    pub(crate) fn sweep(&self, folder: &Arc<WritableFolder>) {
        let mut swept = lock(&self.inner.locks.swept);
        if swept.len() >= MAX_SWEPT {
            swept.clear();
        }
        let is_new = swept.insert(folder.identity);
        // Sweeping reads the folder; other uploads need not wait for that.
        drop(swept);
        if is_new {
            sweep(folder);
        }
    }
}

/// Removes all temporary files in `folder` that no process is writing.
pub(crate) fn sweep(folder: &Arc<WritableFolder>) {
    let Ok(entries) = Dir::read_from(folder.as_fd()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_bytes();
        if TemporaryName::has_form(name) && is_abandoned(folder, name) {
            let _ = folder.remove(name);
        }
    }
}

/// Whether this is a file of ours that no process is writing.
fn is_abandoned(folder: &Arc<WritableFolder>, name: &[u8]) -> bool {
    let open = |access| {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        fs::openat(folder.as_fd(), name, flags, Mode::empty())
    };
    // RDWR, because NFS locks only files that are open for writing. Some network mounts open no existing file for
    // writing; there a lock needs no right to write.
    let Ok(file) = open(OFlags::RDWR).or_else(|_| open(OFlags::RDONLY)) else { return false };
    let Ok(stat) = fs::fstat(&file) else { return false };
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || !is_owner_of_new_files(folder, stat.st_uid) {
        return false;
    }
    match fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => false,
        // The file system has no locks.
        Err(_) => Meta::of(&stat).is_some_and(|meta| is_old(&meta, SystemTime::now())),
    }
}

/// Whether files that this server makes in `folder` belong to this user.
fn is_owner_of_new_files(folder: &Arc<WritableFolder>, uid: u32) -> bool {
    // Mounts of other systems (SMB, exFAT) give all files to one user, and NFS gives those of root to the user "nobody". What a
    // new file gets there is seen only by making one.
    let of_new_file = || TempFile::create_in(folder, None).and_then(|temp| Ok(temp.meta()?.owner.0));
    uid == geteuid().as_raw() || of_new_file().is_ok_and(|owner| owner == uid)
}

/// Whether the file was last changed longer than [`ABANDONED`] before `now`.
fn is_old(meta: &Meta, now: SystemTime) -> bool {
    let limit = now.checked_sub(ABANDONED).and_then(|limit| limit.duration_since(SystemTime::UNIX_EPOCH).ok());
    limit.is_some_and(|limit| u64::try_from(meta.modified.0).is_ok_and(|seconds| seconds < limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::Symlinks;
    use crate::files::testing::{Folder, age};

    #[test]
    fn only_what_is_surely_ours_is_removed() {
        let folder = Folder::new();
        let [ours, locked] = [".barewire-0123456789abcdef", ".barewire-00000000deadbeef"];
        for name in [".barewire-notes.md", ".barewire-", ".barewire-0123456789abcde", ".barewire-0123456789ABCDEF"] {
            folder.write(name, "mine");
        }
        let kept = [&format!("{ours}0"), &format!("{ours}.txt"), &format!("x{ours}"), locked, ours];
        for name in kept {
            folder.write(name, "half");
        }
        folder.symlink("x", ".barewire-1111111111111111");
        std::fs::create_dir(folder.join(".barewire-2222222222222222")).unwrap();
        let busy = std::fs::File::open(folder.join(locked)).unwrap();
        fs::flock(&busy, FlockOperation::LockExclusive).unwrap();
        let before = std::fs::read_dir(folder.path()).unwrap().count();
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let home = root.writable_folder(b"/").unwrap();
        sweep(&home);
        assert!(!folder.join(ours).exists());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), before - 1);
        assert!(!is_owner_of_new_files(&home, geteuid().as_raw() + 1), "a file of somebody else");
    }

    #[test]
    fn without_locks_only_a_file_that_rested_for_a_day_is_abandoned() {
        let folder = Folder::new();
        let path = folder.write("file", "half");
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let meta = || match root.open(b"/file", true).unwrap() {
            crate::files::root::Opened::File(_, meta) => meta,
            crate::files::root::Opened::Directory(_) => panic!("a folder"),
        };
        for (seconds, old) in [(0, false), (23 * 3600, false), (25 * 3600, true)] {
            age(&path, seconds);
            assert_eq!(is_old(&meta(), SystemTime::now()), old, "{seconds} s");
        }
    }
}
