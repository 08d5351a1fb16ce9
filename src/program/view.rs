//! The views of the wire: one thread watches the tapes and tells all of them what they say.
//!
//! Never: a wait of the server. If nobody reads standard output, the thread stands still, the tapes drop
//! records and count them; if it is gone that view ends and the server goes on.
//!
//! The subtle things:
//! - At the end, what was recorded last should still be seen, but a reader that has stopped reading must
//!   not keep the server from stopping.
//! - A browser must not miss what a terminal is too slow for. Where both look, standard output has a
//!   thread of its own, and what it has no time for is counted.

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

use crate::program::error::warn;
use crate::program::options::{Color, Options};

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Columns where there is no terminal: there is no edge, and the view is as wide as it ever is.
const COLUMNS: usize = usize::MAX;
/// Bytes of text that may wait for standard output while a browser looks too.
const WAITING: usize = 8 * 1024 * 1024;

/// The views, while they run.
pub(crate) struct View {
    /// Everything was told.
    told: Receiver<()>,
    /// Everything was printed.
    printed: Option<Receiver<()>>,
}

impl View {
    /// The server is gone: waits until everything is told and printed, but not long.
    pub(crate) fn finish(self) {
        // An error is the end of the thread, which is what is waited for.
        let _ = self.told.recv_timeout(LAST_LINES);
        if let Some(printed) = self.printed {
            let _ = printed.recv_timeout(LAST_LINES);
        }
    }
}

/// Starts the views of a server that does not run yet; `history` is what the browser sees.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(server: &mut Server, history: Option<Arc<History>>, options: &Options) -> io::Result<View> {
    let view = &options.view;
    let hide = if view.secrets { RedactOptions::off() } else { RedactOptions::with_fields(&view.hide) };
    if view.secrets {
        let (on, off) = if options.color.on(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        warn(&format!("{on}passwords, cookies and tokens are shown as they are (--wire-secrets).{off}"));
    }
    let watch = Collector::new(server.record(), SystemTime::now(), ExplainOptions::live(options.limits, hide));
    let terminal = view.terminal.map(|form| Terminal::new(style(form, options.color, view.ascii)));
    let (alive, told) = sync_channel::<()>(1);
    let (mut teller, printed) = match (terminal, history) {
        (Some(terminal), None) => (Teller::Printing(terminal, String::new()), None),
        (Some(terminal), Some(history)) => {
            let (printer, printed) = Printer::start(terminal)?;
            (Teller::Both(history, Some(printer)), Some(printed))
        }
        (None, Some(history)) => (Teller::Both(history, None), None),
        (None, None) => return Ok(View { told, printed: None }),
    };
    std::thread::Builder::new().name("wire".into()).spawn(move || {
        watch.run(|events| teller.tell(events));
        drop((teller, alive));
    })?;
    Ok(View { told, printed })
}

/// Who is told.
enum Teller {
    /// Standard output alone: it may take its time.
    Printing(Terminal, String),
    /// The browser, and perhaps standard output.
    Both(Arc<History>, Option<Printer>),
}

impl Teller {
    fn tell(&mut self, events: &[WireEvent]) -> ControlFlow<()> {
        match self {
            Teller::Printing(terminal, text) => {
                text.clear();
                events.iter().for_each(|told| terminal.push_event(told, text));
                match write(text) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                }
            }
            Teller::Both(history, printer) => {
                history.push(events);
                if printer.as_mut().is_some_and(|printer| printer.tell(events).is_err()) {
                    *printer = None;
                }
                ControlFlow::Continue(())
            }
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush())
}

/// Standard output has gone.
struct Gone;

/// Standard output with a thread of its own.
struct Printer {
    terminal: Terminal,
    pieces: Sender<String>,
    /// Bytes in them that are not written yet.
    waiting: Arc<AtomicUsize>,
    dropped: u64,
}

impl Printer {
    fn start(terminal: Terminal) -> io::Result<(Printer, Receiver<()>)> {
        let (pieces, texts) = channel::<String>();
        let waiting = Arc::<AtomicUsize>::default();
        let theirs = Arc::clone(&waiting);
        let (alive, printed) = sync_channel::<()>(1);
        std::thread::Builder::new().name("terminal".into()).spawn(move || {
            // The end of the loop is what the printer notices, at its next piece.
            let _ = texts.iter().try_for_each(|text| {
                theirs.fetch_sub(text.len(), Ordering::Relaxed);
                write(&text)
            });
            drop((texts, alive));
        })?;
        Ok((Printer { terminal, pieces, waiting, dropped: 0 }, printed))
    }

    fn tell(&mut self, events: &[WireEvent]) -> Result<(), Gone> {
        let mut text = String::new();
        if self.dropped > 0 {
            let lost = EventKind::Lost { events: self.dropped, open: 0 };
            self.terminal.push_event(&WireEvent::without_connection(lost), &mut text);
        }
        events.iter().for_each(|told| self.terminal.push_event(told, &mut text));
        if text.is_empty() {
            return Ok(());
        }
        if self.waiting.fetch_add(text.len(), Ordering::Relaxed) + text.len() > WAITING {
            self.waiting.fetch_sub(text.len(), Ordering::Relaxed);
            self.dropped += events.len() as u64;
            return Ok(());
        }
        self.dropped = 0;
        self.pieces.send(text).map_err(|_| Gone)
    }
}

/// How to write to standard output.
pub(crate) fn style(form: ViewFormat, color: Color, ascii: bool) -> ViewOptions {
    let out = io::stdout();
    let size = if out.is_terminal() { tcgetwinsize(&out).ok() } else { None };
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(COLUMNS);
    ViewOptions { format: form, color: color.on(&out), ascii, columns }
}
