//! The program: reads the command line, runs one of its commands, and returns the exit code.
//!
//! | file of `program` | contents |
//! |---|---|
//! | `options` | the command line and the environment, as a checked configuration |
//! | `error` | errors that end the program: sentence, advice, exit code; `texts.txt`, which has all sentences |
//! | `serve` | the server: the order of all steps from the options to the end |
//! | `folder` | the folder or file that is served |
//! | `listen` | the listening sockets; which program holds a port that is taken |
//! | `unix_socket` | the socket of `--bind unix:PATH` |
//! | `zone` | the interfaces of link-local addresses |
//! | `access` | users, passwords and host names |
//! | `log_file` | the file of the access log |
//! | `landlock` | what the kernel keeps the process from touching |
//! | `banner` | the texts at the start and at the end |
//! | `wire_view`, `study` | what the sockets carry, in a terminal and in a browser; writes that never block |
//! | `metrics` | counts for Prometheus |
//! | `explain`, `send` | the other two commands |

mod program {
    pub(crate) mod access;
    pub(crate) mod banner;
    pub(crate) mod error;
    pub(crate) mod explain;
    pub(crate) mod folder;
    pub(crate) mod hang_up;
    pub(crate) mod landlock;
    pub(crate) mod listen;
    pub(crate) mod log_file;
    pub(crate) mod metrics;
    pub(crate) mod options;
    pub(crate) mod send;
    pub(crate) mod serve;
    pub(crate) mod study;
    pub(crate) mod unix_socket;
    pub(crate) mod wire_view;
    pub(crate) mod zone;
}

use std::process::ExitCode;

use program::{explain, options, send, serve};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match words.first().and_then(|word| word.to_str()) {
        Some("explain") => options::read_tool(&words).and_then(explain::run),
        Some("send") => options::read_tool(&words).and_then(send::run),
        Some("help") => options::help(&words[1..]).map(|()| ExitCode::SUCCESS),
        _ => options::read().and_then(serve::run).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| error.report())
}
