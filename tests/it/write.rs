//! Writing: PUT, POST and DELETE (RFC 9110 §9.3.3–9.3.5, RFC 7578), and who is refused before the body.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::client::{Client, ask, get, request};
use crate::exchange::strong_tag;
use crate::response::Response;
use crate::server::{Folder, Server, pattern};

/// One request with content on a connection of its own.
#[track_caller]
pub(crate) fn send(server: &Server, method: &str, target: &str, fields: &str, content: &[u8]) -> Response {
    let mut client = Client::connect(server);
    let mut bytes = request(method, target, &format!("{fields}Content-Length: {}\r\n", content.len()));
    bytes.extend_from_slice(content);
    client.send_if_open(&bytes);
    let response = client.response(method);
    client.end();
    response
}

#[track_caller]
pub(crate) fn put(server: &Server, target: &str, fields: &str, content: &[u8]) -> Response {
    send(server, "PUT", target, fields, content)
}

/// Every name in a folder, hidden ones too.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A form of these files.
pub(crate) fn form(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files {
        let head = format!("--XyZ\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\r\n");
        bytes.extend_from_slice(head.as_bytes());
        bytes.extend_from_slice(content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"--XyZ--\r\n");
    bytes
}

pub(crate) const FORM: &str = "Content-Type: multipart/form-data; boundary=XyZ\r\n";

#[test]
fn put_creates_with_201_and_replaces_with_204_under_a_tag_that_get_repeats() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--write"]);
    let created = put(&server, "/in/new/a%20b.txt", "", b"one");
    assert_eq!(created.assert_status(201).must("location"), "/in/new/a%20b.txt");
    let tag = created.must("etag").to_string();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    assert_eq!(strong_tag(&server, "/in/new/a%20b.txt"), tag);
    assert_eq!(get(&server, "/in/new/a%20b.txt", "").text(), "one");
    // The bits of the old file stay, the old content does not.
    fs::set_permissions(folder.join("in/new/a b.txt"), PermissionsExt::from_mode(0o640)).unwrap();
    let replaced = put(&server, "/in/new/a%20b.txt", "", b"number two");
    let tag = replaced.assert_status(204).must("etag").to_string();
    assert_eq!(strong_tag(&server, "/in/new/a%20b.txt"), tag);
    assert_eq!(fs::read(folder.join("in/new/a b.txt")).unwrap(), b"number two");
    assert_eq!(fs::metadata(folder.join("in/new/a b.txt")).unwrap().permissions().mode() & 0o777, 0o640);
    put(&server, "/empty", "", b"").assert_status(201);
    assert_eq!(get(&server, "/empty", "").assert_status(200).body.len(), 0);
    assert_eq!(names(&folder.join("in/new")), ["a b.txt"]);
}

#[test]
fn content_in_chunks_arrives_whole_and_a_bad_chunk_leaves_nothing() {
    let folder = Folder::with(&[("old", "old")]);
    let server = Server::start(&folder, &["-w"]);
    let content = pattern(7, 700_000);
    let mut bytes = request("PUT", "/chunked", "Transfer-Encoding: chunked\r\n");
    for chunk in content.chunks(99_991) {
        bytes.extend_from_slice(format!("{:x};x=y\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\nTrailer: x\r\n\r\n");
    let mut client = Client::connect(&server);
    client.send(&bytes);
    client.response("PUT").assert_status(201);
    assert_eq!(fs::read(folder.join("chunked")).unwrap(), content);
    let mut bytes = request("PUT", "/old", "Transfer-Encoding: chunked\r\n");
    bytes.extend_from_slice(b"3\r\nnew\r\nzz\r\n");
    client.send(&bytes);
    client.response("PUT").assert_status(400);
    client.assert_ended();
    assert_eq!(fs::read(folder.join("old")).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["chunked", "old"]);
}

#[test]
fn names_of_any_bytes_are_stored_and_hidden_ones_are_not() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["-w"]);
    for (target, name) in [
        ("/%FF%FE", &b"\xff\xfe"[..]),
        ("/%22%3Cb%3E%27", b"\"<b>'"),
        ("/a%0D%0Ab%1B", b"a\r\nb\x1b"),
        ("/C:%5Cx", b"C:\\x"),
        ("/%E2%80%AEgpj.exe", "\u{202e}gpj.exe".as_bytes()),
    ] {
        let answer = put(&server, target, "", b"x");
        assert_eq!(
            answer.assert_status(201).must("location").to_ascii_uppercase(),
            target.to_ascii_uppercase().replace(':', "%3A")
        );
        assert!(folder.join(OsStr::from_bytes(name)).is_file());
        get(&server, target, "").assert_status(200);
    }
    let before = names(folder.path());
    for target in ["/.env", "/a/.git/config", "/.barewire-0123456789abcdef", "/x/.barewire-y"] {
        put(&server, target, "", b"x").assert_status(404);
    }
    for target in ["/..%2Fout", "/a/../b", "/%2e%2e/x", "/a%00b"] {
        put(&server, target, "", b"x").assert_status(400);
    }
    put(&server, &format!("/{}", "n".repeat(256)), "", b"x").assert_status(409);
    put(&server, &"/d".repeat(100), "", b"x").assert_status(409);
    assert_eq!(names(folder.path()), before);
}

#[test]
fn each_right_stands_alone_and_allow_is_true() {
    let files = [("a.txt", "a"), ("full/b.txt", "b")];
    const READ: &str = "GET, HEAD, OPTIONS";
    let allow =
        |server: &Server, target: &str| ask(server, "OPTIONS", target, "").assert_status(204).must("allow").to_string();

    let folder = Folder::with(&files);
    let server = Server::start(&folder, &[]);
    for (method, target, option) in [
        ("PUT", "/a.txt", "--overwrite"),
        ("PUT", "/new", "--upload"),
        ("POST", "/full/", "--upload"),
        ("DELETE", "/a.txt", "--delete"),
    ] {
        let refused = send(&server, method, target, "", b"x");
        assert_eq!(refused.assert_status(405).must("allow"), READ);
        assert!(refused.text().contains(option), "{method} {target}: {refused:?}");
    }

    let server = Server::start(&folder, &["--upload"]);
    assert_eq!(allow(&server, "/a.txt"), READ);
    assert_eq!(allow(&server, "/full/"), "GET, HEAD, POST, OPTIONS");
    assert_eq!(allow(&server, "/"), "GET, HEAD, POST, OPTIONS");
    assert_eq!(allow(&server, "/new"), "GET, HEAD, PUT, OPTIONS");
    assert_eq!(allow(&server, "*"), "GET, HEAD, POST, PUT, OPTIONS");
    put(&server, "/a.txt", "", b"x").assert_status(409);
    // Without the condition it would be 409, so the condition does not count (RFC 9110 §13.2.1).
    put(&server, "/a.txt", "If-None-Match: *\r\n", b"x").assert_status(409);
    put(&server, "/new", "", b"x").assert_status(201);
    assert_eq!(send(&server, "POST", "/a.txt", "", b"x").assert_status(405).must("allow"), READ);
    ask(&server, "DELETE", "/a.txt", "").assert_status(405);
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"a");

    let server = Server::start(&folder, &["--overwrite"]);
    assert_eq!(allow(&server, "/a.txt"), "GET, HEAD, PUT, OPTIONS");
    ask(&server, "OPTIONS", "/none", "").assert_status(404);
    put(&server, "/a.txt", "", b"A").assert_status(204);
    assert_eq!(put(&server, "/none", "", b"x").assert_status(405).must("allow"), READ);
    send(&server, "POST", "/", "", b"x").assert_status(405);
    assert!(!folder.join("none").exists());

    let server = Server::start(&folder, &["--delete"]);
    assert_eq!(allow(&server, "/a.txt"), "GET, HEAD, DELETE, OPTIONS");
    assert_eq!(allow(&server, "/full/"), "GET, HEAD, DELETE, OPTIONS");
    assert_eq!(allow(&server, "/"), READ);
    put(&server, "/a.txt", "", b"x").assert_status(405);
    ask(&server, "DELETE", "/a.txt", "").assert_status(204);
    assert!(!folder.join("a.txt").exists());
}

#[test]
fn a_refusal_comes_before_the_body_and_no_100_before_it() {
    let folder = Folder::with(&[("a.txt", "a"), ("folder/b.txt", "b")]);
    let writes = Server::start(&folder, &["--write", "--max-body", "1M"]);
    let uploads = Server::start(&folder, &["--upload"]);
    let reads = Server::start(&folder, &[]);
    let tag = strong_tag(&writes, "/a.txt");
    const LENGTH: &str = "Content-Length: 1000000\r\n";
    for (server, method, target, fields, status) in [
        (&reads, "PUT", "/a.txt", LENGTH.to_string(), 405),
        (&uploads, "PUT", "/a.txt", LENGTH.to_string(), 409),
        (&writes, "POST", "/a.txt", LENGTH.to_string(), 405),
        (&writes, "PUT", "/.hidden", LENGTH.to_string(), 404),
        (&writes, "PUT", "/a.txt", "Content-Length: 1048577\r\n".to_string(), 413),
        (&uploads, "PUT", "/new", "Content-Length: 17179869185\r\n".to_string(), 413),
        (&writes, "POST", "/", "Content-Length: 1048577\r\n".to_string(), 413),
        (&writes, "PUT", "/folder", LENGTH.to_string(), 409),
        (&writes, "PUT", "/folder/", LENGTH.to_string(), 409),
        (&writes, "PUT", "/", LENGTH.to_string(), 409),
        (&writes, "PUT", "/a.txt/below", LENGTH.to_string(), 409),
        (&writes, "PUT", "/a.txt/far/below", LENGTH.to_string(), 409),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}Content-Range: bytes 0-999999/2000000\r\n"), 400),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}Content-Encoding: gzip\r\n"), 415),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}If-None-Match: *\r\n"), 412),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}If-None-Match: {tag}\r\n"), 412),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}If-Match: \"other\"\r\n"), 412),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), 412),
        (&writes, "PUT", "/new", format!("{LENGTH}If-Match: *\r\n"), 412),
        (&writes, "POST", "/folder/", format!("{LENGTH}If-None-Match: *\r\n"), 412),
        (&writes, "POST", "/folder/", format!("{LENGTH}Content-Type: multipart/form-data\r\n"), 400),
        (&writes, "PUT", "/a.txt", format!("{LENGTH}Expect: a-miracle\r\n"), 417),
        (&writes, "PUT", "/chunked/.hidden", "Transfer-Encoding: chunked\r\n".to_string(), 404),
    ] {
        let mut client = Client::connect(server);
        let expect = if fields.contains("Expect") { "" } else { "Expect: 100-continue\r\n" };
        client.send(request(method, target, &format!("{fields}{expect}")));
        // The reader would take an interim response for the answer: a 100 fails here.
        let answer = client.response(method);
        assert_eq!(answer.status, status, "{method} {target} {fields}: {answer:?}");
        assert!(answer.lists("connection", "close"), "content that may never come ends the connection");
        client.assert_ended();
    }
    // No length, no content.
    for method in ["PUT", "POST"] {
        ask(&writes, method, "/", "").assert_status(411);
    }
    ask(&writes, "PUT", "/a.txt", "").assert_status(411);
    assert_eq!(names(folder.path()), ["a.txt", "folder"]);
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"a");
}

#[test]
fn a_client_that_waits_is_told_to_go_on_only_when_the_upload_has_begun() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["-u"]);
    let mut client = Client::connect(&server);
    client.send(request("PUT", "/a", "Content-Length: 5\r\nExpect: 100-continue\r\n"));
    assert_eq!(Response::read_head(&mut client).status, 100);
    client.send("hello");
    client.response("PUT").assert_status(201);
    client.end();
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"hello");
}

#[test]
fn too_much_in_chunks_is_413_and_nothing_stays() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["-u", "--max-body", "100K"]);
    for (method, target) in [("PUT", "/a"), ("POST", "/")] {
        let mut client = Client::connect(&server);
        client.send(request(method, target, "Transfer-Encoding: chunked\r\n"));
        let chunk = [format!("{:x}\r\n", 64 * 1024).as_bytes(), &[b'x'; 64 * 1024], b"\r\n"].concat();
        for _ in 0..32 {
            if !client.send_if_open(&chunk) {
                break;
            }
        }
        client.response(method).assert_status(413);
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_lost_update_is_412_and_the_first_writers_file_stays() {
    let folder = Folder::with(&[("a", "0")]);
    let server = Server::start(&folder, &["-w"]);
    let tag = strong_tag(&server, "/a");
    let condition = format!("If-Match: {tag}\r\n");
    let mine = put(&server, "/a", &condition, b"mine").assert_status(204).must("etag").to_string();
    put(&server, "/a", &condition, b"theirs").assert_status(412);
    // The tag of an upload's own answer is good at once.
    put(&server, "/a", &format!("If-Match: {mine}\r\n"), b"again").assert_status(204);
    put(&server, "/a", "If-None-Match: *\r\n", b"new").assert_status(412);
    put(&server, "/b", "If-None-Match: *\r\n", b"new").assert_status(201);
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"again");

    // Both pass the check before the content; the second one to finish must not pass the other.
    let tag = strong_tag(&server, "/a");
    let begin = |content: &str| {
        let mut client = Client::connect(&server);
        let fields = format!("If-Match: {tag}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n", content.len());
        client.send(request("PUT", "/a", &fields));
        assert_eq!(Response::read_head(&mut client).status, 100);
        client
    };
    let (mut first, mut second) = (begin("first"), begin("second"));
    second.send("second");
    second.response("PUT").assert_status(204);
    first.send("first");
    first.response("PUT").assert_status(412);
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"second");
}

#[test]
fn a_name_taken_meanwhile_is_told_by_the_condition() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload"]);
    for (condition, status) in [("", 409), ("If-None-Match: *\r\n", 412)] {
        let mut client = Client::connect(&server);
        client.send(request("PUT", "/a", &format!("{condition}Content-Length: 1\r\nExpect: 100-continue\r\n")));
        assert_eq!(Response::read_head(&mut client).status, 100);
        folder.write("a", "somebody else");
        client.send("x");
        client.response("PUT").assert_status(status);
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"somebody else");
        fs::remove_file(folder.join("a")).unwrap();
    }
}

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
    let shown = send(&server, "POST", "/in/", FORM, &form(&files));
    assert_eq!(shown.assert_status(303).must("location"), "/in/");
    let expected = ["film (2).mp4", "film (3).mp4", "film.mp4", "passwd", "say \"hi\" <b>.txt", "x.txt"];
    assert_eq!(names(&folder.join("in")), expected);
    assert_eq!(fs::read(folder.join("in/film.mp4")).unwrap(), b"old");
    assert_eq!(fs::read(folder.join("in/film (3).mp4")).unwrap(), big);

    // Whoever asks for JSON gets the list; the slash may be missing.
    let fields = format!("{FORM}Accept: application/json\r\n");
    let listed = send(&server, "POST", "/in", &fields, &form(&[("a.txt", b"1"), ("film.mp4", b"2")]));
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
    send(&server, "POST", "/in/", FORM, &form(&many)).assert_status(413);
    assert_eq!(names(&folder.join("in")), ["x"]);
    send(&server, "POST", "/in/", FORM, &form(&many[..512])).assert_status(303);
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

#[test]
fn delete_removes_files_links_and_empty_folders_and_never_the_root() {
    let folder = Folder::with(&[("a.txt", "a"), ("full/b.txt", "b"), ("hidden/.env", "x"), ("c.txt", "c")]);
    fs::create_dir(folder.join("empty")).unwrap();
    fs::create_dir(folder.join("slash")).unwrap();
    std::os::unix::fs::symlink("full", folder.join("link")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("out")).unwrap();
    let server = Server::start(&folder, &["-w"]);
    let delete = |target: &str, fields: &str| ask(&server, "DELETE", target, fields).status;
    let tag = strong_tag(&server, "/c.txt");
    for (target, fields, status) in [
        ("/", "", 405),
        ("//", "", 405),
        ("/full", "", 409),
        ("/full/", "", 409),
        ("/hidden/", "", 409),
        ("/none", "", 404),
        ("/a.txt/", "", 404),
        ("/out", "", 404),
        ("/hidden/.env", "", 404),
        ("/a.txt", "If-Match: \"x\"\r\n", 412),
        ("/a.txt", "If-None-Match: *\r\n", 412),
        ("/a.txt", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 412),
        ("/empty", "If-Match: \"x\"\r\n", 412),
        ("/a.txt", "Expect: a-miracle\r\n", 417),
        ("/a.txt", "", 204),
        ("/a.txt", "", 404),
        ("/empty", "If-Match: *\r\n", 204),
        ("/slash/", "", 204),
        ("/link/", "", 204),
    ] {
        assert_eq!(delete(target, fields), status, "{target} {fields}");
    }
    assert_eq!(delete("/c.txt", &format!("If-Match: {tag}\r\n")), 204);
    assert_eq!(names(folder.path()), ["full", "hidden", "out"]);
    assert_eq!(fs::read(folder.join("full/b.txt")).unwrap(), b"b");
}

#[test]
fn a_link_is_replaced_itself_and_leads_no_upload_out() {
    let outside = Folder::with(&[("secret", "secret")]);
    let folder = Folder::with(&[("inside/real", "real")]);
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, folder.join(name)).unwrap();
    link(&outside.join("secret"), "file");
    link(outside.path(), "folder");
    link(Path::new("inside/real"), "near");
    link(Path::new("inside"), "folder-near");
    for symlinks in ["inside", "deny", "any"] {
        let server = Server::start(&folder, &["-w", "--symlinks", symlinks]);
        let through = put(&server, "/folder/x", "", b"x").status;
        assert!(matches!(through, 403 | 404 | 409), "{symlinks}: {through}");
        assert_eq!(names(outside.path()), ["secret"]);
    }
    let server = Server::start(&folder, &["-w"]);
    put(&server, "/file", "", b"mine").assert_status(201);
    put(&server, "/near", "", b"mine").assert_status(204);
    put(&server, "/folder-near/y", "", b"y").assert_status(201);
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    assert_eq!(fs::read(folder.join("inside/real")).unwrap(), b"real");
    assert_eq!(fs::read(folder.join("inside/y")).unwrap(), b"y");
    assert!(!folder.join("file").is_symlink() && !folder.join("near").is_symlink());
}

#[test]
fn one_file_may_be_replaced_and_has_nothing_beside_it() {
    let folder = Folder::with(&[("a.txt", "a"), ("b.txt", "b")]);
    let server = Server::serve(&folder.join("a.txt"), &["--write"]);
    put(&server, "/a.txt", "", b"A").assert_status(204);
    put(&server, "/b.txt", "", b"B").assert_status(404);
    put(&server, "/new", "", b"B").assert_status(404);
    send(&server, "POST", "/", "", b"x");
    assert_eq!(names(folder.path()), ["a.txt", "b.txt"]);
    assert_eq!(fs::read(folder.join("a.txt")).unwrap(), b"A");
    assert_eq!(fs::read(folder.join("b.txt")).unwrap(), b"b");
}

#[test]
fn what_others_wrote_runs_as_nobody() {
    let folder =
        Folder::with(&[("404.html", "own"), ("a.svg", "<svg/>"), ("a.xml", "<a/>"), ("a.txt", "a"), ("a.pdf", "%PDF")]);
    let server = Server::start(&folder, &["--upload"]);
    put(&server, "/a.html", "", b"<script>1</script>").assert_status(201);
    for (target, fenced) in
        [("/a.html", true), ("/a.svg", true), ("/a.xml", true), ("/a.txt", false), ("/a.pdf", false)]
    {
        let policy = get(&server, target, "").field("content-security-policy").map(str::to_string);
        let expected = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
        assert_eq!(policy.as_deref(), fenced.then_some(expected), "{target}");
    }
    let own = get(&server, "/none", "Accept: text/html\r\n");
    assert!(own.assert_status(404).must("content-security-policy").starts_with("sandbox "));
    let server = Server::start(&folder, &["--upload", "-H", "Content-Security-Policy: default-src 'self'"]);
    assert_eq!(get(&server, "/a.html", "").must("content-security-policy"), "default-src 'self'");
    let server = Server::start(&folder, &["--delete"]);
    assert!(get(&server, "/a.html", "").field("content-security-policy").is_none());
}

#[test]
fn curl_uploads_in_all_its_ways() {
    let is_there = Command::new("curl").arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        eprintln!("skipped: there is no curl");
        return;
    }
    let (folder, from) = (Folder::new(), Folder::new());
    let content = from.pattern("film.mp4", 3_000_000);
    from.write("b \"c\".txt", "second");
    let server = Server::start(&folder, &["--write", "--max-body", "8M"]);
    from.sparse("huge", 9 << 20, b"x");
    let curl = |arguments: &[&str], target: &str, stdin: &[u8]| -> String {
        from.write("stdin", stdin);
        let output = Command::new("curl")
            .args(["-sS", "-o", "out", "-w", "%{http_code} %{size_upload}"])
            .args(arguments)
            .arg(format!("http://{}{target}", server.address))
            .current_dir(from.path())
            .stdin(fs::File::open(from.join("stdin")).unwrap())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!(curl(&["-T", "film.mp4"], "/", b""), "201 3000000");
    assert_eq!(fs::read(folder.join("film.mp4")).unwrap(), content);
    assert!(curl(&["-T", "-"], "/from/stdin", b"piped").starts_with("201 "));
    assert_eq!(fs::read(folder.join("from/stdin")).unwrap(), b"piped");
    assert!(curl(&["-F", "f=@film.mp4", "-F", "g=@b \"c\".txt"], "/from/", b"").starts_with("303 "));
    assert_eq!(names(&folder.join("from")), ["b \"c\".txt", "film.mp4", "stdin"]);
    assert_eq!(fs::read(folder.join("from/film.mp4")).unwrap(), content);
    assert_eq!(curl(&["--data-binary", "@film.mp4"], "/from/", b""), "201 3000000");
    assert_eq!(curl(&["-T", "film.mp4", "-H", "If-None-Match: *"], "/film.mp4", b"").split(' ').next(), Some("412"));
    assert_eq!(curl(&["-T", "huge", "-H", "Expect: 100-continue"], "/huge", b""), "413 0");
    assert!(curl(&["-X", "DELETE"], "/film.mp4", b"").starts_with("204 "));
    assert!(!folder.join("film.mp4").exists());
}

#[test]
fn a_get_behind_a_put_in_the_same_recv_sees_what_was_put() {
    let folder = Folder::new();
    fs::write(folder.join("f.txt"), "old").unwrap();
    let server = Server::start(&folder, &["--write", "--loops", "1"]);
    let mut client = Client::connect(&server);
    for round in 0..20 {
        // So old, and asked for so often, that it lies ready.
        strong_tag(&server, "/f.txt");
        let before = get(&server, "/f.txt", "").text();
        assert_eq!(get(&server, "/f.txt", "").text(), before);
        let new = format!("round {round}");
        let mut bytes = request("GET", "/f.txt", "");
        bytes.extend_from_slice(&request("PUT", "/f.txt", &format!("Content-Length: {}\r\n", new.len())));
        bytes.extend_from_slice(new.as_bytes());
        bytes.extend_from_slice(&request("GET", "/f.txt", ""));
        client.send(&bytes);
        assert_eq!(client.response("GET").text(), before);
        client.response("PUT").assert_status(204);
        assert_eq!(client.response("GET").text(), new);
    }
}
