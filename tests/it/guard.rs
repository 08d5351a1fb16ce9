//! Who may speak: names, pages of elsewhere, passwords, and the order in which all of that is answered.
//!
//! The rules themselves are proved by tables beside their source (`src/service`); here, that they stand
//! before the files of the real program, that a refusal comes before the content, and that no answer
//! leaves without the fields all answers have.
//!
//! The subtle thing: a test of the order makes two things wrong at once, and puts each of them right
//! after it. A refusal that is right by accident fails then.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use barewire::http::{Request, Status};
use barewire::net;
use barewire::net::Listener;
use barewire::net::workers::QUEUE;
use barewire::service::access::guard;
use barewire::service::access::origin::Hosts;
use barewire::service::{Answer, Guard, Lane, Outcome, RequestContext, Response as Made, Service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;

use crate::client::{Client, PATIENCE, ask, get, raw};
use crate::response::Response;
use crate::server::{Folder, Server};

const EVIL: &str = "Origin: http://evil.example\r\n";
const POLICY: &str = "cross-origin-resource-policy";
/// A bound that no request here comes near, and every disk is below.
const HUGE: &str = "500000000000000";

fn site() -> Folder {
    Folder::with(&[("a.txt", "fine"), ("dir/b.txt", "b")])
}

/// `user:password` as a field line.
fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials))
}

/// A file as `htpasswd -B` writes it, with the least work there is.
fn passwords(folder: &Folder, users: &[(&str, &str)]) -> String {
    let lines = users.iter().map(|(user, word)| format!("{user}:{}\n", bcrypt::hash(word, 4).unwrap()));
    folder.write("passwords", lines.collect::<String>());
    folder.join("passwords").to_str().unwrap().to_string()
}

/// One request of this method with this content.
#[track_caller]
fn send(server: &Server, method: &str, target: &str, fields: &str, content: &str) -> Response {
    let length = format!("Content-Length: {}\r\n", content.len());
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}{length}\r\n{content}");
    raw(server, head, method)
}

// Names.

#[test]
fn a_name_that_a_stranger_chose_is_421_and_the_page_says_how_to_allow_it() {
    let folder = site();
    let heads = [
        "GET /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: EVIL.example.:8080\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        "HEAD /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        // The target wins over Host (RFC 9112 §3.2.2).
        "GET http://evil.example/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ];
    let closed = Server::start(&folder, &[]);
    let open = Server::start(&folder, &["--host", "evil.example"]);
    let any = Server::start(&folder, &["--host", "*"]);
    for head in heads {
        let method = head.split(' ').next().unwrap();
        let answer = raw(&closed, head, method);
        answer.assert_status(421);
        assert!(method == "HEAD" || answer.text().to_lowercase().contains("--host evil.example"), "{answer:?}");
        for server in [&open, &any] {
            let status = if method == "OPTIONS" { 204 } else { 200 };
            raw(server, head, method).assert_status(status);
        }
    }
    raw(&open, "GET /a.txt HTTP/1.1\r\nHost: other.example\r\n\r\n", "GET").assert_status(421);
    let page = raw(&closed, "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n\r\n", "GET");
    assert!(page.assert_status(421).text().contains("--host evil.example"), "{page:?}");
    // A name that must not be typed is not proposed.
    let answer = raw(&closed, "GET / HTTP/1.1\r\nHost: a;reboot\r\n\r\n", "GET");
    assert!(!answer.assert_status(421).text().contains("--host"), "{answer:?}");
}

#[test]
fn names_that_no_stranger_can_point_here_always_work() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let machine = rustix::system::uname().nodename().to_str().unwrap().to_lowercase();
    let own = [machine.clone(), format!("{machine}.local")];
    for host in ["localhost", "x.localhost:1", "127.0.0.1", "[::1]:80", "192.0.2.1"].into_iter().chain(
        own.iter()
            .map(String::as_str)
            .filter(|name| name.bytes().all(|o| o.is_ascii_alphanumeric() || b"-.".contains(&o))),
    ) {
        raw(&server, format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\n\r\n"), "GET").assert_status(200);
    }
    // No browser sends this.
    raw(&server, "GET /a.txt HTTP/1.0\r\n\r\n", "GET").assert_status(200);
    raw(&server, "GET http://localhost/a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET").assert_status(200);
}

#[test]
fn a_server_that_all_can_reach_and_only_read_takes_every_name() {
    let folder = site();
    let evil = "GET /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let open = Server::on_all_addresses(&folder, &[]);
    let answer = raw(&open, evil, "GET");
    assert_eq!(answer.assert_status(200).field(POLICY), None, "anybody may embed it");
    for arguments in [&["--host", "good.example"][..], &["--upload"], &["--delete"], &["--auth", "ann:one"]] {
        let server = Server::on_all_addresses(&folder, arguments);
        assert_eq!(raw(&server, evil, "GET").assert_status(421).must(POLICY), "same-site", "{arguments:?}");
    }
}

// Writes from pages of elsewhere.

#[test]
fn a_write_from_elsewhere_is_refused_before_its_content() {
    let folder = site();
    let server = Server::start(&folder, &["--write"]);
    let own = format!("Origin: http://localhost:{}\r\n", server.address.port());
    let evil_here = format!("Origin: http://evil.example:{}\r\n", server.address.port());
    for fields in [
        EVIL,
        &evil_here,
        "Origin: null\r\n",
        "Origin: http://localhost:1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: strange\r\n",
        &format!("Sec-Fetch-Site: cross-site\r\n{own}"),
        &format!("{own}{EVIL}"),
        &format!("Referer: http://localhost/\r\n{EVIL}"),
    ] {
        for (method, target) in [("POST", "/"), ("PUT", "/new.txt"), ("PUT", "/a.txt"), ("DELETE", "/a.txt")] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let mut client = Client::connect(&server);
                let port = server.address.port();
                client.send(format!(
                    "{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 1000000\r\n{fields}{expect}\r\n"
                ));
                // The first answer is the last one: no 100, and nothing of the content was waited for.
                client.response(method).assert_status(403);
                client.end();
            }
        }
    }
    assert_eq!(get(&server, "/a.txt", EVIL).assert_status(200).text(), "fine", "reading is for all");
    get(&server, "/new.txt", "").assert_status(404);
}

#[test]
fn our_own_page_and_programs_may_write() {
    let folder = site();
    let server = Server::start(&folder, &["--write"]);
    let port = server.address.port();
    let hosts = ["localhost", "127.0.0.1"];
    for (n, fields) in [
        "",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Origin: http://HOST:PORT\r\n",
        // A proxy that speaks TLS.
        "Origin: https://HOST:PORT\r\n",
        "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        for host in hosts {
            let fields = fields.replace("HOST", host).replace("PORT", &port.to_string());
            let target = format!("/{host}-{n}");
            let head = |method: &str| format!("{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\n{fields}");
            raw(&server, head("PUT") + "Content-Length: 1\r\n\r\nx", "PUT").assert_status(201);
            raw(&server, head("PUT") + "Content-Length: 1\r\n\r\ny", "PUT").assert_status(204);
            raw(&server, head("DELETE") + "\r\n", "DELETE").assert_status(204);
        }
    }
    // Without the right it is not allowed, and not forbidden.
    let reading = Server::start(&folder, &[]);
    send(&reading, "PUT", "/a.txt", &format!("Origin: http://localhost:{port}\r\n"), "x").assert_status(403);
    send(&reading, "PUT", "/a.txt", "Sec-Fetch-Site: same-origin\r\n", "x").assert_status(405);
}

#[test]
fn only_a_page_that_cors_names_may_write_and_its_browser_is_told_so() {
    let folder = site();
    let server = Server::start(&folder, &["--write", "--cors=http://app.example:80/"]);
    let app = "Origin: http://app.example\r\nSec-Fetch-Site: cross-site\r\n";
    let asks = "Access-Control-Request-Method: PUT\r\n";
    let answer = ask(&server, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.assert_status(204).must("access-control-allow-origin"), "http://app.example");
    assert_eq!(answer.must("access-control-allow-methods"), "GET, HEAD, POST, PUT, DELETE");
    let answer = send(&server, "PUT", "/new.txt", app, "x");
    assert_eq!(answer.assert_status(201).must("access-control-allow-origin"), "http://app.example");
    let evil = format!("{EVIL}Sec-Fetch-Site: cross-site\r\n");
    let answer = send(&server, "PUT", "/evil.txt", &evil, "x");
    assert!(answer.assert_status(403).field("access-control-allow-origin").is_none() && answer.lists("vary", "origin"));
    let answer = ask(&server, "OPTIONS", "/evil.txt", &format!("{evil}{asks}"));
    assert!(answer.assert_status(204).field("access-control-allow-methods").is_none(), "{answer:?}");

    let all = Server::start(&folder, &["--write", "--cors"]);
    let answer = ask(&all, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.assert_status(204).must("access-control-allow-methods"), "GET, HEAD");
    let answer = send(&all, "PUT", "/evil.txt", app, "x");
    assert_eq!(answer.assert_status(403).must("access-control-allow-origin"), "*", "its script may read why");
    get(&all, "/evil.txt", "").assert_status(404);

    let reading = Server::start(&folder, &["--cors=http://app.example"]);
    let answer = ask(&reading, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.must("access-control-allow-methods"), "GET, HEAD");
}

// Passwords.

#[test]
fn without_a_password_every_method_gets_the_challenge_and_a_preflight_none() {
    let folder = site();
    let server = Server::start(&folder, &["--write", "--auth", "ann:one", "--cors=http://app.example"]);
    for (method, target) in [
        ("GET", "/a.txt"),
        ("GET", "/missing"),
        ("HEAD", "/a.txt"),
        ("GET", "/"),
        ("OPTIONS", "/a.txt"),
        ("OPTIONS", "*"),
        ("POST", "/"),
        ("PUT", "/new.txt"),
        ("DELETE", "/a.txt"),
    ] {
        for fields in
            ["", "Authorization: Bearer x\r\n", "Authorization: Basic !\r\n", &basic("ann:two"), &basic("ann")]
        {
            if fields == basic("ann:two") && method != "GET" {
                continue; // ten of them would be too many
            }
            let answer = ask(&server, method, target, fields);
            let challenge = answer.assert_status(401).must("www-authenticate");
            assert_eq!(challenge, "Basic realm=\"barewire\", charset=\"UTF-8\"", "{method} {target}");
            assert_eq!(answer.must("cache-control"), "no-store");
        }
    }
    let both = format!("{}{}", basic("ann:one"), basic("ann:one"));
    ask(&server, "GET", "/a.txt", &both).assert_status(401);
    for (method, status) in [("TRACE", 405), ("BREW", 501)] {
        ask(&server, method, "/a.txt", "").assert_status(status);
    }
    let app = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
    ask(&server, "OPTIONS", "/a.txt", app).assert_status(204);
    ask(&server, "OPTIONS", "/a.txt", &app.replace("app", "evil")).assert_status(401);
    // And with it, all is as without.
    get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
    get(&server, "/a.txt", &basic("ann:one").replace("Basic", "bAsIc")).assert_status(200);
    assert_eq!(get(&server, "/a.txt", "").assert_status(401).field("etag"), None, "what lies ready is guarded too");
    send(&server, "PUT", "/new.txt", &basic("ann:one"), "x").assert_status(201);
    ask(&server, "DELETE", "/new.txt", &basic("ann:one")).assert_status(204);
}

#[test]
fn a_refusal_without_password_comes_before_the_content() {
    let folder = site();
    let file = Folder::new();
    let file = passwords(&file, &[("ann", "one")]);
    for arguments in [&["--write", "--auth", "bob:x"][..], &["--write", "--auth-file", &file]] {
        let server = Server::start(&folder, arguments);
        for fields in [String::new(), basic("ann:two")] {
            let mut client = Client::connect(&server);
            client.send(format!(
                "PUT /new.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n{fields}\r\n"
            ));
            client.response("PUT").assert_status(401);
            client.end();
        }
    }
}

#[test]
fn for_writing_alone_everybody_may_read_and_a_write_nobody_may_do_asks_for_nothing() {
    let folder = site();
    let server = Server::start(&folder, &["--upload", "--auth", "ann:one", "--auth-for", "write"]);
    get(&server, "/a.txt", "").assert_status(200);
    get(&server, "/", "").assert_status(200);
    ask(&server, "OPTIONS", "/a.txt", "").assert_status(204);
    assert!(ask(&server, "DELETE", "/a.txt", "").assert_status(405).field("www-authenticate").is_none());
    assert!(ask(&server, "PATCH", "/a.txt", "").assert_status(405).field("www-authenticate").is_none());
    send(&server, "PUT", "/new.txt", "", "x").assert_status(401);
    send(&server, "POST", "/", "", "x").assert_status(401);
    get(&server, "/new.txt", "").assert_status(404);
    send(&server, "PUT", "/new.txt", &basic("ann:one"), "x").assert_status(201);
}

#[test]
fn after_ten_wrong_passwords_only_those_who_were_in_already_get_in() {
    let folder = site();
    let file = Folder::new();
    let file = passwords(&file, &[("ann", "one"), ("bob", "two")]);
    for arguments in [&["--auth", "ann:one", "--auth", "bob:two"][..], &["--auth-file", &file]] {
        let server = Server::start(&folder, arguments);
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
        for n in 0..10 {
            get(&server, "/a.txt", &basic(&format!("ann:wrong{n}"))).assert_status(401);
        }
        let answer = get(&server, "/a.txt", &basic("ann:wrong"));
        let wait: u64 = answer.assert_status(429).must("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer:?}");
        assert!(answer.field("www-authenticate").is_none(), "a browser would ask its user again");
        get(&server, "/a.txt", &basic("bob:two")).assert_status(429);
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
        get(&server, "/a.txt", "").assert_status(401);
    }
}

#[test]
fn a_password_file_and_typed_passwords_count_together() {
    let folder = site();
    let file = Folder::new();
    let file = passwords(&file, &[("ann", "one:with:colons"), ("bö", "ü")]);
    let mut server = Server::start(&folder, &["--auth-file", &file, "--auth", "carl:three"]);
    for right in ["ann:one:with:colons", "bö:ü", "carl:three", "ann:one:with:colons"] {
        assert_eq!(get(&server, "/a.txt", &basic(right)).assert_status(200).text(), "fine", "{right}");
    }
    for wrong in ["ann:one", "ann:three", "carl:one:with:colons", "dora:three", ":", "ann:"] {
        get(&server, "/a.txt", &basic(wrong)).assert_status(401);
    }
    // Nothing of a password is in the log.
    server.signal(Signal::TERM);
    assert!(server.exit().success());
    let log = String::from_utf8_lossy(&server.log().all()).into_owned();
    assert!(log.contains("/a.txt") && !log.contains("colons") && !log.contains("three"), "{log}");
}

#[test]
fn what_needs_a_password_is_kept_by_no_shared_cache() {
    let folder = site();
    let control = |arguments: &[&str]| {
        let server = Server::start(&folder, &[&["--cache", "60"], arguments].concat());
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200).must("cache-control").to_string()
    };
    assert_eq!(control(&["--auth", "ann:one"]), "private, max-age=60");
    assert_eq!(control(&["--auth", "ann:one", "--auth-for", "write", "--upload"]), "max-age=60");
    assert_eq!(control(&[]), "max-age=60");
}

// The fields of every answer.

/// Makes a file old enough to be kept ready.
#[track_caller]
fn settle(folder: &Folder, name: &str) {
    let hour = Duration::from_secs(3600);
    File::options().write(true).open(folder.join(name)).unwrap().set_modified(SystemTime::now() - hour).unwrap();
}

#[test]
fn only_the_origin_that_cors_names_may_embed() {
    let folder = site();
    let server = Server::start(&folder, &["--cors=http://app.example"]);
    for (origin, policy) in [("http://app.example", "cross-origin"), ("http://evil.example", "same-site")] {
        for (target, status) in [("/a.txt", 200), ("/", 200), ("/missing", 404)] {
            let answer = get(&server, target, &format!("Origin: {origin}\r\n"));
            assert_eq!(answer.assert_status(status).must(POLICY), policy, "{origin} {target}");
            assert!(answer.lists("vary", "origin"), "{answer:?}");
        }
    }
}

#[test]
fn every_answer_says_who_may_embed_it() {
    let folder = site();
    folder.pattern("big.bin", 100_000);
    settle(&folder, "a.txt");
    settle(&folder, "big.bin");
    for (arguments, policy) in [
        (&[][..], Some("same-site")),
        (&["--cors"], Some("cross-origin")),
        (&["--cors=http://app.example"], Some("same-site")),
        (&["-H", "Cross-origin-resource-policy: same-origin"], Some("same-origin")),
    ] {
        let server = Server::start(&folder, &[&["-H", "X-Mine: yes"], arguments].concat());
        let check = |answer: &Response, status: u16| {
            assert_eq!(answer.assert_status(status).field(POLICY), policy, "{arguments:?}{answer:?}");
            assert_eq!(answer.must("x-content-type-options"), "nosniff");
            assert_eq!(answer.must("x-mine"), "yes", "{answer:?}");
            let single = answer.fields.iter().filter(|(name, _)| name == POLICY || name == "x-mine").count();
            assert_eq!(single, 2, "{answer:?}");
        };
        for path in ["/a.txt", "/big.bin"] {
            let mut client = Client::connect(&server);
            // The third one lies ready for certain, if the file was old enough for the first.
            for _ in 0..3 {
                check(&client.get(path, ""), 200);
            }
            let tag = client.get(path, "").must("etag").to_string();
            for _ in 0..3 {
                check(&client.get(path, &format!("If-None-Match: {tag}\r\n")), 304);
            }
            check(&client.get(path, "Range: bytes=0-1\r\n"), 206);
            check(&client.get(path, "Range: bytes=999999-\r\n"), 416);
            check(&client.get(path, "If-Match: \"x\"\r\n"), 412);
            client.end();
        }
        check(&get(&server, "/", ""), 200);
        check(&get(&server, "/dir", ""), 308);
        check(&get(&server, "/missing", "Accept: text/html\r\n"), 404);
        check(&ask(&server, "PUT", "/a.txt", ""), 405);
        check(&ask(&server, "TRACE", "/a.txt", ""), 405);
        check(&ask(&server, "BREW", "/a.txt", ""), 501);
        check(&ask(&server, "OPTIONS", "*", ""), 204);
        check(&ask(&server, "PUT", "/a.txt", EVIL), 403);
        check(&raw(&server, "GET /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET"), 421);
        check(&raw(&server, "GET /a.txt HTTP/1.1\r\n\r\n", "GET"), 400);
    }
}

#[test]
fn refusals_of_the_doorkeeper_have_the_fields_of_all_answers() {
    let folder = site();
    let file = Folder::new();
    let file = passwords(&file, &[("ann", "one")]);
    for arguments in [&["--auth", "ann:one"][..], &["--auth-file", &file]] {
        let server = Server::start(&folder, &[&["-H", "X-Mine: yes", "--cors=http://app.example"], arguments].concat());
        let app = "Origin: http://app.example\r\n";
        let check = |answer: &Response, status: u16| {
            assert_eq!(answer.assert_status(status).must("x-mine"), "yes");
            assert_eq!(answer.must("access-control-allow-origin"), "http://app.example");
            assert_eq!(answer.must(POLICY), "cross-origin");
        };
        check(&get(&server, "/a.txt", app), 401);
        for n in 0..10 {
            check(&get(&server, "/a.txt", &format!("{app}{}", basic(&format!("ann:{n}")))), 401);
        }
        check(&get(&server, "/a.txt", &format!("{app}{}", basic("ann:x"))), 429);
    }
}

#[test]
fn an_upload_that_is_refused_for_its_size_has_the_fields_too() {
    let folder = site();
    let server = Server::start(&folder, &["--upload", "--max-body", "1K", "-H", "X-Mine: yes"]);
    let content = "x".repeat(2000);
    for framing in [
        "Content-Length: 2000\r\n\r\n".to_string() + &content,
        format!("Transfer-Encoding: chunked\r\n\r\n7d0\r\n{content}\r\n0\r\n\r\n"),
    ] {
        let answer = raw(&server, format!("PUT /new.txt HTTP/1.1\r\nHost: localhost\r\n{framing}"), "PUT");
        assert_eq!(answer.assert_status(413).must(POLICY), "same-site");
        assert_eq!(answer.must("x-mine"), "yes");
    }
}

/// A service of a library's user that does what ours never do.
#[derive(Clone, Default)]
struct Troubled {
    /// Jobs that have begun, and whether they may end.
    waiting: Arc<(Mutex<(usize, bool)>, Condvar)>,
}

impl Troubled {
    fn change(&self, change: impl FnOnce(&mut (usize, bool))) {
        change(&mut self.waiting.0.lock().unwrap());
        self.waiting.1.notify_all();
    }

    fn wait(&self, is_so: impl Fn(&(usize, bool)) -> bool) {
        let (state, timeout) = {
            let state = self.waiting.0.lock().unwrap();
            self.waiting.1.wait_timeout_while(state, PATIENCE, |state| !is_so(state)).unwrap()
        };
        drop(state);
        assert!(!timeout.timed_out(), "it never came to be so");
    }
}

impl Service for Troubled {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        let ok = || Made::text(Status::OK, "ok\n");
        match request.path() {
            b"/panic" => panic!("on the loop, as it was meant to"),
            b"/job" => Answer::Blocking(Lane::Short, Box::new(|| panic!("in a job, as it was meant to"))),
            b"/small" => Answer::Collect { limit: 1, then: Box::new(move |_| ok()) },
            b"/wait" => {
                let troubled = self.clone();
                let job = move || {
                    troubled.change(|(begun, _)| *begun += 1);
                    troubled.wait(|(_, may_end)| *may_end);
                    Outcome::Response(ok())
                };
                Answer::Blocking(Lane::Short, Box::new(job))
            }
            _ => Answer::Now(ok()),
        }
    }

    fn add_fields(&self, _: Option<&Request<'_>>, response: Made) -> Made {
        response.replace_field("X-Mine", "yes")
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

/// Sends this head (`HOST` stands for Host and Connection), and reads to the end.
fn converse(address: SocketAddr, head: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(head.replace("HOST", "Host: localhost\r\nConnection: close").as_bytes()).unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn what_the_loop_says_in_place_of_a_service_has_the_fields_too() {
    /// Workers, all of which short jobs may take.
    const WORKERS: usize = 2;
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let troubled = Troubled::default();
    let rules = guard::Settings { hosts: Hosts::new(true, &[], None), ..Default::default() };
    let settings = net::Settings { loops: 1, workers: WORKERS, log: net::LogFormat::Off, ..Default::default() };
    let service = Guard::new(Box::new(troubled.clone()), rules);
    let server = net::Server::new(Box::new(service), settings, vec![listener]).unwrap();
    let stopper = server.stopper();
    let running = thread::spawn(move || server.run().unwrap());
    let check = |answer: &str, status: &str| {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        for field in ["\r\nCross-Origin-Resource-Policy: same-site\r\n", "\r\nX-Mine: yes\r\n"] {
            assert_eq!(answer.matches(field).count(), 1, "{answer}");
        }
    };
    check(&converse(address, "GET /panic HTTP/1.1\r\nHOST\r\n\r\n"), "500");
    check(&converse(address, "GET /job HTTP/1.1\r\nHOST\r\n\r\n"), "500");
    check(&converse(address, "POST /small HTTP/1.1\r\nHOST\r\nContent-Length: 2\r\n\r\nab"), "413");
    let chunked = "POST /small HTTP/1.1\r\nHOST\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    check(&converse(address, chunked), "413");

    // When every worker is busy and the queue is full, one more is told so, whichever of them that is.
    let (tell, answers) = channel();
    let wait = || {
        let tell = tell.clone();
        thread::spawn(move || tell.send(converse(address, "GET /wait HTTP/1.1\r\nHOST\r\n\r\n")));
    };
    (0..WORKERS).for_each(|_| wait());
    troubled.wait(|(begun, _)| *begun == WORKERS);
    (0..QUEUE + 1).for_each(|_| wait());
    check(&answers.recv_timeout(PATIENCE).unwrap(), "503");
    troubled.change(|(_, may_end)| *may_end = true);
    for _ in 0..WORKERS + QUEUE {
        let answer = answers.recv_timeout(PATIENCE).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    stopper.stop();
    running.join().unwrap();
}

// The order of answers.

#[test]
fn of_two_things_wrong_the_first_in_the_order_is_said() {
    let folder = site();
    let arguments = ["--write", "--max-body", "900T", "--auth", "ann:one", "--cors=http://app.example"];
    let server = Server::start(&folder, &arguments);
    let right = basic("ann:one");
    let answer = |method: &str, target: &str, host: &str, fields: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        raw(&server, head, method).status
    };
    let tag = get(&server, "/a.txt", &right).must("etag").to_string();
    let preflight = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let unlucky = "If-Match: \"other\"\r\n";
    // 1 before 2: malformed, and for a foreign host.
    assert_eq!(answer("GET", "/%zz", "evil.example", ""), 400);
    assert_eq!(answer("GET", "/a.txt", "evil.example", "A B: c\r\n"), 400);
    assert_eq!(answer("GET", "/a.txt", "evil.example", &right), 421);
    // 2 before 3: a foreign host, and a method nobody knows.
    assert_eq!(answer("BREW", "/a.txt", "evil.example", ""), 421);
    assert_eq!(answer("TRACE", "/a.txt", "evil.example", ""), 421);
    // 2 before 4.
    assert_eq!(answer("OPTIONS", "/a.txt", "evil.example", preflight), 421);
    // 3 before 5 and 6: a method nobody knows, from elsewhere, without a password.
    assert_eq!(answer("BREW", "/a.txt", "localhost", EVIL), 501);
    assert_eq!(answer("TRACE", "/a.txt", "localhost", EVIL), 405);
    // 4 before 6: a preflight has no password; 4 before 7: nor does it ask for anything there is.
    assert_eq!(answer("OPTIONS", "/missing", "localhost", preflight), 204);
    // 5 before 6: a write from elsewhere, without a password.
    assert_eq!(answer("DELETE", "/a.txt", "localhost", EVIL), 403);
    assert_eq!(answer("DELETE", "/missing", "localhost", &format!("{EVIL}{right}")), 403);
    // 6 before 7: nobody without a password learns what there is.
    assert_eq!(answer("DELETE", "/missing", "localhost", ""), 401);
    assert_eq!(answer("GET", "/missing", "localhost", ""), 401);
    assert_eq!(answer("DELETE", "/missing", "localhost", &right), 404);
    // 7 before 8: what is not there has no rights.
    assert_eq!(answer("POST", "/missing/", "localhost", &right), 404);
    assert_eq!(answer("POST", "/a.txt", "localhost", &right), 405);
    // 8 before 9: no right, and an expectation nobody meets, no length, too long.
    assert_eq!(answer("POST", "/a.txt", "localhost", &format!("{right}Expect: x\r\n")), 405);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &format!("{right}Expect: x\r\nContent-Length: 1\r\n")), 417);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &right), 411);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &format!("{right}Content-Length: {HUGE}0\r\n")), 413);
    // 9 before 10: no length, and a condition that does not hold.
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}")), 411);
    assert_eq!(
        answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}Expect: x\r\nContent-Length: 1\r\n")),
        417
    );
    // 10 before 11: a condition that does not hold, and no room.
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}Content-Length: {HUGE}\r\n")), 412);
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}Content-Length: {HUGE}\r\n")), 507);
    // 10 before 12: a condition, and a range that lies nowhere.
    assert_eq!(
        answer("GET", "/a.txt", "localhost", &format!("{right}If-None-Match: {tag}\r\nRange: bytes=99-\r\n")),
        304
    );
    assert_eq!(answer("GET", "/a.txt", "localhost", &format!("{right}{unlucky}Range: bytes=99-\r\n")), 412);
    assert_eq!(answer("GET", "/a.txt", "localhost", &format!("{right}Range: bytes=99-\r\n")), 416);
    assert_eq!(get(&server, "/a.txt", &right).text(), "fine");
}

#[test]
fn a_page_in_the_sandbox_may_use_its_own_parts_and_nobody_elses_data() {
    let folder = Folder::with(&[("p.html", "<p>"), ("s.css", "p{}"), ("j.js", "1"), ("i.png", "x"), ("d.json", "{}")]);
    let sandboxing = Server::start(&folder, &["--upload"]);
    let reading = Server::start(&folder, &[]);
    let named = Server::start(&folder, &["--upload", "-H", "Cross-Origin-Resource-Policy: same-origin"]);
    for (path, policy) in [
        ("/p.html", "same-site"),
        ("/d.json", "same-site"),
        ("/s.css", "cross-origin"),
        ("/j.js", "cross-origin"),
        ("/i.png", "cross-origin"),
    ] {
        // Three times: the slow way, and what lies ready.
        for _ in 0..3 {
            assert_eq!(get(&sandboxing, path, "").must(POLICY), policy, "{path}");
            assert_eq!(get(&reading, path, "").must(POLICY), "same-site", "{path}");
            assert_eq!(get(&named, path, "").must(POLICY), "same-origin", "{path}");
        }
    }
}
