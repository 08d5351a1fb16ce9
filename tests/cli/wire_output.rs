//! The wire view on standard output (`--wire`).

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::program::{assert_error, barewire, get, run, site_folder, wire_of};
use crate::support::server::Server;

#[test]
fn three_requests_in_one_send_are_one_recv_and_three_exchanges_in_order() {
    let folder = site_folder();
    let ask = |server: &Server| {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        let three = one("/a.txt", "") + &one("/no", "") + &one("/a.txt", "Connection: close\r\n");
        socket.write_all(three.as_bytes()).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    };
    let text = wire_of(&folder, &["--wire", "-p", "0", "site"], ask);
    assert_eq!(text.matches("recv() #").count(), 1, "{text}");
    assert!(text.contains("  3 requests together in one recv()\n"), "{text}");
    let names = ["c1.1 request", "c1.1 response", "c1.2 request", "c1.2 response", "c1.3 request", "c1.3 response"];
    let places: Vec<_> = names.iter().map(|name| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("closed by the server: the client asked for it"), "{text}");
}

#[test]
fn a_request_cut_in_three_places_shows_its_cuts_at_exactly_these_bytes() {
    let folder = site_folder();
    fs::write(folder.join("ask"), "GET /hello.txt HTTP/1.1\nHost: localhost\n\n").unwrap();
    let ask = |server: &Server| {
        let to = format!("localhost:{}", server.port());
        let arguments = ["send", &to, "ask", "--cut", "8,28,41", "--gap", "100", "--plain"];
        let (exit, answer, complaint) = run(&mut barewire(&folder, &arguments));
        assert_eq!((exit, complaint.as_str()), (0, ""));
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    };
    let truncated = |server: &Server| {
        let to = format!("localhost:{}", server.port());
        fs::write(folder.join("half"), "GET /a.txt HTTP/1.1\nHo").unwrap();
        let (exit, answer, complaint) = run(&mut barewire(&folder, &["send", &to, "half"]));
        assert_eq!((exit, complaint.as_str()), (0, ""));
        assert!(
            answer.contains("HTTP/1.1 400 Bad Request\\r\\n"),
            "a request that is never complete is answered: {answer}"
        );
    };
    let text = wire_of(&folder, &["--wire", "-p", "0", "site"], truncated);
    assert!(text.contains("! byte 23: the connection ended before the blank line"), "{text}");
    // One loop without other work reads each piece alone.
    let text = wire_of(&folder, &["--wire", "-p", "0", "--loops", "1", "site"], ask);
    for line in ["recv() #1  8 bytes", "recv() #2  20 bytes", "recv() #3  13 bytes", "recv() #4  3 bytes"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("   GET /hel┊2┊lo.txt HTTP/1.1\\r\\n  "), "{text}");
    assert!(text.contains("   Hos┊3┊t: localhost\\r┊4┊\\n  "), "{text}");
    let json = wire_of(&folder, &["--wire=json", "-p", "0", "site"], ask);
    assert!(json.contains("\"cuts\":[8,28,41]"), "{json}");
    for line in json.lines() {
        assert!(line.is_ascii() && line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}

#[test]
fn secrets_are_hidden_unless_they_are_asked_for_where_only_this_computer_can_connect() {
    let folder = site_folder();
    let ask = |server: &Server| {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
        let request = "GET /?token=abcdefgh HTTP/1.0\r\nX-Mine: ijklmnop\r\nAuthorization: Bearer qrstuvwx\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    };
    for form in ["--wire=line", "--wire=head", "--wire=full", "--wire=json"] {
        let text = wire_of(&folder, &[form, "-p", "0", "--wire-hide", "X-Mine", "site"], ask);
        for secret in ["abcdefgh", "ijklmnop", "qrstuvwx"] {
            assert!(!text.contains(secret), "{form}: {text}");
        }
        assert!(text.contains("?token=*") && (form == "--wire=line" || text.contains("Bearer *")), "{form}: {text}");
    }
    let refused = "barewire: --wire-secrets would show the secrets of others, so it is not possible where others can connect.\n\
        Leave it out:  barewire --lan --wire\n";
    assert_error(&mut barewire(&folder, &["--wire-secrets", "--lan", "--wire"]), 2, refused);
    assert_error(&mut barewire(&folder, &["--wire-secrets", "--bind", "0.0.0.0", "--wire"]), 2, refused);
    let mut server = Server::of(&mut barewire(&folder, &["--wire", "--wire-secrets", "-p", "0", "site"]));
    let warning = "barewire: passwords, cookies and tokens are shown (--wire-secrets).\n";
    assert_eq!(server.before(), [warning]);
    server.signal(Signal::INT);
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_wire_view_without_reader_does_not_stop_the_server() {
    let folder = site_folder();
    for stays in [true, false] {
        let mut command = barewire(&folder, &["--wire=full", "-p", "0", "site"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let reader = child.stdout.take().filter(|_| stays);
        let server = Server::heard(child);
        // Far more than a pipe holds.
        for _ in 0..200 {
            assert!(get(server.port(), "/a.txt").ends_with("hello\n"));
        }
        assert_eq!(server.stop(Signal::INT).0, 0);
        drop(reader);
    }
}
