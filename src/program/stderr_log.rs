//! The log on standard error. While the server runs, a [`StreamWriter`] writes it.
//!
//! Clients decide how often an event loop logs, so a loop that wrote to standard error itself could be stopped from
//! outside, and all its connections with it. Lines that do not fit into the queue are dropped and counted.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::program::stream_writer::StreamWriter;

/// Lines that may wait. Enough for a burst; more would only delay the count of dropped lines.
const LINES: usize = 256;
/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// A handle to the log. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct StderrLog(Arc<LogState>);

#[derive(Default)]
struct LogState {
    writer: OnceLock<StreamWriter>,
    dropped: AtomicU64,
}

impl StderrLog {
    /// Starts the writing thread. Until then lines are written directly: no client is served yet, and Landlock
    /// must be set up before the first thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(&self) -> io::Result<()> {
        let writer = StreamWriter::start("stderr", LINES, io::stderr())?;
        self.0.writer.get_or_init(|| writer);
        Ok(())
    }

    /// Queues the last line and waits, for a limited time, until everything is written.
    pub(crate) fn finish(&self, last: &str) {
        // A line that costs nothing is never dropped: the last one is the summary of the run.
        self.push(last.as_bytes(), 0);
        if let Some(writer) = self.0.writer.get() {
            writer.finish(LAST_LINES);
        }
    }

    /// Queues a line. It never waits.
    fn push(&self, line: &[u8], cost: usize) {
        let Some(writer) = self.0.writer.get() else {
            // Ignore write errors: with standard error closed there is nothing to tell.
            let _ = io::stderr().write_all(line);
            return;
        };
        let mut text = line.to_vec();
        let dropped = self.0.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            text.extend_from_slice(format!("barewire: {dropped} more lines found no reader\n").as_bytes());
        }
        // Drop the new line, not an old one: the first lines of a burst tell the cause.
        if writer.offer(text, cost).is_err() {
            self.0.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

/// For the logger, which passes each line in one call.
impl Write for StderrLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes, 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
