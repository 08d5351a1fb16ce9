//! The completions of `--completions`, for bash, zsh and fish; clap_complete makes those of the other shells.
//!
//! clap_complete takes a first word that is no subcommand for a mistake, so after PATH it would complete nothing. It
//! also offers files where a number is meant, and the value of `--wire` as a word of its own, which would be PATH.
//!
//! | the cursor stands at | offered |
//! |---|---|
//! | the first word | the names of the commands, and files |
//! | a word that begins with `-` | the options of the command |
//! | the value of an option | its words, or files if it is a file, else nothing |
//! | the value after `=` of an option that may lack it | the same; never as a word of its own |
//! | any other word | files; nothing where HOST:PORT is meant |

use std::fmt::Write;

use clap::{Arg, ArgAction, Command, CommandFactory, ValueHint};
use clap_complete::Shell;

use crate::program::options::{Explain, Send, definition::command};

/// What is said of the commands beside their names.
const COMMANDS: [(&str, &str); 3] = [
    ("explain", "Explain saved request or response bytes"),
    ("help", "Show the options of a command"),
    ("send", "Send raw bytes, and see the response"),
];

/// The script that makes `shell` complete the command lines of this program.
pub(crate) fn completions(shell: Shell) -> Vec<u8> {
    let mut commands = [("serve", command()), ("explain", Explain::command()), ("send", Send::command())];
    // `--help` and `--version` are added when clap builds the command.
    commands.iter_mut().for_each(|(_, command)| command.build());
    match shell {
        Shell::Bash => bash(&commands).into_bytes(),
        Shell::Zsh => zsh(&commands).into_bytes(),
        Shell::Fish => fish(&commands).into_bytes(),
        other => {
            // Here the commands are subcommands. Clap would add a `help` with subcommands of its own.
            let tools = commands.into_iter().skip(1).map(|(_, tool)| tool);
            let (mut all, mut script) = (command().subcommands(tools).disable_help_subcommand(true), Vec::new());
            clap_complete::generate(other, &mut all, "barewire", &mut script);
            script
        }
    }
}

/// What may follow an option.
enum Value {
    /// Nothing: it is a switch.
    Switch,
    /// One of some words, each with its meaning, which may be empty.
    Words(Vec<(String, String)>),
    File,
    /// Text that only the user knows.
    Text,
}

fn value_of(arg: &Arg) -> Value {
    let words = arg.get_possible_values();
    let meaning = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string).unwrap_or_default();
    match arg.get_value_hint() {
        _ if !arg.get_action().takes_values() => Value::Switch,
        _ if !words.is_empty() => {
            Value::Words(words.iter().map(|word| (word.get_name().into(), meaning(word))).collect())
        }
        ValueHint::AnyPath | ValueHint::FilePath => Value::File,
        _ => Value::Text,
    }
}

/// The options of a command, in the order of its help.
fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some())
}

fn help(arg: &Arg) -> String {
    arg.get_help().map(ToString::to_string).unwrap_or_default()
}

/// `-p` and `--port`.
fn names(arg: &Arg) -> Vec<String> {
    let short = arg.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(arg.get_long().map(|long| format!("--{long}"))).collect()
}

/// In single quotes, as bash and zsh read them.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A case for each kind of value; bash itself completes files.
fn bash(commands: &[(&str, Command)]) -> String {
    let (mut cases, mut every) = (String::new(), String::new());
    for (name, command) in commands {
        let mut text = Vec::new();
        for arg in options(command) {
            let mut places: Vec<String> = names(arg).iter().map(|option| format!("'{name} {option} '")).collect();
            if arg.is_require_equals_set() {
                places.clear();
            }
            places.push(format!("'{name} --{}='", arg.get_long().unwrap_or_default()));
            match value_of(arg) {
                Value::Switch => {}
                Value::File => _ = writeln!(cases, "        {}) compopt -o default; return ;;", places.join("|")),
                Value::Text => text.extend(places),
                Value::Words(words) => {
                    let words: Vec<String> = words.into_iter().map(|(word, _)| word).collect();
                    let _ = writeln!(cases, "        {}) words='{}' ;;", places.join("|"), words.join(" "));
                }
            }
        }
        let _ = writeln!(cases, "        {}) return ;;", text.join("|"));
        let all: Vec<String> = options(command).flat_map(names).collect();
        let _ = writeln!(every, "            {name}) words='{}' ;;", all.join(" "));
    }
    include_str!("completions.bash").replace("    # VALUES\n", &cases).replace("    # OPTIONS\n", &every)
}

/// The specifications of `_arguments`, command by command.
fn zsh(commands: &[(&str, Command)]) -> String {
    // A colon ends a description there, and a bracket ends the help.
    let escaped = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:").replace('[', "\\[").replace(']', "\\]");
    let mut script = include_str!("completions.zsh").to_string();
    for (name, command) in commands {
        let mut lines = String::new();
        for arg in options(command) {
            let repeated = if matches!(arg.get_action(), ArgAction::Append) { "*" } else { "" };
            let (message, action) = match value_of(arg) {
                Value::Switch => ("", String::new()),
                Value::File => (":file", ":_files".into()),
                Value::Text => (":value", ": ".into()),
                Value::Words(words) => {
                    let word = |(word, help): &(String, String)| format!("{word}\\:\"{}\"", escaped(help));
                    (":value", format!(":(({}))", words.iter().map(word).collect::<Vec<_>>().join(" ")))
                }
            };
            for option in names(arg) {
                let sign = match (message.is_empty(), arg.is_require_equals_set(), option.starts_with("--")) {
                    (true, ..) => "",
                    (_, true, _) => "=-",
                    (_, _, true) => "=",
                    (_, _, false) => "+",
                };
                let specification = format!("{repeated}{option}{sign}[{}]{message}{action}", escaped(&help(arg)));
                let _ = writeln!(lines, "                {} \\", quoted(&specification));
            }
        }
        script = script.replace(&format!("                # {name}\n"), &lines);
    }
    let described = COMMANDS.map(|(name, help)| quoted(&format!("{name}:{help}"))).join(" ");
    script.replace("# COMMANDS", &described)
}

/// A line for each option, with the condition that its command is typed.
fn fish(commands: &[(&str, Command)]) -> String {
    // Fish has no "'\\''": a backslash before the quote is enough.
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut script = include_str!("completions.fish").to_string();
    for (name, help) in COMMANDS {
        let _ = writeln!(script, "complete -c barewire -n __barewire_is_first -a {name} -d {}", quoted(help));
    }
    for (name, command) in commands {
        for arg in options(command) {
            let _ = write!(script, "complete -c barewire -n '__barewire_is {name}'");
            if let Some(short) = arg.get_short() {
                let _ = write!(script, " -s {short}");
            }
            let _ = write!(script, " -l {} -d {}", arg.get_long().unwrap_or_default(), quoted(&help(arg)));
            // `-r`: the value may stand in the next word. `-f`: no files.
            let required = if arg.is_require_equals_set() { "" } else { " -r" };
            script += &match value_of(arg) {
                Value::Switch => "\n".into(),
                Value::File => format!("{required} -F\n"),
                Value::Text => format!("{required} -f\n"),
                Value::Words(words) => {
                    // The shell reads this list a second time, so each meaning is quoted inside of it.
                    let word = |(word, help): &(String, String)| format!("{word}\\t{}", quoted(help));
                    let words: Vec<String> = words.iter().map(word).collect();
                    format!("{required} -f -a {}\n", quoted(&words.join("\n")))
                }
            };
        }
    }
    script
}
