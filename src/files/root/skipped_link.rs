//! The line of the log about a symbolic link that is not followed. To a client it looks as if nothing were there, so
//! the log is the only place where its owner can learn the reason.

use std::sync::atomic::{AtomicUsize, Ordering};

use log::Level;

use crate::service::text;

/// After so many lines, only `--verbose` shows more: a client may ask for a link again and again.
const MOST: usize = 32;

/// Says that `path` is not served, and which option would change that.
pub(crate) fn log(path: &[u8]) {
    static LOGGED: AtomicUsize = AtomicUsize::new(0);
    let level = if LOGGED.fetch_add(1, Ordering::Relaxed) < MOST { Level::Warn } else { Level::Debug };
    let path = text::printable(&String::from_utf8_lossy(path));
    log::log!(
        level,
        "not served: {path}: a symbolic link there is absolute or leads out of the folder. With --symlinks any it is followed"
    );
}
