//! Messages in plain words: who sends them, what they ask for, what the system calls show, where they end.
//!
//! Terminal, JSON and browser take their sentences from here, so that all of them say the same. Every byte of
//! the network in a sentence went through [`safe`]. Each message has its own sentences, which say nothing
//! about later ones: a reader of a live view sees them at once.

use std::time::Duration;

use crate::http::{Fault, Status};
use crate::say;
use crate::service::text::visible;
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind, find_field};
use crate::wire::explain::notes::{NoteId, Side, part};
use crate::wire::explain::texts::say_parts;
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent, millis};

/// Bytes of a target that are shown in a sentence.
const TARGET: usize = 90;
/// Names in the User-Agent of browsers, the most particular first: Edge names Chrome too, and Chrome Safari.
const BROWSERS: [&str; 4] = ["Firefox", "Edg", "Chrome", "Safari"];
/// The label of a client that sends no User-Agent. It has a space, so it is no name that a client could send.
const UNNAMED: &str = "no User-Agent";

/// Bytes as ASCII text, with `\xNN` for all others. All that a client or a server sent enters sentences and JSON
/// through this function.
pub(crate) fn safe(bytes: &[u8]) -> String {
    visible(bytes, true)
}

/// The client, by its User-Agent: `Firefox`, `curl/8.5.0`. Without that field it is
/// called [`UNNAMED`]. It is a label for people: any client can send any name.
pub(crate) fn client_name(request: &Message) -> String {
    let agent = safe(find_field(&request.fields(), "user-agent").unwrap_or_default());
    let (first, rest) = agent.split_once(' ').unwrap_or((&agent, ""));
    // All browsers begin with `Mozilla/5.0`. Other programs begin with their own name, as RFC 9110 §10.1.5 says.
    let name = BROWSERS.into_iter().find(|name| rest.contains(name)).unwrap_or(first);
    if name.is_empty() { UNNAMED.into() } else { name.into() }
}

/// What the message is, in a list of messages.
pub(crate) fn message_name(message: &Message) -> String {
    match message.role {
        _ if message.is_proxy_header() => say!("message/proxy-header"),
        _ if message.is_unparsed() => say!("message/unparsed"),
        Role::Request => say!("message/request"),
        Role::Response => say!("message/response"),
    }
}

/// Sentences about the message. In their order, those of an exchange describe all that happened:
///
/// ```text
/// Firefox asks for /hello.txt. This connection carried 2 exchanges before.
/// The server answers 200 OK. Body: 21 bytes, because Content-Length: 21.
/// ```
///
/// Empty for an interim response other than 100: it means nothing to a reader.
pub(crate) fn story(timed: &TimedMessage) -> String {
    let message = &timed.message;
    // Once it is known where the message ends, its story is that of a whole one.
    let under_way = message.under_way.filter(|_| message.framing.is_none());
    let sentences = match (message.role, under_way) {
        _ if message.is_unparsed() => Vec::new(),
        (Role::Request, Some(under_way)) => vec![say!("story/request-begun", sentence = under_way.sentence())],
        (Role::Response, Some(under_way)) => vec![say!("story/response-begun", sentence = under_way.sentence())],
        (Role::Request, None) => request_story(timed),
        (Role::Response, None) if message.status() == Status::CONTINUE.code() => vec![say!("story/continue")],
        (Role::Response, None) if message.is_interim() => Vec::new(),
        (Role::Response, None) => {
            let (code, reason) = (message.status(), safe(message.part(SpanKind::Reason)));
            // A reason phrase may be empty (RFC 9112 §4): then no space may stand before the full stop.
            let status = format!("{code} {reason}").trim_end().to_string();
            let end = end_of_message(message).map(|(bold, rest, ..)| say!("story/end", sentence = bold + &rest));
            let early = timed.early.then(|| say!("story/early"));
            early.into_iter().chain([say!("story/response", status)]).chain(end).collect()
        }
    };
    sentences.join(" ")
}

/// The sentences about a request. Broken ones have no client and no target that could be trusted.
fn request_story(timed: &TimedMessage) -> Vec<String> {
    let message = &timed.message;
    match message.error {
        Some(error) if error.cut_off => vec![say!("story/cut-off")],
        Some(error) => {
            // A limit of the server and a version that it lacks are no mistakes of the client.
            let what = match error.note.as_fault().map(Fault::status) {
                Some(Status::URI_TOO_LONG | Status::FIELDS_TOO_LARGE) => say!("story/limit"),
                Some(Status::BAD_REQUEST) => say!("story/rule"),
                _ => say!("story/unsupported"),
            };
            // A message of a file was read by no server.
            let is_saved = timed.calls.is_empty();
            vec![what, if is_saved { say!("story/end-unknown") } else { say!("story/end-unknown-to-server") }]
        }
        None => {
            let client = match client_name(message) {
                name if name == UNNAMED => say!("story/unnamed"),
                name => name,
            };
            let mut target = safe(message.target());
            // Safe text is ASCII, so it can be cut anywhere.
            if target.len() > TARGET {
                target.truncate(TARGET);
                target.push('…');
            }
            let request = match message.part(SpanKind::Method) {
                b"GET" => say!("story/GET", client, target),
                b"HEAD" => say!("story/HEAD", client, target),
                b"POST" => say!("story/POST", client, target),
                b"PUT" => say!("story/PUT", client, target),
                b"DELETE" => say!("story/DELETE", client, target),
                b"CONNECT" => say!("story/CONNECT", client, target),
                method => say!("story/other", client, target, method = safe(method)),
            };
            let before = message.exchange.saturating_sub(1);
            let reused = (before > 0).then(|| say!("story/reused", exchanges = before));
            [request].into_iter().chain(reused).collect()
        }
    }
}

/// A lesson about TCP from the calls that brought a request: the words in bold, and the rest.
///
/// ```text
/// **3 requests arrived together in one recv().** TCP is a stream of bytes without message boundaries. …
/// ```
///
/// `None` for a response, and if no call is known, as for a message of a file.
pub(crate) fn received_in(timed: &TimedMessage) -> Option<(String, String)> {
    let (message, calls) = (&timed.message, &timed.calls);
    let first = calls.first().filter(|_| message.role == Role::Request && !message.is_unparsed())?;
    let segments = first.segments.filter(|&segments| segments > 1);
    let glued = calls.iter().find(|call| call.requests > 1);
    let (requests, number) = (glued.map_or(1, |call| call.requests), glued.unwrap_or(first).number.to_string());
    let count = timed.call_count;
    let (bold, rest) = match (message.error, glued, calls.get(1)) {
        // The calls after an error teach nothing: their bytes may be requests, or the rest of this one.
        (Some(error), ..) if !error.cut_off => say_parts!("lesson/broken"),
        // Several requests in one call teach more than anything below, so they come first.
        (_, Some(_), None) => say_parts!("lesson/glued", requests),
        (_, Some(_), Some(_)) => say_parts!("lesson/pieces", number, requests),
        // The place of the first cut decides: a cut in the head can fall anywhere, one after it cannot.
        (_, None, Some(second)) if second.at < message.start + message.head_end => {
            say_parts!("lesson/cut-in-head", calls = count)
        }
        (_, None, Some(_)) => say_parts!("lesson/cut-in-body", calls = count),
        (Some(_), None, None) => say_parts!("lesson/cut-off"),
        // Only a PROXY header can be before it in the call.
        (None, None, None) if first.at < message.start => return None,
        // More of it may come.
        (None, None, None) if message.under_way.is_some() => return None,
        (None, None, None) => match segments {
            Some(segments) => say_parts!("lesson/segments", segments = u64::from(segments)),
            None => say_parts!("lesson/whole"),
        },
    };
    match segments.filter(|_| glued.is_some()) {
        Some(segments) => Some((bold, rest + " " + &say!("lesson/waiting", segments = u64::from(segments)))),
        None => Some((bold, rest)),
    }
}

/// Where the message ends, or where it breaks: the words in bold, the reason, the section, and the number of
/// the note.
///
/// ```text
/// **Body: 21 bytes**, because Content-Length: 21   RFC 9112 §6.3 rule 6
/// **Broken at byte 25: a space before the colon**  RFC 9112 §5.1
/// ```
///
/// `None` if it ended in its head without an error.
pub(crate) fn end_of_message(message: &Message) -> Option<(String, String, String, u16)> {
    if let Some(error) = message.error {
        let (note, at) = (error.note.note(), error.at.to_string());
        let sentence = note.long;
        let (bold, rest) = match error.note.as_fault().map(Fault::status) {
            _ if error.cut_off => say_parts!("foot/cut-off", at, sentence),
            Some(status) if status != Status::BAD_REQUEST && message.role == Role::Request => {
                say_parts!("foot/refused", at, sentence)
            }
            _ => say_parts!("foot/broken", at, sentence),
        };
        return Some((bold, rest, note.section.into(), error.note.0));
    }
    let Some(framing) = message.framing else {
        let (bold, rest) = say_parts!("foot/under-way", sentence = message.under_way?.sentence());
        return Some((bold, rest, String::new(), NoteId::NONE.0));
    };
    let (bold, rest) = message.framing_parts()?;
    Some((bold, rest, framing.section(), framing.note().0))
}

/// A block in the picture of the bytes of one side: its start and its end on that side, what it is (`head`,
/// `body`, `answer`), and its label, such as `#2 head 87` or `200 · 1,204 B`.
pub(crate) type ByteBlock = (u64, u64, &'static str, String);

/// The message as blocks: head and body of a request, or the whole of a response.
pub(crate) fn blocks(message: &Message) -> Vec<ByteBlock> {
    let (start, end) = (message.start, message.end());
    if message.is_proxy_header() {
        return vec![(start, end, "rest", say!("block/proxy-header", bytes = message.len()))];
    }
    if message.is_unparsed() {
        return vec![(start, end, "rest", say!("block/unparsed", bytes = message.len()))];
    }
    if message.role == Role::Response {
        let label = say!("block/response", status = message.status().to_string(), bytes = message.len());
        return vec![(start, end, "answer", label)];
    }
    // A request is two blocks, because its boundary is the lesson: nothing on the wire marks it but a blank line.
    let head = end - message.content_len();
    let number = message.exchange.to_string();
    let mut blocks = vec![(start, head, "head", say!("block/head", number, bytes = head - start))];
    if end > head {
        blocks.push((head, end, "body", say!("block/body", bytes = end - head)));
    }
    blocks
}

/// The heading of the message: its kind; its length and the number of calls that carried it:
/// `("Request", "87 bytes of head, 0 bytes of body, in 4 recv() calls")`.
pub(crate) fn summary(timed: &TimedMessage) -> (String, String) {
    let (message, calls) = (&timed.message, timed.call_count);
    let name = match message.role {
        _ if message.is_proxy_header() => {
            return (say!("about/proxy-header"), say!("about/bytes", bytes = message.len()));
        }
        _ if message.is_unparsed() => return (say!("about/unparsed"), say!("about/bytes", bytes = message.len())),
        Role::Request => say!("about/request"),
        Role::Response if message.is_interim() => say!("about/interim"),
        Role::Response => say!("about/response"),
    };
    let body = message.content_len();
    let head = message.len() - body;
    let size = match message.role {
        _ if calls < 2 => say!("about/size", head, body),
        Role::Request => say!("about/size-recv", head, body, calls),
        Role::Response if timed.calls.iter().any(|call| call.from_file) => {
            say!("about/size-sendfile", head, body, calls)
        }
        Role::Response => say!("about/size-send", head, body, calls),
    };
    (name, size)
}

/// A moment of a connection: milliseconds since it was accepted, what happened, and what was waited for until then,
/// as an identifier and as a label: `(541.2, "response starts", "server", "server works")`.
pub(crate) type TimelineStep = (f64, String, &'static str, String);

/// The label of what is waited for.
fn until_label(id: &str) -> String {
    match id {
        "quiet" => say!("until/quiet"),
        "client" => say!("until/client"),
        "server" => say!("until/server"),
        "sending" => say!("until/sending"),
        _ => String::new(),
    }
}

/// The moments in an event, in their order.
pub(crate) fn timeline(event: &WireEvent) -> Vec<TimelineStep> {
    // A message from a file has no times, so it has no steps.
    let step = |time: Option<Duration>, what, until| Some((millis(time?), what, until, until_label(until)));
    let steps = match &event.kind {
        EventKind::Accepted { peer, .. } => {
            vec![step(Some(event.at), say!("step/accepted", peer = peer.to_string()), "")]
        }
        EventKind::Closed { note, side, .. } => {
            let reason = note.note().short;
            let what = match side {
                Side::Client => say!("step/closed-by-client", reason),
                Side::Server => say!("step/closed-by-server", reason),
            };
            vec![step(Some(event.at), what, "quiet")]
        }
        EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.is_unparsed() => Vec::new(),
        EventKind::Message(timed) | EventKind::UnderWay(timed) => {
            let message = &timed.message;
            let end = match message.error {
                Some(error) if error.cut_off => say!("step/cut-off"),
                Some(_) => say!("step/broken"),
                None => say!("step/body-complete"),
            };
            let is_complete = message.under_way.is_none();
            let has_end = is_complete && (message.error.is_some() || message.content_len() > 0);
            match message.role {
                Role::Request => vec![
                    step(timed.began(), say!("step/first-byte"), "quiet"),
                    // A head without framing is incomplete or wrong, so there was no such moment.
                    step(timed.head_at().filter(|_| message.framing.is_some()), say!("step/head-complete"), "client"),
                    step(timed.ended().filter(|_| has_end), end, "client"),
                ],
                Role::Response if message.is_interim() => {
                    let sent = say!("step/interim", status = message.status().to_string());
                    vec![step(timed.began(), sent, "server")]
                }
                Role::Response => vec![
                    step(timed.began(), say!("step/response-starts"), "server"),
                    step(timed.ended().filter(|_| is_complete), say!("step/response-sent"), "sending"),
                ],
            }
        }
        EventKind::Received(..) | EventKind::Sent(..) | EventKind::Lost { .. } => Vec::new(),
    };
    steps.into_iter().flatten().collect()
}

/// The note beside a line, and words to show in place of those of the note: for instance the note of a chunk
/// size, and `chunk 1: size 0x19 = 25 bytes`. The section is that of the note. [`NoteId::NONE`] without words
/// means that there is nothing to say.
pub(crate) fn note_beside(message: &Message, line: &MessageLine) -> (NoteId, Option<String>) {
    // An error is more important than the usual meaning of the line.
    if let Some(error) = message.error_in(line) {
        return (error.note, None);
    }
    match line.kind {
        LineKind::Start => {
            // The note of the line is that of the method or of the status code, if it is a known one.
            let meaning = line.note.note().short;
            match message.role {
                Role::Request => (part::REQUEST_LINE, Some(say!("line/request", meaning))),
                Role::Response if line.note == part::STATUS_LINE => (line.note, None),
                Role::Response => (part::STATUS_LINE, Some(say!("line/status", meaning))),
            }
        }
        // "An unknown field" would say nothing, and there may be many of them.
        LineKind::Field if !line.note.is_known_field() => (NoteId::NONE, None),
        LineKind::Blank => (line.note, Some(say!("line/blank", bytes = line.start + line.len))),
        LineKind::ChunkSize(number, bytes) => {
            let (number, hex) = (number.to_string(), format!("{bytes:X}"));
            (line.note, Some(say!("line/chunk-size", number, hex, bytes)))
        }
        LineKind::ChunkData | LineKind::Body => {
            let bytes = line.len;
            let words = match (message.hidden, message.from_file) {
                (true, _) => say!("line/body-hidden", bytes),
                (_, true) => say!("line/body-from-file", bytes),
                _ => say!("line/body", bytes),
            };
            (NoteId::NONE, Some(words))
        }
        _ => (line.note, None),
    }
}

/// How much was lost, and the consequence for connections that were open: with a gap in its bytes, a connection
/// cannot be explained any further, so only its end is shown.
pub(crate) fn lost_sentence(events: u64, open: usize) -> String {
    match (events, open as u64) {
        (0, open) => say!("terminal/no-memory", open),
        (events, 0) => say!("terminal/lost", events),
        (events, open) => say!("terminal/lost-open", events, open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Limits, Method};
    use crate::wire::explain::{ExplainOptions, annotate};

    /// The story and the last line of the only request in these bytes of a file.
    fn told(request: &str) -> (String, String) {
        let options = ExplainOptions::whole(Limits::default());
        let mut found = annotate(request.as_bytes(), Role::Request, Method::Get, &options);
        let timed = TimedMessage::without_calls(found.messages.swap_remove(0));
        (story(&timed), end_of_message(&timed.message).map(|end| end.0).unwrap_or_default())
    }

    #[test]
    fn only_a_malformed_request_is_said_to_break_a_rule() {
        for (request, what, end) in [
            ("GET / HTTP/1.1\r\nA : b\r\n\r\n", "The marked bytes break a rule of HTTP.", "Broken at byte 17: "),
            (&format!("GET /{} HTTP/1.1\r\n", "a".repeat(70_000)), "The request exceeds a limit", "Refused at byte "),
            ("GET / HTTP/3.0\r\n\r\n", "The request needs something that is not supported.", "Refused at byte 6: "),
            ("PRI * HTTP/2.0\r\n\r\n", "The request needs something", "Refused at byte 0: the client starts HTTP/2"),
            ("\x16\x03\x01\x02\0\x01\0\x01", "The marked bytes", "Broken at byte 0: the client starts encryption"),
        ] {
            let (story, last) = told(request);
            assert!(story.starts_with(what) && last.starts_with(end), "{story} {last}");
            // No server has read a file, and none has closed its connection.
            assert!(story.ends_with("so the bytes after it are not parsed."), "{story}");
        }
    }

    #[test]
    fn a_client_without_a_name_is_not_called_a_person() {
        let (story, _) = told("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n");
        assert_eq!(story, "A client that does not name itself (no User-Agent) asks for a tunnel to a:80.");
    }
}
