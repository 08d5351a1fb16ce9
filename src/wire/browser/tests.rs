//! The checks before all routes, and the response of each route, without a socket.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::http::{Event, Http1, Limits};
use crate::service::{Body, Outcome};
use crate::wire::browser::*;
use crate::wire::explain::builder::ExplainOptions;
use crate::wire::explain::value::RedactOptions;
use crate::wire::record::live::LiveConnection;
use crate::wire::record::recorder::{Record, SocketEvent};

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// A view of a history with one connection: `exchanges` are what went in and out.
struct Fixture {
    app: App,
    history: Arc<History>,
    replays: Arc<AtomicUsize>,
}

fn fixture(exchanges: &[(&[u8], &[u8])]) -> Fixture {
    let history = Arc::new(History::new(1 << 20));
    let peer: SocketAddr = ([127, 0, 0, 1], 50_000).into();
    let mut live = LiveConnection::new(
        1,
        Duration::ZERO,
        Duration::ZERO,
        &ExplainOptions::live(Limits::default(), RedactOptions::default()),
    );
    let mut out = Vec::new();
    let mut tell = |event, bytes: &[u8]| {
        live.explain(&Record { connection: 1, at: Duration::from_millis(5), event }, bytes, &mut out);
    };
    tell(SocketEvent::Accepted { peer }, b"");
    for (asked, answered) in exchanges {
        // Nothing is the end of the connection.
        if asked.is_empty() {
            tell(SocketEvent::Closed { reason: "Refused" }, b"");
            break;
        }
        tell(SocketEvent::Received(asked.len()), asked);
        tell(SocketEvent::Sent(answered.len()), answered);
    }
    history.push(&out);
    let replays = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&replays);
    let replayer = move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(Some(7))
    };
    let main = ([127, 0, 0, 1], 8080).into();
    let settings =
        ViewSettings { key: KEY.into(), run: "run1".into(), port: 8081, main, secrets: false, memory: 1 << 22 };
    let (app, _) = app(Arc::clone(&history), settings, Box::new(replayer)).unwrap();
    Fixture { app, history, replays }
}

impl Fixture {
    fn send(&mut self, bytes: &str, content: &[u8]) -> Response {
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(bytes.as_bytes()).event else { panic!("{bytes}") };
        let context = crate::service::testing::context("127.0.0.1", 0);
        let request = request.into_owned();
        let response = match self.app.answer(&request, &context) {
            Answer::Now(response) => response,
            Answer::Blocking(_, job) => {
                let Outcome::Response(response) = job() else { panic!("{bytes}") };
                response
            }
            Answer::Collect { then, .. } => then(content.to_vec()),
            _ => panic!("{bytes}"),
        };
        crate::service::testing::sent(&self.app, &request, &context, response)
    }

    /// With everything a page sends.
    fn ask(&mut self, method: &str, target: &str, content: &str) -> Response {
        let length = if content.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", content.len()) };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nSec-Fetch-Site: same-origin\r\n{KEY_FIELD}: {KEY}\r\n{length}\r\n"
        );
        self.send(&head, content.as_bytes())
    }
}

fn bytes(response: &Response) -> Vec<u8> {
    match response.body() {
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::Empty => Vec::new(),
        body => panic!("{body:?}"),
    }
}

fn json(response: &Response) -> Value {
    serde_json::from_slice(&bytes(response)).unwrap()
}

fn field(response: &Response, name: &str) -> Option<String> {
    response.fields().get(name).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

const ASK: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn only_the_exact_names_of_this_listener_are_answered() {
    let mut fixture = fixture(&[]);
    for (host, status) in [
        ("127.0.0.1:8081", 200),
        ("localhost:8081", 200),
        ("LOCALHOST:8081", 200),
        ("[::1]:8081", 200),
        ("127.0.0.1", 403),
        ("127.0.0.1:8080", 403),
        ("127.0.0.1:18081", 403),
        ("localhost", 403),
        ("localhost.:8081", 403),
        ("localhost.evil.test:8081", 403),
        ("evil.test:8081", 403),
        ("127.0.0.1.evil.test:8081", 403),
        ("0.0.0.0:8081", 403),
        ("127.1:8081", 403),
        ("", 403),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n{KEY_FIELD}: {KEY}\r\n\r\n");
        assert_eq!(fixture.send(&head, b"").status().code(), status, "{host}");
        let head = format!("GET /api/notes HTTP/1.1\r\nHost: {host}\r\n{KEY_FIELD}: {KEY}\r\n\r\n");
        assert_eq!(fixture.send(&head, b"").status().code(), status, "{host}");
    }
    assert_eq!(fixture.send("GET / HTTP/1.0\r\n\r\n", b"").status().code(), 403);
    let absolute = "GET http://127.0.0.1:8081/ HTTP/1.1\r\nHost: evil.test\r\n\r\n";
    assert_eq!(fixture.send(absolute, b"").status().code(), 403);
    assert_eq!(fixture.send("OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n\r\n", b"").status().code(), 403);
}

#[test]
fn the_api_demands_the_key_and_a_request_of_its_own_page() {
    let mut fixture = fixture(&[(ASK, ANSWER)]);
    let longer = format!("{KEY}A");
    for (fields, status) in [
        (String::new(), 401),
        (format!("{KEY_FIELD}: \r\n"), 401),
        (format!("{KEY_FIELD}: {}\r\n", &KEY[1..]), 401),
        (format!("{KEY_FIELD}: {longer}\r\n"), 401),
        (format!("{KEY_FIELD}: {}B\r\n", &KEY[1..]), 401),
        (format!("{KEY_FIELD}: {KEY}\r\n{KEY_FIELD}: {KEY}\r\n"), 401),
        (format!("Cookie: {KEY_FIELD}={KEY}\r\n"), 401),
        (format!("{KEY_FIELD}: {KEY}\r\nSec-Fetch-Site: same-site\r\n"), 403),
        (format!("{KEY_FIELD}: {KEY}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        (format!("{KEY_FIELD}: {KEY}\r\nSec-Fetch-Site: none\r\n"), 200),
        (format!("{KEY_FIELD}: {KEY}\r\n"), 200),
    ] {
        for (line, found) in [("GET /api/conn/1", 200), ("POST /api/replay/1.1", 200), ("GET /%61pi/conn/1", 200)] {
            let head = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n{fields}\r\n");
            let response = fixture.send(&head, b"");
            let expected = if status == 200 { found } else { status };
            assert_eq!(response.status().code(), expected, "{head}");
            assert!(status == 200 || !String::from_utf8(bytes(&response)).unwrap().contains("Host"), "{head}");
        }
    }
    assert_eq!(fixture.replays.load(Ordering::Relaxed), 2, "only requests with the key");
    let in_query = format!("GET /api/conn/1?k={KEY} HTTP/1.1\r\nHost: 127.0.0.1:8081\r\n\r\n");
    assert_eq!(fixture.send(&in_query, b"").status().code(), 401);
    let preflight = "OPTIONS /api/replay/1.1 HTTP/1.1\r\nHost: 127.0.0.1:8081\r\nOrigin: http://evil.test\r\n\
                     Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-wire-key\r\n\r\n";
    let response = fixture.send(preflight, b"");
    assert_eq!((response.status().code(), field(&response, "access-control-allow-origin")), (401, None));
}

#[test]
fn no_response_may_be_embedded_cached_or_sniffed() {
    let mut fixture = fixture(&[(ASK, ANSWER)]);
    for (method, target) in [
        ("GET", "/"),
        ("GET", "/main.js"),
        ("GET", "/nope"),
        ("GET", "/api/conn/1"),
        ("DELETE", "/api/conn/1"),
        ("TRACE", "/"),
    ] {
        let response = fixture.ask(method, target, "");
        assert_eq!(field(&response, "content-security-policy").as_deref(), Some(POLICY), "{method} {target}");
        assert_eq!(field(&response, "x-content-type-options").as_deref(), Some("nosniff"));
        assert_eq!(field(&response, "referrer-policy").as_deref(), Some("no-referrer"));
        assert_eq!(field(&response, "cache-control").as_deref(), Some("no-store"));
        assert_eq!(field(&response, "cross-origin-resource-policy").as_deref(), Some("same-origin"));
        assert_eq!(field(&response, "access-control-allow-origin"), None);
    }
    let refused = fixture.send("GET / HTTP/1.1\r\nHost: evil\r\n\r\n", b"");
    assert_eq!(field(&refused, "content-security-policy").as_deref(), Some(POLICY));
}

#[test]
fn the_files_of_the_page_are_in_the_program_and_hold_no_key() {
    let mut fixture = fixture(&[]);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages/wire");
    let mut names: Vec<String> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    // The first steps are sent as JSON.
    names.retain(|name| name != "start.txt");
    assert!(names.len() == page::FILES.len(), "a file of the folder is not served: {names:?}");
    for name in names {
        let target = if name == "index.html" { "/".into() } else { format!("/{name}") };
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let response = fixture.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost:8081\r\n\r\n"), b"");
        let kind = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "text/javascript; charset=utf-8",
        };
        assert_eq!(field(&response, "content-type").as_deref(), Some(kind), "{name}");
        assert_eq!(bytes(&response), text.as_bytes(), "{name}");
        assert!(!text.contains(KEY) && !text.contains("innerHTML"), "{name}");
    }
}

#[test]
fn routes_give_what_is_kept_and_404_for_the_rest() {
    let mut fixture = fixture(&[(ASK, ANSWER), (b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n", ANSWER)]);
    let connection = json(&fixture.ask("GET", "/api/conn/1", ""));
    let events: Vec<&str> = connection.as_array().unwrap().iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["accepted", "recv", "request", "send", "response", "recv", "request", "send", "response"]);
    assert_eq!(connection[8]["seq"], 9);
    let raw = fixture.ask("GET", "/api/ex/1.2/request", "");
    assert_eq!(bytes(&raw), b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(field(&raw, "content-disposition").as_deref(), Some("attachment; filename=\"c1.2-request.bin\""));
    assert_eq!(bytes(&fixture.ask("GET", "/api/ex/1.1/response", "")), ANSWER);
    assert_eq!(bytes(&fixture.ask("GET", "/api/conn/1/out", "")), ANSWER.repeat(2));
    assert_eq!(bytes(&fixture.ask("GET", "/api/conn/1/in", "")).len(), 2 * ASK.len());
    assert_eq!(json(&fixture.ask("POST", "/api/replay/1.1", "")), serde_json::json!({"connection": 7}));
    for target in [
        "/api/conn/2",
        "/api/conn/x",
        "/api/conn/-1",
        "/api/conn/2/in",
        "/api/ex/1.3/request",
        "/api/ex/1/request",
        "/api/ex/2.1/curl",
        "/api/har?ids=1.x",
        "/api/ex/1.1/other",
        "/api/",
        "/api/conn/1/in/x",
    ] {
        assert_eq!(fixture.ask("GET", target, "").status().code(), 404, "{target}");
    }
    assert_eq!(fixture.ask("POST", "/api/replay/9.9", "").status().code(), 404);
    assert_eq!(fixture.ask("GET", "/api/replay/1.1", "").status().code(), 405);
}

#[test]
fn the_bytes_after_a_fault_are_in_every_download_and_copy() {
    let (asked, answered) =
        (b"GET / HTTP/1.1\r\nHost : localhost\r\nX: y\r\n\r\n", b"HTTP/1.1 400 No\r\nBad : x\r\n\r\nbody");
    let mut fixture = fixture(&[(asked, answered), (b"", b"")]);
    for (target, whole) in [
        ("/api/conn/1/in", &asked[..]),
        ("/api/ex/1.1/request", asked),
        ("/api/conn/1/out", answered),
        ("/api/ex/1.1/response", answered),
    ] {
        assert_eq!(bytes(&fixture.ask("GET", target, "")), whole, "{target}");
    }
    let command = fixture.ask("GET", "/api/ex/1.1/send", "");
    assert!(bytes(&command).starts_with(br"printf 'GET / HTTP/1.1\r\nHost : localhost\r\nX: y\r\n\r\n' | "));
    let archive = json(&fixture.ask("GET", "/api/har?ids=1.1", ""));
    let facts = &archive["log"]["entries"][0]["_wire"];
    assert_eq!(
        (&facts["request"]["unparsed"], &facts["response"]["unparsed"]),
        (&serde_json::json!(21), &serde_json::json!(11))
    );
    assert_eq!(json(&fixture.ask("POST", "/api/replay/1.1", "")), serde_json::json!({"connection": 7}));
}

#[test]
fn a_download_names_the_bytes_that_were_not_kept() {
    let body = vec![b'x'; 100_000];
    let answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n".to_vec(), body].concat();
    let mut fixture = fixture(&[(ASK, &answer)]);
    let raw = fixture.ask("GET", "/api/ex/1.1/response", "");
    let kept = bytes(&raw).len() as u64;
    assert_eq!(field(&raw, "x-wire-gap"), Some(format!("{}+{}", 43 + 2048, answer.len() as u64 - kept)));
}

#[test]
fn each_kind_has_a_name_and_each_note_a_link() {
    let mut fixture = fixture(&[]);
    let response = fixture.ask("GET", "/api/notes", "");
    assert_eq!(field(&response, "cache-control").as_deref(), Some("private, max-age=600"));
    let notes = json(&response);
    assert_eq!(notes["kinds"][0], "method");
    let named = |name: &str| notes["notes"].as_object().unwrap().values().find(|note| note["name"] == name).unwrap();
    // A literal keeps its case; the sentence of a fault, which can stand after a colon, gets a capital letter.
    assert!(named("weight")["long"].as_str().unwrap().starts_with("q=1 is the best"));
    assert_eq!(named("BareCr")["long"], "The error: a CR is not followed by LF");
    assert_eq!(named("field/host")["link"], "https://www.rfc-editor.org/rfc/rfc9110.html#section-7.2");
    assert!(notes["notes"].as_object().unwrap().len() > 150);
}

#[test]
fn pause_refuses_a_wrong_body_and_clear_needs_none() {
    let mut fixture = fixture(&[(ASK, ANSWER)]);
    assert_eq!(fixture.ask("POST", "/api/pause", "{\"paused\":true}").status().code(), 204);
    assert!(fixture.history.status().paused);
    for wrong in ["", "{}", "true", "{\"paused\":1}", "{\"paused\":"] {
        assert_eq!(fixture.ask("POST", "/api/pause", wrong).status().code(), 400, "{wrong}");
    }
    assert_eq!(fixture.ask("POST", "/api/pause", "{\"paused\":false}").status().code(), 204);
    assert!(!fixture.history.status().paused);
    assert_eq!(fixture.ask("POST", "/api/clear", "").status().code(), 204);
    assert!(fixture.history.connections().is_empty());
}

/// The lines of a stream up to what is there now.
fn lines(response: Response, count: usize) -> Vec<Value> {
    let (_, _, Body::Stream(mut source)) = response.into_parts() else { panic!("no stream") };
    let mut lines: Vec<Value> = Vec::new();
    while lines.len() < count {
        let text = String::from_utf8(source.next().unwrap().unwrap()).unwrap();
        assert!(text.is_ascii());
        lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    lines
}

#[test]
fn a_stream_continues_after_the_last_event_or_says_that_it_cannot() {
    let mut fixture = fixture(&[(ASK, ANSWER)]);
    for (query, reset, first) in [
        ("", false, 1),
        ("?since=0", false, 1),
        ("?since=2", false, 3),
        ("?since=2&run=run1", false, 3),
        ("?since=2&run=run0", true, 1),
        ("?since=99", true, 1),
        ("?since=x", false, 1),
    ] {
        let response = fixture.ask("GET", &format!("/api/events{query}"), "");
        assert_eq!(field(&response, "content-type").as_deref(), Some("application/x-ndjson"));
        let lines = lines(response, 2);
        assert_eq!(lines[0]["event"], "hello", "{query}");
        let steps = lines[0]["start"].as_array().unwrap();
        assert!(steps.iter().all(|step| step[1].as_str().unwrap().contains("127.0.0.1:8080")) && steps.len() == 3);
        assert_eq!((lines[0]["run"].as_str(), lines[0]["main"].as_str()), (Some("run1"), Some("127.0.0.1:8080")));
        assert_eq!(lines[0]["kept"], serde_json::json!({"first_seq": 1, "last_seq": 5, "connections": 1}));
        assert_eq!((lines[0]["reset"] == true, lines[1]["seq"].as_u64()), (reset, Some(first)), "{query}");
    }
}

#[test]
fn open_pages_cannot_take_all_workers_and_closed_ones_give_theirs_back() {
    let mut fixture = fixture(&[]);
    let mut open: Vec<Response> = (0..stream::STREAMS).map(|_| fixture.ask("GET", "/api/events", "")).collect();
    assert!(open.iter().all(|response| response.status() == Status::OK));
    assert_eq!(fixture.ask("GET", "/api/events", "").status().code(), 503);
    assert_eq!(fixture.ask("GET", "/api/events", "").status().code(), 503, "a refused stream took no permit");
    open.pop();
    assert_eq!(fixture.ask("GET", "/api/events", "").status().code(), 200);
}

#[test]
fn a_stream_ends_with_the_server() {
    let mut fixture = fixture(&[]);
    let (_, _, Body::Stream(mut source)) = fixture.ask("GET", "/api/events", "").into_parts() else { panic!() };
    fixture.history.end();
    let mut pieces = Vec::new();
    while let Some(text) = source.next().unwrap() {
        pieces.push(text);
    }
    assert_eq!(pieces.len(), 2, "hello, and the kept events");
}

#[test]
fn a_hidden_secret_is_not_sent_again() {
    let secret: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer canary-value\r\n\r\n";
    let mut fixture = fixture(&[(secret, ANSWER)]);
    let response = fixture.ask("POST", "/api/replay/1.1", "");
    assert_eq!((response.status().code(), fixture.replays.load(Ordering::Relaxed)), (409, 0));
    assert!(json(&response)["why"].as_str().unwrap().contains("secret"));
    let curl = String::from_utf8(bytes(&fixture.ask("GET", "/api/ex/1.1/curl", ""))).unwrap();
    assert!(curl.contains("Authorization: Bearer ************") && !curl.contains("canary"), "{curl}");
}
