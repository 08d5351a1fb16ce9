//! The listening sockets: which addresses, the search for a free port, and the error when there is none.
//!
//! | given | opened |
//! |---|---|
//! | nothing | 8080 on 127.0.0.1 and ::1, or the next port that is free on both |
//! | a port | that one, or an error that names the program which holds it |
//! | port 0 | the port that the system gives the first address, on all addresses |
//! | sockets from a service manager | those, and nothing else |
//!
//! A port that is taken is handled by the way it was chosen:
//!
//! | server | given | tried | all taken |
//! |---|---|---|---|
//! | files | no port | 8080 to 8099 | the error advises `-p 0` |
//! | files | a port | that one | the error names the first free one of the next 100 |
//! | files | port 0 | 16 ports that the system gives | the error advises `-p 0` again |
//! | wire view | no port | the 100 after that of the files, then one that the system gives | |
//! | wire view | a port | that one | the error names the first free one of the 100 after that of the files |
//!
//! All addresses get the same port: `localhost` is 127.0.0.1 for one program and ::1 for the next, and both
//! must reach the same server.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use barewire::net::Listener;
use barewire::service::{text::printable, texts::Values};
use listenfd::ListenFd;
use rustix::io::Errno;

use crate::program::error::{Exit, StartError, TEXTS};
use crate::program::options::ListenOptions;
use crate::program::unix_socket;

/// The default port. It is above 1023, so that it needs no special rights.
const DEFAULT_PORT: u16 = 8080;
/// The last port tried when it is taken: twenty servers of one person are enough.
const LAST_PORT: u16 = 8099;
/// The rights of a Unix socket: for the user and the group of the server, in which a proxy may be.
const SOCKET_MODE: u32 = 0o660;
/// How many ports after a taken one are tried, to suggest one that is free.
const SUGGESTIONS: u16 = 100;
/// How often the system is asked for another port when the one it gave for the first address is taken on the
/// next. A try fails only if another program holds the same one of some 28,000 ports.
const ANY_PORT_TRIES: usize = 16;

/// The sockets, and how their port was found.
#[derive(Debug)]
pub(crate) struct Listening {
    /// At least one. All have the same port, unless a service manager has passed them.
    pub(crate) listeners: Vec<Listener>,
    /// No port was given and the default one was taken, so this is another one.
    pub(crate) moved: bool,
}

/// Opens the sockets of the server. Exit code 3: a passed socket that cannot be used, no free port, no right to
/// the port, or an address that this computer does not have.
pub(crate) fn open(options: &ListenOptions) -> Result<Listening, StartError> {
    // A service manager that passes sockets has decided about address and port; the options do not count.
    let listeners = inherited()?;
    if !listeners.is_empty() {
        return Ok(Listening { listeners, moved: false });
    }
    // The search works on any function that opens an address, so that it can be tested without sockets.
    let mut opener = |address| {
        let listener = Listener::bind(address)?;
        let port = listener.address().port();
        Ok((listener, port))
    };
    let unix = options.unix();
    // Unix sockets alone: no port is opened.
    let (mut listeners, moved) = match options.addresses().is_empty() && !unix.is_empty() {
        true => (Vec::new(), false),
        false => Plan::new(options).open(options.port, &mut opener)?,
    };
    let mode = options.socket_mode.unwrap_or(SOCKET_MODE);
    for path in &unix {
        listeners.push(unix_socket::open(path, mode)?);
    }
    Ok(Listening { listeners, moved })
}

/// Opens the socket of the wire view in a browser. It accepts connections from this computer only, even when the server
/// itself is open to the network. The default is the port after `main`, or the next free one. Exit code 3, when
/// the given port cannot be used. Without a given port, only when the system has no port at all.
pub(crate) fn open_view(given: Option<u16>, main: u16) -> Result<Listener, StartError> {
    // IPv4 alone: the URL of the view names 127.0.0.1.
    let open = |port| Listener::bind((Ipv4Addr::LOCALHOST, port).into());
    let failed = |port, error| ListenError { address: (Ipv4Addr::LOCALHOST, port).into(), error }.explain(None);
    let Some(port) = given else {
        let next = next_ports(main).find_map(|port| open(port).ok());
        return next.map_or_else(|| open(0), Ok).map_err(|error| failed(0, error));
    };
    open(port).map_err(|error| {
        let free = next_ports(main).find(|&port| open(port).is_ok()).unwrap_or(0);
        failed(port, error).advising(TEXTS.say("view port", &[("free", &free)]))
    })
}

/// Opens the socket of `--metrics`. Exit code 3: the address cannot be used.
pub(crate) fn open_metrics(address: SocketAddr) -> Result<Listener, StartError> {
    Listener::bind(address).map_err(|error| {
        let is_free = |port: &u16| Listener::bind(SocketAddr::new(address.ip(), *port)).is_ok();
        let free = next_ports(address.port()).find(is_free).unwrap_or(0);
        ListenError { address, error }.explain(None).advising(TEXTS.say("metrics port", &[("free", &free)]))
    })
}

/// The sockets passed by a service manager (`LISTEN_FDS`). Exit code 3: a socket of another kind than TCP, or
/// one that the system refuses to set up.
fn inherited() -> Result<Vec<Listener>, StartError> {
    let mut passed = ListenFd::from_env();
    let unusable = |error: io::Error| StartError::of(Exit::Listen, "passed socket", &[("error", &error)]);
    // One that cannot be used ends the start: the service manager expects that it is served.
    let count = passed.len();
    let sockets = (0..count).filter_map(|n| passed.take_tcp_listener(n).transpose());
    sockets.map(|socket| socket.and_then(Listener::inherited).map_err(unusable)).collect()
}

/// Every address of this computer with the name of its interface: IPv4 first, loopback first among them.
///
/// Without link-local IPv6 addresses: they need the interface beside them, which browsers do not accept in a URL.
fn local_addresses() -> Vec<(IpAddr, String)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    // They would be offered as URLs that do not work.
    let is_usable = |address: &IpAddr| !matches!(address, IpAddr::V6(six) if six.is_unicast_link_local());
    let mut all: Vec<(IpAddr, String)> =
        interfaces.into_iter().map(|i| (i.ip(), i.name)).filter(|(address, _)| is_usable(address)).collect();
    all.sort_by_key(|(address, _)| (address.is_ipv6(), !address.is_loopback()));
    all.dedup();
    all
}

/// The addresses under which other computers reach this one, with the names of their interfaces.
pub(crate) fn network_addresses() -> Vec<(IpAddr, String)> {
    local_addresses().into_iter().filter(|(address, _)| !address.is_loopback()).collect()
}

/// The addresses to listen on, all at one port.
#[derive(Debug)]
struct Plan {
    /// Never empty, none twice, all with port 0. By default and with `--lan` IPv4 stands first.
    addresses: Vec<SocketAddr>,
    /// IPv6 was not named, so a machine without it is no error: its addresses are left out.
    may_lack_ipv6: bool,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
struct ListenError {
    /// The first address that failed, with the port that was tried.
    address: SocketAddr,
    /// The error of the system; its kind decides about the sentence and the advice.
    error: io::Error,
}

impl Plan {
    /// The addresses that the options mean.
    fn new(options: &ListenOptions) -> Plan {
        let both = |four, six| vec![SocketAddr::from((four, 0)), SocketAddr::from((six, 0))];
        // `--lan` and `--bind` exclude each other; the options have made sure of that.
        let named = options.addresses();
        let (addresses, may_lack_ipv6) = match (options.lan, named.is_empty()) {
            (true, _) => (both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED), true),
            (false, true) => (both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), true),
            (false, false) => (without_covered(&named), false),
        };
        Plan { addresses, may_lack_ipv6 }
    }

    /// Opens all addresses at the given port, or at the first free one from [`DEFAULT_PORT`] on; also whether
    /// that is not the default port itself. `opener` opens one address and returns its port besides.
    fn open<L>(
        &self,
        port: Option<u16>,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<(L, u16)>,
    ) -> Result<(Vec<L>, bool), StartError> {
        let candidates: Vec<u16> = match port {
            Some(0) => vec![0; ANY_PORT_TRIES],
            Some(port) => vec![port],
            None => (DEFAULT_PORT..=LAST_PORT).collect(),
        };
        let mut taken = None;
        for candidate in candidates {
            match self.open_at(candidate, opener) {
                Ok(listeners) => return Ok((listeners, port.is_none() && candidate != DEFAULT_PORT)),
                // Another port only helps when this one is taken; every other error would come back there.
                Err(failed) if failed.error.kind() != ErrorKind::AddrInUse => return Err(failed.explain(None)),
                Err(failed) => taken = Some(failed),
            }
        }
        if let (Some(port), Some(failed)) = (port, taken) {
            // Opened to be sure that it is free, and closed again at once. Port 0 has no next port.
            let mut next = next_ports(port).filter(|_| port > 0);
            return Err(failed.explain(next.find(|&port| self.open_at(port, opener).is_ok())));
        }
        // All twenty are taken. Suggesting one of them makes no sense.
        let addresses = self.addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>().join(", ");
        let ports: Values<'_> = &[("first", &DEFAULT_PORT), ("last", &LAST_PORT), ("addresses", &addresses)];
        Err(StartError::of(Exit::Listen, "all in use", ports))
    }

    /// Opens the same port on every address. For port 0 the system chooses at the first address, and the others must be
    /// free at that port.
    fn open_at<L>(
        &self,
        mut port: u16,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<(L, u16)>,
    ) -> Result<Vec<L>, ListenError> {
        let mut listeners = Vec::new();
        for &(mut address) in &self.addresses {
            address.set_port(port);
            match opener(address) {
                Ok((listener, opened)) => {
                    listeners.push(listener);
                    port = opened;
                }
                // IPv6 comes second, so a listener for IPv4 exists already.
                Err(error)
                    if self.may_lack_ipv6 && address.is_ipv6() && is_missing(&error) && !listeners.is_empty() => {}
                // The listeners of this port are dropped, so that the caller can try another one.
                Err(error) => return Err(ListenError { address, error }),
            }
        }
        Ok(listeners)
    }
}

fn next_ports(taken: u16) -> impl Iterator<Item = u16> {
    (1..=SUGGESTIONS).filter_map(move |n| taken.checked_add(n))
}

/// Removes addresses that stand twice or that a wildcard of the list includes: the second bind would find its
/// port taken by the first.
fn without_covered(given: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut kept: Vec<SocketAddr> = Vec::new();
    for &address in given {
        // A socket on 0.0.0.0 also gets the connections to 127.0.0.1.
        let is_wildcard = |other: &SocketAddr| other.ip().is_unspecified() && other.is_ipv4() == address.is_ipv4();
        let covered = given.iter().any(|other| is_wildcard(other) && *other != address);
        if !covered && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

/// Whether this machine lacks the address, or the whole protocol.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

impl ListenError {
    /// The error for people; `free` is a port that can be used instead.
    fn explain(&self, free: Option<u16>) -> StartError {
        // What happened, in the words of people who do not know errno, and a command that works.
        let (address, port) = (self.address.ip(), self.address.port());
        let failed = |name: &str, values: Values<'_>| StartError::of(Exit::Listen, name, values);
        match self.error.kind() {
            ErrorKind::AddrInUse => {
                // Without a suggestion: port 0 always works.
                let free = free.unwrap_or(0);
                match port_owner(self.address) {
                    None => failed("in use", &[("port", &port), ("address", &address), ("free", &free)]),
                    Some(owner) => failed(
                        "in use by",
                        &[("port", &port), ("address", &address), ("free", &free), ("owner", &owner)],
                    ),
                }
            }
            ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
                failed("special rights", &[("port", &port), ("default", &DEFAULT_PORT)])
            }
            _ if is_missing(&self.error) => {
                let here: Vec<String> = local_addresses().iter().map(|(address, _)| address.to_string()).collect();
                failed("not here", &[("address", &address), ("addresses", &here.join(", "))])
            }
            _ => failed("cannot listen", &[("address", &self.address), ("error", &self.error)]),
        }
    }
}

/// The process that keeps `address` from being used: "python3, pid 4711".
///
/// /proc/net/tcp says which socket (by its inode) listens where, and a process has that socket among its descriptors.
/// Every failure means "unknown": other users' processes cannot be read.
fn port_owner(address: SocketAddr) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines());
    let sockets: Vec<String> =
        lines.filter_map(|line| blocking_inode(line, address)).map(|inode| format!("socket:[{inode}]")).collect();
    // The search reads all of /proc: skip it when there is nothing to find.
    if sockets.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let name = process.file_name();
        let pid = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit()))?;
        let descriptors = fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let mut links = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
        links.find(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str()))?;
        let command = fs::read_to_string(process.path().join("comm")).ok()?;
        // A process chooses its own name, so it may hold escape sequences.
        Some(TEXTS.say("owner", &[("name", &printable(command.trim_end())), ("pid", &pid)]))
    })
}

/// The inode in a line of the table, if that socket listens and keeps `wanted` from being bound.
fn blocking_inode(line: &str, wanted: SocketAddr) -> Option<&str> {
    /// The state of a listening socket.
    const LISTEN: &str = "0A";
    // sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
    // Such as "0: 0100007F:1F90 00000000:0000 0A …": 127.0.0.1:8080, and it listens.
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let (address, port) = columns.get(1)?.split_once(':')?;
    // The kernel prints four bytes as one number in the byte order of this machine.
    let hex = |bytes: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*bytes));
    let wanted_address = match wanted.ip() {
        IpAddr::V4(four) => hex(&four.octets()),
        IpAddr::V6(six) => six.octets().as_chunks().0.iter().map(hex).collect(),
    };
    let is_wildcard = address.bytes().all(|b| b == b'0');
    let is_same_family = address.len() == wanted_address.len();
    // A socket on [::] may also take IPv4; the table does not say whether it does.
    let overlaps = is_same_family && (wanted.ip().is_unspecified() || address == wanted_address || is_wildcard)
        || is_wildcard && wanted.is_ipv4();
    let blocks = columns.get(3) == Some(&LISTEN) && port == format!("{:04X}", wanted.port()) && overlaps;
    columns.get(9).copied().filter(|_| blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::options::Bind;

    const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

    /// Opens everything but `taken` (any address of that family and port), with IPv6 or without.
    fn opener(taken: &'static [(bool, u16)], has_six: bool) -> impl FnMut(SocketAddr) -> io::Result<(SocketAddr, u16)> {
        let mut next = 40_000;
        move |mut address| {
            if address.port() == 0 {
                next += 1;
                address.set_port(next);
            }
            if address.is_ipv6() && !has_six {
                return Err(io::Error::from_raw_os_error(Errno::AFNOSUPPORT.raw_os_error()));
            }
            match taken.contains(&(address.is_ipv6(), address.port())) {
                true => Err(io::ErrorKind::AddrInUse.into()),
                false => Ok((address, address.port())),
            }
        }
    }

    type Opened = Result<(Vec<SocketAddr>, bool), String>;

    fn open(bind: &[IpAddr], port: Option<u16>, taken: &'static [(bool, u16)], has_six: bool) -> Opened {
        let plan = Plan::new(&ListenOptions {
            port,
            bind: vec![with_port_0(bind).into_iter().map(Bind::Address).collect()],
            socket_mode: None,
            lan: false,
        });
        let opened = plan.open(port, &mut opener(taken, has_six));
        opened.map_err(|error| error.to_string())
    }

    fn with_port_0(addresses: &[IpAddr]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(*address, 0)).collect()
    }

    fn both(port: u16) -> Vec<SocketAddr> {
        vec![(V4, port).into(), (V6, port).into()]
    }

    #[test]
    fn all_addresses_get_the_same_port() {
        let loopback = |port, taken, six| open(&[], port, taken, six);
        assert_eq!(loopback(None, &[], true), Ok((both(8080), false)));
        assert_eq!(loopback(None, &[(true, 8080)], true), Ok((both(8081), true)));
        assert_eq!(loopback(None, &[(false, 8080), (true, 8081)], true), Ok((both(8082), true)));
        assert_eq!(loopback(Some(0), &[], true), Ok((both(40_001), false)));
        assert_eq!(loopback(Some(0), &[(true, 40_001)], true), Ok((both(40_002), false)));
        assert_eq!(loopback(Some(9000), &[(true, 9001)], true), Ok((both(9000), false)));
    }

    #[test]
    fn a_machine_without_ipv6_is_no_mistake_unless_it_was_asked_for() {
        let four = |port| vec![SocketAddr::from((V4, port))];
        assert_eq!(open(&[], None, &[], false), Ok((four(8080), false)));
        assert_eq!(open(&[], None, &[(false, 8080)], false), Ok((four(8081), true)));
        assert_eq!(open(&[], Some(0), &[], false), Ok((four(40_001), false)));
        let named = [V4.into(), V6.into()];
        let error = open(&named, None, &[], false).unwrap_err();
        assert!(error.starts_with("barewire: ::1 is not an address of this computer. Addresses here: "), "{error}");
    }

    #[test]
    fn a_given_port_that_is_taken_comes_with_one_that_is_free() {
        let error = open(&[], Some(9000), &[(false, 9000), (true, 9001)], true);
        let text = "barewire: port 9000 on 127.0.0.1 is already in use.\nUse another one:  barewire -p 9002\n";
        assert_eq!(error, Err(text.to_string()));
        let last = open(&[], Some(65535), &[(true, 65535)], true);
        let text = "barewire: port 65535 on ::1 is already in use.\nUse another one:  barewire -p 0\n";
        assert_eq!(last, Err(text.to_string()));
    }

    #[test]
    fn twenty_taken_ports_end_the_search() {
        const TAKEN: [(bool, u16); 20] = {
            let mut taken = [(false, 0); 20];
            let mut n = 0;
            while n < 20 {
                taken[n] = (n % 2 == 0, 8080 + n as u16);
                n += 1;
            }
            taken
        };
        let text = "barewire: ports 8080 to 8099 on 127.0.0.1, ::1 are all in use.\nLet the system choose one:  barewire -p 0\n";
        assert_eq!(open(&[], None, &TAKEN, true), Err(text.to_string()));
    }

    #[test]
    fn other_errors_say_what_they_mean() {
        let text = |address: (Ipv4Addr, u16), kind: io::ErrorKind| {
            ListenError { address: address.into(), error: kind.into() }.explain(None).to_string()
        };
        let denied = io::ErrorKind::PermissionDenied;
        assert_eq!(
            text((V4, 80), denied),
            "barewire: port 80 needs special rights.\nUse a port above 1023:  barewire -p 8080\n"
        );
        assert_eq!(
            text((V4, 8080), denied),
            "barewire: cannot listen on 127.0.0.1:8080: permission denied.\nLet only this computer connect:  barewire\n"
        );
    }

    #[test]
    fn a_wildcard_covers_the_addresses_of_its_family() {
        let list = |texts: &[&str]| with_port_0(&texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>());
        let kept = without_covered(&list(&["127.0.0.1", "0.0.0.0", "::1", "::1", "0.0.0.0"]));
        assert_eq!(kept, list(&["0.0.0.0", "::1"]));
        assert_eq!(without_covered(&list(&["::", "127.0.0.1"])), list(&["::", "127.0.0.1"]));
    }

    /// A line of /proc/net/tcp about a socket that listens on this address, as hexadecimal text.
    fn line(address: &str) -> String {
        format!("   0: {address} 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0")
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_line_of_the_table_is_read() {
        let four = SocketAddr::from(([127, 0, 0, 1], 8080));
        let six = SocketAddr::from((V6, 8081));
        let local = line("0100007F:1F90");
        assert_eq!(blocking_inode(&local, four), Some("4711"));
        assert_eq!(blocking_inode(&line("00000000000000000000000001000000:1F91"), six), Some("4711"));
        assert_eq!(blocking_inode(&local.replace(" 0A ", " 01 "), four), None, "connected");
        for odd in
            ["", "  sl  local_address rem_address   st tx_queue", "0: x:y z 0A a b c d e", "0: é:1F90 0 0A 0 0 0 0 0 1"]
        {
            assert_eq!(blocking_inode(odd, four), None, "{odd}");
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn a_wildcard_is_in_the_way_of_every_address() {
        let is = |other: &str, wanted: &str| blocking_inode(&line(other), wanted.parse().unwrap()).is_some();
        let all = "0".repeat(32) + ":0050";
        assert!(is("0100007F:0050", "127.0.0.1:80") && is("00000000:0050", "127.0.0.1:80"));
        assert!(is("0100007F:0050", "0.0.0.0:80") && is(&all, "127.0.0.1:80") && is(&all, "[::1]:80"));
        assert!(!is("0100007F:0050", "127.0.0.1:81") && !is("0100007F:0050", "127.0.0.2:80"));
        assert!(!is("00000000000000000000000001000000:0050", "127.0.0.1:80") && !is("00000000:0050", "[::1]:80"));
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
