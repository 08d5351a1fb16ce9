//! The shelf: small files that lie ready to be sent, larger ones that stand open with their head
//! ready; looked at before each use.
//!
//! A hit costs one `statat` and two copies instead of open, fstat, read and close. Every loop has a
//! shelf of its own: no lock, no shared line of memory.
//!
//! Never: an answer that is not the one the slow way would give. What is kept is what the slow way has
//! made, under the path it was asked for, together with what it was made from; at each hit the kernel
//! is asked whether that is still there, unchanged to the nanosecond. No time limits, no notification
//! that could be late: somebody who saves and reloads sees the new page.
//!
//! The subtle things:
//! - A file that changed within the clock's last ticks could change again without a new time. So young
//!   files are not kept (their tag is weak: [`crate::files::validator`]), nor any whose Last-Modified still
//!   depends on the moment of asking.
//! - Where a prepared coding (`x.html.br`) could stand beside a file, "there is none" is knowledge too.
//!   It is kept as the state of the folder, which changes whenever a name in it comes or goes.
//! - The path of a hit is resolved without the door, so it only ever decides "the same inode,
//!   unchanged"; anything else goes through the door. What was reached through a link is not kept. Once
//!   a second the path is tried at the door too: a folder may have been moved out of the root and a
//!   link put in its place, and the file in it knows nothing of that.
//! - A program that writes through a shared mapping changes a file without a new time until the kernel
//!   writes it back. No validator made of times sees that, here or anywhere.

mod making;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::files::precondition;
use crate::files::precondition::Verdict;
use crate::files::range;
use crate::files::range::Selected;
use crate::files::root::{Known, Meta, Root};
use crate::files::validator::{Validators, hash_from};
use crate::files::wishes::Wishes;
use crate::http::{Fields, Method, Prepared, Request, Status};
use crate::service::{Answer, Body, RequestContext, Response};

/// Content up to this length is kept: for more, `sendfile` is as cheap as a copy, and the open file is
/// kept instead.
const SMALL: u64 = 16 * 1024;
/// Files that a loop keeps open unless told otherwise.
pub(crate) const OPEN_FILES: usize = 64;
/// Bytes that all loops together may keep.
pub const CAPACITY: usize = 64 * 1024 * 1024;
/// How long the door's word on a path holds.
const PROOF: Duration = Duration::from_secs(1);
/// Folders of which it is remembered that no link leads to them.
const MOST_STRAIGHT: usize = 4096;
/// The longest path that is kept; a longer one would be a burden to compare.
const LONGEST_PATH: usize = 512;

/// One file, ready.
struct Item {
    /// Its path from the root: the one it is asked for by, or that of the index in it.
    place: Known,
    /// Bytes of the index's name.
    index: usize,
    meta: Meta,
    validators: Validators,
    /// Head and content, or the head of what `file` has.
    whole: Arc<Prepared>,
    open: Option<Box<Open>>,
    not_modified: Option<Arc<Prepared>>,
    /// If the answer depends on Accept-Encoding: the folder in which no prepared coding stood.
    alone: Option<Box<Alone>>,
    negotiated: bool,
    /// Asked for since the hand of the clock last passed.
    used: bool,
    /// When the way to it was last tried at the door.
    proved: SystemTime,
    /// The arrival for which it was last looked at.
    looked: u64,
}

/// Folders to which no link led at this moment.
type Straight = HashMap<Box<[u8]>, SystemTime>;

/// A file that is not small.
struct Open {
    file: Arc<File>,
    /// Those of the whole: a part has one more.
    fields: Fields,
}

struct Alone {
    folder: Known,
    meta: Meta,
}

/// What a loop keeps.
pub(crate) struct FileCache {
    /// Slots by the hash of the path, which is seeded at random, so nobody can choose paths that collide.
    index: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    seed: u64,
    slots: Vec<Item>,
    straight: Straight,
    hand: usize,
    weight: usize,
    capacity: usize,
    open: usize,
    most_open: usize,
}

impl FileCache {
    /// An empty shelf.
    pub(crate) fn new(capacity: usize, most_open: usize) -> FileCache {
        let (seed, straight) = (RandomState::new().build_hasher().finish(), HashMap::new());
        let index = HashMap::default();
        FileCache { index, seed, slots: Vec::new(), straight, hand: 0, weight: 0, capacity, open: 0, most_open }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let path = path.strip_prefix(b"/")?;
        let slot = *self.index.get(&hash_from(self.seed, path))?;
        (self.slots[slot].path() == path).then_some(slot)
    }

    fn key(&self, item: &Item) -> u64 {
        hash_from(self.seed, item.path())
    }

    /// The answer to this request, if it lies ready and is still true.
    pub(crate) fn answer(&mut self, request: &Request<'_>, root: &Root, visit: &RequestContext) -> Option<Answer> {
        let (wishes, slot) = self.candidate(request)?;
        let item = &mut self.slots[slot];
        // A look that was made after a request has come holds for it, and for all that came with it.
        if item.looked != visit.arrival {
            if !item.is_true(&mut self.straight, root, visit.now) {
                return self.forget(slot);
            }
            item.looked = visit.arrival;
        }
        if wishes.codings && item.negotiated && !item.stands_alone(root) {
            return self.forget(slot);
        }
        item.used = true;
        if !wishes.conditional && !wishes.part {
            return Some(item.whole());
        }
        if wishes.has_exactly(request, &item.validators) {
            return item.not_modified.clone().map(Answer::Ready);
        }
        match precondition::evaluate(request, Some(&item.validators)) {
            Verdict::Proceed { range_allowed: true } if wishes.part => item.part(request),
            Verdict::Proceed { .. } => Some(item.whole()),
            Verdict::NotModified => item.not_modified.clone().map(Answer::Ready),
            Verdict::Failed => None,
        }
    }

    /// Descriptors are short: the open files go, the small ones in memory stay.
    pub(crate) fn close_files(&mut self) {
        while let Some(slot) = self.slots.iter().position(|item| item.open.is_some()) {
            self.forget::<()>(slot);
        }
    }

    /// Wishes that a shelf understands, and the slot of the path.
    fn candidate(&self, request: &Request<'_>) -> Option<(Wishes, usize)> {
        if !matches!(request.method(), Method::Get | Method::Head) {
            return None;
        }
        let slot = self.find(request.path())?;
        let wishes = Wishes::of(request);
        (!wishes.special).then_some((wishes, slot))
    }

    /// Learns from what the slow way has answered.
    pub(crate) fn learn(
        &mut self,
        request: &Request<'_>,
        response: &Response,
        root: &Root,
        index: &[String],
        now: SystemTime,
    ) {
        match (response.status(), response.body()) {
            // Who asks for parts never asks for the whole: a part teaches its head too.
            (Status::OK | Status::PARTIAL_CONTENT, Body::File { file, .. }) => {
                let mut fields = response.fields().clone();
                fields.remove("Content-Range");
                if let Some(item) = making::make(request, &fields, file, root, index, now) {
                    self.put(item);
                }
            }
            (Status::NOT_MODIFIED, _) => {
                let Some((wishes, slot)) = self.candidate(request) else { return };
                let item = &mut self.slots[slot];
                let same = response.fields().get("ETag") == Some(item.validators.tag.bytes());
                if same && wishes.conditional {
                    item.not_modified = Some(Arc::new(Prepared::new(Status::NOT_MODIFIED, response.fields(), &[])));
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, item: Item) {
        if let Some(slot) = self.index.get(&self.key(&item)).copied() {
            self.forget::<()>(slot);
        }
        let weight = item.weight();
        let open = usize::from(item.open.is_some());
        if weight > self.capacity || open > self.most_open {
            return;
        }
        while self.weight + weight > self.capacity || self.open + open > self.most_open {
            self.evict();
        }
        self.weight += weight;
        self.open += open;
        let key = self.key(&item);
        self.index.insert(key, self.slots.len());
        self.slots.push(item);
    }

    /// The clock: who was asked for since the hand last passed stays for another round. As good as
    /// keeping the order of all uses, and a hit writes one bit.
    fn evict(&mut self) {
        loop {
            self.hand %= self.slots.len();
            if !std::mem::take(&mut self.slots[self.hand].used) {
                self.forget::<()>(self.hand);
                return;
            }
            self.hand += 1;
        }
    }

    /// Takes an item off; `None`, for whoever has to answer now.
    fn forget<T>(&mut self, slot: usize) -> Option<T> {
        let item = self.slots.swap_remove(slot);
        self.weight -= item.weight();
        self.open -= usize::from(item.open.is_some());
        self.index.remove(&self.key(&item));
        if let Some(moved) = self.slots.get(slot) {
            let key = self.key(moved);
            self.index.insert(key, slot);
        }
        None
    }
}

impl Item {
    /// What it is asked for by, without the leading slash.
    fn path(&self) -> &[u8] {
        let place = self.place.bytes();
        &place[..place.len() - self.index]
    }

    /// Whether the same file still lies there, unchanged.
    fn is_true(&mut self, straight: &mut Straight, root: &Root, now: SystemTime) -> bool {
        if root.look_again(&self.place).as_ref() != Some(&self.meta) {
            return false;
        }
        if !is_young(self.proved, now) {
            let Some(proved) = prove(straight, self.place.folder(), root, now) else { return false };
            self.proved = proved;
        }
        true
    }

    /// Whether no prepared coding has come to stand beside it.
    fn stands_alone(&self, root: &Root) -> bool {
        self.alone.as_ref().is_some_and(|alone| root.look_again(&alone.folder).as_ref() == Some(&alone.meta))
    }

    fn whole(&self) -> Answer {
        let head = Arc::clone(&self.whole);
        match &self.open {
            Some(open) => Answer::ReadyFile(head, Arc::clone(&open.file)),
            None => Answer::Ready(head),
        }
    }

    /// The one part that the request asks for; several, none, and parts of small files are for the slow
    /// way.
    fn part(&self, request: &Request<'_>) -> Option<Answer> {
        let Some(value) = request.field("range") else { return Some(self.whole()) };
        let Open { file, fields } = self.open.as_deref()?;
        let Selected::One(part) = range::select(value, self.meta.size) else { return None };
        let body = Body::File { file: Arc::clone(file), from: part.from, len: part.len };
        let response = Response::from_parts((Status::PARTIAL_CONTENT, fields.clone(), body));
        Some(Answer::Now(response.field("Content-Range", range::content_range(part, self.meta.size))))
    }

    fn weight(&self) -> usize {
        let not_modified = 512; // counted whether it is there or not, so that weights do not change
        let fields = self.open.as_ref().map_or(0, |open| open.fields.bytes().len());
        self.whole.weight() + not_modified + fields + self.place.bytes().len() + size_of::<Item>()
    }
}

/// Whether a proof of that moment still holds. A clock that was set back proves nothing.
fn is_young(proved: SystemTime, now: SystemTime) -> bool {
    now.duration_since(proved).is_ok_and(|since| since < PROOF)
}

/// When the way to this folder was tried at the door, which is now if it was too long ago: once a second
/// for all files in it.
fn prove(straight: &mut Straight, folder: &[u8], root: &Root, now: SystemTime) -> Option<SystemTime> {
    if let Some(&proved) = straight.get(folder).filter(|&&proved| is_young(proved, now)) {
        return Some(proved);
    }
    if straight.len() >= MOST_STRAIGHT {
        straight.clear();
    }
    straight.remove(folder);
    // A link at the end of the path is not followed by whoever looks, so the folder is all that matters.
    root.is_straight(folder).then(|| {
        straight.insert(folder.into(), now);
        now
    })
}

/// A hash that is one already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
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
