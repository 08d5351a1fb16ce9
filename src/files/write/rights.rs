//! Which methods work on which target, and the response where they do not.
//!
//! RFC 9110 §9.3.7 (OPTIONS), §10.2.1 (`Allow`), §15.5.6 (405).
//!
//! | | file | folder | the root | a free name |
//! |---|---|---|---|---|
//! | always | GET, HEAD, OPTIONS | the same | the same | the same |
//! | upload | | POST | POST | PUT |
//! | overwrite | PUT | | | |
//! | delete | DELETE | DELETE | | |
//!
//! Rights hold for every client: who may use them is decided by [`crate::service::app`] before.

use std::net::SocketAddr;

use crate::files::resource::{FileError, Resolver};
use crate::files::root::Opened;
use crate::http::{Method, Request};
use crate::service::error_page::{self, Problem};
use crate::service::{Response, router};

/// What clients may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Create files and folders.
    pub upload: bool,
    /// Replace files.
    pub overwrite: bool,
    /// Remove files and empty folders.
    pub delete: bool,
}

/// The kind of target that a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    File,
    Folder,
    Root,
    /// Nothing has this name.
    Free,
}

impl TargetKind {
    /// The kind of an existing file or folder, by the form of its path.
    pub(crate) fn of_path(path: &[u8]) -> TargetKind {
        match path {
            _ if path.iter().all(|&b| b == b'/') => TargetKind::Root,
            _ if path.ends_with(b"/") => TargetKind::Folder,
            _ => TargetKind::File,
        }
    }

    /// The kind of the target at `path`. Blocks.
    pub(crate) fn find(resolver: &Resolver, path: &[u8]) -> Result<TargetKind, FileError> {
        match resolver.root.open(path, true)? {
            _ if TargetKind::of_path(path) == TargetKind::Root => Ok(TargetKind::Root),
            Opened::File(..) => Ok(TargetKind::File),
            Opened::Directory(_) => Ok(TargetKind::Folder),
            Opened::WouldBlock => Err(FileError::WouldBlock),
        }
    }
}

impl Rights {
    /// Whether anything may be changed.
    pub fn any(self) -> bool {
        self.upload || self.overwrite || self.delete
    }

    /// Whether clients decide what files contain.
    pub fn can_write(self) -> bool {
        self.upload || self.overwrite
    }

    /// The option of the command line that makes `method` work on `kind`, and whether it is set.
    fn right(self, method: Method, kind: TargetKind) -> Option<(&'static str, bool)> {
        use TargetKind::{File, Folder, Free, Root};
        // The table at the head of this file.
        match (method, kind) {
            (Method::Put, Free) | (Method::Post, Folder | Root) => Some(("--upload", self.upload)),
            (Method::Put, File) => Some(("--overwrite", self.overwrite)),
            (Method::Delete, File | Folder) => Some(("--delete", self.delete)),
            _ => None,
        }
    }

    /// Whether `method` works on a target of this kind.
    fn allows(self, method: Method, kind: TargetKind) -> bool {
        let reads = matches!(method, Method::Get | Method::Head | Method::Options);
        reads || self.right(method, kind).is_some_and(|(_, is_set)| is_set)
    }

    /// The methods that work on a target of this kind.
    pub(crate) fn methods_on(self, kind: TargetKind) -> Vec<Method> {
        Method::ALL.into_iter().filter(|method| self.allows(*method, kind)).collect()
    }

    /// The methods that work on some target.
    pub(crate) fn methods(self) -> Vec<Method> {
        let kinds = [TargetKind::File, TargetKind::Folder, TargetKind::Root, TargetKind::Free];
        Method::ALL.into_iter().filter(|method| kinds.iter().any(|kind| self.allows(*method, *kind))).collect()
    }

    /// 204 for OPTIONS.
    pub(crate) fn options(self, kind: TargetKind) -> Response {
        router::options(&self.methods_on(kind))
    }

    /// 405 for a request that does not work on `kind`.
    pub(crate) fn not_allowed(self, request: &Request<'_>, kind: TargetKind, peer: SocketAddr) -> Response {
        let allow = router::names(&self.methods_on(kind));
        let mut problem = Problem::method_not_allowed(request.method_name(), &allow);
        // Only people at this computer learn the options of the server. A proxy in front of it is
        // at this computer too, but then its operator sees this page in a test of their own.
        if let Some((option, _)) = self.right(request.method(), kind)
            && peer.ip().to_canonical().is_loopback()
        {
            problem = problem.with_advice(format!("To allow it, start the server with {option}."));
        }
        error_page::problem(request, &problem).field("Allow", allow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::request;

    #[test]
    fn allow_names_what_works_and_nothing_else() {
        let rights = |upload, overwrite, delete| Rights { upload, overwrite, delete };
        const READ: &str = "GET, HEAD, OPTIONS";
        for (rights, file, folder, root, free) in [
            (rights(false, false, false), READ, READ, READ, READ),
            (
                rights(true, false, false),
                READ,
                "GET, HEAD, POST, OPTIONS",
                "GET, HEAD, POST, OPTIONS",
                "GET, HEAD, PUT, OPTIONS",
            ),
            (rights(false, true, false), "GET, HEAD, PUT, OPTIONS", READ, READ, READ),
            (rights(false, false, true), "GET, HEAD, DELETE, OPTIONS", "GET, HEAD, DELETE, OPTIONS", READ, READ),
            (
                rights(true, true, true),
                "GET, HEAD, PUT, DELETE, OPTIONS",
                "GET, HEAD, POST, DELETE, OPTIONS",
                "GET, HEAD, POST, OPTIONS",
                "GET, HEAD, PUT, OPTIONS",
            ),
        ] {
            for (kind, expected) in [
                (TargetKind::File, file),
                (TargetKind::Folder, folder),
                (TargetKind::Root, root),
                (TargetKind::Free, free),
            ] {
                assert_eq!(router::names(&rights.methods_on(kind)), expected, "{rights:?} {kind:?}");
            }
        }
        assert_eq!(router::names(&rights(true, true, true).methods()), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }

    #[test]
    fn only_this_computer_learns_which_option_would_allow_it() {
        let request = request(b"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n");
        let said = |peer: &str| {
            let response = Rights::default().not_allowed(&request, TargetKind::File, peer.parse().unwrap());
            let crate::service::Body::Bytes(bytes) = response.body() else { panic!("no page") };
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        for peer in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert!(said(peer).contains("--delete"), "{peer}");
        }
        for peer in ["192.0.2.1:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
            assert!(!said(peer).contains("--"), "{peer}");
        }
    }
}
