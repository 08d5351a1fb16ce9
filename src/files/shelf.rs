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
//!   files are not kept (their tag is weak: [`super::validator`]), nor any whose Last-Modified still
//!   depends on the moment of asking.
//! - Where a prepared coding (`x.html.br`) could stand beside a file, "there is none" is knowledge too.
//!   It is kept as the state of the folder, which changes whenever a name in it comes or goes.
//! - The path of a hit is resolved without the door, so it only ever decides "the same inode,
//!   unchanged"; anything else goes through the door. What was reached through a link is not kept. Once
//!   a second the path is tried at the door too: a folder may have been moved out of the root and a
//!   link put in its place, and the file in it knows nothing of that.
//! - A program that writes through a shared mapping changes a file without a new time until the kernel
//!   writes it back. No validator made of times sees that, here or anywhere.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fs::File;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::coding::Coding;
use super::precondition::{self, Verdict};
use super::range::{self, Selected};
use super::root::{Kind, Meta, Root};
use super::validator::Validators;
use super::wishes::Wishes;
use crate::http::{Fields, Method, Prepared, Request, Status};
use crate::service::{Answer, Body, Response};

/// Content up to this length is kept: for more, `sendfile` is as cheap as a copy, and the open file is
/// kept instead.
const SMALL: u64 = 16 * 1024;
/// Files that a loop keeps open unless told otherwise.
pub(crate) const OPEN_FILES: usize = 64;
/// Octets that all loops together may keep.
pub const CAPACITY: usize = 64 * 1024 * 1024;
/// How long the door's word on a path holds.
const PROOF: Duration = Duration::from_secs(1);
/// The longest path that is kept; a longer one would be a burden to compare.
const LONGEST_PATH: usize = 512;

/// One file, ready.
struct Item {
    /// The path it is asked for by.
    path: Box<[u8]>,
    /// Its path from the root: the same, or that of the index in it.
    place: Box<[u8]>,
    meta: Meta,
    validators: Validators,
    /// Head and content, or the head of what `file` has.
    whole: Arc<Prepared>,
    open: Option<Open>,
    not_modified: Option<Arc<Prepared>>,
    /// If the answer depends on Accept-Encoding: the folder in which no prepared coding stood.
    alone: Option<Alone>,
    negotiated: bool,
    /// Asked for since the hand of the clock last passed.
    used: bool,
    /// When its path was last tried at the door.
    proved: SystemTime,
}

/// A file that is not small.
struct Open {
    file: Arc<File>,
    /// Those of the whole: a part has one more.
    fields: Fields,
}

struct Alone {
    folder: Box<[u8]>,
    meta: Meta,
}

/// What a loop keeps.
pub(crate) struct Shelf {
    /// Slots by the hash of the path; the hasher is seeded at random, so nobody can choose paths that
    /// collide.
    index: HashMap<u64, usize>,
    hasher: RandomState,
    slots: Vec<Item>,
    hand: usize,
    weight: usize,
    capacity: usize,
    open: usize,
    most_open: usize,
}

impl Shelf {
    /// An empty shelf.
    pub(crate) fn new(capacity: usize, most_open: usize) -> Shelf {
        let (index, hasher) = (HashMap::new(), RandomState::new());
        Shelf { index, hasher, slots: Vec::new(), hand: 0, weight: 0, capacity, open: 0, most_open }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let slot = *self.index.get(&self.hasher.hash_one(path))?;
        (*self.slots[slot].path == *path).then_some(slot)
    }

    /// The answer to this request, if it lies ready and is still true.
    pub(crate) fn answer(&mut self, request: &Request<'_>, root: &Root, now: SystemTime) -> Option<Answer> {
        let (wishes, slot) = self.candidate(request)?;
        let item = &mut self.slots[slot];
        if wishes.codings && item.negotiated {
            let alone = item.alone.as_ref()?;
            if root.look(&alone.folder).as_ref() != Some(&alone.meta) {
                return self.forget(slot);
            }
        }
        if root.look(&item.place).as_ref() != Some(&item.meta) {
            return self.forget(slot);
        }
        // A clock that was set back proves nothing.
        if now.duration_since(item.proved).map_or(true, |since| since >= PROOF) {
            if !root.is_plain(&item.place, &item.meta) {
                return self.forget(slot);
            }
            item.proved = now;
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
                if let Some(item) = make(request, &fields, file, root, index, now) {
                    self.put(item);
                }
            }
            (Status::NOT_MODIFIED, _) => {
                let Some((wishes, slot)) = self.candidate(request) else { return };
                let item = &mut self.slots[slot];
                let same = response.fields().get("ETag") == Some(item.validators.tag.octets());
                if same && wishes.conditional {
                    item.not_modified = Some(Arc::new(Prepared::new(Status::NOT_MODIFIED, response.fields(), &[])));
                }
            }
            _ => {}
        }
    }

    fn put(&mut self, item: Item) {
        if let Some(slot) = self.index.get(&self.hasher.hash_one(&*item.path)).copied() {
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
        self.index.insert(self.hasher.hash_one(&*item.path), self.slots.len());
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
        self.index.remove(&self.hasher.hash_one(&*item.path));
        if let Some(moved) = self.slots.get(slot) {
            self.index.insert(self.hasher.hash_one(&*moved.path), slot);
        }
        None
    }
}

impl Item {
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
        let Open { file, fields } = self.open.as_ref()?;
        let Selected::One(part) = range::select(value, self.meta.size) else { return None };
        let body = Body::File { file: Arc::clone(file), from: part.from, len: part.len };
        let response = Response::from_parts((Status::PARTIAL_CONTENT, fields.clone(), body));
        Some(Answer::Now(response.field("Content-Range", range::content_range(part, self.meta.size))))
    }

    fn weight(&self) -> usize {
        let not_modified = 512; // counted whether it is there or not, so that weights do not change
        let fields = self.open.as_ref().map_or(0, |open| open.fields.octets().len());
        self.whole.weight() + not_modified + fields + self.path.len() + self.place.len() + size_of::<Item>()
    }
}

/// The item of an answer of the slow way, if it is one that can be kept.
fn make(
    request: &Request<'_>,
    fields: &Fields,
    file: &Arc<File>,
    root: &Root,
    index: &[String],
    now: SystemTime,
) -> Option<Item> {
    let path = request.path();
    let plain = fields.get("Content-Encoding").is_none() && request.method() == Method::Get;
    if !plain || path.len() > LONGEST_PATH {
        return None;
    }
    let mut place = path.to_vec();
    if path.ends_with(b"/") {
        // Only the first name: the second one holds as long as the first is missing, and who knows that?
        place.extend_from_slice(index.first()?.as_bytes());
    }
    let meta = root.look(&place).filter(|meta| meta.kind == Kind::File)?;
    let validators = Validators::of(&meta, Coding::Identity, now);
    let settled = !validators.tag.is_weak() && validators.is_settled();
    if !settled || fields.get("ETag") != Some(validators.tag.octets()) || !root.is_plain(&place, &meta) {
        return None;
    }
    let negotiated = fields.get("Vary").is_some();
    let alone = if negotiated { alone(root, &place, now) } else { None };
    let (whole, open) = if meta.size <= SMALL {
        (Prepared::new(Status::OK, fields, &read(file, meta.size)?), None)
    } else {
        (
            Prepared::without_content(Status::OK, fields, meta.size),
            Some(Open { file: Arc::clone(file), fields: fields.clone() }),
        )
    };
    // What was read is what was measured only if nothing has moved meanwhile.
    if root.look(&place) != Some(meta) {
        return None;
    }
    let whole = Arc::new(whole);
    let (path, place) = (path.into(), place.into_boxed_slice());
    Some(Item {
        path,
        place,
        meta,
        validators,
        whole,
        open,
        not_modified: None,
        alone,
        negotiated,
        used: false,
        proved: now,
    })
}

/// The folder of a file, if no prepared coding of the file stands in it for certain.
fn alone(root: &Root, place: &[u8], now: SystemTime) -> Option<Alone> {
    let end = place.iter().rposition(|&o| o == b'/')?;
    let folder: Box<[u8]> = place[..=end].into();
    let meta = root.look(&folder)?;
    if Validators::of(&meta, Coding::Identity, now).tag.is_weak() {
        return None;
    }
    for coding in Coding::PREPARED {
        // A link counts too: the slow way follows it.
        if !root.is_free(&[place, coding.suffix().as_bytes()].concat()) {
            return None;
        }
    }
    (root.look(&folder) == Some(meta)).then_some(Alone { folder, meta })
}

/// The content, if all of it is in memory: a loop must not wait for a disk.
fn read(file: &File, size: u64) -> Option<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).ok()?];
    let mut from = 0;
    while from < content.len() {
        from += read_now(file, &mut content[from..], from as u64).filter(|&count| count > 0)?;
    }
    Some(content)
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, room: &mut [u8], from: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut slices = [std::io::IoSliceMut::new(room)];
    preadv2(file, &mut slices, from, ReadWriteFlags::NOWAIT).ok()
}

#[cfg(not(target_os = "linux"))]
fn read_now(file: &File, room: &mut [u8], from: u64) -> Option<usize> {
    rustix::io::pread(file, room, from).ok()
}

#[cfg(test)]
mod tests;
