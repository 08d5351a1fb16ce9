//! Helpers that the test programs share: each of them includes this module by its path.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub(crate) mod client;
pub(crate) mod corpus;
pub(crate) mod folder;
pub(crate) mod library;
pub(crate) mod mutants;
pub(crate) mod response;
pub(crate) mod server;
pub(crate) mod uploads;
