//! The wire thread: draws the reels empty, keeps one explanation for each connection, and tells events.
//!
//! Never: an effect on the server. If whoever reads the view is slow, this thread waits for them, the
//! tapes drop records and count them, and the view says how many.
//!
//! The subtle thing: after records were dropped nobody knows of which connections they were. What is
//! open then is told no further, since octets with a hole in them would be explained wrongly; only its end
//! is told, if that was not dropped too.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::annotate::Manner;
use super::event::{Event, Told};
use super::live::{Live, closed};
use super::tags::Tags;
use super::tape::{Batch, Reel, What};

/// How long the thread sleeps when nothing happens: a person does not notice it.
const PATIENCE: Duration = Duration::from_millis(20);

/// Connections told no further whose ends are waited for. Those of which the end was dropped stay until there are
/// so many of them.
const LOST: usize = 4096;

/// The connections of one loop.
#[derive(Debug)]
struct Loop {
    reel: Reel,
    lives: BTreeMap<u64, Live>,
    /// Those told no further, and when they were accepted.
    lost: BTreeMap<u64, Duration>,
}

/// The connections of one server.
#[derive(Debug)]
pub struct Watch {
    manner: Manner,
    /// Since 1970, of the moment from which the tapes count.
    began: Duration,
    loops: Vec<Loop>,
}

impl Watch {
    /// Of reels whose tapes began to count at `began`.
    pub fn new(reels: Vec<Reel>, began: SystemTime, manner: Manner) -> Watch {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let fresh = |reel| Loop { reel, lives: BTreeMap::new(), lost: BTreeMap::new() };
        Watch { manner, began, loops: reels.into_iter().map(fresh).collect() }
    }

    /// Tells everything that happens until the server is gone, or `tell` breaks off. It is called with
    /// the events of a batch.
    pub fn run(mut self, mut tell: impl FnMut(&[Told]) -> ControlFlow<()>) {
        let mut events = Vec::new();
        while !self.loops.is_empty() {
            let mut idle = true;
            let mut next = 0;
            while next < self.loops.len() {
                // Only one of them is waited for, and only when none had anything.
                match self.loops[next].reel.draw(Duration::ZERO) {
                    Err(_) => drop(self.loops.remove(next)),
                    Ok(None) => next += 1,
                    Ok(Some(batch)) => {
                        idle = false;
                        self.batch(next, batch, &mut events);
                        next += 1;
                    }
                }
            }
            if idle
                && let Some(first) = self.loops.first()
                && let Ok(Some(batch)) = first.reel.draw(PATIENCE)
            {
                self.batch(0, batch, &mut events);
            }
            if !events.is_empty() {
                if tell(&events).is_break() {
                    return;
                }
                events.clear();
            }
        }
    }

    fn batch(&mut self, at: usize, batch: Batch, out: &mut Vec<Told>) {
        let Loop { reel, lives, lost } = &mut self.loops[at];
        if batch.dropped > 0 {
            let lost_event = Event::Lost { events: batch.dropped, open: lives.len() };
            out.push(Told::apart(lost_event));
            lost.extend(std::mem::take(lives).iter().map(|(&connection, live)| (connection, live.accepted())));
            while lost.len() > LOST {
                lost.pop_first();
            }
        }
        for (record, octets) in batch.iter() {
            let connection = record.connection;
            if let What::Accepted { .. } = record.what {
                lives.insert(connection, Live::new(connection, record.at, self.began, &self.manner));
            }
            if let Some(live) = lives.get_mut(&connection)
                && !live.record(record, octets, out)
            {
                lives.remove(&connection);
            }
            if let What::Closed { reason, .. } = record.what
                && let Some(accepted) = lost.remove(&connection)
            {
                let at = record.at.saturating_sub(accepted);
                let mut tags = Tags::default();
                tags.closed(reason);
                out.push(Told { connection, at, tags, event: closed(reason, 0, 0) });
            }
        }
        reel.give_back(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::{WAITING, tape};
    use super::super::value::Hide;
    use super::*;
    use crate::http::Limits;
    use std::time::Instant;

    #[test]
    fn what_was_dropped_is_counted_and_nothing_with_a_hole_is_explained() {
        let now = Instant::now();
        let (mut tape, reel) = tape(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        let accepted = What::Accepted { peer, local: peer };
        let closed = What::Closed { reason: "NeverSpoke", sentence: "" };
        for connection in [1, 2] {
            tape.record(connection, now, accepted.clone(), b"");
            tape.record(connection, now, What::Received(5), b"GET /");
        }
        tape.hand_over();
        // More than may ever wait.
        tape.record(1, now, What::Received(WAITING), &vec![b'a'; WAITING]);
        tape.record(1, now, What::Received(5), b"GET /");
        tape.record(3, now, accepted, b"");
        tape.record(1, now, closed.clone(), b"");
        tape.record(3, now, closed, b"");
        drop(tape);
        let mut told: Vec<String> = Vec::new();
        let watch = Watch::new(vec![reel], SystemTime::now(), Manner::live(Limits::default(), Hide::default()));
        watch.run(|events| {
            told.extend(events.iter().map(|told| match &told.event {
                Event::Lost { events, open } => format!("lost {events}, {open} open"),
                Event::Accepted { .. } => format!("accepted {}", told.connection),
                Event::Closed { .. } => format!("closed {}", told.connection),
                _ => format!("talk {}", told.connection),
            }));
            ControlFlow::Continue(())
        });
        let expected =
            ["accepted 1", "talk 1", "accepted 2", "talk 2", "lost 1, 2 open", "accepted 3", "closed 1", "closed 3"];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_view_that_nobody_reads_ends_and_lets_the_tape_be() {
        let now = Instant::now();
        let (mut tape, reel) = tape(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        tape.record(1, now, What::Accepted { peer, local: peer }, b"");
        tape.hand_over();
        let watch = Watch::new(vec![reel], SystemTime::now(), Manner::live(Limits::default(), Hide::default()));
        watch.run(|_| ControlFlow::Break(()));
        tape.record(1, now, What::Received(1), b"x");
        tape.hand_over();
    }
}
