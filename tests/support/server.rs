//! The binary under test: started, watched, stopped.
//!
//! Never: a fixed port, a folder that two tests share, a process that outlives its test.
//!
//! The subtle thing: both outputs are read by threads of their own all the time. A server whose pipe
//! nobody reads would stop in the middle of a test, and the test would blame something else.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::client::PATIENCE;
use crate::support::folder::Folder;

/// What a pipe has brought so far.
#[derive(Default)]
pub(crate) struct Capture {
    bytes: Mutex<(Vec<u8>, bool)>,
    changed: Condvar,
}

impl Capture {
    fn of(mut pipe: impl Read + Send + 'static) -> Arc<Capture> {
        let capture = Arc::new(Capture { bytes: Mutex::new((Vec::new(), false)), changed: Condvar::new() });
        let theirs = capture.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            loop {
                let read = pipe.read(&mut buffer).unwrap_or(0);
                let mut bytes = theirs.bytes.lock().unwrap();
                bytes.0.extend_from_slice(&buffer[..read]);
                bytes.1 |= read == 0;
                theirs.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        capture
    }

    /// Waits until `find` finds something in the whole text; fails when it cannot come any more.
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

    /// Waits until the text has a whole line that contains `part`; returns that line.
    #[track_caller]
    pub(crate) fn line(&self, part: &str) -> String {
        self.wait(part, |text| {
            let whole = &text[..text.rfind('\n')? + 1];
            whole.lines().find(|l| l.contains(part)).map(str::to_string)
        })
    }

    /// Waits for the end of the pipe; returns everything.
    pub(crate) fn all(&self) -> Vec<u8> {
        let mut bytes = self.bytes.lock().unwrap();
        while !bytes.1 {
            bytes = self.changed.wait(bytes).unwrap();
        }
        bytes.0.clone()
    }
}

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) out: Option<Arc<Capture>>,
    pub(crate) err: Arc<Capture>,
    /// Its standard error, if nobody reads it.
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        Server::run(command.args(["--port", "0", "--bind", "127.0.0.1"]).args(arguments).arg(path), true)
    }

    /// The same on every address of this computer.
    #[track_caller]
    pub(crate) fn on_all_addresses(folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        Server::run(command.args(["--port", "0", "--bind", "0.0.0.0"]).args(arguments).arg(folder.path()), true)
    }

    /// The same with a limit on open descriptors.
    #[track_caller]
    pub(crate) fn with_descriptors(limit: u32, folder: &Folder, arguments: &[&str]) -> Server {
        Server::limited("-n", limit, folder, arguments)
    }

    /// The same with a limit of the shell's `ulimit`; that of a file's size (`-f`) counts 512 bytes.
    #[track_caller]
    pub(crate) fn limited(option: &str, limit: u32, folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Command::new("sh");
        let script = format!(r#"ulimit {option} "$0" && exec "$@""#);
        command.args(["-c", &script, &limit.to_string(), env!("CARGO_BIN_EXE_barewire")]);
        Server::run(command.args(["--port", "0", "--bind", "127.0.0.1"]).args(arguments).arg(folder.path()), true)
    }

    /// The same with every call of the kernel written to the file `trace`. The tracer is a process beside it,
    /// so that this one is the server itself.
    #[track_caller]
    pub(crate) fn traced(trace: &Path, folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-q", "-yy", "-s", "40", "-o"]).arg(trace).arg(env!("CARGO_BIN_EXE_barewire"));
        Server::run(command.args(["--port", "0", "--bind", "127.0.0.1"]).args(arguments).arg(folder.path()), true)
    }

    /// The same with nobody at the other end of its standard output.
    #[track_caller]
    pub(crate) fn without_log_reader(folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        Server::run(command.args(["--port", "0", "--bind", "127.0.0.1"]).args(arguments).arg(folder.path()), false)
    }

    /// The same with somebody at the other end of its standard error who stops reading after the first
    /// line.
    #[track_caller]
    pub(crate) fn without_error_reader(folder: &Folder, arguments: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_barewire"));
        command.args(["--port", "0", "--bind", "127.0.0.1"]).args(arguments).arg(folder.path());
        let mut child = Server::spawn(&mut command);
        let mut pipe = child.stderr.take().unwrap();
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            pipe.read_exact(&mut byte).unwrap();
            line.extend(byte);
        }
        let address = Server::address_in(&String::from_utf8(line).unwrap());
        let out = child.stdout.take().map(Capture::of);
        Server { child, address, out, err: Arc::default(), unread: Some(pipe) }
    }

    #[track_caller]
    fn run(command: &mut Command, read_log: bool) -> Server {
        let mut child = Server::spawn(command);
        let err = Capture::of(child.stderr.take().unwrap());
        let out = child.stdout.take().filter(|_| read_log).map(Capture::of);
        let address = Server::address_in(&err.line("listening on http://"));
        Server { child, address, out, err, unread: None }
    }

    fn address_in(line: &str) -> SocketAddr {
        line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().parse().unwrap()
    }

    fn spawn(command: &mut Command) -> Child {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BAREWIRE_") || name == *OsStr::new("RUST_LOG") {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The access log.
    pub(crate) fn log(&self) -> &Capture {
        self.out.as_ref().expect("this server was started without a reader of its log")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
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
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    pub(crate) fn assert_alive(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the server is gone");
    }

    /// How many descriptors it holds.
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
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Processor time used so far, in the kernel's ticks of 10 ms.
    pub(crate) fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() && self.unread.is_none() {
            eprintln!("--- the server said:\n{}", String::from_utf8_lossy(&self.err.all()));
        }
    }
}
