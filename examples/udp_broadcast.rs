//! Lab 12: a UDP broadcast. One send() reaches every socket that waits on the port.
//!
//! ```text
//! cargo run --example udp_broadcast                both ends are in this program; uses socket2
//! ```
//!
//! It prints:
//!
//! ```text
//! without SO_BROADCAST:  send() fails: permission denied
//! with SO_BROADCAST:     1 × send(), 3 × recv():  "hello" "hello" "hello"
//! ```
//!
//! TCP cannot do this: a connection has exactly two ends. Programs use it to find a printer or a game in
//! the local network without knowing its address. The kernel asks for an option first, SO_BROADCAST, so
//! that nobody sends to all computers by mistake. In Python:
//!
//! ```text
//! s = socket.socket(AF_INET, SOCK_DGRAM)
//! s.setsockopt(SOL_SOCKET, SO_BROADCAST, 1)
//! s.sendto(b"hello", ("255.255.255.255", 7011))
//! ```
//!
//! Here the address is 127.255.255.255, the broadcast address of this computer alone. 255.255.255.255 is
//! every computer of the local network; a router does not forward it.
//!
//! Try to break it:
//! - Remove `set_reuse_address`: the second receiver cannot bind the port that the first one has.
//! - Send to 127.0.0.1 instead. That is one address of one computer, so only one receiver gets it.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

const MESSAGE: &[u8] = b"hello";
const RECEIVERS: usize = 3;
/// Datagrams can be lost, so no recv() waits for ever.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    let first = receiver(0)?;
    let port = first.local_addr()?.port();
    let mut receivers = vec![first];
    while receivers.len() < RECEIVERS {
        receivers.push(receiver(port)?);
    }

    let everybody = SocketAddr::from((Ipv4Addr::new(127, 255, 255, 255), port));
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    match sender.send_to(MESSAGE, everybody) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            println!("without SO_BROADCAST:  send() fails: {}", error.kind());
        }
        other => println!("without SO_BROADCAST:  send() returns {other:?}"),
    }

    sender.set_broadcast(true)?;
    sender.send_to(MESSAGE, everybody)?;
    let mut received = Vec::new();
    for receiver in &receivers {
        let mut buffer = [0; 2048];
        let (count, _) = receiver.recv_from(&mut buffer)?;
        received.push(format!("{:?}", String::from_utf8_lossy(&buffer[..count])));
    }
    println!("with SO_BROADCAST:     1 × send(), {} × recv():  {}", received.len(), received.join(" "));
    Ok(())
}

/// A socket that waits for datagrams on a port which others use too. Port 0 means "any free one".
fn receiver(port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_reuse_address(true)?;
    // All addresses of this computer: a socket bound to 127.0.0.1 gets no broadcasts.
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}
