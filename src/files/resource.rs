//! From a path to a resource: a file, a folder, or a redirect to where it is.
//!
//! Never: a response to a file's content (that is [`crate::files::retrieve`]), a path that is not under
//! [`crate::files::root`].
//!
//! The subtle thing: a Location is never copied from the request. It is built anew from the decoded
//! names with one slash before each and every byte encoded that could mean something, so that
//! neither `//host`, which browsers take for another server, nor `/\host`, which they take for the same
//! thing, can come out.

use std::borrow::Cow;
use std::fs::File;
use std::io;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use rustix::io::Errno;

use crate::files::coding::Coding;
use crate::files::root::{Directory, Meta, Opened, Root, TEMPORARY_PREFIX};

/// Why there is no resource to speak of.
#[derive(Debug)]
pub(crate) enum Miss {
    /// Nothing is known yet: a worker must look.
    WouldBlock,
    /// The disk says no.
    Disk(io::Error),
}

impl From<io::Error> for Miss {
    fn from(error: io::Error) -> Miss {
        Miss::Disk(error)
    }
}

impl Miss {
    /// There is nothing here, or nothing that is served.
    pub(crate) fn not_found() -> Miss {
        Miss::Disk(Errno::NOENT.into())
    }

    /// Whether there is nothing here.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Miss::Disk(error) if crate::files::disk_error::status_of(error) == crate::http::Status::NOT_FOUND)
    }
}

/// A file that is to be sent.
#[derive(Debug)]
pub(crate) struct Located<'a> {
    /// Open for reading.
    pub file: File,
    /// Measured after it was opened.
    pub meta: Meta,
    /// Its path from the root; its last name decides the media type.
    pub path: Cow<'a, [u8]>,
}

/// What a path leads to.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    /// A file.
    File(Located<'a>),
    /// A folder without an index.
    Directory(Directory),
    /// It is elsewhere on this site; for ever, or for now.
    Redirect {
        /// An absolute path, encoded.
        location: String,
        /// 308 or 307.
        permanent: bool,
    },
}

/// One file that is served alone.
#[derive(Clone, Debug)]
pub(crate) struct Single {
    /// Its path in URLs.
    pub url: Vec<u8>,
    /// Its path from the root.
    pub path: Vec<u8>,
}

/// A root and the rules of names in it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub root: Root,
    pub index: Vec<String>,
    pub dotfiles: bool,
    pub single: Option<Single>,
}

impl Place {
    /// Finds what lies at a decoded path.
    pub(crate) fn find<'a>(&self, path: &'a [u8], may_block: bool) -> Result<Found<'a>, Miss> {
        if let Some(single) = &self.single {
            return self.find_single(single, path, may_block);
        }
        if self.hides(path) {
            return Err(Miss::not_found());
        }
        if path.ends_with(b"/") {
            // The index first: it is what nearly everybody wants, and found at once.
            for name in &self.index {
                let path = [path, name.as_bytes()].concat();
                match self.open_file(&path, may_block) {
                    Ok((file, meta)) => return Ok(Found::File(Located { file, meta, path: Cow::Owned(path) })),
                    Err(miss) if miss.is_not_found() => {}
                    Err(miss) => return Err(miss),
                }
            }
        }
        match self.root.open(path, may_block)? {
            Opened::File(file, meta) => Ok(Found::File(Located { file, meta, path: Cow::Borrowed(path) })),
            Opened::Directory(directory) if path.ends_with(b"/") => Ok(Found::Directory(directory)),
            Opened::Directory(_) => Ok(Found::Redirect { location: encode(path) + "/", permanent: true }),
            Opened::WouldBlock => Err(Miss::WouldBlock),
        }
    }

    fn find_single<'a>(&self, single: &Single, path: &'a [u8], may_block: bool) -> Result<Found<'a>, Miss> {
        if path.iter().all(|&o| o == b'/') {
            return Ok(Found::Redirect { location: encode(&single.url), permanent: false });
        }
        if path != single.url {
            return Err(Miss::not_found());
        }
        let (file, meta) = self.open_file(&single.path, may_block)?;
        Ok(Found::File(Located { file, meta, path: Cow::Borrowed(path) }))
    }

    /// Opens a regular file; a folder of that name counts as nothing.
    pub(crate) fn open_file(&self, path: &[u8], may_block: bool) -> Result<(File, Meta), Miss> {
        match self.root.open(path, may_block)? {
            Opened::File(file, meta) => Ok((file, meta)),
            Opened::Directory(_) => Err(Miss::not_found()),
            Opened::WouldBlock => Err(Miss::WouldBlock),
        }
    }

    /// The first of these codings that is prepared beside the file and not older than it: one that is
    /// older was made from another version.
    ///
    /// Looking costs one failing open for each coding the client takes. A memory of what is not there
    /// would need the folder's own times to be fresh (one statx), and those have ticks too; it belongs
    /// beside the memory of the files themselves, if measurements ask for it.
    pub(crate) fn prepared(
        &self,
        located: &Located<'_>,
        codings: impl Iterator<Item = Coding>,
        may_block: bool,
    ) -> Result<Option<(Coding, File, Meta)>, Miss> {
        let mut name = Vec::new();
        for coding in codings {
            name.clear();
            name.extend_from_slice(&located.path);
            name.extend_from_slice(coding.suffix().as_bytes());
            match self.root.open(&name, may_block) {
                Ok(Opened::File(file, meta)) if meta.modified >= located.meta.modified => {
                    return Ok(Some((coding, file, meta)));
                }
                Ok(Opened::WouldBlock) => return Err(Miss::WouldBlock),
                // Whatever is wrong with it, the original is at hand.
                Ok(Opened::File(..) | Opened::Directory(_)) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether a segment of this path is a name that is not served.
    pub(crate) fn hides(&self, path: &[u8]) -> bool {
        let mut segments = path.split(|&o| o == b'/').filter(|s| !s.is_empty());
        let first = segments.next().is_some_and(|name| is_hidden(name, true, self.dotfiles));
        first || segments.any(|name| is_hidden(name, false, self.dotfiles))
    }

    /// The nearest folder above a path that leads nowhere, encoded.
    pub(crate) fn nearest_folder(&self, path: &[u8], may_block: bool) -> Result<String, Miss> {
        /// Above this many levels the way home is the start: each level is an open, and a path of
        /// 8 KiB has thousands.
        const LEVELS: usize = 8;
        let mut rest = path.strip_suffix(b"/").unwrap_or(path);
        for _ in 0..LEVELS {
            let Some(slash) = rest.iter().rposition(|&o| o == b'/').filter(|&slash| slash > 0) else { break };
            rest = &rest[..slash];
            if self.hides(rest) {
                continue;
            }
            match self.root.open(rest, may_block) {
                Ok(Opened::Directory(_)) => return Ok(encode(rest) + "/"),
                Ok(Opened::WouldBlock) => return Err(Miss::WouldBlock),
                _ => {}
            }
        }
        Ok("/".into())
    }
}

/// Whether a name is not served: it begins with a dot, and neither the options nor RFC 8615 (for
/// `/.well-known/`, at the `top` only) make it public. Half-made uploads are never.
pub(crate) fn is_hidden(name: &[u8], top: bool, dotfiles: bool) -> bool {
    name.starts_with(TEMPORARY_PREFIX) || name.starts_with(b".") && !dotfiles && !(top && name == b".well-known")
}

/// A decoded path with one slash before each name.
pub(crate) fn collapse(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for name in path.split(|&o| o == b'/').filter(|name| !name.is_empty()) {
        out.push(b'/');
        out.extend_from_slice(name);
    }
    if path.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

/// A decoded path as it may stand in a URL: collapsed, and everything encoded but RFC 3986's unreserved.
pub(crate) fn encode(path: &[u8]) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
    percent_encode(&collapse(path), ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_never_leads_to_another_host() {
        for (path, encoded) in [
            (&b"/a"[..], "/a"),
            (b"//evil.example", "/evil.example"),
            (b"///evil.example/", "/evil.example/"),
            (b"/\\evil.example", "/%5Cevil.example"),
            (b"/\\/evil", "/%5C/evil"),
            (b"//\\//evil//x", "/%5C/evil/x"),
            (b"/a b?c#d%e:f@g", "/a%20b%3Fc%23d%25e%3Af%40g"),
            (b"/\r\nSet-Cookie: x", "/%0D%0ASet-Cookie%3A%20x"),
            (b"/\xff\xc3\xa9", "/%FF%C3%A9"),
            (b"/", "/"),
            (b"//", "/"),
        ] {
            assert_eq!(encode(path), encoded, "{:?}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn dot_names_are_hidden_but_for_the_well_known_one_at_the_top() {
        for (name, top, dotfiles, hidden) in [
            (&b".git"[..], true, false, true),
            (b".env", false, false, true),
            (b".env", false, true, false),
            (b"...", true, false, true),
            (b"a.b", true, false, false),
            (b".well-known", true, false, false),
            (b".well-known", false, false, true),
            (b".well-known2", true, false, true),
            (b".barewire-x", true, true, true),
            (b".barewire-x", false, false, true),
        ] {
            assert_eq!(is_hidden(name, top, dotfiles), hidden, "{}", String::from_utf8_lossy(name));
        }
    }
}
