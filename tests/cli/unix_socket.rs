//! `--bind unix:PATH`: who may connect, what is served, and what a server finds at the path.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{assert_error, barewire, get, run, site_folder};
use crate::support::folder::Folder;
use crate::support::server::Server;
use crate::support::until;

/// Sends these bytes and reads to the end.
fn ask(path: &Path, bytes: &str) -> String {
    let mut socket = UnixStream::connect(path).unwrap();
    socket.write_all(bytes.as_bytes()).unwrap();
    let mut response = Vec::new();
    socket.read_to_end(&mut response).unwrap();
    String::from_utf8(response).unwrap()
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// A server on a Unix socket alone, once it listens.
fn on_socket_alone(folder: &Folder, arguments: &[&str]) -> Child {
    let mut command = barewire(folder, &[&["--log", "off", "-q", "-b", "unix:s.sock"], arguments, &["site"]].concat());
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until("it listens", || UnixStream::connect(folder.join("s.sock")).is_ok());
    child
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_uploads_and_pipelines_work_as_over_tcp_and_the_log_says_unix() {
    let folder = site_folder();
    let content: String = (0..400_000).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
    folder.write("site/big.txt", &content);
    let arguments = ["-p", "0", "-b", "127.0.0.1", "-b", "unix:s.sock", "--loops", "2", "--upload", "site"];
    let server = Server::of(&mut barewire(&folder, &arguments));
    let path = folder.join("s.sock");
    assert!(server.line().contains("/ unix:./s.sock serving ./site\n"), "{}", server.line());
    assert_eq!(mode(&path), 0o660);
    let big = ask(&path, &request("/big.txt"));
    assert!(big.split_once("\r\n\r\n").unwrap().1 == content, "the content of a large file is not whole");
    let put = "PUT /new.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nnew\n";
    assert!(ask(&path, put).starts_with("HTTP/1.1 201 "));
    let two = "GET /new.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".to_string() + &request("/a.txt");
    let two = ask(&path, &two);
    assert!(two.contains("\r\n\r\nnew\nHTTP/1.1 200 OK\r\n") && two.ends_with("\r\n\r\nhello\n"), "{two}");
    // A program on this computer.
    assert!(ask(&path, &request("/.health")).starts_with("HTTP/1.1 200 "));
    assert!(ask(&path, &request("/a.txt").replace("localhost", "evil.example")).starts_with("HTTP/1.1 421 "));
    assert!(get(server.port(), "/a.txt").ends_with("hello\n"));
    let line = server.log().line("PUT /new.txt HTTP");
    assert!(line.starts_with("unix: - - [") && line.contains("\"PUT /new.txt HTTP/1.1\" 201 "), "{line}");
    server.log().line("127.0.0.1 - - [");
    assert_eq!(server.stop(Signal::TERM).0, 0);
}

#[test]
fn a_socket_that_was_left_behind_is_replaced_and_one_in_use_is_not() {
    let folder = site_folder();
    let path = folder.join("s.sock");
    let mut first = on_socket_alone(&folder, &["--socket-mode", "600"]);
    assert_eq!(mode(&path), 0o600);
    let arguments = ["-b", "unix:s.sock", "site"];
    let in_use = "barewire: a server already listens at ./s.sock.\nStop it, or choose another path.\n";
    assert_error(&mut barewire(&folder, &arguments), 3, in_use);
    assert!(ask(&path, &request("/a.txt")).ends_with("hello\n"), "the first one was disturbed");
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(path.exists() && UnixStream::connect(&path).is_err());
    let mut second = on_socket_alone(&folder, &[]);
    assert!(ask(&path, &request("/a.txt")).ends_with("hello\n"));
    // An idle connection ends, and so does the server.
    let mut idle = UnixStream::connect(&path).unwrap();
    idle.write_all(b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).unwrap();
    kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    idle.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(second.wait().unwrap().code(), Some(0));
}

#[test]
fn what_is_no_socket_is_never_removed_and_options_without_effect_are_refused() {
    let folder = site_folder();
    let taken = "barewire: ./site/a.txt is there already, and no socket.\n\
                 Choose another path, or remove it:  ls -l ./site/a.txt\n";
    assert_error(&mut barewire(&folder, &["-b", "unix:site/a.txt", "site"]), 3, taken);
    assert_eq!(fs::read_to_string(folder.join("site/a.txt")).unwrap(), "hello\n");
    let (exit, _, said) = run(&mut barewire(&folder, &["-b", "unix:none/s.sock", "site"]));
    assert!(exit == 3 && said.starts_with("barewire: cannot make the socket ./none/s.sock: "), "{exit} {said}");
    // Another program listens there.
    let _other = UnixListener::bind(folder.join("other.sock")).unwrap();
    let (exit, _, said) = run(&mut barewire(&folder, &["-b", "unix:other.sock", "site"]));
    assert!(exit == 3 && said.starts_with("barewire: a server already listens at ./other.sock.\n"), "{exit} {said}");
    for (arguments, expected) in [
        (
            &["-b", "unix:"][..],
            "barewire: --bind takes a path after unix:, such as unix:/run/barewire.sock, not \"unix:\".\n",
        ),
        (&["--socket-mode", "600"], "barewire: --socket-mode is for a Unix socket, and there is none.\n"),
        (
            &["--socket-mode", "0x6"],
            "barewire: --socket-mode takes three digits from 0 to 7, such as 660, not \"0x6\".\n",
        ),
        (&["-b", "unix:s.sock", "--study"], "barewire: --study needs an address, and only Unix sockets are given.\n"),
    ] {
        let (exit, _, said) = run(&mut barewire(&folder, arguments));
        assert!(exit == 2 && said.starts_with(expected), "{arguments:?}: {exit} {said}");
    }
}
