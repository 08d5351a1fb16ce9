//! CORS: pages of other origins may read this site, if `--cors` says so (Fetch standard, "CORS protocol").
//!
//! Without `--cors` no such field is sent, and the browser keeps other pages out by itself. Pages may never use the
//! credentials that a browser has for this site: `Access-Control-Allow-Credentials` is not sent.

use crate::http::{AddedFields, FieldError, MergeRule, Method, Request, Status};
use crate::service::response::Response;
use crate::service::router;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::{asked, request};

    const EVERY: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Delete, Method::Options];

    fn shown(response: &Response) -> String {
        String::from_utf8_lossy(response.fields().bytes()).replace("\r\n", "|")
    }

    #[test]
    fn a_preflight_is_answered_to_allowed_origins_only() {
        let ask = |fields: &str| request(format!("OPTIONS /x HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        let full = ask("Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n");
        let all = Cors::new("*", &EVERY);
        let one = Cors::new("https://a.example", &EVERY);
        assert_eq!(
            shown(&all.preflight(&full).unwrap()),
            "Access-Control-Allow-Methods: GET, HEAD|Access-Control-Allow-Headers: *|Access-Control-Max-Age: 600|"
        );
        let named = shown(&one.preflight(&full).unwrap());
        assert!(named.contains("Allow-Headers: Authorization, *|"), "{named}");
        assert!(named.contains("Allow-Methods: GET, HEAD, POST, PUT, DELETE|"), "{named}");
        let reading = Cors::new("https://a.example", &[Method::Get, Method::Head, Method::Options]);
        assert!(shown(&reading.preflight(&full).unwrap()).contains("Allow-Methods: GET, HEAD|"));
        assert!(Cors::new("https://b.example", &EVERY).preflight(&full).is_none());
        assert!(Cors::new("http://a.example", &EVERY).preflight(&full).is_none());
        assert!(all.preflight(&ask("Origin: https://a.example\r\n")).is_none(), "no preflight, an ordinary OPTIONS");
        assert!(all.preflight(&ask("Access-Control-Request-Method: GET\r\n")).is_none());
        let get = request(
            b"GET /x HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
        );
        assert!(all.preflight(&get).is_none());
    }

    #[test]
    fn only_a_preflight_of_an_allowed_page_goes_without_credentials() {
        let page = "http://app.example";
        let full = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
        for (cors, line, fields, is_one) in [
            (Some(page), "OPTIONS /x", full, true),
            (Some("*"), "OPTIONS /x", full, true),
            (Some("http://b.example"), "OPTIONS /x", full, false),
            (Some(page), "GET /x", full, false),
            (Some(page), "PUT /x", full, false),
            (Some(page), "OPTIONS /x", "Origin: http://app.example\r\n", false),
            (Some(page), "OPTIONS /x", "Access-Control-Request-Method: PUT\r\n", false),
            (
                Some(page),
                "OPTIONS /x",
                "Origin: http://app.example\r\nOrigin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n",
                false,
            ),
        ] {
            let cors = cors.unwrap_or_default();
            assert_eq!(
                Cors::new(cors, &EVERY).preflight(&asked(line, fields)).is_some(),
                is_one,
                "{cors:?} {line} {fields:?}"
            );
        }
    }
}
