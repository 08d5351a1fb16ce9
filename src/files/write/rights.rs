//! Rights: which methods work on which resource, and what is said where they do not.
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
//! Never: who may use them. That is decided before anybody gets here.
//!
//! The subtle thing: which option would turn a method on is told to people at this computer alone.
//! To all others a server has no options.

use std::net::SocketAddr;

use crate::files::resource::{FileError, Resolver};
use crate::files::root::Opened;
use crate::http::{Method, Request, Status};
use crate::service::Response;
use crate::service::error_page;
use crate::service::error_page::Problem;

/// What may be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// New files and folders may be made.
    pub upload: bool,
    /// Files may be replaced.
    pub overwrite: bool,
    /// Files and empty folders may be removed.
    pub delete: bool,
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Root,
    /// A name that is free.
    Free,
}

impl Kind {
    /// The kind of what a path leads to, if it leads to a file or a folder.
    pub(crate) fn of_path(path: &[u8]) -> Kind {
        match path {
            _ if path.iter().all(|&b| b == b'/') => Kind::Root,
            _ if path.ends_with(b"/") => Kind::Folder,
            _ => Kind::File,
        }
    }

    /// The kind of what lies at `path`. Blocks.
    pub(crate) fn look(resolver: &Resolver, path: &[u8]) -> Result<Kind, FileError> {
        match resolver.root.open(path, true)? {
            _ if Kind::of_path(path) == Kind::Root => Ok(Kind::Root),
            Opened::File(..) => Ok(Kind::File),
            Opened::Directory(_) => Ok(Kind::Folder),
            Opened::WouldBlock => Err(FileError::WouldBlock),
        }
    }
}

impl Rights {
    /// Whether anything may be changed.
    pub fn any(self) -> bool {
        self.upload || self.overwrite || self.delete
    }

    /// Whether clients can decide what a file contains.
    pub fn fill(self) -> bool {
        self.upload || self.overwrite
    }

    /// Whether `method` works on `kind`.
    fn allows(self, method: Method, kind: Kind) -> bool {
        match (method, kind) {
            (Method::Get | Method::Head | Method::Options, _) => true,
            (Method::Put, Kind::Free) | (Method::Post, Kind::Folder | Kind::Root) => self.upload,
            (Method::Put, Kind::File) => self.overwrite,
            (Method::Delete, Kind::File | Kind::Folder) => self.delete,
            _ => false,
        }
    }

    /// The methods that work on anything here.
    pub(crate) fn methods(self) -> Vec<Method> {
        let kinds = [Kind::File, Kind::Folder, Kind::Root, Kind::Free];
        Method::ALL.into_iter().filter(|method| kinds.iter().any(|kind| self.allows(*method, *kind))).collect()
    }

    /// The value of `Allow` for `kind`.
    pub(crate) fn allow(self, kind: Kind) -> String {
        names(Method::ALL.into_iter().filter(|method| self.allows(*method, kind)))
    }

    /// The option that would let `method` work on `kind`.
    fn option(method: Method, kind: Kind) -> Option<&'static str> {
        match (method, kind) {
            (Method::Put, Kind::Free) | (Method::Post, Kind::Folder | Kind::Root) => Some("--upload"),
            (Method::Put, Kind::File) => Some("--overwrite"),
            (Method::Delete, Kind::File | Kind::Folder) => Some("--delete"),
            _ => None,
        }
    }

    /// 405 for a request that has no right on `kind`.
    pub(crate) fn not_allowed(self, request: &Request<'_>, kind: Kind, peer: SocketAddr) -> Response {
        let allow = self.allow(kind);
        let mut problem = match self.any() {
            true => Problem::method_not_allowed(request.method_name(), &allow),
            false => Problem::new(Status::METHOD_NOT_ALLOWED).with_sentence("Files can only be read here."),
        };
        // A proxy in front is at this computer too; whoever runs one reads the page of its own test.
        let option = Rights::option(request.method(), kind).filter(|_| peer.ip().to_canonical().is_loopback());
        problem.advice = match option {
            Some(option) => Some(format!("To allow it, start the server with {option}.")),
            None if self.any() => None,
            None => Some(format!("What works: {allow}.")),
        };
        error_page::problem(request, &problem).field("Allow", allow)
    }
}

fn names(methods: impl Iterator<Item = Method>) -> String {
    methods.map(Method::name).collect::<Vec<_>>().join(", ")
}

/// The answer to OPTIONS.
pub(crate) fn allowing(allow: &str) -> Response {
    Response::new(Status::NO_CONTENT).field("Allow", allow)
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
            for (kind, expected) in [(Kind::File, file), (Kind::Folder, folder), (Kind::Root, root), (Kind::Free, free)]
            {
                assert_eq!(rights.allow(kind), expected, "{rights:?} {kind:?}");
            }
        }
        assert_eq!(names(rights(true, true, true).methods().into_iter()), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }

    #[test]
    fn only_this_computer_learns_which_option_would_allow_it() {
        let request = request(b"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n");
        let said = |peer: &str| {
            let response = Rights::default().not_allowed(&request, Kind::File, peer.parse().unwrap());
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
