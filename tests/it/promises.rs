//! The table of promises in `tests/README.md` names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// So many promises there are.
const PROMISES: usize = 26;

/// The tests of a row: a program and a file, and the name of a function in it.
fn tests(row: &str) -> BTreeSet<(&str, &str)> {
    row.split('`').filter_map(|word| word.split_once("::")).collect()
}

/// Whether this is the name of a test in the text of a file.
fn has_test(text: &str, name: &str) -> bool {
    let function = format!("fn {name}()");
    let mut lines = text.lines().rev().skip_while(|line| !line.starts_with(&function));
    lines.next().is_some() && lines.take_while(|line| line.starts_with("#[")).any(|line| line == "#[test]")
}

#[test]
fn each_promise_has_a_test_that_exists() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let rows: Vec<&str> = readme.lines().skip_while(|line| *line != "| | promise | tests |").skip(2).collect();
    let rows: Vec<&str> = rows.into_iter().take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), PROMISES);
    for (row, number) in rows.into_iter().zip(1..) {
        assert!(row.starts_with(&format!("| {number} | ")), "{row}");
        assert!(!tests(row).is_empty(), "no test: {row}");
        for (file, name) in tests(row) {
            let text = fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap_or_default();
            assert!(has_test(&text, name), "promise {number}: no test {name} in {file}.rs");
        }
    }
}

#[test]
fn a_test_that_was_renamed_or_is_no_test_is_missed() {
    let text = "#[test]\nfn a() {\n}\n\nfn b() {\n}\n#[test]\n#[ignore]\nfn c() {\n";
    let found = ["a", "b", "c", "d", ""].map(|name| has_test(text, name));
    assert_eq!(found, [true, false, true, false, false]);
    assert_eq!(tests("| 1 | x | `it/a::b`<br>`cli/c::d` |"), BTreeSet::from([("it/a", "b"), ("cli/c", "d")]));
}
