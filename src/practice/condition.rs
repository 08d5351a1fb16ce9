//! Conditions on what practice keeps: entity-tags compared.
//!
//! RFC 9110 §13.1.1 (If-Match), §13.1.2 (If-None-Match), §8.8.3.2 (comparison).
//!
//! Never: a date; what is kept here has tags.
//!
//! The subtle thing: `None` means the field is not there, which is neither true nor false.

use crate::http::{Method, Request, Status};
use crate::service::error_page::Problem;

/// What the conditions of a request come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

/// Whether the field lists this tag; `*` lists whatever there is.
fn lists(request: &Request<'_>, name: &str, tag: Option<&str>, weakly: bool) -> Option<bool> {
    if !request.has(name) {
        return None;
    }
    let opaque = |tag: &[u8]| tag.strip_prefix(b"W/").unwrap_or(tag).to_vec();
    let same = |element: &[u8], tag: &str| match weakly {
        true => opaque(element) == opaque(tag.as_bytes()),
        false => element == tag.as_bytes() && !tag.starts_with("W/"),
    };
    Some(tag.is_some_and(|tag| request.list(name).any(|element| element == b"*" || same(element, tag))))
}

/// Against the tag of what is there, or against there being nothing.
pub(crate) fn evaluate(request: &Request<'_>, tag: Option<&str>) -> Verdict {
    if lists(request, "if-match", tag, false) == Some(false) {
        return Verdict::Failed;
    }
    match (lists(request, "if-none-match", tag, true), request.method()) {
        (Some(true), Method::Get | Method::Head) => Verdict::NotModified,
        (Some(true), _) => Verdict::Failed,
        _ => Verdict::Proceed,
    }
}

/// 412.
pub(crate) fn failed() -> Problem {
    Problem::new(Status::PRECONDITION_FAILED)
}
