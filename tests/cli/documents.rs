//! The documents: every link leads somewhere, and every command that README and the recipes show is run.
//!
//! | in a document | what is done with it |
//! |---|---|
//! | a link | the file exists, and so does the heading that it names |
//! | a block of ```` ```console ```` | each `$ command` is run; the lines after it are its output, `...` stands for any lines |
//! | `$ command &` | a server that runs until the end of its block |
//! | `` `barewire …` `` in a text or a table | is run: it serves, or ends with exit code 0 |
//!
//! Port 8080 of a document is the port of the server of its block. Dates, tags, times and ports differ from run to run,
//! so they are not compared. The commands need curl.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::packaging::{checkout, files_below, text};
use crate::support::corpus::all_cases;
use crate::support::folder::Folder;
use crate::support::server::{BINARY, Capture, Server, clean};
use crate::support::{has_program, until};

/// The documents whose commands are run.
const WITH_COMMANDS: [&str; 3] = ["README.md", "docs/features.md", "docs/recipes.md"];
/// Commands in texts that are forms, not examples.
const FORMS: [&str; 4] =
    ["barewire [OPTIONS] [PATH]", "barewire explain [FILE]", "barewire send HOST:PORT [FILE]", "barewire send"];
/// Fields whose values differ from run to run.
const VARIABLE_FIELDS: [&str; 3] = ["Date", "ETag", "Last-Modified"];

/// Each line of a document outside of its fenced blocks.
fn prose(document: &str) -> impl Iterator<Item = &str> {
    let mut in_block = false;
    document.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_block ^= is_fence;
        !in_block && !is_fence
    })
}

/// The parts of a line in backticks, or the others.
fn parts(line: &str, in_code: bool) -> impl Iterator<Item = &str> {
    line.split('`').skip(usize::from(in_code)).step_by(2)
}

/// The targets of the links of a document.
fn links(document: &str) -> Vec<String> {
    let mut links = Vec::new();
    for line in prose(document) {
        // Without code, in which brackets are no links. The text of a link may be code.
        let text = parts(line, false).collect::<Vec<_>>().join("code");
        links.extend(text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_string())));
    }
    links
}

/// The name of a heading in an address, as code forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// What is wrong with the links of the document at `path`.
fn dead_links(path: &Path, document: &str) -> Vec<String> {
    let mut dead = Vec::new();
    for link in links(document) {
        // Nothing outside of the checkout is asked.
        if link.contains("://") {
            continue;
        }
        let (file, fragment) = link.split_once('#').unwrap_or((&link, ""));
        let file = if file.is_empty() { path.to_path_buf() } else { path.parent().unwrap().join(file) };
        let has_heading = |text: String| prose(&text).any(|line| line.starts_with('#') && anchor(line) == fragment);
        let text = || if file == path { Ok(document.to_string()) } else { fs::read_to_string(&file) };
        let leads = file.exists() && (fragment.is_empty() || text().is_ok_and(has_heading));
        if !leads {
            dead.push(format!("{}: {link}", path.display()));
        }
    }
    dead
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let is_document = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "md");
    let documents: Vec<PathBuf> = files_below(checkout()).into_iter().filter(is_document).collect();
    assert!(documents.len() >= 12, "{documents:?}");
    let dead = documents.iter().flat_map(|path| dead_links(path, &fs::read_to_string(path).unwrap()));
    assert_eq!(dead.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_planted_dead_link_is_found() {
    let path = checkout().join("README.md");
    for good in ["[a](LICENSE-MIT)", "[a](#b-c)\n## B: c", "`[a](b)`", "[`a`](https://example.org)", "```\n[a](b)\n```"]
    {
        assert_eq!(dead_links(&path, good), [""; 0], "{good}");
    }
    for bad in ["[a](no-file)", "[a](#b)\n```\n# b\n```", "[`a`](no-file) `b`", "![a](LICENSE-MIT#none)"] {
        assert_eq!(dead_links(&path, bad).len(), 1, "{bad}");
    }
}

/// A command of a block, with the lines that it prints.
struct Step {
    command: String,
    lines: Vec<String>,
}

/// The blocks of a document that show commands.
fn blocks(document: &str) -> Vec<Vec<Step>> {
    let mut blocks = Vec::new();
    for block in document.split("\n```console\n").skip(1) {
        let mut steps: Vec<Step> = Vec::new();
        for line in block.lines().take_while(|line| *line != "```") {
            match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_string(), lines: Vec::new() }),
                None => steps.last_mut().expect("a block begins with a command").lines.push(line.to_string()),
            }
        }
        for step in &mut steps {
            // An empty line before the next command is for the reader.
            step.lines.truncate(step.lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        }
        blocks.push(steps);
    }
    blocks
}

/// Whether a line of the output is the one that is shown, except for what differs from run to run.
fn is_line(shown: &str, line: &str) -> bool {
    if let Some((name, _)) = shown.split_once(": ")
        && VARIABLE_FIELDS.contains(&name)
    {
        return line.starts_with(&format!("{name}: "));
    }
    let (shown, line): (Vec<_>, Vec<_>) = (shown.split_whitespace().collect(), line.split_whitespace().collect());
    shown.len() == line.len() && shown.iter().zip(line).all(|(shown, word)| *shown == word || is_variable(shown, word))
}

/// Whether two words are both a time, an address with a port, or a rule.
fn is_variable(shown: &str, word: &str) -> bool {
    let forms: [fn(&str) -> bool; 4] = [
        |word| word.strip_prefix('+').is_some_and(|rest| rest.parse::<f64>().is_ok()),
        |word| word.len() == "00:00:00.000".len() && word.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b)),
        |word| word.strip_prefix("127.0.0.1:").is_some_and(|port| port.parse::<u16>().is_ok()),
        |word| word.chars().all(|c| c == '─'),
    ];
    forms.iter().any(|is_form| is_form(shown) && is_form(word))
}

/// Whether the output is what is shown. `is_whole`: the output has ended.
fn agrees(shown: &[String], output: &str, is_whole: bool) -> bool {
    let (mut lines, mut may_skip) = (output.lines(), false);
    for shown in shown {
        if shown == "..." {
            may_skip = true;
            continue;
        }
        let found = if may_skip {
            lines.any(|line| is_line(shown, line))
        } else {
            lines.next().is_some_and(|line| is_line(shown, line))
        };
        if !found {
            return false;
        }
        may_skip = false;
    }
    !is_whole || may_skip || lines.next().is_none()
}

/// A shell script in `folder`, in which `barewire` is the program under test.
fn script(folder: &Folder, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    let mut command = clean(command);
    let built = Path::new(BINARY).parent().unwrap().to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(built).chain(std::env::split_paths(&path))).unwrap();
    command.current_dir(folder.path()).env("PATH", path).env("HOME", folder.path());
    command
}

/// A server of a document, on a port that the system chooses.
fn server(folder: &Folder, command: &str) -> Command {
    // The shell becomes the server, so that a signal reaches it.
    let command = command.replacen("barewire", "exec barewire", 1);
    let mut script = script(folder, &command);
    script.env("BAREWIRE_PORT", "0");
    if command.contains("--study") {
        script.env("BAREWIRE_WIRE_PORT", "0");
    }
    script
}

/// A folder as the documents have it: with the `public` of the checkout.
fn folder() -> Folder {
    let folder = Folder::in_temp_dir();
    symlink(checkout().join("public"), folder.join("public")).unwrap();
    folder
}

/// Runs the commands of one block.
fn play(document: &str, steps: &[Step]) {
    let (folder, mut running) = (folder(), None::<Server>);
    // With `--wire` it is the server that prints.
    let is_wire = steps[0].command.contains("--wire ");
    for step in steps {
        if let Some(command) = step.command.strip_suffix(" &") {
            running = Some(Server::of(&mut server(&folder, command)));
            continue;
        }
        let port = running.as_ref().map_or_else(|| "8080".to_string(), |server| server.port().to_string());
        let local = |text: &str| text.replace("localhost:8080", &format!("localhost:{port}"));
        let shown: Vec<String> = step.lines.iter().map(|line| local(line)).collect();
        // Standard error has what a terminal would not show, such as the progress of curl.
        let output = script(&folder, &local(&step.command)).output().unwrap();
        let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let says =
            || format!("{document}: {}\nshown:\n{}\nprinted:\n{printed}{said}", step.command, step.lines.join("\n"));
        assert!(output.status.success(), "{}", says());
        match &running {
            Some(server) if is_wire => server.log().wait(&says(), |text| agrees(&shown, text, false).then_some(())),
            _ => assert!(agrees(&shown, &printed, true), "{}", says()),
        }
    }
}

#[test]
fn every_block_of_commands_prints_what_is_shown() {
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    let mut commands = 0;
    for document in WITH_COMMANDS {
        for steps in blocks(&text(document)) {
            play(document, &steps);
            commands += steps.len();
        }
    }
    assert!(commands >= 20, "{commands} commands");
}

/// The commands in the texts and tables of a document.
fn short_commands(document: &str) -> Vec<String> {
    let code = prose(document).flat_map(|line| parts(line, true));
    let is_command = |code: &&str| {
        let words = code.split(' ').skip_while(|word| word.contains('=') && !word.starts_with('-'));
        words.take(1).any(|word| word == "barewire") && !FORMS.contains(code)
    };
    code.filter(is_command).map(str::to_string).collect()
}

#[test]
fn every_command_in_a_text_serves_or_succeeds() {
    let mut commands: Vec<String> = WITH_COMMANDS.iter().flat_map(|document| short_commands(&text(document))).collect();
    commands.sort();
    commands.dedup();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let folder = folder();
        for (name, content) in [("FOLDER/a.txt", "fine"), ("dist/index.html", "fine"), ("inbox/b.txt", "fine")] {
            folder.write(name, content);
        }
        fs::create_dir_all(folder.join(".local/share/bash-completion/completions")).unwrap();
        let mut child = server(&folder, &command).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Capture::of(child.stderr.take().unwrap());
        let mut ended = None;
        until(&command, || {
            ended = child.try_wait().unwrap();
            ended.is_some() || said.so_far().contains("listening on http://")
        });
        match ended {
            Some(status) => assert!(status.success(), "{command}\n{}", said.so_far()),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    }
}

/// The number before `word`, on the line that links to `link`.
#[track_caller]
fn number_before(document: &str, word: &str, link: &str) -> usize {
    let line = document.lines().find(|line| line.contains(link)).expect(link);
    let (before, _) = line.split_once(&format!(" {word}](")).expect(line);
    before.rsplit(['[', ' ']).next().unwrap().parse().expect(line)
}

/// Rows of tables in a document that begin so.
fn rows(document: &str, is_row: impl Fn(&str) -> bool) -> usize {
    document.lines().filter(|line| line.starts_with("| ") && is_row(line)).count()
}

#[test]
fn the_numbers_in_readme_are_those_of_the_tables_it_links() {
    let readme = text("README.md");
    assert_eq!(number_before(&readme, "requests", "(tests/corpus/README.md)"), all_cases().len());
    let clients = rows(&text("tests/clients/README.md"), |row| row.contains(" | right"));
    assert_eq!(number_before(&readme, "clients", "(tests/clients/README.md)"), clients);
    let promises =
        rows(&text("tests/README.md"), |row| row[2..].starts_with(|c: char| c.is_ascii_digit()) && row.contains("::"));
    assert_eq!(number_before(&readme, "promises", "(tests/README.md#the-promises"), promises);
    assert!(readme.contains(&format!("({} or newer)", env!("CARGO_PKG_RUST_VERSION").trim_end_matches(".0"))));
    // "A response of 1 KiB costs two system calls and less CPU time than the others need for it."
    let row = |name: &str| readme.lines().find(|line| line.starts_with(&format!("| {name} | "))).expect(name);
    for (name, most) in [("1 KiB, keep-alive, 64 connections", f64::MAX), ("system calls for 1 KiB", 2.5)] {
        let own = row(name).split('|').nth(2).unwrap().trim();
        let value = own.trim_matches('*').parse::<f64>().unwrap();
        assert!(own.starts_with("**") && value < most, "{}", row(name));
    }
}
