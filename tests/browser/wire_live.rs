//! The wire view while messages are under way: half a request, a response that drips, a slow and a fast upload.
//!
//! Each test holds back the rest of a message, and waits until the page shows what has arrived and what is missing. No
//! time is asserted; delays are printed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::driver::Browser;
use crate::site::{Scratch, Site};
use crate::{NOTHING, in_browser, screens};

/// Opens the view of a server with a small file, and waits until it listens.
fn open(browser: &mut Browser, scratch: &Scratch) -> Site {
    fs::write(scratch.site().join("hello.txt"), "Hello from the wire.\n").unwrap();
    let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
    browser.look(1280, 720, false);
    browser.open(&site.view);
    browser.wait("document.querySelector('#live.on')");
    site
}

fn connect(site: &Site) -> TcpStream {
    let stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// The rest of what the server sends, up to the end of the connection.
fn read_all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Sends bytes and says how long it takes until `text` is in the page. The page itself notes when it is.
fn delay(browser: &mut Browser, stream: &mut TcpStream, bytes: &[u8], text: &str) -> Duration {
    browser.eval(&format!(
        "window.seen = 0; new MutationObserver((_, observer) => {{
            if (!document.querySelector('main').textContent.includes({})) return
            window.seen = performance.timeOrigin + performance.now()
            observer.disconnect()
        }}).observe(document.querySelector('main'), {{subtree: true, childList: true, characterData: true}}); 0",
        json!(text)
    ));
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    stream.write_all(bytes).unwrap();
    browser.wait("window.seen");
    let seen = browser.eval("window.seen").as_f64().unwrap();
    Duration::from_secs_f64(seen / 1000.0).saturating_sub(sent)
}

#[test]
fn half_a_request_is_visible_while_its_rest_has_not_been_sent() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let mut stream = connect(&site);
        let mut delays = vec![delay(browser, &mut stream, b"GET /hel", "GET /hel")];
        assert_eq!(browser.eval("document.querySelector('.by').innerText"), "GET /hel");
        let foot = browser.eval("document.querySelector('.fr.going').innerText").as_str().unwrap().to_lowercase();
        assert!(foot.contains("under way") && foot.contains("blank line not seen yet"), "{foot}");
        browser.wait("document.querySelector('.ex .going').innerText == 'under way'");
        // What cannot be sent again yet has no button for that.
        assert_eq!(browser.eval("document.querySelectorAll('.acts button').length"), 0);
        for (name, width, height, dark) in
            [("projector", 1280, 720, true), ("small", 1024, 768, false), ("phone", 390, 844, false)]
        {
            browser.look(width, height, dark);
            browser.screenshot(&screens().join(format!("wire-live-half-{name}.png")));
        }
        browser.look(1280, 720, false);
        delays.push(delay(browser, &mut stream, b"lo.txt HTTP/1.1\r\nHost: loc", "loc"));
        assert_eq!(browser.eval("document.querySelectorAll('.ribbon .call').length"), 2);
        assert_eq!(browser.eval("document.querySelector('.by').innerText"), "GET /hel#2lo.txt HTTP/1.1\\r\\n");
        // The newest bytes are marked and selected while the newest exchange is followed.
        assert_eq!(browser.eval("document.querySelector('.caret').closest('.f').className.includes('on')"), true);
        delays.push(delay(browser, &mut stream, b"alhost\r\nConnection: close\r\n", "Connection"));
        stream.write_all(b"\r\n").unwrap();
        browser.wait("document.querySelector('h1').innerText == 'GET /hello.txt → 200 OK'");
        browser.wait("!document.querySelector('.going, .caret') && document.querySelector('.acts button')");
        assert!(read_all(stream).ends_with("Hello from the wire.\n"));
        eprintln!("from send() to the page: {delays:?} (goal: 300 ms on an idle machine)");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_request_that_breaks_off_or_breaks_a_rule_is_not_under_way_any_more() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let mut stream = connect(&site);
        stream.write_all(b"GET /gone HTTP/1.1\r\nHo").unwrap();
        browser.wait("document.querySelector('.fr.going')");
        drop(stream);
        browser.wait("document.querySelector('.fr.wrong')?.innerText.startsWith('Cut off at byte 22')");
        browser.wait("!document.querySelector('.going, .caret')");
        let mut stream = connect(&site);
        stream.write_all(b"GET /bad HTTP/1.1\r\nHost").unwrap();
        browser.wait("document.querySelector('.fr.going')");
        stream.write_all(b" : localhost\r\n\r\n").unwrap();
        browser.wait("document.querySelector('.fr.wrong')?.innerText.startsWith('Broken at byte 23')");
        // All bytes are there, and those after the fault are said to be not parsed.
        browser.wait(
            "[...document.querySelectorAll('.card h2')].some(h => h.innerText.startsWith('Not parsed'))
                && [...document.querySelectorAll('.by')].some(e => e.innerText.startsWith(': localhost'))",
        );
        browser.screenshot(&screens().join("wire-live-broken.png"));
        assert!(read_all(stream).contains("400 Bad Request"));
        browser.wait("!document.querySelector('.going, .caret')");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_response_that_is_cut_inside_its_first_line_is_explained_as_far_as_it_goes() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let mut stream = connect(&site);
        stream
            .write_all(b"GET /.try/split?at=3,10,17&gap=1000 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let line = "document.querySelector('.card:last-child .ln')";
        browser.wait(&format!("{line}?.querySelector('.by').innerText == 'HTT'"));
        browser.wait(&format!("{line}.querySelector('.by').innerText == 'HTT#2P/1.1 2'"));
        browser.wait(&format!("{line}.querySelector('.by').innerText == 'HTT#2P/1.1 2#300 OK\\\\r\\\\n'"));
        assert_eq!(browser.eval(&format!("{line}.querySelector('.nt').innerText")), "status line: it worked 9112 §4");
        browser.wait("!document.querySelector('.going')");
        read_all(stream);
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_response_that_drips_grows_and_is_followed() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let mut stream = connect(&site);
        stream
            .write_all(b"GET /.try/drip?n=40&gap=100 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let arrived = "document.querySelector('.going progress')?.value";
        browser.wait(&format!("{arrived} >= 3"));
        let sentence = browser.eval("document.querySelector('.fr.going').innerText");
        assert!(sentence.as_str().unwrap().contains(" of 40 bytes"), "{sentence}");
        let calls = "document.querySelectorAll('.ribbon')[1].querySelectorAll('.blk').length";
        assert!(browser.eval(calls).as_u64().unwrap() >= 3, "no block for each send()");
        assert!(browser.eval("document.querySelector('.missing').innerText").as_str().unwrap().ends_with(" missing"));
        for (name, width, height, dark) in [("projector", 1280, 720, false), ("phone", 390, 844, true)] {
            browser.look(width, height, dark);
            browser.screenshot(&screens().join(format!("wire-live-drip-{name}.png")));
        }
        browser.look(1280, 720, false);
        browser.wait(&format!("{arrived} >= 9"));
        // The end stays in view, above the panel.
        assert_eq!(
            browser.eval(
                "document.querySelector('.caret').getBoundingClientRect().bottom
                    <= document.querySelector('main').getBoundingClientRect().bottom"
            ),
            true
        );
        assert_eq!(browser.eval("document.querySelector('#follow').ariaPressed"), "true");
        browser.wait("document.querySelector('h1').innerText.includes('200 OK') && !document.querySelector('.going')");
        assert!(read_all(stream).contains("\r\n\r\n"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn follow_shows_the_newest_exchange_and_another_one_that_grows_does_not_take_its_place() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let heading = |text: &str| format!("document.querySelector('h1').innerText.startsWith({})", json!(text));
        let (mut first, mut second) = (connect(&site), connect(&site));
        first.write_all(b"GET /first HTTP/1.1\r\nHo").unwrap();
        browser.wait(&heading("GET /first"));
        second.write_all(b"GET /second HTTP/1.1\r\nHo").unwrap();
        browser.wait(&heading("GET /second"));
        first.write_all(b"st: localhost\r\n\r\n").unwrap();
        browser.wait("[...document.querySelectorAll('.ex')].some(e => e.innerText.includes('404'))");
        browser.eval("new Promise(r => setTimeout(() => requestAnimationFrame(r), 250))");
        assert_eq!(browser.eval(&heading("GET /second")), true);
        // The next request of the older connection is the newest exchange.
        first.write_all(b"GET /third HTTP/1.1\r\nHo").unwrap();
        browser.wait(&heading("GET /third"));
        // Without Follow the shown exchange stays, and what grows in it is drawn.
        browser.key("f");
        second.write_all(b"st: localhost\r\n").unwrap();
        first.write_all(b"st: loc").unwrap();
        browser.wait("[...document.querySelectorAll('.by')].at(-1).innerText.includes('loc')");
        drop(second);
        drop(connect(&site).write_all(b"GET /fourth HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        browser.wait("[...document.querySelectorAll('.ex')].some(e => e.innerText.includes('/fourth'))");
        browser.eval("new Promise(r => setTimeout(() => requestAnimationFrame(r), 250))");
        assert_eq!(browser.eval(&heading("GET /third")), true);
        assert_eq!(browser.complaints(), NOTHING);
    });
}

/// What a person has done in the page, and where: the selected part, the focus, selected text, how far the bytes
/// are scrolled; how often a screen reader had something to say.
const PERSON: &str =
    "[location.hash, document.activeElement.innerText, document.activeElement.className.includes(' on'),
    String(getSelection()), document.querySelector('#bytes').scrollTop,
    document.querySelector('#what h3').innerText, document.querySelector('#follow').ariaPressed, window.spoken]";

#[test]
fn an_upload_grows_and_what_a_person_has_selected_stays() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        let mut stream = connect(&site);
        let head =
            "POST /.try/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&[b'a'; 500]).unwrap();
        browser.wait("document.querySelector('.fr.going')?.innerText.includes('500 of 200,000 bytes')");
        // With the second recv() there is a lesson in the page.
        stream.write_all(&[b'a'; 500]).unwrap();
        browser.wait("document.querySelector('.fr.going')?.innerText.includes('1,000 of 200,000 bytes')");
        browser.screenshot(&screens().join("wire-live-upload.png"));
        // A click pins the value of Content-Length, a word of the body is selected, and the page is scrolled.
        browser.click(".k-framing");
        browser.wait("document.querySelector('#what h3').innerText.includes('pinned')");
        // The button is drawn with the next frame.
        browser.wait("document.querySelector('#follow').ariaPressed === 'false'");
        browser.eval(
            "(() => {
                const text = document.querySelector('.content .f').firstChild
                getSelection().setBaseAndExtent(text, 10, text, 20)
                document.querySelector('main').scrollTop = 90
                document.querySelector('#bytes').scrollTop = 40
                window.spoken = 0
                new MutationObserver(() => window.spoken++).observe(document.querySelector('#spoken'),
                    {subtree: true, childList: true, characterData: true})
                for (const live of document.querySelectorAll('main [aria-live], main [role=status], #what[aria-live]'))
                    throw new Error(live.outerHTML)
            })()",
        );
        // What is new above it in the window, a scroll bar or the lines of a lesson, may move it, but no more than that.
        let place = "document.activeElement.getBoundingClientRect().top";
        let top = browser.eval(place).as_f64().unwrap();
        let before = browser.eval(PERSON);
        assert_eq!(before[3], "aaaaaaaaaa", "{before}");
        assert_eq!(before[4], 40, "{before}");
        let mut sent = 1_000;
        for size in [500, 20_000, 100_000] {
            stream.write_all(&vec![b'b'; size]).unwrap();
            sent += size;
            browser.wait(&format!("document.querySelector('.going progress').value == {sent}"));
            assert_eq!(browser.eval(PERSON), before, "after {sent} bytes");
            let moved = (browser.eval(place).as_f64().unwrap() - top).abs();
            assert!(moved < 90.0, "moved by {moved} pixels after {sent} bytes");
        }
        stream.write_all(&vec![b'c'; 200_000 - sent]).unwrap();
        browser.wait("document.querySelector('h1').innerText.includes('200 OK')");
        browser.wait("document.querySelector('.steps li:last-child').innerText.includes('closed')");
        assert_eq!(browser.eval(PERSON), before, "at the end");
        assert!(read_all(stream).contains("200000"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_fast_upload_among_two_hundred_exchanges_needs_little_memory_and_few_elements() {
    in_browser(|browser, scratch| {
        let site = open(browser, scratch);
        for _ in 0..200 {
            let mut stream = connect(&site);
            stream.write_all(b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
            read_all(stream);
        }
        browser.wait("document.querySelector('#live').innerText.includes('200 exchanges')");
        browser.eval(
            "import('/state.js').then(({view}) => {
                const draw = view.draw
                window.costs = []
                view.draw = now => {
                    const start = performance.now()
                    draw(now)
                    window.costs.push(performance.now() - start)
                } })",
        );
        let mut stream = connect(&site);
        let size = 60_000_000;
        let head = format!(
            "POST /.try/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&vec![b'x'; 500]).unwrap();
        browser.wait("document.querySelector('.going progress')?.value == 500");
        stream.write_all(&vec![b'x'; size - 500]).unwrap();
        browser.wait("document.querySelector('h1').innerText.includes('/.try/upload → 200')");
        read_all(stream);
        let costs =
            browser.eval("window.costs.sort((a, b) => a - b); [costs.length, costs[costs.length >> 1], costs.at(-1)]");
        eprintln!("drawings; milliseconds of the middle one and of the longest: {costs}");
        // The calls cover all bytes, without a gap.
        let calls = browser.eval(
            "import('/store.js').then(({newestFirst}) => newestFirst()[0].recvs).then(calls =>
                [calls.every((call, n) => call.from === (n && calls[n - 1].to)), calls.at(-1).to])",
        );
        assert_eq!(calls, json!([true, head.len() + size]));
        // Of very many calls of a message the server tells a thousand and a sum. The page keeps no more either.
        let calls = browser.eval(
            "import('/store.js').then(({take, connections}) => {
                const event = {connection: 9999, event: 'recv', bytes: 10, at: 1}
                for (let n = 0; n < 3000; n++) take({...event, start: n * 10, call: n + 1})
                const recvs = Array.from({length: 1000}, (_, n) => [n * 10, 10, 1, n + 1])
                const told = {...event, event: 'request', side: 'request', exchange: '9999.1', start: 0, bytes: 30000, spans: [], lines: []}
                take({...told, recvs: [...recvs, [10000, 20000, 1, 1001]]})
                const calls = connections.get(9999).recvs
                connections.delete(9999)
                return [calls.length, calls[999].to, calls[1000].from, calls[1000].to] })",
        );
        assert_eq!(calls, json!([1001, 10_000, 10_000, 30_000]));
        let nodes = browser.eval("document.querySelectorAll('*').length").as_u64().unwrap();
        assert!(nodes < 5000, "{nodes} elements");
        assert_eq!(browser.complaints(), NOTHING);
    });
}
