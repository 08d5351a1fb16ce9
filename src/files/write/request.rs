//! One write request, with the checks and responses that PUT, POST and DELETE share.
//!
//! RFC 9110 §9.3.3–9.3.5 (POST, PUT, DELETE), §13.2.1 (when preconditions count), §15.5 (the
//! refusals). The order of the checks: an unusable target, a missing right, expectation, length,
//! range and coding, a taken name, preconditions, space on the disk.
//!
//! Preconditions are evaluated twice: before the content is read, to refuse early, and again just
//! before the file is published, while its name is locked, so that no other upload is lost.

use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;
use serde::Serialize;

use crate::files::cache::open_files::OpenFiles;
use crate::files::disk_error;
use crate::files::disk_error::Gone;
use crate::files::precondition::{self, Verdict};
use crate::files::resource::{Resolver, collapse, encode, is_name};
use crate::files::rights::TargetKind;
use crate::files::root::{Meta, Opened, Root, split_last};
use crate::files::validator::{EntityTag, Validators};
use crate::http::multipart::FormError;
use crate::http::{Expectation, Framing, Method, Request, Status};
use crate::service::error_page::{self, PageFormat, Problem, TEXTS};
use crate::service::{RequestContext, Response, router, text, texts::Values};

/// One write, and where it may write what.
#[derive(Debug)]
pub(crate) struct WriteRequest {
    pub resolver: Arc<Resolver>,
    /// Told of files that are deleted or replaced.
    pub open_files: Arc<OpenFiles>,
    pub request: Request<'static>,
    pub context: RequestContext,
}

/// Why a write was not done.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// A check failed.
    Refused(Response),
    Disk(Errno),
    /// It was done, but the disk did not confirm that it will last.
    Unconfirmed(Errno),
}

impl From<Response> for WriteError {
    fn from(response: Response) -> WriteError {
        WriteError::Refused(response)
    }
}

impl From<Errno> for WriteError {
    fn from(error: Errno) -> WriteError {
        WriteError::Disk(error)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    /// Its path from the root.
    pub path: Vec<u8>,
    pub size: u64,
    /// Its number in the file system.
    pub inode: u64,
    pub tag: EntityTag,
}

/// A stored file in a JSON response.
#[derive(Serialize)]
struct StoredJson {
    name: String,
    href: String,
    size: u64,
    etag: String,
}

impl StoredFile {
    /// A file beneath `root` that was published a moment ago.
    pub(crate) fn new(root: &Root, path: Vec<u8>, meta: &Meta) -> StoredFile {
        let validators = Validators::of_written(meta, root.file_system(meta), SystemTime::now());
        StoredFile { path, size: meta.size, inode: meta.inode, tag: validators.tag }
    }

    /// The last segment of the path.
    pub(crate) fn name(&self) -> &[u8] {
        split_last(&self.path).1
    }

    /// Its address on the server of this request.
    fn address(&self, request: &Request<'_>) -> String {
        encode(&[request.prefix(), &self.path].concat())
    }

    fn json(&self, request: &Request<'_>) -> StoredJson {
        StoredJson {
            name: String::from_utf8_lossy(self.name()).into_owned(),
            href: self.address(request),
            size: self.size,
            etag: String::from_utf8_lossy(self.tag.bytes()).into_owned(),
        }
    }
}

impl WriteRequest {
    /// The path from the root that the request is about, with one slash before each name and perhaps one at the end.
    /// Errors: 403 for a name that is not served or speaks for the site; 404 for all but a single served file.
    pub(crate) fn path(&self) -> Result<Vec<u8>, WriteError> {
        let path = self.request.path();
        match &self.resolver.single {
            // The single file may have another name on the disk.
            Some(single) if path == single.url => Ok(single.path.clone()),
            // A rule about names, so it does not tell whether anything is there.
            None if self.resolver.is_hidden(path) => Err(self.hidden().into()),
            None => {
                let path = collapse(path);
                let top = path.split(|&b| b == b'/').nth(1).unwrap_or_default();
                if is_name(top, ".well-known")
                    && self.resolver.rights.adds_only()
                    && self.request.method() != Method::Delete
                {
                    // A certificate for this host can be had by a file there (RFC 8555 §8.3).
                    return Err(self.only_with_overwrite(Status::FORBIDDEN, "well-known", &[]));
                }
                Ok(path)
            }
            // As if nothing were there: a removed root is another matter (see `response`).
            Some(_) => Err(disk_error::response(&self.request, Errno::NOENT).into()),
        }
    }

    pub(crate) fn target_kind(&self, path: &[u8]) -> Result<TargetKind, WriteError> {
        match self.resolver.root.open(path, true)? {
            _ if TargetKind::of_path(path) == TargetKind::Root => Ok(TargetKind::Root),
            Opened::File(..) => Ok(TargetKind::File),
            Opened::Directory(_) => Ok(TargetKind::Folder),
        }
    }

    /// An error page with this row of the texts.
    pub(crate) fn problem(&self, status: Status, name: &str, values: Values<'_>) -> Response {
        error_page::problem(&self.request, &Problem::of(status, name, values))
    }

    /// 400 for a form that cannot be read.
    pub(crate) fn broken_form(&self, error: FormError) -> Response {
        let problem = Problem::new(Status::BAD_REQUEST).with_sentence(error.sentence());
        error_page::problem(&self.request, &problem)
    }

    /// 403 for a path with a name that is not served.
    fn hidden(&self) -> Response {
        let (name, option) = match self.resolver.settings.dotfiles {
            true => ("kept name", None),
            false => ("dot name", Some("--dotfiles")),
        };
        let problem = Problem::of(Status::FORBIDDEN, name, &[]);
        let problem = self.resolver.rights.name_option(problem, option, &self.request, &self.context);
        error_page::problem(&self.request, &problem)
    }

    /// A refusal of a new file that only clients may make who may replace files too.
    pub(crate) fn only_with_overwrite(&self, status: Status, name: &str, values: Values<'_>) -> WriteError {
        let problem = Problem::of(status, name, values);
        let problem = self.resolver.rights.name_option(problem, Some("--overwrite"), &self.request, &self.context);
        error_page::problem(&self.request, &problem).into()
    }

    pub(crate) fn conflict(&self, name: &str, values: Values<'_>) -> WriteError {
        self.problem(Status::CONFLICT, name, values).into()
    }

    pub(crate) fn not_allowed(&self, kind: TargetKind) -> WriteError {
        self.resolver.rights.not_allowed(&self.request, kind, &self.context).into()
    }

    pub(crate) fn response(&self, error: WriteError) -> Response {
        let error = match error {
            WriteError::Refused(response) => return response,
            WriteError::Disk(error) => error,
            WriteError::Unconfirmed(error) => return self.unconfirmed(error),
        };
        let is_put = self.request.method() == Method::Put;
        match error {
            // Under Landlock a removed root answers EACCES.
            Errno::NOENT | Errno::ACCESS | Errno::PERM if self.resolver.root.is_gone() => {
                disk_error::gone(&self.request, Gone::Missing)
            }
            Errno::NOTDIR if is_put => self.problem(Status::CONFLICT, "file on the way", &[]),
            Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ if is_put => {
                self.problem(Status::CONFLICT, "name on disk", &[])
            }
            Errno::ACCESS | Errno::PERM | Errno::ROFS => self.problem(Status::FORBIDDEN, "may not write", &[]),
            Errno::BUSY | Errno::TXTBSY => self.problem(Status::CONFLICT, "in use", &[]),
            // A limit of the machine. The note tells the operator which one.
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => {
                disk_error::response(&self.request, error).with_note(error.to_string())
            }
            _ => disk_error::response(&self.request, error),
        }
    }

    /// 500 after a change that was made. Never another status: the client would take the change for not made.
    fn unconfirmed(&self, error: Errno) -> Response {
        let (name, done) = match self.request.method() {
            Method::Delete => ("removed, not confirmed", "removed"),
            _ => ("stored, not confirmed", "stored"),
        };
        let response = self.problem(Status::INTERNAL_SERVER_ERROR, name, &[]);
        response.with_note(format!("{done}, but fsync of the folder failed: {error}"))
    }

    /// Checks what the head says about the content. Returns the length of the content, if it is known.
    pub(crate) fn check_content(&self) -> Result<Option<u64>, WriteError> {
        self.check_expectation()?;
        let length = match self.request.framing() {
            Framing::None => return Err(self.problem(Status::LENGTH_REQUIRED, "no length", &[]).into()),
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        // Before 100 (Continue): the client need not send what will be refused.
        let most = self.resolver.settings.max_body;
        if length.is_some_and(|length| length > most) {
            return Err(error_page::problem(&self.request, &Problem::too_large(most)).into());
        }
        if self.request.method() == Method::Put && self.request.has("content-range") {
            // Storing a range as if it were the whole would destroy the file.
            let mut problem = Problem::of(Status::BAD_REQUEST, "partial put", &[]);
            problem.section = Some("RFC 9110 §14.5");
            return Err(error_page::problem(&self.request, &problem).into());
        }
        if self.request.list("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            // The stored file would later be sent without the field that names its coding.
            let response = self.problem(Status::UNSUPPORTED_MEDIA_TYPE, "encoded content", &[]);
            return Err(response.field("Accept-Encoding", "identity").into());
        }
        Ok(length)
    }

    pub(crate) fn check_expectation(&self) -> Result<(), WriteError> {
        match self.request.expectation() {
            Expectation::Unknown => Err(router::expectation_failed(&self.request).into()),
            _ => Ok(()),
        }
    }

    /// Checks the preconditions against the file that is there now.
    pub(crate) fn check_preconditions(&self, current: Option<&Meta>) -> Result<(), WriteError> {
        // A file that was just uploaded has a tag that the client may rely on, however young it is.
        let validators =
            current.map(|meta| Validators::of_written(meta, self.resolver.root.file_system(meta), SystemTime::now()));
        self.check_validators(validators.as_ref())
    }

    /// The same for a folder, which exists and has neither tag nor date.
    pub(crate) fn check_folder_preconditions(&self) -> Result<(), WriteError> {
        self.check_validators(Some(&Validators::of_content(b"")))
    }

    /// The preconditions of RFC 9110 §13.2.2 for a write.
    fn check_validators(&self, current: Option<&Validators>) -> Result<(), WriteError> {
        // 304 is for reads only, so for a write everything else is 412.
        if let Verdict::Proceed { .. } = precondition::evaluate(&self.request, current) {
            return Ok(());
        }
        let name = if current.is_some() { "other target" } else { "no target" };
        let mut problem = Problem::of(Status::PRECONDITION_FAILED, name, &[]);
        problem.section = Some("RFC 9110 §13.2.2");
        Err(error_page::problem(&self.request, &problem).into())
    }

    /// 201 for files that were stored: one line for each, or a list in JSON.
    pub(crate) fn created(&self, stored: &[StoredFile]) -> Response {
        let response = match PageFormat::named(self.request.fields("accept")) {
            Some(PageFormat::Json) => {
                let files: Vec<StoredJson> = stored.iter().map(|file| file.json(&self.request)).collect();
                Response::json(Status::CREATED, serde_json::to_string(&files).unwrap_or_default() + "\n")
            }
            _ => {
                let line = |file: &StoredFile| {
                    let values: Values<'_> =
                        &[("path", &file.address(&self.request)), ("size", &text::size(file.size))];
                    TEXTS.say("created", values) + "\n"
                };
                Response::text(Status::CREATED, stored.iter().map(line).collect::<String>())
            }
        };
        match stored {
            [file] => response.field("Location", self.reference(&file.path)).field("ETag", file.tag.bytes()),
            // Several files of one form are in one folder, where a client finds them all.
            [file, ..] => response.field("Location", self.reference(split_last(&file.path).0)),
            [] => response,
        }
    }

    /// The relative reference from the target to `path`, for a Location.
    pub(crate) fn reference(&self, path: &[u8]) -> String {
        text::reference(&self.request.base(), path)
    }
}
