//! Listings that are being made or sent: shared between requests, and bounded in memory. Nothing is
//! cached here.
//!
//! - [`Readings`]: requests that arrive before a reading of a folder begins share that reading. A
//!   request that arrives later gets the next one, so a client that has just uploaded a file always
//!   sees it. Per folder at most one reading runs and at most one waits, so a flood of requests
//!   does not read a large folder in parallel.
//! - [`Pages`]: clients that are being sent the same page share one copy, and all copies together
//!   are bounded. A folder of 100,000 names is a page of 20 MB, and a slow client may hold it for a
//!   long time.
//!
//! ```text
//! reading 1   |------------|                  A came before it began
//! reading 2                |------------|     B, C and D came while reading 1 ran: they share one
//! requests    A  B  C   D
//! ```

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, Weak};

use rustix::io::Errno;

use crate::files::resource::collapse;
use crate::files::root::{Directory, Entry};
use crate::files::validator::EntityTag;
use crate::service::{Bytes, Lane, Task, lock};

/// No new page is made while pages of this many bytes are being sent: about six folders of 100,000
/// names.
const MAX_BYTES: usize = 128 * 1024 * 1024;
/// Pages up to this many bytes are not counted: any other response costs as much with a slow
/// client.
const UNCOUNTED_BYTES: usize = 16 * 1024;

/// The folders that requests wait for, by path.
#[derive(Debug, Default)]
pub(crate) struct Readings {
    folders: Mutex<HashMap<Box<[u8]>, Weak<FolderReadings>>>,
    /// Makes the keys. It is random, so no client can choose paths with the same key.
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct FolderReadings {
    /// Held while a reading runs.
    running: Mutex<()>,
    /// The reading that has not begun. Requests join it.
    waiting: Mutex<Weak<Mutex<Option<ReadResult>>>>,
}

/// The result of a reading. The open folder keeps its inode number from being given to another one.
#[derive(Debug)]
struct ReadResult {
    directory: Directory,
    entries: Result<Arc<Vec<Entry>>, Errno>,
    /// See [`Reading::keep`]; [`Pages`] bounds them.
    pages: Vec<Arc<Vec<u8>>>,
}

/// One request's share of a reading.
#[derive(Debug)]
pub(crate) struct Reading {
    folder: Arc<FolderReadings>,
    result: Arc<Mutex<Option<ReadResult>>>,
    /// The same for all readings of one folder.
    key: u64,
}

impl Readings {
    /// Joins the reading of the folder at `path` that has not begun yet. Must be called when the
    /// request arrives: a call later would join a later reading than necessary.
    pub(crate) fn join(&self, path: &[u8]) -> Reading {
        // The same folder under another spelling is the same reading.
        let path = &*collapse(path);
        let key = self.hasher.hash_one(path);
        let mut folders = lock(&self.folders);
        let known = folders.get(path).and_then(Weak::upgrade);
        let folder = known.unwrap_or_else(|| {
            // There are never more folders here than requests that wait for a worker, so this loop
            // is short.
            folders.retain(|_, folder| folder.strong_count() > 0);
            let folder = Arc::default();
            folders.insert(path.into(), Arc::downgrade(&folder));
            folder
        });
        // A waiting reading exists as long as a request holds it. If all of them were dropped, a new
        // one begins.
        let mut waiting = lock(&folder.waiting);
        let result = waiting.upgrade().unwrap_or_else(|| {
            let result = Arc::default();
            *waiting = Arc::downgrade(&result);
            result
        });
        drop(waiting);
        Reading { folder, result, key }
    }
}

impl Reading {
    /// The task of its job. Requests for one folder run one after the other: all but one would only wait here, and
    /// occupy a worker each.
    pub(crate) fn task(&self) -> Task {
        Task { key: Some(self.key), ..Lane::List.into() }
    }

    /// Keeps a page that was made of these entries until all requests of this reading have had their responses. So a
    /// hundred HEAD requests make it once.
    pub(crate) fn keep(&self, page: &Bytes) {
        if let (Bytes::Shared(page), Some(result)) = (page, &mut *lock(&self.result)) {
            result.pages.push(Arc::clone(page));
        }
    }

    /// The entries of `directory`, which must have been opened after [`Readings::join`]. Blocks:
    /// reads the folder, or waits until another request has read it.
    pub(crate) fn entries(
        &self,
        directory: Directory,
        read: impl FnOnce(&Directory) -> Result<Vec<Entry>, Errno>,
    ) -> Result<Arc<Vec<Entry>>, Errno> {
        // All requests of this reading wait here, until the first one has read the folder.
        let mut result = lock(&self.result);
        if let Some(ReadResult { directory: other, entries, .. }) = &*result {
            // The path may lead to another folder since that one was opened: then its entries are
            // out of date.
            return if other.meta().is_same_file(directory.meta()) {
                entries.clone()
            } else {
                read(&directory).map(Arc::new)
            };
        }
        // The reading before this one may still run.
        let running = lock(&self.folder.running);
        // From here on, an entry may come too late to be seen. A request that arrives now needs the
        // next reading.
        *lock(&self.folder.waiting) = Weak::new();
        let entries = read(&directory).map(Arc::new);
        drop(running);
        *result = Some(ReadResult { directory, entries: entries.clone(), pages: Vec::new() });
        entries
    }
}

/// Pages that are being sent.
#[derive(Debug)]
pub(crate) struct Pages {
    max_bytes: usize,
    pages: Mutex<Vec<PageInFlight>>,
}

/// One page that at least one client is being sent.
#[derive(Debug)]
struct PageInFlight {
    tag: EntityTag,
    /// Compared as well as the tag, so that a collision of tags cannot show one folder as another.
    path: Box<[u8]>,
    content: Weak<Vec<u8>>,
}

/// The result of [`Pages::find`].
#[derive(Debug)]
pub(crate) enum FoundPage {
    /// Another client is being sent the same page.
    Same(Bytes),
    MayBeMade,
    /// Too many bytes are being sent.
    Full,
}

impl Default for Pages {
    fn default() -> Pages {
        Pages { max_bytes: MAX_BYTES, pages: Mutex::default() }
    }
}

impl Pages {
    /// Looks for the page with this tag at this path, before it is made, because making it is
    /// expensive. Several workers may get [`FoundPage::MayBeMade`] at the same moment, so the bound
    /// may be exceeded by one page per worker.
    pub(crate) fn find(&self, tag: EntityTag, path: &[u8]) -> FoundPage {
        let (mut same, mut bytes) = (None, 0);
        // Pages that were sent completely are removed here, and nowhere else.
        lock(&self.pages).retain(|page| {
            let Some(content) = page.content.upgrade() else { return false };
            bytes += content.len();
            if page.tag == tag && *page.path == *path {
                same = Some(content);
            }
            true
        });
        match same {
            Some(content) => FoundPage::Same(Bytes::Shared(content)),
            None if bytes < self.max_bytes => FoundPage::MayBeMade,
            None => FoundPage::Full,
        }
    }

    /// Adds a page for as long as it is being sent. If another worker has made the same page
    /// meanwhile, its copy is returned and this one is dropped.
    pub(crate) fn add(&self, tag: EntityTag, path: &[u8], content: Vec<u8>) -> Bytes {
        if content.len() <= UNCOUNTED_BYTES {
            return Bytes::Shared(Arc::new(content));
        }
        // Two workers may have made the same page at the same time.
        if let FoundPage::Same(content) = self.find(tag, path) {
            return content;
        }
        let content = Arc::new(content);
        lock(&self.pages).push(PageInFlight { tag, path: path.into(), content: Arc::downgrade(&content) });
        Bytes::Shared(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::{Opened, Root, Symlinks};
    use crate::files::testing::Folder;
    use crate::files::validator::Validators;

    fn open(folder: &Folder) -> Directory {
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let Ok(Opened::Directory(directory)) = root.open(b"/list/", true) else { panic!("no folder") };
        directory
    }

    fn names(entries: Result<Arc<Vec<Entry>>, Errno>) -> Vec<String> {
        let mut names: Vec<_> =
            entries.unwrap().iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_request_that_comes_after_a_reading_began_never_gets_its_entries() {
        let folder = Folder::new();
        folder.write("list/a", "");
        let readings = Readings::default();
        let [first, second] = [readings.join(b"/list/"), readings.join(b"/list/")];
        let mut later = None;
        let got = first.entries(open(&folder), |directory| {
            let entries = directory.entries();
            folder.write("list/b", "");
            // Uploaded and asked for while the first reading runs: this request must see the
            // upload.
            later.replace(readings.join(b"/list/"));
            entries
        });
        assert_eq!(names(got), ["a"]);
        let shared = second.entries(open(&folder), |_| panic!("read twice for requests that came before"));
        assert_eq!(names(shared), ["a"]);
        let got = later.unwrap().entries(open(&folder), Directory::entries);
        assert_eq!(names(got), ["a", "b"]);
        assert_eq!(names(readings.join(b"/list/").entries(open(&folder), Directory::entries)), ["a", "b"]);
    }

    #[test]
    fn a_hundred_requests_during_a_reading_are_one_more_reading_and_two_never_run_at_once() {
        let folder = Folder::new();
        folder.write("list/a", "");
        let (readings, count, running) = (Readings::default(), Mutex::new(0), Mutex::new(()));
        let read = |directory: &Directory| {
            let _running = running.try_lock().expect("two readings of one folder at once");
            *lock(&count) += 1;
            std::thread::yield_now();
            directory.entries()
        };
        std::thread::scope(|scope| {
            let first = readings.join(b"/list/");
            let got = first.entries(open(&folder), |directory| {
                for _ in 0..100 {
                    let reading = readings.join(b"/list/");
                    let (folder, read) = (&folder, &read);
                    scope.spawn(move || assert_eq!(names(reading.entries(open(folder), read)), ["a"]));
                }
                read(directory)
            });
            assert_eq!(names(got), ["a"]);
        });
        assert_eq!(*lock(&count), 2);
        assert!(lock(&readings.folders).values().all(|folder| folder.strong_count() == 0), "nothing is kept");
    }

    #[test]
    fn a_page_is_made_once_for_all_requests_of_a_reading_even_if_none_is_sent_it() {
        let folder = Folder::new();
        folder.write("list/a", "");
        let (readings, pages, tag) = (Readings::default(), Pages::default(), Validators::of_content(b"a").tag);
        let [first, second] = [readings.join(b"/list/"), readings.join(b"//list//")];
        assert_eq!(first.task(), second.task());
        assert_eq!(names(first.entries(open(&folder), Directory::entries)), ["a"]);
        // The response to HEAD drops its page at once.
        first.keep(&pages.add(tag, b"/list/", vec![1; 2 * UNCOUNTED_BYTES]));
        drop(first);
        assert!(matches!(pages.find(tag, b"/list/"), FoundPage::Same(_)));
        drop(second);
        assert!(matches!(pages.find(tag, b"/list/"), FoundPage::MayBeMade), "nothing is kept after that");
    }

    #[test]
    fn entries_of_a_folder_that_was_replaced_meanwhile_are_not_shared() {
        let folder = Folder::new();
        folder.write("list/old", "");
        let readings = Readings::default();
        let [first, second] = [readings.join(b"/list/"), readings.join(b"/list/")];
        let opened = open(&folder);
        std::fs::rename(folder.join("list"), folder.join("away")).unwrap();
        folder.write("list/new", "");
        assert_eq!(names(first.entries(opened, Directory::entries)), ["old"]);
        assert_eq!(names(second.entries(open(&folder), Directory::entries)), ["new"]);
    }

    #[test]
    fn a_folder_that_cannot_be_read_is_an_error_for_all_and_a_panic_for_one() {
        let folder = Folder::new();
        folder.write("list/a", "");
        let readings = Readings::default();
        let [first, second] = [readings.join(b"/list/"), readings.join(b"/list/")];
        assert_eq!(first.entries(open(&folder), |_| Err(Errno::MFILE)), Err(Errno::MFILE));
        assert_eq!(second.entries(open(&folder), Directory::entries), Err(Errno::MFILE));
        let [first, second] = [readings.join(b"/list/"), readings.join(b"/list/")];
        let panic = || first.entries(open(&folder), |_| std::panic::resume_unwind(Box::new(())));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panic)).is_err());
        assert_eq!(names(second.entries(open(&folder), Directory::entries)), ["a"]);
    }

    #[test]
    fn slow_readers_share_a_page_and_all_pages_together_are_bounded() {
        let tag = |n: u8| Validators::of_content(&[n]).tag;
        let page = |n: u8| vec![n; 2 * UNCOUNTED_BYTES];
        let pages = Pages { max_bytes: 5 * UNCOUNTED_BYTES, pages: Mutex::default() };
        let first = pages.add(tag(1), b"/a/", page(1));
        assert!(matches!(pages.find(tag(1), b"/a/"), FoundPage::Same(same) if same.as_ptr() == first.as_ptr()));
        assert!(matches!(pages.find(tag(1), b"/b/"), FoundPage::MayBeMade), "another folder is another page");
        let again = pages.add(tag(1), b"/a/", page(1));
        assert_eq!(again.as_ptr(), first.as_ptr(), "made twice, kept once");
        let others = [pages.add(tag(2), b"/a/", page(2)), pages.add(tag(3), b"/a/", page(3))];
        assert!(matches!(pages.find(tag(4), b"/a/"), FoundPage::Full));
        assert!(matches!(pages.find(tag(3), b"/a/"), FoundPage::Same(_)), "a page that exists is sent all the same");
        drop(others);
        assert!(matches!(pages.find(tag(4), b"/a/"), FoundPage::MayBeMade));
        drop((first, again));
        assert!(matches!(pages.find(tag(1), b"/a/"), FoundPage::MayBeMade), "nothing is kept after it was sent");
        assert!(pages.pages.lock().unwrap().is_empty());
        let small: Vec<_> = (0..9).map(|n| pages.add(tag(n), b"/a/", vec![n; UNCOUNTED_BYTES])).collect();
        assert!(small.len() == 9 && matches!(pages.find(tag(9), b"/a/"), FoundPage::MayBeMade));
    }
}
