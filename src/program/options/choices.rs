//! Values that are words of a list.
//!
//! The text of each is its help.
//!
//! Never: a word with two meanings; a default (it stands at its option).
//!
//! The subtle thing: the parser lists these words in `--help`, in the complaint about another one, and
//! in the completions of every shell, so each is written once.

use clap::ValueEnum;

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Symlinks {
    /// Relative ones that stay under the folder
    Inside,
    /// None
    Deny,
    /// All, wherever they lead
    Any,
}

/// What credentials are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AuthFor {
    /// Everything
    All,
    /// Changes alone
    Write,
}

/// How much of the wire is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// One line for each exchange
    Line,
    /// What recv() returned, and heads
    Head,
    /// Bodies too, every note every time
    Full,
    /// One JSON object for each event
    Json,
}

/// Formats of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Log {
    /// One line for people
    Short,
    /// As Apache writes it
    Common,
    /// The same with referrer and browser
    Combined,
    /// One JSON object a line
    Json,
    /// None
    Off,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
