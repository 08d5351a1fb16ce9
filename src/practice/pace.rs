//! Answers that take their time: `/.try/drip`, `/.try/split`, `/.try/wait/MS`, and the one that never
//! gets there, `/.try/cut`.
//!
//! RFC 9112 §8 (incomplete messages), §9.8 (how a connection ends).
//!
//! Never: a thread that sleeps. Every pause is a deadline of the loop.
//!
//! The subtle thing: what stands before a pause and what stands after it are never one `send`, even if
//! the pause is empty. So `gap=0` still shows the pieces, as fast as the kernel takes them.

use std::time::Duration;

use crate::http::{Limits, Status};
use crate::practice::call::{Call, letters, pauses, silence, text, with_body};
use crate::practice::framing::SEEN;
use crate::practice::limits::{GAP, OUT, PIECES, SILENCE};
use crate::practice::query::{bad, number};
use crate::practice::raw;
use crate::practice::raw::Head;
use crate::service::error_page::Problem;
use crate::service::{Answer, Body, ByteOffset, CloseBy, DropToken};

/// Where an answer is cut when nobody says where: inside the version, the reason phrase, the next name.
const CUTS: [u64; 3] = [3, 10, 17];
/// Cuts of one answer at most: more than it has lines.
const MOST_CUTS: u64 = 100;
/// What is cut.
const WORDS: &str = "One answer in several pieces. TCP is a stream: nothing but HTTP itself says where it ends.\n";

/// One byte at a time.
pub(crate) fn drip(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["n", "gap"])?;
    let count = query.number("n", 10, 1..=PIECES)?;
    let gap = Duration::from_millis(query.number("gap", 500, 0..=GAP)?);
    let silence = silence(count - 1, gap)?;
    // The first byte waits for nothing, but it does not come with the head.
    let mut places = pauses([ByteOffset::Content(0)], Duration::ZERO);
    places.extend(pauses((1..count).map(ByteOffset::Content), gap));
    let body = Body::Bytes(letters(0, count).into());
    Ok(call.slow(silence, |held| with_body(body).with_pauses(places).with_token(held).into()))
}

/// The answer cut at these bytes.
pub(crate) fn split(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["at", "gap"])?;
    let at = query.numbers("at", &CUTS, 1..=Limits::HEAD_CEILING as u64, MOST_CUTS)?;
    if !at.is_sorted_by(|a, b| a < b) {
        return Err(bad("at takes offsets in ascending order, each once: 3,10,17."));
    }
    let gap = Duration::from_millis(query.number("gap", SEEN, 0..=GAP)?);
    let silence = silence(at.len() as u64, gap)?;
    let places = pauses(at.into_iter().map(ByteOffset::Response), gap);
    Ok(call.slow(silence, |held| text(Status::OK, WORDS).with_pauses(places).with_token(held).into()))
}

/// Slow before the head, or behind it.
pub(crate) fn wait(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["where"])?;
    let most = u64::try_from(SILENCE.as_millis()).unwrap_or(u64::MAX);
    let time = number("The wait, in milliseconds,", call.part, 0..=most)?;
    let (place, name) = match query.get("where") {
        None | Some("head") => (ByteOffset::Response(0), "head"),
        Some("body") => (ByteOffset::Content(0), "body"),
        Some(_) => return Err(bad("where takes head or body.")),
    };
    let silence = Duration::from_millis(time);
    let said = format!("{time} ms of silence stood before the {name}.\n");
    Ok(call.slow(silence, |held| text(Status::OK, said).with_pauses(pauses([place], silence)).with_token(held).into()))
}

/// Announces more than it sends, then ends.
pub(crate) fn cut(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = call.query(&["send", "of", "how"])?;
    let of = query.number("of", 100, 1..=OUT)?;
    let send = query.number("send", 20.min(of - 1), 0..=OUT - 1)?;
    if send >= of {
        return Err(bad("send takes a number below that of of; else nothing would be cut."));
    }
    let end = match query.get("how") {
        None | Some("fin") => CloseBy::Fin,
        Some("rst") => CloseBy::Reset,
        Some(_) => return Err(bad("how takes fin or rst.")),
    };
    let head = Head::new(call, Status::OK, "OK", "close").number("Content-Length", of).text_lines();
    Ok(raw::answer(call, Status::OK, head.content(&letters(0, send)), Vec::new(), end, DropToken::default()))
}
