//! `--log-file`: which file is written, what HUP does, and which files are refused.

use std::fs;

use rustix::process::Signal;

use crate::program::{assert_error, barewire, get, site_folder};
use crate::support::server::Server;
use crate::support::until;

#[test]
fn after_a_rename_and_hup_the_log_goes_on_in_a_new_file_and_no_line_is_lost() {
    let folder = site_folder();
    fs::create_dir(folder.join("logs")).unwrap();
    let (log, old) = (folder.join("logs/access.log"), folder.join("logs/access.log.1"));
    fs::write(&log, "earlier\n").unwrap();
    let arguments = ["-p", "0", "--log-file", "logs/access.log", "site"];
    let server = Server::of(&mut barewire(&folder, &arguments));
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    assert!(get(server.port(), "/a.txt?1").ends_with("hello\n"));
    until("the first line", || read(&log).contains("GET /a.txt?1 "));
    fs::rename(&log, &old).unwrap();
    // A program that rotates logs has not told the server yet.
    get(server.port(), "/a.txt?2");
    until("the second line", || read(&old).contains("GET /a.txt?2 "));
    server.signal(Signal::HUP);
    until("the new file", || log.exists());
    get(server.port(), "/a.txt?3");
    until("the third line", || read(&log).contains("GET /a.txt?3 "));
    let out = server.out.clone().unwrap();
    assert_eq!(server.stop(Signal::TERM).0, 0);
    let (first, second) = (read(&old), read(&log));
    assert_eq!((first.lines().count(), second.lines().count()), (3, 1), "{first}\n{second}");
    assert!(first.starts_with("earlier\n127.0.0.1 - - [") && second.ends_with(" \"-\" \"-\"\n"), "{first}\n{second}");
    assert_eq!(out.all(), b"");
}

#[test]
fn a_log_file_that_cannot_be_made_again_is_told_and_the_old_one_goes_on() {
    let folder = site_folder();
    fs::create_dir(folder.join("logs")).unwrap();
    let (log, old) = (folder.join("logs/access.log"), folder.join("old.log"));
    let server =
        Server::of(&mut barewire(&folder, &["-p", "0", "--log-file", "logs/access.log", "--log", "json", "site"]));
    fs::rename(&log, &old).unwrap();
    fs::create_dir(&log).unwrap();
    server.signal(Signal::HUP);
    server.err.line("the log file cannot be opened again, so the log goes on in the old one");
    get(server.port(), "/a.txt");
    until("the line", || fs::read_to_string(&old).unwrap().contains("\"request\":\"GET /a.txt HTTP/1.1\""));
    assert_eq!(server.stop(Signal::TERM).0, 0);
}

#[test]
fn a_log_that_clients_could_fetch_or_that_cannot_be_written_ends_the_start() {
    let folder = site_folder();
    std::os::unix::fs::symlink("site/x.log", folder.join("link.log")).unwrap();
    fs::write(folder.join("site/x.log"), "").unwrap();
    let served = |name: &str| {
        format!(
            "barewire: the log file {name} is in the folder that is served.\n\
             Write it to a folder that is not served, so that it cannot be downloaded or changed.\n"
        )
    };
    for (path, name) in [("site/access.log", "./site/access.log"), ("link.log", "./link.log")] {
        assert_error(&mut barewire(&folder, &["-p", "0", "--log-file", path, "site"]), 2, &served(name));
    }
    assert!(!folder.join("site/access.log").exists());
    let missing = "barewire: there is no folder ./none for the log file ./none/a.log.\nMake it:  mkdir -p ./none\n";
    assert_error(&mut barewire(&folder, &["-p", "0", "--log-file", "none/a.log", "site"]), 2, missing);
    fs::create_dir(folder.join("logs")).unwrap();
    let is_folder = "barewire: cannot write the log file ./logs: Is a directory (os error 21).\n";
    assert_error(&mut barewire(&folder, &["-p", "0", "--log-file", "logs", "site"]), 2, is_folder);
    let off = "barewire: --log-file names a file for the access log, which is off.\n\
               Leave out one of them:  barewire --log-file access.log\n";
    assert_error(&mut barewire(&folder, &["--log-file", "a.log", "--log", "off", "site"]), 2, off);
}

#[test]
fn the_times_of_the_log_are_local() {
    let folder = site_folder();
    let mut command = barewire(&folder, &["-p", "0", "--log", "common", "site"]);
    // Fifteen minutes after a full hour: an offset that no machine has by chance.
    command.env("TZ", "<+0545>-5:45");
    let server = Server::of(&mut command);
    let response = get(server.port(), "/a.txt");
    let line = server.log().line("/a.txt");
    assert!(line.contains(" +0545] "), "{line}");
    // The same moment, up to a second: the response says it in UTC.
    let time = |text: &str| -> i32 {
        let numbers: Vec<i32> = text[..8].split(':').map(|number| number.parse().unwrap()).collect();
        numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    };
    let utc = time(response.split_once("Date: ").unwrap().1.split(' ').nth(4).unwrap());
    let local = time(&line.split_once(" [").unwrap().1[12..]);
    let ahead = (local - utc).rem_euclid(24 * 3600);
    assert!((ahead - (5 * 3600 + 45 * 60)).abs() <= 1, "{ahead}: {line}");
}
