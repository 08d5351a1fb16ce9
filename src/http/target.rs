//! The request target: its four forms, the path in it, decoded once, and the pairs of its query.
//!
//! RFC 9112 §3.2, RFC 9110 §4.2, RFC 3986 §2–3.
//!
//! ```text
//! origin-form    = absolute-path [ "?" query ]          GET /where?q=now
//! absolute-form  = "http://" authority path [ "?" … ]   GET http://host/where
//! authority-form = uri-host ":" port                    CONNECT host:80
//! asterisk-form  = "*"                                  OPTIONS *
//! ```
//!
//! A path is decoded exactly once, and *after* that NUL and an encoded `/` are refused and dot segments are removed:
//! Apache 2.4.49 decoded twice, others checked before they decoded; both let clients read the whole disk. Every other
//! rule, such as that about hidden names, sees the path without dot segments. Every other byte may be part of a file
//! name and passes. Which file a path names is decided in `files`.
//!
//! | sent | path | reason |
//! |---|---|---|
//! | `/./a`, `/d/../a`, `/d/%2e%2e/a` | `/a` | RFC 3986 §5.2.4; apt, urllib, Go and Java send them as written |
//! | `/d/.`, `/d/e/..` | `/d/` | a dot segment at the end names a folder |
//! | `/.//a` | `/a` | two slashes at the start would name a host in an address |
//! | `/..`, `/d/../../a` | 400 | nothing is above the root |
//! | `/d/..%2fa` | 400 | an encoded slash |
//! | `/%252e/a`, `/.../a`, `/..;/a` | as decoded | names like any other |

use std::borrow::Cow;

use memchr::{memchr, memrchr};

use crate::http::grammar::{decimal, hex_digit};
use crate::http::{Fault, Method, RequestError, Span};

/// A byte that a request target may contain as it is: VCHAR without `#`.
///
/// A narrower set would break browsers, which send `|`, `{` or `"` as typed. A wider one would let a fragment or raw
/// UTF-8 through, in which two recipients may see two different resources.
pub(crate) const fn is_target_byte(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~') && byte != b'#'
}

/// The form of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetForm {
    /// `/path?query`.
    Origin,
    /// `http://host/path?query`: a server must accept it, though clients send it to proxies only.
    Absolute,
    /// `host:port`, with CONNECT only.
    Authority,
    /// `*`, with OPTIONS only.
    Asterisk,
}

/// The parts of a target. Positions count from the start of the message.
#[derive(Clone, Debug)]
pub struct Target {
    /// The form.
    pub form: TargetForm,
    /// The whole target.
    pub span: Span,
    /// The authority, in absolute and authority form.
    pub authority: Option<Span>,
    /// The path as it was sent; empty in authority and asterisk form, and for `http://host`.
    pub path: Span,
    /// What follows the first `?`.
    pub query: Option<Span>,
    /// The path as [`decode`] returns it, if that differs from the path as it was sent.
    pub decoded: Option<Box<[u8]>>,
}

impl Target {
    /// Reads the target that lies at `span` of the message.
    ///
    /// # Errors
    /// The first fault in it.
    pub fn parse(message: &[u8], span: Span, method: Method) -> Result<Target, RequestError> {
        let (bytes, start) = (span.of(message), span.start());
        // Before the form: for a byte that no form may have, TargetByte is the clearer fault.
        if let Some(at) = bytes.iter().position(|&b| !is_target_byte(b)) {
            return Err(RequestError::new(Fault::TargetByte, start + at, 1));
        }
        // The method decides first: `*` is a form for OPTIONS only, and CONNECT has just one form.
        match (bytes, method) {
            (b"*", Method::Options) => return Ok(Target::without_path(TargetForm::Asterisk, span, None)),
            (_, Method::Connect) => {
                return match authority(bytes) {
                    Some((_, Some(port))) if !port.is_empty() => {
                        Ok(Target::without_path(TargetForm::Authority, span, Some(span)))
                    }
                    _ => Err(span.error(Fault::TargetForm)),
                };
            }
            _ => {}
        }
        let (form, authority, path_at) = if bytes.first() == Some(&b'/') {
            (TargetForm::Origin, None, 0)
        } else {
            let span = absolute(bytes).map_err(|error| error.shifted(start as u64))?;
            (TargetForm::Absolute, Some(Span::new(start + span.start(), span.len())), span.end())
        };
        // A `#` cannot follow: a fragment is never sent, and was refused above.
        let rest = &bytes[path_at..];
        let path_len = rest.iter().position(|&b| b == b'?').unwrap_or(rest.len());
        let path = Span::new(start + path_at, path_len);
        let query = (path_len < rest.len()).then(|| Span::new(path.end() + 1, rest.len() - path_len - 1));
        // Nothing is kept if the path reads the same decoded: its span is enough.
        let decoded = match decode(&rest[..path_len]).map_err(|error| error.shifted(path.start() as u64))? {
            Cow::Borrowed(_) => None,
            Cow::Owned(bytes) => Some(bytes.into_boxed_slice()),
        };
        Ok(Target { form, span, authority, path, query, decoded })
    }

    fn without_path(form: TargetForm, span: Span, authority: Option<Span>) -> Target {
        Target { form, span, authority, path: Span::new(span.end(), 0), query: None, decoded: None }
    }
}

/// Where the authority of an absolute-form target lies.
fn absolute(bytes: &[u8]) -> Result<Span, RequestError> {
    let no_form = || RequestError::new(Fault::TargetForm, 0, bytes.len());
    let colon = bytes.windows(3).position(|w| w == b"://").ok_or_else(no_form)?;
    let scheme = &bytes[..colon];
    let alphabet = |&b: &u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    // In `host/path://x` the part before `://` is no scheme, and the target has none of the forms.
    if !scheme.first().is_some_and(u8::is_ascii_alphabetic) || !scheme.iter().all(alphabet) {
        return Err(no_form());
    }
    // Valid, but of another scheme: this server has no authority for it (RFC 9110 §7.4).
    if !scheme.eq_ignore_ascii_case(b"http") {
        return Err(RequestError::new(Fault::TargetScheme, 0, scheme.len()));
    }
    let at = colon + 3;
    let rest = &bytes[at..];
    let len = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
    // `http://bank.example@evil.example/` looks like the first host to a person.
    if let Some(sign) = rest[..len].iter().position(|&b| b == b'@') {
        return Err(RequestError::new(Fault::TargetUserinfo, at, sign + 1));
    }
    match authority(&rest[..len]) {
        Some((host, _)) if !host.is_empty() => Ok(Span::new(at, len)),
        _ => Err(RequestError::new(Fault::TargetHost, at, len)),
    }
}

/// Splits uri-host [ ":" port ]; `None` if it is not one. Both may be empty together, as in an empty Host (RFC 9110
/// §7.2).
pub fn authority(bytes: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    // Only an IP literal begins with a bracket.
    let is_literal = bytes.first() == Some(&b'[');
    let host_len = if is_literal {
        // The colons of an IPv6 address separate no port.
        let end = bytes.iter().position(|&b| b == b']')?;
        std::str::from_utf8(&bytes[1..end]).ok()?.parse::<std::net::Ipv6Addr>().ok()?;
        end + 1
    } else {
        bytes.iter().position(|&b| b == b':').unwrap_or(bytes.len())
    };
    let (host, rest) = bytes.split_at(host_len);
    // An IPv4 address is a registered name, too.
    if !is_literal && !is_registered_name(host) {
        return None;
    }
    match rest {
        [] => Some((host, None)),
        // `http://:80/` is invalid (RFC 9110 §4.2.1), and so is a Host that says the same.
        _ if host.is_empty() => None,
        // RFC 3986 §3.2.3 allows a colon without a port after it.
        [b':', port @ ..] if port.is_empty() || decimal(port).is_some_and(|p| p <= 65_535) => Some((host, Some(port))),
        _ => None,
    }
}

/// reg-name of RFC 3986 §3.2.2.
fn is_registered_name(mut host: &[u8]) -> bool {
    loop {
        host = match host {
            [] => return true,
            [b'%', high, low, rest @ ..] if hex_digit(*high).is_some() && hex_digit(*low).is_some() => rest,
            // unreserved and sub-delims (RFC 3986 §2)
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
}

/// The path without percent-encoding and dot segments; borrowed if it has neither, which is the common case. `path`
/// begins with a slash.
///
/// ```
/// use barewire::http::{Fault, RequestError, target};
///
/// assert_eq!(target::decode(b"/a%20b").unwrap(), &b"/a b"[..]);
/// assert_eq!(target::decode(b"/a/%2e%2e/b").unwrap(), &b"/b"[..]);
/// assert_eq!(target::decode(b"/a/../%2e%2e"), Err(RequestError::new(Fault::AboveRoot, 6, 6)));
/// ```
///
/// # Errors
/// The first fault, with its position in `path`.
pub fn decode(path: &[u8]) -> Result<Cow<'_, [u8]>, RequestError> {
    let decoded = percent_decode(path)?;
    if !segments(&decoded).any(is_dot_segment) {
        return Ok(decoded);
    }
    let mut kept = without_dot_segments(path, &decoded)?;
    // `/.//x` is `//x` by now. Without this, a rule that begins with one slash would not see `/.//.git`.
    let slashes = kept.iter().take_while(|&&b| b == b'/').count();
    kept.drain(..slashes.saturating_sub(1));
    Ok(Cow::Owned(kept))
}

/// The folder against which a client resolves relative references (RFC 3986 §5.2.3): the path up to its last slash,
/// decoded and without dot segments. It is as the client counts folders: two slashes at the start stay two, and an
/// encoded dot segment is a name, since the client removes dot segments and decodes nothing (§5.2.4).
pub(crate) fn base(path: &[u8]) -> Result<Vec<u8>, RequestError> {
    let folder = &path[..memrchr(b'/', path).map_or(0, |at| at + 1)];
    Ok(percent_decode(&without_dot_segments(folder, folder)?)?.into_owned())
}

/// Percent-decodes a path, once.
fn percent_decode(path: &[u8]) -> Result<Cow<'_, [u8]>, RequestError> {
    if memchr(b'%', path).is_none() {
        return Ok(Cow::Borrowed(path));
    }
    let mut out = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = path.get(at) {
        // `+` stays a plus: only forms write it for a space.
        if byte != b'%' {
            out.push(byte);
            at += 1;
            continue;
        }
        let digit = |offset| path.get(at + offset).and_then(|&b: &u8| hex_digit(b));
        match digit(1).zip(digit(2)).map(|(high, low)| high << 4 | low) {
            None => return Err(RequestError::new(Fault::PercentEncoding, at, path.len().min(at + 3) - at)),
            // A system call would take NUL for the end of the name: `/x%00.txt` would open `x`.
            Some(0) => return Err(RequestError::new(Fault::EncodedNul, at, 3)),
            // It would become a separator, and then `..%2f` would be two segments.
            Some(b'/') => return Err(RequestError::new(Fault::EncodedSlash, at, 3)),
            Some(byte) => out.push(byte),
        }
        at += 3;
    }
    Ok(Cow::Owned(out))
}

/// Whether a path as it was sent has dot segments, which [`decode`] removes.
pub(crate) fn has_dot_segments(path: &[u8]) -> bool {
    percent_decode(path).is_ok_and(|path| segments(&path).any(is_dot_segment))
}

fn is_dot_segment(segment: &[u8]) -> bool {
    matches!(segment, b"." | b"..")
}

fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&b| b == b'/')
}

/// Removes the dot segments of a path (RFC 3986 §5.2.4). `raw` is the path as it was sent, for the position of a fault:
/// without encoded slashes, both have the same segments.
fn without_dot_segments(raw: &[u8], decoded: &[u8]) -> Result<Vec<u8>, RequestError> {
    let mut kept = Vec::with_capacity(decoded.len());
    let mut at = 1;
    // Before the first slash there is nothing.
    let mut both = segments(raw).zip(segments(decoded)).skip(1).peekable();
    while let Some((raw, segment)) = both.next() {
        match segment {
            b"." => {}
            b".." => match memrchr(b'/', &kept) {
                // With the slash before it. The last segment may be empty, as in `/a//..`.
                Some(slash) => kept.truncate(slash),
                // The RFC drops such a segment. Only an attempt to leave the root needs it, so it is refused.
                None => return Err(RequestError::new(Fault::AboveRoot, at, raw.len())),
            },
            name => {
                kept.push(b'/');
                kept.extend_from_slice(name);
            }
        }
        // At the end a dot segment names the folder itself.
        if both.peek().is_none() && is_dot_segment(segment) {
            kept.push(b'/');
        }
        at += raw.len() + 1;
    }
    Ok(kept)
}

/// The pairs of a query, `name=value` between `&`, as they were sent: nothing is decoded. A name without `=` has no
/// value; empty pieces are left out. RFC 3986 §3.4 leaves this form to applications.
///
/// ```
/// let pairs: Vec<_> = barewire::http::target::query_pairs(b"sort=size&all").collect();
/// assert_eq!(pairs, [(&b"sort"[..], Some(&b"size"[..])), (b"all", None)]);
/// ```
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let pieces = query.split(|&b| b == b'&').filter(|piece| !piece.is_empty());
    pieces.map(|piece| match piece.iter().position(|&b| b == b'=') {
        Some(at) => (&piece[..at], Some(&piece[at + 1..])),
        None => (piece, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Result<&[u8], Fault>) {
        let got = decode(path.as_bytes());
        assert_eq!(got.as_deref().map_err(|error| error.fault), expected, "{path}");
    }

    #[test]
    fn a_path_is_decoded_once() {
        check("/plain/name.txt", Ok(b"/plain/name.txt"));
        check("/a%20b", Ok(b"/a b"));
        check("/%252e%252e/x", Ok(b"/%2e%2e/x"));
        check("/%5C..%5Cx", Ok(b"/\\..\\x"));
        check("/%FF%0A", Ok(b"/\xff\n"));
        check("/...", Ok(b"/..."));
        check("/.well-known/x", Ok(b"/.well-known/x"));
        check("//x//", Ok(b"//x//"));
        check("/a%2fb", Err(Fault::EncodedSlash));
        check("/a%2Fb", Err(Fault::EncodedSlash));
        check("/a%00b", Err(Fault::EncodedNul));
        for broken in ["/%", "/%4", "/%4g", "/%g4", "/%%41", "/%+1"] {
            check(broken, Err(Fault::PercentEncoding));
        }
    }

    #[test]
    fn dot_segments_are_removed_as_the_rfc_says_and_none_climbs_above_the_root() {
        for (path, kept) in [
            ("/./a", "/a"),
            ("/d/../a", "/a"),
            ("/d/./../a", "/a"),
            // Of RFC 3986 §5.2.4 and §5.4.1.
            ("/a/b/c/./../../g", "/a/g"),
            ("/b/c/..", "/b/"),
            ("/b/c/.", "/b/c/"),
            ("/b/c/../", "/b/"),
            ("/b/c/g;x=1/../y", "/b/c/y"),
            ("/b/c/../../g", "/g"),
            ("/.", "/"),
            ("/./", "/"),
            ("/a/..", "/"),
            ("/a/../", "/"),
            ("/%2e/a", "/a"),
            ("/d/%2E%2e/a", "/a"),
            ("/d/.%2e/%2e/a%20b", "/a b"),
            // An empty segment is one, too.
            ("//..", "/"),
            ("/a//../b", "/a/b"),
            ("/a//..", "/a/"),
            ("/a/..//b//c", "/b//c"),
            ("/.//evil.example/", "/evil.example/"),
            ("/././//.git", "/.git"),
            ("/x/..//.try/", "/.try/"),
            ("//./x", "/x"),
            // Decoded once.
            ("/%252e%252e/./x", "/%2e%2e/x"),
            ("/./%5C..%5Cx", "/\\..\\x"),
            ("/..;/./...", "/..;/..."),
        ] {
            check(path, Ok(kept.as_bytes()));
        }
        for (path, at, len) in [
            ("/..", 1, 2),
            ("/../x", 1, 2),
            ("/%2e%2e/x", 1, 6),
            ("/a/../.%2E/x", 6, 4),
            ("//../..", 5, 2),
            ("/./../a", 3, 2),
            ("/a/../../a", 6, 2),
        ] {
            assert_eq!(decode(path.as_bytes()), Err(RequestError::new(Fault::AboveRoot, at, len)), "{path}");
        }
        // What is removed must be valid all the same.
        check("/%00/../x", Err(Fault::EncodedNul));
        check("/a%2f/../x", Err(Fault::EncodedSlash));
        check("/a/..%2fx", Err(Fault::EncodedSlash));
        check("/%zz/../x", Err(Fault::PercentEncoding));
    }

    /// The steps A to E of RFC 3986 §5.2.4, word for word; `None` where C finds no segment to remove.
    fn remove_dot_segments(mut input: &str) -> Option<String> {
        let mut output = String::new();
        while !input.is_empty() {
            if let Some(rest) = input.strip_prefix("../").or(input.strip_prefix("./")) {
                input = rest;
            } else if input.starts_with("/./") {
                input = &input[2..];
            } else if input == "/." {
                input = "/";
            } else if input.starts_with("/../") || input == "/.." {
                input = if input == "/.." { "/" } else { &input[3..] };
                output.truncate(output.rfind('/')?);
            } else if input == "." || input == ".." {
                input = "";
            } else {
                let end = input[1..].find('/').map_or(input.len(), |at| at + 1);
                output.push_str(&input[..end]);
                input = &input[end..];
            }
        }
        Some(output)
    }

    #[test]
    fn every_short_path_loses_its_dot_segments_as_the_algorithm_of_the_rfc_says() {
        let mut paths = vec!["/".to_string()];
        for _ in 0..8 {
            paths = paths.iter().flat_map(|path| ["/", ".", "a"].map(|next| format!("{path}{next}"))).collect();
            for path in &paths {
                let coded = path.replace('.', "%2e");
                let expected = remove_dot_segments(path).map(|kept| match kept == *path {
                    true => kept,
                    false => format!("/{}", kept.trim_start_matches('/')),
                });
                for sent in [path, &coded] {
                    let got = decode(sent.as_bytes()).map(|path| String::from_utf8_lossy(&path).into_owned());
                    assert_eq!(got.as_ref().ok(), expected.as_ref(), "{sent}");
                    assert!(got.is_ok_and(|path| !has_dot_segments(path.as_bytes())) || expected.is_none(), "{sent}");
                }
            }
        }
    }

    #[test]
    fn a_host_is_a_name_an_address_and_perhaps_a_port() {
        for good in ["localhost", "a.b:80", "127.0.0.1:8080", "[::1]", "[::1]:80", "x_y", "a:", "", "%41", "a:65535"] {
            assert!(authority(good.as_bytes()).is_some(), "{good}");
        }
        for bad in [
            ":80",
            ":",
            "a b",
            "a/b",
            "a:b",
            "a:-1",
            "a:+1",
            "a:65536",
            "a:1:2",
            "[::1",
            "[::1]x",
            "[zz]",
            "::1",
            "a@b",
            "a,b:80,c",
            "%4",
            "%zz",
            "a\\b",
            "é",
            "[]",
            "[1.2.3.4]",
            "[::1%25eth0]",
        ] {
            assert!(authority(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_four_forms_are_told_apart_and_others_refused() {
        let parse = |text: &str, method| {
            Target::parse(text.as_bytes(), Span::new(0, text.len()), method).map(|t| {
                let part = |s: Option<Span>| s.map(|s| String::from_utf8_lossy(s.of(text.as_bytes())).into_owned());
                (t.form, part(t.authority), part(Some(t.path)).unwrap(), part(t.query))
            })
        };
        let some = |s: &str| Some(s.to_string());
        assert_eq!(parse("/a?b?c", Method::Get), Ok((TargetForm::Origin, None, "/a".into(), some("b?c"))));
        assert_eq!(parse("/?", Method::Get), Ok((TargetForm::Origin, None, "/".into(), some(""))));
        assert_eq!(
            parse("HTTP://h:1/a?b", Method::Get),
            Ok((TargetForm::Absolute, some("h:1"), "/a".into(), some("b")))
        );
        assert_eq!(parse("http://h", Method::Get), Ok((TargetForm::Absolute, some("h"), String::new(), None)));
        assert_eq!(parse("http://h?q", Method::Get), Ok((TargetForm::Absolute, some("h"), String::new(), some("q"))));
        assert_eq!(parse("*", Method::Options), Ok((TargetForm::Asterisk, None, String::new(), None)));
        assert_eq!(parse("h:80", Method::Connect), Ok((TargetForm::Authority, some("h:80"), String::new(), None)));
        for (text, method, fault) in [
            ("*", Method::Get, Fault::TargetForm),
            ("a", Method::Get, Fault::TargetForm),
            ("h:80", Method::Get, Fault::TargetForm),
            ("/x", Method::Connect, Fault::TargetForm),
            ("h", Method::Connect, Fault::TargetForm),
            ("https://h/", Method::Get, Fault::TargetScheme),
            ("ftp://h/", Method::Get, Fault::TargetScheme),
            ("http:///x", Method::Get, Fault::TargetHost),
            ("http://h:x/", Method::Get, Fault::TargetHost),
            ("http://u@h/", Method::Get, Fault::TargetUserinfo),
            ("/#x", Method::Get, Fault::TargetByte),
            ("/é", Method::Get, Fault::TargetByte),
            ("/\x01", Method::Get, Fault::TargetByte),
        ] {
            assert_eq!(parse(text, method).unwrap_err().fault, fault, "{text}");
        }
    }

    #[test]
    fn a_query_is_split_at_its_signs_and_nothing_is_decoded() {
        let pairs: Vec<_> = query_pairs(b"a=1&&b&c=&=d&e=f=g&%26=%3D").collect();
        let expected: [(&[u8], Option<&[u8]>); 6] = [
            (b"a", Some(b"1")),
            (b"b", None),
            (b"c", Some(b"")),
            (b"", Some(b"d")),
            (b"e", Some(b"f=g")),
            (b"%26", Some(b"%3D")),
        ];
        assert_eq!(pairs, expected);
        assert_eq!(query_pairs(b"").count(), 0);
    }
}
