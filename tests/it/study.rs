//! `--study` on real sockets: who may look, what is shown, what is kept, and that it delays no client.
//!
//! What must have happened is awaited in the stream of events, which the page reads too. Pieces of a request are pieces
//! for the server only if it has read one before the next is sent. So a test sends the next piece when the stream has
//! shown the `recv` of the one before.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::{has_program, rounds};

/// The wire view of a server.
struct View {
    address: SocketAddr,
    key: String,
    /// The served folder, which is removed with the view.
    _folder: Folder,
}

/// A server with `--study`, and its view.
#[track_caller]
fn study(arguments: &[&str]) -> (Server, View) {
    let folder = hello();
    let server = Server::start(&folder, &[&["--study", "--log", "off"], arguments].concat());
    let line = server.err.line("wire view http://");
    let (address, key) = line.split_once("http://").unwrap().1.split_once("/#k=").unwrap();
    (server, View { address: address.parse().unwrap(), key: key.trim_end().to_string(), _folder: folder })
}

impl View {
    /// The bytes of a request to the view, with the key and these further fields.
    fn request(&self, method: &str, target: &str, fields: &str) -> String {
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\nX-Wire-Key: {}\r\n{fields}\r\n", self.address, self.key)
    }

    #[track_caller]
    fn ask(&self, method: &str, target: &str) -> Response {
        let mut client = Client::to(self.address);
        client.send(self.request(method, target, ""));
        client.response(method)
    }

    #[track_caller]
    fn json(&self, target: &str) -> Value {
        serde_json::from_slice(&self.ask("GET", target).assert_status(200).body).unwrap()
    }

    #[track_caller]
    fn events(&self, query: &str) -> Events {
        let mut client = Client::to(self.address);
        client.send(self.request("GET", &format!("/api/events{query}"), ""));
        let head = Response::read_head(&mut client);
        assert_eq!((head.status, head.field("content-type")), (200, Some("application/x-ndjson")));
        Events { client, waiting: VecDeque::new(), text: Vec::new() }
    }
}

/// A stream of events.
struct Events {
    client: Client,
    waiting: VecDeque<Value>,
    /// All bytes so far.
    text: Vec<u8>,
}

impl Events {
    /// The next chunk, empty at the end.
    fn chunk(&mut self) -> Vec<u8> {
        let line = String::from_utf8(self.client.take_until(b"\r\n")).unwrap();
        let chunk = self.client.take(usize::from_str_radix(line.trim_end(), 16).unwrap());
        assert_eq!(self.client.take(2), b"\r\n");
        chunk
    }

    #[track_caller]
    fn next(&mut self) -> Value {
        loop {
            if let Some(value) = self.waiting.pop_front() {
                return value;
            }
            let chunk = self.chunk();
            assert!(!chunk.is_empty(), "the stream has ended");
            assert!(chunk.ends_with(b"\n"), "a chunk is whole lines");
            self.waiting.extend(
                chunk
                    .split(|&o| o == b'\n')
                    .filter(|l| !l.is_empty())
                    .map(|line| serde_json::from_slice::<Value>(line).unwrap()),
            );
            self.waiting.retain(|value| value["event"] != "heartbeat");
            self.text.extend(chunk);
        }
    }

    /// Reads up to an event of this kind, and returns all events.
    #[track_caller]
    fn until(&mut self, event: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            all.push(self.next());
            if all.last().unwrap()["event"] == event {
                return all;
            }
        }
    }
}

/// The last of `events` of this kind.
#[track_caller]
fn last<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().rev().find(|event| event["event"] == kind).unwrap()
}

fn hello() -> Folder {
    Folder::with(&[("hello.txt", "hello\n")])
}

#[test]
fn without_study_there_is_nothing_of_it() {
    let folder = hello();
    let server = Server::start(&folder, &[]);
    get(&server, "/.try/", "").assert_status(404);
    get(&server, "/.try/echo", "").assert_status(404);
    get(&server, "/.wire", "").assert_status(404);
    let page = get(&server, "/nope", "Accept: text/html\r\n");
    assert!(!page.text().contains("wire"), "{}", page.text());
    let next = SocketAddr::new(server.address.ip(), server.address.port() + 1);
    // Another server may listen there, but not a view of this one.
    if let Ok(socket) = TcpStream::connect(next) {
        drop(socket);
        let sockets = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.pid())).unwrap();
        let own = format!("0100007F:{:04X} 00000000:0000 0A", next.port());
        let inode = sockets.lines().find(|line| line.contains(&own)).and_then(|line| line.split_whitespace().nth(9));
        let fds = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        let links: Vec<String> =
            fds.flatten().flat_map(|fd| std::fs::read_link(fd.path())).map(|l| l.display().to_string()).collect();
        assert!(!links.contains(&format!("socket:[{}]", inode.unwrap_or("none"))));
    }
}

#[test]
fn requests_in_one_recv_are_one_recv_and_three_exchanges() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    assert_eq!(events.next()["main"], server.address.to_string());
    let mut client = Client::connect(&server);
    client.send(request("GET", "/hello.txt", "").repeat(3));
    for _ in 0..3 {
        client.response("GET").assert_status(200);
    }
    client.end();
    let mut told = events.until("closed");
    let again = view.json("/api/conn/1");
    assert_eq!(again.as_array().unwrap(), &told, "the connection tells what the stream told");
    // One call may have sent several responses.
    told.retain(|event| event["event"] != "send");
    let kinds: Vec<&str> = told.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let exchange = ["request", "response"].repeat(3);
    assert_eq!(kinds, [&["accepted", "recv"], &exchange[..], &["closed"]].concat());
    assert_eq!(told[1]["requests"], 3);
    let exchanges: Vec<&str> = told[2..8].iter().map(|event| event["exchange"].as_str().unwrap()).collect();
    assert_eq!(exchanges, ["1.1", "1.1", "1.2", "1.2", "1.3", "1.3"]);
    assert!(told.windows(2).all(|pair| pair[0]["seq"].as_u64() < pair[1]["seq"].as_u64()));
    assert_eq!(view.ask("GET", "/api/ex/1.2/request").body, request("GET", "/hello.txt", ""));
    assert_eq!(view.ask("GET", "/api/conn/1/in").body.len(), 3 * request("GET", "/hello.txt", "").len());
}

/// Sends pieces, each when the one before was read.
fn send_in_pieces(client: &mut Client, events: &mut Events, pieces: &[&[u8]]) {
    for piece in pieces {
        client.send(piece);
        events.until("recv");
    }
}

#[test]
fn a_request_in_pieces_shows_its_cuts_and_is_sent_again_with_them() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let bytes = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut client = Client::connect(&server);
    send_in_pieces(&mut client, &mut events, &[&bytes[..8], &bytes[8..28], &bytes[28..41], &bytes[41..]]);
    let told = events.until("response");
    let cut = last(&told, "request");
    assert_eq!((cut["cuts"].clone(), cut["calls"].clone()), (serde_json::json!([8, 28, 41]), 4.into()));
    let recvs: Vec<[u64; 2]> =
        cut["recvs"].as_array().unwrap().iter().map(|r| [r[0].as_u64().unwrap(), r[1].as_u64().unwrap()]).collect();
    assert_eq!(recvs, [[0, 8], [8, 20], [28, 13], [41, 3]]);
    assert_eq!((&cut["began"], &cut["ended"]), (&cut["recvs"][0][2], &cut["recvs"][3][2]));
    let response = last(&told, "response");
    assert_eq!(response["sends"].as_array().unwrap().len() as u64, response["calls"].as_u64().unwrap());
    client.response("GET").assert_status(200);
    client.end();
    events.until("closed");
    // A busy machine may join two pieces, but not every time.
    for left in (0..50).rev() {
        let answer = view.ask("POST", "/api/replay/1.1");
        let number = serde_json::from_slice::<Value>(&answer.assert_status(200).body).unwrap()["connection"].clone();
        let told = events.until("closed");
        let replayed = last(&told, "request");
        assert_eq!((&replayed["text"], &replayed["bytes"]), (&cut["text"], &cut["bytes"]));
        assert_eq!(last(&told, "response")["status"], 200);
        assert!(number == replayed["connection"] || number.is_null(), "{number}");
        if replayed["cuts"] == cut["cuts"] {
            break;
        }
        assert!(left > 0, "the cuts never come again: {}", replayed["cuts"]);
    }
}

#[test]
fn half_a_message_is_seen_while_its_rest_has_not_been_sent() {
    let (server, view) = study(&["--write"]);
    let mut events = view.events("");
    let mut client = Client::connect(&server);
    let (secret, mut delays) = ("canary-cookie-73", Vec::new());
    let head = format!("PUT /x.txt HTTP/1.1\r\nHost: localhost\r\nCookie: sid={secret}");
    for (piece, awaits, arrived, sentence) in [
        (&head[..6], "blank-line", 6, "blank line not seen yet"),
        (&head[6..head.len() - 4], "blank-line", head.len() - 4, "blank line not seen yet"),
        (&head[head.len() - 4..], "blank-line", head.len(), "blank line not seen yet"),
        ("\r\nContent-Length: 5000\r\n\r\n", "content", 0, "0 of 5,000 bytes"),
        ("h", "content", 1, "1 of 5,000 bytes"),
        ("ello, worlds", "content", 13, "13 of 5,000 bytes"),
    ] {
        client.send(piece);
        let sent = Instant::now();
        let seen = loop {
            let event = events.next();
            if event["event"] == "request" {
                break event;
            }
        };
        delays.push(sent.elapsed());
        let under_way = &seen["under_way"];
        assert_eq!((&under_way["awaits"], &under_way["arrived"]), (&awaits.into(), &arrived.into()), "{seen}");
        assert_eq!(under_way["sentence"], sentence);
        assert_eq!(under_way["promised"].as_u64(), (awaits == "content").then_some(5000));
    }
    eprintln!("from the send() of the client to the event in the stream: {delays:?}");
    // Only the newest state is kept, and a window that is opened now sees it.
    let told = view.json("/api/conn/1");
    let kinds: Vec<&str> = told.as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "request").count(), 1, "{kinds:?}");
    let bytes = view.ask("GET", "/api/ex/1.1/request").assert_status(200).body.clone();
    assert!(bytes.starts_with(b"PUT /x.txt HTTP/1.1\r\n") && bytes.ends_with(b"\r\n\r\nhello, worlds"));
    for row in ["curl", "send"] {
        view.ask("GET", &format!("/api/ex/1.1/{row}")).assert_status(409);
    }
    view.ask("POST", "/api/replay/1.1").assert_status(409);
    let har = view.json("/api/har");
    assert_eq!(har["log"]["entries"][0]["_wire"]["request"]["under_way"], "13 of 5,000 bytes");
    let mut said = events.text.clone();
    strings(&told, &mut said);
    strings(&har, &mut said);
    said.extend(bytes);
    client.send("x".repeat(4987));
    client.response("PUT").assert_status(201);
    let told = events.until("response");
    assert!(last(&told, "request")["under_way"].is_null() && last(&told, "response")["under_way"].is_null());
    let again = view.json("/api/conn/1");
    assert!(again.as_array().unwrap().iter().all(|event| event["event"] == "recv" || event["under_way"].is_null()));
    said.extend(&events.text);
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains("canary") && said.contains("sid=****************"), "{said}");
}

#[test]
fn a_response_is_seen_growing_while_it_is_sent() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let mut client = Client::connect(&server);
    client.send(request("GET", "/.try/drip?n=20&gap=100", ""));
    let mut arrived = Vec::new();
    loop {
        let event = events.next();
        if event["event"] == "response" {
            let Some(bytes) = event["under_way"]["arrived"].as_u64() else { break };
            arrived.push(bytes);
        }
    }
    // A busy machine may show several bytes at once.
    assert!(arrived.len() > 2 && arrived.is_sorted(), "{arrived:?}");
    client.response("GET").assert_status(200);
}

#[test]
fn a_window_that_does_not_read_makes_nothing_grow_while_a_message_is_under_way() {
    let bound = 4 * 1024 * 1024;
    let (server, view) = study(&["--write", "--wire-memory", "4M"]);
    let unread = view.events("");
    let mut events = view.events("");
    let length = rounds(20, 200) * 1024 * 1024;
    let mut client = Client::connect(&server);
    client.send(format!("PUT /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"));
    events.until("request");
    let before = server.resident();
    for _ in 0..length / 2048 {
        client.send([b'x'; 2048]);
    }
    client.response("PUT").assert_status(201);
    events.until("response");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < bound + 12 * 1024 * 1024, "{grown}");
    drop(unread);
}

#[test]
fn a_request_that_was_broken_off_is_broken_off_again() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let mut client = Client::connect(&server);
    client.send(b"GET /hel");
    client.half_close();
    client.rest();
    let told = events.until("closed");
    assert_eq!(last(&told, "request")["broken"]["cut_off"], true);
    view.ask("POST", "/api/replay/1.1").assert_status(200);
    let again = events.until("closed");
    assert_eq!(last(&again, "request")["text"], last(&told, "request")["text"]);
    assert_eq!(last(&again, "closed")["reason"], last(&told, "closed")["reason"]);
}

#[test]
fn commands_to_copy_make_the_same_request() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let head = format!(
        "POST /.try/echo?a=1&b='x' HTTP/1.1\r\nHost: {}\r\nUser-Agent: it's\r\nX-Empty:\r\nContent-Type: a/b\r\n\
         Content-Length: 12\r\n\r\n",
        server.address
    );
    let bytes = [head.as_bytes(), b"@a\0b\r\n%'\\\"\xff\x1b"].concat();
    let mut client = Client::connect(&server);
    client.send(&bytes);
    client.response("POST").assert_status(200);
    client.end();
    events.until("closed");
    let here = std::path::Path::new(env!("CARGO_BIN_EXE_barewire")).parent().unwrap();
    let path = format!("{}:{}", here.display(), std::env::var("PATH").unwrap());
    let mut run = |row: &str| {
        let line = view.ask("GET", &format!("/api/ex/1.1/{row}")).assert_status(200).text();
        let done = Command::new("sh").args(["-c", &line]).env("PATH", &path).stdout(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        let told = events.until("closed");
        let exchange = last(&told, "request")["exchange"].as_str().unwrap().to_string();
        view.ask("GET", &format!("/api/ex/{exchange}/request")).body
    };
    assert_eq!(run("send"), bytes);
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    // curl sends the fields in its own order.
    let sorted = |bytes: &[u8]| {
        let mut lines: Vec<Vec<u8>> = bytes.split(|&o| o == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines.iter().map(|line| String::from_utf8_lossy(line).replace(": \r", ":\r")).collect::<Vec<_>>()
    };
    assert_eq!(sorted(&run("curl")), sorted(&bytes));
}

#[test]
fn without_the_key_no_page_reads_the_view_or_makes_it_do_anything() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    get(&server, "/hello.txt", "").assert_status(200);
    let told = events.until("closed");
    let seen = last(&told, "closed")["seq"].clone();
    let port = view.address.port();
    let (own, key) = (view.address.to_string(), &view.key);
    let with_key = format!("X-Wire-Key: {key}\r\n");
    let form =
        "Origin: http://localhost:8080\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n";
    for (line, host, fields, status) in [
        ("GET /api/conn/1", format!("evil.test:{port}"), with_key.clone(), 403),
        ("GET /api/conn/1", format!("localhost.evil.test:{port}"), with_key.clone(), 403),
        ("GET /", format!("evil.test:{port}"), String::new(), 403),
        ("GET /api/conn/1", server.address.to_string(), with_key.clone(), 403),
        ("GET /api/conn/1", own.clone(), String::new(), 401),
        ("GET /api/events", own.clone(), "Accept: text/event-stream\r\n".into(), 401),
        ("GET /api/conn/1", own.clone(), format!("X-Wire-Key: {}x\r\n", &key[1..]), 401),
        ("GET /api/har", own.clone(), format!("Cookie: k={key}\r\n"), 401),
        ("POST /api/replay/1.1", own.clone(), form.into(), 401),
        ("POST /api/replay/1.1", own.clone(), format!("{form}{with_key}Sec-Fetch-Site: same-site\r\n"), 403),
        ("POST /api/clear", own.clone(), form.into(), 401),
        ("OPTIONS /api/replay/1.1", own.clone(), "Origin: http://evil.test\r\n".into(), 401),
    ] {
        let mut client = Client::to(view.address);
        client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
        if fields.contains("Content-Length") {
            client.send("a=b");
        }
        let method = line.split(' ').next().unwrap();
        let response = client.response(method);
        response.assert_status(status);
        let text = response.text();
        assert!(!text.contains("hello.txt") && !text.contains(key), "{line} {host} {fields}: {text}");
        assert!(response.fields.iter().all(|(name, _)| !name.starts_with("access-control-")), "{response:?}");
    }
    // If one of them had done anything, there would be a later event.
    let hello = view.events("").next();
    assert_eq!((&hello["kept"]["last_seq"], &hello["kept"]["connections"]), (&seen, &1.into()));
    let arguments = std::fs::read(format!("/proc/{}/cmdline", server.pid())).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains(key));
}

#[test]
fn the_key_is_new_at_each_start_and_in_no_log() {
    let keys: Vec<String> = (0..2)
        .map(|_| {
            let folder = hello();
            let server = Server::start(&folder, &["--study", "--log", "combined", "-v"]);
            let line = server.err.line("wire view http://");
            let (address, key) = line.split_once("http://").unwrap().1.split_once("/#k=").unwrap();
            let view = View { address: address.parse().unwrap(), key: key.trim_end().to_string(), _folder: folder };
            view.ask("GET", "/").assert_status(200);
            view.ask("GET", "/api/notes").assert_status(200);
            get(&server, "/hello.txt", "").assert_status(200);
            server.log().line("/hello.txt");
            server.signal(Signal::TERM);
            let out = server.log().all();
            let log = String::from_utf8_lossy(&out);
            assert!(!log.contains(&view.key) && !log.contains("/api/"), "the view is not logged: {log}");
            let err = String::from_utf8(server.err.all()).unwrap();
            assert_eq!(err.matches(&view.key).count(), 1, "it is said once");
            view.key
        })
        .collect();
    assert_ne!(keys[0], keys[1]);
}

/// What a browser adds when a person opens an address in a window.
const NAVIGATION: &str = "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";

/// The response to GET of `target` with these fields, and with this Host.
fn asked(server: &Server, target: &str, host: &str, fields: &str) -> Response {
    let mut client = Client::connect(server);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    Response::read(&mut client, "GET")
}

#[test]
fn only_a_person_who_opens_it_at_this_computer_is_led_to_the_view() {
    let (server, view) = study(&["--wire=json"]);
    let (port, same) = (server.address.port(), NAVIGATION.replace("none", "same-origin"));
    let url = format!("http://{}/#k={}", view.address, view.key);
    for (host, fields, target, place) in [
        (format!("127.0.0.1:{port}"), NAVIGATION, "/.wire", ""),
        (format!("localhost:{port}"), &same, "/.wire?", ""),
        ("127.0.0.5".into(), &same, "/.wire?find=GET%20/a", "&find%3DGET%20%2Fa"),
        ("[::1]:1".into(), &same, "/.wire?c3.1/request/0x04", "&c3%2E1%2Frequest%2F0x04"),
        ("LOCALHOST".into(), NAVIGATION, "/.wire?find=%ff%0d%0aX:%201&k=x", "&find%3D%EF%BF%BD%0D%0AX%3A%201%26k%3Dx"),
    ] {
        let response = asked(&server, target, &host, fields);
        assert_eq!(response.assert_status(303).must("location"), format!("{url}{place}"), "{host}");
        assert_eq!((response.must("cache-control"), response.must("referrer-policy")), ("no-store", "no-referrer"));
    }
    let own = format!("127.0.0.1:{port}");
    let changed = |from: &str, to: &str| NAVIGATION.replace(from, to);
    let with = |field: &str| format!("{NAVIGATION}{field}\r\n");
    for (host, fields) in [
        // curl and old browsers, scripts, frames, service workers, foreign pages
        (own.clone(), String::new()),
        (own.clone(), changed("navigate", "cors")),
        (own.clone(), changed("navigate", "no-cors").replace("document", "image")),
        (own.clone(), changed("navigate", "same-origin").replace("document", "empty")),
        (own.clone(), changed("document", "iframe")),
        (own.clone(), changed("document", "frame")),
        (own.clone(), changed("document", "embed")),
        (own.clone(), changed("none", "same-site")),
        (own.clone(), changed("none", "cross-site")),
        (own.clone(), changed("Sec-Fetch-Site: none\r\n", "")),
        (own.clone(), changed("Sec-Fetch-Dest: document\r\n", "")),
        (own.clone(), with("Sec-Fetch-Site: cross-site")),
        // a proxy or a tunnel
        (own.clone(), with("X-Forwarded-For: 192.0.2.1")),
        (own.clone(), with("x-forwarded-host: a.example")),
        (own.clone(), with("Forwarded: for=192.0.2.1")),
        (own.clone(), with("Via: 1.1 a")),
        (own.clone(), with("X-Real-IP: 192.0.2.1")),
        // another name for this computer
        ("192.0.2.1".into(), NAVIGATION.into()),
        ("a.localhost".into(), NAVIGATION.into()),
    ] {
        let response = asked(&server, "/.wire?find=GET%20/a", &host, &(fields.clone() + "Accept: text/html\r\n"));
        assert_eq!(response.assert_status(403).field("location"), None, "{host} {fields}");
        let page = response.text();
        assert!(page.contains("<a href=\"./.wire?find%3DGET%20%2Fa\">Open the wire view</a>"), "{page}");
        assert!(!page.contains(&view.key) && !page.contains("See this exchange"), "{page}");
    }
    // DNS rebinding, a proxy request, and another method.
    asked(&server, "/.wire", "localhost.evil.test", NAVIGATION).assert_status(421);
    asked(&server, &format!("http://{own}/.wire"), &own, NAVIGATION).assert_status(403);
    let mut client = Client::connect(&server);
    client.send(format!("HEAD /.wire HTTP/1.1\r\nHost: {own}\r\n{NAVIGATION}\r\n"));
    client.response("HEAD").assert_status(403);
    // The redirects are recorded like all responses, but the key cannot be read there.
    server.log().wait("all redirects", |text| (text.matches("303 See Other").count() >= 5).then_some(()));
    assert!(!server.log().so_far().contains(&view.key));
    assert!(!view.ask("GET", "/api/har").text().contains(&view.key));
    let raw = view.ask("GET", "/api/conn/1/out").text();
    assert!(raw.contains("#k=**********************\r\n"), "{raw}");
}

#[test]
fn another_user_of_this_computer_does_not_get_the_key() {
    if !rustix::process::geteuid().is_root() || !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let (server, view) = study(&[]);
    let status = |user: u32| {
        let mut curl = Command::new("curl");
        NAVIGATION.lines().for_each(|field| _ = curl.args(["-H", field]));
        curl.args(["-s", "-i", &format!("http://{}/.wire", server.address)]).uid(user).env("HOME", "/");
        let out = String::from_utf8(curl.output().unwrap().stdout).unwrap();
        (out.split(' ').nth(1).unwrap_or_default().to_string(), out.contains(&view.key))
    };
    assert_eq!(status(0), ("303".into(), true));
    for user in [1000, 65_534] {
        assert_eq!(status(user), ("403".into(), false));
    }
}

#[test]
fn the_way_to_the_view_is_only_for_this_computer() {
    let (server, _view) = study(&[]);
    let page = get(&server, "/nope?token=0123456789", "Accept: text/html\r\n").text();
    assert!(page.contains("<a href=\".wire?find=GET%20%2Fnope\">See this exchange in the wire view</a>"), "{page}");
    assert!(!get(&server, "/nope", "").text().contains(".wire"), "only the page has a link");
    let mut client = Client::connect(&server);
    client.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nbroken line\r\n\r\n");
    let refused = client.response("GET");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("\".wire?find=GET%20%2Fx\""), "{}", refused.text());
    // With --study the host name is checked, on whatever address the server listens.
    let folder = hello();
    let open = Server::on_all_addresses(&folder, &["--study"]);
    let address = SocketAddr::from(([127, 0, 0, 1], open.address.port()));
    let mut client = Client::to(address);
    client.send(b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n");
    client.response("GET").assert_status(421);
}

#[test]
fn the_labs_are_there_whatever_folder_is_served_and_its_own_entries_come_first() {
    let public = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("public");
    let (empty, own) = (Folder::new(), Folder::with(&[("hello.txt", "mine\n"), ("learn/own.txt", "own\n")]));
    own.write("page.html", "a page\n");
    let page = own.join("page.html");
    let start = |path: &std::path::Path, more: &[&str]| {
        Server::serve(path, &[&["--study", "--wire-port", "0", "--log", "off"], more].concat())
    };
    for server in [start(empty.path(), &[]), start(&page, &[]), start(own.path(), &["--upload"])] {
        for entry in std::fs::read_dir(public.join("learn")).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            let path = format!("/.try/learn/{}/", entry.file_name().display());
            get(&server, &path, "").assert_status(200);
        }
        for path in ["/.try/learn/", "/.try/learn/03/"] {
            let page = get(&server, path, "").assert_status(200).text();
            assert!(page.contains("id=\"start\" hidden>"), "{path} tells nobody to start a server");
        }
        for (path, media_type) in [
            ("/.try/learn/lab.css", "text/css; charset=utf-8"),
            ("/.try/learn/theme.js", "text/javascript; charset=utf-8"),
            ("/.try/learn/lab.js", "text/javascript; charset=utf-8"),
            ("/.try/learn/favicon.svg", "image/svg+xml"),
        ] {
            let response = get(&server, path, "");
            assert_eq!(response.assert_status(200).must("content-type"), media_type);
            assert_eq!(response.body, std::fs::read(public.join(path.strip_prefix("/.try/").unwrap())).unwrap());
        }
        assert_eq!(get(&server, "/.try/learn/hello.txt", "").body, b"Hello from barewire.\n");
        for (path, location) in [("/.try/learn", "learn/"), ("/.try/learn/07", "07/")] {
            assert_eq!(get(&server, path, "").assert_status(301).must("location"), location);
        }
        get(&server, "/.try/learn/13/", "").assert_status(404);
    }
    // Where the folder has no entry of that name, in the place of an application too.
    let spa = Folder::with(&[("index.html", "<p>application")]);
    for server in [start(empty.path(), &[]), start(&page, &[]), start(spa.path(), &["--spa"])] {
        let hello = get(&server, "/hello.txt", "Accept: text/html\r\n");
        assert_eq!(hello.assert_status(200).body, b"Hello from barewire.\n");
        let tag = hello.must("etag").to_string();
        get(&server, "/hello.txt", &format!("If-None-Match: {tag}\r\n")).assert_status(304);
        let part = get(&server, "/hello.txt", "Range: bytes=6-9\r\n");
        assert_eq!(
            (part.assert_status(206).body.as_slice(), part.must("content-range")),
            (&b"from"[..], "bytes 6-9/21")
        );
        assert!(get(&server, "/learn/03/", "Accept: text/html\r\n").assert_status(200).text().contains("The request"));
        assert_eq!(get(&server, "/learn", "").assert_status(301).must("location"), "learn/");
        let mut client = Client::connect(&server);
        client.send(request("DELETE", "/hello.txt", ""));
        assert_eq!(client.response("DELETE").assert_status(405).must("allow"), "GET, HEAD, OPTIONS");
    }
    let server = start(own.path(), &[]);
    assert_eq!(get(&server, "/hello.txt", "").body, b"mine\n");
    assert_eq!(get(&server, "/learn/own.txt", "").body, b"own\n");
    for path in ["/learn/03/", "/learn/lab.css"] {
        get(&server, path, "").assert_status(404);
    }
    // Without --study they are no part of the site.
    let server = Server::start(&empty, &[]);
    for path in ["/hello.txt", "/learn/", "/.try/learn/"] {
        get(&server, path, "").assert_status(404);
    }
}

#[test]
fn who_may_only_add_files_cannot_put_one_in_the_place_of_a_lab() {
    let folder = Folder::with(&[("sub/a.txt", "a"), ("own.txt", "own")]);
    std::os::unix::fs::symlink(".", folder.join("again")).unwrap();
    let server = Server::start(&folder, &["--study", "--wire-port", "0", "--upload"]);
    let put = |server: &Server, path: &str| {
        let mut client = Client::connect(server);
        client.send(request("PUT", path, "Content-Length: 1\r\n"));
        client.send("x");
        client.response("PUT").status
    };
    for path in ["/hello.txt", "/Hello.txt", "/learn", "/learn/03/index.html", "/learn/x/y.txt", "/again/learn/x.txt"] {
        assert_eq!(put(&server, path), 409, "{path}");
    }
    for path in ["/sub/hello.txt", "/sub/learn/x.txt", "/learning.txt"] {
        assert_eq!(put(&server, path), 201, "{path}");
    }
    assert_eq!(get(&server, "/hello.txt", "").body, b"Hello from barewire.\n");
    // A folder of that name is one like any other.
    let own = Folder::with(&[("learn/a.txt", "a")]);
    let server = Server::start(&own, &["--study", "--wire-port", "0", "--upload"]);
    assert_eq!(put(&server, "/learn/b.txt"), 201);
    // Who may replace files may also put them in the place of a lab.
    let server = Server::start(&folder, &["--study", "--wire-port", "0", "--upload", "--overwrite"]);
    assert_eq!(put(&server, "/hello.txt"), 201);
    assert_eq!(get(&server, "/hello.txt", "").body, b"x");
}

/// A value in the forms in which it may appear.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let hex = |upper: bool| -> Vec<u8> {
        secret.bytes().flat_map(|o| if upper { format!("{o:02X}") } else { format!("{o:02x}") }.into_bytes()).collect()
    };
    let mut forms = vec![secret.as_bytes().to_vec(), hex(false), hex(true)];
    for shift in 0..3 {
        let text = STANDARD.encode([vec![b'.'; shift], secret.as_bytes().to_vec()].concat());
        let text = text.trim_end_matches('=').as_bytes();
        forms.push(text[shift + usize::from(shift > 0)..text.len() - 1].to_vec());
    }
    forms
}

/// Every byte string of a value, Base64 taken off.
fn strings(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            out.extend_from_slice(text.as_bytes());
            out.push(b'\n');
            out.extend(STANDARD.decode(text).unwrap_or_default());
            out.push(b'\n');
        }
        Value::Array(values) => values.iter().for_each(|value| strings(value, out)),
        Value::Object(members) => members.values().for_each(|value| strings(value, out)),
        _ => {}
    }
}

#[test]
fn no_secret_is_in_anything_the_view_or_the_terminal_says() {
    let secrets = [
        "canary-basic-71",
        "canary-bearer-72",
        "canary-cookie-73",
        "canary-token-74",
        "canary-set-75",
        "canary-own-76",
    ];
    let header = format!("Set-Cookie: sid={}; Path=/", secrets[4]);
    let arguments = ["--wire=full", "--wire-hide", "X-Own", "-H", &header];
    let (server, view) = study(&arguments);
    let mut events = view.events("");
    let basic = STANDARD.encode(format!("ann:{}", secrets[0]));
    let fields = format!(
        "Authorization: Basic {basic}\r\nCookie: a=1234567890; sid={}\r\nX-Own: {}\r\n",
        secrets[2], secrets[5]
    );
    let bearer = format!("Authorization: Bearer {}\r\nAccept: text/html\r\n", secrets[1]);
    let mut client = Client::connect(&server);
    client.ask("GET", "/hello.txt", &fields).assert_status(200);
    client.ask("GET", "/.try/echo", &format!("{fields}{bearer}").replace("Basic", "Other")).assert_status(200);
    client.end();
    let mut client = Client::connect(&server);
    client.ask("GET", "/.try/echo", &fields).assert_status(200);
    client.ask("GET", "/.try/echo", &bearer).assert_status(200);
    client.ask("TRACE", "/.try/trace", &fields).assert_status(200);
    client.ask("GET", &format!("/nope?token={}", secrets[3]), &bearer).assert_status(404);
    client.ask("GET", &format!("/.try/echo?token={}", secrets[3]), "").assert_status(200);
    client.ask("GET", &format!("/nope-{}", secrets[1]), "Accept: text/html\r\n").assert_status(404);
    client.send(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{bearer}broken line\r\n\r\n"));
    client.response("GET").assert_status(400);
    client.assert_ended();
    let mut closed = 0;
    while closed < 2 {
        closed += usize::from(events.next()["event"] == "closed");
    }

    let mut seen = Vec::new();
    for connection in 1..=2 {
        strings(&view.json(&format!("/api/conn/{connection}")), &mut seen);
        for direction in ["in", "out"] {
            seen.extend(view.ask("GET", &format!("/api/conn/{connection}/{direction}")).body);
        }
    }
    for (exchange, row) in (1..=6).flat_map(|n| ["request", "response", "curl", "send"].map(|row| (n, row))) {
        seen.extend(&view.ask("GET", &format!("/api/ex/2.{exchange}/{row}")).assert_status(200).body);
    }
    let har = view.ask("GET", "/api/har").body;
    strings(&serde_json::from_slice(&har).unwrap(), &mut seen);
    seen.extend(har);
    seen.extend(&events.text);
    for exchange in 1..=6 {
        view.ask("POST", &format!("/api/replay/2.{exchange}")).assert_status(409);
    }
    drop((client, events));
    server.signal(Signal::TERM);
    seen.extend(server.log().all());

    let text = String::from_utf8_lossy(&seen);
    for secret in secrets {
        for form in forms(secret) {
            let form = String::from_utf8(form).unwrap();
            assert!(!text.contains(&form), "{secret} as {form}");
        }
    }
    assert!(!text.contains(&basic[4..basic.len() - 4]), "the credentials as they were sent");
    for visible in ["Authorization: Basic ****", "Bearer ****", "sid=****", "token=****", "X-Own: ****"] {
        assert!(text.contains(visible), "{visible} is not seen");
    }
}

#[test]
fn what_is_kept_is_bounded_and_no_client_notices() {
    let bound = 4 * 1024 * 1024;
    let (mut server, view) = study(&["--wire-memory", "4M"]);
    get(&server, "/hello.txt", "").assert_status(200);
    let before = server.resident();
    // Faster than they are explained, so that records wait.
    for _ in 0..8 {
        let mut client = Client::connect(&server);
        for _ in 0..rounds(20, 200) {
            client.send(request("GET", "/hello.txt", "").repeat(200));
            for _ in 0..200 {
                client.response("GET").assert_status(200);
            }
        }
        client.end();
    }
    let grown = server.resident().saturating_sub(before);
    assert!(grown < bound + 12 * 1024 * 1024, "{grown}");
    let mut events = view.events("");
    let hello = events.next();
    assert_eq!(hello["memory"], bound);
    view.ask("GET", "/api/conn/1").assert_status(404);
    // The wire thread may have had no time for all of it; then it says so, and goes on.
    let mut number = 10;
    get(&server, "/hello.txt", "").assert_status(200);
    loop {
        let event = events.next();
        if event["event"] == "dropped" {
            get(&server, "/hello.txt", "").assert_status(200);
            number += 1;
        } else if event["event"] == "closed" && event["connection"] == number {
            break;
        }
    }
    server.assert_alive();
}

#[test]
fn a_pause_is_told_and_leaves_a_hole_and_clear_leaves_nothing() {
    let (server, view) = study(&["--wire=json"]);
    let mut events = view.events("");
    let pause = |paused: &str| {
        let mut client = Client::to(view.address);
        let body = format!("{{\"paused\":{paused}}}");
        client.send(view.request("POST", "/api/pause", &format!("Content-Length: {}\r\n", body.len())) + &body);
        client.response("POST").assert_status(204);
    };
    pause("true");
    assert_eq!(last(&events.until("paused"), "paused")["paused"], true);
    assert_eq!(view.events("").next()["paused"], true);
    get(&server, "/hello.txt", "").assert_status(200);
    let mut open = Client::connect(&server);
    open.get("/hello.txt", "").assert_status(200);
    // What was printed has been told to the history before.
    let responses = |text: &str| text.lines().filter(|line| line.contains("\"event\":\"response\"")).count();
    server.log().wait("two responses", |text| (responses(text) == 2).then_some(()));
    pause("false");
    open.get("/hello.txt", "").assert_status(200);
    open.end();
    let told = events.until("closed");
    assert_eq!(last(&told, "accepted")["again"], true);
    assert_eq!(last(&told, "response")["status"], 200);
    view.ask("POST", "/api/clear").assert_status(204);
    events.until("cleared");
    assert_eq!(view.events("").next()["kept"]["connections"], 0);
}

#[test]
fn a_reader_goes_on_where_it_stopped() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let run = events.next()["run"].as_str().unwrap().to_string();
    get(&server, "/hello.txt", "").assert_status(200);
    let seen = last(&events.until("closed"), "closed")["seq"].as_u64().unwrap();
    drop(events);
    get(&server, "/hello.txt", "").assert_status(200);
    let mut again = view.events(&format!("?since={seen}&run={run}"));
    assert!(again.next().get("reset").is_none());
    let told = again.until("closed");
    assert_eq!((told[0]["event"].as_str(), told[0]["connection"].as_u64()), (Some("accepted"), Some(2)));
    let mut afresh = view.events(&format!("?since={seen}&run=another"));
    assert_eq!(afresh.next()["reset"], true);
    assert_eq!(afresh.next()["seq"], 1);
}

#[test]
fn an_open_window_does_not_keep_the_server_from_stopping() {
    let (mut server, view) = study(&["--grace", "1h"]);
    let mut windows: Vec<Events> = (0..8).map(|_| view.events("")).collect();
    windows.iter_mut().for_each(|events| assert_eq!(events.next()["event"], "hello"));
    view.ask("GET", "/api/events").assert_status(503);
    view.ask("GET", "/api/notes").assert_status(200);
    get(&server, "/hello.txt", "").assert_status(200);
    server.signal(Signal::TERM);
    for mut events in windows {
        events.until("closed");
        while !events.chunk().is_empty() {}
    }
    assert!(server.exit().success());
    assert!(server.err.line("stopped: ").starts_with("stopped: 1 request,"));
}

#[test]
fn terminal_and_browser_are_told_the_same() {
    let (server, view) = study(&["--wire=json"]);
    let mut events = view.events("");
    get(&server, "/hello.txt", "").assert_status(200);
    let mut told = events.until("closed");
    told.remove(0);
    drop(events);
    server.signal(Signal::TERM);
    let out = server.log().all();
    let printed: Vec<Value> = out
        .split(|&o| o == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    told.iter_mut().for_each(|event| _ = event.as_object_mut().unwrap().remove("seq"));
    assert_eq!(printed, told);
}

#[test]
fn an_archive_has_the_sizes_of_the_wire() {
    let (server, view) = study(&[]);
    let mut events = view.events("");
    let mut client = Client::connect(&server);
    client.get("/hello.txt", "").assert_status(200);
    client.send(
        b"PUT /.try/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    );
    client.response("PUT").assert_status(200);
    client.end();
    events.until("closed");
    let har = view.json("/api/har");
    let entries = har["log"]["entries"].as_array().unwrap();
    assert_eq!((entries.len(), har["log"]["version"].as_str()), (2, Some("1.2")));
    for entry in entries {
        let name = entry["_wire"]["exchange"].as_str().unwrap();
        for side in ["request", "response"] {
            let raw = view.ask("GET", &format!("/api/ex/{name}/{side}")).body.len() as u64;
            let (head, body) =
                (entry[side]["headersSize"].as_u64().unwrap(), entry[side]["bodySize"].as_u64().unwrap());
            assert_eq!(head + body, raw, "{name} {side}");
        }
    }
    assert_eq!(entries[1]["request"]["postData"]["text"], "hello");
    assert_eq!(view.json("/api/har?ids=1.2")["log"]["entries"].as_array().unwrap().len(), 1);
}

#[test]
fn a_head_may_be_typed_by_hand_unless_that_was_said_otherwise() {
    // What runs out first is the clock of the head, and it is the one that was given.
    let (server, view) = study(&["--head-timeout", "300ms"]);
    let mut events = view.events("");
    let mut client = Client::connect(&server);
    client.send(b"GET /");
    let (answer, _) = client.rest();
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(last(&events.until("closed"), "closed")["reason"], "TimedOutHead");
}
