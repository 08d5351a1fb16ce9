//! Runs the program in a scratch folder, with an empty environment.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;

use crate::support::client::converse;
use crate::support::folder::Folder;
use crate::support::server::{BINARY, Server, clean};

/// The number of a user without rights. Every system has it.
const NOBODY: u32 = 65534;
/// A shell script that passes standard input on as a service manager passes a socket.
pub(crate) const PASS_SOCKET: &str = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 0</dev/null";

/// A scratch folder with a folder `site` in it that holds `a.txt`.
pub(crate) fn site_folder() -> Folder {
    let folder = Folder::in_temp_dir();
    folder.write("site/a.txt", "hello\n");
    folder
}

/// The program, started in `folder`.
pub(crate) fn barewire(folder: &Folder, arguments: &[&str]) -> Command {
    in_folder(Command::new(BINARY), folder, arguments)
}

/// Any command, started in `folder`.
pub(crate) fn in_folder(command: Command, folder: &Folder, arguments: &[&str]) -> Command {
    let mut command = clean(command);
    command.current_dir(folder.path()).args(arguments);
    command
}

/// A shell script that starts the program, which is "$0".
pub(crate) fn shell(folder: &Folder, script: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, BINARY]);
    in_folder(command, folder, arguments)
}

/// The program run by a user without rights.
pub(crate) fn without_rights(folder: &Folder, arguments: &[&str]) -> Command {
    if !rustix::process::geteuid().is_root() {
        return barewire(folder, arguments);
    }
    // That user may not reach the folder of the binary.
    let copy = folder.join("barewire");
    if !copy.exists() {
        // Copied by a process of its own: a file that this process has open for writing could be held open by a fork
        // for another test, and would then be "busy" instead of run.
        assert!(Command::new("cp").arg(BINARY).arg(&copy).status().unwrap().success());
    }
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY);
    in_folder(command, folder, arguments)
}

/// Runs a program that must end by itself: its exit code, standard output and standard error.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Asserts that the program ends with this exit code and prints this message, and nothing else.
#[track_caller]
pub(crate) fn assert_error(command: &mut Command, exit: i32, message: &str) {
    assert_eq!(run(command), (exit, String::new(), message.to_string()));
}

/// The whole response to one GET on a connection of its own.
#[track_caller]
pub(crate) fn get(port: u16, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    String::from_utf8(converse(([127, 0, 0, 1], port).into(), request)).unwrap()
}

/// Everything a server prints on standard output while `ask` talks to it.
pub(crate) fn wire_of(folder: &Folder, arguments: &[&str], ask: impl FnOnce(&Server)) -> String {
    let out = folder.join("wire.out");
    let mut command = barewire(folder, arguments);
    let child = command.stdout(File::create(&out).unwrap()).stderr(Stdio::piped()).spawn().unwrap();
    let server = Server::heard(child);
    ask(&server);
    // When the server ends, it first prints everything that was recorded.
    assert_eq!(server.stop(Signal::INT).0, 0);
    fs::read_to_string(&out).unwrap()
}
