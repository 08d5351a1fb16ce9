//! A server of our own for one test: the real binary on a folder, with its access log.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A scratch folder below the target folder, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Scratch {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("browser-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("site")).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The folder to serve.
    pub(crate) fn site(&self) -> PathBuf {
        self.0.join("site")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The running server.
pub(crate) struct Site {
    child: Child,
    /// `http://127.0.0.1:PORT/`
    pub(crate) url: String,
    /// The address of the wire view with its key, if there is one.
    pub(crate) view: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) fn serve(folder: &Path) -> Site {
        Site::serve_at("127.0.0.1", folder, &[])
    }

    /// The same at another address, or with more options.
    pub(crate) fn serve_at(address: &str, folder: &Path, options: &[&str]) -> Site {
        let mut child = Command::new(env!("CARGO_BIN_EXE_barewire"))
            .args(["--port", "0", "--bind", address, "--log", "common"])
            .args(options)
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut address = |before: &str| {
            let mut line = String::new();
            while !line.contains(before) {
                line.clear();
                assert!(errors.read_line(&mut line).unwrap() > 0, "the server did not start");
            }
            line.split_whitespace().find(|word| word.starts_with("http://")).unwrap().to_string()
        };
        let url = address("listening on ");
        let view = if options.contains(&"--study") { address("wire view ") } else { String::new() };
        std::thread::spawn(move || errors.lines().map_while(Result::ok).for_each(drop));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (ours, out) = (log.clone(), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| ours.lock().unwrap().push(line));
        });
        Site { child, url, view, log }
    }

    /// Waits for a line of the access log that contains all these parts.
    #[track_caller]
    pub(crate) fn logged(&self, parts: &[&str]) -> String {
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let log = self.log.lock().unwrap().clone();
            if let Some(line) = log.iter().find(|line| parts.iter().all(|part| line.contains(part))) {
                return line.clone();
            }
            assert!(Instant::now() < end, "not logged: {parts:?}\n{}", log.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the server has a file open that has no name: an upload on its way.
    pub(crate) fn has_draft(&self) -> bool {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let mut open = open.flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
        open.any(|path| path.to_string_lossy().ends_with("(deleted)") && !path.to_string_lossy().contains("memfd"))
    }

    /// Forgets the lines so far.
    pub(crate) fn forget(&self) {
        self.log.lock().unwrap().clear();
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
