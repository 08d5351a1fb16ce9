//! Uploads where the file system lacks what they are made of: unnamed files, hard links, a rename that does not replace,
//! stable numbers of files. What was promised holds there too: whole or not at all, and nothing left behind.
//!
//! These are real mounts. `write_faults` makes single system calls fail on an ordinary disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::support::client::{Client, ask, get, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::mount::Mount;
use crate::support::notice;
use crate::support::response::Response;
use crate::support::server::{BINARY, Server, clean};
use crate::support::until;
use crate::support::uploads::{FORM, form, put, send};

/// The start of the sentence by which a server says that it cannot keep other programs out of a name.
const NO_LINKS: &str = "This file system has no hard links";

/// Every change there is, in `root`, which may hold nothing but these files at the end.
fn assert_changes_are_whole(root: &Path, has_links: bool) {
    let (one, two) = (pattern(1, 700_000), pattern(2, 300_000));
    fs::write(root.join("old"), "old").unwrap();
    let server = Server::serve(root, &["--write"]);
    assert_eq!(server.before().concat().contains(NO_LINKS), !has_links, "{:?}", server.before());
    put(&server, "/new", "", &one).assert_status(201);
    put(&server, "/old", "", &two).assert_status(204);
    put(&server, "/made/for/it", "", &one).assert_status(201);
    put(&server, "/empty", "", b"").assert_status(201);
    put(&server, "/new", "If-None-Match: *\r\n", b"x").assert_status(412);
    let files: [(&str, &[u8]); 3] = [("a", &one), ("b", b"2"), ("b", b"3")];
    send(&server, "POST", "/made/", FORM, form(&files)).assert_status(303);
    for (target, content) in [
        ("/new", &one[..]),
        ("/old", &two),
        ("/made/for/it", &one),
        ("/empty", b""),
        ("/made/a", &one),
        ("/made/b", b"2"),
        ("/made/b%20(2)", b"3"),
    ] {
        let got = get(&server, target, "");
        assert!(got.assert_status(200).body == content, "{target}: {} bytes", got.body.len());
    }
    let server = &server;
    let race = |number: u64| move || put(server, "/race", "If-None-Match: *\r\n", pattern(number, 50_000)).status;
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6).map(|number| scope.spawn(race(number))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412, 412, 412, 412, 412]);
    for target in ["/made/for/it", "/made/for/", "/made/a", "/made/b", "/made/b%20(2)", "/made/", "/race"] {
        ask(server, "DELETE", target, "").assert_status(204);
    }
    assert_eq!(names(root), ["empty", "new", "old"]);
}

/// Uploads that are cut off, by their client and then by a kill.
fn assert_nothing_is_left(root: &Path) {
    let content = pattern(3, 900_000);
    let server = Server::serve(root, &["--write"]);
    let begin = |head: String, sent: &[u8]| {
        let mut client = Client::connect(&server);
        client.send(head + "Content-Length: 900000\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(Response::read_head(&mut client).status, 100);
        client.send(sent);
        client
    };
    let head = |method: &str, target: &str, fields: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}")
    };
    let whole = form(&[("a", &content[..1000]), ("b", b"2")]);
    for (method, target, fields, sent) in [
        ("PUT", "/new", "", &content[..0]),
        ("PUT", "/fresh", "", &content[..400_000]),
        ("PUT", "/old", "", &content[..1000]),
        ("POST", "/", FORM, &whole[..whole.len() - 9]),
    ] {
        let mut client = begin(head(method, target, fields), sent);
        client.half_close();
        client.response(method).assert_status(400);
    }
    assert_eq!(names(root), ["empty", "new", "old"]);
    let running = ["/old", "/fresh"].map(|target| begin(head("PUT", target, ""), &content[..400_000]));
    until("two temporary files", || names(root).len() == 5);
    drop(server);
    drop(running);
    let _server = Server::serve(root, &["--write"]);
    assert_eq!(names(root), ["empty", "new", "old"]);
    assert_eq!(fs::read(root.join("old")).unwrap(), pattern(2, 300_000));
}

#[test]
fn uploads_are_whole_where_no_name_is_kept_from_others_and_files_are_stored_when_closed() {
    let folder = Folder::with(&[("source/x", "")]);
    fs::remove_file(folder.join("source/x")).unwrap();
    let options = ["mount", "--daemon", "--vfs-cache-mode", "off", "--config", ""];
    let Some(mount) = Mount::fuse("rclone", &options, &folder.join("source"), folder.join("root")) else { return };
    assert_changes_are_whole(mount.path(), false);
    assert_nothing_is_left(mount.path());
    // What counts is what was stored.
    assert_eq!(names(&folder.join("source")), ["empty", "new", "old"]);
    assert_eq!(fs::read(folder.join("source/new")).unwrap(), pattern(1, 700_000));
}

#[test]
fn uploads_are_whole_without_unnamed_files_and_under_a_foreign_owner() {
    let folder = Folder::with(&[("source/x", "")]);
    fs::remove_file(folder.join("source/x")).unwrap();
    // As on SMB and exFAT, all files look as if they were somebody else's. Then only root may use them here.
    let options = if geteuid().is_root() { &["--force-user=65534", "--chown-ignore"][..] } else { &[] };
    let Some(mount) = Mount::fuse("bindfs", options, &folder.join("source"), folder.join("root")) else { return };
    assert_changes_are_whole(mount.path(), true);
    assert_nothing_is_left(mount.path());
}

#[test]
fn uploads_are_whole_on_exfat() {
    let folder = Folder::new();
    let Some(mount) = Mount::exfat(&folder.join("image"), folder.join("root")) else {
        return notice("no loop device, or no exfat-fuse");
    };
    assert_changes_are_whole(mount.path(), false);
    assert_nothing_is_left(mount.path());
}

#[test]
fn a_file_that_is_mounted_alone_is_replaced_in_place_and_not_removed() {
    let folder = Folder::with(&[("real", "old and long"), ("root/notes", ""), ("root/locked", "")]);
    let bind = |options: &str| {
        let point = folder.join(if options == "bind" { "root/notes" } else { "root/locked" });
        Mount::with("mount", &["-o", options, folder.join("real").to_str().unwrap()], point)
    };
    let Some((_mount, locked)) = bind("bind").zip(bind("bind,ro")) else {
        return notice("only root may mount a file");
    };
    fs::set_permissions(folder.join("real"), PermissionsExt::from_mode(0o604)).unwrap();
    let server = Server::serve(&folder.join("root"), &["--write"]);
    // An upload that breaks off has not touched it.
    let mut client = Client::connect(&server);
    client.send(request("PUT", "/notes", "Content-Length: 100000\r\n"));
    client.send(pattern(1, 70_000));
    client.half_close();
    client.response("PUT").assert_status(400);
    assert_eq!(fs::read(folder.join("real")).unwrap(), b"old and long");
    let mut tags = Vec::new();
    for content in [pattern(1, 200_000), b"short".to_vec(), b"again".to_vec(), b"third".to_vec()] {
        let stored = put(&server, "/notes", "", &content);
        // The inode is the same each time, and so is the size.
        let tag = stored.must("etag").to_string();
        assert!(!tag.starts_with("W/") && !tags.contains(&tag), "{tag} {tags:?}");
        tags.push(tag);
        stored.assert_status(204);
        assert_eq!(fs::read(folder.join("real")).unwrap(), content);
        assert_eq!(get(&server, "/notes", "").body, content);
        let known = format!("If-None-Match: {}\r\n", stored.must("etag"));
        put(&server, "/notes", &known, b"x").assert_status(412);
        put(&server, "/notes", "If-Match: \"x\"\r\n", b"x").assert_status(412);
    }
    assert_eq!(fs::metadata(folder.join("real")).unwrap().mode() & 0o777, 0o604);
    let refused = ask(&server, "DELETE", "/notes", "");
    assert!(refused.assert_status(409).text().contains("mounted"), "{refused:?}");
    put(&server, "/locked", "", b"x").assert_status(403);
    drop(locked);
    assert_eq!(names(&folder.join("root")), ["locked", "notes"]);
}

#[test]
fn a_replaced_file_keeps_its_owner_where_allowed_and_opens_to_nobody() {
    if !geteuid().is_root() {
        return notice("only root may give files away");
    }
    let folder = Folder::in_temp_dir();
    let write = |mode: u32| {
        folder.write("file", "old");
        chown(folder.join("file"), Some(1234), Some(2345)).unwrap();
        fs::set_permissions(folder.join("file"), PermissionsExt::from_mode(mode)).unwrap();
    };
    let replaced = |server: &Server| {
        put(server, "/file", "", b"new").assert_status(204);
        let meta = fs::metadata(folder.join("file")).unwrap();
        (meta.uid(), meta.gid(), meta.mode() & 0o7777)
    };
    write(0o6754);
    let server = Server::start(&folder, &["--write"]);
    assert_eq!(replaced(&server), (1234, 2345, 0o754));
    drop(server);
    // A user who may write into the folder, with one of the groups or none. The program lies where this user may not go.
    fs::copy(BINARY, folder.join("program")).unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    for (group, mode, expected) in [
        ("2345", 0o664, (65534, 2345, 0o664)),
        ("65534", 0o664, (65534, 65534, 0o644)),
        ("65534", 0o670, (65534, 65534, 0o600)),
    ] {
        write(mode);
        let mut command = clean(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", &format!("--groups={group}")]).arg(folder.join("program"));
        command.args(["--port", "0", "--bind", "127.0.0.1", "--write"]).arg(folder.path());
        assert_eq!(replaced(&Server::of(&mut command)), expected, "{group} {mode:o}");
    }
}
