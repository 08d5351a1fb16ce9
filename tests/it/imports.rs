//! The import rules: which file of `src` may use which, and what no file may contain.
//!
//! The layers are http → service → files, wire, practice → net → program; a file uses only layers to the left of its
//! own. No imports make a ring. The protocol names no socket, file, clock, thread or log. Only `files/root` opens
//! paths. Two places parse numbers. Every file explains itself at its head, and is short enough to be read.
//!
//! Each rule is a function from sources to violations. Each rule is also tried on planted violations, so a rule that
//! can no longer fail is found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Each layer, and the layers it may use.
const LAYERS: [(&str, &[&str]); 7] = [
    ("http", &[]),
    ("service", &["http"]),
    ("files", &["http", "service"]),
    ("wire", &["http", "service"]),
    ("practice", &["http", "service"]),
    ("net", &["http", "service", "files", "wire"]),
    ("program", &["http", "service", "files", "wire", "practice", "net"]),
];
/// A part of another layer that a layer may use besides: the practice pages show notes of the wire view.
const EXCEPTIONS: [(&str, [&str; 2]); 1] = [("practice", ["wire", "explain"])];
/// The parts of `wire`. Each uses only parts to the left of its own.
const WIRE: [&str; 5] = ["explain", "record", "show", "export", "browser"];
/// Files that use no other file of their layer.
const LEAVES: [&str; 1] = ["program/error.rs"];
/// A file or folder, and what of its own layer it does not use.
const STRANGERS: [(&str, &str); 1] = [("program/options", "banner")];

/// The most lines of a file, and of a function, without tests.
const FILE_LINES: usize = 400;
const FUNCTION_LINES: usize = 60;

/// Where paths reach the disk.
const ROOT: &str = "files/root/";
/// Where numbers are parsed: those that a client sends, and those that a person types.
const NUMBERS: [&str; 2] = ["http/grammar.rs", "program/options/"];
/// Other files that open paths or parse numbers, and why no client can reach them.
const UNREACHABLE: [(&str, &str); 8] = [
    ("program/explain.rs", "opens the file that a person named, and serves nobody"),
    ("program/access.rs", "reads the password file once, before a client can connect"),
    ("program/folder.rs", "opens the served folder once, before a client can connect"),
    ("program/unix_socket.rs", "removes a socket that was left behind, before a client can connect"),
    ("program/log_file.rs", "looks where the log file lies, before a client can connect"),
    ("net/log_output.rs", "opens the log file that a person named, at the start and at HUP"),
    ("program/hang_up.rs", "reads in /proc which signals are ignored, before a client can connect"),
    ("program/listen.rs", "reads in /proc who holds a port, after bind has failed"),
];

/// Names that the protocol does not contain: it would need a socket, a disk, a thread, a clock or a log.
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
    fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_string(), text: text.to_string() }
    }

    /// Its module path: `files`, `root`, `watch` for `files/root/watch.rs`, `files`, `root` for `files/root/mod.rs`.
    fn module(&self) -> Vec<&str> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        path.strip_suffix("/mod").unwrap_or(path).split('/').collect()
    }

    /// The layer it belongs to; `None` for `lib.rs` and `main.rs`.
    fn layer(&self) -> Option<&str> {
        let first = self.module()[0];
        LAYERS.iter().any(|(layer, _)| *layer == first).then_some(first)
    }

    fn is_below(&self, paths: &[&str]) -> bool {
        paths.iter().any(|p| self.path == *p || (p.ends_with('/') && self.path.starts_with(p)))
    }

    /// Whether it is a test module in a file of its own.
    fn is_test(&self) -> bool {
        let module = self.module();
        module.contains(&"tests") || module.last() == Some(&"testing")
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

    /// The numbered lines of `text` that are code, without comments.
    fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
        text.lines().enumerate().filter_map(|(at, line)| {
            let line = line.split(" // ").next().unwrap_or_default();
            (!line.trim_start().starts_with("//")).then_some((at + 1, line))
        })
    }

    /// The same without what stands in quotes.
    fn unquoted(text: &str) -> impl Iterator<Item = (usize, String)> {
        Source::code(text).map(|(at, line)| (at, unquoted(line)))
    }

    /// The code as one text, for what spans lines.
    fn code_text(&self) -> String {
        Source::code(self.untested()).map(|(_, line)| format!("{line}\n")).collect()
    }

    /// The numbered comment lines, without the slashes.
    fn comments(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().filter_map(|(at, line)| {
            let inside = line.split_once(" // ").map(|(_, comment)| comment);
            let whole = line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']));
            Some((at + 1, whole.or(inside)?.trim_start()))
        })
    }
}

/// A line without what stands in quotes. Only for literals of one line.
fn unquoted(line: &str) -> String {
    let line = line.replace("\\\"", "").replace("'\"'", "");
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"\"")
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether `line` has `word` with nothing around it that would make it part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(is_name);
        let after = line[at + word.len()..].chars().next().is_some_and(is_name);
        !(word.starts_with(is_name) && before || word.ends_with(is_name) && after)
    })
}

/// The paths that begin with `prefix` in `text`, without it. Braces are expanded: `prefix::{a::B, c}` is `a::B` and `c`.
fn paths_after<'a>(text: &'a str, prefix: &str) -> Vec<Vec<&'a str>> {
    let starts = text.match_indices(prefix).filter(|(at, _)| {
        // A longer name, or a path of which this is the middle.
        !text[..*at].chars().next_back().is_some_and(|c| is_name(c) || c == ':')
    });
    starts.flat_map(|(at, _)| expand(&text[at + prefix.len()..]).0).collect()
}

/// The paths at the beginning of `text`, and how long that is.
fn expand(text: &str) -> (Vec<Vec<&str>>, usize) {
    let mut path = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        if let Some(list) = rest.strip_prefix('{') {
            let (inner, len) = expand_list(list);
            let all = inner.into_iter().map(|tail| [path.clone(), tail].concat()).collect();
            return (all, at + 1 + len);
        }
        let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if len > 0 {
            path.push(&rest[..len]);
        }
        at += len;
        if len == 0 || !text[at..].starts_with("::") {
            return (vec![path], at);
        }
        at += 2;
    }
}

/// The paths of a list up to its closing brace, and how long that is with the brace.
fn expand_list(text: &str) -> (Vec<Vec<&str>>, usize) {
    let (mut all, mut at) = (Vec::new(), 0);
    loop {
        at += text[at..].find(|c: char| !c.is_whitespace() && c != ',').unwrap_or(text.len() - at);
        let rest = &text[at..];
        if rest.is_empty() || rest.starts_with('}') {
            return (all, (at + 1).min(text.len()));
        }
        let (paths, len) = expand(rest);
        all.extend(paths);
        // `as x`, `*`
        at += len.max(1);
        at += text[at..].find(['}', ',']).unwrap_or(text.len() - at);
    }
}

/// Everything that `text`, found in the module `module`, uses of the crate: paths from the root of the crate. Relative
/// names without `self` and `super` are seen only in `use` declarations.
fn uses(module: &[&str], text: &str) -> BTreeSet<Vec<String>> {
    let owned = |path: Vec<&str>| path.into_iter().map(str::to_string).collect::<Vec<_>>();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    // The program uses the library by its name.
    for root in ["crate::", "barewire::"] {
        found.extend(paths_after(text, root).into_iter().map(owned));
    }
    for depth in 0..=module.len() {
        let prefix = if depth == 0 { "self::".to_string() } else { "super::".repeat(depth) };
        let parent = &module[..module.len() - depth];
        let relative = paths_after(text, &prefix).into_iter().filter(|path| path.first() != Some(&"super"));
        found.extend(relative.map(|path| owned([parent, &path].concat())));
    }
    for path in paths_after(text, "use ") {
        found.insert(owned([module, &path].concat()));
    }
    found
}

/// A file uses only the layers that its own may use.
fn layers(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let Some((layer, allowed)) = LAYERS.iter().find(|(layer, _)| source.layer() == Some(layer)) else { continue };
        for path in uses(&source.module(), &source.text) {
            // A glob import of the layer itself (`use super::*` in the tests of `mod.rs`) names nothing.
            let Some(used) = path.first().map(String::as_str) else { continue };
            let excepted =
                EXCEPTIONS.iter().any(|(who, part)| who == layer && path.starts_with(&part.map(String::from)));
            let is_layer = LAYERS.iter().any(|(name, _)| *name == used);
            if is_layer && used != *layer && !allowed.contains(&used) && !excepted {
                violations.push(format!("{}: {layer} may not use {}", source.path, path.join("::")));
            }
        }
    }
    violations
}

/// A part of `wire` uses only parts to the left of its own.
fn wire_parts(sources: &[Source]) -> Vec<String> {
    let rank = |part: &str| WIRE.iter().position(|name| *name == part);
    let mut violations = Vec::new();
    for source in sources.iter().filter(|s| s.layer() == Some("wire")) {
        let module = source.module();
        let Some(own) = module.get(1).and_then(|part| rank(part)) else { continue };
        for path in uses(&module, &source.text).iter().filter(|path| path[0] == "wire") {
            if path.get(1).and_then(|part| rank(part)).is_some_and(|used| used > own) {
                violations.push(format!("{}: {} may not use {}", source.path, WIRE[own], path.join("::")));
            }
        }
    }
    violations
}

/// Some files use nothing, or not everything, of their layer.
fn leaves(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let Some(layer) = source.layer() else { continue };
        let is_stranger = |used: &str| {
            let mut all = STRANGERS.iter().filter(|(_, name)| *name == used);
            all.any(|(who, _)| source.path == format!("{who}.rs") || source.path.starts_with(&format!("{who}/")))
        };
        let own = source.module().get(1).copied().unwrap_or_default().to_string();
        for path in uses(&source.module(), &source.code_text()).iter().filter(|path| path[0] == layer) {
            let Some(used) = path.get(1).filter(|used| **used != own) else { continue };
            let exists = sources.iter().any(|s| s.layer() == Some(layer) && s.module().get(1) == Some(&used.as_str()));
            if exists && (LEAVES.contains(&source.path.as_str()) || is_stranger(used)) {
                violations.push(format!("{}: it may not use {}", source.path, path.join("::")));
            }
        }
    }
    violations
}

/// Imports make no ring: not among the files and folders of a layer, nor among those of any folder below. The `mod.rs`
/// of a folder is not looked at beside its own files: it is their common ground. What it re-exports (`pub use`) belongs
/// to the file it comes from.
fn rings(sources: &[Source]) -> Vec<String> {
    let files: Vec<&Source> = sources.iter().filter(|s| s.layer().is_some() && !s.is_test()).collect();
    let modules: BTreeSet<Vec<String>> = files.iter().map(|s| owned(&s.module())).collect();
    let homes = re_exports(&files, &modules);
    // For each folder: which of its children use which.
    let mut folders: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for file in &files {
        let module = owned(&file.module());
        for path in uses(&file.module(), &file.code_text()) {
            let Some(target) = target(&path, &modules, &homes) else { continue };
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            // One of them is the mod.rs of a folder that holds the other, or they are in different layers.
            if common == 0 || common == module.len() || common == target.len() {
                continue;
            }
            let folder = folders.entry(module[..common].to_vec()).or_default();
            folder.entry(target[common].clone()).or_default();
            folder.entry(module[common].clone()).or_default().insert(target[common].clone());
        }
    }
    let mut violations = Vec::new();
    for (folder, mut uses) in folders {
        // Take away files that use none of those left, and files that none of those left uses. The rest is a ring.
        let uses_none = |uses: &BTreeMap<_, BTreeSet<_>>, s: &String| uses[s].iter().all(|u| !uses.contains_key(u));
        let used_by_none = |uses: &BTreeMap<_, BTreeSet<_>>, s: &String| !uses.values().any(|seen| seen.contains(s));
        while let Some(free) = uses.keys().find(|s| uses_none(&uses, s) || used_by_none(&uses, s)).cloned() {
            uses.remove(&free);
        }
        if !uses.is_empty() {
            let names: Vec<_> = uses.keys().collect();
            violations.push(format!("{}: imports make a ring among {names:?}", folder.join("/")));
        }
    }
    violations
}

fn owned(path: &[&str]) -> Vec<String> {
    path.iter().map(|name| (*name).to_string()).collect()
}

/// The paths that a `mod.rs` re-exports, and where they come from.
fn re_exports(files: &[&Source], modules: &BTreeSet<Vec<String>>) -> BTreeMap<Vec<String>, Vec<String>> {
    let mut homes = BTreeMap::new();
    for file in files.iter().filter(|s| s.path.ends_with("mod.rs")) {
        let (module, code) = (file.module(), file.code_text());
        for (at, _) in code.match_indices("pub").filter(|(at, _)| code[*at..].contains(" use ")) {
            let Some((visibility, rest)) = code[at..].split_once(" use ") else { continue };
            if visibility.contains(|c: char| c.is_whitespace() || c == ';') {
                continue;
            }
            let rest = rest.strip_prefix("self::").unwrap_or(rest);
            for path in expand(rest).0.into_iter().filter(|path| path.len() > 1) {
                let home = owned(&[&module[..], &path[..path.len() - 1]].concat());
                let name = owned(&[&module[..], &path[path.len() - 1..]].concat());
                if modules.contains(&home) {
                    homes.insert(name, home);
                }
            }
        }
    }
    homes
}

/// The module of the file that `path` leads to.
fn target(
    path: &[String],
    modules: &BTreeSet<Vec<String>>,
    homes: &BTreeMap<Vec<String>, Vec<String>>,
) -> Option<Vec<String>> {
    let longest = (1..=path.len()).rev().find(|&len| modules.contains(&path[..len]))?;
    let named = path.get(..longest + 1).and_then(|name| homes.get(name));
    Some(named.cloned().unwrap_or_else(|| path[..longest].to_vec()))
}

/// The protocol names no socket, file, clock, thread or log.
fn absences(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources.iter().filter(|s| s.layer() == Some("http")) {
        for (at, line) in Source::code(&source.text) {
            let line = line.replace(ALLOWED_IN_HTTP, "");
            for absent in ABSENT_IN_HTTP.iter().filter(|a| has_word(&line, a)) {
                violations.push(format!("{}:{at}: the protocol may not use {absent}", source.path));
            }
        }
    }
    violations
}

/// Paths reach the disk in one folder.
fn paths(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    let unreachable = UNREACHABLE.map(|(path, _)| path);
    for source in sources.iter().filter(|s| !s.is_below(&[ROOT]) && !s.is_below(&unreachable)) {
        for (at, line) in Source::unquoted(source.untested()) {
            let names = paths_after(&line, "std::fs::");
            let file_only = names.iter().all(|path| path.first() == Some(&"File") && !line.contains("fs::File::"));
            let whole = has_word(&line, "use std::fs") && names.is_empty();
            let call = PATH_CALLS.iter().find(|call| has_word(&line, call));
            if !file_only || whole || call.is_some() {
                violations.push(format!("{}:{at}: only {ROOT} opens paths: {}", source.path, line.trim()));
            }
        }
    }
    violations
}

/// Numbers are parsed in two places, and nothing is unsafe.
fn numbers(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        for (at, line) in Source::unquoted(source.untested()) {
            let parses = [".parse::<u", ".parse::<i", "from_str_radix", "u64::from_str", "usize::from_str"];
            let allowed = source.is_below(&NUMBERS) || source.is_below(&UNREACHABLE.map(|(path, _)| path));
            if !allowed && parses.iter().any(|p| line.contains(p)) {
                violations.push(format!("{}:{at}: numbers are parsed in {}", source.path, NUMBERS.join(", ")));
            }
            if has_word(&line, "unsafe") {
                violations.push(format!("{}:{at}: unsafe", source.path));
            }
        }
    }
    violations
}

/// Every file opens with what it does, and can be read in one sitting.
fn sizes(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        if !source.text.starts_with("//!") {
            violations.push(format!("{}: does not open with //!", source.path));
        }
        let lines = source.untested().lines().count();
        if lines > FILE_LINES {
            violations.push(format!("{}: {lines} lines", source.path));
        }
        for (at, name, lines) in functions(source.untested()) {
            if lines > FUNCTION_LINES {
                violations.push(format!("{}:{at}: fn {name} has {lines} lines", source.path));
            }
        }
    }
    violations
}

/// Line, name and length of each function. The end is found by the indentation of rustfmt.
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
        let name = rest.chars().take_while(|&c| is_name(c)).collect();
        found.push((at + 1, name, len.unwrap_or(lines.len() - at)));
    }
    found
}

/// The word that only RFCs use for a byte, written so that a renaming of words does not change it.
const OCTET: &str = concat!("oct", "et");
/// Openings of comments that say nothing.
const FORMULAS: [&str; 2] = [concat!("Nev", "er:"), concat!("The subt", "le thing")];

/// Comments begin with what they say, a byte is called a byte, and there is one system.
fn words(sources: &[Source]) -> Vec<String> {
    let mut violations = Vec::new();
    for source in sources {
        let path = &source.path;
        for (at, comment) in source.comments() {
            if FORMULAS.iter().any(|formula| comment.trim_start_matches('*').starts_with(formula)) {
                violations.push(format!("{path}:{at}: a comment begins with a formula: {comment}"));
            }
        }
        for (at, line) in source.text.lines().enumerate() {
            let at = at + 1;
            let is_comment = line.trim_start().starts_with("//");
            // Literals may quote an RFC, and texts that a client sees keep their words. `OCTET` is ABNF.
            // In a comment, code in backticks may name a member of a JSON object.
            let bare = if is_comment { line.split('`').step_by(2).collect() } else { unquoted(line) };
            let bare = bare.replace(&OCTET.to_uppercase(), "").to_lowercase();
            // The method of the standard library, and a media type.
            let bare = bare.replace(&format!(".{OCTET}s()"), "").replace(&format!("{OCTET}-stream"), "");
            let in_literal = !is_comment && !line.contains('"') && source.is_literal(at);
            if bare.contains(OCTET) && !in_literal {
                violations.push(format!("{path}:{at}: a byte is called a byte: {}", line.trim()));
            }
            let bare: String = unquoted(line).split_whitespace().collect();
            let is_branch = bare.contains("not(target_os") || (bare.contains("cfg") && bare.contains("target_os="));
            // `lib.rs` refuses to be built for another system.
            if is_branch && path != "lib.rs" {
                violations.push(format!("{path}:{at}: there is only one system: {}", line.trim()));
            }
        }
    }
    violations
}

impl Source {
    /// Whether this line is the continuation of a literal: the line before ends with a backslash.
    fn is_literal(&self, at: usize) -> bool {
        at >= 2 && self.text.lines().nth(at - 2).is_some_and(|before| before.ends_with('\\'))
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
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
fn none(violations: Vec<String>) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn a_layer_uses_only_layers_to_its_left() {
    none(layers(&sources()));
}

#[test]
fn a_part_of_wire_uses_only_parts_to_its_left() {
    none(wire_parts(&sources()));
}

#[test]
fn imports_make_no_ring() {
    none(rings(&sources()));
}

#[test]
fn the_protocol_uses_no_socket_file_clock_thread_or_log() {
    none(absences(&sources()));
}

#[test]
fn paths_reach_the_disk_in_one_folder() {
    none(paths(&sources()));
    for (path, _) in UNREACHABLE {
        assert!(sources().iter().any(|s| s.path == path), "{path} does not exist any more: take it off the list");
    }
}

#[test]
fn numbers_are_parsed_in_two_places_and_nothing_is_unsafe() {
    none(numbers(&sources()));
}

#[test]
fn every_file_explains_itself_and_is_short() {
    none(sizes(&sources()));
}

#[test]
fn errors_are_a_leaf_of_the_program_and_options_know_no_banner() {
    none(leaves(&sources()));
}

#[test]
fn comments_have_no_formula_bytes_are_called_bytes_and_there_is_one_system() {
    none(words(&sources()));
}

/// Plants each text at `path` and checks whether `rule` finds it.
#[track_caller]
fn try_rule(rule: fn(&[Source]) -> Vec<String>, path: &str, bad: &[&str], good: &[&str]) {
    let others = ["program/options/mod.rs", "program/banner.rs", "program/error.rs"].map(|path| (path, "//! x\n"));
    let violations = |text: &str| {
        let mut all: Vec<Source> = others.iter().map(|(path, text)| Source::new(path, text)).collect();
        all.retain(|other| other.path != path);
        all.push(Source::new(path, text));
        rule(&all)
    };
    for text in bad {
        assert!(!violations(text).is_empty(), "not found in {path}: {text}");
    }
    for text in good {
        assert!(violations(text).is_empty(), "wrongly found in {path}: {text}");
    }
}

#[test]
fn a_planted_use_of_a_layer_to_the_right_is_found() {
    let bad = [
        "use crate::net::Server;",
        "use crate::{http, net};",
        "use crate::{\n    http::Span,\n    net::{self, Server},\n};",
        "//! [`crate::net`]",
        "fn x() { super::super::super::net::y() }",
        "use barewire::net;",
    ];
    let good = ["use crate::http::Span;", "use crate::service::Answer;", "crate::network", "use std::net::IpAddr;"];
    try_rule(layers, "service/x/y.rs", &bad, &good);
    try_rule(
        layers,
        "files/x.rs",
        &["use crate::wire;", "use crate::practice::x;"],
        &["use crate::{http::{net, wire}};"],
    );
    try_rule(
        layers,
        "wire/x.rs",
        &["use crate::files::Root;", "use super::super::files;"],
        &["use crate::http::Event;"],
    );
    let not_all_of_wire = ["use crate::wire::record::Event;", "use crate::wire::NoteId;", "use crate::net;"];
    try_rule(layers, "practice/x.rs", &not_all_of_wire, &["use crate::wire::explain::notes::NoteId;"]);
    try_rule(layers, "net/x.rs", &["use crate::practice::x;"], &["use crate::{files, http, service, wire};"]);
    try_rule(layers, "program/x.rs", &[], &["use barewire::{files, net, practice, wire};"]);
}

#[test]
fn a_planted_use_of_a_part_of_wire_to_the_right_is_found() {
    try_rule(wire_parts, "wire/explain/x.rs", &["use crate::wire::record::A;", "use super::super::show::B;"], &[]);
    let bad = ["use crate::wire::{explain::A, show::B};", "use super::super::browser;"];
    try_rule(wire_parts, "wire/record/mod.rs", &bad[..1], &["use crate::wire::explain::A;", "use super::event;"]);
    try_rule(wire_parts, "wire/export/x.rs", &bad[1..], &["use crate::wire::{record::A, show::B};"]);
    try_rule(wire_parts, "wire/browser/x.rs", &[], &["use crate::wire::{explain, record, show, export};"]);
}

#[test]
fn a_planted_use_by_a_leaf_is_found() {
    let bad = ["use crate::program::banner::Banner;", "use super::options::Color;"];
    try_rule(leaves, "program/error.rs", &bad, &["use std::fmt;", "use super::Unknown;"]);
    try_rule(
        leaves,
        "program/options/mod.rs",
        &bad[..1],
        &["use super::error::StartError;", "use crate::program::error;"],
    );
    try_rule(leaves, "program/options/value.rs", &["use super::super::banner::Banner;"], &["use super::usage;"]);
}

#[test]
fn a_planted_ring_is_found() {
    let layer = |a: &str, b: &str| {
        let root = "mod a;\nmod b;\npub use b::{B, Other};\n";
        rings(&[Source::new("http/mod.rs", root), Source::new("http/a.rs", a), Source::new("http/b.rs", b)])
    };
    assert!(!layer("use super::b::B;", "use super::a::A;").is_empty());
    assert!(!layer("use super::{Span, Other};", "use crate::http::a::A;").is_empty(), "re-exported by mod.rs");
    assert!(!layer("use crate::{http::Other};", "use crate::http::a::A;").is_empty());
    assert!(!layer("fn x() { super::b::y() }", "use super::a;").is_empty());
    assert!(layer("use super::b::B;", "use super::Span; // not super::a").is_empty());
    assert!(layer("use super::b::B;", "fn x() {}\n#[cfg(test)]\nmod tests {\n    use super::a;\n}\n").is_empty());
    // A folder and a file beside it.
    let nested = Source::new("http/b/inner.rs", "use super::super::a::A;");
    let beside = [Source::new("http/a.rs", "use super::b;"), Source::new("http/b/mod.rs", ""), nested];
    assert!(!rings(&beside).is_empty());
    // Files inside a folder.
    let folder = |x: &str, y: &str| {
        let root = "mod x;\nmod y;\nuse x::X;\nuse y::Y;\n";
        rings(&[Source::new("net/c/mod.rs", root), Source::new("net/c/x.rs", x), Source::new("net/c/y.rs", y)])
    };
    assert!(!folder("use super::y::Y;", "use crate::net::c::x::X;").is_empty());
    assert!(folder("use super::y::Y;", "use super::Connection;").is_empty());
    // The program is a layer too.
    let program = [Source::new("program/a.rs", "use super::b;"), Source::new("program/b.rs", "use crate::program::a;")];
    assert!(!rings(&program).is_empty());
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
    let good = ["use std::fs::File;", "file.metadata()", "// File::open is for files/root", "x.opened()"];
    for path in ["files/listing.rs", "net/x.rs", "service/response.rs", "main.rs", "files/roots.rs"] {
        try_rule(paths, path, &bad, &good);
    }
    for path in ["files/root/mod.rs", "files/root/x.rs", "files/root/tests.rs", "files/site/tests/paths.rs"] {
        try_rule(paths, path, &[], &bad);
    }
    try_rule(paths, "files/x.rs", &["#[cfg(test)]\nmod tests;\nuse std::fs;\n"], &["say(\"openat2 is missing\");"]);
    try_rule(paths, "files/x.rs", &[], &["#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n"]);
}

#[test]
fn a_planted_number_parser_and_unsafe_are_found() {
    let bad = ["x.parse::<u64>()", "u64::from_str_radix(x, 16)", "x.parse::<usize>()"];
    try_rule(numbers, "files/range.rs", &bad, &["x.parse::<std::net::Ipv6Addr>()"]);
    try_rule(numbers, "program/banner.rs", &bad, &[]);
    try_rule(numbers, "http/grammar.rs", &["unsafe { x }"], &bad);
    try_rule(numbers, "program/options/value.rs", &["unsafe fn x() {}"], &bad);
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

#[test]
fn a_planted_formula_word_or_system_is_found() {
    let [never, subtle] = FORMULAS;
    let bad = [
        format!("//! {never} a lock."),
        format!("    /// {subtle}: time.\n"),
        format!("// {subtle} is time."),
        format!("let x = 1; // {never} two."),
        format!("// one {OCTET}"),
        format!("let {OCTET}s = 1;"),
        format!("fn is_{OCTET}() {{}}"),
        "#[cfg(not(target_os = \"linux\"))]".to_string(),
        "if cfg!(target_os = \"linux\") {}".to_string(),
    ];
    let good = [
        "// This is never done.".to_string(),
        format!("say(\"{never} mind\");"),
        format!("Fault::X => \"an {OCTET} that no name may have\","),
        format!("say(\"a \\\n    long {OCTET} \\\n    line\");"),
        format!("address.{OCTET}s()"),
        format!("//! part = *{}", OCTET.to_uppercase()),
        format!("// application/{OCTET}-stream"),
        format!("//! | `{OCTET}s` | a member of an object"),
        "#[cfg(unix)]".to_string(),
    ];
    let texts = |all: &[String]| all.iter().map(|text| text.clone().leak() as &str).collect::<Vec<_>>();
    try_rule(words, "net/x.rs", &texts(&bad), &texts(&good));
}
