//! How long the content of a request is: the decision list of RFC 9112 §6.3.
//!
//! 1. Responses to HEAD, 1xx, 204, 304: for responses (`response.rs`).
//! 2. A successful CONNECT: never answered here.
//! 3. Transfer-Encoding and Content-Length together: a server may reject it, and this one does.
//! 4. Transfer-Encoding whose last coding is chunked: chunked content. Any other: refused.
//! 5. Content-Length that is no plain number: refused.
//! 6. A valid Content-Length: that many bytes.
//! 7. Neither: no content.
//! 8. Until close: for responses only.
//!
//! Never: a guess. Two servers that frame one request differently are request smuggling
//! (RFC 9112 §11.2), so whatever could be read in two ways is refused and the connection closed.
//!
//! The subtle thing: `Content-Length: 5, 5` and two equal Content-Length lines could be merged
//! legally. They are refused: no client we know sends them, and attackers do.

use crate::http::fault::{Fault, RequestError};
use crate::http::grammar;
use crate::http::head::Head;
use crate::http::{Framing, Version};

/// The framing of the request with this head.
pub fn of(head: &Head, bytes: &[u8]) -> Result<Framing, RequestError> {
    let mut codings = head.spans(bytes, "transfer-encoding");
    let mut lengths = head.spans(bytes, "content-length");
    let Some(coding) = codings.next() else {
        let Some(length) = lengths.next() else { return Ok(Framing::None) };
        if let Some(second) = lengths.next() {
            return Err(second.refusal(Fault::LengthTwice));
        }
        return match grammar::decimal(length.of(bytes)) {
            Some(length) => Ok(Framing::Length(length)),
            None => Err(length.refusal(Fault::LengthInvalid)),
        };
    };
    if let Some(length) = lengths.next() {
        return Err(length.refusal(Fault::LengthAndCoding));
    }
    if head.line.version == Version::Http10 {
        return Err(coding.refusal(Fault::CodingInHttp10));
    }
    // Exactly one line that says exactly `chunked`. An empty element (`chunked,`) would be legal in a
    // list; a proxy that read it as "nothing after chunked" was bypassed with it.
    match codings.next() {
        None if coding.of(bytes).eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err(coding.refusal(misuse(head, bytes))),
    }
}

/// Why a Transfer-Encoding is not `chunked`: a coding we do not know (501), or chunked used wrongly
/// (400: where the content ends cannot be told).
fn misuse(head: &Head, bytes: &[u8]) -> Fault {
    let mut codings = Vec::new();
    for value in head.values(bytes, "transfer-encoding") {
        codings.extend(crate::http::field::elements(value).map(|e| crate::http::field::parameters(e).0));
    }
    let chunked = |c: &&[u8]| c.eq_ignore_ascii_case(b"chunked");
    let unknown = codings.iter().any(|c| !chunked(c));
    let misplaced = codings.iter().rev().skip(1).any(chunked);
    if unknown && !misplaced { Fault::CodingUnknown } else { Fault::CodingNotFinal }
}
