//! What the server says to people when something cannot be done: one shell for HTML, JSON and text.

use super::response::Response;
use crate::http::{Refusal, Request, Status};

/// Which form of page the client would rather have (`study.md` 4.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `Accept` names text/html.
    Html,
    /// `Accept` names application/json.
    Json,
    /// All others.
    Text,
}

/// What went wrong, in words for a person.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The status.
    pub status: Status,
    /// One sentence about this very case.
    pub sentence: String,
    /// What to do next, if something can be said.
    pub advice: Option<String>,
    /// Buttons: label and path-only href (already percent-encoded).
    pub links: Vec<(String, String)>,
    /// The section whose rule decided, if it is not that of the status.
    pub section: Option<&'static str>,
}

impl Problem {
    /// A problem of this status with its usual sentence.
    pub fn new(status: Status) -> Problem {
        Problem { status, sentence: status.reason().to_string(), advice: None, links: Vec::new(), section: None }
    }
}

/// The page of a problem, in the form the request prefers.
pub fn problem(request: &Request<'_>, problem: &Problem) -> Response {
    let _ = request;
    Response::text(problem.status, format!("{} {}\n", problem.status, problem.sentence))
}

/// The page of a request that breaks the protocol; `head` is what was received of it.
pub fn refusal(refusal: &Refusal, head: &[u8]) -> Response {
    let _ = head;
    Response::text(refusal.fault.status(), format!("{} {refusal}\n", refusal.fault.status()))
}

/// The whole answer to somebody for whom there is no seat.
pub fn overload(date: &crate::http::HttpDate) -> Vec<u8> {
    let mut out = b"HTTP/1.1 503 Service Unavailable\r\nDate: ".to_vec();
    out.extend_from_slice(date.octets());
    out.extend_from_slice(b"\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 35\r\n\r\n503 Too busy. Try again in 5 s.   \n");
    out
}
