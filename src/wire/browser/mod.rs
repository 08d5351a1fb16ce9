//! The wire view in a browser: a service of its own, on a listener of its own.
//!
//! Another port is another origin, so no page of the served folder can read what is recorded here. What
//! a request must have, in the order in which it is looked at:
//!
//! | | what | else |
//! |---|---|---|
//! | 1 | a Host that is exactly this listener's | 403: a name that was bent to 127.0.0.1 (DNS rebinding) |
//! | 2 | under `/api/`: no `Sec-Fetch-Site` that names another page | 403 |
//! | 3 | under `/api/`: the key in `X-Wire-Key` | 401 |
//!
//! The key is in the fragment of the address that was printed: a fragment is sent to nobody. A field of
//! its own cannot be sent by a form, and by a page of another origin only after a preflight, which nobody
//! here answers. There are no cookies: they ignore ports, and would show up in the very requests that are
//! studied.
//!
//! Never: a byte that was not masked, a text put into a page (the page makes its own text of JSON), a
//! log.
//!
//! The subtle thing: names are compared whole. A prefix `localhost` is also that of `localhost.evil.test`.

mod api;
mod assets;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::http::target::TargetForm;
use crate::http::{Request, Status};
use crate::service::{Answer, App, RequestContext, Response, Router, Service, app};
use crate::wire::export::replay::Recipe;
use crate::wire::record::history::History;

pub use stream::Streams;

/// The field that carries the key.
pub const KEY_FIELD: &str = "X-Wire-Key";
/// What a page of this listener may do: fetch from here, with a script and a style sheet from here.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// What every response says. Nothing of a recording is kept by anybody, or sent on to anybody.
const FIELDS: [(&str, &str); 3] = [
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// Sends a request again: the number of its connection if it is known, or why not.
pub type Replayer = dyn Fn(Recipe) -> Result<Option<u64>, String> + Send + Sync;

/// What the view knows of the server it belongs to.
#[derive(Clone)]
pub struct Facts {
    /// Who has it may look.
    pub key: String,
    /// A name for this run of the server.
    pub run: String,
    /// The port of the view.
    pub port: u16,
    /// The server that is watched.
    pub main: SocketAddr,
    /// Secrets are shown as they are.
    pub secrets: bool,
}

struct Shared {
    facts: Facts,
    hosts: Vec<String>,
    history: Arc<History>,
    replayer: Box<Replayer>,
    /// Streams that are open.
    streams: Arc<Streams>,
}

/// The service.
pub struct Browser {
    shared: Arc<Shared>,
    inner: Box<dyn Service>,
}

impl Browser {
    /// A view of this history.
    pub fn new(history: Arc<History>, facts: Facts, replayer: Box<Replayer>) -> Browser {
        let port = facts.port;
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{port}")).to_vec();
        let shared = Arc::new(Shared { facts, hosts, history, replayer, streams: Arc::default() });
        let router = api::routes(assets::routes(Router::new(Box::new(Nothing))), &shared);
        Browser { shared, inner: Box::new(router) }
    }

    /// The view as an app: with the fields that each of its responses carries.
    ///
    /// # Errors
    /// None: the fields are constants that a response can carry.
    pub fn app(self) -> io::Result<App> {
        let headers = FIELDS.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        App::new(self, app::Settings { headers, no_store: true, ..app::Settings::default() })
    }

    /// The streams that are open.
    pub fn streams(&self) -> Arc<Streams> {
        Arc::clone(&self.shared.streams)
    }

    /// Why the request is not answered, if it is not.
    fn stop(&self, request: &Request<'_>) -> Option<Response> {
        let shared = &self.shared;
        let is_host = |authority: &[u8]| shared.hosts.iter().any(|h| h.as_bytes().eq_ignore_ascii_case(authority));
        if request.form() != TargetForm::Origin || !request.authority().is_some_and(is_host) {
            return Some(why(Status::FORBIDDEN, "this address is not one of the wire view's"));
        }
        if !request.path().starts_with(b"/api/") {
            return None;
        }
        let mut sites = request.fields("sec-fetch-site");
        if sites.any(|site| site != b"same-origin" && site != b"none") {
            return Some(why(Status::FORBIDDEN, "another page asked"));
        }
        let key = request.field(KEY_FIELD).unwrap_or_default();
        // Compared byte by byte to the end, so that the time says nothing about where it differs.
        let is_right = bool::from(key.ct_eq(shared.facts.key.as_bytes()));
        (!is_right).then(|| {
            let why = "the key is missing, or that of another run";
            let body = serde_json::json!({"why": why, "start": api::KEYLESS}).to_string() + "\n";
            Response::json(Status::UNAUTHORIZED, body).field(
                // RFC 9110 §15.5.2 demands a challenge; this one makes no browser ask for a password.
                "WWW-Authenticate",
                format!("{KEY_FIELD} realm=\"wire view\""),
            )
        })
    }
}

/// An error: its reason as JSON.
fn why(status: Status, why: &str) -> Response {
    Response::json(status, serde_json::json!({ "why": why }).to_string() + "\n")
}

impl Service for Browser {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        if let Some(response) = self.stop(request) {
            return Answer::Now(response);
        }
        self.inner.answer(request, visit)
    }

    /// `OPTIONS *` too is refused by name, as every request of another page.
    fn takes(&self, request: &Request<'_>) -> bool {
        request.form() == TargetForm::Asterisk
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Browser { shared: Arc::clone(&self.shared), inner: self.inner.fork() })
    }
}

/// What is behind the routes.
struct Nothing;

impl Service for Nothing {
    fn answer(&mut self, _: &Request<'_>, _: &RequestContext) -> Answer {
        Answer::Now(why(Status::NOT_FOUND, "there is nothing at this address"))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Nothing)
    }
}

#[cfg(test)]
mod tests;
