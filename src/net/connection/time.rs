//! Time: when a connection must have a turn though no event comes, and what happens then.
//!
//! | moment | then |
//! |---|---|
//! | the end of a pause in a script | the script goes on |
//! | the end of the time before a job | the job is queued |
//! | the end of the time for a job ([`Timeouts::job`]) | 503 with Retry-After, if the job may be given up |
//! | the deadline of the phase | 408, or the connection is closed |
//!
//! [`Timeouts::job`]: crate::net::Timeouts::job

use std::time::{Duration, Instant};

use crate::http::Phase;
use crate::net::CloseReason;
use crate::net::connection::state::{Ending, LoopContext, Output, Work};
use crate::net::connection::{Connection, respond::busy};
use crate::net::workers::{JobResult, JobTicket};
use crate::service::{Job, Task};

/// The job that a request waits for, and the moment at which something must be done about it.
pub(super) enum TimedJob {
    /// It is not queued before this moment.
    Delayed(Instant, Task, Job),
    /// It is queued or runs, and may be given up at this moment.
    Limited(JobLimit),
}

/// A job that may be given up.
#[derive(Clone, Copy)]
pub(super) struct JobLimit {
    ticket: JobTicket,
    until: Instant,
    /// It may also be given up while it runs: it changes nothing, and its result is dropped when it comes.
    while_running: bool,
}

impl TimedJob {
    fn until(&self) -> Instant {
        match self {
            TimedJob::Delayed(until, ..) => *until,
            TimedJob::Limited(limit) => limit.until,
        }
    }
}

impl Connection {
    /// Queues a job that the response waits for, or the next block of an upload. It may take any time.
    pub(super) fn submit(
        &mut self,
        task: impl Into<Task>,
        job: impl FnOnce() -> JobResult + Send + 'static,
        cx: &LoopContext,
    ) -> JobTicket {
        self.work = Work::Away;
        cx.jobs.submit((self.id, self.exchange.client.address()), task.into(), job)
    }

    /// Queues the first job of a request. It is given up when it takes too long.
    pub(super) fn submit_limited(
        &mut self,
        task: impl Into<Task>,
        job: impl FnOnce() -> JobResult + Send + 'static,
        cx: &LoopContext,
    ) {
        let task = task.into();
        let ticket = self.submit(task, job, cx);
        let until = cx.now + cx.settings.timeouts.job;
        let limit = JobLimit { ticket, until, while_running: task.lane.is_limited() };
        self.timed_job = Some(Box::new(TimedJob::Limited(limit)));
    }

    /// Queues the first job of a request after some time. Until then it takes no worker, and the client waits.
    pub(super) fn submit_later(&mut self, wait: Duration, task: Task, job: Job, cx: &LoopContext) {
        self.work = Work::Away;
        self.timed_job = Some(Box::new(TimedJob::Delayed(cx.now + wait, task, job)));
    }

    /// The connection is closed: no client waits for a job that has not begun.
    pub(super) fn cancel_job(&mut self, cx: &LoopContext) {
        if let Some(TimedJob::Limited(limit)) = self.timed_job.take().map(|job| *job) {
            cx.jobs.cancel(self.exchange.client.address(), limit.ticket);
        }
    }

    /// When it must have a turn though no event comes: at the end of a pause in a script, else at its deadline, and at
    /// the end of the time for its job.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        // During a pause the response is owed, and that phase has no deadline.
        let at = self.pause_end().or(self.deadline.at());
        match &self.timed_job {
            None => at,
            Some(job) => Some(at.map_or(job.until(), |at| at.min(job.until()))),
        }
    }

    fn pause_end(&self) -> Option<Instant> {
        self.script.as_ref()?.pause_end
    }

    /// A moment of [`Connection::wake_at`] has come.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(crate) fn time_is_up(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        if self.pause_end().is_some_and(|until| until <= cx.now) {
            return self.turn(cx);
        }
        if let Some(job) = self.timed_job.take_if(|job| job.until() <= cx.now) {
            return match *job {
                TimedJob::Delayed(_, task, job) => {
                    self.submit_limited(task, move || JobResult::Outcome(job()), cx);
                    Ok(())
                }
                TimedJob::Limited(limit) => self.job_is_late(limit, cx),
            };
        }
        // Of a Unix socket the kernel does not say how much is queued: what `send` took counts as read.
        let tcp = self.socket.tcp();
        if let Some(socket) = tcp {
            self.unsent_limit.lower_unless(self.deadline.is_fast(cx.now, &cx.settings.timeouts), socket);
        }
        let queued = || cx.diag.as_mut()?.queued(tcp?, self.peer);
        if !self.deadline.is_over(cx.now, &cx.settings.timeouts, cx.scarce, queued) {
            return Ok(());
        }
        // Read before `time_out`, which changes the phase of the parser.
        let phase = self.deadline.phase();
        match self.http.time_out() {
            // A request that came too slowly gets 408.
            Some(error) if matches!(phase, Phase::Head | Phase::Content) => {
                let unread = std::mem::take(&mut self.unread);
                self.refuse(error, &unread, cx);
                self.turn(cx)
            }
            _ => match self.ending {
                // The client sends on and is not read any more, so the close is a reset.
                Some(Ending::Linger(CloseReason::ContentUnread)) if self.output == Output::Shut => {
                    Err(CloseReason::StillSending)
                }
                Some(Ending::Linger(reason)) if self.output == Output::Shut => Err(reason),
                _ if cx.draining && phase == Phase::Idle => Err(CloseReason::Draining),
                _ => Err(CloseReason::timed_out(phase)),
            },
        }
    }

    /// The time for the job of a request is over.
    fn job_is_late(&mut self, limit: JobLimit, cx: &mut LoopContext) -> Result<(), CloseReason> {
        // A job that has begun to change something takes as long as the disk needs.
        if !cx.jobs.cancel(self.exchange.client.address(), limit.ticket) && !limit.while_running {
            return Ok(());
        }
        // A worker may still stand in the job. Its result finds no connection: this one closes after the response.
        self.work = Work::None;
        self.deliver(busy(), cx);
        self.turn(cx)
    }
}
