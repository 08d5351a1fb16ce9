//! Compares the options with the texts about them: `-h`, the long help, the table of the README.

use std::fs;

use clap::Arg;

use super::*;

/// Every option, as `--help` lists them.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some())
}

fn built() -> Command {
    let mut command = command();
    command.build();
    command
}

/// `--spa[=FILE]`, `--log FORMAT`, `--lan`.
fn with_value(arg: &Arg) -> String {
    let long = format!("--{}", arg.get_long().unwrap());
    let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).map(|names| names[0].as_str());
    match value {
        Some(value) if arg.is_require_equals_set() => format!("{long}[={value}]"),
        Some(value) => format!("{long} {value}"),
        None => long,
    }
}

fn values(arg: &Arg) -> Vec<String> {
    arg.get_possible_values().iter().map(|value| value.get_name().to_string()).collect()
}

/// The one line of help, and the default that stands in it.
fn help_and_default(arg: &Arg) -> (String, Option<String>) {
    let help = arg.get_help().unwrap().to_string();
    match help.split_once(" [default: ") {
        Some((help, default)) => (help.into(), Some(default.trim_end_matches(']').into())),
        None => (help, arg.get_default_values().first().map(|value| value.to_str().unwrap().to_string())),
    }
}

#[test]
fn the_short_help_names_every_option_with_its_value_and_default_and_fits_a_terminal() {
    assert!(SHORT_HELP.lines().count() <= 24);
    assert!(SHORT_HELP.lines().all(|line| line.chars().count() <= 80), "{SHORT_HELP}");
    let words: Vec<&str> = SHORT_HELP.split([' ', ',', '[', '\n']).collect();
    for option in options(&built()) {
        let long = format!("--{}", option.get_long().unwrap());
        assert!(words.contains(&long.as_str()), "{long}");
        let short = option.get_short().map(|c| format!("-{c}"));
        assert!(short.is_none_or(|short| words.contains(&short.as_str())), "{long}");
        // A value is called by its name, or its words are listed.
        let named = with_value(option);
        let name = option.get_value_names().map(|names| names[0].to_string()).unwrap_or_default();
        let listed = named.replace(&name, &values(option).join("|"));
        let cache = named.replace("HOW", "revalidate|off|SECONDS");
        assert!([&named, &listed, &cache].iter().any(|form| SHORT_HELP.contains(form.as_str())), "{named} or {listed}");
        // A number that is the default stands after the option.
        let (_, default) = help_and_default(option);
        if let Some(default) = default.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
            let default = default.split(',').next().unwrap();
            assert!(SHORT_HELP.contains(&format!("{named} [{default}]")), "{named} [{default}]");
        }
    }
}

#[test]
fn every_option_has_a_variable_an_example_and_a_group() {
    for option in options(&command()) {
        let long = option.get_long().unwrap();
        let is_action = ["completions", "man", "help", "version"].contains(&long);
        let expected = format!("BAREWIRE_{}", long.to_uppercase().replace('-', "_"));
        let variable = option.get_env().map(|name| name.to_str().unwrap().to_string());
        assert_eq!(variable, (!is_action).then_some(expected), "{long}");
        let text = option.get_long_help().map(ToString::to_string).unwrap_or_default();
        assert!(text.contains("Example: barewire "), "{long}: {text}");
        assert!(option.get_help_heading().is_some(), "{long}");
    }
}

#[test]
fn every_example_of_the_help_is_a_command_line() {
    let section = LAST_SECTIONS.split("\n\n").next().unwrap();
    let commands = section.lines().filter_map(|line| line.strip_prefix("  barewire "));
    let mut count = 0;
    for line in commands.map(|line| line.split("  ").next().unwrap()) {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let result = match words[0].to_str() {
            Some("explain") => Explain::try_parse_from(&words).map(drop),
            Some("send") => Send::try_parse_from(&words).map(drop),
            _ => command().no_binary_name(true).try_get_matches_from(&words).map(drop),
        };
        assert!(result.is_ok(), "{line}: {}", result.unwrap_err());
        count += 1;
    }
    assert!(count >= 9, "{count}");
}

/// One row of the table in the README.
fn row(arg: &Arg) -> String {
    let short = arg.get_short().map(|c| format!("-{c}, ")).unwrap_or_default();
    let (mut help, mut default) = help_and_default(arg);
    let may_lack_value = arg.is_require_equals_set();
    if may_lack_value {
        // The default is that of the value, and the option itself is off.
        help += &format!(" (without a value: {})", default.take().unwrap());
    }
    let words = values(arg);
    if !words.is_empty() {
        help += &format!(": `{}`", words.join("`, `"));
    }
    // Clap calls the default of a switch "false"; those without a variable print something and exit.
    let default = match (may_lack_value, arg.get_action().takes_values()) {
        (true, _) => "off".into(),
        (false, true) => default.unwrap_or_default(),
        (false, false) => if arg.get_env().is_some() { "off" } else { "" }.into(),
    };
    format!("| `{short}{}` | {default} | {help} |\n", with_value(arg)).replace("|  |", "| |")
}

fn table() -> String {
    let mut table = "| option | default | meaning |\n|---|---|---|\n".to_string();
    let (command, mut group) = (built(), None);
    for option in options(&command) {
        // `--help` and `--version` are made by clap and have no group.
        if let Some(heading) = option.get_help_heading().filter(|heading| Some(*heading) != group) {
            table += &format!("| **{heading}** | | |\n");
            group = Some(heading);
        }
        table += &row(option);
    }
    table
}

#[test]
fn the_readme_lists_every_option_as_it_is_defined() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap();
    let start = readme.find("| option | default | meaning |\n").expect("README has a table of options");
    let end = start + readme[start..].find("\n\n").expect("the table ends") + 1;
    let expected = table();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(path, format!("{}{expected}{}", &readme[..start], &readme[end..])).unwrap();
        return;
    }
    let advice = "write it anew with: UPDATE_README=1 cargo test --bin barewire readme";
    assert_eq!(readme[start..end], expected, "{advice}");
}
