//! Lab 5: the other end of `command_server`. It asks for each command named, on one connection.
//!
//! ```text
//! rustc examples/command_client.rs                          builds it, in about a second
//! ./command_client                                          date and hello, from 127.0.0.1:7006
//! ./command_client 127.0.0.1:7006 lines uptime
//! ```
//!
//! All questions are sent before the first answer is read (HTTP calls that pipelining). The answers
//! may then come out of one recv() glued together, and the lengths take them apart again.
//!
//! Try to break it: ask for `lines`. Its output has an empty line in it and one that looks like an
//! answer ("no 3"). Nothing is confused: content that is counted is never looked at.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

const HEAD_LIMIT: u64 = 64;
const CONTENT_LIMIT: u64 = 1024 * 1024;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7006".into());
    let mut commands: Vec<String> = arguments.collect();
    if commands.is_empty() {
        commands = vec!["date".into(), "hello".into()];
    }

    let mut stream = TcpStream::connect(address)?;
    for command in &commands {
        stream.write_all(format!("{command}\n").as_bytes())?;
    }
    stream.shutdown(Shutdown::Write)?;

    let mut reader = BufReader::new(stream);
    for command in &commands {
        let (status, content) = receive(&mut reader)?;
        println!("{command}: {status}, {} bytes", content.len());
        print!("{}", String::from_utf8_lossy(&content));
        if status != "ok" {
            return Err(io::Error::new(ErrorKind::PermissionDenied, format!("{command} was refused")));
        }
    }
    Ok(())
}

/// One answer: `status SP length LF`, then exactly as many bytes.
fn receive(reader: &mut impl BufRead) -> io::Result<(String, Vec<u8>)> {
    let mut head = String::new();
    reader.by_ref().take(HEAD_LIMIT).read_line(&mut head)?;
    let (status, length) = head.trim_end().split_once(' ').ok_or_else(|| strange(&head))?;
    let length: u64 = length.parse().map_err(|_| strange(&head))?;
    if length > CONTENT_LIMIT {
        return Err(strange(&head));
    }
    let mut content = vec![0; length as usize];
    reader.read_exact(&mut content)?;
    Ok((status.into(), content))
}

fn strange(head: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("this is no answer: {head:?}"))
}
