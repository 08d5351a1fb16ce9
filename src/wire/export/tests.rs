//! Command lines, checked by what a shell and curl make of them; plans, checked by their pieces.

use std::process::Command;

use crate::wire::export::*;
use crate::wire::record::exchange::{Exchange, ExchangeId};
use crate::wire::testing::{TestCall, history};

fn main_address() -> SocketAddr {
    ([127, 0, 0, 1], 8080).into()
}

/// The result of `make` for a request that came in these pieces.
fn line(pieces: &[&[u8]], make: fn(&TimedMessage, SocketAddr) -> Result<String, String>) -> Result<String, String> {
    let calls: Vec<_> = pieces.iter().enumerate().map(|(n, piece)| (n as u64 * 200, true, *piece)).collect();
    let history = history(&calls, true);
    let exchange = Exchange::find(&history, ExchangeId { connection: 1, exchange: 1 }).unwrap();
    make(exchange.request().unwrap(), main_address())
}

#[track_caller]
fn check_curl(request: &str, expected: &str) {
    assert_eq!(line(&[request.as_bytes()], curl).as_deref(), Ok(expected), "{request}");
}

const PLAIN: &str = "Host: localhost:8080\r\nUser-Agent: curl/8\r\nAccept: */*\r\n";

#[test]
fn curl_gets_the_options_it_needs_to_send_the_same_request_and_no_others() {
    let agent = "-H 'User-Agent: curl/8'";
    check_curl(&format!("GET /a HTTP/1.1\r\n{PLAIN}\r\n"), &format!("curl -i http://localhost:8080/a {agent}"));
    check_curl(&format!("HEAD /a HTTP/1.1\r\n{PLAIN}\r\n"), &format!("curl -I http://localhost:8080/a {agent}"));
    check_curl(
        &format!("DELETE /a HTTP/1.1\r\n{PLAIN}\r\n"),
        &format!("curl -i -X DELETE http://localhost:8080/a {agent}"),
    );
    check_curl(
        "GET / HTTP/1.1\r\nHost: a.example\r\nX-Empty:\r\n\r\n",
        "curl -i http://127.0.0.1:8080/ -H 'Host: a.example' -H 'X-Empty;' -H User-Agent: -H Accept:",
    );
    check_curl("GET / HTTP/1.0\r\n\r\n", "curl -i --http1.0 http://127.0.0.1:8080/ -H Host: -H User-Agent: -H Accept:");
    check_curl(
        &format!("POST /a HTTP/1.1\r\n{PLAIN}Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nit's"),
        &format!("curl -i http://localhost:8080/a {agent} -H 'Content-Type: text/plain' --data-binary 'it'\\''s'"),
    );
    check_curl(
        &format!("PUT /a HTTP/1.1\r\n{PLAIN}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        &format!(
            "curl -i -X PUT http://localhost:8080/a {agent} -H 'Transfer-Encoding: chunked' \
             -H Content-Type: -H Content-Length: --data-binary hi"
        ),
    );
}

#[test]
fn no_byte_of_a_request_has_a_meaning_to_curl_or_a_shell() {
    let agent = "-H 'User-Agent: curl/8'";
    check_curl(
        &format!("GET /.try/b?x=[1]&y={{2}} HTTP/1.1\r\n{PLAIN}\r\n"),
        &format!("curl -i -g 'http://localhost:8080/.try/b?x=[1]&y={{2}}' {agent}"),
    );
    check_curl(
        &format!("OPTIONS * HTTP/1.1\r\n{PLAIN}\r\n"),
        &format!("curl -i -X OPTIONS --request-target '*' http://localhost:8080/ {agent}"),
    );
    check_curl(
        &format!("POST / HTTP/1.1\r\n{PLAIN}Content-Type: a/b\r\nContent-Length: 11\r\n\r\n@/etc/hosts"),
        &format!(
            "printf '@/etc/hosts' | curl -i http://localhost:8080/ {agent} -H 'Content-Type: a/b' --data-binary @-"
        ),
    );
    check_curl(
        "GET /$(reboot)`id`';x HTTP/1.1\r\nHost: localhost:8080\r\nUser-Agent: $HOME \"q\" !\r\nAccept: */*\r\n\r\n",
        "curl -i 'http://localhost:8080/$(reboot)`id`'\\'';x' -H 'User-Agent: $HOME \"q\" !'",
    );
}

#[test]
fn a_request_that_cannot_be_repeated_gets_no_line() {
    assert!(line(&[b"GET /\r\n\r\n"], curl).is_err());
    let long = [&b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"[..], &[b'x'; 90_000]].concat();
    assert!(line(&[&long], curl).is_err() && line(&[&long], send).is_err());
}

#[test]
fn send_repeats_the_bytes_and_the_cuts() {
    assert_eq!(
        line(&[b"GET /%", b"41 HTTP/1.1\r\nHost: a\r\nX: \\'\xc3\xa9\xff\r", b"\n\r\n"], send).as_deref(),
        Ok("printf 'GET /%%41 HTTP/1.1\\r\\nHost: a\\r\\nX: \\\\'\\''é\\377\\r\\n\\r\\n' \
             | barewire send 127.0.0.1:8080 --raw --cut 6,37 --gap 200")
    );
}

/// A shell reads back exactly the bytes that were written.
#[test]
fn a_shell_gives_back_every_byte() {
    let every: Vec<u8> = (1..=255).collect();
    let words: [&[u8]; 9] =
        [b"plain", b"it's", b"a b", b"$HOME `id` \"x\" \\n %s", b"-n", b"", "é汉😀".as_bytes(), &every, b"100%\\"];
    for word in words {
        for (script, what) in
            [(format!("printf %s {}", quote(word)), "quote"), (format!("printf {}", printf(word)), "printf")]
        {
            let out = Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(out.stdout, word, "{what}: {script}");
        }
    }
    let with_nul = Command::new("sh").args(["-c", &format!("printf {}", printf(b"a\0b"))]).output().unwrap();
    assert_eq!(with_nul.stdout, b"a\0b");
}

#[test]
fn no_line_contains_a_control_sequence() {
    let every: Vec<u8> = (0..=255).collect();
    for text in [quote(&every), printf(&every)] {
        assert!(text.chars().all(is_plain), "{text}");
    }
}

fn plan(calls: &[TestCall<'_>]) -> Result<ReplayPlan, String> {
    let history = history(calls, true);
    ReplayPlan::new(Exchange::find(&history, ExchangeId { connection: 1, exchange: 1 }).unwrap().request().unwrap())
}

fn millis(plan: &ReplayPlan) -> Vec<(u128, &[u8])> {
    plan.pieces.iter().map(|(gap, bytes)| (gap.as_millis(), bytes.as_slice())).collect()
}

#[test]
fn a_plan_has_the_pieces_of_the_request_and_no_gap_is_too_long_or_too_short() {
    let plan = plan(&[
        (3, true, b"GET /"),
        (203, true, b"a HTTP/1.1\r"),
        (204, true, b"\nHost: a\r\n"),
        (9_999, true, b"\r\n"),
    ]);
    let plan = plan.unwrap();
    assert_eq!(millis(&plan), [(0, &b"GET /"[..]), (200, b"a HTTP/1.1\r"), (20, b"\nHost: a\r\n"), (2000, b"\r\n")]);
    assert!(!plan.ends);
}

#[test]
fn one_request_of_several_in_a_recv_is_sent_alone() {
    let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let plan = plan(&[(3, true, &ask.repeat(3))]).unwrap();
    assert_eq!(millis(&plan), [(0, &ask[..])]);
}

#[test]
fn a_request_that_was_cut_off_is_cut_off_again() {
    let plan = plan(&[(3, true, b"GET / HT")]).unwrap();
    assert_eq!((millis(&plan), plan.ends), (vec![(0, &b"GET / HT"[..])], true));
}

#[test]
fn a_request_with_hidden_or_missing_bytes_cannot_be_sent() {
    let secret = b"GET /?token=0123456789 HTTP/1.1\r\nHost: a\r\n\r\n";
    assert!(plan(&[(3, true, secret)]).unwrap_err().contains("secret"));
    let long = [&b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n"[..], &[b'x'; 90_000]].concat();
    assert!(plan(&[(3, true, &long)]).unwrap_err().contains("kept"));
}
