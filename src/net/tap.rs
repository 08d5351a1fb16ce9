//! Records what the sockets carry, if someone watches.
//!
//! The tap stores what each system call returned, with its moment, and parses nothing: explaining is the work of
//! [`crate::wire`], on the recorded bytes.
//!
//! Mostly no one watches, and then each call costs one branch on an `Option`. Without the Cargo feature `wire` even
//! that branch is compiled away (`tests/bench/tap.py` measures the difference).

use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;

use crate::http::Http1;
use crate::net::close_reason::CloseReason;
use crate::net::send_queue::Sent;
use crate::net::tcp_info::SegmentCounter;
use crate::wire::Recorder;
use crate::wire::record::elide;
use crate::wire::record::elide::Gap;
use crate::wire::record::recorder::SocketEvent;

/// Records the connections of one loop, or none.
#[derive(Debug, Default)]
pub struct Tap(Option<Box<Watch>>);

#[derive(Debug)]
struct Watch {
    recorder: Recorder,
    segments: Option<SegmentCounter>,
}

impl Tap {
    /// Records from now on.
    pub fn record(&mut self, recorder: Recorder) {
        self.0 = Some(Box::new(Watch { recorder, segments: SegmentCounter::new() }));
    }

    /// The condition is a constant without the feature, so the compiler drops all that depends on it.
    #[inline]
    fn watch(&mut self) -> Option<&mut Watch> {
        if cfg!(feature = "wire") { self.0.as_deref_mut() } else { None }
    }

    /// Whether anything is recorded.
    #[inline]
    pub fn is_on(&self) -> bool {
        cfg!(feature = "wire") && self.0.is_some()
    }

    /// A connection begins. Returns its number in every view; 0 if nothing is recorded.
    #[inline]
    pub fn accepted(&mut self, now: Instant, peer: SocketAddr, local: SocketAddr) -> u64 {
        let Some(watch) = self.watch() else { return 0 };
        let number = watch.recorder.next_connection();
        watch.recorder.record(number, now, SocketEvent::Accepted { peer, local }, &[]);
        number
    }

    /// A `recv` has returned these bytes. If the parser has read everything before them it is given, with the number
    /// of bytes of content it has passed: then the middle of long content need not be stored.
    #[cold]
    pub fn received(
        &mut self,
        number: u64,
        socket: &TcpStream,
        peer: SocketAddr,
        bytes: &[u8],
        parser: Option<(&Http1, u64)>,
    ) {
        let Some(watch) = self.watch() else { return };
        let gaps: Vec<Gap> = parser.map(|(http, content)| elide::gaps(http, content, bytes)).unwrap_or_default();
        // A turn of the loop may last long, so the clock is read for each call and not once per turn.
        let now = Instant::now();
        if let Some(segments) = &mut watch.segments
            && !bytes.is_empty()
            && let Some(count) = segments.count(number, socket, peer, bytes.len())
        {
            watch.recorder.record(number, now, SocketEvent::Segments(count), &[]);
        }
        watch.recorder.record_received(number, now, bytes, gaps);
    }

    /// A `send` or a `sendfile` has taken these bytes.
    #[cold]
    pub fn sent(&mut self, number: u64, sent: Sent<'_>) {
        let Some(watch) = self.watch() else { return };
        let now = Instant::now();
        match sent {
            // The record copies the bytes, since the buffer is used again. Of a file it keeps the file, and reads the
            // bytes only if they are shown.
            Sent::Bytes(bytes) => watch.recorder.record(number, now, SocketEvent::Sent(bytes.len()), bytes),
            Sent::File { file, from, len } => {
                watch.recorder.record(number, now, SocketEvent::SentFile { file: file.clone(), from, len }, &[]);
            }
        }
    }

    /// A connection has ended.
    #[inline]
    pub fn closed(&mut self, number: u64, now: Instant, reason: CloseReason) {
        let Some(watch) = self.watch() else { return };
        if let Some(segments) = &mut watch.segments {
            segments.forget(number);
        }
        let closed = SocketEvent::Closed { reason: reason.name(), sentence: reason.explain() };
        watch.recorder.record(number, now, closed, &[]);
    }

    /// Hands over what this turn has recorded.
    #[inline]
    pub fn hand_over(&mut self) {
        if let Some(watch) = self.watch() {
            watch.recorder.hand_over();
        }
    }
}
