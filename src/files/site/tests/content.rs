//! The content of a file in a response: whole, in ranges, in a prepared coding.

use crate::files::site::tests::*;

#[test]
fn a_file_has_all_fields_that_caches_and_players_need() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "0123456789");
    let seen = get(&plain(&folder), "/a.txt");
    assert_eq!((seen.code, seen.text()), (200, "0123456789".to_string()));
    assert_eq!(seen.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(seen.field("accept-ranges"), Some("bytes"));
    assert_eq!(seen.field("cache-control"), Some("no-cache"));
    assert_eq!(seen.field("vary"), Some("Accept-Encoding"));
    assert_eq!(seen.field("content-encoding"), None);
    let modified = crate::http::HttpDate::new(std::fs::metadata(path).unwrap().modified().unwrap());
    assert_eq!(seen.field("last-modified").map(str::as_bytes), Some(&modified.bytes()[..]));
    let tag = seen.field("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
    assert_eq!(get(&plain(&folder), "/a.txt?query=ignored"), seen, "the same from another process on the same file");
    folder.write("a.png", "");
    let picture = get(&plain(&folder), "/a.png");
    assert_eq!((picture.field("vary"), picture.field("content-type")), (None, Some("image/png")));
}

#[test]
fn head_has_exactly_the_fields_of_get() {
    let folder = Folder::new();
    folder.write("a.txt", "0123456789");
    folder.write("a.txt.br", "br");
    folder.write("sub/index.html", "index");
    folder.write("list/x", "x");
    folder.write("empty", "");
    folder.write(".env", "secret");
    folder.fifo("fifo");
    let tag = get(&plain(&folder), "/a.txt").field("etag").unwrap().to_string();
    let matching = format!("If-None-Match: {tag}");
    let other = "If-Match: \"x\"".to_string();
    let spa = site(&folder, |s| s.spa = Some("sub/index.html".into()));
    for site in [&plain(&folder), &spa] {
        for path in ["/a.txt", "/", "/sub/", "/sub", "/list/", "/list", "/empty", "/none", "/.env", "/fifo", "/a.txt/"]
        {
            for fields in [
                &[][..],
                &[HTML],
                &["Accept-Encoding: br"],
                &[&matching],
                &[&other],
                &["Expect: x"],
                &["If-Modified-Since: Fri, 31 Dec 2100 23:59:59 GMT"],
                &["Origin: https://a.example"],
            ] {
                let get = ask(site, &format!("GET {path}"), fields);
                let head = ask(site, &format!("HEAD {path}"), fields);
                assert_eq!(get, head, "{path} {fields:?}: content too, which the connection leaves out for HEAD");
            }
        }
        let head = ask(site, "HEAD /a.txt", &["Range: bytes=0-1"]);
        assert_eq!(head.code, 200, "HEAD knows no Range (RFC 9110 §14.2)");
    }
}

#[test]
fn one_range_several_ranges_and_no_range() {
    let folder = Folder::new();
    folder.write("a.txt", "0123456789");
    folder.write("empty.txt", "");
    let site = plain(&folder);
    let whole = get(&site, "/a.txt");
    let range = |value: &str| ask(&site, "GET /a.txt", &[&format!("Range: {value}")]);
    for (value, content, content_range) in [
        ("bytes=0-3", "0123", "bytes 0-3/10"),
        ("bytes=8-", "89", "bytes 8-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-30", "0123456789", "bytes 0-9/10"),
        ("bytes=0-2,3-5", "012345", "bytes 0-5/10"),
    ] {
        let seen = range(value);
        assert_eq!((seen.code, &seen.text()[..]), (206, content), "{value}");
        assert_eq!(seen.field("content-range"), Some(content_range));
        for name in ["etag", "vary", "cache-control", "last-modified", "content-type"] {
            assert_eq!(seen.field(name), whole.field(name), "{value} {name}");
        }
    }
    for value in ["bytes=5-2", "lines=1-2", "bytes=x", "bytes="] {
        assert_eq!(range(value), whole, "{value}");
    }
    let beyond = range("bytes=10-");
    assert_eq!((beyond.code, beyond.field("content-range")), (416, Some("bytes */10")));
    assert_eq!(ask(&site, "GET /empty.txt", &["Range: bytes=0-0"]), get(&site, "/empty.txt"));
    assert_eq!(ask(&site, "GET /a.txt", &["Range: bytes=0-0", "Range: bytes=1-1"]), whole);
    let many = range("bytes=7-8,0-0,30-");
    let media = many.field("content-type").unwrap();
    let boundary = media.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!((many.code, many.field("content-range")), (206, None));
    let part = |at: &str, content: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {at}/10\r\n\r\n{content}"
        )
    };
    assert_eq!(many.text(), format!("{}{}\r\n--{boundary}--\r\n", part("7-8", "78"), part("0-0", "0")));
    let tag = whole.field("etag").unwrap();
    for (condition, code) in [(tag.to_string(), 206), (format!("W/{tag}"), 200), ("\"x\"".into(), 200)] {
        let seen = ask(&site, "GET /a.txt", &["Range: bytes=0-0", &format!("If-Range: {condition}")]);
        assert_eq!(seen.code, code, "{condition}");
    }
    let both = ["Range: bytes=99-", &format!("If-None-Match: {tag}")];
    assert_eq!(ask(&site, "GET /a.txt", &both).code, 304, "conditions come before ranges");
}

#[test]
fn a_sparse_file_of_five_gib_is_measured_and_cut() {
    let folder = Folder::new();
    let path = folder.join("big.bin");
    std::fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    let site = plain(&folder);
    let request = request(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(site.current.state.respond(&request, &context(later()), true, None).unwrap().body().len(), 5 << 30);
    let seen = ask(&site, "GET /big.bin", &["Range: bytes=5368709119-"]);
    assert_eq!((seen.code, seen.field("content-range")), (206, Some("bytes 5368709119-5368709119/5368709120")));
}

#[test]
fn prepared_codings_are_chosen_named_and_never_stale() {
    let folder = Folder::new();
    let original = folder.write("a.js", "plain");
    age(&original, 100);
    folder.write("a.js.br", "br");
    let gzip = folder.write("a.js.gz", "gzip");
    folder.write("orphan.js.gz", "orphan");
    let site = plain(&folder);
    let with = |accept: &str| ask(&site, "GET /a.js", &[&format!("Accept-Encoding: {accept}")]);
    let plain = get(&site, "/a.js");
    for (accept, content, coding) in [
        ("gzip, deflate, br, zstd", "br", Some("br")),
        ("gzip", "gzip", Some("gzip")),
        ("zstd", "plain", None),
        ("br;q=0, gzip;q=0.5", "gzip", Some("gzip")),
        ("identity;q=0", "plain", None),
        ("", "plain", None),
    ] {
        let seen = with(accept);
        assert_eq!((seen.code, &seen.text()[..], seen.field("content-encoding")), (200, content, coding), "{accept}");
        assert_eq!(seen.field("vary"), Some("Accept-Encoding"));
        assert_eq!(seen.field("content-type"), Some("text/javascript; charset=utf-8"));
        assert!(coding.is_none() || seen.field("etag") != plain.field("etag"));
    }
    let br = with("br");
    let fields = ["Accept-Encoding: br", &format!("If-None-Match: {}", br.field("etag").unwrap())];
    let known = ask(&site, "GET /a.js", &fields);
    assert_eq!((known.code, known.field("etag"), known.field("vary")), (304, br.field("etag"), br.field("vary")));
    let other = ask(&site, "GET /a.js", &["Accept-Encoding: gzip", fields[1]]);
    assert_eq!(other.code, 200, "a tag of one coding confirms no other");
    let part = ask(&site, "GET /a.js", &["Accept-Encoding: br", "Range: bytes=1-"]);
    assert_eq!((part.code, part.text(), part.field("content-range")), (206, "r".into(), Some("bytes 1-1/2")));
    assert_eq!(part.field("content-encoding"), Some("br"));

    age(&gzip, 200);
    assert_eq!(with("gzip").text(), "plain", "older than the original: made from another version");
    std::fs::File::open(&gzip)
        .unwrap()
        .set_modified(std::fs::metadata(&original).unwrap().modified().unwrap())
        .unwrap();
    assert_eq!(with("gzip").text(), "gzip", "as old: gzip keeps the time of the original");
    std::fs::remove_file(&gzip).unwrap();
    assert_eq!(with("gzip").text(), "plain");
    std::fs::create_dir(&gzip).unwrap();
    assert_eq!(with("gzip").text(), "plain");
    std::fs::remove_dir(&gzip).unwrap();
    folder.fifo("a.js.gz");
    assert_eq!(with("gzip").text(), "plain");
    std::fs::remove_file(&gzip).unwrap();
    folder.symlink("/etc/hostname", "a.js.gz");
    assert_eq!(with("gzip").text(), "plain", "a link that leads outside is refused for prepared codings too");
    assert_eq!(ask(&site, "GET /orphan.js", &["Accept-Encoding: gzip"]).code, 404);
    let itself = ask(&site, "GET /a.js.br", &["Accept-Encoding: br"]);
    assert_eq!((itself.text(), itself.field("content-encoding")), ("br".into(), None));
    // A new prepared file is used at once.
    folder.write("a.js.zst", "zstd");
    assert_eq!(with("zstd").text(), "zstd");
}

#[test]
fn a_text_in_another_encoding_is_not_called_utf_8_in_any_response() {
    let folder = Folder::new();
    folder.write("sjis.html", "<!doctype html><meta charset=\"shift_jis\"><p>x");
    folder.write("latin.txt", b"caf\xe9\n");
    folder.write("utf8.html", "<!doctype html><p>\u{e9}");
    folder.write("old.css", "@charset \"windows-1251\";");
    folder.write("latin.csv", b"a;\xe9\n");
    // The prepared file is sent, and the original says in which encoding it is.
    folder.write("sjis.html.gz", "compressed");
    folder.write("404.html", "<meta charset=euc-kr>");
    let site = plain(&folder);
    for (path, expected) in [
        ("/sjis.html", "text/html"),
        ("/latin.txt", "text/plain"),
        ("/utf8.html", "text/html; charset=utf-8"),
        ("/old.css", "text/css"),
        ("/latin.csv", "text/csv"),
    ] {
        for fields in [&[][..], &["Range: bytes=1-2"], &["Accept-Encoding: gzip"]] {
            for method in ["GET", "HEAD"] {
                let seen = ask(&site, &format!("{method} {path}"), fields);
                assert_eq!(seen.field("content-type"), Some(expected), "{method} {path} {fields:?}");
            }
        }
        let parts = ask(&site, &format!("GET {path}"), &["Range: bytes=0-0,3-3"]).text();
        assert_eq!(parts.matches(&format!("Content-Type: {expected}\r\n")).count(), 2, "{path}: {parts}");
    }
    assert_eq!(ask(&site, "GET /none", &[HTML]).field("content-type"), Some("text/html"));
}

#[test]
fn two_names_mean_what_the_first_bytes_say() {
    let folder = Folder::new();
    let gzip = b"\x1f\x8b\x08rest";
    folder.write("a.svgz", gzip);
    folder.write("A.SVGZ", gzip);
    folder.write("a.svgz.br", "a coding of a coding");
    folder.write("plain.svgz", "<svg/>");
    let packets: Vec<u8> = (0..600).map(|at| if at % 188 == 0 { 0x47 } else { 0 }).collect();
    folder.write("film.ts", &packets);
    folder.write("script.ts", "GET = 1;\n".repeat(60));
    let sandboxed = site(&folder, |s| (s.upload, s.overwrite) = (true, true));
    for (path, media_type, coding, negotiated) in [
        ("/a.svgz", "image/svg+xml", Some("gzip"), false),
        ("/A.SVGZ", "image/svg+xml", Some("gzip"), false),
        ("/plain.svgz", "image/svg+xml", None, true),
        ("/film.ts", "video/mp2t", None, false),
        ("/script.ts", "text/plain; charset=utf-8", None, true),
    ] {
        for (site, is_sandboxed) in [(&plain(&folder), false), (&sandboxed, true)] {
            for fields in [&[][..], &["Range: bytes=0-3"], &["Accept-Encoding: br"], &["Accept-Encoding: gzip;q=0"]] {
                for method in ["GET", "HEAD"] {
                    let seen = ask(site, &format!("{method} {path}"), fields);
                    let said = (seen.field("content-type"), seen.field("content-encoding"));
                    assert_eq!(said, (Some(media_type), coding), "{method} {path} {fields:?}");
                    assert_eq!(seen.field("vary").is_some(), negotiated, "{path}");
                    // A picture with scripts is confined like a page.
                    let confined = is_sandboxed && media_type == "image/svg+xml";
                    assert_eq!(seen.field("content-security-policy").is_some(), confined, "{path}");
                }
            }
            let tag = get(site, path).field("etag").unwrap().to_string();
            let known = ask(site, &format!("GET {path}"), &[&format!("If-None-Match: {tag}")]);
            assert_eq!((known.code, known.field("etag")), (304, Some(&tag[..])), "{path}");
            assert_eq!((known.field("content-type"), known.field("content-encoding")), (None, None));
        }
    }
}
