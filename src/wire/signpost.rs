//! Ways from the server to the wire view, for whoever sits at this computer.
//!
//! `/.wire` leads to the view; a page that says what went wrong has a link to the exchange in it. Clients
//! from elsewhere get neither: the view is not theirs, and that there is one is not their business.
//!
//! Never: the key. Whoever follows has it already, or is told where to find it.
//!
//! The subtle thing: a link repeats the path, percent-encoded as a whole, in one of the forms in which the
//! mask finds a secret again; and never the query, whose values are secrets more often than not.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::http::{Method, Request, RequestError, Status};
use crate::service::{Answer, RequestContext, Response, Service, error_page};

/// The address on the server that leads to the view.
pub const PATH: &str = "/.wire";
/// What the link says.
const LABEL: &str = "See this exchange on the wire";
/// Bytes of method and path in a link: it finds the newest exchange that begins with them.
const FIND: usize = 60;

fn is_near(visit: &RequestContext) -> bool {
    visit.peer.ip().to_canonical().is_loopback()
}

/// A service with links to the view on its error pages.
pub struct Signpost {
    inner: Box<dyn Service>,
}

impl Signpost {
    /// Puts the links on the pages of `inner`.
    pub fn new(inner: Box<dyn Service>) -> Signpost {
        Signpost { inner }
    }
}

/// The response, with a link if it is the page of a problem.
fn signed(response: Response, href: &str) -> Response {
    match response.status().code() {
        400.. => error_page::with_link(response, LABEL, href),
        _ => response,
    }
}

/// The link to an exchange that begins like this.
fn href(method: &[u8], path: &[u8]) -> String {
    let words = [method, b" ", path].concat();
    // What is not ASCII would be cut in the middle of a character: the beginning before it is enough.
    let find: Vec<u8> = words.into_iter().take(FIND).take_while(|o| matches!(o, b' '..=b'~')).collect();
    format!("{PATH}#find={}", percent_encode(&find, NON_ALPHANUMERIC))
}

impl Service for Signpost {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        let answer = self.inner.answer(request, visit);
        if !is_near(visit) {
            return answer;
        }
        let target = request.target();
        let path = target.split(|&o| o == b'?').next().unwrap_or_default();
        let href = href(request.method_name(), path);
        answer.map(move |response| signed(response, &href))
    }

    fn refuse(&mut self, refusal: &RequestError, head: &[u8], visit: &RequestContext) -> Response {
        let response = self.inner.refuse(refusal, head, visit);
        if !is_near(visit) {
            return response;
        }
        let line = head.split(|o| matches!(o, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|&o| o == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split(|&o| o == b'?').next().unwrap_or_default();
        signed(response, &href(method, path))
    }

    fn add_fields(&self, request: Option<&Request<'_>>, response: Response) -> Response {
        self.inner.add_fields(request, response)
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
        Box::new(Signpost { inner: self.inner.fork() })
    }
}

/// A service beside which [`PATH`] leads to the view.
pub struct Shortcut {
    inner: Box<dyn Service>,
    location: Arc<str>,
}

impl Shortcut {
    /// The shortcut to the view on this port.
    pub fn new(inner: Box<dyn Service>, port: u16) -> Shortcut {
        Shortcut { inner, location: format!("http://127.0.0.1:{port}/").into() }
    }
}

impl Service for Shortcut {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        let asked = matches!(request.method(), Method::Get | Method::Head) && request.path() == PATH.as_bytes();
        if !asked || !is_near(visit) {
            return self.inner.answer(request, visit);
        }
        let response = Response::new(Status::TEMPORARY_REDIRECT)
            .field("Location", &*self.location)
            .field("Cache-Control", "no-store");
        Answer::Now(self.inner.add_fields(Some(request), response))
    }

    fn refuse(&mut self, refusal: &RequestError, head: &[u8], visit: &RequestContext) -> Response {
        self.inner.refuse(refusal, head, visit)
    }

    fn add_fields(&self, request: Option<&Request<'_>>, response: Response) -> Response {
        self.inner.add_fields(request, response)
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
        Box::new(Shortcut { inner: self.inner.fork(), location: Arc::clone(&self.location) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_method_and_path_in_letters_a_page_cannot_misread() {
        assert_eq!(href(b"GET", b"/nope.txt"), "/.wire#find=GET%20%2Fnope%2Etxt");
        assert_eq!(href(b"GET", b"/a%20b\"><x"), "/.wire#find=GET%20%2Fa%2520b%22%3E%3Cx");
        assert!(href(b"GET", &[b'/'; 8000]).len() < 200);
        assert_eq!(href(b"GET", b"/a\xc3\xa9"), "/.wire#find=GET%20%2Fa");
    }
}
