//! Many clients at once: each gets every byte, and there is no limit of 1,024.

use std::collections::HashSet;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::client::{Client, Ending, get, request};
use crate::support::folder::Folder;
use crate::support::server::Server;

#[test]
fn more_than_a_thousand_and_twenty_four_clients_stay_and_are_served() {
    const CLIENTS: usize = 1_100;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    // As many as this machine allows: the limit must not be that of the server.
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

#[test]
fn a_client_that_vanishes_in_the_middle_harms_no_other() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    folder.pattern("big.bin", 8 << 20);
    let mut server = Server::start(&folder, &["--log", "off"]);
    for i in 0..200 {
        let mut client = Client::connect(&server);
        client.send(request("GET", if i % 2 == 0 { "/big.bin" } else { "/a.txt" }, ""));
        if i % 3 == 0 {
            client.take(50);
        }
        drop(client);
    }
    assert_eq!(get(&server, "/a.txt", "").text(), "fine");
    let mut whole = Client::connect(&server);
    assert_eq!(whole.get("/big.bin", "Connection: close\r\n").body.len(), 8 << 20);
    assert_eq!(whole.rest(), (Vec::new(), Ending::Fin));
    server.assert_alive();
}

/// Each needs a descriptor here and in the server; tests that run beside this one need some too.
const CLIENTS: usize = 1_000;

#[test]
fn a_thousand_clients_at_once_get_every_byte() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let clients = limit.maximum.map_or(CLIENTS, |most| CLIENTS.min(most as usize / 4));
    let folder = Folder::new();
    let sizes = [0, 1, 1_023, 4_096, 16_384, 16_385, 65_536, 100_000, 1_000_003];
    let contents: Vec<_> = sizes.iter().map(|s| folder.pattern(&format!("{s}.bin"), *s)).collect();
    let mut server = Server::start(&folder, &["--log", "off"]);
    let mut open = Vec::new();
    for i in 0..clients {
        let mut client = Client::connect(&server);
        let mut bytes = request("GET", &format!("/{}.bin", sizes[i % 9]), "");
        bytes.extend(request("GET", &format!("/{}.bin", sizes[(i / 9) % 8]), "Connection: close\r\n"));
        client.send(bytes);
        // Every tenth leaves without reading.
        if i % 10 != 7 {
            open.push((i, client));
        }
    }
    for (i, mut client) in open {
        for which in [i % 9, (i / 9) % 8] {
            let answer = client.response("GET");
            assert!(answer.assert_status(200).body == contents[which], "client {i}: {} bytes", sizes[which]);
        }
        client.assert_ended();
    }
    server.assert_alive();
}
