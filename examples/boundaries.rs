//! Lab 2: two messages, once as UDP datagrams and once over TCP. Which boundaries are left?
//!
//! ```text
//! rustc examples/boundaries.rs                                 builds it, in about a second
//! ./boundaries                                                 both ends are in this program
//! ```
//!
//! It prints:
//!
//! ```text
//! UDP, 2 × send(), large buffer:    2 × recv():  "hello" "world"
//! TCP, 2 × send(), large buffer:    1 × recv():  "helloworld"
//! UDP, 2 × send(), 4-byte buffer:   2 × recv():  "hell" "worl"
//! TCP, 2 × send(), 4-byte buffer:   3 × recv():  "hell" "owor" "ld"
//! ```
//!
//! UDP carries messages: it keeps the boundaries, and bytes that do not fit into the buffer are lost. TCP
//! carries a stream: no byte is lost, but there are no boundaries. People say that "packets stick
//! together". Nothing sticks: TCP has no messages. A program that sends messages over TCP must say in the
//! bytes where each one ends: with a mark (`end_mark_server`), a length (`length_header_server`) or both,
//! as HTTP does.
//!
//! Try to break it: take out the wait in `over_tcp`. It nearly always prints the same. So a program that
//! expects one message from each recv() can pass its tests here and fail on a slow network.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

const MESSAGES: [&[u8]; 2] = [b"hello", b"world"];
const LARGE: usize = 1024;
const SMALL: usize = 4;

fn main() -> io::Result<()> {
    for (buffer, name) in [(LARGE, "large"), (SMALL, "4-byte")] {
        show("UDP", name, &over_udp(buffer)?);
        show("TCP", name, &over_tcp(buffer)?);
    }
    Ok(())
}

/// What each recv_from() gave, with a buffer of this size.
fn over_udp(buffer: usize) -> io::Result<Vec<Vec<u8>>> {
    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    for message in MESSAGES {
        sender.send_to(message, receiver.local_addr()?)?;
    }
    let mut received = Vec::new();
    for _ in MESSAGES {
        let mut buffer = vec![0; buffer];
        let (count, _) = receiver.recv_from(&mut buffer)?;
        received.push(buffer[..count].to_vec());
    }
    Ok(received)
}

/// What each recv() gave, with a buffer of this size.
fn over_tcp(buffer: usize) -> io::Result<Vec<Vec<u8>>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    // Each send() leaves at once, in a segment of its own. It changes nothing at the other end.
    sender.set_nodelay(true)?;
    for message in MESSAGES {
        sender.write_all(message)?;
    }
    // Wait until all bytes have arrived, without taking any: peek() looks and leaves them there.
    while receiver.peek(&mut [0; LARGE])? < MESSAGES.concat().len() {
        thread::yield_now();
    }
    drop(sender);
    let mut received = Vec::new();
    loop {
        let mut buffer = vec![0; buffer];
        match receiver.read(&mut buffer)? {
            0 => return Ok(received),
            count => received.push(buffer[..count].to_vec()),
        }
    }
}

fn show(protocol: &str, buffer: &str, received: &[Vec<u8>]) {
    let texts: Vec<String> = received.iter().map(|r| format!("{:?}", String::from_utf8_lossy(r))).collect();
    let buffer = format!("{buffer} buffer:");
    println!("{protocol}, 2 × send(), {buffer:<15}  {} × recv():  {}", received.len(), texts.join(" "));
}
