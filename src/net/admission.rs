//! Who gets in: seats for all, and a share for each client.
//!
//! Never: a queue. Who cannot be served is told so at once (503 with Retry-After).
//!
//! The subtle thing: an IPv6 client is its /64, since one household has 2^64 addresses; and loopback
//! clients are not counted each, because a proxy in front would look like one greedy client.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Seats are scarce when fewer than one in this many is free: then idle time shrinks.
const SCARCE: usize = 8;

/// The seats of all loops.
#[derive(Debug)]
pub struct Admission {
    taken: AtomicUsize,
    most: usize,
    most_per_client: usize,
    /// Seats of each client. The standard hasher is seeded at random, so a client cannot choose
    /// addresses that collide.
    clients: Mutex<HashMap<IpAddr, usize>>,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Every seat is taken.
    Full,
    /// This client has its share.
    Greedy,
}

impl Admission {
    /// `most` seats, `most_per_client` of them for one client.
    pub fn new(most: usize, most_per_client: usize) -> Admission {
        let clients = Mutex::default();
        Admission { taken: AtomicUsize::new(0), most: most.max(1), most_per_client: most_per_client.max(1), clients }
    }

    /// Takes a seat.
    ///
    /// # Errors
    /// Why not.
    pub fn enter(&self, peer: SocketAddr) -> Result<(), Denied> {
        if self.taken.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return Err(Denied::Full);
        }
        let Some(key) = key(peer) else { return Ok(()) };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let ids = clients.entry(key).or_insert(0);
        if *ids >= self.most_per_client {
            self.taken.fetch_sub(1, Ordering::Relaxed);
            return Err(Denied::Greedy);
        }
        *ids += 1;
        Ok(())
    }

    /// Gives a seat back.
    pub fn leave(&self, peer: SocketAddr) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(key) = key(peer) else { return };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = clients.get_mut(&key) {
            *ids -= 1;
            if *ids == 0 {
                clients.remove(&key);
            }
        }
    }

    /// Whether few seats are left.
    pub fn is_scarce(&self) -> bool {
        self.most.saturating_sub(self.taken.load(Ordering::Relaxed)) < self.most / SCARCE
    }
}

/// Who counts as one client; `None` for loopback.
fn key(peer: SocketAddr) -> Option<IpAddr> {
    let address = peer.ip().to_canonical();
    match address {
        _ if address.is_loopback() => None,
        IpAddr::V4(_) => Some(address),
        IpAddr::V6(v6) => {
            let mut bytes = v6.octets();
            bytes[8..].fill(0);
            Some(IpAddr::from(bytes))
        }
    }
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
        assert_eq!(admission.enter(greedy[2]), Err(Denied::Greedy));
        assert_eq!(admission.enter(from("192.0.2.2:1")), Ok(()));
        admission.leave(greedy[0]);
        assert_eq!(admission.enter(greedy[2]), Ok(()));
        let sixes = [from("[2001:db8::1]:1"), from("[2001:db8::2]:1"), from("[2001:db8:0:0:5::]:1")];
        assert_eq!(sixes.map(|s| admission.enter(s)), [Ok(()), Ok(()), Err(Denied::Greedy)]);
        assert_eq!(admission.enter(from("[2001:db8:0:1::1]:1")), Ok(()));
    }

    #[test]
    fn seats_run_out_for_all_and_come_back() {
        let admission = Admission::new(2, 1);
        let local = from("127.0.0.1:1");
        assert_eq!([(); 3].map(|()| admission.enter(local)), [Ok(()), Ok(()), Err(Denied::Full)]);
        admission.leave(local);
        assert_eq!(admission.enter(from("[::1]:5")), Ok(()));
    }
}
