//! The real server, driven with raw sockets.
//!
//! Every test starts the binary that `cargo` built, on a port of its own and a folder of its own, and
//! speaks to it byte by byte. Nothing is shared, so tests may run at once and in any order.
//!
//! Never: a client library that would hide what is on the wire, or a sleep in place of an event.
//! Deadlines are generous ([`client::PATIENCE`]): they end a hang, they do not measure speed.
//!
//! The subtle thing: [`response::Response`] is a strict reader. It enforces on every single answer of
//! the whole suite what must hold for all of them (one Date, no byte too many, `Allow` on 405 …), so
//! a test only has to say what is special about its case.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod library;
mod response;
mod server;

mod arrivals;
mod cliffs;
mod clocks;
mod conditional;
mod corpus_over_sockets;
mod drain;
mod ended;
mod exchange;
mod faults;
mod files;
mod fresh;
mod guard;
mod imports;
mod leak;
mod listing;
mod log;
mod many;
mod mutants;
mod names;
mod options;
mod overload;
mod practice;
mod protocol;
mod ranges;
mod scripted;
mod segments;
mod streams;
mod study;
mod traced;
mod unlost;
mod uploads;
mod wire_annotations;
mod wire_terminal;
mod write;
