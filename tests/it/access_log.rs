//! The access log: one line per response, and nothing that a client sends can forge or colour a line.

use crate::support::client::{Client, get, raw, request};
use crate::support::folder::Folder;
use crate::support::server::Server;

fn site() -> Folder {
    Folder::with(&[("hello.txt", "hello, wire\n"), ("a b.txt", "x")])
}

#[test]
fn combined_is_the_default_away_from_a_terminal() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    get(&server, "/hello.txt?x=1", "User-Agent: probe/1.0\r\nReferer: http://localhost/\r\n");
    let line = server.log().line("hello.txt");
    let (who, rest) = line.split_once(" [").expect(&line);
    assert_eq!(who, "127.0.0.1 - -");
    let (when, rest) = rest.split_once("] ").expect(&line);
    assert!(when.len() == 26 && when.as_bytes()[2] == b'/' && when.as_bytes()[20] == b' ', "{line}");
    assert_eq!(rest, r#""GET /hello.txt?x=1 HTTP/1.1" 200 12 "http://localhost/" "probe/1.0""#);

    let server = Server::start(&folder, &["--log", "common"]);
    get(&server, "/missing", "");
    let line = server.log().line("missing");
    assert!(line.starts_with("127.0.0.1 - - [") && line.contains(r#"] "GET /missing HTTP/1.1" 404 "#), "{line}");
}

/// A client that sends broken requests is found by the name of its program.
#[test]
fn a_refused_request_keeps_its_user_agent() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let mut count = 0;
    let mut logged = |head: &str, expected: &str| {
        raw(&server, head, "GET").assert_status(400);
        count += 1;
        let text = server.log().wait("a line", |text| (text.lines().count() >= count).then(|| text.to_string()));
        let line = text.lines().last().unwrap_or_default();
        assert!(line.ends_with(expected), "{head:?}: {line}");
    };
    let agent = "User-Agent: pro\"be/1.0\r\nReferer: http://localhost/?token=12345678\r\n";
    let both = r#" "http://localhost/?token=********" "pro\"be/1.0""#;
    logged(&format!("GET /../x HTTP/1.1\r\nHost: localhost\r\n{agent}\r\n"), both);
    logged(&format!("\r\nGET /../x HTTP/1.1\r\nHost: localhost\r\n{agent}\r\n"), both);
    logged(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{agent}broken line\r\n\r\n"), both);
    logged(&format!("GET / HTTP/1.1\r\n{agent}\r\n"), both);
    // Half of a value, or a line of the content, is no field.
    logged("GET /../x HTTP/1.1\r\nUser-Agent: pro", r#" "-" "-""#);
    logged("GET /../x HTTP/1.1\r\nHost: localhost\r\n\r\nUser-Agent: x\r\n", r#" "-" "-""#);
}

#[test]
fn json_is_one_object_a_line() {
    let folder = site();
    let server = Server::start(&folder, &["--log", "json"]);
    get(&server, "/hello.txt", "User-Agent: \"quoted\\\"\r\n");
    raw(&server, "GET /a%0Ab\" HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET");
    get(&server, "/end", "");
    server.log().line("/end");
    let lines = server.log().wait("three lines", |text| (text.lines().count() >= 3).then(|| text.to_string()));
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value["status"].is_u64(), "{line}");
    }
}

#[test]
fn short_and_off_are_what_they_say() {
    let folder = site();
    let server = Server::start(&folder, &["--log", "short"]);
    get(&server, "/hello.txt", "");
    let line = server.log().line("/hello.txt");
    assert!(line.contains("200") && line.contains("GET"), "{line}");
    let mut server = Server::start(&folder, &["--log", "off"]);
    get(&server, "/hello.txt", "");
    server.signal(rustix::process::Signal::TERM);
    assert!(server.exit().success());
    assert_eq!(server.log().all(), b"");
}

/// Bytes that may stand in a log: printable ASCII, line ends of ours, and characters of UTF-8
/// outside the C1 controls.
#[track_caller]
fn assert_readable(log: &[u8]) {
    let text = std::str::from_utf8(log).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(log)));
    let wild = text.chars().find(|&c| c.is_control() && c != '\n');
    assert!(wild.is_none(), "{wild:?} in {text:?}");
}

#[test]
fn no_client_can_write_control_bytes_or_lines_into_the_log() {
    let folder = site();
    for format in ["short", "common", "combined", "json"] {
        let mut server = Server::start(&folder, &["--log", format]);
        let mut sent = 0;
        let mut ask = |bytes: &[u8]| {
            let mut client = Client::connect(&server);
            client.send(bytes);
            client.half_close();
            client.response("GET");
            client.assert_ended();
            sent += 1;
        };
        for nasty in [
            &b"\x1b[31mred\x1b]0;title\x07"[..],
            b"a\r\n127.0.0.1 - - [forged] \"GET / HTTP/1.1\" 200 0",
            b"a\n127.0.0.1 - - forged",
            b"\xc2\x9b31m c1 as utf-8",
            b"\x9b31m c1 raw",
            b"\x80\xff not utf-8",
            b"\"quote\" \\ backslash",
            b"tab\there",
            b"\x7fdel",
            b"\xe2\x80\xae bidi",
        ] {
            let in_field = |name: &str| {
                [b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n", name.as_bytes(), b": ", nasty, b"\r\n\r\n"].concat()
            };
            ask(&in_field("User-Agent"));
            ask(&in_field("Referer"));
            ask(&[b"GET /", nasty, b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat());
            ask(&[nasty, b" / HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat());
            let encoded = format!("/{}", crate::support::client::encode(nasty));
            ask(&request("GET", &encoded, ""));
        }
        server.signal(rustix::process::Signal::TERM);
        assert!(server.exit().success());
        let log = server.log().all();
        assert_readable(&log);
        assert_readable(&server.err.all());
        let text = String::from_utf8(log).unwrap();
        assert_eq!(text.lines().count(), sent, "one line per response, {format}:\n{text}");
    }
}

/// A file that must not grow stands for a full disk: the error comes from the same call.
#[test]
fn a_full_disk_loses_lines_says_how_many_and_takes_new_ones_when_there_is_room() {
    for (format, begin, end) in [("combined", "... missing lines: ", ""), ("json", r#"{"missing_lines":"#, "}")] {
        let (folder, place) = (site(), Folder::new());
        let log = place.join("access.log");
        // Room for two lines of these requests.
        let mut server = Server::with_little_room(4, &log, &folder, &["--log", format, "--loops", "1"]);
        let mut client = Client::connect(&server);
        for _ in 0..40 {
            client.get(&format!("/full-{}", "x".repeat(900)), "").assert_status(404);
        }
        assert!(server.err.line("missing lines in the access log: ").contains(" (File too large"));
        // The thread of the log may be behind. Then earlier lines take the room, and it is made once more.
        let is_logged = || {
            std::fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
            client.get("/after", "").assert_status(404);
            let ends = std::time::Instant::now() + std::time::Duration::from_secs(2);
            let is_there = || std::fs::read_to_string(&log).unwrap().contains("/after");
            std::iter::repeat_with(is_there).any(|is_there| is_there || std::time::Instant::now() > ends) && is_there()
        };
        assert!(std::iter::repeat_with(is_logged).take(5).any(|is_logged| is_logged), "the log takes no line");
        client.end();
        server.signal(rustix::process::Signal::TERM);
        assert!(server.exit().success());
        let (log, said) = (std::fs::read_to_string(&log).unwrap(), String::from_utf8(server.err.all()).unwrap());
        let number = |text: &str| text.split(' ').next().and_then(|number| number.parse::<u64>().ok());
        let missing = log.lines().find_map(|line| number(line.strip_prefix(begin)?.strip_suffix(end)?));
        // Standard error also counts those that stood in a notice of the part that was removed.
        let told = said.lines().filter(|line| line.contains("missing lines in the access log: "));
        let told: u64 = told.filter_map(|line| number(line.split_once("access log: ")?.1)).sum();
        assert!(missing.is_some_and(|missing| (1..=told).contains(&missing)), "{told}\n{log}\n{said}");
        assert!(log.lines().last().unwrap().contains("/after"), "{log}");
    }
}

#[test]
fn a_log_without_reader_stops_nothing() {
    let folder = site();
    let mut server = Server::without_log_reader(&folder, &["--log", "combined"]);
    let mut client = Client::connect(&server);
    for _ in 0..500 {
        assert_eq!(client.get("/hello.txt", "").text(), "hello, wire\n");
    }
    client.end();
    server.assert_alive();
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn a_tls_handshake_is_named_in_the_log() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    // The head of a ClientHello record as a browser sends it to https:// on this port.
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.extend(crate::support::folder::pattern(1, 506));
    client.send(hello);
    client.half_close();
    client.rest();
    let found =
        |text: &str| text.contains("the client started TLS (https://) on a port for plain http://").then_some(());
    // It may stand in the access log or beside it.
    let log = server.log().wait("a line", |text| (!text.is_empty()).then(|| text.to_string()));
    if found(&log).is_none() {
        server.err.wait("the TLS line", found);
    }
    assert_eq!(get(&server, "/hello.txt", "").text(), "hello, wire\n");
}

/// `barewire 2>&1 | less`: a pipe without reader is full after 64 KiB, and clients decide how many warnings
/// a loop writes.
#[test]
fn warnings_without_reader_stop_neither_the_service_nor_its_end() {
    let folder = site();
    let mut server = Server::without_error_reader(&folder, &["--log", "off"]);
    // Each is worth a line of some hundred bytes.
    for _ in 0..1_500 {
        let mut client = Client::connect(&server);
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        client.half_close();
        client.response("GET").assert_status(400);
    }
    get(&server, "/hello.txt", "").assert_status(200);
    server.signal(rustix::process::Signal::TERM);
    assert!(server.exit().success());
}
