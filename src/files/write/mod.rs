//! Changing files over HTTP: PUT, POST and DELETE.
//!
//! [`answer`] decides where a write runs: always on a worker, because each of its checks may wait
//! for a disk. `request` has the checks that all writes share, before any content is read. `put`,
//! `post` and [`delete`] do the work.
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

use std::sync::Arc;

use rustix::io::Errno;

use crate::files::rights::TargetKind;
use crate::files::root::{NameUse, Opened, WritableFolder, split_last};
use crate::http::{Framing, Method, Status};
use crate::service::{Answer, Lane, Outcome, Response, Task};

use request::WriteError;
pub(crate) use request::WriteRequest;

/// The answer to a write whose method has a right (`Rights::allow`).
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
    let limit = write.resolver.settings.max_body;
    let is_refused = match write.request.framing() {
        Framing::None => true,
        Framing::Length(length) => length > limit,
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
    Answer::Receive { limit, device, open: Box::new(open) }
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
    let (parent, name) = split_last(&path);
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
