//! TCP segments: three sends can be one `recv`, and the wire view says so; and a head is sent together with its
//! content.
//!
//! The loop is held while the pieces are sent, so all of them are there at the first `recv`. A sandbox may forbid to
//! ask the kernel for the number of segments; then there is nothing to test.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use barewire::http::Status;
use barewire::net::Settings;
use barewire::service::{Answer, Response};
use barewire::wire::record::event::EventKind;

use crate::support::client::{Client, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::server::Server;
use crate::support::{PATIENCE, notice};

#[test]
fn three_sends_before_the_first_recv_are_three_segments_and_one_recv() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let ((open, gate), (is_held, held)) = (channel::<()>(), channel());
        let gate = Mutex::new(gate);
        let settings = Settings::with(|s| {
            s.loops = 1;
            s.workers = 2;
        });
        let service = Library::fixed(move |request| {
            if request.path() == b"/hold" {
                is_held.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
            }
            Answer::Now(Response::text(Status::OK, "fine"))
        });
        let Some(mut library) = Library::on(address, settings, service) else {
            notice(&format!("there is no {address} here"));
            continue;
        };
        let mut holder = library.connect();
        holder.send(request("GET", "/hold", ""));
        held.recv_timeout(PATIENCE).unwrap();
        let mut client = TcpStream::connect(library.address).unwrap();
        client.set_nodelay(true).unwrap();
        let bytes = request("GET", "/", "Connection: close\r\n");
        for piece in [&bytes[..8], &bytes[8..28], &bytes[28..]] {
            client.write_all(piece).unwrap();
        }
        open.send(()).unwrap();
        let log = library.log_of(2);
        let received = log.events.iter().filter_map(|told| match told.kind {
            EventKind::Received(moved, _) => Some((moved.len, moved.segments)),
            _ => None,
        });
        let received: Vec<_> = received.collect();
        if received == [(bytes.len() as u64, None)] {
            notice("the kernel does not tell the number of segments here");
            return;
        }
        assert_eq!(received, [(bytes.len() as u64, Some(3))]);
        assert!(log.view().contains("(3 TCP segments, one recv())"), "{}", log.view());
        holder.response("GET");
        drop(holder);
        let view = library.log_of(1).view();
        assert!(view.contains("recv() #1  39 bytes  (1 TCP segment)\n"), "{view}");
    }
}

#[test]
fn a_head_is_never_sent_alone() {
    let folder = Folder::with(&[("a.html", "small"), ("list/b.txt", "b")]);
    folder.pattern("large.bin", 100_000);
    let server = Server::start(&folder, &["--log", "off"]);
    let mut client = Client::connect(&server);
    for (target, fields) in [
        ("/a.html", ""),
        ("/large.bin", ""),
        ("/large.bin", "Range: bytes=9-70000\r\n"),
        ("/nothing", ""),
        ("/list/", ""),
    ] {
        let mut alone = 0;
        for _ in 0..50 {
            client.send(request("GET", target, fields));
            // One read returns what the first segment has brought.
            let mut first = [0; 64 * 1024];
            let count = client.socket.read(&mut first).unwrap();
            let head = first[..count].windows(4).position(|w| w == b"\r\n\r\n").expect("a whole head") + 4;
            alone += usize::from(head == count);
            let line = String::from_utf8_lossy(&first[..head]).to_ascii_lowercase();
            let length = line.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
            client.take(length.parse::<usize>().unwrap() - (count - head));
        }
        // If the machine stops the server between two calls for a fifth of a second, the kernel sends the head
        // alone. So some are allowed.
        assert!(alone <= 5, "{alone} of 50 heads came alone: {target} {fields}");
    }
}
