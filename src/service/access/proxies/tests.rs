//! Tables of what proxies and clients send, and who the client is.

use super::*;
use crate::service::testing::asked;

/// 10.0.0.0/8, fd00::/8 and loopback are trusted.
fn trusted(source: ClientSource) -> TrustedProxies {
    let networks = ["10.0.0.0/8", "fd00::/8", "127.0.0.1/32"].map(|network| network.parse().unwrap());
    TrustedProxies::new(networks.into(), source)
}

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// Who a request of this peer with these field lines is from: `192.0.2.7`, `one of 10.0.0.1`, or `the peer`.
fn client(source: ClientSource, peer: &str, fields: &str) -> String {
    match trusted(source).client_of(at(peer), &asked("GET /", fields)) {
        Some(Client::OfProxy(address)) => address.to_string(),
        Some(Client::Unnamed(address)) => format!("one of {address}"),
        Some(Client::Peer(_)) | None => "the peer".into(),
    }
}

#[test]
fn the_client_in_x_forwarded_for_is_the_last_address_that_is_not_trusted() {
    for (value, expected) in [
        ("192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:50123", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        // What stands before it is the client's own word.
        ("8.8.8.8, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.9, 192.0.2.7", "192.0.2.7"),
        ("\"8.8.8.8, 192.0.2.7", "192.0.2.7"),
        ("garbage,,,192.0.2.7", "192.0.2.7"),
        // Proxies in a chain.
        ("8.8.8.8, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
        ("192.0.2.7, fd00::1, 10.1.1.1", "192.0.2.7"),
        ("192.0.2.7 ,\t10.1.1.1:80 , ", "192.0.2.7"),
        ("127.0.0.1", "one of 127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        // Only trusted proxies: the farthest of them.
        ("10.2.2.2, 10.1.1.1", "one of 10.2.2.2"),
        // What is no address hides who stands before it.
        ("192.0.2.7, unknown", "one of 10.0.0.1"),
        ("192.0.2.7, unknown, 10.1.1.1", "one of 10.1.1.1"),
        ("192.0.2.7, _hidden", "one of 10.0.0.1"),
        ("example.org", "one of 10.0.0.1"),
        ("192.0.2.7:", "one of 10.0.0.1"),
        ("192.0.2.7:port", "one of 10.0.0.1"),
        ("192.0.2.7:123456", "one of 10.0.0.1"),
        ("192.0.2.07", "one of 10.0.0.1"),
        ("192.0.2", "one of 10.0.0.1"),
        ("192.0.2.7 192.0.2.8", "one of 10.0.0.1"),
        ("[192.0.2.7]", "one of 10.0.0.1"),
        ("[2001:db8::7", "one of 10.0.0.1"),
        ("[2001:db8::7]443", "one of 10.0.0.1"),
        ("2001:db8::7%eth0", "one of 10.0.0.1"),
        ("\u{e9}", "one of 10.0.0.1"),
        ("", "one of 10.0.0.1"),
        (",", "one of 10.0.0.1"),
    ] {
        let fields = format!("X-Forwarded-For: {value}\r\nForwarded: for=203.0.113.1\r\nX-Real-IP: 203.0.113.2\r\n");
        assert_eq!(client(ClientSource::XForwardedFor, "10.0.0.1", &fields), expected, "{value}");
        assert_eq!(client(ClientSource::XForwardedFor, "::ffff:10.0.0.1", &fields), expected, "{value}");
        assert_eq!(client(ClientSource::XForwardedFor, "192.0.2.99", &fields), "the peer", "not trusted: {value}");
    }
}

#[test]
fn field_lines_are_one_list_whose_last_line_is_nearest() {
    let lines = "X-Forwarded-For: 8.8.8.8\r\nX-Forwarded-For: 192.0.2.7\r\nX-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n";
    assert_eq!(client(ClientSource::XForwardedFor, "10.0.0.1", lines), "192.0.2.7");
    let lines = "Forwarded: for=8.8.8.8\r\nForwarded: for=192.0.2.7, for=10.1.1.1\r\n";
    assert_eq!(client(ClientSource::Forwarded, "10.0.0.1", lines), "192.0.2.7");
}

#[test]
fn the_client_in_forwarded_is_the_last_address_that_is_not_trusted() {
    for (value, expected) in [
        ("for=192.0.2.7", "192.0.2.7"),
        ("For=\"192.0.2.7:80\"", "192.0.2.7"),
        ("proto=https;for=192.0.2.7;by=10.0.0.1;host=a", "192.0.2.7"),
        ("for=\"[2001:db8::7]\"", "2001:db8::7"),
        ("for=\"[2001:db8::7]:4711\" ; proto=http", "2001:db8::7"),
        ("for=\"[2001:db8::7]:_port\"", "2001:db8::7"),
        ("for=8.8.8.8, for=192.0.2.7;proto=https, for=10.1.1.1", "192.0.2.7"),
        // Quotes and backslashes of a client hide nothing that a proxy has appended.
        ("for=\"8.8.8.8, for=192.0.2.7", "192.0.2.7"),
        ("for=\"8.8.8.8\\, for=192.0.2.7", "192.0.2.7"),
        ("for=8.8.8.8;host=\", for=192.0.2.7", "192.0.2.7"),
        ("for=8.8.8.8, for=192.0.2.7;host=\"a, for=1.1.1.1\"", "192.0.2.7"),
        ("for=8.8.8.8, for=192.0.2.7;host=\"a\\\", for=1.1.1.1\"", "192.0.2.7"),
        ("for=192.0.2.7, for=unknown", "one of 10.0.0.1"),
        ("for=192.0.2.7, for=_hidden", "one of 10.0.0.1"),
        ("for=192.0.2.7, for=\"_SEVKISEK\", for=10.1.1.1", "one of 10.1.1.1"),
        ("for=192.0.2.7, proto=https", "one of 10.0.0.1"),
        ("for=192.0.2.7;for=8.8.8.8", "one of 10.0.0.1"),
        ("for=192.0.2.7, for=", "one of 10.0.0.1"),
        ("192.0.2.7", "one of 10.0.0.1"),
        ("by=192.0.2.7", "one of 10.0.0.1"),
        ("", "one of 10.0.0.1"),
    ] {
        let fields = format!("Forwarded: {value}\r\nX-Forwarded-For: 203.0.113.1\r\n");
        assert_eq!(client(ClientSource::Forwarded, "10.0.0.1", &fields), expected, "{value}");
        assert_eq!(client(ClientSource::Forwarded, "192.0.2.99", &fields), "the peer", "not trusted: {value}");
    }
}

#[test]
fn a_peer_that_names_no_client_is_many_unless_it_may_be_a_program_on_this_computer() {
    for (source, other) in [
        (ClientSource::XForwardedFor, "Forwarded: for=192.0.2.7\r\n"),
        (ClientSource::Forwarded, "X-Forwarded-For: 192.0.2.7\r\n"),
    ] {
        for fields in ["", other] {
            assert_eq!(client(source, "10.0.0.1", fields), "one of 10.0.0.1");
            assert_eq!(client(source, "127.0.0.1", fields), "the peer");
        }
    }
    let proxies = trusted(ClientSource::XForwardedFor);
    assert_eq!(proxies.client_of_peer(at("10.0.0.1")), Client::Unnamed(at("10.0.0.1")));
    assert_eq!(proxies.client_of_peer(at("::ffff:11.0.0.1")), Client::Peer(at("11.0.0.1")));
}

#[test]
fn where_a_proxy_header_names_the_client_no_field_does() {
    let fields = "X-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n";
    assert_eq!(client(ClientSource::ProxyHeader, "10.0.0.1", fields), "the peer");
    let proxies = trusted(ClientSource::ProxyHeader);
    assert!(proxies.wants_header(at("10.0.0.1")) && !proxies.wants_header(at("192.0.2.7")));
    assert!(!trusted(ClientSource::Forwarded).wants_header(at("10.0.0.1")));
}
