//! Passwords (RFC 7617): before every file, before the content of a request, and limited in tries.
//!
//! The rules themselves are tested beside their source, in `src/service/access`. Here the real program is tested.

use rustix::process::Signal;

use crate::support::client::{Client, ask, basic, get, request};
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
fn after_ten_wrong_passwords_a_client_is_refused_and_no_other_client_or_user_is() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one"), ("bob", "two"), ("eve", "three")]);
    let users = ["--auth", "ann:one", "--auth", "bob:two", "--auth", "eve:three"];
    for arguments in [&users[..], &["--auth-file", &file]] {
        let server = Server::start(&folder, &[&["--trust", "127.0.0.1"], arguments].concat());
        let sign_in = |client: &str, credentials: &str| {
            get(&server, "/a.txt", &format!("X-Forwarded-For: {client}\r\n{}", basic(credentials)))
        };
        sign_in("192.0.2.1", "ann:one").assert_status(200);
        for n in 0..10 {
            sign_in("192.0.2.1", &format!("ann:wrong{n}")).assert_status(401);
            sign_in("192.0.2.1", &format!("eve:wrong{n}")).assert_status(401);
        }
        let answer = sign_in("192.0.2.1", "ann:wrong");
        let wait: u64 = answer.assert_status(429).must("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer:?}");
        assert!(answer.field("www-authenticate").is_none(), "a browser would ask its user again");
        sign_in("192.0.2.1", "eve:three").assert_status(429);
        // Who has signed in before, another user, and the same user elsewhere.
        sign_in("192.0.2.1", "ann:one").assert_status(200);
        sign_in("192.0.2.1", "bob:two").assert_status(200);
        sign_in("192.0.2.2", "eve:three").assert_status(200);
        get(&server, "/a.txt", "").assert_status(401);
    }
}

#[test]
fn wrong_passwords_from_one_of_many_clients_slow_the_others_down_and_keep_none_out() {
    let folder = small_site();
    let file = Folder::new();
    let file = password_file(&file, &[("ann", "one"), ("bob", "two")]);
    for arguments in [&["--auth", "ann:one", "--auth", "bob:two"][..], &["--auth-file", &file]] {
        let server = Server::start(&folder, arguments);
        for n in 0..10 {
            get(&server, "/a.txt", &basic(&format!("ann:wrong{n}"))).assert_status(401);
        }
        // A right and a wrong one wait equally long, and no other user waits with them.
        let late = ["ann:wrong", "ann:one"].map(|credentials| {
            let mut client = Client::connect(&server);
            client.send(request("GET", "/a.txt", &basic(credentials)));
            client
        });
        get(&server, "/a.txt", &basic("bob:two")).assert_status(200);
        for client in &late {
            client.socket.set_nonblocking(true).unwrap();
            let none = client.socket.peek(&mut [0]).unwrap_err();
            assert_eq!(none.kind(), std::io::ErrorKind::WouldBlock, "it did not wait");
            client.socket.set_nonblocking(false).unwrap();
        }
        for (mut client, status) in late.into_iter().zip([401, 200]) {
            client.response("GET").assert_status(status);
            client.end();
        }
        get(&server, "/a.txt", &basic("ann:one")).assert_status(200);
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
