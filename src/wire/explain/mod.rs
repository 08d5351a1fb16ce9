//! Bytes to annotated messages: the same parser that served a request says what each byte means.

pub(crate) mod builder;
pub mod conversation;
pub(crate) mod deframed;
pub(crate) mod form;
pub(crate) mod lexer;
pub mod message;
pub mod notes;
pub(crate) mod redact;
pub(crate) mod requests;
pub(crate) mod responses;
pub(crate) mod value;
pub(crate) mod verdict;
