//! The guard: everything that is decided about a request before anybody looks at what it asks for.
//!
//! The order is decided (RFC 9110 leaves it open): a foreign host, a method that works nowhere, a
//! preflight, a write from elsewhere, credentials. Each answers before the content is read.
//!
//! | | who | answer |
//! |---|---|---|
//! | 2 | [`Hosts`] | 421 |
//! | 3 | [`router::impossible`] | 501, 405 |
//! | 4 | [`Writes::is_preflight`] | let through without credentials; the service inside answers 204 |
//! | 5 | [`Writes::refuse`] | 403 |
//! | 6 | [`Auth`] | 401, 429 |
//!
//! `Cross-Origin-Resource-Policy` (Fetch §3.7) goes into every response, whoever made it: `same-site`
//! where the allow-list is enforced, so that no foreign page can embed what only its visitor can reach,
//! while a page of another local port can; `cross-origin` under `--cors` for everybody (one that is named
//! is let in answer by answer, by the service that sees who asks); nothing on an open read-only server,
//! which anybody may embed. An answer that lies ready is shared and cannot be added to: whoever
//! keeps such answers is told the policy beforehand ([`Settings::policy`]).
//!
//! Never: a path, a resource, a right. A service inside never learns that there is a guard.
//!
//! The subtle thing: step 3 is answered here, and not left to the service inside, because it comes
//! before credentials. A request that is let past the doorkeeper in the hope that somebody will refuse
//! it is a hole as soon as somebody does not. A service that does answer such a request says so itself
//! ([`Service::takes`]), and credentials are asked for all the same.

use std::sync::Arc;

use crate::http::{Method, Request, RequestError, Status, field};
use crate::service::access::basic::Auth;
use crate::service::access::origin;
use crate::service::access::origin::{Foreign, Hosts, Writes};
use crate::service::answer::{Answer, Outcome, RequestContext, Service};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::response::Response;
use crate::service::router;

/// The field that keeps foreign pages from embedding.
pub const RESOURCE_POLICY: &str = "Cross-Origin-Resource-Policy";

/// What the command line decides about who may speak.
#[derive(Clone, Default)]
pub struct Settings {
    /// The names this server answers for.
    pub hosts: Hosts,
    /// `--cors`: `*`, or one origin as browsers write it.
    pub cors: Option<String>,
    /// Who may come in; without it everybody.
    pub auth: Option<Auth>,
}

impl Settings {
    /// What `Cross-Origin-Resource-Policy` says in every response, if anything.
    pub fn policy(&self) -> Option<&'static str> {
        match self.cors.as_deref() {
            Some("*") => Some("cross-origin"),
            _ => self.hosts.is_enforced().then_some("same-site"),
        }
    }
}

struct Rules {
    hosts: Hosts,
    writes: Writes,
    auth: Option<Auth>,
    policy: Option<&'static str>,
}

/// A service with a guard before it.
pub struct Guard {
    rules: Arc<Rules>,
    /// The last authority that was allowed: nearly all clients name the same one.
    allowed: Option<Vec<u8>>,
    inner: Box<dyn Service>,
}

impl Guard {
    /// Puts a guard before `inner`.
    pub fn new(inner: Box<dyn Service>, settings: Settings) -> Guard {
        let policy = settings.policy();
        let Settings { hosts, cors, auth } = settings;
        Guard { rules: Arc::new(Rules { hosts, writes: Writes::new(cors), auth, policy }), allowed: None, inner }
    }

    /// The answer of the guard itself; `None`: the service inside is asked.
    fn stop(&mut self, request: &Request<'_>, visit: &RequestContext) -> Option<Answer> {
        let rules = &self.rules;
        let authority = request.authority();
        let was_allowed = authority.is_some() && authority == self.allowed.as_deref();
        if !was_allowed && !rules.hosts.allow(authority) {
            return Some(Answer::Now(misdirected(request)));
        }
        if let Some(authority) = authority.filter(|_| !was_allowed) {
            let allowed = self.allowed.get_or_insert_default();
            allowed.clear();
            allowed.extend_from_slice(authority);
        }
        if !self.inner.takes(request)
            && let Some(response) = router::impossible(request, || self.inner.methods_of(request))
        {
            return Some(Answer::Now(response));
        }
        if rules.writes.is_preflight(request) {
            return None;
        }
        if let Some(foreign) = rules.writes.refuse(request) {
            return Some(Answer::Now(forbidden(request, foreign)));
        }
        rules.auth.as_ref()?.check(request, visit)
    }

    /// An answer of the guard with the fields that all answers of the service inside have.
    fn dressed(&self, answer: Answer, request: &Request<'_>) -> Answer {
        match answer {
            Answer::Now(response) => Answer::Now(self.inner.add_fields(Some(request), response)),
            Answer::Blocking(lane, job) => {
                // On a worker this one cannot be reached; beside a bcrypt, a fork costs nothing.
                let (inner, request) = (self.inner.fork(), request.clone().into_owned());
                let job = move || match job() {
                    Outcome::Response(response) => Outcome::Response(inner.add_fields(Some(&request), response)),
                    again => again,
                };
                Answer::Blocking(lane, Box::new(job))
            }
            other => other,
        }
    }
}

impl Service for Guard {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        let answer = match self.stop(request, visit) {
            Some(answer) => self.dressed(answer, request),
            None => self.inner.answer(request, visit),
        };
        match self.rules.policy {
            Some(policy) => marked(answer, policy),
            None => answer,
        }
    }

    fn add_fields(&self, request: Option<&Request<'_>>, response: Response) -> Response {
        let response = self.inner.add_fields(request, response);
        match self.rules.policy {
            Some(policy) => mark(response, policy),
            None => response,
        }
    }

    fn refuse(&mut self, refusal: &RequestError, head: &[u8], visit: &RequestContext) -> Response {
        let response = self.inner.refuse(refusal, head, visit);
        match self.rules.policy {
            Some(policy) => mark(response, policy),
            None => response,
        }
    }

    fn methods(&self) -> Vec<Method> {
        self.inner.methods()
    }

    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        self.inner.methods_of(request)
    }

    fn takes(&self, request: &Request<'_>) -> bool {
        self.inner.takes(request)
    }

    fn relieve(&mut self) {
        self.inner.relieve();
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Guard { rules: Arc::clone(&self.rules), allowed: None, inner: self.inner.fork() })
    }
}

/// 421, and which option would help. The option is named only for a name that can be typed as it is:
/// whoever chose it may have chosen `a;reboot`.
fn misdirected(request: &Request<'_>) -> Response {
    let host = request.authority().and_then(origin::host).unwrap_or_default();
    let mut problem = Problem::misdirected(host);
    if !origin::is_plain_name(host) {
        problem.advice = None;
    }
    if host.is_empty() {
        problem.sentence = "The request names no host, and this server answers only for certain ones.".into();
    }
    error_page::problem(request, &problem).with_note("the host is not one of ours")
}

/// 403 for a write from elsewhere. The page does not repeat where it came from: it may be shown in a tab
/// of the very page that tried.
fn forbidden(request: &Request<'_>, foreign: Foreign) -> Response {
    let problem = Problem::new(Status::FORBIDDEN)
        .with_sentence(foreign.explain())
        .with_advice("Nothing was changed. A page you trust can be let in with --cors=ORIGIN");
    error_page::problem(request, &problem).with_note("a write from a page of another origin")
}

/// The response with the policy, unless it already says something of it (`-H`).
pub(crate) fn mark(response: Response, policy: &'static str) -> Response {
    if response.fields().has(RESOURCE_POLICY) { response } else { response.field(RESOURCE_POLICY, policy) }
}

/// The same for an answer that is not there yet.
fn marked(answer: Answer, policy: &'static str) -> Answer {
    if let Answer::Ready(prepared) | Answer::ReadyFile(prepared, _) = &answer {
        debug_assert!(says_policy(prepared.head()), "an answer lies ready without {RESOURCE_POLICY}");
    }
    answer.map(move |response| mark(response, policy))
}

/// Whether a head has a line of the policy, whatever it says (`-H`).
fn says_policy(head: &[u8]) -> bool {
    field::find(head, RESOURCE_POLICY).next().is_some()
}

#[cfg(test)]
mod tests;
