//! What the fuzz targets check, on the inputs that they found worth keeping and on mutants of them.
//!
//! `tests/fuzz/run.py` runs the targets themselves, and writes the files of `tests/fuzz/inputs` anew.

use std::panic::{AssertUnwindSafe, catch_unwind};

use barewire::http::fuzz;

use crate::fuzz::{annotations, serving::Site};
use crate::support::corpus::bytes;
use crate::support::folder::Folder;
use crate::support::mutants::{Dice, mutant};
use crate::support::rounds;

/// The kept inputs of a target: one a line, in the notation of the corpus.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let path = format!("{}/tests/fuzz/inputs/{target}.txt", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    text.lines().map(|line| bytes(line).unwrap_or_else(|e| panic!("{path}: {e}: {line}"))).collect()
}

/// Runs `check` on the inputs of `target` and on `mutants` broken relatives of them.
fn holds(target: &str, mutants: usize, check: impl Fn(&[u8])) {
    let inputs = inputs(target);
    assert!(inputs.len() > 2, "{target}: {} inputs", inputs.len());
    let mut dice = Dice(0x6675_7a7a);
    let relatives = (0..mutants).map(|_| mutant(&mut dice, &inputs));
    for input in inputs.iter().cloned().chain(relatives) {
        let held = catch_unwind(AssertUnwindSafe(|| check(&input)));
        assert!(held.is_ok(), "{target}: these bytes broke a promise: {}", input.escape_ascii());
    }
}

#[test]
fn no_input_of_a_fuzzer_breaks_the_parsers_or_the_view() {
    let mutants = rounds(300, 20_000);
    holds("receive", mutants, fuzz::receive);
    holds("chunks", mutants, fuzz::chunks);
    holds("forms", mutants, fuzz::forms);
    holds("targets", mutants, fuzz::targets);
    holds("lists", mutants, fuzz::lists);
    holds("dates", mutants, fuzz::dates);
    holds("annotations", mutants, annotations::check);
}

#[test]
fn no_input_of_a_fuzzer_leads_out_of_the_root_breaks_a_range_or_fails_the_server() {
    let folder = Folder::new();
    let site = Site::below(folder.path());
    let mutants = rounds(150, 20_000);
    holds("paths", mutants, |bytes| site.paths(bytes));
    holds("ranges", mutants, |bytes| site.ranges(bytes));
    holds("requests", mutants, |bytes| site.requests(bytes));
}
