//! A raw client: bytes out, bytes in, each with a deadline.
//!
//! It adds no field, follows no redirect and tries nothing twice: what a test sends is what it wrote.
//!
//! How a connection ends is part of the response. A FIN after the last byte is a clean end. A reset may have
//! destroyed bytes on their way, so [`Client::end`] does not accept one.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with, sockopt};

use crate::support::PATIENCE;
use crate::support::response::Response;
use crate::support::server::Server;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Fin,
    Reset,
}

/// One connection.
pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    buffer: Vec<u8>,
    ended: Option<Ending>,
}

/// A request without content; `fields` are whole lines, each with its CR LF.
pub(crate) fn request(method: &str, target: &str, fields: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes()
}

impl Client {
    #[track_caller]
    pub(crate) fn connect(server: &Server) -> Client {
        Client::to(server.address)
    }

    #[track_caller]
    pub(crate) fn to(address: SocketAddr) -> Client {
        Client::of(TcpStream::connect(address).expect("connect"))
    }

    /// A client whose kernel buffers little, so that the server soon feels how slowly it reads.
    pub(crate) fn narrow(server: &Server) -> Client {
        Client::narrow_to(server.address)
    }

    pub(crate) fn narrow_to(address: SocketAddr) -> Client {
        let SocketAddr::V4(address) = address else { panic!("an IPv4 server is needed") };
        // Closed at exec: a server that another test starts at this moment must not inherit it.
        let narrow = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        sockopt::set_socket_recv_buffer_size(&narrow, 8 * 1024).unwrap();
        connect(&narrow, &address).unwrap();
        Client::of(TcpStream::from(narrow))
    }

    pub(crate) fn of(socket: TcpStream) -> Client {
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_write_timeout(Some(PATIENCE)).unwrap();
        Client { socket, buffer: Vec::new(), ended: None }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("send");
    }

    /// Sends, and returns false if the server has closed the connection.
    pub(crate) fn send_if_open(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).is_ok()
    }

    /// Ends our side, as `nc -N` does.
    pub(crate) fn half_close(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    /// Makes the kernel send a reset when the connection is dropped.
    pub(crate) fn reset_when_dropped(&self) {
        sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO)).unwrap();
    }

    /// One GET on this connection.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str, fields: &str) -> Response {
        self.ask("GET", target, fields)
    }

    /// One request without content on this connection.
    #[track_caller]
    pub(crate) fn ask(&mut self, method: &str, target: &str, fields: &str) -> Response {
        self.send(request(method, target, fields));
        self.response(method)
    }

    /// Reads one whole response to a request of this method.
    #[track_caller]
    pub(crate) fn response(&mut self, method: &str) -> Response {
        let response = Response::read(self, method);
        response.assert_lawful(method);
        response
    }

    /// Asserts that the server ends the connection cleanly and sends nothing more. Our side is ended first, so a
    /// persistent connection ends too.
    #[track_caller]
    pub(crate) fn end(mut self) {
        self.half_close();
        self.assert_ended();
    }

    /// Asserts that the server has ended, or now ends, the connection by itself.
    #[track_caller]
    pub(crate) fn assert_ended(&mut self) {
        let (rest, ending) = self.rest();
        assert!(rest.is_empty(), "bytes after the last response: {}", String::from_utf8_lossy(&rest));
        assert_eq!(ending, Ending::Fin, "a reset may destroy a response on its way");
    }

    /// Everything up to the end, and how the connection ended.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> (Vec<u8>, Ending) {
        let end = Instant::now() + PATIENCE;
        while self.more() {
            assert!(Instant::now() < end, "the connection does not end");
        }
        (std::mem::take(&mut self.buffer), self.ended.unwrap_or(Ending::Fin))
    }

    /// Reads once; `false` at the end.
    #[track_caller]
    pub(crate) fn more(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        let mut buffer = [0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => self.ended = Some(Ending::Fin),
            Ok(read) => self.buffer.extend_from_slice(&buffer[..read]),
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                self.ended = Some(Ending::Reset);
            }
            Err(e) => panic!("reading: {e}; so far: {}", String::from_utf8_lossy(&self.buffer)),
        }
        self.ended.is_none()
    }

    /// Takes the first `len` bytes, reading as long as needed.
    #[track_caller]
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        while self.buffer.len() < len {
            let more = self.more();
            assert!(more, "ended ({:?}) {} bytes short", self.ended, len - self.buffer.len());
        }
        let rest = self.buffer.split_off(len);
        std::mem::replace(&mut self.buffer, rest)
    }

    /// Takes everything up to and with `mark`.
    #[track_caller]
    pub(crate) fn take_until(&mut self, mark: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|w| w == mark) {
                return self.take(at + mark.len());
            }
            let more = self.more();
            assert!(more, "ended ({:?}) after: {}", self.ended, String::from_utf8_lossy(&self.buffer));
        }
    }
}

/// One GET on a connection of its own.
#[track_caller]
pub(crate) fn get(server: &Server, target: &str, fields: &str) -> Response {
    ask(server, "GET", target, fields)
}

/// One request on a connection of its own, which must end cleanly after it.
#[track_caller]
pub(crate) fn ask(server: &Server, method: &str, target: &str, fields: &str) -> Response {
    let mut client = Client::connect(server);
    let response = client.ask(method, target, fields);
    client.end();
    response
}

/// Sends these bytes on a connection of its own, ends our side, and reads one response to a request of this method.
/// The server must then end the connection cleanly.
#[track_caller]
pub(crate) fn raw(server: &Server, bytes: impl AsRef<[u8]>, method: &str) -> Response {
    let mut client = Client::connect(server);
    client.send(bytes);
    client.half_close();
    let response = client.response(method);
    client.assert_ended();
    response
}

/// Sends these bytes on a connection of its own, ends our side, and returns all bytes that come back.
#[track_caller]
pub(crate) fn converse(address: SocketAddr, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut client = Client::to(address);
    client.send(bytes);
    client.half_close();
    client.rest().0
}

/// Percent-encodes every byte except the unreserved ones (RFC 3986 §2.3).
pub(crate) fn encode(name: &[u8]) -> String {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    name.iter().map(|&b| if unreserved(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Waits until the ETag of this file is strong: it is weak while the file is so young that it may still change
/// without a new modification time.
#[track_caller]
pub(crate) fn strong_tag(server: &Server, target: &str) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let tag = ask(server, "HEAD", target, "").assert_status(200).must("etag").to_string();
        if !tag.starts_with("W/") {
            return tag;
        }
        assert!(Instant::now() < end, "{target}: the tag stays weak");
    }
}

/// An `Authorization` field line for `user:password`.
pub(crate) fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials))
}
