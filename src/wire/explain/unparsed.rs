//! Secrets in bytes that no parser has read: after a fault, in a message that is not complete, in content that repeats
//! the head of a request.
//!
//! Nothing is known about such bytes, so every line is read in all the ways in which it could carry a secret. Rather a
//! few ordinary bytes are hidden than one secret is shown.
//!
//! | a line | secret |
//! |---|---|
//! | `Cookie: a=b`, also with other bytes before the name or spaces before the colon | the value, as `value` divides it |
//! | `Authorization Bearer abc`: the colon is forgotten | all after the name |
//! | ` abc` after one of these: a folded line | all of it |
//! | `GET /?token=abc HTTP/1.1`, `password=abc&b=1` | the value after a secret name |
//! | `http://ann:abc@host/`, `Host: ann:abc@host` | the user name and the password |
//! | the data of a part whose name is secret | every line, up to the next boundary |

use crate::http::{field, grammar, grammar::is_ows};
use crate::wire::explain::{Annotations, RedactOptions, SpanKind, part, value};

/// What the lines so far say about the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ordinary,
    /// After the line of a secret field: a folded line continues its value.
    SecretField,
    /// In the head of a part whose name is secret.
    SecretPartHead,
    /// In the data of such a part.
    SecretPart,
}

/// The places of secrets: the first byte of each, and the one after its last.
pub(crate) fn secrets(bytes: &[u8], redact: &RedactOptions) -> Vec<(usize, usize)> {
    let (mut found, mut state, mut at) = (Vec::new(), State::Ordinary, 0);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let first = found.len();
        state = match state {
            State::SecretPart if !text.starts_with(b"--") => {
                found.push((0, text.len()));
                State::SecretPart
            }
            State::SecretField if text.first().is_some_and(|&b| is_ows(b)) => {
                found.push((0, text.len()));
                State::SecretField
            }
            State::SecretPartHead if text.is_empty() => State::SecretPart,
            _ => {
                in_pairs(text, redact, &mut found);
                in_addresses(text, line == text, &mut found);
                match in_field(text, line == text, redact, &mut found) {
                    // The other field lines of a part do not change what its name says.
                    State::Ordinary if state == State::SecretPartHead => state,
                    next => next,
                }
            }
        };
        found[first..].iter_mut().for_each(|(from, to)| (*from, *to) = (*from + at, *to + at));
        at += line.len();
    }
    found
}

/// A field line. Returns the state after it.
fn in_field(text: &[u8], is_end: bool, redact: &RedactOptions, found: &mut Vec<(usize, usize)>) -> State {
    let is_token = |&b: &u8| grammar::is_tchar(b);
    let Some(colon) = text.iter().position(|&b| b == b':') else {
        let start = text.iter().position(is_token).unwrap_or(text.len());
        let end = start + text[start..].iter().take_while(|b| is_token(b)).count();
        if !redact.is_secret_field(&text[start..end]) {
            return State::Ordinary;
        }
        found.push((end, text.len()));
        return State::SecretField;
    };
    // The name as a client meant it: other bytes may stand before it, and spaces after it.
    let name = grammar::trim(&text[..colon]);
    let name = &name[name.iter().rposition(|b| !is_token(b)).map_or(0, |at| at + 1)..];
    if redact.is_secret_field(name) {
        let mut spans = Annotations::default();
        spans.put(colon + 1, SpanKind::Name, part::FIELD_NAME);
        spans.put_trimmed(&text[colon + 1..], |text, out| value::value(name, text, redact, out));
        let secret = spans.spans.iter().filter(|span| span.kind == SpanKind::Secret);
        found.extend(secret.map(|span| (span.start as usize, span.end() as usize)));
        return State::SecretField;
    }
    if name.eq_ignore_ascii_case(b"host") {
        found.extend(in_authority(&text[colon + 1..], is_end).map(|to| (colon + 1, colon + 1 + to)));
    }
    let (_, mut parameters) = field::parameters(&text[colon + 1..]);
    let mut is_secret = |(key, value): (&[u8], &[u8])| {
        key.eq_ignore_ascii_case(b"name") && redact.is_secret_name(&field::unquote(value))
    };
    match name.eq_ignore_ascii_case(b"content-disposition") && parameters.any(&mut is_secret) {
        true => State::SecretPartHead,
        false => State::Ordinary,
    }
}

/// `name=value` anywhere in a line. A value ends at `&` or with the line, since a form may have spaces in it; only the
/// version of a request line ends it too.
fn in_pairs(text: &[u8], redact: &RedactOptions, found: &mut Vec<(usize, usize)>) {
    let version = text.len().checked_sub(b" HTTP/1.1".len()).filter(|&at| text[at..].starts_with(b" HTTP/"));
    let text = &text[..version.unwrap_or(text.len())];
    for equals in text.iter().enumerate().filter(|(_, b)| **b == b'=').map(|(at, _)| at) {
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'%');
        let start = text[..equals].iter().rposition(|b| !is_name(b)).map_or(0, |at| at + 1);
        let is_view_key = !redact.off && text[..=equals].ends_with(value::VIEW_KEY);
        if is_view_key || redact.is_secret_name(&text[start..equals]) {
            let end = text[equals..].iter().position(|&b| b == b'&').map_or(text.len(), |at| equals + at);
            found.push((equals + 1, end));
        }
    }
}

/// How much of the authority of a Host field or of CONNECT is secret. Where the bytes end in it (`is_end`), the `@` may
/// not have come; before a colon there is at most a user name.
fn in_authority(text: &[u8], is_end: bool) -> Option<usize> {
    let at = text.iter().rposition(|&b| b == b'@');
    at.or_else(|| (is_end && text.contains(&b':')).then_some(text.len()))
}

/// `scheme://user:password@host` anywhere in a line, and the target of CONNECT. Where the bytes end in it (`is_end`), the
/// `@` may not have come.
fn in_addresses(text: &[u8], is_end: bool, found: &mut Vec<(usize, usize)>) {
    const CONNECT: &[u8] = b"CONNECT ";
    if let Some(target) = text.strip_prefix(CONNECT) {
        let end = target.iter().position(|&b| b == b' ').unwrap_or(target.len());
        let secret = in_authority(&target[..end], is_end && end == target.len());
        found.extend(secret.map(|to| (CONNECT.len(), CONNECT.len() + to)));
    }
    let starts = text.windows(3).enumerate().filter(|(_, window)| *window == b"://").map(|(at, _)| at + 3);
    for start in starts {
        let ends = |&b: &u8| b.is_ascii_whitespace() || matches!(b, b'/' | b'?' | b'#');
        let end = text[start..].iter().position(ends).map_or(text.len(), |len| start + len);
        let authority = &text[start..end];
        if let Some(at) = authority.iter().rposition(|&b| b == b'@') {
            found.push((start, start + at));
        } else if is_end && end == text.len() {
            // Some programs have a token in place of the user name, and no colon.
            found.push((start, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for (from, to) in secrets(text.as_bytes(), &RedactOptions::default()) {
            bytes[from..to].fill(b'*');
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_secret_is_found_in_every_line_that_could_carry_one() {
        for (text, expected) in [
            ("GET /?token=abc&q=1 HTTP/1.1\r\n", "GET /?token=***&q=1 HTTP/1.1\r\n"),
            ("GET /?q=1&pass%77ord=a b HTTP/1.1", "GET /?q=1&pass%77ord=*** HTTP/1.1"),
            ("GET http://a:bc@h/?key=x", "GET http://****@h/?key=*"),
            ("Host: ann:b@h\n", "Host:******@h\n"),
            ("Referer: http://h:80/ http://ann:b", "Referer: http://h:80/ http://*****"),
            ("Host: a:8", "Host:****"),
            ("Host: a:8\r", "Host: a:8\r"),
            ("CONNECT ann:bc@h:1 HTTP/1.1\r\n", "CONNECT ******@h:1 HTTP/1.1\r\n"),
            ("CONNECT ann:b", "CONNECT *****"),
            ("Referer: http://tok", "Referer: http://***"),
            ("Cookie: theme=dark; n=b\r\nX: y", "Cookie: theme=****; n=*\r\nX: y"),
            ("\0 Cookie : a=b", "\0 Cookie : a=*"),
            ("authorization: Basic abc\r\n\tdef\r\nX: y", "authorization: Basic ***\r\n****\r\nX: y"),
            ("Authorization: abc", "Authorization: ***"),
            ("Authorization Bearer abc\n d", "Authorization***********\n**"),
            ("a=b&password=c d\ntheme=dark", "a=b&password=***\ntheme=dark"),
            ("Location: /a?code=1#x", "Location: /a?code=***"),
            ("Location: http://127.0.0.1:81/#k=ab&find", "Location: http://127.0.0.1:81/#k=**&find"),
            (
                "--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\nX: y\r\n\r\na\r\n\r\nb\r\n--b--\r\n",
                "--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\nX: y\r\n\r\n*\r\n\r\n*\r\n--b--\r\n",
            ),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        for text in
            ["", "\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "a=b&c=d", "mail: a@b", "{\"a\": \"b=c\"}", "=\0=:"]
        {
            assert_eq!(shown(text), text);
        }
        assert!(secrets(b"Cookie: a=b\npassword=c", &RedactOptions::off()).is_empty());
    }
}
