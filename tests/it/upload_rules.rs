//! Who may write what: the rights, refusals before the body, and what an uploaded file may do.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::client::{Client, ask, get, request, strong_tag};
use crate::support::folder::{Folder, names};
use crate::support::has_program;
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, put, send};

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
        (&writes, "PUT", "/.hidden", LENGTH.to_string(), 403),
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
        (&writes, "PUT", "/chunked/.hidden", "Transfer-Encoding: chunked\r\n".to_string(), 403),
    ] {
        let mut client = Client::connect(server);
        let expect = if fields.contains("Expect") { "" } else { "Expect: 100-continue\r\n" };
        client.send(request(method, target, &format!("{fields}{expect}")));
        // The reader would take an interim response for the final one, so a 100 fails here.
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
fn uploaded_pages_run_in_a_sandbox() {
    let folder =
        Folder::with(&[("404.html", "own"), ("a.svg", "<svg/>"), ("a.xml", "<a/>"), ("a.txt", "a"), ("a.pdf", "%PDF")]);
    let server = Server::start(&folder, &["--upload"]);
    put(&server, "/a.html", "", b"<script>1</script>").assert_status(201);
    for (target, sandboxed) in
        [("/a.html", true), ("/a.svg", true), ("/a.xml", true), ("/a.txt", false), ("/a.pdf", false)]
    {
        let policy = get(&server, target, "").field("content-security-policy").map(str::to_string);
        let expected = "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads";
        assert_eq!(policy.as_deref(), sandboxed.then_some(expected), "{target}");
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
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
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
fn whoever_may_only_add_changes_no_other_address() {
    let files =
        [("app.js", "owner"), ("taken/index.html", "owner"), (".well-known/security.txt", "owner"), ("sub/x", "x")];
    let folder = Folder::with(&files);
    ["app.js", "sub/x"].iter().for_each(|name| folder.age(name));
    std::os::unix::fs::symlink(".", folder.join("self")).unwrap();
    let options = ["--spa=page/app.html", "--index", "start.htm", "--index", "index.html"];
    let adds = Server::start(&folder, &[&["--upload"], &options[..]].concat());
    let html = "Accept: text/html\r\n";
    let answers = |server: &Server| {
        ["/", "/sub/", "/new/", "/taken/", "/none", "/none/of.it"].map(|target| {
            let answer = get(server, target, html);
            (answer.status, answer.text().contains("evil"), answer.text().contains("owner"))
        })
    };
    let before = answers(&adds);
    for (target, status) in [
        ("/start.htm", 409),
        ("/sub/index.html", 409),
        ("/new/folder/index.html", 409),
        ("/sub/INDEX.Html", 409),
        ("/sub/index.html.", 409),
        ("/sub/index.html%20.", 409),
        ("/page/app.html", 409),
        ("/app.html", 409),
        ("/404.html", 409),
        ("/403.HTML", 409),
        ("/500.html", 409),
        ("/self/404.html", 409),
        ("//self//self/404.html", 409),
        ("/.well-known/acme-challenge/x", 403),
        ("/.well-known/security.txt", 403),
        ("/sub/../.well-known/x", 403),
        ("/.well-known", 403),
        ("/taken/index.html", 409),
    ] {
        let refused = put(&adds, target, "", b"evil");
        assert_eq!(refused.status, status, "{target}: {refused:?}");
        assert!(target.contains("taken") || refused.text().contains("--overwrite"), "{refused:?}");
        // Before the content, and in the order of the other checks.
        assert_eq!(put(&adds, target, "If-Match: *\r\n", b"evil").status, status, "{target}");
    }
    for target in ["/index2.html", "/sub/404.html", "/sub/well-known", "/new/notes.txt"] {
        put(&adds, target, "", b"fine").assert_status(201);
    }
    // A form gives them a number, as it does for names that are in use.
    let brought = [("index.html", &b"1"[..]), ("404.html", b"2"), ("app.html", b"3"), ("start.htm", b"4")];
    send(&adds, "POST", "/", FORM, form(&brought)).assert_status(303);
    for name in ["index (2).html", "404 (2).html", "app (2).html", "start (2).htm"] {
        assert!(folder.join(name).is_file(), "{name}");
    }
    let named = send(&adds, "POST", "/sub", "Content-Disposition: attachment; filename=Index.html\r\n", b"5");
    assert!(named.assert_status(201).must("location").ends_with("Index%20%282%29.html"), "{named:?}");
    // A file system may ignore the case.
    let dotfiles = Server::start(&folder, &["--upload", "--dotfiles"]);
    for target in ["/.WELL-KNOWN/x", "/.well-known./x", "/.Well-Known%20/acme-challenge/x"] {
        put(&dotfiles, target, "", b"x").assert_status(403);
    }
    put(&dotfiles, "/sub/.well-known/x", "", b"x").assert_status(201);
    send(&adds, "POST", "/.well-known/", FORM, form(&[("x", b"x")])).assert_status(403);
    send(&adds, "POST", "/", FORM, form(&[(".well-known", b"x")])).assert_status(409);
    assert_eq!(names(&folder.join(".well-known")), ["security.txt"]);
    let mut expected = before;
    // This folder was made, so it is listed now.
    expected[2] = (200, false, false);
    assert_eq!(answers(&adds), expected);

    // Who may replace files may add these too, and who may remove files may remove them.
    let writes = Server::start(&folder, &[&["--upload", "--overwrite"], &options[..]].concat());
    for target in ["/start.htm", "/page/app.html", "/404.html", "/.well-known/acme-challenge/x"] {
        put(&writes, target, "", b"mine").assert_status(201);
    }
    assert_eq!(get(&writes, "/", "").text(), "mine");
    let removes = Server::start(&folder, &["--upload", "--delete"]);
    ask(&removes, "DELETE", "/.well-known/acme-challenge/x", "").assert_status(204);
    put(&removes, "/.well-known/acme-challenge/x", "", b"x").assert_status(403);
}

#[test]
fn no_file_stands_in_for_another_one_where_files_are_only_added() {
    let folder = Folder::with(&[("app.js", "owner"), ("old.css", "owner"), ("index.html", "owner")]);
    ["app.js", "old.css", "index.html"].iter().for_each(|name| folder.age(name));
    // One that was there before could be a stranger's too: the file may have come after it.
    folder.write("old.css.gz", "prepared");
    const CODINGS: &str = "Accept-Encoding: gzip, br, zstd\r\n";
    let adds = Server::start(&folder, &["--upload"]);
    let check = |server: &Server, is_used: bool| {
        for target in ["/app.js", "/", "/old.css"] {
            for _ in 0..3 {
                let answer = get(server, target, CODINGS);
                assert_eq!(answer.text() == "owner", !is_used, "{target}: {answer:?}");
                assert_eq!(answer.field("content-encoding").is_some(), is_used, "{target}: {answer:?}");
                assert_eq!(answer.lists("vary", "accept-encoding"), is_used, "{target}: {answer:?}");
            }
        }
    };
    get(&adds, "/app.js", CODINGS);
    for name in ["app.js.br", "index.html.zst"] {
        put(&adds, &format!("/{name}"), "", b"evil").assert_status(201);
    }
    send(&adds, "POST", "/", FORM, form(&[("app.js.gz", b"evil")])).assert_status(303);
    check(&adds, false);
    assert_eq!(get(&adds, "/app.js.gz", CODINGS).text(), "evil", "under its own address it is a file");
    check(&Server::start(&folder, &["--upload", "--delete"]), false);
    for options in [&["--upload", "--overwrite"][..], &["--overwrite"], &["--delete"], &[]] {
        check(&Server::start(&folder, options), true);
    }
}
