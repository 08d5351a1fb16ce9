//! The practice routes (`/.try/`) on real sockets: every route byte by byte, where it is cut, how it ends, and that a
//! slow one delays no other client.
//!
//! Only Date differs between two runs. Its value is replaced by the letter D before anything is compared. Times are
//! asserted only as "not before"; what one `send` took is read from the record.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use barewire::files::{Settings as Files, Site};
use barewire::net::Settings;
use barewire::practice;
use barewire::service::App;

use crate::support::client::{Client, Ending, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::{has_program, notice};

/// The lines after Content-Length in every practice text.
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n";
/// The line that is added to every response, after its own.
const ADDED: &str = "X-Content-Type-Options: nosniff\r\n";

fn start(folder: &Folder) -> Library {
    let site = Site::open(folder.path(), Files::default()).unwrap();
    let app = App::from(practice::router(Box::new(site)));
    Library::serving(
        Settings::with(|s| {
            s.loops = 2;
            s.workers = 4;
        }),
        app,
    )
}

/// The text with the value of Date replaced.
fn undated(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    match text.split_once("Date: ") {
        None => text,
        Some((before, rest)) => {
            let (date, after) = rest.split_at(rest.find(['\r', '\n']).unwrap());
            assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
            format!("{before}Date: D{after}")
        }
    }
}

/// Sends these bytes and reads until the server ends.
#[track_caller]
fn exchange(server: &Library, bytes: impl AsRef<[u8]>) -> (String, Ending) {
    let mut client = server.connect();
    client.send(bytes);
    let (rest, ending) = client.rest();
    (undated(&rest), ending)
}

/// One request, the last of its connection.
fn last(method: &str, path: &str, fields: &str) -> Vec<u8> {
    request(method, &format!("/.try/{path}"), &format!("Connection: close\r\n{fields}"))
}

/// A head of 200 with the lines of a text, and what follows.
fn ok(length: usize, more: &str, content: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nDate: D\r\nConnection: close\r\nContent-Length: {length}\r\n{TEXT}{more}{ADDED}\r\n{content}"
    )
}

#[test]
fn every_route_is_exact_to_the_byte() {
    let server = start(&Folder::new());
    let closed = "HTTP/1.1 200 OK\r\nDate: D\r\nConnection: close\r\n";
    let letters = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
    let pieces = "One response in several pieces. TCP is a stream of bytes: only HTTP says where the response ends.\n";
    let plain = |status: &str, content: &str| ok(content.len(), "", content).replace("200 OK", status);
    let location = |status: &str, to: &str, content: &str| {
        ok(content.len(), &format!("Location: {to}\r\n"), content).replace("200 OK", status)
    };
    let table: Vec<(&str, &str, &str, String)> = vec![
        ("GET", "length/5", "", ok(5, "", "abcde")),
        ("HEAD", "length/5", "", ok(5, "", "")),
        ("GET", "length/0", "", ok(0, "", "")),
        ("GET", "close?n=30", "", format!("{closed}{TEXT}{ADDED}\r\n{}", &letters[..30])),
        (
            "GET",
            "chunked?gap=0",
            "",
            format!("{closed}Transfer-Encoding: chunked\r\n{TEXT}{ADDED}\r\n5\r\nabcde\r\n1a\r\n{}\r\n0\r\n\r\n", &letters[5..31]),
        ),
        (
            "GET",
            "chunked?sizes=3,2&gap=0&ext=a=b&trailer=X-Sum:5",
            "",
            format!("{closed}Transfer-Encoding: chunked\r\n{TEXT}Trailer: X-Sum\r\n{ADDED}\r\n3;a=b\r\nabc\r\n2;a=b\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"),
        ),
        ("GET", "drip?n=3&gap=0", "", ok(3, "", "abc")),
        ("GET", "split?gap=0", "", ok(98, "", pieces)),
        ("GET", "wait/0", "", plain("200 OK", "The server waited 0 ms before it sent the head.\n")),
        ("GET", "utf8", "", ok(10, "X-Characters: 4\r\nX-Bytes: 10\r\n", "é汉😀a")),
        ("GET", "method", "", plain("200 OK", "GET works here, and so does OPTIONS. Try POST.\n")),
        (
            "OPTIONS",
            "method",
            "",
            format!("HTTP/1.1 204 No Content\r\nDate: D\r\nConnection: close\r\nAllow: GET, HEAD, OPTIONS\r\n{ADDED}\r\n"),
        ),
        (
            "GET",
            "status/404",
            "",
            plain("404 Not Found", "404 Not Found: there is nothing at this address.\nOr there is something, and the server does not want to say so. (RFC 9110 §15.5.5)\n"),
        ),
        (
            "GET",
            "status/204",
            "",
            format!("HTTP/1.1 204 No Content\r\nDate: D\r\nConnection: close\r\nCache-Control: no-store\r\n{ADDED}\r\n"),
        ),
        (
            "GET",
            "status/304",
            "",
            format!("HTTP/1.1 304 Not Modified\r\nDate: D\r\nConnection: close\r\nCache-Control: no-store\r\nETag: \"practice\"\r\n{ADDED}\r\n"),
        ),
        (
            "GET",
            "status/205?reason=Form%20cleared",
            "",
            "HTTP/1.1 205 Form cleared\r\nDate: D\r\nConnection: close\r\nContent-Length: 0\r\nCache-Control: no-store\r\n\r\n".into(),
        ),
        ("POST", "redirect/307?times=2", "", location("307 Temporary Redirect", "307?times=1", "307 Temporary Redirect: go to /.try/redirect/307?times=1\n")),
        ("GET", "redirect/302", "", location("302 Found", "../landed", "302 Found: go to /.try/landed\n")),
        ("GET", "redirect/loop", "", location("302 Found", "loop", "302 Found: go to this same address again\n")),
        ("POST", "landed", "", plain("200 OK", "This is where the redirects end. Your client came here with POST.\n")),
        ("GET", "cookie", "Cookie: a=b; c=d\r\n", plain("200 OK", "a=b\nc=d\n")),
        (
            "GET",
            "cookie/set?a=b&c=d",
            "",
            ok(
                70,
                "Set-Cookie: a=b; Path=/.try/; HttpOnly; SameSite=Lax\r\nSet-Cookie: c=d; Path=/.try/; HttpOnly; SameSite=Lax\r\n",
                "The cookies are set. From now on your client sends them: /.try/cookie\n",
            ),
        ),
        (
            "GET",
            "cookie/clear",
            "Cookie: a=b\r\n",
            ok(
                68,
                "Set-Cookie: a=; Max-Age=0; Path=/.try/; HttpOnly; SameSite=Lax\r\n",
                "The cookies are removed: each of them was set again with Max-Age=0.\n",
            ),
        ),
        (
            "GET",
            "range",
            "Range: bytes=500-509\r\n",
            format!(
                "HTTP/1.1 206 Partial Content\r\nDate: D\r\nConnection: close\r\nContent-Length: 10\r\n{TEXT}\
                 Accept-Ranges: bytes\r\nETag: \"numbers\"\r\nContent-Range: bytes 500-509/1000\r\n{ADDED}\r\n500......\n"
            ),
        ),
        (
            "GET",
            "interim/103",
            "",
            format!(
                "HTTP/1.1 103 Early Hints\r\nLink: <../landed>; rel=preload; as=fetch\r\n\r\n{}",
                ok(60, "", "This is the final response. 103 Early Hints came before it.\n")
            ),
        ),
        (
            "GET",
            "interim/100",
            "",
            format!(
                "HTTP/1.1 100 Continue\r\n\r\n{}",
                ok(57, "", "This is the final response. 100 Continue came before it.\n")
            ),
        ),
        (
            "GET",
            "busy",
            "",
            "HTTP/1.1 503 Service Unavailable\r\nDate: D\r\nConnection: close\r\nContent-Length: 35\r\n\
                 Content-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\nRefresh: 5\r\n\
                 X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n\r\n503 Too busy. Trying again in 5 s.\n"
            .into(),
        ),
    ];
    for (method, path, fields, expected) in table {
        let (got, ending) = exchange(&server, last(method, path, fields));
        assert_eq!((got.as_str(), ending), (expected.as_str(), Ending::Fin), "{method} {path}");
    }
}

#[test]
fn a_request_comes_back_exactly_as_it_came() {
    let server = start(&Folder::new());
    let head = "POST /.try/echo?x=<y>&z HTTP/1.1\r\nHost: localhost\r\nX-CaSe:  two \t\r\nx-case: three\r\nConnection: close\r\n";
    let message = "Content-Type: message/http\r\nCache-Control: no-store\r\n\
                   Content-Security-Policy: default-src 'none'; sandbox\r\nX-Content-Type-Options: nosniff\r\n\r\n";
    let chunks = "5;a=\"b\"\r\nhello\r\n001\r\n!\r\n0\r\nX-Trailer: t\r\n\r\n";
    for (framing, sent, content) in [
        ("\r\n", "", ""),
        ("Content-Length: 3\r\n\r\n", "\0\r\n", "\0\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", chunks, "hello!"),
    ] {
        let request = format!("{head}{framing}{sent}");
        let (got, _) = exchange(&server, &request);
        let (said, body) = got.split_once(message).unwrap_or_else(|| panic!("{got}"));
        assert!(said.ends_with(&format!("Content-Length: {}\r\n", request.len())) && body == request, "{got}");
        let (got, _) = exchange(&server, request.replacen("?x=<y>&z", "?body", 1));
        assert!(got.contains("text/plain; charset=utf-8\r\n") && got.ends_with(&format!("\r\n\r\n{content}")), "{got}");
    }
    let (got, _) = exchange(&server, "BREW /.try/echo HTTP/1.0\r\n\r\n");
    assert!(got.ends_with("\r\n\r\nBREW /.try/echo HTTP/1.0\r\n\r\n"), "{got}");
    let (got, _) = exchange(&server, last("TRACE", "trace", "Cookie: secret=1\r\nMax-Forwards: 0\r\n"));
    let back = "TRACE /.try/trace HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nMax-Forwards: 0\r\n\r\n";
    assert!(got.ends_with(&format!("{message}{back}")), "{got}");
    for (path, allow) in [("utf8", "GET, HEAD, OPTIONS"), ("../x", ""), ("upload", "POST, PUT, OPTIONS")] {
        let (got, _) = exchange(&server, last("TRACE", path, ""));
        assert!(
            got.starts_with("HTTP/1.1 4") && (allow.is_empty() || got.contains(&format!("Allow: {allow}\r\n"))),
            "{got}"
        );
    }
    // A body that is too long to be echoed is refused, whether its length is declared or not.
    let (got, _) = exchange(&server, last("PUT", "echo", "Content-Length: 983041\r\n"));
    assert!(got.starts_with("HTTP/1.1 413 "), "{got}");
}

/// What each `send` took, with the date replaced; the first one has the head.
#[track_caller]
fn sends(server: &mut Library, number: usize) -> Vec<String> {
    let sent = server.log_of(number).sent.clone();
    sent.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect()
}

#[test]
fn pieces_are_sends() {
    let mut server = start(&Folder::new());
    let mut ask = |number: usize, path: &str| {
        let (whole, _) = exchange(&server, last("GET", path, ""));
        let sends = sends(&mut server, number);
        assert_eq!(undated(sends.concat().as_bytes()), whole);
        sends
    };
    let chunked = ask(1, "chunked?sizes=5,2&gap=5&trailer=X-Sum:7");
    assert_eq!(chunked[1..], ["5\r\nabcde\r\n", "2\r\nfg\r\n", "0\r\nX-Sum: 7\r\n\r\n"]);
    let drip = ask(2, "drip?n=4&gap=5");
    assert_eq!(drip[1..], ["a", "b", "c", "d"]);
    assert!(drip[0].ends_with("\r\n\r\n"));
    let split = ask(3, "split?at=3,10,17&gap=5");
    assert_eq!(split[..3], ["HTT", "P/1.1 2", "00 OK\r\n"]);
    assert_eq!(split.len(), 4);
    let interim = ask(4, "interim/102");
    assert_eq!((interim.len(), interim[0].as_str()), (2, "HTTP/1.1 102 Processing\r\n\r\n"));
    let late = ask(5, "wait/5?where=body");
    assert!(late[0].ends_with("\r\n\r\n") && late[1] == "The server waited 5 ms before it sent the body.\n");
}

#[test]
fn a_wait_is_never_shorter_than_it_says() {
    let server = start(&Folder::new());
    for (path, mark) in [("wait/150?where=head", ""), ("wait/150?where=body", "\r\n\r\n")] {
        let began = Instant::now();
        let mut client = server.connect();
        client.send(last("GET", path, ""));
        client.take_until(if mark.is_empty() { b"HTTP" } else { mark.as_bytes() });
        client.take(1);
        assert!(began.elapsed() >= Duration::from_millis(150), "{path}");
    }
}

#[test]
fn cut_off_and_broken_responses_end_as_their_page_says() {
    let mut server = start(&Folder::new());
    let said = "This response has a fault in it.\n";
    let head = |lines: &str| format!("HTTP/1.1 200 OK\r\nDate: D\r\nConnection: close\r\n{lines}{TEXT}{ADDED}\r\n");
    let chunked = head("Transfer-Encoding: chunked\r\n");
    let cut = head("Content-Length: 100\r\n") + "abcdefghijklmnopqrst";
    let right = head("Content-Length: 33\r\n") + said;
    let table = [
        ("cut?send=20&of=100&how=fin", cut.clone(), Ending::Fin),
        ("cut?send=20&of=100&how=rst", cut, Ending::Reset),
        ("cut?send=0&of=1", head("Content-Length: 1\r\n"), Ending::Fin),
        ("broken/no-blank-line?yes", head("Content-Length: 33\r\n").strip_suffix("\r\n").unwrap().into(), Ending::Fin),
        ("broken/lf-only?yes", right.replace("\r\n", "\n"), Ending::Fin),
        ("broken/long-length?yes", head("Content-Length: 100\r\n") + said, Ending::Fin),
        ("broken/short-length?yes", head("Content-Length: 11\r\n") + said, Ending::Fin),
        ("broken/two-lengths?yes", head("Content-Length: 33\r\nContent-Length: 11\r\n") + said, Ending::Fin),
        ("broken/bad-chunk?yes", format!("{chunked}21\r\n{said}\r\nxyz\r\nwhat is this?\r\n0\r\n\r\n"), Ending::Fin),
        ("broken/no-last-chunk?yes", format!("{chunked}21\r\n{said}\r\n"), Ending::Fin),
        ("broken/space-before-colon?yes", head("Content-Length : 33\r\n") + said, Ending::Fin),
    ];
    for (number, (path, expected, ending)) in (1..).zip(table) {
        // The request has no `Connection: close`: the response ends the connection by itself.
        let got = exchange(&server, request("GET", &format!("/.try/{path}"), ""));
        assert_eq!(got, (expected, ending), "{path}");
        let reason = server.log_of(number).end.unwrap();
        assert_eq!(reason, if ending == Ending::Fin { "Scripted" } else { "ScriptedReset" }, "{path}");
    }
}

#[test]
fn an_upload_is_counted_hashed_and_thrown_away() {
    let server = start(&Folder::new());
    let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (framing, content, bytes) in [
        ("Content-Length: 3\r\n", "abc", 3),
        ("Transfer-Encoding: chunked\r\n", "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", 3),
        ("Content-Length: 0\r\n", "", 0),
    ] {
        let (got, _) = exchange(&server, [last("PUT", "upload", framing), content.into()].concat());
        let (head, json) = got.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("application/json") && head.contains("no-store"), "{got}");
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        let number = |name: &str| json[name].as_u64().unwrap_or_else(|| panic!("{json}"));
        assert_eq!((number("bytes"), json["sha256"] == sha), (bytes, bytes == 3), "{json}");
        let (calls, least, most) = (number("recv_calls"), number("smallest"), number("largest"));
        assert!((calls > 0) == (bytes > 0) && least <= most && number("milliseconds") < 60_000, "{json}");
        assert!(most <= content.len() as u64 && calls * most >= bytes, "{json}");
    }
    let (got, _) = exchange(&server, last("GET", "upload", ""));
    assert!(got.starts_with("HTTP/1.1 405 ") && got.contains("\r\nAllow: POST, PUT, OPTIONS\r\n"), "{got}");
}

#[test]
fn a_refused_expectation_is_answered_before_the_content() {
    let server = start(&Folder::new());
    let mut client = server.connect();
    client.send(request("PUT", "/.try/expect/refuse", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
    let first = undated(&client.take_until(b"\r\n\r\n"));
    assert!(first.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{first}");
    let mut client = server.connect();
    client.send(request("PUT", "/.try/upload", "Expect: 100-continue\r\nContent-Length: 5\r\n"));
    assert_eq!(client.take_until(b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert!(client.take_until(b"\r\n\r\n").starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_handler_that_fails_costs_one_answer_and_nothing_else() {
    let server = start(&Folder::new());
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(request("GET", "/.try/fail", ""));
        let head = undated(&client.take_until(b"\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{head}");
        client.take_until(b"\n");
    }
    client.get("/.try/utf8", "").assert_status(200);
}

#[test]
fn thirty_two_slow_answers_delay_nothing_and_the_next_slow_one_is_503() {
    let folder = Folder::with(&[("hello.txt", "hello\n")]);
    let server = start(&folder);
    // Their heads have come, so all of them have their slots, and now pause for a minute.
    let mut slow: Vec<Client> = (0..32)
        .map(|_| {
            let mut client = server.connect();
            client.send(request("GET", "/.try/wait/60000?where=body", ""));
            client.take_until(b"\r\n\r\n");
            client
        })
        .collect();
    let mut other = server.connect();
    assert_eq!(other.get("/hello.txt", "").assert_status(200).text(), "hello\n");
    other.get("/.try/length/1000", "").assert_status(200);
    other.get("/.try/drip?n=5&gap=0", "").assert_status(200);
    let (busy, _) = exchange(&server, request("GET", "/.try/wait/60000", ""));
    let (canned, _) = exchange(&server, last("GET", "busy", ""));
    assert_eq!(busy, canned);
    assert!(busy.starts_with("HTTP/1.1 503 "), "{busy}");
    // A reset frees the slot as soon as the server sees it (after a FIN the client may still read, as `nc -N`
    // does). The event to wait for is the next response that is not 503.
    let gone = slow.pop().unwrap();
    rustix::net::sockopt::set_socket_linger(&gone.socket, Some(Duration::ZERO)).unwrap();
    drop(gone);
    let end = Instant::now() + crate::support::PATIENCE;
    loop {
        let (got, _) = exchange(&server, last("GET", "wait/1", ""));
        if got.starts_with("HTTP/1.1 200 ") {
            break;
        }
        assert!(Instant::now() < end, "a slot is not given back: {got}");
    }
    assert_eq!(slow.len(), 31);
}

/// The exit codes of curl 7.88.1, as the list names them. Other versions may have other ones.
#[test]
fn curl_ends_as_the_list_of_broken_answers_says() {
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    let curl = |arguments: &[&str]| {
        let command = Command::new("curl").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
        command.map(|output| (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let (_, version) = curl(&["--version"]).unwrap();
    if !version.starts_with("curl 7.88.1 ") {
        return notice(&format!("this is another curl: {}", version.lines().next().unwrap_or_default()));
    }
    let server = start(&Folder::new());
    let base = format!("http://{}/.try/", server.address);
    let (_, list) = curl(&["-s", &format!("{base}broken/")]).unwrap();
    for (path, code) in [
        ("broken/no-blank-line?yes", 18),
        ("broken/lf-only?yes", 0),
        ("broken/long-length?yes", 18),
        ("broken/short-length?yes", 0),
        ("broken/two-lengths?yes", 0),
        ("broken/bad-chunk?yes", 56),
        ("broken/no-last-chunk?yes", 18),
        ("broken/space-before-colon?yes", 0),
        ("cut?how=fin", 18),
        ("cut?how=rst", 56),
    ] {
        let (exit, _) = curl(&["-s", &format!("{base}{path}")]).unwrap();
        assert_eq!(exit, Some(code), "{path}");
        if let Some((_, rest)) = list.split_once(&format!("/.try/{path}'\n")) {
            let line = rest.lines().find(|line| line.contains("curl 7.88.1: ")).unwrap();
            assert_eq!(line.contains(&format!("error {code}")), code != 0, "{line}");
        } else {
            assert!(path.starts_with("cut"), "{path} is not on the list:\n{list}");
        }
    }
    // The lines of the list name this server.
    let (_, list) = curl(&["-s", &base]).unwrap();
    let lines: Vec<&str> = list.lines().filter_map(|line| line.strip_prefix("  curl ")).collect();
    assert!(lines.len() > 30 && lines.iter().all(|line| line.contains(&base)), "{list}");
}

#[test]
fn curl_reads_compressed_content_and_answers_a_digest_challenge() {
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    let (folder, plain) = (Folder::new(), include_str!("../../src/practice/compressed.txt"));
    let server = start(&folder);
    let curl = |arguments: &[&str], path: &str| {
        let url = format!("http://{}/.try/{path}", server.address);
        let out = Command::new("curl").args(["-s"]).args(arguments).arg(url).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let knows = Command::new("curl").arg("-V").output().unwrap().stdout;
    for (coding, path) in [("libz", "gzip"), ("brotli", "br")] {
        match String::from_utf8_lossy(&knows).contains(coding) {
            true => assert_eq!(curl(&["--compressed"], path), plain, "{path}"),
            false => notice(&format!("skipped: this curl does not know {coding}")),
        }
        assert!(curl(&["-I"], path).contains(&format!("Content-Encoding: {path}\r\n")));
    }
    let welcome = curl(&["--digest", "-u", "student:wire"], "auth/digest?a=b");
    assert!(welcome.starts_with("Welcome, student."), "{welcome}");
    assert!(curl(&["--digest", "-u", "student:fire"], "auth/digest").starts_with("401 "));
}
