//! The collector: takes the records of all loops, explains each connection, and passes the events on in order.
//!
//! It runs in a thread of its own and has no effect on the server. If the reader of the events is slow, this thread
//! waits for it; then recorders drop records and count them, and the events say how many.
//!
//! - Messages under way are reported as they grow, but not for each call: then a long upload would cost more than the
//!   recording of it.
//! - The open connections of all loops have a share of the memory. When it is full, none of them is followed further, as
//!   after records that were dropped.
//! - It is not known to which connections dropped records belonged. Connections that were open then are not followed
//!   further, since bytes with a hole in them would be explained wrongly. Only their end is still reported, unless that
//!   was dropped too.
//! - A client with two connections may be served by two loops, whose batches arrive in any order. Of all batches that
//!   wait, the oldest is reported next.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::explain::ExplainOptions;
use crate::wire::record::event::{EventKind, Tags, WireEvent};
use crate::wire::record::live::{LiveConnection, closed};
use crate::wire::record::memory::WireMemory;
use crate::wire::record::recorder::{Batch, Record, RecordReceiver, SocketEvent};

/// How long the thread sleeps when nothing happens: too short for a person to notice.
const IDLE: Duration = Duration::from_millis(20);
/// Most batches whose events are passed on together: fewer writes, and a limit on their memory.
const BATCHES: usize = 16;
/// Events that are passed on together at most, but for those of one record.
const EVENTS: usize = 1024;
/// Least time between two looks at the messages under way: a person sees no difference.
const LOOK: Duration = Duration::from_millis(50);
/// The part of its time, one in so many, that the thread needs for these looks at most: the records come first.
const LOOK_SHARE: u32 = 10;
/// Messages under way that are passed on together at most: each may have a head of the greatest length.
const LOOKED_AT: usize = 16;
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
    /// Bytes of memory of these.
    live_size: usize,
    /// Those of which records came since the last look at the messages under way.
    changed: BTreeSet<u64>,
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
    /// The most bytes of memory of the open connections of one loop.
    most_live: usize,
    /// When the next look at the messages under way is due.
    next_look: Instant,
    /// One for each event loop that has not ended.
    loops: Vec<LoopRecords>,
}

impl Collector {
    /// A collector of recorders whose times count from `start`.
    pub fn new(
        receivers: Vec<RecordReceiver>,
        memory: WireMemory,
        start: SystemTime,
        options: ExplainOptions,
    ) -> Collector {
        // A clock before 1970 is set wrong. The times of day are wrong then, and nothing else.
        let start = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let most_live = memory.connections() / receivers.len().max(1);
        let loop_records = |receiver| LoopRecords {
            receiver,
            waiting: None,
            live: BTreeMap::new(),
            live_size: 0,
            changed: BTreeSet::new(),
            lost: BTreeMap::new(),
        };
        let next_look = Instant::now();
        Collector { options, start, most_live, next_look, loops: receivers.into_iter().map(loop_records).collect() }
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
                // A batch may have many more bytes of events than of records.
                if self.explain(index, batch, &mut events, &mut report).is_break() {
                    return;
                }
            }
            if self.look(&mut events, &mut report).is_break() {
                return;
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

    /// Appends what is known of the messages under way that have changed: at most once for each of them in [`LOOK`],
    /// however many calls there were.
    fn look(
        &mut self,
        out: &mut Vec<WireEvent>,
        report: &mut impl FnMut(&[WireEvent]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let began = Instant::now();
        if began < self.next_look {
            return ControlFlow::Continue(());
        }
        for records in &mut self.loops {
            for number in std::mem::take(&mut records.changed) {
                records.update(number, |connection| connection.report_under_way(out));
                if out.len() >= LOOKED_AT {
                    report(out)?;
                    out.clear();
                }
            }
        }
        let now = Instant::now();
        self.next_look = now + LOOK.max((now - began) * (LOOK_SHARE - 1));
        ControlFlow::Continue(())
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

    /// Appends the events of a batch; passes them on when they are many.
    fn explain(
        &mut self,
        index: usize,
        batch: Batch,
        out: &mut Vec<WireEvent>,
        report: &mut impl FnMut(&[WireEvent]) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let records = &mut self.loops[index];
        if batch.dropped > 0 {
            records.lose(batch.dropped, out);
        }
        for (record, bytes) in batch.iter() {
            let number = record.connection;
            if let SocketEvent::Accepted { .. } = record.event {
                records.follow(number, LiveConnection::new(number, record.at, self.start, &self.options));
            }
            records.explain(record, bytes, out);
            if records.live_size > self.most_live {
                records.lose(0, out);
            }
            if let SocketEvent::Closed { reason } = record.event
                && let Some(accepted) = records.lost.remove(&number)
            {
                // Nothing else is known of it: other tags would be guessed.
                let mut tags = Tags::default();
                tags.closed(reason);
                let (at, kind) = (record.at.saturating_sub(accepted), closed(reason, 0, 0));
                out.push(WireEvent { connection: number, at, tags, kind });
            }
            if out.len() >= EVENTS {
                report(out)?;
                out.clear();
            }
        }
        records.receiver.recycle(batch);
        ControlFlow::Continue(())
    }
}

impl LoopRecords {
    /// Follows a connection from its beginning.
    fn follow(&mut self, number: u64, connection: LiveConnection) {
        self.live_size += connection.held_bytes();
        self.live.insert(number, connection);
    }

    /// Appends the events of one record.
    fn explain(&mut self, record: &Record, bytes: &[u8], out: &mut Vec<WireEvent>) {
        let number = record.connection;
        self.changed.insert(number);
        if self.update(number, |connection| connection.explain(record, bytes, out)) == Some(false)
            // Its number is never used again.
            && let Some(ended) = self.live.remove(&number)
        {
            self.live_size -= ended.held_bytes();
            self.changed.remove(&number);
        }
    }

    /// Lets `change` change a connection that is followed, and counts its memory anew.
    fn update<T>(&mut self, number: u64, change: impl FnOnce(&mut LiveConnection) -> T) -> Option<T> {
        let connection = self.live.get_mut(&number)?;
        let before = connection.held_bytes();
        let result = change(connection);
        self.live_size = self.live_size - before + connection.held_bytes();
        Some(result)
    }

    /// Follows no open connection further: records were dropped, or there is no memory for more.
    fn lose(&mut self, dropped: u64, out: &mut Vec<WireEvent>) {
        out.push(WireEvent::without_connection(EventKind::Lost { events: dropped, open: self.live.len() }));
        // The time of acceptance is kept, since the time of the end counts from it.
        let live = std::mem::take(&mut self.live);
        self.changed.clear();
        self.lost.extend(live.iter().map(|(&number, connection)| (number, connection.accepted())));
        self.live_size = 0;
        while self.lost.len() > LOST {
            self.lost.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Limits;
    use crate::wire::explain::value::RedactOptions;
    use crate::wire::record::memory::RecordMemory;
    use crate::wire::record::recorder::recorder;
    use std::sync::Arc;

    /// More than may ever wait.
    const TOO_MUCH: usize = 64 * 1024 * 1024;

    fn memory() -> Arc<RecordMemory> {
        RecordMemory::new(WireMemory::WITHOUT_HISTORY, 1)
    }

    #[test]
    fn dropped_records_are_counted_and_no_connection_with_a_hole_is_explained() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
        let peer = ([127, 0, 0, 1], 1).into();
        let accepted = SocketEvent::Accepted { peer };
        let closed = SocketEvent::Closed { reason: "NeverSpoke" };
        for connection in [1, 2] {
            recorder.record(connection, now, accepted.clone(), b"");
            recorder.record(connection, now, SocketEvent::Received(5), b"GET /");
        }
        recorder.hand_over();
        recorder.record(1, now, SocketEvent::Received(TOO_MUCH), &vec![b'a'; TOO_MUCH]);
        recorder.record(1, now, SocketEvent::Received(5), b"GET /");
        recorder.record(3, now, accepted, b"");
        recorder.record(1, now, closed.clone(), b"");
        recorder.record(3, now, closed, b"");
        drop(recorder);
        let mut told: Vec<String> = Vec::new();
        let watch = Collector::new(
            vec![receiver],
            WireMemory::WITHOUT_HISTORY,
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
            (0..2).map(|_| recorder(now, Arc::default(), memory())).unzip();
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
            WireMemory::WITHOUT_HISTORY,
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
    fn open_connections_that_are_explained_need_no_more_than_their_share() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
        let (peer, half) = (([127, 0, 0, 1], 1).into(), vec![b'a'; 10_000]);
        let share = WireMemory::LEAST.connections() / half.len();
        for connection in 1..=2 * share as u64 {
            recorder.record(connection, now, SocketEvent::Accepted { peer }, b"");
            recorder.record(connection, now, SocketEvent::Received(half.len()), &half);
        }
        recorder.record(1, now, SocketEvent::Closed { reason: "PeerClosed" }, b"");
        drop(recorder);
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let watch = Collector::new(vec![receiver], WireMemory::LEAST, SystemTime::now(), options);
        let (mut lost, mut last) = (Vec::new(), None);
        watch.run(|events| {
            lost.extend(events.iter().filter_map(|told| match told.kind {
                EventKind::Lost { events: 0, open } => Some(open),
                _ => None,
            }));
            last = events.last().map(|told| (told.connection, matches!(told.kind, EventKind::Closed { .. })));
            ControlFlow::Continue(())
        });
        assert!(!lost.is_empty() && lost.iter().all(|open| *open <= share), "{lost:?} of {share}");
        assert_eq!(last, Some((1, true)), "its end is told all the same");
    }

    /// Runs a collector in a thread. What it reports of messages under way comes out of the channel as sentences.
    fn watched() -> (crate::wire::Recorder, std::sync::mpsc::Receiver<String>) {
        let (recorder, receiver) = recorder(Instant::now(), Arc::default(), memory());
        let (tell, told) = std::sync::mpsc::channel();
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let watch = Collector::new(vec![receiver], WireMemory::WITHOUT_HISTORY, SystemTime::now(), options);
        std::thread::spawn(move || {
            watch.run(|events| {
                for event in events {
                    let _ = match &event.kind {
                        EventKind::UnderWay(timed) => tell.send(timed.message.under_way.unwrap().sentence()),
                        EventKind::Message(timed) => tell.send(format!("{} bytes", timed.message.len())),
                        _ => Ok(()),
                    };
                }
                ControlFlow::Continue(())
            });
        });
        (recorder, told)
    }

    const HEAD: &[u8] = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n";
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn a_drip_is_seen_byte_by_byte_in_both_directions() {
        let (mut recorder, told) = watched();
        let now = Instant::now();
        recorder.record(1, now, SocketEvent::Accepted { peer: ([127, 0, 0, 1], 1).into() }, b"");
        recorder.record(1, now, SocketEvent::Received(HEAD.len()), HEAD);
        recorder.hand_over();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "0 of 5,000,000 bytes");
        for n in 1..=3 {
            recorder.record(1, now, SocketEvent::Received(1), b"x");
            recorder.hand_over();
            // No other byte comes before this one is told.
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), format!("{n} of 5,000,000 bytes"));
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n";
        recorder.record(1, now, SocketEvent::Sent(answer.len()), answer);
        recorder.hand_over();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "3 of 5,000,000 bytes", "the request comes first");
        for told_last in ["0 of 3 bytes", "1 of 3 bytes", "2 of 3 bytes"] {
            assert_eq!(told.recv_timeout(PATIENCE).unwrap(), told_last);
            recorder.record(1, now, SocketEvent::Sent(1), b"x");
            recorder.hand_over();
        }
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), format!("{} bytes", answer.len() + 3));
    }

    #[test]
    fn an_upload_that_comes_fast_is_told_a_few_times_and_not_for_each_call() {
        const CALLS: usize = 20_000;
        let (mut recorder, told) = watched();
        let (began, piece) = (Instant::now(), [b'x'; 200]);
        recorder.record(1, began, SocketEvent::Accepted { peer: ([127, 0, 0, 1], 1).into() }, b"");
        recorder.record(1, began, SocketEvent::Received(HEAD.len()), HEAD);
        for _ in 0..CALLS {
            recorder.record(1, began, SocketEvent::Received(piece.len()), &piece);
            recorder.hand_over();
        }
        let mut count = 0;
        while told.recv_timeout(PATIENCE).unwrap() != "4,000,000 of 5,000,000 bytes" {
            count += 1;
        }
        let most = began.elapsed().as_millis() / LOOK.as_millis() + 2;
        assert!(count <= most, "{count} of {most}");
    }

    #[test]
    fn a_view_that_is_not_read_ends_and_leaves_the_recorder_alone() {
        let now = Instant::now();
        let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
        let peer = ([127, 0, 0, 1], 1).into();
        recorder.record(1, now, SocketEvent::Accepted { peer }, b"");
        recorder.hand_over();
        let watch = Collector::new(
            vec![receiver],
            WireMemory::WITHOUT_HISTORY,
            SystemTime::now(),
            ExplainOptions::live(Limits::default(), RedactOptions::default()),
        );
        watch.run(|_| ControlFlow::Break(()));
        recorder.record(1, now, SocketEvent::Received(1), b"x");
        recorder.hand_over();
    }
}
