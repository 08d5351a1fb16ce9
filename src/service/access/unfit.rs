//! Why somebody cannot be added to those who may sign in: for the person at the command line.
//!
//! Never: a password or a hash in a sentence. It ends up on a terminal, in a log, in a ticket.

use std::fmt;

/// Why somebody cannot be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub why: Why,
}

/// What is wrong with a user to be added. Never shows a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing separates user and password.
    NoColon,
    /// A control byte, which no client may send.
    Control,
    /// The password is empty.
    NoPassword,
    /// The password is a bcrypt hash.
    HashAsPassword,
    /// This user is there already.
    Twice(String),
    /// Not bcrypt, but this.
    OtherHash(&'static str),
    /// Bcrypt, but incomplete or with characters that do not belong there.
    BrokenHash,
    /// A cost outside 4 to 17.
    Cost,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match &self.why {
            Why::NoColon => f.write_str("there is no colon between user and password"),
            Why::Control => f.write_str("there is a control character in it, which no client can send"),
            Why::NoPassword => f.write_str("the password is empty"),
            Why::HashAsPassword => {
                f.write_str("that is a hash and not a password; hashes belong in a file (--auth-file)")
            }
            Why::Twice(user) => write!(f, "the user {user:?} is there twice"),
            Why::OtherHash(kind) => write!(f, "{kind}; only bcrypt is taken (htpasswd -B makes it)"),
            Why::BrokenHash => f.write_str("the bcrypt hash is damaged"),
            Why::Cost => f.write_str("the cost of the bcrypt hash is not between 04 and 17"),
        }
    }
}

impl std::error::Error for Unfit {}
