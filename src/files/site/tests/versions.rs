//! Versions of a file: tags, dates and conditions.

use crate::files::site::tests::*;

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
        // New content with the old date.
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
        // Two writes within one tick of the clock may share a tag later. Then it is weak at first.
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
    assert_ne!(get(&site, "/a.txt").field("etag"), tag.strip_prefix("W/"), "it may be written to once more");
    let date = seen.field("last-modified").unwrap();
    assert!(crate::http::date::parse(date.as_bytes()).unwrap() < crate::http::HttpDate::new(modified).second());
    assert_eq!(ask(&site, "GET /a.txt", &[&format!("If-Modified-Since: {date}")]).code, 200);
    let fields = ["Range: bytes=0-0", &format!("If-Range: {tag}")];
    assert_eq!(ask_at(&site, modified, "GET /a.txt", &fields).code, 200, "no range by a weak tag");
    let known = format!("If-None-Match: {tag}");
    for then in [modified + Duration::from_nanos(1), later()] {
        assert_eq!(ask_at(&site, then, "GET /a.txt", &[&known]).code, 200);
    }
}
