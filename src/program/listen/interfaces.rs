//! The addresses of this computer, for the start screen and for complaints.
//!
//! Never: link-local IPv6 addresses. They mean something only together with an interface, and a URL
//! has no place for one that browsers would accept.

use std::net::IpAddr;

/// Every address with the name of its interface: IPv4 first, loopback first among them.
pub(crate) fn all() -> Vec<(IpAddr, String)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let is_usable = |address: &IpAddr| !matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
    let mut all: Vec<(IpAddr, String)> =
        interfaces.into_iter().map(|i| (i.ip(), i.name)).filter(|(address, _)| is_usable(address)).collect();
    all.sort_by_key(|(address, _)| (address.is_ipv6(), !address.is_loopback()));
    all.dedup();
    all
}

/// Those that other computers can reach, of the families asked for.
pub(crate) fn of_the_network(four: bool, six: bool) -> Vec<(IpAddr, String)> {
    let wanted = |address: &IpAddr| if address.is_ipv4() { four } else { six };
    all().into_iter().filter(|(address, _)| !address.is_loopback() && wanted(address)).collect()
}
