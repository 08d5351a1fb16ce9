//! The manual page of `--man`, and `barewire help`.
//!
//! Most of both is made from the definition of the options. Usage and last sections are texts of ours: clap knows
//! neither the tools, which the first word chooses, nor the exit codes.

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::program::error::{StartError, print};
use crate::program::options::{Explain, LAST_SECTIONS, Send, USAGE, definition::command, exit_after, wrong_usage};

/// `barewire help`, also with the name of a command: prints what `--help` prints there, and exits. Exit code 2: there
/// is no such command.
pub(crate) fn help(words: &[OsString]) -> Result<(), StartError> {
    let names: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let mut command = match names.iter().map(AsRef::as_ref).collect::<Vec<_>>()[..] {
        [] | ["help" | "-h" | "--help"] => command(),
        ["explain"] => Explain::command(),
        ["send"] => Send::command(),
        _ => return Err(wrong_usage("no such help", &[("words", &format!("{:?}", names.join(" ")))])),
    };
    exit_after(print(command.render_long_help().to_string().as_bytes()))
}

/// The manual page: the server, and a section for each tool.
pub(super) fn manual() -> io::Result<Vec<u8>> {
    let (man, mut page) = (Man::new(command()), Vec::new());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    page.extend(synopsis(USAGE)?);
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    // Section by section: those of the tools stand before the examples and the version.
    for tool in [Explain::command(), Send::command()] {
        writeln!(page, ".SH \"BAREWIRE {}\"", tool.get_name().to_uppercase())?;
        // The sections of a tool become subsections of its own one.
        page.extend_from_slice(String::from_utf8_lossy(&tool_sections(tool)?).replace("\n.SH ", "\n.SS ").as_bytes());
    }
    page.extend(last_sections(LAST_SECTIONS)?);
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// The sections about how to call a tool.
fn tool_sections(tool: Command) -> io::Result<Vec<u8>> {
    let (man, mut sections) = (Man::new(tool), Vec::new());
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    Ok(sections)
}

/// The synopsis of all commands, a line each.
fn synopsis(usage: &str) -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]).control("nf", []);
    usage.lines().for_each(|line| _ = roff.text([roman(line.trim_start())]));
    roff.control("fi", []);
    written(&roff)
}

/// The last sections as lists: each first part is a term.
fn last_sections(text: &str) -> io::Result<Vec<u8>> {
    let mut roff = Roff::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let Some(row) = line.strip_prefix("  ") else {
            roff.control("SH", [line]);
            continue;
        };
        match row.split_once("  ") {
            // The meaning goes on.
            Some(("", rest)) => _ = roff.text([roman(rest.trim_start())]),
            Some((term, meaning)) => {
                roff.control("TP", []).text([bold(term)]).text([roman(meaning.trim_start())]);
            }
            // The meaning follows on the next line.
            None => _ = roff.control("TP", []).text([bold(row)]),
        }
    }
    written(&roff)
}

fn written(roff: &Roff) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    roff.to_writer(&mut page)?;
    Ok(page)
}
