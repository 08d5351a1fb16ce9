//! PUT (RFC 9110 §9.3.4).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use crate::support::client::{Client, get, request, strong_tag};
use crate::support::folder::{Folder, names, pattern};
use crate::support::server::Server;
use crate::support::uploads::put;

#[test]
fn put_creates_with_201_and_replaces_with_204_under_a_tag_that_get_repeats() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--write"]);
    let created = put(&server, "/in/new/a%20b.txt", "", b"one");
    assert_eq!(created.assert_status(201).must("location"), "a%20b.txt");
    let tag = created.must("etag").to_string();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    assert_eq!(strong_tag(&server, "/in/new/a%20b.txt"), tag);
    assert_eq!(get(&server, "/in/new/a%20b.txt", "").text(), "one");
    // The permission bits of the old file stay.
    fs::set_permissions(folder.join("in/new/a b.txt"), PermissionsExt::from_mode(0o640)).unwrap();
    let replaced = put(&server, "/in/new/a%20b.txt", "", b"number two");
    let tag = replaced.assert_status(204).must("etag").to_string();
    assert_eq!(strong_tag(&server, "/in/new/a%20b.txt"), tag);
    assert_eq!(fs::read(folder.join("in/new/a b.txt")).unwrap(), b"number two");
    assert_eq!(fs::metadata(folder.join("in/new/a b.txt")).unwrap().permissions().mode() & 0o777, 0o640);
    put(&server, "/empty", "", b"").assert_status(201);
    assert_eq!(get(&server, "/empty", "").assert_status(200).body.len(), 0);
    assert_eq!(names(&folder.join("in/new")), ["a b.txt"]);
}

#[test]
fn content_in_chunks_arrives_whole_and_a_bad_chunk_leaves_nothing() {
    let folder = Folder::with(&[("old", "old")]);
    let server = Server::start(&folder, &["-w"]);
    let content = pattern(7, 700_000);
    let mut bytes = request("PUT", "/chunked", "Transfer-Encoding: chunked\r\n");
    for chunk in content.chunks(99_991) {
        bytes.extend_from_slice(format!("{:x};x=y\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    let mut client = Client::connect(&server);
    client.send(&bytes);
    client.response("PUT").assert_status(201);
    assert_eq!(fs::read(folder.join("chunked")).unwrap(), content);
    let mut bytes = request("PUT", "/old", "Transfer-Encoding: chunked\r\n");
    bytes.extend_from_slice(b"3\r\nnew\r\nzz\r\n");
    client.send(&bytes);
    client.response("PUT").assert_status(400);
    client.assert_ended();
    assert_eq!(fs::read(folder.join("old")).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["chunked", "old"]);
}

#[test]
fn names_of_any_bytes_are_stored_and_hidden_ones_are_not() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["-w"]);
    for (target, name) in [
        ("/%FF%FE", &b"\xff\xfe"[..]),
        ("/%22%3Cb%3E%27", b"\"<b>'"),
        ("/a%0D%0Ab%1B", b"a\r\nb\x1b"),
        ("/C:%5Cx", b"C:\\x"),
        ("/%E2%80%AEgpj.exe", "\u{202e}gpj.exe".as_bytes()),
    ] {
        let answer = put(&server, target, "", b"x");
        assert_eq!(
            answer.assert_status(201).must("location").to_ascii_uppercase(),
            target[1..].to_ascii_uppercase().replace(':', "%3A")
        );
        assert!(folder.join(OsStr::from_bytes(name)).is_file());
        get(&server, target, "").assert_status(200);
    }
    let before = names(folder.path());
    for target in ["/.env", "/a/.git/config", "/.barewire-0123456789abcdef", "/x/.barewire-y"] {
        // Whether it is there or not: the rule is about names.
        let refused = put(&server, target, "", b"x");
        assert!(refused.assert_status(403).text().contains("--dotfiles"), "{refused:?}");
    }
    for target in ["/..%2Fout", "/a/../../b", "/%2e%2e/x", "/a%00b"] {
        put(&server, target, "", b"x").assert_status(400);
    }
    put(&server, &format!("/{}", "n".repeat(256)), "", b"x").assert_status(409);
    put(&server, &"/d".repeat(100), "", b"x").assert_status(409);
    assert_eq!(names(folder.path()), before);
}
