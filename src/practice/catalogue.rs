//! The pages of `/.try/`: the list of all addresses, the list of broken responses, and the forms.
//!
//! The lists stand in `catalogue.txt` and `broken.txt`. A browser gets a page, curl gets lines to copy, and a program
//! that asks for JSON gets that. The pages have no script, and their policy allows only their own style sheet.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::{Method, Status};
use crate::practice::{PracticeRequest, limits, not_stored, text};
use crate::service::error_page::{PageFormat, Problem};
use crate::service::{Answer, Response, router};

/// The four columns of a line of the lists.
type Columns = [&'static str; 4];

/// Some lines of a list under one title.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) lines: Vec<Columns>,
}

/// Path, options of curl, an address that works, and what it shows.
pub(super) static ADDRESSES: LazyLock<Vec<Group>> = LazyLock::new(|| read(include_str!("catalogue.txt")));
/// Name, fault, what curl 7.88.1 does, and what Chromium 156 does.
static BROKEN: LazyLock<Vec<Group>> = LazyLock::new(|| read(include_str!("broken.txt")));

const STYLE: &str = include_str!("../pages/practice.css");
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
});

#[derive(Template)]
#[template(path = "practice.html", config = "src/pages/askama.toml")]
struct ListPage<'a> {
    title: &'a str,
    style: &'static str,
    intro: &'a [String],
    groups: &'a [ListGroup],
}

#[derive(Template)]
#[template(path = "practice-form.html", config = "src/pages/askama.toml")]
struct FormPage {
    style: &'static str,
}

/// A group as a page and as JSON.
#[derive(Serialize)]
struct ListGroup {
    title: &'static str,
    lines: Vec<ListLine>,
}

#[derive(Serialize)]
struct ListLine {
    path: String,
    /// A command that can be typed.
    curl: String,
    says: Vec<String>,
    /// The address of a link, if following it does the same as the command.
    #[serde(skip)]
    link: Option<String>,
}

/// Reads a list: `= title`, then lines of four columns. Empty lines and comments are left out.
fn read(text: &'static str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("= ") {
            groups.push(Group { title, lines: Vec::new() });
            continue;
        }
        let mut columns = line.split(" | ");
        let columns = [(); 4].map(|()| columns.next().unwrap_or_default());
        if let Some(group) = groups.last_mut() {
            group.lines.push(columns);
        }
    }
    groups
}

/// All kinds of broken responses.
pub(super) fn broken_kinds() -> &'static [Columns] {
    BROKEN.first().map_or(&[], |group| &group.lines)
}

/// The list of all addresses.
pub(super) fn list(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let authority = authority(practice);
    let line = |&[path, options, example, says]: &Columns| ListLine {
        path: path.to_string(),
        curl: command(&authority, options, example),
        says: vec![says.to_string()],
        // With these options curl sends what a browser sends, and only shows it in another way.
        link: matches!(options, "-i" | "-iL" | "--raw" | "-iN").then(|| example.to_string()),
    };
    let groups =
        ADDRESSES.iter().map(|group| ListGroup { title: group.title, lines: group.lines.iter().map(line).collect() });
    let intro =
        ["Every case of HTTP on demand. Each line is one; run it beside the wire view.".to_string(), limits::explain()];
    Ok(show(practice, "Practice", &intro, &groups.collect::<Vec<_>>()))
}

/// The list of broken responses, with what curl and Chromium do.
pub(super) fn list_broken(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let authority = authority(practice);
    let line = |&[name, fault, curl, chromium]: &Columns| {
        let path = format!("/.try/broken/{name}?yes");
        let says = vec![format!("{fault}."), format!("curl 7.88.1: {curl}."), format!("Chromium 156: {chromium}.")];
        ListLine { curl: command(&authority, "-i", &path), says, link: Some(path.clone()), path }
    };
    let group = |group: &Group| ListGroup { title: group.title, lines: group.lines.iter().map(line).collect() };
    let intro = [
        "Answers that are wrong on purpose. The connection is closed behind each.",
        "What is forgiven is the dangerous part: two programs that guess differently see two different messages.",
    ];
    let groups: Vec<ListGroup> = BROKEN.iter().map(group).collect();
    Ok(show(practice, "Broken on purpose", &intro.map(String::from), &groups))
}

/// Forms of all encodings, sent to the echo.
pub(super) fn form(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Ok(html(FormPage { style: STYLE }.render().unwrap_or_default()).into())
}

/// From `/.try` to the list. For now only (307): the server may run without these addresses tomorrow.
pub(super) fn bare(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let response = text(Status::TEMPORARY_REDIRECT, "307 All practice is at /.try/\n");
    Ok(response.field("Location", "/.try/").into())
}

/// 404 with a link to the list, for every method but TRACE, which is refused as everywhere.
pub(super) fn unknown(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // The 405 is made here because the methods of this route, all but TRACE, are no advice: none of them works.
    if practice.request.method() == Method::Trace {
        return Ok(router::not_allowed(practice.request, &[Method::Get, Method::Head, Method::Options]).into());
    }
    Err(Problem::new(Status::NOT_FOUND)
        .with_sentence("There is no practice of that name.")
        .with_advice("All of them: /.try/")
        .with_link("All practice", "/.try/"))
}

/// The host and port for command lines.
fn authority(practice: &PracticeRequest<'_>) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    match practice.request.authority() {
        Some(host) if !host.is_empty() && host.iter().all(is_plain) => String::from_utf8_lossy(host).into_owned(),
        // The lines are copied into shells, and a Host field may hold `$(reboot)`.
        _ => practice.context.local.to_string(),
    }
}

fn command(authority: &str, options: &str, path: &str) -> String {
    let url = format!("http://{authority}{path}");
    // These characters mean something to a shell.
    let quote = if url.contains(['?', '&', '[', ']']) { "'" } else { "" };
    format!("curl {options} {quote}{url}{quote}")
}

fn html(page: String) -> Response {
    not_stored(Response::html(Status::OK, page))
        .field("Content-Security-Policy", POLICY.as_str())
        .field("Referrer-Policy", "same-origin")
}

/// A list in the form that the client prefers.
fn show(practice: &PracticeRequest<'_>, title: &str, intro: &[String], groups: &[ListGroup]) -> Answer {
    let request = practice.request;
    let is_curl = || {
        let agent = request.field("user-agent").is_some_and(|agent| agent.starts_with(b"curl/"));
        agent && (!request.has("accept") || request.list("accept").any(|range| range == b"*/*"))
    };
    // Rendering into memory does not fail.
    let response = match PageFormat::named(request.fields("accept")) {
        Some(PageFormat::Json) => {
            not_stored(Response::json(Status::OK, serde_json::to_string(groups).unwrap_or_default() + "\n"))
        }
        Some(PageFormat::Text) => text(Status::OK, lines(title, intro, groups)),
        None if is_curl() => text(Status::OK, lines(title, intro, groups)),
        _ => html(ListPage { title, style: STYLE, intro, groups }.render().unwrap_or_default()),
    };
    response.field("Vary", "Accept, User-Agent").into()
}

/// A list as text.
fn lines(title: &str, intro: &[String], groups: &[ListGroup]) -> String {
    let mut out = format!("{title}\n\n");
    intro.iter().for_each(|sentence| out += &format!("{sentence}\n"));
    for group in groups {
        out += &format!("\n{}\n", group.title);
        for line in &group.lines {
            out += &format!("  {}\n", line.curl);
            line.says.iter().for_each(|says| out += &format!("      {says}\n"));
        }
    }
    out
}
