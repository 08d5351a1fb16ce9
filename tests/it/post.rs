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
    assert_eq!(shown.assert_status(303).must("location"), "./");
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
    assert_eq!(named.assert_status(201).must("location"), "a%20%282%29.txt");
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"old");
    let mut free: Vec<String> = Vec::new();
    for _ in 0..3 {
        let answer = send(&server, "POST", "/", "", b"content");
        let location = answer.assert_status(201).must("location").to_string();
        assert!(location.starts_with("upload-2"), "{location}");
        assert_eq!(get(&server, &format!("/{location}"), "").text(), "content");
        free.push(location);
    }
    free.dedup();
    assert_eq!(free.len(), 3);
    send(&server, "POST", "/", "Content-Disposition: attachment; filename=.env\r\n", b"x").assert_status(409);
    send(&server, "POST", "/nowhere/", "", b"x").assert_status(404);
}

/// A form of one part with these field lines.
fn part(lines: &str) -> String {
    format!("--XyZ\r\n{lines}\r\n\r\nx\r\n--XyZ--\r\n")
}

#[test]
fn an_extended_file_name_is_used_and_chooses_neither_folder_nor_hidden_name() {
    let folder = Folder::with(&[("in/x", "x")]);
    let server = Server::start(&folder, &["--upload", "--dotfiles"]);
    let own = |parameters: &str| part(&format!("Content-Disposition: form-data; name=f; {parameters}"));
    for (parameters, status, stored) in [
        // .NET and PowerShell 7.
        (r#"filename="=?utf-8?B?w6kvYi50eHQ=?="; filename*=utf-8''%C3%A9%20b.txt"#, 303, &["é b.txt"][..]),
        ("filename*=UTF-8''alone.txt", 303, &["alone.txt"]),
        ("filename*=ISO-8859-1''caf%E9", 303, &["café"]),
        ("filename=first; filename*=UTF-8''second", 303, &["second"]),
        ("filename=plain; filename*=UTF-8''%zz", 303, &["plain"]),
        ("filename*=UTF-8''..%2F..%2F..%5Cetc%2fpasswd", 303, &["passwd"]),
        ("filename*=UTF-8''a%0D%0AX:%20y", 303, &["a\r\nX: y"]),
        // In quotes it is no encoded-word (RFC 2047 §5).
        (r#"filename="=?utf-8?B?YQ==?=""#, 303, &["=?utf-8?B?YQ==?="]),
        ("filename*=UTF-8''a%00.txt", 409, &[]),
        ("filename*=UTF-8''..", 409, &[]),
        ("filename*=UTF-8''folder%2F", 409, &[]),
        ("filename=\"folder/\"", 409, &[]),
        ("filename*=UTF-8''%2Ebarewire-0123456789abcdef", 409, &[]),
        ("filename*=UTF-8''%4", 400, &[]),
        ("filename*=KOI8-R''%C1", 400, &[]),
        ("filename*=x", 400, &[]),
    ] {
        let answer = send(&server, "POST", "/in/", FORM, own(parameters));
        assert_eq!(answer.status, status, "{parameters}: {answer:?}");
        assert!(status != 400 || answer.text().contains("UTF-8''"), "{answer:?}");
        assert!(answer.field("x").is_none(), "{answer:?}");
        let mut expected = [stored, &["x"]].concat();
        expected.sort_unstable();
        assert_eq!(names(&folder.join("in")), expected, "{parameters}");
        stored.iter().for_each(|name| fs::remove_file(folder.join("in").join(name)).unwrap());
    }
    let named = |value: &str| format!("Content-Disposition: attachment; {value}\r\n");
    send(&server, "POST", "/in/", &named("filename*=KOI8-R''%C1"), "x").assert_status(400);
    let answer = send(&server, "POST", "/in/", &named("filename*=iso-8859-1''%E9"), "x");
    assert_eq!(answer.assert_status(201).must("location"), "%C3%A9");
}

#[test]
fn a_folded_field_of_a_part_loses_no_file() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload"]);
    let folded = part(
        "Content-Type: text/plain;\r\n charset=utf-8\r\nContent-Disposition: form-data;\r\n\tname=f;\r\n filename=\"a.txt\"",
    );
    send(&server, "POST", "/", FORM, folded).assert_status(303);
    assert_eq!(names(folder.path()), ["a.txt"]);
}

#[test]
fn a_client_that_wants_no_page_is_not_sent_to_one() {
    let folder = Folder::with(&[("in/x", "x")]);
    let server = Server::start(&folder, &["--upload"]);
    for (accept, is_redirected) in [
        ("", true),
        ("Accept: */*\r\n", true),
        ("Accept:\r\n", true),
        ("Accept: text/*;q=0.1\r\n", true),
        ("Accept: image/png\r\nAccept: Text/HTML\r\n", true),
        ("Accept: text/plain\r\n", false),
        ("Accept: application/xml\r\n", false),
        ("Accept: text/html;q=0, application/*\r\n", false),
        ("Accept: application/json, */*\r\n", false),
    ] {
        for (files, location) in [(&[("a", &b"1"[..])][..], "a"), (&[("b", b"1"), ("c", b"2")], "./")] {
            let answer = send(&server, "POST", "/in/", &format!("{FORM}{accept}"), form(files));
            let expected = if is_redirected { (303, "./") } else { (201, location) };
            assert_eq!((answer.status, answer.must("location")), expected, "{accept}: {answer:?}");
            assert_eq!(answer.field("etag").is_some(), !is_redirected && files.len() == 1, "{answer:?}");
            files.iter().for_each(|(name, _)| fs::remove_file(folder.join("in").join(name)).unwrap());
        }
    }
}
