//! The wire view, and the threads that write to a terminal or a pipe.
//!
//! ```text
//!                               ┌─► stdout                          --wire
//! connections ─► thread "wire" ─┼─► History ─► browser              --study
//!                               └─► thread "terminal" ─► stdout     both
//! log of the program ─────────────► thread "stderr" ─► stderr
//! ```
//!
//! A pipe that is not read (`barewire --wire | less`) is full after 64 KiB, and a write to it blocks. Clients decide
//! how often an event loop logs, so a loop that wrote to standard error itself could be stopped from outside, and all
//! its connections with it. Text is handed over to a [`StreamWriter`] instead. Each piece has a cost, and a piece that
//! does not fit into the limit is refused: its sender drops and counts it. A standard output that is closed ends that
//! view; the server goes on. Any other error, such as a full disk, drops and counts a piece, and the next one is tried.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, SystemTime};

use barewire::net::Server;
use barewire::wire::record::event::{EventKind, WireEvent};
use barewire::wire::{
    ExplainOptions, RedactOptions, Terminal, ViewFormat, ViewOptions, record::collector::Collector,
    record::history::History,
};
use rustix::termios::tcgetwinsize;

use crate::program::error::{Color, TEXTS, print, warn};
use crate::program::options::Options;

/// How long the end of the program waits for the last events to be passed on, and for the last texts to be written.
const LAST_EVENTS: Duration = Duration::from_secs(1);
/// The width where there is no terminal: the view uses all it ever needs.
const NO_LIMIT: usize = usize::MAX;
/// Bytes of text that may wait for standard output.
const WAITING: usize = 8 * 1024 * 1024;

pub(crate) struct WireView {
    /// Closed when all events were passed on.
    passed: Receiver<()>,
    /// Standard output, where a browser looks as well.
    writer: Option<StreamWriter>,
}

impl WireView {
    /// Waits, after the server has ended, until everything is passed on and printed. A reader that has stopped
    /// reading cannot keep the program from ending.
    pub(crate) fn finish(self) {
        // Nothing is ever sent: an error is the end of the thread, or the end of the time.
        let _ = self.passed.recv_timeout(LAST_EVENTS);
        self.writer.iter().for_each(StreamWriter::finish);
    }
}

/// Starts the view of a server that does not run yet, if `--wire` or `--study` is given. The browser reads `history`.
pub(crate) fn start(
    server: &mut Server,
    history: Option<Arc<History>>,
    options: &Options,
) -> io::Result<Option<WireView>> {
    let (study, color) = (&options.study, options.output.color);
    // Record nothing when there is no view: recording costs every connection.
    if study.wire.is_none() && history.is_none() {
        return Ok(None);
    }
    // With a browser, standard output has a thread of its own: a slow terminal must not delay or drop events of the
    // browser.
    let writer = study.wire.and(history.as_ref()).map(|_| StreamWriter::start("terminal", WAITING, io::stdout()));
    let writer = writer.transpose()?;
    let terminal = study.wire.map(|format| Terminal::new(style(format, color, study.ascii)));
    let printer = terminal.map(|terminal| Printer { terminal, writer: writer.clone(), dropped: 0 });
    let redact = if study.wire_secrets {
        let (on, off) = if color.on(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        warn(&format!("{on}{}{off}", TEXTS.say("secrets", &[])));
        RedactOptions::off()
    } else {
        RedactOptions::with_fields(&study.wire_hide.concat())
    };
    let explain = ExplainOptions::live(options.limits.limits(), redact);
    let memory = study.memory();
    let collector = Collector::new(server.record(memory), memory, SystemTime::now(), explain);
    let mut output = Output { history, printer };
    let passed = spawn("wire", move || collector.run(|events| output.pass(events)))?;
    Ok(Some(WireView { passed, writer }))
}

/// Starts a thread. The channel is closed when the thread has ended: waiting for that can have a time limit, which
/// joining a thread has not.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<Receiver<()>> {
    let (alive, ended) = channel();
    std::thread::Builder::new().name(name.into()).spawn(move || {
        run();
        drop(alive);
    })?;
    Ok(ended)
}

/// Where events go: to a browser, to standard output, or to both.
struct Output {
    history: Option<Arc<History>>,
    /// `--wire`: set to `None` when standard output is closed, so that the browser still gets its events.
    printer: Option<Printer>,
}

impl Output {
    /// Passes events on; `Break` when nothing takes them any more.
    fn pass(&mut self, events: &[WireEvent]) -> ControlFlow<()> {
        self.history.iter().for_each(|history| history.push(events));
        // A closed standard output must not matter to the browser.
        if self.printer.as_mut().is_some_and(|printer| printer.pass(events).is_err()) {
            self.printer = None;
        }
        if self.history.is_none() && self.printer.is_none() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Standard output.
struct Printer {
    terminal: Terminal,
    /// The thread that writes, where a browser looks as well.
    writer: Option<StreamWriter>,
    /// Events dropped since the last text.
    dropped: u64,
}

impl Printer {
    /// Prints events, or queues their text. Only a closed standard output is an error.
    fn pass(&mut self, events: &[WireEvent]) -> Result<(), WriterError> {
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
        let cost = text.len();
        let printed = match &self.writer {
            Some(writer) => writer.offer(text.into_bytes(), cost),
            // This may block. The recorders keep what comes meanwhile, up to their limit, and count the rest.
            None => print(text.as_bytes()).map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => WriterError::Closed,
                _ => WriterError::Full,
            }),
        };
        // A full queue or disk drops these events; a closed stream ends this output for good.
        match printed {
            Ok(()) => self.dropped = 0,
            Err(WriterError::Full) => self.dropped += events.len() as u64,
            Err(WriterError::Closed) => return Err(WriterError::Closed),
        }
        Ok(())
    }
}

/// How to write to standard output: form, colors and width.
pub(crate) fn style(format: ViewFormat, color: Color, ascii: bool) -> ViewOptions {
    // Asked once: a terminal that is resized later is not followed.
    let out = io::stdout();
    let size = if out.is_terminal() { tcgetwinsize(&out).ok() } else { None };
    // Some terminals say 0 columns, which means that they do not know.
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|&columns| columns > 0).unwrap_or(NO_LIMIT);
    ViewOptions { format, color: color.on(&out), ascii, columns }
}

/// Why a piece of text was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriterError {
    /// Too much waits already, or the disk is full.
    Full,
    /// The reader has closed the stream.
    Closed,
}

/// What the thread of a [`StreamWriter`] gets.
enum Piece {
    Text(Vec<u8>, usize),
    /// A channel to close when everything before this is written.
    Finish(Sender<()>),
}

/// A handle to a thread that writes to a stream. Clones write to the same stream.
#[derive(Clone)]
pub(crate) struct StreamWriter {
    /// Without a bound of its own: [`StreamWriter::offer`] counts the cost before it sends.
    pieces: Sender<Piece>,
    /// The cost of all pieces that are not written yet.
    waiting: Arc<AtomicUsize>,
    /// The most that may wait, in the unit of the cost: bytes for the view, lines for the log.
    limit: usize,
    /// Log lines dropped, or refused by the stream, since the last one that was taken.
    dropped: Arc<AtomicU64>,
}

impl StreamWriter {
    /// Starts the thread `name`, which writes to `out` until its reader leaves or the last handle is dropped.
    pub(crate) fn start(name: &str, limit: usize, mut out: impl Write + Send + 'static) -> io::Result<StreamWriter> {
        let (pieces, received) = channel();
        let (waiting, dropped) = Default::default();
        let writer = StreamWriter { pieces, waiting, limit, dropped };
        let (waiting, dropped) = (Arc::clone(&writer.waiting), Arc::clone(&writer.dropped));
        std::thread::Builder::new().name(name.into()).spawn(move || {
            while let Ok(piece) = received.recv() {
                match piece {
                    Piece::Text(text, cost) => {
                        match out.write_all(&text).and_then(|()| out.flush()) {
                            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                                // Closed first: a sender must then find no full queue, but a closed one.
                                drop(received);
                                return waiting.store(0, Ordering::Relaxed);
                            }
                            Err(_) => _ = dropped.fetch_add(1, Ordering::Relaxed),
                            Ok(()) => {}
                        }
                        waiting.fetch_sub(cost, Ordering::Relaxed);
                    }
                    Piece::Finish(alive) => drop(alive),
                }
            }
        })?;
        Ok(writer)
    }

    /// Hands over a piece of text without waiting. A piece that costs nothing always fits. Errors: `Full`: the piece
    /// would exceed the limit and is dropped. `Closed`: the stream takes nothing any more.
    pub(crate) fn offer(&self, text: Vec<u8>, cost: usize) -> Result<(), WriterError> {
        let add = |waiting| Some(waiting + cost).filter(|&waiting| cost == 0 || waiting <= self.limit);
        // Added before it is sent, so that the thread cannot subtract what was not added yet.
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| WriterError::Full)?;
        self.pieces.send(Piece::Text(text, cost)).map_err(|_| WriterError::Closed)
    }

    /// Waits until everything is written, but not for long: a reader that has stopped reading must not keep the
    /// program from ending.
    pub(crate) fn finish(&self) {
        let (alive, finished) = channel();
        // Ignore the results: the queue may be closed, or the time may run out.
        let _ = self.pieces.send(Piece::Finish(alive));
        let _ = finished.recv_timeout(LAST_EVENTS);
    }
}

/// For the logger, which passes each line in one call. A line costs 1.
impl Write for StreamWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut text = line.to_vec();
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        // Added to the next line that fits, so that the log shows where lines are missing.
        if dropped > 0 {
            let lost = TEXTS.say("lost lines", &[("lines", &dropped)]);
            text.extend_from_slice(format!("barewire: {lost}\n").as_bytes());
        }
        // Drop the new line, not an old one: the first lines of a burst name the cause.
        if self.offer(text, 1).is_err() {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{SyncSender, sync_channel};

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

    /// A writer to a stream that takes one piece for each permit, the sender of permits, and what was written.
    type Slow = (StreamWriter, SyncSender<io::Result<()>>, Arc<Mutex<Vec<u8>>>);

    fn slow(limit: usize) -> Slow {
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
        assert_eq!(written, "line 0\nline 1\nlast\nagain\nbarewire: 5 lines of the log could not be written\n");
    }

    #[test]
    fn a_full_disk_loses_lines_and_not_the_log() {
        let (mut writer, permit, written) = slow(2);
        permit.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        writer.write_all(b"lost\n").unwrap();
        writer.finish();
        permit.send(Ok(())).unwrap();
        writer.write_all(b"again\n").unwrap();
        writer.finish();
        assert_eq!(*written.lock().unwrap(), b"again\nbarewire: 1 line of the log could not be written\n");
    }
}
