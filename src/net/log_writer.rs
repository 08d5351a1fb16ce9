//! The thread that writes the access log, and what it does with lines that cannot be written.
//!
//! | the output | the lines |
//! |---|---|
//! | takes bytes slowly (a pipe that is full) | wait, up to [`BATCHES`] batches; more are lost |
//! | is a pipe whose reader has left (`\| head`) | are dropped without a word: no program wants them |
//! | fails in another way (a full disk) | are lost, until it takes bytes again |
//!
//! Lost lines are counted. Their number stands in the log in their place, and on standard error.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Batches of lines that may wait for the thread.
/// With the size of a batch this bounds the memory of waiting lines: about 2 MiB.
const BATCHES: usize = 64;
/// How often standard error is told that lines were lost, at most. On a disk that is nearly full, every second batch
/// may fail.
const REPORTS: Duration = Duration::from_secs(10);
/// When an output that would have to be waited for is tried again. It may be shared with a program that has made it
/// non-blocking, and is full.
const FULL: Duration = Duration::from_millis(20);

/// The way to the thread. Clones lead to the same one.
#[derive(Clone, Debug)]
pub(crate) struct LogQueue {
    batches: SyncSender<Vec<u8>>,
    /// Lines that found no room, and that the thread has not counted yet.
    lost: Arc<AtomicU64>,
}

impl LogQueue {
    /// Hands over whole lines without waiting. If there is no room for them they are lost.
    pub(crate) fn offer(&self, batch: Vec<u8>) {
        // A full queue means a slow reader. To wait for it here would stop every connection of the loop.
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) = self.batches.try_send(batch) {
            self.lost.fetch_add(lines(&batch), Ordering::Relaxed);
        }
    }
}

/// Starts the thread, which ends when the last [`LogQueue`] is dropped. `missing` writes the line that stands for so
/// many lost ones. The receiver never gets a message: it is disconnected when the thread has ended.
pub(crate) fn start(
    out: impl Write + Send + 'static,
    missing: fn(u64) -> String,
) -> io::Result<(LogQueue, Receiver<()>)> {
    let (batches, received) = sync_channel(BATCHES);
    let (alive, written) = sync_channel::<()>(1);
    let lost = Arc::<AtomicU64>::default();
    let (line_of, lost_lines, next_report) = (missing, lost.clone(), Instant::now());
    let writer = LogWriter { out, line_of, lost: lost_lines, missing: 0, is_torn: false, untold: None, next_report };
    std::thread::Builder::new().name("access log".into()).spawn(move || {
        writer.run(&received);
        drop(alive);
    })?;
    Ok((LogQueue { batches, lost }, written))
}

struct LogWriter<W> {
    /// Without a buffer: bytes that could not be written must not come back later.
    out: W,
    /// Makes the line that stands for lost ones.
    line_of: fn(u64) -> String,
    /// Shared with the queues.
    lost: Arc<AtomicU64>,
    /// Lost lines that the log does not mention yet.
    missing: u64,
    /// A line was written in part, and the next one must not continue it.
    is_torn: bool,
    /// What standard error has not been told yet: lost lines, and why.
    untold: Option<(u64, String)>,
    /// When it may be told.
    next_report: Instant,
}

impl<W: Write> LogWriter<W> {
    fn run(mut self, batches: &Receiver<Vec<u8>>) {
        loop {
            // While a report is due, the wait for the next batch has an end.
            let batch = match self.untold {
                Some(_) => batches.recv_timeout(self.next_report.saturating_duration_since(Instant::now())),
                None => batches.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match batch {
                Ok(batch) if self.write(&batch).is_err() => return batches.iter().for_each(drop),
                Ok(_) | Err(RecvTimeoutError::Timeout) => self.tell(Instant::now()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // What is missing at the end is said too, whether its time has come or not.
        let _ = self.write(b"");
        self.tell(Instant::now() + REPORTS);
    }

    /// Writes whole lines, and before them how many are missing there. Only a reader that has left is an error.
    fn write(&mut self, batch: &[u8]) -> io::Result<()> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        self.lose(lost, "they are read too slowly");
        let mut bytes = if self.is_torn { b"\n".to_vec() } else { Vec::new() };
        let mut notice = 0;
        if self.missing > 0 {
            bytes.extend_from_slice((self.line_of)(self.missing).as_bytes());
            bytes.push(b'\n');
            notice = bytes.len();
        }
        bytes.extend_from_slice(batch);
        let (written, result) = write_all(&mut self.out, &bytes);
        if notice > 0 && written >= notice {
            self.missing = 0;
        }
        if written > 0 {
            self.is_torn = bytes[written - 1] != b'\n';
        }
        match result {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(error),
            Err(error) => {
                self.lose(lines(&bytes[written.max(bytes.len() - batch.len())..]), &error.to_string());
                Ok(())
            }
        }
    }

    fn lose(&mut self, lines: u64, why: &str) {
        if lines > 0 {
            self.missing += lines;
            let (count, reason) = self.untold.get_or_insert_default();
            *count += lines;
            *reason = why.into();
        }
    }

    /// Tells standard error what is due at `now`.
    fn tell(&mut self, now: Instant) {
        let Some((count, why)) = self.untold.take_if(|_| self.next_report <= now) else { return };
        log::warn!("missing lines in the access log: {count} ({why})");
        self.next_report = now + REPORTS;
    }
}

/// Writes all bytes: how many were written, and what ended that.
fn write_all(out: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // As a blocking output would do it: wait for its reader.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL),
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// How many lines end in these bytes.
fn lines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&b| b == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// What an output does with the next call: takes so many bytes, or fails.
    type Step = Result<usize, ErrorKind>;

    struct Output(Vec<Step>, Arc<Mutex<Vec<u8>>>);

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let step = if self.0.is_empty() { Ok(usize::MAX) } else { self.0.remove(0) };
            let count = step.map_err(io::Error::from)?.min(bytes.len());
            self.1.lock().unwrap().extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is in the log after these batches, given to an output that does these steps.
    fn log_after(steps: &[Step], batches: &[&str]) -> String {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let (queue, written) = start(Output(steps.to_vec(), text.clone()), |count| format!("({count})")).unwrap();
        batches.iter().for_each(|batch| queue.offer(batch.as_bytes().to_vec()));
        drop(queue);
        assert!(written.recv().is_err());
        String::from_utf8(text.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn the_log_comes_back_and_says_in_their_place_how_many_lines_are_missing() {
        let full = Err(ErrorKind::StorageFull);
        for (steps, batches, expected) in [
            (&[][..], &["a\nb\n", "c\n"][..], "a\nb\nc\n"),
            (&[full], &["a\nb\n", "c\n"], "(2)\nc\n"),
            (&[full, full, full], &["a\n", "b\n", "c\n", "d\n"], "(3)\nd\n"),
            // Part of a line was written: it is not continued by another one, and counts as lost.
            (&[Ok(3), full], &["a\nbbb\nc\n", "d\n"], "a\nb\n(2)\nd\n"),
            (&[Ok(2), full], &["a\nbbb\nc\n", "d\n"], "a\n(2)\nd\n"),
            // The notice is written, the line after it is not.
            (&[full, Ok(4), full], &["a\n", "b\n", "c\n"], "(1)\n(1)\nc\n"),
            // The notice is torn.
            (&[full, Ok(2), full], &["a\n", "b\n", "c\n"], "(1\n(2)\nc\n"),
            // Nothing comes after the loss.
            (&[full], &["a\n"], "(1)\n"),
            (&[Ok(1), full], &["a\n"], "a\n(1)\n"),
            // A reader that is slow loses nothing, and one that has left is not written to again.
            (&[Err(ErrorKind::WouldBlock), Ok(1), Err(ErrorKind::Interrupted)], &["a\n", "b\n"], "a\nb\n"),
            (&[Ok(2), Err(ErrorKind::BrokenPipe)], &["a\n", "b\n", "c\n"], "a\n"),
        ] {
            assert_eq!(log_after(steps, batches), expected, "{steps:?} {batches:?}");
        }
    }

    #[test]
    fn lines_for_which_there_is_no_room_are_counted_and_nobody_waits() {
        let (batches, received) = sync_channel(1);
        let queue = LogQueue { batches, lost: Arc::default() };
        for batch in ["a\n", "b\nc\n", "d\n"] {
            queue.offer(batch.into());
        }
        assert_eq!((queue.lost.load(Ordering::Relaxed), received.try_iter().count()), (3, 1));
    }
}
