//! Every fault of the table, provoked over a socket: its status, its rule and its octet in the
//! answer, and an end that destroys nothing.
//!
//! The subtle thing: `▸` in a request marks the octet to blame and is taken out before sending. The
//! positions here are written by hand; comparing with what the parser says would prove nothing.

use barewire::http::{Fault, Limits};

use crate::client::{Client, request};
use crate::response::Response;
use crate::server::{Folder, Server};

/// How a fault can be brought about.
enum Provocation {
    /// These octets; `true`: our side is ended after them.
    Sent(String, bool),
    /// Not by this server: it answers before it reads that far. These octets meet another status.
    Answered(String, u16),
}

fn lines(lines: &str) -> Provocation {
    Provocation::Sent(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n"), false)
}

fn line(line: &str) -> Provocation {
    Provocation::Sent(format!("{line}\r\nHost: localhost\r\n\r\n"), false)
}

fn chunked(content: &str) -> Provocation {
    let head = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
    Provocation::Answered(format!("{head}{content}"), 405)
}

fn provoke(fault: Fault) -> Provocation {
    let limits = Limits::default();
    let sent = |text: &str| Provocation::Sent(text.to_string(), false);
    let head_of = |len: usize| {
        let start = "GET / HTTP/1.1\r\nHost: localhost\r\nX: ";
        Provocation::Sent(format!("{start}{}▸yyyy", "x".repeat(len - start.len())), false)
    };
    match fault {
        Fault::BareLf => lines("A: b▸\nC: d"),
        Fault::BareCr => line("GET /a▸\rb HTTP/1.1"),
        Fault::EmptyLines => sent("\r\n▸\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        Fault::TlsHandshake => sent("▸\x16\x03\x01\x02\x00\x01\x00\x01\u{7c}\x03\x03"),
        Fault::RequestLine => line("GET ▸ / HTTP/1.1"),
        Fault::MethodName => line("G▸(T / HTTP/1.1"),
        Fault::NoVersion => line("GET /▸"),
        Fault::VersionSyntax => line("GET / ▸http/1.1"),
        Fault::VersionUnsupported => line("GET / ▸HTTP/2.0"),
        Fault::TargetTooLong => line(&format!("GET /{}▸a HTTP/1.1", "a".repeat(limits.target - 1))),
        Fault::TargetOctet => line("GET /a▸#b HTTP/1.1"),
        Fault::TargetForm => line("GET ▸* HTTP/1.1"),
        Fault::TargetScheme => line("GET ▸https://localhost/ HTTP/1.1"),
        Fault::TargetUserinfo => line("GET http://▸me@localhost/ HTTP/1.1"),
        Fault::TargetHost => line("GET http://▸a:b/ HTTP/1.1"),
        Fault::PercentEncoding => line("GET /a▸%zz HTTP/1.1"),
        Fault::EncodedNul => line("GET /a▸%00 HTTP/1.1"),
        Fault::EncodedSlash => line("GET /a▸%2Fb HTTP/1.1"),
        Fault::DotSegment => line("GET /a/▸../x HTTP/1.1"),
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
        Fault::ChunkSize => chunked("xyz\r\n"),
        Fault::ChunkTooLarge => chunked("fffffffffffffffff\r\n"),
        Fault::ChunkExtension => chunked("1;\x01\r\nx\r\n0\r\n\r\n"),
        Fault::ChunkLineTooLong => chunked(&format!("1;{}\r\n", "a".repeat(limits.chunk_line))),
        Fault::ChunkEnd => chunked("1\r\nxy\r\n"),
        Fault::TrailerTooLarge => chunked(&format!("0\r\nA: {}\r\n\r\n", "b".repeat(limits.trailer))),
        Fault::TruncatedHead => Provocation::Sent("GET / HTTP/1.1\r\nHost: loc▸".to_string(), true),
        Fault::TruncatedContent => {
            Provocation::Answered("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc".to_string(), 405)
        }
        // The clocks have a module of their own; here only that waiting for content is not how a
        // refused upload begins.
        Fault::SlowHead | Fault::SlowContent => Provocation::Answered(
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999\r\n\r\n".to_string(),
            405,
        ),
    }
}

/// The octets to send, and the place of the mark in them.
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
fn every_fault_names_its_rule_and_its_octet_and_ends_cleanly() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let mut server = Server::start(&folder, &[]);
    for &fault in Fault::ALL {
        let mut client = Client::connect(&server);
        match provoke(fault) {
            Provocation::Sent(text, ended) => {
                let (octets, at) = unmark(&text);
                client.send(octets);
                if ended {
                    client.half_close();
                }
                let answer = client.response("GET");
                assert_names_the_rule(&answer, fault, at.expect("a mark"));
            }
            Provocation::Answered(text, status) => {
                client.send(text);
                client.half_close();
                let answer = client.response("POST");
                answer.assert_status(status);
            }
        }
        client.end();
        assert_eq!(crate::client::get(&server, "/a.txt", "").text(), "fine", "after {fault:?}");
    }
    server.assert_alive();
}

#[test]
fn a_refusal_is_whole_though_the_client_goes_on_sending() {
    let folder = Folder::with(&[("a.txt", "fine")]);
    let server = Server::start(&folder, &[]);
    for &fault in Fault::ALL {
        let Provocation::Sent(text, false) = provoke(fault) else { continue };
        let (octets, at) = unmark(&text);
        let mut client = Client::connect(&server);
        client.send(octets);
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
    let server = Server::start(&folder, &[]);
    for &fault in Fault::ALL {
        let Provocation::Sent(text, false) = provoke(fault) else { continue };
        let mut client = Client::connect(&server);
        let mut octets = unmark(&text).0;
        octets.extend(request("GET", "/a.txt", ""));
        client.send(octets);
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
