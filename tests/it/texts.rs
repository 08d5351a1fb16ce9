//! The tables of texts that people read: each name in a table is used by the code, each name in the code is in the
//! table, both have the same values, and the words are plain.
//!
//! Each rule is a function from texts to violations, and is also tried on planted violations.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Reads the calls in code that name a row and its values.
type Calls = fn(&str) -> Vec<(String, BTreeSet<String>)>;
/// Each table, the files and folders whose code uses it, and how.
const TABLES: [(&str, &[&str], Calls); 4] = [
    ("src/program/texts.txt", &["src/program"], calls),
    ("src/practice/texts.txt", &["src/practice"], calls),
    ("src/service/error_page/texts.txt", &["src/service", "src/files", "src/net/connection"], calls),
    (
        "src/wire/explain/texts.txt",
        &["src/wire", "src/program/explain.rs", "src/program/send.rs", "src/program/study.rs"],
        macro_calls,
    ),
];
/// The last words of names that the code puts together from a status or a fault. `error_page` tests them.
const COMPUTED: [&str; 4] = [" heading", " sentence", " advice", " meaning"];
/// Other texts that people read, which have a form of their own.
const OTHERS: [&str; 14] = [
    "src/practice/catalogue.txt",
    "src/practice/broken.txt",
    "src/practice/compressed.txt",
    "src/program/options/long_help.txt",
    "src/program/options/short_help.txt",
    "src/program/options/last_sections.txt",
    "src/wire/explain/notes.txt",
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/features.md",
    "docs/recipes.md",
    "packaging/README.md",
    "packaging/proxies.md",
];
/// Code with a table of texts in it.
const CODE: [&str; 2] = ["src/http/fault.rs", "src/net/close_reason.rs"];

/// Words that a reader whose English is a second language takes for something else, or that we call otherwise.
const FORBIDDEN: [(&str, &str); 12] = [
    (concat!("oct", "et"), "byte"),
    ("behind", "after"),
    ("border", "boundary"),
    ("the answer", "the response"),
    ("an answer", "a response"),
    ("its answer", "its response"),
    ("answers that", "responses that"),
    ("nobody", "a sentence about what happens"),
    ("whoever", "everybody who, a client that"),
    ("its kin", "and similar ones"),
    ("last word", "final"),
    ("of it came", "arrived"),
];

/// The rows of a table: the name, and the names of the values in its texts.
fn rows(table: &str) -> BTreeMap<String, BTreeSet<String>> {
    let rows = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let (name, texts) = row.split_once(" | ").unwrap_or((row, ""));
        let places = texts.split('{').skip(1).filter_map(|piece| Some(piece.split_once('}')?.0));
        // `{n:line/lines}` has the value `n`.
        (name.to_string(), places.map(|place| place.split(':').next().unwrap().to_string()).collect())
    })
    .collect()
}

/// The strings of code, which may name a row.
fn strings(code: &str) -> BTreeSet<String> {
    code.lines().flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_string).collect()
}

/// Calls that name a row and list its values: `say("name", &[("port", &port)])`. The names of row and values.
fn calls(code: &str) -> Vec<(String, BTreeSet<String>)> {
    // rustfmt may have put the list on a line of its own.
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut calls = Vec::new();
    for (at, _) in code.match_indices(", &[") {
        let Some(name) = code[..at].strip_suffix('"').and_then(|before| before.rsplit('"').next()) else { continue };
        let list = &code[at + ", &[".len()..];
        if !list.starts_with(']') && !list.starts_with("(\"") {
            continue;
        }
        // The list ends at the bracket that closes it: a value may be an expression.
        let mut depth = 1;
        let end = list.bytes().position(|b| {
            depth += i32::from(b == b'[') - i32::from(b == b']');
            depth == 0
        });
        let list = &list[..end.unwrap_or(list.len())];
        let values = list.match_indices("(\"").filter_map(|(at, _)| list[at + 2..].split_once('"'));
        // A value may be a call with a string of its own.
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let values = values.filter(|(name, rest)| is_name(name) && rest.starts_with(", "));
        calls.push((name.to_string(), values.map(|(name, _)| name.to_string()).collect()));
    }
    calls
}

/// The same for the macros `say!("name", port = value, other)` and `say_parts!`.
fn macro_calls(code: &str) -> Vec<(String, BTreeSet<String>)> {
    let starts = code.match_indices("say!(").chain(code.match_indices("say_parts!("));
    let mut calls = Vec::new();
    for (at, start) in starts {
        let (mut parts, mut depth, mut in_string) = (vec![String::new()], 1, false);
        for char in code[at + start.len()..].chars() {
            in_string ^= char == '"';
            depth += match char {
                '(' | '[' | '{' if !in_string => 1,
                ')' | ']' | '}' if !in_string => -1,
                _ => 0,
            };
            match char {
                _ if depth == 0 => break,
                ',' if depth == 1 && !in_string => parts.push(String::new()),
                char => parts.last_mut().unwrap().push(char),
            }
        }
        let mut words = parts.iter().map(|part| part.split('=').next().unwrap().trim());
        // What follows `say!(` in comments is no text.
        let Some(name) = words.next().and_then(|name| name.strip_prefix('"')?.strip_suffix('"')) else { continue };
        calls.push((name.to_string(), words.filter(|word| !word.is_empty()).map(str::to_string).collect()));
    }
    calls
}

/// What differs between a table and the code that uses it.
fn differences(table: &str, code: &str, calls: Calls) -> Vec<String> {
    let (rows, strings) = (rows(table), strings(code));
    let mut violations = Vec::new();
    let is_computed = |name: &str| COMPUTED.iter().any(|part| name.ends_with(part));
    for name in rows.keys().filter(|name| !is_computed(name) && !strings.contains(*name)) {
        violations.push(format!("{name:?} is used by no code"));
    }
    for (name, values) in calls(code) {
        match rows.get(&name) {
            None => violations.push(format!("{name:?} is not in the table")),
            Some(row) if *row != values => {
                violations.push(format!("{name:?} has {row:?}, and the code has {values:?}"))
            }
            Some(_) => {}
        }
    }
    violations
}

/// The forbidden words of a text.
fn words(text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("# ")) {
        let lower = line.to_lowercase();
        for (word, better) in FORBIDDEN.iter().filter(|(word, _)| lower.contains(word)) {
            violations.push(format!("{word:?}, better {better:?}: {line}"));
        }
    }
    violations
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The code in these files and folders, without tests.
fn code(paths: &[&str]) -> String {
    let mut open: Vec<PathBuf> = paths.iter().map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).collect();
    let mut code = String::new();
    while let Some(path) = open.pop() {
        let is_test = path.file_stem().is_some_and(|name| name == "tests" || name == "testing");
        if path.is_dir() && !is_test {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "rs") && !is_test {
            let text = fs::read_to_string(path).unwrap();
            code += text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        }
    }
    code
}

#[test]
fn each_table_has_the_names_and_values_of_the_code() {
    for (table, users, calls) in TABLES {
        assert_eq!(differences(&read(table), &code(users), calls), [""; 0], "{table}");
    }
}

#[test]
fn what_people_read_has_plain_words() {
    for path in TABLES.map(|(table, ..)| table).into_iter().chain(OTHERS) {
        assert_eq!(words(&read(path)), [""; 0], "{path}");
    }
    for path in CODE {
        let texts: Vec<_> = strings(&code(&[path])).into_iter().collect();
        assert_eq!(words(&texts.join("\n")), [""; 0], "{path}");
    }
}

/// The pages and their scripts. Styles are left out: they have properties whose names are forbidden here.
#[test]
fn the_pages_have_plain_words() {
    let mut open = ["public", "src/pages"].map(|path| Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).to_vec();
    let mut files = 0;
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "html" || end == "js" || end == "svg") {
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("<style>").map(|part| part.rsplit("</style>").next().unwrap()).collect::<String>();
            // The list of words explains that one, and a member of the JSON has its name.
            let text = text.replace(concat!("<i>oct", "et</i>"), "").replace(concat!(".oct", "ets"), "");
            assert_eq!(words(&text), [""; 0], "{}", path.display());
            files += 1;
        }
    }
    assert!(files > 40, "{files} files");
}

#[test]
fn a_planted_difference_is_found() {
    let table = "# a | b\na b | {x} and {y:y/ys} | {x}\nc | d\n";
    let good = "say(\"a b\", &[(\"x\", &1), (\"y\", &z[0].join(\", \"))]); f(\"x\", &[1]); name(\"c\")";
    assert_eq!(differences(table, good, calls), [""; 0]);
    let macros = "say!(\n    \"a b\",\n    x,\n    y = f(\"(, \", 1),\n); say_parts!(\"c\")";
    assert_eq!(differences(table, macros, macro_calls), [""; 0]);
    for bad in [
        "say!(\"a b\", x, y = 1); name(\"c\", \"d\"); say!(\"d\")",
        "say!(\"a b\", x = (1, 2)); name(\"c\")",
        "say_parts!(\n    \"a b\",\n    x,\n    y,\n    z = f(\"x, y\"),\n); name(\"c\")",
    ] {
        assert_ne!(differences(table, bad, macro_calls), [""; 0], "{bad}");
    }
    for bad in [
        "say(\"a b\", &[(\"x\", &1)]); name(\"c\")",
        "say(\"a b\", &[(\"x\", &1), (\"y\", &z[0]), (\"z\", &1)]); name(\"c\")",
        "say(\"a b\", values); say(\"a\", &[]); name(\"c\")",
        "name(\"c\")",
        "say(\"a b\", values)",
    ] {
        assert_ne!(differences(table, bad, calls), [""; 0], "{bad}");
    }
}

#[test]
fn a_planted_word_is_found() {
    assert_eq!(words("# behind\nThe client answers in bytes.\n"), [""; 0]);
    assert_eq!(words("It comes Behind the answer.").len(), 2);
}
