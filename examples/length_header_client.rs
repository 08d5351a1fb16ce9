//! Lab 9: the other end of `length_header_server`. It uploads a film.
//!
//! ```text
//! cargo run --example length_header_client                              a made-up film of 8 MiB
//! cargo run --example length_header_client 127.0.0.1:7005 FILE          a real one
//! cargo run --example length_header_client 127.0.0.1:7005 FILE NAME     under another name
//! ```
//!
//! The length is the number of *bytes*. A name such as `é.mp4` has more bytes than characters, in the
//! header too: a count of characters announces a header that is too short, and the server reads the
//! first bytes of the film.
//!
//! Try to break it: stop it half way with Ctrl-C, or send a name with slashes in it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

const MADE_UP_SIZE: u64 = 8 * 1024 * 1024;
/// A server's claims are bounded as well.
const ANSWER_LIMIT: u32 = 64 * 1024;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7005".into());
    let path = arguments.next();
    let name = arguments.next().or_else(|| path.clone()).unwrap_or_else(|| "film.mp4".into());
    // The size is that of the open file, not that of a name which may mean another file by now.
    let (film, size): (Box<dyn Read>, u64) = match path {
        Some(path) => {
            let file = File::open(path)?;
            let size = file.metadata()?.len();
            (Box::new(file), size)
        }
        None => (Box::new(io::repeat(b'f')), MADE_UP_SIZE),
    };

    let mut stream = TcpStream::connect(address)?;
    let header = serde_json::json!({ "name": name, "size": size }).to_string();
    stream.write_all(&(header.len() as u32).to_be_bytes())?;
    stream.write_all(header.as_bytes())?;
    // A server that refuses the header answers at once and hangs up while we still send. Its answer is
    // worth more than our error. (HTTP has Expect: 100-continue for this: ask first, then send.)
    let sent = io::copy(&mut film.take(size), &mut stream).and_then(|_| stream.shutdown(Shutdown::Write));
    let answer = receive_answer(&mut stream).or_else(|error| sent.and(Err(error)))?;
    println!("{answer}");
    match answer.get("saved") {
        Some(_) => Ok(()),
        None => Err(io::Error::new(ErrorKind::InvalidData, "the server did not save the film")),
    }
}

fn receive_answer(stream: &mut TcpStream) -> io::Result<serde_json::Value> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > ANSWER_LIMIT {
        return Err(io::Error::new(ErrorKind::InvalidData, "an answer this long is none"));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}
