//! No request reaches a file outside the served folder, or a hidden one.

use std::os::unix::fs::symlink;

use rustix::fs::CWD;

use crate::support::client::{Client, get, request};
use crate::support::folder::Folder;
use crate::support::rounds;
use crate::support::server::Server;

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
