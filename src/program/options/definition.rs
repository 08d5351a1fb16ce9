//! The definition of the command line, from which the parser, `--help`, the manual page and the completions are made.
//!
//! The doc comment of a field is its help: the first line stands in lists, all of it in `--help` and in the
//! manual. The value parsers yield the final types; [`check`] looks at options that only make sense
//! together. Options stand in the order of `-h`, in a struct for each of its groups.
//!
//! [`check`]: crate::program::options

use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use barewire::http::Limits;
use barewire::net::{LogFormat, Timeouts};
use barewire::wire::ViewFormat;
use clap::builder::Resettable;
use clap::{Args, Command, CommandFactory, Parser, ValueHint};
use clap_complete::Shell;

use crate::program::error::Color;
use crate::program::options::content::{AccessOptions, FileOptions, WriteOptions};
use crate::program::options::value;
use crate::program::options::value::{Lines, bytes, count, lines, one, word};

/// Event loops. No machine has more cores.
const LOOPS: RangeInclusive<u64> = 1..=256;
/// Workers. Slow jobs always leave one worker free, so a single worker could never take one.
const WORKERS: RangeInclusive<u64> = 2..=1024;
/// Connections: a million, which is what a machine can be set up for.
const CONNECTIONS: RangeInclusive<u64> = 1..=1 << 20;
/// The head of a request: enough for a request line and Host, and at most what positions in a message can hold.
const HEAD: RangeInclusive<u64> = 1024..=Limits::HEAD_CEILING as u64;
/// Bytes per second: no client is faster than a gigabyte.
const RATE: RangeInclusive<u64> = 0..=1 << 30;
/// The history of the wire view: less than a page of exchanges is useless, more is never read.
const MEMORY: RangeInclusive<u64> = 1 << 20..=1 << 30;

/// The values of `--wire`.
const FORMS: [(&str, &str, ViewFormat); 4] = [
    ("line", "One line for each exchange", ViewFormat::Line),
    ("head", "What recv() returned, and heads", ViewFormat::Head),
    ("full", "Bodies too, every note every time", ViewFormat::Full),
    ("json", "One JSON object for each event", ViewFormat::Json),
];

/// The values of `--log`.
const LOG_FORMATS: [(&str, &str, LogFormat); 5] = [
    ("short", "One line for people", LogFormat::Short),
    ("common", "As Apache writes it", LogFormat::Common),
    ("combined", "The same with referrer and browser", LogFormat::Combined),
    ("json", "One JSON object a line", LogFormat::Json),
    ("off", "None", LogFormat::Off),
];

/// The values of `--color`.
pub(crate) const COLORS: [(&str, &str, Color); 3] =
    [("auto", "On a terminal", Color::Auto), ("always", "Always", Color::Always), ("never", "Never", Color::Never)];

/// Serve a folder, or one file, over HTTP/1.1
///
/// Nothing but this computer can connect, unless --lan or --bind opens it. Nothing can be changed over
/// the network, unless --upload, --overwrite, --delete or --write allows it.
///
/// Every option can also be given as an environment variable: BAREWIRE_PORT=9000 for --port 9000. Where
/// an option may be repeated, a variable holds one value a line. The command line wins; an empty
/// variable counts as none. No configuration file is read, least of all one out of the served folder.
// No `Debug`: there are passwords in it, which must never be printed.
#[derive(Parser)]
#[command(
    name = "barewire",
    version,
    args_override_self = true,
    max_term_width = 80,
    next_line_help = true,
    after_long_help = "Exit codes: 0 stopped on request, 1 failed while running, 2 wrong usage, 3 cannot listen, \
        4 cannot serve the folder, 130 and 143 stopped at once by a second Ctrl-C or TERM."
)]
pub(crate) struct Options {
    /// The folder to serve, or one file
    ///
    /// Without it: ./public if there is such a folder, else the folder you are in. A file is served
    /// alone: / redirects to it, and nothing else is there.
    ///
    /// Example: barewire ~/site
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

/// The addresses and the port of the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where")]
pub(crate) struct ListenOptions {
    /// The port [default: 8080, or the next free one up to 8099]
    ///
    /// A port that is given must be free. 0 lets the system choose one, which is then printed.
    ///
    /// Example: barewire -p 9000
    #[arg(short, long, value_name = "N", value_parser = one(value::port))]
    pub(crate) port: Option<u16>,

    /// An address to listen on; may be repeated [default: 127.0.0.1 and ::1]
    ///
    /// All addresses get the same port. 0.0.0.0 is every IPv4 address of this computer, :: every IPv6
    /// address.
    ///
    /// Example: barewire -b 192.168.1.20
    #[arg(short, long, value_name = "ADDR", value_parser = lines(value::address))]
    pub(crate) bind: Vec<Lines<IpAddr>>,

    /// Listen on all addresses: everyone on your network can connect
    ///
    /// The start screen lists the URLs that others can use.
    ///
    /// Example: barewire --lan ~/photos
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) lan: bool,
}

/// How much of the machine the clients may use. `None` depends on the machine.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitOptions {
    /// Most connections at once [default: three quarters of the open files allowed]
    ///
    /// One more is answered 503 at once. The rest of the open files is for files being sent.
    ///
    /// Example: barewire --max-connections 5000
    #[arg(long, value_name = "N", value_parser = count(CONNECTIONS))]
    pub(crate) max_connections: Option<usize>,

    /// Most connections of one client [default: a quarter of --max-connections]
    ///
    /// An IPv6 client is its /64 network. Clients on this computer are not counted, since a proxy in
    /// front would look like one.
    ///
    /// Example: barewire --lan --max-per-client 100
    #[arg(long, value_name = "N", value_parser = count(CONNECTIONS))]
    pub(crate) max_per_client: Option<usize>,

    /// The longest request head
    ///
    /// A longer one is 431.
    ///
    /// Example: barewire --max-head 32K
    #[arg(long, value_name = "SIZE", default_value = "16K", value_parser = bytes(HEAD))]
    pub(crate) max_head: u64,

    /// How long a request head may take, all in all
    ///
    /// The clock starts with the first byte and is not set back by the next ones, so a client that
    /// drips bytes cannot hold a connection. Typing a request by hand takes longer than the default, so
    /// with --study it is 120s unless it is given.
    ///
    /// Example: barewire --head-timeout 60s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = one(value::time))]
    pub(crate) head_timeout: Duration,

    /// How long a connection may wait for its next request
    ///
    /// Example: barewire --idle-timeout 5s
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = one(value::time))]
    pub(crate) idle_timeout: Duration,

    /// Bytes per second a client must send, over 20 seconds, or take, over 80
    ///
    /// A slower one is cut off, and one that takes nothing at all for 40 seconds, whatever is said here. 0
    /// lets everyone else be as slow as they like. The system shows what a client has taken in steps of up
    /// to 256K, so one that takes less than about 7K a second may look as if it took nothing.
    ///
    /// Example: barewire --min-rate 512
    #[arg(long, value_name = "SIZE", default_value = "1K", value_parser = bytes(RATE))]
    pub(crate) min_rate: u64,

    /// How long running answers may go on after Ctrl-C
    ///
    /// Idle connections are closed at once. A second Ctrl-C ends everything at once.
    ///
    /// Example: barewire --grace 60s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = one(value::time_or_zero))]
    pub(crate) grace: Duration,

    /// Event loops, each a thread [default: the number of cores]
    ///
    /// Example: barewire --loops 1
    #[arg(long, value_name = "N", value_parser = count(LOOPS))]
    pub(crate) loops: Option<usize>,

    /// Threads for work that waits for the disk [default: the number of cores, at least 4]
    ///
    /// Example: barewire --workers 16
    #[arg(long, value_name = "N", value_parser = count(WORKERS))]
    pub(crate) workers: Option<usize>,
}

/// The views of the wire, in a terminal and in a browser.
#[derive(Debug, Args)]
#[command(next_help_heading = "Study")]
pub(crate) struct StudyOptions {
    /// Show what the sockets carry, on standard output [default: head]
    ///
    /// line: one line for each exchange. head: what each recv() returned, and the heads, each line
    /// explained the first time it appears. full: bodies too, explained every time. json: one object for
    /// each event. Secrets are hidden. The access log is off, unless --log is given; it then goes to
    /// standard error.
    ///
    /// Example: barewire --wire=full public
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "head", value_parser = word(&FORMS))]
    pub(crate) wire: Option<ViewFormat>,

    /// Show what the sockets carry, in a browser
    ///
    /// On a port of its own that only this computer can reach; the start screen has its address, with the
    /// key to it. The server also gets /.try/, addresses to practise with, and gives a request head 120
    /// seconds, so that it can be typed by hand. Secrets are hidden.
    ///
    /// Example: barewire --study
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) study: bool,

    /// The port of the view in a browser [default: the one behind --port, or the next free one]
    ///
    /// A port that is given must be free. 0 lets the system choose one.
    ///
    /// Example: barewire --study --wire-port 9001
    #[arg(long, value_name = "N", value_parser = one(value::port))]
    pub(crate) wire_port: Option<u16>,

    /// The memory for what the view in a browser can show [default: 16M]
    ///
    /// When it is full, the oldest connection is forgotten. Nothing is ever written to the disk.
    ///
    /// Example: barewire --study --wire-memory 64M
    #[arg(long, value_name = "SIZE", value_parser = bytes(MEMORY))]
    pub(crate) wire_memory: Option<u64>,

    /// A field whose value is hidden too; may be repeated
    ///
    /// Hidden in any case: Authorization, Cookie, Set-Cookie and their kin, and values in queries and
    /// forms that are named password, token, key and the like, wherever they appear again.
    ///
    /// Example: barewire --wire --wire-hide X-Session
    #[arg(long, value_name = "NAME", value_parser = lines(value::field_name))]
    pub(crate) wire_hide: Vec<Lines<String>>,

    /// Hide no secrets
    ///
    /// Refused together with --lan: the secrets of others are not yours to show.
    ///
    /// Example: barewire --wire --wire-secrets
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) wire_secrets: bool,

    /// Read files and send them, instead of letting the kernel do it
    ///
    /// With sendfile() the bytes of a file never pass through the program. Without it, every one of them
    /// is seen in the view, and large files cost more.
    ///
    /// Example: barewire --study --no-sendfile
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) no_sendfile: bool,

    /// Draw with ASCII only
    ///
    /// Example: barewire --wire --ascii
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) ascii: bool,
}

/// What the program prints.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Say nothing at start and end
    ///
    /// Errors, warnings and the access log stay.
    ///
    /// Example: barewire -q
    #[arg(short, long, value_parser = one(value::switch))]
    pub(crate) quiet: bool,

    /// Say more, on standard error
    ///
    /// RUST_LOG chooses in detail, as in env_logger.
    ///
    /// Example: barewire -v
    #[arg(short, long, value_parser = one(value::switch))]
    pub(crate) verbose: bool,

    /// The access log, on standard output [default: short on a terminal, else combined]
    ///
    /// In addresses, what is a secret by its name (?token=, ?password= and the like) is shown as stars.
    ///
    /// Example: barewire --log json >access.log
    #[arg(long, value_name = "FORMAT", value_parser = word(&LOG_FORMATS))]
    pub(crate) log: Option<LogFormat>,

    /// When to use colors
    ///
    /// NO_COLOR is honoured.
    ///
    /// Example: barewire --color never
    #[arg(long, value_name = "WHEN", default_value = "auto", value_parser = word(&COLORS))]
    pub(crate) color: Color,

    /// Print the completions for a shell, and exit
    ///
    /// Example: barewire --completions fish >~/.config/fish/completions/barewire.fish
    #[arg(long, value_name = "SHELL")]
    pub(crate) completions: Option<Shell>,

    /// Print the manual page, and exit
    ///
    /// Example: barewire --man >barewire.1
    #[arg(long)]
    pub(crate) man: bool,
}

impl Options {
    /// The format of the access log.
    pub(crate) fn log_format(&self) -> LogFormat {
        match self.output.log {
            Some(format) => format,
            // The wire view takes its place on standard output.
            None if self.study.wire.is_some() => LogFormat::Off,
            None if io::stdout().is_terminal() => LogFormat::Short,
            None => LogFormat::Combined,
        }
    }
}

impl LimitOptions {
    /// The limits of a message.
    pub(crate) fn limits(&self) -> Limits {
        // The option is at most `HEAD_CEILING`, which fits.
        let (head, default) = (self.max_head as usize, Limits::default());
        // A target must fit into the head, or it would be refused with the wrong status.
        Limits { head, target: default.target.min(head), ..default }
    }

    /// How long each phase of a connection may take.
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            head: self.head_timeout,
            idle: self.idle_timeout,
            min_rate: self.min_rate,
            grace: self.grace,
            ..Timeouts::default()
        }
    }
}

/// The definition as clap takes it: every option gets its variable, `BAREWIRE_PORT` for `--port`.
pub(crate) fn command() -> Command {
    /// These print something and exit.
    const ACTIONS: [&str; 4] = ["completions", "man", "help", "version"];
    Options::command().mut_args(|arg| {
        let Some(long) = arg.get_long().filter(|long| !ACTIONS.contains(long)) else { return arg };
        let name = format!("BAREWIRE_{}", long.replace('-', "_").to_uppercase());
        // Kubernetes sets BAREWIRE_PORT=tcp://10.0.0.1:80 beside a Service called "barewire". The user did not
        // write that, so it counts as not set, as an empty variable does.
        let is_ignored = std::env::var_os(&name).is_some_and(|value| {
            value.is_empty() || name == "BAREWIRE_PORT" && value.as_encoded_bytes().starts_with(b"tcp://")
        });
        // "-1" is a wrong value that deserves its own error, and not an unknown option.
        let takes_value = arg.get_action().takes_values();
        let arg = arg.env(name).hide_env_values(true).allow_negative_numbers(takes_value);
        if is_ignored { arg.env(Resettable::Reset) } else { arg }
    })
}
