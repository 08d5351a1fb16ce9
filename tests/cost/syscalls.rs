//! System calls of a request: those of the real program, as strace shows them.
//!
//! One connection sends one request after the other. Two marks in the trace enclose the requests of one kind. The calls
//! from one `epoll_wait` to the next are one iteration of the loop, and the iteration that occurs most often is the
//! request. (Once a second a cached file is opened again; that iteration is another one.) With more connections, one
//! iteration has several requests, and they share the `epoll_wait`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::client::{Client, request};
use crate::support::has_program;
use crate::traced::Traced;
use crate::{BROWSER, alone, folder};

/// How often each request is sent.
const TIMES: usize = 40;

/// What may be called for one request, and why it is not less.
struct Bound {
    name: &'static str,
    target: &'static str,
    fields: &'static str,
    calls: &'static [&'static str],
}

const fn bound(
    name: &'static str,
    target: &'static str,
    fields: &'static str,
    calls: &'static [&'static str],
) -> Bound {
    Bound { name, target, fields, calls }
}

const BOUNDS: [Bound; 6] = [
    bound("small", "/small.html", "", &["recvfrom", "newfstatat", "sendto"]),
    // Also the state of its folder: a compressed file may have been put beside it.
    bound("browser", "/small.html", BROWSER, &["recvfrom", "newfstatat", "newfstatat", "sendto"]),
    bound("unchanged", "/small.html", "If-None-Match: TAG\r\n", &["recvfrom", "newfstatat", "sendto"]),
    // The head; whether the content is in memory, since a disk must not hold the loop; the content.
    bound("medium", "/medium.jpg", "", &["recvfrom", "newfstatat", "sendto", "preadv2", "sendfile"]),
    // A short range is read into the buffer of its head and is sent with it.
    bound("range", "/medium.jpg", "Range: bytes=70000-70999\r\n", &["recvfrom", "newfstatat", "preadv2", "sendto"]),
    // The name may be a link, so it is opened; then the site's own error page.
    bound("missing", "/none.html", "", &["recvfrom", "openat2", "fstat", "sendto"]),
];

/// The same for [`DEEP`] requests in one segment: one recv, one look and one send for all of them. The second look is for
/// those that come after the most that one turn answers.
const PIPELINED: [Bound; 3] = [
    bound("pipelined", "/small.html", "", &["recvfrom", "newfstatat", "newfstatat", "sendto"]),
    bound(
        "browsers",
        "/small.html",
        BROWSER,
        &["recvfrom", "newfstatat", "newfstatat", "newfstatat", "newfstatat", "sendto"],
    ),
    bound("missing ones", "/none.html", "", &["recvfrom", "fstat", "fstat", "sendto"]),
];

/// The names of the calls in the turns between the two marks of `name`, each turn sorted.
fn turns(trace: &str, name: &str) -> Vec<Vec<String>> {
    let (begin, end) = (format!("\"GET /begin-{name} "), format!("\"GET /end-{name} "));
    let mark = trace.rfind(&begin).expect("the mark");
    let (before, rest) = trace.split_at(mark);
    // Each line begins with the number of its thread; what workers do is their own affair.
    let thread = before.lines().last().and_then(|line| line.split(' ').next()).expect("a thread");
    let between = rest.split(&end).next().expect("the other mark");
    let mut turns: Vec<Vec<String>> = Vec::new();
    for line in between.lines().skip(1) {
        let Some(line) = line.strip_prefix(thread) else { continue };
        let Some((call, _)) = line.trim_start().split_once('(') else { continue };
        if !call.bytes().all(|o| o.is_ascii_alphanumeric() || o == b'_') {
            continue;
        }
        match (call.starts_with("epoll_"), turns.last_mut()) {
            (true, _) if call != "epoll_ctl" => turns.push(Vec::new()),
            (_, Some(turn)) => turn.push(call.to_string()),
            // What is left of the turn of the mark.
            (_, None) => {}
        }
    }
    turns.pop();
    turns.iter_mut().for_each(|turn| turn.sort_unstable());
    turns
}

/// The turn that occurs most often.
fn usual(turns: &[Vec<String>]) -> &[String] {
    let mut counts = BTreeMap::new();
    turns.iter().for_each(|turn| *counts.entry(turn).or_insert(0) += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(&[], |(turn, _)| turn)
}

/// What is called but not in the bound.
fn surplus(turn: &[String], bound: &[&str]) -> Vec<String> {
    let mut left = bound.to_vec();
    let fits = |call: &String, left: &mut Vec<&str>| {
        left.iter().position(|allowed| allowed == call).map(|at| left.swap_remove(at)).is_some()
    };
    turn.iter().filter(|call| !fits(call, &mut left)).cloned().collect()
}

#[test]
fn a_request_makes_no_call_that_is_not_in_the_table() {
    let _alone = alone();
    if !has_program("strace", "BAREWIRE_REQUIRE_STRACE") {
        return;
    }
    let folder = folder();
    let file = folder.path().with_extension("trace");
    let tool = ["strace", "-f", "-qq", "-s", "48", "-e", "signal=none", "-o", file.to_str().unwrap()];
    let server = Traced::start(Path::new(env!("CARGO_BIN_EXE_barewire")), &tool, &folder, &["--log", "off"]);
    let mut client = Client::connect(server.server.address);
    client.settle(&request("GET", "/small.html", ""));
    let (_, head) = client.learn(&request("GET", "/small.html", ""));
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    for bound in &BOUNDS {
        let exchange = client.settle(&request("GET", bound.target, &bound.fields.replace("TAG", tag)));
        mark(&mut client, bound.name);
        (0..TIMES).for_each(|_| client.ask(&exchange, 1));
        client.learn(&request("GET", &format!("/end-{}", bound.name), ""));
    }
    PIPELINED.iter().for_each(|bound| pipelined(&mut client, bound));
    let connections = connect_each(&server, &mut client);
    server.stop();
    let trace = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();

    let mut failures = String::new();
    let mut judge = |name: &str, turn: &[String], bound: &[&str]| {
        println!("{name}: {}", turn.join(" "));
        let surplus = surplus(turn, bound);
        if turn.is_empty() || !surplus.is_empty() {
            failures += &format!("{name}: {} of {}\n", surplus.join(" "), turn.join(" "));
        }
    };
    for bound in &BOUNDS {
        judge(bound.name, usual(&turns(&trace, bound.name)), bound.calls);
    }
    for bound in &PIPELINED {
        // Each name that is missing may be there by now, so each is looked up.
        let each = if bound.name == "missing ones" { DEEP } else { 0 };
        let calls = [bound.calls.to_vec(), ["openat2"].repeat(each)].concat();
        judge(bound.name, usual(&turns(&trace, &bound.name.replace(' ', "-"))), &calls);
    }
    // No registration with the poller: the request is answered straight after its accept.
    let each = ["accept4", "recvfrom", "newfstatat", "sendto", "shutdown", "close"];
    let mut calls = each.repeat(connections);
    if cfg!(debug_assertions) {
        // The standard library checks a descriptor before it closes it.
        calls.extend(["fcntl"; DEEP]);
    }
    // The last iteration finds that no further connection waits.
    calls.push("accept4");
    let all: Vec<String> = turns(&trace, "connect").concat();
    judge("connect", &all, &calls);
    assert!(failures.is_empty(), "calls that are not in the table:\n{failures}");
}

/// Requests in one segment.
const DEEP: usize = 16;

/// Twice: a name that was never looked up is for a worker, and would still be on its way.
fn mark(client: &mut Client, name: &str) {
    let begin = request("GET", &format!("/begin-{name}"), "");
    (0..2).for_each(|_| drop(client.learn(&begin)));
}

fn pipelined(client: &mut Client, bound: &Bound) {
    let name = bound.name.replace(' ', "-");
    let exchange = client.settle(&request("GET", bound.target, bound.fields));
    let batch = exchange.request.repeat(DEEP);
    mark(client, &name);
    (0..TIMES).for_each(|_| client.ask_batch(&batch, &exchange, DEEP));
    client.learn(&request("GET", &format!("/end-{name}"), ""));
}

/// A connection for each request. The program is halted until all requests are there: else it depends on
/// who is faster whether the first recv finds one. Returns how many there were.
fn connect_each(server: &Traced, client: &mut Client) -> usize {
    let closing = request("GET", "/small.html", "Connection: close\r\n");
    let (exchange, _) = Client::connect(server.server.address).learn(&closing);
    mark(client, "connect");
    server.halt();
    let mut clients: Vec<Client> = (0..DEEP).map(|_| Client::connect(server.server.address)).collect();
    clients.iter_mut().for_each(|client| client.send(&closing));
    server.go_on();
    for mut client in clients {
        client.read(&exchange, 1);
        client.end();
    }
    client.learn(&request("GET", "/end-connect", ""));
    DEEP
}

#[test]
fn a_trace_is_read_right_and_a_call_too_many_is_found() {
    let trace = "7 recvfrom(9, \"GET /begin-a HTTP\") = 9\n7 sendto(9, \"\") = 1\n7 epoll_wait(3, [], 9, 1) = 1\n\
        7 recvfrom(9, \"GET /x\") = 9\n8 futex(0x1) = 0\n7 sendto(9 <unfinished ...>\n7 <... sendto resumed>) = 1\n\
        7 epoll_wait(3, [], 9, 1) = 1\n7 recvfrom(9, \"GET /end-a HTTP\") = 9\n";
    let turns = turns(trace, "a");
    assert_eq!(turns, [["recvfrom", "sendto"]]);
    assert_eq!(surplus(usual(&turns), &["recvfrom"]), ["sendto"]);
    assert_eq!(surplus(&["a".into(), "a".into()], &["a", "b"]), ["a"]);
}
