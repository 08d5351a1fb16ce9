//! Secrets in bytes that were not read as what they are: those after a fault, content that repeats the head of a request,
//! the end of a message that is cut off or under way.

use std::sync::Arc;

use crate::http::Method;
use crate::wire::explain::{
    ExplainOptions, Message, SpanKind, builder::KeepLimits, lexer::Form, redact::Redactor, redact::form_of,
    requests::RequestReplay, unframed::UnframedContent, unparsed,
};

/// The broken message before bytes that are not parsed: a secret may begin in it.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Its first bytes, not redacted.
    pub(super) bytes: Vec<u8>,
    /// It broke inside the content of a form: the name of a value that goes on may stand anywhere in it.
    pub(super) is_form: bool,
}

/// A request that ended in a form.
#[derive(Debug)]
pub(super) struct FormBefore {
    form: Form,
    /// Its content, not redacted; after a gap the part that was kept at the back.
    content: Vec<u8>,
    /// Without a gap.
    is_whole: bool,
    /// Where the request ended.
    end: u64,
}

impl FormBefore {
    /// The bytes of memory that it needs besides itself.
    pub(super) fn held_bytes(&self) -> usize {
        self.content.capacity()
    }
}

impl Redactor {
    /// Secrets in bytes that directly follow a form: a client that counts characters instead of bytes sends more of
    /// it than its Content-Length says, and the rest is taken for the next request. Returns whether these are such
    /// bytes; a known method says that they are a request. Remembers the form of this request.
    pub(super) fn find_after_form(
        &mut self,
        message: &Message,
        [front, back]: &[UnframedContent; 2],
        places: &mut Vec<(u64, u64)>,
    ) -> bool {
        let bytes = &message.bytes.first;
        let last = self.last_form.as_ref().filter(|last| last.end == message.start && !begins_with_method(bytes));
        let continues = last.is_some();
        if let Some(FormBefore { form, content, is_whole, .. }) = last {
            let (known, joined) = (content.len(), [content, &bytes[..]].concat());
            // After a gap the content begins inside a value whose name is lost.
            let nameless = if *is_whole { 0 } else { form.first_separator(&joined).unwrap_or(joined.len()) };
            let spans = form.spans(&joined[nameless..], &self.options.redact).into_iter();
            let secret = spans.filter(|span| span.kind == SpanKind::Secret);
            let found = secret.map(|span| (nameless + span.start as usize, nameless + span.end() as usize));
            // A valid request line ends the form: at most its method belongs to it.
            let is_valid = message.error.is_none() && message.framing.is_some();
            let most = if is_valid { message.part(SpanKind::Method).len() } else { bytes.len() };
            let place = |at: usize| at.saturating_sub(known).min(most) as u64;
            places.extend(found.chain([(0, nameless)]).map(|(from, to)| (place(from), place(to))));
            if message.bytes.gap > 0 && !is_valid {
                places.push((message.bytes.gap_end(), message.len()));
            }
        }
        if message.under_way.is_none() && !message.is_unparsed() {
            let form = form_of(message).filter(|_| message.content_len() > 0);
            let is_whole = message.bytes.gap == 0;
            let content = if is_whole { front } else { back };
            self.last_form =
                form.map(|form| FormBefore { form, content: content.bytes.clone(), is_whole, end: message.end() });
        }
        continues
    }

    /// Secrets in content that repeats the head of a request, as TRACE and the echo do: there they have the same places
    /// as in that request. Such content is known by its first line, whatever its type.
    pub(super) fn find_in_repeated_head(
        &mut self,
        message: &Message,
        [front, back]: &[UnframedContent; 2],
        places: &mut Vec<(u64, u64)>,
    ) {
        let mut lines = front.bytes.split(|&b| b == b'\n');
        let line = lines.next().unwrap_or_default().trim_ascii_end();
        // A first line that is not complete may become one. All methods are in capitals.
        let may_become =
            message.under_way.is_some() && lines.next().is_none() && line.first().is_some_and(u8::is_ascii_uppercase);
        if !may_become && !line.windows(b" HTTP/1.".len()).any(|window| window == b" HTTP/1.") {
            return;
        }
        let options = ExplainOptions { keep: KeepLimits::ALL, ..ExplainOptions::clone(&self.options) };
        let (mut replay, mut requests) = (RequestReplay::new(&Arc::new(options)), Vec::new());
        replay.push(&front.bytes, &mut requests);
        replay.end(0, &mut requests);
        let mut read = 0;
        for request in &mut requests {
            let (contents, mut inner) = (UnframedContent::of(request), Vec::new());
            request.under_way = message.under_way;
            self.find_by_place(request, &contents, &mut inner);
            // One that is broken or cut off is read in all other ways as well.
            read = if request.error.is_none() { request.end() as usize } else { read };
            let inner =
                inner.into_iter().map(|(from, to)| ((request.start + from) as usize, (request.start + to) as usize));
            places.extend(inner.flat_map(|(from, to)| front.places(from, to)));
        }
        // What is not read as a valid request: a broken one, and what comes after the bytes that were kept.
        let read = read.min(front.bytes.len());
        for (content, from) in [(front, read), (back, 0)] {
            let rest = unparsed::secrets(&content.bytes[from..], &self.options.redact).into_iter();
            places.extend(rest.flat_map(|(start, end)| content.places(from + start, from + end)));
        }
    }

    /// Secrets in bytes that no parser reads. They go on where the broken message before them ends.
    pub(super) fn find_in_unparsed(
        &mut self,
        message: &Message,
        contents: &[UnframedContent; 2],
        places: &mut Vec<(u64, u64)>,
    ) {
        let before = &self.before[message.role as usize];
        if before.is_form {
            return places.push((0, message.len()));
        }
        let [front, back] = contents;
        let (known, joined) = (before.bytes.len(), [&before.bytes[..], &front.bytes].concat());
        let mut found = unparsed::secrets(&joined, &self.options.redact);
        found.retain(|&(_, to)| to > known);
        // The end of a value at the end may still come.
        for &(from, to) in found.iter().filter(|&&(_, to)| message.under_way.is_none() || to < joined.len()) {
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

    /// The end of a message that is cut off or under way: it may be the first part of a remembered value.
    pub(super) fn find_first_part(
        &self,
        message: &Message,
        contents: &[UnframedContent; 2],
        places: &mut Vec<(u64, u64)>,
    ) {
        let [front, back] = contents;
        let kept = if message.bytes.last.is_empty() { &message.bytes.first } else { &message.bytes.last };
        let len = self.values.first_part(kept) as u64;
        places.push((message.len() - len, message.len()));
        // In content a chunk may end inside the value.
        let content = if back.bytes.is_empty() { front } else { back };
        let (known, len) = (content.bytes.len(), self.values.first_part(&content.bytes));
        places.extend(content.places(known - len, known));
    }
}

/// Whether these bytes begin with the name of a method, or with the first part of one.
fn begins_with_method(bytes: &[u8]) -> bool {
    // A server ignores empty lines before a request line (RFC 9112 §2.2).
    let line = &bytes[bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count()..];
    match line.iter().position(|&b| b == b' ') {
        Some(end) => Method::of(&line[..end]) != Method::Other,
        None => !line.is_empty() && Method::ALL.iter().any(|method| method.name().as_bytes().starts_with(line)),
    }
}
