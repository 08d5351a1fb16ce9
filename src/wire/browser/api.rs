//! The rows of the API: what the page asks for, and what it may do.
//!
//! Never: a decision who may ask. That was made before.
//!
//! The subtle thing: whatever leaves as a file (raw bytes, an archive) says so, so that a browser never
//! shows bytes of the network as a page of this origin.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::http::grammar::decimal;
use crate::http::{Method, Status};
use crate::service::{Body, Call, Response, Router};
use crate::wire::browser::stream;
use crate::wire::browser::stream::{Seat, Stream};
use crate::wire::browser::{Shared, why};
use crate::wire::explain::message::{Excerpt, Role, SpanKind};
use crate::wire::explain::notes::NoteId;
use crate::wire::export::{command, har, replay};
use crate::wire::record::event::{EventKind, TimedMessage};
use crate::wire::record::exchange::{Exchange, ExchangeId};
use crate::wire::record::history::HistoryReader;
use crate::wire::show::json::push_value;
use crate::wire::show::sentences::capitalize;

/// A body that says whether to pause.
const SMALL: u64 = 1024;
/// Names in a query, at most: the rest would not fit a target anyway.
const NAMES: usize = 4096;

type Handler = fn(&Shared, &Call) -> Result<Response, Response>;

/// Adds the rows.
pub(crate) fn routes(router: Router, shared: &Arc<Shared>) -> Router {
    let rows: [(Method, &str, Handler); 13] = [
        (Method::Get, "/api/events", events),
        (Method::Get, "/api/notes", notes),
        (Method::Get, "/api/conn/{n}", connection),
        (Method::Get, "/api/conn/{n}/in", |shared, call| side(shared, call, Role::Request)),
        (Method::Get, "/api/conn/{n}/out", |shared, call| side(shared, call, Role::Response)),
        (Method::Get, "/api/ex/{name}/request", |shared, call| raw(shared, call, Role::Request)),
        (Method::Get, "/api/ex/{name}/response", |shared, call| raw(shared, call, Role::Response)),
        (Method::Get, "/api/ex/{name}/curl", |shared, call| command(shared, call, command::curl)),
        (Method::Get, "/api/ex/{name}/send", |shared, call| command(shared, call, command::send)),
        (Method::Get, "/api/har", archive),
        (Method::Post, "/api/replay/{name}", again),
        (Method::Post, "/api/pause", pause),
        (Method::Post, "/api/clear", clear),
    ];
    rows.into_iter().fold(router, |router, (method, pattern, handler)| {
        let shared = Arc::clone(shared);
        router.route_limited(method, pattern, SMALL, move |call| {
            handler(&shared, call).unwrap_or_else(|response| response)
        })
    })
}

fn not_found(what: &str) -> Response {
    why(Status::NOT_FOUND, &format!("no {what} of that number is kept"))
}

/// The value of a parameter of the query, as it stands: only numbers and names are asked for.
fn parameter<'a>(call: &'a Call, name: &str) -> Option<&'a [u8]> {
    call.request().query_pairs().find_map(|(other, value)| value.filter(|_| other == name.as_bytes()))
}

fn reply(value: &Value) -> Response {
    let mut text = String::new();
    push_value(&mut text, value);
    text.push('\n');
    Response::json(Status::OK, text)
}

fn attached(response: Response, name: &str) -> Response {
    response.field("Content-Disposition", format!("attachment; filename=\"{name}\""))
}

fn events(shared: &Shared, call: &Call) -> Result<Response, Response> {
    let Some(seat) = Seat::take(&shared.streams) else {
        let what = format!("{} views are open already: close one of them", stream::STREAMS);
        return Err(why(Status::SERVICE_UNAVAILABLE, &what).field("Retry-After", "15"));
    };
    let history = &shared.history;
    let since = parameter(call, "since").and_then(decimal).unwrap_or(0);
    let same_run = parameter(call, "run").is_none_or(|run| run == shared.facts.run.as_bytes());
    let goes_on = since > 0 && same_run && history.reaches(since);
    let extent = history.extent();
    let facts = &shared.facts;
    let mut hello = json!({
        "event": "hello",
        "version": env!("CARGO_PKG_VERSION"),
        "run": facts.run,
        "main": facts.main.to_string(),
        "port": facts.main.port(),
        "paused": extent.paused,
        "kept": {"first_seq": extent.first, "last_seq": extent.last, "connections": extent.connections},
        "secrets": facts.secrets,
        "start": start(facts.main),
        "safe": if facts.secrets { "Secrets are shown" } else { SAFE },
        "memory": history.bound(),
    });
    if since > 0 && !goes_on {
        hello["reset"] = true.into();
    }
    let reader = if goes_on { HistoryReader::after(since) } else { history.reader() };
    let stream = Stream::new(Arc::clone(history), reader, hello, seat);
    let body = Body::Stream(Box::new(stream));
    Ok(Response::new(Status::OK).field("Content-Type", "application/x-ndjson").with_body(body))
}

/// Who can look, and what cannot be seen.
const SAFE: &str = "Only this computer can open this page · secrets are hidden";
/// What to do without a key: words, and what to type.
pub(crate) const KEYLESS: [[&str; 2]; 1] = [[
    "barewire prints the address of the wire view, with a key behind the #, each time it starts. A new start has a new \
     key. Open the address behind “Wire view” in what this prints:",
    "barewire --study",
]];

/// What to do when nothing has happened yet: words, and what to type or to open.
fn start(main: SocketAddr) -> [(&'static str, String); 3] {
    let host = match main.ip().is_unspecified() {
        true => format!("127.0.0.1:{}", main.port()),
        false => main.to_string(),
    };
    let request = "GET /hello.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n";
    [
        ("Type this in a terminal. The bytes appear here as they arrive:", format!("curl -v http://{host}/hello.txt")),
        (
            "One request in four pieces, cut inside a word, because TCP knows no messages:",
            format!("printf '{request}' | barewire send {host} --cut 8,28,41 --gap 200"),
        ),
        ("Or a browser; count the connections it opens:", format!("http://{host}/")),
    ]
}

fn notes(_: &Shared, _: &Call) -> Result<Response, Response> {
    let kinds: Vec<&str> = SpanKind::ALL.iter().map(|kind| kind.word()).collect();
    let notes: serde_json::Map<String, Value> = NoteId::all()
        .map(|(id, note)| {
            let value = json!({
                "name": note.name, "title": title(note.name), "short": note.short, "long": capitalize(note.long),
                "section": note.section, "link": link(note.section),
            });
            (id.0.to_string(), value)
        })
        .collect();
    // The same as long as the program is: a browser may keep them over a reload or two.
    Ok(reply(&json!({"kinds": kinds, "notes": notes})).field("Cache-Control", "private, max-age=600"))
}

/// What a part with this note is called.
fn title(name: &str) -> String {
    match name.split('/').next().unwrap_or(name) {
        "field" => "field name".into(),
        "trailer" => "trailer field".into(),
        "status" => "status code".into(),
        part if part.starts_with(char::is_uppercase) => "here it breaks".into(),
        part => part.replace('-', " "),
    }
}

/// Where a section can be read.
fn link(section: &str) -> Option<String> {
    let (_, behind) = section.split_once("RFC ")?;
    let (number, rest) = behind.split_once(' ').unwrap_or((behind, ""));
    match rest.strip_prefix('§').and_then(|rest| rest.split(' ').next()) {
        Some(part) => Some(format!("https://www.rfc-editor.org/rfc/rfc{number}.html#section-{part}")),
        None => Some(format!("https://www.rfc-editor.org/rfc/rfc{number}.html")),
    }
}

fn number(call: &Call) -> Result<u64, Response> {
    call.parameter("n").and_then(decimal).ok_or_else(|| not_found("connection"))
}

fn connection(shared: &Shared, call: &Call) -> Result<Response, Response> {
    let events = shared.history.connection(number(call)?);
    if events.is_empty() {
        return Err(not_found("connection"));
    }
    Ok(reply(&events.iter().map(|(number, kept)| stream::event(*number, kept)).collect()))
}

/// Bytes that were kept, one behind the other, and the first place where some are missing.
#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    gap: Option<(usize, u64)>,
}

impl Bytes {
    fn add(&mut self, excerpt: &Excerpt) {
        self.bytes.extend_from_slice(&excerpt.first);
        if excerpt.gap > 0 {
            self.gap.get_or_insert((self.bytes.len(), excerpt.gap));
        }
        self.bytes.extend_from_slice(&excerpt.last);
    }

    fn response(self, name: &str) -> Response {
        let mut response = Response::content(Status::OK, "application/octet-stream", self.bytes);
        if let Some((at, len)) = self.gap {
            response = response.field("X-Wire-Gap", format!("{at}+{len}"));
        }
        attached(response, name)
    }
}

fn side(shared: &Shared, call: &Call, role: Role) -> Result<Response, Response> {
    let number = number(call)?;
    let events = shared.history.connection(number);
    if events.is_empty() {
        return Err(not_found("connection"));
    }
    let mut bytes = Bytes::default();
    for (_, kept) in &events {
        if let EventKind::Message(spoken) = &kept.event.kind
            && spoken.message.role == role
        {
            bytes.add(&spoken.message.bytes);
        }
    }
    let direction = if role == Role::Request { "in" } else { "out" };
    Ok(bytes.response(&format!("c{number}-{direction}.bin")))
}

fn exchange(shared: &Shared, call: &Call) -> Result<Exchange, Response> {
    let name = call.parameter("name").and_then(ExchangeId::parse);
    name.and_then(|name| Exchange::find(&shared.history, name)).ok_or_else(|| not_found("exchange"))
}

fn raw(shared: &Shared, call: &Call, role: Role) -> Result<Response, Response> {
    let exchange = exchange(shared, call)?;
    let mut bytes = Bytes::default();
    let messages: Vec<&TimedMessage> = match role {
        Role::Request => exchange.request().into_iter().collect(),
        Role::Response => exchange.answers().collect(),
    };
    if messages.is_empty() {
        return Err(not_found(role.name()));
    }
    messages.iter().for_each(|spoken| bytes.add(&spoken.message.bytes));
    let ExchangeId { connection, exchange } = exchange.name;
    Ok(bytes.response(&format!("c{connection}.{exchange}-{}.bin", role.name())))
}

fn command(
    shared: &Shared,
    call: &Call,
    make: fn(&TimedMessage, SocketAddr) -> Result<String, &'static str>,
) -> Result<Response, Response> {
    let exchange = exchange(shared, call)?;
    let request = exchange.request().ok_or_else(|| not_found("request"))?;
    let line = make(request, shared.facts.main).map_err(|reason| why(Status::CONFLICT, reason))?;
    Ok(Response::text(Status::OK, line + "\n"))
}

fn archive(shared: &Shared, call: &Call) -> Result<Response, Response> {
    let names: Option<Vec<ExchangeId>> = match parameter(call, "ids").filter(|ids| !ids.is_empty()) {
        None => None,
        Some(ids) => {
            let names: Option<Vec<ExchangeId>> = ids.split(|&o| o == b',').take(NAMES).map(ExchangeId::parse).collect();
            Some(names.ok_or_else(|| not_found("exchange"))?)
        }
    };
    let archive = har::archive(&shared.history, names.as_deref(), shared.facts.main);
    Ok(attached(reply(&archive), "barewire.har"))
}

fn again(shared: &Shared, call: &Call) -> Result<Response, Response> {
    let exchange = exchange(shared, call)?;
    let request = exchange.request().ok_or_else(|| not_found("request"))?;
    let conflict = |reason: &str| why(Status::CONFLICT, reason);
    let recipe = replay::Recipe::of(request).map_err(conflict)?;
    let connection = (shared.replayer)(recipe).map_err(|reason| conflict(&reason))?;
    Ok(reply(&json!({ "connection": connection })))
}

fn pause(shared: &Shared, call: &Call) -> Result<Response, Response> {
    let body: Option<Value> = serde_json::from_slice(call.content()).ok();
    match body.as_ref().and_then(|body| body.get("paused")).and_then(Value::as_bool) {
        Some(paused) => {
            shared.history.pause(paused);
            Ok(Response::new(Status::NO_CONTENT))
        }
        None => Err(why(Status::BAD_REQUEST, "the body is {\"paused\":true} or {\"paused\":false}")),
    }
}

fn clear(shared: &Shared, _: &Call) -> Result<Response, Response> {
    shared.history.clear();
    Ok(Response::new(Status::NO_CONTENT))
}
