//! The guard before a service that takes everything: the order, and the policy on every answer.

use std::sync::Mutex;

use crate::http::{Event, Http1, Limits, Prepared};
use crate::service::access::guard::*;
use crate::service::testing::{asked, request, visit};
use crate::service::{Body, Credentials, Lane, Received, Scope, Sink};

/// A service that takes PUT and says what it was asked; every kind of answer by path.
struct Files {
    asked: Arc<Mutex<Vec<String>>>,
}

struct Kept;

impl Sink for Kept {
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
            b"/job" => Answer::Blocking(Lane::Short, Box::new(move || Outcome::Response(ok()))),
            b"/collect" => Answer::Collect { limit: 9, then: Box::new(move |_| ok()) },
            b"/raw" => Answer::CollectRaw { limit: 9, then: Box::new(|_| Response::text(Status::OK, "raw")) },
            b"/receive" => Answer::Receive { limit: 9, open: Box::new(|| Ok(Box::new(Kept))) },
            b"/full" => {
                Answer::Receive { limit: 9, open: Box::new(|| Err(Response::new(Status::INSUFFICIENT_STORAGE))) }
            }
            b"/ready" => {
                let response = ok().field("CROSS-origin-resource-policy", "same-site");
                Answer::Ready(Arc::new(Prepared::new(Status::OK, response.fields(), b"")))
            }
            b"/bare" => Answer::Ready(Arc::new(Prepared::new(Status::OK, ok().fields(), b""))),
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

struct Gate {
    guard: Guard,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    fn new(settings: Settings) -> Gate {
        let asked = Arc::default();
        Gate { guard: Guard::new(Box::new(Files { asked: Arc::clone(&asked) }), settings), asked }
    }

    fn answer(&mut self, request: &Request<'_>) -> Answer {
        self.guard.answer(request, &visit("192.0.2.1", 0))
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

fn locked(cors: Option<&str>) -> Settings {
    let mut credentials = Credentials::new();
    credentials.add("ann:one").unwrap();
    Settings { cors: cors.map(str::to_string), auth: Some(Auth::new(credentials, Scope::All)), ..enforced() }
}

fn policy(response: &Response) -> Option<&str> {
    Some(std::str::from_utf8(response.fields().get(RESOURCE_POLICY)?).unwrap())
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
fn of_several_things_wrong_the_first_in_the_order_answers() {
    let mut gate = Gate::new(locked(Some("http://app.example")));
    let mut ask = |line: &str, host: &str, fields: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let (response, inside) = gate.now(&request(head.as_bytes()));
        (response.status().code(), inside)
    };
    // A foreign host comes before everything, right credentials included.
    for line in ["GET /", "BREW /", "TRACE /", "PUT /x", "OPTIONS *"] {
        for fields in ["", CROSS, RIGHT, WRONG, PREFLIGHT] {
            assert_eq!(ask(line, "evil.example", fields), (421, false), "{line} {fields}");
        }
    }
    // A method that works nowhere, before a write from elsewhere and before credentials; and it never
    // gets inside, where somebody might know it.
    for fields in ["", CROSS, RIGHT, WRONG, PREFLIGHT] {
        assert_eq!(ask("BREW /", "localhost", fields), (501, false), "{fields}");
        assert_eq!(ask("get /", "localhost", fields), (501, false), "{fields}");
        assert_eq!(ask("TRACE /", "localhost", fields), (405, false), "{fields}");
        assert_eq!(ask("CONNECT h:80", "localhost", fields), (405, false), "{fields}");
    }
    // A preflight of an allowed page, before credentials; of any other, and any other OPTIONS, after.
    assert_eq!(ask("OPTIONS /", "localhost", PREFLIGHT), (200, true));
    assert_eq!(ask("OPTIONS /", "localhost", &PREFLIGHT.replace("app", "evil")), (401, false));
    assert_eq!(ask("OPTIONS /", "localhost", ""), (401, false));
    assert_eq!(ask("OPTIONS *", "localhost", ""), (401, false));
    assert_eq!(ask("GET /", "localhost", PREFLIGHT), (401, false));
    // A write from elsewhere, before credentials; a read from elsewhere is none.
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
fn a_host_that_was_allowed_opens_the_door_for_no_other() {
    let mut gate = Gate::new(enforced());
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
            assert_eq!(gate.now(request).0.status().code(), code, "{}", request.bytes().escape_ascii());
        }
    }
}

#[test]
fn a_405_of_the_guard_tells_what_works() {
    let (response, _) = Gate::new(locked(None)).now(&asked("TRACE /", ""));
    assert_eq!(response.fields().get("Allow"), Some(&b"GET, HEAD, PUT, OPTIONS"[..]));
}

#[test]
fn the_page_of_a_foreign_host_names_the_option_and_never_a_command_of_the_attacker() {
    let mut gate = Gate::new(enforced());
    let mut page =
        |host: &str| text(&gate.now(&request(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())).0);
    assert!(page("Box.Example.:8080").contains("--host Box.Example\n"), "{}", page("Box.Example.:8080"));
    for hostile in ["a;reboot", "$(reboot)", "a&b", "a'b", "%0a", "a!b", ""] {
        assert!(!page(hostile).contains("--host"), "{}", page(hostile));
    }
    assert!(page("").contains("names no host"));
}

#[test]
fn the_page_of_a_foreign_write_does_not_repeat_who_tried() {
    let (response, _) = Gate::new(enforced()).now(&asked("PUT /x", CROSS));
    assert_eq!(response.status(), Status::FORBIDDEN);
    assert!(text(&response).contains("Nothing was changed") && !text(&response).contains("evil"));
}

/// The responses of every kind of answer, one after the other.
fn every_response(gate: &mut Gate) -> Vec<Response> {
    let mut responses = Vec::new();
    for line in ["GET /", "GET /job", "PUT /collect", "PUT /raw", "PUT /receive", "PUT /full", "BREW /"] {
        match gate.answer(&asked(line, RIGHT)) {
            Answer::Now(response) => responses.push(response),
            Answer::Ready(_) | Answer::ReadyFile(..) => panic!("{line}: nothing lies ready there"),
            Answer::Blocking(_, job) => match job() {
                Outcome::Response(response) => responses.push(response),
                Outcome::Again(_) => panic!("{line}: again"),
            },
            Answer::Collect { then, .. } => responses.push(then(Vec::new())),
            Answer::CollectRaw { then, .. } => responses.push(then(Received::default())),
            Answer::Verbatim(_) => panic!("{line}: a guarded answer that nobody can mark"),
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
    responses.push(gate.now(&asked("PUT /x", CROSS)).0);
    responses.push(gate.now(&asked("GET /", WRONG)).0);
    let Event::Refused(refusal) = Http1::new(Limits::default()).receive(b"GET  / HTTP/1.1\r\n\r\n").event else {
        panic!("not refused")
    };
    responses.push(gate.guard.refuse(&refusal, b"", &visit("192.0.2.1", 0)));
    responses
}

#[test]
fn no_response_of_any_kind_can_be_embedded_by_a_stranger() {
    for (settings, expected) in [
        (locked(None), Some("same-site")),
        (enforced(), Some("same-site")),
        (locked(Some("http://app.example")), Some("same-site")),
        (locked(Some("*")), Some("cross-origin")),
        (Settings { cors: Some("*".into()), ..Settings::default() }, Some("cross-origin")),
        (Settings { hosts: Hosts::new(false, &[], None), ..Settings::default() }, None),
    ] {
        let mut gate = Gate::new(settings);
        let responses = every_response(&mut gate);
        assert_eq!(responses.len(), 11);
        for response in responses {
            assert_eq!(policy(&response), expected, "{response:?}");
        }
    }
    let (own, _) = Gate::new(enforced()).now(&asked("GET /own", ""));
    assert_eq!(policy(&own), Some("same-origin"), "what the service says stays, and stays alone");
    assert_eq!(
        own.fields().iter().filter(|(name, _)| name.eq_ignore_ascii_case(RESOURCE_POLICY.as_bytes())).count(),
        1
    );
}

#[test]
fn an_upload_whose_password_is_checked_on_a_worker_begins_afterwards() {
    let mut credentials = Credentials::new();
    credentials.add_htpasswd(format!("ann:{}", bcrypt::hash("one", 4).unwrap()).as_bytes()).unwrap();
    let mut gate = Gate::new(Settings { auth: Some(Auth::new(credentials, Scope::All)), ..enforced() });
    let Answer::Blocking(Lane::Passwords, job) = gate.answer(&asked("PUT /receive", RIGHT)) else { panic!("no job") };
    assert!(gate.asked.lock().unwrap().is_empty(), "the service was asked before the password was known");
    let Outcome::Again(again) = job() else { panic!("not asked again") };
    // Another loop may be the one that is asked the second time; here it is.
    let mut other = gate.guard.fork();
    assert!(matches!(other.answer(&again, &visit("192.0.2.1", 0)), Answer::Receive { .. }));
    assert_eq!(*gate.asked.lock().unwrap(), ["PUT /receive"]);
    let Answer::Blocking(Lane::Passwords, job) = gate.answer(&asked("PUT /receive", WRONG)) else { panic!("no job") };
    let Outcome::Response(response) = job() else { panic!("let in") };
    assert_eq!((response.status().code(), policy(&response)), (401, Some("same-site")));
}

#[test]
fn an_open_server_refuses_a_foreign_write_all_the_same() {
    let mut gate = Gate::new(Settings::default());
    let head = format!("PUT /x HTTP/1.1\r\nHost: any.example\r\n{CROSS}\r\n");
    assert_eq!(gate.now(&request(head.as_bytes())).0.status(), Status::FORBIDDEN);
    assert_eq!(gate.now(&request(b"GET / HTTP/1.1\r\nHost: any.example\r\n\r\n")).0.status(), Status::OK);
}

#[test]
fn an_answer_that_lies_ready_goes_out_as_it_is_and_must_have_been_made_with_the_policy() {
    let mut gate = Gate::new(enforced());
    let Answer::Ready(prepared) = gate.answer(&asked("GET /ready", "")) else { panic!("not ready") };
    assert!(says_policy(prepared.head()));
    assert!(matches!(Gate::new(Settings::default()).answer(&asked("GET /bare", "")), Answer::Ready(_)));
    assert!(matches!(Gate::new(locked(None)).answer(&asked("GET /ready", WRONG)), Answer::Now(_)), "served unasked");
    assert!(!says_policy(b"HTTP/1.1 200 OK\r\nX: Cross-Origin-Resource-Policy: x\r\n\r\n"));
    assert!(!says_policy(b"HTTP/1.1 200 OK\r\nCross-Origin-Resource-Policy-Report: x\r\n\r\n"));
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "lies ready without")]
fn a_shelf_that_was_not_told_the_policy_is_found_out() {
    Gate::new(enforced()).answer(&asked("GET /bare", ""));
}
