//! Annotated messages as text that is safe to show: terminal, JSON, HTML.

pub(crate) mod flow;
pub mod html;
pub mod json;
pub(crate) mod layout;
pub(crate) mod line;
pub mod look;
pub(crate) mod sentences;
pub(crate) mod style;
pub mod terminal;
