//! Receiving: from `recv` to the events of the parser.
//!
//! Bytes go from the loop's buffer into the parser without being copied. Only what is left over (an incomplete head, a
//! request after one that is being answered) is copied into the connection's own buffer, which is dropped as soon as
//! it is parsed. Long content of an upload does not pass the loop's buffer at all: it is received into the block that
//! is written to the file.

use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::http::{EndOfInput, Event, Fault, Phase};
use crate::net::CloseReason;
use crate::net::connection::state::{FirstByte, LoopContext, NextBytes, Opening};
use crate::net::connection::{Connection, REQUESTS_PER_TURN, body::RequestBody};
use crate::net::upload_memory::Block;

/// Bytes read after an incomplete head. Few, since the rest of a head is short; the next `recv` makes room for more.
const READ_MORE: usize = 4 * 1024;
/// Most bytes of one `recv` while a head is due. The content after it cannot be used before a worker has opened the
/// file, so it is kept by the connection: with [`PIECE`](crate::net::upload_memory::PIECE), a thousand uploads that begin
/// at once would hold 64 MiB. Eight pipelined requests of a browser (9 KiB) still come in one `recv`.
const HEAD_PIECE: usize = 12 * 1024;

impl Connection {
    /// One `recv`, into the block of an upload, the loop's buffer, or the buffer with an incomplete head. Errors: why
    /// the connection has ended, when the socket has failed.
    pub(super) fn read(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        // Valid for this recv only: later bytes may have been sent after the turn began.
        let first_byte = std::mem::take(&mut self.first_byte);
        if self.unread.is_empty()
            && let RequestBody::Streamed(upload) = &mut self.body
            // Nothing is left over and the rest of the content fills the block: it can be received right there.
            && let Some(block) = upload.lend_block(&cx.upload_memory)
        {
            return self.read_content(block, cx);
        }
        if self.unread.is_empty() {
            let mut scratch = std::mem::take(&mut cx.scratch);
            let room = if self.http.content_is_due() { scratch.len() } else { HEAD_PIECE.min(scratch.len()) };
            let result = self.receive(&mut scratch[..room], true, cx);
            if let Ok(count) = result {
                // Most requests are used up here and leave nothing to copy.
                let used = self.parse(&scratch[..count], first_byte, cx);
                self.unread.extend_from_slice(&scratch[used..count]);
            }
            // Given back in any case: the next connection receives into it.
            cx.scratch = scratch;
            result.map(|_| ())
        } else {
            // Parsed by the next step of the turn, as one piece with what was there.
            let mut unread = std::mem::take(&mut self.unread);
            let kept = unread.len();
            unread.resize(kept + READ_MORE, 0);
            let result = self.receive(&mut unread[kept..], false, cx);
            unread.truncate(kept + *result.as_ref().unwrap_or(&0));
            self.unread = unread;
            result.map(|_| ())
        }
    }

    /// One `recv` into a block. All of it is content, because the block has room for no more than is due.
    fn read_content(&mut self, mut block: Block, cx: &mut LoopContext) -> Result<(), CloseReason> {
        // The spare capacity is not zeroed first: for a megabyte that would cost as much as the copy that is saved.
        let (before, capacity) = (block.bytes().len(), block.capacity());
        let recv = || recv(&self.socket, spare_capacity(block.bytes_mut()), RecvFlags::empty()).map(|(count, _)| count);
        let result = rustix::io::retry_on_intr(recv);
        let result = self.note_received(result, &block.bytes()[before..], capacity - before, true, cx);
        let bytes = &block.bytes()[before..];
        let count = bytes.len();
        if count > 0 {
            // The parser counts the bytes; it does not copy them.
            let used = self.http.receive(bytes).used;
            debug_assert_eq!(used, count, "something else than content");
            self.deadline.progress(count as u64);
        }
        if let RequestBody::Streamed(upload) = &mut self.body {
            let fits = upload.return_block(block, count);
            if count > 0 {
                self.after_content(fits, cx);
            }
        }
        result.map(|_| ())
    }

    /// One `recv` whose bytes are dropped.
    pub(super) fn discard(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        let mut scratch = std::mem::take(&mut cx.scratch);
        let result = self.receive(&mut scratch, false, cx);
        cx.scratch = scratch;
        result.map(|_| ())
    }

    /// Receives what is there. 0 means the end as well as "nothing now": [`Connection::input`] tells them apart.
    /// `all_parsed`: the parser has seen every byte before these.
    fn receive(&mut self, buffer: &mut [u8], all_parsed: bool, cx: &mut LoopContext) -> Result<usize, CloseReason> {
        let size = buffer.len();
        // Interrupted by a signal it must be repeated: the event does not come again.
        let result = rustix::io::retry_on_intr(|| recv(&self.socket, &mut *buffer, RecvFlags::empty()));
        self.note_received(result.map(|(count, _)| count), buffer, size, all_parsed, cx)
    }

    /// Records what a `recv` with room for `size` bytes has brought to the beginning of `bytes`, and changes the state.
    fn note_received(
        &mut self,
        result: Result<usize, Errno>,
        bytes: &[u8],
        size: usize,
        all_parsed: bool,
        cx: &mut LoopContext,
    ) -> Result<usize, CloseReason> {
        if let (Some(tap), Ok(count)) = (cx.tap(), result) {
            let parser = all_parsed.then(|| (&self.http, self.body.streamed_bytes()));
            tap.received(self.number, &self.socket, self.peer, &bytes[..count], parser);
        }
        // An error of the socket ends the connection; every other result is a state of the input.
        let received = match result {
            Ok(count) => Some(count),
            Err(Errno::WOULDBLOCK) => None,
            Err(errno) => return Err(self.socket_failed(errno)),
        };
        self.input = self.input.after_recv(received, size);
        let count = received.unwrap_or(0);
        if count > 0 {
            // A file that was looked at before these bytes came may have been changed by their sender.
            cx.arrivals.advance();
            if let RequestBody::Streamed(upload) = &mut self.body {
                // The turn may be long by now, and the stats show single calls: the clock is read.
                upload.stats.received(count, Instant::now());
            }
            self.received += count as u64;
            self.next_bytes = NextBytes::Unread;
        }
        Ok(count)
    }

    /// Parses bytes that were left over; what is left of them now stays.
    pub(super) fn parse_unread(&mut self, cx: &mut LoopContext) {
        let mut unread = std::mem::take(&mut self.unread);
        let used = self.parse(&unread, FirstByte::Unknown, cx);
        // Otherwise the buffer is dropped here, so an idle connection owns none.
        if used < unread.len() {
            unread.drain(..used);
            self.unread = unread;
        }
    }

    /// Hands bytes to the parser, and each event it finds to the code for it. Returns how many bytes were used.
    fn parse(&mut self, input: &[u8], mut first_byte: FirstByte, cx: &mut LoopContext) -> usize {
        if self.opening == Opening::ProxyHeader {
            return self.take_proxy_header(input, cx);
        }
        let mut used = 0;
        // An empty line before a request (RFC 9112 §2.2) may have been sent earlier than the request.
        if input.first() == Some(&b'\r') {
            first_byte = FirstByte::Unknown;
        }
        let requests = cx.counts.requests.get();
        while self.takes_events() && cx.counts.requests.get() - requests < REQUESTS_PER_TURN {
            let framed = &input[used..];
            let step = self.http.receive(framed);
            used += step.used;
            // Without a body, as before a request, it notes nothing.
            self.note_framed(framed, step.used);
            match step.event {
                // The head or the chunk-size line is incomplete: nothing more can be done before the next recv.
                Event::NeedMore => {
                    self.next_bytes = NextBytes::Socket;
                    break;
                }
                Event::Request(request, framing) => self.begin(request, framing, cx.arrivals.number(first_byte), cx),
                Event::Content(bytes) => {
                    self.deadline.progress(bytes.len() as u64);
                    self.take_content(bytes, cx);
                }
                Event::End => {
                    if let RequestBody::Streamed(upload) = &mut self.body {
                        // What is left in this recv belongs to the next request and not to the content.
                        upload.stats.end(input.len() - used);
                    }
                    self.end_content(cx);
                }
                Event::Refused(error) => self.refuse(error, &input[used..], cx),
            }
            // Only the first request of a recv is known to have begun before the turn.
            first_byte = FirstByte::Unknown;
        }
        // While content is due the parser is asked again even without bytes: its end may already be known.
        if used == input.len() && !self.http.content_is_due() {
            self.next_bytes = NextBytes::Socket;
        }
        used
    }

    /// Notes bytes of content with their framing; the parser has used `used` of them.
    fn note_framed(&mut self, bytes: &[u8], used: usize) {
        match &mut self.body {
            RequestBody::Streamed(upload) => upload.stats.after_head(bytes.len()),
            // Framing that is kept counts against the limit: a sender of tiny chunks sends mostly framing.
            RequestBody::Collected(collected) => collected.take_framed(&bytes[..used]),
            RequestBody::None => {}
        }
    }

    /// Whether the next event can be handled before anything is sent.
    fn takes_events(&self) -> bool {
        self.wants_bytes() && self.ending.is_none() && !self.send_queue.is_heavy()
    }

    /// The client has shut down its sending side, and everything it sent is parsed. Errors: why the connection has
    /// ended. `Ok` means that a response to the incomplete request is on its way.
    pub(super) fn input_ended(&mut self, cx: &mut LoopContext) -> Result<(), CloseReason> {
        // Read before `end_of_input`, which ends the message in the parser.
        let missing = self.http.missing_content();
        match self.http.end_of_input() {
            // A probe of a load balancer or of a port scanner, and no error.
            EndOfInput::Clean if self.received == 0 => Err(CloseReason::NeverSpoke),
            EndOfInput::Clean | EndOfInput::ResponseOwed => Err(CloseReason::PeerClosed),
            EndOfInput::Refused(error) => {
                // The client may still read, so it gets the response to its incomplete request.
                let unread = std::mem::take(&mut self.unread);
                let in_head = error.fault == Fault::TruncatedHead;
                let reason = if in_head { CloseReason::ClosedInHead } else { CloseReason::ClosedInContent(missing) };
                self.refuse_for(error, reason, &unread, cx);
                Ok(())
            }
        }
    }

    /// The reason when the socket has failed. A client that resets after a response has not read all of it: otherwise
    /// it would have sent a FIN.
    pub(super) fn socket_failed(&self, error: Errno) -> CloseReason {
        // Sent bytes lie in the buffers of both kernels, so "answered" means that the client was given something to
        // read.
        let answered = match self.phase() {
            Phase::Sending | Phase::Lingering => true,
            Phase::Idle => self.received > 0,
            Phase::Owed => self.script.is_some() && self.exchange.sent > 0,
            Phase::Head | Phase::Content => false,
        };
        match CloseReason::of_socket_error(error) {
            CloseReason::Broken if answered => CloseReason::ResetUnread,
            reason => reason,
        }
    }
}
