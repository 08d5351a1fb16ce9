//! The wire view in a browser: a service of its own, on a listener of its own.
//!
//! Another port is another origin, so no page of the served folder can read what is recorded here. A request
//! must pass these checks, in this order:
//!
//! | | required | otherwise |
//! |---|---|---|
//! | 1 | a Host that names exactly this listener | 403: stops DNS rebinding |
//! | 2 | under `/api/`: no `Sec-Fetch-Site` that names another page | 403 |
//! | 3 | under `/api/`: the key in the field `X-Wire-Key` | 401 |
//!
//! The key is in the fragment of the printed address, which a browser never sends. A form cannot send the
//! field, and a page of another origin can only after a preflight, which is refused here. There are no cookies:
//! cookies ignore ports, and would appear in the very requests that are studied.
//!
//! Responses hold redacted bytes only, as JSON or as a download: the page builds its text from JSON, so no
//! byte of the network becomes markup.

mod api;
mod entry;
mod page;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;
use subtle::ConstantTimeEq;

use crate::http::target::TargetForm;
use crate::http::{Request, Status};
use crate::say;
use crate::service::{Answer, App, RequestContext, Response, Router, Service, app};
use crate::wire::export::ReplayPlan;
use crate::wire::record::history::History;

pub use entry::add_route;
pub use stream::OpenStreams;

/// The field that carries the key.
pub const KEY_FIELD: &str = "X-Wire-Key";
/// A page of this listener may fetch from it, and use its scripts and style sheet. Nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// Fields of every response: no other page may embed a recording, and no link tells its address.
const FIELDS: [(&str, &str); 3] = [
    ("Content-Security-Policy", POLICY),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
];

/// Sends a request again. Returns the number of its connection, if it is known in time, or the reason why it
/// was not sent.
pub type Replayer = dyn Fn(ReplayPlan) -> Result<Option<u64>, String> + Send + Sync;

/// The facts about this run that the view shows or checks.
#[derive(Clone)]
pub struct ViewSettings {
    /// The secret that the API demands.
    pub key: String,
    /// An identifier of this run of the server: a page that knows another one starts anew.
    pub run: String,
    /// The port of the view.
    pub port: u16,
    /// The address of the server that is watched.
    pub main: SocketAddr,
    /// Whether secrets are shown as they are.
    pub secrets: bool,
    /// Bytes of memory of the whole view.
    pub memory: usize,
}

/// Everything that the handlers use.
struct ViewContext {
    settings: ViewSettings,
    /// Written by the wire thread; handlers read it, and may pause or clear it.
    history: Arc<History>,
    /// Supplied by the program, since this layer opens no sockets.
    replayer: Box<Replayer>,
    /// Counted here, and waited for by the program when the server stops.
    streams: Arc<OpenStreams>,
}

/// The wire view of this history as an app, and the streams of events that are open.
///
/// # Errors
/// None: the fields of each response are constants that a response can carry.
pub fn app(
    history: Arc<History>,
    settings: ViewSettings,
    replayer: Box<Replayer>,
) -> io::Result<(App, Arc<OpenStreams>)> {
    let streams = Arc::<OpenStreams>::default();
    let context = Arc::new(ViewContext { settings, history, replayer, streams: Arc::clone(&streams) });
    let routes = api::add_routes(Router::new(Box::new(NotFound)), &context);
    let headers = FIELDS.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
    // The check of `ViewService` is stricter: every request needs a key that no foreign page knows.
    let settings = app::Settings { headers, no_store: true, allow_foreign_writes: true, ..Default::default() };
    Ok((App::new(ViewService { context, routes: Box::new(routes) }, settings)?, streams))
}

/// The checks before the routes.
struct ViewService {
    context: Arc<ViewContext>,
    /// The routes of [`api`], asked only after the checks.
    routes: Box<dyn Service>,
}

impl ViewService {
    /// The response to a request that fails one of the checks of this module.
    fn refuse(&self, request: &Request<'_>) -> Option<Response> {
        // Only loopback names: the listener is bound to 127.0.0.1, and other names would come from a foreign DNS.
        // They are compared as a whole: `localhost` is also the start of `localhost.evil.test`.
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", self.context.settings.port));
        let is_host = |authority: &[u8]| hosts.iter().any(|host| host.as_bytes().eq_ignore_ascii_case(authority));
        // A target in absolute form would override Host (RFC 9112 §3.2.2), so it is not accepted at all.
        if request.form() != TargetForm::Origin || !request.authority().is_some_and(is_host) {
            return Some(error(Status::FORBIDDEN, say!("api/host")));
        }
        // The page and its files hold no secret, and a browser cannot send the key before it has them.
        if !request.path().starts_with(b"/api/") {
            return None;
        }
        // Browsers set this field themselves, and scripts cannot. A program like curl does not send it, but needs the
        // key too. `none` is a person who typed the address.
        if request.fields("sec-fetch-site").any(|site| site != b"same-origin" && site != b"none") {
            return Some(error(Status::FORBIDDEN, say!("api/foreign")));
        }
        let key = request.field(KEY_FIELD).unwrap_or_default();
        // In constant time: otherwise the time would tell how many bytes at the start of a guess are right.
        if bool::from(key.ct_eq(self.context.settings.key.as_bytes())) {
            return None;
        }
        let body = json!({"why": say!("api/key"), "start": api::without_key()}).to_string() + "\n";
        // RFC 9110 §15.5.2 demands a challenge. No browser knows this scheme, so none asks for a password.
        let challenge = format!("{KEY_FIELD} realm=\"wire view\"");
        Some(Response::json(Status::UNAUTHORIZED, body).field("WWW-Authenticate", challenge))
    }
}

/// An error response: the reason as JSON.
fn error(status: Status, why: String) -> Response {
    Response::json(status, json!({ "why": why }).to_string() + "\n")
}

impl Service for ViewService {
    fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        match self.refuse(request) {
            Some(response) => Answer::Now(response),
            None => self.routes.answer(request, context),
        }
    }

    /// `OPTIONS *` too: the check of its Host comes first.
    fn takes(&self, request: &Request<'_>) -> bool {
        request.form() == TargetForm::Asterisk
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(ViewService { context: Arc::clone(&self.context), routes: self.routes.fork() })
    }
}

/// The service for addresses without a route. It exists so that such a response is JSON, as all others.
struct NotFound;

impl Service for NotFound {
    fn answer(&mut self, _: &Request<'_>, _: &RequestContext) -> Answer {
        Answer::Now(error(Status::NOT_FOUND, say!("api/no-route")))
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(NotFound)
    }
}

#[cfg(test)]
mod tests;
