//! GET and HEAD of a file (RFC 9110 §9.3.1, §9.3.2): from an open file to a response.
//!
//! Four steps in this order, each by pure rules in a file of its own: coding (which
//! representation), validators (which version of it), preconditions (whether it is wanted), range
//! (how much of it). GET and HEAD take the same way; only the Range field has no meaning for HEAD
//! (§14.2).
//!
//! | request | response |
//! |---|---|
//! | GET | 200 with the file, by `sendfile` |
//! | GET with `If-None-Match` of the current tag | 304 |
//! | GET with `Range` | 206 with one range or with several, or 416 |
//! | GET with `Range` and `If-Range` of an old tag | 200 with the new file |
//! | GET of a file on FUSE that has size 0 and content | 200 with its content, without length |
//! | GET with `Accept-Encoding: br` where `FILE.br` exists | 200 with `FILE.br` |
//!
//! The first bytes of some files are read before they are described ([`kind_of`], [`with_true_charset`]). The
//! result is kept with the file by the cache, so a later request does not read them again.

use std::borrow::Cow;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::SystemTime;

use rustix::io::Errno;

use crate::files::charset;
use crate::files::precondition::{self, Verdict};
use crate::files::range::{self, Selected};
use crate::files::representation::{self, Coding, UTF8};
use crate::files::resource::{FoundFile, Resolver, read_start};
use crate::files::root::split_last;
use crate::files::unknown_length::UnknownLength;
use crate::files::validator::Validators;
use crate::http::{HttpDate, Request, Status};
use crate::service::error_page::{self, Problem};
use crate::service::{Body, FileSystem, OpenFile, Response, access::origins::RESOURCE_POLICY};

struct Representation<'a> {
    resolver: &'a Resolver,
    original: OpenFile,
    /// The file that is sent instead of the original, in another coding.
    prepared: Option<OpenFile>,
    length: u64,
    coding: Coding,
    media_type: Cow<'static, str>,
    validators: Validators,
    /// Whether the file may have prepared codings. Then every response says so in Vary, also a 304
    /// and one to a client that accepts no coding. Otherwise a cache would give one representation
    /// to all clients.
    is_negotiated: bool,
}

impl Representation<'_> {
    /// The content of a file whose size is 0 although it has some.
    fn content_of_unknown_length(&self) -> Result<Option<UnknownLength>, Errno> {
        let file = self.prepared.as_ref().unwrap_or(&self.original);
        if self.length > 0 || file.file_system() != FileSystem::Fuse {
            return Ok(None);
        }
        UnknownLength::begin(file.as_fd().try_clone_to_owned().map_err(|_| Errno::MFILE)?)
    }

    /// The fields that 200, 206 and 304 have in common. A 304 has every field that a cache would take from a 200
    /// (§15.4.5).
    fn head(&self, status: Status) -> Response {
        self.describe(Response::new(status).field("ETag", self.validators.tag.bytes()))
    }

    /// Adds those of them that do not depend on the version of the file.
    fn describe(&self, response: Response) -> Response {
        let mut response = response.field("Cache-Control", &self.resolver.cache_control);
        if self.resolver.rights.can_write() {
            response = add_resource_policy(add_sandbox(response, &self.media_type), &self.media_type);
        }
        if self.is_negotiated { response.field("Vary", "Accept-Encoding") } else { response }
    }

    fn add_coding(&self, response: Response) -> Response {
        match self.coding {
            Coding::Identity => response,
            coding => response.field("Content-Encoding", coding.name()),
        }
    }

    /// An error page depends on the same fields as the file would.
    fn error(&self, request: &Request<'_>, problem: &Problem) -> Response {
        let response = error_page::problem(request, problem);
        if self.is_negotiated { response.varying_by("Accept-Encoding") } else { response }
    }

    fn check_charset(&mut self, may_block: bool) -> Result<(), Errno> {
        self.media_type = with_true_charset(std::mem::take(&mut self.media_type), &self.original, may_block)?;
        Ok(())
    }
}

/// The response to a GET or HEAD of a file. `now` is the time of the request, before the file was opened.
pub(crate) fn retrieve(
    request: &Request<'_>,
    found: FoundFile<'_>,
    resolver: &Resolver,
    now: SystemTime,
    may_block: bool,
) -> Result<Response, Errno> {
    let mut representation = choose(request, found, resolver, now, may_block)?;
    if let Some(content) = representation.content_of_unknown_length()? {
        representation.check_charset(may_block)?;
        return Ok(send_unmeasured(representation, content));
    }
    // Before the range: a range of another version would corrupt the copy of the client.
    Ok(match precondition::evaluate(request, Some(&representation.validators)) {
        Verdict::Failed => failed(request, &representation),
        Verdict::NotModified => representation.head(Status::NOT_MODIFIED),
        Verdict::Proceed { range_allowed } => {
            // If-Range names another version: the client gets all of the new one.
            let asked = if range_allowed { request.field("range") } else { None };
            let selected = asked.map_or(Selected::Whole, |value| range::select(value, representation.length));
            // Not for a 304, which has no Content-Type: a revalidation should not read the content from the disk.
            representation.check_charset(may_block)?;
            send(request, representation, selected)
        }
    })
}

/// Steps 1 and 2: coding and validators.
fn choose<'a>(
    request: &Request<'_>,
    found: FoundFile<'_>,
    resolver: &'a Resolver,
    now: SystemTime,
    may_block: bool,
) -> Result<Representation<'a>, Errno> {
    let (_, name) = split_last(&found.path);
    let (media_type, own_coding) = kind_of(name, &found.file, may_block)?;
    let is_negotiated =
        resolver.has_prepared() && own_coding == Coding::Identity && representation::is_compressible(&media_type);
    let prepared = if is_negotiated {
        resolver.prepared(&found, representation::preferred(request.fields("accept-encoding")), may_block)?
    } else {
        None
    };
    let (prepared_coding, prepared, meta) = match prepared {
        Some((coding, file, meta)) => (coding, Some(file), meta),
        None => (Coding::Identity, None, found.meta),
    };
    let (original, file_system) = (found.file, resolver.root.file_system(&meta));
    // Of the chosen representation: the compressed file has its own tag and date. A coding that the file has from the
    // start is not in its tag: it has one representation, and a write must know it by the same tag.
    let validators = Validators::of(&meta, file_system, prepared_coding, now);
    let coding = if prepared.is_some() { prepared_coding } else { own_coding };
    Ok(Representation {
        resolver,
        original,
        prepared,
        length: meta.size,
        coding,
        media_type,
        validators,
        is_negotiated,
    })
}

/// The media type of a file by its name, and the coding that its content has from the start. Two names stand for
/// different things, so there the first bytes decide.
fn kind_of(name: &[u8], file: &OpenFile, may_block: bool) -> Result<(Cow<'static, str>, Coding), Errno> {
    let is = |wanted| representation::extension(name).is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
    let mut buffer = [0; representation::KIND_START];
    if is(b"ts") && representation::is_transport_stream(read_start(file, &mut buffer, may_block)?) {
        return Ok(("video/mp2t".into(), Coding::Identity));
    }
    let is_compressed = is(b"svgz") && representation::is_gzip(read_start(file, &mut buffer, may_block)?);
    let coding = if is_compressed { Coding::Gzip } else { Coding::Identity };
    Ok((representation::media_type(name), coding))
}

/// The media type without the charset, if the first bytes of the file contradict it.
pub(crate) fn with_true_charset(
    media_type: Cow<'static, str>,
    file: &OpenFile,
    may_block: bool,
) -> Result<Cow<'static, str>, Errno> {
    let Some(essence) = media_type.strip_suffix(UTF8) else { return Ok(media_type) };
    let mut buffer = [0; charset::START];
    let start = read_start(file, &mut buffer, may_block)?;
    let is_true = charset::may_be_utf8(start, essence == "text/html");
    Ok(if is_true { media_type } else { essence.to_string().into() })
}

/// Adds the fields that confine a file which another person may have uploaded.
///
/// A file that can run scripts is shown in a sandbox with an origin of its own. Never
/// `allow-same-origin`, which would give the scripts access to this site and to everything that may
/// be written in it. PDF gets no sandbox: some browsers do not show it in one.
pub(crate) fn add_sandbox(response: Response, media_type: &str) -> Response {
    const POLICY: &str = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
    let essence = essence(media_type);
    // XML too: it may contain XHTML or SVG with scripts.
    let runs_scripts = essence == "text/html" || essence.ends_with("/xml") || essence.ends_with("+xml");
    if runs_scripts { response.field("Content-Security-Policy", POLICY) } else { response }
}

/// Lets pages in the sandbox use what is at an address of this media type: a file, or the error
/// that there is none.
///
/// To a page in the sandbox, its own style sheets, images and scripts come from another site. So
/// these may be used from anywhere: the requests of a foreign page look the same, and `Referer`, which
/// differs, is left out by some pages and browsers. Data and pages may not.
fn add_resource_policy(response: Response, media_type: &str) -> Response {
    let (class, kind) = essence(media_type).split_once('/').unwrap_or_default();
    let is_subresource = matches!(class, "image" | "font" | "audio" | "video") || matches!(kind, "css" | "javascript");
    if is_subresource { response.field(RESOURCE_POLICY, "cross-origin") } else { response }
}

/// An error in the form in which a page in the sandbox gets it. Otherwise the browser would block
/// it, and the author would look for a right that is missing, and not for an image.
pub(crate) fn error_for_sandbox(request: &Request<'_>, error: Response) -> Response {
    let media_type = representation::media_type(split_last(request.path()).1);
    let error = add_resource_policy(error, &media_type);
    // A page never sees the content of what it embeds from another site, and browsers block text
    // there (opaque response blocking, Fetch §3.8). Without content the type of the file will do.
    match request.field("sec-fetch-mode") {
        Some(b"no-cors") => error.replace_field("Content-Type", media_type.as_bytes()).with_body(Body::Empty),
        _ => error,
    }
}

/// A media type without its parameters.
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim_end()
}

/// Step 4: 200, 206 or 416.
fn send(request: &Request<'_>, representation: Representation<'_>, selected: Selected) -> Response {
    let length = representation.length;
    let status = match selected {
        Selected::Whole => Status::OK,
        Selected::Unsatisfiable => return unsatisfiable(request, &representation),
        Selected::One(_) | Selected::Many(_) => Status::PARTIAL_CONTENT,
    };
    let mut response = representation.head(status);
    // Not in a 304: the tag is enough there, and §15.4.5 advises against more.
    if let Some(second) = representation.validators.last_modified() {
        response = response.field("Last-Modified", HttpDate::from_second(second).bytes());
    }
    response = representation.add_coding(response).field("Accept-Ranges", "bytes");
    let Representation { original, prepared, media_type, .. } = representation;
    // Shared, because a cached entry keeps the same descriptor.
    let file = Arc::new(prepared.unwrap_or(original));
    match selected {
        // §15.3.7.2: each range has a Content-Range, the response has none.
        Selected::Many(ranges) => {
            let boundary = range::boundary();
            let pieces = range::multipart(&ranges, length, &media_type, &boundary);
            response
                .field("Content-Type", format!("multipart/byteranges; boundary={boundary}"))
                .with_body(Body::Pieces { file, pieces })
        }
        Selected::One(range) => response
            .field("Content-Type", media_type.as_bytes())
            .field("Content-Range", range::content_range(range, length))
            .with_body(Body::File { file, from: range.from, len: range.len }),
        Selected::Whole | Selected::Unsatisfiable => {
            response.field("Content-Type", media_type.as_bytes()).with_body(Body::File { file, from: 0, len: length })
        }
    }
}

/// 200 for a file of which the length is not known. Conditions and ranges are ignored: it has no validators.
fn send_unmeasured(representation: Representation<'_>, content: UnknownLength) -> Response {
    let response = representation.describe(Response::new(Status::OK));
    representation
        .add_coding(response)
        .field("Accept-Ranges", "none")
        .field("Content-Type", representation.media_type.as_bytes())
        .with_body(Body::Stream(Box::new(content)))
}

/// 412 for a file that is another version than the client expects.
fn failed(request: &Request<'_>, representation: &Representation<'_>) -> Response {
    let mut problem = Problem::of(Status::PRECONDITION_FAILED, "other version", &[]);
    problem.section = Some("RFC 9110 §13.2.2");
    representation.error(request, &problem)
}

/// 416 with the length of the file.
fn unsatisfiable(request: &Request<'_>, representation: &Representation<'_>) -> Response {
    let length = representation.length;
    // The length lets the client ask again for a range that exists.
    representation
        .error(request, &Problem::range(length))
        .field("Content-Range", format!("bytes */{length}"))
        .field("Accept-Ranges", "bytes")
}
