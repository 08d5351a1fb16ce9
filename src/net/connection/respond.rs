//! Answering: from a request to the bytes of its response in the send queue.
//!
//! The service is asked on the loop. It gives a response at once, or a job for a worker whose result comes back to
//! [`Connection::job_finished`]. [`Connection::deliver`] writes the head, with the fields that are added to every
//! response, and puts the content into the send queue. A response that the cache has as bytes takes
//! `Connection::deliver_prepared`, which adds the same fields; one with a script begins in `script.rs`.
//!
//! A small response counts as sent when it lies in the buffer as a whole. So the responses to pipelined requests are
//! gathered and leave in one `send`. A response with large content is sent before the next request is parsed.
//!
//! | the service says | then |
//! |---|---|
//! | `Now` | the response is delivered |
//! | `Ready`, `ReadyFile` | the prepared head goes into the buffer, and its content or a file after it |
//! | `Blocking`, `Delayed` | a job is queued, at once or later; its result is the response, or the service is asked again |
//! | `Collect`, `CollectRaw` | the content is kept in memory, then a job makes the response |
//! | `Receive` | a job opens a sink, and the content goes to it block by block |
//! | `Raw` | bytes go out exactly as given (`script.rs`) |
//!
//! Content that is announced longer than its limit gets 413, and a request whose job takes too long 503 (`time.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::http::{Fault, Framing, Method, Next, Prepared, Request, RequestError, Status, Transfer, Version};
use crate::net::access_log::{LogEntry, LoggedResponse};
use crate::net::connection::Connection;
use crate::net::connection::body::{CollectedBody, RequestBody, Upload};
use crate::net::connection::state::{Ending, FirstByte, LoopContext, Opening, Work};
use crate::net::stream::UNIX_PEER;
use crate::net::{CloseReason, upload_memory::Block, workers::JobResult};
use crate::service::access::proxy_header;
use crate::service::error_page::{self, Problem, TEXTS, problem};
use crate::service::{Answer, Client, Lane, OpenFile, Outcome, RequestContext, Response, Task, app::Additions};

/// The request being answered: what the log and the end of the response need of it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Who it is from.
    pub(super) client: Client,
    /// Lent by the log; `None` when no log is written.
    entry: Option<Box<LogEntry>>,
    /// The status, once the response has begun.
    pub(super) status: Option<Status>,
    /// Bytes that are sent before the content of this response: its head, and what is still gathered of the
    /// responses before it.
    pub(super) head: u64,
    /// Bytes sent since the response began, those of `head` included.
    pub(super) sent: u64,
    /// What is added to the response when it is sent.
    pub(super) additions: Additions,
    /// Why the connection will end after this response, if it will.
    reason: Option<CloseReason>,
}

impl Exchange {
    /// No request has come yet.
    pub(super) fn new(client: Client) -> Exchange {
        let (entry, status, additions, reason) = Default::default();
        Exchange { client, entry, status, head: 0, sent: 0, additions, reason }
    }

    /// Bytes of content sent so far.
    pub(super) fn content_sent(&self) -> u64 {
        self.sent.saturating_sub(self.head)
    }
}

/// 503 for a request whose job is given up. Its request may be with the job, so this is text for everybody.
pub(super) fn busy() -> Response {
    /// Seconds: by then a disk or another machine may answer again.
    const RETRY_AFTER: &str = "10";
    Response::text(Status::SERVICE_UNAVAILABLE, TEXTS.say("disk is slow", &[]) + "\n")
        .field("Retry-After", RETRY_AFTER)
        .with_note("no worker or no disk has answered in time")
        .closing()
}

impl Connection {
    /// A request is complete up to its content.
    pub(super) fn begin(&mut self, request: Request<'_>, framing: Framing, arrival: u64, cx: &mut LoopContext) {
        cx.counts.requests.add(1);
        // The next head has a clock of its own, even if its first bytes are here already.
        self.deadline.renew();
        self.exchange.reason = None;
        self.body = RequestBody::None;
        // Taken now, because the request is borrowed from the receive buffer.
        self.exchange.entry = cx.access_log.entry_of_request(&request, cx.wall);
        if cx.settings.proxies.is_some() && self.identify(&request, cx).is_err() {
            self.exchange.additions = cx.app.additions(&request, &self.request_context(arrival, cx));
            return self.deliver(error_page::overload().with_note("too many connections of this client"), cx);
        }
        self.ask(request, framing, arrival, cx);
    }

    fn request_context(&self, arrival: u64, cx: &LoopContext) -> RequestContext {
        let client = self.exchange.client;
        RequestContext { peer: self.peer, client, local: *self.local, now: cx.wall, arrival }
    }

    /// Asks the service, and begins what its answer says.
    fn ask(&mut self, request: Request<'_>, framing: Framing, arrival: u64, cx: &mut LoopContext) {
        let context = self.request_context(arrival, cx);
        // Before the request is answered, because a job may take the request with it. The fields are added when the
        // head is written, however the response is made.
        self.exchange.additions = cx.app.additions(&request, &context);
        // A panic costs one response, and not the loop with all its connections.
        let answer = catch_unwind(AssertUnwindSafe(|| cx.app.answer(&request, &context)));
        let Ok(answer) = answer else {
            let response =
                problem(&request, &Problem::new(Status::INTERNAL_SERVER_ERROR)).with_note("a service panicked");
            return self.deliver(response, cx);
        };
        let exceeds = |limit| matches!(framing, Framing::Length(length) if length > limit);
        match answer {
            Answer::Now(response) => self.deliver(response, cx),
            Answer::Ready(prepared) => self.deliver_prepared(&prepared, None, cx),
            Answer::ReadyFile(head, file) => self.deliver_prepared(&head, Some(file), cx),
            // The loop serves other connections meanwhile; the result comes back to job_finished.
            Answer::Blocking(task, job) => self.submit_limited(task, move || JobResult::Outcome(job()), cx),
            Answer::Delayed(wait, task, job) => self.submit_later(wait, task, job, cx),
            // Refused before 100 (Continue): the client need not send content that is too long anyway.
            Answer::Collect { limit, .. } | Answer::CollectRaw { limit, .. } | Answer::Receive { limit, .. }
                if exceeds(limit) =>
            {
                self.deliver(problem(&request, &Problem::too_large(limit)), cx);
            }
            Answer::Raw(verbatim) => self.begin_verbatim(*verbatim, cx),
            Answer::Collect { limit, then } => {
                self.collect(CollectedBody::new(limit, then, request.into_owned()), framing, cx);
            }
            Answer::CollectRaw { limit, then } => {
                self.collect(CollectedBody::raw(limit, then, request.into_owned()), framing, cx);
            }
            Answer::Receive { limit, device, open } => {
                let task = Task { device, ..Lane::Write.into() };
                self.submit_limited(task, move || JobResult::Opened(open()), cx);
                // 100 (Continue) waits until the sink is open, so that an upload can be refused before it is sent.
                self.body = RequestBody::Streamed(Box::new(Upload::new(limit, device, request.into_owned(), cx.now)));
            }
        }
    }

    /// A worker has finished a job of this connection.
    pub(crate) fn job_finished(&mut self, result: JobResult, cx: &mut LoopContext) {
        match result {
            JobResult::Warmed(read) => {
                self.work = Work::None;
                match read {
                    Ok(bytes) => self.send_queue.take_slice(bytes),
                    Err(error) => {
                        log::error!("a file cannot be read: {error}");
                        self.send_queue.clear(&mut cx.spare_buffers);
                        self.ending = Some(Ending::Cut(CloseReason::Failed));
                    }
                }
                return;
            }
            // A source does not end the request: its job only brings the next bytes.
            JobResult::Source(result) => return self.source_returned(result, cx),
            _ => (self.work, self.timed_job) = (Work::None, None),
        }
        // A request after a PUT must see what the PUT has written, though both came in one recv.
        cx.arrivals.advance();
        let response = match result {
            JobResult::Outcome(Outcome::Response(response)) => response,
            // The service could not decide without this job (it has verified a password): ask it again.
            JobResult::Outcome(Outcome::Again(_)) if self.ending.is_some() => return,
            JobResult::Outcome(Outcome::Again(request)) => {
                let framing = request.framing();
                // A service under a prefix may have taken it off; the decision begins again.
                return self.ask(request.whole(), framing, cx.arrivals.number(FirstByte::Unknown), cx);
            }
            JobResult::Opened(Ok(sink)) => {
                self.http.write_continue(self.send_queue.buffer(&mut cx.spare_buffers));
                return self.sink_returned(sink, Block::default(), cx);
            }
            JobResult::Wrote(Ok(sink), block) => return self.sink_returned(sink, block, cx),
            JobResult::Opened(Err(response)) | JobResult::Wrote(Err(response), _) => response,
            JobResult::Warmed(_) | JobResult::Source(_) | JobResult::Panicked => {
                Response::text(Status::INTERNAL_SERVER_ERROR, "500 The server failed, not you.\n")
                    .with_note("a handler panicked")
            }
        };
        // The request may have been refused meanwhile, because of a deadline or a broken chunk. It has had its
        // response then, and this one is dropped.
        if self.ending.is_none() && self.exchange.status.is_none() {
            self.deliver(response, cx);
        }
    }

    /// Answers bytes that are no valid request, or only a part of one.
    pub(super) fn refuse(&mut self, error: RequestError, head: &[u8], cx: &mut LoopContext) {
        let reason = match error.fault {
            // An operator must be able to tell these from other broken requests, so they have reasons of their own.
            Fault::TlsHandshake => CloseReason::TlsHandshake,
            Fault::SlowHead => CloseReason::TimedOutHead,
            Fault::SlowContent => CloseReason::TimedOutContent,
            // A second one of a trusted proxy is only a broken request.
            _ if proxy_header::is_begun(head) && cx.opening_of(self.peer) == Opening::Request => {
                CloseReason::ProxyHeaderUnexpected
            }
            _ => CloseReason::Refused,
        };
        self.refuse_for(error, reason, head, cx);
    }

    /// The same, with `reason` as the reason for the end of the connection.
    pub(super) fn refuse_for(&mut self, error: RequestError, reason: CloseReason, head: &[u8], cx: &mut LoopContext) {
        // A refused head may be longer than any valid one; no more of it than that goes into the page and the log.
        let head = &head[..head.len().min(cx.settings.limits.head)];
        self.exchange.reason = Some(reason);
        cx.counts.refused(error.fault);
        if self.exchange.status.is_some() {
            // The response began before the fault in the content was found, and there cannot be a second one.
            self.ending = Some(Ending::Linger(reason));
            return;
        }
        // There is an entry already if the head was valid and only the content is broken.
        if self.exchange.entry.is_none() {
            self.exchange.entry = cx.access_log.entry_of_refused(head, cx.wall);
            // No field of such a head is believed.
            self.exchange.client = self.client;
        }
        if matches!(reason, CloseReason::TlsHandshake | CloseReason::ProxyHeaderUnexpected) {
            log::warn!("{}: {}", self.peer, reason.explain());
        }
        let arrival = cx.arrivals.number(FirstByte::Unknown);
        let context = self.request_context(arrival, cx);
        self.exchange.additions = cx.app.additions_to_refusal(head, &context);
        let response = cx.app.refuse(&error, head).with_note(match reason {
            CloseReason::ClosedInContent(Some(_)) => format!("{}: {}", error.fault.name(), reason.sentence()),
            _ => error.fault.name().to_string(),
        });
        self.deliver(response, cx);
    }

    /// Puts a response into the send queue.
    pub(super) fn deliver(&mut self, response: Response, cx: &mut LoopContext) {
        // A response that comes before the content: the rest of it is read and dropped.
        self.drop_body(cx);
        if response.closes() || cx.draining {
            self.http.forbid_persistence();
        }
        self.keep_note(&response);
        // Nothing may change the status or the length after this.
        let response = cx.app.finish(response, &self.exchange.additions);
        if response.is_scripted() {
            return self.begin_script(response, cx);
        }
        let (status, fields, body) = response.into_parts();
        // Responses before this one may still lie in the buffer: the bytes of this one are counted from here.
        let gathered = self.send_queue.gathered();
        let buffer = self.send_queue.buffer(&mut cx.spare_buffers);
        let before = buffer.len();
        let added = cx.app.added_fields(&self.exchange.additions);
        let transfer = self.http.respond(status, &fields, body.length(), added, &cx.date, buffer);
        let head = buffer.len() - before;
        self.begin_response(status, transfer, cx);
        // A HEAD or a 304 has a head that may announce a length, and no content in the queue.
        if transfer != Transfer::Nothing {
            // The head with its length is written and cannot be changed. If the file is shorter by now, the client can
            // only see that from a connection that ends too early.
            match self.send_queue.push(body) {
                Ok(true) => {}
                Ok(false) => self.ending = Some(Ending::Cut(CloseReason::FileShrank)),
                Err(error) => {
                    log::error!("a file cannot be read: {error}");
                    self.ending = Some(Ending::Cut(CloseReason::Failed));
                }
            }
        }
        // Everything lies in the buffer: the response counts as sent, and the next pipelined request can be parsed.
        if !self.send_queue.has_parts() {
            let content = (self.send_queue.gathered() - gathered - head) as u64;
            self.finish(content, cx);
        }
    }

    /// The same for a response that is prepared: two copies and no allocation.
    fn deliver_prepared(&mut self, prepared: &Prepared, file: Option<Arc<OpenFile>>, cx: &mut LoopContext) {
        self.body = RequestBody::None;
        if cx.draining {
            self.http.forbid_persistence();
        }
        let buffer = self.send_queue.buffer(&mut cx.spare_buffers);
        let added = cx.app.added_fields(&self.exchange.additions);
        self.http.respond_prepared(prepared, added, &cx.date, buffer);
        self.begin_response(prepared.status(), Transfer::Nothing, cx);
        // A prepared head is the same for GET and HEAD, and announces the length in both cases.
        let content = if self.http.method() == Method::Head { 0 } else { prepared.content_len() };
        match file.filter(|_| content > 0) {
            // As above: it lies in the buffer as a whole.
            None => self.finish(content, cx),
            Some(file) => self.send_queue.push_range(file, 0, content),
        }
    }

    /// Begins to count what is sent of a response whose head is written.
    pub(super) fn begin_response(&mut self, status: Status, transfer: Transfer, cx: &LoopContext) {
        cx.counts.response(self.http.method(), status);
        self.exchange.status = Some(status);
        self.exchange.sent = 0;
        // What is still gathered of the responses before it is sent first.
        self.exchange.head = self.send_queue.gathered() as u64;
        if transfer == Transfer::UntilClose {
            self.exchange.reason.get_or_insert(CloseReason::Delimited);
        }
    }

    /// The next bytes of a file cannot be read without waiting: a worker reads them.
    pub(super) fn warm(&mut self, cx: &mut LoopContext) {
        // The worker has its own reference to the file: the connection may be closed meanwhile.
        let Some(slice) = self.send_queue.next_slice() else { return };
        let task = Task { device: slice.device(), ..Lane::Read.into() };
        self.submit(task, move || JobResult::Warmed(slice.read()), cx);
        self.work = Work::Warming;
    }

    /// The note of a response is for the log; an error of the server is also logged as one.
    fn keep_note(&mut self, response: &Response) {
        let Some(note) = response.note() else { return };
        // The client gets a plain page without the cause, which the operator needs.
        if response.status().code() >= 500 {
            log::error!("{}: {}: {note}", self.peer, response.status());
        }
        if let Some(entry) = &mut self.exchange.entry {
            entry.note = Some(note.to_string());
        }
    }

    /// The send queue is empty. A script decides itself when its response ends.
    pub(super) fn all_sent(&mut self, cx: &mut LoopContext) {
        if self.script.is_none() && self.exchange.status.is_some() {
            self.finish(self.exchange.content_sent(), cx);
        }
    }

    /// The response is sent, with so many bytes of content: logs it, and decides whether the connection goes on.
    pub(super) fn finish(&mut self, content: u64, cx: &mut LoopContext) {
        // Before the state of the connection changes: the line needs the exchange as it was.
        self.log(content, cx);
        self.release_share();
        // The end was decided while the response was written, and stays.
        if self.ending.is_some() {
            return;
        }
        self.ending = match self.http.sent() {
            // Discard keeps the connection: the content that is left is read first, and then the next request.
            Next::Request | Next::Discard => None,
            Next::Linger => Some(Ending::Linger(self.close_reason(cx.draining))),
            Next::Close => Some(Ending::Close(self.close_reason(cx.draining))),
        };
    }

    /// Writes the line of the log.
    fn log(&mut self, bytes: u64, cx: &mut LoopContext) {
        let Exchange { entry, status, client, .. } = &mut self.exchange;
        let client = match client {
            Client::Peer(_) | Client::Unnamed(_) if self.peer == UNIX_PEER => None,
            client => Some(client.address()),
        };
        // Taken, not copied: the next request of the connection must not find them.
        let (entry, status) = (entry.take(), status.take());
        if let (Some(entry), Some(status)) = (entry, status) {
            cx.access_log.write(entry, &LoggedResponse { client, status, bytes, ended: cx.wall });
        }
    }

    /// The connection ends before the response is sent: writes the line of the log, if a request has begun.
    pub(super) fn log_end(&mut self, reason: CloseReason, cx: &mut LoopContext) {
        if let Some(entry) = &mut self.exchange.entry {
            entry.note = Some(reason.sentence().into_owned());
            // No status was sent: 499, as nginx writes for a client that left.
            self.exchange.status = self.exchange.status.or(Status::new(499));
            self.log(self.exchange.content_sent(), cx);
        }
    }

    /// Why this exchange is the last one.
    fn close_reason(&self, draining: bool) -> CloseReason {
        self.exchange.reason.unwrap_or_else(|| match self.http.close_asked_by() {
            // The order matters: of several causes, the first one in this list is logged.
            _ if draining => CloseReason::Draining,
            _ if self.http.content_is_due() => CloseReason::ContentUnread,
            Some(Version::Http10) => CloseReason::Http10,
            Some(Version::Http11) => CloseReason::Finished,
            None => CloseReason::Chosen,
        })
    }
}
