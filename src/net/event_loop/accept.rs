//! Which connections are accepted, and which get 503.
//!
//! There is one limit for all connections and one for each client address ([`Admission`]). A connection over a limit is
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
//!
//! Clients on loopback have no limit of their own: a proxy on the same machine is one address for many clients.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mio::Interest;
use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::http::response::{connection_line, write_head};
use crate::http::{AddedFields, HttpDate, Transfer, Version};
use crate::net::{CloseReason, connection::Connection, event_loop::EventLoop, send_queue::Sent, workers::client_of};
use crate::service::{Body, app::Additions, error_page, lock};

/// Most connections accepted in one turn, so that a flood of them does not hold up the open ones.
const ACCEPTS_PER_TURN: usize = 64;
/// Slots searched for an idle connection that can be closed for a new one.
/// Bounded, since each connection over the limit searches once.
const SLOTS_TO_SEARCH: usize = 64;
/// How long accepting pauses when there are no descriptors left.
/// The loop goes on meanwhile, and connections that end give descriptors back.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections are scarce when fewer than one in this many is free. Then the idle time and the send timeout shrink
/// ([`crate::net::deadline`]). With 720 allowed this is below 180, so while more than 540 are in use.
const SCARCE: usize = 4;
/// Most reads of 4 KiB before the close of a refused connection: more than any usual head.
const READS: usize = 8;

/// A listening socket of a loop.
pub(super) struct Acceptor {
    /// Non-blocking, registered for reading.
    pub(super) socket: mio::net::TcpListener,
    /// With its real port. Each accepted connection gets a reference to it.
    pub(super) address: Arc<SocketAddr>,
    /// A descriptor to give up when there are no others.
    pub(super) spare: Option<TcpListener>,
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
        acceptor.spare = acceptor.socket.as_fd().try_clone_to_owned().ok().map(TcpListener::from);
    }

    /// Begins with an accepted connection, if the limits allow one more.
    fn open(&mut self, socket: TcpStream, peer: SocketAddr, local: Arc<SocketAddr>) {
        if let Err(error) = self.server.admission.enter(peer) {
            // A client over its own limit gets 503. Over the common limit an idle connection is closed for it.
            let has_closed = error == AdmissionError::Full && self.close_idle();
            if !(has_closed && self.server.admission.enter(peer).is_ok()) {
                return self.refuse(&socket, peer);
            }
        }
        // With this one counted: its own idle time may already be the short one.
        self.context.scarce = self.server.admission.is_scarce();
        let context = &mut self.context;
        context.counts.accepted.add(1);
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

    /// Closes a connection that has been idle for long; `false` when none was found.
    fn close_idle(&mut self) -> bool {
        let Some(id) = self.connections.longest_idle(SLOTS_TO_SEARCH, Connection::idle_since) else { return false };
        self.close(id, CloseReason::MadeRoom);
        true
    }

    /// Sends 503 to a connection over the limit. Its request is not parsed, only read and dropped.
    fn refuse(&mut self, socket: &TcpStream, peer: SocketAddr) {
        log::debug!("{peer}: {}", CloseReason::Shed.explain());
        let context = &mut self.context;
        let response = overload_bytes(context.app.added_fields(&Additions::default()), &context.date);
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

/// The response to a connection over the limit. Its content is in memory: descriptors may be what is missing.
fn overload_bytes(added: &AddedFields, date: &HttpDate) -> Vec<u8> {
    let (status, fields, body) = error_page::overload().into_parts();
    let content = if let Body::Bytes(bytes) = &body { &bytes[..] } else { b"" };
    let mut bytes = Vec::new();
    let (announced, connection) = (Transfer::Exactly(content.len() as u64), connection_line(false, Version::Http11));
    write_head(&mut bytes, status, &fields, added, date, announced, connection);
    bytes.extend_from_slice(content);
    bytes
}

/// Reads and drops what has come, up to a limit.
fn drop_received(socket: &TcpStream) {
    let mut scratch = [0u8; 4096];
    let mut recv = || recv(socket, &mut scratch[..], RecvFlags::DONTWAIT).map_or(0, |(count, _)| count);
    let _ = (0..READS).find(|_| recv() == 0);
}

/// Counts the connections of all loops.
#[derive(Debug)]
pub(crate) struct Admission {
    /// In all loops.
    open: AtomicUsize,
    /// At least 1.
    most: usize,
    /// At least 1. Loopback is not counted, and an IPv6 client is its /64.
    most_per_client: usize,
    /// Open connections of each client. The standard hasher is seeded at random, so a client cannot choose addresses
    /// that collide.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdmissionError {
    /// There are as many connections as are allowed in all.
    Full,
    /// This client has as many as are allowed for one.
    TooManyOfClient,
}

impl Admission {
    /// Allows `most` connections, `most_per_client` of them for one client.
    pub(crate) fn new(most: usize, most_per_client: usize) -> Admission {
        // At least 1: a limit of 0 would refuse all clients.
        let clients = Mutex::default();
        Admission { open: AtomicUsize::new(0), most: most.max(1), most_per_client: most_per_client.max(1), clients }
    }

    /// Counts one more connection; [`Admission::leave`] must follow. Errors: which limit is reached. The connection is
    /// not counted then.
    pub(crate) fn enter(&self, peer: SocketAddr) -> Result<(), AdmissionError> {
        // Counted first and taken back on failure: between a test and a later count other loops could enter.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmissionError::Full);
        }
        let Some(client) = counted_address(peer) else { return Ok(()) };
        // The one lock on the way of a new connection; it is held for a look-up in a small map.
        let mut clients = lock(&self.clients);
        let open = clients.entry(client).or_insert(0);
        // A limit is at least 1, so a refusal never leaves an entry of 0 in the map.
        if *open >= self.most_per_client {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmissionError::TooManyOfClient);
        }
        *open += 1;
        Ok(())
    }

    /// A connection that was allowed has ended.
    pub(crate) fn leave(&self, peer: SocketAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = counted_address(peer) else { return };
        let mut clients = lock(&self.clients);
        if let Some(open) = clients.get_mut(&client) {
            *open -= 1;
            // The map holds connected clients only, or each address ever seen would stay in memory.
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }

    /// Whether few further connections are allowed.
    pub(crate) fn is_scarce(&self) -> bool {
        self.most.saturating_sub(self.open.load(Ordering::Relaxed)) < self.most / SCARCE
    }
}

/// The address under which a client is counted; `None` if it is not counted.
fn counted_address(peer: SocketAddr) -> Option<IpAddr> {
    // A proxy in front of the server connects from loopback, and all its clients would count as one.
    Some(client_of(peer)).filter(|address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_takes_its_share_and_no_more() {
        let admission = Admission::new(10, 2);
        let greedy = [from("192.0.2.1:1"), from("[::ffff:192.0.2.1]:2"), from("192.0.2.1:3")];
        assert_eq!(admission.enter(greedy[0]), Ok(()));
        assert_eq!(admission.enter(greedy[1]), Ok(()));
        assert_eq!(admission.enter(greedy[2]), Err(AdmissionError::TooManyOfClient));
        assert_eq!(admission.enter(from("192.0.2.2:1")), Ok(()));
        admission.leave(greedy[0]);
        assert_eq!(admission.enter(greedy[2]), Ok(()));
        let sixes = [from("[2001:db8::1]:1"), from("[2001:db8::2]:1"), from("[2001:db8:0:0:5::]:1")];
        assert_eq!(sixes.map(|s| admission.enter(s)), [Ok(()), Ok(()), Err(AdmissionError::TooManyOfClient)]);
        assert_eq!(admission.enter(from("[2001:db8:0:1::1]:1")), Ok(()));
    }

    #[test]
    fn the_limit_for_all_is_kept_and_ended_connections_are_counted_no_more() {
        let admission = Admission::new(2, 1);
        let local = from("127.0.0.1:1");
        assert_eq!([(); 3].map(|()| admission.enter(local)), [Ok(()), Ok(()), Err(AdmissionError::Full)]);
        admission.leave(local);
        assert_eq!(admission.enter(from("[::1]:5")), Ok(()));
    }

    #[test]
    fn a_refused_connection_gets_a_whole_response_with_the_fields_of_all_others() {
        let mut added = AddedFields::default();
        added.add(crate::http::MergeRule::Replace, "X-Mine", "yes").unwrap();
        let sent = overload_bytes(&added, &HttpDate::from_second(0));
        let sent = String::from_utf8(sent).unwrap();
        let (head, content) = sent.split_once("\r\n\r\n").unwrap();
        let start = "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n";
        assert!(head.starts_with(start), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", content.len())), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n") && head.ends_with("\r\nX-Mine: yes"), "{head}");
    }
}
