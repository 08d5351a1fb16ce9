//! Proxies whose word is taken: from which peers the address of a client is believed, and how it is read (`--trust`).
//!
//! A client can send every field that a proxy sends. So a field counts only on a connection from a trusted peer, and
//! only one field counts: a proxy passes on the others as they come. A proxy appends the address of its own client to
//! the field. So the list is read from its end:
//!
//! ```text
//! X-Forwarded-For: 10.9.9.9, 192.0.2.7, 10.0.0.2       the peer is 10.0.0.1, and 10.0.0.0/8 is trusted
//!                  │         │          └ trusted: appended by the peer, and itself a proxy
//!                  │         └ not trusted: appended by 10.0.0.2, so this is the client
//!                  └ the client's own word: not read
//! ```
//!
//! What is no address (`unknown`, a name, an obfuscated identifier of RFC 7239 §6.3) hides the client: what stands
//! before it is the word of somebody who is not known. Nothing else of these fields is believed, such as host or scheme.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::http::{Request, field, grammar};
use crate::service::Client;

/// From where the address of a client is taken. One source, since a proxy passes the others on unchecked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientSource {
    /// The field `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// The field `Forwarded` (RFC 7239).
    Forwarded,
    /// A PROXY header before the first request. Fields are not read.
    ProxyHeader,
}

/// The trusted peers, and what of them is believed.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
    source: ClientSource,
}

impl TrustedProxies {
    /// Trusts all peers in these networks.
    pub fn new(networks: Vec<IpNet>, source: ClientSource) -> TrustedProxies {
        TrustedProxies { networks, source }
    }

    /// Whether this peer is trusted.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        // A dual-stack socket has IPv4 peers as ::ffff:10.0.0.1, and networks are not written like that.
        let peer = peer.to_canonical();
        self.networks.iter().any(|network| network.contains(&peer))
    }

    /// Whether this peer must send a PROXY header. All others must not.
    pub fn wants_header(&self, peer: IpAddr) -> bool {
        self.source == ClientSource::ProxyHeader && self.trusts(peer)
    }

    /// Who a new connection of this peer is from, as far as that is known before its first byte.
    pub fn client_of_peer(&self, peer: IpAddr) -> Client {
        let peer = peer.to_canonical();
        if self.trusts(peer) { Client::Unnamed(peer) } else { Client::Peer(peer) }
    }

    /// Who this request is from; `None` if no field says more than the connection.
    pub fn client_of(&self, peer: IpAddr, request: &Request<'_>) -> Option<Client> {
        if !self.trusts(peer) {
            return None;
        }
        let peer = peer.to_canonical();
        Some(match self.source {
            ClientSource::ProxyHeader => return None,
            ClientSource::XForwardedFor => {
                let lines: Vec<&[u8]> = request.fields("x-forwarded-for").collect();
                let nodes = lines.into_iter().rev().flat_map(|line| line.rsplit(|&b| b == b','));
                self.read(peer, nodes.map(grammar::trim).filter(|node| !node.is_empty()).map(address))
            }
            ClientSource::Forwarded => {
                let lines: Vec<&[u8]> = request.fields("forwarded").collect();
                let elements = lines.into_iter().rev().flat_map(elements_from_the_end);
                self.read(peer, elements.map(grammar::trim).filter(|element| !element.is_empty()).map(for_address))
            }
        })
    }

    /// The client, by the addresses of a field from its end; `None` is something else than an address.
    fn read(&self, peer: IpAddr, addresses: impl Iterator<Item = Option<IpAddr>>) -> Client {
        let (mut last, mut is_direct) = (peer, true);
        for address in addresses {
            is_direct = false;
            match address {
                Some(address) if self.trusts(address) => last = address,
                Some(address) => return Client::OfProxy(address),
                None => return Client::Unnamed(last),
            }
        }
        // Without the field, a peer on this computer may be a program that is no proxy.
        if is_direct && peer.is_loopback() { Client::Peer(peer) } else { Client::Unnamed(last) }
    }
}

/// The elements of a list, from its end. A client may have sent a quote that is never closed: read from the front, it
/// would hide what the proxy has appended.
fn elements_from_the_end(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let piece = rest?;
        let mut is_quoted = false;
        for (at, &byte) in piece.iter().enumerate().rev() {
            match byte {
                // An odd number of backslashes makes the quote a part of the string.
                b'"' if piece[..at].iter().rev().take_while(|&&b| b == b'\\').count() % 2 == 0 => {
                    is_quoted = !is_quoted
                }
                b',' if !is_quoted => {
                    rest = Some(&piece[..at]);
                    return Some(&piece[at + 1..]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(piece)
    })
}

/// The address in an element of `Forwarded`: `for=192.0.2.7;proto=https`, `for="[2001:db8::7]:8080"`.
fn for_address(element: &[u8]) -> Option<IpAddr> {
    let mut found = field::split_unquoted(element, b';').filter_map(|pair| {
        let equals = pair.iter().position(|&b| b == b'=')?;
        let (name, value) = (grammar::trim(&pair[..equals]), grammar::trim(&pair[equals + 1..]));
        name.eq_ignore_ascii_case(b"for").then(|| field::unquote(value))
    });
    // RFC 7239 §4: a parameter stands once in an element.
    let first = found.next()?;
    if found.next().is_some() { None } else { address(&first) }
}

/// An address with or without a port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:80`.
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = str::from_utf8(node).ok()?;
    let address = if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(())?;
        address.parse::<Ipv6Addr>().ok()?.into()
    } else if let Some((address, _)) = node.split_once(':').filter(|(_, port)| is_port(port)) {
        address.parse::<Ipv4Addr>().ok()?.into()
    } else {
        node.parse::<IpAddr>().ok()?
    };
    Some(address.to_canonical())
}

/// Whether this is a port, or an obfuscated one (RFC 7239 §6.2). It is not used.
fn is_port(text: &str) -> bool {
    let is_obfuscated = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    match text.strip_prefix('_') {
        Some(rest) => !rest.is_empty() && is_obfuscated(rest),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
