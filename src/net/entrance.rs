//! The entrance of a loop: who is accepted, who is told that there is no room.
//!
//! Never: a queue. Whoever has no seat hears 503 at once.
//!
//! The subtle thing: out of descriptors, nobody can be accepted, not even to be refused. So each door
//! keeps a spare descriptor, gives it up to tell one client, takes it back, and pauses; without the
//! pause the loop would spin on a listener that stays readable.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;

use crate::net::admission::Denied;
use crate::net::close_reason::CloseReason;
use crate::net::connection::Connection;
use crate::net::event_loop::EventLoop;
use crate::net::send_queue::Sent;

/// Connections accepted in one turn, so that a flood of them cannot stop those who are in.
const ACCEPTS_PER_TURN: usize = 64;
/// Seats looked at for an idle client that can make room.
const LOOK_FOR_IDLE: usize = 64;
/// How long accepting pauses when there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

impl EventLoop {
    pub(crate) fn accept_all(&mut self) {
        if self.paused_until.is_some_and(|until| self.now < until) {
            return;
        }
        self.paused_until = None;
        for number in 0..self.doors.len() {
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.doors[number].waiting {
                    break;
                }
                match self.doors[number].socket.accept() {
                    Ok(arrival) => self.arrivals.push(arrival),
                    Err(error) => self.not_accepted(number, &error),
                }
            }
            // All are accepted before the first is served: meanwhile the requests of the others arrive,
            // and whose request is there at the first recv need not be registered.
            let mut arrivals = std::mem::take(&mut self.arrivals);
            for (socket, peer) in arrivals.drain(..) {
                self.welcome(socket, peer, Arc::clone(&self.doors[number].address));
            }
            self.arrivals = arrivals;
        }
    }

    fn not_accepted(&mut self, number: usize, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.doors[number].waiting = false,
            // The client was gone before we came; or a signal. The next one may be there.
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {}
            _ => {
                // Many are told in one turn; whoever reads this needs to know it once.
                if self.paused_until.is_none() {
                    log::warn!("cannot accept: {error}");
                }
                self.service.relieve();
                self.tell_one(number);
                self.paused_until = Some(self.now + PAUSE);
            }
        }
    }

    /// Out of descriptors: the spare one is used to tell one client 503.
    fn tell_one(&mut self, number: usize) {
        let door = &mut self.doors[number];
        door.spare = None;
        if let Ok((socket, peer)) = door.socket.accept() {
            let local = Arc::clone(&door.address);
            self.turn_away(&socket, peer, &local);
        }
        let door = &mut self.doors[number];
        door.spare = door.socket.as_fd().try_clone_to_owned().ok().map(TcpListener::from);
    }

    fn welcome(&mut self, socket: TcpStream, peer: SocketAddr, local: Arc<SocketAddr>) {
        if let Err(denied) = self.common.admission.enter(peer) {
            let room = denied == Denied::Full && self.make_room();
            if !(room && self.common.admission.enter(peer).is_ok()) {
                return self.turn_away(&socket, peer, &local);
            }
        }
        let id = self.connections.allot();
        let mut client = Box::new(self.with(|cx| Connection::new(socket, id, peer, local, cx)));
        if let Err(ended) = self.with(|cx| client.turn(cx)) {
            return self.dismiss(id, client, ended);
        }
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(client.socket_mut(), id.token(), interest) {
            log::warn!("cannot watch a connection: {error}");
            return self.dismiss(id, client, CloseReason::Failed);
        }
        self.settle(id, client, Ok(()));
    }

    /// Says 503 to somebody for whom there is no seat. What they asked is not read, only thrown away.
    fn turn_away(&mut self, socket: &TcpStream, peer: SocketAddr, local: &SocketAddr) {
        log::debug!("{peer}: {}", CloseReason::Shed.explain());
        let said = self.overload.refuse(socket, &self.date);
        let number = self.tap.accepted(self.now, peer, *local);
        self.tap.sent(number, Sent::Bytes(&said));
        self.tap.closed(number, self.now, CloseReason::Shed);
    }

    /// Closes a connection that has been idle for long; `false` when none was found.
    fn make_room(&mut self) -> bool {
        let Some(id) = self.connections.idlest(LOOK_FOR_IDLE, Connection::idle_since) else { return false };
        let Some(client) = self.connections.take(id) else { return false };
        self.dismiss(id, client, CloseReason::MadeRoom);
        true
    }
}
