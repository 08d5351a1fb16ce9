//! `--trust`: who the client of a proxy is, in the log, for the limits, and for what only this computer may see.
//!
//! The rules for the fields and for the bytes of a PROXY header are tested beside their source, in
//! `src/service/access`. Here the real program is tested. Every peer is on loopback: 127.0.0.1 is the trusted proxy,
//! and 127.0.0.2 any other client.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::support::client::{Client, Ending, get, request};
use crate::support::folder::{Folder, small_site};
use crate::support::server::Server;
use crate::support::until;

const TRUST: [&str; 2] = ["--trust", "127.0.0.1"];
const PROXY: [&str; 3] = ["--trust", "127.0.0.1", "--proxy-protocol"];

/// A connection from this address of loopback.
fn from(address: [u8; 4], server: &Server) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::from(address), 0)).into()).unwrap();
    socket.connect(&server.address.into()).unwrap();
    Client::of(socket.into())
}

/// A header of version 2 for a client at this address.
fn v2(client: [u8; 4]) -> Vec<u8> {
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &client, &[10, 0, 0, 1, 0xc3, 0xcb, 0, 80]].concat()
}

/// Who the line of the log about this target is about.
fn logged(server: &Server, target: &str) -> String {
    server.log().line(&format!("{target} ")).split(' ').next().unwrap().to_string()
}

#[test]
fn the_log_names_the_client_that_a_trusted_proxy_names_and_believes_no_other() {
    let folder = small_site();
    let both = "X-Forwarded-For: 203.0.113.9, 192.0.2.7\r\nForwarded: for=203.0.113.8, for=192.0.2.8\r\n";
    for (arguments, expected) in [
        (&[][..], "127.0.0.1"),
        (&TRUST, "192.0.2.7"),
        (&["--trust", "127.0.0.0/8", "--trust-field", "x-forwarded-for"], "192.0.2.7"),
        (&["--trust", "127.0.0.1", "--trust-field", "forwarded"], "192.0.2.8"),
        (&["--trust", "192.0.2.7", "--trust", "127.0.0.1"], "203.0.113.9"),
        (&["--trust", "127.0.0.2"], "127.0.0.1"),
        (&["--trust", "::1"], "127.0.0.1"),
    ] {
        let server = Server::start(&folder, arguments);
        get(&server, "/a.txt", both).assert_status(200);
        assert_eq!(logged(&server, "/a.txt"), expected, "{arguments:?}");
        // The next request of the same connection is from another client, and the one after it does not say.
        let mut client = Client::connect(&server);
        client.get("/first", both);
        client.get("/second", "X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.1\r\n");
        client.get("/third", "");
        client.end();
        assert_eq!(logged(&server, "/first"), expected, "{arguments:?}");
        let second = if expected == "127.0.0.1" { expected } else { "198.51.100.1" };
        assert_eq!(logged(&server, "/second"), second, "{arguments:?}");
        assert_eq!(logged(&server, "/third"), "127.0.0.1", "{arguments:?}");
    }
    let server = Server::start(&folder, &TRUST);
    let mut stranger = from([127, 0, 0, 2], &server);
    stranger.get("/a.txt", both).assert_status(200);
    stranger.end();
    assert_eq!(logged(&server, "/a.txt"), "127.0.0.2");
}

#[test]
fn a_client_behind_a_proxy_has_its_own_limit_of_requests_at_once() {
    let folder = small_site();
    let server = Server::start(&folder, &["--trust", "127.0.0.1", "--max-per-client", "1", "--upload"]);
    let of = |client: &str| format!("X-Forwarded-For: {client}\r\n");
    // An upload that is under way, on one connection of the proxy.
    let mut busy = Client::connect(&server);
    busy.send(request("PUT", "/new.txt", &format!("{}Content-Length: 4\r\nExpect: 100-continue\r\n", of("192.0.2.7"))));
    busy.take_until(b"100 Continue\r\n\r\n");
    let mut proxy = Client::connect(&server);
    let refused = proxy.get("/a.txt", &of("192.0.2.7"));
    assert!(refused.assert_status(503).field("retry-after").is_some());
    // The connection stays: the proxy uses it for others.
    proxy.get("/a.txt", &of("192.0.2.8")).assert_status(200);
    proxy.get("/a.txt", &of("192.0.2.8")).assert_status(200);
    proxy.get("/a.txt", "").assert_status(200);
    busy.send("done");
    busy.response("PUT").assert_status(201);
    proxy.get("/a.txt", &of("192.0.2.7")).assert_status(200);
    // Connections that wait for a next request are used by no client.
    busy.get("/a.txt", &of("192.0.2.7")).assert_status(200);
    proxy.get("/a.txt", &of("192.0.2.7")).assert_status(200);
    // A client that leaves in the middle is not counted any more.
    busy.send(request("PUT", "/b.txt", &format!("{}Content-Length: 4\r\nExpect: 100-continue\r\n", of("192.0.2.9"))));
    busy.take_until(b"100 Continue\r\n\r\n");
    proxy.get("/a.txt", &of("192.0.2.9")).assert_status(503);
    busy.reset_when_dropped();
    drop(busy);
    until("the client is counted no more", || proxy.get("/a.txt", &of("192.0.2.9")).status == 200);
    proxy.end();
}

#[test]
fn a_proxy_header_names_the_client_wherever_it_is_cut() {
    let folder = small_site();
    // One loop takes what has come in its order: what a later connection has sent shows that the first part was read.
    let server = Server::start(&folder, &["--trust", "127.0.0.1", "--proxy-protocol", "--loops", "1"]);
    for (version, header) in [(1, b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n".to_vec()), (2, v2([192, 0, 2, 7]))] {
        let ask = |cut: usize| request("GET", &format!("/v{version}-{cut}"), "X-Forwarded-For: 203.0.113.9\r\n");
        for cut in 0..=header.len() {
            let mut client = Client::connect(&server);
            client.send(&header[..cut]);
            let mut other = Client::connect(&server);
            other.send([&header[..], &request("GET", "/a.txt", "")].concat());
            other.response("GET").assert_status(200);
            other.end();
            client.send([&header[cut..], &ask(cut)].concat());
            client.response("GET").assert_status(404);
            // The header stands once, before the first request.
            client.get("/a.txt", "").assert_status(200);
            client.end();
            assert_eq!(logged(&server, &format!("/v{version}-{cut}")), "192.0.2.7");
        }
    }
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut client = Client::connect(&server);
        client.send([header, &request("GET", "/nobody", "X-Forwarded-For: 203.0.113.9\r\n")].concat());
        client.response("GET").assert_status(404);
        client.end();
        assert_eq!(logged(&server, "/nobody"), "127.0.0.1");
    }
}

#[test]
fn a_proxy_header_is_required_of_a_trusted_proxy_and_refused_from_all_others() {
    let folder = small_site();
    let server = Server::start(&folder, &PROXY);
    let plain = request("GET", "/a.txt", "");
    for bytes in [&plain[..], b"PROXY TCP4 192.0.2.7 10.0.0.1\r\n", b"\x16\x03\x01"] {
        let mut client = Client::connect(&server);
        client.send(bytes);
        let answer = client.response("GET");
        assert!(answer.assert_status(400).text().contains("PROXY header"), "{answer:?}");
        client.end();
    }
    server.err.line("a trusted proxy did not begin with a valid PROXY header");
    for header in [b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n".to_vec(), v2([192, 0, 2, 7])] {
        let mut stranger = from([127, 0, 0, 2], &server);
        stranger.send([&header[..], &plain].concat());
        stranger.response("GET").assert_status(400);
        stranger.end();
    }
    server.err.line("127.0.0.2:");
    server.err.line("the client sent a PROXY header, but it is no trusted proxy");
    // A client that is no proxy is served as ever.
    let mut stranger = from([127, 0, 0, 2], &server);
    stranger.get("/a.txt", "").assert_status(200);
    stranger.end();
    let log = server.log().so_far();
    assert!(!log.lines().any(|line| line.starts_with("192.0.2.7")), "believed: {log}");
}

#[test]
fn a_second_proxy_header_is_no_request_and_its_proxy_is_not_called_a_stranger() {
    let folder = small_site();
    let server = Server::start(&folder, &PROXY);
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n";
    let mut proxy = Client::connect(&server);
    proxy.send([&header[..], header, &request("GET", "/a.txt", "")].concat());
    proxy.response("GET").assert_status(400);
    proxy.end();
    // A line that comes after the one which must not come.
    let mut proxy = Client::connect(&server);
    proxy.send(request("GET", "/a.txt", ""));
    proxy.response("GET").assert_status(400);
    server.err.line("a trusted proxy did not begin with a valid PROXY header");
    assert!(!server.err.so_far().contains("it is no trusted proxy"), "{}", server.err.so_far());
}

#[test]
fn a_proxy_header_has_the_time_of_a_head() {
    let folder = small_site();
    let server = Server::start(&folder, &[&PROXY[..], &["--head-timeout", "100ms"]].concat());
    let mut client = Client::connect(&server);
    client.send("PROXY TCP4 192.0.2.7");
    assert_eq!(client.rest(), (Vec::new(), Ending::Fin));
}

#[test]
fn a_client_in_a_proxy_header_counts_for_its_limit_until_its_connection_ends() {
    let folder = small_site();
    let server = Server::start(&folder, &[&PROXY[..], &["--max-per-client", "1"]].concat());
    let connect = |address: [u8; 4]| {
        let mut client = Client::connect(&server);
        client.send([v2(address), request("GET", "/a.txt", "")].concat());
        client
    };
    let mut first = connect([192, 0, 2, 7]);
    first.response("GET").assert_status(200);
    let mut second = connect([192, 0, 2, 7]);
    assert!(second.response("GET").assert_status(503).field("retry-after").is_some());
    second.end();
    let mut other = connect([192, 0, 2, 8]);
    other.response("GET").assert_status(200);
    first.end();
    let mut third = connect([192, 0, 2, 7]);
    third.response("GET").assert_status(200);
}

#[test]
fn only_a_program_on_this_computer_without_a_proxy_learns_which_option_would_help() {
    let folder: Folder = small_site();
    let says_option = |arguments: &[&str], header: &[u8], fields: &str| {
        let server = Server::start(&folder, arguments);
        let mut client = Client::connect(&server);
        client.send([header, &request("DELETE", "/a.txt", fields)].concat());
        let answer = client.response("DELETE");
        client.end();
        answer.assert_status(405).text().contains("--delete")
    };
    assert!(says_option(&[], b"", ""));
    assert!(says_option(&TRUST, b"", ""));
    for field in ["X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "Forwarded: for=127.0.0.1", "Via: 1.1 a"] {
        for arguments in [&[][..], &TRUST] {
            assert!(!says_option(arguments, b"", &format!("{field}\r\n")), "{field} {arguments:?}");
        }
    }
    assert!(!says_option(&PROXY, b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", ""));
    assert!(!says_option(&PROXY, b"PROXY UNKNOWN\r\n", ""));
}

#[test]
fn the_wire_view_shows_a_proxy_header_before_the_request_and_calls_nothing_broken() {
    let folder = small_site();
    let server = Server::start(&folder, &[&PROXY[..], &["--wire=json"]].concat());
    let header = b"PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n";
    let mut client = Client::connect(&server);
    client.send([&header[..], &request("GET", "/a.txt", "")].concat());
    client.response("GET").assert_status(200);
    client.end();
    server.log().line("\"closed\"");
    let text = server.log().so_far();
    let events: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = |name: &str| events.iter().position(|event| event["event"] == name).expect(name);
    let (preamble, asked) = (&events[at("proxy-header")], &events[at("request")]);
    assert!(at("proxy-header") < at("request"));
    assert_eq!((&preamble["bytes"], &asked["exchange"]), (&header.len().into(), &"1.1".into()), "{preamble} {asked}");
    assert!(preamble.to_string().contains("PROXY header"), "{preamble}");
    assert!(events.iter().all(|event| event["broken"].is_null()), "{text}");
    // The recv() has brought one request, and something else.
    assert_eq!((&events[at("recv")]["requests"], &asked["seam"]), (&1.into(), &serde_json::Value::Null), "{text}");
    assert_eq!(events[at("closed")]["unread"], 0);
}
