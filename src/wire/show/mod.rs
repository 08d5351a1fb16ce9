//! Explained messages as text that is safe to show: in a terminal, as JSON, as a page of HTML.
//!
//! `sentences` makes every sentence about a message, so that all outputs say the same. [`rows`] puts the
//! bytes of a message beside their notes; the terminal and the HTML page show these rows. Bytes of the
//! network become text only through `crate::service::text::visible`, so that no output can carry
//! a control sequence, a bidirectional override or a hidden character of a client.

pub mod json;
pub mod layout;
pub(crate) mod lines;
pub mod rows;
pub(crate) mod sentences;
pub mod terminal;
