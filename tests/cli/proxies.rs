//! The recipes of `packaging/proxies.md`: the very configuration files, with other addresses and paths, before two real
//! servers that serve one folder.
//!
//! | test | what must hold |
//! |---|---|
//! | one for each proxy | TLS, HTTP/2 and HTTP/1.1, for a whole host and under a path prefix: links, redirects, ranges, uploads, forms |
//! | a rolling restart for each proxy | both servers are stopped and started under load: no failed request, no lost or broken upload |
//! | two servers, one folder | what the page says about names that two clients want at once |
//!
//! They need openssl and curl with HTTP/2, and the proxy. Each test has loopback addresses of its own, so the ports of
//! servers that start again are never taken by others.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::Signal;

use crate::packaging::text;
use crate::support::folder::{Folder, names, pattern};
use crate::support::server::{BINARY, Capture, Server, clean};
use crate::support::uploads::put;
use crate::support::{PATIENCE, has_program, rounds, skip, until};

/// Where this is set, a test whose proxy is not installed fails instead of being skipped.
const REQUIRED: &str = "BAREWIRE_REQUIRE_PROXIES";
/// The name in the configuration files.
const SITE: &str = "https://files.example.org";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    HaProxy,
    Nginx,
    Caddy,
}

impl Kind {
    /// Its program, if it is installed. If not, the test is skipped.
    #[track_caller]
    fn program(self) -> Option<PathBuf> {
        let name = ["haproxy", "nginx", "caddy"][self as usize];
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Where Debian has those that only root starts.
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders.map(|folder| folder.join(name)).find(|program| program.is_file());
        if program.is_none() {
            skip(&format!("{name} is not installed"), REQUIRED);
        }
        program
    }

    /// The file of the recipe.
    fn file(self) -> &'static str {
        ["packaging/haproxy.cfg", "packaging/nginx.conf", "packaging/Caddyfile"][self as usize]
    }

    /// What is replaced in it: addresses and paths of this test. Each must be there.
    fn replacements(self, ips: &Addresses, place: &str) -> Vec<(&'static str, String)> {
        let front = ips.front();
        let mut replacements = vec![
            ("127.0.0.1:8081", format!("{}:8081", ips.server(0))),
            ("127.0.0.1:8082", format!("{}:8082", ips.server(1))),
        ];
        replacements.extend(match self {
            Kind::HaProxy => vec![
                ("bind :80", format!("bind {front}:8000")),
                ("bind :443", format!("bind {front}:8443")),
                ("/etc/haproxy/files.example.org.pem", format!("{place}/both.pem")),
            ],
            Kind::Nginx => vec![
                ("listen 80;", format!("listen {front}:8000;")),
                ("listen 443 ", format!("listen {front}:8443 ")),
                ("/etc/nginx/files.example.org", format!("{place}/one")),
            ],
            // With a certificate of this test, since there is no authority to ask for one.
            Kind::Caddy => vec![(
                "\nfiles.example.org {",
                format!("\n{SITE}:8443 {{\n\tbind {front}\n\ttls {place}/one.crt {place}/one.key"),
            )],
        });
        replacements
    }

    /// What a distribution has around the file.
    fn whole(self, configuration: &str, place: &str) -> String {
        let temporary =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|name| format!("{name}_temp_path {place};"));
        match self {
            Kind::HaProxy => configuration.to_string(),
            Kind::Nginx => format!(
                "daemon off; master_process off; pid {place}/pid; error_log stderr; worker_processes 1;\nevents {{}}\nhttp {{\naccess_log off; {}\n{configuration}}}\n",
                temporary.concat()
            ),
            Kind::Caddy => format!("{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n{configuration}"),
        }
    }

    fn arguments(self, file: &str) -> Vec<String> {
        let words: &[&str] = match self {
            Kind::HaProxy => &["-db", "-f", file],
            Kind::Nginx => &["-e", "stderr", "-c", file],
            Kind::Caddy => &["run", "--adapter", "caddyfile", "--config", file],
        };
        words.iter().map(|word| word.to_string()).collect()
    }
}

/// The loopback addresses of one test: no other process of this machine uses them.
struct Addresses([u8; 3]);

impl Addresses {
    fn new() -> Addresses {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let [.., high, low] = std::process::id().to_be_bytes();
        // Never 127.0.0.*, which everybody uses.
        Addresses([high | 128, low, NEXT.fetch_add(4, Ordering::Relaxed)])
    }

    fn number(&self, add: u8) -> String {
        let Addresses([high, low, number]) = self;
        format!("127.{high}.{low}.{}", number + add)
    }

    fn front(&self) -> String {
        self.number(1)
    }

    fn server(&self, which: u8) -> String {
        self.number(2 + which)
    }
}

/// A proxy before two servers that serve the folder `shared`.
struct Recipe {
    proxy: Child,
    said: Arc<Capture>,
    servers: Mutex<[Option<Server>; 2]>,
    ips: Addresses,
    folder: Folder,
}

impl Recipe {
    /// `None`: a program is missing, and the test is skipped.
    #[track_caller]
    fn start(kind: Kind) -> Option<Recipe> {
        let program = kind.program()?;
        if !has_program("openssl", REQUIRED) || !has_program("curl", REQUIRED) {
            return None;
        }
        let (folder, ips) = (Folder::in_temp_dir(), Addresses::new());
        fs::create_dir(folder.join("shared")).unwrap();
        make_certificate(&folder);
        let servers = Mutex::new([0, 1].map(|which| Some(server(which, &ips, &folder))));
        let place = folder.path().to_str().unwrap();
        let mut configuration = text(kind.file());
        for (from, to) in kind.replacements(&ips, place) {
            assert!(configuration.contains(from), "{}: {from}", kind.file());
            configuration = configuration.replace(from, &to);
        }
        folder.write("configuration", kind.whole(&configuration, place));
        let mut command = clean(Command::new(program));
        command.args(kind.arguments(folder.join("configuration").to_str().unwrap())).env("HOME", place);
        let mut proxy = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = Capture::of(proxy.stderr.take().unwrap());
        let mut recipe = Recipe { proxy, said, servers, ips, folder };
        // Both servers are known to be there, not only the proxy.
        until("the proxy serves", || {
            assert!(recipe.proxy.try_wait().unwrap().is_none(), "{}", recipe.said.so_far());
            recipe.curl(&["/"]).is_ok_and(|got| got.starts_with("200"))
        });
        Some(recipe)
    }

    /// The arguments of a curl that trusts the certificate and finds the proxy under its name. `/path` is made a URL.
    fn arguments(&self, arguments: &[&str]) -> Vec<String> {
        let front = self.ips.front();
        let connect = [(80, 8000), (443, 8443)].map(|(port, here)| format!("files.example.org:{port}:{front}:{here}"));
        let patience = PATIENCE.as_secs().to_string();
        let first = ["-sS", "--max-time", &patience, "--cacert", "one.crt"];
        let first = first.into_iter().chain(connect.iter().flat_map(|to| ["--connect-to", to]));
        let own =
            arguments.iter().map(|word| if word.starts_with('/') { format!("{SITE}{word}") } else { word.to_string() });
        first.map(str::to_string).chain(own).collect()
    }

    fn run(&self, arguments: &[String]) -> Output {
        clean(Command::new("curl")).args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    /// What curl has printed: status and version, where a redirect leads, then the content. Err: its message.
    fn curl(&self, arguments: &[&str]) -> Result<String, String> {
        let body = self.folder.join("body");
        let _ = fs::remove_file(&body);
        let shown = ["-o", "body", "-w", "%{http_code} HTTP/%{http_version} %{redirect_url}"];
        let output = self.run(&self.arguments(&[&shown, arguments].concat()));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        let content = fs::read(&body).unwrap_or_default();
        Ok(format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&content)))
    }

    /// The first line of [`Recipe::curl`].
    #[track_caller]
    fn status(&self, arguments: &[&str]) -> String {
        let got = self.curl(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        got.lines().next().unwrap().trim_end().to_string()
    }

    /// A line with this in the access log of one of the servers.
    fn logged(&self, part: &str) -> Option<String> {
        let servers = self.servers.lock().unwrap();
        let logs: String = servers.iter().flatten().map(|server| server.log().so_far()).collect();
        logs.lines().find(|line| line.contains(part)).map(str::to_string)
    }

    fn shared(&self, name: &str) -> PathBuf {
        self.folder.join("shared").join(name)
    }
}

impl Drop for Recipe {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
        if std::thread::panicking() {
            eprintln!("--- what the proxy said:\n{}", self.said.so_far());
        }
    }
}

/// A certificate for the name of the recipes, signed by itself.
fn make_certificate(folder: &Folder) {
    let mut openssl = clean(Command::new("openssl"));
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=files.example.org", "-addext", "subjectAltName=DNS:files.example.org"]);
    let made = openssl.args(["-keyout", "one.key", "-out", "one.crt"]).current_dir(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    folder.write("both.pem", read("one.crt") + &read("one.key"));
}

/// One of the two servers, as the page says, at an address of this test.
#[track_caller]
fn server(which: u8, ips: &Addresses, folder: &Folder) -> Server {
    let page = text("packaging/proxies.md");
    let start = format!("barewire --port 808{} ", which + 1);
    let line = page.lines().find(|line| line.starts_with(&start)).expect("the page starts both servers");
    let words = line.trim_end_matches(" &").split(' ').skip(1);
    let mut command = clean(Command::new(BINARY));
    command.current_dir(folder.path()).args(["--bind", &ips.server(which), "--log", "common"]);
    command.args(words.map(|word| if word == "/srv/files" { "shared" } else { word }));
    Server::of(&mut command)
}

/// Everything that a browser and curl do with a site, at a path of it.
fn assert_serves(recipe: &Recipe, prefix: &str) {
    let at = |path: &str| format!("{prefix}{path}");
    let content = pattern(7, 300_000);
    fs::create_dir_all(recipe.shared("sub")).unwrap();
    fs::write(recipe.shared("sub/big.bin"), &content).unwrap();
    let own = ["-H", "Origin: https://files.example.org"];
    for (version, option) in [("2", "--http2"), ("1.1", "--http1.1")] {
        let ask = |arguments: &[&str]| recipe.status(&[&[option], arguments].concat());
        let is = |status: &str| format!("{status} HTTP/{version}");
        assert_eq!(ask(&[&at("/")]), is("200"));
        let page = recipe.curl(&[option, "-H", "Accept: text/html", &at("/")]).unwrap();
        assert!(page.contains("href=\"sub/\""), "{page}");
        assert_eq!(ask(&[&at("/sub")]), format!("301 HTTP/{version} {SITE}{prefix}/sub/"));
        assert_eq!(ask(&["-r", "1000-1999", &at("/sub/big.bin")]), is("206"));
        assert_eq!(fs::read(recipe.folder.join("body")).unwrap(), content[1000..2000]);
        assert_eq!(ask(&[&at("/nothing/here")]), is("404"));

        // A path is not decoded or encoded once too often.
        recipe.folder.write("small", "small");
        let name = format!("sub/{version} ?#%41ä+&.txt");
        let path = at(&format!("/sub/{version}%20%3F%23%2541%C3%A4+&.txt"));
        assert_eq!(ask(&[&own[..], &["-T", "small", &path]].concat()), is("201"));
        assert_eq!(fs::read_to_string(recipe.shared(&name)).unwrap(), "small");
        assert_eq!(ask(&["-X", "DELETE", &path]), is("204"));
        assert!(!recipe.shared(&name).exists());

        recipe.folder.write("large", pattern(u64::from(version == "2"), 3_000_000));
        assert_eq!(ask(&["-T", "large", &at("/sub/put.bin")]), is("201"));
        assert!(fs::read(recipe.shared("sub/put.bin")).unwrap() == fs::read(recipe.folder.join("large")).unwrap());
        // A page of another site may not change anything, and the page of the site itself may.
        let foreign = ["-H", "Origin: https://evil.example", "-T", "small"];
        assert_eq!(ask(&[&foreign[..], &[&at("/sub/put.bin")]].concat()), is("403"));
        let form = ["-H", "Accept: text/html", "-F", "file=@small;filename=form.txt"];
        let stored = ask(&[&own[..], &form, &[&at("/sub/")]].concat());
        assert!(stored.starts_with(&format!("303 HTTP/{version} {SITE}{prefix}/sub/")), "{stored}");
        for name in ["put.bin", "form.txt"] {
            assert_eq!(ask(&["-X", "DELETE", &at(&format!("/sub/{name}"))]), is("204"), "{name}");
        }
    }
}

fn serves_tls_and_http_2(kind: Kind) {
    let Some(recipe) = Recipe::start(kind) else { return };
    for prefix in ["", "/files"] {
        assert_serves(&recipe, prefix);
    }
    // The log has the address of the client, and not the one that it claims to have.
    let (client, claim) = (recipe.ips.number(0), "X-Forwarded-For: 203.0.113.9");
    assert!(
        recipe
            .status(&["--interface", &client, "-H", claim, "-H", "Forwarded: for=203.0.113.9", "/who"])
            .starts_with("404 ")
    );
    until("the request is logged", || {
        recipe.logged(&format!("{client} - - ")).is_some_and(|line| line.contains(" /who "))
    });
    assert_eq!(recipe.logged("203.0.113.9"), None);
    let redirect = recipe.status(&["/files"]);
    assert!(redirect.starts_with("308 ") && redirect.ends_with(&format!(" {SITE}/files/")), "{redirect}");
    // Caddy does this by itself, but only at the ports 80 and 443.
    if kind != Kind::Caddy {
        let redirect = recipe.status(&["http://files.example.org/files/a%20b?c=d"]);
        assert_eq!(redirect, format!("308 HTTP/1.1 {SITE}/files/a%20b?c=d"));
    }
}

/// What many clients do while servers are stopped and started.
struct Load<'a> {
    recipe: &'a Recipe,
    content: Vec<u8>,
    over: AtomicBool,
    succeeded: AtomicUsize,
    /// The names of files for which a client got 201.
    stored: Mutex<Vec<String>>,
    failures: Mutex<Vec<String>>,
}

/// Ends the clients, also when a test has failed.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Requests of one client over one connection.
const REQUESTS: usize = 12;

impl Load<'_> {
    /// One client after the other, until it is over.
    fn clients(&self, number: usize, options: &[&str]) {
        let mut visit = 0;
        while !self.over.load(Ordering::Relaxed) {
            self.client(&format!("{number}-{visit}"), options);
            visit += 1;
        }
    }

    /// One client: uploads and downloads in turn, over one connection.
    fn client(&self, name: &str, options: &[&str]) {
        let (uploads, got) = (format!("/files/up/{name}"), format!("got-{name}"));
        let mut arguments = Vec::new();
        for request in 0..REQUESTS {
            let (target, file) = (format!("{uploads}-{request}"), format!("{got}-{request}"));
            let own = if request % 2 == 0 {
                &["-o", "response", "-T", "content", &target][..]
            } else {
                &["-o", &file, "/content"]
            };
            arguments
                .extend(self.recipe.arguments(&[options, &["-w", "%{http_code} %{num_connects}\n"], own].concat()));
            arguments.push("--next".to_string());
        }
        arguments.pop();
        let output = self.recipe.run(&arguments);
        let printed = String::from_utf8_lossy(&output.stdout);
        // curl repeats a request whose connection has ended, without a word: then it has connected twice.
        let expected = (0..REQUESTS).map(|request| match request {
            0 => "201 1\n",
            _ if request % 2 == 0 => "201 0\n",
            _ => "200 0\n",
        });
        let mut right = printed == expected.collect::<String>();
        for request in 0..REQUESTS {
            let file = self.recipe.folder.join(format!("{got}-{request}"));
            right &= request % 2 == 0 || fs::read(&file).is_ok_and(|bytes| bytes == self.content);
            let _ = fs::remove_file(file);
        }
        if right {
            self.succeeded.fetch_add(REQUESTS, Ordering::Relaxed);
            let names = (0..REQUESTS).step_by(2).map(|request| format!("{name}-{request}"));
            self.stored.lock().unwrap().extend(names);
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            self.failures.lock().unwrap().push(format!("{name} {options:?}:\n{printed}{said}"));
        }
    }

    /// Stops each server with TERM, waits until it is gone, starts it again, and waits until the proxy uses it.
    fn restart_all(&self) {
        for which in [0, 1] {
            let before = self.succeeded.load(Ordering::Relaxed);
            until("requests succeed", || {
                self.succeeded.load(Ordering::Relaxed) > before + 2 * REQUESTS
                    || !self.failures.lock().unwrap().is_empty()
            });
            let mut servers = self.recipe.servers.lock().unwrap();
            let (code, said) = servers[which].take().unwrap().stop(Signal::TERM);
            assert_eq!(code, 0, "{said}");
            let again = servers[which].insert(server(which as u8, &self.recipe.ips, &self.recipe.folder));
            again.log().wait("an upload at the server that is back", |log| log.contains("\"PUT /up/").then_some(()));
        }
    }
}

/// Both servers are restarted, one after the other, while clients of each kind go on.
fn restarts_without_a_failed_request(kind: Kind) {
    let Some(recipe) = Recipe::start(kind) else { return };
    let content = pattern(9, 200_000);
    recipe.folder.write("content", &content);
    fs::write(recipe.shared("content"), &content).unwrap();
    let load = Load {
        recipe: &recipe,
        content,
        over: AtomicBool::new(false),
        succeeded: AtomicUsize::new(0),
        stored: Mutex::default(),
        failures: Mutex::default(),
    };
    // The slow ones are in the middle of an upload or a download when a server stops.
    let clients: [&[&str]; 6] = [
        &["--http1.1"],
        &["--http2"],
        &["--http1.1"],
        &["--http2"],
        &["--http1.1", "--limit-rate", "400K"],
        &["--http2", "--limit-rate", "400K"],
    ];
    let restarts = rounds(1, 4);
    std::thread::scope(|scope| {
        for (number, options) in clients.iter().enumerate() {
            let load = &load;
            scope.spawn(move || load.clients(number, options));
        }
        let _over = End(&load.over);
        for _ in 0..restarts {
            load.restart_all();
        }
    });
    let (failures, stored) = (load.failures.into_inner().unwrap(), load.stored.into_inner().unwrap());
    println!(
        "{kind:?}: {} requests, {} of them uploads, during {} restarts: {} clients failed",
        load.succeeded.into_inner(),
        stored.len(),
        2 * restarts,
        failures.len()
    );
    assert!(failures.is_empty(), "{} clients failed:\n{}", failures.len(), failures.join("\n"));
    for name in &stored {
        assert!(fs::read(recipe.shared("up").join(name)).unwrap() == load.content, "{name}");
    }
    assert_eq!(names(&recipe.shared("up")).len(), stored.len(), "nothing half-made is left");
}

#[test]
fn haproxy_serves_tls_and_http_2_also_under_a_prefix() {
    serves_tls_and_http_2(Kind::HaProxy);
}

#[test]
fn haproxy_fails_no_request_while_both_servers_restart() {
    restarts_without_a_failed_request(Kind::HaProxy);
}

#[test]
fn nginx_serves_tls_and_http_2_also_under_a_prefix() {
    serves_tls_and_http_2(Kind::Nginx);
}

#[test]
fn nginx_fails_no_request_while_both_servers_restart() {
    restarts_without_a_failed_request(Kind::Nginx);
}

#[test]
fn caddy_serves_tls_and_http_2_also_under_a_prefix() {
    serves_tls_and_http_2(Kind::Caddy);
}

#[test]
fn caddy_fails_no_request_while_both_servers_restart() {
    restarts_without_a_failed_request(Kind::Caddy);
}

#[test]
fn of_many_who_create_a_name_through_two_servers_one_wins() {
    let folder = Folder::new();
    let servers = [0, 1].map(|_| Server::start(&folder, &["--upload"]));
    for round in 0..rounds(5, 50) {
        let target = format!("/{round}");
        let create = |number: u64| {
            let server = &servers[number as usize % 2];
            let target = &target;
            move || put(server, target, "If-None-Match: *\r\n", pattern(number, 50_000)).status
        };
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..6).map(|number| scope.spawn(create(number))).collect();
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        // 409: the name was free when the server looked, and taken when the file should get it.
        let lost = &statuses[1..];
        assert!(statuses[0] == 201 && lost.iter().all(|status| matches!(status, 409 | 412)), "{statuses:?}");
    }
}
