//! All practice addresses as tables: each method, each wrong parameter, each path; and what all tests need.

mod responses;

use std::time::{Duration, SystemTime};

use crate::http::{Event, Fields, Http1, Limits};
use crate::practice::catalogue::{ADDRESSES, broken_kinds};
use crate::practice::*;
use crate::service::{App, Body, ByteOffset, CloseBy, Outcome, RawRequest, RawResponse};

/// The service that is asked after the practice addresses.
struct Files;

impl Service for Files {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        Response::text(Status::OK, format!("file {}", String::from_utf8_lossy(request.path()))).into()
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Files)
    }
}

fn practice() -> Router {
    router(Box::new(Files))
}

fn context() -> RequestContext {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 8080));
    RequestContext {
        peer: address,
        client: crate::service::Client::Peer(address.ip()),
        local: address,
        now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_003),
        arrival: 1,
    }
}

/// `line` is method and target; `fields` are whole lines.
#[track_caller]
fn answer(service: &mut dyn Service, line: &str, fields: &str) -> Answer {
    let head = format!("{line} HTTP/1.1\r\nHost: localhost:8080\r\n{fields}\r\n");
    let mut connection = Http1::new(Limits::default());
    let Event::Request(request, _) = connection.receive(head.as_bytes()).event else { panic!("{head}") };
    service.answer(&request, &context())
}

#[track_caller]
fn app_answer(app: &mut App, line: &str) -> Answer {
    app.answer(&crate::service::testing::asked(line, ""), &context())
}

/// The response, with jobs done and this content collected.
#[track_caller]
fn ask_with(service: &mut dyn Service, line: &str, fields: &str, content: &str) -> Response {
    let fields = format!("{fields}Content-Length: {}\r\n", content.len());
    match answer(service, line, &fields) {
        Answer::Now(response) => response,
        Answer::Blocking(_, job) => match job() {
            Outcome::Response(response) => response,
            Outcome::Again(_) => panic!("{line}"),
        },
        Answer::Collect { then, .. } => then(content.as_bytes().to_vec()),
        Answer::CollectRaw { then, .. } => {
            let head = format!("{line} HTTP/1.1\r\nHost: localhost:8080\r\n{fields}\r\n").into_bytes();
            then(RawRequest { head, framed: content.into(), content: content.into() })
        }
        Answer::Receive { open, .. } => {
            let Ok(mut sink) = open() else { panic!("{line}") };
            assert!(sink.write(content.as_bytes()).is_ok());
            sink.finish()
        }
        Answer::Raw(raw) => parsed(&raw),
        _ => panic!("{line}"),
    }
}

/// The response that a lenient reader makes of the bytes.
fn parsed(raw: &RawResponse) -> Response {
    let text = String::from_utf8_lossy(&raw.bytes).into_owned();
    let (head, content) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut fields = Fields::new();
    for line in head.lines().skip(1).filter(|line| line.contains(": ")) {
        let (name, value) = line.split_once(": ").unwrap();
        let _ = fields.push(name.trim(), value);
    }
    let lines = fields.iter().map(|(n, v)| (String::from_utf8_lossy(n).into_owned(), v.to_vec())).collect::<Vec<_>>();
    let response = Response::new(raw.status).with_body(Body::Bytes(content.as_bytes().to_vec().into()));
    let ordinary = |name: &str| !crate::service::response::is_connection_field(name);
    lines.into_iter().filter(|(n, _)| ordinary(n)).fold(response, |r, (n, v)| r.field(&n, v))
}

#[track_caller]
fn ask(line: &str, fields: &str) -> Response {
    ask_with(&mut practice(), line, fields, "")
}

fn value(response: &Response, name: &str) -> String {
    response.fields().get(name).map(|v| String::from_utf8_lossy(v).into_owned()).unwrap_or_default()
}

fn content(response: &Response) -> String {
    match response.body() {
        Body::Bytes(bytes) | Body::UntilClose(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        _ => String::new(),
    }
}

#[test]
fn every_line_of_the_list_works_and_every_address_is_on_it() {
    let mut practice = practice();
    let mut seen: Vec<&str> = Vec::new();
    for &[path, options, example, _, labs] in ADDRESSES.iter().flat_map(|group| &group.lines) {
        let method = match options {
            options if options.contains("-X PUT") => "PUT",
            options if options.contains("-X TRACE") => "TRACE",
            options if options.contains("-X POST") || options.contains("-d ") => "POST",
            _ => "GET",
        };
        seen.push(example.split('?').next().unwrap());
        assert!(labs.split(' ').all(|lab| (1..=12).contains(&lab.parse().unwrap())), "{path} has labs: {labs}");
        if path == "/.try/fail" {
            continue;
        }
        let with_content = if method == "TRACE" { "" } else { "some content" };
        let fields = if options.contains("Expect") { "Expect: 100-continue\r\n" } else { "" };
        let line = format!("{method} {example}");
        let response = match with_content {
            "" => match answer(&mut practice, &line, fields) {
                Answer::Now(response) => response,
                _ => panic!("{line}"),
            },
            _ => ask_with(&mut practice, &line, fields, with_content),
        };
        let status = match path {
            "/.try/status/CODE" => 404,
            "/.try/method" => 405,
            "/.try/expect/refuse" => 413,
            "/.try/auth" | "/.try/auth/bearer" | "/.try/auth/digest" => 401,
            "/.try/auth/forbidden" => 403,
            "/.try/busy" => 503,
            "/.try/note" => 201,
            path if path.starts_with("/.try/redirect/") => 302,
            _ => 200,
        };
        assert_eq!(response.status().code(), status, "{line}");
    }
    assert!(seen.len() > 30, "the list could not be read");
    let others = [
        "",
        "/",
        "/{*value}",
        "/learn",
        "/learn/{*value}",
        "/landed",
        "/broken",
        "/broken/{value}",
        "/etag",
        "/modified",
        "/never",
    ]
    .map(|path| format!("/.try{path}"));
    for (pattern, ..) in ROUTES.iter().filter(|(pattern, ..)| !others.iter().any(|other| other == pattern)) {
        let listed = seen.iter().any(|path| match pattern.strip_suffix("{value}") {
            Some(start) => path.starts_with(start),
            None => path == pattern,
        });
        assert!(listed, "{pattern} is not on the list");
    }
}

#[test]
fn what_cannot_be_read_is_400_and_never_a_default() {
    for (target, sentence) in [
        ("status/199", "A status from 100 to 199 is never final"),
        ("status/600", "The code is a number from 200 to 599."),
        ("status/20", "The code is a number from 200 to 599."),
        ("status/2000", "The code is a number from 200 to 599."),
        ("status/+200", "The code is a number from 200 to 599."),
        ("status/200?reason=a%0d%0aSet-Cookie:%20x", "reason takes at most 100 printable ASCII characters"),
        ("status/200?reason=%C3%A9", "reason takes at most 100 printable ASCII characters."),
        ("status/200?reasons=x", "This address takes one parameter: reason."),
        ("length/16777217", "The length is a number from 0 to 16,777,216."),
        ("length/-1", "The length is a number from 0 to 16,777,216."),
        ("length/5?gap=1", "This address takes no parameters."),
        ("close?n=1048577", "n takes a number from 0 to 1,048,576."),
        ("chunked?sizes=5,0", "sizes takes numbers from 1 to 1,048,576"),
        ("chunked?sizes=1048576,1", "All sizes together may be at most 1,048,576 bytes."),
        ("chunked?gap=10001", "gap takes a number from 0 to 10,000."),
        ("chunked?gap=2s", "gap takes a number from 0 to 10,000."),
        (
            "chunked?sizes=1,1,1,1,1,1,1&gap=10000",
            "All pauses together may take at most 60 s. 7 pauses of 10,000 ms take longer.",
        ),
        ("chunked?ext=a%0d%0a0%0d%0a", "ext takes name or name=value"),
        ("chunked?ext=a;b", "ext takes name or name=value"),
        ("chunked?ext=", "ext takes name or name=value"),
        ("chunked?trailer=Content-Length:5", "trailer takes X-Name:value"),
        ("chunked?trailer=X-A", "trailer takes X-Name:value"),
        ("chunked?trailer=X-A:b%0d%0aC:%20d", "trailer takes X-Name:value"),
        ("chunked?trailer=X%20A:b", "trailer takes X-Name:value"),
        ("drip?n=0", "n takes a number from 1 to 1,000."),
        ("drip?n=1001", "n takes a number from 1 to 1,000."),
        ("drip?n=1000&gap=61", "All pauses together may take at most 60 s. 999 pauses of 61 ms take longer."),
        ("split?at=0", "at takes numbers from 1 to"),
        ("split?at=3,3", "at takes positions in ascending order"),
        ("split?at=10,3", "at takes positions in ascending order"),
        ("wait/60001", "The time to wait, in milliseconds, is a number from 0 to 60,000."),
        ("wait/5?where=tail", "where takes head or body."),
        ("cut?send=100&of=100", "?send= must be smaller than &of=."),
        ("cut?how=FIN", "how takes fin or rst."),
        ("broken/lf-only", "This response is wrong on purpose: every line of the head ends with LF alone."),
        ("broken/lf-only?yes=1", "yes takes no value. Write ?yes"),
        ("cookie/set", "Write name=value"),
        ("cookie/set?a", "Write name=value"),
        ("cookie/set?a=b;c", "Write name=value"),
        ("cookie/set?a=%0d%0ab", "Write name=value"),
        ("cookie/set?a%20b=c", "Write name=value"),
        ("cookie/set?a=%22", "Write name=value"),
        ("redirect/304", "A redirect has the code 301"),
        ("redirect/200", "A redirect has the code 301"),
        ("redirect/302?times=21", "times takes a number from 1 to 20."),
        ("redirect/302?to=//evil.example", "This address takes one parameter: times."),
        ("cache/31536001", "The age, in seconds, is a number from 0 to 31,536,000."),
        ("cache/soon", "The age, in seconds, is a number"),
        ("interim/101", "The interim responses here are 100, 102 and 103."),
    ] {
        let response = ask(&format!("GET /.try/{target}"), "");
        assert_eq!(response.status(), Status::BAD_REQUEST, "{target}");
        assert!(content(&response).contains(sentence), "{target}: {}", content(&response));
    }
}

#[test]
fn every_address_says_truly_which_methods_work() {
    for (path, allow) in [
        ("/.try", "GET, HEAD, OPTIONS"),
        ("/.try/", "GET, HEAD, OPTIONS"),
        ("/.try/trace", "OPTIONS, TRACE"),
        ("/.try/upload", "POST, PUT, OPTIONS"),
        ("/.try/expect/refuse", "POST, PUT, OPTIONS"),
        ("/.try/note", "GET, HEAD, PUT, DELETE, OPTIONS"),
        ("/.try/method", "GET, HEAD, OPTIONS"),
        ("/.try/status/200", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
        ("/.try/redirect/307", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
    ] {
        let options = ask(&format!("OPTIONS {path}"), "");
        assert_eq!((options.status(), value(&options, "allow").as_str()), (Status::NO_CONTENT, allow), "{path}");
        for method in Method::ALL.into_iter().filter(|m| *m != Method::Options && *m != Method::Connect) {
            let Answer::Now(response) = answer(&mut practice(), &format!("{} {path}", method.name()), "") else {
                panic!("{path}")
            };
            let works = allow.split(", ").any(|name| name == method.name());
            assert_eq!(response.status() != Status::METHOD_NOT_ALLOWED, works, "{method:?} {path}");
            assert!(works || value(&response, "allow") == allow, "{method:?} {path}");
        }
        assert_eq!(ask(&format!("BREW {path}"), "").status(), Status::NOT_IMPLEMENTED, "{path}");
    }
    let echo = ask("BREW /.try/echo", "");
    assert_eq!((echo.status(), value(&echo, "content-type").as_str()), (Status::OK, "message/http"));
    assert_eq!(value(&ask("OPTIONS /.try/echo", ""), "allow"), "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
    let all = "GET, HEAD, POST, PUT, DELETE, OPTIONS, TRACE, PATCH";
    let Answer::Now(asterisk) = app_answer(&mut App::from(practice()), "OPTIONS *") else { panic!("not at once") };
    assert_eq!(value(&asterisk, "allow"), all);
    assert_eq!(ask("GET /.try/method", "Expect: 200-ok\r\n").status(), Status::EXPECTATION_FAILED);
}

#[test]
fn trace_reaches_one_address_and_unknown_methods_another() {
    let mut app = App::from(practice());
    for (line, status, allow) in [
        ("TRACE /.try/trace", 200, ""),
        ("TRACE /.try/echo", 405, "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"),
        ("TRACE /.try/utf8", 405, "GET, HEAD, OPTIONS"),
        ("TRACE /hello.txt", 405, "GET, HEAD, OPTIONS"),
        ("TRACE /.try/trace/", 405, "GET, HEAD, OPTIONS"),
        ("BREW /.try/echo", 200, ""),
        ("BREW /.try/status/200", 501, ""),
        ("BREW /hello.txt", 501, ""),
        ("CONNECT localhost:80", 405, "GET, HEAD, OPTIONS"),
    ] {
        let Answer::Now(response) = app_answer(&mut app, line) else { panic!("{line}") };
        assert_eq!((response.status().code(), value(&response, "allow").as_str()), (status, allow), "{line}");
    }
}

#[test]
fn other_paths_reach_the_files_and_unknown_ones_below_try_do_not() {
    for path in ["/", "/.trying", "/.TRY/echo", "/a/.try/echo", "//.try/echo"] {
        assert_eq!(content(&ask(&format!("GET {path}"), "")), format!("file {path}"));
    }
    for path in ["/.try/nothing", "/.try/echo/", "/.try/status/", "/.try/length/5/6", "/.try//echo", "/.try/cookie/"] {
        let response = ask(&format!("GET {path}"), "");
        assert_eq!(response.status(), Status::NOT_FOUND, "{path}");
    }
    let bare = ask("GET /.try?x=//evil.example", "");
    assert_eq!((bare.status().code(), value(&bare, "location").as_str()), (307, ".try/"));
    // Decoded once, as everywhere.
    assert_eq!(ask("GET /%2Etry/utf8", "").status(), Status::OK);
}
