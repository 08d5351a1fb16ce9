//! No secret is left in what is shown while messages come: each moment alone, and all moments together.

use super::*;

/// Every byte of a side is shown or is a star, and none of the secrets is readable, not even the start of one.
#[track_caller]
pub(super) fn whole_and_hidden(messages: &[Message], role: Role, sent: &[u8], secrets: &[&str]) {
    let mut own: Vec<&Message> = messages.iter().filter(|message| message.role == role).collect();
    own.sort_by_key(|message| message.start);
    let shown: Vec<u8> = own.iter().flat_map(|message| message.bytes.first.clone()).collect();
    let (text, original) = (shown.escape_ascii().to_string(), sent.escape_ascii().to_string());
    assert_eq!(shown.len(), sent.len(), "{text}\n{original}");
    assert!(shown.iter().zip(sent).all(|(a, b)| a == b || *a == b'*'), "{text}\n{original}");
    for secret in secrets {
        assert!(!occurs(&shown, &secret.as_bytes()[..4]), "{secret} is readable in {text}");
    }
    // The last word may be the first part of a secret.
    let is_inside = |plain: &str| original.contains(plain) && (role == Role::Response || !original.ends_with(plain));
    for plain in ["HTTP/1.1", "plain-text", "Host", "--b\r\n"].iter().filter(|plain| is_inside(plain)) {
        assert!(text.contains(*plain), "{plain} is not shown in {text}");
    }
}

/// Requests with a secret in every place in which there may be one, with faults before and after it.
fn requests_with(secret: &str) -> Vec<String> {
    let url = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
    let multi = "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n";
    let part = "--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\n\r\n";
    let mut requests: Vec<String> = Vec::new();
    for fault in ["Bad : x\r\n", "No colon\r\n", "X: a\0b\r\n", "X: y\n", "Transfer-Encoding: gzip\r\n", " folded\r\n"]
    {
        for field in [
            format!("Authorization: Bearer {secret}"),
            format!("authorization : Basic {secret}"),
            format!("Proxy-Authorization {secret}"),
            format!("Cookie: a=b; sid={secret}"),
            format!("X-Api-Key:{secret}"),
            format!("Cookie: a=b;\r\n sid={secret}"),
            format!("Referer: http://ann:{secret}@h/?key={secret}"),
            format!("X: {secret}\r\nAuthorization: Bearer {secret}"),
        ] {
            // A value that is not known to be secret before it is named so may stand alone only after that.
            let field = field
                .strip_prefix(&format!("X: {secret}\r\n"))
                .map_or(field.clone(), |f| format!("{f}\r\nX: {secret}"));
            for lines in [format!("{fault}{field}\r\n"), format!("{field}\r\n{fault}")] {
                requests.push(format!("GET /?token={secret} HTTP/1.1\r\nHost: a\r\nX: plain-text\r\n{lines}\r\n"));
            }
        }
    }
    for (head, content) in [(url, format!("a=b&password={secret}")), (multi, format!("{part}{secret}\r\n--b--\r\n"))] {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{head}");
        // The content breaks before the secret, in it, and after it.
        for at in [1, content.find(secret).unwrap() + 5, content.len()] {
            let (one, two) = content.split_at(at);
            requests.push(format!("{head}{:x}\r\n{one}\r\nbad size\r\n{two}\r\n", one.len()));
        }
    }
    requests
}

#[test]
fn no_secret_is_readable_at_any_moment_wherever_a_message_breaks_or_is_cut() {
    let secret = "Open-Sesame-7";
    for request in requests_with(secret).iter().map(String::as_bytes) {
        // By default every seventh place, which is another one in each request.
        for cut in (request.len() % 7..=request.len()).step_by(rounds(7, 1)) {
            let (mut conversation, mut out) =
                (Conversation::new(&ExplainOptions::whole(Limits::default())), Vec::new());
            conversation.received(&request[..cut], &mut out);
            conversation.client_ended(&mut out);
            whole_and_hidden(&out, Role::Request, &request[..cut], &[secret]);
            let (mut conversation, mut out) =
                (Conversation::new(&ExplainOptions::whole(Limits::default())), Vec::new());
            conversation.received(&request[..cut], &mut out);
            conversation.received(&request[cut..], &mut out);
            conversation.client_ended(&mut out);
            whole_and_hidden(&out, Role::Request, request, &[secret]);
        }
    }
}

/// What a person could put together from all that was shown of one side at any moment: the bytes that were readable at
/// least once.
#[derive(Default)]
pub(super) struct Readable(pub(super) Vec<u8>);

impl Readable {
    fn add(&mut self, message: &Message) {
        let (bytes, start) = (&message.bytes, message.start as usize);
        let end = start + message.len() as usize;
        self.0.resize(self.0.len().max(end), b'*');
        for (kept, at) in [(&bytes.first, start), (&bytes.last, end - bytes.last.len())] {
            let places = self.0[at..at + kept.len()].iter_mut().zip(kept);
            places.filter(|(_, shown)| **shown != b'*').for_each(|(known, shown)| *known = *shown);
        }
        assert_eq!(message.spans.iter().map(|span| span.len).sum::<u64>(), message.len());
    }

    /// No four bytes of a secret are in it.
    #[track_caller]
    fn hides(&self, secrets: &[&str], sent: &[u8]) {
        for part in secrets.iter().flat_map(|secret| secret.as_bytes().windows(4)) {
            let (part, text, sent) = (part.escape_ascii(), self.0.escape_ascii(), sent.escape_ascii());
            assert!(!occurs(&self.0, &part.clone().collect::<Vec<u8>>()), "{part} was readable: {text}\n{sent}");
        }
    }
}

/// Lets a client and a server say these bytes in pieces, and looks at what is under way after each piece.
#[track_caller]
pub(super) fn watched(
    options: &ExplainOptions,
    sides: &[(Role, &[u8])],
    piece: usize,
    secrets: &[&str],
) -> [Readable; 2] {
    let (mut conversation, mut readable) = (Conversation::new(options), <[Readable; 2]>::default());
    for (role, bytes) in sides {
        for piece in bytes.chunks(piece) {
            let mut out = Vec::new();
            match role {
                Role::Request => conversation.received(piece, &mut out),
                Role::Response => conversation.sent(piece, &mut out),
            }
            out.extend([Role::Request, Role::Response].into_iter().filter_map(|role| conversation.snapshot(role)));
            out.iter().for_each(|message| readable[message.role as usize].add(message));
        }
    }
    let mut out = Vec::new();
    conversation.client_ended(&mut out);
    conversation.server_ended(&mut out);
    out.iter().for_each(|message| readable[message.role as usize].add(message));
    for (role, bytes) in sides {
        readable[*role as usize].hides(secrets, bytes);
    }
    readable
}

#[test]
fn no_secret_can_be_put_together_from_what_was_shown_while_it_came() {
    let secret = "Open-Sesame-7";
    let mut requests = requests_with(secret);
    requests.extend([
        format!("CONNECT ann:{secret}@h:80 HTTP/1.1\r\nHost: ann:{secret}@h\r\n\r\n"),
        format!("GET http://{secret}@h/ HTTP/1.1\r\nHost: ann:{secret}@h:80\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {secret}\r\nX-Mine: {secret}\r\n\r\n"),
    ]);
    let options = ExplainOptions {
        redact: RedactOptions::with_fields(&["X-Mine".into()]),
        ..ExplainOptions::whole(Limits::default())
    };
    for request in &requests {
        for &piece in &[1, 7, 2, 3][..rounds(1, 4)] {
            let readable = watched(&options, &[(Role::Request, request.as_bytes())], piece, &[secret]);
            assert!(occurs(&readable[0].0, b" HTTP/1.1\r\nHost:"), "{}", readable[0].0.escape_ascii());
        }
    }
}

#[test]
fn no_secret_can_be_put_together_from_a_response_that_repeats_it_while_it_is_sent() {
    let (secret, short) = ("Open-Sesame, 7=8", "k3y4");
    let content = format!("a=b&password={secret}");
    let request = format!(
        "POST /?token={short} HTTP/1.1\r\nHost: a\r\nCookie: sid={secret}; n={short}\r\nAuthorization: Bearer {short}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    );
    let page = format!("plain-text and {secret}, {secret} and plain-text");
    for (content, secrets) in [(&request, &[secret, short][..]), (&page, &[secret])] {
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        content.as_bytes().chunks(5).for_each(|chunk| crate::http::chunked::encode(chunk, &mut chunked));
        chunked.extend_from_slice(b"0\r\n\r\n");
        let set = format!("HTTP/1.1 200 OK\r\nSet-Cookie: sid={secret}x; Path=/\r\n");
        let whole = format!("{set}Content-Length: {}\r\n\r\n{content}", content.len());
        let until_close = format!("{set}\r\n{content}");
        for response in [&chunked, whole.as_bytes(), until_close.as_bytes()] {
            for (piece, options) in [1, 7, 2, 3].into_iter().take(rounds(2, 4)).flat_map(|piece| {
                let (whole, live) = (ExplainOptions::whole, |l| ExplainOptions::live(l, RedactOptions::default()));
                [(piece, whole(Limits::default())), (piece, live(Limits::default()))]
            }) {
                let sides = [(Role::Request, request.as_bytes()), (Role::Response, response)];
                let [_, readable] = watched(&options, &sides, piece, secrets);
                let text = readable.0.escape_ascii().to_string();
                assert!(
                    text.contains("plain-text") || text.contains("Content-Type: app") || response == chunked,
                    "{text}"
                );
                // Without the framing, too: a chunk ends inside the secret.
                let lines = readable.0.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                let data: Vec<u8> = lines.filter(|line| line.len() == 5).flatten().copied().collect();
                Readable(data).hides(secrets, response);
            }
        }
    }
}

#[test]
fn a_response_that_comes_before_the_rest_of_the_request_repeats_no_secret_of_its_head() {
    let secret = "abcdefgh-123";
    let request = format!("PUT /?token={secret} HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    let response = format!("HTTP/1.1 413 Content Too Large\r\nContent-Length: {}\r\n\r\n{secret}", secret.len());
    let sides = [(Role::Request, request.as_bytes()), (Role::Response, response.as_bytes())];
    for piece in [1, 500] {
        watched(&ExplainOptions::whole(Limits::default()), &sides, piece, &[secret]);
    }
    let (mut conversation, mut out) = (Conversation::new(&ExplainOptions::whole(Limits::default())), Vec::new());
    conversation.received(request.as_bytes(), &mut out);
    conversation.sent(response.as_bytes(), &mut out);
    nowhere(&out, secret);
}
