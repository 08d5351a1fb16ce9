//! Runs a command of a lab beside a server of its own, and finds its events on the wire.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;

use super::html::Step;
use crate::support::PATIENCE;
use crate::support::folder::Folder;
use crate::support::server::{BINARY, Server};

/// How long to wait for more after something was dropped.
const QUIET: Duration = Duration::from_secs(3);
/// How often a command is tried if its events were dropped.
const ATTEMPTS: u32 = 5;

/// A server with `--study`, and a scratch folder where the commands are typed.
pub(crate) struct Lab {
    name: String,
    server: Server,
    wire: Receiver<Value>,
    /// Every event so far.
    events: Vec<Value>,
    folder: Folder,
    /// Servers that the reader was told to start.
    others: Vec<Child>,
    /// The ports the page names for them, and free ones.
    ports: HashMap<String, u16>,
}

impl Lab {
    pub(crate) fn open(name: &str, site: &Path) -> Lab {
        let folder = Folder::new();
        // A reader types `rustc examples/NAME.rs` in the folder of the source.
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"), folder.path().join("examples")).unwrap();
        let mut command = clean(Command::new(BINARY), folder.path());
        command.args(["--port", "0", "--study", "--wire-port", "0", "--wire=json"]).arg(site);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let server = Server::heard(child);
        let (tell, wire) = channel();
        thread::spawn(move || {
            let lines = out.lines().map_while(Result::ok);
            lines.map(|line| serde_json::from_str(&line).unwrap()).all(|event: Value| tell.send(event).is_ok())
        });
        let (events, others, ports) = (Vec::new(), Vec::new(), HashMap::new());
        Lab { name: name.to_string(), server, wire, events, folder, others, ports }
    }

    /// A command or a line of a page, with the ports and paths of this machine.
    fn local(&mut self, text: &str) -> String {
        let examples = Path::new(env!("CARGO_BIN_EXE_barewire")).with_file_name("examples");
        for name in text.split("cargo run --example ").skip(1).filter_map(|rest| rest.split_whitespace().next()) {
            // `cargo test` builds the examples, `cargo test --test cli labs` does not.
            assert!(examples.join(name).is_file(), "{name} is missing: cargo build --examples");
        }
        let mut text = text.replace("cargo run --example ", &format!("{}/", examples.display()));
        while let Some(at) = text.find("127.0.0.1:7") {
            let named = text[at..at + "127.0.0.1:7003".len()].to_string();
            let port = *self.ports.entry(named.clone()).or_insert_with(free_udp_port);
            // In a form that is not found again.
            text = text.replace(&named, &format!("127.0.0.1:0{port}"));
        }
        // Pieces stay apart also on a machine that is very busy.
        let text = text.replace("--gap 200", "--gap 500");
        text.replace("127.0.0.1:0", "127.0.0.1:").replace("8080", &self.server.port().to_string())
    }

    /// Runs a command, and checks its exit code, its output and the wire.
    ///
    /// On a very busy machine the wire view may drop events, and says so. Then the command is run again.
    pub(crate) fn run(&mut self, step: &Step) {
        for left in (0..ATTEMPTS).rev() {
            let known = self.events.len();
            match self.attempt(step) {
                Ok(()) => return,
                Err(_) if left > 0 && self.events[known..].iter().any(|event| event["event"] == "dropped") => {}
                Err(why) => panic!("{}: {}\n{why}", self.name, step.command),
            }
        }
    }

    fn attempt(&mut self, step: &Step) -> Result<(), String> {
        let before = self.events.iter().filter_map(|event| event["connection"].as_u64()).max().unwrap_or(0);
        let command = self.local(&step.command);
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("{{ {command}\n}} 2>&1")]).process_group(0).stdout(Stdio::piped());
        let mut child = clean(sh, self.folder.path()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        if let Some(started) = step.stays.as_deref() {
            self.others.push(child);
            let started = self.local(started);
            self.started(out, &started);
            return Ok(());
        }
        let group = Pid::from_child(&child);
        let (tell, output) = channel();
        thread::spawn(move || {
            let mut all = Vec::new();
            let _ = { out }.read_to_end(&mut all);
            let _ = tell.send(String::from_utf8_lossy(&all).into_owned());
        });
        let mut looks = step.looks.clone();
        if step.stop {
            let first = looks.remove(0);
            let seen = self.see(before, &[first]);
            kill_process_group(group, Signal::INT).unwrap();
            if seen.is_err() {
                let _ = child.wait();
                return seen;
            }
        }
        let Ok(output) = output.recv_timeout(PATIENCE) else {
            let _ = kill_process_group(group, Signal::KILL);
            panic!("{}: {} does not end", self.name, step.command);
        };
        let code = child.wait().unwrap().code();
        if !step.stop {
            assert_eq!(code, Some(step.exit), "{}: exit code of {}\n{output}", self.name, step.command);
        }
        self.read(step, &output);
        self.see(before, &looks)?;
        self.find(step, before);
        Ok(())
    }

    /// Waits until a server of the page has said that it listens.
    fn started(&self, out: BufReader<impl Read + Send + 'static>, text: &str) {
        let (tell, lines) = channel();
        thread::spawn(move || out.lines().map_while(Result::ok).for_each(|line| drop(tell.send(line))));
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(text)) {
            match lines.recv_timeout(PATIENCE) {
                Ok(line) => seen.push(line),
                Err(error) => panic!("{}: {error}: waited for {text:?} in {seen:?}", self.name),
            }
        }
    }

    /// The lines the page shows are lines of the output, in this order.
    fn read(&mut self, step: &Step, output: &str) {
        let mut rest = output;
        for line in step.lines.clone() {
            for part in self.local(&line).split('…').map(str::trim).filter(|part| !part.is_empty()) {
                let at = rest.find(part);
                let Some(at) = at else {
                    panic!("{}: {part:?} is not to be seen after {}\n{output}", self.name, step.command)
                };
                rest = &rest[at + part.len()..];
            }
        }
    }

    /// The wire shows each of these, in events of connections made since.
    fn see(&mut self, before: u64, looks: &[Value]) -> Result<(), String> {
        let (end, known) = (Instant::now() + PATIENCE, self.events.len());
        loop {
            let ours = self.events.iter().filter(|event| event["connection"].as_u64().is_some_and(|c| c > before));
            let mut ours: Vec<&Value> = ours.collect();
            let missing: Vec<&Value> = looks
                .iter()
                .filter(|look| match ours.iter().position(|event| agrees(event, look)) {
                    Some(at) => {
                        ours.remove(at);
                        false
                    }
                    None => true,
                })
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            // Dropped events never come.
            let lost = self.events[known..].iter().any(|event| event["event"] == "dropped");
            let patience = if lost { QUIET } else { end.saturating_duration_since(Instant::now()) };
            match self.wire.recv_timeout(patience) {
                Ok(event) => self.events.push(event),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let seen: Vec<String> = ours.iter().map(|event| brief(event)).collect();
                    return Err(format!("not on the wire: {missing:#?}\nseen:\n{}", seen.join("\n")));
                }
            }
        }
    }

    /// A link into the wire view leads to a request of this command.
    fn find(&self, step: &Step, before: u64) {
        for find in &step.finds {
            let requests =
                self.events.iter().filter(|e| e["event"] == "request" && e["connection"].as_u64() > Some(before));
            let mut titles =
                requests.map(|e| format!("{} {}", e["method"].as_str().unwrap(), e["target"].as_str().unwrap()));
            assert!(
                titles.any(|title| title.starts_with(find)),
                "{}: #find={find} finds nothing of {}",
                self.name,
                step.command
            );
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for other in &mut self.others {
            let _ = kill_process_group(Pid::from_child(other), Signal::KILL);
            let _ = other.wait();
        }
    }
}

/// Without the settings and the proxy of the person who runs the tests, and with the `barewire` that was just built.
fn clean(mut command: Command, folder: &Path) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("BAREWIRE_") || text.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    let built = Path::new(env!("CARGO_BIN_EXE_barewire")).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(built).chain(std::env::split_paths(&path))).unwrap();
    command.current_dir(folder).env("PATH", path).env("HOME", folder).stdin(Stdio::null());
    command
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether an event has what is looked for: numbers and lists as they are, text as a part of the text, and
/// `{"at least": 3}` for a number that differs from run to run.
fn agrees(event: &Value, look: &Value) -> bool {
    match (event, look) {
        (Value::Number(event), Value::Object(look)) => event.as_f64() >= look["at least"].as_f64(),
        (Value::Object(event), Value::Object(look)) => {
            look.iter().all(|(name, value)| event.get(name).is_some_and(|got| agrees(got, value)))
        }
        (Value::String(event), Value::String(look)) => event.contains(look.as_str()),
        (event, look) => event == look,
    }
}

/// An event without its bytes, for people.
fn brief(event: &Value) -> String {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.retain(|name, _| !["octets", "spans", "clock"].contains(&name.as_str()));
    }
    event.to_string()
}
