//! TCP keeps no borders: what was sent in three pieces is one `recv`, and the view says so.
//!
//! Never: a race. The loop is held while the pieces are sent, so all of them are there at the first `recv`.
//!
//! The subtle thing: where the kernel cannot be asked the note is absent, and then there is nothing to
//! test; a sandbox may forbid it, so that is said and is no failure.

use std::io::Write;
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use barewire::http::Status;
use barewire::net::Settings;
use barewire::service::{Answer, Response};
use barewire::wire::record::event::Event;

use crate::client::{PATIENCE, request};
use crate::library::Library;

#[test]
fn three_sends_before_the_first_recv_are_three_segments_and_one_recv() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let ((open, gate), (is_held, held)) = (channel::<()>(), channel());
        let gate = Mutex::new(gate);
        let settings = Settings { loops: 1, workers: 2, ..Settings::default() };
        let service = Library::fixed(move |request| {
            if request.path() == b"/hold" {
                is_held.send(()).unwrap();
                let _ = gate.lock().unwrap().recv();
            }
            Answer::Now(Response::text(Status::OK, "fine"))
        });
        let Some(mut library) = Library::on(address, settings, service) else {
            eprintln!("skipped: no {address} here");
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
        let story = library.story(2);
        let received = story.told.iter().filter_map(|told| match told.event {
            Event::Received(moved) => Some((moved.len, moved.segments)),
            _ => None,
        });
        let received: Vec<_> = received.collect();
        if received == [(bytes.len() as u64, None)] {
            eprintln!("skipped: the kernel cannot be asked here");
            return;
        }
        assert_eq!(received, [(bytes.len() as u64, Some(3))]);
        assert!(story.view().contains("(3 TCP segments, one recv())"), "{}", story.view());
        holder.response("GET");
        drop(holder);
        let view = library.story(1).view();
        assert!(view.contains("recv() #1  39 bytes  (1 TCP segment)\n"), "{view}");
    }
}
