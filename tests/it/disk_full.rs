//! A full disk: 507, the old file stays, and the server goes on.

use std::fs;

use crate::support::client::{Client, ask, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::mount::Mount;
use crate::support::notice;
use crate::support::server::Server;
use crate::support::uploads::put;

#[test]
fn a_limit_of_the_file_size_is_507_and_the_server_lives() {
    let folder = Folder::with(&[("old", "old")]);
    // 256 KiB.
    let mut server = Server::limited("-f", 512, &folder, &["--write"]);
    for target in ["/old", "/new"] {
        // Declared: refused before the body.
        let mut client = Client::connect(&server);
        client.send(request("PUT", target, "Content-Length: 300000\r\nExpect: 100-continue\r\n"));
        client.response("PUT").assert_status(507);
        // Not declared: the write fails. SIGXFSZ would kill a server that does not ignore it.
        let mut client = Client::connect(&server);
        client.send(request("PUT", target, "Transfer-Encoding: chunked\r\n"));
        for _ in 0..40 {
            if !client.send_if_open(&[&b"4000\r\n"[..], &[b'x'; 0x4000], b"\r\n"].concat()) {
                break;
            }
        }
        client.send_if_open(b"0\r\n\r\n");
        client.response("PUT").assert_status(507);
    }
    server.assert_alive();
    assert_eq!(names(folder.path()), ["old"]);
    assert_eq!(fs::read(folder.join("old")).unwrap(), b"old");
    put(&server, "/old", "", pattern(1, 200_000)).assert_status(204);
}

#[test]
fn a_full_disk_is_507_and_the_old_file_stays() {
    let folder = Folder::new();
    let Some(disk) = Mount::with("mount", &["-t", "tmpfs", "-o", "size=6m", "barewire-test"], folder.join("disk"))
    else {
        notice("only root may mount a small disk");
        return;
    };
    let mut server = Server::serve(disk.path(), &["--write"]);
    let old = pattern(1, 3 << 20);
    put(&server, "/film", "", &old).assert_status(201);
    for round in 0..3 {
        // Declared: refused before the body, without 100.
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/film", "Content-Length: 4194304\r\nExpect: 100-continue\r\n"));
        client.response("PUT").assert_status(507);
        // Not declared: the write fails.
        let mut client = Client::connect(&server);
        client.send(request("PUT", ["/film", "/new"][round % 2], "Transfer-Encoding: chunked\r\n"));
        for _ in 0..80 {
            if !client.send_if_open(&[&b"10000\r\n"[..], &[b'x'; 0x10000], b"\r\n"].concat()) {
                break;
            }
        }
        client.response("PUT").assert_status(507);
        assert_eq!(names(disk.path()), ["film"]);
        assert_eq!(fs::read(disk.path().join("film")).unwrap(), old);
    }
    server.assert_alive();
    put(&server, "/small", "", pattern(2, 100_000)).assert_status(201);
    ask(&server, "DELETE", "/film", "").assert_status(204);
    put(&server, "/film", "", pattern(3, 4 << 20)).assert_status(201);
}
