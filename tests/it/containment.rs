//! No request reaches a file outside the served folder, or a hidden one.

use std::os::unix::fs::symlink;

use rustix::fs::CWD;
use rustix::process::Signal;

use crate::support::client::{Client, get, request};
use crate::support::folder::{Folder, names};
use crate::support::response::Response;
use crate::support::rounds;
use crate::support::server::Server;
use crate::support::uploads::send;

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
    for target in [
        "/.git/config",
        "/.git/",
        "/.git",
        "/.env",
        "/%2eenv",
        "/a/.b/c",
        "/.well-known/.hidden",
        "/a/.b",
        // The rule sees the path without dot segments.
        "/./.git/config",
        "/%2e/.git/config",
        "/a/../.git/config",
        "/a/%2e%2e/.env",
        "/.//.git/config",
        "/a/..//.env",
        "/.well-known/../.env",
        "/.well-known/./.hidden",
        "/a/.b/./c",
        "/a/x/..//.b/c",
    ] {
        let answer = get(&server, target, "");
        assert!(!answer.assert_status(404).text().contains("secret"), "{target}");
    }
    for target in
        ["/.well-known/security.txt", "/a/../.well-known/x/../security.txt", "/.git/../.well-known/security.txt"]
    {
        assert_eq!(get(&server, target, "").text(), "public", "{target}");
    }
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
        for i in 0..rounds(900, 6_000) {
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

/// All paths of some segments, each of which goes down, goes up, or stays. The answer is worked out here from RFC 3986
/// §5.2.4 and compared: the content of each file is its path, and outside the root lie files of the same names.
#[test]
fn every_way_through_folders_and_dots_ends_where_the_rfc_says_and_inside_the_root() {
    let base = Folder::with(&[("f", "OUTSIDE"), ("d/f", "OUTSIDE"), ("root/f", "/f")]);
    for path in ["/d/f", "/d/d/f", "/d/d/d/f", "/d/d/d/d/f", "/d/d/d/d/d/f"] {
        base.write(format!("root{path}"), path);
    }
    const SEGMENTS: [&str; 7] = ["d", "..", "%2E%2e", ".%2e", ".", "%2e", ""];
    let server = Server::serve(&base.join("root"), &["--log", "off"]);
    let mut client = Client::connect(&server);
    let mut ways = vec![String::new()];
    let mut counts = [0_u32; 2];
    for _ in 0..rounds(3, 5) {
        ways = ways.iter().flat_map(|way| SEGMENTS.map(|segment| format!("{way}/{segment}"))).collect();
        for way in &ways {
            let target = format!("{way}/f");
            let mut kept = Vec::new();
            let climbs =
                target.replace("%2E", ".").replace("%2e", ".").split('/').skip(1).any(|segment| match segment {
                    ".." => kept.pop().is_none(),
                    "." => false,
                    name => {
                        kept.push(name.to_string());
                        false
                    }
                });
            let answer = client.get(&target, "");
            counts[usize::from(climbs)] += 1;
            if climbs {
                assert!(answer.assert_status(400).text().contains("leads above the root"), "{target}: {answer:?}");
                client.assert_ended();
                client = Client::connect(&server);
                continue;
            }
            // The file system takes two slashes for one.
            kept.retain(|name| !name.is_empty());
            assert_eq!(answer.text(), format!("/{}", kept.join("/")), "{target}");
        }
    }
    assert!(counts.iter().all(|&count| count > 30), "{counts:?}");
}

/// Rights, routes and kept files: whatever asks about a path asks about the one without dot segments.
#[test]
fn no_rule_is_passed_by_a_dot_segment() {
    let folder = Folder::with(&[("a.txt", "fine"), ("d/b.txt", "b")]);
    let server = Server::start(&folder, &["--upload", "--study", "--log", "off"]);
    let way = |method: &str, target: &str, content: &str| send(&server, method, target, "", content).status;
    // Two times: the second answer may be from the cache, under the same path.
    for target in ["/a.txt", "/./a.txt", "/d/../a.txt", "/%2e/d/%2e%2e/a.txt", "http://localhost/d/../a.txt"] {
        for _ in 0..3 {
            assert_eq!(get(&server, target, "").text(), "fine", "{target}");
        }
    }
    // What may not be replaced or removed may not be so under another spelling.
    for target in ["/a.txt", "/./a.txt", "/d/../a.txt"] {
        assert_eq!((way("PUT", target, "x"), way("DELETE", target, "")), (409, 405), "{target}");
    }
    for target in ["/./.env", "/d/../.env", "/.//.barewire-x", "/d/..//.git/config"] {
        assert_eq!(way("PUT", target, "x"), 403, "{target}");
    }
    assert_eq!(way("PUT", "/d/../../up.txt", "x"), 400);
    assert_eq!(names(folder.path()), ["a.txt", "d"]);
    assert_eq!(way("PUT", "/d/./x/../new.txt", "x"), 201);
    assert_eq!(names(&folder.join("d")), ["b.txt", "new.txt"]);
    // Routes.
    for target in ["/.try/landed", "/./.try/landed", "/d/..//.try/landed", "/.try/x/%2e%2e/landed"] {
        assert!(get(&server, target, "").text().starts_with("This is where the redirects end."), "{target}");
    }
    for target in ["/./.wire", "/d/%2e%2e/.wire", "/.//.wire"] {
        let mut client = Client::connect(&server);
        client.send(request("GET", target, ""));
        let page = Response::read(&mut client, "GET");
        assert!(page.assert_status(403).text().contains("wire view"), "{target}");
    }
    assert_eq!(get(&server, "/.try/../a.txt", "").text(), "fine");
    // A dot segment at the end names the folder.
    for target in ["/d/.", "/d/./", "/d/x/../", "/d/x/%2e%2E/"] {
        assert!(get(&server, target, "User-Agent: curl/8\r\n").assert_status(200).text().contains("b.txt"), "{target}");
    }
    for target in ["/a.txt/.", "/a.txt/./", "/a.txt/x/.."] {
        get(&server, target, "").assert_status(404);
    }
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
                    assert!(matches!(answer.status, 301 | 400 | 404), "{target}: {answer:?}");
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
        assert!(matches!(answer.status, 301 | 400 | 404) && !answer.text().contains("root:"), "{target}: {answer:?}");
    }
    server.assert_alive();
}

#[test]
fn a_link_that_is_not_followed_is_named_in_the_log_which_stays_short() {
    let outside = Folder::with(&[("secret", "secret")]);
    let folder = Folder::with(&[("sub/a.txt", "a")]);
    for (to, name) in [
        (outside.join("secret"), "a\n\x1b[2J\u{202e}404 for b"),
        (outside.path().to_path_buf(), "out"),
        (outside.join("secret"), "sub/index.html"),
    ] {
        symlink(to, folder.join(name)).unwrap();
    }
    let asked = |options: &[&str], times: usize| {
        let server = Server::start(&folder, options);
        get(&server, "/a%0A%1B%5B2J%E2%80%AE404%20for%20b", "").assert_status(404);
        // An index that is a link is passed over: without the line the owner would not know why.
        assert!(get(&server, "/sub/", "").assert_status(200).text().contains("a.txt"));
        (0..times).for_each(|_| assert_eq!(get(&server, "/out/secret", "").status, 404));
        server.stop(Signal::INT).1
    };
    let logged = asked(&[], 100);
    let warnings: Vec<&str> = logged.lines().filter(|line| line.contains("not served: ")).collect();
    assert_eq!(warnings.len(), 32, "{logged}");
    let shown = r"not served: /a\n\u{1b}[2J\u{202e}404 for b: a symbolic link there is absolute or leads out";
    assert!(warnings[0].contains(shown) && warnings[0].contains("--symlinks any"), "{logged}");
    assert!(warnings[1].contains("not served: /sub/index.html: ") && warnings[2].contains("not served: /out/secret: "));
    let all = asked(&["--verbose"], 40);
    assert_eq!(all.lines().filter(|line| line.contains("not served: ")).count(), 42, "{all}");
    for options in [["--symlinks", "deny"], ["--symlinks", "any"]] {
        let server = Server::start(&folder, &options);
        get(&server, "/out/secret", "");
        let logged = server.stop(Signal::INT).1;
        assert!(!logged.contains("not served: "), "{logged}");
    }
}
