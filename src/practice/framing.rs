//! How an answer says where it ends: `/.try/length/N`, `/.try/chunked`, `/.try/close`.
//!
//! RFC 9112 §6.3 (length), §7.1 (chunks, extensions, trailers), §9.6 (close); RFC 9110 §6.5 (trailers).
//!
//! Never: a trailer that could be taken for a field of the head. Only names that begin with `X-` go:
//! a recipient may merge trailers into the head, and a late `Content-Length` there is an attack
//! (RFC 9110 §6.5.1).
//!
//! The subtle thing: a chunk of size 0 is not an empty chunk but the end, so 0 is refused as a size.

use std::time::Duration;

use crate::http::Fields;
use crate::http::grammar::is_token;
use crate::practice::call::{Call, letters, silence, with_body};
use crate::practice::limits::{GAP, OUT, PIECES, WORDS};
use crate::practice::query::{Query, bad, number};
use crate::service::error_page::Problem;
use crate::service::{Answer, Body, Bytes, ChunkedBody};

/// Chunks where no sizes are given: two of different length, the second not a single digit of hex.
const SIZES: [u64; 2] = [5, 26];
/// Milliseconds between pieces where none are given: long enough to be seen.
pub(crate) const SEEN: u64 = 200;

/// So many bytes, and a length that says so.
pub(crate) fn length(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    call.query(&[])?;
    let count = number("The length", call.part, 0..=OUT)?;
    Ok(with_body(Body::Bytes(letters(0, count).into())).into())
}

/// No length: the end is the end.
pub(crate) fn close(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let count = call.query(&["n"])?.number("n", 40, 0..=OUT)?;
    Ok(with_body(Body::UntilClose(Bytes::Owned(letters(0, count)))).closing().into())
}

/// One `send` per chunk.
pub(crate) fn chunked(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["sizes", "gap", "ext", "trailer"])?;
    let sizes = query.numbers("sizes", &SIZES, 1..=OUT, PIECES)?;
    if sizes.iter().sum::<u64>() > OUT {
        return Err(bad("All sizes together may be 1,048,576 at most."));
    }
    let gap = Duration::from_millis(query.number("gap", SEEN, 0..=GAP)?);
    let silence = silence(sizes.len() as u64, gap)?;
    let extension = extension(&query)?;
    let (announced, trailers) = trailer(&query)?;
    let mut at = 0;
    let data = sizes.into_iter().map(|size| {
        at += size;
        letters(at - size, size)
    });
    let chunks = ChunkedBody { data: data.collect(), extension, trailers, gap };
    Ok(call.slow(silence, |held| {
        let response = with_body(Body::Chunks(Box::new(chunks))).with_token(held);
        let response = announced.iter().fold(response, |response, name| response.field("Trailer", name));
        response.into()
    }))
}

/// chunk-ext without its semicolon: `name`, or `name=value`, both tokens.
fn extension(query: &Query) -> Result<String, Problem> {
    let Some(text) = query.get("ext") else { return Ok(String::new()) };
    let (name, value) = text.split_once('=').unwrap_or((text, "x"));
    match text.len() <= WORDS && is_token(name.as_bytes()) && is_token(value.as_bytes()) {
        true => Ok(text.to_string()),
        false => Err(bad(format!("ext takes name or name=value, both tokens of HTTP, {WORDS} characters at most."))),
    }
}

/// One trailer and the name that announces it.
fn trailer(query: &Query) -> Result<(Option<String>, Fields), Problem> {
    let mut fields = Fields::new();
    let Some(text) = query.get("trailer") else { return Ok((None, fields)) };
    let (name, value) = text.split_once(':').unwrap_or((text, "\0"));
    let fits = text.len() <= WORDS && text.is_ascii() && name.get(..2).is_some_and(|x| x.eq_ignore_ascii_case("x-"));
    match fits && fields.push(name, value).is_ok() {
        true => Ok((Some(name.to_string()), fields)),
        false => Err(bad(format!(
            "trailer takes X-Name:value in printable ASCII, {WORDS} characters at most; other names could change the meaning of the head."
        ))),
    }
}
