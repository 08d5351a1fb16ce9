//! The costs of a request: allocations, system calls, instructions. All of them are counted, and none is a time, so
//! they are the same on a busy machine and on a quiet one. Every bound was measured; each table says what is counted,
//! and why it is not less.
//!
//! [`allocations`] runs the server in this process under a counting allocator. [`syscalls`] runs the real program under
//! strace, [`instructions`] and [`main_path`] under valgrind. Without the tool a test is skipped, and fails where
//! `BAREWIRE_REQUIRE_STRACE` or `BAREWIRE_REQUIRE_VALGRIND` is set.
//!
//! One test runs at a time ([`alone`]): each would count the allocations of the others.

mod allocations;
mod client;
mod instructions;
mod main_path;
mod syscalls;
mod traced;

#[path = "../support/mod.rs"]
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use support::folder::Folder;

/// The fields of Chromium 140, but for Host.
const BROWSER: &str = "Connection: keep-alive\r\nCache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Google Chrome\";v=\"140\"\r\n\
    sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n\
    Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// Bytes of a file that fits into one send, and of one that is sent with `sendfile`.
const SMALL: usize = 1024;
const MEDIUM: usize = 100 * 1024;

/// Lets one test run at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A served folder with a small and a medium file.
fn folder() -> Folder {
    let folder = Folder::new();
    add_old(&folder, "small.html", SMALL);
    add_old(&folder, "medium.jpg", MEDIUM);
    folder
}

/// Adds an old file. The server does not rely on the times of a young one, so it does more for it.
fn add_old(folder: &Folder, name: &str, size: usize) {
    folder.write(name, vec![b'x'; size]);
    folder.age(name);
}
