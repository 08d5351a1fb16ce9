//! The files of `packaging/` against the program: options, variables, addresses, paths, times and versions.
//!
//! `packaging/check` tries what needs other programs: systemd, schemas, an image.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;

use crate::program::{PASS_SOCKET, barewire, get, run, shell, site_folder};
use crate::support::client::converse;
use crate::support::server::Server;
use crate::support::until;

pub(crate) fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(checkout().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Cargo.toml as it was written: in a package, cargo has written another one beside it.
fn manifest() -> PathBuf {
    let original = checkout().join("Cargo.toml.orig");
    if original.is_file() { original } else { checkout().join("Cargo.toml") }
}

/// What follows `key` on its first line, without quotes.
#[track_caller]
fn value(text: &str, key: &str) -> String {
    let line = text.lines().find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(key));
    line.unwrap_or_else(|| panic!("there is no {key:?} in\n{text}")).trim().trim_matches('"').to_string()
}

/// A list of words as JSON has it, which Dockerfile and YAML share.
#[track_caller]
fn words(text: &str, key: &str) -> Vec<String> {
    serde_json::from_str(&value(text, key)).unwrap()
}

/// The number at the start of a text, such as 30 of `30s`.
fn seconds(text: &str) -> u64 {
    text.split(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty()).unwrap().parse().unwrap()
}

/// The default of an option, from the long help.
fn default_of(option: &str) -> String {
    let (_, help, _) = run(&mut barewire(&site_folder(), &["--help"]));
    let (_, after) = help.split_once(&format!("\n      {option} <")).unwrap();
    let (_, default) = after.split_once("[default: ").unwrap();
    default.split(']').next().unwrap().to_string()
}

/// The time from TERM to the end of the last response, as these arguments say it.
fn stop_time(arguments: &[String]) -> u64 {
    let of = |option: &str| {
        let given = arguments.iter().skip_while(|word| *word != option).nth(1).cloned();
        seconds(&given.unwrap_or_else(|| default_of(option)))
    };
    of("--drain-delay") + of("--grace")
}

#[test]
fn the_containers_start_and_their_probes_are_answered() {
    let (docker, compose, kubernetes) =
        (text("packaging/Dockerfile"), text("packaging/compose.yaml"), text("packaging/kubernetes.yaml"));
    assert_eq!(words(&docker, "ENTRYPOINT "), ["/barewire"]);
    for arguments in [words(&docker, "CMD "), words(&compose, "command:"), words(&kubernetes, "args:")] {
        // In the container, it is the port of EXPOSE; here, it may be taken.
        let port = value(&docker, "EXPOSE ");
        assert_eq!(arguments.iter().filter(|word| **word == port).count(), 1, "{arguments:?}");
        let folder = site_folder();
        let changed = arguments.iter().map(|word| match word.as_str() {
            "/srv" => "site",
            word if word == port => "0",
            word => word,
        });
        let server = Server::of(&mut barewire(&folder, &changed.collect::<Vec<_>>()));
        // kubelet names the address of the pod.
        let (_, path) = kubernetes.split_once("httpGet: {path: ").unwrap();
        let path = path.split(',').next().unwrap();
        // The field makes it a request that does not come from this computer, as in a container.
        let probe = |fields: &str| {
            let probe = format!("GET {path} HTTP/1.1\r\nHost: 10.42.0.7:8080\r\nVia: 1.1 a\r\n{fields}\r\n");
            String::from_utf8(converse(([127, 0, 0, 1], server.port()).into(), probe)).unwrap()
        };
        let response = probe("Connection: close\r\n");
        assert!(response.starts_with("HTTP/1.1 200 ") && response.ends_with("\r\n\r\n"), "{arguments:?} {response}");
        let has_delay = arguments.iter().any(|word| word == "--drain-delay");
        if has_delay {
            // Kubernetes sees that it will stop, and others can still connect.
            server.signal(Signal::TERM);
            until("the probe fails", || probe("Connection: close\r\n").starts_with("HTTP/1.1 503 "));
        }
        // A second signal does not wait for the delay.
        assert_eq!(server.stop(Signal::TERM).0, if has_delay { 143 } else { 0 });
    }
    let image = format!("barewire:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!([value(&compose, "image:"), value(&kubernetes, "image:")], [image.clone(), image]);
    assert_eq!(value(&docker, "USER "), format!("{0}:{0}", value(&kubernetes, "runAsUser:")));
    assert!(compose.contains(&format!(":{}\"", value(&docker, "EXPOSE "))));
    assert!(kubernetes.contains(&format!("containerPort: {}}}", value(&docker, "EXPOSE "))));
    // The mounts are where the program looks.
    assert!(compose.contains("../public:/srv:ro") && kubernetes.contains("mountPath: /srv,"));
    let compiler = value(&docker, "FROM rust:").split_once("-alpine").unwrap().0.split('.').nth(1).unwrap().to_string();
    let needed = env!("CARGO_PKG_RUST_VERSION").split('.').nth(1).unwrap();
    assert!(compiler.parse::<u32>().unwrap() >= needed.parse().unwrap(), "the image compiles with 1.{compiler}");
}

#[test]
fn nothing_is_killed_before_its_grace_is_over() {
    let (compose, kubernetes) = (text("packaging/compose.yaml"), text("packaging/kubernetes.yaml"));
    let unit = text("packaging/barewire.service");
    assert!(seconds(&value(&unit, "TimeoutStopSec=")) > stop_time(&[]));
    assert!(seconds(&value(&compose, "stop_grace_period:")) > stop_time(&words(&compose, "command:")));
    let whole = stop_time(&words(&kubernetes, "args:"));
    assert!(seconds(&value(&kubernetes, "terminationGracePeriodSeconds:")) > whole, "{whole}");
}

#[test]
fn the_service_starts_with_the_socket_and_the_options_of_its_files() {
    let unit = text("packaging/barewire.service");
    let command = value(&unit, "ExecStart=");
    let folder = site_folder();
    let arguments: Vec<&str> =
        command.split(' ').map(|word| if word == "%S/barewire" { "site" } else { word }).collect();
    assert_eq!((arguments[0], arguments[arguments.len() - 1]), ("/usr/bin/barewire", "site"));
    assert_eq!(value(&unit, "StateDirectory="), "barewire");
    // As systemd does it: the socket is passed, and there is no way to open another one.
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = shell(&folder, PASS_SOCKET, &arguments[1..]);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    let server = Server::of(&mut command);
    assert!(get(socket.local_addr().unwrap().port(), "/a.txt").ends_with("hello\n"));
    assert_eq!(server.stop(Signal::TERM).0, 0);

    // Only this computer, as without systemd, at the port that the program has by default.
    let sockets = text("packaging/barewire.socket");
    let open: Vec<&str> = sockets.lines().filter_map(|line| line.strip_prefix("ListenStream=")).collect();
    assert_eq!(open, ["127.0.0.1:8080", "[::1]:8080"]);
    let (_, help, _) = run(&mut barewire(&folder, &["--help"]));
    assert_eq!(value(&unit, "EnvironmentFile=-"), "/etc/default/barewire");
    let defaults = text("packaging/barewire.default");
    let compose = text("packaging/compose.yaml");
    let mut count = 0;
    for part in defaults.split("BAREWIRE_").chain(compose.split("BAREWIRE_").skip(1)).skip(1) {
        let name: String = part.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect();
        // "BAREWIRE_NAME" stands for all of them.
        let is_known = help.contains(&format!("[env: BAREWIRE_{name}]")) || name == "NAME";
        assert!(is_known, "BAREWIRE_{name}");
        count += 1;
    }
    assert!(count >= 6, "{count}");
}

#[test]
fn packages_contain_files_that_exist_under_the_names_that_they_are_looked_for() {
    let (cargo, release) = (fs::read_to_string(manifest()).unwrap(), text("packaging/release"));
    let assets = cargo.split_once("\nassets = [\n").unwrap().1.split_once("\n]\n").unwrap().0;
    let mut count = 0;
    for line in assets.lines() {
        let asset: Vec<String> = serde_json::from_str(line.trim().trim_end_matches(',')).unwrap();
        match asset[0].strip_prefix("target/") {
            Some("release/barewire") => assert_eq!(asset[1], "usr/bin/"),
            Some(made) => {
                let name = made.strip_prefix("packaging/").unwrap();
                assert!(release.contains(&format!(">\"$generated/{name}\"")), "{name} is made by packaging/release");
            }
            None => assert!(checkout().join(&asset[0]).is_file(), "{}", asset[0]),
        }
        count += 1;
    }
    assert!(count >= 10, "{count}");
    for option in ["--man", "--completions bash", "--completions zsh", "--completions fish"] {
        assert!(release.contains(&format!("target/debug/barewire {option} >")), "{option}");
    }
    // Cargo binstall looks for what the release makes.
    assert!(value(&cargo, "pkg-url = ").ends_with("/v{ version }/barewire-{ version }-{ target }.tar.gz"));
    assert!(value(&cargo, "bin-dir = ").starts_with("barewire-{ version }-{ target }/"));
    assert_eq!(value(&release, "name="), "barewire-$version-$target");
    let workflow = value(&text(".github/workflows/release.yml"), "target: [");
    let documented = release.lines().find_map(|line| line.strip_prefix("#   packaging/release ")).unwrap();
    assert_eq!(
        documented.split(" | ").collect::<Vec<_>>(),
        workflow.trim_end_matches(']').split(", ").collect::<Vec<_>>()
    );
    assert!(cargo.contains("\"/packaging\""), "the crate contains packaging/");
}

#[test]
fn every_file_of_packaging_is_explained() {
    let readme = text("packaging/README.md");
    for entry in fs::read_dir(checkout().join("packaging")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_explained =
            readme.contains(&format!("`{name}`")) || name == "README.md" || name.ends_with(".dockerignore");
        assert!(is_explained, "{name}");
    }
}

/// All files of the checkout below `folder`, without those that are made.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() && ![".git", "target"].contains(&entry.file_name().to_str().unwrap()) {
            files.extend(files_below(&path));
        } else if kind.is_file() {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_address_of_the_repository_is_a_placeholder_in_one_place() {
    // When it has a true one, this test goes, and README says how to install without a checkout.
    let address = value(&fs::read_to_string(manifest()).unwrap(), "repository = ");
    let host = address.strip_prefix("https://").unwrap().split('/').next().unwrap();
    assert!(host.ends_with(".example"), "no one can own a name below .example (RFC 2606)");
    let holds = |path: &PathBuf| {
        fs::read(path).is_ok_and(|bytes| bytes.windows(host.len()).any(|part| part == host.as_bytes()))
    };
    let mut found: BTreeSet<PathBuf> = files_below(checkout()).into_iter().filter(holds).collect();
    assert!(found.remove(&checkout().join("Cargo.toml")));
    found.remove(&manifest());
    assert_eq!(found, BTreeSet::new());
}
