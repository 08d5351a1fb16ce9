//! Every link of the site that comes with the program leads somewhere, nothing is loaded from other sites, and the list
//! of `examples/` and the labs name each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::html::{Token, attribute, content, tokens};
use super::{page, public};

/// All files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
    found
}

/// The file that a link of a page means, and its fragment.
fn target(page: &Path, link: &str) -> (PathBuf, Option<String>) {
    let (path, fragment) = link.split_once('#').map_or((link, None), |(path, f)| (path, Some(f.to_string())));
    let mut file = match path.strip_prefix('/') {
        Some(absolute) => public().join(absolute),
        None if path.is_empty() => page.to_path_buf(),
        None => page.parent().unwrap().join(path),
    };
    if path.ends_with('/') || file.is_dir() {
        assert!(path.ends_with('/'), "{}: {link} costs a redirect: it is a folder", page.display());
        file.push("index.html");
    }
    (file, fragment)
}

#[test]
fn every_link_leads_somewhere_and_every_load_stays_here() {
    let pages = files(&public(), "html");
    assert_eq!(pages.len(), 15);
    for path in pages {
        let all = tokens(&fs::read_to_string(&path).unwrap());
        for token in &all {
            let Token::Open(name, attributes) = token else { continue };
            for (key, link) in attributes {
                let loads =
                    matches!(key.as_str(), "src" | "srcset" | "poster" | "data") || (key == "href" && name == "link");
                if !loads && key != "href" && key != "action" {
                    assert!(!key.starts_with("on") && key != "style", "{}: {key} in a tag", path.display());
                    continue;
                }
                if link.contains(':') {
                    let rule = link.starts_with("https://www.rfc-editor.org/rfc/");
                    assert!(rule && !loads && name == "a", "{}: {link} is somewhere else", path.display());
                } else if !link.starts_with("/.try/") && link != "/.wire" && !link.starts_with("/.wire?find=") {
                    let (file, fragment) = target(&path, link);
                    assert!(file.is_file(), "{}: {link} leads nowhere", path.display());
                    let Some(fragment) = fragment else { continue };
                    let text = fs::read_to_string(&file).unwrap();
                    assert!(text.contains(&format!("id=\"{fragment}\"")), "{}: {link}: no such part", path.display());
                }
            }
        }
        let ids: Vec<&str> =
            all.iter().filter_map(|t| if let Token::Open(_, a) = t { attribute(a, "id") } else { None }).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{}: an id twice", path.display());
    }
}

#[test]
fn styles_and_scripts_load_nothing_from_elsewhere_and_keep_no_cookies() {
    let site = public();
    for path in files(&site, "css").iter().chain(&files(&site, "js")) {
        let text = fs::read_to_string(path).unwrap().replace("http://www.w3.org/2000/svg", "");
        for bad in ["http:", "https:", "url(", "@import", "cookie", "innerHTML", "eval("] {
            assert!(!text.contains(bad), "{}: {bad}", path.display());
        }
    }
}

#[test]
fn each_wrong_sentence_is_shown_wrong_on_the_wire() {
    let steps = super::steps(&page("learn/wrong/index.html"));
    assert_eq!(steps.len(), 10);
    for step in steps {
        assert!(!step.looks.is_empty(), "{} shows nothing on the wire", step.command);
    }
}

/// With the names and comments that a student needs who reads the scripts in the browser.
#[test]
fn the_landing_page_is_small() {
    let files = ["index.html", "style.css", "script.js", "learn/theme.js", "learn/lab.js"];
    let size: usize = files.iter().map(|name| page(name).len()).sum();
    assert!(size <= 26_000, "{size} bytes");
}

#[test]
fn each_lab_has_its_parts() {
    for lab in 1..=12 {
        let path = format!("learn/{lab:02}/index.html");
        let all = tokens(&page(&path));
        let count = |wanted: &str, class: &str| {
            let is = |t: &&Token| matches!(t, Token::Open(n, a) if n == wanted && (class.is_empty() || attribute(a, "class") == Some(class)));
            all.iter().filter(is).count()
        };
        assert_eq!(count("h1", ""), 1, "{path}");
        assert!(count("svg", "pic") >= 1 && count("svg", "pic") == count("figcaption", ""), "{path}: pictures");
        assert!((2..=12).contains(&count("pre", "cmd")), "{path}: {} commands", count("pre", "cmd"));
        assert!(count("p", "look") >= 2 && count("details", "question") == 1 && count("div", "break") == 1, "{path}");
        assert_eq!((count("details", "netcat"), count("a", "skip"), count("main", "")), (1, 1, 1), "{path}");
        // A picture has a text that says what it shows.
        for (at, token) in all.iter().enumerate() {
            if matches!(token, Token::Open(name, a) if name == "svg" && attribute(a, "role") == Some("img")) {
                let text = content(&all[at..]);
                assert!(text.len() > 100, "{path}: {text}");
            }
        }
        let text: String =
            all.iter().filter_map(|t| if let Token::Text(t) = t { Some(t.as_str()) } else { None }).collect();
        let octets = text.to_ascii_lowercase().matches("octet").count();
        assert_eq!(octets, 0, "{path} says octet");
    }
}

/// The table of `examples/README.md`: programs and their labs.
fn ladder() -> Vec<(String, Vec<u32>)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let rows =
        readme.lines().filter(|line| line.contains(" | `cargo run --example ") || line.contains(" | `rustc examples/"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let labs = cells.last().unwrap().split(',').map(|lab| lab.trim().parse().unwrap()).collect();
        (cells[0].trim_matches('`').to_string(), labs)
    })
    .collect()
}

#[test]
fn the_programs_and_the_labs_name_each_other() {
    let ladder = ladder();
    assert!(ladder.len() >= 18, "{ladder:?}");
    for (program, labs) in &ladder {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{program}.rs"));
        let source = fs::read_to_string(&source).unwrap();
        let head = source.lines().next().unwrap();
        for lab in labs {
            assert!(head.contains(&lab.to_string()), "{program} does not say that it belongs to lab {lab}");
        }
    }
    for lab in 1..=12 {
        let path = format!("learn/{lab:02}/index.html");
        let page = page(&path);
        let starts = page.split("cargo run --example ").skip(1).chain(page.split("rustc examples/").skip(1));
        let named: BTreeSet<&str> =
            starts.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap()).collect();
        assert!(!named.is_empty(), "{path} names no program");
        for program in &named {
            assert!(ladder.iter().any(|(name, _)| name == program), "{path}: there is no example {program}");
        }
        for (program, _) in ladder.iter().filter(|(_, labs)| labs.contains(&lab)) {
            assert!(named.contains(program.as_str()), "{path} does not name {program}");
        }
    }
}
