//! From path to representation.
pub mod site;

pub use site::{Settings, Site};
