//! Conversations: framing, faults, and what is kept of long content.

use super::*;
use crate::http::Limits;

fn options() -> ExplainOptions {
    ExplainOptions::whole(Limits::default())
}

fn response(text: &str, method: Method) -> Annotated {
    annotate(text.as_bytes(), Role::Response, method, &options())
}

#[track_caller]
fn framing(text: &str, method: Method, rule: u8, sentence: &str) {
    let found = response(text, method);
    let message = &found.messages[0];
    let framed = message.framing.unwrap();
    assert_eq!(
        (framed.rule, message.framing_sentence().as_deref(), message.error),
        (rule, Some(sentence), None),
        "{text}"
    );
    assert_eq!((found.unread, message.len()), (0, text.len() as u64));
}

#[test]
fn every_rule_of_framing_is_reported_by_its_number() {
    framing(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        Method::Head,
        1,
        "No body: a response to HEAD has none, whatever its fields say",
    );
    framing(
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        Method::Get,
        1,
        "No body: a response with status 304 has none, whatever its fields say",
    );
    framing(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        Method::Get,
        1,
        "No HTTP from here on: the connection speaks another protocol now",
    );
    framing("HTTP/1.1 200 OK\r\n\r\n", Method::Connect, 2, "No HTTP from here on: the connection is a tunnel now");
    framing(
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        Method::Get,
        3,
        "Body: 1 byte in 1 chunk, because Transfer-Encoding overrides Content-Length",
    );
    framing(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\nT: u\r\n\r\n",
        Method::Get,
        4,
        "Body: 3 bytes in 2 chunks, because Transfer-Encoding: chunked",
    );
    framing(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        Method::Get,
        4,
        "Body: 1 byte in 1 chunk, because Transfer-Encoding: chunked",
    );
    for codings in ["gzip", "identity", "chunked, deflate", "chunked\r\nTransfer-Encoding: deflate"] {
        framing(
            &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {codings}\r\nContent-Length: 1\r\n\r\nabc"),
            Method::Get,
            4,
            "Body: 3 bytes, until the connection closed, because the last Transfer-Encoding is not chunked",
        );
    }
    framing(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        Method::Get,
        6,
        "Body: 3 bytes, because Content-Length: 3",
    );
    framing(
        "HTTP/1.1 200\r\nA:\r\n\r\nabcd",
        Method::Get,
        8,
        "Body: 4 bytes, until the connection closed: nothing else says where it ends",
    );
}

#[test]
fn an_invalid_response_is_blamed_at_its_byte() {
    for (text, at, len, name) in [
        ("HTTP/1.1 200 OK\nA: b\n\n", 15, 1, "BareLf"),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", 18, 1, "SpaceBeforeColon"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 52, 1, "LengthTwice"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3x\r\n\r\n", 33, 2, "LengthInvalid"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 47, 1, "ChunkSize"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 36, 16, "CodingNotFinal"),
        ("HTTP/1.1 20 OK\r\n\r\n", 9, 2, "StatusCode"),
        ("HTTP/2.0 200 OK\r\n\r\n", 0, 8, "VersionUnsupported"),
        ("<html>", 0, 1, "StatusLine"),
        ("HTTP/2 200 \r\nserver: x\r\n\r\n", 0, 6, "MadeUpLine"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 40, 0, "ContentCutOff"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 52, 0, "ChunksCutOff"),
        ("HTTP/1.1 200 OK\r\n", 17, 0, "HeadCutOff"),
    ] {
        let found = response(text, Method::Get);
        let message = found.messages.last().unwrap();
        let broken = message.error.unwrap();
        assert_eq!((broken.at, broken.len, broken.note.note().name), (at, len, name), "{text}");
        assert_eq!(message.end(), at + len, "{text}");
        assert_eq!(message.spans.last().map(|s| s.kind == SpanKind::Bad), Some(len > 0), "{text}");
    }
}

#[test]
fn interim_responses_belong_to_the_exchange_of_the_final_one() {
    let text =
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let found = response(text, Method::Get);
    let told: Vec<_> = found.messages.iter().map(|m| (m.exchange, m.status())).collect();
    assert_eq!(told, [(1, 100), (1, 200), (2, 204)]);
}

#[test]
fn requests_are_read_until_one_is_the_last() {
    let text = "GET /a HTTP/1.1\r\nHost: a\r\n\r\nPUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhiGET";
    let found = annotate(text.as_bytes(), Role::Request, Method::Get, &options());
    let told: Vec<_> = found.messages.iter().map(|m| (m.part(SpanKind::Method), m.target(), m.len())).collect();
    assert_eq!(told, [(&b"GET"[..], &b"/a"[..], 28), (b"PUT", b"/b", 68)]);
    assert_eq!(found.messages[1].framing.unwrap().content, ContentKind::Length(2));
    assert_eq!(found.unread, 3);
}

#[test]
fn a_file_sent_by_the_kernel_has_true_positions() {
    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let mut conversation = Conversation::new(&options);
    let mut out = Vec::new();
    conversation.received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut out);
    conversation.sent(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", &mut out);
    conversation.sent_file(60_000, (&[b'a'; 2048], &[b'b'; 256]), &mut out);
    conversation.sent_file(40_000, (&[b'c'; 2048], &[b'd'; 256]), &mut out);
    let message = &out[1];
    assert_eq!((message.len(), message.bytes.first.len(), message.from_file), (100_043, 43 + 2048, true));
    assert_eq!(message.bytes.last, [b'd'; 256]);
    assert_eq!(message.spans.last().map(|s| (s.start, s.len)), Some((43, 100_000)));
}

#[test]
fn a_long_body_is_counted_and_its_ends_are_kept() {
    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let mut conversation = Conversation::new(&options);
    let mut out = Vec::new();
    conversation.received(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", &mut out);
    for n in 0..20_000u32 {
        conversation.received(format!("8\r\n{n:08}\r\n").as_bytes(), &mut out);
    }
    conversation.received(b"0\r\nX: y\r\n\r\n", &mut out);
    let message = &out[0];
    assert_eq!(message.len(), 55 + 20_000 * 13 + 11);
    assert_eq!(message.spans.iter().map(|s| s.len).sum::<u64>(), message.len());
    assert!(message.spans.len() < 5000 && message.bytes.first.len() + message.bytes.last.len() < 3000);
    assert!(message.bytes.last.ends_with(b"00019999\r\n0\r\nX: y\r\n\r\n"));
    let sentence = message.framing_sentence().unwrap();
    assert_eq!(sentence, "Body: 160,000 bytes in 20,000 chunks, because Transfer-Encoding: chunked");
}

#[test]
fn content_that_did_not_come_is_told_as_promised_arrived_and_missing() {
    let head = "PUT / HTTP/1.1\r\nHost: a\r\n";
    for (request, answer, sentence) in [
        (
            format!("{head}Content-Length: 5000000\r\n\r\nabcdefghijkl"),
            "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n",
            "Body: 12 of 5,000,000 bytes arrived, 4,999,988 bytes missing. The server answered first and did not \
             wait for the rest",
        ),
        (
            format!("{head}Content-Length: 5\r\n\r\nabc"),
            "",
            "Body: 3 of 5 bytes arrived, 2 bytes missing. The connection ended",
        ),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
            "",
            "Body: 3 bytes in 1 chunk arrived, and no last chunk. The connection ended",
        ),
    ] {
        let (mut conversation, mut out) = (Conversation::new(&options()), Vec::new());
        conversation.received(request.as_bytes(), &mut out);
        conversation.sent(answer.as_bytes(), &mut out);
        conversation.client_ended(&mut out);
        let request = out.iter().find(|message| message.role == Role::Request).unwrap();
        assert_eq!(request.framing_sentence().as_deref(), Some(sentence));
    }
    let cut = response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", Method::Get);
    let sentence = "Body: 3 of 5 bytes were sent, 2 bytes missing. The connection ended";
    assert_eq!(cut.messages[0].framing_sentence().as_deref(), Some(sentence));
}
