//! Which sockets: addresses, the search for a free port, and what to say when there is none.
//!
//! | asked for | taken |
//! |---|---|
//! | nothing | 8080 on 127.0.0.1 and ::1, or the next port that is free on both |
//! | a port | that one, or a complaint that names its owner |
//! | port 0 | whatever the system gives the first address, on all of them |
//! | sockets passed by a service manager | those, and nothing else |
//!
//! Never: a port that is free on one address and not on the other. `localhost` is 127.0.0.1 for one
//! program and ::1 for the next; both must reach the same server.
//!
//! The subtle thing: where IPv6 was not asked for by name, a machine without it is no mistake.

pub(crate) mod interfaces;
mod owner;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use barewire::net::Listener;
use listenfd::ListenFd;
use rustix::io::Errno;

use crate::program::error::{Exit, StartError};
use crate::program::options::{Bind, Port};

/// The port people expect of a server for trying things out.
const USUAL_PORT: u16 = 8080;
/// The last one tried when it is taken: twenty servers of one person are enough.
const LAST_PORT: u16 = 8099;
/// How many ports behind a taken one are tried to suggest one.
const SUGGESTIONS: u16 = 100;
/// How often another port is asked of the system when the one it gave for the first address is
/// taken on the next: each try fails only if two programs happen on the same of some 28,000 ports.
const ANY_PORT_TRIES: usize = 16;

/// The sockets, and how they came about.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) listeners: Vec<Listener>,
    /// The usual port was taken, so this is another one.
    pub(crate) moved: bool,
}

/// Opens what was asked for.
pub(crate) fn open(bind: &Bind, port: Port) -> Result<Listening, StartError> {
    let listeners = inherited()?;
    if !listeners.is_empty() {
        return Ok(Listening { listeners, moved: false });
    }
    let plan = Plan::of(bind);
    let mut opener = |address| Listener::bind(address);
    let (listeners, moved) = plan.open(port, &mut opener, Listener::address)?;
    Ok(Listening { listeners, moved })
}

/// The socket of the wire view: on this computer alone, whatever the server itself is open to.
///
/// Without a given port it is the one behind the server's, or the next free one.
pub(crate) fn open_view(given: Option<u16>, main: u16) -> Result<Listener, StartError> {
    let open = |port| Listener::bind((Ipv4Addr::LOCALHOST, port).into());
    let near = || (1..=SUGGESTIONS).filter_map(|n| main.checked_add(n));
    let Some(port) = given else {
        return near().find_map(|port| open(port).ok()).map_or_else(|| open(0), Ok).map_err(|error| {
            let address = (Ipv4Addr::LOCALHOST, 0).into();
            Failure { address, error }.complaint(None)
        });
    };
    open(port).map_err(|error| {
        let free = near().find(|&port| open(port).is_ok()).unwrap_or(0);
        let complaint = Failure { address: (Ipv4Addr::LOCALHOST, port).into(), error }.complaint(None);
        complaint.advising(format!("Use another one:  barewire --study --wire-port {free}"))
    })
}

/// Sockets passed by a service manager (`LISTEN_FDS`).
fn inherited() -> Result<Vec<Listener>, StartError> {
    let mut passed = ListenFd::from_env();
    let unfit = |why: io::Error| {
        StartError::new(Exit::Listen, format!("a socket passed by the service manager cannot be used ({why})."))
            .advising("It must be a listening TCP socket, as ListenStream=8080 in a socket unit makes it.")
    };
    let count = passed.len();
    let sockets = (0..count).filter_map(|n| passed.take_tcp_listener(n).transpose());
    sockets.map(|socket| socket.and_then(Listener::inherited).map_err(unfit)).collect()
}

/// The addresses that were asked for.
#[derive(Debug)]
struct Plan {
    addresses: Vec<IpAddr>,
    /// Those of IPv6 may be left out.
    lenient: bool,
}

/// Why a set of addresses cannot be listened on.
#[derive(Debug)]
struct Failure {
    address: SocketAddr,
    error: io::Error,
}

impl Plan {
    fn of(bind: &Bind) -> Plan {
        let both = |four, six| vec![IpAddr::V4(four), IpAddr::V6(six)];
        let (addresses, lenient) = match bind {
            Bind::Loopback => (both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), true),
            Bind::Lan => (both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED), true),
            Bind::Addresses(given) => (without_covered(given), false),
        };
        Plan { addresses, lenient }
    }

    fn open<L>(
        &self,
        port: Port,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<L>,
        address_of: impl Fn(&L) -> SocketAddr,
    ) -> Result<(Vec<L>, bool), StartError> {
        let ports = match port {
            Port::Given(0) => {
                return self.open_any(opener, address_of).map(|l| (l, false)).map_err(|f| f.complaint(None));
            }
            Port::Given(port) => port..=port,
            Port::Usual => USUAL_PORT..=LAST_PORT,
        };
        for candidate in ports {
            match self.open_at(candidate, opener) {
                Ok(listeners) => return Ok((listeners, port == Port::Usual && candidate != USUAL_PORT)),
                Err(failure) if failure.error.kind() != io::ErrorKind::AddrInUse => return Err(failure.complaint(None)),
                Err(failure) if port != Port::Usual => {
                    return Err(failure.complaint(self.suggestion(candidate, opener)));
                }
                Err(_) => {}
            }
        }
        let names: Vec<String> = self.addresses.iter().map(IpAddr::to_string).collect();
        let what = format!("ports {USUAL_PORT} to {LAST_PORT} on {} are all in use.", names.join(" and "));
        Err(StartError::new(Exit::Listen, what).advising("Let the system choose one:  barewire -p 0"))
    }

    /// The same port on every address.
    fn open_at<L>(&self, port: u16, opener: &mut impl FnMut(SocketAddr) -> io::Result<L>) -> Result<Vec<L>, Failure> {
        let mut listeners = Vec::new();
        for &address in &self.addresses {
            let address = SocketAddr::new(address, port);
            match opener(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) if self.lenient && address.is_ipv6() && is_missing(&error) && !listeners.is_empty() => {}
                Err(error) => return Err(Failure { address, error }),
            }
        }
        Ok(listeners)
    }

    /// A port of the system's choice on every address.
    fn open_any<L>(
        &self,
        opener: &mut impl FnMut(SocketAddr) -> io::Result<L>,
        address_of: impl Fn(&L) -> SocketAddr,
    ) -> Result<Vec<L>, Failure> {
        let (first, rest) = match self.addresses.split_first() {
            Some((first, rest)) => (SocketAddr::new(*first, 0), rest),
            None => return Ok(Vec::new()),
        };
        let rest = Plan { addresses: rest.to_vec(), lenient: false };
        let mut last = Failure { address: first, error: io::ErrorKind::AddrInUse.into() };
        for _ in 0..ANY_PORT_TRIES {
            let listener = opener(first).map_err(|error| Failure { address: first, error })?;
            match rest.open_at(address_of(&listener).port(), opener) {
                Ok(mut others) => {
                    others.insert(0, listener);
                    return Ok(others);
                }
                Err(failure) if self.lenient && failure.address.is_ipv6() && is_missing(&failure.error) => {
                    return Ok(vec![listener]);
                }
                Err(failure) if failure.error.kind() == io::ErrorKind::AddrInUse => last = failure,
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    /// A port that was tried and is free.
    fn suggestion<L>(&self, taken: u16, opener: &mut impl FnMut(SocketAddr) -> io::Result<L>) -> Option<u16> {
        (1..=SUGGESTIONS).filter_map(|n| taken.checked_add(n)).find(|&port| self.open_at(port, opener).is_ok())
    }
}

/// Without addresses that a wildcard of the list covers, or that stand twice: the second one would
/// find its port taken by the first.
fn without_covered(given: &[IpAddr]) -> Vec<IpAddr> {
    let mut kept: Vec<IpAddr> = Vec::new();
    for &address in given {
        let covered = given.iter().any(|o| o.is_unspecified() && o.is_ipv4() == address.is_ipv4() && *o != address);
        if !covered && !kept.contains(&address) {
            kept.push(address);
        }
    }
    kept
}

/// This machine has no such address, or not even the protocol.
fn is_missing(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

impl Failure {
    /// The sentence for it; `free` is a port that could be used instead.
    fn complaint(&self, free: Option<u16>) -> StartError {
        let (address, port) = (self.address.ip(), self.address.port());
        let complaint = |what: String| StartError::new(Exit::Listen, what);
        match self.error.kind() {
            io::ErrorKind::AddrInUse => {
                let owner = owner::of(self.address).map(|owner| format!(" (by {owner})")).unwrap_or_default();
                let free = free.unwrap_or(0);
                complaint(format!("port {port} on {address} is already in use{owner}."))
                    .advising(format!("Use another one:  barewire -p {free}"))
            }
            io::ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
                complaint(format!("port {port} needs special rights."))
                    .advising(format!("Use a port above 1023:  barewire -p {USUAL_PORT}"))
            }
            _ if is_missing(&self.error) => {
                let here: Vec<String> = interfaces::all().iter().map(|(address, _)| address.to_string()).collect();
                complaint(format!("{address} is not an address of this computer. Addresses here: {}", here.join(", ")))
            }
            _ => complaint(format!("cannot listen on {}: {}.", self.address, self.error))
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

    fn open(bind: &Bind, port: Port, taken: &'static [(bool, u16)], has_six: bool) -> Opened {
        let opened = Plan::of(bind).open(port, &mut opener(taken, has_six), |address| *address);
        opened.map_err(|complaint| complaint.to_string())
    }

    fn both(port: u16) -> Vec<SocketAddr> {
        vec![(V4, port).into(), (V6, port).into()]
    }

    #[test]
    fn all_addresses_get_the_same_port() {
        let loopback = |port, taken, six| open(&Bind::Loopback, port, taken, six);
        assert_eq!(loopback(Port::Usual, &[], true), Ok((both(8080), false)));
        assert_eq!(loopback(Port::Usual, &[(true, 8080)], true), Ok((both(8081), true)));
        assert_eq!(loopback(Port::Usual, &[(false, 8080), (true, 8081)], true), Ok((both(8082), true)));
        assert_eq!(loopback(Port::Given(0), &[], true), Ok((both(40_001), false)));
        assert_eq!(loopback(Port::Given(0), &[(true, 40_001)], true), Ok((both(40_002), false)));
        assert_eq!(loopback(Port::Given(9000), &[(true, 9001)], true), Ok((both(9000), false)));
    }

    #[test]
    fn a_machine_without_ipv6_is_no_mistake_unless_it_was_asked_for() {
        let four = |port| vec![SocketAddr::from((V4, port))];
        assert_eq!(open(&Bind::Loopback, Port::Usual, &[], false), Ok((four(8080), false)));
        assert_eq!(open(&Bind::Loopback, Port::Usual, &[(false, 8080)], false), Ok((four(8081), true)));
        assert_eq!(open(&Bind::Loopback, Port::Given(0), &[], false), Ok((four(40_001), false)));
        let named = Bind::Addresses(vec![V4.into(), V6.into()]);
        let complaint = open(&named, Port::Usual, &[], false).unwrap_err();
        assert!(
            complaint.starts_with("barewire: ::1 is not an address of this computer. Addresses here: "),
            "{complaint}"
        );
    }

    #[test]
    fn a_given_port_that_is_taken_comes_with_one_that_is_free() {
        let complaint = open(&Bind::Loopback, Port::Given(9000), &[(false, 9000), (true, 9001)], true);
        let text = "barewire: port 9000 on 127.0.0.1 is already in use.\nUse another one:  barewire -p 9002\n";
        assert_eq!(complaint, Err(text.to_string()));
        let last = open(&Bind::Loopback, Port::Given(65535), &[(true, 65535)], true);
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
        assert_eq!(open(&Bind::Loopback, Port::Usual, &TAKEN, true), Err(text.to_string()));
    }

    #[test]
    fn other_errors_say_what_they_mean() {
        let text = |address: (Ipv4Addr, u16), kind: io::ErrorKind| {
            Failure { address: address.into(), error: kind.into() }.complaint(None).to_string()
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
