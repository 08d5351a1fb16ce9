//! `/.wire` on the server that is watched: the way of a browser to the wire view, with its key.
//!
//! A link of a lab, of an error page or of the start page leads here, and `--open` does. The redirect names the key, so
//! it is only for a person at this computer who may read everything anyway: the user who has started the server. All
//! that is required, else the response is a page with a link:
//!
//! | required | against |
//! |---|---|
//! | GET with `Sec-Fetch-Mode: navigate` and `Sec-Fetch-Dest: document` | scripts, frames, images, service workers |
//! | `Sec-Fetch-Site: none` or `same-origin` | links and scripts of foreign pages |
//! | a Host that names loopback | DNS rebinding: the name of the attacker |
//! | no `Forwarded`, `X-Forwarded-…` or `Via`, no PROXY header | a proxy or tunnel of our user, whose clients are strangers |
//! | a client on loopback whose socket belongs to our user | other computers, other users |
//!
//! Browsers write the `Sec-Fetch` fields themselves (Fetch Metadata §2); a script cannot. A page of the watched server
//! can navigate a window here, but never reads what comes of it: the view is another origin, `fetch` with
//! `redirect: "manual"` shows no Location, and the key is in the fragment, which is in no Referer and no report.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use percent_encoding::{NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use crate::http::target::TargetForm;
use crate::http::{Method, Request, Status};
use crate::say;
use crate::service::access::hosts;
use crate::service::app::VIEW_PATH;
use crate::service::error_page::{self, Problem};
use crate::service::{Response, Router};

/// Bytes of the query that are read. The links of this server are shorter.
const QUERY_BYTES: usize = 512;
/// Bytes of a place that fits into the link of an error page.
const LINK_BYTES: usize = 180;

/// Adds `/.wire` to `router`. `view` is the address of the view with its key. `is_own_user` tells whether the client at
/// one end of a connection is a program of our user; it runs on a worker.
pub fn add_route(router: Router, view: String, is_own_user: fn(peer: SocketAddr, local: SocketAddr) -> bool) -> Router {
    // A route of a worker: asking the kernel may load a module of it.
    router.get(VIEW_PATH, move |call| {
        let (request, context) = (call.request(), call.context());
        let place = place(request);
        let is_local = context.is_from_this_computer(request.bytes());
        if !(is_local && is_own_navigation(request) && is_own_user(context.peer, context.local)) {
            return refuse(request, &place);
        }
        // The browser would keep the fragment of a link, but not beside one of the Location. So links have a query.
        let place = if place.is_empty() { String::new() } else { format!("&{place}") };
        Response::new(Status::SEE_OTHER)
            .field("Location", format!("{view}{place}"))
            .field("Cache-Control", "no-store")
            .field("Referrer-Policy", "no-referrer")
    })
}

/// The place in the view: the query, percent-encoded as a whole.
fn place(request: &Request<'_>) -> String {
    let query = request.query().unwrap_or_default();
    let query: Vec<u8> = percent_decode(&query[..query.len().min(QUERY_BYTES)]).collect();
    // The script of the view reads a fragment only if it is UTF-8.
    utf8_percent_encode(&String::from_utf8_lossy(&query), NON_ALPHANUMERIC).to_string()
}

/// Whether a person has opened this address in a window of a browser, by a link of this server or by hand.
fn is_own_navigation(request: &Request<'_>) -> bool {
    // A field that is sent twice has no value.
    let is = |name, values: &[&[u8]]| request.field(name).is_some_and(|value| values.contains(&value));
    request.method() == Method::Get
        && request.form() == TargetForm::Origin
        && is("sec-fetch-mode", &[b"navigate"])
        && is("sec-fetch-dest", &[b"document"])
        && is("sec-fetch-site", &[b"none", b"same-origin"])
        && request.authority().and_then(hosts::host).is_some_and(is_loopback)
}

/// Whether a Host is one that no name server can lead elsewhere, and that leads here.
fn is_loopback(host: &[u8]) -> bool {
    let is_address = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|address| IpAddr::V4(address).is_loopback());
    host.eq_ignore_ascii_case(b"localhost") || host == b"[::1]" || std::str::from_utf8(host).is_ok_and(is_address)
}

/// The page for everybody else. It has a link, since a click on it is a navigation by a page of this server.
fn refuse(request: &Request<'_>, place: &str) -> Response {
    // Without its place the view opens too.
    let has_place = (1..=LINK_BYTES).contains(&place.len());
    let link = if has_place { format!("{VIEW_PATH}?{place}") } else { VIEW_PATH.to_string() };
    let problem =
        Problem::new(Status::FORBIDDEN).with_sentence(say!("entry/sentence")).with_advice(say!("entry/advice"));
    error_page::problem(request, &problem.with_link(say!("entry/link"), link))
}
