//! `/.health`: whether a balancer or a supervisor should send requests here.
//!
//! | the server | status |
//! |---|---|
//! | is serving | 200 |
//! | was asked to stop, also while it still accepts connections | 503 |
//!
//! The response is the status and nothing else. It needs no password, so it must tell a stranger nothing: by default it
//! exists only for programs on this computer and for trusted proxies (`--trust`) that ask for themselves. For all others the path is that of a file, like every other path.

use crate::http::{Method, Request, Status};
use crate::service::{Client, RequestContext, Response, client::is_forwarded};

/// The path. No file is hidden by it: names that begin with a dot are not served by default.
const PATH: &[u8] = b"/.health";

/// Who may ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// Programs on this computer, and trusted proxies, that ask for themselves.
    #[default]
    OwnComputer,
    /// Everybody.
    Everybody,
}

impl Health {
    /// The response to a probe; `None` for every other request.
    pub(crate) fn answer(self, request: &Request<'_>, context: &RequestContext, drains: bool) -> Option<Response> {
        // The path as it was sent: one comparison for every other request.
        if request.raw_path() != PATH || !matches!(request.method(), Method::Get | Method::Head) {
            return None;
        }
        let status = if drains { Status::SERVICE_UNAVAILABLE } else { Status::OK };
        self.is_for(request, context).then(|| {
            // A cache in between would tell the state of a moment ago.
            let response = Response::new(status).field("Cache-Control", "no-store");
            // Every 503 of this server has it. This one will not come back, so another server may be tried at once.
            if drains { response.field("Retry-After", "0") } else { response }
        })
    }

    fn is_for(self, request: &Request<'_>, context: &RequestContext) -> bool {
        match self {
            Health::Everybody => true,
            // A proxy on this computer connects from loopback, but its clients are elsewhere.
            Health::OwnComputer => {
                let is_proxy = matches!(context.client, Client::Unnamed(_)) && !is_forwarded(request.bytes());
                is_proxy || context.is_from_this_computer(request.bytes())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::testing::{asked, context};

    fn status(health: Health, peer: &str, line: &str, fields: &str, drains: bool) -> Option<u16> {
        let response = health.answer(&asked(line, fields), &context(peer, 0), drains)?;
        Some(response.status().code())
    }

    #[test]
    fn a_program_on_this_computer_is_told_the_status_and_a_client_of_a_proxy_nothing() {
        for (peer, fields, own, all) in [
            ("127.0.0.1", "", true, true),
            ("::1", "User-Agent: probe\r\n", true, true),
            ("::ffff:127.0.0.1", "", true, true),
            ("192.0.2.1", "", false, true),
            ("127.0.0.1", "X-Forwarded-For: 192.0.2.1\r\n", false, true),
            ("127.0.0.1", "x-forwarded-host: a\r\n", false, true),
            ("127.0.0.1", "Forwarded: for=192.0.2.1\r\n", false, true),
            ("127.0.0.1", "via: 1.1 proxy\r\n", false, true),
            ("127.0.0.1", "X-Real-IP: 192.0.2.1\r\n", false, true),
            ("127.0.0.1", "X-Forwarded: a\r\n", false, true),
            ("127.0.0.1", "Viable: a\r\n", true, true),
        ] {
            for (health, is_told) in [(Health::OwnComputer, own), (Health::Everybody, all)] {
                for (drains, code) in [(false, 200), (true, 503)] {
                    let expected = is_told.then_some(code);
                    assert_eq!(status(health, peer, "GET /.health", fields, drains), expected, "{peer} {fields}");
                }
            }
        }
    }

    #[test]
    fn a_trusted_proxy_is_told_the_status_if_it_asks_for_itself() {
        let peer = "192.0.2.1".parse().unwrap();
        for (client, fields, expected) in [
            (Client::Unnamed(peer), "", true),
            (Client::Unnamed(peer), "X-Forwarded-For: unknown\r\n", false),
            (Client::OfProxy(peer), "", false),
        ] {
            let context = RequestContext { client, ..context("192.0.2.1", 0) };
            let answer = Health::OwnComputer.answer(&asked("GET /.health", fields), &context, false);
            assert_eq!(answer.is_some(), expected, "{client:?} {fields}");
        }
    }

    #[test]
    fn only_reading_this_one_path_is_a_probe() {
        let told = |line| status(Health::Everybody, "127.0.0.1", line, "", false).is_some();
        assert!(told("GET /.health") && told("HEAD /.health") && told("GET /.health?from=balancer"));
        for line in ["POST /.health", "OPTIONS /.health", "GET /.health/", "GET /.healthy", "GET /%2Ehealth", "GET /"] {
            assert!(!told(line), "{line}");
        }
    }
}
