//! Lab 1: the life of a TCP server. It sends back whatever it receives.
//!
//! ```text
//! server                                  client (tcp_echo_client)
//! bind     takes an address and a port
//! listen   the kernel begins to queue
//! accept   waits for somebody  ◂───────   connect
//! recv     ◂───────────────────────────   send
//! send     ───────────────────────────▸   recv
//! recv     0 bytes: the end    ◂───────   shutdown
//! close    ───────────────────────────▸   recv: 0 bytes, close
//! ```
//!
//! ```text
//! rustc examples/tcp_echo_server.rs                builds it, in about a second
//! rustc examples/tcp_echo_client.rs
//! ./tcp_echo_server                                on 127.0.0.1:7001, or name another address
//! ./tcp_echo_client                                in a second terminal: type, Enter, Ctrl-D
//! ```
//!
//! Note the two kinds of socket. The listening one never carries a byte: accept() returns a connected
//! one for each client. `five_calls` shows each call alone.
//!
//! Try to break it:
//! - Start a second client while the first is connected. It connects (the kernel shakes hands for us)
//!   and then waits: this server looks at one client at a time. `upper_threads` serves many.
//! - Start a second server on the same port: bind() fails, and the message says why.
//! - Send 100 megabytes without a line end: `head -c 100M /dev/zero | ./tcp_echo_client`.
//!   Nothing comes back. The client sends and does not read yet, so its echo fills the buffers, so the
//!   server can send no more, so it reads no more, so the client can send no more.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7001".into());
    // Three system calls in one: socket(), bind() and listen().
    let listener = TcpListener::bind(address)?;
    // Port 0 means "any free one"; only now is it known which.
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        println!("accept(): {peer}");
        // A client that vanishes is an error of its own connection, never of the server.
        match echo(stream) {
            Ok(count) => println!("close(): {peer} has received its {count} bytes"),
            Err(error) => println!("close(): {peer}: {error}"),
        }
    }
}

/// Serves one client; the socket is closed when `stream` goes out of scope.
fn echo(mut stream: TcpStream) -> io::Result<usize> {
    let mut buffer = [0; 1024];
    let mut total = 0;
    loop {
        // As many bytes as have arrived, at least one, at most 1024. It says nothing about how often
        // the other side called send().
        let count = stream.read(&mut buffer)?;
        println!("recv(): {count} bytes");
        if count == 0 {
            return Ok(total);
        }
        // `write` may take less than it is given; `write_all` calls it until all are taken.
        stream.write_all(&buffer[..count])?;
        total += count;
    }
}
