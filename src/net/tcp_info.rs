//! Questions to the kernel about one connection: sock_diag(7).
//!
//! `TCP_INFO` and `SIOCOUTQ` have no safe call. But the kernel answers questions about sockets over netlink: 72
//! bytes with the two addresses and the socket's cookie go out, an `inet_diag_msg` comes back, at once and
//! without any privilege; behind it stands what else was asked for.
//!
//! Never: a wait. Where there is no netlink (a sandbox, another system), there is no [`Diag`].
//!
//! The subtle thing: an answer may come late, to a question that nobody waits for any more, so each has its
//! number.

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
/// Places in the answer: the bytes that the peer has not acknowledged yet, and the state.
const QUEUED: usize = 76;
#[cfg(feature = "wire")]
const STATE: usize = 17;
/// Room for an answer: `tcp_info` grows with every kernel, and has 280 bytes in 6.18.
const ROOM: usize = 1024;

/// A socket that takes questions.
#[derive(Debug)]
pub(crate) struct Diag {
    netlink: OwnedFd,
    number: u32,
}

/// What the kernel says of a connection.
pub(crate) struct Known<'a> {
    answer: &'a [u8],
}

impl Diag {
    /// `None` where nothing can be asked.
    pub(crate) fn new() -> Option<Diag> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let netlink = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(SOCK_DIAG)).ok()?;
        connect(&netlink, &SocketAddrNetlink::new(0, 0)).ok()?;
        Some(Diag { netlink, number: 0 })
    }

    /// Bytes of a connection that its peer has not acknowledged, sent or not.
    pub(crate) fn queued(&mut self, socket: &TcpStream, peer: SocketAddr) -> Option<u32> {
        self.ask(socket, socket.local_addr().ok()?, peer, false, |known| number(known.answer, QUEUED))
    }

    /// Asks about one connection; `with_info`: for its `tcp_info` too.
    pub(crate) fn ask<T>(
        &mut self,
        socket: &TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        with_info: bool,
        read: impl FnOnce(Known<'_>) -> Option<T>,
    ) -> Option<T> {
        self.number = self.number.wrapping_add(1);
        let cookie = sockopt::socket_cookie(socket).ok()?;
        let attributes = u8::from(with_info) << (INFO - 1);
        let question = question(self.number, cookie, local, peer, attributes);
        send(&self.netlink, &question, SendFlags::DONTWAIT).ok()?;
        let mut room = [0; ROOM];
        while let Ok((count, _)) = recv(&self.netlink, &mut room[..], RecvFlags::DONTWAIT) {
            let answer = &room[..count.min(ROOM)];
            if number(answer, 8) == Some(self.number) {
                return Known::of(answer).and_then(read);
            }
        }
        None
    }
}

impl<'a> Known<'a> {
    /// `None` of an answer that tells nothing: of an error, mostly.
    fn of(answer: &'a [u8]) -> Option<Known<'a>> {
        let is_answer = answer.len() >= ANSWER && u16::from_ne_bytes([answer[4], answer[5]]) == BY_FAMILY;
        is_answer.then_some(Known { answer })
    }

    /// The state of the connection, as the kernel counts them.
    #[cfg(feature = "wire")]
    pub(crate) fn state(&self) -> u8 {
        self.answer[STATE]
    }

    /// Its `tcp_info`.
    #[cfg(any(test, feature = "wire"))]
    pub(crate) fn info(&self) -> Option<&'a [u8]> {
        let mut attributes = &self.answer[ANSWER..];
        while let [low, high, kind_low, kind_high, ..] = *attributes {
            let len = usize::from(u16::from_ne_bytes([low, high]));
            let value = attributes.get(4..len)?;
            if u16::from_ne_bytes([kind_low, kind_high]) == INFO {
                return Some(value);
            }
            attributes = attributes.get(len.next_multiple_of(4)..)?;
        }
        None
    }
}

fn question(number: u32, cookie: u64, local: SocketAddr, peer: SocketAddr, attributes: u8) -> [u8; QUESTION] {
    let (family, scope) = match local {
        SocketAddr::V4(_) => (AddressFamily::INET, 0),
        SocketAddr::V6(local) => (AddressFamily::INET6, local.scope_id()),
    };
    let mut question = [0; QUESTION];
    let mut put = |at: usize, bytes: &[u8]| question[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(QUESTION as u32).to_ne_bytes());
    put(4, &BY_FAMILY.to_ne_bytes());
    put(6, &REQUEST.to_ne_bytes());
    put(8, &number.to_ne_bytes());
    put(16, &[family.as_raw() as u8, TCP, attributes, 0]);
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

/// A word of an answer.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Read;
    use std::net::{TcpListener, TcpStream as Plain};

    use super::*;

    /// A connection over `address`, and the server's end of it.
    pub(in crate::net) fn pair(address: &str) -> Option<(Plain, TcpStream, SocketAddr)> {
        let listener = TcpListener::bind(address).ok()?;
        let client = Plain::connect(listener.local_addr().unwrap()).unwrap();
        client.set_nodelay(true).unwrap();
        let (server, peer) = listener.accept().unwrap();
        Some((client, TcpStream::from_std(server), peer))
    }

    /// An answer whose only attribute is `tcp_info`: `len` as it says, `shown` bytes of it there.
    pub(in crate::net) fn answer(len: u16, shown: usize) -> Vec<u8> {
        let mut answer = vec![0; ANSWER];
        answer[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        answer.extend_from_slice(&[len.to_ne_bytes(), INFO.to_ne_bytes()].concat());
        answer.resize(ANSWER + 4 + shown, 7);
        answer
    }

    /// What is known from an answer.
    pub(in crate::net) fn known(answer: &[u8]) -> Option<Known<'_>> {
        Known::of(answer)
    }

    #[test]
    fn what_a_reader_leaves_is_queued_and_what_it_takes_is_not() {
        const SENT: usize = 1 << 20;
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let (Some((mut client, server, peer)), Some(mut diag)) = (pair(address), Diag::new()) else {
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
                assert!(std::time::Instant::now() < end, "what was taken stays in the queue");
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn what_is_no_answer_says_nothing() {
        assert!(Known::of(&[]).is_none());
        let mut error = answer(4, 0);
        error[4..6].copy_from_slice(&2u16.to_ne_bytes());
        assert!(Known::of(&error).is_none());
        for (len, shown, is_known) in
            [(4 + 160u16, 160, true), (4 + 155, 155, true), (400, 160, false), (3, 160, false)]
        {
            assert_eq!(Known::of(&answer(len, shown)).unwrap().info().is_some(), is_known, "{len} {shown}");
        }
    }
}
