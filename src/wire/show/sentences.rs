//! Messages in plain words: who sends them, what they ask for, what the system calls show, where they end.
//!
//! Terminal, JSON and browser take their sentences from here, so that all of them say the same. Every byte of
//! the network in a sentence went through [`safe`]. Each message has its own sentences, which say nothing
//! about later ones: a reader of a live view sees them at once.

use std::time::Duration;

use crate::http::{Fault, Status};
use crate::service::text::{grouped, visible};
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind, byte_count, count, find_field};
use crate::wire::explain::notes::{NoteId, part};
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

/// Text with a capital letter at its start. Notes are written without one, so that they can stand after a colon.
pub(crate) fn capitalize(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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

/// The verb for a method, to stand before the target.
fn verb(method: &[u8]) -> String {
    match method {
        b"GET" => "asks for".into(),
        b"HEAD" => "asks only for the head of".into(),
        b"POST" => "sends data to".into(),
        b"PUT" => "wants to store".into(),
        b"DELETE" => "wants to remove".into(),
        b"CONNECT" => "asks for a tunnel to".into(),
        method => format!("sends {} to", safe(method)),
    }
}

/// One or two sentences about the message. In their order, those of an exchange describe all that happened:
///
/// ```text
/// Firefox asks for /hello.txt, on a connection already used 2 times.
/// The server answers 200 OK. Body: 21 bytes, because Content-Length: 21.
/// ```
///
/// Empty for an interim response other than 100: it means nothing to a reader.
pub(crate) fn story(timed: &TimedMessage) -> String {
    let message = &timed.message;
    match message.role {
        _ if message.is_unparsed() => String::new(),
        role if message.framing.is_none()
            && let Some(under_way) = message.under_way =>
        {
            format!("A {} has begun: {}.", role.name(), under_way.sentence())
        }
        Role::Request => request_story(timed),
        Role::Response if message.status() == Status::CONTINUE.code() => {
            "The server first says 100: go on, send the body.".into()
        }
        Role::Response if message.is_interim() => String::new(),
        Role::Response => {
            let early = if timed.early { "The server answered before the whole request had arrived. " } else { "" };
            let (status, reason) = (message.status(), safe(message.part(SpanKind::Reason)));
            let error = message.error.map(|error| error.note.note().long.to_string());
            let end = error.or_else(|| message.framing_sentence());
            let end = end.map_or_else(String::new, |sentence| format!(" {}.", capitalize(&sentence)));
            // A reason phrase may be empty (RFC 9112 §4): then no space may stand before the full stop.
            format!("{early}The server answers {}.{end}", format!("{status} {reason}").trim_end())
        }
    }
}

/// The sentence about a request. Broken ones have no client and no target that could be trusted.
fn request_story(timed: &TimedMessage) -> String {
    let message = &timed.message;
    match message.error {
        Some(error) if error.cut_off => "The request is cut off.".into(),
        Some(error) => {
            // A limit of the server and a version that it lacks are no mistakes of the client.
            let what = match error.note.as_fault().map(Fault::status) {
                Some(Status::URI_TOO_LONG | Status::FIELDS_TOO_LARGE) => "The request exceeds a limit of the server.",
                Some(Status::BAD_REQUEST) => "The marked bytes break a rule of HTTP.",
                _ => "The request needs something that is not supported.",
            };
            // A message of a file was read by no server.
            let then = match timed.calls.is_empty() {
                true => "It is not certain where this request ends, so the bytes after it are not parsed.",
                false => "The server cannot tell where this request ends, so it answers and closes the connection.",
            };
            format!("{what} {then}")
        }
        None => {
            let client = match client_name(message) {
                name if name == UNNAMED => "A client that does not name itself (no User-Agent)".into(),
                name => name,
            };
            let mut target = safe(message.target());
            // Safe text is ASCII, so it can be cut anywhere.
            if target.len() > TARGET {
                target.truncate(TARGET);
                target.push('…');
            }
            let used = match message.exchange.saturating_sub(1) {
                0 => String::new(),
                before => format!(", on a connection already used {}", count(before, "time")),
            };
            format!("{client} {} {target}{used}.", verb(message.part(SpanKind::Method)))
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
    let name = match (message.error, glued, calls.get(1)) {
        // The calls after an error teach nothing: their bytes may be requests, or the rest of this one.
        (Some(error), ..) if !error.cut_off => "broken",
        // Several requests in one call teach more than anything below, so they come first.
        (_, Some(_), None) => "glued",
        (_, Some(_), Some(_)) => "pieces",
        // The place of the first cut decides: a cut in the head can fall anywhere, one after it cannot.
        (_, None, Some(second)) if second.at < message.start + message.head_end => "cut in head",
        (_, None, Some(_)) => "cut in body",
        (Some(_), None, None) => "cut off",
        // More of it may come.
        (None, None, None) if message.under_way.is_some() => return None,
        (None, None, None) if segments.is_some() => "segments",
        (None, None, None) => "whole",
    };
    let values = [
        // First, since its text has a number in it.
        ("{waiting}", segments.map_or_else(String::new, |_| format!(" {}", lesson("waiting").1))),
        ("{requests}", count(glued.map_or(1, |call| call.requests), "request")),
        ("{number}", glued.unwrap_or(first).number.to_string()),
        ("{calls}", count(timed.call_count, "recv() call")),
        ("{segments}", segments.unwrap_or(1).to_string()),
    ];
    let fill = |text: &str| values.iter().fold(text.to_string(), |text, (name, value)| text.replace(name, value));
    let (bold, rest) = lesson(name);
    Some((fill(bold), fill(rest)))
}

/// The two texts of the lesson of this name.
fn lesson(name: &str) -> (&'static str, &'static str) {
    let lesson = |line: &'static str| line.strip_prefix(name)?.strip_prefix(" | ")?.split_once("| ");
    let (bold, rest) = include_str!("lessons.txt").lines().find_map(lesson).unwrap_or_default();
    (bold.trim_end(), rest)
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
        let note = error.note.note();
        let how = match error.note.as_fault().map(Fault::status) {
            _ if error.cut_off => "Cut off",
            Some(status) if status != Status::BAD_REQUEST && message.role == Role::Request => "Refused",
            _ => "Broken",
        };
        let bold = format!("{how} at byte {}: {}", error.at, note.long);
        return Some((bold, String::new(), note.section.into(), error.note.0));
    }
    let Some(framing) = message.framing else {
        return Some((capitalize(&message.under_way?.sentence()), String::new(), String::new(), NoteId::NONE.0));
    };
    // The fact is bold, its reason is not: "body: 5 bytes" and ", because Content-Length: 5".
    let sentence = capitalize(&message.framing_sentence()?);
    let (bold, because) = sentence.split_at(sentence.find(", because").unwrap_or(sentence.len()));
    Some((bold.into(), because.into(), framing.section(), framing.note().0))
}

/// A block in the picture of the bytes of one side: its start and its end on that side, what it is (`head`,
/// `body`, `answer`), and its label, such as `#2 head 87` or `200 · 1,204 B`.
pub(crate) type ByteBlock = (u64, u64, &'static str, String);

/// The message as blocks: head and body of a request, or the whole of a response.
pub(crate) fn blocks(message: &Message) -> Vec<ByteBlock> {
    let (start, end) = (message.start, message.end());
    if message.is_unparsed() {
        return vec![(start, end, "rest", format!("{} not parsed", grouped(message.len())))];
    }
    if message.role == Role::Response {
        let label = format!("{} · {} B", message.status(), grouped(message.len()));
        return vec![(start, end, "answer", label)];
    }
    // A request is two blocks, because its boundary is the lesson: nothing on the wire marks it but a blank line.
    let head = end - message.content_len();
    let mut blocks = vec![(start, head, "head", format!("#{} head {}", message.exchange, head - start))];
    if end > head {
        blocks.push((head, end, "body", format!("body {} B", grouped(end - head))));
    }
    blocks
}

/// The kind of the message; its length, and the number of calls that carried it:
/// `("Request", "87 bytes of head, 0 bytes after it, in 4 recv() calls")`.
pub(crate) fn summary(timed: &TimedMessage) -> (&'static str, String) {
    let message = &timed.message;
    let by_sendfile = timed.calls.iter().any(|call| call.from_file);
    let sent = if by_sendfile { "send() or sendfile() call" } else { "send() call" };
    let (name, call) = match message.role {
        _ if message.is_unparsed() => return ("Not parsed", byte_count(message.len())),
        Role::Request => ("Request", "recv() call"),
        Role::Response if message.is_interim() => ("Interim response", sent),
        Role::Response => ("Response", sent),
    };
    let calls = if timed.call_count > 1 { format!(", in {}", count(timed.call_count, call)) } else { String::new() };
    let content = message.content_len();
    (name, format!("{} of head, {} after it{calls}", byte_count(message.len() - content), byte_count(content)))
}

/// A moment of a connection: milliseconds since it was accepted, what happened, and what was going on until
/// then: `(541.2, "response starts", "server works")`.
pub(crate) type TimelineStep = (f64, String, &'static str);

/// The moments in an event, in their order.
pub(crate) fn timeline(event: &WireEvent) -> Vec<TimelineStep> {
    // A message from a file has no times, so it has no steps.
    let step = |time: Option<Duration>, what: &str, before| Some((millis(time?), what.to_string(), before));
    let steps = match &event.kind {
        EventKind::Accepted { peer, .. } => vec![step(Some(event.at), &format!("accepted from {peer}"), "")],
        EventKind::Closed { note, side, .. } => {
            let what = format!("closed by the {}: {}", side.name(), note.note().short);
            vec![step(Some(event.at), &what, "quiet")]
        }
        EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.is_unparsed() => Vec::new(),
        EventKind::Message(timed) | EventKind::UnderWay(timed) => {
            let message = &timed.message;
            let end = match message.error {
                Some(error) if error.cut_off => "no more came",
                Some(_) => "parsing stops",
                None => "body complete",
            };
            let is_complete = message.under_way.is_none();
            let has_end = is_complete && (message.error.is_some() || message.content_len() > 0);
            match message.role {
                Role::Request => vec![
                    step(timed.began(), "first byte", "quiet"),
                    // A head without framing is incomplete or wrong, so there was no such moment.
                    step(timed.head_at().filter(|_| message.framing.is_some()), "head complete", "client sends"),
                    step(timed.ended().filter(|_| has_end), end, "client sends"),
                ],
                Role::Response if message.is_interim() => {
                    vec![step(timed.began(), &format!("{} sent", message.status()), "server works")]
                }
                Role::Response => vec![
                    step(timed.began(), "response starts", "server works"),
                    step(timed.ended().filter(|_| is_complete), "response sent", "sending"),
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
            let about = if message.role == Role::Request { part::REQUEST_LINE } else { part::STATUS_LINE };
            // The note of the line is that of the method or of the status code, if it is a known one.
            let what = if line.note == part::STATUS_LINE { "" } else { line.note.note().short };
            (about, Some(format!("{}: {what}", about.note().short)))
        }
        // "An unknown field" would say nothing, and there may be many of them.
        LineKind::Field if !line.note.is_known_field() => (NoteId::NONE, None),
        LineKind::Blank => (line.note, Some(format!("blank line: head ends, {}", byte_count(line.start + line.len)))),
        LineKind::ChunkSize(number, size) => {
            (line.note, Some(format!("chunk {number}: size 0x{size:X} = {}", byte_count(size))))
        }
        LineKind::ChunkData | LineKind::Body => {
            let how = match (message.hidden, message.from_file) {
                (true, _) => ", hidden: it may repeat a secret that was not kept",
                (_, true) => ", sent with sendfile()",
                _ => "",
            };
            (NoteId::NONE, Some(format!("{} of body{how}", byte_count(line.len))))
        }
        _ => (line.note, None),
    }
}

/// How much was lost, and the consequence for connections that were open: with a gap in its bytes, a connection
/// cannot be explained any further, so only its end is shown.
pub(crate) fn lost_sentence(events: u64, open: usize) -> String {
    if events == 0 {
        let open = count(open as u64, "open connection");
        return format!("no memory for the bytes of {open}: told no further");
    }
    let events = count(events, "event");
    match open {
        0 => format!("{events} not shown"),
        open => {
            let open = count(open as u64, "open connection");
            format!("{events} not shown: too many at once. Of {open} only the end will be shown")
        }
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
            ("\x16\x03\x01\x02\0\x01\0\x01", "The marked bytes", "Broken at byte 0: a TLS ClientHello, which starts"),
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

    #[test]
    fn no_lesson_is_missing_or_without_a_sentence() {
        let names =
            ["broken", "glued", "pieces", "waiting", "cut in head", "cut in body", "cut off", "segments", "whole"];
        for name in names {
            let (bold, rest) = lesson(name);
            assert!(rest.ends_with('.') || rest.ends_with(".{waiting}"), "{name}: {rest}");
            assert!(bold.is_empty() || bold.ends_with('.'), "{name}: {bold}");
        }
        let lines = include_str!("lessons.txt").lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(lines.count(), names.len());
    }
}
