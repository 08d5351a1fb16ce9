//! Pages that are on their way: one copy for all who asked for the same, and a bound for all of them.
//!
//! A folder of 100,000 names is a page of 20 MB, and a client that reads slowly holds it in memory for
//! as long as it likes. Two hundred such clients are 4 GB, and cost their owner nothing.
//!
//! Never: a page that nobody holds. This is no cache: what is known is what somebody is being sent, or
//! has kept for himself ([`crate::files::board`]).
//!
//! The subtle thing: whether there is room is asked before a page is made, since making it is what
//! costs. So the bound may be exceeded by one page for each worker, and by no more.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::files::validator::EntityTag;
use crate::service::Bytes;

/// Bytes of pages on their way beyond which no other page is made: some six folders of 100,000 names.
const MOST: usize = 128 * 1024 * 1024;
/// A page up to this length is not counted: so much a slow client costs with any other answer too.
const SMALL: usize = 16 * 1024;

/// Pages on their way.
#[derive(Debug)]
pub(crate) struct Pages {
    most: usize,
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    tag: EntityTag,
    /// Beside the tag, so that two folders can never be taken for each other.
    path: Box<[u8]>,
    page: Weak<Vec<u8>>,
}

/// What is known about a page before it is made.
#[derive(Debug)]
pub(crate) enum Found {
    /// Somebody is being sent the same.
    Page(Bytes),
    /// It may be made.
    Room,
    /// There are too many on their way.
    Full,
}

impl Default for Pages {
    fn default() -> Pages {
        Pages { most: MOST, known: Mutex::default() }
    }
}

impl Pages {
    /// Looks for the page with this tag at this path, and for room for it.
    pub(crate) fn find(&self, tag: EntityTag, path: &[u8]) -> Found {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut same, mut bytes) = (None, 0);
        known.retain(|one| {
            let Some(page) = one.page.upgrade() else { return false };
            bytes += page.len();
            if one.tag == tag && *one.path == *path {
                same = Some(page);
            }
            true
        });
        match same {
            Some(page) => Found::Page(Bytes::Shared(page)),
            None if bytes < self.most => Found::Room,
            None => Found::Full,
        }
    }

    /// Remembers a page for as long as somebody is being sent it. Who makes the same one at the same
    /// time gets the copy that was first.
    pub(crate) fn keep(&self, tag: EntityTag, path: &[u8], page: Vec<u8>) -> Bytes {
        if page.len() <= SMALL {
            return Bytes::Shared(Arc::new(page));
        }
        if let Found::Page(page) = self.find(tag, path) {
            return page;
        }
        let page = Arc::new(page);
        let one = Known { tag, path: path.into(), page: Arc::downgrade(&page) };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        Bytes::Shared(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::validator::Validators;

    #[test]
    fn slow_readers_share_a_page_and_all_pages_together_are_bounded() {
        let tag = |n: u8| Validators::of_content(&[n]).tag;
        let page = |n: u8| vec![n; 2 * SMALL];
        let pages = Pages { most: 5 * SMALL, known: Mutex::default() };
        let first = pages.keep(tag(1), b"/a/", page(1));
        assert!(matches!(pages.find(tag(1), b"/a/"), Found::Page(same) if same.as_ptr() == first.as_ptr()));
        assert!(matches!(pages.find(tag(1), b"/b/"), Found::Room), "another folder is another page");
        let again = pages.keep(tag(1), b"/a/", page(1));
        assert_eq!(again.as_ptr(), first.as_ptr(), "made twice, kept once");
        let others = [pages.keep(tag(2), b"/a/", page(2)), pages.keep(tag(3), b"/a/", page(3))];
        assert!(matches!(pages.find(tag(4), b"/a/"), Found::Full));
        assert!(matches!(pages.find(tag(3), b"/a/"), Found::Page(_)), "what is there is sent all the same");
        drop(others);
        assert!(matches!(pages.find(tag(4), b"/a/"), Found::Room));
        drop((first, again));
        assert!(matches!(pages.find(tag(1), b"/a/"), Found::Room), "nothing is kept that nobody is sent");
        assert!(pages.known.lock().unwrap().is_empty());
        let small: Vec<_> = (0..9).map(|n| pages.keep(tag(n), b"/a/", vec![n; SMALL])).collect();
        assert!(small.len() == 9 && matches!(pages.find(tag(9), b"/a/"), Found::Room));
    }
}
