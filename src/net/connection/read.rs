//! The reading side of a client: from `recv` to events.
//!
//! Never: an answer, a send. What the machine finds is handed to [`crate::net::connection::respond`].
//!
//! The subtle things:
//! - Bytes go from the loop's scratch into the machine without being copied. Only what is left over (a
//!   head that is not complete, a request behind one that is being answered) becomes the client's own,
//!   and is given back as soon as it is used up, so an idle client owns no buffer.
//! - The content of an upload goes past the scratch, from the kernel into the block it is written from.

use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use crate::http::EndOfInput;
use crate::http::{Event, Fault};
use crate::net::close_reason::CloseReason;
use crate::net::connection::body::Intake;
use crate::net::connection::context::Context;
use crate::net::connection::{Connection, REQUESTS_PER_TURN};

/// Bytes read behind a head that is not complete yet.
const READ_MORE: usize = 4 * 1024;

impl Connection {
    /// One `recv`, into the loop's scratch or behind what is left over.
    pub(crate) fn read(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        let prompt = std::mem::take(&mut self.prompt);
        if self.input.is_empty()
            && let Intake::Receiving(receiving) = &mut self.intake
            && let Some(block) = receiving.lend()
        {
            return self.read_content(block, cx);
        }
        if self.input.is_empty() {
            let mut scratch = std::mem::take(&mut cx.scratch);
            let result = self.receive(&mut scratch, true, cx);
            if let Ok(count) = result {
                let used = self.consume(&scratch[..count], prompt, cx);
                self.input.extend_from_slice(&scratch[used..count]);
            }
            cx.scratch = scratch;
            result.map(|_| ())
        } else {
            let mut input = std::mem::take(&mut self.input);
            let kept = input.len();
            input.resize(kept + READ_MORE, 0);
            let result = self.receive(&mut input[kept..], false, cx);
            input.truncate(kept + *result.as_ref().unwrap_or(&0));
            self.input = input;
            result.map(|_| ())
        }
    }

    /// One `recv` behind what the block has. All of it is content: no more fits than is due.
    fn read_content(&mut self, mut block: Vec<u8>, cx: &mut Context) -> Result<(), CloseReason> {
        let (before, capacity) = (block.len(), block.capacity());
        let recv = || recv(&self.socket, spare_capacity(&mut block), RecvFlags::empty()).map(|(count, _)| count);
        let result = rustix::io::retry_on_intr(recv);
        if cx.tap.is_on() {
            self.tell_tap(result, &block[before..], true, cx);
        }
        let result = self.received(result, capacity - before, cx);
        let bytes = &block[before..];
        let count = bytes.len();
        if count > 0 {
            let used = self.connection.receive(bytes).used;
            debug_assert_eq!(used, count, "something else than content");
            self.deadline.progress(count as u64);
        }
        if let Intake::Receiving(receiving) = &mut self.intake {
            let fits = receiving.give_back(block, count);
            if count > 0 {
                self.took_content(fits, cx);
            }
        }
        result.map(|_| ())
    }

    /// Receives what is there. 0 stands for "nothing now" as well as for the end; the flags tell. `all_read`:
    /// the machine has read everything that came before.
    pub(crate) fn receive(&mut self, room: &mut [u8], all_read: bool, cx: &mut Context) -> Result<usize, CloseReason> {
        let size = room.len();
        let result = rustix::io::retry_on_intr(|| recv(&self.socket, &mut *room, RecvFlags::empty()));
        let result = result.map(|(count, _)| count);
        if cx.tap.is_on() {
            self.tell_tap(result, room, all_read, cx);
        }
        self.received(result, size, cx)
    }

    #[cold]
    fn tell_tap(&self, result: rustix::io::Result<usize>, bytes: &[u8], all_read: bool, cx: &mut Context) {
        if let Ok(count) = result {
            let parser = all_read.then(|| (&self.connection, self.intake.content()));
            cx.tap.received(self.number, &self.socket, self.peer, &bytes[..count], parser);
        }
    }

    /// What a `recv` into room for `size` bytes has brought.
    fn received(
        &mut self,
        result: rustix::io::Result<usize>,
        size: usize,
        cx: &mut Context,
    ) -> Result<usize, CloseReason> {
        match result {
            Ok(0) => {
                self.end_of_input = true;
                self.readable = false;
                Ok(0)
            }
            Ok(count) => {
                cx.arrivals.next();
                if let Intake::Receiving(receiving) = &mut self.intake {
                    receiving.receive_stats.received(count, Instant::now());
                }
                self.readable = count == size || self.closing;
                self.hungry = false;
                self.spoke = true;
                Ok(count)
            }
            Err(Errno::WOULDBLOCK) => {
                self.readable = false;
                Ok(0)
            }
            Err(errno) => Err(self.lost(&errno.into())),
        }
    }

    pub(crate) fn keep(&mut self, mut input: Vec<u8>, used: usize) {
        if used < input.len() {
            input.drain(..used);
            self.input = input;
        }
        // Else the buffer is given back: an idle client owns none.
    }

    /// Hands bytes to the machine; returns how many were used. `prompt`: the first of them was there
    /// when the turn began.
    pub(crate) fn consume(&mut self, input: &[u8], mut prompt: bool, cx: &mut Context) -> usize {
        let mut used = 0;
        // An empty line before it (RFC 9112 §2.2) is no part of a request, which may have been sent later.
        prompt &= input.first() != Some(&b'\r');
        let requests = cx.tally.requests;
        while self.may_go_on() && cx.tally.requests - requests < REQUESTS_PER_TURN as u64 {
            let step = self.connection.receive(&input[used..]);
            let framed = &input[used..];
            used += step.used;
            match step.event {
                Event::NeedMore => {
                    self.saw(framed, step.used);
                    self.hungry = true;
                    break;
                }
                Event::Request(request, framing) => self.begin(request, framing, cx.arrivals.number(prompt), cx),
                Event::Content(bytes) => {
                    self.saw(framed, step.used);
                    self.deadline.progress(bytes.len() as u64);
                    self.take_content(bytes, cx);
                }
                Event::End => {
                    self.saw(framed, step.used);
                    if let Intake::Receiving(receiving) = &mut self.intake {
                        receiving.receive_stats.end(input.len() - used);
                    }
                    self.end_content(cx);
                }
                Event::Refused(refusal) => self.refuse(refusal, &input[used..], cx),
            }
            prompt = false;
        }
        if used == input.len() && !self.connection.content_is_due() {
            self.hungry = true;
        }
        used
    }

    /// Bytes of content as it is framed; `used` of them are understood.
    fn saw(&mut self, bytes: &[u8], used: usize) {
        match &mut self.intake {
            Intake::Receiving(receiving) => receiving.receive_stats.behind_head(bytes.len()),
            Intake::Collecting(collecting) => collecting.take_framed(&bytes[..used]),
            Intake::Nothing | Intake::Discarding => {}
        }
    }

    /// Whether the next event can be dealt with before anything is sent.
    fn may_go_on(&self) -> bool {
        self.takes_input() && self.last.is_none() && !self.send_queue.is_heavy()
    }

    pub(crate) fn meet_end(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        let missing = self.connection.missing_content();
        match self.connection.end_of_input() {
            EndOfInput::Clean if self.spoke => Err(CloseReason::PeerClosed),
            EndOfInput::Clean => Err(CloseReason::NeverSpoke),
            EndOfInput::ResponseOwed => Err(CloseReason::PeerClosed),
            EndOfInput::Refused(refusal) => {
                let input = std::mem::take(&mut self.input);
                let in_head = refusal.fault == Fault::TruncatedHead;
                let ended = if in_head { CloseReason::ClosedInHead } else { CloseReason::ClosedInContent(missing) };
                self.refuse_for(refusal, ended, &input, cx);
                Ok(())
            }
        }
    }
}
