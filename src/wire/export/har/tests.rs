//! The archive against the rules of HAR 1.2, written down as a table, and against what was on the wire.

use crate::wire::export::har::*;
use crate::wire::testing::{TestCall, history};

/// Types of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Date,
    Number,
    /// A whole number, -1 for unknown.
    Size,
    /// Milliseconds, -1 for what does not apply.
    Time,
    Bool,
    Object,
    Array,
}

use Type::{Array, Bool, Date, Number, Object, Size, Text, Time};

/// Name, type, and whether it must be there.
type Members = &'static [(&'static str, Type, bool)];

/// Every object of HAR 1.2 (section by section): its members, their types, and whether they must be there.
const RULES: [(&str, Members); 20] = [
    ("har", &[("log", Object, true)]),
    (
        "log",
        &[
            ("version", Text, true),
            ("creator", Object, true),
            ("browser", Object, false),
            ("pages", Array, false),
            ("entries", Array, true),
            ("comment", Text, false),
        ],
    ),
    ("creator", &[("name", Text, true), ("version", Text, true), ("comment", Text, false)]),
    ("browser", &[("name", Text, true), ("version", Text, true), ("comment", Text, false)]),
    (
        "pages",
        &[
            ("startedDateTime", Date, true),
            ("id", Text, true),
            ("title", Text, true),
            ("pageTimings", Object, true),
            ("comment", Text, false),
        ],
    ),
    ("pageTimings", &[("onContentLoad", Time, false), ("onLoad", Time, false), ("comment", Text, false)]),
    (
        "entries",
        &[
            ("pageref", Text, false),
            ("startedDateTime", Date, true),
            ("time", Number, true),
            ("request", Object, true),
            ("response", Object, true),
            ("cache", Object, true),
            ("timings", Object, true),
            ("serverIPAddress", Text, false),
            ("connection", Text, false),
            ("comment", Text, false),
        ],
    ),
    (
        "request",
        &[
            ("method", Text, true),
            ("url", Text, true),
            ("httpVersion", Text, true),
            ("cookies", Array, true),
            ("headers", Array, true),
            ("queryString", Array, true),
            ("postData", Object, false),
            ("headersSize", Size, true),
            ("bodySize", Size, true),
            ("comment", Text, false),
        ],
    ),
    (
        "response",
        &[
            ("status", Size, true),
            ("statusText", Text, true),
            ("httpVersion", Text, true),
            ("cookies", Array, true),
            ("headers", Array, true),
            ("content", Object, true),
            ("redirectURL", Text, true),
            ("headersSize", Size, true),
            ("bodySize", Size, true),
            ("comment", Text, false),
        ],
    ),
    (
        "cookies",
        &[
            ("name", Text, true),
            ("value", Text, true),
            ("path", Text, false),
            ("domain", Text, false),
            ("expires", Date, false),
            ("httpOnly", Bool, false),
            ("secure", Bool, false),
            ("comment", Text, false),
        ],
    ),
    ("headers", &[("name", Text, true), ("value", Text, true), ("comment", Text, false)]),
    ("queryString", &[("name", Text, true), ("value", Text, true), ("comment", Text, false)]),
    ("postData", &[("mimeType", Text, true), ("params", Array, true), ("text", Text, true), ("comment", Text, false)]),
    (
        "params",
        &[
            ("name", Text, true),
            ("value", Text, false),
            ("fileName", Text, false),
            ("contentType", Text, false),
            ("comment", Text, false),
        ],
    ),
    (
        "content",
        &[
            ("size", Size, true),
            ("compression", Size, false),
            ("mimeType", Text, true),
            ("text", Text, false),
            ("encoding", Text, false),
            ("comment", Text, false),
        ],
    ),
    ("cache", &[("beforeRequest", Object, false), ("afterRequest", Object, false), ("comment", Text, false)]),
    ("beforeRequest", &[]),
    ("afterRequest", &[]),
    (
        "timings",
        &[
            ("blocked", Time, false),
            ("dns", Time, false),
            ("connect", Time, false),
            ("send", Time, true),
            ("wait", Time, true),
            ("receive", Time, true),
            ("ssl", Time, false),
            ("comment", Text, false),
        ],
    ),
    ("_wire", &[]),
];

/// ISO 8601, with a zone: `YYYY-MM-DDThh:mm:ss.sTZD`.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

fn is(value: &Value, kind: Type) -> bool {
    match kind {
        Text => value.is_string(),
        Date => value.as_str().is_some_and(is_date),
        Number => value.as_f64().is_some_and(|n| n >= 0.0),
        Size => value.as_i64().is_some_and(|n| n >= -1),
        Time => value.as_f64().is_some_and(|n| n >= 0.0 || n == -1.0),
        Bool => value.is_boolean(),
        Object => value.is_object(),
        Array => value.as_array().is_some_and(|all| all.iter().all(Value::is_object)),
    }
}

/// The errors in an object of this name, and in the objects inside it.
fn faults(name: &str, value: &Value, out: &mut Vec<String>) {
    let Some((_, rules)) = RULES.iter().find(|(other, _)| *other == name) else {
        return out.push(format!("{name}: no such object"));
    };
    let Some(object) = value.as_object() else { return out.push(format!("{name}: no object")) };
    for (member, kind, required) in *rules {
        match object.get(*member) {
            None if *required => out.push(format!("{name}.{member} is missing")),
            Some(value) if !is(value, *kind) => out.push(format!("{name}.{member}: {value} is no {kind:?}")),
            Some(value) if *kind == Object => faults(member, value, out),
            Some(value) if *kind == Array => {
                value.as_array().into_iter().flatten().for_each(|each| faults(member, each, out));
            }
            _ => {}
        }
    }
    for member in object.keys().filter(|member| !member.starts_with('_')) {
        if !rules.iter().any(|(known, ..)| known == member) {
            out.push(format!("{name}.{member} is not of HAR 1.2"));
        }
    }
}

/// Rules beyond the table: references, unique names, the sum of the timings, the order.
fn relations(har: &Value, out: &mut Vec<String>) {
    let pages: Vec<&str> = har["log"]["pages"].as_array().unwrap().iter().map(|p| p["id"].as_str().unwrap()).collect();
    let entries = har["log"]["entries"].as_array().unwrap();
    for entry in entries {
        if !entry["pageref"].as_str().is_some_and(|page| pages.contains(&page)) {
            out.push(format!("no page {}", entry["pageref"]));
        }
        let parts = entry["timings"].as_object().unwrap().values().filter_map(Value::as_f64).filter(|t| *t > 0.0);
        if (parts.sum::<f64>() - entry["time"].as_f64().unwrap()).abs() > 0.001 {
            out.push(format!("time {} is not the sum of {}", entry["time"], entry["timings"]));
        }
    }
}

#[track_caller]
fn valid(har: &Value) {
    let mut out = Vec::new();
    faults("har", har, &mut out);
    relations(har, &mut out);
    assert!(out.is_empty(), "{out:#?}\n{har:#}");
    assert_eq!(har["log"]["version"], "1.2");
}

fn main_address() -> SocketAddr {
    ([127, 0, 0, 1], 8080).into()
}

fn of(calls: &[TestCall<'_>]) -> Value {
    let har = archive(&history(calls, true), None, main_address());
    valid(&har);
    har
}

const ASK: &[u8] = b"POST /f?a=1&b=x%20y+z&c HTTP/1.1\r\nHost: localhost:8080\r\nX-Twice: 1\r\nx-twice: 2\r\n\
                     Cookie: a=bbbbbbbb; c=dddddddd\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\
                        Set-Cookie: sid=0123456789; Path=/p; HttpOnly; Secure; SameSite=Lax\r\n\r\n\x89P\xff";

#[test]
fn the_rules_find_a_wrong_archive() {
    let good = of(&[(0, true, ASK), (9, false, ANSWER)]);
    for spoil in [
        |har: &mut Value| har["log"]["entries"][0]["request"]["bodySize"] = "5".into(),
        |har: &mut Value| har["log"]["entries"][0]["startedDateTime"] = "today".into(),
        |har: &mut Value| har["log"]["entries"][0]["extra"] = 1.into(),
        |har: &mut Value| har["log"]["entries"][0]["timings"]["send"] = (-3).into(),
        |har: &mut Value| har["log"]["entries"][0]["pageref"] = "c9".into(),
        |har: &mut Value| _ = har["log"]["entries"][0]["response"].as_object_mut().unwrap().remove("content"),
        |har: &mut Value| har["log"]["entries"][0]["time"] = 99.0.into(),
    ] {
        let mut har = good.clone();
        spoil(&mut har);
        let mut out = Vec::new();
        faults("har", &har, &mut out);
        relations(&har, &mut out);
        assert!(!out.is_empty());
    }
}

#[test]
fn sizes_times_and_parts_are_those_on_the_wire() {
    let (first, rest) = ASK.split_at(20);
    let har = of(&[(100, true, first), (400, true, rest), (450, false, ANSWER)]);
    let entry = &har["log"]["entries"][0];
    assert_eq!(har["log"]["pages"][0]["startedDateTime"], "2026-11-21T12:00:01.000Z");
    assert_eq!(entry["startedDateTime"], "2026-11-21T12:00:01.100Z");
    assert_eq!((entry["timings"]["send"].as_f64(), entry["timings"]["wait"].as_f64()), (Some(300.0), Some(50.0)));
    assert_eq!((entry["time"].as_f64(), entry["_wire"]["request"]["cuts"][0].as_u64()), (Some(350.0), Some(20)));
    let request = &entry["request"];
    let head = ASK.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(
        (request["headersSize"].as_u64(), request["bodySize"].as_u64()),
        (Some(head as u64), Some((ASK.len() - head) as u64))
    );
    assert_eq!(request["url"], "http://localhost:8080/f?a=1&b=x%20y+z&c");
    assert_eq!(request["postData"], json!({"mimeType": "text/plain", "params": [], "text": "abcde"}));
    let names: Vec<&str> = request["headers"].as_array().unwrap().iter().map(|h| h["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Host", "X-Twice", "x-twice", "Cookie", "Content-Type", "Transfer-Encoding"]);
    assert_eq!(request["queryString"][1], json!({"name": "b", "value": "x y z"}));
    assert_eq!(
        (request["cookies"][1]["name"].as_str(), request["cookies"][1]["value"].as_str()),
        (Some("c"), Some("********"))
    );
    let response = &entry["response"];
    assert_eq!((response["status"].as_u64(), response["redirectURL"].as_str()), (Some(302), Some("/elsewhere")));
    assert_eq!(response["content"], json!({"size": 3, "mimeType": "image/png", "text": "iVD/", "encoding": "base64"}));
    let cookie = json!({"name": "sid", "value": "**********", "path": "/p", "httpOnly": true, "secure": true});
    assert_eq!(response["cookies"][0], cookie);
}

#[test]
fn every_kind_of_exchange_makes_a_valid_archive() {
    let long = [&b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"[..], &[b'x'; 90_000]].concat();
    let conversations: [&[TestCall<'_>]; 10] = [
        &[],
        &[(1, true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")],
        &[(1, true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (2, false, &long)],
        &[(1, true, b"GET /\r\n\r\n"), (2, false, b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")],
        &[(1, true, b"\xff\x00\x1b[2J"), (2, false, b"garbage")],
        &[(1, true, b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), (2, false, b"HTTP/1.1 204 No Content\r\n\r\n")],
        &[(1, true, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")],
        &[(1, true, b"GET http://u:p@b/x HTTP/1.1\r\nHost: b\r\n\r\n")],
        &[
            (1, true, b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"),
            (2, false, b"HTTP/1.1 100 Continue\r\n\r\n"),
            (3, true, b"\xff\xfe"),
            (4, false, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
        ],
        // The answer is out before the request is in.
        &[
            (1, true, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"),
            (2, false, b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n"),
            (3, true, b"123456789"),
        ],
    ];
    for calls in conversations {
        of(calls);
    }
    let har = of(&[(1, true, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (2, false, &long)]);
    let content = &har["log"]["entries"][0]["response"]["content"];
    assert_eq!(
        (content["size"].as_u64(), content["comment"].as_str()),
        (Some(90_000), Some("2,304 of 90,000 bytes were kept"))
    );
}

#[test]
fn an_archive_has_only_the_exchanges_that_were_named() {
    let history = history(&[(1, true, &ASK.repeat(2)), (2, false, &ANSWER.repeat(2))], true);
    let names = |list: &[(u64, u64)]| -> Vec<ExchangeId> {
        list.iter().map(|&(connection, exchange)| ExchangeId { connection, exchange }).collect()
    };
    for (wanted, count) in [(&[(1, 2)][..], 1), (&[(1, 1), (1, 2), (1, 3), (7, 1)], 2), (&[(7, 1)], 0)] {
        let har = archive(&history, Some(&names(wanted)), main_address());
        valid(&har);
        let entries = har["log"]["entries"].as_array().unwrap();
        assert_eq!((entries.len(), har["log"]["pages"].as_array().unwrap().len()), (count, count.min(1)));
    }
}

#[test]
fn bytes_after_the_end_of_a_message_are_in_the_archive_and_in_the_raw_response() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nand more";
    let response = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there";
    let history = history(&[(1, true, request), (2, false, response)], true);
    let archive = archive(&history, None, ([127, 0, 0, 1], 80).into());
    let wire = &archive["log"]["entries"][0]["_wire"];
    let unparsed = |side: &str| (wire[side]["unparsed"].clone(), wire[side]["unparsed_base64"].clone());
    assert_eq!(unparsed("request"), (json!(8), json!(STANDARD.encode("and more"))));
    assert_eq!(unparsed("response"), (json!(6), json!(STANDARD.encode(" there"))));
    let exchange = ConnectionHistory::of(&history, 1).exchanges.remove(0);
    let raw = |timed: Option<&TimedMessage>| exchange.with_rest(timed.unwrap()).message.bytes.first;
    assert_eq!(raw(exchange.response()), response);
    // What comes after a valid request is no part of it: a copy of it would be another request.
    assert_eq!(raw(exchange.request()), &request[..request.len() - 8]);
}
