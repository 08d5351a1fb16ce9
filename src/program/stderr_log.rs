//! What is said on standard error while serving, by a thread of its own.
//!
//! Never: a wait for whoever speaks. A client decides how often a loop warns of it, and a pipe that
//! nobody reads (`barewire 2>&1 | less`) is full after 64 KiB: a loop that wrote there itself would
//! stand still, and all its clients with it. Lines that find no room are dropped and counted.
//!
//! The subtle thing: at the end the lines that still wait should be seen, but a reader that has stopped
//! reading must not keep the server from stopping. So the last word waits a second and no longer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait: more than anybody reads at once.
const LINES: usize = 256;
/// How long the last lines may take.
const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Default)]
struct State {
    started: bool,
    lines: VecDeque<Vec<u8>>,
    dropped: u64,
    /// The thread has taken a line and is not back yet.
    writing: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The way to standard error. Clones are the same way.
#[derive(Clone, Default)]
pub(crate) struct StderrLog(Arc<Shared>);

impl StderrLog {
    /// Starts the thread; it lives as long as the process. Until then lines are written at once: nobody
    /// is served yet, and the fence wants to stand before the first thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(&self) -> io::Result<()> {
        let its = self.clone();
        self.lock().started = true;
        std::thread::Builder::new().name("aside".into()).spawn(move || its.write_all(io::stderr()))?;
        Ok(())
    }

    /// Says this behind all that waits, and lets it be heard if anybody listens.
    pub(crate) fn last_word(&self, text: &str) {
        let mut state = self.lock();
        state.lines.push_back(text.as_bytes().to_vec());
        self.0.changed.notify_all();
        let heard = self.0.changed.wait_timeout_while(state, LAST_LINES, |s| s.writing || !s.lines.is_empty());
        drop(heard);
    }

    fn say(&self, line: &[u8]) {
        let mut state = self.lock();
        if !state.started {
            let _ = io::stderr().write_all(line);
            return;
        }
        if state.lines.len() >= LINES {
            state.dropped += 1;
            return;
        }
        state.lines.push_back(line.to_vec());
        drop(state);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut out: impl Write) {
        let mut state = self.lock();
        loop {
            let Some(mut line) = state.lines.pop_front() else {
                state.writing = false;
                self.0.changed.notify_all();
                state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.writing = true;
            let dropped = std::mem::take(&mut state.dropped);
            drop(state);
            if dropped > 0 {
                line.extend_from_slice(format!("barewire: {dropped} more lines found no reader\n").as_bytes());
            }
            // Whoever closed it does not want to know.
            let _ = out.write_all(&line);
            state = self.lock();
        }
    }
}

/// For the logger, which writes each line at once.
impl Write for StderrLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.say(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_speaks_waits_for_nobody_and_hears_what_was_lost() {
        let mut aside = StderrLog::default();
        aside.lock().started = true;
        for number in 0..LINES + 5 {
            writeln!(aside, "line {number}").unwrap();
        }
        let state = aside.lock();
        // `writeln` may hand over a line in pieces; none of them waits.
        assert!(state.lines.len() == LINES && state.dropped > 0);
    }
}
