//! Responses with a script: where they are cut, which bytes they have, how they end, and that they delay no other
//! client.
//!
//! The record says what each `send` took. Times are asserted only as "not before".

use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use barewire::http::{Fields, Status};
use barewire::net::Settings;
use barewire::service::{
    Answer, Body, ByteOffset, Bytes, ChunkedBody, CloseBy, DropToken, Lane, OpenFile, Pause, Piece, RawRequest,
    RawResponse, ReceiveSummary, Response, Sink,
};

use crate::support::PATIENCE;
use crate::support::client::{Ending, request};
use crate::support::library::Library;

const GAP: Duration = Duration::from_millis(30);

fn before(before: ByteOffset) -> Pause {
    Pause { before, time: GAP }
}

fn fields(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    lines.iter().for_each(|(name, value)| fields.push(name, value).unwrap());
    fields
}

/// The content that was sent after the head, one text for each `send`.
fn content(sent: &[Vec<u8>]) -> Vec<String> {
    let mut sent: Vec<String> = sent.iter().map(|bytes| String::from_utf8(bytes.clone()).unwrap()).collect();
    let (head, rest) = sent[0].split_once("\r\n\r\n").map(|(a, b)| (a.to_string(), b.to_string())).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    sent[0] = rest;
    sent.retain(|bytes| !bytes.is_empty());
    sent
}

/// A file with these bytes, which is open and has no name.
fn file(bytes: &[u8]) -> Arc<OpenFile> {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scripted-{}", std::process::id()));
    let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path).unwrap();
    file.write_all(bytes).unwrap();
    std::fs::remove_file(path).unwrap();
    Arc::new(OpenFile::from(file))
}

#[test]
fn every_kind_of_content_is_cut_where_a_pause_stands() {
    let file = file(b"0123456789");
    let pieces = || vec![Piece::Bytes(b"ab".to_vec()), Piece::Range { from: 2, len: 4 }, Piece::Bytes(b"yz".to_vec())];
    type Make = Box<dyn Fn() -> Body + Send + Sync>;
    let bodies: [(&str, Make, &[&str]); 5] = [
        ("Content-Length: 8", Box::new(|| Body::Bytes(Bytes::from("abcdefgh"))), &["abc", "de", "fgh"]),
        (
            "Content-Length: 9",
            Box::new({
                let file = file.clone();
                move || Body::File { file: file.clone(), from: 1, len: 9 }
            }),
            &["[3 of a file]", "[2 of a file]", "[4 of a file]"],
        ),
        (
            "Content-Length: 8",
            Box::new(move || Body::Pieces { file: file.clone(), pieces: pieces() }),
            &["ab", "[1 of a file]", "[2 of a file]", "[1 of a file]", "yz"],
        ),
        (
            "Transfer-Encoding: chunked",
            Box::new(|| {
                Body::Chunks(Box::new(ChunkedBody { data: vec![b"hello".to_vec()], ..ChunkedBody::default() }))
            }),
            &["5\r\n", "he", "llo\r\n", "0\r\n\r\n"],
        ),
        ("Connection: close", Box::new(|| Body::UntilClose(Bytes::from("abcdefgh"))), &["abc", "de", "fgh"]),
    ];
    for (line, body, expected) in bodies {
        let mut library = Library::start(move |_| {
            let pauses = [before(ByteOffset::Content(3)), before(ByteOffset::Content(5))];
            Answer::Now(Response::new(Status::OK).with_body(body()).with_pauses(pauses))
        });
        let mut client = library.connect();
        let began = Instant::now();
        client.send(request("GET", "/", "Connection: close\r\n"));
        let answer = client.rest();
        assert!(began.elapsed() >= 2 * GAP);
        assert_eq!(answer.1, Ending::Fin);
        assert!(String::from_utf8(answer.0).unwrap().contains(line), "{line}");
        drop(client);
        assert_eq!(content(&library.log_of(1).sent), expected, "{line}");
    }
}

#[test]
fn a_pause_may_stand_in_the_head_and_in_front_of_it_and_an_empty_one_cuts_too() {
    let mut library = Library::start(|_| {
        let pauses = [
            before(ByteOffset::Response(0)),
            Pause { before: ByteOffset::Response(8), time: Duration::ZERO },
            before(ByteOffset::Content(0)),
            before(ByteOffset::Content(900)),
        ];
        Answer::Now(Response::text(Status::OK, "body").with_pauses(pauses))
    });
    let mut client = library.connect();
    let began = Instant::now();
    client.send([request("GET", "/", ""), request("GET", "/", "Connection: close\r\n")].concat());
    for _ in 0..2 {
        assert_eq!(client.response("GET").assert_status(200).text(), "body");
    }
    assert!(began.elapsed() >= 4 * GAP, "the second waits for the first");
    client.assert_ended();
    drop(client);
    let sent = &library.log_of(1).sent;
    assert_eq!(sent.len(), 6, "{sent:?}");
    for answer in sent.chunks(3) {
        assert_eq!((&answer[0][..], &answer[2][..]), (&b"HTTP/1.1"[..], &b"body"[..]));
        assert!(answer[1].ends_with(b"\r\n\r\n"));
    }
}

#[test]
fn chunks_have_their_sizes_their_extension_and_their_trailers() {
    let answer = || {
        let chunks = ChunkedBody {
            data: vec![b"hello".to_vec(), Vec::new(), vec![b'x'; 26]],
            extension: "a=b".into(),
            trailers: fields(&[("X-Sum", "31")]),
            gap: GAP,
        };
        let body = Body::Chunks(Box::new(chunks));
        Answer::Now(Response::new(Status::OK).field("Trailer", "X-Sum").with_body(body))
    };
    let mut library = Library::start(move |_| answer());
    let mut client = library.connect();
    let began = Instant::now();
    client.send(request("GET", "/", ""));
    client.take_until(b"\r\n\r\n");
    let x = "x".repeat(26);
    let expected = ["5;a=b\r\nhello\r\n".to_string(), format!("1a;a=b\r\n{x}\r\n"), "0\r\nX-Sum: 31\r\n\r\n".into()];
    assert_eq!(client.take(expected.concat().len()), expected.concat().as_bytes());
    assert!(began.elapsed() >= 2 * GAP);
    client.end();
    assert_eq!(content(&library.log_of(1).sent), expected);
    let mut old = library.connect();
    old.send("GET / HTTP/1.0\r\n\r\n");
    let head = String::from_utf8(old.take_until(b"\r\n\r\n")).unwrap();
    assert!(!head.contains("Transfer-Encoding"), "{head}");
    assert_eq!(old.rest(), (format!("hello{x}").into_bytes(), Ending::Fin));
    drop(old);
    assert_eq!(content(&library.log_of(2).sent), ["hello".to_string(), x]);
    let mut head = library.connect();
    head.send(request("HEAD", "/", ""));
    let bytes = head.take_until(b"\r\n\r\n");
    assert!(String::from_utf8(bytes).unwrap().contains("Transfer-Encoding: chunked"));
    head.end();
}

#[test]
fn content_without_a_length_ends_with_the_connection_and_says_so() {
    let mut library = Library::start(|_| {
        let body = Body::UntilClose(Bytes::from(vec![b'x'; 100_000]));
        Answer::Now(Response::new(Status::OK).with_body(body))
    });
    for version in ["1.1", "1.0"] {
        let mut client = library.connect();
        client.send(format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"));
        let head = String::from_utf8(client.take_until(b"\r\n\r\n")).unwrap();
        assert!(head.contains("Connection: close\r\n"), "{head}");
        assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"), "{head}");
        assert_eq!(client.rest(), (vec![b'x'; 100_000], Ending::Fin));
    }
    let mut client = library.connect();
    client.send(request("HEAD", "/", ""));
    let head = String::from_utf8(client.take_until(b"\r\n\r\n")).unwrap();
    assert!(head.contains("Connection: close\r\n") && !head.contains("Content-Length"), "{head}");
    client.assert_ended();
    drop(client);
    library.log_of(3);
}

#[test]
fn interim_responses_go_before_each_on_its_own_and_none_to_http_1_0() {
    let mut library = Library::start(|_| {
        let response = Response::text(Status::OK, "at last")
            .after_interim(Status::EARLY_HINTS, fields(&[("Link", "</a.css>; rel=preload")]))
            .after_interim(Status::CONTINUE, Fields::new())
            .with_pauses([before(ByteOffset::Response(0)), before(ByteOffset::Content(0))]);
        Answer::Now(response)
    });
    let mut client = library.connect();
    client.send(request("GET", "/", ""));
    let interims = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(String::from_utf8(client.take(interims.len())).unwrap(), interims);
    assert_eq!(client.response("GET").text(), "at last");
    client.end();
    let sent = &library.log_of(1).sent;
    assert_eq!(sent[..2].concat(), interims.as_bytes());
    assert_eq!((sent.len(), &sent[3][..]), (4, &b"at last"[..]), "{sent:?}");
    let mut old = library.connect();
    old.send("GET / HTTP/1.0\r\n\r\n");
    let (bytes, _) = old.rest();
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&bytes));
}

fn verbatim(bytes: &str, pauses: &[Pause], end: CloseBy) -> Answer {
    let bytes = bytes.as_bytes().to_vec();
    Answer::Raw(Box::new(RawResponse {
        status: Status::OK,
        bytes,
        pauses: pauses.to_vec(),
        close: end,
        token: DropToken::default(),
    }))
}

#[test]
fn bytes_as_they_stand_leave_as_they_stand_and_are_never_lost() {
    const BROKEN: &str = "HTTP/1.1 200 OK\nContent-Length : 3\n\nsurely more than 3";
    let mut library = Library::start(|_| {
        verbatim(BROKEN, &[before(ByteOffset::Response(5)), before(ByteOffset::Response(6))], CloseBy::Fin)
    });
    let mut client = library.connect();
    // The server does not read what follows the request. That must not destroy the response.
    let head = request("PUT", "/", "Content-Length: 3000000\r\n");
    let sender = client.socket.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        use std::io::Write;
        let _ = (&sender).write_all(&head).and_then(|()| (&sender).write_all(&vec![b'x'; 900_000]));
        sender.shutdown(std::net::Shutdown::Write)
    });
    assert_eq!(client.rest(), (BROKEN.as_bytes().to_vec(), Ending::Fin));
    let _ = sending.join().unwrap();
    drop(client);
    let log = library.log_of(1);
    assert_eq!(log.sent, [&BROKEN[..5], &BROKEN[5..6], &BROKEN[6..]].map(|part| part.as_bytes().to_vec()));
    assert_eq!(log.end, Some("Scripted"));
}

#[test]
fn an_end_by_reset_comes_after_the_last_byte_and_the_pause_before_it() {
    const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n20 bytes of content.";
    let mut library = Library::start(|_| verbatim(CUT, &[before(ByteOffset::Content(20))], CloseBy::Reset));
    let mut client = library.connect();
    let began = Instant::now();
    client.send([request("GET", "/", ""), request("GET", "/", "")].concat());
    assert_eq!(client.take(CUT.len()), CUT.as_bytes());
    assert_eq!(client.rest(), (Vec::new(), Ending::Reset));
    assert!(began.elapsed() >= GAP);
    let log = library.log_of(1);
    assert_eq!((log.sent.len(), log.end), (1, Some("ScriptedReset")));
}

#[test]
fn pauses_cost_no_worker_and_delay_no_other_client() {
    const HOUR: Duration = Duration::from_secs(3600);
    let library = Library::start(|request| match request.path() {
        b"/slow" => {
            let pauses = (0..20).map(|at| Pause { before: ByteOffset::Content(at), time: HOUR });
            Answer::Now(Response::text(Status::OK, "x".repeat(20)).with_pauses(pauses))
        }
        b"/work" => Answer::Blocking(Lane::Handler.into(), Box::new(|| Response::text(Status::OK, "done").into())),
        _ => Answer::Now(Response::text(Status::OK, "fine")),
    });
    let mut slow: Vec<_> = (0..60).map(|_| library.connect()).collect();
    for client in &mut slow {
        client.send(request("GET", "/slow", ""));
        client.take_until(b"\r\n\r\n");
    }
    for _ in 0..50 {
        let mut client = library.connect();
        assert_eq!(client.get("/work", "").text(), "done");
        assert_eq!(client.get("/file", "").text(), "fine");
        client.end();
    }
    // And short ones, one after the other, on many connections at once.
    drop(slow);
}

#[test]
fn a_thousand_short_pauses_all_end() {
    let library = Library::start(|_| {
        let pauses = (0..50).map(|at| Pause { before: ByteOffset::Content(at), time: Duration::from_millis(1) });
        Answer::Now(Response::text(Status::OK, "x".repeat(50)).with_pauses(pauses))
    });
    let mut clients: Vec<_> = (0..20).map(|_| library.connect()).collect();
    for client in &mut clients {
        client.send(request("GET", "/", ""));
    }
    for mut client in clients {
        assert_eq!(client.response("GET").text(), "x".repeat(50));
        client.end();
    }
}

/// A server that keeps the requests that its service gets.
fn collecting(limit: u64) -> (Library, std::sync::mpsc::Receiver<RawRequest>) {
    let (got, received) = channel();
    let got = Mutex::new(got);
    let library = Library::start(move |_| {
        let got = got.lock().unwrap().clone();
        let then = move |request: RawRequest| {
            got.send(request).unwrap();
            Response::text(Status::OK, "thanks")
        };
        Answer::CollectRaw { limit, then: Box::new(then) }
    });
    (library, received)
}

#[test]
fn a_request_is_collected_as_it_came() {
    let (mut library, received) = collecting(1000);
    let chunked = "5;a=\"b\"\r\nhello\r\n0003\r\nyou\r\n0\r\nX-Sum: 31\r\n\r\n";
    let mut total = 0;
    let mut client = library.connect();
    for (lines, framed, content) in [
        ("", "", ""),
        ("Content-Length: 8\r\n", "helloyou", "helloyou"),
        ("Content-Length: 0\r\n", "", ""),
        ("Transfer-Encoding: chunked\r\n", chunked, "helloyou"),
    ] {
        let head = String::from_utf8(request("POST", "/a?b", &format!("x-Case:  Kept \r\n{lines}"))).unwrap();
        // Together with the next request, and in pieces of three bytes, each received alone.
        for piece in [usize::MAX, 3] {
            let whole = format!("{head}{framed}");
            for part in whole.as_bytes().chunks(piece.min(whole.len())) {
                client.send(part);
                total += part.len();
                library.has_received(1, total);
            }
            let got = received.recv_timeout(PATIENCE).unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            assert_eq!(
                (text(got.head), text(got.framed), text(got.content)),
                (head.clone(), framed.into(), content.into())
            );
            assert_eq!(client.response("POST").text(), "thanks");
        }
    }
    let two = [request("POST", "/1", "Content-Length: 2\r\n"), b"ab".to_vec(), request("GET", "/2", "")].concat();
    client.send(two);
    for framed in [&b"ab"[..], b""] {
        assert_eq!(received.recv_timeout(PATIENCE).unwrap().framed, framed, "none of it is the next request's");
        assert_eq!(client.response("POST").text(), "thanks");
    }
    client.end();
}

#[test]
fn more_than_the_limit_is_413_and_framing_counts() {
    for (framed, status) in [
        ("Content-Length: 20\r\n\r\n01234567890123456789", 200),
        ("Content-Length: 21\r\n\r\n012345678901234567890", 413),
        ("Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n", 413),
        ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: 123456789012\r\n\r\n", 413),
    ] {
        let (library, _received) = collecting(20);
        let mut client = library.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framed}"));
        client.response("POST").assert_status(status);
    }
}

struct Measured(Sender<ReceiveSummary>);

impl Sink for Measured {
    fn write(&mut self, _: &[u8]) -> Result<(), Response> {
        Ok(())
    }

    fn measured(&mut self, meter: &ReceiveSummary) {
        self.0.send(*meter).unwrap();
    }

    fn finish(self: Box<Self>) -> Response {
        Response::text(Status::OK, "thanks")
    }
}

#[test]
fn a_sink_is_told_how_its_content_came() {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let mut library = Library::start(move |_| {
        let sink = Measured(tell.lock().unwrap().clone());
        Answer::Receive { limit: 1 << 30, device: 0, open: Box::new(move || Ok(Box::new(sink))) }
    });
    let mut client = library.connect();
    let mut total = 0;
    for (lines, pieces, calls, smallest, largest) in [
        // The first piece comes with the head.
        ("Content-Length: 10", &["abc", "de", "fghij"][..], 3, 2, 5),
        ("Content-Length: 10", &["", "abc", "defghij"], 2, 3, 7),
        ("Content-Length: 0", &[""], 0, 0, 0),
        ("Transfer-Encoding: chunked", &["5\r\nhe", "llo\r\n0", "\r\n\r\n"], 3, 4, 6),
        // The next request comes with the end, and is not a part of it.
        ("Content-Length: 4", &["ab", "cdGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"], 2, 2, 2),
    ] {
        let mut bytes = request("PUT", "/", &format!("{lines}\r\n"));
        for piece in pieces {
            bytes.extend_from_slice(piece.as_bytes());
            client.send(&bytes);
            total += bytes.len();
            library.has_received(1, total);
            bytes.clear();
        }
        let meter = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!((meter.calls, meter.smallest, meter.largest), (calls, smallest, largest), "{lines} {pieces:?}");
        assert_eq!(client.response("PUT").text(), "thanks");
    }
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), ReceiveSummary::default());
    assert_eq!(client.response("GET").text(), "thanks");
    client.end();
}

#[test]
fn without_sendfile_a_file_goes_through_memory_in_pieces_and_each_is_seen() {
    let bytes = crate::support::folder::pattern(7, 900_000);
    let (file, expected) = (file(&bytes), bytes.clone());
    let settings = Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
        s.sendfile = false;
    });
    let mut library = Library::with(settings, move |request| {
        // The last response promises one byte more than the file has.
        let len = if request.path() == b"/short" { 900_001 } else { 900_000 };
        Answer::Now(Response::new(Status::OK).with_body(Body::File { file: file.clone(), from: 0, len }))
    });
    let mut client = library.connect();
    client.send([request("GET", "/", ""), request("GET", "/short", "")].concat());
    client.take_until(b"\r\n\r\n");
    assert!(client.take(bytes.len()) == bytes);
    client.take_until(b"\r\n\r\n");
    let (rest, ending) = client.rest();
    assert!(rest == bytes && ending == Ending::Fin);
    drop(client);
    let log = library.log_of(1);
    assert_eq!(log.end, Some("FileShrank"));
    assert!(log.sent.iter().all(|send| send.len() <= 64 * 1024));
    assert!(log.sent.concat().ends_with(&expected), "the record has the bytes themselves");
}
