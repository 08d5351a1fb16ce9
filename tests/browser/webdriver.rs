//! WebKit and Firefox, driven by the commands of WebDriver over plain sockets: no driver crate.
//!
//! | engine | programs | how its commands travel |
//! |---|---|---|
//! | WebKit | `WebKitWebDriver`, which starts a MiniBrowser; `Xvfb`, the screen for it | JSON in HTTP |
//! | Firefox | `firefox-esr` itself, without a screen | JSON in TCP, each message after its length (Marionette) |
//!
//! WebKitGTK is the engine of Safari. The commands and their parameters are the same in both, only their names differ.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::{PATIENCE, until};

/// A command of WebDriver: its name in Marionette, and its method and path in HTTP.
type Name = (&'static str, &'static str, &'static str);
const NAVIGATE: Name = ("WebDriver:Navigate", "POST", "url");
const EXECUTE: Name = ("WebDriver:ExecuteScript", "POST", "execute/sync");
const FIND: Name = ("WebDriver:FindElement", "POST", "element");
const CLICK: Name = ("WebDriver:ElementClick", "POST", "element/{id}/click");
const TYPE: Name = ("WebDriver:ElementSendKeys", "POST", "element/{id}/value");
const RESIZE: Name = ("WebDriver:SetWindowRect", "POST", "window/rect");
const PICTURE: Name = ("WebDriver:TakeScreenshot", "GET", "screenshot");
const END: Name = ("WebDriver:DeleteSession", "DELETE", "");
/// Firefox only: whether scripts run in the page or in the browser itself.
const CONTEXT: Name = ("Marionette:SetContext", "", "");

/// The size of the window.
const WINDOW: (u32, u32) = (1300, 1000);
/// Its size in narrow pictures: Firefox makes no window narrower.
const NARROW: (u32, u32) = (500, 1000);

/// Collects what a page of WebKit complains about from now on: there is no other way to read its console.
const LISTEN: &str = "window.complaints = [];
    addEventListener('error', e => complaints.push(e.message || `not loaded: ${e.target.src || e.target.href}`), true);
    addEventListener('unhandledrejection', e => complaints.push(String(e.reason)))";
/// The errors that Firefox has reported for pages of this address, and then forgets.
const CONSOLE: &str = "const all = Services.console.getMessageArray();
    Services.console.reset();
    return all.filter(m => m instanceof Ci.nsIScriptError && !(m.flags & m.warningFlag) && m.sourceName.startsWith('http:'))
        .map(m => `${m.sourceName}:${m.lineNumber}: ${m.errorMessage}`)";

/// How commands reach the browser.
enum Channel {
    /// To `WebKitWebDriver` at this port, in this session.
    Http { port: u16, session: String },
    /// To Firefox. The number is that of the last message.
    Marionette(BufReader<TcpStream>, u64),
}

/// The browser, with one window.
pub(crate) struct Engine {
    /// `webkit` or `firefox`: the start of the names of pictures.
    pub(crate) name: &'static str,
    channel: Channel,
    /// Ended in this order.
    children: Vec<Child>,
    /// The profile of Firefox.
    _profile: Folder,
}

/// A program of this name in the folders of `PATH`.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The small browser that Debian ships beside the library: `/usr/lib/TRIPLET/webkit2gtk-4.1/MiniBrowser`.
fn mini_browser() -> Option<PathBuf> {
    let folders = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    folders("/usr/lib".as_ref())
        .flat_map(|triplet| folders(&triplet).collect::<Vec<_>>())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("webkit2gtk-")))
        .map(|path| path.join("MiniBrowser"))
        .find(|path| path.is_file())
}

fn quiet(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Engine {
    /// WebKit, or the name of the program that is missing.
    pub(crate) fn webkit() -> Result<Engine, &'static str> {
        let driver = program("WebKitWebDriver").ok_or("WebKitWebDriver")?;
        let screen = program("Xvfb").ok_or("Xvfb")?;
        let browser = mini_browser().ok_or("MiniBrowser of WebKitGTK")?;
        // Xvfb writes the number of the screen as soon as it can be used.
        let mut screen = quiet(&screen)
            .args(["-displayfd", "1", "-screen", "0", "1600x1200x24"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(screen.stdout.take().unwrap()).read_line(&mut number).unwrap();
        // The driver does not tell a port that it has chosen itself, so a free one is chosen here.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let driver = quiet(&driver)
            .arg(format!("--port={port}"))
            .env("DISPLAY", format!(":{}", number.trim()))
            // Its sandbox needs rights that a container may not have, and every page here is our own.
            .env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1")
            .spawn()
            .unwrap();
        until("WebKitWebDriver listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let wanted = json!({"webkitgtk:browserOptions": {"binary": browser, "args": ["--automation"]}});
        let session = http(port, "POST", "/session", &json!({"capabilities": {"alwaysMatch": wanted}}));
        let session = session["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {session}")).to_string();
        let channel = Channel::Http { port, session };
        let children = vec![driver, screen];
        Ok(Engine { name: "webkit", channel, children, _profile: Folder::new() }.sized(WINDOW))
    }

    /// Firefox, or the name of the program that is missing.
    pub(crate) fn firefox() -> Result<Engine, &'static str> {
        let firefox = program("firefox-esr").or_else(|| program("firefox")).ok_or("firefox-esr")?;
        let profile = Folder::new();
        // Port 0: it chooses one, and writes it into the profile. The others keep it from asking the network.
        let settings = [
            ("marionette.port", "0"),
            ("app.update.disabledForTesting", "true"),
            ("datareporting.policy.dataSubmissionEnabled", "false"),
            ("network.captive-portal-service.enabled", "false"),
            ("network.connectivity-service.enabled", "false"),
            ("services.settings.server", "\"data:,\""),
        ];
        let settings = settings.map(|(name, value)| format!("user_pref(\"{name}\", {value});\n")).concat();
        profile.write("user.js", settings);
        let child = quiet(&firefox)
            .args(["--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile"])
            .arg(profile.path())
            .env("HOME", profile.path())
            .spawn()
            .unwrap();
        let (file, mut port) = (profile.join("MarionetteActivePort"), None);
        until("Firefox listens", || {
            port = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
            port.is_some()
        });
        let stream = TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = BufReader::new(stream);
        message(&mut stream);
        let mut engine = Engine {
            name: "firefox",
            channel: Channel::Marionette(stream, 0),
            children: vec![child],
            _profile: profile,
        };
        engine.call(("WebDriver:NewSession", "", ""), json!({}));
        Ok(engine.sized(WINDOW))
    }

    /// The same with a window of this size.
    fn sized(mut self, (width, height): (u32, u32)) -> Engine {
        self.call(RESIZE, json!({"width": width, "height": height}));
        self
    }

    /// Sends a command and returns its value, or the error as a value.
    fn ask(&mut self, (name, method, path): Name, parameters: Value) -> Value {
        match &mut self.channel {
            Channel::Http { port, session } => {
                let path = path.replace("{id}", parameters["id"].as_str().unwrap_or_default());
                http(*port, method, &format!("/session/{session}/{path}"), &parameters)
            }
            Channel::Marionette(stream, last) => {
                *last += 1;
                let text = json!([0, *last, name, parameters]).to_string();
                stream.get_mut().write_all(format!("{}:{text}", text.len()).as_bytes()).expect("Firefox is gone");
                let mut answer = message(stream);
                let (error, mut result) = (answer[2].take(), answer[3].take());
                match (error, result.get_mut("value")) {
                    (Value::Null, Some(value)) => value.take(),
                    (Value::Null, None) => result,
                    (error, _) => error,
                }
            }
        }
    }

    #[track_caller]
    fn call(&mut self, name: Name, parameters: Value) -> Value {
        let value = self.ask(name, parameters);
        assert!(value["error"].is_null(), "{}: {}: {value}", self.name, name.0);
        value
    }

    /// Loads a page; returns when it has loaded.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.call(NAVIGATE, json!({"url": url}));
        if let Channel::Http { .. } = self.channel {
            self.call(EXECUTE, json!({"script": LISTEN, "args": []}));
        }
    }

    /// The value of an expression of the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        self.call(EXECUTE, json!({"script": format!("return {expression}"), "args": []}))
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn wait(&mut self, expression: &str) {
        let (end, script) = (Instant::now() + PATIENCE, format!("return !!({expression})"));
        while self.ask(EXECUTE, json!({"script": script, "args": []})) != true {
            if Instant::now() > end {
                let (text, complaints) = (self.eval("document.body.innerText"), self.complaints());
                panic!("{}: never true: {expression}\n{text}\n{complaints:?}", self.name);
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// The first element that fits.
    #[track_caller]
    fn element(&mut self, css: &str) -> String {
        let found = self.call(FIND, json!({"using": "css selector", "value": css}));
        // An object with one member, whose name the standard fixes: the id.
        let id = found.as_object().and_then(|members| members.values().next()).and_then(Value::as_str);
        id.unwrap_or_else(|| panic!("no element {css}")).to_string()
    }

    /// Clicks as a user does: only then may the page use the clipboard.
    #[track_caller]
    pub(crate) fn click(&mut self, css: &str) {
        let id = self.element(css);
        // An element that was just made is not interactable before the next frame.
        until(&format!("{css} can be clicked"), || self.ask(CLICK, json!({"id": id}))["error"].is_null());
    }

    /// Types into an element; the path of a file into the chooser of files.
    #[track_caller]
    pub(crate) fn type_into(&mut self, css: &str, text: &str) {
        let id = self.element(css);
        self.call(TYPE, json!({"id": id, "text": text}));
    }

    /// What went wrong in the page since it was opened: in WebKit, since it had loaded.
    #[track_caller]
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        let complaints = match self.channel {
            Channel::Http { .. } => self.eval("window.complaints"),
            Channel::Marionette(..) => {
                self.call(CONTEXT, json!({"value": "chrome"}));
                let complaints = self.call(EXECUTE, json!({"script": CONSOLE, "args": []}));
                self.call(CONTEXT, json!({"value": "content"}));
                complaints
            }
        };
        complaints.as_array().unwrap().iter().map(Value::to_string).collect()
    }

    /// Saves pictures of the window in two sizes, if the variable `BAREWIRE_PICTURES` is set.
    pub(crate) fn pictures(&mut self, folder: &Path, name: &str) {
        if std::env::var_os("BAREWIRE_PICTURES").is_none() {
            return;
        }
        fs::create_dir_all(folder).unwrap();
        for (size, (width, height)) in [("narrow", NARROW), ("wide", WINDOW)] {
            self.call(RESIZE, json!({"width": width, "height": height}));
            self.wait(&format!("Math.abs(innerWidth - {width}) < 20"));
            // Two frames later it is also drawn in that size.
            let drawn = format!("document.documentElement.dataset.drawn = {width}");
            self.eval(&format!("requestAnimationFrame(() => requestAnimationFrame(() => {drawn}))"));
            self.wait(&format!("document.documentElement.dataset.drawn == {width}"));
            let picture = self.call(PICTURE, json!({"full": false}));
            let bytes = base64::engine::general_purpose::STANDARD.decode(picture.as_str().unwrap()).unwrap();
            fs::write(folder.join(format!("{}-{name}-{size}.png", self.name)), bytes).unwrap();
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The end of its session ends the MiniBrowser. A test that has failed must not fail again here.
        if !std::thread::panicking() {
            self.ask(END, json!({}));
        }
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The next message of Firefox: `LENGTH:JSON`.
fn message(stream: &mut BufReader<TcpStream>) -> Value {
    let mut length = Vec::new();
    stream.read_until(b':', &mut length).expect("Firefox is silent");
    length.pop();
    let length = String::from_utf8(length).unwrap().parse().expect("a length");
    let mut text = vec![0; length];
    stream.read_exact(&mut text).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Sends one command to the driver of WebKit, and returns the value of its answer.
fn http(port: u16, method: &str, path: &str, parameters: &Value) -> Value {
    let body = if method == "POST" { parameters.to_string() } else { String::new() };
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("WebKitWebDriver is gone");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n");
    let length = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all([head, length, body].concat().as_bytes()).unwrap();
    let (mut answer, mut length) = (BufReader::new(stream), 0);
    for line in answer.by_ref().lines().map(|line| line.expect("WebKitWebDriver is silent")) {
        match line.split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse().unwrap(),
            _ if line.is_empty() => break,
            _ => {}
        }
    }
    let mut answer: Value = serde_json::from_reader(answer.take(length)).expect("JSON");
    answer["value"].take()
}
