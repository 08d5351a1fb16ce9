//! Any status with the fields that RFC 9110 §15 demands of it, redirects, interim responses (1xx), and the ways in
//! which a server itself fails.
//!
//! | address | parameters | response |
//! |---|---|---|
//! | `/.try/status/CODE` | `reason` | any status from 200 to 599 |
//! | `/.try/redirect/CODE`, `/.try/redirect/loop` | `times` | 3xx |
//! | `/.try/interim/CODE` | | 1xx, then 200 |
//! | `/.try/expect/refuse` | | 413 in the place of 100 |
//! | `/.try/fail`, `/.try/busy` | | 500, 503 |
//!
//! A redirect leads to a path under `/.try/` that is written anew from a code and a number, so no request can choose
//! where a client is sent.

use crate::http::grammar::decimal;
use crate::http::{Fields, Status};
use crate::practice::broken::{TEXT_FIELDS, raw, start};
use crate::practice::identity::BASIC;
use crate::practice::limits::{PHRASE, REDIRECTS};
use crate::practice::query::{Query, bad_request, path_number, require};
use crate::practice::{PracticeRequest, TEXTS, not_stored, say, text};
use crate::service::error_page::Problem;
use crate::service::{Answer, Lane, Response};
use crate::wire::explain::notes::NoteId;

/// Where redirects end.
const LANDED: &str = "/.try/landed";

/// A response of the status in the path. `?reason=` sets other words after the code: programs must ignore them
/// (RFC 9112 §4), and here a program that does not is found out.
pub(super) fn status(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["reason"])?;
    // Valid codes, but of responses that cannot stand alone: a client would wait for the final one.
    if let [b'1', b'0'..=b'9', b'0'..=b'9'] = practice.value {
        let link = "/.try/interim/103";
        return Err(bad_request("interim code", &[("link", &link)]).with_link(TEXTS.say("link to interim", &[]), link));
    }
    let code = path_number("code", practice.value, 200..=599)?;
    let status = status_of(code).ok_or_else(|| bad_request("no status", &[]))?;
    // These words go into the status line as they are, so a line end in them would begin a second head.
    let reason = query.get("reason");
    let is_harmless = |words: &str| words.len() <= PHRASE && words.bytes().all(|b| matches!(b, b' '..=b'~'));
    require(reason.is_none_or(is_harmless), "reason", &[("most", &PHRASE)])?;
    // The ordinary writer cannot do this: only the connection may write `Upgrade`, and it knows only the usual phrases.
    if reason.is_some() || status == Status::UPGRADE_REQUIRED {
        return Ok(raw_status(practice, status, reason.unwrap_or(status.reason())));
    }
    let response = if has_content(status) { text(status, explain(status)) } else { not_stored(Response::new(status)) };
    let response = demanded(practice, status).into_iter().fold(response, |r, (name, value)| r.field(name, value));
    // RFC 9110 §15.5.9: a server that sends 408 has decided to close.
    Ok(if status == Status::REQUEST_TIMEOUT { response.closing() } else { response }.into())
}

/// The response of this status, written byte by byte.
fn raw_status(practice: &PracticeRequest<'_>, status: Status, reason: &str) -> Answer {
    let is_upgrade = status == Status::UPGRADE_REQUIRED;
    let content = if has_content(status) { explain(status) } else { String::new() };
    // The order of the lines is that of the ordinary writer. `Upgrade` counts only if `Connection` names it (RFC 9110
    // §7.8).
    let mut lines = start(practice, status, reason, if is_upgrade { "close, upgrade" } else { "close" });
    if !status.forbids_content() {
        lines += &format!("Content-Length: {}\r\n", content.len());
    }
    lines += if has_content(status) { TEXT_FIELDS } else { "Cache-Control: no-store\r\n" };
    if is_upgrade {
        lines += "Upgrade: websocket\r\n";
    }
    if let Some((name, value)) = demanded(practice, status) {
        lines += &format!("{name}: {value}\r\n");
    }
    Answer::Raw(Box::new(raw(practice, status, lines, &content)))
}

/// The status of a code of three digits.
fn status_of(code: u64) -> Option<Status> {
    u16::try_from(code).ok().and_then(Status::new)
}

/// 205 must not have content either, but it has a length of 0 (RFC 9110 §15.3.6).
fn has_content(status: Status) -> bool {
    !status.forbids_content() && status != Status::RESET_CONTENT
}

/// The status, its meaning, and the section that defines it.
fn explain(status: Status) -> String {
    let note = NoteId::status(status.code()).note();
    let first = TEXTS.say("status", &[("status", &status), ("short", &note.short)]);
    let second = TEXTS.say("meaning", &[("long", &note.long), ("section", &status.section())]);
    format!("{first}\n{second}\n")
}

/// The field that a response of this status must or should have.
fn demanded(practice: &PracticeRequest<'_>, status: Status) -> Option<(&'static str, String)> {
    let length = explain(status).len();
    let range = format!("bytes 0-{}/{length}", length - 1);
    let landed = practice.reference(LANDED);
    let (name, value) = match status.code() {
        201 | 300..=303 | 307 | 308 => ("Location", landed.as_str()),
        // The whole text is the range, so that the numbers are true.
        206 => ("Content-Range", range.as_str()),
        304 => ("ETag", "\"practice\""),
        401 => ("WWW-Authenticate", BASIC),
        405 => ("Allow", "OPTIONS"),
        407 => ("Proxy-Authenticate", BASIC),
        416 => ("Content-Range", "bytes */1000"),
        429 | 503 => ("Retry-After", "5"),
        _ => return None,
    };
    Some((name, value.to_string()))
}

/// A redirect, `times` of them in a row. All methods may come here: 307 and 308 keep the method and the content, 303
/// turns it into GET, and for 301 and 302 clients differ (RFC 9110 §15.4).
pub(super) fn redirect(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let times = Query::of(practice.request, &["times"])?.number("times", 1, 1..=REDIRECTS)?;
    // Without 300 and 304, which do not send a client on by themselves.
    let code = decimal(practice.value).filter(|code| matches!(code, 301..=303 | 307 | 308));
    let Some(status) = code.and_then(status_of) else {
        return Err(bad_request("redirect code", &[]));
    };
    // The number counts down, so that the chain ends by itself.
    let (path, query) = match times {
        1 => (LANDED.to_string(), String::new()),
        _ => (format!("/.try/redirect/{}", status.code()), format!("?times={}", times - 1)),
    };
    let response = say(status, "redirect", &[("status", &status), ("path", &(path.clone() + &query))]);
    Ok(response.field("Location", practice.reference(&path) + &query).into())
}

/// A redirect to itself.
pub(super) fn redirect_loop(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Query::of(practice.request, &[])?;
    let response = say(Status::FOUND, "redirect loop", &[]);
    Ok(response.field("Location", practice.reference("/.try/redirect/loop")).into())
}

/// The end of all redirects, which says what they have made of the method.
pub(super) fn landed(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Ok(say(Status::OK, "landed", &[("method", &practice.request.method().name())]).into())
}

/// An interim response before the final one (RFC 9110 §15.2, RFC 8297). The loop sends each in a `send` of its own, so
/// a client that takes the first bytes for the response is found out. HTTP/1.0 gets only the final one.
pub(super) fn interim(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let status = match practice.value {
        b"100" => Status::CONTINUE,
        b"102" => Status::PROCESSING,
        b"103" => Status::EARLY_HINTS,
        _ => return Err(bad_request("no interim", &[])),
    };
    let mut fields = Fields::new();
    if status == Status::EARLY_HINTS {
        // Cannot fail: the name is valid, and the value consists of bytes of an address.
        let _ = fields.push("Link", format!("<{}>; rel=preload; as=fetch", practice.reference(LANDED)));
    }
    Ok(say(Status::OK, "interim", &[("status", &status)]).after_interim(status, fields).into())
}

/// 413 before any content is read, so in the place of 100 (Continue) too (RFC 9110 §10.1.1).
pub(super) fn refuse(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Ok(say(Status::CONTENT_TOO_LARGE, "refuse", &[]).into())
}

/// A handler that panics: the client gets what any other panic would give it.
pub(super) fn fail(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // On a worker, where a panic costs one response.
    Ok(Answer::Blocking(Lane::Handler.into(), Box::new(|| panic!("/.try/fail was asked to fail, and does"))))
}
