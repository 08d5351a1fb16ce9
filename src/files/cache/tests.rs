//! Tries to find a response of the cache that the normal path would not give.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use crate::files::cache::*;
use crate::files::testing::{Folder, age, arrival, fetch, fetch_at, get, later, with};
use crate::files::{Settings, Site, Symlinks};
use crate::service::{Service, testing::rounds};

fn site(folder: &Folder) -> Site {
    Site::open(folder.path(), Settings::default()).unwrap()
}

/// Requests a file twice: the second request keeps it.
fn keep(site: &mut dyn Service, head: &str, now: SystemTime) {
    (0..2).for_each(|_| drop(fetch_at(site, head, now)));
}

#[test]
fn the_second_request_keeps_a_file_and_the_third_is_answered_from_memory() {
    let folder = Folder::new();
    let names = ["a.html", "b.html", "sub/index.html"].map(|name| folder.write(name, "x"));
    names.iter().for_each(|path| age(path, 3600));
    let (mut site, now) = (site(&folder), later());
    // Other requests in between do not matter.
    for ready in [false, false, true, true] {
        for path in ["/a.html", "/b.html", "/sub/"] {
            assert_eq!(fetch_at(&mut site, &get(path), now).ready, ready, "{path}");
        }
    }
    // An edited file is kept again by the request that finds the edit.
    folder.write("a.html", "y");
    assert!(!fetch_at(&mut site, &get("/a.html"), later()).ready);
    assert!(fetch_at(&mut site, &get("/a.html"), later()).ready);
}

#[test]
fn a_cached_response_is_the_one_of_the_normal_path() {
    let folder = Folder::new();
    for name in ["a.html", "index.html", "sub/index.html", "b.bin", "c%20d.txt"] {
        folder.write(name, name.repeat(7));
    }
    let (mut cached, now) = (site(&folder), later());
    let mut uncached = Site::open(folder.path(), Settings { cache_bytes: 0, ..Settings::default() }).unwrap();
    let tag = |bytes: &str| bytes.lines().find_map(|l| l.strip_prefix("ETag: ").map(str::to_string)).unwrap();
    for path in ["/a.html", "/", "/sub/", "/b.bin", "/c%2520d.txt"] {
        let normal = fetch_at(&mut uncached, &get(path), now);
        let known = tag(&normal.bytes);
        for field in
            ["X: y", "Accept-Encoding: gzip, br", "If-None-Match: \"other\"", &format!("If-None-Match: {known}")]
        {
            let heads = [with(path, field), with(path, field).replace("GET", "HEAD")];
            for head in heads {
                let normal = fetch_at(&mut uncached, &head, now);
                keep(&mut cached, &get(path), now);
                let ready = fetch_at(&mut cached, &head, now);
                assert!(!normal.ready && ready.ready, "{head}");
                assert_eq!(ready.bytes, normal.bytes, "{head}");
            }
        }
    }
}

/// Whether the cache has an answer to this.
fn knows(site: &mut Site, head: &str, now: SystemTime) -> bool {
    let (request, root) = (crate::files::testing::request(head.as_bytes()), site.root().clone());
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let context = crate::service::RequestContext {
        peer: local,
        client: crate::service::Client::Peer(local.ip()),
        local,
        now,
        arrival: arrival(),
    };
    site.cache.as_mut().unwrap().lookup(&request, &root, &context).is_some()
}

/// The lines of a head in some order, and what follows it.
fn sorted(bytes: &str) -> (Vec<&str>, &str) {
    let (head, content) = bytes.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.lines().collect();
    lines.sort_unstable();
    (lines, content)
}

#[test]
fn a_range_of_an_open_file_is_the_one_of_the_normal_path() {
    let folder = Folder::new();
    let long: String = (0..4000).map(|n| format!("{n:07}\n")).collect();
    folder.write("long.txt", &long);
    folder.write("small.txt", "small");
    let now = later();
    let mut uncached = Site::open(folder.path(), Settings { cache_bytes: 0, ..Settings::default() }).unwrap();
    let tag = fetch_at(&mut uncached, &get("/long.txt"), now).bytes;
    let tag = tag.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    for (field, ready) in [
        ("Range: bytes=0-0", true),
        ("Range: bytes=100-", true),
        ("Range: bytes=-9", true),
        ("Range: bytes=31999-99999", true),
        ("Range: lines=1-2", false),
        ("Range: bytes=0-1,9-9", false),
        ("Range: bytes=32000-", false),
        ("Range: bytes=0-1\r\nRange: bytes=2-3", true),
        ("Range: bytes=5-6\r\nIf-Range: \"other\"", true),
        (&format!("Range: bytes=5-6\r\nIf-Range: {tag}"), true),
        (&format!("Range: bytes=5-6\r\nIf-None-Match: {tag}"), true),
        (&format!("Range: bytes=5-6\r\nIf-None-Match: {tag}, \"x\""), true),
        ("Range: bytes=5-6\r\nIf-None-Match: \"x\"", true),
        ("Range: bytes=5-6\r\nIf-Match: \"x\"", false),
    ] {
        for head in [with("/long.txt", field), with("/long.txt", field).replace("GET", "HEAD")] {
            // The entry is made from a range; no request has asked for the whole.
            let mut site = site(&folder);
            keep(&mut site, &with("/long.txt", "Range: bytes=7-8"), now);
            keep(&mut site, &head, now);
            // HEAD ignores Range.
            assert_eq!(
                knows(&mut site, &head, now),
                ready || head.starts_with("HEAD") && !field.contains("Match"),
                "{head}"
            );
            let (got, normal) = (fetch_at(&mut site, &head, now), fetch_at(&mut uncached, &head, now));
            match normal.bytes.contains("boundary=") {
                true => assert_eq!(got.bytes.len(), normal.bytes.len(), "{head}"),
                false => assert!(sorted(&got.bytes) == sorted(&normal.bytes), "{head}"),
            }
        }
    }
}

#[test]
fn a_range_is_never_of_the_version_before() {
    let folder = Folder::new();
    let path = folder.write("film.bin", vec![b'0'; 20_000]);
    let mut site = site(&folder);
    let head = with("/film.bin", "Range: bytes=10000-10004");
    let mut hits = 0;
    let rounds = rounds(600, 10_000);
    for round in 0..rounds {
        let text = format!("{round:05}");
        match round % 3 {
            // In place: only the times change.
            0 => std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .write_at(text.as_bytes(), 10_000)
                .map(drop)
                .unwrap(),
            1 => {
                let fresh = folder.write("film.tmp", text.repeat(4_000));
                std::fs::rename(fresh, &path).unwrap();
            }
            _ => drop(folder.write("film.bin", text.repeat(4_000))),
        }
        if round % 50 == 0 {
            age(&path, 3600);
            keep(&mut site, &head, later());
            hits += u32::from(knows(&mut site, &head, later()));
        }
        let got = fetch(&mut site, &head);
        assert!(got.bytes.ends_with(&format!("\r\n\r\n{text}")), "round {round}");
    }
    assert!(hits as usize > rounds / 100, "the cache was never used: {hits}");
}

#[test]
fn an_edit_is_seen_at_the_very_next_request() {
    let folder = Folder::new();
    let path = folder.write("page.html", "0");
    let mut site = site(&folder);
    let mut hits = 0;
    let rounds = rounds(600, 10_000);
    for round in 0..rounds {
        let text = format!("{round:05}");
        match round % 4 {
            // In place, with the same length: only the times change.
            0 | 1 => std::fs::write(&path, &text).unwrap(),
            // To another file, then renamed over it, as editors do.
            2 => {
                let fresh = folder.write("page.tmp", &text);
                std::fs::rename(fresh, &path).unwrap();
            }
            _ => {
                std::fs::remove_file(&path).unwrap();
                assert!(fetch(&mut site, &get("/page.html")).bytes.starts_with("HTTP/1.1 404"), "round {round}");
                std::fs::write(&path, &text).unwrap();
            }
        }
        if round % 50 == 0 {
            // An old file is kept, so that the cache could hide the next edit.
            age(&path, 3600);
            let aged = later();
            keep(&mut site, &get("/page.html"), aged);
            hits += u32::from(fetch_at(&mut site, &get("/page.html"), aged).ready);
        }
        let got = fetch(&mut site, &get("/page.html"));
        assert!(got.bytes.ends_with(&format!("\r\n\r\n{text}")), "round {round}: {}", got.bytes);
    }
    assert!(hits as usize > rounds / 100, "the cache was never used: {hits}");
}

#[test]
fn a_prepared_coding_that_appears_is_seen_at_once() {
    let folder = Folder::new();
    let path = folder.write("page.html", "plain");
    age(&path, 3600);
    let (mut site, now) = (site(&folder), later());
    let head = with("/page.html", "Accept-Encoding: br");
    // The first time a worker finds out that there is none.
    keep(&mut site, &head, now);
    keep(&mut site, &head, now);
    assert!(fetch_at(&mut site, &head, now).ready);
    folder.write("page.html.br", "compressed");
    let got = fetch_at(&mut site, &head, now);
    assert!(got.bytes.contains("Content-Encoding: br\r\n") && got.bytes.ends_with("compressed"), "{}", got.bytes);
    // A client that accepts no codings still gets the original, from the cache.
    keep(&mut site, &get("/page.html"), now);
    assert!(fetch_at(&mut site, &get("/page.html"), now).bytes.ends_with("\r\n\r\nplain"));
    std::fs::remove_file(folder.join("page.html.br")).unwrap();
    assert!(fetch_at(&mut site, &head, now).bytes.ends_with("\r\n\r\nplain"));
}

#[test]
fn a_prepared_coding_that_is_a_link_is_not_overlooked() {
    let folder = Folder::new();
    folder.write("page.html", "plain");
    folder.write("elsewhere/page.gz", "packed");
    folder.symlink("elsewhere/page.gz", "page.html.gz");
    let (mut site, now) = (site(&folder), later());
    for _ in 0..3 {
        assert!(fetch_at(&mut site, &get("/page.html"), now).bytes.ends_with("plain"));
        let got = fetch_at(&mut site, &with("/page.html", "Accept-Encoding: gzip"), now);
        assert!(got.bytes.ends_with("packed"), "{}", got.bytes);
    }
}

#[test]
fn a_folder_that_moves_out_and_leaves_a_link_is_not_served_from_memory() {
    let (folder, outside) = (Folder::new(), Folder::new());
    folder.write("docs/page.html", "mine");
    let (mut site, now) = (site(&folder), later());
    keep(&mut site, &get("/docs/page.html"), now);
    assert!(fetch_at(&mut site, &get("/docs/page.html"), now).ready);
    std::fs::rename(folder.join("docs"), outside.join("docs")).unwrap();
    folder.symlink(outside.join("docs"), "docs");
    let got = fetch_at(&mut site, &get("/docs/page.html"), now + Duration::from_secs(1));
    assert!(got.bytes.starts_with("HTTP/1.1 404"), "{}", got.bytes);
}

#[test]
fn young_files_links_and_rare_fields_take_the_normal_path() {
    let folder = Folder::new();
    folder.write("young.html", "young");
    age(&folder.write("old.html", "old"), 3600);
    folder.symlink("old.html", "link.html");
    std::fs::create_dir(folder.join("real")).unwrap();
    age(&folder.write("real/x.html", "x"), 3600);
    folder.symlink("real", "linked");
    let mut site = Site::open(folder.path(), Settings { symlinks: Symlinks::Inside, ..Settings::default() }).unwrap();
    let ready = |site: &mut Site, head: &str, now| {
        keep(site, head, now);
        fetch_at(site, head, now).ready
    };
    assert!(!ready(&mut site, &get("/young.html"), SystemTime::now()));
    assert!(ready(&mut site, &get("/old.html"), later()));
    assert!(!ready(&mut site, &get("/link.html"), later()));
    assert!(!ready(&mut site, &get("/linked/x.html"), later()));
    for field in ["Range: bytes=0-1", "If-Match: *", "Expect: tea", "If-Unmodified-Since: x"] {
        assert!(!ready(&mut site, &with("/old.html", field), later()), "{field}");
    }
    assert!(!ready(&mut site, &get("/old.html").replace("GET", "POST"), later()));
}

#[test]
fn rights_that_are_taken_away_are_seen_at_once() {
    let folder = Folder::new();
    let path = folder.write("secret.html", "secret");
    age(&path, 3600);
    let (mut site, now) = (site(&folder), later());
    keep(&mut site, &get("/secret.html"), now);
    assert!(fetch_at(&mut site, &get("/secret.html"), now).ready);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The file is opened again. Whether that works depends on the user who runs the test.
    assert!(!fetch_at(&mut site, &get("/secret.html"), SystemTime::now()).ready);
}

#[test]
fn the_cache_is_bounded_and_unused_files_leave_first() {
    let folder = Folder::new();
    for n in 0..40 {
        age(&folder.write(format!("{n}.html"), "x".repeat(1000)), 3600);
    }
    let now = later();
    let one = 4 * 1024;
    let mut site = Site::open(folder.path(), Settings { cache_bytes: 10 * one, ..Settings::default() }).unwrap();
    for n in 0..40 {
        keep(&mut site, &get(&format!("/{n}.html")), now);
        assert!(n == 0 || fetch_at(&mut site, &get("/0.html"), now).ready, "in use, and gone after {n}");
    }
    let cache = site.cache.as_ref().unwrap();
    assert!(cache.bytes <= 10 * one && cache.entries.len() < 40 && cache.entries.len() > 5);
    assert_eq!(cache.bytes, cache.entries.iter().map(CachedFile::bytes).sum::<usize>());
    assert_eq!(cache.index.len(), cache.entries.len());
}

#[test]
fn a_kept_file_does_not_expire() {
    let folder = Folder::new();
    folder.write("small.html", "small");
    folder.write("large.bin", vec![b'x'; 20_000]);
    let (mut site, mut now) = (site(&folder), later());
    for _ in 0..2 {
        for path in ["/small.html", "/large.bin"] {
            keep(&mut site, &get(path), now);
            for days in [0, 1, 400] {
                now += Duration::from_secs(days * 86_400);
                assert!(fetch_at(&mut site, &get(path), now).ready, "{path} after {days} days");
            }
        }
        // Nor when the clock is set back.
        now = later();
        assert!(fetch_at(&mut site, &get("/small.html"), now).ready);
    }
}

#[test]
fn one_check_holds_for_the_requests_that_came_with_it_and_for_no_later_one() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "old");
    let (mut site, now) = (site(&folder), later());
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let request = crate::files::testing::request(get("/a.txt").as_bytes());
    let mut ask = |arrival| {
        let context =
            RequestContext { peer: local, client: crate::service::Client::Peer(local.ip()), local, now, arrival };
        matches!(crate::service::Service::answer(&mut site, &request, &context), Answer::Ready(_))
    };
    assert!(!ask(1) && !ask(2), "the normal path");
    assert!(ask(3));
    std::fs::remove_file(path).unwrap();
    assert!(ask(3), "it came together with one that was answered when the file was there");
    assert!(!ask(4));
}

/// Files of this folder that this process has open.
fn open_files(folder: &Folder) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    links.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|path| path.starts_with(folder.path()))).count()
}

#[test]
fn no_cache_holds_the_space_of_a_file_that_was_deleted_or_is_not_asked_for() {
    let folder = Folder::new();
    for name in ["gone.bin", "replaced.bin", "unused.bin", "used.bin"] {
        age(&folder.write(name, "x".repeat(20_000)), 3600);
    }
    let (mut site, now) = (site(&folder), later());
    let watch = site.watch();
    let mut fork = site.fork();
    let other = &mut *fork;
    for name in ["/gone.bin", "/replaced.bin", "/unused.bin", "/used.bin"] {
        keep(&mut site, &get(name), now);
        keep(other, &get(name), now);
    }
    assert_eq!(open_files(&folder), 4 + 1, "the loops share them, and one is the folder");
    std::fs::remove_file(folder.join("gone.bin")).unwrap();
    std::fs::rename(folder.write("new", "y".repeat(20_000)), folder.join("replaced.bin")).unwrap();
    watch.look();
    assert_eq!(open_files(&folder), 2 + 1);
    for _ in 0..40 {
        assert!(fetch_at(&mut site, &get("/used.bin"), now).ready);
        watch.look();
    }
    assert_eq!(open_files(&folder), 1 + 1);
    assert!(!fetch_at(other, &get("/unused.bin"), now).ready, "it is opened anew");
    assert!(fetch_at(other, &get("/unused.bin"), now).ready, "and kept again");
}
