//! Messages in plain words: who sends them, what they ask for, what the system calls show, where they end.
//!
//! Terminal, JSON and browser take their sentences from here, so that all of them say the same. Every byte of
//! the network in a sentence went through [`safe`]. Each message has its own sentences, which say nothing
//! about later ones: a reader of a live view sees them at once.

use std::time::Duration;

use crate::http::Status;
use crate::service::text::{grouped, visible};
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind, byte_count, count, find_field};
use crate::wire::explain::notes::{NoteId, part};
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent, millis};

/// Bytes of a target that are shown in a sentence.
const TARGET: usize = 90;
/// Names in the User-Agent of browsers, the most particular first: Edge names Chrome too, and Chrome Safari.
const BROWSERS: [&str; 4] = ["Firefox", "Edg", "Chrome", "Safari"];
/// The name of a client that sends no User-Agent.
const BY_HAND: &str = "by hand";

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

/// The client, by its User-Agent: `Firefox`, `curl/8.5.0`. Without that field it is probably a person who types,
/// and called [`BY_HAND`]. It is a label for people: any client can send any name.
pub(crate) fn client_name(request: &Message) -> String {
    let agent = safe(find_field(&request.fields(), "user-agent").unwrap_or_default());
    let (first, rest) = agent.split_once(' ').unwrap_or((&agent, ""));
    // All browsers begin with `Mozilla/5.0`. Other programs begin with their own name, as RFC 9110 §10.1.5 says.
    let name = BROWSERS.into_iter().find(|name| rest.contains(name)).unwrap_or(first);
    if name.is_empty() { BY_HAND.into() } else { name.into() }
}

/// The verb for a method, to stand before the target.
fn verb(method: &[u8]) -> String {
    match method {
        b"GET" => "asks for".into(),
        b"HEAD" => "asks only for the head of".into(),
        b"POST" => "sends data to".into(),
        b"PUT" => "wants to store".into(),
        b"DELETE" => "wants to remove".into(),
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
        Role::Request => request_story(message),
        Role::Response if message.status() == Status::CONTINUE.code() => {
            "The server first says 100: go on, send the body.".into()
        }
        Role::Response if message.is_interim() => String::new(),
        Role::Response => {
            let early = if timed.early { "The answer was given before the whole request was there. " } else { "" };
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
fn request_story(message: &Message) -> String {
    match message.error {
        Some(error) if error.cut_off => "The request is cut off.".into(),
        Some(_) => "The marked bytes break the grammar of HTTP. Nobody can say where this request ends, so the \
                    answer is the last one."
            .into(),
        None => {
            let client = client_name(message).replace(BY_HAND, "Someone typing by hand");
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
/// **3 requests arrived glued together in one recv().** TCP is a stream of bytes and knows no messages. …
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
        let bold = format!("Broken at byte {}: {}", error.at, note.long);
        return Some((bold, String::new(), note.section.into(), error.note.0));
    }
    let framing = message.framing?;
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
    let (name, call) = match message.role {
        _ if message.is_unparsed() => return ("Not parsed", byte_count(message.len())),
        Role::Request => ("Request", "recv() call"),
        Role::Response if message.is_interim() => ("Interim answer", "write() call"),
        Role::Response => ("Response", "write() call"),
    };
    let calls = if timed.call_count > 1 { format!(", in {}", count(timed.call_count, call)) } else { String::new() };
    let content = message.content_len();
    (name, format!("{} of head, {} after it{calls}", byte_count(message.len() - content), byte_count(content)))
}

/// A moment of a connection: milliseconds since it was accepted, what happened, and what was going on until
/// then: `(541.2, "answer starts", "server works")`.
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
        EventKind::Message(timed) if timed.message.is_unparsed() => Vec::new(),
        EventKind::Message(timed) => {
            let message = &timed.message;
            let end = match message.error {
                Some(error) if error.cut_off => "no more came",
                Some(_) => "here it breaks",
                None => "body complete",
            };
            let has_end = message.error.is_some() || message.content_len() > 0;
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
                    step(timed.began(), "answer starts", "server works"),
                    step(timed.ended(), "answer sent", "sending"),
                ],
            }
        }
        EventKind::Received(_) | EventKind::Lost { .. } => Vec::new(),
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
                (_, true) => ", sent by the kernel with sendfile()",
                _ => "",
            };
            (NoteId::NONE, Some(format!("{} of body{how}", byte_count(line.len))))
        }
        _ => (line.note, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
