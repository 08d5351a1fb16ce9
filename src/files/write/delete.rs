//! DELETE of a file, of a link itself, or of an empty folder (RFC 9110 §9.3.5).
//!
//! Never removed are the root, the target of a link, and a folder with anything in it. A hidden
//! file counts: a folder that looks empty in the listing may not be.

use rustix::io::Errno;

use crate::files::root::{NameUse, Opened, WritableFolder};
use crate::files::write::request::WriteRequest;
use crate::files::write::rights::TargetKind;
use crate::http::Status;
use crate::service::Response;

/// Removes the target of the request. Blocks.
pub(crate) fn delete(write: &WriteRequest) -> Response {
    match try_delete(write) {
        Ok(()) => Response::new(Status::NO_CONTENT),
        Err(response) => response,
    }
}

/// The same with errors as the responses to be sent.
fn try_delete(write: &WriteRequest) -> Result<(), Response> {
    let failure = |error: Errno| write.failure(error);
    let mut path = write.path()?;
    let root = &write.writer.resolver.root;
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
    let folder = root.writable_folder(parent).map_err(failure)?;
    // Between the precondition and the removal no other upload may replace the file.
    let _lock = root.lock(&folder, name);
    match folder.name_use(name).map_err(failure)? {
        NameUse::File(meta) => {
            write.check_preconditions(Some(&meta))?;
            folder.remove(name).map_err(failure)?;
        }
        NameUse::Link => {
            // A client only ever saw the target of the link, so its conditions are about that.
            match root.open(&path, true) {
                Ok(Opened::File(_, meta)) => write.check_preconditions(Some(&meta))?,
                Ok(Opened::Directory(_)) => write.check_folder_preconditions()?,
                Ok(Opened::WouldBlock) => return Err(failure(Errno::AGAIN)),
                Err(error) => return Err(write.failure(error)),
            }
            folder.remove(name).map_err(failure)?;
        }
        NameUse::Folder => delete_folder(write, &folder, &path, name)?,
        NameUse::Free | NameUse::Other => return Err(failure(Errno::NOENT)),
    }
    // 204 promises that the file is gone, even after a power failure.
    folder.sync().map_err(failure)
}

/// Removes the folder `name` in `parent`; `path` is its path from the root.
fn delete_folder(write: &WriteRequest, parent: &WritableFolder, path: &[u8], name: &[u8]) -> Result<(), Response> {
    let failure = |error: Errno| write.failure(error);
    let root = &write.writer.resolver.root;
    let folder = root.writable_folder(path).map_err(failure)?;
    // Temporary files of a killed server must not keep a folder from being removed.
    root.sweep(&folder);
    let not_empty = || write.conflict("The folder is not empty; only empty ones are removed.");
    if !folder.is_empty().map_err(failure)? {
        return Err(not_empty());
    }
    write.check_folder_preconditions()?;
    // A file may have been added since the check. The kernel refuses to remove it.
    match parent.remove_folder(name) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(not_empty()),
        done => done.map_err(failure),
    }
}
