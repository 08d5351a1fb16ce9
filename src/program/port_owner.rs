//! The process that holds a port: "python3, pid 4711", for the error about a port in use.
//!
//! /proc/net/tcp says which socket (by its inode) listens where, and a process has that socket among its
//! descriptors. Every failure means "unknown": other users' processes cannot be read, and the error is
//! reported without the owner.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use barewire::service::text::printable;

/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// The process that keeps `address` from being used.
pub(crate) fn port_owner(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(listener)
        .filter(|(other, _)| is_in_the_way(*other, address))
        .map(|(_, inode)| format!("socket:[{inode}]"))
        .collect();
    // The search reads all of /proc: skip it when there is nothing to find.
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let name = process.file_name();
        let pid = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))?;
        let mut descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        descriptors.find(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|link| sockets.iter().any(|s| link.as_os_str() == s.as_str()))
        })?;
        let command = fs::read_to_string(process.path().join("comm")).ok()?;
        // A process chooses its own name, so it may hold escape sequences.
        Some(format!("{}, pid {pid}", printable(command.trim_end())))
    })
}

/// The address and the inode in a line of the table, if it is a listening socket.
fn listener(line: &str) -> Option<(SocketAddr, &str)> {
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    let mut columns = line.split_ascii_whitespace();
    let local = columns.nth(1)?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?;
    let (address, port) = local.split_once(':')?;
    let address = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(address)?)),
        32 => {
            let words = [0, 8, 16, 24].map(|at| word(&address[at..at + 8]).map(u32::from_be_bytes));
            let bits = words.into_iter().try_fold(0u128, |bits, word| Some(bits << 32 | u128::from(word?)))?;
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        }
        _ => return None,
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    (state == LISTEN).then(|| (SocketAddr::new(address, port), inode))
}

/// Four bytes of an address. The kernel prints them as one number in the byte order of this machine.
fn word(text: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes)
}

/// Whether a socket that listens on `other` keeps `wanted` from being bound.
fn is_in_the_way(other: SocketAddr, wanted: SocketAddr) -> bool {
    // A socket on [::] may also take IPv4; the table does not say whether it does.
    let may_take_both = matches!(other.ip(), IpAddr::V6(six) if six.is_unspecified());
    other.port() == wanted.port()
        && (may_take_both
            || other.is_ipv4() == wanted.is_ipv4()
                && (other.ip() == wanted.ip() || other.ip().is_unspecified() || wanted.ip().is_unspecified()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_table_is_read() {
        let four =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0";
        assert_eq!(listener(four), Some((([127, 0, 0, 1], 8080).into(), "4711")));
        let six =
            "   1: 00000000000000000000000001000000:1F91 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 12 1";
        assert_eq!(listener(six), Some((SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 8081), "12")));
        let connected = four.replace(" 0A ", " 01 ");
        assert_eq!(listener(&connected), None);
        for odd in
            ["", "  sl  local_address rem_address   st tx_queue", "0: x:y z 0A a b c d e", "0: é:1F90 0 0A 0 0 0 0 0 1"]
        {
            assert_eq!(listener(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_wildcard_is_in_the_way_of_every_address() {
        let is = |other: &str, wanted: &str| is_in_the_way(other.parse().unwrap(), wanted.parse().unwrap());
        assert!(
            is("127.0.0.1:80", "127.0.0.1:80") && is("0.0.0.0:80", "127.0.0.1:80") && is("127.0.0.1:80", "0.0.0.0:80")
        );
        assert!(is("[::]:80", "127.0.0.1:80") && is("[::]:80", "[::1]:80"));
        assert!(
            !is("127.0.0.1:80", "127.0.0.1:81")
                && !is("127.0.0.1:80", "127.0.0.2:80")
                && !is("[::1]:80", "127.0.0.1:80")
        );
    }

    #[test]
    fn this_process_is_found_by_its_socket() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = port_owner(socket.local_addr().unwrap());
        if fs::metadata("/proc/net/tcp").is_ok() {
            let pid = format!("pid {}", std::process::id());
            assert!(owner.as_ref().is_some_and(|owner| owner.ends_with(&pid)), "{owner:?}");
        }
    }
}
