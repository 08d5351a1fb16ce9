//! The head of a response, once it is complete: whether it is valid, and how its content is delimited.

use crate::http::grammar::{decimal, is_field_byte};
use crate::http::{Fault, Method, Status, field};
use crate::wire::explain::{ContentFraming, ContentKind, MessageError, NoteId, notes::response_fault};

/// An error at these bytes, which are `len` bytes from `at` of the message on.
pub(crate) fn invalid(at: usize, len: usize, note: NoteId) -> MessageError {
    MessageError { at: at as u64, len: len as u64, note, cut_off: false }
}

/// Checks the status line and the field lines of a complete head. Returns the status.
pub(crate) fn check_head(head: &[u8]) -> Result<Status, MessageError> {
    let (mut at, mut status) = (0, None);
    for line in head.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        // The first line is the status line, also if it looks like a field.
        if status.is_none() {
            status = Some(check_status_line(text)?);
        } else if text.is_empty() {
            break;
        } else if let Some((fault, offset, len)) = field::diagnose(text) {
            return Err(invalid(at + offset, len, NoteId::fault(fault)));
        }
        at += line.len();
    }
    status.ok_or(invalid(0, 0, response_fault::STATUS_LINE))
}

/// HTTP-version SP 3DIGIT SP [ reason-phrase ]; the last space may be missing (RFC 9112 §4).
fn check_status_line(line: &[u8]) -> Result<Status, MessageError> {
    // Programs print such a line for HTTP/2 and HTTP/3, and users paste it into files that are explained.
    if let [b'H', b'T', b'T', b'P', b'/', b'2' | b'3', b' ', ..] = line {
        return Err(invalid(0, 6, response_fault::MADE_UP_LINE));
    }
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', rest @ ..] = line else {
        return Err(invalid(0, line.len(), response_fault::STATUS_LINE));
    };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err(invalid(0, 8, NoteId::fault(Fault::VersionSyntax)));
    }
    // A minor version above 1 is accepted: it reads the same way (RFC 9110 §2.5).
    if *major != b'1' {
        return Err(invalid(0, 8, NoteId::fault(Fault::VersionUnsupported)));
    }
    let end = rest.iter().position(|&b| b == b' ').unwrap_or(rest.len());
    let code = decimal(&rest[..end]).filter(|_| end == 3).and_then(|n| u16::try_from(n).ok()).and_then(Status::new);
    let Some(status) = code else { return Err(invalid(9, end, response_fault::STATUS_CODE)) };
    match rest[end..].iter().position(|&b| !is_field_byte(b)) {
        Some(bad) => Err(invalid(9 + end + bad, 1, NoteId::fault(Fault::FieldValue))),
        None => Ok(status),
    }
}

/// How the content of a response is delimited: RFC 9112 §6.3, whose rules stand here in their order.
pub(crate) fn content_framing(head: &[u8], status: Status, method: Method) -> Result<ContentFraming, MessageError> {
    let by_rule = |rule, content| Ok(ContentFraming { rule, content });
    // An interim response to HEAD falls under the rule for 1xx, which has another sentence.
    if method == Method::Head && !status.is_interim() {
        return by_rule(1, ContentKind::NoneByHead);
    }
    if method == Method::Connect && (200..300).contains(&status.code()) {
        return by_rule(2, ContentKind::Tunnel);
    }
    // Before the rule for every 1xx: after 101 the bytes are not HTTP (RFC 9110 §7.8).
    if status.code() == 101 {
        return by_rule(1, ContentKind::Tunnel);
    }
    if status.forbids_content() {
        return by_rule(1, ContentKind::NoneBy(status.code()));
    }
    // With positions, since an error names the bytes of the value.
    let values = |name| field::find(head, name).map(|line| (line.value_at, line.value)).collect::<Vec<_>>();
    let (codings, lengths) = (values("transfer-encoding"), values("content-length"));
    let fault = |(at, value): (usize, &[u8]), fault| Err(invalid(at, value.len(), NoteId::fault(fault)));
    if let Some(&last) = codings.last() {
        if head.starts_with(b"HTTP/1.0") {
            return fault(last, Fault::CodingInHttp10);
        }
        let names: Vec<&[u8]> =
            codings.iter().flat_map(|(_, v)| field::elements(v)).map(|e| field::parameters(e).0).collect();
        let is_chunked = |name: &&[u8]| name.eq_ignore_ascii_case(b"chunked");
        // Only the last coding says where the content ends. `chunked, deflate` is compressed chunks: their end cannot
        // be seen before the compression is undone, so the connection ends it.
        if !names.last().is_some_and(is_chunked) {
            return by_rule(4, ContentKind::UntilClose(0));
        }
        // Chunks in chunks: a sender must not (RFC 9112 §6.1), and readers would remove one layer or both.
        if names.iter().filter(|name| is_chunked(name)).count() > 1 {
            return fault(last, Fault::CodingNotFinal);
        }
        return by_rule(if lengths.is_empty() { 4 } else { 3 }, ContentKind::Chunked { chunks: 0, bytes: 0 });
    }
    // No coding and no length: the content goes on until the connection ends.
    let Some(&first) = lengths.first() else { return by_rule(8, ContentKind::UntilClose(0)) };
    let Some(length) = decimal(first.1) else { return fault(first, Fault::LengthInvalid) };
    // Equal lengths may be read as one (RFC 9110 §8.6).
    match lengths.iter().find(|(_, other)| *other != first.1) {
        Some(&other) => fault(other, Fault::LengthTwice),
        None => by_rule(6, ContentKind::Length(length)),
    }
}
