//! The definition of the command line, from which the parser, `--help`, the manual page and the completions are made.
//!
//! The doc comment of a field is the first line of its help; the rest stands in `long_help.txt`. The value parsers
//! yield the final types; [`check`] looks at options that only make sense together. Options stand in the order of
//! `-h`, in a struct for each of its groups.
//!
//! Nothing can be changed over the network unless an option says so, and none of the three rights includes another one;
//! `--write` is short for all of them.
//!
//! [`check`]: crate::program::options

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use barewire::files::{CacheControl, Symlinks};
use barewire::http::Limits;
use barewire::net::LogFormat;
use barewire::service::Credentials;
use barewire::service::access::proxies::ClientSource;
use barewire::wire::{ViewFormat, record::memory::WireMemory};
use clap::builder::{BoolishValueParser, Resettable};
use clap::{Arg, ArgAction, Args, Command, CommandFactory, Parser, ValueHint};
use clap_complete::Shell;
use ipnet::IpNet;

use crate::program::error::Color;
use crate::program::options::listen::ListenOptions;
use crate::program::options::value::{self, Lines, count, lines, size, word};
use crate::program::options::{LAST_SECTIONS, USAGE, help_section};

/// What a password is needed for. The methods that need it are chosen in `access`, since they depend on the rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthFor {
    /// Every request.
    All,
    /// Requests that change something.
    Write,
}

const AUTH_FOR: [(&str, &str, AuthFor); 2] =
    [("all", "Everything", AuthFor::All), ("write", "Changes only", AuthFor::Write)];

const TRUST_FIELDS: [(&str, &str, ClientSource); 2] = [
    ("x-forwarded-for", "A list of addresses", ClientSource::XForwardedFor),
    ("forwarded", "The standard one, RFC 7239", ClientSource::Forwarded),
];

const SYMLINKS: [(&str, &str, Symlinks); 3] = [
    ("inside", "Relative ones that stay under the folder", Symlinks::Inside),
    ("deny", "None", Symlinks::Deny),
    ("any", "All, wherever they lead", Symlinks::Any),
];

const FORMS: [(&str, &str, ViewFormat); 4] = [
    ("line", "One line for each exchange", ViewFormat::Line),
    ("head", "What recv() returned, and heads", ViewFormat::Head),
    ("full", "Bodies too, explained every time", ViewFormat::Full),
    ("json", "One JSON object for each event", ViewFormat::Json),
];

const LOG_FORMATS: [(&str, &str, LogFormat); 5] = [
    ("short", "One line for people", LogFormat::Short),
    ("common", "As Apache writes it", LogFormat::Common),
    ("combined", "The same with referrer and browser", LogFormat::Combined),
    ("json", "One JSON object on each line", LogFormat::Json),
    ("off", "None", LogFormat::Off),
];

pub(crate) const COLORS: [(&str, &str, Color); 3] =
    [("auto", "On a terminal", Color::Auto), ("always", "Always", Color::Always), ("never", "Never", Color::Never)];

/// Serve a folder, or one file, over HTTP/1.1
///
/// Only this computer can connect, unless --lan or --bind opens the server. Nothing can be changed over
/// the network, unless --upload, --overwrite, --delete or --write allows it.
///
/// Every option can also be given as an environment variable: BAREWIRE_PORT=9000 for --port 9000. If an
/// option may be repeated, its variable has one value on each line. The command line wins; an empty
/// variable counts as none. No configuration file is read.
// No `Debug`: there are passwords in it, which must never be printed.
#[derive(Parser)]
#[command(
    name = "barewire",
    version,
    args_override_self = true,
    max_term_width = 80,
    next_line_help = true,
    override_usage = USAGE,
    after_long_help = LAST_SECTIONS
)]
pub(crate) struct Options {
    /// The folder to serve, or one file
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) listen: ListenOptions,
    #[command(flatten)]
    pub(crate) files: FileOptions,
    #[command(flatten)]
    pub(crate) write: WriteOptions,
    #[command(flatten)]
    pub(crate) access: AccessOptions,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) study: StudyOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// How the files are served.
#[derive(Debug, Args)]
#[command(next_help_heading = "What")]
pub(crate) struct FileOptions {
    /// The file that is served for its folder; may be repeated [default: index.html, index.htm]
    #[arg(long, value_name = "NAME", value_parser = lines(value::file_name))]
    pub(crate) index: Vec<Lines<String>>,
    /// Do not list folders
    #[arg(long)]
    pub(crate) no_listing: bool,
    /// Serve names that begin with a dot
    #[arg(long)]
    pub(crate) dotfiles: bool,
    /// Which symbolic links are followed
    #[arg(long, value_name = "WHICH", default_value = "inside", value_parser = word(&SYMLINKS))]
    pub(crate) symlinks: Symlinks,
    /// Send FILE for unknown paths [default: index.html]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "index.html", value_parser = value::file_below)]
    pub(crate) spa: Option<String>,
    /// Add a field to every response; may be repeated
    #[arg(short = 'H', long, value_name = "'NAME: VALUE'", value_parser = lines(value::field))]
    pub(crate) header: Vec<Lines<(String, String)>>,
    /// Let pages of other origins read the responses [default: any origin]
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = "*", value_parser = value::origin)]
    pub(crate) cors: Option<String>,
    /// How long clients may keep responses: revalidate, off or SECONDS
    #[arg(long, value_name = "HOW", default_value = "revalidate", value_parser = value::cache)]
    pub(crate) cache: CacheControl,
}

/// Which changes others may make to the files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Write")]
pub(crate) struct WriteOptions {
    /// Let others add files
    #[arg(short, long)]
    pub(crate) upload: bool,
    /// Let others replace files
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Let others remove files and empty folders
    #[arg(long)]
    pub(crate) delete: bool,
    /// All three: --upload, --overwrite and --delete
    #[arg(short, long)]
    pub(crate) write: bool,
    /// The largest upload
    // No disk has more than 1024 TiB.
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = size(1..=1 << 50))]
    pub(crate) max_body: u64,
    /// The memory for unfinished uploads of all clients together
    // Less is many small writes, and a computer of 32 bits has no more.
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = size(1 << 20..=1 << 31))]
    pub(crate) upload_memory: u64,
}

/// Who may use the server. It is not `Debug`: there are passwords in it.
#[derive(Args)]
#[command(next_help_heading = "Who")]
pub(crate) struct AccessOptions {
    /// Ask for this name and password; may be repeated
    #[arg(short, long, value_name = "USER:PASS")]
    pub(crate) auth: Vec<String>,
    /// Ask for a user of this htpasswd file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) auth_file: Option<PathBuf>,
    /// What needs the password [default: all]
    #[arg(long, value_name = "WHAT", value_parser = word(&AUTH_FOR))]
    pub(crate) auth_for: Option<AuthFor>,
    /// A host name that this server accepts; may be repeated
    #[arg(long, value_name = "NAME", value_parser = lines(value::host))]
    pub(crate) host: Vec<Lines<String>>,
    /// Believe the proxy at this address or network about who its clients are; may be repeated
    #[arg(long, value_name = "ADDR", value_parser = lines(value::network))]
    pub(crate) trust: Vec<Lines<IpNet>>,
    /// The field in which a trusted proxy names its client [default: x-forwarded-for]
    #[arg(long, value_name = "FIELD", value_parser = word(&TRUST_FIELDS))]
    pub(crate) trust_field: Option<ClientSource>,
    /// Trusted proxies name their clients in a PROXY header
    #[arg(long)]
    pub(crate) proxy_protocol: bool,
    /// Let everybody ask for /.health [default: only programs on this computer]
    #[arg(long)]
    pub(crate) health: bool,
    /// The users of `auth`, which is emptied when they are read: no password stays in memory in clear.
    #[arg(skip)]
    pub(crate) credentials: Credentials,
    /// What a password is needed for, if for anything.
    #[arg(skip)]
    pub(crate) password_for: Option<AuthFor>,
    /// A password was given on the command line, where `ps` shows it.
    #[arg(skip)]
    pub(crate) is_visible: bool,
}

/// How much of the machine the clients may use. `None` depends on the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitOptions {
    /// Most connections at once [default: three quarters of the open files allowed]
    // A million is what a machine can be set up for.
    #[arg(long, value_name = "N", value_parser = count(1..=1 << 20))]
    pub(crate) max_connections: Option<usize>,
    /// Most connections of one client [default: a quarter of --max-connections]
    // A million is what a machine can be set up for.
    #[arg(long, value_name = "N", value_parser = count(1..=1 << 20))]
    pub(crate) max_per_client: Option<usize>,
    /// The longest request head
    // Enough for a request line and Host, and at most what positions in a message can hold.
    #[arg(long, value_name = "SIZE", default_value = "16K", value_parser = size(1024..=Limits::HEAD_CEILING as u64))]
    pub(crate) max_head: u64,
    /// How long a request head may take as a whole
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time)]
    pub(crate) head_timeout: Duration,
    /// How long a connection may wait for its next request
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = value::time)]
    pub(crate) idle_timeout: Duration,
    /// Bytes per second that a client must send (over 20 seconds) or receive (over 80)
    // No client is faster than a gigabyte per second.
    #[arg(long, value_name = "SIZE", default_value = "1K", value_parser = size(0..=1 << 30))]
    pub(crate) min_rate: u64,
    /// How long a client may read nothing of a response
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = value::time)]
    pub(crate) send_timeout: Duration,
    /// How long running responses may take after Ctrl-C
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = value::time_or_zero)]
    pub(crate) grace: Duration,
    /// How long to accept connections after TERM, while /.health says 503
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = value::time_or_zero)]
    pub(crate) drain_delay: Duration,
    /// Event loops, each a thread [default: the number of cores]
    // No machine has more cores.
    #[arg(long, value_name = "N", value_parser = count(1..=256))]
    pub(crate) loops: Option<usize>,
    /// Jobs of each kind that may run at once on one file system [default: the number of cores, at least 4]
    // A client always leaves one worker free, so with a single worker it could have none.
    #[arg(long, value_name = "N", value_parser = count(2..=1024))]
    pub(crate) workers: Option<usize>,
}

/// The views of the wire, in a terminal and in a browser.
#[derive(Debug, Args)]
#[command(next_help_heading = "Study")]
pub(crate) struct StudyOptions {
    /// Show what the sockets carry, on standard output [default: head]
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "head", value_parser = word(&FORMS))]
    pub(crate) wire: Option<ViewFormat>,
    /// Show what the sockets carry, in a browser
    #[arg(long)]
    pub(crate) study: bool,
    /// Open the browser
    #[arg(long)]
    pub(crate) open: bool,
    /// The port of the view in a browser [default: the one after --port, or the next free one]
    #[arg(long, value_name = "N", value_parser = value::port)]
    pub(crate) wire_port: Option<u16>,
    /// The memory for all that the view in a browser keeps [default: 16M]
    // More is never read.
    #[arg(long, value_name = "SIZE", value_parser = size(WireMemory::LEAST.0 as u64..=1 << 30))]
    pub(crate) wire_memory: Option<u64>,
    /// One more field whose value is hidden; may be repeated
    #[arg(long, value_name = "NAME", value_parser = lines(value::field_name))]
    pub(crate) wire_hide: Vec<Lines<String>>,
    /// Do not hide secrets
    #[arg(long)]
    pub(crate) wire_secrets: bool,
    /// Read files and send() them, instead of sendfile()
    #[arg(long)]
    pub(crate) no_sendfile: bool,
    /// Use only ASCII characters
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// What the program prints.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print nothing at the start and the end
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print more, on standard error
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The access log, on standard output [default: short on a terminal, else combined]
    #[arg(long, value_name = "FORMAT", value_parser = word(&LOG_FORMATS))]
    pub(crate) log: Option<LogFormat>,
    /// Append the access log to a file; HUP opens it again
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log_file: Option<PathBuf>,
    /// Serve counts for Prometheus at http://ADDR/metrics
    #[arg(long, value_name = "ADDR", value_parser = value::metrics_address)]
    pub(crate) metrics: Option<SocketAddr>,
    /// When to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = word(&COLORS))]
    pub(crate) color: Color,
    /// Print the completions for a shell, and exit
    #[arg(long, value_name = "SHELL")]
    pub(crate) completions: Option<Shell>,
    /// Print the manual page, and exit
    #[arg(long)]
    pub(crate) man: bool,
}

impl LimitOptions {
    pub(crate) fn limits(&self) -> Limits {
        Limits::with(|limits| {
            // The option is at most `HEAD_CEILING`, which fits.
            limits.head = self.max_head as usize;
            // A target must fit into the head, or it would be refused with the wrong status.
            limits.target = limits.target.min(limits.head);
        })
    }
}

impl StudyOptions {
    /// The memory of the view.
    pub(crate) fn memory(&self) -> WireMemory {
        /// Some thousand exchanges.
        const DEFAULT: u64 = 16 << 20;
        match self.study {
            true => WireMemory(self.wire_memory.unwrap_or(DEFAULT) as usize),
            false => WireMemory::WITHOUT_HISTORY,
        }
    }
}

impl WriteOptions {
    /// The option that allows changes, if one was given.
    pub(crate) fn option(&self) -> Option<&'static str> {
        // For an error about it. `--write` first: with it the others are superfluous.
        let options = [
            (self.write, "--write"),
            (self.upload, "--upload"),
            (self.overwrite, "--overwrite"),
            (self.delete, "--delete"),
        ];
        options.into_iter().find_map(|(given, name)| given.then_some(name))
    }

    /// The option by which others decide what files contain, if one was given. Then pages are sandboxed.
    pub(crate) fn content_option(&self) -> Option<&'static str> {
        self.option().filter(|_| self.upload || self.overwrite)
    }
}

/// The definition as clap takes it: every option gets its long help and its variable, `BAREWIRE_PORT` for `--port`.
pub(crate) fn command() -> Command {
    Options::command().mut_args(|arg| {
        let title = arg.get_long().map_or("PATH".into(), |long| format!("--{long}"));
        let Some(section) = help_section(&title) else { return arg };
        let first_line = arg.get_help().map(ToString::to_string).unwrap_or_default();
        with_variable(arg.long_help(format!("{first_line}\n\n{section}")))
    })
}

/// Adds the environment variable of an option.
fn with_variable(arg: Arg) -> Arg {
    /// These print something and exit.
    const ACTIONS: [&str; 2] = ["completions", "man"];
    let Some(long) = arg.get_long().filter(|long| !ACTIONS.contains(long)) else { return arg };
    let name = format!("BAREWIRE_{}", long.replace('-', "_").to_uppercase());
    // Kubernetes sets BAREWIRE_PORT=tcp://10.0.0.1:80 beside a Service called "barewire". The user did not
    // write that, so it counts as not set, as an empty variable does.
    let is_ignored = std::env::var_os(&name).is_some_and(|value| {
        value.is_empty() || name == "BAREWIRE_PORT" && value.as_encoded_bytes().starts_with(b"tcp://")
    });
    let arg = match arg.get_action() {
        // A variable has words for a switch, such as "yes" and "off".
        ArgAction::SetTrue => arg.value_parser(BoolishValueParser::new()),
        // "-1" is a wrong value that deserves its own error, and not an unknown option.
        _ => arg.allow_negative_numbers(true),
    };
    if is_ignored { arg.env(Resettable::Reset) } else { arg.env(name).hide_env_values(true) }
}
