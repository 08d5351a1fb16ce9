//! Events to text: the wire, as a person reads it.
//!
//! ```text
//! ── c4 ── 127.0.0.1:50084 ── accepted 00:23:48.713 ─────────────
//!        +2.2 ms  recv() #1  8 bytes
//! ▶ c4.1 request  44 bytes  in 4 pieces, cut at the ┊ marks
//!    GET /hel┊2┊lo.txt HTTP/1.1\r\n    request line: give me this      9112 §3
//! ```
//!
//! Never: a byte line that is wrapped, a meaning by colour alone, a byte of the network that was not
//! made safe (`paint`).
//!
//! The subtle thing: a field is explained the first time it appears in a session and then only shown.
//! Without that rule the view is unreadable after three requests.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::wire::explain::message::{Message, Role, byte_count, count};
use crate::wire::explain::notes::{NoteId, Side};
use crate::wire::record::event::{Call, EventKind, TimedMessage, WireEvent};
use crate::wire::show::flow::Flow;
use crate::wire::show::layout::{Layout, Row};
use crate::wire::show::line;
use crate::wire::show::look::{Form, Style, millis};
use crate::wire::show::style::{push_styled, style};

/// The view.
#[derive(Debug)]
pub struct Terminal {
    style: Style,
    taught: BTreeSet<NoteId>,
    /// Whose header was printed last.
    speaker: Option<u64>,
    /// Names of connections for their headers.
    headers: std::collections::BTreeMap<u64, String>,
    exchanges: line::Exchanges,
}

/// Where a line that begins with a time goes on below: behind the time.
const TIMED: usize = 14;
/// Headers that are remembered: of connections that were not seen to end, the oldest goes.
const HEADERS: usize = 4096;

impl Terminal {
    /// A view that has taught nothing yet.
    pub fn new(style: Style) -> Terminal {
        Terminal {
            style,
            taught: BTreeSet::new(),
            speaker: None,
            headers: std::collections::BTreeMap::new(),
            exchanges: line::Exchanges::default(),
        }
    }

    /// Appends an event as text.
    pub fn tell(&mut self, told: &WireEvent, out: &mut String) {
        match self.style.form {
            Form::Json => crate::wire::show::json::push(out, told),
            Form::Line => self.exchanges.tell(told, self.style.ascii, out),
            Form::Head | Form::Full => self.show(told, out),
        }
    }

    fn show(&mut self, told: &WireEvent, out: &mut String) {
        let connection = told.connection;
        match &told.kind {
            EventKind::Accepted { peer, clock, .. } => {
                self.headers.insert(connection, format!("{peer} -- accepted {clock}"));
                if self.headers.len() > HEADERS {
                    self.headers.pop_first();
                }
                self.header(connection, out);
            }
            EventKind::Received(Call { number, len, requests, segments, .. }) => {
                self.turn_to(connection, out);
                self.at(told.at, 11, out);
                self.put(out, style::BOLD, "recv()");
                let mut flow = Flow::new(self.style, TIMED, out);
                flow.whole(style::PLAIN, &format!(" #{number}  {}", byte_count(*len)));
                if let Some(segments) = segments {
                    let one = if *segments > 1 { ", one recv()" } else { "" };
                    let segments = count(u64::from(*segments), "TCP segment");
                    flow.whole(style::PLAIN, &format!("  ({segments}{one})"));
                }
                if *requests > 1 {
                    flow.whole(style::MARK, &format!("  {requests} requests glued together in one recv()"));
                }
                out.push('\n');
            }
            EventKind::Message(spoken) => {
                self.turn_to(connection, out);
                self.message(connection, spoken, out);
            }
            EventKind::Closed { note, side, unread, missing, .. } => {
                self.closed(told, *note, *side, *missing, out);
                if *unread > 0 {
                    out.push_str(&format!("   {} behind the last request: not read\n", byte_count(*unread)));
                }
                out.push('\n');
            }
            EventKind::Lost { events, open } => {
                self.speaker = None;
                let dots = if self.style.ascii { "..." } else { "…" };
                Flow::new(self.style, 5, out).words(style::MARK, &format!("{dots} {}", line::lost(*events, *open)));
                out.push('\n');
            }
        }
    }

    fn closed(&mut self, told: &WireEvent, note: NoteId, side: Side, missing: u64, out: &mut String) {
        self.turn_to(told.connection, out);
        out.push('\n');
        self.at(told.at, 9, out);
        self.put(out, style::BOLD, "closed");
        let note = note.note();
        let mut text = format!(" by the {}: {}", side.name(), note.short);
        if missing > 0 {
            text.push_str(&format!(", {} missing", byte_count(missing)));
        }
        let mut flow = Flow::new(self.style, TIMED, out);
        flow.words(style::PLAIN, &text);
        flow.whole(style::DIM, &format!("  {}", self.section(note.section, false)));
        out.push('\n');
        self.headers.remove(&told.connection);
        self.speaker = None;
    }

    fn at(&self, at: Duration, width: usize, out: &mut String) {
        let time = format!("+{}", millis(at));
        out.push_str("   ");
        self.put(out, style::DIM, &format!("{time:>width$}"));
        out.push_str("  ");
    }

    /// The header again, when somebody else has spoken meanwhile.
    fn turn_to(&mut self, connection: u64, out: &mut String) {
        if connection > 0 && self.speaker != Some(connection) {
            self.header(connection, out);
        }
    }

    fn header(&mut self, connection: u64, out: &mut String) {
        self.speaker = Some(connection);
        let who = self.headers.get(&connection).cloned().unwrap_or_default();
        let dash = if self.style.ascii { "-" } else { "─" };
        let two = dash.repeat(2);
        let text = format!("{two} c{connection} {two} {} ", who.replace("--", &two));
        let rest = self.style.columns.min(Layout::WIDEST).saturating_sub(text.chars().count() + 1);
        self.put(out, style::MARK, &(text + &dash.repeat(rest)));
        out.push('\n');
    }

    /// A message in one piece.
    fn message(&mut self, connection: u64, spoken: &TimedMessage, out: &mut String) {
        let message = &spoken.message;
        let is_request = message.role == Role::Request;
        if is_request {
            out.push('\n');
        }
        let (arrow, color) = match (message.role, self.style.ascii) {
            (Role::Request, false) => ("▶", style::ASKS),
            (Role::Request, true) => (">", style::ASKS),
            (Role::Response, false) => ("◀", style::ANSWERS),
            (Role::Response, true) => ("<", style::ANSWERS),
        };
        self.put(out, color, &format!("{arrow} "));
        let name =
            if connection > 0 { format!("c{connection}.{}", message.exchange) } else { message.exchange.to_string() };
        self.put(out, style::BOLD, &format!("{name} {}", message.role.name()));
        let mut flow = Flow::new(self.style, 5, out);
        flow.whole(style::DIM, &format!("  {}", byte_count(message.len())));
        if is_request && !spoken.boundaries.is_empty() {
            let mark = if self.style.ascii { "|" } else { "┊" };
            let pieces = spoken.boundaries.len() + 1;
            flow.whole(style::MARK, &format!("  in {pieces} pieces, cut at the {mark} marks"));
        }
        if let Some(took) = spoken.took {
            flow.whole(style::DIM, &format!("  {} after the last byte of the request", millis(took)));
        }
        out.push('\n');

        let full = self.style.form == Form::Full;
        let rows = Row::all(spoken, full, self.style.ascii, &mut |note| full || self.taught.insert(note));
        Layout::of(self.style, &rows).push(&rows, out);
        self.sentences(message, out);
    }

    /// What is said of the whole: its framing, what is hidden, what is wrong.
    fn sentences(&self, message: &Message, out: &mut String) {
        let line = |out: &mut String, color: &str, sign: &str, text: &str, section: &str| {
            self.sentence(color, &format!("{sign} {text}"), section, out);
        };
        if let Some(framed) = message.framing {
            line(out, style::SAY, "=", &framed.sentence(), &framed.section());
        }
        if message.is_left_off() {
            let came = byte_count(message.content_len());
            let text = format!("{came} of it came: it was answered before, and nobody waits for the rest");
            line(out, style::SAY, "=", &text, "RFC 9112 §9.5");
        }
        if message.from_file {
            let text = "sent by the kernel with sendfile(): its ends were read again from the file";
            line(out, style::SAY, "=", text, "barewire study view");
        }
        if message.hidden {
            let text = "body hidden: the exchange has a secret too short to be looked for in it";
            line(out, style::SAY, "=", text, "barewire study view");
        }
        if let Some(broken) = message.error {
            let note = broken.note.note();
            line(out, style::WRONG, "!", &format!("byte {}: {}", broken.at, note.long), note.section);
        }
    }

    /// A sentence and its section.
    fn sentence(&self, color: &str, text: &str, section: &str, out: &mut String) {
        out.push_str("   ");
        let mut flow = Flow::new(self.style, 5, out);
        flow.words(color, text);
        flow.whole(style::DIM, &format!("  {}", self.section(section, true)));
        out.push('\n');
    }

    fn section(&self, section: &str, whole: bool) -> String {
        let section = if whole { section } else { section.strip_prefix("RFC ").unwrap_or(section) };
        if self.style.ascii { section.replace('§', "sec. ") } else { section.into() }
    }

    fn put(&self, out: &mut String, style: &str, text: &str) {
        push_styled(out, style, text, self.style.color);
    }
}
