//! The errors of clap in our words: `--lan takes no value.`
//!
//! Every error is one sentence about what is wrong, and mostly a second line: a near name, the example in the help of
//! the option, or where to read on.

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};
use clap::{Arg, Command};

use crate::program::error::{Exit, StartError};
use crate::program::options::value::either;

/// Turns an error of clap into ours.
pub(crate) fn explain(error: &Error, command: &Command) -> StartError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str).unwrap_or_default(),
        _ => "",
    };
    // The context of an error depends on its kind; what is missing counts as empty. Clap names an option with its
    // value: "--port <N>", "--cors[=<ORIGIN>]".
    let argument = text(ContextKind::InvalidArg);
    let name = argument.split([' ', '[', '=']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let wrong = |what: String| StartError::new(Exit::Usage, what);
    let example = example(command, name);
    match error.kind() {
        // A value parser of ours has written the sentence. A switch needs no example.
        ErrorKind::ValueValidation => match find(command, name).is_some_and(|arg| arg.get_action().takes_values()) {
            true => wrong(text(ContextKind::Custom).into()).advising(example),
            false => wrong(text(ContextKind::Custom).into()),
        },
        // A path too many; "-" alone is one as well.
        ErrorKind::UnknownArgument if !name.starts_with('-') || name == "-" => match tool(command) {
            Some(tool) => {
                wrong(format!("{tool} takes one file, {argument:?} is one too many.")).advising(see_all(command))
            }
            None => wrong(format!("one folder or file is enough, {argument:?} is one too many."))
                .advising(format!("Serve it with a second server:  barewire {argument}")),
        },
        ErrorKind::UnknownArgument => wrong(match tool(command) {
            Some(tool) => format!("{tool} has no option {name}."),
            None => format!("there is no option {name}."),
        })
        .advising(match text(ContextKind::SuggestedArg) {
            "" => see_all(command),
            near => format!("Did you mean {near} ?"),
        }),
        // Clap reports a missing value as an empty one.
        ErrorKind::InvalidValue if value.is_empty() => wrong(format!("{name} needs a value.")).advising(example),
        // Only `--completions` has a value parser of clap.
        ErrorKind::InvalidValue => {
            let words = match error.get(ContextKind::ValidValue) {
                Some(ContextValue::Strings(words)) => either(words.iter().map(String::as_str)),
                _ => "another value".into(),
            };
            wrong(format!("{name} takes {words}, not {value:?}.")).advising(example)
        }
        ErrorKind::TooManyValues => wrong(format!("{name} takes no value, not even {value:?}.")),
        // `--spa app.html` would serve app.html, so a value must stand after "=".
        ErrorKind::NoEquals => wrong(format!("{name} takes its value behind \"=\".")).advising(example),
        // The value is not shown: a terminal cannot print it.
        ErrorKind::InvalidUtf8 => wrong("an option or its value is not UTF-8 text.".into()),
        ErrorKind::ArgumentConflict => {
            wrong(format!("{name} and {} exclude each other.", text(ContextKind::PriorArg))).advising(see_all(command))
        }
        ErrorKind::MissingRequiredArgument => {
            wrong(format!("{} needs {argument}.", command.get_name())).advising(see_all(command))
        }
        _ => wrong("the command line cannot be understood.".into()).advising(see_all(command)),
    }
}

/// The example in the help of `option` as advice; `option` is its long name.
pub(crate) fn example(command: &Command, option: &str) -> String {
    // The help of the tools is a list without examples.
    let of_tool = match option {
        "--for" => Some("barewire explain --for HEAD answer.bin"),
        "--wire-hide" if tool(command).is_some() => Some("barewire explain --wire-hide X-Session saved.bin"),
        "--cut" | "--gap" => Some("barewire send localhost:8080 --cut 8,28 ask.bin"),
        _ => None,
    };
    let help = find(command, option).and_then(Arg::get_long_help).map(ToString::to_string).unwrap_or_default();
    let own = help.split_once("Example: ").and_then(|(_, example)| example.lines().next());
    own.or(of_tool).map_or(see_all(command), |example| format!("For example:  {example}"))
}

/// The option with this long name, which begins with "--".
fn find<'a>(command: &'a Command, option: &str) -> Option<&'a Arg> {
    let long = option.strip_prefix("--")?;
    command.get_arguments().find(|arg| arg.get_long() == Some(long))
}

/// `explain` or `send`; `None` for the server.
fn tool(command: &Command) -> Option<&str> {
    Some(command.get_name()).filter(|name| *name != "barewire")
}

/// The advice where there is no better one.
fn see_all(command: &Command) -> String {
    match tool(command) {
        Some(tool) => format!("See all options:  barewire {tool} --help"),
        None => "See all options:  barewire -h".into(),
    }
}
