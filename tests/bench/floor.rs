//! The floor: what the kernel alone takes for a request, measured beside the servers.
//!
//! One epoll loop that answers every head with the same bytes: no parsing, no file, no check, no
//! limits. Nothing that serves files can be cheaper; what a server takes above it is its own.
//!
//! ```text
//! cargo run --release --example floor -- PORT
//! ```

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, Shutdown};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// As long as the small file of the workloads W1 and W4.
const CONTENT: usize = 1024;
const LISTENER: Token = Token(usize::MAX);

fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: {CONTENT}\r\n\r\n"
    )
    .into_bytes();
    answer.resize(answer.len() + CONTENT, b'x');

    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port).into())?;
    rustix::net::sockopt::set_tcp_nodelay(&listener, true)?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(256));
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let (mut clients, mut next) = (HashMap::new(), 0);
    let (mut scratch, mut out) = (vec![0; 64 * 1024], Vec::new());
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() != LISTENER {
                let goes_on =
                    clients.get(&event.token()).is_some_and(|client| turn(client, &answer, &mut scratch, &mut out));
                if !goes_on || event.is_read_closed() {
                    clients.remove(&event.token());
                }
                continue;
            }
            while let Ok((mut client, _)) = listener.accept() {
                if turn(&client, &answer, &mut scratch, &mut out) {
                    next += 1;
                    poll.registry().register(&mut client, Token(next), Interest::READABLE | Interest::WRITABLE)?;
                    clients.insert(Token(next), client);
                }
            }
        }
    }
}

/// One `recv`, one `send`. Whether the connection goes on.
fn turn(client: &TcpStream, answer: &[u8], scratch: &mut [u8], out: &mut Vec<u8>) -> bool {
    let count = match recv(client, &mut *scratch, RecvFlags::empty()) {
        Ok((0, _)) => return false,
        Ok((count, _)) => count,
        Err(error) => return error == Errno::AGAIN,
    };
    let came = &scratch[..count];
    out.clear();
    for _ in 0..came.windows(4).filter(|four| four == b"\r\n\r\n").count() {
        out.extend_from_slice(answer);
    }
    let last = came.windows(6).any(|six| six == b"close\r");
    let flags = if last { SendFlags::NOSIGNAL | SendFlags::MORE } else { SendFlags::NOSIGNAL };
    let sent = send(client, out, flags);
    if last {
        let _ = client.shutdown(Shutdown::Write);
    }
    sent.is_ok() && !last
}
