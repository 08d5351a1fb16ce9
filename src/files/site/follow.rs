//! The served folder may change its place: a build removes it and makes it again (`rm -rf dist`), a deploy swaps the
//! link that leads to it, a person moves it away. The open descriptor would stay in the old one, silently.
//!
//! So the path is looked at once a second ([`RootWatch`]), off the loops, since that may wait for a disk.
//!
//! | the path leads to | then |
//! |---|---|
//! | the same folder | nothing |
//! | another one, of the same owner and on the same file system | that is served |
//! | another one besides, or one that Landlock keeps closed | 503 with the reason |
//! | nothing | 503, until it is back |
//!
//! Owner and file system are compared, because a user who may write above the folder could else give the server any other
//! one to serve. A Landlock rule belongs to a folder and not to a path: see `program/landlock`.
//!
//! Each loop has a [`Site`] of its own. It compares one number at each request, and takes over what has changed.
//!
//! [`Site`]: crate::files::Site

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rustix::io::Errno;

use crate::files::cache::{MadeByWorkers, open_files::OpenFiles};
use crate::files::disk_error::Gone;
use crate::files::resource::{Resolver, SingleFile};
use crate::files::root::{Meta, Root, sweep};
use crate::files::site::SiteState;
use crate::files::{Settings, listing};
use crate::service::error_page::NotFoundLine;
use crate::service::{lock, text::printable};

/// What all loops share: what is served now.
pub(super) struct Followed {
    /// Where the folder is expected, as an absolute path.
    path: PathBuf,
    current: Mutex<Current>,
    /// Counts the changes of `current`.
    changes: AtomicU64,
}

#[derive(Clone)]
pub(super) struct Current {
    pub(super) state: Arc<SiteState>,
    /// Why the folder cannot be served.
    pub(super) gone: Option<Gone>,
}

impl Followed {
    /// `path` leads to the folder that is served now.
    pub(super) fn new(path: PathBuf, current: Current) -> Followed {
        Followed { path, current: Mutex::new(current), changes: AtomicU64::new(0) }
    }

    /// What is served now, if that has changed since `seen` changes.
    pub(super) fn changed(&self, seen: &mut u64) -> Option<Current> {
        let changes = self.changes.load(Ordering::Acquire);
        // What is taken may already be newer, and is then taken again.
        (std::mem::replace(seen, changes) != changes).then(|| lock(&self.current).clone())
    }

    fn set(&self, current: Current) {
        *lock(&self.current) = current;
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// Looks whether the path of a [`Site`] still leads to the folder that is served.
///
/// [`Site`]: crate::files::Site
pub struct RootWatch(pub(super) Arc<Followed>);

impl RootWatch {
    /// Looks once, and lets the site follow. Closes files that are kept open and have no name any more, or were not used
    /// for the last 30 looks. Blocks. Call it every second or so, always from the same thread.
    pub fn look(&self) {
        let Current { state, gone } = lock(&self.0.current).clone();
        state.open_files.sweep();
        let name = || printable(&self.0.path.to_string_lossy());
        match self.find(&state.resolver.root) {
            Ok(None) if gone.is_some() => {
                log::warn!("the folder {} is back and is served again", name());
                self.0.set(Current { state, gone: None });
            }
            Ok(None) => {}
            Ok(Some(root)) => {
                log::warn!("{} leads to another folder now, which is served from now on", name());
                self.0.set(Current { state: Arc::new(state.with_root(root)), gone: None });
            }
            Err(why) if gone == Some(why) => {}
            Err(why) => {
                log::error!("the folder {} is not served any more: {}", name(), why.explain());
                self.0.set(Current { state, gone: Some(why) });
            }
        }
    }

    /// The folder at the path, if it is another one than `root`.
    fn find(&self, root: &Root) -> Result<Option<Root>, Gone> {
        match (root.meta(), Meta::of_folder(&self.0.path)) {
            (Ok(old), Ok(new)) if !new.is_same_file(&old) => {}
            (_, Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP)) => return Err(Gone::Missing),
            // The same. Or the disk fails, or the way to the folder is closed: nothing says that it is another one.
            _ => return Ok(None),
        }
        // Opened first and judged after it: what is judged is what will be served.
        let found = Root::at(&self.0.path, root.symlinks()).map_err(|_| Gone::Missing)?;
        let (Ok(old), Ok(new)) = (root.meta(), found.meta()) else { return Ok(None) };
        match () {
            () if new.is_same_file(&old) => Ok(None),
            () if new.device != old.device => Err(Gone::OtherFileSystem),
            () if new.owner.0 != old.owner.0 => Err(Gone::OtherOwner),
            () if found.is_barred() => Err(Gone::Barred),
            () => Ok(Some(found)),
        }
    }
}

impl SiteState {
    /// Everything about a folder, or about a single file in it.
    pub(super) fn new(
        folder: Root,
        single: Option<SingleFile>,
        settings: Settings,
        open_files: Arc<OpenFiles>,
    ) -> SiteState {
        let resolver = Resolver::new(folder, single, settings);
        // Temporary files of a killed server in the root. Other folders are swept when they are first written to.
        if resolver.rights.any()
            && let Ok(top) = resolver.root.writable_folder(b"/")
        {
            sweep(&top);
        }
        let has_plain_errors = resolver.settings.spa.is_none() && resolver.single.is_none();
        SiteState {
            resolver: Arc::new(resolver),
            open_files,
            made: MadeByWorkers::default(),
            pages: listing::Pages::default(),
            readings: listing::Readings::default(),
            missing: has_plain_errors.then(NotFoundLine::new),
        }
    }

    /// The same for another folder.
    fn with_root(&self, folder: Root) -> SiteState {
        // Those of the old folder, whose caches know them no more.
        self.open_files.clear();
        SiteState::new(folder, self.resolver.single.clone(), self.resolver.settings.clone(), self.open_files.clone())
    }
}
