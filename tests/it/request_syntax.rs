//! Requests in every lawful form, and cut anywhere.

use crate::persistence::site;
use crate::support::client::{Client, raw, request};
use crate::support::server::Server;

#[test]
fn a_request_may_come_byte_by_byte_and_be_cut_anywhere() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    let bytes = request("GET", "/hello.txt", "Accept: text/plain\r\nX-Padding: abcdefghij\r\n");
    let mut client = Client::connect(&server);
    for byte in &bytes {
        client.send([*byte]);
    }
    assert_eq!(client.response("GET").text(), "hello, wire\n");
    for cut in 1..bytes.len() {
        client.send(&bytes[..cut]);
        client.send(&bytes[cut..]);
        assert_eq!(client.response("GET").text(), "hello, wire\n", "cut at {cut}");
    }
    client.end();
}

#[test]
fn every_form_that_the_rfc_tells_a_server_to_accept_is_accepted() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for bytes in [
        "\r\nGET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hello.txt HTTP/1.1\r\nhOsT:localhost\r\n\r\n",
        "GET /hello.txt HTTP/1.1\r\nHost: \t localhost \t\r\n\r\n",
        "GET /hello.txt HTTP/1.7\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET HTTP://LOCALHOST:1/hello.txt?x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /hell%6F.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /./hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /dir/../hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /none/%2e%2E/%2e/hello.txt?a=/../b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/dir/../hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /.//hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET //hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = raw(&server, bytes, "GET");
        if bytes.contains("//hello.txt") && answer.status != 200 {
            // Repeated slashes may be collapsed by a redirect, or name nothing. They never name another file.
            assert!(matches!(answer.status, 301 | 404), "{bytes:?}: {answer:?}");
            continue;
        }
        assert_eq!(answer.assert_status(200).text(), "hello, wire\n", "{bytes:?}");
    }
}
