//! How much of an answer may wait in the kernel, unsent, for one reader (`TCP_NOTSENT_LOWAT`).
//!
//! Little for everybody ([`crate::net::listener`]): it is memory, and the kernel tells of room only when half of it
//! has left. More for a reader who takes a large file as fast as it comes: each time of room costs a turn, and
//! with eight such readers those turns were a third of the processor time.
//!
//! Never: on the way of a small answer. It is thought of when a socket is full.
//!
//! The subtle thing: with more in the queue an honest reader who becomes slow is heard of so seldom that it
//! looks dead. So nobody gets more where the kernel cannot be asked how long the queue is ([`Deadline::is_over`]
//! asks when a window was silent), and who is silent for a window gets little again.
//!
//! [`Deadline::is_over`]: crate::net::deadline::Deadline::is_over

use std::net::SocketAddr;

use mio::net::TcpStream;
#[cfg(target_os = "linux")]
use socket2::SockRef;

#[cfg(target_os = "linux")]
use crate::net::tcp_info::Diag;

/// Bytes for everybody. Without this bound a send buffer of megabytes reports "writable" so seldom that an honest
/// slow reader looks dead.
pub const LOW: u32 = 128 * 1024;
/// Bytes for a fast reader: a turn moves half of it.
#[cfg(target_os = "linux")]
const HIGH: u32 = 2 * 1024 * 1024;
/// A reader is fast that has taken this much at this many bytes a second. For one that is slower, turns are rare
/// as they are.
pub(crate) const FAST: (u64, u64) = (4 * 1024 * 1024, 16 * 1024 * 1024);

/// What one loop asks the kernel about queues.
#[derive(Debug)]
pub struct LowWater {
    #[cfg(target_os = "linux")]
    diag: Option<Diag>,
}

impl LowWater {
    /// Opens the socket that takes the questions, once and for all: later there may be no descriptor for it.
    pub fn open() -> LowWater {
        LowWater {
            #[cfg(target_os = "linux")]
            diag: Diag::new(),
        }
    }

    /// Bytes that wait for a reader, sent or not; `None` where that cannot be known.
    #[cfg(target_os = "linux")]
    fn queued(&mut self, socket: &TcpStream, peer: SocketAddr) -> Option<u32> {
        self.diag.as_mut()?.queued(socket, peer)
    }

    #[cfg(not(target_os = "linux"))]
    fn queued(&mut self, _: &TcpStream, _: SocketAddr) -> Option<u32> {
        None
    }

    /// A window of this reader was silent: how much waits for it. Whatever it was before, it is not fast.
    pub(crate) fn look(&mut self, socket: &TcpStream, peer: SocketAddr, is_high: &mut bool) -> Option<u32> {
        if std::mem::take(is_high) {
            set(socket, false);
        }
        self.queued(socket, peer)
    }

    /// More may wait for this reader from now on; `false` where that cannot be had.
    pub(crate) fn raise(&mut self, socket: &TcpStream, peer: SocketAddr) -> bool {
        // The kernel tells of the new room by itself.
        self.queued(socket, peer).is_some() && set(socket, true)
    }
}

/// `false` where it is not to be had.
#[cfg(target_os = "linux")]
fn set(socket: &TcpStream, is_high: bool) -> bool {
    SockRef::from(socket).set_tcp_notsent_lowat(if is_high { HIGH } else { LOW }).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn set(_: &TcpStream, _: bool) -> bool {
    false
}
