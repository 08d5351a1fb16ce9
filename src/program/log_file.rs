//! `--log-file`: the file is checked and opened before the server starts, and HUP opens it again.

use std::fs;
use std::path::Path;

use barewire::net::{LogFile, LogOutput, server::HangUp};

use crate::program::access::is_served;
use crate::program::error::{Exit, StartError};
use crate::program::folder::{self, ServedPath};
use crate::program::options::Options;

/// Where the access log goes, and what HUP does: a log file that was named is opened again, also under `nohup`. Errors: the
/// file cannot be written, or clients could ask for it (exit code 2).
pub(crate) fn output(
    options: &Options,
    served: &ServedPath,
    inherited: HangUp,
) -> Result<(LogOutput, HangUp), StartError> {
    match &options.output.log_file {
        Some(path) => open(path, served).map(|file| (LogOutput::File(file.clone()), HangUp::Reopens(file))),
        // Standard output is for the wire view then.
        None if options.study.wire.is_some() => Ok((LogOutput::Stderr, inherited)),
        None => Ok((LogOutput::Stdout, inherited)),
    }
}

fn open(path: &Path, served: &ServedPath) -> Result<LogFile, StartError> {
    let (name, parent) = (folder::shown(path), folder::parent(path));
    // The full path, since only it says whether the file is served.
    let Ok(above) = fs::canonicalize(parent) else {
        let values = [("name", &name as _), ("folder", &folder::shown(parent) as _)];
        return Err(StartError::of(Exit::Usage, "no log folder", &values));
    };
    // The log has the addresses of all clients in it, and an upload could replace it.
    if is_served(path, served) {
        return Err(StartError::of(Exit::Usage, "served log file", &[("name", &name)]));
    }
    // A link to a file elsewhere: that file, because Landlock gets a rule for the folder of the file itself.
    let full = fs::canonicalize(path).unwrap_or_else(|_| above.join(path.file_name().unwrap_or_default()));
    LogFile::open(full)
        .map_err(|error| StartError::of(Exit::Usage, "no log file", &[("name", &name), ("error", &error)]))
}
