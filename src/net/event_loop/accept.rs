//! Which connections are accepted, and which get 503.
//!
//! There is one limit for all connections and one for each client ([`crate::net::admission`]). A connection over a limit is
//! not kept waiting: it gets 503 with Retry-After at once and is closed.
//!
//! Without a free descriptor not even a refusal is possible, and the listener stays readable, so the loop would spin.
//! Each listener therefore keeps a spare descriptor. It is closed, one connection is accepted in its place and gets
//! 503, the spare one is opened again, and accepting pauses for a moment.
//!
//! | situation | the new connection |
//! |---|---|
//! | below both limits | is accepted |
//! | the limit for all is reached | takes the place of an idle one; 503 if none is found |
//! | the limit of its client is reached | gets 503, however many places are free |
//! | no descriptor is free | one gets 503 by the spare descriptor; the others wait for the end of the pause |

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mio::Interest;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::net::connection::{Connection, client::without_request};
use crate::net::stream::{ListenSocket, Stream};
use crate::net::{CloseReason, admission::AdmissionError, event_loop::EventLoop, send_queue::Sent};
use crate::service::{app::Additions, error_page};

/// Most connections accepted in one turn, so that a flood of them does not hold up the open ones.
const ACCEPTS_PER_TURN: usize = 64;
/// Slots searched for an idle connection that can be closed for a new one.
/// Bounded, since each connection over the limit searches once.
const SLOTS_TO_SEARCH: usize = 64;
/// How long accepting pauses when there are no descriptors left.
/// The loop goes on meanwhile, and connections that end give descriptors back.
const PAUSE: Duration = Duration::from_millis(100);
/// Most reads of 4 KiB before the close of a refused connection: more than any usual head.
const READS: usize = 8;

/// A listening socket of a loop.
pub(super) struct Acceptor {
    /// Non-blocking, registered for reading.
    pub(super) socket: ListenSocket,
    /// With its real port. Each accepted connection gets a reference to it.
    pub(super) address: Arc<SocketAddr>,
    /// A descriptor to give up when there are no others.
    pub(super) spare: Option<OwnedFd>,
    /// The poller has reported connections, and `accept` has not returned `WouldBlock` since.
    pub(super) waiting: bool,
}

impl EventLoop {
    /// Accepts what waits, and gives each new connection its first turn.
    pub(super) fn accept_all(&mut self) {
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
                // Files that are kept open only for speed are closed first: that frees descriptors.
                self.context.app.relieve();
                self.refuse_with_spare(number);
                self.paused_until = Some(self.context.now + PAUSE);
            }
        }
    }

    /// Out of descriptors: gives up the spare one to send one client 503.
    fn refuse_with_spare(&mut self, number: usize) {
        let acceptor = &mut self.acceptors[number];
        // Closing it frees the one descriptor that accept needs. The socket is dropped at the end of the block, which
        // frees it again.
        acceptor.spare = None;
        if let Ok((socket, peer)) = acceptor.socket.accept() {
            self.refuse(&socket, peer);
        }
        let acceptor = &mut self.acceptors[number];
        // If another thread was faster there is no spare one for now. The next failure tries again.
        acceptor.spare = acceptor.socket.as_fd().try_clone_to_owned().ok();
    }

    /// Begins with an accepted connection, if the limits allow one more.
    fn open(&mut self, socket: Stream, peer: SocketAddr, local: Arc<SocketAddr>) {
        let client = self.context.client_of_peer(peer);
        let mut entered = self.context.admission.enter(client);
        // A client over its own limit gets 503. Over the common limit an idle connection is closed for it.
        if matches!(entered, Err(AdmissionError::Full)) && self.close_idle() {
            entered = self.context.admission.enter(client);
        }
        let Ok(share) = entered else { return self.refuse(&socket, peer) };
        // With this one counted: its own idle time may already be the short one.
        self.context.scarce = self.context.admission.is_scarce();
        let context = &mut self.context;
        context.counts.accepted.add(1);
        let id = self.connections.insert(|id| Connection::new(socket, id, peer, local, share, context));
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

    /// Closes a connection that has been idle for long; `false` when none was found.
    fn close_idle(&mut self) -> bool {
        let Some(id) = self.connections.longest_idle(SLOTS_TO_SEARCH, Connection::idle_since) else { return false };
        self.close(id, CloseReason::MadeRoom);
        true
    }

    /// Sends 503 to a connection over the limit. Its request is not parsed, only read and dropped.
    fn refuse(&mut self, socket: &Stream, peer: SocketAddr) {
        log::debug!("{peer}: {}", CloseReason::Shed.explain());
        let context = &mut self.context;
        let added = context.app.added_fields(&Additions::default());
        let response = without_request(error_page::overload(), added, &context.date);
        // A socket closed with unread bytes sends a reset, which can overtake the response. The request is usually
        // here already, so it is read first.
        drop_received(socket);
        // Ignore an error: the client is gone, or does not take a single byte.
        let sent = send(socket, &response, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
        let _ = shutdown(socket, Shutdown::Write);
        drop_received(socket);
        context.counts.accepted.add(1);
        context.counts.closed(CloseReason::Shed);
        let now = context.now;
        if let Some(tap) = context.tap() {
            let number = tap.accepted(now, peer);
            tap.sent(number, Sent::Bytes(&response[..sent]));
            tap.closed(number, now, CloseReason::Shed);
        }
    }
}

/// Reads and drops what has come, up to a limit.
fn drop_received(socket: &Stream) {
    let mut scratch = [0u8; 4096];
    let mut recv = || recv(socket, &mut scratch[..], RecvFlags::DONTWAIT).map_or(0, |(count, _)| count);
    let _ = (0..READS).find(|_| recv() == 0);
}
