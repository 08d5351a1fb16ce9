//! The answer to somebody for whom there is no seat: ready octets, one send, a close in stages.
//!
//! Never: a seat, a buffer, a wait. Refusing must be cheaper than serving, or overload feeds itself.
//!
//! The subtle thing: a socket that is closed with unread octets resets the connection, and the reset
//! can overtake the answer. The request is usually there already, so it is read away first.

use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::http::HttpDate;
use crate::service::page;

/// Reads of at most 4 KiB before the close: more than any honest head.
const READS: usize = 8;

/// Says 503; returns what of it has left.
pub fn refuse(socket: &TcpStream, date: &HttpDate) -> Vec<u8> {
    let mut scratch = [0u8; 4096];
    let mut drain = || {
        for _ in 0..READS {
            match recv(socket, &mut scratch[..], RecvFlags::DONTWAIT) {
                Ok((count, _)) if count > 0 => {}
                _ => return,
            }
        }
    };
    drain();
    // Nothing can be done about a failure: the client is gone, or its buffer is full after no octet.
    let mut answer = page::overload(date);
    let sent = send(socket, &answer, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
    let _ = shutdown(socket, Shutdown::Write);
    drain();
    answer.truncate(sent);
    answer
}
