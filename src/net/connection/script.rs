//! Answers with a script: silences, content that is made while it is sent, bytes as they stand.
//!
//! | what stands still | what sets it going again |
//! |---|---|
//! | bytes wait for room in the socket | an event, as for any answer |
//! | a silence | [`Client::silence`]: the loop wakes by itself at that moment |
//! | a source makes the next bytes on a worker | its result, or the client's leaving |
//!
//! Never: a thread that sleeps. Never the answer to one client before the end of the one before it:
//! what was pipelined behind a scripted answer waits like behind any other.
//!
//! The subtle thing: while a source is asked nothing is sent, so a client that has left would never be
//! found out by a failing send. So its FIN ends a stream at once. Only who had ended their side before the
//! stream began (`nc -N`) have said by it that they wait for the answer, and get it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};

use crate::http::Transfer;
use crate::net::close_reason::CloseReason;
use crate::net::connection::Connection;
use crate::net::connection::context::{Context, Last};
use crate::net::connection::play::{Play, State, Stream};
use crate::net::connection::stages::{Bit, Stage, Stages};
use crate::net::workers::SourceResult;
use crate::service::script::{End, Script, Verbatim};
use crate::service::{Body, Lane, Response};

/// How long a stream waits when the workers' queue is full.
const BUSY: Duration = Duration::from_millis(20);

impl Connection {
    /// Begins an answer with a script.
    pub(crate) fn perform(&mut self, mut response: Response, cx: &mut Context) {
        let script = response.take_script().unwrap_or_default();
        let Script { pauses, interim, held } = *script;
        let interims = interim.iter().map(|(status, fields)| {
            let mut bytes = Vec::new();
            self.connection.write_interim(*status, fields, &mut bytes);
            bytes
        });
        let interims: Vec<Vec<u8>> = interims.collect();
        let (status, fields, body) = response.into_parts();
        let mut head = Vec::new();
        let added = cx.app.added_fields(&self.exchange.additions);
        let transfer = self.connection.respond(status, &fields, body.length(), added, &cx.date, &mut head);
        self.exchange.status = Some(status);
        self.is_delimited(transfer);
        let before = interims.iter().map(Vec::len).sum::<usize>() + head.len();
        let mut stages = Stages::new(&pauses, before as u64);
        for bytes in interims {
            stages.add(Bit::Frame(bytes));
            stages.pause(Duration::ZERO);
        }
        stages.add(Bit::Frame(head));
        let chunked = transfer == Transfer::Chunked;
        let stream = match body {
            Body::Stream(source) if transfer == Transfer::Nothing => {
                cx.jobs.discard(source);
                None
            }
            Body::Stream(source) => Some(Stream::new(source, chunked, self.has_ended_its_side())),
            body => {
                if transfer != Transfer::Nothing {
                    stages.add_body(body, chunked);
                }
                None
            }
        };
        self.begin_play(Play::new(stages, stream, None, held), cx);
    }

    /// Begins an answer that is bytes as they stand.
    pub(crate) fn perform_verbatim(&mut self, verbatim: Verbatim, cx: &mut Context) {
        let Verbatim { status, bytes, pauses, end, held } = verbatim;
        self.connection.respond_verbatim();
        self.exchange.status = Some(status);
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let mut stages = Stages::new(&pauses, head as u64);
        let mut bytes = bytes;
        let content = bytes.split_off(head);
        stages.add(Bit::Frame(bytes));
        stages.add(Bit::Bytes(content));
        stages.pause_at_end();
        self.begin_play(Play::new(stages, None, Some(end), held), cx);
    }

    fn begin_play(&mut self, play: Play, cx: &mut Context) {
        self.exchange.sent = 0;
        // What is still gathered from the answers before it leaves first.
        self.exchange.head = self.send_queue.gathered() as u64;
        self.play = Some(Box::new(play));
        if self.send_queue.is_empty() {
            self.play_on(cx);
        }
    }

    /// Whether its FIN is here already, before anything was answered.
    fn has_ended_its_side(&self) -> bool {
        self.end_of_input
            || self.closing
            || matches!(recv(&self.socket, &mut [0][..], RecvFlags::PEEK).map(|(count, _)| count), Ok(0))
    }

    /// A turn has come while an answer was played.
    ///
    /// # Errors
    /// Why the connection has ended.
    pub(crate) fn tend(&mut self, cx: &mut Context) -> Result<(), CloseReason> {
        if !self.send_queue.is_empty() {
            return Ok(());
        }
        if self.closing {
            if let Ok(Some(error)) = self.socket.take_error() {
                return Err(self.lost(&error));
            }
            let streams = self.play.as_ref().and_then(|play| play.stream.as_ref());
            if streams.is_some_and(|stream| !stream.half_closed) {
                return Err(CloseReason::LeftEarly);
            }
        }
        self.play_on(cx);
        Ok(())
    }

    /// Everything so far has left: puts into the outbox what comes next, if it is time.
    pub(crate) fn play_on(&mut self, cx: &mut Context) {
        let Some(mut play) = self.play.take() else { return };
        let stage = match play.next.take() {
            Some((stage, until)) if cx.now < until => {
                play.next = Some((stage, until));
                self.play = Some(play);
                return;
            }
            Some((stage, _)) => Some(stage),
            None => match play.stages.next() {
                Some(stage) if !stage.after.is_zero() => {
                    play.rest(stage, cx.now);
                    self.play = Some(play);
                    return;
                }
                stage => stage,
            },
        };
        if let Some(stage) = stage {
            self.put_out(stage, cx);
        } else if let Some(stream) = play.stream.take() {
            play.stream = self.ask_source(stream, &mut play, cx);
        } else {
            return self.end_play(play.end, cx);
        }
        self.play = Some(play);
    }

    /// The bytes of a stage go into the outbox. They leave in the next turn: others wait too.
    fn put_out(&mut self, stage: Stage, cx: &mut Context) {
        for bit in stage.bits {
            match bit {
                Bit::Frame(bytes) => {
                    self.exchange.head += bytes.len() as u64;
                    self.send_queue.push_bytes(bytes, &mut cx.spare_buffers);
                }
                Bit::Bytes(bytes) => self.send_queue.push_bytes(bytes, &mut cx.spare_buffers),
                Bit::Range { file, from, len } => self.send_queue.push_range(file, from, len),
            }
        }
        self.again = true;
    }

    /// The outbox is empty: the source is asked for more, unless the server is stopping.
    fn ask_source(&mut self, mut stream: Stream, play: &mut Play, cx: &mut Context) -> Option<Stream> {
        if cx.draining {
            // Here is a border between chunks: to end in order is possible, and true of a stream, which
            // could have ended anywhere. What a worker still makes is dropped when it comes.
            self.connection.forbid_persistence();
            play.end_content(stream.chunked);
            self.again = true;
            cx.jobs.discard(stream);
            return None;
        }
        let work = match std::mem::replace(&mut stream.state, State::Away) {
            State::Away => return Some(stream),
            State::Here(source) => cx.jobs.ask_source(self.id, source, Arc::downgrade(&stream.wanted)),
            State::Refused(work) => work,
        };
        if let Err(work) = cx.jobs.hand_in(Lane::Long, work) {
            stream.state = State::Refused(work);
            play.rest(Stage { after: BUSY, bits: Vec::new() }, cx.now);
        }
        Some(stream)
    }

    /// A source has been asked.
    pub(crate) fn answered(&mut self, asked: SourceResult, cx: &mut Context) {
        let Some(play) = &mut self.play else { return cx.jobs.discard(asked) };
        let Some(stream) = &mut play.stream else { return cx.jobs.discard(asked) };
        match asked {
            SourceResult::More(source, bytes) => {
                stream.state = State::Here(source);
                let chunked = stream.chunked;
                play.stages.add_chunk(bytes, "", chunked);
            }
            SourceResult::End(source) => {
                cx.jobs.discard(source);
                let chunked = stream.chunked;
                play.stream = None;
                play.end_content(chunked);
            }
            SourceResult::Panicked => {
                log::error!("{}: a source panicked", self.peer);
                // Without a last chunk the client knows that something is missing; without chunks only a
                // reset can tell it.
                let chunked = stream.chunked;
                self.play = None;
                self.last =
                    Some(if chunked { Last::Cut(CloseReason::Failed) } else { Last::Reset(CloseReason::Failed) });
            }
        }
    }

    /// The last byte has left.
    fn end_play(&mut self, end: Option<End>, cx: &mut Context) {
        self.last = match end {
            None => self.last,
            Some(End::Fin) => Some(Last::Stages(CloseReason::Scripted)),
            Some(End::Reset) => Some(Last::Reset(CloseReason::ScriptedReset)),
        };
        let content = self.exchange.sent.saturating_sub(self.exchange.head);
        self.finish(content, cx);
    }

    /// When the pause ends that is in progress.
    pub(crate) fn pause_ends(&self) -> Option<Instant> {
        self.play.as_ref()?.next.as_ref().map(|(_, until)| *until)
    }

    /// The connection is gone: a source is put away where that may take its time.
    pub(crate) fn leave_play(&mut self, cx: &Context) {
        if let Some(stream) = self.play.take().and_then(|play| play.stream) {
            cx.jobs.discard(stream);
        }
    }

    /// Ends it so that the client cannot take it for an end in order.
    pub(crate) fn reset(&mut self) {
        // On failure the end is an ordinary one, which is all that can be done.
        let _ = rustix::net::sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}
