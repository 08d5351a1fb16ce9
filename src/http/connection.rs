//! The machine: what one side of an HTTP/1.1 connection may do next (RFC 9112 §9).
//!
//! Two coupled states, as in h11 and hyper: [`Reading`] follows the request, [`Writing`] the response.
//!
//! | Reading | Writing | may happen next | [`Phase`] |
//! |---|---|---|---|
//! | Head, no octet yet | Quiet | octets, close, drain | Idle |
//! | Head, some octets | Quiet | the rest of the head, a refusal | Head |
//! | Content | Owed | content, 100 (Continue), an early answer | Content |
//! | Done | Owed | the answer | Owed |
//! | any | Sending | octets leave | Sending |
//! | Content | Done | the rest is read past, if it is short | Content |
//! | Done | Done | persistent: back to (Head, Quiet); else close | – |
//! | Shut | any | the answer to a refusal, then a staged close | Owed, Sending, Lingering |
//!
//! Never: a buffer, a clock, a socket. The caller owns the octets, shows them from the first one that
//! was not used, and is told how many were used and what they were.
//!
//! The subtle things:
//! - Persistence is one flag that only ever goes from yes to no within a request.
//! - A pipelined request waits in the caller's input until the answer before it is out: one exchange
//!   at a time, in order, so the method belongs to the exchange and never to the connection.
//! - An answer before the content is complete keeps the connection only if the rest is known to be
//!   short; chunked content may have no end, and a client that waits for 100 may never send any.

use super::chunked::{Chunk, Decoder};
use super::date::HttpDate;
use super::fault::{Fault, Refusal};
use super::framing;
use super::head::{Head, Scan, Scanned};
use super::limits::Limits;
use super::method::Method;
use super::response::{self, Fields, Length, Persistence, Transfer};
use super::status::Status;
use super::{Expectation, Framing, Request, Version};

/// How far the request has been read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Head(Scan),
    Length(u64),
    Chunked(Decoder),
    Done,
    /// Nothing more is read as a request: refused, or the peer has ended its side.
    Shut,
}

/// How far the response has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    Quiet,
    Owed,
    Sending,
    Done,
}

/// One step of reading: how much input was used, and what it was.
#[derive(Debug)]
pub struct Step<'b> {
    /// Octets of the input that are used up.
    pub used: usize,
    /// What they were.
    pub event: Event<'b>,
}

/// What the input turned out to be.
#[derive(Debug)]
pub enum Event<'b> {
    /// Nothing yet: show the unused octets again, with more behind them.
    NeedMore,
    /// A whole head. Content follows (and [`Event::End`] after it) if the framing says so.
    Request(Request<'b>, Framing),
    /// Octets of content, without their framing.
    Content(&'b [u8]),
    /// The content is complete.
    End,
    /// The request breaks the protocol. Answer it, then close.
    Refused(Refusal),
}

/// What to do when a response has left completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the next request.
    Request,
    /// Go on reading: the rest of the content must be read past before the next request.
    Discard,
    /// Close in stages: end our side, read what still comes, then close. A plain close would let
    /// unread octets reset the connection and destroy the answer on its way (RFC 9112 §9.6).
    Linger,
    /// Close: the client asked for it and owes nothing.
    Close,
}

/// What the end of the client's side means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfInput {
    /// Between requests: a clean end.
    Clean,
    /// Inside a request: it can never be complete.
    Refused(Refusal),
    /// The client said all it had to say and waits for the answer; it gets it.
    AnswerOwed,
}

/// What the connection waits for; each has its own deadline (in `net`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first octet of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// Content.
    Content,
    /// This server's own answer.
    Owed,
    /// The client, to take the answer.
    Sending,
    /// The client, to close after a staged close.
    Lingering,
}

/// The machine of one connection.
#[derive(Clone, Debug)]
pub struct Connection {
    limits: Limits,
    reading: Reading,
    writing: Writing,
    /// Octets of the current message used so far: positions of faults count from its start.
    position: u64,
    method: Method,
    version: Version,
    persistent: bool,
    /// The client itself asked to close, so it will send nothing more.
    close_asked: bool,
    expects_continue: bool,
}

impl Connection {
    /// A connection on which nothing has happened.
    pub fn new(limits: Limits) -> Connection {
        Connection {
            limits,
            reading: Reading::Head(Scan::default()),
            writing: Writing::Quiet,
            position: 0,
            method: Method::Other,
            version: Version::Http11,
            persistent: true,
            close_asked: false,
            expects_continue: false,
        }
    }

    /// The method of the request being answered; [`Method::Other`] before one was understood.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The version of the request being answered.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether the connection will go on after this exchange.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Makes this exchange the last one (drain, overload).
    pub fn forbid_persistence(&mut self) {
        self.persistent = false;
    }

    /// What is being waited for.
    pub fn phase(&self) -> Phase {
        match (&self.writing, &self.reading) {
            (Writing::Sending, _) => Phase::Sending,
            (Writing::Done, _) if !self.persistent => Phase::Lingering,
            (_, Reading::Length(_) | Reading::Chunked(_)) => Phase::Content,
            (Writing::Owed, _) => Phase::Owed,
            (_, Reading::Head(scan)) if scan.has_begun() => Phase::Head,
            (_, Reading::Head(_)) => Phase::Idle,
            (_, Reading::Shut | Reading::Done) => Phase::Lingering,
        }
    }

    /// Whether the next call of [`Connection::receive`] may find something: not while an answer is
    /// owed for a request that is complete.
    pub fn wants_input(&self) -> bool {
        match self.reading {
            Reading::Head(_) => self.writing == Writing::Quiet,
            Reading::Length(_) | Reading::Chunked(_) => true,
            Reading::Done | Reading::Shut => false,
        }
    }

    /// Whether content of the current request is still to come.
    pub fn content_is_due(&self) -> bool {
        matches!(self.reading, Reading::Length(_) | Reading::Chunked(_))
    }

    /// Reads on. `input` begins with the first octet that was not used before.
    pub fn receive<'b>(&mut self, input: &'b [u8]) -> Step<'b> {
        let step = match self.reading {
            Reading::Head(scan) => return self.receive_head(scan, input),
            Reading::Length(0) => self.end_content(),
            Reading::Length(left) => {
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.reading = Reading::Length(left - take as u64);
                let event = if take == 0 { Event::NeedMore } else { Event::Content(&input[..take]) };
                Step { used: take, event }
            }
            Reading::Chunked(decoder) => self.receive_chunked(decoder, input),
            Reading::Done | Reading::Shut => Step { used: 0, event: Event::NeedMore },
        };
        self.position += step.used as u64;
        if step.used > 0 {
            self.expects_continue = false;
        }
        step
    }

    fn receive_head<'b>(&mut self, mut scan: Scan, input: &'b [u8]) -> Step<'b> {
        let scanned = scan.advance(input, &self.limits);
        self.reading = Reading::Head(scan);
        let (skipped, len, line) = match scanned {
            Scanned::NeedMore => return Step { used: 0, event: Event::NeedMore },
            Scanned::Refused(refusal) => return self.refuse(refusal),
            Scanned::Complete { skipped, head, line } => (skipped, head, line),
        };
        let octets = &input[skipped..skipped + len];
        // Known before the fields are read, so that a refused HEAD is answered without content.
        self.method = line.method;
        self.version = line.version;
        let framed = Head::parse(octets, line).and_then(|head| Ok((framing::of(&head, octets)?, head)));
        let (framing, head) = match framed {
            Ok(both) => both,
            Err(refusal) => return self.refuse(refusal),
        };
        let request = Request::new(octets, head);
        self.begin(&request, framing);
        self.position = len as u64;
        Step { used: skipped + len, event: Event::Request(request, framing) }
    }

    fn begin(&mut self, request: &Request<'_>, framing: Framing) {
        self.close_asked = match self.version {
            Version::Http11 => request.lists("connection", b"close"),
            Version::Http10 => !request.lists("connection", b"keep-alive") || request.lists("connection", b"close"),
        };
        self.persistent &= !self.close_asked;
        self.expects_continue = framing.has_content() && request.expectation() == Expectation::Continue;
        self.reading = match framing {
            Framing::None | Framing::Length(0) => Reading::Done,
            Framing::Length(length) => Reading::Length(length),
            Framing::Chunked => Reading::Chunked(Decoder::default()),
        };
        self.writing = Writing::Owed;
    }

    fn receive_chunked<'b>(&mut self, mut decoder: Decoder, input: &'b [u8]) -> Step<'b> {
        let mut used = 0;
        loop {
            let (step, chunk) = decoder.step(&input[used..], &self.limits);
            self.reading = Reading::Chunked(decoder);
            used += step;
            let event = match chunk {
                Chunk::Line => continue,
                Chunk::NeedMore => Event::NeedMore,
                Chunk::Data(data) => Event::Content(data),
                Chunk::End => self.end_content().event,
                Chunk::Refused(refusal) => self.refuse(refusal.shifted(self.position + used as u64)).event,
            };
            return Step { used, event };
        }
    }

    fn end_content<'b>(&mut self) -> Step<'b> {
        self.reading = Reading::Done;
        if self.writing == Writing::Done {
            self.next_message();
        }
        Step { used: 0, event: Event::End }
    }

    fn refuse<'b>(&mut self, refusal: Refusal) -> Step<'b> {
        self.reading = Reading::Shut;
        self.persistent = false;
        self.close_asked = false;
        if self.writing == Writing::Quiet {
            self.writing = Writing::Owed;
        }
        Step { used: 0, event: Event::Refused(refusal) }
    }

    /// The client has ended its side.
    pub fn end_of_input(&mut self) -> EndOfInput {
        self.persistent = false;
        let at = self.position;
        match self.reading {
            Reading::Head(scan) if scan.has_begun() => {
                self.refuse(Refusal { fault: Fault::TruncatedHead, at: scan.seen() as u64, len: 0 });
                EndOfInput::Refused(Refusal { fault: Fault::TruncatedHead, at: scan.seen() as u64, len: 0 })
            }
            Reading::Head(_) => {
                self.reading = Reading::Shut;
                EndOfInput::Clean
            }
            Reading::Length(_) | Reading::Chunked(_) => {
                let refusal = Refusal { fault: Fault::TruncatedContent, at, len: 0 };
                self.refuse(refusal);
                if self.writing == Writing::Owed { EndOfInput::Refused(refusal) } else { EndOfInput::AnswerOwed }
            }
            Reading::Done | Reading::Shut => EndOfInput::AnswerOwed,
        }
    }

    /// The time for a head or for content has run out; `None` when nothing was being waited for that
    /// deserves an answer.
    pub fn time_out(&mut self) -> Option<Refusal> {
        let fault = match self.phase() {
            Phase::Head => Fault::SlowHead,
            Phase::Content if self.writing == Writing::Owed => Fault::SlowContent,
            _ => return None,
        };
        let refusal = Refusal { fault, at: self.position, len: 0 };
        self.refuse(refusal);
        Some(refusal)
    }

    /// Whether the client waits for 100 (Continue) before it sends the content (RFC 9110 §10.1.1).
    pub fn continue_is_due(&self) -> bool {
        self.expects_continue && self.writing == Writing::Owed
    }

    /// Appends the 100 (Continue) that the client waits for.
    pub fn continue_(&mut self, out: &mut Vec<u8>) {
        if self.continue_is_due() {
            self.expects_continue = false;
            response::write_interim(out, Status::CONTINUE, &Fields::new());
        }
    }

    /// Appends an interim response, unless the client speaks HTTP/1.0, which knows none
    /// (RFC 9110 §15.2).
    pub fn interim(&mut self, status: Status, fields: &Fields, out: &mut Vec<u8>) {
        if self.version == Version::Http11 && self.writing == Writing::Owed && status.is_interim() {
            response::write_interim(out, status, fields);
        }
    }

    /// Appends the head of the final response and says how its content must be sent.
    ///
    /// `Date`, `Connection`, `Content-Length` and `Transfer-Encoding` are written here and nowhere
    /// else, so they cannot contradict what happens on the connection.
    pub fn respond(
        &mut self,
        status: Status,
        fields: &Fields,
        length: Length,
        date: &HttpDate,
        out: &mut Vec<u8>,
    ) -> Transfer {
        debug_assert!(self.writing == Writing::Owed, "a response without a request: {self:?}");
        debug_assert!(!status.is_interim());
        self.settle();
        let mut line = None;
        let mut transfer = Transfer::Nothing;
        if !status.forbids_content() {
            (line, transfer) = match (length, self.version) {
                (Length::Known(length), _) => (Some(("Content-Length", length)), Transfer::Exactly(length)),
                (Length::Unknown, Version::Http11) => (Some(("Transfer-Encoding", 0)), Transfer::Chunked),
                (Length::Unknown, Version::Http10) => {
                    // Nothing but the close can tell the end, to a HEAD's reader too.
                    self.persistent = false;
                    (None, Transfer::UntilClose)
                }
            };
        }
        let persistence = match (self.persistent, self.version) {
            (false, _) => Persistence::Close,
            (true, Version::Http10) => Persistence::KeepAlive,
            (true, Version::Http11) => Persistence::Implied,
        };
        response::write_head(out, status, fields, date, line, persistence);
        self.writing = Writing::Sending;
        if self.method == Method::Head { Transfer::Nothing } else { transfer }
    }

    /// Whether a response prepared for any persistent HTTP/1.1 client may be sent as it is. If so, the
    /// machine takes it as sent from here on, as after [`Connection::respond`].
    pub fn respond_prepared(&mut self) -> bool {
        self.settle();
        let fits = self.persistent && self.version == Version::Http11 && self.writing == Writing::Owed;
        if fits {
            self.writing = Writing::Sending;
        }
        fits
    }

    /// Decides, at the moment of answering, whether unread content costs the connection.
    fn settle(&mut self) {
        let keeps = match self.reading {
            Reading::Head(_) | Reading::Shut => false,
            Reading::Done => true,
            Reading::Length(left) => !self.expects_continue && left <= self.limits.discard,
            Reading::Chunked(_) => false,
        };
        self.persistent &= keeps;
    }

    /// The response has left completely.
    pub fn sent(&mut self) -> Next {
        debug_assert!(self.writing == Writing::Sending);
        self.writing = Writing::Done;
        match (self.persistent, self.reading) {
            (true, Reading::Done) => {
                self.next_message();
                Next::Request
            }
            (true, _) => Next::Discard,
            (false, Reading::Done) if self.close_asked => Next::Close,
            (false, _) => Next::Linger,
        }
    }

    fn next_message(&mut self) {
        self.reading = Reading::Head(Scan::default());
        self.writing = Writing::Quiet;
        self.position = 0;
        self.method = Method::Other;
        self.version = Version::Http11;
        self.expects_continue = false;
    }
}
