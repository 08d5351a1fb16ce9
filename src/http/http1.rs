//! The state machine of one connection: which events its input gives, and what may be written next (RFC 9112 §9).
//!
//! It holds no buffer. The caller owns the received bytes and passes them from the first one that was not used yet. The
//! result says how many were used and which event they were. Two coupled states: `Reading` follows the request,
//! `Writing` the response.
//!
//! | Reading | Writing | may happen next | [`Phase`] |
//! |---|---|---|---|
//! | Head, no byte yet | Quiet | bytes, close, drain | Idle |
//! | Head, some bytes | Quiet | the rest of the head, an error | Head |
//! | Content | Owed | content, 100 (Continue), an early response | Content |
//! | Done | Owed | the response | Owed |
//! | any | Sending | bytes are sent | Sending |
//! | Content | Done | the rest is discarded, if it is short | Content |
//! | Done | Done | persistent: back to (Head, Quiet); else close | – |
//! | Shut | any | the response to an error, then [`Next::Linger`] | Owed, Sending, Lingering |
//!
//! One exchange at a time: a pipelined request stays in the caller's input until the response before it has been sent.
//! So method and version belong to the current exchange.

use std::sync::Arc;

use crate::http::chunked::{Chunk, Decoder};
use crate::http::head::{Head, Scan};
use crate::http::response::{connection_line, write_head, write_interim};
use crate::http::{
    AddedFields, EndOfInput, Event, Expectation, Fault, Fields, Framing, HttpDate, Length, Limits, Method, Next, Phase,
    Prepared, Request, RequestError, Status, Step, Transfer, Version,
};

/// How far the request has been read.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Head(Scan),
    /// In content of which this many bytes are missing.
    Length(u64),
    Chunked(Decoder),
    Done,
    /// Nothing more is read as a request: one was refused, or the client has shut down its side.
    Shut,
}

/// How far the response has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// No response is due.
    Quiet,
    Owed,
    Sending,
    Done,
}

/// The state machine of one connection.
#[derive(Clone, Debug)]
pub struct Http1 {
    limits: Arc<Limits>,
    reading: Reading,
    writing: Writing,
    /// Bytes of the current message used so far: positions of faults count from its first byte.
    position: u64,
    /// Bytes after them that were passed in and not used yet.
    pending: u64,
    method: Method,
    version: Version,
    /// Whether the connection goes on. Within a request it only ever changes from true to false.
    persistent: bool,
    /// Whether the client itself asked to close, so that it will send nothing more.
    close_asked: bool,
    /// Whether the client may wait for 100 (Continue), and may never send the content.
    awaits_continue: bool,
}

impl Http1 {
    /// A connection on which nothing has happened. `limits.head` above [`Limits::HEAD_CEILING`] counts as that ceiling.
    pub fn new(limits: impl Into<Arc<Limits>>) -> Http1 {
        let mut limits = limits.into();
        if limits.head > Limits::HEAD_CEILING {
            Arc::make_mut(&mut limits).head = Limits::HEAD_CEILING;
        }
        Http1 {
            limits,
            reading: Reading::Head(Scan::default()),
            writing: Writing::Quiet,
            position: 0,
            pending: 0,
            method: Method::Other,
            version: Version::Http11,
            persistent: true,
            close_asked: false,
            awaits_continue: false,
        }
    }

    /// The method of the current request; [`Method::Other`] while it is not known.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether the connection goes on after this exchange.
    pub fn is_persistent(&self) -> bool {
        self.persistent
    }

    /// Makes this exchange the last one (the server stops, or is overloaded).
    pub fn forbid_persistence(&mut self) {
        self.persistent = false;
    }

    /// What the connection is waiting for.
    pub fn phase(&self) -> Phase {
        match (&self.writing, &self.reading) {
            // While the client is slow to receive, it does not matter what it still has to send.
            (Writing::Sending, _) => Phase::Sending,
            (Writing::Done, _) if !self.persistent => Phase::Lingering,
            // Before Owed: while content is due, the deadline of the client counts, not that of the server.
            (_, Reading::Length(_) | Reading::Chunked(_)) => Phase::Content,
            (Writing::Owed, _) => Phase::Owed,
            (_, Reading::Head(scan)) if scan.has_begun() => Phase::Head,
            (_, Reading::Head(_)) => Phase::Idle,
            (_, Reading::Shut | Reading::Done) => Phase::Lingering,
        }
    }

    /// Whether [`Http1::receive`] may find something: not while a response is due to a complete request.
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

    /// Bytes of content that are still to come, if the head has said how many.
    pub fn missing_content(&self) -> Option<u64> {
        if let Reading::Length(left) = self.reading { Some(left) } else { None }
    }

    /// Reads on. `input` begins with the first byte that was not used before.
    ///
    /// Call it until it returns [`Event::NeedMore`], and after the last byte of content too: content is complete only
    /// with [`Event::End`].
    pub fn receive<'b>(&mut self, input: &'b [u8]) -> Step<'b> {
        let is_last = !self.persistent && matches!(self.writing, Writing::Sending | Writing::Done);
        let step = match self.reading {
            Reading::Head(scan) => return self.receive_head(scan, input),
            // No other response can be sent after the last one, so its request is read no further: the bytes are thrown
            // away, and a fault in them is not looked for.
            Reading::Length(_) | Reading::Chunked(_) if is_last => Step { used: input.len(), event: Event::NeedMore },
            // The end is an event of its own, so that the caller handles it in one place for both framings.
            Reading::Length(0) => self.end_content(),
            Reading::Length(left) => {
                // Bytes after the content stay in the input: they are the next request.
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                self.reading = Reading::Length(left - take as u64);
                let event = if take == 0 { Event::NeedMore } else { Event::Content(&input[..take]) };
                Step { used: take, event }
            }
            Reading::Chunked(decoder) => self.receive_chunked(decoder, input),
            Reading::Done | Reading::Shut => Step { used: 0, event: Event::NeedMore },
        };
        self.position += step.used as u64;
        self.pending = (input.len() - step.used) as u64;
        // A client that sends content has stopped waiting for 100 (Continue).
        if step.used > 0 {
            self.awaits_continue = false;
        }
        step
    }

    fn receive_head<'b>(&mut self, mut scan: Scan, input: &'b [u8]) -> Step<'b> {
        let scanned = scan.advance(input, &self.limits);
        self.reading = Reading::Head(scan);
        // Set before anything can be refused or time out: the response to a HEAD never has content.
        self.method = scan.method(input);
        let found = match scanned {
            Ok(Some(found)) => found,
            // Nothing is used up: fields are positions in one slice, which must hold the whole head.
            Ok(None) => return Step { used: 0, event: Event::NeedMore },
            Err(error) => return self.refuse(error),
        };
        let used = found.skipped + found.len;
        let bytes = &input[found.skipped..used];
        // Also before the fields are read: how their refusal is sent depends on the version.
        self.version = found.line.version;
        let framed = Head::parse(bytes, found.line).and_then(|head| Ok((Framing::of(&head, bytes)?, head)));
        let (framing, head) = match framed {
            Ok(both) => both,
            Err(error) => return self.refuse(error.shifted(found.skipped as u64)),
        };
        let request = Request::new(bytes, head);
        self.begin(&request, framing);
        // The skipped empty line counts as well, so that positions of faults fit what was sent.
        self.position = used as u64;
        self.pending = 0;
        Step { used, event: Event::Request(request, framing) }
    }

    fn begin(&mut self, request: &Request<'_>, framing: Framing) {
        self.close_asked = match self.version {
            Version::Http11 => request.lists("connection", b"close"),
            // HTTP/1.0 closes unless both sides say otherwise (RFC 9112 §9.3).
            Version::Http10 => !request.lists("connection", b"keep-alive") || request.lists("connection", b"close"),
        };
        self.persistent &= !self.close_asked;
        // An unknown expectation counts too: the client may wait for a response to it.
        self.awaits_continue = framing.has_content() && request.expectation() != Expectation::None;
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
                // A line of framing is no event: go on to the bytes after it.
                Chunk::Line => continue,
                Chunk::NeedMore => Event::NeedMore,
                Chunk::Data(data) => Event::Content(data),
                Chunk::End => self.end_content().event,
                Chunk::Refused(error) => self.refuse(error.shifted(self.position + used as u64)).event,
            };
            return Step { used, event };
        }
    }

    fn end_content<'b>(&mut self) -> Step<'b> {
        self.reading = Reading::Done;
        // The response was sent before the content was complete: the exchange ends here.
        if self.writing == Writing::Done {
            self.next_message();
        }
        Step { used: 0, event: Event::End }
    }

    fn refuse<'b>(&mut self, error: RequestError) -> Step<'b> {
        self.reading = Reading::Shut;
        self.persistent = false;
        // From here on it is this server that closes, even if the client has asked for it as well.
        self.close_asked = false;
        // If a response has begun already, it is too late for another one.
        if self.writing == Writing::Quiet {
            self.writing = Writing::Owed;
        }
        Step { used: 0, event: Event::Refused(error) }
    }

    /// The client has shut down its side. Call it after the last bytes were passed to [`Http1::receive`]: a request
    /// that is still in the caller's input gets its response.
    ///
    /// The end is no fault by itself. Between requests it is usual, and after a whole request it only means that no
    /// other request follows. RFC 9112 §8 has the rules for incomplete messages.
    pub fn end_of_input(&mut self) -> EndOfInput {
        self.persistent = false;
        let fault = match self.reading {
            // Content may be missing, but its response was sent already.
            _ if self.writing == Writing::Done => return EndOfInput::Clean,
            Reading::Head(scan) if scan.has_begun() => Fault::TruncatedHead,
            // Length(0) is complete, though its End was not read yet.
            Reading::Length(1..) | Reading::Chunked(_) if self.writing == Writing::Owed => Fault::TruncatedContent,
            Reading::Head(_) => {
                self.reading = Reading::Shut;
                return EndOfInput::Clean;
            }
            _ => return EndOfInput::ResponseOwed,
        };
        EndOfInput::Refused(self.give_up(fault))
    }

    /// The time for a head or for content is over (RFC 9112 §9.5). `None` if no request has begun or a response is
    /// sent.
    pub fn time_out(&mut self) -> Option<RequestError> {
        match self.phase() {
            Phase::Head => Some(self.give_up(Fault::SlowHead)),
            Phase::Content if self.writing == Writing::Owed => Some(self.give_up(Fault::SlowContent)),
            _ => None,
        }
    }

    /// Refuses a request that is not complete. The fault is placed after the last byte that came.
    fn give_up(&mut self, fault: Fault) -> RequestError {
        let at = match self.reading {
            Reading::Head(scan) => scan.seen() as u64,
            // An incomplete chunk line is not used up, but was received: the fault comes after it.
            _ => self.position + self.pending,
        };
        let error = RequestError { fault, at, len: 0 };
        self.refuse(error);
        error
    }

    /// The version of the client, if the client itself made this exchange the last one (RFC 9112 §9.6).
    pub fn close_asked_by(&self) -> Option<Version> {
        self.close_asked.then_some(self.version)
    }

    /// Appends 100 (Continue), if the client may be waiting for it (RFC 9110 §10.1.1).
    pub fn write_continue(&mut self, out: &mut Vec<u8>) {
        if self.awaits_continue && self.writing == Writing::Owed {
            self.awaits_continue = false;
            write_interim(out, Status::CONTINUE, &Fields::new());
        }
    }

    /// Appends an interim response, unless the client speaks HTTP/1.0, which has none (RFC 9110 §15.2).
    pub fn write_interim(&mut self, status: Status, fields: &Fields, out: &mut Vec<u8>) {
        if self.version == Version::Http11 && self.writing == Writing::Owed && status.is_interim() {
            write_interim(out, status, fields);
        }
    }

    /// Appends the head of the final response, and returns how its content must be sent.
    ///
    /// `Date`, `Connection`, `Content-Length` and `Transfer-Encoding` are written here only, so they cannot contradict
    /// what happens on the connection.
    pub fn respond(
        &mut self,
        status: Status,
        fields: &Fields,
        length: Length,
        added: &AddedFields,
        date: &HttpDate,
        out: &mut Vec<u8>,
    ) -> Transfer {
        debug_assert!(self.writing == Writing::Owed && !status.is_interim(), "no final response is due: {self:?}");
        self.settle_persistence();
        let announced = length.announced(status, self.version);
        // Only the end of the connection can end such content. This holds for the response to HEAD too, whose head must
        // say what that of GET says.
        if announced == Transfer::UntilClose {
            self.persistent = false;
        }
        write_head(out, status, fields, added, date, announced, connection_line(self.persistent, self.version));
        self.writing = Writing::Sending;
        if self.method == Method::Head { Transfer::Nothing } else { announced }
    }

    /// Appends a prepared response, without its content to HEAD. The state is then the same as after
    /// [`Http1::respond`].
    pub fn respond_prepared(&mut self, prepared: &Prepared, added: &AddedFields, date: &HttpDate, out: &mut Vec<u8>) {
        debug_assert!(self.writing == Writing::Owed, "a response without a request: {self:?}");
        self.settle_persistence();
        let connection = connection_line(self.persistent, self.version);
        prepared.write(out, added, date, connection, self.method != Method::Head);
        self.writing = Writing::Sending;
    }

    /// The caller writes this response itself. The connection closes after it, since its end is not known here.
    pub fn respond_verbatim(&mut self) {
        self.persistent = false;
        self.writing = Writing::Sending;
    }

    /// Decides, when the response begins, whether the connection must close because content is unread.
    fn settle_persistence(&mut self) {
        self.persistent &= match self.reading {
            Reading::Head(_) | Reading::Shut => false,
            Reading::Done => true,
            // After a 417 the client may send its next request in place of the content, and it must not be read as
            // content.
            Reading::Length(left) => !self.awaits_continue && left <= self.limits.discard,
            // Chunked content may be endless.
            Reading::Chunked(_) => false,
        };
    }

    /// The response has been sent completely. Returns what to do next.
    pub fn sent(&mut self) -> Next {
        debug_assert!(self.writing == Writing::Sending);
        self.writing = Writing::Done;
        match (self.persistent, self.reading) {
            (true, Reading::Done) => {
                self.next_message();
                Next::Request
            }
            // The next request begins after the content that is still to come.
            (true, _) => Next::Discard,
            // The client sends nothing more, so no unread bytes can reset the connection.
            (false, Reading::Done) if self.close_asked => Next::Close,
            (false, _) => Next::Linger,
        }
    }

    fn next_message(&mut self) {
        // All fields but these two belong to one message.
        *self = Http1 { persistent: self.persistent, ..Http1::new(Arc::clone(&self.limits)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Http1 {
        Http1::new(Limits::default())
    }

    /// Receives what must be a request; returns how many bytes it took.
    #[track_caller]
    fn request(connection: &mut Http1, input: &[u8]) -> usize {
        let step = connection.receive(input);
        assert!(matches!(step.event, Event::Request(..)), "{:?}", step.event);
        step.used
    }

    /// Responds with `status` and two bytes of content; returns the head and how they are sent.
    fn respond(connection: &mut Http1, status: Status) -> (String, Transfer) {
        let mut out = Vec::new();
        let date = HttpDate::from_second(0);
        let transfer =
            connection.respond(status, &Fields::new(), Length::Known(2), &AddedFields::NONE, &date, &mut out);
        (String::from_utf8(out).unwrap(), transfer)
    }

    #[test]
    fn a_head_that_came_too_slowly_is_refused_at_the_byte_it_reached() {
        let mut c = connection();
        assert_eq!((c.time_out(), c.phase()), (None, Phase::Idle));
        let used = c.receive(b"\r\nHEAD / HTTP/1.1\r\nHos").used;
        assert_eq!((used, c.phase()), (0, Phase::Head));
        assert_eq!(c.time_out(), Some(RequestError { fault: Fault::SlowHead, at: 22, len: 0 }));
        assert_eq!(c.phase(), Phase::Owed);
        assert_eq!(respond(&mut c, Status::REQUEST_TIMEOUT).1, Transfer::Nothing, "HEAD has no content");
        assert_eq!(c.sent(), Next::Linger);
        assert_eq!((c.time_out(), c.phase()), (None, Phase::Lingering));
    }

    #[test]
    fn content_that_came_too_slowly_is_refused_once() {
        let mut c = connection();
        let input = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab";
        let used = request(&mut c, input);
        assert!(matches!(c.receive(&input[used..]).event, Event::Content(b"ab")));
        assert_eq!(c.time_out(), Some(RequestError { fault: Fault::SlowContent, at: input.len() as u64, len: 0 }));
        respond(&mut c, Status::REQUEST_TIMEOUT);
        assert_eq!(c.time_out(), None, "the response is being sent");
        assert_eq!(c.sent(), Next::Linger);
        assert_eq!(c.receive(b"cde").used, 0);
    }

    #[test]
    fn the_response_to_a_refused_head_request_has_no_content() {
        for input in [
            &b"HEAD /# HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"HEAD / HTTP/1.1\nHost: a\r\n\r\n",
            b"HEAD / HTTP/1.1\r\nHost : a\r\n\r\n",
            b"HEAD / HTTP/1.1\r\nHost: a\n\r\n",
            b"HEAD / HTTP/2.0\r\n",
        ] {
            let mut c = connection();
            assert!(matches!(c.receive(input).event, Event::Refused(_)));
            assert_eq!(c.method(), Method::Head);
            assert_eq!(respond(&mut c, Status::BAD_REQUEST).1, Transfer::Nothing);
        }
    }

    #[test]
    fn a_position_counts_the_empty_line_before_the_request_line() {
        let mut c = connection();
        let Event::Refused(error) = c.receive(b"\r\nGET /# HTTP/1.1\r\n").event else { panic!() };
        assert_eq!((error.fault, error.at), (Fault::TargetByte, 7));
        let mut c = connection();
        let input = b"\r\nPUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx";
        let used = request(&mut c, input);
        let Event::Refused(error) = c.receive(&input[used..]).event else { panic!() };
        assert_eq!((error.fault, error.at), (Fault::ChunkSize, input.len() as u64 - 1));
    }

    #[test]
    fn nothing_is_read_as_a_request_after_close_was_announced() {
        let mut c = connection();
        let used = request(&mut c, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
        assert!(used > 0);
        c.forbid_persistence();
        assert!(respond(&mut c, Status::CONFLICT).0.contains("Connection: close\r\n"));
        assert_eq!(c.sent(), Next::Linger);
        let mut rest = &b"12345GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..];
        for _ in 0..4 {
            let step = c.receive(rest);
            assert!(!matches!(step.event, Event::Request(..)), "{:?}", step.event);
            rest = &rest[step.used..];
        }
        assert_eq!(c.phase(), Phase::Lingering);
    }

    #[test]
    fn a_drain_during_discard_ends_with_the_content() {
        let mut c = connection();
        request(&mut c, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
        respond(&mut c, Status::CONFLICT);
        assert_eq!((c.sent(), c.phase()), (Next::Discard, Phase::Content));
        c.forbid_persistence();
        for _ in 0..3 {
            assert!(!matches!(c.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").event, Event::Request(..)));
        }
        assert_eq!(c.phase(), Phase::Lingering);
    }

    #[test]
    fn broken_chunks_after_an_early_response_get_no_second_one() {
        let mut c = connection();
        request(&mut c, b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        respond(&mut c, Status::CONFLICT);
        let step = c.receive(b"zzz");
        assert!(matches!(step.event, Event::NeedMore), "{:?}", step.event);
        assert_eq!(c.sent(), Next::Linger);
        assert!(matches!(c.receive(b"zzz").event, Event::NeedMore));
    }

    #[test]
    fn a_client_that_may_wait_for_100_loses_its_connection_when_refused() {
        // Told 417, it may send its next request instead of the content: reading that as content would hide a request
        // from us.
        for expect in ["100-continue", "100-continue, more", "more"] {
            let mut c = connection();
            let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nExpect: {expect}\r\nContent-Length: 5\r\n\r\n");
            request(&mut c, head.as_bytes());
            assert!(respond(&mut c, Status::EXPECTATION_FAILED).0.contains("Connection: close\r\n"), "{expect}");
            assert_eq!(c.sent(), Next::Linger);
        }
    }

    #[test]
    fn after_the_response_the_end_of_input_is_clean() {
        let mut c = connection();
        request(&mut c, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(c.clone().end_of_input(), EndOfInput::ResponseOwed);
        respond(&mut c, Status::OK);
        assert_eq!(c.clone().end_of_input(), EndOfInput::ResponseOwed, "it is still being sent");
        assert_eq!(c.sent(), Next::Close);
        assert_eq!(c.end_of_input(), EndOfInput::Clean);

        let mut c = connection();
        request(&mut c, b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
        respond(&mut c, Status::CONFLICT);
        assert_eq!(c.sent(), Next::Discard);
        assert_eq!(c.end_of_input(), EndOfInput::Clean);
    }

    #[test]
    fn content_whose_last_byte_came_is_complete_before_its_end_was_read() {
        let mut c = connection();
        let input = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
        let used = request(&mut c, input);
        assert!(matches!(c.receive(&input[used..]).event, Event::Content(b"ab")));
        assert_eq!(c.end_of_input(), EndOfInput::ResponseOwed);
        assert!(matches!(c.receive(b"").event, Event::End));
    }

    #[test]
    fn bytes_that_are_not_passed_again_do_no_harm() {
        for first in [&b"GET / HT"[..], b"\r\n", b"\r\nGE"] {
            let mut c = connection();
            c.receive(first);
            for fewer in (0..first.len()).rev() {
                assert!(matches!(c.receive(&first[..fewer]).event, Event::NeedMore));
            }
        }
    }

    #[test]
    fn a_limit_beyond_the_ceiling_is_the_ceiling() {
        let mut c = Http1::new(Limits { head: 1 << 20, target: 1 << 20, ..Limits::default() });
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(70_000));
        let Event::Refused(error) = c.receive(head.as_bytes()).event else { panic!() };
        assert_eq!((error.fault, error.at), (Fault::HeadTooLarge, Limits::HEAD_CEILING as u64));
    }

    #[test]
    fn a_long_line_is_named_after_the_part_that_is_long() {
        for (input, fault, at) in [
            (format!("GET /{}", "a".repeat(20_000)), Fault::TargetTooLong, 4 + 8192),
            ("A".repeat(20_000), Fault::MethodTooLong, 0),
            ("A:".repeat(20_000), Fault::HeadTooLarge, 16_384),
            (format!("GET / {}", "a".repeat(20_000)), Fault::HeadTooLarge, 16_384),
            (format!("{} /", "A".repeat(20_000)), Fault::MethodTooLong, 0),
        ] {
            let Event::Refused(error) = connection().receive(input.as_bytes()).event else { panic!() };
            assert_eq!((error.fault, error.at), (fault, at));
        }
    }

    #[test]
    fn a_client_of_http_1_0_gets_no_interim_response_and_no_chunks() {
        let mut c = connection();
        let head = b"PUT / HTTP/1.0\r\nExpect: 100-continue\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\n";
        request(&mut c, head);
        let (mut out, date) = (Vec::new(), HttpDate::from_second(0));
        c.write_continue(&mut out);
        c.write_interim(Status::EARLY_HINTS, &Fields::new(), &mut out);
        assert!(out.is_empty());
        c.receive(b"ab");
        c.receive(b"");
        let transfer = c.respond(Status::OK, &Fields::new(), Length::Unknown, &AddedFields::NONE, &date, &mut out);
        assert_eq!((transfer, c.sent()), (Transfer::UntilClose, Next::Linger));
        assert!(String::from_utf8(out).unwrap().contains("Connection: close\r\n"));
    }
}
