//! Which web pages may read this site (CORS), and which may change something on it.
//!
//! RFC 6454 and the Fetch standard (`Origin`); W3C Fetch Metadata (`Sec-Fetch-Site`).
//!
//! Pages of other origins may read if `--cors` says so. Without it no such field is sent, and the browser keeps them
//! out by itself. Pages may never use the credentials that a browser has for this site:
//! `Access-Control-Allow-Credentials` is not sent.
//!
//! The check of writes stops *cross-site request forgery*: a page that its visitor merely looks at sends a form, or a
//! `fetch` whose response it may not read, to `http://localhost:8080`. With an unsafe method browsers send
//! where the page is from:
//!
//! | client | `Sec-Fetch-Site` | `Origin` |
//! |---|---|---|
//! | our page, reached as `https:`, `localhost`, 127.0.0.0/8 or `[::1]` | `same-origin` | ours |
//! | our page on a LAN address (not "potentially trustworthy": no fetch metadata) | – | ours |
//! | the same, a form, under `Referrer-Policy: no-referrer` | – | `null` |
//! | another port of this computer | `same-site` | its own |
//! | a page of another site | `cross-site`; – to a LAN address | its own |
//! | a sandboxed frame, a `data:` or `file:` page, after a redirect across origins | as above | `null` |
//! | an extension, a bookmarklet without page, the address bar | `none` or as above | none, or not http(s) |
//! | browsers from before 2021 to 2023, at any address | – | as above |
//! | curl and other programs | – | – |
//!
//! A page can neither omit nor forge the two fields. So `Sec-Fetch-Site` decides if it is there, else `Origin`, and a
//! request with neither of them comes from no page. Because of the third row our own pages are sent with
//! `Referrer-Policy: same-origin`. `Referer` proves nothing, since a page can omit it by one attribute.

use crate::http::grammar::decimal;
use crate::http::target::authority;
use crate::http::{AddedFields, FieldError, MergeRule, Method, Request, Status};
use crate::service::{Response, router};

/// The field that keeps foreign pages from embedding a response (Fetch §3.7).
pub const RESOURCE_POLICY: &str = "Cross-Origin-Resource-Policy";
/// How many seconds a browser may remember a preflight. Short, so that other options work soon after a restart.
const MAX_AGE: &str = "600";

/// Which origins may read this site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `None`: every origin (`--cors=*`).
    origin: Option<String>,
    /// The value of `Access-Control-Allow-Methods`.
    methods: String,
}

impl Cors {
    /// `origin` is `*`, or one origin as browsers write it: `https://example.org`. `methods` are those that work on any
    /// target here. A named origin may use them all, and `*` only those that read.
    pub fn new(origin: &str, methods: &[Method]) -> Cors {
        let origin = (origin != "*").then(|| origin.to_string());
        // `*` allows pages of unknown origins, so it never includes a method that writes.
        let may = |method: &Method| match method {
            Method::Options => false,
            Method::Get | Method::Head => true,
            _ => origin.is_some(),
        };
        let methods: Vec<Method> = methods.iter().copied().filter(may).collect();
        Cors { methods: router::names(&methods), origin }
    }

    /// Whether a page of this origin may read responses.
    pub fn allows(&self, origin: Option<&[u8]>) -> bool {
        self.origin.is_none() || origin.is_some_and(|origin| self.names(origin))
    }

    /// Whether this origin is named. No origin is named by `*`.
    pub fn names(&self, origin: &[u8]) -> bool {
        // Scheme and host are case-insensitive (RFC 6454 §4).
        self.origin.as_ref().is_some_and(|named| named.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// The response to a preflight from an allowed origin; `None` for every other request.
    pub fn preflight(&self, request: &Request<'_>) -> Option<Response> {
        let is_preflight = request.method() == Method::Options && request.has("access-control-request-method");
        // `field` finds nothing if the field stands twice, so such a request is no preflight either.
        request.field("origin").filter(|origin| is_preflight && self.allows(Some(origin)))?;
        // `*` stands for every field name but this one (Fetch, "CORS non-wildcard request-header name").
        let headers = if self.origin.is_some() { "Authorization, *" } else { "*" };
        let response = Response::new(Status::NO_CONTENT)
            .field("Access-Control-Allow-Methods", &self.methods)
            .field("Access-Control-Allow-Headers", headers)
            .field("Access-Control-Max-Age", MAX_AGE);
        Some(response)
    }

    /// Adds the fields that let a page read every response, if `is_readable`.
    pub(crate) fn add_to(&self, fields: &mut AddedFields, is_readable: bool) -> Result<(), FieldError> {
        if is_readable {
            fields.add(MergeRule::Replace, "Access-Control-Allow-Origin", self.origin.as_deref().unwrap_or("*"))?;
            // A media player reads Content-Range, and a script the ETag.
            fields.add(MergeRule::Replace, "Access-Control-Expose-Headers", "*")?;
            fields.add(MergeRule::Replace, RESOURCE_POLICY, "cross-origin")?;
        }
        // Also where the origin may not read: else a cache would send the response for one origin to another.
        if self.origin.is_some() {
            fields.add(MergeRule::Member, "Vary", "Origin")?;
        }
        Ok(())
    }
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignWrite {
    /// `Sec-Fetch-Site` says that the page is of another origin.
    Site,
    /// `Origin` says so.
    Origin,
    /// One of the two is given more than once, or with a value that no browser sends.
    Unclear,
}

impl ForeignWrite {
    /// The row of the texts about it, for the error page.
    pub(crate) fn text(self) -> &'static str {
        match self {
            ForeignWrite::Site | ForeignWrite::Origin => "foreign write",
            ForeignWrite::Unclear => "unclear write",
        }
    }
}

/// Why this request must not change anything; `None` if it may. Only for unsafe methods: safe ones change nothing
/// (RFC 9110 §9.2.1), so every page may send them.
pub fn foreign_write(request: &Request<'_>, cors: Option<&Cors>) -> Option<ForeignWrite> {
    // No browser sends a field twice. With two, each program in between might pick another one.
    let mut sites = request.fields("sec-fetch-site");
    let mut origins = request.fields("origin");
    let (site, origin) = (sites.next(), origins.next());
    if sites.next().is_some() || origins.next().is_some() {
        return Some(ForeignWrite::Unclear);
    }
    let reason = match (site, origin) {
        // `none` is the user: the address bar or a bookmark. Without both fields it is no browser.
        (Some(b"same-origin" | b"none"), _) | (None, None) => return None,
        (Some(b"same-site" | b"cross-site"), _) => ForeignWrite::Site,
        // A value of a future standard is refused, since it may mean a foreign page.
        (Some(_), _) => return Some(ForeignWrite::Unclear),
        (None, Some(origin)) if is_own_origin(origin, request.authority()) => return None,
        (None, Some(_)) => ForeignWrite::Origin,
    };
    // `--cors=*` allows every page to read, and none to write: only an origin that is named may do both.
    let is_named = |cors: &Cors| origin.is_some_and(|origin| cors.names(origin));
    (!cors.is_some_and(is_named)).then_some(reason)
}

/// Whether `origin` has the host and port of the request itself.
fn is_own_origin(origin: &[u8], own: Option<&[u8]>) -> bool {
    // `null`, `file://` and the origins of extensions are never ours.
    let split = origin.windows(3).position(|w| w == b"://").map(|at| (&origin[..at], &origin[at + 3..]));
    let Some((scheme, rest)) = split else { return false };
    // The scheme is not compared, since a proxy may change it. It says which port is meant where none is written.
    let default = match scheme {
        b"http" => 80,
        b"https" => 443,
        _ => return false,
    };
    let host_and_port = |bytes| {
        let (host, port) = authority(bytes)?;
        // `h:` has the default port, as `h` has (RFC 3986 §3.2.3).
        let port = port.filter(|port| !port.is_empty()).map_or(Some(default), decimal)?;
        (!host.is_empty()).then_some((host, port))
    };
    // A browser writes a port without leading zeros and never an empty one (WHATWG URL, "URL serializing"), so this
    // did not come from one. Host is another matter: users type it.
    if authority(rest).is_some_and(|(_, port)| port.is_some_and(|port| port.is_empty() || port.starts_with(b"0"))) {
        return false;
    }
    // Without Host (HTTP/1.0) there is nothing to compare, so every origin is foreign.
    match (host_and_port(rest), own.and_then(host_and_port)) {
        (Some((host, port)), Some((own_host, own_port))) => port == own_port && host.eq_ignore_ascii_case(own_host),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
