//! Every way to fail before serving: what happened and why, what to type, and the exit code.
//!
//! ```text
//! barewire: port 8080 on 127.0.0.1 is already in use (by python3, pid 4711).
//! Use another one:  barewire -p 8081
//! ```
//!
//! Never: a back-trace, an error number without its meaning.
//!
//! The subtle thing: nothing here may fail when standard error is gone. `eprintln!` panics then, which
//! would turn a clear exit code into 101.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::program::options::Color;

/// Exit codes; 130 and 143 (a second signal) are given where signals are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Failed while running.
    Failed = 1,
    /// What was typed cannot be understood.
    Usage = 2,
    /// Cannot listen.
    Listen = 3,
    /// Cannot serve this folder.
    Folder = 4,
}

/// Why there is no server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StartError {
    exit: Exit,
    what: String,
    advice: Option<String>,
    color: bool,
}

impl StartError {
    /// What happened, and why.
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> StartError {
        StartError { exit, what: what.into(), advice: None, color: Color::Auto.on(&io::stderr()) }
    }

    /// The same with what to type.
    pub(crate) fn advising(mut self, advice: impl Into<String>) -> StartError {
        self.advice = Some(advice.into());
        self
    }

    /// The same as `--color` wants it.
    pub(crate) fn colored(mut self, color: Color) -> StartError {
        self.color = color.on(&io::stderr());
        self
    }

    /// Says it on standard error.
    pub(crate) fn say(&self) -> ExitCode {
        let _ = io::stderr().write_all(self.to_string().as_bytes());
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (on, off) = if self.color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        writeln!(f, "{on}barewire:{off} {}", self.what)?;
        match &self.advice {
            Some(advice) => writeln!(f, "{advice}"),
            None => Ok(()),
        }
    }
}

/// One line of warning on standard error.
pub(crate) fn warn(line: &str) {
    let _ = writeln!(io::stderr(), "barewire: {line}");
}
