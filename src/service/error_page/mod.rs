//! What the server says to people when something cannot be done: one story, told as a page, as JSON
//! or as one plain line.
//!
//! RFC 9110 §15 asks that an error has content which explains it; §12.5.1 (Accept) chooses the form.
//! A page says in words what happened, one sentence about this very case, one next step, and what the
//! code means, with the section of the RFC.
//!
//! Never: a raw byte of the request. What a page repeats goes through [`shown`] and is escaped by the
//! template; a refusal repeats nothing at all and names the place instead. Never a script, never
//! anything from elsewhere: the policy allows the one style sheet inside the page, by its hash.
//!
//! The subtle thing: a request that broke the grammar has no head to ask for the Accept field. The form
//! is guessed from the lines that were complete before the fault ([`refusal`]); a wrong guess costs
//! only a page where a line would have done.

mod missing;
mod words;

use std::hash::BuildHasher;

use askama::Template;
use serde::Serialize;

use crate::http::{Request, RequestError, Status, field};
use crate::service::response::{Body, Response};

use crate::service::text::{byte_count, clip, escape_unsafe, href, shown, size};
pub(crate) use missing::NotFoundLine;
use words::Words;

/// How long a client that met 503 is asked to wait.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// The most bytes, as escaped, that a sentence or an advice may take: a page stays below 4 kB even
/// when a client asks for a name of 8 KiB.
const SENTENCE_BYTES: usize = 420;
/// The same for the label of a link.
const LABEL_BYTES: usize = 80;
/// The same for the address of a link; a longer one is left out, since half an address leads nowhere.
const HREF_BYTES: usize = 200;
/// The most links of a page.
const LINKS: usize = 3;

/// The style sheet of the page. It stands inside the page, because a client that meets 503 or 421
/// could not fetch it.
const STYLE: &str = include_str!("../../pages/problem.css");

/// What the page may do: be shown, with its own style. The hash is the SHA-256 of [`STYLE`]; a test
/// says the new one when the style sheet changes.
const POLICY: &str = "default-src 'none'; style-src 'sha256-dWsSzqbSlJtOEiz1g9/DABa1EFWeqmTK9J4WYygIfVo='; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where the explanation of the code begins.
const FOOT: &str = "<p class=\"dim\">";

/// Which form of page the client would rather have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PageFormat {
    /// `Accept` names text/html.
    Html,
    /// `Accept` names application/json.
    Json,
    /// All others.
    Text,
}

impl PageFormat {
    const OFFERS: [(&'static [u8], PageFormat); 3] =
        [(b"text/html", PageFormat::Html), (b"application/json", PageFormat::Json), (b"text/plain", PageFormat::Text)];

    /// The form that is named with the greatest weight, the first of them on a tie; `None` when the
    /// list names none. `*/*` names nothing: every client sends it.
    pub fn named<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Option<PageFormat> {
        let mut best = None;
        for (name, weight) in accept.flat_map(field::weighted) {
            let Some((_, form)) = PageFormat::OFFERS.iter().find(|(offer, _)| offer.eq_ignore_ascii_case(name)) else {
                continue;
            };
            if weight > best.map_or(0, |(_, heaviest)| heaviest) {
                best = Some((*form, weight));
            }
        }
        best.map(|(form, _)| form)
    }

    /// The form this request would rather have.
    pub fn of(request: &Request<'_>) -> PageFormat {
        PageFormat::named(request.fields("accept")).unwrap_or(PageFormat::Text)
    }
}

/// What went wrong, in words for a person.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// One sentence about this very case.
    pub sentence: String,
    /// What to do next, if something can be said.
    pub advice: Option<String>,
    /// Buttons: label and path-only href (already percent-encoded).
    pub links: Vec<(String, String)>,
    /// The section whose rule decided, if it is not that of the status.
    pub section: Option<&'static str>,
}

impl Problem {
    /// A problem of this status with its usual sentence.
    pub fn new(status: Status) -> Problem {
        let words = Words::of(status);
        Problem {
            status,
            sentence: words.sentence.to_string(),
            advice: words.advice.map(str::to_string),
            links: Vec::new(),
            section: None,
        }
    }

    /// The same with a sentence about this very case.
    #[must_use]
    pub fn with_sentence(mut self, sentence: impl Into<String>) -> Problem {
        self.sentence = sentence.into();
        self
    }

    /// The same with this next step.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Problem {
        self.advice = Some(advice.into());
        self
    }

    /// The same with one more button. `href` must be a path or relative, and percent-encoded.
    #[must_use]
    pub fn with_link(mut self, label: impl Into<String>, href: impl Into<String>) -> Problem {
        self.links.push((label.into(), href.into()));
        self
    }

    /// 404: there is nothing at `path` (decoded). `parent` is the nearest folder above it that exists,
    /// decoded, with a slash at its end.
    pub fn not_found(path: &[u8], parent: Option<&[u8]>) -> Problem {
        let mut problem = Problem::new(Status::NOT_FOUND).with_sentence(not_found_sentence(path));
        if let Some(parent) = parent.filter(|parent| parent.len() > 1) {
            problem = problem.with_link(format!("Go to {}", shown(parent)), href(parent));
        }
        problem.with_link("Home", "/")
    }

    /// 405: `method` does not work here, those of `allow` (the value of the Allow field) do.
    pub fn method_not_allowed(method: &[u8], allow: &str) -> Problem {
        let problem = Problem::new(Status::METHOD_NOT_ALLOWED);
        match allow {
            "" => {
                problem.with_sentence(format!("{} does not work at this address, nor does any method.", shown(method)))
            }
            _ => problem.with_sentence(format!("{} does not work at this address. These do: {allow}.", shown(method))),
        }
    }

    /// 413: more than `limit` bytes of content.
    pub fn too_large(limit: u64) -> Problem {
        Problem::new(Status::CONTENT_TOO_LARGE)
            .with_sentence(format!("The content is larger than this server takes: at most {}.", size(limit)))
    }

    /// 416: the file has `length` bytes, and no range lies inside.
    pub fn range(length: u64) -> Problem {
        Problem::new(Status::RANGE_NOT_SATISFIABLE)
            .with_sentence(format!("The file is {} long, and none of the ranges lies inside it.", byte_count(length)))
    }

    /// 421: this server does not answer for `host`.
    pub fn misdirected(host: &[u8]) -> Problem {
        let host = shown(host);
        Problem::new(Status::MISDIRECTED_REQUEST)
            .with_sentence(format!("The request is for {host}, and this server does not answer for that name."))
            .with_advice(format!("If the name is right, start the server with --host {host}"))
    }
}

/// The page of a problem, in the form the request prefers.
pub fn problem(request: &Request<'_>, problem: &Problem) -> Response {
    render(PageFormat::of(request), problem, None)
}

/// What stands before and behind the name of what is not there.
const MISSING: (&str, &str) = ("There is no file or folder called ", " on this server.");

/// That there is nothing at `path` (decoded).
pub(crate) fn not_found_sentence(path: &[u8]) -> String {
    [MISSING.0, &shown(path), MISSING.1].concat()
}

/// The page of a fault of the server. `cause` goes to the log, beside an id that the page shows too.
pub fn internal_error(request: &Request<'_>, cause: &str) -> Response {
    let (said, note) = internal_problem(cause);
    problem(request, &said).with_note(note)
}

/// What the page of a fault of the server says, and the line of the log about it.
pub fn internal_problem(cause: &str) -> (Problem, String) {
    // The hasher's keys are random and differ at every call: short, and nothing can be learned from it.
    let id = format!("{:08x}", std::hash::RandomState::new().hash_one(()) as u32);
    let said = Problem::new(Status::INTERNAL_SERVER_ERROR)
        .with_advice(format!("Try again; if it stays like this, tell whoever runs the server: {id}."));
    (said, format!("{id}: {cause}"))
}

/// The same response; if it is the page of a problem, with one more link at the end of what it says.
/// `href` must be a path, and percent-encoded.
pub fn with_link(response: Response, label: &str, href: &str) -> Response {
    let is_page = response.fields().get("content-security-policy") == Some(POLICY.as_bytes());
    let Body::Bytes(bytes) = response.body() else { return response };
    let foot = bytes.windows(FOOT.len()).position(|window| window == FOOT.as_bytes());
    match foot {
        Some(at) if is_page => {
            let link = format!("<p><a href=\"{href}\">{label}</a></p>");
            let page = [&bytes[..at], link.as_bytes(), &bytes[at..]].concat();
            response.with_body(Body::Bytes(page.into()))
        }
        _ => response,
    }
}

/// The page of a request that breaks the protocol; `head` is what was received of it.
pub fn malformed_request(refusal: &RequestError, head: &[u8]) -> Response {
    let fault = refusal.fault;
    let said = Problem {
        status: fault.status(),
        sentence: format!("byte {}: {}", refusal.at, fault.sentence()),
        advice: words::remedy(fault).map(str::to_string),
        links: Vec::new(),
        section: Some(fault.section()),
    };
    let sound = &head[..head.len().min(usize::try_from(refusal.at).unwrap_or(usize::MAX))];
    let form = PageFormat::named(accept_lines(sound)).unwrap_or(PageFormat::Text);
    render(form, &said, Some(refusal))
}

/// The values of the Accept lines among the complete lines of `head`. The first line is the request
/// line, and the blank line ends the head: what follows is content and says nothing.
fn accept_lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = head.iter().position(|&b| b == b'\n').map_or(&[][..], |at| &head[at + 1..]);
    field::find(lines, "accept").map(|line| line.value)
}

/// What a client hears that is turned away at the door, before it has said anything: a line of text, since
/// nobody knows what it would accept. Browsers obey the Refresh field and try again by themselves.
pub fn overload() -> Response {
    let seconds = RETRY_AFTER_SECONDS.to_string();
    Response::text(Status::SERVICE_UNAVAILABLE, format!("503 Too busy. Trying again in {seconds} s.\n"))
        .field("Cache-Control", "no-store")
        .field("Retry-After", &seconds)
        .field("Refresh", &seconds)
        .field("X-Content-Type-Options", "nosniff")
}

#[derive(Template)]
#[template(path = "problem.html", config = "src/pages/askama.toml")]
struct Page<'a> {
    status: String,
    style: &'static str,
    refresh: Option<u32>,
    words: Words,
    sentence: String,
    advice: Option<String>,
    links: &'a [(String, String)],
    section: &'static str,
    address: String,
}

#[derive(Serialize)]
struct Json<'a> {
    status: u16,
    title: &'a str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    section: &'a str,
    see: String,
}

fn render(form: PageFormat, problem: &Problem, refusal: Option<&RequestError>) -> Response {
    let Problem { status, .. } = *problem;
    let section = problem.section.unwrap_or(status.section());
    let sentence = escape_unsafe(&problem.sentence);
    let advice = problem.advice.as_deref().map(escape_unsafe);
    let mut response = match form {
        PageFormat::Text => Response::text(status, line(status, &sentence, advice.as_deref(), refusal)),
        PageFormat::Json => {
            let json = Json {
                status: status.code(),
                title: status.reason(),
                detail: sentence,
                advice,
                fault: refusal.map(|refusal| refusal.fault.name()),
                byte: refusal.map(|refusal| refusal.at),
                section,
                see: address(section),
            };
            Response::json(status, serde_json::to_string(&json).unwrap_or_default() + "\n")
        }
        PageFormat::Html => {
            let page = Page {
                status: status.to_string(),
                style: STYLE,
                refresh: (status == Status::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS),
                words: Words::of(status),
                sentence: clip(&sentence, SENTENCE_BYTES),
                advice: advice.map(|advice| clip(&advice, SENTENCE_BYTES)),
                links: &links(&problem.links),
                section,
                address: address(section),
            };
            // Rendering into memory fails only when there is none; the status still tells.
            Response::html(status, page.render().unwrap_or_default())
                .field("Content-Security-Policy", POLICY)
                .field("Referrer-Policy", "same-origin")
        }
    };
    if status == Status::SERVICE_UNAVAILABLE {
        response = response.field("Retry-After", RETRY_AFTER_SECONDS.to_string());
    }
    response.field("Cache-Control", "no-store").field("X-Content-Type-Options", "nosniff")
}

/// One line that starts with the code, for a terminal.
fn line(status: Status, sentence: &str, advice: Option<&str>, refusal: Option<&RequestError>) -> String {
    match (refusal, advice) {
        (Some(refusal), _) => format!("{} {sentence} ({})\n", status.code(), refusal.fault.section()),
        (None, Some(advice)) => format!("{} {sentence} {advice}\n", status.code()),
        (None, None) => format!("{} {sentence}\n", status.code()),
    }
}

/// The links that may stand on a page: those that stay on this server and are not cut.
fn links(links: &[(String, String)]) -> Vec<(String, String)> {
    let inside = |href: &str| {
        let relative = ["./", "../", "?"].iter().any(|start| href.starts_with(start));
        // `//host` and `/\host` lead elsewhere; a scheme does too.
        relative || href == "/" || (href.starts_with('/') && !href.starts_with("//") && !href.starts_with("/\\"))
    };
    let good = links.iter().filter(|(_, href)| inside(href) && href.len() <= HREF_BYTES);
    good.take(LINKS).map(|(label, href)| (clip(&escape_unsafe(label), LABEL_BYTES), href.clone())).collect()
}

/// Where a section can be read: `RFC 9110 §15.5.5` becomes an address of the RFC editor.
fn address(section: &str) -> String {
    let (rfc, part) = section.split_once(" §").unwrap_or((section, ""));
    let number: String = rfc.chars().filter(char::is_ascii_digit).collect();
    match part {
        "" => format!("https://www.rfc-editor.org/rfc/rfc{number}"),
        _ => format!("https://www.rfc-editor.org/rfc/rfc{number}#section-{part}"),
    }
}

#[cfg(test)]
mod tests;
