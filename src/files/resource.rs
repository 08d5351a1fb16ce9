//! From a decoded path to a resource: a file, a folder, or a redirect to its real address.
//!
//! | path | leads to |
//! |---|---|
//! | `/a.txt` | the file |
//! | `/a.txt/` | nothing: 404 |
//! | `/sub/` | the first index file that exists, else the folder |
//! | `/sub` | a redirect to `/sub/`, so that relative links in its page work |
//! | `/sub/x/..` | the same: there they would start from `/sub/x/` |
//! | `/.git/config` | nothing, unless dot files are served |
//! | `/.well-known/x` | the file, always (RFC 8615) |
//!
//! Errors are those of the kernel. `EAGAIN` without `may_block` means: a worker must try.

use std::borrow::Cow;

use rustix::io::{Errno, pread, retry_on_intr};

use crate::files::rights::Rights;
use crate::files::root::{Directory, Meta, Opened, Root, TEMPORARY_PREFIX, split_last};
use crate::files::{CacheControl, Settings, disk_error, representation::Coding};
use crate::service::{OpenFile, text};

/// A file to be sent.
#[derive(Debug)]
pub(crate) struct FoundFile<'a> {
    /// Open for reading.
    pub file: OpenFile,
    /// Measured after it was opened.
    pub meta: Meta,
    /// Its path from the root. The last name decides the media type.
    pub path: Cow<'a, [u8]>,
}

/// The resource at a path.
#[derive(Debug)]
pub(crate) enum Resource<'a> {
    File(FoundFile<'a>),
    /// A folder without an index file.
    Directory(Directory),
    /// It has another address on this site.
    Redirect {
        /// Its path there, decoded.
        path: Vec<u8>,
        permanent: bool,
    },
}

/// A single file that is served instead of a folder.
#[derive(Clone, Debug)]
pub(crate) struct SingleFile {
    /// Its path in URLs.
    pub url: Vec<u8>,
    /// Its path from the root.
    pub path: Vec<u8>,
}

/// What is served: the root, and the rules about it. Finds resources.
#[derive(Debug)]
pub(crate) struct Resolver {
    pub root: Root,
    pub single: Option<SingleFile>,
    pub rights: Rights,
    /// As given; for what clients may change, ask `rights`.
    pub settings: Settings,
    /// The value of the field.
    pub cache_control: String,
}

/// The author's pages at the top of the site that answer for errors.
pub(crate) const ERROR_PAGES: [&str; 3] = ["403.html", "404.html", "500.html"];

impl Resolver {
    pub(crate) fn new(root: Root, single: Option<SingleFile>, settings: Settings) -> Resolver {
        let rights = Rights {
            // Nothing can be added to a single file.
            upload: settings.upload && single.is_none(),
            overwrite: settings.overwrite,
            delete: settings.delete,
            names_options: settings.names_options,
        };
        let cache_control = match settings.cache_control {
            CacheControl::Revalidate => "no-cache".into(),
            CacheControl::Off => "no-store".into(),
            CacheControl::Seconds(seconds) if settings.private => format!("private, max-age={seconds}"),
            CacheControl::Seconds(seconds) => format!("max-age={seconds}"),
        };
        Resolver { root, single, rights, settings, cache_control }
    }

    /// Whether files may have prepared codings beside them.
    pub(crate) fn has_prepared(&self) -> bool {
        // The files beside a single file are not part of the site.
        self.single.is_none() && !self.rights.adds_only()
    }

    /// Whether clients may not add a file at `path`, which is collapsed, because it would change what
    /// another address answers. Blocks.
    pub(crate) fn is_reserved(&self, path: &[u8]) -> bool {
        if !self.rights.adds_only() {
            return false;
        }
        let Settings { index, spa, built_in, .. } = &self.settings;
        let (folder, name) = split_last(path);
        let page = spa.as_ref().and_then(|path| path.rsplit('/').next());
        if index.iter().map(String::as_str).chain(page).any(|reserved| is_name(name, reserved)) {
            return true;
        }
        let open = |path| self.root.writable_folder(path).ok();
        // A link may lead to the top too, so names of folders do not decide.
        let is_top = |folder| open(folder).zip(open(b"/")).is_some_and(|(folder, top)| folder.is_same(&top));
        if ERROR_PAGES.into_iter().any(|reserved| is_name(name, reserved)) && is_top(folder) {
            return true;
        }
        let is_built_in = |path| {
            let (folder, name) = split_last(path);
            let names = built_in.iter().flat_map(|built_in| built_in.names);
            names.into_iter().any(|reserved| is_name(name, reserved)) && is_top(folder)
        };
        // Folders on the way are created too, and may take the name of a file of the program.
        let mut folders = path.iter().enumerate().skip(1).filter(|(_, b)| **b == b'/').map(|(slash, _)| &path[..slash]);
        is_built_in(path) || folders.any(|folder| is_built_in(folder) && open(folder).is_none())
    }

    /// Finds the resource at a decoded path.
    pub(crate) fn find<'a>(&self, path: &'a [u8], may_block: bool) -> Result<Resource<'a>, Errno> {
        if let Some(single) = &self.single {
            return self.find_single(single, path, may_block);
        }
        if self.is_hidden(path) {
            return Err(Errno::NOENT);
        }
        if path.ends_with(b"/") {
            // The index before the folder: nearly every request for a folder gets an index, so one open is enough.
            for name in &self.settings.index {
                let path = [path, name.as_bytes()].concat();
                match self.open_file(&path, may_block) {
                    Ok((file, meta)) => return Ok(Resource::File(FoundFile { file, meta, path: Cow::Owned(path) })),
                    Err(error) if disk_error::is_not_found(error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        match self.root.open(path, may_block)? {
            Opened::File(file, meta) => Ok(Resource::File(FoundFile { file, meta, path: Cow::Borrowed(path) })),
            Opened::Directory(directory) if path.ends_with(b"/") => Ok(Resource::Directory(directory)),
            // Without the slash at the end, relative links in the page would lead to the parent folder.
            Opened::Directory(_) => Ok(Resource::Redirect { path: [path, b"/"].concat(), permanent: true }),
        }
    }

    /// Finds the single file: at its own address, and from the root by a redirect.
    fn find_single<'a>(&self, single: &SingleFile, path: &'a [u8], may_block: bool) -> Result<Resource<'a>, Errno> {
        if path.iter().all(|&b| b == b'/') {
            // Not permanent: the next server on this port may serve another file.
            return Ok(Resource::Redirect { path: single.url.clone(), permanent: false });
        }
        if path != single.url {
            return Err(Errno::NOENT);
        }
        // Opened anew for each request, because the file may be replaced at any time.
        let (file, meta) = self.open_file(&single.path, may_block)?;
        Ok(Resource::File(FoundFile { file, meta, path: Cow::Borrowed(path) }))
    }

    /// Opens a regular file. A folder of that name counts as missing.
    pub(crate) fn open_file(&self, path: &[u8], may_block: bool) -> Result<(OpenFile, Meta), Errno> {
        match self.root.open(path, may_block)? {
            Opened::File(file, meta) => Ok((file, meta)),
            // `index.html/` may be a folder. It is no index then.
            Opened::Directory(_) => Err(Errno::NOENT),
        }
    }

    /// The first of these codings that is prepared beside the file. Costs one failing open for each
    /// coding that is missing.
    pub(crate) fn prepared(
        &self,
        original: &FoundFile<'_>,
        codings: impl Iterator<Item = Coding>,
        may_block: bool,
    ) -> Result<Option<(Coding, OpenFile, Meta)>, Errno> {
        let mut name = Vec::new();
        for coding in codings {
            name.clear();
            name.extend_from_slice(&original.path);
            name.extend_from_slice(coding.suffix().as_bytes());
            match self.root.open(&name, may_block) {
                // One that is older than the original was made from another version.
                Ok(Opened::File(file, meta)) if meta.modified >= original.meta.modified => {
                    return Ok(Some((coding, file, meta)));
                }
                Err(Errno::AGAIN) if !may_block => return Err(Errno::AGAIN),
                // An error of the prepared file is no error of the original, which can be sent.
                Ok(Opened::File(..) | Opened::Directory(_)) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Whether a segment of this path is a name that is not served.
    pub(crate) fn is_hidden(&self, path: &[u8]) -> bool {
        // Only the first segment can be `.well-known`.
        let mut segments = path.split(|&b| b == b'/').filter(|s| !s.is_empty());
        let dotfiles = self.settings.dotfiles;
        let first = segments.next().is_some_and(|name| is_hidden(name, true, dotfiles));
        first || segments.any(|name| is_hidden(name, false, dotfiles))
    }

    /// The nearest existing folder above a path, with a slash at its end; `None` for the root. For
    /// the link on a 404 page.
    pub(crate) fn nearest_folder(&self, path: &[u8], may_block: bool) -> Result<Option<Vec<u8>>, Errno> {
        /// Each level costs an open, and a path of 8 KiB has thousands. After this many, the link leads to the root.
        const MAX_LEVELS: usize = 8;
        let path = collapse(path);
        let mut rest = path.strip_suffix(b"/").unwrap_or(&path);
        for _ in 0..MAX_LEVELS {
            let Some(slash) = rest.iter().rposition(|&b| b == b'/').filter(|&slash| slash > 0) else { break };
            rest = &rest[..slash];
            // A page must not reveal that a hidden folder exists.
            if self.is_hidden(rest) {
                continue;
            }
            match self.root.open(rest, may_block) {
                Ok(Opened::Directory(_)) => return Ok(Some([rest, b"/"].concat())),
                Err(Errno::AGAIN) if !may_block => return Err(Errno::AGAIN),
                _ => {}
            }
        }
        Ok(None)
    }
}

/// The beginning of a file: as many bytes as fit into the buffer, or all. Without `may_block` only if they are in
/// memory, else `EAGAIN`.
pub(crate) fn read_start<'a>(file: &OpenFile, buffer: &'a mut [u8], may_block: bool) -> Result<&'a [u8], Errno> {
    let count = match may_block {
        true => retry_on_intr(|| pread(file, &mut *buffer, 0))?,
        false => file.read_now(buffer, 0)?.ok_or(Errno::AGAIN)?,
    };
    Ok(&buffer[..count])
}

/// Whether a name is not served: a temporary file of an upload, or a name that begins with a dot,
/// unless the options allow those. `/.well-known/` is public at the top of a site (RFC 8615).
pub(crate) fn is_hidden(name: &[u8], at_top: bool, dotfiles: bool) -> bool {
    name.starts_with(TEMPORARY_PREFIX) || name.starts_with(b".") && !dotfiles && !(at_top && name == b".well-known")
}

/// Whether a file called `name` may have the name `reserved` on some file system.
pub(crate) fn is_name(name: &[u8], reserved: &str) -> bool {
    // FAT and SMB drop dots and blanks at the end, and they and others ignore the case.
    let len = name.iter().rposition(|b| !matches!(b, b'.' | b' ')).map_or(0, |last| last + 1);
    name[..len].eq_ignore_ascii_case(reserved.as_bytes())
}

/// A decoded path with exactly one slash before each name.
pub(crate) fn collapse(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    // Two slashes at the beginning would name a host in a Location.
    for name in path.split(|&b| b == b'/').filter(|name| !name.is_empty()) {
        out.push(b'/');
        out.extend_from_slice(name);
    }
    if path.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

/// A decoded path in the form for a URL: collapsed, and everything encoded that is not unreserved (RFC 3986 §2.3).
pub(crate) fn encode(path: &[u8]) -> String {
    text::href(&collapse(path))
}

#[cfg(test)]
mod tests {
    use super::*;

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
