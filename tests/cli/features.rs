//! How many crates a dependent has to build with each set of features.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::skip;

/// With no feature: the protocol alone.
const MOST_OF_PROTOCOL: usize = 10;
/// With `server` alone: an embedder needs nothing of the command line.
const MOST_OF_SERVER: usize = 45;

/// Names and versions of all crates, this one included. `None` where cargo has not what it needs without a network.
fn crates_with(features: &str) -> Option<BTreeSet<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none", "--no-dedupe"]);
    let output = cargo.args(["--no-default-features", "--features", features]).output().ok()?;
    if !output.status.success() {
        let why = format!("cargo tree does not run: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        skip(&why, "BAREWIRE_REQUIRE_CARGO");
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_string).collect())
}

#[test]
fn an_embedder_builds_few_crates_and_a_parser_fewer() {
    let all = ["", "server", "cli"].map(crates_with);
    let [Some(protocol), Some(server), Some(program)] = all else { return };
    assert!(protocol.len() <= MOST_OF_PROTOCOL, "{protocol:#?}");
    assert!(server.len() <= MOST_OF_SERVER, "{} crates: {server:#?}", server.len());
    // Else a mistake in the count would pass.
    assert!(protocol.is_subset(&server) && server.is_subset(&program) && protocol.len() < server.len());
    assert!(program.len() > MOST_OF_SERVER, "{program:#?}");
}
