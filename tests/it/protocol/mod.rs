//! The corpus, `tests/corpus/*.md`, against the protocol core, without sockets.
//!
//! Every case is fed whole, one byte at a time, cut in two at every position, and with other bytes after it. The events
//! must always be the same, and must be those in the file. `UPDATE=1 cargo test --test it protocol` writes them there.

mod play;

use std::collections::BTreeSet;
use std::fs;

use barewire::http::{Fault, fuzz};
use play::{Played, play};

use crate::support::corpus::{Case, all_cases, bytes, cases, files, shown, with_events};
use crate::support::mutants::{Dice, mutant};
use crate::support::rounds;

/// The least number of cases.
const CASES: usize = 150;
/// Inputs up to this size are cut at every position, longer ones near their ends and at some positions between.
const CUT_EVERYWHERE: usize = 1500;
/// Faults that only a timeout finds. `src/http/http1.rs` tests them.
const OF_THE_CLOCK: [Fault; 2] = [Fault::SlowHead, Fault::SlowContent];

#[track_caller]
fn same(path: &std::path::Path, case: &Case, feeding: &str, got: &str, expected: &str) {
    let place = format!("{}:{}: {}", path.display(), case.line, case.title);
    assert!(got == expected, "{place}\n  {feeding}\n--- expected\n{expected}--- got\n{got}");
}

#[test]
fn every_case_tells_the_events_of_its_file() {
    let update = std::env::var_os("UPDATE").is_some_and(|v| v == "1");
    for (path, text) in files() {
        let found = cases(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let told: Vec<(Case, String)> = found
            .into_iter()
            .map(|case| {
                let events = play(&case, &case.bytes, &[]).text();
                (case, events)
            })
            .collect();
        if update {
            fs::write(&path, with_events(&text, &told)).unwrap();
            continue;
        }
        for (case, events) in &told {
            same(&path, case, "whole", events, &case.events);
        }
    }
}

#[test]
fn no_cut_changes_the_events() {
    for (path, case) in all_cases() {
        let whole = play(&case, &case.bytes, &[]).text();
        let len = case.bytes.len();
        let bytewise: Vec<usize> = (1..len).collect();
        same(&path, &case, "bytewise", &play(&case, &case.bytes, &bytewise).text(), &whole);
        for cut in (1..len).filter(|&cut| is_cut(cut, len)) {
            same(&path, &case, &format!("cut at {cut}"), &play(&case, &case.bytes, &[cut]).text(), &whole);
        }
    }
}

/// Whether an input of `len` bytes is cut here.
fn is_cut(cut: usize, len: usize) -> bool {
    const NEAR: usize = 100;
    len <= CUT_EVERYWHERE || cut < NEAR || len - cut < NEAR || cut.is_multiple_of(331)
}

#[test]
fn bytes_after_a_message_do_not_change_it() {
    let tails: [&[u8]; 5] = [b"GET /after HTTP/1.1\r\nHost: b\r\n\r\n", b"\0", b"\r\n", b"\n", b"0\r\n\r\n"];
    let mut tried = 0;
    for (path, case) in all_cases() {
        let alone = play(&case, &case.bytes, &[]);
        if !alone.is_complete() {
            continue;
        }
        for tail in tails {
            let bytes = [&case.bytes[..], tail].concat();
            for cuts in [&[][..], &[case.bytes.len()]] {
                let both = play(&case, &bytes, cuts);
                let begun = &both.events[..alone.events.len().min(both.events.len())];
                same(&path, &case, &format!("with {tail:?} after it"), &begun.concat(), &alone.events.concat());
            }
            tried += 1;
        }
    }
    assert!(tried > CASES, "most cases end with a message");
}

#[test]
fn every_fault_has_a_case_and_every_case_a_name_of_its_own() {
    let (mut names, mut reached) = (BTreeSet::new(), BTreeSet::new());
    let all = all_cases();
    for (path, case) in &all {
        assert!(names.insert(case.title.clone()), "{}: two cases are named {:?}", path.display(), case.title);
        let Played { faults, .. } = play(case, &case.bytes, &[]);
        reached.extend(faults.iter().map(|f| f.name()));
    }
    let missing: Vec<&str> = Fault::ALL
        .iter()
        .filter(|f| !OF_THE_CLOCK.contains(f))
        .map(|f| f.name())
        .filter(|name| !reached.contains(name))
        .collect();
    assert!(missing.is_empty(), "no case reaches {missing:?}");
    assert!(all.len() >= CASES, "{} cases", all.len());
}

#[test]
fn mutants_of_every_case_hold_every_promise() {
    const LONGEST_SEED: usize = 400;
    let seeds: Vec<Vec<u8>> =
        all_cases().into_iter().map(|(_, case)| case.bytes).filter(|o| o.len() <= LONGEST_SEED).collect();
    let mut dice = Dice(0x6261_7265_7769_7265);
    for _ in 0..rounds(1_000, 20_000) {
        let bytes = mutant(&mut dice, &seeds);
        let shown = bytes.escape_ascii().to_string();
        let held = std::panic::catch_unwind(|| {
            fuzz::receive(&bytes);
            for line in bytes.split(|&o| o == b'\n') {
                fuzz::chunks(line);
                fuzz::targets(line);
                fuzz::lists(line);
                fuzz::dates(line);
            }
            fuzz::chunks(&bytes);
        });
        assert!(held.is_ok(), "these bytes broke a promise: {shown}");
    }
}

#[test]
fn the_notation_means_what_the_readme_says() {
    assert_eq!(bytes(r"a\r\n\t\x00\xff\\é").unwrap(), b"a\r\n\t\0\xff\\\xc3\xa9");
    assert_eq!(bytes(r"<\{3 ab\r}>\{0 x}").unwrap(), b"<ab\rab\rab\r>");
    for wrong in [r"\", r"\q", r"\x1", r"\xzz", r"\{3}", r"\{3 a", r"\{x a}"] {
        assert!(bytes(wrong).is_err(), "{wrong}");
    }
    assert_eq!(shown(b"a\r\n\xff\xc3\xa9\x01\\"), "a\\r\\n\\xffé\\x01\\\\");
}

#[test]
fn only_the_events_of_a_case_are_replaced() {
    let text =
        "# Story\n\nProse.\n\n## Danger\n\nWhy.\n\n```http early\nGET\n\\r\\n\n```\n\n```events\nold\n```\n\nEnd.\n";
    let mut found = cases(text).unwrap();
    let case = found.remove(0);
    assert_eq!(
        (case.title.as_str(), case.line, case.bytes.as_slice(), case.events.as_str()),
        ("Danger", 5, &b"GET\r\n"[..], "old\n")
    );
    assert!(case.is("early") && !case.is("last") && found.is_empty());
    assert_eq!(with_events(text, &[(case, "new\nlines\n".to_string())]), text.replace("old", "new\nlines"));
    for wrong in [
        "## A\n\nWhy.\n\n```http\nx\n```\n",
        "## A\n```http\nx\n```\n```events\n```\n",
        "```events\n```\n",
        "```http\nx\n",
    ] {
        assert!(cases(wrong).is_err(), "{wrong}");
    }
}
