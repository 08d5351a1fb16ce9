//! A refusal reaches the client, though it still sends content (RFC 9112 §9.6).

use crate::persistence::site;
use crate::support::client::{Client, get, request};
use crate::support::server::Server;

#[test]
fn a_refused_upload_hears_405_and_no_100() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for method in ["PUT", "POST"] {
        let mut client = Client::connect(&server);
        client.send(request(method, "/hello.txt", "Content-Length: 1000000\r\nExpect: 100-continue\r\n"));
        // The reader would take an interim response for the final one, so a 100 fails here.
        let answer = client.response(method);
        assert!(answer.assert_status(405).lists("connection", "close"), "{answer:?}");
        client.assert_ended();
    }
    get(&server, "/hello.txt", "Expect: a-miracle\r\n").assert_status(417);
}

#[test]
fn a_refusal_is_readable_while_the_client_still_sends() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for (size, piece) in [(1_000_000, 1_000), (8_000_000, 64 * 1024)] {
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/hello.txt", &format!("Content-Length: {size}\r\n")));
        let block = vec![b'x'; piece];
        for _ in 0..size / piece {
            client.send(&block);
        }
        client.half_close();
        client.response("PUT").assert_status(405);
        client.assert_ended();
    }
}

#[test]
fn short_unwanted_content_is_read_past_and_the_connection_goes_on() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    let mut bytes = request("POST", "/hello.txt", "Content-Length: 26\r\n");
    // Content that looks like a request must not become one.
    bytes.extend(b"GET /page.html HTTP/1.1\r\n\r\n"[..26].iter());
    bytes.extend(request("GET", "/bare", ""));
    client.send(bytes);
    client.response("POST").assert_status(405);
    assert_eq!(client.response("GET").text(), "no extension");
    client.end();
}
