//! The start screen on a terminal, and the warnings at the start.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{barewire, run, site_folder};
use crate::support::server::Server;

#[test]
fn dangerous_options_are_named_at_the_start() {
    const VISIBLE: &str =
        "Other users of this computer can see the password (ps). Use BAREWIRE_AUTH or --auth-file instead.";
    const CLEAR: &str =
        "Passwords are sent without encryption: put a TLS proxy in front, or use a network that you trust.";
    const ANY: &str = "--host '*' accepts every name, so a web page can reach this server under a name of its own.";
    const OPEN: &str = "Anyone on your network can change files here. To ask for a password: --auth NAME:PASSWORD";
    let folder = site_folder();
    let all = ["-b", "0.0.0.0"];
    for (arguments, warnings) in [
        (&[][..], &[][..]),
        (&["-w"], &[]),
        (&["-a", "ann:x"], &[VISIBLE]),
        (&["--host", "*"], &[ANY]),
        (&["--host", "a"], &[]),
        (&[all[0], all[1]], &[]),
        (&[all[0], all[1], "-w"], &[OPEN]),
        (&[all[0], all[1], "-w", "-a", "ann:x", "--host", "*"], &[VISIBLE, CLEAR, ANY]),
        (&[all[0], all[1], "-a", "ann:x", "-q"], &[VISIBLE, CLEAR]),
    ] {
        let is_quiet = arguments.contains(&"-q");
        let mut command = barewire(&folder, &[&["-p", "0"], arguments, &["site"]].concat());
        let expected: Vec<String> = warnings.iter().map(|warning| format!("barewire: {warning}\n")).collect();
        if is_quiet {
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            let mut stderr = BufReader::new(child.stderr.take().unwrap());
            for warning in &expected {
                let mut line = String::new();
                stderr.read_line(&mut line).unwrap();
                assert_eq!(line, *warning);
            }
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            assert_eq!(Server::of(&mut command).before(), expected, "{arguments:?}");
        }
        let (mut child, _master, screen) = on_a_terminal(
            command.stdout(Stdio::null()).env("NO_COLOR", "1"),
            if is_quiet { CLEAR } else { "Stop: Ctrl-C" },
        );
        child.kill().unwrap();
        child.wait().unwrap();
        for warning in [VISIBLE, CLEAR, ANY, OPEN] {
            let mark = if is_quiet { "barewire: " } else { "  ! " };
            let is_said = screen.lines().any(|line| line == format!("{mark}{warning}"));
            assert_eq!(is_said, warnings.contains(&warning), "{warning}\n{screen}");
        }
        assert!(screen.lines().count() <= 12, "{screen}");
    }
}

/// The running program, its terminal, and the text up to `end` on that terminal.
pub(crate) fn on_a_terminal(command: &mut Command, end: &str) -> (Child, File, String) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(path).unwrap();
    let input = Stdio::from(slave.try_clone().unwrap());
    let child = command.stdin(input).stdout(Stdio::null()).stderr(Stdio::from(slave)).spawn().unwrap();
    // The command would keep its end of the terminal open, and a read of our end would never finish.
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut master = File::from(master);
    let mut shown = String::new();
    while !shown.contains(end) {
        let mut buffer = [0; 1024];
        let count = master.read(&mut buffer).unwrap();
        shown += &String::from_utf8_lossy(&buffer[..count]);
    }
    (child, master, shown.replace("\r\n", "\n"))
}

#[test]
fn a_terminal_gets_the_start_screen_and_color_unless_it_is_not_wanted() {
    let folder = site_folder();
    let screen = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = barewire(&folder, &[&["-p", "0"], arguments].concat());
        let (mut child, _master, shown) = on_a_terminal(command.envs(variables.iter().copied()), "Stop: Ctrl-C");
        child.kill().unwrap();
        child.wait().unwrap();
        shown
    };
    let plain = screen(&["site"], &[("NO_COLOR", "1")]);
    let lines: Vec<&str> = plain.lines().collect();
    assert!(lines.len() <= 12, "{plain}");
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    assert_eq!(lines[0], format!("  barewire {version}   serving ./site  (read only)"));
    assert!(lines[2].starts_with("  http://127.0.0.1:") && lines[2].ends_with("/         open this"), "{plain}");
    assert_eq!(lines[4], "  Only this computer can connect.      barewire --lan      share on your network");
    assert!(!plain.contains('\x1b'), "{plain}");

    assert!(screen(&["site"], &[]).contains("\x1b[1m"));
    assert!(!screen(&["--color", "never", "site"], &[]).contains('\x1b'));
    assert!(!screen(&["site"], &[("TERM", "dumb")]).contains('\x1b'));
    assert!(screen(&["--color", "always", "site"], &[("NO_COLOR", "1")]).contains("\x1b[1m"));
    assert!(
        screen(&["--lan", "site"], &[("NO_COLOR", "1")]).contains("! Anyone on your network can read these files.\n")
    );

    let colored = run(&mut barewire(&folder, &["--color", "always", "nowhere"])).2;
    assert!(colored.starts_with("\x1b[1;31mbarewire:\x1b[0m there is no folder ./nowhere.\n"), "{colored}");
}

#[test]
fn ctrl_c_on_a_terminal_ends_with_a_line_of_its_own() {
    let folder = site_folder();
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    let (mut child, mut master, _) = on_a_terminal(&mut command, "Stop: Ctrl-C");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let mut rest = Vec::new();
    // When the other end of a terminal is closed, a read fails. It does not return an end of file.
    let _ = master.read_to_end(&mut rest);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let rest = String::from_utf8_lossy(&rest).replace("\r\n", "\n");
    assert!(rest.contains("\nstopped: 0 requests, 0 B, "), "{rest:?}");
}

#[test]
fn an_author_learns_which_option_puts_pages_into_the_sandbox() {
    const POLICY: &str = "Content-Security-Policy: default-src 'self'";
    let folder = site_folder();
    let said = |option: &str| {
        format!(
            "Scripts of served pages run in a sandbox because of {option}. To change that: -H 'Content-Security-Policy: VALUE'"
        )
    };
    for (arguments, option) in [
        (&["--upload"][..], Some("--upload")),
        (&["--overwrite", "--delete"], Some("--overwrite")),
        (&["-w"], Some("--write")),
        (&["--delete"], None),
        (&["-w", "-H", POLICY], None),
        (&[], None),
    ] {
        let mut command = barewire(&folder, &[&["-p", "0"], arguments, &["site"]].concat());
        let notes = Server::of(&mut command).notes();
        let (mut child, _master, screen) = on_a_terminal(command.env("NO_COLOR", "1"), "Stop: Ctrl-C");
        child.kill().unwrap();
        child.wait().unwrap();
        let sandboxed = |text: &str| text.contains("in a sandbox");
        assert_eq!(
            notes.iter().filter(|line| sandboxed(line)).collect::<Vec<_>>(),
            option.map(said).as_ref().into_iter().collect::<Vec<_>>()
        );
        let line = option.map(|option| format!("  ! {}", said(option)));
        assert_eq!(screen.lines().find(|line| sandboxed(line)), line.as_deref(), "{screen}");
    }
}
