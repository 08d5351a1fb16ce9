//! What the command line, or the user of the library, decides about the files.
//!
//! Never: a value that is judged here. Whoever reads the command line has done that.
//!
//! The subtle thing: nothing can be changed over the network unless one of three switches says so, and
//! none of them implies another.

use crate::files::cache;
use crate::files::root::Symlinks;

/// What Cache-Control says of files, folders and redirects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// `no-cache`: keep it, and ask before every use.
    #[default]
    Revalidate,
    /// `no-store`.
    Off,
    /// `max-age`: use it unasked for this many seconds.
    Seconds(u64),
}

/// What the command line decides about the files.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Names tried, in order, for a path that ends in a slash.
    pub index: Vec<String>,
    /// Whether a folder without index is listed.
    pub listing: bool,
    /// Whether names that begin with a dot are served (`/.well-known/` always is).
    pub dotfiles: bool,
    /// What symbolic links may do.
    pub symlinks: Symlinks,
    /// The file that answers unknown paths, for clients that accept HTML.
    pub spa: Option<String>,
    /// What caches may do.
    pub cache: Cache,
    /// Whether only some may read, so that no cache may keep for all what one of them was sent.
    pub private: bool,
    /// Bytes of small files that each loop keeps ready; 0 for none.
    pub shelf: usize,
    /// Larger files that each loop keeps open.
    pub open_files: usize,
    /// Whether new files may be made.
    pub upload: bool,
    /// Whether files may be replaced.
    pub overwrite: bool,
    /// Whether files and empty folders may be removed.
    pub delete: bool,
    /// Bytes of content of one upload, at most.
    pub max_body: u64,
}

/// [`Settings::max_body`] unless somebody says otherwise: a long film, and not a disk.
pub const MAX_BODY: u64 = 16 << 30;

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            index: vec!["index.html".into(), "index.htm".into()],
            listing: true,
            dotfiles: false,
            symlinks: Symlinks::Inside,
            spa: None,
            cache: Cache::Revalidate,
            private: false,
            shelf: cache::CAPACITY,
            open_files: cache::OPEN_FILES,
            upload: false,
            overwrite: false,
            delete: false,
            max_body: MAX_BODY,
        }
    }
}
