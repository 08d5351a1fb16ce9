//! Lab 1: the shortest useful client. It sends one line, then reads until the server closes.
//!
//! ```text
//! rustc examples/one_line_client.rs                         then, with five_calls in another terminal:
//! ./one_line_client 127.0.0.1:7010 hello
//! ```
//!
//! The response may arrive in several pieces, so one recv() is not enough. This client calls recv()
//! until it returns 0 bytes: the server has closed, and nothing more will come. In Python that is
//! `while data := s.recv(1024):`, in Rust `read_to_end` does the same loop.
//!
//! Try to break it:
//! - Connect to `tcp_echo_server` (127.0.0.1:7001). The line comes back, but the client never ends. The
//!   server waits for the end of our bytes, and we wait for the end of its bytes. The end of the
//!   connection marks the end of a message only if the server closes first.
//! - Connect to barewire: `./one_line_client 127.0.0.1:8080 'GET / HTTP/1.1'`. Nothing comes back until a
//!   timeout: one line is not a complete request. Only the blank line ends its head.

use std::io::{self, Read, Write};
use std::net::TcpStream;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7010".into());
    let line = arguments.next().unwrap_or_else(|| "hello".into());

    let mut stream = TcpStream::connect(address)?;
    println!("connect(): getsockname() is {}, getpeername() is {}", stream.local_addr()?, stream.peer_addr()?);
    stream.write_all(format!("{line}\n").as_bytes())?;
    println!("send(): {} bytes", line.len() + 1);

    let mut response = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = stream.read(&mut buffer)?;
        println!("recv(): {count} bytes");
        if count == 0 {
            break;
        }
        response.extend_from_slice(&buffer[..count]);
    }
    // Only now: a character may be cut between two recv() calls, and is whole in the complete response.
    print!("{}", String::from_utf8_lossy(&response));
    Ok(())
}
