//! Persistent connections and pipelining (RFC 9112 §9).

use crate::support::client::{Client, raw, request};
use crate::support::folder::Folder;
use crate::support::server::Server;

pub(crate) fn site() -> Folder {
    let folder = Folder::with(&[
        ("hello.txt", "hello, wire\n"),
        ("empty.txt", ""),
        ("page.html", "<!doctype html><title>t</title>"),
        ("with/index.html", "<!doctype html><title>index</title>"),
        ("list/a.txt", "a"),
        ("list/b.txt", "b"),
        (".hidden", "secret"),
        ("bare", "no extension"),
    ]);
    folder.pattern("big.bin", 300_000);
    folder
}

#[test]
fn a_hundred_pipelined_requests_are_answered_in_order() {
    let folder = Folder::new();
    let sizes = |i: usize| [0, 1, 17, 1_000, 9_000, 40_000][i % 6] + i;
    let contents: Vec<_> = (0..100).map(|i| folder.pattern(&format!("f{i}.bin"), sizes(i))).collect();
    let server = Server::start(&folder, &[]);
    let method = |i: usize| if i % 7 == 3 { "HEAD" } else { "GET" };
    let mut batch = Vec::new();
    for i in 0..100 {
        let missing = if i % 11 == 5 { "missing-" } else { "" };
        batch.extend(request(method(i), &format!("/{missing}f{i}.bin"), ""));
    }
    let mut client = Client::connect(&server);
    client.send(batch);
    for (i, content) in contents.iter().enumerate() {
        let answer = client.response(method(i));
        if i % 11 == 5 {
            answer.assert_status(404);
            continue;
        }
        assert_eq!(answer.assert_status(200).must("content-length"), content.len().to_string(), "request {i}");
        assert!(method(i) == "HEAD" || answer.body == *content, "request {i}");
    }
    client.end();
}

#[test]
fn one_connection_serves_hundreds_of_requests() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    for _ in 0..300 {
        assert_eq!(client.get("/hello.txt", "").text(), "hello, wire\n");
    }
    client.end();
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    client.send("GET /hello.txt HTTP/1.0\r\n\r\n");
    let answer = client.response("GET");
    assert_eq!(answer.assert_status(200).text(), "hello, wire\n");
    assert!(!answer.lists("connection", "keep-alive"));
    client.assert_ended();

    let mut client = Client::connect(&server);
    for _ in 0..3 {
        client.send("GET /hello.txt HTTP/1.0\r\nHost: localhost\r\nConnection: Keep-Alive\r\n\r\n");
        let answer = client.response("GET");
        assert!(answer.assert_status(200).lists("connection", "keep-alive"), "{answer:?}");
    }
    client.end();
}

#[test]
fn a_listing_for_http_1_0_has_no_chunks() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let answer = raw(&server, "GET /list/ HTTP/1.0\r\nAccept: text/html\r\n\r\n", "GET");
    assert!(answer.assert_status(200).field("transfer-encoding").is_none());
    assert!(answer.text().contains("a.txt"));
}

#[test]
fn connection_is_a_list_of_any_case() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for fields in ["Connection: close\r\n", "Connection: x, CLOSE\r\n", "Connection: x\r\nConnection: , Close ,\r\n"] {
        let mut client = Client::connect(&server);
        let answer = client.get("/hello.txt", fields);
        assert!(answer.lists("connection", "close"), "{fields}: {answer:?}");
        client.assert_ended();
    }
    let mut client = Client::connect(&server);
    client.get("/hello.txt", "Connection: closed, keep-alive\r\n").assert_status(200);
    client.get("/hello.txt", "").assert_status(200);
    client.end();
}

#[test]
fn a_half_closed_client_gets_its_answers() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for _ in 0..50 {
        let mut client = Client::connect(&server);
        let mut bytes = request("GET", "/hello.txt", "");
        bytes.extend(request("GET", "/list/", ""));
        bytes.extend(request("GET", "/big.bin", ""));
        client.send(bytes);
        client.half_close();
        assert_eq!(client.response("GET").text(), "hello, wire\n");
        client.response("GET").assert_status(200);
        assert_eq!(client.response("GET").body.len(), 300_000);
        client.assert_ended();
    }
    // A client that sends nothing and ends gets no response, and a clean end.
    let client = Client::connect(&server);
    client.end();
}
