//! Where a loop hands in work and gets it back.
//!
//! Never: the work itself, or a wait. [`Jobs::submit`] returns at once, and what was done arrives as a
//! message with the seat it is for.
//!
//! The subtle thing: the worker that finishes first wakes the loop, the ones after it only add to the
//! pile until the loop has looked: one system call for many results.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};

use mio::Waker;

use crate::net::connections::ConnectionId;
use crate::net::workers::{Work, Workers};
use crate::service::{Lane, Outcome, Response, Sink, Source};

/// What a worker has done.
pub enum Finished {
    /// A job of a service.
    Outcome(Outcome),
    /// A sink was opened, or why not.
    Opened(Result<Box<dyn Sink>, Response>),
    /// A block was written; the sink and the emptied block come back.
    Wrote(Result<Box<dyn Sink>, Response>, Vec<u8>),
    /// Bytes of a file that were on the disk are in memory now.
    Warmed,
    /// A source was asked for more.
    Asked(Asked),
    /// The job panicked: 500.
    Panicked,
}

/// What a source said.
pub enum Asked {
    /// These bytes.
    More(Box<dyn Source>, Vec<u8>),
    /// There are no more.
    End(Box<dyn Source>),
    /// Nothing: it panicked.
    Panicked,
}

impl Asked {
    /// Asks once; what panics there costs one answer.
    fn of(mut source: Box<dyn Source>) -> Asked {
        let result = catch_unwind(AssertUnwindSafe(|| {
            let next = source.next();
            (source, next)
        }));
        match result {
            Ok((source, Some(bytes))) => Asked::More(source, bytes),
            Ok((source, None)) => Asked::End(source),
            Err(_) => Asked::Panicked,
        }
    }
}

/// A result, and whose it is.
pub struct Done {
    /// The seat that asked.
    pub id: ConnectionId,
    /// What came of it.
    pub finished: Finished,
}

/// The desk of one loop.
pub struct Jobs {
    workers: Workers,
    waker: Arc<Waker>,
    pending: Arc<AtomicBool>,
    sender: Sender<Done>,
    results: Receiver<Done>,
}

impl Jobs {
    /// A desk whose results wake the poller behind `waker`.
    pub fn new(workers: Workers, waker: Arc<Waker>) -> Jobs {
        let (sender, results) = channel();
        Jobs { workers, waker, pending: Arc::default(), sender, results }
    }

    /// Hands in work for `seat`; `false` when the queue is full, and then the work is dropped.
    pub fn submit(&self, id: ConnectionId, lane: Lane, work: impl FnOnce() -> Finished + Send + 'static) -> bool {
        self.hand_in(lane, self.wrap(id, work)).is_ok()
    }

    /// Work that asks a source for more, if anybody still wants it; see [`Jobs::hand_in`].
    pub(crate) fn asking(&self, id: ConnectionId, source: Box<dyn Source>, wanted: Weak<()>) -> Work {
        let kept = self.workers.keep();
        self.wrap(id, move || {
            let asked = if wanted.strong_count() > 0 { Asked::of(source) } else { Asked::End(source) };
            drop(kept);
            Finished::Asked(asked)
        })
    }

    /// Hands in work that has its way back with it.
    ///
    /// # Errors
    /// The work itself when the queue is full.
    pub(crate) fn hand_in(&self, lane: Lane, work: Work) -> Result<(), Work> {
        self.workers.submit(lane, work)
    }

    fn wrap(&self, id: ConnectionId, work: impl FnOnce() -> Finished + Send + 'static) -> Work {
        let (sender, waker, pending) = (self.sender.clone(), self.waker.clone(), self.pending.clone());
        Box::new(move || {
            let finished = catch_unwind(AssertUnwindSafe(work)).unwrap_or(Finished::Panicked);
            // The loop may be gone already; then nobody waits for this.
            let _ = sender.send(Done { id, finished });
            if !pending.swap(true, Ordering::AcqRel) {
                let _ = waker.wake();
            }
        })
    }

    /// Lets a worker drop something whose drop may take long (a large unnamed file).
    pub fn discard(&self, rubbish: impl Send + 'static) {
        // With a full queue it is dropped here: slow, and right all the same.
        let _ = self.workers.submit(Lane::Short, Box::new(move || drop(rubbish)));
    }

    /// The next result.
    pub fn next(&self) -> Option<Done> {
        self.results.try_recv().ok()
    }

    /// Results that come from now on wake the loop again; to be called before they are looked at.
    pub fn rearm(&self) {
        self.pending.store(false, Ordering::Release);
    }
}
