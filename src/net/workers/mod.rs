//! Threads for work that may block, and the way of each loop to them and back.
//!
//! ```text
//! loop: Jobs::submit ──► Schedule: lanes, clients ──► worker thread runs the job
//!   ▲                                                        │
//!   └── Jobs::next ◄── channel of the loop, waker ◄──────────┘
//! ```
//!
//! `schedule` decides which job runs next, and says how that is fair and why nothing starves. There is always one thread
//! more than jobs that run. On a machine that waits for nothing these are a few; at most, one more than all lanes may
//! use.
//!
//! No job is refused. A connection has one job at most, so there are never more jobs than connections, and a job of a
//! request that has just begun is given up after [`Timeouts::job`]: the client gets 503 with Retry-After
//! (`Connection::job_is_late`). A job of an exchange that is running, such as the next block of an upload, waits for as
//! long as it takes: TCP slows the client down meanwhile.
//!
//! A job that panics costs one response (500); its thread goes on.
//!
//! [`Timeouts::job`]: crate::net::Timeouts::job

mod schedule;

use std::net::{IpAddr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use mio::Waker;
use rustix::io::Errno;

use crate::net::connections::ConnectionId;
use crate::net::upload_memory::Block;
use crate::net::workers::schedule::{Place, Schedule};
use crate::service::open_file::Closer;
use crate::service::{Lane, Outcome, Response, Sink, Source, Task, lock};

pub(crate) use schedule::client_of;

/// A job with everything it needs, also to send its result.
pub(crate) type WorkerJob = Box<dyn FnOnce() + Send>;

struct State {
    schedule: Schedule,
    /// Threads that were started.
    threads: usize,
    /// Those that run a job.
    busy: usize,
    /// No new job is queued, and a thread that finds none ends.
    closed: bool,
}

/// The worker threads, as the loops and the threads themselves see them.
pub(crate) struct Workers {
    /// Held to take or add a job, and never while one runs.
    state: Mutex<State>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Notified when a job may run.
    ready: Condvar,
    /// Notified when a job has ended, once no new one is queued.
    finished: Condvar,
    /// Cloned for each job of a [`Source`], which may keep its worker for any time.
    source_jobs: Arc<()>,
}

/// A job that waits or runs, as its connection knows it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct JobTicket {
    lane: Lane,
    number: u64,
}

impl Workers {
    /// Starts `share` threads (at least 2); more are started as they are needed. See [`schedule`] for the meaning of
    /// `share`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start(share: usize) -> std::io::Result<Arc<Workers>> {
        // With one thread a long job would delay every short one.
        let share = share.max(2);
        let state = Mutex::new(State { schedule: Schedule::new(share), threads: share, busy: 0, closed: false });
        let (threads, ready, finished, source_jobs) = Default::default();
        let workers = Arc::new(Workers { state, threads, ready, finished, source_jobs });
        (0..share).try_for_each(|number| workers.start_thread(number))?;
        Ok(workers)
    }

    fn start_thread(self: &Arc<Workers>, number: usize) -> std::io::Result<()> {
        let workers = self.clone();
        // The name is shown by ps and by debuggers.
        let thread = std::thread::Builder::new().name(format!("worker {number}")).spawn(move || workers.run())?;
        lock(&self.threads).push(thread);
        Ok(())
    }

    fn run(self: &Arc<Workers>) {
        let mut state = lock(&self.state);
        loop {
            if let Some((place, work)) = state.schedule.take() {
                state.busy += 1;
                // Whenever a loop queues a job there is a free thread, so a loop never starts one.
                let new_thread = (state.busy == state.threads).then_some(state.threads);
                state.threads += usize::from(new_thread.is_some());
                // The end of a job may have made room for more than one.
                let is_more = state.schedule.has_runnable();
                // Everything that takes time happens outside the lock, for which loops would wait.
                drop(state);
                if let Some(Err(error)) = new_thread.map(|number| self.start_thread(number)) {
                    log::error!("a worker thread cannot be started: {error}");
                    lock(&self.state).threads -= 1;
                }
                if is_more {
                    self.ready.notify_one();
                }
                // The job itself reports a panic to its connection; here it is caught to keep the thread.
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = lock(&self.state);
                state.busy -= 1;
                state.schedule.finished(place);
                if state.closed {
                    self.finished.notify_all();
                }
            } else if state.closed {
                return;
            } else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    pub(crate) fn submit(&self, place: Place, work: WorkerJob) -> JobTicket {
        let mut state = lock(&self.state);
        // After [`Workers::finish`] no thread may be left to run it.
        if state.closed {
            return JobTicket { lane: place.task.lane, number: 0 };
        }
        let number = state.schedule.add(place, work);
        drop(state);
        // Notified after the lock is free, or the woken thread would wait for it at once.
        self.ready.notify_one();
        JobTicket { lane: place.task.lane, number }
    }

    /// How many jobs of each kind wait, and how many run.
    pub(crate) fn jobs(&self) -> [(Lane, u64, u64); Lane::ALL.len()] {
        lock(&self.state).schedule.counts()
    }

    /// How many jobs of a source are running or waiting. They may never end.
    fn source_jobs(&self) -> usize {
        Arc::strong_count(&self.source_jobs) - 1
    }

    /// Lets the threads end when nothing is queued, and waits for that, but not longer than `until` and not for
    /// sources. Returns how many other jobs are left: a disk may hang, and a write cannot be called off.
    pub(crate) fn finish(&self, until: Instant) -> usize {
        let mut state = lock(&self.state);
        state.closed = true;
        self.ready.notify_all();
        loop {
            let jobs = state.schedule.jobs();
            let left = jobs.saturating_sub(self.source_jobs());
            let time = until.saturating_duration_since(Instant::now());
            if left > 0 && !time.is_zero() {
                state = self.finished.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            drop(state);
            let threads = std::mem::take(&mut *lock(&self.threads));
            // All that they had to do is done, so they end at once.
            if jobs == 0 {
                threads.into_iter().for_each(|thread| drop(thread.join()));
            }
            return left;
        }
    }
}

pub(crate) enum JobResult {
    /// Of a job of the service.
    Outcome(Outcome),
    /// A sink was opened, or a response says why not.
    Opened(Result<Box<dyn Sink>, Response>),
    /// A block was written. The sink comes back, and the block to be filled again.
    Wrote(Result<Box<dyn Sink>, Response>, Block),
    /// Bytes of a file have been read: into the page cache, and those of a file system that may wait into memory.
    Warmed(Result<Vec<u8>, Errno>),
    /// A source was asked for its next bytes.
    Source(SourceResult),
    /// The job panicked: 500.
    Panicked,
}

/// What a source returned.
pub(crate) enum SourceResult {
    More(Box<dyn Source>, Vec<u8>),
    /// The end of the content.
    End(Box<dyn Source>),
    /// Nothing: it failed, for this reason.
    Failed(String),
}

impl SourceResult {
    fn ask(mut source: Box<dyn Source>) -> SourceResult {
        // The source moves into the closure. If it panics it is lost with it, since its state cannot be trusted any
        // more.
        let ask = AssertUnwindSafe(move || match source.next() {
            Ok(Some(bytes)) => SourceResult::More(source, bytes),
            Ok(None) => SourceResult::End(source),
            Err(error) => SourceResult::Failed(format!("a source failed: {error}")),
        });
        catch_unwind(ask).unwrap_or_else(|_| SourceResult::Failed("a source panicked".into()))
    }
}

/// The result of a job, and the connection that asked; it may be closed by now.
type FinishedJob = (ConnectionId, JobResult);

/// The jobs of one loop: queues them for the workers, and receives their results.
pub(crate) struct Jobs {
    /// Shared by all loops.
    workers: Arc<Workers>,
    /// Reaches the poller of this loop.
    waker: Arc<Waker>,
    /// The loop has been woken and has not taken the results yet: further results need no second wake-up.
    woken: Arc<AtomicBool>,
    /// Cloned for each job. It has no bound of its own: each connection has one job at most.
    sender: Sender<FinishedJob>,
    results: Receiver<FinishedJob>,
}

impl Jobs {
    /// Results wake the loop of this `waker`.
    pub(crate) fn new(workers: Arc<Workers>, waker: Arc<Waker>) -> Jobs {
        let (sender, results) = channel();
        Jobs { workers, waker, woken: Arc::default(), sender, results }
    }

    /// Queues a job of a connection, whose client has this address.
    pub(crate) fn submit(
        &self,
        (id, client): (ConnectionId, IpAddr),
        task: Task,
        work: impl FnOnce() -> JobResult + Send + 'static,
    ) -> JobTicket {
        self.submit_wrapped(client, task, self.wrap(id, work))
    }

    /// Takes back a job that has not begun. `false`: it runs or has ended.
    pub(crate) fn cancel(&self, client: IpAddr, ticket: JobTicket) -> bool {
        // Dropped after the lock is free.
        let job = lock(&self.workers.state).schedule.cancel(ticket.lane, client_of(client), ticket.number);
        job.is_some()
    }

    /// A job that asks a source for more, for [`Jobs::submit_wrapped`]. The source is not asked when `wanted` is gone
    /// by then, since the response it belongs to has ended.
    pub(crate) fn ask_source(&self, id: ConnectionId, source: Box<dyn Source>, wanted: Weak<()>) -> WorkerJob {
        // Counted from now on and not from its start: a job that waits in the queue may start after the server has
        // begun to stop.
        let running = self.workers.source_jobs.clone();
        self.wrap(id, move || {
            let wanted = wanted.strong_count() > 0;
            let result = if wanted { SourceResult::ask(source) } else { SourceResult::End(source) };
            drop(running);
            JobResult::Source(result)
        })
    }

    /// Queues a job that sends its result itself.
    pub(crate) fn submit_wrapped(&self, client: IpAddr, task: Task, work: WorkerJob) -> JobTicket {
        self.workers.submit(Place { task, client: client_of(client) }, work)
    }

    /// Makes of `work` a job that sends its result to this loop.
    fn wrap(&self, id: ConnectionId, work: impl FnOnce() -> JobResult + Send + 'static) -> WorkerJob {
        // The job owns the channel for its result, so any thread can run it at any time, also after the loop has ended.
        let (sender, waker, woken) = (self.sender.clone(), self.waker.clone(), self.woken.clone());
        Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or(JobResult::Panicked);
            // Sending fails only when the loop has ended.
            let _ = sender.send((id, result));
            // One system call for many results: only the first one after `rearm` wakes the loop.
            if !woken.swap(true, Ordering::AcqRel) {
                let _ = waker.wake();
            }
        })
    }

    /// Lets a worker drop something whose drop may block (closing a large unnamed file frees its blocks), on the file
    /// system of this device number if that is known.
    pub(crate) fn discard(&self, device: u64, value: impl Send + 'static) {
        discard(&self.workers, device, value);
    }

    /// Lets workers close the files that a loop drops.
    pub(crate) fn closer(&self) -> Closer {
        let workers = self.workers.clone();
        Box::new(move |device, file| discard(&workers, device, file))
    }

    pub(crate) fn next(&self) -> Option<FinishedJob> {
        self.results.try_recv().ok()
    }

    /// Results from now on wake the loop again. Must be called before the results are taken: a result that comes in
    /// between then causes one wake-up too many. In the other order it would not wake the loop at all.
    pub(crate) fn rearm(&self) {
        self.woken.store(false, Ordering::Release);
    }
}

/// Lets a worker drop `value`.
fn discard(workers: &Arc<Workers>, device: u64, value: impl Send + 'static) {
    // The turns are those of the file systems here: no client waits for this.
    let place =
        Place { task: Task { device, ..Lane::CleanUp.into() }, client: Ipv6Addr::from(u128::from(device)).into() };
    workers.submit(place, Box::new(move || drop(value)));
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    fn place(lane: Lane, client: u8) -> Place {
        Place { task: lane.into(), client: IpAddr::from([192, 0, 2, client]) }
    }

    #[test]
    fn a_panic_costs_no_worker() {
        let workers = Workers::start(2).unwrap();
        let (tell, told) = mpsc::channel();
        for n in 0..20 {
            let tell = tell.clone();
            let work = move || {
                tell.send(n).unwrap();
                panic!("a job that panics, on purpose");
            };
            workers.submit(place(Lane::Open, 1), Box::new(work));
        }
        assert_eq!(told.iter().take(20).count(), 20);
        assert_eq!(workers.finish(Instant::now() + Duration::from_secs(60)), 0);
    }

    #[test]
    fn a_kind_of_work_that_never_ends_delays_no_other_kind() {
        let workers = Workers::start(4).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let (tell, told) = mpsc::channel();
        for (at, lane) in Lane::ALL.into_iter().enumerate() {
            // From many clients, and more than there are threads.
            for client in 0..100 {
                let blocked = blocked.clone();
                workers.submit(place(lane, client), Box::new(move || _ = blocked.lock().unwrap().recv()));
            }
            let Some(next) = Lane::ALL.get(at + 1) else { break };
            let tell = tell.clone();
            workers.submit(place(*next, 1), Box::new(move || tell.send(()).unwrap()));
            assert_eq!(told.recv(), Ok(()), "{next:?} waited");
        }
        drop(release);
        assert_eq!(workers.finish(Instant::now() + Duration::from_secs(60)), 0);
    }
}
