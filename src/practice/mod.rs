//! `/.try/`: every case of HTTP on demand, for whoever studies it.
//!
//! A local server that answers as it is asked to: any status, any framing, in pieces, late, cut off,
//! broken. Only study mode puts it up, before everything else that is served ([`Practice::around`]).
//!
//! | file | one line |
//! |---|---|
//! | `bounds` | every bound, and the count of what is slow |
//! | `query`, `call` | parameters read strictly; what every answer has in common |
//! | `raw` | answers written out byte by byte |
//! | `echo` | the request back, whole, as text, by TRACE |
//! | `status`, `interim` | any status; what comes before it |
//! | `framing`, `pace`, `broken` | where an answer ends; when it comes; what can be wrong with it |
//! | `auth`, `cookie`, `redirect` | who you are; what you carry; where to go |
//! | `range`, `cache`, `condition` | in part, again, and whether at all |
//! | `upload`, `note`, `text` | content counted; one text kept; the small ones |
//! | `menu`, `page` | the list of all, the forms |
//!
//! Never: a thread that sleeps, memory without bound, a redirect to elsewhere, a byte of a request in a
//! place where it could act. It may be reached from the network: whoever is there can waste an answer,
//! and nothing more.
//!
//! The subtle thing: TRACE and methods without a name are refused before any service is asked. The two
//! addresses that take them say so themselves ([`Service::takes`]); everywhere else the refusal stands.

mod broken;
mod caching;
mod call;
mod catalogue;
mod condition;
mod cookie;
mod echo;
mod framing;
mod identity;
mod interim;
mod limits;
mod note;
mod pace;
mod page;
mod query;
mod range;
mod raw;
mod redirect;
mod status;
mod text;
mod upload;

use std::sync::Arc;

use call::{Call, Shared};

use crate::http::target::TargetForm;
use crate::http::{Expectation, Method, Request, Status};
use crate::service::error_page::{Problem, problem};
use crate::service::{Answer, Credentials, RequestContext, Response, Service, router};

/// Where practice begins. A dot name is never served from a folder unless somebody asks for it.
const PREFIX: &[u8] = b"/.try/";
/// The same without its slash.
const BARE: &[u8] = b"/.try";

type Handler = fn(&Call<'_, '_>) -> Result<Answer, Problem>;

/// Which methods an address takes, besides OPTIONS.
const READ: &[Method] = &[Method::Get, Method::Head];
const SEND: &[Method] = &[Method::Post, Method::Put];
const ALSO_SEND: &[Method] = &[Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Patch];
const KEEP: &[Method] = &[Method::Get, Method::Head, Method::Put, Method::Delete];
const TRACE: &[Method] = &[Method::Trace];
/// Any method, one without a name here too; these are those with a name that pass.
const ANY: &[Method] =
    &[Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options, Method::Patch];

/// Every address behind [`PREFIX`]; `*` is one segment. The first that fits is it.
const ROWS: &[(&str, &[Method], Handler)] = &[
    ("", READ, page::list),
    ("echo", ANY, echo::echo),
    ("trace", TRACE, echo::trace),
    ("status/*", ALSO_SEND, status::status),
    ("landed", ALSO_SEND, status::landed),
    ("fail", READ, status::fail),
    ("busy", READ, status::busy),
    ("length/*", READ, framing::length),
    ("chunked", READ, framing::chunked),
    ("close", READ, framing::close),
    ("drip", READ, pace::drip),
    ("split", READ, pace::split),
    ("wait/*", READ, pace::wait),
    ("cut", READ, pace::cut),
    ("broken", READ, page::broken),
    ("broken/", READ, page::broken),
    ("broken/*", READ, broken::broken),
    ("auth", READ, identity::basic),
    ("auth/bearer", READ, identity::bearer),
    ("auth/forbidden", READ, identity::forbidden),
    ("cookie", READ, cookie::show),
    ("cookie/set", READ, cookie::set),
    ("cookie/clear", READ, cookie::clear),
    ("redirect/loop", ALSO_SEND, redirect::around),
    ("redirect/*", ALSO_SEND, redirect::redirect),
    ("range", READ, range::range),
    ("cache/etag", READ, caching::tag),
    ("cache/modified", READ, caching::modified),
    ("cache/never", READ, caching::never),
    ("cache/*", READ, caching::age),
    ("etag", READ, caching::tag),
    ("modified", READ, caching::modified),
    ("never", READ, caching::never),
    ("interim/*", READ, interim::interim),
    ("expect/refuse", SEND, interim::refuse),
    ("upload", SEND, upload::upload),
    ("method", READ, text::method),
    ("note", KEEP, note::note),
    ("utf8", READ, text::utf8),
    ("form", READ, page::form),
];

/// An address that was found.
struct Found<'a> {
    methods: &'static [Method],
    handler: Handler,
    /// What stands in the place of `*`.
    part: &'a [u8],
}

fn find(path: &[u8]) -> Option<Found<'_>> {
    let rest = path.strip_prefix(PREFIX)?;
    ROWS.iter().find_map(|&(pattern, methods, handler)| {
        let part = match pattern.strip_suffix('*') {
            Some(before) => rest.strip_prefix(before.as_bytes()).filter(|p| !p.is_empty() && !p.contains(&b'/'))?,
            None if pattern.as_bytes() == rest => &[],
            None => return None,
        };
        Some(Found { methods, handler, part })
    })
}

/// Whether practice answers at this path.
fn is_ours(path: &[u8]) -> bool {
    path.starts_with(PREFIX) || path == BARE
}

/// With OPTIONS, in the order of RFC 9110.
fn with_options(methods: &[Method]) -> Vec<Method> {
    Method::ALL.into_iter().filter(|m| *m == Method::Options || methods.contains(m)).collect()
}

/// The value of `Allow`.
fn allow(methods: &[Method]) -> String {
    with_options(methods).iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
}

/// The practice addresses before a service that answers everything else.
pub struct Practice {
    shared: Arc<Shared>,
    inner: Box<dyn Service>,
}

impl Practice {
    /// Puts the practice addresses before `inner`. It belongs inside a [`crate::service::App`].
    pub fn around(inner: Box<dyn Service>) -> Practice {
        let mut credentials = Credentials::new();
        let added = credentials.add(identity::USER);
        debug_assert!(added.is_ok(), "the credentials of practice are some");
        Practice { shared: Arc::new(Shared { credentials, ..Shared::default() }), inner }
    }

    fn answer_own(&self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        if request.path() == BARE {
            return bare(request).into();
        }
        let found = find(request.path());
        let part = found.as_ref().map_or(&[][..], |found| found.part);
        let call = Call { request, visit, shared: &self.shared, part };
        let Some(found) = found else { return page::unknown(&call).into() };
        if let Some(response) = refused(request, &found) {
            return response.into();
        }
        match (found.handler)(&call) {
            Ok(answer) => answer,
            Err(said) => problem(request, &said).into(),
        }
    }
}

/// What the method or an expectation alone decides.
fn refused(request: &Request<'_>, found: &Found<'_>) -> Option<Response> {
    let takes_any = std::ptr::eq(found.methods, ANY);
    let allowed = with_options(found.methods);
    match request.method() {
        Method::Other if !takes_any => return router::refuse_method(request, || allowed),
        Method::Other => {}
        Method::Options if !takes_any => return Some(router::options(&allowed)),
        method if !allowed.contains(&method) => return Some(router::not_allowed(request, &allowed)),
        _ => {}
    }
    (request.expectation() == Expectation::Unknown).then(|| router::expectation_failed(request))
}

/// To the list. Not for ever: tomorrow the server may run without practice.
fn bare(request: &Request<'_>) -> Response {
    match request.method() {
        Method::Get | Method::Head => {
            call::text(Status::TEMPORARY_REDIRECT, "307 All practice is at /.try/\n").field("Location", "/.try/")
        }
        Method::Options => router::options(&with_options(READ)),
        Method::Other => router::refuse_method(request, || with_options(READ)).unwrap_or_else(|| not_allowed(request)),
        _ => not_allowed(request),
    }
}

fn not_allowed(request: &Request<'_>) -> Response {
    router::not_allowed(request, &with_options(READ))
}

impl Service for Practice {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        match request.form() {
            TargetForm::Origin | TargetForm::Absolute if is_ours(request.path()) => self.answer_own(request, visit),
            _ => self.inner.answer(request, visit),
        }
    }

    fn methods(&self) -> Vec<Method> {
        let inner = self.inner.methods();
        let own = |method: &Method| ROWS.iter().any(|(_, methods, _)| methods.contains(method));
        Method::ALL.into_iter().filter(|m| *m == Method::Options || inner.contains(m) || own(m)).collect()
    }

    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        match find(request.path()) {
            Some(found) => with_options(found.methods),
            None if is_ours(request.path()) => with_options(READ),
            None => self.inner.methods_of(request),
        }
    }

    fn takes(&self, request: &Request<'_>) -> bool {
        match find(request.path()) {
            Some(found) if request.method() == Method::Other => std::ptr::eq(found.methods, ANY),
            Some(found) if request.method() == Method::Trace => found.methods.contains(&Method::Trace),
            Some(_) => false,
            None => self.inner.takes(request),
        }
    }

    fn relieve(&mut self) {
        self.inner.relieve();
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Practice { shared: Arc::clone(&self.shared), inner: self.inner.fork() })
    }
}

#[cfg(test)]
mod tests;
