//! The addresses under `/.try/`: every case of HTTP on demand, for people who study it.
//!
//! A browser, curl or a program that is under test asks for any status, framing, delay or fault, and the wire view
//! shows the bytes. [`router`] adds each address as a route before the files; the program does so with `--study`.
//!
//! | file | contents |
//! |---|---|
//! | `limits` | what one request may cost, and the slots of slow responses |
//! | `query` | the parameters of an address, read strictly |
//! | `catalogue` | the list of all addresses (`catalogue.txt`), and the forms |
//! | `echo` | the request sent back, by TRACE too, or counted |
//! | `identity` | credentials and cookies |
//! | `broken` | responses written byte by byte, most of them wrong on purpose |
//! | `status` | any status, redirects, interim responses, failures of a server |
//! | `framing` | how a response says where it ends, and responses in pieces |
//! | `caching` | freshness, validators, ranges, and one note that can be changed |
//! | `representation` | compressed content, and response fields of one's own |
//! | [`labs`] | the labs, which are no practice but belong to it |
//!
//! One request: the router finds its line in `ROUTES`. The handler reads the parameters (`query::Query`), bounds them
//! (`limits`), and returns an [`Answer`] with pauses, chunks or raw bytes, which the connection sends as they are. A
//! slow one takes a slot first (`PracticeRequest::slow`).
//!
//! A new address needs a handler in the file of its theme, a line in `ROUTES` and one in `catalogue.txt`; a test
//! compares the two lists, and asks for each address on them. All sentences are in `texts.txt`.
//!
//! The addresses may be reached from the network, so a hostile client must not be able to do harm with them: no thread
//! sleeps, memory is bounded, no redirect leads to another server, and no byte of a request is shown where a browser
//! would run it.

mod broken;
mod caching;
mod catalogue;
mod echo;
mod framing;
mod identity;
pub mod labs;
mod limits;
mod query;
mod representation;
mod status;

use std::collections::HashMap;
use std::hash::RandomState;
use std::sync::{Arc, LazyLock, Mutex};

use caching::Note;
use limits::Slots;

use crate::http::Method::{Delete, Get, Options, Other, Patch, Post, Put, Trace};
use crate::http::{Method, Request, Status};
use crate::service::error_page::{self, Problem};
use crate::service::text::reference;
use crate::service::texts::{Texts, Values};
use crate::service::{Answer, Bytes, RequestContext, Response, Router, Service};

/// What people read of this layer.
static TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::new(include_str!("texts.txt")));

/// What all event loops share. The locks are held for moments only, so that no loop waits for another.
#[derive(Default)]
struct PracticeState {
    slots: Slots,
    /// The text of `/.try/note`, if a client has written one.
    note: Mutex<Option<Note>>,
    /// How often each address about freshness was asked, by its name.
    counts: Mutex<HashMap<&'static str, u64>>,
    /// A secret of this process, from which the nonces of `/.try/auth/digest` are made.
    nonces: RandomState,
}

/// One request to a practice address.
struct PracticeRequest<'a> {
    request: &'a Request<'a>,
    /// The time and the addresses, for the dates and command lines of responses.
    context: &'a RequestContext,
    state: &'a Arc<PracticeState>,
    /// The segment that the pattern has as `{value}`, decoded; empty if it has none.
    value: &'a [u8],
}

impl PracticeRequest<'_> {
    /// The relative reference from the target to this address.
    fn reference(&self, path: &str) -> String {
        reference(&self.request.base(), path.as_bytes())
    }
}

/// Answers one request on the event loop. An error becomes an error page.
type Handler = fn(&PracticeRequest<'_>) -> Result<Answer, Problem>;

/// The methods of a route. The router adds HEAD to GET, and OPTIONS to all.
const READ: &[Method] = &[Get];
const NAMED: &[Method] = &[Get, Post, Put, Delete, Patch];
/// `Other` is any method without a name of its own, which gets 501 everywhere else.
const ANY: &[Method] = &[Get, Post, Put, Delete, Options, Patch, Other];
/// At an address that does not exist the handler decides about TRACE too: see [`catalogue::unknown`].
const UNKNOWN: &[Method] = &[Get, Post, Put, Delete, Options, Patch, Trace];

/// All addresses. A literal segment is preferred to `{value}`, and everything to `{*value}`.
const ROUTES: &[(&str, &[Method], Handler)] = &[
    ("/.try", READ, catalogue::bare),
    ("/.try/", READ, catalogue::list),
    ("/.try/form", READ, catalogue::form),
    ("/.try/learn", READ, labs::lab),
    ("/.try/learn/{*value}", READ, labs::lab),
    ("/.try/{*value}", UNKNOWN, catalogue::unknown),
    ("/.try/echo", ANY, echo::echo),
    ("/.try/trace", &[Trace], echo::trace),
    ("/.try/method", READ, echo::method),
    ("/.try/upload", &[Post, Put], echo::upload),
    ("/.try/status/{value}", NAMED, status::status),
    ("/.try/fail", READ, status::fail),
    ("/.try/busy", READ, |_| Ok(limits::busy())),
    ("/.try/redirect/{value}", NAMED, status::redirect),
    ("/.try/redirect/loop", NAMED, status::redirect_loop),
    ("/.try/landed", NAMED, status::landed),
    ("/.try/interim/{value}", READ, status::interim),
    ("/.try/expect/refuse", &[Post, Put], status::refuse),
    ("/.try/length/{value}", READ, framing::length),
    ("/.try/utf8", READ, framing::utf8),
    ("/.try/gzip", READ, representation::gzip),
    ("/.try/br", READ, representation::brotli),
    ("/.try/fields", READ, representation::fields),
    ("/.try/chunked", READ, framing::chunked),
    ("/.try/close", READ, framing::close),
    ("/.try/drip", READ, framing::drip),
    ("/.try/split", READ, framing::split),
    ("/.try/wait/{value}", READ, framing::wait),
    ("/.try/cut", READ, framing::cut),
    ("/.try/broken", READ, catalogue::list_broken),
    ("/.try/broken/", READ, catalogue::list_broken),
    ("/.try/broken/{value}", READ, broken::broken),
    ("/.try/cache/{value}", READ, caching::max_age),
    ("/.try/cache/etag", READ, caching::etag),
    ("/.try/cache/modified", READ, caching::modified),
    ("/.try/cache/never", READ, caching::never),
    ("/.try/etag", READ, caching::etag),
    ("/.try/modified", READ, caching::modified),
    ("/.try/never", READ, caching::never),
    ("/.try/range", READ, caching::range),
    ("/.try/note", &[Get, Put, Delete], caching::note),
    ("/.try/auth", READ, identity::basic),
    ("/.try/auth/bearer", READ, identity::bearer),
    ("/.try/auth/digest", READ, identity::digest),
    ("/.try/auth/forbidden", READ, identity::forbidden),
    ("/.try/cookie", READ, identity::cookies),
    ("/.try/cookie/set", READ, identity::set_cookies),
    ("/.try/cookie/clear", READ, identity::clear_cookies),
];

/// The practice addresses, and `inner` for all other paths. It belongs inside a [`crate::service::App`], which checks
/// hosts and passwords first.
///
/// A path under `/.try/` never reaches `inner`: a name that begins with a dot is served from a folder only on demand.
pub fn router(inner: Box<dyn Service>) -> Router {
    let state = Arc::new(PracticeState::default());
    ROUTES.iter().fold(Router::new(inner), |router, &(pattern, methods, handler)| {
        // One state for all routes: the slots bound the slow responses of all of them together.
        let state = Arc::clone(&state);
        router.route_answer(methods, pattern, move |request, context, parameters| {
            // No segment is empty, so an empty value means that the pattern has none.
            let value = parameters.get("value").unwrap_or_default();
            handler(&PracticeRequest { request, context, state: &state, value })
                .unwrap_or_else(|problem| error_page::problem(request, &problem).into())
        })
    })
}

/// One line of the texts, which no cache keeps.
fn say(status: Status, name: &str, values: Values<'_>) -> Response {
    text(status, TEXTS.say(name, values) + "\n")
}

/// Plain text that no cache keeps.
fn text(status: Status, text: impl Into<Bytes>) -> Response {
    not_stored(Response::text(status, text))
}

/// The same response, which no cache keeps: the same address may say something else the next time.
fn not_stored(response: Response) -> Response {
    response.field("Cache-Control", "no-store")
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
