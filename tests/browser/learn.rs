//! The labs in a real browser: on a phone, in the dark, without `--study` and with it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::json;

use crate::driver::Browser;
use crate::site::Site;
use crate::{NOTHING, in_browser, pictures_of, public, screens};

/// Every text and its background: pairs whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3).
/// In a picture the background is the box below the middle of the text, else the page.
const PALE: &str = r"(() => {
    const parse = color => (color.match(/[\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05) };
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const color = parse(getComputedStyle(e).backgroundColor);
            if (color.length && color[3] !== 0) return color;
        }
        return [255, 255, 255];
    };
    const boxed = text => {
        const at = text.getBoundingClientRect(), x = at.x + at.width / 2, y = at.y + at.height / 2;
        const rects = [...text.closest('svg').querySelectorAll('rect')].filter(rect => {
            const r = rect.getBoundingClientRect();
            return r.left < x && x < r.right && r.top < y && y < r.bottom && getComputedStyle(rect).fill !== 'none'
                && rect.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING;
        });
        return rects.length ? parse(getComputedStyle(rects.pop()).fill) : ground(text);
    };
    const pale = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, e = node.parentElement;
        if (!node.textContent.trim() || !e.getClientRects().length || e.closest('title,desc')) continue;
        const drawn = e.closest('text'), style = getComputedStyle(e);
        const got = ratio(parse(drawn ? style.fill : style.color), drawn ? boxed(drawn) : ground(e));
        if (got < 4.5) pale.push(node.textContent.trim().slice(0, 40) + ' ' + got.toFixed(2));
    }
    return pale;
})()";

/// How many pixels of the page are outside the window.
const WIDE: &str = "document.documentElement.scrollWidth - document.documentElement.clientWidth";

/// Texts that do not fit into their picture.
const CUT_OFF: &str = r"[...document.querySelectorAll('svg.pic text')].filter(text => {
    const picture = text.closest('svg').getBoundingClientRect(), box = text.getBoundingClientRect();
    return box.left < picture.left || picture.right < box.right || box.top < picture.top || picture.bottom < box.bottom;
}).map(text => text.textContent)";

fn settled(browser: &mut Browser) {
    browser.wait("document.readyState == 'complete' && document.documentElement.dataset.study");
}

#[test]
fn the_labs_are_readable_in_the_dark_and_on_a_phone_and_load_nothing_from_elsewhere() {
    in_browser(|browser, _| {
        let site = Site::serve(&public());
        let labs = (1..=12).map(|lab| format!("{lab:02}"));
        for page in labs.chain(["wrong".to_string(), String::new()]) {
            let path = format!("learn/{page}/").replace("//", "/");
            browser.open(&format!("{}{path}", site.url));
            settled(browser);
            assert_eq!(browser.complaints(), NOTHING, "{path}");
            for url in browser.asked() {
                assert!(url.starts_with(&site.url) || url.starts_with("blob:"), "a foreign request: {url}");
            }
            // Without --study a line says how to start it, and nothing leads to a wire view that is not there.
            assert_eq!(browser.eval("!document.querySelector('#start').hidden"), true, "{path}");
            assert_eq!(browser.eval("document.querySelectorAll('.wire:not([hidden])').length"), 0, "{path}");
            let port = site.url.trim_end_matches('/').rsplit(':').next().unwrap();
            assert!(
                browser.eval("document.body.innerText").as_str().unwrap().contains(port) || page.is_empty(),
                "{path}"
            );
            browser.eval("document.querySelectorAll('details').forEach(d => d.open = true)");
            assert_eq!(browser.eval("document.body.innerText.includes('8080')"), false, "{path} names another port");
            pictures_of(browser, &format!("lab-{page}"), 900, 844);
            for (width, height, dark) in [(360, 740, false), (1280, 720, false), (1000, 900, true)] {
                browser.look(width, height, dark);
                assert_eq!(browser.eval(PALE), json!([]), "{path} dark: {dark}");
                assert_eq!(browser.eval(WIDE), 0, "{path} scrolls sideways at {width} px");
            }
            assert_eq!(browser.eval(CUT_OFF), json!([]), "{path}: text that leaves its picture");
        }
    });
}

#[test]
fn the_landing_page_has_contrast_and_says_how_to_study() {
    in_browser(|browser, _| {
        let site = Site::serve(&public());
        browser.open(&site.url);
        settled(browser);
        assert_eq!(browser.eval("document.querySelector('#start').innerText.includes('barewire --study')"), true);
        assert_eq!(browser.eval("document.querySelector('.go .wire').hidden"), true);
        assert_eq!(browser.eval("document.cookie"), "");
        for dark in [false, true] {
            browser.look(1000, 900, dark);
            assert_eq!(browser.eval(PALE), json!([]), "dark: {dark}");
        }
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn where_uploads_are_allowed_the_pages_say_that_they_may_ask_nothing() {
    in_browser(|browser, scratch| {
        let copy = |from: &str| {
            let to = scratch.site().join(from);
            std::fs::create_dir_all(to.parent().unwrap()).unwrap();
            std::fs::copy(public().join(from), to).unwrap();
        };
        for file in [
            "index.html",
            "script.js",
            "style.css",
            "learn/02/index.html",
            "learn/theme.js",
            "learn/lab.js",
            "learn/lab.css",
        ] {
            copy(file);
        }
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--upload"]);
        for path in ["", "learn/02/"] {
            browser.open(&format!("{}{path}", site.url));
            browser.wait("document.readyState == 'complete'");
            let said = browser.eval("document.querySelector('#start').innerText");
            assert!(said.as_str().unwrap().contains("sandbox"), "{path}: {said}");
            assert!(
                browser.eval("document.querySelectorAll('.copy').length").as_u64() > Some(1),
                "{path}: no copy buttons"
            );
        }
    });
}

#[test]
fn without_scripts_every_command_is_still_there() {
    in_browser(|browser, _| {
        let site = Site::serve(&public());
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        for path in ["", "learn/02/"] {
            browser.open(&format!("{}{path}", site.url));
            browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
            let shown = browser.eval(
                "[...document.querySelectorAll('pre.cmd')].filter(p => p.innerText.includes('localhost:8080')).length",
            );
            assert!(shown.as_u64() > Some(1), "{path}: {shown}");
            assert_eq!(browser.eval("document.querySelector('#start').getClientRects().length > 0"), true);
            browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        }
    });
}

#[test]
fn with_study_the_landing_page_shows_its_own_request_and_the_labs_lead_to_the_wire() {
    in_browser(|browser, _| {
        let site = Site::serve_at("127.0.0.1", &public(), &["--study", "--wire-port", "0"]);
        browser.open(&site.url);
        settled(browser);
        browser.wait("document.querySelector('#request-title').textContent.includes('just sent')");
        let sent = browser.eval("document.querySelector('#request').innerText");
        let sent = sent.as_str().unwrap();
        let host = site.url.trim_start_matches("http://").trim_end_matches('/');
        assert!(sent.starts_with("GET /.try/echo HTTP/1.1"), "{sent}");
        assert!(sent.contains(&format!("Host: {host}")) && sent.contains("Sec-Fetch-Site: same-origin"), "{sent}");
        assert!(browser.eval("document.querySelector('#response').innerText").as_str().unwrap().contains("200"));
        assert_eq!(browser.eval("document.querySelector('#start').hidden"), true);
        assert_eq!(browser.eval("document.querySelector('.go .wire').hidden"), false);
        assert_eq!(browser.complaints(), NOTHING);
        browser.wait("!document.querySelector('#loads').hidden");
        pictures_of(browser, "landing-study", 1500, 844);
        assert_eq!(browser.eval(PALE), json!([]));
        browser.open(&format!("{}learn/02/", site.url));
        browser.wait("document.documentElement.dataset.study == 'true'");
        assert_eq!(browser.eval("document.querySelector('#start').hidden"), true);
        let links =
            "[...document.querySelectorAll('.look .wire')].filter(a => !a.hidden).map(a => a.getAttribute('href'))";
        assert_eq!(browser.eval(links), json!(["/.wire?find=GET%20/a", "/.wire?find=GET%20/hello.txt"]));
        assert_eq!(browser.complaints(), NOTHING);
        pictures_of(browser, "lab-02-study", 1500, 844);
    });
}

#[test]
fn a_lab_leads_to_the_newest_exchange_of_its_command() {
    in_browser(|browser, _| {
        let site = Site::serve_at("127.0.0.1", &public(), &["--study", "--wire-port", "0"]);
        let mut stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
        let (one, two) = ("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /b HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream.write_all([one, two].concat().as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        browser.open(&format!("{}learn/02/", site.url));
        browser.wait("document.documentElement.dataset.study == 'true'");
        // There is only one tab here.
        browser.eval("document.querySelectorAll('.wire').forEach(link => link.target = '')");
        browser.load(|b| b.click(".look .wire"));
        browser.wait("/GET \\/a\\s+→\\s+404/.test(document.body.innerText)");
        browser.wait("/72/.test(document.body.innerText)");
        assert_eq!(browser.complaints(), NOTHING);
        browser.screenshot(&screens().join("lab-02-wire.png"));
    });
}

#[test]
fn the_button_of_the_landing_page_opens_the_view_after_a_restart_too() {
    in_browser(|browser, scratch| {
        let mut ports = ["0".to_string(), "0".to_string()];
        let mut keys = Vec::new();
        for _ in 0..2 {
            let options = ["--study", "--port", &ports[0], "--wire-port", &ports[1]];
            let site = Site::serve_at("127.0.0.1", &public(), &options);
            browser.open(&site.url);
            browser.wait(
                "document.documentElement.dataset.study == 'true' && !document.querySelector('.go .wire').hidden",
            );
            browser.load(|b| b.click(".go .wire"));
            browser.wait("document.querySelector('#live.on')");
            let (view, key) = site.view.split_once("#k=").unwrap();
            let shown = browser.eval("location.href");
            let shown = shown.as_str().unwrap();
            assert!(
                shown.starts_with(view) && !shown.contains(key),
                "the key does not stay in the address bar: {shown}"
            );
            keys.push(key.to_string());
            let port = |url: &str| url.trim_end_matches('/').rsplit(':').next().unwrap().to_string();
            ports = [port(&site.url), port(view)];
            // Else the window would complain about the end of its server.
            browser.open("about:blank");
        }
        assert_ne!(keys[0], keys[1]);
        // The labs are there whatever is served, and say nowhere that a server must be started.
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
        for path in [".try/learn/", ".try/learn/03/", "learn/12/", "learn/wrong/"] {
            browser.open(&format!("{}{path}", site.url));
            browser.wait("document.documentElement.dataset.study == 'true'");
            let shown = "[...document.querySelectorAll('.start, [data-without-study]')].filter(e => e.getClientRects().length).length";
            assert_eq!(browser.eval(shown), 0, "{path}");
            assert!(
                browser.eval("document.querySelectorAll('.wire:not([hidden])').length").as_u64() > Some(0),
                "{path}"
            );
            assert_eq!(browser.complaints(), NOTHING, "{path}");
        }
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        browser.open(&format!("{}.try/learn/03/", site.url));
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
        assert_eq!(browser.eval("document.querySelector('#start').getClientRects().length"), 0);
    });
}

#[test]
fn the_list_of_practice_has_copy_buttons_leads_to_the_labs_and_downloads_nothing() {
    in_browser(|browser, scratch| {
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
        for path in [".try/", ".try/broken/"] {
            browser.open(&format!("{}{path}", site.url));
            let commands = browser.eval("document.querySelectorAll('dd code').length").as_u64().unwrap();
            assert_eq!(browser.eval("document.querySelectorAll('dd button').length"), commands, "{path}");
            browser.eval("navigator.clipboard.writeText = async text => { window.copied = text }");
            browser.click("dd button");
            browser.wait("document.querySelector('dd button').textContent == 'copied'");
            assert_eq!(browser.eval("window.copied == document.querySelector('dd code').textContent"), true);
            assert_eq!(browser.eval(PALE), json!([]), "{path}");
            pictures_of(browser, &format!("practice{}", path.len()), 900, 844);
        }
        // This page may fetch.
        browser.open(&format!("{}.try/learn/", site.url));
        let texts = "Promise.all(['gzip', 'br'].map(path => fetch('/.try/' + path).then(r => r.text())))";
        let plain = include_str!("../../src/practice/compressed.txt");
        assert_eq!(browser.eval(texts), json!([plain, plain]));
        browser.open(&format!("{}.try/", site.url));
        browser.load(|b| b.click("a[href='learn/03/']"));
        browser.wait("document.documentElement.dataset.study == 'true'");
        assert_eq!(browser.complaints(), NOTHING);
        // The echo is shown as text: message/http would be a download.
        browser.load(|b| b.click("a[href^='/.try/echo']"));
        assert!(browser.eval("document.body.innerText").as_str().unwrap().starts_with("GET /.try/echo?text HTTP/1.1"));
    });
}
