//! The command line and the environment, as one checked [`Options`].
//!
//! | file | contents |
//! |---|---|
//! | `definition`, `content` | which options there are, as structs for clap |
//! | `value` | how each value is read; its errors |
//! | this file | what only makes sense together |
//! | `usage` | errors in our words, with an example |
//! | `help` | `-h`, the manual, completions, the table of the README |
//! | `tools` | the command lines of `explain` and `send` |
//!
//! After that only the machine can refuse the configuration: whether a folder exists and a port is free is found out
//! by `serve`. An option on the command line wins over its environment variable, and that over the default.

mod content;
mod definition;
mod help;
mod tools;
mod usage;
mod value;

use std::io;
use std::process;
use std::time::Duration;

use barewire::service::Credentials;
use barewire::service::access::htpasswd::HtpasswdError;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

use crate::program::error::{Exit, StartError};
use crate::program::stream_writer::print;
use definition::command;
use value::ValueError;

pub(crate) use content::{AuthFor, FileOptions, WriteOptions};
pub(crate) use definition::{ListenOptions, Options, StudyOptions};
pub(crate) use tools::{Explain, Send, read as read_tool};

/// The head timeout with `--study`: long enough to type a request by hand.
const STUDY_HEAD_TIMEOUT: Duration = Duration::from_secs(120);

/// Reads the command line and the environment. Prints the help, the manual or completions, if that was asked
/// for, and exits.
pub(crate) fn read() -> Result<Options, StartError> {
    let matches = command().try_get_matches().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Clap does not tell `-h` from `--help`; the text does. Ours of `-h` fits on one screen.
            let is_short = error.to_string() == command().render_help().to_string();
            exit_after(if is_short { print(help::SHORT.as_bytes()) } else { error.print() })
        }
        _ => usage::explain(&error, &command()),
    })?;
    let mut options = Options::from_arg_matches(&matches).map_err(|error| usage::explain(&error, &command()))?;
    // These come before all checks: `--man` works whatever else is set in the environment.
    if let Some(shell) = options.output.completions {
        exit_after(print(&help::completions(command(), tools::commands(), shell)));
    }
    if options.output.man {
        exit_after(help::manual(command(), tools::commands()).and_then(|manual| print(&manual)));
    }
    let checked = Origins(&matches).check(&mut options);
    checked.map_err(|error| error.colored(options.output.color))?;
    Ok(options)
}

/// Exits after something was printed. A closed standard output (`barewire --man | head`) is no failure.
fn exit_after(_printed: io::Result<()>) -> ! {
    process::exit(0);
}

/// Where each value came from: the command line, the environment, or the definition.
struct Origins<'a>(&'a ArgMatches);

impl Origins<'_> {
    /// Checks the options that only make sense together, and fills in what depends on others.
    fn check(&self, options: &mut Options) -> Result<(), StartError> {
        self.check_listen(&mut options.listen)?;
        self.check_study(options)?;
        self.check_access(options)
    }

    /// `--lan` and `--bind`.
    fn check_listen(&self, listen: &mut ListenOptions) -> Result<(), StartError> {
        if !listen.lan || listen.bind.concat().is_empty() {
            return Ok(());
        }
        // Typed options win over variables.
        match (self.is_typed("lan"), self.is_typed("bind")) {
            (true, false) => listen.bind.clear(),
            (false, true) => listen.lan = false,
            _ => {
                let what = "--lan opens every address, --bind only some: they exclude each other.";
                return Err(wrong(what, "Leave out one of them:  barewire --lan"));
            }
        }
        Ok(())
    }

    /// The options of the wire view; the head timeout, which `--study` makes longer.
    fn check_study(&self, options: &mut Options) -> Result<(), StartError> {
        let study = &options.study;
        for (option, is_given) in [("--wire", study.wire.is_some()), ("--study", study.study)] {
            if is_given && !cfg!(feature = "wire") {
                let what = format!("{option}: this barewire was built without the wire view.");
                return Err(wrong(what, "Build it with the view:  cargo install barewire"));
            }
        }
        // The secrets in the view are those of everybody who connects.
        let is_local = !options.listen.lan && options.listen.bind.concat().iter().all(|address| address.is_loopback());
        if study.wire_secrets && !is_local {
            let what = "--wire-secrets would show the secrets of others: not where others can connect.";
            return Err(wrong(what, "Leave it out:  barewire --lan --wire"));
        }
        if study.study {
            // Port 0 is never the same port twice.
            if let (Some(port @ 1..), Some(main)) = (study.wire_port, options.listen.port)
                && port == main
            {
                let what = format!("{} is the port of the server itself.", self.name("wire_port"));
                return Err(wrong(what, format!("Give it another one:  barewire -p {main} --study --wire-port 0")));
            }
            // A default that depends on another option: clap has filled in its own one.
            if self.0.value_source("head_timeout") == Some(ValueSource::DefaultValue) {
                options.limits.head_timeout = STUDY_HEAD_TIMEOUT;
            }
            return Ok(());
        }
        // An option without effect is a mistake, so it is refused.
        for (id, is_given) in [("wire_port", study.wire_port.is_some()), ("wire_memory", study.wire_memory.is_some())] {
            if is_given {
                let what = format!("{} belongs to the view in a browser, which is off.", self.name(id));
                return Err(wrong(what, "Switch it on:  barewire --study"));
            }
        }
        Ok(())
    }

    /// Passwords, and what they are needed for.
    fn check_access(&self, options: &mut Options) -> Result<(), StartError> {
        let access = &mut options.access;
        // Taken out of the options, so that no password in clear outlives this function.
        access.is_visible = self.is_typed("auth");
        access.credentials = self.credentials(&std::mem::take(&mut access.auth))?;
        let has_users = access.auth_file.is_some() || !access.credentials.is_empty();
        access.password_for = has_users.then(|| access.auth_for.unwrap_or(AuthFor::All));
        let password_for = access.password_for;
        // The user believes that there is a password. Do not start without one.
        if access.auth_for.is_some() && password_for.is_none() {
            let what = format!("{} says what a password is asked for, but there is none.", self.name("auth_for"));
            return Err(wrong(what, "Name one:  barewire --auth ann:secret"));
        }
        // Without a right to change files the password would never be asked for, and its owner would not notice.
        if password_for == Some(AuthFor::Write) && options.write.option().is_none() {
            let what = format!("{} asks for a password for changes, but none are allowed.", self.name("auth_for"));
            return Err(wrong(what, "Allow some:  barewire --upload --auth ann:secret --auth-for write"));
        }
        // `*` says that every page may read, the password that only some people may: one of them is a mistake.
        if password_for.is_some() && options.files.cors.as_deref() == Some("*") {
            let guard = self.name(if access.auth_file.is_some() { "auth_file" } else { "auth" });
            let what = format!("{} opens the files to every page, {guard} closes them.", self.name("cors"));
            return Err(wrong(what, "Name the page that may read:  barewire --cors=http://localhost:3000"));
        }
        Ok(())
    }

    /// The users of `--auth`. No error repeats the text, since there is a password in it.
    fn credentials(&self, texts: &[String]) -> Result<Credentials, StartError> {
        // The sentence of `ValueError::Takes` would show the text.
        let fail = |why: String| {
            let error = ValueError::Because(format!("cannot be used: {why}."));
            wrong(error.sentence(&self.name("auth"), ""), usage::example(&command(), "--auth"))
        };
        let mut credentials = Credentials::new();
        for text in texts {
            if self.is_typed("auth") {
                credentials.add(text).map_err(|error| fail(error.to_string()))?;
                continue;
            }
            // A variable holds one user a line.
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
                let failed = |error| fail(HtpasswdError { line: Some(at + 1), ..error }.to_string());
                credentials.add(line).map_err(failed)?;
            }
        }
        if credentials.is_empty() && !texts.is_empty() {
            // A variable that is set but holds no user is a mistake: the user relies on a password.
            return Err(fail("there is nobody in it".into()));
        }
        Ok(credentials)
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

/// An error of the command line: what is wrong, and what to type.
fn wrong(what: impl Into<String>, advice: impl Into<String>) -> StartError {
    StartError::new(Exit::Usage, what).advising(advice)
}
