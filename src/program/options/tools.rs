//! The command lines of `barewire explain` and `barewire send`.
//!
//! Never: the disk, the network; that is for the tools themselves.
//!
//! The subtle thing: they are read before the server's own command line, by their first word. A folder
//! of that name is still served as `./explain`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use barewire::http::Method;
use barewire::wire::RedactOptions;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Parser};

use crate::program::error::{Exit, StartError};
use crate::program::options::definition::Color;
use crate::program::options::value;
use crate::program::options::value::Unfit;

/// Gaps between pieces: more than a minute is longer than any server waits.
const GAP: std::ops::RangeInclusive<u64> = 0..=60_000;

const HIDE: &str = "barewire explain --wire-hide X-Session saved.bin";
const CUT: &str = "barewire send localhost:8080 --cut 8,28 ask.bin";

/// Explain saved request or response bytes
///
/// Every byte in its place, as the server reads it. What begins with HTTP/ is read as responses, all
/// else as requests. Secrets are hidden, as in the view of a running server.
///
/// Exit codes: 0 well formed, 1 broken or cut off (with FILE:offset: reason), 2 wrong usage, 4 cannot
/// read a file.
#[derive(Debug, Parser)]
#[command(name = "explain", bin_name = "barewire explain", max_term_width = 80)]
struct ExplainTyped {
    /// The bytes; - is standard input [default: -]
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// Read them as requests
    #[arg(long, conflicts_with = "response")]
    request: bool,
    /// Read them as responses
    #[arg(long)]
    response: bool,
    /// The method of the requests that responses answer [default: GET]
    #[arg(long = "for", value_name = "METHOD")]
    method: Option<String>,
    /// What the client sent, to be read together with --out
    #[arg(long = "in", value_name = "FILE", conflicts_with_all = ["file", "request", "response"])]
    input: Option<PathBuf>,
    /// What the server sent
    #[arg(long = "out", value_name = "FILE", conflicts_with_all = ["file", "request", "response"])]
    output: Option<PathBuf>,
    /// A file that curl --trace wrote
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "input", "output", "request", "response"])]
    curl_trace: Option<PathBuf>,
    /// Read a line end that is LF alone as CR LF, as a text editor may have left it
    #[arg(long)]
    fix_newlines: bool,
    /// A field whose value is hidden too; may be repeated
    #[arg(long, value_name = "NAME")]
    wire_hide: Vec<String>,
    /// Hide no secrets
    #[arg(long)]
    wire_secrets: bool,
    /// One JSON object for each message
    #[arg(long, conflicts_with = "html")]
    json: bool,
    /// One page that needs nothing else
    #[arg(long)]
    html: bool,
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// Send raw bytes, cut where you like, and see the answer
///
/// A line end that is LF alone is sent as CR LF, unless --raw. The answer is explained.
#[derive(Debug, Parser)]
#[command(name = "send", bin_name = "barewire send", max_term_width = 80)]
struct SendTyped {
    /// Where to
    #[arg(value_name = "HOST:PORT")]
    to: String,
    /// The bytes; - is standard input [default: -]
    #[arg(value_name = "FILE|-")]
    file: Option<PathBuf>,
    /// Send in pieces, cut before these bytes
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    cut: Vec<String>,
    /// Milliseconds between the pieces [default: 100]
    #[arg(long, value_name = "MS")]
    gap: Option<String>,
    /// Stay connected until the server closes, or Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Send every byte as it is
    #[arg(long)]
    raw: bool,
    /// Print the answer as it is
    #[arg(long)]
    plain: bool,
    /// Draw with ASCII only
    #[arg(long)]
    ascii: bool,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: Color,
}

/// Where bytes come from.
#[derive(Debug)]
pub(crate) enum Direction {
    /// One file, whose first bytes tell what it is.
    Guess(Option<PathBuf>),
    /// One file of requests.
    Requests(Option<PathBuf>),
    /// One file of responses.
    Responses(Option<PathBuf>),
    /// Both sides of a conversation.
    Both(Option<PathBuf>, Option<PathBuf>),
    /// Both sides, as curl wrote them down.
    CurlTrace(PathBuf),
}

/// What to explain, and how.
#[derive(Debug)]
pub(crate) struct Explain {
    pub(crate) from: Direction,
    pub(crate) method: Method,
    pub(crate) fix_newlines: bool,
    pub(crate) hide: RedactOptions,
    pub(crate) json: bool,
    pub(crate) html: bool,
    pub(crate) ascii: bool,
    pub(crate) color: Color,
}

/// What to send, and how.
#[derive(Debug)]
pub(crate) struct Send {
    pub(crate) to: String,
    pub(crate) file: Option<PathBuf>,
    pub(crate) cuts: Vec<usize>,
    pub(crate) gap: Duration,
    pub(crate) hold: bool,
    pub(crate) raw: bool,
    pub(crate) plain: bool,
    pub(crate) ascii: bool,
    pub(crate) color: Color,
}

/// Reads the command line of `explain`.
pub(crate) fn explain(words: &[OsString]) -> Result<Explain, StartError> {
    let typed: ExplainTyped = parse("explain", words)?;
    let method = match typed.method.as_deref().map(|name| Method::of(name.as_bytes())) {
        None => Method::Get,
        Some(Method::Other) => {
            return Err(StartError::new(Exit::Usage, "--for takes the name of a method, as in a request line.")
                .advising("For example:  barewire explain --for HEAD answer.bin"));
        }
        Some(method) => method,
    };
    let from = match (typed.curl_trace, typed.input, typed.output) {
        (Some(trace), ..) => Direction::CurlTrace(trace),
        (None, None, None) if typed.request => Direction::Requests(typed.file),
        (None, None, None) if typed.response => Direction::Responses(typed.file),
        (None, None, None) => Direction::Guess(typed.file),
        (None, input, output) => Direction::Both(input, output),
    };
    let names = typed.wire_hide.iter().map(|text| judge("--wire-hide", value::field_name(text), text, HIDE));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    let hide = if typed.wire_secrets { RedactOptions::off() } else { RedactOptions::with_fields(&names) };
    let ExplainTyped { fix_newlines, json, html, ascii, color, .. } = typed;
    Ok(Explain { from, method, fix_newlines, hide, json, html, ascii, color })
}

/// Reads the command line of `send`.
pub(crate) fn send(words: &[OsString]) -> Result<Send, StartError> {
    let typed: SendTyped = parse("send", words)?;
    let number = |option, text: &str, range| judge(option, value::number(text, range), text, CUT);
    let mut cuts = Vec::new();
    for text in &typed.cut {
        cuts.push(number("--cut", text, 1..=u64::from(u32::MAX))? as usize);
    }
    cuts.sort_unstable();
    cuts.dedup();
    let gap = typed.gap.as_deref().map_or(Ok(100), |text| number("--gap", text, GAP))?;
    let SendTyped { to, file, hold, raw, plain, ascii, color, .. } = typed;
    Ok(Send { to, file, cuts, gap: Duration::from_millis(gap), hold, raw, plain, ascii, color })
}

/// What an option was given, or the complaint that it takes something else.
fn judge<T>(option: &str, value: Result<T, Unfit>, text: &str, example: &str) -> Result<T, StartError> {
    value.map_err(|unfit| {
        let what = match unfit {
            Unfit::Takes(what) => format!("{option} takes {what}, not {text:?}."),
            Unfit::Because(why) => format!("{option} {why}"),
        };
        StartError::new(Exit::Usage, what).advising(format!("For example:  {example}"))
    })
}

/// Their definitions, for the manual and the completions.
pub(crate) fn commands() -> [Command; 2] {
    [ExplainTyped::command(), SendTyped::command()]
}

fn parse<T: Parser + CommandFactory>(name: &str, words: &[OsString]) -> Result<T, StartError> {
    T::try_parse_from(words).map_err(|error| {
        if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
            let _ = error.print();
            process::exit(0);
        }
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            Some(ContextValue::Strings(texts)) => texts.join(" "),
            _ => String::new(),
        };
        let option = text(ContextKind::InvalidArg);
        let near = text(ContextKind::SuggestedArg);
        let what = match error.kind() {
            ErrorKind::UnknownArgument if option.starts_with('-') => format!("{name} has no option {option}."),
            ErrorKind::UnknownArgument => format!("{name} takes one file, {option:?} is one too many."),
            ErrorKind::ArgumentConflict => format!("{option} and {} exclude each other.", text(ContextKind::PriorArg)),
            ErrorKind::MissingRequiredArgument => format!("{name} needs {option}."),
            ErrorKind::InvalidValue => format!("{option} does not take {:?}.", text(ContextKind::InvalidValue)),
            _ => format!("the command line of {name} cannot be understood."),
        };
        let advice = match near.as_str() {
            "" => format!("See all options:  barewire {name} --help"),
            near => format!("Did you mean {near} ?"),
        };
        StartError::new(Exit::Usage, what).advising(advice)
    })
}
