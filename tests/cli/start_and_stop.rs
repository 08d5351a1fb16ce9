//! What a script sees of a start and an end: lines, signals, exit codes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Output, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{PASS_SOCKET, barewire, get, shell, site_folder};
use crate::support::PATIENCE;
use crate::support::server::Server;

#[test]
fn a_script_sees_one_line_at_the_start_and_one_at_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = site_folder();
        let server = Server::of(&mut barewire(&folder, &["-p", "0", "site"]));
        assert_eq!(server.line(), format!("listening on http://127.0.0.1:{}/ serving ./site\n", server.port()));
        assert_eq!(server.before(), Vec::<String>::new());
        let answer = get(server.port(), "/a.txt");
        let (exit, rest) = server.stop(signal);
        let bytes = answer.len();
        assert_eq!((exit, rest.lines().count()), (0, 1), "{rest}");
        assert!(rest.starts_with(&format!("stopped: 1 request, {bytes} B, ")), "{rest}");
    }
}

#[test]
fn the_browser_gets_an_address_without_the_key_and_is_not_restricted() {
    let folder = site_folder();
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let opener = programs.join("xdg-open");
    // It writes outside of the served folder, which Landlock forbids the server.
    fs::write(&opener, "#!/bin/sh\necho \"$@\" > \"$0.new\" && mv \"$0.new\" \"$0.asked\"\n").unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let start = |arguments: &[&str], path: String| {
        let mut command = barewire(&folder, &[&["-p", "0", "--open"], arguments, &["site"]].concat());
        Server::of(command.env("PATH", path))
    };
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    for (arguments, way) in [(&["--study", "--wire-port", "0"][..], "/.wire"), (&[], "/")] {
        let server = start(arguments, path.clone());
        let (asked, end) = (programs.join("xdg-open.asked"), Instant::now() + PATIENCE);
        while !asked.exists() {
            assert!(Instant::now() < end, "nothing was opened");
            std::thread::yield_now();
        }
        let url = format!("http://127.0.0.1:{}{way}\n", server.port());
        assert_eq!((fs::read_to_string(&asked).unwrap(), server.notes()), (url, Vec::new()));
        fs::remove_file(asked).unwrap();
    }
    let server = start(&[], folder.join("site").display().to_string());
    let note = "The browser could not be opened (entity not found). Open the address yourself.";
    assert_eq!(server.notes(), [note]);
    assert!(get(server.port(), "/a.txt").ends_with("hello\n"), "it serves nevertheless");
}

#[test]
fn quiet_says_nothing() {
    let folder = site_folder();
    // The socket is passed to it, so its port is known although it prints nothing.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut command = shell(&folder, PASS_SOCKET, &["-q", "--log", "off", "site"]);
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    assert!(get(port, "/a.txt").ends_with("hello\n"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), stdout, stderr), (Some(0), Vec::new(), Vec::new()));
}

#[test]
fn connections_that_the_grace_cut_off_are_counted() {
    let folder = site_folder();
    File::create(folder.join("site/big")).unwrap().set_len(1 << 30).unwrap();
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "--grace", "1s", "site"]));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    let (exit, rest) = server.stop(Signal::TERM);
    assert!(exit == 0 && rest.ends_with("; 1 connection cut off after 1 s\n"), "{exit} {rest}");
}

#[test]
fn a_server_under_nohup_outlives_its_terminal() {
    let folder = site_folder();
    // As nohup does it: the shell ignores HUP, and the program inherits that.
    let script = "trap '' HUP && exec \"$0\" \"$@\"";
    let server = Server::of(&mut shell(&folder, script, &["-p", "0", "site"]));
    for _ in 0..2 {
        server.signal(Signal::HUP);
        assert!(get(server.port(), "/a.txt").ends_with("hello\n"));
    }
    let (exit, rest) = server.stop(Signal::TERM);
    assert!(exit == 0 && rest.starts_with("stopped: 2 requests, "), "{exit} {rest}");
}

#[test]
fn a_service_manager_is_told_when_it_serves_and_when_it_stops() {
    let folder = site_folder();
    let manager = UnixDatagram::bind(folder.join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).trim_end().to_string()
    };
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    let server = Server::of(command.env("NOTIFY_SOCKET", folder.join("notify")));
    assert_eq!(told(), "READY=1");
    assert_eq!(server.stop(Signal::TERM).0, 0);
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn a_reader_that_has_left_changes_no_exit_code() {
    let folder = site_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, expected) in
        [(&["-p", port.as_str(), "site"][..], 3), (&["--nope"], 2), (&["--man"], 0), (&["--help"], 0)]
    {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        let mut command = barewire(&folder, arguments);
        command
            .stdout(Stdio::from(OwnedFd::from(theirs.try_clone().unwrap())))
            .stderr(Stdio::from(OwnedFd::from(theirs)));
        assert_eq!(command.status().unwrap().code(), Some(expected), "{arguments:?}");
    }
}
