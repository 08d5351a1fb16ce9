//! Fields that every response has, whichever part of the server made it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use barewire::http::{Request, Status};
use barewire::net;
use barewire::net::Listener;
use barewire::service::access::hosts::Hosts;
use barewire::service::{Answer, App, Lane, Outcome, RequestContext, Response as Made, Service, app};

use crate::cross_origin::{EVIL, POLICY};
use crate::passwords::password_file;
use crate::support::PATIENCE;
use crate::support::client::{Client, ask, basic, get, raw, strong_tag};
use crate::support::folder::{Folder, small_site};
use crate::support::response::Response;
use crate::support::server::Server;

#[test]
fn every_response_says_who_may_embed_it() {
    let folder = small_site();
    folder.pattern("big.bin", 100_000);
    folder.age("a.txt");
    folder.age("big.bin");
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
            // The third response is from the cache, if the file was old enough for the first.
            for _ in 0..3 {
                check(&client.get(path, ""), 200);
            }
            let tag = strong_tag(&server, path);
            for _ in 0..3 {
                check(&client.get(path, &format!("If-None-Match: {tag}\r\n")), 304);
            }
            check(&client.get(path, "Range: bytes=0-1\r\n"), 206);
            check(&client.get(path, "Range: bytes=999999-\r\n"), 416);
            check(&client.get(path, "If-Match: \"x\"\r\n"), 412);
            client.end();
        }
        check(&get(&server, "/", ""), 200);
        check(&get(&server, "/dir", ""), 301);
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
fn refusals_without_password_have_the_fields_of_all_responses() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one")]);
    for arguments in [&["--auth", "ann:one"][..], &["--auth-file", &file]] {
        // Only a client that has an address of its own is refused; a proxy's attempts are delayed.
        let options = ["-H", "X-Mine: yes", "--cors=http://app.example", "--trust", "127.0.0.1"];
        let server = Server::start(&folder, &[&options, arguments].concat());
        let app = "Origin: http://app.example\r\nX-Forwarded-For: 203.0.113.9\r\n";
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
    let folder = small_site();
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

/// A service that panics, blocks and refuses, as a user of the library may write it.
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
            b"/job" => Answer::Blocking(Lane::Handler.into(), Box::new(|| panic!("in a job, as it was meant to"))),
            b"/small" => Answer::Collect { limit: 1, then: Box::new(move |_| ok()) },
            b"/wait" => {
                let troubled = self.clone();
                let job = move || {
                    troubled.change(|(begun, _)| *begun += 1);
                    troubled.wait(|(_, may_end)| *may_end);
                    Outcome::Response(ok())
                };
                Answer::Blocking(Lane::Handler.into(), Box::new(job))
            }
            _ => Answer::Now(ok()),
        }
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

/// Sends this head (`HOST` stands for the lines Host and Connection) and reads to the end.
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
fn responses_that_the_loop_makes_have_the_fields_too() {
    let listener = Listener::bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let troubled = Troubled::default();
    let headers = vec![("X-Mine".into(), "yes".into())];
    let rules = app::Settings::with(|s| {
        s.hosts = Hosts::new(true, &[], None);
        s.headers = headers;
    });
    let timeouts = net::Timeouts::with(|s| s.job = Duration::from_millis(300));
    let log = net::LogFormat::Off;
    let settings = net::Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
        s.timeouts = timeouts;
        s.log = log;
    });
    let service = App::new(troubled.clone(), rules).unwrap();
    let server = net::Server::new(service, settings, vec![listener]).unwrap();
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

    // One client has all workers but one, which here is one. Its second request waits, and is given up.
    let (tell, answers) = channel();
    let wait = || {
        let tell = tell.clone();
        thread::spawn(move || tell.send(converse(address, "GET /wait HTTP/1.1\r\nHOST\r\n\r\n")));
    };
    wait();
    troubled.wait(|(begun, _)| *begun == 1);
    wait();
    let busy = answers.recv_timeout(PATIENCE).unwrap();
    check(&busy, "503");
    assert!(busy.contains("\r\nRetry-After: 10\r\n"), "{busy}");
    troubled.change(|(_, may_end)| *may_end = true);
    // A handler that has begun is not given up, and one that was given up never begins.
    assert!(answers.recv_timeout(PATIENCE).unwrap().starts_with("HTTP/1.1 200 "));
    check(&converse(address, "GET /panic HTTP/1.1\r\nHOST\r\n\r\n"), "500");
    troubled.wait(|(begun, _)| *begun == 1);
    stopper.stop();
    running.join().unwrap();
}
