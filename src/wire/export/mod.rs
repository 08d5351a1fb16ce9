//! An exchange to take away: as a HAR archive (`har`), as a line for a shell, and as the plan by which the program
//! sends a request again.
//!
//! A plan keeps the pieces in which a request came, and the gaps between them, since without gaps TCP would
//! join the pieces. This module opens no socket: the program sends the plan.
//!
//! Clients choose the bytes of a request, so in a line no byte may have a meaning to the shell. Plain text is quoted;
//! all else goes through `printf`, which every shell has, with escapes in octal. curl adds fields of its own
//! (`User-Agent`, `Accept`, `Content-Type`), reads a file if data begins with `@`, and expands brackets in addresses.
//! The line switches off what would change the request, and no more.

pub(crate) mod har;

use std::net::SocketAddr;
use std::time::Duration;

use crate::say;
use crate::service::text::is_visible;
use crate::wire::explain::message::{Message, SpanKind, find_field};
use crate::wire::record::event::TimedMessage;

/// The longest gap: a request that was typed by hand is replayed faster.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// The shortest gap: longer than a busy server takes to read, or two pieces would arrive as one.
const SHORTEST_GAP: Duration = Duration::from_millis(20);
/// No version of curl sends `Expect: 100-continue` for content of up to this many bytes.
const NO_EXPECT: usize = 1000;

/// A request to be sent again: its bytes, and when.
///
/// ```text
/// recorded                              piece
/// recv at   0 ms   GET /hel             after    0 ms
/// recv at 900 ms   lo.txt HTTP/1.1      after  900 ms
/// recv at 905 ms   \r\n\r\n             after   20 ms: not less than SHORTEST_GAP
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayPlan {
    /// Each piece, and how long to wait before it.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// Whether to close the sending side after the last piece, because the recorded request was cut off there.
    pub ends: bool,
}

impl ReplayPlan {
    /// The plan for this request.
    ///
    /// # Errors
    /// The reason why it cannot be sent again.
    pub(crate) fn new(request: &TimedMessage) -> Result<ReplayPlan, String> {
        let bytes = all_bytes(request)?;
        // With stars in place of its secret it would be another request.
        if request.message.masked {
            return Err(say!("export/masked"));
        }
        let starts = piece_starts(request);
        // Each piece ends where the next one begins.
        let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([bytes.len()]);
        let pieces = starts.iter().zip(ends).map(|(&(at, gap), end)| (gap, bytes[at..end].to_vec())).collect();
        Ok(ReplayPlan { pieces, ends: request.message.error.is_some_and(|error| error.cut_off) })
    }
}

/// The bytes of a request, if all were kept.
///
/// # Errors
/// The reason why there are not all: of a long message only the start and the end are kept, and more may come.
fn all_bytes(request: &TimedMessage) -> Result<&[u8], String> {
    if request.message.under_way.is_some() {
        return Err(say!("export/under-way"));
    }
    let whole = request.message.bytes.whole(0, request.message.len());
    whole.ok_or_else(|| say!("export/long"))
}

/// Where each piece begins in the request, and how long to wait before it. A piece is what one `recv()` call
/// brought; the first one has no gap.
fn piece_starts(request: &TimedMessage) -> Vec<(usize, Duration)> {
    let (start, end) = (request.message.start, request.message.end());
    let mut starts = vec![(0, Duration::ZERO)];
    for calls in request.calls.windows(2) {
        // A call that began before the request brought the end of another one too: no piece begins there.
        if calls[1].at > start && calls[1].at < end {
            let gap = calls[1].when.saturating_sub(calls[0].when).clamp(SHORTEST_GAP, LONGEST_GAP);
            starts.push(((calls[1].at - start) as usize, gap));
        }
    }
    starts
}

/// The line for curl:
///
/// ```text
/// curl -i http://localhost:8080/a -H 'User-Agent: test' -H Accept: --data-binary 'it'\''s'
/// ```
///
/// # Errors
/// The reason why there is none.
pub(crate) fn curl(request: &TimedMessage, main: SocketAddr) -> Result<String, String> {
    let message = &request.message;
    if message.error.is_some() {
        return Err(say!("export/broken"));
    }
    if message.is_left_off() {
        return Err(say!("export/incomplete"));
    }
    // The parts used below lie in the bytes that were kept, so all of them must be there.
    all_bytes(request)?;
    let method = message.part(SpanKind::Method);
    let fields = message.fields();
    let (body, _) = message.content();
    // With `-X HEAD` curl would wait for the body that Content-Length announces.
    let mut words = vec!["curl".to_string(), if method == b"HEAD" { "-I" } else { "-i" }.into()];
    // These methods curl chooses by itself.
    if !matches!((method, body.is_empty()), (b"GET" | b"HEAD", true) | (b"POST", false)) {
        words.extend(["-X".into(), quote(method)]);
    }
    if message.part(SpanKind::Version) == b"HTTP/1.0" {
        words.push("--http1.0".into());
    }
    let (address, sends_host) = address(message, find_field(&fields, "host"), main);
    words.extend(address);
    for header in headers(&fields, body.len(), sends_host) {
        words.extend(["-H".into(), quote(&header)]);
    }
    let line = words.join(" ");
    if body.is_empty() {
        return Ok(line);
    }
    // Data that begins with `@` would be the name of a file.
    match is_text(&body) && body[0] != b'@' {
        true => Ok(format!("{line} --data-binary {}", quote(&body))),
        false => Ok(format!("printf {} | {line} --data-binary @-", printf(&body))),
    }
}

/// The words for the address, and whether curl will send the Host of the request because of them.
fn address(message: &Message, host: Option<&[u8]>, main: SocketAddr) -> (Vec<String>, bool) {
    let target = message.target();
    let local = format!("localhost:{}", main.port());
    let base = main.to_string();
    // curl sends as Host what stands in the address. If that is not the Host of the request, the caller adds it
    // as a field.
    let is_local = host == Some(local.as_bytes());
    let sends_host = is_local || host == Some(base.as_bytes());
    let authority = if is_local { local } else { base };
    // curl takes a fragment off a target, and encodes other bytes in its own way.
    let is_path = target.first() == Some(&b'/') && target.iter().all(|b| b.is_ascii_graphic() && *b != b'#');
    // `--request-target` sends these bytes as they are; the address only says where to connect.
    if !is_path {
        return (vec!["--request-target".into(), quote(target), format!("http://{authority}/")], sends_host);
    }
    // curl also removes dot segments from a path. The server refuses those, so there are none to keep.
    let url = [format!("http://{authority}").as_bytes(), target].concat();
    let expands = target.iter().any(|b| b"[]{}".contains(b));
    (expands.then(|| "-g".into()).into_iter().chain([quote(&url)]).collect(), sends_host)
}

/// The header lines that curl must be told: those of the request, and those it would add and must not.
fn headers(fields: &[(&[u8], &[u8])], body: usize, sends_host: bool) -> Vec<Vec<u8>> {
    let mut headers = Vec::new();
    for (name, value) in fields {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        let same_length = is("content-length") && body > 0 && *value == body.to_string().as_bytes();
        // These it sends by itself, exactly so.
        if (is("host") && sends_host) || same_length || (is("accept") && *value == b"*/*") {
            continue;
        }
        // `Name:` tells curl to leave the field out; with a semicolon it sends the field without a value.
        headers.push(if value.is_empty() { [name, &b";"[..]].concat() } else { [name, &b": "[..], value].concat() });
    }
    // The second member says whether curl would add the field to this request.
    let is_sent = |name: &str| find_field(fields, name).is_some();
    let suppressed = [
        ("Host", true),
        ("User-Agent", true),
        ("Accept", true),
        ("Content-Type", body > 0),
        ("Content-Length", body > 0 && is_sent("transfer-encoding")),
        ("Expect", body > NO_EXPECT),
    ];
    let unwanted = suppressed.into_iter().filter(|&(name, is_added)| is_added && !is_sent(name));
    headers.extend(unwanted.map(|(name, _)| format!("{name}:").into_bytes()));
    headers
}

/// The line for `barewire send`, which can send broken requests too, and sends them in pieces:
///
/// ```text
/// printf 'GET / HTTP/1.1\r\n\r\n' | barewire send 127.0.0.1:8080 --raw --cut 5,16 --gap 200
/// ```
///
/// # Errors
/// The reason why there is none.
pub(crate) fn send(request: &TimedMessage, main: SocketAddr) -> Result<String, String> {
    let mut line = format!("printf {} | barewire send {main} --raw", printf(all_bytes(request)?));
    let starts = piece_starts(request);
    // The command knows one gap for all pieces: the longest one is enough for each.
    if let Some(gap) = starts.iter().skip(1).map(|(_, gap)| gap.as_millis()).max() {
        let cuts: Vec<String> = starts.iter().skip(1).map(|(at, _)| at.to_string()).collect();
        line += &format!(" --cut {} --gap {gap}", cuts.join(","));
    }
    Ok(line)
}

/// Whether bytes are one line of visible text. Such text is quoted as it is, so that a reader of the command
/// still recognises the request.
fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(is_plain))
}

/// Whether a character can stand in a command as it is. Control characters and marks that reorder text cannot:
/// the line would not be what it looks like when it is pasted.
fn is_plain(c: char) -> bool {
    matches!(c, ' '..='~') || (!c.is_ascii() && is_visible(c))
}

/// One word of a shell that stands for these bytes: `a.txt`, `'it'\''s'` or `"$(printf '\033[2J')"`. An empty
/// word is `''`.
fn quote(bytes: &[u8]) -> String {
    let needs_no_quotes = |b: &u8| b.is_ascii_alphanumeric() || b"_./:=@%+,-".contains(b);
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.is_empty() && bytes.iter().all(needs_no_quotes) => text.into(),
        // Inside single quotes only a single quote has a meaning: `'\''` ends, escapes, begins again.
        Ok(text) if is_text(bytes) => format!("'{}'", text.replace('\'', r"'\''")),
        // The quotes keep the words of the output together.
        _ => format!("\"$(printf {})\"", printf(bytes)),
    }
}

/// The quoted format with which `printf` prints these bytes. Line ends stay readable as `\r\n`; a `%` is
/// doubled, since it would begin a conversion.
fn printf(bytes: &[u8]) -> String {
    let push_octal = |out: &mut String, bytes: &[u8]| {
        bytes.iter().for_each(|byte| out.push_str(&format!("\\{byte:03o}")));
    };
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
                // At the start of the format it would begin an option.
                '-' if out.len() == 1 => push_octal(&mut out, b"-"),
                c if is_plain(c) => out.push(c),
                // Octal, because `\x` is not known to every printf (POSIX has only octal).
                c => push_octal(&mut out, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        push_octal(&mut out, chunk.invalid());
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests;
