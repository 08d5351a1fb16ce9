//! Methods, fields for caches, error pages, and the thread that responds.

use crate::files::CacheControl;
use crate::files::site::tests::*;
use crate::service::App;
use crate::service::testing::{asked, context, sent};

#[test]
fn the_allowed_methods_depend_on_the_target() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    let site = plain(&folder);
    for (line, code, allow) in [
        ("OPTIONS /a.txt", 204, true),
        ("OPTIONS /sub/", 204, true),
        ("OPTIONS /sub", 308, false),
        ("OPTIONS /none", 404, false),
        ("POST /a.txt", 405, true),
        ("PUT /a.txt", 405, true),
        ("DELETE /a.txt", 405, true),
        ("PATCH /a.txt", 405, true),
        ("PUT /new.txt", 405, true),
        ("DELETE /none", 404, false),
        ("POST /none", 404, false),
        ("DELETE /sub", 308, false),
        ("POST /sub/", 405, true),
    ] {
        let seen = ask(&site, line, &[]);
        assert_eq!((seen.code, seen.field("allow")), (code, allow.then_some("GET, HEAD, OPTIONS")), "{line}");
    }
    assert!(folder.join("a.txt").exists());
    // RFC 9110 §13.2.1: preconditions do not turn one refusal into another.
    assert_eq!(ask(&site, "PUT /a.txt", &["If-Match: \"x\""]).code, 405);
    assert_eq!(ask(&site, "GET /none", &["If-Match: \"x\"", "Expect: x"]).code, 404);
    assert_eq!(ask(&site, "GET /a.txt", &["If-Match: \"x\"", "Expect: x"]).code, 417);
    assert_eq!(ask(&site, "GET /a.txt", &["Expect: 100-continue"]).code, 200);
}

#[test]
fn error_pages_of_the_author_are_used_and_keep_the_status() {
    let folder = Folder::new();
    let bare = plain(&folder);
    let ours = ask(&bare, "GET /none", &[HTML]);
    assert_eq!(ours.code, 404);
    for code in [404, 403, 500, 405] {
        folder.write(format!("{code}.html"), format!("own {code}"));
    }
    let seen = ask(&bare, "GET /none", &[HTML]);
    assert_eq!((seen.code, seen.text(), seen.field("cache-control")), (404, "own 404".into(), None));
    assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(seen.field("vary"), Some("Accept"));
    assert!(!get(&bare, "/none").text().contains("own"), "a program gets its one line");
    assert_eq!(get(&bare, "/404.html").code, 200);
    assert!(
        !ask(&bare, "POST /404.html", &[HTML]).text().contains("own"),
        "the author cannot replace the page of a 405"
    );
    let request = request(format!("GET /x HTTP/1.1\r\nHost: a\r\n{HTML}\r\n\r\n").as_bytes());
    for (errno, code) in [(Errno::ACCESS, 403), (Errno::IO, 500)] {
        let response = bare.current.state.failure(&request, errno, true).unwrap();
        assert_eq!(response.note().is_some(), code == 500, "the log knows what the page does not say");
        assert_eq!(Seen::of(response).text(), format!("own {code}"));
    }
    let busy = bare.current.state.failure(&request, Errno::MFILE, true).unwrap();
    assert_eq!((busy.status().code(), busy.fields().get("retry-after")), (503, Some(&b"5"[..])));
}

#[test]
fn cache_control_has_the_value_of_the_option() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    for (cache, value) in [
        (CacheControl::Revalidate, "no-cache"),
        (CacheControl::Off, "no-store"),
        (CacheControl::Seconds(60), "max-age=60"),
    ] {
        let site = site(&folder, |s| s.cache_control = cache);
        for path in ["/a.txt", "/sub", "/sub/"] {
            assert_eq!(get(&site, path).field("cache-control"), Some(value), "{path}");
        }
        let (request, context) = (asked("GET /none", ""), context("127.0.0.1", 0));
        let missing = site.current.state.respond(&request, &context, true, None).unwrap();
        let missing = sent(&App::from(site), &request, &context, missing);
        assert_eq!(
            (missing.status(), missing.fields().get("cache-control")),
            (Status::NOT_FOUND, Some(&b"no-store"[..]))
        );
    }
}

#[test]
fn the_loop_responds_from_memory_and_leaves_folders_to_workers() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    let mut site = Site::open(folder.path(), Settings { cache_bytes: 0, ..Settings::default() }).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let context = RequestContext {
        peer: address,
        client: crate::service::Client::Peer(address.ip()),
        local: address,
        now: later(),
        arrival: arrival(),
    };
    let mut answer = |path: &str| {
        let request = request(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        match site.answer(&request, &context) {
            Answer::Now(response) => (true, Seen::of(response)),
            Answer::Blocking(Task { lane: Lane::List, .. }, job) => match job() {
                Outcome::Response(response) => (false, Seen::of(response)),
                Outcome::Again(_) => panic!("nothing is asked twice"),
            },
            _ => panic!("a GET has no content"),
        }
    };
    let (now, listing) = answer("/sub/");
    assert_eq!((now, listing.code), (false, 200));
    assert_eq!(answer("/a.txt").1.text(), "a");
    if plain(&folder).root().open_method() == crate::files::OpenMethod::Cached {
        // A lookup may miss the kernel's memory now and then, but not a hundred times in a row.
        assert!((0..100).any(|_| answer("/a.txt").0), "a file in memory went to a worker a hundred times");
    }
}
