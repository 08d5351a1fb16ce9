//! `/.try/echo`: the request as it came; `/.try/trace`: the same by TRACE, without what is sensitive.
//!
//! RFC 9110 §9.3.8 (TRACE), RFC 9112 §10.1 (`message/http`).
//!
//! Never: an echo that acts. It is `message/http` or `text/plain`, always `nosniff`, and under a policy
//! that lets nothing run, should a browser show it all the same.
//!
//! The subtle thing: TRACE is refused everywhere else because its answer shows a script the credentials
//! that it may not read. No browser lets a page send TRACE today; the lines are left out nevertheless,
//! since RFC 9110 asks for it and an old proxy may do what a browser does not.

use crate::http::{Method, Status};
use crate::practice::call::{Call, unkept};
use crate::practice::limits::ECHO;
use crate::practice::query::{Query, bad};
use crate::service::error_page::Problem;
use crate::service::{Answer, Body, RawRequest, Response};

/// Fields that are left out of the answer to TRACE: they say who somebody is.
const SENSITIVE: [&[u8]; 6] =
    [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-token"];

/// How an echo is shown.
#[derive(Clone, Copy)]
enum Shape {
    /// All of it, as what it is.
    Message,
    /// All of it, as text that a browser shows.
    Text,
    /// The content alone, without its framing.
    Content,
}

/// The bytes of the request. Other parameters than its own are those of whoever is echoed.
pub(crate) fn echo(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = Query::any(call.request).unwrap_or_default();
    let shape = match (query.get("body"), query.get("text")) {
        (Some(_), _) => Shape::Content,
        (None, Some(_)) => Shape::Text,
        (None, None) => Shape::Message,
    };
    let allow = (call.method() == Method::Options).then(|| crate::practice::allow(crate::practice::ANY));
    let make = move |received: RawRequest| {
        let response = match shape {
            Shape::Message => message([received.head, received.framed].concat()),
            Shape::Text => still(Response::text(Status::OK, [received.head, received.framed].concat())),
            Shape::Content => still(Response::text(Status::OK, received.content)),
        };
        match &allow {
            Some(allow) => response.field("Allow", allow),
            None => response,
        }
    };
    if call.request.framing().has_content() {
        return Ok(Answer::CollectRaw { limit: ECHO, then: Box::new(make) });
    }
    Ok(make(RawRequest { head: call.request.bytes().to_vec(), ..RawRequest::default() }).into())
}

/// The request back, without what says who sent it.
pub(crate) fn trace(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    if call.request.framing().has_content() {
        return Err(bad("A TRACE request has no content (RFC 9110 §9.3.8)."));
    }
    Ok(message(without_sensitive(call.request.bytes())).into())
}

/// The lines of a head but those of [`SENSITIVE`].
fn without_sensitive(head: &[u8]) -> Vec<u8> {
    let name = |line: &[u8]| line.iter().position(|&o| o == b':').map(|at| line[..at].to_ascii_lowercase());
    let open = |line: &&[u8]| !name(line).is_some_and(|name| SENSITIVE.contains(&name.as_slice()));
    let mut lines = head.split_inclusive(|&o| o == b'\n');
    // The request line has colons of its own.
    let first = lines.next().unwrap_or_default();
    std::iter::once(first).chain(lines.filter(open)).collect::<Vec<_>>().concat()
}

fn message(bytes: Vec<u8>) -> Response {
    still(Response::new(Status::OK).field("Content-Type", "message/http").with_body(Body::Bytes(bytes.into())))
}

/// What came from a client and must not act.
fn still(response: Response) -> Response {
    unkept(response).field("Content-Security-Policy", "default-src 'none'; sandbox")
}
