//! One kept file, how it is made from a response and how it is checked; and the parts of a request
//! that matter to it.
//!
//! An entry holds for one inode at one path that has no symbolic link in it. A hit resolves the
//! path without the protection of [`crate::files::root`], so its result may only mean "the same
//! inode, unchanged". Once a second the path is also checked for links: a folder may have been
//! moved out of the root and a link put in its place.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::{ReadWriteFlags, preadv2};

use crate::files::cache::{CheckedFolders, MAX_CONTENT, MAX_PATH, is_recent};
use crate::files::coding::Coding;
use crate::files::range::{self, Selected};
use crate::files::root::{CheckedPath, FileKind, Meta, Root};
use crate::files::validator::Validators;
use crate::http::{Fields, Method, Prepared, Request, Span, Status};
use crate::service::{Answer, Body, Response};

/// One kept file.
pub(crate) struct CachedFile {
    /// Path from the root: of the requested file, or of the index file in the requested folder.
    file_path: CheckedPath,
    /// Length of the index file's name; 0 if the file itself was requested.
    index_len: usize,
    /// Metadata at the time the entry was made. A hit compares all of it.
    meta: Meta,
    /// Made from `meta`, for conditional requests.
    pub(crate) validators: Validators,
    /// Head and content; only the head if `open` is set.
    whole: Arc<Prepared>,
    open: Option<Box<OpenFile>>,
    /// The head of a 304, once the normal path has made one.
    pub(crate) not_modified: Option<Arc<Prepared>>,
    /// Whether the response depends on Accept-Encoding.
    pub(crate) is_negotiated: bool,
    /// The folder, in a state in which no `.br`, `.zst` or `.gz` sibling existed. Its times change
    /// whenever a name in it is added or removed.
    folder_without_codings: Option<Box<(CheckedPath, Meta)>>,
    /// Used since the hand of the clock last passed.
    pub(crate) is_used: bool,
    /// When its path was last checked for links.
    links_checked: SystemTime,
    /// The arrival number for which the file was last checked.
    pub(crate) checked_for: u64,
}

/// A file that is too large to be kept in memory.
struct OpenFile {
    file: Arc<File>,
    /// The fields of the whole. A range has one more.
    fields: Fields,
}

impl CachedFile {
    /// The entry for a response with these fields and this file, if it may be kept. Does not wait
    /// for a disk: content that is not in memory is not kept this time.
    pub(crate) fn of_response(
        request: &Request<'_>,
        fields: &Fields,
        file: &Arc<File>,
        root: &Root,
        index: &[String],
        now: SystemTime,
    ) -> Option<CachedFile> {
        let path = request.path();
        let is_plain = fields.get("Content-Encoding").is_none() && request.method() == Method::Get;
        if !is_plain || path.len() > MAX_PATH {
            return None;
        }
        // Only the first index name is kept: a later one is right only while the earlier ones are
        // missing, and a hit does not check that.
        let index = if path.ends_with(b"/") { index.first()?.as_bytes() } else { b"" };
        let path = [path, index].concat();
        let meta = root.stat(&path).filter(|meta| meta.kind == FileKind::File)?;
        let validators = Validators::of(&meta, Coding::Identity, now);
        // A young file could change again without a new time; its tag is weak and its date still
        // moves.
        let is_settled = !validators.tag.is_weak() && validators.is_settled();
        if !is_settled || fields.get("ETag") != Some(validators.tag.bytes()) || !root.is_without_links(&path, &meta) {
            return None;
        }
        let is_negotiated = fields.get("Vary").is_some();
        let (whole, open) = if meta.size <= MAX_CONTENT {
            (Prepared::new(Status::OK, fields, &read_cached(file, meta.size)?), None)
        } else {
            let open = OpenFile { file: Arc::clone(file), fields: fields.clone() };
            (Prepared::without_content(Status::OK, fields, meta.size), Some(Box::new(open)))
        };
        let folder = if is_negotiated { folder_without_codings(root, &path, now) } else { None };
        // The content read above belongs to `meta` only if the file is still the same. Because it
        // was left alone for two ticks before, a change in between shows as a new time.
        if root.stat(&path) != Some(meta) {
            return None;
        }
        Some(CachedFile {
            file_path: CheckedPath::new(&path)?,
            index_len: index.len(),
            meta,
            validators,
            whole: Arc::new(whole),
            open,
            not_modified: None,
            is_negotiated,
            folder_without_codings: folder.map(Box::new),
            is_used: false,
            links_checked: now,
            checked_for: 0,
        })
    }

    /// The requested path, without the leading slash.
    pub(crate) fn path(&self) -> &[u8] {
        let path = self.file_path.bytes();
        &path[..path.len() - self.index_len]
    }

    /// Whether it keeps a descriptor.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the same file is still there, unchanged.
    pub(crate) fn is_unchanged(&mut self, folders: &mut CheckedFolders, root: &Root, now: SystemTime) -> bool {
        if root.stat_again(&self.file_path).as_ref() != Some(&self.meta) {
            return false;
        }
        // The stat above followed links on the way. A folder may have been replaced by one.
        if !is_recent(self.links_checked, now) {
            let Some(checked) = folders.check(self.file_path.folder(), root, now) else { return false };
            self.links_checked = checked;
        }
        true
    }

    /// Whether there is still no compressed sibling of the file.
    pub(crate) fn has_no_coded_sibling(&self, root: &Root) -> bool {
        let folder = self.folder_without_codings.as_deref();
        folder.is_some_and(|(path, meta)| root.stat_again(path).as_ref() == Some(meta))
    }

    /// The response with the whole file.
    pub(crate) fn whole(&self) -> Answer {
        let head = Arc::clone(&self.whole);
        match &self.open {
            Some(open) => Answer::ReadyFile(head, Arc::clone(&open.file)),
            None => Answer::Ready(head),
        }
    }

    /// The response with the one range that the request asks for. Several ranges, unsatisfiable
    /// ones and ranges of small files are left to the normal path.
    pub(crate) fn range(&self, request: &Request<'_>) -> Option<Answer> {
        // Range given twice counts as absent. If-Range alone has no effect.
        let Some(value) = request.field("range") else { return Some(self.whole()) };
        // A small file has no descriptor to send a range from.
        let OpenFile { file, fields } = self.open.as_deref()?;
        let Selected::One(range) = range::select(value, self.meta.size) else { return None };
        let body = Body::File { file: Arc::clone(file), from: range.from, len: range.len };
        let response = Response::from_parts((Status::PARTIAL_CONTENT, fields.clone(), body));
        Some(Answer::Now(response.field("Content-Range", range::content_range(range, self.meta.size))))
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        // A 304 is counted whether it is kept or not: the sum must not change while the entry
        // lives.
        let not_modified = 512;
        let fields = self.open.as_ref().map_or(0, |open| open.fields.bytes().len());
        self.whole.weight() + not_modified + fields + self.file_path.bytes().len() + size_of::<CachedFile>()
    }
}

/// The folder of a file, if it surely has no compressed sibling of the file in it.
fn folder_without_codings(root: &Root, path: &[u8], now: SystemTime) -> Option<(CheckedPath, Meta)> {
    let end = path.iter().rposition(|&b| b == b'/')?;
    let folder = CheckedPath::new(&path[..=end])?;
    let meta = root.stat_again(&folder)?;
    // Like a young file, a folder that just changed could change again without a new time.
    if Validators::of(&meta, Coding::Identity, now).tag.is_weak() {
        return None;
    }
    for coding in Coding::PREPARED {
        // A link counts as a sibling: the normal path would follow it.
        if !root.is_free(&[path, coding.suffix().as_bytes()].concat()) {
            return None;
        }
    }
    (root.stat_again(&folder) == Some(meta)).then_some((folder, meta))
}

/// The content, if all of it is in the page cache.
fn read_cached(file: &File, size: u64) -> Option<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).ok()?];
    let mut from = 0;
    while from < content.len() {
        let mut slices = [std::io::IoSliceMut::new(&mut content[from..])];
        // NOWAIT: this runs on a loop, which must not wait for a disk.
        let count = preadv2(file, &mut slices, from as u64, ReadWriteFlags::NOWAIT).ok()?;
        from += Some(count).filter(|&count| count > 0)?;
    }
    Some(content)
}

/// The fields of a request that matter to the cache.
///
/// A browser sends 13 field lines. So all lines are visited once, and compared by the length of the
/// name first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestSummary {
    /// Has If-None-Match or If-Modified-Since.
    pub(crate) is_conditional: bool,
    /// How many If-None-Match lines there are, and the value of the last one.
    tags: usize,
    tag: Span,
    /// Has Range or If-Range.
    pub(crate) has_range: bool,
    /// Has Accept-Encoding.
    pub(crate) accepts_codings: bool,
    /// Has a field that only the normal path understands.
    pub(crate) has_other: bool,
}

impl RequestSummary {
    /// Reads the field lines of a request once.
    pub(crate) fn of(request: &Request<'_>) -> RequestSummary {
        let mut summary = RequestSummary::default();
        // Names of different lengths need no comparison, and each length below has one or two
        // names.
        for line in request.head().lines() {
            let name = line.name.of(request.bytes());
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                5 => summary.has_range |= is(b"range"),
                // Expectations and conditions for writes are rare in a GET. The normal path handles
                // them.
                6 => summary.has_other |= is(b"expect"),
                8 => {
                    summary.has_range |= is(b"if-range");
                    summary.has_other |= is(b"if-match");
                }
                13 if is(b"if-none-match") => {
                    summary.is_conditional = true;
                    summary.tags += 1;
                    summary.tag = line.value;
                }
                15 => summary.accepts_codings |= is(b"accept-encoding"),
                17 => summary.is_conditional |= is(b"if-modified-since"),
                19 => summary.has_other |= is(b"if-unmodified-since"),
                _ => {}
            }
        }
        summary
    }

    /// Whether If-None-Match is exactly the tag of this version. Then the response is 304, whatever
    /// the other conditions say: of the fields that come before it in RFC 9110 §13.2.2, none is
    /// present.
    pub(crate) fn names_exactly(&self, request: &Request<'_>, validators: &Validators) -> bool {
        self.tags == 1 && self.tag.of(request.bytes()) == validators.tag.bytes()
    }
}
