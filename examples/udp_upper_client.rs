//! Lab 12: the other end of `udp_upper_server`. Each word becomes a datagram of its own.
//!
//! ```text
//! rustc examples/udp_upper_client.rs                        builds it, in about a second
//! ./udp_upper_client                                        "hello" and "world" to 127.0.0.1:7003
//! ./udp_upper_client 127.0.0.1:7003 one two three
//! ```
//!
//! All datagrams are sent before the first answer is read. With TCP the answers would be one run of
//! bytes by then; here each recv() gives exactly one.
//!
//! Try to break it: start it without a server. TCP would have refused in connect(). Here connect() asks
//! nobody (it only notes whom to send to), and the first send() succeeds. The refusal, if one comes back
//! at all, is handed to whichever call is next.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::time::Duration;

/// A lost datagram is never announced, so a program that waits for one must know when to stop.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next().unwrap_or_else(|| "127.0.0.1:7003".into());
    let mut words: Vec<String> = arguments.collect();
    if words.is_empty() {
        words = vec!["hello".into(), "world".into()];
    }

    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // From now on datagrams of anybody else are not given to us.
    socket.connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    for word in &words {
        let count = socket.send(word.as_bytes()).map_err(explain)?;
        println!("send(): {count} bytes");
    }
    for number in 1..=words.len() {
        let mut buffer = [0; 2048];
        let count = socket.recv(&mut buffer).map_err(explain)?;
        println!("recv() {number}: {count} bytes: {:?}", String::from_utf8_lossy(&buffer[..count]));
    }
    Ok(())
}

/// What the kernel's two words mean for somebody who waits for a datagram.
fn explain(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            io::Error::new(error.kind(), "no answer: the datagram was lost, or its answer was")
        }
        ErrorKind::ConnectionRefused => io::Error::new(error.kind(), "no program listens on that port"),
        _ => error,
    }
}
