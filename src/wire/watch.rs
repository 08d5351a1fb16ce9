//! The wire thread: draws the reels empty, keeps one explanation for each connection, and tells events.
//!
//! Never: an effect on the server. If whoever reads the view is slow, this thread waits for them, the
//! tapes drop records and count them, and the view says how many.
//!
//! The subtle thing: after records were dropped nobody knows of which connections they were. What is
//! open then is told no further, since octets with a hole in them would be explained wrongly.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::annotate::Manner;
use super::event::{Event, Told};
use super::live::Live;
use super::tape::{Batch, Reel, What};

/// How long the thread sleeps when nothing happens: a person does not notice it.
const PATIENCE: Duration = Duration::from_millis(20);

/// The connections of one server.
#[derive(Debug)]
pub struct Watch {
    manner: Manner,
    /// Since 1970, of the moment from which the tapes count.
    began: Duration,
    reels: Vec<(Reel, BTreeMap<u64, Live>)>,
}

impl Watch {
    /// Of reels whose tapes began to count at `began`.
    pub fn new(reels: Vec<Reel>, began: SystemTime, manner: Manner) -> Watch {
        let began = began.duration_since(UNIX_EPOCH).unwrap_or_default();
        Watch { manner, began, reels: reels.into_iter().map(|reel| (reel, BTreeMap::new())).collect() }
    }

    /// Tells everything that happens until the server is gone, or `tell` breaks off. It is called with
    /// the events of a batch.
    pub fn run(mut self, mut tell: impl FnMut(&[Told]) -> ControlFlow<()>) {
        let mut events = Vec::new();
        while !self.reels.is_empty() {
            let mut idle = true;
            let mut next = 0;
            while next < self.reels.len() {
                // Only one of them is waited for, and only when none had anything.
                match self.reels[next].0.draw(Duration::ZERO) {
                    Err(_) => drop(self.reels.remove(next)),
                    Ok(None) => next += 1,
                    Ok(Some(batch)) => {
                        idle = false;
                        self.batch(next, batch, &mut events);
                        next += 1;
                    }
                }
            }
            if idle
                && let Some((reel, _)) = self.reels.first()
                && let Ok(Some(batch)) = reel.draw(PATIENCE)
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
        let (reel, lives) = &mut self.reels[at];
        let holed = batch.dropped > 0;
        if holed {
            lives.clear();
            out.push(Told { connection: 0, at: Duration::ZERO, event: Event::Lost(batch.dropped) });
        }
        for (record, octets) in batch.iter() {
            if let What::Accepted { .. } = record.what {
                let live = Live::new(record.connection, record.at, self.began, &self.manner);
                lives.insert(record.connection, live);
            }
            if let Some(live) = lives.get_mut(&record.connection)
                && !live.record(record, octets, out)
            {
                lives.remove(&record.connection);
            }
        }
        if holed {
            // The hole may lie in the middle of this batch.
            lives.clear();
        }
        reel.give_back(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tape::tape;
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
        tape.record(1, now, accepted.clone(), b"");
        tape.record(1, now, What::Received(5), b"GET /");
        tape.hand_over();
        let mut told: Vec<String> = Vec::new();
        let watch = Watch::new(vec![reel], SystemTime::now(), Manner::live(Limits::default(), Hide::default()));
        // More than the reader may leave behind, then one that says so.
        for _ in 0..20 {
            tape.record(1, now, What::Received(5), b"GET /");
            tape.hand_over();
        }
        let handle = std::thread::spawn(move || {
            watch.run(|events| {
                told.extend(events.iter().map(|told| match &told.event {
                    Event::Lost(lost) => format!("lost {lost}"),
                    Event::Accepted { .. } => format!("accepted {}", told.connection),
                    Event::Closed { .. } => format!("closed {}", told.connection),
                    _ => "talk".into(),
                }));
                ControlFlow::Continue(())
            });
            told
        });
        // Until the reader has made room for all of a connection, the next one is dropped as well.
        let mut last = 2;
        loop {
            last += 1;
            tape.record(last, now, accepted.clone(), b"");
            tape.record(last, now, What::Closed { reason: "NeverSpoke", sentence: "" }, b"");
            tape.hand_over();
            if tape.is_heard() {
                break;
            }
            std::thread::yield_now();
        }
        drop(tape);
        let told = handle.join().unwrap();
        assert_eq!(told.first().map(String::as_str), Some("accepted 1"));
        assert!(told.iter().any(|line| line.starts_with("lost ")), "{told:?}");
        let expected = [format!("accepted {last}"), format!("closed {last}")];
        assert_eq!(&told[told.len() - 2..], expected, "{told:?}");
        assert!(!told.contains(&"closed 1".to_string()));
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
