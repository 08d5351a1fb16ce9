//! Signals: INT and TERM stop, a second one stops at once, HUP is ignored.
//!
//! Never: work in a signal handler. One thread waits for signals as for any other event.
//!
//! The subtle thing: PIPE is ignored by the standard library and XFSZ must be ignored here: writing an
//! upload past RLIMIT_FSIZE would else kill the server, where it should be a 507.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;

use crate::net::server::Stopper;

/// What a shell adds to a signal's number when a program dies of it: 130 for INT, 143 for TERM.
const KILLED: i32 = 128;

/// Listens for signals from now on and stops the server when asked to. A second INT or TERM ends the
/// process at once, with the exit code a shell expects.
///
/// # Errors
/// When the handlers or the thread cannot be installed.
pub fn watch(stopper: Stopper) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP, SIGXFSZ])?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            match signal {
                SIGINT | SIGTERM if stopping => std::process::exit(KILLED + signal),
                SIGINT | SIGTERM => {
                    stopping = true;
                    // A service manager that is told may wait as long as the grace lasts.
                    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                    stopper.stop();
                }
                _ => {}
            }
        }
    })?;
    Ok(())
}
