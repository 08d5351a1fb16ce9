//! Lab 12: UDP. The same upper-casing server, but without connections: there are only datagrams.
//!
//! ```text
//! rustc examples/udp_upper_server.rs                        builds it, in about a second
//! rustc examples/udp_upper_client.rs
//! ./udp_upper_server                                        on 127.0.0.1:7003
//! ./udp_upper_client                                        sends two datagrams
//! ./udp_upper_client 127.0.0.1:7003 one two three
//! ```
//!
//! What to look for: two send() calls there are two recv_from() calls here, always, with the same
//! boundaries. And no listen(), no accept(), no close(): one socket serves everybody, and each datagram
//! brings the address of its sender along.
//!
//! The price: a datagram may be lost, come twice, or overtake another, and the sender is not told.
//! `borders` shows UDP and TCP side by side.
//!
//! Try to break it:
//! - Send more than 2048 bytes in one datagram. recv_from() gives the first 2048, and the rest is gone:
//!   with UDP the buffer must be as large as the largest message. With TCP it would simply wait.
//! - Stop the server and start the client: its first send() succeeds all the same.

use std::io;
use std::net::UdpSocket;

/// More than fits into one Ethernet frame, so that an honest datagram is never cut.
const LARGEST: usize = 2048;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7003".into());
    let socket = UdpSocket::bind(address)?;
    println!("listening on {}", socket.local_addr()?);
    let mut buffer = [0; LARGEST];
    for number in 1_u64.. {
        let (count, sender) = socket.recv_from(&mut buffer)?;
        let message = &mut buffer[..count];
        // Debug format: a stranger's bytes must not reach the terminal as escape sequences.
        println!("recv_from() {number}: {count} bytes from {sender}: {:?}", String::from_utf8_lossy(message));
        message.make_ascii_uppercase();
        // The sender's address can be forged. An answer no larger than the question keeps this server
        // from becoming somebody's amplifier.
        if let Err(error) = socket.send_to(message, sender) {
            println!("send_to() {sender}: {error}");
        }
    }
    Ok(())
}
