//! A server that runs under a tool: strace or valgrind.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::PATIENCE;
use crate::support::folder::Folder;
use crate::support::server::{Server, clean};

/// The server, and the process of the program itself: the tool is its parent.
pub(crate) struct Traced {
    pub(crate) server: Server,
    /// `None` after the end: the kernel may give the number to another process.
    program: Option<Pid>,
}

impl Traced {
    /// Starts the program with one loop and two workers. `tool` is the tool with its arguments.
    pub(crate) fn start(program: &Path, tool: &[&str], folder: &Folder, arguments: &[&str]) -> Traced {
        let mut command = clean(Command::new(tool[0]));
        // The shell prints the process number before it becomes the program. Signals go to that number: the tool
        // itself must not be told to end.
        command.args(&tool[1..]).args(["sh", "-c", r#"echo "pid $$" >&2; exec "$0" "$@""#]).arg(program);
        command.args(["--port", "0", "--bind", "127.0.0.1", "--loops", "1", "--workers", "2"]).args(arguments);
        let server = Server::of(command.arg(folder.path()));
        let number = server.err.line("pid ").split(' ').nth(1).unwrap().parse().unwrap();
        Traced { server, program: Pid::from_raw(number) }
    }

    pub(crate) fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.server.exit().success());
        self.program = None;
    }

    /// Keeps the program from running until [`Traced::go_on`].
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
        let program = self.program.unwrap().as_raw_pid();
        let end = Instant::now() + PATIENCE;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{program}/stat")).unwrap();
            if matches!(stat.as_bytes()[stat.rfind(')').unwrap() + 2], b'T' | b't') {
                return;
            }
            assert!(Instant::now() < end, "it does not stop");
            std::thread::yield_now();
        }
    }

    pub(crate) fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.program.unwrap(), signal).unwrap();
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Killing the tool does not always end the program.
        if let Some(program) = self.program {
            let _ = kill_process(program, Signal::KILL);
        }
    }
}
