//! For tests: requests out of bytes, their context, and responses as they are sent.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::http::{Event, Http1, Limits, Request, Status};
use crate::service::answer::RequestContext;
use crate::service::{Answer, App, Client, Response, Service};

/// The rounds of a long loop: `few` by default, `all` where the variable `BAREWIRE_ROUNDS` is `all`.
pub(crate) fn rounds(few: usize, all: usize) -> usize {
    if std::env::var_os("BAREWIRE_ROUNDS").is_some_and(|value| value == "all") { all } else { few }
}

/// The request these bytes are.
#[track_caller]
pub(crate) fn request(bytes: &[u8]) -> Request<'static> {
    match Http1::new(Limits::default()).receive(bytes).event {
        Event::Request(request, _) => request.into_owned(),
        other => panic!("no request: {other:?} in {}", bytes.escape_ascii()),
    }
}

/// The request of this line and these field lines (each with its CR LF), with a Host.
#[track_caller]
pub(crate) fn asked(line: &str, fields: &str) -> Request<'static> {
    request(format!("{line} HTTP/1.1\r\nHost: localhost:8080\r\n{fields}\r\n").as_bytes())
}

/// A request of `peer`, some seconds after the beginning of the test's time.
pub(crate) fn context(peer: &str, seconds: u64) -> RequestContext {
    let peer: IpAddr = peer.parse().unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds);
    let client = Client::Peer(peer.to_canonical());
    RequestContext { peer: (peer, 50_000).into(), client, local: ([127, 0, 0, 1], 8080).into(), now, arrival: 1 }
}

/// The response as it is sent: finished, and with the added fields among its own.
pub(crate) fn sent(app: &App, request: &Request<'_>, context: &RequestContext, response: Response) -> Response {
    let additions = app.additions(request, context);
    let (status, fields, body) = app.finish(response, &additions).into_parts();
    let mut lines = Vec::new();
    app.added_fields(&additions).merge(status, fields.bytes(), &mut lines);
    let text = String::from_utf8(lines).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    lines.fold(Response::new(status).with_body(body), |response, (name, value)| response.field(name, value))
}

/// The same by an app with the default settings.
pub(crate) fn sent_by_default(request: &Request<'_>, response: Response) -> Response {
    struct Unused;
    impl Service for Unused {
        fn answer(&mut self, _: &Request<'_>, _: &RequestContext) -> Answer {
            Response::new(Status::NOT_FOUND).into()
        }

        fn fork(&self) -> Box<dyn Service> {
            Box::new(Unused)
        }
    }
    sent(&App::from(Unused), request, &context("127.0.0.1", 0), response)
}

/// How much bcrypt was computed, since durations prove nothing.
pub(crate) mod bcrypt_work {
    use std::cell::Cell;

    thread_local!(static DONE: Cell<u64> = const { Cell::new(0) });

    pub(crate) fn add(rounds: u64) {
        DONE.set(DONE.get() + rounds);
    }

    /// The rounds that `then` costs on this thread.
    pub(crate) fn of<T>(then: impl FnOnce() -> T) -> (u64, T) {
        let before = DONE.get();
        let result = then();
        (DONE.get() - before, result)
    }
}
