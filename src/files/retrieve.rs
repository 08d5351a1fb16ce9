//! GET and HEAD of a file (RFC 9110 §9.3.1, §9.3.2): from an open file to a response.
//!
//! In this order, each step a pure rule of its own file: coding (which representation), validators (which
//! version of it), preconditions (is it wanted at all), range (how much of it).
//!
//! Never: a difference between HEAD and GET. One function makes both; a Range field, which only GET
//! knows (§14.2), is the one thing that may set them apart.
//!
//! The subtle thing: Vary belongs to the resource and not to the answer. Where a prepared coding
//! *could* be chosen, every answer says so, the 304 and the one to a client that accepts nothing too;
//! else a cache would hand the plain file to all, or the gzip to those who cannot read it.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use crate::files::coding;
use crate::files::coding::Coding;
use crate::files::media_type;
use crate::files::precondition;
use crate::files::precondition::Verdict;
use crate::files::range;
use crate::files::range::Selected;
use crate::files::resource::{Located, Miss, Place};
use crate::files::validator::Validators;
use crate::http::{HttpDate, Request, Status};
use crate::service::app::RESOURCE_POLICY;
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Body, Response};

/// What is the same for every file of a site.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    /// What Cache-Control says.
    pub cache_control: &'a str,
    /// The moment of asking, before the file was opened.
    pub now: SystemTime,
    /// Whether another Accept would have got another answer.
    pub varies_by_accept: bool,
    /// Whether anybody else may have written the files.
    pub sandbox: bool,
}

/// One form of a file.
struct Representation {
    file: File,
    length: u64,
    coding: Coding,
    media_type: std::borrow::Cow<'static, str>,
    validators: Validators,
    /// Whether it may have prepared codings.
    negotiated: bool,
}

/// Answers a GET or HEAD with a file.
pub(crate) fn retrieve(
    request: &Request<'_>,
    located: Located<'_>,
    place: &Place,
    context: &Context<'_>,
    may_block: bool,
) -> Result<Response, Miss> {
    let representation = choose(request, located, place, context, may_block)?;
    let response = match precondition::evaluate(request, Some(&representation.validators)) {
        Verdict::Failed => Ok(failed(request, &representation)),
        Verdict::NotModified => Ok(describe(Response::new(Status::NOT_MODIFIED), &representation, context)),
        Verdict::Proceed { range_allowed } => {
            let asked = if range_allowed { request.field("range") } else { None };
            let selected = asked.map_or(Selected::Whole, |value| range::select(value, representation.length));
            Ok(send(request, representation, selected, context))
        }
    };
    response.map(|response| if context.varies_by_accept { response.varying_by("Accept") } else { response })
}

/// Coding, then validators.
fn choose(
    request: &Request<'_>,
    located: Located<'_>,
    place: &Place,
    context: &Context<'_>,
    may_block: bool,
) -> Result<Representation, Miss> {
    let name = located.path.rsplit(|&o| o == b'/').next().unwrap_or_default();
    let media_type = media_type::of(name);
    // A file that is served alone is served alone: what lies beside it is nobody's business.
    let negotiated = place.single.is_none() && media_type::is_compressible(&media_type);
    let prepared = if negotiated {
        place.prepared(&located, coding::preferred(request.fields("accept-encoding")), may_block)?
    } else {
        None
    };
    let (coding, file, meta) = prepared.unwrap_or((Coding::Identity, located.file, located.meta));
    let validators = Validators::of(&meta, coding, context.now);
    Ok(Representation { file, length: meta.size, coding, media_type, validators, negotiated })
}

/// What 200, 206 and 304 have in common (§15.4.5: all that a 200 would have said to caches).
fn describe(response: Response, representation: &Representation, context: &Context<'_>) -> Response {
    let response =
        response.field("ETag", representation.validators.tag.bytes()).field("Cache-Control", context.cache_control);
    let response = sandboxed(response, &representation.media_type, context.sandbox);
    let response = usable(response, &representation.media_type, context.sandbox);
    if representation.negotiated { response.field("Vary", "Accept-Encoding") } else { response }
}

/// The response, fenced in by the browser if somebody else may have written the file and it can run
/// scripts: they run, but as nobody. Never `allow-same-origin`, which would give them back this site and
/// all that may be written in it. Not for PDF, which some browsers do not show in a sandbox.
pub(crate) fn sandboxed(response: Response, media_type: &str, sandbox: bool) -> Response {
    const POLICY: &str = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    let runs = essence == "text/html" || essence.ends_with("/xml") || essence.ends_with("+xml");
    if sandbox && runs { response.field("Content-Security-Policy", POLICY) } else { response }
}

/// A page in the sandbox is nobody, and so of another site than its own style sheet: what pages are made
/// of may be used by any of them, or they would stand there naked. Data and pages stay as they are.
fn usable(response: Response, media_type: &str, sandbox: bool) -> Response {
    let essence = media_type.split(';').next().unwrap_or_default().trim_end();
    let (class, kind) = essence.split_once('/').unwrap_or_default();
    let is_part = matches!(class, "image" | "font" | "audio" | "video") || matches!(kind, "css" | "javascript");
    if sandbox && is_part { response.field(RESOURCE_POLICY, "cross-origin") } else { response }
}

fn send(request: &Request<'_>, representation: Representation, selected: Selected, context: &Context<'_>) -> Response {
    let length = representation.length;
    let status = match selected {
        Selected::Whole => Status::OK,
        Selected::Unsatisfiable => return unsatisfiable(request, &representation),
        Selected::One(_) | Selected::Many(_) => Status::PARTIAL_CONTENT,
    };
    let mut response = describe(Response::new(status), &representation, context);
    if let Some(second) = representation.validators.last_modified() {
        response = response.field("Last-Modified", HttpDate::from_second(second).bytes());
    }
    if representation.coding != Coding::Identity {
        response = response.field("Content-Encoding", representation.coding.name());
    }
    response = response.field("Accept-Ranges", "bytes");
    let Representation { file, media_type, .. } = representation;
    let file = Arc::new(file);
    match selected {
        // §15.3.7.2: the parts have Content-Range, the whole has none.
        Selected::Many(parts) => {
            let boundary = range::boundary();
            let pieces = range::multipart(&parts, length, &media_type, &boundary);
            response
                .field("Content-Type", format!("multipart/byteranges; boundary={boundary}"))
                .with_body(Body::Pieces { file, pieces })
        }
        Selected::One(part) => response
            .field("Content-Type", media_type.as_bytes())
            .field("Content-Range", range::content_range(part, length))
            .with_body(Body::File { file, from: part.from, len: part.len }),
        Selected::Whole | Selected::Unsatisfiable => {
            response.field("Content-Type", media_type.as_bytes()).with_body(Body::File { file, from: 0, len: length })
        }
    }
}

fn failed(request: &Request<'_>, representation: &Representation) -> Response {
    let mut problem = Problem::new(Status::PRECONDITION_FAILED);
    problem.sentence = "This file is not the version the request was meant for.".into();
    problem.advice = Some("Fetch it again without conditions to see what it is now.".into());
    problem.section = Some("RFC 9110 §13.2.2");
    negotiated(error_page::problem(request, &problem), representation)
}

fn unsatisfiable(request: &Request<'_>, representation: &Representation) -> Response {
    let length = representation.length;
    let response = error_page::problem(request, &Problem::range(length))
        .field("Content-Range", range::unsatisfied_range(length))
        .field("Accept-Ranges", "bytes");
    negotiated(response, representation)
}

fn negotiated(response: Response, representation: &Representation) -> Response {
    if representation.negotiated { response.varying_by("Accept-Encoding") } else { response }
}
