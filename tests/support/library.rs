//! The server as a library, in this process, with a service of the test and a tape of every socket.
//!
//! Never: a border that is judged by when it arrived. What one `send` took stands on the tape.
//!
//! The subtle thing: a test that fails must not leave a server behind that waits for something; so
//! it is stopped at once when it is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use barewire::http::{Limits, Request};
use barewire::net::server::Stopper;
use barewire::net::{Listener, Report, Server, Settings};
use barewire::service::{Answer, App, RequestContext, Service};
use barewire::wire::record::event::WireEvent;
use barewire::wire::record::live::LiveConnection;
use barewire::wire::record::recorder::SocketEvent;
use barewire::wire::{ExplainOptions, RecordReceiver, RedactOptions, Terminal, ViewFormat, ViewOptions};

use crate::support::PATIENCE;
use crate::support::client::Client;

/// What answers.
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

/// What one socket did, in order: `<` and how many bytes came, `>` and the bytes that left, at last the
/// name of the end.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) received: Vec<usize>,
    pub(crate) end: Option<(&'static str, String)>,
    /// What the view told of it.
    pub(crate) told: Vec<WireEvent>,
}

impl Story {
    /// The view of the terminal, `--wire=head`.
    pub(crate) fn view(&self) -> String {
        let style = ViewOptions { format: ViewFormat::Head, color: false, ascii: true, columns: 120 };
        let (mut terminal, mut text) = (Terminal::new(style), String::new());
        self.told.iter().for_each(|told| terminal.push_event(told, &mut text));
        text
    }
}

/// A running server.
pub(crate) struct Library {
    pub(crate) address: SocketAddr,
    pub(crate) stopper: Stopper,
    thread: Option<JoinHandle<Report>>,
    reels: Vec<RecordReceiver>,
    stories: Vec<Story>,
    lives: Vec<Option<LiveConnection>>,
}

impl Library {
    /// One loop and four workers.
    pub(crate) fn start(answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Library {
        Library::with(Settings { loops: 1, workers: 4, ..Settings::default() }, answer)
    }

    pub(crate) fn with(settings: Settings, answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Library {
        Library::serving(settings, Library::fixed(answer))
    }

    pub(crate) fn fixed(answer: impl Fn(&Request<'_>) -> Answer + Send + Sync + 'static) -> Box<dyn Service> {
        Box::new(Fixed(Arc::new(answer)))
    }

    pub(crate) fn serving(settings: Settings, service: impl Into<App>) -> Library {
        Library::on("127.0.0.1:0", settings, service).unwrap()
    }

    /// `None` where there is no such address.
    pub(crate) fn on(address: &str, settings: Settings, service: impl Into<App>) -> Option<Library> {
        let listener = Listener::bind(address.parse().unwrap()).ok()?;
        let address = listener.address();
        let mut server = Server::new(service, settings, vec![listener]).unwrap();
        let (stopper, reels) = (server.stopper(), server.record());
        let thread = std::thread::spawn(move || server.run().unwrap());
        Some(Library { address, stopper, thread: Some(thread), reels, stories: Vec::new(), lives: Vec::new() })
    }

    pub(crate) fn connect(&self) -> Client {
        Client::to(self.address)
    }

    /// Waits until the connection with this number (1, 2, 3 …) has ended; returns what it did.
    #[track_caller]
    pub(crate) fn story(&mut self, number: usize) -> &Story {
        self.watch(number, "does not end", |story| story.end.is_some())
    }

    /// Waits until so many bytes have come on a connection.
    #[track_caller]
    pub(crate) fn has_received(&mut self, number: usize, bytes: usize) {
        self.watch(number, "did not receive it", |story| story.received.iter().sum::<usize>() >= bytes);
    }

    #[track_caller]
    fn watch(&mut self, number: usize, what: &str, is_it: impl Fn(&Story) -> bool) -> &Story {
        let end = Instant::now() + PATIENCE;
        while !self.stories.get(number).is_some_and(&is_it) {
            assert!(Instant::now() < end, "connection {number} {what}: {:?}", self.stories.get(number));
            for reel in &self.reels {
                let Ok(batch) = reel.receive(Duration::from_millis(10)) else { continue };
                assert_eq!(batch.dropped, 0, "the tape has a hole");
                for (record, bytes) in batch.iter() {
                    let at = record.connection as usize;
                    if self.stories.len() <= at {
                        self.stories.resize_with(at + 1, Story::default);
                        self.lives.resize_with(at + 1, || None);
                    }
                    let manner = ExplainOptions::live(Limits::default(), RedactOptions::default());
                    let fresh = || LiveConnection::new(record.connection, record.at, Duration::ZERO, &manner);
                    self.lives[at].get_or_insert_with(fresh).record(record, bytes, &mut self.stories[at].told);
                    let story = &mut self.stories[at];
                    match &record.event {
                        SocketEvent::Received(len) | SocketEvent::ReceivedInPart { len, .. } => {
                            story.received.push(*len)
                        }
                        SocketEvent::Sent(_) => story.sent.push(bytes.to_vec()),
                        SocketEvent::SentFile { len, .. } => story.sent.push(format!("[{len} of a file]").into_bytes()),
                        SocketEvent::Closed { reason, sentence } => story.end = Some((reason, sentence.to_string())),
                        _ => {}
                    }
                }
            }
        }
        &self.stories[number]
    }

    /// Waits for the end of a server that was told to stop.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> Report {
        let end = Instant::now() + PATIENCE;
        let thread = self.thread.take().unwrap();
        while !thread.is_finished() {
            assert!(Instant::now() < end, "the server does not end");
            std::thread::sleep(Duration::from_millis(5));
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
