//! What a request may cost: allocations, system calls, instructions. All of them are counted, and none
//! is a time, so they are the same on a busy machine and on a quiet one.
//!
//! [`allocations`] runs the server in this process under a counting allocator. [`calls`] runs the real
//! program under strace, [`instructions`] and [`main_path`] under valgrind; without the tool a test says so aloud and
//! passes, unless `BAREWIRE_REQUIRE_STRACE` or `BAREWIRE_REQUIRE_VALGRIND` is set, as it is where they must have run.
//!
//! Never: a bound that nobody has measured. Each table says what is counted, and why it is not less.
//!
//! The subtle thing: one test at a time ([`alone`]). What one allocates, another would count.

mod allocations;
mod calls;
mod client;
mod instructions;
mod main_path;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The fields of Chromium 140, but for Host.
const BROWSER: &str = "Connection: keep-alive\r\nCache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"\r\n\
    sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n\
    Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// Bytes of a file that fits into one answer, and of one that goes by `sendfile`.
const SMALL: usize = 1024;
const MEDIUM: usize = 100 * 1024;

/// Lets one test run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A served folder with one file of each kind, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cost-{name}-{}", std::process::id()));
        let folder = Folder(path);
        fs::create_dir_all(folder.path()).unwrap();
        folder.write("small.html", SMALL);
        folder.write("medium.jpg", MEDIUM);
        folder
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// An old file: of a young one the server may not be sure yet.
    fn write(&self, name: &str, size: usize) {
        let path = self.0.join(name);
        fs::write(&path, vec![b'x'; size]).unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether `tool` is here; if not, that is said, and is a failure where `required` is set.
fn has(tool: &str, required: &str) -> bool {
    let found = Command::new(tool).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).status().is_ok();
    assert!(found || std::env::var_os(required).is_none(), "{tool} is not here, but {required} is set");
    if !found {
        eprintln!("{tool} is not here: nothing is counted");
    }
    found
}
