//! The program: reads the command line, runs one of three commands, and returns the exit code.
//!
//! | file of `program` | contents |
//! |---|---|
//! | `options` | the command line and the environment, as a checked configuration |
//! | `error` | errors that end the program: sentence, advice, exit code |
//! | `serve` | the server: the order of all steps from the options to the end |
//! | `folder` | the folder or file that is served |
//! | `listen`, `port_owner` | the listening sockets; who holds a port that is taken |
//! | `access` | users, passwords and host names |
//! | `landlock` | what the kernel keeps the process from touching |
//! | `banner` | the texts at the start and at the end |
//! | `stream_writer` | standard error and standard output while serving: writes that never block |
//! | `wire_view`, `study` | what the sockets carry, in a terminal and in a browser |
//! | `explain`, `send` | the other two commands |

mod program;

use std::process::ExitCode;

use program::options;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let result = match words.first().and_then(|word| word.to_str()) {
        Some("explain") => options::read_tool(&words).and_then(program::explain::run),
        Some("send") => options::read_tool(&words).and_then(program::send::run),
        _ => options::read().and_then(program::serve::run).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| error.report())
}
