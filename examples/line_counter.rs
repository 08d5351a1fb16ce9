//! Lab 5: bytes are not characters. Type a line, and it says how many of each there were.
//!
//! ```text
//! rustc examples/line_counter.rs                            builds it, in about a second
//! ./line_counter                                            on 127.0.0.1:7007
//! nc 127.0.0.1 7007                                         or telnet: type, Enter; end with Ctrl-D
//! ```
//!
//! ```text
//! hello   you entered 5 characters (5 bytes)
//! é       you entered 1 character (2 bytes)
//! 🦀      you entered 1 character (4 bytes)
//! ```
//!
//! The line is the message here, and its end mark is LF. telnet sends CR LF, nc sends LF alone, and
//! neither belongs to the line. read_until() calls recv() until it has a whole line and keeps the
//! bytes after it for the next one: one recv() may hold half a line, or three.
//!
//! Content-Length counts bytes. If you put the number of characters there, the number is too small for
//! names like Zoë or 小明, and the last bytes of the content become the start of the next message.
//!
//! Try to break it:
//! - A line without an end: `head -c 1M /dev/zero | nc 127.0.0.1 7007`. After 1024 bytes the server stops
//!   listening. Without that bound one client could fill the memory.
//! - Bytes that are no UTF-8: `printf '\377\n' | nc 127.0.0.1 7007`.
//! - `printf 'e\314\201\n' | nc 127.0.0.1 7007` looks like é, and is two characters: e and an accent that
//!   joins it. What *looks* like one character is a third way to count.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// With its line end.
const LINE_LIMIT: usize = 1024;
const DRAIN_LIMIT: u64 = 1024 * 1024;
/// People type, so this is long.
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7007".into());
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        thread::Builder::new().name(peer.to_string()).spawn(move || {
            if let Err(error) = serve(&stream) {
                println!("{peer}: {error}");
            }
        })?;
    }
}

fn serve(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        reader.by_ref().take(LINE_LIMIT as u64).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() == LINE_LIMIT && !line.ends_with(b"\n") {
            write!(stream, "your line is longer than {LINE_LIMIT} bytes, good bye\r\n")?;
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream.take(DRAIN_LIMIT), &mut io::sink())?;
            return Ok(());
        }
        stream.write_all(count(&line).as_bytes())?;
    }
}

/// The answer to a line, which may have no end if it is the last.
fn count(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let bytes = number(line.len(), "byte");
    match std::str::from_utf8(line) {
        Ok(text) => format!("you entered {} ({bytes})\r\n", number(text.chars().count(), "character")),
        Err(error) => format!("you entered {bytes}, no UTF-8 from byte {} on\r\n", error.valid_up_to() + 1),
    }
}

fn number(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
