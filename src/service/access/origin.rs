//! Who may speak to this server through a browser: the Host allow-list, and writes from elsewhere.
//!
//! RFC 9110 §4.3 (authority), §7.4 (421); RFC 9112 §3.3 (the host a request is for); RFC 6454 and the
//! Fetch standard (`Origin`); W3C Fetch Metadata (`Sec-Fetch-Site`); RFC 6761 §6.3 (`localhost`).
//!
//! Two attacks on a server that only its owner can reach, both by a page he merely looks at:
//!
//! - *DNS rebinding.* `evil.test` first leads to the attacker, then to 127.0.0.1. To the browser the page
//!   and this server are then one origin, so the page reads and writes as it likes. What cannot be forged
//!   is the name in Host: so only names are answered that no stranger can point here ([`Hosts`]).
//! - *Cross-site request forgery.* A page sends a form, or a `fetch` whose answer it may not read, to
//!   `http://localhost:8080`. The browser says where it came from ([`Writes`]).
//!
//! What browsers send with an unsafe method:
//!
//! | who asks | `Sec-Fetch-Site` | `Origin` |
//! |---|---|---|
//! | our page, reached as `https:`, `localhost`, 127.0.0.0/8 or `[::1]` | `same-origin` | ours |
//! | our page on a LAN address (not "potentially trustworthy": no fetch metadata) | – | ours |
//! | the same, a form, under `Referrer-Policy: no-referrer` | – | `null` |
//! | another port of this computer | `same-site` | its own |
//! | a page of another site | `cross-site`; – to a LAN address | its own |
//! | a sandboxed frame, a `data:` or `file:` page, after a redirect across origins | as above | `null` |
//! | an extension, a bookmarklet without page, the address bar | `none` or as above | none, or no http(s) one |
//! | browsers from before 2021 to 2023, whatever the address | – | as above |
//! | curl and other programs | – | – |
//!
//! A page can leave out neither field nor forge it. So the better one decides if it is there, else the
//! other one, and a request with neither comes from no page. Our pages say `Referrer-Policy: same-origin`
//! because of the third row.
//!
//! Never: `Referer` (leaving it out is a matter of one attribute), a token, a cookie. Nothing is changed
//! by safe methods, so those may come from anywhere.
//!
//! The subtle thing: neither half holds without the other. After rebinding, `Origin` *is* the name in
//! Host, and only the allow-list stops that write; therefore writing turns the list on.

use std::net::Ipv4Addr;

use crate::http::Request;
use crate::http::grammar::decimal;
use crate::http::target::authority;

/// The name every machine has for itself (RFC 6761 §6.3); names below it lead to itself too.
const LOCALHOST: &[u8] = b"localhost";
/// Where machines of one link find each other by name (RFC 6762 §3).
const LINK_LOCAL: &str = ".local";

/// The names this server answers for, if it minds.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    enforced: bool,
    any: bool,
    /// In lower case, without a dot at the end.
    names: Vec<String>,
}

impl Hosts {
    /// `named` by `--host`, each a [`host_name`] or `*`; `machine` is this computer's own name. If not
    /// `enforced`, every host is allowed.
    pub fn new(enforced: bool, named: &[String], machine: Option<&str>) -> Hosts {
        let mut names: Vec<String> = named.iter().filter_map(|name| host_name(name)).collect();
        if let Some(name) = machine.and_then(host_name) {
            let stem = name.strip_suffix(LINK_LOCAL).unwrap_or(&name).to_string();
            names.push(format!("{stem}{LINK_LOCAL}"));
            names.push(stem);
        }
        Hosts { enforced, any: named.iter().any(|name| name == "*"), names }
    }

    /// Whether names are looked at.
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Whether this server answers for `authority` (host and perhaps port, [`Request::authority`]).
    ///
    /// The port is not compared: a tunnel or a container changes it, and an attacker may choose it. Of
    /// HTTP/1.0 without Host there is nothing to compare, and no browser sends it.
    pub fn allow(&self, authority: Option<&[u8]>) -> bool {
        if !self.enforced || self.any {
            return true;
        }
        match authority {
            None => true,
            Some(authority) => host(authority).is_some_and(|host| self.allow_host(host)),
        }
    }

    fn allow_host(&self, host: &[u8]) -> bool {
        is_address(host)
            || is_localhost(host)
            || self.names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(host))
    }
}

/// The host of an authority, without the one dot that may end a name in full.
pub(crate) fn host(authority_bytes: &[u8]) -> Option<&[u8]> {
    let (host, _) = authority(authority_bytes)?;
    Some(host.strip_suffix(b".").unwrap_or(host))
}

/// An address as it is written: nobody's name server is asked, so nobody can point it elsewhere.
///
/// Only the dotted form with four decimal numbers: browsers rewrite `0x7f.1` and its kin before they
/// send them, so whoever sends them as they are is no browser, or they are a name after all.
fn is_address(host: &[u8]) -> bool {
    // `http::target::authority` has seen that what stands in brackets is an IPv6 address.
    host.first() == Some(&b'[') || std::str::from_utf8(host).is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok())
}

/// `localhost` and names below it: resolvers answer those themselves.
fn is_localhost(host: &[u8]) -> bool {
    let mut labels = host.rsplit(|&o| o == b'.');
    labels.next().is_some_and(|last| last.eq_ignore_ascii_case(LOCALHOST)) && labels.all(|label| !label.is_empty())
}

/// A name for `--host` as it is compared: `*`, or a host without port, in lower case and without a dot at
/// its end. `None` for what no browser would send, so that a mistake does not stay silent: a URL, a
/// port, `*.example.org`, letters outside ASCII (browsers send `xn--…` for those).
pub fn host_name(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_string());
    }
    let (name, port) = authority(text.as_bytes())?;
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_plain = is_plain_name(name) || name.first() == Some(&b'[');
    (is_plain && port.is_none()).then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Letters, digits, hyphens, underscores and single dots: safe to repeat in a command to be typed, which
/// `a;reboot` (a valid reg-name of RFC 3986) is not.
pub(crate) fn is_plain_name(name: &[u8]) -> bool {
    name.split(|&o| o == b'.')
        .all(|label| !label.is_empty() && label.iter().all(|&o| o.is_ascii_alphanumeric() || matches!(o, b'-' | b'_')))
}

/// Which pages may change something here.
#[derive(Clone, Debug, Default)]
pub struct Writes {
    /// What `--cors` names: `*`, or one origin as browsers write it.
    cors: Option<String>,
}

/// Why a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// `Sec-Fetch-Site` says that the page is of another origin.
    Site,
    /// `Origin` says so.
    Origin,
    /// One of the two is given more than once, or is nothing a browser sends.
    Unclear,
}

impl Foreign {
    /// A sentence for whoever sees the page.
    pub fn explain(self) -> &'static str {
        match self {
            Foreign::Site | Foreign::Origin => "A page that does not belong to this server asked for a change here.",
            Foreign::Unclear => "It cannot be told which page asked for a change here.",
        }
    }
}

impl Writes {
    /// `cors` is the value of `--cors`.
    pub fn new(cors: Option<String>) -> Writes {
        Writes { cors }
    }

    /// Whether `origin` is named, `*` not counting: everybody may read is not everybody may write.
    fn names(&self, origin: &[u8]) -> bool {
        self.cors.as_deref().is_some_and(|named| named != "*" && named.as_bytes().eq_ignore_ascii_case(origin))
    }

    /// Why this request must not change anything; `None` if it may, or asks for no change.
    pub fn refuse(&self, request: &Request<'_>) -> Option<Foreign> {
        if request.method().is_safe() {
            return None;
        }
        // A field that stands twice was not written by a browser alone: whatever came between may be
        // made to add one, and each reader would pick another.
        let mut sites = request.fields("sec-fetch-site");
        let mut origins = request.fields("origin");
        let (site, origin) = (sites.next(), origins.next());
        if sites.next().is_some() || origins.next().is_some() {
            return Some(Foreign::Unclear);
        }
        let foreign = match (site, origin) {
            (Some(b"same-origin" | b"none"), _) | (None, None) => return None,
            (Some(b"same-site" | b"cross-site"), _) => Foreign::Site,
            (Some(_), _) => return Some(Foreign::Unclear),
            (None, Some(origin)) if is_own(origin, request.authority()) => return None,
            (None, Some(_)) => Foreign::Origin,
        };
        (!origin.is_some_and(|origin| self.names(origin))).then_some(foreign)
    }
}

/// Whether `origin` has the host and port of the request itself.
///
/// The scheme is not compared, since a proxy that speaks TLS changes it; it only says which port is
/// meant where none is written. `null` is no origin at all, and neither is `file://` nor an extension's.
fn is_own(origin: &[u8], own: Option<&[u8]>) -> bool {
    let split = origin.windows(3).position(|w| w == b"://").map(|at| (&origin[..at], &origin[at + 3..]));
    let Some((scheme, rest)) = split else { return false };
    let default = match scheme {
        b"http" => 80,
        b"https" => 443,
        _ => return false,
    };
    let place = |bytes| {
        let (host, port) = authority(bytes)?;
        let port = port.filter(|port| !port.is_empty()).map_or(Some(default), decimal)?;
        (!host.is_empty()).then_some((host, port))
    };
    match (place(rest), own.and_then(place)) {
        (Some((host, port)), Some((own_host, own_port))) => port == own_port && host.eq_ignore_ascii_case(own_host),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
