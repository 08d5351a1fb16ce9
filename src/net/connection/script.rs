//! Responses with a script: pauses, content that is made while it is sent, bytes exactly as given.
//!
//! | it waits for | it goes on at |
//! |---|---|
//! | room in the socket | an event, as any response |
//! | the end of a pause | its deadline: [`Connection::wake_at`] |
//! | the next bytes of a source, which a worker asks | the result of that job |
//!
//! A pause is a deadline and never a sleeping thread, so a thousand slow responses cost a thousand connections and
//! nothing else. The main path calls one function of this file: [`Connection::advance_script`], when the send queue is
//! empty.
//!
//! While a source is asked nothing is sent, so no failing `send` shows that the client has left. Therefore a FIN of the
//! client ends a stream at once, unless it came before the stream began: such a client (`nc -N`) waits for the
//! response.

mod steps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv, sockopt::socket_error};

use crate::http::{Transfer, chunked};
use crate::net::CloseReason;
use crate::net::connection::script::steps::{Fragment, Step, Steps};
use crate::net::connection::{Connection, state::Ending, state::LoopContext};
use crate::net::workers::{SourceResult, WorkerJob};
use crate::service::{Body, CloseBy, DropToken, Lane, RawResponse, Response, Script};

/// What is still to come of a response with a script. Boxed, since an ordinary connection has none.
pub(super) struct RunningScript {
    /// Bytes that are known so far, cut at the pauses. A stream adds to them.
    steps: Steps,
    /// When the pause before the next step ends, once it has begun.
    pub(super) pause_end: Option<Instant>,
    /// Asked for more bytes when all steps are sent; `None` if the content is known, or has ended.
    pub(super) stream: Option<Stream>,
    /// How the connection ends after bytes sent as given.
    end: Option<CloseBy>,
    /// Dropped with the response: a service counts its slow responses by it.
    _token: DropToken,
}

/// Content that is made while it is sent.
pub(super) struct Stream {
    /// Asks the source for its next bytes. `None` while a worker runs it.
    job: Option<WorkerJob>,
    /// Whether the response has the chunked coding; without it the content ends with the connection.
    chunked: bool,
    /// The client had shut down its side before the stream began.
    half_closed: bool,
    /// The job holds a weak reference to it, and does not ask the source when the stream is gone.
    wanted: Arc<()>,
}

impl RunningScript {
    fn new(steps: Steps, token: DropToken) -> RunningScript {
        RunningScript { steps, pause_end: None, stream: None, end: None, _token: token }
    }

    /// The next step, if its pause is over; `Err` while it is in progress.
    fn next_step(&mut self, now: Instant) -> Result<Option<Step>, ()> {
        // A pause begins only now, after everything before it was sent.
        if let Some(after) = self.steps.pause_before_next()
            && now < *self.pause_end.get_or_insert(now + after)
        {
            return Err(());
        }
        self.pause_end = None;
        Ok(self.steps.next())
    }

    /// The content of a stream is complete.
    fn end_stream(&mut self, chunked: bool) {
        self.stream = None;
        if chunked {
            self.steps.add(Fragment::Frame(chunked::LAST_CHUNK.to_vec()));
        }
    }
}

impl Connection {
    pub(super) fn begin_script(&mut self, mut response: Response, cx: &mut LoopContext) {
        let Script { pauses, interim, token } = *response.take_script().unwrap_or_default();
        // Interim responses (RFC 9110 §15.2) come before the final head, and `write_interim` drops them for HTTP/1.0.
        let mut interims = Vec::with_capacity(interim.len());
        for (status, fields) in &interim {
            let mut bytes = Vec::new();
            self.http.write_interim(*status, fields, &mut bytes);
            interims.push(bytes);
        }
        let (status, fields, body) = response.into_parts();
        let mut head = Vec::new();
        let added = cx.app.added_fields(&self.exchange.additions);
        let transfer = self.http.respond(status, &fields, body.length(), added, &cx.date, &mut head);
        self.begin_response(status, transfer, cx);
        // A pause may be placed relative to the content, so everything before it is measured first.
        let before_content = interims.iter().map(Vec::len).sum::<usize>() + head.len();
        let mut steps = Steps::new(&pauses, before_content as u64);
        for bytes in interims {
            steps.add(Fragment::Frame(bytes));
            // An empty pause: each interim response is a send of its own.
            steps.pause(Duration::ZERO);
        }
        steps.add(Fragment::Frame(head));
        let chunked = transfer == Transfer::Chunked;
        let mut script = RunningScript::new(steps, token);
        match body {
            // A response to HEAD has no content: the source is never asked.
            Body::Stream(source) if transfer == Transfer::Nothing => cx.jobs.discard(0, source),
            Body::Stream(source) => {
                // Noted before the first byte is sent: a FIN that comes later means that the client has left.
                let (half_closed, wanted) = (self.is_half_closed(), Arc::default());
                let job = Some(cx.jobs.ask_source(self.id, source, Arc::downgrade(&wanted)));
                script.stream = Some(Stream { job, chunked, half_closed, wanted });
            }
            body if transfer != Transfer::Nothing => script.steps.add_body(body, chunked),
            _ => {}
        }
        self.script = Some(Box::new(script));
    }

    /// Begins a response of bytes exactly as given.
    pub(super) fn begin_verbatim(&mut self, verbatim: RawResponse, cx: &LoopContext) {
        let RawResponse { status, mut bytes, pauses, close, token } = verbatim;
        self.http.respond_verbatim();
        self.begin_response(status, Transfer::Nothing, cx);
        // Positions of content count from the first blank line, as in any response. Without one, all of it is head.
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let content = bytes.split_off(head);
        let mut script = RunningScript::new(Steps::new(&pauses, head as u64), token);
        script.steps.add(Fragment::Frame(bytes));
        script.steps.add(Fragment::Content(content));
        // Without content a pause may still stand before the close.
        script.steps.pause_at_end();
        script.end = Some(close);
        self.script = Some(Box::new(script));
    }

    /// Whether the client's FIN is here already, before anything was answered.
    fn is_half_closed(&self) -> bool {
        // A peek of one byte takes nothing. It returns 0 only at the end of the input.
        self.input.is_closed_by_peer()
            || matches!(recv(&self.socket, &mut [0][..], RecvFlags::PEEK).map(|(count, _)| count), Ok(0))
    }

    /// Puts the next step into the send queue, if its pause is over. Called when everything before it is sent.
    pub(super) fn advance_script(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        if self.input.is_closed_by_peer() {
            // An event for an error looks like one for a FIN; a pending error means a reset.
            if let Ok(Err(error)) = socket_error(&self.socket) {
                return Err(self.socket_failed(error));
            }
            let stream = self.script.as_ref().and_then(|script| script.stream.as_ref());
            if stream.is_some_and(|stream| !stream.half_closed) {
                return Err(CloseReason::LeftEarly);
            }
        }
        // Taken out while it runs, since its steps also need the rest of the connection.
        let Some(mut script) = self.script.take() else { return Ok(()) };
        match script.next_step(cx.now) {
            Err(()) => {}
            // Pause, then bytes, then the source, then the end: in this order, one per call.
            Ok(Some(step)) => self.queue_step(step, cx),
            Ok(None) => match script.stream.take() {
                Some(stream) => self.ask_source(stream, &mut script, cx),
                None => {
                    match script.end {
                        None => {}
                        Some(CloseBy::Fin) => self.ending = Some(Ending::Linger(CloseReason::Scripted)),
                        Some(CloseBy::Reset) => self.ending = Some(Ending::Reset(CloseReason::ScriptedReset)),
                    }
                    // As for any other response: the line of the log, and the next request or the close.
                    self.finish(self.exchange.content_sent(), cx);
                    return Ok(());
                }
            },
        }
        self.script = Some(script);
        Ok(())
    }

    /// Puts the bytes of a step into the send queue. They are sent in the next turn, since other connections wait too.
    fn queue_step(&mut self, step: Step, cx: &mut LoopContext) {
        for fragment in step.fragments {
            match fragment {
                Fragment::Frame(bytes) => {
                    // The log counts content alone.
                    self.exchange.head += bytes.len() as u64;
                    self.send_queue.push_bytes(bytes, &mut cx.spare_buffers);
                }
                Fragment::Content(bytes) => self.send_queue.push_bytes(bytes, &mut cx.spare_buffers),
                Fragment::File { file, from, len } => self.send_queue.push_range(file, from, len),
            }
        }
        self.go_on_soon();
    }

    /// Lets a worker ask the source for its next bytes.
    fn ask_source(&mut self, mut stream: Stream, script: &mut RunningScript, cx: &mut LoopContext) {
        if cx.draining {
            // Between two chunks a stream can be ended properly: the client gets complete, if shorter, content. Bytes
            // that a worker still makes are dropped when they come.
            self.http.forbid_persistence();
            script.end_stream(stream.chunked);
            self.go_on_soon();
            return cx.jobs.discard(0, stream);
        }
        // While the source is being asked there is no job: the answer comes as the result of the last one.
        if let Some(job) = stream.job.take() {
            cx.jobs.submit_wrapped(self.exchange.client.address(), Lane::Handler.into(), job);
        }
        script.stream = Some(stream);
    }

    /// A worker has asked the source.
    pub(super) fn source_returned(&mut self, result: SourceResult, cx: &mut LoopContext) {
        // The response may have ended while the worker was busy. The source is dropped where that may block.
        let Some(script) = &mut self.script else { return cx.jobs.discard(0, result) };
        let Some(stream) = &mut script.stream else { return cx.jobs.discard(0, result) };
        let chunked = stream.chunked;
        match result {
            SourceResult::More(source, bytes) => {
                stream.job = Some(cx.jobs.ask_source(self.id, source, Arc::downgrade(&stream.wanted)));
                script.steps.add_chunk(bytes, "", chunked);
            }
            SourceResult::End(source) => {
                cx.jobs.discard(0, source);
                script.end_stream(chunked);
            }
            SourceResult::Failed(why) => {
                log::error!("{}: {why}", self.peer);
                // The client must see that content is missing: by a last chunk that never comes, or by a reset where
                // the content ends with the connection.
                self.script = None;
                let reason = CloseReason::Failed;
                self.ending = Some(if chunked { Ending::Cut(reason) } else { Ending::Reset(reason) });
            }
        }
    }
}
