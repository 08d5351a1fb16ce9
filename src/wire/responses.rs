//! The server's octets to responses.
//!
//! RFC 9112 §4 (status line), §6.3 (all eight rules: a response needs the method of its request), §7
//! (chunks). It reads strictly, as a client should: whatever a careful client would refuse is broken.
//!
//! Never: the alphabets, the field lines or the chunks by rules of its own; those are
//! [`crate::http::octet`], [`field::diagnose`] and [`Decoder`], which requests are read with too.
//!
//! The subtle thing: a response without length ends where the connection does (rule 8), so it is
//! complete only in [`Responses::end`], and nobody can tell whether it was cut off.

use super::dictionary::{Flaw, NoteId};
use super::draft::{Draft, Keep, broken};
use super::span::{Content, Framed, Message, Role};
use super::value::Hide;
use crate::http::chunked::{Chunk, Decoder};
use crate::http::octet::{self, decimal, is_field_octet};
use crate::http::{Fault, Limits, Method, Status, field};

/// Where the reader stands.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one for each connection")]
enum Reading {
    Head,
    Length(Draft, Framed, u64),
    Chunked(Draft, Framed, Decoder),
    UntilClose(Draft, Framed),
    /// Broken, or no HTTP any more.
    Shut,
}

/// The reader of one connection.
#[derive(Debug)]
pub(super) struct Responses {
    limits: Limits,
    hide: Hide,
    keep: Keep,
    reading: Reading,
    pending: Vec<u8>,
    /// Where the search for the end of a head goes on.
    looked: usize,
    at: u64,
    /// The exchange whose answer comes next, counted from 1.
    exchange: u64,
}

/// What is wrong: first octet, how many, note.
type Blame = (usize, usize, NoteId);

impl Responses {
    pub(super) fn new(limits: Limits, hide: Hide, keep: Keep) -> Responses {
        Responses {
            limits: Limits { head: Limits::HEAD_CEILING, ..limits },
            hide,
            keep,
            reading: Reading::Head,
            pending: Vec::new(),
            looked: 0,
            at: 0,
            exchange: 1,
        }
    }

    /// The exchange whose answer is being read.
    pub(super) fn exchange(&self) -> u64 {
        self.exchange
    }

    /// Whether a response has begun that is not complete.
    pub(super) fn is_inside(&self) -> bool {
        match self.reading {
            Reading::Head => !self.pending.is_empty(),
            Reading::Shut => false,
            _ => true,
        }
    }

    /// Whether what comes now is read at all.
    pub(super) fn is_shut(&self) -> bool {
        matches!(self.reading, Reading::Shut)
    }

    /// Reads on; `method` tells the method of an exchange.
    pub(super) fn push(&mut self, octets: &[u8], method: &impl Fn(u64) -> Method, found: &mut impl FnMut(Message)) {
        let mut input = std::mem::take(&mut self.pending);
        input.extend_from_slice(octets);
        let mut used = 0;
        loop {
            let before = used;
            let again = self.step(&input[used..], &mut used, method, found);
            self.at += (used - before) as u64;
            if !again {
                break;
            }
        }
        if self.is_shut() {
            self.at += (input.len() - used) as u64;
        } else {
            input.drain(..used);
            self.pending = input;
        }
    }

    /// Octets that went out without passing through the program: only content of known length does.
    pub(super) fn unseen(&mut self, len: u64, first: &[u8], last: &[u8], found: &mut impl FnMut(Message)) {
        self.at += len;
        match std::mem::replace(&mut self.reading, Reading::Shut) {
            Reading::Length(mut draft, framed, left) => {
                draft.unseen(len.min(left), first, last);
                self.reading = Reading::Length(draft, framed, left.saturating_sub(len));
                if left <= len {
                    self.complete(found);
                }
            }
            Reading::UntilClose(mut draft, framed) => {
                draft.unseen(len, first, last);
                self.reading = Reading::UntilClose(draft, framed);
            }
            other => self.reading = other,
        }
    }

    /// The server has ended its side, or the connection is gone.
    pub(super) fn end(&mut self, found: &mut impl FnMut(Message)) {
        let pending = std::mem::take(&mut self.pending);
        let cut_off = |draft: &Draft, flaw| broken(draft.end() - draft.start(), 0, NoteId::flaw(flaw), true);
        match std::mem::replace(&mut self.reading, Reading::Shut) {
            Reading::Head if pending.is_empty() => {}
            Reading::Head => {
                let draft = self.draft(&pending);
                let broken = cut_off(&draft, Flaw::HeadCutOff);
                found(draft.finish(None, broken));
            }
            Reading::Length(draft, framed, _) => {
                let broken = cut_off(&draft, Flaw::ContentCutOff);
                found(draft.finish(Some(framed), broken));
            }
            Reading::Chunked(mut draft, framed, _) => {
                draft.chunk_lines(&pending, &self.hide);
                let broken = cut_off(&draft, Flaw::ChunksCutOff);
                let framed = counted(framed, &draft);
                found(draft.finish(Some(framed), broken));
            }
            Reading::UntilClose(draft, framed) => {
                let octets = draft.end() - draft.start() - draft.head_len();
                found(draft.finish(Some(Framed { content: Content::UntilClose(octets), ..framed }), None));
            }
            Reading::Shut => {}
        }
    }

    fn draft(&self, head: &[u8]) -> Draft {
        Draft::new(Role::Response, self.exchange, self.at, self.keep, head, &self.hide)
    }

    /// One step; whether another one may find something.
    fn step(
        &mut self,
        input: &[u8],
        used: &mut usize,
        method: &impl Fn(u64) -> Method,
        found: &mut impl FnMut(Message),
    ) -> bool {
        match &mut self.reading {
            Reading::Head => match self.head_end(input) {
                Ok(None) => false,
                Ok(Some(end)) => {
                    *used += end;
                    self.looked = 0;
                    self.head(&input[..end], method, found)
                }
                Err(blame) => {
                    *used += blame.0 + blame.1;
                    self.broken_head(&input[..blame.0 + blame.1], blame, found)
                }
            },
            Reading::Length(draft, _, left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                draft.content(&input[..take]);
                *left -= take as u64;
                *used += take;
                let done = *left == 0;
                if done {
                    self.complete(found);
                }
                done
            }
            Reading::Chunked(..) => self.chunk(input, used, found),
            Reading::UntilClose(draft, _) => {
                draft.content(input);
                *used += input.len();
                false
            }
            Reading::Shut => false,
        }
    }

    /// Where the head ends; a line end that is none is found before that.
    fn head_end(&mut self, input: &[u8]) -> Result<Option<usize>, Blame> {
        const BEGIN: &[u8] = b"HTTP/";
        for at in self.looked..input.len() {
            // What begins otherwise is no status line and will not become one.
            if BEGIN.get(at).is_some_and(|&o| o != input[at]) {
                return Err((0, at + 1, NoteId::flaw(Flaw::StatusLine)));
            }
            match (input[at], at.checked_sub(1).map(|b| input[b])) {
                (b'\n', Some(b'\r')) => {
                    if at >= 3 && input[..=at].ends_with(b"\r\n\r\n") {
                        return Ok(Some(at + 1));
                    }
                }
                (b'\n', _) => return Err((at, 1, NoteId::fault(Fault::BareLf))),
                (_, Some(b'\r')) => return Err((at - 1, 1, NoteId::fault(Fault::BareCr))),
                _ => {}
            }
            if at >= self.limits.head {
                return Err((at, 0, NoteId::flaw(Flaw::HeadTooLong)));
            }
        }
        self.looked = input.len();
        Ok(None)
    }

    /// A whole head: judged, framed. Whether to go on.
    fn head(&mut self, head: &[u8], method: &impl Fn(u64) -> Method, found: &mut impl FnMut(Message)) -> bool {
        let judged = judge(head).and_then(|status| Ok((status, frame(head, status, method(self.exchange))?)));
        let (status, framed) = match judged {
            Ok(both) => both,
            Err(blame) => return self.broken_head(&head[..blame.0 + blame.1], blame, found),
        };
        let draft = self.draft(head);
        match framed.content {
            Content::Tunnel => {
                found(draft.finish(Some(framed), None));
                self.reading = Reading::Shut;
                return false;
            }
            Content::Length(length @ 1..) => self.reading = Reading::Length(draft, framed, length),
            Content::Chunked { .. } => self.reading = Reading::Chunked(draft, framed, Decoder::default()),
            Content::UntilClose(_) => self.reading = Reading::UntilClose(draft, framed),
            _ => {
                found(draft.finish(Some(framed), None));
                // After an interim response the final one is still to come.
                self.exchange += u64::from(!status.is_interim());
            }
        }
        true
    }

    fn broken_head(&mut self, head: &[u8], blame: Blame, found: &mut impl FnMut(Message)) -> bool {
        let broken = broken(blame.0 as u64, blame.1 as u64, blame.2, false);
        found(self.draft(head).finish(None, broken));
        self.reading = Reading::Shut;
        false
    }

    fn chunk(&mut self, input: &[u8], used: &mut usize, found: &mut impl FnMut(Message)) -> bool {
        let Reading::Chunked(draft, framed, decoder) = &mut self.reading else { return false };
        let (step, chunk) = decoder.step(input, &self.limits);
        *used += step;
        let lines = |draft: &mut Draft, octets: &[u8], hide: &Hide| {
            if !octets.is_empty() {
                draft.chunk_lines(octets, hide);
            }
        };
        match chunk {
            Chunk::NeedMore => false,
            Chunk::Data(data) => {
                draft.chunk_data(data);
                true
            }
            Chunk::Line => {
                lines(draft, &input[..step], &self.hide);
                true
            }
            Chunk::End => {
                lines(draft, &input[..step], &self.hide);
                self.complete(found);
                true
            }
            Chunk::Refused(refusal) => {
                let end = usize::try_from(refusal.at + refusal.len).unwrap_or(usize::MAX).min(input.len());
                let at = draft.end() - draft.start() + refusal.at;
                lines(draft, &input[..end], &self.hide);
                *used += end;
                let broken = broken(at, refusal.len, NoteId::fault(refusal.fault), false);
                let framed = counted(*framed, draft);
                if let Reading::Chunked(draft, ..) = std::mem::replace(&mut self.reading, Reading::Shut) {
                    found(draft.finish(Some(framed), broken));
                }
                false
            }
        }
    }

    fn complete(&mut self, found: &mut impl FnMut(Message)) {
        match std::mem::replace(&mut self.reading, Reading::Head) {
            Reading::Length(draft, framed, _) => found(draft.finish(Some(framed), None)),
            Reading::Chunked(draft, framed, _) => {
                let framed = counted(framed, &draft);
                found(draft.finish(Some(framed), None));
            }
            other => self.reading = other,
        }
        self.exchange += 1;
    }
}

fn counted(framed: Framed, draft: &Draft) -> Framed {
    Framed { content: Content::Chunked { chunks: draft.chunks.count, octets: draft.chunks.octets }, ..framed }
}

/// Whether the head of a response is one; its status.
fn judge(head: &[u8]) -> Result<Status, Blame> {
    let mut at = 0;
    let mut status = None;
    for line in head.split_inclusive(|&o| o == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or(line);
        match status {
            None => status = Some(status_line(text)?),
            Some(_) if text.is_empty() => break,
            Some(_) => {
                if let Some((fault, offset, len)) = field::diagnose(text) {
                    return Err((at + offset, len, NoteId::fault(fault)));
                }
            }
        }
        at += line.len();
    }
    status.ok_or((0, 0, NoteId::flaw(Flaw::StatusLine)))
}

/// HTTP-version SP 3DIGIT SP [ reason-phrase ]; the last space may be missing, as RFC 9112 §4 lets a
/// client forgive.
fn status_line(line: &[u8]) -> Result<Status, Blame> {
    let flaw = |flaw, at, len| Err((at, len, NoteId::flaw(flaw)));
    let [b'H', b'T', b'T', b'P', b'/', major, b'.', minor, b' ', rest @ ..] = line else {
        return flaw(Flaw::StatusLine, 0, line.len());
    };
    if !major.is_ascii_digit() || !minor.is_ascii_digit() {
        return Err((0, 8, NoteId::fault(Fault::VersionSyntax)));
    }
    if *major != b'1' {
        return Err((0, 8, NoteId::fault(Fault::VersionUnsupported)));
    }
    let end = rest.iter().position(|&o| o == b' ').unwrap_or(rest.len());
    let code = decimal(&rest[..end]).filter(|_| end == 3).and_then(|n| u16::try_from(n).ok()).and_then(Status::new);
    let Some(status) = code else { return flaw(Flaw::StatusCode, 9, end) };
    match rest[end..].iter().position(|&o| !is_field_octet(o)) {
        Some(bad) => Err((9 + end + bad, 1, NoteId::fault(Fault::FieldValue))),
        None => Ok(status),
    }
}

/// RFC 9112 §6.3 for responses.
fn frame(head: &[u8], status: Status, method: Method) -> Result<Framed, Blame> {
    let framed = |rule, content| Ok(Framed { rule, content });
    if method == Method::Head && !status.is_interim() {
        return framed(1, Content::NoneByHead);
    }
    if status.code() == 101 || (method == Method::Connect && (200..300).contains(&status.code())) {
        return framed(2, Content::Tunnel);
    }
    if status.forbids_content() {
        return framed(1, Content::NoneBy(status.code()));
    }
    let codings = values(head, b"transfer-encoding");
    let lengths = values(head, b"content-length");
    if let Some(&(at, last)) = codings.last() {
        if head.starts_with(b"HTTP/1.0") {
            return Err((at, last.len(), NoteId::fault(Fault::CodingInHttp10)));
        }
        let names: Vec<&[u8]> =
            codings.iter().flat_map(|(_, v)| field::elements(v)).map(|e| field::parameters(e).0).collect();
        let chunked = |name: &&[u8]| name.eq_ignore_ascii_case(b"chunked");
        if names.iter().rev().skip(1).any(chunked) {
            return Err((at, last.len(), NoteId::fault(Fault::CodingNotFinal)));
        }
        return match names.last() {
            Some(name) if chunked(name) => {
                let rule = if lengths.is_empty() { 4 } else { 3 };
                framed(rule, Content::Chunked { chunks: 0, octets: 0 })
            }
            // A coding without chunks has no end but the connection's.
            _ => framed(4, Content::UntilClose(0)),
        };
    }
    let Some(&(at, first)) = lengths.first() else { return framed(8, Content::UntilClose(0)) };
    let Some(length) = decimal(first) else { return Err((at, first.len(), NoteId::fault(Fault::LengthInvalid))) };
    match lengths.iter().find(|(_, other)| *other != first) {
        Some(&(at, other)) => Err((at, other.len(), NoteId::fault(Fault::LengthTwice))),
        None => framed(6, Content::Length(length)),
    }
}

/// The values of every field line of this name, and where they lie.
fn values<'a>(head: &'a [u8], name: &[u8]) -> Vec<(usize, &'a [u8])> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in head.split_inclusive(|&o| o == b'\n') {
        if let Some(colon) = line.iter().position(|&o| o == b':')
            && line[..colon].eq_ignore_ascii_case(name)
        {
            let rest = line[colon + 1..].strip_suffix(b"\r\n").unwrap_or(&line[colon + 1..]);
            let value = octet::trim(rest);
            let before = rest.iter().take_while(|&&o| octet::is_ows(o)).count().min(rest.len() - value.len());
            found.push((at + colon + 1 + before, value));
        }
        at += line.len();
    }
    found
}
