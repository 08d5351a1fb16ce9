//! Bytes of both directions of a connection to annotated, redacted messages. [`Conversation`] is the entry.
//!
//! The caller adds bytes as they came, of either side and in any pieces. Messages are appended to `out` when they are
//! complete. Requests are found by a replay of the parser that served them (`requests`), responses by a reader of
//! their own (`responses`). The two meet here, since the end of a response depends on the method of its request
//! (RFC 9112 §6.3). A `builder` collects each message; `lexer` and `value` divide its bytes into spans with
//! [`notes`]. `redact` overwrites the secrets (`secrets` finds their values again), and only then a [`message`] leaves
//! this module. Bytes that no parser reads, such as those after a fault, leave it as a message without a head
//! ([`Message::is_unparsed`]) when their side ends.
//!
//! A message that is not complete can be looked at, too ([`Conversation::snapshot`]): a copy of what is known of it,
//! redacted as it stands.
//!
//! ```text
//! received ──► RequestReplay ──► messages ─┐
//!                   │ methods              ├──► Redactor ──► out
//! sent ──────► ResponseReader ─► messages ─┘
//! ```
//!
//! Live connections, saved files and tests all use this type, so their explanations are the same.

pub mod builder;
pub mod excerpt;
pub(crate) mod lexer;
pub mod message;
pub mod notes;
pub(crate) mod redact;
pub(crate) mod requests;
pub(crate) mod response_head;
pub(crate) mod responses;
pub(crate) mod secrets;
pub(crate) mod spans;
pub mod texts;
pub mod under_way;
pub(crate) mod unframed;
pub(crate) mod unparsed;
pub(crate) mod value;

use std::borrow::Cow;
use std::sync::Arc;

use crate::http::Method;
pub(crate) use builder::{ExplainOptions, MessageBuilder};
pub(crate) use message::{ContentFraming, ContentKind, Excerpt, Message, MessageError, Role};
pub(crate) use notes::{NoteId, part};
pub(crate) use spans::{Annotations, LineKind, MessageSpan, SpanKind};
pub(crate) use under_way::{Awaited, UnderWay};
pub(crate) use value::RedactOptions;

use redact::Redactor;
use requests::RequestReplay;
use responses::ResponseReader;

/// One connection.
#[derive(Debug)]
pub struct Conversation {
    options: Arc<ExplainOptions>,
    requests: RequestReplay,
    responses: ResponseReader,
    redactor: Redactor,
    /// The last exchange whose request is under way and whose secrets are known so far.
    learned: u64,
}

impl Conversation {
    /// A connection without bytes so far.
    pub fn new(options: &ExplainOptions) -> Conversation {
        let options = Arc::new(options.clone());
        Conversation {
            // All parts share one copy of the options.
            requests: RequestReplay::new(&options),
            responses: ResponseReader::new(&options),
            redactor: Redactor::new(&options),
            learned: 0,
            options,
        }
    }

    /// The same connection for a second pass over its bytes, with the secrets of the first pass: the server may have
    /// made a value a secret (Set-Cookie) after the client had sent it.
    #[must_use]
    pub fn restart(self, options: &ExplainOptions) -> Conversation {
        let mut again = Conversation { redactor: self.redactor.restart(), ..Conversation::new(options) };
        again.requests.tunnel_after = self.requests.tunnel_after;
        again
    }

    /// Says that a PROXY header comes before the first request.
    pub fn expect_proxy_header(&mut self) {
        self.requests.expect_proxy_header();
    }

    /// Says that after this exchange the bytes of both sides are not HTTP any more. Where the response is seen, this is
    /// known from it.
    pub fn begin_tunnel(&mut self, exchange: u64) {
        self.requests.begin_tunnel(exchange);
    }

    /// Sets the method of all requests that are not seen; it is GET otherwise.
    pub fn assume(&mut self, method: Method) {
        self.responses.assumed = method;
    }

    /// Adds bytes of the client.
    pub fn received(&mut self, bytes: &[u8], out: &mut Vec<Message>) {
        self.responses.has_requests = true;
        self.read(out, |this, out| this.requests.push(bytes, out));
        // The server may respond before the content is complete, and the response may repeat what the head has.
        if self.requests.in_content() && self.learned < self.requests.count {
            self.learned = self.requests.count;
            let _ = self.snapshot(Role::Request);
        }
    }

    /// Adds `len` bytes of the client's content that were not recorded.
    pub fn received_unseen(&mut self, len: u64, out: &mut Vec<Message>) {
        self.read(out, |this, out| this.requests.skip(len, out));
    }

    /// Adds bytes of the server.
    pub fn sent(&mut self, bytes: &[u8], out: &mut Vec<Message>) {
        let first = out.len();
        self.read(out, |this, out| this.responses.push(bytes, &this.requests.methods, out));
        // After 101 and after a 2xx response to CONNECT the client does not speak HTTP any more either.
        if let Some(message) = out[first..].iter().find(|message| message.begins_tunnel()) {
            self.requests.begin_tunnel(message.exchange);
        }
        // A client may send requests for ever, so the methods of complete exchanges are forgotten.
        self.requests.methods = self.requests.methods.split_off(&self.answering());
    }

    /// Adds `len` bytes that the server sent from a file without seeing them, with the first and last of them:
    /// at most as many as [`Conversation::window`] says.
    pub fn sent_file(&mut self, len: u64, (first, last): (&[u8], &[u8]), out: &mut Vec<Message>) {
        let add = |builder: &mut MessageBuilder, len| builder.content_of_file(len, first, last);
        self.read(out, |this, out| this.responses.push_content(len, add, out));
    }

    /// Adds `len` bytes of the server's content that were not recorded.
    pub fn sent_unseen(&mut self, len: u64, out: &mut Vec<Message>) {
        self.read(out, |this, out| this.responses.push_content(len, MessageBuilder::content_gap, out));
    }

    /// How many bytes at the start and at the end of a file are of use to [`Conversation::sent_file`].
    pub fn window(&self) -> (usize, usize) {
        // A secret at the edge of what is shown must be seen whole, or half of it would be shown.
        let (keep, longest) = (self.options.keep, self.redactor.values.longest());
        (keep.first.saturating_add(longest), keep.last.saturating_add(longest))
    }

    /// The client has ended its side: a request that is not complete will never be.
    pub fn client_ended(&mut self, out: &mut Vec<Message>) {
        // The replay must know this: content that ends early is an error only before the response.
        let answered = self.answering() - 1;
        self.read(out, |this, out| this.requests.end(answered, out));
    }

    /// The server has stopped waiting: a request that is not complete will never be.
    pub fn client_too_slow(&mut self, out: &mut Vec<Message>) {
        self.read(out, |this, out| this.requests.time_out(out));
    }

    /// The server has ended its side.
    pub fn server_ended(&mut self, out: &mut Vec<Message>) {
        self.read(out, |this, out| this.responses.end(out));
    }

    /// The bytes of memory that it needs besides itself.
    pub(crate) fn held_bytes(&self) -> usize {
        self.requests.held_bytes() + self.responses.held_bytes() + self.redactor.held_bytes()
    }

    /// The exchange whose response comes next, counted from 1.
    pub fn answering(&self) -> u64 {
        self.responses.exchange
    }

    /// Whether a message of this side has begun and is not complete.
    pub fn is_inside(&self, role: Role) -> bool {
        match role {
            Role::Request => self.requests.is_inside(),
            Role::Response => self.responses.is_inside(),
        }
    }

    /// Whether further bytes of this side are no longer read.
    pub fn is_shut(&self, role: Role) -> bool {
        match role {
            Role::Request => self.requests.ended,
            Role::Response => self.responses.is_ended(),
        }
    }

    /// What is known so far of the message of this side that is under way, or of the bytes that no parser reads:
    /// redacted, and with both ends of its content, as when it is complete.
    pub fn snapshot(&mut self, role: Role) -> Option<Message> {
        let margin = self.redactor.values.longest();
        let mut message = self.under_way(role).map(|(builder, pending)| builder.snapshot(pending, margin))?;
        self.redactor.redact(&mut message);
        Some(message)
    }

    /// How far the message of this side that is under way has come: less work than [`Conversation::snapshot`].
    pub fn progress(&self, role: Role) -> Option<Progress> {
        self.under_way(role).map(|(builder, _)| builder.progress())
    }

    fn under_way(&self, role: Role) -> Option<(Cow<'_, MessageBuilder>, &[u8])> {
        match role {
            Role::Request => self.requests.under_way(),
            Role::Response => self.responses.under_way(),
        }
    }

    /// Lets `read` append messages to `out`, and redacts them. Every complete message passes through here once, before
    /// the caller can read it.
    fn read(&mut self, out: &mut Vec<Message>, read: impl FnOnce(&mut Conversation, &mut Vec<Message>)) {
        let first = out.len();
        read(self, out);
        // Only the new messages: a message that is redacted twice would add its stars to the secrets.
        out[first..].iter_mut().for_each(|message| self.redactor.redact(message));
    }
}

/// How far a message that is under way has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Its exchange.
    pub exchange: u64,
    /// Its first byte, counted from the first byte of its side.
    pub start: u64,
    /// The byte after the last one that is kept at its front, counted likewise.
    pub shown: u64,
    /// It is no message: no parser reads its bytes.
    pub is_unparsed: bool,
    /// What it still needs.
    pub under_way: UnderWay,
}

/// Bytes explained at once.
#[derive(Debug)]
pub struct Annotated {
    /// The messages in them.
    pub messages: Vec<Message>,
    /// Bytes after the last message, which are not read.
    pub unread: u64,
}

/// Explains all bytes of one side; `method` is that of the requests that the responses belong to.
///
/// ```
/// use barewire::http::{Limits, Method};
/// use barewire::wire::{ExplainOptions, Role, SpanKind, annotate};
///
/// let bytes = b"GET /a?token=abcdefgh HTTP/1.1\r\nHost: h\r\n\r\nGET";
/// let found = annotate(bytes, Role::Request, Method::Get, &ExplainOptions::whole(Limits::default()));
/// let request = &found.messages[0];
/// assert_eq!((request.part(SpanKind::Method), request.target()), (&b"GET"[..], &b"/a?token=********"[..]));
/// // The second request is not complete: it has an error at the byte where its bytes end.
/// let error = found.messages[1].error.unwrap();
/// assert_eq!((error.at, error.len, error.cut_off), (3, 0, true));
/// ```
pub fn annotate(bytes: &[u8], role: Role, method: Method, options: &ExplainOptions) -> Annotated {
    let mut conversation = Conversation::new(options);
    conversation.assume(method);
    let mut messages = Vec::new();
    match role {
        Role::Request => {
            conversation.received(bytes, &mut messages);
            // No more bytes will come, so a message that is not complete is shown as cut off.
            conversation.client_ended(&mut messages);
        }
        Role::Response => {
            conversation.sent(bytes, &mut messages);
            conversation.server_ended(&mut messages);
        }
    }
    // Bytes after a last or an invalid message belong to no message. Only their number is reported.
    messages.retain(|message| !message.is_unparsed());
    let read = messages.last().map_or(0, Message::end);
    Annotated { messages, unread: bytes.len() as u64 - read.min(bytes.len() as u64) }
}

#[cfg(test)]
mod tests;
