//! Events as JSON, one object a line: for `jq`, for graders, for the browser.
//!
//! Spans travel as `[start, len, kind, note]`, kinds and notes as numbers of [`SpanKind::ALL`] and of the
//! dictionary; lines as `[start, len, kind, note, words]`. What a person would say is there too: `story`,
//! `seam`, `blocks`, `steps`, `about`, `foot`, `tags`.
//!
//! Never: a character that is not ASCII. JSON read in a terminal is a terminal too.
//!
//! The subtle thing: bytes are not text. What was kept of a message is Base64; the title and the head
//! are there once more as text for people, with every unsafe byte as `\xNN`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::Status;
use crate::wire::explain::message::{LineKind, Message, MessageLine, Role, SpanKind};
use crate::wire::record::event::{Call, EventKind, TimedMessage, WireEvent, millis};
use crate::wire::show::sentences;
use crate::wire::show::sentences::safe;

/// Appends an event and a line end.
pub fn push(out: &mut String, told: &WireEvent) {
    push_value(out, &value(told));
    out.push('\n');
}

/// Appends a value, in ASCII and on one line.
pub(crate) fn push_value(out: &mut String, value: &Value) {
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
}

/// An event as JSON.
pub fn value(told: &WireEvent) -> Value {
    let mut value = bare(told);
    let (tags, steps) = (told.tags.words(), sentences::steps(told));
    if !tags.is_empty() {
        value["tags"] = json!(tags);
    }
    if !steps.is_empty() {
        value["steps"] = json!(steps);
    }
    value
}

fn bare(told: &WireEvent) -> Value {
    let at = millis(told.at);
    let connection = told.connection;
    match &told.kind {
        EventKind::Accepted { peer, clock, moment } => {
            let time = millis(*moment);
            json!({"event": "accepted", "connection": connection, "peer": peer.to_string(), "clock": clock, "time": time})
        }
        EventKind::Received(Call { number, at: start, len, requests, segments, .. }) => {
            let mut object = json!({
                "event": "recv", "connection": connection, "at": at, "call": number, "start": start, "bytes": len,
                "requests": requests,
            });
            if let Some(segments) = segments {
                object["segments"] = json!(segments);
            }
            object
        }
        EventKind::Message(spoken) => message(connection, at, spoken),
        EventKind::Closed { note, side, reason, unread, missing } => {
            let id = note.0;
            let note = note.note();
            let mut object = json!({
                "event": "closed", "connection": connection, "at": at, "by": side.name(), "reason": reason,
                "note": id, "sentence": note.long, "section": note.section, "unread": unread,
            });
            if *missing > 0 {
                object["missing"] = json!(missing);
            }
            object
        }
        EventKind::Lost { events, open } => json!({"event": "dropped", "dropped": events, "open": open}),
    }
}

fn message(connection: u64, at: f64, spoken: &TimedMessage) -> Value {
    let message = &spoken.message;
    let kept = &message.bytes;
    let head = kept.first.len().min(usize::try_from(message.head_end).unwrap_or(usize::MAX));
    let mut object = json!({
        "event": message.role.name(),
        "connection": connection,
        "exchange": format!("{connection}.{}", message.exchange),
        "at": at,
        "clock": spoken.clock,
        "start": message.start,
        "bytes": message.len(),
        "head": message.head_end,
        "text": safe(&kept.first[..head]),
        "cuts": spoken.boundaries.iter().map(|c| c.at).collect::<Vec<_>>(),
        "calls": spoken.call_count,
        "began": spoken.began().map(millis),
        "head_at": spoken.head_at().map(millis),
        "ended": spoken.ended().map(millis),
        "framing": message.framing.map(|f| {
            json!({"rule": f.rule, "sentence": f.sentence(), "section": f.section()})
        }),
        "broken": message.error.map(|b| {
            let note = b.note.note();
            json!({
                "byte": b.at, "len": b.len, "name": note.name, "sentence": note.long, "section": note.section,
                "cut_off": b.cut_off,
            })
        }),
        "spans": spans(message),
        "lines": lines(message),
        "story": sentences::story(spoken),
        "about": sentences::about(spoken),
        "blocks": sentences::blocks(message),
        "foot": sentences::foot(message),
        "octets": {"first": STANDARD.encode(&kept.first), "gap": kept.gap, "last": STANDARD.encode(&kept.last)},
        "from_file": message.from_file,
        "hidden": message.hidden,
        "masked": message.masked,
    });
    if let Some(object) = object.as_object_mut() {
        object.extend(of_its_role(spoken).into_iter().map(|(name, value)| (name.to_string(), value)));
    }
    object
}

/// What only requests have, or only responses.
fn of_its_role(spoken: &TimedMessage) -> Vec<(&'static str, Value)> {
    let (message, moved) = (&spoken.message, spoken.calls.iter());
    match message.role {
        Role::Request => {
            let recvs: Vec<Value> = moved.map(|m| json!([m.at, m.len, millis(m.when), m.number])).collect();
            vec![
                ("method", json!(safe(message.part(SpanKind::Method)))),
                ("target", json!(safe(message.target()))),
                ("recvs", json!(recvs)),
                ("who", json!(sentences::who(message))),
                ("seam", json!(sentences::seam(spoken))),
            ]
        }
        Role::Response => {
            let how = |from_file| if from_file { "sendfile" } else { "write" };
            let sends: Vec<Value> =
                moved.map(|m| json!([m.at, m.len, millis(m.when), m.number, how(m.from_file)])).collect();
            vec![
                ("status", json!(message.status())),
                ("reason", json!(safe(message.part(SpanKind::Reason)))),
                // 101 is the last answer of HTTP on its connection.
                ("interim", json!(message.is_interim() && message.status() != Status::SWITCHING_PROTOCOLS.code())),
                ("took", json!(spoken.took.map(millis))),
                ("sends", json!(sends)),
            ]
        }
    }
}

/// `[start, len, kind, note]`, and words where those of the note would not do.
fn lines(message: &Message) -> Vec<Value> {
    let line = |line| {
        let (note, words) = sentences::beside(message, line);
        let MessageLine { start, len, kind, .. } = line;
        match words {
            Some(words) => json!([start, len, word(kind), note.0, words]),
            None => json!([start, len, word(kind), note.0]),
        }
    };
    message.lines.iter().map(line).collect()
}

const fn word(kind: &LineKind) -> &'static str {
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
    }
}

fn spans(message: &Message) -> Vec<[u64; 4]> {
    message.spans.iter().map(|s| [s.start, s.len, s.kind as u64, u64::from(s.note.0)]).collect()
}
