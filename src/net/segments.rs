//! How many TCP segments a `recv` took: asked of the kernel, while somebody watches.
//!
//! Of the socket's `tcp_info`, which [`crate::net::tcp_info`] asks for, `data_segs_in` and `bytes_received` are used.
//!
//! Never: a wait, a guess. Where there is no netlink (a sandbox, another system), nothing is said.
//!
//! The subtle thing: between the `recv` and the question more may have come, and a `recv` may leave something
//! behind. So a number is only told when the kernel has counted exactly the bytes that this program
//! has received, now and the last time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::net::tcp_info::{Diag, Known, number};

/// Places in `tcp_info`.
const BYTES_RECEIVED: usize = 128;
const DATA_SEGS_IN: usize = 152;
/// The states behind a FIN of the peer, which the kernel counts as a byte: CLOSE_WAIT, LAST_ACK, CLOSING.
const HALF_CLOSED: [u8; 3] = [8, 9, 11];

/// What is remembered of a connection.
#[derive(Debug)]
struct Seen {
    local: SocketAddr,
    /// Bytes received by this program.
    bytes: u64,
    /// Segments when the kernel had counted the same bytes; `None` since it has not.
    segments: Option<u32>,
}

/// The questions of one loop.
#[derive(Debug)]
pub(crate) struct Segments {
    diag: Diag,
    seen: BTreeMap<u64, Seen>,
}

impl Segments {
    /// `None` where nothing can be asked.
    pub(crate) fn new() -> Option<Segments> {
        Some(Segments { diag: Diag::new()?, seen: BTreeMap::new() })
    }

    /// How many segments brought the `bytes` which a `recv` has just taken; `None` where that is not certain.
    pub(crate) fn of(&mut self, connection: u64, socket: &TcpStream, peer: SocketAddr, bytes: usize) -> Option<u32> {
        let seen = match self.seen.entry(connection) {
            Entry::Occupied(seen) => seen.into_mut(),
            Entry::Vacant(place) => {
                place.insert(Seen { local: socket.local_addr().ok()?, bytes: 0, segments: Some(0) })
            }
        };
        seen.bytes += bytes as u64;
        let (local, total, before) = (seen.local, seen.bytes, seen.segments.take());
        let counted = self.diag.ask(socket, local, peer, true, counted)?;
        if counted.bytes != total {
            return None;
        }
        self.seen.get_mut(&connection)?.segments = Some(counted.segments);
        before.and_then(|before| counted.segments.checked_sub(before)).filter(|count| *count > 0)
    }

    /// The connection has ended.
    pub(crate) fn forget(&mut self, connection: u64) {
        self.seen.remove(&connection);
    }
}

/// What the kernel has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counted {
    segments: u32,
    bytes: u64,
}

/// The counters in an answer; `None` of a kernel too old to count.
fn counted(known: Known<'_>) -> Option<Counted> {
    let info = known.info()?;
    let bytes = u64::from_ne_bytes(info.get(BYTES_RECEIVED..BYTES_RECEIVED + 8)?.try_into().ok()?);
    let bytes = bytes.checked_sub(u64::from(HALF_CLOSED.contains(&known.state())))?;
    Some(Counted { segments: number(info, DATA_SEGS_IN)?, bytes })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustix::net::RecvFlags;

    use super::*;
    use crate::net::tcp_info::tests::{answer, known, pair};

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
            for byte in [b"a", b"b", b"c"] {
                client.write_all(byte).unwrap();
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
    fn an_old_kernel_counts_nothing() {
        for (shown, counts) in [(160u16, true), (155, false)] {
            let answer = answer(4 + shown, shown.into());
            assert_eq!(known(&answer).and_then(counted).is_some(), counts, "{shown}");
        }
    }
}
