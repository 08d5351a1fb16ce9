//! Helpers that the four test programs share. Each of them includes this module by its path.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod client;
pub(crate) mod corpus;
pub(crate) mod folder;
pub(crate) mod fuse;
pub(crate) mod library;
pub(crate) mod mount;
pub(crate) mod mutants;
pub(crate) mod reference;
pub(crate) mod response;
pub(crate) mod server;
pub(crate) mod uploads;

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test calls it a hang. It is far longer than anything takes on a busy machine:
/// it ends a hang, it does not measure speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The rounds of a long loop: `few` by default, `all` where the variable `BAREWIRE_ROUNDS` is `all`.
pub(crate) fn rounds(few: usize, all: usize) -> usize {
    if std::env::var_os("BAREWIRE_ROUNDS").is_some_and(|value| value == "all") { all } else { few }
}

/// Whether the program `name` is on this machine. If not, the test is skipped: a line on standard error says so, and
/// the test fails where the variable `required` is set, as it is in `.ci/run`.
#[track_caller]
pub(crate) fn has_program(name: &str, required: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let found = command.status().is_ok();
    if !found {
        skip(&format!("{name} is not installed"), required);
    }
    found
}

/// Whether `strace` is here and may trace. If not, the test is skipped, as by [`has_program`].
#[track_caller]
pub(crate) fn can_trace() -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-o", "/dev/null", "true"]).stdout(Stdio::null()).stderr(Stdio::null());
    let can = strace.status().is_ok_and(|status| status.success());
    if !can {
        skip("strace is missing or may not trace", "BAREWIRE_REQUIRE_STRACE");
    }
    can
}

/// Says on standard error that a test is skipped, and why. Fails where the variable `required` is set.
#[track_caller]
pub(crate) fn skip(why: &str, required: &str) {
    assert!(std::env::var_os(required).is_none(), "{why}, but {required} is set");
    notice(why);
}

/// Says on standard error that a test, or a part of it, is skipped. It is written directly, since the test harness
/// keeps back what `eprintln!` writes.
pub(crate) fn notice(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_string();
    let _ = std::io::stderr().write_all(format!("skipped: {test}: {why}\n").as_bytes());
}

/// Tries again until it is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
