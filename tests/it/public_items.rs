//! How many items the library shows: what an embedder has to read, and what a version has to keep.
//!
//! An item is public if its layer re-exports it or defines it in its `mod.rs`; modules that are `#[doc(hidden)]` are for the
//! program. It is the list that rustdoc makes: after `cargo doc --no-deps --lib`,
//! `grep -o '<li><a href="[^"]*html"' target/doc/barewire/all.html | wc -l`.

use std::fs;
use std::path::Path;

/// The most items of all layers.
const MOST: usize = 150;

/// What one file shows: its items, and its public modules.
fn shown(text: &str) -> (Vec<String>, Vec<String>) {
    let (mut items, mut modules) = (Vec::new(), Vec::new());
    let mut lines = text.lines();
    let mut is_hidden = false;
    while let Some(line) = lines.next() {
        if line.starts_with("#[") {
            is_hidden |= line == "#[doc(hidden)]";
            continue;
        }
        let hidden = std::mem::take(&mut is_hidden);
        let Some(item) = line.strip_prefix("pub ") else { continue };
        // A list of names may have several lines.
        let mut item = item.to_string();
        while item.starts_with("use ") && !item.ends_with(';') {
            item += lines.next().expect("the end of a use declaration").trim();
        }
        let words = item.trim_end_matches(';').split([' ', '(', '<', ':', '=', '{']).filter(|word| !word.is_empty());
        let words: Vec<&str> = words.take_while(|_| !item.starts_with("use ")).collect();
        match words[..] {
            _ if hidden => {}
            ["mod", name, ..] => modules.push(name.to_string()),
            ["struct" | "enum" | "trait" | "type" | "static" | "fn", name, ..] => items.push(name.to_string()),
            ["const", "fn", name, ..] | ["const", name, ..] => items.push(name.to_string()),
            _ => {
                let path = item.strip_prefix("use ").unwrap_or_else(|| panic!("what is this: {line}"));
                names(path.trim_end_matches(';'), &mut items);
            }
        }
    }
    (items, modules)
}

/// The names that a use declaration brings: `a::{B, c::{D, E as F}}` brings B, D and F.
fn names(path: &str, out: &mut Vec<String>) {
    assert!(!path.contains('*'), "names cannot be counted: {path}");
    let parts = path.split(['{', '}', ',']).map(str::trim);
    let ends = parts.filter(|part| !part.is_empty() && !part.ends_with("::"));
    out.extend(ends.map(|part| part.rsplit([':', ' ']).next().unwrap_or(part).to_string()));
}

/// All items of a module and of its public modules.
fn items_of(path: &Path, name: &str) -> Vec<String> {
    let file = [path.join("mod.rs"), path.with_extension("rs")].into_iter().find(|file| file.is_file());
    let (items, modules) = shown(&fs::read_to_string(file.unwrap_or_else(|| panic!("no module {name}"))).unwrap());
    let own = items.into_iter().map(|item| format!("{name}::{item}"));
    own.chain(modules.iter().flat_map(|module| items_of(&path.join(module), &format!("{name}::{module}")))).collect()
}

#[test]
fn the_library_shows_no_more_than_an_embedder_needs() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (items, layers) = shown(&fs::read_to_string(source.join("lib.rs")).unwrap());
    assert_eq!(
        (items.len(), &layers[..]),
        (0, ["files", "http", "net", "service", "wire"].map(String::from).as_slice())
    );
    let all: Vec<String> = layers.iter().flat_map(|layer| items_of(&source.join(layer), layer)).collect();
    println!("{all:#?}");
    assert!(all.len() <= MOST, "{} public items, at most {MOST}: {all:#?}", all.len());
    // Else a mistake in the count would pass.
    assert!(all.len() > MOST / 2, "{all:#?}");
    for (name, is_shown) in [
        ("service::Router", true),
        ("http::Method", true),
        ("http::chunked::encode", true),
        ("service::Health", true),
        ("service::error_page::problem", false),
        ("wire::html_page", false),
    ] {
        assert_eq!(all.iter().any(|item| item == name), is_shown, "{name}");
    }
}

#[test]
fn a_new_item_is_counted_however_it_is_written() {
    let text = "pub use a::{B, c::{D, E as F},\n    G};\npub use h::I;\n#[doc(hidden)]\npub use j::K;\n#[derive(Debug)]\n\
                pub struct L<T>(T);\npub const fn m() {}\npub const N: u8 = 1;\npub trait O: Send {}\npub(crate) fn p() {}\n\
                pub mod q;\n#[cfg(x)]\n#[doc(hidden)]\npub mod r;\nmod s;\nimpl L<u8> {\n    pub fn t() {}\n}\n";
    let (items, modules) = shown(text);
    assert_eq!(items, ["B", "D", "F", "G", "I", "L", "m", "N", "O"]);
    assert_eq!(modules, ["q"]);
}
