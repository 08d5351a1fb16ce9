//! Allocations of a request on a persistent connection: none, in the whole process.
//!
//! The server is built as the program builds it, and the client of this test allocates nothing. Allocations are counted
//! over windows of many requests, and the smallest count is judged. An allocation that belongs to a request is in every
//! window; one of a timer or of the test harness is in few.

use std::alloc::System;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use barewire::files;
use barewire::files::Site;
use barewire::net::{Listener, Server, Settings, Stopper, Timeouts};
use barewire::service::access::hosts::Hosts;
use barewire::service::{App, app};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use crate::client::{Client, request};
use crate::support::folder::Folder;
use crate::{BROWSER, alone, folder};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Requests of a window.
const WINDOW: usize = 128;
/// The least number of windows, and how long more of them are tried.
const WINDOWS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(10);
/// The depth of a pipeline.
const DEEP: usize = 16;

fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// The least allocations of a window; `wanted` ends the search.
fn least(wanted: usize, mut window: impl FnMut()) -> usize {
    let end = Instant::now() + PATIENCE;
    let (mut least, mut windows) = (usize::MAX, 0);
    while least > wanted && (windows < WINDOWS || Instant::now() < end) {
        let before = allocations();
        window();
        least = least.min(allocations() - before);
        windows += 1;
    }
    least
}

/// Runs `test` beside the server of the program, with one loop.
fn serving(folder: &Folder, writing: bool, test: impl FnOnce(SocketAddr)) {
    let rules = app::Settings::with(|s| s.hosts = Hosts::new(true, &[], None));
    let (upload, overwrite, delete) = (writing, writing, writing);
    let settings = files::Settings::with(|s| {
        s.upload = upload;
        s.overwrite = overwrite;
        s.delete = delete;
    });
    let site = Site::open(folder.path(), settings).unwrap();
    let service = App::new(site, rules).unwrap();
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.address();
    let timeouts = Timeouts::with(|s| s.idle = Duration::from_secs(600));
    let settings = Settings::with(|s| {
        s.loops = 1;
        s.workers = 2;
        s.timeouts = timeouts;
    });
    let server = Server::new(service, settings, vec![listener]).unwrap();
    let stopper = server.stopper();
    std::thread::scope(|scope| {
        scope.spawn(move || server.run().unwrap());
        let _stop = Stop(stopper);
        test(address);
    });
}

/// Stops the server also when the test fails: the scope would wait for it for ever.
struct Stop(Stopper);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.stop();
        self.0.stop();
    }
}

#[test]
fn the_counter_counts() {
    let _alone = alone();
    assert_eq!(least(1, || drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(least(0, || ()), 0);
}

#[test]
fn a_request_on_a_connection_that_stays_allocates_nothing() {
    let _alone = alone();
    let folder = folder();
    let mut failures = String::new();
    for writing in [false, true] {
        serving(&folder, writing, |address| {
            let mut client = Client::connect(address);
            let (_, head) = client.learn(&request("GET", "/small.html", ""));
            assert!(head.starts_with("HTTP/1.1 200"), "{head}");
            for (name, method, target, fields) in cases(&mut client) {
                let exchange = client.settle(&request(method, target, &fields));
                let one = least(0, || (0..WINDOW).for_each(|_| client.ask(&exchange, 1)));
                let batch = exchange.request.repeat(DEEP);
                // Requests that wait while a file is sent are kept in a buffer, which is freed once it is used up:
                // an idle client owns no buffer. That is one allocation for a batch.
                let waiting = if name == "a large file" { WINDOW / DEEP } else { 0 };
                let deep =
                    least(waiting, || (0..WINDOW / DEEP).for_each(|_| client.ask_batch(&batch, &exchange, DEEP)));
                for (how, count, bound) in [("one by one", one, 0), ("pipelined", deep, waiting)] {
                    if count > bound {
                        failures += &format!("{name}, {how}, writing {writing}: {count} for {WINDOW} requests\n");
                    }
                }
            }
        });
    }
    assert!(failures.is_empty(), "allocations:\n{failures}");
}

/// The requests: a name, the method, the target, the fields.
fn cases(client: &mut Client) -> Vec<(&'static str, &'static str, &'static str, String)> {
    client.settle(&request("GET", "/small.html", ""));
    let (_, head) = client.learn(&request("GET", "/small.html", ""));
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let condition = format!("If-None-Match: {tag}\r\n");
    vec![
        ("a small file", "GET", "/small.html", String::new()),
        ("a small file for a browser", "GET", "/small.html", BROWSER.into()),
        ("304", "GET", "/small.html", condition.clone()),
        ("304 for a browser", "GET", "/small.html", BROWSER.to_owned() + &condition),
        ("HEAD", "HEAD", "/small.html", String::new()),
        ("a large file", "GET", "/medium.jpg", String::new()),
        ("HEAD of a large file", "HEAD", "/medium.jpg", BROWSER.into()),
    ]
}
