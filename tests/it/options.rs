//! Options that change the responses.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::client::{ask, get};
use crate::support::folder::Folder;
use crate::support::server::Server;

#[test]
fn one_file_is_served_under_its_name_and_nothing_else_is() {
    let folder = Folder::with(&[("film one.txt", "content"), ("other.txt", "other")]);
    let server = Server::serve(&folder.join("film one.txt"), &[]);
    assert_eq!(get(&server, "/", "").assert_status(307).must("location"), "film%20one.txt");
    assert_eq!(get(&server, "/film%20one.txt", "").text(), "content");
    assert_eq!(get(&server, "/film%20one.txt", "Range: bytes=1-2\r\n").assert_status(206).text(), "on");
    for target in ["/other.txt", "/film%20one.txt/", "/film%20one.txt/x", "/x/film%20one.txt"] {
        get(&server, target, "").assert_status(404);
    }
}

#[test]
fn spa_answers_unknown_paths_for_browsers_only() {
    let folder = Folder::with(&[("index.html", "<p>app"), ("app.js", "js")]);
    let server = Server::start(&folder, &["--spa"]);
    assert_eq!(get(&server, "/deep/link", "Accept: text/html\r\n").assert_status(200).text(), "<p>app");
    get(&server, "/missing.js", "Accept: */*\r\n").assert_status(404);
    assert_eq!(get(&server, "/app.js", "Accept: text/html\r\n").text(), "js");
    folder.write("start.html", "<p>start");
    let server = Server::start(&folder, &["--spa=start.html", "--index", "start.html"]);
    assert_eq!(get(&server, "/deep/link", "Accept: text/html\r\n").assert_status(200).text(), "<p>start");
    assert_eq!(get(&server, "/", "").text(), "<p>start");
}

#[test]
fn headers_cors_and_cache_are_what_was_asked_for() {
    let folder = Folder::with(&[("a.txt", "a"), ("dir/b.txt", "b")]);
    let server = Server::start(&folder, &["-H", "X-Mine: yes", "--cors", "--cache", "60"]);
    let answer = get(&server, "/a.txt", "Origin: http://other.example\r\n");
    assert_eq!(answer.must("x-mine"), "yes");
    assert_eq!(answer.must("access-control-allow-origin"), "*");
    assert!(answer.must("cache-control").contains("max-age=60"), "{answer:?}");
    assert!(get(&server, "/dir", "").assert_status(301).must("cache-control").contains("max-age=60"));
    let preflight = "Origin: http://other.example\r\nAccess-Control-Request-Method: GET\r\n";
    let answer = ask(&server, "OPTIONS", "/a.txt", preflight);
    assert_eq!(answer.assert_status(204).must("access-control-allow-origin"), "*");

    let closed = Server::start(&folder, &["--cache", "off"]);
    let answer = get(&closed, "/a.txt", "Origin: http://other.example\r\n");
    assert!(answer.field("access-control-allow-origin").is_none(), "no page of elsewhere may read");
    assert_eq!(answer.must("cache-control"), "no-store");
}

#[test]
fn a_smaller_limit_of_the_head_holds() {
    let folder = Folder::with(&[("a.txt", "a")]);
    let server = Server::start(&folder, &["--max-head", "2K"]);
    get(&server, "/a.txt", &format!("X: {}\r\n", "x".repeat(1_500))).assert_status(200);
    get(&server, "/a.txt", &format!("X: {}\r\n", "x".repeat(2_500))).assert_status(431);
}

#[test]
fn a_page_of_our_own_for_404_keeps_the_status() {
    let folder = Folder::with(&[("404.html", "<p>my own"), ("a.txt", "a")]);
    let server = Server::start(&folder, &[]);
    let answer = get(&server, "/missing", "Accept: text/html\r\n");
    assert_eq!(answer.assert_status(404).text(), "<p>my own");
}

#[test]
fn without_bind_both_loopbacks_listen_on_one_port_and_nothing_else_does() {
    let folder = Folder::with(&[("a.txt", "a")]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_barewire"))
        .args(["--port", "0"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut err = std::io::BufReader::new(child.stderr.take().unwrap());
    std::io::BufRead::read_line(&mut err, &mut line).unwrap();
    let rest = line.strip_prefix("listening on http://127.0.0.1:").unwrap_or_else(|| panic!("{line:?}"));
    let (port, place) = rest.split_once("/ serving ").unwrap_or_else(|| panic!("{line:?}"));
    let port: u16 = port.parse().unwrap();
    assert!(!place.trim().is_empty());
    TcpStream::connect(("127.0.0.1", port)).unwrap();
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port)).unwrap();
    }
    // Every address of 127/8 is this machine. Only the bound one accepts connections.
    assert!(TcpStream::connect(("127.0.0.2", port)).is_err());
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
}
