//! Who a request is from: the peer of the connection, or a client that a trusted proxy has named.
//!
//! The log, the limit of connections for each client, and the count of failed sign-ins use this address. What is for
//! this computer alone needs more: see [`RequestContext::is_from_this_computer`].
//!
//! [`RequestContext::is_from_this_computer`]: crate::service::RequestContext::is_from_this_computer

use std::net::IpAddr;

use crate::http::field;

/// Who a request is from. An IPv4 address is never in the form of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The peer of the connection. No proxy is known to be between.
    Peer(IpAddr),
    /// A client of a trusted proxy, which has named this address.
    OfProxy(IpAddr),
    /// One of the clients of a trusted proxy that has not named it. The address is that of the proxy.
    Unnamed(IpAddr),
}

impl Client {
    /// The address that is logged and counted.
    pub fn address(self) -> IpAddr {
        let (Client::Peer(address) | Client::OfProxy(address) | Client::Unnamed(address)) = self;
        address
    }

    /// Whether many clients have this address: a proxy, known or not, whose clients cannot be told apart. A proxy on the
    /// same computer connects from loopback. What one of the many does must not be charged to the others.
    pub fn is_many(self) -> bool {
        matches!(self, Client::Unnamed(_)) || self.address().is_loopback()
    }
}

/// Whether a field of this head, valid or not, says that the request was forwarded. A proxy or a tunnel, whose clients
/// are strangers, mostly adds one.
pub(crate) fn is_forwarded(head: &[u8]) -> bool {
    let says_forwarded = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        matches!(&*name, b"forwarded" | b"via" | b"x-real-ip") || name.starts_with(b"x-forwarded")
    };
    head.split(|&b| b == b'\n').skip(1).filter_map(field::split_line).any(|(name, _)| says_forwarded(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::{RequestContext, testing::context};

    #[test]
    fn a_peer_on_loopback_is_this_computer_only_if_nothing_was_forwarded() {
        const HEAD: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n";
        for (peer, field, expected) in [
            ("127.0.0.1", "", true),
            ("::1", "", true),
            ("::ffff:127.0.0.1", "X: y\r\n", true),
            ("192.0.2.1", "", false),
            ("127.0.0.1", "Forwarded: for=127.0.0.1\r\n", false),
            ("127.0.0.1", "x-forwarded-proto: https\r\n", false),
            ("127.0.0.1", "X-Forwarded-For : 1\r\n", false),
            ("::1", "Via: 1.1 a\r\n", false),
            ("::1", "X-Real-IP: 1\r\n", false),
        ] {
            let context = context(peer, 0);
            assert_eq!(
                context.is_from_this_computer(format!("{HEAD}{field}\r\n").as_bytes()),
                expected,
                "{peer} {field}"
            );
        }
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        for client in [Client::OfProxy(peer), Client::Unnamed(peer)] {
            assert!(!RequestContext { client, ..context("127.0.0.1", 0) }.is_from_this_computer(HEAD.as_bytes()));
        }
    }

    #[test]
    fn many_clients_share_loopback_and_a_proxy_that_names_none() {
        let at = |address: &str| address.parse::<IpAddr>().unwrap();
        for (client, expected) in [
            (Client::Peer(at("127.0.0.1")), true),
            (Client::Peer(at("192.0.2.1")), false),
            (Client::OfProxy(at("192.0.2.1")), false),
            (Client::OfProxy(at("::1")), true),
            (Client::Unnamed(at("192.0.2.1")), true),
        ] {
            assert_eq!(client.is_many(), expected, "{client:?}");
        }
    }
}
