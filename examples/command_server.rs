//! Lab 5: where does a response end? Runs a command, sends the length of its output and then the output.
//!
//! ```text
//! client:  date\n
//! server:  ok 29\nThu Jan  1 00:00:00 UTC 1970\n           a status, a length, as many bytes
//! client:  format-the-disk\n
//! server:  no 50\nthis server only does: date, hello, lines, uptime\n   and closes
//! ```
//!
//! ```text
//! rustc examples/command_server.rs                          builds it, in about a second
//! rustc examples/command_client.rs
//! ./command_server                                          on 127.0.0.1:7006
//! ./command_client 127.0.0.1:7006 date hello uptime
//! ```
//!
//! The output of a command may be anything, empty lines included, and the connection stays open for the
//! next one. Without the length the client could not know where one response ends. This is a small HTTP already:
//! a status line, a length, content.
//!
//! **Why never a free shell.** Many tutorials pass the line to `sh -c`. Everybody who reaches the port is then
//! you: your files, your keys, your network. "It only listens on 127.0.0.1" does not help, since other
//! users of the machine reach that, and so does every web page you open: a script may send bytes to
//! http://127.0.0.1:7006. Forbidding bad words does not help either, for `;`, `$( )`, `|`, a newline and
//! a hundred others begin a second command. So the line is never *run*. It is looked up: the name must
//! stand in the table below, its arguments are ours, and no shell is in between.
//!
//! Try to break it:
//! - `command_client 127.0.0.1:7006 'date; id'`: that is a name like any other, and not in the table.
//! - `printf 'POST / HTTP/1.1\r\n\r\ndate\n' | nc 127.0.0.1 7006` is what a web page could send. The first
//!   line is refused and the connection ends, so its `date` is never reached.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

/// What may be asked, and what is run then. All of them end by themselves and say little.
const COMMANDS: [(&str, &[&str]); 4] = [
    ("date", &["date", "-u"]),
    ("hello", &["echo", "hello from the server"]),
    ("lines", &["printf", "one\n\nno 3\nfour\n"]),
    ("uptime", &["uptime"]),
];
const NAME_LIMIT: u64 = 64;
const DRAIN_LIMIT: u64 = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7006".into());
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
        if reader.by_ref().take(NAME_LIMIT).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let Some(arguments) = look_up(&line) else {
            let names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
            answer(stream, "no", format!("this server only does: {}\n", names.join(", ")).as_bytes())?;
            // A client that does not speak our language is not read any further.
            stream.shutdown(Shutdown::Write)?;
            io::copy(&mut stream.take(DRAIN_LIMIT), &mut io::sink())?;
            return Ok(());
        };
        match Command::new(arguments[0]).args(&arguments[1..]).stdin(Stdio::null()).output() {
            Ok(done) if done.status.success() => answer(stream, "ok", &done.stdout)?,
            Ok(done) => answer(stream, "no", &done.stderr)?,
            Err(error) => answer(stream, "no", format!("{error}\n").as_bytes())?,
        }
        stream.flush()?;
    }
}

/// What to run for this line, which must be a name of the table and nothing else.
fn look_up(line: &[u8]) -> Option<&'static [&'static str]> {
    let name = line.strip_suffix(b"\n")?;
    let name = name.strip_suffix(b"\r").unwrap_or(name);
    COMMANDS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, arguments)| *arguments)
}

fn answer(mut stream: &TcpStream, status: &str, content: &[u8]) -> io::Result<()> {
    println!("{status} {}", content.len());
    // One write: two small ones may leave as two segments, the second after a pause (Nagle).
    let head = format!("{status} {}\n", content.len());
    stream.write_all(&[head.as_bytes(), content].concat())
}
