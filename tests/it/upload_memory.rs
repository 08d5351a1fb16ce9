//! The memory of all unfinished uploads together: bounded, and never in the hand of a client that is silent.

use std::sync::{Arc, Condvar, Mutex};

use barewire::http::{Method, Status};
use barewire::net::Settings;
use barewire::service::{Answer, Response, Sink};

use crate::support::client::{Client, request};
use crate::support::folder::{Folder, pattern};
use crate::support::library::Library;
use crate::support::server::Server;
use crate::support::uploads::put;
use crate::support::{rounds, until};

const LENGTH: usize = 400_000;

#[test]
fn silent_uploads_take_no_memory_from_others_and_all_of_them_end_well() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload", "--upload-memory", "1M"]);
    put(&server, "/warm", "", pattern(9, 2_000_000)).assert_status(201);
    let before = server.resident();
    let content = pattern(1, LENGTH);
    let mut silent: Vec<Client> = (0..rounds(60, 600))
        .map(|n| {
            let mut client = Client::connect(&server);
            match n % 2 {
                0 => client.send(request("PUT", &format!("/{n}"), &format!("Content-Length: {LENGTH}\r\n"))),
                _ => {
                    client.send(request("PUT", &format!("/{n}"), "Transfer-Encoding: chunked\r\n"));
                    client.send(format!("{LENGTH:x}\r\n"));
                }
            }
            client.send(&content[..LENGTH - 1]);
            client
        })
        .collect();
    put(&server, "/whole", "", pattern(2, 5_000_000)).assert_status(201);
    // Most of it is the allocator's; unbounded it would be as much as all of them have sent.
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes for {} uploads", silent.len());
    for (n, client) in silent.iter_mut().enumerate() {
        client.send(&content[LENGTH - 1..]);
        if n % 2 == 1 {
            client.send("\r\n0\r\n\r\n");
        }
        client.response("PUT").assert_status(201);
        assert!(std::fs::read(folder.join(n.to_string())).unwrap() == content, "upload {n}");
    }
    assert!(std::fs::read(folder.join("whole")).unwrap() == pattern(2, 5_000_000));
}

/// A disk that answers when it is told to. Counts the bytes that were written.
struct HungDisk(Arc<(Mutex<bool>, Condvar)>, usize);

impl Sink for HungDisk {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        let (answers, changed) = &*self.0;
        drop(changed.wait_while(answers.lock().unwrap(), |answers| !*answers).unwrap());
        self.1 += bytes.len();
        Ok(())
    }

    fn finish(self: Box<Self>) -> Response {
        Response::text(Status::OK, self.1.to_string())
    }
}

#[test]
fn clients_wait_while_all_memory_is_on_its_way_to_a_hung_disk() {
    const MEMORY: usize = 1024 * 1024;
    const UPLOADS: usize = 64;
    let disk = Arc::<(Mutex<bool>, Condvar)>::default();
    let settings = Settings::with(|s| {
        s.loops = 2;
        s.workers = 4;
        s.upload_memory = MEMORY;
    });
    let answering = Arc::clone(&disk);
    let mut library = Library::with(settings, move |request| match request.method() {
        Method::Get => Answer::Now(Response::text(Status::OK, "up")),
        _ => {
            let sink = HungDisk(Arc::clone(&answering), 0);
            Answer::Receive { limit: u64::MAX, device: 0, open: Box::new(move || Ok(Box::new(sink))) }
        }
    });
    let clients: Vec<_> = (0..UPLOADS)
        .map(|_| {
            let mut client = library.connect();
            std::thread::spawn(move || {
                client.send(request("PUT", "/", &format!("Expect: 100-continue\r\nContent-Length: {LENGTH}\r\n")));
                assert_eq!(crate::support::response::Response::read_head(&mut client).status, 100);
                client.send(pattern(3, LENGTH));
                client.response("PUT").text()
            })
        })
        .collect();
    // Not all of it: a block that is held may not be full.
    until("much of it is used", || library.received() > MEMORY / 2);
    // Others are served meanwhile.
    let mut other = library.connect();
    for _ in 0..50 {
        assert_eq!(other.get("/", "").text(), "up");
    }
    // Heads, and one buffer for each loop.
    let most = MEMORY + 2 * 64 * 1024 + UPLOADS * 200;
    assert!(library.received() <= most, "{} bytes", library.received());
    *disk.0.lock().unwrap() = true;
    disk.1.notify_all();
    for client in clients {
        assert_eq!(client.join().unwrap(), LENGTH.to_string());
    }
}

#[test]
fn content_that_is_collected_gets_a_503_where_there_is_no_memory_for_it() {
    const MEMORY: usize = 4 * 1024 * 1024;
    let settings = Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
        s.upload_memory = MEMORY;
    });
    let mut library = Library::with(settings, |_| Answer::Collect {
        limit: u64::MAX,
        then: Box::new(|content| Response::text(Status::OK, content.len().to_string())),
    });
    let head = request("POST", "/", &format!("Content-Length: {LENGTH}\r\n"));
    let mut round = |number: usize| {
        let mut clients: Vec<Client> = (0..16).map(|_| library.connect()).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.send(&head);
            client.send(&pattern(4, LENGTH)[1..]);
            library.has_received(number + n, head.len() + LENGTH - 1);
        }
        let answers = clients.iter_mut().map(|client| {
            client.send("x");
            client.response("POST").status
        });
        let stored = answers.filter(|status| *status == 200).count();
        assert!((1..=MEMORY / 2 / LENGTH).contains(&stored), "{stored} of 16 fit into half");
    };
    // What the first ones held is given back.
    round(1);
    round(17);
}
