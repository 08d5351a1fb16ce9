//! Too many clients, too few descriptors: new clients get a readable 503, no file is called missing, and the server
//! recovers.

use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::client::{Client, request};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::server::Server;

/// A client in the middle of a download that it does not read: it is not idle, so it keeps its connection.
#[track_caller]
fn busy(server: &Server) -> Client {
    let mut client = Client::narrow(server);
    client.send(request("GET", "/big.bin", ""));
    Response::read_head(&mut client).assert_status(200);
    client
}

fn site() -> Folder {
    let folder = Folder::with(&[("a.txt", "fine")]);
    folder.sparse("big.bin", 1 << 30, b"end");
    folder
}

#[test]
fn over_the_limit_is_503_with_retry_after_at_once() {
    let folder = site();
    let server = Server::start(&folder, &["--max-connections", "4", "--loops", "1", "-H", "X-Mine: yes"]);
    let mut busy_clients: Vec<_> = (0..4).map(|_| busy(&server)).collect();
    for _ in 0..20 {
        let mut client = Client::connect(&server);
        client.send(request("GET", "/a.txt", ""));
        let answer = client.response("GET");
        assert!(answer.assert_status(503).lists("connection", "close"), "{answer:?}");
        assert!(answer.must("retry-after").parse::<u32>().is_ok_and(|s| s > 0), "{answer:?}");
        let fields = [answer.must("x-mine"), answer.must("cross-origin-resource-policy")];
        assert_eq!(fields, ["yes", "same-site"], "also before the request is read");
        client.assert_ended();
    }
    // When there is room again, clients are served again.
    busy_clients.truncate(2);
    let end = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::connect(&server);
        client.send(request("GET", "/a.txt", "Connection: close\r\n"));
        match client.response("GET").status {
            200 => break,
            503 => assert!(Instant::now() < end, "never served again"),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_idle_connection_is_closed_for_a_new_one() {
    let folder = site();
    let server = Server::start(&folder, &["--max-connections", "4", "--loops", "1"]);
    let mut idle: Vec<_> = (0..4)
        .map(|_| {
            let mut client = Client::connect(&server);
            client.get("/a.txt", "").assert_status(200);
            client
        })
        .collect();
    let mut fifth = Client::connect(&server);
    assert_eq!(fifth.get("/a.txt", "").assert_status(200).text(), "fine");
    // The connection that was idle longest is closed, cleanly.
    idle[0].assert_ended();
}

#[test]
fn without_descriptors_nothing_is_called_missing_and_nothing_spins() {
    let folder = site();
    let server = Server::with_descriptors(48, &folder, &["--loops", "1"]);
    let mut clients: Vec<_> = (0..120)
        .map(|i| {
            let mut client = Client::narrow(&server);
            client.send(request("GET", if i % 4 == 0 { "/a.txt" } else { "/big.bin" }, ""));
            client
        })
        .collect();
    let before = server.ticks();
    let began = Instant::now();
    // Processor time is counted in ticks of 10 ms.
    std::thread::sleep(Duration::from_millis(700));
    let share = (server.ticks() - before) as f64 / 100.0 / began.elapsed().as_secs_f64();
    assert!(share < 0.5, "{share:.2} of a processor while no client reads");
    let mut served = 0;
    for client in &mut clients {
        // A connection that waits in the kernel's queue has no response yet. That is allowed; a wrong status is not.
        client.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut peeked = [0; 12];
        if let Ok(12) = client.socket.peek(&mut peeked) {
            let status = &peeked[9..12];
            assert!(status == b"200" || status == b"503", "{:?}", String::from_utf8_lossy(&peeked));
            served += usize::from(status == b"200");
        }
    }
    assert!(served > 0, "no client was served");
    drop(clients);
    let end = Instant::now() + PATIENCE;
    loop {
        let mut client = Client::connect(&server);
        client.send(request("GET", "/a.txt", "Connection: close\r\n"));
        let answer = client.response("GET");
        if answer.status == 200 {
            assert_eq!(answer.text(), "fine");
            break;
        }
        answer.assert_status(503);
        assert!(Instant::now() < end, "never recovers");
    }
}

#[test]
fn cached_open_files_take_no_descriptor_from_a_connection() {
    const DESCRIPTORS: u32 = 200;
    let folder = Folder::with(&[("a.html", "small")]);
    let names: Vec<String> = (0..100).map(|n| format!("{n}.bin")).collect();
    for name in &names {
        folder.pattern(name, 20_000);
        folder.age(name);
    }
    let server = Server::with_descriptors(DESCRIPTORS, &folder, &["--loops", "1", "--max-per-client", "100"]);
    let mut client = Client::connect(&server);
    client.get("/a.html", "").assert_status(200);
    let before = server.descriptors();
    for _ in 0..3 {
        for name in &names {
            client.get(&format!("/{name}"), "").assert_status(200);
            assert!(server.descriptors() <= before + DESCRIPTORS as usize / 32 + 1, "{name}");
        }
    }
    // Three quarters of the remaining descriptors are for connections, and all of them can be used.
    let mut clients: Vec<_> = (0..99).map(|_| Client::connect(&server)).collect();
    for (client, name) in clients.iter_mut().zip(&names) {
        client.get(&format!("/{name}"), "").assert_status(200);
    }
    for client in &mut clients {
        client.get("/a.html", "").assert_status(200);
    }
}
