//! Who may speak to the server, as it was typed: passwords and names.
//!
//! Never: a password in a complaint. It would end up on a terminal, in a log, in a ticket.
//!
//! The subtle thing: options that only mean something together are judged together. A password that
//! is asked for by nobody, or that guards files which are open to every page, is a mistake that would
//! not be noticed before the damage is done.

use std::path::PathBuf;

use barewire::service::Credentials;
use barewire::service::access::unfit;

use crate::program::error::{Exit, StartError};
use crate::program::options::definition::{AuthFor, Typed};
use crate::program::options::value;
use crate::program::options::value::Unfit;
use crate::program::options::{Files, Reader};

/// Who may speak to the server.
pub(crate) struct Access {
    /// Those of `--auth`; those of the file come later.
    pub(crate) credentials: Credentials,
    pub(crate) file: Option<PathBuf>,
    pub(crate) what_for: AuthFor,
    /// The password stands in the list of processes.
    pub(crate) is_typed: bool,
    pub(crate) hosts: Vec<String>,
}

impl Access {
    /// Whether anybody is asked for a password.
    pub(crate) fn is_guarded(&self) -> bool {
        self.file.is_some() || !self.credentials.is_empty()
    }
}

impl Reader<'_> {
    pub(crate) fn access(&self, typed: &Typed, files: &Files) -> Result<Access, StartError> {
        let access = Access {
            credentials: self.credentials(&typed.auth)?,
            file: typed.auth_file.clone(),
            what_for: typed.auth_for.unwrap_or(AuthFor::All),
            is_typed: self.is_typed("auth"),
            hosts: self.each("host", &typed.host, value::host)?,
        };
        let usage = |what: String, advice: &str| Err(StartError::new(Exit::Usage, what).advising(advice));
        let is_guarded = access.is_guarded();
        if typed.auth_for.is_some() && !is_guarded {
            let what = format!("{} says what a password is asked for, but there is none.", self.source("auth_for"));
            return usage(what, "Name one:  barewire --auth ann:secret");
        }
        if typed.auth_for == Some(AuthFor::Write) && files.writing().is_none() {
            let what = format!("{} asks for a password for changes, but none are allowed.", self.source("auth_for"));
            return usage(what, "Allow some:  barewire --upload --auth ann:secret --auth-for write");
        }
        if is_guarded && files.cors.as_deref() == Some("*") {
            let guard = self.source(if access.file.is_some() { "auth_file" } else { "auth" });
            let what = format!("{} opens the files to every page, {guard} closes them.", self.source("cors"));
            return usage(what, "Name the page that may read:  barewire --cors=http://localhost:3000");
        }
        Ok(access)
    }

    /// Those of `--auth`. No complaint repeats what was typed.
    fn credentials(&self, texts: &[String]) -> Result<Credentials, StartError> {
        let mut credentials = Credentials::new();
        let mut add = |text: &str, line: Option<usize>| {
            let read = |text: &str| {
                credentials
                    .add(text)
                    .map_err(|unfit| Unfit::Because(format!("cannot be used: {}.", unfit::Unfit { line, ..unfit })))
            };
            self.judge("auth", text, read)
        };
        for text in texts {
            if self.is_typed("auth") {
                add(text, None)?;
                continue;
            }
            for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
                add(line, Some(at + 1))?;
            }
        }
        if credentials.is_empty() && !texts.is_empty() {
            // To count as none it would have to be empty; as it is, somebody relies on it.
            self.judge("auth", "", |_| Err::<(), _>(Unfit::Because("cannot be used: there is nobody in it.".into())))?;
        }
        Ok(credentials)
    }
}
