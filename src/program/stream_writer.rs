//! A thread that writes to a stream, so that no other thread waits for the reader of that stream.
//!
//! A pipe that nobody reads (`barewire 2>&1 | less`) is full after 64 KiB, and a write to it blocks. Text is handed over
//! here instead. Each piece has a cost, and a piece that does not fit into the limit is refused: its sender
//! drops and counts it.

use std::io::{self, Write};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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

    /// Hands over a piece of text without waiting.
    pub(crate) fn offer(&self, piece: Vec<u8>, cost: usize) -> Result<(), WriterError> {
        let mut waiting = self.shared.lock();
        if waiting.is_closed {
            return Err(WriterError::Closed);
        }
        if waiting.cost + cost > self.limit {
            return Err(WriterError::Full);
        }
        waiting.pieces += 1;
        waiting.cost += cost;
        // Sent while the lock is held, so that the thread cannot subtract what was not added yet.
        self.pieces.send((piece, cost)).map_err(|_| WriterError::Closed)
    }

    /// Waits until everything is written, but no longer than `time`: a reader that has stopped reading must not keep
    /// the program from ending.
    pub(crate) fn finish(&self, time: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.pieces > 0 && !waiting.is_closed;
        // Ignore the result: it only says whether the time ran out.
        drop(self.shared.changed.wait_timeout_while(self.shared.lock(), time, is_busy));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, sync_channel};

    /// A stream whose writes wait for permission.
    struct SlowStream(Receiver<io::Result<()>>);

    impl Write for SlowStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(io::Error::other)?.map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_does_not_read_makes_nobody_wait_and_one_that_has_left_is_noticed() {
        let (permit, permits) = sync_channel(4);
        let writer = StreamWriter::start("test", 2, SlowStream(permits)).unwrap();
        // Nothing is written, and still no call waits.
        assert_eq!([(); 3].map(|()| writer.offer(b"x".to_vec(), 1)), [Ok(()), Ok(()), Err(WriterError::Full)]);
        writer.finish(Duration::from_millis(1));
        permit.send(Ok(())).unwrap();
        permit.send(Ok(())).unwrap();
        writer.finish(Duration::from_secs(30));
        assert_eq!(writer.offer(b"x".to_vec(), 2), Ok(()), "everything before is written");
        permit.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        writer.finish(Duration::from_secs(30));
        assert_eq!(writer.offer(b"x".to_vec(), 1), Err(WriterError::Closed));
    }
}
