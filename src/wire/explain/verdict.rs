//! The head of a response, judged: is it one, and how is its content delimited?
//!
//! RFC 9112 §4 for the status line, §6.3 for framing, whose eight rules stand here in their order.
//!
//! Never: a byte of content.
//!
//! The subtle thing: a client forgives much, and that is how learners miss what is wrong. Here two
//! different lengths, a bare LF or a space before a colon are wrong, whatever curl makes of them.

use crate::http::grammar::{decimal, is_field_byte};
use crate::http::{Fault, Method, Status, field};
use crate::wire::explain::message::{ContentFraming, ContentKind};
use crate::wire::explain::notes::{NoteId, ResponseFault};

/// What is wrong: first byte, how many, note.
pub(crate) type Blame = (usize, usize, NoteId);

/// Whether the head of a response is one; its status.
pub(crate) fn judge(head: &[u8]) -> Result<Status, Blame> {
    let mut at = 0;
    let mut status = None;
    for line in head.split_inclusive(|&o| o == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        match status {
            None => status = Some(status_line(text)?),
            Some(_) if text.is_empty() => break,
            Some(_) => {
                if let Some((fault, offset, len)) = field::diagnose(text) {
                    return Err((at + offset, len, NoteId::fault(fault)));
                }
            }
        }
        at += line.len();
    }
    status.ok_or((0, 0, NoteId::response_fault(ResponseFault::StatusLine)))
}

/// HTTP-version SP 3DIGIT SP [ reason-phrase ]; the last space may be missing, as RFC 9112 §4 lets a
/// client forgive.
fn status_line(line: &[u8]) -> Result<Status, Blame> {
    let flaw = |flaw, at, len| Err((at, len, NoteId::response_fault(flaw)));
    if let [b'H', b'T', b'T', b'P', b'/', b'2' | b'3', b' ', ..] = line {
        return flaw(ResponseFault::MadeUpLine, 0, 6);
    }
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', rest @ ..] = line else {
        return flaw(ResponseFault::StatusLine, 0, line.len());
    };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err((0, 8, NoteId::fault(Fault::VersionSyntax)));
    }
    if *major != b'1' {
        return Err((0, 8, NoteId::fault(Fault::VersionUnsupported)));
    }
    let end = rest.iter().position(|&o| o == b' ').unwrap_or(rest.len());
    let code = decimal(&rest[..end]).filter(|_| end == 3).and_then(|n| u16::try_from(n).ok()).and_then(Status::new);
    let Some(status) = code else { return flaw(ResponseFault::StatusCode, 9, end) };
    match rest[end..].iter().position(|&o| !is_field_byte(o)) {
        Some(bad) => Err((9 + end + bad, 1, NoteId::fault(Fault::FieldValue))),
        None => Ok(status),
    }
}

/// RFC 9112 §6.3 for responses.
pub(crate) fn frame(head: &[u8], status: Status, method: Method) -> Result<ContentFraming, Blame> {
    let framed = |rule, content| Ok(ContentFraming { rule, content });
    if method == Method::Head && !status.is_interim() {
        return framed(1, ContentKind::NoneByHead);
    }
    if method == Method::Connect && (200..300).contains(&status.code()) {
        return framed(2, ContentKind::Tunnel);
    }
    if status.code() == 101 {
        // Its head ends as that of every 1xx; that no HTTP follows is §7.8 of RFC 9110.
        return framed(1, ContentKind::Tunnel);
    }
    if status.forbids_content() {
        return framed(1, ContentKind::NoneBy(status.code()));
    }
    let values = |name| field::find(head, name).map(|line| (line.value_at, line.value)).collect::<Vec<_>>();
    let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
    if let Some(&(at, last)) = codings.last() {
        if head.starts_with(b"HTTP/1.0") {
            return Err((at, last.len(), NoteId::fault(Fault::CodingInHttp10)));
        }
        let names: Vec<&[u8]> =
            codings.iter().flat_map(|(_, v)| field::elements(v)).map(|e| field::parameters(e).0).collect();
        let chunked = |name: &&[u8]| name.eq_ignore_ascii_case(b"chunked");
        if names.iter().rev().skip(1).any(chunked) {
            return Err((at, last.len(), NoteId::fault(Fault::CodingNotFinal)));
        }
        return match names.last() {
            Some(name) if chunked(name) => {
                let rule = if lengths.is_empty() { 4 } else { 3 };
                framed(rule, ContentKind::Chunked { chunks: 0, bytes: 0 })
            }
            // A coding without chunks has no end but the connection's.
            _ => framed(4, ContentKind::UntilClose(0)),
        };
    }
    let Some(&(at, first)) = lengths.first() else { return framed(8, ContentKind::UntilClose(0)) };
    let Some(length) = decimal(first) else { return Err((at, first.len(), NoteId::fault(Fault::LengthInvalid))) };
    match lengths.iter().find(|(_, other)| *other != first) {
        Some(&(at, other)) => Err((at, other.len(), NoteId::fault(Fault::LengthTwice))),
        None => framed(6, ContentKind::Length(length)),
    }
}
