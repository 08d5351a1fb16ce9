//! What the parser refuses, in our words: `--lan takes no value.`
//!
//! The subtle thing: the parser does not say whether a wrong word came from the command line or from
//! the environment, and "--log takes …" helps nobody who typed no `--log`. So a value that stands in
//! the option's variable, while the option was not typed, is blamed on the variable.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::program::error::{Exit, StartError};

/// The complaint for an error of the parser.
pub(crate) fn complaint(error: &Error, command: &Command, typed: &[OsString]) -> StartError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let words = |kind| match error.get(kind) {
        Some(ContextValue::Strings(words)) => words.as_slice(),
        _ => &[],
    };
    // "--port <N>" and "--cors[=<ORIGIN>]" are both the option and what it takes.
    let option = text(ContextKind::InvalidArg).unwrap_or_default();
    let name = option.split([' ', '[', '=']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let complaint = |what: String| StartError::new(Exit::Usage, what);
    match error.kind() {
        ErrorKind::UnknownArgument if !name.starts_with('-') || name == "-" => {
            complaint(format!("one folder or file is enough, {option:?} is one too many."))
                .advising(format!("Serve it with a second server:  barewire {option}"))
        }
        ErrorKind::UnknownArgument => complaint(format!("there is no option {name}.")).advising(
            match text(ContextKind::SuggestedArg).or(words(ContextKind::SuggestedArg).first().map(String::as_str)) {
                Some(near) => format!("Did you mean {near} ?"),
                None => "See all options:  barewire -h".into(),
            },
        ),
        ErrorKind::InvalidValue if value.is_empty() && !by_variable(command, name, value, typed) => {
            complaint(format!("{name} needs a value.")).advising(example(command, name))
        }
        ErrorKind::InvalidValue => {
            let source = source(command, name, value, typed);
            let list = words(ContextKind::ValidValue);
            complaint(format!("{source} takes {}, not {value:?}.", either(list))).advising(example(command, name))
        }
        ErrorKind::ValueValidation => {
            // Only switches have a parser of their own, and only their variables a value.
            let source = source(command, name, value, typed);
            complaint(format!("{source} takes true or false, not {value:?}."))
        }
        ErrorKind::TooManyValues => complaint(format!("{name} takes no value, not even {value:?}.")),
        ErrorKind::NoEquals => {
            complaint(format!("{name} takes its value behind \"=\".")).advising(example(command, name))
        }
        ErrorKind::InvalidUtf8 => complaint("an option or its value is not UTF-8 text.".into()),
        _ => complaint(error.kind().as_str().unwrap_or("the command line cannot be understood").into())
            .advising("See all options:  barewire -h"),
    }
}

/// The option's name, or that of the variable its value came from.
fn source(command: &Command, option: &str, value: &str, typed: &[OsString]) -> String {
    match variable(command, option) {
        Some(variable) if by_variable(command, option, value, typed) => variable,
        _ => option.to_string(),
    }
}

fn by_variable(command: &Command, option: &str, value: &str, typed: &[OsString]) -> bool {
    let was_typed = typed.iter().any(|word| word.to_string_lossy().starts_with(option));
    !was_typed && variable(command, option).is_some_and(|name| std::env::var(name).is_ok_and(|text| text == value))
}

fn variable(command: &Command, option: &str) -> Option<String> {
    Some(find(command, option)?.get_env()?.to_string_lossy().into_owned())
}

fn find<'a>(command: &'a Command, option: &str) -> Option<&'a clap::Arg> {
    let long = option.strip_prefix("--")?;
    command.get_opts().find(|other| other.get_long() == Some(long))
}

/// The example of the option's help, as advice.
pub(crate) fn example(command: &Command, option: &str) -> String {
    let help = find(command, option).and_then(|o| o.get_long_help()).map(ToString::to_string).unwrap_or_default();
    match help.split_once("Example: ") {
        Some((_, example)) => format!("For example:  {}", example.lines().next().unwrap_or_default()),
        None => "See all options:  barewire -h".into(),
    }
}

/// "a, b or c".
fn either(words: &[String]) -> String {
    match words {
        [] => "another value".into(),
        [word] => word.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
