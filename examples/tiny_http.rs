//! Labs 3 and 4: HTTP in about sixty lines. A request is lines and an empty line; so is a response.
//!
//! ```text
//! rustc examples/tiny_http.rs                               builds it, in about a second
//! ./tiny_http                                               on 127.0.0.1:7008
//! curl -i http://127.0.0.1:7008/hello.txt                   or open it in a browser
//! curl -i http://127.0.0.1:7008/nothing                     404
//! curl -i -d name=Ada http://127.0.0.1:7008/                405
//! printf 'hello?\r\n\r\n' | nc 127.0.0.1 7008               400
//! ```
//!
//! It is honest, and it is all of HTTP that a page needs. What barewire has besides:
//!
//! - many requests on one connection, also glued together (RFC 9112 §9.3, §9.3.2)
//! - content of unknown length, in chunks (§7.1), and 501 only for codings it does not know (§6.1)
//! - requests for a full URL, and for `*` (§3.2); `%20` and `..` in paths (RFC 3986 §2.1, §6.2.2)
//! - 501 for unknown methods (RFC 9110 §9.1), OPTIONS (§9.3.7), PUT, DELETE
//! - Date (§6.6.1), 100 (Continue) before uploads (§10.1.1), passwords (§11)
//! - "only if it has changed": ETag, If-None-Match, 304 (§13); "only this part": Range, 206 (§14)
//! - files from a disk, without ever leaving the folder; thousands of clients without as many threads
//!
//! Try to break it: one byte at a time (`barewire send --cut`), a space before a colon, two different
//! Content-Length lines, a head without an end. Each of these was a security hole in a real server.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{thread, time::Duration};

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";
const FILES: [(&str, &str, &str); 2] = [
    ("/", HTML, "<!doctype html><title>tiny</title><p>It works. <a href=\"/hello.txt\">hello.txt</a>\n"),
    ("/hello.txt", TEXT, "hello, world\n"),
];
const HEAD_LIMIT: u64 = 16 * 1024;
const CONTENT_LIMIT: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7008".into()))?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept()?;
        thread::Builder::new()
            .name(peer.to_string())
            .spawn(move || serve(&stream).map_err(|e| println!("{peer}: {e}")))?;
    }
}

fn serve(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let head = receive_head(&mut reader)?;
    if head.is_empty() {
        return Ok(()); // A browser opens connections in advance and may never use them.
    }
    let request = parse(&head);
    if let Ok(request) = &request {
        // Content we have no use for. Unread, it would turn our close into a reset.
        io::copy(&mut reader.take(request.length), &mut io::sink())?;
    }
    respond(stream, request)?;
    stream.shutdown(Shutdown::Write)?;
    io::copy(&mut { stream }.take(CONTENT_LIMIT), &mut io::sink())?;
    Ok(())
}

/// The bytes up to and with the empty line. recv() knows nothing of it: `read_until` calls it as often
/// as is needed, and keeps what came too much.
fn receive_head(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let (mut head, mut reader) = (Vec::new(), reader.take(HEAD_LIMIT));
    while !head.ends_with(b"\r\n\r\n") && reader.read_until(b'\n', &mut head)? > 0 {}
    Ok(head)
}

struct Request<'h> {
    method: &'h str,
    path: &'h str,
    length: u64,
}

/// request-line = method SP request-target SP HTTP-version (RFC 9112 §3); an error is a status line.
fn parse(head: &[u8]) -> Result<Request<'_>, &'static str> {
    const BAD: &str = "400 Bad Request";
    if head.len() as u64 == HEAD_LIMIT {
        return Err("431 Request Header Fields Too Large");
    }
    let text = std::str::from_utf8(head).ok().and_then(|text| text.strip_suffix("\r\n\r\n")).ok_or(BAD)?;
    // A lone CR or LF ends a line for some servers and not for others, which is how one request is
    // smuggled inside another (§2.2). The same goes for a space before the colon (§5.1).
    if text.replace("\r\n", "").contains(['\r', '\n', '\0']) {
        return Err(BAD);
    }
    let mut lines = text.split("\r\n");
    let parts: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = parts[..] else { return Err(BAD) };
    let (mut hosts, mut length) = (0, None);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BAD)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(BAD);
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            // With two lengths no guess is safe (§6.3). And `parse` would accept "+5".
            "content-length" if length.is_some() || value.contains('+') => return Err(BAD),
            "content-length" => length = Some(value.trim_matches([' ', '\t']).parse().map_err(|_| BAD)?),
            "transfer-encoding" => return Err("501 Not Implemented"),
            _ => {}
        }
    }
    match length.unwrap_or(0) {
        _ if hosts != 1 => Err(BAD), // §3.2
        length if length > CONTENT_LIMIT => Err("413 Content Too Large"),
        length => Ok(Request { method, path: target.split('?').next().unwrap_or(target), length }),
    }
}

/// status-line, field lines, an empty line, the content: as many bytes as Content-Length says.
fn respond(mut stream: &TcpStream, request: Result<Request<'_>, &'static str>) -> io::Result<()> {
    let file = |path: &str| FILES.iter().find(|(name, ..)| *name == path);
    let is_head = request.as_ref().is_ok_and(|request| request.method == "HEAD");
    let (status, kind, content) = match request {
        Err(status) => (status, TEXT, status),
        Ok(Request { method: "GET" | "HEAD", path, .. }) => match file(path) {
            Some((_, kind, content)) => ("200 OK", *kind, *content),
            None => ("404 Not Found", TEXT, "There is no such file.\n"),
        },
        Ok(_) => ("405 Method Not Allowed", TEXT, "Only GET and HEAD work here.\n"),
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let length = content.len();
    // The answer to HEAD has the length of the content and not the content (RFC 9110 §9.3.2).
    let content = if is_head { "" } else { content };
    let head = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n{allow}Connection: close\r\n");
    stream.write_all(format!("HTTP/1.1 {status}\r\n{head}\r\n{content}").as_bytes())
}
