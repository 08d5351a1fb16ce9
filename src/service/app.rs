//! The order in which a request is decided, and the fields that are added to every response.
//!
//! An [`App`] stands between the connections and a [`Service`]. For each request it asks, in this order
//! (RFC 9110 leaves it open), and the first step that has a response ends the search; no step reads content:
//!
//! | step | decided by | response |
//! |---|---|---|
//! | 1. the request is malformed | [`crate::http`] | 400, 414, 431, 501, 505: [`App::refuse`] |
//! | 2. the host is not one of ours | [`Hosts`] | 421 |
//! | 3. the method works nowhere | [`router::refuse_method`] | 501, 405 |
//! | 4. a preflight of an origin that `--cors` allows | [`Cors`] | 204 |
//! | 5. a write that a foreign page asked for | [`foreign_write`] | 403 |
//! | 6. credentials are missing or wrong | [`Auth`] | 401, 429 |
//! | 7. `OPTIONS *`, the address of the wire view | here | 204, 307 |
//! | 8. everything else | the service: routes, then files | 404, 405, 200 … |
//!
//! Steps 2 and 3 come before credentials, so that no page of another name can make a browser send them, and
//! a method that nothing answers is refused whoever asks.
//!
//! Fields that every response carries are added in one place ([`App::added_fields`]), when the connection
//! writes the head: a response from the cache, a handler, a worker, a panic, a refusal and the 503 of a full
//! server all go through it. To add a field to everything, add it in [`Rules::added_fields`].

use std::io;
use std::sync::Arc;

use crate::http::target::TargetForm;
use crate::http::{AddedFields, FieldError, Method, Request, RequestError, Status};
use crate::service::access::basic::Auth;
use crate::service::access::cors::{Cors, RESOURCE_POLICY};
use crate::service::access::hosts::{self, Hosts};
use crate::service::access::origin::{ForeignWrite, foreign_write};
use crate::service::answer::{Answer, RequestContext, Service};
use crate::service::error_page::{self, Problem};
use crate::service::response::{Response, is_connection_field};
use crate::service::router;
use crate::service::text::shown;
use crate::service::view_link::{self, ViewLink};

/// Everything an [`App`] decides before its service is asked. The default lets everything through.
#[derive(Clone, Default)]
pub struct Settings {
    /// The host names this server answers for.
    pub hosts: Hosts,
    /// `--cors`: `*`, or one origin as browsers write it.
    pub cors: Option<String>,
    /// Users and passwords; `None` asks for no credentials.
    pub auth: Option<Auth>,
    /// Fields of every response, in order. Each replaces what a response says under its name.
    pub headers: Vec<(String, String)>,
    /// Whether a page of a foreign origin may ask for a change here. Only for a service that has a check of its
    /// own: without one, every page that a user visits can change something in the name of that user.
    pub allow_foreign_writes: bool,
    /// Whether `Cache-Control: no-store` is the default of all responses. It always is that of errors, since a
    /// cache may keep some of them (RFC 9110 §15.1) after their cause is gone.
    pub no_store: bool,
    /// The port of the wire view; `None` where there is no view.
    pub view_port: Option<u16>,
}

/// What must still be added to the response to one request, whoever makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// A page of the origin that `--cors` allows asked, so it may read the response.
    is_readable_by_origin: bool,
    /// The link to this exchange in the wire view, for an error page.
    view_link: Option<ViewLink>,
}

/// A service and the rules before it. Each event loop owns one ([`App::fork`]).
pub struct App {
    rules: Arc<Rules>,
    /// The last host that was allowed: nearly all clients name the same one.
    last_host: Option<Vec<u8>>,
    service: Box<dyn Service>,
}

/// What all loops share.
struct Rules {
    hosts: Hosts,
    /// Pages of other origins may write here.
    allows_foreign_writes: bool,
    cors: Option<Cors>,
    auth: Option<Auth>,
    view_port: Option<u16>,
    /// Added to every response, except where `readable_fields` are.
    fields: AddedFields,
    /// Added to responses that the origin of `--cors` may read.
    readable_fields: AddedFields,
}

impl App {
    /// Puts the rules of `settings` before `service`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a header field that no response can carry.
    pub fn new(service: impl Service + 'static, settings: Settings) -> io::Result<App> {
        App::boxed(Box::new(service), settings)
    }

    /// The same for a service in a box.
    ///
    /// # Errors
    /// As [`App::new`].
    pub fn boxed(service: Box<dyn Service>, settings: Settings) -> io::Result<App> {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "a header field cannot be sent");
        let rules = Rules::new(settings, &service.methods()).map_err(invalid)?;
        Ok(App { rules: Arc::new(rules), last_host: None, service })
    }

    /// How this request will be answered. It is asked on an event loop and does not block.
    pub fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        let App { rules, last_host, service } = self;
        // 2. First of all: a page of another name (DNS rebinding) must learn nothing, not even which methods work.
        if !rules.is_own_host(request, last_host) {
            return misdirected(request).into();
        }
        // 3. Decided here and not by the service, because it comes before credentials. A service that has a
        // use for such a method at this very address says so itself.
        if !service.takes(request)
            && let Some(response) = router::refuse_method(request, || service.methods_of(request))
        {
            return response.into();
        }
        // 4. Browsers send a preflight without credentials (Fetch, "CORS-preflight fetch").
        if let Some(response) = rules.cors.as_ref().and_then(|cors| cors.preflight(request)) {
            return response.into();
        }
        // 5. Before credentials, because a browser would send those of its user along.
        if !rules.allows_foreign_writes
            && let Some(foreign) = foreign_write(request, rules.cors.as_ref())
        {
            return forbidden(request, foreign).into();
        }
        // 6. A job that runs bcrypt comes back with the request, and it is asked here again from the start.
        if let Some(answer) = rules.auth.as_ref().and_then(|auth| auth.check(request, context)) {
            return answer;
        }
        // 7. Targets that belong to no service.
        if request.form() == TargetForm::Asterisk && !service.takes(request) {
            return router::options(&service.methods()).into();
        }
        if let Some(port) = rules.view_port
            && let Some(response) = view_link::redirect(port, request, context)
        {
            return response.into();
        }
        // 8. Routes, then files.
        service.answer(request, context)
    }

    /// The response to bytes that are no valid request. `head` is the part of them that was received.
    pub fn refuse(&self, error: &RequestError, head: &[u8]) -> Response {
        error_page::malformed_request(error, head)
    }

    /// What the response to this request will need, whoever makes it.
    pub fn additions(&self, request: &Request<'_>, context: &RequestContext) -> Additions {
        let rules = &self.rules;
        let is_readable = |cors: &Cors| cors.allows(request.field("origin"));
        let is_readable_by_origin = rules.cors.as_ref().is_some_and(is_readable);
        let view_link = rules.view_port.and_then(|_| ViewLink::of_request(request, context));
        Additions { is_readable_by_origin, view_link }
    }

    /// The same for a request that was refused. Its fields cannot be trusted, so no origin is let in by name.
    pub fn additions_to_refusal(&self, head: &[u8], context: &RequestContext) -> Additions {
        let is_readable_by_origin = self.rules.cors.as_ref().is_some_and(|cors| cors.allows(None));
        let view_link = self.rules.view_port.and_then(|_| ViewLink::of_head(head, context));
        Additions { is_readable_by_origin, view_link }
    }

    /// The response as it is sent: an error page gets its link to the wire view.
    pub fn finish(&self, response: Response, additions: &Additions) -> Response {
        match &additions.view_link {
            Some(link) if response.status().is_error() => link.add_to(response),
            _ => response,
        }
    }

    /// The fields that are added when the head of a response is written.
    pub fn added_fields(&self, additions: &Additions) -> &AddedFields {
        if additions.is_readable_by_origin { &self.rules.readable_fields } else { &self.rules.fields }
    }

    /// Closes what is only kept open for speed, because file descriptors are short.
    pub fn relieve(&mut self) {
        self.service.relieve();
    }

    /// The same app for another event loop.
    pub fn fork(&self) -> App {
        App { rules: Arc::clone(&self.rules), last_host: None, service: self.service.fork() }
    }
}

impl From<Box<dyn Service>> for App {
    /// The service with no rules before it: every host, no credentials, no CORS.
    fn from(service: Box<dyn Service>) -> App {
        let rules = Rules::new(Settings::default(), &service.methods()).unwrap_or_else(|FieldError| Rules::none());
        App { rules: Arc::new(rules), last_host: None, service }
    }
}

impl<S: Service + 'static> From<S> for App {
    fn from(service: S) -> App {
        App::from(Box::new(service) as Box<dyn Service>)
    }
}

impl Rules {
    /// `methods` work on some target of the service.
    fn new(settings: Settings, methods: &[Method]) -> Result<Rules, FieldError> {
        let cors = settings.cors.as_deref().map(|origin| Cors::new(origin, methods));
        let fields = Rules::added_fields(&settings, cors.as_ref(), false)?;
        let readable_fields = Rules::added_fields(&settings, cors.as_ref(), true)?;
        let Settings { hosts, auth, view_port, .. } = settings;
        let allows_foreign_writes = settings.allow_foreign_writes;
        Ok(Rules { hosts, allows_foreign_writes, cors, auth, view_port, fields, readable_fields })
    }

    fn none() -> Rules {
        let hosts = Hosts::default();
        let (fields, readable_fields) = (AddedFields::NONE, AddedFields::NONE);
        Rules { hosts, allows_foreign_writes: false, cors: None, auth: None, view_port: None, fields, readable_fields }
    }

    /// The fields of every response. Later fields win over earlier ones of the same name.
    fn added_fields(settings: &Settings, cors: Option<&Cors>, is_readable: bool) -> Result<AddedFields, FieldError> {
        let mut fields = AddedFields::default();
        // Content types are always right here, so a browser has no reason to guess another (Fetch §3.6).
        fields.replace("X-Content-Type-Options", "nosniff")?;
        match settings.no_store {
            true => fields.unless_set("Cache-Control", "no-store")?,
            false => fields.unless_set_in_error("Cache-Control", "no-store")?,
        }
        if let Some(cors) = cors {
            cors.add_to(&mut fields, is_readable)?;
        }
        // Where host names are checked, a foreign page must not embed what only its visitor can reach; a page
        // of another local port is the same site and may. An open read-only server may be embedded by all.
        if !(cors.is_some() && is_readable) && settings.hosts.is_enforced() {
            fields.unless_set(RESOURCE_POLICY, "same-site")?;
        }
        // The words of whoever starts the server come last, because they win.
        for (name, value) in &settings.headers {
            if is_connection_field(name) {
                return Err(FieldError);
            }
            fields.replace(name, value)?;
        }
        Ok(fields)
    }

    fn is_own_host(&self, request: &Request<'_>, last: &mut Option<Vec<u8>>) -> bool {
        let authority = request.authority();
        if authority.is_some() && authority == last.as_deref() {
            return true;
        }
        let is_own = self.hosts.allow(authority);
        if let Some(authority) = authority.filter(|_| is_own) {
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(authority);
        }
        is_own
    }
}

/// 421 with the option that would allow the host.
fn misdirected(request: &Request<'_>) -> Response {
    let host = request.authority().and_then(hosts::host).unwrap_or_default();
    let name = shown(host);
    let mut problem = Problem::new(Status::MISDIRECTED_REQUEST);
    problem.sentence = match host {
        b"" => "The request names no host, and this server answers only for certain ones.".into(),
        _ => format!("The request is for {name}, and this server does not answer for that name."),
    };
    // The client chose the name and may have chosen `a;reboot`: a command to be typed must not repeat that.
    if hosts::is_plain_name(host) {
        problem.advice = Some(format!("If the name is right, start the server with --host {name}"));
    }
    error_page::problem(request, &problem).with_note("the host is not one of ours")
}

/// 403 for a write from elsewhere. The page does not repeat where it came from: it may be shown in a tab of
/// the very page that tried.
fn forbidden(request: &Request<'_>, foreign: ForeignWrite) -> Response {
    let problem = Problem::new(Status::FORBIDDEN)
        .with_sentence(foreign.explain())
        .with_advice("Nothing was changed. A page you trust can be let in with --cors=ORIGIN");
    error_page::problem(request, &problem).with_note("a write from a page of another origin")
}

#[cfg(test)]
mod tests;
