//! The content of a request: dropped, collected in memory, or streamed to a sink on a worker.
//!
//! A [`Sink`] takes one block at a time. While a worker writes one block, a second one is filled. When both are full
//! the socket is not read any more: the kernel's window closes, so TCP itself is the flow control. An upload to a slow
//! disk therefore costs one connection and two blocks, and no thread. When the memory for all blocks is short, they
//! are as large as what has come ([`crate::net::upload_memory`]).
//!
//! ```text
//! loop    fill A to 512 KiB │ fill B to 1 MiB │ no recv   │ fill A again
//! worker  idle              │ write A ───────────────────►│ write B ...
//! ```

use std::sync::Arc;
use std::time::Instant;

use crate::http::{Framing, Request, Status};
use crate::net::connection::{Connection, receive_stats::ReceiveStats, state::LoopContext};
use crate::net::upload_memory::{Block, Counted, Supply, UploadMemory};
use crate::net::workers::JobResult;
use crate::service::answer::{ContentJob, RawRequestJob};
use crate::service::error_page::{Problem, problem};
use crate::service::{Job, Lane, Outcome, RawRequest, ReceiveSummary, Response, Sink, Task};

/// Size of a block. Measured with an upload of 256 MiB: with 256 KiB the server needs a fifth more processor time.
const BLOCK: usize = 1024 * 1024;
/// A block is written when it has this many bytes and the sink is free. So a slow client never fills a whole block, and
/// the kernel needs no memory for the rest of it.
const READY: usize = 512 * 1024;
/// First size of the buffer for collected content.
const COLLECT_START: usize = 4 * 1024;

/// How the content of the request is used. Boxed where it is large, because an idle connection has none.
pub(super) enum RequestBody {
    /// There is none, or it is read and dropped.
    None,
    /// It is kept in memory for one job.
    Collected(Box<CollectedBody>),
    /// It goes to a sink, block by block.
    Streamed(Box<Upload>),
}

impl RequestBody {
    /// Bytes of content that were streamed so far.
    pub(super) fn streamed_bytes(&self) -> u64 {
        if let RequestBody::Streamed(upload) = self { upload.received } else { 0 }
    }
}

/// Content that is kept in memory.
pub(super) struct CollectedBody {
    /// Most bytes of content, and of the framed bytes if they are kept. The service sets it; more is a 413.
    limit: u64,
    bytes: Vec<u8>,
    /// The same with its framing, if the job needs that.
    framed: Option<Vec<u8>>,
    /// The memory of both.
    counted: Counted,
    job: RawRequestJob,
    /// Kept for an error page in place of the response.
    request: Box<Request<'static>>,
}

impl CollectedBody {
    /// For a job that gets the content alone.
    pub(super) fn new(limit: u64, job: ContentJob, request: Request<'static>) -> CollectedBody {
        CollectedBody { framed: None, ..CollectedBody::raw(limit, Box::new(|raw| job(raw.content)), request) }
    }

    /// For a job that gets the request as it came.
    pub(super) fn raw(limit: u64, job: RawRequestJob, request: Request<'static>) -> CollectedBody {
        let (bytes, framed, counted) = (Vec::with_capacity(COLLECT_START), Some(Vec::new()), Counted::default());
        CollectedBody { limit, bytes, framed, counted, job, request: Box::new(request) }
    }

    /// Takes content. Otherwise the response says why not.
    fn take(&mut self, bytes: &[u8], memory: &Arc<UploadMemory>) -> Result<(), Response> {
        // Checked before the bytes are kept: a client must not be able to fill the memory.
        if (self.bytes.len() + bytes.len()) as u64 > self.limit || !self.fits() {
            return Err(problem(&self.request, &Problem::too_large(self.limit)));
        }
        self.bytes.extend_from_slice(bytes);
        self.counted.grow(memory, self.bytes.capacity() + self.framed.as_ref().map_or(0, Vec::capacity));
        let busy = || problem(&self.request, &Problem::new(Status::SERVICE_UNAVAILABLE));
        (memory.supply() == Supply::Ample).then_some(()).ok_or_else(|| busy().with_note("no memory for content"))
    }

    /// Takes content with its framing.
    pub(super) fn take_framed(&mut self, bytes: &[u8]) {
        if let Some(framed) = &mut self.framed {
            framed.extend_from_slice(bytes);
        }
    }

    /// Whether the content with its framing is within the limit: a chunk-size line may be longer than its chunk.
    fn fits(&self) -> bool {
        self.framed.as_ref().map_or(0, Vec::len) as u64 <= self.limit
    }

    /// The job for a worker.
    fn finish(self) -> Job {
        let CollectedBody { bytes: content, framed, counted, job, request, .. } = self;
        // A job that shows a request exactly as it came also gets its head.
        let head = if framed.is_some() { request.bytes().to_vec() } else { Vec::new() };
        let raw = RawRequest { head, framed: framed.unwrap_or_default(), content };
        Box::new(move || {
            let response = job(raw);
            drop(counted);
            Outcome::Response(response)
        })
    }
}

/// Content on its way to a sink.
pub(super) struct Upload {
    /// Most bytes of content. The service sets it; more is a 413.
    limit: u64,
    /// Bytes of content so far, without framing.
    received: u64,
    /// The device number of the file system that it is stored on; 0 if it is not known.
    device: u64,
    /// `None` while a worker has it.
    sink: Option<Box<dyn Sink>>,
    /// The block that is being filled.
    block: Block,
    /// An empty block, unless a worker has it.
    spare: Block,
    progress: Progress,
    wait: Wait,
    pub(super) stats: ReceiveStats,
    request: Box<Request<'static>>,
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// A worker opens the sink; no content is read before.
    Opening,
    /// Content is read.
    Receiving,
    /// All content is here.
    Complete,
}

/// What must come before more content is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Nothing.
    None,
    /// The block goes to the disk, since memory is short.
    Disk,
    /// Other uploads give back memory.
    Memory,
    /// The same, and the loop knows.
    Queued,
}

/// The next job of an upload: write a block, and finish if it is the last one.
struct SinkJob {
    sink: Box<dyn Sink>,
    block: Block,
    /// With the last block.
    summary: Option<ReceiveSummary>,
}

impl SinkJob {
    fn run(mut self) -> JobResult {
        // The content may have ended just at the end of a block.
        let written = if self.block.bytes().is_empty() { Ok(()) } else { self.sink.write(self.block.bytes()) };
        match (written, self.summary) {
            (Ok(()), Some(summary)) => {
                self.sink.measured(&summary);
                JobResult::Outcome(Outcome::Response(self.sink.finish()))
            }
            // The block comes back to be filled again: allocating a megabyte is not free.
            (written, _) => JobResult::Wrote(written.map(|()| self.sink), self.block),
        }
    }
}

impl Upload {
    pub(super) fn new(limit: u64, device: u64, request: Request<'static>, now: Instant) -> Upload {
        // Without content there is nothing to wait for: the sink is finished as soon as it is open.
        let progress = if request.framing().has_content() { Progress::Opening } else { Progress::Complete };
        Upload {
            limit,
            received: 0,
            device,
            sink: None,
            block: Block::default(),
            spare: Block::default(),
            progress,
            wait: Wait::None,
            stats: ReceiveStats::new(now),
            request: Box::new(request),
        }
    }

    /// Whether content can be taken: the sink is open, the block is not full, and there is memory.
    pub(super) fn has_room(&self) -> bool {
        self.progress == Progress::Receiving && self.block.bytes().len() < BLOCK && self.wait == Wait::None
    }

    /// Decides whether more content may be read. Where memory is short, what can go to the disk has been handed over.
    fn look_at_memory(&mut self, supply: Supply) {
        self.wait = match supply {
            Supply::Ample => Wait::None,
            // One piece at a time: a worker has the one before.
            _ if !self.block.bytes().is_empty() => Wait::Disk,
            Supply::Tight => Wait::None,
            Supply::None if self.wait == Wait::Queued => Wait::Queued,
            Supply::None => Wait::Memory,
        };
    }

    /// Takes content; `false` when there is too much.
    fn take(&mut self, bytes: &[u8], memory: &Arc<UploadMemory>) -> bool {
        if self.received + bytes.len() as u64 > self.limit {
            return false;
        }
        self.hold_block(memory);
        self.block.extend(memory, bytes);
        self.received += bytes.len() as u64;
        true
    }

    /// Gets memory for content that is still to come, unless memory is short.
    fn hold_block(&mut self, memory: &Arc<UploadMemory>) {
        if self.block.capacity() == 0 {
            let due = match self.request.framing() {
                Framing::Length(length) => usize::try_from(length.saturating_sub(self.received)).unwrap_or(BLOCK),
                _ => BLOCK,
            };
            self.block = Block::hold(memory, due.min(BLOCK)).unwrap_or_default();
        }
    }

    /// The block itself, to receive into it without a copy. `None` if it is full, or if less content is due than it
    /// has room for: the next request must not get into it.
    pub(super) fn lend_block(&mut self, memory: &Arc<UploadMemory>) -> Option<Block> {
        // Chunked content has size lines between its data, so it must go through the parser.
        let Framing::Length(length) = self.request.framing() else { return None };
        if !self.has_room() {
            return None;
        }
        self.hold_block(memory);
        // The capacity may exceed [`BLOCK`] after a block that was overfilled, so it is read here. Without any, a `recv`
        // would look like the end of the connection.
        let free = (self.block.capacity() - self.block.bytes().len()) as u64;
        (free > 0 && length.saturating_sub(self.received) >= free).then(|| std::mem::take(&mut self.block))
    }

    /// The block is back with `count` bytes more; `false` when there are too many.
    pub(super) fn return_block(&mut self, block: Block, count: usize) -> bool {
        self.block = block;
        self.received += count as u64;
        self.received <= self.limit
    }

    /// The sink is here, for the first time or back from a worker, with a block to be filled again.
    fn sink_returned(&mut self, sink: Box<dyn Sink>, mut block: Block, supply: Supply) {
        block.bytes_mut().clear();
        // It stays complete if the content ended before the sink was open.
        if self.progress == Progress::Opening {
            self.progress = Progress::Receiving;
        }
        self.sink = Some(sink);
        // Where memory is short, it is given back.
        self.spare = if supply == Supply::Ample { block } else { Block::default() };
    }

    /// What a worker should do now, if the sink is here and there is enough to do.
    fn next_job(&mut self, supply: Supply) -> Option<SinkJob> {
        // Where memory is short, everything goes to the disk as it comes: what waits for its client may wait long.
        let enough = if supply == Supply::Ample { READY } else { 1 };
        if self.progress != Progress::Complete && self.block.bytes().len() < enough {
            return None;
        }
        // `None` while a worker has it: blocks are written one at a time, in order.
        let sink = self.sink.take()?;
        let block = std::mem::replace(&mut self.block, std::mem::take(&mut self.spare));
        let summary = (self.progress == Progress::Complete).then_some(self.stats.summary);
        Some(SinkJob { sink, block, summary })
    }
}

impl Connection {
    /// Begins to collect content.
    pub(super) fn collect(&mut self, collected: CollectedBody, framing: Framing, cx: &mut LoopContext) {
        self.body = RequestBody::Collected(Box::new(collected));
        self.http.write_continue(self.send_queue.buffer(&mut cx.spare_buffers));
        if !framing.has_content() {
            self.end_content(cx);
        }
    }

    /// Content has come.
    pub(super) fn take_content(&mut self, bytes: &[u8], cx: &mut LoopContext) {
        match &mut self.body {
            RequestBody::None => {}
            RequestBody::Collected(collected) => {
                if let Err(response) = collected.take(bytes, &cx.upload_memory) {
                    self.deliver(response, cx);
                }
            }
            RequestBody::Streamed(upload) => {
                let fits = upload.take(bytes, &cx.upload_memory);
                self.after_content(fits, cx);
            }
        }
    }

    /// Content of an upload was taken, or (`fits` is false) was too much: then the response is 413.
    pub(super) fn after_content(&mut self, fits: bool, cx: &mut LoopContext) {
        if fits {
            return self.run_sink_job(cx);
        }
        // Answered at once. What still comes of the content is dropped, up to a limit ([`Http1::sent`]).
        if let RequestBody::Streamed(upload) = &self.body {
            self.deliver(problem(&upload.request, &Problem::too_large(upload.limit)), cx);
        }
    }

    /// The content is complete.
    pub(super) fn end_content(&mut self, cx: &mut LoopContext) {
        match std::mem::replace(&mut self.body, RequestBody::None) {
            RequestBody::None => {}
            // Trailers come after the last content and count as well.
            RequestBody::Collected(collected) if !collected.fits() => {
                self.deliver(problem(&collected.request, &Problem::too_large(collected.limit)), cx);
            }
            RequestBody::Collected(collected) => {
                let job = collected.finish();
                self.submit_limited(Lane::Handler, move || JobResult::Outcome(job()), cx);
            }
            RequestBody::Streamed(mut upload) => {
                // The sink may be with a worker; then the last block follows when it is back.
                upload.progress = Progress::Complete;
                self.body = RequestBody::Streamed(upload);
                self.run_sink_job(cx);
            }
        }
    }

    /// The sink is open, or has written a block.
    pub(super) fn sink_returned(&mut self, sink: Box<dyn Sink>, block: Block, cx: &mut LoopContext) {
        match &mut self.body {
            RequestBody::Streamed(upload) => {
                upload.sink_returned(sink, block, cx.upload_memory.supply());
                self.run_sink_job(cx);
            }
            // The upload was refused while a worker had the sink. Dropping it removes the temporary file.
            _ => cx.jobs.discard(0, sink),
        }
    }

    /// Looks whether there is memory for more content of an upload.
    pub(super) fn look_at_memory(&mut self, cx: &mut LoopContext) {
        // What has come goes to the disk first, if memory has become short since.
        self.run_sink_job(cx);
        if let RequestBody::Streamed(upload) = &mut self.body {
            upload.look_at_memory(cx.upload_memory.supply());
        }
    }

    /// Whether the loop must put it into the list of those that wait for memory.
    pub(crate) fn needs_memory(&mut self) -> bool {
        match &mut self.body {
            RequestBody::Streamed(upload) if upload.wait == Wait::Memory => {
                upload.wait = Wait::Queued;
                true
            }
            _ => false,
        }
    }

    /// It is no longer in that list.
    pub(crate) fn leave_memory_queue(&mut self) {
        if let RequestBody::Streamed(upload) = &mut self.body {
            upload.wait = Wait::None;
        }
    }

    /// Hands the sink and its next block to a worker, if the sink is here and there is enough to do.
    fn run_sink_job(&mut self, cx: &mut LoopContext) {
        let RequestBody::Streamed(upload) = &mut self.body else { return };
        let Some(job) = upload.next_job(cx.upload_memory.supply()) else { return };
        let task = Task { device: upload.device, ..Lane::Write.into() };
        // It waits for as long as the disks of others keep the workers busy: TCP slows the client down.
        self.submit(task, move || job.run(), cx);
    }

    /// Drops the content of the request that has come so far.
    pub(super) fn drop_body(&mut self, cx: &mut LoopContext) {
        if let RequestBody::Streamed(upload) = std::mem::replace(&mut self.body, RequestBody::None) {
            // Dropping a sink removes its file, which may block. Its blocks are given back now.
            cx.jobs.discard(upload.device, upload.sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Event, Http1, Limits};

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

    fn new_upload(limit: u64) -> Upload {
        let mut http = Http1::new(Limits::default());
        let bytes = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
        let Event::Request(request, _) = http.receive(bytes).event else { panic!("no request") };
        Upload::new(limit, 0, request.into_owned(), Instant::now())
    }

    #[test]
    fn two_blocks_and_no_more_wait_for_a_slow_sink() {
        let (mut upload, memory) = (new_upload(u64::MAX), UploadMemory::new(8 * BLOCK));
        assert!(!upload.has_room(), "content is not read before its sink is open");
        upload.sink_returned(Box::new(Counter(0)), Block::default(), Supply::Ample);
        assert!(upload.take(&vec![0; BLOCK], &memory));
        let Some(SinkJob { sink, block: first, summary: None }) = upload.next_job(Supply::Ample) else {
            panic!("a full block goes out")
        };
        assert!(upload.has_room() && upload.take(&vec![0; BLOCK], &memory));
        assert!(!upload.has_room() && upload.next_job(Supply::Ample).is_none(), "the second block waits for the first");
        upload.sink_returned(sink, first, Supply::Ample);
        assert!(
            matches!(upload.next_job(Supply::Ample), Some(job) if job.block.bytes().len() == BLOCK && job.summary.is_none())
        );
    }

    #[test]
    fn bytes_are_received_into_the_block_only_as_long_as_nothing_else_can_get_in() {
        let head = format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", BLOCK + 5);
        let mut http = Http1::new(Limits::default());
        let Event::Request(request, _) = http.receive(head.as_bytes()).event else { panic!("no request") };
        let memory = UploadMemory::new(8 * BLOCK);
        let mut upload = Upload::new(u64::MAX, 0, request.into_owned(), Instant::now());
        assert!(upload.lend_block(&memory).is_none(), "content is not read before its sink is open");
        upload.sink_returned(Box::new(Counter(0)), Block::default(), Supply::Ample);
        let mut block = upload.lend_block(&memory).unwrap();
        assert_eq!((block.bytes().len(), block.capacity()), (0, BLOCK));
        block.bytes_mut().resize(BLOCK, 0);
        assert!(upload.return_block(block, BLOCK));
        assert!(upload.lend_block(&memory).is_none(), "it is full");
        assert!(upload.next_job(Supply::Ample).is_some());
        let mut rest = upload.lend_block(&memory).unwrap();
        assert_eq!(rest.capacity(), 5, "the next request must not get in");
        rest.bytes_mut().resize(5, 0);
        assert!(upload.return_block(rest, 5) && upload.lend_block(&memory).is_none());
        assert!(new_upload(5).lend_block(&memory).is_none());
    }

    #[test]
    fn the_end_is_handed_over_even_without_bytes_and_only_once() {
        let (mut upload, memory) = (new_upload(5), UploadMemory::new(8 * BLOCK));
        upload.sink_returned(Box::new(Counter(0)), Block::default(), Supply::Ample);
        assert!(upload.take(b"hello", &memory));
        assert!(upload.next_job(Supply::Ample).is_none());
        upload.progress = Progress::Complete;
        assert!(
            matches!(upload.next_job(Supply::Ample), Some(job) if job.block.bytes() == b"hello" && job.summary.is_some())
        );
        assert!(upload.next_job(Supply::Ample).is_none());
        assert!(!upload.take(b"!", &memory), "more than the limit");
    }
}
