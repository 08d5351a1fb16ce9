//! The help, the manual, the completions and the README name the same options.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::program::{assert_error, barewire, run, site_folder};

/// The long options in a text.
fn long_options(text: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let after = |(at, _): (usize, &str)| text[at..].split(|c| !is_name(c)).next().unwrap().to_string();
    let begins = |(at, _): &(usize, &str)| !text[..*at].ends_with(|c: char| is_name(c) || c.is_ascii_alphanumeric());
    text.match_indices("--").filter(begins).map(after).filter(|name| name.len() > 3).collect()
}

fn lines_that(text: &str, keep: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_manual_completions_and_readme_list_the_same_options() {
    let folder = site_folder();
    let print = |arguments: &[&str]| {
        let (exit, out, complaint) = run(&mut barewire(&folder, arguments));
        assert_eq!((exit, complaint.as_str()), (0, ""), "{arguments:?}");
        out
    };
    let long = print(&["--help"]);
    let expected = long_options(&lines_that(&long, |line| line.trim_start().starts_with('-')));
    assert!(expected.len() >= 26, "{expected:?}");

    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split("\n## ").find(|section| section.starts_with("Options")).expect("README has its options");
    let rows = lines_that(section, |line| line.starts_with("| `"));
    let first_column: String = rows.lines().map(|row| row.split('|').nth(1).unwrap()).collect();
    assert_eq!(long_options(&first_column), expected, "README");

    assert_eq!(long_options(&print(&["-h"])), expected, "-h");
    let manual = print(&["--man"]).replace("\\-", "-");
    let options_in = |text: &str| {
        let lines = lines_that(text, |line| line.starts_with("\\fB-"));
        long_options(&lines.replace("\\fB", " ").replace("\\fR", " "))
    };
    let parts: Vec<&str> = manual.split("\n.SH \"BAREWIRE ").collect();
    assert_eq!(options_in(parts[0]), expected, "manual");
    let mut every = expected;
    for (tool, part) in ["EXPLAIN", "SEND"].into_iter().zip(&parts[1..]) {
        let long = print(&[&tool.to_lowercase(), "--help"]);
        let own = long_options(&lines_that(&long, |line| line.trim_start().starts_with('-')));
        assert!(part.starts_with(&format!("{tool}\"\n")) && part.contains("\n.SS OPTIONS\n"), "{part}");
        assert_eq!(options_in(part), own, "manual of {tool}");
        assert!(own.len() >= 7, "{own:?}");
        every.extend(own);
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = print(&["--completions", shell]).replace("-l ", "--");
        for option in &every {
            assert!(script.contains(option.as_str()), "{shell}: {option}");
        }
    }
    assert_eq!(print(&["-V"]), concat!("barewire ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help_and_manual_name_the_commands_and_end_with_examples_environment_and_exit_status() {
    let folder = site_folder();
    let print = |arguments: &[&str]| {
        let (exit, out, said) = run(&mut barewire(&folder, arguments));
        assert_eq!((exit, said.as_str()), (0, ""), "{arguments:?}");
        out
    };
    let long = print(&["--help"]);
    let manual = print(&["--man"]).replace("\\-", "-");
    for command in ["barewire explain", "barewire send", "barewire help"] {
        assert!(
            long.contains(&format!("\n       {command} ")) && manual.contains(&format!("\n{command} ")),
            "{command}"
        );
    }
    for section in ["EXAMPLES", "ENVIRONMENT", "EXIT STATUS"] {
        let heading = if section.contains(' ') { format!("\"{section}\"") } else { section.into() };
        assert!(long.contains(&format!("\n{section}\n  ")), "{section}");
        assert!(manual.contains(&format!("\n.SH {heading}\n.TP\n\\fB")), "{section}: {manual}");
    }
    for (arguments, same) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "help"], &["--help"]),
        (&["help", "explain"], &["explain", "--help"]),
        (&["help", "send"], &["send", "--help"]),
    ] {
        assert_eq!(print(arguments), print(same), "{arguments:?}");
    }
    let message = "barewire: there is no help about \"serve\".\nSee all options:  barewire help\n";
    assert_error(&mut barewire(&folder, &["help", "serve"]), 2, message);
}

#[test]
fn help_fits_a_terminal() {
    let folder = site_folder();
    let (_, short, _) = run(&mut barewire(&folder, &["-h"]));
    assert!(short.lines().count() <= 24, "{short}");
    let (_, long, _) = run(&mut barewire(&folder, &["--help"]));
    for line in short.lines().chain(long.lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let (exit, _, _) = run(&mut barewire(&folder, &["-h", "--no-such-option"]));
    assert_eq!(exit, 0);
}
