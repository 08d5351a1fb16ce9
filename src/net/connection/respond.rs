//! The answering side of a client: from a request to what stands in its outbox.
//!
//! Never: the socket. Answers go into the outbox; [`crate::net::connection`] moves bytes.
//!
//! The subtle thing: `sent` is told to the machine when an answer has left completely, and for an
//! answer that lies in the buffer as a whole that is already when it is put there: so the answers to
//! a pipeline gather and leave in one `send`. An answer with large content blocks the next request
//! until the last byte of it is with the kernel.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::http::{Fault, Framing, Method, Next, Phase, Prepared, Request, RequestError, Status, Transfer, Version};
use crate::net::close_reason::CloseReason;
use crate::net::connection::Connection;
use crate::net::connection::body::{Collecting, Errand, Intake, Receiving, Then};
use crate::net::connection::context::{Context, Last};
use crate::net::connections::ConnectionId;
use crate::net::page_cache;
use crate::net::workers::{JobResult, Jobs};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::{Answer, Lane, Outcome, RequestContext, Response};

/// The workers' queue is full: this request is refused, the connection may go on.
const BUSY: Status = Status::SERVICE_UNAVAILABLE;

impl Connection {
    /// A request has come.
    pub(crate) fn begin(&mut self, request: Request<'_>, framing: Framing, arrival: u64, cx: &mut Context) {
        cx.tally.requests += 1;
        self.deadline.renew();
        self.exchange.reason = None;
        self.intake = Intake::Nothing;
        if cx.access_log.is_on() {
            self.exchange.entry = Some(cx.access_log.entry(&request, cx.wall));
        }
        self.ask(request, framing, arrival, cx);
    }

    fn ask(&mut self, request: Request<'_>, framing: Framing, arrival: u64, cx: &mut Context) {
        let visit = RequestContext { peer: self.peer, local: *self.local, now: cx.wall, arrival };
        self.exchange.additions = cx.app.additions(&request, &visit);
        // A service that panics on the loop costs one answer and not the server.
        let answer = catch_unwind(AssertUnwindSafe(|| cx.app.answer(&request, &visit)));
        match answer {
            Err(_) => {
                let response = problem(Status::INTERNAL_SERVER_ERROR, &request).with_note("a service panicked");
                self.deliver(response, cx);
            }
            Ok(Answer::Now(response)) => self.deliver(response, cx),
            Ok(Answer::Ready(prepared)) => self.deliver_prepared(&prepared, None, cx),
            Ok(Answer::ReadyFile(head, file)) => self.deliver_prepared(&head, Some(file), cx),
            Ok(Answer::Blocking(lane, job)) => {
                self.away = cx.jobs.submit(self.id, lane, move || JobResult::Outcome(job()));
                if !self.away {
                    self.deliver(problem(BUSY, &request), cx);
                }
            }
            Ok(Answer::Collect { limit, .. } | Answer::CollectRaw { limit, .. } | Answer::Receive { limit, .. })
                if too_long(framing, limit) =>
            {
                self.deliver(too_large(limit, &request), cx);
            }
            Ok(Answer::Verbatim(verbatim)) => {
                self.intake = Intake::Discarding;
                self.perform_verbatim(*verbatim, cx);
            }
            Ok(Answer::Collect { limit, then }) => {
                self.collect(Collecting::new(limit, Then::Content(then), request.into_owned()), framing, cx);
            }
            Ok(Answer::CollectRaw { limit, then }) => {
                self.collect(Collecting::new(limit, Then::Received(then), request.into_owned()), framing, cx);
            }
            Ok(Answer::Receive { limit, open }) => {
                self.away = cx.jobs.submit(self.id, Lane::Short, move || JobResult::Opened(open()));
                if !self.away {
                    return self.deliver(problem(BUSY, &request), cx);
                }
                let mut receiving = Receiving::new(limit, request.into_owned(), cx.now);
                if !framing.has_content() {
                    receiving.complete();
                }
                self.intake = Intake::Receiving(Box::new(receiving));
            }
        }
    }

    fn collect(&mut self, collecting: Collecting, framing: Framing, cx: &mut Context) {
        self.intake = Intake::Collecting(Box::new(collecting));
        self.connection.write_continue(self.send_queue.buffer(&mut cx.spare_buffers));
        if !framing.has_content() {
            self.end_content(cx);
        }
    }

    /// Bytes of content have come.
    pub(crate) fn take_content(&mut self, bytes: &[u8], cx: &mut Context) {
        let fits = match &mut self.intake {
            Intake::Nothing | Intake::Discarding => true,
            Intake::Collecting(collecting) => collecting.take(bytes),
            Intake::Receiving(receiving) => receiving.take(bytes),
        };
        self.took_content(fits, cx);
    }

    /// Bytes of content are where they belong, unless there were too many.
    pub(crate) fn took_content(&mut self, fits: bool, cx: &mut Context) {
        if !fits {
            let response = match &self.intake {
                Intake::Collecting(collecting) => too_large(collecting.limit, &collecting.request),
                Intake::Receiving(receiving) => too_large(receiving.limit, &receiving.request),
                _ => Response::new(Status::CONTENT_TOO_LARGE),
            };
            return self.deliver(response, cx);
        }
        self.run_errand(cx);
    }

    /// The content is complete.
    pub(crate) fn end_content(&mut self, cx: &mut Context) {
        match std::mem::replace(&mut self.intake, Intake::Nothing) {
            Intake::Nothing | Intake::Discarding => {}
            Intake::Collecting(collecting) if !collecting.fits() => {
                self.deliver(too_large(collecting.limit, &collecting.request), cx);
            }
            Intake::Collecting(collecting) => {
                let (job, request) = collecting.finish();
                self.away = cx.jobs.submit(self.id, Lane::Long, move || JobResult::Outcome(job()));
                if !self.away {
                    self.deliver(problem(BUSY, &request), cx);
                }
            }
            Intake::Receiving(mut receiving) => {
                receiving.complete();
                self.intake = Intake::Receiving(receiving);
                self.run_errand(cx);
            }
        }
    }

    /// Gives the sink its next block, if it is here and there is one.
    fn run_errand(&mut self, cx: &mut Context) {
        let Intake::Receiving(receiving) = &mut self.intake else { return };
        let Some(errand) = receiving.errand() else { return };
        self.away = hand_in(&cx.jobs, self.id, errand);
        if !self.away {
            let response = problem(BUSY, &receiving.request);
            self.deliver(response, cx);
        }
    }

    /// A worker has finished what it was given.
    pub(crate) fn job_finished(&mut self, finished: JobResult, cx: &mut Context) {
        if let JobResult::Warmed = finished {
            self.warming = false;
            return;
        }
        if let JobResult::Source(asked) = finished {
            return self.answered(asked, cx);
        }
        self.away = false;
        self.warming = false;
        // A request behind a PUT sees what the PUT has written, though both came in one `recv`.
        cx.arrivals.next();
        let response = match finished {
            JobResult::Outcome(Outcome::Response(response)) => response,
            JobResult::Outcome(Outcome::Again(request)) => {
                let framing = request.framing();
                return self.ask(*request, framing, cx.arrivals.number(false), cx);
            }
            JobResult::Opened(Ok(sink)) => {
                self.connection.write_continue(self.send_queue.buffer(&mut cx.spare_buffers));
                return self.sink_is_back(sink, Vec::new(), cx);
            }
            JobResult::Wrote(Ok(sink), block) => return self.sink_is_back(sink, block, cx),
            JobResult::Opened(Err(response)) | JobResult::Wrote(Err(response), _) => response,
            JobResult::Warmed | JobResult::Source(_) | JobResult::Panicked => {
                let note = "a handler panicked";
                let response = Response::text(Status::INTERNAL_SERVER_ERROR, "500 The server failed, not you.\n");
                response.with_note(note)
            }
        };
        // The request may have been refused meanwhile (a deadline, a broken chunk): then it has had
        // its answer, and this one is of no use.
        if self.last.is_none() && self.exchange.status.is_none() {
            self.deliver(response, cx);
        }
    }

    fn sink_is_back(&mut self, sink: Box<dyn crate::service::Sink>, block: Vec<u8>, cx: &mut Context) {
        match &mut self.intake {
            Intake::Receiving(receiving) => {
                receiving.returned(sink, block);
                self.run_errand(cx);
            }
            // The upload was given up while the sink was away.
            _ => cx.jobs.discard(sink),
        }
    }

    /// The bytes are no request, or no whole one.
    pub(crate) fn refuse(&mut self, refusal: RequestError, head: &[u8], cx: &mut Context) {
        let ended = match refusal.fault {
            Fault::TlsHandshake => CloseReason::TlsHandshake,
            Fault::SlowHead => CloseReason::TimedOut(Phase::Head),
            Fault::SlowContent => CloseReason::TimedOut(Phase::Content),
            _ => CloseReason::Refused,
        };
        self.refuse_for(refusal, ended, head, cx);
    }

    /// The same; the connection ends for `reason` then.
    pub(crate) fn refuse_for(&mut self, refusal: RequestError, reason: CloseReason, head: &[u8], cx: &mut Context) {
        let head = &head[..head.len().min(cx.server.limits.head)];
        self.exchange.reason = Some(reason);
        if self.exchange.status.is_some() {
            // It was answered before its content turned out to be broken.
            self.last = Some(Last::Stages(reason));
            return;
        }
        if self.exchange.entry.is_none() && cx.access_log.is_on() {
            self.exchange.entry = Some(cx.access_log.entry_of_refused(head, cx.wall));
        }
        if refusal.fault == Fault::TlsHandshake {
            log::warn!("{}: {}", self.peer, reason.explain());
        }
        let visit =
            RequestContext { peer: self.peer, local: *self.local, now: cx.wall, arrival: cx.arrivals.number(false) };
        self.exchange.additions = cx.app.additions_to_refusal(head, &visit);
        let response = cx.app.refuse(&refusal, head).with_note(match reason {
            CloseReason::ClosedInContent(Some(_)) => format!("{}: {}", refusal.fault.name(), reason.sentence()),
            _ => refusal.fault.name().to_string(),
        });
        self.deliver(response, cx);
    }

    /// Puts an answer into the outbox.
    pub(crate) fn deliver(&mut self, response: Response, cx: &mut Context) {
        if let Intake::Receiving(receiving) = std::mem::replace(&mut self.intake, Intake::Discarding) {
            cx.jobs.discard(receiving);
        }
        if response.closes() || cx.draining {
            self.connection.forbid_persistence();
        }
        self.note(&response, cx);
        let response = cx.app.finish(response, &self.exchange.additions);
        if response.is_scripted() {
            return self.perform(response, cx);
        }
        let (status, fields, body) = response.into_parts();
        let gathered = self.send_queue.gathered();
        let buffer = self.send_queue.buffer(&mut cx.spare_buffers);
        let before = buffer.len();
        let added = cx.app.added_fields(&self.exchange.additions);
        let transfer = self.connection.respond(status, &fields, body.length(), added, &cx.date, buffer);
        self.exchange.status = Some(status);
        self.exchange.sent = 0;
        let head = buffer.len() - before;
        // What is still gathered from the answers before it leaves first.
        self.exchange.head = self.send_queue.gathered() as u64;
        self.is_delimited(transfer);
        if transfer != Transfer::Nothing {
            match self.send_queue.push(body) {
                Ok(true) => {}
                Ok(false) => self.last = Some(Last::Cut(CloseReason::FileShrank)),
                Err(error) => {
                    log::error!("a file cannot be read: {error}");
                    self.last = Some(Last::Cut(CloseReason::Failed));
                }
            }
        }
        if !self.send_queue.has_parts() {
            let content = (self.send_queue.gathered() - gathered - head) as u64;
            self.finish(content, cx);
        }
    }

    /// The end of the connection may be what ends the content.
    pub(crate) fn is_delimited(&mut self, transfer: Transfer) {
        if transfer == Transfer::UntilClose {
            self.exchange.reason.get_or_insert(CloseReason::Delimited);
        }
    }

    /// The same for an answer that lies ready: two copies, and no allocation.
    fn deliver_prepared(&mut self, prepared: &Prepared, file: Option<Arc<File>>, cx: &mut Context) {
        self.intake = Intake::Discarding;
        if cx.draining {
            self.connection.forbid_persistence();
        }
        let buffer = self.send_queue.buffer(&mut cx.spare_buffers);
        let added = cx.app.added_fields(&self.exchange.additions);
        self.connection.respond_prepared(prepared, added, &cx.date, buffer);
        self.exchange.status = Some(prepared.status());
        let content = if self.connection.method() == Method::Head { 0 } else { prepared.content_len() };
        match file.filter(|_| content > 0) {
            None => self.finish(content, cx),
            Some(file) => {
                self.exchange.sent = 0;
                self.exchange.head = self.send_queue.gathered() as u64;
                self.send_queue.push_range(file, 0, content);
            }
        }
    }

    /// The next bytes of a file are on the disk: a worker reads them while the loop serves others.
    pub(crate) fn warm(&mut self, cx: &mut Context) {
        let Some((file, from, len)) = self.send_queue.next_slice() else { return };
        self.warming = cx.jobs.submit(self.id, Lane::Short, move || {
            page_cache::read_ahead(&file, from, len);
            JobResult::Warmed
        });
        if !self.warming {
            // Every worker is busy and the queue is full: better a slow turn than an answer cut off.
            self.again = true;
        }
    }

    fn note(&mut self, response: &Response, cx: &mut Context) {
        let Some(note) = response.note() else { return };
        if response.status().code() >= 500 {
            log::error!("{}: {}: {note}", self.peer, response.status());
        }
        if cx.access_log.is_on() {
            self.exchange.note = Some(note.to_string());
        }
    }

    /// The outbox is empty.
    pub(crate) fn all_sent(&mut self, cx: &mut Context) {
        if self.play.is_some() {
            self.play_on(cx);
        } else if self.exchange.status.is_some() {
            let content = self.exchange.sent.saturating_sub(self.exchange.head);
            self.finish(content, cx);
        }
    }

    /// The answer has left completely.
    pub(crate) fn finish(&mut self, content: u64, cx: &mut Context) {
        self.exchange.end(self.peer, content, cx.wall, &mut cx.access_log);
        if self.last.is_some() {
            return;
        }
        match self.connection.sent() {
            Next::Request | Next::Discard => {}
            Next::Linger => self.last = Some(Last::Stages(self.why(cx.draining))),
            Next::Close => self.last = Some(Last::Close(self.why(cx.draining))),
        }
    }

    /// Why this exchange was the last one.
    fn why(&self, draining: bool) -> CloseReason {
        self.exchange.reason.unwrap_or_else(|| match self.connection.close_asked_by() {
            _ if draining => CloseReason::Draining,
            _ if self.connection.content_is_due() => CloseReason::ContentUnread,
            Some(Version::Http10) => CloseReason::Http10,
            Some(Version::Http11) => CloseReason::Finished,
            None => CloseReason::Chosen,
        })
    }
}

/// Whether the head already says that there is too much.
fn too_long(framing: Framing, limit: u64) -> bool {
    matches!(framing, Framing::Length(length) if length > limit)
}

/// The page of an answer that no service has made, with the fields of those it makes.
fn problem(status: Status, request: &Request<'_>) -> Response {
    error_page::problem(request, &Problem::new(status))
}

/// The same for more content than `limit`.
fn too_large(limit: u64, request: &Request<'_>) -> Response {
    error_page::problem(request, &Problem::too_large(limit))
}

fn hand_in(jobs: &Jobs, id: ConnectionId, errand: Errand) -> bool {
    match errand {
        Errand::Write(mut sink, block) => jobs.submit(id, Lane::Long, move || {
            let result = sink.write(&block);
            JobResult::Wrote(result.map(|()| sink), block)
        }),
        Errand::Finish(mut sink, block, meter) => jobs.submit(id, Lane::Long, move || {
            let written = if block.is_empty() { Ok(()) } else { sink.write(&block) };
            JobResult::Outcome(Outcome::Response(match written {
                Ok(()) => {
                    sink.measured(&meter);
                    sink.finish()
                }
                Err(response) => response,
            }))
        }),
    }
}
