//! Labs 8 and 12: barewire as a library. Your own routes, and three things you need not care about:
//! the sockets, a handler that panics, a handler that takes its time.
//!
//! ```text
//! cargo run --example library                               on 127.0.0.1:7009
//! curl -i http://127.0.0.1:7009/hello/Ada                   200
//! curl -i http://127.0.0.1:7009/divide/7/2                  200
//! curl -i http://127.0.0.1:7009/divide/7/0                  the handler panics: 500
//! curl -i http://127.0.0.1:7009/door                        waits until somebody rings:
//! curl -i -X POST http://127.0.0.1:7009/bell                in a second terminal
//! ```
//!
//! The routes run on workers, where they may wait, and where a panic costs one answer and not the
//! server. What no route has goes to the fallback, a [`Service`]: it runs on the loop between all
//! connections, so it must never wait, and is faster for it.
//!
//! Try to break it:
//! - Let three people wait at the door (as many as there are workers, less one: handlers must leave the
//!   last worker to short work). Now /hello waits too. /bell is still answered: it needs no worker.
//! - `/divide/x/2`, `DELETE /hello/Ada`, `/hello/`, `/hello/a%2Fb`: 400, 405 with Allow, 404, 400.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use barewire::http::{Method, Request, Status};
use barewire::net::{Listener, Server, Settings};
use barewire::service::{Answer, Call, IntoResponse, Problem, RequestContext, Response, Router, Service, not_allowed};

/// A client waits no longer than this.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7009".into());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;

    let bell = Arc::new(Bell::default());
    let door = bell.clone();
    let router = Router::new(Box::new(Fallback { bell }))
        .get("/hello/{name}", hello)
        .get("/divide/{a}/{b}", divide)
        .get("/door", move |_| wait_at(&door));

    let listener = Listener::bind(address)?;
    println!("listening on {}", listener.address());
    Server::new(router, Settings::default(), vec![listener])?.run()?;
    Ok(())
}

fn hello(call: &Call) -> Response {
    match call.text("name") {
        Some(name) => Response::text(Status::OK, format!("hello, {name}\n")),
        None => Response::text(Status::BAD_REQUEST, "a name is UTF-8 here\n"),
    }
}

/// Forgets that nothing can be divided by zero.
fn divide(call: &Call) -> Response {
    let number = |name| call.text(name)?.parse::<i64>().ok();
    match (number("a"), number("b")) {
        (Some(a), Some(b)) => Response::text(Status::OK, format!("{}\n", a / b)),
        _ => Response::text(Status::BAD_REQUEST, "two whole numbers, please\n"),
    }
}

fn wait_at(bell: &Bell) -> Response {
    match bell.wait() {
        true => Response::text(Status::OK, "the door opens\n"),
        false => Response::text(Status::SERVICE_UNAVAILABLE, "nobody rang\n").field("Retry-After", "1"),
    }
}

/// Counts how often it was rung.
#[derive(Default)]
struct Bell {
    rung: Mutex<u64>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
    }

    /// Waits for the next time; `false` if it does not come.
    fn wait(&self) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *rung;
        // Said while the lock is held: a client that reads it and rings then cannot ring too early.
        println!("somebody waits at the door");
        let waited = self.changed.wait_timeout_while(rung, PATIENCE, |rung| *rung == before);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Answers what no route has: the bell, and 404 for the rest.
struct Fallback {
    bell: Arc<Bell>,
}

impl Service for Fallback {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        Answer::Now(match (request.path(), request.method()) {
            (b"/bell", Method::Post) => {
                self.bell.ring();
                Response::text(Status::OK, "ding\n")
            }
            (b"/bell", _) => not_allowed(request, &[Method::Post]),
            (path, _) => Problem::not_found(path, None).into_response(request),
        })
    }

    /// Each loop has a fallback of its own; they share the bell.
    fn fork(&self) -> Box<dyn Service> {
        Box::new(Fallback { bell: self.bell.clone() })
    }
}
