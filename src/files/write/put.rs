//! PUT: one file, old whole or new whole (RFC 9110 §9.3.4).
//!
//! ```text
//! begin     the target, rights, length, conditions, room; a draft           before 100 (Continue)
//! write     bytes into the draft
//! finish    fsync; lock the name; conditions again; publish; fsync the folder
//! ```
//!
//! Never: anything under the final name before all of it is there and on the disk. Folders that are
//! missing on the way are made at the end too, so an upload that breaks off leaves none.
//!
//! The subtle things:
//! - The path is walked again at the end. If a folder on it has been moved meanwhile, the file goes where
//!   the path leads *now*, since that is what 201 says; and if it leads out of the root, nowhere.
//! - A link at the final name is replaced itself. What it points at is somebody else's.

use std::sync::Arc;

use rustix::io::Errno;

use crate::files::root::{Meta, NameUse, NewFolders, Opened, Publish, TempFile, WritableFolder};
use crate::files::write::checks::{Call, Stored};
use crate::files::write::rights::Kind;
use crate::http::Status;
use crate::service::{Response, Sink};

/// How often publishing is begun again when somebody outside this process took the name, or the folder
/// away, in the middle of it.
const TRIES: usize = 8;

/// Who has the name an upload is for.
#[derive(Clone, Copy, Debug)]
enum Spot {
    Free,
    /// A file, or a link; with what is served there, if anything is.
    Taken(Option<Meta>),
}

/// Where an upload goes.
#[derive(Debug)]
struct Target {
    path: Vec<u8>,
    /// The path without the name and the slash before it.
    parent: usize,
}

/// A PUT whose content is arriving.
struct Put {
    call: Arc<Call>,
    target: Target,
    draft: TempFile,
    declared: Option<u64>,
    written: u64,
}

/// Checks everything that can be known before the content, and begins a draft.
///
/// # Errors
/// Why not.
pub(crate) fn begin(call: &Arc<Call>) -> Result<Box<dyn Sink>, Response> {
    let path = call.path()?;
    let rights = call.writer.rights;
    let root = &call.writer.resolver.root;
    let Some(parent) = path.iter().rposition(|&b| b == b'/').filter(|slash| slash + 1 < path.len()) else {
        call.check_content()?;
        return Err(folder_is_there(call));
    };
    let target = Target { path, parent };
    let found = target.find(call);
    // What is wrong with the target comes before what is wrong with the content, a taken name after it.
    let found = match found {
        Ok((_, Spot::Free)) if !rights.upload => return Err(call.not_allowed(Kind::Free)),
        Err(response) if response.status() != Status::CONFLICT => return Err(response),
        found => found,
    };
    let declared = call.check_content()?;
    let (home, spot) = found?;
    let current = match &spot {
        Spot::Taken(_) if !rights.overwrite => return Err(taken(call)),
        Spot::Taken(meta) => meta.as_ref(),
        Spot::Free => None,
    };
    call.check_preconditions(current)?;
    root.sweep(&home);
    let draft = begin_draft(call, &home, declared)?;
    if let Some(meta) = current {
        draft.take_mode(meta.mode).map_err(|error| call.failure(error))?;
    }
    Ok(Box::new(Put { call: Arc::clone(call), target, draft, declared, written: 0 }))
}

/// A draft in `home`, if there is room for it.
///
/// # Errors
/// 507, or what else the disk says.
pub(crate) fn begin_draft(call: &Call, home: &Arc<WritableFolder>, length: Option<u64>) -> Result<TempFile, Response> {
    let room = home.has_room(length.unwrap_or(0)).map_err(|error| call.failure(error))?;
    if !room {
        return Err(call.failure(Errno::NOSPC));
    }
    TempFile::create_in(home, length).map_err(|error| call.failure(error))
}

fn taken(call: &Call) -> Response {
    call.conflict("There is a file of that name already, and this server replaces none.")
}

fn folder_is_there(call: &Call) -> Response {
    call.conflict("This is the address of a folder; a file needs a name behind it.")
}

impl Target {
    fn parent(&self) -> &[u8] {
        &self.path[..self.parent]
    }

    fn name(&self) -> &[u8] {
        &self.path[self.parent + 1..]
    }

    /// The folder the draft is made in (the last one on the way that exists), and who has the name.
    fn find(&self, call: &Call) -> Result<(Arc<WritableFolder>, Spot), Response> {
        match call.writer.resolver.root.nearest(self.parent()) {
            Ok((home, missing)) if missing.is_empty() => {
                let spot = self.look(call, &home)?;
                Ok((home, spot))
            }
            Ok((home, _)) => Ok((home, Spot::Free)),
            Err(Errno::NOENT) if !call.writer.resolver.root.is_gone() => {
                Err(call.conflict("Too many folders on this path are missing."))
            }
            Err(error) => Err(call.failure(error)),
        }
    }

    fn look(&self, call: &Call, folder: &WritableFolder) -> Result<Spot, Response> {
        match folder.name_use(self.name()) {
            Ok(NameUse::Free) => Ok(Spot::Free),
            Ok(NameUse::File(meta)) => Ok(Spot::Taken(Some(meta))),
            Ok(NameUse::Folder) => Err(folder_is_there(call)),
            Ok(NameUse::Link) => match call.writer.resolver.root.open(&self.path, true) {
                Ok(Opened::File(_, meta)) => Ok(Spot::Taken(Some(meta))),
                Ok(Opened::Directory(_)) => Err(folder_is_there(call)),
                Ok(Opened::WouldBlock) | Err(_) => Ok(Spot::Taken(None)),
            },
            Ok(NameUse::Other) => Err(call.conflict("Something of that name is there that is no file.")),
            Err(error) => Err(call.failure(error)),
        }
    }
}

impl Sink for Put {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.written += bytes.len() as u64;
        if self.written > self.call.writer.max_body {
            return Err(self.call.too_large());
        }
        self.draft.write(bytes).map_err(|error| self.call.failure(error))
    }

    fn finish(mut self: Box<Put>) -> Response {
        let call = Arc::clone(&self.call);
        self.publish().unwrap_or_else(|error| match error {
            Trouble::Told(response) => response,
            Trouble::Disk(error) => call.failure(error),
        })
    }
}

/// Why a file was not published.
enum Trouble {
    Told(Response),
    Disk(std::io::Error),
}

impl From<Response> for Trouble {
    fn from(response: Response) -> Trouble {
        Trouble::Told(response)
    }
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Trouble {
        Trouble::Disk(error.into())
    }
}

impl Put {
    fn publish(&mut self) -> Result<Response, Trouble> {
        if self.declared.is_some_and(|declared| declared != self.written) {
            return Err(self.call.problem(Status::BAD_REQUEST, "The content is not as long as announced.").into());
        }
        self.draft.sync()?;
        for _ in 0..TRIES {
            let (folder, made) = self.folder()?;
            match self.publish_in(&folder) {
                Ok(Some((stored, is_new))) => {
                    made.keep().map_err(Trouble::Disk)?;
                    folder.sync()?;
                    return Ok(match is_new {
                        true => self.call.created(&[stored]),
                        false => Response::new(Status::NO_CONTENT).field("ETag", stored.tag.bytes()),
                    });
                }
                Ok(None) => made.undo(),
                Err(trouble) => {
                    made.undo();
                    return Err(trouble);
                }
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// The folder the path leads to by now.
    fn folder(&self) -> Result<(Arc<WritableFolder>, NewFolders), Trouble> {
        let root = &self.call.writer.resolver.root;
        let folder = match self.call.writer.rights.upload {
            true => root.make_folders(self.target.parent()),
            false => root.writable_folder(self.target.parent()).map(|folder| (folder, NewFolders::default())),
        };
        folder.map_err(|error| match error {
            Errno::NOENT => Trouble::Told(self.call.conflict("The folder is gone.")),
            error => error.into(),
        })
    }

    /// Checks and publishes while nobody else in this process may. `None`: somebody outside was quicker.
    fn publish_in(&mut self, folder: &Arc<WritableFolder>) -> Result<Option<(Stored, bool)>, Trouble> {
        let call = Arc::clone(&self.call);
        let rights = call.writer.rights;
        let _lock = call.writer.resolver.root.lock(folder, self.target.name());
        let spot = self.target.look(&call, folder)?;
        let (how, current) = match spot {
            Spot::Free => (Publish::Create, None),
            Spot::Taken(current) => (Publish::Replace, current),
        };
        call.check_preconditions(current.as_ref())?;
        match how {
            Publish::Create if !rights.upload => return Err(call.conflict("The file to be replaced is gone.").into()),
            Publish::Replace if !rights.overwrite => return Err(taken(&call).into()),
            _ => {}
        }
        // Somebody may have changed them while the content came.
        if let Some(meta) = current
            && self.draft.take_mode(meta.mode)?
        {
            self.draft.sync()?;
        }
        match self.draft.publish(folder, self.target.name(), how) {
            Ok(()) => {
                let stored = Stored::new(self.target.path.clone(), &self.draft.meta()?);
                Ok(Some((stored, current.is_none())))
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::EXIST | Errno::NOENT) => Ok(None),
                Some(Errno::ISDIR) => Err(folder_is_there(&call).into()),
                _ => Err(Trouble::Disk(error)),
            },
        }
    }
}
