//! For tests: requests from bytes, folders that are removed at the end.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use crate::http::{AddedFields, Event, Http1, HttpDate, Length, Limits, Method, Request, Transfer};
use crate::service::{Answer, Body, Outcome, RequestContext, Service};

/// The request with these bytes.
#[track_caller]
pub(crate) fn request(bytes: &[u8]) -> Request<'static> {
    match Http1::new(Limits::default()).receive(bytes).event {
        Event::Request(request, _) => request.into_owned(),
        other => panic!("no request: {other:?} in {}", String::from_utf8_lossy(bytes)),
    }
}

/// A new folder, removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("barewire-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// A file, with the folders on the way to it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn symlink(&self, to: impl AsRef<Path>, name: impl AsRef<Path>) {
        std::os::unix::fs::symlink(to, self.join(name)).unwrap();
    }

    pub(crate) fn fifo(&self, name: &str) {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, self.join(name), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Sets the modification time of a file to this many seconds ago.
pub(crate) fn age(path: &Path, seconds: u64) {
    let moment = SystemTime::now() - Duration::from_secs(seconds);
    std::fs::File::open(path).unwrap().set_modified(moment).unwrap();
}

/// A moment at which a file that was just written counts as old.
pub(crate) fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(60)
}

/// A response as a client would receive it, and whether it came from the cache.
pub(crate) struct Got {
    pub(crate) bytes: String,
    pub(crate) ready: bool,
}

/// The response to this request now.
#[track_caller]
pub(crate) fn fetch(site: &mut dyn Service, head: &str) -> Got {
    fetch_at(site, head, SystemTime::now())
}

/// The response at this moment.
#[track_caller]
pub(crate) fn fetch_at(site: &mut dyn Service, head: &str, now: SystemTime) -> Got {
    let local = SocketAddr::from(([127, 0, 0, 1], 80));
    let context = RequestContext {
        peer: local,
        client: crate::service::Client::Peer(local.ip()),
        local,
        now,
        arrival: arrival(),
    };
    let mut connection = Http1::new(Limits::default());
    let Event::Request(request, _) = connection.receive(head.as_bytes()).event else { panic!("no request: {head}") };
    let answer = site.answer(&request, &context);
    let (date, mut out) = (HttpDate::from_second(0), Vec::new());
    let response = match answer {
        Answer::Ready(prepared) => {
            connection.respond_prepared(&prepared, &AddedFields::NONE, &date, &mut out);
            return Got { bytes: String::from_utf8(out).unwrap(), ready: true };
        }
        Answer::ReadyFile(head, file) => {
            connection.respond_prepared(&head, &AddedFields::NONE, &date, &mut out);
            let len = if connection.method() == Method::Head { 0 } else { head.content_len() };
            out.extend(file.read(0, len).unwrap());
            return Got { bytes: String::from_utf8(out).unwrap(), ready: true };
        }
        Answer::Now(response) => response,
        Answer::Blocking(_, job) => match job() {
            Outcome::Response(response) => response,
            Outcome::Again(_) => panic!("nothing to ask again"),
        },
        _ => panic!("no content is wanted"),
    };
    let (status, fields, body) = response.into_parts();
    let transfer = connection.respond(status, &fields, Length::Known(body.len()), &AddedFields::NONE, &date, &mut out);
    match body {
        Body::File { file, from, len } if transfer != Transfer::Nothing => {
            out.extend(file.read(from, len).unwrap());
        }
        Body::Bytes(content) if transfer != Transfer::Nothing => out.extend_from_slice(&content),
        _ => {}
    }
    Got { bytes: String::from_utf8(out).unwrap(), ready: false }
}

/// A request for `path`.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// The same with one more field.
pub(crate) fn with(path: &str, field: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n")
}

/// Each request of a test has a number of its own.
pub(crate) fn arrival() -> u64 {
    static ARRIVALS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    ARRIVALS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
