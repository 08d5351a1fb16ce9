//! Passwords (RFC 7617): before every file, before the content of a request, and limited in tries.
//!
//! The rules themselves are tested beside their source, in `src/service/access`. Here the real program is tested.

use rustix::process::Signal;

use crate::support::client::{Client, ask, basic, get};
use crate::support::folder::{Folder, small_site};
use crate::support::server::Server;
use crate::support::uploads::send;

/// A file as `htpasswd -B` writes it, with the least work that bcrypt allows.
pub(crate) fn password_file(folder: &Folder, users: &[(&str, &str)]) -> String {
    let lines = users.iter().map(|(user, word)| format!("{user}:{}\n", bcrypt::hash(word, 4).unwrap()));
    folder.write("passwords", lines.collect::<String>());
    folder.join("passwords").to_str().unwrap().to_string()
}

#[test]
fn without_a_password_every_method_gets_the_challenge_and_a_preflight_none() {
    let folder = small_site();
    let server = Server::start(&folder, &["--write", "--auth", "ann:one", "--cors=http://app.example"]);
    for (method, target) in [
        ("GET", "/a.txt"),
        ("GET", "/missing"),
        ("HEAD", "/a.txt"),
        ("GET", "/"),
        ("OPTIONS", "/a.txt"),
        ("OPTIONS", "*"),
        ("POST", "/"),
        ("PUT", "/new.txt"),
        ("DELETE", "/a.txt"),
    ] {
        for fields in
            ["", "Authorization: Bearer x\r\n", "Authorization: Basic !\r\n", &basic("ann:two"), &basic("ann")]
        {
            if fields == basic("ann:two") && method != "GET" {
                continue; // ten wrong passwords are the limit
            }
            let answer = ask(&server, method, target, fields);
            let challenge = answer.assert_status(401).must("www-authenticate");
            assert_eq!(challenge, "Basic realm=\"barewire\", charset=\"UTF-8\"", "{method} {target}");
            assert_eq!(answer.must("cache-control"), "no-store");
        }
    }
    let both = format!("{}{}", basic("ann:one"), basic("ann:one"));
    ask(&server, "GET", "/a.txt", &both).assert_status(401);
    for (method, status) in [("TRACE", 405), ("BREW", 501)] {
        ask(&server, method, "/a.txt", "").assert_status(status);
    }
    let app = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
    ask(&server, "OPTIONS", "/a.txt", app).assert_status(204);
    ask(&server, "OPTIONS", "/a.txt", &app.replace("app", "evil")).assert_status(401);
    // With the password, everything works.
    get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
    get(&server, "/a.txt", &basic("ann:one").replace("Basic", "bAsIc")).assert_status(200);
    assert_eq!(get(&server, "/a.txt", "").assert_status(401).field("etag"), None, "what lies ready is guarded too");
    send(&server, "PUT", "/new.txt", &basic("ann:one"), "x").assert_status(201);
    ask(&server, "DELETE", "/new.txt", &basic("ann:one")).assert_status(204);
}

#[test]
fn a_refusal_without_password_comes_before_the_content() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one")]);
    for arguments in [&["--write", "--auth", "bob:x"][..], &["--write", "--auth-file", &file]] {
        let server = Server::start(&folder, arguments);
        for fields in [String::new(), basic("ann:two")] {
            let mut client = Client::connect(&server);
            client.send(format!(
                "PUT /new.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n{fields}\r\n"
            ));
            client.response("PUT").assert_status(401);
            client.end();
        }
    }
}

#[test]
fn with_a_password_for_writes_all_may_read_and_a_write_without_right_asks_for_none() {
    let folder = small_site();
    let server = Server::start(&folder, &["--upload", "--auth", "ann:one", "--auth-for", "write"]);
    get(&server, "/a.txt", "").assert_status(200);
    get(&server, "/", "").assert_status(200);
    ask(&server, "OPTIONS", "/a.txt", "").assert_status(204);
    assert!(ask(&server, "DELETE", "/a.txt", "").assert_status(405).field("www-authenticate").is_none());
    assert!(ask(&server, "PATCH", "/a.txt", "").assert_status(405).field("www-authenticate").is_none());
    send(&server, "PUT", "/new.txt", "", "x").assert_status(401);
    send(&server, "POST", "/", "", "x").assert_status(401);
    get(&server, "/new.txt", "").assert_status(404);
    send(&server, "PUT", "/new.txt", &basic("ann:one"), "x").assert_status(201);
}

#[test]
fn after_ten_wrong_passwords_only_those_who_were_in_already_get_in() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one"), ("bob", "two")]);
    for arguments in [&["--auth", "ann:one", "--auth", "bob:two"][..], &["--auth-file", &file]] {
        let server = Server::start(&folder, arguments);
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
        for n in 0..10 {
            get(&server, "/a.txt", &basic(&format!("ann:wrong{n}"))).assert_status(401);
        }
        let answer = get(&server, "/a.txt", &basic("ann:wrong"));
        let wait: u64 = answer.assert_status(429).must("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer:?}");
        assert!(answer.field("www-authenticate").is_none(), "a browser would ask its user again");
        get(&server, "/a.txt", &basic("bob:two")).assert_status(429);
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
        get(&server, "/a.txt", "").assert_status(401);
    }
}

#[test]
fn a_password_file_and_typed_passwords_count_together() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one:with:colons"), ("bö", "ü")]);
    let mut server = Server::start(&folder, &["--auth-file", &file, "--auth", "carl:three"]);
    for right in ["ann:one:with:colons", "bö:ü", "carl:three", "ann:one:with:colons"] {
        assert_eq!(get(&server, "/a.txt", &basic(right)).assert_status(200).text(), "fine", "{right}");
    }
    for wrong in ["ann:one", "ann:three", "carl:one:with:colons", "dora:three", ":", "ann:"] {
        get(&server, "/a.txt", &basic(wrong)).assert_status(401);
    }
    // No password is in the log.
    server.signal(Signal::TERM);
    assert!(server.exit().success());
    let log = String::from_utf8_lossy(&server.log().all()).into_owned();
    assert!(log.contains("/a.txt") && !log.contains("colons") && !log.contains("three"), "{log}");
}

#[test]
fn a_file_that_needs_a_password_is_kept_by_no_shared_cache() {
    let folder = small_site();
    let control = |arguments: &[&str]| {
        let server = Server::start(&folder, &[&["--cache", "60"], arguments].concat());
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200).must("cache-control").to_string()
    };
    assert_eq!(control(&["--auth", "ann:one"]), "private, max-age=60");
    assert_eq!(control(&["--auth", "ann:one", "--auth-for", "write", "--upload"]), "max-age=60");
    assert_eq!(control(&[]), "max-age=60");
}
