//! No output shows a secret. The test sends secrets in every place where secrets stand, lets responses repeat them, and
//! then searches every output of the program for them: plain, in Base64, in hexadecimal and percent-encoded.
//!
//! Each output must also show the names beside the secrets. Otherwise an empty output would pass.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{barewire, run, site_folder};
use crate::support::{PATIENCE, rounds, until};

/// Each is sent in a place where the program must know that it is a secret.
const CANARIES: [&str; 14] = [
    "basic-canary-Zq1",
    "bearer-canary-Zq2",
    "cookie-canary-Zq3",
    "set-canary-Zq4",
    "query-canary-Zq5",
    "form-canary-Zq6",
    "apikey-canary-Zq7",
    "proxy-canary-Zq8",
    "userinfo-canary-Zq9",
    "referer-canary-Zq10",
    "broken-canary-Zq11",
    "mine-canary-Zq12",
    "cut-canary-Zq13",
    "trace-canary-Zq14",
];

fn base64(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The forms in which a secret may appear.
fn writings(canary: &str) -> Vec<String> {
    let mut all = vec![canary.to_string(), hex(canary), hex(canary).to_uppercase()];
    all.push(canary.bytes().map(|byte| format!("%{byte:02X}")).collect());
    // Base64 at each of the three alignments, without the ends, which depend on the bytes beside it.
    for before in 0..3 {
        for text in [base64(&("x".repeat(before) + canary)), BASE64_URL_SAFE_NO_PAD.encode("x".repeat(before) + canary)]
        {
            let from = if before == 0 { 0 } else { 4 };
            all.push(text[from..(before + canary.len()) / 3 * 4].to_string());
        }
    }
    all
}

#[track_caller]
fn assert_hidden(output: &str, text: &str) {
    for canary in CANARIES {
        for writing in writings(canary) {
            if let Some(at) = text.find(&writing) {
                let line = text[..at].rfind('\n').map_or(0, |n| n + 1);
                let end = text[at..].find('\n').map_or(text.len(), |n| at + n);
                panic!("{output} shows {canary} as {writing}:\n{}", &text[line..end]);
            }
        }
    }
}

/// The text, and the bytes that JSON has in Base64.
fn with_decoded(text: &str) -> String {
    let mut all = text.to_string();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let value: Value = serde_json::from_str(line).unwrap();
        for part in ["first", "last"] {
            let bytes = BASE64_STANDARD.decode(value["octets"][part].as_str().unwrap_or_default()).unwrap();
            all += &String::from_utf8_lossy(&bytes);
            all.push('\n');
        }
    }
    all
}

/// Here the client reads the response to `GET /a.txt` before it goes on: the server has to set its cookie before
/// the cookie is known to be a secret.
const PAUSE: &str = "--pause--";

/// Conversations, each on a connection of its own.
fn conversations() -> Vec<String> {
    let one = |line: &str, fields: &str, content: &str| {
        let length = if content.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", content.len()) };
        format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}\r\n{content}")
    };
    let basic = format!("Authorization: Basic {}\r\n", base64("ann:basic-canary-Zq1"));
    // The stored file comes back in a response on the same connection, where its content is known to be secret.
    let echo = |secret: &str| {
        let content = format!(
            "it is {secret}, {}, {}, {} and\n{secret}\n",
            base64(secret),
            hex(secret),
            hex(secret).to_uppercase()
        );
        one("PUT /echo.txt", "", &content)
            + &one("GET /echo.txt", "", "")
            + &one("GET /echo.txt", "Range: bytes=3-40\r\n", "")
    };
    vec![
        one("GET /a.txt", &basic, "") + &echo("basic-canary-Zq1") + &echo(&base64("ann:basic-canary-Zq1")),
        one("GET /a.txt", "Authorization: Bearer bearer-canary-Zq2\r\n", "") + &echo("bearer-canary-Zq2"),
        one("GET /a.txt", "Cookie: b=c; sid=cookie-canary-Zq3\r\n", "") + &echo("cookie-canary-Zq3"),
        one("GET /a.txt", "", "") + PAUSE + &echo("set-canary-Zq4"),
        one("GET /none?b=c&token=query-canary-Zq5", "Accept: text/html\r\n", "") + &echo("query-canary-Zq5"),
        one("POST /form", "Content-Type: application/x-www-form-urlencoded\r\n", "user=ann&password=form-canary-Zq6"),
        one(
            "POST /",
            "Content-Type: multipart/form-data; boundary=b\r\n",
            "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nform-canary-Zq6\r\n--b--\r\n",
        ),
        one("GET /a.txt", "X-Api-Key: apikey-canary-Zq7\r\nX-Auth-Token: apikey-canary-Zq7\r\n", "")
            + &echo("apikey-canary-Zq7"),
        one("GET /a.txt", "Proxy-Authorization: Bearer proxy-canary-Zq8\r\n", ""),
        one("GET http://ann:userinfo-canary-Zq9@localhost/a.txt", "", ""),
        "GET http://ann:userinfo-canary-Zq9@".to_string(),
        one("GET /?token=query-canary-Zq5#x", "", ""),
        "GET /?token=query-canary-Zq5\r\nHost: localhost\r\n\r\n".to_string(),
        one("GET /%zz?token=query-canary-Zq5", "", ""),
        one("GET /a.txt", "Authorization: Bearer bearer-canary-Zq2\x01more\r\n", ""),
        one("GET /a.txt", "Referer: http://localhost/b?access_token=referer-canary-Zq10\r\n", ""),
        // Refused at a line after the secret, and before it.
        one("GET /?key=broken-canary-Zq11", "Authorization: Bearer broken-canary-Zq11\r\nBad Name: x\r\n", ""),
        one("GET /", "Bad Name: x\r\nAuthorization: Bearer broken-canary-Zq11\r\n", ""),
        one("GET /a.txt", "X-Mine: mine-canary-Zq12\r\n", "") + &echo("mine-canary-Zq12"),
        // Never complete.
        "GET /?sig=cut-canary-Zq13 HTTP/1.1\r\nHost: localhost\r\nCookie: a=cut-canary-Zq13".to_string(),
        one("TRACE /a.txt?code=trace-canary-Zq14", "Authorization: Bearer trace-canary-Zq14\r\n", ""),
    ]
}

fn converse(port: u16, bytes: &str) -> Vec<u8> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    for piece in bytes.split(PAUSE) {
        while !answer.ends_with(b"hello\n") && !bytes.starts_with(piece) {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        socket.write_all(piece.as_bytes()).unwrap();
    }
    socket.shutdown(Shutdown::Write).unwrap();
    socket.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn no_output_of_the_program_shows_a_secret() {
    let folder = site_folder();
    let always = ["-p", "0", "-v", "--write", "-H", "Set-Cookie: sid=set-canary-Zq4; Path=/", "site"];
    let mut saved = Vec::new();
    for (number, form) in [None, Some("line"), Some("head"), Some("full"), Some("json")].into_iter().enumerate() {
        // Each form with one log by default, with each log where all rounds are asked for.
        let logs = ["short", "common", "combined", "json"];
        let first = number % logs.len();
        for log in logs.iter().cycle().skip(first).take(rounds(1, logs.len())) {
            let wire = form.map(|form| format!("--wire={form}"));
            let mut arguments = vec!["--log", log, "--wire-hide", "X-Mine"];
            arguments.extend(wire.as_deref());
            arguments.extend(always);
            let (out, err) = (folder.join("out"), folder.join("err"));
            let mut command = barewire(&folder, &arguments);
            command.env("RUST_LOG", "trace").stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
            let mut child = command.spawn().unwrap();
            let said = || fs::read_to_string(&err).unwrap();
            until("it listens", || said().lines().any(|line| line.starts_with("listening on ")));
            let port = said().split("http://127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
            saved.clear();
            for asked in conversations() {
                let answered = converse(port, &asked);
                assert!(answered.starts_with(b"HTTP/1.1 "), "{asked}");
                saved.push((asked, answered));
                // Each is shown before the next begins: a view that is too slow would lose events.
                let ends = match form {
                    Some("head" | "full") => "closed by",
                    Some("json") => "\"event\":\"closed\"",
                    _ => continue,
                };
                // The file may end in the middle of a character.
                let shown = || String::from_utf8_lossy(&fs::read(&out).unwrap()).matches(ends).count();
                until("it is shown", || shown() >= saved.len());
            }
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            assert!(child.wait().unwrap().success());
            let (out, err) = (fs::read_to_string(&out).unwrap(), said());
            let all = with_decoded(&out) + &err;
            assert_hidden(&format!("{arguments:?}"), &all);
            assert!(all.contains("/none?b=c&token=*"), "{arguments:?}: {all}");
            if matches!(form, Some("head" | "full" | "json")) {
                for shown in ["Basic *", "Bearer *", "sid=*", "; Path=/", "X-Mine: *"] {
                    assert!(all.contains(shown), "{arguments:?}: {shown}: {all}");
                }
            }
        }
    }
    // The same bytes, saved, with responses that repeat them.
    let repeats = |(_, answered): &&(String, Vec<u8>)| String::from_utf8_lossy(answered).contains("-canary-");
    assert!(saved.iter().filter(repeats).count() >= 6, "answers repeat secrets, so that there is something to hide");
    for (asked, answered) in &saved {
        fs::write(folder.join("asked"), asked.replace(PAUSE, "")).unwrap();
        fs::write(folder.join("answered"), answered).unwrap();
        for form in [&[][..], &["--json"], &["--html"], &["--ascii"], &["--color=always"]] {
            let arguments =
                [&["explain", "--in", "asked", "--out", "answered", "--wire-hide", "X-Mine"], form].concat();
            let (_, out, err) = run(&mut barewire(&folder, &arguments));
            assert_hidden(&format!("{arguments:?} {asked}"), &(with_decoded(&out) + &err));
            assert!(out.contains("**"), "{arguments:?}: {out}");
        }
    }
}

/// The bytes that the lines of calls show, call after call.
fn shown_by_calls(form: &str, text: &str) -> String {
    let part = |line: &str| match form {
        "json" => {
            let event: Value = serde_json::from_str(line).unwrap();
            event["text"].as_str().filter(|_| event["event"] == "recv").map(str::to_string)
        }
        _ => {
            let (call, _missing) = line.split_once("recv() #")?.1.rsplit_once("  (")?;
            let after = call.split_once("segment)  ").or_else(|| call.split_once("bytes  "));
            after.or_else(|| call.split_once("byte  ")).map(|(_, bytes)| bytes.to_string())
        }
    };
    text.lines().filter_map(part).collect()
}

#[test]
fn no_secret_can_be_read_while_a_request_comes_in_pieces() {
    let folder = site_folder();
    for (form, call, end) in [("head", "recv() #", "closed by"), ("json", "\"event\":\"recv\"", "\"event\":\"closed\"")]
    {
        let (out, err) = (folder.join("out"), folder.join("err"));
        let arguments =
            ["-p", "0", "--loops", "1", "--write", "--wire-hide", "X-Mine", &format!("--wire={form}"), "site"];
        let mut command = barewire(&folder, &arguments);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut child = command.spawn().unwrap();
        let said = || fs::read_to_string(&err).unwrap();
        until("it listens", || said().lines().any(|line| line.starts_with("listening on ")));
        let port: u16 = said().split("http://127.0.0.1:").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
        let shown = |what: &str| String::from_utf8_lossy(&fs::read(&out).unwrap()).matches(what).count();
        for asked in conversations().iter().filter(|asked| !asked.contains(PAUSE)).step_by(rounds(3, 1)) {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let ended = shown(end);
            for piece in asked.as_bytes().chunks(7) {
                let before = shown(call);
                // The server closes after a broken request.
                if socket.write_all(piece).is_err() {
                    break;
                }
                until("the piece is shown", || shown(call) > before || shown(end) > ended);
            }
            drop(socket);
            until("the end is shown", || shown(end) > ended);
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        assert!(child.wait().unwrap().success());
        let text = fs::read_to_string(&out).unwrap();
        let calls = shown_by_calls(form, &text);
        assert_hidden(form, &with_decoded(&text));
        assert_hidden(&format!("the calls of {form}"), &calls);
        assert!(calls.contains("GET /") && calls.contains("Host: localhost\\r\\n") && calls.contains("***"), "{calls}");
    }
}
