//! PUT of one file (RFC 9110 §9.3.4).
//!
//! ```text
//! begin     check target, rights, length, conditions and space; create a temporary file   before 100 (Continue)
//! write     append bytes to the temporary file
//! finish    fsync; lock the name; check conditions again; publish; fsync the folder
//! ```
//!
//! Nothing appears under the final name before all of the content is on the disk. Missing folders are created at the
//! end too, so an aborted upload leaves none (a server that is killed at that moment may leave an empty one). The path
//! is resolved again at the end: if a folder on it was moved meanwhile, the file goes where the path leads then,
//! because that is what 201 says; if the path leads out of the root, the upload fails.

use std::sync::Arc;

use rustix::io::Errno;

use crate::files::rights::TargetKind;
use crate::files::root::{Meta, NameUse, NewFolders, Opened, Publish, TempFile, WritableFolder, split_last};
use crate::files::write::request::{StoredFile, WriteError, WriteRequest};
use crate::http::Status;
use crate::service::{Response, Sink, text};

/// How often publishing is tried when another process took the name, or removed the folder, at the same moment.
const TRIES: usize = 8;

/// How the file can get its name now, and the metadata of the file that is served under it, if there is one: a link may
/// lead to none.
type Target = (Publish, Option<Meta>);

/// A PUT whose content is being received.
struct PutSink {
    write: Arc<WriteRequest>,
    path: Vec<u8>,
    temp: TempFile,
}

/// Makes all checks that are possible before the content, and creates the temporary file.
pub(crate) fn begin(write: &Arc<WriteRequest>) -> Result<Box<dyn Sink>, WriteError> {
    let path = write.path()?;
    let rights = write.resolver.rights;
    let (_, name) = split_last(&path);
    if name.is_empty() {
        write.check_content()?;
        return Err(is_folder(write));
    }
    // An unusable target is refused before bad content; a taken name (409) only after it.
    let found = match find(write, &path).map_err(|error| write.response(error)) {
        Ok((_, (Publish::Create, _))) if !rights.upload => return Err(write.not_allowed(TargetKind::Free)),
        Err(response) if response.status() != Status::CONFLICT => return Err(response.into()),
        found => found,
    };
    let declared = write.check_content()?;
    let (folder, (how, current)) = found?;
    match how {
        Publish::Replace if !rights.overwrite => return Err(is_taken(write)),
        Publish::Create if write.resolver.is_reserved(&path) => {
            return Err(write.only_with_overwrite(Status::CONFLICT, "reserved", &[("name", &text::shown(name))]));
        }
        _ => {}
    }
    write.check_preconditions(current.as_ref())?;
    write.resolver.root.sweep(&folder);
    let temp = TempFile::create_if_room(&folder, declared)?;
    // A replaced file keeps its permissions: a secret must not become readable by an upload.
    if let Some(meta) = &current {
        temp.take_rights(meta)?;
    }
    Ok(Box::new(PutSink { write: Arc::clone(write), path, temp }))
}

/// 409: the name is in use and nothing may be replaced.
fn is_taken(write: &WriteRequest) -> WriteError {
    write.conflict("taken", &[])
}

/// 409: the path names a folder.
fn is_folder(write: &WriteRequest) -> WriteError {
    write.conflict("is folder", &[])
}

/// The folder for the temporary file (the last existing one on the way), and the target.
fn find(write: &WriteRequest, path: &[u8]) -> Result<(Arc<WritableFolder>, Target), WriteError> {
    let root = &write.resolver.root;
    match root.nearest(split_last(path).0) {
        Ok((folder, missing)) if missing.is_empty() => {
            let target = target(write, path, &folder)?;
            Ok((folder, target))
        }
        // Folders are missing, so the name is free. They are created at the end.
        Ok((folder, _)) => Ok((folder, (Publish::Create, None))),
        Err(Errno::NOENT) if !root.is_gone() => Err(write.conflict("missing folders", &[])),
        Err(error) => Err(error.into()),
    }
}

/// The target in `folder`, which must be the folder of the path.
fn target(write: &WriteRequest, path: &[u8], folder: &WritableFolder) -> Result<Target, WriteError> {
    match folder.name_use(split_last(path).1)? {
        NameUse::Free => Ok((Publish::Create, None)),
        NameUse::File(meta) => Ok((Publish::Replace, Some(meta))),
        NameUse::Folder => Err(is_folder(write)),
        // The link itself will be replaced, but conditions are about the file that a GET shows.
        NameUse::Link => match write.resolver.root.open(path, true) {
            Ok(Opened::File(_, meta)) => Ok((Publish::Replace, Some(meta))),
            Ok(Opened::Directory(_)) => Err(is_folder(write)),
            Err(_) => Ok((Publish::Replace, None)),
        },
        NameUse::Other => Err(write.conflict("not a file", &[])),
    }
}

impl Sink for PutSink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.temp.write(bytes).map_err(|error| self.write.response(error.into()))
    }

    fn finish(mut self: Box<PutSink>) -> Response {
        self.publish().unwrap_or_else(|error| self.write.response(error))
    }
}

impl PutSink {
    /// Gives the file its name, after all content was received.
    fn publish(&mut self) -> Result<Response, WriteError> {
        if self.temp.length.is_some_and(|length| length != self.temp.written) {
            return Err(self.write.problem(Status::BAD_REQUEST, "wrong length", &[]).into());
        }
        // Before the name appears: after a power failure it must not lead to an empty file.
        self.temp.sync()?;
        for _ in 0..TRIES {
            let (folder, new_folders) = self.folder()?;
            match self.publish_in(&folder) {
                Ok(Some((stored, is_new))) => {
                    new_folders.keep().and_then(|()| folder.sync()).map_err(WriteError::Unconfirmed)?;
                    return Ok(match is_new {
                        true => self.write.created(&[stored]),
                        false => Response::new(Status::NO_CONTENT).field("ETag", stored.tag.bytes()),
                    });
                }
                // Another process changed the name or the folder. All checks are made again.
                Ok(None) => new_folders.undo(),
                Err(error) => {
                    new_folders.undo();
                    return Err(error);
                }
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// The folder that the path leads to now.
    fn folder(&self) -> Result<(Arc<WritableFolder>, NewFolders), WriteError> {
        let (root, (parent, _)) = (&self.write.resolver.root, split_last(&self.path));
        let folder = match self.write.resolver.rights.upload {
            true => root.make_folders(parent),
            // Without the right to upload, no folders may be created.
            false => root.writable_folder(parent).map(|folder| (folder, NewFolders::default())),
        };
        folder.map_err(|error| match error {
            Errno::NOENT => self.write.conflict("folder gone", &[]),
            error => error.into(),
        })
    }

    /// Checks and publishes while the name is locked against other uploads of this process. Returns
    /// the file and whether it is new. `None`: another process was faster, so try again.
    fn publish_in(&mut self, folder: &Arc<WritableFolder>) -> Result<Option<(StoredFile, bool)>, WriteError> {
        let write = Arc::clone(&self.write);
        let rights = write.resolver.rights;
        let (_, name) = split_last(&self.path);
        let _lock = write.resolver.root.lock(folder, name);
        let (how, current) = target(&write, &self.path, folder)?;
        write.check_preconditions(current.as_ref())?;
        match how {
            Publish::Create if !rights.upload => return Err(write.conflict("file gone", &[])),
            Publish::Replace if !rights.overwrite => return Err(is_taken(&write)),
            _ => {}
        }
        // The permissions may have changed while the content was received.
        if let Some(meta) = &current
            && self.temp.take_rights(meta)?
        {
            self.temp.sync()?;
        }
        match self.temp.publish(folder, name, how) {
            Ok(meta) => {
                // The disk gets the space of the old one back now.
                current.iter().for_each(|old| write.open_files.close(old));
                let stored = StoredFile::new(&write.resolver.root, self.path.clone(), &meta);
                Ok(Some((stored, current.is_none())))
            }
            // EXIST: the name was taken after the check. NOENT: the folder was removed.
            Err(Errno::EXIST | Errno::NOENT) => Ok(None),
            Err(Errno::ISDIR) => Err(is_folder(&write)),
            Err(error) => Err(error.into()),
        }
    }
}
