//! Chromium, driven by DevTools messages over two pipes (`--remote-debugging-pipe`): no port, no driver process, no
//! crate. A dozen stable messages are all that is needed: navigate, evaluate, click, and the events of a page.
//!
//! Starting Chromium takes longer than most tests, so a browser whose test has succeeded is used again. Each test gets
//! a browser context of its own: nothing of one test (cache, cookies, storage) is seen by the next. A browser whose
//! test has failed is ended. The others end with this process, when their pipes are closed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};

use crate::support::PATIENCE;

/// How long Chromium may take to end when asked. After that it is killed.
const FAREWELL: Duration = Duration::from_secs(10);
/// The size of the window.
const WINDOW: (u32, u32) = (1000, 700);

/// Browsers that no test uses at the moment.
static IDLE: Mutex<Vec<Browser>> = Mutex::new(Vec::new());

/// The browser, with one page.
pub(crate) struct Browser {
    child: Child,
    requests: Option<ChildStdin>,
    messages: Receiver<Value>,
    last_id: u64,
    /// The page; null: messages are for the browser itself.
    session: Value,
    /// The browser context of the page.
    pub(crate) context: Value,
    profile: PathBuf,
    /// Every event since a page was opened last.
    pub(crate) events: Vec<Value>,
}

/// The path of Chromium, if it is installed.
pub(crate) fn chromium() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .flat_map(|folder| ["chromium", "chromium-browser", "google-chrome"].map(|name| folder.join(name)))
        .find(|candidate| candidate.is_file())
}

/// A folder for the profile of a new browser. Folders of processes that have ended are removed.
fn profile() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    const PREFIX: &str = "browser-profile-";
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|number| !Path::new("/proc").join(number).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    let profile = folder.join(format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir_all(&profile).unwrap();
    profile
}

impl Browser {
    /// A browser with an empty page, in a browser context of its own.
    pub(crate) fn get(chromium: &Path) -> Browser {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut browser = idle.unwrap_or_else(|| Browser::start(chromium));
        browser.context = browser.call("Target.createBrowserContext", json!({}))["browserContextId"].take();
        let page = json!({
            "url": "about:blank", "browserContextId": browser.context, "width": WINDOW.0, "height": WINDOW.1
        });
        let target = browser.call("Target.createTarget", page);
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].take();
        for domain in ["Page", "Runtime", "Log", "DOM", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Gives the browser back for the next test, without anything of this one.
    pub(crate) fn give_back(mut self) {
        self.session = Value::Null;
        let context = self.context.take();
        self.call("Target.disposeBrowserContext", json!({"browserContextId": context}));
        self.events.clear();
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    fn start(chromium: &Path) -> Browser {
        let profile = profile();
        // Chromium reads requests on descriptor 3 and writes on 4; the shell puts our pipes there.
        // --no-sandbox: it refuses to run as root without, as in a container.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 0</dev/null 1>&2"#, "sh"])
            .arg(chromium)
            .args(["--remote-debugging-pipe", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required"])
            .arg(format!("--window-size={},{}", WINDOW.0, WINDOW.1))
            .arg("about:blank")
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pipe = BufReader::new(child.stdout.take().unwrap());
        let (tell, messages) = channel();
        std::thread::spawn(move || {
            let messages = pipe.split(0).map_while(Result::ok).filter_map(|m| serde_json::from_slice(&m).ok());
            messages.into_iter().try_for_each(|m: Value| tell.send(m))
        });
        let requests = child.stdin.take();
        let (session, context, events) = (Value::Null, Value::Null, Vec::new());
        Browser { child, requests, messages, last_id: 0, session, context, profile, events }
    }

    /// The next message. Late events of a page of another test are left out.
    fn message(&mut self) -> Value {
        loop {
            let message = self.messages.recv_timeout(PATIENCE).expect("Chromium is silent");
            if message["sessionId"].is_null() || message["sessionId"] == self.session || self.session.is_null() {
                return message;
            }
        }
    }

    /// Sends one message and waits for its answer; events that come meanwhile are kept.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let mut answer = self.ask(method, parameters);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Like [`Browser::call`], but the answer may be an error.
    fn ask(&mut self, method: &str, parameters: Value) -> Value {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        if self.session.is_string() {
            message["sessionId"] = self.session.clone();
        }
        let pipe = self.requests.as_mut().expect("a running browser");
        pipe.write_all(format!("{message}\0").as_bytes()).expect("Chromium is gone");
        loop {
            let answer = self.message();
            if answer["id"] == self.last_id {
                return answer;
            }
            self.events.push(answer);
        }
    }

    /// Does something that loads a page, and waits until that page has loaded.
    #[track_caller]
    pub(crate) fn load(&mut self, cause: impl FnOnce(&mut Browser)) {
        self.events.clear();
        cause(self);
        let end = Instant::now() + PATIENCE;
        // A page from the back-forward cache is shown without being loaded again.
        let shown =
            |e: &Value| e["method"] == "Page.loadEventFired" || e["params"]["type"] == "BackForwardCacheRestore";
        while !self.events.iter().any(shown) {
            assert!(Instant::now() < end, "the page does not load");
            let message = self.message();
            self.events.push(message);
        }
    }

    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.load(|browser| {
            browser.call("Page.navigate", json!({"url": url}));
        });
    }

    /// The value of a script; a promise is waited for.
    #[track_caller]
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let mut result = self.call("Runtime.evaluate", evaluation(script));
        assert!(result["exceptionDetails"].is_null(), "{script}: {result}");
        result["result"]["value"].take()
    }

    /// Waits until a script is true. On a page that is being left, or has not drawn the elements of the script yet,
    /// it is not true yet.
    #[track_caller]
    pub(crate) fn wait(&mut self, script: &str) {
        let (end, truth) = (Instant::now() + PATIENCE, format!("!!({script})"));
        while self.ask("Runtime.evaluate", evaluation(&truth))["result"]["result"]["value"] != true {
            assert!(Instant::now() < end, "never true: {script}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Clicks with the mouse into the middle of the first element that fits.
    #[track_caller]
    pub(crate) fn click(&mut self, css: &str) {
        let place = self.place(css);
        self.click_at(&place);
    }

    /// Clicks at a place of the window.
    pub(crate) fn click_at(&mut self, place: &Value) {
        for kind in ["mousePressed", "mouseReleased"] {
            let parameters = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", parameters);
        }
    }

    /// Moves the mouse from the corner into the middle of the first element that fits.
    #[track_caller]
    pub(crate) fn hover(&mut self, css: &str) {
        let place = self.place(css);
        for (x, y) in [(json!(1), json!(1)), (place[0].clone(), place[1].clone())] {
            self.call("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": x, "y": y}));
        }
    }

    /// The middle of the first element that fits, once it is there and in sight.
    #[track_caller]
    fn place(&mut self, css: &str) -> Value {
        self.wait(&format!("document.querySelector({}).getClientRects()[0]", json!(css)));
        self.eval(&format!(
            "(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getClientRects()[0];
                return [r.x + r.width / 2, r.y + r.height / 2] }})(document.querySelector({}))",
            json!(css)
        ))
    }

    /// Waits for an event that has come since the page was opened, and takes it out.
    #[track_caller]
    pub(crate) fn event(&mut self, method: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.events.iter().position(|e| e["method"] == method) {
                return self.events.remove(at)["params"].take();
            }
            assert!(Instant::now() < end, "never came: {method}");
            let message = self.message();
            self.events.push(message);
        }
    }

    /// Puts files into a file input, as its dialog would.
    #[track_caller]
    pub(crate) fn choose(&mut self, css: &str, files: &[PathBuf]) {
        let input = json!({"expression": format!("document.querySelector({})", json!(css))});
        let object = self.call("Runtime.evaluate", input)["result"]["objectId"].take();
        self.call("DOM.setFileInputFiles", json!({"files": files, "objectId": object}));
    }

    /// Drops files or folders into the middle of the window. If the page is just being laid out, it may ignore the
    /// dragover, and then there is no drop. So it is tried again.
    #[track_caller]
    pub(crate) fn drop_files(&mut self, files: &[PathBuf]) {
        let data = json!({"items": [], "files": files, "dragOperationsMask": 1});
        self.eval("window.dropped = 0; addEventListener('drop', () => { window.dropped = 1 }, {capture: true, once: true}); 0");
        let end = Instant::now() + PATIENCE;
        loop {
            for kind in ["dragEnter", "dragOver", "drop"] {
                self.call("Input.dispatchDragEvent", json!({"type": kind, "x": 180, "y": 240, "data": data}));
            }
            if self.eval("window.dropped") == json!(1) {
                return;
            }
            assert!(Instant::now() < end, "the page takes no drop");
        }
    }

    /// Presses a key.
    #[track_caller]
    pub(crate) fn key(&mut self, name: &str) {
        let (code, text) = match name {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            "ArrowLeft" => (37, ""),
            "ArrowUp" => (38, ""),
            "ArrowRight" => (39, ""),
            "ArrowDown" => (40, ""),
            letter if letter.len() == 1 => (u32::from(letter.as_bytes()[0].to_ascii_uppercase()), letter),
            _ => panic!("what number has {name}?"),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let key =
            |kind: &str| json!({"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "text": text});
        self.call("Input.dispatchKeyEvent", key(kind));
        self.call("Input.dispatchKeyEvent", key("keyUp"));
    }

    /// Bytes a second that leave for the network at most; 0 for as many as it takes.
    pub(crate) fn slow(&mut self, bytes: u32) {
        let rate = if bytes == 0 { -1.0 } else { f64::from(bytes) };
        let conditions = json!({"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate});
        self.call("Network.emulateNetworkConditions", conditions);
    }

    /// Clicks into a field and types.
    #[track_caller]
    pub(crate) fn text(&mut self, css: &str, text: &str) {
        self.click(css);
        self.call("Input.insertText", json!({"text": text}));
    }

    /// The size of the window, and whether the reader prefers dark.
    pub(crate) fn look(&mut self, width: u32, height: u32, dark: bool) {
        let phone = width < 500;
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": if phone { 2 } else { 1 }, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = json!([{"name": "prefers-color-scheme", "value": if dark { "dark" } else { "light" }}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": scheme}));
    }

    /// Saves a picture of the whole page, if the variable `BAREWIRE_PICTURES` is set: it is for people to look at.
    pub(crate) fn screenshot(&mut self, file: &Path) {
        if std::env::var_os("BAREWIRE_PICTURES").is_none() {
            return;
        }
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let size = self.eval("[innerWidth, document.documentElement.scrollHeight]");
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let picture = self.call("Page.captureScreenshot", json!({"clip": clip, "captureBeyondViewport": true}));
        let bytes = base64::engine::general_purpose::STANDARD.decode(picture["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// What the page complained about: console errors, uncaught exceptions, failed loads, violations
    /// of its own policy.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // One round trip, so that what happened before it has arrived.
        self.eval("0");
        let bad = |e: &&Value| {
            e["method"] == "Runtime.exceptionThrown"
                || (e["method"] == "Runtime.consoleAPICalled" && e["params"]["type"] == "error")
                || e["params"]["entry"]["level"] == "error"
        };
        self.events.iter().filter(bad).map(|e| e["params"].to_string()).collect()
    }

    /// The URLs the page asked for since it was opened.
    pub(crate) fn asked(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|e| e["method"] == "Network.requestWillBeSent");
        sent.filter_map(|e| e["params"]["request"]["url"].as_str().map(str::to_string)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session = Value::Null;
        if let Some(mut pipe) = self.requests.take() {
            let _ = pipe.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        }
        let end = Instant::now() + FAREWELL;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A script for `Runtime.evaluate`.
fn evaluation(script: &str) -> Value {
    json!({"expression": script, "returnByValue": true, "awaitPromise": true, "userGesture": true})
}
