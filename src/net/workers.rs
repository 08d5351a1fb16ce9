//! Threads for work that may block: a bounded queue, lanes, and a net under every handler.
//!
//! Never: a socket. A result goes back to the loop that asked, with the seat it is for.
//!
//! The subtle things:
//! - Three lanes. Long work (fsync, listings, handlers) never takes the last worker and passwords never more
//!   than a quarter, so neither four slow disks nor a flood of wrong passwords stops a cold file.
//! - A full queue hands the job back ([`Workers::submit`]): to refuse at once is honest, to queue
//!   without bound is to lie about it later.
//! - A panic is caught here and becomes a 500; the thread goes on.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::service::Lane;

/// Jobs that may wait in a lane: each has its own bound, so that a flood in one cannot fill the others.
/// At a millisecond each that is a quarter of a second for one worker; more would only be a longer wait
/// for the same 503.
pub const QUEUE: usize = 256;

/// A job with everything it needs, the way back included.
pub type Work = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct State {
    short: VecDeque<Work>,
    long: VecDeque<Work>,
    passwords: VecDeque<Work>,
    busy_long: usize,
    busy_passwords: usize,
    closed: bool,
}

impl State {
    fn queue(&mut self, lane: Lane) -> &mut VecDeque<Work> {
        match lane {
            Lane::Short => &mut self.short,
            Lane::Long => &mut self.long,
            Lane::Passwords => &mut self.passwords,
        }
    }

    fn waiting(&self) -> usize {
        self.short.len() + self.long.len() + self.passwords.len()
    }

    /// The next job that may run now.
    fn next(&mut self, workers: usize) -> Option<(Lane, Work)> {
        if let Some(work) = self.short.pop_front() {
            return Some((Lane::Short, work));
        }
        let free_for_short = workers - (self.busy_long + self.busy_passwords).min(workers);
        if free_for_short <= 1 && workers > 1 {
            return None;
        }
        if self.busy_passwords < (workers / 4).max(1)
            && let Some(work) = self.passwords.pop_front()
        {
            self.busy_passwords += 1;
            return Some((Lane::Passwords, work));
        }
        let work = self.long.pop_front()?;
        self.busy_long += 1;
        Some((Lane::Long, work))
    }

    fn done(&mut self, lane: Lane) {
        match lane {
            Lane::Short => {}
            Lane::Long => self.busy_long -= 1,
            Lane::Passwords => self.busy_passwords -= 1,
        }
    }
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
    workers: usize,
    kept: Arc<()>,
}

impl Shared {
    /// A worker that panicked outside a job would poison the lock; the state is whole all the same,
    /// since jobs run outside of it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        loop {
            if let Some((lane, work)) = state.next(self.workers) {
                drop(state);
                // The job reports its own panic to its client; this net keeps the thread.
                let _ = catch_unwind(AssertUnwindSafe(work));
                state = self.lock();
                state.done(lane);
                if lane != Lane::Short && state.waiting() > 0 {
                    self.ready.notify_one();
                }
            } else if state.closed {
                return;
            } else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// The workers, as the loops see them.
#[derive(Clone)]
pub struct Workers {
    shared: Arc<Shared>,
}

impl Workers {
    /// Starts `count` threads (at least 2, so that the long lane can leave one).
    pub fn start(count: usize) -> std::io::Result<(Workers, Vec<JoinHandle<()>>)> {
        let workers = count.max(2);
        let shared = Arc::new(Shared { state: Mutex::default(), ready: Condvar::new(), workers, kept: Arc::default() });
        let mut threads = Vec::with_capacity(workers);
        for number in 0..workers {
            let shared = shared.clone();
            let name = format!("worker {number}");
            threads.push(std::thread::Builder::new().name(name).spawn(move || shared.run())?);
        }
        Ok((Workers { shared }, threads))
    }

    /// Queues a job, or hands it back when the queue is full.
    ///
    /// # Errors
    /// The job itself.
    pub fn submit(&self, lane: Lane, work: Work) -> Result<(), Work> {
        let mut state = self.shared.lock();
        if state.closed || state.queue(lane).len() >= QUEUE {
            return Err(work);
        }
        state.queue(lane).push_back(work);
        drop(state);
        self.shared.ready.notify_one();
        Ok(())
    }

    /// To be held by work that may keep its worker for as long as it likes.
    pub(crate) fn keep(&self) -> Arc<()> {
        self.shared.kept.clone()
    }

    /// Whether a worker is kept by such work, or will be.
    pub(crate) fn is_kept(&self) -> bool {
        Arc::strong_count(&self.shared.kept) > 1
    }

    /// Lets the workers go when the queue is empty.
    pub fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

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
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let mut taken = 0;
        loop {
            let gate = gate.clone();
            if workers.submit(Lane::Long, Box::new(move || _ = gate.lock().unwrap().recv())).is_err() {
                break;
            }
            taken += 1;
        }
        // All that wait, and the one that the long lane may run while it leaves a worker free.
        assert!((QUEUE..=QUEUE + 1).contains(&taken), "{taken}");
        drop(open);
        workers.close();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }

    #[test]
    fn long_work_never_takes_the_last_worker() {
        let (workers, threads) = Workers::start(4).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for lane in [Lane::Long, Lane::Passwords].repeat(8) {
            let gate = gate.clone();
            let _ = workers.submit(lane, Box::new(move || _ = gate.lock().unwrap().recv()));
        }
        // However many wait there.
        while workers.submit(Lane::Long, Box::new(|| ())).is_ok() {}
        let (tell, told) = mpsc::channel();
        let _ = workers.submit(Lane::Short, Box::new(move || tell.send(()).unwrap()));
        assert_eq!(told.recv(), Ok(()), "a short job waited behind long ones");
        drop(open);
        workers.close();
        threads.into_iter().for_each(|t| t.join().unwrap());
    }
}
