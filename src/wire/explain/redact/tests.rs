//! No secret is left in what comes out, wherever it stands and wherever a message ends.

mod under_way;

use super::*;
use crate::http::Limits;
use crate::service::testing::rounds;
use crate::wire::explain::{Conversation, RedactOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use under_way::{watched, whole_and_hidden};

/// Random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }

    fn word(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(b"abcdefghijkmnpqrstuvwxyzABCDEFGH23456789-_~"[self.below(43)])).collect()
    }
}

fn occurs(bytes: &[u8], secret: &[u8]) -> bool {
    bytes.windows(secret.len()).any(|w| w == secret)
}

/// All bytes that are left of a message: what was kept, and its content without chunks.
fn left(message: &Message) -> Vec<Vec<u8>> {
    let [front, back] = UnframedContent::of(message);
    vec![message.bytes.first.clone(), message.bytes.last.clone(), front.bytes, back.bytes]
}

#[track_caller]
fn nowhere(messages: &[Message], secret: &str) {
    let encoded = STANDARD_NO_PAD.encode(secret);
    let hex: String = secret.bytes().map(|b| format!("{b:02x}")).collect();
    for message in messages {
        for bytes in left(message) {
            for form in [secret, &encoded, &hex] {
                let text = bytes.escape_ascii().to_string();
                assert!(!occurs(&bytes, form.as_bytes()), "{form} is left in {text}");
            }
        }
    }
}

/// A request that carries secrets in every place, an answer that gives all of it back, cut anywhere.
fn exchange(random: &mut Random, keep_all: bool) {
    // As short as a value that is searched for can be: credentials, and others.
    let secrets: Vec<String> = [12, 12, 6, 12, 12, 12]
        .map(|shortest| {
            let len = shortest + random.below(30);
            random.word(len)
        })
        .to_vec();
    let [token, key, bearer, cookie, set, form] = &secrets[..] else { unreachable!() };
    let filler = "x".repeat(random.below(3000));
    let body = format!("a={filler}&password={form}&b=1");
    let request = format!(
        "POST /p?token={token}&q=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {bearer}\r\nCookie: theme={cookie}; n={key}\r\n\
         X-Api-Key: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let hex: String = key.bytes().map(|b| format!("{b:02X}")).collect();
    let inside = STANDARD_NO_PAD.encode(format!("{}{bearer}", &"yyy"[random.below(4)..]));
    let echo = format!("{request}\n{hex}\n{inside}\n{}", STANDARD_NO_PAD.encode(cookie));
    let mut answer = format!("HTTP/1.1 200 OK\r\nSet-Cookie: id={set}; HttpOnly\r\nX-Back: {token}\r\n").into_bytes();
    let chunked = random.below(2) == 0;
    if chunked {
        answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        let mut rest = echo.as_bytes();
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at((1 + random.below(40)).min(rest.len()));
            crate::http::chunked::encode(chunk, &mut answer);
            rest = after;
        }
        answer.extend_from_slice(format!("0\r\nX-Sum: {set}\r\n\r\n").as_bytes());
    } else {
        answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n{echo}", echo.len()).as_bytes());
    }
    let limits = Limits::default();
    let options =
        if keep_all { ExplainOptions::whole(limits) } else { ExplainOptions::live(limits, RedactOptions::default()) };
    let mut conversation = Conversation::new(&options);
    let mut messages = Vec::new();
    for (bytes, received) in [(request.as_bytes(), true), (&answer, false)] {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((1 + random.below(600)).min(rest.len()));
            if received {
                conversation.received(piece, &mut messages);
            } else {
                conversation.sent(piece, &mut messages);
            }
            rest = after;
        }
    }
    assert_eq!(messages.len(), 2);
    assert_eq!((messages[0].len(), messages[1].len()), (request.len() as u64, answer.len() as u64));
    for secret in &secrets {
        nowhere(&messages, secret);
    }
    for shown in [&b"Bearer "[..], b"theme=", b"?token=", b"id=", b"; HttpOnly", b"Content-Length: "] {
        assert!(messages.iter().any(|m| occurs(&m.bytes.first, shown)), "names and schemes stay");
    }
    for message in &messages {
        assert_eq!(message.spans.iter().map(|s| s.len).sum::<u64>(), message.len());
    }
}

#[test]
fn no_secret_survives_anywhere_in_either_direction() {
    let mut random = Random(4711);
    for round in 0..rounds(12, 60) {
        exchange(&mut random, round % 2 == 0);
    }
}

fn converse(request: &str, answer: &str) -> Vec<Message> {
    let mut conversation = Conversation::new(&ExplainOptions::whole(Limits::default()));
    let mut messages = Vec::new();
    conversation.received(request.as_bytes(), &mut messages);
    conversation.client_ended(&mut messages);
    conversation.sent(answer.as_bytes(), &mut messages);
    conversation.server_ended(&mut messages);
    messages
}

#[test]
fn a_short_secret_hides_no_page_and_is_hidden_where_a_head_is_repeated() {
    let head = "POST /?key=k3y HTTP/1.1\r\nHost: a\r\nCookie: theme=dark; n=1234\r\nAuthorization: Basic YTpi\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n";
    let form = "a=b&password=pw1";
    let requests = [
        format!("{head}Content-Length: {}\r\n\r\n{form}", form.len()),
        // The names and values of a chunked form lie in several chunks, and so they do in the echo of it.
        format!("{head}Transfer-Encoding: chunked\r\n\r\n5\r\na=b&p\r\n9\r\nassword=p\r\n2\r\nw1\r\n0\r\n\r\n"),
    ];
    for request in requests {
        let page = "the dark theme, 1234 pages by k3y, YTpi, pw1";
        let answer = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let messages = converse(&request.repeat(2), &(answer(page) + &answer(&request)));
        assert_eq!(messages.len(), 4);
        assert!(messages.iter().all(|message| !message.hidden));
        let page_shown = messages.iter().find(|m| m.bytes.first.ends_with(page.as_bytes()));
        assert!(page_shown.is_some_and(|message| !message.masked), "a page is shown as it is");
        let echo = messages.iter().rfind(|m| m.role == Role::Response).unwrap();
        let text = String::from_utf8(echo.bytes.first.clone()).unwrap();
        for shown in ["/?key=*** HTTP/1.1", "theme=****; n=****\r\n", "Authorization: Basic ****\r\n", "a=b&p"] {
            assert!(text.contains(shown), "{shown} is not in {text}");
        }
        assert!(!text.contains("pw1") && !text.contains("=p\r\n"), "{text}");
    }
}

#[test]
fn a_value_is_searched_for_from_its_shortest_length_on() {
    for (field, secret, is_found) in [
        ("Authorization: Bearer ", "abc123", true),
        ("Proxy-Authorization: Bearer ", "abc123", true),
        ("Authorization: Bearer ", "abc12", false),
        ("X-Api-Key: ", "abc123def456", true),
        ("Cookie: a=", "abc123def45", false),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{field}{secret}\r\n\r\n");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{secret}", secret.len());
        let messages = converse(&request, &answer);
        assert_eq!(!occurs(&messages[1].bytes.first, secret.as_bytes()), is_found, "{field}{secret}");
        assert!(messages[0].bytes.first.ends_with(&[&b"*".repeat(secret.len())[..], b"\r\n\r\n"].concat()));
    }
}

#[test]
fn an_invalid_request_ends_with_its_fault_and_secrets_after_it_are_hidden() {
    let request =
        "GET /?token=abcdefgh-123 HTTP/1.1\r\nCookie: a=ijklmnop-123\r\nBad : x\r\nCookie: a=qrstuvwx-123\r\n\r\n";
    let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 34\r\n\r\nabcdefgh-123 ijklmnop-123 and more";
    let messages = converse(request, answer);
    assert!(messages[0].error.is_some());
    assert!(messages[0].bytes.first.ends_with(b"\r\nBad "));
    for secret in ["abcdefgh-123", "ijklmnop-123", "qrstuvwx-123"] {
        nowhere(&messages, secret);
    }
}

#[test]
fn what_a_form_has_more_than_its_length_says_is_hidden_as_a_part_of_it() {
    let secret = "Open-Sesame-7";
    let (url, multi) = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=b");
    let part = "--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\n\r\n";
    let long = "x".repeat(9000);
    for (kind, form, piece) in [
        (url, format!("a=b&password={secret}&c=plain-text"), 1),
        (url, format!("a={long}&password={secret}"), 500),
        (multi, format!("{part}{secret}\r\n--b--\r\n"), 1),
    ] {
        // The length is too small by one byte, or by so many that the form breaks in its secret or in the name of it.
        for len in (form.find("pass").unwrap_or(9) - 1..form.len()).step_by(rounds(3, 1)) {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n");
            let second = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
            for request in
                [format!("{head}{form}"), format!("{head}{form}{second}"), format!("{head}{form}\r\n{second}")]
            {
                for piece in [piece, 20_000] {
                    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
                    watched(&options, &[(Role::Request, request.as_bytes())], piece, &[secret]);
                }
            }
        }
    }
}

#[test]
fn a_request_after_a_form_is_shown() {
    let form = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\n\
                password=a";
    for (second, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("GE", "GE"),
        ("GET / HT", "GET / HT"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "GET / HTTP/1.1\r\nHost "),
        ("bcGET / HTTP/1.1\r\nHost: a\r\n\r\n", "***** / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("bc&d=e\r\n\r\n", "**&"),
    ] {
        let messages = converse(&format!("{form}{second}"), "");
        let shown = messages[1].bytes.first.escape_ascii().to_string();
        assert!(shown.starts_with(&expected.escape_default().to_string()), "{shown}, not {expected}");
    }
}

#[test]
fn what_is_shown_of_a_form_under_way_hides_no_response_in_the_end() {
    let form = format!("a={}&password=opensesame-77&b=", "x".repeat(5000));
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nplain-text";
    let request = head + &form;
    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let sides = [(Role::Request, request.as_bytes()), (Role::Response, response.as_bytes())];
    let [_, readable] = watched(&options, &sides, 97, &["opensesame-77"]);
    assert!(readable.0.ends_with(b"plain-text"));
}

#[test]
fn the_bytes_of_a_broken_response_are_all_shown_but_its_secrets() {
    let secret = "Open-Sesame-7";
    for answer in [
        format!("HTTP/1.1 200 OK\r\nBad : x\r\nSet-Cookie: sid={secret}; Path=/\r\n\r\nplain-text"),
        format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid={secret}; Path=/\r\nBad : x\r\n\r\nplain-text {secret}"),
        // More than the length says.
        format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: sid={secret}\r\n\r\nhiplain-text {secret}"),
    ] {
        for cut in 0..=answer.len() {
            let (mut conversation, mut out) =
                (Conversation::new(&ExplainOptions::whole(Limits::default())), Vec::new());
            conversation.received(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut out);
            conversation.sent(&answer.as_bytes()[..cut], &mut out);
            conversation.sent(&answer.as_bytes()[cut..], &mut out);
            conversation.server_ended(&mut out);
            whole_and_hidden(&out, Role::Response, answer.as_bytes(), &[secret]);
            assert!(out.iter().all(|message| message.exchange == 1), "there was one request");
        }
    }
}

#[test]
fn a_secret_after_a_forgotten_colon_is_hidden() {
    for line in ["Authorization Bearer abcdefgh-123", "cookie\ta=abcdefgh-123", "X-Api-Key abcdefgh-123"] {
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nabcdefgh-123";
        let messages = converse(&request, answer);
        assert!(messages[0].error.is_some() && messages[0].masked, "{line}");
        nowhere(&messages, "abcdefgh-123");
    }
}

#[test]
fn a_password_before_a_host_is_hidden_though_the_field_is_refused() {
    for (fields, kept) in
        [("Host: ann:Open-Sesame7@a.test\r\n", "*a.test"), ("Host: a\r\nHost: ann:Open-Sesame7@a.test\r\n", "*a.test")]
    {
        let request = format!("GET / HTTP/1.1\r\n{fields}\r\n");
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 17\r\n\r\nann:Open-Sesame7@";
        let messages = converse(&request, answer);
        nowhere(&messages, "Open-Sesame7");
        assert!(messages[0].masked && occurs(&messages[0].bytes.first, kept.as_bytes()), "{fields}");
    }
}

#[test]
fn a_password_is_hidden_though_only_its_base64_was_sent() {
    let credentials = STANDARD_NO_PAD.encode("ada:lovelace");
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {credentials}\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nada:lovelace, lovelace";
    let messages = converse(&request, answer);
    nowhere(&messages, "lovelace");
    assert!(messages[1].bytes.first.ends_with(b"\r\n\r\n************, ********"));
}

#[test]
fn a_password_in_the_last_bytes_of_a_long_form_is_hidden() {
    let body = format!("a={}&password=opensesame&pin=abc&b=1", "x".repeat(200_000));
    let request = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut conversation = Conversation::new(&ExplainOptions::live(Limits::default(), RedactOptions::default()));
    let mut messages = Vec::new();
    conversation.received(request.as_bytes(), &mut messages);
    conversation.sent(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nopensesame", &mut messages);
    nowhere(&messages, "opensesame");
    assert!(messages[0].bytes.last.ends_with(b"&password=**********&pin=abc&b=1"), "names stay");
    assert!(messages[1].hidden);
}

#[test]
fn a_part_with_a_secret_name_is_hidden_wherever_the_form_is_cut_and_kept() {
    for (filler, chunked, keep_all) in
        [(0, false, true), (5000, false, false), (5000, true, false), (1990, true, false), (100, true, true)]
    {
        let part = |name: &str, data: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{data}\r\n")
        };
        let form = part("x", "y") + &part("token", "abcdefgh-123") + &part("file", &"z".repeat(filler));
        let form = form + &part("Password", "open-sesame-7") + "--b--\r\n";
        let mut request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n".to_vec();
        if chunked {
            request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            form.as_bytes().chunks(7).for_each(|chunk| crate::http::chunked::encode(chunk, &mut request));
            request.extend_from_slice(b"0\r\n\r\n");
        } else {
            request.extend_from_slice(format!("Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes());
        }
        let limits = Limits::default();
        let options = if keep_all {
            ExplainOptions::whole(limits)
        } else {
            ExplainOptions::live(limits, RedactOptions::default())
        };
        let mut conversation = Conversation::new(&options);
        let mut messages = Vec::new();
        conversation.received(&request, &mut messages);
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nabcdefgh-123 open-sesame-7";
        conversation.sent(answer.as_bytes(), &mut messages);
        assert_eq!(messages.len(), 2);
        let text = String::from_utf8_lossy(&messages[0].bytes.first).into_owned();
        assert!(chunked || text.contains("name=\"token\""), "{text}");
        for secret in ["abcdefgh-123", "open-sesame-7"] {
            nowhere(&messages, secret);
        }
    }
}

#[test]
fn a_length_that_equals_a_secret_still_frames() {
    let request = "GET /?code=000000000021 HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 000000000021\r\n\r\n{}", "z".repeat(21));
    let messages = converse(request, &answer);
    assert_eq!((messages.len(), messages[1].error), (2, None));
    nowhere(&messages, "000000000021");
}

#[test]
fn a_long_secret_that_comes_byte_by_byte_fills_no_memory() {
    let secret = Random(7).word(2000);
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n");
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nplain-text";
    let sides = [(Role::Request, request.as_bytes()), (Role::Response, response.as_bytes())];
    let [_, readable] = watched(&ExplainOptions::whole(Limits::default()), &sides, 1, &[&secret]);
    assert!(readable.0.ends_with(b"plain-text"), "too many secrets hide everything");
}
