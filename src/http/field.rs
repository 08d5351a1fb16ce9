//! Field lines: what they may contain, and how lists, parameters and weights in a value are read.
//!
//! ```text
//! field-line  = field-name ":" OWS field-value OWS           ; RFC 9110 §5
//! list        = [ element ] *( OWS "," OWS [ element ] )     ; §5.6.1: empty elements are skipped
//! parameter   = token "=" ( token / quoted-string )          ; §5.6.6
//! weight      = OWS ";" OWS "q=" ( "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ] )    ; §12.4.2
//! ```
//!
//! A comma or semicolon inside a quoted-string separates nothing, so all splitting here goes through `split_unquoted`:
//! a plain split would make two entity-tags out of `"a,b"`.

use crate::http::grammar::{decimal, is_field_byte, is_ows, is_tchar, trim};
use crate::http::{Fault, Limits, RequestError};

/// The first thing wrong with a field line (without its CR LF): the fault, its position in the line, and how many bytes
/// are faulty. `None` if the line is valid.
pub fn diagnose(line: &[u8]) -> Option<(Fault, usize, usize)> {
    // A line that continues the one before it: two recipients may read one value or two.
    if line.first().is_some_and(|&b| is_ows(b)) {
        return Some((Fault::ObsFold, 0, 1));
    }
    let Some(colon) = line.iter().position(|&b| b == b':') else {
        // A control byte explains more than the missing colon.
        return misplaced(line, is_field_byte, Fault::FieldValue).or(Some((Fault::NoColon, 0, line.len())));
    };
    let name = &line[..colon];
    if name.is_empty() {
        return Some((Fault::FieldName, 0, 1));
    }
    // A space before the colon has a fault of its own, since RFC 9112 has a rule of its own for it.
    let trimmed = trim(name);
    if let Some(found) = misplaced(trimmed, is_tchar, Fault::FieldName) {
        return Some(found);
    }
    if trimmed.len() < name.len() {
        // One recipient would read `Content-Length : 5`, another would skip it (RFC 9112 §5.1).
        return Some((Fault::SpaceBeforeColon, trimmed.len(), name.len() - trimmed.len()));
    }
    // The value may be empty, and OWS around it needs no check: spaces and tabs are field bytes.
    let (fault, at, len) = misplaced(&line[colon + 1..], is_field_byte, Fault::FieldValue)?;
    Some((fault, colon + 1 + at, len))
}

/// The first byte outside of the set, with this fault; a CR is always a bare CR.
fn misplaced(bytes: &[u8], is_in_set: fn(u8) -> bool, fault: Fault) -> Option<(Fault, usize, usize)> {
    let at = bytes.iter().position(|&b| !is_in_set(b))?;
    Some((if bytes[at] == b'\r' { Fault::BareCr } else { fault }, at, 1))
}

/// The first error in field lines that `httparse` has refused, since it gives no position.
pub(crate) fn first_error(lines: &[u8]) -> RequestError {
    let mut at = 0;
    // Up to the blank line: what follows is not part of the head.
    let of_head = lines.split_inclusive(|&b| b == b'\n').take_while(|line| *line != b"\r\n");
    for (count, line) in of_head.enumerate() {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        if let Some((fault, offset, len)) = diagnose(text) {
            return RequestError::new(fault, at + offset, len);
        }
        if count == Limits::FIELD_LINES {
            return RequestError::new(Fault::TooManyFields, at, text.len());
        }
        at += line.len();
    }
    // Reached only if httparse is stricter than `diagnose`. The request is refused all the same.
    RequestError::new(Fault::FieldName, 0, 0)
}

/// A field value in bytes that were not parsed as a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawValue<'a> {
    /// The value, without the whitespace around it.
    pub value: &'a [u8],
    /// Its position in the bytes.
    pub value_at: usize,
}

/// The field lines of this name in `head`, up to the blank line or the end. For bytes that were not parsed as a
/// request.
///
/// It is lenient: a line may end with LF alone; a line without colon and one that is not complete are left out. A start
/// line need not be removed before: what stands before a colon in it is no field name.
///
/// ```
/// let head = b"HTTP/1.1 200 OK\r\nServer: x\r\nAge: 5\r\n\r\n";
/// let age = barewire::http::field::find(head, "age").next().unwrap();
/// assert_eq!((age.value, age.value_at), (&b"5"[..], 33));
/// ```
pub fn find<'a>(head: &'a [u8], name: &str) -> impl Iterator<Item = RawValue<'a>> {
    let lines = head.split_inclusive(|&b| b == b'\n');
    // A line without its end may have been cut anywhere: half of a value means something else.
    let complete = lines.take_while(|line| line.ends_with(b"\n") && !matches!(line, [b'\n'] | [b'\r', b'\n']));
    let found = complete.filter_map(split_line).filter(move |line| line.0.eq_ignore_ascii_case(name.as_bytes()));
    // The value is a part of `head`, so the difference of the addresses is its position.
    found.map(|(_, value)| RawValue { value, value_at: value.as_ptr() as usize - head.as_ptr() as usize })
}

/// Name and value of one line, with or without its line end. `None` if there is no colon.
pub fn split_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.iter().position(|&b| b == b':')?;
    Some((&line[..colon], trim(&line[colon + 1..])))
}

/// The pieces of `value` between those separators that stand outside quoted-strings, not trimmed.
pub(crate) fn split_unquoted(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let piece = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, &byte) in piece.iter().enumerate() {
            match byte {
                // A backslash makes the next byte, also a quote, part of the string.
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == separator && !quoted => {
                    rest = Some(&piece[at + 1..]);
                    return Some(&piece[..at]);
                }
                _ => {}
            }
        }
        // A quote that is never closed reaches to the end, so nothing after it is split.
        rest = None;
        Some(piece)
    })
}

/// The elements of one list value: trimmed, empty ones left out (RFC 9110 §5.6.1.2).
///
/// ```
/// let tags: Vec<_> = barewire::http::field::elements(br#""a,b", , W/"c""#).collect();
/// assert_eq!(tags, [&br#""a,b""#[..], br#"W/"c""#]);
/// ```
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    split_unquoted(value, b',').map(trim).filter(|element| !element.is_empty())
}

/// An element split at its semicolons: what stands before the first one, then name and value of each parameter. A
/// quoted value keeps its quotes ([`unquote`] removes them); a name alone has an empty one.
pub fn parameters(element: &[u8]) -> (&[u8], impl Iterator<Item = (&[u8], &[u8])>) {
    // Empty pieces are allowed: `text/html;` and `a;;b=c` (RFC 9110 §5.6.6).
    let mut pieces = split_unquoted(element, b';');
    let first = trim(pieces.next().unwrap_or_default());
    let rest = pieces.map(trim).filter(|p| !p.is_empty()).map(|p| match p.iter().position(|&b| b == b'=') {
        Some(at) => (trim(&p[..at]), trim(&p[at + 1..])),
        None => (p, &p[p.len()..]),
    });
    (first, rest)
}

/// A quoted-string without its quotes and backslashes; any other value as it is.
pub fn unquote(value: &[u8]) -> Vec<u8> {
    let [b'"', inner @ .., b'"'] = value else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        // A backslash at the very end escapes nothing and is kept.
        out.push(if byte == b'\\' { *bytes.next().unwrap_or(&byte) } else { byte });
    }
    out
}

/// The elements of a weighted list (Accept and similar fields): name and weight in thousandths.
///
/// A weight that breaks the grammar counts as 1, as if it were missing. Ignoring the whole field would send a client
/// that writes `q=.5` a representation it cannot use.
///
/// ```
/// let list: Vec<_> = barewire::http::field::weighted(b"gzip;q=0.5, br").collect();
/// assert_eq!(list, [(&b"gzip"[..], 500), (b"br", 1000)]);
/// ```
pub fn weighted(value: &[u8]) -> impl Iterator<Item = (&[u8], u16)> {
    elements(value).map(|element| {
        let (name, mut parameters) = parameters(element);
        let weight = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"q"));
        // Parameters before `q` belong to the media range, those after it mean nothing any more.
        (name, weight.and_then(|(_, value)| thousandths(value)).unwrap_or(1000))
    })
}

/// A qvalue (RFC 9110 §12.4.2) in thousandths.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    // The digits that are left out are zeros.
    let mut digits = [*whole, b'0', b'0', b'0'];
    digits[1..=fraction.len()].copy_from_slice(fraction);
    // 1.001 is no qvalue.
    decimal(&digits).filter(|weight| *weight <= 1000).map(|weight| weight as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_is_blamed_on_its_first_bad_byte() {
        for (line, expected) in [
            (&b"Host: a"[..], None),
            (b"A:", None),
            (b"A: \xe9 \t ok", None),
            (b" folded", Some((Fault::ObsFold, 0, 1))),
            (b"\tfolded: x", Some((Fault::ObsFold, 0, 1))),
            (b"no colon", Some((Fault::NoColon, 0, 8))),
            (b"", Some((Fault::NoColon, 0, 0))),
            (b": v", Some((Fault::FieldName, 0, 1))),
            (b"Content-Length : 5", Some((Fault::SpaceBeforeColon, 14, 1))),
            (b"A \t: 5", Some((Fault::SpaceBeforeColon, 1, 2))),
            (b"A B: 5", Some((Fault::FieldName, 1, 1))),
            (b"A\x00: 5", Some((Fault::FieldName, 1, 1))),
            (b"A\rB: 5", Some((Fault::BareCr, 1, 1))),
            (b"A: b\x00", Some((Fault::FieldValue, 4, 1))),
            (b"A: b\rc", Some((Fault::BareCr, 4, 1))),
            (b"A: \x7f", Some((Fault::FieldValue, 3, 1))),
        ] {
            assert_eq!(diagnose(line), expected, "{:?}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_comma_inside_quotes_separates_nothing() {
        let list = |v: &'static str| {
            elements(v.as_bytes()).map(|e| String::from_utf8_lossy(e).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(list("a, b ,,\t, c"), ["a", "b", "c"]);
        assert_eq!(list(r#""a,b", W/"c\",d""#), [r#""a,b""#, r#"W/"c\",d""#]);
        assert_eq!(list(r#""never closed, b"#), [r#""never closed, b"#]);
        assert!(list("").is_empty());
    }

    #[test]
    fn weights_are_thousandths_and_nonsense_counts_as_one() {
        let value = b"gzip, br;q=0.5, zstd; Q=0.123 , x;q=1.000, y;q=0, z;q=2, w;q=0.1234, v;q=1.1";
        let got: Vec<_> = weighted(value).map(|(name, q)| (String::from_utf8_lossy(name).into_owned(), q)).collect();
        let want =
            [("gzip", 1000), ("br", 500), ("zstd", 123), ("x", 1000), ("y", 0), ("z", 1000), ("w", 1000), ("v", 1000)];
        assert_eq!(got, want.map(|(n, q)| (n.to_string(), q)));
    }

    #[test]
    fn parameters_keep_quoted_semicolons_together() {
        let (first, rest) = parameters(br#"form-data; name="a;b"; filename=x; flag"#);
        assert_eq!(first, b"form-data");
        let rest: Vec<_> = rest.map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), unquote(v))).collect();
        assert_eq!(
            rest,
            [("name".into(), b"a;b".to_vec()), ("filename".into(), b"x".to_vec()), ("flag".into(), vec![])]
        );
        assert_eq!(unquote(br#""a\"b\\""#), br#"a"b\"#);
    }

    #[test]
    fn a_line_is_found_in_bytes_that_no_parser_has_accepted() {
        let head = b"HTTP/1.1 200 OK: x\r\nA: 1\nno colon\r\na:\t two \r\nB:\r\nA : 3\r\n\r\nA: content\r\n";
        let found: Vec<_> = find(head, "a").collect();
        assert_eq!(found.iter().map(|line| line.value).collect::<Vec<_>>(), [&b"1"[..], b"two"]);
        for line in find(head, "a").chain(find(head, "b")) {
            assert_eq!(&head[line.value_at..line.value_at + line.value.len()], line.value);
        }
        assert_eq!(find(head, "B").next().map(|line| line.value), Some(&b""[..]));
        assert_eq!(find(b"A: half a val", "A").next(), None, "the rest of the line may change its meaning");
        assert_eq!((split_line(b"A: b\r\n"), split_line(b"A")), (Some((&b"A"[..], &b"b"[..])), None));
    }
}
