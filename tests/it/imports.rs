//! The rooms test: what a file may see, and what it may not contain.
//!
//! http → service → {files, wire} → net → the program; a room uses only rooms to its left, and inside
//! a room imports make no ring. The protocol knows no socket, file, clock, thread or log. One file
//! opens paths, one file parses numbers, none is unsafe, and all stay short enough to be read.
//!
//! Each rule is a function from sources to complaints, and is tried on planted violations, so that a
//! rule that can no longer fail is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The rooms, in the order in which they may use each other.
const ROOMS: [&str; 5] = ["http", "service", "files", "wire", "net"];
/// Lines of a file, and of a function, without tests.
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;
/// The only door to the disk.
const DOOR: [&str; 2] = ["files/root.rs", "files/root/"];
/// The only number parsers, and the files that read what a person typed.
const NUMBERS: [&str; 3] = ["http/octet.rs", "options.rs", "options/"];
/// Files outside the rooms that open paths or parse numbers, and why no client can reach them.
const OUTSIDE: [(&str, &str); 4] = [
    ("explain.rs", "opens the file a person named, and serves nobody"),
    ("access.rs", "reads the password file a person named, once, before anybody can connect"),
    ("folder.rs", "opens the folder a person named, once, before anybody can connect"),
    ("listen/owner.rs", "reads in /proc who holds a port, only after bind has failed"),
];

/// What the protocol never names: it would need a socket, a disk, a thread, a clock or a log.
const ABSENT_IN_HTTP: [&str; 10] = [
    "std::net",
    "std::fs",
    "std::thread",
    "std::io",
    "mio::",
    "rustix::",
    "Instant",
    "SystemTime::now",
    "log::",
    "println!",
];
/// Reading an address is no socket.
const ALLOWED_IN_HTTP: &str = "std::net::Ipv6Addr";

/// Calls that take a path to the disk, besides everything else in `std::fs`.
const PATH_CALLS: [&str; 29] = [
    "File::open",
    "File::create",
    "File::options",
    "OpenOptions",
    "fs::open",
    "fs::stat",
    "fs::lstat",
    "fs::unlink",
    "fs::rename",
    "fs::link",
    "fs::mkdir",
    "fs::rmdir",
    "fs::access",
    "openat",
    "openat2",
    "unlinkat",
    "renameat",
    "renameat_with",
    "linkat",
    "mkdirat",
    "symlinkat",
    "readlinkat",
    "statat",
    ".canonicalize",
    ".symlink_metadata",
    ".read_dir",
    ".exists",
    ".try_exists",
    ".read_link",
];

/// One source file.
struct Source {
    /// Its path below `src`.
    path: String,
    text: String,
}

impl Source {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_string(), text: text.to_string() }
    }

    fn room(&self) -> Option<&str> {
        let (room, _) = self.path.split_once('/')?;
        ROOMS.contains(&room).then_some(room)
    }

    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// The file of the room it belongs to: `root` for `files/root.rs` and for `files/root/door.rs`.
    fn module(&self) -> &str {
        let below = self.path.split_once('/').map_or(self.path.as_str(), |(_, below)| below);
        let first = below.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_one_of(&self, paths: &[&str]) -> bool {
        paths.iter().any(|p| self.path == *p || (p.ends_with('/') && self.path.starts_with(p)))
    }

    /// The text without its test module; nothing of a file that is one.
    fn untested(&self) -> &str {
        if self.is_test() {
            return "";
        }
        let inline = |at: &usize| self.text[*at..].lines().nth(1).is_some_and(|line| line.ends_with('{'));
        let mut modules = self.text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at);
        &self.text[..modules.find(inline).unwrap_or(self.text.len())]
    }

    /// Whether it is a test module in a file of its own.
    fn is_test(&self) -> bool {
        matches!(self.stem(), "tests" | "testing") || self.path.contains("/tests/")
    }

    /// The numbered lines of `text` that are code, without comments.
    fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
        text.lines().enumerate().filter_map(|(at, line)| {
            let line = line.split(" // ").next().unwrap_or_default();
            (!line.trim_start().starts_with("//")).then_some((at + 1, line))
        })
    }

    /// The same without what stands in quotes.
    fn unquoted(text: &str) -> impl Iterator<Item = (usize, String)> {
        Source::code(text).map(|(at, line)| {
            let line = line.replace("\\\"", "").replace("'\"'", "");
            let parts = line.split('"').step_by(2);
            (at, parts.collect::<Vec<_>>().join("\"\""))
        })
    }

    /// The same as one text, for what spans lines.
    fn code_text(&self) -> String {
        Source::code(self.untested()).map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Whether `line` has `word` with nothing around it that would make it part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part_of_name);
        let after = line[at + word.len()..].chars().next().is_some_and(part_of_name);
        let (first, last) = (word.starts_with(part_of_name), word.ends_with(part_of_name));
        !(first && before || last && after)
    })
}

/// The names that directly follow `prefix`: of `super::a::B` it is `a`, of `super::{a::B, C}` both.
fn names_behind(text: &str, prefix: &str) -> BTreeSet<String> {
    let name = |s: &str| s.trim().chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect::<String>();
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices(prefix) {
        let longer = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        if text[..at].chars().next_back().is_some_and(longer) {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            names.insert(name(rest));
            continue;
        };
        let (mut depth, mut from) = (0, 0);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' | ',' if depth == 0 => {
                    names.insert(name(&list[from..at]));
                    from = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    names.remove("");
    names
}

/// A room uses only rooms to its left; files and wire do not see each other.
fn ladder(sources: &[Source]) -> Vec<String> {
    let program: Vec<&str> = sources.iter().filter(|s| !s.path.contains('/')).map(Source::stem).collect();
    let mut complaints = Vec::new();
    for source in sources {
        let Some(room) = source.room() else { continue };
        let rank = |name: &str| ROOMS.iter().position(|r| *r == name);
        for name in names_behind(&source.text, "crate::") {
            let to_the_right = rank(&name) > rank(room);
            let strangers = matches!((room, name.as_str()), ("files", "wire") | ("wire", "files"));
            if to_the_right || strangers || program.contains(&name.as_str()) {
                complaints.push(format!("{}: {room} may not see {name}", source.path));
            }
        }
    }
    complaints
}

/// Imports inside a room make no ring.
fn rings(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for room in ROOMS {
        let files: Vec<&Source> = sources.iter().filter(|s| s.room() == Some(room)).collect();
        let stems: BTreeSet<&str> = files.iter().map(|s| s.module()).filter(|s| *s != "mod").collect();
        // What mod.rs gives out again belongs to the file it comes from.
        let mut homes: BTreeMap<String, &str> = BTreeMap::new();
        for file in files.iter().filter(|s| s.module() == "mod") {
            for stem in &stems {
                let names = names_behind(&file.code_text(), &format!("use {stem}::"));
                homes.extend(names.into_iter().map(|name| (name, *stem)));
            }
        }
        let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for file in files.iter().filter(|s| s.module() != "mod") {
            let code = file.code_text();
            let nested = file.path.matches('/').count() > 1;
            let mut names = names_behind(&code, if nested { "super::super::" } else { "super::" });
            names.extend(names_behind(&code, &format!("crate::{room}::")));
            let of = |name: &String| stems.get(name.as_str()).copied().or_else(|| homes.get(name).copied());
            let seen = names.iter().filter_map(of).filter(|s| *s != file.module());
            uses.entry(file.module()).or_default().extend(seen);
        }
        // Take away files that use none of those left, and files that none of those left uses; what
        // cannot be taken away is a ring.
        let uses_none = |uses: &BTreeMap<&str, BTreeSet<&str>>, s: &str| uses[s].iter().all(|u| !uses.contains_key(u));
        let used_by_none = |uses: &BTreeMap<&str, BTreeSet<&str>>, s: &str| !uses.values().any(|seen| seen.contains(s));
        while let Some(free) = uses.keys().copied().find(|s| uses_none(&uses, s) || used_by_none(&uses, s)) {
            uses.remove(free);
        }
        if !uses.is_empty() {
            complaints.push(format!("{room}: imports make a ring among {:?}", uses.keys().collect::<Vec<_>>()));
        }
    }
    complaints
}

/// The protocol names no socket, file, clock, thread or log.
fn absences(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|s| s.room() == Some("http")) {
        for (at, line) in Source::code(&source.text) {
            let line = line.replace(ALLOWED_IN_HTTP, "");
            for absent in ABSENT_IN_HTTP.iter().filter(|a| has_word(&line, a)) {
                complaints.push(format!("{}:{at}: the protocol knows no {absent}", source.path));
            }
        }
    }
    complaints
}

/// Paths reach the disk in one file.
fn door(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    let outside = OUTSIDE.map(|(path, _)| path);
    for source in sources.iter().filter(|s| !s.is_one_of(&DOOR) && !s.is_one_of(&outside)) {
        for (at, line) in Source::unquoted(source.untested()) {
            let file_only = names_behind(&line, "std::fs::").iter().all(|name| name == "File");
            let whole = has_word(&line, "use std::fs") && !line.contains("std::fs::");
            let call = PATH_CALLS.iter().find(|call| has_word(&line, call));
            if !file_only || whole || call.is_some() {
                complaints.push(format!("{}:{at}: only {} opens paths: {}", source.path, DOOR[0], line.trim()));
            }
        }
    }
    complaints
}

/// Numbers are parsed in one file, and nothing is unsafe.
fn words(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        for (at, line) in Source::unquoted(source.untested()) {
            let parses = [".parse::<u", ".parse::<i", "from_str_radix", "u64::from_str", "usize::from_str"];
            let allowed = source.is_one_of(&NUMBERS) || source.is_one_of(&OUTSIDE.map(|(path, _)| path));
            if !allowed && parses.iter().any(|p| line.contains(p)) {
                complaints.push(format!("{}:{at}: numbers are parsed in {}", source.path, NUMBERS[0]));
            }
            if has_word(&line, "unsafe") {
                complaints.push(format!("{}:{at}: unsafe", source.path));
            }
        }
    }
    complaints
}

/// Every file opens with what it does, and can be read in one sitting.
fn sizes(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources {
        if !source.text.starts_with("//!") {
            complaints.push(format!("{}: does not open with //!", source.path));
        }
        let lines = source.untested().lines().count();
        if lines > FILE_LINES {
            complaints.push(format!("{}: {lines} lines", source.path));
        }
        for (at, name, lines) in functions(source.untested()) {
            if lines > FUNCTION_LINES {
                complaints.push(format!("{}:{at}: fn {name} has {lines} lines", source.path));
            }
        }
    }
    complaints
}

/// Line, name and length of each function, told by the indentation of rustfmt.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some((before, rest)) = code.split_once("fn ") else { continue };
        let qualified = |w: &str| w.starts_with("pub") || ["const", "async", "extern", "crate)", "super)"].contains(&w);
        if !before.split_whitespace().all(qualified) {
            continue;
        }
        let ends =
            |l: &str| l.strip_prefix(indent).is_some_and(|l| l == "}" || (l.starts_with(')') && l.ends_with(';')));
        let one_line = line.ends_with('}') || line.ends_with(';');
        let len = if one_line { Some(1) } else { lines[at..].iter().position(|l| ends(l)).map(|n| n + 1) };
        let name = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
        found.push((at + 1, name, len.unwrap_or(lines.len() - at)));
    }
    found
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path: name, text: fs::read_to_string(&path).unwrap() });
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > 20, "the sources are there");
    found
}

#[track_caller]
fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn rooms_use_only_rooms_to_their_left() {
    none(ladder(&sources()));
}

#[test]
fn imports_inside_a_room_make_no_ring() {
    none(rings(&sources()));
}

#[test]
fn the_protocol_knows_no_socket_file_clock_thread_or_log() {
    none(absences(&sources()));
}

#[test]
fn paths_reach_the_disk_through_one_door() {
    none(door(&sources()));
}

#[test]
fn numbers_are_parsed_in_one_place_and_nothing_is_unsafe() {
    none(words(&sources()));
}

#[test]
fn every_file_explains_itself_and_is_short() {
    none(sizes(&sources()));
}

/// Plants each text at `path` and says whether `rule` complains.
#[track_caller]
fn try_rule(rule: fn(&[Source]) -> Vec<String>, path: &str, bad: &[&str], good: &[&str]) {
    let complaints = |text: &str| rule(&[Source::new(path, text), Source::new("options.rs", "//! x\n")]);
    for text in bad {
        assert!(!complaints(text).is_empty(), "not found in {path}: {text}");
    }
    for text in good {
        assert!(complaints(text).is_empty(), "wrongly found in {path}: {text}");
    }
}

#[test]
fn a_planted_view_to_the_right_is_found() {
    let see = ["use crate::net::Server;", "use crate::{http, net};", "//! [`crate::net`]", "crate::options::Options"];
    try_rule(
        ladder,
        "service/x.rs",
        &see,
        &["use crate::http::Span;", "use crate::service::Answer;", "crate::network"],
    );
    try_rule(ladder, "files/x.rs", &["use crate::wire;"], &["use crate::{http::{net, wire}, service};"]);
    try_rule(ladder, "wire/x.rs", &["use crate::files::Root;"], &["use crate::http::Event;"]);
    try_rule(ladder, "net/x.rs", &["use crate::options::x;"], &["use crate::{files, http, service, wire};"]);
}

#[test]
fn a_planted_ring_is_found() {
    let room = |a: &str, b: &str| {
        let give = "mod a;\nmod b;\npub use b::{B, Other};\n";
        rings(&[Source::new("http/mod.rs", give), Source::new("http/a.rs", a), Source::new("http/b.rs", b)])
    };
    assert!(!room("use super::b::B;", "use super::a::A;").is_empty());
    assert!(!room("use super::{Span, Other};", "use crate::http::a::A;").is_empty());
    assert!(!room("fn x() { super::b::y() }", "use super::a;").is_empty());
    assert!(room("use super::b::B;", "use super::Span; // not super::a").is_empty());
    let nested = Source::new("http/b/inner.rs", "use super::super::a::A;");
    assert!(!rings(&[Source::new("http/a.rs", "use super::b;"), Source::new("http/b.rs", ""), nested]).is_empty());
    assert!(room("use super::b::B;", "fn x() {}\n#[cfg(test)]\nmod tests {\n    use super::a;\n}\n").is_empty());
}

#[test]
fn a_planted_socket_clock_or_log_is_found() {
    let bad = [
        "use std::net::TcpStream;",
        "use std::net::{Ipv6Addr, TcpListener};",
        "std::fs::read(p)",
        "let now = Instant::now();",
        "SystemTime::now()",
        "log::warn!(\"x\")",
        "use mio::Poll;",
        "rustix::fs::open",
        "std::thread::spawn",
    ];
    let good =
        ["x.parse::<std::net::Ipv6Addr>()", "// a clock: Instant::now", "catalog::x", "use std::time::SystemTime;"];
    try_rule(absences, "http/x.rs", &bad, &good);
    try_rule(absences, "net/x.rs", &[], &bad);
}

#[test]
fn a_planted_path_to_the_disk_is_found() {
    let bad = [
        "use std::fs;",
        "use std::fs::{File, read};",
        "std::fs::read_to_string(p)",
        "File::open(p)",
        "rustix::fs::openat2(d, p)",
        "use rustix::fs::{Mode, unlinkat};",
        "path.canonicalize()",
        "OpenOptions::new()",
    ];
    let good = ["use std::fs::File;", "file.metadata()", "// File::open is for root.rs", "x.opened()"];
    for path in ["files/listing.rs", "net/x.rs", "service/response.rs", "main.rs"] {
        try_rule(door, path, &bad, &good);
    }
    try_rule(door, DOOR[0], &[], &bad);
    try_rule(door, "files/root/door.rs", &[], &bad);
    try_rule(door, "files/root/tests.rs", &[], &bad);
    try_rule(door, "files/site/tests/paths.rs", &[], &bad);
    try_rule(door, "files/x.rs", &["#[cfg(test)]\nmod tests;\nuse std::fs;\n"], &["say(\"openat2 is missing\");"]);
    for (path, _) in OUTSIDE {
        assert!(sources().iter().any(|s| s.path == path), "{path} is no longer there: take it off the list");
    }
    try_rule(door, "files/x.rs", &[], &["#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"]);
}

#[test]
fn a_planted_number_parser_and_unsafe_are_found() {
    let bad = ["x.parse::<u64>()", "u64::from_str_radix(x, 16)", "x.parse::<usize>()"];
    try_rule(words, "files/range.rs", &bad, &["x.parse::<std::net::Ipv6Addr>()"]);
    try_rule(words, "http/octet.rs", &["unsafe { x }"], &bad);
    try_rule(words, "options.rs", &["unsafe fn x() {}"], &bad);
}

#[test]
fn a_planted_long_file_or_function_is_found() {
    let long = |lines: usize| {
        format!(
            "//! x\nimpl X {{\n    pub(crate) const fn x(\n    ) {{\n{}    }}\n}}\n",
            "        y();\n".repeat(lines)
        )
    };
    try_rule(sizes, "net/x.rs", &[&long(58), "use x;\n"], &[&long(57), "//! x\nfn y() {}\nfn z(\n);\n"]);
    let file = format!("//! x\n{}", "// y\n".repeat(FILE_LINES));
    let tested = format!("//! x\n#[cfg(test)]\nmod tests {{\n{}}}\n", "    // y\n".repeat(FILE_LINES));
    try_rule(sizes, "net/x.rs", &[&file], &[&tested]);
}
