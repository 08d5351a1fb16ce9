//! The Unix socket of `--bind unix:PATH`: one that was left behind is removed, one in use is an error.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use barewire::net::Listener;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::program::error::{Exit, StartError};
use crate::program::folder::shown;

/// As for TCP: connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1024;

/// Binds the path and gives it these rights. Exit code 3: another server listens there, something else has the name, or
/// the system refuses.
pub(crate) fn open(path: &Path, mode: u32) -> Result<Listener, StartError> {
    let name = shown(path);
    let failed = |text: &str| StartError::of(Exit::Listen, text, &[("name", &name)]);
    if let Ok(metadata) = fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(failed("no socket"));
        }
        // A server that has ended leaves its socket: connecting to it is refused then.
        match UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => _ = fs::remove_file(path),
            _ => return Err(failed("socket in use")),
        }
    }
    listen(path, mode)
        .map_err(|error| StartError::of(Exit::Listen, "cannot make socket", &[("name", &name), ("error", &error)]))
}

fn listen(path: &Path, mode: u32) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before it listens, so that no program can connect with other rights.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Listener::unix(OwnedFd::from(socket).into())
}
