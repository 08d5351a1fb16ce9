//! The main path: how many source files and lines one first GET executes.
//!
//! The debug build runs twice under callgrind: once it only starts and stops, once it also answers one GET with the
//! header fields of curl. The lines that only the second run executed are the main path. Run it with
//! `cargo test --test cost main_path -- --ignored --nocapture`; it prints a table and takes about ten seconds.
//!
//! Lines without machine code (braces, comments, signatures) do not count. valgrind 3.19 does not know openat2(), so
//! the portable way of opening a file is measured.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::client::{Client, request};
use crate::support::folder::Folder;
use crate::support::has_program;
use crate::traced::Traced;
use crate::{add_old, alone, folder};

/// The header fields that curl sends besides Host.
const CURL: &str = "User-Agent: curl/8.14.1\r\nAccept: */*\r\n";
const OPTIONS: [&str; 3] = ["--write", "--log", "combined"];
/// The files that a reader of a GET opens first.
const TOP: usize = 12;

/// The executed lines of each file below `src`.
type Lines = BTreeMap<String, BTreeSet<u32>>;

/// Runs the program under callgrind while `client` does its part.
fn executed(folder: &Folder, client: impl FnOnce(&Traced)) -> Lines {
    let out = folder.path().with_extension("lines");
    let into = format!("--callgrind-out-file={}", out.display());
    let plain = ["--dump-line=yes", "--compress-strings=no", "--compress-pos=no"];
    let tool = [&["valgrind", "--tool=callgrind", "--quiet", "--trace-children=yes", &into], &plain[..]].concat();
    let server = Traced::start(Path::new(env!("CARGO_BIN_EXE_barewire")), &tool, folder, &OPTIONS);
    client(&server);
    server.stop();
    let text = fs::read_to_string(&out).unwrap();
    fs::remove_file(&out).unwrap();
    lines(&text, concat!(env!("CARGO_MANIFEST_DIR"), "/src/"))
}

/// Reads the file that callgrind writes: `fl=`, `fi=` and `fe=` name a file, each cost line begins with a line number.
fn lines(profile: &str, src: &str) -> Lines {
    let (mut found, mut file, mut of_call) = (Lines::new(), None, false);
    for line in profile.lines() {
        if let Some(name) = ["fl=", "fi=", "fe="].iter().find_map(|key| line.strip_prefix(key)) {
            file = name.strip_prefix(src).map(str::to_string);
        } else if line.starts_with("calls=") {
            // The next line has the costs of the called function. The call itself has a line of its own.
            of_call = true;
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            let number = line.split(' ').next().and_then(|n| n.parse().ok());
            if let (false, Some(file), Some(number @ 1..)) = (of_call, &file, number) {
                found.entry(file.clone()).or_default().insert(number);
            }
            of_call = false;
        }
    }
    found
}

/// The lines of `run` that are not in `start`.
fn without(run: &Lines, start: &Lines) -> Lines {
    let none = BTreeSet::new();
    let own = run.iter().map(|(file, lines)| (file.clone(), lines - start.get(file).unwrap_or(&none)));
    own.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// Consecutive numbers as ranges: `3-5 9`.
fn ranges(lines: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &line in lines {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    let shown = ranges.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    shown.collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "a measurement to read: cargo test --test cost main_path -- --ignored --nocapture"]
fn main_path_of_the_first_get() {
    let _alone = alone();
    if !has_program("valgrind", "BAREWIRE_REQUIRE_VALGRIND") {
        return;
    }
    let folder = folder();
    add_old(&folder, "hello.txt", 21);
    let start = executed(&folder, |_| ());
    let run = executed(&folder, |server| {
        let mut client = Client::connect(server.server.address);
        let (_, head) = client.learn(&request("GET", "/hello.txt", CURL));
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        client.close_and_end();
    });
    let path = without(&run, &start);
    let mut files: Vec<(&String, &BTreeSet<u32>)> = path.iter().collect();
    files.sort_by_key(|(file, lines)| (usize::MAX - lines.len(), *file));
    let total: usize = files.iter().map(|(_, lines)| lines.len()).sum();
    let top: usize = files.iter().take(TOP).map(|(_, lines)| lines.len()).sum();
    println!("lines  file");
    for (file, lines) in &files {
        println!("{:5}  {file}: {}", lines.len(), ranges(lines));
    }
    println!("{} files, {total} lines, the first {TOP} files have {} % of them", files.len(), 100 * top / total);
}

#[test]
fn a_callgrind_profile_is_read_right() {
    let profile = "positions: line\nevents: Ir\n\nfl=/x/src/a.rs\nfn=f\n7 3\n8 1\ncalls=1 40\n9 500\nfi=/x/lib/b.rs\n\
        70 2\nfe=/x/src/a.rs\n0 3\n12 1\nfl=/x/src/c/d.rs\nfn=g\n3 1\ntotals: 11\n";
    let found = lines(profile, "/x/src/");
    let expected = [("a.rs", vec![7, 8, 12]), ("c/d.rs", vec![3])];
    assert_eq!(found, expected.map(|(file, lines)| (file.to_string(), lines.into_iter().collect())).into());
    let start = lines("fl=/x/src/a.rs\n7 3\nfl=/x/src/c/d.rs\n3 1\n", "/x/src/");
    let own = without(&found, &start);
    assert_eq!(
        own.into_iter().map(|(file, lines)| (file, ranges(&lines))).collect::<Vec<_>>(),
        [("a.rs".to_string(), "8 12".to_string())]
    );
    assert_eq!(ranges(&[1, 2, 3, 5].into()), "1-3 5");
}
