//! The modules of the program; the table in `main.rs` says what each contains.

pub(crate) mod access;
pub(crate) mod banner;
pub(crate) mod error;
pub(crate) mod explain;
pub(crate) mod folder;
pub(crate) mod landlock;
pub(crate) mod listen;
pub(crate) mod options;
pub(crate) mod port_owner;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod stream_writer;
pub(crate) mod study;
pub(crate) mod wire_view;
