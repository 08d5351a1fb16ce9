//! Requests may share one lookup of a file, but never a lookup that was made before the request was sent.
//!
//! The service here looks at no file. It notes when the number of an arrival was used first: at that moment a file
//! would have been looked up. A client notes the moment before it sends its first byte. So a stale response is found
//! without a file, and does not depend on timing. Where an order matters, the loop is held inside the service while the
//! test sends.

use std::collections::HashMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;

use barewire::http::{Method, Request, Status};
use barewire::net::Settings;
use barewire::service::{Answer, Lane, Outcome, RequestContext, Response, Service};

use crate::support::client::{Client, request};
use crate::support::folder::pattern;
use crate::support::library::Library;
use crate::support::rounds;

/// The order of events, as numbers.
#[derive(Default)]
struct Book {
    moment: AtomicU64,
    /// By arrival number: when it was used first.
    looks: Mutex<HashMap<u64, u64>>,
    /// When a POST changed something last.
    changed: AtomicU64,
}

impl Book {
    fn happen(&self) -> u64 {
        self.moment.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A GET whose target says when it was sent.
    fn get(&self) -> Vec<u8> {
        request("GET", &format!("/{}", self.moment.load(Ordering::SeqCst)), "")
    }

    /// 409 if the lookup of this arrival was made before the request was sent.
    fn look(&self, asked: u64, arrival: u64) -> Status {
        let now = self.happen();
        let looked = *self.looks.lock().unwrap().entry(arrival).or_insert(now);
        if looked <= asked { Status::CONFLICT } else { Status::OK }
    }
}

/// What a test does when a request with a named target comes: on the loop, or on a worker for a POST.
type Scene = dyn Fn(&str, &Book) + Send + Sync;

#[derive(Clone)]
struct Clerk {
    book: Arc<Book>,
    scene: Arc<Scene>,
}

impl Service for Clerk {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        let Clerk { book, scene } = self.clone();
        let name = String::from_utf8_lossy(&request.path()[1..]).into_owned();
        if request.method() == Method::Post {
            let job = move || {
                scene(&name, &book);
                book.changed.store(book.happen(), Ordering::SeqCst);
                scene("changed", &book);
                Outcome::Response(Response::text(Status::OK, ""))
            };
            return Answer::Blocking(Lane::Open.into(), Box::new(job));
        }
        let asked = match name.parse() {
            Ok(moment) => moment,
            Err(_) if name == "after-the-change" => book.changed.load(Ordering::SeqCst),
            Err(_) => 0,
        };
        let status = book.look(asked, visit.arrival);
        scene(&name, &book);
        Answer::Now(Response::text(status, ""))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn start(scene: impl Fn(&str, &Book) + Send + Sync + 'static) -> (Library, Arc<Book>) {
    let book = Arc::<Book>::default();
    let clerk = Clerk { book: Arc::clone(&book), scene: Arc::new(scene) };
    (
        Library::serving(
            Settings::with(|s| {
                s.loops = 1;
                s.workers = 4;
            }),
            clerk,
        ),
        book,
    )
}

/// A client that the loop has accepted.
fn known(library: &Library) -> Client {
    let mut client = library.connect();
    client.get("/0", "").assert_status(200);
    client
}

/// Sockets into which a scene writes.
type Hands = Arc<OnceLock<Vec<std::net::TcpStream>>>;

fn hands(hands: &Hands, clients: &[&Client]) {
    hands.set(clients.iter().map(|client| client.socket.try_clone().unwrap()).collect()).unwrap();
}

fn send(hands: &Hands, to: usize, bytes: impl AsRef<[u8]>) {
    (&hands.get().unwrap()[to]).write_all(bytes.as_ref()).unwrap();
}

#[test]
fn a_request_after_a_change_is_looked_up_after_it() {
    let (open, gate) = channel();
    let (tell, told) = channel();
    let (gate, told) = (Mutex::new(gate), Mutex::new(told));
    let (library, _) = start(move |name, _| match name {
        "change" => gate.lock().unwrap().recv().unwrap(),
        "changed" => tell.send(()).unwrap(),
        // In the iteration of the loop in which another client is answered, the change is made.
        "open" => {
            open.send(()).unwrap();
            told.lock().unwrap().recv().unwrap();
        }
        _ => {}
    });
    let (mut writer, mut other) = (known(&library), known(&library));
    for round in 0..50 {
        writer.send(request("POST", "/change", "Content-Length: 0\r\n"));
        other.get("/0", "");
        writer.send(request("GET", "/after-the-change", ""));
        // Once this is answered, the loop knows that the writer has sent more.
        other.get("/0", "");
        other.get("/open", "");
        writer.response("POST").assert_status(200);
        assert_eq!(writer.response("GET").status, 200, "older than the change before it, round {round}");
    }
}

#[test]
fn a_request_that_comes_while_the_server_begins_to_stop_is_looked_up_anew() {
    let (sockets, stopper) = (Hands::default(), Arc::<OnceLock<_>>::default());
    let (theirs, stop) = (Arc::clone(&sockets), Arc::clone(&stopper));
    let (library, _) = start(move |name, book| {
        if name == "stop" {
            send(&theirs, 0, book.get());
            barewire::net::Stopper::stop(stop.get().unwrap());
        }
    });
    let (mut late, mut last) = (known(&library), known(&library));
    hands(&sockets, &[&late]);
    assert!(stopper.set(library.stopper.clone()).is_ok());
    last.get("/stop", "");
    assert_eq!(late.response("GET").status, 200, "older than an answer that was there before it was sent");
}

#[test]
fn a_request_that_comes_when_its_event_has_been_used_up_is_looked_up_anew() {
    // One `recv` more than one turn allows, so that the connection gets another turn. Both belong to one event.
    const READ_MORE: usize = 4096;
    const BEGUN: &[u8] = b"GET /0";
    let sockets = Hands::default();
    let theirs = Arc::clone(&sockets);
    let (library, _) = start(move |name, book| match name {
        "hold" => {
            // As many bytes as one `recv` reads after the beginning of a head, with more requests than one turn allows.
            let (one, rest) = (request("GET", "/0", ""), &request("GET", "/0", "")[BEGUN.len()..]);
            let mut bytes = [rest, &one.repeat(14), &request("GET", "/sixteenth", ""), &one.repeat(2)].concat();
            let last = request("GET", "/0", "X: \r\n");
            bytes.extend(request("GET", "/0", &format!("X: {}\r\n", "x".repeat(READ_MORE - bytes.len() - last.len()))));
            assert_eq!(bytes.len(), READ_MORE);
            send(&theirs, 0, bytes);
        }
        "sixteenth" => {
            send(&theirs, 1, request("GET", "/poke", ""));
            send(&theirs, 0, book.get());
        }
        "poke" => send(&theirs, 0, book.get()),
        _ => {}
    });
    let (mut busy, mut other, mut third) = (known(&library), known(&library), known(&library));
    hands(&sockets, &[&busy, &other]);
    busy.send(BEGUN);
    third.get("/0", "");
    third.get("/hold", "");
    other.response("GET").assert_status(200);
    for n in 0..21 {
        assert_eq!(busy.response("GET").status, 200, "{n}: older than an answer that was there before it was sent");
    }
}

#[test]
fn an_empty_line_before_a_request_is_not_its_beginning() {
    let sockets = Hands::default();
    let theirs = Arc::clone(&sockets);
    let (library, _) = start(move |name, book| match name {
        "hold" => {
            send(&theirs, 1, request("GET", "/poke", ""));
            send(&theirs, 0, "\r\n");
        }
        "poke" => send(&theirs, 0, book.get()),
        _ => {}
    });
    let (mut late, mut other, mut third) = (known(&library), known(&library), known(&library));
    hands(&sockets, &[&late, &other]);
    third.get("/hold", "");
    other.response("GET").assert_status(200);
    assert_eq!(late.response("GET").status, 200, "older than an answer that was there before it was sent");
}

#[test]
fn no_client_in_a_crowd_is_answered_by_an_older_look() {
    const CROWD: usize = 6;
    let rounds = rounds(60, 300);
    let (library, book) = start(|_, _| {});
    thread::scope(|scope| {
        for number in 0..CROWD {
            let (mut client, book) = (known(&library), Arc::clone(&book));
            scope.spawn(move || {
                let dice = pattern(number as u64, 3 * rounds);
                for dice in dice.chunks_exact(3) {
                    let count = [1, 1, 2, 15, 16, 17, 40, 200][usize::from(dice[0] % 8)];
                    let mut bytes = if dice[0] & 0x40 == 0 { Vec::new() } else { b"\r\n".to_vec() };
                    bytes.extend(book.get().repeat(count));
                    if dice[0] & 0x80 != 0 {
                        bytes.splice(0..0, request("POST", "/", "Content-Length: 0\r\n"));
                    }
                    // The batch in two pieces.
                    let cut = bytes.len() * usize::from(dice[1]) / 256;
                    client.send(&bytes[..cut]);
                    client.send(&bytes[cut..]);
                    if dice[0] & 0x80 != 0 {
                        client.response("POST").assert_status(200);
                    }
                    for _ in 0..count {
                        assert_eq!(client.response("GET").status, 200, "older than an answer before it was sent");
                    }
                }
            });
        }
    });
}
