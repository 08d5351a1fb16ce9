//! Our pages in WebKit (the engine of Safari) and in Firefox: landing page, labs, listing, upload, wire view. The other
//! files of this folder test in Chromium what these pages do; here it is shown that they do it in every engine, since a
//! feature that one of them lacks stops a whole script.
//!
//! Each test is skipped where its programs are not installed, and fails where `BAREWIRE_REQUIRE_WEBKIT` or
//! `BAREWIRE_REQUIRE_FIREFOX` is set.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::site::{Scratch, Site};
use crate::support::skip;
use crate::webdriver::Engine;
use crate::{NOTHING, public, screens};

#[test]
fn all_pages_work_in_webkit() {
    match Engine::webkit() {
        Ok(mut engine) => all_pages(&mut engine),
        Err(missing) => skip(&format!("{missing} is not installed"), "BAREWIRE_REQUIRE_WEBKIT"),
    }
}

#[test]
fn all_pages_work_in_firefox() {
    match Engine::firefox() {
        Ok(mut engine) => all_pages(&mut engine),
        Err(missing) => skip(&format!("{missing} is not installed"), "BAREWIRE_REQUIRE_FIREFOX"),
    }
}

/// One browser for all pages: it takes seconds to start.
fn all_pages(engine: &mut Engine) {
    landing_page_and_labs(engine);
    listing(engine);
    upload(engine);
    wire_view(engine);
}

/// Nothing went wrong. The scripts wait for their last effects before: in WebKit errors of loading are not seen.
#[track_caller]
fn check(engine: &mut Engine, name: &str) {
    engine.pictures(&screens(), name);
    assert_eq!(engine.complaints(), NOTHING, "{}: {name}", engine.name);
}

fn landing_page_and_labs(engine: &mut Engine) {
    let site = Site::serve_at("127.0.0.1", &public(), &["--study", "--wire-port", "0"]);
    engine.open(&site.url);
    engine.wait("document.querySelector('#request').innerText.includes('GET /.try/echo')");
    engine.wait("!document.querySelector('#loads').hidden");
    check(engine, "landing");
    for lab in ["learn/", "learn/02/", "learn/12/"] {
        engine.open(&format!("{}{lab}", site.url));
        engine.wait("document.documentElement.dataset.study == 'true'");
        check(engine, &lab.replace('/', "-"));
    }
    engine.open(&format!("{}.try/", site.url));
    check(engine, "practice");
}

fn listing(engine: &mut Engine) {
    let scratch = Scratch::new();
    fs::create_dir(scratch.site().join("folder")).unwrap();
    for (name, size) in [("bravo.txt", 30_000), ("alpha.txt", 20), ("item 10.png", 4_000), ("item 9.zip", 500_000)] {
        fs::write(scratch.site().join(name), vec![b'x'; size]).unwrap();
    }
    let site = Site::serve(&scratch.site());
    engine.open(&site.url);
    engine.wait("!document.querySelector('footer').hidden && !document.querySelector('.tools').hidden");
    check(engine, "listing");
    engine.type_into("#filter", "item");
    engine.wait("document.querySelectorAll('#rows tr:not([hidden])').length == 2");
    check(engine, "listing-filtered");
    // A link or a button: either way the server sorts.
    engine.click("thead th:nth-child(2) :is(a, button)");
    engine.wait("location.search.includes('sort=size') && document.querySelector('#rows tr:nth-child(2)')");
    engine.open(&format!("{}nothing", site.url));
    engine.wait("document.body.innerText.includes('404')");
    engine.pictures(&screens(), "error");
}

fn upload(engine: &mut Engine) {
    let scratch = Scratch::new();
    fs::write(scratch.site().join("before.txt"), "before").unwrap();
    let film = scratch.path().join("film 1.mp4");
    fs::write(&film, vec![b'f'; 300_000]).unwrap();
    let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--write"]);
    engine.open(&site.url);
    // The last statement of the script makes this button.
    engine.wait("document.querySelector('#add')");
    // A driver types only into what can be seen; the page shows a button of its own instead of this.
    engine.eval("document.querySelector('.drop input').hidden = false");
    engine.type_into(".drop input", film.to_str().unwrap());
    engine.wait("document.querySelector('.uploads li.stored')");
    engine.wait("[...document.querySelectorAll('#rows a')].some(a => a.textContent == 'film 1.mp4')");
    assert_eq!(fs::read(scratch.site().join("film 1.mp4")).unwrap(), fs::read(&film).unwrap());
    check(engine, "upload");
    // The question before a file is deleted, and its end.
    engine.click("#rows tr:last-child .cross");
    engine.wait("document.querySelector('dialog').open");
    check(engine, "upload-delete");
    engine.click("dialog .danger");
    engine.wait("document.querySelectorAll('#rows tr').length == 1");
    assert!(!scratch.site().join("film 1.mp4").exists());
    assert_eq!(engine.complaints(), NOTHING, "{}", engine.name);
}

/// One request over a connection of its own, sent in these pieces.
fn talk(site: &Site, pieces: &[&str]) {
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    stream.set_nodelay(true).unwrap();
    pieces.iter().for_each(|piece| stream.write_all(piece.as_bytes()).unwrap());
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    stream.read_to_end(&mut Vec::new()).unwrap();
}

fn wire_view(engine: &mut Engine) {
    let scratch = Scratch::new();
    fs::write(scratch.site().join("hello.txt"), "Hello from the wire.\n").unwrap();
    let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
    engine.open(&site.view);
    engine.wait("document.querySelector('#live.on')");
    check(engine, "wire-empty");
    // An exchange appears while the page is open.
    talk(&site, &["GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: test/1\r\n\r\n"]);
    engine.wait("document.querySelector('h1').innerText.includes('/hello.txt → 200')");
    engine.wait("document.querySelector('.steps li:last-child').innerText.includes('closed')");
    check(engine, "wire");
    // A click on a byte of the dump selects its part: the `H` of Host is byte 25, the second of the fourth row.
    let place = "(range => { range.setStart(document.querySelector('#bytes').firstChild, 3 * 40 + 32);
        range.setEnd(range.startContainer, 3 * 40 + 33); return range.getBoundingClientRect() })(document.createRange())";
    engine.eval(&format!(
        "(r => document.querySelector('#bytes').dispatchEvent(new MouseEvent('click',
            {{bubbles: true, clientX: r.x + r.width / 2, clientY: r.y + r.height / 2}})))({place})"
    ));
    engine.wait("document.querySelector('.f.on').innerText == 'Host' && location.hash == '#c1.1/request/0x19'");
    // The text is fetched and then copied, which Safari allows only if the clipboard is asked at the click.
    engine.click(".acts button");
    engine.wait("document.querySelector('#toast').innerText.startsWith('Copied: curl ')");
    // Half a request is shown while its rest has not been sent, and then grows.
    let mut stream = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"POST /.try/upload HTTP/1.1\r\nHost: loc").unwrap();
    engine.click("#follow");
    engine.wait("document.querySelector('.fr.going')?.innerText.includes('blank line not seen yet')");
    stream.write_all(b"alhost\r\nContent-Length: 5000\r\nConnection: close\r\n\r\nhello").unwrap();
    engine.wait("document.querySelector('.going progress')?.value == 5");
    engine
        .wait("[...document.querySelectorAll('.by')].at(-1).innerText == 'hello' && document.querySelector('.caret')");
    check(engine, "wire-live");
    stream.write_all(&[b'.'; 4995]).unwrap();
    engine
        .wait("document.querySelector('h1').innerText.includes('200 OK') && !document.querySelector('.going, .caret')");
    drop(stream);
    // A broken one is marked, and the reason is named.
    talk(&site, &["GET /bad HTTP/1.1\r\nHost : localhost\r\n\r\n"]);
    engine.wait("document.querySelector('h1').innerText.includes('400') && document.querySelector('.k-bad')");
    assert_eq!(engine.eval("getComputedStyle(document.querySelector('.k-bad')).textDecorationStyle"), "wavy");
    // The bytes after the fault are there too, as what they are.
    engine.wait("[...document.querySelectorAll('.card h2')].some(h => h.innerText.startsWith('Not parsed'))");
    engine.wait("[...document.querySelectorAll('.by')].some(e => e.innerText.startsWith(': localhost'))");
    check(engine, "wire-broken");
    // When the server ends, the page keeps what it has and says why nothing new comes.
    drop(site);
    engine.wait("/^connecting again: ./.test(document.querySelector('#live').innerText)");
}
