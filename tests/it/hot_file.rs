//! How long a file that others ask for waits while the server is attacked, and what is left of the attack
//! (promises 2 and 3).
//!
//! No wait is asserted: only the figures of an idle machine and of the released program mean something. The command is
//! in `tests/README.md`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::client::{Client, basic, get, request};
use crate::support::folder::{Folder, names, pattern};
use crate::support::fuse::{Fuse, FuseFile, Operation};
use crate::support::server::Server;
use crate::support::uploads::put;
use crate::support::{rounds, until};

/// Connections on which the hot file is asked for: enough that each loop has some.
const WATCHERS: usize = 8;
/// Bytes by which memory may grow: allocators keep some, and caches of a bounded size fill.
const SLACK: u64 = 24 << 20;
/// The budget of the uploads: less than [`SLACK`], since it depends on the time how much of it an attack fills, and the
/// allocator keeps what was filled.
const UPLOAD_MEMORY: &str = "--upload-memory=16M";

/// Ends the requests for the hot file, also where the attack ends in a panic.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Asks for the hot file until the attack is over. Returns how long each request waited.
fn waits(server: &Server, is_over: &AtomicBool) -> Vec<Duration> {
    let mut kept: Vec<Client> = (0..WATCHERS).map(|_| Client::connect(server)).collect();
    let mut waits = Vec::new();
    while !is_over.load(Ordering::SeqCst) || waits.len() < 100 {
        for client in &mut kept {
            let asked = Instant::now();
            assert_eq!(client.get("/hot.txt", "").assert_status(200).text(), "hot");
            waits.push(asked.elapsed());
        }
        // A new connection waits for its loop as well.
        let asked = Instant::now();
        let mut client = Client::connect(server);
        assert_eq!(client.get("/hot.txt", "").assert_status(200).text(), "hot");
        waits.push(asked.elapsed());
        client.end();
    }
    waits
}

/// Attacks a server of this folder twice, and prints how long the hot file waited in the first attack. Afterwards the
/// folder and the descriptors are as before. The first attack fills what is filled once, as the allocator with what
/// `--upload-memory` allows; the second one needs no more memory.
#[track_caller]
fn attack(name: &str, folder: &Folder, arguments: &[&str], attack: impl Fn(&Server)) {
    folder.write("hot.txt", "hot");
    let mut server = Server::start(folder, &[&["--log", "off"], arguments].concat());
    // What is opened once is open now.
    drop(waits(&server, &AtomicBool::new(true)));
    let (files, descriptors) = (names(folder.path()), server.descriptors());
    let is_over = AtomicBool::new(false);
    let mut waits = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| waits(&server, &is_over));
        let over = Over(&is_over);
        attack(&server);
        drop(over);
        watcher.join().unwrap()
    });
    waits.sort_unstable();
    let (p99, longest) = (waits[waits.len() * 99 / 100], waits[waits.len() - 1]);
    println!("{name}: {} requests for the hot file waited {p99:.1?} (p99), {longest:.1?} at most", waits.len());
    let settle = || {
        until("the descriptors are as before", || server.descriptors() <= descriptors + WATCHERS);
        until("nothing is left in the folder", || names(folder.path()) == files);
    };
    settle();
    let memory = server.resident();
    attack(&server);
    settle();
    let grown = server.resident().saturating_sub(memory);
    assert!(grown <= SLACK, "{name}: {grown} bytes more");
    server.assert_alive();
}

/// Begins uploads of `length` bytes, and sends `sent` of each.
fn unfinished(server: &Server, count: usize, length: usize, sent: usize) -> Vec<Client> {
    let content = pattern(1, sent);
    let begin = |number| {
        let mut client = Client::connect(server);
        client.send(request("PUT", &format!("/up{number}"), &format!("Content-Length: {length}\r\n")));
        client.send(&content);
        client
    };
    (0..count).map(begin).collect()
}

#[test]
fn uploads_that_are_cut_off_delay_nobody() {
    const LENGTH: usize = 12_000_000;
    attack("600 uploads of 12 MB, all cut off at once", &Folder::new(), &["--upload", UPLOAD_MEMORY], |server| {
        let clients = unfinished(server, rounds(6, 600), LENGTH, LENGTH - 1);
        clients.iter().for_each(Client::reset_when_dropped);
        drop(clients);
    });
}

#[test]
fn uploads_that_stand_still_delay_nobody() {
    attack("1,000 uploads that stand still", &Folder::new(), &["--upload", UPLOAD_MEMORY], |server| {
        let clients = unfinished(server, rounds(50, 1_000), 500_000, 450_000);
        clients.iter().for_each(Client::reset_when_dropped);
    });
}

#[test]
fn a_crowd_of_whole_uploads_delays_nobody() {
    attack("500 whole uploads at once", &Folder::new(), &["--write", UPLOAD_MEMORY], |server| {
        let mut clients = unfinished(server, rounds(20, 500), 1_000_000, 1_000_000);
        for (number, client) in clients.iter_mut().enumerate() {
            client.response("PUT").assert_status(201);
            client.ask("DELETE", &format!("/up{number}"), "").assert_status(204);
        }
    });
}

#[test]
fn a_large_file_that_is_replaced_or_deleted_delays_nobody() {
    let folder = Folder::new();
    folder.write("large.bin", "");
    attack("a file of 4 GB that is replaced", &folder, &["--write"], |server| {
        for change in ["PUT", "DELETE"] {
            let size = rounds(64 << 20, 4 << 30);
            let file = std::fs::File::options().write(true).open(folder.join("large.bin")).unwrap();
            let block = vec![7; 1 << 20];
            (0..size / block.len()).for_each(|_| std::io::Write::write_all(&mut &file, &block).unwrap());
            drop(file);
            folder.age("large.bin");
            // From now on the server holds it open, and its space is free when the server closes it.
            for _ in 0..2 * WATCHERS {
                get(server, "/large.bin", "Range: bytes=0-9\r\n").assert_status(206);
            }
            match change {
                "PUT" => put(server, "/large.bin", "", "small").assert_status(204),
                _ => Client::connect(server).ask("DELETE", "/large.bin", "").assert_status(204),
            };
        }
        folder.write("large.bin", "");
    });
}

#[test]
fn listings_of_a_large_folder_delay_nobody() {
    let folder = Folder::new();
    for n in 0..rounds(1_000, 100_000) {
        folder.write(format!("many/{n}"), "");
    }
    attack("60 HEADs of a folder of 100,000 names", &folder, &[], |server| {
        let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(server)).collect();
        clients.iter_mut().for_each(|client| client.send(request("HEAD", "/many/", "Accept: text/html\r\n")));
        for client in &mut clients {
            client.response("HEAD").assert_status(200);
        }
    });
}

#[test]
fn wrong_passwords_delay_nobody() {
    let folder = Folder::new();
    let file = Folder::new();
    file.write("users", format!("ada:{}\n", bcrypt::hash("right", 8).unwrap()));
    let users = file.join("users");
    let arguments = ["--auth-file", users.to_str().unwrap(), "--auth-for", "write", "--upload"];
    attack("300 wrong passwords", &folder, &arguments, |server| {
        let mut clients: Vec<Client> = (0..rounds(20, 300)).map(|_| Client::connect(server)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            let credentials = basic(&format!("ada:wrong{number}"));
            client.send(request("PUT", "/a", &format!("{credentials}Content-Length: 0\r\n")));
        }
        for client in &mut clients {
            assert!([401, 429].contains(&client.response("PUT").status));
        }
    });
}

#[test]
fn a_hung_or_slow_mount_delays_nobody() {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("mount")).unwrap();
    let files = vec![FuseFile::new("large.bin", pattern(1, 1 << 20)), FuseFile::new("small.txt", "small")];
    let Some(mount) = Fuse::mount(&folder.join("mount"), files) else { return };
    for operation in [Operation::Lookup, Operation::List, Operation::Read] {
        attack(&format!("60 requests for a mount that hangs ({operation:?})"), &folder, &[], |server| {
            let held = mount.hold(operation);
            let targets = ["/mount/large.bin", "/mount/small.txt", "/mount/"];
            let mut clients: Vec<Client> = (0..60).map(|_| Client::connect(server)).collect();
            for (number, client) in clients.iter_mut().enumerate() {
                client.send(request("GET", targets[number % targets.len()], ""));
            }
            held.until(1);
            // The file is asked for while the mount hangs, too.
            for _ in 0..500 {
                get(server, "/hot.txt", "").assert_status(200);
            }
            drop(held);
            clients.iter_mut().for_each(|client| drop(client.response("GET")));
        });
    }
}
