//! The real server, driven with raw sockets.
//!
//! Every test starts the binary that `cargo` built, on a port of its own and a folder of its own, and
//! speaks to it byte by byte. Nothing is shared, so tests may run at once and in any order.
//!
//! Never: a client library that would hide what is on the wire, or a sleep in place of an event.
//! Deadlines are generous ([`crate::support::PATIENCE`]): they end a hang, they do not measure speed.
//!
//! The subtle thing: [`crate::support::response::Response`] is a strict reader. It enforces on every single answer of
//! the whole suite what must hold for all of them (one Date, no byte too many, `Allow` on 405 …), so
//! a test only has to say what is special about its case.

#[path = "../support/mod.rs"]
mod support;

mod access_log;
mod broken_requests;
mod cache_freshness;
mod close_reasons;
mod conditional;
mod connections;
mod containment;
mod corpus_over_sockets;
mod cross_origin;
mod delete;
mod disk_full;
mod faults;
mod file_names;
mod files;
mod hosts;
mod imports;
mod leaks;
mod listing;
mod load;
mod lookup_sharing;
mod methods;
mod options;
mod order_of_answers;
mod overload;
mod passwords;
mod post;
mod practice_routes;
mod protocol;
mod put;
mod ranges;
mod recorded_uploads;
mod refusals;
mod request_syntax;
mod response_fields;
mod scripted_responses;
mod stopping;
mod streamed_responses;
mod study;
mod syscalls;
mod tcp_segments;
mod timeouts;
mod upload_aborts;
mod upload_races;
mod upload_rules;
mod wire_annotations;
mod wire_terminal;
