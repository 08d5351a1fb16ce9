//! Slow clients: every wait is ended by the server, and no honest one is (`cli.md`: total clocks,
//! minimum rates).
//!
//! The subtle thing: here time itself is the subject, so some tests last. They assert order and
//! bounds that hold on a machine of any speed: never ended too early, ended at all.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::server::Server;

/// Between two bytes of a client that drips.
const DRIP: Duration = Duration::from_millis(50);

#[test]
fn a_dripping_head_is_ended_by_the_total_clock_with_408() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "1s"]);
    let mut client = Client::connect(&server);
    let began = Instant::now();
    client.send("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nX: ");
    client.socket.set_nonblocking(true).unwrap();
    // Each byte would extend a clock of silence; the clock of the whole head runs on.
    let mut peeked = [0; 1];
    while client.socket.peek(&mut peeked).is_err() {
        assert!(began.elapsed() < PATIENCE, "never ended");
        if !client.send_if_open(b"x") {
            break;
        }
        std::thread::sleep(DRIP);
    }
    assert!(began.elapsed() >= Duration::from_millis(900), "ended after {:?}", began.elapsed());
    client.socket.set_nonblocking(false).unwrap();
    let answer = client.response("GET");
    assert!(answer.assert_status(408).lists("connection", "close"), "{answer:?}");
    client.end();
}

/// A pipeline is cut into segments anywhere: the end of one head comes together with the beginning of
/// the next, so there is never a moment without a head that has begun.
#[test]
fn heads_that_come_in_time_are_answered_though_one_is_always_begun() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "1s"]);
    let mut client = Client::connect(&server);
    let request = request("GET", "/a.txt", "");
    let (start, end) = request.split_at(9);
    client.send(start);
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(2500) {
        std::thread::sleep(Duration::from_millis(200));
        client.send([end, start].concat());
        assert_eq!(client.response("GET").assert_status(200).text(), "fine");
    }
    client.response("GET").assert_status(408);
    client.assert_ended();
}

#[test]
fn a_head_that_stops_is_408_and_silence_is_closed_without_a_word() {
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
fn hundreds_of_slow_heads_harm_nobody_and_all_are_ended() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--head-timeout", "3s", "--log", "off"]);
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

/// One reader that takes nothing, one that takes 20 KiB a second, and one that took half of it at once before:
/// for that one more waits in the kernel, which tells of room the more rarely. The first is ended, the others
/// get all of their file. They share one test, since each needs the 20 s over which a rate is measured.
#[test]
fn a_reader_that_stops_is_ended_and_a_modest_one_is_not() {
    const RATE: usize = 20 * 1024;
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 24 << 20);
    let server = Server::start(&folder, &["--min-rate", "1K"]);
    let mut stopped = Client::narrow(&server);
    stopped.send(request("GET", "/f.bin", ""));
    Response::read_head(&mut stopped);
    let mut modest = Client::narrow(&server);
    modest.send(request("GET", "/f.bin", ""));
    Response::read_head(&mut modest);
    let mut hasty = Client::narrow(&server);
    hasty.send(request("GET", "/f.bin", ""));
    Response::read_head(&mut hasty);
    let mut soon = hasty.take(content.len() / 2);
    let began = Instant::now();
    let mut got = Vec::new();
    let busy = |server: &Server| server.descriptors();
    let with_all = busy(&server);
    let mut ended_after = None;
    while began.elapsed() < Duration::from_secs(30) || (ended_after.is_none() && began.elapsed() < PATIENCE) {
        got.extend(modest.take(RATE / 4));
        soon.extend(hasty.take(RATE / 4));
        std::thread::sleep(Duration::from_millis(250));
        if ended_after.is_none() && busy(&server) < with_all {
            ended_after = Some(began.elapsed());
        }
    }
    got.extend(modest.take(content.len() - got.len()));
    assert!(got == content, "a modest reader gets every octet");
    modest.end();
    soon.extend(hasty.take(content.len() - soon.len()));
    assert!(soon == content, "a reader that becomes slow gets every octet");
    hasty.end();
    let ended_after = ended_after.expect("a reader that takes nothing is ended");
    assert!(ended_after >= Duration::from_secs(10), "ended after {ended_after:?}");
    assert!(stopped.rest().0.len() < content.len());
}
