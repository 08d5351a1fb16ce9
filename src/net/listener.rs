//! Listening sockets, and the options that accepted sockets inherit from them.
//!
//! Each loop has a listening socket of its own on the same port (SO_REUSEPORT), so the kernel spreads connections and
//! no lock is shared. But two servers that both bind with SO_REUSEPORT would share one port silently, each with half
//! of the connections. So the first socket binds *without* the option, which fails with `EADDRINUSE` if the port is
//! taken, gets the option after that, and only then do the sockets of the other loops join.
//!
//! [`UnsentQuery`] decides how much of a response may wait in the kernel, unsent, for one reader (`TCP_NOTSENT_LOWAT`).

use std::io;
use std::net::{SocketAddr, TcpListener};

use mio::net::TcpStream;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::net::tcp_info::SocketDiag;

/// Connections the kernel completes before they are accepted; beyond it SYNs are dropped. The kernel itself cuts it to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 1024;
/// A reader is fast when it has taken this many bytes, at this many bytes a second. A slower one needs few turns as it
/// is.
pub(crate) const FAST: (u64, u64) = (4 * 1024 * 1024, 16 * 1024 * 1024);

/// A bound, listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: SocketAddr,
    inherited: bool,
}

impl Listener {
    /// Binds and listens.
    ///
    /// # Errors
    /// What the kernel says; `EADDRINUSE` if the port is taken.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = prepare(address)?;
        socket.bind(&address.into())?;
        // After bind: set before, it would let this server share the port with another one.
        socket.set_reuse_port(true)?;
        socket.listen(BACKLOG)?;
        // If port 0 was asked for, the kernel has chosen one.
        let address = address_of(&socket)?;
        Ok(Listener { socket, address, inherited: false })
    }

    /// A socket that a service manager has bound.
    ///
    /// # Errors
    /// What the kernel says about its address and options.
    pub fn inherited(socket: TcpListener) -> io::Result<Listener> {
        // The service manager may have made it blocking.
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        set_inherited_options(&socket);
        let address = address_of(&socket)?;
        Ok(Listener { socket, address, inherited: true })
    }

    /// The address it is bound to, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One socket for each of `loops` loops.
    pub(crate) fn share(self, loops: usize) -> io::Result<Vec<LoopListener>> {
        let mut sockets = Vec::with_capacity(loops);
        for _ in 1..loops {
            // An inherited socket may have been bound without SO_REUSEPORT, so nothing can be bound beside it: all
            // loops accept from the one queue.
            let socket = if self.inherited { self.socket.try_clone()? } else { self.join()? };
            sockets.push(LoopListener { socket: TcpListener::from(socket), address: self.address });
        }
        // The first socket serves one loop too, so no queue is left without an accept.
        sockets.push(LoopListener { socket: TcpListener::from(self.socket), address: self.address });
        Ok(sockets)
    }

    /// Another socket on the same port.
    fn join(&self) -> io::Result<Socket> {
        let socket = prepare(self.address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }
}

/// The listening socket of one loop.
#[derive(Debug)]
pub struct LoopListener {
    pub(crate) socket: TcpListener,
    pub(crate) address: SocketAddr,
}

fn prepare(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart must not be refused because old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` beside `0.0.0.0`: two sockets, each for its own family.
        socket.set_only_v6(true)?;
    }
    set_inherited_options(&socket);
    Ok(socket)
}

/// Options that accepted sockets inherit, so that no connection pays a system call for them. A kernel that lacks one
/// serves all the same.
fn set_inherited_options(socket: &Socket) {
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_notsent_lowat(UnsentLimit::Low.bytes());
}

fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// How many bytes may wait unsent in the kernel for one reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsentLimit {
    /// For everyone, from the start. With megabytes in the queue the kernel would report a socket as writable so
    /// seldom that an honest slow reader looks dead.
    Low,
    /// For a fast reader of a large file. Each writable event costs a turn, and with eight such readers those turns
    /// were a third of the processor time.
    High,
}

impl UnsentLimit {
    const fn bytes(self) -> u32 {
        match self {
            UnsentLimit::Low => 128 * 1024,
            UnsentLimit::High => 2 * 1024 * 1024,
        }
    }

    /// Sets it; `false` where the kernel refuses.
    fn set(self, socket: &TcpStream) -> bool {
        SockRef::from(socket).set_tcp_notsent_lowat(self.bytes()).is_ok()
    }
}

/// Asks the kernel how much waits for a reader, and changes the limit.
#[derive(Debug)]
pub struct UnsentQuery {
    diag: Option<SocketDiag>,
}

impl UnsentQuery {
    /// Opens the netlink socket at the start: later there may be no descriptor for it.
    pub fn open() -> UnsentQuery {
        UnsentQuery { diag: SocketDiag::new() }
    }

    fn queued(&mut self, socket: &TcpStream, peer: SocketAddr) -> Option<u32> {
        self.diag.as_mut()?.queued(socket, peer)
    }

    /// After a window in which a reader took nothing: bytes that wait for it, if that can be known. It is not fast,
    /// so its limit is low again.
    pub(crate) fn after_silence(
        &mut self,
        socket: &TcpStream,
        peer: SocketAddr,
        limit: &mut UnsentLimit,
    ) -> Option<u32> {
        // Set only when it changes: most readers were never raised.
        if *limit == UnsentLimit::High {
            *limit = UnsentLimit::Low;
            limit.set(socket);
        }
        self.queued(socket, peer)
    }

    /// Raises the limit of a fast reader. Only where the kernel can be asked: an honest reader with so much in the
    /// queue is heard of so seldom that its progress could not be told from silence.
    pub(crate) fn raise(&mut self, socket: &TcpStream, peer: SocketAddr) -> UnsentLimit {
        // The kernel reports the new room as writable by itself.
        // Asked first, which also shows whether it can be asked later, when the answer is needed.
        let raised = self.queued(socket, peer).is_some() && UnsentLimit::High.set(socket);
        if raised { UnsentLimit::High } else { UnsentLimit::Low }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_server_is_refused_though_the_loops_share_the_port() {
        let first = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = first.address();
        let shares = first.share(3).unwrap();
        assert_eq!(shares.len(), 3);
        assert!(shares.iter().all(|s| s.socket.local_addr().unwrap() == address));
        assert_eq!(Listener::bind(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(shares);
        assert!(Listener::bind(address).is_ok());
    }
}
