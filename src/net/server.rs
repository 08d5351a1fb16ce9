//! The server: listeners, loops and workers put together, and how they stop.
//!
//! Never: an option or a default of the command line, a signal.
//!
//! The subtle thing: each loop owns its service ([`Service::fork`]) and its own listening sockets, so
//! nothing on the way of a request is shared but the count of seats and the queue of the workers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use mio::Waker;

use crate::http::Limits;
use crate::net::access_log;
use crate::net::access_log::{LogFormat, Written};
use crate::net::admission::Admission;
use crate::net::deadline::Timeouts;
use crate::net::event_loop::{DRAINING, EventLoop, SERVING, STOPPING, ServerState};
use crate::net::listener::{Listener, Share};
use crate::net::workers::Workers;
use crate::service::App;
use crate::wire::RecordReceiver;
use crate::wire::record::recorder;

/// Everything the command line decides about the sockets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds of a message.
    pub limits: Limits,
    /// How long each phase may take.
    pub timeouts: Timeouts,
    /// Event loops.
    pub loops: usize,
    /// Threads for blocking work.
    pub workers: usize,
    /// Most connections at once.
    pub max_connections: usize,
    /// Most connections of one client (an IPv6 client is its /64; loopback is not counted).
    pub max_per_client: usize,
    /// Files go by `sendfile`, past the program. Without it they are read and sent in pieces of 64 KiB, as
    /// every tutorial does it, and each piece can be seen.
    pub sendfile: bool,
    /// The access log.
    pub log: LogFormat,
    /// It goes to standard error: standard output is for the wire view.
    pub log_to_stderr: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Settings {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            loops: cores,
            workers: cores.max(4),
            max_connections: 720,
            max_per_client: 180,
            sendfile: true,
            log: LogFormat::Off,
            log_to_stderr: false,
        }
    }
}

/// What was done, for the last line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Requests answered.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Connections cut off when the grace ended.
    pub cut_off: u64,
}

/// Stops a running server from elsewhere (clone it freely).
#[derive(Clone)]
pub struct Stopper {
    common: Arc<ServerState>,
    wakers: Vec<Arc<Waker>>,
}

impl Stopper {
    /// Begins to drain: no new connections, running answers go on for the grace. The second time it
    /// stops at once.
    pub fn stop(&self) {
        let next = if self.common.run_state.load(Ordering::Acquire) == SERVING { DRAINING } else { STOPPING };
        self.common.run_state.store(next, Ordering::Release);
        for waker in &self.wakers {
            // A waker fails only when its loop is gone, which is what is wanted.
            let _ = waker.wake();
        }
    }
}

/// The server, bound and ready to run.
pub struct Server {
    common: Arc<ServerState>,
    loops: Vec<EventLoop>,
    wakers: Vec<Arc<Waker>>,
    workers: Workers,
    worker_threads: Vec<JoinHandle<()>>,
    written: Option<Written>,
}

impl Server {
    /// A server on these listeners.
    ///
    /// # Errors
    /// What the kernel says about pollers, sockets and threads.
    pub fn new(app: impl Into<App>, settings: Settings, listeners: Vec<Listener>) -> io::Result<Server> {
        let app = app.into();
        let count = settings.loops.max(1);
        let common = Arc::new(ServerState {
            limits: settings.limits,
            timeouts: settings.timeouts,
            sendfile: settings.sendfile,
            admission: Admission::new(settings.max_connections, settings.max_per_client),
            run_state: AtomicU8::new(SERVING),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
        });
        let (workers, worker_threads) = Workers::start(settings.workers)?;
        let (access_log, written) = access_log::start(settings.log, settings.log_to_stderr)?;
        let mut shares: Vec<Vec<Share>> = (0..count).map(|_| Vec::new()).collect();
        for listener in listeners {
            for (own, share) in shares.iter_mut().zip(listener.share(count)?) {
                own.push(share);
            }
        }
        let (mut loops, mut wakers) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for own in shares {
            let (one, waker) = EventLoop::new(common.clone(), own, workers.clone(), app.fork(), access_log.clone())?;
            loops.push(one);
            wakers.push(waker);
        }
        Ok(Server { common, loops, wakers, workers, worker_threads, written })
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper { common: self.common.clone(), wakers: self.wakers.clone() }
    }

    /// Records what the sockets carry: one reel for each loop. Must be asked for before
    /// [`Server::run`]; without it nothing is kept.
    pub fn record(&mut self) -> Vec<RecordReceiver> {
        let (start, connections) = (Instant::now(), Arc::default());
        let tapes = self.loops.iter_mut().map(|one| {
            let (tape, reel) = recorder::recorder(start, Arc::clone(&connections));
            one.record(tape);
            reel
        });
        tapes.collect()
    }

    /// Serves until stopped; the first loop runs on the calling thread.
    ///
    /// # Errors
    /// When a loop cannot go on.
    pub fn run(mut self) -> io::Result<Report> {
        let stopper = self.stopper();
        let mut threads = Vec::with_capacity(self.loops.len());
        for (number, one) in self.loops.drain(1..).enumerate() {
            let (name, stopper) = (format!("loop {}", number + 1), stopper.clone());
            threads.push(std::thread::Builder::new().name(name).spawn(move || {
                let result = one.run();
                if result.is_err() {
                    // One loop that fails takes the others with it: half a server is a liar.
                    stopper.stop();
                }
                result
            })?);
        }
        let mut result = self.loops.pop().map_or(Ok(()), EventLoop::run);
        if result.is_err() {
            stopper.stop();
        }
        for thread in threads {
            let failed = || io::Error::other("a loop panicked");
            result = result.and(thread.join().unwrap_or_else(|_| Err(failed())));
        }
        self.workers.close();
        // A worker that asks a source may be kept by it for ever, and nobody is served by it any more.
        let kept = self.workers.is_kept();
        if self.common.cut_off.load(Ordering::Relaxed) == 0 && !kept {
            self.worker_threads.into_iter().for_each(|thread| drop(thread.join()));
        }
        if let Some(written) = self.written {
            written.wait();
        }
        result?;
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let common = &self.common;
        Ok(Report { requests: read(&common.requests), bytes: read(&common.bytes), cut_off: read(&common.cut_off) })
    }
}
