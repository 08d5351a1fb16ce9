//! Caching, conditional requests and ranges. RFC 9111 §5.2; RFC 9110 §8.8, §13 and §14.
//!
//! | address | shows |
//! |---|---|
//! | `/.try/cache/SECONDS` | `max-age`: how long a response is fresh |
//! | `/.try/cache/etag`, `/.try/cache/modified` | 304 as long as a validator stays the same |
//! | `/.try/cache/never` | `no-store` |
//! | `/.try/range` | 206, 416 and If-Range |
//! | `/.try/note` | GET, PUT and DELETE with If-Match and If-None-Match |
//!
//! The rules of `files` for conditions and ranges are not used: they decide about validators of files, dates and
//! several ranges. Here each address has one kind of validator, and one range is enough for a lesson.

use std::ops::Range;
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};

use crate::http::grammar::decimal;
use crate::http::{HttpDate, Method, Request, Status, date};
use crate::practice::limits::{MAX_AGE, NOTE};
use crate::practice::query::{path_number, require};
use crate::practice::{PracticeRequest, PracticeState, TEXTS, hex, not_stored, text};
use crate::service::error_page::{self, Problem};
use crate::service::{Answer, Body, Response, texts::Values};

/// Seconds for which a tag and a date stay the same.
const STEADY: u64 = 10;

/// Bytes of `/.try/range`, and their tag: they never change.
const RANGE_LENGTH: u64 = 1000;
const RANGE_TAG: &str = "\"numbers\"";

/// Whether the client has the current version, so that 304 is the response. `current` is the tag of what there is;
/// `None` if there is nothing.
///
/// # Errors
/// 412 when a condition of the request is false (RFC 9110 §13.1.1, §13.1.2).
fn is_not_modified(request: &Request<'_>, current: Option<&str>) -> Result<bool, Problem> {
    // Without the mark of a weak tag.
    fn opaque(tag: &[u8]) -> &[u8] {
        tag.strip_prefix(b"W/").unwrap_or(tag)
    }
    // `*` matches each version, but not that there is none.
    let any = |name: &str, same: &dyn Fn(&[u8], &[u8]) -> bool| {
        current.is_some_and(|tag| request.list(name).any(|other| other == b"*" || same(other, tag.as_bytes())))
    };
    // A strong comparison (§8.8.3.2): a part of one version must not be joined to one of another.
    let is_expected = || any("if-match", &|other, tag| other == tag && !tag.starts_with(b"W/"));
    // A weak comparison ignores the mark: the content counts as the same, even if some of its bytes differ.
    let is_known = any("if-none-match", &|other, tag| opaque(other) == opaque(tag));
    let is_read = matches!(request.method(), Method::Get | Method::Head);
    // §13.2.2: If-Match comes first, and a field that is absent decides nothing.
    if (request.has("if-match") && !is_expected()) || (is_known && !is_read) {
        return Err(Problem::new(Status::PRECONDITION_FAILED));
    }
    Ok(is_known)
}

/// The text of one response, or 304. The number in it grows with each request that arrives, 304 included: if a client
/// shows the same number again, its cache did not ask. `address` is also the row of the texts about it.
fn counted(
    practice: &PracticeRequest<'_>,
    address: &'static str,
    is_not_modified: bool,
    values: Values<'_>,
) -> Response {
    // Before the decision, since a 304 was a request too.
    let mut counts = practice.state.counts.lock().unwrap_or_else(PoisonError::into_inner);
    let count = counts.entry(address).or_default();
    *count += 1;
    if is_not_modified {
        return Response::new(Status::NOT_MODIFIED);
    }
    let (number, about) = (TEXTS.say("request number", &[("count", count)]), TEXTS.say(address, values));
    Response::text(Status::OK, format!("{number} {about}\n{}\n", TEXTS.say("same number", &[])))
}

/// May be kept for as many seconds as the path says.
pub(super) fn max_age(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let seconds = path_number("age", practice.value, 0..=MAX_AGE)?;
    let response = counted(practice, "max-age", false, &[("seconds", &seconds)]);
    Ok(response.field("Cache-Control", format!("max-age={seconds}")).into())
}

/// May be kept, but a cache must ask whether its tag is still the same.
pub(super) fn etag(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // The number in the text grows while the tag stays, so the tag is weak: a strong one promises the same bytes.
    let tag = format!("W/\"{}\"", HttpDate::new(practice.context.now).second() / STEADY);
    let is_not_modified = is_not_modified(practice.request, Some(&tag))?;
    let response = counted(practice, "etag", is_not_modified, &[("seconds", &STEADY)]);
    Ok(response.field("ETag", tag).field("Cache-Control", "no-cache").into())
}

/// The same with a date instead of a tag.
pub(super) fn modified(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let second = HttpDate::new(practice.context.now).second() / STEADY * STEADY;
    let request = practice.request;
    // §13.1.3: with If-None-Match the date does not count, even if the address has no tag.
    let since = request.field("if-modified-since").filter(|_| !request.has("if-none-match")).and_then(date::parse);
    let is_not_modified = since.is_some_and(|since| since >= second);
    let response = counted(practice, "modified", is_not_modified, &[("seconds", &STEADY)]);
    Ok(response.field("Last-Modified", HttpDate::from_second(second).bytes()).field("Cache-Control", "no-cache").into())
}

/// Must not be kept.
pub(super) fn never(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Ok(not_stored(counted(practice, "no-store", false, &[])).into())
}

/// Lines of ten bytes. Each begins with its position, so one byte too many in a part is seen at once.
fn numbered_lines() -> String {
    (0..RANGE_LENGTH / 10).map(|line| format!("{:03}......\n", line * 10)).collect()
}

/// The positions that a Range field asks for: `None` for all, an empty range if none of them exists. A field that
/// breaks the grammar or has several ranges is ignored, as RFC 9110 §14.2 allows. `length`: of all bytes.
fn part(value: &[u8], length: u64) -> Option<Range<u64>> {
    let (unit, range) = std::str::from_utf8(value).ok()?.split_once('=')?;
    let (first, last) = range.split_once('-').filter(|_| unit.eq_ignore_ascii_case("bytes"))?;
    // 1*DIGIT. A number of too many digits is valid too, and means a position after the end.
    let position = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| decimal(digits.as_bytes()).unwrap_or(u64::MAX))
    };
    // Positions count from 0, and the last one is included.
    let (first, last) = match (position(first), position(last)) {
        (Some(first), Some(last)) if first <= last => (first, last),
        (Some(first), None) if last.is_empty() => (first, u64::MAX),
        // `-5` means the last five. The last none begin after the end.
        (None, Some(count)) if first.is_empty() => (length.saturating_sub(count), u64::MAX),
        _ => return None,
    };
    // `u64::MAX + 1` would overflow.
    Some(first.min(length)..last.saturating_add(1).min(length))
}

/// A thousand bytes, or one part of them.
pub(super) fn range(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let content = numbered_lines();
    in_parts(practice.request, RANGE_TAG, text, content.as_bytes()).map(Answer::Now)
}

/// The bytes with this strong tag, one part of them, or 304. `respond` makes a response of bytes.
///
/// # Errors
/// 412 when a condition of the request is false.
pub(super) fn in_parts(
    request: &Request<'_>,
    tag: &str,
    respond: impl Fn(Status, Vec<u8>) -> Response,
    bytes: &[u8],
) -> Result<Response, Problem> {
    if is_not_modified(request, Some(tag))? {
        let not_modified = respond(Status::NOT_MODIFIED, Vec::new()).with_body(Body::Empty);
        return Ok(not_modified.without_field("Content-Type").field("ETag", tag));
    }
    // §13.1.5: with another tag the client has bytes of another version, and gets everything.
    let is_same = !request.has("if-range") || request.field("if-range") == Some(tag.as_bytes());
    // §14.2: Range means something only with GET.
    let asked = request.field("range").filter(|_| is_same && request.method() == Method::Get);
    let length = bytes.len() as u64;
    let respond = |status, bytes| respond(status, bytes).field("Accept-Ranges", "bytes").field("ETag", tag);
    Ok(match asked.and_then(|value| part(value, length)) {
        None => respond(Status::OK, bytes.to_vec()),
        Some(part) if part.is_empty() => {
            let end = length.saturating_sub(1);
            let said = TEXTS.say("no range", &[("length", &length), ("end", &end)]) + "\n";
            let response = respond(Status::RANGE_NOT_SATISFIABLE, said.into_bytes());
            response
                .replace_field("Content-Type", "text/plain; charset=utf-8")
                .field("Content-Range", format!("bytes */{length}"))
        }
        Some(Range { start, end }) => {
            let response = respond(Status::PARTIAL_CONTENT, bytes[start as usize..end as usize].to_vec());
            response.field("Content-Range", format!("bytes {start}-{}/{length}", end - 1))
        }
    })
}

/// A text of whole lines that clients create, read, replace and remove. It is kept in memory and is gone when the server stops.
pub(super) struct Note {
    text: Arc<Vec<u8>>,
    tag: String,
}

/// Applies the method to the note, if the conditions of the request are true (RFC 9110 §9.3). It changes nothing on the
/// disk, so it needs no `--write`.
pub(super) fn note(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let request = practice.request;
    let is_put = request.method() == Method::Put;
    require(!is_put || !request.has("content-range"), "partial put", &[])?;
    // Without content the note is changed at once: a PUT of nothing makes it empty.
    if !is_put || !request.framing().has_content() {
        return change_note(practice.state, request, Vec::new()).map(Answer::Now);
    }
    // The content comes later, when the borrowed request is gone.
    let (state, request) = (Arc::clone(practice.state), request.clone().into_owned());
    let page = |request: &_, problem| error_page::problem(request, &problem);
    let then = move |content| change_note(&state, &request, content).unwrap_or_else(|problem| page(&request, problem));
    Ok(Answer::Collect { limit: NOTE, then: Box::new(then) })
}

/// The response of one method, and what it does to the note. `content` is that of PUT.
fn change_note(state: &PracticeState, request: &Request<'_>, content: Vec<u8>) -> Result<Response, Problem> {
    // Locked from the condition to the change: of two clients that say `If-None-Match: *`, only one may be the first.
    let mut note = state.note.lock().unwrap_or_else(PoisonError::into_inner);
    let tag = note.as_ref().map(|note| note.tag.clone());
    if is_not_modified(request, tag.as_deref())? {
        let response = Response::new(Status::NOT_MODIFIED).field("ETag", tag.unwrap_or_default());
        return Ok(not_stored(response));
    }
    match request.method() {
        Method::Put => {
            if std::str::from_utf8(&content).is_err() {
                return Err(Problem::new(Status::UNSUPPORTED_MEDIA_TYPE).saying(TEXTS.row("note text", &[])));
            }
            // A terminal shows the next prompt in a line of its own.
            let is_changed = !content.ends_with(b"\n");
            let content = if is_changed { [&content, &b"\n"[..]].concat() } else { content };
            // A hash of the text: a strong tag (§8.8.3), and the same for the same text after a restart.
            let tag = format!("\"{}\"", hex(&Sha256::digest(&content)[..8]));
            let status = if note.is_some() { Status::NO_CONTENT } else { Status::CREATED };
            // §9.3.4: the tag tells the client that what it sent was stored as it is.
            let response = Response::new(status);
            let response = if is_changed { response } else { response.field("ETag", &tag) };
            *note = Some(Note { text: Arc::new(content), tag });
            Ok(not_stored(response))
        }
        Method::Delete if note.take().is_some() => Ok(not_stored(Response::new(Status::NO_CONTENT))),
        _ => match note.as_ref() {
            Some(note) => Ok(text(Status::OK, Arc::clone(&note.text)).field("ETag", &note.tag)),
            None => Err(Problem::new(Status::NOT_FOUND).saying(TEXTS.row("no note", &[]))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_part_ignored_or_unsatisfiable() {
        for (value, expected) in [
            ("bytes=0-9", Some(0..10)),
            ("Bytes=500-509", Some(500..510)),
            ("bytes=990-", Some(990..1000)),
            ("bytes=990-5000", Some(990..1000)),
            ("bytes=-5", Some(995..1000)),
            ("bytes=-5000", Some(0..1000)),
            ("bytes=0-99999999999999999999", Some(0..1000)),
            ("bytes=1000-", Some(1000..1000)),
            ("bytes=99999999999999999999-", Some(1000..1000)),
            ("bytes=1000-2000", Some(1000..1000)),
            ("bytes=-0", Some(1000..1000)),
            ("bytes=9-0", None),
            ("bytes=0-1,5-6", None),
            ("bytes=", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("lines=0-9", None),
            ("0-9", None),
        ] {
            assert_eq!(part(value.as_bytes(), RANGE_LENGTH), expected, "{value}");
        }
        let all = numbered_lines();
        assert_eq!((all.len() as u64, &all[500..510]), (RANGE_LENGTH, "500......\n"));
    }
}
