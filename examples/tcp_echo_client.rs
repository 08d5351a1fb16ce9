//! Lab 1: the other end of `tcp_echo_server`. It sends each line you type and shows what comes back.
//!
//! ```text
//! rustc examples/tcp_echo_client.rs                         builds it, in about a second
//! ./tcp_echo_client                                         to 127.0.0.1:7001
//! ./tcp_echo_client 127.0.0.1:7002                          to another server (try upper_threads)
//! ```
//!
//! End with Ctrl-D. The client then ends its own direction only (shutdown) and still reads: a TCP
//! connection is two streams, and each has its own end.
//!
//! Try to break it:
//! - Start it without a server: connect() is refused at once. No program listens, and the kernel says so.
//! - Stop the server while the client waits for your line. The client does not notice until it uses
//!   the socket again: a connection is state at both ends and not a wire.

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7001".into());
    // The client names no port of its own: connect() lets the kernel choose one.
    let mut stream = TcpStream::connect(address)?;
    println!("connected from {} to {}", stream.local_addr()?, stream.peer_addr()?);

    let mut keyboard = io::stdin().lock();
    let mut line = Vec::new();
    while keyboard.read_until(b'\n', &mut line)? > 0 {
        stream.write_all(&line)?;
        // The echo may arrive in several pieces. It is complete when as many bytes are back as were
        // sent, and this client knows that number: `read_exact` calls recv() until it has them.
        let mut answer = vec![0; line.len()];
        stream.read_exact(&mut answer)?;
        print!("{}", String::from_utf8_lossy(&answer));
        io::stdout().flush()?;
        line.clear();
    }

    stream.shutdown(Shutdown::Write)?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    println!("the server closed too, with {} bytes left to read", rest.len());
    Ok(())
}
