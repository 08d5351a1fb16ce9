//! Guessing is slowed: who has failed ten times within a minute waits.
//!
//! RFC 6585 §4 (429).
//!
//! Never: a sentence about which users there are, and no effect on anybody who has signed in: such
//! credentials are not asked about here at all (`auth`), so a neighbour behind the same proxy can
//! keep newcomers waiting and lock nobody out.
//!
//! Loopback clients are counted like all others. A proxy in front makes everybody one client, and that is
//! exactly the server that strangers reach; without the count it would be the one that can be guessed at
//! full speed.
//!
//! The subtle thing: an attempt counts from the moment it begins and is taken back when it proves right.
//! If only results counted, a hundred guesses sent at once would all begin before the first had failed.

use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Failures within [`WINDOW`] after which a client waits: more than anybody mistypes, and fewer than
/// fifteen thousand guesses a day.
pub(crate) const FAILURES: usize = 10;
/// How long a failure counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long a client waits that only has too many attempts under way.
const WHILE_PENDING: Duration = Duration::from_secs(1);
/// Clients remembered: about half a megabyte. Beyond that the one whose last failure is oldest is
/// forgotten: somebody with so many addresses is not stopped by counting addresses.
pub(crate) const CLIENTS: usize = 4096;

/// One client's record.
#[derive(Debug, Default)]
struct Record {
    /// When it failed, the latest last; at most [`FAILURES`].
    failed: VecDeque<SystemTime>,
    /// Attempts that have no result yet.
    pending: usize,
}

impl Record {
    fn forget_before(&mut self, now: SystemTime) {
        self.failed.retain(|&then| remaining(then, now).is_some());
    }
}

/// How long a failure still counts. The clock may be set: one that lies more than a window ahead is of
/// another time, and keeps nobody waiting until then.
fn remaining(then: SystemTime, now: SystemTime) -> Option<Duration> {
    let left = (then + WINDOW).duration_since(now).ok()?;
    (!left.is_zero() && left <= WINDOW * 2).then_some(left)
}

/// The failures of all clients.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The standard hasher is seeded at random, so addresses cannot be chosen to collide.
    clients: Mutex<HashMap<IpAddr, Record>>,
}

impl Failures {
    /// Lets a client try.
    ///
    /// # Errors
    /// How long it must wait before.
    pub(crate) fn begin(self: &Arc<Failures>, peer: IpAddr, now: SystemTime) -> Result<Attempt, Duration> {
        let client = client(peer);
        let mut clients = self.lock();
        if !clients.contains_key(&client) && clients.len() >= CLIENTS {
            make_room(&mut clients, now);
        }
        let record = clients.entry(client).or_default();
        record.forget_before(now);
        if record.failed.len() >= FAILURES {
            let oldest = record.failed.front().and_then(|&then| remaining(then, now));
            return Err(oldest.unwrap_or(WHILE_PENDING));
        }
        if record.failed.len() + record.pending >= FAILURES {
            return Err(WHILE_PENDING);
        }
        record.pending += 1;
        drop(clients);
        Ok(Attempt { failures: Arc::clone(self), client, now, failed: false })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Record>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }
}

fn make_room(clients: &mut HashMap<IpAddr, Record>, now: SystemTime) {
    clients.retain(|_, record| {
        record.forget_before(now);
        record.pending > 0 || !record.failed.is_empty()
    });
    if clients.len() >= CLIENTS {
        let oldest = clients.iter().filter(|(_, r)| r.pending == 0).min_by_key(|(_, r)| r.failed.back().copied());
        if let Some(client) = oldest.map(|(client, _)| *client) {
            clients.remove(&client);
        }
    }
}

/// One client: an IPv4 address, or the /64 of an IPv6 address, of which a household has 2^64.
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// An attempt under way. Dropped without a word (it was right, or never made since the workers had no
/// room), it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Attempt {
    failures: Arc<Failures>,
    client: IpAddr,
    now: SystemTime,
    failed: bool,
}

impl Attempt {
    /// It was wrong.
    pub(crate) fn fail(mut self) {
        self.failed = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let mut clients = self.failures.lock();
        let Some(record) = clients.get_mut(&self.client) else { return };
        record.pending = record.pending.saturating_sub(1);
        if self.failed {
            record.failed.push_back(self.now);
            record.failed.make_contiguous().sort_unstable();
        } else if record.pending == 0 && record.failed.is_empty() {
            clients.remove(&self.client);
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

    fn fail(failures: &Arc<Failures>, peer: &str, now: u64) -> Result<(), Duration> {
        failures.begin(ip(peer), at(now)).map(Attempt::fail)
    }

    #[test]
    fn the_eleventh_guess_of_a_minute_waits_until_the_first_is_a_minute_old() {
        let failures = Arc::new(Failures::default());
        for second in 0..10 {
            assert_eq!(fail(&failures, "192.0.2.1", second), Ok(()), "{second}");
        }
        assert_eq!(fail(&failures, "192.0.2.1", 10), Err(Duration::from_secs(50)));
        assert_eq!(fail(&failures, "192.0.2.1", 59), Err(Duration::from_secs(1)));
        // Having been refused is no failure; the place of the first one is free, and only that.
        assert_eq!(fail(&failures, "192.0.2.1", 60), Ok(()));
        assert_eq!(fail(&failures, "192.0.2.1", 60), Err(Duration::from_secs(1)));
        assert_eq!(fail(&failures, "192.0.2.2", 10), Ok(()), "a neighbour");
    }

    #[test]
    fn guesses_sent_at_once_count_before_they_have_failed() {
        let failures = Arc::new(Failures::default());
        let under_way: Vec<Attempt> = (0..10).map(|_| failures.begin(ip("::1"), at(0)).unwrap()).collect();
        assert_eq!(failures.begin(ip("::1"), at(0)).unwrap_err(), Duration::from_secs(1));
        // Nine were right, or found no room on the workers: nothing of them stays.
        let mut under_way = under_way.into_iter();
        under_way.next().unwrap().fail();
        drop(under_way);
        for _ in 0..9 {
            assert_eq!(fail(&failures, "::1", 1), Ok(()));
        }
        assert_eq!(fail(&failures, "::1", 1), Err(Duration::from_secs(59)));
    }

    #[test]
    fn a_check_that_takes_long_does_not_make_its_failure_younger() {
        let failures = Arc::new(Failures::default());
        let slow = failures.begin(ip("::1"), at(0)).unwrap();
        (1..10).for_each(|second| fail(&failures, "::1", second).unwrap());
        slow.fail();
        assert_eq!(fail(&failures, "::1", 20), Err(Duration::from_secs(40)));
    }

    #[test]
    fn a_household_of_ipv6_is_one_client_and_a_mapped_address_is_its_ipv4() {
        let failures = Arc::new(Failures::default());
        for host in 0..10 {
            assert_eq!(fail(&failures, &format!("2001:db8:1:2::{host:x}"), 0), Ok(()));
            assert_eq!(fail(&failures, "::ffff:192.0.2.1", 0), Ok(()));
        }
        assert!(fail(&failures, "2001:db8:1:2:ffff:ffff:ffff:ffff", 0).is_err());
        assert!(fail(&failures, "192.0.2.1", 0).is_err());
        assert_eq!(fail(&failures, "2001:db8:1:3::1", 0), Ok(()));
        assert_eq!(fail(&failures, "127.0.0.1", 0), Ok(()));
    }

    #[test]
    fn a_million_addresses_cost_no_more_memory_than_four_thousand() {
        let failures = Arc::new(Failures::default());
        for n in 0..CLIENTS as u32 + 300 {
            let peer = IpAddr::V4((0x0a00_0000 + n).into());
            failures.begin(peer, at(u64::from(n) / 100)).unwrap().fail();
        }
        assert_eq!(failures.len(), CLIENTS);
        // The latest are the ones remembered.
        assert!(failures.lock().contains_key(&IpAddr::V4((0x0a00_0000 + CLIENTS as u32 + 299).into())));
        // And all of them are old a minute later.
        failures.begin(ip("192.0.2.1"), at(1000)).unwrap().fail();
        assert_eq!(failures.len(), 1);
    }

    #[test]
    fn whoever_signs_in_leaves_no_record() {
        let failures = Arc::new(Failures::default());
        drop(failures.begin(ip("192.0.2.1"), at(0)).unwrap());
        assert_eq!(failures.len(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_waiting_for_years() {
        let failures = Arc::new(Failures::default());
        (0..10).for_each(|_| fail(&failures, "192.0.2.1", 900_000).unwrap());
        assert!(fail(&failures, "192.0.2.1", 900_000).is_err());
        assert_eq!(fail(&failures, "192.0.2.1", 0), Ok(()));
    }
}
