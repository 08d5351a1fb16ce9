//! Error responses as clients get them: formats, texts, escapes, sizes.

use crate::http::{Event, Fault, Http1, Limits, Step};
use crate::service::Body;
use crate::service::error_page::*;
use crate::service::testing::{asked, sent_by_default};

fn with_request<T>(fields: &str, then: impl FnOnce(&Request<'_>) -> T) -> T {
    let head = format!("GET /x HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let mut connection = Http1::new(Limits::default());
    match connection.receive(head.as_bytes()) {
        Step { event: Event::Request(request, _), .. } => then(&request),
        step => panic!("{step:?}"),
    }
}

fn content(response: &Response) -> String {
    match response.body() {
        Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        body => panic!("{body:?}"),
    }
}

fn value<'a>(response: &'a Response, name: &str) -> &'a str {
    std::str::from_utf8(response.fields().get(name).unwrap_or_default()).unwrap()
}

/// SHA-256 (FIPS 180-4), for the one hash in [`POLICY`].
fn sha256(message: &[u8]) -> [u8; 32] {
    // The first 32 bits of the fractional part of the root of `prime`.
    let fraction = |prime: u32, root: f64| -> u32 { ((f64::from(prime).powf(root)).fract() * 4_294_967_296.0) as u32 };
    let primes: Vec<u32> = (2..312).filter(|n| (2..*n).all(|d| n % d != 0)).take(64).collect();
    let mut hash: Vec<u32> = primes[..8].iter().map(|&p| fraction(p, 0.5)).collect();
    let k: Vec<u32> = primes.iter().map(|&p| fraction(p, 1.0 / 3.0)).collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    padded.resize(padded.len().next_multiple_of(64) + if padded.len() % 64 > 56 { 64 } else { 0 }, 0);
    let end = padded.len() - 8;
    padded[end..].copy_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks(64) {
        let mut w: Vec<u32> = block.chunks(4).map(|b| u32::from_be_bytes(b.try_into().unwrap())).collect();
        for i in 16..64 {
            let a = w[i - 15].rotate_right(7) ^ w[i - 15].rotate_right(18) ^ (w[i - 15] >> 3);
            let b = w[i - 2].rotate_right(17) ^ w[i - 2].rotate_right(19) ^ (w[i - 2] >> 10);
            w.push(w[i - 16].wrapping_add(a).wrapping_add(w[i - 7]).wrapping_add(b));
        }
        let mut v = hash.clone();
        for i in 0..64 {
            let s1 = v[4].rotate_right(6) ^ v[4].rotate_right(11) ^ v[4].rotate_right(25);
            let choice = (v[4] & v[5]) ^ (!v[4] & v[6]);
            let one = v[7].wrapping_add(s1).wrapping_add(choice).wrapping_add(k[i]).wrapping_add(w[i]);
            let s0 = v[0].rotate_right(2) ^ v[0].rotate_right(13) ^ v[0].rotate_right(22);
            let majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
            v.rotate_right(1);
            v[4] = v[4].wrapping_add(one);
            v[0] = one.wrapping_add(s0).wrapping_add(majority);
        }
        hash.iter_mut().zip(v).for_each(|(h, v)| *h = h.wrapping_add(v));
    }
    let bytes: Vec<u8> = hash.iter().flat_map(|h| h.to_be_bytes()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn the_policy_allows_exactly_the_style_inside_the_page() {
    use base64::Engine;
    let hash = |text: &str| base64::engine::general_purpose::STANDARD.encode(sha256(text.as_bytes()));
    assert_eq!(hash("abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
    let wanted = format!("'sha256-{}'", hash(STYLE));
    assert!(POLICY.contains(&wanted), "the style sheet changed: its hash is {wanted}");
    for banned in ["unsafe", "http:", "https:", "*", "script-src"] {
        assert!(!POLICY.contains(banned), "{banned}");
    }
    let page = with_request("Accept: text/html\r\n", |r| problem(r, &Problem::not_found(b"/x", None)));
    assert_eq!(value(&page, "content-security-policy"), POLICY);
    let text = content(&page);
    let inside = text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert_eq!(inside, STYLE);
}

#[test]
fn the_accept_field_chooses_the_format() {
    for (fields, expected) in [
        ("", PageFormat::Text),
        ("Accept: */*\r\n", PageFormat::Text),
        ("Accept: text/*\r\n", PageFormat::Text),
        ("Accept: image/avif,image/webp,*/*;q=0.8\r\n", PageFormat::Text),
        ("Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n", PageFormat::Html),
        ("Accept: TEXT/HTML\r\n", PageFormat::Html),
        ("Accept: application/json\r\n", PageFormat::Json),
        ("Accept: application/json, text/plain, */*\r\n", PageFormat::Json),
        ("Accept: text/plain;q=0.5, text/html;q=0.4\r\n", PageFormat::Text),
        ("Accept: application/json;q=0.5, text/html;q=0.6\r\n", PageFormat::Html),
        ("Accept: text/html;q=0\r\n", PageFormat::Text),
        ("Accept: image/png\r\nAccept: text/html\r\n", PageFormat::Html),
    ] {
        assert_eq!(with_request(fields, PageFormat::of), expected, "{fields}");
    }
}

#[test]
fn nothing_of_a_hostile_path_is_active_in_any_format() {
    let path = b"/<script>alert(1)</script>\r\nSet-Cookie: a\x1b[2J\"'&\xff\xe2\x80\xae";
    let said = Problem::not_found(path, Some(b"/<img onerror=x>/"));
    for accept in ["text/html", "application/json", "*/*"] {
        let page = with_request(&format!("Accept: {accept}\r\n"), |r| sent_by_default(r, problem(r, &said)));
        let text = content(&page);
        assert_eq!(page.status(), Status::NOT_FOUND);
        assert!(
            !text
                .trim_end()
                .contains(|c: char| crate::service::text::is_unsafe(c) && !(c == '\n' && accept == "text/html")),
            "{text}"
        );
        assert!(!text.contains("\r\nSet-Cookie"));
        assert_eq!(value(&page, "cache-control"), "no-store");
        assert_eq!(value(&page, "x-content-type-options"), "nosniff");
        if accept == "text/html" {
            assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
            assert!(
                text.contains("&#60;script&#62;") && text.contains("href=\"./%3Cimg%20onerror%3Dx%3E/\""),
                "{text}"
            );
            assert_eq!(value(&page, "referrer-policy"), "same-origin");
        }
    }
}

#[test]
fn every_status_has_texts_in_every_format_and_a_page_stays_below_4_kb() {
    let long = "<".repeat(9000);
    for status in Status::ALL.iter().copied().filter(|status| status.is_error()) {
        let mut said = Problem::new(status);
        for text in [&said.sentence, said.advice.as_ref().unwrap_or(&said.sentence)] {
            assert!(text.len() > 9, "{status}: {text}");
        }
        let line = with_request("", |r| content(&problem(r, &said)));
        assert!(line.starts_with(&format!("{} ", status.code())) && line.ends_with('\n'), "{line}");
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        let json = with_request("Accept: application/json\r\n", |r| content(&problem(r, &said)));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            (json["status"].as_u64(), json["detail"].as_str()),
            (Some(status.code().into()), Some(&*said.sentence))
        );
        said = said.with_sentence(&long).with_advice(&long);
        for _ in 0..5 {
            said = said.with_link(&long, format!("/{}", "a".repeat(HREF_BYTES - 2)));
        }
        let page = with_request("Accept: text/html\r\n", |r| content(&problem(r, &said)));
        assert!(page.len() <= 4096 && page.ends_with("</html>"), "{status}: {}", page.len());
        assert!(
            page.contains(&format!("<h1>{}</h1>", text(&key(status), "heading").unwrap().replace('\'', "&#39;"))),
            "{page}"
        );
    }
}

#[test]
fn every_line_of_the_texts_belongs_to_a_status_or_a_fault_and_none_is_missing() {
    let parts = ["heading", "sentence", "advice", "meaning"];
    for line in crate::service::texts::rows(include_str!("texts.txt")) {
        let (name, said) = line.split_once(" | ").unwrap();
        // All other rows are named in the code, and a malformed request has a fault beside its status.
        let Some((key, part)) = name.split_once(' ').filter(|(_, part)| parts.contains(part)) else { continue };
        if key == "malformed" {
            assert!(text(key, part) != text("400", part), "{line}");
            continue;
        }
        assert!(said.len() > 9, "{line}");
        assert_eq!(text(key, part), Some(said), "the same twice");
        let is_fault = Fault::ALL.iter().any(|fault| fault.name() == key && part == "advice");
        assert!(is_fault || ["4xx", "5xx"].contains(&key) || Status::ALL.iter().any(|s| s.code().to_string() == key));
        let needed = if is_fault { &parts[2..3] } else { &parts[..] };
        assert!(needed.iter().all(|part| *part == "advice" || text(key, part).is_some()), "{line}");
    }
}

#[test]
fn a_link_never_leaves_this_server() {
    let all = ["/", "/a/", "./a", "../", "?q", "//evil", "/\\evil", "javascript:x", "https://evil/", "", "a"];
    let given: Vec<_> = all.iter().map(|href| (href.to_string(), href.to_string())).collect();
    for (at, pair) in given.iter().enumerate() {
        assert_eq!(links(std::slice::from_ref(pair), b"/").len(), usize::from(at < 5), "{}", pair.1);
    }
    assert!(links(&[("long".into(), format!("/{}", "a".repeat(HREF_BYTES)))], b"/").is_empty());
}

/// Behind a proxy that takes a prefix off, `/` would lead out of it.
#[test]
fn a_link_of_a_page_counts_the_folders_of_the_target_as_it_was_sent() {
    for (target, home, all) in [
        ("/x", "./", "./.try/a:b"),
        ("/a/b/x", "../../", "../../.try/a:b"),
        ("/a/b/?q=/../x", "../../", "../../.try/a:b"),
        ("//x", "../", "../.try/a:b"),
        ("/a/../b/x", "../", "../.try/a:b"),
        ("/a/b/..", "../../", "../../.try/a:b"),
        ("/.//x", "../", "../.try/a:b"),
        ("http://h/a/x", "../", "../.try/a:b"),
        ("http://h", "./", "./.try/a:b"),
    ] {
        let request = asked(&format!("GET {target}"), "Accept: text/html\r\n");
        let said = Problem::not_found(b"/x", None).with_link("All", "/.try/a:b");
        let page = content(&problem(&request, &said));
        let wanted = format!("<a href=\"{home}\">Home</a><a href=\"{all}\">All</a>");
        assert!(page.contains(&wanted), "{target}: {page}");
    }
}

#[test]
fn a_page_about_a_malformed_request_names_the_byte_and_repeats_nothing_of_it() {
    let head = b"GET /secret HTTP/1.1\r\nAccept: text/html\r\nHost: secret\nX: y\r\n\r\n";
    let at = head.iter().position(|&b| b == b'\n').unwrap() + 33;
    let page = malformed_request(&RequestError::new(Fault::BareLf, at, 1), head);
    let text = content(&page);
    assert_eq!(page.status(), Status::BAD_REQUEST);
    assert!(text.contains(&format!("byte {at}: a line ends with LF alone")) && text.contains("rfc9112#section-2.2"));
    assert!(!text.contains("secret"));
    // Only there: another 400 is a valid request, and its connection stays open.
    let valid = content(&with_request("Accept: text/html\r\n", |r| problem(r, &Problem::new(Status::BAD_REQUEST))));
    let is_malformed = |page: &str| page.contains("breaks a rule of HTTP") && page.contains("closes the connection");
    assert!(is_malformed(&text) && !is_malformed(&valid), "{valid}");
    // The same line after the fault, on the first line or in the content cannot be trusted.
    for head in [
        &b"GET / HTTP/1.1\nAccept: text/html\r\n"[..],
        b"Accept: text/html\r\nHost",
        b"GET / HTTP/1.1\r\nAccept: text/html",
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\n\r\nAccept: text/html\r\nxx",
    ] {
        let at = if head.contains(&b'P') && head[14] == b'\n' { 14 } else { head.len() };
        let line = content(&malformed_request(&RequestError::new(Fault::BareLf, at, 1), head));
        assert!(
            line.starts_with(&format!("400 byte {at}: a line ends")) && line.ends_with("(RFC 9112 §2.2)\n"),
            "{line}"
        );
    }
    let json = malformed_request(
        &RequestError::new(Fault::HostTwice, 60, 7),
        &[b"G\r\naccept:application/json\r\n", &[b'x'; 60][..]].concat(),
    );
    let json: serde_json::Value = serde_json::from_str(&content(&json)).unwrap();
    assert_eq!((json["byte"].as_u64(), json["fault"].as_str()), (Some(60), Some("HostTwice")));
    // A place beyond what was kept of the head must not panic.
    malformed_request(&RequestError { fault: Fault::SlowContent, at: u64::MAX, len: 0 }, b"GET");
    for fault in Fault::ALL {
        let page = malformed_request(&RequestError::new(*fault, 14, 1), b"\r\nAccept: text/html\r\n");
        assert!(content(&page).len() <= 4096, "{fault:?}");
    }
}

#[test]
fn the_page_of_a_500_shows_an_id_and_the_log_the_cause() {
    let page = with_request("", |r| internal_error(r, "disk on fire"));
    let (note, text) = (page.note().unwrap(), content(&page));
    let (id, cause) = note.split_once(": ").unwrap();
    assert_eq!((cause, page.status()), ("disk on fire", Status::INTERNAL_SERVER_ERROR));
    assert!(id.len() == 8 && text.contains(id) && !text.contains("fire"), "{text}");
}

#[test]
fn a_client_that_gets_503_is_told_when_to_come_back() {
    let page = with_request("Accept: text/html\r\n", |r| problem(r, &Problem::new(Status::SERVICE_UNAVAILABLE)));
    assert_eq!(value(&page, "retry-after"), "5");
    assert!(content(&page).contains("<meta http-equiv=\"refresh\" content=\"5\">"));
    let overloaded = overload();
    assert_eq!((value(&overloaded, "retry-after"), value(&overloaded, "refresh")), ("5", "5"));
    let text = content(&overloaded);
    assert!(text.ends_with('\n') && text.starts_with("503 "));
}

#[test]
fn each_problem_has_a_sentence_about_its_case() {
    for (said, words) in [
        (
            Problem::method_not_allowed(b"PUT", "GET, HEAD"),
            "PUT does not work at this address. These methods do: GET, HEAD.",
        ),
        (Problem::method_not_allowed(b"PUT", ""), "PUT does not work at this address, and no other method does."),
        (Problem::too_large(16_000_000_000), "at most 16 GB"),
        (Problem::range(1000), "1,000 bytes,"),
        (Problem::range(1), "1 byte,"),
    ] {
        assert!(said.sentence.contains(words), "{}", said.sentence);
    }
    let deep = Problem::not_found(b"/photos/2062/", Some(b"/photos/"));
    assert_eq!(deep.links[0], ("Go to /photos/".to_string(), "/photos/".to_string()));
    assert_eq!(Problem::not_found(b"/x", Some(b"/")).links, [("Home".to_string(), "/".to_string())]);
}

#[test]
fn the_prepared_line_of_a_404_is_the_one_that_all_clients_get() {
    let ready = NotFoundLine::new();
    for path in [&b"/"[..], b"/a/b.html", b"/a%b", "/\u{e4}\u{202e}/x".as_bytes(), b"/\x1b[31m\n", b"/\xff"] {
        let want = render(PageFormat::Text, &Problem::not_found(path, None), b"", None).into_parts();
        let got = ready.response(path).into_parts();
        assert_eq!((got.0, got.1), (want.0, want.1));
        let text = |body| match body {
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            body => panic!("{body:?}"),
        };
        assert_eq!(text(got.2), text(want.2));
    }
}
