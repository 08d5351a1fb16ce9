//! Redaction: secrets are overwritten with `*` before anything of a message is kept, shown or saved.
//!
//! [`Redactor::redact`] is the only way out of [`crate::wire::explain`]: every message passes through it once, when it
//! is complete, and so does every copy of a message under way. It finds secrets in two ways:
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
//! | bytes after a form whose Content-Length is too small | `find_after_form` |
//! | the end of a message that is cut off or under way in it | `find_first_part` |
//! | the response, if the secret was not kept whole | `hide_content` |
//! | the bytes next to an omitted region | `widen_gap` |
//!
//! A secret that was not kept whole cannot be searched for. Instead the whole content of the response to it is hidden.
//! Each byte is replaced by one `*`, so that positions and lengths stay true; the length of a secret is shown, which
//! is accepted.

mod unread;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::http::grammar::is_ows;
use crate::http::{Fault, field::split_line};
use crate::wire::explain::{
    ExplainOptions, Message, MessageSpan, NoteId, Role, SpanKind,
    builder::shorten,
    lexer::Form,
    message::find_field,
    part,
    redact::unread::{Before, FormBefore},
    secrets::SHORTEST_CREDENTIALS,
    secrets::SHORTEST_OTHER,
    secrets::SecretValues,
    spans::carve,
    unframed::UnframedContent,
    unparsed,
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
    /// The last complete request, if it has a form.
    last_form: Option<FormBefore>,
}

impl Redactor {
    pub(crate) fn new(options: &Arc<ExplainOptions>) -> Redactor {
        let (options, values) = (Arc::clone(options), SecretValues::new());
        let (hidden, before) = (BTreeSet::new(), Default::default());
        Redactor { options, values, hidden, all_hidden: false, before, last_form: None }
    }

    /// The bytes of memory that it needs besides itself.
    pub(crate) fn held_bytes(&self) -> usize {
        /// An exchange in the set.
        const HIDDEN: usize = 16;
        let before = self.before.iter().map(|before| before.bytes.capacity()).sum::<usize>();
        let form = self.last_form.as_ref().map_or(0, FormBefore::held_bytes);
        self.values.held_bytes() + self.hidden.len() * HIDDEN + before + form
    }

    /// The same for a second pass over the same bytes: the values are known, and no response is awaited.
    pub(crate) fn restart(self) -> Redactor {
        Redactor { hidden: BTreeSet::new(), before: Default::default(), last_form: None, ..self }
    }

    /// Redacts a message, and shortens it to what is kept.
    pub(crate) fn redact(&mut self, message: &mut Message) {
        if self.options.redact.off {
            return shorten(message, self.options.keep);
        }
        // Read first: when the spans of form fields are carved out below, it is no longer clear what is content.
        let contents = UnframedContent::of(message);
        let mut places = Vec::new();
        let continues_form = message.role == Role::Request && self.find_after_form(message, &contents, &mut places);
        if message.is_unparsed() {
            self.find_in_unparsed(message, &contents, &mut places);
        } else {
            if message.error.is_some() || message.framing.is_none() {
                // In a head that is not complete and valid, the lines were not checked: one may be folded, for instance.
                let head = &message.bytes.first[..message.bytes.first.len().min(message.head_end as usize)];
                let found = unparsed::secrets(head, &self.options.redact).into_iter();
                places.extend(found.map(|(from, to)| (from as u64, to as u64)));
            }
            if message.error.is_some() {
                let is_form = continues_form || message.content_len() > 0 && form_of(message).is_some();
                self.before[message.role as usize] = Before { bytes: message.bytes.first.clone(), is_form };
            }
            self.find_by_place(message, &contents, &mut places);
        }
        if message.role == Role::Response {
            self.find_in_repeated_head(message, &contents, &mut places);
        }
        // After learning: the value of one field may stand in another field of the same message.
        self.find_values(message, &contents, &mut places);
        // The server's own bytes after a fault end where it wanted them to.
        let may_go_on = message.under_way.is_some() || message.error.is_some_and(|error| error.cut_off);
        if may_go_on || message.is_unparsed() && message.role == Role::Request {
            self.find_first_part(message, &contents, &mut places);
        }
        self.hide_content(message, &mut places);
        places.retain(|(from, to)| from < to);
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
                // More of the value may come. A part of it is hidden where it stands, and is no value.
                Some(_) if message.under_way.is_some() && span.end() == message.len() => {}
                Some(value) => {
                    self.learn(value.strip_suffix(b"@").unwrap_or(value), is_credentials(message, span.start))
                }
                // A secret that was not kept whole cannot be searched for.
                None => self.hide_response(message),
            }
        }
    }

    /// Remembers a secret.
    fn learn(&mut self, value: &[u8], is_credentials: bool) {
        self.values.learn(value, if is_credentials { SHORTEST_CREDENTIALS } else { SHORTEST_OTHER });
        // A client can send more values than are kept. Then everything is hidden: further secrets are not found.
        self.all_hidden |= self.values.is_full;
    }

    /// The content of the response to this request will be hidden. While the request is under way, more of it is kept
    /// than is read for a view of it: it is not certain yet.
    fn hide_response(&mut self, request: &Message) {
        if request.under_way.is_none() {
            self.hidden.insert(request.exchange);
        }
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
        self.hide_response(message);
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
            let is_known = message.under_way.is_none() || to < content.bytes.len();
            if span.kind == SpanKind::Secret && is_known {
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
        if !message.is_interim() && message.under_way.is_none() {
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
mod tests;
