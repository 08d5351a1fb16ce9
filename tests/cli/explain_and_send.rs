//! `barewire explain` and `barewire send`: saved bytes are explained as live ones are, secrets stay hidden, and a
//! terminal gets nothing that could harm it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;

use serde_json::Value;

use crate::program::{assert_error, barewire, in_folder, run, site_folder, wire_of};
use crate::start_screen::on_a_terminal;
use crate::support::server::Server;
use crate::support::{PATIENCE, has_program};

/// The bytes of both directions of one connection.
#[derive(Default)]
struct Recorded {
    asked: Vec<u8>,
    answered: Vec<u8>,
}

/// Sends these bytes in pieces and reads the answers to the end.
fn converse(port: u16, pieces: &[&[u8]]) -> Recorded {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answered = Vec::new();
    for piece in pieces {
        socket.write_all(piece).unwrap();
    }
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_to_end(&mut answered).unwrap();
    Recorded { asked: pieces.concat(), answered }
}

/// The messages in a JSON view, without the members that only a live connection has.
fn messages(text: &str) -> Vec<(String, Value)> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let is_message = |value: &Value| matches!(value["event"].as_str(), Some("request" | "response"));
    lines
        .filter(is_message)
        .map(|mut value| {
            let exchange = value["exchange"].as_str().unwrap().split('.').nth(1).unwrap().to_string();
            let object = value.as_object_mut().unwrap();
            for live in [
                "connection",
                "exchange",
                "at",
                "clock",
                "cuts",
                "calls",
                "took",
                "moved",
                "from_file",
                "octets",
                "began",
                "ended",
                "head_at",
                "recvs",
                "seam",
                "steps",
                "tags",
                "sends",
                "masked",
            ] {
                object.remove(live);
            }
            forget_calls(&mut value);
            (format!("{exchange} {}", value["event"]), value)
        })
        .collect()
}

/// Removes the words about system calls, of which saved bytes know nothing.
fn forget_calls(words: &mut Value) {
    match words {
        Value::String(text) => {
            text.truncate(text.find(", in ").filter(|_| text.ends_with(" calls")).unwrap_or(text.len()));
            *text = text.replace(", sent with sendfile()", "");
            *text = text.replace("The server answered before the whole request had arrived. ", "");
            *text = text.replace(
                "The server cannot tell where this request ends, so it answers and closes the connection.",
                "It is not certain where this request ends, so the bytes after it are not parsed.",
            );
        }
        Value::Array(all) => all.iter_mut().for_each(forget_calls),
        Value::Object(all) => all.values_mut().for_each(forget_calls),
        _ => {}
    }
}

#[test]
fn saved_bytes_are_explained_as_the_same_bytes_were_live() {
    let folder = site_folder();
    fs::write(folder.join("site/long.txt"), "0123456789".repeat(500)).unwrap();
    let one = |line: &str, fields: &str| format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let conversations: Vec<Vec<String>> = vec![
        vec![one("GET /a.txt", ""), one("HEAD /a.txt", ""), one("GET /none", "Accept: text/html\r\n")],
        vec![one("GET /long.txt", "Range: bytes=5-9,700-\r\n"), one("OPTIONS *", "Connection: close\r\n")],
        vec![one("PUT /new", "Transfer-Encoding: chunked\r\n"), "3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n".into()],
        vec![one("PUT /two", "Content-Length: 5\r\nExpect: 100-continue\r\n"), "hello".into()],
        vec![one("GET /?token=abcdefgh", "Authorization: Bearer qrstuvwx\r\nCookie: a=bcdefgh\r\n")],
        vec![one("GET /a.txt", "A b: c\r\n")],
        vec![one("PUT /bad", "Transfer-Encoding: chunked\r\n"), "zz\r\n".into()],
        vec!["GET / HT".into()],
        vec!["GET /old.txt HTTP/1.0\r\n\r\n".into()],
    ];
    for (number, pieces) in conversations.iter().enumerate() {
        let mut recorded = Recorded::default();
        let live = wire_of(&folder, &["--wire=json", "--write", "-p", "0", "site"], |server| {
            recorded = converse(server.port(), &pieces.iter().map(String::as_bytes).collect::<Vec<_>>());
        });
        fs::write(folder.join("asked"), &recorded.asked).unwrap();
        fs::write(folder.join("answered"), &recorded.answered).unwrap();
        let explain = ["explain", "--in", "asked", "--out", "answered", "--json"];
        let (exit, saved, complaint) = run(&mut barewire(&folder, &explain));
        let (mut live, mut saved) = (messages(&live), messages(&saved));
        // A live view shows messages as they are complete, `explain` by exchange.
        live.sort_by(|a, b| a.0.cmp(&b.0));
        saved.sort_by(|a, b| a.0.cmp(&b.0));
        assert!(!live.is_empty());
        assert_eq!(live, saved, "conversation {number}");
        let broken: Vec<u64> =
            saved.iter().filter_map(|(_, m)| Some(m["start"].as_u64()? + m["broken"]["byte"].as_u64()?)).collect();
        assert_eq!(exit, i32::from(!broken.is_empty()), "{complaint}");
        for at in broken {
            assert!(complaint.contains(&format!("asked:{at}: ")), "{complaint}");
        }
    }
}

#[test]
fn a_saved_answer_that_was_cut_off_anywhere_says_where() {
    let folder = site_folder();
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "site"]));
    let Recorded { answered, .. } = converse(server.port(), &[b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
    let explain = |bytes: &[u8]| {
        fs::write(folder.join("answer"), bytes).unwrap();
        run(&mut barewire(&folder, &["explain", "--response", "answer"]))
    };
    assert_eq!(explain(&answered).0, 0);
    for len in [1, 9, 40, answered.len() - 7, answered.len() - 1] {
        let (exit, _, complaint) = explain(&answered[..len]);
        assert!(exit == 1 && complaint.starts_with(&format!("answer:{len}: ")), "{len}: {exit} {complaint}");
    }
}

#[test]
fn a_tool_that_waits_for_a_person_says_what_to_type() {
    let folder = site_folder();
    for arguments in [&["explain"][..], &["send", "127.0.0.1:1"]] {
        let (mut child, mut terminal, _) = on_a_terminal(
            &mut barewire(&folder, arguments),
            "barewire: standard input is this terminal. Type or paste the bytes, then Ctrl-D; or name a file.\r\n",
        );
        terminal.write_all(b"\x04").unwrap();
        // Without any byte explain finds no message, and send no server: both end.
        assert_eq!(child.wait().unwrap().code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn the_trace_of_curl_is_explained_as_the_server_saw_it() {
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    let folder = site_folder();
    let curl = |port: u16| {
        let url = format!("http://localhost:{port}/a.txt");
        let mut command =
            in_folder(Command::new("curl"), &folder, &["-sS", "-4", "--trace", "trace", "-o", "/dev/null", &url]);
        assert_eq!(run(&mut command).0, 0);
    };
    let live = wire_of(&folder, &["--wire=json", "-p", "0", "site"], |server| curl(server.port()));
    let (exit, saved, complaint) = run(&mut barewire(&folder, &["explain", "--curl-trace", "trace", "--json"]));
    assert_eq!((exit, complaint.as_str()), (0, ""));
    assert_eq!(messages(&live), messages(&saved));
}

#[test]
fn explain_can_hide_more_and_can_hide_nothing() {
    let folder = site_folder();
    let request =
        "GET /?token=abcdefgh HTTP/1.1\r\nHost: a\r\nX-Mine: ijklmnop\r\nAuthorization: Bearer qrstuvwx\r\n\r\n";
    fs::write(folder.join("ask"), request).unwrap();
    for form in [&[][..], &["--json"], &["--html"]] {
        let explain = |more: &[&str]| run(&mut barewire(&folder, &[&["explain", "ask"], form, more].concat())).1;
        let seen = |text: &str| ["abcdefgh", "ijklmnop", "qrstuvwx"].map(|secret| text.contains(secret));
        assert_eq!(seen(&explain(&[])), [false, true, false], "{form:?}");
        assert_eq!(seen(&explain(&["--wire-hide", "x-mine"])), [false; 3], "{form:?}");
        assert_eq!(seen(&explain(&["--wire-secrets"])), [true; 3], "{form:?}");
    }
    let what = "barewire: --wire-hide takes the name of a field, such as X-Session, not \"a b\".\n\
        For example:  barewire explain --wire-hide X-Session saved.bin\n";
    assert_error(&mut barewire(&folder, &["explain", "--wire-hide", "a b", "ask"]), 2, what);
}

#[test]
fn an_option_of_a_tool_that_is_misspelt_is_named_rightly() {
    let folder = site_folder();
    for (arguments, what, advice) in [
        (&["explain", "--jsn", "x"][..], "explain has no option --jsn.", "Did you mean --json ?"),
        (&["explain", "--fix-newline"], "explain has no option --fix-newline.", "Did you mean --fix-newlines ?"),
        (&["send", "a:1", "--gapp", "1"], "send has no option --gapp.", "Did you mean --gap ?"),
        (&["send", "a:1", "--zzz"], "send has no option --zzz.", "See all options:  barewire send --help"),
    ] {
        assert_error(&mut barewire(&folder, arguments), 2, &format!("barewire: {what}\n{advice}\n"));
    }
}

#[test]
fn a_shell_completes_the_options_of_the_tools() {
    let folder = site_folder();
    let (_, script, _) = run(&mut barewire(&folder, &["--completions", "bash"]));
    fs::write(folder.join("script"), script).unwrap();
    let ask = "source ./script; COMP_WORDS=(barewire explain --wire-); COMP_CWORD=2; \
               _barewire barewire --wire- explain; echo ${COMPREPLY[@]}";
    let mut command = in_folder(Command::new("bash"), &folder, &["-c", ask]);
    assert_eq!(run(&mut command), (0, "--wire-hide --wire-secrets\n".to_string(), String::new()));
}

#[test]
fn the_bytes_of_a_tunnel_are_not_blamed_for_not_being_http() {
    let folder = site_folder();
    // The start of TLS, and a frame of a WebSocket.
    for (asked, answered, other) in [
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "HTTP/1.1 200 Established\r\n\r\n", &b"\x16\x03\x01\n"[..]),
        (
            "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
            &b"\x81\x02hi GET / HTTP/1.1\r\n\r\n"[..],
        ),
    ] {
        fs::write(folder.join("in"), [asked.as_bytes(), other].concat()).unwrap();
        fs::write(folder.join("out"), [answered.as_bytes(), other].concat()).unwrap();
        let (explain, rest) =
            (|arguments: &[&str]| run(&mut barewire(&folder, &[&["explain"], arguments].concat())), other.len());
        let (exit, text, said) = explain(&["--in", "in", "--out", "out", "--json"]);
        let line = |name: &str, at: usize| {
            format!("barewire: {name}:{at}: {rest} bytes are not HTTP: the connection is a tunnel from here on.\n")
        };
        assert_eq!((exit, said), (0, line("in", asked.len()) + &line("out", answered.len())), "{text}");
        // The two heads, and on each side what follows, which is not parsed.
        assert_eq!(text.lines().filter(|line| line.contains(r#""event":"unparsed""#)).count(), 2, "{text}");
        assert_eq!(text.lines().count(), 4, "{text}");
        // The side of the client alone: nothing says that the tunnel began, but what follows is no request.
        let (exit, _, said) = explain(&["in"]);
        let line =
            format!("barewire: in:{}: {rest} bytes after the last message do not belong to a message.\n", asked.len());
        assert_eq!((exit, said), (0, line));
        // Where the server refused, the next request is one.
        fs::write(folder.join("out"), "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n").unwrap();
        assert_eq!(explain(&["--in", "in", "--out", "out"]).0, 1);
    }
}

#[test]
fn explain_says_what_is_wrong_by_exit_code_and_offset() {
    let folder = site_folder();
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    write("good", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    write("edited", "GET /a HTTP/1.1\nHost: a\n\n");
    write("answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    write("head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let explain = |arguments: &[&str]| run(&mut barewire(&folder, &[&["explain"], arguments].concat()));

    let (exit, text, complaint) = explain(&["good"]);
    assert_eq!((exit, complaint.as_str()), (0, ""));
    assert!(text.contains("▶ 1 request  28 bytes\n   GET /a HTTP/1.1\\r\\n"), "{text}");

    let (exit, _, complaint) = explain(&["edited"]);
    let expected = "edited:15: a line ends with LF alone; every line of a head ends with CR LF (RFC 9112 §2.2)\n\
        If a text editor changed the line ends:  barewire explain --fix-newlines\n";
    assert_eq!((exit, complaint.as_str()), (1, expected));
    let (exit, _, complaint) = explain(&["--fix-newlines", "edited"]);
    assert_eq!((exit, complaint.as_str()), (0, "barewire: edited: 3 line ends were LF alone, read as CR LF.\n"));

    let (exit, text, complaint) = explain(&["answer"]);
    assert_eq!(exit, 1);
    assert!(complaint.starts_with("answer:41: ") && text.contains("◀ 1 response  41 bytes"), "{complaint}{text}");
    assert_eq!(explain(&["--for", "HEAD", "head"]).0, 0);
    assert_eq!(explain(&["head"]).0, 1);
    let (exit, text, _) = explain(&["--in", "good", "--out", "answer", "--json"]);
    assert_eq!((exit, text.lines().count()), (1, 2));
    let (exit, page, _) = explain(&["--html", "good"]);
    assert!(exit == 0 && page.starts_with("<!doctype html>") && page.contains(">Host</span>"), "{page}");

    let (exit, _, complaint) = explain(&["no-\u{1b}[31m-file"]);
    assert!(exit == 4 && complaint.contains("no-\\u{1b}[31m-file") && !complaint.contains('\u{1b}'), "{complaint}");
    assert_eq!(explain(&["--curl-trace", "good"]).0, 4);
    assert_eq!(explain(&["--for", "get", "good"]).0, 2);
    assert_eq!(explain(&["--request", "--response", "good"]).0, 2);
    assert_eq!(explain(&["--no-such-option"]).0, 2);
    assert_eq!(run(&mut barewire(&folder, &["send"])).0, 2);
    assert_eq!(run(&mut barewire(&folder, &["send", "localhost:1", "good", "--cut", "x"])).0, 2);
    assert_eq!(run(&mut barewire(&folder, &["send", "localhost:1", "none"])).0, 4);
}
