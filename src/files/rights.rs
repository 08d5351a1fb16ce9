//! What clients may change, and which methods follow from that.
//!
//! Rights are the same for every client. [`crate::service::app`] has checked the client before.
//! RFC 9110 §9.3.7 (OPTIONS), §10.2.1 (`Allow`), §15.5.6 (405):
//!
//! | | file | folder | the root | a free name |
//! |---|---|---|---|---|
//! | always | GET, HEAD, OPTIONS | the same | the same | the same |
//! | upload | | POST | POST | PUT |
//! | overwrite | PUT | | | |
//! | delete | DELETE | DELETE | | |

use crate::http::{Method, Request};
use crate::service::error_page::{self, Problem, TEXTS};
use crate::service::{RequestContext, Response, router};

/// What clients may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rights {
    /// Create files and folders.
    pub upload: bool,
    /// Replace files.
    pub overwrite: bool,
    /// Remove files and empty folders.
    pub delete: bool,
    /// Whether clients on this computer are told the option that would give them one of the others.
    pub names_options: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    File,
    Folder,
    Root,
    /// Nothing has this name.
    Free,
}

impl TargetKind {
    const ALL: [TargetKind; 4] = [TargetKind::File, TargetKind::Folder, TargetKind::Root, TargetKind::Free];

    /// The kind of an existing file or folder, by the form of its path.
    pub(crate) fn of_path(path: &[u8]) -> TargetKind {
        match path {
            _ if path.iter().all(|&b| b == b'/') => TargetKind::Root,
            _ if path.ends_with(b"/") => TargetKind::Folder,
            _ => TargetKind::File,
        }
    }
}

impl Rights {
    pub(crate) fn any(self) -> bool {
        self.upload || self.overwrite || self.delete
    }

    /// Whether files may be added and none replaced. Then a file that a client adds must not change what another address
    /// answers, since it would stand in for a file that the client may not replace.
    pub(crate) fn adds_only(self) -> bool {
        self.upload && !self.overwrite
    }

    /// Whether clients decide what files contain.
    pub(crate) fn can_write(self) -> bool {
        self.upload || self.overwrite
    }

    /// Whether this method may change something, on some target.
    pub(crate) fn allow(self, method: Method) -> bool {
        TargetKind::ALL.into_iter().any(|kind| self.allow_on(method, kind))
    }

    fn allow_on(self, method: Method, kind: TargetKind) -> bool {
        self.right(method, kind).is_some_and(|(_, is_set)| is_set)
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

    /// The methods that work on a target of this kind.
    pub(crate) fn methods_on(self, kind: TargetKind) -> Vec<Method> {
        Method::ALL.into_iter().filter(|method| is_safe(*method) || self.allow_on(*method, kind)).collect()
    }

    /// The methods that work on some target.
    pub(crate) fn methods(self) -> Vec<Method> {
        Method::ALL.into_iter().filter(|method| is_safe(*method) || self.allow(*method)).collect()
    }

    pub(crate) fn options(self, kind: TargetKind) -> Response {
        router::options(&self.methods_on(kind))
    }

    /// 405 for a request that does not work on `kind`.
    pub(crate) fn not_allowed(self, request: &Request<'_>, kind: TargetKind, context: &RequestContext) -> Response {
        let allow = router::names(&self.methods_on(kind));
        let problem = Problem::method_not_allowed(request.method_name(), &allow);
        let option = self.right(request.method(), kind).map(|(option, _)| option);
        error_page::problem(request, &self.name_option(problem, option, request, context)).field("Allow", allow)
    }

    /// Adds the option that would allow it, for programs on this computer: it can only be given where the server is
    /// started.
    pub(crate) fn name_option(
        self,
        problem: Problem,
        option: Option<&str>,
        request: &Request<'_>,
        context: &RequestContext,
    ) -> Problem {
        match option.filter(|_| self.names_options && context.is_from_this_computer(request.bytes())) {
            Some(option) => problem.with_advice(TEXTS.say("allow option", &[("option", &option)])),
            None => problem,
        }
    }
}

/// Whether this method works on everything.
fn is_safe(method: Method) -> bool {
    method.is_read() || method == Method::Options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::testing::request;
    use crate::service::testing::context;

    #[test]
    fn allow_names_what_works_and_nothing_else() {
        let rights = |upload, overwrite, delete| Rights { upload, overwrite, delete, names_options: false };
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
            for (kind, expected) in TargetKind::ALL.into_iter().zip([file, folder, root, free]) {
                assert_eq!(router::names(&rights.methods_on(kind)), expected, "{rights:?} {kind:?}");
            }
        }
        assert_eq!(router::names(&rights(true, true, true).methods()), "GET, HEAD, POST, PUT, DELETE, OPTIONS");
    }

    #[test]
    fn only_this_computer_learns_which_option_would_allow_it() {
        let request = request(b"DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n");
        let said_by = |names_options, peer: &str| {
            let rights = Rights { names_options, ..Rights::default() };
            let response = rights.not_allowed(&request, TargetKind::File, &context(peer, 0));
            let crate::service::Body::Bytes(bytes) = response.body() else { panic!("no page") };
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        let said = |peer| said_by(true, peer);
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(said(peer).contains("--delete"), "{peer}");
            assert!(!said_by(false, peer).contains("--"), "the command line of another program");
        }
        for peer in ["192.0.2.1", "2001:db8::1", "0.0.0.0"] {
            assert!(!said(peer).contains("--"), "{peer}");
        }
    }
}
