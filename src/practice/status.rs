//! `/.try/status/CODE`: any final status with what the RFC demands of it; `/.try/fail` and `/.try/busy`:
//! the ways in which a server itself gives up.
//!
//! RFC 9110 §15. `?reason=` puts other words behind the code (RFC 9112 §4): they mean nothing to a
//! program, and whoever believes otherwise can find out here.
//!
//! Never: a target from elsewhere. Every Location is [`LANDED`].
//!
//! The subtle thing: 426 must name a protocol in `Upgrade`, and a reason phrase of somebody's own is
//! nothing an ordinary response has; both are written out by hand, and the connection ends behind them.

use crate::http::Status;
use crate::practice::call::{Call, text};
use crate::practice::limits::WORDS;
use crate::practice::query::{bad, number};
use crate::practice::raw;
use crate::practice::raw::Head;
use crate::service::error_page::Problem;
use crate::service::{Answer, CloseBy, DropToken, Lane, Response};
use crate::wire::explain::notes::NoteId;

/// Where every redirect of practice leads in the end.
pub(crate) const LANDED: &str = "/.try/landed";
/// What the challenges are about.
const BASIC: &str = "Basic realm=\"practice\", charset=\"UTF-8\"";

/// Any status from 200 to 599.
pub(crate) fn status(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["reason"])?;
    if let [b'1', b'0'..=b'9', b'0'..=b'9'] = call.part {
        let problem = bad("A status from 100 to 199 is never the last word: a final one follows it.");
        return Err(problem
            .with_advice("See it at /.try/interim/103")
            .with_link("Interim responses", "/.try/interim/103"));
    }
    let code = number("The code", call.part, 200..=599)?;
    let Some(status) = u16::try_from(code).ok().and_then(Status::new) else { return Err(bad("That is no status.")) };
    let reason = match query.get("reason") {
        None => None,
        Some(words) if words.len() <= WORDS && words.bytes().all(|o| matches!(o, b' '..=b'~')) => Some(words),
        Some(_) => return Err(bad(format!("reason takes at most {WORDS} printable characters of ASCII."))),
    };
    if reason.is_some() || code == 426 {
        return Ok(by_hand(call, status, reason.unwrap_or(status.reason())));
    }
    let response = match has_content(status) {
        true => text(status, explain(status)),
        false => Response::new(status).field("Cache-Control", "no-store"),
    };
    let response = demanded(status).into_iter().fold(response, |r, (name, value)| r.field(name, value));
    // RFC 9110 §15.5.9: a server that sends 408 has decided to close.
    Ok(if status == Status::REQUEST_TIMEOUT { response.closing() } else { response }.into())
}

/// 205 must not have content either, though a length of 0 (RFC 9110 §15.3.6).
fn has_content(status: Status) -> bool {
    !status.forbids_content() && status != Status::RESET_CONTENT
}

/// Code and phrase, what they mean, and where that stands.
fn explain(status: Status) -> String {
    let note = NoteId::status(status.code()).note();
    format!("{status}: {}.\n{}. ({})\n", note.short, note.long, status.section())
}

/// The fields that a response of this status must or should have.
fn demanded(status: Status) -> Vec<(&'static str, String)> {
    let field = |name, value: &str| vec![(name, value.to_string())];
    match status.code() {
        201 | 300..=303 | 307 | 308 => field("Location", LANDED),
        206 => {
            let len = explain(status).len();
            field("Content-Range", &format!("bytes 0-{}/{len}", len - 1))
        }
        304 => field("ETag", "\"practice\""),
        401 => field("WWW-Authenticate", BASIC),
        405 => field("Allow", "OPTIONS"),
        407 => field("Proxy-Authenticate", BASIC),
        416 => field("Content-Range", "bytes */1000"),
        429 | 503 => field("Retry-After", "5"),
        _ => Vec::new(),
    }
}

/// The same written out: the only way to another reason phrase, and to `Upgrade`.
fn by_hand(call: &Call<'_, '_>, status: Status, reason: &str) -> Answer {
    let upgrades = status == Status::UPGRADE_REQUIRED;
    let mut head = Head::new(call, status, reason, if upgrades { "close, upgrade" } else { "close" });
    let content = if has_content(status) { explain(status) } else { String::new() };
    if !status.forbids_content() {
        head = head.number("Content-Length", content.len() as u64);
    }
    head = if has_content(status) { head.text_lines() } else { head.line("Cache-Control", "no-store") };
    if upgrades {
        head = head.line("Upgrade", "websocket");
    }
    let head = demanded(status).into_iter().fold(head, |head, (name, value)| head.line(name, &value));
    raw::answer(call, status, head.content(content.as_bytes()), Vec::new(), CloseBy::Fin, DropToken::default())
}

/// Where redirects end.
pub(crate) fn landed(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let note = format!("You have landed, with {}.\n", call.method().name());
    Ok(text(Status::OK, note).into())
}

/// A handler with a fault of its own: what its client sees of it is what any panic would show.
pub(crate) fn fail(_: &Call<'_, '_>) -> Result<Answer, Problem> {
    Ok(Answer::Blocking(Lane::Long, Box::new(|| panic!("/.try/fail was asked to fail, and does"))))
}

/// A server without room.
pub(crate) fn busy(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    Ok(call.busy())
}
