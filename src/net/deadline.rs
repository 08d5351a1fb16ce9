//! Deadlines: how long each phase of a connection may take, and which connection is due next.
//!
//! | phase | deadline | reason |
//! |---|---|---|
//! | Idle | since the last response | a connection costs memory and counts against the limits |
//! | Head | absolute, from the first byte | a client that sends a byte now and then would keep any other clock alive (slowloris) |
//! | Content | the minimum rate in each window | the same, for uploads |
//! | Owed | none | it is the work of this server |
//! | Sending | a byte within the send timeout, the minimum rate over [`SENDING_WINDOWS`] | a reader that stops must not hold a file and a connection for ever |
//! | Lingering | absolute | the response is sent, and the client only has to close |
//!
//! ```text
//! accept     first byte    end of head      content complete    response begins     last byte in the kernel
//!   ├── Idle ──┼──── Head ────┼──── Content ────┼────── Owed ───────┼────── Sending ──────┼── Idle, or Lingering
//! ```
//!
//! The clock follows the phase at the end of a turn only. A request that arrives whole and is answered in the same turn
//! therefore never leaves Idle, and `Deadline::renew` gives it a new idle time.
//!
//! The loop calls `Connection::time_is_up` at the deadline. If `Deadline::is_over` confirms it, the connection gets
//! 408 (in Head and Content, if no response has begun) or is closed with the [`CloseReason`] of its phase.
//!
//! The clock is never read here: moments come in as arguments, read once per turn of the loop.
//!
//! [`CloseReason`]: crate::net::CloseReason

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::http::Phase;
use crate::net::connections::ConnectionId;

/// How long a server that stops waits for the first request on a new connection. A client sends it right after it has
/// connected, but the stop may come between the two.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_millis(250);

/// The window over which a rate is measured, if nothing else is asked for.
/// With the default rate, 20 KiB must move in each window of content.
pub const RATE_WINDOW: Duration = Duration::from_secs(20);
/// Windows over which a reader must keep the minimum rate. With the defaults: 80 KiB in 80 seconds. One window would be
/// too short: the receive window of a client opens in steps of up to 256 KiB.
pub const SENDING_WINDOWS: u32 = 4;
/// How often a reader is looked at in a window, and in the send timeout if that is shorter. Looks in which it has taken
/// nothing do not count for the rate: a pause has a limit of its own.
const LOOKS: u32 = 4;
/// How long a reader may take nothing while few further connections are allowed.
/// The send timeout of [`Timeouts`] counts if it is shorter.
pub const SEND_WHEN_SCARCE: Duration = Duration::from_secs(40);
/// How long a client may take to close after the last response. It reads that within a round trip or not at all.
pub const LINGER: Duration = Duration::from_secs(2);
/// A reader is fast when it has taken this many bytes, at this many bytes a second. Then more may wait in the kernel for
/// it, as much as it takes in a second. A slower one needs few turns as it is.
const FAST: (u64, u64) = (4 * 1024 * 1024, 2 * 1024 * 1024);
/// The idle time while few further connections are allowed. The idle time of [`Timeouts`] counts if it is shorter.
pub const IDLE_WHEN_SCARCE: Duration = Duration::from_secs(5);

/// How long a request may wait for a worker, a lookup or a listing. A disk that needs longer hangs, and a client that
/// gets 503 can come back.
pub const JOB_LIMIT: Duration = Duration::from_secs(10);

/// How long each phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// A whole head, from its first byte. The default is that of H2O; the slowest honest client sends its head in one
    /// round trip.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// How long a reader may take nothing, such as a video that is paused. It is ended after this time, or up to a
    /// quarter of a window later. Five minutes keep the connection during most pauses.
    pub send: Duration,
    /// Bytes per second that content must reach in each window, and a reader over [`SENDING_WINDOWS`] of them; 0 for
    /// no minimum.
    pub min_rate: u64,
    /// The length of a window.
    pub window: Duration,
    /// How long a request may wait until its job begins; where the job looks up, opens or lists, until it ends. Then the
    /// response is 503. Content that is written has no such limit: a large file takes as long as its disk needs.
    pub job: Duration,
    /// How long connections are accepted after a stop, while `/.health` says 503: a balancer must have time to see it.
    pub drain_delay: Duration,
    /// How long responses may go on after that.
    pub grace: Duration,
}

impl Timeouts {
    /// The defaults with these changes: `Timeouts::with(|it| it.head = Duration::from_secs(5))`.
    pub fn with(change: impl FnOnce(&mut Timeouts)) -> Timeouts {
        let mut settings = Timeouts::default();
        change(&mut settings);
        settings
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            send: Duration::from_secs(5 * 60),
            min_rate: 1024,
            window: RATE_WINDOW,
            job: JOB_LIMIT,
            drain_delay: Duration::ZERO,
            grace: Duration::from_secs(10),
        }
    }
}

impl Timeouts {
    /// The time between two looks at a reader.
    fn look(&self) -> Duration {
        self.window.min(self.send) / LOOKS
    }
}

/// The phase of a connection, and when it must end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    /// The phase whose clock runs. It may be older than that of the connection until the turn ends.
    phase: Phase,
    /// `None`: the phase may take any time.
    at: Option<Instant>,
    /// Bytes that moved since the window began.
    moved: u64,
    /// The looks at a reader that count for the rate, since that was last checked, and the bytes taken meanwhile.
    looks: u32,
    looked_bytes: u64,
    /// Since when a reader has taken nothing, as far as is known.
    silent_since: Instant,
    /// Bytes that the client's TCP had not acknowledged when the kernel was last asked, and those sent since.
    unacknowledged: u64,
    /// A request has come since the phase was entered, so entering the same phase again starts a new clock.
    renewed: bool,
}

impl Deadline {
    /// The deadline of a connection that has just been accepted.
    pub(crate) fn new(now: Instant, timeouts: &Timeouts, scarce: bool) -> Deadline {
        // When connections are scarce, idle ones give way sooner, and so do readers that take nothing.
        let idle = if scarce { timeouts.idle.min(IDLE_WHEN_SCARCE) } else { timeouts.idle };
        Deadline {
            phase: Phase::Idle,
            at: Some(now + idle),
            moved: 0,
            looks: 0,
            looked_bytes: 0,
            silent_since: now,
            unacknowledged: 0,
            renewed: false,
        }
    }

    /// The phase for which the clock runs.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When it must end.
    pub(crate) fn at(&self) -> Option<Instant> {
        self.at
    }

    /// Makes it earlier than it is, if it is later than this.
    pub(crate) fn end_by(&mut self, moment: Instant) {
        self.at = self.at.map(|at| at.min(moment));
    }

    /// A request is complete. One turn may receive the end of a head and the beginning of the next one, which needs a
    /// new clock.
    pub(crate) fn renew(&mut self) {
        self.renewed = true;
    }

    /// The connection is in `phase` now. A clock starts when its phase is entered, and anew with each request.
    pub(crate) fn enter(&mut self, phase: Phase, now: Instant, timeouts: &Timeouts, scarce: bool) {
        // The same phase keeps its clock: otherwise a client that sends a byte now and then would never be late.
        if phase == self.phase && !self.renewed {
            return;
        }
        // These two count for the whole connection, across its phases.
        let unacknowledged = self.unacknowledged;
        *self = Deadline { phase, unacknowledged, ..Deadline::new(now, timeouts, scarce) };
        // Each phase has its own clock: absolute ones for what needs one round trip, windows for what may be long.
        self.at = match phase {
            Phase::Idle => self.at,
            Phase::Head => Some(now + timeouts.head),
            Phase::Content => Some(now + timeouts.window),
            Phase::Sending => Some(now + timeouts.look()),
            Phase::Owed => None,
            Phase::Lingering => Some(now + LINGER),
        };
    }

    /// Bytes of content came from the client.
    pub(crate) fn progress(&mut self, bytes: u64) {
        self.moved += bytes;
    }

    /// Bytes of a response went into the kernel.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.moved += bytes;
        self.unacknowledged += bytes;
    }

    /// Whether a reader was sent much since the last look, and fast ([`FAST`]).
    pub(crate) fn is_fast(&self, now: Instant, timeouts: &Timeouts) -> bool {
        let (bytes, rate) = FAST;
        // The time of a look has a fixed length, so its beginning follows from its end.
        let began = self.at.and_then(|at| at.checked_sub(timeouts.look()));
        let Some(began) = began.filter(|_| self.phase == Phase::Sending && self.moved >= bytes) else { return false };
        let time = now.saturating_duration_since(began);
        // Multiplied and not divided: the time may be 0.
        u128::from(self.moved) * 1000 >= u128::from(rate) * time.as_millis()
    }

    /// Whether time is up. A window in which enough bytes moved starts anew instead. `queued` asks the kernel, where
    /// that is possible, how many bytes the client's TCP has not acknowledged yet.
    pub(crate) fn is_over(
        &mut self,
        now: Instant,
        timeouts: &Timeouts,
        scarce: bool,
        queued: impl FnOnce() -> Option<u32>,
    ) -> bool {
        // Owed: the server itself is slow, and the client must not pay for it.
        let Some(at) = self.at else { return false };
        if now < at {
            return false;
        }
        let window = if self.phase == Phase::Sending { timeouts.look() } else { timeouts.window };
        let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        // Computed with integers; a minimum of 0 makes every window long enough.
        let least = timeouts.min_rate.saturating_mul(millis) / 1000;
        let goes_on = match self.phase {
            Phase::Content => self.moved >= least,
            Phase::Sending => {
                let taken = self.taken(queued());
                let send = if scarce { timeouts.send.min(SEND_WHEN_SCARCE) } else { timeouts.send };
                self.still_reads(taken, now, send) && self.keeps_the_rate(taken, least, scarce)
            }
            // These are absolute: bytes do not help.
            Phase::Idle | Phase::Head | Phase::Owed | Phase::Lingering => false,
        };
        if goes_on {
            self.moved = 0;
            self.at = Some(now + window);
        }
        !goes_on
    }

    /// Bytes that the reader has taken since the last look. The first look of a later response also counts what was
    /// taken of earlier ones since the kernel was last asked.
    fn taken(&mut self, queued: Option<u32>) -> u64 {
        // What the socket takes comes in large steps, and its buffer takes much before the client takes anything.
        // What the client acknowledges is what it has room for. If TCP cannot be asked, the socket must do.
        let Some(queued) = queued else { return self.moved };
        let before = std::mem::replace(&mut self.unacknowledged, queued.into());
        before.saturating_sub(queued.into())
    }

    /// Whether a reader has not paused for longer than `send`.
    fn still_reads(&mut self, taken: u64, now: Instant, send: Duration) -> bool {
        // Perhaps it has stopped soon after the last look, but a pause is never counted too long.
        if taken > 0 {
            self.silent_since = now;
        }
        now.saturating_duration_since(self.silent_since) < send
    }

    /// Whether a reader has taken enough over several windows.
    fn keeps_the_rate(&mut self, taken: u64, least: u64, scarce: bool) -> bool {
        /// How many looks make up the windows.
        const CHECKED: u32 = SENDING_WINDOWS * LOOKS;
        // When connections are scarce a pause counts too: a byte now and then must not keep others out.
        if taken == 0 && !scarce {
            return true;
        }
        self.looks += 1;
        self.looked_bytes += taken;
        if self.looks < CHECKED {
            return true;
        }
        self.looks = 0;
        std::mem::take(&mut self.looked_bytes) >= least.saturating_mul(CHECKED.into())
    }
}

/// When each connection is due, with the earliest moment on top of a heap.
///
/// The deadline of a busy connection becomes later on every request, and a heap cannot move an entry. So an entry stays
/// where it is, and when its moment comes the loop looks at the real deadline and enters that. A connection stores the
/// moment of its earliest entry (`Connection::deadline_entry`); any other entry is dropped when its moment comes.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

impl Deadlines {
    pub(crate) fn enter(&mut self, id: ConnectionId, at: Instant) {
        self.heap.push(Reverse((at, id)));
    }

    /// The earliest moment.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes out the earliest entry, if its moment has come.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(ConnectionId, Instant)> {
        // Looked at before it is taken out: an entry that is not due keeps its place.
        self.next().filter(|at| *at <= now)?;
        self.heap.pop().map(|Reverse((at, id))| (id, at))
    }

    /// How many entries there are, those that do not count included.
    pub(crate) fn entries(&self) -> usize {
        self.heap.len()
    }

    /// Drops entries that do not count any more.
    pub(crate) fn retain(&mut self, mut counts: impl FnMut(ConnectionId, Instant) -> bool) {
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
            assert!(!deadline.is_over(now, &timeouts, false, || None));
        }
        assert!(deadline.is_over(start + timeouts.head, &timeouts, false, || None));
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
        // Bytes that are no request do not move it, idle or not.
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
        assert!(!deadline.is_over(start + RATE_WINDOW, &timeouts, false, || None));
        deadline.progress(20 * 1024 - 1);
        assert!(deadline.is_over(start + 2 * RATE_WINDOW, &timeouts, false, || None));
    }

    /// How many looks a reader lasts that takes these bytes before them, in turn and again and again; at most 100.
    /// `None`: the kernel cannot be asked then, and the socket takes nothing.
    fn looks_lasted(timeouts: &Timeouts, scarce: bool, taken: &[Option<u64>]) -> usize {
        // Megabytes that the socket buffers once are not taken by the client.
        const BUFFERED: u64 = 4 << 20;
        let mut now = Instant::now();
        let mut deadline = Deadline::new(now, timeouts, false);
        deadline.sent(BUFFERED);
        deadline.enter(Phase::Sending, now, timeouts, false);
        let survived = taken.iter().cycle().take(100).take_while(|taken| {
            now += timeouts.look();
            deadline.sent(taken.unwrap_or(0));
            deadline.enter(Phase::Sending, now, timeouts, scarce);
            !deadline.is_over(now, timeouts, scarce, || taken.map(|_| BUFFERED as u32))
        });
        survived.count()
    }

    #[test]
    fn a_reader_may_take_its_bytes_in_one_step_but_not_for_ever_one_by_one() {
        const KIB: u64 = 1024;
        // A look takes 5 s. The rate is checked after 16 of them, which are 80 s, or 80 KiB.
        for (taken, lasts, when_scarce) in [
            (&[1][..], 15, 15),
            (&[5 * KIB], 100, 100),
            (&[5 * KIB - 1], 15, 15),
            // 1 KiB a second in steps of 40 KiB, and 3 KiB a second in steps of 256 KiB.
            (&[40 * KIB, 0, 0, 0, 0, 0, 0, 0], 100, 100),
            (&[256 * KIB, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 100, 8),
            // Pauses count only when connections are scarce.
            (&[1, 0], 30, 15),
            (&[5 * KIB, 0], 100, 15),
        ] {
            let taken: Vec<_> = taken.iter().copied().map(Some).collect();
            let lasted = [false, true].map(|scarce| looks_lasted(&Timeouts::default(), scarce, &taken));
            assert_eq!(lasted, [lasts, when_scarce], "{taken:?}");
        }
        // Without a minimum any byte is enough.
        assert_eq!(looks_lasted(&Timeouts { min_rate: 0, ..Timeouts::default() }, false, &[Some(1)]), 100);
    }

    #[test]
    fn a_pause_may_last_for_the_send_timeout_and_a_short_time_when_connections_are_scarce() {
        let timeouts = Timeouts { min_rate: 0, ..Timeouts::default() };
        // The look after 300 s, or after 40 s, ends it.
        for taken in [Some(0), None] {
            assert_eq!([false, true].map(|scarce| looks_lasted(&timeouts, scarce, &[taken])), [59, 7], "{taken:?}");
        }
        // From the last byte on.
        let taken = [[Some(9); 10], [Some(0); 10]].concat();
        assert_eq!(looks_lasted(&timeouts, true, &taken), 17);
        // A short one is not made longer when connections are scarce.
        let timeouts = Timeouts { send: Duration::from_secs(4), ..timeouts };
        assert_eq!([false, true].map(|scarce| looks_lasted(&timeouts, scarce, &[Some(0)])), [3, 3]);
    }

    #[test]
    fn what_an_earlier_response_left_in_the_socket_is_credited_once() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        let mut now = start;
        let mut look = |deadline: &mut Deadline| {
            now += SEND_WHEN_SCARCE / 2;
            deadline.is_over(now, &timeouts, true, || Some(500))
        };
        deadline.sent(1 << 20);
        deadline.enter(Phase::Sending, start, &timeouts, false);
        assert!(!look(&mut deadline));
        deadline.enter(Phase::Idle, start + RATE_WINDOW, &timeouts, false);
        deadline.enter(Phase::Sending, start + RATE_WINDOW, &timeouts, false);
        // Nothing new since: this reader has been silent from the beginning.
        assert!(!look(&mut deadline));
        assert!(look(&mut deadline));
    }

    #[test]
    fn a_reader_that_takes_much_in_a_short_time_is_fast() {
        let (timeouts, start) = (Timeouts::default(), Instant::now());
        let mut deadline = Deadline::new(start, &timeouts, false);
        let at = |millis| start + Duration::from_millis(millis);
        let (bytes, rate) = FAST;
        deadline.sent(1 << 30);
        assert!(!deadline.is_fast(at(1), &timeouts), "the clock of Sending has not begun");
        deadline.enter(Phase::Sending, start, &timeouts, false);
        deadline.sent(bytes - 1);
        assert!(!deadline.is_fast(at(1), &timeouts));
        deadline.sent(1);
        let just = bytes * 1000 / rate;
        assert!(deadline.is_fast(at(0), &timeouts) && deadline.is_fast(at(just), &timeouts));
        assert!(!deadline.is_fast(at(just + 2), &timeouts));
    }

    #[test]
    fn scarce_connections_shorten_the_idle_time() {
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
