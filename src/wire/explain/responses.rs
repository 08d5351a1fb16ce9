//! The server's bytes to responses.
//!
//! RFC 9112 §4 (status line), §6.3 (all eight rules: a response needs the method of its request), §7
//! (chunks). It reads strictly, as a client should: whatever a careful client would refuse is broken.
//!
//! Never: the alphabets, the field lines or the chunks by rules of its own; those are
//! [`crate::http::grammar`], [`crate::http::field::diagnose`] and [`Decoder`], which requests are read with too.
//!
//! The subtle thing: a response without length ends where the connection does (rule 8), so it is
//! complete only in [`ResponseReader::end`], and nobody can tell whether it was cut off.

use crate::http::chunked::{Chunk, Decoder};
use crate::http::{Fault, Limits, Method};
use crate::wire::explain::builder::{KeepLimits, MessageBuilder, broken};
use crate::wire::explain::message::{ContentFraming, ContentKind, Message, Role};
use crate::wire::explain::notes::{NoteId, ResponseFault};
use crate::wire::explain::value::RedactOptions;
use crate::wire::explain::verdict::{Blame, frame, judge};

/// Where the reader stands.
#[derive(Debug)]
enum Reading {
    Head,
    Length(MessageBuilder, ContentFraming, u64),
    Chunked(MessageBuilder, ContentFraming, Decoder),
    UntilClose(MessageBuilder, ContentFraming),
    /// Broken, or no HTTP any more.
    Shut,
}

/// The reader of one connection.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    limits: Limits,
    hide: RedactOptions,
    keep: KeepLimits,
    reading: Reading,
    pending: Vec<u8>,
    /// Where the search for the end of a head goes on.
    looked: usize,
    at: u64,
    /// The exchange whose answer comes next, counted from 1.
    exchange: u64,
}

impl ResponseReader {
    pub(crate) fn new(limits: Limits, hide: RedactOptions, keep: KeepLimits) -> ResponseReader {
        ResponseReader {
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
    pub(crate) fn exchange(&self) -> u64 {
        self.exchange
    }

    /// Whether a response has begun that is not complete.
    pub(crate) fn is_inside(&self) -> bool {
        match self.reading {
            Reading::Head => !self.pending.is_empty(),
            Reading::Shut => false,
            _ => true,
        }
    }

    /// Whether what comes now is read at all.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self.reading, Reading::Shut)
    }

    /// Reads on; `method` tells the method of an exchange.
    pub(crate) fn push(&mut self, bytes: &[u8], method: &impl Fn(u64) -> Method, found: &mut impl FnMut(Message)) {
        let mut input = std::mem::take(&mut self.pending);
        input.extend_from_slice(bytes);
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

    /// Bytes that went out without passing through the program: only content of known length does.
    pub(crate) fn unseen(&mut self, len: u64, first: &[u8], last: &[u8], found: &mut impl FnMut(Message)) {
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
    pub(crate) fn end(&mut self, found: &mut impl FnMut(Message)) {
        let pending = std::mem::take(&mut self.pending);
        let cut_off =
            |draft: &MessageBuilder, flaw| broken(draft.end() - draft.start(), 0, NoteId::response_fault(flaw), true);
        match std::mem::replace(&mut self.reading, Reading::Shut) {
            Reading::Head if pending.is_empty() => {}
            Reading::Head => {
                let draft = self.draft(&pending);
                let broken = cut_off(&draft, ResponseFault::HeadCutOff);
                found(draft.finish(None, broken));
            }
            Reading::Length(draft, framed, _) => {
                let broken = cut_off(&draft, ResponseFault::ContentCutOff);
                found(draft.finish(Some(framed), broken));
            }
            Reading::Chunked(mut draft, framed, _) => {
                draft.chunk_lines(&pending, &self.hide);
                let broken = cut_off(&draft, ResponseFault::ChunksCutOff);
                let framed = counted(framed, &draft);
                found(draft.finish(Some(framed), broken));
            }
            Reading::UntilClose(draft, framed) => {
                let bytes = draft.end() - draft.start() - draft.head_len();
                found(draft.finish(Some(ContentFraming { content: ContentKind::UntilClose(bytes), ..framed }), None));
            }
            Reading::Shut => {}
        }
    }

    fn draft(&self, head: &[u8]) -> MessageBuilder {
        MessageBuilder::new(Role::Response, self.exchange, self.at, self.keep, head, &self.hide)
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
                return Err((0, at + 1, NoteId::response_fault(ResponseFault::StatusLine)));
            }
            match (input[at], at.checked_sub(1).map(|b| input[b])) {
                (b'\n', Some(b'\r')) if input[..=at].ends_with(b"\r\n\r\n") => return Ok(Some(at + 1)),
                (b'\n', Some(b'\r')) => {}
                (b'\n', _) => return Err((at, 1, NoteId::fault(Fault::BareLf))),
                (_, Some(b'\r')) => return Err((at - 1, 1, NoteId::fault(Fault::BareCr))),
                _ => {}
            }
            if at >= self.limits.head {
                return Err((at, 0, NoteId::response_fault(ResponseFault::HeadTooLong)));
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
            ContentKind::Tunnel => {
                found(draft.finish(Some(framed), None));
                self.reading = Reading::Shut;
                return false;
            }
            ContentKind::Length(length @ 1..) => self.reading = Reading::Length(draft, framed, length),
            ContentKind::Chunked { .. } => self.reading = Reading::Chunked(draft, framed, Decoder::default()),
            ContentKind::UntilClose(_) => self.reading = Reading::UntilClose(draft, framed),
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
        let lines = |draft: &mut MessageBuilder, bytes: &[u8], hide: &RedactOptions| {
            if !bytes.is_empty() {
                draft.chunk_lines(bytes, hide);
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

fn counted(framed: ContentFraming, draft: &MessageBuilder) -> ContentFraming {
    ContentFraming { content: ContentKind::Chunked { chunks: draft.chunks.count, bytes: draft.chunks.bytes }, ..framed }
}
