//! How a response says where it ends, and when its bytes come. RFC 9112 §6.3, §7.1, §8 and §9.6.
//!
//! | address | parameters | response |
//! |---|---|---|
//! | `/.try/length/N` | | `Content-Length` |
//! | `/.try/utf8` | | a length in bytes and not in characters |
//! | `/.try/chunked` | `sizes`, `gap`, `ext`, `trailer` | chunks, one `send` for each |
//! | `/.try/close` | `n` | ends with the connection |
//! | `/.try/drip` | `n`, `gap` | one byte in each `send` |
//! | `/.try/split` | `at`, `gap` | cut at these bytes, the head too |
//! | `/.try/wait/MS` | `where` | late |
//! | `/.try/cut` | `send`, `of`, `how` | incomplete |
//!
//! Pauses are deadlines of the event loop, so no thread sleeps. The bytes before a pause and those after it are never
//! sent by one `send`, even if the pause is empty: `gap=0` still makes pieces.

use std::sync::LazyLock;
use std::time::Duration;

use crate::http::grammar::is_token;
use crate::http::{Fields, Limits, Status};
use crate::practice::broken::{TEXT_FIELDS, raw, start};
use crate::practice::limits::{CONTENT, GAP, LENGTH, PHRASE, PIECES, SILENCE, silence};
use crate::practice::query::{Query, bad_request, path_number, require};
use crate::practice::{PracticeRequest, say, text};
use crate::service::error_page::Problem;
use crate::service::text::grouped;
use crate::service::{Answer, Body, ByteOffset, Bytes, ChunkedBody, CloseBy, Pause, RawResponse};

/// Milliseconds between pieces unless the query says otherwise: long enough to be seen.
const DEFAULT_GAP: u64 = 200;

/// `count` letters from `a` to `z` and again, so that a reader sees where they go on.
fn letters(from: u64, count: u64) -> String {
    (from..from + count).map(|n| char::from(b'a' + (n % 26) as u8)).collect()
}

/// As many bytes as the path says, with `Content-Length`.
pub(super) fn length(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Query::of(practice.request, &[])?;
    /// Made when it is asked for first, by copies of one alphabet: letter by letter would hold up the loop.
    static LETTERS: LazyLock<Vec<u8>> =
        LazyLock::new(|| letters(0, 26).repeat((LENGTH / 26) as usize + 1).into_bytes());
    let count = path_number("length", practice.value, 0..=LENGTH)?;
    Ok(text(Status::OK, &LETTERS[..count as usize]).into())
}

/// Ten bytes of UTF-8. `Content-Length` counts bytes and not characters (RFC 9110 §8.6).
pub(super) fn utf8(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // Characters of 2, 3, 4 and 1 bytes. The explanation is in fields, so that only they are counted.
    Ok(text(Status::OK, "é汉😀a").field("X-Characters", "4").field("X-Bytes", "10").into())
}

/// Content without a length: it ends with the connection.
pub(super) fn close(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let count = Query::of(practice.request, &["n"])?.number("n", 40, 0..=CONTENT)?;
    // Also on HTTP/1.1, where the client would understand a length or chunks.
    let body = Body::UntilClose(Bytes::from(letters(0, count)));
    Ok(text(Status::OK, "").with_body(body).closing().into())
}

/// Chunks, each in a `send` of its own, with an extension and a trailer if the query gives them.
pub(super) fn chunked(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["sizes", "gap", "ext", "trailer"])?;
    // Without sizes, the second chunk has two hexadecimal digits. A size of 0 is refused: it is the end of the content.
    let sizes = query.numbers("sizes", &[5, 26], 1..=CONTENT, PIECES)?;
    require(sizes.iter().sum::<u64>() <= CONTENT, "sizes", &[("most", &grouped(CONTENT))])?;
    let gap = query.number("gap", DEFAULT_GAP, 0..=GAP)?;
    let silence = silence(sizes.len() as u64, gap)?;
    let extension = extension(&query)?;
    let (announced, trailers) = trailer(&query)?;
    // The letters go on from chunk to chunk, so that a lost one is seen.
    let mut from = 0;
    let data = sizes.into_iter().map(|size| {
        from += size;
        letters(from - size, size).into_bytes()
    });
    let body = ChunkedBody { data: data.collect(), extension, trailers, gap: Duration::from_millis(gap) };
    Ok(practice.slow(silence, |token| {
        let response = text(Status::OK, "").with_body(Body::Chunks(Box::new(body))).with_token(token);
        // `Trailer` lets a recipient prepare for the fields that come last (RFC 9110 §6.6.2).
        announced.iter().fold(response, |response, name| response.field("Trailer", name)).into()
    }))
}

/// The chunk-ext of the query without its semicolon: `name` or `name=value`.
fn extension(query: &Query) -> Result<String, Problem> {
    let Some(text) = query.get("ext") else { return Ok(String::new()) };
    // A name alone is valid too; the value is then only one that passes.
    let (name, value) = text.split_once('=').unwrap_or((text, "x"));
    // Tokens only: a line end or a semicolon would change the framing of everything that follows.
    let is_harmless = text.len() <= PHRASE && is_token(name.as_bytes()) && is_token(value.as_bytes());
    require(is_harmless, "ext", &[("most", &PHRASE)])?;
    Ok(text.to_string())
}

/// The trailer of the query, and the name that announces it.
fn trailer(query: &Query) -> Result<(Option<String>, Fields), Problem> {
    let mut fields = Fields::new();
    let Some(text) = query.get("trailer") else { return Ok((None, fields)) };
    // Without a colon there is no value; NUL is none that can be sent, so it is refused below.
    let (name, value) = text.split_once(':').unwrap_or((text, "\0"));
    // Only `X-` names: a recipient may merge trailers into the head, where a late `Content-Length` is an attack
    // (RFC 9110 §6.5.1).
    let is_harmless = text.is_ascii() && name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("x-"));
    let is_trailer = text.len() <= PHRASE && is_harmless && fields.push(name, value).is_ok();
    require(is_trailer, "trailer", &[("most", &PHRASE)])?;
    Ok((Some(name.to_string()), fields))
}

/// One byte in each `send`.
pub(super) fn drip(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["n", "gap"])?;
    let count = query.number("n", 10, 1..=PIECES)?;
    let gap = query.number("gap", 500, 0..=GAP)?;
    let silence = silence(count - 1, gap)?;
    // The first byte does not wait, but an empty pause separates it from the head.
    let gap_before = |n| Duration::from_millis(if n == 0 { 0 } else { gap });
    let pauses = (0..count).map(|n| Pause { before: ByteOffset::Content(n), time: gap_before(n) });
    Ok(practice.slow(silence, |token| text(Status::OK, letters(0, count)).with_pauses(pauses).with_token(token).into()))
}

/// One response, cut before the bytes that `at` names, counted from the first byte of the head.
pub(super) fn split(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["at", "gap"])?;
    // Without cuts of its own: inside the version, the reason phrase and the first field name.
    let cuts = query.numbers("at", &[3, 10, 17], 1..=Limits::HEAD_CEILING as u64, 100)?;
    // Two cuts at one place would be one, and the response would take less time than its cuts say.
    let is_sorted = cuts.is_sorted_by(|a, b| a < b);
    require(is_sorted, "cuts", &[])?;
    let gap = query.number("gap", DEFAULT_GAP, 0..=GAP)?;
    let silence = silence(cuts.len() as u64, gap)?;
    let time = Duration::from_millis(gap);
    let pauses = cuts.into_iter().map(|at| Pause { before: ByteOffset::Response(at), time });
    Ok(practice.slow(silence, |token| say(Status::OK, "split", &[]).with_pauses(pauses).with_token(token).into()))
}

/// A response that waits before its head or before its body.
pub(super) fn wait(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["where"])?;
    let milliseconds = path_number("wait", practice.value, 0..=SILENCE)?;
    // Before the head nothing is sent at all: the client cannot tell a slow server from a lost request.
    let (before, name) = match query.get("where") {
        None | Some("head") => (ByteOffset::Response(0), "wait head"),
        Some("body") => (ByteOffset::Content(0), "wait body"),
        Some(_) => return Err(bad_request("where", &[])),
    };
    let time = Duration::from_millis(milliseconds);
    let response = say(Status::OK, name, &[("milliseconds", &milliseconds)]);
    Ok(practice.slow(time, |token| response.with_pauses([Pause { before, time }]).with_token(token).into()))
}

/// A response that announces `of` bytes and sends only `send` of them before the connection ends.
pub(super) fn cut(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let query = Query::of(practice.request, &["send", "of", "how"])?;
    let of = query.number("of", 100, 1..=CONTENT)?;
    // At least one byte is missing, else nothing would be cut.
    let send = query.number("send", 20.min(of - 1), 0..=CONTENT - 1)?;
    require(send < of, "send", &[])?;
    let close = match query.get("how") {
        None | Some("fin") => CloseBy::Fin,
        Some("rst") => CloseBy::Reset,
        Some(_) => return Err(bad_request("how", &[])),
    };
    // The ordinary writer would never send fewer bytes than it has announced.
    let lines = start(practice, Status::OK, "OK", "close") + &format!("Content-Length: {of}\r\n") + TEXT_FIELDS;
    let response = raw(practice, Status::OK, lines, &letters(0, send));
    Ok(Answer::Raw(Box::new(RawResponse { close, ..response })))
}
