//! Clients that are slow in every way, and floods: no other client waits, and nothing is left (promises 3 and 4).

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use barewire::files::{self, Site};
use barewire::net::{Settings, Timeouts};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::server::Server;
use crate::support::{PATIENCE, rounds, until};

/// In which way a client is slow.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slow {
    DripsHead,
    DripsBody,
    ReadsNothing,
    ReadsByteByByte,
    SaysNothing,
    HalfCloses,
}

use Slow::{DripsBody, DripsHead, HalfCloses, ReadsByteByByte, ReadsNothing, SaysNothing};

const KINDS: [Slow; 6] = [DripsHead, DripsBody, ReadsNothing, ReadsByteByByte, SaysNothing, HalfCloses];
/// The size of the file that the slow readers ask for. The kernel takes a small part of it.
const BIG: u64 = 1 << 30;

impl Slow {
    fn connect(self, server: &Library, number: usize) -> Client {
        let mut client = Client::narrow_to(server.address);
        match self {
            DripsHead => client.send("GET /a.txt HTTP/1.1\r\nHost: localhost\r\nX: "),
            DripsBody => client.send(request("PUT", &format!("/up{number}"), "Content-Length: 100000\r\n")),
            ReadsNothing | ReadsByteByByte => client.send(request("GET", "/big.bin", "")),
            SaysNothing => {}
            HalfCloses => {
                client.send(request("GET", "/big.bin", ""));
                client.half_close();
            }
        }
        client.socket.set_nonblocking(true).unwrap();
        client
    }

    /// One byte more. Errors are those of a connection that the server has ended.
    fn go_on(self, client: &mut Client) {
        match self {
            DripsHead | DripsBody => drop(client.socket.write(b"x")),
            ReadsByteByByte => drop(client.socket.read(&mut [0])),
            ReadsNothing | SaysNothing | HalfCloses => {}
        }
    }

    /// The server has ended it, and not by sending all that was asked for.
    fn assert_ended(self, client: &mut Client) {
        client.socket.set_nonblocking(false).unwrap();
        let (bytes, _) = client.rest();
        match self {
            // A byte that was on its way when the server closed may have destroyed the answer.
            DripsHead | DripsBody => {
                let said = String::from_utf8_lossy(&bytes);
                // Of very many uploads that begin at once some are turned away.
                let is_told = ["HTTP/1.1 408 ", "HTTP/1.1 503 "].iter().any(|start| said.starts_with(start));
                assert!(is_told || said.is_empty(), "{self:?}: {said}");
            }
            SaysNothing => assert!(bytes.is_empty()),
            ReadsNothing | ReadsByteByByte | HalfCloses => assert!((bytes.len() as u64) < BIG, "{self:?}"),
        }
    }
}

/// The connections that a server on this port holds. The kernel names the file of a socket until its owner closes it.
fn held(port: u16) -> usize {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let sockets = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_held = |fields: &Vec<&str>| {
        let (local, state, inode) = (fields[1], fields[3], fields[9]);
        local.ends_with(&format!(":{port:04X}")) && state != "0A" && inode != "0"
    };
    sockets.filter(is_held).count()
}

/// As many clients as this process may have descriptors for: at both ends, twice.
fn possible(clients: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    limit.maximum.map_or(clients, |most| clients.min(most as usize / 6))
}

#[test]
fn slow_clients_of_every_kind_delay_nobody_and_all_are_ended() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    folder.sparse("big.bin", BIG, b"");
    let window = Duration::from_millis(500);
    let timeouts = Timeouts::with(|s| {
        s.head = 2 * window;
        s.idle = 2 * window;
        s.send = 4 * window;
        s.window = window;
    });
    let site = Site::open(folder.path(), files::Settings::with(|s| s.upload = true)).unwrap();
    let settings = Settings::with(|s| {
        s.timeouts = timeouts;
        s.loops = 1;
        s.max_connections = 10_000;
    });
    let server = Library::serving(settings, site);
    let each = possible(rounds(120, 2_220)) / KINDS.len();
    let kinds = KINDS.iter().flat_map(|kind| vec![*kind; each]).enumerate();
    let mut slow: Vec<(Slow, Client)> = kinds.map(|(number, kind)| (kind, kind.connect(&server, number))).collect();
    let (began, mut waits) = (Instant::now(), Vec::new());
    while waits.len() < 100 || held(server.address.port()) > 0 {
        assert!(began.elapsed() < PATIENCE, "{} connections are still open", held(server.address.port()));
        slow.iter_mut().for_each(|(kind, client)| kind.go_on(client));
        for _ in 0..20 {
            let asked = Instant::now();
            let mut client = server.connect();
            assert_eq!(client.get("/a.txt", "").assert_status(200).text(), "fine");
            waits.push(asked.elapsed());
            client.end();
        }
    }
    slow.iter_mut().for_each(|(kind, client)| kind.assert_ended(client));
    waits.sort_unstable();
    let (p99, longest) = (waits[waits.len() * 99 / 100], waits[waits.len() - 1]);
    println!("{} slow clients: {} others waited {p99:.1?} (p99), {longest:.1?} at most", slow.len(), waits.len());
    assert!(fs::read_dir(folder.path()).unwrap().count() == 2, "nothing is left of the uploads");
}

#[test]
fn a_flood_leaves_nothing_behind_and_starves_nobody() {
    /// Bytes by which memory may grow while no client reads: for each client a response and the requests after it.
    const SLACK: u64 = 24 << 20;
    let folder = Folder::with(&[("a.txt", "fine")]);
    folder.pattern("f.bin", 70_000);
    let mut server = Server::start(&folder, &["--log", "off"]);
    get(&server, "/f.bin", "").assert_status(200);
    let (descriptors, memory) = (server.descriptors(), server.resident());
    // Clients that ask on and on, and read nothing.
    let pipeline = request("GET", "/f.bin", "").repeat(100);
    let deaf: Vec<Client> = (0..rounds(20, 200))
        .map(|_| {
            let mut client = Client::narrow(&server);
            client.socket.set_nonblocking(true).unwrap();
            // Until the server takes no more.
            while client.send_if_open(&pipeline) {}
            client
        })
        .collect();
    // Clients that connect and are gone, with and without a request.
    for n in 0..rounds(500, 20_000) {
        let mut client = Client::connect(&server);
        if n % 3 > 0 {
            client.send(request("GET", ["/a.txt", "/missing"][n % 2], ""));
        }
        if n % 2 == 0 {
            client.reset_when_dropped();
        }
        drop(client);
        if n % 50 == 0 {
            assert_eq!(get(&server, "/a.txt", "").assert_status(200).text(), "fine");
        }
    }
    let grown = server.resident().saturating_sub(memory);
    assert!(grown <= SLACK, "{grown} bytes more");
    drop(deaf);
    until("the descriptors are as before", || server.descriptors() <= descriptors + 16);
    server.assert_alive();
}
