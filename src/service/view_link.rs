//! Links from the server to the wire view, for a browser on this computer.
//!
//! `/.wire` redirects to the view, and an error page has a link to its exchange there. Clients on other computers get
//! neither of them, since the view is not for them. The key of the view is in neither of them.
//!
//! The link repeats method and path, percent-encoded as a whole: one of the forms in which the redaction of the view
//! recognizes a secret: `/.wire#find=GET%20%2Fnope%2Etxt`. It never repeats the query, whose values are often secrets.

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use crate::http::{Method, Request, Status};
use crate::service::answer::RequestContext;
use crate::service::error_page;
use crate::service::response::Response;

/// The path on the server that redirects to the view.
pub(crate) const PATH: &str = "/.wire";
/// The text of the link on an error page.
const LABEL: &str = "See this exchange on the wire";
/// Bytes of method and path in a link. The view shows the newest exchange that begins with them.
const PREFIX_BYTES: usize = 60;

/// The address of one exchange in the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ViewLink(Box<str>);

impl ViewLink {
    /// The link to this request; `None` for a client on another computer.
    pub(crate) fn of_request(request: &Request<'_>, context: &RequestContext) -> Option<ViewLink> {
        is_from_this_computer(context).then(|| ViewLink::new(request.method_name(), request.target()))
    }

    /// The link to a malformed request, of which `head` was received.
    pub(crate) fn of_head(head: &[u8], context: &RequestContext) -> Option<ViewLink> {
        // The head was not parsed, so its first two words are taken for method and target.
        let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|&byte| byte == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        is_from_this_computer(context).then(|| ViewLink::new(method, target))
    }

    fn new(method: &[u8], target: &[u8]) -> ViewLink {
        // Without the query, and with it without most secrets.
        let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
        // The view searches the first line of requests, which begins like this.
        let words = [method, b" ", path].concat();
        // The part before the first byte outside ASCII is enough, and it is never cut inside a character.
        let find: Vec<u8> =
            words.into_iter().take(PREFIX_BYTES).take_while(|byte| matches!(byte, b' '..=b'~')).collect();
        ViewLink(format!("{PATH}#find={}", percent_encode(&find, NON_ALPHANUMERIC)).into())
    }

    /// The response with the link, if it is one of our error pages.
    pub(crate) fn add_to(&self, response: Response) -> Response {
        error_page::with_link(response, LABEL, &self.0)
    }
}

/// The redirect from [`PATH`] to the view on `port`.
pub(crate) fn redirect(port: u16, request: &Request<'_>, context: &RequestContext) -> Option<Response> {
    let is_requested = matches!(request.method(), Method::Get | Method::Head) && request.path() == PATH.as_bytes();
    // Temporary, and never stored: the view has another port after the next start, or none.
    (is_requested && is_from_this_computer(context)).then(|| {
        Response::new(Status::TEMPORARY_REDIRECT)
            .field("Location", format!("http://127.0.0.1:{port}/"))
            .field("Cache-Control", "no-store")
    })
}

fn is_from_this_computer(context: &RequestContext) -> bool {
    // A dual-stack socket has IPv4 clients as ::ffff:127.0.0.1.
    context.peer.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_method_and_path_percent_encoded() {
        let href = |method: &[u8], target: &[u8]| ViewLink::new(method, target).0;
        assert_eq!(&*href(b"GET", b"/nope.txt?secret=1"), "/.wire#find=GET%20%2Fnope%2Etxt");
        assert_eq!(&*href(b"GET", b"/a%20b\"><x"), "/.wire#find=GET%20%2Fa%2520b%22%3E%3Cx");
        assert!(href(b"GET", &[b'/'; 8000]).len() < 200);
        assert_eq!(&*href(b"GET", b"/a\xc3\xa9"), "/.wire#find=GET%20%2Fa");
    }
}
