//! Bytes to annotated messages: the same parser that served a request says what each byte means.

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
