//! The descriptors that the caches of all loops keep open, so that a large file is not opened for each request.
//!
//! A file that was deleted or replaced keeps its space on the disk for as long as a process has it open. So the caches
//! hold weak references only, and the descriptors are closed from here, without waiting for a loop that is idle:
//!
//! | the file | is closed |
//! |---|---|
//! | was deleted or replaced by a client | at once, by the worker that did it |
//! | has no name any more | at the next look, a second later ([`RootWatch`]) |
//! | was not used for [`UNUSED`] looks | then |
//! | is in the way of another one | when that is kept |
//!
//! Responses that are being sent have a reference of their own, so the last of them closes it.
//!
//! [`RootWatch`]: crate::files::RootWatch

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

use rustix::fs::fstat;

use crate::files::root::Meta;
use crate::service::{OpenFile, lock};

/// Looks after which a file that no client asked for is closed: half a minute.
const UNUSED: u32 = 30;

/// The number of a file: its device and its inode. No other file gets it while this one is open.
type Key = (u64, u64);

/// The files that are kept open. A hit takes no lock.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    most: usize,
    files: Mutex<HashMap<Key, Arc<KeptFile>>>,
}

#[derive(Debug)]
pub(crate) struct KeptFile {
    file: Arc<OpenFile>,
    /// Looks since it was last used.
    unused: AtomicU32,
}

/// The reference of a cache.
pub(crate) struct KeptRef(Weak<KeptFile>);

impl KeptRef {
    /// The file, if it was not closed meanwhile.
    pub(crate) fn get(&self) -> Option<Arc<OpenFile>> {
        let kept = self.0.upgrade()?;
        // Written only when it changes: other loops read it.
        if kept.unused.load(Ordering::Relaxed) != 0 {
            kept.unused.store(0, Ordering::Relaxed);
        }
        Some(Arc::clone(&kept.file))
    }
}

impl OpenFiles {
    /// Room for this many files.
    pub(crate) fn new(most: usize) -> OpenFiles {
        OpenFiles { most, files: Mutex::default() }
    }

    /// Keeps the file with this metadata open. `None`: it must not be kept.
    pub(crate) fn keep(&self, meta: &Meta, file: &Arc<OpenFile>) -> Option<KeptRef> {
        // Those of another machine or program: a look at them may wait.
        if self.most == 0 || file.file_system().may_wait() {
            return None;
        }
        let mut files = lock(&self.files);
        if files.len() >= self.most && !files.contains_key(&key(meta)) {
            // The one that was not used for the longest time.
            let unused = files.iter().max_by_key(|(_, kept)| kept.unused.load(Ordering::Relaxed));
            let gives_way = unused.map(|(key, _)| *key);
            gives_way.and_then(|key| files.remove(&key));
        }
        // Another loop may keep it already. Two descriptors would only cost one more.
        let kept = || Arc::new(KeptFile { file: Arc::clone(file), unused: AtomicU32::new(0) });
        Some(KeptRef(Arc::downgrade(files.entry(key(meta)).or_insert_with(kept))))
    }

    /// A client has deleted or replaced this file. Closing it may block.
    pub(crate) fn close(&self, meta: &Meta) {
        // Dropped after the lock was released.
        let _closed = lock(&self.files).remove(&key(meta));
    }

    /// Closes all of them.
    pub(crate) fn clear(&self) {
        let _closed = std::mem::take(&mut *lock(&self.files));
    }

    /// Closes those that have no name any more, or were not used for long. May block.
    pub(crate) fn sweep(&self) {
        // The disk is asked without the lock, for which loops may wait.
        let files: Vec<_> = lock(&self.files).iter().map(|(key, kept)| (*key, Arc::clone(kept))).collect();
        for (key, kept) in files {
            let is_unused = kept.unused.fetch_add(1, Ordering::Relaxed) >= UNUSED;
            if is_unused || fstat(&kept.file).is_ok_and(|stat| stat.st_nlink == 0) {
                let _closed = lock(&self.files).remove(&key);
            }
        }
    }
}

fn key(meta: &Meta) -> Key {
    (meta.device, meta.inode)
}
