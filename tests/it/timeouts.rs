//! Timeouts: the server ends every wait for a slow client, and ends no client that keeps its rate.
//!
//! Time itself is the subject here, so the timeouts are short. The bounds hold on a machine of any speed: a client is
//! never ended too early, and is ended at all.

use std::time::{Duration, Instant};

use barewire::net::Timeouts;

use crate::support::PATIENCE;
use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::response::Response;
use crate::support::server::Server;

#[test]
fn a_dripping_head_is_ended_by_the_total_timeout_with_408() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "500ms"]);
    let mut client = Client::connect(&server);
    let began = Instant::now();
    client.send("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nX: ");
    client.socket.set_nonblocking(true).unwrap();
    // Each byte would extend a timeout of silence. The timeout of the whole head is not extended.
    let mut peeked = [0; 1];
    while client.socket.peek(&mut peeked).is_err() {
        assert!(began.elapsed() < PATIENCE, "never ended");
        if !client.send_if_open(b"x") {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    assert!(began.elapsed() >= Duration::from_millis(450), "ended after {:?}", began.elapsed());
    client.socket.set_nonblocking(false).unwrap();
    let answer = client.response("GET");
    assert!(answer.assert_status(408).lists("connection", "close"), "{answer:?}");
    client.end();
}

/// A pipeline is cut into segments anywhere. Here the end of one head comes together with the beginning of the next, so
/// there is never a moment without a head that has begun.
#[test]
fn heads_that_come_in_time_are_answered_though_one_is_always_begun() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "600ms"]);
    let mut client = Client::connect(&server);
    let request = request("GET", "/a.txt", "");
    let (start, end) = request.split_at(9);
    client.send(start);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1500) {
        std::thread::sleep(Duration::from_millis(100));
        client.send([end, start].concat());
        assert_eq!(client.response("GET").assert_status(200).text(), "fine");
    }
    client.response("GET").assert_status(408);
    client.assert_ended();
}

#[test]
fn a_head_that_stops_is_408_and_a_silent_connection_is_closed_without_a_response() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "1s", "--idle-timeout", "1s"]);
    let mut begun = Client::connect(&server);
    begun.send("GET / HT");
    let mut silent = Client::connect(&server);
    let mut idle = Client::connect(&server);
    idle.get("/a.txt", "").assert_status(200);
    let mut second = Client::connect(&server);
    second.get("/a.txt", "").assert_status(200);
    second.send("GET ");
    begun.response("GET").assert_status(408);
    begun.assert_ended();
    second.response("GET").assert_status(408);
    second.assert_ended();
    silent.assert_ended();
    idle.assert_ended();
}

#[test]
fn hundreds_of_slow_heads_delay_no_other_client_and_all_are_ended() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "1s", "--log", "off"]);
    let mut slow: Vec<_> = (0..400).map(|_| Client::connect(&server)).collect();
    for client in &mut slow {
        client.send("GET /a.txt HTTP/1.1\r\nHost: loc");
    }
    for _ in 0..50 {
        assert_eq!(get(&server, "/a.txt", "").text(), "fine");
    }
    for client in &mut slow {
        client.response("GET").assert_status(408);
        client.assert_ended();
    }
    assert_eq!(get(&server, "/a.txt", "").text(), "fine");
}

/// Four readers: one takes nothing, one pauses, one takes a modest rate, and one takes half of the file at once and then
/// the same rate. For the last, more bytes wait in the kernel, which then reports room more rarely. The first is ended,
/// the others get all of their file. With a window of 300 ms and these rates, each window moves as many bytes as in
/// 20 s, the default, at 6 KiB a second.
#[test]
fn a_reader_that_stops_is_ended_and_one_that_pauses_or_is_modest_is_not() {
    const WINDOW: Duration = Duration::from_millis(300);
    /// So many windows a reader may take nothing, and so many one of them does: more than the rate is measured over.
    const LONGEST: u32 = 12;
    const PAUSE: u32 = 5;
    /// Bytes that a modest reader takes at once, and how often.
    const PIECE: usize = 5 * 1024;
    const EVERY: Duration = Duration::from_micros(12_500);
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 24 << 20);
    let timeouts = Timeouts::with(|s| {
        s.window = WINDOW;
        s.min_rate = 20 * 1024;
        s.send = LONGEST * WINDOW;
    });
    let mut server = Library::files(&folder, timeouts);
    let reader = || {
        let mut client = Client::narrow_to(server.address);
        client.send(request("GET", "/f.bin", ""));
        Response::read_head(&mut client);
        client
    };
    let (mut stopped, mut paused, mut modest, mut hasty) = (reader(), reader(), reader(), reader());
    let mut got = Vec::new();
    let mut soon = hasty.take(content.len() / 2);
    let began = Instant::now();
    while began.elapsed() < PAUSE * WINDOW {
        got.extend(modest.take(PIECE));
        soon.extend(hasty.take(PIECE));
        std::thread::sleep(EVERY);
    }
    assert!(paused.take(content.len()) == content, "a reader that pauses gets every byte");
    paused.end();
    got.extend(modest.take(content.len() - got.len()));
    assert!(got == content, "a modest reader gets every byte");
    modest.end();
    soon.extend(hasty.take(content.len() - soon.len()));
    assert!(soon == content, "a reader that becomes slow gets every byte");
    hasty.end();
    let ended = server.log_of(1);
    assert_eq!(ended.end, Some("TimedOutSending"));
    assert!(ended.lasted >= LONGEST * WINDOW, "ended after {:?}", ended.lasted);
    assert!(stopped.rest().0.len() < content.len());
}

#[test]
fn the_send_timeout_ends_a_reader_that_takes_nothing_though_no_rate_is_asked_for() {
    let folder = Folder::new();
    folder.sparse("big.bin", 1 << 30, b"end");
    let server = Server::start(&folder, &["--send-timeout", "500ms", "--min-rate", "0"]);
    let mut client = Client::narrow(&server);
    client.send(request("GET", "/big.bin", ""));
    Response::read_head(&mut client).assert_status(200);
    let line = server.log().line("/big.bin");
    assert!(line.contains(" 200 "), "{line}");
    assert!(client.rest().0.len() < 1 << 30);
}
