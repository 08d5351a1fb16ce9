//! Changing files over HTTP: PUT, POST and DELETE.

pub(crate) mod checks;
pub(crate) mod delete;
pub(crate) mod file_name;
pub(crate) mod post;
pub(crate) mod put;
pub mod rights;
