//! File systems on which a size is not the length of the content, or on which a read waits for something else than a
//! disk: `/proc`, `/sys`, FUSE.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use barewire::net::Timeouts;

use crate::support::client::{Client, ask, get, request};
use crate::support::folder::Folder;
use crate::support::fuse::{Fuse, FuseFile, Operation};
use crate::support::library::Library;
use crate::support::response::Response;
use crate::support::server::Server;

/// 403 that says why.
#[track_caller]
fn assert_refused(response: &Response) {
    assert!(response.assert_status(403).text().contains("made by the kernel"), "{response:?}");
}

#[test]
fn nothing_in_proc_or_sys_is_sent_under_a_size_that_is_not_its_length() {
    let server = Server::serve(Path::new("/proc/sys/kernel"), &["--log", "json"]);
    for target in ["/ostype", "/random/uuid", "/random/", "/"] {
        assert_refused(&get(&server, target, ""));
        assert_eq!(ask(&server, "HEAD", target, "").status, 403);
    }
    assert!(server.log().line("/ostype").contains("a file system of the kernel"));
    get(&server, "/none", "").assert_status(404);
    let server = Server::serve(Path::new("/sys/kernel"), &[]);
    assert_refused(&get(&server, "/", "Accept: text/html\r\n"));
    // A single file has its folder as root.
    let server = Server::serve(Path::new("/proc/version"), &[]);
    assert_refused(&get(&server, "/version", ""));
}

#[test]
fn a_way_into_proc_from_an_ordinary_folder_is_refused_too() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    symlink("/proc", folder.join("kernel")).unwrap();
    symlink("/proc/kmsg", folder.join("endless")).unwrap();
    let server = Server::start(&folder, &["--symlinks", "any"]);
    for target in ["/kernel/version", "/kernel/sys/kernel/ostype", "/endless", "/kernel/"] {
        for accept in ["", "Accept: text/html\r\n"] {
            assert_refused(&get(&server, target, accept));
        }
    }
    let listing = get(&server, "/", "").text();
    assert!(listing.contains("a.txt") && !listing.contains("endless") && !listing.contains("kernel"), "{listing}");
    get(&server, "/a.txt", "").assert_status(200);
}

#[test]
fn a_file_that_hides_its_size_is_sent_whole_to_every_kind_of_client() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let long: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let files = vec![
        FuseFile::claiming(0, "short.txt", "made as it is read"),
        FuseFile::claiming(0, "long.html", long.clone()),
        FuseFile::claiming(0, "empty.txt", ""),
        FuseFile::new("true.txt", "as long as it says"),
        FuseFile::claiming(4096, "liar.txt", "shorter than it says"),
    ];
    // As the root itself, and as a mount beneath it.
    std::fs::create_dir(folder.join("mount")).unwrap();
    let Some(_fuse) = Fuse::mount(&folder.join("mount"), files) else { return };
    for (root, at) in [(folder.path(), "/mount"), (&folder.join("mount"), "")] {
        let server = Server::serve(root, &[]);
        for (name, content) in [("short.txt", &b"made as it is read"[..]), ("long.html", &long)] {
            let target = format!("{at}/{name}");
            let whole = get(&server, &target, "Range: bytes=0-3\r\nIf-None-Match: *\r\n");
            assert!(whole.assert_status(200).body == content, "{target}");
            assert!(whole.lists("transfer-encoding", "chunked") && whole.field("content-length").is_none());
            assert_eq!((whole.field("etag"), whole.field("accept-ranges")), (None, Some("none")));
            let head = ask(&server, "HEAD", &target, "");
            assert!(head.field("content-length").is_none() && head.field("etag").is_none(), "{head:?}");
            // HTTP/1.0 has no chunks: the end of the connection is the end of the content.
            let mut old = Client::connect(&server);
            old.send(format!("GET {target} HTTP/1.0\r\n\r\n"));
            let (bytes, _) = old.rest();
            let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            assert!(
                bytes[head + 4..] == *content && !String::from_utf8_lossy(&bytes[..head]).contains("Transfer-Encoding")
            );
        }
        let empty = get(&server, &format!("{at}/empty.txt"), "");
        assert_eq!(empty.assert_status(200).must("content-length"), "0");
        let part = get(&server, &format!("{at}/true.txt"), "Range: bytes=0-1\r\n");
        assert_eq!(part.assert_status(206).text(), "as");
        // Announced longer than it is: the client must see that something is missing.
        let mut client = Client::connect(&server);
        client.send(request("GET", &format!("{at}/liar.txt"), ""));
        let (bytes, _) = client.rest();
        assert!(bytes.ends_with(b"shorter than it says") && bytes.starts_with(b"HTTP/1.1 200"), "{bytes:?}");
    }
}

#[test]
fn a_mount_that_numbers_its_files_anew_changes_no_tag_and_one_without_times_confirms_none() {
    let folder = Folder::new();
    let constant = |content: &str| FuseFile { time: 1, ..FuseFile::new("constant.txt", content) };
    let tag = |files: Vec<FuseFile>, target: &str| {
        let _fuse = Fuse::mount(folder.path(), files)?;
        let server = Server::serve(folder.path(), &[]);
        let answer = get(&server, target, "");
        let tag = answer.assert_status(200).must("etag").to_string();
        let known = get(&server, target, &format!("If-None-Match: {tag}\r\n"));
        let range = get(&server, target, &format!("Range: bytes=0-0\r\nIf-Range: {tag}\r\n"));
        Some((tag, known.status, range.status, answer.field("last-modified").is_some()))
    };
    // The numbers of these files are their places in the list.
    let files = |list: &[&'static str]| list.iter().map(|name| FuseFile::new(name, *name)).collect::<Vec<_>>();
    let Some(first) = tag(files(&["a.txt", "b.txt", "c.txt"]), "/c.txt") else { return };
    assert_eq!((first.1, first.2, first.3), (304, 206, true));
    assert_eq!(tag(files(&["c.txt", "a.txt"]), "/c.txt"), Some(first));
    // An image in which all times are 1: the next one has other content of the same length.
    let before = tag(vec![constant("before")], "/constant.txt").unwrap();
    let after = tag(vec![constant("behind")], "/constant.txt").unwrap();
    assert_eq!([&before, &after].map(|seen| (seen.1, seen.2, seen.3)), [(200, 200, false); 2]);
    assert_ne!(before.0, after.0);
}

#[test]
fn a_file_system_that_does_not_answer_stops_nobody_but_its_own_readers() {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    for (operation, at) in [(Operation::Read, "/mount"), (Operation::Read, ""), (Operation::Flush, "/mount")] {
        let folder = Folder::with(&[("a.txt", "fine")]);
        std::fs::create_dir(folder.join("mount")).unwrap();
        let files = vec![FuseFile::new("small.bin", "few bytes"), FuseFile::new("large.bin", large.clone())];
        let Some(fuse) = Fuse::mount(&folder.join("mount"), files) else { return };
        let root = if at.is_empty() { folder.join("mount") } else { folder.path().to_path_buf() };
        let server = Server::serve(&root, &["--loops", "1"]);
        let held = fuse.hold(operation);
        let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(&server)).collect();
        clients[0].send(request("GET", &format!("{at}/small.bin"), ""));
        clients[1].send(request("GET", &format!("{at}/large.bin"), ""));
        let check = |clients: &mut Vec<Client>| {
            assert_eq!(clients[0].response("GET").text(), "few bytes");
            assert!(clients[1].response("GET").body == large);
        };
        if operation == Operation::Flush {
            check(&mut clients);
        }
        held.until(2);
        // Answered by the one loop, which waits for nothing.
        if at.is_empty() {
            get(&server, "/%00", "").assert_status(400);
        } else {
            get(&server, "/a.txt", "").assert_status(200);
        }
        drop(held);
        if operation == Operation::Read {
            check(&mut clients);
        }
        let part = get(&server, &format!("{at}/large.bin"), "Range: bytes=5-6,200000-600000\r\n");
        let part = part.assert_status(206).body.as_slice();
        assert!(part.windows(400_001).any(|bytes| *bytes == large[200_000..=600_000]));
    }
}

/// Most programs let the kernel keep metadata for a second. The content is newer than that.
#[test]
fn a_change_that_the_kernel_has_not_heard_of_is_seen() {
    let folder = Folder::new();
    let file = FuseFile { kept: 3600, ..FuseFile::new("a.bin", "first") };
    let Some(fuse) = Fuse::mount(folder.path(), vec![file]) else { return };
    let server = Server::serve(folder.path(), &[]);
    // Of a file of this type nothing is read: a read would make the kernel ask again.
    let before = ask(&server, "HEAD", "/a.bin", "");
    let (tag, date) = (before.assert_status(200).must("etag"), before.must("last-modified"));
    fuse.change(|file| *file = FuseFile { time: file.time + 1, kept: 3600, ..FuseFile::new("a.bin", "longer now") });
    for fields in [
        format!("If-None-Match: {tag}\r\n"),
        format!("If-Modified-Since: {date}\r\n"),
        format!("Range: bytes=1-2\r\nIf-Range: {tag}\r\n"),
    ] {
        assert_eq!(get(&server, "/a.bin", &fields).assert_status(200).text(), "longer now", "{fields}");
    }
    assert_eq!(ask(&server, "HEAD", "/a.bin", &format!("If-Match: {tag}\r\n")).status, 412);
}

#[test]
fn a_mount_that_hangs_takes_half_of_the_workers_and_its_clients_are_told() {
    let folder = Folder::with(&[("a.txt", "fine"), ("sub/b.txt", "b")]);
    std::fs::create_dir(folder.join("mount")).unwrap();
    let Some(fuse) = Fuse::mount(&folder.join("mount"), vec![FuseFile::new("c.txt", "back")]) else { return };
    // The other requests have the same limit, and a busy machine may need a second for one of them.
    let timeouts = Timeouts::with(|s| s.job = Duration::from_secs(4));
    let library = Library::files(&folder, timeouts);
    let held = fuse.hold(Operation::Lookup);
    let mut stuck: Vec<Client> = (0..40).map(|_| library.connect()).collect();
    for (number, client) in stuck.iter_mut().enumerate() {
        let slash = if number % 2 == 0 { "/" } else { "" };
        client.send(request("GET", &format!("/mount/{number}{slash}"), ""));
    }
    held.until(2);
    for _ in 0..10 {
        assert!(library.connect().get("/sub/", "").assert_status(200).text().contains("b.txt"));
        library.connect().ask("PUT", "/new.txt", "Content-Length: 0\r\n");
        library.connect().get("/a.txt", "").assert_status(200);
    }
    for client in &mut stuck {
        assert_eq!(client.response("GET").assert_status(503).must("retry-after"), "10");
    }
    // Of each kind of work at most as many workers as one client may have, and no other client has come to this mount.
    let workers = std::thread::available_parallelism().map_or(1, usize::from).max(4);
    assert!(fuse.held() <= 2 * (workers - 1), "{}", fuse.held());
    drop(held);
    assert_eq!(library.connect().get("/mount/c.txt", "").assert_status(200).text(), "back");
}
