//! Responses written byte by byte: `/.try/broken/KIND?yes`, and those of `status` and `framing` that the ordinary
//! writer refuses, because it writes only correct ones.
//!
//! | kind | broken rule |
//! |---|---|
//! | `no-blank-line` | a head ends with a blank line (RFC 9112 §2.1) |
//! | `lf-only` | a line ends with CRLF (§2.2) |
//! | `long-length`, `short-length`, `two-lengths` | the length is that of the content, and there is one (§6.3) |
//! | `bad-chunk`, `no-last-chunk` | each chunk has a size, and the last one has size 0 (§7.1) |
//! | `space-before-colon` | a field name is followed by its colon (§5.1) |
//!
//! curl forgives half of them, so a test with curl alone would not notice. `broken.txt` says what curl and Chromium do.
//! The connection ends after each of these responses, and the head says so.

use std::time::Duration;

use crate::http::{HttpDate, Method, Status};
use crate::practice::query::{Query, bad_request};
use crate::practice::{PracticeRequest, TEXTS, catalogue};
use crate::service::error_page::Problem;
use crate::service::{Answer, ByteOffset, CloseBy, DropToken, Pause, RawResponse};

/// The fields of plain text, in the order of the ordinary writer.
pub(super) const TEXT_FIELDS: &str =
    "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n";

/// The content of all kinds: 33 bytes, 21 in hexadecimal.
const CONTENT: &str = "This response has a fault in it.\n";
/// How long a client waits in vain for the rest of a length that is too long, until the connection ends.
const WAIT: Duration = Duration::from_secs(1);

/// Status line, `Date` and `Connection`, which the ordinary writer puts first.
pub(super) fn start(practice: &PracticeRequest<'_>, status: Status, reason: &str, connection: &str) -> String {
    let date = HttpDate::new(practice.context.now);
    let date = String::from_utf8_lossy(date.bytes());
    format!("HTTP/1.1 {} {reason}\r\nDate: {date}\r\nConnection: {connection}\r\n", status.code())
}

/// The response of these lines, a blank line and `content`, which HEAD does not get. It ends with a FIN and has no
/// pauses; the caller may change that.
///
/// Nothing is checked here: bytes of a request must not be passed unless the caller has checked them.
pub(super) fn raw(practice: &PracticeRequest<'_>, status: Status, lines: String, content: &str) -> RawResponse {
    let content = if practice.request.method() == Method::Head { "" } else { content };
    let bytes = (lines + "\r\n" + content).into_bytes();
    RawResponse { status, bytes, pauses: Vec::new(), close: CloseBy::Fin, token: DropToken::default() }
}

/// A broken response of the kind in the path.
pub(super) fn broken(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let kinds = catalogue::broken_kinds();
    let Some([name, fault, ..]) = kinds.iter().find(|[name, ..]| name.as_bytes() == practice.value) else {
        let names: Vec<&str> = kinds.iter().map(|[name, ..]| *name).collect();
        let problem = Problem::new(Status::NOT_FOUND).saying(TEXTS.row("no kind", &[("names", &names.join(", "))]));
        return Err(problem.with_link(TEXTS.say("link to broken", &[]), "/.try/broken/"));
    };
    // A link that was followed by accident, or fetched in advance, must not look like a broken server.
    if !Query::of(practice.request, &["yes"])?.switch("yes")? {
        let problem = bad_request("confirm", &[("fault", fault)]);
        return Err(problem.with_link(TEXTS.say("link to confirm", &[]), "?yes"));
    }
    let mut response = raw_broken(practice, name);
    if *name != "long-length" || practice.request.method() == Method::Head {
        return Ok(Answer::Raw(Box::new(response)));
    }
    // Other kinds end at once. Here the connection stays open for a moment, so that the client is seen waiting for
    // bytes that never come.
    let end = ByteOffset::Response(response.bytes.len() as u64);
    response.pauses.push(Pause { before: end, time: WAIT });
    Ok(practice.slow(WAIT, |token| Answer::Raw(Box::new(RawResponse { token, ..response }))))
}

/// The bytes of one kind. A name that is not listed here breaks nothing, so each name of `broken.txt` must be.
fn raw_broken(practice: &PracticeRequest<'_>, name: &str) -> RawResponse {
    // Lengths: 33 is right, 100 is too long, and 11 is in the middle of a word.
    let framing = match name {
        "long-length" => "Content-Length: 100\r\n",
        "short-length" => "Content-Length: 11\r\n",
        "two-lengths" => "Content-Length: 33\r\nContent-Length: 11\r\n",
        "space-before-colon" => "Content-Length : 33\r\n",
        "bad-chunk" | "no-last-chunk" => "Transfer-Encoding: chunked\r\n",
        _ => "Content-Length: 33\r\n",
    };
    // After the first chunk, which is right, so that the fault comes when the client trusts the framing.
    let content = match name {
        "bad-chunk" => format!("21\r\n{CONTENT}\r\nxyz\r\nwhat is this?\r\n0\r\n\r\n"),
        "no-last-chunk" => format!("21\r\n{CONTENT}\r\n"),
        "no-blank-line" => String::new(),
        _ => CONTENT.to_string(),
    };
    let lines = start(practice, Status::OK, "OK", "close") + framing + TEXT_FIELDS;
    let mut response = raw(practice, Status::OK, lines, &content);
    match name {
        // Without content, the blank line is the last thing in it.
        "no-blank-line" => response.bytes.truncate(response.bytes.len() - 2),
        // §2.2 lets a recipient accept LF alone, and forbids a sender to write it.
        "lf-only" => response.bytes.retain(|&b| b != b'\r'),
        _ => {}
    }
    response
}
