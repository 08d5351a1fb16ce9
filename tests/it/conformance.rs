//! The rules of HTTP that `tests/conformance/probe.py` checks on any server: barewire keeps all of them, and its column
//! in the table of `tests/conformance/README.md` is true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::client::{ask, strong_tag};
use crate::support::folder::Folder;
use crate::support::server::Server;
use crate::support::{PATIENCE, has_program, until};

const REQUIRED: &str = "BAREWIRE_REQUIRE_PYTHON";
/// The path of the file that is asked for.
const FILE: &str = "small.html";
/// The least number of checks.
const CHECKS: usize = 90;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// A program of `tests/conformance`, which leaves no compiled files there.
fn python(program: &str, arguments: &[&str]) -> Output {
    let mut python = Command::new("python3");
    python.arg("-B").arg(folder().join(program)).args(arguments);
    python.output().unwrap()
}

/// A check as the table has it: rule and keyword, requirement, and `right`, `**wrong**` or `–`.
type Row = [String; 3];

/// What the probe says of barewire.
fn probed() -> Vec<Row> {
    let (files, path) = (Folder::new(), format!("/{FILE}"));
    files.write(FILE, "<p>a line of the file\n".repeat(200));
    // The server does not look into it, but it must not be older than the file.
    let sibling = format!("{FILE}.gz");
    files.write(&sibling, "compressed");
    files.age(FILE);
    files.age(&sibling);
    let server = Server::start(&files, &["--log", "off"]);
    until("the date of the file is trusted", || {
        let date = ask(&server, "HEAD", &path, "").must("last-modified").to_string();
        ask(&server, "HEAD", &path, &format!("If-Modified-Since: {date}\r\n")).status == 304
    });
    strong_tag(&server, &path);
    let patience = PATIENCE.as_secs().to_string();
    let output = python("probe.py", &[&server.address.to_string(), "--path", &path, "--json", "--patience", &patience]);
    let said = String::from_utf8_lossy(&output.stderr);
    let checks: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"));
    let wrong: Vec<&Value> = checks.iter().filter(|check| check["verdict"] == "wrong").collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(output.status.code(), Some(0), "{said}");
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let rows = checks.iter().map(|check| {
        let verdict = if check["verdict"] == "not offered" { "–".to_string() } else { text(&check["verdict"]) };
        [format!("{} {}", text(&check["rule"]), text(&check["level"])), text(&check["requirement"]), verdict]
    });
    rows.collect()
}

/// The rows of the table, with the column of barewire.
fn listed() -> Vec<Row> {
    let readme = fs::read_to_string(folder().join("README.md")).unwrap();
    let table = readme.lines().skip_while(|line| !line.starts_with("| rule | requirement | barewire |")).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        [cells[0].trim_start_matches("| ").to_string(), cells[1].to_string(), cells[2].to_string()]
    })
    .collect()
}

#[test]
fn barewire_keeps_every_rule_and_the_table_says_so() {
    if !has_program("python3", REQUIRED) {
        return;
    }
    let (probed, listed) = (probed(), listed());
    assert!(probed.len() >= CHECKS, "only {} checks", probed.len());
    for (probed, listed) in probed.iter().zip(&listed) {
        assert_eq!(probed, listed, "run tests/conformance/run.py");
    }
    assert_eq!(probed.len(), listed.len());
    let readme = fs::read_to_string(folder().join("../../README.md")).unwrap();
    for level in ["MUST", "SHOULD"] {
        let kept =
            probed.iter().filter(|[rule, _, verdict]| rule.ends_with(&format!(" {level}")) && verdict == "right");
        let quote = format!("| **{level}** | {0} of {0} |", kept.count());
        assert!(readme.contains(&quote), "README.md does not say {quote}: run tests/conformance/run.py");
    }
    let count = format!("\n{} checks over plain sockets", probed.len());
    assert!(readme.contains(&count), "README.md does not say {count}");
}

#[test]
fn each_check_of_the_probe_finds_a_server_that_breaks_its_rule() {
    if !has_program("python3", REQUIRED) {
        return;
    }
    let output = python("selftest.py", &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
