//! Where the access log goes: to a standard stream, or to a file that is opened again when it was renamed.
//!
//! Programs that rotate logs rename the file and then send HUP. The file is opened again at once, so that it exists, and
//! the thread of the log takes it with the next line. Opening may wait for a disk, so no loop and no thread that others
//! wait for does it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::service::lock;

/// The rights of a new log file: it has the addresses of clients in it, so not everybody on this computer may read it.
const MODE: u32 = 0o640;

/// Where the access log goes.
#[derive(Clone, Debug, Default)]
pub enum LogOutput {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error, when standard output is needed for something else.
    Stderr,
    /// The end of a file.
    File(LogFile),
}

impl LogOutput {
    /// What the thread of the log writes to. Errors: the stream cannot be opened a second time.
    pub(crate) fn writer(&self) -> io::Result<Box<dyn Write + Send>> {
        // The descriptor itself: the standard streams of Rust keep what a full disk has refused, and write it later.
        let stream = match self {
            LogOutput::Stdout => io::stdout().as_fd().try_clone_to_owned()?,
            LogOutput::Stderr => io::stderr().as_fd().try_clone_to_owned()?,
            LogOutput::File(file) => {
                return Ok(Box::new(LogFileWriter { file: file.clone(), current: file.append()? }));
            }
        };
        Ok(Box::new(File::from(stream)))
    }
}

/// A file to which the access log is appended. Clones mean the same file.
#[derive(Clone, Debug)]
pub struct LogFile {
    path: Arc<PathBuf>,
    /// Opened since the last line.
    reopened: Arc<Mutex<Option<File>>>,
}

impl LogFile {
    /// The file at this path, which is made if it is missing.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn open(path: impl Into<PathBuf>) -> io::Result<LogFile> {
        let file = LogFile { path: Arc::new(path.into()), reopened: Arc::default() };
        file.append().map(|_| file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the path again. The next line is written there. Until then, and after an error, the log goes on in the file
    /// that was open.
    ///
    /// # Errors
    /// Those of opening it.
    pub fn reopen(&self) -> io::Result<()> {
        let file = self.append()?;
        *lock(&self.reopened) = Some(file);
        Ok(())
    }

    fn append(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(MODE).open(&*self.path)
    }
}

struct LogFileWriter {
    file: LogFile,
    current: File,
}

impl Write for LogFileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(reopened) = lock(&self.file.reopened).take() {
            self.current = reopened;
        }
        self.current.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.current.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lines_go_to_the_new_file_once_it_is_opened_again_and_a_failure_loses_none() {
        let folder = std::env::temp_dir().join(format!("barewire-log-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (path, old) = (folder.join("log"), folder.join("log.1"));
        fs::write(&path, "0").unwrap();
        let log = LogFile::open(&path).unwrap();
        let mut out = LogOutput::File(log.clone()).writer().unwrap();
        let mut write = |text: &str| out.write_all(text.as_bytes()).unwrap();
        let read = |path| fs::read_to_string(path).unwrap();
        write("1");
        fs::rename(&path, &old).unwrap();
        write("2");
        fs::create_dir(&path).unwrap();
        assert!(log.reopen().is_err());
        write("3");
        fs::remove_dir(&path).unwrap();
        log.reopen().unwrap();
        assert_eq!(read(&path), "", "it exists before the next line");
        write("4");
        write("5");
        assert_eq!((read(&old), read(&path)), ("0123".into(), "45".into()));
        fs::remove_dir_all(folder).unwrap();
    }
}
