//! The pages of `/.try/`: the list of all addresses, the list of broken responses, and the forms.
//!
//! The lists stand in `catalogue.txt` and `broken.txt`. A browser gets a page, curl gets lines to copy, and a program
//! that asks for JSON gets that. The script of the pages makes copy buttons;
//! their policy allows only that and their own style sheet.
//!
//! The command lines name the host that the client has used, so that they work where they are read. Here also are the
//! two responses of paths that are no address: the redirect from `/.try`, and 404.

use std::sync::LazyLock;

use askama::Template;
use serde::Serialize;

use crate::http::{Method, Status};
use crate::practice::limits::{SILENCE, SLOTS};
use crate::practice::{PracticeRequest, TEXTS, not_stored, say, text};
use crate::service::error_page::{PageFormat, Problem};
use crate::service::{Answer, Response, router, texts::rows};

/// The columns of one line of a table.
type Columns = [&'static str; 5];

/// Some lines of a list under one title: [`Columns`] as they are read, or [`ListLine`]s as they are shown.
#[derive(Serialize)]
pub(super) struct Group<L> {
    title: &'static str,
    pub(super) lines: Vec<L>,
}

/// Path, options of curl, an address that works, what it shows, and the numbers of its labs.
pub(super) static ADDRESSES: LazyLock<Vec<Group<Columns>>> = LazyLock::new(|| read(include_str!("catalogue.txt")));
/// Name, fault, what curl 7.88.1 does, and what Chromium 156 does.
static BROKEN: LazyLock<Vec<Group<Columns>>> = LazyLock::new(|| read(include_str!("broken.txt")));

const STYLE: &str = include_str!("../pages/practice.css");
const SCRIPT: &str = include_str!("../pages/practice.js");
/// The page may show itself with its own style and script, and send forms to this server. The hashes are the SHA-256 of
/// [`STYLE`] and [`SCRIPT`]; a test prints the new ones when they change.
const POLICY: &str = "default-src 'none'; style-src 'sha256-iijvZBCMapwfnYLD+9Wk8sWX7VrDm6mHjlSCVpqIiCc='; \
                      script-src 'sha256-b/Ytk+ZFtlTYa2Ur93qqxR05aAXfwlc3i9Ln8yNRWBY='; \
                      img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Template)]
#[template(path = "practice.html", config = "src/pages/askama.toml")]
struct ListPage {
    title: String,
    style: &'static str,
    script: &'static str,
    intro: [String; 2],
    groups: Vec<Group<ListLine>>,
}

#[derive(Template)]
#[template(path = "practice-form.html", config = "src/pages/askama.toml")]
struct FormPage {
    style: &'static str,
}

/// One address or one kind of broken response, as the page, the text and the JSON show it.
#[derive(Serialize)]
struct ListLine {
    path: String,
    /// A command that can be typed.
    curl: String,
    says: Vec<String>,
    /// Numbers of the labs that use it, as in their addresses.
    labs: Vec<String>,
    /// The address of a link, if following it does the same as the command. Programs do not need it.
    #[serde(skip)]
    link: Option<String>,
}

/// Makes a line from columns, with this host and port in its command.
type ToLine = fn(authority: &str, Columns) -> ListLine;

/// Reads a table: `= title`, then lines of up to five columns.
fn read(table: &'static str) -> Vec<Group<Columns>> {
    let mut groups: Vec<Group<Columns>> = Vec::new();
    for line in rows(table) {
        // A line before the first title belongs to no group, and is left out too.
        if let Some(title) = line.strip_prefix("= ") {
            groups.push(Group { title, lines: Vec::new() });
        } else if let Some(group) = groups.last_mut() {
            let mut columns = line.split(" | ");
            group.lines.push([(); 5].map(|()| columns.next().unwrap_or_default()));
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
    let line: ToLine = |authority, [path, options, example, says, labs]| ListLine {
        path: path.to_string(),
        curl: command(authority, options, example),
        says: vec![says.to_string()],
        labs: labs.split_whitespace().map(|lab| format!("{lab:0>2}")).collect(),
        // With these options curl sends the same request, and only shows the response in another way.
        link: matches!(options, "-i" | "-iL" | "--raw" | "-iN" | "-i --compressed").then(|| example.to_string()),
    };
    let limits = TEXTS.say("list limits", &[("seconds", &(SILENCE / 1000)), ("slots", &SLOTS)]);
    let (title, intro) = (TEXTS.say("list title", &[]), [TEXTS.say("list intro", &[]), limits]);
    let groups = groups(practice, &ADDRESSES, line);
    Ok(show(practice, &ListPage { title, style: STYLE, script: SCRIPT, intro, groups }))
}

/// The list of broken responses, with what curl and Chromium do.
pub(super) fn list_broken(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let line: ToLine = |authority, [name, fault, curl, chromium, _]| {
        // With `?yes`, without which the address only explains itself.
        let path = format!("/.try/broken/{name}?yes");
        let says = vec![
            TEXTS.say("broken fault", &[("fault", &fault)]),
            TEXTS.say("broken curl", &[("curl", &curl)]),
            TEXTS.say("broken chromium", &[("chromium", &chromium)]),
        ];
        ListLine { curl: command(authority, "-i", &path), says, labs: Vec::new(), link: Some(path.clone()), path }
    };
    let title = TEXTS.say("broken title", &[]);
    let intro = ["broken intro", "broken danger"].map(|name| TEXTS.say(name, &[]));
    let groups = groups(practice, &BROKEN, line);
    Ok(show(practice, &ListPage { title, style: STYLE, script: SCRIPT, intro, groups }))
}

/// The lines of a table, with commands for the host that the client has named.
fn groups(practice: &PracticeRequest<'_>, table: &[Group<Columns>], line: ToLine) -> Vec<Group<ListLine>> {
    let authority = authority(practice);
    let lines = |group: &Group<Columns>| group.lines.iter().map(|&columns| line(&authority, columns)).collect();
    table.iter().map(|group| Group { title: group.title, lines: lines(group) }).collect()
}

/// A list in the format that the client prefers.
fn show(practice: &PracticeRequest<'_>, page: &ListPage) -> Answer {
    // Rendering into memory does not fail, so the empty text of an error is never sent.
    let response = match PageFormat::of_listing(practice.request) {
        PageFormat::Html => html(page.render().unwrap_or_default()),
        PageFormat::Json => {
            let json = serde_json::to_string(&page.groups).unwrap_or_default() + "\n";
            not_stored(Response::json(Status::OK, json))
        }
        PageFormat::Text => text(Status::OK, as_text(page)),
    };
    // The fields that have decided about the format (RFC 9110 §12.5.5).
    response.field("Vary", "Accept, User-Agent").into()
}

fn as_text(page: &ListPage) -> String {
    let [first, second] = &page.intro;
    let mut out = format!("{}\n\n{first}\n{second}\n", page.title);
    for group in &page.groups {
        out += &format!("\n{}\n", group.title);
        for line in &group.lines {
            // The command stands alone in its line, so that it can be copied.
            out += &format!("  {}\n", line.curl);
            line.says.iter().for_each(|says| out += &format!("      {says}\n"));
            line.labs.iter().for_each(|lab| out += &format!("      /.try/learn/{lab}/\n"));
        }
    }
    out
}

/// The host and port for command lines: those of the request, if a shell would take them for nothing else.
fn authority(practice: &PracticeRequest<'_>) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    match practice.request.authority() {
        Some(host) if !host.is_empty() && host.iter().all(is_plain) => String::from_utf8_lossy(host).into_owned(),
        // The lines are copied into shells, and a Host field may hold `$(reboot)`.
        _ => practice.context.local.to_string(),
    }
}

/// A command of curl that a shell runs as it stands.
fn command(authority: &str, options: &str, path: &str) -> String {
    let url = format!("http://{authority}{path}");
    // Without quotes a shell would run the command in the background at `&`, and look for files at the others.
    let quote = if url.contains(['?', '&', '[', ']']) { "'" } else { "" };
    format!("curl {options} {quote}{url}{quote}")
}

/// Forms of all encodings, sent to the echo.
pub(super) fn form(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Ok(html(FormPage { style: STYLE }.render().unwrap_or_default()).into())
}

/// From `/.try` to the list. For now only (307): the server may run without these addresses tomorrow.
pub(super) fn bare(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let response = say(Status::TEMPORARY_REDIRECT, "list moved", &[]);
    Ok(response.field("Location", practice.reference("/.try/")).into())
}

/// 404 with a link to the list, for every method but TRACE, which is refused as everywhere.
pub(super) fn unknown(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // The 405 is made here because the methods of this route, all but TRACE, are no advice: none of them works.
    if practice.request.method() == Method::Trace {
        return Ok(router::not_allowed(practice.request, &[Method::Get, Method::Head, Method::Options]).into());
    }
    // The 404 of the files would lead to a folder; this one leads to the list.
    let problem = Problem::new(Status::NOT_FOUND).saying(TEXTS.row("no address", &[]));
    Err(problem.with_link(TEXTS.say("link to list", &[]), "/.try/"))
}

/// A page with its policy, which no cache keeps.
fn html(page: String) -> Response {
    not_stored(Response::html(Status::OK, page))
        .field("Content-Security-Policy", POLICY)
        .field("Referrer-Policy", "same-origin")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_style_and_the_script_of_the_page() {
        for part in [STYLE, SCRIPT] {
            let hash = format!("'sha256-{}'", STANDARD.encode(Sha256::digest(part)));
            assert!(POLICY.contains(&hash), "the style or the script changed; the policy needs {hash}");
        }
    }
}
