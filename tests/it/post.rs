//! POST: forms with files (RFC 7578), and other content as a new file.

use std::fs;

use crate::support::client::{get, strong_tag};
use crate::support::folder::{Folder, names, pattern};
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, send};

#[test]
fn a_form_brings_many_files_and_taken_names_get_numbers() {
    let folder = Folder::with(&[("in/film.mp4", "old")]);
    let server = Server::start(&folder, &["--write"]);
    let big = pattern(3, 900_000);
    let files: [(&str, &[u8]); 6] = [
        ("film.mp4", b"new"),
        ("film.mp4", &big),
        ("../../etc/passwd", b"no"),
        (r"C:\Users\me\x.txt", b""),
        ("say %22hi%22 <b>.txt", b"hi"),
        ("", b"nothing was chosen here"),
    ];
    let shown = send(&server, "POST", "/in/", FORM, form(&files));
    assert_eq!(shown.assert_status(303).must("location"), "/in/");
    let expected = ["film (2).mp4", "film (3).mp4", "film.mp4", "passwd", "say \"hi\" <b>.txt", "x.txt"];
    assert_eq!(names(&folder.join("in")), expected);
    assert_eq!(fs::read(folder.join("in/film.mp4")).unwrap(), b"old");
    assert_eq!(fs::read(folder.join("in/film (3).mp4")).unwrap(), big);

    // A client that asks for JSON gets the list. The slash may be missing.
    let fields = format!("{FORM}Accept: application/json\r\n");
    let listed = send(&server, "POST", "/in", &fields, form(&[("a.txt", b"1"), ("film.mp4", b"2")]));
    let list: serde_json::Value = serde_json::from_slice(&listed.assert_status(201).body).unwrap();
    assert_eq!(list[0]["name"], "a.txt");
    assert_eq!(
        (&list[1]["name"], &list[1]["href"], &list[1]["size"]),
        (&"film (4).mp4".into(), &"/in/film%20%284%29.mp4".into(), &1.into())
    );
    assert_eq!(list[0]["etag"], strong_tag(&server, "/in/a.txt"));
}

#[test]
fn a_form_is_all_or_nothing() {
    let folder = Folder::with(&[("in/x", "x")]);
    let server = Server::start(&folder, &["--write"]);
    let whole = form(&[("a", b"1"), ("b", b"2")]);
    let end = whole.len() - "--XyZ--\r\n".len();
    for (content, status) in [
        (whole[..end].to_vec(), 400),
        (whole[..end - 3].to_vec(), 400),
        (form(&[("a", b"1"), (".env", b"2")]), 409),
        (form(&[("a", b"1"), ("..", b"2")]), 409),
        (form(&[]), 400),
        (form(&[("", b"")]), 400),
        ([&whole[..end], b"--XyZ\r\nnonsense\r\n\r\nx\r\n--XyZ--"].concat(), 400),
    ] {
        let answer = send(&server, "POST", "/in/", FORM, &content);
        assert_eq!(answer.status, status, "{}: {answer:?}", String::from_utf8_lossy(&content));
        assert_eq!(names(&folder.join("in")), ["x"]);
    }
    // Too many files for one form.
    let many: Vec<(String, &[u8])> = (0..513).map(|n| (format!("f{n}"), &b"x"[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    send(&server, "POST", "/in/", FORM, form(&many)).assert_status(413);
    assert_eq!(names(&folder.join("in")), ["x"]);
    send(&server, "POST", "/in/", FORM, form(&many[..512])).assert_status(303);
    assert_eq!(names(&folder.join("in")).len(), 513);
}

#[test]
fn other_content_becomes_a_new_file_with_the_name_it_brings_or_a_free_one() {
    let folder = Folder::with(&[("a.txt", "old")]);
    let server = Server::start(&folder, &["-w"]);
    let named = send(&server, "POST", "/", "Content-Disposition: attachment; filename=\"../a.txt\"\r\n", b"new");
    assert_eq!(named.assert_status(201).must("location"), "/a%20%282%29.txt");
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"old");
    let mut free: Vec<String> = Vec::new();
    for _ in 0..3 {
        let answer = send(&server, "POST", "/", "", b"content");
        let location = answer.assert_status(201).must("location").to_string();
        assert!(location.starts_with("/upload-2"), "{location}");
        assert_eq!(get(&server, &location, "").text(), "content");
        free.push(location);
    }
    free.dedup();
    assert_eq!(free.len(), 3);
    send(&server, "POST", "/", "Content-Disposition: attachment; filename=.env\r\n", b"x").assert_status(409);
    send(&server, "POST", "/nowhere/", "", b"x").assert_status(404);
}
