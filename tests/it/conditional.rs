//! Conditional requests (RFC 9110 §13) and the validators they use (§8.8).

use std::time::{Duration, Instant, SystemTime};

use crate::support::PATIENCE;
use crate::support::client::{ask, get, strong_tag};
use crate::support::folder::Folder;
use crate::support::server::Server;

/// Waits until the date of this file is reliable: a date cannot tell two versions of one second apart, so
/// it does not count as long as a second version may come in that second.
#[track_caller]
fn reliable_date(server: &Server, target: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = httpdate::fmt_http_date(SystemTime::now());
        if ask(server, "HEAD", target, &format!("If-Modified-Since: {now}\r\n")).status == 304 {
            return now;
        }
        assert!(Instant::now() < end, "{target}: never unchanged since now");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_unchanged_file_is_304_with_the_fields_a_cache_needs() {
    let folder = Folder::with(&[("a.css", "body{}"), ("b.css", "body{}"), ("b.css.gz", "compressed")]);
    let server = Server::start(&folder, &[]);
    for target in ["/a.css", "/b.css"] {
        let tag = strong_tag(&server, target);
        reliable_date(&server, target);
        let whole = get(&server, target, "");
        let modified = whole.must("last-modified").to_string();
        for fields in [
            format!("If-None-Match: {tag}\r\n"),
            format!("If-None-Match: W/{tag}\r\n"),
            format!("If-None-Match: \"x\", {tag}\r\n"),
            format!("If-None-Match: \"x\"\r\nIf-None-Match: {tag}\r\n"),
            "If-None-Match: *\r\n".to_string(),
            format!("If-Modified-Since: {modified}\r\n"),
            format!("If-None-Match: {tag}\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"),
        ] {
            for method in ["GET", "HEAD"] {
                let answer = ask(&server, method, target, &fields);
                answer.assert_status(304);
                // RFC 9110 §15.4.5: a 304 has these fields if a 200 has them.
                for name in ["etag", "cache-control", "vary"] {
                    assert_eq!(answer.field(name), whole.field(name), "{target} {fields} {name}");
                }
                assert!(answer.field("content-type").is_none() && answer.field("content-encoding").is_none());
            }
        }
    }
}

#[test]
fn the_preconditions_are_evaluated_in_the_order_of_the_rfc() {
    let folder = Folder::with(&[("a.txt", "content")]);
    let file = std::fs::File::options().write(true).open(folder.join("a.txt")).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(1000)).unwrap();
    let server = Server::start(&folder, &[]);
    let tag = strong_tag(&server, "/a.txt");
    let (past, future) = ("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT");
    let now = reliable_date(&server, "/a.txt");
    for (fields, status) in [
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".into(), 200),
        ("If-Match: \"other\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Match: {tag}\r\nIf-Unmodified-Since: {past}\r\n"), 200),
        (format!("If-Unmodified-Since: {past}\r\n"), 412),
        (format!("If-Unmodified-Since: {now}\r\n"), 200),
        ("If-Unmodified-Since: yesterday\r\n".into(), 200),
        ("If-Match: \"other\"\r\nIf-None-Match: *\r\n".into(), 412),
        (format!("If-Match: {tag}\r\nIf-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {now}\r\n"), 200),
        (format!("If-Modified-Since: {now}\r\n"), 304),
        (format!("If-Modified-Since: {past}\r\n"), 200),
        ("If-Modified-Since: 2020-01-01\r\n".into(), 200),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
        ("If-Match: \"other\"\r\nRange: bytes=0-1\r\n".into(), 412),
        (format!("If-Match: {tag}\r\nRange: bytes=0-1\r\n"), 206),
        (format!("If-Range: {future}\r\nRange: bytes=0-1\r\n"), 200),
    ] {
        let answer = get(&server, "/a.txt", &fields);
        assert_eq!(answer.status, status, "{fields}: {answer:?}");
    }
    // Preconditions count only where the response would be a success (RFC 9110 §13.2.1).
    get(&server, "/missing", "If-None-Match: *\r\n").assert_status(404);
    get(&server, "/missing", "If-Match: \"x\"\r\n").assert_status(404);
    ask(&server, "PUT", "/a.txt", "If-Match: \"x\"\r\nContent-Length: 0\r\n").assert_status(405);
}

/// Writes a file with a time of its own, as tools that unpack archives and images do.
fn write_at(folder: &Folder, name: &str, content: &str, modified: SystemTime) {
    folder.write(name, content);
    std::fs::File::options().write(true).open(folder.join(name)).unwrap().set_modified(modified).unwrap();
}

#[test]
fn a_file_that_was_put_there_with_its_old_date_is_unmodified_since_every_later_one() {
    let folder = Folder::new();
    let ago = |seconds| SystemTime::now() - Duration::from_secs(seconds);
    write_at(&folder, "a.txt", "content", ago(1000));
    let server = Server::start(&folder, &["--write"]);
    let since = |seconds| format!("If-Unmodified-Since: {}\r\n", httpdate::fmt_http_date(ago(seconds)));
    // Later than its date, and earlier than its change on the disk.
    get(&server, "/a.txt", &since(500)).assert_status(200);
    get(&server, "/a.txt", &(since(500) + "Range: bytes=0-1\r\n")).assert_status(206);
    get(&server, "/a.txt", &since(1500)).assert_status(412);
    ask(&server, "DELETE", "/a.txt", &since(1500)).assert_status(412);
    ask(&server, "DELETE", "/a.txt", &since(500)).assert_status(204);
}

#[test]
fn a_constant_time_is_no_date_and_a_changed_file_still_has_another_tag() {
    let folder = Folder::new();
    let server = Server::start(&folder, &[]);
    for second in [0, 1] {
        let constant = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        write_at(&folder, "a.txt", "first", constant);
        let first = strong_tag(&server, "/a.txt");
        for _ in 0..4 {
            let whole =
                get(&server, "/a.txt", &format!("If-Modified-Since: {}\r\n", httpdate::fmt_http_date(constant)));
            assert_eq!((whole.assert_status(200).field("last-modified"), whole.must("etag")), (None, &first[..]));
            get(&server, "/a.txt", &format!("If-None-Match: {first}\r\n")).assert_status(304);
            get(&server, "/a.txt", &format!("Range: bytes=1-2\r\nIf-Range: {first}\r\n")).assert_status(206);
        }
        write_at(&folder, "a.txt", "other", constant);
        let answer = get(&server, "/a.txt", &format!("If-None-Match: {first}\r\n"));
        assert_eq!(answer.assert_status(200).text(), "other");
    }
}

#[test]
fn a_download_of_a_file_from_the_future_can_be_resumed() {
    let folder = Folder::new();
    for ahead in [3600, 20 * 365 * 24 * 3600] {
        write_at(&folder, "a.txt", "content", SystemTime::now() + Duration::from_secs(ahead));
        let server = Server::start(&folder, &[]);
        let tag = strong_tag(&server, "/a.txt");
        let rest = get(&server, "/a.txt", &format!("Range: bytes=3-\r\nIf-Range: {tag}\r\n"));
        assert_eq!(rest.assert_status(206).text(), "tent");
        // RFC 9110 §8.8.2.1: never later than Date.
        let modified = httpdate::parse_http_date(rest.must("last-modified")).unwrap();
        assert!(modified <= httpdate::parse_http_date(rest.must("date")).unwrap());
    }
}

#[test]
fn a_listing_tells_when_a_file_in_it_grew() {
    let folder = Folder::with(&[("list/a.txt", "1")]);
    let server = Server::start(&folder, &[]);
    let json = "Accept: application/json\r\n";
    let first = get(&server, "/list/", json);
    let Some(tag) = first.field("etag") else { panic!("a listing has a validator: {first:?}") };
    get(&server, "/list/", &format!("{json}If-None-Match: {tag}\r\n")).assert_status(304);
    // The time of a directory does not change when a file in it grows.
    folder.write("list/a.txt", "now it is longer");
    get(&server, "/list/", &format!("{json}If-None-Match: {tag}\r\n")).assert_status(200);
}
