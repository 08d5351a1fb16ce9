//! Settings of a [`Site`](crate::files::Site). They are taken as they are: the command line checks
//! its values.
//!
//! Clients can change nothing unless one of the three switches at the end is set, and none of these
//! implies another.

use crate::files::cache;
use crate::files::root::Symlinks;

/// The value of Cache-Control for files, folders and redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheControl {
    /// `no-cache`: a cache may keep the response, but must ask before each use.
    #[default]
    Revalidate,
    /// `no-store`.
    Off,
    /// `max-age`: a cache may use the response for this many seconds without asking.
    Seconds(u64),
}

/// Settings of a site.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names of index files, tried in this order for a path that ends in a slash.
    pub index: Vec<String>,
    /// Whether a folder without index file is listed.
    pub listing: bool,
    /// Whether names that begin with a dot are served. `/.well-known/` always is.
    pub dotfiles: bool,
    /// Which symbolic links are followed.
    pub symlinks: Symlinks,
    /// The page of a single-page application: it answers unknown paths, for clients that accept
    /// HTML.
    pub spa: Option<String>,
    /// The value of Cache-Control.
    pub cache_control: CacheControl,
    /// Whether responses depend on credentials. Then shared caches may not keep them.
    pub private: bool,
    /// Bytes of memory for small files in the cache of each loop; 0 for no cache.
    pub cache_bytes: usize,
    /// Larger files that each loop keeps open.
    pub open_files: usize,
    /// The most bytes of content of one upload.
    pub max_body: u64,
    /// Whether files and folders may be created.
    pub upload: bool,
    /// Whether files may be replaced.
    pub overwrite: bool,
    /// Whether files and empty folders may be removed.
    pub delete: bool,
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
            cache_control: CacheControl::Revalidate,
            private: false,
            cache_bytes: cache::CAPACITY,
            open_files: cache::OPEN_FILES,
            max_body: MAX_BODY,
            upload: false,
            overwrite: false,
            delete: false,
        }
    }
}
