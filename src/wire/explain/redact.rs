//! Redaction: secrets are overwritten with `*` before anything of a message is kept, shown or saved.
//!
//! [`Redactor::redact`] is the only way out of [`crate::wire::explain`]: every message passes through it once, when it
//! is complete. It finds secrets in two ways:
//! - by place: spans that `value` calls secret, secret names in forms, and lines that are invalid and still contain
//!   a secret;
//! - by value: a value that was secret once is redacted wherever it appears later on its connection, in both
//!   directions, in heads and in content, also across chunk boundaries ([`SecretValues`]). Only values that are long
//!   enough not to be found by chance: [`SHORTEST_CREDENTIALS`], [`SHORTEST_OTHER`]. Shorter ones are redacted by place
//!   alone, also in content that repeats a head.
//!
//! | a secret stands in | it is found by |
//! |---|---|
//! | a query, a cookie, an `Authorization`, a field that the user named | its span (`value`) |
//! | a form, urlencoded or in parts | `find_in_form` |
//! | an address or a Host field with a user name, which is refused | `redact`, `find_in_errors` |
//! | a field line without colon, which is refused | `find_without_colon` |
//! | any place in a later message | `find_values` |
//! | content that repeats a head: TRACE, the echo | `find_in_repeated_head` |
//! | bytes that no parser reads | `find_in_unparsed` |
//! | the end of a message that was cut off in it | `find_first_part` |
//! | the response, if the secret was not kept whole | `hide_content` |
//! | the bytes next to an omitted region | `widen_gap` |
//!
//! A secret that was not kept whole cannot be searched for. Instead the whole content of the response to it is hidden.
//! Each byte is replaced by one `*`, so that positions and lengths stay true; the length of a secret is shown, which
//! is accepted.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::http::grammar::is_ows;
use crate::http::{Fault, field::split_line};
use crate::wire::explain::{
    ExplainOptions, Message, MessageSpan, NoteId, Role, SpanKind, builder::KeepLimits, builder::shorten, lexer::Form,
    message::find_field, part, requests::RequestReplay, secrets::SHORTEST_CREDENTIALS, secrets::SHORTEST_OTHER,
    secrets::SecretValues, spans::carve, unframed::UnframedContent, unparsed,
};

/// Most exchanges with a secret that was not kept, whose responses are awaited. With more of them every response is hidden.
const WAITING: usize = 1024;

/// The secrets of one connection.
#[derive(Debug)]
pub(crate) struct Redactor {
    options: Arc<ExplainOptions>,
    /// The secrets of both directions, for as long as the connection lasts.
    pub(crate) values: SecretValues,
    /// Exchanges whose response may repeat a secret that was not kept.
    hidden: BTreeSet<u64>,
    /// Every response is hidden from now on: there were more secrets than are remembered. Never unset.
    all_hidden: bool,
    /// What comes before the bytes that are not parsed, of requests and of responses.
    before: [Before; 2],
}

/// The broken message before bytes that are not parsed: a secret may begin in it.
#[derive(Debug, Default)]
struct Before {
    /// Its first bytes, not redacted.
    bytes: Vec<u8>,
    /// It broke inside the content of a form: the name of a value that goes on may stand anywhere in it.
    is_form: bool,
}

impl Redactor {
    pub(crate) fn new(options: &Arc<ExplainOptions>) -> Redactor {
        let (options, values) = (Arc::clone(options), SecretValues::new());
        Redactor { options, values, hidden: BTreeSet::new(), all_hidden: false, before: Default::default() }
    }

    /// The bytes of memory that it needs besides itself.
    pub(crate) fn held_bytes(&self) -> usize {
        /// An exchange in the set.
        const HIDDEN: usize = 16;
        let before = self.before.iter().map(|before| before.bytes.capacity()).sum::<usize>();
        self.values.held_bytes() + self.hidden.len() * HIDDEN + before
    }

    /// The same for a second pass over the same bytes: the values are known, and no response is awaited.
    pub(crate) fn restart(self) -> Redactor {
        Redactor { hidden: BTreeSet::new(), before: Default::default(), ..self }
    }

    /// Redacts a message, and shortens it to what is kept.
    pub(crate) fn redact(&mut self, message: &mut Message) {
        if self.options.redact.off {
            return shorten(message, self.options.keep);
        }
        // Read first: when the spans of form fields are carved out below, it is no longer clear what is content.
        let contents = UnframedContent::of(message);
        let mut places = Vec::new();
        if message.is_unparsed() {
            self.find_in_unparsed(message, &contents, &mut places);
        } else {
            if message.error.is_some() {
                // In a head that is broken or cut off, the lines were not checked: one may be folded, for instance.
                let head = &message.bytes.first[..message.bytes.first.len().min(message.head_end as usize)];
                let found = unparsed::secrets(head, &self.options.redact).into_iter();
                places.extend(found.map(|(from, to)| (from as u64, to as u64)));
                let is_form = message.content_len() > 0 && form_of(message).is_some();
                self.before[message.role as usize] = Before { bytes: message.bytes.first.clone(), is_form };
            }
            self.find_by_place(message, &contents, &mut places);
        }
        if message.role == Role::Response {
            self.find_in_repeated_head(&contents, &mut places);
        }
        // After learning: the value of one field may stand in another field of the same message.
        self.find_values(message, &contents, &mut places);
        // The server's own bytes after a fault end where it wanted them to.
        if message.error.is_some_and(|error| error.cut_off) || message.is_unparsed() && message.role == Role::Request {
            self.find_first_part(message, &mut places);
        }
        self.hide_content(message, &mut places);
        message.masked = !places.is_empty();
        overwrite(message, &places);
        self.widen_gap(message, &contents);
        // Last: what is cut off here was needed to recognise secrets at the edges.
        shorten(message, self.options.keep);
    }

    /// The places of secrets that are known by where they stand. They are remembered.
    fn find_by_place(&mut self, message: &mut Message, contents: &[UnframedContent; 2], places: &mut Vec<(u64, u64)>) {
        let nameless = self.find_in_form(message, contents);
        self.find_in_errors(message, places);
        // An address with a user name is refused. The bad bytes are the name and the password.
        let userinfo = NoteId::fault(Fault::TargetUserinfo);
        let is_secret =
            |span: &&MessageSpan| span.kind == SpanKind::Secret || span.kind == SpanKind::Bad && span.note == userinfo;
        for span in message.spans.iter().filter(is_secret) {
            places.push((span.start, span.end()));
            match message.bytes.whole(span.start, span.len) {
                // Content whose name was not kept is hidden in case it is secret. To search for it as well would
                // hide ordinary text in later messages.
                _ if (message.bytes.gap_end()..nameless).contains(&span.start) => {}
                Some(value) => {
                    self.learn(value.strip_suffix(b"@").unwrap_or(value), is_credentials(message, span.start))
                }
                // A secret that was not kept whole cannot be searched for.
                None => self.hide_response(message.exchange),
            }
        }
    }

    /// Secrets in content that repeats the head of a request, as TRACE and the echo do: there they have the same places
    /// as in that request. Such content is known by its first line, whatever its type.
    fn find_in_repeated_head(&mut self, [front, back]: &[UnframedContent; 2], places: &mut Vec<(u64, u64)>) {
        let line = front.bytes.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
        if !line.windows(b" HTTP/1.".len()).any(|window| window == b" HTTP/1.") {
            return;
        }
        let options = ExplainOptions { keep: KeepLimits::ALL, ..ExplainOptions::clone(&self.options) };
        let (mut replay, mut requests) = (RequestReplay::new(&Arc::new(options)), Vec::new());
        replay.push(&front.bytes, &mut requests);
        replay.end(0, &mut requests);
        let mut read = 0;
        for request in &mut requests {
            let (contents, mut inner) = (UnframedContent::of(request), Vec::new());
            self.find_by_place(request, &contents, &mut inner);
            read = request.end() as usize;
            let inner =
                inner.into_iter().map(|(from, to)| ((request.start + from) as usize, (request.start + to) as usize));
            places.extend(inner.flat_map(|(from, to)| front.places(from, to)));
        }
        // What is not read as a request: after a fault, or after the bytes that were kept.
        let read = read.min(front.bytes.len());
        for (content, from) in [(front, read), (back, 0)] {
            let rest = unparsed::secrets(&content.bytes[from..], &self.options.redact).into_iter();
            places.extend(rest.flat_map(|(start, end)| content.places(from + start, from + end)));
        }
    }

    /// Secrets in bytes that no parser reads. They go on where the broken message before them ends.
    fn find_in_unparsed(&mut self, message: &Message, contents: &[UnframedContent; 2], places: &mut Vec<(u64, u64)>) {
        let before = std::mem::take(&mut self.before[message.role as usize]);
        if before.is_form {
            return places.push((0, message.len()));
        }
        let [front, back] = contents;
        let (known, joined) = (before.bytes.len(), [&before.bytes[..], &front.bytes].concat());
        let mut found = unparsed::secrets(&joined, &self.options.redact);
        found.retain(|&(_, to)| to > known);
        for &(from, to) in &found {
            self.learn(&joined[from..to], false);
        }
        found.extend(self.values.find(&joined).into_iter().filter(|&(_, to)| to > known));
        places.extend(found.into_iter().flat_map(|(from, to)| front.places(from.max(known) - known, to - known)));
        // After a gap the first line may be the end of a secret.
        let line = back.bytes.iter().position(|&b| b == b'\n').unwrap_or(back.bytes.len());
        places.extend(back.places(0, line));
        let rest = unparsed::secrets(&back.bytes[line..], &self.options.redact).into_iter();
        places.extend(rest.flat_map(|(from, to)| back.places(line + from, line + to)));
    }

    /// The last word of a message that was cut off: it may be the first part of a remembered value. The parts of values
    /// are not remembered, since they would give the values away. So it is hidden wherever a value could stand.
    fn find_first_part(&self, message: &Message, places: &mut Vec<(u64, u64)>) {
        /// Fewer bytes of a secret tell nothing.
        const TELLING: usize = 4;
        let kept = if message.bytes.last.is_empty() { &message.bytes.first } else { &message.bytes.last };
        let ends = |&b: &u8| b.is_ascii_whitespace() || b":=&;,\"".contains(&b);
        let word = kept.len() - kept.iter().rposition(ends).map_or(0, |at| at + 1);
        let line = kept.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
        // The first word of a line is the name of a field, or a method.
        let is_value = message.content_len() > 0 || kept[line..kept.len() - word].iter().any(ends);
        let is_version = kept[kept.len() - word..].starts_with(b"HTTP/");
        if self.values.longest() > 0 && word >= TELLING && is_value && !is_version {
            places.push((message.len() - word as u64, message.len()));
        }
    }

    /// Remembers a secret.
    fn learn(&mut self, value: &[u8], is_credentials: bool) {
        self.values.learn(value, if is_credentials { SHORTEST_CREDENTIALS } else { SHORTEST_OTHER });
        // A client can send more values than are kept. Then everything is hidden: further secrets are not found.
        self.all_hidden |= self.values.is_full;
    }

    /// The content of the response of this exchange will be hidden.
    fn hide_response(&mut self, exchange: u64) {
        self.hidden.insert(exchange);
        self.all_hidden |= self.hidden.len() > WAITING;
    }

    /// Secrets in bytes that were refused. A refused line has no spans by place, and is shown in full otherwise.
    fn find_in_errors(&mut self, message: &Message, places: &mut Vec<(u64, u64)>) {
        for span in message.spans.iter().filter(|span| span.kind == SpanKind::Bad) {
            let bytes = message.bytes.whole(span.start, span.len).unwrap_or_default();
            let is = |fault| span.note == NoteId::fault(fault);
            if (is(Fault::HostInvalid) || is(Fault::HostTwice))
                && let Some(at) = bytes.iter().rposition(|&b| b == b'@')
            {
                // A Host field with a user name; the host itself may be shown.
                places.push((span.start, span.start + at as u64 + 1));
                self.learn(&bytes[..at], false);
            } else if is(Fault::NoColon) {
                self.find_without_colon(span, bytes, places);
            }
        }
    }

    /// A line without colon: after the name of a secret field stands what the client meant as its value.
    fn find_without_colon(&mut self, span: &MessageSpan, line: &[u8], places: &mut Vec<(u64, u64)>) {
        let (name, value) = line.split_at(line.iter().position(|&b| is_ows(b)).unwrap_or(line.len()));
        if value.is_empty() || !self.options.redact.is_secret_field(name) {
            return;
        }
        places.push((span.start + name.len() as u64, span.end()));
        let words = value.split(|&b| is_ows(b) || b == b';').filter(|word| !word.is_empty());
        // `Authorization Bearer abc`: the first of several words is the scheme, which is no secret.
        let is_credentials = is_authorization(name);
        let has_scheme = is_credentials && words.clone().count() > 1;
        for word in words.skip(usize::from(has_scheme)) {
            // `Cookie a=abc`: the name of a cookie is no secret.
            let equals = word.iter().position(|&b| b == b'=').filter(|&at| at + 1 < word.len());
            self.learn(&word[equals.map_or(0, |at| at + 1)..], is_credentials);
        }
    }

    /// Carves out the spans of a form, urlencoded or in parts. Returns where those bytes at the back end that are
    /// taken for secret because their names were not kept; 0 if there are none.
    fn find_in_form(&mut self, message: &mut Message, [front, back]: &[UnframedContent; 2]) -> u64 {
        let Some(form) = form_of(message) else { return 0 };
        self.carve_form(message, &form, front, 0);
        if message.bytes.gap == 0 {
            return 0;
        }
        // Names and values in the part that was not kept are unknown, and the response may repeat them.
        self.hide_response(message.exchange);
        // The back begins inside a value whose name is lost. It ends at the first separator.
        let nameless = form.first_separator(&back.bytes).unwrap_or(back.bytes.len());
        let mut end = 0;
        for (start, to) in back.places(0, nameless) {
            let span = MessageSpan { start, len: to - start, kind: SpanKind::Secret, note: part::SECRET };
            carve(&mut message.spans, span);
            end = to;
        }
        self.carve_form(message, &form, back, nameless);
        end
    }

    /// Carves out the spans of form content from `at` of `content` on, and learns the secrets in it.
    fn carve_form(&mut self, message: &mut Message, form: &Form, content: &UnframedContent, at: usize) {
        // Ordinary data is content like any other: its spans are those of the framing.
        let spans = form.spans(&content.bytes[at..], &self.options.redact).into_iter();
        for span in spans.filter(|span| span.kind != SpanKind::Body) {
            let (from, to) = (at + span.start as usize, at + span.end() as usize);
            if span.kind == SpanKind::Secret {
                // Learned here in one piece: in the message it may lie in several chunks.
                self.learn(&content.bytes[from..to], false);
            }
            for (start, end) in content.places(from, to) {
                carve(&mut message.spans, MessageSpan { start, len: end - start, ..span });
            }
        }
    }

    /// The places of all remembered values.
    fn find_values(&self, message: &Message, contents: &[UnframedContent; 2], places: &mut Vec<(u64, u64)>) {
        for (bytes, base) in [(&message.bytes.first, 0), (&message.bytes.last, message.bytes.gap_end())] {
            let found = self.values.find(bytes).into_iter();
            places.extend(found.map(|(start, end)| (base + start as u64, base + end as u64)));
        }
        // A value may lie across chunks. Content in one piece was searched above.
        for content in contents.iter().filter(|content| content.pieces.len() > 1) {
            for (start, end) in self.values.find(&content.bytes) {
                places.extend(content.places(start, end));
            }
        }
    }

    /// Hides the content of a response that may repeat a secret which was not kept.
    fn hide_content(&mut self, message: &mut Message, places: &mut Vec<(u64, u64)>) {
        if message.role == Role::Request || !(self.all_hidden || self.hidden.contains(&message.exchange)) {
            return;
        }
        let before = places.len();
        places.extend(message.spans.iter().filter(|span| span.is_content()).map(|span| (span.start, span.end())));
        message.hidden = places.len() > before;
        // Interim responses come first; the secret still waits for the final one.
        if !message.is_interim() {
            // Not that of this exchange: bytes after its response are hidden as well.
            self.hidden = self.hidden.split_off(&message.exchange);
        }
    }

    /// Leaves out the bytes next to a gap as well, as many as the longest value has: they may be half of a secret,
    /// whose other half was not kept, so that the search could not find it.
    ///
    /// ```text
    /// kept   … hunt | gap, begins with er22 | …     the search for `hunter22` does not find its first half
    /// after  …   | gap, begins before hunt  | …     the half is left out too
    /// ```
    fn widen_gap(&self, message: &mut Message, [front, back]: &[UnframedContent; 2]) {
        // One byte less than the longest value: a value of which all bytes were kept was found by the search.
        let (most, known) = (self.values.longest().saturating_sub(1), front.bytes.len());
        let from = front.places(known.saturating_sub(most), known).first().map(|place| place.0);
        let to = back.places(0, most).last().map(|place| place.1);
        message.bytes.widen(from, to);
    }
}

/// The form in the content of a message.
fn form_of(message: &Message) -> Option<Form> {
    Form::of(message.role, find_field(&message.fields(), "content-type")?)
}

/// Whether the byte at this position belongs to a field with credentials.
fn is_credentials(message: &Message, at: u64) -> bool {
    let line = message.lines.iter().find(|line| line.start <= at && at < line.start + line.len);
    let line = line.and_then(|line| split_line(message.bytes.whole(line.start, line.len)?));
    line.is_some_and(|(name, _)| is_authorization(name))
}

/// Whether a field of this name carries credentials.
fn is_authorization(name: &[u8]) -> bool {
    [&b"authorization"[..], b"proxy-authorization"].iter().any(|field| field.eq_ignore_ascii_case(name))
}

/// Replaces the bytes at these places by `*`. Bytes change nowhere else.
fn overwrite(message: &mut Message, places: &[(u64, u64)]) {
    let bytes = &mut message.bytes;
    let gap_end = bytes.gap_end();
    for (kept, base) in [(&mut bytes.first, 0), (&mut bytes.last, gap_end)] {
        // A place may lie across the gap, or in it.
        let index = |position: u64| position.saturating_sub(base).min(kept.len() as u64) as usize;
        let ranges: Vec<_> = places.iter().map(|&(from, to)| index(from)..index(to)).collect();
        ranges.into_iter().for_each(|range| kept[range].fill(b'*'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::service::testing::rounds;
    use crate::wire::explain::{Conversation, RedactOptions};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

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
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nSet-Cookie: id={set}; HttpOnly\r\nX-Back: {token}\r\n").into_bytes();
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
        let options = if keep_all {
            ExplainOptions::whole(limits)
        } else {
            ExplainOptions::live(limits, RedactOptions::default())
        };
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

    /// Every byte of a side is shown or is a star, and none of the secrets is readable, not even the start of one.
    #[track_caller]
    fn whole_and_hidden(messages: &[Message], role: Role, sent: &[u8], secrets: &[&str]) {
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
        let is_inside =
            |plain: &str| original.contains(plain) && (role == Role::Response || !original.ends_with(plain));
        for plain in ["HTTP/1.1", "plain-text", "Host", "--b\r\n"].iter().filter(|plain| is_inside(plain)) {
            assert!(text.contains(*plain), "{plain} is not shown in {text}");
        }
    }

    #[test]
    fn no_secret_is_readable_at_any_moment_wherever_a_message_breaks_or_is_cut() {
        let secret = "Open-Sesame-7";
        let url = "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n";
        let multi = "Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n";
        let part = "--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\n\r\n";
        let mut requests: Vec<String> = Vec::new();
        for fault in
            ["Bad : x\r\n", "No colon\r\n", "X: a\0b\r\n", "X: y\n", "Transfer-Encoding: gzip\r\n", " folded\r\n"]
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
        for (head, content) in
            [(url, format!("a=b&password={secret}")), (multi, format!("{part}{secret}\r\n--b--\r\n"))]
        {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{head}");
            // The content breaks before the secret, in it, and after it.
            for at in [1, content.find(secret).unwrap() + 5, content.len()] {
                let (one, two) = content.split_at(at);
                requests.push(format!("{head}{:x}\r\n{one}\r\nbad size\r\n{two}\r\n", one.len()));
            }
        }
        for request in requests.iter().map(String::as_bytes) {
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
}
