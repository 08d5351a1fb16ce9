//! What the machine says: the events of reading, and what to do next.
//!
//! The vocabulary between [`crate::http::http1`] and whoever owns the socket. RFC 9112 §6–9.
//!
//! Never: a decision. They are all made in [`crate::http::http1`].
//!
//! The subtle thing: [`Event::Content`] is always the last part of the bytes its step used, so its
//! place on the wire is known without a position of its own.

use crate::http::fault::RequestError;
use crate::http::{Framing, Request};

/// One step of reading: how much input was used, and what it was.
#[derive(Debug)]
pub struct Step<'b> {
    /// Bytes of the input that are used up.
    pub used: usize,
    /// What they were.
    pub event: Event<'b>,
}

/// What the input turned out to be.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a head lives on the stack of one turn: boxing it would allocate on every request"
)]
pub enum Event<'b> {
    /// Nothing yet: show the unused bytes again, with more behind them.
    NeedMore,
    /// A whole head. Content follows (and [`Event::End`] after it) if the framing says so.
    Request(Request<'b>, Framing),
    /// Bytes of content, without their framing.
    Content(&'b [u8]),
    /// The content is complete.
    End,
    /// The request breaks the protocol. Answer it, then close.
    Refused(RequestError),
}

/// What to do when a response has left completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read the next request.
    Request,
    /// Go on reading: the rest of the content must be read past before the next request.
    Discard,
    /// Close in stages: end our side, read what still comes, then close. A plain close would let
    /// unread bytes reset the connection and destroy the answer on its way (RFC 9112 §9.6).
    Linger,
    /// Close: the client asked for it and owes nothing.
    Close,
}

/// What the end of the client's side means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfInput {
    /// Nothing is owed, neither a request nor an answer: close.
    Clean,
    /// Inside a request: it can never be complete.
    Refused(RequestError),
    /// The client said all it had to say and waits for the answer; it gets it.
    AnswerOwed,
}

/// What the connection waits for; each has its own deadline (in `net`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// Content.
    Content,
    /// This server's own answer.
    Owed,
    /// The client, to take the answer.
    Sending,
    /// The client, to close after a staged close.
    Lingering,
}
