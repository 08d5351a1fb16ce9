//! Letting pages of other origins read this site (the Fetch standard's CORS protocol), if asked to.
//!
//! Never: credentials, and never a write for `*`. Without `--cors` there is no such field at all, and
//! the browser keeps other pages out by itself.
//!
//! The subtle thing: an answer that depends on who asks says so (`Vary: Origin`), also to those who
//! are not let in; else a cache would hand one origin's answer to another.

use crate::http::{AddedFields, FieldError, Method, Request, Status};
use crate::service::Response;

/// How long a browser may remember a preflight, in seconds: short, since whoever restarts the server
/// with other options wants to see them work.
const MAX_AGE: &str = "600";
/// What pages of any origin may do.
const READING: [Method; 2] = [Method::Get, Method::Head];

/// Who may read this site from a page of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// `None`: everybody.
    origin: Option<String>,
    /// What `Access-Control-Allow-Methods` says.
    methods: String,
}

impl Cors {
    /// `*`, or one origin as browsers write it: `https://example.org`. `methods` are those that work on
    /// anything here; a named origin may use them all, `*` only those that read.
    pub fn new(origin: &str, methods: &[Method]) -> Cors {
        let origin = (origin != "*").then(|| origin.to_string());
        let may = |method: &&Method| **method != Method::Options && (origin.is_some() || READING.contains(method));
        let names: Vec<&str> = methods.iter().filter(may).map(|method| method.name()).collect();
        Cors { origin, methods: names.join(", ") }
    }

    /// Whether a page of this origin is let in.
    pub fn allows(&self, origin: Option<&[u8]>) -> bool {
        match (&self.origin, origin) {
            (None, _) => true,
            (Some(named), Some(origin)) => named.as_bytes().eq_ignore_ascii_case(origin),
            (Some(_), None) => false,
        }
    }

    /// The answer to a preflight from an allowed origin. Any other OPTIONS is not for this file.
    pub fn preflight(&self, request: &Request<'_>) -> Option<Response> {
        let asks = request.method() == Method::Options && request.has("access-control-request-method");
        let origin = request.field("origin").filter(|origin| asks && self.allows(Some(origin)));
        origin?;
        // `*` stands for every name but this one (Fetch, "CORS-unsafe request-header names").
        let headers = if self.origin.is_some() { "Authorization, *" } else { "*" };
        Some(
            Response::new(Status::NO_CONTENT)
                .field("Access-Control-Allow-Methods", &self.methods)
                .field("Access-Control-Allow-Headers", headers)
                .field("Access-Control-Max-Age", MAX_AGE),
        )
    }

    /// Adds the fields that let a page read every response, or keep it from doing so. A response that depends
    /// on who asks says so (`Vary: Origin`) in both cases; else a cache would give the response for one origin
    /// to another.
    pub(crate) fn add_to(&self, fields: &mut AddedFields, is_readable: bool) -> Result<(), FieldError> {
        if is_readable {
            fields.replace("Access-Control-Allow-Origin", self.origin.as_deref().unwrap_or("*"))?;
            // So that a player can read Content-Range, and a script the ETag.
            fields.replace("Access-Control-Expose-Headers", "*")?;
            fields.replace("Cross-Origin-Resource-Policy", "cross-origin")?;
        }
        if self.origin.is_some() {
            fields.member("Vary", "Origin")?;
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
