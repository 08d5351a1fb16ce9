//! Counters that the kernel keeps for a connection, asked over netlink (sock_diag(7)).
//!
//! `TCP_INFO` and `SIOCOUTQ` cannot be called without `unsafe`. But the kernel answers questions about sockets over
//! netlink, at once and without privilege: 72 bytes with both addresses and the socket's cookie go out, an
//! `inet_diag_msg` comes back, followed by the attributes that were asked for. Where netlink is forbidden (a sandbox),
//! nothing is known, and callers must do without.
//!
//! Three things are asked: how many bytes wait for a slow reader ([`UnsentLimit`]), while the wire view is open, how
//! many TCP segments brought the bytes of a `recv` ([`SegmentCounter`]), and, before the view is opened, whose program a
//! client on this machine is ([`is_own_user`]).
//!
//! ```text
//! question   nlmsghdr 16 │ inet_diag_req_v2 56
//! reply      nlmsghdr 16 │ inet_diag_msg 72 │ attributes: length 2, type 2, value, padding to 4
//! ```
//!
//! Numbers are in the byte order of the machine; ports and addresses in that of the network.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use mio::net::TcpStream;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, recv, send, socket_with, sockopt,
};
use rustix::process::geteuid;
use socket2::SockRef;

/// Size of a question: `nlmsghdr` and `inet_diag_req_v2`.
const QUESTION: usize = 16 + 56;
/// Size of a reply without attributes: `nlmsghdr` and `inet_diag_msg`.
const REPLY: usize = 16 + 72;
/// The type `SOCK_DIAG_BY_FAMILY` of question and reply.
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// `INET_DIAG_INFO`: the attribute with `tcp_info`, and the number of the bit that asks for it.
const INFO: u16 = 2;
/// Where in the reply the connection's state stands, and the number of bytes not acknowledged yet.
const STATE: usize = 17;
/// `idiag_wqueue`: bytes that were written and not acknowledged, sent or not.
const QUEUED: usize = 76;
/// Where the ports stand, that of the socket first, and the number of its user.
const PORTS: usize = 20;
const USER: usize = 80;
/// `INET_DIAG_NOCOOKIE`: any socket with these addresses.
const ANY_COOKIE: u64 = u64::MAX;
/// `TCP_ESTABLISHED`.
const ESTABLISHED: u8 = 1;
/// The number of users that a user namespace does not know (/proc/sys/kernel/overflowuid).
const UNKNOWN_USER: u32 = 65_534;
/// Size of the buffer for a reply: `tcp_info` grows with every kernel, and has 280 bytes in 6.18.
const REPLY_BUFFER: usize = 1024;

/// Where in `tcp_info` two counters stand.
const BYTES_RECEIVED: usize = 128;
const DATA_SEGMENTS_IN: usize = 152;
/// The states after a FIN of the peer: CLOSE_WAIT, LAST_ACK, CLOSING. The kernel counts the FIN as one byte.
const HALF_CLOSED: [u8; 3] = [8, 9, 11];

/// How many bytes may wait in the kernel, unsent, for one reader (`TCP_NOTSENT_LOWAT`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnsentLimit {
    /// For every connection, from the start. With megabytes in the queue the kernel would report a socket as writable
    /// so seldom that a slow reader looks like one that has stopped.
    Low,
    /// For a fast reader of a large file. Each writable event costs a turn, and with eight such readers those turns
    /// were a third of the processor time.
    High,
}

impl UnsentLimit {
    pub(crate) const fn bytes(self) -> u32 {
        match self {
            UnsentLimit::Low => 128 * 1024,
            UnsentLimit::High => 2 * 1024 * 1024,
        }
    }

    /// Raises the limit of a fast reader. Only where the kernel can be asked how much is queued: writable events come
    /// so seldom then that they do not show the progress of the reader.
    pub(crate) fn raise(&mut self, diag: &mut Option<SocketDiag>, socket: &TcpStream, peer: SocketAddr) {
        if diag.as_mut().and_then(|diag| diag.queued(socket, peer)).is_some() {
            // The kernel reports the socket as writable by itself after this.
            self.set(UnsentLimit::High, socket);
        }
    }

    /// Lowers it again, for a reader that is not fast any more.
    pub(crate) fn lower_unless(&mut self, is_fast: bool, socket: &TcpStream) {
        // Set only when it changes: most readers were never raised.
        if *self == UnsentLimit::High && !is_fast {
            self.set(UnsentLimit::Low, socket);
        }
    }

    fn set(&mut self, limit: UnsentLimit, socket: &TcpStream) {
        if SockRef::from(socket).set_tcp_notsent_lowat(limit.bytes()).is_ok() {
            *self = limit;
        }
    }
}

/// A netlink socket for questions.
#[derive(Debug)]
pub(crate) struct SocketDiag {
    /// Non-blocking, connected to the kernel.
    netlink: OwnedFd,
    /// The number of the last question.
    number: u32,
}

/// The kernel's reply about one connection.
pub(crate) struct Reply<'a>(&'a [u8]);

impl SocketDiag {
    /// `None` where nothing can be asked.
    pub(crate) fn new() -> Option<SocketDiag> {
        // Non-blocking: the reply is there when send returns, and if it is not, the loop must not wait for it.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).ok()?;
        connect(&netlink, &SocketAddrNetlink::new(0, 0)).ok()?;
        Some(SocketDiag { netlink, number: 0 })
    }

    /// Bytes that the peer has not acknowledged, sent or not.
    pub(crate) fn queued(&mut self, socket: &TcpStream, peer: SocketAddr) -> Option<u32> {
        self.ask(socket, socket.local_addr().ok()?, peer, false, |reply| word(reply.0, QUEUED))
    }

    /// Asks about one connection; `with_info`: its `tcp_info` too.
    fn ask<T>(
        &mut self,
        socket: &TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        with_info: bool,
        read: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Option<T> {
        // With its cookie the kernel finds this very socket, and not a later one with the same addresses.
        let cookie = sockopt::socket_cookie(socket).ok()?;
        self.ask_about(cookie, local, peer, with_info, read)
    }

    /// The same about the socket with this cookie, or [`ANY_COOKIE`].
    fn ask_about<T>(
        &mut self,
        cookie: u64,
        local: SocketAddr,
        peer: SocketAddr,
        with_info: bool,
        read: impl FnOnce(Reply<'_>) -> Option<T>,
    ) -> Option<T> {
        self.number = self.number.wrapping_add(1);
        let attributes = u8::from(with_info) << (INFO - 1);
        let question = question(self.number, cookie, local, peer, attributes);
        send(&self.netlink, &question, SendFlags::DONTWAIT).ok()?;
        let mut buffer = [0; REPLY_BUFFER];
        while let Ok((count, _)) = recv(&self.netlink, &mut buffer[..], RecvFlags::DONTWAIT) {
            let reply = &buffer[..count.min(REPLY_BUFFER)];
            // The reply to an earlier question may still lie here: its number is another one, and it is skipped.
            if word(reply, 8) == Some(self.number) {
                return Reply::of(reply).and_then(read);
            }
        }
        None
    }
}

impl<'a> Reply<'a> {
    /// `None` for a message that is no reply, which mostly is an error.
    fn of(message: &'a [u8]) -> Option<Reply<'a>> {
        // An error message is shorter, and has another type.
        let is_reply = message.len() >= REPLY && u16::from_ne_bytes([message[4], message[5]]) == BY_FAMILY;
        is_reply.then_some(Reply(message))
    }

    /// The attribute `tcp_info`.
    fn info(&self) -> Option<&'a [u8]> {
        let mut attributes = &self.0[REPLY..];
        while let [low, high, kind_low, kind_high, ..] = *attributes {
            let len = usize::from(u16::from_ne_bytes([low, high]));
            let value = attributes.get(4..len)?;
            if u16::from_ne_bytes([kind_low, kind_high]) == INFO {
                return Some(value);
            }
            // Attributes are padded to four bytes.
            attributes = attributes.get(len.next_multiple_of(4)..)?;
        }
        None
    }

    /// The number of segments with data, and the number of bytes in them. `None` of a kernel too old to count.
    ///
    /// The two counters are those of `tcp_info`: `tcpi_data_segs_in` and `tcpi_bytes_received`.
    fn received(&self) -> Option<(u32, u64)> {
        let info = self.info()?;
        let bytes = u64::from_ne_bytes(info.get(BYTES_RECEIVED..BYTES_RECEIVED + 8)?.try_into().ok()?);
        let fin = HALF_CLOSED.contains(&self.0[STATE]);
        Some((word(info, DATA_SEGMENTS_IN)?, bytes.checked_sub(u64::from(fin))?))
    }
}

/// Whether the client at `peer`, which is connected to our address `local`, is a program of our user on this machine.
/// `false` where nothing can be asked. The first question may load a module of the kernel, so it belongs on a worker.
pub fn is_own_user(peer: SocketAddr, local: SocketAddr) -> bool {
    // A dual-stack socket has IPv4 clients as ::ffff:127.0.0.1; the client's own socket is an IPv4 one.
    let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
    let (client, server) = (canonical(peer), canonical(local));
    // The client's socket, so it is the local one of the question. For addresses without a connection the kernel names
    // a socket that listens there, and a closed one has no owner: only the state of an open connection will do.
    let user = SocketDiag::new().and_then(|mut diag| {
        diag.ask_about(ANY_COOKIE, client, server, false, |Reply(reply)| {
            let ports = [client.port().to_be_bytes(), server.port().to_be_bytes()].concat();
            word(reply, USER).filter(|_| reply[STATE] == ESTABLISHED && reply[PORTS..].starts_with(&ports))
        })
    });
    // In a user namespace all users from outside have one and the same number, which proves nothing.
    user.is_some_and(|user| user == geteuid().as_raw() && user != UNKNOWN_USER)
}

fn question(number: u32, cookie: u64, local: SocketAddr, peer: SocketAddr, attributes: u8) -> Vec<u8> {
    let (family, scope) = match local {
        SocketAddr::V4(_) => (AddressFamily::INET, 0),
        SocketAddr::V6(local) => (AddressFamily::INET6, local.scope_id()),
    };
    let address = |address| match address {
        IpAddr::V4(address) => [&address.octets()[..], &[0; 12]].concat(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    [
        // nlmsghdr: length, type, flags, number, port
        &(QUESTION as u32).to_ne_bytes()[..],
        &BY_FAMILY.to_ne_bytes(),
        &REQUEST.to_ne_bytes(),
        &number.to_ne_bytes(),
        &[0; 4],
        // inet_diag_req_v2: family, protocol, wanted attributes, a mask for any state
        &[family.as_raw() as u8, TCP, attributes, 0],
        &u32::MAX.to_ne_bytes(),
        // inet_diag_sockid: ports and addresses in network order, interface, cookie as two words, the lower one first
        &local.port().to_be_bytes(),
        &peer.port().to_be_bytes(),
        &address(local.ip()),
        &address(peer.ip()),
        &scope.to_ne_bytes(),
        &(cookie as u32).to_ne_bytes(),
        &((cookie >> 32) as u32).to_ne_bytes(),
    ]
    .concat()
}

/// The number of four bytes at a place of a message.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Tells how many TCP segments brought the bytes of each `recv`.
#[derive(Debug)]
pub(crate) struct SegmentCounter {
    /// Its own netlink socket, not that of the loop: the tap exists only while the wire view is on.
    diag: SocketDiag,
    /// What is known of each connection, by its number in the record.
    connections: BTreeMap<u64, Counted>,
}

/// What is remembered of a connection.
#[derive(Debug)]
struct Counted {
    /// Asked once: the address of a connection does not change.
    local: SocketAddr,
    /// Bytes received by this program.
    bytes: u64,
    /// Segments at the last `recv`, if the kernel had counted just these bytes then.
    segments: Option<u32>,
}

impl SegmentCounter {
    /// `None` where nothing can be asked.
    pub(crate) fn new() -> Option<SegmentCounter> {
        Some(SegmentCounter { diag: SocketDiag::new()?, connections: BTreeMap::new() })
    }

    /// How many segments brought the `bytes` that a `recv` has just returned; `None` where it is not certain.
    pub(crate) fn count(&mut self, connection: u64, socket: &TcpStream, peer: SocketAddr, bytes: usize) -> Option<u32> {
        let counted = match self.connections.entry(connection) {
            Entry::Occupied(counted) => counted.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Counted { local: socket.local_addr().ok()?, bytes: 0, segments: Some(0) })
            }
        };
        // Counted even if the question fails, so that a later one can be certain again.
        counted.bytes += bytes as u64;
        let before = counted.segments.take();
        let (segments, total) = self.diag.ask(socket, counted.local, peer, true, |reply| reply.received())?;
        // More may have come between the recv and the question, or the recv has left something. Only when the kernel
        // counts exactly the bytes received here, now and the last time, is the difference the right number.
        if total != counted.bytes {
            return None;
        }
        counted.segments = Some(segments);
        before.and_then(|before| segments.checked_sub(before)).filter(|count| *count > 0)
    }

    pub(crate) fn forget(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }
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

    /// A reply whose only attribute is `tcp_info`: `len` as it says, `shown` bytes of it there.
    fn reply(len: u16, shown: usize) -> Vec<u8> {
        let mut reply = vec![0; REPLY];
        reply[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        reply.extend_from_slice(&[len.to_ne_bytes(), INFO.to_ne_bytes()].concat());
        reply.resize(REPLY + 4 + shown, 7);
        reply
    }

    #[test]
    fn bytes_a_reader_leaves_are_queued_and_those_it_takes_are_not() {
        const SENT: usize = 1 << 20;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (Some((mut client, server, peer)), Some(mut diag)) = (pair(address), SocketDiag::new()) else {
                eprintln!("skipped: nothing can be asked of {address} here");
                continue;
            };
            assert_eq!(diag.queued(&server, peer), Some(0));
            let (mut sent, block) = (0, vec![7; SENT]);
            // More than the buffers of both sides take.
            while let Ok(count) = send(&server, &block, SendFlags::DONTWAIT) {
                sent += count;
            }
            let before = diag.queued(&server, peer).unwrap();
            assert!(before > 0 && before as usize <= sent, "{before} of {sent}");
            client.read_exact(&mut vec![0; sent - before as usize + 1]).unwrap();
            let (end, took) = (std::time::Instant::now() + std::time::Duration::from_secs(30), before - 1);
            while diag.queued(&server, peer).unwrap() > took {
                assert!(std::time::Instant::now() < end, "bytes that were taken stay in the queue");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn the_user_of_a_client_is_known_only_while_it_is_connected() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (Some((client, server, peer)), Some(_)) = (pair(address), SocketDiag::new()) else {
                eprintln!("skipped: nothing can be asked of {address} here");
                continue;
            };
            let local = server.local_addr().unwrap();
            assert!(is_own_user(peer, local));
            let mapped = |address: SocketAddr| match address.ip() {
                IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
                IpAddr::V6(_) => address,
            };
            assert!(is_own_user(mapped(peer), mapped(local)), "as a dual-stack socket names it");
            // At addresses without a connection a socket may listen, which says nothing about a client.
            let listener = TcpListener::bind(address).unwrap();
            assert!(!is_own_user(listener.local_addr().unwrap(), local));
            drop(client);
            assert!(!is_own_user(peer, local), "a socket that is closed has no user");
        }
    }

    #[test]
    fn a_message_that_is_no_reply_says_nothing() {
        assert!(Reply::of(&[]).is_none());
        let mut error = reply(4, 0);
        error[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert!(Reply::of(&error).is_none());
        for (len, shown, is_known) in
            [(4 + 160u16, 160, true), (4 + 155, 155, true), (400, 160, false), (3, 160, false)]
        {
            assert_eq!(Reply::of(&reply(len, shown)).unwrap().info().is_some(), is_known, "{len} {shown}");
        }
    }

    /// Until everything has come.
    fn read(server: &mut TcpStream, len: usize) -> usize {
        let mut buffer = vec![0; len];
        while rustix::net::recv(&*server, &mut buffer[..], RecvFlags::PEEK).unwrap().0 < len {}
        server.read(&mut buffer).unwrap()
    }

    #[test]
    fn segments_are_counted_for_both_families_and_a_fin_is_none() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Some((mut client, mut server, peer)) = pair(address) else {
                eprintln!("skipped: no {address} here");
                continue;
            };
            let Some(mut segments) = SegmentCounter::new() else {
                eprintln!("skipped: nothing can be asked here");
                return;
            };
            for byte in [b"a", b"b", b"c"] {
                client.write_all(byte).unwrap();
            }
            let count = read(&mut server, 3);
            assert_eq!(segments.count(1, &server, peer, count), Some(3), "{address}");
            client.write_all(b"alone").unwrap();
            let count = read(&mut server, 5);
            assert_eq!(segments.count(1, &server, peer, count), Some(1), "{address}");
            // Bytes that a recv leaves make its number uncertain, and that of the next one too.
            client.write_all(b"torn apart").unwrap();
            for len in [4, 6] {
                let mut buffer = [0; 10];
                while rustix::net::recv(&server, &mut buffer[..], RecvFlags::PEEK).unwrap().0 < len {}
                let count = server.read(&mut buffer[..len]).unwrap();
                let _ = segments.count(1, &server, peer, count);
            }
            client.write_all(b"end").unwrap();
            client.shutdown(std::net::Shutdown::Write).unwrap();
            let count = read(&mut server, 3);
            assert_eq!(segments.count(1, &server, peer, count), Some(1), "{address}");
            segments.forget(1);
            assert!(segments.connections.is_empty());
        }
    }

    #[test]
    fn an_old_kernel_counts_nothing() {
        for (shown, counts) in [(160u16, true), (155, false)] {
            let reply = reply(4 + shown, shown.into());
            assert_eq!(Reply::of(&reply).and_then(|reply| reply.received()).is_some(), counts, "{shown}");
        }
    }
}
