//! Threads for work that may block, and the way of each loop to them and back.
//!
//! ```text
//! loop: Jobs::submit ──► queue of a lane (bounded) ──► worker thread runs the job
//!   ▲                                                        │
//!   └── Jobs::next ◄── channel of the loop, waker ◄──────────┘
//! ```
//!
//! There are three lanes ([`Lane`]). Long jobs (fsync, listings, handlers) never take the last worker, and password
//! hashes never take more than a quarter of them, so neither slow disks nor a flood of wrong passwords delays the
//! short job that reads a file into memory.
//!
//! | lane | its jobs | workers it may use |
//! |---|---|---|
//! | short | some milliseconds: open, read, remove | all |
//! | passwords | hashes, slow on purpose | a quarter, at least one |
//! | long | any length: listing, writing, fsync, handlers | all but one, less those with passwords |
//!
//! A free worker takes the first job of the first lane that may run, in this order.
//!
//! A full queue hands the job back, and the client gets 503 at once: to queue without a bound would only delay the same
//! failure. A job that panics costs one response (500); its thread goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use mio::Waker;

use crate::net::connections::ConnectionId;
use crate::service::open_file::Closer;
use crate::service::{Lane, Outcome, Response, Sink, Source};

/// Jobs that may wait in one lane. Each lane has its own bound, so that a flood in one does not fill the others. At a
/// millisecond each this is a quarter of a second for one worker; more would only be a longer wait for the same 503.
pub const QUEUE: usize = 256;

/// A job with everything it needs, also to send its result.
pub(crate) type WorkerJob = Box<dyn FnOnce() + Send>;

/// The jobs that wait.
#[derive(Default)]
struct Queues {
    /// One queue for each [`Lane`], in the order of its variants.
    waiting: [VecDeque<WorkerJob>; 3],
    /// How many jobs of each lane are running.
    busy: [usize; 3],
    /// No new job is queued, and a thread that finds none waiting ends.
    closed: bool,
}

impl Queues {
    /// The next job that may run now.
    fn next(&mut self, workers: usize) -> Option<(Lane, WorkerJob)> {
        let [_, long, passwords] = self.busy;
        // One worker always stays free for short jobs.
        let others_may_run = workers.saturating_sub(long + passwords) > 1 || workers == 1;
        // Passwords before long jobs: a login should not wait for several listings.
        let lanes = [
            (Lane::Short, true),
            (Lane::Passwords, others_may_run && passwords < (workers / 4).max(1)),
            (Lane::Long, others_may_run),
        ];
        for (lane, may_run) in lanes {
            if may_run && let Some(work) = self.waiting[lane as usize].pop_front() {
                self.busy[lane as usize] += 1;
                return Some((lane, work));
            }
        }
        None
    }
}

/// The worker threads, as the loops and the threads themselves see them.
pub(crate) struct Workers {
    /// Held to take or add a job, and never while one runs.
    queues: Mutex<Queues>,
    /// Notified when a job is added, or may run now.
    ready: Condvar,
    /// Notified when a job has ended, once no new one is queued.
    finished: Condvar,
    /// Threads; at least 2.
    count: usize,
    /// Cloned for each job of a [`Source`], which may keep its worker for any time.
    source_jobs: Arc<()>,
}

impl Workers {
    /// Starts `count` threads (at least 2, so that the long lane can leave one).
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start(count: usize) -> std::io::Result<(Arc<Workers>, Vec<JoinHandle<()>>)> {
        // With one thread a long job would delay every short one.
        let count = count.max(2);
        let (queues, ready, finished, source_jobs) = Default::default();
        let workers = Arc::new(Workers { queues, ready, finished, count, source_jobs });
        let mut threads = Vec::with_capacity(count);
        for number in 0..count {
            let workers = workers.clone();
            // The name is shown by ps and by debuggers.
            let name = format!("worker {number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || workers.run())?);
        }
        Ok((workers, threads))
    }

    /// Jobs run outside the lock, so a panic never leaves the queues half changed.
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut queues = self.lock();
        loop {
            if let Some((lane, work)) = queues.next(self.count) {
                drop(queues);
                // The job itself reports a panic to its connection; here it is caught to keep the thread.
                let _ = catch_unwind(AssertUnwindSafe(work));
                queues = self.lock();
                queues.busy[lane as usize] -= 1;
                if queues.closed {
                    self.finished.notify_all();
                }
                // A job may have waited until its lane had fewer running jobs, and not for a free worker. Only this
                // notification starts it.
                if !matches!(lane, Lane::Short) && queues.waiting.iter().any(|queue| !queue.is_empty()) {
                    self.ready.notify_one();
                }
            } else if queues.closed {
                return;
            } else {
                queues = self.ready.wait(queues).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Queues a job.
    ///
    /// # Errors
    /// The job itself when the queue of its lane is full.
    pub(crate) fn submit(&self, lane: Lane, work: WorkerJob) -> Result<(), WorkerJob> {
        let mut queues = self.lock();
        // After [`Workers::finish`] no thread may be left to run it.
        if queues.closed || queues.waiting[lane as usize].len() >= QUEUE {
            return Err(work);
        }
        queues.waiting[lane as usize].push_back(work);
        drop(queues);
        // Notified after the lock is free, or the woken thread would wait for it at once.
        self.ready.notify_one();
        Ok(())
    }

    /// Queues a job that cannot be refused.
    fn submit_running(&self, lane: Lane, work: WorkerJob) {
        let mut queues = self.lock();
        if !queues.closed {
            queues.waiting[lane as usize].push_back(work);
            drop(queues);
            self.ready.notify_one();
        }
    }

    /// How many jobs of a source are running or waiting. They may never end.
    fn source_jobs(&self) -> usize {
        Arc::strong_count(&self.source_jobs) - 1
    }

    /// Lets the threads end when the queues are empty, and waits for that, but not longer than `until` and not for
    /// sources. Returns how many other jobs are left: a disk may hang, and a write cannot be called off.
    pub(crate) fn finish(&self, until: Instant, threads: Vec<JoinHandle<()>>) -> usize {
        let mut queues = self.lock();
        queues.closed = true;
        self.ready.notify_all();
        loop {
            let jobs = queues.busy.iter().sum::<usize>() + queues.waiting.iter().map(VecDeque::len).sum::<usize>();
            let left = jobs.saturating_sub(self.source_jobs());
            let time = until.saturating_duration_since(Instant::now());
            if left > 0 && !time.is_zero() {
                queues = self.finished.wait_timeout(queues, time).unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            drop(queues);
            // All that they had to do is done, so they end at once.
            if jobs == 0 {
                threads.into_iter().for_each(|thread| drop(thread.join()));
            }
            return left;
        }
    }
}

/// The result of a job.
pub(crate) enum JobResult {
    /// Of a job of the service.
    Outcome(Outcome),
    /// A sink was opened, or a response says why not.
    Opened(Result<Box<dyn Sink>, Response>),
    /// A block was written. The sink comes back, and the block to be filled again.
    Wrote(Result<Box<dyn Sink>, Response>, Vec<u8>),
    /// Bytes of a file have been read: into the page cache, and those of a file system that may wait into memory.
    Warmed(std::io::Result<Vec<u8>>),
    /// A source was asked for its next bytes.
    Source(SourceResult),
    /// The job panicked: 500.
    Panicked,
}

/// What a source returned.
pub(crate) enum SourceResult {
    /// These bytes.
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
    /// Cloned for each job. It has no bound of its own: the queues of the lanes bound the jobs.
    sender: Sender<FinishedJob>,
    results: Receiver<FinishedJob>,
}

impl Jobs {
    /// Results wake the loop of this `waker`.
    pub(crate) fn new(workers: Arc<Workers>, waker: Arc<Waker>) -> Jobs {
        let (sender, results) = channel();
        Jobs { workers, waker, woken: Arc::default(), sender, results }
    }

    /// Queues a job of a connection; `false` when the queue is full, and then the job is dropped.
    pub(crate) fn submit(
        &self,
        id: ConnectionId,
        lane: Lane,
        work: impl FnOnce() -> JobResult + Send + 'static,
    ) -> bool {
        self.submit_wrapped(lane, self.wrap(id, work)).is_ok()
    }

    /// Queues a job of an exchange that is running. Each connection has at most one, so it needs no bound.
    pub(crate) fn submit_running(
        &self,
        id: ConnectionId,
        lane: Lane,
        work: impl FnOnce() -> JobResult + Send + 'static,
    ) {
        self.workers.submit_running(lane, self.wrap(id, work));
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

    /// Queues a job that sends its result itself; `Err` with the job when the queue is full.
    pub(crate) fn submit_wrapped(&self, lane: Lane, work: WorkerJob) -> Result<(), WorkerJob> {
        self.workers.submit(lane, work)
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

    /// Lets a worker drop something whose drop may block (closing a large unnamed file frees its blocks).
    pub(crate) fn discard(&self, value: impl Send + 'static) {
        // Short, because freeing is quick in most cases and must not wait for long jobs.
        self.workers.submit_running(Lane::Short, Box::new(move || drop(value)));
    }

    /// Lets workers close the files that a loop drops.
    pub(crate) fn closer(&self) -> Closer {
        let workers = self.workers.clone();
        Box::new(move |file| workers.submit_running(Lane::Short, Box::new(move || drop(file))))
    }

    /// The next result.
    pub(crate) fn next(&self) -> Option<FinishedJob> {
        self.results.try_recv().ok()
    }

    /// Results from now on wake the loop again. Must be called before the results are taken: a result that comes in
    /// between then causes one wake-up too many. In the other order it would not wake the loop at all.
    pub(crate) fn rearm(&self) {
        self.woken.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_panic_costs_no_worker_and_a_full_queue_hands_the_job_back() {
        let (workers, threads) = Workers::start(2).unwrap();
        let (tell, told) = mpsc::channel();
        for n in 0..20 {
            let tell = tell.clone();
            workers
                .submit(
                    Lane::Short,
                    Box::new(move || {
                        tell.send(n).unwrap();
                        panic!("a job that panics, on purpose");
                    }),
                )
                .unwrap_or_else(|_| panic!("the queue is full"));
        }
        assert_eq!(told.iter().take(20).count(), 20);
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let mut taken = 0;
        loop {
            let blocked = blocked.clone();
            if workers.submit(Lane::Long, Box::new(move || _ = blocked.lock().unwrap().recv())).is_err() {
                break;
            }
            taken += 1;
        }
        // All that wait, and the one that the long lane may run while it leaves a worker free.
        assert!((QUEUE..=QUEUE + 1).contains(&taken), "{taken}");
        drop(release);
        assert_eq!(workers.finish(Instant::now() + Duration::from_secs(60), threads), 0);
    }

    #[test]
    fn long_work_never_takes_the_last_worker() {
        let (workers, threads) = Workers::start(4).unwrap();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        for lane in [Lane::Long, Lane::Passwords].repeat(8) {
            let blocked = blocked.clone();
            let _ = workers.submit(lane, Box::new(move || _ = blocked.lock().unwrap().recv()));
        }
        // However many wait there.
        while workers.submit(Lane::Long, Box::new(|| ())).is_ok() {}
        let (tell, told) = mpsc::channel();
        let _ = workers.submit(Lane::Short, Box::new(move || tell.send(()).unwrap()));
        assert_eq!(told.recv(), Ok(()), "a short job waited for long ones");
        drop(release);
        assert_eq!(workers.finish(Instant::now() + Duration::from_secs(60), threads), 0);
    }
}
