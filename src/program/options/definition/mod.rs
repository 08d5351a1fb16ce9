//! What can be typed: one definition for the parser, `--help`, the man page and the completions.
//!
//! The first sentence of each option is its line; the paragraph behind it and the example are shown
//! by `--help` and in the manual. Options of a group stand together and in the order of `-h`.
//!
//! Never: a default that depends on the machine, and no value but words from a list is judged: that
//! happens in `options`, which knows whether a value came from the command line or the environment.

mod views;

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Parser, ValueHint};
use clap_complete::Shell;

pub(crate) use crate::program::options::choices::Log;
pub(crate) use crate::program::options::choices::{AuthFor, Color, Symlinks, Wire};
pub(crate) use views::Views;

const WHERE: &str = "Where";
const WHAT: &str = "What";
const WRITE: &str = "Write";
const WHO: &str = "Who";
const LIMITS: &str = "Limits";
const OUTPUT: &str = "Output";

/// Serve a folder, or one file, over HTTP/1.1
///
/// Nothing but this computer can connect, unless --lan or --bind opens it. Nothing can be changed over
/// the network, unless --upload, --overwrite, --delete or --write allows it.
///
/// Every option can also be given as an environment variable: BAREWIRE_PORT=9000 for --port 9000. Where
/// an option may be repeated, a variable holds one value a line. The command line wins; an empty
/// variable counts as none. No configuration file is read, least of all one out of the served folder.
#[derive(Debug, Parser)]
#[command(
    name = "barewire",
    version,
    args_override_self = true,
    max_term_width = 80,
    next_line_help = true,
    after_long_help = "Exit codes: 0 stopped on request, 1 failed while running, 2 wrong usage, 3 cannot listen, \
        4 cannot serve the folder, 130 and 143 stopped at once by a second Ctrl-C or TERM."
)]
pub(crate) struct Typed {
    /// The folder to serve, or one file
    ///
    /// Without it: ./public if there is such a folder, else the folder you are in. A file is served
    /// alone: / redirects to it, and nothing else is there.
    ///
    /// Example: barewire ~/site
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub(crate) path: Option<PathBuf>,

    /// The port [default: 8080, or the next free one up to 8099]
    ///
    /// A port that is given must be free. 0 lets the system choose one, which is then printed.
    ///
    /// Example: barewire -p 9000
    #[arg(short, long, value_name = "N", env = "BAREWIRE_PORT", help_heading = WHERE, allow_negative_numbers = true)]
    pub(crate) port: Option<String>,

    /// An address to listen on; may be repeated [default: 127.0.0.1 and ::1]
    ///
    /// All addresses get the same port. 0.0.0.0 is every IPv4 address of this computer, :: every IPv6
    /// address.
    ///
    /// Example: barewire -b 192.168.1.20
    #[arg(short, long, value_name = "ADDR", env = "BAREWIRE_BIND", help_heading = WHERE)]
    pub(crate) bind: Vec<String>,

    /// Listen on all addresses: everyone on your network can connect
    ///
    /// The start screen lists the URLs that others can use.
    ///
    /// Example: barewire --lan ~/photos
    #[arg(long, env = "BAREWIRE_LAN", help_heading = WHERE, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) lan: bool,

    /// The file that stands for its folder; may be repeated [default: index.html, index.htm]
    ///
    /// The first one that exists is served in place of a list of the folder.
    ///
    /// Example: barewire --index README.html
    #[arg(long, value_name = "NAME", env = "BAREWIRE_INDEX", help_heading = WHAT)]
    pub(crate) index: Vec<String>,

    /// Show no lists of folders
    ///
    /// A folder without index file is then 404.
    ///
    /// Example: barewire --no-listing
    #[arg(long, env = "BAREWIRE_NO_LISTING", help_heading = WHAT, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) no_listing: bool,

    /// Serve names that begin with a dot
    ///
    /// Without it they are neither listed nor found, since .git and .env hold secrets; only
    /// /.well-known/ is served always.
    ///
    /// Example: barewire --dotfiles
    #[arg(long, env = "BAREWIRE_DOTFILES", help_heading = WHAT, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) dotfiles: bool,

    /// Which symbolic links are followed
    ///
    /// The kernel decides where a link leads, so a link that is swapped at the wrong moment leads
    /// nowhere else either.
    ///
    /// Example: barewire --symlinks deny
    #[arg(long, value_name = "WHICH", env = "BAREWIRE_SYMLINKS", help_heading = WHAT, default_value = "inside")]
    pub(crate) symlinks: Symlinks,

    /// Answer unknown paths with FILE [default: index.html]
    ///
    /// For applications that route in the browser. Only requests that accept HTML get FILE, so a missing
    /// image is still 404.
    ///
    /// Example: barewire --spa=app.html dist
    #[arg(long, value_name = "FILE", env = "BAREWIRE_SPA", help_heading = WHAT, num_args = 0..=1, require_equals = true, default_missing_value = "index.html")]
    pub(crate) spa: Option<String>,

    /// Add a field to every answer; may be repeated
    ///
    /// It replaces a field of the server of the same name. Fields that say how the message is sent
    /// (Content-Length, Transfer-Encoding, Connection, Date) cannot be set.
    ///
    /// Example: barewire -H 'X-Robots-Tag: noindex'
    #[arg(short = 'H', long, value_name = "'NAME: VALUE'", env = "BAREWIRE_HEADER", help_heading = WHAT)]
    pub(crate) header: Vec<String>,

    /// Let pages of other origins read [default: any origin]
    ///
    /// Without it a browser keeps pages from elsewhere out. An origin that is named may also write, where
    /// writing is on. Where a password is asked for, it must be named.
    ///
    /// Example: barewire --cors=http://localhost:3000
    #[arg(long, value_name = "ORIGIN", env = "BAREWIRE_CORS", help_heading = WHAT, num_args = 0..=1, require_equals = true, default_missing_value = "*")]
    pub(crate) cors: Option<String>,

    /// How long answers may be kept: revalidate, off or SECONDS
    ///
    /// revalidate: keep them, but ask each time whether they are still true, which costs a 304 and no
    /// content. off: never keep them. SECONDS: believe them for so long.
    ///
    /// Example: barewire --cache 3600
    #[arg(long, value_name = "HOW", env = "BAREWIRE_CACHE", help_heading = WHAT, default_value = "revalidate", allow_negative_numbers = true)]
    pub(crate) cache: String,

    /// Let others add files
    ///
    /// By PUT, and by forms. Folders that are missing are made. A name that is taken is refused (409), or
    /// gets a number when a form brings it. A file appears only when all of it is on the disk.
    ///
    /// Example: barewire --lan --upload inbox
    #[arg(short, long, env = "BAREWIRE_UPLOAD", help_heading = WRITE, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) upload: bool,

    /// Let others replace files
    ///
    /// The old file stays until all of the new one is on the disk.
    ///
    /// Example: barewire --overwrite
    #[arg(long, env = "BAREWIRE_OVERWRITE", help_heading = WRITE, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) overwrite: bool,

    /// Let others remove files and empty folders
    ///
    /// Example: barewire --delete
    #[arg(long, env = "BAREWIRE_DELETE", help_heading = WRITE, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) delete: bool,

    /// All three: --upload, --overwrite and --delete
    ///
    /// Example: barewire -w notes
    #[arg(short, long, env = "BAREWIRE_WRITE", help_heading = WRITE, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) write: bool,

    /// The largest upload
    ///
    /// A larger one is refused (413) before its content is sent. One that does not fit on the disk is
    /// refused in any case (507).
    ///
    /// Example: barewire --upload --max-body 500M
    #[arg(long, value_name = "SIZE", env = "BAREWIRE_MAX_BODY", help_heading = WRITE, default_value = "16G", allow_negative_numbers = true)]
    pub(crate) max_body: String,

    /// Let in only those who know a password; may be repeated
    ///
    /// The password ends up in the list of processes, where every user of this computer can read it:
    /// BAREWIRE_AUTH or --auth-file keep it out of there. Whoever fails ten times within a minute waits;
    /// whoever has signed in already does not notice. Without TLS in front, a password can be read by
    /// everybody between here and the browser.
    ///
    /// Example: barewire --auth ann:secret
    #[arg(short, long, value_name = "USER:PASS", env = "BAREWIRE_AUTH", help_heading = WHO)]
    pub(crate) auth: Vec<String>,

    /// Let in the users of an htpasswd file
    ///
    /// One user a line, hashed with bcrypt; other hashes are refused. The file is read once, at start,
    /// and must not lie in the served folder. Make it with: htpasswd -B -c FILE ann
    ///
    /// Example: barewire --auth-file ~/passwords
    #[arg(long, value_name = "FILE", env = "BAREWIRE_AUTH_FILE", help_heading = WHO, value_hint = ValueHint::FilePath)]
    pub(crate) auth_file: Option<PathBuf>,

    /// What the password is asked for [default: all]
    ///
    /// all: everything. write: only changes, and only those that --upload, --overwrite or --delete allow;
    /// everybody may read.
    ///
    /// Example: barewire --upload --auth ann:secret --auth-for write
    #[arg(long, value_name = "WHAT", env = "BAREWIRE_AUTH_FOR", help_heading = WHO)]
    pub(crate) auth_for: Option<AuthFor>,

    /// A name this server answers for; may be repeated
    ///
    /// Addresses, localhost and this computer's own name always work. Other names are refused (421) when
    /// only this computer can connect, or when writing, a password or --study is on: else any web page
    /// could reach this server under a name of its own. A proxy that passes the public name on needs it
    /// here. Without port, as the browser sends it (xn--… for other letters); * is any name.
    ///
    /// Example: barewire --host files.example.org
    #[arg(long, value_name = "NAME", env = "BAREWIRE_HOST", help_heading = WHO)]
    pub(crate) host: Vec<String>,

    /// Most connections at once [default: three quarters of the open files allowed]
    ///
    /// One more is answered 503 at once. The rest of the open files is for files being sent.
    ///
    /// Example: barewire --max-connections 5000
    #[arg(long, value_name = "N", env = "BAREWIRE_MAX_CONNECTIONS", help_heading = LIMITS, allow_negative_numbers = true)]
    pub(crate) max_connections: Option<String>,

    /// Most connections of one client [default: a quarter of --max-connections]
    ///
    /// An IPv6 client is its /64 network. Clients on this computer are not counted, since a proxy in
    /// front would look like one.
    ///
    /// Example: barewire --lan --max-per-client 100
    #[arg(long, value_name = "N", env = "BAREWIRE_MAX_PER_CLIENT", help_heading = LIMITS, allow_negative_numbers = true)]
    pub(crate) max_per_client: Option<String>,

    /// The longest request head
    ///
    /// A longer one is 431.
    ///
    /// Example: barewire --max-head 32K
    #[arg(long, value_name = "SIZE", env = "BAREWIRE_MAX_HEAD", help_heading = LIMITS, default_value = "16K", allow_negative_numbers = true)]
    pub(crate) max_head: String,

    /// How long a request head may take, all in all
    ///
    /// The clock starts with the first byte and is not set back by the next ones, so a client that
    /// drips bytes cannot hold a connection. Typing a request by hand takes longer than the default, so
    /// with --study it is 120s unless it is given.
    ///
    /// Example: barewire --head-timeout 60s
    #[arg(long, value_name = "TIME", env = "BAREWIRE_HEAD_TIMEOUT", help_heading = LIMITS, default_value = "10s", allow_negative_numbers = true)]
    pub(crate) head_timeout: String,

    /// How long a connection may wait for its next request
    ///
    /// Example: barewire --idle-timeout 5s
    #[arg(long, value_name = "TIME", env = "BAREWIRE_IDLE_TIMEOUT", help_heading = LIMITS, default_value = "30s", allow_negative_numbers = true)]
    pub(crate) idle_timeout: String,

    /// Bytes per second a client must send, over 20 seconds, or take, over 80
    ///
    /// A slower one is cut off, and one that takes nothing at all for 40 seconds, whatever is said here. 0
    /// lets everyone else be as slow as they like. The system shows what a client has taken in steps of up
    /// to 256K, so one that takes less than about 7K a second may look as if it took nothing.
    ///
    /// Example: barewire --min-rate 512
    #[arg(long, value_name = "SIZE", env = "BAREWIRE_MIN_RATE", help_heading = LIMITS, default_value = "1K", allow_negative_numbers = true)]
    pub(crate) min_rate: String,

    /// How long running answers may go on after Ctrl-C
    ///
    /// Idle connections are closed at once. A second Ctrl-C ends everything at once.
    ///
    /// Example: barewire --grace 60s
    #[arg(long, value_name = "TIME", env = "BAREWIRE_GRACE", help_heading = LIMITS, default_value = "10s", allow_negative_numbers = true)]
    pub(crate) grace: String,

    /// Event loops, each a thread [default: the number of cores]
    ///
    /// Example: barewire --loops 1
    #[arg(long, value_name = "N", env = "BAREWIRE_LOOPS", help_heading = LIMITS, allow_negative_numbers = true)]
    pub(crate) loops: Option<String>,

    /// Threads for work that waits for the disk [default: the number of cores, at least 4]
    ///
    /// Example: barewire --workers 16
    #[arg(long, value_name = "N", env = "BAREWIRE_WORKERS", help_heading = LIMITS, allow_negative_numbers = true)]
    pub(crate) workers: Option<String>,

    #[command(flatten)]
    pub(crate) views: Views,

    /// Say nothing at start and end
    ///
    /// Errors, warnings and the access log stay.
    ///
    /// Example: barewire -q
    #[arg(short, long, env = "BAREWIRE_QUIET", help_heading = OUTPUT, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) quiet: bool,

    /// Say more, on standard error
    ///
    /// RUST_LOG chooses in detail, as in env_logger.
    ///
    /// Example: barewire -v
    #[arg(short, long, env = "BAREWIRE_VERBOSE", help_heading = OUTPUT, action = ArgAction::SetTrue, value_parser = BoolishValueParser::new())]
    pub(crate) verbose: bool,

    /// The access log, on standard output [default: short on a terminal, else combined]
    ///
    /// In addresses, what is a secret by its name (?token=, ?password= and the like) is shown as stars.
    ///
    /// Example: barewire --log json >access.log
    #[arg(long, value_name = "FORMAT", env = "BAREWIRE_LOG", help_heading = OUTPUT)]
    pub(crate) log: Option<Log>,

    /// When to use colors
    ///
    /// NO_COLOR is honoured.
    ///
    /// Example: barewire --color never
    #[arg(long, value_name = "WHEN", env = "BAREWIRE_COLOR", help_heading = OUTPUT, default_value = "auto")]
    pub(crate) color: Color,

    /// Print the completions for a shell, and exit
    ///
    /// Example: barewire --completions fish >~/.config/fish/completions/barewire.fish
    #[arg(long, value_name = "SHELL", help_heading = OUTPUT)]
    pub(crate) completions: Option<Shell>,

    /// Print the manual page, and exit
    ///
    /// Example: barewire --man >barewire.1
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) man: bool,
}
