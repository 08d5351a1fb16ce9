//! The resource at a path: a file, an index, a listing, a redirect, or nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::files::site::tests::*;

#[test]
fn a_path_is_a_file_an_index_a_listing_or_a_redirect() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("both/index.htm", "htm");
    folder.write("both/index.html", "html");
    folder.write("htm/index.htm", "htm");
    folder.write("odd/index.html/x", "x");
    folder.write("odd/index.htm", "htm");
    folder.write("list/x.txt", "x");
    folder.write("list/.hidden", "x");
    let plain = plain(&folder);
    for (path, code, content) in [
        ("/a.txt", 200, "a"),
        ("//a.txt", 200, "a"),
        ("/a.txt/", 404, ""),
        ("/both/", 200, "html"),
        ("/htm/", 200, "htm"),
        ("/odd/", 200, "htm"),
        ("/none", 404, ""),
        ("/none/", 404, ""),
        ("/a.txt/none", 404, ""),
        ("/A.TXT", 404, ""),
    ] {
        let seen = get(&plain, path);
        assert_eq!(seen.code, code, "{path}");
        assert!(code != 200 || seen.text() == content, "{path}: {}", seen.text());
    }
    let listing = get(&plain, "/list/");
    assert!(listing.code == 200 && listing.text().contains("x.txt") && !listing.text().contains(".hidden"));
    assert_eq!(get(&site(&folder, |s| s.listing = false), "/list/").code, 404);
    assert_eq!(get(&site(&folder, |s| s.listing = false), "/both/").text(), "html");
    assert_eq!(get(&site(&folder, |s| s.index = vec!["index.htm".into()]), "/both/").text(), "htm");
    assert_eq!(
        get(&site(&folder, |s| s.index = vec!["../a.txt".into()]), "/both/").code,
        200,
        "a listing, not ../a.txt"
    );
}

#[test]
fn a_redirect_adds_the_slash_keeps_the_query_and_stays_on_this_host() {
    let folder = Folder::new();
    for name in ["sub", "evil.example", "\\evil.example", "a b?#%", "\n", "a:b"] {
        std::fs::create_dir_all(folder.join(name).join("deep")).unwrap();
    }
    let plain = plain(&folder);
    for (target, location) in [
        ("/sub", "sub/"),
        ("/sub?a=b?c&d=%2F", "sub/?a=b?c&d=%2F"),
        ("/sub?", "sub/?"),
        ("/sub/deep", "deep/"),
        ("/sub//deep", "deep/"),
        ("/./sub", "sub/"),
        ("/sub/../sub/./deep?x", "deep/?x"),
        ("//evil.example", "evil.example/"),
        ("///evil.example", "evil.example/"),
        ("/.//evil.example", "../evil.example/"),
        ("/sub/..//evil.example", "../evil.example/"),
        ("/\\evil.example", "%5Cevil.example/"),
        ("/%5Cevil.example", "%5Cevil.example/"),
        ("//\\evil.example//deep", "deep/"),
        ("/a%20b%3F%23%25", "a%20b%3F%23%25/"),
        ("/%0A", "%0A/"),
        ("/a:b", "a%3Ab/"),
        ("http://other.example/sub?x", "sub/?x"),
    ] {
        for (method, code) in [("GET", 301), ("HEAD", 301), ("DELETE", 308), ("POST", 308), ("OPTIONS", 308)] {
            let seen = ask(&plain, &format!("{method} {target}"), &[]);
            assert_eq!((seen.code, seen.field("location")), (code, Some(location)), "{method} {target}");
            assert_eq!(seen.field("cache-control"), Some("no-cache"), "a bare 301 is kept for ever");
        }
        let conditional = ask(&plain, &format!("GET {target}"), &["If-None-Match: *", "If-Match: \"x\""]);
        assert_eq!(conditional.code, 301, "conditions are for answers that would be 2xx (RFC 9110 §13.2.1)");
    }
}

#[test]
fn names_of_any_bytes_are_served_under_their_encoding() {
    let folder = Folder::new();
    for name in [&b"\xff\xfe"[..], b"100%.txt", b"%2e%2e", b"a?b", b"a#b", b"a\nb", b"a b", b"\\", b"<x>", b"'\"&"] {
        folder.write(OsStr::from_bytes(name), name);
        let seen = get(&plain(&folder), &encode(&[b"/", name].concat()));
        assert_eq!((seen.code, &seen.content[..]), (200, name), "{name:?}");
    }
}

#[test]
fn dot_names_are_missing_unless_the_option_is_set() {
    let folder = Folder::new();
    for name in
        [".env", ".git/config", "sub/.hidden/x", ".well-known/security.txt", ".well-known/.x", "sub/.well-known/x"]
    {
        folder.write(name, "x");
    }
    folder.write(".barewire-half", "half");
    let hidden = plain(&folder);
    let shown = site(&folder, |s| s.dotfiles = true);
    for (path, by_default, asked_for) in [
        ("/.env", 404, 200),
        ("//.env", 404, 200),
        ("/%2eenv", 404, 200),
        ("/.git", 404, 301),
        ("/.git/", 404, 200),
        ("/.git/config", 404, 200),
        ("/sub/.hidden/x", 404, 200),
        ("/.well-known/security.txt", 200, 200),
        ("/.well-known", 301, 301),
        ("/.well-known/", 200, 200),
        ("/.well-known/.x", 404, 200),
        ("/sub/.well-known/x", 404, 200),
        ("/.barewire-half", 404, 404),
    ] {
        assert_eq!(get(&hidden, path).code, by_default, "{path}");
        assert_eq!(get(&shown, path).code, asked_for, "{path} --dotfiles");
    }
    let mut missing = get(&hidden, "/.none");
    missing.content = missing.text().replace(".none", ".env").into();
    assert_eq!(get(&hidden, "/.env"), missing, "hidden and missing look the same but for the name");
    let app = site(&folder, |s| s.spa = Some("sub/.hidden/x".into()));
    assert_eq!(ask(&app, "GET /.env", &[HTML]).code, 404);
    assert_eq!(ask(&hidden, "PUT /.env", &[]).code, 404);
}

#[test]
fn an_application_answers_unknown_paths_for_browsers_only() {
    let folder = Folder::new();
    folder.write("app.html", "app");
    folder.write("a.txt", "a");
    folder.write("list/x", "x");
    let app = site(&folder, |s| s.spa = Some("app.html".into()));
    for (line, fields, code, content) in [
        ("GET /users/7", &[HTML][..], 200, Some("app")),
        ("GET /", &[HTML], 200, Some("app")),
        ("GET /users/7/", &[HTML], 200, Some("app")),
        ("GET /a.txt", &[HTML], 200, Some("a")),
        ("GET /list/", &[HTML], 200, None),
        ("GET /users/7", &[], 404, None),
        ("GET /users/7", &["Accept: */*"], 404, None),
        ("GET /users/7", &["Accept: application/json, text/html;q=0"], 404, None),
        ("OPTIONS /users/7", &[HTML], 404, None),
        ("POST /users/7", &[HTML], 404, None),
    ] {
        let seen = ask(&app, line, fields);
        assert_eq!(seen.code, code, "{line} {fields:?}");
        assert!(content.is_none_or(|content| seen.text() == content), "{line}");
    }
    let page = ask(&app, "GET /users/7", &[HTML]);
    assert_eq!(page.field("vary"), Some("Accept-Encoding, Accept"), "another Accept gets a 404");
    assert!(get(&app, "/users/7").field("vary").unwrap().contains("Accept"));
    let tag = format!("If-None-Match: {}", page.field("etag").unwrap());
    assert_eq!(ask(&app, "GET /users/7", &[HTML, &tag]).code, 304);
    assert_eq!(ask(&site(&folder, |s| s.spa = Some("none.html".into())), "GET /x", &[HTML]).code, 404);
}

#[test]
fn the_start_of_an_application_takes_the_methods_of_its_page() {
    let folder = Folder::new();
    folder.write("app.html", "app");
    for listing in [false, true] {
        let app = site(&folder, |s| (s.spa, s.listing) = (Some("app.html".into()), listing));
        assert_eq!(ask(&app, "GET /", &[HTML]).text(), "app");
        let options = ask(&app, "OPTIONS /", &[HTML]);
        assert_eq!((options.code, options.field("allow")), (204, Some("GET, HEAD, OPTIONS")));
        let post = ask(&app, "POST /", &[HTML]);
        assert_eq!((post.code, post.field("allow")), (405, Some("GET, HEAD, OPTIONS")));
    }
}

#[test]
fn a_single_file_is_served_alone() {
    let folder = Folder::new();
    folder.write("dir/film.webm", "film");
    folder.write("dir/notes.txt", "notes");
    folder.write("dir/notes.txt.gz", "gzip");
    folder.write("dir/404.html", "custom");
    folder.write("dir/.env", "env");
    folder.symlink("dir/notes.txt", "link name.txt");
    let open = |name: &str| Site::open(&folder.join(name), Settings::default()).unwrap();
    let film = open("dir/film.webm");
    assert_eq!(get(&film, "/film.webm").text(), "film");
    let start = get(&film, "/?a");
    assert_eq!((start.code, start.field("location")), (307, Some("film.webm?a")));
    for (target, location) in [("//", "../film.webm"), ("/x/..", "../film.webm"), ("/x/../", "film.webm")] {
        assert_eq!(get(&film, target).field("location"), Some(location), "{target}");
    }
    for path in ["/notes.txt", "/film.webm/", "/dir/film.webm", "/404.html", "/.env", "/x"] {
        let seen = ask(&film, &format!("GET {path}"), &[HTML]);
        assert_eq!((seen.code, seen.text().contains("custom")), (404, false), "{path}");
    }
    let alone = ask(&open("dir/notes.txt"), "GET /notes.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((alone.text(), alone.field("vary")), ("notes".into(), None));
    let link = open("link name.txt");
    assert_eq!(get(&link, "/").field("location"), Some("link%20name.txt"));
    assert_eq!(get(&link, "/link%20name.txt").text(), "notes");
    assert_eq!(get(&open("dir/.env"), "/.env").text(), "env", "it was named");
}

#[test]
fn a_404_page_links_to_the_nearest_folder_that_may_be_seen() {
    let folder = Folder::new();
    folder.write("a/b/x", "x");
    folder.write(".git/objects/x", "x");
    let resolver = plain(&folder).current.state.resolver.clone();
    for (path, nearest) in [
        ("/a/b/none", "/a/b/"),
        ("/a/b/none/", "/a/b/"),
        ("/a/none/c/d", "/a/"),
        ("/none", ""),
        ("/", ""),
        ("/.git/objects/none", ""),
        ("/a/b/x/none", "/a/b/"),
    ] {
        let found = resolver.nearest_folder(path.as_bytes(), true).unwrap();
        assert_eq!(found.unwrap_or_default(), nearest.as_bytes(), "{path}");
    }
    let deep = "/a".to_string() + &"/x".repeat(4000);
    assert_eq!(resolver.nearest_folder(deep.as_bytes(), true).unwrap(), None, "not thousands of opens");
}
