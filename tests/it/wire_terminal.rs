//! The wire view on a terminal, byte for byte: `tests/it/wire_terminal/*.txt`.
//!
//! The bytes and times are made up, so nothing depends on a clock or a socket. `UPDATE=1 cargo test --test it
//! wire_terminal` writes the files anew. Read the difference before you keep it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use barewire::http::Limits;
use barewire::wire::record::event::WireEvent;
use barewire::wire::record::live::LiveConnection;
use barewire::wire::record::recorder::{Record, SocketEvent};
use barewire::wire::{ExplainOptions, RedactOptions, Terminal, ViewFormat, ViewOptions};

/// The events of a connection, each with its time in microseconds.
type Story = Vec<(u64, SocketEvent, Vec<u8>)>;

/// The time of the accept: 00:23:48.212 of a day.
const BEGAN: Duration = Duration::from_millis(1_428_212);

fn received(at: u64, bytes: &str) -> (u64, SocketEvent, Vec<u8>) {
    (at, SocketEvent::Received(bytes.len()), bytes.as_bytes().to_vec())
}

fn sent(at: u64, bytes: &str) -> (u64, SocketEvent, Vec<u8>) {
    (at, SocketEvent::Sent(bytes.len()), bytes.as_bytes().to_vec())
}

fn accepted() -> (u64, SocketEvent, Vec<u8>) {
    let peer = ([127, 0, 0, 1], 50070).into();
    (0, SocketEvent::Accepted { peer }, Vec::new())
}

fn closed(at: u64, reason: &'static str) -> (u64, SocketEvent, Vec<u8>) {
    (at, SocketEvent::Closed { reason }, Vec::new())
}

fn answer(status: &str, more: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nDate: Sat, 21 Nov 2026 00:23:48 GMT\r\nServer: barewire\r\n{more}Content-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn glued() -> Story {
    let requests = "GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /style.css HTTP/1.1\r\nHost: a\r\n\r\nGET /nope HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    vec![
        accepted(),
        received(600, requests),
        sent(900, &answer("200 OK", "ETag: \"81205b55b3\"\r\nAccept-Ranges: bytes\r\n", "Hello from barewire.\n")),
        sent(1_000, &answer("200 OK", "ETag: \"157f42480b\"\r\n", "body { color: black }\n")),
        sent(1_100, &answer("404 Not Found", "Connection: close\r\n", "404 nothing here\n")),
        closed(1_150, "Finished"),
    ]
}

fn split() -> Story {
    let request = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    vec![
        accepted(),
        received(2_200, &request[..8]),
        received(179_900, &request[8..28]),
        received(360_100, &request[28..41]),
        received(540_600, &request[41..]),
        sent(541_000, &answer("200 OK", "", "Hello from barewire.\n")),
        closed(921_300, "Broken"),
    ]
}

fn chunked() -> Story {
    vec![
        accepted(),
        received(
            400,
            "GET /.try/chunked HTTP/1.1\r\nHost: 127.0.0.1:23100\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n",
        ),
        sent(
            600,
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n\r\n",
        ),
        sent(180_000, "7\r\nHello, \r\n"),
        sent(360_000, "19;a=b\r\na body of unknown length \r\n"),
        sent(364_400, "0\r\nX-Checksum: 6f1d\r\n\r\n"),
        (364_600, SocketEvent::Received(0), Vec::new()),
        closed(364_600, "PeerClosed"),
    ]
}

fn secrets() -> Story {
    vec![
        accepted(),
        received(
            1_400,
            "GET /a?token=abcdefgh-123&q=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Basic c3R1ZGVudDp3aXJl\r\n\r\n",
        ),
        sent(
            2_000,
            &answer(
                "200 OK",
                "Set-Cookie: sid=0123456789ab; HttpOnly\r\n",
                "c3R1ZGVudDp3aXJl abcdefgh-123 student:wire 0123456789ab\n",
            ),
        ),
        received(
            3_000,
            "POST /b HTTP/1.1\r\nHost: h\r\nCookie: pin=1234\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 26\r\n\r\npassword=open-sesame-77&b=",
        ),
        sent(4_000, &answer("200 OK", "", "1234 open-sesame-77\n")),
        closed(10_900, "PeerClosed"),
    ]
}

fn broken() -> Story {
    vec![
        accepted(),
        received(600, "GET /hello.txt HTTP/1.1\r\nHost : a\r\nCookie: a=neverkept\r\n\r\n"),
        sent(900, &answer("400 Bad Request", "Connection: close\r\n", "400\n")),
        closed(1_000, "Refused"),
    ]
}

fn hostile() -> Story {
    vec![
        accepted(),
        received(100, "GET /\x1b[2J HTTP/1.1\r\n\r\n"),
        sent(200, "HTTP/1.1 400 Bad\u{9b}31m\r\nX: \u{202e}abc\u{200b}\u{7}\r\n\r\n"),
        closed(300, "Refused"),
    ]
}

fn bodies() -> Story {
    let binary = "\u{1}\u{2}binary, thirty-two  bytes\u{3}\u{4}\u{5}\u{6}";
    vec![
        accepted(),
        received(100, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 21\r\n\r\nfirst é\nse"),
        received(200, "cond 汉\r\n"),
        sent(300, &answer("200 OK", "", binary)),
        closed(400, "PeerClosed"),
    ]
}

/// 100 (Continue) after the head, then the content in two pieces.
fn continued() -> Story {
    vec![
        accepted(),
        received(100, "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 12\r\n\r\n"),
        sent(300, "HTTP/1.1 100 Continue\r\n\r\n"),
        received(90_000, "hello, "),
        received(180_000, "world"),
        sent(181_000, &answer("201 Created", "", "")),
        closed(182_000, "PeerClosed"),
    ]
}

/// A response before the rest of the request, in pieces, one of them from a file; then bytes that are not parsed.
fn early() -> Story {
    let head = answer("413 Content Too Large", "Connection: close\r\n", "far too long");
    let (head, body) = head.split_at(head.len() - 9);
    vec![
        accepted(),
        received(100, "PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"),
        sent(300, head),
        received(400, "ll"),
        sent(500, body),
        received(600, "o\r\nno size\r\nand more"),
        received(700, " of it"),
        closed(800, "ContentUnread"),
    ]
}

/// What a line can say of an exchange.
fn incomplete() -> Story {
    let get = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        accepted(),
        received(100, &(get.repeat(2) + "PUT /b HTTP/1.1\r\nHost: a\r\nContent-")),
        sent(200, &answer("200 OK", "", "x")),
        sent(300, "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        received(400, "Length: 5\r\n\r\nhe"),
        (500, SocketEvent::Received(0), Vec::new()),
        closed(600, "ClosedInContent"),
    ]
}

fn upload() -> Story {
    let form = "--XyZ\r\nContent-Disposition: form-data; name=\"note\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n\
                two\nlines\n\r\n--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nopensesame\r\n--XyZ--\r\n";
    let head = "POST /in/ HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XyZ\r\n";
    vec![
        accepted(),
        received(100, &format!("{head}Content-Length: {}\r\n\r\n{form}", form.len())),
        sent(300, &answer("303 See Other", "Location: /in/\r\n", "")),
        closed(400, "PeerClosed"),
    ]
}

fn show(story: Story, style: ViewOptions) -> String {
    let manner = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let mut live = LiveConnection::new(4, Duration::ZERO, BEGAN, &manner);
    let mut told: Vec<WireEvent> = Vec::new();
    for (micros, event, bytes) in story {
        let record = Record { connection: 4, at: Duration::from_micros(micros), event };
        live.explain(&record, &bytes, &mut told);
    }
    let mut terminal = Terminal::new(style);
    let mut text = String::new();
    told.iter().for_each(|told| terminal.push_event(told, &mut text));
    text
}

const WIDE: ViewOptions = ViewOptions { format: ViewFormat::Head, color: false, ascii: false, columns: usize::MAX };

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/wire_terminal").join(name);
    if std::env::var_os("UPDATE").is_some_and(|v| v == "1") {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{name}\n--- expected\n{expected}--- got\n{text}");
}

#[test]
fn conversations_look_as_the_files_say() {
    golden("glued.txt", &show(glued(), WIDE));
    golden("split.txt", &show(split(), WIDE));
    golden("chunked.txt", &show(chunked(), WIDE));
    golden("secrets.txt", &show(secrets(), WIDE));
    golden("broken.txt", &show(broken(), WIDE));
    golden("bodies-full.txt", &show(bodies(), ViewOptions { format: ViewFormat::Full, ..WIDE }));
    golden("form-full.txt", &show(upload(), ViewOptions { format: ViewFormat::Full, ..WIDE }));
    golden("continued.txt", &show(continued(), WIDE));
    golden("early.txt", &show(early(), WIDE));
    golden("early-line.txt", &show(early(), ViewOptions { format: ViewFormat::Line, ..WIDE }));
    golden("incomplete-line.txt", &show(incomplete(), ViewOptions { format: ViewFormat::Line, ..WIDE }));
    golden("split-72-columns.txt", &show(split(), ViewOptions { columns: 72, ..WIDE }));
    golden("split-ascii.txt", &show(split(), ViewOptions { ascii: true, ..WIDE }));
    golden("glued-line.txt", &show(glued(), ViewOptions { format: ViewFormat::Line, ..WIDE }));
    golden("split-line.txt", &show(split(), ViewOptions { format: ViewFormat::Line, ..WIDE }));
    golden("split.jsonl", &show(split(), ViewOptions { format: ViewFormat::Json, ..WIDE }));
    golden("split-color.ansi", &show(split(), ViewOptions { color: true, ..WIDE }));
}

#[test]
fn cut_marks_stand_at_exactly_the_bytes_at_which_the_calls_began() {
    let text = show(split(), WIDE);
    assert!(text.contains("GET /hel┊2┊lo.txt HTTP/1.1\\r\\n"), "{text}");
    assert!(text.contains("Hos┊3┊t: localhost\\r┊4┊\\n"), "{text}");
    let json = show(split(), ViewOptions { format: ViewFormat::Json, ..WIDE });
    assert!(json.contains("\"cuts\":[8,28,41]"), "{json}");
}

#[test]
fn bytes_that_end_inside_a_request_are_not_called_a_whole_one() {
    let cut_off = vec![accepted(), received(600, "GET / HTTP/1.1\r\nHost: a\r\n"), closed(900, "Broken")];
    let json = show(cut_off, ViewOptions { format: ViewFormat::Json, ..WIDE });
    assert!(
        json.contains("One recv() returned this much, and no more bytes came.")
            && json.contains("no more bytes came\""),
        "{json}"
    );
    assert!(!json.contains("exactly one request") && !json.contains("parsing stops"), "{json}");
}

#[test]
fn three_requests_in_one_call_are_one_line_and_three_exchanges_in_order() {
    let text = show(glued(), WIDE);
    assert_eq!(text.matches("recv() #").count(), 1);
    assert!(text.contains("3 requests together in one recv()"), "{text}");
    let places: Vec<_> =
        ["c4.1 request", "c4.1 response", "c4.2 request", "c4.2 response", "c4.3 request", "c4.3 response"]
            .map(|name| text.find(name).unwrap())
            .into();
    assert!(places.is_sorted(), "{text}");
}

#[test]
fn no_form_of_output_shows_a_secret_or_moves_a_cursor() {
    for format in [ViewFormat::Line, ViewFormat::Head, ViewFormat::Full, ViewFormat::Json] {
        for color in [false, true] {
            let style = ViewOptions { format, color, ..WIDE };
            let text = show(secrets(), style) + &show(broken(), style) + &show(upload(), style);
            for secret in [
                "abcdefgh",
                "c3R1ZGVudDp3aXJl",
                "student:wire",
                "0123456789ab",
                "opensesame",
                "open-sesame",
                "pin=1",
                "neverkept",
            ] {
                assert!(!text.contains(secret), "{format:?}: {secret}\n{text}");
            }
            let hostile = show(hostile(), style);
            let bare = hostile.replace("\x1b[0m", "");
            let ours = bare.split('\x1b').skip(1).all(|rest| {
                rest.starts_with('[')
                    && rest[1..].split('m').next().unwrap().bytes().all(|o| o.is_ascii_digit() || o == b';')
            });
            assert!(ours && (color || !hostile.contains('\x1b')), "{hostile:?}");
            assert!(
                !bare
                    .replace(['\x1b', '\n'], "")
                    .chars()
                    .any(|c| c.is_control() || matches!(c, '\u{202e}' | '\u{200b}')),
                "{bare:?}"
            );
        }
    }
}

#[test]
fn ascii_and_narrow_terminals_get_the_same_meaning() {
    let style = ViewOptions { ascii: true, columns: 72, ..WIDE };
    for story in [glued(), split(), chunked(), secrets(), broken(), hostile(), bodies()] {
        assert!(show(story, style).is_ascii());
    }
    let narrow = show(split(), ViewOptions { columns: 72, ..WIDE });
    assert!(narrow.contains("\n     # request line: give me this  9112 §3\n"), "{narrow}");
    assert!(show(glued(), ViewOptions { color: true, ..WIDE }).contains("\x1b[1;34mGET\x1b[0m"));
}

#[test]
fn no_line_of_ours_is_wider_than_the_terminal() {
    let fields = "Vary: Accept-Encoding\r\nX-Content-Type-Options: nosniff\r\nSec-Fetch-Site: none\r\n";
    let long = || {
        vec![
            accepted(),
            received(1, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            sent(2, &answer("200 OK", fields, "x")),
            received(3, "GET / HTTP/1.1\nHost: a\n\n"),
        ]
    };
    for (columns, ascii) in [(60, false), (72, false), (72, true), (100, false), (100, true), (111, false), (112, true)]
    {
        let style = ViewOptions { columns, ascii, ..WIDE };
        for story in [
            long(),
            glued(),
            split(),
            chunked(),
            secrets(),
            broken(),
            hostile(),
            bodies(),
            upload(),
            continued(),
            early(),
        ] {
            let text = show(story, style);
            let marks =
                ["§", "sec. ", "Fetch ", "W3C ", "recv()", "bytes  ", "closed", " = ", " ! ", " # ", "study view"];
            let ours = text.lines().filter(|line| marks.iter().any(|mark| line.contains(mark)));
            let wide: Vec<&str> = ours.filter(|line| line.chars().count() > columns).collect();
            assert!(wide.is_empty(), "{columns}: {wide:#?}");
        }
    }
}
