//! The wire on standard output: a thread that watches the tapes and prints what they say.
//!
//! Never: a wait of the server. If nobody reads standard output the thread stands still, the tapes drop
//! records and count them; if it is gone the view ends and the server goes on.
//!
//! The subtle thing: at the end, what was recorded last should still be seen, but a reader that has
//! stopped reading must not keep the server from stopping.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

use barewire::net::Server;
use barewire::wire::watch::Watch;
use barewire::wire::{Form, Hide, Manner, Style, Terminal};
use rustix::termios::tcgetwinsize;

use crate::complaint::warn;
use crate::options::{self, Color, Options};

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Columns where there is no terminal: the widest the view ever is.
const COLUMNS: usize = 112;

/// The view, while it runs.
pub(crate) struct View(Receiver<()>);

impl View {
    /// The server is gone: waits until everything is printed, but not long.
    pub(crate) fn finish(self) {
        // An error is the end of the thread, which is what is waited for.
        let _ = self.0.recv_timeout(LAST_LINES);
    }
}

/// Starts the view of a server that does not run yet.
///
/// # Errors
/// When no thread can be started.
pub(crate) fn start(server: &mut Server, view: &options::View, options: &Options) -> io::Result<View> {
    let hide = if view.secrets { Hide::nothing() } else { Hide::also(&view.hide) };
    if view.secrets {
        let (on, off) = if options.color.on(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        warn(&format!("{on}passwords, cookies and tokens are shown as they are (--wire-secrets).{off}"));
    }
    let watch = Watch::new(server.record(), SystemTime::now(), Manner::live(options.limits, hide));
    let mut terminal = Terminal::new(style(view.form, options.color, view.ascii));
    let (alive, done) = sync_channel::<()>(1);
    std::thread::Builder::new().name("wire".into()).spawn(move || {
        let mut text = String::new();
        watch.run(|events| {
            text.clear();
            events.iter().for_each(|told| terminal.tell(told, &mut text));
            let mut out = io::stdout().lock();
            match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        drop(alive);
    })?;
    Ok(View(done))
}

/// How to write to standard output.
pub(crate) fn style(form: Form, color: Color, ascii: bool) -> Style {
    let out = io::stdout();
    let size = if out.is_terminal() { tcgetwinsize(&out).ok() } else { None };
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(COLUMNS);
    Style { form, color: color.on(&out), ascii, columns }
}
