//! Every way in which a connection can end: provoked over real sockets, recorded with its reason, and shown in the wire
//! view with the side that ended it. Every reason of [`CloseReason::ALL`] is provoked.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::Shutdown;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use barewire::http::{Request, Status};
use barewire::net::{CloseReason, Settings, Timeouts};
use barewire::service::access::proxies::{ClientSource, TrustedProxies};
use barewire::service::{
    Answer, Body, ByteOffset, Bytes, CloseBy, DropToken, OpenFile, Pause, RawResponse, Response, Source,
};
use barewire::wire::record::event::EventKind;

use crate::support::client::{Client, raw, request};
use crate::support::folder::Folder;
use crate::support::library::Library;
use crate::support::server::Server;

/// A short time, for timeouts that a test lets run out.
const MOMENT: Duration = Duration::from_millis(150);

/// A source that waits until the test ends, or panics.
struct Silent(bool, Arc<Mutex<()>>);

impl Source for Silent {
    fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        assert!(!self.0, "a source that panics, on purpose");
        drop(self.1.lock());
        Ok(None)
    }
}

fn verbatim(end: CloseBy) -> Answer {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort".to_vec();
    Answer::Raw(Box::new(RawResponse {
        status: Status::OK,
        bytes,
        pauses: Vec::new(),
        close: end,
        token: DropToken::default(),
    }))
}

fn answer(request: &Request<'_>, silence: &Arc<Mutex<()>>) -> Answer {
    let ok = Response::text(Status::OK, "fine");
    let stream = |panics| {
        let source = Silent(panics, silence.clone());
        Answer::Now(Response::new(Status::OK).with_body(Body::Stream(Box::new(source))))
    };
    Answer::Now(match request.path() {
        b"/collect" => {
            return Answer::Collect { limit: 1 << 20, then: Box::new(|_| Response::new(Status::NO_CONTENT)) };
        }
        b"/silent" => return stream(false),
        b"/panics" => return stream(true),
        b"/fin" => return verbatim(CloseBy::Fin),
        b"/reset" => return verbatim(CloseBy::Reset),
        b"/paced" => ok.with_pauses([Pause { before: ByteOffset::Content(0), time: Duration::from_secs(3600) }]),
        b"/last" => ok.closing(),
        b"/delimited" => ok.with_body(Body::UntilClose(Bytes::from("until the end"))),
        b"/large" => ok.with_body(Body::Bytes(Bytes::from(vec![b'x'; 32 << 20]))),
        b"/shrunk" => {
            let file = Arc::new(OpenFile::from(File::open("/dev/null").unwrap()));
            ok.with_body(Body::File { file, from: 0, len: 100_000 })
        }
        _ => ok,
    })
}

/// Provokes an end. The returned clients stay open until the server has ended the connection.
type Act = fn(&Library) -> Vec<Client>;

struct Case {
    name: &'static str,
    side: &'static str,
    settings: fn(Settings) -> Settings,
    act: Act,
    /// What the wire view says besides.
    says: &'static str,
}

fn case(name: &'static str, side: &'static str, act: Act) -> Case {
    Case { name, side, settings: |settings| settings, act, says: "" }
}

fn sent(library: &Library, bytes: impl AsRef<[u8]>) -> Client {
    let mut client = library.connect();
    client.send(bytes);
    client
}

fn asked(library: &Library, target: &str) -> Client {
    sent(library, request("GET", target, ""))
}

fn read_head(mut client: Client) -> Client {
    client.take_until(b"\r\n\r\n");
    client
}

fn reset(client: Client) {
    rustix::net::sockopt::set_socket_linger(&client.socket, Some(Duration::ZERO)).unwrap();
}

fn half_closed(client: Client) -> Vec<Client> {
    client.socket.shutdown(Shutdown::Write).unwrap();
    vec![client]
}

/// Waits until bytes have come, and does not read them.
fn arrived(client: &Client) {
    assert!(client.socket.peek(&mut [0]).is_ok_and(|count| count == 1));
}

fn timed(mut settings: Settings) -> Settings {
    let timeouts = Timeouts::with(|s| {
        s.head = MOMENT;
        s.idle = MOMENT;
        s.grace = MOMENT;
    });
    settings.timeouts = timeouts;
    settings
}

fn by_the_client() -> Vec<Case> {
    vec![
        case("PeerClosed", "client", |library| {
            library.connect().get("/", "");
            vec![]
        }),
        case("NeverSpoke", "client", |library| {
            library.connect();
            vec![]
        }),
        case("ClosedInHead", "client", |library| half_closed(sent(library, "GET / HTTP/1.1\r\nHo"))),
        Case {
            says: "in the middle of a body  (95 bytes missing)",
            ..case("ClosedInContent", "client", |library| {
                let head = request("POST", "/collect", "Content-Length: 100\r\n");
                half_closed(sent(library, [head, b"hello".to_vec()].concat()))
            })
        },
        case("LeftEarly", "client", |library| {
            read_head(asked(library, "/silent"));
            vec![]
        }),
        case("Broken", "client", |library| {
            let client = sent(library, "GET / HTTP/1.1\r\nHo");
            reset(client);
            vec![]
        }),
        case("ResetUnread", "client", |library| {
            // The client's kernel sends a reset, since it has unread bytes.
            arrived(&asked(library, "/"));
            vec![]
        }),
    ]
}

fn by_the_server() -> Vec<Case> {
    vec![
        case("Finished", "server", |library| vec![sent(library, request("GET", "/", "Connection: close\r\n"))]),
        case("Http10", "server", |library| vec![sent(library, "GET / HTTP/1.0\r\n\r\n")]),
        case("Delimited", "server", |library| half_closed(asked(library, "/delimited"))),
        case("Chosen", "server", |library| half_closed(read_head(asked(library, "/last")))),
        case("Refused", "server", |library| half_closed(sent(library, "GET  / HTTP/1.1\r\n\r\n"))),
        case("ProxyHeaderUnexpected", "server", |library| {
            half_closed(sent(library, "PROXY TCP4 192.0.2.7 10.0.0.1 50123 80\r\n"))
        }),
        Case {
            settings: |mut settings| {
                let networks = vec!["127.0.0.1".parse::<std::net::IpAddr>().unwrap().into()];
                let proxies = Some(TrustedProxies::new(networks, ClientSource::ProxyHeader));
                settings.proxies = proxies;
                settings
            },
            ..case("ProxyHeaderMissing", "server", |library| half_closed(sent(library, request("GET", "/", ""))))
        },
        case("TlsHandshake", "server", |library| {
            half_closed(sent(library, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
        }),
        Case {
            says: "= Body: 0 of 900,000 bytes arrived, 900,000 bytes missing. The server answered first",
            ..case("ContentUnread", "server", |library| {
                half_closed(read_head(sent(library, request("POST", "/", "Content-Length: 900000\r\n"))))
            })
        },
        case("StillSending", "server", |library| {
            vec![read_head(sent(library, request("POST", "/", "Content-Length: 900000\r\n")))]
        }),
        case("FileShrank", "server", |library| vec![asked(library, "/shrunk")]),
        case("Scripted", "server", |library| half_closed(asked(library, "/fin"))),
        case("ScriptedReset", "server", |library| vec![asked(library, "/reset")]),
        case("Failed", "server", |library| vec![asked(library, "/panics")]),
        case("TimedOutLingering", "server", |library| {
            vec![sent(library, [request("GET", "/", "Connection: close\r\n"), b"more".to_vec()].concat())]
        }),
        Case { settings: timed, ..case("TimedOutIdle", "server", |library| vec![read_head(asked(library, "/"))]) },
        Case {
            settings: timed,
            says: "the head did not arrive within the time limit",
            ..case("TimedOutHead", "server", |library| vec![sent(library, "GET / HTTP/1.1\r\nHo")])
        },
        Case {
            settings: |mut settings| {
                settings.max_connections = 1;
                settings
            },
            ..case("MadeRoom", "server", |library| {
                let idle = read_head(asked(library, "/"));
                library.connect().get("/", "");
                vec![idle]
            })
        },
        case("Draining", "server", |library| {
            let idle = read_head(asked(library, "/"));
            library.stopper.stop();
            vec![idle]
        }),
        Case {
            settings: timed,
            ..case("CutOff", "server", |library| {
                let paced = read_head(asked(library, "/paced"));
                library.stopper.stop();
                vec![paced]
            })
        },
    ]
}

fn provoke(case: &Case) {
    let silence = Arc::new(Mutex::new(()));
    let held = silence.lock().unwrap();
    let theirs = silence.clone();
    let settings = (case.settings)(Settings::with(|s| {
        s.loops = 1;
        s.workers = 4;
    }));
    let mut library = Library::with(settings, move |request| answer(request, &theirs));
    let clients = (case.act)(&library);
    assert_told(&mut library, 1, case.name, case.side, case.says);
    drop(clients);
    drop(held);
}

#[track_caller]
fn assert_told(library: &mut Library, number: usize, name: &str, side: &str, says: &str) {
    let log = library.log_of(number);
    assert_eq!(log.end, Some(name), "{}", log.view());
    let closed = log.events.iter().filter_map(|told| match &told.kind {
        EventKind::Closed { side, note, .. } => Some((side.name(), note.note().short)),
        _ => None,
    });
    let closed: Vec<_> = closed.collect();
    assert_eq!((closed.len(), closed[0].0), (1, side), "{name}");
    let view = log.view();
    assert!(view.contains(&format!("closed by the {side}: {}", closed[0].1)) && view.contains(says), "{name}\n{view}");
}

/// At once: a reader and a sender that do nothing, and a third client where two are allowed.
#[test]
fn a_rate_that_is_not_kept_and_a_connection_too_many_are_told() {
    let silence = Arc::default();
    let second = Duration::from_secs(1);
    let timeouts = Timeouts::with(|s| {
        s.window = second;
        s.send = second;
    });
    let settings = Settings::with(|s| {
        s.loops = 1;
        s.workers = 4;
        s.max_connections = 2;
        s.timeouts = timeouts;
    });
    let mut library = Library::with(settings, move |request| answer(request, &silence));
    let head = request("POST", "/collect", "Content-Length: 100\r\n");
    let sender = sent(&library, [head, b"hello".to_vec()].concat());
    library.has_received(1, 1);
    let mut reader = Client::narrow_to(library.address);
    reader.send(request("GET", "/large", ""));
    library.has_received(2, 1);
    library.connect().response("GET").assert_status(503);
    assert_told(&mut library, 3, "Shed", "server", "");
    assert_told(&mut library, 1, "TimedOutContent", "server", "95 bytes missing");
    assert_told(&mut library, 2, "TimedOutSending", "server", "");
    drop((sender, reader));
}

#[test]
fn every_end_has_its_name_its_sentence_and_the_side_that_ended_it() {
    let cases: Vec<Case> = by_the_client().into_iter().chain(by_the_server()).collect();
    let seen: BTreeSet<&str> =
        cases.iter().map(|case| case.name).chain(["Shed", "TimedOutContent", "TimedOutSending"]).collect();
    assert_eq!(seen, CloseReason::ALL.iter().map(|ended| ended.name()).collect(), "a reason that no case provokes");
    std::thread::scope(|scope| {
        for case in &cases {
            scope.spawn(|| provoke(case));
        }
    });
}

/// The sentence in the log has the numbers of this connection.
#[test]
fn the_log_says_how_much_of_a_body_was_missing() {
    let folder = Folder::new();
    let server = Server::start(&folder, &["--upload", "--log", "short"]);
    let head = request("PUT", "/a.txt", "Content-Length: 100\r\n");
    raw(&server, [head, b"hello".to_vec()].concat(), "PUT").assert_status(400);
    let line = server.log().line("PUT /a.txt");
    assert!(line.contains(&*CloseReason::ClosedInContent(Some(95)).sentence()), "{line}");
}
