//! The command lines of `barewire explain` and `barewire send`.
//!
//! They are chosen by the first word, before the server's own command line is read. A folder of that name is still
//! served as `./explain`.

use std::path::PathBuf;
use std::time::Duration;

use barewire::http::Method;
use barewire::wire::RedactOptions;
use clap::Parser;

use crate::program::options::value::{self, count, word};
use crate::program::{error::Color, options::definition::COLORS};

/// Explain saved request or response bytes
///
/// Shows every byte in its place, as the server reads it. Bytes that begin with HTTP/ are read as
/// responses, all others as requests. Secrets are hidden, as in the view of a running server.
///
/// Exit codes: 0 well formed, 1 broken or cut off (with FILE:offset: reason), 2 wrong usage, 4 cannot
/// read a file.
#[derive(Debug, Parser)]
#[command(name = "explain", bin_name = "barewire explain", max_term_width = 80)]
pub(crate) struct Explain {
    /// The bytes; - is standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    pub(crate) file: PathBuf,
    /// Read them as requests
    #[arg(long, conflicts_with = "response")]
    pub(crate) request: bool,
    /// Read them as responses
    #[arg(long)]
    pub(crate) response: bool,
    /// The method of the requests to which the responses belong
    #[arg(long = "for", value_name = "METHOD", default_value = "GET", value_parser = value::method)]
    pub(crate) method: Method,
    /// What the client sent, to be read together with --out
    #[arg(long = "in", value_name = "FILE", conflicts_with_all = ["file", "request", "response"])]
    pub(crate) input: Option<PathBuf>,
    /// What the server sent
    #[arg(long = "out", value_name = "FILE", conflicts_with_all = ["file", "request", "response"])]
    pub(crate) output: Option<PathBuf>,
    /// A file that curl --trace wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "input", "output", "request", "response"])]
    pub(crate) curl_trace: Option<PathBuf>,
    /// Read LF alone as CR LF, because a text editor may have changed the line ends
    #[arg(long)]
    pub(crate) fix_newlines: bool,
    /// One more field whose value is hidden; may be repeated
    #[arg(long, value_name = "NAME", value_parser = value::field_name)]
    wire_hide: Vec<String>,
    /// Do not hide secrets
    #[arg(long)]
    wire_secrets: bool,
    /// One JSON object for each message
    #[arg(long, conflicts_with = "html")]
    pub(crate) json: bool,
    /// One HTML page that needs no other file
    #[arg(long)]
    pub(crate) html: bool,
    /// Use only ASCII characters
    #[arg(long)]
    pub(crate) ascii: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = word(&COLORS))]
    pub(crate) color: Color,
}

/// Send raw bytes, cut where you like, and see the response
///
/// LF alone is sent as CR LF, unless --raw is given. The response is explained.
#[derive(Debug, Parser)]
#[command(name = "send", bin_name = "barewire send", max_term_width = 80)]
pub(crate) struct Send {
    /// The server
    #[arg(value_name = "HOST:PORT")]
    pub(crate) to: String,
    /// The bytes; - is standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    pub(crate) file: PathBuf,
    /// Send in pieces, cut before these bytes
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = count(1..=u64::from(u32::MAX)))]
    pub(crate) cut: Vec<usize>,
    /// Milliseconds between the pieces
    #[arg(long, value_name = "MS", default_value = "100", value_parser = value::gap)]
    pub(crate) gap: Duration,
    /// Stay connected until the server closes, or Ctrl-C
    #[arg(long)]
    pub(crate) hold: bool,
    /// Send every byte as it is, LF alone too
    #[arg(long)]
    pub(crate) raw: bool,
    /// Print the response as it is, without explanation
    #[arg(long)]
    pub(crate) plain: bool,
    /// Use only ASCII characters
    #[arg(long)]
    pub(crate) ascii: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = word(&COLORS))]
    pub(crate) color: Color,
}

impl Explain {
    pub(crate) fn redact(&self) -> RedactOptions {
        // A saved file is the user's own, so secrets may be shown without further conditions.
        if self.wire_secrets { RedactOptions::off() } else { RedactOptions::with_fields(&self.wire_hide) }
    }
}
