//! `barewire send`: raw bytes to a server, cut where one likes, and its answer.
//!
//! A netcat that is the same everywhere.
//!
//! Never: a byte that was not asked for, but the CR before a bare LF (and `--raw` leaves that out too).
//!
//! The subtle thing: TCP may join what was sent apart. Without Nagle's algorithm (`TCP_NODELAY`) and
//! with a gap between the pieces, a piece is a segment, and the server's `recv` returns it alone.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use barewire::http::Limits;
use barewire::wire::record::event::{EventKind, TimedMessage, WireEvent};
use barewire::wire::{Conversation, ExplainOptions, Message, Role, Terminal, ViewFormat};

use crate::program::error::{Exit, StartError, warn};
use crate::program::explain::read_bytes;
use crate::program::options::Send;
use crate::program::view;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take; with `--hold` it may take for ever.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Sends what was asked for.
pub(crate) fn run(options: Send) -> Result<ExitCode, StartError> {
    let failed = |error: io::Error| StartError::new(Exit::Failed, format!("the connection broke: {error}."));
    // With --hold the connection is there before a byte is: so one can see a client that never speaks.
    let early = if options.hold { Some(connect(&options.to)?) } else { None };
    let bytes = read_bytes(options.file.as_deref()).map_err(|error| {
        let name = options.file.as_deref().map_or("standard input".into(), |file| file.display().to_string());
        StartError::new(Exit::Folder, format!("cannot read {name}: {error}."))
    })?;
    let bytes = if options.raw { bytes } else { with_cr_lf(&bytes) };
    let mut socket = match early {
        Some(socket) => socket,
        None => connect(&options.to)?,
    };
    let sent = write(&mut socket, &bytes, &options);
    let heard = hear(&mut socket, &bytes, &options).map_err(failed)?;
    // A server that has answered and closed may refuse the rest; its answer says why.
    if let (Err(error), false) = (sent, heard) {
        return Err(failed(error));
    }
    Ok(ExitCode::SUCCESS)
}

fn connect(to: &str) -> Result<TcpStream, StartError> {
    let to = to.strip_prefix("http://").unwrap_or(to).trim_end_matches('/');
    let addresses = to.to_socket_addrs().map_err(|error| {
        StartError::new(Exit::Usage, format!("{to:?} is no HOST:PORT that can be reached: {error}."))
            .advising("For example:  barewire send localhost:8080 ask.bin")
    })?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT).and_then(|s| s.set_nodelay(true).map(|()| s)) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(StartError::new(Exit::Failed, format!("cannot connect to {to}: {last}.")))
}

/// Sends in pieces.
fn write(socket: &mut TcpStream, bytes: &[u8], options: &Send) -> io::Result<()> {
    let mut from = 0;
    for cut in options.cuts.iter().copied().filter(|&cut| cut < bytes.len()).chain([bytes.len()]) {
        if from > 0 {
            std::thread::sleep(options.gap);
        }
        socket.write_all(&bytes[from..cut])?;
        from = cut;
    }
    Ok(())
}

/// Prints what comes until everything is answered, or the server closes. Whether anything came.
fn hear(socket: &mut TcpStream, bytes: &[u8], options: &Send) -> io::Result<bool> {
    let manner = ExplainOptions::whole(Limits::default());
    let mut conversation = Conversation::new(&manner);
    let mut messages = Vec::new();
    conversation.received(bytes, &mut messages);
    if conversation.is_inside(Role::Request) && !options.hold {
        // A request that will never be complete is only answered when the server knows that.
        let _ = socket.shutdown(Shutdown::Write);
        conversation.client_ended(&mut messages);
    }
    let asked = messages.iter().filter(|m| m.role == Role::Request).count() as u64;
    messages.clear();
    let mut terminal = Terminal::new(view::style(ViewFormat::Full, options.color, options.ascii));
    let (mut buffer, mut heard) = (vec![0; READ], false);
    let begun = Instant::now();
    socket.set_read_timeout(if options.hold { None } else { Some(PATIENCE) })?;
    while options.hold || conversation.answering() <= asked {
        match socket.read(&mut buffer) {
            Ok(0) => {
                conversation.server_ended(&mut messages);
                print(&mut terminal, &mut messages);
                return Ok(heard);
            }
            Ok(count) => {
                heard = true;
                if options.plain {
                    let mut out = io::stdout().lock();
                    let _ = out.write_all(&buffer[..count]).and_then(|()| out.flush());
                }
                conversation.sent(&buffer[..count], &mut messages);
                if !options.plain {
                    print(&mut terminal, &mut messages);
                }
                messages.clear();
                if conversation.is_shut(Role::Response) && !options.hold && !options.plain {
                    return Ok(heard);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                conversation.server_ended(&mut messages);
                print(&mut terminal, &mut messages);
                warn(&format!("no more answer came within {} s.", begun.elapsed().as_secs()));
                return Ok(heard);
            }
            Err(error) if heard => {
                conversation.server_ended(&mut messages);
                print(&mut terminal, &mut messages);
                warn(&format!("the connection broke: {error}."));
                return Ok(heard);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(heard)
}

fn print(terminal: &mut Terminal, messages: &mut Vec<Message>) {
    let mut text = String::new();
    for message in messages.drain(..).filter(|message| message.role == Role::Response) {
        let event = EventKind::Message(Box::new(TimedMessage::without_calls(message)));
        terminal.push_event(&WireEvent::without_connection(event), &mut text);
    }
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Every LF without its CR gets one.
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
