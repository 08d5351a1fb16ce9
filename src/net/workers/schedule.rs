//! Which job runs next. Pure rules: no thread, no lock, no clock.
//!
//! Jobs wait in the lane of their kind ([`Lane`]), and in it in one queue for each client. A job may run when all of
//! these have room, where `N` is `--workers`:
//!
//! | what | jobs that run at once | so that |
//! |---|---|---|
//! | a lane | `2 N`; passwords a quarter of `N` | no kind of work takes the workers of another one |
//! | a file system in a lane | `N`: half of the lane | one that hangs leaves the other half |
//! | a client on a file system in a lane | `N − 1`, at least one | its long jobs leave a worker for others |
//! | a key in a lane | 1 | requests for one folder read it one after the other, and share what was read |
//!
//! Of the jobs that may run, the clients of a lane take turns; each client's own jobs run in the order in which they
//! came. So a client with a thousand jobs delays another one by one job, not by a thousand.
//!
//! Nothing starves: a client that waits moves up whenever another one has its turn, and its first job that may run is
//! taken when it is in front. A job waits for ever only after jobs of its own file system or key that never end, and
//! for these a request has a limit of time. Nothing deadlocks: a job that runs never waits for one that is queued, and
//! there are as many threads as all lanes may use, so every job that may run is run at once.

use std::collections::VecDeque;
use std::net::IpAddr;

use crate::net::workers::WorkerJob;
use crate::service::{Lane, Task};

/// The client at this address: an IPv6 client is its /64, since one household has that many addresses.
pub(crate) fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let mut bytes = address.octets();
            bytes[8..].fill(0);
            IpAddr::from(bytes)
        }
        address => address,
    }
}

/// Kinds of work.
const LANES: usize = Lane::ALL.len();

/// Where a job stands: its kind and for whom it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) task: Task,
    pub(crate) client: IpAddr,
}

struct QueuedJob {
    number: u64,
    task: Task,
    work: WorkerJob,
}

#[derive(Default)]
struct LaneQueue {
    /// The clients that wait, in the order of their turns. None of them has an empty queue.
    clients: VecDeque<(IpAddr, VecDeque<QueuedJob>)>,
    /// The jobs that run: at most `2 N`, so a search is short.
    running: Vec<Place>,
}

pub(crate) struct Schedule {
    /// In the order of [`Lane::ALL`].
    lanes: [LaneQueue; LANES],
    /// `N` in the table above.
    share: usize,
    /// The number of the next job.
    next: u64,
}

impl Schedule {
    /// No jobs; `share` is `N` in the table above.
    pub(crate) fn new(share: usize) -> Schedule {
        Schedule { lanes: Default::default(), share, next: 0 }
    }

    /// Queues a job. The number is for [`Schedule::cancel`].
    pub(crate) fn add(&mut self, place: Place, work: WorkerJob) -> u64 {
        self.next += 1;
        let job = QueuedJob { number: self.next, task: place.task, work };
        let clients = &mut self.lanes[place.task.lane as usize].clients;
        match clients.iter_mut().find(|(client, _)| *client == place.client) {
            Some((_, jobs)) => jobs.push_back(job),
            None => clients.push_back((place.client, VecDeque::from([job]))),
        }
        self.next
    }

    /// Takes out a job that may run now. It counts as running until [`Schedule::finished`].
    pub(crate) fn take(&mut self) -> Option<(Place, WorkerJob)> {
        let share = self.share;
        self.lanes.iter_mut().zip(Lane::ALL).find_map(|(queue, lane)| queue.take(lane, share))
    }

    /// Whether [`Schedule::take`] would return a job.
    pub(crate) fn has_runnable(&self) -> bool {
        self.lanes.iter().zip(Lane::ALL).any(|(queue, lane)| queue.find(lane, self.share).is_some())
    }

    pub(crate) fn finished(&mut self, place: Place) {
        let running = &mut self.lanes[place.task.lane as usize].running;
        if let Some(at) = running.iter().position(|other| *other == place) {
            running.swap_remove(at);
        }
    }

    /// Takes back a job, if it has not begun.
    pub(crate) fn cancel(&mut self, lane: Lane, client: IpAddr, number: u64) -> Option<WorkerJob> {
        let clients = &mut self.lanes[lane as usize].clients;
        let at = clients.iter().position(|(other, _)| *other == client)?;
        let jobs = &mut clients[at].1;
        let job = jobs.remove(jobs.iter().position(|job| job.number == number)?)?;
        if jobs.is_empty() {
            clients.remove(at);
        }
        Some(job.work)
    }

    /// Jobs that wait or run.
    pub(crate) fn jobs(&self) -> usize {
        self.lanes.iter().map(|lane| lane.running.len() + lane.waiting()).sum()
    }

    /// Of each kind: how many jobs wait, and how many run.
    pub(crate) fn counts(&self) -> [(Lane, u64, u64); LANES] {
        Lane::ALL.map(|lane| {
            let queue = &self.lanes[lane as usize];
            (lane, queue.waiting() as u64, queue.running.len() as u64)
        })
    }
}

impl LaneQueue {
    fn waiting(&self) -> usize {
        self.clients.iter().map(|(_, jobs)| jobs.len()).sum()
    }

    /// The next job that may run: the place of its client, and its own in the queue of that.
    fn find(&self, lane: Lane, share: usize) -> Option<(usize, usize)> {
        let most = if lane == Lane::Passwords { (share / 4).max(1) } else { 2 * share };
        if self.running.len() >= most {
            return None;
        }
        let count = |is: &dyn Fn(&Place) -> bool| self.running.iter().filter(|place| is(place)).count();
        self.clients.iter().enumerate().find_map(|(at, (client, jobs))| {
            // Whether file system, client and key have room beside the jobs that run.
            let job = jobs.iter().position(|QueuedJob { task, .. }| {
                let beside = |other: &Place| other.task.device == task.device;
                let is_free = task.key.is_none() || count(&|other| other.task.key == task.key) == 0;
                is_free
                    && count(&beside) < share
                    && count(&|other| beside(other) && other.client == *client) < share.saturating_sub(1).max(1)
            })?;
            Some((at, job))
        })
    }

    fn take(&mut self, lane: Lane, share: usize) -> Option<(Place, WorkerJob)> {
        let (at, job) = self.find(lane, share)?;
        let (client, mut jobs) = self.clients.remove(at)?;
        let job = jobs.remove(job)?;
        // The others have their turns first.
        if !jobs.is_empty() {
            self.clients.push_back((client, jobs));
        }
        let place = Place { task: job.task, client };
        self.running.push(place);
        Some((place, job.work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: usize = 4;

    fn client(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    /// Queues jobs of these clients, and returns the clients of those that run.
    fn run(schedule: &mut Schedule, jobs: &[(u8, Task)]) -> Vec<u8> {
        for (number, task) in jobs {
            schedule.add(Place { task: *task, client: client(*number) }, Box::new(|| ()));
        }
        let last = |client| if let IpAddr::V4(address) = client { address.octets()[3] } else { 0 };
        std::iter::from_fn(|| schedule.take()).map(|(place, _)| last(place.client)).collect()
    }

    #[test]
    fn a_client_with_many_jobs_delays_another_one_by_one_job() {
        let mut schedule = Schedule::new(N);
        let task = |device| Task { device, ..Lane::List.into() };
        assert_eq!(run(&mut schedule, &[(1, task(1)); 100]), [1, 1, 1], "one worker is left for others");
        assert_eq!(run(&mut schedule, &[(2, task(1)), (2, task(1)), (3, task(1))]), [2], "the share of a file system");
        // Whenever a job of the first client ends, the next client has its turn.
        for expected in [1, 3, 2] {
            let place = Place { task: task(1), client: client(1) };
            schedule.finished(place);
            assert_eq!(run(&mut schedule, &[]), [expected]);
        }
    }

    #[test]
    fn a_file_system_that_hangs_and_a_lane_that_is_full_leave_room_for_the_others() {
        let mut schedule = Schedule::new(N);
        let hung: Vec<_> = (1..100).map(|n| (n, Task { device: 7, ..Lane::Open.into() })).collect();
        assert_eq!(run(&mut schedule, &hung).len(), N);
        let fast: Vec<_> = (1..100).map(|n| (n, Task { device: 8, ..Lane::Open.into() })).collect();
        assert_eq!(run(&mut schedule, &fast).len(), N, "the other half of the lane");
        for lane in Lane::ALL.into_iter().filter(|lane| *lane != Lane::Open) {
            let runs = run(&mut schedule, &[(1, lane.into()), (2, lane.into())]).len();
            assert_eq!(runs, if lane == Lane::Passwords { 1 } else { 2 }, "{lane:?}");
        }
    }

    #[test]
    fn jobs_of_one_key_run_one_after_the_other_in_their_order() {
        let mut schedule = Schedule::new(N);
        let task = |key| Task { key: Some(key), ..Lane::List.into() };
        assert_eq!(run(&mut schedule, &[(1, task(1)), (2, task(1)), (3, task(2)), (3, task(1))]), [1, 3]);
        schedule.finished(Place { task: task(1), client: client(1) });
        assert_eq!(run(&mut schedule, &[]), [2]);
        schedule.finished(Place { task: task(1), client: client(2) });
        assert_eq!((run(&mut schedule, &[]), schedule.jobs()), (vec![3], 2));
    }

    #[test]
    fn a_job_that_has_begun_cannot_be_taken_back_and_one_that_waits_is_gone() {
        let mut schedule = Schedule::new(N);
        let place = Place { task: Task { key: Some(1), ..Lane::List.into() }, client: client(1) };
        let numbers = [0; 3].map(|_| schedule.add(place, Box::new(|| ())));
        assert!(schedule.take().is_some() && schedule.take().is_none());
        assert!(schedule.cancel(Lane::List, client(1), numbers[0]).is_none());
        assert!(schedule.cancel(Lane::List, client(1), numbers[1]).is_some());
        assert!(schedule.cancel(Lane::List, client(1), numbers[1]).is_none());
        assert!(schedule.cancel(Lane::List, client(1), numbers[2]).is_some());
        schedule.finished(place);
        assert!(schedule.jobs() == 0 && schedule.lanes.iter().all(|lane| lane.clients.is_empty()));
    }
}
