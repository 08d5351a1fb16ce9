//! The answer to somebody for whom there is no seat: ready bytes, one send, a close in stages.
//!
//! Never: a seat, a buffer, a wait. Refusing must be cheaper than serving, or overload feeds itself; so the
//! service is asked once, at the start, what it would say.
//!
//! The subtle thing: a socket that is closed with unread bytes resets the connection, and the reset
//! can overtake the answer. The request is usually there already, so it is read away first.

use mio::net::TcpStream;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::http::{AddedFields, HttpDate, grammar};
use crate::service::{Body, Response};

/// Reads of at most 4 KiB before the close: more than any honest head.
const READS: usize = 8;

/// What is said at the door.
pub struct Overload {
    /// The status line and the name of the Date field, whose value differs from second to second: a server
    /// with a clock sends one (RFC 9110 §6.6.1).
    start: Vec<u8>,
    /// All behind the date.
    end: Vec<u8>,
}

impl Overload {
    /// The bytes of this response, which must have its content in memory.
    pub fn new(response: Response, added: &AddedFields) -> Overload {
        let (status, fields, body) = response.into_parts();
        let content = if let Body::Bytes(bytes) = &body { &bytes[..] } else { b"" };
        let mut end = b"\r\nConnection: close\r\nContent-Length: ".to_vec();
        grammar::push_decimal(&mut end, content.len() as u64);
        end.extend_from_slice(b"\r\n");
        added.merge(status, fields.bytes(), &mut end);
        end.extend_from_slice(b"\r\n");
        end.extend_from_slice(content);
        Overload { start: format!("HTTP/1.1 {status}\r\nDate: ").into_bytes(), end }
    }

    fn bytes(&self, date: &HttpDate) -> Vec<u8> {
        [&self.start, &date.bytes()[..], &self.end].concat()
    }

    /// Says it; returns what of it has left.
    pub fn refuse(&self, socket: &TcpStream, date: &HttpDate) -> Vec<u8> {
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
        // Nothing can be done about a failure: the client is gone, or its buffer is full after no byte.
        let mut answer = self.bytes(date);
        let sent = send(socket, &answer, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).unwrap_or(0);
        let _ = shutdown(socket, Shutdown::Write);
        drain();
        answer.truncate(sent);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::error_page;

    #[test]
    fn whoever_is_turned_away_gets_a_whole_answer_with_the_fields_of_all_others() {
        let mut added = AddedFields::default();
        added.replace("X-Mine", "yes").unwrap();
        let said = Overload::new(error_page::overload(), &added).bytes(&HttpDate::from_second(0));
        let said = String::from_utf8(said).unwrap();
        let (head, content) = said.split_once("\r\n\r\n").unwrap();
        let start = "HTTP/1.1 503 Service Unavailable\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nConnection: close\r\n";
        assert!(head.starts_with(start), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", content.len())), "{head}");
        assert!(head.contains("\r\nRetry-After: 5\r\n") && head.ends_with("\r\nX-Mine: yes"), "{head}");
    }
}
