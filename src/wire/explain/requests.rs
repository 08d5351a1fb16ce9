//! The client's bytes to requests: a replay through [`Connection`], the machine that served them.
//!
//! RFC 9112 §6.3 rules 3 to 7 are applied there; here is only told which one it was.
//!
//! Never: an answer to the question whether a request is well formed. It is broken exactly when the
//! machine refuses it, at the byte the machine names.
//!
//! The subtle thing: the machine reads the next request only when the answer to the one before is out.
//! The replay answers each request itself, at once; what the server really answered is read from its
//! own bytes by `responses`.

use crate::http::Length;
use crate::http::{EndOfInput, Event, Fields, Framing, Http1, HttpDate, Limits, Method, Next, RequestError, Status};
use crate::wire::explain::builder::{KeepLimits, MessageBuilder, broken};
use crate::wire::explain::message::{ContentFraming, ContentKind, Message, Role};
use crate::wire::explain::notes::NoteId;
use crate::wire::explain::value::RedactOptions;

/// Stands for bytes that were not recorded: the machine counts content and never looks at it.
static UNKNOWN: [u8; 4096] = [0; 4096];

/// What the replay found.
#[derive(Debug)]
pub(crate) enum RequestEvent {
    /// A head is there: its answer will be read by this method.
    Head(Method),
    /// A request is complete, or broken; not masked yet.
    Message(Message),
}

/// The replay of one connection.
#[derive(Debug)]
pub(crate) struct RequestReplay {
    connection: Http1,
    hide: RedactOptions,
    keep: KeepLimits,
    /// Bytes that mean nothing yet.
    pending: Vec<u8>,
    /// The first of them, in the bytes of the client.
    at: u64,
    draft: Option<(MessageBuilder, Framing)>,
    /// Requests that have begun with a whole head, or were refused.
    count: u64,
    /// Nothing more is read: refused, or the last request.
    shut: bool,
}

impl RequestReplay {
    pub(crate) fn new(limits: Limits, hide: RedactOptions, keep: KeepLimits) -> RequestReplay {
        let connection = Http1::new(limits);
        RequestReplay { connection, hide, keep, pending: Vec::new(), at: 0, draft: None, count: 0, shut: false }
    }

    /// Whether a request has begun that is not complete.
    pub(crate) fn is_inside(&self) -> bool {
        self.draft.is_some() || (!self.pending.is_empty() && !self.shut)
    }

    /// Whether bytes that come now are read as requests.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut
    }

    /// Reads on.
    pub(crate) fn push(&mut self, bytes: &[u8], found: &mut impl FnMut(RequestEvent)) {
        if self.shut {
            // Behind the end nothing is kept: nobody can say where a secret lies in it.
            self.at += bytes.len() as u64;
            return;
        }
        let mut input = std::mem::take(&mut self.pending);
        input.extend_from_slice(bytes);
        let mut used = 0;
        while !self.shut {
            let step = self.connection.receive(&input[used..]);
            let taken = &input[used..used + step.used];
            used += step.used;
            match step.event {
                Event::NeedMore => {
                    self.framing_lines(taken);
                    break;
                }
                Event::Request(request, framing) => {
                    self.count += 1;
                    let draft = MessageBuilder::new(Role::Request, self.count, self.at, self.keep, taken, &self.hide);
                    self.at += taken.len() as u64;
                    found(RequestEvent::Head(request.method()));
                    self.draft = Some((draft, framing));
                    if !framing.has_content() {
                        self.complete(found);
                    }
                }
                Event::Content(data) => {
                    self.framing_lines(&taken[..taken.len() - data.len()]);
                    self.content(data);
                }
                Event::End => {
                    self.framing_lines(taken);
                    self.complete(found);
                }
                Event::Refused(refusal) => {
                    self.framing_lines(taken);
                    self.refused(refusal, false, &input[used..], found);
                }
            }
        }
        if self.shut {
            self.at += (input.len() - used) as u64;
        } else {
            input.drain(..used);
            self.pending = input;
        }
    }

    /// So many bytes of content came that were not recorded.
    pub(crate) fn skip(&mut self, len: u64, found: &mut impl FnMut(RequestEvent)) {
        let mut left = len;
        while left > 0 && !self.shut && self.pending.is_empty() {
            let some = &UNKNOWN[..usize::try_from(left).unwrap_or(usize::MAX).min(UNKNOWN.len())];
            let step = self.connection.receive(some);
            // Framing cannot lie in a gap. Did it, nothing behind would be true.
            let Event::Content(data) = step.event else { break };
            if data.len() != step.used {
                break;
            }
            let known = data.len() as u64;
            self.at += known;
            left -= known;
            match &mut self.draft {
                Some((draft, Framing::Chunked)) => draft.chunk_gap(known),
                Some((draft, _)) => draft.content_gap(known),
                None => {}
            }
        }
        if left > 0 {
            self.at += left;
            self.shut = true;
        }
        // The end of content is found when somebody asks.
        self.push(&[], found);
    }

    /// The client has ended its side; so many exchanges have their final response.
    pub(crate) fn end(&mut self, answered: u64, found: &mut impl FnMut(RequestEvent)) {
        if !self.shut {
            let pending = std::mem::take(&mut self.pending);
            if self.count <= answered && self.draft.is_some() {
                return self.left_off(&pending, found);
            }
            match self.connection.end_of_input() {
                EndOfInput::Refused(refusal) => self.refused(refusal, true, &pending, found),
                EndOfInput::Clean | EndOfInput::ResponseOwed => {}
            }
            self.shut = true;
        }
    }

    /// Content that ends early behind its answer is nobody's fault: a client that was refused should stop
    /// (RFC 9112 §9.5), and one that waits for a go-ahead never begins (RFC 9110 §10.1.1).
    fn left_off(&mut self, pending: &[u8], found: &mut impl FnMut(RequestEvent)) {
        self.shut = true;
        self.framing_lines(pending);
        if let Some((draft, framing)) = self.draft.take() {
            let framed = framed(framing, &draft);
            found(RequestEvent::Message(draft.finish(Some(framed), None)));
        }
    }

    /// The time for the rest of it has run out.
    pub(crate) fn time_out(&mut self, found: &mut impl FnMut(RequestEvent)) {
        if !self.shut
            && let Some(refusal) = self.connection.time_out()
        {
            let pending = std::mem::take(&mut self.pending);
            self.refused(refusal, true, &pending, found);
        }
    }

    fn framing_lines(&mut self, bytes: &[u8]) {
        if let Some((draft, Framing::Chunked)) = &mut self.draft
            && !bytes.is_empty()
        {
            draft.chunk_lines(bytes, &self.hide);
            self.at += bytes.len() as u64;
        }
    }

    fn content(&mut self, data: &[u8]) {
        self.at += data.len() as u64;
        match &mut self.draft {
            Some((draft, Framing::Chunked)) => draft.chunk_data(data),
            Some((draft, _)) => draft.content(data),
            None => {}
        }
    }

    fn complete(&mut self, found: &mut impl FnMut(RequestEvent)) {
        if let Some((draft, framing)) = self.draft.take() {
            let framed = framed(framing, &draft);
            found(RequestEvent::Message(draft.finish(Some(framed), None)));
        }
        self.answer();
    }

    /// A fault: the message goes up to and including it.
    fn refused(&mut self, refusal: RequestError, cut_off: bool, unused: &[u8], found: &mut impl FnMut(RequestEvent)) {
        self.shut = true;
        let note = NoteId::fault(refusal.fault);
        let (draft, framing) = match self.draft.take() {
            Some((mut draft, framing)) => {
                // Only framing can be broken inside content; what came of the line is shown.
                let so_far = draft.end() - draft.start();
                let behind = (refusal.at + refusal.len).saturating_sub(so_far);
                let rest = &unused[..usize::try_from(behind).unwrap_or(usize::MAX).min(unused.len())];
                self.at += rest.len() as u64;
                if framing == Framing::Chunked {
                    draft.chunk_lines(rest, &self.hide);
                }
                let framed = framed(framing, &draft);
                (draft, Some(framed))
            }
            None => {
                self.count += 1;
                found(RequestEvent::Head(self.connection.method()));
                // At least the byte at which something is missing, so that there is a message to show.
                let end = usize::try_from(refusal.at + refusal.len).unwrap_or(usize::MAX).max(1).min(unused.len());
                let draft =
                    MessageBuilder::new(Role::Request, self.count, self.at, self.keep, &unused[..end], &self.hide);
                self.at += end as u64;
                (draft, None)
            }
        };
        let broken = broken(refusal.at, refusal.len, note, cut_off);
        found(RequestEvent::Message(draft.finish(framing, broken)));
    }

    /// Lets the machine go on to the next request.
    fn answer(&mut self) {
        let mut out = Vec::new();
        let date = HttpDate::from_second(0);
        self.connection.respond(
            Status::OK,
            &Fields::new(),
            Length::Known(0),
            &crate::http::AddedFields::NONE,
            &date,
            &mut out,
        );
        self.shut = self.connection.sent() != Next::Request;
    }
}

/// Which rule of RFC 9112 §6.3 framed it.
fn framed(framing: Framing, draft: &MessageBuilder) -> ContentFraming {
    match framing {
        Framing::None => ContentFraming { rule: 7, content: ContentKind::None },
        Framing::Length(length) => ContentFraming { rule: 6, content: ContentKind::Length(length) },
        Framing::Chunked => {
            let (chunks, bytes) = (draft.chunks.count, draft.chunks.bytes);
            ContentFraming { rule: 4, content: ContentKind::Chunked { chunks, bytes } }
        }
    }
}
