//! An HTTP/1.1 server to embed, from raw sockets: your own routes, and folders of files under any prefix.
//!
//! A folder under `/files/`, a route beside it, and one request over a socket:
//!
//! ```
//! # #[cfg(feature = "server")] {
//! use std::io::{Read, Write};
//!
//! use barewire::files::{self, Site};
//! use barewire::http::Status;
//! use barewire::net::{self, Listener, Server};
//! use barewire::service::{Response, Router};
//!
//! let router = Router::default()
//!     .get("/hello/{name}", |call| {
//!         Response::text(Status::OK, format!("hello {}\n", call.text("name").unwrap_or_default()))
//!     })
//!     .mount("/files", Site::open("public".as_ref(), files::Settings::default())?);
//! let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
//! let address = listener.address();
//! let server = Server::new(router, net::Settings::default(), vec![listener])?;
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
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! `examples/embedding` has JSON, forms, an upload of any length, and a test. [`TestClient`] tests routes without a
//! socket. [`App::new`] adds the checks of hosts, origins and passwords, which a bare [`Router`] does not have.
//!
//! # Features
//!
//! | feature | what it adds | crates, this one included |
//! |---|---|---:|
//! | none | [`http`]: the protocol without sockets, bytes in and events out | 5 |
//! | `server` | [`service`]: routes, responses, access rules; [`files`]: folders; [`net`]: sockets and event loops | at most 45 |
//! | `bcrypt` | password files with the hashes that `htpasswd -B` writes | 12 more |
//! | `wire` | [`wire`] can record what the sockets carry ([`Server::record`]) | |
//! | `cli` (on by default, with `wire`) | the program: its command line, its log, its sandbox | |
//!
//! ```toml
//! barewire = { version = "0.1", default-features = false, features = ["server"] }
//! ```
//!
//! # What a version promises
//!
//! What these pages show keeps its meaning within a minor version. The structs of settings grow, so they are made by
//! changes of their defaults: `files::Settings::with(|files| files.upload = true)`. Modules that these pages do not show
//! belong to the program and may change at any time.
//!
//! Everything runs on Linux; [`http`] runs anywhere. The map of the source is `src/MAP.md`.
//!
//! [`App::new`]: service::App::new
//! [`Router`]: service::Router
//! [`Server::record`]: net::Server::record
//! [`TestClient`]: service::TestClient
#![cfg_attr(not(feature = "server"), allow(rustdoc::broken_intra_doc_links, reason = "the page names all modules"))]

#[cfg(all(feature = "server", not(target_os = "linux")))]
compile_error!(
    "barewire is a program for Linux: it is built on openat2, sendfile, Landlock and epoll. On Windows use WSL2, on \
     macOS a Linux container."
);

#[cfg(feature = "server")]
pub mod files;
#[cfg_attr(not(feature = "server"), expect(dead_code, reason = "some of it is for the server alone"))]
pub mod http;
#[cfg(feature = "server")]
pub mod net;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod practice;
#[cfg(feature = "server")]
pub mod service;
#[cfg(feature = "server")]
pub mod wire;
