//! Errors that end the program before it serves: what happened, what to type instead, and the exit code.
//!
//! ```text
//! barewire: port 8080 on 127.0.0.1 is already in use (by python3, pid 4711).
//! Use another one:  barewire -p 8081
//! ```
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | stopped on request |
//! | 1 | failed while running; with `explain`: a message is broken |
//! | 2 | wrong usage |
//! | 3 | cannot listen |
//! | 4 | cannot read the folder or file |
//! | 130, 143 | ended at once by a second Ctrl-C or TERM |
//!
//! Every module of the program uses this one, and it uses none of them. Nothing here may fail when standard
//! error is closed: `eprintln!` would panic then and turn a clear exit code into 101.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use barewire::service::texts::{Texts, Values};

/// What the program says, but for its help.
pub(crate) static TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::new(include_str!("texts.txt")));

/// When colors are used (`--color`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    /// Even into a file.
    Always,
    /// Not even on a terminal.
    Never,
}

impl Color {
    /// Whether to color what is written to `stream`.
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let has = |name: &str, test: fn(&OsStr) -> bool| std::env::var_os(name).is_some_and(|v| test(&v));
                // NO_COLOR counts when it is set and not empty (no-color.org).
                stream.is_terminal() && !has("NO_COLOR", |v| !v.is_empty()) && !has("TERM", |v| v == "dumb")
            }
        }
    }
}

/// Exit codes. 129, 130 and 143 (ended by a second signal) are set where signals are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    Listen = 3,
    Folder = 4,
}

/// Why the program ends without having done its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartError {
    /// The exit code that [`StartError::report`] returns.
    exit: Exit,
    /// What happened and why, in sentences with their full stops; printed after "barewire:".
    what: String,
    /// A second line; may be empty.
    advice: String,
    /// Whether the name of the program is printed bold and red.
    color: bool,
}

impl StartError {
    /// `what` is a full sentence: what happened, and why. Until `--color` is known, color depends on the terminal.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> StartError {
        StartError { exit, what: what.into(), advice: String::new(), color: Color::Auto.on(&io::stderr()) }
    }

    /// An error with this row of the texts: what happened, and what to type instead.
    pub(crate) fn of(exit: Exit, name: &str, values: Values<'_>) -> StartError {
        let [what, advice] = TEXTS.row(name, values);
        StartError::new(exit, what).advising(advice)
    }

    /// Adds a second line: what to type instead.
    pub(crate) fn advising(self, advice: impl Into<String>) -> StartError {
        StartError { advice: advice.into(), ..self }
    }

    /// Applies `--color`, once it is known.
    pub(crate) fn colored(self, color: Color) -> StartError {
        StartError { color: color.on(&io::stderr()), ..self }
    }

    /// Prints the error on standard error and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        // Ignore write errors: with standard error closed, the exit code still tells.
        let _ = io::stderr().write_all(self.to_string().as_bytes());
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (on, off) = if self.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        // Only the name is colored: a sentence in red is hard to read.
        writeln!(f, "{on}barewire:{off} {}", self.what)?;
        if self.advice.is_empty() { Ok(()) } else { writeln!(f, "{}", self.advice) }
    }
}

/// Prints one line of warning on standard error.
/// `line` is a sentence without a line end. A write error is ignored: a warning is no reason to stop.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "barewire: {line}");
}

/// Writes to standard output at once. Errors: when standard output is closed or full. Most callers ignore that:
/// `barewire --man | head` is no failure.
pub(crate) fn print(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    // Flushed: standard output has a buffer, which would hold back the end of a text without a line end.
    out.write_all(bytes).and_then(|()| out.flush())
}
