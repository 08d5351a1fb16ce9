//! The collector: takes the records of all loops, explains each connection, and passes the events on in order.
//!
//! It runs in a thread of its own and has no effect on the server. If the reader of the events is slow, this thread
//! waits for it; then recorders drop records and count them, and the events say how many.
//!
//! - It is not known to which connections dropped records belonged. Connections that were open then are not followed
//!   further, since bytes with a hole in them would be explained wrongly. Only their end is still reported, unless that
//!   was dropped too.
//! - A client with two connections may be served by two loops, whose batches arrive in any order. Of all batches that
//!   wait, the oldest is reported next.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::wire::explain::ExplainOptions;
use crate::wire::record::event::{EventKind, Tags, WireEvent};
use crate::wire::record::live::{LiveConnection, closed};
use crate::wire::record::recorder::{Batch, RecordReceiver, SocketEvent};

/// How long the thread sleeps when nothing happens: too short for a person to notice.
const IDLE: Duration = Duration::from_millis(20);
/// Most batches whose events are passed on together: fewer writes, and a limit on their memory.
const BATCHES: usize = 16;
/// Most connections that are not followed further and whose end is awaited. Those whose end was dropped would stay
/// forever.
const LOST: usize = 4096;

/// The connections of one loop.
#[derive(Debug)]
struct LoopRecords {
    /// Its batches come in the order in which the loop recorded them.
    receiver: RecordReceiver,
    /// Received, and not reported yet.
    waiting: Option<Batch>,
    /// The open connections, by number.
    live: BTreeMap<u64, LiveConnection>,
    /// Connections that are not followed further, and when they were accepted.
    lost: BTreeMap<u64, Duration>,
}

/// The connections of one server.
#[derive(Debug)]
pub struct Collector {
    /// How each connection is explained.
    options: ExplainOptions,
    /// The start of the recording, since 1970.
    start: Duration,
    /// One for each event loop that has not ended.
    loops: Vec<LoopRecords>,
}

impl Collector {
    /// A collector of recorders whose times count from `start`.
    pub fn new(receivers: Vec<RecordReceiver>, start: SystemTime, options: ExplainOptions) -> Collector {
        // A clock before 1970 is set wrong. The times of day are wrong then, and nothing else.
        let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let loop_records =
            |receiver| LoopRecords { receiver, waiting: None, live: BTreeMap::new(), lost: BTreeMap::new() };
        Collector { options, start, loops: receivers.into_iter().map(loop_records).collect() }
    }

    /// Calls `report` with the events of some batches, in the order in which they happened, until the server has ended
    /// or `report` breaks.
    pub fn run(mut self, mut report: impl FnMut(&[WireEvent]) -> ControlFlow<()>) {
        let mut events = Vec::new();
        while !self.loops.is_empty() {
            let mut is_idle = true;
            for _ in 0..BATCHES {
                let Some((index, batch)) = self.take_oldest() else { break };
                is_idle = false;
                self.explain(index, batch, &mut events);
            }
            if is_idle && let Some(first) = self.loops.first_mut() {
                // One loop is waited for, and only if none had a batch. Its batch is not reported at once: those that
                // the others have by then may be older.
                first.waiting = first.receiver.receive(IDLE).ok();
            }
            if !events.is_empty() {
                // The reader is gone. The receivers are dropped, so the recorders drop what they record from now on.
                if report(&events).is_break() {
                    return;
                }
                events.clear();
            }
        }
    }

    /// Takes the batch that begins first of all that wait, with the index of its loop. Forgets loops that have ended.
    fn take_oldest(&mut self) -> Option<(usize, Batch)> {
        self.loops.retain_mut(|records| {
            if records.waiting.is_none() {
                // One batch of each loop is enough to compare: those of one loop are in order.
                match records.receiver.receive(Duration::ZERO) {
                    Ok(batch) => records.waiting = Some(batch),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            }
            true
        });
        // A batch without records only says that some were dropped; it comes first.
        let begin = |batch: &Batch| batch.iter().next().map(|(record, _)| record.at);
        let waiting = self.loops.iter().enumerate().filter_map(|(n, l)| Some((begin(l.waiting.as_ref()?), n)));
        let (_, oldest) = waiting.min()?;
        Some((oldest, self.loops[oldest].waiting.take()?))
    }

    /// Appends the events of a batch.
    fn explain(&mut self, index: usize, batch: Batch, out: &mut Vec<WireEvent>) {
        let LoopRecords { receiver, live, lost, .. } = &mut self.loops[index];
        if batch.dropped > 0 {
            let kind = EventKind::Lost { events: batch.dropped, open: live.len() };
            out.push(WireEvent::without_connection(kind));
            // The time of acceptance is kept, since the time of the end counts from it.
            lost.extend(std::mem::take(live).iter().map(|(&number, connection)| (number, connection.accepted())));
            while lost.len() > LOST {
                lost.pop_first();
            }
        }
        for (record, bytes) in batch.iter() {
            let number = record.connection;
            if let SocketEvent::Accepted { .. } = record.event {
                live.insert(number, LiveConnection::new(number, record.at, self.start, &self.options));
            }
            if let Some(connection) = live.get_mut(&number)
                && !connection.explain(record, bytes, out)
            {
                // Its number is never used again.
                live.remove(&number);
            }
            if let SocketEvent::Closed { reason } = record.event
                && let Some(accepted) = lost.remove(&number)
            {
                // Nothing else is known of it: other tags would be guessed.
                let mut tags = Tags::default();
                tags.closed(reason);
                let (at, kind) = (record.at.saturating_sub(accepted), closed(reason, 0, 0));
                out.push(WireEvent { connection: number, at, tags, kind });
            }
        }
        receiver.recycle(batch);
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
    fn dropped_records_are_counted_and_no_connection_with_a_hole_is_explained() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        let accepted = SocketEvent::Accepted { peer };
        let closed = SocketEvent::Closed { reason: "NeverSpoke" };
        for connection in [1, 2] {
            recorder.record(connection, now, accepted.clone(), b"");
            recorder.record(connection, now, SocketEvent::Received(5), b"GET /");
        }
        recorder.hand_over();
        // More than may ever wait.
        recorder.record(1, now, SocketEvent::Received(WAITING), &vec![b'a'; WAITING]);
        recorder.record(1, now, SocketEvent::Received(5), b"GET /");
        recorder.record(3, now, accepted, b"");
        recorder.record(1, now, closed.clone(), b"");
        recorder.record(3, now, closed, b"");
        drop(recorder);
        let mut told: Vec<String> = Vec::new();
        let watch = Collector::new(
            vec![receiver],
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
    fn records_of_two_loops_are_told_in_the_order_in_which_they_happened() {
        let now = Instant::now();
        let moment = |millis| now + Duration::from_millis(millis);
        let peer = ([127, 0, 0, 1], 1).into();
        let ask = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let (mut recorders, receivers): (Vec<_>, Vec<_>) =
            (0..2).map(|_| recorder(now, std::sync::Arc::default())).unzip();
        // Connections after each other, as of a person who types commands; the second loop has most of them,
        // and the first.
        for (connection, of) in [(1, 1), (2, 1), (3, 1), (4, 0), (5, 1), (6, 0)] {
            let (recorder, at) = (&mut recorders[of], connection * 10);
            recorder.record(connection, moment(at), SocketEvent::Accepted { peer }, b"");
            recorder.record(connection, moment(at + 1), SocketEvent::Received(ask.len()), ask);
            recorder.hand_over();
            recorder.record(connection, moment(at + 2), SocketEvent::Closed { reason: "PeerClosed" }, b"");
            recorder.hand_over();
        }
        drop(recorders);
        let mut told = Vec::new();
        let watch = Collector::new(
            receivers,
            SystemTime::now(),
            ExplainOptions::live(Limits::default(), RedactOptions::default()),
        );
        watch.run(|events| {
            told.extend(events.iter().map(|told| told.connection));
            ControlFlow::Continue(())
        });
        assert_eq!(told.len(), 6 * 4);
        assert!(told.is_sorted(), "{told:?}");
    }

    #[test]
    fn a_view_that_is_not_read_ends_and_leaves_the_recorder_alone() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, std::sync::Arc::default());
        let peer = ([127, 0, 0, 1], 1).into();
        recorder.record(1, now, SocketEvent::Accepted { peer }, b"");
        recorder.hand_over();
        let watch = Collector::new(
            vec![receiver],
            SystemTime::now(),
            ExplainOptions::live(Limits::default(), RedactOptions::default()),
        );
        watch.run(|_| ControlFlow::Break(()));
        recorder.record(1, now, SocketEvent::Received(1), b"x");
        recorder.hand_over();
    }
}
