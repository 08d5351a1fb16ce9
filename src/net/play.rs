//! What is still to come of an answer with a script.
//!
//! Never: a socket. [`super::scripted`] moves it.
//!
//! The subtle thing: a source that is with a worker may be there for as long as it likes, and its client
//! may leave meanwhile. So the worker holds a weak end of [`Stream::wanted`] and asks nothing on
//! behalf of nobody.

use std::sync::Arc;
use std::time::Instant;

use super::stages::{Bit, Stage, Stages};
use super::workers::Work;
use crate::http::chunked;
use crate::service::Source;
use crate::service::script::{End, Held};

/// What is still to come of a scripted answer. Boxed: an ordinary client has none.
pub(super) struct Play {
    pub(super) stages: Stages,
    /// Its silence is in progress.
    pub(super) next: Option<(Stage, Instant)>,
    /// The loop knows when it ends.
    pub(super) entered: bool,
    pub(super) stream: Option<Stream>,
    /// Behind octets as they stand.
    pub(super) end: Option<End>,
    /// Dropped with it: what a service counts its slow answers by.
    _held: Held,
}

/// Content that is made while it is sent.
pub(super) struct Stream {
    pub(super) state: State,
    pub(super) chunked: bool,
    /// The client had ended its side before it began: it is not gone, it listens.
    pub(super) half_closed: bool,
    /// While this lives, somebody wants what the source says.
    pub(super) wanted: Arc<()>,
}

/// Where its source is.
pub(super) enum State {
    /// It is here, and its octets have left.
    Here(Box<dyn Source>),
    /// The workers' queue was full.
    Refused(Work),
    /// A worker asks it.
    Away,
}

impl std::fmt::Debug for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Play").field("stages", &self.stages).field("streams", &self.stream.is_some()).finish()
    }
}

impl Play {
    pub(super) fn new(stages: Stages, stream: Option<Stream>, end: Option<End>, held: Held) -> Play {
        Play { stages, next: None, entered: false, stream, end, _held: held }
    }

    /// Silence before a stage.
    pub(super) fn rest(&mut self, stage: Stage, now: Instant) {
        let until = now + stage.after;
        self.next = Some((stage, until));
        self.entered = false;
    }

    /// The content of a stream is complete.
    pub(super) fn end_content(&mut self, chunked: bool) {
        if chunked {
            self.stages.add(Bit::Frame(chunked::LAST_CHUNK.to_vec()));
        }
    }
}

impl Stream {
    pub(super) fn new(source: Box<dyn Source>, chunked: bool, half_closed: bool) -> Stream {
        Stream { state: State::Here(source), chunked, half_closed, wanted: Arc::default() }
    }
}
