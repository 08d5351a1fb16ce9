//! Bytes of both directions of a connection to annotated, redacted messages.
//!
//! [`conversation`] is the entry. `requests` and `responses` find where messages begin and end; a `builder` collects
//! each of them. `lexer`, `value` and `form` divide its bytes into spans with [`notes`]. `redact` overwrites the secrets
//! (`secrets` finds their values again), and only then a [`message`] leaves this module.

pub mod builder;
pub mod conversation;
pub mod excerpt;
pub(crate) mod form;
pub(crate) mod lexer;
pub mod message;
pub mod notes;
pub(crate) mod redact;
pub(crate) mod requests;
pub(crate) mod responses;
pub(crate) mod secrets;
pub(crate) mod value;
