//! Secrets: painted over before anything is kept, by field and by value.
//!
//! By field: the spans that `value` calls secret, and secret names in urlencoded content. By value:
//! whatever was a secret once is one wherever it appears later on its connection, in either direction,
//! in heads, in content and across the chunks of content; as it is, decoded, escaped, in hexadecimal and
//! in Base64 at each of its three alignments. Paint is `*` byte for byte, so places and lengths stay
//! true; that the length shows is known and accepted.
//!
//! Never: a secret in memory once its message is finished. Values are remembered as a length and a
//! keyed hash.
//!
//! The subtle thing: a secret of fewer than [`SHORTEST`] bytes would be found everywhere by chance, so
//! it is not looked for. Instead, the content of the answer to it is hidden as a whole.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use crate::http::Fault;
use crate::http::field::split_line;
use crate::http::grammar::is_ows;
use crate::wire::explain::builder::{KeepLimits, shorten};
use crate::wire::explain::deframed::UnframedContent;
use crate::wire::explain::form;
use crate::wire::explain::message::{Message, MessageSpan, Role, SpanKind, carve};
use crate::wire::explain::notes::NoteId;
use crate::wire::explain::value;
use crate::wire::explain::value::{RedactOptions, SpanWriter};

/// Shorter values are not looked for.
const SHORTEST: usize = 6;
/// Different values remembered for one connection. One that has more is no browser, and the content
/// of everything behind is hidden.
const VALUES: usize = 4096;
/// Exchanges with a short secret whose answers are still to come.
const WAITING: usize = 1024;
/// The hash counts modulo the Mersenne prime 2^61 − 1.
const PRIME: u64 = (1 << 61) - 1;

/// What is secret on one connection.
#[derive(Debug)]
pub(crate) struct Redactor {
    hide: RedactOptions,
    keep: KeepLimits,
    base: u64,
    values: BTreeMap<usize, HashSet<u64>>,
    count: usize,
    /// Exchanges whose answer may repeat a secret that cannot be looked for.
    hidden: BTreeSet<u64>,
    all_hidden: bool,
}

impl Redactor {
    pub(crate) fn new(hide: RedactOptions, keep: KeepLimits) -> Redactor {
        let base = RandomState::new().hash_one(0) % (PRIME - 512) + 256;
        Redactor { hide, keep, base, values: BTreeMap::new(), count: 0, hidden: BTreeSet::new(), all_hidden: false }
    }

    /// Nothing has been painted yet, and the values are known.
    pub(crate) fn again(self) -> Redactor {
        Redactor { hidden: BTreeSet::new(), ..self }
    }

    /// The longest value that is looked for.
    pub(crate) fn longest(&self) -> usize {
        self.values.last_key_value().map_or(0, |(&len, _)| len)
    }

    /// Paints over the secrets of a message, and shortens it to what is kept: the only way to a
    /// message that may be shown.
    pub(crate) fn paint(&mut self, message: &mut Message) {
        if self.hide.is_off() {
            return shorten(message, self.keep);
        }
        // Before spans of parts of the content make it hard to tell what is content.
        let contents = [UnframedContent::of(message, false), UnframedContent::of(message, true)];
        let guessed = self.find_in_form(message, &contents).max(self.find_in_parts(message, &contents));
        let behind = message.bytes.first.len() as u64 + message.bytes.gap;
        let mut paint: Vec<(u64, u64)> = Vec::new();
        // What broke the grammar can be a secret itself.
        let userinfo = NoteId::fault(Fault::TargetUserinfo);
        let is_secret = |s: &&MessageSpan| s.kind == SpanKind::Secret || s.kind == SpanKind::Bad && s.note == userinfo;
        self.find_in_host(message, &mut paint);
        self.find_without_colon(message, &mut paint);
        for span in message.spans.iter().filter(is_secret) {
            paint.push((span.start, span.end()));
            match message.bytes.whole(span.start, span.len) {
                // Nobody knows what it is: no value to look for.
                _ if (behind..guessed).contains(&span.start) => {}
                Some(bytes) => self.learn(bytes.strip_suffix(b"@").unwrap_or(bytes), message.exchange),
                None => self.hide_answer(message.exchange),
            }
        }
        self.find_values(message, &contents, &mut paint);
        if message.role == Role::Response && (self.all_hidden || self.hidden.contains(&message.exchange)) {
            let content = message.spans.iter().filter(|s| s.is_content());
            let before = paint.len();
            paint.extend(content.map(|s| (s.start, s.end())));
            message.hidden = paint.len() > before;
            if !message.is_interim() {
                self.hidden = self.hidden.split_off(&(message.exchange + 1));
            }
        }
        message.masked = !paint.is_empty();
        cover(message, &paint);
        self.fray(message, &contents);
        shorten(message, self.keep);
    }

    /// A Host field with a user name is refused; the name and the password are in it all the same.
    fn find_in_host(&mut self, message: &Message, paint: &mut Vec<(u64, u64)>) {
        let notes = [Fault::HostInvalid, Fault::HostTwice].map(NoteId::fault);
        for span in message.spans.iter().filter(|s| s.kind == SpanKind::Bad && notes.contains(&s.note)) {
            let bytes = message.bytes.whole(span.start, span.len).unwrap_or_default();
            if let Some(at) = bytes.iter().rposition(|&o| o == b'@') {
                paint.push((span.start, span.start + at as u64 + 1));
                self.learn(&bytes[..at], message.exchange);
            }
        }
    }

    /// A line without colon is refused as a whole; what stands behind the name of a secret field is
    /// what somebody wanted to send as its value.
    fn find_without_colon(&mut self, message: &Message, paint: &mut Vec<(u64, u64)>) {
        let note = NoteId::fault(Fault::NoColon);
        for span in message.spans.iter().filter(|s| s.kind == SpanKind::Bad && s.note == note) {
            let bytes = message.bytes.whole(span.start, span.len).unwrap_or_default();
            let name = bytes.iter().position(|&o| is_ows(o)).unwrap_or(bytes.len());
            let (name, value) = bytes.split_at(name);
            if value.is_empty() || !self.hide.is_field(name) {
                continue;
            }
            paint.push((span.start + name.len() as u64, span.end()));
            let words = value.split(|&o| is_ows(o) || o == b';').filter(|word| !word.is_empty());
            // The scheme is none; of a cookie the name is none.
            let schemes =
                usize::from(name.to_ascii_lowercase().ends_with(b"authorization") && words.clone().count() > 1);
            for word in words.skip(schemes) {
                let from = word.iter().position(|&o| o == b'=').filter(|&at| at + 1 < word.len());
                self.learn(&word[from.map_or(0, |at| at + 1)..], message.exchange);
            }
        }
    }

    /// Content at a gap may be one end of a secret whose other end was not kept, and is not kept either.
    fn fray(&self, message: &mut Message, [content, tail]: &[UnframedContent; 2]) {
        let (most, known) = (self.longest().saturating_sub(1), content.bytes.len());
        let from = content.places(known.saturating_sub(most), known).first().map(|place| place.0);
        let to = tail.places(0, most).last().map(|place| place.1);
        message.bytes.widen(from, to);
    }

    /// Secret names in urlencoded content are spans too. Returns where those end that are taken for secret because
    /// their names were not kept.
    fn find_in_form(&mut self, message: &mut Message, [content, tail]: &[UnframedContent; 2]) -> u64 {
        let mut guessed = 0;
        if !is_form(message) {
            return guessed;
        }
        let mut found = Vec::new();
        value::pairs(&content.bytes, &self.hide, SpanKind::Body, &mut SpanWriter { spans: &mut found, at: 0 });
        let secrets: Vec<MessageSpan> = found.into_iter().filter(|s| s.kind == SpanKind::Secret).collect();
        for secret in &secrets {
            let (from, to) = (secret.start as usize, secret.end() as usize);
            let value: Vec<u8> = content.bytes[from..to].to_vec();
            self.learn(&value, message.exchange);
            for (start, end) in content.places(from, to) {
                carve(&mut message.spans, MessageSpan { start, len: end - start, ..*secret });
            }
        }
        if message.bytes.gap > 0 {
            // Names and values in the part that was not kept are unknown, and may come back.
            self.hide_answer(message.exchange);
            let unnamed = tail.bytes.iter().position(|&o| o == b'&').unwrap_or(tail.bytes.len());
            guessed = tail.take_for_secret(unnamed, message);
        }
        guessed
    }

    /// The parts of a form get spans, and the data of those with secret names are secrets. Returns the same.
    fn find_in_parts(&mut self, message: &mut Message, [content, tail]: &[UnframedContent; 2]) -> u64 {
        let mut guessed = 0;
        // An answer with such content is no form; it may be an echo, and is hidden as a whole if it must be.
        let boundary = content_type(message).filter(|_| message.role == Role::Request);
        let Some(boundary) = boundary.as_deref().and_then(form::boundary) else { return guessed };
        self.carve_parts(message, content, 0, &boundary);
        if message.bytes.gap > 0 {
            // Which part the rest begins in stands in what was not kept, and so do parts that may come back.
            self.hide_answer(message.exchange);
            let unnamed = form::border(&tail.bytes, &boundary, 0).map_or(tail.bytes.len(), |(from, _)| from);
            guessed = tail.take_for_secret(unnamed, message);
            self.carve_parts(message, tail, unnamed, &boundary);
        }
        guessed
    }

    fn carve_parts(&mut self, message: &mut Message, content: &UnframedContent, at: usize, boundary: &[u8]) {
        for span in form::parts(&content.bytes[at..], boundary, &self.hide) {
            let (from, to) = (at + span.start as usize, at + span.end() as usize);
            if span.kind == SpanKind::Secret {
                self.learn(&content.bytes[from..to], message.exchange);
            }
            // Data is content like all other: what the chunks make of it stays.
            if span.kind != SpanKind::Body {
                for (start, end) in content.places(from, to) {
                    carve(&mut message.spans, MessageSpan { start, len: end - start, ..span });
                }
            }
        }
    }

    /// Every place at which a remembered value stands.
    fn find_values(&self, message: &Message, contents: &[UnframedContent; 2], paint: &mut Vec<(u64, u64)>) {
        let bytes = &message.bytes;
        for (start, end) in self.search(&bytes.first) {
            paint.push((start as u64, end as u64));
        }
        let behind = bytes.first.len() as u64 + bytes.gap;
        for (start, end) in self.search(&bytes.last) {
            paint.push((behind + start as u64, behind + end as u64));
        }
        for content in contents {
            // In one piece it has been searched above.
            if content.pieces.len() > 1 {
                for (start, end) in self.search(&content.bytes) {
                    paint.extend(content.places(start, end));
                }
            }
        }
    }

    /// Remembers a value in every form in which it may come back.
    fn learn(&mut self, value: &[u8], exchange: u64) {
        if (1..SHORTEST).contains(&value.len()) {
            self.hide_answer(exchange);
        }
        let mut plain = vec![value.to_vec(), percent_decode(value).collect()];
        plain.push(value.iter().map(|&o| if o == b'+' { b' ' } else { o }).collect());
        let spaced = plain[2].clone();
        plain.push(percent_decode(&spaced).collect());
        plain.push(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or_default().to_vec());
        let bare = value.iter().rposition(|&o| o != b'=').map_or(&[][..], |at| &value[..=at]);
        for decoded in [STANDARD_NO_PAD.decode(bare), URL_SAFE_NO_PAD.decode(bare)].into_iter().flatten() {
            // name:password
            if let Some(colon) = decoded.iter().position(|&o| o == b':') {
                plain.push(decoded[colon + 1..].to_vec());
            }
            plain.push(decoded);
        }
        plain.sort();
        plain.dedup();
        for plain in plain.iter().filter(|p| p.len() >= SHORTEST) {
            for form in forms(plain) {
                self.remember(&form);
            }
        }
    }

    fn remember(&mut self, form: &[u8]) {
        if form.len() < SHORTEST {
            return;
        }
        if self.count >= VALUES {
            self.all_hidden = true;
            return;
        }
        let hash = self.hash(form);
        if self.values.entry(form.len()).or_default().insert(hash) {
            self.count += 1;
        }
    }

    fn hide_answer(&mut self, exchange: u64) {
        self.hidden.insert(exchange);
        self.all_hidden |= self.hidden.len() > WAITING;
    }

    fn step(&self, hash: u64, byte: u8) -> u64 {
        add(times(hash, self.base), u64::from(byte) + 1)
    }

    fn hash(&self, bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |hash, &o| self.step(hash, o))
    }

    /// Where remembered values stand: one pass for each length, with a hash that rolls.
    fn search(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for (&len, hashes) in &self.values {
            if len > bytes.len() {
                break;
            }
            let top = (1..len).fold(1, |top, _| times(top, self.base));
            let mut hash = self.hash(&bytes[..len - 1]);
            for end in len..=bytes.len() {
                hash = self.step(hash, bytes[end - 1]);
                if hashes.contains(&hash) {
                    found.push((end - len, end));
                }
                let gone = times(top, u64::from(bytes[end - len]) + 1);
                hash = add(hash, PRIME - gone);
            }
        }
        found
    }
}

fn times(a: u64, b: u64) -> u64 {
    (u128::from(a) * u128::from(b) % u128::from(PRIME)) as u64
}

fn add(a: u64, b: u64) -> u64 {
    (a + b) % PRIME
}

/// A value as it may be written: itself, escaped, in hexadecimal, in Base64.
fn forms(plain: &[u8]) -> Vec<Vec<u8>> {
    let hex = |digits: &[u8; 16]| -> Vec<u8> {
        plain.iter().flat_map(|o| [digits[usize::from(o >> 4)], digits[usize::from(o & 15)]]).collect()
    };
    let mut forms = vec![
        plain.to_vec(),
        hex(b"0123456789abcdef"),
        hex(b"0123456789ABCDEF"),
        percent_encode(plain, NON_ALPHANUMERIC).to_string().into_bytes(),
    ];
    if let Ok(text) = std::str::from_utf8(plain) {
        let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let numbered = |t: &str| t.replace('"', "&#34;").replace('\'', "&#39;").into_bytes();
        forms.push(numbered(&html));
        forms.push(html.replace('"', "&quot;").replace('\'', "&#x27;").into_bytes());
        forms.push(text.replace('\\', "\\\\").replace('"', "\\\"").into_bytes());
    }
    for shift in 0..3usize {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(plain);
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            // Characters that also carry bits of what stands around it are not its own.
            let from = [0, 2, 3][shift];
            let to = text.len() - usize::from(!bytes.len().is_multiple_of(3));
            forms.push(text.as_bytes()[from.min(to)..to].to_vec());
        }
    }
    forms.sort();
    forms.dedup();
    forms
}

fn is_form(message: &Message) -> bool {
    let form = b"application/x-www-form-urlencoded";
    content_type(message).is_some_and(|value| value.to_ascii_lowercase().starts_with(form))
}

/// The value of the first such field.
fn content_type(message: &Message) -> Option<Vec<u8>> {
    let head = &message.bytes.first[..message.bytes.first.len().min(message.head_end as usize)];
    // Line by line, since the last one may have been cut, and half of a value still tells a form.
    let mut lines = head.split(|&b| b == b'\n').filter_map(split_line);
    lines.find(|(name, _)| name.eq_ignore_ascii_case(b"content-type")).map(|(_, value)| value.to_vec())
}

/// The one place where bytes are painted over.
fn cover(message: &mut Message, places: &[(u64, u64)]) {
    let bytes = &mut message.bytes;
    let behind = bytes.first.len() as u64 + bytes.gap;
    let fill = |from: u64, to: u64, kept: &mut [u8], base: u64| {
        let at = |place: u64| place.saturating_sub(base).min(kept.len() as u64) as usize;
        let (from, to) = (at(from), at(to));
        kept[from..to].fill(b'*');
    };
    for &(from, to) in places {
        fill(from, to, &mut bytes.first, 0);
        fill(from, to, &mut bytes.last, behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::conversation::{Conversation, ExplainOptions};

    /// A number that looks like chance and is the same every day.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % sides
        }

        fn word(&mut self, len: usize) -> String {
            (0..len).map(|_| char::from(b"abcdefghijkmnpqrstuvwxyzABCDEFGH23456789-_~"[self.roll(43)])).collect()
        }
    }

    fn occurs(bytes: &[u8], secret: &[u8]) -> bool {
        bytes.windows(secret.len()).any(|w| w == secret)
    }

    /// All bytes that are left of a message: what was kept, and its content without chunks.
    fn left(message: &Message) -> Vec<Vec<u8>> {
        let kept = &message.bytes;
        vec![
            kept.first.clone(),
            kept.last.clone(),
            UnframedContent::of(message, false).bytes,
            UnframedContent::of(message, true).bytes,
        ]
    }

    #[track_caller]
    fn nowhere(messages: &[Message], secret: &str) {
        let encoded = STANDARD_NO_PAD.encode(secret);
        let hex: String = secret.bytes().map(|o| format!("{o:02x}")).collect();
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
    fn exchange(dice: &mut Dice, keep_all: bool) {
        let secrets: Vec<String> = (0..6)
            .map(|_| {
                let len = 6 + dice.roll(30);
                dice.word(len)
            })
            .collect();
        let [token, key, bearer, cookie, set, form] = &secrets[..] else { unreachable!() };
        let filler = "x".repeat(dice.roll(3000));
        let body = format!("a={filler}&password={form}&b=1");
        let request = format!(
            "POST /p?token={token}&q=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {bearer}\r\nCookie: theme={cookie}; n={key}\r\n\
             X-Api-Key: {key}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let hex: String = key.bytes().map(|o| format!("{o:02X}")).collect();
        let inside = STANDARD_NO_PAD.encode(format!("{}{bearer}", &"yyy"[dice.roll(4)..]));
        let echo = format!("{request}\n{hex}\n{inside}\n{}", STANDARD_NO_PAD.encode(cookie));
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: id={set}; HttpOnly\r\nX-Back: {token}\r\n").into_bytes();
        let chunked = dice.roll(2) == 0;
        if chunked {
            answer.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            let mut rest = echo.as_bytes();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at((1 + dice.roll(40)).min(rest.len()));
                crate::http::chunked::encode(chunk, &mut answer);
                rest = after;
            }
            answer.extend_from_slice(format!("0\r\nX-Sum: {set}\r\n\r\n").as_bytes());
        } else {
            answer.extend_from_slice(format!("Content-Length: {}\r\n\r\n{echo}", echo.len()).as_bytes());
        }
        let limits = Limits::default();
        let manner = if keep_all {
            ExplainOptions::whole(limits)
        } else {
            ExplainOptions::live(limits, RedactOptions::default())
        };
        let mut conversation = Conversation::new(&manner);
        let mut messages = Vec::new();
        for (bytes, received) in [(request.as_bytes(), true), (&answer, false)] {
            let mut rest = bytes;
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((1 + dice.roll(600)).min(rest.len()));
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
        let mut dice = Dice(4711);
        for round in 0..60 {
            exchange(&mut dice, round % 2 == 0);
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
    fn the_answer_to_a_short_secret_is_hidden_as_a_whole_and_the_next_one_is_not() {
        let request = "GET / HTTP/1.1\r\nHost: a\r\nCookie: pin=1234\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\npin=1234 !";
        let messages = converse(request, &answer.repeat(2));
        let first: Vec<_> = messages
            .iter()
            .filter(|m| m.role == Role::Response)
            .map(|m| (m.hidden, m.bytes.first.ends_with(b"**********")))
            .collect();
        assert_eq!(first, [(true, true), (false, false)]);
    }

    #[test]
    fn a_broken_request_shows_no_more_than_its_fault() {
        let request = "GET /?token=abcdefgh HTTP/1.1\r\nCookie: a=ijklmnop\r\nBad : x\r\nCookie: a=qrstuvwx\r\n\r\n";
        let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 26\r\n\r\nabcdefgh ijklmnop and more";
        let messages = converse(request, answer);
        assert!(messages[0].error.is_some());
        assert!(messages[0].bytes.first.ends_with(b"\r\nBad "), "the rest is not kept");
        for secret in ["abcdefgh", "ijklmnop", "qrstuvwx"] {
            nowhere(&messages, secret);
        }
    }

    #[test]
    fn a_secret_behind_a_forgotten_colon_is_one() {
        for line in ["Authorization Bearer abcdefgh", "cookie\ta=abcdefgh", "X-Api-Key abcdefgh"] {
            let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n");
            let answer = "HTTP/1.1 400 Bad Request\r\nContent-Length: 8\r\n\r\nabcdefgh";
            let messages = converse(&request, answer);
            assert!(messages[0].error.is_some() && messages[0].masked, "{line}");
            nowhere(&messages, "abcdefgh");
        }
    }

    #[test]
    fn a_password_before_a_host_is_hidden_though_the_field_is_refused() {
        for (fields, kept) in [
            ("Host: ann:Open-Sesame7@a.test\r\n", "*a.test"),
            ("Host: a\r\nHost: ann:Open-Sesame7@a.test\r\n", "*a.test"),
        ] {
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
    fn a_part_with_a_secret_name_is_hidden_wherever_the_form_is_cut_and_kept() {
        for (filler, chunked, keep_all) in
            [(0, false, true), (5000, false, false), (5000, true, false), (1990, true, false), (100, true, true)]
        {
            let part = |name: &str, data: &str| {
                format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{data}\r\n")
            };
            let form = part("x", "y") + &part("token", "abcdefgh") + &part("file", &"z".repeat(filler));
            let form = form + &part("Password", "opensesame") + "--b--\r\n";
            let mut request =
                b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=b\r\n".to_vec();
            if chunked {
                request.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                form.as_bytes().chunks(7).for_each(|chunk| crate::http::chunked::encode(chunk, &mut request));
                request.extend_from_slice(b"0\r\n\r\n");
            } else {
                request.extend_from_slice(format!("Content-Length: {}\r\n\r\n{form}", form.len()).as_bytes());
            }
            let limits = Limits::default();
            let manner = if keep_all {
                ExplainOptions::whole(limits)
            } else {
                ExplainOptions::live(limits, RedactOptions::default())
            };
            let mut conversation = Conversation::new(&manner);
            let mut messages = Vec::new();
            conversation.received(&request, &mut messages);
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nabcdefgh opensesame";
            conversation.sent(answer.as_bytes(), &mut messages);
            assert_eq!(messages.len(), 2);
            let text = String::from_utf8_lossy(&messages[0].bytes.first).into_owned();
            assert!(chunked || text.contains("name=\"token\""), "{text}");
            for secret in ["abcdefgh", "opensesame"] {
                nowhere(&messages, secret);
            }
        }
    }

    #[test]
    fn a_length_that_equals_a_secret_still_frames() {
        let request = "GET /?code=0000000021 HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 0000000021\r\n\r\n{}", "z".repeat(21));
        let messages = converse(request, &answer);
        assert_eq!((messages.len(), messages[1].error), (2, None));
        nowhere(&messages, "0000000021");
    }
}
