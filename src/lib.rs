//! barewire: a small HTTP/1.1 file server from raw sockets, and the only one that lets a person *see*
//! HTTP. This page is the map of its source.
//!
//! # Five rooms, one ladder
//!
//! ```text
//! http ──► service ──► files ──► net ──► main
//!                 └──► wire ───┘
//! ```
//!
//! A room imports only rooms to its left; `files` and `wire` never see each other. A test
//! (`tests/it/imports.rs`) enforces the ladder, so the arrows cannot rot.
//!
//! | room | what it is | what it never does |
//! |---|---|---|
//! | [`http`] | the protocol: bytes in, events out; a status and fields in, bytes out | sockets, files, threads, the clock |
//! | [`service`] | who answers: the seam, the router, the pages for people | a disk, a socket |
//! | [`files`] | from a path to a representation, through one door to the disk | a path given to the kernel outside `files::root` |
//! | [`wire`] | the study view: a tape of what the sockets carried, explained | a parser of its own for requests: it replays the tape through [`http`] |
//! | [`net`] | one edge-triggered loop per core; workers for what may block | a rule of HTTP |
//!
//! # One GET, from accept to the last byte
//!
//! `net::entrance` accepts and gives a seat · [`net::client`] has its turn: `net::reading` calls `recv`
//! into the loop's scratch · [`http::http1`] finds the request in it ([`http::head`],
//! [`http::target`], [`http::framing`]) and borrows it · `net::answering` asks the
//! [`service::Service`]: [`service::router`], then [`files::site`] · `files::shelf` has the answer
//! ready, or [`files::root`] opens the file, [`files::validator`], [`files::precondition`],
//! [`files::range`] and [`files::media_type`] decide, and `files::retrieve` makes the response ·
//! [`http::response`] writes the head · [`net::outbox`] sends it, the content in the same call if it
//! is small, else by `sendfile` · [`net::journal`] writes the line of the log.
//!
//! # Reading order
//!
//! *The afternoon*: the ladder of [`http`] from top to bottom, then [`service::answer`],
//! [`net::event_loop`], [`net::client`], [`net::outbox`], [`files::site`], [`files::root`].
//! *The evening*: [`files::precondition`], [`files::range`], [`files::coding`], `files::shelf`,
//! [`net::deadline`], [`net::workers`], [`net::admission`], [`wire::tape`].
//!
//! # Invariants
//!
//! Most are absences, and each has a test.
//!
//! 1. [`http`] names no socket, file, clock, thread or log. *(rooms test)*
//! 2. Nothing on a loop blocks: the only blocking calls are in jobs. *(files::root opens with
//!    `RESOLVE_CACHED` on the loop)*
//! 3. No path reaches the disk but through [`files::root`]. *(rooms test)*
//! 4. A late answer cannot reach another client: seats carry generations. *([`net::seat`])*
//! 5. Each byte of input is looked at a bounded number of times. *(the corpus, byte by byte)*
//! 6. Every queue, buffer and wait has a number with a name and a reason.
//! 7. For every request begun there is one line in the log, for every connection one named end.
//! 8. Numbers of the protocol are read only in [`http::byte`]. *(rooms test)*
//! 9. What lies ready is what the slow way would say now. *(10,000 edits in `files::shelf`)*
//!
//! # As a library
//!
//! ```no_run
//! use barewire::files::{Settings as Files, Site};
//! use barewire::http::Status;
//! use barewire::net::{Listener, Server, Settings};
//! use barewire::service::{Response, Router};
//!
//! let site = Site::open("public".as_ref(), Files::default())?;
//! let router = Router::new(Box::new(site)).get("/hello/{name}", |call| {
//!     Response::text(Status::OK, format!("hello {}\n", call.text("name").unwrap_or_default()))
//! });
//! let listener = Listener::bind(([127, 0, 0, 1], 8080).into())?;
//! Server::new(router, Settings::default(), vec![listener])?.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(not(unix))]
compile_error!(
    "barewire needs a Unix: containment by the kernel and rename-over are what it is made of (use WSL2 on Windows)"
);

pub mod files;
pub mod http;
pub mod net;
pub mod practice;
pub mod service;
pub mod wire;
