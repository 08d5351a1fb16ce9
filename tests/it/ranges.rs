//! Parts of files (RFC 9110 §14), also of very large files and of files that change meanwhile.

use std::fs::OpenOptions;

use crate::support::client::{Client, ask, get, request, strong_tag};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::put;

#[track_caller]
fn range(server: &Server, target: &str, range: &str) -> Response {
    get(server, target, &format!("Range: {range}\r\n"))
}

#[test]
fn one_range_is_that_part_and_says_so() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 100_000);
    let server = Server::start(&folder, &[]);
    strong_tag(&server, "/f.bin");
    for (asked, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, 100_000),
        ("bytes=5-9", 5, 10),
        ("bytes=99999-", 99_999, 100_000),
        ("bytes=-1", 99_999, 100_000),
        ("bytes=-200000", 0, 100_000),
        ("bytes=70000-200000", 70_000, 100_000),
        ("Bytes=1-2", 1, 3),
        ("bytes= 1-2", 1, 3),
        ("bytes=,1-2,", 1, 3),
        ("bytes=50000-18446744073709551615", 50_000, 100_000),
    ] {
        let answer = range(&server, "/f.bin", asked);
        if answer.status == 200 && (asked.contains(' ') || asked.contains(',') || asked.contains("1844")) {
            // Ignoring a field in a doubtful spelling is allowed (RFC 9110 §14.2); a wrong part is not.
            assert!(answer.body == content);
            continue;
        }
        answer.assert_status(206);
        assert_eq!(answer.must("content-range"), format!("bytes {from}-{}/100000", to - 1), "{asked}");
        assert!(answer.body == content[from..to], "{asked}");
        assert!(answer.field("etag").is_some() && answer.field("last-modified").is_some(), "{answer:?}");
    }
}

#[test]
fn a_range_beyond_the_end_is_416_and_nonsense_is_the_whole_file() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 1_000);
    folder.write("empty", "");
    let server = Server::start(&folder, &[]);
    for asked in ["bytes=1000-", "bytes=5000-6000", "bytes=-0", "bytes=1000-1001,2000-2001"] {
        let answer = range(&server, "/f.bin", asked);
        assert_eq!(answer.assert_status(416).must("content-range"), "bytes */1000", "{asked}");
    }
    for asked in
        ["bytes", "bytes=", "bytes=a-b", "bytes=5-1", "bytes=+1-2", "bytes=1-2-3", "lines=1-2", "bytes=--1", "=1-2"]
    {
        let answer = range(&server, "/f.bin", asked);
        assert!(answer.assert_status(200).body == content, "{asked}");
    }
    let twice = get(&server, "/f.bin", "Range: bytes=0-1\r\nRange: bytes=2-3\r\n");
    assert!(twice.assert_status(200).body == content, "{twice:?}");
    // Caches that fetch every file in slices fail at 416.
    for asked in ["bytes=0-0", "bytes=0-1048575", "bytes=-1", "bytes=5-"] {
        assert_eq!(range(&server, "/empty", asked).assert_status(200).must("content-length"), "0", "{asked}");
    }
    let head = ask(&server, "HEAD", "/f.bin", "Range: bytes=0-0\r\n");
    assert_eq!(head.assert_status(200).must("content-length"), "1000", "RFC 9110 §14.2: Range is for GET alone");
}

#[test]
fn several_ranges_come_as_parts_and_too_many_as_the_whole() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 50_000);
    let server = Server::start(&folder, &[]);
    strong_tag(&server, "/f.bin");
    let answer = range(&server, "/f.bin", "bytes=0-9,20000-20099,-5");
    let parts = parts(answer.assert_status(206));
    assert_eq!(parts.len(), 3);
    for ((said, body), (from, to)) in parts.iter().zip([(0, 10), (20_000, 20_100), (49_995, 50_000)]) {
        assert_eq!(*said, format!("bytes {from}-{}/50000", to - 1));
        assert!(*body == content[from..to], "{said}");
    }
    // Ranges that touch or overlap are merged: none of the bytes twice (CVE-2011-3192).
    let answer = range(&server, "/f.bin", "bytes=0-99,50-149,150-199");
    assert_eq!(answer.assert_status(206).must("content-range"), "bytes 0-199/50000");
    assert!(answer.body == content[..200]);
    let bomb: Vec<_> = (0..1_000).map(|i| format!("{i}-")).collect();
    assert!(range(&server, "/f.bin", &format!("bytes={}", bomb.join(","))).body.len() <= 50_000);
    let far = |count: usize| {
        let list: Vec<_> = (0..count).map(|i| format!("{}-{}", i * 700, i * 700 + 9)).collect();
        range(&server, "/f.bin", &format!("bytes={}", list.join(",")))
    };
    // zsync asks for 20 at once, and gives up when it gets the whole file.
    for count in [20, 64] {
        let answer = far(count);
        assert_eq!(self::parts(answer.assert_status(206)).len(), count);
        assert_eq!(answer.must("content-length"), answer.body.len().to_string());
    }
    assert!(far(65).assert_status(200).body == content, "more than 64 ranges");
}

/// The Content-Range and the content of each part of multipart/byteranges (RFC 9110 §14.6, RFC 2046 §5.1).
#[track_caller]
fn parts(answer: &Response) -> Vec<(String, Vec<u8>)> {
    let boundary = answer.must("content-type").strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
    let boundary = boundary.trim_matches('"');
    let mut rest = &answer.body[..];
    let mut parts = Vec::new();
    // Without CR LF before the first delimiter, zsync asks for the same ranges for ever.
    rest = rest.strip_prefix(b"\r\n").expect("CR LF before the first delimiter");
    loop {
        rest = rest.strip_prefix(format!("--{boundary}").as_bytes()).expect("a delimiter");
        if let Some(end) = rest.strip_prefix(b"--") {
            assert!(end.is_empty() || end == b"\r\n", "bytes after the last part");
            return parts;
        }
        rest = rest.strip_prefix(b"\r\n").expect("CR LF after a delimiter");
        let blank = rest.windows(4).position(|w| w == b"\r\n\r\n").expect("a part's head");
        let head = String::from_utf8(rest[..blank].to_vec()).unwrap();
        let said =
            head.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-range: ").map(str::to_string));
        assert!(head.to_ascii_lowercase().contains("content-type:"), "{head}");
        rest = &rest[blank + 4..];
        let said = said.expect("a Content-Range in each part");
        let (from, to) = said["bytes ".len()..].split_once('/').unwrap().0.split_once('-').unwrap();
        let len = to.parse::<usize>().unwrap() + 1 - from.parse::<usize>().unwrap();
        parts.push((said, rest[..len].to_vec()));
        rest = rest[len..].strip_prefix(b"\r\n").expect("CR LF before a delimiter");
    }
}

#[test]
fn a_resumed_download_is_the_file_and_never_a_mixture() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 3_000_000);
    let server = Server::start(&folder, &[]);
    let tag = strong_tag(&server, "/f.bin");
    let mut client = Client::connect(&server);
    client.send(request("GET", "/f.bin", ""));
    let _head = Response::read_head(&mut client);
    let mut got = client.take(1_234_567);
    drop(client);
    let rest = get(&server, "/f.bin", &format!("Range: bytes={}-\r\nIf-Range: {tag}\r\n", got.len()));
    got.extend(&rest.assert_status(206).body);
    assert!(got == content);
    // The file is another one now, so the whole of it comes.
    let other = folder.pattern("g.bin", 3_000_000);
    std::fs::rename(folder.join("g.bin"), folder.join("f.bin")).unwrap();
    let rest = get(&server, "/f.bin", &format!("Range: bytes=1000-\r\nIf-Range: {tag}\r\n"));
    assert!(rest.assert_status(200).body == other);
    let tag = strong_tag(&server, "/f.bin");
    let weak = get(&server, "/f.bin", &format!("Range: bytes=1000-\r\nIf-Range: W/{tag}\r\n"));
    assert!(weak.assert_status(200).body == other, "a weak tag cannot join two parts");
}

#[test]
fn a_file_over_4_gib_is_served_at_its_end() {
    let folder = Folder::new();
    let hole = 5 * 1024 * 1024 * 1024_u64;
    folder.sparse("huge.bin", hole, b"the very end");
    let server = Server::start(&folder, &[]);
    let size = hole + 12;
    let head = ask(&server, "HEAD", "/huge.bin", "");
    assert_eq!(head.assert_status(200).must("content-length"), size.to_string());
    for (asked, from) in [("bytes=-12".to_string(), hole), (format!("bytes={hole}-"), hole)] {
        let answer = range(&server, "/huge.bin", &asked);
        assert_eq!(answer.assert_status(206).must("content-range"), format!("bytes {from}-{}/{size}", size - 1));
        assert_eq!(answer.text(), "the very end");
    }
    let across = range(&server, "/huge.bin", &format!("bytes={}-{}", hole - 1_000_000, hole + 3));
    assert_eq!(across.assert_status(206).body.len(), 1_000_004);
    assert!(across.body.ends_with(b"\0\0\0the "));
    assert_eq!(range(&server, "/huge.bin", &format!("bytes={size}-")).status, 416);
}

#[test]
fn a_file_that_shrinks_while_sent_ends_short_and_is_never_padded() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 24 << 20);
    folder.write("small.txt", "still here");
    let server = Server::start(&folder, &[]);
    let mut client = Client::narrow(&server);
    // A second request waits. Its response must not land inside the promised bytes of the first.
    let mut bytes = request("GET", "/f.bin", "");
    bytes.extend(request("GET", "/small.txt", ""));
    client.send(bytes);
    let head = Response::read_head(&mut client);
    assert_eq!(head.must("content-length"), content.len().to_string());
    let mut got = client.take(100_000);
    let kept = 12 << 20;
    OpenOptions::new().write(true).open(folder.join("f.bin")).unwrap().set_len(kept).unwrap();
    got.extend(client.rest().0);
    assert!(got.len() < content.len(), "the promised length cannot be reached");
    assert!(got.len() <= kept as usize && got == content[..got.len()], "{} bytes", got.len());
    assert_eq!(get(&server, "/small.txt", "").text(), "still here");
}

#[test]
fn a_file_that_grows_while_sent_ends_where_it_was_promised() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 16 << 20);
    let server = Server::start(&folder, &[]);
    let mut client = Client::narrow(&server);
    client.send(request("GET", "/f.bin", ""));
    Response::read_head(&mut client);
    let mut got = client.take(100_000);
    use std::io::Write;
    OpenOptions::new().append(true).open(folder.join("f.bin")).unwrap().write_all(&[b'+'; 4096]).unwrap();
    got.extend(client.take(content.len() - got.len()));
    assert!(got == content);
    client.end();
}

#[test]
fn a_file_that_is_replaced_while_sent_comes_whole_as_it_was() {
    let folder = Folder::new();
    let content = folder.pattern("f.bin", 16 << 20);
    let server = Server::start(&folder, &["--write"]);
    for by_upload in [false, true] {
        let mut client = Client::narrow(&server);
        client.send(request("GET", "/f.bin", ""));
        Response::read_head(&mut client);
        let mut got = client.take(100_000);
        if by_upload {
            put(&server, "/f.bin", "", b"new").assert_status(204);
        } else {
            folder.write("new", "new");
            std::fs::rename(folder.join("new"), folder.join("f.bin")).unwrap();
        }
        assert_eq!(get(&server, "/f.bin", "").text(), "new");
        got.extend(client.take(content.len() - got.len()));
        assert!(got == content);
        client.end();
        folder.write("f.bin", &content);
    }
}

#[test]
fn a_long_range_begins_with_the_right_byte_wherever_a_page_begins() {
    let folder = Folder::new();
    let content = folder.pattern("long.bin", 200_000);
    let server = Server::start(&folder, &[]);
    for first in [0, 1, 4095, 4096, 4097, 8191, 65_535, 99_999, 183_000] {
        for last in [first + 16_384, first + 16_999, 199_999] {
            let last = last.min(199_999);
            let answer = get(&server, "/long.bin", &format!("Range: bytes={first}-{last}\r\n"));
            assert!(answer.assert_status(206).body == content[first..=last], "{first}-{last}");
        }
    }
}
