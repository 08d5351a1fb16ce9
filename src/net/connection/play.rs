//! What is still to come of an answer with a script.
//!
//! Never: a socket. [`crate::net::connection::script`] moves it.
//!
//! The subtle thing: a source that is with a worker may be there for as long as it likes, and its client
//! may leave meanwhile. So the worker holds a weak end of [`Stream::wanted`] and asks nothing on
//! behalf of nobody.

use std::sync::Arc;
use std::time::Instant;

use crate::http::chunked;
use crate::net::connection::stages::{Bit, Stage, Stages};
use crate::net::workers::Work;
use crate::service::Source;
use crate::service::script::{End, Held};

/// What is still to come of a scripted answer. Boxed: an ordinary client has none.
pub(crate) struct Play {
    pub(crate) stages: Stages,
    /// Its silence is in progress.
    pub(crate) next: Option<(Stage, Instant)>,
    pub(crate) stream: Option<Stream>,
    /// Behind bytes as they stand.
    pub(crate) end: Option<End>,
    /// Dropped with it: what a service counts its slow answers by.
    _held: Held,
}

/// Content that is made while it is sent.
pub(crate) struct Stream {
    pub(crate) state: State,
    pub(crate) chunked: bool,
    /// The client had ended its side before it began: it is not gone, it listens.
    pub(crate) half_closed: bool,
    /// While this lives, somebody wants what the source says.
    pub(crate) wanted: Arc<()>,
}

/// Where its source is.
pub(crate) enum State {
    /// It is here, and its bytes have left.
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
    pub(crate) fn new(stages: Stages, stream: Option<Stream>, end: Option<End>, held: Held) -> Play {
        Play { stages, next: None, stream, end, _held: held }
    }

    /// Silence before a stage.
    pub(crate) fn rest(&mut self, stage: Stage, now: Instant) {
        let until = now + stage.after;
        self.next = Some((stage, until));
    }

    /// The content of a stream is complete.
    pub(crate) fn end_content(&mut self, chunked: bool) {
        if chunked {
            self.stages.add(Bit::Frame(chunked::LAST_CHUNK.to_vec()));
        }
    }
}

impl Stream {
    pub(crate) fn new(source: Box<dyn Source>, chunked: bool, half_closed: bool) -> Stream {
        Stream { state: State::Here(source), chunked, half_closed, wanted: Arc::default() }
    }
}
