//! One connection: its socket, its parser, its responses and its deadline, as one state machine.
//!
//! The loop calls `Connection::turn` whenever something may have changed. A turn repeats these steps until there is
//! nothing to do, or other connections must come first:
//!
//! 1. send what waits; if the socket is full, stop
//! 2. go on with a response that has a script (`script.rs`)
//! 3. close, if that was the last response
//! 4. parse bytes (`read.rs`): those left over, else those of one `recv`; answer the requests in them (`respond.rs`)
//!    or pass on their content (`body.rs`)
//!
//! | state | becomes | when |
//! |---|---|---|
//! | `Input` `Drained` | `Readable` | an event reports bytes |
//! | `Drained`, `Readable` | `PeerClosed` | an event reports the client's FIN, or an error |
//! | `Readable` | `Drained` | a `recv` brings less than there is room for, or nothing |
//! | `Readable`, `PeerClosed` | `Ended` | a `recv` brings the end |
//! | `Output` `Open` | `Full` | a `send` finds no room |
//! | `Full` | `Open` | an event reports room |
//! | `Open` | `Shut` | the last response is sent, and bytes of the client may still come |
//! | `Work` `None` | `Away` | a job is queued, or will be, that makes the response, or writes a block of an upload |
//! | `None` | `Warming` | the next bytes of a file are on the disk |
//! | `Away`, `Warming` | `None` | the result is back |
//! | `NextTurn` `OnEvent` | `Soon` | a turn ends at a limit, with more to do |
//! | `Soon` | `Queued` | the loop has put the connection into its list |
//! | `Queued` | `OnEvent` | that turn begins |
//! | `Opening` `ProxyHeader` | `Request` | the PROXY header of a trusted proxy is complete |
//! | `Ending` none | any | the response being sent is known to be the last one |
//!
//! No function here waits. The states record why the connection cannot go on now.

mod body;
pub(crate) mod client;
mod read;
mod receive_stats;
mod respond;
mod script;
pub(crate) mod state;
mod time;

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::{Http1, Phase};
use crate::net::connection::state::{
    Ending, FirstByte, Input, LoopContext, NextBytes, NextTurn, Opening, Output, Work,
};
use crate::net::connection::{body::RequestBody, respond::Exchange, script::RunningScript, time::TimedJob};
use crate::net::deadline::{Deadline, FIRST_REQUEST};
use crate::net::send_queue::{Flushed, SendOptions, SendQueue};
use crate::net::stream::Stream;
use crate::net::{CloseReason, admission::ClientShare, connections::ConnectionId, tcp_info::UnsentLimit};
use crate::service::Client;

/// Requests answered in one turn, so that a long pipeline does not hold up other connections.
const REQUESTS_PER_TURN: u64 = 16;
/// Reads in one turn: at 64 KiB each, a fast upload brings 1 MiB before others come.
const READS_PER_TURN: usize = 16;

/// One connection.
pub(crate) struct Connection {
    /// Non-blocking. Registered with the poller only after the first turn.
    pub(super) socket: Stream,
    /// Names it in jobs and deadlines. A later connection in the same slot has another one.
    id: ConnectionId,
    /// Its number in every view of the record; 0 when nothing is recorded.
    number: u64,
    pub(super) peer: SocketAddr,
    /// Who its requests are from, as far as the connection itself tells.
    client: Client,
    /// It counts for a client.
    share: Option<ClientShare>,
    opening: Opening,
    /// The address of its listener, shared by all connections of that.
    local: Arc<SocketAddr>,
    /// The parser, and the rules of HTTP/1.1 about what may be sent next.
    http: Http1,
    /// Bytes of responses that the socket has not taken yet. No request is parsed while much waits here.
    send_queue: SendQueue,
    /// Set when the service wants content, and `None` again when the response is delivered.
    body: RequestBody,
    exchange: Exchange,
    /// What is still to come of a response with a script.
    script: Option<Box<RunningScript>>,
    input: Input,
    output: Output,
    work: Work,
    /// Set with the first job of a request.
    timed_job: Option<Box<TimedJob>>,
    next_turn: NextTurn,
    /// Set once, when the response being sent is known to be the last one, and never taken back.
    ending: Option<Ending>,
    next_bytes: NextBytes,
    /// Bytes that were received and not parsed yet. An idle connection has no buffer.
    unread: Vec<u8>,
    /// Bytes received in all.
    received: u64,
    /// Known only in the turn that follows an event.
    first_byte: FirstByte,
    /// Low at first; high while the reader is fast.
    unsent_limit: UnsentLimit,
    /// Compared with the phase at the end of each turn.
    deadline: Deadline,
    /// The earliest moment for which the loop has an entry: see [`crate::net::deadline::Deadlines`].
    pub(super) deadline_entry: Option<Instant>,
}

impl Connection {
    /// A connection that has just been accepted, before its first turn.
    pub(crate) fn new(
        socket: Stream,
        id: ConnectionId,
        peer: SocketAddr,
        local: Arc<SocketAddr>,
        share: Option<ClientShare>,
        cx: &mut LoopContext,
    ) -> Connection {
        let now = cx.now;
        let opening = cx.opening_of(peer);
        let number = cx.tap().map_or(0, |tap| tap.accepted(now, peer));
        if opening == Opening::ProxyHeader
            && let Some(tap) = cx.tap()
        {
            tap.proxy_header_due(number, now);
        }
        let client = cx.client_of_peer(peer);
        Connection {
            socket,
            id,
            number,
            peer,
            client,
            share,
            opening,
            local,
            http: Http1::new(Arc::clone(&cx.limits)),
            send_queue: SendQueue::default(),
            body: RequestBody::None,
            exchange: Exchange::new(client),
            script: None,
            // The request is here in nearly every case; if it is not, the first recv says so.
            input: Input::Readable,
            output: Output::Open,
            work: Work::None,
            timed_job: None,
            next_turn: NextTurn::OnEvent,
            ending: None,
            next_bytes: NextBytes::Socket,
            unread: Vec::new(),
            received: 0,
            first_byte: FirstByte::Unknown,
            unsent_limit: UnsentLimit::Low,
            deadline: Deadline::new(now, &cx.settings.timeouts, cx.scarce),
            deadline_entry: None,
        }
    }

    pub(crate) fn note_event(&mut self, readable: bool, writable: bool, closed: bool) {
        // Bytes that were not received in an earlier turn would make the first byte older than the event.
        if readable && !self.input.is_readable() && self.unread.is_empty() {
            self.first_byte = FirstByte::BeforeTurn;
        }
        self.input = self.input.after_event(readable, closed);
        if writable {
            self.output = self.output.after_writable();
        }
    }

    /// Bytes may be here though no event has come.
    pub(crate) fn assume_readable(&mut self) {
        self.input = self.input.after_event(true, false);
    }

    /// Whether the loop must put it into the list of those that get another turn.
    pub(crate) fn needs_queueing(&mut self) -> bool {
        let soon = self.next_turn == NextTurn::Soon;
        if soon {
            self.next_turn = NextTurn::Queued;
        }
        soon
    }

    pub(crate) fn begin_queued_turn(&mut self) {
        self.next_turn = NextTurn::OnEvent;
    }

    /// Asks for another turn after the other connections.
    fn go_on_soon(&mut self) {
        if self.next_turn == NextTurn::OnEvent {
            self.next_turn = NextTurn::Soon;
        }
    }

    /// If it is idle: a moment that is earlier the longer it has been.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        if self.phase() == Phase::Idle { self.deadline.at() } else { None }
    }

    /// What the connection is waiting for.
    pub(crate) fn phase(&self) -> Phase {
        if self.output == Output::Shut {
            return Phase::Lingering;
        }
        if !self.send_queue.is_empty() {
            return if self.work == Work::Warming { Phase::Owed } else { Phase::Sending };
        }
        if self.script.is_some() {
            return Phase::Owed;
        }
        match &self.body {
            // While both blocks of an upload are full the client cannot send: it is this server that is slow.
            RequestBody::Streamed(upload) if !upload.has_room() => Phase::Owed,
            RequestBody::Streamed(_) => Phase::Content,
            _ if self.work == Work::Away => Phase::Owed,
            // The first part of a PROXY header is there, and its time is that of a head.
            _ if self.opening == Opening::ProxyHeader && self.received > 0 => Phase::Head,
            _ => self.http.phase(),
        }
    }

    /// Does what can be done now.
    pub(crate) fn turn(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        self.drive(cx)?;
        // A byte that comes after this turn may have been sent after it.
        self.first_byte = FirstByte::Unknown;
        // A server that stops does not wait for further requests. A connection that is queued for another turn may
        // still have bytes, so it stays.
        if cx.draining && self.phase() == Phase::Idle && self.next_turn == NextTurn::OnEvent {
            if self.received > 0 || cx.settings.timeouts.grace < FIRST_REQUEST {
                return Err(CloseReason::Draining);
            }
            // Its request may be on its way: no client expects that a new connection is closed without a response.
            self.deadline.end_by(cx.now + FIRST_REQUEST);
        }
        self.deadline.enter(self.phase(), cx.now, &cx.settings.timeouts, cx.scarce);
        Ok(())
    }

    fn drive(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        // Counted per turn: after these limits the other connections come first.
        let (requests, mut reads) = (cx.counts.requests.get(), 0);
        loop {
            // Send first: the socket may have room now, and every step below needs an empty queue.
            self.flush(cx)?;
            if self.script.is_some() && self.send_queue.is_empty() {
                self.advance_script(cx)?;
            }
            // A client that does not take its responses gets no further ones: TCP is the flow control.
            if !self.send_queue.is_empty() {
                return Ok(());
            }
            if let Some(ending) = self.ending {
                return self.end(ending, cx);
            }
            self.look_at_memory(cx);
            // A complete request waits for its response. Reading on would only collect bytes that cannot be used yet.
            if !self.wants_bytes() {
                return Ok(());
            }
            if cx.counts.requests.get() - requests >= REQUESTS_PER_TURN || reads >= READS_PER_TURN {
                self.go_on_soon();
                return Ok(());
            }
            match self.input {
                // Received bytes come first, also when the client has shut down its side after them.
                _ if self.next_bytes == NextBytes::Unread => self.parse_unread(cx),
                // A client that shuts down its side waits for the response, of which the script has more.
                Input::Ended if self.script.is_some() => return Ok(()),
                Input::Ended => self.input_ended(cx)?,
                Input::Readable | Input::PeerClosed => {
                    reads += 1;
                    self.read(cx)?;
                }
                Input::Drained => return Ok(()),
            }
        }
    }

    /// Whether bytes can be used now: not while a response is owed, or while both blocks of an upload are full.
    fn wants_bytes(&self) -> bool {
        self.http.wants_input()
            && match &self.body {
                RequestBody::Streamed(upload) => upload.has_room(),
                _ => self.work != Work::Away,
            }
    }

    /// Sends what waits.
    fn flush(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        if self.send_queue.is_empty() || self.output != Output::Open || self.work == Work::Warming {
            return Ok(());
        }
        let (deadline, exchange, counts, number) = (&mut self.deadline, &mut self.exchange, &*cx.counts, self.number);
        let mut tap = if cfg!(feature = "wire") { cx.tap.as_deref_mut() } else { None };
        // Then the last bytes can wait for the FIN that follows at once.
        let fin_follows = matches!(self.ending, Some(Ending::Linger(_) | Ending::Close(_)));
        let options = SendOptions { fin_follows, sendfile: cx.settings.sendfile, resident: &mut cx.resident };
        let flushed = self.send_queue.flush(&self.socket, &mut cx.spare_buffers, options, &mut |sent| {
            // Each byte counts for the rate of the reader, for the log, and for the total of the server.
            deadline.sent(sent.bytes());
            exchange.sent += sent.bytes();
            counts.bytes.add(sent.bytes());
            if let Some(tap) = &mut tap {
                tap.sent(number, sent);
            }
        });
        match flushed {
            // Only now is the response logged and decided whether the connection goes on: the kernel has its last byte.
            Ok(Flushed::All) => self.all_sent(cx),
            Ok(Flushed::Blocked) => {
                self.output = Output::Full;
                // The socket is full although this reader takes fast: more may wait in the kernel.
                if self.unsent_limit == UnsentLimit::Low
                    && self.deadline.is_fast(cx.now, &cx.settings.timeouts)
                    && let Some(socket) = self.socket.tcp()
                {
                    self.unsent_limit.raise(&mut cx.diag, socket, self.peer);
                }
            }
            Ok(Flushed::Again) => self.go_on_soon(),
            Ok(Flushed::Cold) => self.warm(cx),
            Ok(Flushed::Short) => return Err(CloseReason::FileShrank),
            Err(error) => return Err(self.socket_failed(error)),
        }
        Ok(())
    }

    /// Ends the connection; the last response has been sent.
    fn end(&mut self, ending: Ending, cx: &mut LoopContext) -> Result<(), CloseReason> {
        let reason = match ending {
            Ending::Close(reason) if self.unread.is_empty() && self.output != Output::Shut => {
                // Sends the last bytes, which waited for it, together with the FIN. A close alone would do the same,
                // but if unread bytes have come it is a reset, which destroys the response.
                let _ = self.socket.shutdown(Shutdown::Write);
                return Err(reason);
            }
            Ending::Close(reason) | Ending::Linger(reason) => reason,
            // Fewer bytes than the head announces: the client sees that the content is not whole.
            Ending::Cut(reason) => return Err(reason),
            Ending::Reset(reason) => {
                // Where this fails the end is an ordinary one, which is all that can be done.
                let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
                return Err(reason);
            }
        };
        if self.output != Output::Shut {
            // Only in the first turn that comes here; later turns only go on reading.
            self.output = Output::Shut;
            self.unread = Vec::new();
            if self.socket.shutdown(Shutdown::Write).is_err() {
                return Err(reason);
            }
        }
        // RFC 9112 §9.6: read until the client closes, or its unread bytes would turn our close into a reset.
        for _ in 0..READS_PER_TURN {
            match self.input {
                Input::Ended => return Err(reason),
                Input::Drained => return Ok(()),
                Input::Readable | Input::PeerClosed => self.discard(cx).map_err(|_| reason)?,
            }
        }
        self.go_on_soon();
        Ok(())
    }

    /// The connection is closed. Each request that has begun gets its line in the log, also without a response.
    pub(crate) fn leave(&mut self, reason: CloseReason, cx: &mut LoopContext) {
        self.log_end(reason, cx);
        // Before the socket is closed: a client that has seen the end may connect again.
        self.share = None;
        self.send_queue.clear(&mut cx.spare_buffers);
        // A worker drops its source, which may take its time.
        if let Some(stream) = self.script.take().and_then(|script| script.stream) {
            cx.jobs.discard(0, stream);
        }
        self.drop_body(cx);
        self.cancel_job(cx);
        // The record ends after the last byte of the connection.
        let now = cx.now;
        if let Some(tap) = cx.tap() {
            tap.closed(self.number, now, reason);
        }
        log::debug!("{}: {}", self.peer, reason.sentence());
    }
}
