//! One client: the place where all rooms meet. Socket, machine, service, outbox, deadline.
//!
//! One turn ([`Client::turn`]), as often as something may have changed:
//! 1. send what waits; if the socket is full, stop;
//! 2. end, if this was the last answer;
//! 3. hand bytes to the machine: those left over, else those of one `recv`;
//! 4. go on until there is nothing to read, nothing to send, or others are waiting.
//!
//! Never: a wait. Whoever cannot go on remembers why (`readable`, `writable`, `away`) and returns.
//!
//! The subtle thing: readiness is edge-triggered, so an edge that is not used up is lost. `readable`
//! stays true until a `recv` came back short, and a short one is the end only if the event did not
//! say that the peer has closed: data and FIN that arrive together are one edge (then read on to 0).

pub mod body;
pub mod context;
pub mod exchange;
pub(crate) mod play;
pub(crate) mod read;
pub(crate) mod receive_stats;
pub(crate) mod respond;
pub(crate) mod script;
pub(crate) mod stages;

use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use mio::net::TcpStream;

use crate::http::{Http1, Phase};
use crate::net::close_reason::CloseReason;
use crate::net::connection::body::Intake;
use crate::net::connection::context::{Context, Last};
use crate::net::connection::exchange::Exchange;
use crate::net::connection::play::Play;
use crate::net::connections::ConnectionId;
use crate::net::deadline::Deadline;
use crate::net::listener::{FAST, UnsentLimit};
use crate::net::send_queue::{Flushed, SendOptions, SendQueue};

/// Requests answered for one client in one turn, so that one with a long pipeline cannot hold up the
/// others.
pub(crate) const REQUESTS_PER_TURN: usize = 16;
/// Reads of one client in one turn: at 64 KiB each, a fast upload has 1 MiB before others come.
const READS_PER_TURN: usize = 16;

/// One client.
#[derive(Debug)]
pub struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) id: ConnectionId,
    /// The number of the connection in every view of it; 0 when nothing is recorded.
    pub(crate) number: u64,
    pub(crate) peer: SocketAddr,
    pub(crate) local: Arc<SocketAddr>,
    pub(crate) connection: Http1,
    pub(crate) send_queue: SendQueue,
    pub(crate) intake: Intake,
    pub(crate) exchange: Exchange,
    /// What is still to come of an answer with a script.
    pub(crate) play: Option<Box<Play>>,
    pub(crate) last: Option<Last>,
    /// A worker has a job of this client.
    pub(crate) away: bool,
    /// A worker brings the next bytes of a file into memory.
    pub(crate) warming: bool,
    /// Bytes that were received and not used yet.
    pub(crate) input: Vec<u8>,
    /// The machine wants more bytes than `input` has.
    pub(crate) hungry: bool,
    pub(crate) readable: bool,
    /// The next `recv` begins with a byte that was there when the turn of the loop began; never from one turn
    /// of the client to the next, since a change of its own may lie between them.
    pub(crate) prompt: bool,
    /// It has had a turn before its event was met.
    ahead: bool,
    writable: bool,
    pub(crate) unsent_limit: UnsentLimit,
    /// An event said that the peer has ended its side: a short read is not the end then.
    pub(crate) closing: bool,
    pub(crate) end_of_input: bool,
    /// Our side is closed; what still comes is read and dropped.
    lingering: bool,
    /// There is more to do, but others wait for their turn.
    pub(crate) again: bool,
    /// It has been promised that turn.
    queued: bool,
    pub(crate) spoke: bool,
    pub(crate) deadline: Deadline,
    /// The moment for which the wheel has this client; it asks not later than that.
    pub(crate) armed: Option<Instant>,
}

impl Connection {
    /// A client that has just been accepted.
    pub fn new(
        socket: TcpStream,
        id: ConnectionId,
        peer: SocketAddr,
        local: Arc<SocketAddr>,
        cx: &mut Context,
    ) -> Connection {
        let number = cx.tap.accepted(cx.now, peer, *local);
        Connection {
            socket,
            id,
            number,
            peer,
            local,
            connection: Http1::new(cx.server.limits),
            send_queue: SendQueue::default(),
            intake: Intake::Nothing,
            exchange: Exchange::default(),
            play: None,
            last: None,
            away: false,
            warming: false,
            input: Vec::new(),
            hungry: true,
            // The request is there in nearly every case; if not, the first recv says so.
            readable: true,
            prompt: false,
            ahead: false,
            writable: true,
            unsent_limit: UnsentLimit::Low,
            closing: false,
            end_of_input: false,
            lingering: false,
            again: false,
            queued: false,
            spoke: false,
            deadline: Deadline::new(cx.now, &cx.server.timeouts, cx.is_scarce()),
            armed: None,
        }
    }

    /// The client's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// The socket, to be registered.
    pub fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// An event has come.
    pub fn wake(&mut self, readable: bool, writable: bool, closing: bool) {
        // All that came before has been taken: what is there now begins something. Who was ahead may have
        // taken the bytes of this event too, and what is there instead has come since.
        let ahead = std::mem::take(&mut self.ahead);
        self.prompt = !ahead && readable && !self.readable && self.input.is_empty();
        self.readable |= readable;
        self.writable |= writable;
        self.closing |= closing;
    }

    /// No event has come, but something may have.
    pub fn look(&mut self) {
        self.readable = true;
    }

    /// Whether another turn must be promised to it, though no event will come. An event in between
    /// adds no second one, else the busiest would have more turns than the others.
    pub fn wants_turn(&mut self) -> bool {
        self.again && !std::mem::replace(&mut self.queued, true)
    }

    /// The turn it was promised.
    pub fn promised(&mut self) {
        self.queued = false;
        self.ahead = self.readable;
    }

    /// When it must have a turn though no event comes: at the end of a pause in a script, else at its deadline.
    pub fn wake_at(&self) -> Option<Instant> {
        // During a pause the response is owed, and that has no deadline.
        self.pause_ends().or(self.deadline.at())
    }

    /// If it is idle: a moment that is earlier the longer it has been.
    pub fn idle_since(&self) -> Option<Instant> {
        if self.phase() == Phase::Idle { self.deadline.at() } else { None }
    }

    /// What is being waited for.
    pub fn phase(&self) -> Phase {
        if self.lingering {
            return Phase::Lingering;
        }
        if !self.send_queue.is_empty() {
            return if self.warming { Phase::Owed } else { Phase::Sending };
        }
        if self.play.is_some() {
            return Phase::Owed;
        }
        match &self.intake {
            Intake::Receiving(receiving) if !receiving.has_room() => Phase::Owed,
            Intake::Receiving(_) => Phase::Content,
            _ if self.away => Phase::Owed,
            _ => self.connection.phase(),
        }
    }

    /// Does what can be done now.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub fn turn(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        self.again = false;
        if self.play.is_some() {
            self.tend(cx)?;
        }
        self.drive(cx)?;
        self.prompt = false;
        if cx.draining && self.phase() == Phase::Idle && !self.again {
            return Err(CloseReason::Draining);
        }
        self.deadline.enter(self.phase(), cx.now, &cx.server.timeouts, cx.is_scarce());
        Ok(())
    }

    fn drive(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        let (requests, mut reads) = (cx.tally.requests, 0);
        loop {
            self.flush(cx)?;
            if !self.send_queue.is_empty() {
                return Ok(());
            }
            if self.last.is_some() {
                return self.end(cx);
            }
            if !self.takes_input() {
                return Ok(());
            }
            if cx.tally.requests - requests >= REQUESTS_PER_TURN as u64 || reads >= READS_PER_TURN {
                self.again = true;
                return Ok(());
            }
            if !self.hungry {
                let input = std::mem::take(&mut self.input);
                let used = self.consume(&input, false, cx);
                self.keep(input, used);
            } else if self.end_of_input {
                if self.play.is_some() {
                    return Ok(());
                }
                self.meet_end(cx)?;
            } else if self.readable {
                reads += 1;
                self.read(cx)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Whether bytes could be used now: not while an answer is owed or a block is with a worker.
    pub(crate) fn takes_input(&self) -> bool {
        self.connection.wants_input()
            && match &self.intake {
                Intake::Receiving(receiving) => receiving.has_room(),
                _ => !self.away,
            }
    }

    fn flush(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        if self.send_queue.is_empty() || !self.writable || self.warming {
            return Ok(());
        }
        let (deadline, exchange, tally) = (&mut self.deadline, &mut self.exchange, &mut cx.tally);
        let (tap, resident, number) = (&mut cx.tap, &mut cx.arrivals.resident, self.number);
        let fin_follows = matches!(self.last, Some(Last::Stages(_) | Last::Close(_)));
        let how = SendOptions { fin_follows, sendfile: cx.server.sendfile, resident };
        let flushed = self.send_queue.flush(&self.socket, &mut cx.spare_buffers, how, &mut |sent| {
            deadline.progress(sent.bytes());
            exchange.progress(sent.bytes());
            tally.bytes += sent.bytes();
            if tap.is_on() {
                tap.sent(number, sent);
            }
        });
        match flushed {
            Ok(Flushed::All) => self.all_sent(cx),
            Ok(Flushed::Blocked) => {
                self.writable = false;
                // Full, though it takes fast.
                if self.unsent_limit == UnsentLimit::Low
                    && self.deadline.moved_at(FAST.0, FAST.1, cx.now, &cx.server.timeouts)
                {
                    self.unsent_limit = cx.unsent.raise(&self.socket, self.peer);
                }
            }
            Ok(Flushed::Again) => self.again = true,
            Ok(Flushed::Cold) => self.warm(cx),
            Ok(Flushed::Short) => return Err(CloseReason::FileShrank),
            Err(error) => return Err(self.lost(&error)),
        }
        Ok(())
    }

    /// Ends the connection after the last answer has left.
    fn end(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        let reason = match self.last {
            // Unread bytes would turn a plain close into a reset and destroy the answer.
            Some(Last::Close(reason)) if self.input.is_empty() && !self.lingering => {
                // Lets the last bytes go, together with the FIN. A close alone would do the same, but
                // one that becomes a reset (bytes came that nobody asked for) would take them along.
                let _ = self.socket.shutdown(Shutdown::Write);
                return Err(reason);
            }
            Some(Last::Close(reason) | Last::Stages(reason)) => reason,
            Some(Last::Cut(reason)) => return Err(reason),
            Some(Last::Reset(reason)) => {
                self.reset();
                return Err(reason);
            }
            None => return Ok(()),
        };
        if !self.lingering {
            self.lingering = true;
            self.input = Vec::new();
            if self.socket.shutdown(Shutdown::Write).is_err() {
                return Err(reason);
            }
        }
        for _ in 0..READS_PER_TURN {
            if self.end_of_input {
                return Err(reason);
            }
            if !self.readable {
                return Ok(());
            }
            let mut scratch = std::mem::take(&mut cx.scratch);
            let result = self.receive(&mut scratch, false, cx);
            cx.scratch = scratch;
            if result.is_err() {
                return Err(reason);
            }
        }
        self.again = true;
        Ok(())
    }

    /// The wheel asks: is its time up?
    ///
    /// # Errors
    /// Why the connection has ended.
    pub fn expire(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        if self.pause_ends().is_some_and(|until| until <= cx.now) {
            return self.turn(cx);
        }
        let queued = || cx.unsent.after_silence(&self.socket, self.peer, &mut self.unsent_limit);
        if !self.deadline.is_over(cx.now, &cx.server.timeouts, queued) {
            return Ok(());
        }
        let phase = self.deadline.phase();
        match self.connection.time_out() {
            Some(refusal) if matches!(phase, Phase::Head | Phase::Content) => {
                let input = std::mem::take(&mut self.input);
                self.refuse(refusal, &input, cx);
                self.turn(cx)
            }
            _ => match self.last {
                // What the client still sends finds nobody, and is answered with a reset.
                Some(Last::Stages(CloseReason::ContentUnread)) if self.lingering => Err(CloseReason::StillSending),
                Some(Last::Stages(reason)) if self.lingering => Err(reason),
                _ => Err(CloseReason::TimedOut(phase)),
            },
        }
    }

    /// The socket has failed. Whoever resets after an answer has not read it to its end: else there would
    /// have been a FIN.
    pub(crate) fn lost(&self, error: &std::io::Error) -> CloseReason {
        let answered = match self.phase() {
            Phase::Sending | Phase::Lingering => true,
            Phase::Idle => self.spoke,
            Phase::Owed => self.play.is_some() && self.exchange.sent > 0,
            Phase::Head | Phase::Content => false,
        };
        match CloseReason::broken(error) {
            CloseReason::Broken if answered => CloseReason::ResetUnread,
            ended => ended,
        }
    }

    /// The connection is gone: what was begun is written to the log.
    pub fn leave(&mut self, ended: CloseReason, cx: &mut Context) {
        self.exchange.break_off(self.peer, ended, cx.wall, &mut cx.access_log);
        self.send_queue.clear(&mut cx.spare_buffers);
        self.leave_play(cx);
        if let Intake::Receiving(receiving) = std::mem::replace(&mut self.intake, Intake::Nothing) {
            cx.jobs.discard(receiving);
        }
        cx.tap.closed(self.number, cx.now, ended);
        log::debug!("{}: {}", self.peer, ended.sentence());
    }
}
