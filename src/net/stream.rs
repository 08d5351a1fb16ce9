//! The sockets of connections and of their listeners: TCP, or a Unix socket.
//!
//! A client of a Unix socket has no address. It gets [`UNIX_PEER`], so it counts as a program on this computer wherever
//! addresses are compared.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use socket2::Socket;

/// The address of every client of a Unix socket, and of the socket itself: loopback, with a port that no TCP socket has.
pub(crate) const UNIX_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The socket of a connection. System calls take its descriptor, so there is no branch for them.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// For what only TCP has.
    pub(crate) fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(socket) => Some(socket),
            Stream::Unix(_) => None,
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        match self {
            Stream::Tcp(socket) => socket.shutdown(how),
            Stream::Unix(socket) => socket.shutdown(how),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            Stream::Tcp(socket) => socket,
            Stream::Unix(socket) => socket,
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(socket) => socket.as_fd(),
            Stream::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Source for Stream {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.source().reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

/// A listening socket of a loop.
#[derive(Debug)]
pub(crate) enum ListenSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl ListenSocket {
    /// `address` tells which of the two it is.
    pub(crate) fn new(socket: Socket, address: SocketAddr) -> ListenSocket {
        match address {
            UNIX_PEER => ListenSocket::Unix(UnixListener::from_std(OwnedFd::from(socket).into())),
            _ => ListenSocket::Tcp(TcpListener::from_std(socket.into())),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            ListenSocket::Tcp(socket) => socket.accept().map(|(socket, peer)| (Stream::Tcp(socket), peer)),
            ListenSocket::Unix(socket) => socket.accept().map(|(socket, _)| (Stream::Unix(socket), UNIX_PEER)),
        }
    }

    pub(crate) fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenSocket::Tcp(socket) => socket,
            ListenSocket::Unix(socket) => socket,
        }
    }
}

impl AsFd for ListenSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ListenSocket::Tcp(socket) => socket.as_fd(),
            ListenSocket::Unix(socket) => socket.as_fd(),
        }
    }
}
