//! `/.try/range`: a thousand numbered bytes, and any one part of them.
//!
//! RFC 9110 §14 (ranges), §13.1.5 (If-Range), §15.3.7 (206), §15.5.17 (416).
//!
//! Never: several parts. A server may leave out what it does not want to do (§14.2), and one part shows
//! what there is to see; files have the rest.
//!
//! The subtle thing: the bytes say where they are. Each line of ten begins with its own offset, so
//! `bytes=500-509` is a whole line, and one byte too many is seen at once.

use crate::http::grammar::decimal;
use crate::http::{Method, Status};
use crate::practice::call::{Call, text, unkept};
use crate::practice::condition;
use crate::practice::condition::Verdict;
use crate::service::error_page::Problem;
use crate::service::{Answer, Response};

/// Bytes there are.
const LENGTH: u64 = 1000;
/// They never change.
const TAG: &str = "\"numbers\"";

/// What a Range field asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Of(u64, u64),
    Beyond,
}

fn numbers() -> Vec<u8> {
    (0..LENGTH / 10).flat_map(|line| format!("{:03}......\n", line * 10).into_bytes()).collect()
}

/// First and last byte of the one range in `value`; a field that is none, or has several, counts for
/// nothing.
fn part(value: &[u8]) -> Part {
    let Some((unit, range)) = value.iter().position(|&o| o == b'=').map(|at| (&value[..at], &value[at + 1..])) else {
        return Part::Whole;
    };
    let Some(dash) = range.iter().position(|&o| o == b'-') else { return Part::Whole };
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return Part::Whole;
    }
    let read = |digits: &[u8]| match digits.iter().all(u8::is_ascii_digit) && !digits.is_empty() {
        // More digits than a number may have mean: beyond everything.
        true => Some(decimal(digits).unwrap_or(u64::MAX)),
        false => None,
    };
    let last = LENGTH - 1;
    match (&range[..dash], &range[dash + 1..]) {
        (b"", suffix) => match read(suffix) {
            None => Part::Whole,
            Some(0) => Part::Beyond,
            Some(count) => Part::Of(LENGTH.saturating_sub(count), last),
        },
        (first, end) => match (read(first), if end.is_empty() { Some(last) } else { read(end) }) {
            (Some(first), Some(end)) if end < first && !range.ends_with(b"-") => Part::Whole,
            (Some(first), Some(_)) if first > last => Part::Beyond,
            (Some(first), Some(end)) => Part::Of(first, end.min(last)),
            _ => Part::Whole,
        },
    }
}

/// All of it, or a part.
pub(crate) fn range(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let request = call.request;
    match condition::evaluate(request, Some(TAG)) {
        Verdict::Failed => return Err(condition::failed()),
        Verdict::NotModified => {
            return Ok(Response::new(Status::NOT_MODIFIED)
                .field("ETag", TAG)
                .field("Cache-Control", "no-store")
                .into());
        }
        Verdict::Proceed => {}
    }
    // A tag that is not ours: what the client has is of another version, so it gets everything.
    let same = !request.has("if-range") || request.field("if-range") == Some(TAG.as_bytes());
    let wanted = request.field("range").filter(|_| same && request.method() == Method::Get);
    let fields = |response: Response| response.field("Accept-Ranges", "bytes").field("ETag", TAG);
    Ok(match wanted.map_or(Part::Whole, part) {
        Part::Whole => fields(text(Status::OK, numbers())),
        Part::Beyond => {
            let said =
                format!("416 There are {LENGTH} bytes here, 0 to {}, and the range lies behind them.\n", LENGTH - 1);
            fields(text(Status::RANGE_NOT_SATISFIABLE, said)).field("Content-Range", format!("bytes */{LENGTH}"))
        }
        Part::Of(first, last) => {
            let bytes = numbers().into_iter().skip(first as usize).take((last - first + 1) as usize);
            let response = Response::text(Status::PARTIAL_CONTENT, bytes.collect::<Vec<u8>>());
            fields(unkept(response)).field("Content-Range", format!("bytes {first}-{last}/{LENGTH}"))
        }
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_one_part_nothing_or_beyond() {
        for (value, expected) in [
            ("bytes=0-9", Part::Of(0, 9)),
            ("Bytes=500-509", Part::Of(500, 509)),
            ("bytes=990-", Part::Of(990, 999)),
            ("bytes=990-5000", Part::Of(990, 999)),
            ("bytes=-5", Part::Of(995, 999)),
            ("bytes=-5000", Part::Of(0, 999)),
            ("bytes=0-99999999999999999999", Part::Of(0, 999)),
            ("bytes=1000-", Part::Beyond),
            ("bytes=99999999999999999999-", Part::Beyond),
            ("bytes=1000-2000", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=9-0", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=0-9", Part::Whole),
            ("0-9", Part::Whole),
        ] {
            assert_eq!(part(value.as_bytes()), expected, "{value}");
        }
        let all = numbers();
        assert_eq!((all.len() as u64, &all[500..510]), (LENGTH, &b"500......\n"[..]));
    }
}
