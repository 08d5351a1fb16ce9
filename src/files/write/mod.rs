//! Changing files over HTTP: PUT, POST and DELETE.
//!
//! [`answer`] decides where a write runs: always on a worker, because each of its checks may wait
//! for a disk. `request` has the checks that all writes share, before any content is read. `put`,
//! `post` and [`delete`] do the work.
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
//!
//! Where files may be added and none replaced, a new file cannot stand in for another one. Names that
//! answer for other addresses are refused, or get a number in a form: those of an index, of the page
//! of an application, and of error pages. Nothing is added in `/.well-known/`, and prepared codings
//! beside a file are not used ([`Resolver`](crate::files::resource::Resolver)).
//!
//! | response | meaning |
//! |---|---|
//! | 201 | new files, with the address and the tag of a single one, or the address of their folder |
//! | 204 | a file was replaced or removed |
//! | 303 | a form was stored: the browser shows the folder |
//! | 400 | the content is shorter than announced, a broken form, or a range of a file |
//! | 403 | the permissions on the disk forbid it, or the rules for names on the path |
//! | 404 | there is nothing to remove, or the path leads out of the root |
//! | 405 | the right is missing, or the method does not work on this target |
//! | 409 | the name is in use, unusable, mounted or answers for other addresses, a folder is missing or not empty |
//! | 411, 413, 415, 417 | no length, too long, compressed, an unknown expectation |
//! | 412 | the client expects another version |
//! | 500 | the disk failed; the page says so if the change was made nevertheless |
//! | 507 | no space on the disk |

mod file_name;
mod post;
mod put;
mod request;

use std::net::SocketAddr;
use std::sync::Arc;

use rustix::io::Errno;

use crate::files::root::{NameUse, Opened, WritableFolder};
use crate::http::{Framing, Method, Request, Status};
use crate::service::error_page::{self, Problem, TEXTS};
use crate::service::{Answer, Lane, Outcome, Response, Task, router};

use request::WriteError;
pub(crate) use request::WriteRequest;

/// The answer to a write whose method has a right ([`Rights::allow`]).
pub(crate) fn answer(write: WriteRequest) -> Answer {
    let device = write.resolver.root.device_on_the_way(write.request.path());
    let write = Arc::new(write);
    if write.request.method() == Method::Delete {
        return Answer::Blocking(
            Task { device, ..Lane::Write.into() },
            Box::new(move || {
                let deleted = delete(&write).map(|()| Response::new(Status::NO_CONTENT));
                Outcome::Response(deleted.unwrap_or_else(|error| write.response(error)))
            }),
        );
    }
    let is_refused = match write.request.framing() {
        Framing::None => true,
        Framing::Length(length) => length > write.max_body,
        Framing::Chunked => false,
    };
    let open = move || {
        let sink = if write.request.method() == Method::Put { put::begin(&write) } else { post::begin(&write) };
        sink.map_err(|error| write.response(error))
    };
    if is_refused {
        // The head alone decides, but a worker still makes all checks, so that refusals keep their
        // order: `begin` fails, at its check of the length at the latest. No content is awaited.
        let refuse =
            move || Outcome::Response(open().err().unwrap_or_else(|| Response::new(Status::CONTENT_TOO_LARGE)));
        return Answer::Blocking(Task { device, ..Lane::Open.into() }, Box::new(refuse));
    }
    // The sinks count the bytes themselves, so that content that is too long gets the same page everywhere.
    Answer::Receive { limit: u64::MAX, device, open: Box::new(open) }
}

/// DELETE of a file, of a link itself, or of an empty folder (RFC 9110 §9.3.5). Blocks.
///
/// Never removed are the root, the target of a link, and a folder with anything in it. A hidden
/// file counts: a folder that looks empty in the listing may not be.
fn delete(write: &WriteRequest) -> Result<(), WriteError> {
    let mut path = write.path()?;
    let root = &write.resolver.root;
    // First: a missing file is 404 even if something else is wrong with the request.
    if write.target_kind(&path)? == TargetKind::Root {
        return Err(write.not_allowed(TargetKind::Root));
    }
    write.check_expectation()?;
    if path.ends_with(b"/") {
        path.pop();
    }
    let slash = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
    let (parent, name) = (&path[..slash], &path[slash + 1..]);
    let folder = root.writable_folder(parent)?;
    // Between the precondition and the removal no other upload may replace the file.
    let _lock = root.lock(&folder, name);
    match folder.name_use(name)? {
        NameUse::File(meta) => {
            write.check_preconditions(Some(&meta))?;
            folder.remove(name)?;
            write.open_files.close(&meta);
        }
        NameUse::Link => {
            // A client only ever saw the target of the link, so its conditions are about that.
            match root.open(&path, true)? {
                Opened::File(_, meta) => write.check_preconditions(Some(&meta))?,
                Opened::Directory(_) => write.check_folder_preconditions()?,
            }
            folder.remove(name)?;
        }
        NameUse::Folder => delete_folder(write, &folder, &path, name)?,
        NameUse::Free | NameUse::Other => return Err(Errno::NOENT.into()),
    }
    // After a 204 the file must stay deleted, even after a power failure.
    folder.sync().map(drop).map_err(WriteError::Unconfirmed)
}

/// Removes the folder `name` in `parent`; `path` is its path from the root.
fn delete_folder(write: &WriteRequest, parent: &WritableFolder, path: &[u8], name: &[u8]) -> Result<(), WriteError> {
    let root = &write.resolver.root;
    let folder = root.writable_folder(path)?;
    // Temporary files of a killed server must not keep a folder from being removed.
    root.sweep(&folder);
    let not_empty = || write.conflict("not empty", &[]);
    if !folder.is_empty()? {
        return Err(not_empty());
    }
    write.check_folder_preconditions()?;
    // A file may have been added since the check. The kernel refuses to remove it.
    match parent.remove_folder(name) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(not_empty()),
        done => Ok(done?),
    }
}

/// What clients may change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Rights {
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
}

impl Rights {
    /// Whether anything may be changed.
    pub(crate) fn any(self) -> bool {
        self.upload || self.overwrite || self.delete
    }

    /// Whether clients decide what files contain.
    pub(crate) fn can_write(self) -> bool {
        self.upload || self.overwrite
    }

    /// Whether this method may change something, on some target.
    pub(crate) fn allow(self, method: Method) -> bool {
        match method {
            Method::Put => self.can_write(),
            Method::Post => self.upload,
            Method::Delete => self.delete,
            _ => false,
        }
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
        let works = |method| is_safe(method) || self.right(method, kind).is_some_and(|(_, is_set)| is_set);
        Method::ALL.into_iter().filter(|method| works(*method)).collect()
    }

    /// The methods that work on some target.
    pub(crate) fn methods(self) -> Vec<Method> {
        Method::ALL.into_iter().filter(|method| is_safe(*method) || self.allow(*method)).collect()
    }

    pub(crate) fn options(self, kind: TargetKind) -> Response {
        router::options(&self.methods_on(kind))
    }

    /// 405 for a request that does not work on `kind`.
    pub(crate) fn not_allowed(self, request: &Request<'_>, kind: TargetKind, peer: SocketAddr) -> Response {
        let allow = router::names(&self.methods_on(kind));
        let problem = Problem::method_not_allowed(request.method_name(), &allow);
        let option = self.right(request.method(), kind).map(|(option, _)| option);
        error_page::problem(request, &name_option(problem, option, peer)).field("Allow", allow)
    }
}

/// Adds the option that would allow it, for clients on this computer. Those of a proxy on this
/// computer see it too, which is harmless: it can only be given where the server is started.
fn name_option(problem: Problem, option: Option<&str>, peer: SocketAddr) -> Problem {
    match option.filter(|_| peer.ip().to_canonical().is_loopback()) {
        Some(option) => problem.with_advice(TEXTS.say("allow option", &[("option", &option)])),
        None => problem,
    }
}

/// The methods that work on everything.
fn is_safe(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Options)
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
