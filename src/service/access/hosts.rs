//! The host names that this server answers for.
//!
//! RFC 9110 §4.3 (authority), §7.4 (421); RFC 9112 §3.3 (the host a request is for); RFC 6761 §6.3 (`localhost`).
//!
//! The list stops *DNS rebinding*. The name `evil.test` first leads to the attacker's server, then to 127.0.0.1. The
//! browser takes the attacker's page and this server for one origin, so the page may read and write here. The page
//! cannot forge the name in Host. So only names are allowed that an attacker cannot point to this server.
//!
//! Writing needs the list too: after rebinding, `Origin` is the name in Host, and the check of [`super::origins`] would
//! pass. So every server that allows writes also checks host names.

use std::net::Ipv4Addr;

use crate::http::target::authority;

/// The name that every computer has for itself. Names below it lead to itself too (RFC 6761 §6.3).
const LOCALHOST: &[u8] = b"localhost";
/// The domain in which computers of one link find each other by name (RFC 6762 §3).
const LINK_LOCAL: &str = ".local";

/// The host names that are allowed. The default allows all.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    is_enforced: bool,
    allows_all: bool,
    /// In lower case, without a dot at the end.
    names: Vec<String>,
}

impl Hosts {
    /// `named` are the values of `--host`, each a [`host_name`] or `*`. `machine` is the name of this computer. If the
    /// list is not `enforced`, every host is allowed.
    pub fn new(enforced: bool, named: &[String], machine: Option<&str>) -> Hosts {
        let mut names: Vec<String> = named.iter().filter_map(|name| host_name(name)).collect();
        // On a LAN this computer is found by its name, and by mDNS under `.local`.
        if let Some(name) = machine.and_then(host_name) {
            let stem = name.strip_suffix(LINK_LOCAL).unwrap_or(&name).to_string();
            names.push(format!("{stem}{LINK_LOCAL}"));
            names.push(stem);
        }
        Hosts { is_enforced: enforced, allows_all: named.iter().any(|name| name == "*"), names }
    }

    /// Whether host names are checked at all.
    pub fn is_enforced(&self) -> bool {
        self.is_enforced
    }

    /// Whether this server answers for `authority`: a host, perhaps with a port ([`crate::http::Request::authority`]).
    pub fn allow(&self, authority: Option<&[u8]>) -> bool {
        if !self.is_enforced || self.allows_all {
            return true;
        }
        // HTTP/1.0 without Host has no name to compare. No browser sends it, so rebinding cannot use it.
        let Some(authority) = authority else { return true };
        // The port is not compared: a tunnel or a container changes it, and an attacker may choose it.
        host(authority).is_some_and(|host| {
            let is_named = |name: &String| name.as_bytes().eq_ignore_ascii_case(host);
            is_address(host) || is_localhost(host) || self.names.iter().any(is_named)
        })
    }
}

/// The host of an authority, without the one dot that may end a full name.
pub(crate) fn host(authority_bytes: &[u8]) -> Option<&[u8]> {
    let (host, _) = authority(authority_bytes)?;
    Some(host.strip_suffix(b".").unwrap_or(host))
}

/// Whether `host` is an IP address. No name server is asked for an address, so it cannot be made to lead elsewhere.
///
/// Of IPv4 only four decimal numbers with dots count. A browser rewrites `0x7f.1` and the like before it sends them, so
/// such a host comes from another program, or it is a name that a name server resolves.
fn is_address(host: &[u8]) -> bool {
    // `authority` accepts brackets only around an IPv6 address.
    host.first() == Some(&b'[') || std::str::from_utf8(host).is_ok_and(|host| host.parse::<Ipv4Addr>().is_ok())
}

/// Whether `host` is `localhost` or a name below it, which resolvers answer themselves.
fn is_localhost(host: &[u8]) -> bool {
    // An empty label, as in `a..localhost`, is no name that a resolver answers.
    let mut labels = host.rsplit(|&b| b == b'.');
    labels.next().is_some_and(|last| last.eq_ignore_ascii_case(LOCALHOST)) && labels.all(|label| !label.is_empty())
}

/// The value of `--host` in the form in which it is compared: `*`, or a host without port, in lower case and without a
/// dot at its end. `None` for text that no browser sends as a host, so that a mistake is reported: a URL, a port,
/// `*.example.org`, letters outside ASCII (browsers send `xn--…` for those).
pub fn host_name(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_string());
    }
    // The same parser as for requests, so that each name that is accepted here can be matched.
    let (name, port) = authority(text.as_bytes())?;
    let name = name.strip_suffix(b".").unwrap_or(name);
    let is_host = is_plain_name(name) || name.first() == Some(&b'[');
    (is_host && port.is_none()).then(|| String::from_utf8_lossy(name).to_ascii_lowercase())
}

/// Whether a name has only letters, digits, hyphens, underscores and single dots. Such a name may be repeated in a
/// command to be typed; `a;reboot`, a valid reg-name of RFC 3986, may not.
pub(crate) fn is_plain_name(name: &[u8]) -> bool {
    let is_plain = |&b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    name.split(|&b| b == b'.').all(|label| !label.is_empty() && label.iter().all(is_plain))
}

#[cfg(test)]
mod tests;
