//! The limit of open files, and the sandbox of the process (Landlock).

use std::fs;

use crate::program::{barewire, get, shell, site_folder};
use crate::support::server::Server;

#[test]
fn open_files_are_raised_to_what_is_allowed() {
    let folder = site_folder();
    let server = Server::of(&mut shell(&folder, "ulimit -S -n 256; exec \"$0\" \"$@\"", &["-p", "0", "site"]));
    let limits = server.proc("limits");
    let row: Vec<&str> = limits.lines().find(|l| l.starts_with("Max open files")).unwrap().split_whitespace().collect();
    let (soft, hard): (u64, u64) = (row[3].parse().unwrap(), row[4].parse().unwrap_or(u64::MAX));
    assert_eq!(soft, hard.min(1 << 20));

    let server = Server::of(&mut shell(&folder, "ulimit -n 1024; exec \"$0\" \"$@\"", &["-p", "0", "site"]));
    let warning = "barewire: only 1024 open files are allowed, enough for about 720 connections. Raise the limit:  ulimit -n 65536\n";
    assert_eq!(server.before(), [warning]);

    let arguments = ["-p", "0", "--max-connections", "5000", "site"];
    let server = Server::of(&mut shell(&folder, "ulimit -n 4096; exec \"$0\" \"$@\"", &arguments));
    let warning = "barewire: 5000 connections need more than the 4096 open files that are allowed. Raise the limit:  ulimit -n 6730\n";
    assert_eq!(server.before(), [warning]);
}

#[test]
fn the_process_is_sandboxed_where_the_kernel_can() {
    let folder = site_folder();
    let server = Server::of(&mut barewire(&folder, &["-v", "-p", "0", "site"]));
    let said = server.before().concat();
    if said.contains("Landlock is on") {
        assert!(server.proc("status").contains("NoNewPrivs:\t1\n"));
        // Every thread is in the sandbox, also those of the workers: the listing was made by one.
        assert!(get(server.port(), "/").starts_with("HTTP/1.1 200 "));
    } else {
        let lsm = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        assert!(!lsm.contains("landlock"), "{said}");
    }
}
