//! Lab 1: the five calls of a TCP server, one by one: socket, setsockopt, bind, listen, accept.
//!
//! `TcpListener::bind` makes four of them in one call. Here each has its own line, as in Python and C:
//!
//! ```text
//! Python                                           Rust with socket2
//! s = socket.socket(AF_INET, SOCK_STREAM)          Socket::new(Domain::IPV4, Type::STREAM, None)
//! s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)        socket.set_reuse_address(true)
//! s.bind(("127.0.0.1", 7010))                      socket.bind(&address.into())
//! s.listen(128)                                    socket.listen(128)
//! client, peer = s.accept()                        socket.accept()
//! client.getsockname(), client.getpeername()       client.local_addr(), client.peer_addr()
//! ```
//!
//! ```text
//! cargo run --example five_calls                   on 127.0.0.1:7010; uses socket2, so cargo builds it
//! rustc examples/one_line_client.rs                its client, in a second terminal
//! ./one_line_client 127.0.0.1:7010 hello
//! ```
//!
//! Look at the two names of a connected socket. getsockname() is always 127.0.0.1:7010: accept() makes a
//! new socket, not a new port. getpeername() differs for each client. Both names together identify the
//! connection.
//!
//! Try to break it:
//! - Remove the line with `set_reuse_address`. Start the server, run the client once, stop the server
//!   with Ctrl-C and start it again: bind() fails with "Address already in use". The side that closes
//!   first keeps the connection in the state TIME_WAIT for a minute, and the port with it.
//! - Start two servers at once. SO_REUSEADDR does not allow that: the first one is listening.
//! - Remove `listen`: accept() fails, because a socket that does not listen has no queue of clients.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// How many clients the kernel keeps in its queue until accept() takes them.
const BACKLOG: i32 = 128;
/// A client that never sends a line end must not fill the memory.
const LINE_LIMIT: usize = 1024;
/// How much is read and dropped after the line: a socket closed with unread bytes resets the connection.
const DRAIN_LIMIT: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7010".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;

    let listener = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    println!("socket(): a TCP socket without an address");
    listener.set_reuse_address(true)?;
    println!("setsockopt(): SO_REUSEADDR is on");
    listener.bind(&address.into())?;
    println!("bind(): getsockname() is {}", name(listener.local_addr()?));
    listener.listen(BACKLOG)?;
    println!("listening on {}", name(listener.local_addr()?));
    loop {
        let (client, _) = listener.accept()?;
        // An error of one client must not end the server.
        if let Err(error) = serve(client) {
            println!("close(): {error}");
        }
    }
}

/// Reads one line, sends one line, and closes: the client reads until the end.
fn serve(mut client: Socket) -> io::Result<()> {
    let (own, peer) = (name(client.local_addr()?), name(client.peer_addr()?));
    println!("accept(): getsockname() is {own}, getpeername() is {peer}");
    client.set_read_timeout(Some(PATIENCE))?;
    let mut line = Vec::new();
    let mut buffer = [0; 256];
    while !line.contains(&b'\n') && line.len() < LINE_LIMIT {
        let count = client.read(&mut buffer)?;
        println!("recv(): {count} bytes");
        if count == 0 {
            break;
        }
        line.extend_from_slice(&buffer[..count]);
    }
    let length = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    client.write_all(format!("your name is {peer}, mine is {own}, your line has {length} bytes\n").as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    io::copy(&mut (&client).take(DRAIN_LIMIT), &mut io::sink())?;
    println!("close(): {peer}");
    Ok(())
}

/// An address of a socket, as people write it.
fn name(address: socket2::SockAddr) -> String {
    address.as_socket().map_or_else(|| "?".into(), |address| address.to_string())
}
