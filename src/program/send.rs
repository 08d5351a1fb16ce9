//! `barewire send`: raw bytes to a server, cut into pieces, and its response. A netcat that is the same everywhere.
//!
//! ```text
//! barewire send localhost:8080 --cut 8,28 request.txt     three pieces, each a segment of its own
//! ```
//!
//! Nothing is added to the bytes, except the CR before an LF alone (and `--raw` leaves that out). TCP may join what
//! was sent apart: without Nagle's algorithm (`TCP_NODELAY`) and with a gap between the pieces, a piece
//! is a segment of its own, and one `recv` of the server returns it alone.

use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use barewire::http::Limits;
use barewire::say;
use barewire::wire::{Conversation, ExplainOptions, Message, Role, Terminal, ViewFormat};

use crate::program::error::{Exit, StartError, print, warn};
use crate::program::explain::{event, read_file};
use crate::program::{options::Send, wire_view::style};

/// How long connecting may take. It holds for each address of a name, one after the other.
const CONNECT: Duration = Duration::from_secs(10);
/// How long the server may be silent. With `--hold`, for ever.
const SILENCE: Duration = Duration::from_secs(30);
/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Sends the bytes and prints the responses.
///
/// Exit code 0: the server responded, or closed after it had taken everything. 1: no connection, or it broke before
/// a response. 2: the address is wrong. 4: the file cannot be read.
pub(crate) fn run(options: Send) -> Result<ExitCode, StartError> {
    let failed = |error: io::Error| StartError::new(Exit::Failed, say!("send/broke", error = error.to_string()));
    // With --hold, connect before the bytes are read: this shows what the server does with a silent client.
    let early = options.hold.then(|| connect(&options.to)).transpose()?;
    let (_, bytes) = read_file(&options.file)?;
    let bytes = if options.raw { bytes } else { with_cr_lf(&bytes) };
    let mut socket = early.map_or_else(|| connect(&options.to), Ok)?;
    // An error is kept for later: a server that refuses the request often closes before it has read all of it.
    let sent = write_pieces(&mut socket, &bytes, &options);
    let has_response = Receiver::new(&bytes, &options, &mut socket).run(&mut socket).map_err(failed)?;
    // A server that has responded and closed may refuse the rest. Its response says why.
    match sent {
        Err(error) if !has_response => Err(failed(error)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Connects to `HOST:PORT`, without Nagle's algorithm. Exit code 2 for a name that cannot be resolved, 1 when
/// none of its addresses takes the connection.
fn connect(to: &str) -> Result<TcpStream, StartError> {
    // People paste the URL of the server here.
    let to = to.strip_prefix("http://").unwrap_or(to).trim_end_matches('/');
    let addresses = to.to_socket_addrs().map_err(|error| {
        let what = say!("send/address", address = format!("{to:?}"), error = error.to_string());
        StartError::new(Exit::Usage, what).advising(say!("send/example"))
    })?;
    // A name may have several addresses, and the server may listen on one of them only.
    let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT).and_then(|s| s.set_nodelay(true).map(|()| s)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(StartError::new(Exit::Failed, say!("send/no-connection", address = to, error = last.to_string())))
}

/// Sends the bytes, cut where `--cut` says, with pauses between the pieces.
fn write_pieces(socket: &mut TcpStream, bytes: &[u8], options: &Send) -> io::Result<()> {
    let mut cuts: Vec<usize> = options.cut.iter().copied().filter(|&cut| cut < bytes.len()).collect();
    // Cuts may be given in any order; one at the end would make an empty piece.
    cuts.sort_unstable();
    cuts.dedup();
    let mut from = 0;
    for cut in cuts.into_iter().chain([bytes.len()]) {
        if from > 0 {
            std::thread::sleep(options.gap);
        }
        io::Write::write_all(socket, &bytes[from..cut])?;
        from = cut;
    }
    Ok(())
}

/// Prints what the server sends.
struct Receiver<'a> {
    options: &'a Send,
    /// Reads both directions, so that each response is read according to its request.
    conversation: Conversation,
    /// What was read and is not printed yet.
    messages: Vec<Message>,
    /// Complete and broken requests among the bytes that were sent.
    requests: u64,
    terminal: Terminal,
}

impl Receiver<'_> {
    /// Reads what was sent as requests, to know which responses to expect.
    fn new<'a>(bytes: &[u8], options: &'a Send, socket: &mut TcpStream) -> Receiver<'a> {
        let mut conversation = Conversation::new(&ExplainOptions::whole(Limits::default()));
        let mut messages = Vec::new();
        // The requests must be known first: the response to HEAD has no content, even if its fields announce some.
        conversation.received(bytes, &mut messages);
        if conversation.is_inside(Role::Request) && !options.hold {
            // The server waits for the rest of an incomplete request. Tell it that there is no more.
            let _ = socket.shutdown(Shutdown::Write);
            conversation.client_ended(&mut messages);
        }
        let requests = messages.drain(..).filter(|m| m.role == Role::Request).count() as u64;
        let terminal = Terminal::new(style(ViewFormat::Full, options.color, options.ascii));
        Receiver { options, conversation, messages, requests, terminal }
    }

    /// Reads until every request has its response, or the server closes. Returns whether anything came. Errors: the
    /// connection broke before the first byte of a response. Later errors are only a warning: the bytes are shown.
    fn run(mut self, socket: &mut TcpStream) -> io::Result<bool> {
        let (mut buffer, mut has_response, mut remark) = (vec![0; READ], false, String::new());
        let begun = Instant::now();
        socket.set_read_timeout(if self.options.hold { None } else { Some(SILENCE) })?;
        while !self.is_complete() {
            let count = match socket.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    remark = say!("send/silence", seconds = begun.elapsed().as_secs().to_string());
                    0
                }
                Err(error) if has_response => {
                    remark = say!("send/broke", error = error.to_string());
                    0
                }
                result => result?,
            };
            if count == 0 {
                // Show a response that is not complete.
                self.conversation.server_ended(&mut self.messages);
                self.print();
                break;
            }
            has_response = true;
            self.conversation.sent(&buffer[..count], &mut self.messages);
            // The bytes are read as a response in both cases, to know when the last one is complete.
            if self.options.plain {
                let _ = print(&buffer[..count]);
                self.messages.clear();
            } else {
                self.print();
            }
        }
        if !remark.is_empty() {
            warn(&remark);
        }
        Ok(has_response)
    }

    /// Whether nothing more is expected. With `--hold` only the server ends the connection.
    fn is_complete(&self) -> bool {
        // After a response that closes, or that is broken, nothing more can be read as one.
        let is_shut = self.conversation.is_shut(Role::Response) && !self.options.plain;
        !self.options.hold && (is_shut || self.conversation.answering() > self.requests)
    }

    /// Prints the responses that are complete.
    fn print(&mut self) {
        let mut text = String::new();
        for message in self.messages.drain(..).filter(|message| message.role == Role::Response) {
            self.terminal.push_event(&event(message), &mut text);
        }
        let _ = print(text.as_bytes());
    }
}

/// Adds the missing CR before every LF alone.
fn with_cr_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_lf_gets_its_cr_and_no_other_does() {
        assert_eq!(with_cr_lf(b"\na\r\nb\n\n"), b"\r\na\r\nb\r\n\r\n");
    }
}
