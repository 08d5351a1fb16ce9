//! The client's bytes as requests, by a replay through [`Http1`], the parser that served them.
//!
//! A request is invalid exactly when that parser refuses it, at the byte the parser names. Nothing here decides
//! whether a request is well formed, so the explanation cannot differ from what the server did.
//!
//! | event of the parser | what is done |
//! |---|---|
//! | a request head | a message begins; its method is reported for the response |
//! | content | added to the message, after the framing lines before it |
//! | the end of the content | the message is complete |
//! | more bytes needed | the bytes wait for the next ones |
//! | refused | the message ends with the faulty bytes; all after it is kept as not parsed |
//!
//! The parser reads the next request only after the response to the one before was sent. The replay therefore sends a
//! response of its own at once; what the server really sent is read from its own bytes by `responses`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::{
    AddedFields, EndOfInput, Event, Fields, Framing, Http1, HttpDate, Length, Method, Next, RequestError, Status,
};
use crate::service::access::proxy_header::{self, Preamble};
use crate::wire::explain::{
    ContentFraming, ContentKind, ExplainOptions, Message, MessageBuilder, MessageError, NoteId, Role,
};

/// Stands for bytes that were not recorded: the parser counts content and never looks at it.
static UNKNOWN: [u8; 4096] = [0; 4096];

/// Bytes of the method of a request in its table.
const METHOD: usize = 24;

/// The replay of one connection.
#[derive(Debug)]
pub(crate) struct RequestReplay {
    options: Arc<ExplainOptions>,
    /// The parser, with the limits of the server.
    http: Http1,
    /// Bytes that the parser did not take yet.
    pending: Vec<u8>,
    /// The position of the first of them on the client's side.
    at: u64,
    /// A PROXY header comes before the first request, and is not complete.
    awaits_proxy_header: bool,
    /// The request whose content is being read.
    builder: Option<MessageBuilder>,
    /// The bytes after the last request, which are not parsed.
    rest: Option<MessageBuilder>,
    /// Requests whose head is complete, or that were refused.
    pub(crate) count: u64,
    /// The methods of requests by exchange, for the responses. The caller removes those that are no longer needed.
    pub(crate) methods: BTreeMap<u64, Method>,
    /// Nothing more is read as requests: one was refused, or was the last one.
    pub(crate) ended: bool,
    /// The exchange after which the bytes are not HTTP any more, if that is known.
    pub(crate) tunnel_after: Option<u64>,
}

impl RequestReplay {
    pub(crate) fn new(options: &Arc<ExplainOptions>) -> RequestReplay {
        // The same limits as in the server: another limit would refuse another byte.
        let (options, http) = (Arc::clone(options), Http1::new(options.limits));
        let (pending, methods) = (Vec::new(), BTreeMap::new());
        let (builder, rest, tunnel_after) = (None, None, None);
        let (at, count, ended, awaits_proxy_header) = (0, 0, false, false);
        RequestReplay {
            options,
            http,
            pending,
            at,
            awaits_proxy_header,
            builder,
            rest,
            count,
            methods,
            ended,
            tunnel_after,
        }
    }

    /// A PROXY header comes before the first request.
    pub(crate) fn expect_proxy_header(&mut self) {
        self.awaits_proxy_header = true;
    }

    /// The bytes of memory that the connection needs besides itself.
    pub(crate) fn held_bytes(&self) -> usize {
        let builders = [&self.builder, &self.rest].into_iter().flatten().map(MessageBuilder::held_bytes);
        self.pending.capacity() + self.methods.len() * METHOD + builders.sum::<usize>()
    }

    /// Whether a request has begun and is not complete.
    pub(crate) fn is_inside(&self) -> bool {
        self.builder.is_some() || (!self.pending.is_empty() && !self.ended && !self.awaits_proxy_header)
    }

    /// Whether the head of a request is complete and its content is not.
    pub(crate) fn in_content(&self) -> bool {
        self.builder.is_some()
    }

    /// The request that is under way, or else the bytes after the last one; and the bytes of a framing line of it that
    /// is not complete.
    pub(crate) fn under_way(&self) -> Option<(Cow<'_, MessageBuilder>, &[u8])> {
        match (&self.rest, &self.builder) {
            (Some(rest), _) => Some((Cow::Borrowed(rest), &[])),
            (None, Some(builder)) => Some((Cow::Borrowed(builder), &self.pending)),
            // A head that is not complete.
            (None, None) => self.is_inside().then(|| {
                let place = (Role::Request, self.count + 1, self.at);
                let head = MessageBuilder::new(&self.options, place, &self.pending, None);
                (Cow::Owned(head), &[][..])
            }),
        }
    }

    /// Reads on.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<Message>) {
        if self.ended {
            return self.keep_unparsed(bytes);
        }
        let mut input = std::mem::take(&mut self.pending);
        input.extend_from_slice(bytes);
        let first = self.at;
        let Some(mut used) = self.take_proxy_header(&input, out) else {
            self.pending = input;
            return;
        };
        while !self.ended {
            let step = self.http.receive(&input[used..]);
            // The parser reports one event at a time, and how many bytes belong to it.
            let taken = &input[used..used + step.used];
            let start = self.at;
            used += step.used;
            self.at += step.used as u64;
            match step.event {
                Event::NeedMore => {
                    self.framing_lines(taken);
                    break;
                }
                Event::Request(request, framing) => {
                    let (method, framing_rule) = (request.method(), content_framing(framing));
                    self.builder = Some(self.begin(method, start, taken, Some(framing_rule)));
                    // The parser reports no end for a request without content.
                    if !framing.has_content() {
                        self.complete(out);
                    }
                }
                Event::Content(data) => {
                    // The size line of a chunk may have been taken together with the first data.
                    self.framing_lines(&taken[..taken.len() - data.len()]);
                    self.builder.iter_mut().for_each(|builder| builder.content(data));
                }
                Event::End => {
                    self.framing_lines(taken);
                    self.complete(out);
                }
                Event::Refused(error) => {
                    self.framing_lines(taken);
                    self.refuse(error, false, &input[used..], out);
                }
            }
        }
        if !self.ended {
            input.drain(..used);
            // The parser takes no incomplete line; the bytes are offered again with the next ones.
            self.pending = input;
        } else {
            // The message that was the last ends after the bytes that the parser took: its fault belongs to it.
            self.at = out.last().map_or(self.at, Message::end).max(self.at);
            let read = usize::try_from(self.at - first).unwrap_or(usize::MAX).min(input.len());
            self.keep_unparsed(&input[read..]);
        }
    }

    /// Reads the PROXY header, if one is due. Returns how many bytes it has; `None` if it is not complete.
    fn take_proxy_header(&mut self, input: &[u8], out: &mut Vec<Message>) -> Option<usize> {
        if !self.awaits_proxy_header {
            return Some(0);
        }
        match proxy_header::read(input) {
            Preamble::Incomplete => None,
            Preamble::Header(len, _) => {
                out.push(MessageBuilder::proxy_header(&self.options, &input[..len]));
                self.at += len as u64;
                self.awaits_proxy_header = false;
                Some(len)
            }
            // The server closes the connection, and reads nothing as a request.
            Preamble::Invalid => {
                self.ended = true;
                Some(0)
            }
        }
    }

    /// Keeps bytes after the last request.
    fn keep_unparsed(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.rest().content(bytes);
            self.at += bytes.len() as u64;
        }
    }

    /// The bytes after the last request, those that come now included.
    fn rest(&mut self) -> &mut MessageBuilder {
        let place = (Role::Request, self.count.max(1), self.at);
        self.rest.get_or_insert_with(|| MessageBuilder::unparsed(&self.options, place))
    }

    /// Reads `len` bytes of content that were not recorded.
    pub(crate) fn skip(&mut self, len: u64, out: &mut Vec<Message>) {
        let mut left = len;
        while left > 0 && !self.ended && self.pending.is_empty() {
            let some = &UNKNOWN[..usize::try_from(left).unwrap_or(usize::MAX).min(UNKNOWN.len())];
            let step = self.http.receive(some);
            // A gap lies inside content. If framing were read from it, nothing after it could be trusted.
            let Event::Content(data) = step.event else { break };
            if data.len() != step.used {
                break;
            }
            let known = data.len() as u64;
            self.at += known;
            left -= known;
            self.builder.iter_mut().for_each(|builder| builder.content_gap(known));
        }
        if left > 0 {
            let pending = std::mem::take(&mut self.pending);
            self.keep_unparsed(&pending);
            self.rest().content_gap(left);
            self.at += left;
            self.ended = true;
        }
        // The parser reports the end of content when it is asked again.
        self.push(&[], out);
    }

    /// The client has ended its side. `answered` is the number of exchanges with a complete response.
    pub(crate) fn end(&mut self, answered: u64, out: &mut Vec<Message>) {
        if self.awaits_proxy_header {
            self.ended = true;
            let pending = std::mem::take(&mut self.pending);
            self.keep_unparsed(&pending);
        }
        out.extend(self.rest.take().map(|builder| builder.finish(None)));
        if self.ended {
            return;
        }
        self.ended = true;
        let pending = std::mem::take(&mut self.pending);
        if self.count <= answered && self.builder.is_some() {
            // Content may end early after the response: a client that was refused should stop sending it (RFC 9112
            // §9.5), and one that waits for 100 Continue never begins (RFC 9110 §10.1.1).
            self.framing_lines(&pending);
            out.extend(self.builder.take().map(|builder| builder.finish(None)));
        } else if let EndOfInput::Refused(error) = self.http.end_of_input() {
            self.refuse(error, true, &pending, out);
        }
    }

    /// The server's time limit for the rest of the request has passed.
    pub(crate) fn time_out(&mut self, out: &mut Vec<Message>) {
        if !self.ended
            && let Some(error) = self.http.time_out()
        {
            let pending = std::mem::take(&mut self.pending);
            self.refuse(error, true, &pending, out);
        }
    }

    /// After this exchange the bytes are not HTTP any more. Those that have come already are no request either.
    pub(crate) fn begin_tunnel(&mut self, exchange: u64) {
        self.tunnel_after = Some(exchange);
        if self.count == exchange && self.builder.is_none() {
            self.ended = true;
            let pending = std::mem::take(&mut self.pending);
            self.keep_unparsed(&pending);
        }
    }

    /// A request with this head, or with the part of it up to its fault.
    fn begin(&mut self, method: Method, start: u64, head: &[u8], framing: Option<ContentFraming>) -> MessageBuilder {
        self.count += 1;
        // Known before the request is complete: the server may respond early.
        self.methods.insert(self.count, method);
        MessageBuilder::new(&self.options, (Role::Request, self.count, start), head, framing)
    }

    /// Adds framing lines to the request that is being read, if there is one.
    fn framing_lines(&mut self, bytes: &[u8]) {
        self.builder.iter_mut().for_each(|builder| builder.framing_lines(bytes));
    }

    /// A request is complete: lets the parser go on to the next one.
    fn complete(&mut self, out: &mut Vec<Message>) {
        out.extend(self.builder.take().map(|builder| builder.finish(None)));
        // The response is thrown away. The parser only needs to know that one was sent, and whether the connection
        // stays open.
        let date = HttpDate::from_second(0);
        let (fields, added) = (Fields::new(), AddedFields::NONE);
        self.http.respond(Status::OK, &fields, Length::Known(0), &added, &date, &mut Vec::new());
        self.ended = self.http.sent() != Next::Request || self.tunnel_after == Some(self.count);
    }

    /// A fault, at a position in the message: the message goes up to the last faulty byte. `unused` are the bytes
    /// after those that belong to the message already.
    fn refuse(&mut self, error: RequestError, cut_off: bool, unused: &[u8], out: &mut Vec<Message>) {
        self.ended = true;
        let (end, note) = (error.at + error.len, NoteId::fault(error.fault));
        let prefix = |len: u64| &unused[..usize::try_from(len).unwrap_or(usize::MAX).min(unused.len())];
        let builder = match self.builder.take() {
            Some(mut builder) => {
                // Inside content only framing can be invalid: the bytes of its line are shown.
                builder.framing_lines(prefix(end.saturating_sub(builder.len())));
                builder
            }
            // At least one byte, also where something is missing: a message of no bytes could not be shown.
            None => self.begin(self.http.method(), self.at, prefix(end.max(1)), None),
        };
        let error = MessageError { at: error.at, len: error.len, note, cut_off };
        out.push(builder.finish(Some(error)));
    }
}

/// The rule of RFC 9112 §6.3 that the parser applied.
fn content_framing(framing: Framing) -> ContentFraming {
    match framing {
        Framing::None => ContentFraming { rule: 7, content: ContentKind::None },
        Framing::Length(length) => ContentFraming { rule: 6, content: ContentKind::Length(length) },
        Framing::Chunked => ContentFraming { rule: 4, content: ContentKind::Chunked { chunks: 0, bytes: 0 } },
    }
}
