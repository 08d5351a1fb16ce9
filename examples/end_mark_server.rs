//! Lab 2: a file with an end mark. The receiver reads until it sees `<<END>>`.
//!
//! ```text
//! rustc examples/end_mark_server.rs                         builds it, in about a second
//! rustc examples/end_mark_client.rs
//! ./end_mark_server                                         the right one, on 127.0.0.1:7004
//! ./end_mark_server 127.0.0.1:7004 --naive
//! ./end_mark_client                                         sends a small file in one piece
//! ./end_mark_client 127.0.0.1:7004 --cut 16
//! ./end_mark_client 127.0.0.1:7004 README.md
//! ```
//!
//! The receiver says after each recv() how much it got, and the client sends its second piece only
//! when it has heard that. So `--cut 16` always arrives as two recv() calls, with the mark cut in two:
//!
//! ```text
//! recv() 1:  a small file\n<<E          naive: no mark here
//! recv() 2:  ND>>                       naive: no mark here either, and waits for ever
//! ```
//!
//! The right receiver differs in one line (see `receive`): it searches again from a little before the
//! new bytes. HTTP ends its head with such a mark, CR LF CR LF, and every server must find it split.
//!
//! Try to break it: the right one can be broken too. Send a file that *contains* `<<END>>`, this source
//! for example. The file ends too early, and no receiver can know. Either the mark cannot occur in the
//! data (a head of HTTP has no empty line inside), or the data must be escaped, or one sends the length
//! first: see `length_header_server`.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

const MARK: &[u8] = b"<<END>>";
/// Without a bound a sender who never sends the mark would fill the memory.
const LIMIT: usize = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let (options, plain): (Vec<_>, Vec<_>) = std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let naive = options.iter().any(|option| option == "--naive");
    let listener = TcpListener::bind(plain.first().map_or("127.0.0.1:7004", |a| a))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        if let Err(error) = serve(stream, naive) {
            println!("{peer}: {error}");
        }
    }
}

fn serve(mut stream: TcpStream, naive: bool) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let verdict = receive(&mut stream, naive)?;
    println!("{verdict}");
    writeln!(stream, "{verdict}")?;
    // A socket closed with unread bytes resets the connection, and the reset can overtake the verdict.
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut stream.take(LIMIT as u64), &mut io::sink())?;
    Ok(())
}

/// Collects a file up to the mark and says what became of it.
fn receive(stream: &mut TcpStream, naive: bool) -> io::Result<String> {
    let mut file = Vec::new();
    let mut chunk = [0; 4096];
    for number in 1_u64.. {
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(format!("broken: {} bytes and no mark, a patient receiver would wait for ever", file.len()));
        }
        writeln!(stream, "recv() {number}: {count} bytes")?;
        // The first place where a mark can begin that was not complete before. Its last byte is new,
        // so all others may be old.
        let from = if naive { file.len() } else { file.len().saturating_sub(MARK.len() - 1) };
        file.extend_from_slice(&chunk[..count]);
        if let Some(at) = file[from..].windows(MARK.len()).position(|window| window == MARK) {
            let size = from + at;
            let after = file.len() - size - MARK.len();
            return Ok(format!("complete: {size} bytes, and {after} bytes after the mark"));
        }
        if file.len() > LIMIT {
            break;
        }
    }
    Ok(format!("broken: more than {LIMIT} bytes and no mark"))
}
