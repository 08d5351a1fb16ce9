//! How a loop accepts connections, and what it does when there are too many.
//!
//! A connection over the limit gets 503 at once and is closed; none is kept waiting.
//!
//! Without a free descriptor not even a refusal is possible, and the listener stays readable, so the loop would spin.
//! Each listener therefore keeps a spare descriptor: it is closed, one connection is accepted with it and told 503,
//! it is opened again, and accepting pauses for a moment.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;

use crate::net::admission::AdmissionError;
use crate::net::close_reason::CloseReason;
use crate::net::connection::Connection;
use crate::net::event_loop::EventLoop;
use crate::net::send_queue::Sent;

/// Most connections accepted in one turn, so that a flood of them does not hold up the open ones.
const ACCEPTS_PER_TURN: usize = 64;
/// Slots searched for an idle connection that can be closed for a new one.
const SLOTS_TO_SEARCH: usize = 64;
/// How long accepting pauses when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

impl EventLoop {
    /// Accepts what waits, and gives each new connection its first turn.
    pub(crate) fn accept_all(&mut self) {
        if self.paused_until.is_some_and(|until| self.context.now < until) {
            return;
        }
        self.paused_until = None;
        for number in 0..self.acceptors.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.acceptors[number].waiting {
                    break;
                }
                match self.acceptors[number].socket.accept() {
                    Ok(accepted) => self.accepted.push(accepted),
                    Err(error) => self.not_accepted(number, &error),
                }
            }
            // All are accepted before the first is served. Meanwhile the requests of the others arrive, and a
            // connection whose request is there at the first recv often ends without having been registered.
            let mut accepted = std::mem::take(&mut self.accepted);
            for (socket, peer) in accepted.drain(..) {
                self.open(socket, peer, Arc::clone(&self.acceptors[number].address));
            }
            self.accepted = accepted;
        }
    }

    fn not_accepted(&mut self, number: usize, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.acceptors[number].waiting = false,
            // That client is gone, or a signal came; the next connection may be there.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
            _ => {
                // Many may fail in one turn; the message is logged once.
                if self.paused_until.is_none() {
                    log::warn!("cannot accept: {error}");
                }
                self.context.app.relieve();
                self.refuse_with_spare(number);
                self.paused_until = Some(self.context.now + PAUSE);
            }
        }
    }

    /// Out of descriptors: gives up the spare one to tell one client 503.
    fn refuse_with_spare(&mut self, number: usize) {
        let acceptor = &mut self.acceptors[number];
        // Closing it frees the one descriptor that accept needs. The socket is dropped at the end of the block, which
        // frees it again.
        acceptor.spare = None;
        if let Ok((socket, peer)) = acceptor.socket.accept() {
            let local = Arc::clone(&acceptor.address);
            self.refuse(&socket, peer, &local);
        }
        let acceptor = &mut self.acceptors[number];
        // If another thread was faster there is no spare one for now. The next failure tries again.
        acceptor.spare = acceptor.socket.as_fd().try_clone_to_owned().ok().map(TcpListener::from);
    }

    /// Begins with an accepted connection, if the limits allow one more.
    fn open(&mut self, socket: TcpStream, peer: SocketAddr, local: Arc<SocketAddr>) {
        if let Err(error) = self.context.server.admission.enter(peer) {
            // A client over its own share gets nothing more. Over the common limit an idle connection makes room.
            let room = error == AdmissionError::Full && self.close_idle();
            if !(room && self.context.server.admission.enter(peer).is_ok()) {
                return self.refuse(&socket, peer, &local);
            }
        }
        let context = &mut self.context;
        let id = self.connections.insert(|id| Connection::new(socket, id, peer, local, context));
        let Some(connection) = self.connections.get(id) else { return };
        // The first turn comes before the registration: a request that is already here, with a response that
        // closes, needs no call to the poller at all.
        if let Err(reason) = connection.turn(&mut self.context) {
            return self.close(id, reason);
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.socket, id.token(), interest) {
            log::warn!("cannot watch a connection: {error}");
            return self.close(id, CloseReason::Failed);
        }
        self.after_turn(id);
    }

    /// Says 503 to a connection over the limit. Its request is not parsed, only read and dropped.
    fn refuse(&mut self, socket: &TcpStream, peer: SocketAddr, local: &SocketAddr) {
        log::debug!("{peer}: {}", CloseReason::Shed.explain());
        let context = &mut self.context;
        let sent = self.overload.send(socket, &context.date);
        let number = context.tap.accepted(context.now, peer, *local);
        context.tap.sent(number, Sent::Bytes(&sent));
        context.tap.closed(number, context.now, CloseReason::Shed);
    }

    /// Closes a connection that has been idle for long; `false` when none was found.
    fn close_idle(&mut self) -> bool {
        let Some(id) = self.connections.longest_idle(SLOTS_TO_SEARCH, Connection::idle_since) else { return false };
        self.close(id, CloseReason::MadeRoom);
        true
    }
}
