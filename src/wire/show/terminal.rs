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

use crate::wire::explain::message::{Message, Role, byte_count, count};
use crate::wire::explain::notes::{NoteId, Side};
use crate::wire::record::event::{Call, EventKind, TimedMessage, WireEvent};
use crate::wire::show::json;
use crate::wire::show::layout::{Layout, WIDEST, WrappedLine};
use crate::wire::show::rows::message_rows;
use crate::wire::show::style::{ViewFormat, ViewOptions, ansi, columns, cut_mark, dots, format_duration, title};

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
    options: ViewOptions,
    explained: BTreeSet<NoteId>,
    /// The connection whose header was printed last.
    current: Option<u64>,
    /// Connection number to client and time, for the header of each connection.
    headers: BTreeMap<u64, String>,
    pending: PendingRequests,
}

impl Terminal {
    /// A view that has explained nothing yet.
    pub fn new(options: ViewOptions) -> Terminal {
        let (explained, headers, pending) = (BTreeSet::new(), BTreeMap::new(), PendingRequests::default());
        Terminal { options, explained, current: None, headers, pending }
    }

    /// Appends an event as text.
    pub fn push_event(&mut self, event: &WireEvent, out: &mut String) {
        match self.options.format {
            ViewFormat::Json => json::push_event(out, event),
            ViewFormat::Line => self.pending.push_event(event, self.options.ascii, out),
            ViewFormat::Head | ViewFormat::Full => self.push_in_detail(event, out),
        }
    }

    /// Appends an event in the formats [`ViewFormat::Head`] and [`ViewFormat::Full`].
    fn push_in_detail(&mut self, event: &WireEvent, out: &mut String) {
        let connection = event.connection;
        match &event.kind {
            EventKind::Accepted { peer, clock, .. } => {
                self.headers.insert(connection, format!("{peer} -- accepted {clock}"));
                // Connections are numbered in their order, so the first one is the oldest.
                if self.headers.len() > HEADERS {
                    self.headers.pop_first();
                }
                self.push_header(connection, out);
            }
            EventKind::Received(call) => {
                self.switch_to(connection, out);
                self.push_received(event.at, call, out);
            }
            EventKind::Message(timed) => {
                self.switch_to(connection, out);
                self.push_message(connection, timed, out);
            }
            EventKind::Closed { note, side, unread, missing, .. } => {
                self.push_closed(event, *note, *side, *missing, out);
                if *unread > 0 {
                    out.push_str(&format!("   {} behind the last request: not read\n", byte_count(*unread)));
                }
                out.push('\n');
            }
            EventKind::Lost { events, open } => {
                // The reader cannot know which connection the next lines belong to: print its header again.
                self.current = None;
                let text = format!("{} {}", dots(self.options.ascii), lost_sentence(*events, *open));
                WrappedLine::new(self.options, AFTER_SIGN, out).push_words(ansi::MARK, &text);
                out.push('\n');
            }
        }
    }

    /// Appends a line about a `recv()` call: `+2.2 ms  recv() #1  8 bytes  (1 TCP segment)`.
    fn push_received(&self, at: Duration, call: &Call, out: &mut String) {
        let Call { number, len, requests, segments, .. } = *call;
        self.push_time(at, 11, out);
        self.push_styled(out, ansi::BOLD, "recv()");
        // Each fact is a unit: broken in the middle, "2 TCP" would end one line and "segments" begin the next.
        let mut line = WrappedLine::new(self.options, AFTER_TIME, out);
        line.push_unit(ansi::PLAIN, &format!(" #{number}  {}", byte_count(len)));
        if let Some(segments) = segments {
            let one = if segments > 1 { ", one recv()" } else { "" };
            let segments = count(u64::from(segments), "TCP segment");
            line.push_unit(ansi::PLAIN, &format!("  ({segments}{one})"));
        }
        if requests > 1 {
            line.push_unit(ansi::MARK, &format!("  {requests} requests glued together in one recv()"));
        }
        out.push('\n');
    }

    /// Appends a line about the end of a connection: `+921.3 ms  closed by the client: …`.
    fn push_closed(&mut self, event: &WireEvent, note: NoteId, side: Side, missing: u64, out: &mut String) {
        self.switch_to(event.connection, out);
        out.push('\n');
        self.push_time(event.at, 9, out);
        self.push_styled(out, ansi::BOLD, "closed");
        let note = note.note();
        let mut text = format!(" by the {}: {}", side.name(), note.short);
        if missing > 0 {
            text.push_str(&format!(", {} missing", byte_count(missing)));
        }
        let mut line = WrappedLine::new(self.options, AFTER_TIME, out);
        line.push_words(ansi::PLAIN, &text);
        line.push_unit(ansi::DIM, &format!("  {}", self.options.short_section(note.section)));
        out.push('\n');
        self.headers.remove(&event.connection);
        // The next event belongs to another connection, or to none.
        self.current = None;
    }

    /// Appends a time since the connection was accepted, right-aligned in `width` columns.
    fn push_time(&self, at: Duration, width: usize, out: &mut String) {
        let time = format!("+{}", format_duration(at));
        out.push_str("   ");
        self.push_styled(out, ansi::DIM, &format!("{time:>width$}"));
        out.push_str("  ");
    }

    /// Prints the header again if another connection was shown meanwhile. Files (connection 0) have none.
    fn switch_to(&mut self, connection: u64, out: &mut String) {
        if connection > 0 && self.current != Some(connection) {
            self.push_header(connection, out);
        }
    }

    /// Appends the header of a connection. Its line goes to the edge, so that it can be found in scrolled text.
    fn push_header(&mut self, connection: u64, out: &mut String) {
        self.current = Some(connection);
        let client = self.headers.get(&connection).cloned().unwrap_or_default();
        let dash = if self.options.ascii { "-" } else { "─" };
        let two = dash.repeat(2);
        let text = format!("{two} c{connection} {two} {} ", client.replace("--", &two));
        // One column is left free: a terminal that is filled to the edge may add a line of its own.
        let rest = self.options.columns.min(WIDEST).saturating_sub(columns(&text) + 1);
        self.push_styled(out, ansi::MARK, &(text + &dash.repeat(rest)));
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
        let (arrow, color) = match (message.role, ascii) {
            (Role::Request, false) => ("▶", ansi::REQUEST),
            (Role::Request, true) => (">", ansi::REQUEST),
            (Role::Response, false) => ("◀", ansi::RESPONSE),
            (Role::Response, true) => ("<", ansi::RESPONSE),
        };
        self.push_styled(out, color, &format!("{arrow} "));
        // A message of a file has no connection.
        let prefix = if connection > 0 { format!("c{connection}.") } else { String::new() };
        self.push_styled(out, ansi::BOLD, &format!("{prefix}{} {}", message.exchange, message.role.name()));
        let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
        line.push_unit(ansi::DIM, &format!("  {}", byte_count(message.len())));
        if is_request && !timed.boundaries.is_empty() {
            let pieces = timed.boundaries.len() + 1;
            line.push_unit(ansi::MARK, &format!("  in {pieces} pieces, cut at the {} marks", cut_mark(ascii)));
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
        const TOOL: &str = "barewire study view";
        let mut push = |text: &str, section: &str| {
            self.push_sentence(ansi::SENTENCE, &format!("= {text}"), section, out);
        };
        if let Some(framed) = message.framing {
            push(&framed.sentence(), &framed.section());
        }
        // The framing says how much was announced; this, how much of it came.
        if message.is_left_off() {
            let came = byte_count(message.content_len());
            let text = format!("{came} of it came: it was answered before, and nobody waits for the rest");
            push(&text, "RFC 9112 §9.5");
        }
        if message.from_file {
            push("sent by the kernel with sendfile(): its ends were read again from the file", TOOL);
        }
        if message.hidden {
            push("body hidden: the exchange has a secret too short to be looked for in it", TOOL);
        }
        if let Some(broken) = message.error {
            let note = broken.note.note();
            self.push_sentence(ansi::ERROR, &format!("! byte {}: {}", broken.at, note.long), note.section, out);
        }
    }

    /// Appends a sentence that begins with a sign, and its section.
    fn push_sentence(&self, style: &str, text: &str, section: &str, out: &mut String) {
        out.push_str("   ");
        let mut line = WrappedLine::new(self.options, AFTER_SIGN, out);
        line.push_words(style, text);
        line.push_unit(ansi::DIM, &format!("  {}", self.options.section(section)));
        out.push('\n');
    }

    fn push_styled(&self, out: &mut String, style: &str, text: &str) {
        self.options.push_styled(out, style, text);
    }
}

/// Requests without a response yet, by connection and exchange. An exchange is printed when its response is
/// complete, or when its connection ends without one.
#[derive(Debug, Default)]
struct PendingRequests {
    by_exchange: BTreeMap<(u64, u64), RequestTitle>,
}

/// The facts about a request that the line of its exchange will show.
#[derive(Debug)]
struct RequestTitle {
    /// Method and target.
    title: String,
    bytes: u64,
    /// `recv()` calls that brought it.
    calls: u64,
    /// Whether another call began inside it.
    is_cut: bool,
}

impl PendingRequests {
    /// Appends the lines of all exchanges that end with this event.
    fn push_event(&mut self, event: &WireEvent, ascii: bool, out: &mut String) {
        match &event.kind {
            EventKind::Message(timed) => self.push_message(event.connection, timed, ascii, out),
            EventKind::Closed { reason, .. } => {
                let of_connection = (event.connection, 0)..(event.connection + 1, 0);
                // These requests will have no response: the reason of the close stands in its place.
                let left: Vec<_> = self.by_exchange.range(of_connection).map(|(key, _)| *key).collect();
                for key in left {
                    if let Some(RequestTitle { title, bytes, .. }) = self.by_exchange.remove(&key) {
                        out.push_str(&format!("c{}.{} {title} -  {bytes}>0 B  {reason}\n", key.0, key.1));
                    }
                }
            }
            EventKind::Lost { events, open } => out.push_str(&format!("... {}\n", lost_sentence(*events, *open))),
            EventKind::Accepted { .. } | EventKind::Received(_) => {}
        }
    }

    /// Remembers a request, or appends the line of the exchange that a response completes.
    fn push_message(&mut self, connection: u64, timed: &TimedMessage, ascii: bool, out: &mut String) {
        let message = &timed.message;
        let key = (connection, message.exchange);
        let title = title(message, ascii);
        if message.role == Role::Request {
            let is_cut = !timed.boundaries.is_empty();
            let request = RequestTitle { title, bytes: message.len(), calls: timed.call_count, is_cut };
            self.by_exchange.insert(key, request);
            if self.by_exchange.len() > PENDING {
                self.by_exchange.pop_first();
            }
            return;
        }
        // The exchange goes on until its final response.
        if message.is_interim() {
            return;
        }
        // The request is unknown if it was dropped above, or if recording began between the two.
        let unknown = || RequestTitle { title: "-".into(), bytes: 0, calls: 0, is_cut: false };
        let request = self.by_exchange.remove(&key).unwrap_or_else(unknown);
        // Whole seconds are enough in a list; the clock is empty for a message of a file.
        let clock = timed.clock.get(..8).unwrap_or_default();
        let took = timed.took.map(|took| format!("  {}", format_duration(took))).unwrap_or_default();
        let cut = if request.is_cut { "  cut" } else { "" };
        let broken = if message.error.is_some() { "  broken" } else { "" };
        out.push_str(&format!(
            "c{connection}.{} {clock} {} {title}  {}>{} B{took}  {} recv{cut}{broken}\n",
            message.exchange,
            request.title,
            request.bytes,
            message.len(),
            request.calls,
        ));
    }
}

/// How much was lost, and the consequence for connections that were open: with a gap in its bytes, a connection
/// cannot be explained any further, so only its end is shown.
fn lost_sentence(events: u64, open: usize) -> String {
    let events = count(events, "event");
    match open {
        0 => format!("{events} not shown"),
        1 => format!("{events} not shown: too much came at once, 1 open connection is told no further"),
        open => format!("{events} not shown: too much came at once, {open} open connections are told no further"),
    }
}
