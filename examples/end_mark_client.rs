//! Lab 2: the other end of `end_mark_server`. It sends a file, then the mark `<<END>>`.
//!
//! ```text
//! rustc examples/end_mark_client.rs                         builds it, in about a second
//! ./end_mark_client                                         a small file in one piece
//! ./end_mark_client 127.0.0.1:7004 --cut 16
//! ./end_mark_client 127.0.0.1:7004 README.md
//! ```
//!
//! `--cut 16` sends 16 bytes, waits until the server reports that it has received them, and sends the
//! rest. No sleep: a program that waits "long enough" works on one machine only.
//!
//! Try to break it: send a file that contains the mark (`examples/end_mark_client.rs` does). The server
//! reports success, and only the client can see that something is missing.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};

const MARK: &[u8] = b"<<END>>";
const SMALL_FILE: &[u8] = b"a small file\n";

fn main() -> io::Result<()> {
    let mut plain = Vec::new();
    let mut cut = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--cut" => cut = arguments.next().and_then(|number| number.parse().ok()),
            _ => plain.push(argument),
        }
    }
    let file = match plain.get(1) {
        Some(path) => std::fs::read(path)?,
        None => SMALL_FILE.to_vec(),
    };
    let message = [&file[..], MARK].concat();
    let (first, second) = message.split_at(cut.unwrap_or(message.len()).min(message.len()));

    let mut stream = TcpStream::connect(plain.first().map_or("127.0.0.1:7004", |a| a))?;
    let mut reports = BufReader::new(stream.try_clone()?).lines();
    stream.write_all(first)?;
    if !first.is_empty() && !second.is_empty() {
        // The server has called recv(): whatever is sent from now on needs another recv().
        println!("server: {}", reports.next().unwrap_or_else(|| Err(closed()))?);
        stream.write_all(second)?;
    }
    stream.shutdown(Shutdown::Write)?;

    let mut last = String::new();
    for report in reports {
        last = report?;
        println!("server: {last}");
    }
    let wanted = format!("complete: {} bytes", file.len());
    println!("client: sent {} bytes and the mark", file.len());
    if last.split(',').next() == Some(&wanted) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not have the file that was sent"))
    }
}

fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed")
}
