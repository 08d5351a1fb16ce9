//! The wire view: one thread reads what the connections recorded and passes it on.
//!
//! ```text
//!                                  ┌─► standard output                     --wire
//! connections ─► thread "wire" ────┼─► History ─► browser                  --study
//!                                  └─► thread "terminal" ─► stdout         both
//! ```
//!
//! The server never waits for it. If standard output is not read, the thread blocks, and the recorders drop events
//! and count them; if standard output is closed, that view ends and the server goes on.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

use barewire::net::Server;
use barewire::wire::record::collector::Collector;
use barewire::wire::record::event::{EventKind, WireEvent};
use barewire::wire::record::history::History;
use barewire::wire::{ExplainOptions, RedactOptions, Terminal, ViewFormat, ViewOptions};
use rustix::termios::tcgetwinsize;

use crate::program::error::{Color, warn};
use crate::program::options::Options;
use crate::program::stream_writer::{StreamWriter, WriterError, print};

/// How long the end of the program waits for the last events to be printed.
const LAST_EVENTS: Duration = Duration::from_secs(1);
/// The width where there is no terminal: the view uses all it ever needs.
const NO_LIMIT: usize = usize::MAX;
/// Bytes of text that may wait for standard output while a browser looks as well.
const WAITING: usize = 8 * 1024 * 1024;

/// The running view.
pub(crate) struct WireView {
    /// Closed when all events were passed on.
    passed: Receiver<()>,
    /// Standard output, where a browser looks as well.
    writer: Option<StreamWriter>,
}

impl WireView {
    /// Waits, after the server has ended, until everything is passed on and printed. A reader that has stopped
    /// reading cannot keep the program from ending.
    pub(crate) fn finish(self) {
        // Nothing is ever sent: an error is the end of the thread, or the end of the time.
        let _ = self.passed.recv_timeout(LAST_EVENTS);
        if let Some(writer) = self.writer {
            writer.finish();
        }
    }
}

/// Starts the view of a server that does not run yet, if anybody looks. `history` is what the browser reads.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(
    server: &mut Server,
    history: Option<Arc<History>>,
    options: &Options,
) -> io::Result<Option<WireView>> {
    let (study, color) = (&options.study, options.output.color);
    let terminal = study.wire.map(|form| Terminal::new(style(form, color, study.ascii)));
    let (mut output, writer) = match (terminal, history) {
        (Some(terminal), None) => (Output::Terminal(terminal, String::new()), None),
        (Some(terminal), Some(history)) => {
            let writer = StreamWriter::start("terminal", WAITING, io::stdout())?;
            (Output::History(history, Some(Printer { terminal, writer: writer.clone(), dropped: 0 })), Some(writer))
        }
        (None, Some(history)) => (Output::History(history, None), None),
        // Record nothing: recording costs every connection.
        (None, None) => return Ok(None),
    };
    let redact = if study.wire_secrets {
        let (on, off) = if color.on(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        warn(&format!("{on}passwords, cookies and tokens are shown as they are (--wire-secrets).{off}"));
        RedactOptions::off()
    } else {
        RedactOptions::with_fields(&study.wire_hide.concat())
    };
    let explain = ExplainOptions::live(options.limits.limits(), redact);
    let collector = Collector::new(server.record(), SystemTime::now(), explain);
    let (alive, passed) = sync_channel::<()>(1);
    std::thread::Builder::new().name("wire".into()).spawn(move || {
        collector.run(|events| output.pass(events));
        // Closing the channel tells `finish` that all events were passed on.
        drop(alive);
    })?;
    Ok(Some(WireView { passed, writer }))
}

/// Where events go.
enum Output {
    /// To standard output alone. A write may block this thread; the buffer is used again.
    Terminal(Terminal, String),
    /// To the browser, and perhaps to standard output. The browser must not miss what a terminal is too slow
    /// for, so standard output has a thread of its own here.
    History(Arc<History>, Option<Printer>),
}

impl Output {
    /// Passes events on; `Break` when nothing takes them any more.
    fn pass(&mut self, events: &[WireEvent]) -> ControlFlow<()> {
        match self {
            Output::Terminal(terminal, text) => {
                text.clear();
                events.iter().for_each(|event| terminal.push_event(event, text));
                // A closed standard output ends the view, and with it the recording.
                match print(text.as_bytes()) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            }
            Output::History(history, printer) => {
                // The browser first: what becomes of standard output must not matter to it.
                history.push(events);
                if printer.as_mut().is_some_and(|printer| printer.pass(events).is_err()) {
                    *printer = None;
                }
                ControlFlow::Continue(())
            }
        }
    }
}

/// Standard output with a thread of its own.
struct Printer {
    terminal: Terminal,
    writer: StreamWriter,
    /// Events dropped since the last text.
    dropped: u64,
}

impl Printer {
    /// Queues the text of events. It never waits; only a closed standard output is an error.
    fn pass(&mut self, events: &[WireEvent]) -> Result<(), WriterError> {
        let mut text = String::new();
        // The gap must show in the text, or the events around it would seem to follow each other.
        if self.dropped > 0 {
            let lost = EventKind::Lost { events: self.dropped, open: 0 };
            self.terminal.push_event(&WireEvent::without_connection(lost), &mut text);
        }
        events.iter().for_each(|event| self.terminal.push_event(event, &mut text));
        if text.is_empty() {
            return Ok(());
        }
        let cost = text.len();
        // A full queue drops these events; a closed one ends this output for good.
        match self.writer.offer(text.into_bytes(), cost) {
            Ok(()) => self.dropped = 0,
            Err(WriterError::Full) => self.dropped += events.len() as u64,
            Err(WriterError::Closed) => return Err(WriterError::Closed),
        }
        Ok(())
    }
}

/// How to write to standard output: form, colors and width.
pub(crate) fn style(format: ViewFormat, color: Color, ascii: bool) -> ViewOptions {
    // Asked once: a terminal that is resized later is not followed.
    let out = io::stdout();
    let size = if out.is_terminal() { tcgetwinsize(&out).ok() } else { None };
    // Some terminals say 0 columns, which means that they do not know.
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(NO_LIMIT);
    ViewOptions { format, color: color.on(&out), ascii, columns }
}
