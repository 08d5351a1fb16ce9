//! Methods (RFC 9110 §9): HEAD says what GET says, and methods without right are refused.

use crate::persistence::site;
use crate::support::client::{Client, ask, strong_tag};
use crate::support::server::Server;

#[test]
fn head_says_what_get_says_for_every_kind_of_target() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for target in ["/hello.txt", "/big.bin", "/list/"] {
        strong_tag_or_none(&server, target);
    }
    let old = "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    for (target, fields) in [
        ("/hello.txt", ""),
        ("/hello.txt?query", ""),
        ("/empty.txt", ""),
        ("/page.html", ""),
        ("/bare", ""),
        ("/big.bin", ""),
        ("/with/", ""),
        ("/with", ""),
        ("/list", ""),
        ("/list/", ""),
        ("/list/", "Accept: text/html\r\n"),
        ("/list/", "Accept: application/json\r\n"),
        ("/", "User-Agent: curl/8.0\r\n"),
        ("/.hidden", ""),
        ("/missing", ""),
        ("/missing", "Accept: text/html\r\n"),
        ("/missing", "Accept: application/json\r\n"),
        ("/hello.txt/below", ""),
        ("/hello.txt", "If-None-Match: *\r\n"),
        ("/hello.txt", "If-Match: \"other\"\r\n"),
        ("/hello.txt", old),
        ("/hello.txt", "Expect: more\r\n"),
    ] {
        let mut client = Client::connect(&server);
        let whole = client.get(target, fields);
        let head = client.ask("HEAD", target, fields);
        assert_eq!(head.status, whole.status, "{target} {fields}");
        assert_eq!(head.steady_fields(), whole.steady_fields(), "{target} {fields}");
        client.end();
    }
}

/// Waits for a strong ETag, where there is one: it changes once, and two heads are compared here.
fn strong_tag_or_none(server: &Server, target: &str) {
    if ask(server, "HEAD", target, "").field("etag").is_some() {
        strong_tag(server, target);
    }
}

#[test]
fn methods_without_right_are_405_with_a_true_allow() {
    let folder = site();
    let mut server = Server::start(&folder, &[]);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let answer = ask(&server, method, "/hello.txt", "Content-Length: 0\r\n");
        answer.assert_status(405);
        assert!(answer.lists("allow", "GET") && answer.lists("allow", "HEAD"), "{answer:?}");
        assert!(!answer.lists("allow", method), "{answer:?}");
    }
    let options = ask(&server, "OPTIONS", "/hello.txt", "");
    options.assert_status(204);
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(options.lists("allow", method), "{options:?}");
        assert!(ask(&server, method, "/hello.txt", "").status < 300);
    }
    let all = ask(&server, "OPTIONS", "*", "");
    all.assert_status(204);
    assert!(all.lists("allow", "GET") && all.lists("allow", "OPTIONS"), "{all:?}");
    assert_eq!(std::fs::read_to_string(folder.join("hello.txt")).unwrap(), "hello, wire\n");
    server.assert_alive();
}

#[test]
fn an_unknown_method_is_501_and_trace_reflects_nothing() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for method in ["BREW", "get", "GETX", "M-SEARCH"] {
        ask(&server, method, "/hello.txt", "").assert_status(501);
    }
    let trace = ask(&server, "TRACE", "/hello.txt", "X-Secret: hunter2\r\n");
    trace.assert_status(405);
    assert!(!trace.text().contains("hunter2"), "a reflected field is cross-site tracing");
    assert!(!trace.lists("allow", "TRACE"));
    let mut client = Client::connect(&server);
    client.send("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
    client.response("CONNECT").assert_status(405);
    client.end();
}
