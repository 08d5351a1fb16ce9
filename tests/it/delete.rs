//! DELETE (RFC 9110 §9.3.5).

use std::fs;

use crate::support::client::{Client, ask, strong_tag};
use crate::support::folder::{Folder, names};
use crate::support::server::Server;
use crate::support::until;
use crate::support::uploads::put;

#[test]
fn delete_removes_files_links_and_empty_folders_and_never_the_root() {
    let folder = Folder::with(&[("a.txt", "a"), ("full/b.txt", "b"), ("hidden/.env", "x"), ("c.txt", "c")]);
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir(folder.join("slash")).unwrap();
    std::os::unix::fs::symlink("full", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("out")).unwrap();
    let server = Server::start(&folder, &["-w"]);
    let delete = |target: &str, fields: &str| ask(&server, "DELETE", target, fields).status;
    let tag = strong_tag(&server, "/c.txt");
    for (target, fields, status) in [
        ("/", "", 405),
        ("//", "", 405),
        ("/full", "", 409),
        ("/full/", "", 409),
        ("/hidden/", "", 409),
        ("/none", "", 404),
        ("/a.txt/", "", 404),
        ("/out", "", 404),
        ("/hidden/.env", "", 403),
        ("/a.txt", "If-Match: \"x\"\r\n", 412),
        ("/a.txt", "If-None-Match: *\r\n", 412),
        ("/a.txt", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 412),
        ("/empty", "If-Match: \"x\"\r\n", 412),
        ("/a.txt", "Expect: a-miracle\r\n", 417),
        ("/a.txt", "", 204),
        ("/a.txt", "", 404),
        ("/empty", "If-Match: *\r\n", 204),
        ("/slash/", "", 204),
        ("/link/", "", 204),
    ] {
        assert_eq!(delete(target, fields), status, "{target} {fields}");
    }
    assert_eq!(delete("/c.txt", &format!("If-Match: {tag}\r\n")), 204);
    assert_eq!(names(folder.path()), ["full", "hidden", "out"]);
    assert_eq!(fs::read(folder.join("full/b.txt")).unwrap(), b"b");
}

#[test]
fn a_file_that_a_client_deletes_or_replaces_gives_its_space_back_at_once() {
    let folder = Folder::new();
    for name in ["deleted.bin", "replaced.bin"] {
        folder.pattern(name, 100_000);
        folder.age(name);
    }
    let server = Server::start(&folder, &["-w", "--loops", "2"]);
    // Some of the connections are served by either loop.
    let mut clients: Vec<Client> = (0..16).map(|_| Client::connect(&server)).collect();
    let open = |name: &str| server.open_files().iter().filter(|path| path.contains(name)).count();
    // A file that has just changed is not kept yet.
    until("both are kept open", || {
        for client in &mut clients {
            client.get("/deleted.bin", "").assert_status(200);
            client.get("/replaced.bin", "").assert_status(200);
        }
        open("deleted.bin") > 0 && open("replaced.bin") > 0
    });
    ask(&server, "DELETE", "/deleted.bin", "").assert_status(204);
    put(&server, "/replaced.bin", "", "new").assert_status(204);
    assert_eq!((open("deleted.bin"), open("replaced.bin")), (0, 0), "{:?}", server.open_files());
}
