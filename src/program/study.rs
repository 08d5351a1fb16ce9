//! `--study`: the wire view in a browser, on a second [`Server`] beside the one that is watched.
//!
//! ```text
//! server of the files ─► recorded events ─► History ─► server of the view ─► browser
//!          ▲                                                  │
//!          └──────────── replayer: a request again ◄──────────┘
//! ```
//!
//! The second server has one loop and its own listener on this computer, writes no log, is never recorded itself, and
//! ends after the first one. A random key, made at each start and printed once, is needed to read it; the key stands
//! in the fragment of the URL, which browsers send to no server.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use barewire::files::Site;
use barewire::http::Limits;
use barewire::net::{self, Listener, LogFormat, Server, Settings, Stopper, Timeouts};
use barewire::practice;
use barewire::say;
use barewire::service::app::{self, App, VIEW_PATH};
use barewire::wire::browser::{self, OpenStreams, Replayer, ViewSettings};
use barewire::wire::export::ReplayPlan;
use barewire::wire::record::{history::History, memory::WireMemory};
use barewire::wire::{Conversation, ExplainOptions, Role};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::program::error::{Exit, StartError, TEXTS};
use crate::program::{banner::reachable, listen, options::StudyOptions, wire_view::spawn};

/// Threads: one for each of eight streams, and four for everything else that pages ask for.
const WORKERS: usize = 12;
/// Connections: eight windows with a stream each, and those that a browser opens besides.
const CONNECTIONS: usize = 32;
/// How long open windows may take to read the last events.
const LAST_EVENTS: Duration = Duration::from_secs(1);
/// How long the responses still running may take after that.
const GRACE: Duration = Duration::from_millis(500);
/// How long the end of this server is waited for.
const END: Duration = Duration::from_secs(2);
/// Bytes of the key: 128 bits cannot be guessed.
const KEY: usize = 16;
/// Bytes of the name of a run, which only has to differ from that of the run before.
const RUN: usize = 6;

/// Requests that are sent again at the same time: each has a thread.
const REPLAYS: usize = 4;
/// How long connecting to the server may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the page waits for the number of the connection.
const NUMBER: Duration = Duration::from_secs(1);
/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long a response may take as a whole.
const RESPONSE: Duration = Duration::from_secs(120);
/// Bytes of one read.
const READ: usize = 16 * 1024;

/// The server of the view, before it runs.
pub(crate) struct StudyServer {
    listener: Listener,
    pub(crate) port: u16,
    /// The server that is watched, as it is reached from here: the only one to which a replay connects.
    pub(crate) main: SocketAddr,
    /// The events that the view shows, filled by the thread "wire".
    pub(crate) history: Arc<History>,
    memory: WireMemory,
    /// 22 characters of base64 for URLs: [`KEY`] random bytes.
    key: String,
}

impl StudyServer {
    /// Opens the socket. `addresses` are those of the server that is watched. Errors: the port of the view cannot be
    /// used (exit code 3), or the system gives no random numbers (1).
    pub(crate) fn open(options: &StudyOptions, addresses: &[SocketAddr]) -> Result<StudyServer, StartError> {
        // The default port is the next one after that of the server.
        let main = nearest(addresses);
        let listener = listen::open_view(options.wire_port, main.port())?;
        let port = listener.address().port();
        let key =
            random::<KEY>().map_err(|error| StartError::of(Exit::Failed, "no random numbers", &[("error", &error)]))?;
        let memory = options.memory();
        let history = Arc::new(History::new(memory.history()));
        Ok(StudyServer { listener, port, main, history, memory, key })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/#k={}", self.port, self.key)
    }

    /// Starts the server. `secrets`: they are shown. Errors: no random numbers, no thread, or an event loop that cannot
    /// be set up.
    pub(crate) fn start(self, secrets: bool) -> io::Result<RunningStudy> {
        let StudyServer { listener, port, main, history, memory, key } = self;
        let view = ViewSettings { key, run: random::<RUN>()?, port, main, secrets, memory: memory.0 };
        let (app, streams) = browser::app(Arc::clone(&history), view, replayer(main, Arc::clone(&history)))?;
        // One loop is enough for a few windows, and it leaves the cores to the server that is watched.
        let settings = Settings::with(|net| {
            net.loops = 1;
            net.workers = WORKERS;
            net.max_connections = CONNECTIONS;
            net.max_per_client = CONNECTIONS;
            net.timeouts = Timeouts::with(|times| times.grace = GRACE);
            net.log = LogFormat::Off;
        });
        let server = Server::new(app, settings, vec![listener])?;
        let stopper = server.stopper();
        let ended = spawn("view", move || {
            if let Err(error) = server.run() {
                log::error!("the view in the browser has failed: {error}");
            }
        })?;
        Ok(RunningStudy { history, streams, stopper, ended })
    }
}

/// The server of the view, while it runs.
pub(crate) struct RunningStudy {
    history: Arc<History>,
    /// The event streams of all open windows, which are waited for at the end.
    streams: Arc<OpenStreams>,
    stopper: Stopper,
    /// Closed when the thread of the server has ended.
    ended: Receiver<()>,
}

impl RunningStudy {
    /// Ends the view, after the server that is watched has ended and all its events are in the history.
    pub(crate) fn finish(self) {
        // An open window holds a stream that does not end by itself. Ending the history first ends the streams
        // when they have sent everything; a window that does not read is not waited for.
        self.history.end();
        self.streams.wait(LAST_EVENTS);
        self.stopper.stop();
        let _ = self.ended.recv_timeout(END);
    }
}

/// `N` random bytes as text for a URL.
fn random<const N: usize>() -> io::Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The server that is watched: the files, and with `--study` the practice addresses and the way to the view before them.
///
/// # Errors
/// A header field of `rules` cannot be sent.
pub(crate) fn app(site: Site, study: Option<&StudyServer>, rules: app::Settings) -> io::Result<App> {
    // The rules stand before everything, so that they also hold for the practice endpoints.
    match study {
        None => App::new(site, rules),
        Some(study) => {
            let router = practice::router(Box::new(site));
            App::new(browser::add_route(router, study.url(), net::is_own_user), rules)
        }
    }
}

/// Opens the browser of the user: at the wire view if there is one, else at the first page. A sentence if that fails.
///
/// The address has no key, since all users see the command lines of all programs: `/.wire` leads to the view.
pub(crate) fn open_browser(addresses: &[SocketAddr], has_view: bool) -> Option<String> {
    let path = if has_view { VIEW_PATH } else { "/" };
    // The socket listens already, so the connection of the browser waits until the loops run.
    let error = open::that_detached(format!("http://{}{path}", nearest(addresses))).err()?;
    Some(TEXTS.say("no browser", &[("error", &error.kind())]))
}

/// How a server that listens on these addresses is reached from this computer: over loopback, if possible.
fn nearest(addresses: &[SocketAddr]) -> SocketAddr {
    // A wildcard is reached over loopback too. IPv4 first, since every program knows it.
    let is_local = |address: &&SocketAddr| address.ip().is_loopback() || address.ip().is_unspecified();
    let own = addresses.iter().filter(is_local).min_by_key(|address| address.is_ipv6()).or(addresses.first());
    let address = own.copied().unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    SocketAddr::new(reachable(address.ip()), address.port())
}

/// The function that sends a recorded request to `main` again and returns the number of the new connection, if it is
/// known in time. The response is read and thrown away: the view shows it like every other one.
fn replayer(main: SocketAddr, history: Arc<History>) -> Box<Replayer> {
    let running = Arc::new(());
    Box::new(move |plan| {
        // Each replay holds a clone until it ends, so the count of references tells how many run, besides `running`.
        let slot = Arc::clone(&running);
        if Arc::strong_count(&running) > REPLAYS + 1 {
            return Err(say!("replay/busy"));
        }
        // These texts are shown in the page.
        let failed = |error: io::Error| say!("replay/failed", error = error.to_string());
        let socket = TcpStream::connect_timeout(&main, CONNECT)
            .map_err(|error| say!("replay/refused", error = error.to_string()))?;
        // The history finds a connection by the port it comes from, so its number is known before the first byte.
        let own = socket.set_nodelay(true).and_then(|()| socket.local_addr()).map_err(failed)?;
        let send = move || {
            // Ignore errors: the view shows how far the request came.
            let _ = replay(socket, &plan);
            drop(slot);
        };
        spawn("replay", send).map_err(failed)?;
        Ok(history.connection_of(own, NUMBER))
    })
}

/// Sends the pieces of a request and reads until its response is complete. Errors: the connection broke while the
/// response was read, or the server was silent for longer than [`SILENCE`].
fn replay(mut socket: TcpStream, plan: &ReplayPlan) -> io::Result<()> {
    let mut conversation = Conversation::new(&ExplainOptions::live(Limits::default(), Default::default()));
    let mut messages = Vec::new();
    for (gap, bytes) in &plan.pieces {
        std::thread::sleep(*gap);
        conversation.received(bytes, &mut messages);
        // A server that refuses the request closes early. Its response is read below.
        if socket.write_all(bytes).is_err() {
            break;
        }
    }
    // The recorded client had ended its side, which can change what the server does.
    if plan.ends {
        socket.shutdown(Shutdown::Write)?;
    }
    socket.set_read_timeout(Some(SILENCE))?;
    let (mut buffer, began) = (vec![0; READ], Instant::now());
    // A server may send slowly for ever, so the whole response has a limit besides each read.
    while conversation.answering() <= 1 && !conversation.is_shut(Role::Response) && began.elapsed() < RESPONSE {
        match socket.read(&mut buffer)? {
            0 => break,
            count => conversation.sent(&buffer[..count], &mut messages),
        }
        messages.clear();
    }
    Ok(())
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
            assert_eq!(nearest(&addresses), expected.parse().unwrap());
        }
    }
}
