//! The board: listings that hang ready, each under the eyes of a watch on its folder.
//!
//! Reading a folder of 1,000 names is 1,000 system calls. A hit costs three: has any watch something to
//! tell, is the folder still the one it was, and one look at each folder in it.
//!
//! ```text
//! loop    miss -> watch the folder -> job                    take the page in -> hit, hit, hit
//! worker                                read, sort, write -> hang
//! ```
//!
//! Never: a page that a change has overtaken. The watch is set before the folder is read; whatever
//! happens after that is an event, and whatever happened before is in the page. Every hit reads the
//! events first. Only the loop touches the board; a worker hands its page over and knows of nothing.
//!
//! The subtle things:
//! - A change is an event of the folder through whose name it is made. So a folder with a link in it, or
//!   with a file that has a second name, is not kept ([`crate::files::root::Entries::tell_tale`]), and the times
//!   of the folders in it are asked for at each hit.
//! - Three things no watch reports: a second name that is given to a file later, a time that changes by
//!   a write through a shared mapping, another file system mounted on a name. So a page is made anew
//!   when it is older than [`PROOF`], by one client for all: the others are served meanwhile.
//! - A folder does not hear that one above it was moved out of the root and a link put in its place, and to whoever
//!   only looks it is still there. So the way to it is tried at the door before a page is believed again.
//! - Who went to make a page anew may be refused on the way; then it is as old as it was ([`Hook`] says so
//!   when it is dropped).
//! - A page is a function of what `stat` says, so two changes within one tick of the clock that leave the
//!   same times and sizes leave the same page.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use crate::files::listing::{Made, Wanted};
use crate::files::precondition;
use crate::files::precondition::Verdict;
use crate::files::root::{Heard, Kind, Meta, Moment, Opened, Root, Watch, Watcher};
use crate::files::validator::Validators;
use crate::http::{Fields, Method, Request, Status};
use crate::service::{Answer, Body, Bytes, Response};

/// Folders that a loop watches: the kernel allows some thousand watches, and they are for all programs
/// of the user.
const FOLDERS: usize = 64;
/// Folders in a folder: each is one more look at each hit, and at this many it costs a tenth of what the
/// page costs.
const MOST_BELOW: usize = 64;
/// How long a page is believed that no watch has spoken against.
const PROOF: Duration = Duration::from_secs(1);
/// The longest path that is kept.
const LONGEST_PATH: usize = 512;

/// One folder under watch.
struct Folder {
    /// Which hooks lead here.
    number: u64,
    watch: Watch,
    meta: Meta,
    /// Path from the root and time of each folder in it.
    below: Vec<(Box<[u8]>, Moment)>,
    /// At most one for each form and order.
    sheets: Vec<Sheet>,
    /// The turn in which it was asked for last.
    used: u64,
}

/// One page of a folder.
struct Sheet {
    wanted: Wanted,
    validators: Validators,
    whole: Option<(Fields, Bytes)>,
    not_modified: Option<Fields>,
    /// Before it was made.
    proved: SystemTime,
    /// When somebody went to make it anew; nothing once they were refused.
    asked: Option<SystemTime>,
}

/// What a loop keeps.
pub(crate) struct Board {
    watcher: Option<Watcher>,
    folders: HashMap<Box<[u8]>, Folder>,
    /// Bytes that all pages together may take.
    capacity: usize,
    turn: u64,
    sender: Sender<Notice>,
    notices: Receiver<Notice>,
}

/// Where a page that is being made may be hung.
pub(crate) struct Hook {
    path: Box<[u8]>,
    number: u64,
    wanted: Wanted,
    /// What a page may weigh: a worker lets go of a heavier one, since there may be no next request to do it.
    capacity: usize,
    /// Gone with what it had to say.
    sender: Option<Sender<Notice>>,
}

/// What has become of a page.
struct Notice {
    path: Box<[u8]>,
    number: u64,
    news: News,
}

enum News {
    Made(Box<Page>),
    /// No page of this folder can be kept.
    Unfit,
    /// Nobody has looked: the workers' queue was full, or the folder could not be read.
    Dropped(Wanted),
}

struct Page {
    folder: Meta,
    below: Vec<(Box<[u8]>, Moment)>,
    sheet: Sheet,
}

impl Hook {
    /// Hands over a page that was made after the hook was given.
    pub(crate) fn hang(mut self, request: &Request<'_>, response: &Response, made: Made, asked: SystemTime) {
        let page = page(&self.path, request, response, made, asked);
        let page = page.filter(|page| page.sheet.weight() <= self.capacity);
        self.say(page.map_or(News::Unfit, |page| News::Made(Box::new(page))));
    }

    fn say(&mut self, news: News) {
        let Some(sender) = self.sender.take() else { return };
        // The loop may be gone already; then nobody waits for this.
        let _ = sender.send(Notice { path: std::mem::take(&mut self.path), number: self.number, news });
    }
}

/// A job that is refused takes its hook with it. A page must not be believed on the strength of it, or a
/// flood that keeps the workers' queue full would keep an old page true.
impl Drop for Hook {
    fn drop(&mut self) {
        self.say(News::Dropped(self.wanted));
    }
}

fn page(path: &[u8], request: &Request<'_>, response: &Response, made: Made, asked: SystemTime) -> Option<Page> {
    if !made.tell_tale || made.below.len() > MOST_BELOW {
        return None;
    }
    let fields = response.fields().clone();
    let (whole, not_modified) = match (response.status(), response.body()) {
        (Status::OK, Body::Bytes(bytes)) => (Some((fields, bytes.clone())), None),
        (Status::NOT_MODIFIED, _) => (None, Some(fields)),
        _ => return None,
    };
    let Made { folder, below, validators, .. } = made;
    let below = below.into_iter().map(|(name, time)| ([path, &name].concat().into(), time)).collect();
    let sheet = Sheet { wanted: Wanted::by(request), validators, whole, not_modified, proved: asked, asked: None };
    Some(Page { folder, below, sheet })
}

impl Board {
    /// An empty board.
    pub(crate) fn new(capacity: usize) -> Board {
        let (sender, notices) = channel();
        Board { watcher: None, folders: HashMap::new(), capacity, turn: 0, sender, notices }
    }

    /// The answer to this request, if it hangs ready and is still true.
    pub(crate) fn answer(&mut self, request: &Request<'_>, root: &Root, now: SystemTime) -> Option<Answer> {
        let path = request.path();
        let may_be = is_read(request) && path.ends_with(b"/") && !self.folders.is_empty();
        if !may_be || !self.folders.contains_key(path) || request.has("expect") {
            return None;
        }
        self.take_in();
        self.hear();
        self.turn += 1;
        let folder = self.folders.get_mut(path)?;
        folder.used = self.turn;
        let wanted = Wanted::by(request);
        let sheet = folder.sheets.iter().find(|sheet| sheet.wanted == wanted)?;
        let unchanged = |(path, time): &(Box<[u8]>, Moment)| {
            root.look(path).is_some_and(|meta| meta.kind == Kind::Directory && meta.modified == *time)
        };
        // A root that was removed is held open, and looks like an empty folder.
        let is_gone = path == b"/" && root.is_gone();
        if is_gone || root.look(path).as_ref() != Some(&folder.meta) || !folder.below.iter().all(unchanged) {
            self.take_down(path);
            return None;
        }
        // A clock that was set back proves nothing.
        let is_recent = |since| now.duration_since(since).is_ok_and(|since| since < PROOF);
        if !is_recent(sheet.proved) && !sheet.asked.is_some_and(is_recent) {
            if !root.is_straight(path) {
                self.take_down(path);
            }
            return None;
        }
        let (status, fields, body) = match precondition::evaluate(request, Some(&sheet.validators)) {
            Verdict::Proceed { .. } => {
                let (fields, bytes) = sheet.whole.as_ref()?;
                (Status::OK, fields, Body::Bytes(bytes.clone()))
            }
            Verdict::NotModified => (Status::NOT_MODIFIED, sheet.not_modified.as_ref()?, Body::Empty),
            Verdict::Failed => return None,
        };
        Some(Answer::Now(Response::from_parts((status, fields.clone(), body))))
    }

    /// A place for the page of the folder that this request asks for, watched from now on.
    pub(crate) fn hook(&mut self, request: &Request<'_>, root: &Root, now: SystemTime) -> Option<Hook> {
        let path = request.path();
        if !is_read(request) || !path.ends_with(b"/") || path.len() > LONGEST_PATH {
            return None;
        }
        // Before another page is made, since a crawl of many folders comes back to none while it hangs:
        // without a hit nobody else would take in what it leaves.
        self.take_in();
        let Ok(Opened::Directory(directory)) = root.open(path, false) else { return None };
        if self.folders.get(path).is_some_and(|folder| folder.meta != *directory.meta()) {
            self.take_down(path);
        }
        if !self.folders.contains_key(path) {
            // What was reached through a link is not kept.
            if !root.is_plain(path, directory.meta()) {
                return None;
            }
            while self.folders.len() >= FOLDERS {
                self.take_down_oldest();
            }
            if self.watcher.is_none() {
                self.watcher = Watcher::new();
            }
            let watch = self.watcher.as_ref()?.watch(&directory)?;
            self.turn += 1;
            let (number, meta) = (self.turn, *directory.meta());
            let folder = Folder { number, watch, meta, below: Vec::new(), sheets: Vec::new(), used: number };
            self.folders.insert(path.into(), folder);
        }
        let (folder, wanted) = (self.folders.get_mut(path)?, Wanted::by(request));
        if let Some(sheet) = folder.sheets.iter_mut().find(|sheet| sheet.wanted == wanted) {
            sheet.asked = Some(now);
        }
        let (number, capacity, sender) = (folder.number, self.capacity, Some(self.sender.clone()));
        Some(Hook { path: path.into(), number, wanted, capacity, sender })
    }

    /// Nothing hangs any more, and the descriptor of the watches is given back.
    pub(crate) fn clear(&mut self) {
        self.folders.clear();
        self.watcher = None;
    }

    /// Hangs what workers have handed over.
    fn take_in(&mut self) {
        while let Ok(Notice { path, number, news }) = self.notices.try_recv() {
            let Some(folder) = self.folders.get_mut(&path).filter(|folder| folder.number == number) else { continue };
            // The worker has opened the folder anew: what it read is what is watched only if it is the same.
            let is_watched =
                |page: &Page| page.folder.device == folder.meta.device && page.folder.inode == folder.meta.inode;
            let page = match news {
                News::Made(page) => Some(*page).filter(is_watched),
                News::Unfit => None,
                News::Dropped(wanted) => {
                    let sheets = folder.sheets.iter_mut().filter(|sheet| sheet.wanted == wanted);
                    sheets.for_each(|sheet| sheet.asked = None);
                    continue;
                }
            };
            let Some(Page { below, sheet, .. }) = page else {
                self.take_down(&path);
                continue;
            };
            if folder.below != below {
                // The other pages tell other times.
                folder.sheets.clear();
                folder.below = below;
            }
            hang(&mut folder.sheets, sheet);
            while self.weight() > self.capacity {
                self.take_down_oldest();
            }
        }
    }

    /// Takes down whatever has changed.
    fn hear(&mut self) {
        let Some(watcher) = &self.watcher else { return };
        let (mut changed, mut lost) = (Vec::new(), false);
        watcher.hear(|heard| match heard {
            Heard::Change(watch) => changed.push(watch),
            Heard::Lost => lost = true,
        });
        if lost {
            return self.clear();
        }
        for watch in changed {
            self.let_go(watch);
        }
    }

    fn take_down(&mut self, path: &[u8]) {
        let Some(watch) = self.folders.get(path).map(|folder| folder.watch) else { return };
        if let Some(watcher) = &self.watcher {
            watcher.end(watch);
        }
        self.let_go(watch);
    }

    fn take_down_oldest(&mut self) {
        let oldest = self.folders.iter().min_by_key(|(_, folder)| folder.used);
        if let Some(path) = oldest.map(|(path, _)| path.clone()) {
            self.take_down(&path);
        }
    }

    /// Forgets every folder under this watch: one that two paths lead to has one watch.
    fn let_go(&mut self, watch: Watch) {
        self.folders.retain(|_, folder| folder.watch != watch);
    }

    /// Bytes of all pages.
    fn weight(&self) -> usize {
        self.folders.values().flat_map(|folder| &folder.sheets).map(Sheet::weight).sum()
    }
}

/// Puts a sheet in the place of the one that was asked for in the same way, or adds to that one what it
/// does not have yet.
fn hang(sheets: &mut Vec<Sheet>, mut sheet: Sheet) {
    if let Some(at) = sheets.iter().position(|other| other.wanted == sheet.wanted) {
        let other = sheets.swap_remove(at);
        if other.validators == sheet.validators {
            sheet.whole = sheet.whole.or(other.whole);
            sheet.not_modified = sheet.not_modified.or(other.not_modified);
        }
    }
    sheets.push(sheet);
}

impl Sheet {
    fn weight(&self) -> usize {
        let whole = self.whole.as_ref().map_or(0, |(fields, bytes)| fields.bytes().len() + bytes.len());
        whole + self.not_modified.as_ref().map_or(0, |fields| fields.bytes().len()) + size_of::<Sheet>()
    }
}

fn is_read(request: &Request<'_>) -> bool {
    matches!(request.method(), Method::Get | Method::Head)
}

#[cfg(test)]
mod tests;
