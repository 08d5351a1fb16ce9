//! The completions in the shells that read them: what a real bash, zsh and fish offer for a line that is begun.
//!
//! Bash and zsh run on a terminal, where the test types a line, the key that inserts everything that is offered, and
//! Enter. `barewire` is a function there, which writes its arguments into a file.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::program::{barewire, in_folder, run, site_folder};
use crate::support::folder::Folder;
use crate::support::server::Capture;
use crate::support::{has_program, until};

const REQUIRED: &str = "BAREWIRE_REQUIRE_SHELLS";
/// What the folder contains in which the shells run.
const FILES: [&str; 3] = ["a b.txt", "sendfile.txt", "site"];

/// A line that is begun, and all that is offered for its last word.
const CASES: [(&str, &[&str]); 30] = [
    // The first word is a command or a path, also one that begins like a command.
    ("barewire ", &["a b.txt", "explain", "help", "send", "sendfile.txt", "site"]),
    ("barewire s", &["send", "sendfile.txt", "site"]),
    ("barewire exp", &["explain"]),
    ("barewire -q exp", &[]),
    ("barewire -q s", &["sendfile.txt", "site"]),
    // Options, before and after PATH.
    ("barewire --bi", &["--bind"]),
    ("barewire site --sym", &["--symlinks"]),
    ("barewire -q --head", &["--head-timeout", "--header"]),
    ("barewire --cut", &[]),
    // A value is one of its words, a file, or what only the user knows.
    ("barewire --symlinks ", &["any", "deny", "inside"]),
    ("barewire --log c", &["combined", "common"]),
    ("barewire --log=c", &["combined", "common"]),
    ("barewire site --auth-for w", &["write"]),
    ("barewire --auth-file ", &FILES),
    ("barewire -p ", &[]),
    ("barewire -b ", &[]),
    ("barewire --host ", &[]),
    ("barewire -H ", &[]),
    ("barewire --header=", &[]),
    ("barewire -a ", &[]),
    // Where a value may be left out, only what stands after "=" is one.
    ("barewire --wire=", &["full", "head", "json", "line"]),
    ("barewire --wire ", &FILES),
    ("barewire --spa=", &[]),
    ("barewire --cors s", &["sendfile.txt", "site"]),
    // The commands.
    ("barewire help ", &["explain", "send"]),
    ("barewire send ", &[]),
    ("barewire send localhost:80 s", &["sendfile.txt", "site"]),
    ("barewire send --h", &["--help", "--hold"]),
    ("barewire explain --for ", &[]),
    ("barewire explain --in s", &["sendfile.txt", "site"]),
];

/// A folder with the completions for `shell`; `None` if it is not installed.
fn folder_for(shell: &str) -> Option<Folder> {
    if !has_program(shell, REQUIRED) {
        return None;
    }
    let folder = site_folder();
    for file in ["a b.txt", "sendfile.txt", "site/index.html"] {
        folder.write(format!("here/{file}"), "");
    }
    let (exit, script, said) = run(&mut barewire(&folder, &["--completions", shell]));
    assert_eq!((exit, said.as_str()), (0, ""));
    folder.write("script", script);
    Some(folder)
}

fn shell_in(folder: &Folder, words: &[&str]) -> Command {
    let mut command = in_folder(Command::new(words[0]), folder, &words[1..]);
    command.current_dir(folder.join("here"));
    // No settings of the person who runs the test.
    command.env("HOME", folder.path()).env("ZDOTDIR", folder.path()).env("TERM", "dumb").env("LC_ALL", "C.UTF-8");
    command
}

/// A shell on a terminal.
struct Typed {
    shell: Child,
    keys: File,
    screen: Arc<Capture>,
}

impl Typed {
    fn start(mut command: Command) -> Typed {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let shell = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let keys = File::from(master);
        let screen = Capture::of(keys.try_clone().unwrap());
        Typed { shell, keys, screen }
    }

    fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Types every case into a shell, after `setup`; `key` inserts all that is offered.
fn assert_offers(folder: &Folder, words: &[&str], setup: &str, key: &str) {
    let mut typed = Typed::start(shell_in(folder, words));
    let out = folder.join("out");
    let function = "barewire() { printf '%s\\n' \"$@\" >../new; mv ../new ../out; }";
    typed.type_keys(&format!("{setup}; {function}; barewire ready\n"));
    until("the shell starts", || out.exists());
    for (line, expected) in CASES {
        fs::remove_file(&out).unwrap();
        typed.type_keys(&format!("{line}{key}\n"));
        until(line, || out.exists());
        // The last word that was typed has been replaced by what is offered, except for the option before "=".
        let (before, word) = line.rsplit_once(' ').unwrap();
        let typed_words = before.split(' ').count() - 1;
        let text = fs::read_to_string(&out).unwrap();
        let after = text.lines().skip(typed_words);
        let mut offered: Vec<&str> = after.map(|word| word.rsplit('=').next().unwrap()).collect();
        offered.sort_unstable();
        // What is typed stays where nothing is offered.
        let unchanged = word.rsplit('=').next().unwrap();
        offered.retain(|offer| *offer != unchanged);
        assert_eq!(offered, expected, "{line}\n{}", typed.screen.so_far());
    }
}

#[test]
fn bash_offers_what_may_stand_there() {
    let Some(folder) = folder_for("bash") else { return };
    // Alt-* inserts all.
    assert_offers(&folder, &["bash", "--norc", "--noprofile", "-i"], "source ../script", "\x1b*");
}

#[test]
fn zsh_offers_what_may_stand_there() {
    let Some(folder) = folder_for("zsh") else { return };
    let setup = "autoload -U compinit; compinit -u -D; source ../script; zle -C all complete-word _generic; \
        bindkey '^T' all; zstyle ':completion:all:*' insert yes; \
        zstyle ':completion:all::::' completer _all_matches _complete";
    assert_offers(&folder, &["zsh", "-f", "-i"], setup, "\x14");
}

#[test]
fn fish_offers_what_may_stand_there() {
    let Some(folder) = folder_for("fish") else { return };
    let mut script = "source ../script\n".to_string();
    for (line, _) in CASES {
        script += &format!("echo '== {line}'; complete -C '{line}'\n");
    }
    let (exit, out, said) = run(&mut shell_in(&folder, &["fish", "--no-config", "-c", &script]));
    assert_eq!((exit, said.as_str()), (0, ""));
    let mut answers = out.split("== ").skip(1);
    for (line, expected) in CASES {
        let answer = answers.next().and_then(|answer| answer.strip_prefix(line)).expect(line);
        // A word, a tab, what it means. Folders end in a slash.
        let word =
            |line: &str| line.split('\t').next().unwrap().rsplit('=').next().unwrap().trim_end_matches('/').to_string();
        let mut offered: Vec<String> = answer.lines().skip(1).map(word).collect();
        offered.sort_unstable();
        assert_eq!(offered, expected, "{line}");
    }
}
