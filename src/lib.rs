//! barewire: a small HTTP/1.1 file server from raw sockets that shows every byte of an exchange. This page is
//! the map of its source.
//!
//! # Layers
//!
//! ```text
//! http ──► service ──► files ──┐
//!             │               ├──► net ──► program ──► main
//!             ├──► wire ──────┘              ▲
//!             └──► practice ─────────────────┘
//! ```
//!
//! A layer imports only layers to its left. A test (`tests/it/imports.rs`) enforces this, and that no files
//! inside a layer import each other in a circle.
//!
//! | layer | task | not its task |
//! |---|---|---|
//! | [`http`] | the protocol: bytes in, events out; a status and fields in, bytes out | sockets, files, threads, the clock |
//! | [`service`] | the order in which a request is decided, routes, error pages, access rules | the disk, a socket |
//! | [`files`] | from a path to a response: files, listings, uploads | a path that reaches the kernel outside `files::root` |
//! | [`wire`] | what the sockets carried: recorded, explained, shown, exported | a parser of its own for requests: it replays the bytes through [`http`] |
//! | [`practice`] | the addresses under `/.try/`, one for each case of HTTP | |
//! | [`net`] | sockets: one event loop for each core, workers for what may block | a rule of HTTP |
//! | `program` | the command line, and the order in which the server starts | |
//!
//! # The main path: one GET from accept to the last byte
//!
//! Read these files in this order. They contain most of the code that the first GET of a file executes:
//!
//! 1. [`net::event_loop`]: waits for events, gives each connection its turn, takes the results of finished jobs.
//! 2. [`net::connection`]: the states of one connection, and one turn of it.
//! 3. `net::connection::read`: receives bytes into the buffer of the loop, and passes them to the parser.
//! 4. [`http::http1`]: the protocol state of one connection. It turns bytes into events, such as a request.
//! 5. [`http::head`]: finds the end of a request head, and checks request line and field lines.
//! 6. `net::connection::respond`: asks how the request will be answered, and puts the response into the send queue.
//! 7. [`service::app`]: the order in which a request is decided, on one screen; fields of every response.
//! 8. [`files::site`]: the path becomes a file, a folder or an error; from the cache where that is possible.
//! 9. `files::root`: the only code that opens a path, beneath the served folder.
//! 10. `files::retrieve`: preconditions, ranges and header fields of a file, in the order of RFC 9110.
//! 11. [`http::response`]: the head of the response as bytes.
//! 12. [`net::send_queue`]: `send`, and `sendfile` for large content.
//!
//! # Where to find what
//!
//! | question | file |
//! |---|---|
//! | In which order is a request decided? | [`service::app`], `App::answer` |
//! | Where is a malformed request refused? | head: [`http::head`]; chunk size: [`http::chunked`], `Decoder::size_line` |
//! | With which status and sentence? | the table in [`http::fault`] |
//! | Which code makes a page of it? | `Connection::refuse` in `net::connection::respond` calls `App::refuse`, which calls [`service::error_page::malformed_request`] |
//! | What happens when a client stops reading? | sending stops: `Connection::drive` in [`net::connection`]; it is closed: [`net::deadline`], phase Sending |
//! | How do I add a header field to every response? | [`service::app`], `Rules::added_fields` |
//! | How does an upload become a file? | received in blocks: `net::connection::body`; written: `files::write::put`, `files::root::temp_file`; named: `files::root::publish` |
//! | Where are the sentences that people read? | in a `texts.txt` beside the code that shows them; [`service::texts`] reads them |
//! | What bounds everything that can grow? | the table in `tests/README.md` |
//! | Why was a connection closed? | [`net::close_reason`] |
//! | Where are secrets removed from the wire view? | `wire::explain::redact` |
//!
//! # What always holds
//!
//! 1. [`http`] names no socket, file, clock, thread or log. *(test of imports)*
//! 2. No call on an event loop waits for a disk: work that may block is a job for a worker.
//! 3. Every path of a request reaches the kernel through `files::root`. *(test of imports)*
//! 4. A late result cannot reach another client: keys of connections carry a generation.
//! 5. Each byte of input is looked at a bounded number of times. *(the corpus, byte by byte)*
//! 6. Every limit is a constant with a name and a reason.
//! 7. Each request has one line in the access log, and each connection one reason for its end.
//! 8. Numbers of the protocol are parsed only in [`http::grammar`]. *(test of imports)*
//! 9. A response from the cache says the same as a fresh one.
//!
//! # As a library
//!
//! A folder with a route before it, on a free port, and one request:
//!
//! ```
//! use std::io::{Read, Write};
//!
//! use barewire::files::{Settings as Files, Site};
//! use barewire::http::Status;
//! use barewire::net::{Listener, Server, Settings};
//! use barewire::service::{Response, Router};
//!
//! let site = Site::open("public".as_ref(), Files::default())?;
//! let router = Router::new(Box::new(site)).get("/hello/{name}", |call| {
//!     Response::text(Status::OK, format!("hello {}\n", call.text("name").unwrap_or_default()))
//! });
//! let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
//! let address = listener.address();
//! let server = Server::new(router, Settings::default(), vec![listener])?;
//! let stopper = server.stopper();
//! let running = std::thread::spawn(move || server.run());
//!
//! let mut client = std::net::TcpStream::connect(address)?;
//! client.write_all(b"GET /hello/ann HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
//! let mut response = String::new();
//! client.read_to_string(&mut response)?;
//! assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\nhello ann\n"));
//!
//! stopper.stop();
//! assert_eq!(running.join().expect("no panic")?.requests, 1);
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!(
    "barewire is a program for Linux: it is built on openat2, sendfile, Landlock and epoll. On Windows use WSL2, on \
     macOS a Linux container."
);

pub mod files;
pub mod http;
pub mod net;
pub mod practice;
pub mod service;
pub mod wire;
