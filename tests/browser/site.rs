//! A server of its own for one test, on a scratch folder, with its access log.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::folder::Folder;
use crate::support::server::{BINARY, Server, clean};

/// A scratch folder with a folder `site` in it.
pub(crate) struct Scratch(Folder);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let folder = Folder::new();
        std::fs::create_dir(folder.join("site")).unwrap();
        Scratch(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The folder to serve.
    pub(crate) fn site(&self) -> PathBuf {
        self.0.join("site")
    }
}

/// The running server.
pub(crate) struct Site {
    server: Server,
    /// `http://127.0.0.1:PORT/`
    pub(crate) url: String,
    /// The address of the wire view with its key, if there is one.
    pub(crate) view: String,
    /// Bytes at the beginning of the access log that are not looked at any more.
    forgotten: Cell<usize>,
}

impl Site {
    pub(crate) fn serve(folder: &Path) -> Site {
        Site::serve_at("127.0.0.1", folder, &[])
    }

    /// The same at another address, or with more options.
    pub(crate) fn serve_at(address: &str, folder: &Path, options: &[&str]) -> Site {
        let mut command = clean(Command::new(BINARY));
        command.args(["--port", "0", "--bind", address, "--log", "common"]).args(options).arg(folder);
        let server = Server::of(&mut command);
        let url = |before: &str| {
            let line = server.err.line(before);
            line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_string()
        };
        let view = if options.contains(&"--study") { url("wire view ") } else { String::new() };
        Site { url: url("listening on "), view, server, forgotten: Cell::new(0) }
    }

    /// Waits for a line of the access log that contains all these parts.
    #[track_caller]
    pub(crate) fn logged(&self, parts: &[&str]) -> String {
        self.server.log().wait(&format!("{parts:?}"), |text| {
            let rest = text.get(self.forgotten.get()..)?;
            let whole = &rest[..rest.rfind('\n')? + 1];
            whole.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_string)
        })
    }

    /// Forgets the lines so far.
    pub(crate) fn forget(&self) {
        self.forgotten.set(self.server.log().so_far().len());
    }

    /// Whether the server has a file open that has no name: an upload on its way.
    pub(crate) fn has_unnamed_file(&self) -> bool {
        self.server.open_files().iter().any(|name| name.ends_with("(deleted)") && !name.contains("memfd"))
    }
}
