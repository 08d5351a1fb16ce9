//! Field lines: what may stand in one, and how lists, parameters and weights inside a value are read.
//!
//! RFC 9110 §5 (fields), §5.6.1 (lists), §5.6.6 (parameters), §12.4.2 (weights).
//!
//! ```text
//! field-line  = field-name ":" OWS field-value OWS
//! list        = [ element ] *( OWS "," OWS [ element ] )     ; empty elements are skipped
//! parameter   = token "=" ( token / quoted-string )
//! weight      = OWS ";" OWS "q=" ( "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ] )
//! ```
//!
//! Never: which fields exist. A service asks by name.
//!
//! The subtle thing: a comma or semicolon inside a quoted-string separates nothing, so every split
//! here walks the quotes; splitting at each comma is how `"a,b"` becomes two entity-tags.

use crate::http::fault::Fault;
use crate::http::grammar::{is_field_byte, is_ows, is_tchar, trim};

/// The first thing wrong with a field line (without its CR LF): the fault, its place in the line and
/// how many bytes are to blame. `None` when the line is a field line.
pub fn diagnose(line: &[u8]) -> Option<(Fault, usize, usize)> {
    if line.first().is_some_and(|&o| is_ows(o)) {
        return Some((Fault::ObsFold, 0, 1));
    }
    let Some(colon) = line.iter().position(|&o| o == b':') else {
        // A line without colon that already breaks the alphabet is better told by that byte.
        return Some(match line.iter().position(|&o| !is_field_byte(o)) {
            Some(at) => (control(line[at]), at, 1),
            None => (Fault::NoColon, 0, line.len()),
        });
    };
    let name = &line[..colon];
    if name.is_empty() {
        return Some((Fault::FieldName, 0, 1));
    }
    let bare = trim(name);
    if let Some(at) = bare.iter().position(|&o| !is_tchar(o)) {
        return Some((if bare[at] == b'\r' { Fault::BareCr } else { Fault::FieldName }, at, 1));
    }
    if bare.len() < name.len() {
        // `Content-Length : 5` is read by one recipient and skipped by another (RFC 9112 §5.1).
        return Some((Fault::SpaceBeforeColon, bare.len(), name.len() - bare.len()));
    }
    let at = line[colon + 1..].iter().position(|&o| !is_field_byte(o))? + colon + 1;
    Some((control(line[at]), at, 1))
}

fn control(byte: u8) -> Fault {
    if byte == b'\r' { Fault::BareCr } else { Fault::FieldValue }
}

/// The pieces of `value` between separators that stand outside quoted-strings, as they are.
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (at, &byte) in rest.iter().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == self.separator && !quoted => {
                    self.rest = Some(&rest[at + 1..]);
                    return Some(&rest[..at]);
                }
                _ => {}
            }
        }
        self.rest = None;
        Some(rest)
    }
}

/// The elements of one list value: trimmed, empty ones skipped (RFC 9110 §5.6.1.2).
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    Pieces { rest: Some(value), separator: b',' }.map(trim).filter(|element| !element.is_empty())
}

/// An element taken apart at its semicolons: what stands before the first, then each parameter as
/// name and value. A quoted value keeps its quotes ([`unquote`] takes them off).
pub fn parameters(element: &[u8]) -> (&[u8], impl Iterator<Item = (&[u8], &[u8])>) {
    let mut pieces = Pieces { rest: Some(element), separator: b';' };
    let first = trim(pieces.next().unwrap_or_default());
    let rest = pieces.map(trim).filter(|p| !p.is_empty()).map(|p| match p.iter().position(|&o| o == b'=') {
        Some(at) => (trim(&p[..at]), trim(&p[at + 1..])),
        None => (p, &p[p.len()..]),
    });
    (first, rest)
}

/// A quoted-string without its quotes and backslashes; anything else as it is.
pub fn unquote(value: &[u8]) -> Vec<u8> {
    let [b'"', inner @ .., b'"'] = value else { return value.to_vec() };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { *bytes.next().unwrap_or(&byte) } else { byte });
    }
    out
}

/// The elements of a weighted list (Accept and its kin): name and weight in thousandths.
///
/// A weight that breaks the grammar counts as 1, as if it were not there: refusing the whole field
/// would send a client that writes `q=.5` an answer it cannot use.
pub fn weighted(value: &[u8]) -> impl Iterator<Item = (&[u8], u16)> {
    elements(value).map(|element| {
        let (name, mut parameters) = parameters(element);
        let weight = parameters.find(|(name, _)| name.eq_ignore_ascii_case(b"q"));
        (name, weight.and_then(|(_, value)| thousandths(value)).unwrap_or(1000))
    })
}

/// qvalue (RFC 9110 §12.4.2) in thousandths.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut sum = match whole {
        b'0' => 0,
        b'1' => 1000,
        _ => return None,
    };
    let mut unit = 100;
    for digit in fraction {
        sum += unit * u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        unit /= 10;
    }
    (sum <= 1000).then_some(sum)
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
}
