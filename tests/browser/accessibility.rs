//! axe-core finds nothing in any page: names for screen readers, contrast, order of headings, and more.
//!
//! Each page is checked in light and dark, on a projector and on a phone, in the states that have elements of their own:
//! a list with rights, running and refused uploads, an open dialog, a request in the wire view.
//!
//! axe-core is a script of 600 kB that is not in the repository. `tests/browser/axe.sh` fetches it. Without it these
//! tests are skipped, and fail where `BAREWIRE_REQUIRE_AXE` is set.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::driver::Browser;
use crate::site::{Scratch, Site};
use crate::support::server::{BINARY, clean};
use crate::support::skip;
use crate::{in_browser, public, screens};

/// Width, height, and whether dark is preferred: a projector and a phone.
const WINDOWS: [(u32, u32, bool); 4] = [(1280, 720, false), (1280, 720, true), (390, 844, false), (390, 844, true)];

/// The findings as lines: the rule, and the elements that break it.
const FINDINGS: &str = "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => violations.flatMap(
    ({id, nodes}) => nodes.map(({target, html, any, all}) => `${id}: ${target.join(' ')}: ${html.slice(0, 120)}: ${[...any, ...all].map(check => check.message)}`)))";

/// Runs a test that needs Chromium and axe-core.
fn with_axe(test: impl FnOnce(&mut Checker<'_>, &Scratch)) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("axe-core").join("axe.min.js");
    let Ok(axe) = fs::read_to_string(file) else {
        return skip("axe-core is not there: tests/browser/axe.sh", "BAREWIRE_REQUIRE_AXE");
    };
    in_browser(|browser, scratch| {
        let mut checker = Checker { browser, axe, findings: Vec::new() };
        test(&mut checker, scratch);
        assert!(checker.findings.is_empty(), "{}", checker.findings.join("\n"));
    });
}

struct Checker<'a> {
    browser: &'a mut Browser,
    axe: String,
    findings: Vec<String>,
}

impl Checker<'_> {
    /// Opens a page, waits until it is complete, and checks it.
    #[track_caller]
    fn page(&mut self, name: &str, url: &str, complete: &str) {
        self.browser.open(url);
        self.browser.wait(complete);
        self.browser.eval("document.querySelectorAll('details').forEach(details => { details.open = true })");
        self.check(name);
    }

    /// Checks what is shown now. All findings of a test are reported together.
    #[track_caller]
    fn check(&mut self, name: &str) {
        self.browser.eval(&format!("window.axe || (() => {{ {} }})(); 0", self.axe));
        for (width, height, dark) in WINDOWS {
            self.browser.look(width, height, dark);
            // Without motion: colours that are on their way to others would be measured in the middle.
            let scheme = if dark { "dark" } else { "light" };
            let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
            self.browser.call("Emulation.setEmulatedMedia", json!({"features": features}));
            self.browser.screenshot(&screens().join(format!("axe/{name}-{width}-{scheme}.png")));
            let found = self.browser.eval(FINDINGS);
            let found = found.as_array().expect("a list of findings");
            self.findings.extend(
                found.iter().map(|finding| format!("{name}, {width} px, {scheme}: {}", finding.as_str().unwrap())),
            );
        }
        self.browser.look(1280, 720, false);
    }
}

const LOADED: &str = "document.readyState == 'complete'";
/// A page of `public/` has asked whether the server was started with `--study`.
const ASKED: &str = "document.readyState == 'complete' && document.documentElement.dataset.study";

fn file(scratch: &Scratch, name: &str, bytes: usize) -> PathBuf {
    let path = scratch.path().join(name);
    fs::write(&path, vec![b'x'; bytes]).unwrap();
    path
}

/// One request on a connection of its own, to the end of its response.
fn send(site: &Site, request: &str) {
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

#[test]
fn the_landing_page_is_accessible() {
    with_axe(|checker, _| {
        let site = Site::serve(&public());
        checker.page("landing", &site.url, ASKED);
        let study = Site::serve_at("127.0.0.1", &public(), &["--study", "--wire-port", "0"]);
        checker.page("landing-study", &study.url, "!document.querySelector('#loads').hidden");
        checker.page("lab-03-study", &format!("{}.try/learn/03/", study.url), ASKED);
    });
}

#[test]
fn the_labs_are_accessible() {
    with_axe(|checker, _| {
        let site = Site::serve(&public());
        let labs = (1..=12).map(|lab| format!("{lab:02}/"));
        for lab in labs.chain(["wrong/".to_string(), String::new()]) {
            let name = format!("lab-{}", lab.trim_end_matches('/'));
            checker.page(&name, &format!("{}learn/{lab}", site.url), ASKED);
        }
    });
}

#[test]
fn the_listing_and_the_uploads_are_accessible() {
    with_axe(|checker, scratch| {
        let folder = scratch.site();
        fs::create_dir_all(folder.join("photos/empty")).unwrap();
        for name in ["beach.jpg", "film.mp4", "notes.txt", "song.flac", "all.zip", "page.html", "licence"] {
            fs::write(folder.join("photos").join(name), "content").unwrap();
        }
        let site = Site::serve(&folder);
        checker.page("listing", &format!("{}photos/", site.url), LOADED);
        checker.page("listing-empty", &format!("{}photos/empty/", site.url), LOADED);
        checker.page("error-404", &format!("{}photos/none", site.url), LOADED);

        let site = Site::serve_at("127.0.0.1", &folder, &["--write", "--max-body", "64M"]);
        checker.page("listing-rights", &format!("{}photos/", site.url), "document.querySelector('#rows .cross')");
        checker.browser.slow(1 << 20);
        let taken = file(scratch, "beach.jpg", 20);
        checker.browser.drop_files(&[
            file(scratch, "large.bin", 32 << 20),
            file(scratch, "small.txt", 20),
            taken,
            file(scratch, ".hidden", 20),
        ]);
        checker.browser.wait(
            "document.querySelectorAll('.uploads :is(.failed, .question)').length == 2 && document.querySelector('.uploads .stored')
                && document.querySelector('.uploads progress')?.value > 0",
        );
        checker.check("uploads");
        checker.browser.slow(0);
        checker.browser.wait("document.querySelectorAll('.uploads .stored').length == 2");
        // Not by the mouse: the list of uploads may cover the middle of the window.
        checker.browser.eval("document.querySelector(\"#rows tr:has(a[href='film.mp4']) .cross\").click()");
        checker.browser.wait("document.querySelector('dialog[open]')");
        checker.check("delete");
    });
}

#[test]
fn the_practice_pages_are_accessible() {
    with_axe(|checker, scratch| {
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
        checker.page("practice", &format!("{}.try/", site.url), LOADED);
        checker.page("practice-broken", &format!("{}.try/broken/", site.url), LOADED);
        checker.page("practice-form", &format!("{}.try/form", site.url), LOADED);
        checker.page("practice-404", &format!("{}.try/none", site.url), LOADED);
    });
}

#[test]
fn the_wire_view_is_accessible() {
    with_axe(|checker, scratch| {
        fs::write(scratch.site().join("hello.txt"), "Hello from the wire.\n").unwrap();
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
        let (address, _) = site.view.split_once("#k=").unwrap();
        checker.page("wire-without-key", address, "document.querySelector('h1').innerText.includes('key')");
        checker.page("wire-empty", &site.view, "document.querySelector('#live.on')");
        for (name, request) in [
            ("wire", "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test/1\r\n\r\n"),
            ("wire-broken", "GET /broken HTTP/1.1\r\nHost : localhost\r\n\r\n"),
        ] {
            send(&site, request);
            let target = request.split(' ').nth(1).unwrap();
            checker.browser.wait(&format!("document.querySelector('h1').innerText.includes('{target}')"));
            checker.browser.wait("document.querySelector('.steps li:last-child').innerText.includes('closed')");
            checker.check(name);
        }
        // A request whose rest has not been sent.
        let mut half = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
        half.write_all(b"GET /half HTTP/1.1\r\nHost: lo").unwrap();
        checker.browser.wait("document.querySelector('main').innerText.includes('/half')");
        checker.check("wire-half");
        // An upload is under way.
        let mut stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
        stream.write_all(b"POST /.try/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\nhello").unwrap();
        checker.browser.wait("document.querySelector('.going progress')");
        checker.check("wire-live");
        checker.browser.eval("document.querySelector('dialog').showModal()");
        checker.check("wire-help");
    });
}

#[test]
fn the_page_of_explain_is_accessible() {
    with_axe(|checker, scratch| {
        let messages = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\n\r\nGET /x HTTP/1.1\r\nHost : localhost\r\n\r\n";
        let saved = scratch.path().join("messages");
        fs::write(&saved, messages).unwrap();
        let page = fs::File::create(scratch.site().join("explained.html")).unwrap();
        let mut explain = clean(Command::new(BINARY));
        explain.args(["explain", "--html"]).arg(&saved).stdout(page).stderr(Stdio::null()).status().unwrap();
        let site = Site::serve(&scratch.site());
        checker.page("explain", &format!("{}explained.html", site.url), LOADED);
        let text = checker.browser.eval("document.body.innerText");
        let text = text.as_str().unwrap();
        // The bytes after the fault have a heading of their own.
        assert!(text.contains("hello.txt") && text.contains("not parsed 2"), "{text}");
    });
}
