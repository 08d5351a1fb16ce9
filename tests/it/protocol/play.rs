//! A server without sockets: feeds bytes to one connection, answers, and writes down the events. It judges nothing.
//!
//! It behaves as `net` does: it reads content before it answers (unless the case says otherwise), goes on as [`Next`]
//! says, and never shows the connection a byte again that was used. Adjacent pieces of content, or of framing, are
//! written as one event. Otherwise the events of a cut input would differ from those of the whole one.

use std::fmt::Write;
use std::ops::Range;

use barewire::http::target::TargetForm;
use barewire::http::{
    EndOfInput, Event, Expectation, Fault, Fields, Framing, Http1, HttpDate, Length, Limits, Next, Phase, Request,
    RequestError, Status, Transfer,
};

use crate::support::corpus::{Case, shown};

/// The most field lines that are written; of longer heads the middle is left out.
const TOLD_LINES: usize = 12;

/// What happened.
#[derive(Default)]
pub(crate) struct Played {
    /// One text per event.
    pub(crate) events: Vec<String>,
    /// The lines for the end: unread bytes, the end of input.
    tail: String,
    /// The faults that were found.
    pub(crate) faults: Vec<Fault>,
    /// Whether the case stops at the end of a message or of the conversation.
    complete: bool,
}

impl Played {
    /// All events, as they are in the file.
    pub(crate) fn text(&self) -> String {
        self.events.concat() + &self.tail
    }

    /// Whether bytes after it belong to another message.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }
}

/// Adjacent bytes of one kind. They are written when another kind follows.
enum Run {
    Content,
    Framing,
}

struct Server<'a> {
    case: &'a Case,
    bytes: &'a [u8],
    connection: Http1,
    /// How many bytes are used up.
    used: usize,
    /// Where the message began.
    base: usize,
    run: Option<(Run, Range<usize>)>,
    /// The final answer to the current request is out.
    answered: bool,
    closed: bool,
    /// The position after the byte that was refused.
    refused: usize,
    played: Played,
}

/// Plays `bytes` as `case` says, in pieces that end at `cuts` and at the end.
pub(crate) fn play(case: &Case, bytes: &[u8], cuts: &[usize]) -> Played {
    let connection = Http1::new(Limits::default());
    let mut server = Server {
        case,
        bytes,
        connection,
        used: 0,
        base: 0,
        run: None,
        answered: false,
        closed: false,
        refused: 0,
        played: Played::default(),
    };
    for &end in cuts.iter().chain([&bytes.len()]) {
        server.feed(end);
    }
    server.finish();
    server.played
}

impl<'a> Server<'a> {
    fn feed(&mut self, end: usize) {
        while !self.closed {
            let input: &'a [u8] = &self.bytes[self.used..end];
            let wanted = self.connection.wants_input();
            let step = self.connection.receive(input);
            assert!(step.used <= input.len(), "more was used than there is");
            assert!(wanted || (step.used == 0 && matches!(step.event, Event::NeedMore)), "unwanted input was read");
            let was = self.used;
            self.used += step.used;
            match step.event {
                Event::NeedMore => {
                    self.note(Run::Framing, was..self.used);
                    return;
                }
                Event::Content(data) => {
                    let from = self.used - data.len();
                    assert_eq!(data, &self.bytes[from..self.used], "content is the last part of what was used");
                    self.note(Run::Framing, was..from);
                    self.note(Run::Content, from..self.used);
                }
                Event::End => {
                    self.note(Run::Framing, was..self.used);
                    self.tell("end\n".to_string());
                    if self.answered { self.next_message() } else { self.answer(None) }
                }
                Event::Request(request, framing) => self.request(&request, framing, was),
                Event::Refused(refusal) => {
                    self.note(Run::Framing, was..self.used);
                    self.refused(refusal);
                }
            }
        }
    }

    fn next_message(&mut self) {
        self.base = self.used;
        self.answered = false;
    }

    fn note(&mut self, run: Run, place: Range<usize>) {
        if place.is_empty() {
            return;
        }
        match &mut self.run {
            Some((Run::Content, last)) if matches!(run, Run::Content) && last.end == place.start => {
                last.end = place.end
            }
            Some((Run::Framing, last)) if matches!(run, Run::Framing) && last.end == place.start => {
                last.end = place.end
            }
            _ => {
                self.flush();
                self.run = Some((run, place));
            }
        }
    }

    fn flush(&mut self) {
        let Some((run, place)) = self.run.take() else { return };
        let name = if matches!(run, Run::Content) { "content" } else { "framing" };
        let text = format!("{name} {}..{} \"{}\"\n", place.start, place.end, shown(&self.bytes[place.clone()]));
        self.played.events.push(text);
    }

    fn tell(&mut self, text: String) {
        self.flush();
        self.played.events.push(text);
    }

    fn request(&mut self, request: &Request<'_>, framing: Framing, was: usize) {
        let head = self.used - request.bytes().len();
        assert_eq!(was, self.base);
        if head > was {
            self.tell(format!("empty-line {was}..{head}\n"));
        }
        let text = told(request, framing, head, self.connection.is_persistent());
        self.tell(text);
        if self.case.is("last") {
            self.connection.forbid_persistence();
        }
        if !framing.has_content() || self.case.is("early") {
            self.answer(None);
            return;
        }
        let mut out = Vec::new();
        if !self.case.is("no-continue") {
            self.connection.write_continue(&mut out);
        }
        if !out.is_empty() {
            assert_eq!(out, b"HTTP/1.1 100 Continue\r\n\r\n");
            self.tell("answer 100 Continue\n".to_string());
        }
    }

    fn refused(&mut self, refusal: RequestError) {
        let RequestError { fault, at, len } = refusal;
        self.played.faults.push(fault);
        let (at, len) = (self.base + at as usize, len as usize);
        self.refused = at + len;
        let blamed = &self.bytes[at..at + len];
        let place = if len == 0 { format!("{at}") } else { format!("{at}..{} \"{}\"", at + len, shown(blamed)) };
        let (code, name) = (fault.status().code(), fault.name());
        self.tell(format!("refused {code} {name} at {place}\n  {} ({})\n", fault.sentence(), fault.section()));
        self.answer(Some(fault.status()));
        assert!(self.closed, "a refusal is the end");
    }

    fn answer(&mut self, refusal: Option<Status>) {
        let wanted = self.case.manner.iter().find_map(|m| m.strip_prefix("status=")?.parse().ok());
        let status = refusal.or(wanted.and_then(Status::new)).unwrap_or(Status::OK);
        let length = if self.case.is("stream") { Length::Unknown } else { Length::Known(2) };
        let mut out = Vec::new();
        let transfer = self.connection.respond(
            status,
            &Fields::new(),
            length,
            &barewire::http::AddedFields::NONE,
            &HttpDate::from_second(0),
            &mut out,
        );
        assert_eq!(self.connection.phase(), Phase::Sending);
        let next = self.connection.sent();
        self.tell(answered(status, &out, transfer, next));
        self.answered = true;
        match next {
            Next::Request => self.next_message(),
            Next::Discard => {}
            Next::Linger | Next::Close => self.closed = true,
        }
    }

    fn finish(&mut self) {
        self.flush();
        let (used, len) = (self.used, self.bytes.len());
        let between = self.connection.phase() == Phase::Idle;
        self.played.complete = self.closed || (between && used == len);
        if self.closed {
            let unread = used.max(self.refused);
            if unread < len {
                self.played.tail = format!("unread {unread}..{len}\n");
            }
            return;
        }
        if used < len {
            self.played.tail = format!("need-more {used}..{len}\n");
        }
        match self.connection.end_of_input() {
            EndOfInput::Clean => self.played.tail.push_str("end-of-input clean\n"),
            EndOfInput::ResponseOwed => self.played.tail.push_str("end-of-input answer owed\n"),
            EndOfInput::Refused(refusal) => {
                let told = self.played.events.len();
                self.refused(refusal);
                let text = self.played.events.split_off(told).concat();
                let _ = write!(self.played.tail, "end-of-input {text}");
            }
        }
    }
}

/// A request with the places of its parts, in bytes of the case.
fn told(request: &Request<'_>, framing: Framing, base: usize, persistent: bool) -> String {
    let (head, bytes) = (request.head(), request.bytes());
    let place = |at: usize, len: usize| {
        let text = format!("{}..{} {}", base + at, base + at + len, shown(&bytes[at..at + len]));
        text.trim_end().to_string()
    };
    let form = match request.form() {
        TargetForm::Origin => "origin form",
        TargetForm::Absolute => "absolute form",
        TargetForm::Authority => "authority form",
        TargetForm::Asterisk => "asterisk form",
    };
    let content = match framing {
        Framing::None => "no content".to_string(),
        Framing::Length(length) => format!("content of {length}"),
        Framing::Chunked => "content in chunks".to_string(),
    };
    let last = if persistent { "persistent" } else { "last" };
    let mut text = format!("request {base}..{}, {form}, {content}, {last}\n", base + bytes.len());
    let line = &head.line;
    for (name, span) in [("method", line.method_span), ("target", line.target.span), ("version", line.version_span)] {
        let _ = writeln!(text, "  {name} {}", place(span.start(), span.len()));
    }
    if let Some(span) = line.target.authority {
        let _ = writeln!(text, "  authority {}", place(span.start(), span.len()));
    }
    if request.path() != request.raw_path() {
        let _ = writeln!(text, "  path \"{}\"", shown(request.path()));
    }
    if let Some(span) = line.target.query {
        let _ = writeln!(text, "  query {}", place(span.start(), span.len()));
    }
    let count = head.lines().len();
    for (at, field) in head.lines().iter().enumerate() {
        if count <= TOLD_LINES || at < 2 || at + 2 >= count {
            let name = place(field.name.start(), field.name.len());
            let _ = writeln!(text, "  field {name} = {}", place(field.value.start(), field.value.len()));
        } else if at == 2 {
            let _ = writeln!(text, "  … {} field lines …", count - 4);
        }
    }
    match request.expectation() {
        Expectation::None => {}
        Expectation::Continue => text.push_str("  expects 100-continue\n"),
        Expectation::Unknown => text.push_str("  expects something unknown\n"),
    }
    text
}

/// A response head in one line, without Date.
fn answered(status: Status, head: &[u8], transfer: Transfer, next: Next) -> String {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.strip_suffix("\r\n\r\n").unwrap_or("no end of the head").split("\r\n");
    assert_eq!(lines.next(), Some(format!("HTTP/1.1 {status}").as_str()));
    let mut text = format!("answer {status}");
    let fields: Vec<&str> = lines.collect();
    assert_eq!(fields[0], "Date: Thu, 01 Jan 1970 00:00:00 GMT");
    for field in &fields[1..] {
        let _ = write!(text, ", {field}");
    }
    text.push_str(match transfer {
        Transfer::Nothing => ", no content",
        Transfer::Exactly(_) => ", content",
        Transfer::Chunked => ", chunks",
        Transfer::UntilClose => ", content until close",
    });
    text.push_str(match next {
        Next::Request => ", then the next request\n",
        Next::Discard => ", then reads past the content\n",
        Next::Linger => ", then a staged close\n",
        Next::Close => ", then close\n",
    });
    text
}
