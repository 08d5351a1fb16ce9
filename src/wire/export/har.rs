//! The history as an archive in the format HAR 1.2, which browsers and many tools read.
//!
//! ```text
//! log ─┬─ pages    one for each connection
//!      └─ entries  one for each exchange: request, response, timings, _wire
//! ```
//!
//! Facts without a member in HAR are under `_wire`: the specification reserves names with an underscore for that. An
//! unknown number is -1, as specified; no value is invented, and all bytes are redacted.
//!
//! HAR describes a request as a browser sees it; this server sees the other end. So `send` is the time in
//! which the request arrived, `wait` the time until the first byte of the response, and `receive` the time in
//! which the response was sent. Time on the network is not known here.
//!
//! ```text
//! first byte of the request   its last byte   first byte of the response   its last byte
//! |---------- send -----------|---- wait -----|---------- receive ---------|
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;
use serde_json::{Value, json};

use crate::http::date;
use crate::http::target::query_pairs;
use crate::say;
use crate::wire::explain::message::{ContentKind, Excerpt, Message, SpanKind, find_field};
use crate::wire::record::event::{EventKind, TimedMessage, millis};
use crate::wire::record::exchange::{ConnectionHistory, Exchange, ExchangeId};
use crate::wire::record::history::History;

/// An archive of these exchanges, or of all. `main` is the address of the server that was recorded: HAR requires it,
/// and requests without Host have no other.
pub(crate) fn archive(history: &History, ids: Option<&[ExchangeId]>, main: SocketAddr) -> Value {
    let (mut pages, mut entries) = (Vec::new(), Vec::new());
    let is_wanted = |connection: &u64| ids.is_none_or(|ids| ids.iter().any(|id| id.connection == *connection));
    for connection in history.connections().into_iter().filter(is_wanted) {
        let recorded = ConnectionHistory::of(history, connection);
        // Times in HAR are absolute, so a connection whose start was dropped has none to give.
        let Some(EventKind::Accepted { moment, peer, .. }) = recorded.accepted.as_ref().map(|event| &event.kind) else {
            continue;
        };
        let is_wanted = |exchange: &&Exchange| ids.is_none_or(|ids| ids.contains(&exchange.id));
        let wanted = recorded.exchanges.iter().filter(is_wanted);
        let before = entries.len();
        entries.extend(wanted.filter_map(|exchange| entry_value(exchange, *moment, main)));
        // A page that no entry refers to would be shown as an empty one.
        if entries.len() > before {
            pages.push(json!({
                "startedDateTime": iso_time(*moment), "id": format!("c{connection}"),
                "title": format!("c{connection} {peer}"), "pageTimings": {"onContentLoad": -1, "onLoad": -1},
            }));
        }
    }
    let creator = json!({"name": "barewire", "version": env!("CARGO_PKG_VERSION")});
    json!({"log": {"version": "1.2", "creator": creator, "pages": pages, "entries": entries}})
}

/// The entry of an exchange on a connection accepted at this moment since 1970; `None` without a request.
fn entry_value(exchange: &Exchange, accepted: Duration, main: SocketAddr) -> Option<Value> {
    let request = exchange.request()?;
    let response = exchange.response();
    let ExchangeId { connection, exchange: number } = exchange.id;
    let began = request.began().unwrap_or_default();
    let complete = request.ended().unwrap_or(began);
    let answered = response.and_then(TimedMessage::began).unwrap_or(complete);
    let ended = response.and_then(TimedMessage::ended).unwrap_or(answered);
    // A response may begin before its request is complete: then `wait` is 0, not negative.
    let [send, wait, receive] =
        [(began, complete), (complete, answered), (answered, ended)].map(|(a, b)| millis(b.saturating_sub(a)));
    let responses = exchange.responses().map(|timed| &timed.message);
    let interim: Vec<u16> = responses.filter(|message| message.is_interim()).map(Message::status).collect();
    Some(json!({
        "pageref": format!("c{connection}"), "startedDateTime": iso_time(accepted + began),
        "time": send + wait + receive, "cache": {},
        "request": request_value(&request.message, main),
        "response": response_value(response.map(|timed| &timed.message)),
        "timings": {"blocked": -1, "dns": -1, "connect": -1, "send": send, "wait": wait, "receive": receive, "ssl": -1},
        "serverIPAddress": main.ip().to_string(), "connection": connection.to_string(),
        "_wire": {
            "exchange": format!("{connection}.{number}"), "interim": interim,
            "request": wire_facts(exchange, request), "response": response.map(|timed| wire_facts(exchange, timed)),
        },
    }))
}

/// The members under `_wire` about one message: how it was carried, how it ends, what is wrong with it.
fn wire_facts(exchange: &Exchange, timed: &TimedMessage) -> Value {
    let message = &timed.message;
    // Bytes after a fault or after the end of the last message; of many, those at the start.
    let rest = exchange.rest(message.role).map_or_else(Excerpt::default, |rest| rest.message.bytes.clone());
    json!({
        "unparsed": rest.len(), "unparsed_base64": STANDARD.encode(&rest.first),
        "start": message.start, "bytes": message.len(), "calls": timed.call_count, "masked": message.masked,
        "cuts": timed.boundaries.iter().map(|cut| cut.at).collect::<Vec<_>>(),
        "framing": message.framing_sentence(), "under_way": message.under_way.map(|under_way| under_way.sentence()),
        "broken": message.error.map(|error| error.note.note().long),
        "hidden": message.hidden, "from_file": message.from_file,
    })
}

/// The object `request`. Names and values are those on the wire, in their case and order.
fn request_value(message: &Message, main: SocketAddr) -> Value {
    let fields = message.fields();
    let target = message.target();
    let query = target.splitn(2, |&b| b == b'?').nth(1).unwrap_or_default();
    // `+` for a space is the rule of forms (WHATWG URL §5), which all readers of archives expect.
    let decode = |bytes: &[u8]| -> Vec<u8> {
        let spaced: Vec<u8> = bytes.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
        percent_decode(&spaced).collect()
    };
    let parameters = query_pairs(query).map(|(name, value)| pair((&decode(name), &decode(value.unwrap_or_default()))));
    let cookies = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"cookie"));
    let cookies = cookies.flat_map(|(_, value)| value.split(|&b| b == b';'));
    let cookies = cookies.map(|cookie| pair(split_pair(cookie.trim_ascii())));
    let mut object = json!({
        "method": text(message.part(SpanKind::Method)), "httpVersion": version(message),
        "url": url(target, find_field(&fields, "host"), main),
        "cookies": cookies.collect::<Vec<_>>(), "queryString": parameters.collect::<Vec<_>>(),
        "headers": fields.iter().copied().map(pair).collect::<Vec<_>>(),
        "headersSize": message.head_end, "bodySize": message.content_len(),
    });
    if message.content_len() > 0 {
        let (bytes, is_whole) = message.content();
        object["postData"] = json!({"mimeType": media_type(&fields), "params": [], "text": text(&bytes)});
        if !is_whole {
            object["postData"]["comment"] = kept_comment(bytes.len(), message).into();
        } else if std::str::from_utf8(&bytes).is_err() {
            // `text` has U+FFFD in it, and HAR has no encoding for the content of requests.
            object["postData"]["_wire"] = json!({ "base64": STANDARD.encode(&bytes) });
        }
    }
    object
}

/// A response. One that never came has status 0, as browsers write it.
fn response_value(message: Option<&Message>) -> Value {
    let Some(message) = message else {
        return json!({
            "status": 0, "statusText": "", "httpVersion": "unknown", "cookies": [], "headers": [],
            "content": {"size": 0, "mimeType": ""}, "redirectURL": "", "headersSize": -1, "bodySize": -1,
            "comment": say!("har/no-response"),
        });
    };
    let fields = message.fields();
    let cookies = fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"));
    let (bytes, is_whole) = message.content();
    let mut content = json!({"size": content_length(message), "mimeType": media_type(&fields)});
    // Readers take `text` for all of the content, so a part of it is called one.
    if !is_whole {
        content["comment"] = kept_comment(bytes.len(), message).into();
    }
    match String::from_utf8(bytes) {
        Ok(text) => content["text"] = text.into(),
        Err(error) => {
            content["text"] = STANDARD.encode(error.as_bytes()).into();
            content["encoding"] = "base64".into();
        }
    }
    json!({
        "status": message.status(), "statusText": text(message.part(SpanKind::Reason)),
        "httpVersion": version(message),
        "cookies": cookies.map(|(_, value)| cookie_value(value)).collect::<Vec<_>>(),
        "headers": fields.iter().copied().map(pair).collect::<Vec<_>>(),
        "content": content, "redirectURL": find_field(&fields, "location").map(text).unwrap_or_default(),
        "headersSize": message.head_end, "bodySize": message.content_len(),
    })
}

/// A Set-Cookie value (RFC 6265 §4.1): the name and the value, which are redacted, and the attributes for which
/// HAR has a member.
fn cookie_value(value: &[u8]) -> Value {
    let mut parts = value.split(|&b| b == b';').map(<[u8]>::trim_ascii);
    let mut object = pair(split_pair(parts.next().unwrap_or_default()));
    for attribute in parts {
        let (name, value) = split_pair(attribute);
        match name.to_ascii_lowercase().as_slice() {
            b"path" => object["path"] = text(value).into(),
            b"domain" => object["domain"] = text(value).into(),
            b"httponly" => object["httpOnly"] = true.into(),
            b"secure" => object["secure"] = true.into(),
            // Also `Expires` and `Max-Age`: HAR requires a moment in its own format, not a copy of the attribute.
            _ => {}
        }
    }
    object
}

/// The address that the request was for, put together as in RFC 9112 §3.3: scheme, Host, target. A target in
/// absolute form is that address already; one in authority form (CONNECT) is only a host.
fn url(target: &[u8], host: Option<&[u8]>, main: SocketAddr) -> String {
    let host = host.filter(|host| !host.is_empty()).map_or_else(|| main.to_string(), text);
    match target.first() {
        Some(b'/') => format!("http://{host}{}", text(target)),
        // `OPTIONS *` is about the server, not about a resource.
        Some(b'*') | None => format!("http://{host}/"),
        _ if target.windows(3).any(|window| window == b"://") => text(target),
        _ => format!("http://{}/", text(target)),
    }
}

/// The length of the content without its chunk lines.
fn content_length(message: &Message) -> u64 {
    match message.framing.map(|framing| framing.content) {
        Some(ContentKind::Chunked { bytes, .. }) => bytes,
        _ => message.content_len(),
    }
}

/// The comment on content of which only a part was kept: `8,192 of 90,000 bytes were kept`.
fn kept_comment(kept: usize, message: &Message) -> String {
    say!("har/kept", kept = kept as u64, bytes = content_length(message))
}

/// The value of Content-Type, or nothing: HAR requires the member in any case.
fn media_type(fields: &[(&[u8], &[u8])]) -> String {
    find_field(fields, "content-type").map(text).unwrap_or_default()
}

/// The version in the first line, `HTTP/1.1`. A broken line may have none, but the member must be there.
fn version(message: &Message) -> String {
    match message.part(SpanKind::Version) {
        b"" => "unknown".into(),
        version => text(version),
    }
}

/// Bytes as text. HAR is JSON, which cannot carry other bytes; where that matters, Base64 is added.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A header field, cookie or parameter as HAR has it.
fn pair((name, value): (&[u8], &[u8])) -> Value {
    json!({"name": text(name), "value": text(value)})
}

/// Name and value of `name=value`; without `=` the value is empty.
fn split_pair(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.iter().position(|&b| b == b'=').map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 1..]))
}

/// A moment since 1970 as `2026-11-21T12:00:01.250Z`.
fn iso_time(moment: Duration) -> String {
    let second = date::iso(i64::try_from(moment.as_secs()).unwrap_or(i64::MAX));
    format!("{}.{:03}Z", text(&second[..19]), moment.subsec_millis())
}

#[cfg(test)]
mod tests;
