//! The page of the wire view in a real browser, beside a real server with `--study`.
//!
//! The bytes on the wire are those of the test, so every position that the page shows can be checked. The tests wait
//! for what must appear; no time is asserted.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::driver::Browser;
use crate::site::{Scratch, Site};
use crate::support::{rounds, until};
use crate::{NOTHING, in_browser, public, screens};

/// The most bytes of all files of the page together, in words and with comments that a student can read.
const BUDGET: usize = 64_000;
/// The height of most screens of portable computers.
const WINDOW: (u32, u32) = (1440, 900);

pub(crate) fn study(scratch: &Scratch) -> Site {
    fs::write(scratch.site().join("hello.txt"), "Hello from the wire.\n").unwrap();
    Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"])
}

/// Opens the view and waits until it listens.
pub(crate) fn open(browser: &mut Browser, site: &Site) {
    browser.look(WINDOW.0, WINDOW.1, false);
    browser.open("about:blank");
    browser.open(&site.view);
    browser.wait("document.querySelector('#live.on')");
}

/// Sends bytes in these pieces, each after the server has taken the one before, and reads the answers
/// up to the end of the connection.
pub(crate) fn talk(site: &Site, pieces: &[&[u8]]) -> String {
    let address = site.url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        stream.write_all(piece).unwrap();
        taken(&stream);
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until the other side's program has taken everything: its receive queue is empty.
fn taken(stream: &TcpStream) {
    let port = |end: std::net::SocketAddr| format!(":{:04X}", end.port());
    let (here, there) = (port(stream.local_addr().unwrap()), port(stream.peer_addr().unwrap()));
    loop {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let theirs = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let mut theirs = theirs.filter(|row| row.len() > 4 && row[1].ends_with(&there) && row[2].ends_with(&here));
        if theirs.next().is_none_or(|row| row[4].ends_with(":00000000")) {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn get(site: &Site, target: &str) -> String {
    talk(
        site,
        &[format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\nConnection: close\r\n\r\n")
            .as_bytes()],
    )
}

/// Goes to an exchange as a link would, and waits until it is shown up to the end of its connection: later
/// events would change the page during the test.
#[track_caller]
pub(crate) fn go(browser: &mut Browser, link: &str, heading: &str) {
    browser.eval(&format!("location.hash = {}; 0", json!(link)));
    // The page itself appends the byte, once it has gone there.
    browser.wait(&format!(
        "location.hash.startsWith({}) && document.querySelector('h1').innerText.includes({})",
        json!(format!("#{link}/")),
        json!(heading)
    ));
    ended(browser);
}

/// Waits until the connection that is shown has ended.
#[track_caller]
fn ended(browser: &mut Browser) {
    browser.wait("document.querySelector('.steps li:last-child').innerText.includes('closed')");
}

/// Text of an element as it is read.
#[track_caller]
fn text(browser: &mut Browser, css: &str) -> String {
    browser.wait(&format!("document.querySelector({})", json!(css)));
    let text = browser.eval(&format!("document.querySelector({}).innerText", json!(css)));
    text.as_str().unwrap_or_default().to_string()
}

/// The bytes that the hex shows as selected, as hexadecimal numbers and as text.
fn selected(browser: &mut Browser) -> (String, String) {
    let pieces = browser.eval(
        "[...CSS.highlights.get('on')].map(r => document.querySelector('#bytes').textContent.slice(r.startOffset, r.endOffset))",
    );
    let pieces: Vec<&str> = pieces.as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect();
    let column = |n: usize| pieces.iter().skip(n).step_by(2).copied().collect::<Vec<_>>();
    (column(0).join(" "), column(1).concat())
}

#[test]
fn the_page_stays_small_and_has_nothing_that_the_policy_forbids() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages/wire");
    // The first steps come from the server, with the events.
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<String> =
        paths.filter(|path| !path.ends_with("start.txt")).map(|path| fs::read_to_string(path).unwrap()).collect();
    let size: usize = files.iter().map(String::len).sum();
    assert!(size <= BUDGET, "{size} bytes");
    for forbidden in
        ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "style=", "onclick=\"", "cookie ="]
    {
        assert!(files.iter().all(|file| !file.contains(forbidden)), "{forbidden}");
    }
}

/// A text that is missing stops the page, and one that is not used would be translated in vain.
#[test]
fn every_text_of_the_page_is_in_the_table_and_is_used() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pages/wire");
    let texts = fs::read_to_string(folder.join("texts.js")).unwrap();
    let (_, table) = texts.split_once("const TEXTS = {").unwrap();
    let (table, _) = table.split_once("\n}").unwrap();
    let names: Vec<&str> = table.lines().filter_map(|line| Some(line.trim().split_once(':')?.0)).collect();
    assert!(names.len() > 50, "{names:?}");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let others: String =
        paths.filter(|path| !path.ends_with("start.txt")).map(|path| fs::read_to_string(path).unwrap()).collect();
    for name in &names {
        let uses = [format!("'{name}'"), format!("=\"{name}\"")];
        assert!(uses.iter().any(|text| others.contains(text)), "{name} is not used");
    }
    let said = others.split("say('").skip(1).map(|rest| rest.split('\'').next().unwrap());
    let named = others.split("data-text=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for name in said.chain(named) {
        assert!(names.contains(&name), "{name} has no text");
    }
}

#[test]
fn a_request_appears_in_a_window_that_is_open_and_nothing_of_elsewhere_is_loaded() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        open(browser, &site);
        let main = site.url.trim_end_matches('/');
        // The empty page says what to type, with the address of this server.
        browser.wait("document.querySelector('.cmd')");
        assert_eq!(text(browser, ".cmd code"), format!("curl -v {main}/hello.txt"));
        assert!(!browser.eval("location.href").as_str().unwrap().contains("k="), "the key stays in the address");
        get(&site, "/hello.txt");
        browser.wait("document.querySelector('.ex').innerText.includes('/hello.txt')");
        browser.wait("document.querySelector('h1').innerText == 'GET /hello.txt → 200 OK'");
        let story = text(browser, ".story");
        assert!(
            story.contains("curl/8 asks for /hello.txt") && story.contains("because Content-Length: 21"),
            "{story}"
        );
        // Three requests in one send: the server reads them with one call or a few, and the page must show which.
        let three = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3);
        talk(&site, &[three.as_bytes()]);
        browser.wait("document.querySelectorAll('.conn')[0].querySelectorAll('.ex').length == 3");
        browser.wait("document.querySelector('.tag').innerText == '3 requests in one recv()'");
        assert_eq!(browser.complaints(), NOTHING);
        let view = site.view.split("#").next().unwrap();
        for url in browser.asked() {
            assert!(url.starts_with(view) || url.starts_with("data:"), "a foreign request: {url}");
            assert!(!url.contains("k="), "a key on the wire: {url}");
        }
    });
}

#[test]
fn without_its_key_the_page_says_where_to_find_it_and_shows_nothing() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/hello.txt");
        let bare = site.view.split('#').next().unwrap().to_string();
        for url in [bare.clone(), format!("{bare}#k=wrong")] {
            browser.open("about:blank");
            browser.open(&url);
            browser.wait("document.querySelector('h1').innerText == 'This page needs its key.'");
            assert_eq!(browser.eval("document.querySelectorAll('.conn').length"), 0);
        }
        // The right address, pasted into the same window.
        browser.eval(&format!("location.href = {}; 0", json!(site.view)));
        browser.wait("document.querySelector('#live.on') && document.querySelector('.conn')");
        // With the key once, every window of this origin has it, so that links of other pages work.
        browser.open("about:blank");
        browser.open(&format!("{bare}#find=GET /hello"));
        browser.wait("document.querySelector('h1').innerText.startsWith('GET /hello.txt')");
    });
}

#[test]
fn cuts_stand_at_the_bytes_where_recv_returned() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        let request = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
        talk(&site, &[&request[..8], &request[8..28], &request[28..41], &request[41..]]);
        open(browser, &site);
        go(browser, "c1.1", "/hello.txt");
        let lines =
            browser.eval("[...document.querySelectorAll('.msg')[0].querySelectorAll('.by')].map(e => e.innerText)");
        assert_eq!(lines, json!(["GET /hel#2lo.txt HTTP/1.1\\r\\n", "Hos#3t: localhost\\r#4\\n", "\\r\\n"]));
        assert_eq!(text(browser, ".say b"), "One request, 4 recv() calls.");
        // Four calls stand above one message, and three cuts go through it.
        assert_eq!(browser.eval("document.querySelectorAll('.ribbon')[0].querySelectorAll('.call').length"), 4);
        assert_eq!(browser.eval("document.querySelectorAll('.tear').length"), 3);
        let same = "(() => { const [a, b] = ['.ribbon .call', '.ribbon .head'].map(css => document.querySelector(css).getBoundingClientRect());
            return a.left == b.left })()";
        assert_eq!(browser.eval(same), true, "the boundaries of calls and messages do not stand above each other");
        // The marks need no room of their own, which would have to be scrolled.
        let higher = "[...document.querySelectorAll('.ribbon')].filter(r => r.scrollHeight > r.clientHeight).length";
        assert_eq!(browser.eval(higher), 0);
        // A block leads to its bytes.
        browser.eval("document.querySelectorAll('.ribbon .call')[2].click()");
        assert_eq!(selected(browser).1, "Host");
        assert!(text(browser, "#what").contains("recv() #2 to #3 (cut into 2 pieces)"), "{}", text(browser, "#what"));
    });
}

#[test]
fn a_value_is_explained_with_its_bytes_and_a_byte_leads_back_to_its_part() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/hello.txt");
        open(browser, &site);
        go(browser, "c1.1", "/hello.txt");
        browser.hover(".k-framing");
        browser.wait("document.querySelector('#what h3').innerText.includes('Content-Length')");
        let panel = text(browser, "#what");
        assert!(panel.contains("Body: 21 bytes, because Content-Length: 21"), "{panel}");
        let link = browser.eval("document.querySelector('#what dd a').href");
        assert_eq!(link, "https://www.rfc-editor.org/rfc/rfc9110.html#section-8.6");
        assert_eq!(selected(browser), ("32 31".into(), "21".into()));
        // The first byte of the response in the hex is that of its version.
        let place = browser.eval(
            "(box => { box.scrollTop = 0; const r = new Range(); r.setStart(box.firstChild, 6); r.setEnd(box.firstChild, 7);
                const b = r.getBoundingClientRect(); return [b.x + 2, b.y + b.height / 2] })(document.querySelector('#bytes'))",
        );
        browser.click_at(&place);
        browser.wait("document.querySelector('#what .v').innerText == 'HTTP/1.1'");
        assert_eq!(selected(browser).1, "HTTP/1.1");
        assert!(
            browser
                .eval("document.activeElement.className + document.querySelector('.f.on').innerText")
                .as_str()
                .unwrap()
                .contains("HTTP/1.1")
        );
        // A selection by click is not removed by moving the mouse, but by Escape.
        browser.hover(".k-framing");
        assert_eq!(selected(browser).1, "HTTP/1.1");
        browser.key("Escape");
        browser.hover(".k-framing");
        browser.wait("document.querySelector('#what .v').innerText == '21'");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn nothing_needs_a_mouse_and_the_address_names_the_byte() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/hello.txt");
        get(&site, "/nope");
        open(browser, &site);
        browser.wait("document.querySelectorAll('.ex').length == 2 && document.querySelector('h1').innerText.startsWith('GET /nope → 404')");
        ended(browser);
        // Tab comes to the list as one stop.
        for _ in 0..20 {
            if browser.eval("document.querySelector('#list').contains(document.activeElement)") == true {
                break;
            }
            browser.key("Tab");
        }
        assert_eq!(browser.eval("document.activeElement.className"), "ex");
        browser.key("j");
        browser.wait("document.querySelector('h1').innerText == 'GET /hello.txt → 200 OK'");
        assert_eq!(browser.eval("document.activeElement.ariaCurrent"), "true");
        for _ in 0..3 {
            browser.key("ArrowDown");
        }
        for _ in 0..2 {
            browser.key("ArrowRight");
        }
        // From the target's line three down is Connection, two right the space before its value.
        let at = browser.eval("[location.hash, document.activeElement.closest('.ln').innerText.split('\\n')[1], getComputedStyle(document.activeElement).outlineStyle]");
        assert_eq!(at[0], "#c1.1/request/0x49", "{at}");
        assert!(at[1].as_str().unwrap().starts_with("Connection: close"), "{at}");
        assert_eq!(at[2], "solid", "the focus cannot be seen");
        browser.key("ArrowRight");
        assert_eq!(selected(browser).1, "close");
        let link = browser.eval("location.hash");
        browser.key("k");
        browser.wait("document.querySelector('h1').innerText.startsWith('GET /nope')");
        // The link of before leads back to the byte.
        browser.eval(&format!("location.hash = {link}; 0"));
        browser.wait("document.querySelector('#what .v').innerText == 'close'");
        browser.key("/");
        browser.call("Input.insertText", json!({"text": "404"}));
        browser.wait("document.querySelectorAll('.conn').length == 1");
        browser.key("Escape");
        browser.wait("document.querySelectorAll('.conn').length == 2");
        browser.key("?");
        browser.wait("document.querySelector('dialog').open");
        browser.key("Escape");
        browser.wait("!document.querySelector('dialog').open");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn five_hundred_connections_stay_a_short_list() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        open(browser, &site);
        for n in 0..500 {
            get(&site, if n % 100 == 7 { "/nope" } else { "/hello.txt" });
        }
        browser.wait("document.querySelector('#live').innerText.includes('500 connections · 500 exchanges')");
        browser.wait("document.querySelector('#more').innerText.includes('of 500')");
        let nodes = browser.eval("document.querySelectorAll('*').length").as_u64().unwrap();
        assert!(nodes < 5000, "{nodes} elements");
        browser.text("#q", "/nope");
        browser.wait("document.querySelectorAll('.conn').length == 5");
        browser.text("#q", " c8");
        browser.wait("document.querySelectorAll('.conn').length == 1 && document.querySelector('.who').innerText.startsWith('c8')");
        browser.key("Escape");
        browser.click("#chips button:nth-child(3)");
        browser.wait("document.querySelectorAll('.conn').length == 5");
        // A link leads to the newest exchange, however long the rest of the recording takes to come.
        let bare = site.view.split('#').next().unwrap();
        browser.open("about:blank");
        browser.open(&format!("{bare}#find=GET%20%2Fhello%2Etxt"));
        browser.wait("location.hash.startsWith('#c500.1/')");
        // An address without link is no link.
        browser.open("about:blank");
        browser.open(&format!("{bare}#100%&k=1"));
        browser.wait("document.querySelector('#live.on') && document.querySelectorAll('.conn').length > 100");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn chips_find_connections_by_their_tags_and_not_by_the_words_of_a_client() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        open(browser, &site);
        get(&site, "/broken-chunked-recv()-cut");
        let two = "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
        talk(&site, &[two.as_bytes()]);
        talk(&site, &[b"GET /hel", b"lo.txt HTTP/1.1\r\nHost: localhost\r\n\r\n"]);
        talk(&site, &[b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"]);
        get(&site, "/.try/chunked");
        browser.wait("document.querySelectorAll('.conn').length == 5");
        for (chip, found) in [("glued/cut", "c3 c2"), ("broken", "c4"), ("chunked", "c5")] {
            let press =
                format!("[...document.querySelectorAll('#chips button')].find(b => b.innerText == '{chip}').click()");
            browser.eval(&press);
            browser.wait(&format!(
                "[...document.querySelectorAll('.who b')].map(b => b.innerText).join(' ') == '{found}'"
            ));
            browser.eval(&press);
        }
        assert_eq!(browser.complaints(), NOTHING);
    });
}

/// Pairs of text and ground of too little contrast, with the text.
const PALE: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true})
    const over = (below, colour) => { canvas.fillStyle = `rgb(${below})`; canvas.fillRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1)
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3) }
    const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b }
    const ground = e => { const way = []; for (; e; e = e.parentElement) way.unshift(getComputedStyle(e).backgroundColor); return way.reduce(over, [255, 255, 255]) }
    const pale = new Set()
    for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue
        const below = ground(e), [a, b] = [light(over(below, getComputedStyle(e).color)), light(below)].sort((a, b) => b - a)
        if ((a + .05) / (b + .05) < 4.5) pale.add(e.className + ': ' + e.textContent.slice(0, 30))
    }
    return [...pale] })()";

#[test]
fn a_phone_is_not_moved_sideways_fingers_hit_and_every_word_can_be_read() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/hello.txt");
        talk(&site, &[b"GET /hello.txt HTTP/1.1\nHost: localhost\n\n"]);
        get(&site, "/.try/chunked?sizes=5,26&gap=20&ext=a=b&trailer=X-Sum:31");
        get(&site, "/hello.txt?token=abcdefgh");
        for (n, heading) in ["200 OK", "400", "chunked", "hello.txt?"].iter().enumerate() {
            // Each opens the page anew, which takes a second. The first two have every width class and both colours.
            let looks = [(390, 844, false), (1440, 900, true), (390, 844, true), (1100, 800, true), (1440, 900, false)];
            for (width, height, dark) in looks.into_iter().take(rounds(2, 5)) {
                open(browser, &site);
                browser.look(width, height, dark);
                go(browser, &format!("c{}.1", n + 1), heading);
                browser.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))");
                browser.eval("Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations < 9).map(a => a.finished.catch(() => 0))).then(() => 0)");
                let looks = if dark { "dark" } else { "light" };
                browser.screenshot(&screens().join(format!("wire-{}-{width}-{looks}.png", n + 1)));
                assert_eq!(browser.eval(PALE), json!([]), "{heading} at {width} in {looks}");
                let sideways =
                    browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
                assert_eq!(sideways, 0, "{heading} scrolls sideways at {width} px");
                let hex = "(b => b.scrollWidth - b.clientWidth)(document.querySelector('#bytes'))";
                assert_eq!(browser.eval(hex), 0, "{heading}: the hex is wider than its place at {width} px");
                if width < 500 {
                    let small = browser.eval(
                        "[...document.querySelectorAll('button')].filter(b => b.checkVisibility() && b.offsetHeight < (b.className == 'chip' ? 26 : 40))
                            .map(b => b.outerHTML)",
                    );
                    assert_eq!(small, json!([]), "too small for a finger");
                    assert!(
                        browser.eval(
                            "document.querySelector('#what').getBoundingClientRect().bottom <= innerHeight + 200"
                        ) == true
                    );
                    browser.click("#sheet");
                    assert_eq!(browser.eval("document.querySelector('#bytes').checkVisibility()"), true);
                    browser.click("#sheet");
                }
            }
        }
        browser.look(WINDOW.0, WINDOW.1, false);
    });
}

/// What the page knows of each connection, to be compared with what it shows.
const TOLD: &str = "[...connections.values()].map(c => ({
    card: !!document.getElementById('c' + c.number),
    exchanges: c.exchanges.length,
    rows: document.getElementById('c' + c.number)?.parentNode.querySelectorAll('.ex').length,
    received: c.recvs.reduce((n, r) => n + r.to - r.from, 0),
    read: c.exchanges.reduce((n, x) => n + x.request.bytes, 0) + (c.closed?.unread || 0),
    sent: c.sends.reduce((n, s) => n + s.to - s.from, 0),
    told: c.exchanges.reduce((n, x) => n + x.response.bytes, 0)}))";

#[test]
fn every_connection_of_a_browser_has_a_card_also_those_that_never_spoke() {
    in_browser(|browser, _| {
        let site = Site::serve_at("127.0.0.1", &public(), &["--study", "--wire-port", "0"]);
        browser.open(&site.url);
        browser.wait("document.readyState == 'complete'");
        site.logged(&["GET / "]);
        // A connection that sends nothing.
        let address = site.url.trim_start_matches("http://").trim_end_matches('/').to_string();
        drop(TcpStream::connect(&address).unwrap());
        browser.open("about:blank");
        open(browser, &site);
        browser.wait("[...document.querySelectorAll('.tag')].some(t => t.innerText.startsWith('sent nothing'))");
        // Wait for the events that are still on their way.
        browser.eval("import('/store.js').then(({connections}) => { window.connections = connections; return 0 })");
        browser.wait(&format!(
            "{TOLD}.every(c => c.card && c.exchanges === c.rows && c.received === c.read && c.sent === c.told)"
        ));
        let told = browser.eval(TOLD);
        let told = told.as_array().unwrap();
        assert!(told.len() >= 2, "{told:?}");
        for connection in told {
            assert_eq!(connection["card"], true, "{connection}");
            assert_eq!(connection["exchanges"], connection["rows"], "{connection}");
            assert_eq!(connection["received"], connection["read"], "bytes that no message has: {connection}");
            assert_eq!(connection["sent"], connection["told"], "bytes that no answer has: {connection}");
        }
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn bytes_of_a_client_are_shown_as_text_whatever_they_look_like() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        let script = "<script>document.title='owned'</script><img/src=x/onerror=document.title='owned'>";
        talk(
            &site,
            &[format!(
                "GET /{script} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {script}\r\nX-{}: {script}\r\n\r\n",
                "Odd"
            )
            .as_bytes()],
        );
        let body = format!("{script}\u{202e}\u{200b}\u{1b}[31mred");
        talk(&site, &[format!("POST /.try/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).as_bytes()]);
        talk(&site, &[b"GET /a HTTP/1.1\r\nHost: localhost\r\nX-Odd: \x1b[31m\r\n\r\n"]);
        open(browser, &site);
        for (link, heading, visible) in [
            ("c1.1", "<script>", script),
            ("c2.1", "/.try/echo", script),
            ("c2.1", "/.try/echo", "\\u{202e}\\u{200b}"),
            ("c3.1", "400", "\\x1b"),
        ] {
            go(browser, link, heading);
            let main = text(browser, "main");
            assert!(main.contains(visible), "{visible} is not shown: {main}");
            let made = browser.eval("[document.querySelectorAll('script:not([src=\"/main.js\"]), img').length, document.title.includes('owned') && !document.title.includes('<')]");
            assert_eq!(made, json!([0, false]), "{link}");
            let raw = browser
                .eval("/[\\x00-\\x08\\x0b-\\x1f\\u202a-\\u202e\\u200b]/.test(document.documentElement.innerText)");
            assert_eq!(raw, false, "a control character in the page at {link}");
            // Every byte of every message is in one part.
            let holes = browser.eval(
                "import('/state.js').then(({view}) => view.exchange.messages.filter(m => {
                    let at = 0
                    for (const s of m.rows.flatMap(row => row.parts)) at = s.start === at ? s.end : NaN
                    return at !== m.bytes }).length)",
            );
            assert_eq!(holes, 0, "{link}");
        }
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_broken_request_opens_at_its_first_bad_byte() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        talk(&site, &[b"GET /hello.txt HTTP/1.1\nHost: localhost\n\n"]);
        open(browser, &site);
        browser.wait("document.querySelector('h1').innerText.includes('400')");
        ended(browser);
        assert_eq!(browser.eval("location.hash"), "#c1.1/request/0x17");
        assert_eq!(selected(browser).0, "0a");
        assert!(text(browser, "#what").contains("bare LF"), "{}", text(browser, "#what"));
        assert!(text(browser, ".fr.wrong").starts_with("Broken at byte 23"), "{}", text(browser, ".fr.wrong"));
        assert!(text(browser, ".ribbon").contains("not parsed"), "{}", text(browser, ".ribbon"));
        // The bytes after it are a card of their own, with a link to each.
        assert!(text(browser, ".card:last-child").starts_with("Not parsed"), "{}", text(browser, ".card:last-child"));
        browser.click(".card:last-child .f");
        browser.wait("location.hash == '#c1.1/unparsed/0x00'");
        assert_eq!(selected(browser).1, "Host: localhost·");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn buttons_copy_save_send_again_pause_and_clear() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/hello.txt");
        open(browser, &site);
        let origin = browser.eval("location.origin");
        let grant = json!({
            "origin": origin, "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
            "browserContextId": browser.context
        });
        browser.call("Browser.grantPermissions", grant);
        browser.wait("document.querySelector('.acts button')");
        ended(browser);
        let press = |browser: &mut Browser, name: &str| {
            // Found and pressed at once: between two scripts it may be drawn anew.
            browser.wait(&format!(
                "(b => {{ b.click(); return true }})([...document.querySelectorAll('button')].find(b => b.innerText == {}))",
                json!(name)
            ));
        };
        press(browser, "Copy as curl");
        browser.wait("document.querySelector('#toast').innerText.includes('curl ')");
        press(browser, "Copy as barewire send");
        browser.wait("document.querySelector('#toast').innerText.includes('barewire send')");
        let folder = scratch.path().join("saved");
        fs::create_dir_all(&folder).unwrap();
        browser.call("Page.setDownloadBehavior", json!({"behavior": "allow", "downloadPath": folder}));
        for (name, file) in [("Raw request", "c1.1.request"), ("Raw response", "c1.1.response"), ("HAR", "c1.1.har")] {
            press(browser, name);
            until(&format!("{file} is saved"), || folder.join(file).exists());
        }
        assert!(fs::read_to_string(folder.join("c1.1.request")).unwrap().starts_with("GET /hello.txt HTTP/1.1\r\n"));
        press(browser, "Replay");
        browser.wait("document.querySelectorAll('.conn').length == 2 && document.querySelector('.conn:has([aria-current]) .who')?.innerText.startsWith('c2')");
        press(browser, "Pause");
        browser.wait("document.querySelector('#live').innerText.startsWith('paused') && document.querySelector('#pause').innerText == 'Resume'");
        press(browser, "Resume");
        browser.wait("document.querySelector('#live').innerText.startsWith('live')");
        get(&site, "/seen");
        browser.wait("document.querySelector('#list').innerText.includes('/seen')");
        press(browser, "Clear");
        browser.wait("document.querySelectorAll('.conn').length == 0 && document.querySelector('.cmd')");
        // The theme is kept.
        let ground = |browser: &mut Browser| browser.eval("getComputedStyle(document.body).backgroundColor");
        let light = ground(browser);
        browser.click("#theme");
        let dark = ground(browser);
        assert_ne!(light, dark);
        open(browser, &site);
        assert_eq!(ground(browser), dark);
        // When the server has ended, the page says so, and keeps what it has.
        get(&site, "/last");
        browser.wait("document.querySelector('h1').innerText.includes('/last')");
        assert_eq!(browser.complaints(), NOTHING);
        drop(site);
        browser.wait("document.querySelector('#live').innerText.startsWith('connecting again')");
        assert!(text(browser, "h1").contains("/last"));
    });
}
