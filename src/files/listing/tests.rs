//! Listings as clients get them: forms, orders, conditions, hostile names.

use crate::files::listing::*;
use crate::http::{Event, Http1, Limits, Step};
use crate::service::Body;

const BROWSER: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const CURL: &str = "User-Agent: curl/7.88.1\r\nAccept: */*\r\n";

fn ask(target: &str, fields: &str, entries: &[Entry]) -> Response {
    ask_with(Rights::default(), target, fields, entries)
}

fn ask_with(rights: Rights, target: &str, fields: &str, entries: &[Entry]) -> Response {
    let head = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let mut connection = Http1::new(Limits::default());
    match connection.receive(head.as_bytes()) {
        Step { event: Event::Request(request, _), .. } => {
            respond_with(&request, entries, rights, "no-cache", &Pages::default())
        }
        step => panic!("{step:?}"),
    }
}

fn content(response: &Response) -> &str {
    match response.body() {
        Body::Bytes(bytes) => std::str::from_utf8(bytes).unwrap(),
        body => panic!("{body:?}"),
    }
}

fn value<'a>(response: &'a Response, name: &str) -> &'a str {
    std::str::from_utf8(response.fields().get(name).unwrap_or_default()).unwrap()
}

fn entry(name: &[u8], kind: FileKind, size: u64) -> Entry {
    Entry { name: name.to_vec(), kind, size, modified: (1_785_578_402, 5) }
}

fn some() -> Vec<Entry> {
    vec![
        entry(b"beach.jpg", FileKind::File, 4_812_345),
        entry(b"raw", FileKind::Directory, 4096),
        entry(b"<img onerror=alert(1)>.txt", FileKind::File, 12),
    ]
}

#[test]
fn the_client_chooses_the_form_and_curl_gets_lines() {
    for (fields, media_type) in [
        (BROWSER, "text/html"),
        ("", "text/html"),
        ("User-Agent: Wget/1.21\r\nAccept: */*\r\n", "text/html"),
        (CURL, "text/plain"),
        ("User-Agent: curl/8.0\r\n", "text/plain"),
        ("User-Agent: curl/8.0\r\nAccept: text/html\r\n", "text/html"),
        ("User-Agent: curl/8.0\r\nAccept: image/*\r\n", "text/html"),
        ("User-Agent: xcurl/8.0\r\nAccept: */*\r\n", "text/html"),
        ("Accept: text/plain\r\n", "text/plain"),
        ("Accept: application/json\r\n", "application/json"),
        ("User-Agent: curl/8.0\r\nAccept: application/json\r\n", "application/json"),
    ] {
        let response = ask("/", fields, &some());
        assert!(value(&response, "content-type").starts_with(media_type), "{fields}");
        assert_eq!(value(&response, "vary"), "Accept, User-Agent");
        assert_eq!(value(&response, "cache-control"), "no-cache");
    }
}

#[test]
fn a_page_runs_nothing_but_its_own_script() {
    let response = ask("/", BROWSER, &some());
    let policy = value(&response, "content-security-policy");
    assert!(policy.starts_with("default-src 'none';") && policy.contains("script-src 'self';"));
    assert!(!policy.contains("unsafe") && !policy.contains("script-src 'self' "));
    let page = content(&response);
    // One script element, and it has an address; no handlers, no styles inside.
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains(&format!("<script src =\"{}\"></script>", *JS_PATH)));
    for banned in ["<style", " style=", " onclick", "<img", "javascript:", "<base"] {
        assert!(!page.contains(banned), "{banned}");
    }
    for banned in ["http://", "https://", "@import", "url(//"] {
        let css = [CSS, WRITE_CSS].concat().replace("http://www.w3.org/2000/svg", "");
        assert!(!css.contains(banned) && !JS.contains(banned), "{banned}");
        assert!(!WRITE_JS.contains(banned), "{banned}");
    }
    for banned in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "importNode", "adoptNode"]
    {
        assert!(!JS.contains(banned) && !WRITE_JS.contains(banned), "{banned}");
    }
}

/// All combinations of rights.
fn rights() -> impl Iterator<Item = Rights> {
    (0..8).map(|n| Rights { upload: n & 1 != 0, overwrite: n & 2 != 0, delete: n & 4 != 0, names_options: false })
}

#[test]
fn a_page_offers_exactly_what_the_rights_allow() {
    for rights in rights() {
        for entries in [&some()[..], &[]] {
            let response = ask_with(rights, "/p/", BROWSER, entries);
            let page = content(&response);
            assert_eq!(page.contains(&*WRITE_JS_PATH), rights.any(), "{rights:?}");
            assert_eq!(page.contains(&format!("data-rights=\"{}\"", right_names(rights))), rights.any(), "{rights:?}");
            assert_eq!(page.contains("class=\"deletable\""), rights.delete);
            // Without scripts the form must work, so there is none where it could not.
            assert_eq!(page.contains("<form class=\"drop\""), rights.upload);
            assert_eq!(page.contains("type=\"file\""), rights.upload);
            assert_eq!(page.contains("but not add new ones"), rights.overwrite && !rights.upload);
            assert_eq!(page.contains("delete"), rights.delete, "{rights:?}");
            assert!(page.contains("<table"));
            for banned in ["<style", " style=", " onclick", "<script>"] {
                assert!(!page.contains(banned), "{banned}");
            }
        }
    }
    assert_eq!(
        right_names(Rights { upload: true, overwrite: true, delete: true, names_options: true }),
        "upload overwrite delete"
    );
}

#[test]
fn the_page_of_other_rights_is_another_page() {
    let tags: Vec<_> =
        rights().map(|rights| value(&ask_with(rights, "/", BROWSER, &some()), "etag").to_string()).collect();
    for (at, tag) in tags.iter().enumerate() {
        assert!(!tags[..at].contains(tag), "{tags:?}");
    }
}

#[test]
fn the_style_sheet_and_the_script_are_kept_for_ever_under_the_names_of_their_content() {
    for (path, media_type, text) in [
        (&*CSS_PATH, "text/css", CSS),
        (&*JS_PATH, "text/javascript", JS),
        (&*WRITE_CSS_PATH, "text/css", WRITE_CSS),
        (&*WRITE_JS_PATH, "text/javascript", WRITE_JS),
    ] {
        let response = asset(format!("/{path}").as_bytes()).unwrap();
        assert!(value(&response, "content-type").starts_with(media_type) && content(&response) == text);
        assert_eq!(value(&response, "cache-control"), FOR_EVER);
    }
    for path in ["/", "", "/.barewire/", "/.barewire/listing.css", "/x/.barewire/a", "/.barewire/../etc"] {
        assert!(asset(path.as_bytes()).is_none(), "{path}");
    }
}

/// With the names and comments that a student needs who reads the scripts in the browser. A browser fetches them once.
#[test]
fn the_page_code_stays_small() {
    let shell = content(&ask("/a/b/c/", BROWSER, &[])).len();
    assert!(shell + CSS.len() + JS.len() <= 20_000, "{shell} + {} + {}", CSS.len(), JS.len());
    assert!(WRITE_JS.len() <= 32_000, "{}", WRITE_JS.len());
}

#[test]
fn a_repeat_is_304_and_every_change_is_not() {
    let first = ask("/p/", BROWSER, &some());
    let tag = value(&first, "etag").to_string();
    assert!(tag.starts_with('"') && tag.len() == 18, "{tag}");
    let mut other_way = some();
    other_way.reverse();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_string()] {
        let again = ask("/p/", &format!("{BROWSER}If-None-Match: {known}\r\n"), &other_way);
        assert_eq!((again.status(), again.body().len()), (Status::NOT_MODIFIED, 0), "{known}");
        assert_eq!((value(&again, "etag"), value(&again, "vary")), (&*tag, "Accept, User-Agent"));
    }
    assert_eq!(ask("/p/", &format!("{BROWSER}If-Match: {tag}\r\n"), &some()).status(), Status::OK);
    assert_eq!(ask("/p/", &format!("{BROWSER}If-Match: \"x\"\r\n"), &some()).status(), Status::PRECONDITION_FAILED);
    let changed = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = some();
        change(&mut entries);
        ask("/p/", &format!("{BROWSER}If-None-Match: {tag}\r\n"), &entries).status()
    };
    assert_eq!(changed(&|e| e[0].size += 1), Status::OK);
    assert_eq!(changed(&|e| e[0].modified.1 += 1), Status::OK);
    assert_eq!(changed(&|e| e[0].name.push(b'x')), Status::OK);
    assert_eq!(changed(&|e| e[1].kind = FileKind::File), Status::OK);
    assert_eq!(changed(&|e| drop(e.pop())), Status::OK);
    assert_eq!(changed(&|_| {}), Status::NOT_MODIFIED);
    for (target, fields) in
        [("/p/?sort=size", BROWSER), ("/q/", BROWSER), ("/p/", CURL), ("/p/", "Accept: application/json\r\n")]
    {
        let other = ask(target, &format!("{fields}If-None-Match: {tag}\r\n"), &some());
        assert_eq!(other.status(), Status::OK, "{target} {fields}");
    }
}

#[test]
fn the_way_up_is_relative_and_a_path_of_slashes_leads_nowhere_else() {
    for (path, title, expected) in [
        ("/", "/", vec![]),
        ("/photos/", "/photos/", vec![("photos", "")]),
        ("/a%20b/2026/", "/a%20b/2026/", vec![("a b", "../"), ("2026", "")]),
        ("/a//b/", "/a//b/", vec![("a", "../../"), ("b", "")]),
        ("/%3Cb%3E/", "/%3Cb%3E/", vec![("<b>", "")]),
        ("/%c3%a9/", "/%c3%a9/", vec![("é", "")]),
        ("/a/?sort=size", "/a/", vec![("a", "")]),
        ("/it's/", "/it&#39;s/", vec![("it's", "")]),
    ] {
        let response = ask(path, BROWSER, &some());
        let page = content(&response);
        assert!(page.contains(&format!("<title>Index of {title}</title>")), "{page}");
        let decoded = percent_encoding::percent_decode_str(path.split('?').next().unwrap()).collect::<Vec<_>>();
        let expected: Vec<_> = expected.into_iter().map(|(a, b)| (a.to_string(), b.to_string())).collect();
        assert_eq!(crumbs(&decoded), expected);
        assert_eq!(page.contains("<a href=\"../\" aria-label=\"parent folder\">"), path != "/");
        assert!(!page.contains("href=\"//") && !page.contains("src=\"//") && !page.contains("action=\"//"));
    }
    assert_eq!(up(b"/a//b/"), "../../../");
}

/// The links of a page, as programs that read listings take them for entries.
fn links(page: &str) -> Vec<&str> {
    let anchors = page.split("<a ").skip(1);
    anchors.map(|anchor| anchor.split("href=\"").nth(1).unwrap().split('"').next().unwrap()).collect()
}

#[test]
fn no_link_but_the_parent_is_anything_but_an_entry() {
    let root = ask("/", BROWSER, &some());
    let names = ["raw/", "%3Cimg%20onerror%3Dalert%281%29%3E.txt", "beach.jpg"];
    assert_eq!(links(content(&root)), names);
    let deep = ask("/a/b/c/", BROWSER, &some());
    assert_eq!(links(content(&deep)), [&["../"], &names[..]].concat());
    // The other folders are reached by buttons, from the page itself, with and without a prefix of a proxy.
    for (path, expected) in [
        ("/", vec!["./"]),
        ("/a/b/c/", vec!["../../../", "../../../", "../../", "../"]),
        ("/a/./x/../b/", vec!["../../", "../../", "../"]),
        ("/.//a/", vec!["../../", "../../"]),
    ] {
        let response = ask(path, BROWSER, &some());
        let actions = content(&response).split("action=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert_eq!(actions.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn the_summary_counts_and_an_empty_folder_says_so() {
    let (file, folder) = (entry(b"a", FileKind::File, 1_400_000_000), entry(b"b", FileKind::Directory, 4096));
    for (entries, expected) in [
        (vec![], "This folder is empty."),
        (vec![&file], "1 file, 1.4 GB."),
        (vec![&folder], "1 folder."),
        (vec![&folder, &folder, &file, &file], "2 folders, 2 files, 2.8 GB."),
    ] {
        assert_eq!(summary(&entries), expected);
    }
    let root = ask("/", BROWSER, &[]);
    assert!(content(&root).contains("This folder is empty.") && !content(&root).contains("<table"));
    assert!(content(&ask("/a/", BROWSER, &[])).contains("aria-label=\"parent folder\""));
}

#[test]
fn every_column_title_is_a_button_that_turns_its_order_round() {
    let page = |target: &str| content(&ask(target, BROWSER, &some())).to_string();
    let column = |sorted: &str, name: &str, title: &str, order: &str| {
        format!(
            "<th scope=\"col\"{sorted}><form><button name=\"sort\" value=\"{name}\">{title}</button>\
             <input type=\"hidden\" name=\"order\" value=\"{order}\"></form></th>"
        )
    };
    let by_name = page("/");
    assert!(by_name.contains(&column(" aria-sort=\"ascending\"", "name", "Name", "desc")), "{by_name}");
    assert!(by_name.contains(&column("", "size", "Size", "desc")), "{by_name}");
    assert!(by_name.contains(&column("", "time", "Changed<small> UTC</small>", "desc")), "{by_name}");
    let by_size = page("/?sort=size&order=desc");
    assert!(by_size.contains(&column(" aria-sort=\"descending\"", "size", "Size", "asc")), "{by_size}");
    assert!(by_size.contains(&column("", "name", "Name", "asc")), "{by_size}");
    assert_eq!(by_size.matches("aria-sort").count(), 1);
}

fn many(count: usize) -> Vec<Entry> {
    let name = |n: usize| format!("IMG_{:05}-a picture.jpg", n * 7919 % count);
    (0..count)
        .map(|n| Entry {
            modified: (1_700_000_000 + n as i64, 1),
            ..entry(name(n).as_bytes(), FileKind::File, n as u64 * 977)
        })
        .collect()
}

/// Prints what a listing costs: `cargo test --release --lib listing_costs -- --ignored
/// --nocapture`.
#[test]
#[ignore = "a measurement"]
fn listing_costs() {
    for count in [1_000, 10_000, 100_000] {
        let entries = many(count);
        let fields = ["", CURL, "Accept: application/json\r\n"];
        for fields in fields {
            let tag = value(&ask("/p/", fields, &entries), "etag").to_string();
            for (what, fields) in [("whole", fields.to_string()), ("304", format!("{fields}If-None-Match: {tag}\r\n"))]
            {
                // The fastest of many rounds is the cost. Slower ones include other work of the
                // machine.
                let turn = |_| {
                    let start = std::time::Instant::now();
                    let bytes = ask("/p/", &fields, &entries).body().len();
                    (start.elapsed(), bytes)
                };
                let (least, bytes) = (0..(500_000 / count)).map(turn).min().unwrap();
                println!("{count:>7} {what:>5} {least:>9.1?} {bytes:>9} bytes  {fields:?}");
            }
        }
    }
}

/// Writes pages to look at: `LOOK=/some/folder cargo test --lib pages_to_look_at -- --ignored`.
#[test]
#[ignore = "writes files"]
fn pages_to_look_at() {
    let Some(folder) = std::env::var_os("LOOK").map(std::path::PathBuf::from) else { return };
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let at = |name: &str, kind, size, day: i64| Entry {
        modified: (1_785_578_402 - day * 86_400 + day * day * 977, 0),
        ..entry(name.as_bytes(), kind, size)
    };
    let mut entries = vec![
        at("april", FileKind::Directory, 0, 111),
        at("july at the sea", FileKind::Directory, 0, 1),
        at("raw", FileKind::Directory, 0, 40),
        at("beach.jpg", FileKind::File, 4_812_345, 2),
        at("caption list.txt", FileKind::File, 2_103, 3),
        at("dawn.jpg", FileKind::File, 5_200_001, 4),
        at("harbour.mp4", FileKind::File, 1_100_000_000, 5),
        at("originals.zip", FileKind::File, 268_000_000, 6),
        at("README.md", FileKind::File, 640, 7),
        at("Öl auf Holz № 3.png", FileKind::File, 1_900_000, 8),
        at("waves.flac", FileKind::File, 31_000_000, 9),
        at("route.json", FileKind::File, 18_212, 10),
        at("licence", FileKind::File, 0, 12),
    ];
    write("photos/2026/index.html", content(&ask("/photos/2026/", BROWSER, &entries)));
    write("photos/2026/by-size.html", content(&ask("/photos/2026/?sort=size", BROWSER, &entries)));
    entries.truncate(2);
    for name in [
        "<img onerror=alert(1)>.txt",
        "\"quoted'.txt",
        "100%.txt",
        "a#b?c.txt",
        "javascript:x",
        "🦀 日本 заметки.md",
        "line\nbreak",
        "exe\u{202e}gpj.txt",
        "a-very-long-name-without-any-space-that-goes-on-and-on-and-on-and-on-until-nobody-wants-to-read-it-any-more-but-still.tar.gz",
    ] {
        entries.push(at(name, FileKind::File, 1234, 3));
    }
    entries.push(entry(b"\xff\xfe.txt", FileKind::File, 5));
    write("hostile/index.html", content(&ask("/hostile/", BROWSER, &entries)));
    write("empty/index.html", content(&ask("/empty/", BROWSER, &[])));
    write("many/index.html", content(&ask("/many/", BROWSER, &many(10_000))));
    write("huge/index.html", content(&ask("/huge/", BROWSER, &many(100_000))));
    write(&CSS_PATH, CSS);
    write(&JS_PATH, JS);
}
