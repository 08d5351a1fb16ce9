//! The app before a service that takes everything: the order of the steps, and the added fields of every kind of
//! response.

use std::sync::Mutex;

use super::*;
use crate::http::{Event, Http1, HttpDate, Length, Limits, Prepared};
use crate::service::testing::{asked, context, request};
use crate::service::{Body, Credentials, Lane, Outcome, RawRequest, Scope, Sink, Task};

/// A service that takes PUT and records its requests; every kind of answer by path.
struct Files {
    asked: Arc<Mutex<Vec<String>>>,
}

struct TestSink;

impl Sink for TestSink {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        if bytes.is_empty() { Err(Response::new(Status::INSUFFICIENT_STORAGE)) } else { Ok(()) }
    }

    fn finish(self: Box<Self>) -> Response {
        Response::new(Status::CREATED)
    }
}

impl Service for Files {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        let line = format!("{} {}", request.method().name(), String::from_utf8_lossy(request.path()));
        self.asked.lock().unwrap().push(line);
        let ok = || Response::text(Status::OK, "a file\n");
        match request.path() {
            b"/job" => Answer::Blocking(Lane::Open.into(), Box::new(move || Outcome::Response(ok()))),
            b"/collect" => Answer::Collect { limit: 9, then: Box::new(move |_| ok()) },
            b"/raw" => Answer::CollectRaw { limit: 9, then: Box::new(|_| Response::text(Status::OK, "raw")) },
            b"/receive" => Answer::Receive { limit: 9, device: 0, open: Box::new(|| Ok(Box::new(TestSink))) },
            b"/full" => Answer::Receive {
                limit: 9,
                device: 0,
                open: Box::new(|| Err(Response::new(Status::INSUFFICIENT_STORAGE))),
            },
            b"/ready" => Answer::Ready(Prepared::new(Status::OK, ok().fields(), b"ready")),
            b"/own" => Answer::Now(ok().field("cross-origin-resource-policy", "same-origin")),
            _ => Answer::Now(ok()),
        }
    }

    fn methods(&self) -> Vec<Method> {
        vec![Method::Get, Method::Head, Method::Put, Method::Options]
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Files { asked: Arc::clone(&self.asked) })
    }
}

struct Asked {
    app: App,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Asked {
    fn new(settings: Settings) -> Asked {
        let asked = Arc::default();
        let files = Files { asked: Arc::clone(&asked) };
        Asked { app: App::new(files, settings).unwrap(), asked }
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        self.app.answer(request, &context("192.0.2.1", 0))
    }

    /// The response that is made at once, and whether the service inside was asked.
    #[track_caller]
    fn now(&mut self, request: &Request<'_>) -> (Response, bool) {
        let before = self.asked.lock().unwrap().len();
        let Answer::Now(response) = self.answer(request) else { panic!("not at once") };
        (response, self.asked.lock().unwrap().len() > before)
    }
}

fn enforced() -> Settings {
    Settings { hosts: Hosts::new(true, &[], None), ..Settings::default() }
}

fn with_password(cors: Option<&str>) -> Settings {
    let mut credentials = Credentials::new();
    credentials.add("ann:one").unwrap();
    Settings { cors: cors.map(str::to_string), auth: Some(Auth::new(credentials, Scope::All)), ..enforced() }
}

/// The head of a response to `request` as a connection writes it, without its Date, a line a field.
fn head(app: &App, request: &Request<'_>, response: Response) -> Vec<String> {
    let additions = app.additions(request, &context("192.0.2.1", 0));
    let (status, fields, _) = app.finish(response, &additions).into_parts();
    let mut connection = Http1::new(Limits::default());
    let _ = connection.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").event;
    let mut out = Vec::new();
    let date = HttpDate::from_second(0);
    connection.respond(status, &fields, Length::Known(0), app.added_fields(&additions), &date, &mut out);
    lines(&out)
}

fn lines(head: &[u8]) -> Vec<String> {
    let text = String::from_utf8(head.to_vec()).unwrap();
    text.split("\r\n").filter(|line| !line.is_empty() && !line.starts_with("Date:")).map(str::to_string).collect()
}

/// The values of a field in such a head.
fn values<'a>(head: &'a [String], name: &str) -> Vec<&'a str> {
    let of = |line: &'a String| line.split_once(": ").filter(|(other, _)| other.eq_ignore_ascii_case(name));
    head.iter().filter_map(of).map(|(_, value)| value).collect()
}

fn text(response: &Response) -> String {
    match response.body() {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        body => panic!("{body:?}"),
    }
}

/// base64 of `ann:one` and of `ann:two`.
const RIGHT: &str = "Authorization: Basic YW5uOm9uZQ==\r\n";
const WRONG: &str = "Authorization: Basic YW5uOnR3bw==\r\n";
const CROSS: &str = "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil.example\r\n";
const PREFLIGHT: &str = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";

#[test]
fn of_several_things_wrong_the_first_in_the_order_decides() {
    let mut app = Asked::new(with_password(Some("http://app.example")));
    let mut ask = |line: &str, host: &str, fields: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let (response, inside) = app.now(&request(head.as_bytes()));
        (response.status().code(), inside)
    };
    // A foreign host comes before everything, right credentials included.
    for line in ["GET /", "BREW /", "TRACE /", "PUT /x", "OPTIONS *"] {
        for fields in ["", CROSS, RIGHT, WRONG, PREFLIGHT] {
            assert_eq!(ask(line, "evil.example", fields), (421, false), "{line} {fields}");
        }
    }
    // A method that works nowhere, before a foreign write and before credentials. It never reaches the service, which
    // might know it.
    for fields in ["", CROSS, RIGHT, WRONG, PREFLIGHT] {
        assert_eq!(ask("BREW /", "localhost", fields), (501, false), "{fields}");
        assert_eq!(ask("get /", "localhost", fields), (501, false), "{fields}");
        assert_eq!(ask("TRACE /", "localhost", fields), (405, false), "{fields}");
        assert_eq!(ask("CONNECT h:80", "localhost", fields), (405, false), "{fields}");
    }
    // A preflight of an allowed page, before credentials; of any other, and any other OPTIONS, after.
    assert_eq!(ask("OPTIONS /", "localhost", PREFLIGHT), (204, false));
    assert_eq!(ask("OPTIONS /", "localhost", &PREFLIGHT.replace("app", "evil")), (401, false));
    assert_eq!(ask("OPTIONS /", "localhost", ""), (401, false));
    assert_eq!(ask("OPTIONS *", "localhost", ""), (401, false));
    assert_eq!(ask("GET /", "localhost", PREFLIGHT), (401, false));
    // A foreign write, before credentials; a foreign read is allowed.
    for method in ["PUT", "POST", "DELETE", "PATCH"] {
        for credentials in ["", RIGHT, WRONG] {
            let fields = format!("{CROSS}{credentials}");
            assert_eq!(ask(&format!("{method} /x"), "localhost", &fields), (403, false), "{method} {fields}");
        }
    }
    assert_eq!(ask("GET /", "localhost", &format!("{CROSS}{RIGHT}")), (200, true));
    // A page that may write still needs credentials.
    let app = "Sec-Fetch-Site: cross-site\r\nOrigin: http://app.example\r\n";
    assert_eq!(ask("PUT /x", "localhost", app), (401, false));
    assert_eq!(ask("PUT /x", "localhost", &format!("{app}{RIGHT}")), (200, true));
    assert_eq!(ask("GET /", "localhost", WRONG), (401, false));
    assert_eq!(ask("GET /", "localhost", RIGHT), (200, true));
}

#[test]
fn a_host_that_was_allowed_allows_no_other() {
    let mut app = Asked::new(enforced());
    let (local, evil, empty, none) = (
        request(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        request(b"GET / HTTP/1.1\r\nHost: localhost.evil.test\r\n\r\n"),
        request(b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        request(b"GET / HTTP/1.0\r\n\r\n"),
    );
    let absolute = request(b"GET http://evil.test/ HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for _ in 0..2 {
        for (request, code) in
            [(&empty, 421), (&none, 200), (&empty, 421), (&local, 200), (&evil, 421), (&absolute, 421)]
        {
            assert_eq!(app.now(request).0.status().code(), code, "{}", request.bytes().escape_ascii());
        }
    }
}

#[test]
fn a_405_before_the_service_is_asked_lists_what_works() {
    let (response, _) = Asked::new(with_password(None)).now(&asked("TRACE /", ""));
    assert_eq!(response.fields().get("Allow"), Some(&b"GET, HEAD, PUT, OPTIONS"[..]));
}

#[test]
fn the_page_of_a_foreign_host_names_the_option_and_never_a_command_of_the_attacker() {
    let mut app = Asked::new(Settings { names_options: true, ..enforced() });
    let mut page =
        |host: &str| text(&app.now(&request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())).0);
    assert!(page("Box.Example.:8080").contains("--host Box.Example\n"), "{}", page("Box.Example.:8080"));
    for hostile in ["a;reboot", "$(reboot)", "a&b", "a'b", "%0a", "a!b", ""] {
        assert!(!page(hostile).contains("--host"), "{}", page(hostile));
    }
    assert!(page("").contains("names no host"));
}

#[test]
fn the_page_of_a_foreign_write_does_not_repeat_its_origin() {
    let (response, _) = Asked::new(enforced()).now(&asked("PUT /x", CROSS));
    assert_eq!(response.status(), Status::FORBIDDEN);
    assert!(text(&response).contains("Nothing was changed") && !text(&response).contains("evil"));
}

/// The responses of every kind of answer, one after the other.
fn every_response(app: &mut Asked) -> Vec<Response> {
    let mut responses = Vec::new();
    for line in ["GET /", "GET /job", "PUT /collect", "PUT /raw", "PUT /receive", "PUT /full", "BREW /"] {
        match app.answer(&asked(line, RIGHT)) {
            Answer::Now(response) => responses.push(response),
            Answer::Ready(_) | Answer::ReadyFile(..) => panic!("{line}: nothing is prepared there"),
            Answer::Blocking(_, job) | Answer::Delayed(_, _, job) => match job() {
                Outcome::Response(response) => responses.push(response),
                Outcome::Again(_) => panic!("{line}: again"),
            },
            Answer::Collect { then, .. } => responses.push(then(Vec::new())),
            Answer::CollectRaw { then, .. } => responses.push(then(RawRequest::default())),
            Answer::Raw(_) => panic!("{line}: bytes to which no field can be added"),
            Answer::Receive { open, .. } => match open() {
                Err(response) => responses.push(response),
                Ok(mut sink) => {
                    sink.write(b"x").unwrap();
                    responses.push(sink.write(b"").unwrap_err());
                    responses.push(sink.finish());
                }
            },
        }
    }
    responses.push(app.now(&asked("PUT /x", CROSS)).0);
    responses.push(app.now(&asked("GET /", WRONG)).0);
    let Event::Refused(error) = Http1::new(Limits::default()).receive(b"GET  / HTTP/1.1\r\n\r\n").event else {
        panic!("not refused")
    };
    responses.push(app.app.refuse(&error, b""));
    responses.push(error_page::overload());
    responses
}

#[test]
fn no_response_of_any_kind_can_be_embedded_by_a_stranger() {
    for (settings, expected) in [
        (with_password(None), Some("same-site")),
        (enforced(), Some("same-site")),
        (with_password(Some("http://app.example")), Some("same-site")),
        (with_password(Some("*")), Some("cross-origin")),
        (Settings { cors: Some("*".into()), ..Settings::default() }, Some("cross-origin")),
        (Settings { hosts: Hosts::new(false, &[], None), ..Settings::default() }, None),
    ] {
        let mut app = Asked::new(settings);
        let responses = every_response(&mut app);
        assert_eq!(responses.len(), 12);
        for response in responses {
            let head = head(&app.app, &asked("GET /", ""), response);
            assert_eq!(values(&head, RESOURCE_POLICY), Vec::from_iter(expected), "{head:?}");
            assert_eq!(values(&head, "X-Content-Type-Options"), ["nosniff"], "{head:?}");
        }
    }
    let mut app = Asked::new(enforced());
    let (own, _) = app.now(&asked("GET /own", ""));
    let head = head(&app.app, &asked("GET /own", ""), own);
    assert_eq!(values(&head, RESOURCE_POLICY), ["same-origin"], "what the service says stays, and stays alone");
}

#[test]
fn a_field_of_the_command_line_is_in_every_response_and_replaces_others_of_its_name() {
    let headers =
        vec![("X-One".into(), "1".into()), ("content-type".into(), "x/y".into()), ("X-One".into(), "2".into())];
    let mut app = Asked::new(Settings { headers, ..with_password(None) });
    for response in every_response(&mut app) {
        let head = head(&app.app, &asked("GET /", ""), response);
        assert_eq!(values(&head, "x-one"), ["1", "2"], "{head:?}");
        assert_eq!(values(&head, "content-type"), ["x/y"], "{head:?}");
    }
}

/// A wrapper of a service could add fields to fresh responses, but not to prepared ones of a cache. So no field may be
/// added by wrapping, and both are sent with the same fields.
#[test]
fn a_response_from_the_cache_carries_the_same_fields_as_a_fresh_one() {
    let named = Some("http://app.example".to_string());
    for cors in [None, Some("*".to_string()), named] {
        let headers = vec![("X-One".into(), "1".into()), ("content-type".into(), "x/y".into())];
        let mut app = Asked::new(Settings { cors, headers, ..enforced() });
        for origin in ["", "Origin: http://app.example\r\n", "Origin: http://evil.example\r\n"] {
            let request = asked("GET /ready", origin);
            let Answer::Ready(ready) = app.answer(&request) else { panic!("not ready") };
            let additions = app.app.additions(&request, &context("192.0.2.1", 0));
            let mut connection = Http1::new(Limits::default());
            let _ = connection.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").event;
            let mut out = Vec::new();
            connection.respond_prepared(&ready, app.app.added_fields(&additions), &HttpDate::from_second(0), &mut out);
            let (fresh, _) = app.now(&asked("GET /", origin));
            let fresh = head(&app.app, &request, fresh);
            let without_length = |head: Vec<String>| -> Vec<String> {
                head.into_iter().filter(|line| !line.starts_with("Content-Length")).collect()
            };
            assert_eq!(without_length(lines(&out)), without_length(fresh), "{origin}");
        }
    }
}

#[test]
fn only_the_named_origin_may_read_and_vary_tells_caches_so() {
    let mut app = Asked::new(Settings { cors: Some("http://app.example".into()), ..enforced() });
    for (origin, allowed) in
        [("", false), ("Origin: http://evil.example\r\n", false), ("Origin: HTTP://app.example\r\n", true)]
    {
        let request = asked("GET /", origin);
        let (response, _) = app.now(&request);
        let head = head(&app.app, &request, response);
        let readable = if allowed { vec!["http://app.example"] } else { Vec::new() };
        assert_eq!(values(&head, "access-control-allow-origin"), readable, "{origin}");
        assert_eq!(values(&head, "vary"), ["Origin"], "{origin}");
        assert_eq!(values(&head, RESOURCE_POLICY), [if allowed { "cross-origin" } else { "same-site" }], "{origin}");
    }
}

#[test]
fn an_error_is_stored_by_no_cache_unless_it_says_so_itself() {
    let mut app = Asked::new(with_password(None));
    let (refused, _) = app.now(&asked("GET /", WRONG));
    assert_eq!(values(&head(&app.app, &asked("GET /", ""), refused), "cache-control"), ["no-store"]);
    let own = Response::new(Status::NOT_FOUND).field("Cache-Control", "max-age=9");
    assert_eq!(values(&head(&app.app, &asked("GET /", ""), own), "cache-control"), ["max-age=9"]);
}

#[test]
fn a_field_that_cannot_be_sent_is_refused_at_the_start() {
    for (name, value) in [("X y", "1"), ("X", "a\r\nB: c"), ("Content-Length", "5"), ("Date", "x")] {
        let headers = vec![(name.to_string(), value.to_string())];
        let files = Files { asked: Arc::default() };
        assert!(App::new(files, Settings { headers, ..Settings::default() }).is_err(), "{name}");
    }
}

#[test]
fn an_upload_whose_password_is_checked_on_a_worker_begins_afterwards() {
    let mut credentials = Credentials::new();
    credentials.add_htpasswd(format!("ann:{}", bcrypt::hash("one", 4).unwrap()).as_bytes()).unwrap();
    let mut app = Asked::new(Settings { auth: Some(Auth::new(credentials, Scope::All)), ..enforced() });
    let Answer::Blocking(Task { lane: Lane::Passwords, .. }, job) = app.answer(&asked("PUT /receive", RIGHT)) else {
        panic!("no job")
    };
    assert!(app.asked.lock().unwrap().is_empty(), "the service was asked before the password was known");
    let Outcome::Again(again) = job() else { panic!("not asked again") };
    // Another loop may be the one that is asked the second time; here it is.
    let mut other = app.app.fork();
    assert!(matches!(other.answer(&again, &context("192.0.2.1", 0)), Answer::Receive { .. }));
    assert_eq!(*app.asked.lock().unwrap(), ["PUT /receive"]);
    let Answer::Blocking(Task { lane: Lane::Passwords, .. }, job) = app.answer(&asked("PUT /receive", WRONG)) else {
        panic!("no job")
    };
    let Outcome::Response(response) = job() else { panic!("allowed") };
    assert_eq!(response.status().code(), 401);
}

#[test]
fn an_open_server_refuses_a_foreign_write_all_the_same() {
    let mut app = Asked::new(Settings::default());
    let head = format!("PUT /x HTTP/1.1\r\nHost: any.example\r\n{CROSS}\r\n");
    assert_eq!(app.now(&request(head.as_bytes())).0.status(), Status::FORBIDDEN);
    assert_eq!(app.now(&request(b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n")).0.status(), Status::OK);
}

#[test]
fn a_response_in_the_cache_is_not_sent_to_a_client_without_credentials() {
    assert!(
        matches!(Asked::new(with_password(None)).answer(&asked("GET /ready", WRONG)), Answer::Now(_)),
        "sent without credentials"
    );
}

#[test]
fn a_link_names_method_and_path_percent_encoded() {
    let context = crate::service::testing::context("127.0.0.1", 0);
    let href = |head: &[u8]| ViewLink::of(head, &context).unwrap().0;
    assert_eq!(&*href(b"GET /nope.txt?secret=1 HTTP/1.1\r\n"), ".wire?find=GET%20%2Fnope%2Etxt");
    assert_eq!(&*href(b"GET /a/b/nope?/c HTTP/1.1\r\n"), "../../.wire?find=GET%20%2Fa%2Fb%2Fnope");
    assert_eq!(&*href(b"GET /a%20b\"><x HTTP/1.1\r\n"), ".wire?find=GET%20%2Fa%2520b%22%3E%3Cx");
    assert!(href(&[b"GET ", &[b'/'; 8000][..]].concat()).len() < 200);
    assert_eq!(&*href(b"GET /a\xc3\xa9 HTTP/1.1\r\n"), ".wire?find=GET%20%2Fa");
    // Where no folder can be told, from the root.
    assert_eq!(&*href(b"GET /%zz/a HTTP/1.1\r\n"), "/.wire?find=GET%20%2F%25zz%2Fa");
    assert_eq!(&*href(b"GET http://h/a HTTP/1.1\r\n"), "/.wire?find=GET%20");
}
