//! The real program as a server: started, watched and stopped.
//!
//! Each server has a port that the kernel chose, and is killed when it is dropped. Threads read both outputs all the
//! time: with a full pipe the server would stop in the middle of a test.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::folder::Folder;
use crate::support::{PATIENCE, skip};

/// The program under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_barewire");

/// This command with an empty environment except for `PATH` and `TERM`, and nothing on standard input: variables of
/// the person who runs the tests must not set options.
pub(crate) fn clean(mut command: Command) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("TERM", "xterm").stdin(Stdio::null());
    command
}

/// The bytes that a pipe has brought so far.
#[derive(Default)]
pub(crate) struct Capture {
    /// The bytes, and whether the pipe has ended.
    bytes: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Capture {
    /// Starts a thread that reads `pipe` to its end.
    pub(crate) fn of(mut pipe: impl Read + Send + 'static) -> Arc<Capture> {
        let capture = Arc::new(Capture { bytes: Mutex::new((Vec::new(), false)), changed: Condvar::new() });
        let writer = capture.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                // An error is an end too: reading a terminal whose other side is gone fails with EIO.
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut bytes = writer.bytes.lock().unwrap();
                bytes.0.extend_from_slice(&buffer[..read]);
                bytes.1 |= read == 0;
                writer.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        capture
    }

    /// Waits until `find` finds something in the whole text. Fails when the pipe ends before.
    #[track_caller]
    pub(crate) fn wait<T>(&self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut bytes = self.bytes.lock().unwrap();
        loop {
            let text = String::from_utf8_lossy(&bytes.0);
            if let Some(found) = find(&text) {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!bytes.1 && !left.is_zero(), "waited for {what}, have:\n{text}");
            bytes = self.changed.wait_timeout(bytes, left).unwrap().0;
        }
    }

    /// Waits until the text has a whole line that contains `part`; returns that line without its end.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        self.wait(part, |text| {
            let whole = &text[..text.rfind('\n')? + 1];
            whole.lines().find(|l| l.contains(part)).map(str::to_string)
        })
    }

    /// The text so far.
    pub(crate) fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap().0).into_owned()
    }

    /// Waits for the end of the pipe; returns all bytes.
    pub(crate) fn all(&self) -> Vec<u8> {
        let mut bytes = self.bytes.lock().unwrap();
        while !bytes.1 {
            bytes = self.changed.wait(bytes).unwrap();
        }
        bytes.0.clone()
    }
}

/// How the line begins by which a server says that it listens.
const LISTENING: &str = "listening on http://";
/// How a line begins that notes at the start what is not as usual.
const NOTE: &str = "note: ";

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Standard output, where it is a pipe that no test has taken.
    pub(crate) out: Option<Arc<Capture>>,
    pub(crate) err: Arc<Capture>,
    /// Standard error, if the test does not read it.
    unread: Option<ChildStderr>,
}

impl Server {
    /// Serves `folder` with these further arguments.
    #[track_caller]
    pub(crate) fn start(folder: &Folder, arguments: &[&str]) -> Server {
        Server::serve(folder.path(), arguments)
    }

    /// Serves this path, which may be a file.
    #[track_caller]
    pub(crate) fn serve(path: &Path, arguments: &[&str]) -> Server {
        Server::of(&mut Server::command(Command::new(BINARY), "127.0.0.1", path, arguments))
    }

    /// Serves `folder` on every address of this computer.
    #[track_caller]
    pub(crate) fn on_all_addresses(folder: &Folder, arguments: &[&str]) -> Server {
        Server::of(&mut Server::command(Command::new(BINARY), "0.0.0.0", folder.path(), arguments))
    }

    /// Serves `folder` with a limit on open descriptors.
    #[track_caller]
    pub(crate) fn with_descriptors(limit: u32, folder: &Folder, arguments: &[&str]) -> Server {
        Server::limited("-n", limit, folder, arguments)
    }

    /// Serves `folder` with a limit of the shell's `ulimit`. The limit of a file's size (`-f`) is in units of 512 bytes.
    #[track_caller]
    pub(crate) fn limited(option: &str, limit: u32, folder: &Folder, arguments: &[&str]) -> Server {
        let mut shell = Command::new("sh");
        let script = format!(r#"ulimit {option} "$0" && exec "$@""#);
        shell.args(["-c", &script, &limit.to_string(), BINARY]);
        Server::of(&mut Server::command(shell, "127.0.0.1", folder.path(), arguments))
    }

    /// Serves `folder` with its log appended to the file `log`, which has room for `limit` units of 512 bytes.
    #[track_caller]
    pub(crate) fn with_little_room(limit: u32, log: &Path, folder: &Folder, arguments: &[&str]) -> Server {
        let mut shell = Command::new("sh");
        let script = r#"ulimit -f "$0" && exec >>"$1" && shift && exec "$@""#;
        shell.args(["-c", script, &limit.to_string()]).arg(log).arg(BINARY);
        Server::of(&mut Server::command(shell, "127.0.0.1", folder.path(), arguments))
    }

    /// Serves `folder` with every system call written to the file `trace`. The tracer is a process beside the server
    /// (`-D`), so that this process is the server itself.
    #[track_caller]
    pub(crate) fn traced(trace: &Path, folder: &Folder, arguments: &[&str]) -> Server {
        let mut strace = Command::new("strace");
        strace.args(["-D", "-f", "-q", "-yy", "-s", "40", "-o"]).arg(trace).arg(BINARY);
        Server::of(&mut Server::command(strace, "127.0.0.1", folder.path(), arguments))
    }

    /// Serves `folder` while system calls fail, each as in `strace -e inject=`: `linkat:error=EPERM`. With `path` only
    /// those that are about this path.
    #[track_caller]
    pub(crate) fn with_faults(faults: &[&str], path: Option<&Path>, folder: &Folder, arguments: &[&str]) -> Server {
        let mut strace = Command::new("strace");
        strace.args(["-D", "-f", "-qq", "-o", "/dev/null"]);
        let calls: Vec<&str> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        strace.args(["-e", &format!("trace={}", calls.join(","))]);
        for fault in faults {
            strace.args(["-e", &format!("inject={fault}")]);
        }
        if let Some(path) = path {
            strace.arg("-P").arg(path);
        }
        strace.arg(BINARY);
        Server::of(&mut Server::command(strace, "127.0.0.1", folder.path(), arguments))
    }

    /// Serves `folder` on a socket that listens already, as a service manager passes one.
    #[track_caller]
    pub(crate) fn on_socket(socket: &TcpListener, folder: &Folder) -> Server {
        let mut shell = Command::new("sh");
        shell.args(["-c", "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null", BINARY]);
        let mut command = clean(shell);
        command.arg(folder.path()).stdin(OwnedFd::from(socket.try_clone().unwrap()));
        Server::of(&mut command)
    }

    /// From now on, until the result is dropped, this fault happens in every thread, as in `strace -e inject=`. `None`:
    /// `strace` may not attach to a process that runs, and the test is skipped.
    #[track_caller]
    pub(crate) fn inject(&self, fault: &str) -> Option<Injection> {
        let call = fault.split(':').next().unwrap_or_default();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={fault}")]);
        let mut child = strace.args(["-p", &self.pid().to_string()]).stderr(Stdio::piped()).spawn().unwrap();
        let said = Capture::of(child.stderr.take().unwrap());
        let is_attached = said.wait("strace", |text| {
            let failed = text.contains("Operation not permitted");
            (failed || text.contains(" attached")).then_some(!failed)
        });
        if !is_attached {
            skip("strace may not attach to a process", "BAREWIRE_REQUIRE_STRACE");
        }
        is_attached.then_some(Injection(child))
    }

    /// Serves `folder` with a standard output whose other end is closed.
    #[track_caller]
    pub(crate) fn without_log_reader(folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Server::command(Command::new(BINARY), "127.0.0.1", folder.path(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        Server::heard(child)
    }

    /// Serves `folder` with a standard error that is open, but read no further than the first line.
    #[track_caller]
    pub(crate) fn without_error_reader(folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Server::command(Command::new(BINARY), "127.0.0.1", folder.path(), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stderr.take().unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            pipe.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        let address = address_in(&String::from_utf8(line).unwrap());
        let out = child.stdout.take().map(Capture::of);
        Server { child, address, out, err: Arc::default(), unread: Some(pipe) }
    }

    /// `command`, then the options that every server of a test has, then `arguments` and the path.
    fn command(command: Command, bind: &str, path: &Path, arguments: &[&str]) -> Command {
        let mut command = clean(command);
        command.args(["--port", "0", "--bind", bind]).args(arguments).arg(path);
        command
    }

    /// Starts a command that becomes a server, and waits until it listens.
    #[track_caller]
    pub(crate) fn of(command: &mut Command) -> Server {
        Server::heard(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Waits until this process, whose standard error is a pipe, says that it listens.
    #[track_caller]
    pub(crate) fn heard(mut child: Child) -> Server {
        let err = Capture::of(child.stderr.take().unwrap());
        let out = child.stdout.take().map(Capture::of);
        let address = address_in(&err.line(LISTENING));
        Server { child, address, out, err, unread: None }
    }

    /// The access log.
    pub(crate) fn log(&self) -> &Capture {
        self.out.as_ref().expect("this server was started without a reader of its log")
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The lines of standard error before the one by which it says that it listens, without [`Server::notes`].
    pub(crate) fn before(&self) -> Vec<String> {
        self.at_start().filter(|line| !line.starts_with(NOTE)).collect()
    }

    /// What it notes at the start, such as a kernel without Landlock.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.at_start().filter_map(|line| Some(line.strip_prefix(NOTE)?.trim_end().to_string())).collect()
    }

    fn at_start(&self) -> impl Iterator<Item = String> {
        let text = self.err.so_far();
        let lines: Vec<String> = text.split_inclusive('\n').map(str::to_string).collect();
        lines.into_iter().take_while(|line| !line.starts_with(LISTENING))
    }

    /// The line by which it says that it listens, with its end.
    pub(crate) fn line(&self) -> String {
        self.err.line(LISTENING) + "\n"
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Sends the signal and waits for the end: the exit code, and what standard error had after [`Server::line`].
    #[track_caller]
    pub(crate) fn stop(mut self, signal: Signal) -> (i32, String) {
        self.signal(signal);
        self.end()
    }

    /// Waits for the end: the exit code (-1: by a signal), and what standard error had after [`Server::line`].
    #[track_caller]
    pub(crate) fn end(&mut self) -> (i32, String) {
        let code = self.exit().code().unwrap_or(-1);
        let text = String::from_utf8(self.err.all()).unwrap();
        let after = self.at_start().map(|line| line.len()).sum::<usize>() + self.line().len();
        (code, text[after..].to_string())
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub(crate) fn exit(&mut self) -> ExitStatus {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the server has ended");
    }

    /// A file of its folder in `/proc`.
    pub(crate) fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap()
    }

    /// The names of its open files, as the kernel shows them.
    pub(crate) fn open_files(&self) -> Vec<String> {
        let links = fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().flatten();
        links.filter_map(|fd| Some(fs::read_link(fd.path()).ok()?.to_string_lossy().into_owned())).collect()
    }

    /// The number of its open descriptors.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Its threads by number and name.
    pub(crate) fn threads(&self) -> Vec<(u32, String)> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap().map(|task| task.unwrap().path());
        let name = |task: &Path| fs::read_to_string(task.join("comm")).unwrap().trim_end().to_string();
        let number = |task: &Path| task.file_name().unwrap().to_str().unwrap().parse().unwrap();
        tasks.map(|task| (number(&task), name(&task))).collect()
    }

    /// Its resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Processor time used so far, in the kernel's ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

/// A fault that happens until this is dropped.
pub(crate) struct Injection(Child);

impl Drop for Injection {
    fn drop(&mut self) {
        // It lets the threads go on, and ends.
        let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
        let _ = self.0.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() && self.unread.is_none() {
            eprintln!("--- the standard error of the server:\n{}", self.err.so_far());
        }
    }
}

/// The address in a line such as `listening on http://127.0.0.1:8080/ serving .`
#[track_caller]
fn address_in(line: &str) -> SocketAddr {
    line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().parse().unwrap()
}
