//! How many connections are open, in all and for each client: the limits `--max-connections` and `--max-per-client`.
//!
//! | the connection | counts for a client |
//! |---|---|
//! | is from a peer that is no proxy, as far as is known | from its beginning to its end |
//! | is from loopback, or from a trusted proxy that does not name its client | never |
//! | is from a trusted proxy that has named the client in a PROXY header | from that header to its end |
//! | is from a trusted proxy that names the client in a field of each request | from the head of such a request to the end of its response |
//!
//! A proxy keeps connections open, and sends requests of one client after those of another. Between two requests such a
//! connection is used for none of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::net::workers::client_of;
use crate::service::{Client, lock};

/// Connections are scarce when fewer than one in this many is free. Then the idle time and the send timeout shrink
/// ([`crate::net::deadline`]). With 720 allowed this is below 180, so while more than 540 are in use.
const SCARCE: usize = 4;

/// Counts the connections of all loops.
#[derive(Debug)]
pub(crate) struct Admission {
    /// In all loops.
    open: AtomicUsize,
    /// At least 1.
    most: usize,
    /// At least 1. Many clients at one address are not counted, and an IPv6 client is its /64.
    most_per_client: usize,
    /// Connections in use by each client. The standard hasher is seeded at random, so a client cannot choose addresses
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

/// A connection that counts for a client until this is dropped.
#[derive(Debug)]
pub(crate) struct ClientShare {
    admission: Arc<Admission>,
    client: IpAddr,
}

impl Admission {
    /// Allows `most` connections, `most_per_client` of them for one client.
    pub(crate) fn new(most: usize, most_per_client: usize) -> Admission {
        // At least 1: a limit of 0 would refuse all clients.
        let clients = Mutex::default();
        Admission { open: AtomicUsize::new(0), most: most.max(1), most_per_client: most_per_client.max(1), clients }
    }

    /// Counts one more connection, from this client; [`Admission::leave`] must follow. Errors: which limit is reached.
    /// The connection is not counted then.
    pub(crate) fn enter(self: &Arc<Admission>, client: Client) -> Result<Option<ClientShare>, AdmissionError> {
        // Counted first and taken back on failure: between a test and a later count other loops could enter.
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(AdmissionError::Full);
        }
        let share = self.share(client);
        if share.is_err() {
            self.open.fetch_sub(1, Ordering::Relaxed);
        }
        share
    }

    /// Counts an open connection for this client; `None` if its client is one of many. Errors: the client has as many
    /// as are allowed.
    pub(crate) fn share(self: &Arc<Admission>, client: Client) -> Result<Option<ClientShare>, AdmissionError> {
        // A proxy in front of the server connects from one address, and all its clients would count as one.
        if client.is_many() {
            return Ok(None);
        }
        let client = client_of(client.address());
        // The one lock on the way of a new connection; it is held for a look-up in a small map.
        let mut clients = lock(&self.clients);
        let open = clients.entry(client).or_insert(0);
        // A limit is at least 1, so a refusal never leaves an entry of 0 in the map.
        if *open >= self.most_per_client {
            return Err(AdmissionError::TooManyOfClient);
        }
        *open += 1;
        Ok(Some(ClientShare { admission: Arc::clone(self), client }))
    }

    /// A connection that was allowed has ended.
    pub(crate) fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether few further connections are allowed.
    pub(crate) fn is_scarce(&self) -> bool {
        self.most.saturating_sub(self.open.load(Ordering::Relaxed)) < self.most / SCARCE
    }
}

impl Drop for ClientShare {
    fn drop(&mut self) {
        let mut clients = lock(&self.admission.clients);
        if let Some(open) = clients.get_mut(&self.client) {
            *open -= 1;
            // The map holds connected clients only, or each address ever seen would stay in memory.
            if *open == 0 {
                clients.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(text: &str) -> Client {
        Client::Peer(text.parse().unwrap())
    }

    /// Enters; the share is kept by the caller.
    fn enter(admission: &Arc<Admission>, client: &str) -> Result<Option<ClientShare>, AdmissionError> {
        admission.enter(from(client))
    }

    #[test]
    fn one_client_takes_its_share_and_no_more() {
        let admission = Arc::new(Admission::new(10, 2));
        let first = enter(&admission, "192.0.2.1").unwrap();
        let _second = enter(&admission, "::ffff:192.0.2.1").unwrap();
        assert_eq!(enter(&admission, "192.0.2.1").unwrap_err(), AdmissionError::TooManyOfClient);
        let _neighbour = enter(&admission, "192.0.2.2").unwrap();
        admission.leave();
        drop(first);
        let _third = enter(&admission, "192.0.2.1").unwrap();
        let sixes = ["2001:db8::1", "2001:db8::2", "2001:db8:0:0:5::"].map(|client| enter(&admission, client));
        assert!(sixes[0].is_ok() && sixes[1].is_ok() && sixes[2].is_err());
        let _other_network = enter(&admission, "2001:db8:0:1::1").unwrap();
        // What was refused is not counted in all either: 6 of 10 are open.
        assert_eq!((0..5).filter(|_| enter(&admission, "127.0.0.1").is_ok()).count(), 4);
    }

    #[test]
    fn the_limit_for_all_is_kept_and_ended_connections_are_counted_no_more() {
        let admission = Arc::new(Admission::new(2, 1));
        let entered = [(); 3].map(|()| enter(&admission, "127.0.0.1").map(drop));
        assert_eq!(entered, [Ok(()), Ok(()), Err(AdmissionError::Full)]);
        admission.leave();
        assert_eq!(enter(&admission, "::1").map(drop), Ok(()));
        admission.leave();
        drop(enter(&admission, "192.0.2.1").unwrap());
        assert!(lock(&admission.clients).is_empty(), "clients that are gone stay in memory");
    }

    #[test]
    fn a_client_that_a_proxy_names_counts_and_one_of_many_does_not() {
        let admission = Arc::new(Admission::new(10, 1));
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let share = admission.share(Client::OfProxy(address)).unwrap();
        assert!(admission.share(Client::OfProxy(address)).is_err());
        assert!(admission.share(Client::Peer(address)).is_err(), "the same client without the proxy");
        assert!(admission.share(Client::Unnamed(address)).unwrap().is_none());
        drop(share);
        assert!(admission.share(Client::OfProxy(address)).is_ok());
    }
}
