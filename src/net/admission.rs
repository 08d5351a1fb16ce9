//! Limits on the number of connections, and the response to a connection beyond them.
//!
//! There is one limit for all connections and one for each client address. A connection over a limit is not kept
//! waiting: it gets 503 with Retry-After at once ([`OverloadResponse`]) and is closed.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::http::{AddedFields, HttpDate, grammar};
use crate::service::{Body, Response};

/// Connections are scarce when fewer than one in this many is free. Then the idle time shrinks.
const SCARCE: usize = 8;
/// Most reads of 4 KiB before the close of a refused connection: more than any honest head.
const READS: usize = 8;

/// Counts the connections of all loops.
#[derive(Debug)]
pub struct Admission {
    open: AtomicUsize,
    most: usize,
    most_per_client: usize,
    /// Open connections of each client. The standard hasher is seeded at random, so a client cannot choose addresses
    /// that collide.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Why a connection is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionError {
    /// There are as many connections as are allowed in all.
    Full,
    /// This client has as many as are allowed for one.
    TooManyOfClient,
}

impl Admission {
    /// Allows `most` connections, `most_per_client` of them for one client.
    pub fn new(most: usize, most_per_client: usize) -> Admission {
        // A limit of 0 would refuse everyone, which is never what is meant.
        let clients = Mutex::default();
        Admission { open: AtomicUsize::new(0), most: most.max(1), most_per_client: most_per_client.max(1), clients }
    }

    /// Counts one more connection; [`Admission::leave`] must follow.
    ///
    /// # Errors
    /// Which limit is reached. The connection is not counted then.
    pub fn enter(&self, peer: SocketAddr) -> Result<(), AdmissionError> {
        // Counted first and taken back on failure: between a test and a later count other loops could enter.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmissionError::Full);
        }
        // Loopback is counted in the total alone.
        let Some(client) = counted_address(peer) else { return Ok(()) };
        // The one lock on the way of a new connection; it is held for a look-up in a small map.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.entry(client).or_insert(0);
        if *open >= self.most_per_client {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmissionError::TooManyOfClient);
        }
        *open += 1;
        Ok(())
    }

    /// A connection that was allowed has ended.
    pub fn leave(&self, peer: SocketAddr) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = counted_address(peer) else { return };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = clients.get_mut(&client) {
            *open -= 1;
            // The map holds connected clients only, or each address ever seen would stay in memory.
            if *open == 0 {
                clients.remove(&client);
            }
        }
    }

    /// Whether few further connections are allowed.
    pub fn is_scarce(&self) -> bool {
        self.most.saturating_sub(self.open.load(Ordering::Relaxed)) < self.most / SCARCE
    }
}

/// The address under which a client is counted; `None` if it is not counted.
fn counted_address(peer: SocketAddr) -> Option<IpAddr> {
    let address = peer.ip().to_canonical();
    match address {
        // A proxy in front of the server connects from loopback, and would look like one greedy client.
        _ if address.is_loopback() => None,
        IpAddr::V4(_) => Some(address),
        IpAddr::V6(v6) => {
            // One household has a /64, which is 2^64 addresses.
            let mut bytes = v6.octets();
            bytes[8..].fill(0);
            Some(IpAddr::from(bytes))
        }
    }
}

/// The response to a connection over the limit, ready but for its date. Refusing must be cheaper than serving, or
/// overload feeds itself, so the service is asked for it once, at the start.
pub struct OverloadResponse {
    /// The status line and the name of the Date field. A server with a clock sends one (RFC 9110 §6.6.1).
    start: Vec<u8>,
    /// Everything after the date.
    end: Vec<u8>,
}

impl OverloadResponse {
    /// The bytes of this response, whose content must be in memory, with the fields that every response gets.
    pub fn new(response: Response, added: &AddedFields) -> OverloadResponse {
        let (status, fields, body) = response.into_parts();
        // A file could not be opened at the moment when this is needed: descriptors may be what is missing.
        let content = if let Body::Bytes(bytes) = &body { &bytes[..] } else { b"" };
        let mut end = b"\r\nConnection: close\r\nContent-Length: ".to_vec();
        grammar::push_decimal(&mut end, content.len() as u64);
        end.extend_from_slice(b"\r\n");
        added.merge(status, fields.bytes(), &mut end);
        end.extend_from_slice(b"\r\n");
        end.extend_from_slice(content);
        OverloadResponse { start: format!("HTTP/1.1 {status}\r\nDate: ").into_bytes(), end }
    }

    fn bytes(&self, date: &HttpDate) -> Vec<u8> {
        [&self.start, &date.bytes()[..], &self.end].concat()
    }

    /// Sends it, and shuts down our side. Returns the bytes that were sent.
    pub fn send(&self, socket: &TcpStream, date: &HttpDate) -> Vec<u8> {
        let mut scratch = [0u8; 4096];
        let mut drain = || {
            for _ in 0..READS {
                match recv(socket, &mut scratch[..], RecvFlags::DONTWAIT) {
                    Ok((count, _)) if count > 0 => {}
                    _ => return,
                }
            }
        };
        // A socket closed with unread bytes sends a reset, which can overtake the response. The request is usually
        // here already, so it is read first.
        drain();
        let mut response = self.bytes(date);
        // A failure cannot be helped: the client is gone, or does not take a single byte.
        let sent = send(socket, &response, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
        let _ = shutdown(socket, Shutdown::Write);
        drain();
        response.truncate(sent);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error_page;

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
        added.replace("X-Mine", "yes").unwrap();
        let sent = OverloadResponse::new(error_page::overload(), &added).bytes(&HttpDate::from_second(0));
        let sent = String::from_utf8(sent).unwrap();
        let (head, content) = sent.split_once("\r\n\r\n").unwrap();
        let start = "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n";
        assert!(head.starts_with(start), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", content.len())), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n") && head.ends_with("\r\nX-Mine: yes"), "{head}");
    }
}
