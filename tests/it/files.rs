//! Files as resources: types, redirects, prepared codings, and things that are no files.

use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::client::get;
use crate::support::folder::Folder;
use crate::support::server::Server;

#[test]
fn files_are_described_so_that_a_browser_need_not_guess() {
    let names =
        ["a.html", "a.css", "a.js", "a.mjs", "a.json", "a.svg", "a.txt", "a.png", "a.wasm", "a.webm", "a.zip", "a"];
    let folder = Folder::new();
    for name in names {
        folder.write(name, "x");
    }
    let server = Server::start(&folder, &[]);
    for (name, expected) in names.iter().zip([
        "text/html; charset=utf-8",
        "text/css; charset=utf-8",
        "text/javascript; charset=utf-8",
        "text/javascript; charset=utf-8",
        "application/json",
        "image/svg+xml",
        "text/plain; charset=utf-8",
        "image/png",
        "application/wasm",
        "video/webm",
        "application/zip",
        "",
    ]) {
        let answer = get(&server, &format!("/{name}"), "");
        answer.assert_status(200);
        if !expected.is_empty() {
            let said = answer.must("content-type").to_ascii_lowercase();
            assert!(said == expected || said.starts_with(&format!("{expected};")), "{name}: {said}");
        }
        assert_eq!(answer.must("x-content-type-options"), "nosniff");
        assert_eq!(answer.must("cache-control"), "no-cache");
        assert_eq!(answer.must("accept-ranges"), "bytes");
        assert!(answer.field("etag").is_some() && answer.field("last-modified").is_some());
    }
}

#[test]
fn a_page_in_another_encoding_is_readable_also_from_the_cache() {
    let folder = Folder::new();
    let page = b"<!doctype html><meta charset=shift_jis><p>\x93\xfa\x96\x7b";
    let long = [&page[..], &[b'x'; 100_000]].concat();
    for (name, content) in [("sjis.html", &page[..]), ("long.html", &long), ("latin.txt", b"caf\xe9"), ("a.html", b"a")]
    {
        folder.write(name, content);
        folder.age(name);
    }
    let server = Server::start(&folder, &["--loops", "1"]);
    for (name, expected) in [
        ("sjis.html", "text/html"),
        ("long.html", "text/html"),
        ("latin.txt", "text/plain"),
        ("a.html", "text/html; charset=utf-8"),
    ] {
        let target = format!("/{name}");
        crate::support::client::strong_tag(&server, &target);
        for round in 0..5 {
            for (method, fields) in [("GET", ""), ("HEAD", ""), ("GET", "Range: bytes=0-1\r\n")] {
                let answer = crate::support::client::ask(&server, method, &target, fields);
                assert_eq!(answer.must("content-type"), expected, "{method} {name} {fields} {round}");
                assert_eq!(answer.must("x-content-type-options"), "nosniff");
            }
        }
    }
}

#[test]
fn a_compressed_picture_is_shown_in_a_sandbox_and_replaced_by_the_tag_of_its_get() {
    use crate::support::uploads::put;
    let folder = Folder::new();
    let server = Server::start(&folder, &["--write"]);
    let gzip = b"\x1f\x8b\x08rest";
    let stored = put(&server, "/a.svgz", "", gzip);
    stored.assert_status(201);
    let seen = get(&server, "/a.svgz", "");
    assert_eq!((seen.must("content-type"), seen.must("content-encoding")), ("image/svg+xml", "gzip"));
    assert!(seen.must("content-security-policy").starts_with("sandbox ") && seen.body == gzip);
    let tag = crate::support::client::strong_tag(&server, "/a.svgz");
    put(&server, "/a.svgz", &format!("If-Match: {tag}\r\n"), b"<svg/>").assert_status(204);
    assert_eq!(get(&server, "/a.svgz", "").field("content-encoding"), None);
}

/// A removed folder that is still open looks empty. 404 would tell caches and indexes to forget files that
/// may come back.
#[test]
fn a_served_folder_that_is_removed_is_503_and_not_an_empty_one() {
    let folder = Folder::with(&[("a.txt", "fine"), ("sub/b.txt", "b")]);
    let mut server = Server::start(&folder, &["--write", "-v"]);
    // A new folder of that name is not the one that may be written to, says Landlock.
    let stays_gone = server.before().iter().any(|line| line.contains("Landlock is on"));
    get(&server, "/a.txt", "").assert_status(200);
    std::fs::remove_dir_all(folder.join("sub")).unwrap();
    get(&server, "/sub/", "").assert_status(404);
    std::fs::remove_dir_all(folder.path()).unwrap();
    for back in [false, true] {
        if back && !stays_gone {
            break;
        }
        if back {
            folder.write("a.txt", "other");
        }
        for target in ["/", "/a.txt", "/sub/", "/none"] {
            for accept in ["", "Accept: text/html\r\n"] {
                let answer = get(&server, target, accept);
                assert!(
                    answer.assert_status(503).text().contains("The folder that this server serves was removed"),
                    "{target}: {answer:?}"
                );
            }
        }
        crate::support::uploads::put(&server, "/new", "", b"x").assert_status(503);
        crate::support::uploads::put(&server, "/in/new", "", b"x").assert_status(503);
        crate::support::client::ask(&server, "DELETE", "/a.txt", "").assert_status(503);
    }
    server.assert_alive();
}

#[test]
fn a_pipe_or_a_socket_is_404_at_once_and_blocks_no_client() {
    let folder = Folder::with(&[("a.txt", "fine"), ("sub/b.txt", "b")]);
    mknodat(CWD, folder.join("pipe"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    mknodat(CWD, folder.join("sub/index.html"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    let server = Server::start(&folder, &[]);
    get(&server, "/pipe", "").assert_status(404);
    get(&server, "/socket", "").assert_status(404);
    let index = get(&server, "/sub/", "");
    assert!(matches!(index.status, 200 | 404), "{index:?}");
    assert_eq!(get(&server, "/a.txt", "").text(), "fine");
    get(&server, "/", "").assert_status(200);
}

#[test]
fn an_index_file_stands_for_its_folder() {
    let folder = Folder::with(&[("dir/index.html", "index"), ("old/index.htm", "htm")]);
    let server = Server::start(&folder, &[]);
    assert_eq!(get(&server, "/dir/", "").text(), "index");
    assert_eq!(get(&server, "/old/", "").text(), "htm");
    assert_eq!(get(&server, "/dir", "").assert_status(301).must("location"), "dir/");
}

#[test]
fn prepared_siblings_are_taken_when_wanted_and_fresh() {
    use std::time::{Duration, SystemTime};
    let folder = Folder::with(&[("a.js", "plain"), ("a.js.gz", "gzip"), ("a.js.br", "brotli"), ("old.js", "plain")]);
    folder.write("old.js.gz", "stale");
    let stale = std::fs::File::options().write(true).open(folder.join("old.js.gz")).unwrap();
    stale.set_modified(SystemTime::now() - Duration::from_secs(3600)).unwrap();
    let fresh = SystemTime::now() - Duration::from_secs(60);
    for name in ["a.js", "a.js.gz", "a.js.br", "old.js"] {
        std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(fresh).unwrap();
    }
    let server = Server::start(&folder, &[]);
    for (accept, text, coding) in [
        ("gzip", "gzip", Some("gzip")),
        ("br", "brotli", Some("br")),
        ("gzip, br", "brotli", Some("br")),
        ("gzip;q=0", "plain", None),
        ("identity", "plain", None),
        ("*;q=0, identity", "plain", None),
        ("x-gzip", "gzip", Some("gzip")),
        ("deflate", "plain", None),
        ("", "plain", None),
    ] {
        let answer = get(&server, "/a.js", &format!("Accept-Encoding: {accept}\r\n"));
        if accept == "x-gzip" && answer.field("content-encoding").is_none() {
            continue;
        }
        assert_eq!(answer.assert_status(200).text(), text, "{accept}");
        assert_eq!(answer.field("content-encoding"), coding, "{accept}");
        assert!(answer.lists("vary", "accept-encoding"), "{answer:?}");
        assert!(answer.must("content-type").starts_with("text/javascript"));
    }
    let old = get(&server, "/old.js", "Accept-Encoding: gzip\r\n");
    assert_eq!(old.text(), "plain", "a sibling older than its original lies");
    let plain = crate::support::client::strong_tag(&server, "/a.js");
    let coded = get(&server, "/a.js", "Accept-Encoding: gzip\r\n").must("etag").to_string();
    assert_ne!(plain, coded, "one tag for two representations corrupts a resume");
}
