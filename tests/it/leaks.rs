//! Descriptors and memory are after thousands of requests as before them (promise 2).

use std::time::Instant;

use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::server::Server;
use crate::support::{PATIENCE, rounds};

/// Descriptors for cached files: `big.bin` on each of as many loops as this machine may have cores.
const KEPT_OPEN: usize = 16;
/// Bytes by which memory may grow: allocators keep some, and caches of a bounded size fill.
const SLACK: u64 = 8 << 20;

fn round(server: &Server, folder: &Folder) {
    let mut client = Client::connect(server);
    for i in 0..rounds(400, 40_000) {
        let target = ["/a.txt", "/big.bin", "/dir/", "/missing", "/dir"][i % 5];
        client.ask(if i % 3 == 0 { "HEAD" } else { "GET" }, target, "Accept: text/html\r\n");
    }
    client.end();
    for i in 0..rounds(100, 300) {
        let mut client = Client::connect(server);
        match i % 4 {
            0 => client.send("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
            1 => client.send("GET /half"),
            2 => client.send(request("GET", "/big.bin", "")),
            _ => client.send(request("POST", "/a.txt", "Content-Length: 100\r\n")),
        }
    }
    folder.write("a.txt", "changed");
}

#[test]
fn descriptors_and_memory_are_after_thousands_of_requests_as_before() {
    let folder = Folder::with(&[("a.txt", "fine"), ("dir/b.txt", "b")]);
    folder.pattern("big.bin", 200_000);
    let mut server = Server::start(&folder, &["--log", "off"]);
    // The first round fills threads, caches and arenas, which are filled once.
    round(&server, &folder);
    let settled = |server: &Server, at_most: usize| {
        let end = Instant::now() + PATIENCE;
        while server.descriptors() > at_most {
            assert!(Instant::now() < end, "{} descriptors, {at_most} before", server.descriptors());
            get(server, "/a.txt", "");
        }
    };
    let mut descriptors = usize::MAX;
    let end = Instant::now() + PATIENCE;
    // Wait until the server has closed the connections of the first round: the count does not change any more.
    let mut same = 0;
    while same < 20 && Instant::now() < end {
        get(&server, "/a.txt", "");
        let now = server.descriptors();
        same = if now == descriptors { same + 1 } else { 0 };
        descriptors = now;
    }
    let memory = server.resident();
    for _ in 0..4 {
        round(&server, &folder);
    }
    // By now the large file is old enough to be kept open on each loop. That is bounded and intended.
    settled(&server, descriptors + KEPT_OPEN);
    let grown = server.resident().saturating_sub(memory);
    assert!(grown <= SLACK, "{grown} bytes more");
    server.assert_alive();
}
