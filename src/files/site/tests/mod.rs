//! Whole sites on a real disk: a request in, a response out.

mod answers;
mod content;
mod paths;
mod versions;

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::resource::encode;
use crate::files::site::*;
use crate::files::testing::{Folder, age, arrival, later, request};
use crate::service::{Body, Piece};

/// A response with its content read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    code: u16,
    /// One line for each field, in order.
    fields: String,
    content: Vec<u8>,
}

impl Seen {
    fn of(response: Response) -> Seen {
        let code = response.status().code();
        let (_, fields, body) = response.into_parts();
        let length = body.len();
        let content = match body {
            Body::Empty => Vec::new(),
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::File { file, from, len } => file.read(from, len).unwrap(),
            Body::Pieces { file, pieces } => pieces
                .into_iter()
                .flat_map(|piece| match piece {
                    Piece::Bytes(bytes) => bytes,
                    Piece::Range { from, len } => file.read(from, len).unwrap(),
                })
                .collect(),
            other => panic!("a site has no reason for {other:?}"),
        };
        assert_eq!(content.len() as u64, length);
        Seen { code, fields: String::from_utf8_lossy(fields.bytes()).replace("\r\n", "\n"), content }
    }

    fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.lines().filter_map(|line| {
            let (other, value) = line.split_once(": ").or(line.split_once(':'))?;
            other.eq_ignore_ascii_case(name).then_some(value)
        });
        let first = values.next();
        assert!(values.next().is_none(), "{name} is there twice: {}", self.fields);
        first
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// A request from this computer.
fn context(now: SystemTime) -> RequestContext {
    let address = "127.0.0.1:1".parse().unwrap();
    RequestContext {
        peer: address,
        client: crate::service::Client::Peer(address.ip()),
        local: address,
        now,
        arrival: arrival(),
    }
}

fn site(folder: &Folder, change: impl FnOnce(&mut Settings)) -> Site {
    let mut settings = Settings::default();
    change(&mut settings);
    Site::open(folder.path(), settings).unwrap()
}

fn plain(folder: &Folder) -> Site {
    site(folder, |_| {})
}

/// The response of a worker. If the loop can respond too, both responses must be equal.
#[track_caller]
fn ask_at(site: &Site, now: SystemTime, line: &str, fields: &[&str]) -> Seen {
    let fields: String = fields.iter().map(|f| format!("{f}\r\n")).collect();
    let request = request(format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
    let worker =
        Seen::of(site.current.state.respond(&request, &context(now), true, None).expect("a worker always responds"));
    if let Some(response) = site.current.state.respond(&request, &context(now), false, None) {
        let on_loop = Seen::of(response);
        if !worker.fields.contains("boundary=") {
            assert_eq!(on_loop, worker);
        }
    }
    worker
}

#[track_caller]
fn ask(site: &Site, line: &str, fields: &[&str]) -> Seen {
    ask_at(site, later(), line, fields)
}

#[track_caller]
fn get(site: &Site, path: &str) -> Seen {
    ask(site, &format!("GET {path}"), &[])
}

const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8";
