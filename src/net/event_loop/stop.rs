//! How a loop stops: it goes on until the delay is over, drains, and cuts off what is left after the grace period.
//!
//! The states and their order are in the table at the head of [`crate::net::server`].

use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::net::CloseReason;
use crate::net::event_loop::EventLoop;

/// The value of `ServerState::run_state` in normal service.
pub(crate) const SERVING: u8 = 0;
/// The server was asked to stop: it goes on as before until [`StopTimes::drain`], and then drains.
pub(crate) const DRAINING: u8 = 1;
/// Stop at once.
pub(crate) const STOPPING: u8 = 2;

/// The moments of a stop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StopTimes {
    /// From now on there are no new connections, and only responses that have begun go on.
    pub(crate) drain: Instant,
    /// All connections that are left are closed.
    pub(crate) grace_ends: Instant,
}

impl EventLoop {
    /// Whether to go on; begins the drain when the server was asked to stop.
    pub(super) fn goes_on(&mut self) -> bool {
        match self.server.run_state.load(Ordering::Acquire) {
            // The usual case costs one load and one comparison per turn.
            SERVING => true,
            DRAINING => {
                let times = self.server.stop_times.get().copied();
                times.is_some_and(|times| self.goes_on_draining(times))
            }
            _ => false,
        }
    }

    fn goes_on_draining(&mut self, times: StopTimes) -> bool {
        self.context.app.announce_stop();
        // The clock is read here and not taken from the turn: the poller may have waited since.
        if Instant::now() < times.drain {
            return true;
        }
        // The first time since that moment.
        if !self.context.draining {
            self.drain();
        }
        !self.connections.is_empty() && Instant::now() < times.grace_ends
    }

    fn drain(&mut self) {
        self.read_clocks();
        self.context.draining = true;
        // The kernel has completed the handshake of connections that wait in the queue. Closing the listener would
        // reset them, so they are accepted first.
        self.paused_until = None;
        self.acceptors.iter_mut().for_each(|acceptor| acceptor.waiting = true);
        while self.acceptors.iter().any(|acceptor| acceptor.waiting) && self.paused_until.is_none() {
            self.accept_all();
        }
        self.acceptors.clear();
        // A copy of the keys, since connections are closed on the way.
        for id in self.connections.ids() {
            // One last recv: a request that is already here gets its response, with `Connection: close`.
            self.serve(id, |connection, context| {
                connection.assume_readable();
                connection.turn(context)
            });
        }
    }

    /// Closes every connection that is left.
    pub(super) fn cut_off(&mut self) {
        self.read_clocks();
        for id in self.connections.ids() {
            self.context.counts.cut_off.add(1);
            self.close(id, CloseReason::CutOff);
        }
        self.hand_over();
    }
}
