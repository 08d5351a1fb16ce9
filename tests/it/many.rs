//! A thousand clients at once, mixed sizes, some pipelined, some gone: every byte right (promise 1).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::{Client, request};
use crate::server::{Folder, Server};

/// A socket each, here and in the server; some are taken by the tests that run beside this one.
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
            assert!(answer.assert_status(200).body == contents[which], "client {i}: {} octets", sizes[which]);
        }
        client.assert_ended();
    }
    server.assert_alive();
}
