//! Events as text for a terminal.
//!
//! ```text
//! ── c4 ── 127.0.0.1:50084 ── accepted 00:23:48.713 ─────────────
//!        +2.2 ms  recv() #1  8 bytes
//! ▶ c4.1 request  44 bytes  in 4 pieces, cut at the ┊ marks
//!    GET /hel┊2┊lo.txt HTTP/1.1\r\n    request line: give me this      9112 §3
//! ```
//!
//! and in the format [`ViewFormat::Line`], one line for each exchange:
//!
//! ```text
//! c4.1 00:23:48 GET /hello.txt 200  44>198 B  0.4 ms  4 recv  cut
//! ```
//!
//! A field is explained the first time it appears in a session, then only shown: otherwise the view is
//! unreadable after three requests. No meaning depends on colour alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use unicode_width::UnicodeWidthStr;

use crate::service::text::visible;
use crate::wire::explain::message::{Message, Role, SpanKind, byte_count, count};
use crate::wire::explain::notes::NoteId;
use crate::wire::record::event::{Call, EventKind, TimedMessage, WireEvent, clock};
use crate::wire::show::json;
use crate::wire::show::layout::{Layout, ViewFormat, ViewOptions, WIDEST, WrappedLine, ansi};
use crate::wire::show::layout::{arrow, format_duration, short_section, with_signs};
use crate::wire::show::rows::message_rows;

/// Columns before the continuation of a line that begins with a time.
const AFTER_TIME: usize = 14;
/// Columns before the continuation of other lines.
const AFTER_SIGN: usize = 5;
/// Connections whose headers are remembered. Their ends may be lost, so beyond this the oldest is dropped.
const HEADERS: usize = 4096;
/// Requests that may wait for their responses in the format of one line; beyond this the oldest is dropped.
const PENDING: usize = 4096;

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
    /// Requests without a response yet, by connection and exchange, for [`ViewFormat::Line`]. An exchange is printed
    /// when its response is complete, or when its connection ends without one.
    pending: BTreeMap<(u64, u64), PendingRequest>,
}

/// The facts about a request that the line of its exchange will show.
#[derive(Debug)]
struct PendingRequest {
    /// Method and target.
    title: String,
    /// Bytes of the message, head and content.
    bytes: u64,
    /// `recv()` calls that brought it.
    calls: u64,
    /// Whether another call began inside it.
    is_cut: bool,
}

impl Terminal {
    /// A view that has explained nothing yet.
    pub fn new(options: ViewOptions) -> Terminal {
        let (explained, headers, pending) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Terminal { options, explained, current: None, headers, pending }
    }

    /// Appends an event as text.
    pub fn push_event(&mut self, event: &WireEvent, out: &mut String) {
        match self.options.format {
            ViewFormat::Json => json::push_line(out, &json::event_value(event)),
            ViewFormat::Line => self.push_in_lines(event, out),
            ViewFormat::Head | ViewFormat::Full => self.push_in_detail(event, out),
        }
    }

    /// Appends an event in the formats [`ViewFormat::Head`] and [`ViewFormat::Full`].
    fn push_in_detail(&mut self, event: &WireEvent, out: &mut String) {
        let connection = event.connection;
        if let EventKind::Accepted { peer, moment } = &event.kind {
            self.headers.insert(connection, format!("{peer} ── accepted {}", clock(*moment)));
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
            EventKind::Received(call) => self.push_received(event.at, call, out),
            EventKind::Message(timed) => self.push_message(connection, timed, out),
            EventKind::Closed { note, side, missing, .. } => {
                out.push('\n');
                let mut line = self.start_timed_line(event.at, "closed", 9, out);
                let note = note.note();
                let missing = if *missing > 0 { format!(", {} missing", byte_count(*missing)) } else { String::new() };
                line.push_words(ansi::PLAIN, &format!(" by the {}: {}{missing}", side.name(), note.short));
                line.push_unit(ansi::DIM, &format!("  {}", short_section(note.section, self.options.ascii)));
                out.push_str("\n\n");
                self.headers.remove(&connection);
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

    /// Appends a line about a `recv()` call: `+2.2 ms  recv() #1  8 bytes  (1 TCP segment)`.
    fn push_received(&self, at: Duration, call: &Call, out: &mut String) {
        let Call { number, len, requests, segments, .. } = *call;
        // Each fact is a unit: broken in the middle, "2 TCP" would end one line and "segments" begin the next.
        let mut line = self.start_timed_line(at, "recv()", 11, out);
        line.push_unit(ansi::PLAIN, &format!(" #{number}  {}", byte_count(len)));
        if let Some(segments) = segments {
            let one = if segments > 1 { ", one recv()" } else { "" };
            let segments = count(u64::from(segments), "TCP segment");
            line.push_unit(ansi::PLAIN, &format!("  ({segments}{one})"));
        }
        if requests > 1 {
            line.push_unit(ansi::MARK, &format!("  {requests} requests together in one recv()"));
        }
        out.push('\n');
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

    /// Appends a message: a line with its name, its rows, and the sentences about it.
    fn push_message(&mut self, connection: u64, timed: &TimedMessage, out: &mut String) {
        let ascii = self.options.ascii;
        let message = &timed.message;
        let is_request = message.role == Role::Request;
        if is_request {
            out.push('\n');
        }
        let (arrow, color) = arrow(message.role);
        // A message of a file has no connection.
        let prefix = if connection > 0 { format!("c{connection}.") } else { String::new() };
        let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
        line.push(color, &with_signs(&format!("{arrow} "), ascii));
        let what = if message.is_unparsed() { "not parsed" } else { message.role.name() };
        line.push(ansi::BOLD, &format!("{prefix}{} {what}", message.exchange));
        line.push_unit(ansi::DIM, &format!("  {}", byte_count(message.len())));
        if is_request && !timed.boundaries.is_empty() {
            let pieces = format!("  in {} pieces, cut at the ┊ marks", timed.boundaries.len() + 1);
            line.push_unit(ansi::MARK, &with_signs(&pieces, ascii));
        }
        if let Some(took) = timed.took {
            let took = format_duration(took);
            line.push_unit(ansi::DIM, &format!("  {took} after the last byte of the request"));
        }
        out.push('\n');

        let full = self.options.format == ViewFormat::Full;
        // The full format shows every note every time: it is read in pieces, or searched.
        let rows = message_rows(timed, full, ascii, &mut |note| full || self.explained.insert(note));
        Layout::new(self.options, &rows).push(&rows, out);
        self.push_sentences(message, out);
    }

    /// The sentences about the whole message: how it ends, what is missing or hidden, what is wrong.
    fn push_sentences(&self, message: &Message, out: &mut String) {
        let mut push = |style: &str, text: &str, section: &str| {
            let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
            line.push(ansi::PLAIN, "   ");
            line.push_words(style, text);
            if !section.is_empty() {
                line.push_unit(ansi::DIM, &with_signs(&format!("  {section}"), self.options.ascii));
            }
            out.push('\n');
        };
        if let Some(framing) = message.framing {
            let sentence = message.framing_sentence().unwrap_or_default();
            push(ansi::SENTENCE, &format!("= {sentence}"), &framing.section());
        }
        if message.from_file {
            push(ansi::SENTENCE, "= sent with sendfile(): the bytes shown here were read from the file again", "");
        }
        if message.hidden {
            push(ansi::SENTENCE, "= body hidden: it may repeat a secret of the request that was not kept", "");
        }
        if let Some(error) = message.error {
            let note = error.note.note();
            push(ansi::ERROR, &format!("! byte {}: {}", error.at, note.long), note.section);
        }
    }

    /// Appends the lines of all exchanges that end with this event.
    fn push_in_lines(&mut self, event: &WireEvent, out: &mut String) {
        match &event.kind {
            EventKind::Message(timed) if timed.message.is_unparsed() => {}
            EventKind::Message(timed) => self.push_exchange(event.connection, timed, out),
            EventKind::Closed { reason, .. } => {
                // These requests will have no response: the reason of the close stands in its place.
                let mut left = self.pending.split_off(&(event.connection, 0));
                self.pending.append(&mut left.split_off(&(event.connection + 1, 0)));
                for ((connection, exchange), request) in left {
                    let PendingRequest { title, bytes, .. } = request;
                    out.push_str(&format!("c{connection}.{exchange} {title} -  {bytes}>0 B  {reason}\n"));
                }
            }
            EventKind::Lost { events, open } => out.push_str(&format!("... {}\n", lost_sentence(*events, *open))),
            EventKind::Accepted { .. } | EventKind::Received(_) => {}
        }
    }

    /// Remembers a request, or appends the line of the exchange that a response completes.
    fn push_exchange(&mut self, connection: u64, timed: &TimedMessage, out: &mut String) {
        let message = &timed.message;
        let (key, bytes) = ((connection, message.exchange), message.len());
        // The parts of a broken first line are empty, and the title is short; it is never text that was not sent.
        let part = |kind| visible(message.part(kind), self.options.ascii);
        if message.role == Role::Request {
            let title = format!("{} {}", part(SpanKind::Method), visible(message.target(), self.options.ascii));
            let is_cut = !timed.boundaries.is_empty();
            self.pending.insert(key, PendingRequest { title, bytes, calls: timed.call_count, is_cut });
            if self.pending.len() > PENDING {
                self.pending.pop_first();
            }
            return;
        }
        // The exchange goes on until its final response.
        if message.is_interim() {
            return;
        }
        // The request is unknown if it was dropped above, or if recording began between the two.
        let unknown = || PendingRequest { title: "-".into(), bytes: 0, calls: 0, is_cut: false };
        let request = self.pending.remove(&key).unwrap_or_else(unknown);
        // Whole seconds are enough in a list; the clock is empty for a message of a file.
        let clock = timed.clock.get(..8).unwrap_or_default();
        let took = timed.took.map(|took| format!("  {}", format_duration(took))).unwrap_or_default();
        let cut = if request.is_cut { "  cut" } else { "" };
        let broken = if message.error.is_some() { "  broken" } else { "" };
        let PendingRequest { title, bytes: request_bytes, calls, .. } = request;
        let (exchange, status) = (message.exchange, part(SpanKind::Status));
        out.push_str(&format!(
            "c{connection}.{exchange} {clock} {title} {status}  {request_bytes}>{bytes} B{took}  {calls} recv{cut}{broken}\n"
        ));
    }
}

/// How much was lost, and the consequence for connections that were open: with a gap in its bytes, a connection
/// cannot be explained any further, so only its end is shown.
fn lost_sentence(events: u64, open: usize) -> String {
    if events == 0 {
        let open = count(open as u64, "open connection");
        return format!("no memory for the bytes of {open}: told no further");
    }
    let events = count(events, "event");
    match open {
        0 => format!("{events} not shown"),
        open => {
            let open = count(open as u64, "open connection");
            format!("{events} not shown: too many at once. Of {open} only the end will be shown")
        }
    }
}
