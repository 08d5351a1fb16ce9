//! The cliffs over which other servers have fallen: each is here as something that can be counted.
//!
//! 1. An answer in two packets of which the second waits 40 ms for an acknowledgement.
//! 2. A cache that expires by time: `files::cache` (its clock is a parameter).
//! 4. Listings that are read in parallel by a flood of requests: `files::listing`.
//! 3. Files kept open at the cost of connections.
//! 5. Pipelined requests that are dropped: `exchange`.
//! 6. No more than a thousand connections.
//! 7. A thread for what lies in memory.
//!
//! Never: a measured time. What is counted here is the same on a slow machine.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::time::{Duration, SystemTime};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{Client, request};
use crate::server::{Folder, Server};

/// Lets a file be old, so that it is kept. Its ctime must be older than two ticks of the clock: what is
/// asked for until it is kept is the event that is waited for.
fn age(folder: &Folder, name: &str) {
    let file = fs::File::options().write(true).open(folder.join(name)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
}

/// How often the workers of a server have gone to sleep: once for each job, if nobody hurries them.
fn jobs(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let sleeps = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_string();
        if value("Name:").starts_with("worker") { value("voluntary_ctxt_switches:").parse().unwrap() } else { 0 }
    };
    tasks.map(|task| sleeps(task.unwrap())).sum()
}

#[test]
fn what_is_in_memory_needs_no_worker() {
    let folder = Folder::with(&[("a.html", "small"), ("list/b.txt", "b")]);
    folder.pattern("large.bin", 100_000);
    age(&folder, "a.html");
    age(&folder, "large.bin");
    let server = Server::start(&folder, &["--loops", "1", "--log", "off"]);
    let mut client = Client::connect(&server);
    let tag = client.get("/a.html", "").must("etag").trim_start_matches("W/").to_string();
    let known = format!("If-None-Match: {tag}\r\n");
    for (target, fields, status) in [
        ("/a.html", "", 200),
        ("/a.html", &known[..], 304),
        ("/large.bin", "", 200),
        ("/large.bin", "Range: bytes=50000-70000\r\n", 206),
        ("/nothing", "", 404),
        ("/list", "", 308),
    ] {
        // A worker is asked until it is known: until then there is nothing to be counted.
        let mut quiet = 0;
        while quiet < 20 {
            let before = jobs(&server);
            client.get(target, fields).assert_status(status);
            quiet = if jobs(&server) == before { quiet + 1 } else { 0 };
        }
        let before = jobs(&server);
        for _ in 0..500 {
            client.get(target, fields).assert_status(status);
        }
        let needed = jobs(&server) - before;
        assert_eq!(needed, 0, "{needed} jobs for 500 requests: {target} {fields}");
    }
}

#[test]
fn a_head_never_travels_alone() {
    let folder = Folder::with(&[("a.html", "small"), ("list/b.txt", "b")]);
    folder.pattern("large.bin", 100_000);
    let server = Server::start(&folder, &["--log", "off"]);
    let mut client = Client::connect(&server);
    for (target, fields) in [
        ("/a.html", ""),
        ("/large.bin", ""),
        ("/large.bin", "Range: bytes=9-70000\r\n"),
        ("/nothing", ""),
        ("/list/", ""),
    ] {
        let mut alone = 0;
        for _ in 0..50 {
            client.send(request("GET", target, fields));
            // What the first packet has brought is all that there is to be read now, and more may come.
            let mut first = [0; 64 * 1024];
            let count = client.socket.read(&mut first).unwrap();
            let head = first[..count].windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head") + 4;
            alone += usize::from(head == count);
            let line = String::from_utf8_lossy(&first[..head]).to_ascii_lowercase();
            let length = line.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
            client.take(length.parse::<usize>().unwrap() - (count - head));
        }
        // The kernel lets a head go that nothing follows for a fifth of a second: a machine that stops the
        // server between two calls proves nothing.
        assert!(alone <= 5, "{alone} of 50 heads came alone: {target} {fields}");
    }
}

#[test]
fn files_that_stand_open_take_no_seat_from_anybody() {
    const DESCRIPTORS: u32 = 200;
    let folder = Folder::with(&[("a.html", "small")]);
    let names: Vec<String> = (0..100).map(|n| format!("{n}.bin")).collect();
    for name in &names {
        folder.pattern(name, 20_000);
        age(&folder, name);
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
    // Three quarters of what is left of the descriptors are seats, and each of them is one.
    let mut clients: Vec<_> = (0..99).map(|_| Client::connect(&server)).collect();
    for (client, name) in clients.iter_mut().zip(&names) {
        client.get(&format!("/{name}"), "").assert_status(200);
    }
    for client in &mut clients {
        client.get("/a.html", "").assert_status(200);
    }
}

#[test]
fn more_than_a_thousand_and_twenty_four_clients_stay_and_are_served() {
    const CLIENTS: usize = 1_100;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    // On a machine that does not allow it, as many as it does: the server must not be what stops it.
    let most = limit.maximum.map_or(CLIENTS, |most| CLIENTS.min(most as usize / 2));
    let folder = Folder::with(&[("a.html", "small")]);
    let count = most.to_string();
    let arguments = ["--log", "off", "--max-per-client", &count, "--max-connections", &count];
    let server = Server::start(&folder, &arguments);
    let mut clients: Vec<_> = (0..most).map(|_| Client::connect(&server)).collect();
    let mut ports = HashSet::new();
    for _ in 0..2 {
        for client in &mut clients {
            assert_eq!(client.get("/a.html", "").assert_status(200).text(), "small");
            ports.insert(client.socket.local_addr().unwrap());
        }
    }
    assert_eq!(ports.len(), most, "each kept its connection");
}
