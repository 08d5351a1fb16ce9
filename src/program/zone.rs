//! The zone of a link-local IPv6 address: the interface on whose network it is valid (RFC 4007 §11).
//!
//! `fe80::1%eth0` is what people type. In a URL the percent sign is encoded, `http://[fe80::1%25eth0]:8080/`: curl reads
//! that, browsers do not.

use std::net::SocketAddr;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketType, netdevice};

/// Any socket will do to ask about interfaces.
fn socket() -> Option<OwnedFd> {
    rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()
}

/// The number of an interface, by its name or as a number.
pub(crate) fn index(zone: &str) -> Option<u32> {
    let named = || netdevice::name_to_index(socket()?, zone).ok();
    zone.parse().ok().filter(|&number| number > 0).or_else(named)
}

/// The URL of a server at this address.
pub(crate) fn url(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(six) if six.scope_id() > 0 => {
            let index = six.scope_id();
            let name = socket().and_then(|socket| netdevice::index_to_name(socket, index).ok());
            format!("http://[{}%25{}]:{}/", six.ip(), name.unwrap_or_else(|| index.to_string()), six.port())
        }
        address => format!("http://{address}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV6;

    #[test]
    fn an_interface_is_found_by_its_name_and_named_in_a_url() {
        let index = index("lo").unwrap();
        assert_eq!(
            (super::index(&index.to_string()), super::index("none0"), super::index("0")),
            (Some(index), None, None)
        );
        let address = |zone| SocketAddrV6::new("fe80::1".parse().unwrap(), 8080, 0, zone).into();
        assert_eq!(url(address(index)), "http://[fe80::1%25lo]:8080/");
        assert_eq!(url(address(4_000_000)), "http://[fe80::1%254000000]:8080/");
        assert_eq!(url(address(0)), "http://[fe80::1]:8080/");
    }
}
