//! The routes of the wire view: the files of its page, and the API that the page calls.
//!
//! | route under `/api/` | response |
//! |---|---|
//! | `GET events?since=N&run=R` | a stream of events, one JSON object a line |
//! | `GET notes` | all notes, and the kinds of spans |
//! | `GET conn/1` | all events of a connection |
//! | `GET conn/1/in`, `conn/1/out` | the bytes of one side, as a file |
//! | `GET ex/1.2/request`, `ex/1.2/response` | the bytes of one exchange, as a file |
//! | `GET ex/1.2/curl`, `ex/1.2/send` | its request as a line for a shell |
//! | `GET har?ids=1.1,1.2` | exchanges as a HAR archive |
//! | `POST replay/1.2` | sends the request again; the number of the new connection |
//! | `POST pause` with `{"paused":true}` | 204 |
//! | `POST clear` | 204 |
//!
//! 404 means that the connection or the exchange is not kept (any more), 409 that its request cannot be used so.
//!
//! The checks of [`super`] come before all routes, so a handler does not ask who may call it. Raw bytes and
//! archives leave as attachments: a browser must never show bytes of the network as a page of this origin.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::http::grammar::decimal;
use crate::http::target::query_pairs;
use crate::http::{Method, Status};
use crate::say;
use crate::service::{Body, Call, Response, Router};
use crate::wire::browser::page::{FILES, media_type};
use crate::wire::browser::stream::{EventStream, STREAMS, StreamPermit, stored_value};
use crate::wire::browser::{ViewContext, error};
use crate::wire::explain::message::Excerpt;
use crate::wire::explain::message::{Role, SpanKind};
use crate::wire::explain::notes::NoteId;
use crate::wire::export::{ReplayPlan, curl, har, send};
use crate::wire::record::event::{EventKind, TimedMessage};
use crate::wire::record::exchange::{Exchange, ExchangeId};
use crate::wire::record::history::{HistoryReader, StoredEvent};
use crate::wire::show::json::push_line;

/// Bytes of content at most: only `/api/pause` takes any, one word.
const CONTENT: u64 = 1024;
/// Exchanges named in one query at most.
const NAMES: usize = 4096;

/// A response, or the response that says why there is none.
type Outcome = Result<Response, Response>;
/// The body of a route. A handler runs on a worker, so it may wait and read the whole history.
type Handler = fn(&ViewContext, &Call) -> Outcome;

const ROUTES: [(Method, &str, Handler); 13] = [
    (Method::Get, "/api/events", events),
    (Method::Get, "/api/notes", notes),
    (Method::Get, "/api/conn/{n}", connection),
    (Method::Get, "/api/conn/{n}/in", |context, call| connection_bytes(context, call, Role::Request)),
    (Method::Get, "/api/conn/{n}/out", |context, call| connection_bytes(context, call, Role::Response)),
    (Method::Get, "/api/ex/{name}/request", |context, call| exchange_bytes(context, call, Role::Request)),
    (Method::Get, "/api/ex/{name}/response", |context, call| exchange_bytes(context, call, Role::Response)),
    (Method::Get, "/api/ex/{name}/curl", |context, call| command_line(context, call, curl)),
    (Method::Get, "/api/ex/{name}/send", |context, call| command_line(context, call, send)),
    (Method::Get, "/api/har", archive),
    (Method::Post, "/api/replay/{name}", replay),
    (Method::Post, "/api/pause", pause),
    (Method::Post, "/api/clear", clear),
];

/// Adds all routes.
pub(crate) fn add_routes(mut router: Router, context: &Arc<ViewContext>) -> Router {
    for (path, text) in FILES {
        router = router.get(path, move |_| Response::content(Status::OK, media_type(path), text));
    }
    for (method, pattern, handler) in ROUTES {
        // The router keeps the handlers for all event loops, so each has its own reference.
        let context = Arc::clone(context);
        router = router.route_limited(method, pattern, CONTENT, move |call| {
            handler(&context, call).unwrap_or_else(|response| response)
        });
    }
    router
}

/// 404 for a connection, an exchange or a message that is not recorded, with this reason.
fn not_found(why: String) -> Response {
    error(Status::NOT_FOUND, why)
}

/// The first parameter of this name in the query, not decoded: all of them are numbers and names.
fn parameter<'a>(call: &'a Call, name: &str) -> Option<&'a [u8]> {
    query_pairs(call.request().query()?).find_map(|(other, value)| value.filter(|_| other == name.as_bytes()))
}

/// 200 with JSON. In ASCII, so that `curl` can print it in a terminal, even if a client has sent terminal commands.
fn json_response(value: &Value) -> Response {
    let mut text = String::new();
    push_line(&mut text, value);
    Response::json(Status::OK, text)
}

/// Makes a browser save the content and not show it (RFC 6266).
fn attachment(response: Response, name: &str) -> Response {
    response.field("Content-Disposition", format!("attachment; filename=\"{name}\""))
}

/// `?since=N&run=R`: all events after number N of that run, and then those to come.
fn events(context: &ViewContext, call: &Call) -> Outcome {
    // Without a bound, open pages could take all workers, and none would be left for the other routes.
    let Some(permit) = StreamPermit::take(&context.streams) else {
        let why = say!("api/full", views = STREAMS as u64);
        return Err(error(Status::SERVICE_UNAVAILABLE, why).field("Retry-After", "15"));
    };
    let ViewContext { history, settings, .. } = context;
    let since = parameter(call, "since").and_then(decimal).unwrap_or(0);
    // Numbers of another run mean other events, and events that were dropped cannot be sent.
    let same_run = parameter(call, "run").is_none_or(|run| run == settings.run.as_bytes());
    let continues = since > 0 && same_run && history.reaches(since);
    let status = history.status();
    let mut hello = json!({
        "event": "hello", "version": env!("CARGO_PKG_VERSION"), "run": settings.run,
        "main": settings.main.to_string(), "port": settings.main.port(),
        "paused": status.paused, "memory": settings.memory,
        "kept": {"first_seq": status.first, "last_seq": status.last, "connections": status.connections},
        "secrets": settings.secrets, "safe": if settings.secrets { say!("api/secrets") } else { say!("api/safe") },
        "start": first_steps(settings.main),
    });
    // Then the page drops its events and takes all from here.
    if since > 0 && !continues {
        hello["reset"] = true.into();
    }
    let reader = if continues { HistoryReader::after(since) } else { history.reader() };
    let stream = EventStream::new(Arc::clone(history), reader, hello, permit);
    let response = Response::new(Status::OK).field("Content-Type", "application/x-ndjson");
    Ok(response.with_body(Body::Stream(Box::new(stream))))
}

/// Advice for a page without the key: words, and a command to type.
pub(crate) fn without_key() -> [(String, &'static str); 1] {
    [(say!("api/key-help"), "barewire --study")]
}

/// Advice while nothing has happened yet: words, and a command to type or an address to open.
fn first_steps(main: SocketAddr) -> Vec<(&'static str, String)> {
    let lines = include_str!("../../pages/wire/start.txt").lines().filter_map(|line| line.split_once(" | "));
    lines.map(|(words, command)| (words, command.replace("{main}", &main.to_string()))).collect()
}

/// All notes by their numbers, and the names of the kinds of spans.
fn notes(_: &ViewContext, _: &Call) -> Outcome {
    let kinds: Vec<&str> = SpanKind::ALL.iter().map(|kind| kind.word()).collect();
    let note_values = NoteId::all().map(|(id, note)| {
        // The sentence of a fault is written to follow a colon.
        let long = if id.is_fault() { say!("api/fault", sentence = note.long) } else { note.long.into() };
        let value = json!({
            "name": note.name, "title": note.title, "short": note.short, "long": long,
            "section": note.section, "link": section_link(note.section),
        });
        (id.0.to_string(), value)
    });
    let response = json_response(&json!({"kinds": kinds, "notes": note_values.collect::<Map<_, _>>()}));
    // They are part of the program: a browser may keep them over a reload or two.
    Ok(response.field("Cache-Control", "private, max-age=600"))
}

/// The address of `RFC 9112 §6.3 rule 4` at the RFC Editor.
fn section_link(section: &str) -> Option<String> {
    // Some notes name a section of the program's own help, which has no address.
    let (_, after) = section.split_once("RFC ")?;
    let (number, rest) = after.split_once(' ').unwrap_or((after, ""));
    let part = rest.strip_prefix('§').and_then(|rest| rest.split(' ').next());
    let anchor = part.map_or_else(String::new, |part| format!("#section-{part}"));
    Some(format!("https://www.rfc-editor.org/rfc/rfc{number}.html{anchor}"))
}

/// The number of the connection that the parameter `{n}` of a route names, and its events.
fn find_connection(context: &ViewContext, call: &Call) -> Result<(u64, Vec<(u64, StoredEvent)>), Response> {
    let number = call.parameter("n").and_then(decimal);
    let found = number.map(|number| (number, context.history.connection(number)));
    found.filter(|(_, events)| !events.is_empty()).ok_or_else(|| not_found(say!("api/no-connection")))
}

/// All events of a connection, as an array.
fn connection(context: &ViewContext, call: &Call) -> Outcome {
    let (_, events) = find_connection(context, call)?;
    Ok(json_response(&events.iter().map(|(number, stored)| stored_value(*number, stored)).collect()))
}

/// A download of the kept bytes of these messages, in order. `X-Wire-Gap: AT+LEN` names the first place
/// where bytes are missing, since the file itself cannot show it.
fn bytes_response<'a>(excerpts: impl Iterator<Item = &'a Excerpt>, file_name: &str) -> Response {
    let (mut bytes, mut first_gap) = (Vec::new(), None);
    for excerpt in excerpts {
        bytes.extend_from_slice(&excerpt.first);
        if excerpt.gap > 0 {
            first_gap.get_or_insert((bytes.len(), excerpt.gap));
        }
        bytes.extend_from_slice(&excerpt.last);
    }
    // No sniffing by name or content can make this type a page.
    let mut response = Response::content(Status::OK, "application/octet-stream", bytes);
    if let Some((at, len)) = first_gap {
        response = response.field("X-Wire-Gap", format!("{at}+{len}"));
    }
    attachment(response, file_name)
}

/// One side of a connection.
fn connection_bytes(context: &ViewContext, call: &Call, role: Role) -> Outcome {
    let (number, events) = find_connection(context, call)?;
    // By messages and not by calls: only messages are redacted.
    let excerpts = events.iter().filter_map(|(_, stored)| match &stored.event.kind {
        EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.role == role => {
            Some(&timed.message.bytes)
        }
        _ => None,
    });
    let side = if role == Role::Request { "in" } else { "out" };
    Ok(bytes_response(excerpts, &format!("c{number}-{side}.bin")))
}

/// The exchange that the parameter `{name}` of a route names.
fn find_exchange(context: &ViewContext, call: &Call) -> Result<Exchange, Response> {
    let id = call.parameter("name").and_then(ExchangeId::parse);
    id.and_then(|id| Exchange::find(&context.history, id)).ok_or_else(|| not_found(say!("api/no-exchange")))
}

/// The request of an exchange, or all its responses.
fn exchange_bytes(context: &ViewContext, call: &Call, role: Role) -> Outcome {
    let exchange = find_exchange(context, call)?;
    // All responses: an interim one stands before the final one on the wire, so the file has it too.
    let messages: Vec<&TimedMessage> = match role {
        Role::Request => exchange.request().into_iter().collect(),
        Role::Response => exchange.responses().collect(),
    };
    let messages: Vec<TimedMessage> = messages.into_iter().map(|timed| exchange.with_rest(timed)).collect();
    if messages.is_empty() {
        return Err(not_found(say!("api/no-message")));
    }
    let ExchangeId { connection, exchange } = exchange.id;
    let file_name = format!("c{connection}.{exchange}-{}.bin", role.name());
    Ok(bytes_response(messages.iter().map(|timed| &timed.message.bytes), &file_name))
}

/// The request of an exchange as a line for a shell.
fn command_line(
    context: &ViewContext,
    call: &Call,
    make: fn(&TimedMessage, SocketAddr) -> Result<String, String>,
) -> Outcome {
    let exchange = find_exchange(context, call)?;
    let request = exchange.request().ok_or_else(|| not_found(say!("api/no-message")))?;
    let line = make(&exchange.with_rest(request), context.settings.main).map_err(|why| error(Status::CONFLICT, why))?;
    Ok(Response::text(Status::OK, line + "\n"))
}

/// `?ids=1.1,1.2`: these exchanges as a HAR archive; without names, all.
fn archive(context: &ViewContext, call: &Call) -> Outcome {
    let parse = |names: &[u8]| names.split(|&b| b == b',').take(NAMES).map(ExchangeId::parse).collect();
    let names = parameter(call, "ids").filter(|names| !names.is_empty());
    // One wrong name refuses all: an archive that lacks an exchange would look complete.
    let ids: Option<Vec<_>> =
        names.map(|names| Option::ok_or_else(parse(names), || not_found(say!("api/no-exchange")))).transpose()?;
    let archive = har::archive(&context.history, ids.as_deref(), context.settings.main);
    Ok(attachment(json_response(&archive), "barewire.har"))
}

/// Sends a request again. The response has the number of the new connection, so that the page can show it.
fn replay(context: &ViewContext, call: &Call) -> Outcome {
    let exchange = find_exchange(context, call)?;
    let request = exchange.request().ok_or_else(|| not_found(say!("api/no-message")))?;
    let conflict = |why| error(Status::CONFLICT, why);
    let plan = ReplayPlan::new(&exchange.with_rest(request)).map_err(conflict)?;
    let connection = (context.replayer)(plan).map_err(conflict)?;
    Ok(json_response(&json!({ "connection": connection })))
}

/// Stops or continues the recording.
fn pause(context: &ViewContext, call: &Call) -> Outcome {
    // Content that is no JSON becomes null, which has no member: one refusal for all that is wrong.
    let body: Value = serde_json::from_slice(call.content()).unwrap_or_default();
    let Some(paused) = body["paused"].as_bool() else {
        return Err(error(Status::BAD_REQUEST, say!("api/pause")));
    };
    context.history.pause(paused);
    Ok(Response::new(Status::NO_CONTENT))
}

/// Drops everything that is kept.
fn clear(context: &ViewContext, _: &Call) -> Outcome {
    context.history.clear();
    Ok(Response::new(Status::NO_CONTENT))
}
