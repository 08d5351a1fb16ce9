//! An exchange as something to take away: a HAR archive, a shell command, a second request.

pub(crate) mod command;
pub(crate) mod har;
pub mod replay;
