//! The real server, driven with raw sockets.
//!
//! Every test starts the binary that `cargo` built, with a port and a folder of its own, and speaks to it byte by byte.
//! Some run the server as a library in this process ([`support::library`]). Nothing is shared, so tests run at once and
//! in any order. No client library hides what is on the wire, and tests wait for events, not for a time.
//!
//! [`support::response::Response`] is a strict reader. It checks on every single response what must hold for all of
//! them (one Date, no byte too many, `Allow` on 405 …), so a test only has to say what is special about its case.

#[path = "../support/mod.rs"]
mod support;

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub, dead_code, reason = "it is a crate of its own, of which these tests use a part")]
mod fuzz;

#[path = "../../examples/embedding/main.rs"]
#[allow(dead_code, reason = "its tests, and not its main, belong to these")]
mod embedding;

mod access_log;
mod broken_requests;
mod cache_freshness;
mod changed_root;
mod close_reasons;
mod conditional;
mod conformance;
mod containment;
mod corpus_over_sockets;
mod cross_origin;
mod delete;
mod disk_full;
mod faults;
mod file_names;
mod file_systems;
mod files;
mod fuzzed;
mod hosts;
mod hot_file;
mod imports;
mod leaks;
mod listing;
mod load;
mod lookup_sharing;
mod methods;
mod mounted;
mod odd_file_systems;
mod options;
mod order_of_answers;
mod overload;
mod passwords;
mod persistence;
mod post;
mod practice_routes;
mod promises;
mod protocol;
mod public_items;
mod put;
mod ranges;
mod recorded_uploads;
mod redirects;
mod refusals;
mod request_syntax;
mod response_fields;
mod scripted_responses;
mod slow_clients;
mod stopping;
mod streamed_responses;
mod study;
mod syscalls;
mod tcp_segments;
mod texts;
mod timeouts;
mod trust;
mod upload_aborts;
mod upload_memory;
mod upload_races;
mod upload_rules;
mod wire_annotations;
mod wire_terminal;
mod write_faults;
