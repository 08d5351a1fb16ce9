//! Listening sockets: bound once for certain, then shared out among the loops.
//!
//! Never: an accept. That is the loop's.
//!
//! The subtle thing: two servers that both bind with SO_REUSEPORT share one port silently, and each
//! gets half of the connections. So the first socket binds *without* the option (`EADDRINUSE` if
//! anybody holds the port), gets it after bind, and only then do the sockets of the other loops join:
//! there is no window between a probe and the real bind. An inherited socket is shared by all loops
//! instead, since nothing may be bound beside it.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections the kernel completes for us before we take them; beyond it SYNs are dropped. The
/// kernel itself cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 1024;

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
    /// What the kernel says; `EADDRINUSE` if anybody listens there.
    pub fn bind(address: SocketAddr) -> io::Result<Listener> {
        let socket = prepare(address)?;
        socket.bind(&address.into())?;
        #[cfg(target_os = "linux")]
        socket.set_reuse_port(true)?;
        socket.listen(BACKLOG)?;
        let address = address_of(&socket)?;
        Ok(Listener { socket, address, inherited: false })
    }

    /// A socket that a service manager has bound.
    ///
    /// # Errors
    /// What the kernel says about its address and options.
    pub fn inherited(socket: TcpListener) -> io::Result<Listener> {
        let socket = Socket::from(socket);
        socket.set_nonblocking(true)?;
        tune(&socket);
        let address = address_of(&socket)?;
        Ok(Listener { socket, address, inherited: true })
    }

    /// The address it is bound to, with its real port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// One socket for each of `loops` loops.
    pub(crate) fn share(self, loops: usize) -> io::Result<Vec<Share>> {
        let mut shares = Vec::with_capacity(loops);
        for _ in 1..loops {
            // Own queues spread the work without a lock; where the kernel does not balance between
            // them (everything but Linux) one queue is shared.
            let socket =
                if self.inherited || !cfg!(target_os = "linux") { self.socket.try_clone()? } else { self.join()? };
            shares.push(Share { socket: TcpListener::from(socket), address: self.address });
        }
        shares.push(Share { socket: TcpListener::from(self.socket), address: self.address });
        Ok(shares)
    }

    #[cfg(target_os = "linux")]
    fn join(&self) -> io::Result<Socket> {
        let socket = prepare(self.address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    }

    #[cfg(not(target_os = "linux"))]
    fn join(&self) -> io::Result<Socket> {
        self.socket.try_clone()
    }
}

/// What one loop listens on.
#[derive(Debug)]
pub struct Share {
    pub(crate) socket: TcpListener,
    pub(crate) address: SocketAddr,
}

fn prepare(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart beside connections in TIME_WAIT must not be refused.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` beside `0.0.0.0`: two sockets, each for its own family.
        socket.set_only_v6(true)?;
    }
    tune(&socket);
    Ok(socket)
}

/// Options that accepted sockets inherit, so that no connection pays a system call for them. A kernel
/// that lacks one serves all the same.
fn tune(socket: &Socket) {
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_notsent_lowat(crate::net::low_water::LOW);
}

fn address_of(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
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
