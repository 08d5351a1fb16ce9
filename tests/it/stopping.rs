//! Stopping: running downloads end whole, idle connections at once, and new ones are refused (promise 23).

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barewire::http::Status;
use barewire::net::{Settings, Timeouts};
use barewire::service::{Answer, Response as HttpResponse, Sink};
use rustix::process::Signal;

use crate::support::client::{Client, basic, get, raw, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::{PATIENCE, rounds, until};

#[test]
fn a_stop_completes_downloads_drops_idle_clients_and_refuses_new_ones() {
    let downloads = rounds(8, 70);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        if is_ignored(signal) {
            continue;
        }
        let folder = Folder::with(&[("a.txt", "fine")]);
        let content = folder.pattern("big.bin", 10 << 20);
        let mut server = Server::start(&folder, &["--grace", "60s"]);
        let mut idle: Vec<_> = (0..10)
            .map(|_| {
                let mut client = Client::connect(&server);
                client.get("/a.txt", "").assert_status(200);
                client
            })
            .collect();
        let mut running: Vec<_> = (0..downloads)
            .map(|_| {
                let mut client = Client::narrow(&server);
                client.send(request("GET", "/big.bin", ""));
                Response::read_head(&mut client).assert_status(200);
                client
            })
            .collect();
        let mut silent = Client::connect(&server);
        server.signal(signal);
        silent.assert_ended();
        for client in &mut idle {
            client.assert_ended();
        }
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(server.address).is_ok() {
            assert!(Instant::now() < end, "still listening");
        }
        for client in &mut running {
            assert!(client.take(content.len()) == content, "a download was cut or changed");
        }
        for client in running {
            client.end();
        }
        assert_eq!(server.exit().code(), Some(0));
        let stopped = server.err.line("stopped: ");
        assert!(stopped.contains(&format!("{} requests", 10 + downloads)), "{stopped}");
    }
}

#[test]
fn a_second_signal_ends_it_now() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        if is_ignored(signal) {
            continue;
        }
        let folder = Folder::new();
        folder.sparse("big.bin", 1 << 30, b"end");
        let mut server = Server::start(&folder, &["--grace", "600s"]);
        let mut client = Client::narrow(&server);
        client.send(request("GET", "/big.bin", ""));
        Response::read_head(&mut client).assert_status(200);
        server.signal(signal);
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(server.address).is_ok() {
            assert!(Instant::now() < end, "still listening");
        }
        server.assert_alive();
        server.signal(signal);
        assert_eq!(server.exit().code(), Some(code));
    }
}

#[test]
fn a_balancer_sees_503_before_the_port_is_closed() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &["--drain-delay", "1h", "--auth", "ann:one"]);
    for method in ["GET", "HEAD"] {
        let response = raw(&server, request(method, "/.health", ""), method);
        response.assert_status(200);
        assert_eq!((&*response.text(), response.field("cache-control")), ("", Some("no-store")), "{method}");
    }
    let password = basic("ann:one");
    let mut before = Client::connect(&server);
    before.get("/a.txt", &password).assert_status(200);
    server.signal(Signal::TERM);
    until("a probe fails", || get(&server, "/.health", "").status == 503);
    assert_eq!(get(&server, "/.health", "").text(), "");
    // All others are served as before, on open connections and on new ones.
    assert_eq!(before.get("/a.txt", &password).text(), "fine");
    assert_eq!(get(&server, "/a.txt", &password).text(), "fine");
    // A client of a proxy learns nothing: it is asked for a password.
    get(&server, "/.health", "Forwarded: for=192.0.2.1\r\n").assert_status(401);
    server.signal(Signal::TERM);
    assert_eq!(server.exit().code(), Some(143));
}

#[test]
fn after_the_delay_the_port_is_closed_and_the_server_ends() {
    const DELAY: Duration = Duration::from_millis(200);
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &["--drain-delay", "200ms", "--grace", "1h"]);
    let mut idle = Client::connect(&server);
    idle.get("/a.txt", "").assert_status(200);
    let began = Instant::now();
    server.signal(Signal::TERM);
    idle.assert_ended();
    assert!(began.elapsed() >= DELAY, "ended after {:?}", began.elapsed());
    assert_eq!(server.exit().code(), Some(0));
    assert!(TcpStream::connect(server.address).is_err());
}

/// Whether these tests run under `nohup`: then a server of theirs must stay.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    // The bit of HUP is the lowest one.
    let ignored = signal == Signal::HUP && mask.ends_with(['1', '3', '5', '7', '9', 'b', 'd', 'f']);
    if ignored {
        eprintln!("skipped: HUP is ignored here (nohup)");
    }
    ignored
}

#[test]
fn a_reader_that_leaves_is_no_reason_to_stop() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    server.signal(Signal::PIPE);
    assert_eq!(client.get("/a.txt", "").text(), "fine");
    server.assert_alive();
    client.end();
}

#[test]
fn a_port_is_free_again_at_once() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &[]);
    // The server closes first: its side stays in TIME_WAIT.
    let mut client = Client::connect(&server);
    client.get("/a.txt", "Connection: close\r\n").assert_status(200);
    client.assert_ended();
    let port = server.address.port().to_string();
    server.signal(Signal::TERM);
    assert!(server.exit().success());
    let again = Server::start(&folder, &["--port", &port]);
    assert_eq!(again.address, server.address);
}

/// Each server gets the same socket, and the one before it ends only when the next one listens.
#[test]
fn a_rolling_restart_with_a_passed_socket_fails_no_request() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 70_000);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut server = Server::on_socket(&socket, &folder);
    std::thread::scope(|scope| {
        let ask = || {
            while !over.load(Ordering::Relaxed) {
                let mut client = Client::to(address);
                assert!(client.get("/f.bin", "Connection: close\r\n").assert_status(200).body == content);
                client.assert_ended();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        let codes: Vec<_> = (0..rounds(3, 20))
            .map(|_| {
                let next = Server::on_socket(&socket, &folder);
                let before = answered.load(Ordering::Relaxed);
                let (code, _) = std::mem::replace(&mut server, next).stop(Signal::TERM);
                // Some by the next one alone.
                until("requests are answered", || {
                    answered.load(Ordering::Relaxed) > before + 8 || clients.iter().any(|client| client.is_finished())
                });
                code
            })
            .collect();
        over.store(true, Ordering::Relaxed);
        assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
    });
}

/// A sink whose disk hangs: a write tells that it has begun, and ends when the test lets it.
struct Hanging(Sender<()>, Arc<Mutex<Receiver<()>>>);

impl Sink for Hanging {
    fn write(&mut self, _: &[u8]) -> Result<(), HttpResponse> {
        self.0.send(()).unwrap();
        let _ = self.1.lock().unwrap().recv();
        Ok(())
    }

    fn finish(self: Box<Self>) -> HttpResponse {
        HttpResponse::text(Status::OK, "stored")
    }
}

/// The client has left, so no connection is cut off, and yet a worker stands in its write.
#[test]
fn a_disk_that_hangs_does_not_hold_a_server_that_stops_past_its_grace() {
    const GRACE: Duration = Duration::from_secs(1);
    for ends_in_time in [false, true] {
        let (began, begun) = channel();
        let (release, held) = channel();
        let (began, held) = (Mutex::new(began), Arc::new(Mutex::new(held)));
        let timeouts = Timeouts::with(|s| s.grace = if ends_in_time { PATIENCE } else { GRACE });
        let mut server = Library::with(
            Settings::with(|s| {
                s.timeouts = timeouts;
                s.loops = 1;
            }),
            move |_| {
                let sink = Hanging(began.lock().unwrap().clone(), held.clone());
                Answer::Receive { limit: u64::MAX, device: 0, open: Box::new(|| Ok(Box::new(sink))) }
            },
        );
        let mut client = server.connect();
        client.send(request("PUT", "/", "Content-Length: 100000000\r\n"));
        client.send(vec![7; 1 << 20]);
        begun.recv().unwrap();
        drop(client);
        assert!(server.log_of(1).end.is_some());
        server.stopper.stop();
        let release = if ends_in_time { release.send(()).map(|()| None).unwrap() } else { Some(release) };
        assert_eq!(server.ended().unfinished, u64::from(!ends_in_time));
        drop(release);
    }
}
