//! The server as a library: it runs in this process, with a service of the test, and records every socket.
//!
//! Tests do not judge where a `send` ended by when its bytes arrived: the record says what each `send` took. A server
//! is stopped at once when it is dropped, so a test that fails leaves no server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barewire::files::{self, Site};
use barewire::http::{Limits, Request};
use barewire::net::server::Stopper;
use barewire::net::{Listener, Report, Server, Settings, Timeouts};
use barewire::service::{Answer, App, RequestContext, Service};
use barewire::wire::record::event::WireEvent;
use barewire::wire::record::live::LiveConnection;
use barewire::wire::record::memory::WireMemory;
use barewire::wire::record::recorder::SocketEvent;
use barewire::wire::{ExplainOptions, RecordReceiver, RedactOptions, Terminal, ViewFormat, ViewOptions};

use crate::support::PATIENCE;
use crate::support::client::Client;
use crate::support::folder::Folder;

/// Answers a request.
type Answers = dyn Fn(&Request<'_>) -> Answer + Send + Sync;

#[derive(Clone)]
struct Fixed(Arc<Answers>);

impl Service for Fixed {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        (self.0)(request)
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

/// What one socket did, in order.
#[derive(Debug, Default)]
pub(crate) struct ConnectionLog {
    /// The bytes that each `send` took; a text where they came from a file.
    pub(crate) sent: Vec<Vec<u8>>,
    /// The number of bytes that each `recv` brought.
    pub(crate) received: Vec<usize>,
    /// The name of the close reason.
    pub(crate) end: Option<&'static str>,
    /// How long it was open, once it has ended.
    pub(crate) lasted: Duration,
    /// The events of the wire view.
    pub(crate) events: Vec<WireEvent>,
}

impl ConnectionLog {
    /// The view of the terminal, `--wire=head`.
    pub(crate) fn view(&self) -> String {
        let style = ViewOptions { format: ViewFormat::Head, color: false, ascii: true, columns: 120 };
        let (mut terminal, mut text) = (Terminal::new(style), String::new());
        self.events.iter().for_each(|event| terminal.push_event(event, &mut text));
        text
    }
}

/// A running server.
pub(crate) struct Library {
    pub(crate) address: SocketAddr,
    pub(crate) stopper: Stopper,
    thread: Option<JoinHandle<Report>>,
    records: Vec<RecordReceiver>,
    /// By the number of the connection.
    logs: Vec<ConnectionLog>,
    live: Vec<Option<LiveConnection>>,
    began: Vec<Duration>,
}

impl Library {
    /// One loop and four workers.
    pub(crate) fn start(answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Library {
        Library::with(
            Settings::with(|s| {
                s.loops = 1;
                s.workers = 4;
            }),
            answer,
        )
    }

    pub(crate) fn with(settings: Settings, answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Library {
        Library::serving(settings, Library::fixed(answer))
    }

    pub(crate) fn fixed(answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> impl Service + 'static {
        Fixed(Arc::new(answer))
    }

    pub(crate) fn serving(settings: Settings, service: impl Into<App>) -> Library {
        Library::on("127.0.0.1:0", settings, service).unwrap()
    }

    /// Serves the files of `folder`, with uploads, under these timeouts.
    pub(crate) fn files(folder: &Folder, timeouts: Timeouts) -> Library {
        let site = Site::open(folder.path(), files::Settings::with(|s| s.upload = true)).unwrap();
        Library::serving(
            Settings::with(|s| {
                s.timeouts = timeouts;
                s.loops = 1;
            }),
            site,
        )
    }

    /// Serves at this address; `None` where there is no such address.
    pub(crate) fn on(address: &str, settings: Settings, service: impl Into<App>) -> Option<Library> {
        let listener = Listener::bind(address.parse().unwrap()).ok()?;
        let address = listener.address();
        let mut server = Server::new(service, settings, vec![listener]).unwrap();
        let (stopper, records) = (server.stopper(), server.record(WireMemory::WITHOUT_HISTORY));
        let thread = std::thread::spawn(move || server.run().unwrap());
        Some(Library {
            address,
            stopper,
            thread: Some(thread),
            records,
            logs: Vec::new(),
            live: Vec::new(),
            began: Vec::new(),
        })
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// Waits until the connection with this number (1, 2, 3 …) has ended; returns what it did.
    #[track_caller]
    pub(crate) fn log_of(&mut self, number: usize) -> &ConnectionLog {
        self.wait(number, "does not end", |log| log.end.is_some())
    }

    /// Waits until so many bytes have come on a connection.
    #[track_caller]
    pub(crate) fn has_received(&mut self, number: usize, bytes: usize) {
        self.wait(number, "did not receive it", |log| log.received.iter().sum::<usize>() >= bytes);
    }

    /// The bytes that have come so far, on all connections.
    pub(crate) fn received(&mut self) -> usize {
        self.read_records();
        self.logs.iter().flat_map(|log| &log.received).sum()
    }

    #[track_caller]
    fn wait(&mut self, number: usize, what: &str, is_so: impl Fn(&ConnectionLog) -> bool) -> &ConnectionLog {
        let end = Instant::now() + PATIENCE;
        while !self.logs.get(number).is_some_and(&is_so) {
            assert!(Instant::now() < end, "connection {number} {what}: {:?}", self.logs.get(number));
            self.read_records();
        }
        &self.logs[number]
    }

    fn read_records(&mut self) {
        for receiver in &self.records {
            let Ok(batch) = receiver.receive(Duration::from_millis(10)) else { continue };
            assert_eq!(batch.dropped, 0, "the record has a hole");
            for (record, bytes) in batch.iter() {
                let at = record.connection as usize;
                if self.logs.len() <= at {
                    self.logs.resize_with(at + 1, ConnectionLog::default);
                    self.live.resize_with(at + 1, || None);
                    self.began.resize(at + 1, record.at);
                }
                let log = &mut self.logs[at];
                let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
                let fresh = || LiveConnection::new(record.connection, record.at, Duration::ZERO, &options);
                self.live[at].get_or_insert_with(fresh).explain(record, bytes, &mut log.events);
                match &record.event {
                    SocketEvent::Received(len) | SocketEvent::ReceivedInPart { len, .. } => log.received.push(*len),
                    SocketEvent::Sent(_) => log.sent.push(bytes.to_vec()),
                    SocketEvent::SentFile { len, .. } => log.sent.push(format!("[{len} of a file]").into_bytes()),
                    SocketEvent::Closed { reason } => {
                        log.end = Some(reason);
                        log.lasted = record.at - self.began[at];
                    }
                    _ => {}
                }
            }
        }
    }

    /// Waits for the end of a server that was told to stop.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Report {
        let end = Instant::now() + PATIENCE;
        let thread = self.thread.take().unwrap();
        while !thread.is_finished() {
            assert!(Instant::now() < end, "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
        thread.join().unwrap()
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.stopper.stop();
        self.stopper.stop();
    }
}
