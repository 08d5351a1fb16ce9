//! Error responses that explain themselves (RFC 9110 §15): as a page, as JSON, or as one line of text.
//!
//! A page says what happened, one sentence about this case, a next step, and what the status means, with the section of
//! the RFC. `Accept` (§12.5.1) chooses the format. All texts are in `texts.txt`. The JSON of a
//! malformed request also has `fault`, the name of the broken rule, and `byte`, where it is broken, counted from 0.
//!
//! ```text
//! 404 There is no file or folder called /x on this server. Check the spelling: upper and lower case count.
//!
//! {"status":404,"title":"Not Found","detail":"There is no file …","advice":"Check …","section":"RFC 9110 §15.5.5",…}
//! ```
//!
//! A client must not be able to write markup or terminal commands into a page: all that comes from it goes through
//! [`shown`], and the template escapes it once more. The page about a malformed request repeats nothing of it and names
//! the byte instead. Pages have no script and load nothing; their policy allows only the style sheet inside them, by
//! its hash.

use std::cmp::Reverse;
use std::hash::BuildHasher;
use std::sync::LazyLock;

use askama::Template;
use serde::Serialize;

use crate::http::{Fields, Request, RequestError, Status, field};
use crate::service::response::{Body, Response};
use crate::service::text::{clip, escape_unsafe, grouped, href, reference, shown, size};
use crate::service::texts::{Texts, Values};

/// How many seconds a client that gets 503 is asked to wait.
pub const RETRY_AFTER_SECONDS: u32 = 5;

/// The most bytes of a sentence or an advice, after escaping. So a page stays below 4 kB, even if a client asks for a
/// name of 8 KiB.
const SENTENCE_BYTES: usize = 420;
/// The same for the label and for the address of a link. A longer address is left out, since half leads nowhere.
const LABEL_BYTES: usize = 80;
const HREF_BYTES: usize = 200;
/// The most links of a page.
const LINKS: usize = 3;

/// The style sheet. It is inside the page, because a client that gets 503 or 421 could not load it.
const STYLE: &str = include_str!("../../pages/problem.css");

/// What error pages and other responses say.
pub static TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::new(include_str!("texts.txt")));

/// The Content-Security-Policy of a page. The hash is the SHA-256 of [`STYLE`]; a test computes it, and tells the new
/// one when the style sheet was changed.
const POLICY: &str = "default-src 'none'; style-src 'sha256-rZRiSveJQNJkKe/RbBt+4Yn0kux3BnJnPe18Jpae8FA='; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The beginning of the last paragraph of a page, which explains the status.
const LAST_PARAGRAPH: &str = "<p class=\"dim\">";

/// The format of a page, for error pages and listings.
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
    const MEDIA_TYPES: [(&'static [u8], PageFormat); 3] =
        [(b"text/html", PageFormat::Html), (b"application/json", PageFormat::Json), (b"text/plain", PageFormat::Text)];

    /// The format with the greatest weight in these values of Accept, the first of them on a tie; `None` if no format
    /// is named. Ranges such as `*/*` do not count, since every client sends them.
    pub fn named<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Option<PageFormat> {
        let known = |name: &[u8]| PageFormat::MEDIA_TYPES.iter().find(|known| known.0.eq_ignore_ascii_case(name));
        // Weight 0 means "not acceptable" (RFC 9110 §12.4.2), so it must not win.
        let weighted = accept.flat_map(field::weighted).filter(|(_, weight)| *weight > 0);
        let formats = weighted.filter_map(|(name, weight)| Some((known(name)?.1, weight)));
        // The first of equal weights, so the order of the client decides.
        formats.min_by_key(|(_, weight)| Reverse(*weight)).map(|(format, _)| format)
    }

    /// The format that this request asks for; text if it names none.
    pub fn of(request: &Request<'_>) -> PageFormat {
        PageFormat::named(request.fields("accept")).unwrap_or(PageFormat::Text)
    }

    /// The format of a listing. Without a preference, curl gets text. All other clients get the page: programs like
    /// `wget -r` accept anything too, and follow its links.
    pub(crate) fn of_listing(request: &Request<'_>) -> PageFormat {
        // curl sends `*/*` by default. If the user asked for something, that counts.
        let is_curl = || {
            let agent = request.field("user-agent").is_some_and(|agent| agent.starts_with(b"curl/"));
            agent && (!request.has("accept") || request.list("accept").any(|range| range == b"*/*"))
        };
        match PageFormat::named(request.fields("accept")) {
            Some(format) => format,
            None if is_curl() => PageFormat::Text,
            None => PageFormat::Html,
        }
    }
}

/// What an error page says.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// One sentence about this case.
    pub sentence: String,
    /// A next step, if there is one.
    pub advice: Option<String>,
    /// Links as pairs of label and address, which is percent-encoded: a path on this server, or relative. On the page a
    /// path is relative, too.
    pub links: Vec<(String, String)>,
    /// The section whose rule decided, such as `RFC 9112 §2.2`; `None` for the section of the status.
    pub section: Option<&'static str>,
}

impl Problem {
    /// A problem with the usual sentence and advice of this status.
    pub fn new(status: Status) -> Problem {
        let [sentence, advice] = ["sentence", "advice"].map(|part| text(&key(status), part).map(str::to_string));
        Problem { status, sentence: sentence.unwrap_or_default(), advice, links: Vec::new(), section: None }
    }

    /// The same with a sentence about this case.
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

    /// A problem with this row of the texts.
    pub fn of(status: Status, name: &str, values: Values<'_>) -> Problem {
        Problem::new(status).saying(TEXTS.row(name, values))
    }

    /// The same with sentence and advice from a table of texts. Without an advice there, the usual one stays.
    #[must_use]
    pub fn saying(self, [sentence, advice]: [String; 2]) -> Problem {
        let problem = self.with_sentence(sentence);
        if advice.is_empty() { problem } else { problem.with_advice(advice) }
    }

    /// The same with one more link ([`Problem::links`]).
    #[must_use]
    pub fn with_link(mut self, label: impl Into<String>, href: impl Into<String>) -> Problem {
        self.links.push((label.into(), href.into()));
        self
    }

    /// 404: there is nothing at `path` (decoded). `parent` is the nearest folder above it that exists, decoded, with a
    /// slash at its end.
    pub fn not_found(path: &[u8], parent: Option<&[u8]>) -> Problem {
        // The root gets no button of its own, since "Home" leads there.
        let mut problem = Problem::of(Status::NOT_FOUND, "not found", &[("path", &shown(path))]);
        if let Some(parent) = parent.filter(|parent| parent.len() > 1) {
            problem = problem.with_link(TEXTS.say("link folder", &[("folder", &shown(parent))]), href(parent));
        }
        problem.with_link(TEXTS.say("link home", &[]), "/")
    }

    /// 405: `method` does not work here, those of `allow` (the value of the Allow field) do.
    pub fn method_not_allowed(method: &[u8], allow: &str) -> Problem {
        // A target may have no method that works, and then "These do" would be wrong.
        let (status, method) = (Status::METHOD_NOT_ALLOWED, shown(method));
        match allow {
            "" => Problem::of(status, "no method", &[("method", &method)]),
            _ => Problem::of(status, "method", &[("method", &method), ("allow", &allow)]),
        }
    }

    /// 413: more than `limit` bytes of content.
    pub fn too_large(limit: u64) -> Problem {
        Problem::of(Status::CONTENT_TOO_LARGE, "too large", &[("limit", &size(limit))])
    }

    /// 416: the file has `length` bytes, and no range lies inside.
    pub fn range(length: u64) -> Problem {
        // In exact bytes, since a range is given in bytes.
        Problem::of(Status::RANGE_NOT_SATISFIABLE, "no range", &[("length", &grouped(length))])
    }
}

/// A text about a status or a fault.
fn text(key: &str, part: &str) -> Option<&'static str> {
    TEXTS.find(&format!("{key} {part}"))
}

/// The key of a status in the texts: its code, or its class if there are none for the code.
fn key(status: Status) -> String {
    let code = status.code().to_string();
    match text(&code, "heading") {
        Some(_) => code,
        None if status.code() < 500 => "4xx".into(),
        None => "5xx".into(),
    }
}

/// The response for a problem, in the format that the request asks for.
pub fn problem(request: &Request<'_>, problem: &Problem) -> Response {
    render(PageFormat::of(request), problem, &request.base(), None)
}

/// 500. `cause` goes to the log only, with an id that the page shows too.
pub fn internal_error(request: &Request<'_>, cause: &str) -> Response {
    let (said, note) = internal_problem(cause);
    problem(request, &said).with_note(note)
}

/// The problem of a 500, and the note about it for the log.
pub fn internal_problem(cause: &str) -> (Problem, String) {
    // The keys of a hasher are random and differ at every call, so the id is unique and tells nothing.
    let id = format!("{:08x}", std::hash::RandomState::new().hash_one(()) as u32);
    let problem = Problem::of(Status::INTERNAL_SERVER_ERROR, "internal error", &[("id", &id)]);
    (problem, format!("{id}: {cause}"))
}

/// The response to a request that breaks the protocol. `head` is the part of it that was received.
pub fn malformed_request(error: &RequestError, head: &[u8]) -> Response {
    let fault = error.fault;
    let mut problem = Problem::of(fault.status(), "fault", &[("at", &error.at), ("sentence", &fault.sentence())]);
    problem.section = Some(fault.section());
    if let Some(advice) = text(fault.name(), "advice") {
        problem.advice = Some(advice.into());
    }
    // The fields could not be parsed. Only lines that were complete before the fault are trusted; a wrong guess costs a
    // page where a line of text was wanted. The first line is the request line.
    let end = head.len().min(usize::try_from(error.at).unwrap_or(usize::MAX));
    let fields = head[..end].iter().position(|&b| b == b'\n').map_or(&[][..], |at| &head[at + 1..end]);
    let format = PageFormat::named(field::find(fields, "accept").map(|line| line.value));
    render(format.unwrap_or(PageFormat::Text), &problem, b"", Some(error))
}

/// The response of a full server to a new connection, before any request was read. It is one line of text, since the
/// format that the client accepts is unknown. Browsers obey the Refresh field and try again by themselves.
pub fn overload() -> Response {
    let seconds = RETRY_AFTER_SECONDS.to_string();
    Response::text(Status::SERVICE_UNAVAILABLE, TEXTS.say("overload", &[("seconds", &seconds)]) + "\n")
        .field("Retry-After", &seconds)
        .field("Refresh", &seconds)
}

/// Adds a link before the last paragraph, if the response is a page of this module. `href` must stay on this server, and
/// be percent-encoded.
pub fn with_link(response: Response, label: &str, href: &str) -> Response {
    // Only pages of this module have this policy; the page of a service is not changed.
    let is_page = response.fields().get("content-security-policy") == Some(POLICY.as_bytes());
    let Body::Bytes(bytes) = response.body() else { return response };
    // No text of the page can contain this tag, since the template escapes it.
    let last = bytes.windows(LAST_PARAGRAPH.len()).position(|window| window == LAST_PARAGRAPH.as_bytes());
    let Some(at) = last.filter(|_| is_page) else { return response };
    let link = format!("<p><a href=\"{href}\">{label}</a></p>");
    let page = [&bytes[..at], link.as_bytes(), &bytes[at..]].concat();
    response.with_body(Body::Bytes(page.into()))
}

/// The line of text of a 404, prepared but for the name. Robots ask for missing files more often than for anything
/// else, and accept any format; this saves them the choice of a format and of the wording.
#[derive(Clone, Debug)]
pub(crate) struct NotFoundLine {
    fields: Fields,
    before: String,
    after: String,
}

impl NotFoundLine {
    /// Taken from an ordinary response, so that the two cannot differ.
    pub(crate) fn new() -> NotFoundLine {
        let (_, fields, body) = render(PageFormat::Text, &Problem::not_found(b"/", None), b"", None).into_parts();
        let line = match body {
            Body::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => String::new(),
        };
        // The name in the example is the only slash of the line.
        let (before, after) = line.split_once('/').unwrap_or((&line, ""));
        NotFoundLine { fields, before: before.into(), after: after.into() }
    }

    /// The whole response for `path` (decoded).
    pub(crate) fn response(&self, path: &[u8]) -> Response {
        let line = self.before.clone() + &shown(path) + &self.after;
        Response::from_parts((Status::NOT_FOUND, self.fields.clone(), Body::Bytes(line.into())))
    }
}

#[derive(Template)]
#[template(path = "problem.html", config = "src/pages/askama.toml")]
struct ErrorPage<'a> {
    status: String,
    style: &'static str,
    /// Seconds after which the page loads itself again.
    refresh: Option<u32>,
    heading: &'static str,
    meaning: &'static str,
    sentence: String,
    advice: Option<String>,
    links: &'a [(String, String)],
    section: &'static str,
    address: String,
}

#[derive(Serialize)]
struct ErrorJson<'a> {
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

/// The response for a problem. `base` is the folder that links start from; `error` is there for a malformed request.
fn render(format: PageFormat, problem: &Problem, base: &[u8], error: Option<&RequestError>) -> Response {
    let status = problem.status;
    let section = problem.section.unwrap_or(status.section());
    let sentence = escape_unsafe(&problem.sentence);
    let advice = problem.advice.as_deref().map(escape_unsafe);
    let mut response = match format {
        // Each format escapes for itself: text here, JSON by serde, HTML by the template.
        PageFormat::Text => {
            // The advice about a fault would need more than the one line.
            let end = error.map(|error| format!(" ({})", error.fault.section()));
            let end = end.or(advice.map(|advice| format!(" {advice}"))).unwrap_or_default();
            Response::text(status, format!("{} {sentence}{end}\n", status.code()))
        }
        PageFormat::Json => {
            let (fault, byte) = (error.map(|error| error.fault.name()), error.map(|error| error.at));
            let (title, see) = (status.reason(), address(section));
            let json = ErrorJson { status: status.code(), title, detail: sentence, advice, fault, byte, section, see };
            // Strings and numbers can always be serialized.
            Response::json(status, serde_json::to_string(&json).unwrap_or_default() + "\n")
        }
        PageFormat::Html => {
            let is_malformed = error.is_some() && status == Status::BAD_REQUEST;
            let key = if is_malformed { "malformed".into() } else { key(status) };
            let page = ErrorPage {
                status: status.to_string(),
                style: STYLE,
                // Only here a second try may succeed without a change.
                refresh: (status == Status::SERVICE_UNAVAILABLE).then_some(RETRY_AFTER_SECONDS),
                heading: text(&key, "heading").unwrap_or_default(),
                meaning: text(&key, "meaning").unwrap_or_default(),
                sentence: clip(&sentence, SENTENCE_BYTES),
                advice: advice.map(|advice| clip(&advice, SENTENCE_BYTES)),
                links: &links(&problem.links, base),
                section,
                address: address(section),
            };
            // Rendering into memory cannot fail with these values; if it did, the status would still be right.
            Response::html(status, page.render().unwrap_or_default())
                .field("Content-Security-Policy", POLICY)
                .field("Referrer-Policy", "same-origin")
        }
    };
    // RFC 9110 §10.2.3: programs read this field, and the page reloads itself after the same time.
    if status == Status::SERVICE_UNAVAILABLE {
        response = response.field("Retry-After", RETRY_AFTER_SECONDS.to_string());
    }
    response
}

/// The links that may stand on a page: those that stay on this server and need not be cut.
fn links(links: &[(String, String)], base: &[u8]) -> Vec<(String, String)> {
    let inside = |href: &str| match href.strip_prefix('/') {
        // `//host` and `/\host` lead to another server.
        Some(rest) => (!rest.starts_with(['/', '\\'])).then(|| reference(base, b"/") + rest),
        // Without one of these starts, it could be a scheme.
        None => ["./", "../", "?"].iter().any(|start| href.starts_with(start)).then(|| href.to_string()),
    };
    // Links beyond the limit are left out, since the page must stay small.
    let good = links.iter().filter_map(|(label, href)| Some((label, inside(href).filter(|h| h.len() <= HREF_BYTES)?)));
    good.take(LINKS).map(|(label, href)| (clip(&escape_unsafe(label), LABEL_BYTES), href)).collect()
}

/// The address where a section can be read: `RFC 9110 §15.5.5` is on the site of the RFC editor.
fn address(section: &str) -> String {
    // A section may name a whole RFC, without a part of it.
    let (rfc, part) = section.split_once(" §").unwrap_or((section, ""));
    let number: String = rfc.chars().filter(char::is_ascii_digit).collect();
    let fragment = if part.is_empty() { String::new() } else { format!("#section-{part}") };
    format!("https://www.rfc-editor.org/rfc/rfc{number}{fragment}")
}

#[cfg(test)]
mod tests;
