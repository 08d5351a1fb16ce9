//! The order in which a request is decided, and the fields that are added to every response.
//!
//! An [`App`] stands between the connections and a [`Service`]. It tries these steps in this order, and the first step
//! that has a response ends the search. RFC 9110 leaves the order open. No step reads content.
//!
//! | step | decided by | response |
//! |---|---|---|
//! | 1. the request is malformed or too slow | [`crate::http`] | 400, 408, 414, 421, 431, 501, 505: `App::refuse` |
//! | 2. the host is not one of ours | [`Hosts`] | 421 |
//! | 3. the method works nowhere | [`router::not_allowed`] | 501, 405 |
//! | 4. a preflight of an origin that `--cors` allows | [`Cors`] | 204 |
//! | 5. a write that a foreign page asked for | [`foreign_write`] | 403 |
//! | 6. a probe of `/.health` | [`Health`] | 200, 503 |
//! | 7. credentials are missing or wrong | [`Auth`] | 401, 429 |
//! | 8. `OPTIONS *` | here | 204 |
//! | 9. everything else | the service: routes, then files | 404, 405, 200 … |
//!
//! Every response is sent with the fields of `App::added_fields`, whether it is from a cache, a handler, a worker, a
//! panic, step 1, or the 503 of a full server. The connection adds them when it writes the head. To add a field to
//! every response, add it in `Rules::added_fields`.

use std::io;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::http::target::{self, TargetForm};
use crate::http::{AddedFields, FieldError, MergeRule, Method, Request, RequestError, Status};
use crate::service::access::origins::{Cors, ForeignWrite, RESOURCE_POLICY, foreign_write};
use crate::service::access::{basic::Auth, health::Health, hosts, hosts::Hosts};
use crate::service::error_page::{self, Problem, TEXTS};
use crate::service::{Answer, RequestContext, Response, Service, response::is_connection_field, router, text};

/// The path that redirects a browser on this computer to the wire view, and a query to a place in it.
pub const VIEW_PATH: &str = "/.wire";
/// Bytes of method and path in a link, and of the folder it starts from: a page stays small. The view shows the newest
/// exchange that begins with them.
const VIEW_LINK_BYTES: usize = 60;

/// The rules of an [`App`]. By default every request reaches the service, except writes of foreign pages.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The host names that this server answers for.
    pub hosts: Hosts,
    /// `--cors`: `*`, or one origin as browsers write it.
    pub cors: Option<String>,
    /// Users and passwords; `None`: no credentials are needed.
    pub auth: Option<Auth>,
    /// Fields of every response, in order. Each replaces the fields of its name that a response has.
    pub headers: Vec<(String, String)>,
    /// Whether pages of foreign origins may write here. Only for a service that has a check of its own: without one,
    /// every page that a user visits could change something in the name of that user.
    pub allow_foreign_writes: bool,
    /// Whether `Cache-Control: no-store` is the default of all responses, and not only of errors.
    pub no_store: bool,
    /// Whether there is a wire view, to which error pages link.
    pub has_view: bool,
    /// Who may ask for `/.health`.
    pub health: Health,
    /// Whether error pages name the option of the program `barewire` that would allow what they refuse. Not for a program
    /// of one's own, whose command line is another one.
    pub names_options: bool,
}

impl Settings {
    /// The defaults with these changes: `Settings::with(|it| it.no_store = true)`.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        change(&mut settings);
        settings
    }
}

/// The additions to the response to one request. They follow from the request alone, so they are known before the
/// response is made, and the connection keeps them until it sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Additions {
    /// The request is from a page that may read the response.
    is_readable_by_origin: bool,
    /// The link to this exchange in the wire view, for an error page.
    view_link: Option<ViewLink>,
}

/// A service, and the rules that are applied before it. Each event loop has its own (`App::fork`).
pub struct App {
    rules: Arc<Rules>,
    /// The last authority that was allowed. Nearly all clients name the same one, so it is compared first.
    last_host: Option<Vec<u8>>,
    /// The server was asked to stop, which `/.health` says.
    is_stopping: bool,
    service: Box<dyn Service>,
}

/// The settings in the form in which they are applied. All loops share them.
#[derive(Default)]
struct Rules {
    hosts: Hosts,
    allows_foreign_writes: bool,
    cors: Option<Cors>,
    auth: Option<Auth>,
    has_view: bool,
    health: Health,
    names_options: bool,
    /// For responses that no page of another origin may read.
    fields: AddedFields,
    /// For responses that the page may read which asked for them.
    readable_fields: AddedFields,
}

impl App {
    /// Applies the rules of `settings` before `service`.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] for a header field that cannot be sent.
    pub fn new(service: impl Service + 'static, settings: Settings) -> io::Result<App> {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "a header field cannot be sent");
        // A preflight lists the methods of the service, so the rules need them.
        let rules = Rules::new(settings, &service.methods()).map_err(invalid)?;
        Ok(App { rules: Arc::new(rules), last_host: None, is_stopping: false, service: Box::new(service) })
    }

    /// How this request will be answered. Called on an event loop; does not block.
    pub(crate) fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        let App { rules, last_host, is_stopping, service } = self;
        let method = request.method();
        // 2. Before the other steps: a page that reaches us by DNS rebinding must learn nothing, not even which methods
        // work.
        if !rules.is_own_host(request, last_host) {
            return misdirected(request, rules.names_options).into();
        }
        // 3. Before credentials, and so before the service: no password helps a method that works nowhere. A service
        // that takes such a method at this address says so.
        if matches!(method, Method::Other | Method::Trace | Method::Connect) && !service.takes(request) {
            return router::not_allowed(request, &service.methods_of(request)).into();
        }
        // 4. Before credentials: browsers send a preflight without them (Fetch, "CORS-preflight fetch").
        if let Some(response) = rules.cors.as_ref().and_then(|cors| cors.preflight(request)) {
            return response.into();
        }
        // 5. Before credentials: the browser adds those of its user to the request of a foreign page.
        if !(rules.allows_foreign_writes || method.is_safe())
            && let Some(foreign) = foreign_write(request, rules.cors.as_ref())
        {
            return forbidden(request, foreign, rules.names_options).into();
        }
        // 6. Before credentials: a program that watches this server has none, and gets the status alone.
        if let Some(response) = rules.health.answer(request, context, *is_stopping) {
            return response.into();
        }
        // 7. The answer may be a job that runs bcrypt. After it the request is decided again, from the first step.
        if let Some(answer) = rules.auth.as_ref().and_then(|auth| auth.check(request, context)) {
            return answer;
        }
        // 8. After credentials: only clients that may use this server get the list of methods.
        if request.form() == TargetForm::Asterisk && !service.takes(request) {
            return router::options(&service.methods()).into();
        }
        // 9. The router is itself a service, with the files as its fallback.
        service.answer(request, context)
    }

    /// The response to a malformed request. `head` is the part of it that was received.
    pub(crate) fn refuse(&self, error: &RequestError, head: &[u8]) -> Response {
        error_page::malformed_request(error, head)
    }

    /// The additions to the response to this request.
    pub(crate) fn additions(&self, request: &Request<'_>, context: &RequestContext) -> Additions {
        self.additions_for(request.field("origin"), request.bytes(), context)
    }

    /// The additions to the response to a malformed request, of which `head` was received.
    pub(crate) fn additions_to_refusal(&self, head: &[u8], context: &RequestContext) -> Additions {
        // Its fields cannot be trusted, so only `--cors=*` lets a page read the response.
        self.additions_for(None, head, context)
    }

    fn additions_for(&self, origin: Option<&[u8]>, head: &[u8], context: &RequestContext) -> Additions {
        let is_readable_by_origin = self.rules.cors.as_ref().is_some_and(|cors| cors.allows(origin));
        // Made before the response, since the request may be gone when a worker has finished.
        let view_link = if self.rules.has_view { ViewLink::of(head, context) } else { None };
        Additions { is_readable_by_origin, view_link }
    }

    /// Completes a response: an error page gets its link to the wire view.
    pub(crate) fn finish(&self, response: Response, additions: &Additions) -> Response {
        // Only here, since the link needs the content, which a worker may have made.
        match &additions.view_link {
            Some(link) if response.status().is_error() => {
                error_page::with_link(response, &TEXTS.say("link view", &[]), &link.0)
            }
            _ => response,
        }
    }

    /// The fields that are added when the head of the response is written.
    pub(crate) fn added_fields(&self, additions: &Additions) -> &AddedFields {
        if additions.is_readable_by_origin { &self.rules.readable_fields } else { &self.rules.fields }
    }

    /// Closes files that are only kept open for speed ([`Service::relieve`]).
    pub(crate) fn relieve(&mut self) {
        self.service.relieve();
    }

    /// From now on `/.health` says that this server will stop.
    pub(crate) fn announce_stop(&mut self) {
        self.is_stopping = true;
    }

    /// The same app for another event loop.
    pub(crate) fn fork(&self) -> App {
        // The rules are shared, so credentials that one loop found right are right for all.
        App {
            rules: Arc::clone(&self.rules),
            last_host: None,
            is_stopping: self.is_stopping,
            service: self.service.fork(),
        }
    }
}

impl<S: Service + 'static> From<S> for App {
    /// The service with the default settings.
    fn from(service: S) -> App {
        let rules = Rules::new(Settings::default(), &service.methods()).unwrap_or_default();
        App { rules: Arc::new(rules), last_host: None, is_stopping: false, service: Box::new(service) }
    }
}

impl Rules {
    /// `methods` work on some target of the service.
    fn new(settings: Settings, methods: &[Method]) -> Result<Rules, FieldError> {
        // Two sets are enough. Both are checked here, at the start, so that adding them to a head cannot fail.
        let cors = settings.cors.as_deref().map(|origin| Cors::new(origin, methods));
        let fields = Rules::added_fields(&settings, cors.as_ref(), false)?;
        let readable_fields = Rules::added_fields(&settings, cors.as_ref(), true)?;
        let Settings { hosts, auth, has_view, health, names_options, .. } = settings;
        let allows_foreign_writes = settings.allow_foreign_writes;
        Ok(Rules { hosts, allows_foreign_writes, cors, auth, has_view, health, names_options, fields, readable_fields })
    }

    /// The fields of every response. Later ones replace earlier ones of the same name.
    fn added_fields(settings: &Settings, cors: Option<&Cors>, is_readable: bool) -> Result<AddedFields, FieldError> {
        let mut fields = AddedFields::default();
        // A browser must not guess another type than the one we send (Fetch §3.6): text could become a script.
        fields.add(MergeRule::Replace, "X-Content-Type-Options", "nosniff")?;
        // A cache may keep some errors (RFC 9110 §15.1) after their cause is gone, so errors are never stored.
        match settings.no_store {
            true => fields.add(MergeRule::UnlessSet, "Cache-Control", "no-store")?,
            false => fields.add(MergeRule::UnlessSetInError, "Cache-Control", "no-store")?,
        }
        if let Some(cors) = cors {
            cors.add_to(&mut fields, is_readable)?;
        }
        // Where host names are checked, a foreign page must not embed what only its visitor can reach. A page of
        // another local port is of the same site and may. An open server that is only read may be embedded by all.
        if !(cors.is_some() && is_readable) && settings.hosts.is_enforced() {
            fields.add(MergeRule::UnlessSet, RESOURCE_POLICY, "same-site")?;
        }
        // Last, because the fields of the command line replace all others.
        for (name, value) in &settings.headers {
            // The connection writes these itself. A second Content-Length would hide where the response ends.
            if is_connection_field(name) {
                return Err(FieldError);
            }
            fields.add(MergeRule::Replace, name, value)?;
        }
        Ok(fields)
    }

    /// Whether this server answers for the host of the request. `last` is the last authority that was allowed.
    fn is_own_host(&self, request: &Request<'_>, last: &mut Option<Vec<u8>>) -> bool {
        let authority = request.authority();
        // Most requests end here, without a search of the list.
        if authority.is_some() && authority == last.as_deref() {
            return true;
        }
        let is_own = self.hosts.allow(authority);
        // Only an allowed host is remembered, so a foreign one cannot pass as known.
        if let Some(authority) = authority.filter(|_| is_own) {
            let last = last.get_or_insert_default();
            last.clear();
            last.extend_from_slice(authority);
        }
        is_own
    }
}

/// 421, with the option that would allow the host.
fn misdirected(request: &Request<'_>, names_options: bool) -> Response {
    let host = request.authority().and_then(hosts::host).unwrap_or_default();
    let name = text::shown(host);
    let mut problem = match host {
        b"" => Problem::of(Status::MISDIRECTED_REQUEST, "no host", &[]),
        _ => Problem::of(Status::MISDIRECTED_REQUEST, "other host", &[("name", &name)]),
    };
    // The client chose the name and may have chosen `a;reboot`: a command to be typed must not repeat that.
    if names_options && hosts::is_plain_name(host) {
        problem = problem.with_advice(TEXTS.say("allow host", &[("name", &name)]));
    }
    error_page::problem(request, &problem).with_note("the host is not one of ours")
}

/// 403 for a write of a foreign page. The response does not repeat the origin: a browser may show it in a window of
/// that page.
fn forbidden(request: &Request<'_>, foreign: ForeignWrite, names_options: bool) -> Response {
    let mut problem = Problem::of(Status::FORBIDDEN, foreign.text(), &[]);
    // So that an operator can allow a page of their own.
    if names_options {
        problem = problem.with_advice(TEXTS.say("allow page", &[]));
    }
    error_page::problem(request, &problem).with_note("a write from a page of another origin")
}

/// The address of one exchange in the wire view, for an error page. Only programs on this computer get it.
///
/// It repeats method and path, percent-encoded as a whole, which is a form in which the redaction of the view
/// recognizes a secret: `.wire?find=GET%20%2Fnope%2Etxt`. It never has the query, whose values are often secrets, nor
/// the key of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ViewLink(Box<str>);

impl ViewLink {
    /// The link to the request that begins with `head`, valid or not; `None` for a client on another computer, or of
    /// a proxy on this one.
    fn of(head: &[u8], context: &RequestContext) -> Option<ViewLink> {
        // A malformed head was not parsed, so the first two words are taken for method and target.
        let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|&byte| byte == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // Without the query, which is where most secrets are.
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        // Another address than a path may name a user and a password.
        let shown = if path.starts_with(b"/") { path } else { b"" };
        // The view searches the first line of requests, which begins like this.
        let words = [method, shown].join(&b' ');
        // The part before the first byte outside ASCII is enough, and it is never cut inside a character.
        let plain = words.iter().take(VIEW_LINK_BYTES).take_while(|byte| matches!(byte, b' '..=b'~'));
        let find: Vec<u8> = plain.copied().collect();
        let link = || {
            // Relative like all links of an error page, unless the target makes no sense or lies very deep.
            let base = path.starts_with(b"/").then(|| target::base(path).ok()).flatten();
            let base = base.filter(|base| base.len() <= VIEW_LINK_BYTES);
            let view = base.map_or(VIEW_PATH.into(), |base| text::reference(&base, VIEW_PATH.as_bytes()));
            ViewLink(format!("{view}?find={}", percent_encode(&find, NON_ALPHANUMERIC)).into())
        };
        // The page at that address has a link of its own.
        (context.is_from_this_computer(head) && path != VIEW_PATH.as_bytes()).then(link)
    }
}

#[cfg(test)]
mod tests;
