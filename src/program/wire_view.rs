//! The wire view: one thread reads what the connections recorded and passes it to standard output and to the
//! history that a browser reads.
//!
//! The server never waits for it. If standard output is not read, the thread blocks, and the recorders drop events
//! and count them; if standard output is closed, that view ends and the server goes on.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::time::{Duration, SystemTime};

use barewire::net::Server;
use barewire::wire::record::collector::Collector;
use barewire::wire::record::event::{EventKind, WireEvent};
use barewire::wire::record::history::History;
use barewire::wire::{ExplainOptions, RedactOptions, Terminal, ViewFormat, ViewOptions};
use rustix::termios::tcgetwinsize;

use crate::program::error::{Color, warn};
use crate::program::options::Options;

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
    /// Closed when all text was printed.
    printed: Option<Receiver<()>>,
}

impl WireView {
    /// Waits, after the server has ended, until everything is passed on and printed. A reader that has stopped
    /// reading cannot keep the program from ending.
    pub(crate) fn finish(self) {
        // Nothing is ever sent: an error is the end of the thread, or the end of the time.
        let _ = self.passed.recv_timeout(LAST_EVENTS);
        if let Some(printed) = self.printed {
            let _ = printed.recv_timeout(LAST_EVENTS);
        }
    }
}

/// Starts the view of a server that does not run yet. `history` is what the browser reads.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(server: &mut Server, history: Option<Arc<History>>, options: &Options) -> io::Result<WireView> {
    let (study, color) = (&options.study, options.output.color);
    let redact = match study.wire_secrets {
        true => RedactOptions::off(),
        false => RedactOptions::with_fields(&study.wire_hide.concat()),
    };
    if study.wire_secrets {
        let (on, off) = if color.on(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        warn(&format!("{on}passwords, cookies and tokens are shown as they are (--wire-secrets).{off}"));
    }
    let explain = ExplainOptions::live(options.limits.limits(), redact);
    let collector = Collector::new(server.record(), SystemTime::now(), explain);
    let terminal = study.wire.map(|form| Terminal::new(style(form, color, study.ascii)));
    let (alive, passed) = sync_channel::<()>(1);
    let (mut output, printed) = match (terminal, history) {
        (Some(terminal), None) => (Output::Terminal(terminal, String::new()), None),
        (Some(terminal), Some(history)) => {
            let (printer, printed) = Printer::start(terminal)?;
            (Output::History(history, Some(printer)), Some(printed))
        }
        (None, Some(history)) => (Output::History(history, None), None),
        (None, None) => return Ok(WireView { passed, printed: None }),
    };
    std::thread::Builder::new().name("wire".into()).spawn(move || {
        collector.run(|events| output.pass(events));
        drop((output, alive));
    })?;
    Ok(WireView { passed, printed })
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
    fn pass(&mut self, events: &[WireEvent]) -> ControlFlow<()> {
        match self {
            Output::Terminal(terminal, text) => {
                text.clear();
                events.iter().for_each(|event| terminal.push_event(event, text));
                match write(text.as_bytes()) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            }
            Output::History(history, printer) => {
                history.push(events);
                if printer.as_mut().is_some_and(|printer| printer.pass(events).is_err()) {
                    *printer = None;
                }
                ControlFlow::Continue(())
            }
        }
    }
}

/// Writes to standard output at once.
pub(crate) fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

/// Standard output was closed.
struct ClosedError;

/// Standard output with a thread of its own.
struct Printer {
    terminal: Terminal,
    texts: Sender<String>,
    /// Bytes of text that are not written yet.
    waiting: Arc<AtomicUsize>,
    /// Events dropped since the last text.
    dropped: u64,
}

impl Printer {
    fn start(terminal: Terminal) -> io::Result<(Printer, Receiver<()>)> {
        let (sender, texts) = channel::<String>();
        let waiting = Arc::<AtomicUsize>::default();
        let written = Arc::clone(&waiting);
        let (alive, printed) = sync_channel::<()>(1);
        std::thread::Builder::new().name("terminal".into()).spawn(move || {
            // A failed write ends the loop. `pass` notices at its next text that the channel is closed.
            let _ = texts.iter().try_for_each(|text| {
                written.fetch_sub(text.len(), Ordering::Relaxed);
                write(text.as_bytes())
            });
            drop((texts, alive));
        })?;
        Ok((Printer { terminal, texts: sender, waiting, dropped: 0 }, printed))
    }

    fn pass(&mut self, events: &[WireEvent]) -> Result<(), ClosedError> {
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
        if self.waiting.fetch_add(text.len(), Ordering::Relaxed) + text.len() > WAITING {
            self.waiting.fetch_sub(text.len(), Ordering::Relaxed);
            self.dropped += events.len() as u64;
            return Ok(());
        }
        self.dropped = 0;
        self.texts.send(text).map_err(|_| ClosedError)
    }
}

/// How to write to standard output: form, colors and width.
pub(crate) fn style(format: ViewFormat, color: Color, ascii: bool) -> ViewOptions {
    let out = io::stdout();
    let size = if out.is_terminal() { tcgetwinsize(&out).ok() } else { None };
    // Some terminals say 0 columns, which means that they do not know.
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(NO_LIMIT);
    ViewOptions { format, color: color.on(&out), ascii, columns }
}
