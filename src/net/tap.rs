//! Records what the sockets of one loop carry, while the wire view is on.
//!
//! The tap stores what each system call returned, with its moment, and parses nothing: explaining is the work of
//! [`crate::wire`], on the recorded bytes.
//!
//! Mostly it is off. Then the loop has no tap, and each place that would record costs one branch. Without the Cargo
//! feature `wire` even that branch is compiled away (`tests/bench/tap.py` measures the difference).

use std::net::SocketAddr;
use std::time::Instant;

use crate::http::Http1;
use crate::net::stream::Stream;
use crate::net::{CloseReason, send_queue::Sent, tcp_info::SegmentCounter};
use crate::wire::{
    Recorder,
    record::recorder::{SocketEvent, gaps},
};

/// Records the connections of one loop.
#[derive(Debug)]
pub(crate) struct Tap {
    /// Gathers the events of a turn, and hands them over together.
    recorder: Recorder,
    /// `None` where the kernel cannot be asked; then the record has no counts of segments.
    segments: Option<SegmentCounter>,
}

impl Tap {
    pub(crate) fn new(recorder: Recorder) -> Tap {
        Tap { recorder, segments: SegmentCounter::new() }
    }

    /// A connection begins. Returns its number in every view.
    pub(crate) fn accepted(&mut self, now: Instant, peer: SocketAddr) -> u64 {
        let number = self.recorder.next_connection();
        self.recorder.record(number, now, SocketEvent::Accepted { peer }, &[]);
        number
    }

    /// The first bytes of this connection must be a PROXY header.
    pub(crate) fn proxy_header_due(&mut self, number: u64, now: Instant) {
        self.recorder.record(number, now, SocketEvent::ProxyHeaderDue, &[]);
    }

    /// A `recv` has returned these bytes. If the parser has read everything before them it is given, with the number
    /// of bytes of content it has passed: then the middle of long content need not be stored.
    pub(crate) fn received(
        &mut self,
        number: u64,
        socket: &Stream,
        peer: SocketAddr,
        bytes: &[u8],
        parser: Option<(&Http1, u64)>,
    ) {
        let gaps = parser.map(|(http, content)| gaps(http, content, bytes)).unwrap_or_default();
        // A turn of the loop may last long, so the clock is read for each call and not once per turn.
        let now = Instant::now();
        if let Some(segments) = &mut self.segments
            && !bytes.is_empty()
            && let Some(socket) = socket.tcp()
            && let Some(count) = segments.count(number, socket, peer, bytes.len())
        {
            self.recorder.record(number, now, SocketEvent::Segments(count), &[]);
        }
        self.recorder.record_received(number, now, bytes, gaps);
    }

    /// A `send` or a `sendfile` has taken these bytes.
    pub(crate) fn sent(&mut self, number: u64, sent: Sent<'_>) {
        let now = Instant::now();
        match sent {
            // The record copies the bytes, since the buffer is used again. Of a file it keeps the file, and reads the
            // bytes only if they are shown.
            Sent::Bytes(bytes) => self.recorder.record(number, now, SocketEvent::Sent(bytes.len()), bytes),
            Sent::Content { bytes, before } => self.recorder.record_content(number, now, bytes, before),
            Sent::File { file, from, len } => {
                self.recorder.record(number, now, SocketEvent::SentFile { file: file.clone(), from, len }, &[]);
            }
        }
    }

    pub(crate) fn closed(&mut self, number: u64, now: Instant, reason: CloseReason) {
        if let Some(segments) = &mut self.segments {
            segments.forget(number);
        }
        self.recorder.record(number, now, SocketEvent::Closed { reason: reason.name() }, &[]);
    }

    /// Hands over what this turn has recorded.
    pub(crate) fn hand_over(&mut self) {
        self.recorder.hand_over();
    }
}
