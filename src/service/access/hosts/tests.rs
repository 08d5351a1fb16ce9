//! Hosts by tables: those that browsers send, and those that attackers make them send.

use crate::service::access::hosts::*;
use crate::service::testing::request;

/// A server named `Tower`, started with two `--host`.
fn hosts() -> Hosts {
    Hosts::new(true, &["Files.Example.".into(), "[2001:db8::1]".into()], Some("Tower"))
}

#[test]
fn a_name_that_a_stranger_can_make_lead_here_is_never_allowed() {
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
fn a_request_without_a_host_is_allowed_since_no_browser_sends_one() {
    assert!(hosts().allow(None));
    let old = request(b"GET / HTTP/1.0\r\n\r\n");
    assert!(hosts().allow(old.authority()));
}

#[test]
fn the_target_says_which_host_the_request_is_for_and_the_host_field_cannot_hide_it() {
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
fn a_list_that_is_not_enforced_or_has_a_star_allows_every_host() {
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
