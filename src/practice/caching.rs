//! `/.try/cache/…`: how long an answer may be kept, and how a client asks whether it still holds.
//!
//! RFC 9111 §5.2 (Cache-Control), RFC 9110 §8.8 (validators), §13 (conditions), §15.4.5 (304).
//!
//! Never: the same text twice. Each carries a number that grows with every request that arrives, so that
//! a number seen again means: nobody was asked.
//!
//! The subtle thing: the tag stays for ten seconds while the number in the text grows. A strong tag would
//! then be a lie (it promises the same bytes), so it is a weak one.

use std::sync::atomic::Ordering;

use crate::http::{HttpDate, Status, date};
use crate::practice::call::Call;
use crate::practice::condition;
use crate::practice::condition::Verdict;
use crate::practice::limits::FRESH;
use crate::practice::query::number;
use crate::service::error_page::Problem;
use crate::service::{Answer, Response};

/// Seconds for which a tag and a date stay the same.
const STEADY: u64 = 10;

/// The addresses, each with a count of its own.
#[derive(Clone, Copy)]
enum Subject {
    Age,
    Tag,
    Date,
    Never,
}

/// How often this address has been asked, this time included.
fn asked(call: &Call<'_, '_>, subject: Subject) -> u64 {
    call.shared.asked[subject as usize].fetch_add(1, Ordering::Relaxed) + 1
}

/// The text of one answer.
fn counted(call: &Call<'_, '_>, subject: Subject, what: &str) -> Response {
    let count = asked(call, subject);
    let text = format!("Request {count} to this address. {what}\nThe same number again: nobody was asked.\n");
    Response::text(Status::OK, text)
}

/// May be kept for so long.
pub(crate) fn age(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let seconds = number("The age, in seconds,", call.part, 0..=FRESH)?;
    let said = counted(call, Subject::Age, &format!("It may be kept for {seconds} s."));
    Ok(said.field("Cache-Control", format!("max-age={seconds}")).into())
}

/// May be kept, and must be asked about, by its tag.
pub(crate) fn tag(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let tag = format!("W/\"{}\"", HttpDate::new(call.visit.now).second() / STEADY);
    let fields = |response: Response| response.field("ETag", &tag).field("Cache-Control", "no-cache");
    match condition::evaluate(call.request, Some(&tag)) {
        Verdict::Failed => Err(condition::failed()),
        Verdict::NotModified => {
            asked(call, Subject::Tag);
            Ok(fields(Response::new(Status::NOT_MODIFIED)).into())
        }
        Verdict::Proceed => {
            let what = format!("Its tag changes every {STEADY} s; until then the answer to If-None-Match is 304.");
            Ok(fields(counted(call, Subject::Tag, &what)).into())
        }
    }
}

/// The same by its date.
pub(crate) fn modified(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let second = HttpDate::new(call.visit.now).second() / STEADY * STEADY;
    let changed = HttpDate::from_second(second);
    let fields =
        |response: Response| response.field("Last-Modified", changed.bytes()).field("Cache-Control", "no-cache");
    let request = call.request;
    // §13.1.3: a tag that is asked about decides alone, and this address has none.
    let since = request.field("if-modified-since").filter(|_| !request.has("if-none-match")).and_then(date::parse);
    if since.is_some_and(|since| since >= second) {
        asked(call, Subject::Date);
        return Ok(fields(Response::new(Status::NOT_MODIFIED)).into());
    }
    let what = format!("Its date changes every {STEADY} s; until then the answer to If-Modified-Since is 304.");
    Ok(fields(counted(call, Subject::Date, &what)).into())
}

/// Must not be kept.
pub(crate) fn never(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let said = counted(call, Subject::Never, "It must not be kept.");
    Ok(said.field("Cache-Control", "no-store").into())
}
