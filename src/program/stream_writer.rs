//! A thread that writes to standard error or standard output, so that no other thread waits for their readers.
//!
//! A pipe that nobody reads (`barewire 2>&1 | less`) is full after 64 KiB, and a write to it blocks. Clients decide how
//! often an event loop logs, so a loop that wrote to standard error itself could be stopped from outside, and
//! all its connections with it. Text is handed over here instead. Each piece has a cost, and a piece that does not
//! fit into the limit is refused: its sender drops and counts it.

use std::io::{self, Write};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long the end of the program waits for the last texts to be written.
const LAST_TEXTS: Duration = Duration::from_secs(1);

/// Why a piece of text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriterError {
    /// Too much waits already.
    Full,
    /// The reader has closed the stream.
    Closed,
}

#[derive(Default)]
struct Waiting {
    /// The pieces that are not written yet, and their cost.
    pieces: usize,
    cost: usize,
    is_closed: bool,
    /// Log lines dropped since the last one that was taken.
    dropped: u64,
}

#[derive(Default)]
struct SharedWaiting {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl SharedWaiting {
    /// A panic elsewhere leaves the numbers as they are, so a poisoned lock is used on.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle to the thread. Clones write to the same stream.
#[derive(Clone)]
pub(crate) struct StreamWriter {
    pieces: Sender<(Vec<u8>, usize)>,
    shared: Arc<SharedWaiting>,
    limit: usize,
}

impl StreamWriter {
    /// Starts the thread `name`, which writes to `out` until that fails or the last handle is dropped.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(name: &str, limit: usize, mut out: impl Write + Send + 'static) -> io::Result<StreamWriter> {
        let (pieces, received) = channel::<(Vec<u8>, usize)>();
        let shared = Arc::<SharedWaiting>::default();
        let theirs = Arc::clone(&shared);
        std::thread::Builder::new().name(name.into()).spawn(move || {
            for (piece, cost) in received {
                // Without the lock: the write may block, and `offer` must not wait for it.
                let written = out.write_all(&piece).and_then(|()| out.flush());
                let mut waiting = theirs.lock();
                waiting.pieces -= 1;
                waiting.cost -= cost;
                waiting.is_closed = written.is_err();
                theirs.changed.notify_all();
                if waiting.is_closed {
                    return;
                }
            }
        })?;
        Ok(StreamWriter { pieces, shared, limit })
    }

    /// Hands over a piece of text without waiting. A piece that costs nothing always fits.
    pub(crate) fn offer(&self, piece: Vec<u8>, cost: usize) -> Result<(), WriterError> {
        self.offer_locked(&mut self.shared.lock(), piece, cost)
    }

    fn offer_locked(&self, waiting: &mut Waiting, piece: Vec<u8>, cost: usize) -> Result<(), WriterError> {
        if waiting.is_closed {
            return Err(WriterError::Closed);
        }
        if cost > 0 && waiting.cost + cost > self.limit {
            return Err(WriterError::Full);
        }
        waiting.pieces += 1;
        waiting.cost += cost;
        // Sent while the lock is held, so that the thread cannot subtract what was not added yet.
        self.pieces.send((piece, cost)).map_err(|_| WriterError::Closed)
    }

    /// Waits until everything is written, but not for long: a reader that has stopped reading must not keep the
    /// program from ending.
    pub(crate) fn finish(&self) {
        let is_busy = |waiting: &mut Waiting| waiting.pieces > 0 && !waiting.is_closed;
        // Ignore the result: it only says whether the time ran out.
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), LAST_TEXTS, is_busy));
    }
}

/// For the logger, which passes each line in one call. A line costs 1.
impl Write for StreamWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut text = line.to_vec();
        let mut waiting = self.shared.lock();
        // Told with the next line that fits, so that the reader knows where lines are missing.
        if waiting.dropped > 0 {
            text.extend_from_slice(format!("barewire: {} more lines found no reader\n", waiting.dropped).as_bytes());
        }
        // Drop the new line, not an old one: the first lines of a burst name the cause.
        match self.offer_locked(&mut waiting, text, 1) {
            Ok(()) => waiting.dropped = 0,
            Err(_) => waiting.dropped += 1,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes to standard output at once, where no thread waits for this one.
pub(crate) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    /// A stream whose writes wait for permission.
    struct SlowStream(Receiver<io::Result<()>>, Arc<Mutex<Vec<u8>>>);

    impl Write for SlowStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)??;
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow(limit: usize) -> (StreamWriter, SyncSender<io::Result<()>>, Arc<Mutex<Vec<u8>>>) {
        let (permit, permits) = sync_channel(limit + 2);
        let written = Arc::<Mutex<Vec<u8>>>::default();
        let stream = SlowStream(permits, Arc::clone(&written));
        (StreamWriter::start("test", limit, stream).unwrap(), permit, written)
    }

    #[test]
    fn a_reader_that_does_not_read_makes_nobody_wait_and_one_that_has_left_is_noticed() {
        let (writer, permit, _) = slow(2);
        // Nothing is written, and still no call waits.
        assert_eq!([(); 3].map(|()| writer.offer(b"x".to_vec(), 1)), [Ok(()), Ok(()), Err(WriterError::Full)]);
        permit.send(Ok(())).unwrap();
        permit.send(Ok(())).unwrap();
        writer.finish();
        assert_eq!(writer.offer(b"x".to_vec(), 2), Ok(()), "everything before is written");
        permit.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        writer.finish();
        assert_eq!(writer.offer(b"x".to_vec(), 0), Err(WriterError::Closed));
    }

    #[test]
    fn a_loop_that_logs_never_waits_and_dropped_lines_are_counted_and_the_last_line_always_fits() {
        let (mut writer, permit, written) = slow(2);
        for number in 0..7 {
            writer.write_all(format!("line {number}\n").as_bytes()).unwrap();
        }
        writer.offer(b"last\n".to_vec(), 0).unwrap();
        (0..3).for_each(|_| permit.send(Ok(())).unwrap());
        writer.finish();
        writer.write_all(b"again\n").unwrap();
        permit.send(Ok(())).unwrap();
        writer.finish();
        let written = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert_eq!(written, "line 0\nline 1\nlast\nagain\nbarewire: 5 more lines found no reader\n");
    }
}
