//! Pages of other sites: what they may write, read and embed.

use crate::support::client::{Client, ask, get, raw};
use crate::support::folder::{Folder, small_site};
use crate::support::server::Server;
use crate::support::uploads::send;

/// A page of another site.
pub(crate) const EVIL: &str = "Origin: http://evil.example\r\n";
/// The response field that says which pages may embed the response.
pub(crate) const POLICY: &str = "cross-origin-resource-policy";

#[test]
fn a_write_from_elsewhere_is_refused_before_its_content() {
    let folder = small_site();
    let server = Server::start(&folder, &["--write"]);
    let own = format!("Origin: http://localhost:{}\r\n", server.address.port());
    let evil_here = format!("Origin: http://evil.example:{}\r\n", server.address.port());
    let padded = format!("Origin: http://localhost:0{}\r\n", server.address.port());
    for fields in [
        EVIL,
        &evil_here,
        &padded,
        "Origin: null\r\n",
        "Origin: http://localhost:1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Sec-Fetch-Site: strange\r\n",
        &format!("Sec-Fetch-Site: cross-site\r\n{own}"),
        &format!("{own}{EVIL}"),
        &format!("Referer: http://localhost/\r\n{EVIL}"),
    ] {
        for (method, target) in [("POST", "/"), ("PUT", "/new.txt"), ("PUT", "/a.txt"), ("DELETE", "/a.txt")] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let mut client = Client::connect(&server);
                let port = server.address.port();
                client.send(format!(
                    "{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 1000000\r\n{fields}{expect}\r\n"
                ));
                // The first response is the last one: there is no 100, and the server does not wait for content.
                client.response(method).assert_status(403);
                client.end();
            }
        }
    }
    assert_eq!(get(&server, "/a.txt", EVIL).assert_status(200).text(), "fine", "reading is for all");
    get(&server, "/new.txt", "").assert_status(404);
}

#[test]
fn our_own_page_and_programs_may_write() {
    let folder = small_site();
    let server = Server::start(&folder, &["--write"]);
    let port = server.address.port();
    let hosts = ["localhost", "127.0.0.1"];
    for (n, fields) in [
        "",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Site: none\r\n",
        "Origin: http://HOST:PORT\r\n",
        // A proxy that speaks TLS.
        "Origin: https://HOST:PORT\r\n",
        "Sec-Fetch-Site: same-origin\r\nOrigin: null\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        for host in hosts {
            let fields = fields.replace("HOST", host).replace("PORT", &port.to_string());
            let target = format!("/{host}-{n}");
            let head = |method: &str| format!("{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\n{fields}");
            raw(&server, head("PUT") + "Content-Length: 1\r\n\r\nx", "PUT").assert_status(201);
            raw(&server, head("PUT") + "Content-Length: 1\r\n\r\ny", "PUT").assert_status(204);
            raw(&server, head("DELETE") + "\r\n", "DELETE").assert_status(204);
        }
    }
    // Without the option, 405 is right and 403 is wrong.
    let reading = Server::start(&folder, &[]);
    send(&reading, "PUT", "/a.txt", &format!("Origin: http://localhost:{port}\r\n"), "x").assert_status(403);
    send(&reading, "PUT", "/a.txt", "Sec-Fetch-Site: same-origin\r\n", "x").assert_status(405);
}

#[test]
fn only_a_page_that_cors_names_may_write_and_its_browser_is_told_so() {
    let folder = small_site();
    let server = Server::start(&folder, &["--write", "--cors=http://app.example:80/"]);
    let app = "Origin: http://app.example\r\nSec-Fetch-Site: cross-site\r\n";
    let asks = "Access-Control-Request-Method: PUT\r\n";
    let answer = ask(&server, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.assert_status(204).must("access-control-allow-origin"), "http://app.example");
    assert_eq!(answer.must("access-control-allow-methods"), "GET, HEAD, POST, PUT, DELETE");
    let answer = send(&server, "PUT", "/new.txt", app, "x");
    assert_eq!(answer.assert_status(201).must("access-control-allow-origin"), "http://app.example");
    let evil = format!("{EVIL}Sec-Fetch-Site: cross-site\r\n");
    let answer = send(&server, "PUT", "/evil.txt", &evil, "x");
    assert!(answer.assert_status(403).field("access-control-allow-origin").is_none() && answer.lists("vary", "origin"));
    let answer = ask(&server, "OPTIONS", "/evil.txt", &format!("{evil}{asks}"));
    assert!(answer.assert_status(204).field("access-control-allow-methods").is_none(), "{answer:?}");

    let all = Server::start(&folder, &["--write", "--cors"]);
    let answer = ask(&all, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.assert_status(204).must("access-control-allow-methods"), "GET, HEAD");
    let answer = send(&all, "PUT", "/evil.txt", app, "x");
    assert_eq!(answer.assert_status(403).must("access-control-allow-origin"), "*", "its script may read why");
    get(&all, "/evil.txt", "").assert_status(404);

    let reading = Server::start(&folder, &["--cors=http://app.example"]);
    let answer = ask(&reading, "OPTIONS", "/new.txt", &format!("{app}{asks}"));
    assert_eq!(answer.must("access-control-allow-methods"), "GET, HEAD");
}

#[test]
fn only_the_origin_that_cors_names_may_embed() {
    let folder = small_site();
    let server = Server::start(&folder, &["--cors=http://app.example"]);
    for (origin, policy) in [("http://app.example", "cross-origin"), ("http://evil.example", "same-site")] {
        for (target, status) in [("/a.txt", 200), ("/", 200), ("/missing", 404)] {
            let answer = get(&server, target, &format!("Origin: {origin}\r\n"));
            assert_eq!(answer.assert_status(status).must(POLICY), policy, "{origin} {target}");
            assert!(answer.lists("vary", "origin"), "{answer:?}");
        }
    }
}

#[test]
fn a_page_in_the_sandbox_may_use_its_own_files_and_no_other_data() {
    let folder = Folder::with(&[("p.html", "<p>"), ("s.css", "p{}"), ("j.js", "1"), ("i.png", "x"), ("d.json", "{}")]);
    let sandboxing = Server::start(&folder, &["--upload"]);
    let reading = Server::start(&folder, &[]);
    let named = Server::start(&folder, &["--upload", "-H", "Cross-Origin-Resource-Policy: same-origin"]);
    for (path, policy) in [
        ("/p.html", "same-site"),
        ("/d.json", "same-site"),
        ("/s.css", "cross-origin"),
        ("/j.js", "cross-origin"),
        ("/i.png", "cross-origin"),
    ] {
        // Three times: from the disk, and from the cache.
        for _ in 0..3 {
            assert_eq!(get(&sandboxing, path, "").must(POLICY), policy, "{path}");
            assert_eq!(get(&reading, path, "").must(POLICY), "same-site", "{path}");
            assert_eq!(get(&named, path, "").must(POLICY), "same-origin", "{path}");
        }
    }
    // An error as the file would be: to the page, a missing image is missing and not blocked.
    for html in ["", "Accept: text/html\r\n"] {
        for (path, status, policy) in [
            ("/favicon.ico", 404, "cross-origin"),
            ("/none/of.them.svg", 404, "cross-origin"),
            ("/.hidden.png", 404, "cross-origin"),
            ("/none.css", 404, "cross-origin"),
            ("/none.js/", 404, "same-site"),
            ("/none.json", 404, "same-site"),
            ("/none", 404, "same-site"),
        ] {
            for _ in 0..3 {
                assert_eq!(get(&sandboxing, path, html).assert_status(status).must(POLICY), policy, "{path}");
                assert_eq!(get(&reading, path, html).assert_status(status).must(POLICY), "same-site", "{path}");
                assert_eq!(get(&named, path, html).assert_status(status).must(POLICY), "same-origin", "{path}");
            }
        }
    }
    // To what a page embeds, an error has no content: browsers would block it as text in place of an image.
    let embedded = get(&sandboxing, "/none.png", "Sec-Fetch-Mode: no-cors\r\n");
    assert_eq!((embedded.assert_status(404).must("content-type"), embedded.text().as_str()), ("image/png", ""));
    for (server, fields) in [(&sandboxing, "Sec-Fetch-Mode: navigate\r\n"), (&reading, "Sec-Fetch-Mode: no-cors\r\n")] {
        assert!(get(server, "/none.png", fields).assert_status(404).text().contains("none.png"), "{fields}");
    }
    assert_eq!(get(&sandboxing, "/i.png", "Range: bytes=9-\r\n").assert_status(416).must(POLICY), "cross-origin");
    let changed = "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    assert_eq!(get(&sandboxing, "/i.png", changed).assert_status(412).must(POLICY), "cross-origin");
    folder.write("404.html", "<p>own");
    let own = get(&sandboxing, "/none.png", "Accept: text/html\r\n");
    assert_eq!((own.assert_status(404).text().as_str(), own.must(POLICY)), ("<p>own", "cross-origin"));
}
