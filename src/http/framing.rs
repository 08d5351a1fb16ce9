//! How long the content of a request is: the decision list of RFC 9112 §6.3.
//!
//! 1. Responses to HEAD, 1xx, 204, 304: for responses only ([`crate::http::response`]).
//! 2. A successful CONNECT: this server never accepts one.
//! 3. Transfer-Encoding and Content-Length together: a server may reject it, and this one does.
//! 4. Transfer-Encoding whose last coding is chunked: chunked content. Any other coding: refused.
//! 5. Content-Length that is not one plain number: refused.
//! 6. A valid Content-Length: that many bytes.
//! 7. Neither field: no content.
//! 8. Until the connection closes: for responses only.
//!
//! Two servers that frame one request differently are what request smuggling needs (RFC 9112 §11.2).
//! So everything that could be read in two ways is refused, and the connection is closed. That includes
//! `Content-Length: 5, 5` and two equal Content-Length lines, which a server may merge: no client known
//! to us sends them, and attackers do.

use crate::http::fault::{Fault, RequestError};
use crate::http::head::Head;
use crate::http::{Version, field, grammar};

/// How the content of a request is delimited (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No content.
    None,
    /// This many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

impl Framing {
    /// Whether bytes of content follow the head.
    pub fn has_content(self) -> bool {
        !matches!(self, Framing::None | Framing::Length(0))
    }
}

/// The framing of the request with this head.
///
/// # Errors
/// One of the framing faults, with the span of the field value to blame.
pub fn of(head: &Head, bytes: &[u8]) -> Result<Framing, RequestError> {
    let mut codings = head.spans(bytes, "transfer-encoding");
    let mut lengths = head.spans(bytes, "content-length");
    let Some(coding) = codings.next() else {
        // A request without either field has no content; only a response may last until the close.
        let Some(length) = lengths.next() else { return Ok(Framing::None) };
        if let Some(second) = lengths.next() {
            return Err(second.error(Fault::LengthTwice));
        }
        return match grammar::decimal(length.of(bytes)) {
            Some(length) => Ok(Framing::Length(length)),
            None => Err(length.error(Fault::LengthInvalid)),
        };
    };
    // The RFC lets a server ignore the length here. A proxy before us may have used it instead.
    if let Some(length) = lengths.next() {
        return Err(length.error(Fault::LengthAndCoding));
    }
    // HTTP/1.0 has no chunks: an old proxy before us may have passed the field on without reading it.
    if head.line.version == Version::Http10 {
        return Err(coding.error(Fault::CodingInHttp10));
    }
    // Exactly one line that is exactly `chunked`. An empty element (`chunked,`) would be legal in a
    // list, but a proxy that took it for "a coding after chunked" could be bypassed with it.
    match codings.next() {
        None if coding.of(bytes).eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err(coding.error(coding_fault(head, bytes))),
    }
}

/// Why a Transfer-Encoding is not `chunked`: a coding unknown here (501), or chunked used wrongly (400,
/// since the end of the content cannot be found).
fn coding_fault(head: &Head, bytes: &[u8]) -> Fault {
    let mut codings = Vec::new();
    for value in head.values(bytes, "transfer-encoding") {
        codings.extend(field::elements(value).map(|element| field::parameters(element).0));
    }
    let chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    // An unknown coding is 501 only if chunked does not stand before another one: that is always wrong.
    let unknown = codings.iter().any(|coding| !chunked(coding));
    let misplaced = codings.iter().rev().skip(1).any(chunked);
    if unknown && !misplaced { Fault::CodingUnknown } else { Fault::CodingNotFinal }
}
