//! The listening sockets: which addresses, the search for a free port, and the error when there is none.
//!
//! | given | opened |
//! |---|---|
//! | nothing | 8080 on 127.0.0.1 and ::1, or the next port that is free on both |
//! | a port | that one, or an error that names its owner |
//! | port 0 | the port that the system gives the first address, on all addresses |
//! | sockets from a service manager | those, and nothing else |
//!
//! All addresses get the same port: `localhost` is 127.0.0.1 for one program and ::1 for the next, and both
//! must reach the same server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use barewire::net::Listener;
use listenfd::ListenFd;
use rustix::io::Errno;

use crate::program::error::{Exit, StartError};
use crate::program::options::ListenOptions;
use crate::program::port_owner::port_owner;

/// The default port.
const DEFAULT_PORT: u16 = 8080;
/// The last port tried when it is taken: twenty servers of one person are enough.
const LAST_PORT: u16 = 8099;
/// How many ports after a taken one are tried, to suggest one that is free.
const SUGGESTIONS: u16 = 100;
/// How often the system is asked for another port when the one it gave for the first address is taken on the
/// next. A try fails only if another program holds the same one of some 28,000 ports.
const ANY_PORT_TRIES: usize = 16;

/// The sockets, and how their port was found.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listeners: Vec<Listener>,
    /// No port was given and the default one was taken, so this is another one.
    pub(crate) moved: bool,
}

/// Opens the sockets of the server.
pub(crate) fn open(options: &ListenOptions) -> Result<Listening, StartError> {
    // A service manager that passes sockets has decided about address and port; the options do not count.
    let listeners = inherited()?;
    if !listeners.is_empty() {
        return Ok(Listening { listeners, moved: false });
    }
    // The search works on any function that opens an address, so that it can be tested without sockets.
    let mut opener = |address| Listener::bind(address);
    let (listeners, moved) = Plan::new(options).open(options.port, &mut opener, Listener::address)?;
    Ok(Listening { listeners, moved })
}

/// Opens the socket of the wire view in a browser. It accepts connections from this computer only, even when
/// the server itself is open to the network. The default is the port after `main`, or the next free one.
pub(crate) fn open_view(given: Option<u16>, main: u16) -> Result<Listener, StartError> {
    // IPv4 alone: the URL of the view names 127.0.0.1.
    let open = |port| Listener::bind((Ipv4Addr::LOCALHOST, port).into());
    let failed = |port, error| ListenError { address: (Ipv4Addr::LOCALHOST, port).into(), error }.explain(None);
    let next = || (1..=SUGGESTIONS).filter_map(|n| main.checked_add(n));
    let Some(port) = given else {
        return next().find_map(|port| open(port).ok()).map_or_else(|| open(0), Ok).map_err(|error| failed(0, error));
    };
    open(port).map_err(|error| {
        let free = next().find(|&port| open(port).is_ok()).unwrap_or(0);
        failed(port, error).advising(format!("Use another one:  barewire --study --wire-port {free}"))
    })
}

/// The sockets passed by a service manager (`LISTEN_FDS`).
fn inherited() -> Result<Vec<Listener>, StartError> {
    let mut passed = ListenFd::from_env();
    let unusable = |why: io::Error| {
        StartError::new(Exit::Listen, format!("a socket passed by the service manager cannot be used ({why})."))
            .advising("It must be a listening TCP socket, as ListenStream=8080 in a socket unit makes it.")
    };
    // One that cannot be used ends the start: the service manager believes that it is served.
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
    addresses: Vec<IpAddr>,
    /// IPv6 was not named, so a machine without it is no error: its addresses are left out.
    may_lack_ipv6: bool,
}

/// Why an address cannot be listened on.
#[derive(Debug)]
struct ListenError {
    address: SocketAddr,
    error: io::Error,
}

impl Plan {
    /// The addresses that the options mean.
    fn new(options: &ListenOptions) -> Plan {
        let both = |four, six| vec![IpAddr::V4(four), IpAddr::V6(six)];
        // `--lan` and `--bind` exclude each other; the options have made sure of that.
        let named = options.bind.concat();
        let (addresses, may_lack_ipv6) = match (options.lan, named.is_empty()) {
            (true, _) => (both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED), true),
            (false, true) => (both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), true),
            (false, false) => (without_covered(&named), false),
        };
        Plan { addresses, may_lack_ipv6 }
    }

    /// Opens all addresses at the given port, or at the first free one from [`DEFAULT_PORT`] on; also whether
    /// that is not the default port itself. `opener` opens one address: tests pass one without sockets.
    fn open<L>(
        &self,
        port: Option<u16>,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<L>,
        address_of: impl Fn(&L) -> SocketAddr,
    ) -> Result<(Vec<L>, bool), StartError> {
        let candidates = match port {
            Some(0) => {
                return self.open_any(opener, address_of).map(|l| (l, false)).map_err(|e| e.explain(None));
            }
            Some(port) => port..=port,
            None => DEFAULT_PORT..=LAST_PORT,
        };
        for candidate in candidates {
            match self.open_at(candidate, opener) {
                Ok(listeners) => return Ok((listeners, port.is_none() && candidate != DEFAULT_PORT)),
                // Another port only helps when this one is taken; every other error would come back there.
                Err(failed) if failed.error.kind() != io::ErrorKind::AddrInUse => return Err(failed.explain(None)),
                Err(failed) if port.is_some() => return Err(failed.explain(self.suggestion(candidate, opener))),
                Err(_) => {}
            }
        }
        // All twenty are taken. Suggesting one of them makes no sense.
        let names: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let what = format!("ports {DEFAULT_PORT} to {LAST_PORT} on {} are all in use.", names.join(" and "));
        Err(StartError::new(Exit::Listen, what).advising("Let the system choose one:  barewire -p 0"))
    }

    /// Opens the same port on every address.
    fn open_at<L>(
        &self,
        port: u16,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<L>,
    ) -> Result<Vec<L>, ListenError> {
        let mut listeners = Vec::new();
        for &address in &self.addresses {
            let address = SocketAddr::new(address, port);
            match opener(address) {
                Ok(listener) => listeners.push(listener),
                // IPv6 comes second, so a listener for IPv4 exists already.
                Err(error) if self.may_leave_out(address, &error) && !listeners.is_empty() => {}
                Err(error) => return Err(ListenError { address, error }),
            }
        }
        Ok(listeners)
    }

    /// Opens a port that the system chooses, the same on every address.
    fn open_any<L>(
        &self,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<L>,
        address_of: impl Fn(&L) -> SocketAddr,
    ) -> Result<Vec<L>, ListenError> {
        // The system chooses for the first address, and the others must be free at the same port.
        let Some((first, rest)) = self.addresses.split_first() else { return Ok(Vec::new()) };
        let first = SocketAddr::new(*first, 0);
        let rest = Plan { addresses: rest.to_vec(), may_lack_ipv6: false };
        let mut last = ListenError { address: first, error: io::ErrorKind::AddrInUse.into() };
        for _ in 0..ANY_PORT_TRIES {
            let listener = opener(first).map_err(|error| ListenError { address: first, error })?;
            // On an error the listener is dropped, and the next round asks for another port.
            match rest.open_at(address_of(&listener).port(), opener) {
                Ok(mut others) => {
                    others.insert(0, listener);
                    return Ok(others);
                }
                Err(failed) if self.may_leave_out(failed.address, &failed.error) => return Ok(vec![listener]),
                Err(failed) if failed.error.kind() == io::ErrorKind::AddrInUse => last = failed,
                Err(failed) => return Err(failed),
            }
        }
        Err(last)
    }

    /// Whether the address is IPv6, was not named, and does not exist here.
    fn may_leave_out(&self, address: SocketAddr, error: &io::Error) -> bool {
        self.may_lack_ipv6 && address.is_ipv6() && is_missing(error)
    }

    /// A port that was tried and is free on all addresses.
    fn suggestion<L>(&self, taken: u16, opener: &mut impl FnMut(SocketAddr) -> io::Result<L>) -> Option<u16> {
        (1..=SUGGESTIONS).filter_map(|n| taken.checked_add(n)).find(|&port| self.open_at(port, opener).is_ok())
    }
}

/// Removes addresses that stand twice or that a wildcard of the list includes: the second bind would find its
/// port taken by the first.
fn without_covered(given: &[IpAddr]) -> Vec<IpAddr> {
    let mut kept: Vec<IpAddr> = Vec::new();
    for &address in given {
        // A socket on 0.0.0.0 also gets the connections to 127.0.0.1.
        let covered = given.iter().any(|o| o.is_unspecified() && o.is_ipv4() == address.is_ipv4() && *o != address);
        if !covered && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

/// Whether this machine lacks the address, or the whole protocol.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

impl ListenError {
    /// The error for people; `free` is a port that can be used instead.
    fn explain(&self, free: Option<u16>) -> StartError {
        // What happened, in the words of people who do not know errno, and a command that works.
        let (address, port) = (self.address.ip(), self.address.port());
        let failed = |what: String| StartError::new(Exit::Listen, what);
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                let owner = port_owner(self.address).map(|owner| format!(" (by {owner})")).unwrap_or_default();
                // Without a suggestion: port 0 always works.
                failed(format!("port {port} on {address} is already in use{owner}."))
                    .advising(format!("Use another one:  barewire -p {}", free.unwrap_or(0)))
            }
            io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
                failed(format!("port {port} needs special rights."))
                    .advising(format!("Use a port above 1023:  barewire -p {DEFAULT_PORT}"))
            }
            _ if is_missing(&self.error) => {
                let here: Vec<String> = local_addresses().iter().map(|(address, _)| address.to_string()).collect();
                failed(format!("{address} is not an address of this computer. Addresses here: {}", here.join(", ")))
            }
            _ => failed(format!("cannot listen on {}: {}.", self.address, self.error))
                .advising("Use this computer alone:  barewire"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Ipv4Addr = Ipv4Addr::LOCALHOST;
    const V6: Ipv6Addr = Ipv6Addr::LOCALHOST;

    /// Opens everything but `taken` (any address of that family and port), with IPv6 or without.
    fn opener(taken: &'static [(bool, u16)], has_six: bool) -> impl FnMut(SocketAddr) -> io::Result<SocketAddr> {
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
                false => Ok(address),
            }
        }
    }

    type Opened = Result<(Vec<SocketAddr>, bool), String>;

    fn open(bind: &[IpAddr], port: Option<u16>, taken: &'static [(bool, u16)], has_six: bool) -> Opened {
        let plan = Plan::new(&ListenOptions { port, bind: vec![bind.to_vec()], lan: false });
        let opened = plan.open(port, &mut opener(taken, has_six), |address| *address);
        opened.map_err(|error| error.to_string())
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
        let text = "barewire: ports 8080 to 8099 on 127.0.0.1 and ::1 are all in use.\nLet the system choose one:  barewire -p 0\n";
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
            "barewire: cannot listen on 127.0.0.1:8080: permission denied.\nUse this computer alone:  barewire\n"
        );
    }

    #[test]
    fn a_wildcard_covers_the_addresses_of_its_family() {
        let list = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<IpAddr>>();
        let kept = without_covered(&list(&["127.0.0.1", "0.0.0.0", "::1", "::1", "0.0.0.0"]));
        assert_eq!(kept, list(&["0.0.0.0", "::1"]));
        assert_eq!(without_covered(&list(&["::", "127.0.0.1"])), list(&["::", "127.0.0.1"]));
    }
}
