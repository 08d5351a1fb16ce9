//! The load client of `tests/bench/run.py`: one thread, one poller, requests prepared beforehand.
//!
//! ```text
//! load PORT CONNECTIONS SECONDS MODE STATUS [RESPONSES] < requests
//! RESPONSES: that many are enough, if they come within SECONDS
//! MODE: a number (requests in flight on each connection), `close` (a connection per request),
//!       `rate=N` (N requests a second in all, whether the earlier ones are answered or not),
//!       or `hold` (one request on each connection, a report, then silence until the time is over)
//! ```
//!
//! With a rate, the time of a response counts from the moment at which its request was due. So a server that stops for
//! a moment is charged for every request that had to wait meanwhile.
//!
//! The requests come on standard input, one after the other, without content; each connection begins with another one.
//! One JSON object goes to standard output.
//!
//! The client does as little work as it can, since it runs beside the server. Content over 16 KiB is dropped inside the
//! kernel (`MSG_TRUNC`); nothing is formatted or allocated while it runs. A client that is too slow makes a server look
//! idle, so the figure to trust is the server's processor time per response. Responses per second only say that both
//! were busy.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, connect, recv, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Content longer than this is not copied out of the kernel.
const DROP_FROM: usize = 16 * 1024;
/// Where chunked content ends. The contents that are measured do not contain it.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// The content of an answer that does not say how long it is: chunked, until [`LAST_CHUNK`].
const UNTOLD: usize = usize::MAX;
/// Room for one read.
const ROOM: usize = 1 << 20;
/// The longest pause between two looks at the sockets, with a rate.
const SHORT: Duration = Duration::from_micros(20);
/// Source addresses 127.0.1.1 and on: ports in TIME_WAIT are kept for each of them.
const SOURCES: u32 = 200;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Flight(usize),
    Close,
    Rate(f64),
    Hold,
}

struct Peer {
    socket: mio::net::TcpStream,
    /// The request that is sent next, and how much of the batch has left.
    request: usize,
    sent: usize,
    batch: usize,
    /// Responses still to come for what was sent.
    owed: usize,
    head: Vec<u8>,
    /// Bytes of content still to come; `None` while in a head.
    content: Option<usize>,
    began: Instant,
}

#[derive(Default)]
struct Tally {
    responses: u64,
    bytes: u64,
    wrong: u64,
    errors: u64,
    microseconds: Vec<u32>,
}

struct Load {
    poll: Poll,
    port: u16,
    mode: Mode,
    status: [u8; 3],
    /// One batch for each request: the request as often as it is in flight.
    batches: Vec<Vec<u8>>,
    depth: usize,
    room: Vec<u8>,
    tally: Tally,
    opened: u32,
    enough: u64,
    /// With a rate: connections without a request, and when the next request is due.
    idle: VecDeque<usize>,
    due: Instant,
}

impl Load {
    fn open(&mut self, token: usize, request: usize) -> io::Result<Peer> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        let source = Ipv4Addr::from(0x7f00_0101 + self.opened % SOURCES);
        self.opened += 1;
        bind(&socket, &SocketAddrV4::new(source, 0))?;
        match connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)) {
            Ok(()) | Err(Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut socket = mio::net::TcpStream::from_std(TcpStream::from(socket));
        self.poll.registry().register(&mut socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        let (batch, began) = (request, Instant::now());
        Ok(Peer { socket, request, sent: 0, batch, owed: 0, head: Vec::new(), content: None, began })
    }

    /// Sends what is left of the batch, or begins the next one.
    fn send(&self, peer: &mut Peer) -> io::Result<()> {
        if peer.owed == 0 {
            peer.batch = peer.request;
            peer.request = (peer.request + 1) % self.batches.len();
            peer.sent = 0;
            peer.owed = self.depth;
            peer.began = Instant::now();
        }
        let batch = &self.batches[peer.batch];
        while peer.sent < batch.len() {
            match peer.socket.write(&batch[peer.sent..]) {
                Ok(sent) => peer.sent += sent,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock || e.kind() == io::ErrorKind::NotConnected => break,
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Reads until the socket is empty; `true` when the connection is to be replaced.
    fn receive(&mut self, peer: &mut Peer) -> io::Result<bool> {
        loop {
            let drop = peer.content.is_some_and(|left| left > DROP_FROM && left != UNTOLD);
            let (len, flags) = match peer.content {
                Some(left) if drop => (left.min(ROOM), RecvFlags::TRUNC),
                _ => (ROOM.min(1 << 16), RecvFlags::empty()),
            };
            let read = match recv(&peer.socket, &mut self.room[..len], flags) {
                Ok((_, read)) => read,
                Err(Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.tally.bytes += read as u64;
            let before = self.tally.responses;
            if drop {
                peer.content = peer.content.map(|left| left - read);
                self.settle(peer);
            } else {
                let room = std::mem::take(&mut self.room);
                let parsed = self.parse(peer, &room[..read]);
                self.room = room;
                parsed?;
            }
            if self.tally.responses > before && peer.owed == 0 {
                match self.mode {
                    Mode::Close => return Ok(true),
                    Mode::Hold | Mode::Rate(_) => return Ok(false),
                    Mode::Flight(_) => self.send(peer)?,
                }
            }
            if read < len {
                return Ok(false);
            }
        }
    }

    fn parse(&mut self, peer: &mut Peer, mut input: &[u8]) -> io::Result<()> {
        while !input.is_empty() {
            if peer.content == Some(UNTOLD) {
                // One at a time: bytes after the end would be a response without request.
                peer.head.extend_from_slice(&input[input.len().saturating_sub(LAST_CHUNK.len())..]);
                let kept = peer.head.len().saturating_sub(LAST_CHUNK.len());
                peer.head.drain(..kept);
                if peer.head == LAST_CHUNK {
                    peer.head.clear();
                    peer.content = Some(0);
                    self.settle(peer);
                }
                return Ok(());
            }
            if let Some(left) = peer.content {
                let take = left.min(input.len());
                peer.content = Some(left - take);
                input = &input[take..];
                self.settle(peer);
                continue;
            }
            let Some(end) = input.windows(4).position(|w| w == b"\r\n\r\n") else {
                // A head in two pieces is rare: put together, and looked at again.
                peer.head.extend_from_slice(input);
                let Some(end) = peer.head.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(()) };
                let rest = peer.head.split_off(end + 4);
                let head = std::mem::take(&mut peer.head);
                self.begin(peer, &head)?;
                return self.parse(peer, &rest);
            };
            if !peer.head.is_empty() {
                peer.head.extend_from_slice(&input[..end + 4]);
                let head = std::mem::take(&mut peer.head);
                let own = head.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(0) + 4;
                input = &input[end + 4 - (head.len() - own)..];
                self.begin(peer, &head[..own])?;
                continue;
            }
            self.begin(peer, &input[..end + 4])?;
            input = &input[end + 4..];
        }
        Ok(())
    }

    /// A whole head has come.
    fn begin(&mut self, peer: &mut Peer, head: &[u8]) -> io::Result<()> {
        let status = head.get(9..12).ok_or(io::ErrorKind::InvalidData)?;
        self.tally.wrong += u64::from(status != self.status);
        peer.content = Some(if matches!(status, b"204" | b"304") { 0 } else { content_length(head)? });
        self.settle(peer);
        Ok(())
    }

    /// Counts the response if all of its content has come.
    fn settle(&mut self, peer: &mut Peer) {
        if peer.content == Some(0) {
            peer.content = None;
            peer.owed = peer.owed.saturating_sub(1);
            self.tally.responses += 1;
            self.tally.microseconds.push(peer.began.elapsed().as_micros().min(u128::from(u32::MAX)) as u32);
        }
    }

    fn turn(&mut self, peer: &mut Peer, writable: bool) -> io::Result<bool> {
        let begins = match self.mode {
            Mode::Hold => peer.sent == 0,
            Mode::Rate(_) => false,
            Mode::Flight(_) | Mode::Close => true,
        };
        if writable && (peer.owed > 0 || begins) {
            self.send(peer)?;
        }
        self.receive(peer)
    }

    /// Sends the requests that are due, as far as there are connections for them. Returns when the next one is due.
    fn send_due(&mut self, peers: &mut [Peer], rate: f64) -> io::Result<Instant> {
        while self.due <= Instant::now() {
            let Some(token) = self.idle.pop_front() else { break };
            self.send(&mut peers[token])?;
            peers[token].began = self.due;
            self.due += Duration::from_secs_f64(1.0 / rate);
        }
        Ok(self.due)
    }
}

/// How much follows this head: what Content-Length says, or [`UNTOLD`].
fn content_length(head: &[u8]) -> io::Result<usize> {
    let value = |name: &[u8]| {
        let mut lines = head.split(|&o| o == b'\n');
        let line = lines.find(|l| l.len() > name.len() && l[..name.len()].eq_ignore_ascii_case(name))?;
        Some(line[name.len()..].trim_ascii())
    };
    if let Some(digits) = value(b"content-length:") {
        return Ok(digits.iter().fold(0, |n, digit| n * 10 + usize::from(digit - b'0')));
    }
    let chunked = value(b"transfer-encoding:").is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
    if chunked { Ok(UNTOLD) } else { Err(io::ErrorKind::InvalidData.into()) }
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [port, connections, seconds, mode, status, rest @ ..] = &arguments[..] else {
        eprintln!("load PORT CONNECTIONS SECONDS DEPTH|close|rate=N|hold STATUS [RESPONSES] < requests");
        return Ok(());
    };
    let wrong = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let connections: usize = connections.parse().map_err(wrong)?;
    let mode = match mode.as_str() {
        "close" => Mode::Close,
        "hold" => Mode::Hold,
        other => match other.strip_prefix("rate=") {
            Some(rate) => Mode::Rate(rate.parse().map_err(|_| io::ErrorKind::InvalidInput)?),
            None => Mode::Flight(other.parse().map_err(wrong)?),
        },
    };
    let enough = match (mode, rest.first()) {
        (Mode::Hold, _) => connections as u64,
        (_, Some(number)) => number.parse().map_err(wrong)?,
        (_, None) => u64::MAX,
    };
    let status = status.as_bytes().try_into().map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut requests = Vec::new();
    io::stdin().read_to_end(&mut requests)?;
    let depth = if let Mode::Flight(depth) = mode { depth } else { 1 };
    let mut batches = Vec::new();
    while let Some(end) = requests.windows(4).position(|w| w == b"\r\n\r\n") {
        let rest = requests.split_off(end + 4);
        batches.push(requests.repeat(depth));
        requests = rest;
    }
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    let (poll, room) = (Poll::new()?, vec![0; ROOM]);
    let port = port.parse().map_err(wrong)?;
    let (tally, idle, due) = (Tally::default(), VecDeque::new(), Instant::now());
    let mut load = Load { poll, port, mode, status, batches, depth, room, tally, opened: 0, enough, idle, due };
    let seconds = seconds.parse::<f64>().map_err(|_| io::ErrorKind::InvalidInput)?;
    run(&mut load, connections, Duration::from_secs_f64(seconds))
}

fn run(load: &mut Load, connections: usize, span: Duration) -> io::Result<()> {
    let mut peers = Vec::with_capacity(connections);
    for i in 0..connections {
        let request = i % load.batches.len();
        peers.push(load.open(i, request)?);
    }
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    load.due = began;
    while began.elapsed() < span && load.tally.responses < load.enough {
        let timeout = match load.mode {
            Mode::Rate(rate) => {
                let due = load.send_due(&mut peers, rate)?;
                // The poller counts in milliseconds, which is too coarse.
                std::thread::sleep(due.saturating_duration_since(Instant::now()).min(SHORT));
                Duration::ZERO
            }
            _ => Duration::from_millis(20),
        };
        load.poll.poll(&mut events, Some(timeout))?;
        for event in &events {
            let token = event.token().0;
            let was_idle = peers[token].owed == 0 && peers[token].sent > 0;
            let turned = load.turn(&mut peers[token], event.is_writable());
            if matches!(load.mode, Mode::Rate(_)) && !was_idle && peers[token].owed == 0 {
                // Connected, or answered.
                peers[token].sent = peers[token].sent.max(1);
                load.idle.push_back(token);
            }
            let again = match turned {
                Ok(again) => again,
                Err(_) => {
                    load.tally.errors += 1;
                    true
                }
            };
            if again {
                peers[token] = load.open(token, peers[token].request)?;
            }
        }
    }
    report(load, began.elapsed())?;
    if load.mode == Mode::Hold {
        std::thread::sleep(span.saturating_sub(began.elapsed()));
    }
    Ok(())
}

fn report(load: &mut Load, elapsed: Duration) -> io::Result<()> {
    let tally = &mut load.tally;
    tally.microseconds.sort_unstable();
    let at = |share: f64| {
        let last = tally.microseconds.len().saturating_sub(1);
        tally.microseconds.get((last as f64 * share) as usize).copied().unwrap_or(0)
    };
    let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
    writeln!(
        io::stdout(),
        "{{\"responses\":{},\"seconds\":{:.4},\"octets\":{},\"wrong\":{},\"errors\":{},\"p50\":{p50},\"p99\":{p99},\"p999\":{p999}}}",
        tally.responses,
        elapsed.as_secs_f64(),
        tally.bytes,
        tally.wrong,
        tally.errors,
    )?;
    io::stdout().flush()
}
