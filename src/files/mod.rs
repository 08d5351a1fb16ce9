//! From path to representation.
pub mod listing;
pub mod site;

pub use site::{Settings, Site};
