//! The program as its users meet it: its messages, its exit codes, its options and tools.
//!
//! Every test runs the real binary. Every wait is for an event (a line, a connection, an end), never for a time.
//! Also here: the programs of `examples/`, and the commands that the pages of `public/learn/` print ([`labs`]).

#[path = "../support/mod.rs"]
mod support;

mod completions;
mod documents;
mod examples;
mod explain_and_send;
mod features;
mod labs;
mod limits_and_sandbox;
mod log_file;
mod manual;
mod metrics;
mod packaging;
mod passwords;
mod ports;
mod program;
mod proxies;
mod secrets;
mod served_folder;
mod start_and_stop;
mod start_screen;
mod unix_socket;
mod usage;
mod variables;
mod wire_display;
mod wire_output;
