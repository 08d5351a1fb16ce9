//! What each loop counts, and how another thread reads it while the loop goes on.
//!
//! A loop alone writes its counts, and never with an atomic read-modify-write: a load and a store cost as much as for a
//! plain number. Other threads may read an older value of one count than of another, which is all that a graph needs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::Waker;

use crate::http::{Fault, Method, Phase, Status};
use crate::net::upload_memory::UploadMemory;
use crate::net::workers::Workers;
use crate::net::{CloseReason, Report};
use crate::service::Lane;

/// Statuses have three digits; those from here on are counted as this one.
const STATUSES: usize = 600;
/// The methods that change something, each counted by the first digit of its status.
const WRITES: [Method; 3] = [Method::Put, Method::Post, Method::Delete];
const CLASSES: usize = 6;

/// How long a reader waits for the loops to count their open connections.
const PHASES_TIME: Duration = Duration::from_millis(200);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(1);

/// A number that one loop writes and others read.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.set(self.get() + more);
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

fn counts(number: usize) -> Box<[Count]> {
    (0..number).map(|_| Count::default()).collect()
}

/// What one loop has done since the start, and what it had when it was asked last.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Requests that were parsed.
    pub(crate) requests: Count,
    /// Bytes sent.
    pub(crate) bytes: Count,
    /// Connections cut off when the grace period ended.
    pub(crate) cut_off: Count,
    /// Connections accepted.
    pub(crate) accepted: Count,
    /// Uploads that wait for memory.
    uploads_waiting: Count,
    statuses: Box<[Count]>,
    writes: [[Count; CLASSES]; WRITES.len()],
    faults: Box<[Count]>,
    closed: Box<[Count]>,
    phases: [Count; PHASES.len()],
    /// Set by a reader, taken back by the loop when it has counted.
    phases_wanted: AtomicBool,
}

/// The phases, with the names that readers see.
const PHASES: [(Phase, &str); 6] = [
    (Phase::Idle, "idle"),
    (Phase::Head, "head"),
    (Phase::Content, "body"),
    (Phase::Owed, "working"),
    (Phase::Sending, "sending"),
    (Phase::Lingering, "closing"),
];

impl Counts {
    pub(crate) fn new() -> Arc<Counts> {
        Arc::new(Counts {
            requests: Count::default(),
            bytes: Count::default(),
            cut_off: Count::default(),
            accepted: Count::default(),
            uploads_waiting: Count::default(),
            statuses: counts(STATUSES),
            writes: Default::default(),
            faults: counts(Fault::ALL.len()),
            closed: counts(CloseReason::ALL.len()),
            phases: Default::default(),
            phases_wanted: AtomicBool::new(false),
        })
    }

    /// A response to a request of this method has begun.
    pub(crate) fn response(&self, method: Method, status: Status) {
        let code = usize::from(status.code()).min(STATUSES - 1);
        self.statuses[code].add(1);
        // Nearly all requests are GET: one comparison.
        if method != Method::Get
            && let Some(at) = WRITES.iter().position(|write| *write == method)
        {
            self.writes[at][code / 100].add(1);
        }
    }

    pub(crate) fn refused(&self, fault: Fault) {
        self.faults[fault as usize].add(1);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        let is_same = |other: &CloseReason| std::mem::discriminant(other) == std::mem::discriminant(&reason);
        if let Some(at) = CloseReason::ALL.iter().position(is_same) {
            self.closed[at].add(1);
        }
    }

    /// Counts the phases of the open connections, if a reader has asked for it.
    pub(crate) fn count_phases(&self, waiting: usize, open: impl FnOnce() -> Vec<Phase>) {
        if !self.phases_wanted.load(Ordering::Acquire) {
            return;
        }
        let open = open();
        for ((phase, _), count) in PHASES.iter().zip(&self.phases) {
            count.set(open.iter().filter(|other| *other == phase).count() as u64);
        }
        self.uploads_waiting.set(waiting as u64);
        // Last: the reader may read now.
        self.phases_wanted.store(false, Ordering::Release);
    }

    pub(crate) fn report(&self) -> Report {
        Report { requests: self.requests.get(), bytes: self.bytes.get(), cut_off: self.cut_off.get(), unfinished: 0 }
    }
}

/// Reads the counts of a running server ([`crate::net::Server::metrics`]).
pub struct Metrics {
    loops: Vec<(Arc<Counts>, Arc<Waker>)>,
    workers: Arc<Workers>,
    upload_memory: Arc<UploadMemory>,
    began: Instant,
}

/// What a server has done since its start, and what it has now. Pairs are a name and a number; those that are 0 are
/// left out of lists that grow.
#[derive(Clone, Debug, Default)]
pub struct MetricsSnapshot {
    /// How long it has been running.
    pub uptime: Duration,
    /// Responses by status.
    pub responses: Vec<(u16, u64)>,
    /// Responses to PUT, POST and DELETE, by method and result: `done`, `refused`, `failed`.
    pub writes: Vec<(&'static str, &'static str, u64)>,
    /// Bytes sent, heads and content.
    pub sent_bytes: u64,
    /// Refused requests by fault.
    pub refusals: Vec<(&'static str, u64)>,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections that ended, by reason.
    pub closed: Vec<(&'static str, u64)>,
    /// Open connections by phase.
    pub open: Vec<(&'static str, u64)>,
    /// Jobs of each kind: those that wait, and those that run.
    pub jobs: Vec<(&'static str, u64, u64)>,
    /// Uploads that wait for memory.
    pub uploads_waiting: u64,
    /// Bytes of memory for unfinished uploads in use.
    pub upload_memory: u64,
}

impl Metrics {
    pub(crate) fn new(
        loops: Vec<(Arc<Counts>, Arc<Waker>)>,
        workers: Arc<Workers>,
        upload_memory: Arc<UploadMemory>,
    ) -> Metrics {
        Metrics { loops, workers, upload_memory, began: Instant::now() }
    }

    /// The counts now. Waits a moment for the loops to count their open connections.
    pub fn read(&self) -> MetricsSnapshot {
        self.ask_for_phases();
        let statuses = (0..STATUSES).map(|code| (code as u16, self.sum(|counts| counts.statuses[code].get())));
        let faults =
            Fault::ALL.iter().map(|fault| (fault.name(), self.sum(|counts| counts.faults[*fault as usize].get())));
        let closed = CloseReason::ALL
            .iter()
            .enumerate()
            .map(|(at, reason)| (reason.name(), self.sum(|counts| counts.closed[at].get())));
        let open = PHASES.iter().enumerate().map(|(at, (_, name))| (*name, self.sum(|counts| counts.phases[at].get())));
        MetricsSnapshot {
            uptime: self.began.elapsed(),
            responses: statuses.filter(|(_, count)| *count > 0).collect(),
            writes: self.writes(),
            sent_bytes: self.sum(|counts| counts.bytes.get()),
            refusals: faults.filter(|(_, count)| *count > 0).collect(),
            accepted: self.sum(|counts| counts.accepted.get()),
            closed: closed.filter(|(_, count)| *count > 0).collect(),
            open: open.collect(),
            jobs: self
                .workers
                .jobs()
                .into_iter()
                .map(|(lane, waiting, running)| (name(lane), waiting, running))
                .collect(),
            uploads_waiting: self.sum(|counts| counts.uploads_waiting.get()),
            upload_memory: self.upload_memory.used() as u64,
        }
    }

    /// Over all loops.
    fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.loops.iter().map(|(counts, _)| of(counts)).sum()
    }

    fn writes(&self) -> Vec<(&'static str, &'static str, u64)> {
        let results = [("done", [2, 3]), ("refused", [4, 4]), ("failed", [5, 5])];
        let methods = WRITES.iter().enumerate();
        let all =
            methods.flat_map(|(at, method)| results.map(|(name, [from, to])| (at, method.name(), name, from..=to)));
        all.map(|(at, method, name, classes)| {
            let count = classes.map(|class: usize| self.sum(|counts| counts.writes[at][class].get())).sum();
            (method, name, count)
        })
        .collect()
    }

    /// Lets the loops count the phases of their connections. One that is busy is waited for no longer than
    /// [`PHASES_TIME`]; then its last count is read.
    fn ask_for_phases(&self) {
        for (counts, waker) in &self.loops {
            counts.phases_wanted.store(true, Ordering::Release);
            // A waker fails only when its loop has ended.
            let _ = waker.wake();
        }
        let end = Instant::now() + PHASES_TIME;
        let is_wanted = || self.loops.iter().any(|(counts, _)| counts.phases_wanted.load(Ordering::Acquire));
        while is_wanted() && Instant::now() < end {
            std::thread::sleep(LOOK);
        }
    }
}

fn name(lane: Lane) -> &'static str {
    match lane {
        Lane::Open => "open",
        Lane::Read => "read",
        Lane::List => "list",
        Lane::Write => "write",
        Lane::Handler => "handler",
        Lane::Passwords => "passwords",
        Lane::CleanUp => "clean_up",
    }
}
