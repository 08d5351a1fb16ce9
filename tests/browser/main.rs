//! The pages in a real browser: what loads, what runs, what is requested again, how it looks. Nothing uses the network.
//!
//! These tests need Chromium, `other_engines` WebKit and Firefox. Without it each of them is skipped, and fails where
//! `BAREWIRE_REQUIRE_CHROMIUM` (`…_WEBKIT`, `…_FIREFOX`) is set.
//! `accessibility` also needs axe-core (`BAREWIRE_REQUIRE_AXE`).
//! With `BAREWIRE_PICTURES` set, pictures of the pages are left in `target/screens` for people to look at.

#[path = "../support/mod.rs"]
mod support;

mod accessibility;
mod canary;
mod driver;
mod foreign;
mod learn;
mod other_engines;
mod readme;
mod site;
mod uploads;
mod webdriver;
mod wire;
mod wire_live;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::json;

use driver::{Browser, chromium};
use site::{Scratch, Site};
use support::skip;

/// Runs a test in a browser, or says why it cannot.
fn in_browser(test: impl FnOnce(&mut Browser, &Scratch)) {
    let Some(chromium) = chromium() else { return skip("chromium is not installed", "BAREWIRE_REQUIRE_CHROMIUM") };
    let scratch = Scratch::new();
    let mut browser = Browser::get(&chromium);
    test(&mut browser, &scratch);
    browser.give_back();
}

fn screens() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screens")
}

/// The site that comes with the program.
fn public() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("public")
}

const NOTHING: Vec<String> = Vec::new();

/// Takes pictures in light, in dark and on a phone, where nothing may stick out sideways.
fn pictures(browser: &mut Browser, name: &str) {
    pictures_of(browser, name, 700, 844);
}

/// The same with windows of these heights.
fn pictures_of(browser: &mut Browser, name: &str, high: u32, phone: u32) {
    for (look, width, height, dark) in [
        ("light", 1000, high, false),
        ("dark", 1000, high, true),
        ("phone", 390, phone, false),
        ("phone-dark", 390, phone, true),
    ] {
        browser.look(width, height, dark);
        browser.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))");
        browser.screenshot(&screens().join(format!("{name}-{look}.png")));
        let sideways = browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(sideways, 0, "{name} scrolls sideways at {width} px");
    }
    browser.look(1000, 700, false);
}

#[test]
fn the_landing_page_loads_whole_and_loads_nothing_from_elsewhere() {
    in_browser(|browser, _| {
        let site = Site::serve(&public());
        browser.open(&site.url);
        browser.wait("document.readyState == 'complete' && document.documentElement.dataset.study");
        assert_eq!(browser.complaints(), NOTHING);
        let asked = browser.asked();
        assert!(asked.len() >= 3, "one page load shows several requests: {asked:?}");
        for url in &asked {
            assert!(
                url.starts_with(&site.url) || url.starts_with("data:") || url.starts_with("blob:"),
                "a foreign request: {url}"
            );
        }
        assert!(browser.eval("document.title.length") != 0);
        pictures(browser, "landing");
        // Every link of its own leads somewhere; the one to the wire view is shown with --study alone.
        let links = browser.eval(
            "Promise.all([...document.querySelectorAll('a[href]:not([hidden])')].map(a => a.href)
                .filter(h => h.startsWith(location.origin))
                .map(h => fetch(h).then(r => r.ok ? '' : h + ' ' + r.status))).then(l => l.filter(x => x))",
        );
        assert_eq!(links, json!([]));
    });
}

/// Names that break pages which paste them.
fn hostile_names() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> = [
        "<img src=x onerror=document.title='owned'>.txt",
        "\"><script>document.title='owned'<∕script>.txt",
        "\" onmouseover=\"document.title='owned'.txt",
        "'quotes' and \"quotes\".txt",
        "100%.txt",
        "%41%2e.txt",
        "a#b?c.txt",
        "a&amp;b&lt;.txt",
        "  spaces  in  it .txt",
        "javascript:document.title='owned'",
        "http:evil.example",
        "emoji \u{1f980}\u{1f1e9}\u{1f1ea}.txt",
        "back\\slash.txt",
        "tab\tline\nend.txt",
        "\u{202e}right-to-left.txt",
        "semi;colon=equals+plus.txt",
        "-dash.txt",
        "~tilde.txt",
        "{{braces}}.txt",
    ]
    .iter()
    .map(|name| name.as_bytes().to_vec())
    .collect();
    names.push(b"latin-1 \xe9\xff.txt".to_vec());
    names.push([&[b'n'; 250][..], b".txt"].concat());
    names
}

#[test]
fn a_listing_of_hostile_names_links_and_opens_every_one_and_runs_none() {
    in_browser(|browser, scratch| {
        let names = hostile_names();
        for (i, name) in names.iter().enumerate() {
            fs::write(scratch.site().join(OsStr::from_bytes(name)), format!("file {i}")).unwrap();
        }
        let folder = b"a folder <b>&\"'%2f#?";
        fs::create_dir(scratch.site().join(OsStr::from_bytes(folder))).unwrap();
        fs::write(scratch.site().join(OsStr::from_bytes(folder)).join("inside.txt"), "inside").unwrap();
        let site = Site::serve(&scratch.site());
        browser.open(&site.url);
        assert_eq!(browser.complaints(), NOTHING);
        pictures(browser, "listing-hostile");
        assert_ne!(browser.eval("document.title"), "owned");
        assert_eq!(browser.eval("document.querySelectorAll('img[src=x]').length"), 0);
        let opened = browser.eval(
            "Promise.all([...document.querySelectorAll('a[href]')]
                .filter(a => !a.href.includes('?') && a.href != location.href && !a.href.endsWith('/'))
                .map(a => fetch(a.href).then(r => r.text())))",
        );
        let mut opened: Vec<_> = opened.as_array().unwrap().iter().map(|t| t.as_str().unwrap().to_string()).collect();
        opened.retain(|text| text.starts_with("file "));
        opened.sort_unstable();
        opened.dedup();
        let mut expected: Vec<_> = (0..names.len()).map(|i| format!("file {i}")).collect();
        expected.sort_unstable();
        assert_eq!(opened, expected, "every name is linked, and its link opens that file");
        // And with the mouse, into a folder and to a file.
        browser.load(|b| b.click("a[href*='folder']"));
        assert_eq!(browser.complaints(), NOTHING);
        browser.load(|b| b.click("a[href*='inside.txt']"));
        assert_eq!(browser.eval("document.body.textContent.trim()"), "inside");
    });
}

#[test]
fn sorting_works_by_buttons_and_filtering_by_typing() {
    in_browser(|browser, scratch| {
        let site = scratch.site();
        fs::create_dir(site.join("folder")).unwrap();
        for (name, size) in [("bravo.txt", 30_000), ("alpha.txt", 20), ("item 10.txt", 4_000), ("item 9.txt", 500_000)]
        {
            fs::write(site.join(name), vec![b'x'; size]).unwrap();
        }
        let site = Site::serve(&site);
        browser.open(&site.url);
        let order =
            "[...document.querySelectorAll('a[href$=\".txt\"]')].map(a => decodeURIComponent(a.href.split('/').pop()))";
        assert_eq!(browser.eval(order), json!(["alpha.txt", "bravo.txt", "item 9.txt", "item 10.txt"]));
        pictures(browser, "listing");
        browser.load(|b| b.click("[value=size]"));
        assert_eq!(browser.complaints(), NOTHING);
        let by_size = browser.eval(order);
        let ascending = json!(["alpha.txt", "item 10.txt", "bravo.txt", "item 9.txt"]);
        let descending = json!(["item 9.txt", "bravo.txt", "item 10.txt", "alpha.txt"]);
        assert!(by_size == ascending || by_size == descending, "{by_size}");
        // Without scripts the same buttons work.
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        browser.load(|b| b.click("[value=size]"));
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
        let again = browser.eval(order);
        assert!(
            again != by_size && (again == ascending || again == descending),
            "the same button turns the order: {again}"
        );

        browser.open(&site.url);
        browser.text("input", "item");
        let shown = "[...document.querySelectorAll('a[href$=\".txt\"]')].filter(a => a.getClientRects().length).length";
        browser.wait(&format!("{shown} == 2"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

/// In the page of the server the other folders are buttons, since programs take links for entries.
#[test]
fn the_folders_above_are_links_for_people_and_buttons_without_scripts() {
    in_browser(|browser, scratch| {
        let folder = scratch.site().join("photos & films/ünï and many more words than a phone has room for/2026");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.txt"), "a").unwrap();
        let site = Site::serve(&scratch.site());
        let deep = format!(
            "{}photos%20%26%20films/%C3%BCn%C3%AF%20and%20many%20more%20words%20than%20a%20phone%20has%20room%20for/2026/",
            site.url
        );
        let place = "[location.pathname, location.search, document.querySelector('h1').textContent]";
        for (scripts, css) in [(true, ".crumbs a"), (false, ".crumbs form button")] {
            browser.call("Emulation.setScriptExecutionDisabled", json!({"value": !scripts}));
            for (nth, path, title) in [
                (1, "/", "home"),
                (2, "/photos%20%26%20films/", "photos & films"),
                (
                    3,
                    "/photos%20%26%20films/%C3%BCn%C3%AF%20and%20many%20more%20words%20than%20a%20phone%20has%20room%20for/",
                    "ünï and many more words than a phone has room for",
                ),
            ] {
                browser.open(&deep);
                let css = if scripts {
                    assert_eq!(browser.eval("document.querySelectorAll('form[action]').length"), 0);
                    assert_eq!(
                        browser.eval("document.title"),
                        "Index of /photos %26 films/ünï and many more words than a phone has room for/2026/"
                    );
                    format!("{css}:nth-of-type({nth})")
                } else {
                    // By the keyboard: the first button is the name of the program, which leads home too.
                    for _ in 0..=nth {
                        browser.key("Tab");
                    }
                    css.to_string()
                };
                browser.load(|b| if scripts { b.click(&css) } else { b.key("Enter") });
                assert_eq!(browser.complaints(), NOTHING);
                browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
                assert_eq!(browser.eval(place), json!([path, "", title]));
                browser.call("Emulation.setScriptExecutionDisabled", json!({"value": !scripts}));
            }
        }
        browser.open(&deep);
        browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
        pictures(browser, "listing-plain");
        browser.open(&deep);
        pictures(browser, "listing-deep");
    });
}

/// Makes a film of some seconds in the page: a canvas that changes, recorded as WebM.
const FILM: &str = "new Promise(done => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 320, height: 180});
    const paint = canvas.getContext('2d');
    let n = 0;
    const timer = setInterval(() => {
        for (let i = 0; i < 400; i++) {
            paint.fillStyle = `hsl(${(n * 7 + i * 13) % 360} 90% 50%)`;
            paint.fillRect((i * 37 + n * 5) % 320, (i * 53 + n * 3) % 180, 9, 9);
        }
        n++;
    }, 20);
    const recorder = new MediaRecorder(canvas.captureStream(25), {mimeType: 'video/webm;codecs=vp8', videoBitsPerSecond: 8e6});
    const parts = [];
    recorder.ondataavailable = e => parts.push(e.data);
    recorder.onstop = () => {
        clearInterval(timer);
        const reader = new FileReader();
        reader.onload = () => done(reader.result.split(',')[1]);
        reader.readAsDataURL(new Blob(parts));
    };
    recorder.start(100);
    setTimeout(() => recorder.stop(), 3000);
})";

#[test]
fn a_film_is_sought_by_ranges() {
    in_browser(|browser, scratch| {
        fs::write(
            scratch.site().join("index.html"),
            "<!doctype html><title>film</title><link rel=icon href=data:,><body>",
        )
        .unwrap();
        let site = Site::serve(&scratch.site());
        browser.open(&site.url);
        let film = browser.eval(FILM);
        let film = base64::engine::general_purpose::STANDARD.decode(film.as_str().unwrap()).unwrap();
        assert!(film.len() > 20_000, "a film of {} bytes", film.len());
        // WebM from a recorder has no index, so a player learns its length by seeking to the end.
        fs::write(scratch.site().join("film.webm"), &film).unwrap();
        site.forget();
        browser.open(&format!("{}?again", site.url));
        let end = browser.eval(
            "new Promise((done, failed) => {
                const film = document.body.appendChild(document.createElement('video'));
                film.muted = true;
                film.onerror = () => failed(film.error.message);
                film.onloadedmetadata = () => { film.currentTime = 1e9; };
                film.onseeked = () => done(film.currentTime);
                film.src = 'film.webm';
            })",
        );
        assert!(end.as_f64().unwrap() > 1.0, "sought to {end}");
        let middle = browser.eval(
            "new Promise(done => {
                const film = document.querySelector('video');
                film.onseeked = () => done(film.currentTime);
                film.currentTime = 1.0;
            })",
        );
        assert!((middle.as_f64().unwrap() - 1.0).abs() < 0.5, "sought to {middle}");
        assert_eq!(browser.complaints(), NOTHING);
        site.logged(&["/film.webm", " 206 "]);
    });
}

#[test]
fn back_forward_and_reload_ask_whether_it_changed() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        let page = |next: &str| {
            format!(
                "<!doctype html><title>page</title><link rel=icon href=data:,><link rel=stylesheet href=s.css><a href={next}>next</a>"
            )
        };
        fs::write(folder.join("one.html"), page("two.html")).unwrap();
        fs::write(folder.join("two.html"), page("one.html")).unwrap();
        fs::write(folder.join("s.css"), "body { color: rgb(1, 2, 3) }").unwrap();
        // A file of this moment could change once more under the same times, so its first tag is confirmed to no client.
        let written = fs::metadata(folder.join("s.css")).unwrap().modified().unwrap();
        while written.elapsed().is_ok_and(|age| age < std::time::Duration::from_millis(100)) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let site = Site::serve(&folder);
        browser.open(&format!("{}one.html", site.url));
        browser.load(|b| b.click("a"));
        assert_eq!(browser.eval("location.pathname"), "/two.html");
        site.forget();
        browser.load(|b| {
            b.call("Page.reload", json!({}));
        });
        site.logged(&["/two.html", " 304 "]);
        assert_eq!(browser.eval("getComputedStyle(document.body).color"), "rgb(1, 2, 3)");
        site.forget();
        // A new visit asks again, since everything is `no-cache`: the page is never stale.
        browser.open(&format!("{}one.html", site.url));
        site.logged(&["/one.html", " 304 "]);
        site.logged(&["/s.css", " 304 "]);
        fs::write(folder.join("one.html"), page("changed.html")).unwrap();
        browser.load(|b| {
            b.call("Page.reload", json!({}));
        });
        assert_eq!(browser.eval("document.querySelector('a').getAttribute('href')"), "changed.html");
        for step in ["history.back()", "history.forward()"] {
            browser.load(|b| {
                b.call("Runtime.evaluate", json!({"expression": step}));
            });
        }
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn error_pages_are_for_people_and_reflect_nothing() {
    in_browser(|browser, scratch| {
        fs::create_dir(scratch.site().join("there")).unwrap();
        let site = Site::serve(&scratch.site());
        browser.open(&format!("{}there/not%3Cscript%3Edocument.title='owned'%3C/script%3E", site.url));
        assert_ne!(browser.eval("document.title"), "owned");
        let text = browser.eval("document.body.innerText");
        assert!(text.as_str().unwrap().contains("404"), "{text}");
        assert_eq!(browser.eval("document.querySelectorAll('script:not([src])').length"), 0);
        // The one complaint is Chromium's own about the status.
        let complaints = browser.complaints();
        assert!(complaints.iter().all(|c| c.contains("404")), "{complaints:?}");
        pictures(browser, "error-404");
        fs::write(scratch.site().join("empty"), "").unwrap();
        browser.open(&format!("{}there/", site.url));
        assert_eq!(browser.complaints(), NOTHING);
        pictures(browser, "listing-empty");
    });
}

#[test]
fn a_page_in_the_sandbox_sees_what_is_missing_as_missing_and_not_as_blocked() {
    in_browser(|browser, scratch| {
        let page = "<!doctype html><title>p</title><body><script>window.ended = []
            for (const name of ['there.svg', 'none.png', 'none.css', 'none.js', 'none.woff2']) {
                const tag = name.endsWith('.css') ? 'link' : name.endsWith('.js') ? 'script' : 'img'
                const e = document.createElement(tag)
                e.onload = () => ended.push(name + ' loaded')
                e.onerror = () => ended.push(name + ' failed')
                Object.assign(e, tag == 'link' ? {rel: 'stylesheet', href: name} : {src: name})
                document.body.append(e)
            }</script>";
        fs::write(scratch.site().join("p.html"), page).unwrap();
        fs::write(scratch.site().join("there.svg"), "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>")
            .unwrap();
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--upload"]);
        browser.open(&format!("{}p.html", site.url));
        browser.wait("window.ended?.length == 5");
        let ended = browser.eval("ended.sort().join()");
        assert_eq!(ended, "none.css failed,none.js failed,none.png failed,none.woff2 failed,there.svg loaded");
        assert_eq!(browser.eval("origin"), "null", "the page is in the sandbox");
        let failed: Vec<String> = browser.complaints().into_iter().filter(|said| said.contains("/none.")).collect();
        assert_eq!(failed.len(), 4, "{failed:#?}");
        for said in &failed {
            assert!(said.contains("status of 404") && !said.contains("BLOCKED"), "{said}");
        }
        let is_blocked = browser.events.iter().any(|event| !event["params"]["blockedReason"].is_null());
        assert!(!is_blocked, "{:#?}", browser.events);
    });
}
