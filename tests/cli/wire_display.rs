//! How the wire view looks where it is shown: on terminals of every kind, in a pipe, to a reader that stops reading.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::process::Signal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::program::{barewire, get, run, site_folder, wire_of};
use crate::support::server::Server;
use crate::support::until;

/// The text that a thread has read so far.
struct Reader {
    text: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Reader {
    fn of(mut from: impl Read + Send + 'static) -> Reader {
        let text = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            // When the other end of a terminal is closed, a read fails. It does not return an end of file.
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                theirs.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        Reader { text, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    fn all(self) -> String {
        self.thread.join().unwrap();
        String::from_utf8(Arc::into_inner(self.text).unwrap().into_inner().unwrap()).unwrap()
    }
}

/// A terminal of this width: our end, and the end of the program.
fn terminal(columns: u16) -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    tcsetwinsize(&master, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (File::from(master), File::options().read(true).write(true).open(path).unwrap())
}

/// The text of a command on a terminal of this width. For a server, `ask` gets the port, and then it is stopped.
fn shown(mut command: Command, columns: u16, ask: Option<&dyn Fn(u16)>) -> String {
    let (ours, theirs) = terminal(columns);
    let mut child = command.stdout(Stdio::from(theirs)).stderr(Stdio::piped()).spawn().unwrap();
    // The command would keep its end of the terminal open, and a read of our end would never finish.
    drop(command);
    let reader = Reader::of(ours);
    if let Some(ask) = ask {
        let server = Server::heard(child);
        ask(server.port());
        assert_eq!(server.stop(Signal::INT).0, 0);
    } else {
        assert!(child.wait().unwrap().success());
    }
    reader.all().replace("\r\n", "\n")
}

/// The text without colours.
fn without_color(text: &str) -> String {
    let mut pieces = text.split("\x1b[");
    let first = pieces.next().unwrap_or_default().to_string();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

/// The text without numbers, of which some are times.
fn without_digits(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit() && !matches!(c, ' ' | '.' | '─')).collect()
}

#[test]
fn colors_are_not_written_where_they_are_not_wanted() {
    let folder = site_folder();
    let agent = "x".repeat(90);
    let request = format!("GET /none HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
    fs::write(folder.join("saved"), &request).unwrap();
    let ask = |port: u16| {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    };
    let live = ["--wire=full", "--log", "off", "-p", "0", "site"];
    let saved = ["explain", "saved"];
    for (arguments, ask) in [(&live[..], Some(&ask as &dyn Fn(u16))), (&saved, None)] {
        let on_terminal = |columns: u16, more: &[&str], variable: (&str, &str)| {
            let mut command = barewire(&folder, &[arguments, more].concat());
            command.env(variable.0, variable.1);
            shown(command, columns, ask)
        };
        let nothing = ("UNUSED", "");
        let colored = on_terminal(72, &[], nothing);
        assert!(colored.contains("\x1b[1m"), "{colored}");
        // `NO_COLOR` counts when it is not empty (no-color.org).
        assert!(on_terminal(72, &[], ("NO_COLOR", "")).contains('\x1b'));
        for (more, variable) in [(&[][..], ("NO_COLOR", "1")), (&["--color=never"], nothing), (&[], ("TERM", "dumb"))] {
            let plain = on_terminal(72, more, variable);
            assert!(!plain.contains('\x1b'), "{more:?} {variable:?}: {plain}");
            assert_eq!(without_digits(&plain), without_digits(&without_color(&colored)), "the meaning is the same");
            // Lines of bytes are never wrapped. Notes that would not fit have lines of their own.
            assert!(plain.contains(&format!("   User-Agent: {agent}\\r\\n\n")), "{plain}");
            let of_notes = plain.lines().filter(|line| !line.contains(&agent) && !line.starts_with("   = "));
            let long: Vec<&str> = of_notes.filter(|line| line.chars().count() > 72).collect();
            assert!(long.iter().all(|line| line.ends_with("\\n")), "{long:?}");
        }
        let wide = on_terminal(200, &["--color=never"], nothing);
        let words = |text: &str| -> BTreeSet<String> { text.split_whitespace().map(without_digits).collect() };
        assert_eq!(words(&wide), words(&without_color(&colored)), "narrow or wide, it says the same");
    }
    let piped = run(&mut barewire(&folder, &saved)).1;
    assert!(!piped.contains('\x1b') && piped.contains("GET /none"), "{piped}");
    let piped = wire_of(&folder, &live, |server| ask(server.port()));
    assert!(!piped.contains('\x1b') && piped.contains("GET /none"), "{piped}");
    let forced = run(&mut barewire(&folder, &[&saved[..], &["--color=always"]].concat())).1;
    assert!(forced.contains("\x1b["), "{forced}");
}

#[test]
fn a_reader_that_stops_loses_events_is_told_how_many_and_delays_no_client() {
    const EACH: usize = 1024 * 1024;
    let folder = site_folder();
    fs::write(folder.join("site/large.txt"), vec![b'x'; EACH]).unwrap();
    let mut child = barewire(&folder, &["--wire=full", "--no-sendfile", "-p", "0", "site"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let server = Server::heard(child);
    // Far more than a pipe and the record hold. Each request is answered.
    for _ in 0..100 {
        assert!(get(server.port(), "/large.txt").len() > EACH);
    }
    let reader = Reader::of(out);
    // Now the output is read. As soon as there is room, further events are shown.
    until("it is shown again", || {
        get(server.port(), "/again");
        reader.so_far().contains("GET /again HTTP/1.1")
    });
    assert_eq!(server.stop(Signal::INT).0, 0);
    let text = reader.all();
    let lost = text.find(" not shown").expect("what was lost is counted");
    let line = text[..lost].rsplit('\n').next().unwrap();
    let count: u64 = line.replace(',', "").split(' ').find_map(|word| word.parse().ok()).expect("a number");
    assert!(count > 0, "{line}");
    assert!(text.find("GET /again").unwrap() > lost, "what was lost is told where it was lost");
    assert!(text.matches("GET /large.txt").count() < 100);
}
