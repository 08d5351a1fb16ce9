//! Events as text for a terminal.
//!
//! ```text
//! ── c4 ── 127.0.0.1:50084 ── accepted 00:23:48.713 ─────────────
//!        +2.2 ms  recv() #1  8 bytes
//! ▶ c4.1 request  44 bytes  in 4 pieces, cut at the ┊ marks
//!    GET /hel┊2┊lo.txt HTTP/1.1\r\n    request line: give me this      9112 §3
//! ```
//!
//! The format [`ViewFormat::Line`] has a module of its own, `lines`.
//!
//! A field is explained the first time it appears in a session, then only shown: otherwise the view is
//! unreadable after three requests. No meaning depends on colour alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::say;
use crate::service::text::visible;
use crate::wire::explain::message::{Message, Role};
use crate::wire::explain::notes::{NoteId, Side};
use crate::wire::explain::texts::say_parts;
use crate::wire::record::event::{Call, CallBytes, EventKind, TimedMessage, WireEvent, clock};
use crate::wire::show::json;
use crate::wire::show::layout::{Layout, ViewFormat, ViewOptions, WIDEST, WrappedLine, ansi};
use crate::wire::show::layout::{arrow, format_duration, short_section, with_signs};
use crate::wire::show::lines::ExchangeLines;
use crate::wire::show::rows::message_rows;
use crate::wire::show::sentences::{lost_sentence, message_name};

/// Columns before the continuation of a line that begins with a time.
const AFTER_TIME: usize = 14;
/// Columns before the continuation of other lines.
const AFTER_SIGN: usize = 5;
/// Connections whose headers are remembered. Their ends may be lost, so beyond this the oldest is dropped.
const HEADERS: usize = 4096;
/// The view in a terminal, for one session. It writes nothing itself: it appends text to a string, and the
/// program prints that. It remembers which notes have been shown already.
#[derive(Debug)]
pub struct Terminal {
    /// The same for the whole session.
    options: ViewOptions,
    explained: BTreeSet<NoteId>,
    /// The connection whose header was printed last.
    current: Option<u64>,
    /// Connection number to client and time, for the header of each connection.
    headers: BTreeMap<u64, String>,
    /// For [`ViewFormat::Line`].
    lines: ExchangeLines,
    /// Requests that were shown before they were complete, because their responses came first: the number of bytes, by
    /// connection and exchange.
    begun: BTreeMap<(u64, u64), u64>,
}

impl Terminal {
    /// A view that has explained nothing yet.
    pub fn new(options: ViewOptions) -> Terminal {
        let (explained, headers, begun) = Default::default();
        let lines = ExchangeLines::new(options.ascii);
        Terminal { options, explained, current: None, headers, lines, begun }
    }

    /// Appends an event as text.
    pub fn push_event(&mut self, event: &WireEvent, out: &mut String) {
        match self.options.format {
            ViewFormat::Json => json::push_line(out, &json::event_value(event)),
            ViewFormat::Line => self.lines.push_event(event, out),
            ViewFormat::Head | ViewFormat::Full => self.push_in_detail(event, out),
        }
    }

    /// Appends an event in the formats [`ViewFormat::Head`] and [`ViewFormat::Full`].
    fn push_in_detail(&mut self, event: &WireEvent, out: &mut String) {
        let connection = event.connection;
        // Of what is under way the lines of the calls tell enough, unless a response comes before the rest.
        if let EventKind::UnderWay(timed) = &event.kind
            && (!timed.early || self.begun.contains_key(&(connection, timed.message.exchange)))
        {
            return;
        }
        if let EventKind::Accepted { peer, moment } = &event.kind {
            let header = say!("terminal/accepted", peer = peer.to_string(), clock = clock(*moment));
            self.headers.insert(connection, header);
            // Connections are numbered in their order, so the first one is the oldest.
            if self.headers.len() > HEADERS {
                self.headers.pop_first();
            }
        }
        // Again if another connection was shown meanwhile. Files (connection 0) have no header.
        if connection > 0 && self.current.replace(connection) != Some(connection) {
            self.push_header(connection, out);
        }
        match &event.kind {
            EventKind::Accepted { .. } => {}
            EventKind::Received(call, shown) => self.push_call(event.at, "recv()", call, shown.as_deref(), out),
            EventKind::Sent(call, shown) => {
                let name = if call.from_file { "sendfile()" } else { "send()" };
                self.push_call(event.at, name, call, shown.as_deref(), out);
            }
            EventKind::Message(timed) | EventKind::UnderWay(timed) => self.push_message(connection, timed, out),
            EventKind::Closed { note, side, missing, .. } => {
                out.push('\n');
                let note = note.note();
                let (closed, rest) = match side {
                    Side::Client => say_parts!("terminal/closed-by-client", reason = note.short),
                    Side::Server => say_parts!("terminal/closed-by-server", reason = note.short),
                };
                let mut line = self.start_timed_line(event.at, &closed, 9, out);
                line.push_words(ansi::PLAIN, &rest);
                if *missing > 0 {
                    line.push_unit(ansi::PLAIN, &format!("  {}", say!("terminal/missing", missing = *missing)));
                }
                line.push_unit(ansi::DIM, &format!("  {}", short_section(note.section, self.options.ascii)));
                out.push_str("\n\n");
                self.headers.remove(&connection);
                self.begun.retain(|begun, _| begun.0 != connection);
                // The next event belongs to another connection, or to none.
                self.current = None;
            }
            EventKind::Lost { events, open } => {
                // The reader cannot know which connection the next lines belong to: print its header again.
                self.current = None;
                let text = with_signs(&format!("… {}", lost_sentence(*events, *open)), self.options.ascii);
                WrappedLine::new(self.options, AFTER_SIGN, out).push_words(ansi::MARK, &text);
                out.push('\n');
            }
        }
    }

    /// Appends a line about a call: `+2.2 ms  recv() #1  8 bytes  (1 TCP segment)`. If a message is not complete with it,
    /// the line goes on with the bytes of that and with what is missing: `GET /hel  (blank line not seen yet)`.
    fn push_call(&self, at: Duration, name: &str, call: &Call, shown: Option<&CallBytes>, out: &mut String) {
        let Call { number, len, requests, segments, more, .. } = *call;
        // Each fact is a unit: broken in the middle, "2 TCP" would end one line and "segments" begin the next.
        let first = number.to_string();
        let ((call, rest), one) = match more {
            0 => (say_parts!("terminal/call", call = name, number = first, bytes = len), true),
            more => {
                let last = (number + more).to_string();
                (say_parts!("terminal/calls", call = name, first, last, bytes = len), false)
            }
        };
        let mut line = self.start_timed_line(at, &call, 11, out);
        line.push_unit(ansi::PLAIN, &rest);
        if let Some(segments) = segments.map(u64::from) {
            let text = match one {
                true => say!("terminal/segments", segments),
                false => say!("terminal/segments-of-calls", segments),
            };
            line.push_unit(ansi::PLAIN, &format!("  {text}"));
        }
        if requests > 1 && one {
            line.push_unit(ansi::MARK, &format!("  {}", say!("terminal/glued", requests)));
        }
        if let Some(shown) = shown {
            let sentence = format!("  ({})", shown.under_way.sentence());
            let text = self.call_text(shown, line.columns_left(WIDEST).saturating_sub(sentence.width() + 2));
            if !text.is_empty() {
                line.push_unit(ansi::SENTENCE, &format!("  {text}"));
            }
            line.push_unit(ansi::DIM, &sentence);
        }
        out.push('\n');
    }

    /// The bytes of a call in one line, in so many columns, or in a line of their own if these are too few.
    fn call_text(&self, shown: &CallBytes, beside: usize) -> String {
        /// In fewer columns nothing is recognised.
        const FEWEST: usize = 24;
        if shown.bytes.is_empty() {
            return String::new();
        }
        let more = with_signs("…", self.options.ascii);
        let mut text = if shown.is_begun { more.clone() } else { String::new() };
        text += &visible(&shown.bytes, self.options.ascii);
        let columns = if beside >= FEWEST { beside } else { self.options.columns.min(WIDEST) - AFTER_TIME };
        if shown.is_cut || text.width() > columns {
            while text.width() + more.width() > columns && text.pop().is_some() {}
            text += &more;
        }
        text
    }

    /// Begins a line with the time since the connection was accepted, right-aligned in `width` columns, and the event.
    fn start_timed_line<'a>(&self, at: Duration, event: &str, width: usize, out: &'a mut String) -> WrappedLine<'a> {
        let time = format!("+{}", format_duration(at));
        let mut line = WrappedLine::new(self.options, AFTER_TIME, out);
        line.push(ansi::PLAIN, "   ");
        line.push(ansi::DIM, &format!("{time:>width$}"));
        line.push(ansi::PLAIN, "  ");
        line.push(ansi::BOLD, event);
        line
    }

    /// Appends the header of a connection. Its line goes to the edge, so that it can be found in scrolled text.
    fn push_header(&self, connection: u64, out: &mut String) {
        let client = self.headers.get(&connection).map_or("", String::as_str);
        let text = format!("── c{connection} ── {client} ");
        // One column is left free: a terminal that is filled to the edge may add a line of its own.
        let rest = self.options.columns.min(WIDEST).saturating_sub(text.width() + 1);
        let text = with_signs(&(text + &"─".repeat(rest)), self.options.ascii);
        self.options.push_styled(out, ansi::MARK, &text);
        out.push('\n');
    }

    /// Appends a message: a line with its name, its rows, and the sentences about it. Of a request that was shown before
    /// it was complete, only the rest.
    fn push_message(&mut self, connection: u64, timed: &TimedMessage, out: &mut String) {
        let message = &timed.message;
        let key = (connection, message.exchange);
        let is_request = message.role == Role::Request && !message.is_unparsed();
        let from = if is_request { self.begun.remove(&key) } else { None };
        if message.under_way.is_some() {
            self.begun.insert(key, message.len());
            // Their ends may be lost.
            if self.begun.len() > HEADERS {
                self.begun.pop_first();
            }
        }
        if message.role == Role::Request {
            out.push('\n');
        }
        self.push_name(connection, timed, from, out);
        let (full, ascii) = (self.options.format == ViewFormat::Full, self.options.ascii);
        // The full format shows every note every time: it is read in pieces, or searched.
        let from = from.unwrap_or(0);
        let rows = message_rows(timed, from, full, ascii, &mut |note| full || self.explained.insert(note));
        Layout::new(self.options, &rows).push(&rows, out);
        self.push_sentences(message, out);
    }

    /// Appends the line with the name of a message, or of the rest of it from this byte on.
    fn push_name(&self, connection: u64, timed: &TimedMessage, from: Option<u64>, out: &mut String) {
        let (message, ascii) = (&timed.message, self.options.ascii);
        let (arrow, color) = arrow(message.role);
        // A message of a file has no connection.
        let prefix = if connection > 0 { format!("c{connection}.") } else { String::new() };
        let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
        line.push(color, &with_signs(&format!("{arrow} "), ascii));
        let what = from.map_or_else(|| message_name(message), |_| say!("message/rest"));
        line.push(ansi::BOLD, &format!("{prefix}{} {what}", message.exchange));
        let bytes = message.len() - from.unwrap_or(0);
        let size = match message.under_way {
            Some(_) => say!("terminal/so-far", bytes),
            None => say!("about/bytes", bytes),
        };
        line.push_unit(ansi::DIM, &format!("  {size}"));
        let cuts = timed.boundaries.iter().filter(|cut| cut.at > from.unwrap_or(0)).count() as u64;
        if message.role == Role::Request && cuts > 0 {
            let pieces = say!("terminal/pieces", pieces = cuts + 1);
            line.push_unit(ansi::MARK, &with_signs(&format!("  {pieces}"), ascii));
        }
        if let Some(took) = timed.took {
            let took = say!("terminal/took", time = format_duration(took));
            line.push_unit(ansi::DIM, &format!("  {took}"));
        }
        out.push('\n');
    }

    /// The sentences about the whole message: how it ends, what is missing or hidden, what is wrong.
    fn push_sentences(&self, message: &Message, out: &mut String) {
        let mut push = |style: &str, sign: &str, text: &str, section: &str| {
            let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
            line.push(ansi::PLAIN, "   ");
            line.push_words(style, &format!("{sign} {text}"));
            if !section.is_empty() {
                line.push_unit(ansi::DIM, &with_signs(&format!("  {section}"), self.options.ascii));
            }
            out.push('\n');
        };
        if let Some(framing) = message.framing {
            let sentence = message.framing_sentence().unwrap_or_default();
            push(ansi::SENTENCE, "=", &sentence, &framing.section());
        }
        if message.from_file {
            push(ansi::SENTENCE, "=", &say!("terminal/from-file"), "");
        }
        if message.hidden {
            push(ansi::SENTENCE, "=", &say!("terminal/hidden"), "");
        }
        if let (None, Some(under_way)) = (message.framing, message.under_way) {
            push(ansi::SENTENCE, "=", &under_way.sentence(), "");
        }
        if let Some(error) = message.error {
            let note = error.note.note();
            let broken = say!("terminal/broken", at = error.at.to_string(), sentence = note.long);
            push(ansi::ERROR, "!", &broken, note.section);
        }
    }
}
