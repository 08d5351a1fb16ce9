//! Content that is made while it is sent: framing, waiting, and every way in which it can end. The source waits for the
//! test, never for a time.

use std::net::Shutdown;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::http::{Request, Status};
use barewire::net::{Settings, Timeouts};
use barewire::service::{Answer, Body, Lane, Response, Source};

use crate::support::PATIENCE;
use crate::support::client::{Client, Ending, request};
use crate::support::library::Library;

/// A source that returns what the test sends, and reports on which thread it was dropped.
struct WireEvent {
    words: Receiver<&'static str>,
    asked: Sender<()>,
    dropped: Sender<String>,
}

impl Source for WireEvent {
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let _ = self.asked.send(());
        let Ok(word) = self.words.recv() else { return Ok(None) };
        assert_ne!(word, "panic", "a source that panics, on purpose");
        if word == "error" { Err(std::io::ErrorKind::Other.into()) } else { Ok(Some(word.as_bytes().to_vec())) }
    }
}

impl Drop for WireEvent {
    fn drop(&mut self) {
        let _ = self.dropped.send(std::thread::current().name().unwrap_or_default().to_string());
    }
}

/// The test's end of a source.
struct SourceControl {
    words: Option<Sender<&'static str>>,
    asked: Receiver<()>,
    dropped: Receiver<String>,
}

impl SourceControl {
    fn send(&self, word: &'static str) {
        self.words.as_ref().unwrap().send(word).unwrap();
    }

    fn end(&mut self) {
        self.words = None;
    }

    /// Waits until the server asks the source.
    #[track_caller]
    fn is_asked(&self) {
        self.asked.recv_timeout(PATIENCE).expect("the source is not asked");
    }

    /// Waits until the source is dropped.
    #[track_caller]
    fn is_dropped_by_a_worker(&self) {
        let thread = self.dropped.recv_timeout(PATIENCE).expect("the source is not dropped");
        assert!(thread.starts_with("worker"), "dropped on {thread:?}");
    }
}

fn told() -> (WireEvent, SourceControl) {
    let ((words, theirs), (asked, is_asked), (dropped, is_dropped)) = (channel(), channel(), channel());
    (
        WireEvent { words: theirs, asked, dropped },
        SourceControl { words: Some(words), asked: is_asked, dropped: is_dropped },
    )
}

/// A server that streams from one source, once, and answers `other` to all other requests.
fn streaming() -> (Library, SourceControl) {
    let (source, control) = told();
    let source = Mutex::new(Some(source));
    let library = Library::start(move |request| {
        let source = (request.path() == b"/stream").then(|| source.lock().unwrap().take()).flatten();
        Answer::Now(match source {
            Some(source) => Response::new(Status::OK).with_body(Body::Stream(Box::new(source))),
            None => Response::text(Status::OK, "other"),
        })
    });
    (library, control)
}

const HEAD_END: &[u8] = b"\r\n\r\n";

fn head(client: &mut Client) -> String {
    String::from_utf8(client.take_until(HEAD_END)).unwrap()
}

#[test]
fn each_answer_of_a_source_is_one_chunk_and_one_send_and_nothing_is_asked_ahead() {
    let (mut library, mut control) = streaming();
    let mut client = library.connect();
    client.send([request("GET", "/stream", ""), request("GET", "/other", "Connection: close\r\n")].concat());
    let head = head(&mut client);
    assert!(head.contains("Transfer-Encoding: chunked\r\n") && !head.contains("Content-Length"), "{head}");
    control.is_asked();
    control.send("hello");
    assert_eq!(client.take(10), b"5\r\nhello\r\n");
    control.is_asked();
    assert!(control.asked.try_recv().is_err(), "asked ahead");
    control.send("");
    control.is_asked();
    control.send("seventeen  bytes.");
    assert_eq!(client.take(23), b"11\r\nseventeen  bytes.\r\n");
    control.end();
    assert_eq!(client.take(5), b"0\r\n\r\n");
    control.is_dropped_by_a_worker();
    assert_eq!(client.response("GET").text(), "other", "the pipelined request after it");
    client.assert_ended();
    let log = library.log_of(1);
    let sizes: Vec<usize> = log.sent.iter().map(Vec::len).collect();
    assert_eq!(&sizes[1..4], [10, 23, 5], "{log:?}");
}

#[test]
fn a_client_of_http_1_0_gets_the_bare_bytes_until_the_close() {
    let (mut library, mut control) = streaming();
    let mut client = library.connect();
    client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    let head = head(&mut client);
    assert!(head.contains("Connection: close\r\n") && !head.contains("chunked"), "{head}");
    control.send("hel");
    control.send("lo");
    control.end();
    assert_eq!(client.rest(), (b"hello".to_vec(), Ending::Fin));
    drop(client);
    assert_eq!(library.log_of(1).sent[1..], [b"hel".to_vec(), b"lo".to_vec()]);
}

#[test]
fn where_there_is_no_content_the_source_is_never_asked() {
    for (method, status) in [("HEAD", Status::OK), ("GET", Status::NO_CONTENT), ("GET", Status::NOT_MODIFIED)] {
        let (source, control) = told();
        let source = Mutex::new(Some(source));
        let library = Library::start(move |_| {
            let body = source.lock().unwrap().take().map_or(Body::Empty, |source| Body::Stream(Box::new(source)));
            Answer::Now(Response::new(status).with_body(body))
        });
        let mut client = library.connect();
        client.send(request(method, "/", ""));
        let head = head(&mut client);
        assert_eq!(head.contains("Transfer-Encoding: chunked"), method == "HEAD", "{head}");
        control.is_dropped_by_a_worker();
        assert!(control.asked.try_recv().is_err());
        client.end();
    }
}

#[test]
fn a_client_that_leaves_while_the_source_is_silent_is_let_go_at_once() {
    for reset in [false, true] {
        let (mut library, control) = streaming();
        let mut client = library.connect();
        client.send(request("GET", "/stream", ""));
        head(&mut client);
        control.is_asked();
        if reset {
            rustix::net::sockopt::set_socket_linger(&client.socket, Some(Duration::ZERO)).unwrap();
        }
        drop(client);
        let log = library.log_of(1);
        assert_eq!(log.end, Some(if reset { "ResetUnread" } else { "LeftEarly" }));
        // The server still waits for the source. What it returns now is thrown away.
        control.send("too late");
        control.is_dropped_by_a_worker();
        library.connect().get("/other", "").assert_status(200);
    }
}

/// The loop is held, so that request and FIN have both come when the server first reads from the client.
#[test]
fn a_client_that_ended_its_side_before_gets_the_whole_stream() {
    let (source, mut control) = told();
    let (source, (open, gate)) = (Mutex::new(Some(source)), channel::<()>());
    let (is_held, held) = channel();
    let gate = Mutex::new(gate);
    let library = Library::start(move |request| {
        if request.path() == b"/hold" {
            is_held.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            return Answer::Now(Response::new(Status::NO_CONTENT));
        }
        let source = source.lock().unwrap().take().unwrap();
        Answer::Now(Response::new(Status::OK).with_body(Body::Stream(Box::new(source))))
    });
    let mut holder = library.connect();
    holder.send(request("GET", "/hold", ""));
    held.recv_timeout(PATIENCE).unwrap();
    let mut client = library.connect();
    client.send(request("GET", "/stream", ""));
    client.socket.shutdown(Shutdown::Write).unwrap();
    open.send(()).unwrap();
    head(&mut client);
    control.is_asked();
    control.send("a");
    control.is_asked();
    control.send("b");
    control.end();
    assert_eq!(client.rest(), (b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n".to_vec(), Ending::Fin));
}

#[test]
fn a_stop_ends_a_stream_in_order_even_a_silent_one() {
    let (mut library, control) = streaming();
    let mut client = library.connect();
    client.send(request("GET", "/stream", ""));
    head(&mut client);
    control.is_asked();
    control.send("one");
    assert_eq!(client.take(8), b"3\r\none\r\n");
    control.is_asked();
    library.stopper.stop();
    assert_eq!(client.take(5), b"0\r\n\r\n");
    client.assert_ended();
    drop(client);
    // A worker still waits for the source, but the server ends.
    assert_eq!(library.ended().cut_off, 0);
    assert_eq!(library.log_of(1).end, Some("Draining"));
    control.send("too late");
    control.is_dropped_by_a_worker();
}

#[test]
fn a_source_that_fails_or_panics_is_no_end_in_order() {
    let versions = [("1.1", "2\r\nab\r\n", Ending::Fin), ("1.0", "ab", Ending::Reset)];
    for ((version, expected, ending), last) in versions.into_iter().flat_map(|v| [(v, "panic"), (v, "error")]) {
        let (mut library, control) = streaming();
        let mut client = library.connect();
        client.send(format!("GET /stream HTTP/{version}\r\nHost: a\r\n\r\n"));
        head(&mut client);
        control.send("ab");
        assert_eq!(client.take(expected.len()), expected.as_bytes());
        control.send(last);
        assert_eq!(client.rest(), (Vec::new(), ending));
        assert_eq!(library.log_of(1).end, Some("Failed"));
        library.connect().get("/other", "").assert_status(200);
    }
}

/// A request that waits for a worker is given up after a time. A response that has begun is not.
#[test]
fn a_stream_waits_for_a_worker_as_long_as_it_takes() {
    let (source, mut control) = told();
    let (source, (open, gate)) = (Mutex::new(Some(source)), channel::<()>());
    let gate = Arc::new(Mutex::new(gate));
    let timeouts = Timeouts::with(|s| s.job = Duration::from_millis(100));
    // One client may use one of two workers.
    let settings = Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
        s.timeouts = timeouts;
    });
    let (began, begun) = channel();
    let library = Library::with(settings, move |request: &Request<'_>| {
        if request.path() == b"/stream" {
            let source = source.lock().unwrap().take().unwrap();
            return Answer::Now(Response::new(Status::OK).with_body(Body::Stream(Box::new(source))));
        }
        let (gate, began) = (gate.clone(), began.clone());
        let job = move || {
            began.send(()).unwrap();
            let _ = gate.lock().unwrap().recv();
            Response::text(Status::OK, "done").into()
        };
        Answer::Blocking(Lane::Handler.into(), Box::new(job))
    });
    let mut busy = library.connect();
    busy.send(request("GET", "/job", ""));
    begun.recv_timeout(PATIENCE).unwrap();
    let mut client = library.connect();
    client.send(request("GET", "/stream", ""));
    head(&mut client);
    // Came later and is given up, so the stream has waited for longer than that.
    library.connect().get("/job", "").assert_status(503);
    drop(open);
    control.is_asked();
    control.send("here");
    control.end();
    assert_eq!(client.take(14), b"4\r\nhere\r\n0\r\n\r\n");
    client.end();
    assert_eq!(busy.response("GET").text(), "done");
}
