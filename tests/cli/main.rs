//! The program as people meet it: what it says, how it ends, and that its words agree with each other.
//!
//! Every test runs the real binary. Waiting is always for an event (a line, a connection, an end),
//! never for a while.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

mod canary;
mod examples;
mod labs;
mod shown;
mod tools;

const BINARY: &str = env!("CARGO_BIN_EXE_barewire");
/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// A user without rights, who exists everywhere as a number.
const NOBODY: u32 = 65534;
/// Passes standard input on as a service manager passes a socket.
const PASS_SOCKET: &str = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null";

/// A folder of its own for a test, gone after it.
struct Folder(PathBuf);

impl Folder {
    /// With a folder `site` in it that holds `a.txt`.
    fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("barewire-cli-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(fs::canonicalize(std::env::temp_dir()).unwrap().join(name));
        fs::create_dir_all(folder.0.join("site")).unwrap();
        fs::write(folder.0.join("site/a.txt"), "hello\n").unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program in `folder`, with an environment that says nothing.
fn barewire(folder: &Folder, arguments: &[&str]) -> Command {
    quiet(Command::new(BINARY), folder, arguments)
}

fn quiet(mut command: Command, folder: &Folder, arguments: &[&str]) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("TERM", "xterm").current_dir(&folder.0).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// A script around the program, which is "$0".
fn shell(folder: &Folder, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, BINARY]);
    quiet(command, folder, arguments)
}

/// Runs a program that must end by itself.
#[track_caller]
fn ended(command: &mut Command) -> (i32, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

#[track_caller]
fn check(command: &mut Command, exit: i32, complaint: &str) {
    assert_eq!(ended(command), (exit, String::new(), complaint.to_string()));
}

/// A server that listens.
struct Server {
    child: Child,
    stderr: BufReader<ChildStderr>,
    /// What it said until it listened.
    before: Vec<String>,
    line: String,
    port: u16,
}

impl Server {
    /// Started with its standard output thrown away.
    #[track_caller]
    fn start(command: &mut Command) -> Server {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Server::heard(child, stderr)
    }

    /// Waits until it says that it listens.
    #[track_caller]
    fn heard(child: Child, stderr: BufReader<ChildStderr>) -> Server {
        let mut server = Server { child, stderr, before: Vec::new(), line: String::new(), port: 0 };
        loop {
            let mut line = String::new();
            let count = server.stderr.read_line(&mut line).unwrap();
            assert!(count > 0, "ended before it listened: {:?}", server.before);
            if line.starts_with("listening on ") {
                let url = line.split(' ').nth(2).unwrap();
                server.port = url.trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
                server.line = line;
                return server;
            }
            server.before.push(line);
        }
    }

    fn ask(&self, target: &str) -> String {
        get(self.port, target)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it, and answers its exit code and what it still said.
    fn stop(mut self, signal: Signal) -> (i32, String) {
        self.signal(signal);
        self.end()
    }

    fn end(&mut self) -> (i32, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), rest)
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer to one request on a connection of its own.
fn get(port: u16, target: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks again until it is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

// What was typed.

#[test]
fn wrong_usage_says_what_is_wrong_and_what_to_type() {
    let folder = Folder::new();
    let port = "For example:  barewire -p 9000";
    for (arguments, what, advice) in [
        (&["--port", "abc"][..], "--port takes a number from 0 to 65535, not \"abc\".", port),
        (&["-p", "65536"], "--port takes a number from 0 to 65535, not \"65536\".", port),
        (&["-p", "-1"], "--port takes a number from 0 to 65535, not \"-1\".", port),
        (&["-p", "+80"], "--port takes a number from 0 to 65535, not \"+80\".", port),
        (&["-p"], "--port needs a value.", port),
        (&["--prot", "80"], "there is no option --prot.", "Did you mean --port ?"),
        (&["--indx=a"], "there is no option --indx.", "Did you mean --index ?"),
        (&["--zzz"], "there is no option --zzz.", "See all options:  barewire -h"),
        (&["-x"], "there is no option -x.", "See all options:  barewire -h"),
        (
            &["site", "b"],
            "one folder or file is enough, \"b\" is one too many.",
            "Serve it with a second server:  barewire b",
        ),
        (
            &["--symlinks", "maybe"],
            "--symlinks takes inside, deny or any, not \"maybe\".",
            "For example:  barewire --symlinks deny",
        ),
        (
            &["-b", "localhost"],
            "--bind takes an address such as 127.0.0.1, 0.0.0.0 or ::1, not \"localhost\".",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-b", "127.0.0.1:80"],
            "--bind takes an address without port, not \"127.0.0.1:80\". The port is --port's.",
            "For example:  barewire -b 192.168.1.20",
        ),
        (
            &["-H", "Content-Length: 5"],
            "--header may not set Content-Length: the server writes it, from what it really does with the connection.",
            "For example:  barewire -H 'X-Robots-Tag: noindex'",
        ),
        (
            &["-H", "X: a\nY: b"],
            "--header takes a field such as 'X-Robots-Tag: noindex', not \"X: a\\nY: b\".",
            "For example:  barewire -H 'X-Robots-Tag: noindex'",
        ),
        (
            &["--head-timeout", "10"],
            "--head-timeout takes a time such as 10s, 500ms or 2m, more than 0 and up to 24h, not \"10\".",
            "For example:  barewire --head-timeout 60s",
        ),
        (
            &["--max-head", "64K"],
            "--max-head takes a size from 1K to 63K, such as 16K, not \"64K\".",
            "For example:  barewire --max-head 32K",
        ),
        (
            &["--max-body", "0"],
            "--max-body takes a size from 1 to 1024T, such as 16K, not \"0\".",
            "For example:  barewire --upload --max-body 500M",
        ),
        (
            &["--cache", "1h"],
            "--cache takes revalidate, off or a number of seconds, not \"1h\".",
            "For example:  barewire --cache 3600",
        ),
        (
            &["--lan", "-b", "::1"],
            "--lan opens every address, --bind only some: they exclude each other.",
            "Leave out one of them:  barewire --lan",
        ),
    ] {
        check(&mut barewire(&folder, arguments), 2, &format!("barewire: {what}\n{advice}\n"));
    }
    check(&mut barewire(&folder, &["--lan=yes"]), 2, "barewire: --lan takes no value, not even \"yes\".\n");
}

#[test]
fn passwords_and_names_that_cannot_be_meant_are_refused() {
    let folder = Folder::new();
    let auth = "For example:  barewire --auth ann:secret";
    let host = "For example:  barewire --host files.example.org";
    let name = |text| format!("--host takes a name without port, such as files.example.org, or *, not {text:?}.");
    let hash = "$2y$04$abcdefghijklmnopqrstuuJm3R5gQ3Uu9cWkTzjZsT5ZPvS7RSQ0S";
    for (arguments, what, advice) in [
        (&["-a", "secret"][..], "--auth cannot be used: there is no colon between user and password.".into(), auth),
        (&["--auth", "ann:"], "--auth cannot be used: the password is empty.".into(), auth),
        (
            &["-a", "ann:\u{1}"],
            "--auth cannot be used: there is a control character in it, which no client can send.".into(),
            auth,
        ),
        (
            &["-a", &format!("ann:{hash}")],
            "--auth cannot be used: that is a hash and not a password; hashes belong in a file (--auth-file).".into(),
            auth,
        ),
        (&["-a", "ann:x", "-a", "ann:y"], "--auth cannot be used: the user \"ann\" is there twice.".into(), auth),
        (&["--host", "http://a"], name("http://a"), host),
        (&["--host", "a:80"], name("a:80"), host),
        (&["--host", "a", "--host", "*.example.org"], name("*.example.org"), host),
        (
            &["--auth-for", "all"],
            "--auth-for says what a password is asked for, but there is none.".into(),
            "Name one:  barewire --auth ann:secret",
        ),
        (
            &["-a", "ann:x", "--auth-for", "write"],
            "--auth-for asks for a password for changes, but none are allowed.".into(),
            "Allow some:  barewire --upload --auth ann:secret --auth-for write",
        ),
        (
            &["-a", "ann:x", "--auth-for", "read"],
            "--auth-for takes all or write, not \"read\".".into(),
            "For example:  barewire --upload --auth ann:secret --auth-for write",
        ),
        (
            &["-a", "ann:x", "--cors"],
            "--cors opens the files to every page, --auth closes them.".into(),
            "Name the page that may read:  barewire --cors=http://localhost:3000",
        ),
        (
            &["--auth-file", "x", "--cors=*"],
            "--cors opens the files to every page, --auth-file closes them.".into(),
            "Name the page that may read:  barewire --cors=http://localhost:3000",
        ),
    ] {
        check(&mut barewire(&folder, arguments), 2, &format!("barewire: {what}\n{advice}\n"));
    }
    for (name, value, what) in [
        ("BAREWIRE_AUTH", "ann:one\n\nbob:", "BAREWIRE_AUTH cannot be used: line 3: the password is empty."),
        ("BAREWIRE_AUTH", "\n", "BAREWIRE_AUTH cannot be used: there is nobody in it."),
        (
            "BAREWIRE_HOST",
            "a\nb:1",
            "BAREWIRE_HOST takes a name without port, such as files.example.org, or *, not \"b:1\".",
        ),
        ("BAREWIRE_AUTH_FOR", "all", "BAREWIRE_AUTH_FOR says what a password is asked for, but there is none."),
    ] {
        let (exit, _, said) = ended(barewire(&folder, &[]).env(name, value));
        assert_eq!((exit, said.lines().next()), (2, Some(format!("barewire: {what}").as_str())), "{name}");
    }
}

#[test]
fn a_password_file_that_cannot_be_used_ends_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let file = folder.0.join("file");
    let line = format!("ann:{}\n", bcrypt::hash("secret", 4).unwrap());
    let complain = |arguments: &[&str], complaint: &str| {
        check(&mut barewire(&folder, arguments), 2, &format!("barewire: {complaint}\n"));
    };
    let from_file = ["--auth-file", "file", "site"];
    complain(&from_file, "there is no password file ./file.\nMake it with:  htpasswd -B -c ./file ann");
    for (content, complaint) in [
        (
            "# nobody\n\n".to_string(),
            "the password file ./file has no users: nobody could sign in.\nAdd one:  htpasswd -B ./file ann",
        ),
        (
            format!("{line}bob"),
            "the password file ./file cannot be used: line 2: there is no colon between user and password.",
        ),
        (
            "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n".into(),
            "the password file ./file cannot be used: line 1: a SHA-1 hash; only bcrypt is taken (htpasswd -B makes it).",
        ),
        (line.repeat(2), "the password file ./file cannot be used: line 2: the user \"ann\" is there twice."),
        ("#\n".repeat(600_000), "cannot read the password file ./file: it is larger than 1 MiB."),
    ] {
        fs::write(&file, content).unwrap();
        complain(&from_file, complaint);
    }
    fs::write(&file, &line).unwrap();
    complain(
        &["-a", "ann:x", "--auth-file", "file", "site"],
        "the password file ./file cannot be used: line 1: the user \"ann\" is there twice.",
    );

    // Whoever can download it can guess at home; also through a link, and where it is a link itself.
    fs::write(folder.0.join("site/inside"), &line).unwrap();
    std::os::unix::fs::symlink("site/inside", folder.0.join("to-inside")).unwrap();
    std::os::unix::fs::symlink("../file", folder.0.join("site/to-outside")).unwrap();
    let advice = "Put it elsewhere, where nobody can download it.";
    for (name, served) in [
        ("site/inside", "site"),
        ("site/inside", "."),
        ("to-inside", "site"),
        ("site/to-outside", "site"),
        ("site/inside", "site/inside"),
    ] {
        let complaint = format!("the password file ./{name} lies in the folder that is served.\n{advice}");
        complain(&["--auth-file", name, served], &complaint);
    }

    fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    let complaint = "barewire: may not read the password file ./file (permission denied).\n\
                     Change its rights:  ls -l ./file\n";
    check(&mut without_rights(&folder, &from_file), 2, complaint);
}

/// The status of a GET with these field lines.
fn status(port: u16, fields: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET /a.txt HTTP/1.1\r\nConnection: close\r\n{fields}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_string()
}

#[test]
fn passwords_and_names_come_from_variables_too_and_stay_out_of_sight() {
    use base64::Engine;
    let folder = Folder::new();
    fs::write(folder.0.join("file"), format!("carl:{}\n", bcrypt::hash("three", 4).unwrap())).unwrap();
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    command.env("BAREWIRE_AUTH", "ann:one\nbob:two").env("BAREWIRE_AUTH_FILE", "file");
    let server = Server::start(command.env("BAREWIRE_HOST", "files.example.org\nother.example"));
    assert_eq!(server.before, Vec::<String>::new(), "nothing to warn of");
    assert!(!server.proc("cmdline").contains("ann:one"));
    for (who, expected) in [("ann:one", "200"), ("bob:two", "200"), ("carl:three", "200"), ("ann:two", "401")] {
        let who = base64::engine::general_purpose::STANDARD.encode(who);
        let fields = format!("Host: other.example\r\nAuthorization: Basic {who}\r\n");
        assert_eq!(status(server.port, &fields), expected, "{fields}");
    }
    assert_eq!(status(server.port, "Host: evil.example\r\n"), "421");
    assert_eq!(status(server.port, "Host: files.example.org\r\n"), "401");
    // For changes alone.
    let mut command = barewire(&folder, &["-p", "0", "-w", "site"]);
    let server = Server::start(command.env("BAREWIRE_AUTH", "ann:one").env("BAREWIRE_AUTH_FOR", "write"));
    assert_eq!(status(server.port, "Host: localhost\r\n"), "200");
}

#[test]
fn what_is_dangerous_is_said_at_the_start() {
    const VISIBLE: &str =
        "The password is visible in the list of processes (ps). BAREWIRE_AUTH or --auth-file hide it.";
    const CLEAR: &str =
        "Passwords travel unencrypted: put a TLS proxy in front, or use them only on a network you trust.";
    const ANY: &str = "Any name is answered: a web page may reach this server under a name of its own.";
    const OPEN: &str = "Everybody on your network may change files here. A password: --auth NAME:PASSWORD";
    let folder = Folder::new();
    let all = ["-b", "0.0.0.0"];
    for (arguments, warnings) in [
        (&[][..], &[][..]),
        (&["-w"], &[]),
        (&["-a", "ann:x"], &[VISIBLE]),
        (&["--host", "*"], &[ANY]),
        (&["--host", "a"], &[]),
        (&[all[0], all[1]], &[]),
        (&[all[0], all[1], "-w"], &[OPEN]),
        (&[all[0], all[1], "-w", "-a", "ann:x", "--host", "*"], &[VISIBLE, CLEAR, ANY]),
        (&[all[0], all[1], "-a", "ann:x", "-q"], &[VISIBLE, CLEAR]),
    ] {
        let is_quiet = arguments.contains(&"-q");
        let mut command = barewire(&folder, &[&["-p", "0"], arguments, &["site"]].concat());
        let expected: Vec<String> = warnings.iter().map(|warning| format!("barewire: {warning}\n")).collect();
        if is_quiet {
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut stderr = BufReader::new(child.stderr.take().unwrap());
            for warning in &expected {
                let mut line = String::new();
                stderr.read_line(&mut line).unwrap();
                assert_eq!(line, *warning);
            }
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            assert_eq!(Server::start(&mut command).before, expected, "{arguments:?}");
        }
        let (mut child, _master, screen) = on_a_terminal(
            command.stdout(Stdio::null()).env("NO_COLOR", "1"),
            if is_quiet { CLEAR } else { "Stop: Ctrl-C" },
        );
        child.kill().unwrap();
        child.wait().unwrap();
        for warning in [VISIBLE, CLEAR, ANY, OPEN] {
            let mark = if is_quiet { "barewire: " } else { "  ! " };
            let is_said = screen.lines().any(|line| line == format!("{mark}{warning}"));
            assert_eq!(is_said, warnings.contains(&warning), "{warning}\n{screen}");
        }
        assert!(screen.lines().count() <= 12, "{screen}");
    }
}

#[test]
fn a_wrong_variable_is_blamed_by_its_own_name() {
    let folder = Folder::new();
    for (name, value, complaint) in [
        (
            "BAREWIRE_PORT",
            "x",
            "BAREWIRE_PORT takes a number from 0 to 65535, not \"x\".\nFor example:  barewire -p 9000\n",
        ),
        (
            "BAREWIRE_LOG",
            "loud",
            "BAREWIRE_LOG takes short, common, combined, json or off, not \"loud\".\nFor example:  barewire --log json >access.log\n",
        ),
        ("BAREWIRE_LAN", "perhaps", "BAREWIRE_LAN takes true or false, not \"perhaps\".\n"),
    ] {
        check(barewire(&folder, &[]).env(name, value), 2, &format!("barewire: {complaint}"));
    }
    let typed = "barewire: --log takes short, common, combined, json or off, not \"x\".\n";
    let (exit, _, said) = ended(barewire(&folder, &["--log", "x"]).env("BAREWIRE_LOG", "json"));
    assert_eq!((exit, said.starts_with(typed)), (2, true), "{said}");
}

#[test]
fn variables_set_what_is_not_typed() {
    let folder = Folder::new();
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    command.env("BAREWIRE_PORT", "1").env("BAREWIRE_HEADER", "X-One: 1\nX-Two: a, b").env("BAREWIRE_NO_LISTING", "");
    let server = Server::start(&mut command);
    let answer = server.ask("/a.txt");
    assert!(answer.contains("\r\nX-One: 1\r\n") && answer.contains("\r\nX-Two: a, b\r\n"), "{answer}");
    assert!(server.ask("/").starts_with("HTTP/1.1 200 "), "an empty variable counts as none");

    // What Kubernetes sets beside a Service of this name is nobody's wish.
    let mut command = barewire(&folder, &["site"]);
    let server = Server::start(command.env("BAREWIRE_PORT", "tcp://10.0.0.1:80"));
    assert!((8080..=8099).contains(&server.port), "{}", server.line);
}

#[test]
fn options_reach_the_answers() {
    let folder = Folder::new();
    fs::write(folder.0.join("site/start.html"), "start\n").unwrap();
    let arguments = ["-p", "0", "--index", "start.html", "--cache", "60", "-H", "X-A: b", "--cors", "--spa=start.html"];
    let server = Server::start(&mut barewire(&folder, &[&arguments[..], &["site"]].concat()));
    let answer = server.ask("/");
    for field in ["\r\nCache-Control: max-age=60\r\n", "\r\nX-A: b\r\n", "\r\nAccess-Control-Allow-Origin: *\r\n"] {
        assert!(answer.contains(field), "{answer}");
    }
    assert!(answer.ends_with("\r\n\r\nstart\n"), "{answer}");
    let server = Server::start(&mut barewire(&folder, &["-p", "0", "--no-listing", "--max-head", "1K", "site"]));
    assert!(server.ask("/").starts_with("HTTP/1.1 404 "));
    assert!(server.ask(&format!("/{}", "a".repeat(2000))).starts_with("HTTP/1.1 414 "));
}

// What can be read about it.

/// Every `--name` in a text that begins an option there.
fn long_options(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let after = |(at, _): (usize, &str)| text[at..].split(|c| !is_name(c)).next().unwrap().to_string();
    let begins = |(at, _): &(usize, &str)| !text[..*at].ends_with(|c: char| is_name(c) || c.is_ascii_alphanumeric());
    text.match_indices("--").filter(begins).map(after).filter(|name| name.len() > 3).collect()
}

fn lines_that(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_manual_completions_and_readme_list_the_same_options() {
    let folder = Folder::new();
    let print = |arguments: &[&str]| {
        let (exit, out, complaint) = ended(&mut barewire(&folder, arguments));
        assert_eq!((exit, complaint.as_str()), (0, ""), "{arguments:?}");
        out
    };
    let long = print(&["--help"]);
    let expected = long_options(&lines_that(&long, |line| line.trim_start().starts_with('-')));
    assert!(expected.len() >= 26, "{expected:?}");

    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Options")).expect("README has its options");
    let rows = lines_that(section, |line| line.starts_with("| `"));
    let first_column: String = rows.lines().map(|row| row.split('|').nth(1).unwrap()).collect();
    assert_eq!(long_options(&first_column), expected, "README");

    assert_eq!(long_options(&print(&["-h"])), expected, "-h");
    let manual = print(&["--man"]).replace("\\-", "-");
    let options_in = |text: &str| {
        let lines = lines_that(text, |line| line.starts_with("\\fB-"));
        long_options(&lines.replace("\\fB", " ").replace("\\fR", " "))
    };
    let parts: Vec<&str> = manual.split("\n.SH \"BAREWIRE ").collect();
    assert_eq!(options_in(parts[0]), expected, "manual");
    let mut every = expected;
    for (tool, part) in ["EXPLAIN", "SEND"].into_iter().zip(&parts[1..]) {
        let long = print(&[&tool.to_lowercase(), "--help"]);
        let own = long_options(&lines_that(&long, |line| line.trim_start().starts_with('-')));
        assert!(part.starts_with(&format!("{tool}\"\n")) && part.contains("\n.SS OPTIONS\n"), "{part}");
        assert_eq!(options_in(part), own, "manual of {tool}");
        assert!(own.len() >= 7, "{own:?}");
        every.extend(own);
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = print(&["--completions", shell]).replace("-l ", "--");
        for option in &every {
            assert!(script.contains(option.as_str()), "{shell}: {option}");
        }
    }
    assert_eq!(print(&["-V"]), concat!("barewire ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help_fits_a_terminal() {
    let folder = Folder::new();
    let (_, short, _) = ended(&mut barewire(&folder, &["-h"]));
    assert!(short.lines().count() <= 24, "{short}");
    let (_, long, _) = ended(&mut barewire(&folder, &["--help"]));
    for line in short.lines().chain(long.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (exit, _, _) = ended(&mut barewire(&folder, &["-h", "--no-such-option"]));
    assert_eq!(exit, 0);
}

// The folder.

#[test]
fn a_missing_folder_is_named_with_the_nearest_one() {
    let folder = Folder::new();
    let near = "barewire: there is no folder ./sitee.\nDid you mean ./site ?\n";
    check(&mut barewire(&folder, &["sitee"]), 4, near);
    check(&mut barewire(&folder, &["./sitee"]), 4, near);
    let far = "barewire: there is no folder ./elsewhere/x.\nServe the folder you are in:  barewire .\n";
    check(&mut barewire(&folder, &["elsewhere/x"]), 4, far);
    let other = "barewire: /dev/null is neither a folder nor a file.\nServe the folder you are in:  barewire .\n";
    check(&mut barewire(&folder, &["/dev/null"]), 4, other);
    let hostile = "barewire: there is no folder ./\\u{1b}[2J.\nServe the folder you are in:  barewire .\n";
    check(&mut barewire(&folder, &["\x1b[2J"]), 4, hostile);
}

/// The program as somebody without rights; from where everybody can reach it.
fn without_rights(folder: &Folder, arguments: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return barewire(folder, arguments);
    }
    let copy = folder.0.join("barewire");
    if !copy.exists() {
        // By a process of its own: a file this one has open for writing could be held open by a fork of
        // another test, and would be "busy" instead of run.
        assert!(Command::new("cp").arg(BINARY).arg(&copy).status().unwrap().success());
    }
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY);
    quiet(command, folder, arguments)
}

#[test]
fn what_may_not_be_read_is_said_before_anybody_connects() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let private = folder.0.join("private");
    fs::create_dir(&private).unwrap();
    fs::write(folder.0.join("secret.txt"), "x").unwrap();
    for (name, path) in [("./private", &private), ("./secret.txt", &folder.0.join("secret.txt"))] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
        let advice = "Serve another folder, or change its rights:  ls -ld";
        let complaint = format!("barewire: may not read {name} (permission denied).\n{advice} {name}\n");
        check(&mut without_rights(&folder, &[name]), 4, &complaint);
    }
    fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn what_may_not_be_written_is_said_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    fs::set_permissions(folder.0.join("site"), PermissionsExt::from_mode(0o555)).unwrap();
    let advice = "Change its rights, or serve another folder:  ls -ld ./site";
    for option in ["--upload", "--overwrite", "--delete", "--write"] {
        let complaint = format!("barewire: {option} was given, but ./site is not writable.\n{advice}\n");
        check(&mut without_rights(&folder, &[option, "site"]), 4, &complaint);
    }
    fs::set_permissions(folder.0.join("site"), PermissionsExt::from_mode(0o755)).unwrap();
    let complaint = "barewire: --upload was given, but ./site/a.txt is one file: nothing can be added to it.\n\
                     Serve its folder, or let others replace it:  barewire --overwrite ./site/a.txt\n";
    check(&mut barewire(&folder, &["--upload", "site/a.txt"]), 4, complaint);
}

#[test]
fn the_usual_folder_is_public_and_else_this_one() {
    let folder = Folder::new();
    let server = Server::start(&mut barewire(&folder, &["-p", "0"]));
    assert_eq!(server.line, format!("listening on http://127.0.0.1:{}/ serving {}\n", server.port, folder.0.display()));
    fs::create_dir(folder.0.join("public")).unwrap();
    let server = Server::start(&mut barewire(&folder, &["-p", "0"]));
    assert_eq!(server.line, format!("listening on http://127.0.0.1:{}/ serving ./public\n", server.port));
}

#[test]
fn a_file_is_served_alone() {
    let folder = Folder::new();
    fs::write(folder.0.join("site/b.txt"), "no\n").unwrap();
    let server = Server::start(&mut barewire(&folder, &["-p", "0", "site/a.txt"]));
    assert!(server.line.ends_with(" serving ./site/a.txt\n"), "{}", server.line);
    let redirect = server.ask("/");
    assert!(redirect.starts_with("HTTP/1.1 307 ") && redirect.contains("\r\nLocation: /a.txt\r\n"), "{redirect}");
    assert!(server.ask("/a.txt").ends_with("\r\n\r\nhello\n"));
    assert!(server.ask("/b.txt").starts_with("HTTP/1.1 404 "));
}

// The sockets.

#[test]
fn a_taken_port_names_its_owner_and_one_that_is_free() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (exit, _, said) = ended(&mut barewire(&folder, &["-p", &port.to_string(), "site"]));
    let comm = fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
    let owner = format!("(by {}, pid {})", comm.trim_end(), std::process::id());
    let first =
        format!("barewire: port {port} on 127.0.0.1 is already in use {owner}.\nUse another one:  barewire -p ");
    let free = said.strip_prefix(&first).unwrap_or_else(|| panic!("{said}")).trim_end();
    let free: u16 = free.parse().unwrap();
    assert_eq!((exit, free > port && free <= port.saturating_add(100) || free == 0), (3, true), "{said}");
}

#[test]
fn two_servers_never_share_a_port() {
    let folder = Folder::new();
    let first = Server::start(&mut barewire(&folder, &["-p", "0", "--loops", "2", "site"]));
    let (port, pid) = (first.port, first.child.id());
    let (exit, _, said) = ended(&mut barewire(&folder, &["-p", &port.to_string(), "--loops", "2", "site"]));
    let expected = format!("barewire: port {port} on 127.0.0.1 is already in use (by barewire, pid {pid}).\n");
    assert!(exit == 3 && said.starts_with(&expected), "{exit} {said}");
    let (exit, _, said) = ended(&mut barewire(&folder, &["-p", &port.to_string(), "-b", "0.0.0.0", "site"]));
    let expected = format!("barewire: port {port} on 0.0.0.0 is already in use (by barewire, pid {pid}).\n");
    assert!(exit == 3 && said.starts_with(&expected), "{exit} {said}");
}

#[test]
fn without_a_port_the_next_free_one_is_taken() {
    let folder = Folder::new();
    let servers = [(); 3].map(|()| Server::start(&mut barewire(&folder, &["site"])));
    let ports: BTreeSet<u16> = servers.iter().map(|server| server.port).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| (8080..=8099).contains(port)), "{ports:?}");
    assert!(servers.iter().all(|server| server.ask("/a.txt").ends_with("hello\n")));
}

#[test]
fn an_address_of_another_computer_is_refused_with_those_here() {
    let folder = Folder::new();
    let (exit, _, said) = ended(&mut barewire(&folder, &["-p", "0", "-b", "203.0.113.77", "site"]));
    let expected = "barewire: 203.0.113.77 is not an address of this computer. Addresses here: 127.0.0.1";
    assert!(exit == 3 && said.starts_with(expected), "{exit} {said}");
}

#[test]
fn a_low_port_needs_special_rights() {
    let folder = Folder::new();
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or("1024".into());
    let port: u16 = 79;
    if first_free.trim().parse::<u16>().unwrap() <= port {
        eprintln!("this machine lets everybody use low ports; the sentence itself is tested in src/listen.rs");
        return;
    }
    let complaint = "barewire: port 79 needs special rights.\nUse a port above 1023:  barewire -p 8080\n";
    check(&mut without_rights(&folder, &["-p", "79", "site"]), 3, complaint);
}

#[test]
fn both_loopback_addresses_reach_the_same_server() {
    let folder = Folder::new();
    let server = Server::start(&mut barewire(&folder, &["-p", "0", "site"]));
    if TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", server.port)).unwrap();
    }
    TcpStream::connect(("127.0.0.1", server.port)).unwrap();
}

#[test]
fn a_socket_passed_by_a_service_manager_is_used() {
    let folder = Folder::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut command = shell(&folder, PASS_SOCKET, &["-p", "1", "site"]);
    let server = Server::start(command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap()))));
    assert_eq!(server.port, port);
    assert!(server.ask("/a.txt").ends_with("hello\n"));

    let mut command = shell(&folder, PASS_SOCKET, &["site"]);
    command.stdin(Stdio::from(OwnedFd::from(File::open("/dev/null").unwrap())));
    let (exit, _, said) = ended(&mut command);
    assert!(
        exit == 3 && said.starts_with("barewire: a socket passed by the service manager cannot be used ("),
        "{said}"
    );
}

// Start and end.

#[test]
fn a_script_sees_one_line_at_the_start_and_one_at_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let folder = Folder::new();
        let server = Server::start(&mut barewire(&folder, &["-p", "0", "site"]));
        assert_eq!(server.line, format!("listening on http://127.0.0.1:{}/ serving ./site\n", server.port));
        assert_eq!(server.before, Vec::<String>::new());
        let answer = server.ask("/a.txt");
        let (exit, rest) = server.stop(signal);
        let bytes = answer.len();
        assert_eq!((exit, rest.lines().count()), (0, 1), "{rest}");
        assert!(rest.starts_with(&format!("stopped: 1 request, {bytes} B, ")), "{rest}");
    }
}

#[test]
fn quiet_says_nothing() {
    let folder = Folder::new();
    // Passed to it, so that its port is known without a word.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut command = shell(&folder, PASS_SOCKET, &["-q", "--log", "off", "site"]);
    command.stdin(Stdio::from(OwnedFd::from(socket))).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    assert!(get(port, "/a.txt").ends_with("hello\n"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert_eq!((status.code(), stdout, stderr), (Some(0), Vec::new(), Vec::new()));
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let folder = Folder::new();
        File::create(folder.0.join("site/big")).unwrap().set_len(1 << 30).unwrap();
        let mut server = Server::start(&mut barewire(&folder, &["-p", "0", "--grace", "24h", "site"]));
        // A download that nobody reads keeps the server from ending by itself.
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        stream.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
        server.signal(signal);
        until("no new connections", || TcpStream::connect(("127.0.0.1", server.port)).is_err());
        server.signal(signal);
        assert_eq!(server.end().0, code);
    }
}

#[test]
fn what_the_grace_cut_off_is_counted() {
    let folder = Folder::new();
    File::create(folder.0.join("site/big")).unwrap().set_len(1 << 30).unwrap();
    let server = Server::start(&mut barewire(&folder, &["-p", "0", "--grace", "0s", "site"]));
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 12]).unwrap();
    let (exit, rest) = server.stop(Signal::TERM);
    assert!(exit == 0 && rest.ends_with("; 1 connection cut off after 0 s\n"), "{exit} {rest}");
}

#[test]
fn a_service_manager_is_told_when_it_serves_and_when_it_stops() {
    let folder = Folder::new();
    let manager = UnixDatagram::bind(folder.0.join("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut buffer = [0; 256];
        let count = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).trim_end().to_string()
    };
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    let server = Server::start(command.env("NOTIFY_SOCKET", folder.0.join("notify")));
    assert_eq!(told(), "READY=1");
    assert_eq!(server.stop(Signal::TERM).0, 0);
    assert_eq!(told(), "STOPPING=1");
}

#[test]
fn a_reader_that_has_left_changes_no_exit_code() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, expected) in
        [(&["-p", port.as_str(), "site"][..], 3), (&["--nope"], 2), (&["--man"], 0), (&["--help"], 0)]
    {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(ours);
        let mut command = barewire(&folder, arguments);
        command
            .stdout(Stdio::from(OwnedFd::from(theirs.try_clone().unwrap())))
            .stderr(Stdio::from(OwnedFd::from(theirs)));
        assert_eq!(command.status().unwrap().code(), Some(expected), "{arguments:?}");
    }
}

// The machine.

#[test]
fn open_files_are_raised_to_what_is_allowed() {
    let folder = Folder::new();
    let server = Server::start(&mut shell(&folder, "ulimit -S -n 256; exec \"$0\" \"$@\"", &["-p", "0", "site"]));
    let limits = server.proc("limits");
    let row: Vec<&str> = limits.lines().find(|l| l.starts_with("Max open files")).unwrap().split_whitespace().collect();
    let (soft, hard): (u64, u64) = (row[3].parse().unwrap(), row[4].parse().unwrap_or(u64::MAX));
    assert_eq!(soft, hard.min(1 << 20));

    let server = Server::start(&mut shell(&folder, "ulimit -n 1024; exec \"$0\" \"$@\"", &["-p", "0", "site"]));
    let warning = "barewire: limit is 1024 open files: about 720 connections. Raise it:  ulimit -n 65536\n";
    assert_eq!(server.before, [warning]);

    let arguments = ["-p", "0", "--max-connections", "5000", "site"];
    let server = Server::start(&mut shell(&folder, "ulimit -n 4096; exec \"$0\" \"$@\"", &arguments));
    let warning = "barewire: 5000 connections need more than the 4096 open files allowed. Raise it:  ulimit -n 6730\n";
    assert_eq!(server.before, [warning]);
}

#[test]
fn links_lead_out_only_where_that_was_asked_for_even_behind_the_fence() {
    let folder = Folder::new();
    fs::write(folder.0.join("outside.txt"), "outside\n").unwrap();
    std::os::unix::fs::symlink("../outside.txt", folder.0.join("site/out")).unwrap();
    std::os::unix::fs::symlink("a.txt", folder.0.join("site/in")).unwrap();
    for (which, out, inside) in [("any", "200", "200"), ("inside", "404", "200"), ("deny", "404", "404")] {
        let server = Server::start(&mut barewire(&folder, &["-p", "0", "--symlinks", which, "site"]));
        let status = |target| server.ask(target).split(' ').nth(1).unwrap().to_string();
        assert_eq!((status("/out").as_str(), status("/in").as_str()), (out, inside), "{which}");
    }
}

#[test]
fn the_process_is_fenced_in_where_the_kernel_can() {
    let folder = Folder::new();
    let server = Server::start(&mut barewire(&folder, &["-v", "-p", "0", "site"]));
    let said = server.before.concat();
    if said.contains("the fence is up") {
        assert!(server.proc("status").contains("NoNewPrivs:\t1\n"));
        // Every thread is behind it, also those of the workers: one was asked by the listing.
        assert!(server.ask("/").starts_with("HTTP/1.1 200 "));
    } else {
        let lsm = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        assert!(!lsm.contains("landlock"), "{said}");
    }
}

// Terminals.

/// What a terminal shows until `end`, and the program.
fn on_a_terminal(command: &mut Command, end: &str) -> (Child, File, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    let child = command.stdout(Stdio::null()).stderr(Stdio::from(slave)).spawn().unwrap();
    // The command would keep its end of the terminal open, and reading would never end.
    command.stderr(Stdio::null());
    let mut master = File::from(master);
    let mut shown = String::new();
    while !shown.contains(end) {
        let mut buffer = [0; 1024];
        let count = master.read(&mut buffer).unwrap();
        shown += &String::from_utf8_lossy(&buffer[..count]);
    }
    (child, master, shown.replace("\r\n", "\n"))
}

#[test]
fn a_terminal_gets_the_start_screen_and_color_unless_it_is_not_wanted() {
    let folder = Folder::new();
    let screen = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = barewire(&folder, &[&["-p", "0"], arguments].concat());
        let (mut child, _master, shown) = on_a_terminal(command.envs(variables.iter().copied()), "Stop: Ctrl-C");
        child.kill().unwrap();
        child.wait().unwrap();
        shown
    };
    let plain = screen(&["site"], &[("NO_COLOR", "1")]);
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines.len() <= 12, "{plain}");
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    assert_eq!(lines[0], format!("  barewire {version}   serving ./site  (read only)"));
    assert!(lines[2].starts_with("  http://127.0.0.1:") && lines[2].ends_with("/         open this"), "{plain}");
    assert_eq!(lines[4], "  Only this computer can connect.      barewire --lan      share on your network");
    assert!(!plain.contains('\x1b'), "{plain}");

    assert!(screen(&["site"], &[]).contains("\x1b[1m"));
    assert!(!screen(&["--color", "never", "site"], &[]).contains('\x1b'));
    assert!(!screen(&["site"], &[("TERM", "dumb")]).contains('\x1b'));
    assert!(screen(&["--color", "always", "site"], &[("NO_COLOR", "1")]).contains("\x1b[1m"));
    assert!(
        screen(&["--lan", "site"], &[("NO_COLOR", "1")]).contains("! Anyone on your network can read these files.\n")
    );

    let colored = ended(&mut barewire(&folder, &["--color", "always", "nowhere"])).2;
    assert!(colored.starts_with("\x1b[1;31mbarewire:\x1b[0m there is no folder ./nowhere.\n"), "{colored}");
}

#[test]
fn ctrl_c_on_a_terminal_ends_with_a_line_of_its_own() {
    let folder = Folder::new();
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    let (mut child, mut master, _) = on_a_terminal(&mut command, "Stop: Ctrl-C");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = Vec::new();
    // The other end of a terminal that is gone is an error and no end of file.
    let _ = master.read_to_end(&mut rest);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rest = String::from_utf8_lossy(&rest).replace("\r\n", "\n");
    assert!(rest.contains("\nstopped: 0 requests, 0 B, "), "{rest:?}");
}

// The wire.

/// Everything a server prints on standard output while `ask` talks to it.
fn wire_of(folder: &Folder, arguments: &[&str], ask: impl FnOnce(&Server)) -> String {
    let out = folder.0.join("wire.out");
    let mut command = barewire(folder, arguments);
    let mut child = command.stdout(File::create(&out).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let server = Server::heard(child, stderr);
    ask(&server);
    // At the end everything that was recorded is printed.
    assert_eq!(server.stop(Signal::INT).0, 0);
    fs::read_to_string(&out).unwrap()
}

#[test]
fn three_requests_in_one_send_are_one_recv_and_three_exchanges_in_order() {
    let folder = Folder::new();
    let ask = |server: &Server| {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n");
        let three = one("/a.txt", "") + &one("/no", "") + &one("/a.txt", "Connection: close\r\n");
        socket.write_all(three.as_bytes()).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    };
    let text = wire_of(&folder, &["--wire", "-p", "0", "site"], ask);
    assert_eq!(text.matches("recv() #").count(), 1, "{text}");
    assert!(text.contains("  3 requests glued together in one recv()\n"), "{text}");
    let names = ["c1.1 request", "c1.1 response", "c1.2 request", "c1.2 response", "c1.3 request", "c1.3 response"];
    let places: Vec<_> = names.iter().map(|name| text.find(name).unwrap_or_else(|| panic!("{name}: {text}"))).collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("closed by the server: the client asked for it"), "{text}");
}

#[test]
fn a_request_cut_in_three_places_shows_its_cuts_at_exactly_these_bytes() {
    let folder = Folder::new();
    fs::write(folder.0.join("ask"), "GET /hello.txt HTTP/1.1\nHost: localhost\n\n").unwrap();
    let ask = |server: &Server| {
        let to = format!("localhost:{}", server.port);
        let arguments = ["send", &to, "ask", "--cut", "8,28,41", "--gap", "100", "--plain"];
        let (exit, answer, complaint) = ended(&mut barewire(&folder, &arguments));
        assert_eq!((exit, complaint.as_str()), (0, ""));
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    };
    let truncated = |server: &Server| {
        let to = format!("localhost:{}", server.port);
        fs::write(folder.0.join("half"), "GET /a.txt HTTP/1.1\nHo").unwrap();
        let (exit, answer, complaint) = ended(&mut barewire(&folder, &["send", &to, "half"]));
        assert_eq!((exit, complaint.as_str()), (0, ""));
        assert!(
            answer.contains("HTTP/1.1 400 Bad Request\\r\\n"),
            "a request that is never complete is answered: {answer}"
        );
    };
    let text = wire_of(&folder, &["--wire", "-p", "0", "site"], truncated);
    assert!(text.contains("! byte 23: the connection ended before the blank line"), "{text}");
    // One loop with nothing else to do: the pieces come apart, and each is read alone.
    let text = wire_of(&folder, &["--wire", "-p", "0", "--loops", "1", "site"], ask);
    for line in ["recv() #1  8 bytes", "recv() #2  20 bytes", "recv() #3  13 bytes", "recv() #4  3 bytes"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(text.contains("   GET /hel┊2┊lo.txt HTTP/1.1\\r\\n  "), "{text}");
    assert!(text.contains("   Hos┊3┊t: localhost\\r┊4┊\\n  "), "{text}");
    let json = wire_of(&folder, &["--wire=json", "-p", "0", "site"], ask);
    assert!(json.contains("\"cuts\":[8,28,41]"), "{json}");
    for line in json.lines() {
        assert!(line.is_ascii() && line.starts_with('{') && line.ends_with('}'), "{line}");
    }
}

#[test]
fn secrets_are_hidden_unless_they_are_asked_for_where_nobody_else_can_connect() {
    let folder = Folder::new();
    let ask = |server: &Server| {
        let mut socket = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
        let request = "GET /?token=abcdefgh HTTP/1.0\r\nX-Mine: ijklmnop\r\nAuthorization: Bearer qrstuvwx\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        socket.read_to_end(&mut Vec::new()).unwrap();
    };
    for form in ["--wire=line", "--wire=head", "--wire=full", "--wire=json"] {
        let text = wire_of(&folder, &[form, "-p", "0", "--wire-hide", "X-Mine", "site"], ask);
        for secret in ["abcdefgh", "ijklmnop", "qrstuvwx"] {
            assert!(!text.contains(secret), "{form}: {text}");
        }
        assert!(text.contains("?token=*") && (form == "--wire=line" || text.contains("Bearer *")), "{form}: {text}");
    }
    let refused = "barewire: --wire-secrets would show the secrets of others: not where others can connect.\n\
        Leave it out:  barewire --lan --wire\n";
    check(&mut barewire(&folder, &["--wire-secrets", "--lan", "--wire"]), 2, refused);
    check(&mut barewire(&folder, &["--wire-secrets", "--bind", "0.0.0.0", "--wire"]), 2, refused);
    let mut server = Server::start(&mut barewire(&folder, &["--wire", "--wire-secrets", "-p", "0", "site"]));
    let warning = "barewire: passwords, cookies and tokens are shown as they are (--wire-secrets).\n";
    assert_eq!(server.before, [warning]);
    server.signal(Signal::INT);
    assert_eq!(server.end().0, 0);
}

#[test]
fn a_view_that_nobody_reads_or_whose_reader_has_left_does_not_stop_the_server() {
    let folder = Folder::new();
    for stays in [true, false] {
        let mut command = barewire(&folder, &["--wire=full", "-p", "0", "site"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let reader = child.stdout.take().filter(|_| stays);
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let server = Server::heard(child, stderr);
        // Far more than a pipe holds.
        for _ in 0..200 {
            assert!(server.ask("/a.txt").ends_with("hello\n"));
        }
        assert_eq!(server.stop(Signal::INT).0, 0);
        drop(reader);
    }
}

#[test]
fn explain_says_what_is_wrong_by_exit_code_and_offset() {
    let folder = Folder::new();
    let write = |name: &str, text: &str| fs::write(folder.0.join(name), text).unwrap();
    write("good", "GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
    write("edited", "GET /a HTTP/1.1\nHost: a\n\n");
    write("answer", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel");
    write("head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let explain = |arguments: &[&str]| ended(&mut barewire(&folder, &[&["explain"], arguments].concat()));

    let (exit, text, complaint) = explain(&["good"]);
    assert_eq!((exit, complaint.as_str()), (0, ""));
    assert!(text.contains("▶ 1 request  28 bytes\n   GET /a HTTP/1.1\\r\\n"), "{text}");

    let (exit, _, complaint) = explain(&["edited"]);
    let expected = "edited:15: a line ends with LF alone; every line of a head ends with CR LF (RFC 9112 §2.2)\n\
        If an editor left it so:  barewire explain --fix-newlines\n";
    assert_eq!((exit, complaint.as_str()), (1, expected));
    let (exit, _, complaint) = explain(&["--fix-newlines", "edited"]);
    assert_eq!((exit, complaint.as_str()), (0, "barewire: edited: 3 line ends were LF alone and are read as CR LF.\n"));

    let (exit, text, complaint) = explain(&["answer"]);
    assert_eq!(exit, 1);
    assert!(complaint.starts_with("answer:41: ") && text.contains("◀ 1 response  41 bytes"), "{complaint}{text}");
    assert_eq!(explain(&["--for", "HEAD", "head"]).0, 0);
    assert_eq!(explain(&["head"]).0, 1);
    let (exit, text, _) = explain(&["--in", "good", "--out", "answer", "--json"]);
    assert_eq!((exit, text.lines().count()), (1, 2));
    let (exit, page, _) = explain(&["--html", "good"]);
    assert!(exit == 0 && page.starts_with("<!doctype html>") && page.contains(">Host</span>"), "{page}");

    assert_eq!(explain(&["no-such-file"]).0, 4);
    assert_eq!(explain(&["--curl-trace", "good"]).0, 4);
    assert_eq!(explain(&["--for", "get", "good"]).0, 2);
    assert_eq!(explain(&["--request", "--response", "good"]).0, 2);
    assert_eq!(explain(&["--no-such-option"]).0, 2);
    assert_eq!(ended(&mut barewire(&folder, &["send"])).0, 2);
    assert_eq!(ended(&mut barewire(&folder, &["send", "localhost:1", "good", "--cut", "x"])).0, 2);
    assert_eq!(ended(&mut barewire(&folder, &["send", "localhost:1", "none"])).0, 4);
}

// The view in a browser.

#[test]
fn options_of_the_view_mean_nothing_without_it() {
    let folder = Folder::new();
    for (arguments, complaint) in [
        (
            &["--wire-port", "9001"][..],
            "--wire-port belongs to the view in a browser, which is off.\nSwitch it on:  barewire --study",
        ),
        (
            &["--wire", "--wire-memory", "1M"],
            "--wire-memory belongs to the view in a browser, which is off.\nSwitch it on:  barewire --study",
        ),
        (
            &["--study", "--wire-port", "x"],
            "--wire-port takes a number from 0 to 65535, not \"x\".\nFor example:  barewire --study --wire-port 9001",
        ),
        (
            &["--study", "--wire-memory", "1K"],
            "--wire-memory takes a size from 1M to 1G, such as 1M, not \"1K\".\nFor example:  barewire --study --wire-memory 64M",
        ),
        (
            &["-p", "9000", "--study", "--wire-port", "9000"],
            "--wire-port is the port of the server itself.\nGive it another one:  barewire -p 9000 --study --wire-port 0",
        ),
        (
            &["--study", "--lan", "--wire-secrets"],
            "--wire-secrets would show the secrets of others: not where others can connect.\nLeave it out:  barewire --lan --wire",
        ),
    ] {
        check(&mut barewire(&folder, arguments), 2, &format!("barewire: {complaint}\n"));
    }
}

#[test]
fn the_view_has_a_port_of_its_own_or_says_why_not() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let arguments = ["-p", "0", "--study", "--wire-port", &port, "site"];
    let (exit, _, said) = ended(&mut barewire(&folder, &arguments));
    let (what, advice) = said.split_once('\n').unwrap();
    assert!(what.starts_with(&format!("barewire: port {port} on 127.0.0.1 is already in use (by ")), "{said}");
    assert!(advice.starts_with("Use another one:  barewire --study --wire-port "), "{said}");
    assert_eq!(exit, 3);
    drop(taken);
    let mut server = Server::start(&mut barewire(&folder, &["-p", "0", "--study", "site"]));
    let mut line = String::new();
    server.stderr.read_line(&mut line).unwrap();
    let url = line.strip_prefix("wire view http://127.0.0.1:").unwrap();
    let (view, key) = url.trim_end().split_once("/#k=").unwrap();
    let view: u16 = view.parse().unwrap();
    assert!(view != server.port && key.len() == 22, "{line}");
    // It listens before it says so, and it is quiet when that is wanted.
    assert!(get(view, "/").starts_with("HTTP/1.1 403 "), "a name without port is not one of its names");
    let (exit, said) = server.stop(Signal::TERM);
    assert_eq!((exit, said.lines().count()), (0, 1), "{said}");
}
