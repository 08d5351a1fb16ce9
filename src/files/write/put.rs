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

use crate::files::root::{Meta, NameUse, NewFolders, Opened, Publish, TempFile, WritableFolder};
use crate::files::write::TargetKind;
use crate::files::write::request::{StoredFile, WriteError, WriteRequest};
use crate::http::Status;
use crate::service::{Response, Sink, text};

/// How often publishing is tried when another process took the name, or removed the folder, at the same moment.
const TRIES: usize = 8;

/// The use of the name that an upload is for.
#[derive(Clone, Copy, Debug)]
enum TargetState {
    Free,
    /// A file or a link; with the metadata of the file that is served there, if there is one.
    Taken(Option<Meta>),
}

#[derive(Debug)]
struct UploadPath {
    path: Vec<u8>,
    /// Length of the path of its folder: up to the last slash.
    parent_len: usize,
}

/// A PUT whose content is being received.
struct PutSink {
    write: Arc<WriteRequest>,
    target: UploadPath,
    temp: TempFile,
}

/// Makes all checks that are possible before the content, and creates the temporary file.
pub(crate) fn begin(write: &Arc<WriteRequest>) -> Result<Box<dyn Sink>, WriteError> {
    let path = write.path()?;
    let rights = write.rights;
    // A path that ends in a slash is a folder.
    let Some(parent_len) = path.iter().rposition(|&b| b == b'/').filter(|slash| slash + 1 < path.len()) else {
        write.check_content()?;
        return Err(is_folder(write));
    };
    let target = UploadPath { path, parent_len };
    // An unusable target is refused before bad content; a taken name (409) only after it.
    let found = match target.find(write).map_err(|error| write.response(error)) {
        Ok((_, TargetState::Free)) if !rights.upload => return Err(write.not_allowed(TargetKind::Free)),
        Err(response) if response.status() != Status::CONFLICT => return Err(response.into()),
        found => found,
    };
    let declared = write.check_content()?;
    let (folder, state) = found?;
    let current = match &state {
        TargetState::Taken(_) if !rights.overwrite => return Err(is_taken(write)),
        TargetState::Taken(meta) => meta.as_ref(),
        TargetState::Free if write.resolver.is_reserved(&target.path) => return Err(is_reserved(write, target.name())),
        TargetState::Free => None,
    };
    write.check_preconditions(current)?;
    write.resolver.root.sweep(&folder);
    let temp = TempFile::create_if_room(&folder, declared)?;
    // A replaced file keeps its permissions: a secret must not become readable by an upload.
    if let Some(meta) = current {
        temp.take_rights(meta)?;
    }
    Ok(Box::new(PutSink { write: Arc::clone(write), target, temp }))
}

/// 409: the name is in use and nothing may be replaced.
fn is_taken(write: &WriteRequest) -> WriteError {
    write.conflict("taken", &[])
}

/// 409: other addresses would answer with the new file.
fn is_reserved(write: &WriteRequest, name: &[u8]) -> WriteError {
    write.only_with_overwrite(Status::CONFLICT, "reserved", &[("name", &text::shown(name))])
}

/// 409: the path names a folder.
fn is_folder(write: &WriteRequest) -> WriteError {
    write.conflict("is folder", &[])
}

impl UploadPath {
    /// The path of the folder, without a slash at its end.
    fn parent(&self) -> &[u8] {
        &self.path[..self.parent_len]
    }

    /// The name of the file in its folder.
    fn name(&self) -> &[u8] {
        &self.path[self.parent_len + 1..]
    }

    /// The folder for the temporary file (the last existing one on the way), and the use of the name.
    fn find(&self, write: &WriteRequest) -> Result<(Arc<WritableFolder>, TargetState), WriteError> {
        let root = &write.resolver.root;
        match root.nearest(self.parent()) {
            Ok((folder, missing)) if missing.is_empty() => {
                let state = self.state(write, &folder)?;
                Ok((folder, state))
            }
            // Folders are missing, so the name is free. They are created at the end.
            Ok((folder, _)) => Ok((folder, TargetState::Free)),
            Err(Errno::NOENT) if !root.is_gone() => Err(write.conflict("missing folders", &[])),
            Err(error) => Err(error.into()),
        }
    }

    /// The use of the name in `folder`, which must be the folder of the path.
    fn state(&self, write: &WriteRequest, folder: &WritableFolder) -> Result<TargetState, WriteError> {
        match folder.name_use(self.name())? {
            NameUse::Free => Ok(TargetState::Free),
            NameUse::File(meta) => Ok(TargetState::Taken(Some(meta))),
            NameUse::Folder => Err(is_folder(write)),
            // The link itself will be replaced, but conditions are about the file that a GET shows.
            NameUse::Link => match write.resolver.root.open(&self.path, true) {
                Ok(Opened::File(_, meta)) => Ok(TargetState::Taken(Some(meta))),
                Ok(Opened::Directory(_)) => Err(is_folder(write)),
                Err(_) => Ok(TargetState::Taken(None)),
            },
            NameUse::Other => Err(write.conflict("not a file", &[])),
        }
    }
}

impl Sink for PutSink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.append(bytes).map_err(|error| self.write.response(error))
    }

    fn finish(mut self: Box<PutSink>) -> Response {
        self.publish().unwrap_or_else(|error| self.write.response(error))
    }
}

impl PutSink {
    /// Appends bytes to the temporary file.
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        if self.temp.written + bytes.len() as u64 > self.write.max_body {
            return Err(self.write.too_large());
        }
        Ok(self.temp.write(bytes)?)
    }

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
        let root = &self.write.resolver.root;
        let folder = match self.write.rights.upload {
            true => root.make_folders(self.target.parent()),
            // Without the right to upload, no folders may be created.
            false => root.writable_folder(self.target.parent()).map(|folder| (folder, NewFolders::default())),
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
        let rights = write.rights;
        let _lock = write.resolver.root.lock(folder, self.target.name());
        let (how, current) = match self.target.state(&write, folder)? {
            TargetState::Free => (Publish::Create, None),
            TargetState::Taken(current) => (Publish::Replace, current),
        };
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
        match self.temp.publish(folder, self.target.name(), how) {
            Ok(meta) => {
                // The disk gets the space of the old one back now.
                current.iter().for_each(|old| write.open_files.close(old));
                let stored = StoredFile::new(&self.write.resolver.root, self.target.path.clone(), &meta);
                Ok(Some((stored, current.is_none())))
            }
            Err(error) => match Errno::from_io_error(&error) {
                // EXIST: the name was taken after the check. NOENT: the folder was removed.
                Some(Errno::EXIST | Errno::NOENT) => Ok(None),
                Some(Errno::ISDIR) => Err(is_folder(&write)),
                _ => Err(error.into()),
            },
        }
    }
}
