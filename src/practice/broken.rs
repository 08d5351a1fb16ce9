//! `/.try/broken/KIND`: answers that are wrong on purpose, one rule each.
//!
//! RFC 9112 §2.1 (the blank line), §2.2 (line ends), §5.1 (no space before the colon), §6.3 (length),
//! §7.1 (chunks), §8 (incomplete messages).
//!
//! Never: without `?yes`. A link that is followed by accident, or fetched in advance, breaks nothing.
//!
//! The subtle thing: curl forgives half of them. Whoever tests with curl alone never learns of the fault,
//! so the list says what curl and Chromium make of each kind; both columns were observed, not guessed.

use std::time::Duration;

use crate::http::{Method, Status};
use crate::practice::call::{Call, pauses};
use crate::practice::query::bad;
use crate::practice::raw;
use crate::practice::raw::Head;
use crate::service::error_page::Problem;
use crate::service::{Answer, ByteOffset, CloseBy};

/// The content of them all.
const CONTENT: &[u8] = b"This answer is wrong on purpose.\n";
/// Announced where the length is too long: three times what comes.
const LONG: u64 = 100;
/// Announced where it is too short: the end of "This answer".
const SHORT: u64 = 11;
/// How long a client waits in vain before the connection ends: long enough to be seen waiting.
const WAIT: Duration = Duration::from_secs(1);

/// A way to be wrong.
pub(crate) struct Kind {
    /// Its address.
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) fault: &'static str,
    /// What curl 7.88.1 does.
    pub(crate) curl: &'static str,
    /// What Chromium 156 does.
    pub(crate) chromium: &'static str,
}

/// All of them.
pub(crate) const KINDS: [Kind; 8] = [
    Kind {
        path: "/.try/broken/no-blank-line?yes",
        name: "no-blank-line",
        fault: "the head never ends: no blank line, then the connection is closed",
        curl: "error 18",
        chromium: "takes the end for the blank line: an empty page",
    },
    Kind {
        path: "/.try/broken/lf-only?yes",
        name: "lf-only",
        fault: "every line of the head ends with LF alone",
        curl: "forgives it",
        chromium: "forgives it",
    },
    Kind {
        path: "/.try/broken/long-length?yes",
        name: "long-length",
        fault: "Content-Length says 100, 33 bytes come",
        curl: "waits, then error 18",
        chromium: "shows 33, then ERR_CONTENT_LENGTH_MISMATCH",
    },
    Kind {
        path: "/.try/broken/short-length?yes",
        name: "short-length",
        fault: "Content-Length says 11, 33 bytes come",
        curl: "takes 11, drops the rest",
        chromium: "takes 11, drops the rest",
    },
    Kind {
        path: "/.try/broken/two-lengths?yes",
        name: "two-lengths",
        fault: "two Content-Length lines that differ",
        curl: "takes the last one: 11 bytes",
        chromium: "ERR_RESPONSE_HEADERS_MULTIPLE_CONTENT_LENGTH",
    },
    Kind {
        path: "/.try/broken/bad-chunk?yes",
        name: "bad-chunk",
        fault: "a chunk size that is no hexadecimal number",
        curl: "error 56",
        chromium: "ERR_INVALID_CHUNKED_ENCODING",
    },
    Kind {
        path: "/.try/broken/no-last-chunk?yes",
        name: "no-last-chunk",
        fault: "chunks without the one of size 0 that ends them",
        curl: "error 18",
        chromium: "ERR_INCOMPLETE_CHUNKED_ENCODING",
    },
    Kind {
        path: "/.try/broken/space-before-colon?yes",
        name: "space-before-colon",
        fault: "a space between a field name and its colon",
        curl: "forgives it",
        chromium: "forgives it",
    },
];

/// One of them.
pub(crate) fn broken(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let Some(kind) = KINDS.iter().find(|kind| kind.name.as_bytes() == call.part) else {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        let problem =
            Problem::new(Status::NOT_FOUND).with_sentence(format!("Kinds of broken answers: {}.", names.join(", ")));
        return Err(problem.with_link("All kinds", "/.try/broken/"));
    };
    if !call.query(&["yes"])?.switch("yes")? {
        let sentence = format!("This answer would be wrong on purpose: {}.", kind.fault);
        return Err(bad(sentence).with_advice("Add ?yes to get it.").with_link("Send it", "?yes"));
    }
    let bytes = broken_bytes(call, kind.name);
    if kind.name != "long-length" || call.method() == Method::Head {
        return Ok(raw::answer(call, Status::OK, bytes, Vec::new(), CloseBy::Fin, Default::default()));
    }
    // Silence behind the last byte, so that a client is seen waiting for those that never come.
    let late = pauses([ByteOffset::Response(bytes.len() as u64)], WAIT);
    Ok(call.slow(WAIT, |held| raw::answer(call, Status::OK, bytes, late, CloseBy::Fin, held)))
}

fn broken_bytes(call: &Call<'_, '_>, kind: &str) -> Vec<u8> {
    let head = || Head::new(call, Status::OK, "OK", "close");
    let length = CONTENT.len() as u64;
    let chunked = |lines: &[u8]| head().line("Transfer-Encoding", "chunked").text_lines().content(lines);
    match kind {
        "no-blank-line" => head().number("Content-Length", length).text_lines().unfinished(),
        "lf-only" => {
            let mut bytes = head().number("Content-Length", length).text_lines().content(CONTENT);
            bytes.retain(|&o| o != b'\r');
            if call.method() == Method::Head {
                bytes.truncate(bytes.len() - CONTENT.len());
            }
            bytes
        }
        "long-length" => head().number("Content-Length", LONG).text_lines().content(CONTENT),
        "short-length" => head().number("Content-Length", SHORT).text_lines().content(CONTENT),
        "two-lengths" => {
            head().number("Content-Length", length).number("Content-Length", SHORT).text_lines().content(CONTENT)
        }
        "bad-chunk" => chunked(&[b"21\r\n", CONTENT, b"\r\nxyz\r\nwhat is this?\r\n0\r\n\r\n"].concat()),
        "no-last-chunk" => chunked(&[b"21\r\n", CONTENT, b"\r\n"].concat()),
        _ => head().number("Content-Length ", length).text_lines().content(CONTENT),
    }
}
