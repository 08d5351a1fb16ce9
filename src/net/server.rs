//! The server: listeners, loops, workers, and how they stop.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::http::Limits;
use crate::service::Service;

/// How the access log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Nothing.
    Off,
    /// For a person at a terminal.
    Short,
    /// NCSA common.
    Common,
    /// NCSA combined.
    Combined,
    /// One JSON object a line.
    Json,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// A whole head, from its first octet.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// Octets per second that content and readers must reach, over 20 s.
    pub min_rate: u64,
    /// How long running answers may go on after a stop.
    pub grace: Duration,
}

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
    /// The access log.
    pub log: LogFormat,
}

/// A bound socket.
#[derive(Debug)]
pub struct Listener {}

impl Listener {
    /// Binds and listens; `EADDRINUSE` if anybody listens there, even with SO_REUSEPORT.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let _ = address;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// A socket that was passed by a service manager.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn inherited(socket: std::net::TcpListener) -> io::Result<Listener> {
        let _ = socket;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The address it is bound to, with its real port.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([0, 0, 0, 0], 0))
    }
}

/// What was done, for the last line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Requests answered.
    pub requests: u64,
    /// Octets sent.
    pub octets: u64,
    /// Connections cut off when the grace ended.
    pub cut_off: u64,
}

/// Stops a running server from elsewhere (clone it freely).
#[derive(Clone, Debug)]
pub struct Stopper {}

impl Stopper {
    /// Begins to drain: no new connections, running answers go on for the grace.
    pub fn stop(&self) {}
}

/// The server.
pub struct Server {}

impl Server {
    /// A server on these listeners.
    ///
    /// # Errors
    /// What the kernel says about pollers and sockets.
    pub fn new(service: Box<dyn Service>, settings: Settings, listeners: Vec<Listener>) -> io::Result<Server> {
        let _ = (service, settings, listeners);
        Ok(Server {})
    }

    /// A handle that stops it.
    pub fn stopper(&self) -> Stopper {
        Stopper {}
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// When a loop cannot go on.
    pub fn run(self) -> io::Result<Report> {
        Ok(Report::default())
    }
}
