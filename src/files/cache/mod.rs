//! Responses to GET and HEAD that are kept in memory: small files whole, larger ones as an open
//! descriptor with their head. Each loop has its own cache, so there are no locks.
//!
//! There are two entry points. [`FileCache::store`] keeps a response that the normal path made;
//! [`FileCache::lookup`] returns it while it is still true. A hit costs one `stat` and two copies
//! instead of open, fstat, read and close.
//!
//! A response from here must equal the response that the normal path would make now. So every hit
//! asks the kernel whether the file is unchanged, to the nanosecond: no expiry times, no
//! notifications that could be late. Files that changed within the clock's last ticks are not kept,
//! because they could change again without a new time.
//!
//! One gap remains: a program that writes through a shared mapping changes a file without a new
//! time until the kernel writes it back. No validator that is made of times can see that.
//!
//! The checks of a hit, cheapest first:
//! 1. the request has only fields that are understood here ([`RequestSummary`]);
//! 2. the file has the same inode, size and times as when the response was made: one `stat`, shared
//!    by requests that arrived together ([`RequestContext::arrival`]);
//! 3. once a second: no folder on the way was replaced by a link;
//! 4. if the client accepts codings: the times of the folder say that no compressed file was added.
//!
//! If one of them fails, the entry is removed and the normal path answers.

mod cached_file;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::files::precondition::{self, Verdict};
use crate::files::root::Root;
use crate::files::validator::hash_from;
use crate::http::{Method, Prepared, Request, Status};
use crate::service::{Answer, Body, RequestContext, Response};

use cached_file::{CachedFile, RequestSummary};

/// Files up to this many bytes are kept whole. For larger ones `sendfile` is as cheap as a copy, so
/// only the open descriptor is kept.
const MAX_CONTENT: u64 = 16 * 1024;
/// Default for the number of files that a loop keeps open.
pub(crate) const OPEN_FILES: usize = 64;
/// Bytes that the caches of all loops may use together.
pub const CAPACITY: usize = 64 * 1024 * 1024;
/// A path is checked for symbolic links again after this time.
const LINK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Folders whose last check for links is remembered.
const MAX_CHECKED_FOLDERS: usize = 4096;
/// Bytes of the longest path that is kept.
const MAX_PATH: usize = 512;

/// The kept files of one loop.
pub(crate) struct FileCache {
    /// Entries by the hash of their path. The hash has a random seed, so a client cannot choose
    /// paths that collide.
    index: HashMap<u64, usize, BuildHasherDefault<PathHash>>,
    seed: u64,
    entries: Vec<CachedFile>,
    checked: CheckedFolders,
    /// The position of the clock algorithm in `entries`.
    hand: usize,
    bytes: usize,
    max_bytes: usize,
    open: usize,
    max_open: usize,
}

impl FileCache {
    /// An empty cache for `max_bytes` bytes and `max_open` open files.
    pub(crate) fn new(max_bytes: usize, max_open: usize) -> FileCache {
        FileCache {
            index: HashMap::default(),
            seed: RandomState::new().build_hasher().finish(),
            entries: Vec::new(),
            checked: CheckedFolders::default(),
            hand: 0,
            bytes: 0,
            max_bytes,
            open: 0,
            max_open,
        }
    }

    /// The answer to this request, if it is kept and still true. Otherwise the normal path must
    /// answer.
    pub(crate) fn lookup(&mut self, request: &Request<'_>, root: &Root, context: &RequestContext) -> Option<Answer> {
        let (summary, at) = self.candidate(request)?;
        let entry = &mut self.entries[at];
        // Requests with the same arrival number had all begun to arrive before the file was
        // checked, so they may share that check.
        if entry.checked_for != context.arrival {
            if !entry.is_unchanged(&mut self.checked, root, context.now) {
                return self.forget(at);
            }
            entry.checked_for = context.arrival;
        }
        // A compressed file may have been added beside this one. Then the client should get that.
        if summary.accepts_codings && entry.is_negotiated && !entry.has_no_coded_sibling(root) {
            return self.forget(at);
        }
        // For the clock algorithm.
        entry.is_used = true;
        // Most requests have no conditions and no range.
        if !summary.is_conditional && !summary.has_range {
            return Some(entry.whole());
        }
        if summary.names_exactly(request, &entry.validators) {
            return entry.not_modified.clone().map(Answer::Ready);
        }
        match precondition::evaluate(request, Some(&entry.validators)) {
            Verdict::Proceed { range_allowed: true } if summary.has_range => entry.range(request),
            Verdict::Proceed { .. } => Some(entry.whole()),
            Verdict::NotModified => entry.not_modified.clone().map(Answer::Ready),
            // The normal path makes the error page.
            Verdict::Failed => None,
        }
    }

    /// Keeps a response that the normal path has made, if it may be repeated. `index` are the names
    /// of index files.
    pub(crate) fn store(
        &mut self,
        request: &Request<'_>,
        response: &Response,
        root: &Root,
        index: &[String],
        now: SystemTime,
    ) {
        match (response.status(), response.body()) {
            // A video player asks for ranges only. Their head is that of the whole file, but for
            // one field.
            (Status::OK | Status::PARTIAL_CONTENT, Body::File { file, .. }) => {
                let mut fields = response.fields().clone();
                fields.remove("Content-Range");
                if let Some(entry) = CachedFile::of_response(request, &fields, file, root, index, now) {
                    self.insert(entry);
                }
            }
            (Status::NOT_MODIFIED, _) => {
                let Some((summary, at)) = self.candidate(request) else { return };
                let entry = &mut self.entries[at];
                let is_same = response.fields().get("ETag") == Some(entry.validators.tag.bytes());
                // The file may have changed since the entry was made.
                if is_same && summary.is_conditional {
                    entry.not_modified = Some(Arc::new(Prepared::new(Status::NOT_MODIFIED, response.fields(), &[])));
                }
            }
            _ => {}
        }
    }

    /// Closes the open files. The small ones, which need no descriptor, stay.
    pub(crate) fn close_files(&mut self) {
        while let Some(at) = self.entries.iter().position(CachedFile::is_open) {
            self.forget::<()>(at);
        }
    }

    /// The entry of the path, if this is a request that the cache understands.
    fn candidate(&self, request: &Request<'_>) -> Option<(RequestSummary, usize)> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return None;
        }
        let path = request.path().strip_prefix(b"/")?;
        let at = *self.index.get(&hash_from(self.seed, path))?;
        // Two paths may have the same hash.
        if self.entries[at].path() != path {
            return None;
        }
        let summary = RequestSummary::of(request);
        (!summary.has_other).then_some((summary, at))
    }

    /// The hash of the requested path.
    fn key(&self, entry: &CachedFile) -> u64 {
        hash_from(self.seed, entry.path())
    }

    /// Adds an entry, and evicts others until it fits.
    fn insert(&mut self, entry: CachedFile) {
        let key = self.key(&entry);
        // An entry of the same path is out of date, or a collision of hashes.
        if let Some(at) = self.index.get(&key).copied() {
            self.forget::<()>(at);
        }
        let (bytes, open) = (entry.bytes(), usize::from(entry.is_open()));
        // It would evict everything and still not fit.
        if bytes > self.max_bytes || open > self.max_open {
            return;
        }
        // Terminates: with no entries left, both sums are 0.
        while self.bytes + bytes > self.max_bytes || self.open + open > self.max_open {
            self.evict();
        }
        self.bytes += bytes;
        self.open += open;
        self.index.insert(key, self.entries.len());
        self.entries.push(entry);
    }

    /// Removes one entry by the clock algorithm: an entry that was used since the hand last passed
    /// stays for one more round. It works nearly as well as LRU, and a hit writes one bit only.
    fn evict(&mut self) {
        loop {
            self.hand %= self.entries.len();
            if !std::mem::take(&mut self.entries[self.hand].is_used) {
                self.forget::<()>(self.hand);
                return;
            }
            self.hand += 1;
        }
    }

    /// Removes an entry. Returns `None`, which is what a lookup that removes one has to return.
    fn forget<T>(&mut self, at: usize) -> Option<T> {
        let entry = self.entries.swap_remove(at);
        self.bytes -= entry.bytes();
        self.open -= usize::from(entry.is_open());
        self.index.remove(&self.key(&entry));
        // `swap_remove` has put the last entry here.
        if let Some(moved) = self.entries.get(at) {
            let key = self.key(moved);
            self.index.insert(key, at);
        }
        None
    }
}

/// Folders that were reached without a symbolic link, and when that was checked.
#[derive(Default)]
struct CheckedFolders(HashMap<Box<[u8]>, SystemTime>);

impl CheckedFolders {
    /// When the way to this folder was last known to be free of links. Checks it now if that is too
    /// long ago: once a second for all files in it. `None`: there is a link.
    fn check(&mut self, folder: &[u8], root: &Root, now: SystemTime) -> Option<SystemTime> {
        if let Some(&checked) = self.0.get(folder).filter(|&&checked| is_recent(checked, now)) {
            return Some(checked);
        }
        if self.0.len() >= MAX_CHECKED_FOLDERS {
            self.0.clear();
        }
        self.0.remove(folder);
        // The folder is enough: a hit does not follow a link at the end of the path.
        root.is_reached_without_links(folder).then(|| {
            self.0.insert(folder.into(), now);
            now
        })
    }
}

/// Whether a check of that moment still counts. If the clock was set back, it does not.
fn is_recent(checked: SystemTime, now: SystemTime) -> bool {
    now.duration_since(checked).is_ok_and(|since| since < LINK_CHECK_INTERVAL)
}

/// Keys of the index are hashes already, so this hasher passes them through.
#[derive(Default)]
struct PathHash(u64);

impl Hasher for PathHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash_from(self.0, bytes);
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}

#[cfg(test)]
mod tests;
