//! The log on standard error while the server runs, written by a thread of its own.
//!
//! A pipe that nobody reads (`barewire 2>&1 | less`) is full after 64 KiB, and a write to it blocks. Clients
//! decide how often a loop logs, so an event loop that wrote to standard error itself could be stopped from
//! outside, and all its connections with it. Lines that do not fit into the queue are dropped and counted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Lines that may wait. Enough for a burst; more would only delay the count of dropped lines.
const LINES: usize = 256;
/// How long the end of the program waits for the last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Queue {
    /// The writing thread exists.
    is_started: bool,
    lines: VecDeque<Vec<u8>>,
    dropped: u64,
    /// The thread has taken a line and has not finished writing it.
    is_writing: bool,
}

#[derive(Default)]
struct SharedQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
}

/// A handle to the log. Clones write to the same log.
#[derive(Clone, Default)]
pub(crate) struct StderrLog(Arc<SharedQueue>);

impl StderrLog {
    /// Starts the thread, which lives as long as the process. Until then lines are written directly: no
    /// client is served yet, and Landlock must be set up before the first thread.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(&self) -> io::Result<()> {
        let log = self.clone();
        self.lock().is_started = true;
        std::thread::Builder::new().name("stderr".into()).spawn(move || log.write_lines(io::stderr()))?;
        Ok(())
    }

    /// Queues the last line and waits until everything is written, but not longer than [`LAST_LINES`]: a
    /// reader that has stopped reading must not keep the server from ending.
    pub(crate) fn finish(&self, last: &str) {
        let mut queue = self.lock();
        queue.lines.push_back(last.as_bytes().to_vec());
        self.0.changed.notify_all();
        // The result only says whether time ran out; the program ends in both cases.
        drop(self.0.changed.wait_timeout_while(queue, LAST_LINES, |q| q.is_writing || !q.lines.is_empty()));
    }

    fn push(&self, line: &[u8]) {
        let mut queue = self.lock();
        if !queue.is_started {
            let _ = io::stderr().write_all(line);
            return;
        }
        // Drop the new line, not an old one: the first lines of a burst tell the cause.
        if queue.lines.len() >= LINES {
            queue.dropped += 1;
            return;
        }
        queue.lines.push_back(line.to_vec());
        drop(queue);
        self.0.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lines(&self, mut out: impl Write) {
        let mut queue = self.lock();
        loop {
            let Some(mut line) = queue.lines.pop_front() else {
                queue.is_writing = false;
                // Wake `finish`, which waits for exactly this.
                self.0.changed.notify_all();
                queue = self.0.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            queue.is_writing = true;
            let dropped = std::mem::take(&mut queue.dropped);
            // Write without the lock: the write may block, and `push` must never wait for it.
            drop(queue);
            if dropped > 0 {
                line.extend_from_slice(format!("barewire: {dropped} more lines found no reader\n").as_bytes());
            }
            let _ = out.write_all(&line);
            queue = self.lock();
        }
    }
}

/// For the logger, which passes each line in one call.
impl Write for StderrLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes);
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
    fn a_loop_that_logs_never_waits_and_dropped_lines_are_counted() {
        let mut log = StderrLog::default();
        log.lock().is_started = true;
        for number in 0..LINES + 5 {
            writeln!(log, "line {number}").unwrap();
        }
        let queue = log.lock();
        // `writeln` may pass a line in pieces; none of them waits.
        assert!(queue.lines.len() == LINES && queue.dropped > 0);
    }
}
