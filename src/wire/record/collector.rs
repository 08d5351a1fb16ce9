//! The wire thread: draws the reels empty, keeps one explanation for each connection, and tells events.
//!
//! Never: an effect on the server. If whoever reads the view is slow, this thread waits for them, the
//! tapes drop records and count them, and the view says how many.
//!
//! The subtle things:
//! - After records were dropped nobody knows of which connections they were. What is open then is told no
//!   further, since bytes with a hole in them would be explained wrongly; only its end is told, if that was
//!   not dropped too.
//! - A client that asks twice may be served by two loops, and the reel that is drawn first is not always
//!   the one on which something happened first. Of all batches that wait, the oldest is told next.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::wire::explain::builder::ExplainOptions;
use crate::wire::record::event::{EventKind, WireEvent};
use crate::wire::record::live::{LiveConnection, closed};
use crate::wire::record::recorder::{Batch, RecordReceiver, SocketEvent};
use crate::wire::record::tags::Tags;

/// How long the thread sleeps when nothing happens: a person does not notice it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Batches that are told at once: fewer writes, and a bound on what they may become.
const ROUND: usize = 16;

/// Connections told no further whose ends are waited for. Those of which the end was dropped stay until there are
/// so many of them.
const LOST: usize = 4096;

/// The connections of one loop.
#[derive(Debug)]
struct Loop {
    reel: RecordReceiver,
    /// Drawn, and not told yet.
    waiting: Option<Batch>,
    lives: BTreeMap<u64, LiveConnection>,
    /// Those told no further, and when they were accepted.
    lost: BTreeMap<u64, Duration>,
}

/// The connections of one server.
#[derive(Debug)]
pub struct Collector {
    manner: ExplainOptions,
    /// Since 1970, of the moment from which the tapes count.
    began: Duration,
    loops: Vec<Loop>,
}

impl Collector {
    /// Of reels whose tapes began to count at `began`.
    pub fn new(reels: Vec<RecordReceiver>, began: SystemTime, manner: ExplainOptions) -> Collector {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let fresh = |reel| Loop { reel, waiting: None, lives: BTreeMap::new(), lost: BTreeMap::new() };
        Collector { manner, began, loops: reels.into_iter().map(fresh).collect() }
    }

    /// Tells everything that happens until the server is gone, or `tell` breaks off. It is called with
    /// the events of some batches, in the order in which they happened.
    pub fn run(mut self, mut tell: impl FnMut(&[WireEvent]) -> ControlFlow<()>) {
        let mut events = Vec::new();
        while !self.loops.is_empty() {
            let mut idle = true;
            for _ in 0..ROUND {
                let Some((next, batch)) = self.oldest() else { break };
                idle = false;
                self.batch(next, batch, &mut events);
            }
            if idle && let Some(first) = self.loops.first_mut() {
                // Only one of them is waited for, and only when none had anything. What the others have
                // by then may be older, so it is told with them.
                first.waiting = first.reel.receive(PATIENCE).ok();
            }
            if !events.is_empty() {
                if tell(&events).is_break() {
                    return;
                }
                events.clear();
            }
        }
    }

    /// The batch that begins first of all that wait, and whose it is. Forgets the loops that are gone.
    fn oldest(&mut self) -> Option<(usize, Batch)> {
        let is_over = |l: &mut Loop| {
            if l.waiting.is_none() {
                match l.reel.receive(Duration::ZERO) {
                    Ok(batch) => l.waiting = Some(batch),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return true,
                }
            }
            false
        };
        self.loops.retain_mut(|l| !is_over(l));
        let begin = |l: &Loop| l.waiting.as_ref().map(|batch| batch.iter().next().map(|(record, _)| record.at));
        let first = (0..self.loops.len()).filter_map(|n| Some((begin(&self.loops[n])?, n))).min();
        first.and_then(|(_, n)| Some((n, self.loops[n].waiting.take()?)))
    }

    fn batch(&mut self, at: usize, batch: Batch, out: &mut Vec<WireEvent>) {
        let Loop { reel, lives, lost, .. } = &mut self.loops[at];
        if batch.dropped > 0 {
            let lost_event = EventKind::Lost { events: batch.dropped, open: lives.len() };
            out.push(WireEvent::without_connection(lost_event));
            lost.extend(std::mem::take(lives).iter().map(|(&connection, live)| (connection, live.accepted())));
            while lost.len() > LOST {
                lost.pop_first();
            }
        }
        for (record, bytes) in batch.iter() {
            let connection = record.connection;
            if let SocketEvent::Accepted { .. } = record.event {
                lives.insert(connection, LiveConnection::new(connection, record.at, self.began, &self.manner));
            }
            if let Some(live) = lives.get_mut(&connection)
                && !live.record(record, bytes, out)
            {
                lives.remove(&connection);
            }
            if let SocketEvent::Closed { reason, .. } = record.event
                && let Some(accepted) = lost.remove(&connection)
            {
                let at = record.at.saturating_sub(accepted);
                let mut tags = Tags::default();
                tags.closed(reason);
                out.push(WireEvent { connection, at, tags, kind: closed(reason, 0, 0) });
            }
        }
        reel.recycle(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::value::RedactOptions;
    use crate::wire::record::recorder::{WAITING, recorder};
    use std::time::Instant;

    #[test]
    fn what_was_dropped_is_counted_and_nothing_with_a_hole_is_explained() {
        let now = Instant::now();
        let (mut tape, reel) = recorder(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        let accepted = SocketEvent::Accepted { peer, local: peer };
        let closed = SocketEvent::Closed { reason: "NeverSpoke", sentence: "" };
        for connection in [1, 2] {
            tape.record(connection, now, accepted.clone(), b"");
            tape.record(connection, now, SocketEvent::Received(5), b"GET /");
        }
        tape.hand_over();
        // More than may ever wait.
        tape.record(1, now, SocketEvent::Received(WAITING), &vec![b'a'; WAITING]);
        tape.record(1, now, SocketEvent::Received(5), b"GET /");
        tape.record(3, now, accepted, b"");
        tape.record(1, now, closed.clone(), b"");
        tape.record(3, now, closed, b"");
        drop(tape);
        let mut told: Vec<String> = Vec::new();
        let watch = Collector::new(
            vec![reel],
            SystemTime::now(),
            ExplainOptions::live(Limits::default(), RedactOptions::default()),
        );
        watch.run(|events| {
            told.extend(events.iter().map(|told| match &told.kind {
                EventKind::Lost { events, open } => format!("lost {events}, {open} open"),
                EventKind::Accepted { .. } => format!("accepted {}", told.connection),
                EventKind::Closed { .. } => format!("closed {}", told.connection),
                _ => format!("talk {}", told.connection),
            }));
            ControlFlow::Continue(())
        });
        let expected =
            ["accepted 1", "talk 1", "accepted 2", "talk 2", "lost 1, 2 open", "accepted 3", "closed 1", "closed 3"];
        assert_eq!(told, expected);
    }

    #[test]
    fn what_two_loops_recorded_is_told_in_the_order_in_which_it_happened() {
        let now = Instant::now();
        let moment = |millis| now + Duration::from_millis(millis);
        let peer = ([127, 0, 0, 1], 1).into();
        let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (mut tapes, reels): (Vec<_>, Vec<_>) = (0..2).map(|_| recorder(now, std::sync::Arc::default())).unzip();
        // Connections after each other, as of somebody who types commands; the second loop has most of them,
        // and the first.
        for (connection, of) in [(1, 1), (2, 1), (3, 1), (4, 0), (5, 1), (6, 0)] {
            let (tape, at) = (&mut tapes[of], connection * 10);
            tape.record(connection, moment(at), SocketEvent::Accepted { peer, local: peer }, b"");
            tape.record(connection, moment(at + 1), SocketEvent::Received(ask.len()), ask);
            tape.hand_over();
            tape.record(connection, moment(at + 2), SocketEvent::Closed { reason: "PeerClosed", sentence: "" }, b"");
            tape.hand_over();
        }
        drop(tapes);
        let mut told = Vec::new();
        let watch =
            Collector::new(reels, SystemTime::now(), ExplainOptions::live(Limits::default(), RedactOptions::default()));
        watch.run(|events| {
            told.extend(events.iter().map(|told| told.connection));
            ControlFlow::Continue(())
        });
        assert_eq!(told.len(), 6 * 4);
        assert!(told.is_sorted(), "{told:?}");
    }

    #[test]
    fn a_view_that_nobody_reads_ends_and_lets_the_tape_be() {
        let now = Instant::now();
        let (mut tape, reel) = recorder(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        tape.record(1, now, SocketEvent::Accepted { peer, local: peer }, b"");
        tape.hand_over();
        let watch = Collector::new(
            vec![reel],
            SystemTime::now(),
            ExplainOptions::live(Limits::default(), RedactOptions::default()),
        );
        watch.run(|_| ControlFlow::Break(()));
        tape.record(1, now, SocketEvent::Received(1), b"x");
        tape.hand_over();
    }
}
