//! Slows down guessing: a client that has failed ten times within a minute, always with the same user name, has to wait
//! (RFC 6585 §4, 429).
//!
//! Client and user name are counted together. So a client cannot lock out a user who is elsewhere, and users at one address do
//! not lock each other out. Credentials that were found right before are not counted ([`super::basic`] remembers them).
//!
//! | the client | after ten failures with this name |
//! |---|---|
//! | is one: it has an address of its own | 429 until the first failure is a minute old |
//! | is many: loopback, or a trusted proxy that does not name it ([`Client::is_many`]) | each attempt is checked only after [`SLOW`] |
//!
//! A refusal of many would let one of them keep all others out. So these are only slowed down: each attempt waits by
//! itself, whether it will be right or wrong, and no worker waits with it. The limits of connections bound how many can
//! wait at once.
//!
//! An attempt counts from its beginning, and is taken back when it proves right. If only results counted, a hundred
//! guesses sent at once would all begin before the first of them has failed.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::service::{Client, lock};

/// Failures within [`WINDOW`] after which a client waits: more than a user mistypes, too few for guessing.
pub(crate) const FAILURES: usize = 10;
/// How long a failure counts.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// How long an attempt of one of many waits before it is checked: a user waits so long once, a guesser every time.
pub(crate) const SLOW: Duration = Duration::from_secs(5);
/// How long a client waits that only has too many attempts under way.
const WHILE_PENDING: Duration = Duration::from_secs(1);
/// User names that are counted one by one for a client; all further ones are counted together. Without this bound a
/// client could have its failures with one name forgotten by trying many others.
pub(crate) const NAMES: usize = 16;
/// Clients with a name that are remembered, in about a megabyte. One more replaces the client whose last failure is the
/// oldest: a guesser with so many addresses is not stopped by counting addresses.
pub(crate) const RECORDS: usize = 4096;

/// The attempts of one client with one user name.
#[derive(Debug, Default)]
struct Attempts {
    /// The hash of the name; `None` for all that are not counted one by one.
    name: Option<u64>,
    /// When they failed, the latest last; at most [`FAILURES`].
    failures: VecDeque<SystemTime>,
    /// Attempts without a result yet.
    pending: usize,
}

impl Attempts {
    fn forget_old(&mut self, now: SystemTime) {
        self.failures.retain(|&then| remaining(then, now).is_some());
    }

    fn is_empty(&self) -> bool {
        self.pending == 0 && self.failures.is_empty()
    }

    /// How long the next attempt has to wait.
    fn wait(&self, now: SystemTime, is_many: bool) -> Duration {
        let is_full = self.failures.len() >= FAILURES;
        match is_full {
            true if is_many => SLOW,
            // When the oldest failure no longer counts, one attempt is free again.
            true => self.failures.front().and_then(|&then| remaining(then, now)).unwrap_or(WHILE_PENDING),
            // All attempts under way may still fail.
            false if self.failures.len() + self.pending >= FAILURES => WHILE_PENDING,
            false => Duration::ZERO,
        }
    }
}

/// How long a failure at `then` still counts; `None` if it no longer does.
fn remaining(then: SystemTime, now: SystemTime) -> Option<Duration> {
    let left = (then + WINDOW).duration_since(now).ok()?;
    // If the clock was set back, old failures lie in the future. They must not keep a client waiting until then.
    (!left.is_zero() && left <= WINDOW * 2).then_some(left)
}

#[derive(Debug, Default)]
struct Table {
    /// The standard hasher has random keys, so addresses cannot be chosen to collide. No list is empty.
    clients: HashMap<IpAddr, Vec<Attempts>>,
    /// The entries of all lists.
    records: usize,
}

/// Counts the failures of all clients.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    table: Mutex<Table>,
    /// Names are kept as hashes under a key of this process: a name may be long, or a password typed in its place.
    names: RandomState,
}

/// Whether an attempt may begin.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It begins now.
    Begins(Attempt),
    /// It begins after this time.
    BeginsAfter(Duration, Attempt),
    /// The client must wait this long before it tries again.
    Refused(Duration),
}

impl Throttle {
    /// Begins an attempt of a client with this user name.
    pub(crate) fn begin(self: &Arc<Throttle>, client: Client, user: &[u8], now: SystemTime) -> Verdict {
        let address = network_of(client.address());
        let mut table = lock(&self.table);
        let (name, attempts) = table.attempts_of(address, self.names.hash_one(user), now);
        let wait = attempts.wait(now, client.is_many());
        if !wait.is_zero() && !client.is_many() {
            return Verdict::Refused(wait);
        }
        // Counted before its result is known: see the head of this file.
        attempts.pending += 1;
        // Before the attempt exists: when an attempt is dropped, it takes the lock again.
        drop(table);
        let attempt = Attempt { throttle: Arc::clone(self), address, name, now, failed: false };
        if wait.is_zero() { Verdict::Begins(attempt) } else { Verdict::BeginsAfter(wait, attempt) }
    }

    /// How many clients with a name are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let table = lock(&self.table);
        assert_eq!(table.records, table.clients.values().map(Vec::len).sum::<usize>());
        table.records
    }
}

impl Table {
    /// The attempts of this client with this name, and the name under which they are counted.
    fn attempts_of(&mut self, address: IpAddr, name: u64, now: SystemTime) -> (Option<u64>, &mut Attempts) {
        self.forget_old(address, now);
        let names = self.clients.get(&address).map_or(0, Vec::len);
        let is_known = |list: &Vec<Attempts>, name| list.iter().any(|attempts| attempts.name == name);
        let list = self.clients.get(&address);
        let name = Some(name).filter(|&name| names < NAMES || list.is_some_and(|list| is_known(list, Some(name))));
        if !list.is_some_and(|list| is_known(list, name)) {
            if self.records >= RECORDS {
                self.make_room(now);
            }
            self.clients.entry(address).or_default().push(Attempts { name, ..Attempts::default() });
            self.records += 1;
        }
        let list = self.clients.entry(address).or_default();
        // It is there: it has just been added if it was not.
        let at = list.iter().position(|attempts| attempts.name == name).unwrap_or(0);
        (name, &mut list[at])
    }

    /// Drops the records of a client that do not count any more.
    fn forget_old(&mut self, address: IpAddr, now: SystemTime) {
        let Some(list) = self.clients.get_mut(&address) else { return };
        let before = list.len();
        list.iter_mut().for_each(|attempts| attempts.forget_old(now));
        list.retain(|attempts| !attempts.is_empty());
        self.records -= before - list.len();
        if list.is_empty() {
            self.clients.remove(&address);
        }
    }

    fn make_room(&mut self, now: SystemTime) {
        // First those whose failures no longer count.
        let addresses: Vec<IpAddr> = self.clients.keys().copied().collect();
        addresses.into_iter().for_each(|address| self.forget_old(address, now));
        if self.records < RECORDS {
            return;
        }
        // A client with pending attempts stays: they would end without a record to count them in. Of the others all
        // names are dropped together, so trying many names makes no room at the cost of others.
        let idle = self.clients.iter().filter(|(_, list)| list.iter().all(|attempts| attempts.pending == 0));
        let last = |list: &Vec<Attempts>| list.iter().filter_map(|attempts| attempts.failures.back().copied()).max();
        let oldest = idle.min_by_key(|(_, list)| last(list)).map(|(address, _)| *address);
        if let Some(list) = oldest.and_then(|address| self.clients.remove(&address)) {
            self.records -= list.len();
        }
    }
}

/// The address by which a client is counted: an IPv4 address, or the /64 network of an IPv6 address. A household has
/// 2^64 IPv6 addresses, so single ones would not slow it down.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            // The last 64 bits are chosen by the client itself.
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 => v4,
    }
}

/// An attempt under way. If it is dropped without [`Attempt::fail`], because it was right, because its client has left,
/// or because the workers had no room for it, it leaves no trace.
#[derive(Debug)]
pub(crate) struct Attempt {
    throttle: Arc<Throttle>,
    address: IpAddr,
    name: Option<u64>,
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
        let mut table = lock(&self.throttle.table);
        let Some(list) = table.clients.get_mut(&self.address) else { return };
        let Some(attempts) = list.iter_mut().find(|attempts| attempts.name == self.name) else { return };
        attempts.pending = attempts.pending.saturating_sub(1);
        if self.failed {
            // Attempts end in any order, and the failure counts from the beginning of the attempt.
            attempts.failures.push_back(self.now);
            attempts.failures.make_contiguous().sort_unstable();
            // Only many can have more.
            while attempts.failures.len() > FAILURES {
                attempts.failures.pop_front();
            }
        } else if attempts.is_empty() {
            table.forget_old(self.address, self.now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn one(text: &str) -> Client {
        Client::Peer(text.parse().unwrap())
    }

    /// An attempt that begins at once, or how long to wait.
    fn begin(throttle: &Arc<Throttle>, client: Client, user: &str, now: u64) -> Result<Attempt, Duration> {
        match throttle.begin(client, user.as_bytes(), at(now)) {
            Verdict::Begins(attempt) => Ok(attempt),
            Verdict::BeginsAfter(wait, _) | Verdict::Refused(wait) => Err(wait),
        }
    }

    fn fail_as(throttle: &Arc<Throttle>, peer: &str, user: &str, now: u64) -> Result<(), Duration> {
        begin(throttle, one(peer), user, now).map(Attempt::fail)
    }

    fn fail(throttle: &Arc<Throttle>, peer: &str, now: u64) -> Result<(), Duration> {
        fail_as(throttle, peer, "ann", now)
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
    fn the_guesses_of_one_name_keep_no_other_name_out() {
        let throttle = Arc::new(Throttle::default());
        (0..10).for_each(|_| fail_as(&throttle, "192.0.2.1", "ann", 0).unwrap());
        assert!(fail_as(&throttle, "192.0.2.1", "ann", 0).is_err());
        assert_eq!(fail_as(&throttle, "192.0.2.1", "bob", 0), Ok(()));
        assert_eq!(fail_as(&throttle, "192.0.2.2", "ann", 0), Ok(()), "the same user elsewhere");
    }

    #[test]
    fn a_client_that_tries_many_names_gets_few_more_guesses_and_is_not_forgotten() {
        let throttle = Arc::new(Throttle::default());
        (0..10).for_each(|_| fail_as(&throttle, "192.0.2.1", "ann", 0).unwrap());
        let allowed = (0..10_000).filter(|n| fail_as(&throttle, "192.0.2.1", &format!("user{n}"), 0).is_ok()).count();
        // One each, until they are counted together.
        assert_eq!(allowed, NAMES - 1 + FAILURES);
        assert_eq!(throttle.len(), NAMES + 1);
        assert!(fail_as(&throttle, "192.0.2.1", "ann", 1).is_err());
        // A minute later all of it is over.
        assert_eq!(fail_as(&throttle, "192.0.2.1", "zoe", 60), Ok(()));
        assert_eq!(throttle.len(), 1);
    }

    #[test]
    fn many_clients_at_one_address_are_slowed_down_and_never_refused() {
        let throttle = Arc::new(Throttle::default());
        let proxy: IpAddr = "192.0.2.1".parse().unwrap();
        for many in [one("127.0.0.1"), one("::1"), Client::Unnamed(proxy)] {
            for _ in 0..10 {
                begin(&throttle, many, "ann", 0).unwrap().fail();
            }
            for second in 1..100 {
                match throttle.begin(many, b"ann", at(second % 50)) {
                    Verdict::BeginsAfter(SLOW, attempt) => attempt.fail(),
                    other => panic!("{other:?}"),
                }
            }
            assert!(begin(&throttle, many, "bob", 50).is_ok(), "another name");
            // Attempts under way count too, with a shorter time, since they may be right.
            let under_way: Vec<Attempt> = (0..10).map(|_| begin(&throttle, many, "bob", 50).unwrap()).collect();
            assert_eq!(begin(&throttle, many, "bob", 50).unwrap_err(), WHILE_PENDING);
            drop(under_way);
        }
        // A client that the proxy has named is one.
        (0..10).for_each(|_| begin(&throttle, Client::OfProxy(proxy), "bob", 200).unwrap().fail());
        assert!(matches!(throttle.begin(Client::OfProxy(proxy), b"bob", at(200)), Verdict::Refused(_)));
    }

    #[test]
    fn guesses_sent_at_once_count_before_they_have_failed() {
        let throttle = Arc::new(Throttle::default());
        let client = one("192.0.2.1");
        let under_way: Vec<Attempt> = (0..10).map(|_| begin(&throttle, client, "ann", 0).unwrap()).collect();
        assert_eq!(begin(&throttle, client, "ann", 0).unwrap_err(), Duration::from_secs(1));
        // Nine were right, or found no room on the workers: nothing of them stays.
        let mut under_way = under_way.into_iter();
        under_way.next().unwrap().fail();
        drop(under_way);
        for _ in 0..9 {
            assert_eq!(fail(&throttle, "192.0.2.1", 1), Ok(()));
        }
        assert_eq!(fail(&throttle, "192.0.2.1", 1), Err(Duration::from_secs(59)));
    }

    #[test]
    fn a_check_that_takes_long_does_not_make_its_failure_younger() {
        let throttle = Arc::new(Throttle::default());
        let slow = begin(&throttle, one("192.0.2.1"), "ann", 0).unwrap();
        (1..10).for_each(|second| fail(&throttle, "192.0.2.1", second).unwrap());
        slow.fail();
        assert_eq!(fail(&throttle, "192.0.2.1", 20), Err(Duration::from_secs(40)));
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
        let address = |n: u32| IpAddr::V4((0x0a00_0000 + n).into());
        for n in 0..RECORDS as u32 + 300 {
            begin(&throttle, Client::Peer(address(n)), "ann", u64::from(n) / 100).unwrap().fail();
        }
        assert_eq!(throttle.len(), RECORDS);
        // The latest are the ones remembered.
        assert!(lock(&throttle.table).clients.contains_key(&address(RECORDS as u32 + 299)));
        // And all of them are old a minute later.
        fail(&throttle, "192.0.2.1", 1000).unwrap();
        assert_eq!(throttle.len(), 1);
    }

    #[test]
    fn a_client_that_signs_in_leaves_no_record() {
        let throttle = Arc::new(Throttle::default());
        drop(begin(&throttle, one("192.0.2.1"), "ann", 0).unwrap());
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
