//! One exchange after the other: methods, persistence, pipelining, hosts (RFC 9110 §9, RFC 9112 §3, §9).

use crate::client::{Client, ask, get, raw, request};
use crate::server::{Folder, Server};

/// Waits until the tag of this file is strong: it is weak while the file is very young.
#[track_caller]
pub(crate) fn strong_tag(server: &Server, target: &str) -> String {
    let end = std::time::Instant::now() + crate::client::PATIENCE;
    loop {
        let tag = ask(server, "HEAD", target, "").assert_status(200).must("etag").to_string();
        if !tag.starts_with("W/") {
            return tag;
        }
        assert!(std::time::Instant::now() < end, "{target}: the tag stays weak");
    }
}

fn site() -> Folder {
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

/// A listing may have no validator at all; a file's must settle before two heads can be compared.
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
fn a_method_nobody_knows_is_501_and_trace_reflects_nothing() {
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
fn a_refused_upload_hears_405_and_no_100() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for method in ["PUT", "POST"] {
        let mut client = Client::connect(&server);
        client.send(request(method, "/hello.txt", "Content-Length: 1000000\r\nExpect: 100-continue\r\n"));
        // The reader would take an interim response for the answer: a 100 fails here.
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
    // Nothing said at all, and the end: no answer, a clean end.
    let client = Client::connect(&server);
    client.end();
}

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
fn what_the_rfc_tells_a_server_to_accept_is_accepted() {
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
        "GET //hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] {
        let answer = raw(&server, bytes, "GET");
        if bytes.contains("//hello.txt") && answer.status != 200 {
            // Repeated slashes may be collapsed by a redirect, or name nothing; never another file.
            assert!(matches!(answer.status, 308 | 404), "{bytes:?}: {answer:?}");
            continue;
        }
        assert_eq!(answer.assert_status(200).text(), "hello, wire\n", "{bytes:?}");
    }
}

#[test]
fn every_valid_host_of_this_machine_is_answered() {
    let folder = site();
    let server = Server::start(&folder, &[]);
    for host in ["localhost", "LOCALHOST:99", "a.localhost", "127.0.0.1", "127.0.0.1:1", "[::1]", "192.0.2.7:80"] {
        let bytes = format!("GET /hello.txt HTTP/1.1\r\nHost: {host}\r\n\r\n");
        raw(&server, bytes, "GET").assert_status(200);
    }
    let bytes = "GET http://localhost/hello.txt HTTP/1.1\r\nHost: [::1]\r\n\r\n";
    raw(&server, bytes, "GET").assert_status(200);
}
