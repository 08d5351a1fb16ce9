//! What fields say about the content, and fields that the client has chosen. RFC 9110 §8.4 and §6.3.
//!
//! | address | response |
//! |---|---|
//! | `/.try/gzip`, `/.try/br` | a text compressed in this coding, for every client |
//! | `/.try/fields?NAME=VALUE` | the fields of the query |
//!
//! A link may choose the fields, so those are refused that do more in a browser than to describe this response. The
//! content is always the same text, in a sandbox, so that no choice of a media type makes it a page or a script.

use crate::http::Status;
use crate::http::grammar::{is_field_byte, is_token};
use crate::practice::limits::{COOKIE_NAME, FIELD_VALUE, FIELDS};
use crate::practice::query::{Query, bad_request, require};
use crate::practice::{PracticeRequest, say, text};
use crate::service::error_page::Problem;
use crate::service::response::is_connection_field;
use crate::service::{Answer, Response};

/// `compressed.txt` in two codings.
const GZIP: &[u8] = include_bytes!("compressed.txt.gz");
const BROTLI: &[u8] = include_bytes!("compressed.txt.br");
/// Fields that change what a browser does later, or at other addresses: cookies, stored data, policies, redirects.
const REFUSED: [&str; 14] = [
    "set-cookie",
    "set-cookie2",
    "clear-site-data",
    "refresh",
    "location",
    "service-worker-allowed",
    "content-security-policy",
    "x-content-type-options",
    "strict-transport-security",
    "alt-svc",
    "accept-ch",
    "nel",
    "report-to",
    "reporting-endpoints",
];

/// The text in gzip.
pub(super) fn gzip(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    compressed(practice, "gzip", GZIP)
}

/// The text in Brotli.
pub(super) fn brotli(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    compressed(practice, "br", BROTLI)
}

/// Accept-Encoding is not asked: what a client does with a coding it does not know is part of the lesson.
fn compressed(practice: &PracticeRequest<'_>, coding: &str, bytes: &'static [u8]) -> Result<Answer, Problem> {
    Query::of(practice.request, &[])?;
    Ok(text(Status::OK, bytes).field("Content-Encoding", coding).into())
}

/// A response with the fields of the query.
pub(super) fn fields(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let pairs = Query::any(practice.request)?.pairs;
    let is_field = |(name, value): &(String, Option<String>)| {
        let value = value.as_deref().unwrap_or_default();
        let is_value = value.trim().len() == value.len() && value.bytes().all(|b| b.is_ascii() && is_field_byte(b));
        is_token(name.as_bytes()) && name.len() <= COOKIE_NAME && value.len() <= FIELD_VALUE && is_value
    };
    // All or none: a response that left out one field would look like success.
    let are_fields = (1..=FIELDS).contains(&pairs.len()) && pairs.iter().all(is_field);
    require(are_fields, "field pairs", &[("fields", &FIELDS), ("name", &COOKIE_NAME), ("value", &FIELD_VALUE)])?;
    let is = |name: &str, other: &str| name.eq_ignore_ascii_case(other);
    if pairs.iter().any(|(name, _)| is_connection_field(name) || REFUSED.iter().any(|refused| is(name, refused))) {
        return Err(bad_request("field refused", &[]));
    }
    let content = say(Status::OK, "fields", &[]);
    let add = |response: Response, (name, value): &(String, Option<String>)| {
        response.replace_field(name, value.as_deref().unwrap_or_default())
    };
    let response = pairs.iter().fold(content, add);
    Ok(response.field("Content-Security-Policy", "default-src 'none'; sandbox").into())
}
