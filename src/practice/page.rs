//! The pages of practice: the list of everything, the list of broken answers, and the forms.
//!
//! For a person in a browser a page, for curl lines to copy, for a program JSON, chosen as the listings of
//! folders choose it.
//!
//! Never: a script, anything from elsewhere; the policy allows the one style sheet inside the page, by its
//! hash, and forms to this server.
//!
//! The subtle thing: the command lines name the host the client itself used, and they are made to be
//! copied into a shell. A Host field may hold `$(…)`; so a name with anything but letters, digits and
//! `.-_:[]` is replaced by the address the client has reached.

use std::sync::LazyLock;

use askama::Template;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::http::Status;
use crate::practice::broken::KINDS;
use crate::practice::call::{Call, limits, unkept};
use crate::practice::catalogue::{GROUPS, Group};
use crate::service::error_page;
use crate::service::error_page::{PageFormat, Problem};
use crate::service::{Answer, Response};

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
struct Page<'a> {
    title: &'a str,
    style: &'static str,
    intro: &'a [String],
    groups: &'a [Section],
}

#[derive(Template)]
#[template(path = "practice-form.html", config = "src/pages/askama.toml")]
struct FormPage {
    style: &'static str,
}

/// A group of lines.
#[derive(Serialize)]
struct Section {
    title: &'static str,
    lines: Vec<Line>,
}

/// A command and what it shows.
#[derive(Serialize)]
struct Line {
    path: &'static str,
    curl: String,
    says: Vec<String>,
    /// For a browser, where a GET without more does it.
    #[serde(skip)]
    link: Option<&'static str>,
}

/// The authority for command lines.
fn authority(call: &Call<'_, '_>) -> String {
    let plain = |o: &u8| o.is_ascii_alphanumeric() || matches!(o, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    match call.request.authority() {
        Some(host) if !host.is_empty() && host.iter().all(plain) => String::from_utf8_lossy(host).into_owned(),
        _ => call.visit.local.to_string(),
    }
}

/// One line, with the address quoted where a shell would act on it.
fn curl(authority: &str, options: &str, path: &str) -> String {
    let url = format!("http://{authority}{path}");
    let quote = if url.contains(['?', '&', '[', ']']) { "'" } else { "" };
    let space = if options.is_empty() { "" } else { " " };
    format!("curl{space}{options} {quote}{url}{quote}")
}

/// Everything there is.
pub(crate) fn list(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let authority = authority(call);
    let section = |group: &Group| Section {
        title: group.title,
        lines: group
            .entries
            .iter()
            .map(|entry| Line {
                path: entry.path,
                curl: curl(&authority, entry.options, entry.example),
                says: vec![entry.says.to_string()],
                link: entry.is_link().then_some(entry.example),
            })
            .collect(),
    };
    let intro = ["Every case of HTTP on demand. Each line is one; run it beside the wire view.".to_string(), limits()];
    Ok(show(call, "Practice", &intro, &GROUPS.iter().map(section).collect::<Vec<_>>()))
}

/// The broken answers, and who notices.
pub(crate) fn broken(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let authority = authority(call);
    let lines = KINDS.iter().map(|kind| Line {
        path: kind.path,
        curl: curl(&authority, "-i", kind.path),
        says: vec![
            format!("{}.", kind.fault),
            format!("curl 7.88.1: {}.", kind.curl),
            format!("Chromium 156: {}.", kind.chromium),
        ],
        link: Some(kind.path),
    });
    let intro = [
        "Answers that are wrong on purpose. The connection is closed behind each.".to_string(),
        "What is forgiven is the dangerous part: two programs that guess differently see two different messages."
            .to_string(),
    ];
    let section = Section { title: "What is wrong, and who notices", lines: lines.collect() };
    Ok(show(call, "Broken on purpose", &intro, &[section]))
}

/// Forms of the three encodings, to the echo.
pub(crate) fn form(_: &Call<'_, '_>) -> Result<Answer, Problem> {
    Ok(html(FormPage { style: STYLE }.render().unwrap_or_default()).into())
}

fn html(page: String) -> Response {
    unkept(Response::html(Status::OK, page))
        .field("Content-Security-Policy", POLICY.as_str())
        .field("Referrer-Policy", "same-origin")
}

fn show(call: &Call<'_, '_>, title: &str, intro: &[String], groups: &[Section]) -> Answer {
    let response = match form_for(call) {
        PageFormat::Html => html(Page { title, style: STYLE, intro, groups }.render().unwrap_or_default()),
        PageFormat::Json => {
            unkept(Response::json(Status::OK, serde_json::to_string(groups).unwrap_or_default() + "\n"))
        }
        PageFormat::Text => unkept(Response::text(Status::OK, lines(title, intro, groups))),
    };
    response.field("Vary", "Accept, User-Agent").into()
}

/// A page, unless the client names another form, or is curl and names none.
fn form_for(call: &Call<'_, '_>) -> PageFormat {
    let request = call.request;
    let curl = request.field("user-agent").is_some_and(|agent| agent.starts_with(b"curl/"))
        && (!request.has("accept") || request.list("accept").any(|range| range == b"*/*"));
    match PageFormat::named(request.fields("accept")) {
        Some(form) => form,
        None if curl => PageFormat::Text,
        None => PageFormat::Html,
    }
}

fn lines(title: &str, intro: &[String], groups: &[Section]) -> String {
    let mut out = format!("{title}\n\n");
    for sentence in intro {
        out += &format!("{sentence}\n");
    }
    for group in groups {
        out += &format!("\n{}\n", group.title);
        for line in &group.lines {
            out += &format!("  {}\n", line.curl);
            for says in &line.says {
                out += &format!("      {says}\n");
            }
        }
    }
    out
}

/// 404, with the way to the list.
pub(crate) fn unknown(call: &Call<'_, '_>) -> Response {
    let problem = Problem::new(Status::NOT_FOUND)
        .with_sentence("There is no practice of that name.")
        .with_advice("All of them: /.try/")
        .with_link("All practice", "/.try/");
    error_page::problem(call.request, &problem)
}
