//! A secret in every place that HTTP has for one. Then everything in the page of the wire view is searched for it.
//!
//! A search that finds nothing proves little. The page breaks the hex into rows and a word into the parts of a line,
//! and Base64 of the same bytes has three forms. So the text is put together again before it is searched. A word that
//! is not secret goes through the same places and must be found in each form. No secret may be in the page because the
//! test put it there, as in a link to it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::driver::Browser;
use crate::in_browser;
use crate::site::Site;

/// A word that is not secret.
const PLAIN: &str = "canary-plain-70";
const BEARER: &str = "canary-bearer-71";
const COOKIE: &str = "canary-cookie-72";
const GIVEN: &str = "canary-given-73";
const TOKEN: &str = "canary-token-74";
const FORM: &str = "canary-form-75";
const PASSWORD: &str = "canary-password-76";
const BROKEN: &str = "canary-broken-77";
const TRACED: &str = "canary-traced-78";

/// One connection with one request, to the end of the answer.
fn talk(site: &Site, line: &str, fields: &str, body: &str) -> String {
    let address = site.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    let bytes = format!("{line} HTTP/1.1\r\nHost: localhost\r\nX-Plain: {PLAIN}\r\n{fields}\r\n{body}");
    stream.write_all(bytes.as_bytes()).unwrap();
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// A word as hexadecimal numbers.
fn numbers(word: &str) -> String {
    word.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// The forms in which a word may appear, that of the hex included.
fn writings(word: &str) -> Vec<String> {
    // Base64 without the ends, which depend on the bytes beside it.
    let base64 = (0..3).map(|before| {
        let text = BASE64_STANDARD.encode("x".repeat(before) + word);
        text[if before == 0 { 0 } else { 4 }..(before + word.len()) / 3 * 4].to_string()
    });
    [word.to_string(), numbers(word), numbers(word).replace(' ', "")].into_iter().chain(base64).collect()
}

/// All that the page has while it shows an exchange: the document, its text, the two columns of the hex, the
/// memory of its scripts, what it stores.
const ALL: &str = "import('/state.js').then(({view}) => {
    const bytes = document.querySelector('#bytes').textContent, rows = bytes.split('\\n')
    const known = view.exchange.messages.map(({octets, ...m}) => JSON.stringify({...m, madeRows: 0, calls: 0, kept: 0, owner: 0})
        + atob(octets.first) + '\\n' + atob(octets.last))
    return [document.documentElement.outerHTML, document.body.textContent, document.title, location.href,
        JSON.stringify({...localStorage, ...sessionStorage}),
        rows.map(row => row.slice(6, 29).trim()).join(' '), rows.map(row => row.slice(31, 39)).join(''),
        ...known].join('\\n') })";

/// The same of every message of these connections, each selected in turn.
fn shown(browser: &mut Browser, connections: usize) -> String {
    let mut shown = String::new();
    for connection in 1..=connections {
        for side in ["request", "response"] {
            browser.eval(&format!("location.hash = 'c{connection}.1/{side}/0x0'; 0"));
            // Once it is drawn, the page itself writes where it is: two digits at least.
            browser.wait(&format!("location.hash == '#c{connection}.1/{side}/0x00'"));
            shown += browser.eval(ALL).as_str().unwrap();
        }
    }
    shown
}

#[test]
fn no_secret_stands_anywhere_in_the_page_of_the_view() {
    in_browser(|browser, scratch| {
        fs::write(scratch.site().join("hello.txt"), "hello\n").unwrap();
        let given = format!("Set-Cookie: sid={GIVEN}; Path=/");
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0", "-H", &given]);
        let basic = BASE64_STANDARD.encode(format!("ann:{PASSWORD}"));
        let body = format!("user=ann&password={FORM}");
        let form = format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", body.len());
        let asked = [
            // These come back in the answer.
            ("GET /.try/echo", format!("Authorization: Basic {basic}\r\n"), "", basic.as_str()),
            ("GET /.try/echo", format!("Authorization: Bearer {BEARER}\r\nX-Copy: {BEARER}\r\n"), "", BEARER),
            ("GET /.try/cookie", format!("Cookie: sid={COOKIE}\r\n"), "", COOKIE),
            ("GET /hello.txt", String::new(), "", GIVEN),
            (&format!("GET /.try/echo?token={TOKEN}"), String::new(), "", TOKEN),
            ("POST /.try/echo", form, &body, FORM),
            // Pages of errors: not found, refused at a line after the secret, refused for its method.
            (&format!("GET /nope?token={TOKEN}"), "Accept: text/html\r\n".into(), "", "404"),
            ("GET /", format!("Authorization: Bearer {BROKEN}\r\nBad Name: x\r\n"), "", "400"),
            (&format!("TRACE /?code={TRACED}"), format!("Authorization: Bearer {TRACED}\r\n"), "", "HTTP/1.1"),
        ];
        for (line, fields, body, expected) in &asked {
            let answer = talk(&site, line, &format!("Connection: close\r\n{fields}"), body);
            assert!(answer.contains(expected), "{line}: {expected} is not in the answer: {answer}");
        }
        browser.open(&site.view);
        browser.wait(&format!("document.querySelectorAll('.ex').length == {}", asked.len()));
        let shown = shown(browser, asked.len());
        for secret in [BEARER, COOKIE, GIVEN, TOKEN, FORM, PASSWORD, BROKEN, TRACED, &basic] {
            for writing in writings(secret) {
                assert!(!shown.contains(&writing), "{secret} stands in the page as {writing}");
            }
        }
        // The names beside the secrets are shown, so the search would have found the secrets.
        for visible in ["Basic", "Bearer", "sid", "Path=/", "/.try/echo?token=*", "password", "X-Copy", "code=*"] {
            assert!(shown.contains(visible), "{visible} is not shown");
        }
        assert!(shown.contains(PLAIN) && shown.contains(&numbers(PLAIN)));
    });
}
