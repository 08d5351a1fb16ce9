//! The program: what was typed becomes a running server, and how it ended becomes an exit code.
//!
//! | file | one line |
//! |---|---|
//! | `options` | what was typed, checked, as a configuration |
//! | `complaint` | every way to fail before serving: sentence, advice, exit code |
//! | `access` | who may speak: passwords, names, and the guard they make |
//! | `folder` | which folder or file is served, and what it is called |
//! | `listen` | addresses and ports, and who holds them |
//! | `fence` | what the kernel keeps this process from touching |
//! | `banner` | what is said at the start and at the end |
//! | `aside` | what is said in between, without waiting for whoever reads it |
//! | `view` | the wire: who is told of it, and standard output |
//! | `study` | the wire in a browser |
//! | `explain` | saved bytes, explained |
//! | `send` | raw bytes to a server, and its answer |
//! | `serve` | the order in which all of that happens |

mod program;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    let done = match words.first().and_then(|word| word.to_str()) {
        Some("explain") => program::options::explain(&words).and_then(program::explain::run),
        Some("send") => program::options::send(&words).and_then(program::send::run),
        _ => program::options::read().and_then(program::serve::run).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|complaint| complaint.say())
}
