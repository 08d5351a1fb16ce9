//! Files and folders as resources (RFC 9110 §8, §12–14; RFC 9111 for an origin server).
//!
//! [`site`] is the service. It asks the cache first. Otherwise the path is opened beneath the
//! served folder (`root`) and becomes a file, a folder or a redirect (`resource`). `retrieve`
//! makes the response for a file by pure rules, which never use the disk: `representation`,
//! `charset`, `validator`, `precondition`, `range`. `listing` shows folders, `write` changes them
//! where `rights` allow it.
//!
//! Functions that may touch the disk take `may_block`. On a loop it is false: if something is not
//! in the kernel's memory, they return "would block", and the request runs again on a worker, from
//! the start. So both take the same code path.
//!
//! Only `root` gives paths to the kernel, and nothing here uses sockets or starts threads.

mod cache;
mod charset;
mod disk_error;
mod listing;
mod precondition;
mod range;
mod representation;
mod resource;
mod retrieve;
mod rights;
mod root;
#[doc(hidden)]
pub mod site;
#[cfg(test)]
mod testing;
mod unknown_length;
mod validator;
mod write;

use crate::service::BuiltIn;

pub use cache::CAPACITY as CACHE_CAPACITY;
pub use root::{OpenMethod, Root, Symlinks, Weakness};
pub use site::{RootWatch, Site};

/// The value of Cache-Control for files, folders and redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheControl {
    /// `no-cache`: a cache may keep the response, but must ask before each use.
    #[default]
    Revalidate,
    /// `no-store`.
    Off,
    /// `max-age`: a cache may use the response for this many seconds without asking.
    Seconds(u64),
}

/// Settings of a site. They are taken as they are: the command line checks its values. Clients can
/// change nothing unless one of the three switches at the end is set, and none implies another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Names of index files, tried in this order for a path that ends in a slash.
    pub index: Vec<String>,
    /// Whether a folder without index file is listed.
    pub listing: bool,
    /// Whether names that begin with a dot are served. `/.well-known/` always is.
    pub dotfiles: bool,
    /// Which symbolic links are followed.
    pub symlinks: Symlinks,
    /// The page of a single-page application: it answers unknown paths, for clients that accept HTML.
    pub spa: Option<String>,
    /// Files of the program. An entry of the folder comes first, and the page of an application last.
    pub built_in: Option<BuiltIn>,
    /// The value of Cache-Control.
    pub cache_control: CacheControl,
    /// Whether responses depend on credentials. Then shared caches may not keep them.
    pub private: bool,
    /// Bytes of memory for small files in the cache of each loop; 0 for no cache.
    pub cache_bytes: usize,
    /// Larger files that all loops together keep open.
    pub open_files: usize,
    /// The most bytes of content of one upload.
    pub max_body: u64,
    /// Whether files and folders may be created.
    pub upload: bool,
    /// Whether files may be replaced.
    pub overwrite: bool,
    /// Whether files and empty folders may be removed.
    pub delete: bool,
    /// Whether error pages name the option of the program `barewire` that would allow what they refuse, as in
    /// [`crate::service::app::Settings::names_options`].
    pub names_options: bool,
}

impl Settings {
    /// The defaults with these changes: `Settings::with(|it| it.upload = true)`.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }
}

/// Default of [`Settings::max_body`]: enough for a long film, too little to fill a disk.
pub const MAX_BODY: u64 = 16 << 30;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            index: vec!["index.html".into(), "index.htm".into()],
            listing: true,
            dotfiles: false,
            symlinks: Symlinks::Inside,
            spa: None,
            built_in: None,
            cache_control: CacheControl::Revalidate,
            private: false,
            cache_bytes: cache::CAPACITY,
            open_files: cache::OPEN_FILES,
            max_body: MAX_BODY,
            upload: false,
            overwrite: false,
            delete: false,
            names_options: false,
        }
    }
}
