//! `-h`, `--help`, the manual page and the completions.
//!
//! The subtle thing: `-h` is written by hand, because twenty lines one can read at a glance are not
//! what a generator makes. A test holds it to the definition: every option stands in it.

use std::io::{self, Write};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

/// What `-h` prints: at most 24 lines of 80 columns, so that nothing scrolls away.
pub(crate) const SHORT: &str = "\
barewire [OPTIONS] [PATH]        serve a folder, or one file, over HTTP/1.1
barewire explain|send --help     explain saved bytes; send bytes, see the answer

Where    -p, --port N [8080]     -b, --bind ADDR [127.0.0.1 and ::1]     --lan
What     --index NAME    --no-listing    --dotfiles    --spa[=FILE]
         --symlinks inside|deny|any      -H, --header 'NAME: VALUE'
         --cache revalidate|off|SECONDS    --cors[=ORIGIN]
Write    -u, --upload    --overwrite    --delete    -w, --write (all three)
         --max-body SIZE [16G]
Who      -a, --auth USER:PASS    --auth-file FILE    --auth-for all|write
         --host NAME
Limits   --max-connections N     --max-per-client N    --max-head SIZE [16K]
         --head-timeout TIME [10s]    --idle-timeout TIME [30s]
         --min-rate SIZE [1K]    --grace TIME [10s]    --loops N    --workers N
Study    --study    --wire-port N    --wire-memory SIZE [16M]    --no-sendfile
         --wire[=line|head|full|json]    --wire-hide NAME    --wire-secrets
         --ascii
Output   -q, --quiet    -v, --verbose    --log short|common|combined|json|off
         --color auto|always|never    --completions SHELL    --man
         -h, --help     -V, --version

PATH is ./public if there is one, else this folder. Only this computer can
connect, unless --lan or --bind opens it. Nothing can be changed, unless -u or
-w allows it. Each option also as BAREWIRE_NAME. More: barewire --help
";

/// The manual page: the server's, and within it a section for each tool.
pub(crate) fn manual(command: Command, tools: impl IntoIterator<Item = Command>) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = Man::new(command);
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    for tool in tools {
        writeln!(page, ".SH \"BAREWIRE {}\"", tool.get_name().to_uppercase())?;
        let (man, mut section) = (Man::new(tool), Vec::new());
        man.render_synopsis_section(&mut section)?;
        man.render_description_section(&mut section)?;
        man.render_options_section(&mut section)?;
        // Its sections are parts of this one.
        page.extend_from_slice(String::from_utf8_lossy(&section).replace("\n.SH ", "\n.SS ").as_bytes());
    }
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// The completions of a shell. Here the tools are subcommands, although they are read before the parser
/// sees a word: what a shell completes is the same.
pub(crate) fn completions(command: Command, tools: impl IntoIterator<Item = Command>, shell: Shell) -> Vec<u8> {
    let mut command = command.subcommands(tools).disable_help_subcommand(true);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "barewire", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::options::command;

    #[test]
    fn the_short_help_names_every_option_and_fits_a_terminal() {
        assert!(SHORT.lines().count() <= 24);
        assert!(SHORT.lines().all(|line| line.chars().count() <= 80), "{SHORT}");
        let words: Vec<&str> = SHORT.split([' ', ',', '[', '\n']).collect();
        let mut command = command();
        command.build();
        for option in command.get_opts() {
            let long = format!("--{}", option.get_long().unwrap());
            assert!(words.contains(&long.as_str()), "{long}");
            let short = option.get_short().map(|c| format!("-{c}"));
            assert!(short.is_none_or(|short| words.contains(&short.as_str())), "{long}");
        }
    }

    #[test]
    fn every_option_has_a_variable_and_an_example() {
        for option in command().get_opts() {
            let long = option.get_long().unwrap();
            let is_action = ["completions", "man", "help", "version"].contains(&long);
            let expected = format!("BAREWIRE_{}", long.to_uppercase().replace('-', "_"));
            let variable = option.get_env().map(|name| name.to_str().unwrap().to_string());
            assert_eq!(variable, (!is_action).then_some(expected), "{long}");
            let text = option.get_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.contains("Example: barewire "), "{long}: {text}");
            assert!(option.get_help_heading().is_some(), "{long}");
        }
    }
}
