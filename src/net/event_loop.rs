//! One loop: poll, then accept, serve, take results, look at deadlines; and again.
//!
//! Never: a call that blocks. What may block is with the workers, and to hand it to them takes the only
//! lock there is on the way of a request, for as long as it takes to put it into a queue.
//!
//! The subtle things:
//! - A connection is served straight after its accept and registered only if it is still there then:
//!   one request, one answer and a close need no call to the poller at all.
//! - Registration happens once, for reading and writing, edge-triggered. Registering reports what is
//!   already there, so nothing that came between the first recv and the registration is lost.
//! - Out of descriptors, the listener stays readable for ever and would spin. The spare descriptor is
//!   given up to accept one client and tell it 503; then accepting pauses.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use crate::http::{HttpDate, Limits};
use crate::net::access_log::AccessLog;
use crate::net::admission::Admission;
use crate::net::close_reason::CloseReason;
use crate::net::connection::Connection;
use crate::net::connection::context::{Arrivals, Context, Tally};
use crate::net::connection_id::ConnectionId;
use crate::net::connections::Connections;
use crate::net::deadline::{Timeouts, Wheel};
use crate::net::jobs::Jobs;
use crate::net::listener::Share;
use crate::net::low_water::LowWater;
use crate::net::overload::Overload;
use crate::net::send_queue::Spare;
use crate::net::tap::Tap;
use crate::net::workers::Workers;
use crate::service::{Service, error_page};
use crate::wire::Tape;

/// Where bytes are received before anybody owns them.
const SCRATCH: usize = 64 * 1024;
/// Events taken from the kernel in one turn.
const EVENTS: usize = 256;

/// The token of the waker; listeners count from 1 on, seats have a generation in their upper half.
const WAKER: Token = Token(0);

/// What all loops share.
pub struct Common {
    /// Bounds of a message.
    pub limits: Limits,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Files go by `sendfile`; else they are read and sent.
    pub sendfile: bool,
    /// The seats.
    pub admission: Admission,
    /// 0 serving, 1 draining, 2 stopping at once.
    pub stage: AtomicU8,
    /// Sums for the last line.
    pub requests: AtomicU64,
    /// Bytes sent.
    pub bytes: AtomicU64,
    /// Connections that were cut off at the end.
    pub cut_off: AtomicU64,
}

/// The stages of [`Common::stage`].
pub const SERVING: u8 = 0;
/// No new connections; running answers go on.
pub const DRAINING: u8 = 1;
/// Enough.
pub const STOPPING: u8 = 2;

/// One listener of the loop.
pub(crate) struct Door {
    pub(crate) socket: TcpListener,
    pub(crate) address: Arc<SocketAddr>,
    /// A descriptor to give up when there are no others.
    pub(crate) spare: Option<std::net::TcpListener>,
    /// An edge said that somebody waits, and nobody has said yet that no one does.
    pub(crate) waiting: bool,
}

/// One event loop.
pub struct EventLoop {
    pub(crate) common: Arc<Common>,
    pub(crate) poll: Poll,
    pub(crate) doors: Vec<Door>,
    /// Who was accepted in this turn and is not served yet.
    pub(crate) arrivals: Vec<(TcpStream, SocketAddr)>,
    pub(crate) connections: Connections<Connection>,
    wheel: Wheel,
    jobs: Jobs,
    pub(crate) service: Box<dyn Service>,
    /// What is said to whom there is no seat for.
    pub(crate) overload: Overload,
    access_log: AccessLog,
    spare: Spare,
    scratch: Vec<u8>,
    tally: Tally,
    low_water: LowWater,
    arrived: Arrivals,
    pub(crate) tap: Tap,
    pub(crate) date: HttpDate,
    pub(crate) now: Instant,
    wall: SystemTime,
    again: Vec<ConnectionId>,
    /// The list of the turn before, empty.
    promised: Vec<ConnectionId>,
    /// Silences in answers with a script, the one that ends first on top.
    silences: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    pub(crate) paused_until: Option<Instant>,
    /// When the grace ends, once draining has begun.
    grace_ends: Option<Instant>,
}

impl EventLoop {
    /// A loop on these listeners, and the waker that reaches it.
    ///
    /// # Errors
    /// What the kernel says about the poller.
    pub fn new(
        common: Arc<Common>,
        shares: Vec<Share>,
        workers: Workers,
        service: Box<dyn Service>,
        access_log: AccessLog,
    ) -> io::Result<(EventLoop, Arc<Waker>)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut doors = Vec::with_capacity(shares.len());
        for (number, share) in shares.into_iter().enumerate() {
            let spare = share.socket.try_clone().ok();
            let mut socket = TcpListener::from_std(share.socket);
            poll.registry().register(&mut socket, Token(number + 1), Interest::READABLE)?;
            doors.push(Door { socket, address: Arc::new(share.address), spare, waiting: true });
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let lonely = EventLoop {
            jobs: Jobs::new(workers, waker.clone()),
            common,
            poll,
            doors,
            arrivals: Vec::new(),
            connections: Connections::default(),
            wheel: Wheel::new(now),
            overload: Overload::new(service.add_fields(None, error_page::overload())),
            service,
            access_log,
            spare: Spare::default(),
            scratch: vec![0; SCRATCH],
            tally: Tally::default(),
            low_water: LowWater::open(),
            arrived: Arrivals::default(),
            tap: Tap::default(),
            date: HttpDate::new(wall),
            now,
            wall,
            again: Vec::new(),
            promised: Vec::new(),
            silences: BinaryHeap::new(),
            paused_until: None,
            grace_ends: None,
        };
        Ok((lonely, waker))
    }

    /// Serves until the server stops.
    ///
    /// # Errors
    /// When the poller fails.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while self.goes_on() {
            let patience = self.patience();
            match self.poll.poll(&mut events, patience) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.read_clocks();
            self.arrived.begin_turn();
            self.keep_promises();
            for event in &events {
                self.meet(event);
            }
            self.take_results();
            self.accept_all();
            self.break_silences();
            self.look_at_deadlines();
            // Others read what was written down in this turn.
            self.access_log.hand_over();
            self.tap.hand_over();
        }
        self.cut_off();
        Ok(())
    }

    /// Whether there is a reason to go on; begins the drain when it is time.
    fn goes_on(&mut self) -> bool {
        match self.common.stage.load(Ordering::Acquire) {
            SERVING => true,
            DRAINING => {
                if self.grace_ends.is_none() {
                    self.drain();
                }
                !self.connections.is_empty() && self.grace_ends.is_some_and(|end| Instant::now() < end)
            }
            _ => false,
        }
    }

    fn drain(&mut self) {
        self.read_clocks();
        // Who already waits was promised nothing yet, but is let in: closing the socket would reset it.
        self.paused_until = None;
        self.doors.iter_mut().for_each(|door| door.waiting = true);
        while self.doors.iter().any(|door| door.waiting) && self.paused_until.is_none() {
            self.accept_all();
        }
        self.doors.clear();
        self.grace_ends = Some(self.now + self.common.timeouts.grace);
        for id in self.connections.ids() {
            // One last recv: a request that is already here is answered, with close.
            self.serve(id, Connection::look);
        }
    }

    fn cut_off(&mut self) {
        self.read_clocks();
        for id in self.connections.ids() {
            if let Some(client) = self.connections.take(id) {
                self.common.cut_off.fetch_add(1, Ordering::Relaxed);
                self.dismiss(id, client, CloseReason::CutOff);
            }
        }
        self.access_log.hand_over();
        self.tap.hand_over();
        self.common.requests.fetch_add(self.tally.requests, Ordering::Relaxed);
        self.common.bytes.fetch_add(self.tally.bytes, Ordering::Relaxed);
    }

    /// Records from now on what the sockets of this loop carry.
    pub fn record(&mut self, tape: Tape) {
        self.tap.record(tape);
    }

    /// How long the poller may sleep.
    fn patience(&mut self) -> Option<Duration> {
        if !self.again.is_empty() || (self.paused_until.is_none() && self.doors.iter().any(|d| d.waiting)) {
            return Some(Duration::ZERO);
        }
        // The turn's own clock: what the turn itself took is far below the grain of the wheel.
        let now = self.now;
        let silence = self.silences.peek().map(|Reverse((until, _))| until.saturating_duration_since(Instant::now()));
        let ends =
            [self.wheel.wait(now), silence, self.paused_until.map(|t| t - now), self.grace_ends.map(|t| t - now)];
        ends.into_iter().flatten().min()
    }

    fn read_clocks(&mut self) {
        self.now = Instant::now();
        self.wall = SystemTime::now();
        let second = self.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        if second != self.date.second() {
            self.date = HttpDate::from_second(second);
        }
    }

    fn meet(&mut self, event: &Event) {
        match ConnectionId::of(event.token()) {
            Some(id) => {
                let (readable, writable) = (event.is_readable(), event.is_writable());
                let closing = event.is_read_closed() || event.is_error();
                self.serve(id, |client| client.wake(readable || closing, writable || event.is_error(), closing));
            }
            None if event.token() == WAKER => {}
            None => {
                if let Some(door) = self.doors.get_mut(event.token().0 - 1) {
                    door.waiting = true;
                }
            }
        }
    }

    /// Gives their turn to those who had more to do than one allows. Two lists take turns too, so that
    /// neither is allocated anew.
    fn keep_promises(&mut self) {
        let mut promised = std::mem::replace(&mut self.again, std::mem::take(&mut self.promised));
        for id in promised.drain(..) {
            self.serve(id, Connection::promised);
        }
        self.promised = promised;
    }

    fn take_results(&mut self) {
        self.jobs.rearm();
        while let Some(done) = self.jobs.next() {
            match self.connections.take(done.id) {
                Some(mut client) => {
                    let finished = done.finished;
                    let ended = self.with(|cx| {
                        client.finished(finished, cx);
                        client.turn(cx)
                    });
                    self.settle(done.id, client, ended);
                }
                // The client has left; what it had opened is put away where that may take its time.
                None => self.jobs.discard(done.finished),
            }
        }
    }

    /// Gives a client its turn.
    fn serve(&mut self, id: ConnectionId, wake: impl FnOnce(&mut Connection)) {
        let Some(mut client) = self.connections.take(id) else { return };
        wake(&mut client);
        let ended = self.with(|cx| client.turn(cx));
        self.settle(id, client, ended);
    }

    /// Lends everything a client needs for its turn.
    pub(crate) fn with<T>(&mut self, turn: impl FnOnce(&mut Context<'_>) -> T) -> T {
        turn(&mut Context {
            now: self.now,
            wall: self.wall,
            date: &self.date,
            service: &mut *self.service,
            jobs: &self.jobs,
            spare: &mut self.spare,
            scratch: &mut self.scratch,
            access_log: &mut self.access_log,
            timeouts: &self.common.timeouts,
            limits: &self.common.limits,
            sendfile: self.common.sendfile,
            draining: self.grace_ends.is_some() || self.common.stage.load(Ordering::Relaxed) != SERVING,
            scarce: self.common.admission.is_scarce(),
            tally: &mut self.tally,
            low_water: &mut self.low_water,
            arrivals: &mut self.arrived,
            tap: &mut self.tap,
        })
    }

    /// Puts a client back into its seat, or sees it off.
    pub(crate) fn settle(&mut self, id: ConnectionId, mut client: Box<Connection>, ended: Result<(), CloseReason>) {
        match ended {
            Err(ended) => self.dismiss(id, client, ended),
            Ok(()) => {
                if client.wants_turn() {
                    self.again.push(id);
                }
                if let Some(until) = client.silence() {
                    self.silences.push(Reverse((until, id)));
                }
                if let Some(at) = client.deadline()
                    && client.armed.is_none_or(|armed| at < armed)
                {
                    self.wheel.enter(id, at);
                    client.armed = Some(at);
                }
                self.connections.put(id, client);
            }
        }
    }

    pub(crate) fn dismiss(&mut self, id: ConnectionId, mut client: Box<Connection>, ended: CloseReason) {
        self.with(|cx| client.leave(ended, cx));
        self.common.admission.leave(client.peer());
        self.connections.release(id);
    }

    /// Gives a turn to those whose silence is over; who has left meanwhile is not found.
    fn break_silences(&mut self) {
        while let Some(Reverse((until, id))) = self.silences.peek().copied()
            && until <= self.now
        {
            self.silences.pop();
            self.serve(id, |_| ());
        }
    }

    fn look_at_deadlines(&mut self) {
        let mut ids = Vec::new();
        self.wheel.expire(self.now, &mut ids);
        for id in ids {
            let Some(mut client) = self.connections.take(id) else { continue };
            client.armed = None;
            let ended = self.with(|cx| client.expire(cx));
            self.settle(id, client, ended);
        }
    }
}
