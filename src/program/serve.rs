//! `barewire`: from the options to a running server and its end, in one order.
//!
//! | step | why at this place |
//! |---|---|
//! | 1. the folder, the limits of the machine, the sockets, the password file | everything that can fail does so before anything is announced, each with its own error |
//! | 2. the browser of `--open`, then Landlock | Landlock binds programs and threads that start later, and closes /proc and everything outside of the folder |
//! | 3. the log's thread, the server, the wire views, the signals | the threads |
//! | 4. the announcement, and READY to a service manager | a script that has read it may connect, or stop the server, at once |
//! | 5. the event loops, until a signal stops them | |
//! | 6. the wire views end, the last line is printed | everything that was recorded should be seen |
//!
//! Options that depend on the machine get their values here: numbers of loops, workers and connections.

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use barewire::files::{self, OpenMethod, RootWatch, Site, Symlinks, Weakness};
use barewire::net::{self, Listener, LogFormat, LogOutput, LogZone, Report, Server, Timeouts, server::HangUp};
use barewire::practice;
use barewire::service::texts::Values;
use log::LevelFilter;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

use crate::program::access;
use crate::program::banner::{self, Banner};
use crate::program::error::{Exit, StartError, TEXTS, warn};
use crate::program::folder::{self, ServedPath};
use crate::program::hang_up;
use crate::program::landlock::{self, Allowed};
use crate::program::listen::{self, Listening};
use crate::program::log_file;
use crate::program::metrics::{MetricsServer, RunningMetrics};
use crate::program::options::{AuthFor, Options};
use crate::program::study::{self, RunningStudy, StudyServer};
use crate::program::wire_view::{self, StreamWriter, WireView};

/// Descriptors that are no connections: standard streams, pollers, wakers, listeners, the root.
const RESERVED_DESCRIPTORS: u64 = 64;
/// The most descriptors asked for. Some containers allow a thousand million, and the number of connections is
/// computed from the limit.
const MOST_DESCRIPTORS: u64 = 1 << 20;
/// Fewer than this deserve a warning: a page of one visitor may open six connections.
const FEW_DESCRIPTORS: u64 = 4096;
/// Lines of the log that may wait. Enough for a burst; more would only delay the count of dropped lines.
const LOG_LINES: usize = 256;
/// The part of the descriptors that files which are kept open may take at most, one in so many: connections come first.
const OPEN_FILES_SHARE: usize = 32;
/// The least number of workers by default, so that one slow disk access does not stop the others.
const LEAST_WORKERS: usize = 4;

/// How often the path of the served folder is looked at: a folder that has changed is noticed within two seconds.
const LOOKS: Duration = Duration::from_secs(1);

/// Serves until a signal stops the server. Errors: everything that ends the program before it serves (exit codes 2 to
/// 4), or a failure while it runs (1).
pub(crate) fn run(options: Options) -> Result<(), StartError> {
    let color = options.output.color;
    serve(options, hang_up::inherited()).map_err(|error| error.colored(color))
}

/// All steps in their order. Errors: the folder (exit code 4), the sockets (3), the password file (2), and a failure of
/// the server or of a thread (1).
fn serve(mut options: Options, hang_up: HangUp) -> Result<(), StartError> {
    let served = folder::choose(options.path.as_deref(), !options.files.no_listing)?;
    let read_only_top = folder::check_writable(&served, &options.write, options.files.dotfiles)?;
    let title = folder::title(&served.path);
    // Warnings about the limits come before the line that scripts wait for.
    let descriptors = raise_descriptors();
    let (log_output, hang_up) = log_file::output(&options, &served, hang_up)?;
    let settings = net_settings(&options, descriptors, log_output);
    let Listening { listeners, moved } = listen::open(&options.listen)?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(Listener::tcp_address).collect();
    // The view gets the next port, so the port of the server must be known.
    let study = options.study.study.then(|| StudyServer::open(&options.study, &addresses)).transpose()?;
    let metrics = options.output.metrics.map(MetricsServer::open).transpose()?;
    let (mut rules, mut warnings) = access::decide(&mut options, &served, &addresses)?;
    rules.has_view = study.is_some();
    let site = Site::open(&served.path, file_settings(&options, settings.loops, descriptors))
        .map_err(|error| StartError::of(Exit::Folder, "cannot serve", &[("name", &title), ("error", &error)]))?;
    warnings.extend(weaknesses(&site, &options));
    let mut banner = Banner {
        title,
        addresses,
        unix: options.listen.unix().iter().map(|path| folder::shown(path)).collect(),
        network: listen::network_addresses(),
        moved,
        changes: banner::changes(&options.write),
        password: options.access.password_for,
        view: study.as_ref().map(StudyServer::url),
        metrics: metrics.as_ref().map(MetricsServer::url),
        secrets: options.study.wire_secrets,
        remarks: read_only_top.into_iter().chain(sandbox_remark(&options)).collect(),
        color: options.output.color.on(&io::stderr()),
    };
    // Before Landlock, which a child would inherit: the browser must read its own files.
    let browser = options.study.open.then(|| study::open_browser(&banner.addresses, study.is_some()));
    banner.remarks.extend(browser.flatten());
    // Everything above has read /proc and opened files anywhere; everything below starts threads.
    let protection = restrict(&site, &served, &options, study.as_ref(), &settings.log_output);
    let log = start_logging(&options).map_err(failed)?;
    let add = |(is_weak, text)| if is_weak { banner.remarks.push(text) } else { log::debug!("{text}") };
    protection.into_iter().for_each(add);
    watch(site.watch()).map_err(failed)?;
    let app = study::app(site, study.as_ref(), rules);
    let mut server = app.and_then(|app| Server::new(app, settings, listeners)).map_err(failed)?;
    let metrics = metrics.map(|metrics| metrics.start(server.metrics())).transpose().map_err(failed)?;
    let history = study.as_ref().map(|study| Arc::clone(&study.history));
    let view = wire_view::start(&mut server, history, &options).map_err(failed)?;
    let study = study.map(|study| study.start(options.study.wire_secrets)).transpose().map_err(failed)?;
    net::server::stop_on_signals(server.stopper(), hang_up).map_err(failed)?;
    // Signals are handled now, so a script that stops the server right after the line gets exit code 0.
    let began = Instant::now();
    announce(&options, banner, warnings, &log);
    let report = server.run().map_err(failed)?;
    // The wire thread first: it must have passed on the last events before the streams of the browser end.
    view.into_iter().for_each(WireView::finish);
    study.into_iter().for_each(RunningStudy::finish);
    metrics.into_iter().for_each(RunningMetrics::finish);
    say_farewell(&options, &report, began, &log);
    log.finish();
    Ok(())
}

/// Sentences about what the file system of the folder cannot do for those who write.
fn weaknesses(site: &Site, options: &Options) -> Vec<String> {
    if options.write.option().is_none() {
        return Vec::new();
    }
    let weaknesses = site.root().weaknesses(options.write.upload).into_iter();
    let say = |weakness| match weakness {
        Weakness::NoHardLinks => TEXTS.say("no hard links", &[]),
        Weakness::NoFolderSync => TEXTS.say("no folder sync", &[]),
    };
    weaknesses.map(say).collect()
}

/// Says what the server did since `began`.
fn say_farewell(options: &Options, report: &Report, began: Instant, log: &StreamWriter) {
    if !options.output.quiet {
        // On a terminal the cursor stands after "^C".
        let first = if io::stderr().is_terminal() { "\n" } else { "" };
        let farewell = banner::farewell(report, began.elapsed(), options.limits.grace);
        let _ = log.offer((first.to_string() + &farewell).into_bytes(), 0);
    }
}

/// Restricts the process with Landlock. Returns a sentence about each thing that protects the files, and before it
/// whether it is weaker than elsewhere: then it is a remark on the start screen, else a line of the debug log.
fn restrict(
    site: &Site,
    served: &ServedPath,
    options: &Options,
    study: Option<&StudyServer>,
    log: &LogOutput,
) -> [(bool, String); 2] {
    let allowed = Allowed {
        reads_anywhere: options.files.symlinks == Symlinks::Any,
        writes: options.write.option().is_some(),
        connects_to: study.map(|study| study.main.port()),
        log_folder: match log {
            LogOutput::File(file) => Some(folder::parent(file.path()).to_path_buf()),
            LogOutput::Stdout | LogOutput::Stderr => None,
        },
    };
    // A failure is a remark and no error: the server is safe without Landlock.
    let above = if allowed.reads_anywhere || allowed.writes { None } else { served.folder_above() };
    let landlock = match landlock::restrict(above.as_deref().unwrap_or(served.folder()), &allowed) {
        Ok(()) => {
            let folder = folder::title(above.as_deref().unwrap_or(served.folder()));
            let name = match above {
                Some(_) => "landlock above",
                None if allowed.reads_anywhere => "landlock links",
                None => "landlock",
            };
            (false, TEXTS.say(name, &[("folder", &folder)]))
        }
        Err(reason) => (true, TEXTS.say("no landlock", &[("reason", &reason)])),
    };
    // Without openat2 symbolic links are refused, which the user should know. The other two ways serve the same files.
    let (is_weak, name) = match site.root().open_method() {
        _ if site.root().is_pseudo() => (true, "pseudo folder"),
        OpenMethod::Walk => (true, "no openat2"),
        OpenMethod::Cached => (false, "openat2"),
        OpenMethod::Worker => (false, "openat2 by worker"),
    };
    [(is_weak, TEXTS.say(name, &[])), landlock]
}

/// A sentence for an author whose page works otherwise than without uploads: it may keep nothing in the browser.
fn sandbox_remark(options: &Options) -> Option<String> {
    let headers = options.files.header.concat();
    let has_own_policy = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-security-policy"));
    let option = options.write.content_option().filter(|_| !has_own_policy)?;
    Some(TEXTS.say("sandbox", &[("option", &option)]))
}

/// Starts the thread that looks whether the path still leads to the served folder.
fn watch(root: RootWatch) -> io::Result<()> {
    let look = move || loop {
        std::thread::sleep(LOOKS);
        root.look();
    };
    std::thread::Builder::new().name("root watch".into()).spawn(look).map(drop)
}

/// Starts the logger on standard error: warnings and errors; `--verbose` adds more, and `RUST_LOG` chooses in detail.
fn start_logging(options: &Options) -> io::Result<StreamWriter> {
    let log = StreamWriter::start("stderr", LOG_LINES, io::stderr())?;
    let level = if options.output.verbose { LevelFilter::Debug } else { LevelFilter::Warn };
    let has_color = options.output.color.on(&io::stderr());
    let style = if has_color { env_logger::WriteStyle::Always } else { env_logger::WriteStyle::Never };
    let mut builder = env_logger::Builder::new();
    // `parse_default_env` comes after the level, so that RUST_LOG wins.
    builder.filter_level(level).parse_default_env().write_style(style);
    builder.target(env_logger::Target::Pipe(Box::new(log.clone())));
    // The only possible error is a second logger in this process, and this is the first.
    let _ = builder.try_init();
    Ok(log)
}

/// An error of the server itself, for which there is no advice.
fn failed(error: io::Error) -> StartError {
    StartError::of(Exit::Failed, "failed", &[("error", &error)])
}

/// Says that the server listens, also to a service manager. Warnings stand on the start screen, or in lines of their
/// own where there is none.
fn announce(options: &Options, mut banner: Banner, warnings: Vec<String>, log: &StreamWriter) {
    let has_screen = io::stderr().is_terminal() && !options.output.quiet;
    let mut text = String::new();
    if has_screen {
        banner.remarks.extend(warnings);
    } else {
        // `--quiet` does not hide the warnings.
        warnings.iter().for_each(|warning| text += &format!("barewire: {warning}\n"));
        let remarks = banner.remarks.iter().filter(|_| !options.output.quiet);
        remarks.for_each(|remark| text += &format!("note: {remark}\n"));
    }
    if !options.output.quiet {
        text += &if has_screen { banner.screen() } else { banner.line() };
    }
    // After the lines of the log, in the same queue. Ignore errors: the server can serve without standard error.
    let _ = log.offer(text.into_bytes(), 0);
    let _ = sd_notify::notify(&[NotifyState::Ready]);
}

/// Raises the soft limit of open files to the hard one and returns the limit that now holds.
/// At most [`MOST_DESCRIPTORS`]; "unlimited" counts as that. Each connection and each open file takes one descriptor.
fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let hard = limit.maximum.unwrap_or(MOST_DESCRIPTORS).min(MOST_DESCRIPTORS);
    let soft = limit.current.unwrap_or(MOST_DESCRIPTORS);
    // Raising may fail in a container that forbids it; then the old limit counts.
    let raised = soft < hard && setrlimit(Resource::Nofile, Rlimit { current: Some(hard), ..limit }).is_ok();
    let now = if raised { hard } else { soft.min(MOST_DESCRIPTORS) };
    if now < FEW_DESCRIPTORS {
        warn(&TEXTS.say("few files", &[("files", &now), ("connections", &most_connections(now))]));
    }
    now
}

/// Three quarters of the descriptors; the rest is for files being sent.
/// At least 1, also where fewer than [`RESERVED_DESCRIPTORS`] are allowed.
fn most_connections(descriptors: u64) -> usize {
    (descriptors.saturating_sub(RESERVED_DESCRIPTORS) * 3 / 4).max(1) as usize
}

/// How the event loops work: limits of messages, time, connections and threads.
/// `descriptors` is the limit of open files that holds now. Options that were not given get their value here.
fn net_settings(options: &Options, descriptors: u64, log_output: LogOutput) -> net::Settings {
    let cores = available_parallelism().map_or(1, usize::from);
    let limits = &options.limits;
    let max_connections = limits.max_connections.unwrap_or_else(|| most_connections(descriptors));
    // Only a given number can be too large.
    if max_connections as u64 > descriptors.saturating_sub(RESERVED_DESCRIPTORS) {
        let wanted = max_connections as u64 * 4 / 3 + RESERVED_DESCRIPTORS;
        let values: Values<'_> = &[("connections", &max_connections), ("files", &descriptors), ("wanted", &wanted)];
        warn(&TEXTS.say("too few files", values));
    }
    net::Settings::with(|net| {
        net.limits = limits.limits();
        net.timeouts = Timeouts::with(|times| {
            times.head = limits.head_timeout;
            times.idle = limits.idle_timeout;
            times.send = limits.send_timeout;
            times.min_rate = limits.min_rate;
            times.drain_delay = limits.drain_delay;
            times.grace = limits.grace;
        });
        net.loops = limits.loops.unwrap_or(cores);
        net.workers = limits.workers.unwrap_or(cores.max(LEAST_WORKERS));
        net.max_connections = max_connections;
        // A quarter: one client cannot take all connections; four could.
        net.max_per_client = limits.max_per_client.unwrap_or((max_connections / 4).max(1)).min(max_connections);
        net.proxies = access::proxies(&options.access);
        // At most 2 GiB, which fits.
        net.upload_memory = options.write.upload_memory as usize;
        net.log = log_format(options);
        net.sendfile = !options.study.no_sendfile;
        net.log_output = log_output;
        // Read now: with Landlock the rules of the zone are out of reach.
        net.log_zone = LogZone::of_system();
    })
}

fn log_format(options: &Options) -> LogFormat {
    match options.output.log {
        Some(format) => format,
        None if options.output.log_file.is_some() => LogFormat::Combined,
        // The wire view takes its place on standard output.
        None if options.study.wire.is_some() => LogFormat::Off,
        None if io::stdout().is_terminal() => LogFormat::Short,
        None => LogFormat::Combined,
    }
}

/// How the files are served, and how much each loop may keep of them.
/// `loops` divides what is kept: each loop has a cache of its own.
fn file_settings(options: &Options, loops: usize, descriptors: u64) -> files::Settings {
    let (files, write) = (&options.files, &options.write);
    let index = files.index.concat();
    files::Settings::with(|site| {
        if !index.is_empty() {
            site.index = index;
        }
        site.listing = !files.no_listing;
        site.dotfiles = files.dotfiles;
        site.symlinks = files.symlinks;
        site.spa = files.spa.clone();
        site.built_in = options.study.study.then_some(practice::labs::BUILT_IN);
        site.cache_control = files.cache;
        // A cache that many share must not keep what only some may read.
        site.private = options.access.password_for == Some(AuthFor::All);
        site.upload = write.upload;
        site.overwrite = write.overwrite;
        site.delete = write.delete;
        site.max_body = write.max_body;
        // All loops together use what the library gives one.
        site.cache_bytes = files::CACHE_CAPACITY / loops.max(1);
        site.open_files = site.open_files.min(descriptors as usize / OPEN_FILES_SHARE);
        site.names_options = true;
    })
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
