//! Responses to GET and HEAD that are kept in memory: small files whole, larger ones as an open
//! descriptor with their head. Each loop has its own cache, so there are no locks. The descriptors
//! belong to all loops together ([`open_files`]).
//!
//! [`FileCache::store`] keeps a response that the normal path made, if its path was requested before; a worker does the
//! same by [`MadeByWorkers::make`]. [`FileCache::lookup`] returns it while it is up to date. A hit costs one `stat` and
//! two copies instead of open, fstat, read and close.
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
//!    by requests that arrived together ([`RequestContext::arrival`]), as is that of the folder in 4;
//! 3. once a second: no folder on the way was replaced by a link. The `stat` resolves the path
//!    without the protection of [`crate::files::root`], so it may only mean "the same inode";
//! 4. if the client accepts codings: the times of the folder say that no compressed file was added.
//!
//! If one of them fails, the entry is removed and the normal path answers.

mod cached_file;
pub(crate) mod open_files;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use crate::files::cache::cached_file::{CachedFile, CheckedFolders};
use crate::files::cache::open_files::OpenFiles;
use crate::files::precondition::{self, Verdict};
use crate::files::{resource::Resolver, root::Root};
use crate::http::{Request, Status};
use crate::service::{Answer, Body, OpenFile, RequestContext, Response, lock};

/// Default for the number of files that are kept open, because opening a file costs more than
/// sending a small one.
pub(crate) const OPEN_FILES: usize = 256;
/// Bytes that the caches of all loops may use together.
pub const CAPACITY: usize = 64 * 1024 * 1024;
/// Paths that are remembered as requested once.
const REQUESTED_ONCE: usize = 4096;
/// Entries made by workers that no loop has taken yet, of all loops together. Each has at most 16 KiB of content.
const MADE: usize = 64;

/// The kept files of one loop.
pub(crate) struct FileCache {
    /// The place of each requested path in `entries`, by its hash. The path itself is compared there, where the check of
    /// the file needs it too.
    index: HashMap<u64, usize>,
    /// Has random keys, so a client cannot choose paths that collide.
    hasher: RandomState,
    entries: Vec<CachedFile>,
    /// Hashes of paths that were requested and not kept. A newer one overwrites an older one in the
    /// same slot, which only costs the older path one more request.
    requested_once: Vec<u64>,
    checked: CheckedFolders,
    /// The position of the clock algorithm in `entries`.
    hand: usize,
    bytes: usize,
    max_bytes: usize,
    open_files: Arc<OpenFiles>,
}

impl FileCache {
    /// An empty cache for `max_bytes` bytes. Larger files are kept in `open_files`.
    pub(crate) fn new(max_bytes: usize, open_files: Arc<OpenFiles>) -> FileCache {
        FileCache {
            index: HashMap::new(),
            hasher: RandomState::new(),
            entries: Vec::new(),
            requested_once: vec![0; REQUESTED_ONCE],
            checked: CheckedFolders::default(),
            hand: 0,
            bytes: 0,
            max_bytes,
            open_files,
        }
    }

    /// The answer to this request, if it is kept and up to date. Otherwise the normal path must
    /// answer.
    pub(crate) fn lookup(&mut self, request: &Request<'_>, root: &Root, context: &RequestContext) -> Option<Answer> {
        let path = request.path().strip_prefix(b"/")?;
        let at = *self.index.get(&self.hash(path))?;
        // `/d/e/..` is `/d/`, but is redirected there.
        if request.has_other_base() {
            return None;
        }
        let summary = RequestSummary::of(request)?;
        let entry = &mut self.entries[at];
        if entry.requested_path() != path {
            return None;
        }
        // Requests with the same arrival number had all begun to arrive before the file was
        // checked, so they may share that check.
        if entry.checked_for != context.arrival {
            if !entry.is_unchanged(&mut self.checked, root, context.now) {
                self.remove(at);
                return None;
            }
            entry.checked_for = context.arrival;
        }
        // A compressed file may have been added beside this one. Then the client should get that.
        if summary.accepts_codings && entry.is_negotiated && !entry.has_no_coded_sibling(root, context.arrival) {
            self.remove(at);
            return None;
        }
        // For the clock algorithm.
        entry.is_used = true;
        // Most requests have no conditions and no range.
        if !summary.is_conditional && !summary.has_range {
            return entry.whole();
        }
        // The usual condition: exactly the tag of this version. Of the fields that come before it
        // in §13.2.2 none is present, so the others do not matter.
        if request.field("if-none-match") == Some(entry.details.validators.tag.bytes()) {
            return Some(Answer::Ready(entry.details.not_modified.clone()));
        }
        match precondition::evaluate(request, Some(&entry.details.validators)) {
            Verdict::Proceed { range_allowed: true } if summary.has_range => entry.range(request),
            Verdict::Proceed { .. } => entry.whole(),
            Verdict::NotModified => Some(Answer::Ready(entry.details.not_modified.clone())),
            // The normal path makes the error page.
            Verdict::Failed => None,
        }
    }

    /// Keeps a response that the normal path has made, if it may be repeated and its path was
    /// requested before.
    pub(crate) fn store(&mut self, request: &Request<'_>, response: &Response, resolver: &Resolver, now: SystemTime) {
        if let Some(file) = file_of(response)
            && self.was_requested(request)
            && let Some(entry) =
                CachedFile::new(request, response.fields(), file, resolver, &self.open_files, now, false)
        {
            self.insert(entry);
        }
    }

    /// Whether the path was requested before; from now on it was. An entry costs as much as three requests, so a file
    /// that is requested once gets none.
    pub(crate) fn was_requested(&mut self, request: &Request<'_>) -> bool {
        let hash = self.hash(request.path());
        let slot = &mut self.requested_once[hash as usize % REQUESTED_ONCE];
        std::mem::replace(slot, hash) == hash
    }

    /// Takes over what a worker has made for this path, if it has, and answers with it as [`FileCache::lookup`] does.
    pub(crate) fn lookup_made(
        &mut self,
        request: &Request<'_>,
        made: &MadeByWorkers,
        root: &Root,
        context: &RequestContext,
    ) -> Option<Answer> {
        self.insert(made.take(request.path().strip_prefix(b"/")?)?);
        self.lookup(request, root, context)
    }

    /// Adds an entry, and evicts others until it fits.
    fn insert(&mut self, entry: CachedFile) {
        // An older entry of this path is out of date. Another path of this hash gives way.
        let hash = self.hash(entry.requested_path());
        if let Some(&at) = self.index.get(&hash) {
            self.remove(at);
        }
        let bytes = entry.bytes();
        // An entry over the limit would evict everything and still not fit.
        if bytes > self.max_bytes {
            return;
        }
        // Terminates: with no entries left, the sum is 0.
        while self.bytes + bytes > self.max_bytes {
            self.evict();
        }
        self.bytes += bytes;
        self.index.insert(hash, self.entries.len());
        self.entries.push(entry);
    }

    /// Removes one entry by the clock algorithm: an entry that was used since the hand last passed
    /// stays for one more round. It works nearly as well as LRU, and a hit writes one bit only.
    fn evict(&mut self) {
        loop {
            self.hand %= self.entries.len();
            if !std::mem::take(&mut self.entries[self.hand].is_used) {
                self.remove(self.hand);
                return;
            }
            self.hand += 1;
        }
    }

    fn remove(&mut self, at: usize) {
        let entry = self.entries.swap_remove(at);
        self.bytes -= entry.bytes();
        self.index.remove(&self.hash(entry.requested_path()));
        // `swap_remove` has put the last entry here.
        if let Some(moved) = self.entries.get(at) {
            self.index.insert(self.hash(moved.requested_path()), at);
        }
    }

    fn hash(&self, path: &[u8]) -> u64 {
        self.hasher.hash_one(path)
    }
}

/// Entries that workers have made, until a loop asks for one. On a file system that cannot say what is in memory
/// (overlayfs, on which containers lie) every first read is a worker's, so no loop could make an entry.
#[derive(Default)]
pub(crate) struct MadeByWorkers(Mutex<Vec<CachedFile>>);

impl MadeByWorkers {
    fn take(&self, path: &[u8]) -> Option<CachedFile> {
        let mut entries = lock(&self.0);
        let at = entries.iter().position(|entry| entry.requested_path() == path)?;
        Some(entries.swap_remove(at))
    }

    /// Makes an entry for a response, if it may be repeated. May block.
    pub(crate) fn make(
        &self,
        request: &Request<'_>,
        response: &Response,
        resolver: &Resolver,
        open_files: &OpenFiles,
        now: SystemTime,
    ) {
        let Some(file) = file_of(response) else { return };
        let Some(entry) = CachedFile::new(request, response.fields(), file, resolver, open_files, now, true) else {
            return;
        };
        let mut entries = lock(&self.0);
        // One that no client asks for again leaves its place to another.
        if entries.len() >= MADE {
            entries.remove(0);
        }
        entries.push(entry);
    }
}

/// The file of a response that may be repeated. That of a 206 too, since a video player requests only ranges. Its fields
/// are those of the whole file and Content-Range.
fn file_of(response: &Response) -> Option<&Arc<OpenFile>> {
    match (response.status(), response.body()) {
        (Status::OK | Status::PARTIAL_CONTENT, Body::File { file, .. }) => Some(file),
        _ => None,
    }
}

/// The fields of a request that matter to the cache.
#[derive(Default)]
struct RequestSummary {
    /// Has If-None-Match or If-Modified-Since.
    is_conditional: bool,
    /// Has Range or If-Range.
    has_range: bool,
    accepts_codings: bool,
}

impl RequestSummary {
    /// Reads the field lines once. `None` if only the normal path understands the request.
    fn of(request: &Request<'_>) -> Option<RequestSummary> {
        let mut summary = RequestSummary::default();
        let mut is_understood = request.method().is_read();
        // A browser sends 13 lines. Names of different lengths need no comparison, and each length
        // below has one or two names.
        for line in request.head().lines() {
            let name = line.name.of(request.bytes());
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                5 => summary.has_range |= is(b"range"),
                // Expectations and conditions for writes are rare in a GET.
                6 => is_understood &= !is(b"expect"),
                8 => {
                    summary.has_range |= is(b"if-range");
                    is_understood &= !is(b"if-match");
                }
                13 => summary.is_conditional |= is(b"if-none-match"),
                15 => summary.accepts_codings |= is(b"accept-encoding"),
                17 => summary.is_conditional |= is(b"if-modified-since"),
                19 => is_understood &= !is(b"if-unmodified-since"),
                _ => {}
            }
        }
        is_understood.then_some(summary)
    }
}

#[cfg(test)]
mod tests;
