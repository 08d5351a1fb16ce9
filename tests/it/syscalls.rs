//! Which system calls the server makes, in which order and on which thread (promise 14; nothing on a loop blocks).
//!
//! `strace` writes down every call of the real server. Where it is missing or may not trace, a test is skipped, and
//! fails where `BAREWIRE_REQUIRE_STRACE` is set. No time is measured. `strace` lets a thread go on only after it has
//! written down what that thread did. So if one call caused another, on any thread, the trace has them in this order.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::IoSliceMut;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use rustix::fs::{Advice, fadvise};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::process::Signal;
use serde_json::Value;

use crate::support::client::{Client, get, request, strong_tag};
use crate::support::folder::{Folder, pattern};
use crate::support::mount::Mount;
use crate::support::response::Response;
use crate::support::server::Server;
use crate::support::uploads::{FORM, form, send};
use crate::support::{PATIENCE, can_trace, notice};

/// One system call, as `strace` writes it.
struct Call {
    thread: u32,
    name: String,
    /// The whole line without the thread.
    text: String,
    /// The lines of the trace where it began and ended.
    began: usize,
    ended: usize,
}

impl Call {
    /// Whether it is one of these calls and succeeded.
    fn is(&self, names: &[&str]) -> bool {
        names.contains(&&*self.name) && !self.text.contains(" = -1 E")
    }

    /// Its first argument: a descriptor, its name in angle brackets, and perhaps [`DELETED`].
    fn first(&self) -> &str {
        let from = self.text.find('(').map_or(0, |at| at + 1);
        let mut to = self.text[from..].find('>').map_or(from, |at| from + at + 1);
        if self.text[to..].starts_with(DELETED) {
            to += DELETED.len();
        }
        &self.text[from..to]
    }
}

/// The text that `strace` writes after a file without a name.
const DELETED: &str = "(deleted)";

/// All system calls of a server from its first client to the signal that stopped it.
struct Trace {
    calls: Vec<Call>,
    /// The threads that are loops.
    loops: Vec<u32>,
}

impl Trace {
    /// The calls that a server makes during `serve`. `None`: `strace` does not work here.
    fn of(folder: &Folder, arguments: &[&str], serve: impl FnOnce(&Server)) -> Option<Trace> {
        if !can_trace() {
            return None;
        }
        let place = Folder::new();
        let path = place.join("trace");
        let mut server = Server::traced(&path, folder, arguments);
        serve(&server);
        // By now each thread has set its name.
        let is_loop = |name: &str| name == "barewire" || name.starts_with("loop ");
        let loops = server.threads().into_iter().filter(|(_, name)| is_loop(name)).map(|(id, _)| id).collect();
        server.signal(Signal::TERM);
        assert!(server.exit().success());
        let pid = server.pid().to_string();
        let is_end = |line: &str| line.strip_prefix(&pid).is_some_and(|rest| rest.trim_start().starts_with("+++"));
        let patience = Instant::now() + PATIENCE;
        loop {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            if text.lines().any(is_end) {
                return Some(Trace { calls: calls(&text), loops });
            }
            assert!(Instant::now() < patience, "the trace does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The calls of each loop, from its first iteration on.
    fn on_loops(&self) -> impl Iterator<Item = &Call> {
        let turn = |thread: &u32| self.calls.iter().position(|c| c.thread == *thread && c.name == "epoll_wait");
        self.loops.iter().flat_map(move |thread| {
            let from = turn(thread).unwrap_or(self.calls.len());
            self.calls[from..].iter().filter(move |call| call.thread == *thread)
        })
    }

    /// The first call from this line on that fits.
    #[track_caller]
    fn after(&self, line: usize, what: &str, is: impl Fn(&Call) -> bool) -> &Call {
        let found = self.calls.iter().find(|call| call.began >= line && is(call));
        found.unwrap_or_else(|| panic!("{what} is missing"))
    }
}

/// The calls from the first connection to the signal. A call during which others are made has two lines,
/// which are joined.
fn calls(text: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let lines = text.lines().take_while(|line| !line.contains("--- SIGTERM"));
    for (at, line) in lines.enumerate() {
        let (thread, rest) = line.split_once(' ').expect("a thread");
        let (thread, rest) = (thread.parse().expect("a number"), rest.trim_start());
        if let Some(rest) = rest.strip_prefix("<... ") {
            let more = rest.split_once(" resumed>").map_or("", |(_, more)| more);
            if let Some(begun) = calls.iter_mut().rev().find(|c| c.thread == thread && c.ended == usize::MAX) {
                begun.text.push_str(more);
                begun.ended = at;
            }
        } else if let Some((name, _)) = rest.split_once('(').filter(|_| !rest.starts_with(['-', '+'])) {
            let whole = rest.strip_suffix(" <unfinished ...>");
            let ended = if whole.is_some() { usize::MAX } else { at };
            let text = whole.unwrap_or(rest).to_string();
            calls.push(Call { thread, name: name.to_string(), text, began: at, ended });
        }
    }
    let first = calls.iter().position(|call| call.is(&["accept4"])).expect("a connection");
    calls.split_off(first)
}

/// Whether this descriptor is a temporary file: it has no name yet, or one that is never served.
fn is_draft(descriptor: &str) -> bool {
    descriptor.ends_with(DELETED) || descriptor.contains("/.barewire-")
}

/// Asserts that `name` in `folder` was written in the order in which nothing can be lost: the content to
/// the disk, the name, the folder to the disk, the response.
#[track_caller]
fn assert_written(trace: &Trace, folder: &Path, name: &str, status: u16) {
    let named = trace.after(0, &format!("naming {name}"), |call| {
        call.is(&["linkat", "renameat", "renameat2"]) && call.text.contains(&format!("\"{name}\""))
    });
    // Any worker may get the next block, so the thread does not matter here.
    let before = || trace.calls.iter().filter(|call| call.ended < named.began);
    let write = before().rfind(|call| call.is(&["write", "copy_file_range"]) && is_draft(call.first()));
    let write = write.unwrap_or_else(|| panic!("{name}: nothing was written"));
    let synced = before().rfind(|call| call.is(&["fsync"]) && call.first() == write.first());
    let synced = synced.unwrap_or_else(|| panic!("{name}: it has a name before its content is on the disk"));
    assert!(write.ended < synced.began, "{name}: content was added after fsync");
    let home = format!("<{}>", folder.display());
    let kept = trace.after(named.ended, &format!("fsync of {home} after {name}"), |call| {
        call.is(&["fsync"]) && call.first().ends_with(&home)
    });
    let answer = trace.after(write.ended, &format!("the answer {status} to {name}"), |call| {
        call.is(&["sendto", "sendmsg"]) && call.text.contains(&format!("\"HTTP/1.1 {status} "))
    });
    assert!(kept.ended < answer.began, "{name}: {status} was sent before its name was on the disk");
    let loops = [named, synced, kept].map(|call| trace.loops.contains(&call.thread));
    assert_eq!(loops, [false; 3], "{name}: a loop waited for the disk");
}

#[test]
fn written_means_written_before_the_answer_leaves() {
    let folder = Folder::with(&[("old.txt", "old"), ("in/old.txt", "old")]);
    let content = pattern(3, 150_000);
    let trace = Trace::of(&folder, &["--write"], |server| {
        send(server, "PUT", "/new.txt", "", &content).assert_status(201);
        send(server, "PUT", "/old.txt", "", &content).assert_status(204);
        send(server, "PUT", "/made/for/it.txt", "", &content).assert_status(201);
        let fields = format!("{FORM}Accept: text/html\r\n");
        send(server, "POST", "/in/", &fields, form(&[("one.txt", &content), ("two.txt", b"2")])).assert_status(303);
        send(server, "POST", "/in/", FORM, form(&[("three.txt", b"3")])).assert_status(303);
    });
    let Some(trace) = trace else { return };
    assert_written(&trace, folder.path(), "new.txt", 201);
    assert_written(&trace, folder.path(), "old.txt", 204);
    assert_written(&trace, &folder.join("made/for"), "it.txt", 201);
    for name in ["one.txt", "two.txt", "three.txt"] {
        assert_written(&trace, &folder.join("in"), name, 303);
    }
    // New folders are names in their parents, so those are synced too.
    let made = trace.after(0, "mkdirat", |call| call.is(&["mkdirat"]));
    let answer = trace.after(made.ended, "201", |call| call.text.contains("\"HTTP/1.1 201 "));
    for home in [folder.path().to_path_buf(), folder.join("made")] {
        let home = format!("<{}>", home.display());
        let kept = |call: &Call| call.is(&["fsync"]) && call.first().ends_with(&home);
        assert!(trace.after(made.ended, "fsync of a parent", kept).ended < answer.began, "{home}");
    }
}

/// Why a call may block a loop; `None`: it cannot.
fn blocks(call: &Call) -> Option<&'static str> {
    let says = |part| call.text.contains(part);
    match &*call.name {
        // Waiting is its purpose.
        "epoll_wait" | "epoll_pwait" | "epoll_ctl" => None,
        // Sockets do not block (checked at `accept4`); of files only what is in memory is sent.
        "sendto" | "sendmsg" | "recvfrom" | "sendfile" | "shutdown" => None,
        "setsockopt" | "getsockopt" | "getsockname" | "getpeername" | "ioctl" | "fcntl" | "fstat" => None,
        "accept4" => (!says("SOCK_NONBLOCK")).then_some("a socket that blocks"),
        // One lookup below the root, where the root is on a disk of this machine.
        "newfstatat" | "statx" => None,
        "openat2" => (!says("RESOLVE_CACHED") && !says("resolve=0x20")).then_some("a lookup that may read the disk"),
        "preadv2" => (!says("RWF_NOWAIT") && !says("0x8 /* RWF_")).then_some("a read that may wait for the disk"),
        "close" => is_draft(call.first()).then_some("freeing the blocks of a draft"),
        // The C library's allocator locks a heap for one allocation; its call has this form.
        "futex" if says("FUTEX_WAIT_PRIVATE, 2, NULL") => None,
        "futex" => (!says("FUTEX_WAKE")).then_some("waiting for another thread"),
        "read" | "write" => (!call.first().contains("[eventfd]")).then_some("a file, or a pipe that may be full"),
        "mmap" => (!says("MAP_ANONYMOUS")).then_some("a file in memory"),
        "munmap" | "mremap" | "mprotect" | "madvise" | "brk" | "sched_yield" | "getrandom" => None,
        "clock_gettime" | "gettimeofday" | "rt_sigprocmask" | "rt_sigaction" | "rt_sigreturn" => None,
        _ => Some("nothing a loop has to do"),
    }
}

/// Drops a file from the page cache, if the file system allows it; returns whether it did.
fn make_cold(path: PathBuf) -> bool {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(file.as_fd(), 0, None, Advice::DontNeed).unwrap();
    let first = preadv2(&file, &mut [IoSliceMut::new(&mut [0])], 0, ReadWriteFlags::NOWAIT);
    first == Err(Errno::AGAIN)
}

/// Sends one request of every kind.
fn ask_for_everything(server: &Server, folder: &Folder, ann: &str) -> bool {
    get(server, "/small.txt", "").assert_status(200);
    get(server, "/large.bin", "").assert_status(200);
    get(server, "/large.bin", "Range: bytes=5-10,700000-700009\r\n").assert_status(206);
    let tag = get(server, "/small.txt", "Accept-Encoding: gzip\r\n").must("etag").to_string();
    get(server, "/small.txt", &format!("If-None-Match: {tag}\r\n")).assert_status(200);
    let is_cold = ["cold.txt", "cold.bin", "small.txt.gz"].map(|name| make_cold(folder.join(name)));
    get(server, "/cold.txt", "").assert_status(200);
    get(server, "/cold.bin", "").assert_status(200);
    get(server, "/small.txt", "Accept-Encoding: gzip\r\n").assert_status(200);
    get(server, "/many/", "Accept: text/html\r\n").assert_status(200);
    get(server, "/many/?sort=size", "Accept: application/json\r\n").assert_status(200);
    get(server, "/many", "").assert_status(301);
    get(server, "/sub/", "").assert_status(200);
    get(server, "/none", "Accept: text/html\r\n").assert_status(404);
    get(server, "/none/at/all", "").assert_status(404);
    get(server, "/link", "").assert_status(200);
    get(server, "/out", "").assert_status(404);
    get(server, "/fifo", "").assert_status(404);
    let mut many = Client::connect(server);
    many.send([request("GET", "/small.txt", ""), request("HEAD", "/large.bin", "")].concat());
    many.response("GET").assert_status(200);
    many.response("HEAD").assert_status(200);
    many.end();
    // A write without password, with a wrong one, with the right one, and with the one that is already known.
    send(server, "PUT", "/a.txt", "", b"x").assert_status(401);
    send(server, "PUT", "/a.txt", "Authorization: Basic eDp5\r\n", b"x").assert_status(401);
    send(server, "PUT", "/a.txt", ann, b"x").assert_status(201);
    let content = pattern(4, 2_000_000);
    send(server, "PUT", "/a.txt", ann, &content).assert_status(204);
    send(server, "POST", "/sub/", &format!("{ann}{FORM}"), form(&[("f", &content)])).assert_status(303);
    send(server, "PUT", "/a.txt", &format!("{ann}If-Match: \"x\"\r\n"), b"x").assert_status(412);
    for framing in ["Content-Length: 1000000\r\nExpect: 100-continue\r\n", "Transfer-Encoding: chunked\r\n"] {
        let mut leaving = Client::connect(server);
        leaving.send(request("PUT", "/half", &format!("{ann}{framing}")));
        if framing.contains("100-continue") {
            assert_eq!(Response::read_head(&mut leaving).status, 100);
        }
        leaving.send([&b"13880\r\n"[..], &content[..80_000], b"\r\n"].concat());
        leaving.half_close();
        leaving.response("PUT").assert_status(400);
        leaving.assert_ended();
    }
    send(server, "DELETE", "/a.txt", ann, b"").assert_status(204);
    send(server, "DELETE", "/many/", ann, b"").assert_status(409);
    // A reader that is slower than the disk.
    let mut narrow = Client::narrow(server);
    narrow.send(request("GET", "/cold.bin", ""));
    narrow.response("GET").assert_status(200);
    narrow.end();
    is_cold[1]
}

#[test]
fn nothing_on_a_loop_waits_for_a_disk_or_for_another_thread() {
    let outside = Folder::with(&[("x", "x")]);
    let folder = Folder::with(&[("small.txt", "small"), ("small.txt.gz", "gz"), ("sub/index.html", "index")]);
    for number in 0..300 {
        folder.write(format!("many/{number}"), "x");
    }
    for (name, size) in [("large.bin", 3_000_000), ("cold.txt", 5_000), ("cold.bin", 1_000_000)] {
        folder.pattern(name, size);
    }
    std::os::unix::fs::symlink("small.txt", folder.join("link")).unwrap();
    std::os::unix::fs::symlink(outside.join("x"), folder.join("out")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("fifo")).status().unwrap().success());
    let users = Folder::with(&[("users", "ann:$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW\n")]);
    let users = users.join("users");
    let users = users.to_str().unwrap();
    let ann = format!("Authorization: Basic {}\r\n", base64::prelude::BASE64_STANDARD.encode("ann:U*U"));
    let plain = &["--write", "--auth-file", users, "--auth-for", "write", "--loops", "2"][..];
    let watched = &[plain, &["--wire=json"]].concat()[..];
    for arguments in [plain, watched] {
        let mut blamed = Vec::new();
        // Two threads may meet at the lock of a queue by accident; then one of them waits in the kernel. A call
        // that blocks by design does so every time.
        for _ in 0..3 {
            let mut was_cold = false;
            let trace = Trace::of(&folder, arguments, |server| was_cold = ask_for_everything(server, &folder, &ann));
            let Some(trace) = trace else { return };
            assert_eq!(trace.loops.len(), 2, "{arguments:?}");
            let did = |names: &[&str]| trace.calls.iter().any(|call| call.is(names));
            assert!(did(&["fsync"]) && did(&["getdents64"]) && did(&["unlinkat"]) && did(&["linkat"]));
            assert!(trace.on_loops().any(|call| call.is(&["sendfile"])), "the loops are not the ones that send");
            if was_cold {
                assert!(did(&["pread64"]), "no worker has read the file that was not in memory");
            } else {
                notice("this file system keeps every file in memory, so no file is read from the disk");
            }
            let blame = |call: &Call| blocks(call).map(|why| format!("{why}: {}", call.text));
            blamed = trace.on_loops().filter_map(blame).collect();
            let by_accident = |line: &String| line.contains("futex(");
            if !blamed.iter().any(by_accident) {
                break;
            }
        }
        assert!(blamed.is_empty(), "{arguments:?}: a loop may wait:\n{}", blamed.join("\n"));
        fs::remove_dir_all(folder.join("sub")).unwrap();
        folder.write("sub/index.html", "index");
    }
}

/// The bytes that these calls moved, by the address of the client.
fn moved(trace: &Trace, names: &[&str]) -> BTreeMap<String, u64> {
    let mut moved = BTreeMap::new();
    for call in trace.calls.iter().filter(|call| call.is(names)) {
        let ends = call.text.split_once("<TCP:[").and_then(|(_, ends)| ends.split_once("]>"));
        let Some((_, peer)) = ends.and_then(|(ends, _)| ends.split_once("->")) else { continue };
        let result = call.text.rsplit(" = ").next().and_then(|number| number.split_whitespace().next()?.parse().ok());
        *moved.entry(peer.to_string()).or_default() += result.unwrap_or(0);
    }
    moved.retain(|_, bytes| *bytes > 0);
    moved
}

#[test]
fn the_view_tells_every_connection_and_every_byte_that_the_kernel_moved() {
    let folder = Folder::with(&[("small.txt", "small")]);
    folder.pattern("large.bin", 3_000_000);
    let mut told = Vec::new();
    let trace = Trace::of(&folder, &["--wire=json", "--write", "--loops", "2"], |server| {
        let mut client = Client::connect(server);
        client.send(request("GET", "/small.txt", "").repeat(3));
        (0..3).for_each(|_| _ = client.response("GET").assert_status(200));
        client.get("/large.bin", "").assert_status(200);
        client.get("/large.bin", "Range: bytes=5-9,700-\r\n").assert_status(206);
        client.end();
        // One connection that sends nothing, one that is refused with bytes unread, one that uploads in chunks.
        drop(Client::connect(server));
        let mut broken = Client::connect(server);
        broken.send(b"GET /small.txt HTTP/1.1\nHost: localhost\n\n");
        broken.response("GET").assert_status(400);
        broken.assert_ended();
        let mut upload = Client::connect(server);
        upload.send(request("PUT", "/new.txt", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n"));
        upload.response("PUT").assert_status(100);
        upload.send([b"30000\r\n".to_vec(), vec![b'x'; 0x30000], b"\r\n0\r\n\r\n".to_vec()].concat());
        upload.response("PUT").assert_status(201);
        upload.end();
        told = server.log().wait("the end of four connections", |text| {
            let events: Vec<Value> = text.lines().map_while(|line| serde_json::from_str(line).ok()).collect();
            (events.iter().filter(|event| event["event"] == "closed").count() == 4).then_some(events)
        });
    });
    let Some(trace) = trace else { return };
    let of = |connection: &Value| {
        let accepted = told.iter().find(|e| e["event"] == "accepted" && e["connection"] == *connection).unwrap();
        accepted["peer"].as_str().unwrap().to_string()
    };
    let sum = |kind: &str| {
        let mut sums = BTreeMap::<String, u64>::new();
        // A message under way is told again when it is complete.
        let is_last = |event: &&Value| kind != "response" || event["under_way"].is_null();
        for event in told.iter().filter(|event| event["event"] == kind).filter(is_last) {
            *sums.entry(of(&event["connection"])).or_default() += event["bytes"].as_u64().unwrap();
        }
        sums
    };
    assert_eq!(told.iter().filter(|event| event["event"] == "accepted").count(), 4);
    assert_eq!(sum("recv"), moved(&trace, &["recvfrom", "recvmsg", "read", "readv"]));
    let sent = moved(&trace, &["sendto", "sendmsg", "write", "writev", "sendfile"]);
    assert_eq!(sum("response"), sent);
    assert_eq!(sum("send"), sent);
}

/// How often the workers of a server have gone to sleep: once for each job, unless jobs come very fast.
fn jobs(server: &Server) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let sleeps = |task: fs::DirEntry| {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_string();
        if value("Name:").starts_with("worker") { value("voluntary_ctxt_switches:").parse().unwrap() } else { 0 }
    };
    tasks.map(|task| sleeps(task.unwrap())).sum()
}

/// Asks until no worker is needed for these requests any more, and then 500 times.
#[track_caller]
fn assert_from_memory(server: &Server, requests: &[(&str, &str, u16)]) {
    let mut client = Client::connect(server);
    for &(target, fields, status) in requests {
        // Until the file is cached, a worker is needed. Counting begins after that.
        let (mut quiet, end) = (0, Instant::now() + PATIENCE);
        while quiet < 20 {
            assert!(Instant::now() < end, "each request needs a worker: {target} {fields}");
            let before = jobs(server);
            client.get(target, fields).assert_status(status);
            quiet = if jobs(server) == before { quiet + 1 } else { 0 };
        }
        let before = jobs(server);
        for _ in 0..500 {
            client.get(target, fields).assert_status(status);
        }
        let needed = jobs(server) - before;
        assert_eq!(needed, 0, "{needed} jobs for 500 requests: {target} {fields}");
    }
}

#[test]
fn a_response_from_memory_needs_no_worker() {
    let folder = Folder::with(&[("a.html", "small"), ("list/b.txt", "b")]);
    folder.pattern("large.bin", 100_000);
    folder.age("a.html");
    folder.age("large.bin");
    let server = Server::start(&folder, &["--loops", "1", "--log", "off"]);
    let known = format!("If-None-Match: {}\r\n", strong_tag(&server, "/a.html"));
    let large = [("/large.bin", "", 200), ("/large.bin", "Range: bytes=50000-70000\r\n", 206)];
    let small = [("/a.html", "", 200), ("/a.html", &known, 304), ("/nothing", "", 404), ("/list", "", 301)];
    assert_from_memory(&server, &large);
    assert_from_memory(&server, &small);
}

#[test]
fn a_small_file_on_the_file_system_of_a_container_is_kept_in_memory_too() {
    // It cannot say whether content is in memory, so the first read is always a worker's.
    let (lower, upper) = (Folder::with(&[("a.html", "small"), ("sub/index.html", "index")]), Folder::new());
    lower.age("a.html");
    lower.age("sub/index.html");
    let made = ["upper", "work"].map(|name| upper.join(name));
    made.iter().for_each(|path| fs::create_dir(path).unwrap());
    let [up, work] = made.map(|path| path.display().to_string());
    let options = format!("lowerdir={},upperdir={up},workdir={work}", lower.path().display());
    let point = upper.join("root");
    let Some(root) = Mount::with("mount", &["-t", "overlay", "-o", &options, "overlay"], point) else {
        return notice("overlayfs cannot be mounted here");
    };
    let server = Server::serve(root.path(), &["--loops", "1", "--log", "off"]);
    let known = format!("If-None-Match: {}\r\n", strong_tag(&server, "/a.html"));
    assert_from_memory(&server, &[("/a.html", "", 200), ("/a.html", &known, 304), ("/sub/", "", 200)]);
    // An edit is seen by the next request.
    fs::write(root.path().join("a.html"), "edited").unwrap();
    assert_eq!(get(&server, "/a.html", "").text(), "edited");

    drop(server);
}

#[test]
fn no_dot_segment_of_a_request_reaches_the_kernel() {
    let folder = Folder::with(&[("a.txt", "a"), ("d/b.txt", "b")]);
    let trace = Trace::of(&folder, &["--write", "--log", "off"], |server| {
        for target in ["/./a.txt", "/d/../a.txt", "/d/%2e%2e/a.txt", "/d/.", "/a.txt/../", "/none/../d/./b.txt"] {
            get(server, target, "Accept: text/html\r\n").assert_status(200);
        }
        for target in ["/../a.txt", "/d/../../a.txt", "/%2e%2e/a.txt", "/d/..%2fa.txt"] {
            get(server, target, "").assert_status(400);
        }
        get(server, "/d/./none/../none", "Accept: text/html\r\n").assert_status(404);
        get(server, "/none/../d", "").assert_status(301);
        get(server, "/a.txt/..", "").assert_status(301);
        send(server, "PUT", "/none/../d/./new.txt", "", b"x").assert_status(201);
        send(server, "POST", "/d/../d/none/..", FORM, form(&[("form.txt", b"x")])).assert_status(303);
        send(server, "DELETE", "/d/../d/new.txt", "", b"").assert_status(204);
    });
    let Some(trace) = trace else { return };
    let mut paths = Vec::new();
    for call in trace.calls.iter().filter(|call| call.name.contains("at") || call.name.contains("open")) {
        paths.extend(call.text.split('"').skip(1).step_by(2).map(|path| (path, &call.text)));
    }
    for (path, call) in &paths {
        assert!(!path.split('/').any(|segment| segment == ".."), "{call}");
    }
    for name in ["a.txt", "d/b.txt", "new.txt"] {
        assert!(paths.iter().any(|(path, _)| path.ends_with(name)), "the trace shows the paths: {name}, {paths:?}");
    }
}
