//! Slows down guessing: a client that has failed ten times within a minute has to wait (RFC 6585 §4, 429).
//!
//! Credentials that were found right before are not counted here ([`super::basic`] remembers them). So a client of the
//! same proxy can keep new users waiting, but cannot lock out one who has signed in.
//!
//! Clients on this computer are counted too. If a proxy runs here, all its clients come from this computer, and such a
//! server is usually open to the internet.
//!
//! An attempt counts from its beginning, and is taken back when it proves right. If only results counted, a hundred
//! guesses sent at once would all begin before the first of them has failed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::service::lock;

/// Failures within [`WINDOW`] after which a client waits: more than a user mistypes, too few for guessing.
pub(crate) const FAILURES: usize = 10;
/// How long a failure counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a client waits that only has too many attempts under way.
const WHILE_PENDING: Duration = Duration::from_secs(1);
/// Clients remembered, in about half a megabyte. One more replaces the client whose last failure is the oldest: a
/// guesser with so many addresses is not stopped by counting addresses.
pub(crate) const CLIENTS: usize = 4096;

#[derive(Debug, Default)]
struct Client {
    /// When it failed, the latest last; at most [`FAILURES`].
    failures: VecDeque<SystemTime>,
    /// Attempts without a result yet.
    pending: usize,
}

impl Client {
    fn forget_old(&mut self, now: SystemTime) {
        self.failures.retain(|&then| remaining(then, now).is_some());
    }
}

/// How long a failure at `then` still counts; `None` if it no longer does.
fn remaining(then: SystemTime, now: SystemTime) -> Option<Duration> {
    let left = (then + WINDOW).duration_since(now).ok()?;
    // If the clock was set back, old failures lie in the future. They must not keep a client waiting until then.
    (!left.is_zero() && left <= WINDOW * 2).then_some(left)
}

/// Counts the failures of all clients.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// The standard hasher has random keys, so addresses cannot be chosen to collide.
    clients: Mutex<HashMap<IpAddr, Client>>,
}

impl Throttle {
    /// Begins an attempt of a client. Errors: how long the client must wait before it may try.
    pub(crate) fn begin(self: &Arc<Throttle>, peer: IpAddr, now: SystemTime) -> Result<Attempt, Duration> {
        let address = network_of(peer);
        let mut clients = lock(&self.clients);
        if !clients.contains_key(&address) && clients.len() >= CLIENTS {
            make_room(&mut clients, now);
        }
        let client = clients.entry(address).or_default();
        client.forget_old(now);
        if client.failures.len() >= FAILURES {
            // When the oldest failure no longer counts, one attempt is free again.
            let oldest = client.failures.front().and_then(|&then| remaining(then, now));
            return Err(oldest.unwrap_or(WHILE_PENDING));
        }
        // All attempts under way may still fail.
        if client.failures.len() + client.pending >= FAILURES {
            return Err(WHILE_PENDING);
        }
        // Counted before its result is known: see the head of this file.
        client.pending += 1;
        // Before the attempt exists: when an attempt is dropped, it takes the lock again.
        drop(clients);
        Ok(Attempt { throttle: Arc::clone(self), address, now, failed: false })
    }

    /// How many clients are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        lock(&self.clients).len()
    }
}

fn make_room(clients: &mut HashMap<IpAddr, Client>, now: SystemTime) {
    // First those whose failures no longer count.
    clients.retain(|_, client| {
        client.forget_old(now);
        client.pending > 0 || !client.failures.is_empty()
    });
    if clients.len() >= CLIENTS {
        // A client with pending attempts stays: they would end without a record to count them in.
        let idle = clients.iter().filter(|(_, client)| client.pending == 0);
        let oldest = idle.min_by_key(|(_, client)| client.failures.back().copied());
        if let Some(address) = oldest.map(|(address, _)| *address) {
            clients.remove(&address);
        }
    }
}

/// The address by which a client is counted: an IPv4 address, or the /64 network of an IPv6 address. A household has
/// 2^64 IPv6 addresses, so single ones would not slow it down.
fn network_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            // The last 64 bits are chosen by the client itself.
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// An attempt under way. If it is dropped without [`Attempt::fail`], because it was right or because the workers had no
/// room for it, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Attempt {
    throttle: Arc<Throttle>,
    address: IpAddr,
    now: SystemTime,
    failed: bool,
}

impl Attempt {
    /// The credentials were wrong.
    pub(crate) fn fail(mut self) {
        self.failed = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut clients = lock(&self.throttle.clients);
        let Some(client) = clients.get_mut(&self.address) else { return };
        client.pending = client.pending.saturating_sub(1);
        if self.failed {
            // Attempts end in any order, and the failure counts from the beginning of the attempt.
            client.failures.push_back(self.now);
            client.failures.make_contiguous().sort_unstable();
        } else if client.pending == 0 && client.failures.is_empty() {
            clients.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn fail(throttle: &Arc<Throttle>, peer: &str, now: u64) -> Result<(), Duration> {
        throttle.begin(ip(peer), at(now)).map(Attempt::fail)
    }

    #[test]
    fn the_eleventh_guess_of_a_minute_waits_until_the_first_is_a_minute_old() {
        let throttle = Arc::new(Throttle::default());
        for second in 0..10 {
            assert_eq!(fail(&throttle, "192.0.2.1", second), Ok(()), "{second}");
        }
        assert_eq!(fail(&throttle, "192.0.2.1", 10), Err(Duration::from_secs(50)));
        assert_eq!(fail(&throttle, "192.0.2.1", 59), Err(Duration::from_secs(1)));
        // Having been refused is no failure; the place of the first one is free, and only that.
        assert_eq!(fail(&throttle, "192.0.2.1", 60), Ok(()));
        assert_eq!(fail(&throttle, "192.0.2.1", 60), Err(Duration::from_secs(1)));
        assert_eq!(fail(&throttle, "192.0.2.2", 10), Ok(()), "a neighbour");
    }

    #[test]
    fn guesses_sent_at_once_count_before_they_have_failed() {
        let throttle = Arc::new(Throttle::default());
        let under_way: Vec<Attempt> = (0..10).map(|_| throttle.begin(ip("::1"), at(0)).unwrap()).collect();
        assert_eq!(throttle.begin(ip("::1"), at(0)).unwrap_err(), Duration::from_secs(1));
        // Nine were right, or found no room on the workers: nothing of them stays.
        let mut under_way = under_way.into_iter();
        under_way.next().unwrap().fail();
        drop(under_way);
        for _ in 0..9 {
            assert_eq!(fail(&throttle, "::1", 1), Ok(()));
        }
        assert_eq!(fail(&throttle, "::1", 1), Err(Duration::from_secs(59)));
    }

    #[test]
    fn a_check_that_takes_long_does_not_make_its_failure_younger() {
        let throttle = Arc::new(Throttle::default());
        let slow = throttle.begin(ip("::1"), at(0)).unwrap();
        (1..10).for_each(|second| fail(&throttle, "::1", second).unwrap());
        slow.fail();
        assert_eq!(fail(&throttle, "::1", 20), Err(Duration::from_secs(40)));
    }

    #[test]
    fn a_household_of_ipv6_is_one_client_and_a_mapped_address_is_its_ipv4() {
        let throttle = Arc::new(Throttle::default());
        for host in 0..10 {
            assert_eq!(fail(&throttle, &format!("2001:db8:1:2::{host:x}"), 0), Ok(()));
            assert_eq!(fail(&throttle, "::ffff:192.0.2.1", 0), Ok(()));
        }
        assert!(fail(&throttle, "2001:db8:1:2:ffff:ffff:ffff:ffff", 0).is_err());
        assert!(fail(&throttle, "192.0.2.1", 0).is_err());
        assert_eq!(fail(&throttle, "2001:db8:1:3::1", 0), Ok(()));
        assert_eq!(fail(&throttle, "127.0.0.1", 0), Ok(()));
    }

    #[test]
    fn a_million_addresses_cost_no_more_memory_than_four_thousand() {
        let throttle = Arc::new(Throttle::default());
        for n in 0..CLIENTS as u32 + 300 {
            let peer = IpAddr::V4((0x0a00_0000 + n).into());
            throttle.begin(peer, at(u64::from(n) / 100)).unwrap().fail();
        }
        assert_eq!(throttle.len(), CLIENTS);
        // The latest are the ones remembered.
        assert!(lock(&throttle.clients).contains_key(&IpAddr::V4((0x0a00_0000 + CLIENTS as u32 + 299).into())));
        // And all of them are old a minute later.
        throttle.begin(ip("192.0.2.1"), at(1000)).unwrap().fail();
        assert_eq!(throttle.len(), 1);
    }

    #[test]
    fn a_client_that_signs_in_leaves_no_record() {
        let throttle = Arc::new(Throttle::default());
        drop(throttle.begin(ip("192.0.2.1"), at(0)).unwrap());
        assert_eq!(throttle.len(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_no_client_waiting_for_years() {
        let throttle = Arc::new(Throttle::default());
        (0..10).for_each(|_| fail(&throttle, "192.0.2.1", 900_000).unwrap());
        assert!(fail(&throttle, "192.0.2.1", 900_000).is_err());
        assert_eq!(fail(&throttle, "192.0.2.1", 0), Ok(()));
    }
}
