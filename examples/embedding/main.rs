//! barewire in a program of your own: two routes, a folder under a prefix, and a test without sockets.
//!
//! ```text
//! cargo run --example embedding                             on 127.0.0.1:7010, with the folder ./public
//! curl http://127.0.0.1:7010/hello/Ada?times=2
//! curl http://127.0.0.1:7010/notes --json '{"text": "buy milk"}'
//! curl http://127.0.0.1:7010/files/                         the listing; its links stay under /files/
//! curl http://127.0.0.1:7010/count -T big.bin               content of any length, never in memory as a whole
//! cargo test --example embedding                            the same routes without a socket
//! ```

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use barewire::files::{self, Site};
use barewire::http::{Method, Status};
use barewire::net::{self, Listener, Server};
use barewire::service::{Call, Problem, Response, Router, Sink};
use serde_json::{Value, json};

/// The most bytes that `/count` takes.
const MOST: u64 = 1 << 40;

type Notes = Arc<Mutex<Vec<String>>>;

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:7010".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let folder = arguments.next().unwrap_or_else(|| "public".into());

    let listener = Listener::bind(address)?;
    println!("listening on {}", listener.address());
    let server = Server::new(app(folder.as_ref())?, net::Settings::default(), vec![listener])?;
    // Responses that have begun may end before the server does.
    net::stop_on_signals(server.stopper(), net::HangUp::Stops)?;
    let report = server.run()?;
    println!("{} requests", report.requests);
    Ok(())
}

/// All routes, and the folder.
fn app(folder: &Path) -> io::Result<Router> {
    let settings = files::Settings::with(|s| s.index = vec!["index.html".into()]);
    let notes = Notes::default();
    let router = Router::default()
        .get("/hello/{name}", hello)
        .route(Method::Post, "/notes", move |call| add_note(call, &notes))
        .upload(Method::Put, "/count", MOST, |_| Ok(Box::new(Counter(0))))
        .mount("/files", Site::open(folder, settings)?);
    Ok(router)
}

/// `/hello/Ada?times=2`
fn hello(call: &Call) -> Response {
    let name = call.text("name").unwrap_or("you");
    let query = call.query();
    let times = query.iter().find(|(name, _)| name == "times").and_then(|(_, times)| times.parse().ok());
    Response::text(Status::OK, format!("hello, {name}\n").repeat(times.unwrap_or(1_usize).min(10)))
}

/// Keeps the text of a JSON object. Content that is something else is 400 or 415, in the form that the client asks for.
fn add_note(call: &Call, notes: &Notes) -> Result<Response, Problem> {
    let note: Value = call.json()?;
    let text = note["text"].as_str().ok_or_else(|| {
        Problem::new(Status::BAD_REQUEST).with_sentence("A note has a text.").with_advice("Send {\"text\": \"…\"}.")
    })?;
    let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
    notes.push(text.to_string());
    Ok(Response::json(Status::CREATED, json!({ "notes": *notes }).to_string() + "\n"))
}

/// Counts the bytes of an upload as they come.
struct Counter(u64);

impl Sink for Counter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Response {
        Response::text(Status::OK, format!("{} bytes\n", self.0))
    }
}

#[cfg(test)]
mod tests {
    use barewire::service::TestClient;

    use super::*;

    #[test]
    fn the_routes_answer_and_the_folder_stays_under_its_prefix() {
        let mut client = TestClient::new(app("public".as_ref()).unwrap());
        assert_eq!(client.get("/hello/Ada?times=2").text(), "hello, Ada\nhello, Ada\n");

        let mut post = |content: &str, media_type: &str| {
            let head = format!("POST /notes HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\n");
            client.send(format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()).as_bytes())
        };
        assert_eq!(post(r#"{"text": "buy milk"}"#, "application/json").text(), "{\"notes\":[\"buy milk\"]}\n");
        assert_eq!(post("[1", "application/json").status(), Status::BAD_REQUEST);
        assert_eq!(post("text=x", "text/plain").status(), Status::UNSUPPORTED_MEDIA_TYPE);

        let counted = client.send(b"PUT /count HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345");
        assert_eq!(counted.text(), "5 bytes\n");

        // The first response is made, the second one is kept; they are the same.
        let [made, kept] = [(); 2].map(|()| client.get("/files/hello.txt"));
        assert_eq!((made.status(), made.content()), (Status::OK, kept.content()));
        assert_eq!(client.get("/files").field("Location"), Some("files/"));
        assert_eq!(client.get("/hello.txt").status(), Status::NOT_FOUND);
    }
}
