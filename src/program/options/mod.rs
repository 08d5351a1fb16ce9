//! The command line: from what was typed to a configuration that is ready to use.
//!
//! Two steps. `typed` says what can be typed, and the parser fills it in; here every value is judged,
//! with its complaint naming the place it came from (`--port` or `BAREWIRE_PORT`), and put into the
//! types the server wants. After this, nothing about the configuration can be wrong except the machine.
//!
//! Never: the disk, the network. Whether a folder exists and a port is free is found out by `serve`.
//!
//! The subtle thing: Kubernetes sets `BAREWIRE_PORT=tcp://10.0.0.1:80` beside a Service called
//! "barewire". That is no port, and not the user's mistake, so it counts as not set.

mod access;
mod choices;
mod definition;
mod help;
mod tools;
mod usage;
mod value;
mod view;

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use barewire::http::Limits;
use barewire::net::{LogFormat, Timeouts};
use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use crate::program::error::{Exit, StartError};
use definition::{Log, Typed};
use value::Unfit;

pub(crate) use access::Access;
pub(crate) use definition::{AuthFor, Color, Symlinks};
pub(crate) use tools::{Direction, Explain, Send, explain, send};
pub(crate) use value::Cache;
pub(crate) use view::{Study, View};

/// Event loops: more threads than any machine has cores would only cost memory.
const LOOPS: RangeInclusive<u64> = 1..=256;
/// Workers: slow jobs never take the last one, so one alone could do none.
const WORKERS: RangeInclusive<u64> = 2..=1024;
/// Connections: a million sockets is what a machine is set up for at most.
const CONNECTIONS: RangeInclusive<u64> = 1..=1 << 20;
/// A head: a request line and a Host fit in 1 KiB; the ceiling is that of the message positions.
const HEAD: RangeInclusive<u64> = 1024..=Limits::HEAD_CEILING as u64;
/// An upload: 1024 TiB is more than any disk has.
const BODY: RangeInclusive<u64> = 1..=1 << 50;
/// Bytes per second: over a gigabyte a second nobody would be fast enough.
const RATE: RangeInclusive<u64> = 0..=1 << 30;

/// How long a head may take while somebody studies: long enough to type it by hand.
const STUDY_HEAD: Duration = Duration::from_secs(120);

/// Which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// None was given: the usual one, or one near it.
    Usual,
    /// This one and no other; 0 is any.
    Given(u16),
}

/// Which addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bind {
    /// This computer.
    Loopback,
    /// All.
    Lan,
    /// These, and every one must work.
    Addresses(Vec<IpAddr>),
}

/// How files are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) index: Vec<String>,
    pub(crate) listing: bool,
    pub(crate) dotfiles: bool,
    pub(crate) symlinks: Symlinks,
    pub(crate) spa: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) cors: Option<String>,
    pub(crate) cache: Cache,
    pub(crate) upload: bool,
    pub(crate) overwrite: bool,
    pub(crate) delete: bool,
    /// `--write` was given: it is the option to blame.
    pub(crate) write: bool,
    pub(crate) max_body: u64,
}

impl Files {
    /// The option that lets others change something, if there is one.
    pub(crate) fn writing(&self) -> Option<&'static str> {
        let options = [
            (self.write, "--write"),
            (self.upload, "--upload"),
            (self.overwrite, "--overwrite"),
            (self.delete, "--delete"),
        ];
        options.into_iter().find_map(|(given, name)| given.then_some(name))
    }

    /// What others may do with files, in words.
    pub(crate) fn changes(&self) -> String {
        let rights = [(self.upload, "added"), (self.overwrite, "replaced"), (self.delete, "removed")];
        let words: Vec<&str> = rights.into_iter().filter_map(|(given, word)| given.then_some(word)).collect();
        if words.is_empty() {
            crate::program::banner::READ_ONLY.into()
        } else {
            format!("files may be {}", words.join(", "))
        }
    }
}

/// How much of the machine is used; `None` is decided by the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    pub(crate) loops: Option<usize>,
    pub(crate) workers: Option<usize>,
    pub(crate) connections: Option<usize>,
    pub(crate) per_client: Option<usize>,
}

/// What was asked for. It cannot be printed: there are passwords in it.
pub(crate) struct Options {
    pub(crate) path: Option<PathBuf>,
    pub(crate) port: Port,
    pub(crate) bind: Bind,
    pub(crate) files: Files,
    pub(crate) access: Access,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) capacity: Capacity,
    pub(crate) log: LogFormat,
    pub(crate) view: View,
    /// Files go out past the program where they can.
    pub(crate) sendfile: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    pub(crate) color: Color,
}

impl Color {
    /// Whether to colour what is written to `stream`.
    pub(crate) fn on(self, stream: &impl IsTerminal) -> bool {
        match self {
            Color::Always => true,
            Color::Never => false,
            // NO_COLOR counts when it is set to anything but nothing (no-color.org).
            Color::Auto => {
                let is = |name: &str, test: fn(&OsStr) -> bool| std::env::var_os(name).is_some_and(|v| test(&v));
                stream.is_terminal() && !is("NO_COLOR", |v| !v.is_empty()) && !is("TERM", |v| v == "dumb")
            }
        }
    }
}

/// Reads the command line and the environment; answers `--help` and its kin itself, and exits.
pub(crate) fn read() -> Result<Options, StartError> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let matches = match command().try_get_matches_from(&typed) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let is_short = error.to_string() == command().render_help().to_string();
            if is_short {
                print(help::SHORT.as_bytes());
            }
            let _ = error.print();
            process::exit(0);
        }
        Err(error) => return Err(usage::complaint(&error, &command(), typed.get(1..).unwrap_or_default())),
    };
    let reader = Reader { matches: &matches };
    let typed = Typed::from_arg_matches(&matches)
        .map_err(|error| usage::complaint(&error, &command(), typed.get(1..).unwrap_or_default()))?;
    if let Some(shell) = typed.completions {
        print(&help::completions(command(), tools::commands(), shell));
    }
    if typed.man {
        print(
            &help::manual(command(), tools::commands())
                .map_err(|e| StartError::new(Exit::Failed, format!("no manual: {e}")))?,
        );
    }
    let color = typed.color;
    reader.options(typed).map_err(|complaint| complaint.colored(color))
}

/// Prints and exits. A reader that has left (`barewire --man | head`) is no failure.
fn print(bytes: &[u8]) -> ! {
    let mut out = io::stdout().lock();
    let _ = out.write_all(bytes).and_then(|()| out.flush());
    process::exit(0);
}

/// The definition, without the variables that do not count.
fn command() -> Command {
    Typed::command().mut_args(|arg| {
        let ignored = arg.get_env().is_some_and(|name| {
            std::env::var_os(name).is_some_and(|v| {
                v.is_empty() || (name == "BAREWIRE_PORT" && v.as_encoded_bytes().starts_with(b"tcp://"))
            })
        });
        let arg = arg.hide_env_values(true);
        if ignored { arg.env(Resettable::Reset) } else { arg }
    })
}

/// Judges values, and knows where they came from.
struct Reader<'a> {
    matches: &'a ArgMatches,
}

impl Reader<'_> {
    fn options(&self, typed: Typed) -> Result<Options, StartError> {
        let number = |id, text: &Option<String>, range: RangeInclusive<u64>| {
            text.as_ref().map(|text| self.judge(id, text, |t| value::number(t, range))).transpose()
        };
        let count = |id, text, range| number(id, text, range).map(|n| n.map(|n| n as usize));
        let port = match number("port", &typed.port, 0..=u16::MAX.into())? {
            Some(port) => Port::Given(port as u16),
            None => Port::Usual,
        };
        let files = self.files(&typed)?;
        let bind = self.bind(&typed)?;
        Ok(Options {
            port,
            view: self.view(&typed.views, &bind, port)?,
            sendfile: !typed.views.no_sendfile,
            bind,
            access: self.access(&typed, &files)?,
            files,
            limits: self.limits(&typed)?,
            timeouts: self.timeouts(&typed)?,
            capacity: Capacity {
                loops: count("loops", &typed.loops, LOOPS)?,
                workers: count("workers", &typed.workers, WORKERS)?,
                connections: count("max_connections", &typed.max_connections, CONNECTIONS)?,
                per_client: count("max_per_client", &typed.max_per_client, CONNECTIONS)?,
            },
            log: match (typed.views.wire, typed.log) {
                (Some(_), None) => LogFormat::Off,
                (_, log) => log_format(log, io::stdout().is_terminal()),
            },
            quiet: typed.quiet,
            verbose: typed.verbose,
            color: typed.color,
            path: typed.path,
        })
    }

    fn bind(&self, typed: &Typed) -> Result<Bind, StartError> {
        let addresses: Vec<IpAddr> = self.each("bind", &typed.bind, value::address)?;
        match (typed.lan, addresses.is_empty()) {
            (false, true) => Ok(Bind::Loopback),
            (true, true) => Ok(Bind::Lan),
            (false, false) => Ok(Bind::Addresses(addresses)),
            // What was typed wins over what stands in the environment.
            (true, false) => match (self.is_typed("lan"), self.is_typed("bind")) {
                (true, false) => Ok(Bind::Lan),
                (false, true) => Ok(Bind::Addresses(addresses)),
                _ => Err(StartError::new(
                    Exit::Usage,
                    "--lan opens every address, --bind only some: they exclude each other.",
                )
                .advising("Leave out one of them:  barewire --lan")),
            },
        }
    }

    fn files(&self, typed: &Typed) -> Result<Files, StartError> {
        let index = self.each("index", &typed.index, value::file_name)?;
        let spa = typed.spa.as_ref().map(|text| self.judge("spa", text, value::file_below));
        let cors = typed.cors.as_ref().map(|text| self.judge("cors", text, value::origin));
        Ok(Files {
            index: if index.is_empty() { vec!["index.html".into(), "index.htm".into()] } else { index },
            listing: !typed.no_listing,
            dotfiles: typed.dotfiles,
            symlinks: typed.symlinks,
            spa: spa.transpose()?,
            headers: self.each("header", &typed.header, value::field)?,
            cors: cors.transpose()?,
            cache: self.judge("cache", &typed.cache, value::cache)?,
            upload: typed.upload || typed.write,
            overwrite: typed.overwrite || typed.write,
            delete: typed.delete || typed.write,
            write: typed.write,
            max_body: self.judge("max_body", &typed.max_body, |t| value::size(t, BODY))?,
        })
    }

    fn limits(&self, typed: &Typed) -> Result<Limits, StartError> {
        let head = self.judge("max_head", &typed.max_head, |t| value::size(t, HEAD))? as usize;
        let usual = Limits::default();
        Ok(Limits { head, target: usual.target.min(head), ..usual })
    }

    fn timeouts(&self, typed: &Typed) -> Result<Timeouts, StartError> {
        let time = |id, text: &str, zero| self.judge(id, text, |t| value::time(t, zero));
        let is_chosen = self.matches.value_source("head_timeout") != Some(ValueSource::DefaultValue);
        Ok(Timeouts {
            head: match typed.views.study && !is_chosen {
                true => STUDY_HEAD,
                false => time("head_timeout", &typed.head_timeout, false)?,
            },
            idle: time("idle_timeout", &typed.idle_timeout, false)?,
            min_rate: self.judge("min_rate", &typed.min_rate, |t| value::size(t, RATE))?,
            grace: time("grace", &typed.grace, true)?,
            ..Timeouts::default()
        })
    }

    /// Each value of an option that may be repeated; a variable holds one a line.
    fn each<T>(&self, id: &str, texts: &[String], read: fn(&str) -> Result<T, Unfit>) -> Result<Vec<T>, StartError> {
        let lines: Vec<&str> = match self.is_typed(id) {
            true => texts.iter().map(String::as_str).collect(),
            false => texts.iter().flat_map(|text| text.lines()).filter(|line| !line.is_empty()).collect(),
        };
        lines.into_iter().map(|text| self.judge(id, text, read)).collect()
    }

    fn judge<T>(&self, id: &str, text: &str, read: impl FnOnce(&str) -> Result<T, Unfit>) -> Result<T, StartError> {
        let source = self.source(id);
        read(text).map_err(|unfit| {
            let what = match unfit {
                Unfit::Takes(what) => format!("{source} takes {what}, not {text:?}."),
                Unfit::Because(why) => format!("{source} {why}"),
            };
            StartError::new(Exit::Usage, what).advising(usage::example(&command(), &option(id)))
        })
    }

    /// The option's name, or that of the variable it came from.
    fn source(&self, id: &str) -> String {
        let is_variable = self.matches.value_source(id) == Some(ValueSource::EnvVariable);
        if is_variable { format!("BAREWIRE_{}", id.to_uppercase()) } else { option(id) }
    }

    fn is_typed(&self, id: &str) -> bool {
        self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }
}

fn option(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

fn log_format(log: Option<Log>, on_terminal: bool) -> LogFormat {
    match log {
        Some(Log::Short) => LogFormat::Short,
        Some(Log::Common) => LogFormat::Common,
        Some(Log::Combined) => LogFormat::Combined,
        Some(Log::Json) => LogFormat::Json,
        Some(Log::Off) => LogFormat::Off,
        None if on_terminal => LogFormat::Short,
        None => LogFormat::Combined,
    }
}
