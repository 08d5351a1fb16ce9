//! The history as an archive: HAR 1.2, which browsers and many tools read.
//!
//! A page for each connection, an entry for each exchange. What HAR has no member for stands under
//! `_wire`, as its specification asks ("custom fields must start with an underscore").
//!
//! Never: a byte that is not masked; a number that is made up. What is unknown is -1, as the
//! specification says.
//!
//! The subtle thing: HAR sees a browser from inside, this server sees the other end. `send` is how long
//! the request took to come in, `wait` how long the server thought, `receive` how long the answer took to
//! go out; times of a network between them are not known here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;
use serde_json::{Value, json};

use crate::http::date;
use crate::http::target::query_pairs;
use crate::wire::explain::message::{ContentKind, Message, SpanKind, byte_count, find_field};
use crate::wire::record::event::millis;
use crate::wire::record::event::{EventKind, TimedMessage};
use crate::wire::record::exchange::{ConnectionHistory, Exchange, ExchangeId};
use crate::wire::record::history::History;

/// An archive of these exchanges, or of all.
pub(crate) fn archive(history: &History, names: Option<&[ExchangeId]>, main: SocketAddr) -> Value {
    let connections: BTreeSet<u64> = match names {
        Some(names) => names.iter().map(|name| name.connection).collect(),
        None => history.connections().into_iter().collect(),
    };
    let (mut pages, mut entries) = (Vec::new(), Vec::new());
    for connection in connections {
        let story = ConnectionHistory::of(history, connection);
        let Some((moment, peer)) = began(&story) else { continue };
        let wanted = |exchange: &&Exchange| names.is_none_or(|names| names.contains(&exchange.name));
        let of = story.exchanges.iter().filter(wanted).filter_map(|exchange| entry(exchange, moment, main));
        let before = entries.len();
        entries.extend(of);
        if entries.len() > before {
            pages.push(json!({
                "startedDateTime": iso(moment),
                "id": format!("c{connection}"),
                "title": format!("c{connection} {peer}"),
                "pageTimings": {"onContentLoad": -1, "onLoad": -1},
            }));
        }
    }
    let creator = json!({"name": "barewire", "version": env!("CARGO_PKG_VERSION")});
    json!({"log": {"version": "1.2", "creator": creator, "pages": pages, "entries": entries}})
}

fn began(story: &ConnectionHistory) -> Option<(Duration, SocketAddr)> {
    match story.accepted.as_ref()?.kind {
        EventKind::Accepted { moment, peer, .. } => Some((moment, peer)),
        _ => None,
    }
}

/// An exchange; without its request there is no entry.
fn entry(exchange: &Exchange, accepted: Duration, main: SocketAddr) -> Option<Value> {
    let asked = exchange.request()?;
    let answered = exchange.response();
    let ExchangeId { connection, exchange: number } = exchange.name;
    let began = asked.began().unwrap_or_default();
    let complete = asked.ended().unwrap_or(began);
    let answers = answered.and_then(TimedMessage::began).unwrap_or(complete);
    let ended = answered.and_then(TimedMessage::ended).unwrap_or(answers);
    // An answer may begin before the request is complete: then nobody waited.
    let [send, wait, receive] =
        [(began, complete), (complete, answers), (answers, ended)].map(|(a, b)| millis(b.saturating_sub(a)));
    let interim: Vec<u16> =
        exchange.answers().map(|spoken| &spoken.message).filter(|m| m.is_interim()).map(Message::status).collect();
    let part = |spoken: &TimedMessage| {
        let message = &spoken.message;
        json!({
            "start": message.start, "bytes": message.len(), "calls": spoken.call_count, "masked": message.masked,
            "cuts": spoken.boundaries.iter().map(|cut| cut.at).collect::<Vec<_>>(),
            "framing": message.framing.map(|framed| framed.sentence()),
            "broken": message.error.map(|broken| broken.note.note().long),
            "hidden": message.hidden, "from_file": message.from_file,
        })
    };
    Some(json!({
        "pageref": format!("c{connection}"),
        "startedDateTime": iso(accepted + began),
        "time": send + wait + receive,
        "request": request(&asked.message, main),
        "response": response(answered.map(|spoken| &spoken.message)),
        "cache": {},
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "send": send, "wait": wait, "receive": receive, "ssl": -1},
        "serverIPAddress": main.ip().to_string(),
        "connection": connection.to_string(),
        "_wire": {
            "exchange": format!("{connection}.{number}"), "interim": interim,
            "request": part(asked), "response": answered.map(part),
        },
    }))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pair(name: &[u8], value: &[u8]) -> Value {
    json!({"name": text(name), "value": text(value)})
}

fn version(message: &Message) -> String {
    match message.part(SpanKind::Version) {
        b"" => "unknown".into(),
        version => text(version),
    }
}

fn request(message: &Message, main: SocketAddr) -> Value {
    let fields = message.fields();
    let target = message.target();
    let query = target.iter().position(|&o| o == b'?').map_or(&[][..], |at| &target[at + 1..]);
    let decoded = |bytes: &[u8]| -> Vec<u8> {
        let spaced: Vec<u8> = bytes.iter().map(|&o| if o == b'+' { b' ' } else { o }).collect();
        percent_decode(&spaced).collect()
    };
    let queries = query_pairs(query).map(|(name, value)| pair(&decoded(name), &decoded(value.unwrap_or_default())));
    let cookies = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
    let cookies = cookies.flat_map(|(_, value)| value.split(|&o| o == b';')).map(|both| {
        let (name, value) = split(both.trim_ascii(), b'=');
        pair(name, value)
    });
    let mut object = json!({
        "method": text(message.part(SpanKind::Method)),
        "url": url(target, find_field(&fields, "host"), main),
        "httpVersion": version(message),
        "cookies": cookies.collect::<Vec<_>>(),
        "headers": fields.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>(),
        "queryString": queries.collect::<Vec<_>>(),
        "headersSize": message.head_end,
        "bodySize": message.len() - message.head_end,
    });
    if message.len() > message.head_end {
        let (bytes, whole) = message.content();
        let mime = find_field(&fields, "content-type").map(text).unwrap_or_default();
        object["postData"] = json!({"mimeType": mime, "params": [], "text": text(&bytes)});
        if !whole {
            object["postData"]["comment"] = partly(bytes.len(), message).into();
        } else if std::str::from_utf8(&bytes).is_err() {
            object["postData"]["_wire"] = json!({ "base64": STANDARD.encode(&bytes) });
        }
    }
    object
}

fn split(bytes: &[u8], at: u8) -> (&[u8], &[u8]) {
    match bytes.iter().position(|&o| o == at) {
        Some(place) => (&bytes[..place], &bytes[place + 1..]),
        None => (bytes, &[]),
    }
}

/// The address that the request was for (RFC 9112 §3.3).
fn url(target: &[u8], host: Option<&[u8]>, main: SocketAddr) -> String {
    let host = host.filter(|host| !host.is_empty()).map_or_else(|| main.to_string(), text);
    match target.first() {
        Some(b'/') => format!("http://{host}{}", text(target)),
        Some(b'*') | None => format!("http://{host}/"),
        _ if target.windows(3).any(|window| window == b"://") => text(target),
        _ => format!("http://{}/", text(target)),
    }
}

/// How much of a body there is in the archive.
fn partly(kept: usize, message: &Message) -> String {
    format!("{} of {} were kept", byte_count(kept as u64), byte_count(length(message)))
}

/// How long the content is, without chunks.
fn length(message: &Message) -> u64 {
    let framed = message.len() - message.head_end;
    match message.framing.map(|framed| framed.content) {
        Some(ContentKind::Chunked { bytes, .. }) => bytes,
        _ => framed,
    }
}

/// A response; one that never came has status 0, as browsers write it.
fn response(message: Option<&Message>) -> Value {
    let Some(message) = message else {
        return json!({
            "status": 0, "statusText": "", "httpVersion": "unknown", "cookies": [], "headers": [],
            "content": {"size": 0, "mimeType": ""}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
            "comment": "no response is kept",
        });
    };
    let fields = message.fields();
    let cookies = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    json!({
        "status": message.status(),
        "statusText": text(message.part(SpanKind::Reason)),
        "httpVersion": version(message),
        "cookies": cookies.map(|(_, value)| cookie(value)).collect::<Vec<_>>(),
        "headers": fields.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>(),
        "content": body(message, find_field(&fields, "content-type")),
        "redirectURL": find_field(&fields, "location").map(text).unwrap_or_default(),
        "headersSize": message.head_end,
        "bodySize": message.len() - message.head_end,
    })
}

fn body(message: &Message, mime: Option<&[u8]>) -> Value {
    let (bytes, whole) = message.content();
    let mut object = json!({"size": length(message), "mimeType": mime.map(text).unwrap_or_default()});
    if !whole {
        object["comment"] = partly(bytes.len(), message).into();
    }
    match String::from_utf8(bytes) {
        Ok(text) => object["text"] = text.into(),
        Err(error) => {
            object["text"] = STANDARD.encode(error.as_bytes()).into();
            object["encoding"] = "base64".into();
        }
    }
    object
}

/// A Set-Cookie value (RFC 6265 §4.1).
fn cookie(value: &[u8]) -> Value {
    let mut parts = value.split(|&o| o == b';').map(<[u8]>::trim_ascii);
    let (name, value) = split(parts.next().unwrap_or_default(), b'=');
    let mut object = pair(name, value);
    for attribute in parts {
        let (name, value) = split(attribute, b'=');
        match name.to_ascii_lowercase().as_slice() {
            b"path" => object["path"] = text(value).into(),
            b"domain" => object["domain"] = text(value).into(),
            b"httponly" => object["httpOnly"] = true.into(),
            b"secure" => object["secure"] = true.into(),
            _ => {}
        }
    }
    object
}

/// `2026-11-21T12:00:01.250Z` (ISO 8601), of a moment since 1970.
fn iso(moment: Duration) -> String {
    let seconds = date::iso(i64::try_from(moment.as_secs()).unwrap_or(i64::MAX));
    format!("{}.{:03}Z", text(&seconds[..19]), moment.subsec_millis())
}

#[cfg(test)]
mod tests;
