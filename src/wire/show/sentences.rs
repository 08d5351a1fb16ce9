//! Messages in plain words: who asks, what happened, what the calls show, what stands beside a line.
//!
//! The terminal, the browser and JSON say the same, since they say what is made here.
//!
//! Never: a byte of the network that was not made safe; a word about what is not known yet.
//!
//! The subtle thing: each message tells its own part. Those of an exchange, one behind the other, are its
//! story, and nobody has to wait for the last one to tell the first.

use std::time::Duration;

use crate::http::Status;
use crate::service::text::{grouped, push_visible};
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind, byte_count, count, find_field};
use crate::wire::explain::notes::{NoteId, part};
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent, millis};

/// Characters of a target in a sentence.
const TARGET: usize = 90;
/// Browsers name each other in their User-Agent: the first of these is the one it is.
const BROWSERS: [&str; 4] = ["Firefox", "Edg", "Chrome", "Safari"];
const BY_HAND: &str = "by hand";

/// Bytes as text for people: ASCII, and `\xNN` for what is not.
pub(crate) fn safe(bytes: &[u8]) -> String {
    let mut text = String::new();
    push_visible(&mut text, bytes, true);
    text
}

pub(crate) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The client, by its own words. Who says none is a person that types.
pub(crate) fn who(request: &Message) -> String {
    let agent = safe(find_field(&request.fields(), "user-agent").unwrap_or_default());
    let (first, rest) = agent.split_once(' ').unwrap_or((&agent, ""));
    let name = BROWSERS.into_iter().find(|name| rest.contains(name)).unwrap_or(first);
    if name.is_empty() { BY_HAND.into() } else { name.into() }
}

fn does(method: &[u8]) -> String {
    match method {
        b"GET" => "asks for".into(),
        b"HEAD" => "asks only for the head of".into(),
        b"POST" => "sends data to".into(),
        b"PUT" => "wants to store".into(),
        b"DELETE" => "wants to remove".into(),
        method => format!("sends {} to", safe(method)),
    }
}

/// The part of an exchange's story that this message tells; empty if it tells none.
pub(crate) fn story(spoken: &TimedMessage) -> String {
    let message = &spoken.message;
    match message.role {
        Role::Request => asked(message),
        Role::Response if message.status() == Status::CONTINUE.code() => {
            "The server first says 100: go on, send the body.".into()
        }
        Role::Response if message.is_interim() => String::new(),
        Role::Response => {
            let early = if spoken.early { "The answer was given before the whole request was there. " } else { "" };
            let (status, reason) = (message.status(), safe(message.part(SpanKind::Reason)));
            let broken = message.error.map(|broken| broken.note.note().long.to_string());
            let end = broken.or_else(|| message.framing.map(|framed| framed.sentence()));
            let end = end.map_or_else(String::new, |sentence| format!(" {}.", capital(&sentence)));
            format!("{early}The server answers {}.{end}", format!("{status} {reason}").trim_end())
        }
    }
}

fn asked(message: &Message) -> String {
    match message.error {
        Some(broken) if broken.cut_off => "The request is cut off.".into(),
        Some(_) => "The marked bytes break the grammar of HTTP. Nobody can say where this request ends, so the \
                    answer is the last one."
            .into(),
        None => {
            let who = who(message).replace(BY_HAND, "Someone typing by hand");
            let mut target: String = safe(message.target());
            if target.len() > TARGET {
                target.truncate(TARGET);
                target.push('…');
            }
            let before = message.exchange.saturating_sub(1);
            let used = if before == 0 {
                String::new()
            } else {
                format!(", on a connection already used {}", count(before, "time"))
            };
            format!("{who} {} {target}{used}.", does(message.part(SpanKind::Method)))
        }
    }
}

/// What the calls show that brought a request: what is bold, and the rest.
pub(crate) fn seam(spoken: &TimedMessage) -> Option<(String, String)> {
    let (message, moved) = (&spoken.message, &spoken.calls);
    let first = moved.first().filter(|_| message.role == Role::Request)?;
    let segments = first.segments.filter(|&segments| segments > 1);
    let say = |bold: String, rest: &str| Some((bold, rest.to_string()));
    if message.error.is_some_and(|broken| !broken.cut_off) {
        let rest = "The server stops at the byte that breaks the rule. What lies behind it could mean anything, so it \
                    is not looked at.";
        return say(String::new(), rest);
    }
    if let Some(call) = moved.iter().find(|call| call.requests > 1) {
        let bold = match moved.len() {
            1 => format!("{} arrived glued together in one recv().", count(call.requests, "request")),
            _ => format!("recv() #{} brought pieces of {}.", call.number, count(call.requests, "request")),
        };
        let rest = "TCP is a stream of bytes and knows no messages. The blank line after each head is the border that \
                    HTTP draws.";
        let segments = segments.map(|n| format!(" {n} TCP segments were waiting, one recv() took them all."));
        return Some((bold, rest.to_string() + &segments.unwrap_or_default()));
    }
    let bold = format!("One request, {}.", count(spoken.call_count, "recv() call"));
    match moved.get(1) {
        Some(second) if second.at < message.start + message.head_end => say(
            bold,
            "The cuts fall anywhere, even inside a word. A server must keep reading until it has seen the blank line.",
        ),
        Some(_) => say(
            bold,
            "Only the head says how many bytes of body are still to come. A server must keep reading until it has \
             them all.",
        ),
        None if message.error.is_some() => say(
            String::new(),
            "One recv() brought this much, and no more came. TCP does not know that something is missing: only HTTP \
             can tell.",
        ),
        None => say(
            segments.map(|n| format!("{n} TCP segments, one recv().")).unwrap_or_default(),
            "Here one recv() happened to hold exactly one request. Do not count on it.",
        ),
    }
}

/// What the whole message shows: what is bold, the reason, the section, and its note. Where it ends, or
/// where it breaks.
pub(crate) fn foot(message: &Message) -> Option<(String, String, String, u16)> {
    if let Some(broken) = message.error {
        let note = broken.note.note();
        let bold = format!("Broken at byte {}: {}", broken.at, note.long);
        return Some((bold, String::new(), note.section.into(), broken.note.0));
    }
    let framed = message.framing?;
    let sentence = capital(&framed.sentence());
    let (bold, because) = sentence.split_at(sentence.find(", because").unwrap_or(sentence.len()));
    Some((bold.into(), because.into(), framed.section(), framed.note().0))
}

/// A block of the bytes of a side: from, to, what it is, and its words.
pub(crate) type Block = (u64, u64, &'static str, String);

/// The message as blocks: head and body of a request, the whole of a response.
pub(crate) fn blocks(message: &Message) -> Vec<Block> {
    let (start, end) = (message.start, message.end());
    match message.role {
        Role::Response => vec![(start, end, "answer", format!("{} · {} B", message.status(), grouped(message.len())))],
        Role::Request => {
            let head = (start + message.head_end).min(end);
            let words = format!("#{} head {}", message.exchange, head - start);
            let body = (end > head).then(|| (head, end, "body", format!("body {} B", grouped(end - head))));
            [(start, head, "head", words)].into_iter().chain(body).collect()
        }
    }
}

/// What kind of message it is, how long, and how it was carried.
pub(crate) fn about(spoken: &TimedMessage) -> (&'static str, String) {
    let message = &spoken.message;
    let (name, call) = match message.role {
        Role::Request => ("Request", "recv() call"),
        Role::Response if message.is_interim() => ("Interim answer", "write() call"),
        Role::Response => ("Response", "write() call"),
    };
    let calls = if spoken.call_count > 1 { format!(", in {}", count(spoken.call_count, call)) } else { String::new() };
    let head = message.head_end.min(message.len());
    (name, format!("{} of head, {} after it{calls}", byte_count(head), byte_count(message.len() - head)))
}

/// A moment of an exchange: milliseconds since the connection was accepted, what it was, and what was
/// going on until then.
pub(crate) type Step = (f64, String, &'static str);

/// The moments that an event tells of.
pub(crate) fn steps(told: &WireEvent) -> Vec<Step> {
    let moment = |time: Option<Duration>, what: &str, before| time.map(|time| (millis(time), what.to_string(), before));
    let steps = match &told.kind {
        EventKind::Message(spoken) => {
            let message = &spoken.message;
            let (began, ended) = (spoken.began(), spoken.ended());
            match message.role {
                Role::Request => {
                    let has_head = message.framing.is_some();
                    let goes_on = message.error.is_some() || message.len() > message.head_end;
                    let end = match message.error {
                        Some(broken) if broken.cut_off => "no more came",
                        Some(_) => "here it breaks",
                        None => "body complete",
                    };
                    [
                        moment(began, "first byte", "quiet"),
                        moment(spoken.head_at().filter(|_| has_head), "head complete", "client sends"),
                        moment(ended.filter(|_| goes_on), end, "client sends"),
                    ]
                }
                Role::Response if message.is_interim() => {
                    [moment(began, &format!("{} sent", message.status()), "server works"), None, None]
                }
                Role::Response => {
                    [moment(began, "answer starts", "server works"), moment(ended, "answer sent", "sending"), None]
                }
            }
        }
        EventKind::Closed { note, side, .. } => {
            let what = format!("closed by the {}: {}", side.name(), note.note().short);
            [moment(Some(told.at), &what, "quiet"), None, None]
        }
        EventKind::Accepted { peer, .. } => [moment(Some(told.at), &format!("accepted from {peer}"), ""), None, None],
        EventKind::Received(_) | EventKind::Lost { .. } => [None, None, None],
    };
    steps.into_iter().flatten().collect()
}

/// What stands beside a line: the note that has its section, and words where those of the note would not
/// do.
pub(crate) fn beside(message: &Message, line: &MessageLine) -> (NoteId, Option<String>) {
    if let Some(bad) = message.error_in(line) {
        return (bad.note, None);
    }
    match line.kind {
        LineKind::Start => {
            let about = if message.role == Role::Request { part::REQUEST_LINE } else { part::STATUS_LINE };
            let what = if line.note == part::STATUS_LINE { "" } else { line.note.note().short };
            (about, Some(format!("{}: {what}", about.note().short)))
        }
        LineKind::Field if !line.note.is_known_field() => (NoteId::NONE, None),
        LineKind::Blank => (line.note, Some(format!("blank line: head ends, {}", byte_count(line.start + line.len)))),
        LineKind::ChunkSize(number, size) => {
            (line.note, Some(format!("chunk {number}: size 0x{size:X} = {}", byte_count(size))))
        }
        LineKind::ChunkData | LineKind::Body => {
            let how = match (message.hidden, message.from_file) {
                (true, _) => ", hidden: it may repeat a short secret",
                (_, true) => ", sent by the kernel with sendfile()",
                _ => "",
            };
            (NoteId::NONE, Some(format!("{} of body{how}", byte_count(line.len))))
        }
        _ => (line.note, None),
    }
}
