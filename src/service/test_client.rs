//! Answers requests without sockets, for the tests of routes and services.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use crate::http::{Event, Http1, HttpDate, Limits, Method, Prepared, Request, Status, Transfer, field};
use crate::service::answer::OpenSink;
use crate::service::app::Additions;
use crate::service::error_page::{self, Problem};
use crate::service::{
    Answer, App, Body, Client, OpenFile, Outcome, Piece, RawRequest, ReceiveSummary, RequestContext, Response,
};

/// Sends requests to an [`App`] in this thread, and returns its responses.
///
/// Parser, order of decisions, added fields and heads are those of the server, and responses from the cache are made as
/// there. Different are three things: the content of a request is complete before the service is asked; a job runs at
/// once, so a panic in it is a panic of the test; and pauses and interim responses of a script are left out.
///
/// ```
/// use barewire::http::Status;
/// use barewire::service::{Response, Router, TestClient};
///
/// let router = Router::default().get("/hello/{name}", |call| {
///     Response::text(Status::OK, format!("hello {}\n", call.text("name").unwrap_or_default()))
/// });
/// let mut client = TestClient::new(router);
/// assert_eq!(client.get("/hello/ann").text(), "hello ann\n");
/// assert_eq!(client.get("/bye").status(), Status::NOT_FOUND);
/// assert_eq!(client.send(b"DELETE /hello/ann HTTP/1.1\r\nHost: a\r\n\r\n").field("Allow"), Some("GET, HEAD, OPTIONS"));
/// ```
pub struct TestClient {
    app: App,
    context: RequestContext,
}

/// A response as a client receives it.
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: Status,
    head: Vec<u8>,
    content: Vec<u8>,
}

impl TestClient {
    /// A client on this computer.
    pub fn new(app: impl Into<App>) -> TestClient {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (peer, local, now) = (address(50_000), address(80), SystemTime::now());
        let context = RequestContext { peer, client: Client::Peer(peer.ip()), local, now, arrival: 0 };
        TestClient { app: app.into(), context }
    }

    /// The same client at another address.
    #[must_use]
    pub fn at(mut self, peer: SocketAddr) -> TestClient {
        self.context.peer = peer;
        self.context.client = Client::Peer(peer.ip().to_canonical());
        self
    }

    /// The response to a GET of `target`, with `Host: localhost`.
    ///
    /// # Panics
    /// As [`TestClient::send`].
    #[track_caller]
    pub fn get(&mut self, target: &str) -> TestResponse {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())
    }

    /// The response to these bytes: one request, with its content.
    ///
    /// # Panics
    /// If the bytes are only a part of a request, or if a handler or a job panics.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) -> TestResponse {
        // Each request arrives alone, at a moment of its own.
        self.context.arrival += 1;
        self.context.now = SystemTime::now();
        let mut http = Http1::new(Limits::default());
        let step = http.receive(bytes);
        let (request, framing, head) = match step.event {
            Event::Request(request, framing) => (request.into_owned(), framing, step.used),
            Event::Refused(error) => {
                let additions = self.app.additions_to_refusal(bytes, &self.context);
                let response = self.app.finish(self.app.refuse(&error, bytes), &additions);
                return self.written(&mut http, response, &additions);
            }
            _ => panic!("a request without an end: {}", bytes.escape_ascii()),
        };
        let mut content = Vec::new();
        if framing.has_content() {
            let mut rest = &bytes[head..];
            loop {
                let step = http.receive(rest);
                rest = &rest[step.used..];
                match step.event {
                    Event::Content(bytes) => content.extend_from_slice(bytes),
                    Event::End => break,
                    other => panic!("content without an end: {other:?} in {}", bytes.escape_ascii()),
                }
            }
        }
        let raw = RawRequest { head: bytes[..head].to_vec(), framed: bytes[head..].to_vec(), content };
        self.answer(&mut http, request, raw)
    }

    /// Asks the app, and does what its answer says.
    fn answer(&mut self, http: &mut Http1, mut request: Request<'static>, raw: RawRequest) -> TestResponse {
        let additions = self.app.additions(&request, &self.context);
        let too_large = |limit| (raw.content.len() as u64 > limit).then(|| Problem::too_large(limit));
        let refused = |request: &Request<'_>, problem| error_page::problem(request, &problem);
        let response = loop {
            match self.app.answer(&request, &self.context) {
                Answer::Now(response) => break response,
                Answer::Ready(prepared) => return self.prepared(http, &prepared, None, &additions),
                Answer::ReadyFile(head, file) => return self.prepared(http, &head, Some(file), &additions),
                // A test does not wait.
                Answer::Blocking(_, job) | Answer::Delayed(_, _, job) => match job() {
                    Outcome::Response(response) => break response,
                    Outcome::Again(same) => request = same.whole(),
                },
                Answer::Collect { limit, then } => match too_large(limit) {
                    Some(problem) => break refused(&request, problem),
                    None => break then(raw.content),
                },
                Answer::CollectRaw { limit, then } => match too_large(limit) {
                    Some(problem) => break refused(&request, problem),
                    None => break then(raw),
                },
                Answer::Receive { limit, open, .. } => match too_large(limit) {
                    Some(problem) => break refused(&request, problem),
                    None => break received(open, &raw.content).unwrap_or_else(|response| response),
                },
                Answer::Raw(raw) => {
                    return TestResponse { status: raw.status, head: raw.bytes, content: Vec::new() };
                }
            }
        };
        let response = self.app.finish(response, &additions);
        self.written(http, response, &additions)
    }

    /// A response, written as the connection writes it.
    fn written(&self, http: &mut Http1, response: Response, additions: &Additions) -> TestResponse {
        let (status, fields, body) = response.into_parts();
        let (mut head, date) = (Vec::new(), HttpDate::new(self.context.now));
        let added = self.app.added_fields(additions);
        let content = match http.respond(status, &fields, body.length(), added, &date, &mut head) {
            // HEAD, 304 and the like.
            Transfer::Nothing => Vec::new(),
            _ => bytes_of(body),
        };
        TestResponse { status, head, content }
    }

    /// A response that is kept ready: its head, and its content after it or in a file.
    fn prepared(
        &self,
        http: &mut Http1,
        prepared: &Prepared,
        file: Option<Arc<OpenFile>>,
        additions: &Additions,
    ) -> TestResponse {
        let mut head = Vec::new();
        let date = HttpDate::new(self.context.now);
        http.respond_prepared(prepared, self.app.added_fields(additions), &date, &mut head);
        let end = head.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(head.len(), |at| at + 4);
        let content = match file {
            Some(file) if http.method() != Method::Head => read(&file, 0, prepared.content_len()),
            _ => head.split_off(end),
        };
        TestResponse { status: prepared.status(), head, content }
    }
}

impl TestResponse {
    /// The status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Everything before the content: the status line, the field lines and the empty line.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The value of the first field line of this name; `None` also when it is not UTF-8.
    pub fn field(&self, name: &str) -> Option<&str> {
        str::from_utf8(field::find(&self.head, name).next()?.value).ok()
    }

    /// The content, without its framing.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// The content as text. Bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Gives the whole content to a sink.
fn received(open: OpenSink, content: &[u8]) -> Result<Response, Response> {
    let mut sink = open()?;
    sink.write(content)?;
    let bytes = content.len() as u64;
    sink.measured(&ReceiveSummary { calls: 1, smallest: bytes, largest: bytes, ..ReceiveSummary::default() });
    Ok(sink.finish())
}

fn read(file: &OpenFile, from: u64, len: u64) -> Vec<u8> {
    file.read(from, len).expect("a file of the response can be read")
}

/// All content of a response.
fn bytes_of(body: Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) | Body::UntilClose(bytes) => bytes.to_vec(),
        Body::File { file, from, len } => read(&file, from, len),
        Body::Pieces { file, pieces } => {
            let part = |piece| match piece {
                Piece::Bytes(bytes) => bytes,
                Piece::Range { from, len } => read(&file, from, len),
            };
            pieces.into_iter().flat_map(part).collect()
        }
        Body::Chunks(chunks) => chunks.data.concat(),
        Body::Stream(mut source) => {
            let mut all = Vec::new();
            while let Some(bytes) = source.next().expect("the source of the response does not fail") {
                all.extend_from_slice(&bytes);
            }
            all
        }
    }
}
