//! `--metrics ADDR`: counts for Prometheus at `/metrics`, on a server of their own.
//!
//! The second server has one loop, writes no log, and ends after the first one, so that the last counts can be read. It
//! never writes a text that a client has chosen: all labels are from fixed lists. It needs no password, so by default only
//! this computer reaches it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use barewire::http::{Request, Status};
use barewire::net::{self, Listener, LogFormat, Metrics, MetricsSnapshot, Server, Stopper, Timeouts};
use barewire::service::access::hosts::Hosts;
use barewire::service::app::{App, Settings};
use barewire::service::{Answer, RequestContext, Response, Router, Service};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge};
use prometheus_client::registry::Registry;

use crate::program::{banner::reachable, error::StartError, listen, wire_view::spawn, zone};

/// Where the counts are.
const PATH: &str = "/metrics";
/// What Prometheus asks for, and takes without asking.
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Readers at the same time, each with a connection and a worker: two Prometheus servers, and a person.
const READERS: usize = 4;
/// How long a reader may take when the server stops, and how long its end is waited for.
const GRACE: Duration = Duration::from_millis(200);
const END: Duration = Duration::from_secs(1);

/// The server of the counts, before it runs.
pub(crate) struct MetricsServer(Listener);

/// The server of the counts, while it runs.
pub(crate) struct RunningMetrics {
    stopper: Stopper,
    /// Closed when the thread of the server has ended.
    ended: Receiver<()>,
}

impl MetricsServer {
    /// Opens the socket. Exit code 3: the address cannot be used.
    pub(crate) fn open(address: SocketAddr) -> Result<MetricsServer, StartError> {
        listen::open_metrics(address).map(MetricsServer)
    }

    pub(crate) fn url(&self) -> String {
        let address = self.0.address();
        let own = SocketAddr::new(reachable(address.ip()), address.port());
        zone::url(own).trim_end_matches('/').to_string() + PATH
    }

    /// Starts the server. Errors: a thread or an event loop cannot be made.
    pub(crate) fn start(self, metrics: Metrics) -> io::Result<RunningMetrics> {
        let hosts = Hosts::new(self.0.address().ip().is_loopback(), &[], None);
        let router = Router::new(Box::new(Nothing)).get(PATH, move |_| respond(&metrics));
        let app = App::new(
            router,
            Settings::with(|s| {
                s.hosts = hosts;
                s.no_store = true;
            }),
        )?;
        let settings = net::Settings::with(|s| {
            s.loops = 1;
            s.workers = READERS;
            s.max_connections = READERS;
            s.max_per_client = READERS;
            s.timeouts = Timeouts::with(|s| s.grace = GRACE);
            s.log = LogFormat::Off;
        });
        let server = Server::new(app, settings, vec![self.0])?;
        let stopper = server.stopper();
        let ended = spawn("metrics", move || {
            if let Err(error) = server.run() {
                log::error!("the server of the metrics has failed: {error}");
            }
        })?;
        Ok(RunningMetrics { stopper, ended })
    }
}

impl RunningMetrics {
    pub(crate) fn finish(self) {
        self.stopper.stop();
        let _ = self.ended.recv_timeout(END);
    }
}

/// Every other path.
struct Nothing;

impl Service for Nothing {
    fn answer(&mut self, _: &Request<'_>, _: &RequestContext) -> Answer {
        Response::text(Status::NOT_FOUND, format!("404 The metrics are at {PATH}\n")).into()
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Nothing)
    }
}

fn respond(metrics: &Metrics) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Counts(metrics.read())));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => Response::content(Status::OK, MEDIA_TYPE, text),
        // Writing to memory does not fail.
        Err(error) => Response::text(Status::INTERNAL_SERVER_ERROR, format!("500 {error}\n")),
    }
}

/// What was read, as the crate wants it.
#[derive(Debug)]
struct Counts(MetricsSnapshot);

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = &self.0;
        let out = &mut Out(&mut encoder);
        out.gauge("barewire_uptime_seconds", "How long the server has been running", now.uptime.as_secs_f64())?;
        let responses = now.responses.iter().map(|(status, count)| ([("status", status.to_string())], *count));
        out.counters("barewire_responses", "Responses by status", responses)?;
        let writes = now.writes.iter();
        let writes = writes.map(|(method, result, count)| ([("method", *method), ("result", *result)], *count));
        out.counters("barewire_writes", "Responses to PUT, POST and DELETE, by result", writes)?;
        out.counter("barewire_sent_bytes", "Bytes sent, heads and content", now.sent_bytes)?;
        out.counters("barewire_refusals", "Requests that broke the protocol, by fault", named("fault", &now.refusals))?;
        out.counter("barewire_connections_accepted", "Connections accepted", now.accepted)?;
        out.counters("barewire_connections_closed", "Connections that ended, by reason", named("reason", &now.closed))?;
        out.gauges("barewire_connections", "Open connections by phase", named("phase", &now.open))?;
        let waiting = now.jobs.iter().map(|(kind, waiting, _)| ([("kind", *kind)], *waiting));
        out.gauges("barewire_jobs_waiting", "Jobs that wait for a worker", waiting)?;
        let running = now.jobs.iter().map(|(kind, _, running)| ([("kind", *kind)], *running));
        out.gauges("barewire_jobs_running", "Jobs that workers run", running)?;
        out.gauge("barewire_uploads_waiting", "Uploads that wait for memory", now.uploads_waiting)?;
        out.gauge("barewire_upload_memory_bytes", "Memory that unfinished uploads use", now.upload_memory)
    }
}

/// Pairs with their name as the value of this label.
fn named<'a>(
    label: &'a str,
    pairs: &'a [(&'static str, u64)],
) -> impl Iterator<Item = ([(&'a str, &'static str); 1], u64)> {
    pairs.iter().map(move |(name, count)| ([(label, *name)], *count))
}

/// Writes one metric with all its labels.
struct Out<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Out<'_, '_> {
    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        counts: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        counts
            .into_iter()
            .try_for_each(|(labels, count)| ConstCounter::new(count).encode(family.encode_family(&labels)?))
    }

    fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        values.into_iter().try_for_each(|(labels, value)| ConstGauge::new(value).encode(family.encode_family(&labels)?))
    }

    fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        ConstCounter::new(count).encode(self.0.encode_descriptor(name, help, None, MetricType::Counter)?)
    }

    fn gauge<N: EncodeGaugeValue>(&mut self, name: &str, help: &str, value: N) -> fmt::Result
    where
        ConstGauge<N>: EncodeMetric,
    {
        ConstGauge::new(value).encode(self.0.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }
}
