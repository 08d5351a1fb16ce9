//! The seam: what a service is asked, and the speeds at which it may answer.
//!
//! Never: a socket, a thread. A service says *what*; `net` decides where the work runs.
//!
//! The subtle thing: [`Service::answer`] runs on the loop and must not block. Work the kernel can do
//! from memory is answered at once ([`Answer::Now`]); everything else becomes a job for the workers.
//! A trip to a worker and back costs some thirty times a cached open, which is why there are two doors.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::http::{Method, Prepared, Request};
use crate::service::response::Response;
use crate::service::script::{RawRequest, RawResponse, ReceiveSummary};

/// Who asks, and when.
#[derive(Clone, Copy, Debug)]
pub struct RequestContext {
    /// The client's address.
    pub peer: SocketAddr,
    /// The address the client reached.
    pub local: SocketAddr,
    /// The moment of asking, read once per turn of the loop.
    pub now: SystemTime,
    /// Which arrival brought the request. Requests of one arrival had all begun to arrive before the
    /// first of them was answered, and this server wrote nothing in between: what has been looked up for
    /// one of them holds for the others. Never 0.
    pub arrival: u64,
}

/// Which workers a job may use. The long lane never takes the last worker, so that four slow fsyncs or
/// long listings cannot stop every cold file; passwords never take more than a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Open, read, remove: milliseconds.
    Short,
    /// Listing, writing, fsync, handlers of a library's user: as long as it takes.
    Long,
    /// Password hashes: made to be slow.
    Passwords,
}

/// What a job comes to.
pub enum Outcome {
    /// The answer.
    Response(Response),
    /// Ask the service again: what it lacked is known by now (a password has been verified).
    Again(Box<Request<'static>>),
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Outcome {
        Outcome::Response(response)
    }
}

/// Work for a worker. It may block; if it panics the client gets 500 and the server lives.
pub type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// Work for a worker that needs the whole content.
pub type ContentJob = Box<dyn FnOnce(Vec<u8>) -> Response + Send>;

/// Work for a worker that needs the request as it came.
pub type RawRequestJob = Box<dyn FnOnce(RawRequest) -> Response + Send>;

/// Opens the place content is streamed to, or answers why not; nothing of the content has been read.
pub type OpenSink = Box<dyn FnOnce() -> Result<Box<dyn Sink>, Response> + Send>;

/// How a service answers.
pub enum Answer {
    /// At once.
    Now(Response),
    /// At once, with bytes that lie ready.
    Ready(Arc<Prepared>),
    /// At once, with a head that lies ready and a whole file that is open.
    ReadyFile(Arc<Prepared>, Arc<File>),
    /// After some work that may block.
    Blocking(Lane, Job),
    /// After the content has been collected in memory: at most `limit` bytes, more is 413.
    Collect {
        /// The most bytes of content.
        limit: u64,
        /// What happens with them.
        then: ContentJob,
    },
    /// After the content has been streamed into a sink: at most `limit` bytes, more is 413.
    Receive {
        /// The most bytes of content.
        limit: u64,
        /// Opens the sink, before 100 (Continue) is sent and before any content is read.
        open: OpenSink,
    },
    /// After the whole request has been collected as it came, framing included: at most `limit` bytes
    /// behind the head, more is 413.
    CollectRaw {
        /// The most bytes behind the head.
        limit: u64,
        /// What happens with them.
        then: RawRequestJob,
    },
    /// With bytes as they stand, whatever they are; then the connection ends.
    Raw(Box<RawResponse>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Now(response)
    }
}

/// Where streamed content goes. Every call happens on a worker, one at a time, in order. A sink that
/// is dropped before [`Sink::finish`] must leave nothing behind.
pub trait Sink: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The response that ends the exchange; the sink is dropped.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response>;

    /// The content is complete, and came like this.
    fn measured(&mut self, meter: &ReceiveSummary) {
        let _ = meter;
    }

    /// The content is complete.
    fn finish(self: Box<Self>) -> Response;
}

/// Somebody who answers requests. Each loop owns one ([`Service::fork`]), so a service may keep
/// memory of its own without a lock; what all loops share stands behind an `Arc`.
pub trait Service: Send {
    /// Answers one request, without blocking.
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer;

    /// The methods that work on some target of this service, for `OPTIONS *` and for answers that are
    /// given before a target is looked at; what works on one target, its own answer says.
    fn methods(&self) -> Vec<Method> {
        vec![Method::Get, Method::Head, Method::Options]
    }

    /// The methods that work on the target of this request, as far as that is known without a look at
    /// anything slow; for answers that are given before the service itself is asked.
    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        let _ = request;
        self.methods()
    }

    /// Whether this very request is answered here although its method works nowhere else: TRACE at an
    /// address that leaves out what is sensitive (RFC 9110 §9.3.8), a method without a name here at one
    /// that takes any. Everything else of the kind is refused before a service is asked.
    fn takes(&self, request: &Request<'_>) -> bool {
        let _ = request;
        false
    }

    /// Descriptors are short: whatever is only kept open to be quick is to be closed.
    fn relieve(&mut self) {}

    /// The same service for another loop.
    fn fork(&self) -> Box<dyn Service>;
}
