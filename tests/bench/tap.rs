//! A server for `tests/bench/tap.py`: one loop, and one response of 1 KiB in memory. It opens no file: callgrind does
//! not know every system call for that, and only the way from `recv` to `send` is measured here.

use std::io;
use std::net::SocketAddr;

use barewire::http::{Fields, Prepared, Request, Status};
use barewire::net::{Listener, Server, Settings};
use barewire::service::{Answer, RequestContext, Service};

#[derive(Clone)]
struct Same(Prepared);

impl Service for Same {
    fn answer(&mut self, _: &Request<'_>, _: &RequestContext) -> Answer {
        Answer::Ready(self.0.clone())
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(self.clone())
    }
}

fn main() -> io::Result<()> {
    let same = Same(Prepared::new(Status::OK, &Fields::new(), &[b'x'; 1024]));
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    println!("{}", listener.address());
    let server = Server::new(same, Settings::with(|s| s.loops = 1), vec![listener])?;
    let stopper = server.stopper();
    // Until its standard input ends.
    std::thread::spawn(move || {
        let _ = io::stdin().read_line(&mut String::new());
        stopper.stop();
    });
    server.run()?;
    Ok(())
}
