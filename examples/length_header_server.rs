//! Lab 9: receives a film after a length-prefixed JSON header, in a loop until it is complete.
//!
//! ```text
//! 00 00 00 22   {"name":"film.mp4","size":8388608}   the film, 8388608 bytes
//! 4 bytes,      as many bytes of JSON                as many bytes as "size" says
//! big-endian
//! ```
//!
//! ```text
//! cargo run --example length_header_server                  on 127.0.0.1:7005, into target/films
//! cargo run --example length_header_server 127.0.0.1:7005 /some/other/folder
//! cargo run --example length_header_client                  sends a made-up film of 8 MiB
//! ```
//!
//! Every byte may occur in the film: the end is known by counting. HTTP does the same, only that its
//! header is text and the number is called Content-Length.
//!
//! Everything a stranger sends is a claim. The length of the header is bounded before memory is taken
//! for it, the size before anything is written, the name is reduced to its last component, and a film
//! is called by its name only when its last byte is there.
//!
//! Try to break it:
//! - Stop the client half way (Ctrl-C). Look into the folder: nothing is left behind.
//! - Call the film `../../x`, `/etc/passwd` or `.bashrc`: `length_header_client 127.0.0.1:7005 FILE ../../x`
//! - Kill the *server* half way. A `.part` file stays: only a file without a name could do better, and
//!   that is how barewire receives uploads where the system allows it.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const HEADER_LIMIT: u32 = 4096;
const SIZE_LIMIT: u64 = 4 * 1024 * 1024 * 1024;
/// What is read from somebody who is refused, so that he may still hear why.
const DRAIN_LIMIT: u64 = 16 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(serde::Deserialize)]
struct Header {
    name: String,
    size: u64,
}

/// A file that is removed again unless it becomes complete: also when `?` leaves the function.
struct Part<'p>(&'p Path);

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listener = TcpListener::bind(arguments.next().unwrap_or_else(|| "127.0.0.1:7005".into()))?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "target/films".into()));
    fs::create_dir_all(&folder)?;
    println!("listening on {}", listener.local_addr()?);
    for number in 1_u64.. {
        let (stream, peer) = listener.accept()?;
        let part = folder.join(format!(".{}-{number}.part", std::process::id()));
        thread::Builder::new().name(peer.to_string()).spawn(move || {
            if let Err(error) = serve(stream, &part) {
                println!("{peer}: {error}");
            }
        })?;
    }
    Ok(())
}

fn serve(mut stream: TcpStream, part: &Path) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let answer = match receive(&mut stream, part) {
        Ok(name) => serde_json::json!({ "saved": name }),
        Err(error) => serde_json::json!({ "error": error.to_string() }),
    };
    println!("{answer}");
    let answer = answer.to_string();
    stream.write_all(&(answer.len() as u32).to_be_bytes())?;
    stream.write_all(answer.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream.take(DRAIN_LIMIT), &mut io::sink())?;
    Ok(())
}

/// Receives one film and returns the name it was saved under, in the folder of `part`.
fn receive(stream: &mut TcpStream, part: &Path) -> io::Result<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > HEADER_LIMIT {
        return Err(refused(format!("a header of {length} bytes is too long")));
    }
    let mut header = vec![0; length as usize];
    stream.read_exact(&mut header)?;
    let header: Header = serde_json::from_slice(&header)?;
    let name = last_component(&header.name).ok_or_else(|| refused(format!("{:?} is no file name", header.name)))?;
    if header.size > SIZE_LIMIT {
        return Err(refused(format!("a film of {} bytes is too large", header.size)));
    }

    let mut file = File::create_new(part)?;
    let part = Part(part);
    let mut film = stream.take(header.size);
    let mut chunk = vec![0; 64 * 1024];
    let (mut received, mut calls, mut shown) = (0, 0, 0);
    while received < header.size {
        // recv() gives what is there. A film is thousands of these.
        let count = film.read(&mut chunk)?;
        if count == 0 {
            return Err(refused(format!("{name}: the film ends after {received} of {} bytes", header.size)));
        }
        file.write_all(&chunk[..count])?;
        received += count as u64;
        calls += 1;
        let tenths = received * 10 / header.size;
        if tenths > shown {
            shown = tenths;
            println!("{name}: {} %, {calls} recv() calls", tenths * 10);
        }
    }
    file.sync_all()?;
    // Unlike rename() a link never replaces what is there: no client overwrites the film of another.
    fs::hard_link(part.0, part.0.with_file_name(name))?;
    Ok(name.into())
}

/// `../../x` and `C:\x` become `x`; what would be hidden, or is no name at all, becomes nothing.
fn last_component(name: &str) -> Option<&str> {
    let last = name.rsplit(['/', '\\']).next()?;
    let fits = !last.is_empty() && last.len() <= 255 && !last.starts_with('.') && !last.contains(char::is_control);
    fits.then_some(last)
}

fn refused(why: String) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}
