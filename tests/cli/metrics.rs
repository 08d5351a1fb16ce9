//! `--metrics`: what is counted, and who can read it.

use std::net::SocketAddr;

use rustix::process::Signal;

use crate::program::{assert_error, barewire, get, run, site_folder};
use crate::support::client::{Client, converse, request};
use crate::support::server::Server;
use crate::support::until;

/// The address of the counts, which stands in the second line of the start.
fn address(server: &Server) -> SocketAddr {
    let line = server.err.line("metrics http://");
    line.strip_prefix("metrics http://").and_then(|rest| rest.strip_suffix("/metrics")).unwrap().parse().unwrap()
}

fn read(address: SocketAddr, path: &str, host: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    String::from_utf8(converse(address, request)).unwrap()
}

fn counts(address: SocketAddr) -> String {
    read(address, "/metrics", "localhost")
}

#[track_caller]
fn assert_counted(text: &str, line: &str) {
    assert!(text.lines().any(|other| other == line), "no line {line:?} in\n{text}");
}

#[test]
fn responses_changes_refusals_and_connections_are_counted_in_all_loops() {
    let folder = site_folder();
    let arguments = ["-p", "0", "--metrics", "0", "--loops", "2", "--upload", "site"];
    let server = Server::of(&mut barewire(&folder, &arguments));
    let address = address(&server);
    let main = SocketAddr::from(([127, 0, 0, 1], server.port()));
    // Connections of both loops: the kernel spreads twenty of them over two sockets.
    for _ in 0..20 {
        assert!(get(server.port(), "/a.txt").ends_with("hello\n"));
    }
    assert!(get(server.port(), "/missing").starts_with("HTTP/1.1 404 "));
    converse(main, "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n");
    let put = |name: &str| {
        let fields = "Content-Length: 3\r\nConnection: close\r\n";
        converse(main, [request("PUT", name, fields), b"new".to_vec()].concat())
    };
    assert!(put("/b.txt").starts_with(b"HTTP/1.1 201 "));
    assert!(put("/a.txt").starts_with(b"HTTP/1.1 4"));
    // One waits for its next request, and one is in the middle of a head.
    let mut idle = Client::to(main);
    idle.get("/a.txt", "").assert_status(200);
    let mut slow = Client::to(main);
    slow.send("GET /a.t");
    // The server counts an end a moment after the client has seen it.
    until("two are open and the others have ended", || {
        let text = counts(address);
        let has = |line: &&str| text.lines().any(|other| other == *line);
        [
            "barewire_connections{phase=\"idle\"} 1",
            "barewire_connections{phase=\"head\"} 1",
            "barewire_connections_closed_total{reason=\"Finished\"} 22",
            "barewire_connections_closed_total{reason=\"Refused\"} 1",
        ]
        .iter()
        .all(has)
    });
    let text = counts(address);
    assert!(
        text.contains("\r\nContent-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"),
        "{text}"
    );
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    for line in [
        "barewire_responses_total{status=\"200\"} 21",
        "barewire_responses_total{status=\"404\"} 1",
        "barewire_responses_total{status=\"400\"} 1",
        "barewire_responses_total{status=\"201\"} 1",
        "barewire_refusals_total{fault=\"SpaceBeforeColon\"} 1",
        "barewire_writes_total{method=\"PUT\",result=\"done\"} 1",
        "barewire_writes_total{method=\"PUT\",result=\"refused\"} 1",
        "barewire_writes_total{method=\"DELETE\",result=\"failed\"} 0",
        "barewire_connections_accepted_total 26",
        "barewire_connections{phase=\"sending\"} 0",
        "barewire_jobs_waiting{kind=\"write\"} 0",
        "barewire_uploads_waiting 0",
        "barewire_upload_memory_bytes 0",
    ] {
        assert_counted(&text, line);
    }
    let number = |name: &str| -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    assert!(number("barewire_sent_bytes_total ") > 21.0 * 6.0 && number("barewire_uptime_seconds ") > 0.0, "{text}");
    // A server that stops would wait for the rest of that head.
    drop((idle, slow));
    assert_eq!(server.stop(Signal::TERM).0, 0);
}

#[test]
fn the_counts_are_for_this_computer_and_not_for_web_pages_and_have_no_other_pages() {
    let folder = site_folder();
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "--metrics", "0", "--auth", "ann:secret", "site"]));
    let address = address(&server);
    assert!(address.ip().is_loopback());
    assert!(read(address, "/metrics", "evil.example").starts_with("HTTP/1.1 421 "));
    for path in ["/", "/a.txt", "/.health2"] {
        assert!(read(address, path, "localhost").starts_with("HTTP/1.1 404 "), "{path}");
    }
    // What a client sends is in no label.
    converse(([127, 0, 0, 1], server.port()).into(), "\"x\" /\"y\" HTTP/1.1\r\nHost: z\r\n\r\n");
    let text = counts(address);
    assert!(!text.contains("\"x\"") && !text.contains("secret"), "{text}");
    assert_eq!(server.stop(Signal::TERM).0, 0);
}

#[test]
fn an_address_that_cannot_be_used_ends_the_start() {
    let folder = site_folder();
    let first = Server::of(&mut barewire(&folder, &["-p", "0", "--metrics", "0", "site"]));
    let taken = address(&first).port().to_string();
    let (exit, _, said) = run(&mut barewire(&folder, &["-p", "0", "--metrics", &taken, "site"]));
    assert!(said.starts_with(&format!("barewire: port {taken} on 127.0.0.1 is already in use")), "{said}");
    assert!(exit == 3 && said.contains("\nUse another one:  barewire --metrics "), "{exit} {said}");
    let wrong = "barewire: --metrics takes a port, or an address with a port such as 192.168.1.20:9100, not \"localhost\".\n\
                 For example:  barewire --metrics 9100\n";
    assert_error(&mut barewire(&folder, &["--metrics", "localhost", "site"]), 2, wrong);
}
