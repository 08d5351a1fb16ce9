//! Every fault of the table, provoked over a socket: the response names its status, its rule and its byte, and the end
//! destroys nothing.
//!
//! `▸` in a request marks the byte that is wrong, and is taken out before the request is sent. The positions are
//! written by hand: comparing with what the parser says would prove nothing.

use std::time::Duration;

use Provocation::{Ended, Sent, Silence};
use barewire::http::{Fault, Limits};
use barewire::net::Timeouts;

use crate::support::client::{Client, request};
use crate::support::folder::{Folder, names};
use crate::support::library::Library;
use crate::support::response::Response;
use crate::support::server::Server;

/// How a fault is brought about.
enum Provocation {
    /// These bytes.
    Sent(String),
    /// These bytes and the end of our side.
    Ended(String),
    /// These bytes and silence.
    Silence(String),
}

fn lines(lines: &str) -> Provocation {
    Sent(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n"))
}

fn line(line: &str) -> Provocation {
    Sent(format!("{line}\r\nHost: localhost\r\n\r\n"))
}

fn upload(fields: &str, content: &str) -> String {
    format!("PUT /up HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n{content}")
}

fn chunked(content: &str) -> Provocation {
    Sent(upload("Transfer-Encoding: chunked", content))
}

fn provoke(fault: Fault) -> Provocation {
    let limits = Limits::default();
    let sent = |text: &str| Sent(text.to_string());
    let head_of = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: localhost\r\nX: ";
        Sent(format!("{start}{}▸yyyy", "x".repeat(len - start.len())))
    };
    match fault {
        Fault::BareLf => lines("A: b▸\nC: d"),
        Fault::BareCr => line("GET /a▸\rb HTTP/1.1"),
        Fault::EmptyLines => sent("\r\n▸\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Fault::TlsHandshake => sent("▸\x16\x03\x01\x02\x00\x01\x00\x01\u{7c}\x03\x03"),
        Fault::RequestLine => line("GET ▸ / HTTP/1.1"),
        Fault::MethodName => line("G▸(T / HTTP/1.1"),
        Fault::MethodTooLong => Sent(format!("▸{}", "M".repeat(limits.head))),
        Fault::NoVersion => line("GET /▸"),
        Fault::VersionSyntax => line("GET / ▸http/1.1"),
        Fault::VersionUnsupported => line("GET / ▸HTTP/2.0"),
        Fault::Http2Preface => sent("▸PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        Fault::TargetTooLong => line(&format!("GET /{}▸a HTTP/1.1", "a".repeat(limits.target - 1))),
        Fault::TargetByte => line("GET /a▸#b HTTP/1.1"),
        Fault::TargetForm => line("GET ▸* HTTP/1.1"),
        Fault::TargetScheme => line("GET ▸https://localhost/ HTTP/1.1"),
        Fault::TargetUserinfo => line("GET http://▸me@localhost/ HTTP/1.1"),
        Fault::TargetHost => line("GET http://▸a:b/ HTTP/1.1"),
        Fault::PercentEncoding => line("GET /a▸%zz HTTP/1.1"),
        Fault::EncodedNul => line("GET /a▸%00 HTTP/1.1"),
        Fault::EncodedSlash => line("GET /a▸%2Fb HTTP/1.1"),
        Fault::AboveRoot => line("GET /a/../▸../x HTTP/1.1"),
        Fault::HeadTooLarge => head_of(limits.head),
        Fault::TooManyFields => lines(&format!("{}▸Z: 1", "A: b\r\n".repeat(Limits::FIELD_LINES - 1))),
        Fault::ObsFold => lines("A: b\r\n▸ folded"),
        Fault::SpaceBeforeColon => lines("A▸ : b"),
        Fault::NoColon => lines("▸Abc"),
        Fault::FieldName => lines("A▸(: b"),
        Fault::FieldValue => lines("A: b▸\x01c"),
        Fault::HostMissing => sent("GET / HTTP/1.1\r\nA: b\r\n▸\r\n"),
        Fault::HostTwice => lines("Host: ▸localhost"),
        Fault::HostInvalid => sent("GET / HTTP/1.1\r\nHost: ▸a b\r\n\r\n"),
        Fault::LengthAndCoding => lines("Transfer-Encoding: chunked\r\nContent-Length: ▸5"),
        Fault::LengthInvalid => lines("Content-Length: ▸+5"),
        Fault::LengthTwice => lines("Content-Length: 5\r\nContent-Length: ▸5"),
        Fault::CodingUnknown => lines("Transfer-Encoding: ▸gzip"),
        Fault::CodingNotFinal => lines("Transfer-Encoding: ▸chunked, gzip"),
        Fault::CodingInHttp10 => sent("POST / HTTP/1.0\r\nTransfer-Encoding: ▸chunked\r\n\r\n"),
        Fault::ChunkSize => chunked("3\r\nabc\r\n▸xyz\r\n"),
        Fault::ChunkTooLarge => chunked("▸fffffffffffffffff\r\n"),
        Fault::ChunkExtension => chunked("1;▸\x01\r\nx\r\n0\r\n\r\n"),
        Fault::ChunkLineTooLong => chunked(&format!("1;{}▸aaaa\r\n", "a".repeat(limits.chunk_line - 2))),
        Fault::ChunkEnd => chunked("1\r\nx▸y\r\n"),
        Fault::TrailerTooLarge => chunked(&format!("0\r\nA: {}▸bbbb\r\n\r\n", "b".repeat(limits.trailer - 3))),
        Fault::TruncatedHead => Ended("GET / HTTP/1.1\r\nHost: loc▸".to_string()),
        Fault::TruncatedContent => Ended(upload("Content-Length: 9", "abc▸")),
        Fault::SlowHead => Silence("GET / HTTP/1.1\r\nHost: loc▸".to_string()),
        Fault::SlowContent => Silence(upload("Content-Length: 9", "abc▸")),
        fault => panic!("{fault:?} has no request that provokes it"),
    }
}

/// The bytes to send, and the place of the mark in them.
fn unmark(text: &str) -> (Vec<u8>, Option<usize>) {
    (text.replace('▸', "").into_bytes(), text.find('▸'))
}

#[track_caller]
fn assert_names_the_rule(answer: &Response, fault: Fault, at: usize) {
    let text = answer.assert_status(fault.status().code()).text();
    for part in [format!("byte {at}"), fault.sentence().to_string(), fault.section().to_string()] {
        assert!(text.contains(&part), "{fault:?}: {part:?} is not in {text:?}");
    }
    assert!(answer.lists("connection", "close"), "{fault:?}: {answer:?}");
}

#[test]
fn every_fault_names_its_rule_and_its_byte_and_ends_cleanly() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &["--write"]);
    let soon = Duration::from_millis(200);
    let impatient = Library::files(
        &folder,
        Timeouts::with(|s| {
            s.head = soon;
            s.window = soon;
        }),
    );
    for &fault in Fault::ALL {
        let provocation = provoke(fault);
        let address = if matches!(provocation, Silence(_)) { impatient.address } else { server.address };
        let mut client = Client::to(address);
        let (Sent(text) | Ended(text) | Silence(text)) = &provocation;
        let (bytes, at) = unmark(text);
        client.send(bytes);
        if matches!(provocation, Ended(_)) {
            client.half_close();
        }
        assert_names_the_rule(&client.response("GET"), fault, at.expect("a mark"));
        client.end();
        assert_eq!(crate::support::client::get(&server, "/a.txt", "").text(), "fine", "after {fault:?}");
    }
    assert_eq!(names(folder.path()), ["a.txt"], "a broken upload leaves nothing");
    server.assert_alive();
}

#[test]
fn a_refusal_is_whole_though_the_client_goes_on_sending() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &["--write"]);
    for &fault in Fault::ALL {
        let Sent(text) = provoke(fault) else { continue };
        let (bytes, at) = unmark(&text);
        let mut client = Client::connect(&server);
        client.send(bytes);
        let more = vec![b'z'; 16 * 1024];
        for _ in 0..32 {
            client.send(&more);
        }
        client.half_close();
        assert_names_the_rule(&client.response("GET"), fault, at.expect("a mark"));
        client.assert_ended();
    }
}

#[test]
fn nothing_after_a_refused_request_is_taken_for_a_request() {
    let folder = Folder::with(&[("a.txt", "smuggled")]);
    let server = Server::start(&folder, &["--write"]);
    for &fault in Fault::ALL {
        let Sent(text) = provoke(fault) else { continue };
        let mut client = Client::connect(&server);
        let mut bytes = unmark(&text).0;
        bytes.extend(request("GET", "/a.txt", ""));
        client.send(bytes);
        client.half_close();
        let answer = client.response("GET");
        assert!(answer.status >= 400 && !answer.text().contains("smuggled"), "{fault:?}: {answer:?}");
        client.assert_ended();
    }
}

#[test]
fn a_fault_in_html_reflects_nothing_of_the_request() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &[]);
    let html = "Accept: text/html\r\n";
    for (target, fields, status) in [
        ("/<script>alert(1)</script>", html.to_string(), 404),
        ("/<script>alert(1)</script>", format!("{html}A<script>alert(1): b\r\n"), 400),
        ("/a.txt?<script>alert(1)", format!("{html}Host: <script>alert(1)\r\n"), 400),
    ] {
        let mut client = Client::connect(&server);
        client.send(request("GET", target, &fields));
        let answer = client.response("GET");
        assert!(answer.assert_status(status).must("content-type").starts_with("text/html"), "{answer:?}");
        assert!(answer.must("content-security-policy").contains("default-src 'none'"), "{answer:?}");
        assert!(!answer.text().contains("<script"), "{answer:?}");
        client.end();
    }
}

#[test]
fn a_refused_head_request_is_answered_without_content() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    client.send("HEAD / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n");
    client.response("HEAD").assert_status(400);
    client.end();
}
