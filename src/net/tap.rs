//! The tap: where bytes pass into a record, if somebody watches.
//!
//! Never: a parse, a text. What is recorded is what the system call returned, with its moment.
//!
//! The subtle thing: nobody watches in nearly every case, and that must cost nothing that could be measured:
//! one branch on an `Option` at each call. Without the Cargo feature `wire` not even that is there
//! (`tests/bench/tap.py` measures the difference).

#[cfg(feature = "wire")]
pub use recording::Tap;
#[cfg(not(feature = "wire"))]
pub use silent::Tap;

#[cfg(feature = "wire")]
mod recording {
    use std::net::SocketAddr;
    use std::time::Instant;

    use mio::net::TcpStream;

    use crate::http::Http1;
    use crate::net::close_reason::CloseReason;
    use crate::net::connection::body::Intake;
    #[cfg(target_os = "linux")]
    use crate::net::segments::Segments;
    use crate::net::send_part::Sent;
    use crate::wire::Recorder;
    use crate::wire::record::elide;
    use crate::wire::record::elide::Gap;
    use crate::wire::record::recorder::SocketEvent;

    /// What one loop records.
    #[derive(Debug, Default)]
    pub struct Tap(Option<Box<Record>>);

    #[derive(Debug)]
    struct Record {
        tape: Recorder,
        #[cfg(target_os = "linux")]
        segments: Option<Segments>,
    }

    impl Tap {
        /// Records from now on.
        pub fn record(&mut self, tape: Recorder) {
            self.0 = Some(Box::new(Record {
                tape,
                #[cfg(target_os = "linux")]
                segments: Segments::new(),
            }));
        }

        /// Whether somebody watches.
        #[inline]
        pub fn is_on(&self) -> bool {
            self.0.is_some()
        }

        /// A connection begins; its number in every view, 0 if there is none.
        #[inline]
        pub fn accepted(&mut self, now: Instant, peer: SocketAddr, local: SocketAddr) -> u64 {
            let Some(record) = &mut self.0 else { return 0 };
            let number = record.tape.next_connection();
            record.tape.record(number, now, SocketEvent::Accepted { peer, local }, &[]);
            number
        }

        /// A `recv` has returned these bytes; `machine` has read everything before them.
        #[cold]
        pub fn received(
            &mut self,
            number: u64,
            socket: &TcpStream,
            peer: SocketAddr,
            bytes: &[u8],
            machine: Option<&Http1>,
            intake: &Intake,
        ) {
            if let Some(record) = &mut self.0 {
                let gaps = machine.map(|machine| elide::gaps(machine, intake.content(), bytes));
                record.received(number, socket, peer, bytes, gaps.unwrap_or_default());
            }
        }

        /// A `send` or a `sendfile` has taken these bytes.
        #[cold]
        pub fn sent(&mut self, number: u64, sent: Sent<'_>) {
            if let Some(record) = &mut self.0 {
                record.sent(number, sent);
            }
        }

        /// A connection has ended.
        #[inline]
        pub fn closed(&mut self, number: u64, now: Instant, ended: CloseReason) {
            if let Some(record) = &mut self.0 {
                #[cfg(target_os = "linux")]
                if let Some(segments) = &mut record.segments {
                    segments.forget(number);
                }
                let closed = SocketEvent::Closed { reason: ended.name(), sentence: ended.explain() };
                record.tape.record(number, now, closed, &[]);
            }
        }

        /// Gives away what this turn has recorded.
        #[inline]
        pub fn hand_over(&mut self) {
            if let Some(record) = &mut self.0 {
                record.tape.hand_over();
            }
        }
    }

    impl Record {
        /// A turn of the loop may move many bytes: a recorded moment is read at its call.
        fn received(&mut self, number: u64, socket: &TcpStream, peer: SocketAddr, bytes: &[u8], gaps: Vec<Gap>) {
            let now = Instant::now();
            #[cfg(target_os = "linux")]
            if let Some(segments) = &mut self.segments
                && !bytes.is_empty()
                && let Some(count) = segments.of(number, socket, peer, bytes.len())
            {
                self.tape.record(number, now, SocketEvent::Segments(count), &[]);
            }
            #[cfg(not(target_os = "linux"))]
            let _ = (socket, peer);
            self.tape.record_received(number, now, bytes, gaps);
        }

        fn sent(&mut self, number: u64, sent: Sent<'_>) {
            let now = Instant::now();
            match sent {
                Sent::Bytes(bytes) => self.tape.record(number, now, SocketEvent::Sent(bytes.len()), bytes),
                Sent::File { file, from, len } => {
                    self.tape.record(number, now, SocketEvent::SentFile { file: file.clone(), from, len }, &[]);
                }
            }
        }
    }
}

#[cfg(not(feature = "wire"))]
mod silent {
    use std::net::SocketAddr;
    use std::time::Instant;

    use mio::net::TcpStream;

    use crate::http::Http1;
    use crate::net::close_reason::CloseReason;
    use crate::net::connection::body::Intake;
    use crate::net::send_part::Sent;
    use crate::wire::Recorder;

    /// Records nothing.
    #[derive(Debug, Default)]
    pub struct Tap(());

    impl Tap {
        /// Takes a tape on which nothing will be.
        pub fn record(&mut self, _: Recorder) {}

        /// Nobody watches.
        #[inline]
        pub fn is_on(&self) -> bool {
            false
        }

        /// A connection begins; it has no number.
        #[inline]
        pub fn accepted(&mut self, _: Instant, _: SocketAddr, _: SocketAddr) -> u64 {
            0
        }

        /// Nothing.
        #[inline]
        pub fn received(&mut self, _: u64, _: &TcpStream, _: SocketAddr, _: &[u8], _: Option<&Http1>, _: &Intake) {}

        /// Nothing.
        #[inline]
        pub fn sent(&mut self, _: u64, _: Sent<'_>) {}

        /// Nothing.
        #[inline]
        pub fn closed(&mut self, _: u64, _: Instant, _: CloseReason) {}

        /// Nothing.
        #[inline]
        pub fn hand_over(&mut self) {}
    }
}
