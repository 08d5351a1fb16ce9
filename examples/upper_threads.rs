//! Lab 12: many clients at once. Answers in upper case, with one thread for each client.
//!
//! ```text
//! rustc examples/upper_threads.rs                           builds it, in about a second
//! rustc examples/tcp_echo_client.rs
//! ./upper_threads                                           on 127.0.0.1:7002
//! ./tcp_echo_client 127.0.0.1:7002                          in as many terminals as you like
//! ```
//!
//! Compare with `tcp_echo_server`: the loop around accept() does nothing else now. Each connected
//! socket moves into a thread, and recv() may wait there as long as it likes.
//!
//! Only the letters a to z change. An `é` is two bytes, and one recv() may end between them. To change
//! *characters*, first collect complete ones. (`line_counter` does.)
//!
//! Try to break it:
//! - Connect and say nothing. No other client is hurt, but a thread and its stack wait for you. A browser
//!   does that all the time: it opens connections in advance.
//! - Open more connections than `ulimit -n` allows. accept() fails then and the server ends. barewire
//!   counts its seats, keeps a spare descriptor to say 503 with, and needs no thread for those who wait:
//!   it asks the kernel about all sockets at once (see `src/net/`).

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7002".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        println!("{peer}: accepted");
        let client = move || match shout(stream) {
            Ok(()) => println!("{peer}: closed"),
            Err(error) => println!("{peer}: {error}"),
        };
        // The socket moves into the thread: no other thread can touch it, so nothing needs a lock.
        thread::Builder::new().name(peer.to_string()).spawn(client)?;
    }
}

/// Serves one client until it ends its direction of the connection.
fn shout(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        let received = &mut buffer[..count];
        received.make_ascii_uppercase();
        stream.write_all(received)?;
    }
}
