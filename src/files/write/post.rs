//! POST to a folder: one new file from the content, or many from a form (RFC 9110 §9.3.3, RFC 7578).
//!
//! A form is stored completely or not at all: a browser shows one response for all of its files. So
//! its files are temporary until the last boundary was read. Then they get their names one after another; if one fails,
//! those before it are removed. Only a server that is killed in that moment leaves some of them. An existing file is
//! never replaced; if a name is in use, the new file gets a number: `film (2).mp4`.
//!
//! How the content is read:
//! - With the type multipart/form-data it is a form. Each part with a file name is a file, all
//!   others are ignored.
//! - With any other type it is one file. Content-Disposition may suggest its name.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::files::rights::TargetKind;
use crate::files::root::{NameUse, Publish, TempFile, WritableFolder};
use crate::files::write::file_name;
use crate::files::write::request::{StoredFile, WriteError, WriteRequest};
use crate::http::multipart::{FormError, FormEvent, Multipart};
use crate::http::{Request, Status, field};
use crate::service::{Response, Sink, error_page::PageFormat, text};

/// Files in one form. For more, the page of a folder sends each dropped file in a request of its own.
const MAX_FILES: usize = 512;
/// Numbers that are tried for a file whose name is in use.
const MAX_NUMBER: u32 = 1000;

/// A received file that is not published yet.
struct UploadedFile {
    name: Vec<u8>,
    temp: TempFile,
    _permit: OpenFilePermit,
}

/// Files that all forms together hold open at the moment.
static OPEN_FILES: AtomicUsize = AtomicUsize::new(0);

/// The right to one more open file. Connections need descriptors too, so all forms together may
/// hold an eighth of those that the process may have.
struct OpenFilePermit;

impl OpenFilePermit {
    /// `None` if all forms together hold as many files as they may.
    fn acquire() -> Option<OpenFilePermit> {
        let limit = getrlimit(Resource::Nofile).current.and_then(|n| usize::try_from(n / 8).ok()).unwrap_or(MAX_FILES);
        let before = OPEN_FILES.fetch_add(1, Ordering::Relaxed);
        // Created in any case: if the limit is reached, dropping it subtracts what was just added.
        let permit = OpenFilePermit;
        (before < limit.max(1)).then_some(permit)
    }
}

impl Drop for OpenFilePermit {
    fn drop(&mut self) {
        OPEN_FILES.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Files that are being received for one folder.
struct Upload {
    write: Arc<WriteRequest>,
    /// The path of the folder, with a slash at its end.
    path: Vec<u8>,
    folder: Arc<WritableFolder>,
    files: Vec<UploadedFile>,
}

/// Makes all checks that are possible before the content.
pub(crate) fn begin(write: &Arc<WriteRequest>) -> Result<Box<dyn Sink>, WriteError> {
    let mut path = write.path()?;
    let root = &write.resolver.root;
    match write.target_kind(&path)? {
        TargetKind::Folder | TargetKind::Root => {}
        kind => return Err(write.not_allowed(kind)),
    }
    let length = write.check_content()?;
    let form = write.request.field("content-type").and_then(Multipart::of).transpose();
    let form = form.map_err(|error| write.broken_form(error))?;
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    let folder = root.writable_folder(&path)?;
    let mut upload = Upload { write: Arc::clone(write), path, folder, files: Vec::new() };
    // A bad name is refused before the preconditions, like every fault of the head.
    let name = if form.is_none() { upload.name_of_content()? } else { Vec::new() };
    write.check_folder_preconditions()?;
    root.sweep(&upload.folder);
    let Some(reader) = form else {
        upload.create(name, length)?;
        return Ok(Box::new(upload));
    };
    // The length of each file is unknown, but together they are shorter than the form.
    if !upload.folder.has_room(length.unwrap_or(0))? {
        return Err(Errno::NOSPC.into());
    }
    Ok(Box::new(FormSink { upload, reader, unread: Vec::new(), is_file: false }))
}

impl Upload {
    fn name_of_content(&self) -> Result<Vec<u8>, WriteError> {
        match file_name::suggested(&self.write.request).map_err(|error| self.write.broken_form(error))? {
            Some(name) => self.check_name(&name),
            None => Ok(file_name::of_moment(self.write.context.now)),
        }
    }

    /// The name, if a file in this folder may have it; otherwise 409.
    fn check_name(&self, name: &[u8]) -> Result<Vec<u8>, WriteError> {
        // A dot file would be stored and never served.
        match file_name::is_usable(name, self.write.resolver.settings.dotfiles) {
            true => Ok(name.to_vec()),
            false if name.is_empty() => Err(self.write.conflict("no name", &[])),
            false => Err(self.write.conflict("bad name", &[("name", &text::shown(name))])),
        }
    }

    /// Creates the temporary file for the next file.
    fn create(&mut self, name: Vec<u8>, length: Option<u64>) -> Result<(), WriteError> {
        if self.files.len() >= MAX_FILES {
            return Err(self.write.problem(Status::CONTENT_TOO_LARGE, "many files", &[("most", &MAX_FILES)]).into());
        }
        // Before the file is created, so that a flood of forms cannot use up all descriptors.
        let permit = OpenFilePermit::acquire().ok_or(Errno::MFILE)?;
        let temp = TempFile::create_if_room(&self.folder, length)?;
        self.files.push(UploadedFile { name, temp, _permit: permit });
        Ok(())
    }

    /// Appends bytes to the last file.
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        match self.files.last_mut() {
            Some(file) => Ok(file.temp.write(bytes)?),
            None => Ok(()),
        }
    }

    fn publish(&mut self) -> Result<Vec<StoredFile>, WriteError> {
        // All content is on the disk before the first name appears.
        self.files.iter().try_for_each(|file| file.temp.sync())?;
        // The path is resolved again: the response says that the files are where it leads now.
        let folder = self.write.resolver.root.writable_folder(&self.path)?;
        let mut stored = Vec::new();
        for at in 0..self.files.len() {
            match self.publish_one(at, &folder) {
                Ok(file) => stored.push(file),
                Err(error) => {
                    stored.iter().for_each(|file| self.take_back(&folder, file));
                    return Err(error);
                }
            }
        }
        // One fsync for all names.
        folder.sync().map_err(WriteError::Unconfirmed)?;
        Ok(stored)
    }

    /// Publishes one file under its name, or under the next free number of it.
    fn publish_one(&mut self, at: usize, folder: &Arc<WritableFolder>) -> Result<StoredFile, WriteError> {
        let UploadedFile { name, temp, .. } = &mut self.files[at];
        for number in 1..=MAX_NUMBER {
            let name = file_name::numbered(name, number);
            // As if the name were in use.
            if self.write.resolver.is_reserved(&[&self.path[..], &name].concat()) {
                continue;
            }
            let _lock = self.write.resolver.root.lock(folder, &name);
            match temp.publish(folder, &name, Publish::Create) {
                Err(Errno::EXIST) => {}
                published => {
                    let path = [&self.path[..], &name].concat();
                    return Ok(StoredFile::new(&self.write.resolver.root, path, &published?));
                }
            }
        }
        Err(self.write.conflict("many of that name", &[]))
    }

    /// Removes a file that was just published, unless another file has taken its name since.
    fn take_back(&self, folder: &WritableFolder, stored: &StoredFile) {
        let _lock = self.write.resolver.root.lock(folder, stored.name());
        if matches!(folder.name_use(stored.name()), Ok(NameUse::File(there)) if there.inode == stored.inode) {
            let _ = folder.remove(stored.name());
        }
    }
}

/// Content that is one file.
impl Sink for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.append(bytes).map_err(|error| self.write.response(error))
    }

    fn finish(mut self: Box<Upload>) -> Response {
        match self.publish() {
            Ok(stored) => self.write.created(&stored),
            Err(error) => self.write.response(error),
        }
    }
}

struct FormSink {
    upload: Upload,
    reader: Multipart,
    /// Bytes that the reader could not use yet.
    unread: Vec<u8>,
    /// Whether the current part is a file.
    is_file: bool,
}

impl FormSink {
    /// Gives bytes to the reader. Returns how many it used.
    fn consume(&mut self, input: &[u8]) -> Result<usize, WriteError> {
        let mut used = 0;
        loop {
            let (step, event) =
                self.reader.step(&input[used..]).map_err(|error| self.upload.write.broken_form(error))?;
            used += step;
            match event {
                FormEvent::NeedMore if step == 0 => return Ok(used),
                FormEvent::NeedMore | FormEvent::PartEnd => {}
                FormEvent::Part(name) => self.begin_part(name.as_deref())?,
                FormEvent::Data(bytes) if self.is_file => self.upload.append(bytes)?,
                FormEvent::Data(_) => {}
                // Bytes after the last boundary are ignored (RFC 2046 §5.1.1).
                FormEvent::End => return Ok(input.len()),
            }
        }
    }

    fn begin_part(&mut self, name: Option<&[u8]>) -> Result<(), WriteError> {
        // Without a file name it is a text field of the form. With an empty one, no file was chosen in the browser.
        let name = name.filter(|name| !name.is_empty());
        self.is_file = name.is_some();
        if let Some(name) = name {
            let name = self.upload.check_name(file_name::last_component(name))?;
            self.upload.create(name, None)?;
        }
        Ok(())
    }

    /// Publishes the files of a complete form.
    fn complete(&mut self) -> Result<Response, WriteError> {
        if !self.reader.is_complete() {
            return Err(self.upload.write.broken_form(FormError::Short).into());
        }
        if self.upload.files.is_empty() {
            return Err(self.upload.write.problem(Status::BAD_REQUEST, "no file", &[]).into());
        }
        let stored = self.upload.publish()?;
        let write = &self.upload.write;
        let created = write.created(&stored);
        let wants_json = PageFormat::named(write.request.fields("accept")) == Some(PageFormat::Json);
        if wants_json || !admits_page(&write.request) {
            return Ok(created);
        }
        // A redirect to the folder: reloading that page does not send the form again.
        let redirect = created.with_status(Status::SEE_OTHER).without_field("ETag");
        Ok(redirect.replace_field("Location", write.reference(&self.upload.path)))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        // Mostly nothing is left over, and the reader works on the received bytes without a copy.
        let input = match &self.unread[..] {
            [] => Cow::Borrowed(bytes),
            unread => Cow::Owned([unread, bytes].concat()),
        };
        let used = self.consume(&input)?;
        self.unread = input[used..].to_vec();
        Ok(())
    }
}

/// Whether `Accept` admits a page, and so a redirect to one. A request without the field admits
/// everything (RFC 9110 §12.5.1).
fn admits_page(request: &Request<'_>) -> bool {
    let mut ranges = request.fields("accept").flat_map(field::weighted).peekable();
    let is_page = |range: &[u8]| {
        let all = [&b"text/html"[..], b"text/*", b"*/*"];
        all.iter().any(|page| range.eq_ignore_ascii_case(page))
    };
    ranges.peek().is_none() || ranges.any(|(range, weight)| weight > 0 && is_page(range))
}

impl Sink for FormSink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.append(bytes).map_err(|error| self.upload.write.response(error))
    }

    fn finish(mut self: Box<FormSink>) -> Response {
        self.complete().unwrap_or_else(|error| self.upload.write.response(error))
    }
}
