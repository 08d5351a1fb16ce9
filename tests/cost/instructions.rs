//! Instructions of a request outside the kernel, counted by valgrind in the released program. With a debug build,
//! `BAREWIRE_RELEASE` must name that program.
//!
//! valgrind 3.19 does not know openat2(), so the portable way of opening a file is counted, for which nothing is
//! cached. A valgrind that knows it counts less.
//!
//! Two runs of different length are compared: the costs of the start and the end cancel out.

use std::fs;
use std::path::PathBuf;

use crate::client::{Client, request};
use crate::support::folder::Folder;
use crate::support::{has_program, notice};
use crate::traced::Traced;
use crate::{BROWSER, alone, folder};

/// Requests of the two runs.
const RUNS: [usize; 2] = [200, 1200];

/// What is asked, with which options, and the most instructions it may need: measured, and a tenth
/// more for the next compiler.
const BOUNDS: [(&str, &[&str], &str, u64); 3] = [
    ("small", &["--log", "off"], "", 25_000),
    ("browser", &["--log", "off"], BROWSER, 35_900),
    ("small, logged", &["--log", "combined"], "", 29_400),
];

/// The optimised program, if there is one.
fn release() -> Option<PathBuf> {
    let named = std::env::var_os("BAREWIRE_RELEASE").map(PathBuf::from);
    let own = (!cfg!(debug_assertions)).then(|| PathBuf::from(env!("CARGO_BIN_EXE_barewire")));
    named.or(own)
}

/// Instructions of the whole process for `times` requests.
fn instructions(program: &std::path::Path, folder: &Folder, options: &[&str], fields: &str, times: usize) -> u64 {
    let out = folder.path().with_extension("callgrind");
    let into = format!("--callgrind-out-file={}", out.display());
    let tool = ["valgrind", "--tool=callgrind", "--quiet", "--trace-children=yes", &into];
    let server = Traced::start(program, &tool, folder, options);
    let mut client = Client::connect(server.server.address);
    let exchange = client.settle(&request("GET", "/small.html", fields));
    (0..times).for_each(|_| client.ask(&exchange, 1));
    drop(client);
    server.stop();
    let text = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    let total = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    text.lines().find_map(total).expect("totals")
}

#[test]
fn a_request_needs_no_more_instructions_than_the_table_says() {
    let _alone = alone();
    if !has_program("valgrind", "BAREWIRE_REQUIRE_VALGRIND") {
        return;
    }
    let Some(program) = release() else {
        return notice("no optimised program: set BAREWIRE_RELEASE, or run with --release");
    };
    let folder = folder();
    let mut failures = String::new();
    for (name, options, fields, bound) in BOUNDS {
        let [short, long] = RUNS.map(|times| instructions(&program, &folder, options, fields, times));
        let each = (long.saturating_sub(short)) / (RUNS[1] - RUNS[0]) as u64;
        println!("{name}: {each} instructions, at most {bound}");
        if each > bound || each == 0 {
            failures += &format!("{name}: {each} instructions, at most {bound}\n");
        }
    }
    assert!(failures.is_empty(), "dearer than the table says:\n{failures}");
}
