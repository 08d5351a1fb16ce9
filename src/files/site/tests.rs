//! The whole room with a real disk behind it: octets of a request in, a response out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::files::resource::encode;
use crate::files::testing::{Folder, age, later, request};
use crate::service::Body;
use crate::service::Piece;

/// A response with its content read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    code: u16,
    /// In order, one line each.
    fields: String,
    content: Vec<u8>,
}

impl Seen {
    fn of(response: Response) -> Seen {
        let code = response.status().code();
        let (_, fields, body) = response.into_parts();
        let length = body.len();
        let read = |file: &std::fs::File, from: u64, len: u64| {
            let mut octets = vec![0; len as usize];
            file.read_exact_at(&mut octets, from).unwrap();
            octets
        };
        let content = match body {
            Body::Empty => Vec::new(),
            Body::Octets(octets) => octets.to_vec(),
            Body::File { file, from, len } => read(&file, from, len),
            Body::Pieces { file, pieces } => pieces
                .into_iter()
                .flat_map(|piece| match piece {
                    Piece::Octets(octets) => octets,
                    Piece::Range { from, len } => read(&file, from, len),
                })
                .collect(),
        };
        assert_eq!(content.len() as u64, length);
        Seen { code, fields: String::from_utf8_lossy(fields.octets()).replace("\r\n", "\n"), content }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.lines().filter_map(|line| {
            let (other, value) = line.split_once(": ").or(line.split_once(':'))?;
            other.eq_ignore_ascii_case(name).then_some(value)
        });
        let first = values.next();
        assert!(values.next().is_none(), "{name} stands twice: {}", self.fields);
        first
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// From this computer.
fn visit(now: SystemTime) -> Visit {
    let address = "127.0.0.1:1".parse().unwrap();
    Visit { peer: address, local: address, now }
}

fn site(folder: &Folder, change: impl FnOnce(&mut Settings)) -> Site {
    let mut settings = Settings::default();
    change(&mut settings);
    Site::open(folder.path(), settings).unwrap()
}

fn plain(folder: &Folder) -> Site {
    site(folder, |_| {})
}

/// Asks as the loop does, and once more as a worker does: both must say the same.
#[track_caller]
fn ask_at(site: &Site, now: SystemTime, line: &str, fields: &[&str]) -> Seen {
    let fields: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
    let request = request(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    let slow = Seen::of(site.shared.answer(&request, &visit(now), true).expect("a worker always has an answer").0);
    if let Some(fast) = site.shared.answer(&request, &visit(now), false) {
        let fast = Seen::of(fast.0);
        if !slow.fields.contains("boundary=") {
            assert_eq!(fast, slow);
        }
    }
    slow
}

#[track_caller]
fn ask(site: &Site, line: &str, fields: &[&str]) -> Seen {
    ask_at(site, later(), line, fields)
}

#[track_caller]
fn get(site: &Site, path: &str) -> Seen {
    ask(site, &format!("GET {path}"), &[])
}

const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";

#[test]
fn a_file_comes_with_everything_a_cache_and_a_player_need() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "0123456789");
    let seen = get(&plain(&folder), "/a.txt");
    assert_eq!((seen.code, seen.text()), (200, "0123456789".to_string()));
    assert_eq!(seen.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(seen.field("accept-ranges"), Some("bytes"));
    assert_eq!(seen.field("cache-control"), Some("no-cache"));
    assert_eq!(seen.field("vary"), Some("Accept-Encoding"));
    assert_eq!(seen.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(seen.field("content-encoding"), None);
    let modified = crate::http::HttpDate::new(std::fs::metadata(path).unwrap().modified().unwrap());
    assert_eq!(seen.field("last-modified").map(str::as_bytes), Some(&modified.octets()[..]));
    let tag = seen.field("etag").unwrap();
    assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
    assert_eq!(get(&plain(&folder), "/a.txt?query=ignored"), seen, "the same from another process on the same file");
    folder.write("a.png", "");
    let picture = get(&plain(&folder), "/a.png");
    assert_eq!((picture.field("vary"), picture.field("content-type")), (None, Some("image/png")));
}

#[test]
fn head_says_exactly_what_get_says() {
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
    let dressed = site(&folder, |s| {
        s.headers = vec![("X-A".into(), "b".into())];
        s.cors = Some("https://a.example".into());
    });
    for site in [&plain(&folder), &spa, &dressed] {
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
    for name in ["sub", "evil.example", "\\evil.example", "a b?#%", "\n"] {
        std::fs::create_dir_all(folder.join(name).join("deep")).unwrap();
    }
    let plain = plain(&folder);
    for (target, location) in [
        ("/sub", "/sub/"),
        ("/sub?a=b?c&d=%2F", "/sub/?a=b?c&d=%2F"),
        ("/sub?", "/sub/?"),
        ("//evil.example", "/evil.example/"),
        ("///evil.example", "/evil.example/"),
        ("/\\evil.example", "/%5Cevil.example/"),
        ("/%5Cevil.example", "/%5Cevil.example/"),
        ("//\\evil.example//deep", "/%5Cevil.example/deep/"),
        ("/a%20b%3F%23%25", "/a%20b%3F%23%25/"),
        ("/%0A", "/%0A/"),
        ("http://other.example/sub?x", "/sub/?x"),
    ] {
        let seen = get(&plain, target);
        assert_eq!((seen.code, seen.field("location")), (308, Some(location)), "{target}");
        assert_eq!(seen.field("cache-control"), Some("no-cache"), "a bare 308 is kept for ever");
        // What it leads to is there.
        assert_eq!(get(&plain, location).code, 200, "{location}");
        let conditional = ask(&plain, &format!("GET {target}"), &["If-None-Match: *", "If-Match: \"x\""]);
        assert_eq!(conditional.code, 308, "conditions are for answers that would be 2xx (RFC 9110 §13.2.1)");
    }
}

#[test]
fn names_of_any_octets_are_served_under_their_encoding() {
    let folder = Folder::new();
    for name in [&b"\xff\xfe"[..], b"100%.txt", b"%2e%2e", b"a?b", b"a#b", b"a\nb", b"a b", b"\\", b"<x>", b"'\"&"] {
        folder.write(OsStr::from_bytes(name), name);
        let seen = get(&plain(&folder), &encode(&[b"/", name].concat()));
        assert_eq!((seen.code, &seen.content[..]), (200, name), "{name:?}");
    }
}

#[test]
fn dot_names_are_not_there_unless_asked_for() {
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
        ("/.git", 404, 308),
        ("/.git/", 404, 200),
        ("/.git/config", 404, 200),
        ("/sub/.hidden/x", 404, 200),
        ("/.well-known/security.txt", 200, 200),
        ("/.well-known", 308, 308),
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
fn a_known_version_is_304_with_what_caches_need() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "0123456789");
    age(&path, 100);
    let site = plain(&folder);
    let whole = get(&site, "/a.txt");
    let tag = whole.field("etag").unwrap();
    let date = whole.field("last-modified").unwrap();
    for field in [
        format!("If-None-Match: {tag}"),
        format!("If-None-Match: W/{tag}"),
        format!("If-None-Match: \"x\", {tag}"),
        "If-None-Match: *".into(),
        format!("If-Modified-Since: {date}"),
    ] {
        let seen = ask(&site, "GET /a.txt", &[&field]);
        assert_eq!((seen.code, seen.content.len()), (304, 0), "{field}");
        for name in ["etag", "cache-control", "vary"] {
            assert_eq!(seen.field(name), whole.field(name), "{field} {name}");
        }
        assert_eq!(seen.field("content-type"), None);
    }
    for field in ["If-None-Match: \"x\"", "If-Match: *", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert_eq!(ask(&site, "GET /a.txt", &[field]).code, 200, "{field}");
    }
    for field in ["If-Match: \"x\"", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"] {
        let seen = ask(&site, "GET /a.txt", &[field, &format!("If-None-Match: {tag}"), "Range: bytes=0-0"]);
        assert_eq!(seen.code, 412, "{field} comes before 304 and before the range");
    }
}

#[test]
fn a_changed_file_is_never_called_unchanged() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "one");
    age(&path, 100);
    let site = plain(&folder);
    let mut seen = vec![get(&site, "/a.txt")];
    let changes: [&dyn Fn(); 5] = [
        // The same length within the same tick.
        &|| std::fs::write(&path, "two").unwrap(),
        &|| std::fs::write(&path, "three").unwrap(),
        // Replaced by a file that is older.
        &|| {
            let other = folder.write("other", "older");
            age(&other, 1_000);
            std::fs::rename(other, &path).unwrap();
        },
        // Written anew, and its date put back.
        &|| {
            let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
            std::fs::write(&path, "OLDER").unwrap();
            std::fs::File::open(&path).unwrap().set_modified(modified).unwrap();
        },
        &|| std::fs::write(&path, "").unwrap(),
    ];
    for (number, change) in changes.iter().enumerate() {
        let before = seen.last().unwrap().clone();
        change();
        let tag = format!("If-None-Match: {}", before.field("etag").unwrap());
        let after = ask(&site, "GET /a.txt", &[&tag]);
        // Most kernels keep file times by the tick: two writes in one may share a tag, and then it is weak.
        if after.code == 304 {
            let meta = std::fs::metadata(&path).unwrap();
            let changed = Duration::new(meta.ctime() as u64, meta.ctime_nsec() as u32);
            let then = ask_at(&site, UNIX_EPOCH + changed, "GET /a.txt", &[]);
            assert!(then.field("etag").unwrap().starts_with("W/"), "change {number}");
            return;
        }
        assert_eq!(after.code, 200, "change {number}");
        assert_ne!(after.content, before.content);
        if number == 2 {
            let date = format!("If-Modified-Since: {}", before.field("last-modified").unwrap());
            assert_eq!(ask(&site, "GET /a.txt", &[&date]).code, 200, "an older date with other content");
        }
        let range = [&format!("If-Range: {}", before.field("etag").unwrap())[..], "Range: bytes=0-0"];
        assert_eq!(ask(&site, "GET /a.txt", &range).code, 200, "change {number}");
        seen.push(after);
    }
}

#[test]
fn a_file_just_written_has_a_weak_tag_and_an_earlier_date() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "one");
    let modified = std::fs::metadata(path).unwrap().modified().unwrap();
    let site = plain(&folder);
    let seen = ask_at(&site, modified, "GET /a.txt", &[]);
    let tag = seen.field("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(get(&site, "/a.txt").field("etag"), tag.strip_prefix("W/"));
    let date = seen.field("last-modified").unwrap();
    assert!(crate::http::date::parse(date.as_bytes()).unwrap() < crate::http::HttpDate::new(modified).second());
    assert_eq!(ask(&site, "GET /a.txt", &[&format!("If-Modified-Since: {date}")]).code, 200);
    let fields = ["Range: bytes=0-0", &format!("If-Range: {tag}")];
    assert_eq!(ask_at(&site, modified, "GET /a.txt", &fields).code, 200, "no range by a weak tag");
    let known = format!("If-None-Match: {tag}");
    assert_eq!(ask_at(&site, modified, "GET /a.txt", &[&known]).code, 304);
}

#[test]
fn ranges_are_sent_alone_together_or_refused() {
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
    assert_eq!(ask(&site, "GET /empty.txt", &["Range: bytes=0-0"]).code, 416);
    assert_eq!(ask(&site, "GET /a.txt", &["Range: bytes=0-0", "Range: bytes=1-1"]), whole);
    let many = range("bytes=7-8,0-0,30-");
    let media = many.field("content-type").unwrap();
    let boundary = media.strip_prefix("multipart/byteranges; boundary=").unwrap();
    assert_eq!((many.code, many.field("content-range")), (206, None));
    let part = |at: &str, content: &str| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {at}/10\r\n\r\n{content}\r\n"
        )
    };
    assert_eq!(many.text(), format!("{}{}--{boundary}--\r\n", part("7-8", "78"), part("0-0", "0")));
    let tag = whole.field("etag").unwrap();
    for (condition, code) in [(tag.to_string(), 206), (format!("W/{tag}"), 200), ("\"x\"".into(), 200)] {
        let seen = ask(&site, "GET /a.txt", &["Range: bytes=0-0", &format!("If-Range: {condition}")]);
        assert_eq!(seen.code, code, "{condition}");
    }
    let both = ["Range: bytes=99-", &format!("If-None-Match: {tag}")];
    assert_eq!(ask(&site, "GET /a.txt", &both).code, 304, "conditions come before ranges");
}

#[test]
fn a_hole_of_five_gib_is_measured_and_cut() {
    let folder = Folder::new();
    let path = folder.join("big.bin");
    std::fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    let site = plain(&folder);
    let request = request(b"GET /big.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(site.shared.answer(&request, &visit(later()), true).unwrap().0.body().len(), 5 << 30);
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
    assert_eq!(with("gzip").text(), "plain", "the door holds for siblings too");
    assert_eq!(ask(&site, "GET /orphan.js", &["Accept-Encoding: gzip"]).code, 404);
    let itself = ask(&site, "GET /a.js.br", &["Accept-Encoding: br"]);
    assert_eq!((itself.text(), itself.field("content-encoding")), ("br".into(), None));
    // Seen at once when it appears.
    folder.write("a.js.zst", "zstd");
    assert_eq!(with("zstd").text(), "zstd");
}

#[test]
fn methods_are_answered_by_what_is_there() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    let site = plain(&folder);
    for (line, code, allow) in [
        ("OPTIONS /a.txt", 204, true),
        ("OPTIONS /sub/", 204, true),
        ("OPTIONS /sub", 308, false),
        ("OPTIONS /none", 404, false),
        ("OPTIONS *", 204, true),
        ("POST /a.txt", 405, true),
        ("PUT /a.txt", 405, true),
        ("DELETE /a.txt", 405, true),
        ("PATCH /a.txt", 405, true),
        ("PUT /new.txt", 405, true),
        ("DELETE /none", 404, false),
        ("POST /none", 404, false),
        ("DELETE /sub", 308, false),
        ("POST /sub/", 405, true),
        ("TRACE /a.txt", 405, true),
        ("BREW /a.txt", 501, false),
        ("get /a.txt", 501, false),
        ("BREW /none", 501, false),
    ] {
        let seen = ask(&site, line, &[]);
        assert_eq!((seen.code, seen.field("allow")), (code, allow.then_some("GET, HEAD, OPTIONS")), "{line}");
    }
    let connect = request(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(site.shared.answer(&connect, &visit(later()), true).unwrap().0.status().code(), 405);
    assert!(folder.join("a.txt").exists());
    // RFC 9110 §13.2.1: conditions do not turn one refusal into another.
    assert_eq!(ask(&site, "PUT /a.txt", &["If-Match: \"x\""]).code, 405);
    assert_eq!(ask(&site, "GET /none", &["If-Match: \"x\"", "Expect: x"]).code, 404);
    assert_eq!(ask(&site, "GET /a.txt", &["If-Match: \"x\"", "Expect: x"]).code, 417);
    assert_eq!(ask(&site, "GET /a.txt", &["Expect: 100-continue"]).code, 200);
}

#[test]
fn an_application_answers_unknown_paths_of_people_only() {
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
fn one_file_is_served_alone() {
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
    assert_eq!((start.code, start.field("location")), (307, Some("/film.webm?a")));
    for path in ["/notes.txt", "/film.webm/", "/dir/film.webm", "/404.html", "/.env", "/x"] {
        let seen = ask(&film, &format!("GET {path}"), &[HTML]);
        assert_eq!((seen.code, seen.text().contains("custom")), (404, false), "{path}");
    }
    let alone = ask(&open("dir/notes.txt"), "GET /notes.txt", &["Accept-Encoding: gzip"]);
    assert_eq!((alone.text(), alone.field("vary")), ("notes".into(), None));
    let link = open("link name.txt");
    assert_eq!(get(&link, "/").field("location"), Some("/link%20name.txt"));
    assert_eq!(get(&link, "/link%20name.txt").text(), "notes");
    assert_eq!(get(&open("dir/.env"), "/.env").text(), "env", "it was named");
}

#[test]
fn the_sites_own_error_pages_win_and_keep_the_status() {
    let folder = Folder::new();
    let bare = plain(&folder);
    let ours = ask(&bare, "GET /none", &[HTML]);
    assert_eq!((ours.code, ours.field("cache-control")), (404, Some("no-store")));
    for code in [404, 403, 500, 405] {
        folder.write(format!("{code}.html"), format!("own {code}"));
    }
    let seen = ask(&bare, "GET /none", &[HTML]);
    assert_eq!((seen.code, seen.text(), seen.field("cache-control")), (404, "own 404".into(), Some("no-store")));
    assert_eq!(seen.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(seen.field("vary"), Some("Accept"));
    assert!(!get(&bare, "/none").text().contains("own"), "a program gets its one line");
    assert_eq!(get(&bare, "/404.html").code, 200);
    assert!(!ask(&bare, "POST /404.html", &[HTML]).text().contains("own"), "no page of its own for 405");
    let request = request(format!("GET /x HTTP/1.1\r\nHost: a\r\n{HTML}\r\n\r\n").as_bytes());
    for (errno, code) in [(Errno::ACCESS, 403), (Errno::IO, 500)] {
        let response = bare.shared.failure(&request, &errno.into(), true).unwrap();
        assert_eq!(response.note().is_some(), code == 500, "the log knows what the page does not say");
        assert_eq!(Seen::of(response).text(), format!("own {code}"));
    }
    let busy = bare.shared.failure(&request, &Errno::MFILE.into(), true).unwrap();
    assert_eq!((busy.status().code(), busy.fields().get("retry-after")), (503, Some(&b"5"[..])));
}

#[test]
fn the_way_out_of_a_404_is_the_nearest_folder_that_may_be_seen() {
    let folder = Folder::new();
    folder.write("a/b/x", "x");
    folder.write(".git/objects/x", "x");
    let place = plain(&folder).shared.place.clone();
    for (path, nearest) in [
        ("/a/b/none", "/a/b/"),
        ("/a/b/none/", "/a/b/"),
        ("/a/none/c/d", "/a/"),
        ("/none", "/"),
        ("/", "/"),
        ("/.git/objects/none", "/"),
        ("/a/b/x/none", "/a/b/"),
    ] {
        assert_eq!(place.nearest_folder(path.as_bytes(), true).unwrap(), nearest, "{path}");
    }
    let deep = "/a".to_string() + &"/x".repeat(4000);
    assert_eq!(place.nearest_folder(deep.as_bytes(), true).unwrap(), "/", "not thousands of opens");
}

#[test]
fn fields_of_the_command_line_stand_on_every_response_and_replace_ours() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    let mut site = site(&folder, |s| {
        s.headers = vec![
            ("cache-control".into(), "public".into()),
            ("X-One".into(), "1".into()),
            ("X-Two".into(), "a".into()),
            ("x-two".into(), "b".into()),
        ];
    });
    for line in
        ["GET /a.txt", "HEAD /a.txt", "GET /sub", "GET /none", "OPTIONS /a.txt", "PUT /a.txt", "BREW /", "GET /sub/"]
    {
        let seen = ask(&site, line, &[]);
        assert_eq!((seen.field("cache-control"), seen.field("x-one")), (Some("public"), Some("1")), "{line}");
        assert!(seen.fields.contains("X-Two: a\nx-two: b\n"), "{line}: {}", seen.fields);
        assert_eq!(seen.field("x-content-type-options"), Some("nosniff"), "{line}");
    }
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let visit = Visit { peer: address, local: address, now: later() };
    let refusal = Refusal { fault: crate::http::Fault::BareLf, at: 0, len: 1 };
    assert_eq!(site.refuse(&refusal, b"\n", &visit).fields().get("x-one"), Some(&b"1"[..]));
    for (name, value) in [("a b", "x"), ("A", "x\r\nB: y"), ("Content-Length", "5"), ("Date", "x")] {
        let settings = Settings { headers: vec![(name.into(), value.into())], ..Settings::default() };
        let error = Site::open(folder.path(), settings).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {value}");
    }
}

#[test]
fn caches_are_told_what_the_option_says() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    for (cache, value) in
        [(Cache::Revalidate, "no-cache"), (Cache::Off, "no-store"), (Cache::Seconds(60), "max-age=60")]
    {
        let site = site(&folder, |s| s.cache = cache);
        for path in ["/a.txt", "/sub", "/sub/"] {
            assert_eq!(get(&site, path).field("cache-control"), Some(value), "{path}");
        }
        assert_eq!(get(&site, "/none").field("cache-control"), Some("no-store"));
    }
}

#[test]
fn pages_of_other_origins_read_only_what_they_are_allowed() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    let closed = ask(&plain(&folder), "GET /a.txt", &["Origin: https://a.example"]);
    assert!(!closed.fields.contains("Access-Control"));
    let preflight = ["Origin: https://a.example", "Access-Control-Request-Method: PUT"];
    assert_eq!(ask(&plain(&folder), "OPTIONS /a.txt", &preflight).field("access-control-allow-methods"), None);
    let open = site(&folder, |s| s.cors = Some("*".into()));
    for path in ["/a.txt", "/none"] {
        assert_eq!(get(&open, path).field("access-control-allow-origin"), Some("*"), "{path}");
    }
    let allowed = ask(&open, "OPTIONS /none", &preflight);
    assert_eq!((allowed.code, allowed.field("access-control-allow-methods")), (204, Some("GET, HEAD")));
    assert_eq!(allowed.field("access-control-allow-origin"), Some("*"));
    let named = site(&folder, |s| s.cors = Some("https://a.example".into()));
    for (origin, admitted) in
        [("https://a.example", Some("https://a.example")), ("https://b.example", None), ("null", None)]
    {
        let seen = ask(&named, "GET /a.txt", &[&format!("Origin: {origin}")]);
        assert_eq!(seen.field("access-control-allow-origin"), admitted, "{origin}");
        assert_eq!(seen.field("vary"), Some("Accept-Encoding, Origin"));
    }
    let stranger = ask(&named, "OPTIONS /a.txt", &["Origin: https://b.example", preflight[1]]);
    assert_eq!((stranger.code, stranger.field("access-control-allow-methods")), (204, None));
}

#[test]
fn the_loop_answers_what_is_in_memory_and_leaves_folders_to_workers() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.write("sub/x", "x");
    let mut site = Site::open(folder.path(), Settings { shelf: 0, ..Settings::default() }).unwrap();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    let visit = Visit { peer: address, local: address, now: later() };
    let mut answer = |path: &str| {
        let request = request(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        match site.answer(&request, &visit) {
            Answer::Now(response) => (true, Seen::of(response)),
            Answer::Blocking(Lane::Long, job) => match job() {
                Outcome::Response(response) => (false, Seen::of(response)),
                Outcome::Again(_) => panic!("nothing is asked twice"),
            },
            _ => panic!("a GET has no content"),
        }
    };
    let (now, listing) = answer("/sub/");
    assert_eq!((now, listing.code), (false, 200));
    assert_eq!(answer("/a.txt").1.text(), "a");
    if plain(&folder).root().door() == crate::files::Door::Cached {
        // Unless memory becomes scarce at each of a hundred moments.
        assert!((0..100).any(|_| answer("/a.txt").0), "a hot file went to a worker a hundred times");
    }
    assert!(!plain(&folder).door().is_empty());
}
