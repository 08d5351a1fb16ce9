//! Writers that compete for one name, and folders that change while an upload runs.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::support::client::{Client, request, strong_tag};
use crate::support::folder::{Folder, names, pattern};
use crate::support::response::Response;
use crate::support::rounds;
use crate::support::server::Server;
use crate::support::uploads::put;

#[test]
fn thirty_two_writers_to_one_name_have_one_whole_winner() {
    const LENGTH: usize = 400_000;
    let folder = Folder::new();
    let server = Server::start(&folder, &["--write"]);
    let contents: Vec<Vec<u8>> = (0..32).map(|writer| pattern(writer, LENGTH)).collect();
    let server = &server;
    let race = |fields: &'static str| -> Vec<u16> {
        std::thread::scope(|scope| {
            let writers: Vec<_> = contents
                .iter()
                .map(|content| scope.spawn(move || put(server, "/in/one", fields, content).status))
                .collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        })
    };
    let count = |statuses: &[u16], status| statuses.iter().filter(|s| **s == status).count();
    let statuses = race("If-None-Match: *\r\n");
    assert_eq!((count(&statuses, 201), count(&statuses, 412)), (1, 31), "{statuses:?}");
    let winner = statuses.iter().position(|status| *status == 201).unwrap();
    assert_eq!(fs::read(folder.join("in/one")).unwrap(), contents[winner]);
    let statuses = race("");
    assert_eq!(count(&statuses, 204), 32, "{statuses:?}");
    let last = fs::read(folder.join("in/one")).unwrap();
    assert!(contents.contains(&last));
    assert_eq!(names(&folder.join("in")), ["one"]);
}

#[test]
fn uploads_while_a_folder_becomes_a_link_stay_inside() {
    let outside = Folder::with(&[("deep/x", "x")]);
    let folder = Folder::with(&[("sub/deep/x", "x")]);
    std::os::unix::fs::symlink(outside.path(), folder.join("link")).unwrap();
    let server = Server::start(&folder, &["--write"]);
    let (done, swaps, stored) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // One step, so that the name is never free: else the server would rightly make a folder there.
            let [real, link] = ["sub", "link"].map(|name| folder.join(name));
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, &real, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let uploads: Vec<_> = (0..6)
            .map(|writer| {
                let (server, stored) = (&server, &stored);
                scope.spawn(move || {
                    for n in 0..rounds(25, 100) {
                        let target = ["/sub", "/sub/deep", "/sub/new"][n % 3].to_string() + &format!("/{writer}-{n}");
                        let status = put(server, &target, "", b"content").status;
                        assert!(matches!(status, 201 | 403 | 404 | 409 | 503), "{target}: {status}");
                        stored.fetch_add(usize::from(status == 201), Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let results: Vec<_> = uploads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
    });
    assert_eq!(names(outside.path()), ["deep"]);
    assert_eq!(names(&outside.join("deep")), ["x"]);
    let (swaps, stored) = (swaps.into_inner(), stored.into_inner());
    assert!(swaps > 20 && stored > 0, "the race never happened: {swaps} swaps, {stored} files");
    let inside = count(folder.path());
    assert_eq!(inside, stored + 1, "every 201 is a file, and every file is a 201");
}

/// Regular files below a folder.
fn count(path: &Path) -> usize {
    let below = |entry: fs::DirEntry| {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() { count(&entry.path()) } else { usize::from(kind.is_file()) }
    };
    fs::read_dir(path).unwrap().map(|entry| below(entry.unwrap())).sum()
}

#[test]
fn a_lost_update_is_412_and_the_first_writers_file_stays() {
    let folder = Folder::with(&[("a", "0")]);
    let server = Server::start(&folder, &["-w"]);
    let tag = strong_tag(&server, "/a");
    let condition = format!("If-Match: {tag}\r\n");
    let mine = put(&server, "/a", &condition, b"mine").assert_status(204).must("etag").to_string();
    put(&server, "/a", &condition, b"theirs").assert_status(412);
    // The tag of an upload's own answer is good at once.
    put(&server, "/a", &format!("If-Match: {mine}\r\n"), b"again").assert_status(204);
    put(&server, "/a", "If-None-Match: *\r\n", b"new").assert_status(412);
    put(&server, "/b", "If-None-Match: *\r\n", b"new").assert_status(201);
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"again");

    // Both pass the check before the content; the second one to finish must not pass the other.
    let tag = strong_tag(&server, "/a");
    let begin = |content: &str| {
        let mut client = Client::connect(&server);
        let fields = format!("If-Match: {tag}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n", content.len());
        client.send(request("PUT", "/a", &fields));
        assert_eq!(Response::read_head(&mut client).status, 100);
        client
    };
    let (mut first, mut second) = (begin("first"), begin("second"));
    second.send("second");
    second.response("PUT").assert_status(204);
    first.send("first");
    first.response("PUT").assert_status(412);
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"second");
}

#[test]
fn a_name_taken_meanwhile_is_told_by_the_condition() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload"]);
    for (condition, status) in [("", 409), ("If-None-Match: *\r\n", 412)] {
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/a", &format!("{condition}Content-Length: 1\r\nExpect: 100-continue\r\n")));
        assert_eq!(Response::read_head(&mut client).status, 100);
        folder.write("a", "somebody else");
        client.send("x");
        client.response("PUT").assert_status(status);
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"somebody else");
        fs::remove_file(folder.join("a")).unwrap();
    }
}

#[test]
fn a_folder_that_is_removed_under_an_upload_is_made_again_or_missed() {
    let folder = Folder::new();
    for (right, made_again, status) in [("--write", false, 201), ("--write", true, 201), ("--overwrite", false, 409)] {
        folder.write("sub/deep/file", "old");
        let server = Server::start(&folder, &[right]);
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/sub/deep/file", "Content-Length: 200000\r\nExpect: 100-continue\r\n"));
        assert_eq!(Response::read_head(&mut client).status, 100);
        fs::remove_dir_all(folder.join("sub")).unwrap();
        if made_again {
            fs::create_dir_all(folder.join("sub/deep")).unwrap();
        }
        client.send(pattern(1, 200_000));
        client.response("PUT").assert_status(status);
        if status == 201 {
            assert_eq!(fs::read(folder.join("sub/deep/file")).unwrap(), pattern(1, 200_000));
            assert_eq!(names(&folder.join("sub/deep")), ["file"]);
            fs::remove_dir_all(folder.join("sub")).unwrap();
        }
        assert!(names(folder.path()).is_empty());
    }
}
