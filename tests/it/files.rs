//! What of the folder can be fetched, what never can, and how it is described.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::client::{Client, Ending, get, raw, request};
use crate::server::{Folder, Server};

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

/// A folder that was removed and is held open looks empty, and 404 would tell caches and indexes to forget
/// what may come back.
#[test]
fn a_served_folder_that_is_removed_is_503_and_not_an_empty_one() {
    let folder = Folder::with(&[("a.txt", "fine"), ("sub/b.txt", "b")]);
    let mut server = Server::start(&folder, &["--write"]);
    get(&server, "/a.txt", "").assert_status(200);
    std::fs::remove_dir_all(folder.join("sub")).unwrap();
    get(&server, "/sub/", "").assert_status(404);
    std::fs::remove_dir_all(folder.path()).unwrap();
    for back in [false, true] {
        if back {
            // Another folder of that name is not the one that is served.
            folder.write("a.txt", "other");
        }
        for target in ["/", "/a.txt", "/sub/", "/none"] {
            for accept in ["", "Accept: text/html\r\n"] {
                let answer = get(&server, target, accept);
                assert!(answer.assert_status(503).text().contains("is gone"), "{target}: {answer:?}");
            }
        }
        crate::write::put(&server, "/new", "", b"x").assert_status(503);
        crate::write::put(&server, "/in/new", "", b"x").assert_status(503);
        crate::client::ask(&server, "DELETE", "/a.txt", "").assert_status(503);
    }
    server.assert_alive();
}

#[test]
fn dotfiles_are_not_there_but_well_known_is() {
    let folder = Folder::with(&[
        (".git/config", "secret"),
        (".env", "secret"),
        ("a/.b/c", "secret"),
        (".well-known/security.txt", "public"),
        (".well-known/.hidden", "secret"),
    ]);
    let server = Server::start(&folder, &[]);
    for target in ["/.git/config", "/.git/", "/.git", "/.env", "/%2eenv", "/a/.b/c", "/.well-known/.hidden", "/a/.b"] {
        let answer = get(&server, target, "");
        assert!(!answer.assert_status(404).text().contains("secret"), "{target}");
    }
    assert_eq!(get(&server, "/.well-known/security.txt", "").text(), "public");
    assert!(!get(&server, "/", "Accept: text/html\r\n").text().contains(".env"));
    let open = Server::start(&folder, &["--dotfiles"]);
    assert_eq!(get(&open, "/.env", "").text(), "secret");
}

#[test]
fn a_link_out_of_the_folder_leads_nowhere() {
    let outside = Folder::with(&[("secret.txt", "HIDDEN"), ("index.html", "HIDDEN")]);
    let folder = Folder::with(&[("inside.txt", "inside"), ("sub/x.txt", "x"), ("linked/y.txt", "y")]);
    symlink(outside.join("secret.txt"), folder.join("file")).unwrap();
    symlink(outside.path(), folder.join("folder")).unwrap();
    symlink("../../../../../../../../etc/passwd", folder.join("passwd")).unwrap();
    symlink(outside.join("index.html"), folder.join("linked/index.html")).unwrap();
    symlink("/proc/self/root/etc/passwd", folder.join("magic")).unwrap();
    symlink(folder.join("inside.txt"), folder.join("absolute")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    symlink("inside.txt", folder.join("relative")).unwrap();
    symlink("../inside.txt", folder.join("sub/up")).unwrap();
    symlink("sub", folder.join("dir")).unwrap();
    let server = Server::start(&folder, &[]);
    for target in [
        "/file",
        "/folder/",
        "/folder/secret.txt",
        "/passwd",
        "/magic",
        "/absolute",
        "/loop",
        "/linked/index.html",
        "/folder",
    ] {
        let answer = get(&server, target, "");
        assert!(!answer.assert_status(404).text().contains("HIDDEN"), "{target}");
    }
    let listed = get(&server, "/linked/", "");
    assert!(!listed.text().contains("HIDDEN"), "an index file is no way out: {listed:?}");
    assert_eq!(get(&server, "/relative", "").text(), "inside");
    assert_eq!(get(&server, "/sub/up", "").text(), "inside");
    assert_eq!(get(&server, "/dir/x.txt", "").text(), "x");

    let strict = Server::start(&folder, &["--symlinks", "deny"]);
    get(&strict, "/relative", "").assert_status(404);
    get(&strict, "/dir/x.txt", "").assert_status(404);
    let open = Server::start(&folder, &["--symlinks", "any"]);
    assert_eq!(get(&open, "/file", "").text(), "HIDDEN");
}

#[test]
fn a_folder_that_is_swapped_for_a_link_while_fetched_leaks_nothing() {
    use rustix::fs::{RenameFlags, renameat_with};
    use std::sync::atomic::{AtomicBool, Ordering};
    let outside = Folder::with(&[("file.txt", "HIDDEN")]);
    let folder = Folder::with(&[("place/file.txt", "public"), ("place/sub/file.txt", "public")]);
    symlink(outside.path(), folder.join("trap")).unwrap();
    let server = Server::start(&folder, &["--log", "off"]);
    let done = AtomicBool::new(false);
    let (place, trap) = (folder.join("place"), folder.join("trap"));
    let mut seen = [0_u32; 2];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &place, CWD, &trap, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let mut client = Client::connect(&server);
        for i in 0..6_000 {
            let target = ["/place/file.txt", "/trap/file.txt", "/place/", "/place/sub/../file.txt"][i % 3];
            let answer = client.get(target, "");
            assert!(!answer.text().contains("HIDDEN"), "request {i}: {target}");
            assert!(matches!(answer.status, 200 | 404 | 503), "{answer:?}");
            seen[usize::from(answer.status == 200)] += 1;
        }
        done.store(true, Ordering::Relaxed);
        client.end();
    });
    assert!(seen[0] > 0 && seen[1] > 0, "the race never happened: {seen:?}");
}

#[test]
fn no_spelling_of_dot_dot_leads_out() {
    let base =
        Folder::with(&[("secret.txt", "secret"), ("root-sibling/secret.txt", "secret"), ("root/sub/a.txt", "a")]);
    let mut server = Server::serve(&base.join("root"), &["--log", "off"]);
    let dots = [
        "..",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "..%00",
        "%252e%252e",
        "..;",
        "...",
        "..\\",
        "%c0%ae%c0%ae",
        "..%5c",
        "\u{ff0e}",
    ];
    let slashes = ["/", "//", "\\", "%2f", "%5c", "%252f", "/./", ";/"];
    let mut targets = 0;
    let mut client = Client::connect(&server);
    for prefix in ["/", "/sub/", "//", "/sub/a.txt/", "/%2e/"] {
        for dot in dots {
            for slash in slashes {
                for name in ["secret.txt", "root-sibling/secret.txt"] {
                    let target = format!("{prefix}{dot}{slash}{name}");
                    client.send(request("GET", &target, ""));
                    let answer = client.response("GET");
                    assert!(!answer.text().contains("secret\n") && answer.text() != "secret", "{target}: {answer:?}");
                    assert!(matches!(answer.status, 400 | 404 | 308), "{target}: {answer:?}");
                    if answer.lists("connection", "close") {
                        client.assert_ended();
                        client = Client::connect(&server);
                    }
                    targets += 1;
                }
            }
        }
    }
    assert!(targets > 900);
    for target in ["/../../etc/passwd", "/etc/passwd", "//etc/passwd", "/sub/../../secret.txt"] {
        let answer = get(&server, target, "");
        assert!(matches!(answer.status, 400 | 404 | 308) && !answer.text().contains("root:"), "{target}: {answer:?}");
    }
    server.assert_alive();
}

#[test]
fn a_pipe_or_a_socket_is_404_at_once_and_blocks_nobody() {
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
fn folders_get_their_slash_and_nobody_is_sent_elsewhere() {
    let folder = Folder::with(&[
        ("dir/index.html", "index"),
        ("evil.example/x.txt", "x"),
        ("old/index.htm", "htm"),
        ("a b?c/x.txt", "x"),
        ("line\r\nSet-Cookie: x/x.txt", "x"),
    ]);
    let server = Server::start(&folder, &[]);
    assert_eq!(get(&server, "/dir/", "").text(), "index");
    assert_eq!(get(&server, "/old/", "").text(), "htm");
    let answer = get(&server, "/dir?a=b&c", "");
    assert_eq!(answer.assert_status(308).must("location"), "/dir/?a=b&c");
    // Every one of these is read as another host by some client when it stands in Location.
    for target in ["//evil.example", "///evil.example", "/%5Cevil.example", "/\\evil.example", "//evil.example?x"] {
        let answer = raw(&server, request("GET", target, ""), "GET");
        if let Some(location) = answer.field("location") {
            assert_eq!(location.split('?').next().unwrap(), "/evil.example/", "{target}");
        } else {
            assert!(matches!(answer.status, 400 | 404), "{target}: {answer:?}");
        }
    }
    assert_eq!(get(&server, "/a%20b%3Fc", "").assert_status(308).must("location"), "/a%20b%3Fc/");
    let split = get(&server, "/line%0D%0ASet-Cookie:%20x", "");
    assert!(split.assert_status(308).field("set-cookie").is_none(), "response splitting: {split:?}");
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
    let plain = crate::exchange::strong_tag(&server, "/a.js");
    let coded = get(&server, "/a.js", "Accept-Encoding: gzip\r\n").must("etag").to_string();
    assert_ne!(plain, coded, "one tag for two representations corrupts a resume");
}

#[test]
fn a_client_that_vanishes_in_the_middle_harms_nobody() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    folder.pattern("big.bin", 8 << 20);
    let mut server = Server::start(&folder, &["--log", "off"]);
    for i in 0..200 {
        let mut client = Client::connect(&server);
        client.send(request("GET", if i % 2 == 0 { "/big.bin" } else { "/a.txt" }, ""));
        if i % 3 == 0 {
            client.take(50);
        }
        drop(client);
    }
    assert_eq!(get(&server, "/a.txt", "").text(), "fine");
    let mut whole = Client::connect(&server);
    assert_eq!(whole.get("/big.bin", "Connection: close\r\n").body.len(), 8 << 20);
    assert_eq!(whole.rest(), (Vec::new(), Ending::Fin));
    server.assert_alive();
}
