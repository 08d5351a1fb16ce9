//! One kept file: how it is made from a response, and how a hit checks that it is up to date.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::files::cache::open_files::{KeptRef, OpenFiles};
use crate::files::range::{self, Selected};
use crate::files::resource::{Resolver, read_start};
use crate::files::root::{CheckedPath, FileKind, Meta, Root, split_last};
use crate::files::{representation::Coding, validator::Validators};
use crate::http::{Fields, Method, Prepared, Request, Status};
use crate::service::{Answer, Body, OpenFile, Response};

/// Files up to this many bytes are kept whole. For larger ones `sendfile` is as cheap as a copy, so
/// only the open descriptor is kept.
const MAX_CONTENT: u64 = 16 * 1024;
/// Bytes of the longest path that is kept.
const MAX_PATH: usize = 512;
/// A path is checked for symbolic links again after this time.
const LINK_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// Folders of which the time of the last check for links is kept.
const MAX_CHECKED_FOLDERS: usize = 4096;
/// Fields of a 200 that a 304 does not have (RFC 9110 §15.4.5).
const NOT_IN_304: [&str; 3] = ["Last-Modified", "Accept-Ranges", "Content-Type"];

/// One kept file: one inode at one path that has no symbolic link in it.
///
/// With more files than fit into the cache of the processor, each hit waits for memory. So what every hit reads lies
/// here, and the rest behind one pointer.
pub(crate) struct CachedFile {
    /// Path from the root: of the requested file, or of the index file in the requested folder.
    file_path: CheckedPath,
    /// Length of the index file's name; 0 if the file itself was requested.
    index_len: usize,
    /// Metadata at the time the entry was made. A hit compares all of it.
    meta: Meta,
    /// Head and content; only the head if `open` is set.
    whole: Prepared,
    /// A file that is too large to be kept in memory, and its fields: those of a range are nearly
    /// the same.
    open: Option<Box<(KeptRef, Fields)>>,
    /// Whether the response depends on Accept-Encoding.
    pub(crate) is_negotiated: bool,
    /// Used since the hand of the clock last passed.
    pub(crate) is_used: bool,
    /// When its path was last checked for links.
    links_checked: SystemTime,
    /// The arrival number for which the file was last checked.
    pub(crate) checked_for: u64,
    pub(crate) details: Box<Details>,
}

/// What only some requests need.
pub(crate) struct Details {
    /// Made from the metadata, for conditional requests.
    pub(crate) validators: Validators,
    pub(crate) not_modified: Prepared,
    /// The folder, in a state in which no `.br`, `.zst` or `.gz` sibling existed. Its times change
    /// whenever a name in it is added or removed.
    folder_without_codings: Option<(CheckedPath, Meta)>,
    /// The arrival number for which the folder was last checked.
    folder_checked_for: u64,
}

impl CachedFile {
    /// The entry for a response with these fields and this file, if it may be kept. Without `may_block`, content that
    /// is not in memory is not kept this time.
    pub(crate) fn new(
        request: &Request<'_>,
        fields: &Fields,
        file: &Arc<OpenFile>,
        resolver: &Resolver,
        open_files: &OpenFiles,
        now: SystemTime,
        may_block: bool,
    ) -> Option<CachedFile> {
        let root = &resolver.root;
        let is_plain = fields.get("Content-Encoding").is_none() && request.method() == Method::Get;
        if !is_plain || request.path().len() > MAX_PATH {
            return None;
        }
        // Only the first index name is kept: a later one is right only while the earlier ones are
        // missing, and a hit does not check that.
        let index = if request.path().ends_with(b"/") { resolver.settings.index.first()?.as_bytes() } else { b"" };
        let path = [request.path(), index].concat();
        let file_path = CheckedPath::new(&path)?;
        let meta = root.stat(&file_path).filter(|meta| meta.kind == FileKind::File)?;
        let validators = Validators::of(&meta, root.file_system(&meta), Coding::Identity, now);
        // A young file could change again without a new time; its tag is weak and its date still
        // moves.
        let is_settled = !validators.tag.is_weak() && validators.is_settled();
        if !is_settled || fields.get("ETag") != Some(validators.tag.bytes()) || !root.is_without_links(&path, &meta) {
            return None;
        }
        let mut fields = fields.clone();
        fields.remove("Content-Range");
        let (whole, open) = if meta.size <= MAX_CONTENT {
            (Prepared::new(Status::OK, &fields, &read_whole(file, meta.size, may_block)?), None)
        } else {
            (
                Prepared::without_content(Status::OK, &fields, meta.size),
                Some(Box::new((open_files.keep(&meta, file)?, fields.clone()))),
            )
        };
        let is_negotiated = fields.get("Vary").is_some();
        let folder_without_codings = if is_negotiated { folder_without_codings(root, &path, now) } else { None };
        // The content read above belongs to `meta` only if the file is still the same. Because it
        // was left alone for two ticks before, a change in between shows as a new time.
        if root.stat(&file_path) != Some(meta) {
            return None;
        }
        NOT_IN_304.iter().for_each(|name| fields.remove(name));
        let not_modified = Prepared::new(Status::NOT_MODIFIED, &fields, &[]);
        Some(CachedFile {
            file_path,
            index_len: index.len(),
            meta,
            whole,
            open,
            is_negotiated,
            is_used: false,
            links_checked: now,
            checked_for: 0,
            details: Box::new(Details { validators, not_modified, folder_without_codings, folder_checked_for: 0 }),
        })
    }

    /// The requested path, without the leading slash.
    pub(crate) fn requested_path(&self) -> &[u8] {
        let path = self.file_path.bytes();
        &path[..path.len() - self.index_len]
    }

    /// Whether the same file is still there, unchanged.
    pub(crate) fn is_unchanged(&mut self, folders: &mut CheckedFolders, root: &Root, now: SystemTime) -> bool {
        if root.stat(&self.file_path).as_ref() != Some(&self.meta) {
            return false;
        }
        // The stat above followed links on the way. A folder may have been replaced by one.
        if !is_recent(self.links_checked, now) {
            let Some(checked) = folders.check(self.file_path.folder(), root, now) else { return false };
            self.links_checked = checked;
        }
        true
    }

    /// Whether there is still no compressed sibling of the file, for a request of this arrival number.
    pub(crate) fn has_no_coded_sibling(&mut self, root: &Root, arrival: u64) -> bool {
        let Details { folder_without_codings: Some((path, meta)), folder_checked_for, .. } = &mut *self.details else {
            return false;
        };
        std::mem::replace(folder_checked_for, arrival) == arrival || root.stat(path).as_ref() == Some(meta)
    }

    /// The response with the whole file. `None`: its descriptor was closed.
    pub(crate) fn whole(&self) -> Option<Answer> {
        let head = self.whole.clone();
        Some(match self.open.as_deref() {
            Some((kept, _)) => Answer::ReadyFile(head, kept.get()?),
            None => Answer::Ready(head),
        })
    }

    /// The response with the one range of the request. Several ranges, unsatisfiable
    /// ones and ranges of small files are left to the normal path.
    pub(crate) fn range(&self, request: &Request<'_>) -> Option<Answer> {
        // Range given twice counts as absent. If-Range alone has no effect.
        let Some(value) = request.field("range") else { return self.whole() };
        // A small file has no descriptor to send a range from.
        let (kept, fields) = self.open.as_deref()?;
        let Selected::One(range) = range::select(value, self.meta.size) else { return None };
        let body = Body::File { file: kept.get()?, from: range.from, len: range.len };
        let response = Response::from_parts((Status::PARTIAL_CONTENT, fields.clone(), body));
        Some(Answer::Now(response.field("Content-Range", range::content_range(range, self.meta.size))))
    }

    /// Bytes of memory, about.
    pub(crate) fn bytes(&self) -> usize {
        let fields = self.open.as_ref().map_or(0, |open| open.1.bytes().len());
        let heads = self.whole.weight() + self.details.not_modified.weight();
        heads + fields + self.file_path.bytes().len() + size_of::<CachedFile>() + size_of::<Details>()
    }
}

/// The folder of a file, if it surely has no compressed sibling of the file in it.
fn folder_without_codings(root: &Root, path: &[u8], now: SystemTime) -> Option<(CheckedPath, Meta)> {
    let folder = CheckedPath::new(split_last(path).0)?;
    let meta = root.stat(&folder)?;
    // Like a young file, a folder that just changed could change again without a new time.
    let is_young = Validators::of(&meta, root.file_system(&meta), Coding::Identity, now).tag.is_weak();
    // A link counts as a sibling: the normal path would follow it.
    let is_free = |coding: Coding| root.is_free(&[path, coding.suffix().as_bytes()].concat());
    if is_young || !Coding::PREPARED.into_iter().all(is_free) {
        return None;
    }
    (root.stat(&folder) == Some(meta)).then_some((folder, meta))
}

/// The content, if all of it can be read.
fn read_whole(file: &OpenFile, size: u64, may_block: bool) -> Option<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).ok()?];
    let is_whole = read_start(file, &mut content, may_block).ok()?.len() as u64 == size;
    is_whole.then_some(content)
}

/// Folders that were reached without a symbolic link, and when that was checked.
#[derive(Default)]
pub(crate) struct CheckedFolders(HashMap<Box<[u8]>, SystemTime>);

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
