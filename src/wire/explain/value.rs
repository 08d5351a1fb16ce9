//! Field values, one level deeper: list elements and their parameters, dates, tags, ranges, cookies.
//!
//! RFC 9110 §5.6 (lists, parameters, dates), §8.8.3, §14.1; RFC 6265 §4 for cookies; RFC 3986 for
//! targets and other addresses.
//!
//! Never: a verdict. Whatever a value is, each byte of it gets a span; what it means to the server was
//! decided in [`crate::http`].
//!
//! The subtle thing: here, and nowhere else, is decided which bytes are secrets ([`SpanKind::Secret`]);
//! `mask` only paints over what this file says.

use percent_encoding::percent_decode;

use crate::http::grammar::is_ows;
use crate::wire::explain::message::{MessageSpan, SpanKind};
use crate::wire::explain::notes::{NoteId, part};

/// Query and form values of these names are hidden (`pass%77ord` is one of them too).
const SECRET_NAMES: [&[u8]; 10] =
    [b"password", b"passwd", b"pwd", b"token", b"secret", b"key", b"api_key", b"sig", b"code", b"access_token"];

/// Field names whose values are hidden besides the usual ones.
#[derive(Clone, Debug, Default)]
pub struct RedactOptions {
    names: Vec<Vec<u8>>,
    /// Nothing is hidden: somebody asked to see the secrets.
    nothing: bool,
}

impl RedactOptions {
    /// Hides these too.
    pub fn with_fields(names: &[String]) -> RedactOptions {
        RedactOptions { names: names.iter().map(|n| n.as_bytes().to_vec()).collect(), nothing: false }
    }

    /// Hides nothing.
    pub fn off() -> RedactOptions {
        RedactOptions { names: Vec::new(), nothing: true }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.nothing
    }

    /// Whether the value of this field is hidden, or a part of it.
    pub(crate) fn is_field(&self, name: &[u8]) -> bool {
        const ALWAYS: [&[u8]; 6] =
            [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-token"];
        self.has(name) || ALWAYS.iter().any(|n| n.eq_ignore_ascii_case(name))
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.iter().any(|n| n.eq_ignore_ascii_case(name))
    }
}

/// Puts spans behind each other.
pub(crate) struct SpanWriter<'a> {
    pub(crate) spans: &'a mut Vec<MessageSpan>,
    pub(crate) at: u64,
}

impl SpanWriter<'_> {
    pub(crate) fn put(&mut self, len: usize, kind: SpanKind, note: NoteId) {
        if len > 0 {
            self.spans.push(MessageSpan { start: self.at, len: len as u64, kind, note });
            self.at += len as u64;
        }
    }
}

/// The spans of the value of a field; whitespace around it is not part of it.
pub(crate) fn value(name: &[u8], value: &[u8], hide: &RedactOptions, pen: &mut SpanWriter<'_>) {
    let lower = name.to_ascii_lowercase();
    if hide.has(name) && !hide.nothing {
        return pen.put(value.len(), SpanKind::Secret, part::SECRET);
    }
    let secret = if hide.nothing { SpanKind::Value } else { SpanKind::Secret };
    match lower.as_slice() {
        b"authorization" | b"proxy-authorization" => {
            let scheme = value.iter().position(|&o| is_ows(o)).unwrap_or(0);
            let space = value[scheme..].iter().take_while(|&&o| is_ows(o)).count();
            pen.put(scheme, SpanKind::Value, part::AUTH_SCHEME);
            pen.put(space, SpanKind::Ows, part::OWS);
            pen.put(value.len() - scheme - space, secret, part::SECRET);
        }
        b"x-api-key" | b"x-auth-token" => pen.put(value.len(), secret, part::SECRET),
        b"cookie" => cookies(value, secret, false, pen),
        b"set-cookie" => cookies(value, secret, true, pen),
        b"content-length" => pen.put(value.len(), SpanKind::Framing, part::LENGTH),
        b"transfer-encoding" => pen.put(value.len(), SpanKind::Framing, part::CODING),
        b"content-type" => list(value, part::MEDIA_TYPE, pen),
        b"cache-control" => list(value, part::DIRECTIVE, pen),
        b"accept" | b"accept-encoding" | b"accept-language" | b"accept-charset" | b"te" => {
            list(value, part::ELEMENT, pen);
        }
        b"connection" | b"vary" | b"allow" | b"trailer" | b"expect" => list(value, part::ELEMENT, pen),
        b"range" => range(value, pen),
        b"etag" | b"if-none-match" | b"if-match" => list(value, part::ENTITY_TAG, pen),
        b"date" | b"last-modified" | b"expires" | b"if-modified-since" | b"if-unmodified-since" => date(value, pen),
        b"referer" | b"location" | b"content-location" => address(value, hide, pen),
        _ => pen.put(value.len(), SpanKind::Value, NoteId::NONE),
    }
}

/// Elements between commas, parameters behind semicolons; both may be quoted.
fn list(value: &[u8], element: NoteId, pen: &mut SpanWriter<'_>) {
    let (mut at, mut note) = (0, element);
    while at < value.len() {
        let (mut quoted, mut escaped) = (false, false);
        let ends = |o: u8| {
            match o {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' | b';' if !quoted => return true,
                _ => {}
            }
            false
        };
        let len = value[at..].iter().copied().position(ends).unwrap_or(value.len() - at);
        let piece = &value[at..at + len];
        let before = piece.iter().take_while(|&&o| is_ows(o)).count();
        let after = piece[before..].iter().rev().take_while(|&&o| is_ows(o)).count();
        let core = &piece[before..len - after];
        pen.put(before, SpanKind::Ows, part::OWS);
        match core {
            [b'W', b'/', tag @ ..] if note == part::ENTITY_TAG => {
                pen.put(2, SpanKind::Value, part::WEAK);
                pen.put(tag.len(), SpanKind::Value, note);
            }
            [b'q' | b'Q', b'=', ..] if note == part::PARAMETER => pen.put(core.len(), SpanKind::Value, part::WEIGHT),
            _ => pen.put(core.len(), SpanKind::Value, note),
        }
        pen.put(after, SpanKind::Ows, part::OWS);
        at += len;
        if let Some(&separator) = value.get(at) {
            pen.put(1, SpanKind::Value, part::SEPARATOR);
            note = if separator == b',' { element } else { part::PARAMETER };
            at += 1;
        }
    }
}

/// `name=value` between semicolons; of Set-Cookie only the first is a cookie.
fn cookies(value: &[u8], secret: SpanKind, set: bool, pen: &mut SpanWriter<'_>) {
    for (n, piece) in value.split_inclusive(|&o| o == b';').enumerate() {
        let (piece, end) = match piece {
            [piece @ .., b';'] => (piece, 1),
            _ => (piece, 0),
        };
        let before = piece.iter().take_while(|&&o| is_ows(o)).count();
        pen.put(before, SpanKind::Ows, part::OWS);
        let piece = &piece[before..];
        if set && n > 0 {
            pen.put(piece.len(), SpanKind::Value, part::COOKIE_ATTRIBUTE);
        } else {
            // Without "=" it is a value without a name, as browsers see it.
            let name = piece.iter().position(|&o| o == b'=').map_or(0, |at| at + 1);
            pen.put(name, SpanKind::Value, part::COOKIE_NAME);
            pen.put(piece.len() - name, secret, part::SECRET);
        }
        pen.put(end, SpanKind::Value, part::SEPARATOR);
    }
}

fn range(value: &[u8], pen: &mut SpanWriter<'_>) {
    let unit = value.iter().position(|&o| o == b'=').map_or(0, |at| at + 1);
    pen.put(unit, SpanKind::Value, part::RANGE_UNIT);
    list(&value[unit..], part::RANGE_SPEC, pen);
}

/// `Sat, 21 Nov 2026 00:23:48 GMT`; anything else is one piece.
fn date(value: &[u8], pen: &mut SpanWriter<'_>) {
    match value.iter().position(|&o| o == b',') {
        Some(comma) if value.ends_with(b" GMT") && comma + 6 < value.len() => {
            pen.put(comma + 1, SpanKind::Value, part::DAY);
            pen.put(1, SpanKind::Ows, part::OWS);
            pen.put(value.len() - comma - 6, SpanKind::Value, part::MOMENT);
            pen.put(1, SpanKind::Ows, part::OWS);
            pen.put(3, SpanKind::Value, part::ZONE);
        }
        _ => pen.put(value.len(), SpanKind::Value, NoteId::NONE),
    }
}

/// A target or another address: scheme, authority, path, query.
pub(crate) fn address(bytes: &[u8], hide: &RedactOptions, pen: &mut SpanWriter<'_>) {
    let mut rest = bytes;
    if let Some(colon) = bytes.windows(3).position(|w| w == b"://")
        && bytes[..colon].iter().all(u8::is_ascii_alphanumeric)
    {
        pen.put(colon + 3, SpanKind::Path, part::SCHEME);
        rest = &bytes[colon + 3..];
        let end = rest.iter().position(|o| matches!(o, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        let authority = &rest[..end];
        if let Some(sign) = authority.iter().rposition(|&o| o == b'@') {
            let kind = if hide.nothing { SpanKind::Path } else { SpanKind::Secret };
            pen.put(sign, kind, part::SECRET);
            pen.put(end - sign, SpanKind::Path, part::AUTHORITY);
        } else {
            pen.put(end, SpanKind::Path, part::AUTHORITY);
        }
        rest = &rest[end..];
    }
    let path = rest.iter().position(|&o| o == b'?').unwrap_or(rest.len());
    pen.put(path, SpanKind::Path, if &rest[..path] == b"*" { part::ASTERISK } else { part::PATH });
    if path < rest.len() {
        pen.put(1, SpanKind::Query, part::QUERY);
        pairs(&rest[path + 1..], hide, SpanKind::Query, pen);
    }
}

/// Paints over the secrets of an address, byte for byte: for the access log, which is read by more people
/// than the view is and kept for longer.
pub fn redact_address(bytes: &mut [u8]) {
    // Most have none, and are looked at once.
    if !bytes.iter().any(|o| matches!(o, b'=' | b'@')) {
        return;
    }
    let mut spans = Vec::new();
    address(bytes, &RedactOptions::default(), &mut SpanWriter { spans: &mut spans, at: 0 });
    for secret in spans.iter().filter(|span| span.kind == SpanKind::Secret) {
        bytes[secret.start as usize..secret.end() as usize].fill(b'*');
    }
}

/// `name=value` pairs of a query or of an urlencoded form.
pub(crate) fn pairs(bytes: &[u8], hide: &RedactOptions, kind: SpanKind, pen: &mut SpanWriter<'_>) {
    for pair in bytes.split_inclusive(|o| matches!(o, b'&' | b';' | b'#')) {
        let (pair, end) = match pair {
            [pair @ .., b'&' | b';' | b'#'] => (pair, 1),
            _ => (pair, 0),
        };
        let (name, equals) = match pair.iter().position(|&o| o == b'=') {
            Some(at) => (at, 1),
            None => (pair.len(), 0),
        };
        pen.put(name, kind, part::QUERY_NAME);
        pen.put(equals, kind, part::SEPARATOR);
        let value = pair.len() - name - equals;
        if is_secret(&pair[..name]) && !hide.nothing {
            pen.put(value, SpanKind::Secret, part::SECRET);
        } else {
            pen.put(value, kind, part::QUERY_VALUE);
        }
        pen.put(end, kind, part::SEPARATOR);
    }
}

/// Whether what has this name is hidden.
pub(crate) fn is_secret(name: &[u8]) -> bool {
    let name: Vec<u8> = percent_decode(name).collect();
    SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces of a value as text with the names of their notes.
    #[track_caller]
    fn check(name: &str, text: &str, expected: &[(&str, &str)]) {
        let mut spans = Vec::new();
        value(
            name.as_bytes(),
            text.as_bytes(),
            &RedactOptions::with_fields(&["X-Mine".into()]),
            &mut SpanWriter { spans: &mut spans, at: 0 },
        );
        let piece = |s: &MessageSpan| &text[s.start as usize..s.end() as usize];
        let got: Vec<_> = spans.iter().map(|s| (piece(s), s.note.note().name)).collect();
        assert_eq!(got, expected, "{name}: {text}");
        assert_eq!(spans.iter().map(|s| s.len).sum::<u64>(), text.len() as u64);
    }

    #[test]
    fn a_value_falls_into_its_pieces() {
        check(
            "Content-Type",
            "text/html; charset=utf-8",
            &[("text/html", "media-type"), (";", "separator"), (" ", "ows"), ("charset=utf-8", "parameter")],
        );
        check(
            "accept",
            "a/b;q=0.5, \"x,y\"",
            &[
                ("a/b", "element"),
                (";", "separator"),
                ("q=0.5", "weight"),
                (",", "separator"),
                (" ", "ows"),
                ("\"x,y\"", "element"),
            ],
        );
        check(
            "Range",
            "bytes=0-9,-5",
            &[("bytes=", "range-unit"), ("0-9", "range-spec"), (",", "separator"), ("-5", "range-spec")],
        );
        check("ETag", "W/\"a\"", &[("W/", "weak"), ("\"a\"", "entity-tag")]);
        check(
            "Date",
            "Sat, 21 Nov 2026 00:23:48 GMT",
            &[("Sat,", "day"), (" ", "ows"), ("21 Nov 2026 00:23:48", "moment"), (" ", "ows"), ("GMT", "zone")],
        );
        check("Date", ", GMT", &[(", GMT", "plain")]);
        check("Content-Length", "21", &[("21", "length")]);
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (address, shown) in [
            ("/a?b=c", "/a?b=c"),
            ("/a?token=xyz&b=c", "/a?token=***&b=c"),
            ("http://ann:pw@h/?Sig=1#key=2", "http://******@h/?Sig=*#key=*"),
            ("/=@", "/=@"),
        ] {
            let mut bytes = address.as_bytes().to_vec();
            redact_address(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), shown);
        }
    }

    #[test]
    fn secrets_are_found_and_their_names_stay() {
        check("Authorization", "Basic abc=", &[("Basic", "auth-scheme"), (" ", "ows"), ("abc=", "secret")]);
        check("authorization", "nothing", &[("nothing", "secret")]);
        check(
            "Cookie",
            "a=b; c",
            &[("a=", "cookie-name"), ("b", "secret"), (";", "separator"), (" ", "ows"), ("c", "secret")],
        );
        check(
            "Set-Cookie",
            "s=1; HttpOnly",
            &[
                ("s=", "cookie-name"),
                ("1", "secret"),
                (";", "separator"),
                (" ", "ows"),
                ("HttpOnly", "cookie-attribute"),
            ],
        );
        check("x-mine", "abc", &[("abc", "secret")]);
        check(
            "Referer",
            "http://u:p@h/a?Pass%77ord=x&b=1",
            &[
                ("http://", "scheme"),
                ("u:p", "secret"),
                ("@h", "authority"),
                ("/a", "path"),
                ("?", "query"),
                ("Pass%77ord", "query-name"),
                ("=", "separator"),
                ("x", "secret"),
                ("&", "separator"),
                ("b", "query-name"),
                ("=", "separator"),
                ("1", "query-value"),
            ],
        );
    }
}
