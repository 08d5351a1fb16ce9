//! The server: listeners, loops and workers put together, and how they stop.
//!
//! Each loop has an [`App`] of its own (`App::fork`) and listening sockets of its own. So serving a request shares
//! nothing between loops, except the count of connections and the queue of the workers.
//!
//! The sockets of the loops listen on the same port (SO_REUSEPORT), and the kernel spreads connections over them. But
//! two servers that both bind with SO_REUSEPORT would share one port silently, each with half of the connections. So
//! the first socket binds and listens *without* the option, which fails with `EADDRINUSE` if the port is taken, gets
//! the option after that, and only then do the sockets of the other loops join.
//!
//! A stop has three steps. First the server goes on as before, but `/.health` says 503, so that a balancer sends no more
//! connections (`drain_delay`, none by default). Then it drains: it accepts no more, and responses that have begun may
//! end within the grace period. Then, or when it is asked a second time, it closes what is left.
//!
//! | call | run state | accepts | open connections |
//! |---|---|---|---|
//! | `run` | serving | yes | all |
//! | first `stop` | draining | yes | all |
//! | the end of the delay | draining | those in the kernel's queue, then none | end after the response they owe; new ones have a moment to send their first request |
//! | second `stop`, or end of the grace period | stopping, or draining | no | all are closed and counted as cut off |
//!
//! Workers get the same time for what they have begun. A write to a disk that hangs cannot be called off, so it is
//! counted and left alone. The kernel ends it with the process, except where it does not interrupt it (a network file
//! system without its server): there the process goes when the disk answers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mio::Waker;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::iterator::Signals;
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::event_loop::{DRAINING, EventLoop, SERVING, STOPPING, ServerState, StopTimes};
use crate::net::stream::UNIX_PEER;
use crate::net::upload_memory::UploadMemory;
use crate::net::{
    LogFile, Metrics, Report, Settings, access_log, admission::Admission, tcp_info::UnsentLimit, workers::Workers,
};
use crate::service::App;
use crate::wire::RecordReceiver;
use crate::wire::record::{memory::RecordMemory, memory::WireMemory, recorder};

/// Connections the kernel completes before they are accepted; beyond it SYNs are dropped. The kernel itself cuts it to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;
/// What a shell adds to the number of the signal that ended a program: 129 for HUP, 130 for INT, 143 for TERM.
const KILLED: i32 = 128;

/// How long jobs may go on after the last connection, at least: removing a large file that was not completed takes a
/// moment, and leaving it there would be worse.
const LAST_JOBS: Duration = Duration::from_millis(500);

/// A bound, listening socket.
#[derive(Debug)]
pub struct Listener {
    /// Listening and non-blocking.
    socket: Socket,
    /// With its real port, also if port 0 was asked for.
    address: SocketAddr,
    /// Nothing can be bound beside it: a service manager made it, or it is a Unix socket.
    inherited: bool,
}

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// What the kernel says; `EADDRINUSE` if the port is taken.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        Listener::listen(bound(address)?)
    }

    /// Makes a bound socket the first one of this server.
    fn listen(socket: Socket) -> io::Result<Listener> {
        socket.listen(BACKLOG)?;
        // After listen, which is where the port is taken: two servers that start at the same moment may both have bound
        // it, since SO_REUSEADDR lets sockets that do not listen share a port. With this option both could listen too.
        socket.set_reuse_port(true)?;
        // If port 0 was asked for, the kernel has chosen one.
        let address = address_of(&socket)?;
        Ok(Listener { socket, address, inherited: false })
    }

    /// A socket that a service manager has bound.
    ///
    /// # Errors
    /// What the kernel says about its address and options.
    pub fn inherited(socket: TcpListener) -> io::Result<Listener> {
        // The service manager may have made it blocking.
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        let address = address_of(&socket)?;
        set_inherited_options(&socket, address);
        Ok(Listener { socket, address, inherited: true })
    }

    /// A Unix socket that listens. Its clients count as programs on this computer.
    ///
    /// # Errors
    /// What the kernel says about its options.
    pub fn unix(socket: UnixListener) -> io::Result<Listener> {
        socket.set_nonblocking(true)?;
        // Its path can be bound only once, so all loops accept from its one queue.
        Ok(Listener { socket: OwnedFd::from(socket).into(), address: UNIX_PEER, inherited: true })
    }

    /// The address it is bound to, with its real port; of a Unix socket, loopback with port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, and `None` for a Unix socket.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        Some(self.address).filter(|address| *address != UNIX_PEER)
    }

    /// One socket for each of `loops` loops.
    fn share(self, loops: usize) -> io::Result<Vec<Socket>> {
        let mut sockets = Vec::with_capacity(loops);
        for _ in 1..loops {
            // An inherited socket may have been bound without SO_REUSEPORT, so nothing can be bound beside it: all
            // loops accept from the one queue.
            let socket = if self.inherited { self.socket.try_clone()? } else { self.join()? };
            sockets.push(socket);
        }
        // The first socket serves one loop too, so no queue is left without an accept.
        sockets.push(self.socket);
        Ok(sockets)
    }

    /// Another socket on the same port.
    fn join(&self) -> io::Result<Socket> {
        let socket = prepare(self.address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }
}

/// A socket that is bound without SO_REUSEPORT, and does not listen yet.
fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = prepare(address)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn prepare(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not be refused because old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` beside `0.0.0.0`: two sockets, each for its own family.
        socket.set_only_v6(true)?;
    }
    set_inherited_options(&socket, address);
    Ok(socket)
}

/// Options that accepted sockets inherit, so that no connection pays a system call for them. A kernel that lacks one
/// serves all the same.
fn set_inherited_options(socket: &Socket, address: SocketAddr) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UnsentLimit::Low.bytes());
    if address.ip().is_loopback() {
        // There is no network to be protected here. Where the system uses bbr, its timers would make a large file six
        // times as dear (0.32 instead of 0.05 s of processor time for a GB).
        let _ = socket.set_tcp_congestion(b"reno");
    }
}

fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Stops a running server from another thread; clones stop the same server.
#[derive(Clone)]
pub struct Stopper {
    /// Shared with the loops.
    state: Arc<ServerState>,
    /// One for each loop, which may be waiting in its poller.
    wakers: Vec<Arc<Waker>>,
}

impl Stopper {
    /// Begins to stop: after the delay there are no new connections, and responses that have begun go on for the grace
    /// period. The second call stops at once.
    pub fn stop(&self) {
        // Before a loop can see that it drains.
        self.state.stop_times.get_or_init(|| {
            let timeouts = &self.state.settings.timeouts;
            let drain = Instant::now() + timeouts.drain_delay;
            StopTimes { drain, grace_ends: drain + timeouts.grace }
        });
        // A second request to stop means that the grace period is not wanted.
        let next = if self.state.run_state.load(Ordering::Acquire) == SERVING { DRAINING } else { STOPPING };
        self.state.run_state.store(next, Ordering::Release);
        for waker in &self.wakers {
            // A waker fails only when its loop has ended.
            let _ = waker.wake();
        }
    }
}

/// The server, bound and ready to run.
pub struct Server {
    state: Arc<ServerState>,
    /// The first one runs on the thread that calls [`Server::run`].
    loops: Vec<EventLoop>,
    workers: Arc<Workers>,
    /// Disconnected when the thread of the log has ended; `None` without a log.
    written: Option<Receiver<()>>,
}

impl Server {
    /// A server on these listeners.
    ///
    /// # Errors
    /// When a poller, a socket or a thread cannot be made.
    pub fn new(app: impl Into<App>, settings: Settings, listeners: Vec<Listener>) -> io::Result<Server> {
        let app = app.into();
        let count = settings.loops.max(1);
        let state = Arc::new(ServerState {
            admission: Arc::new(Admission::new(settings.max_connections, settings.max_per_client)),
            run_state: AtomicU8::new(SERVING),
            stop_times: OnceLock::new(),
            upload_memory: UploadMemory::new(settings.upload_memory),
            settings: Arc::new(settings),
        });
        let workers = Workers::start(state.settings.workers)?;
        let (access_log, written) = {
            let Settings { log, log_output, log_zone, .. } = &*state.settings;
            access_log::start(*log, log_output, log_zone)?
        };
        let mut shares: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        for listener in listeners {
            let address = listener.address();
            for (own, socket) in shares.iter_mut().zip(listener.share(count)?) {
                own.push((socket, address));
            }
        }
        // All sockets exist before the first loop is made: a port that is taken is reported before anything runs.
        let new = |own| EventLoop::new(state.clone(), own, workers.clone(), app.fork(), access_log.clone());
        let loops = shares.into_iter().map(new).collect::<io::Result<_>>()?;
        Ok(Server { state, loops, workers, written })
    }

    /// Reads what the server counts, while it runs.
    pub fn metrics(&self) -> Metrics {
        let loops = self.loops.iter().map(|one| (one.counts(), one.waker())).collect();
        Metrics::new(loops, self.workers.clone(), self.state.upload_memory.clone())
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper { state: self.state.clone(), wakers: self.loops.iter().map(EventLoop::waker).collect() }
    }

    /// Records what the sockets carry, into one receiver for each loop.
    pub fn record(&mut self, memory: WireMemory) -> Vec<RecordReceiver> {
        // One clock and one count of connections for all loops, so that their records can be merged.
        let (start, connections) = (Instant::now(), Arc::default());
        let memory = RecordMemory::new(memory, self.loops.len());
        let receivers = self.loops.iter_mut().map(|one| {
            let (recorder, receiver) = recorder::recorder(start, Arc::clone(&connections), Arc::clone(&memory));
            one.record(recorder);
            receiver
        });
        receivers.collect()
    }

    /// Serves until stopped; the first loop runs on the calling thread.
    ///
    /// # Errors
    /// When a poller fails.
    pub fn run(mut self) -> io::Result<Report> {
        let stopper = self.stopper();
        // Each loop is a thread of its own and shares no connection with the others.
        let mut threads = Vec::with_capacity(self.loops.len());
        // The first loop stays for this thread, so a server with one loop has no thread for it.
        for (number, one) in self.loops.drain(1..).enumerate() {
            let (name, stopper) = (format!("loop {}", number + 1), stopper.clone());
            threads.push(std::thread::Builder::new().name(name).spawn(move || {
                let result = one.run();
                if result.is_err() {
                    // If one loop fails, stop the others: a server that still runs in part would look healthy.
                    stopper.stop();
                }
                result
            })?);
        }
        let mut result = self.loops.pop().map_or(Ok(Report::default()), EventLoop::run);
        if result.is_err() {
            stopper.stop();
        }
        for thread in threads {
            // A panic of a whole loop is reported like an error of its poller.
            let one = thread.join().unwrap_or_else(|_| Err(io::Error::other("a loop panicked")));
            result = result.and_then(|all| Ok(all.plus(one?)));
        }
        // What a client that has left still has with a worker may also go on for the grace period.
        let is_draining = self.state.run_state.load(Ordering::Acquire) == DRAINING;
        let (least, times) = (Instant::now() + LAST_JOBS, self.state.stop_times.get().filter(|_| is_draining));
        let until = times.map_or(least, |times| least.max(times.grace_ends));
        let unfinished = self.workers.finish(until) as u64;
        let result = result.map(|report| Report { unfinished, ..report });
        if let Some(written) = self.written {
            // After all loops: their last lines are in the queue by now.
            let _ = written.recv_timeout(access_log::LAST_LINES);
        }
        result
    }
}

/// What the signal HUP does.
#[derive(Clone, Debug)]
pub enum HangUp {
    /// It stops the server, as TERM does.
    Stops,
    /// Nothing, as in a process that was started with HUP ignored (`nohup`).
    Ignored,
    /// It opens this file again, as after the file was renamed.
    Reopens(LogFile),
}

/// Handles signals from now on: INT, TERM and, if `hang_up` says so, HUP stop the server; a second one of them ends the
/// process at once with the exit code a shell expects. A thread waits for them, so nothing runs in a signal handler.
///
/// # Errors
/// When the handlers or the thread cannot be installed.
pub fn stop_on_signals(stopper: Stopper, hang_up: HangUp) -> io::Result<()> {
    // An upload past RLIMIT_FSIZE raises XFSZ, which would end the server; ignored, the write fails and becomes a 507.
    // PIPE is ignored by the standard library.
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGXFSZ])?;
    if !matches!(hang_up, HangUp::Ignored) {
        signals.handle().add_signal(SIGHUP)?;
    }
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut stopping = false;
        for signal in signals.forever() {
            match (signal, &hang_up) {
                (SIGHUP, HangUp::Reopens(log)) => reopen(log.clone()),
                (SIGINT | SIGTERM | SIGHUP, _) if stopping => std::process::exit(KILLED + signal),
                (SIGINT | SIGTERM | SIGHUP, _) => {
                    stopping = true;
                    // After this notice a service manager waits for the grace period before it kills the process.
                    #[cfg(feature = "cli")]
                    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                    stopper.stop();
                }
                _ => {}
            }
        }
    })?;
    Ok(())
}

/// Opens the log again, on a thread of its own: a disk that hangs must not keep the server from being stopped.
fn reopen(log: LogFile) {
    let open = move || {
        if let Err(error) = log.reopen() {
            log::warn!("the log file cannot be opened again, so the log goes on in the old one: {error}");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("log file".into()).spawn(open) {
        log::warn!("the log file cannot be opened again: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_though_the_loops_share_the_port() {
        let first = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.address();
        let shares = first.share(3).unwrap();
        assert_eq!(shares.len(), 3);
        assert!(shares.iter().all(|s| address_of(s).unwrap() == address));
        assert_eq!(Listener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(shares);
        assert!(Listener::bind(address).is_ok());
    }

    #[test]
    fn a_listener_on_loopback_is_not_paced_and_any_other_one_is_as_the_system_wants_it() {
        let default = std::fs::read("/proc/sys/net/ipv4/tcp_congestion_control").unwrap();
        for (address, expected) in
            [("127.0.0.1:0", &b"reno"[..]), ("[::1]:0", b"reno"), ("0.0.0.0:0", default.trim_ascii())]
        {
            // A machine may lack IPv6.
            let Ok(socket) = prepare(address.parse().unwrap()) else { continue };
            let control = socket.tcp_congestion().unwrap();
            assert_eq!(control.split(|&b| b == 0).next().unwrap(), expected, "{address}");
        }
    }

    #[test]
    fn of_two_servers_that_start_at_the_same_moment_one_gets_the_port() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = bound(any).unwrap();
        // Neither listens yet, so both are bound.
        let second = bound(address_of(&first).unwrap()).unwrap();
        let first = Listener::listen(first).unwrap();
        assert_eq!(Listener::listen(second).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(first.share(2).unwrap().len(), 2);
    }
}
