//! The content side of a client: what happens with bytes of content as they arrive.
//!
//! Never: the socket, the response. It says whether it can take more, and what has to be handed to a
//! worker next.
//!
//! The subtle thing is the ping-pong of blocks. A sink works on a worker, one block at a time; while a
//! block is away a second one fills, and when that is full too the socket is not read any more: the
//! kernel's window closes and TCP itself is the flow control. A waiting upload therefore costs a seat
//! and two blocks, never a thread.

use std::time::Instant;

use crate::http::{Framing, Request};
use crate::net::connection::receive_stats::ReceiveStats;
use crate::service::answer::{ContentJob, ReceivedJob};
use crate::service::{Job, Meter, Outcome, Received, Sink};

/// Bytes of a block. Measured on an upload of 256 MiB: with 256 KiB the server needs a fifth more CPU.
pub const BLOCK: usize = 1024 * 1024;
/// From here on a block is handed over if its sink has nothing to do: a slow client fills no more of it,
/// and what is never filled is never memory.
const READY: usize = 512 * 1024;
/// Room a collected content starts with.
const COLLECT_START: usize = 4 * 1024;

/// What happens with content. Boxed where it is large: an idle client has none, and there may be
/// ten thousand of them.
pub enum Intake {
    /// None is expected, or it is not read yet.
    Nothing,
    /// It is read and dropped.
    Discarding,
    /// It is kept for one job.
    Collecting(Box<Collecting>),
    /// It goes to a sink, block by block.
    Receiving(Box<Receiving>),
}

impl std::fmt::Debug for Intake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Intake::Nothing => "Nothing",
            Intake::Discarding => "Discarding",
            Intake::Collecting(_) => "Collecting",
            Intake::Receiving(_) => "Receiving",
        })
    }
}

impl Intake {
    /// Bytes of content that have come, where there may be more than a few.
    pub(crate) fn content(&self) -> u64 {
        if let Intake::Receiving(receiving) = self { receiving.received } else { 0 }
    }
}

/// Content that is kept.
pub struct Collecting {
    pub(crate) limit: u64,
    pub(crate) bytes: Vec<u8>,
    /// The same as it came, if that is wanted.
    framed: Vec<u8>,
    then: Then,
    pub(crate) request: Box<Request<'static>>,
}

/// What is done with collected content.
pub(crate) enum Then {
    Content(ContentJob),
    Received(ReceivedJob),
}

impl Collecting {
    pub(crate) fn new(limit: u64, then: Then, request: Request<'static>) -> Collecting {
        let bytes = Vec::with_capacity(COLLECT_START);
        Collecting { limit, bytes, framed: Vec::new(), then, request: Box::new(request) }
    }

    /// Takes bytes; `false` when there are too many.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit || !self.fits() {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Takes bytes of content as it is framed.
    pub(crate) fn take_framed(&mut self, bytes: &[u8]) {
        if let Then::Received(_) = self.then {
            self.framed.extend_from_slice(bytes);
        }
    }

    /// Whether the content as it came is within the limit.
    pub(crate) fn fits(&self) -> bool {
        self.framed.len() as u64 <= self.limit
    }

    /// What a worker has to do with it, and the request.
    pub(crate) fn finish(self) -> (Job, Box<Request<'static>>) {
        let Collecting { bytes, framed, then, request, .. } = self;
        let job: Job = match then {
            Then::Content(then) => Box::new(move || Outcome::Response(then(bytes))),
            Then::Received(then) => {
                let head = request.bytes().to_vec();
                Box::new(move || Outcome::Response(then(Received { head, framed, content: bytes })))
            }
        };
        (job, request)
    }
}

/// Content on its way to a sink.
pub struct Receiving {
    pub(crate) limit: u64,
    received: u64,
    /// The sink, unless it is with a worker.
    sink: Option<Box<dyn Sink>>,
    block: Vec<u8>,
    spare: Vec<u8>,
    opened: bool,
    complete: bool,
    pub(crate) receive_stats: ReceiveStats,
    pub(crate) request: Box<Request<'static>>,
}

/// What a worker has to do next.
pub enum Errand {
    /// Write this block.
    Write(Box<dyn Sink>, Vec<u8>),
    /// Write the last block, if it is not empty, tell how everything came, and finish.
    Finish(Box<dyn Sink>, Vec<u8>, Meter),
}

impl Receiving {
    pub(crate) fn new(limit: u64, request: Request<'static>, now: Instant) -> Receiving {
        Receiving {
            limit,
            received: 0,
            sink: None,
            block: Vec::new(),
            spare: Vec::new(),
            opened: false,
            complete: false,
            receive_stats: ReceiveStats::new(now),
            request: Box::new(request),
        }
    }

    /// Whether bytes of content can be taken: the sink is open and the block has room.
    pub(crate) fn has_room(&self) -> bool {
        self.opened && !self.complete && self.block.len() < BLOCK
    }

    /// Takes bytes; `false` when there are too many.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> bool {
        self.received += bytes.len() as u64;
        if self.received > self.limit {
            return false;
        }
        if self.block.capacity() == 0 {
            self.block.reserve_exact(BLOCK);
        }
        // The last bytes of a block may stand over it a little: never twice the room for that.
        self.block.reserve_exact(bytes.len());
        self.block.extend_from_slice(bytes);
        true
    }

    /// The block itself, so that bytes are received right where they are written from, which saves a
    /// copy. `None` while it is full, and when less content is due than it has room for: what follows the
    /// content must not get into it.
    pub(crate) fn lend(&mut self) -> Option<Vec<u8>> {
        let Framing::Length(length) = self.request.framing() else { return None };
        if !self.has_room() {
            return None;
        }
        if self.block.capacity() == 0 {
            self.block.reserve_exact(BLOCK);
        }
        let room = (self.block.capacity() - self.block.len()) as u64;
        (length.saturating_sub(self.received) >= room).then(|| std::mem::take(&mut self.block))
    }

    /// The block is back with `count` bytes more; `false` when there are too many.
    pub(crate) fn give_back(&mut self, block: Vec<u8>, count: usize) -> bool {
        self.block = block;
        self.received += count as u64;
        self.received <= self.limit
    }

    /// The content is complete.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// The sink is (back) here, with an emptied block.
    pub(crate) fn returned(&mut self, sink: Box<dyn Sink>, mut block: Vec<u8>) {
        block.clear();
        self.opened = true;
        self.sink = Some(sink);
        self.spare = block;
    }

    /// What a worker should do now, if the sink is here and there is enough to do.
    pub(crate) fn errand(&mut self) -> Option<Errand> {
        if !self.complete && self.block.len() < READY {
            return None;
        }
        let sink = self.sink.take()?;
        let block = std::mem::replace(&mut self.block, std::mem::take(&mut self.spare));
        Some(match self.complete {
            true => Errand::Finish(sink, block, self.receive_stats.meter()),
            false => Errand::Write(sink, block),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Event, Http1, Limits, Status};
    use crate::service::Response;

    struct Counter(usize);

    impl Sink for Counter {
        fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
            self.0 += bytes.len();
            Ok(())
        }

        fn finish(self: Box<Self>) -> Response {
            Response::text(Status::OK, self.0.to_string())
        }
    }

    fn receiving(limit: u64) -> Receiving {
        let mut connection = Http1::new(Limits::default());
        let bytes = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        let Event::Request(request, _) = connection.receive(bytes).event else { panic!("no request") };
        Receiving::new(limit, request.into_owned(), Instant::now())
    }

    #[test]
    fn two_blocks_and_no_more_wait_for_a_slow_sink() {
        let mut intake = receiving(u64::MAX);
        assert!(!intake.has_room(), "content is not read before its sink is open");
        intake.returned(Box::new(Counter(0)), Vec::new());
        assert!(intake.take(&vec![0; BLOCK]));
        let Some(Errand::Write(sink, first)) = intake.errand() else { panic!("a full block goes out") };
        assert!(intake.has_room() && intake.take(&vec![0; BLOCK]));
        assert!(!intake.has_room() && intake.errand().is_none(), "the second block waits for the first");
        intake.returned(sink, first);
        assert!(matches!(intake.errand(), Some(Errand::Write(_, block)) if block.len() == BLOCK));
    }

    #[test]
    fn bytes_are_received_into_the_block_only_as_long_as_nothing_else_can_get_in() {
        let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", BLOCK + 5);
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(head.as_bytes()).event else { panic!("no request") };
        let mut intake = Receiving::new(u64::MAX, request.into_owned(), Instant::now());
        assert!(intake.lend().is_none(), "content is not read before its sink is open");
        intake.returned(Box::new(Counter(0)), Vec::new());
        let mut block = intake.lend().unwrap();
        assert_eq!((block.len(), block.capacity()), (0, BLOCK));
        block.resize(BLOCK, 0);
        assert!(intake.give_back(block, BLOCK));
        assert!(intake.lend().is_none(), "it is full");
        assert!(intake.errand().is_some());
        assert!(intake.lend().is_none(), "the five that are left come the other way");
        assert!(receiving(5).lend().is_none());
    }

    #[test]
    fn the_end_is_handed_over_even_without_bytes_and_only_once() {
        let mut intake = receiving(5);
        intake.returned(Box::new(Counter(0)), Vec::new());
        assert!(intake.take(b"hello"));
        assert!(intake.errand().is_none());
        intake.complete();
        assert!(matches!(intake.errand(), Some(Errand::Finish(_, block, _)) if block == b"hello"));
        assert!(intake.errand().is_none());
        assert!(!intake.take(b"!"), "more than the limit");
    }
}
