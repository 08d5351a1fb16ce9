//! A whole server in this process, so that a fuzzer sees which of its code an input reaches.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use barewire::files::{self, Settings};
use barewire::net::{self, Listener, Server};

/// What no response may contain: the content of the files outside the roots.
const OUTSIDE: &[u8] = b"OUTSIDE";
/// The file of [`Site::ranges`] has so many bytes, all of which differ from their neighbours.
const LENGTH: usize = 1000;
/// After so many inputs what they have uploaded is removed.
const SWEEP: u32 = 256;
/// How long an answer may take before it counts as a hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two servers, which end with the process: one that only reads, and one on which everything may be changed.
#[derive(Debug)]
pub struct Site {
    base: PathBuf,
    reading: SocketAddr,
    writing: SocketAddr,
    inputs: AtomicU32,
}

impl Site {
    /// In a folder of its own, which stays.
    pub fn in_temp_dir() -> Site {
        let base = std::env::temp_dir().join(format!("barewire-fuzz-{}", std::process::id()));
        fs::create_dir_all(&base).unwrap();
        Site::below(&fs::canonicalize(base).unwrap())
    }

    /// In this folder, which is empty. The content of each file in `read` is its path.
    pub fn below(base: &Path) -> Site {
        let read = base.join("read");
        for path in ["/f", "/d/f", "/d/d/f", "/.hidden", "/d/.hidden/f", "/d/index.html", "/a b/\u{fc}"] {
            let at = read.join(&path[1..]);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            fs::write(at, path).unwrap();
        }
        fs::write(read.join("r"), content()).unwrap();
        fs::create_dir_all(base.join("write")).unwrap();
        for name in ["f", "secret", "read-sibling"] {
            fs::write(base.join(name), OUTSIDE).unwrap();
        }
        for (to, name) in [("../f", "out"), ("..", "up"), ("/", "d/root"), ("d/../../f", "in-and-out")] {
            std::os::unix::fs::symlink(to, read.join(name)).unwrap();
        }
        let (upload, listing) = (true, false);
        let all = Settings::with(|s| {
            s.upload = upload;
            s.overwrite = true;
            s.delete = true;
        });
        let reading = serve(&read, Settings::with(|s| s.listing = listing));
        Site { base: base.into(), reading, writing: serve(&base.join("write"), all), inputs: AtomicU32::new(0) }
    }

    /// Any bytes as a path: 200 brings the content of a file that is inside and not hidden, and nothing else does.
    pub fn paths(&self, bytes: &[u8]) {
        if bytes.iter().any(|b| b.is_ascii_whitespace()) {
            return;
        }
        let answer = ask(self.reading, &[b"GET /", bytes, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
        assert!(!contains(&answer, OUTSIDE));
        let (head, body) = split(&answer);
        match status(head) {
            b"200" => {
                let files = ["/f", "/d/f", "/d/d/f", "/d/index.html", "/a b/\u{fc}"];
                assert!(body == content() || files.iter().any(|file| file.as_bytes() == body));
            }
            // Those of the path, and of a first byte that makes a request of another version or kind of it.
            b"301" | b"400" | b"403" | b"404" | b"414" | b"421" | b"431" => {}
            other => panic!("{}", other.escape_ascii()),
        }
    }

    /// Any bytes as a Range: what comes are the bytes that the response says.
    pub fn ranges(&self, bytes: &[u8]) {
        if bytes.contains(&b'\n') {
            return;
        }
        let request = [b"GET /r HTTP/1.1\r\nHost: a\r\nRange: ", bytes, b"\r\n\r\n"].concat();
        let answer = ask(self.reading, &request);
        let (head, body) = split(&answer);
        match status(head) {
            b"200" => assert!(body == content()),
            b"206" => match value(head, "Content-Type: multipart/byteranges; boundary=") {
                None => assert_range(head, body),
                Some(boundary) => parts(body, &boundary),
            },
            b"416" => assert_eq!(value(head, "Content-Range: ").unwrap(), format!("bytes */{LENGTH}")),
            b"400" | b"431" => {}
            other => panic!("{}", other.escape_ascii()),
        }
    }

    /// Any bytes on a connection to the server that may write: it answers, and what it answers is not that it failed.
    pub fn requests(&self, bytes: &[u8]) {
        let answer = ask(self.writing, bytes);
        assert!(!contains(&answer, OUTSIDE));
        if !answer.is_empty() {
            let status = status(&answer);
            assert!(status[0] != b'5' || matches!(status, b"501" | b"505" | b"507"), "{}", status.escape_ascii());
        }
        if self.inputs.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            self.sweep();
        }
    }

    /// Nothing was changed outside of the root, and nothing half-made stands in it.
    fn sweep(&self) {
        for name in ["f", "secret", "read-sibling"] {
            assert_eq!(fs::read(self.base.join(name)).unwrap(), OUTSIDE);
        }
        assert_eq!(fs::read_dir(&self.base).unwrap().count(), 5);
        for entry in fs::read_dir(self.base.join("write")).unwrap() {
            let path = entry.unwrap().path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.unwrap();
        }
    }
}

fn serve(root: &Path, settings: Settings) -> SocketAddr {
    let site = files::Site::open(root, settings).unwrap();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.address();
    let settings = net::Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
    });
    let server = Server::new(site, settings, vec![listener]).unwrap();
    std::thread::spawn(move || server.run().unwrap());
    address
}

/// Sends these bytes, ends our side, and returns all that comes.
fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // It may have refused the first of it and closed.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = socket.read_to_end(&mut answer) {
        assert!(error.kind() == std::io::ErrorKind::ConnectionReset, "{error}");
    }
    answer
}

fn content() -> Vec<u8> {
    (0..LENGTH).map(|at| (at % 251) as u8).collect()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The digits of the status.
fn status(answer: &[u8]) -> &[u8] {
    answer.strip_prefix(b"HTTP/1.1 ").unwrap_or_else(|| panic!("{}", answer.escape_ascii())).get(..3).unwrap()
}

/// The head, with the line end of its last line, and what follows the empty line.
fn split(answer: &[u8]) -> (&[u8], &[u8]) {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    (&answer[..at + 2], &answer[at + 4..])
}

/// What follows `start` in the line that begins with it.
fn value(head: &[u8], start: &str) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    text.lines().find_map(|line| line.strip_prefix(start)).map(str::to_string)
}

/// `body` is the part of the file that the Content-Range in `head` names.
fn assert_range(head: &[u8], body: &[u8]) {
    let range = value(head, "Content-Range: bytes ").expect("a Content-Range");
    let (first, last) = range.strip_suffix(&format!("/{LENGTH}")).unwrap().split_once('-').unwrap();
    assert!(body == &content()[first.parse().unwrap()..=last.parse().unwrap()], "{range}");
}

/// Each part is the part of the file that it says.
fn parts(body: &[u8], boundary: &str) {
    let start = format!("\r\n--{boundary}");
    let (mut rest, mut count) = (body, 0);
    while let Some(part) = rest.strip_prefix(format!("{start}\r\n").as_bytes()) {
        let (head, after) = split(part);
        let end = after.windows(start.len()).position(|at| at == start.as_bytes()).expect("an end of the part");
        assert_range(head, &after[..end]);
        (rest, count) = (&after[end..], count + 1);
    }
    assert!(count > 1 && rest == format!("{start}--\r\n").as_bytes(), "{}", rest.escape_ascii());
}
