//! A page in the served folder attacks the wire view: it can do nothing.
//!
//! It knows everything but the key: the port, the paths, the names of exchanges. A page sees as little of a refusal as
//! of a success, so what the page sees proves only that it can read nothing. The view itself is asked whether anything
//! was done. Every attack is a request that the browser really sends.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::driver::Browser;
use crate::in_browser;
use crate::site::Site;

/// A page that tries everything a page can do. `VIEW` is the origin of the view, `window.came` the list of results.
const PAGE: &str = r#"<!doctype html><title>foreign</title><iframe name=hole></iframe><body><script>
const view = 'VIEW', key = 'A'.repeat(22), came = []
const paths = ['/', '/main.js', '/api/events', '/api/conn/1', '/api/conn/1/in', '/api/ex/1.1/request', '/api/har', '/api/notes']
const read = (name, ask) => ask.then(async r => r.type == 'opaque' ? `${name}: opaque ${(await r.text()).length}` : `${name}: ${r.status} ${(await r.text()).length}`,
    e => `${name}: ${e.name}`).then(text => came.push(text))
const loads = (name, make) => new Promise(done => { const e = make(); e.onload = e.onmessage = e.onopen = () => done(came.push(`${name}: loaded`))
    e.onerror = () => { e.close?.(); done(came.push(`${name}: error`)) } })
const put = (tag, values) => { const e = Object.assign(document.createElement(tag), values); document.body.append(e); return e }
const post = (path, values) => { const form = put('form', {method: 'post', action: view + path, target: 'hole', ...values})
    put('input', {name: 'paused', value: 'true'}); form.append(document.body.lastChild)
    return new Promise(done => { document.querySelector("[name=hole]").onload = () => done(came.push(`form ${path}: sent`)); form.submit() }) }
window.done = (async () => {
    for (const path of paths) {
        await read(`fetch ${path}`, fetch(view + path))
        await read(`fetch with a key ${path}`, fetch(view + path, {headers: {'X-Wire-Key': key}}))
        await read(`fetch with cookies ${path}`, fetch(view + path, {credentials: 'include'}))
        await read(`fetch without cors ${path}`, fetch(view + path, {mode: 'no-cors'}))
    }
    for (const path of ['/api/replay/1.1', '/api/clear', '/api/pause']) {
        await read(`post ${path}`, fetch(view + path, {method: 'POST', body: '{"paused":true}'}))
        await read(`post with a key ${path}`, fetch(view + path, {method: 'POST', body: '{"paused":true}', headers: {'X-Wire-Key': key}}))
        await read(`post without cors ${path}`, fetch(view + path, {method: 'POST', mode: 'no-cors', body: '{"paused":true}'}))
        navigator.sendBeacon(view + path, '{"paused":true}')
        await post(path, {})
        await post(path, {enctype: 'text/plain'})
    }
    await loads('events', () => new EventSource(view + '/api/events'))
    for (const path of ['/store.js', '/api/conn/1', '/api/har']) {
        await loads(`script ${path}`, () => put('script', {src: view + path}))
        await loads(`style ${path}`, () => put('link', {rel: 'stylesheet', href: view + path}))
        await loads(`module ${path}`, () => put('script', {type: 'module', src: view + path}))
    }
    let seen = 'nothing'
    const frame = put('iframe', {src: view + '/'})
    await new Promise(done => frame.onload = done)
    try { seen = frame.contentWindow.document.body.innerHTML } catch (e) { seen = e.name }
    came.push(`frame: ${seen}`)
    return came
})()
</script>"#;

#[test]
fn a_page_in_the_served_folder_reads_nothing_of_the_view_and_makes_it_do_nothing() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        fs::write(folder.join("hello.txt"), "hello\n").unwrap();
        // Once on the address of the view, with another port, and once under another name for it.
        for host in ["127.0.0.1", "localhost"] {
            let site = Site::serve_at("127.0.0.1", &folder, &["--study", "--wire-port", "0"]);
            let (view, _) = site.view.split_once("/#k=").unwrap();
            fs::write(folder.join("foreign.html"), PAGE.replace("VIEW", &view.replace("127.0.0.1", host))).unwrap();
            browser.open(&format!("{}hello.txt", site.url));
            site.logged(&["/hello.txt"]);
            browser.open(&format!("{}foreign.html", site.url));
            let came = browser.eval("window.done");
            let came: Vec<&str> = came.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
            assert!(came.len() > 50, "{came:#?}");
            for line in &came {
                let harmless =
                    ["TypeError", "opaque 0", "error", "SecurityError"].iter().any(|end| line.ends_with(end));
                // A form gets no answer that the page could read.
                assert!(harmless || line.starts_with("form "), "{line}\n{came:#?}");
            }
            untouched(browser, &site);
        }
    });
}

/// A page that wants the key of `/.wire`, and its service worker, which sees the navigation of a window there.
const THIEF: &str = r#"<!doctype html><title>thief</title><body><script>
const came = []
const read = (name, ask) => ask.then(async r => came.push(`${name}: ${r.type} ${r.status} ${r.url} ${[...r.headers]} ${await r.text()}`),
    e => came.push(`${name}: ${e.name}`))
const frame = (name, values) => new Promise(done => {
    const e = Object.assign(document.createElement(name), values)
    e.onload = e.onerror = () => {
        let seen
        try { seen = e.contentWindow.location.href + e.contentDocument.documentElement.innerHTML } catch (error) { seen = error.name }
        done(came.push(`${name}: ${seen}`))
    }
    document.body.append(e)
})
window.done = (async () => {
    await read('fetch', fetch('/.wire'))
    await read('fetch without redirects', fetch('/.wire', {redirect: 'manual'}))
    await read('fetch with forged fields', fetch('/.wire', {headers: {'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document'}}))
    await frame('iframe', {src: '/.wire'})
    await frame('object', {data: '/.wire'})
    await frame('embed', {src: '/.wire'})
    if (location.search) return came
    await navigator.serviceWorker.register('/worker.js')
    await navigator.serviceWorker.ready
    return came
})()
window.told = new Promise(done => navigator.serviceWorker.onmessage = ({data}) => done(data))
</script>"#;
const WORKER: &str = r#"
onactivate = event => event.waitUntil(clients.claim())
onfetch = event => {
    if (!event.request.url.includes('/.wire')) return
    event.respondWith((async () => {
        const came = []
        for (const [name, request] of [['as it is', event.request], ['again', new Request(event.request)],
            ['followed', new Request(event.request, {redirect: 'follow'})]]) {
            try {
                const r = await fetch(request)
                came.push(`${name}: ${r.type} ${r.status} ${r.url} ${[...r.headers]} ${await r.clone().text()}`)
            } catch (e) { came.push(`${name}: ${e.name}`) }
        }
        for (const client of await clients.matchAll({includeUncontrolled: true})) client.postMessage(came)
        return fetch(event.request)
    })())
}"#;

#[test]
fn a_page_in_the_served_folder_does_not_get_the_key_from_the_redirect_to_the_view() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        fs::write(folder.join("thief.html"), THIEF).unwrap();
        fs::write(folder.join("worker.js"), WORKER).unwrap();
        let site = Site::serve_at("127.0.0.1", &folder, &["--study", "--wire-port", "0"]);
        let (view, key) = site.view.split_once("#k=").unwrap();
        browser.open(&format!("{}thief.html", site.url));
        let came = browser.eval("window.done").to_string();
        for attempt in ["fetch", "fetch without redirects", "fetch with forged fields"] {
            assert!(came.contains(&format!("{attempt}: basic 403")), "{came}");
        }
        for attempt in ["iframe", "object", "embed"] {
            assert!(came.contains(&format!("{attempt}: ")), "{came}");
        }
        assert!(!came.contains(key) && !came.contains(view), "{came}");
        // A service worker sees the navigation of a window, but its own request is none.
        browser.open(&format!("{}thief.html", site.url));
        browser.eval("window.done.then(() => { open('/.wire?x') })");
        let told = browser.eval("window.told").to_string();
        for attempt in ["as it is", "again", "followed"] {
            assert!(told.contains(&format!("{attempt}: basic 403")), "{told}");
        }
        assert!(!told.contains(key) && !told.contains(view), "{told}");
        // Without a worker the window gets there, and the page does not see where.
        browser.eval("navigator.serviceWorker.getRegistration('/worker.js').then(worker => worker.unregister())");
        browser.open(&format!("{}thief.html?", site.url));
        browser.eval("(window.opened = open('/.wire'), true)");
        let seen = "(() => { try { return window.opened.location.href } catch (e) { return e.name } })()";
        browser.wait(&format!("window.opened && {seen} == 'SecurityError'"));
        browser.eval("window.opened.close()");
    });
}

#[test]
fn a_page_of_another_origin_leads_to_a_page_with_a_link_and_not_to_the_view() {
    in_browser(|browser, scratch| {
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--study", "--wire-port", "0"]);
        let other = crate::site::Scratch::new();
        fs::write(other.site().join("a.html"), format!("<a href='{}.wire?find=GET%20/x'>there</a>", site.url)).unwrap();
        let foreign = Site::serve(&other.site());
        for host in ["127.0.0.1", "localhost"] {
            browser.open(&format!("{}a.html", foreign.url.replace("127.0.0.1", host)));
            browser.load(|b| b.click("a"));
            assert_eq!(browser.eval("location.pathname"), "/.wire");
        }
        // A click on its link is one of this server.
        browser.load(|b| b.click("a[href*='.wire']"));
        browser.wait("document.querySelector('#live.on')");
        assert_eq!(browser.eval("location.origin + '/'"), site.view.split_once("#k=").unwrap().0);
    });
}

/// The recording is whole, it runs, and nothing was sent again.
#[track_caller]
fn untouched(browser: &mut Browser, site: &Site) {
    browser.open("about:blank");
    browser.open(&site.view);
    // Events come in order: with the last of them, all are here.
    let mut last = TcpStream::connect(site.url.trim_start_matches("http://").trim_end_matches('/')).unwrap();
    last.write_all(b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    last.read_to_end(&mut Vec::new()).unwrap();
    browser.wait("document.querySelector('#live.on') && document.querySelector('#list').innerText.includes('/last')");
    assert_eq!(browser.eval("document.querySelector('#pause').innerText"), "Pause");
    let asked = browser.eval(
        "import('/store.js').then(({connections}) => [...connections.values()].flatMap(c => c.exchanges.map(x => x.request.target)))",
    );
    let asked: Vec<&str> = asked.as_array().unwrap().iter().filter_map(|target| target.as_str()).collect();
    let times = |target: &str| asked.iter().filter(|asked| **asked == target).count();
    assert_eq!((times("/hello.txt"), times("/foreign.html")), (1, 1), "{}", json!(asked));
}
