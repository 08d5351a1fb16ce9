//! The tables of promises and of bounds in `tests/README.md` name tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// So many promises there are.
const PROMISES: usize = 26;

/// The tests of a row: a program and a file, and the name of a function in it.
fn tests(row: &str) -> BTreeSet<(&str, &str)> {
    row.split('`').filter_map(|word| word.split_once("::")).collect()
}

/// The rows of the table with this head.
fn rows<'a>(readme: &'a str, head: &str) -> Vec<&'a str> {
    let rows = readme.lines().skip_while(|line| *line != head).skip(2);
    rows.take_while(|line| line.starts_with('|')).collect()
}

fn readme() -> String {
    fs::read_to_string(file("tests/README.md")).unwrap()
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Asserts that the tests of a row exist: in `tests`, or beside the source.
#[track_caller]
fn assert_tests(row: &str) {
    for (place, name) in tests(row) {
        let folder = if place.starts_with("src/") { "" } else { "tests/" };
        let text = fs::read_to_string(file(&format!("{folder}{place}.rs"))).unwrap_or_default();
        assert!(has_test(&text, name), "no test {name} in {place}.rs: {row}");
    }
}

/// Whether this is the name of a test in the text of a file.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}()");
    let mut lines = text.lines().map(str::trim).rev().skip_while(|line| !line.starts_with(&function));
    lines.next().is_some() && lines.take_while(|line| line.starts_with("#[")).any(|line| line == "#[test]")
}

#[test]
fn each_promise_has_a_test_that_exists() {
    let readme = readme();
    let rows = rows(&readme, "| | promise | tests |");
    assert_eq!(rows.len(), PROMISES);
    for (row, number) in rows.into_iter().zip(1..) {
        assert!(row.starts_with(&format!("| {number} | ")), "{row}");
        assert!(!tests(row).is_empty(), "no test: {row}");
        assert_tests(row);
    }
}

#[test]
fn the_tests_of_each_bound_exist() {
    let readme = readme();
    let rows = rows(&readme, "| what grows | its bound | where it stands | tests |");
    assert!(rows.len() > 10, "{rows:?}");
    rows.into_iter().for_each(assert_tests);
}

#[test]
fn a_test_that_was_renamed_or_is_no_test_is_missed() {
    let text = "#[test]\nfn a() {\n}\n\nfn b() {\n}\n#[test]\n#[ignore]\nfn c() {\n";
    let found = ["a", "b", "c", "d", ""].map(|name| has_test(text, name));
    assert_eq!(found, [true, false, true, false, false]);
    assert_eq!(tests("| 1 | x | `it/a::b`<br>`cli/c::d` |"), BTreeSet::from([("it/a", "b"), ("cli/c", "d")]));
}
