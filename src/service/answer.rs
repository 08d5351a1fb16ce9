//! The interface between the connections and everything that makes responses: [`Service`] and [`Answer`].
//!
//! A service says how a request will be answered, and the connection does the work: it runs jobs, collects content and
//! sends. [`Service::answer`] is called on an event loop and must not block. If the kernel has all data in memory, the
//! service answers at once ([`Answer::Now`] and the prepared ones); any other work becomes a job for a worker. A job
//! costs some thirty times as much as opening a file that is in memory, so both ways exist.
//!
//! An example with a password file: a PUT gets `Blocking`, whose job runs bcrypt and results in [`Outcome::Again`]. The
//! service is asked once more, now with the password known, and returns `Receive`. Its `open` makes a temporary file on
//! a worker, the client gets 100 (Continue), and the sink receives the content block by block.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::http::{Method, Prepared, Request, Status};
use crate::service::client::{Client, is_forwarded};
use crate::service::open_file::OpenFile;
use crate::service::response::{DropToken, Pause, Response};

/// Addresses and time of a request.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestContext {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Who the request is from: the peer, or a client that it has named.
    pub client: Client,
    /// The address of this server that the client reached.
    pub local: SocketAddr,
    /// The current time, read once per turn of the loop.
    pub now: SystemTime,
    /// The arrival number. Requests with the same number may share one `stat()` of a file, since all of them began to
    /// arrive before the first of them was answered. Never 0.
    pub arrival: u64,
}

impl RequestContext {
    /// Whether the request is from a program on this computer, and no proxy has forwarded it. `head` is that of the
    /// request, valid or not.
    pub fn is_from_this_computer(&self, head: &[u8]) -> bool {
        // A dual-stack socket has IPv4 clients as ::ffff:127.0.0.1.
        self.peer.ip().to_canonical().is_loopback() && matches!(self.client, Client::Peer(_)) && !is_forwarded(head)
    }
}

/// The kind of work of a job. Each kind has workers of its own, so that none keeps another one waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lane {
    /// Look up and open what is asked for.
    Open,
    /// Read bytes of a file.
    Read,
    /// Read a folder and make the page of it.
    List,
    /// Receive an upload: open, write, fsync, publish; remove. As long as the disk needs.
    Write,
    /// Handlers of a [`crate::service::Router`] and content that is made while it is sent: of any length.
    Handler,
    /// Password hashes, which are slow on purpose.
    Passwords,
    /// Close and remove what is not needed any more.
    CleanUp,
}

impl Lane {
    /// All kinds, in order.
    pub const ALL: [Lane; 7] =
        [Lane::Open, Lane::Read, Lane::List, Lane::Write, Lane::Handler, Lane::Passwords, Lane::CleanUp];

    /// Whether the time limit of a request holds also while such a job runs, and not only while it waits. Such a job
    /// changes nothing, so it may go on after its request was answered with 503.
    pub fn is_limited(self) -> bool {
        matches!(self, Lane::Open | Lane::List)
    }
}

/// What a job is, for the order in which jobs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Its kind.
    pub lane: Lane,
    /// The device number of the file system that it may wait for; 0 for none, or if it is not known.
    pub device: u64,
    /// Jobs of the same kind with the same key run one after the other.
    pub key: Option<u64>,
}

impl From<Lane> for Task {
    fn from(lane: Lane) -> Task {
        Task { lane, device: 0, key: None }
    }
}

/// The result of a job.
pub enum Outcome {
    /// The response.
    Response(Response),
    /// The service must be asked again, since the job found out something new, such as that a password is right.
    Again(Box<Request<'static>>),
}

impl From<Response> for Outcome {
    fn from(response: Response) -> Outcome {
        Outcome::Response(response)
    }
}

/// Work for a worker. It may block. If it panics, the client gets 500 and the server continues.
pub type Job = Box<dyn FnOnce() -> Outcome + Send>;

/// The same with the whole content.
pub type ContentJob = Box<dyn FnOnce(Vec<u8>) -> Response + Send>;

/// The same with the request as it was received.
pub type RawRequestJob = Box<dyn FnOnce(RawRequest) -> Response + Send>;

/// Opens the [`Sink`] of an upload. The response of an error is sent before any content is read.
pub type OpenSink = Box<dyn FnOnce() -> Result<Box<dyn Sink>, Response> + Send>;

/// How a request will be answered.
#[non_exhaustive]
pub enum Answer {
    /// Immediately. Content of the request is not used.
    Now(Response),
    /// Immediately, with a prepared head and content.
    Ready(Prepared),
    /// Immediately, with a prepared head and the whole of an open file.
    ReadyFile(Prepared, Arc<OpenFile>),
    /// After a job on a worker.
    Blocking(Task, Job),
    /// The same, but the job is queued after this time. Nothing waits for it but the client.
    Delayed(Duration, Task, Job),
    /// After the content was collected in memory.
    Collect {
        /// The most bytes of content; more is 413.
        limit: u64,
        /// Makes the response.
        then: ContentJob,
    },
    /// After the content was written to a sink.
    Receive {
        /// The most bytes of content; more is 413.
        limit: u64,
        /// The device number of the file system that it is stored on; 0 if it is not known.
        device: u64,
        /// Runs before 100 (Continue) is sent and before any content is read.
        open: OpenSink,
    },
    /// After the whole request was collected as it was received, framing included.
    CollectRaw {
        /// The most bytes after the head; more is 413.
        limit: u64,
        /// Makes the response.
        then: RawRequestJob,
    },
    /// Immediately, with these bytes exactly; then the connection closes.
    Raw(Box<RawResponse>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer::Now(response)
    }
}

/// How a connection closes after a [`RawResponse`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseBy {
    /// With a FIN, after all bytes were sent.
    Fin,
    /// With a reset.
    Reset,
}

/// Bytes that are sent exactly as given in the place of a response; then the connection always closes.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// The status for the log.
    pub status: Status,
    /// All bytes, status line included.
    pub bytes: Vec<u8>,
    /// Pauses. [`crate::service::ByteOffset::Content`] counts from the end of the first empty line.
    pub pauses: Vec<Pause>,
    /// How the connection closes.
    pub close: CloseBy,
    /// Dropped with the response.
    pub token: DropToken,
}

/// A request as it was received, byte by byte.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RawRequest {
    /// The head, with the empty line at its end.
    pub head: Vec<u8>,
    /// Everything after the head, chunk-size lines and trailers included.
    pub framed: Vec<u8>,
    /// The content without framing.
    pub content: Vec<u8>,
}

/// How the content of a request was received: what the calls of `recv` returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiveSummary {
    /// Calls that returned bytes of the content or of its framing.
    pub calls: u64,
    /// The fewest bytes that one of them returned.
    pub smallest: u64,
    /// The most bytes that one of them returned.
    pub largest: u64,
    /// From the first byte of content to the last.
    pub time: Duration,
}

/// Receives the content of an upload. Its methods are called on workers, one at a time and in order. If a sink is
/// dropped before [`Sink::finish`], it must undo everything it did.
pub trait Sink: Send {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// The response that ends the exchange. The sink is dropped.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response>;

    /// The content is complete, and was received like this. Called before [`Sink::finish`].
    fn measured(&mut self, summary: &ReceiveSummary) {
        let _ = summary;
    }

    /// The content is complete.
    fn finish(self: Box<Self>) -> Response;
}

/// Answers requests. Each event loop owns one ([`Service::fork`]), so a service may have a memory of its own without a
/// lock. What all loops share belongs into an `Arc`.
pub trait Service: Send {
    /// How this request will be answered. Must not block.
    fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer;

    /// The methods that work on some target of this service: for `OPTIONS *`, CORS and CONNECT.
    fn methods(&self) -> Vec<Method> {
        vec![Method::Get, Method::Head, Method::Options]
    }

    /// The methods that work on the target of this request, as far as that is known without blocking.
    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        let _ = request;
        self.methods()
    }

    /// Whether this service answers this request although its method works nowhere else: TRACE at an address that
    /// leaves out what is sensitive (RFC 9110 §9.3.8), or an unknown method at an address that takes any. All other
    /// such requests are refused before the service is asked.
    fn takes(&self, request: &Request<'_>) -> bool {
        let _ = request;
        false
    }

    /// Closes files that are only kept open for speed, because the process is short of file descriptors.
    fn relieve(&mut self) {}

    /// The same service for another event loop.
    fn fork(&self) -> Box<dyn Service>;
}

/// Files of the program, for the paths at which the served folder has no entry of their name.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// The names at the top of the site. Clients who may add files and replace none cannot create entries of these names.
    pub names: &'static [&'static str],
    /// The response to GET or HEAD of a path that begins with one of them, if there is a file.
    pub respond: fn(&Request<'_>) -> Option<Response>,
}
