//! DELETE: a file, a link itself, or an empty folder (RFC 9110 §9.3.5).
//!
//! Never: the root, a folder with anything in it, what a link points at.
//!
//! The subtle thing: what is not served is not removed either. A folder that looks empty in the listing
//! and holds a dot file is full.

use rustix::io::Errno;

use crate::files::resource::FileError;
use crate::files::root::{NameUse, Opened, WritableFolder};
use crate::files::write::checks::Call;
use crate::files::write::rights::Kind;
use crate::http::Status;
use crate::service::Response;

/// Removes what the request is about. Blocks.
pub(crate) fn remove(call: &Call) -> Response {
    match try_remove(call) {
        Ok(()) => Response::new(Status::NO_CONTENT),
        Err(response) => response,
    }
}

fn try_remove(call: &Call) -> Result<(), Response> {
    let failure = |error: Errno| call.failure(error);
    let mut path = call.path()?;
    let root = &call.writer.resolver.root;
    match Kind::look(&call.writer.resolver, &path) {
        Ok(Kind::Root) => return Err(call.not_allowed(Kind::Root)),
        Ok(_) => {}
        Err(FileError::Disk(error)) => return Err(call.failure(error)),
        Err(FileError::WouldBlock) => return Err(call.failure(Errno::AGAIN)),
    }
    call.check_expectation()?;
    if path.ends_with(b"/") {
        path.pop();
    }
    let slash = path.iter().rposition(|&b| b == b'/').unwrap_or(0);
    let (parent, name) = (&path[..slash], &path[slash + 1..]);
    let folder = root.writable_folder(parent).map_err(failure)?;
    let _lock = root.lock(&folder, name);
    match folder.name_use(name).map_err(failure)? {
        NameUse::File(meta) => {
            call.check_preconditions(Some(&meta))?;
            folder.remove(name).map_err(failure)?;
        }
        NameUse::Link => {
            match root.open(&path, true) {
                Ok(Opened::File(_, meta)) => call.check_preconditions(Some(&meta))?,
                Ok(Opened::Directory(_)) => call.check_folder_preconditions()?,
                Ok(Opened::WouldBlock) => return Err(failure(Errno::AGAIN)),
                Err(error) => return Err(call.failure(error)),
            }
            folder.remove(name).map_err(failure)?;
        }
        NameUse::Folder => remove_folder(call, &folder, &path, name)?,
        NameUse::Free | NameUse::Other => return Err(failure(Errno::NOENT)),
    }
    folder.sync().map_err(failure)
}

fn remove_folder(call: &Call, parent: &WritableFolder, path: &[u8], name: &[u8]) -> Result<(), Response> {
    let failure = |error: Errno| call.failure(error);
    let root = &call.writer.resolver.root;
    let folder = root.writable_folder(path).map_err(failure)?;
    // What a killed server left in it is nobody's content.
    root.sweep(&folder);
    let full = || call.conflict("The folder is not empty; only empty ones are removed.");
    if !folder.is_empty().map_err(failure)? {
        return Err(full());
    }
    call.check_folder_preconditions()?;
    match parent.remove_folder(name) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(full()),
        done => done.map_err(failure),
    }
}
