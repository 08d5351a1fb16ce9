//! One event loop: poll for events, give turns to connections, take results of jobs, accept, close what is overdue.
//!
//! ```text
//! poll ─┬─ events     readable or writable → the connection's turn: receive, parse, answer, send
//!       ├─ turns      connections that hit a limit of their last turn go on
//!       ├─ results    a worker has finished → the turn of the connection that asked
//!       ├─ accept     within the limits → new connection → its first turn at once → register (accept.rs)
//!       ├─ deadlines  a time-out, or the end of a pause in a script
//!       └─ waiting    uploads that wait for memory, as long as there is some
//! ```
//!
//! A *turn of the loop* is one pass through this list. A *turn of a connection* is one call of `Connection::turn`.
//!
//! Nothing here blocks: work that may block goes to the workers. Everything that a connection needs from the loop is
//! lent to it as one `LoopContext`, so a turn takes no lock, except for the moment in which a job is put into the queue
//! of the workers.
//!
//! A connection is registered with the poller once, for both directions, edge-triggered. Registering reports the state
//! at that moment, so bytes that arrive between the first `recv` and the registration are not missed.

mod accept;
mod due;
mod stop;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU8;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use mio::event::Event;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::Socket;

use crate::http::HttpDate;
use crate::net::connection::{Connection, state::Arrivals, state::LoopContext};
use crate::net::connections::{ConnectionId, Connections};
use crate::net::stream::{ListenSocket, Stream};
use crate::net::upload_memory::{PIECE, UploadMemory};
use crate::net::workers::{Jobs, Workers};
use crate::net::{
    CloseReason, Report, Settings, access_log::AccessLog, admission::Admission, counts::Counts, deadline::Deadlines,
    event_loop::accept::Acceptor, event_loop::due::STALE_ENTRIES,
};
use crate::net::{send_queue::SpareBuffers, tap::Tap, tcp_info::SocketDiag};
use crate::service::{App, open_file::close_elsewhere};
use crate::wire::Recorder;

pub(crate) use stop::{DRAINING, SERVING, STOPPING, StopTimes};

/// Most events taken from the kernel in one turn. More stay in the kernel and come with the next poll.
const EVENTS: usize = 256;

/// The token of the waker. Listeners count from 1 on; tokens of connections are far larger ([`ConnectionId::token`]).
const WAKER: Token = Token(0);

/// What all loops share. A loop reads it when a connection begins or ends, but never for a single request.
pub(crate) struct ServerState {
    /// Never changed once the server runs.
    pub(crate) settings: Arc<Settings>,
    /// For the uploads of all loops.
    pub(crate) upload_memory: Arc<UploadMemory>,
    /// Counts connections, since the limits hold for all loops together.
    pub(crate) admission: Arc<Admission>,
    /// [`SERVING`], [`DRAINING`] or [`STOPPING`].
    pub(crate) run_state: AtomicU8,
    /// Once the server was asked to stop.
    pub(crate) stop_times: OnceLock<StopTimes>,
}

pub(crate) struct EventLoop {
    /// Shared with the other loops.
    server: Arc<ServerState>,
    /// This loop's own; lent to one connection at a time.
    context: LoopContext,
    poll: Poll,
    /// One for each address the server listens on; none once draining has begun.
    acceptors: Vec<Acceptor>,
    /// Connections accepted in this turn that have not had their first turn.
    accepted: Vec<(Stream, SocketAddr)>,
    connections: Connections<Connection>,
    /// For each connection with a deadline an entry that is not later than it, and entries that are out of date.
    deadlines: Deadlines,
    /// Connections that hit a limit of their last turn, and get another one in the next turn of the loop.
    queued: Vec<ConnectionId>,
    /// Uploads that wait for memory (due.rs).
    waiting: VecDeque<ConnectionId>,
    waker: Arc<Waker>,
    /// No connection is accepted before this moment.
    paused_until: Option<Instant>,
}

impl EventLoop {
    /// A loop on these listeners. Errors: when the poller cannot be created or refuses a listener.
    pub(crate) fn new(
        server: Arc<ServerState>,
        listeners: Vec<(Socket, SocketAddr)>,
        workers: Arc<Workers>,
        app: App,
        access_log: AccessLog,
    ) -> io::Result<EventLoop> {
        let poll = Poll::new()?;
        // Workers and signals reach the loop through it, from other threads.
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let mut acceptors = Vec::with_capacity(listeners.len());
        for (number, (listener, address)) in listeners.into_iter().enumerate() {
            // Kept for the moment when there are no descriptors left (accept.rs).
            let spare = listener.try_clone().ok().map(OwnedFd::from);
            let mut socket = ListenSocket::new(listener, address);
            // Edge-triggered like all others, so `waiting` keeps the note that accept may find more.
            poll.registry().register(socket.source(), Token(number + 1), Interest::READABLE)?;
            acceptors.push(Acceptor { socket, address: Arc::new(address), spare, waiting: true });
        }
        let (now, wall) = (Instant::now(), SystemTime::now());
        let context = LoopContext {
            settings: server.settings.clone(),
            limits: Arc::new(server.settings.limits),
            admission: Arc::clone(&server.admission),
            now,
            wall,
            date: HttpDate::new(wall),
            app,
            jobs: Jobs::new(workers, waker.clone()),
            upload_memory: server.upload_memory.clone(),
            spare_buffers: SpareBuffers::default(),
            scratch: vec![0; PIECE],
            access_log,
            draining: false,
            scarce: false,
            counts: Counts::new(),
            // At the start: later there may be no descriptor for it.
            diag: SocketDiag::new(),
            arrivals: Arrivals::default(),
            resident: None,
            tap: None,
        };
        Ok(EventLoop {
            server,
            context,
            poll,
            acceptors,
            accepted: Vec::new(),
            connections: Connections::default(),
            deadlines: Deadlines::default(),
            queued: Vec::new(),
            waiting: VecDeque::new(),
            waker,
            paused_until: None,
        })
    }

    /// Reaches the loop from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        self.waker.clone()
    }

    /// What this loop counts, for a reader on another thread.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        self.context.counts.clone()
    }

    /// Serves until the server stops. Returns what this loop has done.
    pub(crate) fn run(mut self) -> io::Result<Report> {
        close_elsewhere(self.context.jobs.closer());
        let mut events = Events::with_capacity(EVENTS);
        while self.goes_on() {
            // As long as the next deadline allows; not at all when connections are queued for another turn.
            let timeout = self.poll_timeout();
            match self.poll.poll(&mut events, timeout) {
                // A signal only interrupts the wait: no error.
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            self.read_clocks();
            self.context.arrivals.begin_turn();
            self.context.resident = None;
            // Counted here: a connection that is queued from now on has to wait for the next turn of the loop.
            let queued = self.queued.len();
            let mut woken = false;
            for event in &events {
                woken |= event.token() == WAKER;
                self.handle_event(event);
            }
            // After the events: no connection has received the bytes of its event before the event is handled.
            if queued > 0 {
                self.give_queued_turns(queued);
            }
            // After the events too: an event and a result of the same connection are two turns, always in this order.
            if woken {
                self.take_results();
                self.count_phases();
            }
            // Accepted after the events: no event of this batch can be meant for a connection made in this turn.
            self.accept_all();
            self.handle_deadlines();
            // Last: a connection that was found to wait in this turn must be known before the loop sleeps.
            self.resume_uploads();
            self.hand_over();
        }
        self.cut_off();
        Ok(self.context.counts.report())
    }

    /// Hands over records and log lines, once per turn: that takes one lock and not one per line.
    fn hand_over(&mut self) {
        self.context.access_log.hand_over();
        if let Some(tap) = self.context.tap() {
            tap.hand_over();
        }
    }

    /// Counts the open connections for a reader who has woken the loop.
    fn count_phases(&mut self) {
        let connections = &mut self.connections;
        self.context.counts.count_phases(self.waiting.len(), || {
            let ids = connections.ids().into_iter();
            ids.filter_map(|id| connections.get(id).map(|connection| connection.phase())).collect()
        });
    }

    /// Records from now on what the sockets of this loop carry.
    pub(crate) fn record(&mut self, recorder: Recorder) {
        self.context.tap = Some(Box::new(Tap::new(recorder)));
    }

    /// How long the poller may wait.
    fn poll_timeout(&self) -> Option<Duration> {
        let accepts = self.paused_until.is_none() && self.acceptors.iter().any(|acceptor| acceptor.waiting);
        // An event does not come again, so the poller must not wait while a connection or a listener has more to do.
        if !self.queued.is_empty() || accepts {
            return Some(Duration::ZERO);
        }
        // Counted from the clock of the turn, which is a little old: a deadline may be met late, never early.
        let stop = self.server.stop_times.get();
        let stop = stop.map(|times| if self.context.draining { times.grace_ends } else { times.drain });
        let moments = [self.deadlines.next(), self.paused_until, stop];
        let next = moments.into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.context.now))
    }

    /// Reads the clocks, and whether connections are scarce, once per turn of the loop. The text of the Date field is
    /// made once per second.
    fn read_clocks(&mut self) {
        self.context.now = Instant::now();
        self.context.wall = SystemTime::now();
        self.context.scarce = self.context.admission.is_scarce();
        // A clock before 1970 is wrong in any case; it must not stop the server.
        let second = self.context.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        if second != self.context.date.second() {
            self.context.date = HttpDate::from_second(second);
        }
    }

    fn handle_event(&mut self, event: &Event) {
        if let Some(id) = self.connections.find(event.token()) {
            let (readable, writable) = (event.is_readable(), event.is_writable());
            // After an error recv returns it, so an error counts as readable and as the end of the input.
            let closed = event.is_read_closed() || event.is_error();
            self.serve(id, |connection, context| {
                connection.note_event(readable || closed, writable || event.is_error(), closed);
                connection.turn(context)
            });
        } else if event.token() != WAKER
            && let Some(acceptor) = self.acceptors.get_mut(event.token().0 - 1)
        {
            acceptor.waiting = true;
        }
    }

    /// Gives a turn to the first `count` queued connections.
    fn give_queued_turns(&mut self, count: usize) {
        // A connection that is queued again meanwhile is added after them. So each one gets one queued turn per turn of
        // the loop, however busy it is.
        for at in 0..count {
            self.serve(self.queued[at], |connection, context| {
                connection.begin_queued_turn();
                connection.turn(context)
            });
        }
        self.queued.drain(..count);
    }

    fn take_results(&mut self) {
        // Before the results are taken, or a result that comes in between would not wake the loop.
        self.context.jobs.rearm();
        while let Some((id, result)) = self.context.jobs.next() {
            if self.connections.get(id).is_none() {
                // The connection was closed meanwhile. Closing an unnamed file may take long: a worker does it.
                self.context.jobs.discard(0, result);
                continue;
            }
            self.serve(id, |connection, context| {
                connection.job_finished(result, context);
                connection.turn(context)
            });
        }
    }

    /// Calls `turn` with a connection, and closes the connection if that returns an error.
    fn serve(
        &mut self,
        id: ConnectionId,
        turn: impl FnOnce(&mut Connection, &mut LoopContext) -> Result<(), CloseReason>,
    ) {
        let Some(connection) = self.connections.get(id) else { return };
        match turn(connection, &mut self.context) {
            Ok(()) => self.after_turn(id),
            Err(reason) => self.close(id, reason),
        }
    }

    /// Notes when the connection must have its next turn, if no event comes before.
    fn after_turn(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.needs_queueing() {
            self.queued.push(id);
        }
        if connection.needs_memory() {
            self.waiting.push_back(id);
        }
        // A deadline that becomes later, as it does on every request, is not entered anew: the moment of the old entry
        // comes first, and then the deadline is looked at again. So a request costs one comparison here.
        if let Some(at) = connection.wake_at()
            && connection.deadline_entry.is_none_or(|entry| at < entry)
        {
            connection.deadline_entry = Some(at);
            self.deadlines.enter(id, at);
            if self.deadlines.entries() > 2 * self.connections.len() + STALE_ENTRIES {
                let connections = &mut self.connections;
                self.deadlines.retain(|id, at| connections.get(id).is_some_and(|c| c.deadline_entry == Some(at)));
            }
        }
    }

    /// Closes a connection: what it leaves is written to the log.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        // Dropping it closes the socket, and that takes it out of the poller.
        let Some(mut connection) = self.connections.remove(id) else { return };
        connection.leave(reason, &mut self.context);
        self.context.counts.closed(reason);
        self.context.admission.leave();
    }
}
