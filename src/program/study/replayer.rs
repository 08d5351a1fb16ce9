//! A client that sends a recorded request again, to this very server.
//!
//! Never: a wait of the view for the answer. It is read and thrown away: what it was, the view shows.
//!
//! The subtle thing: the connection is known to the view by the port it comes from, so its number can be
//! told before anything is sent on it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use barewire::http::Limits;
use barewire::wire::browser::Replayer;
use barewire::wire::export::replay::Recipe;
use barewire::wire::record::history::History;
use barewire::wire::{Conversation, ExplainOptions, Role};

/// Requests on their way again, at most: each has a thread.
const AT_ONCE: usize = 4;
/// How long a connection to this computer may take to be made.
const CONNECT: Duration = Duration::from_secs(2);
/// How long the view waits to learn the number of the connection.
const NUMBER: Duration = Duration::from_secs(1);
/// Silence after which the answer is given up.
const SILENCE: Duration = Duration::from_secs(30);
/// How long an answer may take as a whole.
const ANSWER: Duration = Duration::from_secs(120);
/// Bytes of one read.
const READ: usize = 16 * 1024;

/// Sends requests again to `main`.
pub(crate) fn replayer(main: SocketAddr, history: Arc<History>) -> Box<Replayer> {
    let running = Arc::new(AtomicUsize::new(0));
    Box::new(move |recipe| {
        let place = Place::take(&running).ok_or("other requests are still on their way: wait for their answers")?;
        let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
        let socket = TcpStream::connect_timeout(&main, CONNECT)
            .map_err(|error| failed("the server takes no connection", &error))?;
        let own = socket.set_nodelay(true).and_then(|()| socket.local_addr()).map_err(|e| failed("no socket", &e))?;
        let send = move || {
            // Whoever reads the view sees how far it came.
            let _ = play(socket, &recipe);
            drop(place);
        };
        std::thread::Builder::new().name("replay".into()).spawn(send).map_err(|error| failed("no thread", &error))?;
        Ok(history.connection_of(own, NUMBER))
    })
}

/// A place among the requests that are on their way.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(running: &Arc<AtomicUsize>) -> Option<Place> {
        let place = Place(Arc::clone(running));
        (running.fetch_add(1, Ordering::Relaxed) < AT_ONCE).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn play(mut socket: TcpStream, recipe: &Recipe) -> std::io::Result<()> {
    let mut conversation = Conversation::new(&ExplainOptions::live(Limits::default(), Default::default()));
    let mut messages = Vec::new();
    for (gap, bytes) in &recipe.pieces {
        std::thread::sleep(*gap);
        conversation.received(bytes, &mut messages);
        if socket.write_all(bytes).is_err() {
            // A server that refuses what it has seen so far has said so, which is read below.
            break;
        }
    }
    if recipe.ends {
        socket.shutdown(Shutdown::Write)?;
    }
    socket.set_read_timeout(Some(SILENCE))?;
    let (mut buffer, began) = (vec![0; READ], Instant::now());
    while conversation.answering() <= 1 && !conversation.is_shut(Role::Response) && began.elapsed() < ANSWER {
        match socket.read(&mut buffer)? {
            0 => break,
            count => conversation.sent(&buffer[..count], &mut messages),
        }
        messages.clear();
    }
    Ok(())
}
