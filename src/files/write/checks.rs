//! What all writes have in common: what is checked before content is read, and how they are answered.
//!
//! RFC 9110 §9.3.3–9.3.5 (POST, PUT, DELETE), §13.2.1 (when preconditions count), §15.5 (the refusals).
//! The order is that of the design: an unusable target, a missing right, expectation, length, range and
//! coding, a taken name, preconditions, room.
//!
//! Never: the content. Everything here happens before the first byte of it is read, or after the last.
//!
//! The subtle thing: preconditions are judged twice, before the content is read (to refuse early) and
//! once more under the lock of the name, just before the file is published (to lose nothing). The second
//! time the tag of a file counts as strong however young it is: every write of ours makes a new file with
//! another inode, so two of them never share a tag.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;
use serde::Serialize;

use crate::files::coding::Coding;
use crate::files::disk_error;
use crate::files::precondition;
use crate::files::precondition::Verdict;
use crate::files::resource::{Resolver, collapse, encode};
use crate::files::root::Meta;
use crate::files::validator::{EntityTag, Validators};
use crate::files::write::rights::{Kind, Rights};
use crate::http::{Expectation, Framing, Method, Request, Status};
use crate::service::error_page;
use crate::service::error_page::{Form, Problem};
use crate::service::{RequestContext, Response};

/// Where may be written, and what.
#[derive(Debug)]
pub(crate) struct Writer {
    pub resolver: Resolver,
    pub rights: Rights,
    /// The most bytes of content.
    pub max_body: u64,
    /// Files that forms hold open at the moment.
    pub held: std::sync::atomic::AtomicUsize,
}

/// One write.
#[derive(Debug)]
pub(crate) struct Call {
    pub writer: Arc<Writer>,
    pub request: Request<'static>,
    pub visit: RequestContext,
}

/// A file that was stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    /// Its path from the root.
    pub path: Vec<u8>,
    pub size: u64,
    pub tag: EntityTag,
}

impl Stored {
    pub(crate) fn new(path: Vec<u8>, meta: &Meta) -> Stored {
        let validators = Validators::of(meta, Coding::Identity, SystemTime::now());
        Stored { path, size: meta.size, tag: validators.settled().tag }
    }
}

/// As it is told to programs.
#[derive(Serialize)]
struct Told {
    name: String,
    href: String,
    size: u64,
    etag: String,
}

impl Call {
    /// The path on the disk that the request is about, with one slash before each name, and perhaps one
    /// at the end.
    ///
    /// # Errors
    /// 404 for a name that is not served.
    pub(crate) fn path(&self) -> Result<Vec<u8>, Response> {
        let (resolver, path) = (&self.writer.resolver, self.request.path());
        match &resolver.single {
            Some(single) if path == single.url => return Ok(single.path.clone()),
            Some(_) => {}
            None if !resolver.is_hidden(path) => return Ok(collapse(path)),
            None => {}
        }
        Err(disk_error::response(&self.request, &Errno::NOENT.into()))
    }

    /// A page with one sentence about this very case.
    pub(crate) fn problem(&self, status: Status, sentence: &str) -> Response {
        error_page::problem(&self.request, &Problem::new(status).with_sentence(sentence))
    }

    pub(crate) fn conflict(&self, sentence: &str) -> Response {
        self.problem(Status::CONFLICT, sentence)
    }

    pub(crate) fn not_allowed(&self, kind: Kind) -> Response {
        self.writer.rights.not_allowed(&self.request, kind, self.visit.peer)
    }

    /// What the disk says about a write.
    pub(crate) fn failure(&self, error: impl Into<io::Error>) -> Response {
        let error = error.into();
        let creates = self.request.method() == Method::Put;
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::ACCESS | Errno::PERM) if self.writer.resolver.root.is_gone() => {
                disk_error::gone(&self.request)
            }
            Some(Errno::NOTDIR) if creates => self.conflict("A file lies where this path needs a folder."),
            Some(Errno::NAMETOOLONG | Errno::INVAL | Errno::ILSEQ) if creates => {
                self.conflict("The disk of this server cannot hold a file of that name.")
            }
            Some(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
                let problem = Problem::new(Status::FORBIDDEN)
                    .with_sentence("This server may not change what lies at this address.")
                    .with_advice("Its permissions on the server's disk decide that.");
                error_page::problem(&self.request, &problem)
            }
            // One of the limits of the machine: whoever runs the server wants to know which.
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
                disk_error::response(&self.request, &error).with_note(error.to_string())
            }
            _ => disk_error::response(&self.request, &error),
        }
    }

    /// Step 9, as far as the request alone decides it. Answers how long the content says it is.
    ///
    /// # Errors
    /// 417, 411, 413, 400 or 415.
    pub(crate) fn check_content(&self) -> Result<Option<u64>, Response> {
        self.check_expectation()?;
        let length = match self.request.framing() {
            Framing::None => {
                return Err(self.problem(Status::LENGTH_REQUIRED, "The request says no length of its content."));
            }
            Framing::Length(length) => Some(length),
            Framing::Chunked => None,
        };
        if length.is_some_and(|length| length > self.writer.max_body) {
            return Err(self.too_large());
        }
        if self.request.method() == Method::Put && self.request.has("content-range") {
            // A part stored as the whole is a file destroyed.
            let mut problem = Problem::new(Status::BAD_REQUEST)
                .with_sentence("A file can only be stored as a whole here, and the request brings a range of one.");
            problem.section = Some("RFC 9110 §14.5");
            return Err(error_page::problem(&self.request, &problem));
        }
        if self.request.list("content-encoding").any(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            // Stored as it is, it would be sent later without the field that says what it is.
            let sentence = "Content is stored as it is sent, so it cannot be compressed for the way.";
            let response = self.problem(Status::UNSUPPORTED_MEDIA_TYPE, sentence);
            return Err(response.field("Accept-Encoding", "identity"));
        }
        Ok(length)
    }

    /// # Errors
    /// 417.
    pub(crate) fn check_expectation(&self) -> Result<(), Response> {
        match self.request.expectation() {
            Expectation::Unknown => {
                Err(self.problem(Status::EXPECTATION_FAILED, "This server meets no expectation but 100-continue."))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn too_large(&self) -> Response {
        error_page::problem(&self.request, &Problem::too_large(self.writer.max_body))
    }

    /// # Errors
    /// 412.
    pub(crate) fn check_preconditions(&self, current: Option<&Meta>) -> Result<(), Response> {
        let validators = current.map(|meta| Validators::of(meta, Coding::Identity, SystemTime::now()).settled());
        self.judge(validators.as_ref())
    }

    /// The same for a folder: it is there, and has neither tag nor date.
    ///
    /// # Errors
    /// 412.
    pub(crate) fn check_folder_preconditions(&self) -> Result<(), Response> {
        self.judge(Some(&Validators::of_content(b"")))
    }

    fn judge(&self, current: Option<&Validators>) -> Result<(), Response> {
        match precondition::evaluate(&self.request, current) {
            Verdict::Proceed { .. } => Ok(()),
            Verdict::NotModified | Verdict::Failed => {
                let mut problem = Problem::new(Status::PRECONDITION_FAILED);
                problem.sentence = match current {
                    Some(_) => "What lies at this address is not what the request was meant for.".into(),
                    None => "There is nothing at this address, and the request is meant for something.".into(),
                };
                problem.section = Some("RFC 9110 §13.2.2");
                Err(error_page::problem(&self.request, &problem))
            }
        }
    }

    /// 201 for what was stored: a line each, or a list for programs.
    pub(crate) fn created(&self, stored: &[Stored]) -> Response {
        let lines = || -> String {
            let line = |s: &Stored| format!("Created {} ({}).\n", encode(&s.path), error_page::size(s.size));
            stored.iter().map(line).collect()
        };
        let response = match Form::named(self.request.fields("accept")) {
            Some(Form::Json) => {
                let told: Vec<Told> = stored.iter().map(Told::of).collect();
                Response::json(Status::CREATED, serde_json::to_string(&told).unwrap_or_default() + "\n")
            }
            _ => Response::text(Status::CREATED, lines()),
        };
        match stored {
            [one] => response.field("Location", encode(&one.path)).field("ETag", one.tag.bytes()),
            _ => response,
        }
    }
}

impl Told {
    fn of(stored: &Stored) -> Told {
        let name = stored.path.rsplit(|&b| b == b'/').next().unwrap_or_default();
        Told {
            name: String::from_utf8_lossy(name).into_owned(),
            href: encode(&stored.path),
            size: stored.size,
            etag: String::from_utf8_lossy(stored.tag.bytes()).into_owned(),
        }
    }
}
