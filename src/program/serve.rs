//! From a configuration to a running server: the order in which things happen.
//!
//! 1. The folder, the limits of the machine and the sockets: whatever can fail does so before anything
//!    is announced, each with its own complaint.
//! 2. The fence, before the first thread.
//! 3. The server, the signals, and only then the announcement: a script that has read the line may
//!    connect, or stop the server, at once.
//!
//! The subtle thing: a terminal gets the start screen, anything else one line. Both go to standard
//! error, and a failure to write them is nobody's failure: whoever closed it does not want to know.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;

use barewire::files;
use barewire::files::{OpenMethod, Site};
use barewire::net;
use barewire::net::Server;
use barewire::practice::Practice;
use barewire::service::{App, app};
use log::LevelFilter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

use crate::program::access;
use crate::program::access::Guarded;
use crate::program::banner;
use crate::program::banner::Banner;
use crate::program::error::{Exit, StartError, warn};
use crate::program::folder::Folder;
use crate::program::listen;
use crate::program::listen::{Listening, interfaces};
use crate::program::options::{AuthFor, Cache, Capacity, Files, Options, Symlinks};
use crate::program::stderr_log::StderrLog;
use crate::program::study::{Running, Study};
use crate::program::view;
use crate::program::view::View;
use crate::program::{folder, landlock};

/// Descriptors that are no connections: standard streams, pollers, wakers, listeners, the root.
const RESERVED_DESCRIPTORS: u64 = 64;
/// No more descriptors than this are asked for. Some containers allow a thousand million, and the
/// number of connections follows from the limit.
const MOST_DESCRIPTORS: u64 = 1 << 20;
/// Fewer than this deserve a warning: a page of one visitor may open six connections.
const FEW_DESCRIPTORS: u64 = 4096;
/// Files that all loops together keep open to be quick, at most, and which part of the descriptors
/// they may take: connections come first.
const OPEN_FILES: usize = 256;
const OPEN_FILES_SHARE: usize = 32;
/// Workers at least: enough that one slow disk access does not stop the others.
const LEAST_WORKERS: usize = 4;

/// Serves until stopped.
pub(crate) fn run(options: Options) -> Result<(), StartError> {
    let color = options.color;
    serve(options).map_err(|complaint| complaint.colored(color))
}

fn serve(mut options: Options) -> Result<(), StartError> {
    let aside = start_logging(&options);
    let folder = folder::choose(options.path.as_deref(), options.files.listing)?;
    if let Some(option) = options.files.writing() {
        let adds_only = !options.files.overwrite && !options.files.delete;
        folder::check_writable(&folder, option, adds_only)?;
    }
    let title = folder::title(&folder.path);
    let descriptors = raise_descriptors();
    let settings = net_settings(&options, descriptors);
    let Listening { listeners, moved } = listen::open(&options.bind, options.port)?;
    let addresses: Vec<SocketAddr> = listeners.iter().map(|listener| listener.address()).collect();
    let study = options.view.study.as_ref().map(|study| Study::open(study, &addresses)).transpose()?;
    let guarded = access::decide(&mut options.access, &options.files, &folder, &addresses, study.is_some())?;
    let site = Site::open(&folder.path, file_settings(&options.files, &guarded, settings.loops, descriptors))
        .map_err(|error| StartError::new(Exit::Folder, format!("cannot serve {title}: {error}.")))?;

    let mut banner = Banner {
        title,
        addresses,
        network: interfaces::of_the_network(true, true),
        moved,
        changes: options.files.changes(),
        password: guarded.what_for,
        view: study.as_ref().map(Study::url),
        secrets: options.view.secrets,
        labs: study.is_some() && folder::has_labs(&folder),
        remarks: Vec::new(),
        color: options.color.on(&io::stderr()),
    };
    banner.remarks.extend(shut_in(&site, &folder, &options, study.as_ref()));

    aside.start().map_err(failed)?;
    let app = app(site, guarded.settings, study.as_ref()).map_err(failed)?;
    let mut server = Server::new(app, settings, listeners).map_err(failed)?;
    let history = study.as_ref().map(|study| Arc::clone(&study.history));
    let view = options.view.is_on().then(|| view::start(&mut server, history, &options)).transpose().map_err(failed)?;
    let study = study.map(|study| study.start(options.view.secrets)).transpose().map_err(failed)?;
    net::server::stop_on_signals(server.stopper()).map_err(failed)?;
    let began = Instant::now();
    announce(&options, banner, guarded.warnings);
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let report = server.run().map_err(failed)?;
    view.into_iter().for_each(View::finish);
    study.into_iter().for_each(Running::finish);
    // On a terminal the cursor stands behind "^C".
    let line = if io::stderr().is_terminal() { "\n" } else { "" };
    let farewell = format!("{line}{}", banner::farewell(&report, began.elapsed(), options.timeouts.grace));
    aside.last_word(if options.quiet { "" } else { &farewell });
    Ok(())
}

/// Puts up the fence; what the visitor of the start screen should know of it and of the door.
fn shut_in(site: &Site, folder: &Folder, options: &Options, study: Option<&Study>) -> Vec<String> {
    let mut remarks = Vec::new();
    match site.root().open_method() {
        OpenMethod::Walk => remarks.push(site.door().into()),
        OpenMethod::Cached | OpenMethod::Worker => log::debug!("{}", site.door()),
    }
    let writes = options.files.writing().is_some();
    let calls = study.map(Study::calls);
    match landlock::put_up(folder, options.files.symlinks == Symlinks::Any, writes, calls) {
        Ok(()) if options.files.symlinks == Symlinks::Any => {
            log::debug!("the fence is up: nothing outside the folder can be written; links may be read (Landlock)");
        }
        Ok(()) => log::debug!("the fence is up: nothing outside the folder can be read or written (Landlock)"),
        Err(why) => remarks.push(format!("No second fence around the folder: {why}.")),
    }
    remarks
}

/// The files, with the practice addresses before them while somebody studies, and the rules before both.
fn app(site: Site, settings: app::Settings, study: Option<&Study>) -> io::Result<App> {
    let settings = app::Settings { view_port: study.map(Study::port), ..settings };
    match study {
        None => App::new(site, settings),
        Some(_) => App::new(Practice::around(Box::new(site)), settings),
    }
}

/// Warnings and errors to standard error; `--verbose` says more, `RUST_LOG` says what exactly.
fn start_logging(options: &Options) -> StderrLog {
    let aside = StderrLog::default();
    let level = if options.verbose { LevelFilter::Debug } else { LevelFilter::Warn };
    let style =
        if options.color.on(&io::stderr()) { env_logger::WriteStyle::Always } else { env_logger::WriteStyle::Never };
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level).parse_default_env().write_style(style);
    builder.target(env_logger::Target::Pipe(Box::new(aside.clone())));
    // A second logger in one process would be the only failure, and this is the first.
    let _ = builder.try_init();
    aside
}

fn failed(error: io::Error) -> StartError {
    StartError::new(Exit::Failed, format!("the server failed: {error}."))
}

/// What is dangerous stands on the start screen, or in lines of its own where there is none.
fn announce(options: &Options, mut banner: Banner, warnings: Vec<String>) {
    let has_screen = io::stderr().is_terminal() && !options.quiet;
    if has_screen {
        banner.remarks.extend(warnings);
    } else {
        warnings.iter().for_each(|warning| warn(warning));
    }
    say(options, &if has_screen { banner.screen() } else { banner.line() });
}

fn say(options: &Options, text: &str) {
    if !options.quiet {
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Raises the soft limit of open files to the hard one, and answers what it is now.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    let soft = limit.current.unwrap_or(MOST_DESCRIPTORS);
    let raised = soft < hard && setrlimit(Resource::Nofile, Rlimit { current: Some(hard), ..limit }).is_ok();
    let now = if raised { hard } else { soft.min(MOST_DESCRIPTORS) };
    if now < FEW_DESCRIPTORS {
        let most = most_connections(now);
        warn(&format!("limit is {now} open files: about {most} connections. Raise it:  ulimit -n 65536"));
    }
    now
}

/// Three quarters, the rest being for files in work.
fn most_connections(descriptors: u64) -> usize {
    (descriptors.saturating_sub(RESERVED_DESCRIPTORS) * 3 / 4).max(1) as usize
}

fn net_settings(options: &Options, descriptors: u64) -> net::Settings {
    let cores = available_parallelism().map_or(1, usize::from);
    let Capacity { loops, workers, connections, per_client } = options.capacity;
    let max_connections = connections.unwrap_or_else(|| most_connections(descriptors));
    if max_connections as u64 > descriptors.saturating_sub(RESERVED_DESCRIPTORS) {
        warn(&format!(
            "{max_connections} connections need more than the {descriptors} open files allowed. Raise it:  ulimit -n {}",
            max_connections as u64 * 4 / 3 + RESERVED_DESCRIPTORS
        ));
    }
    net::Settings {
        limits: options.limits,
        timeouts: options.timeouts,
        loops: loops.unwrap_or(cores),
        workers: workers.unwrap_or(cores.max(LEAST_WORKERS)),
        max_connections,
        max_per_client: per_client.unwrap_or((max_connections / 4).max(1)).min(max_connections),
        log: options.log,
        sendfile: options.sendfile,
        log_to_stderr: options.view.terminal.is_some(),
    }
}

fn file_settings(files: &Files, guarded: &Guarded, loops: usize, descriptors: u64) -> files::Settings {
    let files = files.clone();
    files::Settings {
        index: files.index,
        listing: files.listing,
        dotfiles: files.dotfiles,
        symlinks: match files.symlinks {
            Symlinks::Inside => files::Symlinks::Inside,
            Symlinks::Deny => files::Symlinks::Deny,
            Symlinks::Any => files::Symlinks::Any,
        },
        spa: files.spa,
        cache: match files.cache {
            Cache::Revalidate => files::Cache::Revalidate,
            Cache::Off => files::Cache::Off,
            Cache::Seconds(seconds) => files::Cache::Seconds(seconds),
        },
        private: guarded.what_for == Some(AuthFor::All),
        upload: files.upload,
        overwrite: files.overwrite,
        delete: files.delete,
        max_body: files.max_body,
        shelf: files::CACHE_CAPACITY / loops.max(1),
        open_files: OPEN_FILES.min(descriptors as usize / OPEN_FILES_SHARE) / loops.max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_descriptors_is_left_for_files() {
        for (descriptors, connections) in [(1024, 720), (65_536, 49_104), (1 << 20, 786_384), (64, 1), (10, 1)] {
            assert_eq!(most_connections(descriptors), connections);
        }
    }
}
