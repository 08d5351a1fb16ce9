//! The server's bytes as responses (RFC 9112 §4, §6.3, §7).
//!
//! It reads strictly, as a careful client should: two different lengths, a bare LF or a space before a colon make a
//! response invalid, although most clients accept them. Field lines and chunks are checked by the functions that check
//! those of requests (`field::diagnose`, [`Decoder`]); the rules of a head stand in `response_head`.
//!
//! | rule of §6.3 | applies to | the content |
//! |---|---|---|
//! | 1 | a response to HEAD, a 1xx, 204 or 304 response | none, even if the fields announce some |
//! | 2 | a 2xx response to CONNECT | none; a tunnel follows |
//! | 3 | Transfer-Encoding and Content-Length | chunks; the length is ignored |
//! | 4 | Transfer-Encoding | chunks, or until the connection ends if `chunked` is not the last coding |
//! | 5 | an invalid Content-Length | the response is invalid |
//! | 6 | Content-Length | that number of bytes |
//! | 7 | (requests only) | none |
//! | 8 | all others | until the connection ends |
//!
//! The length of a response depends on the method of its request, so the caller provides the methods. A response
//! without a length ends where the connection does (rule 8): it is complete only in [`ResponseReader::end`], and
//! a cut looks like its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::http::chunked::{Chunk, Decoder};
use crate::http::{Fault, Limits, Method};
use crate::wire::explain::{
    ContentFraming, ContentKind, ExplainOptions, Message, MessageBuilder, MessageError, NoteId, Role,
    notes::response_fault,
    response_head::{check_head, content_framing, invalid},
};

/// What is read next.
#[derive(Debug)]
enum ResponseState {
    /// A head, up to and with its blank line.
    Head,
    /// Content, with this number of bytes to come.
    Length(u64),
    /// Chunked content. The decoder has the position in its grammar.
    Chunked(Decoder),
    /// Content that ends with the connection: rule 8, or rule 4 if `chunked` is not the last coding.
    UntilClose,
    /// Nothing: a response was invalid, or the bytes are not HTTP any more.
    Ended,
}

/// The reader of one connection.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    options: Arc<ExplainOptions>,
    /// Those of the server, with the largest head that any reader accepts.
    limits: Limits,
    state: ResponseState,
    /// The response whose content is being read.
    builder: Option<MessageBuilder>,
    /// Bytes that were not taken yet: an incomplete head or framing line.
    pending: Vec<u8>,
    /// Bytes of `pending` in which the end of a head was searched for, so that none is searched twice.
    searched: usize,
    /// The position of the next byte on the server's side.
    at: u64,
    /// The exchange whose response is being read, counted from 1.
    pub(crate) exchange: u64,
    /// The bytes after the last response, which are not parsed.
    rest: Option<MessageBuilder>,
    /// The method of requests that were not seen: a saved file may contain responses alone.
    pub(crate) assumed: Method,
    /// Whether the requests are seen: then a response without one is none.
    pub(crate) has_requests: bool,
}

impl ResponseReader {
    pub(crate) fn new(options: &Arc<ExplainOptions>) -> ResponseReader {
        ResponseReader {
            options: Arc::clone(options),
            // The limits of the server are for requests. A response may use all that any reader accepts.
            limits: Limits { head: Limits::HEAD_CEILING, ..options.limits },
            state: ResponseState::Head,
            builder: None,
            pending: Vec::new(),
            searched: 0,
            at: 0,
            exchange: 1,
            rest: None,
            assumed: Method::Get,
            has_requests: false,
        }
    }

    /// The bytes of memory that it needs besides itself.
    pub(crate) fn held_bytes(&self) -> usize {
        let builders = [&self.builder, &self.rest].into_iter().flatten().map(MessageBuilder::held_bytes);
        self.pending.capacity() + builders.sum::<usize>()
    }

    /// Whether a response has begun and is not complete.
    pub(crate) fn is_inside(&self) -> bool {
        match self.state {
            ResponseState::Head => !self.pending.is_empty(),
            ResponseState::Ended => false,
            _ => true,
        }
    }

    /// Whether bytes that come now are no longer read.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, ResponseState::Ended)
    }

    /// The response that is under way, or else the bytes after the last one; and the bytes of a framing line of it that
    /// is not complete.
    pub(crate) fn under_way(&self) -> Option<(Cow<'_, MessageBuilder>, &[u8])> {
        match (&self.rest, &self.builder) {
            (Some(rest), _) => Some((Cow::Borrowed(rest), &[])),
            (None, Some(builder)) => Some((Cow::Borrowed(builder), &self.pending)),
            // A head that is not complete.
            (None, None) => self.is_inside().then(|| (Cow::Owned(self.begin(&self.pending, None)), &[][..])),
        }
    }

    /// Reads on; `methods` are those of the requests, by exchange.
    pub(crate) fn push(&mut self, bytes: &[u8], methods: &BTreeMap<u64, Method>, out: &mut Vec<Message>) {
        let mut input = std::mem::take(&mut self.pending);
        // A head or a size line may have come in pieces: it is read when it is complete.
        input.extend_from_slice(bytes);
        let (first, mut used) = (self.at, 0);
        while used < input.len() && !self.is_ended() {
            if self.is_surplus(&input[used..], methods) {
                // They belong to the exchange before, which is the last one.
                (self.state, self.exchange) = (ResponseState::Ended, self.exchange - 1);
                break;
            }
            match self.step(&input[used..], methods, out) {
                Ok(0) => break,
                Ok(taken) => {
                    used += taken;
                    self.at += taken as u64;
                }
                Err(error) => self.refuse(error, &input[used..], out),
            }
        }
        if !self.is_ended() {
            input.drain(..used);
            self.pending = input;
            return;
        }
        // An invalid response ends after the bytes that were taken: its fault belongs to it.
        self.at = out.last().map_or(self.at, Message::end).max(self.at);
        let read = usize::try_from(self.at - first).unwrap_or(usize::MAX).min(input.len());
        if read < input.len() {
            self.rest().content(&input[read..]);
            self.at += (input.len() - read) as u64;
        }
    }

    /// Whether bytes after a response are more than its length announced, and not the next response: no request waits
    /// for one, and they do not begin like one.
    fn is_surplus(&self, bytes: &[u8], methods: &BTreeMap<u64, Method>) -> bool {
        let is_between = matches!(self.state, ResponseState::Head) && self.exchange > 1 && self.has_requests;
        let begin = &b"HTTP/"[..bytes.len().min(5)];
        is_between && !methods.contains_key(&self.exchange) && !bytes.starts_with(begin)
    }

    /// The bytes after the last response, those that come now included.
    fn rest(&mut self) -> &mut MessageBuilder {
        let place = (Role::Response, self.exchange, self.at);
        self.rest.get_or_insert_with(|| MessageBuilder::unparsed(&self.options, place))
    }

    /// `len` bytes were sent that are known to be content, and are not here: those of a file did not pass through the
    /// program, and the middle of long content is not recorded. `add` gives so many of them to the message.
    pub(crate) fn push_content(&mut self, len: u64, add: impl Fn(&mut MessageBuilder, u64), out: &mut Vec<Message>) {
        if self.is_ended() {
            add(self.rest(), len);
        }
        self.at += len;
        let Some(builder) = &mut self.builder else { return };
        match &mut self.state {
            ResponseState::Length(left) => {
                add(builder, len.min(*left));
                // The server sends no more than it announced. If it did, the surplus would be unexplained but counted.
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.complete(out);
                }
            }
            ResponseState::UntilClose => add(builder, len),
            _ => {}
        }
    }

    /// The server has ended its side, or the connection was lost.
    pub(crate) fn end(&mut self, out: &mut Vec<Message>) {
        let pending = std::mem::take(&mut self.pending);
        let note = match std::mem::replace(&mut self.state, ResponseState::Ended) {
            // Between two responses nothing is pending, and nothing is wrong.
            ResponseState::Head if !pending.is_empty() => {
                self.builder = Some(self.begin(&pending, None));
                Some(response_fault::HEAD_CUT_OFF)
            }
            ResponseState::Length(_) => Some(response_fault::CONTENT_CUT_OFF),
            ResponseState::Chunked(_) => Some(response_fault::CHUNKS_CUT_OFF),
            _ => None,
        };
        if let Some(mut builder) = self.builder.take() {
            // An incomplete size line is shown as far as it came.
            builder.framing_lines(&pending);
            let error = note.map(|note| MessageError { at: builder.len(), len: 0, note, cut_off: true });
            out.push(builder.finish(error));
        }
        out.extend(self.rest.take().map(|builder| builder.finish(None)));
    }

    /// A response with this head, or with the part of it up to its fault.
    fn begin(&self, head: &[u8], framing: Option<ContentFraming>) -> MessageBuilder {
        MessageBuilder::new(&self.options, (Role::Response, self.exchange, self.at), head, framing)
    }

    /// A response is invalid: it goes up to the last byte of the error, and nothing after it is read. `unused` are the
    /// bytes after those that belong to it already.
    fn refuse(&mut self, error: MessageError, unused: &[u8], out: &mut Vec<Message>) {
        self.state = ResponseState::Ended;
        let known = self.builder.as_ref().map_or(0, MessageBuilder::len);
        let len = usize::try_from(error.at + error.len - known).unwrap_or(usize::MAX).min(unused.len());
        // Inside content only a framing line can be invalid.
        let builder = match self.builder.take() {
            Some(mut builder) => {
                builder.framing_lines(&unused[..len]);
                builder
            }
            None => self.begin(&unused[..len], None),
        };
        out.push(builder.finish(Some(error)));
    }

    /// Reads some of `input`, which is not empty. Returns the number of bytes taken, 0 if more are needed.
    fn step(
        &mut self,
        input: &[u8],
        methods: &BTreeMap<u64, Method>,
        out: &mut Vec<Message>,
    ) -> Result<usize, MessageError> {
        let Some(builder) = &mut self.builder else {
            return self.head_end(input)?.map_or(Ok(0), |end| self.head(&input[..end], methods, out));
        };
        match &mut self.state {
            ResponseState::Length(left) => {
                // Bytes after the announced length belong to the next response.
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                builder.content(&input[..taken]);
                *left -= taken as u64;
                if *left == 0 {
                    self.complete(out);
                }
                Ok(taken)
            }
            ResponseState::Chunked(decoder) => {
                let (taken, chunk) = decoder.step(input, &self.limits);
                match chunk {
                    // The decoder counts from the start of its input, the message from its own.
                    Chunk::Refused(fault) => {
                        let (at, note) = (builder.len() + fault.at, NoteId::fault(fault.fault));
                        return Err(MessageError { at, len: fault.len, note, cut_off: false });
                    }
                    Chunk::NeedMore => return Ok(0),
                    Chunk::Data(data) => builder.content(data),
                    Chunk::Line | Chunk::End => builder.framing_lines(&input[..taken]),
                }
                if chunk == Chunk::End {
                    self.complete(out);
                }
                Ok(taken)
            }
            ResponseState::UntilClose => {
                builder.content(input);
                Ok(input.len())
            }
            ResponseState::Head | ResponseState::Ended => Ok(0),
        }
    }

    /// The length of the head, `None` if it is not complete; a line end that is invalid is found before its end.
    fn head_end(&mut self, input: &[u8]) -> Result<Option<usize>, MessageError> {
        const BEGIN: &[u8] = b"HTTP/";
        for at in self.searched..input.len() {
            // Refused at the first wrong byte: bytes that are not HTTP may never contain a blank line.
            if BEGIN.get(at).is_some_and(|&b| b != input[at]) {
                return Err(invalid(0, at + 1, response_fault::STATUS_LINE));
            }
            match (input[at], at.checked_sub(1).map(|before| input[before])) {
                // Only CR LF ends a line. Readers that also accept a bare LF find other ends of the head than those
                // that do not.
                (b'\n', Some(b'\r')) if input[..=at].ends_with(b"\r\n\r\n") => {
                    self.searched = 0;
                    return Ok(Some(at + 1));
                }
                (b'\n', Some(b'\r')) => {}
                (b'\n', _) => return Err(invalid(at, 1, NoteId::fault(Fault::BareLf))),
                (_, Some(b'\r')) => return Err(invalid(at - 1, 1, NoteId::fault(Fault::BareCr))),
                _ => {}
            }
            // A server that never ends its head would fill the memory.
            if at >= self.limits.head {
                return Err(invalid(at, 0, response_fault::HEAD_TOO_LONG));
            }
        }
        self.searched = input.len();
        Ok(None)
    }

    /// Reads a complete head. Returns its length.
    fn head(
        &mut self,
        head: &[u8],
        methods: &BTreeMap<u64, Method>,
        out: &mut Vec<Message>,
    ) -> Result<usize, MessageError> {
        // The status comes first: which fields count depends on it.
        let status = check_head(head)?;
        let method = methods.get(&self.exchange).copied().unwrap_or(self.assumed);
        let framing = content_framing(head, status, method)?;
        let builder = self.begin(head, Some(framing));
        self.state = match framing.content {
            // Content of length 0 is complete at once, like no content.
            ContentKind::Length(length @ 1..) => ResponseState::Length(length),
            ContentKind::Chunked { .. } => ResponseState::Chunked(Decoder::default()),
            ContentKind::UntilClose(_) => ResponseState::UntilClose,
            content => {
                out.push(builder.finish(None));
                // After an interim response the final one of the same exchange follows.
                self.exchange += u64::from(!status.is_interim() && content != ContentKind::Tunnel);
                self.state = if content == ContentKind::Tunnel { ResponseState::Ended } else { ResponseState::Head };
                return Ok(head.len());
            }
        };
        self.builder = Some(builder);
        Ok(head.len())
    }

    /// The final response of an exchange is complete: the next bytes are the head of another one.
    fn complete(&mut self, out: &mut Vec<Message>) {
        out.extend(self.builder.take().map(|builder| builder.finish(None)));
        self.state = ResponseState::Head;
        self.exchange += 1;
    }
}
