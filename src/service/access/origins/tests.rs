//! Writes by a table: what browsers send, and what attackers make them send.

use crate::http::Method;
use crate::service::access::origins::*;
use crate::service::testing::{asked, request};

/// What becomes of a POST with these field lines to this Host.
fn written(host: &str, fields: &str, cors: Option<&str>) -> Option<ForeignWrite> {
    let head = format!("POST /x HTTP/1.1\r\n{host}{fields}\r\n");
    let cors = cors.map(|origin| Cors::new(origin, &Method::ALL));
    foreign_write(&request(head.as_bytes()), cors.as_ref())
}

#[test]
fn a_write_needs_a_page_of_this_server_or_no_page_at_all() {
    use ForeignWrite::{Origin, Site, Unclear};
    for (host, fields, expected) in [
        // No page: curl.
        ("localhost", "", None),
        ("localhost", "Referer: http://evil.test/\r\n", None),
        // The browser says itself where the page is from; then Origin adds nothing.
        ("localhost", "Sec-Fetch-Site: same-origin\r\n", None),
        ("localhost", "Sec-Fetch-Site: same-origin\r\nOrigin: http://localhost\r\n", None),
        ("localhost", "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n", None),
        ("localhost", "Sec-Fetch-Site: none\r\n", None),
        ("localhost", "sec-fetch-site:\t same-origin \r\n", None),
        ("localhost", "Sec-Fetch-Site: cross-site\r\n", Some(Site)),
        ("localhost", "Sec-Fetch-Site: same-site\r\n", Some(Site)),
        ("localhost", "Sec-Fetch-Site: cross-site\r\nOrigin: http://localhost\r\n", Some(Site)),
        ("localhost:1", "Sec-Fetch-Site: same-site\r\nOrigin: http://localhost:2\r\n", Some(Site)),
        ("localhost", "Sec-Fetch-Site: cross-site\r\nOrigin: null\r\n", Some(Site)),
        ("localhost", "Sec-Fetch-Site: Same-Origin\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: same-origin, none\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: same-origin;x\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: future-site\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site:\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: same-origin\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: none\r\n", Some(Unclear)),
        ("localhost", "Sec-Fetch-Site: none\r\nOrigin: http://localhost\r\nOrigin: http://a\r\n", Some(Unclear)),
        // On a LAN, and of older browsers, only Origin.
        ("192.168.1.20:8080", "Origin: http://192.168.1.20:8080\r\n", None),
        ("localhost:8080", "Origin: http://LOCALHOST:8080\r\n", None),
        ("Localhost:8080", "origin: http://localhost:8080\r\n", None),
        ("[::1]:8080", "Origin: http://[::1]:8080\r\n", None),
        ("h", "Origin: http://h\r\n", None),
        ("h:80", "Origin: http://h\r\n", None),
        ("h:", "Origin: http://h\r\n", None),
        ("h", "Origin: http://h:80\r\n", None),
        ("h:080", "Origin: http://h\r\n", None),
        // With a proxy in front that speaks TLS.
        ("h", "Origin: https://h\r\n", None),
        ("h:443", "Origin: https://h\r\n", None),
        ("h:8443", "Origin: https://h:8443\r\n", None),
        // Another port, another host.
        ("h:443", "Origin: http://h\r\n", Some(Origin)),
        ("h:80", "Origin: https://h\r\n", Some(Origin)),
        ("h:8080", "Origin: http://h:8081\r\n", Some(Origin)),
        ("h:8080", "Origin: http://h\r\n", Some(Origin)),
        ("h", "Origin: http://h:8080\r\n", Some(Origin)),
        ("h", "Origin: http://evil.example\r\n", Some(Origin)),
        ("h.test", "Origin: http://h.test.evil.example\r\n", Some(Origin)),
        ("h.test", "Origin: http://evil-h.test\r\n", Some(Origin)),
        ("h.test", "Origin: http://a.h.test\r\n", Some(Origin)),
        ("127.0.0.1:8080", "Origin: http://localhost:8080\r\n", Some(Origin)),
        ("[::1]", "Origin: http://[::2]\r\n", Some(Origin)),
        // No origin of a page over HTTP.
        ("h", "Origin: null\r\n", Some(Origin)),
        ("null", "Origin: null\r\n", Some(Origin)),
        ("h", "Origin: file://\r\n", Some(Origin)),
        ("h", "Origin: file://h\r\n", Some(Origin)),
        ("h", "Origin: chrome-extension://h\r\n", Some(Origin)),
        ("h", "Origin: HTTP://h\r\n", Some(Origin)),
        ("h", "Origin:\r\n", Some(Origin)),
        ("h", "Origin: h\r\n", Some(Origin)),
        ("h", "Origin: //h\r\n", Some(Origin)),
        ("h", "Origin: http://\r\n", Some(Origin)),
        ("h", "Origin: http://:80\r\n", Some(Origin)),
        ("", "Origin: http://\r\n", Some(Origin)),
        ("h", "Origin: http://h/\r\n", Some(Origin)),
        ("h", "Origin: http://h/a/path\r\n", Some(Origin)),
        ("h", "Origin: http://h?x\r\n", Some(Origin)),
        ("h", "Origin: http://h@evil.test\r\n", Some(Origin)),
        ("h", "Origin: http://evil.test@h\r\n", Some(Origin)),
        ("h", "Origin: http://h:99999\r\n", Some(Origin)),
        ("h", "Origin: http://h:080\r\n", Some(Origin)),
        ("h:8080", "Origin: http://h:08080\r\n", Some(Origin)),
        ("h:08080", "Origin: http://h:08080\r\n", Some(Origin)),
        ("[::1]:8080", "Origin: http://[::1]:008080\r\n", Some(Origin)),
        ("h:0", "Origin: http://h:0\r\n", Some(Origin)),
        ("h", "Origin: http://h:\r\n", Some(Origin)),
        ("h:08080", "Origin: http://h:8080\r\n", None),
        ("h", "Origin: http://h, http://h\r\n", Some(Origin)),
        ("h", "Origin: http://h http://evil.test\r\n", Some(Origin)),
        ("h", "Origin: http://evil.test http://h\r\n", Some(Origin)),
        ("h", "Origin: http://h\r\nOrigin: http://h\r\n", Some(Unclear)),
        ("h", "Origin: http://h\r\nOrigin: http://evil.test\r\n", Some(Unclear)),
    ] {
        assert_eq!(written(&format!("Host: {host}\r\n"), fields, None), expected, "{host:?} {fields:?}");
    }
}

#[test]
fn a_page_cannot_write_when_there_is_no_host_to_compare() {
    let head = b"POST /x HTTP/1.0\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(foreign_write(&request(head), None), Some(ForeignWrite::Origin));
    assert_eq!(foreign_write(&request(b"POST /x HTTP/1.0\r\n\r\n"), None), None);
}

#[test]
fn origin_is_compared_with_the_host_the_request_is_really_for() {
    let head = b"PUT http://h/x HTTP/1.1\r\nHost: evil.test\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(foreign_write(&request(head), None), Some(ForeignWrite::Origin));
}

#[test]
fn only_unsafe_methods_are_writes_and_every_one_of_them_is() {
    let fields = "Sec-Fetch-Site: cross-site\r\nOrigin: http://evil.test\r\n";
    for (method, foreign) in [
        ("GET", false),
        ("HEAD", false),
        ("OPTIONS", false),
        ("TRACE", false),
        ("POST", true),
        ("PUT", true),
        ("DELETE", true),
        ("PATCH", true),
        ("PROPFIND", true),
        ("post", true),
    ] {
        let request = asked(&format!("{method} /x"), fields);
        assert_eq!(!request.method().is_safe() && foreign_write(&request, None).is_some(), foreign, "{method}");
    }
}

#[test]
fn a_star_allows_every_page_to_read_and_none_to_write() {
    let host = "Host: h\r\n";
    let page = "http://app.example";
    for (cors, fields, allowed) in [
        (Some("*"), format!("Origin: {page}\r\n"), false),
        (Some("*"), "Origin: *\r\n".into(), false),
        (Some("*"), "Origin: null\r\n".into(), false),
        (Some("*"), format!("Sec-Fetch-Site: cross-site\r\nOrigin: {page}\r\n"), false),
        (Some(page), format!("Origin: {page}\r\n"), true),
        (Some(page), "Origin: HTTP://App.Example\r\n".into(), true),
        (Some(page), format!("Sec-Fetch-Site: cross-site\r\nOrigin: {page}\r\n"), true),
        (Some(page), format!("Sec-Fetch-Site: same-site\r\nOrigin: {page}\r\n"), true),
        (Some(page), "Sec-Fetch-Site: cross-site\r\n".into(), false),
        (Some(page), format!("Origin: {page}.evil.test\r\n"), false),
        (Some(page), "Origin: https://app.example\r\n".into(), false),
        (Some(page), format!("Origin: {page}:8080\r\n"), false),
        (Some(page), "Origin: null\r\n".into(), false),
        (Some(page), format!("Origin: {page}\r\nOrigin: {page}\r\n"), false),
        (Some(page), format!("Sec-Fetch-Site: odd\r\nOrigin: {page}\r\n"), false),
        (Some(page), "Origin: http://h\r\n".into(), true),
        (Some("null"), "Origin: http://evil.test\r\n".into(), false),
    ] {
        assert_eq!(written(host, &fields, cors).is_none(), allowed, "{cors:?} {fields:?}");
    }
}

const EVERY: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options];

fn shown(response: &Response) -> String {
    String::from_utf8_lossy(response.fields().bytes()).replace("\r\n", "|")
}

#[test]
fn a_preflight_is_answered_to_allowed_origins_only() {
    let ask = |fields: &str| request(format!("OPTIONS /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    let full = ask("Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n");
    let all = Cors::new("*", &EVERY);
    let one = Cors::new("https://a.example", &EVERY);
    assert_eq!(
        shown(&all.preflight(&full).unwrap()),
        "Access-Control-Allow-Methods: GET, HEAD|Access-Control-Allow-Headers: *|Access-Control-Max-Age: 600|"
    );
    let named = shown(&one.preflight(&full).unwrap());
    assert!(named.contains("Allow-Headers: Authorization, *|"), "{named}");
    assert!(named.contains("Allow-Methods: GET, HEAD, POST, PUT, DELETE|"), "{named}");
    let reading = Cors::new("https://a.example", &[Method::Get, Method::Head, Method::Options]);
    assert!(shown(&reading.preflight(&full).unwrap()).contains("Allow-Methods: GET, HEAD|"));
    assert!(Cors::new("https://b.example", &EVERY).preflight(&full).is_none());
    assert!(Cors::new("http://a.example", &EVERY).preflight(&full).is_none());
    assert!(all.preflight(&ask("Origin: https://a.example\r\n")).is_none(), "no preflight, an ordinary OPTIONS");
    assert!(all.preflight(&ask("Access-Control-Request-Method: GET\r\n")).is_none());
    let get = request(
        b"GET /x HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    );
    assert!(all.preflight(&get).is_none());
}

#[test]
fn only_a_preflight_of_an_allowed_page_goes_without_credentials() {
    let page = "http://app.example";
    let full = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
    for (cors, line, fields, is_one) in [
        (Some(page), "OPTIONS /x", full, true),
        (Some("*"), "OPTIONS /x", full, true),
        (Some("http://b.example"), "OPTIONS /x", full, false),
        (Some(page), "GET /x", full, false),
        (Some(page), "PUT /x", full, false),
        (Some(page), "OPTIONS /x", "Origin: http://app.example\r\n", false),
        (Some(page), "OPTIONS /x", "Access-Control-Request-Method: PUT\r\n", false),
        (
            Some(page),
            "OPTIONS /x",
            "Origin: http://app.example\r\nOrigin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n",
            false,
        ),
    ] {
        let cors = cors.unwrap_or_default();
        assert_eq!(
            Cors::new(cors, &EVERY).preflight(&asked(line, fields)).is_some(),
            is_one,
            "{cors:?} {line} {fields:?}"
        );
    }
}
