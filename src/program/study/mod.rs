//! `--study`: the view in a browser, on a listener of its own, beside the server that is watched.
//!
//! A second [`Server`] with one loop; it is never recorded, writes no log, and ends after the first one.
//!
//! Never: the key in a log or on a command line. It is made new at each start, and printed once, in the
//! fragment of an address, which no browser sends to anybody.
//!
//! The subtle thing: a window that is open holds a stream that never ends by itself. So the history is
//! ended first, which ends the streams when they have told everything, and only then this server is
//! stopped. A window that does not read is not waited for.

mod replayer;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use barewire::net::{Listener, LogFormat, Server, Settings, Stopper, Timeouts};
use barewire::wire::browser::{Browser, Facts, Streams};
use barewire::wire::record::history::History;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::program::error::StartError;
use crate::program::listen;
use crate::program::options;

/// Threads: one for each stream there may be, and four for everything else a page asks for.
const WORKERS: usize = 12;
/// Connections: eight windows with a stream each, and what a browser opens besides.
const CONNECTIONS: usize = 32;
/// How long open windows may take to read the last events.
const LAST_EVENTS: Duration = Duration::from_secs(1);
/// How long it may take to say the last words.
const GRACE: Duration = Duration::from_millis(500);
/// How long the end of all that is waited for.
const END: Duration = Duration::from_secs(2);
/// Bytes of the key: 128 bits cannot be guessed.
const KEY: usize = 16;
/// Bytes of the name of a run: it only has to differ.
const RUN: usize = 6;

/// The view, before it runs.
pub(crate) struct Study {
    listener: Listener,
    port: u16,
    /// The server that is watched, as it is reached from here.
    main: SocketAddr,
    pub(crate) history: Arc<History>,
    key: String,
}

impl Study {
    /// Opens the socket of the view of a server that listens there.
    pub(crate) fn open(options: &options::Study, addresses: &[SocketAddr]) -> Result<Study, StartError> {
        let main = reached(addresses);
        let listener = listen::open_view(options.port, main.port())?;
        let port = listener.address().port();
        let key = random::<KEY>().map_err(|error| {
            StartError::new(
                crate::program::error::Exit::Failed,
                format!("the system gives no random numbers: {error}."),
            )
        })?;
        Ok(Study { listener, port, main, history: Arc::new(History::new(options.memory)), key })
    }

    /// The address with the key.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/#k={}", self.port, self.key)
    }

    /// The port of the server that is watched: the only one to which a connection is opened.
    pub(crate) fn calls(&self) -> u16 {
        self.main.port()
    }

    /// The port of the view.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it.
    pub(crate) fn start(self, secrets: bool) -> io::Result<Running> {
        let Study { listener, port, main, history, key } = self;
        let facts = Facts { key, run: random::<RUN>()?, port, main, secrets };
        let replayer = replayer::replayer(main, Arc::clone(&history));
        let browser = Browser::new(Arc::clone(&history), facts, replayer);
        let streams = browser.streams();
        let settings = Settings {
            loops: 1,
            workers: WORKERS,
            max_connections: CONNECTIONS,
            max_per_client: CONNECTIONS,
            timeouts: Timeouts { grace: GRACE, ..Timeouts::default() },
            log: LogFormat::Off,
            ..Settings::default()
        };
        let server = Server::new(browser.app()?, settings, vec![listener])?;
        let stopper = server.stopper();
        let (alive, ended) = sync_channel::<()>(1);
        std::thread::Builder::new().name("view".into()).spawn(move || {
            if let Err(error) = server.run() {
                log::error!("the view in the browser has failed: {error}");
            }
            drop(alive);
        })?;
        Ok(Running { history, streams, stopper, ended })
    }
}

/// The view, while it runs.
pub(crate) struct Running {
    history: Arc<History>,
    streams: Arc<Streams>,
    stopper: Stopper,
    ended: Receiver<()>,
}

impl Running {
    /// The server it belongs to has ended, and everything was told.
    pub(crate) fn finish(self) {
        self.history.end();
        self.streams.wait(LAST_EVENTS);
        self.stopper.stop();
        let _ = self.ended.recv_timeout(END);
    }
}

/// Bytes that nobody can guess, as text for an address.
fn random<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// How one gets from here to a server that listens there.
fn reached(addresses: &[SocketAddr]) -> SocketAddr {
    let near = |address: &&SocketAddr| address.ip().is_loopback() || address.ip().is_unspecified();
    let own = addresses.iter().filter(near).min_by_key(|address| address.is_ipv6()).or(addresses.first());
    let address = own.copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_128_bits_and_is_never_the_same() {
        let keys: std::collections::BTreeSet<String> = (0..100).map(|_| random::<KEY>().unwrap()).collect();
        assert_eq!(keys.len(), 100);
        assert!(keys.iter().all(|key| key.len() == 22 && URL_SAFE_NO_PAD.decode(key).unwrap().len() == KEY));
    }

    #[test]
    fn the_server_is_reached_over_loopback_if_it_can() {
        for (addresses, expected) in [
            (&["127.0.0.1:80", "[::1]:80"][..], "127.0.0.1:80"),
            (&["[::1]:80", "127.0.0.1:80"], "127.0.0.1:80"),
            (&["0.0.0.0:80", "[::]:80"], "127.0.0.1:80"),
            (&["[::]:80"], "[::1]:80"),
            (&["192.0.2.1:80"], "192.0.2.1:80"),
            (&["192.0.2.1:80", "127.0.0.5:80"], "127.0.0.5:80"),
        ] {
            let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(reached(&addresses), expected.parse().unwrap());
        }
    }
}
