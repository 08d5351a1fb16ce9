//! How many TCP segments a `recv` took: asked of the kernel, while somebody watches.
//!
//! `TCP_INFO` has no safe call. But the kernel answers questions about sockets over netlink (sock_diag(7)): 72
//! octets with the two addresses and the socket's cookie go out, the socket's `tcp_info` comes back, at
//! once and without any privilege. Of it `data_segs_in` and `bytes_received` are used.
//!
//! Never: a wait, a guess. Where there is no netlink (a sandbox, another system), nothing is said.
//!
//! The subtle thing: between the `recv` and the question more may have come, and a `recv` may leave something
//! behind. So a number is only told when the kernel has counted exactly the octets that this program
//! has received, now and the last time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use mio::net::TcpStream;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt,
};

/// `nlmsghdr` and `inet_diag_req_v2`.
const QUESTION: usize = 16 + 56;
/// `nlmsghdr` and `inet_diag_msg`; attributes follow.
const ANSWER: usize = 16 + 72;
/// `SOCK_DIAG_BY_FAMILY`: question and answer.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const TCP: u8 = 6;
/// `INET_DIAG_INFO`: the attribute, and the bit that asks for it.
const INFO: u16 = 2;
/// Places in `tcp_info`, and of the state in the answer.
const BYTES_RECEIVED: usize = 128;
const DATA_SEGS_IN: usize = 152;
const STATE: usize = 17;
/// The states behind a FIN of the peer, which the kernel counts as an octet: CLOSE_WAIT, LAST_ACK, CLOSING.
const HALF_CLOSED: [u8; 3] = [8, 9, 11];
/// Room for an answer: `tcp_info` grows with every kernel, and has 280 octets in 6.18.
const ROOM: usize = 1024;

/// What is remembered of a connection.
#[derive(Debug)]
struct Seen {
    local: SocketAddr,
    /// Octets received by this program.
    octets: u64,
    /// Segments when the kernel had counted the same octets; `None` since it has not.
    segments: Option<u32>,
}

/// The questions of one loop.
#[derive(Debug)]
pub(super) struct Segments {
    netlink: OwnedFd,
    number: u32,
    seen: BTreeMap<u64, Seen>,
}

impl Segments {
    /// `None` where nothing can be asked.
    pub(super) fn new() -> Option<Segments> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).ok()?;
        connect(&netlink, &SocketAddrNetlink::new(0, 0)).ok()?;
        Some(Segments { netlink, number: 0, seen: BTreeMap::new() })
    }

    /// How many segments brought the `octets` which a `recv` has just taken; `None` where that is not certain.
    pub(super) fn of(&mut self, connection: u64, socket: &TcpStream, peer: SocketAddr, octets: usize) -> Option<u32> {
        let seen = match self.seen.entry(connection) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Seen { local: socket.local_addr().ok()?, octets: 0, segments: Some(0) })
            }
        };
        seen.octets += octets as u64;
        let (local, total, before) = (seen.local, seen.octets, seen.segments.take());
        let counted = self.ask(socket, local, peer)?;
        if counted.octets != total {
            return None;
        }
        self.seen.get_mut(&connection)?.segments = Some(counted.segments);
        before.and_then(|before| counted.segments.checked_sub(before)).filter(|count| *count > 0)
    }

    /// The connection has ended.
    pub(super) fn forget(&mut self, connection: u64) {
        self.seen.remove(&connection);
    }

    fn ask(&mut self, socket: &TcpStream, local: SocketAddr, peer: SocketAddr) -> Option<Counted> {
        self.number = self.number.wrapping_add(1);
        let cookie = sockopt::socket_cookie(socket).ok()?;
        let question = question(self.number, cookie, local, peer);
        send(&self.netlink, &question, SendFlags::DONTWAIT).ok()?;
        let mut room = [0; ROOM];
        // An answer to an earlier question may have come late.
        while let Ok((count, _)) = recv(&self.netlink, &mut room[..], RecvFlags::DONTWAIT) {
            let answer = &room[..count.min(ROOM)];
            if number(answer, 8) == Some(self.number) {
                return counted(answer);
            }
        }
        None
    }
}

/// What the kernel has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    segments: u32,
    octets: u64,
}

fn question(number: u32, cookie: u64, local: SocketAddr, peer: SocketAddr) -> [u8; QUESTION] {
    let (family, scope) = match local {
        SocketAddr::V4(_) => (AddressFamily::INET, 0),
        SocketAddr::V6(local) => (AddressFamily::INET6, local.scope_id()),
    };
    let mut question = [0; QUESTION];
    let mut put = |at: usize, octets: &[u8]| question[at..at + octets.len()].copy_from_slice(octets);
    put(0, &(QUESTION as u32).to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &REQUEST.to_ne_bytes());
    put(8, &number.to_ne_bytes());
    put(16, &[family.as_raw() as u8, TCP, 1 << (INFO - 1), 0]);
    // Any state.
    put(20, &u32::MAX.to_ne_bytes());
    put(24, &local.port().to_be_bytes());
    put(26, &peer.port().to_be_bytes());
    for (at, address) in [(28, local.ip()), (44, peer.ip())] {
        match address {
            IpAddr::V4(address) => put(at, &address.octets()),
            IpAddr::V6(address) => put(at, &address.octets()),
        }
    }
    put(60, &scope.to_ne_bytes());
    // Two words, the lower one first.
    put(64, &(cookie as u32).to_ne_bytes());
    put(68, &((cookie >> 32) as u32).to_ne_bytes());
    question
}

/// The counters in an answer; `None` if it is none, or that of a kernel too old to count.
fn counted(answer: &[u8]) -> Option<Counted> {
    if answer.len() < ANSWER || u16::from_ne_bytes([answer[4], answer[5]]) != BY_FAMILY {
        return None;
    }
    let mut attributes = &answer[ANSWER..];
    while let [low, high, kind_low, kind_high, ..] = *attributes {
        let len = usize::from(u16::from_ne_bytes([low, high]));
        let value = attributes.get(4..len)?;
        if u16::from_ne_bytes([kind_low, kind_high]) == INFO {
            let octets = u64::from_ne_bytes(value.get(BYTES_RECEIVED..BYTES_RECEIVED + 8)?.try_into().ok()?);
            let octets = octets.checked_sub(u64::from(HALF_CLOSED.contains(&answer[STATE])))?;
            return Some(Counted { segments: number(value, DATA_SEGS_IN)?, octets });
        }
        attributes = attributes.get(len.next_multiple_of(4)..)?;
    }
    None
}

fn number(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(octets.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream as Plain};

    use super::*;

    /// A connection over `address`, and the server's end of it.
    fn pair(address: &str) -> Option<(Plain, TcpStream, SocketAddr)> {
        let listener = TcpListener::bind(address).ok()?;
        let client = Plain::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, peer) = listener.accept().unwrap();
        Some((client, TcpStream::from_std(server), peer))
    }

    /// Until everything has come.
    fn read(server: &mut TcpStream, len: usize) -> usize {
        let mut room = vec![0; len];
        while rustix::net::recv(&*server, &mut room[..], RecvFlags::PEEK).unwrap().0 < len {}
        server.read(&mut room).unwrap()
    }

    #[test]
    fn segments_are_counted_for_both_families_and_a_fin_is_none() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some((mut client, mut server, peer)) = pair(address) else {
                eprintln!("skipped: no {address} here");
                continue;
            };
            let Some(mut segments) = Segments::new() else {
                eprintln!("skipped: nothing can be asked here");
                return;
            };
            for octet in [b"a", b"b", b"c"] {
                client.write_all(octet).unwrap();
            }
            let count = read(&mut server, 3);
            assert_eq!(segments.of(1, &server, peer, count), Some(3), "{address}");
            client.write_all(b"alone").unwrap();
            let count = read(&mut server, 5);
            assert_eq!(segments.of(1, &server, peer, count), Some(1), "{address}");
            // What a recv leaves behind makes its number uncertain, and that of the next one too.
            client.write_all(b"torn apart").unwrap();
            for len in [4, 6] {
                let mut room = [0; 10];
                while rustix::net::recv(&server, &mut room[..], RecvFlags::PEEK).unwrap().0 < len {}
                let count = server.read(&mut room[..len]).unwrap();
                let _ = segments.of(1, &server, peer, count);
            }
            client.write_all(b"end").unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let count = read(&mut server, 3);
            assert_eq!(segments.of(1, &server, peer, count), Some(1), "{address}");
            segments.forget(1);
            assert!(segments.seen.is_empty());
        }
    }

    #[test]
    fn what_is_no_answer_counts_nothing() {
        assert_eq!(counted(&[]), None);
        let mut answer = vec![0; ANSWER];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        assert_eq!(counted(&answer), None);
        for (len, shown, known) in [(4 + 160u16, 160, true), (4 + 155, 155, false), (400, 160, false), (3, 160, false)]
        {
            let mut answer = answer.clone();
            answer.extend_from_slice(&[len.to_ne_bytes(), INFO.to_ne_bytes()].concat());
            answer.resize(ANSWER + 4 + shown, 7);
            assert_eq!(counted(&answer).is_some(), known, "{len} {shown}");
        }
    }
}
