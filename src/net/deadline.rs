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

use std::time::{Duration, Instant};

use crate::http::Phase;
use crate::net::connection_id::ConnectionId;

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

/// The grain of the wheel: deadlines are kept within it.
const TICK_MILLIS: u32 = 100;
const TICKS_PER_SECOND: u64 = 10;
/// Slots of the wheel: 51.2 s; a later deadline waits in the last slot and is entered again.
const SLOTS: usize = 512;

/// Which seats to look at when.
#[derive(Debug)]
pub struct Wheel {
    start: Instant,
    /// The next tick to be looked at.
    tick: u64,
    slots: Vec<Vec<ConnectionId>>,
    entries: usize,
    /// No slot before this tick has an entry: the search for the next one goes on from here, and does
    /// not walk over the same empty slots in every turn of the loop.
    soonest: u64,
}

impl Wheel {
    /// An empty wheel.
    pub fn new(now: Instant) -> Wheel {
        Wheel { start: now, tick: 0, slots: vec![Vec::new(); SLOTS], entries: 0, soonest: 0 }
    }

    /// Enters `seat`; returns the tick at which it will come up, at the latest one tick after `at`.
    pub fn enter(&mut self, id: ConnectionId, at: Instant) -> u64 {
        let due = self.tick_of(at).clamp(self.tick, self.tick + SLOTS as u64 - 1);
        self.slots[due as usize % SLOTS].push(id);
        self.entries += 1;
        self.soonest = self.soonest.min(due);
        due
    }

    /// The tick in which `at` is over.
    pub fn tick_of(&self, at: Instant) -> u64 {
        self.ticks_until(at) + 1
    }

    /// Whole ticks; without the division of 128 bits that nanoseconds would ask for.
    fn ticks_until(&self, at: Instant) -> u64 {
        let time = at.saturating_duration_since(self.start);
        time.as_secs() * TICKS_PER_SECOND + u64::from(time.subsec_millis() / TICK_MILLIS)
    }

    /// Takes out every seat whose tick has come.
    pub fn expire(&mut self, now: Instant, out: &mut Vec<ConnectionId>) {
        let current = self.ticks_until(now);
        if current < self.tick {
            return;
        }
        // After a long sleep every slot is looked at once, and not once per missed turn of the wheel.
        let first = self.tick.max((current + 1).saturating_sub(SLOTS as u64));
        for tick in first..=current {
            let slot = &mut self.slots[tick as usize % SLOTS];
            self.entries -= slot.len();
            out.append(slot);
        }
        self.tick = self.tick.max(current + 1);
    }

    /// How long the poller may sleep; `None` when nobody has a deadline.
    pub fn wait(&mut self, now: Instant) -> Option<Duration> {
        self.soonest = self.soonest.max(self.tick);
        if self.entries == 0 {
            return None;
        }
        let mut ahead = self.soonest..self.tick + SLOTS as u64;
        self.soonest = ahead.find(|tick| !self.slots[*tick as usize % SLOTS].is_empty())?;
        let at = self.start + Duration::from_millis(self.soonest * u64::from(TICK_MILLIS));
        Some(at.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> ConnectionId {
        ConnectionId::new(n, 1)
    }

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
    fn the_wheel_gives_every_seat_back_once_and_never_early() {
        let start = Instant::now();
        let mut wheel = Wheel::new(start);
        let at = |ms: u64| start + Duration::from_millis(ms);
        for n in 0..100u32 {
            wheel.enter(id(n), at(u64::from(n) * 37));
        }
        wheel.enter(id(999), at(10_000_000));
        let mut seen = Vec::new();
        for ms in (0..5000).step_by(50) {
            let from = seen.len();
            wheel.expire(at(ms), &mut seen);
            assert!(seen[from..].iter().all(|s| s.index() == 999 || u64::from(s.index()) * 37 <= ms));
        }
        assert_eq!(seen.len(), 100);
        // The far one waits in the last slot, and comes up to be entered again.
        assert!(wheel.wait(at(5000)).unwrap() < Duration::from_millis(SLOTS as u64 * u64::from(TICK_MILLIS)));
        wheel.expire(at(9_000_000), &mut seen);
        assert_eq!((seen.len(), wheel.wait(at(9_000_000))), (101, None));
    }
}
