//! Host names: a name that a stranger chose gets no file (DNS rebinding).

use crate::cross_origin::POLICY;
use crate::support::client::raw;
use crate::support::folder::small_site;
use crate::support::server::Server;

#[test]
fn a_name_that_a_stranger_chose_is_421_and_the_page_says_how_to_allow_it() {
    let folder = small_site();
    let heads = [
        "GET /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: EVIL.example.:8080\r\n\r\n",
        "GET /a.txt HTTP/1.0\r\nHost: evil.example\r\n\r\n",
        "HEAD /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        // The target wins over Host (RFC 9112 §3.2.2).
        "GET http://evil.example/a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ];
    let closed = Server::start(&folder, &[]);
    let open = Server::start(&folder, &["--host", "evil.example"]);
    let any = Server::start(&folder, &["--host", "*"]);
    for head in heads {
        let method = head.split(' ').next().unwrap();
        let answer = raw(&closed, head, method);
        answer.assert_status(421);
        assert!(method == "HEAD" || answer.text().to_lowercase().contains("--host evil.example"), "{answer:?}");
        for server in [&open, &any] {
            let status = if method == "OPTIONS" { 204 } else { 200 };
            raw(server, head, method).assert_status(status);
        }
    }
    raw(&open, "GET /a.txt HTTP/1.1\r\nHost: other.example\r\n\r\n", "GET").assert_status(421);
    let page = raw(&closed, "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n\r\n", "GET");
    assert!(page.assert_status(421).text().contains("--host evil.example"), "{page:?}");
    // A name that must not be typed is not proposed.
    let answer = raw(&closed, "GET / HTTP/1.1\r\nHost: a;reboot\r\n\r\n", "GET");
    assert!(!answer.assert_status(421).text().contains("--host"), "{answer:?}");
}

#[test]
fn names_that_no_stranger_can_point_here_always_work() {
    let folder = small_site();
    let server = Server::start(&folder, &[]);
    let machine = rustix::system::uname().nodename().to_str().unwrap().to_lowercase();
    let own = [machine.clone(), format!("{machine}.local")];
    for host in
        ["localhost", "LOCALHOST:99", "x.localhost:1", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:80", "192.0.2.1"]
            .into_iter()
            .chain(
                own.iter()
                    .map(String::as_str)
                    .filter(|name| name.bytes().all(|o| o.is_ascii_alphanumeric() || b"-.".contains(&o))),
            )
    {
        raw(&server, format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\n\r\n"), "GET").assert_status(200);
    }
    // No browser sends this.
    raw(&server, "GET /a.txt HTTP/1.0\r\n\r\n", "GET").assert_status(200);
    raw(&server, "GET http://localhost/a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n", "GET").assert_status(200);
    raw(&server, "GET http://localhost/a.txt HTTP/1.1\r\nHost: [::1]\r\n\r\n", "GET").assert_status(200);
}

#[test]
fn a_server_that_all_can_reach_and_only_read_takes_every_name() {
    let folder = small_site();
    let evil = "GET /a.txt HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    let open = Server::on_all_addresses(&folder, &[]);
    let answer = raw(&open, evil, "GET");
    assert_eq!(answer.assert_status(200).field(POLICY), None, "anybody may embed it");
    for arguments in [&["--host", "good.example"][..], &["--upload"], &["--delete"], &["--auth", "ann:one"]] {
        let server = Server::on_all_addresses(&folder, arguments);
        assert_eq!(raw(&server, evil, "GET").assert_status(421).must(POLICY), "same-site", "{arguments:?}");
    }
}
