//! Hosts and origins by tables: what browsers send, and what attackers make them send.

use crate::service::access::origin::*;
use crate::service::testing::{asked, request};

/// A server named `Tower`, started with two `--host`.
fn hosts() -> Hosts {
    Hosts::new(true, &["Files.Example.".into(), "[2001:db8::1]".into()], Some("Tower"))
}

#[test]
fn no_name_that_a_stranger_can_point_here_is_answered() {
    for (authority, allowed) in [
        // Addresses, as they are.
        ("127.0.0.1", true),
        ("127.0.0.1:8080", true),
        ("127.0.0.1.", true),
        ("192.168.1.20:8080", true),
        ("0.0.0.0", true),
        ("203.0.113.9", true),
        ("[::1]", true),
        ("[::1]:8080", true),
        ("[0:0:0:0:0:0:0:1]", true),
        ("[::ffff:127.0.0.1]:1", true),
        ("[2001:DB8::2]", true),
        // What only looks like one: a name, or what browsers would have rewritten.
        ("127.1", false),
        ("0x7f.1", false),
        ("0x7f000001", false),
        ("2130706433", false),
        ("0177.0.0.1", false),
        ("127.0.0.01", false),
        ("127.0.0.1.evil.test", false),
        ("127.0.0.1..", false),
        ("1.2.3.4.5", false),
        ("127.0.0.256", false),
        ("%31%32%37.0.0.1", false),
        // localhost and names below it, in any case, with the dot of a full name.
        ("localhost", true),
        ("localhost:8080", true),
        ("localhost:", true),
        ("LocalHost", true),
        ("localhost.", true),
        ("localhost.:8080", true),
        ("app.localhost", true),
        ("a.b.LOCALHOST:99", true),
        ("a.localhost.", true),
        ("localhost..", false),
        (".localhost", false),
        ("a..localhost", false),
        ("localhost.evil.test", false),
        ("evil.localhost.test", false),
        ("notlocalhost", false),
        ("localhost.localdomain", false),
        ("localhost.local", false),
        ("%6cocalhost", false),
        ("localhos", false),
        // This computer's name.
        ("tower", true),
        ("TOWER:8080", true),
        ("tower.local", true),
        ("Tower.Local.", true),
        ("tower.example", false),
        ("a.tower", false),
        ("tower.local.evil.test", false),
        ("local", false),
        (".local", false),
        // What --host says, whole.
        ("files.example", true),
        ("FILES.EXAMPLE:443", true),
        ("files.example.", true),
        ("a.files.example", false),
        ("files.example.evil.test", false),
        ("xfiles.example", false),
        ("files.exampl", false),
        // All the others.
        ("evil.test", false),
        ("evil.test:8080", false),
        ("", false),
        (".", false),
        (":8080", false),
        ("*", false),
        ("xn--lcalhost-n1a", false),
    ] {
        assert_eq!(hosts().allow(Some(authority.as_bytes())), allowed, "{authority:?}");
    }
}

#[test]
fn a_client_without_a_name_passes_since_no_browser_sends_such() {
    assert!(hosts().allow(None));
    let old = request(b"GET / HTTP/1.0\r\n\r\n");
    assert!(hosts().allow(old.authority()));
}

#[test]
fn the_target_says_whom_the_request_is_for_and_host_cannot_hide_it() {
    let check = |head: &str, allowed| {
        let request = request(format!("{head}\r\n\r\n").as_bytes());
        assert_eq!(hosts().allow(request.authority()), allowed, "{head}");
    };
    check("GET http://evil.test/ HTTP/1.1\r\nHost: localhost", false);
    check("GET http://localhost/ HTTP/1.1\r\nHost: evil.test", true);
    check("GET http://evil.test HTTP/1.0", false);
    check("GET / HTTP/1.1\r\nHost: evil.test", false);
    check("GET / HTTP/1.0\r\nHost: evil.test", false);
    check("OPTIONS * HTTP/1.1\r\nHost: evil.test", false);
    check("CONNECT localhost:80 HTTP/1.1\r\nHost: evil.test", false);
}

#[test]
fn a_list_that_is_not_enforced_or_has_a_star_lets_everybody_in() {
    for hosts in [Hosts::default(), Hosts::new(false, &["a".into()], None), Hosts::new(true, &["*".into()], None)] {
        assert!(hosts.allow(Some(b"evil.test")));
    }
    assert!(!Hosts::new(true, &[], None).allow(Some(b"tower")));
    // A machine whose name is no name that a browser sends has none.
    assert!(!Hosts::new(true, &[], Some("")).allow(Some(b"")));
    assert!(!Hosts::new(true, &[], Some("")).allow(Some(b".local")));
    assert!(Hosts::new(true, &[], Some("box.local")).allow(Some(b"box")));
}

#[test]
fn a_mistyped_host_option_does_not_stay_silent() {
    for (typed, name) in [
        ("*", Some("*")),
        ("Example.ORG", Some("example.org")),
        ("example.org.", Some("example.org")),
        ("my_box", Some("my_box")),
        ("192.0.2.1", Some("192.0.2.1")),
        ("[::1]", Some("[::1]")),
        ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("example.org:8080", None),
        ("example.org:", None),
        ("http://example.org", None),
        ("example.org/", None),
        ("*.example.org", None),
        (".example.org", None),
        ("a..b", None),
        ("bücher.example", None),
        ("a b", None),
        ("a;reboot", None),
        ("$(reboot)", None),
        ("::1", None),
        ("", None),
        (".", None),
    ] {
        assert_eq!(host_name(typed).as_deref(), name, "{typed:?}");
    }
}

/// What becomes of a POST with these field lines to this Host.
fn written(host: &str, fields: &str, cors: Option<&str>) -> Option<Foreign> {
    let head = format!("POST /x HTTP/1.1\r\n{host}{fields}\r\n");
    Writes::new(cors.map(str::to_string)).refuse(&request(head.as_bytes()))
}

#[test]
fn a_write_needs_a_page_of_this_server_or_no_page_at_all() {
    use Foreign::{Origin, Site, Unclear};
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
        // Behind a proxy that speaks TLS.
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
fn a_page_cannot_write_to_a_server_that_has_no_name_to_compare() {
    let head = b"POST /x HTTP/1.0\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(Writes::default().refuse(&request(head)), Some(Foreign::Origin));
    assert_eq!(Writes::default().refuse(&request(b"POST /x HTTP/1.0\r\n\r\n")), None);
}

#[test]
fn origin_is_compared_with_the_host_the_request_is_really_for() {
    let head = b"PUT http://h/x HTTP/1.1\r\nHost: evil.test\r\nOrigin: http://evil.test\r\n\r\n";
    assert_eq!(Writes::default().refuse(&request(head)), Some(Foreign::Origin));
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
        assert_eq!(Writes::default().refuse(&request).is_some(), foreign, "{method}");
    }
}

#[test]
fn a_star_lets_everybody_read_and_nobody_write() {
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
