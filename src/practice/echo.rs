//! The request sent back.
//!
//! | address | response |
//! |---|---|
//! | `/.try/echo` | the bytes of the request: `?text` as text, `?body` its content alone |
//! | `/.try/trace` | the same by TRACE, without credentials (RFC 9110 §9.3.8) |
//! | `/.try/method` | the name of the method, and 405 for most of them |
//! | `/.try/upload` | the number of bytes and of `recv` calls |
//!
//! An echo holds bytes that a link may have put there, so a browser must not run them. It is `message/http`
//! (RFC 9112 §10.1) or plain text, and a policy forbids everything if a browser shows it as a page nevertheless.

use sha2::{Digest, Sha256};

use crate::http::{Method, Status, field};
use crate::practice::limits::{ECHO, UPLOAD};
use crate::practice::query::{Query, require};
use crate::practice::{PracticeRequest, hex, not_stored, say};
use crate::service::error_page::Problem;
use crate::service::{Answer, RawRequest, ReceiveSummary, Response, Sink};

/// The value of `Allow` for an address that takes any method.
const ALLOW: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH";

/// Fields that the response to TRACE leaves out, because they hold credentials.
const SENSITIVE: [&str; 6] =
    ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"];

/// The bytes of the request.
pub(super) fn echo(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let request = practice.request;
    // Other parameters belong to the request that is echoed, also those that cannot be read.
    let query = Query::any(request).unwrap_or_default();
    // `?body` wins, since it says more than how the bytes are shown.
    let show: fn(RawRequest) -> Response = match (query.get("body"), query.get("text")) {
        (Some(_), _) => |received| harmless(Response::text(Status::OK, received.content)),
        (None, Some(_)) => |received| harmless(Response::text(Status::OK, [received.head, received.framed].concat())),
        (None, None) => |received| message([received.head, received.framed].concat()),
    };
    let is_options = request.method() == Method::Options;
    // OPTIONS comes here like any other method, so `Allow` is not added by the router.
    let respond = move |received| match is_options {
        true => show(received).field("Allow", ALLOW),
        false => show(received),
    };
    // With content the bytes are collected as they arrive: chunk-size lines and trailers belong to the echo.
    if request.framing().has_content() {
        return Ok(Answer::CollectRaw { limit: ECHO, then: Box::new(respond) });
    }
    Ok(respond(RawRequest { head: request.bytes().to_vec(), ..RawRequest::default() }).into())
}

/// The head of the request, without credentials.
///
/// TRACE is refused at all other addresses: its response would show a script the cookies that it may not read. Browsers
/// let no page send TRACE today, but RFC 9110 asks for this, and an old proxy may be more permissive.
pub(super) fn trace(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let has_content = practice.request.framing().has_content();
    require(!has_content, "trace content", &[])?;
    let is_harmless = |line: &&[u8]| {
        // The blank line has no name, and stays.
        let name = field::split_line(line).map_or(&[][..], |(name, _)| name);
        !SENSITIVE.iter().any(|sensitive| name.eq_ignore_ascii_case(sensitive.as_bytes()))
    };
    // The request line always stays: what precedes a colon in it is no field name.
    let mut lines = practice.request.bytes().split_inclusive(|&b| b == b'\n');
    let first = lines.next().unwrap_or_default();
    Ok(message([first].into_iter().chain(lines.filter(is_harmless)).collect::<Vec<_>>().concat()).into())
}

/// A message as what it is (RFC 9112 §10.1).
fn message(bytes: Vec<u8>) -> Response {
    harmless(Response::content(Status::OK, "message/http", bytes))
}

/// A response with bytes of a client, which must do nothing in a browser.
fn harmless(response: Response) -> Response {
    not_stored(response).field("Content-Security-Policy", "default-src 'none'; sandbox")
}

/// The method. All others than GET, HEAD and OPTIONS get the 405 of the router with `Allow` (RFC 9110 §15.5.6).
pub(super) fn method(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let method = practice.request.method().name();
    Ok(say(Status::OK, "method", &[("method", &method)]).into())
}

/// How the content came. It is hashed and counted block by block, and nothing of it is kept.
pub(super) fn upload(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // A sink is opened only for content, so without it the report is made here.
    if !practice.request.framing().has_content() {
        return Ok(Box::<ReceivedContent>::default().finish().into());
    }
    Ok(Answer::Receive { limit: UPLOAD, device: 0, open: Box::new(|| Ok(Box::<ReceivedContent>::default())) })
}

/// What is known about content without keeping it.
#[derive(Default)]
struct ReceivedContent {
    /// Bytes without framing.
    bytes: u64,
    hash: Sha256,
    /// The `recv` calls that brought it, which are neither packets nor chunks.
    summary: ReceiveSummary,
}

impl Sink for ReceivedContent {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        Ok(())
    }

    fn measured(&mut self, summary: &ReceiveSummary) {
        self.summary = *summary;
    }

    fn finish(self: Box<Self>) -> Response {
        // Without content there was no summary, and zeros are right.
        let ReceiveSummary { calls, smallest, largest, time } = self.summary;
        let (bytes, time, sha256) = (self.bytes, time.as_millis(), hex(&self.hash.finalize()));
        // Written by hand, since numbers and hexadecimal digits need no escaping.
        not_stored(Response::json(
            Status::OK,
            format!(
                "{{\"bytes\":{bytes},\"recv_calls\":{calls},\"smallest\":{smallest},\"largest\":{largest},\
                 \"milliseconds\":{time},\"sha256\":\"{sha256}\"}}\n"
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::service::Body;

    #[test]
    fn what_came_is_counted_hashed_and_measured() {
        let mut sink = Box::<ReceivedContent>::default();
        assert!(sink.write(b"a").is_ok() && sink.write(b"bc").is_ok());
        sink.measured(&ReceiveSummary { calls: 2, smallest: 1, largest: 2, time: Duration::from_micros(7999) });
        let (_, _, Body::Bytes(bytes)) = sink.finish().into_parts() else { panic!("no bytes") };
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            "{\"bytes\":3,\"recv_calls\":2,\"smallest\":1,\"largest\":2,\"milliseconds\":7,\
             \"sha256\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}\n"
        );
    }
}
