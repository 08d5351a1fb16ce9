//! POST to a folder: new files, one by its content or many by a form (RFC 9110 §9.3.3, RFC 7578).
//!
//! A form is all or nothing. A browser shows one answer for all of its files, so nothing of a form is
//! visible until its last boundary has come: its files are drafts until then.
//!
//! Never: a file replaced. A name that is taken gets a number, `film (2).mp4`.
//!
//! The subtle thing: each draft of a form is an open file, and open files are what connections are made
//! of. All forms together may hold an eighth of those the process may have, one form at most [`FILES`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::files::resource::encode;
use crate::files::root::{NameUse, Publish, TempFile, WritableFolder};
use crate::files::write::checks::{Call, Stored, Writer};
use crate::files::write::file_name;
use crate::files::write::put::begin_draft;
use crate::files::write::rights::Kind;
use crate::http::Status;
use crate::http::multipart::{FormError, FormEvent, Multipart};
use crate::service::error_page;
use crate::service::error_page::Form as Shape;
use crate::service::{Response, Sink};

/// Files of one form. Whoever has more drops the folder onto the page, which sends each by itself.
const FILES: usize = 512;
/// Names that are tried for a file whose own is taken.
const NUMBERS: u32 = 1000;
/// Bytes shown to the reader behind those it could not use: more than the longest head of a part, so
/// that it always gets on.
const MORE: usize = 16 * 1024;

/// A file of a form, and its share of the files that may be open.
struct Arriving {
    name: Vec<u8>,
    draft: TempFile,
    _held: Held,
}

struct Held(Arc<Writer>);

impl Held {
    /// One more open file, if there may be.
    fn one(writer: &Arc<Writer>) -> Option<Held> {
        let most = getrlimit(Resource::Nofile).current.map_or(FILES, |n| usize::try_from(n / 8).unwrap_or(FILES));
        let before = writer.held.fetch_add(1, Ordering::Relaxed);
        // NewFolders first, so that its drop takes back what was added.
        let held = Held(Arc::clone(writer));
        (before < most.max(1)).then_some(held)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Files on their way into one folder.
struct Delivery {
    call: Arc<Call>,
    /// The path of the folder, with a slash at its end.
    path: Vec<u8>,
    home: Arc<WritableFolder>,
    files: Vec<Arriving>,
    written: u64,
}

/// Checks everything that can be known before the content.
///
/// # Errors
/// Why not.
pub(crate) fn begin(call: &Arc<Call>) -> Result<Box<dyn Sink>, Response> {
    let mut path = call.path()?;
    let resolver = &call.writer.resolver;
    match Kind::look(resolver, &path) {
        Ok(Kind::Folder | Kind::Root) => {}
        Ok(kind) => return Err(call.not_allowed(kind)),
        Err(crate::files::resource::FileError::Disk(error)) => return Err(call.failure(error)),
        Err(crate::files::resource::FileError::WouldBlock) => return Err(call.failure(Errno::AGAIN)),
    }
    let length = call.check_content()?;
    let form = call.request.field("content-type").and_then(Multipart::of).transpose();
    let form = form.map_err(|error| call.problem(Status::BAD_REQUEST, error.sentence()))?;
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let home = resolver.root.writable_folder(&path).map_err(|error| call.failure(error))?;
    let mut delivery = Delivery { call: Arc::clone(call), path, home, files: Vec::new(), written: 0 };
    let name = if form.is_none() { Some(delivery.name_of_content()?) } else { None };
    call.check_folder_preconditions()?;
    resolver.root.sweep(&delivery.home);
    match (form, name) {
        (Some(reader), _) => {
            // Its files are shorter than the form; how long each one is, nobody says.
            let room = delivery.home.has_room(length.unwrap_or(0)).map_err(|error| call.failure(error))?;
            if !room {
                return Err(call.failure(Errno::NOSPC));
            }
            Ok(Box::new(Form { delivery, reader, left: Vec::new(), is_file: false }))
        }
        (None, name) => {
            delivery.begin(name.unwrap_or_default(), length)?;
            Ok(Box::new(Content { delivery }))
        }
    }
}

impl Delivery {
    fn name_of_content(&self) -> Result<Vec<u8>, Response> {
        match file_name::suggested(&self.call.request) {
            Some(name) => self.fit(&name),
            None => Ok(file_name::of_moment(self.call.visit.now)),
        }
    }

    fn fit(&self, name: &[u8]) -> Result<Vec<u8>, Response> {
        match file_name::is_fit(name, self.path == b"/", self.call.writer.resolver.dotfiles) {
            true => Ok(name.to_vec()),
            false => {
                let sentence = format!("A file may not be called {} here.", error_page::shown(name));
                Err(self.call.conflict(&sentence))
            }
        }
    }

    fn begin(&mut self, name: Vec<u8>, length: Option<u64>) -> Result<(), Response> {
        if self.files.len() >= FILES {
            let sentence = format!("A form may bring {FILES} files at most.");
            return Err(self.call.problem(Status::CONTENT_TOO_LARGE, &sentence));
        }
        let held = Held::one(&self.call.writer).ok_or_else(|| self.call.failure(Errno::MFILE))?;
        let draft = begin_draft(&self.call, &self.home, length)?;
        self.files.push(Arriving { name, draft, _held: held });
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.written += bytes.len() as u64;
        if self.written > self.call.writer.max_body { Err(self.call.too_large()) } else { Ok(()) }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Response> {
        match self.files.last() {
            Some(file) => file.draft.write(bytes).map_err(|error| self.call.failure(error)),
            None => Ok(()),
        }
    }

    /// Publishes all of them, or none.
    fn publish(&mut self) -> Result<Vec<Stored>, Response> {
        let call = Arc::clone(&self.call);
        let failure = |error: Errno| call.failure(error);
        self.files.iter().try_for_each(|file| file.draft.sync()).map_err(failure)?;
        // Where the path leads by now, which is where the answer says the files are.
        let folder = call.writer.resolver.root.writable_folder(&self.path).map_err(failure)?;
        let mut stored = Vec::new();
        for at in 0..self.files.len() {
            match self.publish_one(at, &folder) {
                Ok(one) => stored.push(one),
                Err(response) => {
                    self.files[..at].iter().zip(&stored).for_each(|(file, one)| take_back(&folder, file, one));
                    return Err(response);
                }
            }
        }
        folder.sync().map_err(failure)?;
        Ok(stored)
    }

    fn publish_one(&mut self, at: usize, folder: &Arc<WritableFolder>) -> Result<Stored, Response> {
        let Arriving { name, draft, .. } = &mut self.files[at];
        for number in 1..=NUMBERS {
            let name = file_name::numbered(name, number);
            match draft.publish(folder, &name, Publish::Create) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::EXIST) => {}
                Err(error) => return Err(self.call.failure(error)),
                Ok(()) => {
                    let meta = draft.meta().map_err(|error| self.call.failure(error))?;
                    return Ok(Stored::new([&self.path[..], &name].concat(), &meta));
                }
            }
        }
        Err(self.call.conflict("There are too many files of that name already."))
    }
}

/// Removes a file that was published a moment ago, unless its name has gone to another one since.
fn take_back(folder: &WritableFolder, file: &Arriving, stored: &Stored) {
    let name = stored.path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    if let (Ok(NameUse::File(there)), Ok(ours)) = (folder.name_use(name), file.draft.meta())
        && there.inode == ours.inode
    {
        let _ = folder.remove(name);
    }
}

/// Content that is one file.
struct Content {
    delivery: Delivery,
}

impl Sink for Content {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.delivery.count(bytes)?;
        self.delivery.write(bytes)
    }

    fn finish(mut self: Box<Content>) -> Response {
        match self.delivery.publish() {
            Ok(stored) => self.delivery.call.created(&stored),
            Err(response) => response,
        }
    }
}

/// Content that is a form.
struct Form {
    delivery: Delivery,
    reader: Multipart,
    /// Bytes the reader could not use yet.
    left: Vec<u8>,
    /// Whether the part that is being read is a file.
    is_file: bool,
}

impl Form {
    /// Hands bytes to the reader; answers how many it used.
    fn consume(&mut self, input: &[u8]) -> Result<usize, Response> {
        let mut used = 0;
        loop {
            let broken = |error: FormError| self.delivery.call.problem(Status::BAD_REQUEST, error.sentence());
            let (step, event) = self.reader.step(&input[used..]).map_err(broken)?;
            used += step;
            match event {
                FormEvent::NeedMore if step == 0 => return Ok(used),
                FormEvent::NeedMore | FormEvent::PartEnd => {}
                FormEvent::Part(name) => self.begin_part(name.as_deref())?,
                FormEvent::Data(bytes) if self.is_file => self.delivery.write(bytes)?,
                FormEvent::Data(_) => {}
                FormEvent::End => return Ok(input.len()),
            }
        }
    }

    /// A part without file name is a field of the form, and one with an empty name is what a browser
    /// sends when no file was chosen: neither is a file.
    fn begin_part(&mut self, name: Option<&[u8]>) -> Result<(), Response> {
        let name = file_name::last_component(name.unwrap_or_default());
        self.is_file = !name.is_empty();
        if self.is_file {
            let name = self.delivery.fit(name)?;
            self.delivery.begin(name, None)?;
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<Response, Response> {
        let call = Arc::clone(&self.delivery.call);
        if !self.reader.is_complete() {
            return Err(call.problem(Status::BAD_REQUEST, FormError::Short.sentence()));
        }
        if self.delivery.files.is_empty() {
            return Err(call.problem(Status::BAD_REQUEST, "There is no file in the form."));
        }
        let stored = self.delivery.publish()?;
        let created = call.created(&stored);
        if Shape::named(call.request.fields("accept")) == Some(Shape::Json) {
            return Ok(created);
        }
        // After a form the browser shows the folder, and reloading that sends nothing again.
        let shown = created.with_status(Status::SEE_OTHER).without_field("ETag");
        Ok(shown.replace_field("Location", encode(&self.delivery.path)))
    }
}

impl Sink for Form {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.delivery.count(bytes)?;
        let mut rest = bytes;
        while !self.left.is_empty() {
            let mut input = std::mem::take(&mut self.left);
            let kept = input.len();
            let more = rest.len().min(MORE);
            input.extend_from_slice(&rest[..more]);
            let used = self.consume(&input)?;
            if used >= kept {
                rest = &rest[used - kept..];
                break;
            }
            self.left = input.split_off(used);
            rest = &rest[more..];
            if rest.is_empty() {
                return Ok(());
            }
        }
        let used = self.consume(rest)?;
        self.left = rest[used..].to_vec();
        Ok(())
    }

    fn finish(mut self: Box<Form>) -> Response {
        self.complete().unwrap_or_else(|response| response)
    }
}
