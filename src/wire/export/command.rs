//! A request as something to type: for curl, and for `barewire send`.
//!
//! Never: a character that a shell would obey. What is not plain text goes through `printf`, which every
//! shell has, in octal.
//!
//! The subtle thing: curl adds fields of its own (`User-Agent`, `Accept`, `Content-Type`), reads a file
//! where data begins with `@`, and sees patterns in brackets. A request that is to be the same needs all of that
//! switched off, and nothing that is not needed.

use std::net::SocketAddr;

use crate::service::text::is_visible;
use crate::wire::explain::message::{Message, SpanKind, find_field};
use crate::wire::export::replay::{cuts, whole};
use crate::wire::record::event::TimedMessage;

/// Content up to here goes without `Expect: 100-continue` in every curl.
const NO_EXPECT: usize = 1000;

/// The line for curl.
///
/// # Errors
/// Why there is none.
pub(crate) fn curl(request: &TimedMessage, main: SocketAddr) -> Result<String, &'static str> {
    let message = &request.message;
    if message.error.is_some() {
        return Err("curl sends no broken requests: take the line for barewire send");
    }
    if message.is_left_off() {
        return Err("its body never came whole: take the line for barewire send");
    }
    whole(request)?;
    let method = message.part(SpanKind::Method);
    let fields = message.fields();
    let (body, _) = message.content();
    let mut line = format!("curl {}", if method == b"HEAD" { "-I" } else { "-i" });
    let mut put = |words: &[&str]| words.iter().for_each(|word| line.extend([" ", word]));
    let has_body = !body.is_empty();
    match (method, has_body) {
        (b"GET", false) | (b"HEAD", false) | (b"POST", true) => {}
        _ => put(&["-X", &quote(method)]),
    }
    if message.part(SpanKind::Version) == b"HTTP/1.0" {
        put(&["--http1.0"]);
    }
    let (address, named) = address(message, find_field(&fields, "host"), main);
    address.iter().for_each(|word| put(&[word]));
    for header in headers(&fields, has_body, body.len(), named) {
        put(&["-H", &quote(&header)]);
    }
    if !has_body {
        return Ok(line);
    }
    match is_text(&body) && body[0] != b'@' {
        true => Ok(format!("{line} --data-binary {}", quote(&body))),
        false => Ok(format!("printf {} | {line} --data-binary @-", printf(&body))),
    }
}

/// The address, with what keeps curl from changing it; whether it names the host of the request.
fn address(message: &Message, host: Option<&[u8]>, main: SocketAddr) -> (Vec<String>, bool) {
    let target = message.target();
    let local = format!("localhost:{}", main.port());
    let base = main.to_string();
    let named = host.is_some_and(|host| host == local.as_bytes() || host == base.as_bytes());
    let host = if named && host == Some(local.as_bytes()) { local } else { base };
    let plain = target.first() == Some(&b'/') && target.iter().all(|o| o.is_ascii_graphic() && *o != b'#');
    if !plain {
        return (vec!["--request-target".into(), quote(target), format!("http://{host}/")], named);
    }
    // The dot segments that curl takes out of a path are refused, so there are none to keep.
    let mut words = Vec::new();
    if target.iter().any(|o| b"[]{}".contains(o)) {
        words.push("-g".into());
    }
    let mut url = format!("http://{host}").into_bytes();
    url.extend_from_slice(target);
    words.push(quote(&url));
    (words, named)
}

/// The fields that curl must be told: those of the request, and those it would add and must not.
fn headers(fields: &[(&[u8], &[u8])], has_body: bool, length: usize, named: bool) -> Vec<Vec<u8>> {
    let mut headers = Vec::new();
    for (name, value) in fields {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let same_length = is("content-length") && has_body && *value == length.to_string().as_bytes();
        if (is("host") && named) || same_length || (is("accept") && *value == b"*/*") {
            continue;
        }
        headers.push(match value.is_empty() {
            true => [name, &b";"[..]].concat(),
            false => [name, &b": "[..], value].concat(),
        });
    }
    let mut suppressed = vec!["Host", "User-Agent", "Accept"];
    if has_body {
        suppressed.push("Content-Type");
        if find_field(fields, "transfer-encoding").is_some() {
            suppressed.push("Content-Length");
        }
        if length > NO_EXPECT {
            suppressed.push("Expect");
        }
    }
    let missing = suppressed.into_iter().filter(|name| find_field(fields, name).is_none());
    headers.extend(missing.map(|name| format!("{name}:").into_bytes()));
    headers
}

/// The line for `barewire send`.
///
/// # Errors
/// Why there is none.
pub(crate) fn send(request: &TimedMessage, main: SocketAddr) -> Result<String, &'static str> {
    let bytes = whole(request)?;
    let mut line = format!("printf {} | barewire send {main} --raw", printf(bytes));
    let cuts = cuts(request);
    if let Some(gap) = cuts.iter().skip(1).map(|(_, gap)| gap.as_millis()).max() {
        let places: Vec<String> = cuts.iter().skip(1).map(|(at, _)| at.to_string()).collect();
        line += &format!(" --cut {} --gap {gap}", places.join(","));
    }
    Ok(line)
}

/// Whether bytes can stand in a line as they are.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && is_visible(c))
}

/// One word of a shell.
fn quote(bytes: &[u8]) -> String {
    let bare = |o: &u8| o.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(o);
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && bytes.iter().all(bare) => text.into(),
        Ok(text) if is_text(bytes) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => format!("\"$(printf {})\"", printf(bytes)),
    }
}

/// The format of `printf` that prints these bytes.
fn printf(bytes: &[u8]) -> String {
    let mut out = String::from("'");
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\\' => out.push_str("\\\\"),
                '%' => out.push_str("%%"),
                '\'' => out.push_str(r"'\''"),
                // The first one would be the beginning of an option.
                '-' if out.len() == 1 => octal(&mut out, b"-"),
                c if is_plain(c) => out.push(c),
                c => octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        octal(&mut out, chunk.invalid());
    }
    out.push('\'');
    out
}

fn octal(out: &mut String, bytes: &[u8]) {
    bytes.iter().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
}

#[cfg(test)]
mod tests;
