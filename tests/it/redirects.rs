//! Where a Location and the links of error pages lead: to the right place, on this host, and under the path prefix of a
//! proxy. Each is resolved as a client does it (RFC 3986 §5.2).

use crate::support::client::{Client, ask, encode, get, raw, request};
use crate::support::folder::Folder;
use crate::support::reference::{assert_stays, resolve};
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, put, send};

/// What a proxy takes off the path of a request; nothing without a proxy.
const PREFIXES: [&str; 3] = ["", "/files", "/a/b"];

/// The path, and the query, that a client asks the server for when it follows `location` from `target`; the proxy takes
/// the prefix off again.
#[track_caller]
fn followed(prefix: &str, target: &str, location: &str) -> String {
    assert_stays(location);
    let address = resolve(&format!("http://host{prefix}{target}"), location);
    let rest = address.strip_prefix("http://host").and_then(|path| path.strip_prefix(prefix));
    rest.filter(|path| path.starts_with('/'))
        .unwrap_or_else(|| panic!("{target}: {location} leads to {address}"))
        .into()
}

/// Names that mean something in an address, or to a lenient client.
const ODD: [&str; 18] = [
    "photos",
    "a:b",
    "javascript:alert(1)",
    ":80",
    "\\x",
    "\\\\evil.example",
    "evil.example",
    "%",
    "%2e%2e",
    "%2F",
    "?",
    "#",
    "a b",
    "…",
    "..;",
    "\r\nSet-Cookie: x=y",
    "\t",
    "a?b#c&d=e",
];

#[test]
fn the_slash_of_a_folder_is_added_whatever_its_name_and_prefix() {
    let folder = Folder::new();
    for name in ODD {
        folder.write(format!("{name}/in/{name}"), "x");
    }
    let server = Server::start(&folder, &["--dotfiles", "--log", "off"]);
    let mut client = Client::connect(&server);
    for name in ODD {
        let (name, shown) = (encode(name.as_bytes()), name);
        for target in [
            format!("/{name}"),
            format!("/{name}?a=b&c"),
            format!("/{name}?//evil.example/:"),
            format!("/{name}?"),
            format!("//{name}"),
            format!("///{name}"),
            format!("/./{name}"),
            format!("/.//{name}"),
            format!("/none/../{name}"),
            format!("/none/..//{name}"),
            format!("/none/%2e%2E/{name}?/../"),
            format!("/photos/in/../../{name}"),
            "/photos/in".to_string(),
            "/photos/./in".to_string(),
            format!("/{name}/../{name}/in"),
            format!("/{name}//in?x"),
        ] {
            let answer = client.get(&target, "");
            let location = answer.assert_status(301).must("location");
            assert!(answer.field("set-cookie").is_none(), "response splitting: {answer:?}");
            assert_eq!(answer.must("cache-control"), "no-cache");
            for prefix in PREFIXES {
                let next = followed(prefix, &target, location);
                let (path, query) =
                    target.split_once('?').map_or((&*target, None), |(path, query)| (path, Some(query)));
                assert_eq!(next.split_once('?').map(|(_, query)| query), query, "{target}");
                // The same folder, now with its slash: it has this one entry.
                let listing = client.get(&next, "Accept: application/json\r\n");
                let listing: serde_json::Value = serde_json::from_slice(&listing.assert_status(200).body).unwrap();
                let entry =
                    if path.ends_with("/in") { if path.contains(&name) { shown } else { "photos" } } else { "in" };
                assert!(
                    listing.to_string().contains(&serde_json::json!(entry).to_string()),
                    "{target} → {next}: {listing}"
                );
            }
        }
    }
}

#[test]
fn only_get_and_head_get_301_since_others_must_keep_their_method() {
    let folder = Folder::with(&[("d/x", "x")]);
    for arguments in [&[][..], &["--write"]] {
        let server = Server::start(&folder, arguments);
        for (method, status) in [("GET", 301), ("HEAD", 301), ("OPTIONS", 308), ("PATCH", 308)] {
            let answer = ask(&server, method, "/d?x", "");
            assert_eq!((answer.status, answer.field("location")), (status, Some("d/?x")), "{method}");
        }
    }
}

/// The open redirects of other servers: each of these has led a browser to another host somewhere.
#[test]
fn no_spelling_of_a_target_makes_a_redirect_to_another_host() {
    let folder = Folder::with(&[("evil.example/x", "x"), ("\\evil.example/x", "x"), ("d/evil.example/x", "x")]);
    let server = Server::start(&folder, &["--study", "--log", "off"]);
    let mut redirects = 0;
    for target in [
        "//evil.example",
        "///evil.example",
        "/.//evil.example",
        "/.//evil.example/",
        "/././/evil.example/..",
        "/x/..//evil.example",
        "/x/..//evil.example/..",
        "/d/../..//evil.example",
        "/d//evil.example",
        "/d/.//evil.example",
        "/%2e//evil.example",
        "/%5Cevil.example",
        "/\\evil.example",
        "//\\evil.example",
        "/.//\\evil.example",
        "/./\\evil.example",
        "/%2F/evil.example",
        "/%2F%2Fevil.example",
        "//evil.example/%2e%2e",
        "//evil.example/%2f..",
        "//evil.example?//evil.example/",
        "http://localhost//evil.example",
        "http://localhost/.//evil.example",
        "http://localhost/\\evil.example",
        "/.try?x=//evil.example",
        "/.//.try?//evil.example",
        "/.try/redirect/302?times=2",
        "/.//.try/redirect/302?times=2",
        "/.try/status/201",
        "//.try",
    ] {
        let answer = raw(&server, request("GET", target, ""), "GET");
        if let Some(location) = answer.field("location") {
            let path = target.strip_prefix("http://localhost").unwrap_or(target);
            for prefix in PREFIXES {
                assert!(matches!(get(&server, &followed(prefix, path, location), "").status, 200 | 302), "{target}");
            }
            redirects += 1;
        }
        assert!(matches!(answer.status, 200 | 201 | 301 | 302 | 307 | 400 | 404), "{target}: {answer:?}");
    }
    assert!(redirects > 15, "{redirects}");
}

/// At `/list/x/..` a client takes `a.txt` for `/list/x/a.txt`.
#[test]
fn links_of_a_folder_that_dot_segments_name_lead_into_it() {
    let folder = Folder::with(&[("list/a.txt", "fine"), ("page/index.html", "<a href=a.txt>"), ("page/a.txt", "fine")]);
    let server = Server::start(&folder, &["--loops", "1", "--log", "off"]);
    for name in ["list", "page"] {
        // From the third request on, the page is kept in memory.
        for way in ["/", "/", "/", "/x/..", "/%2e/x/%2e%2E", "//x/..", "/.", "/%2e", "/x/.%2e/.", "/x/%2e/..?x=/y"] {
            for prefix in PREFIXES {
                let mut target = format!("/{name}{way}");
                let mut answer = get(&server, &target, "");
                if let Some(location) = answer.field("location") {
                    target = followed(prefix, &target, answer.assert_status(301).must("location"));
                    assert!(target.ends_with('/') || target.contains('?'), "{location}");
                    answer = get(&server, &target, "");
                }
                assert!(answer.assert_status(200).text().contains("a.txt"));
                assert_eq!(
                    get(&server, &followed(prefix, &target, "a.txt"), "").text(),
                    "fine",
                    "{name}{way} {target}"
                );
            }
        }
    }
}

#[test]
fn what_was_stored_is_found_at_its_location_under_any_prefix() {
    let folder = Folder::with(&[("in/x", "x")]);
    let server = Server::start(&folder, &["--upload", "--dotfiles", "--log", "off"]);
    let mut number = 0;
    for name in ODD.iter().filter(|name| !name.contains(['\r', '\t'])) {
        for (method, folder, way) in [
            ("PUT", "/in/", "/in/"),
            ("PUT", "/", "/./"),
            ("PUT", "/in/", "/in/d/../"),
            ("PUT", "/in/", "/x/%2e/../in/"),
            ("PUT", "/in/", "//%2E%2e/in//%2e%2e/"),
            ("POST", "/in/", "/in/"),
            ("POST", "/in/", "/in/?x=/a/b"),
            ("POST", "/in/", "//in/"),
            ("POST", "/in/", "/in/d/.."),
            ("POST", "/in/", "/in/d/%2e/%2E%2e"),
            ("POST", "/in/", "/.//in/."),
        ] {
            number += 1;
            let stored = format!("{}{number}", encode(name.as_bytes()));
            let target = if method == "PUT" { format!("{way}{stored}") } else { way.to_string() };
            let fields = format!("Content-Disposition: attachment; filename*=UTF-8''{stored}\r\n");
            let answer = send(&server, method, &target, &fields, format!("content {number}"));
            let location = answer.assert_status(201).must("location");
            for prefix in PREFIXES {
                let next = followed(prefix, &target, location);
                assert_eq!(
                    get(&server, &next, "").text(),
                    format!("content {number}"),
                    "{folder} {target}: {location}"
                );
            }
        }
    }
    // A form in a browser leads back to its folder.
    for (target, location) in
        [("/in/", "./"), ("/in/?x=1", "./"), ("/in/d/..", "../"), ("/in/./", "./"), ("//in/", "../../in/")]
    {
        let answer = send(&server, "POST", target, &format!("{FORM}Accept: text/html\r\n"), form(&[("f", b"x")]));
        assert_eq!(answer.assert_status(303).must("location"), location, "{target}");
        for prefix in PREFIXES {
            assert!(get(&server, &followed(prefix, target, location), "").assert_status(200).text().contains("f"));
        }
    }
    put(&server, "/in/%2e%2e/a:b", "", b"x").assert_status(201);
    assert_eq!(put(&server, "/in/../in/c:d", "", b"x").must("location"), "c%3Ad");
}

#[test]
fn a_single_file_is_found_from_the_start_under_any_prefix() {
    let folder = Folder::new();
    for name in ["a:b", "\\evil.example", "film one.mp4", "javascript:x"] {
        folder.write(name, name);
        let server = Server::serve(&folder.join(name), &["--log", "off"]);
        for target in ["/", "/?x=//evil.example", "//", "///", "/.", "/x/..", "/x/../", "/.//", "/%2e/", "//.."] {
            let answer = get(&server, target, "");
            let location = answer.assert_status(307).must("location");
            for prefix in PREFIXES {
                assert_eq!(get(&server, &followed(prefix, target, location), "").text(), name, "{target}: {location}");
            }
        }
    }
}

#[test]
fn practice_redirects_lead_on_under_any_prefix() {
    let folder = Folder::with(&[("x", "x")]);
    let server = Server::start(&folder, &["--study", "--log", "off"]);
    for start in [
        "/.try",
        "/.try?x",
        "/./.try",
        "/.try/redirect/301?times=3",
        "/x/../.try/redirect/308",
        "/.try/status/303",
        "/.try/learn",
        "/.try/learn/01",
        "/.try/learn/01/x/..",
        "/learn",
        "/learn/x/..",
        "/learn/01",
    ] {
        for prefix in PREFIXES {
            let mut target = start.to_string();
            let mut client = Client::connect(&server);
            loop {
                let answer = client.get(&target, "");
                let Some(location) = answer.field("location") else { break };
                assert!(answer.field("cache-control").is_some(), "{target}: a bare 301 is kept for ever");
                target = followed(prefix, &target, location);
            }
            let ends = ["/.try/", "/.try/landed", "/.try/learn/", "/.try/learn/01/", "/learn/", "/learn/01/"];
            assert!(ends.contains(&&*target), "{start} ends at {target}");
        }
    }
    let answer = get(&server, "/.try/redirect/loop?", "");
    assert_eq!(followed("/files", "/.try/redirect/loop?", answer.must("location")), "/.try/redirect/loop");
}

/// The addresses of all links of a page.
fn links(page: &str) -> Vec<String> {
    page.split("<a href=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_string()).collect()
}

#[test]
fn the_links_of_an_error_page_lead_home_under_any_prefix() {
    let folder = Folder::with(&[("x", "x"), ("d/e/x", "x"), ("a:b/x", "x")]);
    let server = Server::start(&folder, &["--study", "--log", "off"]);
    for (target, parent) in [
        ("/none", None),
        ("//none", None),
        ("/none/a/b", None),
        ("/d/e/none?x=/../", Some("/d/e/")),
        ("/d/e/none/", Some("/d/e/")),
        ("/d/../d/./none", Some("/d/")),
        ("/d/e/../../none", None),
        ("/.//d//none", Some("/d/")),
        ("/d/none/..none", Some("/d/")),
        ("/a:b/none", Some("/a%3Ab/")),
        ("/x/.", None),
    ] {
        let mut client = Client::connect(&server);
        client.send(request("GET", target, "Accept: text/html\r\n"));
        let page = Response::read(&mut client, "GET");
        let links = links(&page.assert_status(404).text());
        // The last one explains the status, on the site of the RFC editor.
        let [expected @ .., _] = &links[..] else { panic!("{page:?}") };
        for prefix in PREFIXES {
            let lead: Vec<String> =
                expected.iter().map(|link| followed(prefix, target, link.split("?find=").next().unwrap())).collect();
            let home = [parent, Some("/"), Some("/.wire")].into_iter().flatten();
            assert_eq!(
                lead.iter().map(|path| path.replacen("//", "/", 1)).collect::<Vec<_>>(),
                home.collect::<Vec<_>>(),
                "{target}: {links:?}"
            );
        }
    }
}
