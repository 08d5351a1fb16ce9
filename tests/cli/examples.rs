//! The programs of `examples/`: each is started on a free port, driven by its own client and by raw sockets, and its
//! output is compared with what its head comment says.
//!
//! Nothing waits for a time. A test goes on when a program has printed a line or sent a byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// Longer than anything here takes on a very busy machine.
const DEADLINE: Duration = Duration::from_secs(10);
const FREE: &str = "127.0.0.1:0";

fn source(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let [file, main] = [format!("{name}.rs"), format!("{name}/main.rs")].map(|path| folder.join(path));
    if main.is_file() { main } else { file }
}

/// The binary of an example: `target/debug/examples/NAME`, while this test is in `target/debug/deps`.
#[track_caller]
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path =
        test.ancestors().nth(2).unwrap().join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    // `cargo test` builds the examples, `cargo test --test cli examples` does not.
    assert!(changed(&path) >= changed(&source(name)), "{name} is missing or old: cargo build --examples");
    path
}

/// A running server.
struct Program {
    child: Child,
    lines: Receiver<String>,
    address: SocketAddr,
}

impl Program {
    #[track_caller]
    fn start(name: &str, arguments: &[&str]) -> Program {
        let mut child =
            Command::new(binary(name)).args(arguments).stdout(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
        let mut program = Program { child, lines, address: (Ipv4Addr::LOCALHOST, 0).into() };
        let line = program.line("listening on ");
        program.address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        program
    }

    /// The next line that contains this.
    #[track_caller]
    fn line(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(DEADLINE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(error) => panic!("{error}: waited for {part:?}, heard {seen:#?}"),
            }
        }
    }

    #[track_caller]
    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Sends all of it, ends, and returns what came back until the server ended too.
    #[track_caller]
    fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes.as_ref()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        rest(&mut stream)
    }

    /// The same, one byte at a time.
    #[track_caller]
    fn ask_bytewise(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect();
        bytes.as_ref().iter().for_each(|byte| stream.write_all(&[*byte]).unwrap());
        stream.shutdown(Shutdown::Write).unwrap();
        rest(&mut stream)
    }

    fn place(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn rest(stream: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads as many bytes as `text` has, and asserts that they are equal.
#[track_caller]
fn expect(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

/// Closes with a reset, as a client does that dies with unread bytes.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// The output of a program that ends by itself, and whether it succeeded.
struct Run {
    ok: bool,
    out: String,
    complaint: String,
}

#[track_caller]
fn run(name: &str, arguments: &[&str], keyboard: &str) -> Run {
    let mut command = Command::new(binary(name));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program may end without reading it.
    let _ = child.stdin.take().unwrap().write_all(keyboard.as_bytes());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (tell, told) = channel();
    thread::spawn(move || {
        let errors = thread::spawn(move || rest(&mut stderr));
        let _ = tell.send((rest(&mut stdout), errors.join().unwrap()));
    });
    let said = told.recv_timeout(DEADLINE);
    if said.is_err() {
        let _ = child.kill();
    }
    let ok = child.wait().unwrap().success();
    let (out, complaint) = said.unwrap_or_else(|_| panic!("{name} {arguments:?} does not end"));
    Run { ok, out, complaint }
}

/// An empty folder of its own for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("examples-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(path.join("films")).unwrap();
    path.join("films")
}

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

// ---- tcp_echo_server, tcp_echo_client

#[test]
fn echo_returns_every_byte_and_its_client_shows_them() {
    let server = Program::start("tcp_echo_server", &[FREE]);
    let text: String = ('\0'..'\u{400}').collect();
    assert_eq!(server.ask(&text), text);
    assert_eq!(server.ask_bytewise(&text), text);
    assert_eq!(server.ask(""), "");
    server.line("has received its 0 bytes");

    let client = run("tcp_echo_client", &[&server.place()], "hello\n\nétude\nno line end");
    assert!(client.ok, "{}", client.complaint);
    let shown = client.out.split_once('\n').unwrap().1;
    assert_eq!(shown, "hello\n\nétude\nno line endthe server closed too, with 0 bytes left to read\n");
}

#[test]
fn echo_looks_at_one_client_at_a_time_and_survives_a_reset() {
    let server = Program::start("tcp_echo_server", &[FREE]);
    let mut first = server.connect();
    first.write_all(b"first").unwrap();
    expect(&mut first, "first");
    // Connected by the kernel, though the server has not called accept() for it.
    let mut second = server.connect();
    second.write_all(b"second").unwrap();
    let peer = second.local_addr().unwrap().to_string();
    first.write_all(b"again").unwrap();
    expect(&mut first, "again");
    let first_peer = first.local_addr().unwrap().to_string();
    reset(first);
    let close = server.line("close()");
    assert!(close.contains(&first_peer) && !close.contains("has received"), "{close}");
    assert!(server.line("accept()").contains(&peer));
    expect(&mut second, "second");
}

#[test]
fn a_port_in_use_is_refused_and_so_is_a_port_without_listener() {
    let server = Program::start("tcp_echo_server", &[FREE]);
    let second = run("tcp_echo_server", &[&server.place()], "");
    assert!(!second.ok && second.complaint.contains("AddrInUse"), "{}", second.complaint);
    // Bound and not listening: no other program can get this port meanwhile.
    let bound = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    bound.bind(&FREE.parse::<SocketAddr>().unwrap().into()).unwrap();
    let place = bound.local_addr().unwrap().as_socket().unwrap().to_string();
    let client = run("tcp_echo_client", &[&place], "");
    assert!(!client.ok && client.complaint.contains("ConnectionRefused"), "{}", client.complaint);
}

// ---- five_calls, one_line_client

#[test]
fn accept_makes_a_new_socket_and_not_a_new_port() {
    let server = Program::start("five_calls", &[FREE]);
    let place = server.place();
    for line in ["hello", "", "a line of 小明"] {
        let client = run("one_line_client", &[&place, line], "");
        assert!(client.ok, "{}", client.complaint);
        let own = client.out.split_once("getsockname() is ").unwrap().1.split_once(',').unwrap().0;
        assert!(client.out.contains(&format!("getpeername() is {place}\n")), "{}", client.out);
        let response =
            format!("recv(): 0 bytes\nyour name is {own}, mine is {place}, your line has {} bytes\n", line.len());
        assert!(client.out.ends_with(&response), "{}", client.out);
        assert_eq!(server.line("accept()"), format!("accept(): getsockname() is {place}, getpeername() is {own}"));
    }
}

#[test]
fn five_calls_reads_a_line_in_pieces_and_outlives_its_clients() {
    let server = Program::start("five_calls", &[FREE]);
    assert!(server.ask_bytewise("hello\nand more").ends_with("your line has 5 bytes\n"));
    assert!(server.ask("no line end").ends_with("your line has 11 bytes\n"));
    assert!(server.ask(vec![b'x'; 5000]).contains("your line has "), "a line has a limit");
    reset(server.connect());
    assert!(server.ask("hello\n").ends_with("your line has 5 bytes\n"));
}

#[test]
fn five_calls_binds_again_at_once_after_it_closed_first() {
    let server = Program::start("five_calls", &[FREE]);
    let place = server.place();
    // The server closes first: the connection stays in TIME_WAIT on its port.
    assert!(run("one_line_client", &[&place], "").ok);
    server.line("close()");
    drop(server);
    assert_eq!(Program::start("five_calls", &[&place]).place(), place);
}

// ---- upper_threads

#[test]
fn a_silent_client_hinders_no_other_when_each_has_a_thread() {
    let server = Program::start("upper_threads", &[FREE]);
    let mut silent = server.connect();
    let peer = silent.local_addr().unwrap().to_string();
    server.line(&format!("{peer}: accepted"));
    assert_eq!(server.ask("shout, é!"), "SHOUT, é!");
    reset(server.connect());
    let client = run("tcp_echo_client", &[&server.place()], "hello\n");
    assert!(client.out.contains("HELLO\n"), "{}", client.out);
    silent.write_all(b"at last").unwrap();
    expect(&mut silent, "AT LAST");
}

// ---- udp_upper_server, udp_upper_client, udp_broadcast, boundaries

#[test]
fn two_datagrams_are_two_recv_from_calls() {
    let server = Program::start("udp_upper_server", &[FREE]);
    let socket = UdpSocket::bind(FREE).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(server.address).unwrap();
    // All are sent before the first answer is read.
    socket.send(b"one").unwrap();
    socket.send(b"and two").unwrap();
    socket.send(b"").unwrap();
    let mut buffer = [0; 4096];
    for (number, (size, text, answer)) in
        [(3, "\"one\"", &b"ONE"[..]), (7, "\"and two\"", b"AND TWO"), (0, "\"\"", b"")].into_iter().enumerate()
    {
        let line = server.line("recv_from()");
        assert!(
            line.starts_with(&format!("recv_from() {}: {size} bytes", number + 1)) && line.ends_with(text),
            "{line}"
        );
        let count = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], answer);
    }
}

#[test]
fn a_long_datagram_is_cut_and_a_strange_one_does_not_reach_the_terminal() {
    let server = Program::start("udp_upper_server", &[FREE]);
    let socket = UdpSocket::bind(FREE).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(&[b'x'; 3000], server.address).unwrap();
    let mut buffer = [0; 4096];
    assert_eq!(socket.recv(&mut buffer).unwrap(), 2048);
    socket.send_to(b"\x1b[2J\xff", server.address).unwrap();
    let line = server.line("recv_from() 2");
    assert!(line.contains("5 bytes") && !line.contains('\x1b'), "{line:?}");
}

#[test]
fn the_udp_client_shows_each_answer_and_says_when_there_is_no_server() {
    let server = Program::start("udp_upper_server", &[FREE]);
    let client = run("udp_upper_client", &[&server.place()], "");
    assert!(client.ok, "{}", client.complaint);
    assert!(client.out.ends_with("recv() 1: 5 bytes: \"HELLO\"\nrecv() 2: 5 bytes: \"WORLD\"\n"), "{}", client.out);
    let client = run("udp_upper_client", &[&server.place(), "a", "b c", "d"], "");
    assert!(client.out.ends_with("1: 1 bytes: \"A\"\nrecv() 2: 3 bytes: \"B C\"\nrecv() 3: 1 bytes: \"D\"\n"));

    // It receives only from itself, and no other program can get its port.
    let deaf = UdpSocket::bind(FREE).unwrap();
    deaf.connect(deaf.local_addr().unwrap()).unwrap();
    let client = run("udp_upper_client", &[&deaf.local_addr().unwrap().to_string()], "");
    assert!(!client.ok && client.complaint.contains("no program listens"), "{}", client.complaint);
}

#[test]
fn datagrams_keep_their_boundaries_and_a_stream_has_none() {
    assert_eq!(run("boundaries", &[], "").out, promised("boundaries", 4));
}

#[test]
fn a_broadcast_needs_permission_and_reaches_every_receiver() {
    let broadcast = run("udp_broadcast", &[], "");
    assert_eq!(broadcast.out, promised("udp_broadcast", 2), "{}", broadcast.complaint);
}

/// The output that the head of a program promises, which has this many lines.
#[track_caller]
fn promised(name: &str, lines: usize) -> String {
    let source = std::fs::read_to_string(source(name)).unwrap();
    let after = source.split_once("//! It prints:\n//!\n//! ```text\n").unwrap().1;
    let output = after.split_once("//! ```").unwrap().0.replace("//! ", "");
    assert_eq!(output.lines().count(), lines, "{output}");
    output
}

// ---- end_mark_server, end_mark_client

/// Sends in two pieces; the second leaves when the server has received the first.
#[track_caller]
fn send_cut(server: &Program, message: &[u8], cut: usize) -> String {
    let mut stream = server.connect();
    let (first, second) = message.split_at(cut);
    stream.write_all(first).unwrap();
    expect(&mut stream, &format!("recv() 1: {cut} bytes\n"));
    stream.write_all(second).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    rest(&mut stream)
}

const MARKED: &[u8] = b"a small file\n<<END>>";

#[test]
fn a_mark_split_anywhere_is_found_by_the_right_receiver() {
    let server = Program::start("end_mark_server", &[FREE]);
    for cut in 1..MARKED.len() {
        let answer = send_cut(&server, MARKED, cut);
        assert!(answer.ends_with("complete: 13 bytes, and 0 bytes after the mark\n"), "cut at {cut}: {answer}");
    }
}

#[test]
fn a_split_mark_breaks_the_naive_receiver_and_only_a_split_mark() {
    let server = Program::start("end_mark_server", &[FREE, "--naive"]);
    for cut in 1..MARKED.len() {
        let answer = send_cut(&server, MARKED, cut);
        let verdict = if cut <= 13 { "complete: 13 bytes" } else { "broken: 20 bytes and no mark" };
        assert!(answer.contains(verdict), "cut at {cut}: {answer}");
    }
}

#[test]
fn a_mark_in_the_data_breaks_both() {
    for options in [&[FREE][..], &[FREE, "--naive"]] {
        let server = Program::start("end_mark_server", options);
        let answer = server.ask("a <<END>> in the file<<END>>");
        assert!(answer.ends_with("complete: 2 bytes, and 19 bytes after the mark\n"), "{answer}");
    }
}

#[test]
fn a_file_that_never_ends_does_not_fill_the_memory() {
    let server = Program::start("end_mark_server", &[FREE]);
    assert!(server.ask(vec![b'<'; 1024 * 1024 + 4097]).ends_with("broken: more than 1048576 bytes and no mark\n"));
    assert!(server.ask("half").ends_with("broken: 4 bytes and no mark, a patient receiver would wait for ever\n"));
}

#[test]
fn the_marking_client_notices_what_the_server_cannot() {
    let (right, naive) =
        (Program::start("end_mark_server", &[FREE]), Program::start("end_mark_server", &[FREE, "--naive"]));
    let send = |server: &Program, more: &[&str]| run("end_mark_client", &[&[&*server.place()], more].concat(), "");
    assert!(send(&right, &[]).ok);
    assert!(send(&naive, &[]).ok);
    assert!(send(&right, &["--cut", "16"]).ok);
    assert!(!send(&naive, &["--cut", "16"]).ok);
    assert!(send(&right, &["Cargo.toml"]).ok);
    let client = send(&right, &["examples/end_mark_client.rs"]);
    assert!(client.out.contains("server: complete: ") && !client.ok, "{}", client.out);
}

// ---- length_header_server, length_header_client

fn upload(header: &str, film: &[u8]) -> Vec<u8> {
    [&(header.len() as u32).to_be_bytes(), header.as_bytes(), film].concat()
}

fn named(name: &str, film: &[u8]) -> Vec<u8> {
    upload(&serde_json::json!({ "name": name, "size": film.len() }).to_string(), film)
}

/// The JSON after the four bytes of its length.
#[track_caller]
fn unframed(answer: &str) -> serde_json::Value {
    let (length, json) = answer.split_at(4);
    assert_eq!(u32::from_be_bytes(length.as_bytes().try_into().unwrap()) as usize, json.len());
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_film_arrives_whole_in_many_pieces() {
    let folder = folder("whole");
    let server = Program::start("length_header_server", &[FREE, folder.to_str().unwrap()]);
    let client = run("length_header_client", &[&server.place()], "");
    assert!(client.ok, "{}", client.complaint);
    assert_eq!(client.out, "{\"saved\":\"film.mp4\"}\n");
    server.line("film.mp4: 50 %");
    server.line("film.mp4: 100 %");
    assert!(std::fs::read(folder.join("film.mp4")).unwrap() == vec![b'f'; 8 * 1024 * 1024]);

    let client = run("length_header_client", &[&server.place(), "Cargo.toml", "../../é x.toml"], "");
    assert_eq!(client.out, "{\"saved\":\"é x.toml\"}\n", "{}", client.complaint);
    let same = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(std::fs::read(folder.join("é x.toml")).unwrap() == same);

    assert_eq!(unframed(&server.ask_bytewise(named("slow", b"a\0b"))), serde_json::json!({ "saved": "slow" }));
    assert_eq!(unframed(&server.ask(named("empty", b""))), serde_json::json!({ "saved": "empty" }));
    assert_eq!(names_in(&folder), ["empty", "film.mp4", "slow", "é x.toml"]);
}

#[test]
fn a_film_that_ends_early_leaves_nothing() {
    let folder = folder("early");
    let server = Program::start("length_header_server", &[FREE, folder.to_str().unwrap()]);
    let whole = named("film", b"0123456789");
    let start = whole.len() - 10;
    for cut in 0..whole.len() {
        let answer = unframed(&server.ask(&whole[..cut]));
        let error = answer["error"].as_str().unwrap();
        if cut >= start {
            assert_eq!(error, format!("film: the film ends after {} of 10 bytes", cut - start));
        }
    }
    let mut stream = server.connect();
    stream.write_all(&named("film", &[0; 1000])[..500]).unwrap();
    reset(stream);
    // The reset may come at any step of the server's loop. In each case the error is the last line.
    while !server.line("error").contains("reset") {}
    assert!(names_in(&folder).is_empty(), "{:?}", names_in(&folder));
}

#[test]
fn a_name_never_leaves_the_folder() {
    let folder = folder("name");
    let server = Program::start("length_header_server", &[FREE, folder.to_str().unwrap()]);
    for (name, saved) in
        [("../../x", "x"), ("/etc/passwd", "passwd"), ("a/b\\c", "c"), ("..\\..\\y", "y"), ("z..", "z..")]
    {
        assert_eq!(unframed(&server.ask(named(name, b"film"))), serde_json::json!({ "saved": saved }), "{name}");
    }
    for name in ["", ".", "..", "../..", "a/", ".bashrc", "x/.ssh", "nul\0", "line\n", &"n".repeat(256)] {
        let answer = unframed(&server.ask(named(name, b"film")));
        assert!(answer["error"].as_str().unwrap().contains("no file name"), "{name:?}: {answer}");
    }
    assert_eq!(names_in(&folder), ["c", "passwd", "x", "y", "z.."]);
    assert_eq!(names_in(folder.parent().unwrap()), ["films"]);
}

#[test]
fn claims_are_bounded_and_no_client_replaces_the_film_of_another() {
    let folder = folder("claims");
    let server = Program::start("length_header_server", &[FREE, folder.to_str().unwrap()]);
    let refused = |bytes: &[u8], why: &str| {
        let answer = unframed(&server.ask(bytes));
        assert!(answer["error"].as_str().unwrap().contains(why), "{answer}");
    };
    refused(&[0xff; 4], "too long");
    refused(&upload(&" ".repeat(4097), b""), "too long");
    refused(&upload(r#"{"name":"x","size":4294967297}"#, b"film"), "too large");
    refused(&upload(r#"{"name":"x","size":-1}"#, b"film"), "u64");
    refused(&upload(r#"{"name":"x","size":"4"}"#, b"film"), "u64");
    refused(&upload(r#"{"name":"x"}"#, b"film"), "size");
    refused(&upload("film", b"film"), "expected");
    refused(&upload(r#"{"name":"é","size":0}"#, b"")[..24], "fill whole buffer");
    server.ask(named("mine", b"first"));
    refused(&named("mine", b"second"), "exists");
    assert_eq!(std::fs::read(folder.join("mine")).unwrap(), b"first");
    assert_eq!(names_in(&folder), ["mine"]);
}

// ---- command_server, command_client

#[test]
fn output_is_framed_by_its_length_whatever_is_in_it() {
    let server = Program::start("command_server", &[FREE]);
    let both = "ok 15\none\n\nno 3\nfour\nok 22\nhello from the server\n";
    assert_eq!(server.ask("lines\nhello\n"), both);
    assert_eq!(server.ask_bytewise("lines\r\nhello\n"), both);
    let client = run("command_client", &[&server.place(), "lines", "hello"], "");
    assert!(client.ok, "{}", client.complaint);
    assert_eq!(client.out, "lines: ok, 15 bytes\none\n\nno 3\nfour\nhello: ok, 22 bytes\nhello from the server\n");
    assert!(run("command_client", &[&server.place()], "").out.starts_with("date: ok, "));
}

#[test]
fn nothing_is_run_that_is_not_in_the_table() {
    let server = Program::start("command_server", &[FREE]);
    let refusal = "this server only does: date, hello, lines, uptime\n";
    let refusal = format!("no {}\n{refusal}", refusal.len());
    for line in [
        "id\n",
        "date; id\n",
        "hello && id\n",
        "$(id)\n",
        "`id`\n",
        "date|id\n",
        " date\n",
        "date \n",
        "DATE\n",
        "hello x\n",
        "/bin/date\n",
        "date\0\n",
        "hello\r\r\n",
        "\n",
        "hello\u{2028}\n",
    ] {
        // The second line would be answered if the server still read from the connection.
        assert_eq!(server.ask(format!("{line}hello\n")), refusal, "{line:?}");
    }
    assert_eq!(server.ask("hello"), refusal, "a line without its end is no line");
    assert_eq!(server.ask("x".repeat(50_000)), refusal);
    let page = "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\ndate\n";
    assert_eq!(server.ask(page), refusal, "a page in a browser gets no further than its request line");
    let client = run("command_client", &[&server.place(), "date; id", "hello"], "");
    assert!(!client.ok && client.out.contains("date; id: no, ") && !client.out.contains("from the server"));
    assert_eq!(server.ask("hello\n"), "ok 22\nhello from the server\n");
}

// ---- line_counter

#[test]
fn bytes_and_characters_are_counted_apart() {
    let server = Program::start("line_counter", &[FREE]);
    for (line, answer) in [
        ("hello\n", "you entered 5 characters (5 bytes)"),
        ("hello\r\n", "you entered 5 characters (5 bytes)"),
        ("é\n", "you entered 1 character (2 bytes)"),
        ("🦀\r\n", "you entered 1 character (4 bytes)"),
        ("e\u{301}\n", "you entered 2 characters (3 bytes)"),
        ("\n", "you entered 0 characters (0 bytes)"),
        ("x", "you entered 1 character (1 byte)"),
        ("a\rb\n", "you entered 3 characters (3 bytes)"),
    ] {
        assert_eq!(server.ask(line), format!("{answer}\r\n"), "{line:?}");
        assert_eq!(server.ask_bytewise(line), format!("{answer}\r\n"), "{line:?}");
    }
    let three = "you entered 1 character (2 bytes)\r\n\
                 you entered 2 characters (2 bytes)\r\n\
                 you entered 1 character (1 byte)\r\n";
    assert_eq!(server.ask("é\nab\nc"), three, "one recv() may hold many lines");
    assert_eq!(server.ask(b"ab\xff\xfe\n"), "you entered 4 bytes, no UTF-8 from byte 3 on\r\n");
}

#[test]
fn a_line_without_an_end_is_not_collected() {
    let server = Program::start("line_counter", &[FREE]);
    let refusal = "your line is longer than 1024 bytes, good bye\r\n";
    assert_eq!(server.ask("x".repeat(1024)), refusal);
    assert_eq!(server.ask("x".repeat(1024) + "\nshort\n"), refusal);
    assert_eq!(server.ask("x".repeat(500_000)), refusal);
    assert_eq!(server.ask("x".repeat(1023) + "\n"), "you entered 1023 characters (1023 bytes)\r\n");
}

// ---- tiny_http

const HEADS: [(&str, u16); 24] = [
    ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET /hello.txt?x=1 HTTP/1.1\r\nhOST:a\r\nX:\r\n\r\n", 200),
    ("HEAD /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", 200),
    ("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n", 404),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nname=Ada", 405),
    ("DELETE /hello.txt HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    ("hello?\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nbody", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +4\r\n\r\nbody", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4, 4\r\n\r\nbody", 400),
    ("GET / HTTP/1.1\r\nHost: a", 400),
    ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501),
    ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", 413),
];

/// Status and content; the head must say how long the content is.
#[track_caller]
fn read_response(answer: &str) -> (u16, &str) {
    let (head, content) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let name = "content-length: ";
    let length = head.lines().find(|line| line.to_ascii_lowercase().starts_with(name)).unwrap();
    let length: usize = length[name.len()..].parse().unwrap();
    assert!(content.len() == length || content.is_empty(), "{answer:?}");
    (status, content)
}

#[test]
fn tiny_http_answers_each_request_with_its_status() {
    let server = Program::start("tiny_http", &[FREE]);
    for (request, status) in HEADS {
        for answer in [server.ask(request), server.ask_bytewise(request)] {
            let (got, content) = read_response(&answer);
            assert_eq!(got, status, "{request:?}");
            assert_eq!(content.is_empty(), request.starts_with("HEAD"), "{request:?}");
            assert_eq!(answer.contains("\r\nAllow: GET, HEAD\r\n"), status == 405, "{answer}");
        }
    }
    assert_eq!(read_response(&server.ask(HEADS[1].0)).1, "hello, world\n");
    assert!(server.ask(HEADS[3].0).contains("\r\nContent-Length: 13\r\n"), "HEAD has the length of GET");
}

#[test]
fn tiny_http_ends_what_has_no_end_and_leaves_the_silent_alone() {
    let server = Program::start("tiny_http", &[FREE]);
    let silent = server.connect();
    assert_eq!(server.ask(""), "", "a client that sends nothing gets nothing");
    assert_eq!(read_response(&server.ask(format!("GET / HTTP/1.1\r\nHost: {}", "a".repeat(100_000)))).0, 431);
    let twice = server.ask([HEADS[1].0, HEADS[1].0].concat());
    assert_eq!(twice.matches("HTTP/1.1 ").count(), 1, "one request for each connection: {twice}");
    // The client has not ended its direction: the close comes from the server.
    let mut open = server.connect();
    open.write_all(HEADS[1].0.as_bytes()).unwrap();
    assert_eq!(read_response(&rest(&mut open)), (200, "hello, world\n"));
    drop(silent);
}

// ---- library

/// A request whose answer ends with the connection.
fn closing(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[test]
fn the_library_routes_and_a_panic_costs_one_answer() {
    let server = Program::start("library", &[FREE]);
    let hello = || read_response(&server.ask(closing("GET", "/hello/Ada"))).1.to_string();
    assert_eq!(hello(), "hello, Ada\n");
    for (method, target, status) in [
        ("GET", "/divide/7/2", 200),
        ("GET", "/divide/7/0", 500),
        ("GET", "/divide/x/2", 400),
        ("GET", "/hello/%C3%A9", 200),
        ("GET", "/hello/%FF", 400),
        ("GET", "/hello/", 404),
        ("GET", "/hello/a%2Fb", 400),
        ("GET", "/elsewhere", 404),
        ("DELETE", "/hello/Ada", 405),
        ("GET", "/bell", 405),
        ("POST", "/bell", 200),
    ] {
        let answer = server.ask(closing(method, target));
        assert_eq!(read_response(&answer).0, status, "{method} {target}: {answer}");
        assert_eq!(answer.to_ascii_lowercase().contains("\r\nallow: "), status == 405, "{answer}");
        assert_eq!(hello(), "hello, Ada\n", "after {method} {target}");
    }
}

#[test]
fn a_handler_that_waits_does_not_hold_up_the_others() {
    let server = Program::start("library", &[FREE]);
    let mut waiting = server.connect();
    waiting.write_all(closing("GET", "/door").as_bytes()).unwrap();
    server.line("somebody waits at the door");
    // Each of these comes after that request and is complete before it is answered: only the
    // bell, which is rung last, can open it.
    for _ in 0..20 {
        assert_eq!(read_response(&server.ask(closing("GET", "/hello/Ada"))).0, 200);
    }
    assert_eq!(read_response(&server.ask(closing("POST", "/bell"))), (200, "ding\n"));
    assert_eq!(read_response(&rest(&mut waiting)), (200, "the door opens\n"));
}

#[test]
fn what_runs_on_the_loop_is_answered_while_all_workers_wait() {
    let server = Program::start("library", &[FREE]);
    let workers = thread::available_parallelism().map_or(1, usize::from).max(4);
    let mut all_waiting: Vec<TcpStream> = (0..workers - 1).map(|_| server.connect()).collect();
    for waiting in &mut all_waiting {
        waiting.write_all(closing("GET", "/door").as_bytes()).unwrap();
        server.line("somebody waits at the door");
    }
    let mut hello = server.connect();
    hello.write_all(closing("GET", "/hello/Ada").as_bytes()).unwrap();
    assert_eq!(read_response(&server.ask(closing("POST", "/bell"))), (200, "ding\n"));
    for waiting in &mut all_waiting {
        assert_eq!(read_response(&rest(waiting)), (200, "the door opens\n"));
    }
    assert_eq!(read_response(&rest(&mut hello)), (200, "hello, Ada\n"));
}

// ---- all of them

/// The numbers in the head of a program before its first colon: `Labs 3 and 4:`.
fn labs(head: &str) -> Vec<u32> {
    let line = head.lines().next().unwrap_or_default();
    let said = line.strip_prefix("//! Lab").unwrap_or_default().split(':').next().unwrap_or_default();
    said.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn a_program_of_ones_own_has_routes_uploads_and_a_folder_under_a_prefix() {
    let server = Program::start("embedding", &[FREE, concat!(env!("CARGO_MANIFEST_DIR"), "/public")]);
    let get = |target| server.ask(closing("GET", target));
    assert_eq!(read_response(&get("/hello/Ada?times=2")), (200, "hello, Ada\nhello, Ada\n"));
    let put = |fields: &str, content: &str| {
        server.ask(format!("PUT /count HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n\r\n{content}"))
    };
    // Longer than what any handler is given in memory.
    let long = "x".repeat(3 << 20);
    assert_eq!(read_response(&put("Content-Length: 3145728", &long)), (200, "3145728 bytes\n"));
    let chunked = "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    assert_eq!(read_response(&put("Transfer-Encoding: chunked", chunked)), (200, "7 bytes\n"));
    assert_eq!(read_response(&put("Content-Length: 0", "")), (200, "0 bytes\n"));
    assert_eq!(read_response(&put("Accept: */*", "")), (200, "0 bytes\n"));
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("public/hello.txt")).unwrap();
    assert_eq!(read_response(&get("/files/hello.txt")), (200, file.as_str()));
    let moved = get("/files");
    assert!(read_response(&moved).0 == 301 && moved.contains("\r\nLocation: files/\r\n"), "{moved}");
    assert_eq!(read_response(&get("/hello.txt")).0, 404);
}

/// How the head of a program says that it is started: without cargo, if the standard library is all it uses.
fn build_command(name: &str) -> String {
    let text = std::fs::read_to_string(source(name)).unwrap();
    let std_only = ["barewire::", "serde", "socket2::"].iter().all(|library| !text.contains(library));
    if std_only { format!("rustc examples/{name}.rs") } else { format!("cargo run --example {name}") }
}

fn programs() -> Vec<String> {
    let names = names_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    names.iter().filter_map(|name| name.strip_suffix(".rs")).map(str::to_string).collect()
}

#[test]
fn every_program_names_its_lab_and_its_command_and_stands_in_the_table() {
    let table = std::fs::read_to_string(source("README").with_extension("md")).unwrap();
    let is_row = |line: &&str| line.contains(" | `rustc ") || line.contains(" | `cargo run ");
    let mut rows: Vec<&str> = table.lines().filter(is_row).collect();
    for file in programs() {
        let text = std::fs::read_to_string(source(&file)).unwrap();
        let labs = labs(&text);
        assert!(!labs.is_empty() && labs.iter().all(|lab| (1..=12).contains(lab)), "{file}: {labs:?}");
        let build = build_command(&file);
        assert!(text.contains(&format!("//! {build} ")), "{file} does not say how to run it: {build}");
        assert!(text.contains("//! Try to break it:"), "{file} does not say what to break");
        let numbers = labs.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let (start, end) = (format!("| `{file}` | "), format!(" | `{build}` | {numbers} |"));
        let row = rows.iter().position(|row| row.starts_with(&start) && row.ends_with(&end));
        rows.remove(row.unwrap_or_else(|| panic!("no row for {file}, lab {numbers}")));
    }
    assert!(rows.is_empty(), "programs that are not there: {rows:?}");
}

#[test]
fn what_uses_the_standard_library_only_needs_no_cargo() {
    let commands: Vec<String> = programs().iter().map(|name| build_command(name)).collect();
    let alone: Vec<&str> = commands.iter().filter_map(|command| command.strip_prefix("rustc ")).collect();
    assert!(alone.len() >= 13, "{alone:?}");
    let folder = folder("rustc");
    for path in alone {
        // As the reader types it, up to the linker; the commands of the labs link and run some of them.
        let mut rustc = Command::new("rustc");
        rustc.current_dir(env!("CARGO_MANIFEST_DIR")).arg(path).args(["--emit=metadata", "--out-dir"]).arg(&folder);
        let done = rustc.output().unwrap();
        let complaint = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && complaint.is_empty(), "rustc {path}: {complaint}");
    }
}
