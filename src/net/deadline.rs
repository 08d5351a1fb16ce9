//! Time: how long each phase may take, and whose time is up.
//!
//! Never: the clock. Moments come in as arguments, read once per turn of the loop.
//!
//! | phase | clock | why |
//! |---|---|---|
//! | Idle | since the last answer | a connection costs a seat |
//! | Head | absolute, from the first byte | a dripping client keeps a last-byte clock alive for ever (slowloris) |
//! | Content | at least the minimum rate over each window | the same, for uploads |
//! | Owed | none | it is the server's own work |
//! | Sending | bytes left within [`SILENT_WINDOWS`], and the minimum rate over [`SENDING_WINDOWS`] | a reader that stops or drips must not hold a file and a seat |
//! | Lingering | absolute | a courtesy, not a service |
//!
//! The subtle thing: [`Wheel`] is lazy. A busy connection moves its deadline on every request, and
//! that costs one comparison: the wheel keeps the *earliest* entry it was ever given, and when that
//! one comes up the loop looks at the real deadline and enters it again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::http::Phase;
use crate::net::connections::ConnectionId;

/// The window over which a rate is measured, if nothing else is asked for.
pub const RATE_WINDOW: Duration = Duration::from_secs(20);
/// Windows over which a reader must keep the minimum rate.
pub const SENDING_WINDOWS: u8 = 4;
/// Windows without any byte after which a reader has stopped. The kernel reports room in steps, for which a
/// reader of 8 KiB a second needs longer than one window; where it can be asked, it tells how much was taken.
pub const SILENT_WINDOWS: u8 = 2;
/// How long a client may take to close after a staged close. A client reads an answer within a round
/// trip or not at all.
pub const LINGER: Duration = Duration::from_secs(2);
/// The idle time while seats are scarce.
pub const IDLE_WHEN_SCARCE: Duration = Duration::from_secs(5);

/// How long each phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A whole head, from its first byte. H2O's number; the slowest honest client sends its head in
    /// one round trip.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Bytes per second that content must reach in each window, and a reader over [`SENDING_WINDOWS`] of
    /// them; 0 for no minimum. Whoever takes nothing for [`SILENT_WINDOWS`] has stopped, minimum or not.
    pub min_rate: u64,
    /// How long a window is.
    pub window: Duration,
    /// How long running answers may go on after a stop.
    pub grace: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            min_rate: 1024,
            window: RATE_WINDOW,
            grace: Duration::from_secs(10),
        }
    }
}

/// What a connection is waiting for, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    phase: Phase,
    /// `None`: for as long as it takes.
    at: Option<Instant>,
    /// Bytes that moved since the window began.
    moved: u64,
    /// The same in earlier windows of Sending, how many those are, and how many of the last were silent.
    earlier: (u64, u8, u8),
    /// Bytes that waited for a reader at the end of a window in which none moved.
    queued: Option<u32>,
    /// A request has come since the phase was entered: the same phase again is another one.
    renewed: bool,
}

impl Deadline {
    /// The deadline of a connection that has just been accepted.
    pub fn new(now: Instant, timeouts: &Timeouts, scarce: bool) -> Deadline {
        Deadline {
            phase: Phase::Idle,
            at: Some(now + idle(timeouts, scarce)),
            moved: 0,
            earlier: (0, 0, 0),
            queued: None,
            renewed: false,
        }
    }

    /// The phase the clock runs for.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When it ends.
    pub fn at(&self) -> Option<Instant> {
        self.at
    }

    /// A request is complete. One turn may bring the end of a head and the beginning of the next, and
    /// that one has a clock of its own.
    pub fn renew(&mut self) {
        self.renewed = true;
    }

    /// The connection is in `phase` now; the clock of a phase starts when it is entered, and anew with
    /// each request.
    pub fn enter(&mut self, phase: Phase, now: Instant, timeouts: &Timeouts, scarce: bool) {
        if phase == self.phase && !self.renewed {
            return;
        }
        self.renewed = false;
        self.phase = phase;
        self.moved = 0;
        self.earlier = (0, 0, 0);
        self.queued = None;
        self.at = match phase {
            Phase::Idle => Some(now + idle(timeouts, scarce)),
            Phase::Head => Some(now + timeouts.head),
            Phase::Content | Phase::Sending => Some(now + timeouts.window),
            Phase::Owed => None,
            Phase::Lingering => Some(now + LINGER),
        };
    }

    /// Bytes moved: of content from the client, or of the answer into the kernel.
    pub fn progress(&mut self, bytes: u64) {
        self.moved += bytes;
    }

    /// Whether a reader was sent at least `bytes` in this window, at `rate` bytes a second or more.
    pub fn moved_at(&self, bytes: u64, rate: u64, now: Instant, timeouts: &Timeouts) -> bool {
        let began = self.at.and_then(|at| at.checked_sub(timeouts.window));
        let Some(began) = began.filter(|_| self.phase == Phase::Sending && self.moved >= bytes) else { return false };
        let time = now.saturating_duration_since(began);
        u128::from(self.moved) * 1000 >= u128::from(rate) * time.as_millis()
    }

    /// Whether time is up. A window that saw enough bytes starts anew instead. `queued` tells, where the kernel
    /// can be asked, how many bytes wait for a reader: what has left the queue has moved too, though the kernel
    /// had no room for more to tell of.
    pub fn is_over(&mut self, now: Instant, timeouts: &Timeouts, queued: impl FnOnce() -> Option<u32>) -> bool {
        let Some(at) = self.at else { return false };
        if now < at {
            return false;
        }
        if self.phase == Phase::Sending {
            let before = std::mem::take(&mut self.queued);
            if self.moved == 0 {
                self.queued = queued();
                self.moved = before.zip(self.queued).map_or(0, |(before, now)| before.saturating_sub(now).into());
            }
        }
        let millis = u64::try_from(timeouts.window.as_millis()).unwrap_or(u64::MAX);
        let least = timeouts.min_rate.saturating_mul(millis) / 1000;
        let enough = match self.phase {
            Phase::Content => self.moved >= least,
            Phase::Sending => self.keeps_the_rate(least),
            _ => false,
        };
        if enough {
            self.moved = 0;
            self.at = Some(now + timeouts.window);
        }
        !enough
    }

    /// Whether a reader, one more of whose windows is over, goes on and was fast enough over several.
    fn keeps_the_rate(&mut self, least: u64) -> bool {
        let (bytes, windows, silent) = self.earlier;
        let (bytes, windows) = (bytes + self.moved, windows + 1);
        let silent = if self.moved == 0 { silent + 1 } else { 0 };
        let whole = windows == SENDING_WINDOWS;
        self.earlier = if whole { (0, 0, silent) } else { (bytes, windows, silent) };
        silent < SILENT_WINDOWS && !(whole && bytes < least.saturating_mul(u64::from(SENDING_WINDOWS)))
    }
}

fn idle(timeouts: &Timeouts, scarce: bool) -> Duration {
    if scarce { timeouts.idle.min(IDLE_WHEN_SCARCE) } else { timeouts.idle }
}

/// When to look at which connection, with the earliest moment on top.
///
/// An entry cannot be taken out, so it counts only while it is the one that the connection remembers
/// ([`crate::net::connection::Connection::armed`]); others are dropped when they come up.
#[derive(Debug, Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Deadlines {
    /// Enters a connection for `at`.
    pub fn enter(&mut self, id: ConnectionId, at: Instant) {
        self.heap.push(Reverse((at, id)));
    }

    /// The earliest moment.
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the earliest entry, if its moment has come.
    pub fn take_due(&mut self, now: Instant) -> Option<(ConnectionId, Instant)> {
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((at, id))| (id, at))
    }

    /// How many entries there are, those that do not count included.
    pub fn entries(&self) -> usize {
        self.heap.len()
    }

    /// Drops entries that do not count any more.
    pub fn retain(&mut self, mut counts: impl FnMut(ConnectionId, Instant) -> bool) {
        self.heap.retain(|Reverse((at, id))| counts(*id, *at));
    }
}

#[cfg(test)]
mod tests {
    use slotmap::SlotMap;

    use super::*;

    #[test]
    fn a_dripping_head_does_not_move_its_clock() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        deadline.enter(Phase::Head, start, &timeouts, false);
        for second in 1..10 {
            let now = start + Duration::from_secs(second);
            deadline.progress(1);
            deadline.enter(Phase::Head, now, &timeouts, false);
            assert!(!deadline.is_over(now, &timeouts, || None));
        }
        assert!(deadline.is_over(start + timeouts.head, &timeouts, || None));
    }

    #[test]
    fn a_head_that_begins_in_the_turn_that_ends_another_has_its_own_clock() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        deadline.enter(Phase::Head, start, &timeouts, false);
        let later = start + timeouts.head / 2;
        deadline.renew();
        deadline.enter(Phase::Head, later, &timeouts, false);
        assert_eq!(deadline.at(), Some(later + timeouts.head));
        // What is no request does not move it, idle or not.
        for phase in [Phase::Head, Phase::Idle, Phase::Idle] {
            let before = deadline.at();
            deadline.enter(phase, later, &timeouts, false);
            deadline.enter(phase, later + timeouts.head / 2, &timeouts, false);
            assert!(deadline.at() == before || deadline.at() == Some(later + timeouts.idle), "{phase:?}");
        }
    }

    #[test]
    fn content_must_keep_its_rate_in_every_window() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        deadline.enter(Phase::Content, start, &timeouts, false);
        deadline.progress(20 * 1024);
        assert!(!deadline.is_over(start + RATE_WINDOW, &timeouts, || None));
        deadline.progress(20 * 1024 - 1);
        assert!(deadline.is_over(start + 2 * RATE_WINDOW, &timeouts, || None));
    }

    #[test]
    fn a_reader_may_take_its_bytes_in_one_step_but_not_for_ever_one_by_one() {
        let timeouts = Timeouts::default();
        // Bytes in each window; how many windows it lasts.
        for (taken, lasts) in [
            (&[1, 1, 1, 1, 1][..], 3),
            (&[1, 1, 1, 80 * 1024, 1, 1, 1, 1, 1], 7),
            (&[20 * 1024, 20 * 1024, 20 * 1024, 20 * 1024 - 1], 3),
            (&[256 * 1024, 0, 256 * 1024, 0, 0, 1], 4),
            (&[256 * 1024, 0, 256 * 1024, 0, 256 * 1024, 0, 0, 1], 6),
            (&[0, 0], 1),
        ] {
            let mut now = Instant::now();
            let mut deadline = Deadline::new(now, &timeouts, false);
            deadline.enter(Phase::Sending, now, &timeouts, false);
            let survived = taken.iter().take_while(|bytes| {
                now += RATE_WINDOW;
                deadline.progress(**bytes);
                deadline.enter(Phase::Sending, now, &timeouts, false);
                !deadline.is_over(now, &timeouts, || None)
            });
            assert_eq!(survived.count(), lasts, "{taken:?}");
        }
        // No minimum is none here either.
        let (timeouts, start) = (Timeouts { min_rate: 0, ..timeouts }, Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        deadline.enter(Phase::Sending, start, &timeouts, false);
        for window in 1..9 {
            deadline.progress(1);
            assert!(!deadline.is_over(start + RATE_WINDOW * window, &timeouts, || None));
        }
    }

    #[test]
    fn a_reader_of_whom_the_kernel_tells_rarely_is_asked_about() {
        let timeouts = Timeouts::default();
        // What waits for it at the end of each window, none of which moved a byte; how many it lasts.
        for (queued, lasts) in [
            (&[Some(900_000), Some(800_000), Some(700_000), Some(600_000), Some(500_000), Some(400_000)][..], 6),
            (&[Some(900_000), Some(900_000)], 1),
            (&[Some(900_000), Some(800_000), Some(800_000), Some(800_000)], 3),
            (&[Some(900_000), None], 1),
            (&[None, Some(900_000)], 1),
            // It reads, but below the minimum rate.
            (&[Some(900), Some(890), Some(880), Some(870), Some(860)], 3),
        ] {
            let mut now = Instant::now();
            let mut deadline = Deadline::new(now, &timeouts, false);
            deadline.enter(Phase::Sending, now, &timeouts, false);
            let survived = queued.iter().take_while(|queued| {
                now += RATE_WINDOW;
                !deadline.is_over(now, &timeouts, || **queued)
            });
            assert_eq!(survived.count(), lasts, "{queued:?}");
        }
        // A window that moved something is not asked about, and what waited before it says nothing more.
        let start = Instant::now();
        let mut deadline = Deadline::new(start, &timeouts, false);
        deadline.enter(Phase::Sending, start, &timeouts, false);
        assert!(!deadline.is_over(start + RATE_WINDOW, &timeouts, || Some(900_000)));
        deadline.progress(80 * 1024);
        assert!(!deadline.is_over(start + 2 * RATE_WINDOW, &timeouts, || unreachable!()));
        assert!(!deadline.is_over(start + 3 * RATE_WINDOW, &timeouts, || Some(100_000)));
        assert!(deadline.is_over(start + 4 * RATE_WINDOW, &timeouts, || Some(100_000)));
    }

    #[test]
    fn who_takes_much_in_a_short_time_is_fast() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        let at = |millis| start + Duration::from_millis(millis);
        deadline.progress(1 << 30);
        assert!(!deadline.moved_at(1 << 20, 1 << 20, at(1), &timeouts), "the clock of Sending has not begun");
        deadline.enter(Phase::Sending, start, &timeouts, false);
        deadline.progress((1 << 20) - 1);
        assert!(!deadline.moved_at(1 << 20, 1 << 20, at(1), &timeouts));
        deadline.progress(1);
        assert!(deadline.moved_at(1 << 20, 1 << 20, at(0), &timeouts));
        assert!(deadline.moved_at(1 << 20, 1 << 20, at(1000), &timeouts));
        assert!(!deadline.moved_at(1 << 20, 1 << 20, at(1002), &timeouts));
    }

    #[test]
    fn scarce_seats_shorten_the_idle_time_only() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, true);
        assert_eq!(deadline.at(), Some(start + IDLE_WHEN_SCARCE));
        deadline.enter(Phase::Owed, start, &timeouts, true);
        assert_eq!(deadline.at(), None);
        deadline.enter(Phase::Idle, start, &timeouts, false);
        assert_eq!(deadline.at(), Some(start + timeouts.idle));
    }

    #[test]
    fn every_entry_comes_up_once_in_order_and_never_early() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut ids = SlotMap::<ConnectionId, u64>::with_key();
        let mut deadlines = Deadlines::default();
        for n in 0..100 {
            let ms = n * 37 % 100 * 50;
            let id = ids.insert(ms);
            deadlines.enter(id, at(ms));
        }
        let far = ids.insert(10_000_000);
        deadlines.enter(far, at(10_000_000));
        let mut seen = Vec::new();
        for now in (0..5000).step_by(70) {
            while let Some((id, moment)) = deadlines.take_due(at(now)) {
                assert!(moment == at(ids[id]) && ids[id] <= now && ids[id] + 70 > now, "{} at {now}", ids[id]);
                seen.push(ids[id]);
            }
        }
        assert!(seen.len() == 100 && seen.is_sorted());
        assert_eq!((deadlines.next(), deadlines.entries()), (Some(at(10_000_000)), 1));
        deadlines.retain(|id, moment| id != far || moment != at(10_000_000));
        assert_eq!((deadlines.next(), deadlines.take_due(at(20_000_000))), (None, None));
    }
}
