//! Events as JSON, one object a line: for `jq`, for programs that grade exercises, for the browser.
//!
//! | `event` | members, besides `connection` and `at` (milliseconds since it was accepted) |
//! |---|---|
//! | `accepted` | `peer`; `clock`: the time of day, UTC; `time`: milliseconds since 1970 |
//! | `recv` | `call`: its number; `start`, `bytes`: what it brought; `requests` in it; `segments` of TCP, if known |
//! | `send` | `call`, `start`, `bytes`: what a `send()` took; `from_file`: it was a `sendfile()` |
//! | `recv`, `send` | also `calls`, if it is a sum: after a thousand calls of a message the next ones are summed up; `text`, `under_way`: the first bytes that it brought to a message that is not complete, as text, and what that needs |
//! | `request`, `response` | see below |
//! | `proxy-header` | the same members, of a PROXY header, which is before the first request |
//! | `unparsed` | the same members, of bytes that no parser reads; `side`: `request` or `response` |
//! | `closed` | `by`, `reason`; `note`, `sentence`, `section`: what it means; `unread`, `missing`: bytes |
//! | `dropped` | `dropped`: events that are lost; `open`: connections that are not followed further |
//!
//! Every event but `dropped` may also have `tags`, the labels of its connection so far, as objects of `id` and `text`,
//! and `steps`, the moments in it, as `[time, text, waited for, text]`: `quiet`, `client`,
//! `server` or `sending`. The identifiers of tags are `silent`, `glued`, `cut`,
//! `reused`, `chunked-request`, `chunked-response`, `continue`, `broken`, `cut-off` and `reset`.
//!
//! | member of a message | meaning |
//! |---|---|
//! | `exchange` | `N.M`: its connection, and its exchange there |
//! | `start`, `bytes`, `head` | first byte on its side; length; length of the head |
//! | `octets` | the kept bytes in Base64: `first`, then `gap` bytes that are missing, then `last` |
//! | `text` | the head once more, readable, with every unsafe byte as `\xNN` |
//! | `spans` | `[start, len, kind, note]`: kind and note are indexes into [`SpanKind::ALL`] and the notes |
//! | `lines` | `[start, len, kind, note, words]`: without words, those of the note are meant |
//! | `framing`, `broken` | the rule that ends the content; the byte that is wrong, and why |
//! | `cuts`, `calls`, `recvs`, `sends` | where calls began inside, their number, and `[start, len, time, number]` of each |
//! | `began`, `head_at`, `ended`, `took` | milliseconds |
//! | `under_way` | see below |
//! | `story`, `about`, `seam`, `blocks`, `foot`, `who` | sentences and labels of `sentences` |
//! | `from_file`, `hidden`, `masked` | sent by `sendfile`; the body is left out; a secret is painted over |
//!
//! While a message is under way, its events have the member `under_way`, and all other members say what is known so
//! far. Each event replaces the one before of the same message: of the same `event`, `exchange`, `side` and `start`. The
//! event without `under_way` is the last one. If records were lost (`dropped`), it may never come, and then the event
//! `closed` of the connection ends its messages.
//!
//! | member of `under_way` | meaning |
//! |---|---|
//! | `awaits` | what is missing: `blank-line` of a head; `content`; `chunk-size`, the size line of the next or last chunk; `chunk-data`; `trailer`, the blank line after it; `close`, the end of the connection; `turn`: nothing, but the responses before it are not complete |
//! | `sentence` | the same for people: `blank line not seen yet`, `12 of 5,000 bytes` |
//! | `arrived` | bytes of content so far, without chunk framing; for `blank-line` bytes of the head |
//! | `promised` | bytes of content that the head promises; absent if it does not |
//!
//! All output is ASCII, because JSON is read in terminals as well. Members keep their names: programs use them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::Status;
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind};
use crate::wire::explain::under_way::UnderWay;
use crate::wire::record::event::{Call, CallBytes, EventKind, TimedMessage, WireEvent, clock, millis};
use crate::wire::show::sentences;
use crate::wire::show::sentences::safe;

/// Appends a value in ASCII, and a line end.
pub(crate) fn push_line(out: &mut String, value: &Value) {
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            // JSON escapes are units of UTF-16: a character beyond U+FFFF is a pair of them (RFC 8259 §7).
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out.push('\n');
}

/// An event as a JSON object.
pub(crate) fn event_value(event: &WireEvent) -> Value {
    let mut value = kind_value(event);
    // Members that nearly all events lack are left out, not empty: a stream has a line for each event.
    let (tags, steps) = (event.tags.labels(), sentences::timeline(event));
    if !tags.is_empty() {
        value["tags"] = tags.into_iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
    }
    if !steps.is_empty() {
        value["steps"] = json!(steps);
    }
    value
}

/// The members that each event of its kind has.
fn kind_value(event: &WireEvent) -> Value {
    let at = millis(event.at);
    let connection = event.connection;
    match &event.kind {
        EventKind::Accepted { peer, moment } => {
            let (clock, time) = (clock(*moment), millis(*moment));
            json!({"event": "accepted", "connection": connection, "peer": peer.to_string(), "clock": clock, "time": time})
        }
        EventKind::Received(Call { number, at: start, len, requests, segments, more, .. }, shown) => {
            let mut object = json!({
                "event": "recv", "connection": connection, "at": at, "call": number, "start": start, "bytes": len,
                "requests": requests,
            });
            if let Some(segments) = segments {
                object["segments"] = json!(segments);
            }
            with_call_bytes(object, *more, shown)
        }
        EventKind::Sent(Call { number, at: start, len, from_file, more, .. }, shown) => {
            let object = json!({
                "event": "send", "connection": connection, "at": at, "call": number, "start": start, "bytes": len,
                "from_file": from_file,
            });
            with_call_bytes(object, *more, shown)
        }
        EventKind::Message(timed) | EventKind::UnderWay(timed) => message_value(connection, at, timed),
        EventKind::Closed { note, side, reason, unread, missing } => {
            // Number and text of the note: the browser shows the long text, a program compares the number.
            let id = note.0;
            let note = note.note();
            let mut object = json!({
                "event": "closed", "connection": connection, "at": at, "by": side.name(), "reason": reason,
                "note": id, "sentence": note.long, "section": note.section, "unread": unread,
            });
            // Nearly always 0, and only then worth a look.
            if *missing > 0 {
                object["missing"] = json!(missing);
            }
            object
        }
        EventKind::Lost { events, open } => json!({"event": "dropped", "dropped": events, "open": open}),
    }
}

/// The event of a call with the bytes that it brought to a message that is not complete.
fn with_call_bytes(mut object: Value, more: u64, shown: &Option<Box<CallBytes>>) -> Value {
    if more > 0 {
        object["calls"] = json!(1 + more);
    }
    if let Some(shown) = shown {
        object["text"] = json!(safe(&shown.bytes));
        object["under_way"] = under_way_value(&shown.under_way);
    }
    object
}

fn under_way_value(under_way: &UnderWay) -> Value {
    let UnderWay { awaits, arrived, promised } = under_way;
    let mut object = json!({"awaits": awaits.word(), "sentence": under_way.sentence(), "arrived": arrived});
    if let Some(promised) = promised {
        object["promised"] = json!(promised);
    }
    object
}

fn event_name(message: &Message) -> &'static str {
    match message.role {
        // The page shows the messages of an exchange in the order of these names.
        _ if message.is_proxy_header() => "proxy-header",
        _ if message.is_unparsed() => "unparsed",
        role => role.name(),
    }
}

/// A message with all that is known about it. `at` is the moment at which it was complete.
fn message_value(connection: u64, at: f64, timed: &TimedMessage) -> Value {
    let message = &timed.message;
    let kept = &message.bytes;
    // Of a long head only the start may have been kept.
    let head = kept.first.len().min(usize::try_from(message.head_end).unwrap_or(usize::MAX));
    let mut object = json!({
        "event": event_name(message), "side": message.role.name(),
        "connection": connection, "at": at, "clock": timed.clock,
        "exchange": format!("{connection}.{}", message.exchange),
        "start": message.start, "bytes": message.len(), "head": message.head_end,
        "text": safe(&kept.first[..head]),
        "cuts": timed.boundaries.iter().map(|cut| cut.at).collect::<Vec<_>>(), "calls": timed.call_count,
        "began": timed.began().map(millis), "head_at": timed.head_at().map(millis),
        "ended": timed.ended().map(millis),
        "framing": message.framing.map(|framing| {
            json!({"rule": framing.rule, "sentence": message.framing_sentence(), "section": framing.section()})
        }),
        // A broken message may have a framing too: its head was right, its chunks were not.
        "broken": message.error.map(|error| {
            let note = error.note.note();
            json!({
                "byte": error.at, "len": error.len, "name": note.name, "sentence": note.long, "section": note.section,
                "cut_off": error.cut_off,
            })
        }),
        "spans": message.spans.iter().map(|s| [s.start, s.len, s.kind as u64, s.note.0.into()]).collect::<Vec<_>>(),
        "lines": message.lines.iter().map(|line| line_value(message, line)).collect::<Vec<_>>(),
        "story": sentences::story(timed), "about": sentences::summary(timed),
        "blocks": sentences::blocks(message), "foot": sentences::end_of_message(message),
        "octets": {"first": STANDARD.encode(&kept.first), "gap": kept.gap, "last": STANDARD.encode(&kept.last)},
        "from_file": message.from_file, "hidden": message.hidden, "masked": message.masked,
    });
    if let Some(under_way) = &message.under_way {
        object["under_way"] = under_way_value(under_way);
    }
    // Calls are arrays and not objects: a large upload has hundreds of them, and a page keeps them all.
    match message.role {
        Role::Request => {
            let calls = timed.calls.iter().map(|call| json!([call.at, call.len, millis(call.when), call.number]));
            object["recvs"] = calls.collect();
            object["method"] = json!(safe(message.part(SpanKind::Method)));
            object["target"] = json!(safe(message.target()));
            object["who"] = json!(sentences::client_name(message));
            object["seam"] = json!(sentences::received_in(timed));
        }
        Role::Response => {
            let name = |call: &Call| if call.from_file { "sendfile" } else { "send" };
            let calls = timed.calls.iter();
            let calls = calls.map(|call| json!([call.at, call.len, millis(call.when), call.number, name(call)]));
            object["sends"] = calls.collect();
            object["status"] = json!(message.status());
            object["reason"] = json!(safe(message.part(SpanKind::Reason)));
            // 101 is the last response of HTTP on its connection, so nothing may wait for a final one.
            let is_last = message.status() == Status::SWITCHING_PROTOCOLS.code();
            object["interim"] = json!(message.is_interim() && !is_last);
            object["took"] = json!(timed.took.map(millis));
        }
    }
    object
}

/// `[start, len, kind, note]`, and words if they are better than those of the note.
fn line_value(message: &Message, line: &MessageLine) -> Value {
    let (note, words) = sentences::note_beside(message, line);
    let MessageLine { start, len, kind, .. } = line;
    // Numbers of notes instead of their texts: the page fetches those once.
    match words {
        Some(words) => json!([start, len, kind_name(kind), note.0, words]),
        None => json!([start, len, kind_name(kind), note.0]),
    }
}

/// The name of a kind of line. Style sheets and programs depend on it.
const fn kind_name(kind: &LineKind) -> &'static str {
    match kind {
        LineKind::Empty => "empty",
        LineKind::Start => "start",
        LineKind::Field => "field",
        LineKind::Blank => "blank",
        LineKind::ChunkSize(..) => "chunk-size",
        LineKind::ChunkData => "chunk-data",
        LineKind::ChunkEnd => "chunk-end",
        LineKind::LastChunk => "last-chunk",
        LineKind::Trailer => "trailer",
        LineKind::TrailerEnd => "trailer-end",
        LineKind::Body => "body",
        LineKind::Unparsed => "unparsed",
    }
}
