//! A client that allocates nothing once it knows how long a response is.
//!
//! It looks at every response: each must have the status and the length of the first one. So a server that became cheap
//! by answering something else is found.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use crate::support::PATIENCE;

/// `HTTP/1.1 200`
const STATUS: usize = 12;

pub(crate) struct Client {
    socket: TcpStream,
    room: Vec<u8>,
}

/// One request, and the status and length of its response.
pub(crate) struct Exchange {
    pub(crate) request: Vec<u8>,
    status: [u8; STATUS],
    len: usize,
}

/// A request without content.
pub(crate) fn request(method: &str, target: &str, fields: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Client { socket, room: vec![0; 2 << 20] }
    }

    /// Sends a request and reads its whole response; returns the head too.
    pub(crate) fn learn(&mut self, request: &[u8]) -> (Exchange, String) {
        self.socket.write_all(request).unwrap();
        let (mut read, mut head) = (0, None);
        loop {
            let count = self.socket.read(&mut self.room[read..]).unwrap();
            assert!(count > 0, "the server has closed");
            read += count;
            if head.is_none() {
                head = self.room[..read].windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4);
            }
            let Some(end) = head else { continue };
            let text = String::from_utf8(self.room[..end].to_vec()).unwrap();
            let length = text.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            let none = request.starts_with(b"HEAD ") || text.starts_with("HTTP/1.1 304");
            let len = end + if none { 0 } else { length.unwrap().parse::<usize>().unwrap() };
            assert!(read <= len, "bytes after the response");
            if read == len {
                let status = self.room[..STATUS].try_into().unwrap();
                return (Exchange { request: request.to_vec(), status, len }, text);
            }
        }
    }

    /// Asks until the ETag is strong: from then on the server answers from its cache.
    pub(crate) fn settle(&mut self, request: &[u8]) -> Exchange {
        let end = Instant::now() + PATIENCE;
        loop {
            let (exchange, head) = self.learn(request);
            if !head.contains("ETag: W/") {
                for _ in 0..4 {
                    self.ask(&exchange, 1);
                }
                return exchange;
            }
            assert!(Instant::now() < end, "the tag stays weak");
        }
    }

    /// Sends the same request `times` times at once, and reads all responses. Allocates nothing.
    pub(crate) fn ask(&mut self, exchange: &Exchange, times: usize) {
        for _ in 0..times {
            self.socket.write_all(&exchange.request).unwrap();
        }
        self.read(exchange, times);
    }

    /// The same in one write.
    pub(crate) fn ask_batch(&mut self, batch: &[u8], exchange: &Exchange, times: usize) {
        self.socket.write_all(batch).unwrap();
        self.read(exchange, times);
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    pub(crate) fn read(&mut self, exchange: &Exchange, times: usize) {
        let all = &mut self.room[..exchange.len * times];
        self.socket.read_exact(all).unwrap();
        for answer in all.chunks(exchange.len) {
            assert!(answer.starts_with(&exchange.status), "another answer: {}", String::from_utf8_lossy(answer));
        }
    }

    /// Ends this side first, as curl does. Returns when the server has closed too.
    pub(crate) fn close_and_end(self) {
        self.socket.shutdown(Shutdown::Write).unwrap();
        self.end();
    }

    /// Asserts that the server closes, and sends nothing more.
    pub(crate) fn end(mut self) {
        assert_eq!(self.socket.read(&mut self.room).unwrap(), 0);
    }
}
