//! Spans of field values and addresses: list elements, parameters, dates, ranges, cookies, query pairs.
//!
//! RFC 9110 §5.6 (lists, parameters, dates), §8.8.3 (entity-tags), §14.1 (ranges); RFC 6265 §4 (cookies); RFC 3986
//! (addresses). Every byte of a value gets a span, valid or not: what the value means to the server was decided in
//! [`crate::http`].
//!
//! | field | value | spans |
//! |---|---|---|
//! | `Accept` | `a/b;q=0.5, c/d` | element, separator, weight, separator, whitespace, element |
//! | `ETag` | `W/"a"` | weak, entity-tag |
//! | `Range` | `bytes=0-9,-5` | unit, range, separator, range |
//! | `Date` | `Sat, 21 Nov 2026 00:23:48 GMT` | day, whitespace, moment, whitespace, zone |
//! | `Authorization` | `Basic abc=` | scheme, whitespace, **secret** |
//! | `Cookie` | `a=b; c` | name, **secret**, separator, whitespace, **secret** |
//! | `Set-Cookie` | `s=1; HttpOnly` | name, **secret**, separator, whitespace, attribute |
//! | `Referer` | `http://u:p@h/a?key=x` | scheme, **secret**, authority, path, query, name, separator, **secret** |
//! | `Content-Length` | `21` | framing |
//!
//! This file alone decides which bytes are secret because of their place ([`SpanKind::Secret`]).
//! [`crate::wire::explain::redact`] overwrites them, and finds the same bytes in other places.

use percent_encoding::percent_decode;

use crate::http::{grammar::is_ows, target};
use crate::wire::explain::{Annotations, NoteId, SpanKind, part};

/// Values in queries and forms with these names are redacted. Names are decoded first: `pass%77ord` is one of them.
const SECRET_NAMES: [&[u8]; 10] =
    [b"password", b"passwd", b"pwd", b"token", b"secret", b"key", b"api_key", b"sig", b"code", b"access_token"];
/// What stands before the key of the wire view in its address.
pub(crate) const VIEW_KEY: &[u8] = b"#k=";
/// Fields whose values are redacted, as a whole or in part.
const SECRET_FIELDS: [&[u8]; 6] =
    [b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"x-auth-token"];

/// What is redacted besides the usual secrets, or that nothing is. The default is the usual secrets.
#[derive(Clone, Debug, Default)]
pub struct RedactOptions {
    fields: Vec<Vec<u8>>,
    /// Nothing is redacted.
    pub(crate) off: bool,
}

impl RedactOptions {
    /// Also redacts the whole values of fields with these names.
    pub fn with_fields(names: &[String]) -> RedactOptions {
        RedactOptions { fields: names.iter().map(|name| name.as_bytes().to_vec()).collect(), off: false }
    }

    /// Redacts nothing: the user asked to see the secrets.
    pub fn off() -> RedactOptions {
        RedactOptions { fields: Vec::new(), off: true }
    }

    /// Whether the value of this field contains a secret.
    pub(crate) fn is_secret_field(&self, name: &[u8]) -> bool {
        !self.off && (self.is_named(name) || SECRET_FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)))
    }

    /// Whether a value with this name, in a query or a form, is secret.
    pub(crate) fn is_secret_name(&self, name: &[u8]) -> bool {
        let name: Vec<u8> = percent_decode(name).collect();
        // The server decodes the name before it reads the value, so a client may write it in any encoded form.
        !self.off && SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
    }

    /// Whether the user named this field.
    fn is_named(&self, name: &[u8]) -> bool {
        !self.off && self.fields.iter().any(|field| field.eq_ignore_ascii_case(name))
    }

    /// The kind of a span that is secret unless redaction is off.
    fn secret_or(&self, kind: SpanKind) -> SpanKind {
        if self.off { kind } else { SpanKind::Secret }
    }
}

/// Appends the spans of the value of a field, which has no whitespace around it.
pub(crate) fn value(name: &[u8], value: &[u8], redact: &RedactOptions, out: &mut Annotations) {
    // Fields that the user named come first: also a field that would be taken apart below is hidden as a whole.
    if redact.is_named(name) {
        return out.put(value.len(), SpanKind::Secret, part::SECRET);
    }
    let secret = redact.secret_or(SpanKind::Value);
    match name.to_ascii_lowercase().as_slice() {
        b"authorization" | b"proxy-authorization" => {
            // A value without a space has no scheme. All of it may be a token, so all of it is secret.
            let scheme = value.iter().position(|&b| is_ows(b)).unwrap_or(0);
            let space = value[scheme..].iter().take_while(|&&b| is_ows(b)).count();
            out.put(scheme, SpanKind::Value, part::AUTH_SCHEME);
            out.put(space, SpanKind::Ows, part::OWS);
            out.put(value.len() - scheme - space, secret, part::SECRET);
        }
        b"x-api-key" | b"x-auth-token" => out.put(value.len(), secret, part::SECRET),
        b"cookie" => cookies(value, secret, false, out),
        b"set-cookie" => cookies(value, secret, true, out),
        // These two decide where the message ends, so they stand out in every view.
        b"content-length" => out.put(value.len(), SpanKind::Framing, part::LENGTH),
        b"transfer-encoding" => out.put(value.len(), SpanKind::Framing, part::CODING),
        b"content-type" => list(value, part::MEDIA_TYPE, out),
        b"cache-control" => list(value, part::DIRECTIVE, out),
        b"accept" | b"accept-encoding" | b"accept-language" | b"accept-charset" | b"te" | b"connection" | b"vary"
        | b"allow" | b"trailer" | b"expect" => list(value, part::ELEMENT, out),
        b"range" => {
            // Without "=" the value is a list of ranges without a unit, and still shown.
            let unit = value.iter().position(|&b| b == b'=').map_or(0, |at| at + 1);
            out.put(unit, SpanKind::Value, part::RANGE_UNIT);
            list(&value[unit..], part::RANGE_SPEC, out);
        }
        b"etag" | b"if-none-match" | b"if-match" => list(value, part::ENTITY_TAG, out),
        b"date" | b"last-modified" | b"expires" | b"if-modified-since" | b"if-unmodified-since" => date(value, out),
        b"referer" | b"location" | b"content-location" => address(value, redact, out),
        _ => out.put(value.len(), SpanKind::Value, NoteId::NONE),
    }
}

/// Elements between commas, and after each its parameters after semicolons (RFC 9110 §5.6.1, §5.6.6). `element` is the
/// note of an element. Empty elements are valid and have no span.
fn list(value: &[u8], element: NoteId, out: &mut Annotations) {
    let (mut rest, mut note) = (value, element);
    while !rest.is_empty() {
        let (mut quoted, mut escaped) = (false, false);
        // A comma or semicolon inside a quoted-string separates nothing (RFC 9110 §5.6.4).
        let separates = |&b: &u8| {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' | b';' if !quoted => return true,
                _ => {}
            }
            false
        };
        let (piece, after) = rest.split_at(rest.iter().position(separates).unwrap_or(rest.len()));
        out.put_trimmed(piece, |core, out| match core {
            // The mark of a weak tag has a note of its own: a weak tag cannot be used for ranges.
            [b'W', b'/', tag @ ..] if note == part::ENTITY_TAG => {
                out.put(2, SpanKind::Value, part::WEAK);
                out.put(tag.len(), SpanKind::Value, note);
            }
            [b'q' | b'Q', b'=', ..] if note == part::PARAMETER => out.put(core.len(), SpanKind::Value, part::WEIGHT),
            _ => out.put(core.len(), SpanKind::Value, note),
        });
        rest = after;
        if let [separator, after @ ..] = rest {
            out.put(1, SpanKind::Value, part::SEPARATOR);
            // After a semicolon a parameter follows, after a comma the next element.
            note = if *separator == b',' { element } else { part::PARAMETER };
            rest = after;
        }
    }
}

/// `name=value` between semicolons (RFC 6265 §4.2.1). In Set-Cookie only the first is a cookie; attributes follow.
fn cookies(value: &[u8], secret: SpanKind, is_set: bool, out: &mut Annotations) {
    for (n, piece) in value.split_inclusive(|&b| b == b';').enumerate() {
        let (piece, end) = split_last(piece, b";");
        let before = piece.iter().take_while(|&&b| is_ows(b)).count();
        out.put(before, SpanKind::Ows, part::OWS);
        let piece = &piece[before..];
        if is_set && n > 0 {
            out.put(piece.len(), SpanKind::Value, part::COOKIE_ATTRIBUTE);
        } else {
            // Browsers read a cookie without "=" as a value without a name, so all of it is secret.
            let name = piece.iter().position(|&b| b == b'=').map_or(0, |at| at + 1);
            out.put(name, SpanKind::Value, part::COOKIE_NAME);
            out.put(piece.len() - name, secret, part::SECRET);
        }
        out.put(end, SpanKind::Value, part::SEPARATOR);
    }
}

/// `Sat, 21 Nov 2026 00:23:48 GMT`; a value in another form is one span.
fn date(value: &[u8], out: &mut Annotations) {
    match value.iter().position(|&b| b == b',') {
        // The two older forms of a date have no comma, or no GMT; they are shown as one piece.
        Some(comma) if value.ends_with(b" GMT") && comma + 6 < value.len() => {
            out.put(comma + 1, SpanKind::Value, part::DAY);
            out.put(1, SpanKind::Ows, part::OWS);
            out.put(value.len() - comma - 6, SpanKind::Value, part::MOMENT);
            out.put(1, SpanKind::Ows, part::OWS);
            out.put(3, SpanKind::Value, part::ZONE);
        }
        _ => out.put(value.len(), SpanKind::Value, NoteId::NONE),
    }
}

/// Appends the spans of a target or another address: scheme, authority, path, query (RFC 3986 §3). A user name and a
/// password before the host are secret. A fragment is part of the path or of the query; it is not sent anyway.
pub(crate) fn address(bytes: &[u8], redact: &RedactOptions, out: &mut Annotations) {
    let mut rest = bytes;
    if let Some(colon) = bytes.windows(3).position(|window| window == b"://")
        // A "://" after other characters stands in a query, and is no scheme.
        && bytes[..colon].iter().all(u8::is_ascii_alphanumeric)
    {
        out.put(colon + 3, SpanKind::Path, part::SCHEME);
        rest = &bytes[colon + 3..];
        let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
        // The last "@" ends the userinfo: a password may contain "@" itself. No "@" is no userinfo.
        let userinfo = rest[..end].iter().rposition(|&b| b == b'@').unwrap_or(0);
        out.put(userinfo, redact.secret_or(SpanKind::Path), part::SECRET);
        out.put(end - userinfo, SpanKind::Path, part::AUTHORITY);
        rest = &rest[end..];
    }
    // The address of the wire view has its key in the fragment: `http://127.0.0.1:8081/#k=…` (`wire::browser::entry`).
    let key = rest.windows(VIEW_KEY.len()).position(|window| window == VIEW_KEY);
    let (rest, view) = rest.split_at(key.unwrap_or(rest.len()));
    let path = rest.iter().position(|&b| b == b'?').unwrap_or(rest.len());
    let note = match &rest[..path] {
        b"*" => part::ASTERISK,
        path if target::has_dot_segments(path) => part::DOT_SEGMENTS,
        _ => part::PATH,
    };
    out.put(path, SpanKind::Path, note);
    // A query that is empty has a question mark all the same.
    if path < rest.len() {
        out.put(1, SpanKind::Query, part::QUERY);
        pairs(&rest[path + 1..], redact, SpanKind::Query, out);
    }
    if let Some(value) = view.strip_prefix(VIEW_KEY) {
        let end = value.iter().position(|&b| b == b'&').unwrap_or(value.len());
        out.put(VIEW_KEY.len(), SpanKind::Path, part::PATH);
        out.put(end, redact.secret_or(SpanKind::Path), part::SECRET);
        out.put(value.len() - end, SpanKind::Path, part::PATH);
    }
}

/// Overwrites the secrets of an address with `*`, byte for byte. For the access log, which is read by more people
/// than the view is, and kept for longer.
pub fn redact_address(bytes: &mut [u8]) {
    // Every secret of an address follows "=" or stands before "@". Most addresses have neither.
    if !bytes.iter().any(|b| matches!(b, b'=' | b'@')) {
        return;
    }
    let mut found = Annotations::default();
    address(bytes, &RedactOptions::default(), &mut found);
    for secret in found.spans.iter().filter(|span| span.kind == SpanKind::Secret) {
        bytes[secret.start as usize..secret.end() as usize].fill(b'*');
    }
}

/// Appends the spans of `name=value` pairs, those of a query or of an urlencoded form. `kind` is that of everything
/// that is not secret. Names stay readable: they tell what was sent.
pub(crate) fn pairs(bytes: &[u8], redact: &RedactOptions, kind: SpanKind, out: &mut Annotations) {
    // Some servers separate pairs by ";" as well, and "#" ends the query. A new name may follow each of them.
    for pair in bytes.split_inclusive(|b| matches!(b, b'&' | b';' | b'#')) {
        let (pair, end) = split_last(pair, b"&;#");
        // A pair without "=" is a name without a value, which cannot be secret.
        let name = pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
        let equals = usize::from(name < pair.len());
        out.put(name, kind, part::QUERY_NAME);
        out.put(equals, kind, part::SEPARATOR);
        let value = pair.len() - name - equals;
        match redact.is_secret_name(&pair[..name]) {
            true => out.put(value, SpanKind::Secret, part::SECRET),
            false => out.put(value, kind, part::QUERY_VALUE),
        }
        out.put(end, kind, part::SEPARATOR);
    }
}

/// `bytes` without its last byte if that is one of `separators`, and how many were removed.
fn split_last<'a>(bytes: &'a [u8], separators: &[u8]) -> (&'a [u8], usize) {
    match bytes {
        [rest @ .., last] if separators.contains(last) => (rest, 1),
        _ => (bytes, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::explain::MessageSpan;

    /// The pieces of a value as text with the names of their notes.
    #[track_caller]
    fn check(name: &str, text: &str, expected: &[(&str, &str)]) {
        let mut out = Annotations::default();
        value(name.as_bytes(), text.as_bytes(), &RedactOptions::with_fields(&["X-Mine".into()]), &mut out);
        let spans = out.spans;
        let piece = |s: &MessageSpan| &text[s.start as usize..s.end() as usize];
        let got: Vec<_> = spans.iter().map(|s| (piece(s), s.note.note().name)).collect();
        assert_eq!(got, expected, "{name}: {text}");
        assert_eq!(spans.iter().map(|s| s.len).sum::<u64>(), text.len() as u64);
    }

    #[test]
    fn a_value_is_divided_into_its_pieces() {
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
    fn a_path_with_dot_segments_says_that_they_are_removed() {
        for (path, note) in [
            ("/a/b...", "path"),
            ("/./a", "dot-segments"),
            ("/d/%2E%2e/a", "dot-segments"),
            ("../a/", "dot-segments"),
            ("/%252e/..;", "path"),
            ("*", "asterisk"),
        ] {
            check("Location", path, &[(path, note)]);
        }
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        for (address, shown) in [
            ("/a?b=c", "/a?b=c"),
            ("http://127.0.0.1:8081/#k=abc&find%3D", "http://127.0.0.1:8081/#k=***&find%3D"),
            ("/a?b=c#k=abc", "/a?b=c#k=***"),
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
