//! The command line and the environment, as one checked [`Options`].
//!
//! | file | contents |
//! |---|---|
//! | `definition` | which options there are, as structs for clap |
//! | `listen` | the group "Where", and what only makes sense together of it |
//! | `tools` | the command lines of `explain` and `send` |
//! | `value` | how each value is read; its errors |
//! | `long_help.txt`, `short_help.txt` | the text of `--help`, and that of `-h`, which fits on one screen |
//! | `manual`, `last_sections.txt` | the manual page and `barewire help`; their sections after the options |
//! | `completions` | the completions of shells |
//! | `access` | what only makes sense together of passwords and trusted proxies |
//! | this file | what else only makes sense together; the errors of clap in our words |
//!
//! After that only the machine can refuse the configuration: whether a folder exists and a port is free is found out
//! by `serve`. An option on the command line wins over its environment variable, and that over the default.

mod access;
mod completions;
mod definition;
mod listen;
mod manual;
mod tools;
mod value;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::process;
use std::time::Duration;

use barewire::net::LogFormat;
use barewire::service::texts::Values;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, FromArgMatches, Parser};

use crate::program::error::{Exit, StartError, TEXTS, print};
use definition::command;

pub(crate) use definition::{AccessOptions, AuthFor, Options, StudyOptions, WriteOptions};
pub(crate) use listen::ListenOptions;
pub(crate) use manual::help;
pub(crate) use tools::{Explain, Send};
#[cfg(test)]
pub(crate) use value::Bind;

/// The head timeout with `--study`: long enough to type a request by hand.
const STUDY_HEAD_TIMEOUT: Duration = Duration::from_secs(120);
/// The text of `-h`: at most 24 lines of 80 columns, so that nothing scrolls away.
const SHORT_HELP: &str = include_str!("short_help.txt");
/// The long help of each option, and its example.
const LONG_HELP: &str = include_str!("long_help.txt");
/// What may be typed.
const USAGE: &str = "barewire [OPTIONS] [PATH]
       barewire explain [OPTIONS] [FILE]
       barewire send [OPTIONS] HOST:PORT [FILE]
       barewire help [explain|send]";
/// A heading, then lines that are indented: what is typed or seen, two spaces, and what it means. A line without the
/// first part continues the line before.
const LAST_SECTIONS: &str = include_str!("last_sections.txt");

/// Reads the command line and the environment of the server. Prints the help, the manual or completions, if that was
/// asked for, and exits. Exit code 2: an unknown option, a wrong value, or options that exclude each other.
pub(crate) fn read() -> Result<Options, StartError> {
    let matches = command().try_get_matches().map_err(|error| match error.kind() {
        // Clap does not tell `-h` from `--help`; the text does.
        ErrorKind::DisplayHelp if error.to_string() == command().render_help().to_string() => {
            exit_after(print(SHORT_HELP.as_bytes()))
        }
        _ => show_help_or_explain(&error, &command()),
    })?;
    let explain = |error| explain(&error, &command());
    let mut options = Options::from_arg_matches(&matches).map_err(explain)?;
    // These come before all checks: `--man` works even if other settings in the environment are wrong.
    if let Some(shell) = options.output.completions {
        exit_after(print(&completions::completions(shell)));
    }
    if options.output.man {
        exit_after(manual::manual().and_then(|manual| print(&manual)));
    }
    let checked = Origins(&matches).check(&mut options);
    checked.map_err(|error| error.colored(options.output.color))?;
    Ok(options)
}

/// Reads the command line of a tool, `explain` or `send`. The first word has chosen it, before the server's own
/// command line is read; a folder of that name is still served as `./explain`.
pub(crate) fn read_tool<T: Parser>(words: &[OsString]) -> Result<T, StartError> {
    T::try_parse_from(words).map_err(|error| show_help_or_explain(&error, &T::command()))
}

/// Prints the help or the version, which clap takes for an error, and exits; explains every other error.
fn show_help_or_explain(error: &clap::Error, command: &Command) -> StartError {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => exit_after(error.print()),
        _ => explain(error, command),
    }
}

/// Exits after something was printed. A closed standard output (`barewire --man | head`) is no failure.
fn exit_after(_printed: io::Result<()>) -> ! {
    process::exit(0);
}

/// The section of the long help that begins with `## title`: its paragraphs, each on one line.
fn help_section(title: &str) -> Option<String> {
    let (_, text) = LONG_HELP.split_once(&format!("\n## {title}\n"))?;
    let section = text.split("\n## ").next()?.trim_end();
    Some(section.split("\n\n").map(|lines| lines.replace('\n', " ")).collect::<Vec<_>>().join("\n\n"))
}

/// Turns an error of clap into ours: a sentence about what is wrong, and mostly a second line with a near name, an
/// example, or where to read on.
fn explain(error: &clap::Error, command: &Command) -> StartError {
    // The context depends on the kind; what is missing counts as empty.
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    // Clap names an option with its value: "--port <N>", "--cors[=<ORIGIN>]".
    let argument = text(ContextKind::InvalidArg);
    let option = argument.split([' ', '[', '=']).next().unwrap_or_default();
    let value = text(ContextKind::InvalidValue);
    let arg = command.get_arguments().find(|arg| arg.get_long().is_some_and(|long| option == format!("--{long}")));
    let name = arg.and_then(|arg| variable_with(arg, &value)).unwrap_or(option.into());
    let is_switch = arg.is_some_and(|arg| !arg.get_action().takes_values());
    let quoted = format!("{value:?}");
    let (named, with_value): (Values<'_>, Values<'_>) = (&[("name", &name)], &[("name", &name), ("value", &quoted)]);
    let example = example(command, option);
    match error.kind() {
        // Only a variable gives a switch a value, and its name is enough.
        ErrorKind::ValueValidation if is_switch => wrong_usage("switch", with_value),
        // The value parser has written the rest of the sentence.
        ErrorKind::ValueValidation => {
            let rest = error.source().map(ToString::to_string).unwrap_or_default();
            wrong_usage("wrong", &[("name", &name), ("rest", &rest)]).advising(example)
        }
        ErrorKind::InvalidValue if option.is_empty() => empty_path(command),
        // Clap reports a missing value as an empty one.
        ErrorKind::InvalidValue if value.is_empty() => wrong_usage("needs value", named).advising(example),
        ErrorKind::InvalidValue => {
            let words = text(ContextKind::ValidValue);
            wrong_usage("words", &[("name", &name), ("words", &words), ("value", &quoted)]).advising(example)
        }
        ErrorKind::TooManyValues => wrong_usage("no value", with_value),
        // `--spa app.html` would serve app.html, so a value must stand after "=".
        ErrorKind::NoEquals => wrong_usage("equals", named).advising(example),
        // A path too many; "-" alone is one as well.
        ErrorKind::UnknownArgument if !option.starts_with('-') || option == "-" => second_path(command, &argument),
        ErrorKind::UnknownArgument => unknown_option(command, option, &text(ContextKind::SuggestedArg)),
        ErrorKind::MissingRequiredArgument => {
            let values: Values<'_> = &[("tool", &command.get_name()), ("argument", &argument)];
            wrong_usage("missing", values).advising(see_all(command))
        }
        // Clap's own sentence is the first paragraph of its message.
        _ => {
            let message = error.to_string();
            let sentence = message.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            wrong_usage("other", &[("sentence", &sentence)]).advising(see_all(command))
        }
    }
}

/// The error about one path more than is taken.
fn second_path(command: &Command, path: &str) -> StartError {
    let quoted = format!("{path:?}");
    match tool(command) {
        Some(tool) => wrong_usage("second file", &[("tool", &tool), ("path", &quoted)]).advising(see_all(command)),
        None => wrong_usage("second path", &[("path", &quoted), ("typed", &path)]),
    }
}

/// The error about an option that does not exist. `near` is one that is alike, if there is one.
fn unknown_option(command: &Command, option: &str, near: &str) -> StartError {
    let error = match tool(command) {
        Some(tool) => wrong_usage("no option of tool", &[("tool", &tool), ("option", &option)]),
        None => wrong_usage("no option", &[("option", &option)]),
    };
    error.advising(if near.is_empty() { see_all(command) } else { TEXTS.say("near option", &[("near", &near)]) })
}

/// The error about a path that is empty, such as a variable of a script that is not set.
fn empty_path(command: &Command) -> StartError {
    match tool(command) {
        Some(_) => wrong_usage("empty file", &[]).advising(see_all(command)),
        None => wrong_usage("empty path", &[]),
    }
}

/// The environment variable of an option, if it is set to the refused `value`.
fn variable_with(arg: &Arg, value: &str) -> Option<String> {
    // Clap reads the variable only when the option is not typed, but its error does not tell where the value is from.
    let name = arg.get_env()?.to_str()?;
    let set = std::env::var(name).ok()?;
    (set == value).then(|| name.into())
}

/// The example in the help of an option, as advice.
fn example(command: &Command, option: &str) -> String {
    let title = tool(command).map_or(option.into(), |tool| format!("{tool} {option}"));
    let example = help_section(&title).and_then(|text| Some(text.split_once("Example: ")?.1.to_string()));
    example.map_or(see_all(command), |example| TEXTS.say("example", &[("example", &example)]))
}

/// `explain` or `send`; `None` for the server.
fn tool(command: &Command) -> Option<&str> {
    Some(command.get_name()).filter(|name| *name != "barewire")
}

/// The advice where there is no better one.
fn see_all(command: &Command) -> String {
    match tool(command) {
        Some(tool) => TEXTS.say("see all of tool", &[("tool", &tool)]),
        None => TEXTS.say("see all", &[]),
    }
}

/// Where each value came from: the command line, the environment, or the definition.
struct Origins<'a>(&'a ArgMatches);

impl Origins<'_> {
    /// Checks the options that only make sense together, and fills in what depends on others. Errors: the first
    /// contradiction found, as an error of exit code 2.
    fn check(&self, options: &mut Options) -> Result<(), StartError> {
        // `--write` is short for all three rights.
        if options.write.write {
            (options.write.upload, options.write.overwrite, options.write.delete) = (true, true, true);
        }
        self.check_lines()?;
        self.check_listen(&mut options.listen)?;
        self.check_log(options)?;
        self.check_trust(options)?;
        self.check_study(options)?;
        self.check_access(options)
    }

    /// Only a variable holds one value a line. A line break in a typed value was not meant: a script may have put text
    /// of others into it, which must not become a field of its own.
    fn check_lines(&self) -> Result<(), StartError> {
        for id in ["bind", "index", "header", "auth", "host", "trust", "wire_hide"] {
            let mut values = self.0.get_raw(id).into_iter().flatten();
            if self.is_typed(id) && values.any(|value| value.as_encoded_bytes().contains(&b'\n')) {
                let name = self.name(id);
                return Err(wrong_usage("line break", &[("name", &name)]).advising(example(&command(), &name)));
            }
        }
        Ok(())
    }

    /// `--log off` and `--log-file`.
    fn check_log(&self, options: &Options) -> Result<(), StartError> {
        let is_off = options.output.log == Some(LogFormat::Off);
        match is_off && options.output.log_file.is_some() {
            true => Err(wrong_usage("log is off", &[("name", &self.name("log_file"))])),
            false => Ok(()),
        }
    }

    /// The options of the wire view; the head timeout, which `--study` makes longer.
    fn check_study(&self, options: &mut Options) -> Result<(), StartError> {
        let study = &options.study;
        for (option, is_given) in [("--wire", study.wire.is_some()), ("--study", study.study)] {
            if is_given && !cfg!(feature = "wire") {
                return Err(wrong_usage("no view", &[("option", &option)]));
            }
        }
        // The view shows the secrets of all clients that connect.
        let addresses = options.listen.addresses();
        let is_local = !options.listen.lan && addresses.iter().all(|address| address.ip().is_loopback());
        if study.wire_secrets && !is_local {
            return Err(wrong_usage("secrets of others", &[]));
        }
        // An option without effect is a mistake, so it is refused.
        // A recorded request is sent again over TCP, and the browser opens an address.
        let has_address = !addresses.is_empty() || options.listen.bind.concat().is_empty();
        for (id, is_given) in [("study", study.study), ("open", study.open)] {
            if is_given && !has_address {
                return Err(wrong_usage("view without address", &[("name", &self.name(id))]));
            }
        }
        for (id, is_given) in [("wire_port", study.wire_port.is_some()), ("wire_memory", study.wire_memory.is_some())] {
            if is_given && !study.study {
                return Err(wrong_usage("view is off", &[("name", &self.name(id))]));
            }
        }
        // Port 0 is never the same port twice.
        if let (Some(port @ 1..), true) = (study.wire_port, study.wire_port == options.listen.port) {
            return Err(wrong_usage("same port", &[("name", &self.name("wire_port")), ("port", &port)]));
        }
        // A default that depends on another option: clap has filled in its own one.
        if study.study && self.0.value_source("head_timeout") == Some(ValueSource::DefaultValue) {
            options.limits.head_timeout = STUDY_HEAD_TIMEOUT;
        }
        Ok(())
    }

    /// The name of an option as it was given: the option itself or its variable.
    fn name(&self, id: &str) -> String {
        match self.0.value_source(id) {
            Some(ValueSource::EnvVariable) => format!("BAREWIRE_{}", id.to_uppercase()),
            _ => format!("--{}", id.replace('_', "-")),
        }
    }

    /// Whether the option stands on the command line.
    fn is_typed(&self, id: &str) -> bool {
        self.0.value_source(id) == Some(ValueSource::CommandLine)
    }
}

/// An error of the command line: this row of the texts.
fn wrong_usage(name: &str, values: Values<'_>) -> StartError {
    StartError::of(Exit::Usage, name, values)
}
